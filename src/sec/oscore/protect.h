// SPDX-License-Identifier: Apache-2.0
/* Protecting and unprotecting messages (RFC 8613 §8): pure transforms. A request leaves behind a binding, which its
 * responses need; an authenticated request leaves a receipt, without which no replay window changes. */
#ifndef CPS_SEC_OSCORE_PROTECT_H
#define CPS_SEC_OSCORE_PROTECT_H

#include "sec/oscore/ctx.h"

/** What binds a response to its request (§5.4): request_kid and request_piv. Opaque to all but this room. */
typedef struct cps_oscore_binding {
    uint8_t kid[CPS_OSCORE_ID_MAX];
    uint8_t kid_len;
    uint8_t piv[CPS_PARTIAL_IV_MAX];
    uint8_t piv_len;
    bool nonce_used; /**< server: a response went out under the request's nonce (OSC-65) */
} cps_oscore_binding_t;

/** Proof that a request was authentic: made by cps_oscore_unprotect_request alone. */
typedef struct cps_oscore_receipt {
    uint64_t number;
} cps_oscore_receipt_t;

/**
 * Protect a request (§8.1) under a number taken from the sequence. The outer message goes to `out` whole, header to
 * payload: type, MID and token of `plain`, code POST (FETCH where Observe is in it), outer options, ciphertext. The
 * kid is always there, the kid context where the context has an ID Context. `scratch` takes the plaintext.
 */
CPS_MUST_USE cps_err_t cps_oscore_protect_request(cps_oscore_ctx_t *ctx, cps_crypto_t *crypto, uint64_t number,
                                                  const cps_msg_t *plain, cps_writer_t *scratch, cps_writer_t *out,
                                                  cps_oscore_binding_t *binding);

/**
 * Verify and decrypt a request (§8.2) whose option was decoded and whose context was found. The window is asked first
 * (a cheap refusal), but never changed here. `plaintext` takes the decrypted bytes, `joined` the options of `inner`.
 * CPS_ERR_OSCORE_DECODE (no Partial IV, no payload), CPS_ERR_REPLAY, CPS_ERR_DECRYPT. With an unknown window the
 * message is still decrypted, so that its Echo can be looked at: CPS_OK, and the commit will say.
 */
CPS_MUST_USE cps_err_t cps_oscore_unprotect_request(const cps_oscore_ctx_t *ctx, cps_crypto_t *crypto,
                                                    const cps_msg_t *outer, const cps_oscopt_t *option,
                                                    cps_writer_t *plaintext, cps_writer_t *joined, cps_msg_t *inner,
                                                    cps_oscore_binding_t *binding, cps_oscore_receipt_t *receipt);

/** Accept an authentic request: check and update the window as one step. CPS_ERR_REPLAY, CPS_ERR_WINDOW_UNKNOWN. */
CPS_MUST_USE cps_err_t cps_oscore_accept(cps_oscore_ctx_t *ctx, const cps_oscore_receipt_t *receipt);

/** Accept one that proved itself fresh while the window was unknown (B.1.2). */
void cps_oscore_accept_recovered(cps_oscore_ctx_t *ctx, const cps_oscore_receipt_t *receipt);

/** Which nonce a response goes under (§8.3). */
typedef enum cps_oscore_nonce_use {
    CPS_OSCORE_REQUEST_NONCE, /**< the request's: no Partial IV, at most once a request */
    CPS_OSCORE_OWN_NONCE      /**< a number of ours, in the option */
} cps_oscore_nonce_use_t;

/** Protect a response (§8.3). `number` counts for CPS_OSCORE_OWN_NONCE only. CPS_ERR_ARGUMENT where the request's nonce
 * was used before for another response. Outer code 2.04, or 2.05 where the response has Observe. */
CPS_MUST_USE cps_err_t cps_oscore_protect_response(cps_oscore_ctx_t *ctx, cps_crypto_t *crypto,
                                                   cps_oscore_binding_t *binding, cps_oscore_nonce_use_t use,
                                                   uint64_t number, const cps_msg_t *plain, cps_writer_t *scratch,
                                                   cps_writer_t *out);

/** Verify and decrypt a response (§8.4). `own_piv` (may be NULL) tells whether it has its own Partial IV, and `number`
 * which. CPS_ERR_OSCORE_DECODE, CPS_ERR_DECRYPT, CPS_ERR_UNPROTECTED where it has no OSCORE option. */
CPS_MUST_USE cps_err_t cps_oscore_unprotect_response(const cps_oscore_ctx_t *ctx, cps_crypto_t *crypto,
                                                     const cps_msg_t *outer, const cps_oscore_binding_t *binding,
                                                     cps_writer_t *plaintext, cps_writer_t *joined, cps_msg_t *inner,
                                                     bool *own_piv, uint64_t *number);

/** External AAD of §5.4, for vectors and for protect and unprotect. */
void cps_oscore_put_aad(cps_writer_t *w, const cps_oscore_ctx_t *ctx, const cps_oscore_binding_t *binding);

#endif /* CPS_SEC_OSCORE_PROTECT_H */
