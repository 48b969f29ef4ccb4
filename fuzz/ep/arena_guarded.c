// SPDX-License-Identifier: Apache-2.0
/* The arena of the endpoint under the fuzzer, instead of src/base/arena.c: between any two objects there is a gap that
 * the address sanitizer watches, so that one that runs over its end is seen although all share one block. */
#include "base/arena.h"

#include <sanitizer/asan_interface.h>

#define GAP CPS_ARENA_ALIGN

cps_arena_t cps_arena(void *memory, size_t size)
{
    uintptr_t skip = (CPS_ARENA_ALIGN - (uintptr_t)memory % CPS_ARENA_ALIGN) % CPS_ARENA_ALIGN;
    if (memory == NULL || size < skip)
        return (cps_arena_t){NULL, 0, 0, true};
    return (cps_arena_t){(uint8_t *)memory + skip, 0, size - skip, false};
}

cps_arena_t cps_arena_measure(void) { return (cps_arena_t){NULL, 0, SIZE_MAX, false}; }

void *cps_arena_take(cps_arena_t *a, size_t count, size_t size)
{
    if (size != 0 && count > (SIZE_MAX - CPS_ARENA_ALIGN - GAP) / size) {
        a->failed = true;
        return NULL;
    }
    size_t want = (count * size + CPS_ARENA_ALIGN - 1) / CPS_ARENA_ALIGN * CPS_ARENA_ALIGN + GAP;
    if (a->failed || want > a->size - a->used) {
        a->failed = true;
        return NULL;
    }
    uint8_t *place = a->start == NULL ? NULL : a->start + a->used;
    if (place != NULL)
        ASAN_POISON_MEMORY_REGION(place + count * size, want - count * size);
    a->used += want;
    return place;
}

size_t cps_arena_need(const cps_arena_t *a) { return a->used + CPS_ARENA_ALIGN; }
