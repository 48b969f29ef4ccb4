// SPDX-License-Identifier: Apache-2.0
/* A server from inside: one worker, its credentials, its resources. */
#ifndef CPS_SERVER_SERVER_H
#define CPS_SERVER_SERVER_H

#include "server/dispatch.h"

#include "host/leases.h"
#include "host/log.h"
#include "host/metrics.h"

#define CPS_SERVER_DETAIL_MAX 512U
#define CPS_SERVER_SIGNALS    2U

#define CPS_SERVER_OUTCOMES 3U /* answered, refused, failed */

struct cps_server {
    uv_loop_t loop;
    bool has_loop;
    uv_async_t stop;
    uv_timer_t retry; /**< answers that the full output did not take; wakes the loop while it drains */
    uv_timer_t wait;  /**< ends a wait for the store */
    uv_signal_t signals[CPS_SERVER_SIGNALS];
    bool catch_signals;
    bool started; /**< nothing failed in cps_server_new */
    bool stopping;
    cps_worker_t *worker;
    cps_store_t *store;
    cps_keyring_t *keyring;
    cps_leases_t *leases;
    cps_dispatch_t dispatch;
    bool has_dispatch;
    cps_ep_config_t limits; /**< what the endpoint was made with */
    uint64_t outcomes[CPS_SERVER_OUTCOMES];
    uint64_t codes[256]; /**< of answers */
    cps_histogram_t seconds;
    cps_log_t log;
    uv_timer_t log_tick; /**< a second after an event: what was left out is told */
    bool quiet;
    void (*sink)(void *user, const char *line);
    void *sink_user;
    char addresses[CPS_SOCKETS_MAX][CPS_ADDR_TEXT_MAX];
    size_t address_count;
    char detail[CPS_SERVER_DETAIL_MAX];
};

/** Leave a sentence for cps_server_detail; gives `err`. */
cps_err_t cps_server_fail(cps_server_t *server, cps_err_t err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Begin the log. CPS_ERR_CONFIG for a level or format that there is not. */
CPS_MUST_USE cps_err_t cps_server_log_init(cps_server_t *server, const cps_server_options_t *options);

/** Write an event, with at least one field. */
void cps_server_log(cps_server_t *server, cps_log_level_t level, const char *name, const cps_log_field_t *fields,
                    size_t count);

/** The same with the fields as arguments. */
#define CPS_SERVER_LOG(server, level, name, ...)                                                                       \
    cps_server_log(server, level, name, (const cps_log_field_t[]){__VA_ARGS__},                                        \
                   sizeof((const cps_log_field_t[]){__VA_ARGS__}) / sizeof(cps_log_field_t))

/** Open the sockets of a list ("coap://[::]:5683 coap://127.0.0.1"), or of the default one (NULL). */
CPS_MUST_USE cps_err_t cps_server_listen(cps_server_t *server, const char *list);

/** What the endpoint says. `user` is the server. */
void cps_server_event(void *user, const cps_event_t *event);

/** What became of a request, for the log. */
void cps_server_served(void *user, const cps_dispatch_note_t *note);

/** Write what the server has seen and holds. */
void cps_server_metrics(const cps_server_t *server, cps_metrics_out_t *out);

/** The store refused a lease, for the log. */
void cps_server_store_refused(void *user, cps_err_t err, const char *sentence);

#endif /* CPS_SERVER_SERVER_H */
