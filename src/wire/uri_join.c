// SPDX-License-Identifier: Apache-2.0
/* From options back to a URI (RFC 7252 §6.5) and from Location-* options to a reference (§5.10.7). */
#include "wire/uri_text.h"

#include <stdio.h>

/* "/" and a segment for each option of that number; false where one is "." or "..". */
static bool write_path(cps_bytes_t options, uint16_t number, cps_writer_t *out)
{
    cps_opt_walk_t walk = cps_opt_walk(options);
    bool some = false;
    for (cps_option_t option; !out->failed && cps_opt_next(&walk, &option) && option.number <= number;) {
        if (option.number != number)
            continue;
        if (cps_uri_is_dots(option.value))
            return false;
        some = true;
        cps_write_u8(out, '/');
        cps_uri_escape(option.value, CPS_URI_PATH_EXTRA, "", out);
    }
    if (!some)
        cps_write_u8(out, '/'); /* §6.5 step 7 */
    return true;
}

/* "?", and the options of that number with "&" between them; nothing where there is none. */
static void write_query(cps_bytes_t options, uint16_t number, cps_writer_t *out)
{
    cps_opt_walk_t walk = cps_opt_walk(options);
    uint8_t before = '?';
    for (cps_option_t option; !out->failed && cps_opt_next(&walk, &option) && option.number <= number;) {
        if (option.number != number)
            continue;
        cps_write_u8(out, before);
        cps_uri_escape(option.value, CPS_URI_QUERY_EXTRA, "&/", out); /* "/" too, as appendix B of RFC 7252 does */
        before = '&';
    }
}

/* End with an error and nothing written, or with what the writer says. */
static cps_err_t end(cps_writer_t *out, uint8_t *start, cps_err_t err)
{
    if (err != CPS_OK || out->failed)
        out->cur = start;
    return err != CPS_OK ? err : cps_writer_err(out);
}

static cps_err_t write_host(cps_bytes_t options, const cps_uri_base_t *base, cps_writer_t *out)
{
    cps_bytes_t host;
    uint8_t ip[16];
    uint8_t family;
    if (!cps_opt_find(options, CPS_OPT_URI_HOST, &host)) {
        if (base->addr.family == CPS_FAMILY_NONE)
            return CPS_ERR_BAD_URI;
        cps_uri_write_addr(out, &base->addr); /* §5.10.1: the destination is the default */
        return CPS_OK;
    }
    bool is_ipv4 = cps_ip_parse(host, ip, &family) && family == CPS_FAMILY_IPV4;
    bool is_ipv6 = cps_uri_bracketed(host, ip);
    if (!is_ipv4 && !is_ipv6 && !cps_uri_name_valid(host)) /* §6.5 step 3 */
        return CPS_ERR_BAD_URI;
    cps_uri_escape(host, "[]:", "", out);
    return CPS_OK;
}

static cps_err_t write_port(cps_bytes_t options, const cps_uri_base_t *base, cps_writer_t *out)
{
    cps_bytes_t value;
    uint32_t port = base->addr.port;
    char text[8];
    if (cps_opt_find(options, CPS_OPT_URI_PORT, &value) && (value.len > 2 || cps_opt_uint(value, &port) != CPS_OK))
        return CPS_ERR_BAD_OPTION;
    if (port == 0)
        return CPS_ERR_BAD_URI;
    if (port == cps_scheme_port(base->scheme)) /* §6.5 step 5 */
        return CPS_OK;
    snprintf(text, sizeof text, ":%u", (unsigned)port);
    cps_write_str(out, text);
    return CPS_OK;
}

cps_err_t cps_uri_join(cps_bytes_t options, const cps_uri_base_t *base, cps_writer_t *out)
{
    uint8_t *start = out->cur;
    cps_write_str(out, cps_scheme_name(base->scheme));
    cps_write_str(out, "://");
    cps_err_t err = write_host(options, base, out);
    if (err == CPS_OK)
        err = write_port(options, base, out);
    if (err == CPS_OK)
        err = cps_uri_join_path(options, out);
    return end(out, start, err);
}

cps_err_t cps_uri_join_path(cps_bytes_t options, cps_writer_t *out)
{
    uint8_t *start = out->cur;
    if (!write_path(options, CPS_OPT_URI_PATH, out))
        return end(out, start, CPS_ERR_BAD_URI); /* §5.10.1; REQ-40 */
    write_query(options, CPS_OPT_URI_QUERY, out);
    return end(out, start, CPS_OK);
}

static bool has_reserved_location(cps_bytes_t options)
{
    cps_opt_walk_t walk = cps_opt_walk(options);
    for (cps_option_t option; cps_opt_next(&walk, &option);)
        if (cps_opt_is_reserved_location(option.number))
            return true;
    return false;
}

cps_err_t cps_uri_join_location(cps_bytes_t options, cps_writer_t *out)
{
    uint8_t *start = out->cur;
    cps_bytes_t first;
    unsigned segments = cps_opt_count(options, CPS_OPT_LOCATION_PATH);
    if (segments == 0 && cps_opt_count(options, CPS_OPT_LOCATION_QUERY) == 0)
        return CPS_ERR_NOT_FOUND;
    if (has_reserved_location(options)) /* §5.10.7; REQ-50 */
        return CPS_ERR_BAD_OPTION;
    /* An empty first segment would make "//host/...", which names another host: "/." in front keeps it a path. */
    if (segments > 1 && cps_opt_find(options, CPS_OPT_LOCATION_PATH, &first) && first.len == 0)
        cps_write_str(out, "/.");
    if (!write_path(options, CPS_OPT_LOCATION_PATH, out))
        return end(out, start, CPS_ERR_BAD_OPTION);
    write_query(options, CPS_OPT_LOCATION_QUERY, out);
    return end(out, start, CPS_OK);
}
