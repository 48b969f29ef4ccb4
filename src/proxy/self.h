// SPDX-License-Identifier: Apache-2.0
/* What the proxy is known by: names, and every address and port at which its own sockets are reached. A request for one
 * of them is for the proxy itself, and must not be sent to it again (RFC 7252 §5.7.2, §5.10.2). */
#ifndef CPS_PROXY_SELF_H
#define CPS_PROXY_SELF_H

#include "host/addr.h"

#define CPS_PROXY_NAMES_MAX  4U
#define CPS_PROXY_LISTEN_MAX 16U

typedef struct cps_proxy_self {
    char names[CPS_PROXY_NAMES_MAX][256]; /**< lower case, without the root's dot */
    size_t name_count;
    cps_addr_t listen[CPS_PROXY_LISTEN_MAX];
    size_t listen_count;
    cps_addr_t *interfaces; /**< addresses of this host, as last read */
    size_t interface_count;
} cps_proxy_self_t;

/** Whether a name can stand in the list of 5.08: no space in it (RFC 8768 §4), nor what has no place in a log; at most
 * CPS_PROXY_NAME_MAX bytes. */
bool cps_proxy_is_identifier(const char *name);

/** Give the memory back. */
void cps_proxy_self_fini(cps_proxy_self_t *self);

/** Add a name; one too many, or too long, is left out. */
void cps_proxy_self_add_name(cps_proxy_self_t *self, const char *name);

/** Add an address that is listened at, with its real port. */
void cps_proxy_self_add_listen(cps_proxy_self_t *self, const cps_addr_t *addr);

/** Whether a name (lower case) at a port is ours. */
bool cps_proxy_self_has_name(const cps_proxy_self_t *self, const char *host, uint16_t port);

/**
 * Whether a datagram to this address would come back to one of our sockets. Where one listens at all addresses, the
 * system says which are this host's.
 */
bool cps_proxy_self_has_addr(cps_proxy_self_t *self, const cps_addr_t *addr);

#endif /* CPS_PROXY_SELF_H */
