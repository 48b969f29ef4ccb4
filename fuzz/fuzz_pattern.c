// SPDX-License-Identifier: Apache-2.0
/* Two lines with patterns of credentials and one with a URI, against a second reading of the rules in wire/uri.h: which
 * patterns match, and which of two that do is the more specific.
 *
 * covers: src/wire/uri_match.c */
#include "fuzz.h"

#include "wire/uri.h"

#define SEGMENTS_MAX 64U

typedef struct path {
    cps_bytes_t segments[SEGMENTS_MAX]; /* as written, dot segments resolved */
    size_t count;
    bool whole; /* there were no more */
} path_t;

/* What the order of patterns goes by, the first first. */
typedef struct rank {
    unsigned host;
    unsigned kind;
    unsigned head;
    unsigned literals;
} rank_t;

static bool is(cps_bytes_t segment, const char *text) { return cps_bytes_equal(segment, cps_bytes_str(text)); }

/* RFC 3986 §5.2.4 by a stack: "." is nothing, ".." takes one back, and either in the end leaves an empty segment. */
static void push(path_t *p, cps_bytes_t segment, bool last)
{
    bool back = is(segment, "..");
    if (back && p->count > 0)
        p->count--;
    if ((back || is(segment, ".")) && !last)
        return;
    if (back || is(segment, "."))
        segment = cps_bytes("", 0);
    if (p->count == SEGMENTS_MAX)
        p->whole = false;
    else
        p->segments[p->count++] = segment;
}

static path_t path_of(cps_bytes_t text)
{
    path_t p = {.whole = true};
    while (text.len > 0) {
        cps_bytes_t rest = cps_bytes(text.ptr + 1, text.len - 1); /* behind a "/" */
        cps_bytes_t segment = fuzz_cut(&rest, '/');
        text = cps_bytes(segment.ptr + segment.len, (size_t)(text.ptr + text.len - segment.ptr) - segment.len);
        push(&p, segment, text.len == 0);
    }
    if (p.count == 1 && p.segments[0].len == 0)
        p.count = 0; /* "/" is the empty path (RFC 7252 §6.4) */
    return p;
}

static uint8_t digit(uint8_t c)
{
    const char *all = "0123456789abcdef";
    return (uint8_t)(strchr(all, c | 0x20) - all);
}

static uint8_t next_byte(cps_bytes_t *b)
{
    size_t len = b->ptr[0] == '%' ? 3 : 1;
    uint8_t byte = len == 1 ? b->ptr[0] : (uint8_t)(digit(b->ptr[1]) << 4U | digit(b->ptr[2]));
    *b = cps_bytes(b->ptr + len, b->len - len);
    return byte;
}

static bool same_segment(cps_bytes_t a, cps_bytes_t b)
{
    while (a.len > 0 && b.len > 0)
        if (next_byte(&a) != next_byte(&b))
            return false;
    return a.len == b.len;
}

static bool same_path(const path_t *pattern, const path_t *path)
{
    bool any_rest = pattern->count > 0 && is(pattern->segments[pattern->count - 1], "**");
    size_t count = pattern->count - any_rest;
    if (any_rest ? path->count < count : path->count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!is(pattern->segments[i], "*") && !same_segment(pattern->segments[i], path->segments[i]))
            return false;
    return true;
}

static bool should_match(const cps_uri_t *pattern, const path_t *pattern_path, const cps_uri_t *uri, const path_t *path)
{
    bool any_host = strcmp(pattern->host, "*") == 0;
    bool same_host = strcmp(pattern->host, uri->host) == 0 && strcmp(pattern->zone, uri->zone) == 0;
    return pattern->scheme == uri->scheme && pattern->port == uri->port && (any_host || same_host) &&
           same_path(pattern_path, path);
}

static rank_t rank_of(const cps_uri_t *pattern, const path_t *p)
{
    bool any_rest = p->count > 0 && is(p->segments[p->count - 1], "**");
    size_t count = p->count - any_rest;
    rank_t r = {.host = strcmp(pattern->host, "*") != 0};
    for (size_t i = 0; i < count; i++) {
        bool star = is(p->segments[i], "*");
        r.head += !star && r.literals == i;
        r.literals += !star;
    }
    r.kind = any_rest ? 0 : r.literals < count ? 1 : 2;
    return r;
}

static int compare(const rank_t *a, const rank_t *b)
{
    const unsigned x[] = {a->host, a->kind, a->head, a->literals};
    const unsigned y[] = {b->host, b->kind, b->head, b->literals};
    for (size_t i = 0; i < 4; i++)
        if (x[i] != y[i])
            return x[i] > y[i] ? 1 : -1;
    return 0;
}

/* No segment that cannot stand in an option: then a URI reaches no server, and what it matches does not matter. */
static bool can_be_asked(const cps_uri_t *uri)
{
    static uint8_t store[1U << 16U];
    static cps_option_t list[4096];
    size_t count = 0;
    cps_writer_t w = cps_writer(store, sizeof store);
    cps_uri_parts_t parts = {.host = true, .port = true};
    return cps_uri_to_options(uri, parts, &w, list, sizeof list / sizeof list[0], &count) == CPS_OK;
}

/* Whether the pattern matches; its rank and what the code says of it. */
static bool try_pattern(cps_bytes_t text, const cps_uri_t *uri, const path_t *path, rank_t *rank, unsigned *specificity)
{
    cps_uri_t pattern;
    *specificity = 0;
    bool matches = cps_uri_match(text, uri, specificity);
    if (cps_uri_pattern_check(text, NULL) != CPS_OK) {
        demand(!matches);
        return false;
    }
    demand(cps_uri_parse(text, &pattern, NULL) == CPS_OK && !pattern.has_query);
    path_t pattern_path = path_of(pattern.path);
    demand(pattern_path.whole);
    demand(matches == should_match(&pattern, &pattern_path, uri, path));
    demand(matches == (*specificity != 0));
    *rank = rank_of(&pattern, &pattern_path);
    return matches;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cps_bytes_t rest = cps_bytes(data, size);
    cps_bytes_t patterns[2];
    rank_t ranks[2];
    unsigned specificities[2];
    cps_uri_t uri;
    patterns[0] = fuzz_cut(&rest, '\n');
    patterns[1] = fuzz_cut(&rest, '\n');
    if (cps_uri_parse(rest, &uri, NULL) != CPS_OK || !can_be_asked(&uri))
        return 0;
    path_t path = path_of(uri.path);
    if (!path.whole)
        return 0;
    bool first = try_pattern(patterns[0], &uri, &path, &ranks[0], &specificities[0]);
    bool second = try_pattern(patterns[1], &uri, &path, &ranks[1], &specificities[1]);
    if (!first || !second)
        return 0;
    int order = compare(&ranks[0], &ranks[1]);
    int said = (specificities[0] > specificities[1]) - (specificities[0] < specificities[1]);
    demand(order == said);
    return 0;
}
