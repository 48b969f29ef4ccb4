// SPDX-License-Identifier: Apache-2.0
/* The kinds of resources that `coapsule serve` knows: examples that show what a server does, and that tests and the demo
 * ask. */
#ifndef CPS_CLI_KIND_H
#define CPS_CLI_KIND_H

#include "host/clock.h"
#include "host/conf_daemon.h"
#include "host/log.h"

#include <coapsule/server.h>

#define CPS_KIND_JSON_MAX 1024U /* a document that PATCH makes, or a part of one that FETCH gives */

typedef struct cps_kinds cps_kinds_t;

/** What a resource of a kind knows and holds. */
typedef struct cps_thing {
    cps_kinds_t *kinds;
    char *path;    /**< without the first "/" */
    uint32_t kind; /**< cps_conf_resource_kind_t */
    uint64_t delay_us;
    uint64_t next_delay_us; /**< while other resources are prepared */
    bool wanted;            /**< by them */
    bool fresh;             /**< made for them */
    uint8_t etag[8];        /**< of what it holds now */
    uint8_t seed[8];        /**< of the ETags of selections from it */
    bool exists;
    bool unlocked;
    uint64_t number;
    uint8_t *bytes; /**< of kind value */
    size_t len;
    int32_t format; /**< Content-Format of the bytes; -1: none was given */
} cps_thing_t;

/** A request that a slow thing answers later. */
typedef struct cps_kind_waiting {
    cps_request_t *request;
    cps_time_us_t due_us;
} cps_kind_waiting_t;

struct cps_kinds {
    cps_server_t *server; /**< NULL while a configuration is only checked */
    cps_log_t *log;
    uint32_t body_max; /**< largest body taken */
    cps_clock_t clock;
    cps_thing_t **things;
    size_t count;
    cps_kind_waiting_t *waiting; /**< in the order in which they came */
    size_t waiting_count;
    size_t waiting_room;
    cps_time_us_t sensed_us; /**< observers of the sensors are told next then, if there are any */
};

/** None yet. */
void cps_kinds_init(cps_kinds_t *kinds, cps_server_t *server, cps_log_t *log, uint64_t body_max);

/** After the server: nothing is answered any more. */
void cps_kinds_fini(cps_kinds_t *kinds);

/** Takes a resource; valid for the call. */
typedef cps_err_t (*cps_kinds_take_fn)(void *user, const cps_resource_t *resource);

/**
 * Make the thing of a configured resource, and give its description to `take`, whose errors it passes on.
 * CPS_ERR_MEMORY; CPS_ERR_CONFIG where a name in `allow` cannot stand in a list.
 */
CPS_MUST_USE cps_err_t cps_kinds_make(cps_kinds_t *kinds, const cps_conf_resource_t *from, cps_kinds_take_fn take,
                                      void *user);

/** Before the things of other resources are made, while these are served: one of the same path and kind is the same thing,
 * and goes on with what it holds. They take bodies up to `body_max`. */
void cps_kinds_begin(cps_kinds_t *kinds, uint64_t body_max);

/** They are served now, or not: free what is not needed. */
void cps_kinds_end(cps_kinds_t *kinds, bool taken);

/** How many milliseconds until cps_kinds_answer has something to do; -1: nothing. */
int cps_kinds_timeout_ms(const cps_kinds_t *kinds);

/** Answer what is due, with `all` everything that waits; and tell observers of a sensor that it shows something else. */
void cps_kinds_answer(cps_kinds_t *kinds, bool all);

/** What it holds has changed: another ETag. */
void cps_kind_touch(cps_thing_t *thing);

/** Whether the conditions of the request hold (RFC 7252 §5.10.8); where they do not, 4.12 is sent and `*err` is what the
 * handler gives back. */
bool cps_kind_may_change(cps_request_t *request, const cps_thing_t *thing, cps_err_t *err);

/** Put these bytes in the place of those that a value holds; false where there is no memory, and nothing has changed. */
bool cps_kind_hold(cps_thing_t *thing, cps_bytes_t bytes);

/** What a kind does with a request, one function for all its methods (kind_things.c, kind_json.c). */
cps_err_t cps_kind_lock_get(cps_request_t *request, void *user);
cps_err_t cps_kind_lock_set(cps_request_t *request, void *user);
cps_err_t cps_kind_sensor_get(cps_request_t *request, void *user);
cps_err_t cps_kind_value_get(cps_request_t *request, void *user);
cps_err_t cps_kind_value_set(cps_request_t *request, void *user);
cps_err_t cps_kind_value_delete(cps_request_t *request, void *user);
cps_err_t cps_kind_counter_get(cps_request_t *request, void *user);
cps_err_t cps_kind_counter_post(cps_request_t *request, void *user);
cps_err_t cps_kind_slow(cps_request_t *request, void *user);
cps_err_t cps_kind_echo(cps_request_t *request, void *user);
cps_err_t cps_kind_value_fetch(cps_request_t *request, void *user);
cps_err_t cps_kind_value_patch(cps_request_t *request, void *user);

#endif /* CPS_CLI_KIND_H */
