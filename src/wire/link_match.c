// SPDX-License-Identifier: Apache-2.0
/* Filters of /.well-known/core (RFC 6690 §4.1). */
#include "wire/link_text.h"

/* A filter taken apart. */
typedef struct filter {
    cps_bytes_t name;
    cps_bytes_t value;
    bool is_prefix; /* a "*" stood behind the value */
} filter_t;

/* How a text spells its bytes: as they are, with backslashes before some, or with percent-escapes. */
typedef enum spelling { PLAIN, QUOTED_PAIRS, PERCENT } spelling_t;

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that stands at `*at`, which moves behind it. */
static uint8_t next_byte(cps_bytes_t text, spelling_t spelling, size_t *at)
{
    uint8_t c = text.ptr[(*at)++];
    size_t left = text.len - *at;
    if (spelling == QUOTED_PAIRS && c == '\\' && left >= 1)
        return text.ptr[(*at)++];
    if (spelling != PERCENT || c != '%' || left < 2)
        return c;
    int high = hex_value(text.ptr[*at]);
    int low = hex_value(text.ptr[*at + 1]);
    if (high < 0 || low < 0)
        return c;
    *at += 2;
    return (uint8_t)(high << 4 | low);
}

static bool matches_text(const filter_t *f, cps_bytes_t text, spelling_t spelling)
{
    size_t at = 0;
    for (size_t i = 0; i < f->value.len; i++)
        if (at == text.len || next_byte(text, spelling, &at) != f->value.ptr[i])
            return false;
    return f->is_prefix || at == text.len;
}

/* Whether one of the space separated parts matches. */
static bool matches_part(const filter_t *f, cps_bytes_t text, spelling_t spelling)
{
    size_t start = 0;
    for (size_t at = 0; at <= text.len; at++) {
        if (at < text.len && text.ptr[at] != ' ')
            continue;
        if (at > start && matches_text(f, cps_bytes(text.ptr + start, at - start), spelling))
            return true;
        start = at + 1;
    }
    return false;
}

static bool matches_attr(const filter_t *f, const cps_link_rule_t *rule, const cps_link_attr_t *attr)
{
    spelling_t spelling = attr->quoted ? QUOTED_PAIRS : PLAIN;
    cps_bytes_t value = rule != NULL && rule->valueless ? cps_bytes(NULL, 0) : attr->value;
    if (rule != NULL && rule->one_by_one)
        return matches_part(f, value, spelling);
    return matches_text(f, value, spelling);
}

static bool matches_attributes(const filter_t *f, cps_bytes_t attributes)
{
    const cps_link_rule_t *rule = cps_link_rule(f->name, NULL);
    cps_link_attr_t attr;
    cps_err_t err;
    while (cps_link_attr_next(&attributes, &attr, &err)) {
        if (!cps_bytes_equal(attr.name, f->name))
            continue;
        if (matches_attr(f, rule, &attr))
            return true;
        if (rule != NULL && rule->once) /* later copies do not count */
            return false;
    }
    return false;
}

bool cps_link_matches(const cps_link_t *link, cps_bytes_t query)
{
    const uint8_t *equals = query.len == 0 ? NULL : memchr(query.ptr, '=', query.len);
    if (equals == NULL)
        return true;
    size_t name_len = (size_t)(equals - query.ptr);
    filter_t f = {.name = cps_bytes(query.ptr, name_len), .value = cps_bytes(equals + 1, query.len - name_len - 1)};
    f.is_prefix = f.value.len > 0 && f.value.ptr[f.value.len - 1] == '*';
    f.value.len -= f.is_prefix;
    if (cps_bytes_equal(f.name, CPS_BYTES_LIT("href")))
        return matches_text(&f, link->target, PLAIN) || matches_text(&f, link->target, PERCENT);
    return matches_attributes(&f, link->attributes);
}
