// SPDX-License-Identifier: Apache-2.0
/* Names to addresses, off the loop: getaddrinfo in libuv's thread pool, with a deadline. A look-up that hangs holds a
 * thread of the pool (libuv gives look-ups half of them at most), never the loop. */
#ifndef CPS_HOST_RESOLVE_H
#define CPS_HOST_RESOLVE_H

#include "host/addr.h"

#include <uv.h>

#define CPS_RESOLVE_ADDRS_MAX  16U
#define CPS_RESOLVE_HOST_MAX   255U
#define CPS_RESOLVE_TIMEOUT_US 5000000U /* by default */

/** What a look-up gave. Views live for the call only. */
typedef struct cps_resolve_result {
    cps_err_t err;           /**< CPS_OK or CPS_ERR_RESOLVE */
    const cps_addr_t *addrs; /**< in the order in which they are to be tried (RFC 6724); at least one with CPS_OK */
    size_t count;
    const char *detail; /**< why not: "unknown node or service"; NULL with CPS_OK */
} cps_resolve_result_t;

/** The calls of libuv that are used; tests give their own. */
typedef struct cps_resolver {
    int (*start)(uv_loop_t *loop, uv_getaddrinfo_t *req, uv_getaddrinfo_cb done, const char *node, const char *service,
                 const struct addrinfo *hints);
    int (*cancel)(uv_getaddrinfo_t *req); /**< 0: `done` is called with UV_ECANCELED */
    void (*release)(struct addrinfo *found);
} cps_resolver_t;

typedef struct cps_resolve_query {
    cps_bytes_t host;    /**< a name or an IP address, brackets around IPv6 or not */
    uint16_t port;       /**< that the addresses get */
    cps_family_t family; /**< one family alone, or CPS_FAMILY_NONE for both */
    uint64_t timeout_us; /**< 0: CPS_RESOLVE_TIMEOUT_US */
    /** Called once, by the loop and never inside cps_resolve_start; the handle is over then. */
    void (*done)(void *user, const cps_resolve_result_t *result);
    void *user;
    const cps_resolver_t *resolver; /**< NULL: the system's */
} cps_resolve_query_t;

typedef struct cps_resolve cps_resolve_t;

/**
 * Begin a look-up; `*out` (may be NULL) is valid until `done` is called or it is cancelled. An IP address takes no
 * thread and comes with the loop's next turn. An answer behind the deadline is dropped; so is one after a cancel. The loop
 * has to run until a hanging thread came back before it can be closed. CPS_ERR_ARGUMENT for an empty or overlong host,
 * CPS_ERR_MEMORY, CPS_ERR_RESOLVE.
 */
CPS_MUST_USE cps_err_t cps_resolve_start(uv_loop_t *loop, const cps_resolve_query_t *query, cps_resolve_t **out);

/** Give up: `done` is not called any more. */
void cps_resolve_cancel(cps_resolve_t *resolve);

#endif /* CPS_HOST_RESOLVE_H */
