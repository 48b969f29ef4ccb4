// SPDX-License-Identifier: Apache-2.0
/* Requests that are blocks of a body, or that ask for a block of an answer (RFC 7959 §2, RFC 9175 §3.3). What is joined is
 * only what one owner sent in one operation, in order; whatever does not fit drops what there was. */
#include "ep/ep.h"

#define BUSY_MAX_AGE_S 2U

/* ---- which operation ---- */

/* Options that may differ between the requests of one operation, or are written anew in each (RFC 9175 §3.3: those that
 * are not part of the cache key; RFC 7959 §2.10 for If-None-Match). Request-Tag is not among them. */
static bool may_differ(uint16_t number)
{
    static const uint16_t numbers[] = {CPS_OPT_IF_NONE_MATCH, CPS_OPT_OBSERVE, CPS_OPT_HOP_LIMIT, CPS_OPT_BLOCK2,
                                       CPS_OPT_BLOCK1,        CPS_OPT_SIZE2,   CPS_OPT_SIZE1,     CPS_OPT_ECHO};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (numbers[i] == number)
            return true;
    return cps_opt_is_no_cache_key(number) && !cps_opt_is_unsafe(number);
}

static void write_endpoint(cps_writer_t *w, const cps_path_t *path)
{
    cps_write_bytes(w, cps_bytes(path->remote.ip, sizeof path->remote.ip));
    cps_write_u32(w, path->remote.scope_id);
    cps_write_u16(w, path->remote.port);
    cps_write_bytes(w, cps_bytes(path->local.ip, sizeof path->local.ip));
    cps_write_u16(w, path->socket);
}

/* Who sent it: the security context from whatever address (RFC 9175 §3.5.1), else the endpoint (RFC 7959 §2.5). */
static void owner_of(const cps_ep_t *ep, const cps_inbound_t *in, uint64_t out[2])
{
    uint8_t bytes[64];
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_write_u8(&w, in->entry != NULL ? 1 : 0);
    if (in->entry != NULL) {
        uint64_t handle = cps_pool_handle(&ep->contexts.pool, in->entry);
        cps_write_bytes(&w, cps_bytes(&handle, sizeof handle));
    } else {
        write_endpoint(&w, &in->datagram->path);
    }
    cps_bodies_hash(&ep->bodies, cps_written(&w), out);
}

static void operation_of(cps_ep_t *ep, const cps_inbound_t *in, uint64_t out[2])
{
    cps_writer_t w = cps_writer(ep->extra, ep->take_max + CPS_EP_OVERHEAD);
    cps_opt_walk_t walk = cps_opt_walk(in->msg.options);
    cps_write_u8(&w, in->msg.code);
    for (cps_option_t option; cps_opt_next(&walk, &option);) {
        if (may_differ(option.number))
            continue;
        cps_write_u16(&w, option.number);
        cps_write_u16(&w, (uint16_t)option.value.len);
        cps_write_bytes(&w, option.value);
    }
    cps_write_u8(&w, w.failed ? 1 : 0);
    cps_bodies_hash(&ep->bodies, cps_written(&w), out);
}

static bool has_body(uint8_t code) { return code != CPS_GET && code != CPS_DELETE; }

/* ---- reading ---- */

static cps_err_t read_one(const cps_msg_t *msg, uint16_t number, cps_block_t *block, bool *has)
{
    cps_err_t err = cps_msg_block(msg, number, block);
    *has = err == CPS_OK;
    return err == CPS_ERR_NOT_FOUND ? CPS_OK : err;
}

