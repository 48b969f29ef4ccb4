// SPDX-License-Identifier: Apache-2.0
#include "exch/bodies.h"

#define IDLE_US 10000000ULL /* an unsealed body that nothing came for in this time makes room for others */

void cps_bodies_init(cps_bodies_t *b, cps_arena_t *a, const cps_bodies_config_t *config, const uint8_t seed[16])
{
    memset(b, 0, sizeof *b);
    b->config = *config;
    cps_pool_init(&b->pool, a, config->limit, sizeof(cps_body_t));
    cps_map_init(&b->operations, a, config->limit);
    cps_map_init(&b->owners, a, config->limit);
    cps_heap_init(&b->heap, a, config->limit);
    cps_chain_init(&b->bytes, a, config->bytes);
    b->ended = CPS_LIST_EMPTY;
    memcpy(b->seeds[0], seed, sizeof b->seeds[0]);
    for (size_t i = 0; i < sizeof b->seeds[1]; i++)
        b->seeds[1][i] = (uint8_t)~seed[i];
}

void cps_bodies_hash(const cps_bodies_t *b, cps_bytes_t bytes, uint64_t out[2])
{
    out[0] = cps_hash(b->seeds[0], bytes.ptr, bytes.len);
    out[1] = cps_hash(b->seeds[1], bytes.ptr, bytes.len);
}

static bool same_key(const cps_body_key_t *a, const cps_body_key_t *b) { return memcmp(a, b, sizeof *a) == 0; }

cps_body_t *cps_bodies_find(const cps_bodies_t *b, const cps_body_key_t *key, bool answer)
{
    cps_map_walk_t walk;
    for (uint32_t at = cps_map_first(&b->operations, key->operation[0], &walk); at != CPS_NONE;
         at = cps_map_next(&b->operations, &walk)) {
        cps_body_t *body = cps_pool_at(&b->pool, at);
        if (same_key(&body->key, key) && (body->kind == CPS_BODY_ANSWER) == answer)
            return body;
    }
    return NULL;
}

cps_body_t *cps_bodies_at(const cps_bodies_t *b, uint64_t handle)
{
    cps_body_t *body = cps_pool_find(&b->pool, handle);
    return body != NULL && body->kind != CPS_BODY_ENDED ? body : NULL;
}

/* ---- ends ---- */

static void take_out(cps_bodies_t *b, cps_body_t *body)
{
    uint32_t index = cps_pool_index(&b->pool, body);
    cps_map_remove(&b->operations, body->key.operation[0], index);
    cps_map_remove(&b->owners, body->key.owner[0], index);
    cps_heap_clear(&b->heap, index);
    cps_chain_free(&b->bytes, &body->bytes);
}

void cps_bodies_finish(cps_bodies_t *b, cps_body_t *body)
{
    take_out(b, body);
    cps_pool_give(&b->pool, body);
}

void cps_bodies_drop(cps_bodies_t *b, cps_body_t *body)
{
    take_out(b, body);
    if (body->kind != CPS_BODY_HANDED_ON) {
        cps_pool_give(&b->pool, body);
        return;
    }
    body->kind = CPS_BODY_ENDED;
    cps_list_push(&b->ended, &b->pool, offsetof(cps_body_t, next), body); /* keeps its place until it is told */
}

bool cps_bodies_ended(cps_bodies_t *b, uint64_t *user)
{
    cps_body_t *body = cps_list_pop(&b->ended, &b->pool, offsetof(cps_body_t, next));
    if (body == NULL)
        return false;
    *user = body->user;
    cps_pool_give(&b->pool, body);
    return true;
}

void cps_bodies_tick(cps_bodies_t *b, cps_time_us_t now_us)
{
    uint32_t index;
    while ((index = cps_heap_pop_due(&b->heap, now_us)) != CPS_NONE)
        cps_bodies_drop(b, cps_pool_at(&b->pool, index));
}

/* ---- room ---- */

