// SPDX-License-Identifier: Apache-2.0
/* HKDF (RFC 5869) on the provider's HMAC. */
#include "crypto/provider.h"

/* §2.2: an absent salt is hash_len zeros, which HMAC makes of an empty key by itself. */
cps_err_t cps_hkdf_extract(cps_crypto_t *crypto, cps_hash_alg_t hash, cps_bytes_t salt, cps_bytes_t secret,
                           uint8_t prk[CPS_HASH_MAX])
{
    return crypto->table->hmac(crypto->state, hash, salt, &secret, 1, prk);
}

/* §2.3: T(i) = HMAC(PRK, T(i - 1) | info | i), T(0) empty; the output is their first bytes. */
cps_err_t cps_hkdf_expand(cps_crypto_t *crypto, cps_hash_alg_t hash, const uint8_t *prk, cps_bytes_t info,
                          cps_writer_t *out)
{
    uint8_t block[CPS_HASH_MAX];
    size_t hash_len = cps_hash_len(hash);
    size_t block_len = 0;
    uint8_t *start = out->cur;
    size_t len = cps_writer_room(out);
    if (len > 255 * hash_len)
        return CPS_ERR_ARGUMENT;
    cps_err_t err = CPS_OK;
    for (uint8_t i = 1; err == CPS_OK && cps_writer_room(out) != 0; i++) {
        const cps_bytes_t parts[] = {cps_bytes(block, block_len), info, cps_bytes(&i, 1)};
        err = crypto->table->hmac(crypto->state, hash, cps_bytes(prk, hash_len), parts, 3, block);
        block_len = hash_len;
        size_t take = cps_writer_room(out) < block_len ? cps_writer_room(out) : block_len;
        if (err == CPS_OK)
            cps_write_bytes(out, cps_bytes(block, take));
    }
    cps_wipe(block, sizeof block);
    if (err != CPS_OK)
        cps_wipe(start, len);
    return err;
}

cps_err_t cps_hkdf(cps_crypto_t *crypto, cps_hash_alg_t hash, const cps_hkdf_in_t *in, uint8_t *out, size_t out_len)
{
    uint8_t prk[CPS_HASH_MAX];
    cps_writer_t w = cps_writer(out, out_len);
    cps_err_t err = cps_hkdf_extract(crypto, hash, in->salt, in->secret, prk);
    if (err == CPS_OK)
        err = cps_hkdf_expand(crypto, hash, prk, in->info, &w);
    else
        cps_wipe(out, out_len);
    cps_wipe(prk, sizeof prk);
    return err;
}