cps_err_t cps_serve_read_blocks(cps_ep_t *ep, cps_inbound_t *in, const char **text)
{
    cps_served_blocks_t *b = &in->blocks;
    size_t len = in->msg.payload.len;
    *text = "reserved block size"; /* RFC 7959 §2.2 */
    cps_err_t err = read_one(&in->msg, CPS_OPT_BLOCK1, &b->block1, &b->has1);
    if (err == CPS_OK)
        err = read_one(&in->msg, CPS_OPT_BLOCK2, &b->block2, &b->has2);
    if (err != CPS_OK)
        return CPS_ERR_FORMAT;
    *text = "block and size differ"; /* §2.3: with M set, the payload is as long as the block */
    b->has1 = b->has1 && has_body(in->msg.code);
    if (b->has1 && b->block1.more && len != cps_block_size(b->block1.szx))
        return CPS_ERR_FORMAT;
    if (b->has1) {
        uint64_t print[2];
        cps_bodies_hash(&ep->bodies, in->msg.payload, print);
        b->block = (cps_body_block_t){cps_block_offset(&b->block1), (uint32_t)len, print[0]};
    }
    if (b->has1 || b->has2 || in->msg.code != CPS_GET) {
        owner_of(ep, in, b->key.owner);
        operation_of(ep, in, b->key.operation);
    }
    return CPS_OK;
}

/* ---- answers that need no application ---- */

static cps_verdict_t answer(cps_ep_t *ep, const cps_served_t *served, uint8_t code, const cps_option_t *option)
{
    cps_command_reply_t reply = {.request = cps_pool_handle(&ep->served.pool, served),
                                 .code = code,
                                 .options = option,
                                 .option_count = option != NULL ? 1 : 0};
    if (cps_serve_reply(ep, &reply, NULL) != CPS_OK)
        (void)cps_serve_ignore(ep, reply.request, false);
    return CPS_TAKEN;
}

static cps_verdict_t answer_uint(cps_ep_t *ep, const cps_served_t *served, uint8_t code, uint16_t number,
                                 uint32_t value)
{
    uint8_t bytes[4];
    cps_option_t option = {number, cps_opt_uint_bytes(value, bytes)};
    return answer(ep, served, code, &option);
}

/* RFC 7959 §2.5, §2.9.2: the blocks before it are not there, or not of this body. What there was is dropped, so that it can
 * be joined with nothing. */
static cps_verdict_t incomplete(cps_ep_t *ep, const cps_inbound_t *in, const cps_served_t *served, cps_body_t *body)
{
    cps_ep_note(ep, CPS_NOTE_BODY_BROKEN, &in->datagram->path, in->entry, in->blocks.block1.num);
    if (body != NULL)
        cps_bodies_drop(&ep->bodies, body);
    return answer(ep, served, CPS_REQUEST_ENTITY_INCOMPLETE, NULL);
}

static cps_verdict_t refuse_growth(cps_ep_t *ep, const cps_inbound_t *in, const cps_served_t *served, cps_body_t *body,
                                   cps_err_t err)
{
    uint32_t max = body->max;
    cps_bodies_drop(&ep->bodies, body);
    if (err == CPS_ERR_TOO_LARGE)
        return answer_uint(ep, served, CPS_REQUEST_ENTITY_TOO_LARGE, CPS_OPT_SIZE1, max); /* RFC 7959 §2.9.3, §4 */
    cps_ep_note(ep, CPS_NOTE_BODIES_FULL, &in->datagram->path, in->entry, 0);
    return answer_uint(ep, served, CPS_SERVICE_UNAVAILABLE, CPS_OPT_MAX_AGE, BUSY_MAX_AGE_S);
}

/* ---- blocks of a request ---- */

static cps_verdict_t join_whole(cps_ep_t *ep, cps_inbound_t *in, cps_served_t *served, cps_body_t *body)
{
    size_t before = body->bytes.len;
    size_t len = before + in->msg.payload.len;
    if (len > body->max || len > ep->config.body_max)
        return refuse_growth(ep, in, served, body, CPS_ERR_TOO_LARGE);
    cps_chain_get(&ep->bodies.bytes, &body->bytes, ep->body);
    cps_copy(ep->body + before, in->msg.payload.ptr, in->msg.payload.len);
    ep->body_used = len > ep->body_used ? len : ep->body_used;
    in->msg.payload = cps_bytes(ep->body, len);
    body->open = true;
    served->blocks.body = cps_pool_handle(&ep->bodies.pool, body);
    return CPS_UP;
}

