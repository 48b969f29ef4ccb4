// SPDX-License-Identifier: Apache-2.0
#include "sec/oscore/split.h"

#include "wire/uri.h"

#define PROXY_URI_MAX   1034U /* RFC 7252 table 4 */
#define PROXY_PARTS_MAX 128U  /* segments and query parts of a Proxy-Uri */
#define NO_RESPONSE_ALL 26U   /* "not interested in any response" (RFC 7967 §2.1) */

/* Path and query of a Proxy-Uri as options, in rising order. */
typedef struct parts {
    cps_option_t list[PROXY_PARTS_MAX];
    size_t count;
    size_t next;
    uint8_t store[PROXY_URI_MAX];
} parts_t;

/* RFC 8613 §4.1.3.3: path and query of a Proxy-Uri go inside as Uri-Path and Uri-Query. */
static cps_err_t split_proxy_uri(parts_t *parts, cps_bytes_t text)
{
    cps_uri_t uri;
    cps_writer_t store = cps_writer(parts->store, sizeof parts->store);
    cps_err_t err = text.len <= PROXY_URI_MAX ? cps_uri_parse(text, &uri, NULL) : CPS_ERR_BAD_URI;
    if (err != CPS_OK)
        return err;
    err = cps_uri_to_options(&uri, (cps_uri_parts_t){.destination_port = uri.port}, &store, parts->list,
                             PROXY_PARTS_MAX, &parts->count);
    return err == CPS_ERR_NO_SPACE ? CPS_ERR_BAD_URI : err;
}

/* RFC 7252 §5.10.2: a Proxy-Uri says all that these would say, so they do not stand beside it. */
static bool is_said_by_proxy_uri(uint16_t number)
{
    static const uint16_t said[] = {CPS_OPT_URI_HOST, CPS_OPT_URI_PORT, CPS_OPT_URI_PATH, CPS_OPT_URI_QUERY,
                                    CPS_OPT_PROXY_SCHEME};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        if (said[i] == number)
            return true;
    return false;
}

/* Write those of the parts that stand before `number`. Uri-Host is among them, but stays outside in the Proxy-Uri. */
static void put_parts(cps_opt_writer_t *ow, parts_t *parts, uint32_t number)
{
    for (; parts->next < parts->count && parts->list[parts->next].number < number; parts->next++)
        if (parts->list[parts->next].number != CPS_OPT_URI_HOST)
            cps_opt_put(ow, parts->list[parts->next].number, parts->list[parts->next].value);
}

static void put_inner(cps_opt_writer_t *ow, const cps_option_t *option, bool response)
{
    cps_bytes_t value = option->value;
    if (cps_opttab_class(option->number) == CPS_OPT_CLASS_U)
        return;
    if (response && option->number == CPS_OPT_OBSERVE)
        value.len = 0; /* RFC 8613 §4.1.3.5.2: the Partial IV orders notifications */
    cps_opt_put(ow, option->number, value);
}

cps_err_t cps_oscore_write_plaintext(cps_writer_t *w, const cps_msg_t *plain)
{
    parts_t parts;
    cps_bytes_t proxy_uri;
    bool has_proxy_uri = cps_opt_find(plain->options, CPS_OPT_PROXY_URI, &proxy_uri);
    parts.count = parts.next = 0;
    cps_err_t err = has_proxy_uri ? split_proxy_uri(&parts, proxy_uri) : CPS_OK;
    if (err != CPS_OK)
        return err;
    cps_write_u8(w, plain->code);
    cps_opt_writer_t ow = cps_opt_writer(w);
    cps_opt_walk_t walk = cps_opt_walk(plain->options);
    for (cps_option_t option; cps_opt_next(&walk, &option);) {
        if (option.number == CPS_OPT_OSCORE)
            return CPS_ERR_BAD_OPTION; /* RFC 8613 §4.1.3.7 */
        if (has_proxy_uri && is_said_by_proxy_uri(option.number))
            return CPS_ERR_BAD_URI;
        put_parts(&ow, &parts, option.number);
        put_inner(&ow, &option, cps_code_is_response(plain->code));
    }
    put_parts(&ow, &parts, UINT32_MAX);
    if (plain->payload.len != 0) {
        cps_write_u8(w, CPS_PAYLOAD_MARKER);
        cps_write_bytes(w, plain->payload);
    }
    return cps_writer_err(w);
}

