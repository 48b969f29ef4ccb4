// SPDX-License-Identifier: Apache-2.0
#include "sec/oscore/protect.h"

#include "wire/cose.h"

void cps_oscore_put_aad_array(cps_writer_t *w, const cps_oscore_ctx_t *ctx, const cps_oscore_binding_t *binding)
{
    cps_cbor_put_array(w, 5);
    cps_cbor_put_uint(w, 1); /* oscore_version */
    cps_cbor_put_array(w, 1);
    cps_cbor_put_int(w, cps_aead_at(ctx->aead)->cose);
    cps_cbor_put_bstr(w, cps_bytes(binding->kid, binding->kid_len));
    cps_cbor_put_bstr(w, cps_bytes(binding->piv, binding->piv_len));
    cps_cbor_put_bstr(w, cps_bytes(NULL, 0)); /* class I options: there are none (§4.1) */
}

void cps_oscore_put_aad(cps_writer_t *w, const cps_oscore_ctx_t *ctx, const cps_oscore_binding_t *binding)
{
    uint8_t buf[CPS_OSCORE_AAD_MAX];
    cps_writer_t array = cps_writer(buf, sizeof buf);
    cps_oscore_put_aad_array(&array, ctx, binding);
    cps_cose_put_enc_structure(w, cps_written(&array));
}
