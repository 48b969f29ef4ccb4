// SPDX-License-Identifier: Apache-2.0
#include "exch/stateless.h"

#define NUMBER_LEN 8U
#define TIME_LEN   8U
#define AAD_LEN    24U

void cps_stateless_init(cps_stateless_t *s, cps_rng_t *rng, uint64_t lifetime_us)
{
    memset(s, 0, sizeof *s);
    cps_rng_fill(rng, s->key, sizeof s->key);
    s->lifetime_us = lifetime_us;
}

/* The number is the nonce: none comes twice under a key of this process. */
static cps_aead_op_t operation(const cps_stateless_t *s, const cps_path_t *path, uint64_t number, uint8_t *nonce,
                               uint8_t *aad)
{
    const cps_aead_t *aead = cps_aead_find(10); /* AES-CCM-16-64-128 */
    memset(nonce, 0, CPS_NONCE_MAX);
    cps_put_be64(nonce + CPS_NONCE_MAX - NUMBER_LEN, number);
    memcpy(aad, path->remote.ip, sizeof path->remote.ip);
    cps_put_be32(aad + 16, path->remote.scope_id);
    cps_put_be16(aad + 20, path->remote.port);
    cps_put_be16(aad + 22, path->socket);
    return (cps_aead_op_t){aead, s->key, nonce, cps_bytes(aad, AAD_LEN)};
}

static uint64_t bit_of(uint64_t number) { return UINT64_C(1) << (number % 64); }

static uint64_t *word_of(cps_stateless_t *s, uint64_t number) { return &s->taken[number % CPS_STATELESS_WINDOW / 64]; }

cps_err_t cps_stateless_seal(cps_stateless_t *s, const cps_stateless_use_t *use, cps_bytes_t state,
                             uint8_t token[CPS_STATELESS_TOKEN], size_t *len)
{
    uint8_t plain[TIME_LEN + CPS_STATELESS_MAX];
    uint8_t nonce[CPS_NONCE_MAX];
    uint8_t aad[AAD_LEN];
    if (state.len > CPS_STATELESS_MAX)
        return CPS_ERR_TOO_LARGE;
    uint64_t number = s->next++; /* used up even where sealing fails */
    cps_put_be64(token, number);
    cps_put_be64(plain, use->now_us);
    cps_copy(plain + TIME_LEN, state.ptr, state.len);
    *word_of(s, number) &= ~bit_of(number); /* the place of the one that leaves the window */
    cps_aead_op_t op = operation(s, use->path, number, nonce, aad);
    *len = CPS_STATELESS_OVERHEAD + state.len;
    return use->crypto->table->seal(use->crypto->state, &op, cps_bytes(plain, TIME_LEN + state.len),
                                    token + NUMBER_LEN);
}

cps_err_t cps_stateless_open(cps_stateless_t *s, const cps_stateless_use_t *use, cps_bytes_t token,
                             cps_stateless_found_t *out)
{
    uint8_t plain[TIME_LEN + CPS_STATELESS_MAX];
    uint8_t nonce[CPS_NONCE_MAX];
    uint8_t aad[AAD_LEN];
    if (token.len < CPS_STATELESS_OVERHEAD || token.len > CPS_STATELESS_TOKEN)
        return CPS_ERR_DECRYPT;
    uint64_t number = (uint64_t)cps_be32(token.ptr) << 32U | cps_be32(token.ptr + 4);
    if (number >= s->next)
        return CPS_ERR_DECRYPT; /* cheaper than to try */
    cps_aead_op_t op = operation(s, use->path, number, nonce, aad);
    cps_bytes_t sealed = cps_bytes(token.ptr + NUMBER_LEN, token.len - NUMBER_LEN);
    cps_err_t err = use->crypto->table->open(use->crypto->state, &op, sealed, plain);
    if (err != CPS_OK)
        return CPS_ERR_DECRYPT;
    if (s->next - number > CPS_STATELESS_WINDOW || (*word_of(s, number) & bit_of(number)) != 0)
        return CPS_ERR_REPLAY; /* §3.1: taken once */
    out->made_us = (uint64_t)cps_be32(plain) << 32U | cps_be32(plain + 4);
    if (use->now_us - out->made_us >= s->lifetime_us)
        return CPS_ERR_NOT_FRESH;
    *word_of(s, number) |= bit_of(number);
    out->len = token.len - CPS_STATELESS_OVERHEAD;
    memcpy(out->state, plain + TIME_LEN, out->len);
    return CPS_OK;
}
