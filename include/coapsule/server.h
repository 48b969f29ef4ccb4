// SPDX-License-Identifier: Apache-2.0
/**
 * @file
 * A CoAP server: resources with handlers, and for each who may do what and how it has to be protected.
 *
 * Threads: a server and everything got from it belong to the thread that made it. Handlers run on that thread, inside
 * cps_server_run or cps_server_step. cps_server_stop alone may be called from any thread and from a signal handler.
 */
#ifndef COAPSULE_SERVER_H
#define COAPSULE_SERVER_H

#include <coapsule/core.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cps_server cps_server_t;

/** A request that a handler answers. */
typedef struct cps_request cps_request_t;

/**
 * Answers a request: calls cps_reply (or cps_reply_error, cps_reply_with), or cps_request_defer, and gives back what
 * that gave. An error before there is an answer becomes 5.00. The request and its views are valid inside the handler;
 * after cps_request_defer, both until it is answered.
 */
typedef cps_err_t (*cps_handler_t)(cps_request_t *request, void *user);

/** Who may use a resource, and how it is protected. Zero: anyone, unprotected. */
typedef struct cps_policy {
    bool sealed;       /**< only OSCORE: an unprotected request gets 4.01, and no answer ever leaves unsealed */
    bool fresh_reads;  /**< GET and FETCH too have to prove their freshness */
    uint32_t fresh_ms; /**< other methods run only if the request was made at most so long ago, proven by Echo
                            (RFC 9175); 0: no matter when. Needs `sealed`. */
    const char *allow; /**< "phone: get put; *: get": methods by credential name, and those of any credential ("*")
                            beside them; NULL on a sealed resource: nobody; NULL on another: anyone */
} cps_policy_t;

/** A resource. Everything that its pointers name is copied by cps_server_add, but for `user`. */
typedef struct cps_resource {
    size_t size;      /**< sizeof(cps_resource_t); CPS_RESOURCE sets it */
    const char *path; /**< "lock" or "a/b"; segments as they are, not percent-encoded */
    const char *host; /**< answers under this Uri-Host alone, or at this address where a request has none; NULL: any.
                           OSCORE does not protect Uri-Host (RFC 8613 §4.1.3.2): hosts that trust others have
                           credentials of their own */
    cps_handler_t get, post, put, del, fetch, patch, ipatch;
    void *user;
    cps_policy_t policy;
    const char *rt;    /**< resource type for discovery */
    const char *iface; /**< interface description ("if") */
    const char *title;
    const uint16_t
        *formats;           /**< Content-Formats that a payload may have; others get 4.15, as do FETCH, PATCH and iPATCH
                                that name none */
    size_t format_count;    /**< 0: any, or none named */
    const uint16_t *offers; /**< Content-Formats that answers come in; an Accept of another gets 4.06 */
    size_t offer_count;     /**< 0: Accept is left to the handler */
    uint32_t body_max;      /**< larger bodies get 4.13 with Size1 (1,024); of those that are put together at
                                 most the endpoint's */
    bool conditional;       /**< the handlers call cps_request_check_conditions; else If-Match and If-None-Match get
                                     4.02 */
    bool hidden;            /**< not listed in /.well-known/core */
    const uint16_t *patch_formats; /**< what PATCH and iPATCH may have, in the place of `formats` (RFC 8132 §3) */
    size_t patch_format_count;     /**< 0: `formats` */
    bool observable; /**< clients may observe it (RFC 7641): what its GET and FETCH handlers answer to their request is
                          sent again after each change, that is after each POST, PUT, DELETE, PATCH or iPATCH with a 2.xx,
                          and after cps_server_changed */
    bool
        notify_non; /**< notifications go as NON where nothing demands a CON: fewer messages, but the last one may be lost
                          until the client registers again */
    bool stream;    /**< the handlers take large bodies block by block: see cps_reply_continue. Else a body in
                                  blocks is put together first, and the handler runs once */
    void (*abandoned)(void *upload, void *user); /**< a body that was begun will not be whole: `upload` is what
                                  cps_reply_continue was given. May be NULL */
} cps_resource_t;

/** A resource in place: CPS_RESOURCE(.path = "lock", .put = lock_put). */
#define CPS_RESOURCE(...) (&(cps_resource_t){.size = sizeof(cps_resource_t), __VA_ARGS__})

/** How a server is made. Zero means the default in parentheses. Strings are copied. */
typedef struct cps_server_options {
    size_t size;              /**< sizeof(cps_server_options_t); CPS_SERVER_OPTIONS sets it */
    const char *listen;       /**< "coap://[::]:5683 coap://0.0.0.0:5683": one or more, separated by spaces
                                   (those two) */
    const char *state;        /**< keyring file with credentials and their state; NULL: no OSCORE */
    const char *contexts;     /**< names of the credentials to serve, separated by spaces (all) */
    cps_ep_config_t endpoint; /**< limits and parameters; size, crypto and layers are filled in */
    void (*log)(void *user, const char *line); /**< one line an event, without its end (standard error) */
    void *log_user;
    const char *log_level;  /**< "error", "warning", "info", "debug" (info) */
    const char *log_format; /**< "text", "json" (text) */
    bool quiet;             /**< no log at all */
    bool signals;           /**< SIGINT and SIGTERM end cps_server_run, so that the state is saved */
    const char *names;      /**< what this host is called, separated by spaces: a request for a proxy that names it is
                                served here (localhost and the system's host name are known) */
    uint32_t rate; /**< requests a second of one client, told by its credential or, unprotected, its address; more
                                get 4.29 with Max-Age (RFC 8516), and soon nothing (any) */
} cps_server_options_t;

