// SPDX-License-Identifier: Apache-2.0
#include "base/rng.h"

uint32_t cps_rng_u32(cps_rng_t *r)
{
    uint32_t v;
    cps_rng_fill(r, &v, sizeof v);
    return v;
}

uint32_t cps_rng_below(cps_rng_t *r, uint32_t bound)
{
    if (bound == 0)
        return 0;
    uint32_t reject_under = (0U - bound) % bound; /* 2^32 mod bound: below it one residue would come too often */
    for (;;) {
        uint32_t v = cps_rng_u32(r);
        if (v >= reject_under)
            return v % bound;
    }
}

static uint64_t rotate(uint64_t v, unsigned by) { return v << by | v >> (64U - by); }

static uint64_t seeded_next(cps_rng_seeded_t *g)
{
    uint64_t *s = g->s;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17U;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

static void seeded_fill(void *state, uint8_t *to, size_t len)
{
    while (len != 0) {
        uint64_t word = seeded_next(state);
        for (unsigned i = 0; i < 8 && len != 0; i++, len--)
            *to++ = (uint8_t)(word >> (8U * i));
    }
}

cps_rng_t cps_rng_from_seed(cps_rng_seeded_t *state, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++) { /* splitmix64 spreads the seed over the state */
        seed += 0x9e3779b97f4a7c15U;
        uint64_t z = (seed ^ seed >> 30U) * 0xbf58476d1ce4e5b9U;
        z = (z ^ z >> 27U) * 0x94d049bb133111ebU;
        state->s[i] = z ^ z >> 31U;
    }
    return (cps_rng_t){seeded_fill, state};
}
