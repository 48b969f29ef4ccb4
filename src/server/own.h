// SPDX-License-Identifier: Apache-2.0
/* The names and addresses of this server: whether a request for a proxy names it itself (RFC 7252 §5.7.2). */
#ifndef CPS_SERVER_OWN_H
#define CPS_SERVER_OWN_H

#include "base/bytes.h"
#include "wire/uri.h"

#define CPS_OWN_LISTEN_MAX 16U

typedef struct cps_own {
    char *names; /**< lower case, each with its final zero, an empty one behind the last */
    cps_addr_t listen[CPS_OWN_LISTEN_MAX];
    size_t listen_count;
} cps_own_t;

/** Names separated by spaces (may be NULL), beside "localhost" and what the system calls itself. CPS_ERR_MEMORY. */
CPS_MUST_USE cps_err_t cps_own_init(cps_own_t *own, const char *names);
void cps_own_fini(cps_own_t *own);

/** An address that is listened at; at most CPS_OWN_LISTEN_MAX count. */
void cps_own_listen(cps_own_t *own, const cps_addr_t *at);

/** Whether the authority of a URI is this server. `asked` is the address that the request was sent to. */
bool cps_own_is(const cps_own_t *own, const cps_uri_t *uri, const cps_addr_t *asked);

#endif /* CPS_SERVER_OWN_H */
