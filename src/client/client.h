// SPDX-License-Identifier: Apache-2.0
/* The blocking client from inside: one loop, one worker and, with a keyring, the contexts of its credentials. A call runs
 * the loop until its request is over. */
#ifndef CPS_CLIENT_CLIENT_H
#define CPS_CLIENT_CLIENT_H

#include "client/plan.h"
#include "host/leases.h"

#include <coapsule/client.h>

#define CPS_CLIENT_DETAIL_MAX 1024U
#define CPS_CLIENT_HINT_MAX   128U /* of an unauthenticated diagnostic that is told */
#define CPS_CLIENT_PAUSES     16U  /* servers remembered that asked for a pause */
#define CPS_CLIENT_ORIGIN_MAX (CPS_URI_HOST_MAX + CPS_STORE_NAME_MAX + 96U)

/** For the command: what happens on the way, in order. Each may be NULL; views live for the call. */
typedef struct cps_client_trace {
    void (*chosen)(void *user, const char *credential); /**< what seals the request; NULL: nothing does */
    void (*datagram)(void *user, bool outbound, const cps_datagram_t *datagram);
    void (*note)(void *user, const cps_event_note_t *note);
    void *user;
} cps_client_trace_t;

/** Who hears of it from now on. */
void cps_client_set_trace(cps_client_t *client, const cps_client_trace_t *trace);

/** Whether a look-up of a name may still hang in its thread, which no call can end: the process is better ended by _exit
 * than kept waiting for it. */
bool cps_client_is_stuck(const cps_client_t *client);

/** A server that asked not to be asked again before a time (REQ-38). */
typedef struct cps_pause {
    char origin[CPS_CLIENT_ORIGIN_MAX]; /**< empty: free */
    cps_time_us_t until_us;
} cps_pause_t;

/** What is known of a request that got no response; views are copied. */
typedef struct cps_failure {
    cps_err_t cause;
    cps_hint_t hint;
    uint8_t hint_code;
    char hint_text[CPS_CLIENT_HINT_MAX];
    bool sent;
} cps_failure_t;

/** The request under way. */
typedef struct cps_call {
    const cps_client_request_t *request;
    cps_plan_t plan;
    char credential[CPS_STORE_NAME_MAX + 1]; /**< empty: unsealed */
    cps_handle_t context;
    cps_time_us_t deadline_us;
    cps_addr_t peer; /**< the address that is tried */
    cps_handle_t handle;
    bool done;
    bool observing; /**< more responses may come under this handle */
    cps_err_t err;
    cps_failure_t failure;
    cps_response_t *response;
    uint8_t *body; /**< of an answer in blocks, so far */
    size_t body_len;
    size_t body_room;
} cps_call_t;

struct cps_client {
    uv_loop_t loop;
    uv_timer_t timer; /**< of a pause */
    cps_worker_t *worker;
    cps_store_t *store; /**< NULL: no OSCORE */
    cps_keyring_t *keyring;
    cps_leases_t *leases;
    char *credential;
    char *proxy;
    bool proxy_by_uri;
    bool plain;
    bool sealed;
    bool stuck; /**< a look-up may still hang in its thread */
    uint64_t timeout_us;
    cps_client_trace_t trace;
    cps_call_t *call;           /**< or NULL */
    struct cps_stream *streams; /**< what is observed */
    cps_pause_t pauses[CPS_CLIENT_PAUSES];
    uint8_t hint;
    char refused[CPS_CLIENT_DETAIL_MAX]; /**< what the store said last */
    char detail[CPS_CLIENT_DETAIL_MAX];
};

/** Leave the sentence of an error, and give the error back: `return cps_client_say(c, err, ...)`. */
__attribute__((format(printf, 3, 4))) cps_err_t cps_client_say(cps_client_t *client, cps_err_t err, const char *format,
                                                               ...);

/** Let the store end what it is at: no two threads are in it at once. */
void cps_client_settle(cps_client_t *client);

/* ---- call.c ---- */

/** What the worker says of the request under way. */
void cps_call_event(cps_client_t *client, const cps_event_t *event);

/* ---- observe.c ---- */

/** What the worker says of an observation; false where it is of something else. */
bool cps_stream_event(cps_client_t *client, const cps_event_t *event);

/** Forget all that is observed, without a word to the servers. */
void cps_stream_forget_all(cps_client_t *client);

/* ---- body.c ---- */

/** Fill in what a command says of bodies in blocks. */
void cps_body_command(const cps_call_t *call, cps_command_request_t *command);

/** Take an answer or a part of one; `whole` is the answer with all of its body once it is done. CPS_ERR_TOO_LARGE,
 * CPS_ERR_MEMORY, and what the sink says: the request is to end. */
CPS_MUST_USE cps_err_t cps_body_take(cps_call_t *call, const cps_event_response_t *part, cps_event_response_t *whole);

/** Give the piece that is wanted. The errors of the source and of cps_worker_submit: the request is to end. */
CPS_MUST_USE cps_err_t cps_body_give(cps_client_t *client, const cps_call_t *call, const cps_event_wanted_t *wanted);

/* ---- sentence.c ---- */

/** The sentence of a request that got no response. */
cps_err_t cps_client_say_failure(cps_client_t *client, const cps_call_t *call);

/* ---- pause.c ---- */

/** Wait while the server wants a pause; CPS_ERR_BUSY where that is longer than the request may take. */
CPS_MUST_USE cps_err_t cps_pause_keep(cps_client_t *client, const cps_call_t *call);

/** Remember what a response asks for. */
void cps_pause_note(cps_client_t *client, const cps_call_t *call);

/* ---- response.c ---- */

/** Copy the response of an event; `credential` may be empty, `uri` is the request's. NULL: no memory. */
cps_response_t *cps_response_new(const cps_event_response_t *event, const char *credential, const cps_uri_t *uri,
                                 const char *uri_text);

/** One more owner of a response; each frees it. Gives the response. */
cps_response_t *cps_response_ref(cps_response_t *response);

/* ---- text.c ---- */

/** Bytes of a peer as text that is safe on a terminal: what is no UTF-8, control characters and those that turn the
 * direction of text become "?". `out` ends with a zero; gives `out`. Lines stay lines with `lines`. */
char *cps_text_clean(cps_bytes_t bytes, bool lines, char *out, size_t size);

/** A code as text: "4.04". Gives `out`. */
const char *cps_code_digits(uint8_t code, char out[8]);

/** Whether a code is in the registry. */
bool cps_code_is_known(uint8_t code);

#endif /* CPS_CLIENT_CLIENT_H */