/* The owner's body that was used least lately, where it has as many as it may. */
static cps_body_t *over_share(const cps_bodies_t *b, const uint64_t owner[2])
{
    cps_map_walk_t walk;
    cps_body_t *oldest = NULL;
    uint32_t count = 0;
    for (uint32_t at = cps_map_first(&b->owners, owner[0], &walk); at != CPS_NONE;
         at = cps_map_next(&b->owners, &walk)) {
        cps_body_t *body = cps_pool_at(&b->pool, at);
        if (memcmp(body->key.owner, owner, sizeof body->key.owner) != 0)
            continue;
        count++;
        if (oldest == NULL || body->used_us < oldest->used_us)
            oldest = body;
    }
    return count >= b->config.each ? oldest : NULL;
}

/* Room for another: the unsealed body that nothing came for longest goes, if that is long enough. Sealed ones stay, so
 * that whoever is not known cannot take the places of those who are. */
static bool make_room(cps_bodies_t *b, cps_time_us_t now_us, const cps_body_t *spared)
{
    cps_body_t *oldest = NULL;
    for (uint32_t i = 0; i < b->pool.touched; i++) {
        cps_body_t *body = cps_pool_at(&b->pool, i);
        bool may_go = cps_pool_live(&b->pool, i) && cps_heap_when(&b->heap, i) != CPS_TIME_NEVER && !body->sealed;
        if (may_go && body != spared && (oldest == NULL || body->used_us < oldest->used_us))
            oldest = body;
    }
    if (oldest == NULL || now_us - oldest->used_us < IDLE_US)
        return false;
    cps_bodies_drop(b, oldest);
    return true;
}

static void touch(cps_bodies_t *b, cps_time_us_t now_us, cps_body_t *body)
{
    body->used_us = now_us;
    cps_heap_set(&b->heap, cps_pool_index(&b->pool, body), now_us + b->config.age_us);
}

/* Unsealed ones get three quarters of the places: the others are for those who are known. */
static bool may_have_place(const cps_bodies_t *b, bool sealed)
{
    uint32_t limit = sealed ? b->pool.limit : b->pool.limit - b->pool.limit / 4;
    return b->pool.used < limit;
}

cps_body_t *cps_bodies_take(cps_bodies_t *b, cps_time_us_t now_us, const cps_body_new_t *wanted)
{
    cps_body_t *body = cps_bodies_find(b, &wanted->key, wanted->kind == CPS_BODY_ANSWER);
    if (body != NULL)
        cps_bodies_drop(b, body);
    body = over_share(b, wanted->key.owner);
    if (body != NULL)
        cps_bodies_drop(b, body);
    if (!may_have_place(b, wanted->sealed) && (!make_room(b, now_us, NULL) || !may_have_place(b, wanted->sealed)))
        return NULL;
    body = cps_pool_take(&b->pool);
    if (body == NULL)
        return NULL;
    uint32_t index = cps_pool_index(&b->pool, body);
    body->key = wanted->key;
    body->kind = (uint8_t)wanted->kind;
    body->sealed = wanted->sealed;
    body->max = wanted->max;
    if (cps_map_put(&b->operations, body->key.operation[0], index) != CPS_OK ||
        cps_map_put(&b->owners, body->key.owner[0], index) != CPS_OK) {
        cps_bodies_finish(b, body);
        return NULL;
    }
    touch(b, now_us, body);
    return body;
}

/* ---- blocks ---- */

cps_err_t cps_bodies_add(cps_bodies_t *b, cps_time_us_t now_us, cps_body_t *body, cps_bytes_t block)
{
    if (block.len > body->max || body->bytes.len > body->max - block.len)
        return CPS_ERR_TOO_LARGE;
    cps_err_t err = cps_chain_append(&b->bytes, &body->bytes, &body->tail, block);
    while (err == CPS_ERR_FULL && make_room(b, now_us, body))
        err = cps_chain_append(&b->bytes, &body->bytes, &body->tail, block);
    return err;
}

void cps_bodies_advance(cps_bodies_t *b, cps_time_us_t now_us, cps_body_t *body, const cps_body_block_t *block)
{
    body->last_at = block->at;
    body->last_print = block->print;
    body->at = block->at + block->len;
    touch(b, now_us, body);
}

bool cps_body_is_last(const cps_body_t *body, const cps_body_block_t *block)
{
    return block->len != 0 && body->last_at == block->at && body->at - body->last_at == block->len &&
           body->last_print == block->print;
}
