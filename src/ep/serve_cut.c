// SPDX-License-Identifier: Apache-2.0
/* Answers that are cut into blocks (RFC 7959 §2.4): the block that was asked for is computed from its number and size
 * alone, out of what the application gives each time. Only the answer to a method that must not run again is kept. */
#include "ep/ep.h"

static void add(cps_cut_t *cut, uint16_t number, cps_bytes_t value)
{
    cut->list[cut->count++] = (cps_option_t){number, value};
}

static bool has(const cps_cut_t *cut, uint16_t number)
{
    for (size_t i = 0; i < cut->count; i++)
        if (cut->list[i].number == number)
            return true;
    return false;
}

/* Length of a message with these options and `more` bytes of others, without payload. */
static size_t head_len(cps_ep_t *ep, const cps_served_t *served, const cps_cut_t *cut, size_t more)
{
    cps_option_t list[CPS_EP_OPTIONS_MAX];
    cps_writer_t w = cps_writer(ep->extra, ep->take_max + CPS_EP_OVERHEAD);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    memcpy(list, cut->list, cut->count * sizeof *list);
    cps_opt_put_list(&ow, list, cut->count);
    return CPS_HEADER_LEN + served->token_len + cps_written(&w).len + more + 1;
}

/* How long the message may be: what is sent at all, less what OSCORE adds; to an address that is not proven, what the
 * request allows (RFC 9175 §2.4). */
static size_t room_for(const cps_ep_t *ep, const cps_served_t *served)
{
    size_t room = ep->config.message_max;
    if (served->context != 0)
        return room - CPS_EP_OVERHEAD;
    if (served->verified)
        return room;
    size_t allowed = served->room > CPS_AMPLIFY_HEADERS ? served->room - CPS_AMPLIFY_HEADERS : 0;
    return allowed < room ? allowed : room;
}

/* Block size for an answer: no larger than asked, than configured, or than fits (§2.4). Where not even the smallest fits,
 * what fits an address that is proven: the challenge comes instead. */
static uint8_t size_for(cps_ep_t *ep, const cps_served_t *served, const cps_cut_t *cut)
{
    static const size_t added = 4 + 5 + 6 + 9 + 4; /* Block2, Block1, Size2, ETag, an option header that grows */
    size_t head = head_len(ep, served, cut, added);
    size_t room = room_for(ep, served);
    uint8_t szx = 0;
    uint8_t limit = CPS_BLOCK_SZX_MAX;
    if (!cps_block_szx_for(room > head ? room - head : 0, &szx))
        (void)cps_block_szx_for(ep->config.message_max - CPS_EP_HEADERS, &szx);
    (void)cps_block_szx_for(ep->config.block_size, &limit);
    szx = szx < limit ? szx : limit;
    return served->blocks.has2 && served->blocks.block2.szx < szx ? served->blocks.block2.szx : szx;
}

/* An answer that goes in blocks needs an ETag, so that no two representations are joined (RFC 9175 §3.8). */
static void put_etag(cps_ep_t *ep, cps_cut_t *cut, cps_bytes_t whole)
{
    uint64_t print[2];
    if (has(cut, CPS_OPT_ETAG))
        return;
    cps_bodies_hash(&ep->bodies, whole, print);
    cps_put_be64(cut->etag, print[0] ^ print[1]);
    add(cut, CPS_OPT_ETAG, cps_bytes(cut->etag, sizeof cut->etag));
}

/* Keep an answer whose later blocks are asked for by requests that must not run the method again (§2.7). */
static cps_err_t keep(cps_ep_t *ep, const cps_served_t *served, const cps_cut_t *cut, cps_bytes_t whole)
{
    cps_option_t list[CPS_EP_OPTIONS_MAX];
    cps_writer_t w = cps_writer(ep->extra, ep->take_max + CPS_EP_OVERHEAD);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    size_t count = 0;
    for (size_t i = 0; i < cut->count; i++)
        if (cut->list[i].number != CPS_OPT_BLOCK1) /* of this exchange only */
            list[count++] = cut->list[i];
    cps_opt_put_list(&ow, list, count);
    cps_body_new_t wanted = {served->blocks.key, CPS_BODY_ANSWER, served->context != 0, CPS_NONE};
    cps_body_t *kept = cps_bodies_take(&ep->bodies, ep->now_us, &wanted);
    if (kept == NULL || w.failed)
        return CPS_ERR_FULL;
    cps_bytes_t options = cps_written(&w);
    cps_err_t err = cps_bodies_add(&ep->bodies, ep->now_us, kept, options);
    if (err == CPS_OK)
        err = cps_bodies_add(&ep->bodies, ep->now_us, kept, whole);
    if (err != CPS_OK) {
        cps_bodies_finish(&ep->bodies, kept);
        return err;
    }
    kept->code = cut->code;
    kept->options_len = (uint32_t)options.len;
    return CPS_OK;
}

static void past_the_end(cps_cut_t *cut)
{
    cut->code = CPS_BAD_REQUEST;
    cut->count = 0;
    cut->payload = cps_bytes_str("no such block");
}

