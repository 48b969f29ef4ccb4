// SPDX-License-Identifier: Apache-2.0
/* Long random histories over both stores at once: they answer alike, and a sender that follows the rules of store.h
 * uses no number twice and accepts no number twice, through crashes, clean exits, removals and new names. */
#include "../unit/store_fixture.h"

#include "base/rng.h"

enum { STATES = 6, PEERS = 2, KEYS = STATES * PEERS, STEPS = 8000, SEED = 5 };

/* A context as its owner has it in memory. */
typedef struct life {
    bool owned;
    bool ready; /* a lease with invalidate came back since the lock or the save */
    uint64_t next;
    uint64_t ceiling;
    bool window_known;
    uint64_t window_next;
} life_t;

typedef struct world {
    box_t box;
    cps_store_t *mem;
    cps_store_t *sql;
    cps_rng_t rng;
    life_t lives[KEYS];
    bool there[KEYS];        /* the key stands in the stores */
    uint64_t sent[STATES];   /* every number below was used, or skipped for good */
    uint64_t accepted[KEYS]; /* likewise, of what was received */
    unsigned sends;
    unsigned clean_starts;
} world_t;

static cps_store_key_t key_at(uint32_t i) { return sample_key(i / PEERS, i % PEERS); }

/* Both stores have to say the same. */
#define BOTH(w, call, ...)                                                                                             \
    both_said((w)->mem->table->call((w)->mem, __VA_ARGS__), (w)->sql->table->call((w)->sql, __VA_ARGS__))

static cps_err_t both_said(cps_err_t mem, cps_err_t sql)
{
    assert_err(mem, sql);
    return sql;
}

static cps_err_t read_state(world_t *w, const cps_store_key_t *k, cps_store_state_t *out, uint64_t *ceiling)
{
    cps_store_state_t mem = {0};
    uint64_t mem_ceiling = 0;
    *out = (cps_store_state_t){0};
    *ceiling = 0;
    cps_err_t err = both_said(w->mem->table->state_get(w->mem, k, &mem, &mem_ceiling),
                              w->sql->table->state_get(w->sql, k, out, ceiling));
    assert_int_equal(mem.next, out->next);
    assert_int_equal(mem.window_known, out->window_known);
    assert_int_equal(mem.window_next, out->window_next);
    assert_int_equal(mem.window_seen, out->window_seen);
    assert_int_equal(mem_ceiling, *ceiling);
    return err;
}

/* The other key of the state is in use: leases and saves are its owner's. */
static bool sibling_owns(const world_t *w, uint32_t i)
{
    for (uint32_t j = 0; j < KEYS; j++)
        if (j != i && j / PEERS == i / PEERS && w->lives[j].owned)
            return true;
    return false;
}

static void do_add(world_t *w, uint32_t i)
{
    cps_store_key_t k = key_at(i);
    /* What is given may be far too low, and the window said to be new: the store has to know better. */
    cps_store_state_t at = {.next = cps_rng_below(&w->rng, 3) * cps_rng_below(&w->rng, 2000)};
    at.window_known = cps_rng_below(&w->rng, 2) == 0;
    cps_err_t err = BOTH(w, key_add, &k, &at);
    assert_int_equal(err == CPS_OK, !w->there[i]);
    w->there[i] = true;
}

static void do_lock(world_t *w, uint32_t i)
{
    cps_store_key_t k = key_at(i);
    cps_store_state_t at;
    uint64_t ceiling;
    int64_t pids[2];
    life_t *life = &w->lives[i];
    cps_err_t err = both_said(w->mem->table->lock(w->mem, &k, &pids[0]), w->sql->table->lock(w->sql, &k, &pids[1]));
    if (err != CPS_OK)
        return;
    assert_ok(read_state(w, &k, &at, &ceiling));
    assert_true(at.next >= w->sent[i / PEERS]);
    assert_true(ceiling >= at.next);
    assert_true(!at.window_known || at.window_next >= w->accepted[i]);
    w->clean_starts += at.window_known && at.window_next != 0;
    *life = (life_t){.owned = true, .next = at.next, .ceiling = at.next};
    life->window_known = at.window_known;
    life->window_next = at.window_next;
}

