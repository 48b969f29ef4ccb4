// SPDX-License-Identifier: Apache-2.0
/* The provider on OpenSSL 3 libcrypto. Fetching an algorithm costs more than using it, so each is fetched once, and each
 * direction of each AEAD has an EVP context that every call re-keys. */
#include "crypto/provider.h"

#include <limits.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#define RANDOM_POOL 4096U

/* What libcrypto calls an AEAD of our table. CCM is told all lengths before it sees a byte, the others are not. */
static const struct {
    const char *name;
    int16_t cose;
    bool ccm;
} ciphers[CPS_AEAD_COUNT] = {
    {"AES-128-GCM", 1, false}, {"AES-192-GCM", 2, false}, {"AES-256-GCM", 3, false}, {"AES-128-CCM", 10, true},
    {"AES-256-CCM", 11, true}, {"AES-128-CCM", 12, true}, {"AES-256-CCM", 13, true}, {"ChaCha20-Poly1305", 24, false},
    {"AES-128-CCM", 30, true}, {"AES-256-CCM", 31, true}, {"AES-128-CCM", 32, true}, {"AES-256-CCM", 33, true},
};

typedef struct openssl {
    EVP_CIPHER_CTX *seal[CPS_AEAD_COUNT];
    EVP_CIPHER_CTX *open[CPS_AEAD_COUNT];
    EVP_MAC_CTX *hmac[CPS_HASH_COUNT];
    size_t random_left; /* bytes at the end of `random` that were not given yet */
    uint8_t random[RANDOM_POOL];
} openssl_t;

/* Errors that libcrypto queues for this thread are ours alone: around each use they are taken back to the mark, since the
 * caller may look at that queue for a use of its own. */

/* Feed the lengths (CCM), the AAD and the text; `out` gets what the cipher made of the text. */
static bool run(EVP_CIPHER_CTX *ctx, bool ccm, const cps_aead_op_t *op, cps_bytes_t text, uint8_t *out)
{
    static const uint8_t nothing[1];
    int len = 0;
    if (text.len > INT_MAX || op->aad.len > INT_MAX)
        return false;
    if (ccm && EVP_CipherUpdate(ctx, NULL, &len, NULL, (int)text.len) != 1)
        return false;
    if (op->aad.len != 0 && EVP_CipherUpdate(ctx, NULL, &len, op->aad.ptr, (int)op->aad.len) != 1)
        return false;
    /* CCM takes no text as an update of its own too: it is what makes or verifies the tag. */
    return EVP_CipherUpdate(ctx, out, &len, text.len != 0 ? text.ptr : nothing, (int)text.len) == 1 &&
           (size_t)len == text.len;
}

static cps_err_t openssl_seal(void *state, const cps_aead_op_t *op, cps_bytes_t in, uint8_t *out)
{
    openssl_t *o = state;
    uint8_t place = cps_aead_place(op->aead);
    EVP_CIPHER_CTX *ctx = o->seal[place];
    OSSL_PARAM tag[] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, out + in.len, op->aead->tag_len),
        OSSL_PARAM_construct_end(),
    };
    int rest = 0;
    ERR_set_mark();
    bool ok = EVP_EncryptInit_ex2(ctx, NULL, op->key, op->nonce, NULL) == 1 &&
              run(ctx, ciphers[place].ccm, op, in, out) && EVP_EncryptFinal_ex(ctx, out + in.len, &rest) == 1 &&
              EVP_CIPHER_CTX_get_params(ctx, tag) == 1;
    ERR_pop_to_mark();
    if (ok)
        return CPS_OK;
    cps_wipe(out, in.len + op->aead->tag_len);
    return CPS_ERR_CRYPTO;
}

static cps_err_t openssl_open(void *state, const cps_aead_op_t *op, cps_bytes_t in, uint8_t *out)
{
    openssl_t *o = state;
    uint8_t place = cps_aead_place(op->aead);
    EVP_CIPHER_CTX *ctx = o->open[place];
    if (in.len < op->aead->tag_len)
        return CPS_ERR_DECRYPT;
    cps_bytes_t text = cps_bytes(in.ptr, in.len - op->aead->tag_len);
    uint8_t tag[CPS_TAG_MAX];
    memcpy(tag, in.ptr + text.len, op->aead->tag_len);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, op->aead->tag_len),
        OSSL_PARAM_construct_end(),
    };
    int rest = 0;
    uint8_t none[EVP_MAX_BLOCK_LENGTH]; /* an AEAD leaves no rest, but wants a place for it */
    ERR_set_mark();
    bool ok = EVP_DecryptInit_ex2(ctx, NULL, op->key, op->nonce, params) == 1 &&
              run(ctx, ciphers[place].ccm, op, text, out) && EVP_DecryptFinal_ex(ctx, none, &rest) == 1;
    ERR_pop_to_mark();
    if (ok)
        return CPS_OK;
    cps_wipe(out, text.len); /* GCM and ChaCha20 decrypt before they verify */
    return CPS_ERR_DECRYPT;
}

