// SPDX-License-Identifier: Apache-2.0
/* Random cases for the property tests: the same seed gives the same cases. CPS_SEED in the environment picks another
 * seed than 1; it is printed by every property. */
#ifndef CPS_TESTS_PROPS_GEN_H
#define CPS_TESTS_PROPS_GEN_H

#include "harness.h"

#include <stdlib.h>

#include "base/rng.h"

/** A source of random cases. */
typedef struct gen {
    cps_rng_t rng;
    cps_rng_seeded_t state;
} gen_t;

/** Start a property of so many cases: prints its seed. */
static inline void gen_init(gen_t *g, const char *property, unsigned cases)
{
    const char *text = getenv("CPS_SEED");
    uint64_t seed = text == NULL ? 1 : strtoull(text, NULL, 0);
    print_message("# %s: seed %llu, %u cases\n", property, (unsigned long long)seed, cases);
    g->rng = cps_rng_from_seed(&g->state, seed);
}

/** A number below `bound`. */
static inline uint32_t gen_below(gen_t *g, uint32_t bound) { return cps_rng_below(&g->rng, bound); }

/** True once in `n` times. */
static inline bool gen_one_in(gen_t *g, uint32_t n) { return gen_below(g, n) == 0; }

/** A length up to `max`: small ones most of the time, and often the ends of the heads of options and of CBOR. */
static inline size_t gen_len(gen_t *g, size_t max)
{
    static const uint16_t ends[] = {0, 1, 7, 8, 12, 13, 14, 23, 24, 255, 256, 268, 269, 270};
    size_t len = gen_below(g, 9);
    if (gen_one_in(g, 4))
        len = ends[gen_below(g, sizeof ends / sizeof ends[0])];
    return len > max ? max : len;
}

/** Fill with random bytes. */
static inline cps_bytes_t gen_bytes(gen_t *g, uint8_t *buf, size_t len)
{
    cps_rng_fill(&g->rng, buf, len);
    return cps_bytes(buf, len);
}

/** Fill with characters out of `alphabet`. */
static inline cps_bytes_t gen_text(gen_t *g, const char *alphabet, uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len; i++)
        buf[i] = (uint8_t)alphabet[gen_below(g, (uint32_t)strlen(alphabet))];
    return cps_bytes(buf, len);
}

/** Damage bytes in place once: change one or a bit of it, cut the rest off, take one out or put one in. */
static inline size_t gen_damage(gen_t *g, uint8_t *buf, size_t len, size_t cap)
{
    size_t at = gen_below(g, (uint32_t)len);
    size_t behind = len - at;
    switch (gen_below(g, len < cap ? 5 : 4)) {
    case 0:
        buf[at] = (uint8_t)gen_below(g, 256);
        return len;
    case 1:
        buf[at] ^= (uint8_t)(1U << gen_below(g, 8));
        return len;
    case 2:
        return at;
    case 3:
        memmove(buf + at, buf + at + 1, behind - 1);
        return len - 1;
    default:
        memmove(buf + at + 1, buf + at, behind);
        buf[at] = (uint8_t)gen_below(g, 256);
        return len + 1;
    }
}

/** Damage bytes in place up to three times; the new length, at most `cap`. */
static inline size_t gen_mutate(gen_t *g, uint8_t *buf, size_t len, size_t cap)
{
    for (uint32_t times = gen_below(g, 4); times > 0 && len > 0; times--)
        len = gen_damage(g, buf, len, cap);
    return len;
}

/** A copy that ends where its memory ends, so that a sanitizer sees every read past the end; to be freed. */
static inline uint8_t *gen_tight(cps_bytes_t b)
{
    uint8_t *copy = malloc(b.len + (b.len == 0));
    assert_non_null(copy);
    cps_copy(copy, b.ptr, b.len);
    return copy;
}

#endif /* CPS_TESTS_PROPS_GEN_H */
