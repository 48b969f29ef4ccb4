// SPDX-License-Identifier: Apache-2.0
/* Timers: a heap of deadlines by object number. Equal deadlines fire in the order in which they were set, so that a run
 * from a seed is the same each time. An object has at most one timer in one heap. */
#ifndef CPS_BASE_HEAP_H
#define CPS_BASE_HEAP_H

#include "base/pool.h"

typedef struct cps_heap_node {
    cps_time_us_t when_us;
    uint32_t order; /**< tie-break: the count of settings */
    uint32_t id;
} cps_heap_node_t;

typedef struct cps_heap {
    cps_heap_node_t *nodes;
    uint32_t *place; /**< by id: place in `nodes` + 1, or 0 */
    uint32_t used;
    uint32_t limit;
    uint32_t settings;
} cps_heap_t;

/** Timers for objects 0 to limit - 1, laid out in the arena. */
void cps_heap_init(cps_heap_t *h, cps_arena_t *a, uint32_t limit);

/** Set or move the timer of an object. CPS_TIME_NEVER clears it. */
void cps_heap_set(cps_heap_t *h, uint32_t id, cps_time_us_t when_us);

/** Clear the timer of an object, if it has one. */
void cps_heap_clear(cps_heap_t *h, uint32_t id);

/** When the timer of an object fires; CPS_TIME_NEVER where it has none. */
cps_time_us_t cps_heap_when(const cps_heap_t *h, uint32_t id);

/** The earliest deadline, or CPS_TIME_NEVER. */
cps_time_us_t cps_heap_next(const cps_heap_t *h);

/** Take the earliest timer that is due at `now_us` off the heap; CPS_NONE where none is. */
uint32_t cps_heap_pop_due(cps_heap_t *h, cps_time_us_t now_us);

#endif /* CPS_BASE_HEAP_H */
