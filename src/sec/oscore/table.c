// SPDX-License-Identifier: Apache-2.0
#include "sec/oscore/table.h"

void cps_oscore_table_init(cps_oscore_table_t *t, cps_arena_t *a, uint32_t limit, const uint8_t seed[16])
{
    cps_pool_init(&t->pool, a, limit, sizeof(cps_oscore_entry_t));
    cps_map_init(&t->map, a, 3 * limit); /* by kid and kid context, by kid alone, and by the material's identifier */
    memcpy(t->seed, seed, sizeof t->seed);
}

static uint64_t key_hash(const cps_oscore_table_t *t, cps_bytes_t kid, const cps_bytes_t *kid_context)
{
    uint8_t key[2 + CPS_OSCORE_ID_MAX + UINT8_MAX];
    cps_writer_t w = cps_writer(key, sizeof key);
    cps_write_u8(&w, (uint8_t)kid.len);
    cps_write_bytes(&w, kid);
    cps_write_u8(&w, kid_context != NULL ? 1 : 0);
    if (kid_context != NULL)
        cps_write_bytes(&w, *kid_context);
    cps_bytes_t bytes = cps_written(&w);
    return cps_hash(t->seed, bytes.ptr, bytes.len);
}

static cps_bytes_t id_context_of(const cps_oscore_ctx_t *ctx)
{
    return cps_bytes(ctx->id_context, ctx->id_context_len);
}

static uint64_t own_hash(const cps_oscore_table_t *t, const cps_oscore_ctx_t *ctx)
{
    cps_bytes_t id_context = id_context_of(ctx);
    return key_hash(t, cps_oscore_recipient_id(ctx), ctx->has_id_context ? &id_context : NULL);
}

static bool fits(const cps_oscore_entry_t *entry, const cps_oscopt_t *option)
{
    if (!cps_bytes_equal(cps_oscore_recipient_id(&entry->ctx), option->kid))
        return false;
    if (!option->has_kid_context)
        return true;
    return entry->ctx.has_id_context && cps_bytes_equal(id_context_of(&entry->ctx), option->kid_context);
}

static unsigned count_same(const cps_oscore_table_t *t, const cps_oscopt_t *option)
{
    cps_map_walk_t walk;
    unsigned count = 0;
    for (cps_oscore_entry_t *e = cps_oscore_table_first(t, option, &walk); e != NULL;
         e = cps_oscore_table_next(t, option, &walk))
        count += e->ctx.has_id_context == option->has_kid_context ? 1U : 0U;
    return count;
}

static uint64_t identifier_hash(const cps_oscore_table_t *t, const uint8_t identifier[CPS_OSCORE_IDENTIFIER_LEN])
{
    return cps_hash(t->seed, identifier, CPS_OSCORE_IDENTIFIER_LEN);
}

/* Index under the kid alone as well, unless four are there: a client may leave its kid context out (RFC 8613 §5). */
static bool index_entry(cps_oscore_table_t *t, cps_oscore_entry_t *entry)
{
    uint32_t index = cps_pool_index(&t->pool, entry);
    if (cps_map_put(&t->map, own_hash(t, &entry->ctx), index) != CPS_OK ||
        cps_map_put(&t->map, identifier_hash(t, entry->bound.identifier), index) != CPS_OK)
        return false; /* never: the map has room for all entries of all contexts */
    cps_oscopt_t kid_only = {.kid = cps_oscore_recipient_id(&entry->ctx), .has_kid = true};
    cps_map_walk_t walk;
    unsigned count = 0;
    for (cps_oscore_entry_t *e = cps_oscore_table_first(t, &kid_only, &walk); e != NULL;
         e = cps_oscore_table_next(t, &kid_only, &walk))
        count++;
    if (!entry->ctx.has_id_context || count >= CPS_OSCORE_SAME_KID_MAX)
        return true;
    return cps_map_put(&t->map, key_hash(t, kid_only.kid, NULL), index) == CPS_OK;
}

static bool has_identifier(const cps_oscore_table_t *t, const uint8_t identifier[CPS_OSCORE_IDENTIFIER_LEN])
{
    cps_map_walk_t walk;
    uint64_t hash = identifier_hash(t, identifier);
    for (uint32_t at = cps_map_first(&t->map, hash, &walk); at != CPS_NONE; at = cps_map_next(&t->map, &walk))
        if (memcmp(cps_oscore_table_at(t, at)->bound.identifier, identifier, CPS_OSCORE_IDENTIFIER_LEN) == 0)
            return true;
    return false;
}

static cps_err_t check(const cps_oscore_table_t *t, const cps_oscore_params_t *params)
{
    cps_oscopt_t same = {.kid = params->recipient_id,
                         .has_kid = true,
                         .kid_context = params->id_context,
                         .has_kid_context = params->has_id_context};
    if (params->recipient_id.len > CPS_OSCORE_ID_MAX)
        return CPS_ERR_BAD_ID;
    if (params->id_context.len > CPS_OSCORE_ID_CONTEXT_MAX)
        return CPS_ERR_ARGUMENT;
    return count_same(t, &same) < CPS_OSCORE_SAME_KID_MAX ? CPS_OK : CPS_ERR_TOO_MANY;
}

