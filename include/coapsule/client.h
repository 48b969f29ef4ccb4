// SPDX-License-Identifier: Apache-2.0
/**
 * @file
 * A blocking CoAP client that seals by itself what its keyring has a credential for.
 *
 * Threads: a client and its responses belong to the thread that made it. Calls block; inside a handler of a server
 * they give CPS_ERR_CALLED_INSIDE.
 */
#ifndef COAPSULE_CLIENT_H
#define COAPSULE_CLIENT_H

#include <coapsule/core.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cps_client cps_client_t;

/** A response; lives until cps_response_free. */
typedef struct cps_response cps_response_t;

/** How a client is made. Zero means the default in parentheses. Strings are copied. */
typedef struct cps_client_options {
    size_t size;              /**< sizeof(cps_client_options_t); CPS_CLIENT_OPTIONS sets it */
    const char *state;        /**< keyring file, which has to be there; NULL: no OSCORE */
    const char *credential;   /**< seal all requests with this one (the one whose pattern fits the URI best; where none
                                   does, the request goes unsealed) */
    const char *proxy;        /**< "coap://gw.example": forward proxy, asked by Proxy-Scheme */
    const char *proxy_uri;    /**< the same, asked by Proxy-Uri; one of the two at most */
    bool plain;               /**< never seal, even where a credential fits */
    bool sealed;              /**< never go unsealed: CPS_ERR_SECURITY where no credential fits */
    uint32_t timeout_ms;      /**< for one request, name look-up and repeats included (93 s) */
    cps_ep_config_t endpoint; /**< limits and parameters; size, crypto and layers are filled in */
} cps_client_options_t;

/** Options in place: CPS_CLIENT_OPTIONS(.state = "phone.db"). */
#define CPS_CLIENT_OPTIONS(...) (&(cps_client_options_t){.size = sizeof(cps_client_options_t), __VA_ARGS__})

/** Make a client. Nothing is sent and no credential owned yet. CPS_ERR_STATE_LOST where there is no keyring,
 * CPS_ERR_STORE and kin, CPS_ERR_CONFIG, CPS_ERR_MEMORY. Owner thread: the caller from here on. */
CPS_API CPS_MUST_USE cps_err_t cps_client_new(cps_client_t **out, const cps_client_options_t *options);

/** Save sequence numbers and windows, give up credentials, close. NULL is no client. Owner thread. */
CPS_API void cps_client_free(cps_client_t *client);

/** A part of an answer's body, as it comes. */
typedef struct cps_client_part {
    const cps_message_t *message; /**< the message that carried it; its payload is the part */
    uint32_t offset;              /**< in the body: where the part before it ended */
    uint32_t size;                /**< of the whole, as the server says; 0: not known. A hint */
    bool more;                    /**< it is not the last */
} cps_client_part_t;

/** One request. */
typedef struct cps_client_request {
    size_t size; /**< sizeof(cps_client_request_t); CPS_CLIENT_REQUEST sets it */
    cps_code_t method;
    const char *uri;
    const cps_option_t
        *options; /**< beside those that the URI and the proxy make (which it must not hold), in any order */
    size_t option_count;
    cps_bytes_t payload;
    cps_bytes_t token; /**< 1 to 8 bytes (made) */
    bool non_confirmable;
    bool repeat_unsafe; /**< POST and PATCH too may be repeated after a peer lost its replay window */
    bool no_repeat;     /**< deliver a 4.01 with Echo instead of repeating */
    uint32_t
        block_size; /**< 16 to 1,024: bodies go in blocks of this size at most, and the server is told at once (1,024,
                              told when it is needed) */
    uint32_t body_max; /**< a larger answer is CPS_ERR_TOO_LARGE (8 MiB); counts where there is no `sink` */
    /** Takes an answer's body part by part, where it comes in blocks; the response has no payload then. Parts come in order;
     * where the request fails in the end, none of them counts. What it gives back other than CPS_OK ends the request. */
    cps_err_t (*sink)(void *user, const cps_client_part_t *part);
    /** Gives the request's body, instead of `payload`: up to `size` bytes from `offset` on to `to`, and fewer (`*len`) only
     * at the end. May be asked from the start again. What it gives back other than CPS_OK ends the request. */
    cps_err_t (*source)(void *user, uint32_t offset, uint8_t *to, size_t size, size_t *len);
    uint32_t source_size; /**< length of that body; 0: not known */
    void *user;           /**< of `sink` and `source` */
} cps_client_request_t;

/** A request in place: CPS_CLIENT_REQUEST(.method = CPS_GET, .uri = "coap://door.local/lock"). */
#define CPS_CLIENT_REQUEST(...) (&(cps_client_request_t){.size = sizeof(cps_client_request_t), __VA_ARGS__})

