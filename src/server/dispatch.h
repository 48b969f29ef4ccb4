// SPDX-License-Identifier: Apache-2.0
/* From a request event to the handler of a resource, and from its reply back to the endpoint. Knows neither sockets nor a
 * clock: what it submits goes through a function of its owner, so that tests drive it with an endpoint in memory. */
#ifndef CPS_SERVER_DISPATCH_H
#define CPS_SERVER_DISPATCH_H

#include "server/own.h"
#include "server/rate.h"
#include "server/site.h"

/** What became of a request: one log line. */
typedef struct cps_dispatch_note {
    enum {
        CPS_SERVED_ANSWERED, /**< by a handler */
        CPS_SERVED_REFUSED,  /**< no handler ran */
        CPS_SERVED_FAILED    /**< the handler did not answer, or the answer could not be sent */
    } kind;
    const cps_request_t *request;
    uint8_t code;       /**< of the answer; CPS_EMPTY: none could be sent */
    const char *reason; /**< static text */
    cps_err_t err;
} cps_dispatch_note_t;

typedef struct cps_dispatch_hooks {
    cps_err_t (*submit)(void *user, const cps_command_t *command, cps_handle_t *handle); /**< as cps_ep_submit */
    const char *(*credential)(void *user, const cps_event_request_t *request); /**< name of who sealed it; never NULL */
    void (*note)(void *user, const cps_dispatch_note_t *note);
    void (*later)(void *user); /**< call cps_dispatch_retry soon: the output was full, or no request was free */
    void *user;
    cps_time_us_t (*now)(void *user); /**< for the rate of requests; NULL: it is not limited */
} cps_dispatch_hooks_t;

/** A body that a handler takes block by block. */
typedef struct cps_upload {
    const cps_node_t *node;
    void *user;  /**< the handler's */
    uint64_t id; /**< what the endpoint knows it by */
    struct cps_upload *next;
} cps_upload_t;

typedef struct cps_dispatch {
    cps_dispatch_hooks_t hooks;
    cps_site_t site;
    cps_own_t own;
    cps_rate_t rate;
    cps_request_t *requests; /**< all there are */
    size_t limit;
    cps_request_t *free;
    cps_request_t *kept_first; /**< answers that the full output did not take, in order */
    cps_request_t *kept_last;
    cps_upload_t *uploads;
    uint64_t upload_count;
    size_t deferred;
    cps_watches_t orphans;  /**< observers of resources that are gone, until they were told */
    struct cps_watch *late; /**< observers whose turn came while no request was free */
    size_t payload_max;     /**< of an answer */
    cps_time_us_t now_us;   /**< kept by the owner; what a request is said to be taken up at */
    bool closing;           /**< nothing new is taken */
    uint64_t etag_base;
    uint64_t etag_count;
    uint64_t list_etag; /**< of /.well-known/core */
} cps_dispatch_t;

/** How it is made. */
typedef struct cps_dispatch_options {
    size_t requests;    /**< how many may be open at once */
    size_t payload_max; /**< largest payload of an answer */
    const char *names;  /**< of this server, separated by spaces */
    cps_rng_t *rng;     /**< used during the call only */
    uint32_t rate;      /**< requests a second of one client; 0: any */
} cps_dispatch_options_t;

/** Make one with nothing but /.well-known/core. CPS_ERR_MEMORY. */
CPS_MUST_USE cps_err_t cps_dispatch_init(cps_dispatch_t *d, const cps_dispatch_hooks_t *hooks,
                                         const cps_dispatch_options_t *options);

/** Free it. Requests that are still open are forgotten: cps_dispatch_close first. */
void cps_dispatch_fini(cps_dispatch_t *d);

/** Add a resource (cps_site_add). */
CPS_MUST_USE cps_err_t cps_dispatch_add(cps_dispatch_t *d, const cps_resource_t *resource, const char **reason);

/** A site that can take the place of the present one: /.well-known/core is in it already. CPS_ERR_MEMORY. */
CPS_MUST_USE cps_err_t cps_dispatch_prepare(cps_dispatch_t *d, cps_site_t *next);

/** Serve this site from now on. Open requests are answered as they were begun. */
void cps_dispatch_replace(cps_dispatch_t *d, cps_site_t *next);

/** A CPS_EVENT_REQUEST. */
void cps_dispatch_take(cps_dispatch_t *d, const cps_event_t *event);

/** Run the handler of a request that passed all checks. */
void cps_dispatch_run(cps_dispatch_t *d, cps_request_t *request);

/** The resource of that path changed (cps_server_changed). */
CPS_MUST_USE cps_err_t cps_dispatch_changed(cps_dispatch_t *d, const char *path);

/** A CPS_EVENT_ABANDONED. */
void cps_dispatch_abandoned(cps_dispatch_t *d, uint64_t body_user);

/** Send the answers that the full output did not take; false where some are left. */
bool cps_dispatch_retry(cps_dispatch_t *d);

/** Take nothing new, and answer 5.03 to what is still deferred. */
void cps_dispatch_close(cps_dispatch_t *d);

/** A number that this process has not given before, and an earlier one hardly has: for ETags. */
void cps_dispatch_etag(cps_dispatch_t *d, uint8_t etag[8]);

#endif /* CPS_SERVER_DISPATCH_H */
