// SPDX-License-Identifier: Apache-2.0
#include "exch/transfer.h"

/* ---- the body goes up ---- */

static cps_transfer_step_t from_the_start(cps_transfer_t *t)
{
    t->at = 0;
    t->len = 0;
    t->last = false;
    return CPS_TRANSFER_GO_ON;
}

/* The size that a 4.13 invites (RFC 7959 §2.5, §2.9.3): what its Block1 says, or, to a request without Block1, one that
 * makes blocks of the body, unless Size1 says that it is too large in all. */
static bool invited(const cps_transfer_t *t, const cps_msg_t *answer, uint8_t *szx)
{
    cps_block_t block;
    uint32_t limit;
    cps_err_t err = cps_msg_block(answer, CPS_OPT_BLOCK1, &block);
    if (err == CPS_OK) {
        *szx = block.szx;
        return true;
    }
    bool hopeless = cps_msg_option_uint(answer, CPS_OPT_SIZE1, &limit) && limit < t->len;
    return err == CPS_ERR_NOT_FOUND && !cps_transfer_is_split(t) && !hopeless && t->len > 0 &&
           cps_block_szx_for(t->len - 1, szx);
}

/* Once, and only a smaller size. */
static bool take_smaller(cps_transfer_t *t, const cps_msg_t *answer)
{
    uint8_t szx;
    if (answer->code != CPS_REQUEST_ENTITY_TOO_LARGE || t->shrunk || !invited(t, answer, &szx) || szx >= t->szx)
        return false;
    t->shrunk = true;
    t->szx = szx;
    return true;
}

/* A block was taken: go on behind it, in the server's size if that is smaller (§2.5). */
static cps_transfer_step_t next_block(cps_transfer_t *t, const cps_msg_t *answer)
{
    cps_block_t block;
    cps_err_t err = cps_msg_block(answer, CPS_OPT_BLOCK1, &block);
    if (err == CPS_ERR_NOT_FOUND && answer->code != CPS_CONTINUE)
        return CPS_TRANSFER_WHOLE; /* it answers all, early */
    if (err != CPS_OK || block.num != t->at >> (t->szx + 4U))
        return CPS_TRANSFER_BROKEN;
    t->at += t->len;
    t->len = 0;
    t->szx = block.szx < t->szx ? block.szx : t->szx;
    return CPS_TRANSFER_GO_ON;
}

static cps_transfer_step_t take_up(cps_transfer_t *t, const cps_msg_t *answer)
{
    if (answer->code == CPS_REQUEST_ENTITY_INCOMPLETE && !t->restarted && cps_transfer_is_split(t)) {
        t->restarted = true; /* §2.9.2: the server lost the earlier blocks */
        return from_the_start(t);
    }
    if (take_smaller(t, answer))
        return from_the_start(t);
    if (cps_code_class(answer->code) != 2)
        return CPS_TRANSFER_WHOLE;
    if (!t->last)
        return next_block(t, answer);
    return answer->code == CPS_CONTINUE ? CPS_TRANSFER_BROKEN : CPS_TRANSFER_WHOLE;
}

/* ---- the answer comes down ---- */

static void remember(cps_transfer_t *t, const cps_msg_t *answer)
{
    cps_bytes_t etag;
    t->code = answer->code;
    t->etag_len = 0;
    if (!cps_msg_option(answer, CPS_OPT_ETAG, &etag))
        return;
    t->etag_len = (uint8_t)etag.len;
    memcpy(t->etag, etag.ptr, etag.len);
}

/* Of the same representation: the same ETag, or none both times (RFC 7959 §2.4). */
static bool is_same(const cps_transfer_t *t, const cps_msg_t *answer)
{
    cps_bytes_t etag = cps_bytes(NULL, 0);
    (void)cps_msg_option(answer, CPS_OPT_ETAG, &etag);
    return answer->code == t->code && cps_bytes_equal(etag, cps_bytes(t->etag, t->etag_len));
}

