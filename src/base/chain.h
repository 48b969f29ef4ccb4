// SPDX-License-Identifier: Apache-2.0
/* Byte strings of any length in blocks of one cache line, all from one budget. No fragmentation: a string of n bytes
 * takes the same number of blocks at any time. */
#ifndef CPS_BASE_CHAIN_H
#define CPS_BASE_CHAIN_H

#include "base/pool.h"

#define CPS_CHAIN_BLOCK 64U
#define CPS_CHAIN_DATA  (CPS_CHAIN_BLOCK - 4U) /* bytes of data in a block */

typedef struct cps_chain_store {
    uint8_t *blocks;
    uint32_t limit;
    uint32_t touched;
    uint32_t free_head;
    uint32_t used;
} cps_chain_store_t;

/** A stored string; the zero value is the empty one. */
typedef struct cps_chain {
    uint32_t first; /**< number of the first block + 1 */
    uint32_t len;
} cps_chain_t;

/** Blocks for `budget` bytes, laid out in the arena. */
void cps_chain_init(cps_chain_store_t *s, cps_arena_t *a, size_t budget);

/** How many blocks a string of `len` bytes takes. */
static inline uint32_t cps_chain_blocks(size_t len) { return (uint32_t)((len + CPS_CHAIN_DATA - 1) / CPS_CHAIN_DATA); }

/** How many blocks are left in the budget. */
static inline uint32_t cps_chain_room(const cps_chain_store_t *s) { return s->limit - s->used; }

/** One block for an object of at most CPS_CHAIN_BLOCK bytes, zeroed; its number, or 0 where the budget is used up. */
uint32_t cps_block_take(cps_chain_store_t *s);
void cps_block_give(cps_chain_store_t *s, uint32_t number);

/** The block of that number. */
static inline void *cps_block_at(const cps_chain_store_t *s, uint32_t number)
{
    return s->blocks + (size_t)(number - 1) * CPS_CHAIN_BLOCK;
}

/** Store a copy; CPS_ERR_FULL, and nothing stored, where the budget does not hold it. */
CPS_MUST_USE cps_err_t cps_chain_put(cps_chain_store_t *s, cps_bytes_t bytes, cps_chain_t *out);

/** Copy a string out to `to`, which has room for `chain->len` bytes. */
void cps_chain_get(const cps_chain_store_t *s, const cps_chain_t *chain, uint8_t *to);

/** Add bytes to the end of a stored string. `*tail` is the number of its last block, 0 for the empty one, and is kept by
 * the caller from call to call. CPS_ERR_FULL, and nothing added, where the budget does not hold them. */
CPS_MUST_USE cps_err_t cps_chain_append(cps_chain_store_t *s, cps_chain_t *chain, uint32_t *tail, cps_bytes_t bytes);

/** Copy `len` bytes from `at` on out to `to`; both lie inside the string. */
void cps_chain_read(const cps_chain_store_t *s, const cps_chain_t *chain, size_t at, uint8_t *to, size_t len);

/** Free a string and make it the empty one. */
void cps_chain_free(cps_chain_store_t *s, cps_chain_t *chain);

#endif /* CPS_BASE_CHAIN_H */
