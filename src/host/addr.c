// SPDX-License-Identifier: Apache-2.0
#include "host/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* An IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) as the IPv4 address that it is; any other unchanged. */
static cps_addr_t unmapped(const cps_addr_t *addr)
{
    cps_addr_t plain = *addr;
    if (addr->family != CPS_FAMILY_IPV6 || memcmp(addr->ip, mapped_prefix, sizeof mapped_prefix) != 0)
        return plain;
    memset(plain.ip, 0, sizeof plain.ip);
    memcpy(plain.ip, addr->ip + sizeof mapped_prefix, 4);
    plain.family = CPS_FAMILY_IPV4;
    plain.scope_id = 0;
    return plain;
}

bool cps_addr_equal(const cps_addr_t *a, const cps_addr_t *b)
{
    return a->family == b->family && a->port == b->port && a->scope_id == b->scope_id &&
           memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

bool cps_addr_is_loopback(const cps_addr_t *addr)
{
    cps_addr_t a = unmapped(addr);
    if (a.family == CPS_FAMILY_IPV4)
        return a.ip[0] == 127;
    return a.family == CPS_FAMILY_IPV6 && memcmp(a.ip, &in6addr_loopback, sizeof a.ip) == 0;
}

bool cps_addr_is_link_local(const cps_addr_t *addr)
{
    cps_addr_t a = unmapped(addr);
    if (a.family == CPS_FAMILY_IPV4)
        return a.ip[0] == 169 && a.ip[1] == 254;
    return a.family == CPS_FAMILY_IPV6 && a.ip[0] == 0xfe && (a.ip[1] & 0xc0U) == 0x80;
}

bool cps_addr_is_multicast(const cps_addr_t *addr)
{
    cps_addr_t a = unmapped(addr);
    if (a.family == CPS_FAMILY_IPV4)
        return (a.ip[0] & 0xf0U) == 0xe0;
    return a.family == CPS_FAMILY_IPV6 && a.ip[0] == 0xff;
}

bool cps_addr_is_any(const cps_addr_t *addr)
{
    cps_addr_t a = unmapped(addr);
    return a.family != CPS_FAMILY_NONE && memcmp(a.ip, &in6addr_any, sizeof a.ip) == 0;
}

/* Whether a zone says anything: fe80::/10, and groups of interface-local and link-local scope (RFC 4291 §2.7). */
static bool has_zone(const cps_addr_t *addr)
{
    return cps_addr_is_link_local(addr) ||
           (addr->ip[0] == 0xff && ((addr->ip[1] & 0x0fU) == 1 || (addr->ip[1] & 0x0fU) == 2));
}

static bool read_number(cps_bytes_t text, uint32_t max, uint32_t *out)
{
    uint64_t value = 0;
    if (text.len == 0 || text.len > 10)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *out = (uint32_t)value;
    return value <= max;
}

static bool read_zone(cps_bytes_t text, uint32_t *out)
{
    char name[IF_NAMESIZE];
    if (read_number(text, UINT32_MAX, out))
        return *out != 0;
    if (text.len == 0 || text.len >= sizeof name)
        return false;
    cps_copy(name, text.ptr, text.len);
    name[text.len] = '\0';
    *out = if_nametoindex(name);
    return *out != 0;
}

static bool read_ip6(cps_bytes_t text, cps_addr_t *out)
{
    char name[INET6_ADDRSTRLEN];
    const uint8_t *percent = text.len == 0 ? NULL : memchr(text.ptr, '%', text.len);
    size_t len = percent == NULL ? text.len : (size_t)(percent - text.ptr);
    if (len >= sizeof name)
        return false;
    cps_copy(name, text.ptr, len);
    name[len] = '\0';
    *out = (cps_addr_t){.family = CPS_FAMILY_IPV6};
    if (memchr(name, '\0', len) != NULL || inet_pton(AF_INET6, name, out->ip) != 1)
        return false;
    if (percent == NULL)
        return true;
    return has_zone(out) && read_zone(cps_bytes(percent + 1, text.len - len - 1), &out->scope_id);
}

static bool read_ip4(cps_bytes_t text, cps_addr_t *out)
{
    char name[INET_ADDRSTRLEN];
    if (text.len >= sizeof name)
        return false;
    cps_copy(name, text.ptr, text.len);
    name[text.len] = '\0';
    *out = (cps_addr_t){.family = CPS_FAMILY_IPV4};
    return memchr(name, '\0', text.len) == NULL && inet_pton(AF_INET, name, out->ip) == 1;
}

/* Where the address ends and whether a port follows it. */
typedef struct split {
    cps_bytes_t ip;
    cps_bytes_t port;
    bool has_port;
    bool v6;
} split_t;

static bool split_text(cps_bytes_t text, split_t *out)
{
    *out = (split_t){.ip = text};
    const uint8_t *colon = text.len == 0 ? NULL : memchr(text.ptr, ':', text.len);
    if (text.len != 0 && text.ptr[0] == '[') {
        const uint8_t *end = memchr(text.ptr, ']', text.len);
        if (end == NULL)
            return false;
        size_t after = text.len - (size_t)(end - text.ptr) - 1;
        out->v6 = true;
        out->ip = cps_bytes(text.ptr + 1, (size_t)(end - text.ptr) - 1);
        out->has_port = after != 0;
        out->port = after == 0 ? cps_bytes(NULL, 0) : cps_bytes(end + 2, after - 1);
        return after == 0 || end[1] == ':';
    }
    if (colon == NULL)
        return true;
    size_t behind = text.len - (size_t)(colon - text.ptr) - 1;
    if (behind != 0 && memchr(colon + 1, ':', behind) != NULL) { /* two colons: IPv6 without brackets, never a port */
        out->v6 = true;
        return true;
    }
    out->ip = cps_bytes(text.ptr, (size_t)(colon - text.ptr));
    out->port = cps_bytes(colon + 1, behind);
    out->has_port = true;
    return true;
}

cps_err_t cps_addr_parse(cps_bytes_t text, uint16_t default_port, cps_addr_t *out)
{
    split_t parts;
    cps_addr_t addr;
    uint32_t port = default_port;
    if (!split_text(text, &parts) || (parts.has_port && !read_number(parts.port, UINT16_MAX, &port)))
        return CPS_ERR_ARGUMENT;
    if (!(parts.v6 ? read_ip6(parts.ip, &addr) : read_ip4(parts.ip, &addr)))
        return CPS_ERR_ARGUMENT;
    *out = unmapped(&addr);
    out->port = (uint16_t)port;
    return CPS_OK;
}

const char *cps_addr_format_ip(const cps_addr_t *addr, char out[CPS_ADDR_TEXT_MAX])
{
    char ip[INET6_ADDRSTRLEN] = "-";
    if (addr->family == CPS_FAMILY_IPV4)
        inet_ntop(AF_INET, addr->ip, ip, sizeof ip);
    else if (addr->family == CPS_FAMILY_IPV6)
        inet_ntop(AF_INET6, addr->ip, ip, sizeof ip);
    if (addr->scope_id != 0)
        snprintf(out, CPS_ADDR_TEXT_MAX, "%s%%%u", ip, addr->scope_id);
    else
        snprintf(out, CPS_ADDR_TEXT_MAX, "%s", ip);
    return out;
}

const char *cps_addr_format(const cps_addr_t *addr, char out[CPS_ADDR_TEXT_MAX])
{
    char ip[CPS_ADDR_TEXT_MAX];
    cps_addr_format_ip(addr, ip);
    if (addr->family == CPS_FAMILY_NONE)
        memcpy(out, "-", 2);
    else /* 57 characters of address and zone at most, so it always fits */
        snprintf(out, CPS_ADDR_TEXT_MAX, addr->family == CPS_FAMILY_IPV6 ? "[%.57s]:%u" : "%.57s:%u", ip, addr->port);
    return out;
}

bool cps_addr_from_sockaddr(const struct sockaddr *from, cps_addr_t *out)
{
    *out = (cps_addr_t){.family = CPS_FAMILY_NONE};
    if (from->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, from, sizeof in);
        out->family = CPS_FAMILY_IPV4;
        out->port = ntohs(in.sin_port);
        memcpy(out->ip, &in.sin_addr, 4);
    } else if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, from, sizeof in6);
        out->family = CPS_FAMILY_IPV6;
        out->port = ntohs(in6.sin6_port);
        memcpy(out->ip, &in6.sin6_addr, 16);
        out->scope_id = has_zone(out) ? in6.sin6_scope_id : 0;
        *out = unmapped(out);
    }
    return out->family != CPS_FAMILY_NONE;
}

