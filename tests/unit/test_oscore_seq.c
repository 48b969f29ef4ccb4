// SPDX-License-Identifier: Apache-2.0
/* Sequence numbers under leases, against what has to hold in every history: a store that grants, refuses or is slow, and
 * crashes anywhere. */
#include "harness.h"

#include "sec/oscore/seq.h"

/* The engine with its store. */
typedef struct world {
    cps_oscore_seq_t seq;
    uint64_t durable;   /* ceiling on disk */
    uint64_t asked;     /* ceiling asked for, 0: none */
    uint64_t lowest;    /* no number below it may be given any more */
    uint64_t used;      /* numbers given since the last grant began to count */
    uint64_t leased_to; /* the last lease and where it ends, as the rules say */
    uint64_t lease;
    cps_time_us_t now_us;
    cps_time_us_t asked_us;
} world_t;

static void start(world_t *w, uint64_t next)
{
    *w = (world_t){.durable = next, .lowest = next, .leased_to = next};
    cps_oscore_seq_restore(&w->seq, next);
}

static bool take(world_t *w)
{
    uint64_t number = UINT64_MAX;
    cps_err_t err = cps_oscore_seq_take(&w->seq, &number);
    if (err == CPS_OK) {
        assert_true(number >= w->lowest); /* never twice, crashes included */
        assert_true(number < w->durable); /* never above what is on disk */
        assert_true(number < CPS_SEQ_LIMIT);
        w->lowest = number + 1;
        return true;
    }
    assert_err(w->lowest < CPS_SEQ_LIMIT ? CPS_ERR_WAIT : CPS_ERR_SEQ_EXHAUSTED, err);
    assert_true(w->lowest == w->durable || w->lowest == CPS_SEQ_LIMIT); /* what was leased can be used whole */
    return false;
}

static void take_all(world_t *w)
{
    while (take(w)) {
    }
}

static uint64_t lease_by_the_rules(const world_t *w)
{
    if (w->lease == 0 || w->now_us - w->asked_us > CPS_SEQ_LEASE_FAST_US)
        return 64;
    return w->lease * 2 > 65536 ? 65536 : w->lease * 2;
}

static void ask(world_t *w)
{
    bool half_used = w->leased_to - w->lowest <= w->lease / 2;
    bool wants = w->asked == 0 && half_used && w->leased_to < CPS_SEQ_LIMIT;
    assert_int_equal(cps_oscore_seq_wants(&w->seq), wants);
    if (!wants)
        return;
    uint64_t expected = w->leased_to + lease_by_the_rules(w);
    w->asked = cps_oscore_seq_ask(&w->seq, w->now_us);
    w->asked_us = w->now_us;
    assert_true(w->asked == (expected < CPS_SEQ_LIMIT ? expected : CPS_SEQ_LIMIT));
    assert_false(cps_oscore_seq_wants(&w->seq)); /* one at a time */
}

static void grant(world_t *w)
{
    if (w->asked == 0)
        return;
    w->durable = w->asked;
    w->lease = w->asked - w->leased_to;
    w->leased_to = w->asked;
    w->asked = 0;
    cps_oscore_seq_granted(&w->seq, w->durable);
}

static void refuse(world_t *w)
{
    if (w->asked == 0)
        return;
    w->asked = 0;
    cps_oscore_seq_refused(&w->seq);
}

/* The store may have made the ceiling durable before the crash, or not: `late` says that it did. */
static void crash(world_t *w, bool late)
{
    uint64_t durable = late && w->asked != 0 ? w->asked : w->durable;
    cps_time_us_t now_us = w->now_us;
    uint64_t lowest = w->lowest;
    start(w, durable);
    assert_true(durable >= lowest); /* the first number after a start is above all sent before (OSC-77) */
    w->now_us = now_us;
}

enum { STEPS = 8 };

static void step(world_t *w, unsigned which)
{
    switch (which) {
    case 0:
        take(w);
        break;
    case 1:
        take_all(w);
        break;
    case 2:
        ask(w);
        break;
    case 3:
        grant(w);
        break;
    case 4:
        refuse(w);
        break;
    case 5:
        w->now_us += 2 * CPS_SEQ_LEASE_FAST_US;
        break;
    case 6:
        crash(w, false);
        break;
    default:
        crash(w, true);
        break;
    }
}

