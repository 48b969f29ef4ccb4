// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include "base/chain.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/rng.h"

static void every_error_has_a_row(void **state)
{
    (void)state;
    for (int e = 0; e < CPS_ERR_COUNT; e++) {
        assert_non_null(cps_err_name((cps_err_t)e));
        assert_non_null(cps_err_text((cps_err_t)e));
        assert_int_equal(cps_err_exit((cps_err_t)e) == 0, e == 0);
        for (int other = 0; other < e; other++)
            assert_string_not_equal(cps_err_name((cps_err_t)e), cps_err_name((cps_err_t)other));
    }
}

static void reader_fails_once_and_stays_failed(void **state)
{
    (void)state;
    cps_reader_t r = cps_reader(hex("010203"));
    assert_int_equal(cps_read_u16(&r), 0x0102);
    assert_int_equal(cps_read_u16(&r), 0);
    assert_true(r.failed);
    assert_int_equal(cps_read_u8(&r), 0);
    assert_int_equal(cps_reader_left(&r), 0);
}

static void writer_writes_all_or_fails(void **state)
{
    (void)state;
    uint8_t buf[4];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_write_u16(&w, 0x0102);
    cps_write_u32(&w, 7);
    assert_err(CPS_ERR_NO_SPACE, cps_writer_err(&w));
    cps_write_u8(&w, 9);
    assert_bytes(hex("0102"), cps_written(&w));
}

static void hash_depends_on_all_its_input(void **state)
{
    (void)state;
    uint8_t seed[16];
    uint8_t data[8];
    for (uint8_t i = 0; i < 16; i++)
        seed[i] = i;
    for (uint8_t i = 0; i < 8; i++)
        data[i] = i;
    assert_true(cps_hash(seed, data, 8) == cps_hash(seed, data, 8));
    assert_true(cps_hash(seed, data, 8) != cps_hash(seed, data, 7));
    seed[15] ^= 1;
    uint64_t other = cps_hash(seed, data, 8);
    seed[15] ^= 1;
    assert_true(cps_hash(seed, data, 8) != other);
}

/* The map against a plain array, over a long random history with many equal hashes. */
static void map_agrees_with_a_model(void **state)
{
    (void)state;
    enum { LIMIT = 300, KEYS = 40 };
    static uint8_t memory[65536];
    cps_arena_t a = cps_arena(memory, sizeof memory);
    cps_map_t map;
    cps_map_init(&map, &a, LIMIT);
    uint64_t hash_of[LIMIT] = {0};
    bool in[LIMIT] = {false};
    uint32_t count = 0;
    cps_rng_seeded_t seeded;
    cps_rng_t rng = cps_rng_from_seed(&seeded, 1);
    for (int step = 0; step < 100000; step++) {
        uint32_t v = cps_rng_below(&rng, LIMIT);
        if (in[v]) {
            cps_map_remove(&map, hash_of[v], v);
            in[v] = false;
            count--;
        } else {
            hash_of[v] = (uint64_t)cps_rng_below(&rng, KEYS) * 0x123456789abcdU << 20U;
            assert_ok(cps_map_put(&map, hash_of[v], v));
            in[v] = true;
            count++;
        }
        assert_int_equal(map.used, count);
        uint32_t probe = cps_rng_below(&rng, LIMIT);
        bool found = false;
        cps_map_walk_t walk;
        for (uint32_t at = cps_map_first(&map, hash_of[probe], &walk); at != CPS_NONE; at = cps_map_next(&map, &walk))
            found |= at == probe;
        assert_int_equal(found, in[probe]);
    }
}

static void heap_fires_in_order_of_time_then_setting(void **state)
{
    (void)state;
    enum { LIMIT = 200 };
    static uint8_t memory[16384];
    cps_arena_t a = cps_arena(memory, sizeof memory);
    cps_heap_t heap;
    cps_heap_init(&heap, &a, LIMIT);
    cps_rng_seeded_t seeded;
    cps_rng_t rng = cps_rng_from_seed(&seeded, 2);
    uint64_t when[LIMIT];
    uint32_t set_at[LIMIT];
    for (uint32_t i = 0; i < 5000; i++) {
        uint32_t id = cps_rng_below(&rng, LIMIT);
        when[id] = cps_rng_below(&rng, 50);
        set_at[id] = i;
        cps_heap_set(&heap, id, when[id]);
    }
    cps_heap_clear(&heap, 7);
    assert_true(cps_heap_when(&heap, 7) == CPS_TIME_NEVER);
    uint32_t previous = CPS_NONE;
    uint32_t fired = 0;
    for (uint32_t id; (id = cps_heap_pop_due(&heap, 60)) != CPS_NONE; previous = id, fired++) {
        assert_int_not_equal(id, 7);
        if (previous != CPS_NONE) {
            assert_true(when[previous] <= when[id]);
            if (when[previous] == when[id])
                assert_true(set_at[previous] < set_at[id]);
        }
    }
    assert_int_equal(fired, LIMIT - 1);
}

