// SPDX-License-Identifier: Apache-2.0
#include "exch/asked.h"

void cps_asked_init(cps_asked_table_t *t, cps_arena_t *a, uint32_t limit, const uint8_t seed[16])
{
    memset(t, 0, sizeof *t);
    cps_pool_init(&t->pool, a, limit, sizeof(cps_asked_t));
    cps_map_init(&t->tokens, a, limit);
    cps_heap_init(&t->heap, a, limit);
    memcpy(t->seed, seed, sizeof t->seed);
}

cps_asked_t *cps_asked_take(cps_asked_table_t *t)
{
    cps_asked_t *asked = cps_pool_take(&t->pool);
    if (asked != NULL) {
        asked->tx = CPS_NONE;
        asked->next = CPS_NONE;
        asked->next_stale = CPS_NONE;
        asked->hint_until_us = CPS_TIME_NEVER;
    }
    return asked;
}

static uint64_t token_hash(const cps_asked_table_t *t, cps_bytes_t token)
{
    return cps_hash(t->seed, token.ptr, token.len);
}

static cps_bytes_t token_of(const cps_asked_t *asked) { return cps_bytes(asked->token, asked->token_len); }

static void drop_token(cps_asked_table_t *t, cps_asked_t *asked)
{
    if (asked->token_len != 0)
        cps_map_remove(&t->tokens, token_hash(t, token_of(asked)), cps_asked_index(t, asked));
    asked->token_len = 0;
}

void cps_asked_give(cps_asked_table_t *t, cps_asked_t *asked, cps_chain_store_t *chains)
{
    drop_token(t, asked);
    cps_heap_clear(&t->heap, cps_asked_index(t, asked));
    cps_chain_free(chains, &asked->plain);
    cps_chain_free(chains, &asked->sealed);
    cps_chain_free(chains, &asked->echo);
    cps_chain_free(chains, &asked->hint_bytes);
    cps_chain_free(chains, &asked->body);
    cps_pool_give(&t->pool, asked);
}

cps_err_t cps_asked_set_token(cps_asked_table_t *t, cps_asked_t *asked, cps_bytes_t chosen, cps_rng_t *rng)
{
    uint8_t made[8];
    drop_token(t, asked);
    if (chosen.len == 0) {
        cps_rng_fill(rng, made, 4);
        cps_put_be32(made + 4, t->counter++);
        chosen = cps_bytes(made, sizeof made);
    } else if (chosen.len > CPS_TOKEN_MAX) {
        return CPS_ERR_ARGUMENT;
    } else if (cps_asked_match(t, &asked->path, chosen) != NULL) {
        return CPS_ERR_EXISTS;
    }
    memcpy(asked->token, chosen.ptr, chosen.len);
    cps_err_t err = cps_map_put(&t->tokens, token_hash(t, chosen), cps_asked_index(t, asked));
    if (err == CPS_OK)
        asked->token_len = (uint8_t)chosen.len;
    return err;
}

static bool same_endpoint(const cps_path_t *ours, const cps_path_t *came)
{
    return ours->socket == came->socket && ours->remote.port == came->remote.port &&
           ours->remote.scope_id == came->remote.scope_id &&
           memcmp(ours->remote.ip, came->remote.ip, sizeof ours->remote.ip) == 0;
}

cps_asked_t *cps_asked_match(const cps_asked_table_t *t, const cps_path_t *path, cps_bytes_t token)
{
    cps_map_walk_t walk;
    uint64_t hash = token_hash(t, token);
    for (uint32_t at = cps_map_first(&t->tokens, hash, &walk); at != CPS_NONE; at = cps_map_next(&t->tokens, &walk)) {
        cps_asked_t *asked = cps_asked_at(t, at);
        if (cps_bytes_equal(token_of(asked), token) && same_endpoint(&asked->path, path))
            return asked;
    }
    return NULL;
}
