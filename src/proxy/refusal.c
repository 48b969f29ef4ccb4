// SPDX-License-Identifier: Apache-2.0
#include "proxy/refusal.h"

#define DETAIL_MAX 100U

static const cps_proxy_reason_row_t rows[CPS_PROXY_REASONS] = {
    [CPS_PROXY_CLIENT] = {"refused_client", CPS_UNAUTHORIZED, 0, "this proxy does not serve %s", false},
    [CPS_PROXY_TARGET] = {"refused_target", CPS_PROXYING_NOT_SUPPORTED, 0, "target %s is not allowed here", false},
    [CPS_PROXY_ADDRESS] = {"refused_address", CPS_PROXYING_NOT_SUPPORTED, 0, "address %s is not allowed here", false},
    [CPS_PROXY_SCHEME] = {"refused_scheme", CPS_PROXYING_NOT_SUPPORTED, 0, "scheme %s is not supported here", false},
    [CPS_PROXY_OPTION] = {"refused_option", CPS_BAD_OPTION, 0, "option %s", false},
    [CPS_PROXY_URI] = {"refused_uri", CPS_BAD_OPTION, 0, "%s", false},
    [CPS_PROXY_HOP_LIMIT_VALUE] = {"refused_hop_limit_value", CPS_BAD_REQUEST, 0, "Hop-Limit is one byte from 1 to 255",
                                   false},
    [CPS_PROXY_HOPS] = {"refused_hops", CPS_HOP_LIMIT_REACHED, 0, "%s", false},
    [CPS_PROXY_NOT_FOUND] = {"refused_not_found", CPS_NOT_FOUND, 0, "no such resource of this proxy", false},
    [CPS_PROXY_METHOD] = {"refused_method", CPS_METHOD_NOT_ALLOWED, 0, "this resource has only GET", false},
    [CPS_PROXY_NOT_ACCEPTABLE] = {"refused_not_acceptable", CPS_NOT_ACCEPTABLE, 0, "only application/link-format (40)",
                                  false},
    [CPS_PROXY_TOO_LARGE] = {"refused_too_large", CPS_REQUEST_ENTITY_TOO_LARGE, 0,
                             "does not fit a message to the next hop", false},
    [CPS_PROXY_FULL] = {"refused_full", CPS_SERVICE_UNAVAILABLE, 2, "too many requests under way", false},
    [CPS_PROXY_DRAINING] = {"refused_draining", CPS_SERVICE_UNAVAILABLE, 30, "this proxy is shutting down", false},
    [CPS_PROXY_NAME] = {"refused_name", CPS_BAD_GATEWAY, 0, "no address for %s", false},
    [CPS_PROXY_NAME_TIMEOUT] = {"refused_name_timeout", CPS_GATEWAY_TIMEOUT, 0, "no address for %s in time", false},
    [CPS_PROXY_TIMEOUT] = {"refused_timeout", CPS_GATEWAY_TIMEOUT, 0, "no answer from %s in time", true},
    [CPS_PROXY_RESET] = {"refused_reset", CPS_BAD_GATEWAY, 0, "%s rejected the message", true},
    [CPS_PROXY_UNREACHABLE] = {"refused_unreachable", CPS_BAD_GATEWAY, 0, "%s cannot be reached", true},
    [CPS_PROXY_ANSWER_OPTION] = {"refused_answer_option", CPS_BAD_GATEWAY, 0, "answer with option %s", true},
    [CPS_PROXY_ANSWER_FORMAT] = {"refused_answer_format", CPS_BAD_GATEWAY, 0, "malformed answer from %s", true},
    [CPS_PROXY_ANSWER_TOO_LARGE] = {"refused_answer_too_large", CPS_BAD_GATEWAY, 0, "answer too large for a message",
                                    true},
    [CPS_PROXY_LOOP] = {"refused_loop", CPS_HOP_LIMIT_REACHED, 0, "%s", true},
    [CPS_PROXY_LOCAL_ERROR] = {"refused_local_error", CPS_INTERNAL_SERVER_ERROR, 0, "%s", true},
};

const char *cps_proxy_reason_name(cps_proxy_reason_t reason) { return rows[reason].counter + strlen("refused_"); }

const cps_proxy_reason_row_t *cps_proxy_reason(cps_proxy_reason_t reason) { return &rows[reason]; }

void cps_proxy_refuse(cps_proxy_refusal_t *refusal, cps_proxy_reason_t reason, const char *detail)
{
    char safe[DETAIL_MAX + 1];
    size_t len = 0;
    for (; detail != NULL && detail[len] != '\0' && len < DETAIL_MAX; len++)
        safe[len] = detail[len] >= ' ' && detail[len] <= '~' ? detail[len] : '?';
    safe[len] = '\0';
    refusal->reason = reason;
    cps_writer_t w = cps_writer(refusal->text, sizeof refusal->text - 1);
    const char *format = rows[reason].format;
    const char *place = strstr(format, "%s");
    if (place == NULL) {
        cps_write_str(&w, format);
    } else {
        cps_write_bytes(&w, cps_bytes(format, (size_t)(place - format)));
        cps_write_str(&w, safe);
        cps_write_str(&w, place + 2);
    }
    *w.cur = '\0';
}
