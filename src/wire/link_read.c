// SPDX-License-Identifier: Apache-2.0
#include "wire/link_text.h"

#include "base/utf8.h"

/* RFC 6690 §3, RFC 5988 §5 (rel, anchor, title), RFC 7252 §7.2.1, RFC 8613 §9, RFC 7641 §6. */
static const cps_link_rule_t rules[] = {
    {.name = "rt", .once = true, .one_by_one = true, .quoted = true},
    {.name = "if", .once = true, .one_by_one = true, .quoted = true},
    {.name = "sz", .once = true},
    {.name = "ct", .once = true},
    {.name = "title", .once = true, .quoted = true},
    {.name = "anchor", .once = true, .quoted = true},
    {.name = "rel", .once = true, .one_by_one = true, .quoted = true},
    {.name = "osc", .once = true, .valueless = true},
    {.name = "obs", .once = true, .valueless = true},
};

const cps_link_rule_t *cps_link_rule(cps_bytes_t name, unsigned *place)
{
    for (unsigned i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (!cps_bytes_equal(name, cps_bytes_str(rules[i].name)))
            continue;
        if (place != NULL)
            *place = i;
        return &rules[i];
    }
    return NULL;
}

static bool is_alnum(uint8_t c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'); }

bool cps_link_is_name_char(uint8_t c) { return is_alnum(c) || (c != '\0' && strchr("!#$&+-.^_`|~*", c) != NULL); }

bool cps_link_is_token_char(uint8_t c)
{
    return is_alnum(c) || (c != '\0' && strchr("!#$%&'()*+-./:<=>?@[]^_`{|}~", c) != NULL);
}

static bool is_space(uint8_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static void skip_space(cps_reader_t *r)
{
    while (r->cur != r->end && is_space(*r->cur))
        r->cur++;
}

static bool next_is(const cps_reader_t *r, uint8_t c) { return r->cur != r->end && *r->cur == c; }

/* Read the byte `c` and the space behind it. */
static bool accept(cps_reader_t *r, uint8_t c)
{
    if (!next_is(r, c))
        return false;
    r->cur++;
    skip_space(r);
    return true;
}

static cps_bytes_t read_while(cps_reader_t *r, bool (*is_char)(uint8_t))
{
    const uint8_t *start = r->cur;
    while (r->cur != r->end && is_char(*r->cur))
        r->cur++;
    return cps_bytes(start, (size_t)(r->cur - start));
}

/* What stands up to the closing quote, which is read too; the reader stands behind the opening one. */
static bool read_quoted(cps_reader_t *r, cps_bytes_t *value)
{
    const uint8_t *start = r->cur;
    while (r->cur != r->end && *r->cur != '"') {
        r->cur += *r->cur == '\\';
        if (r->cur == r->end)
            return false;
        r->cur++;
    }
    if (r->cur == r->end)
        return false;
    *value = cps_bytes(start, (size_t)(r->cur - start));
    r->cur++;
    return true;
}

/* One attribute, from its ";" to the space behind it. */
static bool read_attr(cps_reader_t *r, cps_link_attr_t *out)
{
    *out = (cps_link_attr_t){0};
    if (!accept(r, ';'))
        return false;
    out->name = read_while(r, cps_link_is_name_char);
    if (out->name.len == 0)
        return false;
    skip_space(r);
    out->has_value = accept(r, '=');
    if (out->has_value) {
        out->quoted = next_is(r, '"');
        r->cur += out->quoted;
        if (out->quoted && !read_quoted(r, &out->value))
            return false;
        if (!out->quoted)
            out->value = read_while(r, cps_link_is_token_char);
        if (!out->quoted && out->value.len == 0)
            return false;
    }
    skip_space(r);
    return true;
}

/* One link with what separates it from the next one. */
static bool read_link(cps_reader_t *r, cps_link_t *out)
{
    const uint8_t *start = r->cur;
    cps_link_attr_t attr;
    if (!next_is(r, '<'))
        return false;
    const uint8_t *close = memchr(r->cur, '>', cps_reader_left(r));
    if (close == NULL)
        return false;
    out->target = cps_bytes(start + 1, (size_t)(close - start - 1));
    r->cur = close + 1;
    skip_space(r);
    const uint8_t *attributes = r->cur;
    while (next_is(r, ';'))
        if (!read_attr(r, &attr))
            return false;
    out->attributes = cps_bytes(attributes, (size_t)(r->cur - attributes));
    if (!cps_utf8_valid(cps_bytes(start, (size_t)(r->cur - start))))
        return false;
    if (r->cur == r->end)
        return true;
    return accept(r, ',') && r->cur != r->end; /* a comma stands between two links */
}

bool cps_link_next(cps_bytes_t *document, cps_link_t *out, cps_err_t *err)
{
    cps_reader_t r = cps_reader(*document);
    *err = CPS_OK;
    skip_space(&r);
    if (r.cur == r.end)
        return false;
    if (!read_link(&r, out)) {
        *err = CPS_ERR_FORMAT;
        return false;
    }
    *document = cps_bytes(r.cur, cps_reader_left(&r));
    return true;
}

bool cps_link_attr_next(cps_bytes_t *attributes, cps_link_attr_t *out, cps_err_t *err)
{
    cps_reader_t r = cps_reader(*attributes);
    *err = CPS_OK;
    if (r.cur == r.end)
        return false;
    if (!read_attr(&r, out)) {
        *err = CPS_ERR_FORMAT;
        return false;
    }
    *attributes = cps_bytes(r.cur, cps_reader_left(&r));
    return true;
}

bool cps_link_get(const cps_link_t *link, const char *name, cps_link_attr_t *out)
{
    cps_bytes_t rest = link->attributes;
    cps_bytes_t wanted = cps_bytes_str(name);
    cps_err_t err;
    if (cps_bytes_equal(wanted, CPS_BYTES_LIT("href")))
        return false;
    while (cps_link_attr_next(&rest, out, &err)) {
        if (!cps_bytes_equal(out->name, wanted))
            continue;
        const cps_link_rule_t *rule = cps_link_rule(wanted, NULL);
        if (rule != NULL && rule->valueless)
            *out = (cps_link_attr_t){.name = out->name};
        return true;
    }
    return false;
}

bool cps_link_ct_next(cps_bytes_t *codes, uint16_t *format)
{
    uint32_t code = 0;
    size_t at = 0;
    while (at < codes->len && codes->ptr[at] == ' ')
        at++;
    size_t start = at;
    for (; at < codes->len && codes->ptr[at] >= '0' && codes->ptr[at] <= '9' && code <= UINT16_MAX; at++)
        code = code * 10 + (codes->ptr[at] - (uint32_t)'0');
    bool ends = at == codes->len || codes->ptr[at] == ' ';
    if (start == codes->len)
        *codes = cps_bytes(NULL, 0); /* only spaces were left */
    if (at == start || !ends || code > UINT16_MAX)
        return false;
    *codes = cps_bytes(codes->ptr + at, codes->len - at);
    *format = (uint16_t)code;
    return true;
}

cps_err_t cps_link_unescape(cps_bytes_t value, cps_writer_t *out)
{
    for (size_t at = 0; at < value.len; at++) {
        at += value.ptr[at] == '\\' && at + 1 < value.len;
        cps_write_u8(out, value.ptr[at]);
    }
    return cps_writer_err(out);
}

static bool is_scheme_char(uint8_t c) { return is_alnum(c) || c == '+' || c == '-' || c == '.'; }

static bool is_authority_char(uint8_t c) { return c != '/' && c != '?' && c != '#'; }

cps_bytes_t cps_link_context(const cps_link_t *link)
{
    cps_link_attr_t anchor;
    if (cps_link_get(link, "anchor", &anchor) && anchor.has_value)
        return anchor.value;
    cps_reader_t r = cps_reader(link->target);
    cps_bytes_t scheme = read_while(&r, is_scheme_char);
    cps_bytes_t slashes = cps_read_bytes(&r, 3);
    if (scheme.len == 0 || !cps_bytes_equal(slashes, CPS_BYTES_LIT("://")))
        return cps_bytes(NULL, 0);
    read_while(&r, is_authority_char);
    return cps_bytes(link->target.ptr, (size_t)(r.cur - link->target.ptr));
}
