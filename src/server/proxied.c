// SPDX-License-Identifier: Apache-2.0
/* Requests that are made for a proxy. This server is none, but one that names it is served as if it had come directly
 * (RFC 7252 §5.7.2). */
#include "server/request.h"

#define LIST_MAX  96U
#define STORE_MAX 1400U

/* Options of the rewritten message. */
typedef struct rewrite {
    cps_option_t list[LIST_MAX];
    size_t count;
    uint8_t bytes[STORE_MAX];
    cps_writer_t store; /**< over `bytes`: decoded values of the URI */
    bool full;
} rewrite_t;

static void put(rewrite_t *rw, const cps_option_t *option)
{
    if (rw->count == LIST_MAX)
        rw->full = true;
    else
        rw->list[rw->count++] = *option;
}

static bool is_uri_part(uint16_t number)
{
    return number == CPS_OPT_URI_HOST || number == CPS_OPT_URI_PORT || number == CPS_OPT_URI_PATH ||
           number == CPS_OPT_URI_QUERY;
}

/* What stays of a request with Proxy-Uri: the URI takes the place of all Uri options (RFC 7252 §5.10.2; PXY-2). In a
 * sealed request it can only have been its authority (RFC 8613 §4.1.3.3), and what is authentic are path and query
 * inside. */
static bool stays(const cps_request_t *request, uint16_t number)
{
    bool inside = number == CPS_OPT_URI_PATH || number == CPS_OPT_URI_QUERY;
    if (number == CPS_OPT_PROXY_URI || number == CPS_OPT_PROXY_SCHEME)
        return false;
    return !is_uri_part(number) || (inside && request->credential != NULL);
}

static cps_err_t take_uri(cps_request_t *request, const cps_uri_t *uri, rewrite_t *rw)
{
    cps_option_t parts[LIST_MAX];
    size_t count = 0;
    cps_uri_parts_t how = {.destination_port = uri->port, .host = true};
    cps_option_walk_t walk = {0, 0};
    cps_err_t err = cps_uri_to_options(uri, how, &rw->store, parts, LIST_MAX, &count);
    if (err != CPS_OK)
        return err;
    for (size_t i = 0; i < count; i++)
        if (parts[i].number == CPS_OPT_URI_HOST || request->credential == NULL)
            put(rw, &parts[i]);
    for (cps_option_t option; cps_message_next(&request->message, &walk, &option);)
        if (stays(request, option.number))
            put(rw, &option);
    return CPS_OK;
}

static void drop_scheme(const cps_request_t *request, rewrite_t *rw)
{
    cps_option_walk_t walk = {0, 0};
    for (cps_option_t option; cps_message_next(&request->message, &walk, &option);)
        if (option.number != CPS_OPT_PROXY_SCHEME)
            put(rw, &option);
}

/* The authority that Proxy-Scheme, Uri-Host and Uri-Port name; what is missing is where the request was sent to
 * (RFC 7252 §5.10.1). */
static bool named_by_scheme(const cps_request_t *request, cps_bytes_t scheme, const cps_addr_t *asked, cps_uri_t *uri)
{
    uint8_t text[CPS_URI_HOST_MAX + 64];
    cps_writer_t w = cps_writer(text, sizeof text);
    cps_uri_base_t base = {.addr = *asked};
    uint8_t options[CPS_URI_HOST_MAX + 16];
    cps_writer_t ow = cps_writer(options, sizeof options);
    cps_opt_writer_t list = cps_opt_writer(&ow);
    cps_bytes_t value;
    if (!cps_scheme_find(scheme, &base.scheme))
        return false;
    if (cps_message_option(&request->message, CPS_OPT_URI_HOST, &value))
        cps_opt_put(&list, CPS_OPT_URI_HOST, value);
    if (cps_message_option(&request->message, CPS_OPT_URI_PORT, &value))
        cps_opt_put(&list, CPS_OPT_URI_PORT, value);
    if (ow.failed || cps_uri_join(cps_written(&ow), &base, &w) != CPS_OK ||
        cps_uri_parse(cps_written(&w), uri, NULL) != CPS_OK)
        return false;
    uri->path = uri->query = cps_bytes(NULL, 0); /* views into `text` */
    return true;
}

cps_proxied_t cps_request_unproxy(cps_request_t *request, const cps_addr_t *asked, cps_writer_t *scratch)
{
    cps_bytes_t proxy_uri;
    cps_bytes_t scheme;
    cps_uri_t uri;
    rewrite_t rw = {.count = 0};
    bool has_uri = cps_message_option(&request->message, CPS_OPT_PROXY_URI, &proxy_uri);
    if (!has_uri && !cps_message_option(&request->message, CPS_OPT_PROXY_SCHEME, &scheme))
        return CPS_PROXIED_NOT;
    rw.store = cps_writer(rw.bytes, sizeof rw.bytes);
    bool known =
        has_uri ? cps_uri_parse(proxy_uri, &uri, NULL) == CPS_OK : named_by_scheme(request, scheme, asked, &uri);
    if (!known || !cps_own_is(&request->dispatch->own, &uri, asked))
        return CPS_PROXIED_OTHER;
    if (!has_uri)
        drop_scheme(request, &rw);
    else if (take_uri(request, &uri, &rw) != CPS_OK)
        return CPS_PROXIED_OTHER;
    cps_opt_writer_t ow = cps_opt_writer(scratch);
    cps_opt_put_list(&ow, rw.list, rw.count);
    if (rw.full || scratch->failed)
        return CPS_PROXIED_OTHER;
    request->message.options = cps_written(scratch);
    return CPS_PROXIED_SELF;
}
