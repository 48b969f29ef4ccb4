// SPDX-License-Identifier: Apache-2.0
#include "exch/echo.h"

#define TIME_LEN 4U
#define MAC_LEN  (CPS_ECHO_LEN - TIME_LEN)

/* The first bytes of HMAC-SHA-256 over the whole time (or a number of a mark), the purpose and the binding (RFC 9175 appendix A.2). The binding
 * comes last and the others have one length, so that no two inputs are the same bytes. */
static cps_err_t mac_of(const cps_echo_key_t *key, cps_crypto_t *crypto, uint64_t made_ms, const cps_echo_use_t *use,
                        uint8_t mac[MAC_LEN])
{
    uint8_t head[9];
    uint8_t whole[CPS_HASH_MAX];
    cps_put_be64(head, made_ms);
    head[8] = (uint8_t)use->purpose;
    const cps_bytes_t parts[] = {cps_bytes(head, sizeof head), use->binding};
    cps_err_t err =
        crypto->table->hmac(crypto->state, CPS_HASH_SHA256, cps_bytes(key->key, sizeof key->key), parts, 2, whole);
    if (err == CPS_OK)
        memcpy(mac, whole, MAC_LEN);
    cps_wipe(whole, sizeof whole);
    return err;
}

void cps_echo_key_draw(cps_echo_key_t *key, cps_rng_t *rng) { cps_rng_fill(rng, key->key, sizeof key->key); }

cps_err_t cps_echo_make(const cps_echo_key_t *key, cps_crypto_t *crypto, cps_time_us_t now_us,
                        const cps_echo_use_t *use, uint8_t out[CPS_ECHO_LEN])
{
    uint64_t now_ms = now_us / 1000;
    cps_put_be32(out, (uint32_t)now_ms);
    return mac_of(key, crypto, now_ms, use, out + TIME_LEN);
}

cps_err_t cps_echo_check(const cps_echo_key_t *key, cps_crypto_t *crypto, cps_time_us_t now_us,
                         const cps_echo_use_t *use, cps_bytes_t value, uint64_t *age_us)
{
    if (value.len != CPS_ECHO_LEN)
        return CPS_ERR_NOT_FRESH;
    /* The latest time not after now that has these low bits. One made before the last wrap had another, and its MAC
     * does not fit. */
    uint64_t now_ms = now_us / 1000;
    uint32_t age_ms = (uint32_t)now_ms - cps_be32(value.ptr);
    if (age_ms > now_ms)
        return CPS_ERR_NOT_FRESH;
    uint8_t mac[MAC_LEN];
    cps_err_t err = mac_of(key, crypto, now_ms - age_ms, use, mac);
    bool equal = err == CPS_OK && cps_bytes_equal_ct(cps_bytes(mac, MAC_LEN), cps_bytes(value.ptr + TIME_LEN, MAC_LEN));
    cps_wipe(mac, sizeof mac);
    if (!equal)
        return CPS_ERR_NOT_FRESH;
    *age_us = now_us - 1000 * (now_ms - age_ms);
    return CPS_OK;
}

cps_err_t cps_echo_mark(const cps_echo_key_t *key, cps_crypto_t *crypto, const cps_echo_use_t *use, uint64_t number,
                        uint8_t out[CPS_ECHO_MARK_LEN])
{
    cps_put_be64(out, number);
    return mac_of(key, crypto, number, use, out + 8);
}

bool cps_echo_is_mark(const cps_echo_key_t *key, cps_crypto_t *crypto, const cps_echo_use_t *use, cps_bytes_t value)
{
    uint8_t mac[MAC_LEN];
    if (value.len < CPS_ECHO_MARK_LEN)
        return false;
    uint64_t number = (uint64_t)cps_be32(value.ptr) << 32U | cps_be32(value.ptr + 4);
    bool equal = mac_of(key, crypto, number, use, mac) == CPS_OK &&
                 cps_bytes_equal_ct(cps_bytes(mac, MAC_LEN), cps_bytes(value.ptr + 8, MAC_LEN));
    cps_wipe(mac, sizeof mac);
    return equal;
}
