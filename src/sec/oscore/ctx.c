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
    if (params->master_secret.len == 0 || params->window > (int)CPS_WINDOW_SIZE_MAX ||
        (unsigned)params->hash >= CPS_HASH_COUNT ||
        (params->has_id_context && params->id_context.len > CPS_OSCORE_ID_CONTEXT_MAX))
        return CPS_ERR_ARGUMENT;
    return CPS_OK;
}

/* §3.2.1: HKDF of the Master Secret with `info`. */
static cps_err_t derive(cps_crypto_t *crypto, const cps_oscore_params_t *params, const cps_writer_t *info, uint8_t *out,
                        size_t len)
{
    if (info->failed)
        return CPS_ERR_ARGUMENT;
    const cps_hkdf_in_t in = {params->master_salt, params->master_secret, cps_written(info)};
    return cps_hkdf(crypto, params->hash, &in, out, len);
}

static cps_err_t derive_part(cps_crypto_t *crypto, const cps_oscore_params_t *params, cps_bytes_t id, const char *type,
                             cps_writer_t *out)
{
    uint8_t buf[INFO_MAX];
    cps_writer_t info = cps_writer(buf, sizeof buf);
    cps_oscore_put_info(&info, id, params, type, cps_writer_room(out));
    return derive(crypto, params, &info, out->start, cps_writer_room(out));
}

static cps_err_t derive_keys(cps_oscore_ctx_t *ctx, cps_crypto_t *crypto, const cps_oscore_params_t *params,
                             const cps_aead_t *aead)
{
    cps_writer_t sender = cps_writer(ctx->sender_key, aead->key_len);
    cps_writer_t recipient = cps_writer(ctx->recipient_key, aead->key_len);
    cps_writer_t iv = cps_writer(ctx->common_iv, aead->nonce_len);
    cps_err_t err = derive_part(crypto, params, params->sender_id, "Key", &sender);
    if (err == CPS_OK)
        err = derive_part(crypto, params, params->recipient_id, "Key", &recipient);
    if (err == CPS_OK)
        err = derive_part(crypto, params, cps_bytes(NULL, 0), "IV", &iv);
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

cps_err_t cps_oscore_ctx_init(cps_oscore_ctx_t *ctx, cps_crypto_t *crypto, const cps_oscore_params_t *params)
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
    err = derive_keys(ctx, crypto, params, aead);
    if (err != CPS_OK)
        cps_oscore_ctx_fini(ctx);
    return err;
}

void cps_oscore_ctx_fini(cps_oscore_ctx_t *ctx) { cps_wipe(ctx, sizeof *ctx); }

/* The same HKDF as the keys', with types of info that RFC 8613 does not have: equal keys, however they were written
 * down, have equal identifiers, and nothing of a key can be learned from them. */
cps_err_t cps_oscore_identifier(cps_crypto_t *crypto, const cps_oscore_params_t *params,
                                uint8_t state_id[CPS_OSCORE_IDENTIFIER_LEN],
                                uint8_t window_id[CPS_OSCORE_IDENTIFIER_LEN])
{
    cps_err_t err = check(params, cps_aead_find(aead_of(params)));
    if (err != CPS_OK)
        return err;
    cps_writer_t state = cps_writer(state_id, CPS_OSCORE_IDENTIFIER_LEN);
    err = derive_part(crypto, params, params->sender_id, "coapsule state", &state);
    if (err != CPS_OK)
        return err;
    uint8_t buf[INFO_MAX];
    cps_writer_t info = cps_writer(buf, sizeof buf);
    cps_oscore_put_info(&info, params->sender_id, params, "coapsule window", CPS_OSCORE_IDENTIFIER_LEN);
    cps_cbor_put_bstr(&info, params->recipient_id);
    return derive(crypto, params, &info, window_id, CPS_OSCORE_IDENTIFIER_LEN);
}