/** Options in place: CPS_SERVER_OPTIONS(.listen = "coap://[::]"). */
#define CPS_SERVER_OPTIONS(...) (&(cps_server_options_t){.size = sizeof(cps_server_options_t), __VA_ARGS__})

/**
 * Make a server: opens the keyring, owns its credentials (waits up to 5 s for another process), opens the sockets.
 * CPS_ERR_ADDRESS_IN_USE, CPS_ERR_IO, CPS_ERR_STORE and kin, CPS_ERR_IN_USE, CPS_ERR_CONFIG, CPS_ERR_MEMORY; the
 * sentence that names file, port or process is cps_server_detail(NULL). Owner thread: the caller from here on.
 */
CPS_API CPS_MUST_USE cps_err_t cps_server_new(cps_server_t **out, const cps_server_options_t *options);

/** Drain, save replay windows and sequence numbers, close. NULL is no server. Owner thread, not inside a handler. */
CPS_API void cps_server_free(cps_server_t *server);

/** Add a resource. CPS_ERR_EXISTS for the path and host; CPS_ERR_CONFIG for a policy that cannot be kept (`fresh_ms`
 * without `sealed`, an allow list that does not parse). Owner thread. */
CPS_API CPS_MUST_USE cps_err_t cps_server_add(cps_server_t *server, const cps_resource_t *resource);

/** Serve until cps_server_stop. Owner thread. CPS_ERR_CALLED_INSIDE inside a handler. */
CPS_API CPS_MUST_USE cps_err_t cps_server_run(cps_server_t *server);

/** End cps_server_run soon, or the next one at once. Any thread; safe in a signal handler. */
CPS_API void cps_server_stop(cps_server_t *server);

/** For the caller's own loop: a descriptor that is readable when cps_server_step has something to do. Owner thread. */
CPS_API int cps_server_fd(const cps_server_t *server);

/** How many milliseconds until cps_server_step has to be called anyway; -1: no need. Owner thread. */
CPS_API int cps_server_timeout_ms(cps_server_t *server);

/** Do what is due and return without waiting. Owner thread. CPS_ERR_CALLED_INSIDE inside a handler. */
CPS_API CPS_MUST_USE cps_err_t cps_server_step(cps_server_t *server);

/**
 * The resource of that path ("a/b", on any host) shows something else now: its observers are told, each as soon as it can
 * be and then what the handlers answer at that time; what changed in between a slow one never hears of.
 * CPS_ERR_NOT_FOUND; CPS_ERR_UNSUPPORTED where it is not observable. Inside handlers too. Owner thread.
 */
CPS_API CPS_MUST_USE cps_err_t cps_server_changed(cps_server_t *server, const char *path);

/** An ETag for a new representation of any resource: no other one of this server has had it, equal bytes included, and
 * none before a restart in all likelihood (RFC 7252 §5.10.6). Owner thread. */
CPS_API void cps_server_etag(cps_server_t *server, uint8_t etag[8]);

/** The address that listen entry `place` (from 0) is bound to, as "127.0.0.1:5683"; NULL past the end. For port 0: the
 * one that the system chose. Owner thread. */
CPS_API const char *cps_server_address(const cps_server_t *server, size_t place);

/** The sentence of the last error of a server, or, with NULL, of this thread's cps_server_new. Owner thread. */
CPS_API const char *cps_server_detail(const cps_server_t *server);

/** Counters and use of memory. Owner thread. */
CPS_API void cps_server_stats(const cps_server_t *server, cps_ep_stats_t *out);

/* ---- inside a handler, and until a deferred request is answered: owner thread ---- */

/** The method, cps_code_t. Owner thread. */
CPS_API uint8_t cps_request_method(const cps_request_t *request);

/** The payload; empty for methods that have none (RFC 7252 §5.5). Owner thread. */
CPS_API cps_bytes_t cps_request_payload(const cps_request_t *request);

/** Whether the payload is exactly this text. Owner thread. */
CPS_API bool cps_request_payload_is(const cps_request_t *request, const char *text);

/** Message code, options and payload. Owner thread. */
CPS_API const cps_message_t *cps_request_message(const cps_request_t *request);

/** The path ("a/b%20c", percent-encoded) and the query ("x=1&y", without "?"; empty where there is none). Static until
 * the request is over. Owner thread. */
CPS_API const char *cps_request_path(const cps_request_t *request);
CPS_API const char *cps_request_query(const cps_request_t *request);

