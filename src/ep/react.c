// SPDX-License-Identifier: Apache-2.0
/* Answers to what was not accepted. They are computed from the message alone: nothing is remembered, so that a forged
 * message costs no state (docs/architecture.md "Deduplication"). */
#include "ep/ep.h"

#include "wire/no_response.h"

void cps_react_reset(cps_ep_t *ep, const cps_inbound_t *in)
{
    if (in->outer.type == CPS_CON && (in->datagram->path.flags & CPS_PATH_MULTICAST) == 0)
        cps_out_empty(ep, &in->datagram->path, CPS_RST, in->outer.mid);
}

/* The Message ID of an answer: that of the CON which its ACK acknowledges, or one of ours in a NON. No peer is made, and
 * none given up, for a message that was not accepted; and refusals do not use up the IDs that answers need. */
bool cps_react_mid(cps_ep_t *ep, const cps_inbound_t *in, uint16_t *mid)
{
    *mid = in->outer.mid;
    if (in->outer.type == CPS_CON)
        return true;
    return cps_peers_refusal_mid(&ep->peers, &in->datagram->path, ep->now_us, mid);
}

/* A plain request says for itself which errors it does not want. Outside of a sealed one No-Response is anybody's word
 * (OSC-32), and a proxy has refused the option already. */
static bool is_unwanted(const cps_ep_t *ep, const cps_inbound_t *in, uint8_t code)
{
    cps_bytes_t value;
    return ep->config.layers->checks_options && cps_code_is_request(in->outer.code) &&
           !cps_opt_find(in->outer.options, CPS_OPT_OSCORE, &value) &&
           cps_no_response_covers(cps_no_response_of(&in->outer), code);
}

void cps_react_error(cps_ep_t *ep, const cps_inbound_t *in, uint8_t code, const char *text, const uint32_t *max_age)
{
    uint16_t mid;
    if ((in->datagram->path.flags & CPS_PATH_MULTICAST) != 0)
        return;
    if (is_unwanted(ep, in, code)) {
        if (in->outer.type == CPS_CON)
            cps_out_empty(ep, &in->datagram->path, CPS_ACK, in->outer.mid);
        return;
    }
    if (!cps_react_mid(ep, in, &mid))
        return;
    uint8_t options[16];
    cps_writer_t ow = cps_writer(options, sizeof options);
    cps_opt_writer_t list = cps_opt_writer(&ow);
    if (max_age != NULL)
        cps_opt_put_uint(&list, CPS_OPT_MAX_AGE, *max_age);
    cps_msg_t answer = {.type = in->outer.type == CPS_CON ? CPS_ACK : CPS_NON,
                        .code = code,
                        .mid = mid,
                        .token = in->outer.token,
                        .options = cps_written(&ow),
                        .payload = cps_bytes_str(text)};
    cps_writer_t w = cps_out_begin(ep);
    cps_msg_write(&w, &answer);
    (void)cps_out_commit(ep, &in->datagram->path, &w);
}

void cps_react(cps_ep_t *ep, const cps_inbound_t *in, cps_err_t err)
{
    static const uint32_t never = 0; /* RFC 8613 §8.2: errors may carry Max-Age 0, so that no cache keeps them */
    switch (cps_err_reaction(err)) {
    case CPS_REACT_RESET:
        cps_react_reset(ep, in);
        break;
    case CPS_REACT_CODE:
        cps_react_error(ep, in, cps_err_code(err), cps_err_diagnostic(err), &never);
        break;
    case CPS_REACT_DROP:
    case CPS_REACT_NONE:
        break;
    }
}
