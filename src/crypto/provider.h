// SPDX-License-Identifier: Apache-2.0
/* Cryptographic primitives behind one table, by COSE algorithm number (RFC 9053). No primitive is implemented here:
 * openssl.c binds them to OpenSSL 3 libcrypto; null.c leaves authentication out, for fuzzing alone. */
#ifndef CPS_CRYPTO_PROVIDER_H
#define CPS_CRYPTO_PROVIDER_H

#include "base/bytes.h"
#include "base/rng.h"

#define CPS_KEY_MAX   32U
#define CPS_NONCE_MAX 13U
#define CPS_TAG_MAX   16U
#define CPS_HASH_MAX  64U

#define CPS_AEAD_COUNT 12U

/** An AEAD (RFC 9053 §4). */
typedef struct cps_aead {
    int16_t cose;     /**< COSE number */
    const char *name; /**< as in the registry, e.g. "AES-CCM-16-64-128" */
    uint8_t key_len;
    uint8_t nonce_len;
    uint8_t tag_len;
} cps_aead_t;

/** The AEADs: 1, 2, 3 (AES-GCM), 10 to 13 and 30 to 33 (AES-CCM), 24 (ChaCha20/Poly1305). All nonces have at least
 * 7 bytes and may be predictable (OSC-76). NULL for any other number. */
const cps_aead_t *cps_aead_find(int32_t cose);
const cps_aead_t *cps_aead_by_name(cps_bytes_t name);
const cps_aead_t *cps_aead_at(size_t place); /* NULL past the end */

/** Place of an AEAD in the table, so that a context keeps it in one byte. */
uint8_t cps_aead_place(const cps_aead_t *aead);

typedef enum cps_hash_alg { CPS_HASH_SHA256 = 0, CPS_HASH_SHA512 = 1, CPS_HASH_COUNT } cps_hash_alg_t;

/** Length of a hash in bytes, and its name ("sha256"). */
size_t cps_hash_len(cps_hash_alg_t hash);
const char *cps_hash_name(cps_hash_alg_t hash);
bool cps_hash_by_name(cps_bytes_t name, cps_hash_alg_t *out);

typedef struct cps_crypto cps_crypto_t;

/** What one AEAD call works on. */
typedef struct cps_aead_op {
    const cps_aead_t *aead;
    const uint8_t *key;   /**< aead->key_len bytes */
    const uint8_t *nonce; /**< aead->nonce_len bytes */
    cps_bytes_t aad;
} cps_aead_op_t;

/** The table a provider fills. `out` never overlaps `in`, unless it is the same place. */
typedef struct cps_crypto_table {
    const char *name;
    /** Encrypt `in` to `out`, which takes in.len + tag_len bytes. */
    cps_err_t (*seal)(void *state, const cps_aead_op_t *op, cps_bytes_t in, uint8_t *out);
    /** Verify and decrypt `in` (ciphertext and tag) to `out`, in.len - tag_len bytes. CPS_ERR_DECRYPT, and `out` holds
     * nothing of the plaintext, where it does not verify. */
    cps_err_t (*open)(void *state, const cps_aead_op_t *op, cps_bytes_t in, uint8_t *out);
    /** HMAC (RFC 2104) over the parts joined; `out` takes cps_hash_len bytes and may be one of the parts. */
    cps_err_t (*hmac)(void *state, cps_hash_alg_t hash, cps_bytes_t key, const cps_bytes_t *parts, size_t count,
                      uint8_t *out);
    /** Random bytes of the operating system's quality. */
    cps_err_t (*random)(void *state, uint8_t *out, size_t len);
} cps_crypto_table_t;

/** A provider with its state. Belongs to one thread. */
struct cps_crypto {
    const cps_crypto_table_t *table;
    void *state;
};

/**
 * Bind to OpenSSL. It keeps one EVP context an algorithm and direction and re-keys it, and draws random bytes 4 KiB at a
 * time, so that no call on the way of a message makes a system call. Not to be used on both sides of a fork: both would
 * give the same random bytes. CPS_ERR_MEMORY, CPS_ERR_CRYPTO where the library lacks an algorithm.
 */
CPS_MUST_USE cps_err_t cps_crypto_openssl_init(cps_crypto_t *out);

/** Wipe and free its state. Does nothing for a provider that is zero, or where init failed. */
void cps_crypto_openssl_fini(cps_crypto_t *crypto);

/** For fuzzing: seal copies and appends tag bytes 0, open accepts a tag of zeros, hmac is a fixed mix of its input, and
 * random bytes come from a fixed seed each call. It has no state. */
void cps_crypto_null_init(cps_crypto_t *out);

/** What HKDF makes keys from. The salt may be empty. */
typedef struct cps_hkdf_in {
    cps_bytes_t salt;
    cps_bytes_t secret;
    cps_bytes_t info;
} cps_hkdf_in_t;

/** HKDF (RFC 5869): extract with salt and secret, expand with info. CPS_ERR_ARGUMENT where out_len is above 255 hash
 * lengths, CPS_ERR_CRYPTO; `out` holds nothing of the key then. Built on hmac alone (kdf.c). */
CPS_MUST_USE cps_err_t cps_hkdf(cps_crypto_t *crypto, cps_hash_alg_t hash, const cps_hkdf_in_t *in, uint8_t *out,
                                size_t out_len);

/** The first half of HKDF: what further keys are expanded from, cps_hash_len bytes at `prk`. CPS_ERR_CRYPTO. */
CPS_MUST_USE cps_err_t cps_hkdf_extract(cps_crypto_t *crypto, cps_hash_alg_t hash, cps_bytes_t salt, cps_bytes_t secret,
                                        uint8_t prk[CPS_HASH_MAX]);

/** The second half: expand cps_hash_len bytes at `prk` with `info`, filling `out`. CPS_ERR_ARGUMENT where its room is above
 * 255 hash lengths, CPS_ERR_CRYPTO; `out` holds nothing of the key then. */
CPS_MUST_USE cps_err_t cps_hkdf_expand(cps_crypto_t *crypto, cps_hash_alg_t hash, const uint8_t *prk, cps_bytes_t info,
                                       cps_writer_t *out);

/** The provider's random bytes as an injected source, which uses `crypto` as long as it lives. Ends the process where
 * they fail, rather than going on. */
cps_rng_t cps_crypto_rng(cps_crypto_t *crypto);

#endif /* CPS_CRYPTO_PROVIDER_H */
