// SPDX-License-Identifier: Apache-2.0
/* Deriving a context anew by nonces in the ID Context (RFC 8613 appendix B.2): the pure part. The steps, with ID1 = R1,
 * ID2 = R2 || ID1 and ID3 = R2 || R3, are taken in ep/rekey*.c.
 *
 * Response #1 is sealed with the keys of ID2. Without a Partial IV of its own it goes under the nonce of request #1 (§8.3
 * step 3), which was made with the Common IV of ID1: that is what other implementations send, and what is sent here.
 * The vectors take the Common IV of ID2; that is understood as well (docs/adr/0012-rederivation.md). */
#ifndef CPS_SEC_OSCORE_B2_H
#define CPS_SEC_OSCORE_B2_H

#include "sec/oscore/ctx.h"

#define CPS_B2_NONCE_LEN   8U                               /* of the nonces drawn here */
#define CPS_B2_WRAPPED_MAX (2U + CPS_OSCORE_ID_CONTEXT_MAX) /* an ID Context as a CBOR byte string */

/** `id` as a CBOR byte string, in `buf`; at most CPS_OSCORE_ID_CONTEXT_MAX bytes. */
cps_bytes_t cps_b2_wrap(cps_bytes_t id, uint8_t buf[CPS_B2_WRAPPED_MAX]);

/** What a kid context wraps: false where it is not one CBOR byte string of 1 to CPS_OSCORE_ID_CONTEXT_MAX bytes. */
bool cps_b2_unwrap(cps_bytes_t kid_context, cps_bytes_t *id);

/** Whether a kid context wraps `id`. */
bool cps_b2_is_wrapped(cps_bytes_t kid_context, cps_bytes_t id);

/** An ID Context of two parts, e.g. R2 || R3. */
typedef struct cps_b2_id {
    cps_bytes_t first;
    cps_bytes_t rest; /**< may be empty */
} cps_b2_id_t;

/**
 * Derive the context of another ID Context: IDs, algorithm and size of window are those of `base`. Its window is known and
 * empty, since no key of it was ever used; its numbers are those of a first lease, which need no store as long as the
 * ID Context is in memory alone: when it is lost, so are the keys. `base` and `out` may be the same.
 * CPS_ERR_ARGUMENT for an ID Context that is empty or too long, CPS_ERR_CRYPTO.
 */
CPS_MUST_USE cps_err_t cps_b2_derive(cps_crypto_t *crypto, const cps_oscore_prk_t *prk, const cps_oscore_ctx_t *base,
                                     const cps_b2_id_t *id, cps_oscore_ctx_t *out);

/** Let `second` use the nonces of requests that were made under `first`. */
void cps_b2_hand_over(const cps_oscore_ctx_t *first, cps_oscore_ctx_t *second);

/** The second context, of R2 and the ID Context of `first`, for response #1: its responses tell R2. CPS_ERR_ARGUMENT,
 * CPS_ERR_CRYPTO. */
CPS_MUST_USE cps_err_t cps_b2_second(cps_crypto_t *crypto, const cps_oscore_prk_t *prk, const cps_oscore_ctx_t *first,
                                     cps_bytes_t r2, cps_oscore_ctx_t *out);

#endif /* CPS_SEC_OSCORE_B2_H */
