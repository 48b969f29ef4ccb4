// SPDX-License-Identifier: Apache-2.0
/* The message layer's engines by themselves: parameters, Message IDs, timers, remembered exchanges. */
#include "harness.h"

#include "msg/amplify.h"
#include "msg/dedup.h"
#include "msg/retx.h"

#include <coapsule/core.h>

#define SECOND 1000000U

static const uint8_t seed[16] = {1, 2, 3};
static uint8_t memory[4 << 20];

static cps_path_t path_from(uint16_t port)
{
    return (cps_path_t){.remote = {.ip = {192, 0, 2, 1}, .port = port, .family = CPS_FAMILY_IPV4}};
}

static void derived_times_follow_from_the_parameters(void **state)
{
    (void)state;
    cps_transmission_t p = {0};
    cps_transmission_times_t t;
    assert_ok(cps_transmission_derive(&p, &t));
    assert_int_equal(p.ack_timeout_us, 2 * SECOND);
    assert_int_equal(p.ack_random_permille, 1500);
    assert_int_equal(p.max_retransmit, 4);
    assert_int_equal(p.nstart, 1);
    assert_int_equal(p.default_leisure_us, 5 * SECOND);
    assert_int_equal(p.probing_rate, 1);
    const uint64_t expected[] = {45, 93, 2, 202, 247, 145};
    const uint64_t actual[] = {t.max_transmit_span_us, t.max_transmit_wait_us, t.processing_delay_us,
                               t.max_rtt_us,           t.exchange_lifetime_us, t.non_lifetime_us};
    for (int i = 0; i < 6; i++)
        assert_int_equal(actual[i], expected[i] * SECOND);
    assert_int_equal(p.max_latency_us, 100 * (uint64_t)SECOND);

    cps_transmission_t slow = {
        .ack_timeout_us = 4 * SECOND, .ack_random_permille = 2000, .max_retransmit = 2, .max_latency_us = 10 * SECOND};
    assert_ok(cps_transmission_derive(&slow, &t));
    assert_int_equal(t.max_transmit_span_us, 24 * SECOND); /* 4 * 3 * 2 */
    assert_int_equal(t.max_transmit_wait_us, 56 * SECOND); /* 4 * 7 * 2 */
    assert_int_equal(t.max_rtt_us, 24 * SECOND);           /* 2 * 10 + 4 */
    assert_int_equal(t.exchange_lifetime_us, 48 * SECOND);
    assert_int_equal(t.non_lifetime_us, 34 * SECOND);
}

static void unsafe_parameters_are_refused(void **state)
{
    (void)state;
    cps_transmission_times_t t;
    cps_transmission_t factor = {.ack_random_permille = 900, .unsafe = true};
    assert_err(CPS_ERR_CONFIG, cps_transmission_derive(&factor, &t));
    cps_transmission_t fast = {.ack_timeout_us = SECOND / 2};
    assert_err(CPS_ERR_CONFIG, cps_transmission_derive(&fast, &t));
    fast.unsafe = true;
    assert_ok(cps_transmission_derive(&fast, &t));
    cps_transmission_t many = {.nstart = 2};
    assert_err(CPS_ERR_CONFIG, cps_transmission_derive(&many, &t));
    many.unsafe = true;
    assert_ok(cps_transmission_derive(&many, &t));
}

#define LIFETIME (247ULL * SECOND)

/* Take up to `count` Message IDs; each must not have been given for EXCHANGE_LIFETIME. Whether they ran out. */
static bool take_mids(const cps_peers_t *peers, cps_peer_t *peer, uint64_t now, uint32_t count, uint64_t *given_at)
{
    for (; count > 0; count--) {
        uint16_t mid;
        if (cps_peer_mid(peers, peer, now, &mid) != CPS_OK)
            return true;
        assert_true(given_at[mid] == 0 || now - given_at[mid] >= LIFETIME);
        given_at[mid] = now;
    }
    return false;
}

static void push_out(cps_peers_t *peers, uint64_t now)
{
    for (uint16_t other = 1; other < 5; other++) {
        cps_path_t elsewhere = path_from(other);
        (void)cps_peers_get(peers, now, &elsewhere);
    }
}

