// SPDX-License-Identifier: Apache-2.0
/* The index that finds contexts, tokens and duplicates: a look-up among a thousand and among a million entries. */
#include "bench.h"

#include "base/map.h"

typedef struct lookup {
    cps_map_t map;
    uint8_t seed[16];
    uint32_t count;
    uint32_t chance;
    uint32_t found;
} lookup_t;

static uint64_t hash_of(const lookup_t *l, uint32_t key) { return cps_hash(l->seed, &key, sizeof key); }

static void look_up(void *state)
{
    lookup_t *l = state;
    cps_map_walk_t walk;
    l->chance = l->chance * 1664525U + 1013904223U;
    uint32_t key = (uint32_t)((uint64_t)l->chance * l->count >> 32U);
    for (uint32_t v = cps_map_first(&l->map, hash_of(l, key), &walk); v != CPS_NONE; v = cps_map_next(&l->map, &walk))
        l->found += v == key;
}

static int measure(const char *name, uint32_t count)
{
    lookup_t l = {.seed = {7}, .count = count};
    cps_arena_t sizing = cps_arena_measure();
    cps_map_init(&l.map, &sizing, count);
    void *memory = calloc(1, cps_arena_need(&sizing));
    if (memory == NULL)
        return 1;
    cps_arena_t arena = cps_arena(memory, cps_arena_need(&sizing));
    cps_map_init(&l.map, &arena, count);
    int failed = 0;
    for (uint32_t key = 0; key < count && failed == 0; key++)
        failed = cps_map_put(&l.map, hash_of(&l, key), key) != CPS_OK;
    if (failed == 0)
        bench_run(name, look_up, &l, 100000);
    failed |= l.found != BENCH_BATCHES * 100000U;
    free(memory);
    return failed;
}

int main(void) { return measure("look-up among 1,000", 1000) | measure("look-up among 1,000,000", 1000000); }
