// SPDX-License-Identifier: Apache-2.0
#include "client/plan.h"

#include "host/addr.h"

#include <stdarg.h>
#include <stdio.h>

#define PROXY_URI_MAX 1034U /* RFC 7252 table 4 */

__attribute__((format(printf, 3, 4))) static cps_err_t refuse(cps_plan_t *plan, cps_err_t err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(plan->why, sizeof plan->why, format, args);
    va_end(args);
    return err;
}

/* The host that datagrams go to. */
static cps_err_t set_host(cps_plan_t *plan, const cps_uri_t *uri)
{
    char text[96];
    memcpy(plan->host, uri->host, sizeof plan->host);
    plan->port = uri->port;
    if (uri->family == CPS_FAMILY_NONE)
        return CPS_OK;
    plan->literal.family = uri->family;
    plan->literal.port = uri->port;
    memcpy(plan->literal.ip, uri->ip, sizeof plan->literal.ip);
    if (uri->zone[0] != '\0') {
        snprintf(text, sizeof text, "[%.45s%%%.31s]:%u", uri->host, uri->zone, uri->port);
        if (cps_addr_parse(cps_bytes_str(text), uri->port, &plan->literal) != CPS_OK)
            return refuse(plan, CPS_ERR_BAD_URI, "there is no network interface \"%s\" for the address %s", uri->zone,
                          uri->host);
    }
    if (cps_addr_is_multicast(&plan->literal))
        return refuse(plan, CPS_ERR_UNSUPPORTED, "%s is a group address; this version asks one server at a time",
                      uri->host);
    return CPS_OK;
}

static cps_err_t check_scheme(cps_plan_t *plan, const char *text, bool proxied)
{
    cps_scheme_t scheme = plan->uri.scheme;
    if (scheme == CPS_SCHEME_COAP)
        return CPS_OK;
    if (scheme == CPS_SCHEME_COAPS && proxied) /* RFC 7252 §5.7: as secure on every leg (PXY-20) */
        return refuse(plan, CPS_ERR_UNSUPPORTED,
                      "%s: a coaps request must not travel to the proxy in clear, and DTLS is not in this version; "
                      "use a coap URI and a credential, which seals it from end to end",
                      text);
    if (scheme == CPS_SCHEME_COAPS) /* REQ-54: never in clear */
        return refuse(plan, CPS_ERR_UNSUPPORTED,
                      "%s: DTLS is not in this version; use a coap URI and a credential, which seals it with OSCORE",
                      text);
    return refuse(plan, CPS_ERR_UNSUPPORTED, "%s: %s is not in this version; use a coap URI", text,
                  cps_scheme_name(scheme));
}

static cps_err_t parse_proxy(cps_plan_t *plan, const char *text, cps_uri_t *proxy)
{
    const char *reason = NULL;
    if (cps_uri_parse(cps_bytes_str(text), proxy, &reason) != CPS_OK)
        return refuse(plan, CPS_ERR_CONFIG, "proxy %s: %s", text, reason);
    if (proxy->scheme != CPS_SCHEME_COAP)
        return refuse(plan, CPS_ERR_UNSUPPORTED, "proxy %s: this version reaches proxies by coap alone", text);
    if (proxy->path.len > 1 || proxy->has_query)
        return refuse(plan, CPS_ERR_CONFIG, "proxy %s: a proxy's URI has neither path nor query", text);
    return set_host(plan, proxy);
}

static void add(cps_plan_t *plan, uint16_t number, cps_bytes_t value)
{
    plan->options[plan->option_count++] = (cps_option_t){number, value};
}

static cps_err_t add_uri(cps_plan_t *plan, const char *text, cps_uri_parts_t parts)
{
    cps_writer_t store = cps_writer(plan->store, sizeof plan->store);
    cps_err_t err =
        cps_uri_to_options(&plan->uri, parts, &store, plan->options, CPS_PLAN_OPTIONS_MAX, &plan->option_count);
    if (err == CPS_ERR_NO_SPACE)
        return refuse(plan, CPS_ERR_BAD_URI, "%.80s...: the URI is too long for a request", text);
    if (err != CPS_OK)
        return refuse(plan, CPS_ERR_BAD_URI, "%s: a part of the path is . or .. or longer than 255 bytes", text);
    return CPS_OK;
}