/* A model that remembers when each Message ID was given last, over bursts, idle times and forgotten peers. */
static void no_message_id_comes_twice_within_exchange_lifetime(void **state)
{
    (void)state;
    static uint64_t given_at[65536];
    memset(memory, 0, sizeof memory);
    cps_arena_t a = cps_arena(memory, sizeof memory);
    cps_peers_t peers;
    cps_peers_init(&peers, &a, 4, seed, LIFETIME);
    cps_rng_seeded_t seeded;
    cps_rng_t rng = cps_rng_from_seed(&seeded, 5);
    uint64_t now = 10 * LIFETIME;
    cps_path_t path = path_from(1000);
    unsigned busy = 0;
    for (int round = 0; round < 3000; round++) {
        cps_peer_t *peer = cps_peers_get(&peers, now, &path);
        assert_non_null(peer);
        busy += take_mids(&peers, peer, now, cps_rng_below(&rng, 300), given_at) ? 1U : 0U;
        now += cps_rng_below(&rng, SECOND);
        if (round % 50 == 0)
            push_out(&peers, now);
    }
    assert_true(peers.evicted > 10);
    assert_true(busy > 0);
}

static void message_ids_run_out_rather_than_repeat(void **state)
{
    (void)state;
    memset(memory, 0, sizeof memory);
    cps_arena_t a = cps_arena(memory, sizeof memory);
    cps_peers_t peers;
    cps_peers_init(&peers, &a, 4, seed, 247ULL * SECOND);
    cps_path_t path = path_from(1);
    cps_peer_t *peer = cps_peers_get(&peers, 0, &path);
    static bool given[65536];
    unsigned refused = 0;
    for (unsigned i = 0; i < 70000; i++) { /* in 200 s */
        uint16_t mid;
        if (cps_peer_mid(&peers, peer, (uint64_t)i * 200 * SECOND / 70000, &mid) != CPS_OK) {
            refused++;
            continue;
        }
        assert_false(given[mid]);
        given[mid] = true;
    }
    assert_true(refused > 0);
}

static void first_message_ids_are_spread(void **state)
{
    (void)state;
    memset(memory, 0, sizeof memory);
    cps_arena_t a = cps_arena(memory, sizeof memory);
    unsigned upper_half = 0;
    unsigned bits_seen = 0;
    for (unsigned start = 0; start < 100; start++) {
        uint8_t own_seed[16] = {(uint8_t)start, 77};
        cps_peers_t peers;
        cps_arena_t again = a;
        memset(memory, 0, 65536);
        cps_peers_init(&peers, &again, 2, own_seed, 247ULL * SECOND);
        cps_path_t path = path_from(1);
        uint16_t mid;
        assert_ok(cps_peer_mid(&peers, cps_peers_get(&peers, 0, &path), 0, &mid));
        upper_half += mid >= 32768 ? 1U : 0U;
        bits_seen |= mid;
    }
    assert_in_range(upper_half, 30, 70);
    assert_int_equal(bits_seen, 65535);
}

static void timeouts_are_random_then_doubled(void **state)
{
    (void)state;
    cps_transmission_t p = {0};
    cps_transmission_times_t times;
    assert_ok(cps_transmission_derive(&p, &times));
    memset(memory, 0, sizeof memory);
    cps_arena_t a = cps_arena(memory, sizeof memory);
    cps_retx_t r;
    cps_retx_init(&r, &a, 4, seed, times.max_transmit_span_us);
    cps_chain_store_t chains;
    cps_chain_init(&chains, &a, 1024);
    cps_rng_seeded_t seeded;
    cps_rng_t rng = cps_rng_from_seed(&seeded, 9);
    unsigned upper = 0;
    for (int run = 0; run < 1000; run++) {
        uint64_t start = 50 * SECOND;
        uint64_t first = cps_retx_first_timeout(&p, &rng);
        assert_in_range(first, 2 * SECOND, 3 * SECOND);
        upper += first > 2500000 ? 1U : 0U;
        cps_tx_t *tx = cps_retx_take(&r, 1, (uint16_t)run);
        cps_retx_start(&r, tx, start, first, p.max_retransmit);
        unsigned copies = 0;
        for (;;) {
            cps_tx_t *due = NULL;
            uint64_t when = cps_heap_next(&r.heap);
            assert_int_equal(cps_retx_pop(&r, when - 1, &due), CPS_RETX_NOTHING);
            cps_retx_due_t what = cps_retx_pop(&r, when, &due);
            assert_int_equal(when - start, first * ((2U << copies) - 1)); /* t, 3t, 7t, 15t, and 31t for the end */
            if (what == CPS_RETX_EXPIRED)
                break;
            copies++;
        }
        assert_int_equal(copies, 4);
        cps_retx_give(&r, tx, &chains);
    }
    assert_in_range(upper, 400, 600);
}

