// SPDX-License-Identifier: Apache-2.0
/* Requests of ours whose body, or whose answer's body, goes in blocks: one exchange a block, each sealed on its own (RFC
 * 7959; RFC 8613 §4.1.3.4.1 inner blocks), under one Request-Tag where it needs one (RFC 9175 §3.4). */
#include "ep/ep.h"

#define INLINE_MAX 64U /* a payload up to this is never cut */

/* ---- taking up ---- */

static size_t block_room(const cps_ep_t *ep, const cps_command_request_t *r, size_t head)
{
    size_t fixed = head + CPS_TOKEN_MAX + 24 + (r->context != 0 ? CPS_EP_OVERHEAD : 0);
    size_t room = ep->config.message_max > fixed ? ep->config.message_max - fixed : 0;
    size_t wanted = r->block_size != 0 && r->block_size < ep->config.block_size ? r->block_size : ep->config.block_size;
    return room < wanted ? room : wanted;
}

static bool has_own_blocks(const cps_command_request_t *r)
{
    for (size_t i = 0; i < r->option_count; i++)
        if (r->options[i].number == CPS_OPT_BLOCK1 || r->options[i].number == CPS_OPT_BLOCK2)
            return true;
    return false;
}

cps_err_t cps_ask_check_blocks(const cps_ep_t *ep, const cps_command_request_t *r)
{
    bool any = r->follow || r->stream || r->block_size != 0;
    if (!any)
        return CPS_OK;
    if (!ep->config.layers->joins_blocks)
        return CPS_ERR_UNSUPPORTED;
    bool wrong = has_own_blocks(r) || (r->block_size != 0 && r->block_size < CPS_BLOCK_SIZE_MIN) ||
                 (r->stream && (r->payload.len != 0 || r->code == CPS_GET || r->code == CPS_DELETE));
    return wrong ? CPS_ERR_ARGUMENT : CPS_OK;
}

bool cps_ask_wants_blocks(const cps_ep_t *ep, const cps_command_request_t *r)
{
    return ep->config.layers->joins_blocks && (r->stream || (r->payload.len > INLINE_MAX && !has_own_blocks(r)));
}

/* The part of a whole body that is under way. */
static void measure(cps_asked_t *asked)
{
    cps_transfer_t *t = &asked->transfer;
    uint32_t left = t->total - t->at;
    uint32_t size = cps_block_size(t->szx);
    t->len = left < size ? left : size;
    t->last = t->len == left;
}

cps_err_t cps_ask_take_blocks(cps_ep_t *ep, cps_asked_t *asked, const cps_command_request_t *r, size_t head)
{
    cps_transfer_t *t = &asked->transfer;
    t->follow = r->follow;
    t->early = r->block_size != 0;
    t->down_szx = CPS_BLOCK_SZX_MAX;
    if (t->early)
        (void)cps_block_szx_for(r->block_size, &t->down_szx);
    if (!cps_ask_wants_blocks(ep, r))
        return CPS_OK;
    if (!cps_block_szx_for(block_room(ep, r, head), &t->szx))
        return CPS_ERR_TOO_LARGE;
    t->phase = CPS_TRANSFER_UP;
    t->streamed = r->stream;
    t->total = r->stream ? r->body_size : (uint32_t)r->payload.len;
    if (r->payload.len > cps_block_offset(&(cps_block_t){CPS_BLOCK_NUM_MAX, t->szx, false}))
        return CPS_ERR_TOO_LARGE;
    if (r->stream)
        return CPS_OK;
    measure(asked);
    return cps_chain_put(&ep->chains, r->payload, &asked->body);
}

/* ---- Request-Tag ---- */

static cps_reqtag_t *tags_of(const cps_ep_t *ep, const cps_asked_t *asked)
{
    const cps_oscore_entry_t *entry = cps_ep_context(ep, asked->context);
    return &ep->tags[entry != NULL ? cps_pool_index(&ep->contexts.pool, entry) : ep->config.contexts];
}

