// SPDX-License-Identifier: Apache-2.0
/* The tables of algorithms, and the provider as a source of random bytes. */
#include "crypto/provider.h"

#include <stdlib.h>

/* RFC 9053 §4.1 (AES-GCM), §4.2 (AES-CCM), §4.3 (ChaCha20/Poly1305), in rising order of numbers. RFC 8613 §12.6 rules
 * out what needs unpredictable nonces or nonces of under 7 bytes: no such row. */
static const cps_aead_t aeads[] = {
    {1, "A128GCM", 16, 12, 16},
    {2, "A192GCM", 24, 12, 16},
    {3, "A256GCM", 32, 12, 16},
    {10, "AES-CCM-16-64-128", 16, 13, 8},
    {11, "AES-CCM-16-64-256", 32, 13, 8},
    {12, "AES-CCM-64-64-128", 16, 7, 8},
    {13, "AES-CCM-64-64-256", 32, 7, 8},
    {24, "ChaCha20/Poly1305", 32, 12, 16},
    {30, "AES-CCM-16-128-128", 16, 13, 16},
    {31, "AES-CCM-16-128-256", 32, 13, 16},
    {32, "AES-CCM-64-128-128", 16, 7, 16},
    {33, "AES-CCM-64-128-256", 32, 7, 16},
};

enum { AEAD_COUNT = sizeof aeads / sizeof aeads[0] };

_Static_assert((size_t)AEAD_COUNT == CPS_AEAD_COUNT, "the number of AEADs is known to providers");

const cps_aead_t *cps_aead_at(size_t place) { return place < AEAD_COUNT ? &aeads[place] : NULL; }

const cps_aead_t *cps_aead_find(int32_t cose)
{
    for (size_t i = 0; i < AEAD_COUNT; i++)
        if (aeads[i].cose == cose)
            return &aeads[i];
    return NULL;
}

const cps_aead_t *cps_aead_by_name(cps_bytes_t name)
{
    for (size_t i = 0; i < AEAD_COUNT; i++)
        if (cps_bytes_equal(cps_bytes_str(aeads[i].name), name))
            return &aeads[i];
    return NULL;
}

uint8_t cps_aead_place(const cps_aead_t *aead) { return (uint8_t)(aead - aeads); }

static const struct {
    const char *name;
    uint8_t len;
} hashes[CPS_HASH_COUNT] = {
    [CPS_HASH_SHA256] = {"sha256", 32},
    [CPS_HASH_SHA512] = {"sha512", 64},
};

size_t cps_hash_len(cps_hash_alg_t hash) { return hashes[hash].len; }

const char *cps_hash_name(cps_hash_alg_t hash) { return hashes[hash].name; }

bool cps_hash_by_name(cps_bytes_t name, cps_hash_alg_t *out)
{
    for (unsigned i = 0; i < CPS_HASH_COUNT; i++) {
        if (!cps_bytes_equal(cps_bytes_str(hashes[i].name), name))
            continue;
        *out = (cps_hash_alg_t)i;
        return true;
    }
    return false;
}

static void fill(void *state, uint8_t *to, size_t len)
{
    cps_crypto_t *crypto = state;
    if (crypto->table->random(crypto->state, to, len) != CPS_OK)
        abort(); /* tokens, keys and Echo values that can be guessed are worse than no process */
}

cps_rng_t cps_crypto_rng(cps_crypto_t *crypto) { return (cps_rng_t){fill, crypto}; }
