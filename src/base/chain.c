// SPDX-License-Identifier: Apache-2.0
#include "base/chain.h"

void cps_chain_init(cps_chain_store_t *s, cps_arena_t *a, size_t budget)
{
    size_t blocks = budget / CPS_CHAIN_BLOCK;
    uint32_t limit = blocks < CPS_NONE - 1 ? (uint32_t)blocks : CPS_NONE - 2;
    *s = (cps_chain_store_t){cps_arena_take(a, limit, CPS_CHAIN_BLOCK), limit, 0, 0, 0};
}

static uint32_t next_of(const uint8_t *block)
{
    uint32_t next;
    memcpy(&next, block, sizeof next);
    return next;
}

static void set_next(uint8_t *block, uint32_t next) { memcpy(block, &next, sizeof next); }

static uint32_t take_block(cps_chain_store_t *s)
{
    uint32_t number = s->free_head;
    if (number != 0)
        s->free_head = next_of(cps_block_at(s, number));
    else
        number = ++s->touched;
    s->used++;
    return number;
}

void cps_block_give(cps_chain_store_t *s, uint32_t number)
{
    set_next(cps_block_at(s, number), s->free_head);
    s->free_head = number;
    s->used--;
}

uint32_t cps_block_take(cps_chain_store_t *s)
{
    if (cps_chain_room(s) == 0)
        return 0;
    uint32_t number = take_block(s);
    memset(cps_block_at(s, number), 0, CPS_CHAIN_BLOCK);
    return number;
}

cps_err_t cps_chain_put(cps_chain_store_t *s, cps_bytes_t bytes, cps_chain_t *out)
{
    *out = (cps_chain_t){0, 0};
    if (bytes.len > UINT32_MAX || cps_chain_blocks(bytes.len) > cps_chain_room(s))
        return CPS_ERR_FULL;
    uint8_t *last = NULL;
    for (size_t done = 0; done < bytes.len; done += CPS_CHAIN_DATA) {
        uint32_t number = take_block(s);
        uint8_t *block = cps_block_at(s, number);
        size_t part = bytes.len - done < CPS_CHAIN_DATA ? bytes.len - done : CPS_CHAIN_DATA;
        memcpy(block + 4, bytes.ptr + done, part);
        set_next(block, 0);
        if (last == NULL)
            out->first = number;
        else
            set_next(last, number);
        last = block;
    }
    out->len = (uint32_t)bytes.len;
    return CPS_OK;
}

void cps_chain_get(const cps_chain_store_t *s, const cps_chain_t *chain, uint8_t *to)
{
    uint32_t number = chain->first;
    for (size_t done = 0; done < chain->len; done += CPS_CHAIN_DATA) {
        const uint8_t *block = cps_block_at(s, number);
        size_t part = chain->len - done < CPS_CHAIN_DATA ? chain->len - done : CPS_CHAIN_DATA;
        memcpy(to + done, block + 4, part);
        number = next_of(block);
    }
}

cps_err_t cps_chain_append(cps_chain_store_t *s, cps_chain_t *chain, uint32_t *tail, cps_bytes_t bytes)
{
    uint64_t whole = (uint64_t)chain->len + bytes.len;
    if (whole > UINT32_MAX || cps_chain_blocks(whole) - cps_chain_blocks(chain->len) > cps_chain_room(s))
        return CPS_ERR_FULL;
    while (bytes.len != 0) {
        size_t used = chain->len % CPS_CHAIN_DATA;
        if (used == 0) {
            uint32_t number = take_block(s);
            set_next(cps_block_at(s, number), 0);
            if (chain->first == 0)
                chain->first = number;
            else
                set_next(cps_block_at(s, *tail), number);
            *tail = number;
        }
        size_t part = bytes.len < CPS_CHAIN_DATA - used ? bytes.len : CPS_CHAIN_DATA - used;
        memcpy((uint8_t *)cps_block_at(s, *tail) + 4 + used, bytes.ptr, part);
        bytes = cps_bytes(bytes.ptr + part, bytes.len - part);
        chain->len += (uint32_t)part;
    }
    return CPS_OK;
}

void cps_chain_read(const cps_chain_store_t *s, const cps_chain_t *chain, size_t at, uint8_t *to, size_t len)
{
    uint32_t number = chain->first;
    for (; at >= CPS_CHAIN_DATA && len != 0; at -= CPS_CHAIN_DATA)
        number = next_of(cps_block_at(s, number));
    while (len != 0) {
        const uint8_t *block = cps_block_at(s, number);
        size_t part = len < CPS_CHAIN_DATA - at ? len : CPS_CHAIN_DATA - at;
        memcpy(to, block + 4 + at, part);
        to += part;
        len -= part;
        at = 0;
        number = next_of(block);
    }
}

void cps_chain_free(cps_chain_store_t *s, cps_chain_t *chain)
{
    uint32_t number = chain->first;
    while (number != 0) {
        uint32_t next = next_of(cps_block_at(s, number));
        cps_block_give(s, number);
        number = next;
    }
    *chain = (cps_chain_t){0, 0};
}
