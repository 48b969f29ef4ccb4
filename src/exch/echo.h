// SPDX-License-Identifier: Apache-2.0
/* Echo values of this process (RFC 9175 appendix A.2): an integrity protected timestamp, for which no state is kept.
 * A value is 12 bytes: the low 32 bits of boot-time milliseconds, and 8 bytes of HMAC-SHA-256 over all 64 of them, the
 * purpose and what the value is bound to. Low bits that come round again fit no MAC, so that a wrap refuses. */
#ifndef CPS_EXCH_ECHO_H
#define CPS_EXCH_ECHO_H

#include "base/rng.h"
#include "crypto/provider.h"

#define CPS_ECHO_LEN 12U

/** The key of ECHO-29: drawn at process start, shared by its workers, in memory only. Wipe it with cps_wipe. */
typedef struct cps_echo_key {
    uint8_t key[32];
} cps_echo_key_t;

/** One made for one purpose is refused for the other (ECHO-5). */
typedef enum cps_echo_purpose {
    CPS_ECHO_INNER = 1, /**< the request is fresh; bound to the 16-byte identifier of an OSCORE context */
    CPS_ECHO_REKEY = 3, /**< a nonce of ours in RFC 8613 appendix B.2; bound as CPS_ECHO_INNER */
    CPS_ECHO_OUTER = 2  /**< the client can be reached there; bound to the bytes of its address and port (ECHO-17) */
} cps_echo_purpose_t;

/** What a value proves, and of what. */
typedef struct cps_echo_use {
    cps_echo_purpose_t purpose;
    cps_bytes_t binding;
} cps_echo_use_t;

/** Draw a key. After that no value made under an earlier key is taken. */
void cps_echo_key_draw(cps_echo_key_t *key, cps_rng_t *rng);

/** Make a value at `now_us` of the boot-time clock. CPS_ERR_CRYPTO. */
CPS_MUST_USE cps_err_t cps_echo_make(const cps_echo_key_t *key, cps_crypto_t *crypto, cps_time_us_t now_us,
                                     const cps_echo_use_t *use, uint8_t out[CPS_ECHO_LEN]);

/**
 * Check that a value is our own (ECHO-3) and tell its age, counted from the start of the millisecond in which it was
 * made; whether that is fresh enough is the caller's to say (ECHO-14: while the age is below the threshold).
 * CPS_ERR_NOT_FRESH: another length, key, purpose or binding, a flipped bit, or made 2^32 ms (49.7 days) ago or more.
 */
CPS_MUST_USE cps_err_t cps_echo_check(const cps_echo_key_t *key, cps_crypto_t *crypto, cps_time_us_t now_us,
                                      const cps_echo_use_t *use, cps_bytes_t value, uint64_t *age_us);

#define CPS_ECHO_MARK_LEN 16U

/** A random number with 8 bytes of MAC over it, the purpose and the binding: told as ours without state. CPS_ERR_CRYPTO. */
CPS_MUST_USE cps_err_t cps_echo_mark(const cps_echo_key_t *key, cps_crypto_t *crypto, const cps_echo_use_t *use,
                                     uint64_t number, uint8_t out[CPS_ECHO_MARK_LEN]);

/** Whether the first CPS_ECHO_MARK_LEN bytes of `value` were made so. */
bool cps_echo_is_mark(const cps_echo_key_t *key, cps_crypto_t *crypto, const cps_echo_use_t *use, cps_bytes_t value);

#endif /* CPS_EXCH_ECHO_H */
