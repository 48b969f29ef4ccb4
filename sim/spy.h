// SPDX-License-Identifier: Apache-2.0
/* A provider that watches another: no (key, nonce) may be sealed under twice, whatever happens in between. */
#ifndef CPS_SIM_SPY_H
#define CPS_SIM_SPY_H

#include "crypto/provider.h"

#define CPS_SPY_SEALS_MAX 16384U

typedef struct cps_spy {
    cps_crypto_t crypto; /**< give this one to the endpoints */
    cps_crypto_t *real;
    cps_rng_t rng;  /**< what `random` gives */
    uint64_t *seen; /**< fingerprints of (key, nonce), open addressing */
    uint32_t seals;
    bool repeated; /**< a pair came twice */
    bool full;
} cps_spy_t;

/** Watch `real`, with random bytes from `rng`. CPS_ERR_MEMORY. The history lasts until cps_spy_fini. */
CPS_MUST_USE cps_err_t cps_spy_init(cps_spy_t *spy, cps_crypto_t *real, cps_rng_t rng);

/** Forget the history. */
void cps_spy_fini(cps_spy_t *spy);

#endif /* CPS_SIM_SPY_H */