static void a_sleeping_sender_sends_no_burst_and_no_late_copy(void **state)
{
    (void)state;
    memset(memory, 0, sizeof memory);
    cps_arena_t a = cps_arena(memory, sizeof memory);
    cps_retx_t r;
    cps_retx_init(&r, &a, 4, seed, 45ULL * SECOND);
    cps_tx_t *due = NULL;
    cps_tx_t *tx = cps_retx_take(&r, 1, 1);
    cps_retx_start(&r, tx, 0, 2 * SECOND, 4);
    assert_int_equal(cps_retx_pop(&r, 2 * SECOND, &due), CPS_RETX_COPY);
    /* asleep from 3 s to 43 s: one copy on waking, the next at its doubled distance would be after the span */
    assert_int_equal(cps_retx_pop(&r, 43 * SECOND, &due), CPS_RETX_COPY);
    assert_int_equal(cps_retx_pop(&r, 43 * SECOND, &due), CPS_RETX_NOTHING);
    assert_true(cps_heap_next(&r.heap) >= 45 * (uint64_t)SECOND);
    assert_int_equal(cps_retx_pop(&r, cps_heap_next(&r.heap), &due), CPS_RETX_EXPIRED);
}

static void amplification_room_is_as_the_rule_says(void **state)
{
    (void)state;
    assert_int_equal(cps_amplify_room(4, 3), 198);
    assert_int_equal(cps_amplify_copies(198, 136), 1);
    assert_int_equal(cps_amplify_copies(198, 137), 0);
    assert_int_equal(cps_amplify_room(0, 3), 198);
    assert_int_equal(cps_amplify_room(20, 3), 246);
    assert_int_equal(cps_amplify_after(246, 4), 180);
    assert_int_equal(cps_amplify_after(60, 4), 0);
}

typedef struct dedup_rig {
    cps_peers_t peers;
    cps_dedup_t dedup;
    cps_peer_t *peer;
} dedup_rig_t;

static void dedup_rig(dedup_rig_t *rig, size_t budget)
{
    memset(memory, 0, sizeof memory);
    cps_arena_t a = cps_arena(memory, sizeof memory);
    cps_dedup_config_t config = {budget, 600, 145ULL * SECOND, 247ULL * SECOND};
    cps_peers_init(&rig->peers, &a, 8, seed, 247ULL * SECOND);
    cps_dedup_init(&rig->dedup, &a, &rig->peers, seed, &config);
    cps_path_t path = path_from(1);
    rig->peer = cps_peers_get(&rig->peers, 0, &path);
}

static cps_err_t insert(dedup_rig_t *rig, cps_time_us_t now, uint16_t mid, cps_dedup_class_t klass, bool con,
                        uint32_t *number)
{
    cps_dedup_message_t message = {rig->peer, mid, con, klass};
    return cps_dedup_insert(&rig->dedup, now, &message, number);
}