static cps_verdict_t next_block(cps_ep_t *ep, cps_inbound_t *in, cps_served_t *served, cps_body_t *body)
{
    bool more = in->blocks.block1.more;
    if (body->kind == CPS_BODY_HANDED_ON) {
        body->open = true;
        served->blocks.body = cps_pool_handle(&ep->bodies.pool, body);
        return CPS_UP;
    }
    if (!more)
        return join_whole(ep, in, served, body);
    cps_err_t err = cps_bodies_add(&ep->bodies, ep->now_us, body, in->msg.payload);
    if (err != CPS_OK)
        return refuse_growth(ep, in, served, body, err);
    cps_bodies_advance(&ep->bodies, ep->now_us, body, &in->blocks.block);
    return answer(ep, served, CPS_CONTINUE, NULL);
}

static cps_verdict_t block_of_request(cps_ep_t *ep, cps_inbound_t *in, cps_served_t *served)
{
    cps_body_t *body = cps_bodies_find(&ep->bodies, &in->blocks.key, false);
    if (in->blocks.block.at == 0) {
        if (body != NULL)
            cps_bodies_drop(&ep->bodies, body); /* RFC 7959 §2.5: it starts afresh */
        return CPS_UP;
    }
    if (body == NULL || body->open)
        return incomplete(ep, in, served, body);
    if (in->blocks.block1.more && cps_body_is_last(body, &in->blocks.block))
        return answer(ep, served, CPS_CONTINUE, NULL); /* its answer was lost, and it came under another Message ID */
    if (in->blocks.block.at != body->at)
        return incomplete(ep, in, served, body);
    return next_block(ep, in, served, body);
}

/* ---- blocks of an answer that was kept ---- */

/* A later block of an answer to a method that must not run again for it (RFC 7959 §2.7). */
static cps_verdict_t block_of_answer(cps_ep_t *ep, cps_inbound_t *in, const cps_served_t *served)
{
    cps_option_t list[CPS_EP_OPTIONS_MAX];
    cps_body_t *kept = cps_bodies_find(&ep->bodies, &in->blocks.key, true);
    if (kept == NULL && in->msg.code == CPS_FETCH && in->msg.payload.len != 0)
        return CPS_UP; /* safe, and all that it needs is there: computed again */
    if (kept == NULL)
        return incomplete(ep, in, served, NULL);
    uint32_t total = kept->bytes.len - kept->options_len;
    uint32_t at = cps_block_offset(&in->blocks.block2);
    uint32_t size = cps_block_size(in->blocks.block2.szx);
    uint32_t len = at >= total ? 0 : (total - at < size ? total - at : size);
    cps_chain_read(&ep->bodies.bytes, &kept->bytes, 0, ep->body, kept->options_len);
    cps_chain_read(&ep->bodies.bytes, &kept->bytes, kept->options_len + at, ep->body + kept->options_len, len);
    cps_opt_walk_t walk = cps_opt_walk(cps_bytes(ep->body, kept->options_len));
    cps_command_reply_t reply = {.request = cps_pool_handle(&ep->served.pool, served),
                                 .code = kept->code,
                                 .options = list,
                                 .payload = cps_bytes(ep->body + kept->options_len, len),
                                 .slice = true,
                                 .offset = at,
                                 .total = total};
    while (reply.option_count < CPS_EP_OPTIONS_MAX && cps_opt_next(&walk, &list[reply.option_count]))
        reply.option_count++;
    kept->used_us = ep->now_us;
    if (cps_serve_reply(ep, &reply, NULL) != CPS_OK)
        (void)cps_serve_ignore(ep, reply.request, false);
    return CPS_TAKEN;
}

cps_verdict_t cps_serve_block(cps_ep_t *ep, cps_inbound_t *in, cps_served_t *served)
{
    const cps_served_blocks_t *b = &in->blocks;
    if (b->has1)
        return block_of_request(ep, in, served);
    if (b->has2 && b->block2.num != 0 && in->msg.code != CPS_GET)
        return block_of_answer(ep, in, served);
    return CPS_UP;
}

/* ---- events and replies ---- */