static void do_lease(world_t *w, uint32_t i)
{
    if (sibling_owns(w, i))
        return;
    cps_store_key_t k = key_at(i);
    life_t *life = &w->lives[i];
    uint64_t ceiling = cps_rng_below(&w->rng, 4) == 0 ? 0 : life->next + cps_rng_below(&w->rng, 100);
    bool all = cps_rng_below(&w->rng, 30) == 0;
    bool invalidate = !life->ready || cps_rng_below(&w->rng, 3) == 0;
    cps_store_lease_t mem = lease_of(&k, ceiling);
    cps_store_lease_t sql = mem;
    assert_ok(both_said(w->mem->table->lease(w->mem, &mem, 1, invalidate, all),
                        w->sql->table->lease(w->sql, &sql, 1, invalidate, all)));
    assert_err(mem.result, sql.result);
    if (!life->owned) {
        assert_true(sql.result != CPS_OK);
        return;
    }
    assert_ok(sql.result);
    life->ready = true;
    life->ceiling = ceiling > life->ceiling ? ceiling : life->ceiling;
}

static void do_traffic(world_t *w, uint32_t i)
{
    life_t *life = &w->lives[i];
    if (!life->owned || !life->ready)
        return;
    for (uint32_t n = cps_rng_below(&w->rng, 20); n != 0 && life->next < life->ceiling; n--) {
        assert_true(life->next >= w->sent[i / PEERS]);
        w->sent[i / PEERS] = ++life->next;
        w->sends++;
    }
    if (!life->window_known) { /* as Echo recovers it: the peer's numbers go on from where they are */
        life->window_known = true;
        life->window_next = w->accepted[i] + cps_rng_below(&w->rng, 5);
    }
    assert_true(life->window_next >= w->accepted[i]);
    life->window_next += cps_rng_below(&w->rng, 10);
    w->accepted[i] = life->window_next;
}

static void do_unlock(world_t *w, uint32_t i)
{
    cps_store_key_t k = key_at(i);
    if (!w->lives[i].owned)
        return;
    w->mem->table->unlock(w->mem, &k);
    w->sql->table->unlock(w->sql, &k);
    w->lives[i] = (life_t){0};
}

static void do_save(world_t *w, uint32_t i)
{
    if (sibling_owns(w, i))
        return;
    cps_store_key_t k = key_at(i);
    life_t *life = &w->lives[i];
    cps_store_closing_t c = closing_of(&k, life->next, life->window_next);
    c.window_known = life->window_known;
    cps_err_t err = BOTH(w, save, &c, 1);
    assert_true(life->owned || err != CPS_OK);
    life->ready = false;
    if (cps_rng_below(&w->rng, 2) == 0)
        do_unlock(w, i);
}

static void do_remove(world_t *w, uint32_t i)
{
    cps_store_key_t k = key_at(i);
    if (w->lives[i].owned)
        return;
    cps_err_t err = BOTH(w, key_remove, k.name);
    assert_int_equal(err == CPS_OK, w->there[i]);
    w->there[i] = false;
}

/* All owners go at once without a word; the SQLite store is opened anew. */
static void do_crash(world_t *w)
{
    for (uint32_t i = 0; i < KEYS; i++)
        do_unlock(w, i);
    w->sql->table->close(w->sql);
    w->sql = box_open(&w->box);
}

typedef void (*step_fn)(world_t *w, uint32_t i);

static const step_fn steps[] = {
    do_add,     do_add,     do_lock,    do_lock, do_lease,  do_lease,  do_lease,
    do_traffic, do_traffic, do_traffic, do_save, do_unlock, do_remove,
};

static void no_number_is_used_twice(void **state)
{
    (void)state;
    static world_t w;
    cps_rng_seeded_t seeded;
    w = (world_t){.rng = cps_rng_from_seed(&seeded, SEED)};
    print_message("# seed %d\n", SEED);
    box_make(&w.box);
    w.sql = box_open(&w.box);
    assert_ok(cps_store_mem_open(&w.mem));
    for (int n = 0; n < STEPS; n++) {
        if (cps_rng_below(&w.rng, 100) == 0)
            do_crash(&w);
        steps[cps_rng_below(&w.rng, sizeof steps / sizeof steps[0])](&w, cps_rng_below(&w.rng, KEYS));
    }
    assert_true(w.sends > 1000); /* the history did something */
    assert_true(w.clean_starts > 10);
    w.mem->table->close(w.mem);
    w.sql->table->close(w.sql);
    assert_ok(cps_store_check(w.box.path, NULL, NULL));
    box_drop(&w.box);
}

static const cps_case_t cases[] = {
    {"", "no number is used or accepted twice over a long history, on either store", no_number_is_used_twice},
};

CPS_RUN("store_model", cases)
