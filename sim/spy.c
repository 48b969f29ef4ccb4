// SPDX-License-Identifier: Apache-2.0
#include "sim/spy.h"

#include "base/map.h"

#include <stdlib.h>

#define SLOTS ((size_t)2 * CPS_SPY_SEALS_MAX)

/* 64 bits of a pair: two pairs of one history share them by chance about once in 10^11 histories. */
static uint64_t fingerprint(const cps_aead_op_t *op)
{
    static const uint8_t seed[16] = "one key, a nonce";
    uint8_t pair[CPS_KEY_MAX + CPS_NONCE_MAX];
    memcpy(pair, op->key, op->aead->key_len);
    memcpy(pair + op->aead->key_len, op->nonce, op->aead->nonce_len);
    uint64_t print = cps_hash(seed, pair, (size_t)op->aead->key_len + op->aead->nonce_len);
    return print != 0 ? print : 1;
}

static void remember(cps_spy_t *spy, uint64_t print)
{
    size_t at = print % SLOTS;
    while (spy->seen[at] != 0 && spy->seen[at] != print)
        at = (at + 1) % SLOTS;
    spy->repeated |= spy->seen[at] == print;
    spy->seen[at] = print;
}

static cps_err_t spy_seal(void *state, const cps_aead_op_t *op, cps_bytes_t in, uint8_t *out)
{
    cps_spy_t *spy = state;
    spy->full |= spy->seals >= CPS_SPY_SEALS_MAX;
    if (!spy->full) {
        spy->seals++;
        remember(spy, fingerprint(op));
    }
    return spy->real->table->seal(spy->real->state, op, in, out);
}

static cps_err_t spy_open(void *state, const cps_aead_op_t *op, cps_bytes_t in, uint8_t *out)
{
    cps_spy_t *spy = state;
    return spy->real->table->open(spy->real->state, op, in, out);
}

static cps_err_t spy_hmac(void *state, cps_hash_alg_t hash, cps_bytes_t key, const cps_bytes_t *parts, size_t count,
                          uint8_t *out)
{
    cps_spy_t *spy = state;
    return spy->real->table->hmac(spy->real->state, hash, key, parts, count, out);
}

static cps_err_t spy_random(void *state, uint8_t *out, size_t len)
{
    cps_spy_t *spy = state;
    cps_rng_fill(&spy->rng, out, len);
    return CPS_OK;
}

cps_err_t cps_spy_init(cps_spy_t *spy, cps_crypto_t *real, cps_rng_t rng)
{
    static const cps_crypto_table_t table = {
        .name = "spy", .seal = spy_seal, .open = spy_open, .hmac = spy_hmac, .random = spy_random};
    *spy = (cps_spy_t){.crypto = {.table = &table, .state = spy}, .real = real, .rng = rng};
    spy->seen = calloc(SLOTS, sizeof *spy->seen);
    return spy->seen != NULL ? CPS_OK : CPS_ERR_MEMORY;
}

void cps_spy_fini(cps_spy_t *spy)
{
    free(spy->seen);
    spy->seen = NULL;
}