/* Without security: no block is taken for the first time later than this after it was sent (RFC 7252 §4.8.2). */
static uint64_t span_of(const cps_ep_t *ep, const cps_asked_t *asked)
{
    return asked->context != 0 ? CPS_REQTAG_SPAN : ep->times.exchange_lifetime_us;
}

void cps_ask_tag(cps_ep_t *ep, cps_asked_t *asked)
{
    cps_transfer_t *t = &asked->transfer;
    if (t->phase != CPS_TRANSFER_UP || !cps_transfer_is_split(t) || t->tagged || t->tag_absent)
        return;
    cps_reqtag_t *tags = tags_of(ep, asked);
    if (asked->context == 0)
        cps_reqtag_reach(tags, ep->now_us);
    t->tag_absent = cps_reqtag_begin(tags);
    if (t->tag_absent)
        return;
    t->tagged = true;
    t->tag_len = sizeof t->tag;
    cps_rng_fill(&ep->rng, t->tag, 4);
    cps_put_be32(t->tag + 4, ep->asked.counter++);
}

void cps_ask_untag(cps_ep_t *ep, cps_asked_t *asked, bool answered)
{
    cps_transfer_t *t = &asked->transfer;
    if (!t->tag_absent)
        return;
    t->tag_absent = false;
    cps_reqtag_t *tags = tags_of(ep, asked);
    cps_reqtag_end(tags);
    if (!answered) /* a block of it may still be taken: nothing else goes without a tag until then (RFC 9175 §3.5.1) */
        cps_reqtag_hold(tags, asked->context != 0 ? asked->partial_iv : ep->now_us, span_of(ep, asked));
}

void cps_ask_tags_begin(cps_ep_t *ep, const cps_oscore_entry_t *entry, uint64_t next_number)
{
    cps_reqtag_t *tags = &ep->tags[cps_pool_index(&ep->contexts.pool, entry)];
    memset(tags, 0, sizeof *tags);
    if (next_number != 0) /* what an earlier process left under way is not known */
        cps_reqtag_hold(tags, next_number - 1, CPS_REQTAG_SPAN);
}

/* ---- the request under way ---- */

cps_err_t cps_ask_compose(cps_ep_t *ep, const cps_asked_t *asked, cps_bytes_t echo, cps_msg_t *msg)
{
    const cps_transfer_t *t = &asked->transfer;
    cps_option_t list[CPS_EP_OPTIONS_MAX + CPS_TRANSFER_OPTIONS + 1];
    cps_transfer_values_t values;
    cps_opt_walk_t walk = cps_opt_walk(msg->options);
    size_t count = 0;
    if (t->phase == CPS_TRANSFER_NONE && !t->early && echo.len == 0)
        return CPS_OK;
    while (count < CPS_EP_OPTIONS_MAX && cps_opt_next(&walk, &list[count]))
        count++;
    if (t->phase != CPS_TRANSFER_NONE || t->early)
        count = cps_transfer_options(t, &values, list, count);
    if (echo.len != 0)
        list[count++] = (cps_option_t){CPS_OPT_ECHO, echo};
    cps_writer_t w = cps_writer(ep->extra, ep->take_max + CPS_EP_OVERHEAD);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    cps_opt_put_list(&ow, list, count);
    msg->options = cps_written(&w);
    if (t->phase == CPS_TRANSFER_DOWN) {
        msg->payload = cps_bytes(NULL, 0);
    } else if (t->phase == CPS_TRANSFER_UP) {
        cps_chain_read(&ep->chains, &asked->body, t->streamed ? 0 : t->at, ep->piece, t->len);
        msg->payload = cps_bytes(ep->piece, t->len);
    }
    return cps_writer_err(&w);
}

/* ---- pieces of a streamed body ---- */

void cps_ask_want(cps_ep_t *ep, cps_asked_t *asked)
{
    cps_chain_free(&ep->chains, &asked->body);
    asked->state = CPS_ASKED_WANTED;
    cps_asked_push(&ep->asked, &ep->wanted, asked);
}

