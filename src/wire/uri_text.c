// SPDX-License-Identifier: Apache-2.0
#include "wire/uri_text.h"

#include "base/utf8.h"

static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

static bool is_alpha(uint8_t c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }

static int hex_value(uint8_t c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_one_of(uint8_t c, const char *set) { return c != '\0' && strchr(set, c) != NULL; }

bool cps_uri_is_plain(uint8_t c, const char *extra, const char *except)
{
    if (is_alpha(c) || is_digit(c))
        return true;
    return (is_one_of(c, "-._~!$&'()*+,;=") || is_one_of(c, extra)) && !is_one_of(c, except);
}

/* The byte of the escape at `at`, or -1. */
static int escape_at(cps_bytes_t text, size_t at)
{
    if (text.len - at < 3 || text.ptr[at] != '%')
        return -1;
    int high = hex_value(text.ptr[at + 1]);
    int low = hex_value(text.ptr[at + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool cps_uri_text_valid(cps_bytes_t text, const char *extra)
{
    for (size_t at = 0; at < text.len;) {
        bool plain = cps_uri_is_plain(text.ptr[at], extra, "");
        if (!plain && escape_at(text, at) < 0)
            return false;
        at += plain ? 1 : 3;
    }
    return true;
}

void cps_uri_decode(cps_bytes_t text, cps_writer_t *w)
{
    for (size_t at = 0; at < text.len;) {
        int escape = escape_at(text, at);
        cps_write_u8(w, escape < 0 ? text.ptr[at] : (uint8_t)escape);
        at += escape < 0 ? 1 : 3;
    }
}

void cps_uri_escape(cps_bytes_t bytes, const char *extra, const char *except, cps_writer_t *w)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t at = 0; at < bytes.len && !w->failed; at++) {
        uint8_t c = bytes.ptr[at];
        if (cps_uri_is_plain(c, extra, except)) {
            cps_write_u8(w, c);
        } else {
            cps_write_u8(w, '%');
            cps_write_u8(w, (uint8_t)digits[c >> 4U]);
            cps_write_u8(w, (uint8_t)digits[c & 15U]);
        }
    }
}

/* Whether all of a label is decimal, or hexadecimal behind "0x". */
static bool is_numeric(cps_bytes_t label)
{
    bool is_hex = label.len >= 2 && label.ptr[0] == '0' && (label.ptr[1] | 0x20) == 'x';
    for (size_t at = is_hex ? 2 : 0; at < label.len; at++)
        if (is_hex ? hex_value(label.ptr[at]) < 0 : !is_digit(label.ptr[at]))
            return false;
    return label.len > 0;
}

static cps_bytes_t last_label(cps_bytes_t name)
{
    size_t end = name.len;
    if (end > 0 && name.ptr[end - 1] == '.') /* the root's dot */
        end--;
    size_t start = end;
    while (start > 0 && name.ptr[start - 1] != '.')
        start--;
    return cps_bytes(name.ptr + start, end - start);
}

bool cps_uri_name_valid(cps_bytes_t name)
{
    if (name.len == 0 || name.len > CPS_URI_HOST_MAX || !cps_utf8_valid(name))
        return false;
    for (size_t at = 0; at < name.len; at++)
        if (name.ptr[at] < 0x80 && !cps_uri_is_plain(name.ptr[at], "", ""))
            return false;
    return !is_numeric(last_label(name));
}

bool cps_uri_bracketed(cps_bytes_t text, uint8_t ip[16])
{
    uint8_t family;
    if (text.len < 2 || text.ptr[0] != '[' || text.ptr[text.len - 1] != ']')
        return false;
    return cps_ip_parse(cps_bytes(text.ptr + 1, text.len - 2), ip, &family) && family == CPS_FAMILY_IPV6;
}

bool cps_uri_split_scheme(cps_bytes_t text, cps_scheme_t *scheme, cps_bytes_t *rest)
{
    const uint8_t *colon = text.len == 0 ? NULL : memchr(text.ptr, ':', text.len);
    if (colon == NULL || !cps_scheme_find(cps_bytes(text.ptr, (size_t)(colon - text.ptr)), scheme))
        return false;
    *rest = cps_bytes(colon + 1, text.len - (size_t)(colon + 1 - text.ptr));
    return true;
}

static void push(cps_option_t *list, size_t cap, size_t *depth, cps_bytes_t segment)
{
    if (*depth < cap)
        list[*depth].value = segment;
    (*depth)++;
}

size_t cps_uri_segments(cps_bytes_t path, cps_option_t *list, size_t cap)
{
    size_t depth = 0;
    size_t empty_first = 0; /* whether the first segment is empty */
    for (size_t at = 0; at < path.len;) {
        size_t start = ++at; /* behind the slash */
        while (at < path.len && path.ptr[at] != '/')
            at++;
        cps_bytes_t segment = cps_bytes(path.ptr + start, at - start);
        bool is_up = cps_bytes_equal(segment, CPS_BYTES_LIT(".."));
        bool is_dot = cps_uri_is_dots(segment);
        if (is_up && depth > 0)
            depth--;
        if (is_dot && at < path.len)
            continue;
        if (depth == 0)
            empty_first = is_dot || segment.len == 0;
        push(list, cap, &depth, is_dot ? cps_bytes(path.ptr + at, 0) : segment); /* "/a/." is "/a/" */
    }
    return depth == 1 && empty_first ? 0 : depth; /* RFC 7252 §6.4 step 8: "/" has no segment */
}
