// SPDX-License-Identifier: Apache-2.0
#include "msg/retx.h"

void cps_retx_init(cps_retx_t *r, cps_arena_t *a, uint32_t limit, const uint8_t seed[16], uint64_t max_transmit_span_us)
{
    memset(r, 0, sizeof *r);
    cps_pool_init(&r->pool, a, limit, sizeof(cps_tx_t));
    cps_map_init(&r->map, a, limit);
    cps_heap_init(&r->heap, a, limit);
    memcpy(r->seed, seed, sizeof r->seed);
    r->max_transmit_span_us = max_transmit_span_us;
}

static uint64_t key_hash(const cps_retx_t *r, uint32_t peer, uint16_t mid)
{
    uint64_t key = (uint64_t)peer << 16U | mid;
    return cps_hash(r->seed, &key, sizeof key);
}

static uint32_t index_of(const cps_retx_t *r, const cps_tx_t *tx) { return cps_pool_index(&r->pool, tx); }

cps_tx_t *cps_retx_take(cps_retx_t *r, uint32_t peer, uint16_t mid)
{
    cps_tx_t *tx = cps_pool_take(&r->pool);
    if (tx == NULL)
        return NULL;
    if (cps_map_put(&r->map, key_hash(r, peer, mid), index_of(r, tx)) != CPS_OK) {
        cps_pool_give(&r->pool, tx);
        return NULL;
    }
    tx->peer = peer;
    tx->mid = mid;
    tx->owner_index = CPS_NONE;
    return tx;
}

uint64_t cps_retx_first_timeout(const cps_transmission_t *params, cps_rng_t *rng)
{
    uint64_t spread = params->ack_timeout_us * (params->ack_random_permille - 1000U) / 1000;
    uint32_t bound = spread < UINT32_MAX ? (uint32_t)spread + 1 : UINT32_MAX;
    return params->ack_timeout_us + cps_rng_below(rng, bound);
}

void cps_retx_start(cps_retx_t *r, cps_tx_t *tx, cps_time_us_t now_us, uint64_t timeout_us, uint32_t copies)
{
    tx->confirmable = true;
    tx->first_sent_us = now_us;
    tx->timeout_us = timeout_us;
    tx->copies_left = (uint8_t)(copies < UINT8_MAX ? copies : UINT8_MAX);
    cps_heap_set(&r->heap, index_of(r, tx), now_us + timeout_us);
}

cps_retx_due_t cps_retx_pop(cps_retx_t *r, cps_time_us_t now_us, cps_tx_t **out)
{
    uint32_t index = cps_heap_pop_due(&r->heap, now_us);
    if (index == CPS_NONE)
        return CPS_RETX_NOTHING;
    cps_tx_t *tx = cps_retx_at(r, index);
    *out = tx;
    /* RFC 7252 §4.8.2: no copy after MAX_TRANSMIT_SPAN, even where the sender slept (MSG-23) */
    if (!tx->confirmable || tx->copies_left == 0 || now_us - tx->first_sent_us > r->max_transmit_span_us)
        return CPS_RETX_EXPIRED;
    tx->copies_left--;
    tx->timeout_us *= 2;
    cps_heap_set(&r->heap, index, now_us + tx->timeout_us);
    return CPS_RETX_COPY;
}

cps_tx_t *cps_retx_find(const cps_retx_t *r, uint32_t peer, uint16_t mid)
{
    cps_map_walk_t walk;
    uint64_t hash = key_hash(r, peer, mid);
    for (uint32_t at = cps_map_first(&r->map, hash, &walk); at != CPS_NONE; at = cps_map_next(&r->map, &walk)) {
        cps_tx_t *tx = cps_retx_at(r, at);
        if (tx->peer == peer && tx->mid == mid)
            return tx;
    }
    return NULL;
}

void cps_retx_stop(cps_retx_t *r, cps_tx_t *tx)
{
    tx->copies_left = 0;
    cps_heap_clear(&r->heap, index_of(r, tx));
}

void cps_retx_give(cps_retx_t *r, cps_tx_t *tx, cps_chain_store_t *chains)
{
    cps_heap_clear(&r->heap, index_of(r, tx));
    cps_map_remove(&r->map, key_hash(r, tx->peer, tx->mid), index_of(r, tx));
    cps_chain_free(chains, &tx->bytes);
    cps_pool_give(&r->pool, tx);
}