bool cps_ask_wanted_event(cps_ep_t *ep, cps_event_t *event)
{
    cps_asked_t *asked = cps_asked_pop(&ep->asked, &ep->wanted);
    if (asked == NULL)
        return false;
    asked->state = CPS_ASKED_PIECE;
    memset(event, 0, sizeof *event);
    event->kind = CPS_EVENT_WANTED;
    event->handle = cps_pool_handle(&ep->asked.pool, asked);
    event->u.wanted = (cps_event_wanted_t){asked->user, asked->transfer.at, cps_block_size(asked->transfer.szx)};
    return true;
}

cps_err_t cps_ask_piece(cps_ep_t *ep, const cps_command_piece_t *piece)
{
    cps_asked_t *asked = cps_pool_find(&ep->asked.pool, piece->request);
    if (asked == NULL || asked->state != CPS_ASKED_PIECE)
        return CPS_ERR_STALE;
    cps_transfer_t *t = &asked->transfer;
    cps_block_t block = {.num = t->at >> (t->szx + 4U), .szx = t->szx};
    uint32_t size = cps_block_size(t->szx);
    if (piece->bytes.len > size || (!piece->last && piece->bytes.len != size))
        return CPS_ERR_ARGUMENT;
    if (block.num > CPS_BLOCK_NUM_MAX)
        return CPS_ERR_TOO_LARGE;
    cps_err_t err = cps_chain_put(&ep->chains, piece->bytes, &asked->body);
    if (err != CPS_OK)
        return err;
    t->len = (uint32_t)piece->bytes.len;
    t->last = piece->last;
    cps_ask_again(ep, asked);
    cps_ask_work(ep);
    return CPS_OK;
}

/* ---- from block to block ---- */

void cps_ask_again(cps_ep_t *ep, cps_asked_t *asked)
{
    cps_peer_t *peer = cps_peers_at(&ep->peers, asked->peer);
    cps_heap_set(&ep->asked.heap, cps_asked_index(&ep->asked, asked), asked->deadline_us);
    asked->state = CPS_ASKED_QUEUED;
    cps_asked_push_front(&ep->asked, &peer->queue, asked);
    cps_ask_pump(ep, peer);
}

/* Another exchange for the same request: with a token and a deadline of its own, and its own one repeat with Echo. */
static cps_err_t renew(cps_ep_t *ep, cps_asked_t *asked)
{
    asked->deadline_us = ep->now_us + asked->timeout_us;
    asked->hint = CPS_HINT_NONE;
    asked->hint_until_us = CPS_TIME_NEVER;
    asked->repeated = false;
    asked->outer_echo = false;
    return asked->own_token ? CPS_OK : cps_asked_set_token(&ep->asked, asked, cps_bytes(NULL, 0), &ep->rng);
}

void cps_ask_next(cps_ep_t *ep, cps_asked_t *asked)
{
    cps_transfer_t *t = &asked->transfer;
    cps_err_t err = renew(ep, asked);
    if (err != CPS_OK) {
        cps_ask_fail(ep, asked, CPS_ERR_FULL, err);
        return;
    }
    if (t->phase == CPS_TRANSFER_UP && t->streamed) {
        cps_heap_set(&ep->asked.heap, cps_asked_index(&ep->asked, asked), asked->deadline_us);
        cps_ask_want(ep, asked);
        return;
    }
    if (t->phase == CPS_TRANSFER_UP)
        measure(asked);
    cps_ask_again(ep, asked);
}

/* Where it is a hint that somebody made up, the body goes in smaller blocks than it could, and no more than that. A context
 * takes a new number for the new bytes. */
void cps_ask_too_large(cps_ep_t *ep, cps_asked_t *asked)
{
    cps_transfer_t *t = &asked->transfer;
    bool acts = t->last && (asked->code == CPS_POST || asked->code == CPS_PATCH);
    if (t->phase != CPS_TRANSFER_UP || t->szx == 0 || t->len <= CPS_BLOCK_SIZE_MIN || acts)
        return; /* nor is what acts once sent anew on anybody's word: a copy of it may have arrived */
    do
        t->szx--;
    while (t->szx > 0 && cps_block_size(t->szx) >= t->len);
    t->len = 0;
    t->last = false;
    cps_ask_detach(ep, asked);
    cps_ask_next(ep, asked);
}
