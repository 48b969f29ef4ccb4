// SPDX-License-Identifier: Apache-2.0
/* Who may use the proxy, and to reach what: closed unless the configuration opens it (OPS-18, OPS-19). */
#ifndef CPS_PROXY_POLICY_H
#define CPS_PROXY_POLICY_H

#include "host/conf_daemon.h"
#include "wire/uri.h"

/** The address of a URI whose host is an IP literal, zone and port with it; an IPv4-mapped one is IPv4. False where the
 * host is a name, or its zone is no interface here. */
bool cps_proxy_literal(const cps_uri_t *uri, cps_addr_t *out);

/** Whether an address is reached only where it stands in the targets itself: link-local, multicast and unspecified ones. */
bool cps_proxy_is_special(const cps_addr_t *addr);

/** Whether a target fits the name in the URI, wherever that may be: before it is looked up. */
bool cps_proxy_may_look_up(const cps_conf_list_t *targets, const cps_uri_t *uri);

/**
 * Whether a request for this URI may go to that address, which its host is or resolved to. A special address has to stand
 * in the targets itself, however the URI spells its host; the zone of such a
 * target is taken over where the URI has none.
 */
bool cps_proxy_may_reach(const cps_conf_list_t *targets, const cps_uri_t *uri, cps_addr_t *addr);

#endif /* CPS_PROXY_POLICY_H */
