// SPDX-License-Identifier: Apache-2.0
/* Addresses as text: RFC 3986 §3.2.2 read, RFC 5952 written. */
#include "wire/uri.h"

#include <stdio.h>

#define GROUPS 8U

/* "192.0.2.1": four numbers of up to 255 without leading zeros. */
static bool parse_ipv4(cps_bytes_t text, uint8_t ip[4])
{
    size_t at = 0;
    for (unsigned i = 0; i < 4; i++) {
        size_t start = at;
        unsigned value = 0;
        for (; at < text.len && at - start < 3 && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++)
            value = value * 10 + (text.ptr[at] - (unsigned)'0');
        if (at == start || value > UINT8_MAX || (at - start > 1 && text.ptr[start] == '0'))
            return false;
        ip[i] = (uint8_t)value;
        if (i < 3 && (at == text.len || text.ptr[at++] != '.'))
            return false;
    }
    return at == text.len;
}

static bool hex_digit(uint8_t c, unsigned *value)
{
    uint8_t low = c | 0x20;
    if (c >= '0' && c <= '9')
        *value = *value << 4U | (c - (unsigned)'0');
    else if (low >= 'a' && low <= 'f')
        *value = *value << 4U | (low - (unsigned)'a' + 10U);
    else
        return false;
    return true;
}

/* The groups of an IPv6 address as they are read. */
typedef struct groups {
    uint8_t bytes[16];
    size_t count;
    size_t gap; /* how many stand in front of "::"; GROUPS + 1 without one */
} groups_t;

/* Read one group, or an IPv4 address as the last two; what is left of the text goes back in `*text`. */
static bool read_group(groups_t *g, cps_bytes_t *text)
{
    unsigned value = 0;
    size_t digits = 0;
    while (digits < text->len && digits < 4 && hex_digit(text->ptr[digits], &value))
        digits++;
    if (digits < text->len && text->ptr[digits] == '.') {
        if (g->count > GROUPS - 2 || !parse_ipv4(*text, g->bytes + 2 * g->count))
            return false;
        g->count += 2;
        *text = cps_bytes(text->ptr + text->len, 0);
        return true;
    }
    if (digits == 0 || g->count == GROUPS)
        return false;
    cps_put_be16(g->bytes + 2 * g->count++, (uint16_t)value);
    *text = cps_bytes(text->ptr + digits, text->len - digits);
    return true;
}

/* ":" or "::" between groups; a single one has to be followed by a group. */
static bool read_colons(groups_t *g, cps_bytes_t *text)
{
    size_t colons = text->len >= 2 && text->ptr[1] == ':' ? 2 : 1;
    if (text->ptr[0] != ':' || (colons == 1 && (text->len == 1 || g->count == 0)))
        return false;
    if (colons == 2 && g->gap <= GROUPS)
        return false;
    if (colons == 2)
        g->gap = g->count;
    *text = cps_bytes(text->ptr + colons, text->len - colons);
    return true;
}

static bool parse_ipv6(cps_bytes_t text, uint8_t ip[16])
{
    groups_t g = {.gap = GROUPS + 1};
    bool want_group = !(text.len >= 1 && text.ptr[0] == ':');
    while (text.len > 0) {
        if (want_group ? !read_group(&g, &text) : !read_colons(&g, &text))
            return false;
        want_group = !want_group;
    }
    if (g.gap > GROUPS ? g.count != GROUPS : g.count >= GROUPS)
        return false;
    size_t front = g.gap > GROUPS ? 16 : 2 * g.gap;
    size_t back = 2 * g.count - (g.gap > GROUPS ? 16 : front);
    memset(ip, 0, 16);
    memcpy(ip, g.bytes, front);
    memcpy(ip + 16 - back, g.bytes + front, back);
    return true;
}

bool cps_ip_parse(cps_bytes_t text, uint8_t ip[16], uint8_t *family)
{
    uint8_t parsed[16] = {0};
    if (text.len == 0)
        return false;
    if (parse_ipv4(text, parsed))
        *family = CPS_FAMILY_IPV4;
    else if (parse_ipv6(text, parsed))
        *family = CPS_FAMILY_IPV6;
    else
        return false;
    memcpy(ip, parsed, sizeof parsed);
    return true;
}

static unsigned group(const uint8_t *ip, unsigned i) { return cps_be16(ip + 2 * (size_t)i); }

/* The longest run of two or more zero groups among the first `count`, the first of equals (RFC 5952 §4.2). */
static unsigned longest_zeros(const uint8_t *ip, unsigned count, unsigned *run)
{
    unsigned best = 0;
    *run = 1; /* one group alone is not shortened */
    for (unsigned i = 0; i < count; i++) {
        unsigned len = 0;
        while (i + len < count && group(ip, i + len) == 0)
            len++;
        if (len > *run) {
            *run = len;
            best = i;
        }
        i += len;
    }
    return best;
}

static void write_ipv4(cps_writer_t *w, const uint8_t *ip)
{
    char text[16];
    snprintf(text, sizeof text, "%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
    cps_write_str(w, text);
}

static void write_ipv6(cps_writer_t *w, const uint8_t *ip)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool is_mapped = memcmp(ip, mapped, sizeof mapped) == 0; /* RFC 5952 §5: these end in an IPv4 address */
    unsigned count = is_mapped ? GROUPS - 2 : GROUPS;
    unsigned run;
    unsigned gap = longest_zeros(ip, count, &run);
    for (unsigned i = 0; i < count; i++) {
        char text[8];
        if (run > 1 && i == gap) {
            cps_write_str(w, "::");
            i += run - 1;
            continue;
        }
        bool after_gap = i == 0 || (run > 1 && i == gap + run);
        snprintf(text, sizeof text, "%s%x", after_gap ? "" : ":", group(ip, i));
        cps_write_str(w, text);
    }
    if (!is_mapped)
        return;
    cps_write_u8(w, ':');
    write_ipv4(w, ip + 12);
}

void cps_uri_write_addr(cps_writer_t *w, const cps_addr_t *addr)
{
    char zone[16];
    if (addr->family == CPS_FAMILY_IPV4) {
        write_ipv4(w, addr->ip);
        return;
    }
    cps_write_u8(w, '[');
    write_ipv6(w, addr->ip);
    if (addr->scope_id != 0) {
        snprintf(zone, sizeof zone, "%%25%u", (unsigned)addr->scope_id); /* RFC 6874 §2 */
        cps_write_str(w, zone);
    }
    cps_write_u8(w, ']');
}
