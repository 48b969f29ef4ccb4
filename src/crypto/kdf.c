// SPDX-License-Identifier: Apache-2.0
/* HKDF (RFC 5869) on the provider's HMAC. */
#include "crypto/provider.h"

/* §2.3: T(i) = HMAC(PRK, T(i - 1) | info | i), T(0) empty; the output is their first bytes. */
static cps_err_t expand(cps_crypto_t *crypto, cps_hash_alg_t hash, cps_bytes_t prk, cps_bytes_t info, cps_writer_t *out)
{
    uint8_t block[CPS_HASH_MAX];
    size_t block_len = 0;
    cps_err_t err = CPS_OK;
    for (uint8_t i = 1; err == CPS_OK && cps_writer_room(out) != 0; i++) {
        const cps_bytes_t parts[] = {cps_bytes(block, block_len), info, cps_bytes(&i, 1)};
        err = crypto->table->hmac(crypto->state, hash, prk, parts, 3, block);
        block_len = prk.len;
        size_t take = cps_writer_room(out) < block_len ? cps_writer_room(out) : block_len;
        if (err == CPS_OK)
            cps_write_bytes(out, cps_bytes(block, take));
    }
    cps_wipe(block, sizeof block);
    return err;
}

cps_err_t cps_hkdf(cps_crypto_t *crypto, cps_hash_alg_t hash, const cps_hkdf_in_t *in, uint8_t *out, size_t out_len)
{
    size_t hash_len = cps_hash_len(hash);
    if (out_len > 255 * hash_len)
        return CPS_ERR_ARGUMENT;
    uint8_t prk[CPS_HASH_MAX];
    /* §2.2: an absent salt is hash_len zeros, which HMAC makes of an empty key by itself. */
    cps_err_t err = crypto->table->hmac(crypto->state, hash, in->salt, &in->secret, 1, prk);
    cps_writer_t w = cps_writer(out, out_len);
    if (err == CPS_OK)
        err = expand(crypto, hash, cps_bytes(prk, hash_len), in->info, &w);
    cps_wipe(prk, sizeof prk);
    if (err != CPS_OK)
        cps_wipe(out, out_len);
    return err;
}