/**
 * Send a request and wait for the end. CPS_OK: there is a response, sealed if the request was, whatever its code. FETCH,
 * PATCH and iPATCH need a Content-Format among the options (RFC 8132 §2.3.1).
 *
 * With the option No-Response of 26 nothing is waited for: CPS_OK, and `*response` is NULL, unless it is one of the few
 * that are answered all the same (RFC 7967 §3.2).
 *
 * CPS_ERR_OUTCOME_UNKNOWN: no genuine answer; it may have been carried out. CPS_ERR_SECURITY: could not be sealed,
 * opened or proven fresh; nothing was delivered. CPS_ERR_TIMEOUT, CPS_ERR_RESET, CPS_ERR_UNREACHABLE: not sealed, no
 * answer. CPS_ERR_RESOLVE, CPS_ERR_BAD_URI, CPS_ERR_UNSUPPORTED (coaps and other schemes), CPS_ERR_STATE_LOST,
 * CPS_ERR_IN_USE, CPS_ERR_STORE and kin: nothing was sent. CPS_ERR_BUSY: the server said in a 5.03 to be asked later
 * than this request may take; a shorter time is waited for (RFC 7252 §5.9.3.4). cps_client_detail has the sentence.
 * Large bodies go in blocks (RFC 7959), each within the client's `timeout_ms`; CPS_ERR_BODY_CHANGED: the resource changed in
 * between (a GET or FETCH without `sink` is tried once more before).
 *
 * A name with several addresses: the next one is tried only where the network says that the one before cannot be
 * reached. Owner thread.
 */
CPS_API CPS_MUST_USE cps_err_t cps_client_request(cps_client_t *client, const cps_client_request_t *request,
                                                  cps_response_t **response);

/** The four usual ones; text payloads have Content-Format 0. Owner thread. */
CPS_API CPS_MUST_USE cps_err_t cps_client_get(cps_client_t *client, const char *uri, cps_response_t **response);
CPS_API CPS_MUST_USE cps_err_t cps_client_put(cps_client_t *client, const char *uri, const char *text,
                                              cps_response_t **response);
CPS_API CPS_MUST_USE cps_err_t cps_client_post(cps_client_t *client, const char *uri, const char *text,
                                               cps_response_t **response);
CPS_API CPS_MUST_USE cps_err_t cps_client_delete(cps_client_t *client, const char *uri, cps_response_t **response);

/** FETCH, PATCH and iPATCH (RFC 8132) with a body in Content-Format `format`: what they mean is said by it. iPATCH is for
 * what may be done twice. Owner thread. */
CPS_API CPS_MUST_USE cps_err_t cps_client_fetch(cps_client_t *client, const char *uri, uint16_t format,
                                                cps_bytes_t body, cps_response_t **response);
CPS_API CPS_MUST_USE cps_err_t cps_client_patch(cps_client_t *client, const char *uri, uint16_t format,
                                                cps_bytes_t body, cps_response_t **response);
CPS_API CPS_MUST_USE cps_err_t cps_client_ipatch(cps_client_t *client, const char *uri, uint16_t format,
                                                 cps_bytes_t body, cps_response_t **response);

/**
 * Ask whether the host of `uri` (the proxy, where there is one) speaks CoAP: an Empty message, which it answers with a
 * Reset (RFC 7252 §4.3). `*round_trip_us` (may be NULL) gets how long that took. Nothing is sealed, so anyone on the path
 * can answer. CPS_ERR_TIMEOUT, CPS_ERR_UNREACHABLE, CPS_ERR_RESOLVE and kin. Owner thread.
 */
CPS_API CPS_MUST_USE cps_err_t cps_client_ping(cps_client_t *client, const char *uri, uint64_t *round_trip_us);

/* ---- observation (RFC 7641) ---- */

/** A resource that is observed. Belongs to its client and ends before it. */
typedef struct cps_observation cps_observation_t;

/**
 * Ask to be notified of a resource and wait for the first answer, as cps_client_request does; method and payload may be
 * those of a GET (0 is GET) or FETCH. `*observation` is NULL where the server does not agree: the answer was one like any
 * other. A second observation of the same target, with the same options, shares the registration of the first and gets its
 * newest state. Owner thread.
 */
CPS_API CPS_MUST_USE cps_err_t cps_client_observe(cps_client_t *client, const cps_client_request_t *request,
                                                  cps_response_t **response, cps_observation_t **observation);