static void remembered_exchanges_expire(void **state)
{
    (void)state;
    dedup_rig_t rig;
    dedup_rig(&rig, 65536);
    uint32_t con;
    uint32_t non;
    assert_ok(insert(&rig, 0, 1, CPS_DEDUP_PLAIN_UNSAFE, true, &con));
    assert_ok(insert(&rig, 0, 2, CPS_DEDUP_PLAIN_UNSAFE, false, &non));
    cps_dedup_answer(&rig.dedup, con, hex("6044000102"));
    assert_int_equal(cps_dedup_find(&rig.dedup, 144ULL * SECOND, 0, 2), non);
    assert_int_equal(cps_dedup_find(&rig.dedup, 145ULL * SECOND, 0, 2), 0);
    assert_int_equal(cps_dedup_find(&rig.dedup, 246ULL * SECOND, 0, 1), con);
    assert_int_equal(cps_dedup_find(&rig.dedup, 247ULL * SECOND, 0, 1), 0);
    assert_int_equal(rig.dedup.blocks.used, 0);
    assert_int_equal(rig.peer->refs, 0);
    assert_int_equal(rig.dedup.reserved, 0);
}

static void classes_give_way_in_their_order(void **state)
{
    (void)state;
    dedup_rig_t rig;
    dedup_rig(&rig, 64 * 20);
    uint32_t n;
    for (uint16_t mid = 0; mid < 8; mid++)
        assert_ok(insert(&rig, mid, mid, CPS_DEDUP_SEALED, true, &n));
    for (uint16_t mid = 8; mid < 20; mid++)
        assert_ok(insert(&rig, mid, mid, CPS_DEDUP_PLAIN_SAFE, true, &n));
    /* 1 + 10 blocks promised for an answer of 600 bytes: plain safe ones go first, oldest first */
    assert_ok(insert(&rig, 20, 20, CPS_DEDUP_PLAIN_UNSAFE, true, &n));
    assert_int_equal(rig.dedup.evicted[CPS_DEDUP_PLAIN_SAFE], 11);
    assert_int_equal(rig.dedup.evicted[CPS_DEDUP_SEALED], 0);
    assert_int_equal(cps_dedup_find(&rig.dedup, 20, 0, 18), 0);
    assert_int_not_equal(cps_dedup_find(&rig.dedup, 20, 0, 19), 0);
    /* the promise is kept: others cannot take it */
    for (uint16_t mid = 21; mid < 40; mid++)
        assert_ok(insert(&rig, mid, mid, CPS_DEDUP_SEALED, true, &n));
    assert_int_equal(rig.dedup.evicted[CPS_DEDUP_PLAIN_SAFE], 12);
    assert_true(rig.dedup.evicted[CPS_DEDUP_SEALED] >= 18);
    uint8_t answer[600] = {0x60, 0x45};
    n = cps_dedup_find(&rig.dedup, 40, 0, 20);
    assert_int_not_equal(n, 0);
    cps_dedup_answer(&rig.dedup, n, cps_bytes(answer, sizeof answer));
    assert_int_equal(cps_dedup_at(&rig.dedup, n)->state, CPS_DEDUP_ANSWERED);
    /* a second plain unsafe one pushes the sealed ones out, but never the first */
    assert_err(CPS_ERR_FULL, insert(&rig, 41, 41, CPS_DEDUP_PLAIN_UNSAFE, true, &n));
    assert_int_not_equal(cps_dedup_find(&rig.dedup, 41, 0, 20), 0);
    assert_false(cps_dedup_evict(&rig.dedup));
}

static const cps_case_t cases[] = {
    {"MSG-43", "derived times follow from the parameters", derived_times_follow_from_the_parameters},
    {"", "unsafe parameters are refused", unsafe_parameters_are_refused},
    {"", "no Message ID comes twice within EXCHANGE_LIFETIME", no_message_id_comes_twice_within_exchange_lifetime},
    {"", "Message IDs run out rather than repeat", message_ids_run_out_rather_than_repeat},
    {"MSG-31", "first Message IDs are spread over 16 bits", first_message_ids_are_spread},
    {"", "timeouts are random, then doubled", timeouts_are_random_then_doubled},
    {"MSG-23", "a sleeping sender sends no burst and no late copy", a_sleeping_sender_sends_no_burst_and_no_late_copy},
    {"", "the room of amplification is as the rule says", amplification_room_is_as_the_rule_says},
    {"", "remembered exchanges expire", remembered_exchanges_expire},
    {"", "classes give way in their order", classes_give_way_in_their_order},
};

CPS_RUN("msg", cases)
