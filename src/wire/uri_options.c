// SPDX-License-Identifier: Apache-2.0
/* From a URI to the options of a request (RFC 7252 §6.4). */
#include "wire/uri_text.h"

/* What is being built: nothing of it counts until all of it is there. */
typedef struct build {
    cps_writer_t *store;
    cps_option_t *list;
    size_t cap;
    size_t count;
    cps_err_t err;
} build_t;

static void append(build_t *b, uint16_t number, const uint8_t *start)
{
    cps_bytes_t value = cps_bytes(start, (size_t)(b->store->cur - start));
    if (b->err != CPS_OK)
        return;
    if (b->store->failed || b->count == b->cap)
        b->err = CPS_ERR_NO_SPACE;
    else if (value.len > CPS_URI_VALUE_MAX)
        b->err = CPS_ERR_BAD_URI;
    else
        b->list[b->count++] = (cps_option_t){number, value};
}

static void append_decoded(build_t *b, uint16_t number, cps_bytes_t text)
{
    const uint8_t *start = b->store->cur;
    cps_uri_decode(text, b->store);
    append(b, number, start);
}

static void add_host(build_t *b, const cps_uri_t *uri, bool always)
{
    const uint8_t *start = b->store->cur;
    if (uri->family != CPS_FAMILY_NONE && !always) /* §6.4 step 5: the destination says it */
        return;
    if (uri->family == CPS_FAMILY_IPV6)
        cps_write_u8(b->store, '[');
    cps_write_str(b->store, uri->host);
    if (uri->family == CPS_FAMILY_IPV6)
        cps_write_u8(b->store, ']');
    append(b, CPS_OPT_URI_HOST, start);
}

static void add_port(build_t *b, const cps_uri_t *uri, cps_uri_parts_t parts)
{
    uint8_t buf[4];
    const uint8_t *start = b->store->cur;
    if (uri->port == parts.destination_port && !parts.port)
        return;
    cps_write_bytes(b->store, cps_opt_uint_bytes(uri->port, buf));
    append(b, CPS_OPT_URI_PORT, start);
}

/* The segments are listed as they are written, then decoded in place. */
static void add_path(build_t *b, cps_bytes_t path)
{
    if (b->err != CPS_OK)
        return;
    size_t count = cps_uri_segments(path, b->list + b->count, b->cap - b->count);
    if (count > b->cap - b->count) {
        b->err = CPS_ERR_NO_SPACE;
        return;
    }
    for (size_t i = 0; i < count && b->err == CPS_OK; i++) {
        append_decoded(b, CPS_OPT_URI_PATH, b->list[b->count].value);
        if (b->err == CPS_OK && cps_uri_is_dots(b->list[b->count - 1].value))
            b->err = CPS_ERR_BAD_URI; /* "%2E%2E" (RFC 7252 §5.10.1; REQ-40) */
    }
}

static void add_query(build_t *b, cps_bytes_t query)
{
    size_t start = 0;
    for (size_t at = 0; at <= query.len && b->err == CPS_OK; at++) {
        if (at < query.len && query.ptr[at] != '&')
            continue;
        append_decoded(b, CPS_OPT_URI_QUERY, cps_bytes(query.ptr + start, at - start));
        start = at + 1;
    }
}

cps_err_t cps_uri_to_options(const cps_uri_t *uri, cps_uri_parts_t parts, cps_writer_t *store, cps_option_t *list,
                             size_t cap, size_t *count)
{
    build_t b = {.store = store, .list = list, .cap = cap, .count = *count};
    uint8_t *start = store->cur;
    add_host(&b, uri, parts.host);
    add_port(&b, uri, parts);
    add_path(&b, uri->path);
    if (uri->has_query)
        add_query(&b, uri->query);
    if (b.err == CPS_OK)
        *count = b.count;
    else
        store->cur = start;
    return b.err;
}
