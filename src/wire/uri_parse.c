// SPDX-License-Identifier: Apache-2.0
#include "wire/uri_text.h"

typedef struct schemerow {
    const char *name;
    uint16_t port;
} schemerow_t;

/* RFC 7252 §6.1, §6.2; RFC 8323 §8; RFC 9110 §4.2 */
static const schemerow_t schemes[CPS_SCHEME_COUNT] = {
    [CPS_SCHEME_COAP] = {"coap", 5683},         [CPS_SCHEME_COAPS] = {"coaps", 5684},
    [CPS_SCHEME_COAP_TCP] = {"coap+tcp", 5683}, [CPS_SCHEME_COAPS_TCP] = {"coaps+tcp", 5684},
    [CPS_SCHEME_COAP_WS] = {"coap+ws", 80},     [CPS_SCHEME_COAPS_WS] = {"coaps+ws", 443},
    [CPS_SCHEME_HTTP] = {"http", 80},           [CPS_SCHEME_HTTPS] = {"https", 443},
};

const char *cps_scheme_name(cps_scheme_t scheme) { return schemes[scheme].name; }

uint16_t cps_scheme_port(cps_scheme_t scheme) { return schemes[scheme].port; }

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c; }

static bool equal_any_case(cps_bytes_t name, const char *lower_case)
{
    if (name.len != strlen(lower_case))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (lower(name.ptr[i]) != (uint8_t)lower_case[i])
            return false;
    return true;
}

bool cps_scheme_find(cps_bytes_t name, cps_scheme_t *scheme)
{
    for (int i = 0; i < CPS_SCHEME_COUNT; i++) {
        if (equal_any_case(name, schemes[i].name)) {
            *scheme = (cps_scheme_t)i;
            return true;
        }
    }
    return false;
}

static cps_err_t refuse(const char **reason, const char *why)
{
    if (reason != NULL)
        *reason = why;
    return CPS_ERR_BAD_URI;
}

/* The part of `*rest` in front of the first byte of `stops`, which is cut off from it. */
static cps_bytes_t cut_before(cps_bytes_t *rest, const char *stops)
{
    size_t len = 0;
    while (len < rest->len && (rest->ptr[len] == '\0' || strchr(stops, rest->ptr[len]) == NULL))
        len++;
    cps_bytes_t part = cps_bytes(rest->ptr, len);
    *rest = cps_bytes(rest->ptr + len, rest->len - len);
    return part;
}

/* ":port" or nothing; an empty port is the default one (RFC 3986 §3.2.3). */
static bool parse_port(cps_bytes_t text, cps_uri_t *out)
{
    uint32_t port = 0;
    out->port = cps_scheme_port(out->scheme);
    if (text.len == 0)
        return true;
    if (text.ptr[0] != ':')
        return false;
    for (size_t i = 1; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        port = port * 10 + (text.ptr[i] - (uint32_t)'0');
        if (port > UINT16_MAX)
            return false;
    }
    if (text.len > 1)
        out->port = (uint16_t)port;
    return out->port != 0; /* nothing can be sent there */
}

/* A zone id as an interface may have it: printable, nothing that has a meaning in a URI's host. */
static bool parse_zone(cps_bytes_t text, cps_uri_t *out)
{
    cps_writer_t w = cps_writer(out->zone, sizeof out->zone - 1);
    if (text.len == 0 || !cps_uri_text_valid(text, ""))
        return false;
    cps_uri_decode(text, &w);
    cps_bytes_t zone = cps_written(&w);
    for (size_t i = 0; i < zone.len; i++)
        if (zone.ptr[i] <= ' ' || zone.ptr[i] > '~' || strchr("/%[]", zone.ptr[i]) != NULL)
            return false;
    return !w.failed;
}

