// SPDX-License-Identifier: Apache-2.0
/* An OSCORE security context (RFC 8613 §3): common, sender and recipient context in one object of under 300 bytes. */
#ifndef CPS_SEC_OSCORE_CTX_H
#define CPS_SEC_OSCORE_CTX_H

#include "crypto/provider.h"
#include "sec/oscore/seq.h"
#include "sec/oscore/window.h"
#include "wire/msg.h"
#include "wire/oscopt.h"

#define CPS_OSCORE_ID_MAX         7U  /* nonce length - 6 of the longest nonce (§3.3) */
#define CPS_OSCORE_ID_CONTEXT_MAX 48U /* of an ID Context kept in a context */
#define CPS_OSCORE_IDENTIFIER_LEN 16U

/** What a context is derived from (RFC 8613 §3.2). Views live for the call only. */
typedef struct cps_oscore_params {
    cps_bytes_t master_secret;
    cps_bytes_t master_salt; /**< default empty */
    cps_bytes_t id_context;
    bool has_id_context; /**< absent and empty give different keys (OSC-4) */
    cps_bytes_t sender_id;
    cps_bytes_t recipient_id;
    int32_t aead;        /**< COSE number; 0 means AES-CCM-16-64-128 */
    cps_hash_alg_t hash; /**< default SHA-256 */
    int window;          /**< replay window size, 0 to 64; negative means 32 */
    bool rederivable;    /**< keep what further contexts are derived from (appendix B.2) */
} cps_oscore_params_t;

/** What all contexts of one Master Secret and Salt are expanded from: the PRK of HKDF (§3.2.1). Wipe it with cps_wipe. */
typedef struct cps_oscore_prk {
    uint8_t bytes[CPS_HASH_MAX];
    uint8_t hash; /**< cps_hash_alg_t */
} cps_oscore_prk_t;

/** A context. Secrets in it are raw keys; wipe it with cps_oscore_ctx_fini. */
typedef struct cps_oscore_ctx {
    uint8_t sender_key[CPS_KEY_MAX];
    uint8_t recipient_key[CPS_KEY_MAX];
    uint8_t common_iv[CPS_NONCE_MAX];
    uint8_t aead; /**< cps_aead_place */
    uint8_t sender_id_len;
    uint8_t recipient_id_len;
    uint8_t id_context_len;
    bool has_id_context;
    bool wrapped; /**< requests carry the ID Context as a CBOR byte string (appendix B.2) */
    uint8_t
        told_len; /**< so many of its first bytes stand in responses, wrapped; 0: none (appendix B.2, response #1) */
    uint8_t sender_id[CPS_OSCORE_ID_MAX];
    uint8_t recipient_id[CPS_OSCORE_ID_MAX];
    uint8_t id_context[CPS_OSCORE_ID_CONTEXT_MAX];
    cps_oscore_seq_t seq;
    cps_oscore_window_t window;
} cps_oscore_ctx_t;

/**
 * Derive a context. Sequence state is not created here: `seq` has no number to give until a lease is granted, and
 * `window` is unknown until cps_oscore_window_restore (OPS-1).
 *
 * CPS_ERR_ALGORITHM; CPS_ERR_BAD_ID where the IDs are equal or one is longer than nonce length - 6 (§3.3);
 * CPS_ERR_ARGUMENT for another window size, an ID Context that is too long, or an empty secret.
 */
CPS_MUST_USE cps_err_t cps_oscore_ctx_init(cps_oscore_ctx_t *ctx, cps_crypto_t *crypto,
                                           const cps_oscore_params_t *params);

/** Extract what contexts of these parameters are expanded from. CPS_ERR_ARGUMENT for an empty secret, CPS_ERR_CRYPTO. */
CPS_MUST_USE cps_err_t cps_oscore_extract(cps_crypto_t *crypto, const cps_oscore_params_t *params,
                                          cps_oscore_prk_t *prk);

/** cps_oscore_ctx_init from there: secret, salt and hash of `params` do not count. */
CPS_MUST_USE cps_err_t cps_oscore_ctx_expand(cps_oscore_ctx_t *ctx, cps_crypto_t *crypto, const cps_oscore_prk_t *prk,
                                             const cps_oscore_params_t *params);

/** The parameters that a context was made with, without secret, salt and hash. Views live as long as `ctx`. */
cps_oscore_params_t cps_oscore_ctx_params(const cps_oscore_ctx_t *ctx);

/** Wipe all keys. */
void cps_oscore_ctx_fini(cps_oscore_ctx_t *ctx);

/**
 * The identifier under which sequence state is stored (OPS-2): 16 bytes by HKDF from Master Secret, Salt, ID Context,
 * Sender ID and algorithms, so that equal sender keys have equal identifiers; one way, so that it may be shown.
 * `window_id` is that plus the Recipient ID. The errors of cps_oscore_ctx_init.
 */
CPS_MUST_USE cps_err_t cps_oscore_identifier(cps_crypto_t *crypto, const cps_oscore_params_t *params,
                                             uint8_t state_id[CPS_OSCORE_IDENTIFIER_LEN],
                                             uint8_t window_id[CPS_OSCORE_IDENTIFIER_LEN]);

/** cps_oscore_identifier from there. */
CPS_MUST_USE cps_err_t cps_oscore_identifier_expand(cps_crypto_t *crypto, const cps_oscore_prk_t *prk,
                                                    const cps_oscore_params_t *params,
                                                    uint8_t state_id[CPS_OSCORE_IDENTIFIER_LEN],
                                                    uint8_t window_id[CPS_OSCORE_IDENTIFIER_LEN]);

/** info of §3.2.1 = [id, id_context / nil, alg_aead, type, L], for vectors. */
void cps_oscore_put_info(cps_writer_t *w, cps_bytes_t id, const cps_oscore_params_t *params, const char *type,
                         size_t len);

/** Nonce of §5.2 from the ID of the endpoint that made the Partial IV. */
void cps_oscore_nonce(const cps_oscore_ctx_t *ctx, cps_bytes_t piv_id, cps_bytes_t partial_iv,
                      uint8_t nonce[CPS_NONCE_MAX]);

/** Views of its IDs, which live as long as the context. */
static inline cps_bytes_t cps_oscore_sender_id(const cps_oscore_ctx_t *ctx)
{
    return cps_bytes(ctx->sender_id, ctx->sender_id_len);
}

/** The same for the other end's. */
static inline cps_bytes_t cps_oscore_recipient_id(const cps_oscore_ctx_t *ctx)
{
    return cps_bytes(ctx->recipient_id, ctx->recipient_id_len);
}

#endif /* CPS_SEC_OSCORE_CTX_H */