/**
 * Wait for the next notification, at most so long (0: for ever; up to 5 s longer while it registers anew). Older ones never come after newer ones, and of more than
 * 16 that were not fetched the oldest are dropped. The registration is renewed after Max-Age, and made anew where the server
 * lost it or was away: the caller just goes on.
 *
 * CPS_OK with a response: the state, now; with an error code the last one. CPS_OK and `*response` NULL: nothing came for
 * longer than Max-Age, so what was told last is not current any more (told once). CPS_ERR_TIMEOUT: nothing in this time.
 * CPS_ERR_CANCELED: it is over, and everything was fetched. Others as of cps_client_request, where it cannot go on: it is
 * over then. Owner thread.
 */
CPS_API CPS_MUST_USE cps_err_t cps_observation_next(cps_observation_t *observation, uint32_t timeout_ms,
                                                    cps_response_t **response);

/** Whether what was told last is current: younger than its Max-Age (RFC 7641 §3.3.1). Owner thread. */
CPS_API bool cps_observation_is_current(const cps_observation_t *observation);

/** Tell the server that no more is wanted, if this was the last observation of its target, and free it. Waits up to 5 s for
 * the server. CPS_ERR_TIMEOUT: it did not say that it heard; what it still sends is rejected. NULL is none. Owner thread. */
CPS_API cps_err_t cps_observation_end(cps_observation_t *observation);

/** The sentence of the last error, with names and hints; with NULL, of this thread's cps_client_new. Owner thread. */
CPS_API const char *cps_client_detail(const cps_client_t *client);

/** What arrived unauthenticated before CPS_ERR_OUTCOME_UNKNOWN: its code, or CPS_EMPTY. Owner thread. */
CPS_API uint8_t cps_client_hint(const cps_client_t *client);

/** The code. Owner thread. */
CPS_API cps_code_t cps_response_code(const cps_response_t *response);

/** The code, where it is a registered one; else what stands for its class (RFC 7252 §5.9): 4.00 for 4.xx, 5.00 for 5.xx,
 * and 2.00, "success", for 2.xx. Owner thread. */
CPS_API cps_code_t cps_response_meaning(const cps_response_t *response);

/** Text of a code: "Not Found"; of an unknown one that of its class; of a method its name. Static text. Any thread. */
CPS_API const char *cps_code_text(uint8_t code);

/** Code, options, payload. Owner thread. */
CPS_API const cps_message_t *cps_response_message(const cps_response_t *response);

/** The payload. Owner thread. */
CPS_API cps_bytes_t cps_response_payload(const cps_response_t *response);

/** The diagnostic text of a 4.xx or 5.xx for a developer (RFC 7252 §5.5.2), with "?" for what is no printable UTF-8; NULL
 * where there is none, or where the payload has a Content-Format and so is a representation. Lives as long as the
 * response. Owner thread. */
CPS_API const char *cps_response_diagnostic(const cps_response_t *response);

/** Whether it says that the method is not supported here: 4.05, or 5.01 as some servers have it (RFC 7252 §5.8). Owner
 * thread. */
CPS_API bool cps_response_method_unsupported(const cps_response_t *response);

/** Location-Path and Location-Query as an absolute URI, resolved against the request's (RFC 7252 §5.10.7); lives as long as
 * the response. CPS_ERR_NOT_FOUND where it has neither; CPS_ERR_BAD_OPTION where it cannot be told: a reserved Location-*
 * option stands beside them, or a segment is "." or "..". Owner thread. */
CPS_API CPS_MUST_USE cps_err_t cps_response_location(const cps_response_t *response, const char **uri);

/** Max-Age in seconds (60 where it says none, RFC 7252 §5.10.5). Owner thread. */
CPS_API uint32_t cps_response_max_age(const cps_response_t *response);

/** Seconds that a 5.03 with Max-Age or a 4.29 (60 where it has none, RFC 8516 §4) asks not to be asked again; else 0.
 * Owner thread. */
CPS_API uint32_t cps_response_retry_after(const cps_response_t *response);

/** Whether OSCORE protected it. Owner thread. */
CPS_API bool cps_response_sealed(const cps_response_t *response);

/** Name of the credential that protected it; NULL: unprotected. Owner thread. */
CPS_API const char *cps_response_credential(const cps_response_t *response);

/** Where it came from: the proxy, where there is one. Owner thread. */
CPS_API cps_addr_t cps_response_peer(const cps_response_t *response);

/** Microseconds from sending the request (its last repeat) to the response. Owner thread. */
CPS_API uint64_t cps_response_round_trip_us(const cps_response_t *response);

/** Free it. NULL is no response. Owner thread. */
CPS_API void cps_response_free(cps_response_t *response);

#ifdef __cplusplus
}
#endif

#endif /* COAPSULE_CLIENT_H */
