// SPDX-License-Identifier: Apache-2.0
/* Protecting and unprotecting messages (RFC 8613 §8): pure transforms. A request leaves behind a binding, which its
 * responses need; an authenticated request leaves a receipt, without which no replay window changes. */
#ifndef CPS_SEC_OSCORE_PROTECT_H
#define CPS_SEC_OSCORE_PROTECT_H

#include "sec/oscore/ctx.h"

#define CPS_OSCORE_AAD_MAX 64U /* of the AAD of §5.4 */

/** What binds a response to its request (§5.4): request_kid and request_piv. Opaque to all but this room. */
typedef struct cps_oscore_binding {
    uint8_t kid[CPS_OSCORE_ID_MAX];
    uint8_t kid_len;
    uint8_t piv[CPS_PARTIAL_IV_MAX];
    uint8_t piv_len;
    bool nonce_used; /**< server: no response may go under the request's nonce: not accepted yet, or it was used
                        (OSC-65) */
} cps_oscore_binding_t;

/** What a call works with. The writers are the caller's; what they hold afterwards is secret and the caller's to wipe. */
typedef struct cps_oscore_work {
    cps_crypto_t *crypto;
    cps_writer_t *plaintext; /**< takes the plaintext (§5.3) */
    cps_writer_t *joined;    /**< takes the options of an unprotected message; NULL to protect */
} cps_oscore_work_t;

/** Proof that a request was authentic: made by cps_oscore_unprotect_request alone. */
typedef struct cps_oscore_receipt {
    uint64_t number; /**< its Partial IV */
    cps_oscore_binding_t binding;
} cps_oscore_receipt_t;

/** Instead of a number of our own: the nonce of the request (§8.3). */
#define CPS_OSCORE_REQUEST_NONCE UINT64_MAX

/**
 * Protect a request (§8.1) under a number taken from the sequence. The outer message goes to `out` whole, header to
 * payload: type, MID and token of `plain`, code POST (FETCH where Observe is in it), outer options, ciphertext. The
 * kid is always there, the kid context where the context has an ID Context. `binding` is what its responses need.
 * CPS_ERR_ARGUMENT where `plain` is no request, CPS_ERR_SEQ_EXHAUSTED for a number of 2^40 or more, CPS_ERR_NO_SPACE,
 * CPS_ERR_CRYPTO, and what cps_oscore_write_plaintext says; nothing is written to `out` then.
 */
CPS_MUST_USE cps_err_t cps_oscore_protect_request(const cps_oscore_ctx_t *ctx, const cps_oscore_work_t *work,
                                                  uint64_t number, const cps_msg_t *plain, cps_writer_t *out,
                                                  cps_oscore_binding_t *binding);

/**
 * Verify and decrypt a request (§8.2) whose option was decoded and whose context was found. The window is asked first
 * (a cheap refusal), but never changed here. `inner` views the writers of `work` and `outer`.
 * CPS_ERR_OSCORE_DECODE (no Partial IV, no kid, no payload, or no request inside), CPS_ERR_NO_CONTEXT where kid or kid
 * context are not this context's, CPS_ERR_REPLAY, CPS_ERR_DECRYPT, CPS_ERR_NO_SPACE. With an unknown window the message
 * is still decrypted, so that its Echo can be looked at: CPS_OK, and cps_oscore_accept will say.
 */
CPS_MUST_USE cps_err_t cps_oscore_unprotect_request(const cps_oscore_ctx_t *ctx, const cps_oscore_work_t *work,
                                                    const cps_msg_t *outer, const cps_oscopt_t *option,
                                                    cps_msg_t *inner, cps_oscore_receipt_t *receipt);

/**
 * Accept an authentic request: check and update the window as one step. CPS_ERR_REPLAY, CPS_ERR_WINDOW_UNKNOWN. Only
 * afterwards one response may go under the request's nonce: a request that is not accepted may be a copy of one that
 * was answered before (appendix B.1.2).
 */
CPS_MUST_USE cps_err_t cps_oscore_accept(cps_oscore_ctx_t *ctx, cps_oscore_receipt_t *receipt);

/** Accept one that proved itself fresh by Echo while the window was unknown (B.1.2). Where the window is known by now
 * it counts like any other: CPS_ERR_REPLAY. */
CPS_MUST_USE cps_err_t cps_oscore_accept_recovered(cps_oscore_ctx_t *ctx, cps_oscore_receipt_t *receipt);

/**
 * Protect a response (§8.3) under a number taken from the sequence, which goes into the option, or under
 * CPS_OSCORE_REQUEST_NONCE: CPS_ERR_ARGUMENT where the request was not accepted or its nonce was used before, or where
 * `plain` is no response. Outer code 2.04, or 2.05 where the response has Observe. Else as cps_oscore_protect_request.
 */
CPS_MUST_USE cps_err_t cps_oscore_protect_response(const cps_oscore_ctx_t *ctx, const cps_oscore_work_t *work,
                                                   uint64_t number, const cps_msg_t *plain, cps_writer_t *out,
                                                   cps_oscore_binding_t *binding);

/**
 * Verify and decrypt a response (§8.4). `number` (may be NULL) gets its own Partial IV, or CPS_OSCORE_REQUEST_NONCE.
 * CPS_ERR_UNPROTECTED where it has no OSCORE option, CPS_ERR_OSCORE_DECODE, CPS_ERR_NO_CONTEXT for a kid or kid context
 * that are not this context's, CPS_ERR_DECRYPT, CPS_ERR_NO_SPACE.
 */
CPS_MUST_USE cps_err_t cps_oscore_unprotect_response(const cps_oscore_ctx_t *ctx, const cps_oscore_work_t *work,
                                                     const cps_msg_t *outer, const cps_oscore_binding_t *binding,
                                                     cps_msg_t *inner, uint64_t *number);

/** aad_array of §5.4: [1, [alg_aead], request_kid, request_piv, options], for vectors. */
void cps_oscore_put_aad_array(cps_writer_t *w, const cps_oscore_ctx_t *ctx, const cps_oscore_binding_t *binding);

/** What the AEAD authenticates (§5.4): the Enc_structure around that array. */
void cps_oscore_put_aad(cps_writer_t *w, const cps_oscore_ctx_t *ctx, const cps_oscore_binding_t *binding);

#endif /* CPS_SEC_OSCORE_PROTECT_H */