static cps_err_t add_for_proxy(cps_plan_t *plan, const char *text, const cps_plan_way_t *way)
{
    cps_uri_t proxy;
    cps_err_t err = parse_proxy(plan, way->proxy, &proxy);
    if (err != CPS_OK)
        return err;
    if (plan->uri.zone[0] != '\0')
        return refuse(plan, CPS_ERR_BAD_URI, "%s: the interface \"%s\" means nothing to the proxy", text,
                      plan->uri.zone);
    if (way->by_uri && strlen(text) > PROXY_URI_MAX)
        return refuse(plan, CPS_ERR_BAD_URI, "%.80s...: longer than the %u bytes of a Proxy-Uri", text, PROXY_URI_MAX);
    if (way->by_uri) { /* RFC 7252 §5.10.2: it says all, so no Uri-* stands beside it (PXY-2) */
        add(plan, CPS_OPT_PROXY_URI, cps_bytes_str(text));
        return CPS_OK;
    }
    add(plan, CPS_OPT_PROXY_SCHEME, cps_bytes_str(cps_scheme_name(plan->uri.scheme)));
    /* An omitted Uri-Port means the port that the message goes to, which some proxies read as the scheme's default. */
    bool say_port = plan->uri.port != cps_scheme_port(plan->uri.scheme);
    return add_uri(plan, text, (cps_uri_parts_t){.destination_port = proxy.port, .host = true, .port = say_port});
}

cps_err_t cps_plan_make(cps_plan_t *plan, const char *uri, const cps_plan_way_t *way)
{
    const char *reason = NULL;
    memset(plan, 0, sizeof *plan);
    if (cps_uri_parse(cps_bytes_str(uri), &plan->uri, &reason) != CPS_OK)
        return refuse(plan, CPS_ERR_BAD_URI, "%s: %s", uri, reason);
    plan->proxied = way->proxy != NULL;
    cps_err_t err = check_scheme(plan, uri, plan->proxied);
    if (err != CPS_OK)
        return err;
    if (plan->proxied)
        return add_for_proxy(plan, uri, way);
    err = set_host(plan, &plan->uri);
    return err == CPS_OK ? add_uri(plan, uri, (cps_uri_parts_t){.destination_port = plan->uri.port}) : err;
}

/* What the URI, the proxy or the endpoint alone may put into a request. */
static const char *whose(uint16_t number)
{
    static const struct {
        uint16_t number;
        const char *whose;
    } rows[] = {
        {CPS_OPT_URI_HOST, "the URI"},    {CPS_OPT_URI_PORT, "the URI"},    {CPS_OPT_URI_PATH, "the URI"},
        {CPS_OPT_URI_QUERY, "the URI"},   {CPS_OPT_PROXY_URI, "the proxy"}, {CPS_OPT_PROXY_SCHEME, "the proxy"},
        {CPS_OPT_OSCORE, "a credential"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].number == number)
            return rows[i].whose;
    return NULL;
}

static const char *name_of(uint16_t number)
{
    const cps_opt_row_t *row = cps_opttab_find(number);
    return row != NULL ? row->name : "unknown";
}

cps_err_t cps_plan_add(cps_plan_t *plan, uint8_t method, const cps_option_t *options, size_t count)
{
    uint16_t bad = 0;
    if (count > CPS_PLAN_OPTIONS_MAX - plan->option_count)
        return refuse(plan, CPS_ERR_TOO_LARGE, "a request has at most %u options", CPS_PLAN_OPTIONS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (whose(options[i].number) != NULL)
            return refuse(plan, CPS_ERR_ARGUMENT, "option %u (%s) is made from %s, and not given beside it",
                          options[i].number, name_of(options[i].number), whose(options[i].number));
        add(plan, options[i].number, options[i].value);
    }
    if (cps_opt_check_send(method, plan->options, plan->option_count, &bad) != CPS_OK)
        return refuse(plan, CPS_ERR_ARGUMENT,
                      "option %u (%s) cannot be sent so: wrong length, twice, or not for a request", bad, name_of(bad));
    return CPS_OK;
}