static void walk(const world_t *from, unsigned depth)
{
    for (unsigned i = 0; depth != 0 && i < STEPS; i++) {
        world_t w = *from;
        step(&w, i);
        walk(&w, depth - 1);
    }
}

static void all_short_histories(void **state)
{
    (void)state;
    static const uint64_t starts[] = {0, CPS_SEQ_LIMIT - 100, CPS_SEQ_LIMIT - 1, CPS_SEQ_LIMIT};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        world_t w;
        start(&w, starts[i]);
        walk(&w, 6);
    }
}

static void take_half(world_t *w)
{
    while (!cps_oscore_seq_wants(&w->seq))
        assert_true(take(w));
}

/* A million sends in 10 s with a store that answers at once, 2 s of silence, and on to the next lease. */
static void leases_double_while_asked_fast(void **state)
{
    (void)state;
    world_t w;
    start(&w, 0);
    uint64_t expected = 64;
    unsigned grants = 0;
    for (unsigned i = 0; i < 1000000; i++) {
        if (cps_oscore_seq_wants(&w.seq)) {
            ask(&w);
            grant(&w);
            assert_true(w.lease == expected);
            expected = expected < 65536 ? 2 * expected : 65536;
            grants++;
        }
        assert_true(take(&w));
        w.now_us += 10;
    }
    assert_true(grants >= 11 + 10); /* 64 to 65,536 are eleven sizes */
    w.now_us += 2 * CPS_SEQ_LEASE_FAST_US;
    take_half(&w);
    ask(&w);
    grant(&w);
    assert_true(w.lease == 64);
}

static void a_second_is_still_fast(void **state)
{
    (void)state;
    world_t w;
    start(&w, 0);
    ask(&w);
    grant(&w);
    take_half(&w);
    w.now_us += CPS_SEQ_LEASE_FAST_US;
    ask(&w);
    grant(&w);
    assert_true(w.lease == 128);
    take_half(&w);
    w.now_us += CPS_SEQ_LEASE_FAST_US + 1;
    ask(&w);
    grant(&w);
    assert_true(w.lease == 64);
}

static void refusals_do_not_grow_the_lease(void **state)
{
    (void)state;
    world_t w;
    start(&w, 0);
    for (unsigned i = 0; i < 20; i++) {
        ask(&w);
        refuse(&w);
    }
    ask(&w);
    grant(&w);
    assert_true(w.durable == 64);
}

static void lost_state_gives_nothing(void **state)
{
    (void)state;
    cps_oscore_seq_t seq;
    uint64_t number;
    cps_oscore_seq_lost(&seq);
    assert_false(cps_oscore_seq_wants(&seq));
    cps_oscore_seq_granted(&seq, 64);
    assert_err(CPS_ERR_STATE_LOST, cps_oscore_seq_take(&seq, &number));
    assert_false(cps_oscore_seq_wants(&seq));
}

static void old_answers_change_nothing(void **state)
{
    (void)state;
    world_t w;
    start(&w, 100);
    ask(&w);
    cps_oscore_seq_granted(&w.seq, 90);
    assert_false(take(&w));
    assert_true(cps_oscore_seq_wants(&w.seq)); /* it may ask again */
    cps_oscore_seq_granted(&w.seq, CPS_SEQ_LIMIT + 5);
    assert_true(w.seq.ceiling == CPS_SEQ_LIMIT);
    assert_false(cps_oscore_seq_wants(&w.seq));
}

static const cps_case_t cases[] = {
    {"", "all histories of 6 steps: no number twice, none above what is on disk", all_short_histories},
    {"OPS-12", "leases go from 64 to 65,536 while asked for fast, and back to 64", leases_double_while_asked_fast},
    {"", "one second is fast, more is not", a_second_is_still_fast},
    {"", "refused leases do not grow", refusals_do_not_grow_the_lease},
    {"", "without state nothing is ever given", lost_state_gives_nothing},
    {"", "a ceiling below the present one, or above all, does no harm", old_answers_change_nothing},
};

CPS_RUN("sequence", cases)
