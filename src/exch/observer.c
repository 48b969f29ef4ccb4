// SPDX-License-Identifier: Apache-2.0
#include "exch/observer.h"

#define CLOCK_BITS 15U
#define HALF       (1U << 23U)

void cps_observer_init(cps_observer_table_t *t, cps_arena_t *a, uint32_t limit, const uint8_t seed[16])
{
    memset(t, 0, sizeof *t);
    cps_pool_init(&t->pool, a, limit + CPS_OBSERVE_SPARE, sizeof(cps_observer_t));
    cps_map_init(&t->map, a, limit);
    cps_heap_init(&t->heap, a, limit + CPS_OBSERVE_SPARE);
    memcpy(t->seed, seed, sizeof t->seed);
    t->limit = limit;
}

static uint64_t hash_of(const cps_observer_table_t *t, const cps_observer_key_t *key)
{
    uint8_t bytes[4 + 8 + CPS_TOKEN_MAX];
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    uint8_t number[8];
    cps_put_be32(number, key->peer);
    cps_write_bytes(&w, cps_bytes(number, 4));
    cps_put_be64(number, key->context);
    cps_write_bytes(&w, cps_bytes(number, 8));
    cps_write_bytes(&w, key->token);
    return cps_hash(t->seed, bytes, cps_written(&w).len);
}

static cps_observer_key_t key_of(const cps_observer_t *o)
{
    return (cps_observer_key_t){o->peer, o->context, cps_bytes(o->token, o->token_len)};
}

cps_observer_t *cps_observer_find(const cps_observer_table_t *t, const cps_observer_key_t *key)
{
    cps_map_walk_t walk;
    uint64_t hash = hash_of(t, key);
    for (uint32_t at = cps_map_first(&t->map, hash, &walk); at != CPS_NONE; at = cps_map_next(&t->map, &walk)) {
        cps_observer_t *o = cps_observer_at(t, at);
        if (o->peer == key->peer && o->context == key->context &&
            cps_bytes_equal(cps_bytes(o->token, o->token_len), key->token))
            return o;
    }
    return NULL;
}

cps_observer_t *cps_observer_take(cps_observer_table_t *t, const cps_observer_key_t *key)
{
    bool plain = key->context == 0;
    if (t->live >= t->limit || (plain && t->plain >= t->limit - t->limit / 4))
        return NULL;
    cps_observer_t *o = cps_pool_take(&t->pool);
    if (o == NULL)
        return NULL;
    if (cps_map_put(&t->map, hash_of(t, key), cps_observer_index(t, o)) != CPS_OK) {
        cps_pool_give(&t->pool, o);
        return NULL;
    }
    o->peer = key->peer;
    o->context = key->context;
    cps_copy(o->token, key->token.ptr, key->token.len);
    o->token_len = (uint8_t)key->token.len;
    o->tx = o->old_tx = o->next = CPS_NONE;
    t->live++;
    t->plain += plain;
    return o;
}

void cps_observer_end(cps_observer_table_t *t, cps_observer_t *observer)
{
    const cps_observer_key_t key = key_of(observer);
    cps_map_remove(&t->map, hash_of(t, &key), cps_observer_index(t, observer));
    cps_heap_clear(&t->heap, cps_observer_index(t, observer));
    t->live--;
    t->plain -= observer->context == 0;
}

void cps_observer_give(cps_observer_table_t *t, cps_observer_t *observer) { cps_pool_give(&t->pool, observer); }

uint32_t cps_observer_number(cps_observer_t *observer, cps_time_us_t now_us)
{
    uint32_t clock = (uint32_t)(now_us >> CLOCK_BITS);
    uint32_t next = observer->number + 1;
    observer->number = (int32_t)(clock - next) > 0 ? clock : next;
    return observer->number & 0xffffffU;
}

bool cps_observed_is_newer(const cps_observed_t *last, const cps_observed_t *came)
{
    uint32_t v1 = last->value & 0xffffffU;
    uint32_t v2 = came->value & 0xffffffU;
    return (v1 < v2 && v2 - v1 < HALF) || (v1 > v2 && v1 - v2 > HALF) ||
           came->when_us > last->when_us + CPS_OBSERVE_FORGET_US;
}
