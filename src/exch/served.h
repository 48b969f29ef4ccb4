// SPDX-License-Identifier: Apache-2.0
/* Requests that are being answered: what an answer needs to find its way back (RFC 7252 §5.2). */
#ifndef CPS_EXCH_SERVED_H
#define CPS_EXCH_SERVED_H

#include "exch/asked.h"
#include "exch/bodies.h"
#include "wire/block.h"

/** Block options of a request, and the body that it belongs to. */
typedef struct cps_served_blocks {
    cps_block_t block1;
    cps_block_t block2;
    bool has1;
    bool has2;
    cps_body_block_t block; /**< its payload */
    cps_handle_t body;      /**< whose block it is, or 0 */
    cps_body_key_t key;     /**< set where it has block options or another method than GET */
} cps_served_blocks_t;

typedef struct cps_served {
    cps_pool_head_t head;
    cps_path_t path;
    uint8_t token[CPS_TOKEN_MAX];
    uint8_t token_len; /**< of a token in `token` */
    uint8_t code;      /**< method */
    uint16_t mid;
    uint8_t no_response; /**< classes of answers that are not wanted (RFC 7967 §2.1) */
    bool confirmable;
    bool acked;      /**< an Empty ACK went: every answer is separate now (RFC 7252 §5.2.2; MSG-46) */
    bool verified;   /**< the address is proven: no limit of amplification */
    bool waits;      /**< `answer` waits for a lease */
    uint8_t observe; /**< cps_observe_t: what the request asks */
    bool registers;  /**< its answer begins an observation */
    uint8_t binding[CPS_EXCH_BINDING_MAX];
    bool challenge;       /**< the answer is a 4.01 with Echo: never a separate CON (RFC 9175 §2.4) */
    uint64_t print;       /**< of its datagram, for duplicates */
    uint32_t dedup;       /**< number of the remembered entry, or 0 */
    uint64_t dedup_epoch; /**< count of forgotten entries when `dedup` was right */
    uint32_t peer;
    uint32_t room; /**< bytes that may still go to an unverified address because of this request */
    uint32_t next; /**< in the list of those that wait */
    cps_handle_t context;
    cps_time_us_t ends_us;
    cps_chain_t answer;     /**< plain answer that waits */
    cps_chain_t long_token; /**< a token that `token` does not hold (RFC 8974); else empty */
    cps_served_blocks_t blocks;
} cps_served_t;

typedef struct cps_served_table {
    cps_pool_t pool;
    cps_heap_t heap; /**< Empty ACK due, then end of the exchange */
} cps_served_table_t;

/** Room for `limit` requests being answered, laid out in the arena. */
void cps_served_init(cps_served_table_t *t, cps_arena_t *a, uint32_t limit);

/** The one of that index, in use or not. */
static inline cps_served_t *cps_served_at(const cps_served_table_t *t, uint32_t index)
{
    return cps_pool_at(&t->pool, index);
}

/** Its index. */
static inline uint32_t cps_served_index(const cps_served_table_t *t, const cps_served_t *served)
{
    return cps_pool_index(&t->pool, served);
}

/** Free it with all it holds. */
void cps_served_give(cps_served_table_t *t, cps_served_t *served, cps_chain_store_t *chains);

#endif /* CPS_EXCH_SERVED_H */
