// SPDX-License-Identifier: Apache-2.0
#include "proxy/policy.h"

#include <stdio.h>

bool cps_proxy_literal(const cps_uri_t *uri, cps_addr_t *out)
{
    char text[sizeof uri->host + 1 + sizeof uri->zone];
    if (uri->family == CPS_FAMILY_NONE)
        return false;
    snprintf(text, sizeof text, "%s%s%s", uri->host, uri->zone[0] != '\0' ? "%" : "", uri->zone);
    if (cps_addr_parse(cps_bytes_str(text), uri->port, out) != CPS_OK)
        return false;
    out->port = uri->port;
    return true;
}

/* The host as targets are compared with it: a literal in its one spelling, a name without the root's dot. */
static cps_bytes_t host_text(const cps_uri_t *uri, char buf[CPS_ADDR_TEXT_MAX])
{
    cps_addr_t literal;
    cps_bytes_t host = cps_bytes_str(uri->host);
    if (cps_proxy_literal(uri, &literal))
        return cps_bytes_str(cps_addr_format_ip(&literal, buf));
    if (host.len > 1 && host.ptr[host.len - 1] == '.')
        host.len--;
    return host;
}

bool cps_proxy_is_special(const cps_addr_t *addr)
{
    return cps_addr_is_link_local(addr) || cps_addr_is_multicast(addr) || cps_addr_is_any(addr);
}

/* A target that is this very address. One of the two may leave the zone out. */
static bool is_named(const cps_conf_list_t *targets, uint16_t port, cps_addr_t *addr)
{
    const cps_conf_target_t *t = targets->items;
    for (size_t i = 0; i < targets->count; i++) {
        const cps_addr_t *named = &t[i].literal;
        bool same_zone = named->scope_id == addr->scope_id || named->scope_id == 0 || addr->scope_id == 0;
        if (named->family != addr->family || memcmp(named->ip, addr->ip, sizeof addr->ip) != 0 || !same_zone ||
            (!t[i].any_port && t[i].port != port))
            continue;
        if (addr->scope_id == 0)
            addr->scope_id = named->scope_id;
        return true;
    }
    return false;
}

bool cps_proxy_may_look_up(const cps_conf_list_t *targets, const cps_uri_t *uri)
{
    char buf[CPS_ADDR_TEXT_MAX];
    return cps_conf_targets_allow(targets, host_text(uri, buf), uri->port, NULL);
}

bool cps_proxy_may_reach(const cps_conf_list_t *targets, const cps_uri_t *uri, cps_addr_t *addr)
{
    char buf[CPS_ADDR_TEXT_MAX];
    if (cps_proxy_is_special(addr))
        return is_named(targets, uri->port, addr);
    return cps_conf_targets_allow(targets, host_text(uri, buf), uri->port, addr);
}
