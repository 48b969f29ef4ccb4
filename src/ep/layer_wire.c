// SPDX-License-Identifier: Apache-2.0
/* Lowest layer: bytes to a message (RFC 7252 §3, and §4.2, §4.3 for what is malformed). */
#include "ep/ep.h"

static void react_malformed(cps_ep_t *ep, cps_inbound_t *in, cps_err_t err)
{
    if (err == CPS_ERR_VERSION)
        return; /* §3: silently ignored */
    cps_ep_note(ep, CPS_NOTE_MALFORMED, &in->datagram->path, NULL, 0);
    cps_react(ep, in, err);
}

static cps_verdict_t wire_inbound(cps_ep_t *ep, cps_inbound_t *in, cps_event_t *event)
{
    (void)event;
    if ((in->datagram->path.flags & CPS_PATH_MULTICAST) != 0)
        return CPS_TAKEN; /* group requests need Leisure and rules of their own (RFC 7252 §8): none is answered yet */
    cps_err_t err = cps_msg_parse(in->datagram->bytes, &in->outer);
    if (err == CPS_OK && in->outer.token.len > CPS_TOKEN_MAX && ep->config.token_max == CPS_TOKEN_MAX)
        err = CPS_ERR_FORMAT; /* RFC 7252 §3: without RFC 8974 (MSG-3) */
    if (err != CPS_OK) {
        react_malformed(ep, in, err);
        return CPS_TAKEN;
    }
    in->msg = in->outer;
    if (in->datagram->bytes.len <= ep->take_max)
        return CPS_UP;
    /* too large for our buffers: 4.13 to a request (§4.6, §5.9.2.9), nothing to anything else */
    if (cps_code_is_request(in->outer.code))
        cps_react_error(ep, in, CPS_REQUEST_ENTITY_TOO_LARGE, NULL, NULL);
    return CPS_TAKEN;
}

const cps_layer_t cps_layer_wire = {"wire", wire_inbound};