void cps_serve_fill_body(cps_ep_t *ep, const cps_inbound_t *in, const cps_served_t *served, cps_event_t *event)
{
    const cps_served_blocks_t *b = &served->blocks;
    cps_event_body_t *out = &event->u.request.body;
    cps_body_t *body = cps_bodies_at(&ep->bodies, b->body);
    out->wanted_size = ep->config.block_size;
    if (b->has2) {
        out->wanted = cps_block_offset(&b->block2);
        out->wanted_size = cps_block_size(b->block2.szx);
    }
    if (!b->has1)
        return;
    (void)cps_msg_option_uint(&in->msg, CPS_OPT_SIZE1, &out->size);
    bool joined = body != NULL && body->kind == CPS_BODY_PUT_TOGETHER;
    out->more = b->block1.more;
    out->offset = joined ? 0 : b->block.at;
    out->user = body != NULL && !joined ? body->user : 0;
    if (b->block.at != 0 || !b->block1.more)
        return;
    ep->first_block.request = event->handle;
    ep->first_block.bytes = in->msg.payload;
}

static cps_err_t begin(cps_ep_t *ep, const cps_served_t *served, const cps_command_reply_t *reply)
{
    bool keep = reply->step == CPS_BODY_KEEP;
    uint32_t max =
        reply->body_max != 0 && reply->body_max < ep->config.body_max ? reply->body_max : ep->config.body_max;
    if (keep && (reply->request != ep->first_block.request || reply->code != CPS_CONTINUE))
        return CPS_ERR_ARGUMENT;
    cps_body_new_t wanted = {served->blocks.key, keep ? CPS_BODY_PUT_TOGETHER : CPS_BODY_HANDED_ON,
                             served->context != 0, max};
    cps_body_t *body = cps_bodies_take(&ep->bodies, ep->now_us, &wanted);
    if (body == NULL) {
        cps_ep_note(ep, CPS_NOTE_BODIES_FULL, &served->path, NULL, 0);
        return CPS_ERR_FULL;
    }
    cps_err_t err = keep ? cps_bodies_add(&ep->bodies, ep->now_us, body, ep->first_block.bytes) : CPS_OK;
    if (err != CPS_OK) {
        cps_bodies_finish(&ep->bodies, body);
        return err;
    }
    body->user = reply->body_user;
    cps_bodies_advance(&ep->bodies, ep->now_us, body, &served->blocks.block);
    return CPS_OK;
}

cps_err_t cps_serve_step(cps_ep_t *ep, const cps_served_t *served, const cps_command_reply_t *reply)
{
    const cps_served_blocks_t *b = &served->blocks;
    cps_body_t *body = cps_bodies_at(&ep->bodies, b->body);
    if (!ep->config.layers->joins_blocks)
        return reply->step == CPS_BODY_OVER ? CPS_OK : CPS_ERR_ARGUMENT;
    if (reply->step == CPS_BODY_OVER) {
        if (body != NULL)
            cps_bodies_finish(&ep->bodies, body);
        return reply->code == CPS_CONTINUE && !(b->has1 && b->block1.more) ? CPS_ERR_ARGUMENT : CPS_OK;
    }
    if (!b->has1 || !b->block1.more || cps_code_class(reply->code) != 2)
        return CPS_ERR_ARGUMENT;
    if (b->block.at == 0)
        return begin(ep, served, reply);
    if (reply->step != CPS_BODY_HAND_ON || body == NULL || body->kind != CPS_BODY_HANDED_ON)
        return body == NULL ? CPS_ERR_FULL : CPS_ERR_ARGUMENT;
    body->user = reply->body_user;
    body->open = false;
    cps_bodies_advance(&ep->bodies, ep->now_us, body, &b->block);
    return CPS_OK;
}

void cps_serve_reopen(cps_ep_t *ep, const cps_served_t *served)
{
    cps_body_t *body = cps_bodies_at(&ep->bodies, served->blocks.body);
    if (body != NULL)
        body->open = false;
}

void cps_serve_drop_body(cps_ep_t *ep, const cps_served_t *served)
{
    cps_body_t *body = cps_bodies_at(&ep->bodies, served->blocks.body);
    if (body != NULL)
        cps_bodies_drop(&ep->bodies, body);
}

bool cps_serve_abandoned_event(cps_ep_t *ep, cps_event_t *event)
{
    uint64_t user;
    if (!cps_bodies_ended(&ep->bodies, &user))
        return false;
    memset(event, 0, sizeof *event);
    event->kind = CPS_EVENT_ABANDONED;
    event->u.abandoned.user = user;
    return true;
}
