// SPDX-License-Identifier: Apache-2.0
#include "sec/oscore/ctx.h"

#include "wire/cbor.h"

#define AEAD_DEFAULT 10 /* AES-CCM-16-64-128 (RFC 8613 §3.2) */
#define PIV_AND_SIZE 6U /* what the nonce has besides the ID (§5.2) */

/* Longest info: head, ID, ID Context, algorithm, type and length, and what cps_oscore_identifier appends. */
#define INFO_MAX (64U + 2U * CPS_OSCORE_ID_MAX + CPS_OSCORE_ID_CONTEXT_MAX)

_Static_assert(sizeof(cps_oscore_ctx_t) <= 300, "a context stays small: a server may have a million");

static int32_t aead_of(const cps_oscore_params_t *params) { return params->aead != 0 ? params->aead : AEAD_DEFAULT; }

void cps_oscore_put_info(cps_writer_t *w, cps_bytes_t id, const cps_oscore_params_t *params, const char *type,
                         size_t len)
{
    cps_cbor_put_array(w, 5);
    cps_cbor_put_bstr(w, id);
    if (params->has_id_context)
        cps_cbor_put_bstr(w, params->id_context);
    else
        cps_cbor_put_null(w);
    cps_cbor_put_int(w, aead_of(params));
    cps_cbor_put_tstr(w, type);
    cps_cbor_put_uint(w, len);
}

static cps_err_t check(const cps_oscore_params_t *params, const cps_aead_t *aead)
{
    if (aead == NULL)
        return CPS_ERR_ALGORITHM;
    size_t id_max = aead->nonce_len - PIV_AND_SIZE; /* §3.3 */
    if (params->sender_id.len > id_max || params->recipient_id.len > id_max ||
        cps_bytes_equal(params->sender_id, params->recipient_id))
        return CPS_ERR_BAD_ID;
    if (params->window > (int)CPS_WINDOW_SIZE_MAX ||
        (params->has_id_context && params->id_context.len > CPS_OSCORE_ID_CONTEXT_MAX))
        return CPS_ERR_ARGUMENT;
    return CPS_OK;
}

cps_err_t cps_oscore_extract(cps_crypto_t *crypto, const cps_oscore_params_t *params, cps_oscore_prk_t *prk)
{
    if (params->master_secret.len == 0 || (unsigned)params->hash >= CPS_HASH_COUNT)
        return CPS_ERR_ARGUMENT;
    prk->hash = (uint8_t)params->hash;
    return cps_hkdf_extract(crypto, params->hash, params->master_salt, params->master_secret, prk->bytes);
}

/* §3.2.1: HKDF with `info`, from where the Master Secret is extracted. */
static cps_err_t expand(cps_crypto_t *crypto, const cps_oscore_prk_t *prk, const cps_writer_t *info, cps_writer_t *out)
{
    if (info->failed)
        return CPS_ERR_ARGUMENT;
    return cps_hkdf_expand(crypto, (cps_hash_alg_t)prk->hash, prk->bytes, cps_written(info), out);
}

/* What is derived: of whom, and as what. */
typedef struct part {
    const cps_oscore_params_t *params;
    cps_bytes_t id;
    const char *type;
} part_t;

static cps_err_t derive_part(cps_crypto_t *crypto, const cps_oscore_prk_t *prk, const part_t *part, cps_writer_t *out)
{
    uint8_t buf[INFO_MAX];
    cps_writer_t info = cps_writer(buf, sizeof buf);
    cps_oscore_put_info(&info, part->id, part->params, part->type, cps_writer_room(out));
    return expand(crypto, prk, &info, out);
}

static cps_err_t derive_keys(cps_oscore_ctx_t *ctx, cps_crypto_t *crypto, const cps_oscore_prk_t *prk,
                             const cps_oscore_params_t *params)
{
    const cps_aead_t *aead = cps_aead_at(ctx->aead);
    const part_t parts[] = {
        {params, params->sender_id, "Key"}, {params, params->recipient_id, "Key"}, {params, cps_bytes(NULL, 0), "IV"}};
    cps_writer_t out[] = {cps_writer(ctx->sender_key, aead->key_len), cps_writer(ctx->recipient_key, aead->key_len),
                          cps_writer(ctx->common_iv, aead->nonce_len)};
    cps_err_t err = CPS_OK;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && err == CPS_OK; i++)
        err = derive_part(crypto, prk, &parts[i], &out[i]);
    return err;
}

