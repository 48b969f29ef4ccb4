// SPDX-License-Identifier: Apache-2.0
/* An index from a keyed 64-bit hash to numbers of objects. Keys stay in the objects: a look-up walks the candidates of
 * one hash and the caller compares. Open addressing with 8-byte slots at most three quarters full, so that a look-up reads about
 * one cache line; the hash is SipHash-1-3 under a secret seed, so that no peer can choose keys that collide. */
#ifndef CPS_BASE_MAP_H
#define CPS_BASE_MAP_H

#include "base/pool.h"

typedef struct cps_map {
    uint64_t *slots; /**< upper half: upper half of the hash; lower half: value + 1, or 0 for a free slot */
    uint32_t mask;
    uint32_t used;
    uint32_t limit;
} cps_map_t;

/** Where a walk over the candidates of one hash stands. */
typedef struct cps_map_walk {
    uint64_t hash;
    uint32_t slot;
} cps_map_walk_t;

/** SipHash-1-3 of `len` bytes at `data` under a 16-byte seed. */
uint64_t cps_hash(const uint8_t seed[16], const void *data, size_t len);

/** Room for `limit` entries, laid out in the arena. */
void cps_map_init(cps_map_t *m, cps_arena_t *a, uint32_t limit);

/** Add a value under a hash; CPS_ERR_FULL at the limit. Equal hashes and equal values may stand side by side. */
CPS_MUST_USE cps_err_t cps_map_put(cps_map_t *m, uint64_t hash, uint32_t value);

/** Remove that value under that hash; nothing happens where it is not there. */
void cps_map_remove(cps_map_t *m, uint64_t hash, uint32_t value);

/** The first candidate, or CPS_NONE. A candidate's key may still differ: compare it. */
uint32_t cps_map_first(const cps_map_t *m, uint64_t hash, cps_map_walk_t *walk);

/** The next candidate, or CPS_NONE. No put or remove in between. */
uint32_t cps_map_next(const cps_map_t *m, cps_map_walk_t *walk);

#endif /* CPS_BASE_MAP_H */