/* What stands between the brackets of an IP literal (RFC 3986 §3.2.2, RFC 6874 §2). */
static bool parse_ip_literal(cps_bytes_t text, cps_uri_t *out)
{
    cps_bytes_t rest = text;
    cps_bytes_t address = cut_before(&rest, "%");
    if (!cps_ip_parse(address, out->ip, &out->family) || out->family != CPS_FAMILY_IPV6)
        return false;
    cps_addr_t addr = {.family = out->family};
    memcpy(addr.ip, out->ip, sizeof addr.ip);
    char bracketed[CPS_URI_HOST_MAX + 1];
    cps_writer_t w = cps_writer(bracketed, sizeof bracketed);
    cps_uri_write_addr(&w, &addr); /* one spelling of an address, so that hosts compare as text */
    memcpy(out->host, bracketed + 1, cps_written(&w).len - 2);
    if (rest.len == 0)
        return true;
    if (rest.len < 3 || memcmp(rest.ptr, "%25", 3) != 0)
        return false;
    return parse_zone(cps_bytes(rest.ptr + 3, rest.len - 3), out);
}

static bool parse_name(cps_bytes_t text, cps_uri_t *out)
{
    cps_writer_t w = cps_writer(out->host, CPS_URI_HOST_MAX);
    if (!cps_uri_text_valid(text, ""))
        return false;
    cps_uri_decode(text, &w);
    cps_bytes_t host = cps_written(&w);
    for (size_t i = 0; i < host.len; i++)
        out->host[i] = (char)lower(host.ptr[i]); /* RFC 7252 §6.4 step 5 */
    if (w.failed)
        return false;
    if (cps_ip_parse(host, out->ip, &out->family))
        return out->family == CPS_FAMILY_IPV4;
    return cps_uri_name_valid(host);
}

static cps_err_t parse_authority(cps_bytes_t authority, cps_uri_t *out, const char **reason)
{
    if (authority.len != 0 && memchr(authority.ptr, '@', authority.len) != NULL)
        return refuse(reason, "a user name in the URI is not allowed");
    bool is_literal = authority.len != 0 && authority.ptr[0] == '[';
    cps_bytes_t rest = authority;
    cps_bytes_t host = cut_before(&rest, is_literal ? "]" : ":");
    if (is_literal && rest.len == 0)
        return refuse(reason, "the address in the URI has no closing bracket");
    if (is_literal)
        rest = cps_bytes(rest.ptr + 1, rest.len - 1);
    if (host.len == 0)
        return refuse(reason, "the URI has no host"); /* RFC 7252 §6.1 */
    bool good = is_literal ? parse_ip_literal(cps_bytes(host.ptr + 1, host.len - 1), out) : parse_name(host, out);
    if (!good)
        return refuse(reason, "the host of the URI is neither a name nor an address");
    if (!parse_port(rest, out))
        return refuse(reason, "the port of the URI is not a number from 1 to 65535");
    return CPS_OK;
}

cps_err_t cps_uri_parse(cps_bytes_t text, cps_uri_t *out, const char **reason)
{
    cps_bytes_t rest;
    *out = (cps_uri_t){0};
    if (!cps_uri_split_scheme(text, &out->scheme, &rest))
        return refuse(reason, "the URI does not begin with a known scheme, as coap:// is");
    if (rest.len < 2 || memcmp(rest.ptr, "//", 2) != 0)
        return refuse(reason, "the URI has no host: write scheme://host/path");
    rest = cps_bytes(rest.ptr + 2, rest.len - 2);
    cps_bytes_t authority = cut_before(&rest, "/?#");
    cps_err_t err = parse_authority(authority, out, reason);
    if (err != CPS_OK)
        return err;
    out->path = cut_before(&rest, "?#");
    if (!cps_uri_text_valid(out->path, CPS_URI_PATH_EXTRA "/"))
        return refuse(reason, "the path of the URI holds a character that has to be percent-encoded");
    out->has_query = rest.len != 0 && rest.ptr[0] == '?';
    if (out->has_query) {
        rest = cps_bytes(rest.ptr + 1, rest.len - 1);
        out->query = cut_before(&rest, "#");
    }
    if (!cps_uri_text_valid(out->query, CPS_URI_QUERY_EXTRA))
        return refuse(reason, "the query of the URI holds a character that has to be percent-encoded");
    if (rest.len != 0)
        return refuse(reason, "a fragment (#) in the URI is not allowed"); /* RFC 7252 §6.4 step 4 */
    return CPS_OK;
}