/** Content-Format of the payload, or -1. Owner thread. */
CPS_API int32_t cps_request_content_format(const cps_request_t *request);

/** The value of Accept, or -1. Owner thread. */
CPS_API int32_t cps_request_accept(const cps_request_t *request);

/** Name of the credential that sealed it; NULL: unprotected. Owner thread. */
CPS_API const char *cps_request_credential(const cps_request_t *request);

/** How old it can be at most, in microseconds, proven by Echo; CPS_AGE_UNKNOWN. Owner thread. */
CPS_API uint64_t cps_request_age_us(const cps_request_t *request);

/** Where it came from. Owner thread. */
CPS_API cps_addr_t cps_request_peer(const cps_request_t *request);

/**
 * Check If-Match and If-None-Match against the present state: whether the resource exists, and its ETag (may be empty).
 * CPS_OK: go on. CPS_ERR_FORBIDDEN: 4.12 was sent; give CPS_OK back from the handler. Owner thread.
 */
CPS_API CPS_MUST_USE cps_err_t cps_request_check_conditions(cps_request_t *request, bool exists, cps_bytes_t etag);

/** Whether one of the request's ETags is this one: then 2.03 with it may be answered. Owner thread. */
CPS_API bool cps_request_has_etag(const cps_request_t *request, cps_bytes_t etag);

/** Answer with a code alone. CPS_ERR_STALE: the request is over, and was no longer to be touched. CPS_ERR_TOO_LARGE,
 * CPS_ERR_BAD_OPTION, CPS_ERR_STATE_LOST, CPS_ERR_MEMORY: it is still open. Owner thread. */
CPS_API CPS_MUST_USE cps_err_t cps_reply(cps_request_t *request, cps_code_t code);

/** Answer with text (Content-Format 0). Owner thread. */
CPS_API CPS_MUST_USE cps_err_t cps_reply_text(cps_request_t *request, cps_code_t code, const char *text);

/** Answer with an error code and a diagnostic payload (may be NULL), which has no Content-Format. Owner thread. */
CPS_API CPS_MUST_USE cps_err_t cps_reply_error(cps_request_t *request, cps_code_t code, const char *diagnostic);

/** Answer with options and payload. A success that does not fit one message goes in blocks: GET asks the handler again for
 * each of them, other methods once. CPS_ERR_TOO_LARGE: another answer that does not fit. Owner thread. */
CPS_API CPS_MUST_USE cps_err_t cps_reply_with(cps_request_t *request, cps_code_t code, const cps_option_t *options,
                                              size_t option_count, cps_bytes_t payload);

/** A part of a larger body. */
typedef struct cps_slice {
    cps_bytes_t part;
    uint32_t offset; /**< where it stands in the body */
    uint32_t total;  /**< length of the body */
} cps_slice_t;

/**
 * Answer with a part of a large body (RFC 7959): `part` holds the bytes from `offset` on, of `total` in all. It has to hold
 * what cps_request_wanted says, or reach to the end; more of it does no harm. The handler runs once for each block that is
 * asked for, so that nothing is kept between them: the options should hold an ETag, another one for each other content.
 * CPS_ERR_ARGUMENT where the part is not what is wanted. Owner thread.
 */
CPS_API CPS_MUST_USE cps_err_t cps_reply_slice(cps_request_t *request, const cps_option_t *options, size_t option_count,
                                               const cps_slice_t *slice);

/** Which part of the answer's body is asked for: where it begins, and how many bytes at most. Owner thread. */
CPS_API uint32_t cps_request_wanted(const cps_request_t *request, uint32_t *size);

/** Of a resource with `stream`: where the payload stands in the body of the request, whether more comes, and the length of
 * all as the client says (0: it does not; a hint). For a body in one message 0, false, 0. Owner thread. */
CPS_API uint32_t cps_request_offset(const cps_request_t *request);
CPS_API bool cps_request_has_more(const cps_request_t *request);
CPS_API uint32_t cps_request_size(const cps_request_t *request);

/** What cps_reply_continue was given with the block before; NULL in the first. Owner thread. */
CPS_API void *cps_request_upload(const cps_request_t *request);

/** Of a resource with `stream`, where cps_request_has_more: the block was taken, the next one may come (2.31). `upload`
 * is the handler's: it comes back with the next block, or goes to `abandoned`. Any other answer ends the body, and `upload`
 * is the handler's again. CPS_ERR_FULL: no room for another body. Owner thread. */
CPS_API CPS_MUST_USE cps_err_t cps_reply_continue(cps_request_t *request, void *upload);

/** Answer 2.01 with the path of what was created, "items/7": segments as they are. CPS_ERR_BAD_OPTION where one is "." or
 * ".." or longer than 255 bytes. Owner thread. */
CPS_API CPS_MUST_USE cps_err_t cps_reply_created(cps_request_t *request, const char *location);

/** Keep the request to answer it later; a CON gets an Empty ACK in the meantime. Owner thread. */
CPS_API CPS_MUST_USE cps_err_t cps_request_defer(cps_request_t *request);

#ifdef __cplusplus
}
#endif

#endif /* COAPSULE_SERVER_H */