static cps_err_t fill(cps_oscore_table_t *t, cps_oscore_entry_t *entry, cps_crypto_t *crypto,
                      const cps_oscore_params_t *params)
{
    uint8_t window_id[CPS_OSCORE_IDENTIFIER_LEN];
    cps_err_t err = cps_oscore_extract(crypto, params, &entry->prk);
    if (err == CPS_OK)
        err = cps_oscore_ctx_expand(&entry->ctx, crypto, &entry->prk, params);
    if (err == CPS_OK)
        err = cps_oscore_identifier_expand(crypto, &entry->prk, params, entry->bound.identifier, window_id);
    entry->rederivable = params->rederivable;
    if (!entry->rederivable)
        cps_wipe(&entry->prk, sizeof entry->prk);
    if (err == CPS_OK && has_identifier(t, entry->bound.identifier))
        err = CPS_ERR_IN_USE;
    if (err == CPS_OK && !index_entry(t, entry))
        err = CPS_ERR_FULL;
    return err;
}

static void wipe(cps_oscore_entry_t *entry)
{
    cps_oscore_ctx_fini(&entry->ctx);
    cps_wipe(&entry->prk, sizeof entry->prk);
}

cps_err_t cps_oscore_table_add(cps_oscore_table_t *t, cps_crypto_t *crypto, const cps_oscore_params_t *params,
                               const uint8_t salt[8], cps_oscore_entry_t **out)
{
    cps_err_t err = check(t, params);
    if (err != CPS_OK)
        return err;
    cps_oscore_entry_t *entry = cps_pool_take(&t->pool);
    if (entry == NULL)
        return CPS_ERR_FULL;
    err = fill(t, entry, crypto, params);
    if (err != CPS_OK) {
        wipe(entry);
        cps_pool_give(&t->pool, entry);
        return err;
    }
    memcpy(entry->bound.salt, salt, sizeof entry->bound.salt);
    entry->recovering = CPS_NONE;
    entry->rekey = CPS_NONE;
    entry->held = CPS_LIST_EMPTY;
    entry->next_job = CPS_NONE;
    *out = entry;
    return CPS_OK;
}

static void unindex(cps_oscore_table_t *t, const cps_oscore_entry_t *entry)
{
    uint32_t index = cps_pool_index(&t->pool, entry);
    cps_map_remove(&t->map, own_hash(t, &entry->ctx), index);
    cps_map_remove(&t->map, identifier_hash(t, entry->bound.identifier), index);
    if (entry->ctx.has_id_context)
        cps_map_remove(&t->map, key_hash(t, cps_oscore_recipient_id(&entry->ctx), NULL), index);
}

void cps_oscore_table_renew(cps_oscore_table_t *t, cps_oscore_entry_t *entry, const cps_oscore_ctx_t *ctx,
                            const uint8_t identifier[CPS_OSCORE_IDENTIFIER_LEN], const uint8_t salt[8])
{
    unindex(t, entry);
    cps_oscore_ctx_fini(&entry->ctx);
    entry->ctx = *ctx;
    memcpy(entry->bound.identifier, identifier, CPS_OSCORE_IDENTIFIER_LEN);
    memcpy(entry->bound.salt, salt, sizeof entry->bound.salt);
    (void)index_entry(t, entry); /* its own places in the map are free */
}

void cps_oscore_table_remove(cps_oscore_table_t *t, cps_oscore_entry_t *entry)
{
    unindex(t, entry);
    wipe(entry);
    cps_pool_give(&t->pool, entry);
}

void cps_oscore_table_fini(cps_oscore_table_t *t)
{
    for (uint32_t i = 0; i < t->pool.touched; i++)
        if (cps_pool_live(&t->pool, i))
            wipe(cps_oscore_table_at(t, i));
}

static cps_oscore_entry_t *fitting(const cps_oscore_table_t *t, const cps_oscopt_t *option, cps_map_walk_t *walk,
                                   uint32_t index)
{
    for (; index != CPS_NONE; index = cps_map_next(&t->map, walk)) {
        cps_oscore_entry_t *entry = cps_oscore_table_at(t, index);
        if (fits(entry, option))
            return entry;
    }
    return NULL;
}

cps_oscore_entry_t *cps_oscore_table_first(const cps_oscore_table_t *t, const cps_oscopt_t *option,
                                           cps_map_walk_t *walk)
{
    if (option->kid.len > CPS_OSCORE_ID_MAX)
        return NULL;
    uint64_t hash = key_hash(t, option->kid, option->has_kid_context ? &option->kid_context : NULL);
    return fitting(t, option, walk, cps_map_first(&t->map, hash, walk));
}

cps_oscore_entry_t *cps_oscore_table_next(const cps_oscore_table_t *t, const cps_oscopt_t *option, cps_map_walk_t *walk)
{
    return fitting(t, option, walk, cps_map_next(&t->map, walk));
}
