// SPDX-License-Identifier: Apache-2.0
/* /.well-known/core (RFC 6690): what there is to be found, filtered. */
#include "server/request.h"

#include "wire/link.h"

#include <stdlib.h>

#define LIST_MAX 262144U

/* Whether a link passes every Uri-Query (RFC 6690 §4.1 knows one; more of them narrow further). */
static bool passes(const cps_request_t *request, const cps_node_t *node)
{
    cps_bytes_t document = cps_bytes(node->link, node->link_len);
    cps_option_walk_t walk = {0, 0};
    cps_link_t link;
    cps_err_t err;
    if (!cps_link_next(&document, &link, &err))
        return false;
    for (cps_option_t option; cps_message_next(&request->message, &walk, &option);)
        if (option.number == CPS_OPT_URI_QUERY && !cps_link_matches(&link, option.value))
            return false;
    return true;
}

/* A resource with a host of its own is shown to those who ask that host. */
static bool is_at(const cps_node_t *node, cps_bytes_t host)
{
    return node->host == NULL || cps_bytes_equal(cps_bytes_str(node->host), host);
}

static bool write_list(const cps_request_t *request, cps_writer_t *out)
{
    const cps_site_t *site = &request->dispatch->site;
    for (size_t i = 0; i < site->count; i++) {
        const cps_node_t *node = site->nodes[i];
        if (node->link == NULL || !is_at(node, request->host) || !passes(request, node))
            continue;
        if (cps_written(out).len != 0)
            cps_write_u8(out, ',');
        cps_write_bytes(out, cps_bytes(node->link, node->link_len));
    }
    return !out->failed;
}

cps_err_t cps_discover_get(cps_request_t *request, void *user)
{
    const cps_dispatch_t *d = user;
    static const uint8_t link_format = 40;
    uint8_t etag[8];
    cps_put_be64(etag, d->list_etag);
    const cps_option_t options[] = {{CPS_OPT_ETAG, {etag, sizeof etag}}, {CPS_OPT_CONTENT_FORMAT, {&link_format, 1}}};
    if (cps_request_has_etag(request, options[0].value))
        return cps_reply_with(request, CPS_VALID, options, 1, cps_bytes(NULL, 0));
    uint8_t *list = malloc(LIST_MAX);
    if (list == NULL)
        return CPS_ERR_MEMORY;
    cps_writer_t w = cps_writer(list, LIST_MAX);
    cps_err_t err = write_list(request, &w) /* what is cut short would look whole */
                        ? cps_reply_with(request, CPS_CONTENT, options, 2, cps_written(&w))
                        : cps_reply_error(request, CPS_NOT_IMPLEMENTED, "too long: ask with ?rt= or ?href=");
    free(list);
    return err;
}
