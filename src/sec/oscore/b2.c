// SPDX-License-Identifier: Apache-2.0
#include "sec/oscore/b2.h"

#include "wire/cbor.h"

cps_bytes_t cps_b2_wrap(cps_bytes_t id, uint8_t buf[CPS_B2_WRAPPED_MAX])
{
    cps_writer_t w = cps_writer(buf, CPS_B2_WRAPPED_MAX);
    cps_cbor_put_bstr(&w, id);
    return cps_written(&w);
}

bool cps_b2_unwrap(cps_bytes_t kid_context, cps_bytes_t *id)
{
    cps_cbor_item_t item;
    cps_reader_t r = cps_reader(kid_context);
    if (cps_cbor_expect(&r, CPS_CBOR_BSTR, &item) != CPS_OK || cps_reader_left(&r) != 0)
        return false;
    *id = item.bytes;
    return id->len != 0 && id->len <= CPS_OSCORE_ID_CONTEXT_MAX;
}

bool cps_b2_is_wrapped(cps_bytes_t kid_context, cps_bytes_t id)
{
    cps_bytes_t inside;
    return cps_b2_unwrap(kid_context, &inside) && cps_bytes_equal(inside, id);
}

cps_err_t cps_b2_derive(cps_crypto_t *crypto, const cps_oscore_prk_t *prk, const cps_oscore_ctx_t *base,
                        const cps_b2_id_t *id, cps_oscore_ctx_t *out)
{
    uint8_t id_context[CPS_OSCORE_ID_CONTEXT_MAX];
    cps_oscore_ctx_t ctx;
    cps_writer_t w = cps_writer(id_context, sizeof id_context);
    cps_write_bytes(&w, id->first);
    cps_write_bytes(&w, id->rest);
    cps_oscore_params_t params = cps_oscore_ctx_params(base);
    params.id_context = cps_written(&w);
    params.has_id_context = true;
    if (w.failed || params.id_context.len == 0)
        return CPS_ERR_ARGUMENT;
    cps_err_t err = cps_oscore_ctx_expand(&ctx, crypto, prk, &params);
    if (err != CPS_OK)
        return err;
    cps_oscore_window_restore(&ctx.window, 0, 0);
    cps_oscore_seq_restore(&ctx.seq, 0);
    cps_oscore_seq_granted(&ctx.seq, CPS_SEQ_LEASE_MIN);
    *out = ctx;
    cps_oscore_ctx_fini(&ctx);
    return CPS_OK;
}

void cps_b2_hand_over(const cps_oscore_ctx_t *first, cps_oscore_ctx_t *second)
{
    memcpy(second->common_iv, first->common_iv, sizeof second->common_iv);
}

cps_err_t cps_b2_second(cps_crypto_t *crypto, const cps_oscore_prk_t *prk, const cps_oscore_ctx_t *first,
                        cps_bytes_t r2, cps_oscore_ctx_t *out)
{
    const cps_b2_id_t id = {r2, cps_bytes(first->id_context, first->id_context_len)};
    cps_err_t err = cps_b2_derive(crypto, prk, first, &id, out);
    if (err == CPS_OK)
        out->told_len = (uint8_t)r2.len;
    return err;
}