static cps_transfer_step_t take_block(cps_transfer_t *t, const cps_msg_t *answer, const cps_block_t *block)
{
    uint32_t size = cps_block_size(block->szx);
    size_t len = answer->payload.len;
    bool fits = cps_block_offset(block) == t->down && block->szx <= t->down_szx && len <= size;
    if (!fits || (block->more && (len != size || block->num == CPS_BLOCK_NUM_MAX)))
        return CPS_TRANSFER_BROKEN;
    t->down_szx = block->szx; /* later requests name the size of the first answer (§2.4) */
    t->down += (uint32_t)len;
    if (!block->more)
        return CPS_TRANSFER_WHOLE;
    t->phase = CPS_TRANSFER_DOWN;
    return CPS_TRANSFER_PART;
}

static cps_transfer_step_t take_first(cps_transfer_t *t, const cps_msg_t *answer)
{
    cps_block_t block;
    if (!t->follow || cps_code_class(answer->code) != 2)
        return CPS_TRANSFER_WHOLE;
    cps_err_t err = cps_msg_block(answer, CPS_OPT_BLOCK2, &block);
    if (err == CPS_ERR_NOT_FOUND)
        return CPS_TRANSFER_WHOLE;
    remember(t, answer);
    return err == CPS_OK ? take_block(t, answer, &block) : CPS_TRANSFER_BROKEN;
}

static cps_transfer_step_t take_later(cps_transfer_t *t, const cps_msg_t *answer)
{
    cps_block_t block;
    if (!is_same(t, answer) || cps_msg_block(answer, CPS_OPT_BLOCK2, &block) != CPS_OK)
        return CPS_TRANSFER_BROKEN;
    return take_block(t, answer, &block);
}

cps_transfer_step_t cps_transfer_take(cps_transfer_t *t, const cps_msg_t *answer)
{
    if (t->phase == CPS_TRANSFER_DOWN)
        return take_later(t, answer);
    cps_transfer_step_t step = t->phase == CPS_TRANSFER_UP ? take_up(t, answer) : CPS_TRANSFER_WHOLE;
    return step == CPS_TRANSFER_WHOLE ? take_first(t, answer) : step;
}

/* ---- options ---- */

static bool is_dropped(const cps_transfer_t *t, uint16_t number)
{
    bool later = t->phase == CPS_TRANSFER_DOWN || t->at != 0;
    switch (number) {
    case CPS_OPT_BLOCK1:
    case CPS_OPT_BLOCK2:
    case CPS_OPT_SIZE1:
        return true;
    case CPS_OPT_OBSERVE:       /* RFC 7959 §2.6: later blocks are fetched without */
    case CPS_OPT_IF_NONE_MATCH: /* §2.10: with the first block only */
    case CPS_OPT_SIZE2:
        return later;
    default:
        return false;
    }
}

static void add(cps_option_t *list, size_t *count, uint16_t number, cps_bytes_t value)
{
    list[(*count)++] = (cps_option_t){number, value};
}

static void add_up(const cps_transfer_t *t, cps_transfer_values_t *values, cps_option_t *list, size_t *count)
{
    cps_block_t block = {.num = t->at >> (t->szx + 4U), .szx = t->szx, .more = !t->last};
    add(list, count, CPS_OPT_BLOCK1, cps_block_bytes(&block, values->block1));
    if (t->at == 0 && t->total != 0)
        add(list, count, CPS_OPT_SIZE1, cps_opt_uint_bytes(t->total, values->size1));
}

size_t cps_transfer_options(const cps_transfer_t *t, cps_transfer_values_t *values, cps_option_t *list, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_dropped(t, list[i].number))
            list[kept++] = list[i];
    bool up = t->phase == CPS_TRANSFER_UP;
    if (up && cps_transfer_is_split(t))
        add_up(t, values, list, &kept);
    if (t->phase == CPS_TRANSFER_DOWN || (t->early && (!up || t->last))) {
        cps_block_t block = {.num = t->down >> (t->down_szx + 4U), .szx = t->down_szx};
        add(list, &kept, CPS_OPT_BLOCK2, cps_block_bytes(&block, values->block2));
    }
    if (t->tagged)
        add(list, &kept, CPS_OPT_REQUEST_TAG, cps_bytes(t->tag, t->tag_len));
    return kept;
}