static cps_err_t openssl_hmac(void *state, cps_hash_alg_t hash, cps_bytes_t key, const cps_bytes_t *parts, size_t count,
                              uint8_t *out)
{
    static const uint8_t zero[1]; /* HMAC pads a key with zeros: this is the empty one (NULL would mean the last key) */
    openssl_t *o = state;
    EVP_MAC_CTX *ctx = o->hmac[hash];
    cps_bytes_t used = key.len != 0 ? key : cps_bytes(zero, sizeof zero);
    bool ok = EVP_MAC_init(ctx, used.ptr, used.len, NULL) == 1;
    for (size_t i = 0; ok && i < count; i++)
        ok = parts[i].len == 0 || EVP_MAC_update(ctx, parts[i].ptr, parts[i].len) == 1;
    size_t len = 0;
    if (ok && EVP_MAC_final(ctx, out, &len, cps_hash_len(hash)) == 1 && len == cps_hash_len(hash))
        return CPS_OK;
    return CPS_ERR_CRYPTO;
}

static cps_err_t openssl_random(void *state, uint8_t *out, size_t len)
{
    openssl_t *o = state;
    while (len != 0) {
        if (o->random_left == 0) {
            if (RAND_bytes(o->random, (int)sizeof o->random) != 1)
                return CPS_ERR_CRYPTO;
            o->random_left = sizeof o->random;
        }
        size_t take = len < o->random_left ? len : o->random_left;
        uint8_t *from = o->random + sizeof o->random - o->random_left;
        memcpy(out, from, take);
        cps_wipe(from, take); /* what was given cannot be read here afterwards */
        o->random_left -= take;
        out += take;
        len -= take;
    }
    return CPS_OK;
}

static const cps_crypto_table_t openssl_table = {"openssl", openssl_seal, openssl_open, openssl_hmac, openssl_random};

/* Nonce and tag length are kept by the context over all re-keying. */
static EVP_CIPHER_CTX *cipher_new(const EVP_CIPHER *cipher, const cps_aead_t *aead, int encrypt)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL)
        return NULL;
    bool ok = EVP_CipherInit_ex2(ctx, cipher, NULL, NULL, encrypt, NULL) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, aead->nonce_len, NULL) == 1;
    if (ok && EVP_CIPHER_get_mode(cipher) == EVP_CIPH_CCM_MODE)
        ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, aead->tag_len, NULL) == 1;
    if (ok && EVP_CIPHER_CTX_get_key_length(ctx) == aead->key_len)
        return ctx;
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
}

static bool ciphers_new(openssl_t *o)
{
    for (size_t i = 0; i < CPS_AEAD_COUNT; i++) {
        const cps_aead_t *aead = cps_aead_at(i);
        EVP_CIPHER *cipher = aead->cose == ciphers[i].cose ? EVP_CIPHER_fetch(NULL, ciphers[i].name, NULL) : NULL;
        if (cipher == NULL)
            return false;
        o->seal[i] = cipher_new(cipher, aead, 1);
        o->open[i] = cipher_new(cipher, aead, 0);
        EVP_CIPHER_free(cipher);
        if (o->seal[i] == NULL || o->open[i] == NULL)
            return false;
    }
    return true;
}

static bool hmacs_new(openssl_t *o)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    bool ok = mac != NULL;
    for (unsigned i = 0; ok && i < CPS_HASH_COUNT; i++) {
        char name[8];
        size_t len = strlen(cps_hash_name((cps_hash_alg_t)i));
        memcpy(name, cps_hash_name((cps_hash_alg_t)i), len + 1);
        const OSSL_PARAM digest[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, len),
                                     OSSL_PARAM_construct_end()};
        o->hmac[i] = EVP_MAC_CTX_new(mac);
        ok = o->hmac[i] != NULL && EVP_MAC_CTX_set_params(o->hmac[i], digest) == 1;
    }
    EVP_MAC_free(mac);
    return ok;
}

cps_err_t cps_crypto_openssl_init(cps_crypto_t *out)
{
    *out = (cps_crypto_t){NULL, NULL};
    openssl_t *o = OPENSSL_zalloc(sizeof *o);
    if (o == NULL)
        return CPS_ERR_MEMORY;
    *out = (cps_crypto_t){&openssl_table, o};
    if (ciphers_new(o) && hmacs_new(o))
        return CPS_OK;
    cps_crypto_openssl_fini(out);
    return CPS_ERR_CRYPTO;
}

void cps_crypto_openssl_fini(cps_crypto_t *crypto)
{
    openssl_t *o = crypto->state;
    if (o == NULL)
        return;
    for (size_t i = 0; i < CPS_AEAD_COUNT; i++) {
        EVP_CIPHER_CTX_free(o->seal[i]);
        EVP_CIPHER_CTX_free(o->open[i]);
    }
    for (size_t i = 0; i < CPS_HASH_COUNT; i++)
        EVP_MAC_CTX_free(o->hmac[i]);
    OPENSSL_clear_free(o, sizeof *o);
    *crypto = (cps_crypto_t){NULL, NULL};
}
