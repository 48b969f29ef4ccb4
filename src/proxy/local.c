// SPDX-License-Identifier: Apache-2.0
#include "proxy/local.h"

#include "wire/link.h"

#include <stdio.h>

#define LINK_FORMAT 40U /* RFC 6690 §7.3 */

static const uint16_t understood[] = {CPS_OPT_URI_HOST,  CPS_OPT_URI_PORT, CPS_OPT_URI_PATH,  CPS_OPT_URI_QUERY,
                                      CPS_OPT_HOP_LIMIT, CPS_OPT_ACCEPT,   CPS_OPT_PROXY_URI, CPS_OPT_PROXY_SCHEME};

size_t cps_proxy_path_of(const cps_message_t *message, cps_option_t *list)
{
    cps_option_walk_t walk = {0};
    size_t count = 0;
    for (cps_option_t option; count < CPS_PROXY_OPTIONS_MAX && cps_message_next(message, &walk, &option);)
        if (option.number == CPS_OPT_URI_PATH || option.number == CPS_OPT_URI_QUERY)
            list[count++] = option;
    return count;
}

static bool is_core(const cps_option_t *path, size_t count)
{
    static const cps_bytes_t segments[] = {{(const uint8_t *)".well-known", 11}, {(const uint8_t *)"core", 4}};
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (path[i].number != CPS_OPT_URI_PATH)
            continue;
        if (at == 2 || !cps_bytes_equal(path[i].value, segments[at]))
            return false;
        at++;
    }
    return at == 2;
}

static bool refuse(cps_proxy_answer_t *out, cps_proxy_reason_t reason, const char *detail)
{
    cps_proxy_refuse(&out->refusal, reason, detail);
    return false;
}

/* The links that pass the filter of each query (RFC 6690 §4.1). There is one link. */
static void write_links(const cps_option_t *path, size_t count, cps_proxy_answer_t *out)
{
    static const char link[] = "</.well-known/core>;ct=40";
    cps_bytes_t document = cps_bytes_str(link);
    cps_link_t one;
    cps_err_t err;
    bool passes = cps_link_next(&document, &one, &err);
    for (size_t i = 0; i < count && passes; i++)
        passes = path[i].number != CPS_OPT_URI_QUERY || cps_link_matches(&one, path[i].value);
    out->payload = passes ? cps_bytes_str(link) : cps_bytes(NULL, 0);
}

bool cps_proxy_local(const cps_message_t *message, const cps_option_t *path, size_t count, cps_proxy_answer_t *out)
{
    static const uint8_t format[1] = {LINK_FORMAT};
    cps_opt_set_t known = cps_opt_set_of(understood, sizeof understood / sizeof understood[0]);
    uint32_t accept = LINK_FORMAT;
    uint16_t bad = 0;
    char number[8];
    if (cps_opt_check(known, message->code, message->options, &bad) != CPS_OK) { /* RFC 7252 §5.4.1 */
        snprintf(number, sizeof number, "%u", bad);
        return refuse(out, CPS_PROXY_OPTION, number);
    }
    if (!is_core(path, count))
        return refuse(out, CPS_PROXY_NOT_FOUND, NULL);
    if (message->code != CPS_GET)
        return refuse(out, CPS_PROXY_METHOD, NULL);
    if (cps_message_uint(message, CPS_OPT_ACCEPT, &accept) && accept != LINK_FORMAT)
        return refuse(out, CPS_PROXY_NOT_ACCEPTABLE, NULL);
    out->code = CPS_CONTENT;
    out->options[0] = (cps_option_t){CPS_OPT_CONTENT_FORMAT, cps_bytes(format, sizeof format)};
    out->option_count = 1;
    write_links(path, count, out);
    return true;
}