/* Scheme and authority of a Proxy-Uri, as written: all before the first "/" or "?" behind "://". */
static cps_bytes_t origin_of(cps_bytes_t uri)
{
    size_t at = 0;
    while (at < uri.len && uri.ptr[at] != ':')
        at++;
    at = at + 3 < uri.len ? at + 3 : uri.len;
    while (at < uri.len && uri.ptr[at] != '/' && uri.ptr[at] != '?')
        at++;
    return cps_bytes(uri.ptr, at);
}

/* Options of class E and U that go outside as well: only Observe, and a No-Response that wants no response at all. */
static bool has_outer_copy(const cps_option_t *option)
{
    uint32_t value;
    if (option->number == CPS_OPT_OBSERVE)
        return true; /* RFC 8613 §4.1.3.5 */
    return option->number == CPS_OPT_NO_RESPONSE && cps_opt_uint(option->value, &value) == CPS_OK &&
           value == NO_RESPONSE_ALL; /* §4.1.3.6 */
}

static void put_outer(cps_opt_writer_t *ow, const cps_option_t *option)
{
    if (option->number == CPS_OPT_PROXY_URI)
        cps_opt_put(ow, option->number, origin_of(option->value));
    else if (cps_opttab_class(option->number) == CPS_OPT_CLASS_U || has_outer_copy(option))
        cps_opt_put(ow, option->number, option->value);
}

cps_err_t cps_oscore_write_outer(cps_writer_t *w, const cps_msg_t *plain, cps_bytes_t value)
{
    cps_opt_writer_t ow = cps_opt_writer(w);
    cps_opt_walk_t walk = cps_opt_walk(plain->options);
    bool written = false;
    for (cps_option_t option; cps_opt_next(&walk, &option);) {
        if (option.number == CPS_OPT_OSCORE)
            return CPS_ERR_BAD_OPTION; /* RFC 8613 §4.1.3.7 */
        if (!written && option.number > CPS_OPT_OSCORE) {
            cps_opt_put(&ow, CPS_OPT_OSCORE, value);
            written = true;
        }
        put_outer(&ow, &option);
    }
    if (!written)
        cps_opt_put(&ow, CPS_OPT_OSCORE, value);
    return cps_writer_err(w);
}

/* The next outer option that stays: of class U, not the OSCORE option, and not said inside as well, where it is
 * authentic. All others are dropped, whoever put them there (RFC 8613 §8.2 step 1, §8.4 step 1). */
static bool next_outer(cps_opt_walk_t *walk, cps_bytes_t inner, cps_option_t *out)
{
    cps_bytes_t value;
    while (cps_opt_next(walk, out))
        if (out->number != CPS_OPT_OSCORE && cps_opttab_class(out->number) == CPS_OPT_CLASS_U &&
            !cps_opt_find(inner, out->number, &value))
            return true;
    return false;
}

static void merge(cps_writer_t *w, cps_bytes_t inner, cps_bytes_t outer)
{
    cps_opt_writer_t ow = cps_opt_writer(w);
    cps_opt_walk_t inner_walk = cps_opt_walk(inner);
    cps_opt_walk_t outer_walk = cps_opt_walk(outer);
    cps_option_t in;
    cps_option_t out;
    bool has_in = cps_opt_next(&inner_walk, &in);
    bool has_out = next_outer(&outer_walk, inner, &out);
    while (has_in || has_out) {
        if (has_in && (!has_out || in.number < out.number)) {
            cps_opt_put(&ow, in.number, in.value);
            has_in = cps_opt_next(&inner_walk, &in);
        } else {
            cps_opt_put(&ow, out.number, out.value);
            has_out = next_outer(&outer_walk, inner, &out);
        }
    }
}

cps_err_t cps_oscore_join(cps_writer_t *w, const cps_msg_t *outer, cps_bytes_t plaintext, cps_msg_t *out)
{
    cps_bytes_t options;
    cps_bytes_t payload;
    cps_bytes_t nested;
    if (plaintext.len == 0)
        return CPS_ERR_OSCORE_DECODE;
    if (cps_opt_split(cps_bytes(plaintext.ptr + 1, plaintext.len - 1), &options, &payload) != CPS_OK ||
        cps_opt_find(options, CPS_OPT_OSCORE, &nested))
        return CPS_ERR_OSCORE_DECODE; /* §5.3: shaped as a CoAP message; no OSCORE inside OSCORE (§4.1.3.7) */
    const uint8_t *start = w->cur;
    merge(w, options, outer->options);
    if (w->failed)
        return CPS_ERR_NO_SPACE;
    *out = (cps_msg_t){.type = outer->type,
                       .code = plaintext.ptr[0],
                       .mid = outer->mid,
                       .token = outer->token,
                       .options = cps_bytes(start, (size_t)(w->cur - start)),
                       .payload = payload};
    return CPS_OK;
}
