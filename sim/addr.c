// SPDX-License-Identifier: Apache-2.0
#include "sim/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

bool cps_simaddr_equal(const cps_addr_t *a, const cps_addr_t *b)
{
    return a->family == b->family && a->port == b->port && a->scope_id == b->scope_id &&
           memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

bool cps_simaddr_fits(const cps_addr_t *mask, const cps_addr_t *a)
{
    if (mask->port != 0 && mask->port != a->port)
        return false;
    if (mask->family == CPS_FAMILY_NONE)
        return true;
    return mask->family == a->family && mask->scope_id == a->scope_id && memcmp(mask->ip, a->ip, sizeof a->ip) == 0;
}

/* A decimal number that fills the whole text. */
static bool parse_decimal(const char *text, size_t len, uint32_t max, uint32_t *out)
{
    uint64_t value = 0;
    if (len == 0 || len > 10)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *out = (uint32_t)value;
    return value <= max;
}

static bool parse_port(const char *text, size_t len, cps_addr_t *out)
{
    uint32_t port = 0;
    if (!parse_decimal(text, len, UINT16_MAX, &port))
        return false;
    out->port = (uint16_t)port;
    return true;
}

static bool parse_ip(int af, const char *text, size_t len, cps_addr_t *out)
{
    char host[INET6_ADDRSTRLEN];
    if (len >= sizeof host)
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    out->family = af == AF_INET ? CPS_FAMILY_IPV4 : CPS_FAMILY_IPV6;
    return inet_pton(af, host, out->ip) == 1;
}

static bool parse_ipv6(const char *text, size_t len, cps_addr_t *out)
{
    const char *zone = memchr(text, '%', len);
    size_t ip_len = zone == NULL ? len : (size_t)(zone - text);
    if (zone != NULL && !parse_decimal(zone + 1, len - ip_len - 1, UINT32_MAX, &out->scope_id))
        return false;
    return parse_ip(AF_INET6, text, ip_len, out);
}

bool cps_simaddr_parse(const char *text, size_t len, cps_addr_t *out)
{
    *out = (cps_addr_t){0};
    if (len == 0)
        return false;
    const char *close = text[0] == '[' ? memchr(text, ']', len) : NULL;
    if (close != NULL) {
        size_t host_len = (size_t)(close - text) - 1;
        size_t rest = len - host_len - 2;
        if (!parse_ipv6(text + 1, host_len, out))
            return false;
        return rest == 0 || (close[1] == ':' && parse_port(close + 2, rest - 1, out));
    }
    const char *colon = memchr(text, ':', len);
    size_t host_len = colon == NULL ? len : (size_t)(colon - text);
    if (colon != NULL && !parse_port(colon + 1, len - host_len - 1, out))
        return false;
    if (host_len == 1 && text[0] == '*')
        return colon != NULL;
    return parse_ip(AF_INET, text, host_len, out);
}

const char *cps_simaddr_text(const cps_addr_t *addr, char out[CPS_SIMADDR_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "*";
    if (addr->family == CPS_FAMILY_NONE)
        snprintf(out, CPS_SIMADDR_TEXT_MAX, "*:%u", addr->port);
    else if (inet_ntop(addr->family == CPS_FAMILY_IPV4 ? AF_INET : AF_INET6, addr->ip, host, sizeof host) == NULL)
        snprintf(out, CPS_SIMADDR_TEXT_MAX, "?:%u", addr->port);
    else if (addr->family == CPS_FAMILY_IPV4)
        snprintf(out, CPS_SIMADDR_TEXT_MAX, "%s:%u", host, addr->port);
    else if (addr->scope_id != 0)
        snprintf(out, CPS_SIMADDR_TEXT_MAX, "[%s%%%u]:%u", host, addr->scope_id, addr->port);
    else
        snprintf(out, CPS_SIMADDR_TEXT_MAX, "[%s]:%u", host, addr->port);
    return out;
}
