// SPDX-License-Identifier: Apache-2.0
/* A request from inside: what the public calls ask, and the way of its answer. */
#ifndef CPS_SERVER_REQUEST_H
#define CPS_SERVER_REQUEST_H

#include "server/dispatch.h"

typedef enum cps_request_state {
    CPS_REQUEST_FREE,
    CPS_REQUEST_OPEN,     /**< the handler runs */
    CPS_REQUEST_DEFERRED, /**< kept to be answered later */
    CPS_REQUEST_KEPT,     /**< answered, but the output was full */
    CPS_REQUEST_ANSWERED  /**< over as soon as the handler is back */
} cps_request_state_t;

/** An answer. */
typedef struct cps_answer {
    uint8_t code;
    const cps_option_t *options;
    size_t option_count;
    cps_bytes_t payload;
    cps_body_step_t step;
    uint32_t body_max;
    cps_upload_t *upload;
    bool slice; /**< the payload stands at `offset` of `total` bytes */
    uint32_t offset;
    uint32_t total;
} cps_answer_t;

struct cps_request {
    cps_dispatch_t *dispatch;
    const cps_node_t *node; /**< NULL before the resource is found */
    cps_handle_t handle;
    cps_addr_t peer;
    cps_message_t message;
    cps_bytes_t host;       /**< asked for, canonical; valid while the handler runs */
    const char *credential; /**< NULL: unprotected */
    uint64_t age_us;
    cps_time_us_t taken_us; /**< when, as the dispatch counts */
    cps_request_state_t state;
    bool multicast;
    bool notifies; /**< no request: the state of its resource for an observer, which `handle` names */
    cps_observe_t observe;
    bool in_handler; /**< its own handler runs: released when that is back */
    bool copied;     /**< `message` views `copy`: it was deferred */
    bool has_text;
    uint8_t *copy; /**< room is kept for the next request, as is that of `text` */
    size_t copy_room;
    char *text; /**< path, a zero, query */
    size_t text_room;
    uint8_t *answer; /**< with CPS_REQUEST_KEPT: its options, then its payload */
    size_t answer_options;
    cps_answer_t kept; /**< the rest of it; its payload views `answer` */
    cps_event_body_t body;
    cps_upload_t *upload; /**< the body that it is a block of, where the handler takes them */
    cps_request_t *next;  /**< free, or kept */
};

/** Prepare a free one for an event; NULL where all are in use. */
cps_request_t *cps_request_take(cps_dispatch_t *d, const cps_event_t *event);

/** Prepare a free one for what an observer is to be told; NULL where all are in use. */
cps_request_t *cps_request_take_watch(cps_dispatch_t *d, const struct cps_watch *watch);

/** Back to the free ones. */
void cps_request_release(cps_request_t *request);

/** Copy the message, so that its views live as long as the request. CPS_ERR_MEMORY. */
CPS_MUST_USE cps_err_t cps_request_keep(cps_request_t *request);

/** Answer before any handler has run, and note why. `forget`: the same request would be refused the same way at any time,
 * so that it need not be remembered. `reason` is static text, for the log. */
void cps_request_refuse(cps_request_t *request, const cps_answer_t *answer, bool forget, const char *reason);

/** 5.03 with the time to wait. It has to be remembered: later the same request would run. */
void cps_request_refuse_busy(cps_request_t *request, const char *reason);

/** Answer from a handler. The answer is kept where the output is full. */
CPS_MUST_USE cps_err_t cps_request_answer(cps_request_t *request, const cps_answer_t *answer);

/** There can be no answer: acknowledge at least, and note why. */
void cps_request_give_up(cps_request_t *request, cps_err_t err, const char *reason);

/** Try a kept answer again; false where the output is still full. */
bool cps_request_retry(cps_request_t *request);

/** "/a/b%20c": the path with its first slash. Static until the request is over. */
const char *cps_request_full_path(const cps_request_t *request);

/** Note what became of it. */
void cps_request_note(cps_request_t *request, const cps_dispatch_note_t *note);

/** A request for a proxy (RFC 7252 §5.7.2, §5.10.2). */
typedef enum cps_proxied {
    CPS_PROXIED_NOT,  /**< it is none */
    CPS_PROXIED_SELF, /**< it names this server: `message` has its own Uri options now, in `scratch` */
    CPS_PROXIED_OTHER /**< it names something else */
} cps_proxied_t;

/** Look for Proxy-Uri and Proxy-Scheme; `asked` is the address that the request was sent to. */
cps_proxied_t cps_request_unproxy(cps_request_t *request, const cps_addr_t *asked, cps_writer_t *scratch);

/* ---- upload.c ---- */

/** The body of a request goes on being put together by the endpoint: 2.31. */
void cps_request_put_together(cps_request_t *request);

/** The one of that number, or NULL. */
cps_upload_t *cps_upload_find(const cps_dispatch_t *d, uint64_t id);

/** Whatever was answered ended the body that it was a block of. */
void cps_upload_end(cps_request_t *request);

/** The same, and no handler knows it yet: tell the resource. */
void cps_upload_abandon(cps_request_t *request);

/** Tell all handlers that their bodies will not be whole. */
void cps_uploads_fini(cps_dispatch_t *d);

/** The handler of /.well-known/core; `user` is the dispatch. */
cps_err_t cps_discover_get(cps_request_t *request, void *user);

#endif /* CPS_SERVER_REQUEST_H */
