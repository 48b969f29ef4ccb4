// SPDX-License-Identifier: Apache-2.0
/* The replay window against a model that remembers every number: all short histories, then long random ones. */
#include "harness.h"

#include "base/rng.h"
#include "sec/oscore/seq.h"
#include "sec/oscore/window.h"

enum { LONGEST = 256 };

/* What was accepted, as a list; `floor` is the number that recovery proved. */
typedef struct model {
    uint64_t accepted[LONGEST];
    size_t count;
    uint64_t floor;
    bool known;
    bool recovered;
} model_t;

static const unsigned sizes[] = {0, 1, 2, 32, 64};

static cps_err_t model_check(const model_t *m, unsigned size, uint64_t number)
{
    if (!m->known)
        return CPS_ERR_WINDOW_UNKNOWN;
    if (m->recovered && number <= m->floor)
        return CPS_ERR_REPLAY;
    for (size_t i = 0; i < m->count; i++) {
        uint64_t one = m->accepted[i];
        /* a window of n holds the largest number and the n - 1 below it; of none, only what rises is taken */
        bool left_of = size == 0 ? number < one : number + size <= one;
        if (number == one || left_of)
            return CPS_ERR_REPLAY;
    }
    return CPS_OK;
}

typedef struct pair {
    cps_oscore_window_t window;
    model_t model;
} pair_t;

static void pair_init(pair_t *p, unsigned size)
{
    cps_oscore_window_init(&p->window, size);
    p->model = (model_t){.known = true};
}

static void commit_both(pair_t *p, uint64_t number)
{
    cps_err_t expected = model_check(&p->model, p->window.size, number);
    cps_oscore_window_t before = p->window;
    assert_err(expected, cps_oscore_window_check(&p->window, number));
    assert_memory_equal(&before, &p->window, sizeof before);
    assert_err(expected, cps_oscore_window_commit(&p->window, number));
    if (expected == CPS_OK)
        p->model.accepted[p->model.count++] = number;
    else
        assert_memory_equal(&before, &p->window, sizeof before);
}

static void forget_both(pair_t *p)
{
    cps_oscore_window_forget(&p->window);
    p->model = (model_t){.known = false};
}

static void recover_both(pair_t *p, uint64_t number)
{
    cps_oscore_window_recover(&p->window, number);
    p->model = (model_t){.known = true, .recovered = true, .floor = number, .count = 1, .accepted = {number}};
}

static void save_and_restore(pair_t *p)
{
    if (!p->model.known)
        return;
    uint64_t next = p->window.next;
    uint64_t seen = p->window.seen;
    unsigned size = p->window.size;
    cps_oscore_window_init(&p->window, size);
    cps_oscore_window_forget(&p->window);
    cps_oscore_window_restore(&p->window, next, seen);
}

/* Numbers around the edges of every size, from the start on. */
static const uint64_t near[] = {0, 1, 2, 3, 31, 32, 33, 63, 64, 65, 66};
static const uint64_t dense[] = {0, 1, 2, 3, 4, 5};

typedef struct alphabet {
    const uint64_t *numbers;
    size_t count;
    bool crashes; /* forget, recover at any number, save and restore are steps too */
} alphabet_t;

static void walk(const pair_t *from, const alphabet_t *a, unsigned depth)
{
    if (depth == 0)
        return;
    pair_t p;
    for (size_t i = 0; i < a->count; i++) {
        p = *from;
        commit_both(&p, a->numbers[i]);
        walk(&p, a, depth - 1);
        if (!a->crashes)
            continue;
        p = *from;
        recover_both(&p, a->numbers[i]);
        walk(&p, a, depth - 1);
    }
    if (!a->crashes)
        return;
    p = *from;
    forget_both(&p);
    walk(&p, a, depth - 1);
    p = *from;
    save_and_restore(&p);
    walk(&p, a, depth - 1);
}

static void all_short_histories(const alphabet_t *a, unsigned depth)
{
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        pair_t p;
        pair_init(&p, sizes[i]);
        walk(&p, a, depth);
    }
}

static void dense_histories(void **state)
{
    (void)state;
    all_short_histories(&(alphabet_t){dense, sizeof dense / sizeof dense[0], false}, 6);
}

static void edge_histories(void **state)
{
    (void)state;
    all_short_histories(&(alphabet_t){near, sizeof near / sizeof near[0], false}, 4);
}

static void crash_histories(void **state)
{
    (void)state;
    all_short_histories(&(alphabet_t){dense, 4, true}, 4);
}

/* A walk that goes on in small steps, jumps far at times, and comes back to old numbers. */
static uint64_t wander(cps_rng_t *rng, uint64_t top)
{
    switch (cps_rng_below(rng, 8)) {
    case 0:
        return (top + cps_rng_below(rng, 200)) % CPS_SEQ_LIMIT;
    case 1:
        return (top + ((uint64_t)cps_rng_u32(rng) << cps_rng_below(rng, 8))) % CPS_SEQ_LIMIT;
    case 2:
        return top - (top < 100 ? top : cps_rng_below(rng, 100));
    case 3:
        return top == 0 ? 0 : cps_rng_u32(rng) % top;
    default:
        return top + 2 - (top < 70 ? 2 : cps_rng_below(rng, 70));
    }
}

static void random_histories(void **state)
{
    (void)state;
    cps_rng_seeded_t seeded;
    cps_rng_t rng = cps_rng_from_seed(&seeded, 3);
    for (unsigned round = 0; round < 2000; round++) {
        pair_t p;
        pair_init(&p, round < 1000 ? 32 : cps_rng_below(&rng, CPS_WINDOW_SIZE_MAX + 1));
        uint64_t top = 0;
        for (unsigned step = 0; step < LONGEST; step++) {
            uint64_t number = wander(&rng, top);
            commit_both(&p, number);
            if (number > top)
                top = number;
        }
    }
}

static void numbers_have_an_end(void **state)
{
    (void)state;
    pair_t p;
    pair_init(&p, 32);
    assert_err(CPS_ERR_REPLAY, cps_oscore_window_commit(&p.window, CPS_SEQ_LIMIT));
    assert_err(CPS_ERR_REPLAY, cps_oscore_window_commit(&p.window, UINT64_MAX));
    commit_both(&p, CPS_SEQ_LIMIT - 1);
    commit_both(&p, CPS_SEQ_LIMIT - 1);
    commit_both(&p, CPS_SEQ_LIMIT - 32);
    commit_both(&p, CPS_SEQ_LIMIT - 33);
}

static const cps_case_t cases[] = {
    {"", "all histories of 6 numbers below 6, for each size", dense_histories},
    {"", "all histories of 4 numbers around the edges, for each size", edge_histories},
    {"", "all histories of 4 with loss, recovery and restart among them", crash_histories},
    {"OSC-53", "random histories with large jumps: no number twice, none left of the window", random_histories},
    {"", "the largest number is taken, and none above", numbers_have_an_end},
};

CPS_RUN("replay window", cases)
