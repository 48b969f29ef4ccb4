// SPDX-License-Identifier: Apache-2.0
/* The patterns that choose a credential for a URI. */
#include "wire/uri_text.h"

#define SEGMENTS_MAX 32U /* of a pattern: each part of a specificity has its own byte */

#define SPECIFICITY_HOST (1U << 24U)
#define SPECIFICITY_KIND (1U << 16U)
#define SPECIFICITY_HEAD (1U << 8U)

/* What a pattern's path is, the more specific the larger. */
typedef enum kind { KIND_ANY_REST = 1, KIND_ANY_SEGMENT = 2, KIND_EXACT = 3 } kind_t;

/* A pattern taken apart. */
typedef struct pattern {
    cps_uri_t uri;
    cps_option_t segments[SEGMENTS_MAX];
    size_t count;  /* of segments, without the final "**" */
    bool any_host; /* host "*" */
    bool any_rest; /* ends in a segment "**" */
} pattern_t;

static bool is_star(cps_bytes_t segment) { return cps_bytes_equal(segment, CPS_BYTES_LIT("*")); }

static bool has_star(cps_bytes_t segment) { return segment.len != 0 && memchr(segment.ptr, '*', segment.len) != NULL; }

/* Decode a segment for comparison; false where it is too long for an option or decodes to "." or "..". */
static bool decode_segment(cps_bytes_t text, uint8_t buf[CPS_URI_VALUE_MAX], cps_bytes_t *out)
{
    cps_writer_t w = cps_writer(buf, CPS_URI_VALUE_MAX);
    cps_uri_decode(text, &w);
    *out = cps_written(&w);
    return !w.failed && !cps_uri_is_dots(*out);
}

static cps_err_t refuse(const char **reason, const char *why)
{
    if (reason != NULL)
        *reason = why;
    return CPS_ERR_BAD_URI;
}

/* Check the segments of a pattern and cut off a final "**". */
static cps_err_t check_segments(pattern_t *p, const char **reason)
{
    uint8_t buf[CPS_URI_VALUE_MAX];
    cps_bytes_t decoded;
    if (p->count > SEGMENTS_MAX)
        return refuse(reason, "a pattern has at most 32 path segments");
    p->any_rest = p->count > 0 && cps_bytes_equal(p->segments[p->count - 1].value, CPS_BYTES_LIT("**"));
    p->count -= p->any_rest;
    for (size_t i = 0; i < p->count; i++) {
        cps_bytes_t segment = p->segments[i].value;
        if (has_star(segment) && !is_star(segment))
            return refuse(reason, "write * for one whole path segment, or /** at the end for any rest");
        if (!decode_segment(segment, buf, &decoded))
            return refuse(reason, "a path segment of the pattern is longer than 255 bytes, or it is . or ..");
    }
    return CPS_OK;
}

static cps_err_t parse_pattern(cps_bytes_t text, pattern_t *p, const char **reason)
{
    cps_err_t err = cps_uri_parse(text, &p->uri, reason);
    if (err != CPS_OK)
        return err;
    if (p->uri.has_query)
        return refuse(reason, "a pattern has no query: it chooses by host and path");
    p->any_host = strcmp(p->uri.host, "*") == 0;
    if (!p->any_host && strchr(p->uri.host, '*') != NULL)
        return refuse(reason, "write * for any host, not for a part of one");
    p->count = cps_uri_segments(p->uri.path, p->segments, SEGMENTS_MAX);
    return check_segments(p, reason);
}

cps_err_t cps_uri_pattern_check(cps_bytes_t pattern, const char **reason)
{
    pattern_t p;
    return parse_pattern(pattern, &p, reason);
}

/* RFC 7252 §6.3: scheme and host in any case, an omitted port is the default; cps_uri_parse has made them equal. */
static bool match_authority(const pattern_t *p, const cps_uri_t *uri)
{
    if (p->uri.scheme != uri->scheme || p->uri.port != uri->port)
        return false;
    return p->any_host || (strcmp(p->uri.host, uri->host) == 0 && strcmp(p->uri.zone, uri->zone) == 0);
}

static bool match_segment(cps_bytes_t pattern, cps_bytes_t segment)
{
    uint8_t bufs[2][CPS_URI_VALUE_MAX];
    cps_bytes_t want;
    cps_bytes_t have;
    if (!decode_segment(segment, bufs[1], &have))
        return false;
    return is_star(pattern) || (decode_segment(pattern, bufs[0], &want) && cps_bytes_equal(want, have));
}

static unsigned specificity_of(const pattern_t *p)
{
    size_t head = 0; /* literal segments in front */
    size_t literal = 0;
    while (head < p->count && !is_star(p->segments[head].value))
        head++;
    for (size_t i = 0; i < p->count; i++)
        literal += !is_star(p->segments[i].value);
    kind_t kind = literal == p->count ? KIND_EXACT : KIND_ANY_SEGMENT;
    if (p->any_rest)
        kind = KIND_ANY_REST;
    return (p->any_host ? 0 : SPECIFICITY_HOST) + (unsigned)kind * SPECIFICITY_KIND +
           (unsigned)head * SPECIFICITY_HEAD + (unsigned)literal;
}

bool cps_uri_match(cps_bytes_t pattern, const cps_uri_t *uri, unsigned *specificity)
{
    pattern_t p;
    cps_option_t segments[SEGMENTS_MAX];
    if (parse_pattern(pattern, &p, NULL) != CPS_OK || !match_authority(&p, uri))
        return false;
    size_t count = cps_uri_segments(uri->path, segments, SEGMENTS_MAX);
    if (count < p.count || (count > p.count && !p.any_rest))
        return false;
    for (size_t i = 0; i < p.count; i++)
        if (!match_segment(p.segments[i].value, segments[i].value))
            return false;
    *specificity = specificity_of(&p);
    return true;
}
