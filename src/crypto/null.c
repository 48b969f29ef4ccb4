// SPDX-License-Identifier: Apache-2.0
/* A provider that protects nothing, so that a fuzzer gets past authentication. Only the fuzzers and their tests bind it. */
#include "crypto/provider.h"

static cps_err_t null_seal(void *state, const cps_aead_op_t *op, cps_bytes_t in, uint8_t *out)
{
    (void)state;
    if (in.len != 0)
        memmove(out, in.ptr, in.len);
    memset(out + in.len, 0, op->aead->tag_len);
    return CPS_OK;
}

static cps_err_t null_open(void *state, const cps_aead_op_t *op, cps_bytes_t in, uint8_t *out)
{
    static const uint8_t zeros[CPS_TAG_MAX];
    (void)state;
    if (in.len < op->aead->tag_len)
        return CPS_ERR_DECRYPT;
    size_t len = in.len - op->aead->tag_len;
    if (memcmp(in.ptr + len, zeros, op->aead->tag_len) != 0)
        return CPS_ERR_DECRYPT;
    if (len != 0)
        memmove(out, in.ptr, len);
    return CPS_OK;
}

/* FNV-1a over key and parts, then one step of it a byte of output. */
static uint64_t mix(uint64_t h, cps_bytes_t bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        h = (h ^ bytes.ptr[i]) * 0x100000001b3U;
    return h;
}

static cps_err_t null_hmac(void *state, cps_hash_alg_t hash, cps_bytes_t key, const cps_bytes_t *parts, size_t count,
                           uint8_t *out)
{
    (void)state;
    uint64_t h = mix(0xcbf29ce484222325U, key);
    for (size_t i = 0; i < count; i++)
        h = mix(h, parts[i]);
    for (size_t i = 0; i < cps_hash_len(hash); i++) {
        h = mix(h, cps_bytes("", 1));
        out[i] = (uint8_t)(h >> 32U);
    }
    return CPS_OK;
}

static cps_err_t null_random(void *state, uint8_t *out, size_t len)
{
    (void)state;
    cps_rng_seeded_t seeded;
    cps_rng_t rng = cps_rng_from_seed(&seeded, 1);
    cps_rng_fill(&rng, out, len);
    return CPS_OK;
}

static const cps_crypto_table_t null_table = {"null", null_seal, null_open, null_hmac, null_random};

void cps_crypto_null_init(cps_crypto_t *out) { *out = (cps_crypto_t){&null_table, NULL}; }