static void pool_tells_stale_handles(void **state)
{
    (void)state;
    typedef struct {
        cps_pool_head_t head;
        int value;
    } thing_t;
    static uint8_t memory[4096];
    cps_arena_t a = cps_arena(memory, sizeof memory);
    cps_pool_t pool;
    cps_pool_init(&pool, &a, 2, sizeof(thing_t));
    thing_t *one = cps_pool_take(&pool);
    thing_t *two = cps_pool_take(&pool);
    assert_non_null(two);
    assert_null(cps_pool_take(&pool));
    uint64_t handle = cps_pool_handle(&pool, one);
    assert_ptr_equal(cps_pool_find(&pool, handle), one);
    one->value = 5;
    cps_pool_give(&pool, one);
    assert_null(cps_pool_find(&pool, handle));
    thing_t *again = cps_pool_take(&pool);
    assert_ptr_equal(again, one);
    assert_int_equal(again->value, 0);
    assert_null(cps_pool_find(&pool, handle));
    assert_null(cps_pool_find(&pool, 0));
}

static void chains_keep_their_bytes_and_their_budget(void **state)
{
    (void)state;
    static uint8_t memory[8192];
    cps_arena_t a = cps_arena(memory, sizeof memory);
    cps_chain_store_t store;
    cps_chain_init(&store, &a, 4096);
    uint8_t bytes[1000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    cps_chain_t chains[3];
    size_t lens[3] = {0, 60, 1000};
    for (int i = 0; i < 3; i++)
        assert_ok(cps_chain_put(&store, cps_bytes(bytes, lens[i]), &chains[i]));
    assert_int_equal(store.used, 0 + 1 + 17);
    for (int i = 0; i < 3; i++) {
        uint8_t back[1000] = {0};
        cps_chain_get(&store, &chains[i], back);
        assert_bytes(cps_bytes(bytes, lens[i]), cps_bytes(back, lens[i]));
    }
    cps_chain_t too_much;
    while (cps_chain_put(&store, cps_bytes(bytes, 1000), &too_much) == CPS_OK) {
    }
    uint32_t used = store.used;
    assert_err(CPS_ERR_FULL, cps_chain_put(&store, cps_bytes(bytes, 1000), &too_much));
    assert_int_equal(store.used, used);
    cps_chain_free(&store, &chains[2]);
    assert_ok(cps_chain_put(&store, cps_bytes(bytes, 1000), &too_much));
}

static void random_below_stays_below(void **state)
{
    (void)state;
    cps_rng_seeded_t seeded;
    cps_rng_t rng = cps_rng_from_seed(&seeded, 3);
    uint32_t counts[5] = {0};
    for (int i = 0; i < 50000; i++)
        counts[cps_rng_below(&rng, 5)]++;
    for (int i = 0; i < 5; i++)
        assert_in_range(counts[i], 9500, 10500);
    assert_int_equal(cps_rng_below(&rng, 0), 0);
}

static const cps_case_t cases[] = {
    {"", "every error has a row of its own", every_error_has_a_row},
    {"", "a reader fails once and stays failed", reader_fails_once_and_stays_failed},
    {"", "a writer writes all or fails", writer_writes_all_or_fails},
    {"", "hashes depend on seed, bytes and length", hash_depends_on_all_its_input},
    {"", "the map agrees with a model over a long history", map_agrees_with_a_model},
    {"", "timers fire in order of time, then of setting", heap_fires_in_order_of_time_then_setting},
    {"", "a pool tells stale handles", pool_tells_stale_handles},
    {"", "chains keep their bytes and their budget", chains_keep_their_bytes_and_their_budget},
    {"", "random numbers below a bound are below it and spread", random_below_stays_below},
};

CPS_RUN("base", cases)