static void keep_ids(cps_oscore_ctx_t *ctx, const cps_oscore_params_t *params)
{
    ctx->sender_id_len = (uint8_t)params->sender_id.len;
    cps_copy(ctx->sender_id, params->sender_id.ptr, params->sender_id.len);
    ctx->recipient_id_len = (uint8_t)params->recipient_id.len;
    cps_copy(ctx->recipient_id, params->recipient_id.ptr, params->recipient_id.len);
    ctx->has_id_context = params->has_id_context;
    if (!params->has_id_context)
        return;
    ctx->id_context_len = (uint8_t)params->id_context.len;
    cps_copy(ctx->id_context, params->id_context.ptr, params->id_context.len);
}

cps_err_t cps_oscore_ctx_expand(cps_oscore_ctx_t *ctx, cps_crypto_t *crypto, const cps_oscore_prk_t *prk,
                                const cps_oscore_params_t *params)
{
    const cps_aead_t *aead = cps_aead_find(aead_of(params));
    memset(ctx, 0, sizeof *ctx);
    cps_err_t err = check(params, aead);
    if (err != CPS_OK)
        return err;
    ctx->aead = cps_aead_place(aead);
    keep_ids(ctx, params);
    cps_oscore_seq_lost(&ctx->seq);
    cps_oscore_window_init(&ctx->window, params->window < 0 ? CPS_WINDOW_SIZE_DEFAULT : (unsigned)params->window);
    cps_oscore_window_forget(&ctx->window);
    err = derive_keys(ctx, crypto, prk, params);
    if (err != CPS_OK)
        cps_oscore_ctx_fini(ctx);
    return err;
}

cps_err_t cps_oscore_ctx_init(cps_oscore_ctx_t *ctx, cps_crypto_t *crypto, const cps_oscore_params_t *params)
{
    cps_oscore_prk_t prk;
    memset(ctx, 0, sizeof *ctx);
    cps_err_t err = check(params, cps_aead_find(aead_of(params)));
    if (err == CPS_OK)
        err = cps_oscore_extract(crypto, params, &prk);
    if (err != CPS_OK)
        return err;
    err = cps_oscore_ctx_expand(ctx, crypto, &prk, params);
    cps_wipe(&prk, sizeof prk);
    return err;
}

cps_oscore_params_t cps_oscore_ctx_params(const cps_oscore_ctx_t *ctx)
{
    return (cps_oscore_params_t){.id_context = cps_bytes(ctx->id_context, ctx->id_context_len),
                                 .has_id_context = ctx->has_id_context,
                                 .sender_id = cps_oscore_sender_id(ctx),
                                 .recipient_id = cps_oscore_recipient_id(ctx),
                                 .aead = cps_aead_at(ctx->aead)->cose,
                                 .window = ctx->window.size};
}

void cps_oscore_ctx_fini(cps_oscore_ctx_t *ctx) { cps_wipe(ctx, sizeof *ctx); }

/* The same HKDF as the keys', with types of info that RFC 8613 does not have: equal keys, however they were written
 * down, have equal identifiers, and nothing of a key can be learned from them. */
cps_err_t cps_oscore_identifier_expand(cps_crypto_t *crypto, const cps_oscore_prk_t *prk,
                                       const cps_oscore_params_t *params, uint8_t state_id[CPS_OSCORE_IDENTIFIER_LEN],
                                       uint8_t window_id[CPS_OSCORE_IDENTIFIER_LEN])
{
    cps_err_t err = check(params, cps_aead_find(aead_of(params)));
    if (err != CPS_OK)
        return err;
    cps_writer_t state = cps_writer(state_id, CPS_OSCORE_IDENTIFIER_LEN);
    cps_writer_t window = cps_writer(window_id, CPS_OSCORE_IDENTIFIER_LEN);
    const part_t part = {params, params->sender_id, "coapsule state"};
    err = derive_part(crypto, prk, &part, &state);
    if (err != CPS_OK)
        return err;
    uint8_t buf[INFO_MAX];
    cps_writer_t info = cps_writer(buf, sizeof buf);
    cps_oscore_put_info(&info, params->sender_id, params, "coapsule window", CPS_OSCORE_IDENTIFIER_LEN);
    cps_cbor_put_bstr(&info, params->recipient_id);
    return expand(crypto, prk, &info, &window);
}

cps_err_t cps_oscore_identifier(cps_crypto_t *crypto, const cps_oscore_params_t *params,
                                uint8_t state_id[CPS_OSCORE_IDENTIFIER_LEN],
                                uint8_t window_id[CPS_OSCORE_IDENTIFIER_LEN])
{
    cps_oscore_prk_t prk;
    cps_err_t err = check(params, cps_aead_find(aead_of(params)));
    if (err == CPS_OK)
        err = cps_oscore_extract(crypto, params, &prk);
    if (err != CPS_OK)
        return err;
    err = cps_oscore_identifier_expand(crypto, &prk, params, state_id, window_id);
    cps_wipe(&prk, sizeof prk);
    return err;
}
