// SPDX-License-Identifier: Apache-2.0
/* What a client knows of a request, carried by the request's token (RFC 8974 §3): sealed under a key of this process, so
 * that nobody reads or makes it; with the time, so that it ends; and with a number, so that it is taken once. */
#ifndef CPS_EXCH_STATELESS_H
#define CPS_EXCH_STATELESS_H

#include "crypto/provider.h"

#include <coapsule/types.h>

#define CPS_STATELESS_MAX      48U /* bytes of the caller's */
#define CPS_STATELESS_OVERHEAD 24U /* number, time and tag */
#define CPS_STATELESS_TOKEN    (CPS_STATELESS_MAX + CPS_STATELESS_OVERHEAD)
#define CPS_STATELESS_WINDOW   1024U /* answers to older tokens are not taken */

typedef struct cps_stateless {
    uint8_t key[16];
    uint64_t next;                             /**< number of the next token */
    uint64_t taken[CPS_STATELESS_WINDOW / 64]; /**< a bit for each number of the window */
    uint64_t lifetime_us;
} cps_stateless_t;

/** With a key from `rng`, and for how long tokens are good. */
void cps_stateless_init(cps_stateless_t *s, cps_rng_t *rng, uint64_t lifetime_us);

/** What a token is made for and found in. */
typedef struct cps_stateless_use {
    cps_crypto_t *crypto;
    cps_time_us_t now_us;
    const cps_path_t *path; /**< socket and remote address are bound to it */
} cps_stateless_use_t;

/** Make a token of `state` (at most CPS_STATELESS_MAX bytes): `*len` bytes at `token`. CPS_ERR_TOO_LARGE,
 * CPS_ERR_CRYPTO. */
CPS_MUST_USE cps_err_t cps_stateless_seal(cps_stateless_t *s, const cps_stateless_use_t *use, cps_bytes_t state,
                                          uint8_t token[CPS_STATELESS_TOKEN], size_t *len);

/** What a token was made of. */
typedef struct cps_stateless_found {
    uint8_t state[CPS_STATELESS_MAX];
    size_t len;
    cps_time_us_t made_us;
} cps_stateless_found_t;

/** Open a token, once. CPS_ERR_DECRYPT: not made here, or not for that path; CPS_ERR_REPLAY: taken before, or too many
 * were made since; CPS_ERR_NOT_FRESH: too old. Nothing changes where it fails. */
CPS_MUST_USE cps_err_t cps_stateless_open(cps_stateless_t *s, const cps_stateless_use_t *use, cps_bytes_t token,
                                          cps_stateless_found_t *out);

#endif /* CPS_EXCH_STATELESS_H */
