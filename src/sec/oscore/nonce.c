// SPDX-License-Identifier: Apache-2.0
#include "sec/oscore/ctx.h"

/* RFC 8613 §5.2: the length of ID_PIV, ID_PIV padded on the left to nonce length - 6 bytes, the Partial IV padded on the
 * left to 5, all XOR Common IV. */
void cps_oscore_nonce(const cps_oscore_ctx_t *ctx, cps_bytes_t piv_id, cps_bytes_t partial_iv,
                      uint8_t nonce[CPS_NONCE_MAX])
{
    size_t len = cps_aead_at(ctx->aead)->nonce_len;
    memset(nonce, 0, CPS_NONCE_MAX);
    nonce[0] = (uint8_t)piv_id.len;
    cps_copy(nonce + len - CPS_PARTIAL_IV_MAX - piv_id.len, piv_id.ptr, piv_id.len);
    cps_copy(nonce + len - partial_iv.len, partial_iv.ptr, partial_iv.len);
    for (size_t i = 0; i < len; i++)
        nonce[i] ^= ctx->common_iv[i];
}
