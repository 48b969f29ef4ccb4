// SPDX-License-Identifier: Apache-2.0
/* Outer blocks (RFC 8613 §4.1.3.4.2): a proxy cut a sealed message into blocks that nothing protects. They are joined before
 * anything is opened, up to the largest message that is taken (MAX_UNFRAGMENTED_SIZE); the joined message then has to
 * verify as a whole, so that whoever mixes blocks makes one that is refused. */
#include "ep/ep.h"

static cps_verdict_t refuse(cps_ep_t *ep, const cps_inbound_t *in, uint8_t code)
{
    cps_ep_note(ep, CPS_NOTE_BODY_BROKEN, &in->datagram->path, NULL, in->blocks.block1.num);
    cps_react_error(ep, in, code, NULL, NULL);
    return CPS_TAKEN;
}

/* A block before the last: kept, and answered with 2.31 as any other would be. */
static cps_verdict_t keep(cps_ep_t *ep, cps_inbound_t *in)
{
    cps_served_t *served = cps_serve_accept(ep, in);
    if (served == NULL)
        return CPS_TAKEN;
    if (in->blocks.block.at != 0)
        return cps_serve_block(ep, in, served);
    cps_command_reply_t reply = {.request = cps_pool_handle(&ep->served.pool, served),
                                 .code = CPS_CONTINUE,
                                 .step = CPS_BODY_KEEP,
                                 .body_max = (uint32_t)ep->take_max};
    ep->first_block.request = reply.request;
    ep->first_block.bytes = in->msg.payload;
    if (cps_serve_reply(ep, &reply, NULL) != CPS_OK)
        (void)cps_serve_ignore(ep, reply.request, false);
    return CPS_TAKEN;
}

/* The last block: the message is whole. */
static cps_verdict_t join(cps_ep_t *ep, cps_inbound_t *in)
{
    cps_body_t *body = cps_bodies_find(&ep->bodies, &in->blocks.key, false);
    size_t len = in->outer.payload.len;
    if (body == NULL || body->kind != CPS_BODY_PUT_TOGETHER || body->at != in->blocks.block.at)
        return refuse(ep, in, CPS_REQUEST_ENTITY_INCOMPLETE);
    size_t before = body->bytes.len;
    bool fits = before + len <= ep->take_max;
    if (fits) {
        cps_chain_get(&ep->bodies.bytes, &body->bytes, ep->body);
        cps_copy(ep->body + before, in->outer.payload.ptr, len);
        ep->body_used = before + len > ep->body_used ? before + len : ep->body_used;
        in->outer.payload = cps_bytes(ep->body, before + len);
    }
    cps_bodies_finish(&ep->bodies, body);
    return fits ? CPS_UP : refuse(ep, in, CPS_REQUEST_ENTITY_TOO_LARGE);
}

cps_verdict_t cps_serve_outer_block(cps_ep_t *ep, cps_inbound_t *in)
{
    const char *text;
    cps_bytes_t value;
    if (!ep->config.layers->joins_blocks || !cps_opt_find(in->outer.options, CPS_OPT_BLOCK1, &value))
        return CPS_UP;
    if (cps_serve_read_blocks(ep, in, &text) != CPS_OK)
        return refuse(ep, in, CPS_BAD_REQUEST);
    cps_verdict_t verdict = CPS_UP;
    if (in->blocks.has1 && in->blocks.block1.more)
        verdict = keep(ep, in);
    else if (in->blocks.has1 && in->blocks.block.at != 0)
        verdict = join(ep, in);
    memset(&in->blocks, 0, sizeof in->blocks); /* what is inside has blocks of its own */
    return verdict;
}
