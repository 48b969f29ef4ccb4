// SPDX-License-Identifier: Apache-2.0
/* The injected source of random bytes. The host hands in the system's, the simulator one that runs from a seed. */
#ifndef CPS_BASE_RNG_H
#define CPS_BASE_RNG_H

#include "base/bytes.h"

/** Fills `len` bytes; never fails: a source that can fail ends the process rather than giving weak bytes. */
typedef struct cps_rng {
    void (*fill)(void *state, uint8_t *to, size_t len);
    void *state;
} cps_rng_t;

/** Fill `len` bytes at `to`. */
static inline void cps_rng_fill(cps_rng_t *r, void *to, size_t len) { r->fill(r->state, to, len); }

/** A random 32-bit number. */
uint32_t cps_rng_u32(cps_rng_t *r);

/** A random number below `bound`, without bias; 0 where bound is 0. */
uint32_t cps_rng_below(cps_rng_t *r, uint32_t bound);

/** State of the generator that runs from a seed (xoshiro256**); for the simulator and tests, never for keys. */
typedef struct cps_rng_seeded {
    uint64_t s[4];
} cps_rng_seeded_t;

/** A generator over `state`, which has to live as long as it: the same seed gives the same bytes. */
cps_rng_t cps_rng_from_seed(cps_rng_seeded_t *state, uint64_t seed);

#endif /* CPS_BASE_RNG_H */
