// SPDX-License-Identifier: Apache-2.0
/* One block of memory given by the caller, handed out once from its start and never given back. A first pass with no
 * memory (`cps_arena_measure`) adds up what a second pass will take, so that size and layout have one source. */
#ifndef CPS_BASE_ARENA_H
#define CPS_BASE_ARENA_H

#include "base/bytes.h"

#define CPS_ARENA_ALIGN 64U /* a cache line, so that no two objects share one */

typedef struct cps_arena {
    uint8_t *start; /**< NULL while measuring */
    size_t used;
    size_t size;
    bool failed; /**< something did not fit */
} cps_arena_t;

/** An arena over `size` zeroed bytes at `memory` (any alignment). The pages of a large limit are then not touched
 * before they are used. */
cps_arena_t cps_arena(void *memory, size_t size);

/** An arena without memory, which only counts. */
cps_arena_t cps_arena_measure(void);

/** `count * size` of these zeroed bytes at a cache line; NULL while measuring, where they do not fit, or on overflow. */
void *cps_arena_take(cps_arena_t *a, size_t count, size_t size);

/** What the arena needs in all, with room to align its start. */
size_t cps_arena_need(const cps_arena_t *a);

#endif /* CPS_BASE_ARENA_H */