socklen_t cps_addr_to_sockaddr(const cps_addr_t *addr, struct sockaddr_storage *out)
{
    if (addr->family == CPS_FAMILY_IPV4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(addr->port)};
        memcpy(&in.sin_addr, addr->ip, 4);
        memcpy(out, &in, sizeof in);
        return sizeof in;
    }
    if (addr->family == CPS_FAMILY_IPV6) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(addr->port)};
        memcpy(&in6.sin6_addr, addr->ip, 16);
        in6.sin6_scope_id = addr->scope_id;
        memcpy(out, &in6, sizeof in6);
        return sizeof in6;
    }
    return 0;
}

/* Whether two addresses agree in their first `bits` bits. */
static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || (a[whole] ^ b[whole]) >> (8U - rest) == 0;
}

static bool clear_behind(const uint8_t ip[16], unsigned bits)
{
    uint8_t masked[16] = {0};
    memcpy(masked, ip, bits / 8);
    if (bits % 8 != 0)
        masked[bits / 8] = (uint8_t)(ip[bits / 8] & (0xff00U >> (bits % 8)));
    return memcmp(masked, ip, sizeof masked) == 0;
}

cps_err_t cps_net_parse(cps_bytes_t text, cps_net_t *out)
{
    const uint8_t *slash = text.len == 0 ? NULL : memchr(text.ptr, '/', text.len);
    size_t len = slash == NULL ? text.len : (size_t)(slash - text.ptr);
    cps_bytes_t ip = cps_bytes(text.ptr, len);
    uint32_t bits = 0;
    if (!read_ip4(ip, &out->base) && !read_ip6(ip, &out->base))
        return CPS_ERR_ARGUMENT;
    uint32_t most = out->base.family == CPS_FAMILY_IPV4 ? 32 : 128;
    if (slash == NULL)
        bits = most;
    else if (!read_number(cps_bytes(slash + 1, text.len - len - 1), most, &bits))
        return CPS_ERR_ARGUMENT;
    out->bits = (uint8_t)bits;
    return clear_behind(out->base.ip, bits) ? CPS_OK : CPS_ERR_ARGUMENT;
}

const char *cps_net_format(const cps_net_t *net, char out[CPS_ADDR_TEXT_MAX])
{
    char ip[CPS_ADDR_TEXT_MAX];
    snprintf(out, CPS_ADDR_TEXT_MAX, "%.57s/%u", cps_addr_format_ip(&net->base, ip), net->bits);
    return out;
}

bool cps_net_has(const cps_net_t *net, const cps_addr_t *addr)
{
    cps_addr_t a = unmapped(addr);
    return a.family == net->base.family && same_prefix(net->base.ip, a.ip, net->bits);
}