/* The block that begins at `at`: out of the part of the body that the application gave. */
static cps_err_t take_block(cps_cut_t *cut, const cps_command_reply_t *reply, cps_block_t *block, uint32_t at)
{
    uint32_t size = cps_block_size(block->szx);
    uint32_t from = reply->slice ? reply->offset : 0;
    size_t total = reply->slice ? reply->total : reply->payload.len;
    size_t len = total - at < size ? total - at : size;
    if (at < from || at - from > reply->payload.len || reply->payload.len - (at - from) < len)
        return CPS_ERR_ARGUMENT; /* the application did not give what is wanted */
    block->num = at >> (block->szx + 4U);
    block->more = at + len < total;
    cut->payload = cps_bytes(reply->payload.ptr + (at - from), len);
    return block->num <= CPS_BLOCK_NUM_MAX ? CPS_OK : CPS_ERR_TOO_LARGE;
}

/* What makes the blocks of an answer one body. Only the first block of a method that is not GET is kept for: where that is
 * not possible, FETCH is computed again, and others cannot be answered so. */
static cps_err_t make_one(cps_ep_t *ep, const cps_served_t *served, const cps_command_reply_t *reply, cps_cut_t *cut)
{
    if (reply->slice)
        return CPS_OK; /* who gives slices gives their ETag as well */
    put_etag(ep, cut, reply->payload);
    if (served->code == CPS_GET || (served->blocks.has2 && served->blocks.block2.num != 0))
        return CPS_OK;
    cps_err_t err = keep(ep, served, cut, reply->payload);
    if (err == CPS_OK || served->code == CPS_FETCH)
        return CPS_OK;
    cps_ep_note(ep, CPS_NOTE_BODIES_FULL, &served->path, NULL, 0);
    return CPS_ERR_TOO_LARGE;
}

static cps_err_t cut_block(cps_ep_t *ep, const cps_served_t *served, const cps_command_reply_t *reply, cps_cut_t *cut)
{
    const cps_served_blocks_t *b = &served->blocks;
    size_t total = reply->slice ? reply->total : reply->payload.len;
    uint32_t at = b->has2 ? cps_block_offset(&b->block2) : 0;
    if (at != 0 && at >= total) {
        past_the_end(cut);
        return CPS_OK;
    }
    cps_block_t block = {.szx = size_for(ep, served, cut)};
    cps_err_t err = take_block(cut, reply, &block, at);
    if (err == CPS_OK && block.more && at == 0)
        err = make_one(ep, served, reply, cut);
    else if (err == CPS_OK && at != 0 && !reply->slice)
        put_etag(ep, cut, reply->payload);
    if (err != CPS_OK)
        return err;
    add(cut, CPS_OPT_BLOCK2, cps_block_bytes(&block, cut->block2));
    if (at == 0 && total <= UINT32_MAX)
        add(cut, CPS_OPT_SIZE2, cps_opt_uint_bytes((uint32_t)total, cut->size2)); /* §4: a hint */
    return CPS_OK;
}

static bool fits_whole(cps_ep_t *ep, const cps_served_t *served, const cps_command_reply_t *reply, const cps_cut_t *cut)
{
    size_t len = reply->payload.len;
    if (reply->slice && reply->total != len)
        return false;
    return len <= cps_ep_payload_max(ep) && len <= ep->config.block_size &&
           head_len(ep, served, cut, 0) + len <= room_for(ep, served);
}

/* The Block1 of an answer (§2.3): M set says that more is to come before anything happens. */
static void put_block1(const cps_ep_t *ep, const cps_served_t *served, cps_cut_t *cut)
{
    cps_block_t block = served->blocks.block1;
    uint8_t limit = CPS_BLOCK_SZX_MAX;
    (void)cps_block_szx_for(ep->config.block_size, &limit);
    block.more = cut->code == CPS_CONTINUE;
    if (block.num == 0 && served->blocks.block1.more && block.szx > limit)
        block.szx = limit; /* §2.5: late negotiation; the number stays that of the request */
    add(cut, CPS_OPT_BLOCK1, cps_block_bytes(&block, cut->block1));
}

cps_err_t cps_serve_cut(cps_ep_t *ep, const cps_served_t *served, const cps_command_reply_t *reply, cps_cut_t *cut)
{
    cut->payload = reply->payload;
    cut->code = reply->code;
    if (!ep->config.layers->joins_blocks || cps_code_class(reply->code) != 2)
        return CPS_OK;
    if (cut->count + 4 > CPS_EP_OPTIONS_MAX)
        return CPS_ERR_ARGUMENT;
    if (served->blocks.has1)
        put_block1(ep, served, cut);
    bool body = reply->payload.len != 0 || (reply->slice && reply->total != 0);
    if (reply->code == CPS_CONTINUE || (!body && !served->blocks.has2) || has(cut, CPS_OPT_BLOCK2))
        return CPS_OK;
    if (!served->blocks.has2 && fits_whole(ep, served, reply, cut))
        return CPS_OK;
    if (!body && served->blocks.block2.num == 0)
        return CPS_OK;
    return cut_block(ep, served, reply, cut);
}
