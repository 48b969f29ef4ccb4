// SPDX-License-Identifier: Apache-2.0
/* The network in virtual time. */
#include "harness.h"

#include "sim/addr.h"
#include "sim/clock.h"
#include "sim/link.h"

#include <stdlib.h>

#define SEED 7U

typedef struct net {
    cps_simlink_t link;
    cps_rng_seeded_t state;
    void *memory;
} net_t;

static cps_addr_t addr(uint8_t host, uint16_t port)
{
    return (cps_addr_t){.ip = {10, 0, 0, host}, .port = port, .family = CPS_FAMILY_IPV4};
}

/* Node 0 is 10.0.0.1:1, node 1 all ports of 10.0.0.2. */
static net_t *net_new(uint64_t seed, const cps_simlink_quality_t *quality)
{
    cps_simlink_config_t config = {.nodes = 2, .addresses = 2, .queue = 4096, .slot_bytes = 64};
    net_t *net = calloc(1, sizeof *net);
    assert_non_null(net);
    cps_rng_t rng = cps_rng_from_seed(&net->state, seed);
    cps_arena_t arena = cps_arena_measure();
    cps_simlink_init(&net->link, &arena, &config, rng);
    size_t need = cps_arena_need(&arena);
    net->memory = calloc(1, need);
    arena = cps_arena(net->memory, need);
    cps_simlink_init(&net->link, &arena, &config, rng);
    assert_false(arena.failed);
    cps_addr_t first = addr(1, 1);
    cps_addr_t second = addr(2, 0);
    assert_ok(cps_simlink_attach(&net->link, 0, &first));
    assert_ok(cps_simlink_attach(&net->link, 1, &second));
    cps_simlink_set_all(&net->link, quality);
    return net;
}

static void net_free(net_t *net)
{
    free(net->memory);
    free(net);
}

static cps_err_t send_number(net_t *net, cps_time_us_t now_us, uint32_t number)
{
    uint8_t bytes[4];
    cps_addr_t from = addr(1, 1);
    cps_addr_t to = addr(2, 5683);
    cps_put_be32(bytes, number);
    return cps_simlink_send(&net->link, now_us, &from, &to, cps_bytes(bytes, sizeof bytes));
}

/* Take all that comes, in order; how many. */
static size_t drain(net_t *net, uint32_t *numbers, cps_time_us_t *times, size_t max)
{
    size_t count = 0;
    cps_datagram_t d;
    uint32_t node;
    cps_simclock_t clock = {0};
    while (cps_simlink_next(&net->link) != CPS_TIME_NEVER) {
        cps_simclock_to(&clock, cps_simlink_next(&net->link));
        while (cps_simlink_take(&net->link, clock.now_us, &d, &node)) {
            assert_true(count < max && d.bytes.len == 4);
            times[count] = clock.now_us;
            numbers[count++] = cps_be32(d.bytes.ptr);
        }
    }
    return count;
}

static void perfect_line(void **state)
{
    (void)state;
    cps_simlink_quality_t quality = {.delay_us = 500};
    net_t *net = net_new(SEED, &quality);
    cps_datagram_t d;
    uint32_t node = 9;
    assert_true(cps_simlink_next(&net->link) == CPS_TIME_NEVER);
    assert_ok(send_number(net, 1000, 7));
    assert_true(cps_simlink_next(&net->link) == 1500);
    assert_false(cps_simlink_take(&net->link, 1499, &d, &node));
    assert_true(cps_simlink_take(&net->link, 1500, &d, &node));
    cps_addr_t from = addr(1, 1);
    cps_addr_t to = addr(2, 5683);
    assert_int_equal(node, 1);
    assert_true(cps_simaddr_equal(&d.path.remote, &from));
    assert_true(cps_simaddr_equal(&d.path.local, &to));
    assert_bytes(hex("00000007"), d.bytes);
    assert_false(cps_simlink_take(&net->link, 9999, &d, &node));
    net_free(net);
}

/* Runs a rough line and returns a number that depends on every arrival and its time. */
static uint64_t fingerprint(uint64_t seed)
{
    enum { COUNT = 500 };
    cps_simlink_quality_t rough = {.loss_ppm = 200000,
                                   .duplicate_ppm = 100000,
                                   .reorder_ppm = 300000,
                                   .delay_us = 1000,
                                   .jitter_us = 700,
                                   .reorder_us = 5000};
    uint32_t numbers[2 * COUNT];
    cps_time_us_t times[2 * COUNT];
    net_t *net = net_new(seed, &rough);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_ok(send_number(net, i * 100U, i));
    size_t count = drain(net, numbers, times, 2 * COUNT);
    uint64_t mix = count;
    for (size_t i = 0; i < count; i++)
        mix = (mix ^ numbers[i] ^ times[i] << 20U) * 0x100000001b3U;
    net_free(net);
    return mix;
}

static void same_seed_same_run(void **state)
{
    (void)state;
    assert_true(fingerprint(SEED) == fingerprint(SEED));
    assert_true(fingerprint(SEED) != fingerprint(SEED + 1));
}

static void rates_are_as_set(void **state)
{
    (void)state;
    enum { COUNT = 4000, BATCH = 1000 };
    static uint32_t numbers[2 * BATCH];
    static cps_time_us_t times[2 * BATCH];
    cps_simlink_quality_t quality = {.loss_ppm = 100000, .duplicate_ppm = 250000, .reorder_ppm = 500000};
    net_t *net = net_new(SEED, &quality);
    size_t arrived = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_ok(send_number(net, i, i));
        if (i % BATCH == BATCH - 1)
            arrived += drain(net, numbers, times, 2 * BATCH);
    }
    const cps_simlink_stats_t *s = &net->link.stats;
    print_message("# seed %u: lost %llu, duplicated %llu, reordered %llu of %u\n", SEED, (unsigned long long)s->lost,
                  (unsigned long long)s->duplicated, (unsigned long long)s->reordered, COUNT);
    /* four standard deviations at most from what the rates promise */
    assert_in_range(s->lost, 400 - 76, 400 + 76);
    assert_in_range(s->duplicated, 900 - 105, 900 + 105);
    assert_in_range(s->reordered, 1800 - 120, 1800 + 120);
    assert_int_equal(arrived, COUNT - s->lost + s->duplicated);
    assert_int_equal(s->delivered, arrived);
    net_free(net);
}

static void all_or_nothing(void **state)
{
    (void)state;
    uint32_t numbers[8] = {0};
    cps_time_us_t times[8] = {0};
    cps_simlink_quality_t none = {.loss_ppm = 1000000};
    cps_simlink_quality_t twice = {.duplicate_ppm = 1000000};
    net_t *net = net_new(SEED, &none);
    assert_ok(send_number(net, 0, 1));
    assert_int_equal(drain(net, numbers, times, 8), 0);
    cps_simlink_set_all(&net->link, &twice);
    assert_ok(send_number(net, 0, 2));
    assert_int_equal(drain(net, numbers, times, 8), 2);
    assert_int_equal(numbers[0], 2);
    assert_int_equal(numbers[1], 2);
    net_free(net);
}

static size_t overtakings(const cps_simlink_quality_t *quality)
{
    enum { COUNT = 1000 };
    static uint32_t numbers[COUNT];
    static cps_time_us_t times[COUNT];
    net_t *net = net_new(SEED, quality);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_ok(send_number(net, i, i));
    size_t count = drain(net, numbers, times, COUNT);
    size_t overtaken = 0;
    assert_int_equal(count, COUNT);
    for (size_t i = 0; i < count; i++) {
        uint64_t most_us = quality->delay_us + quality->jitter_us + quality->reorder_us;
        assert_true(times[i] >= numbers[i] + quality->delay_us && times[i] <= COUNT + most_us);
        overtaken += i > 0 && numbers[i] < numbers[i - 1];
    }
    net_free(net);
    return overtaken;
}

static void only_reordering_reorders(void **state)
{
    (void)state;
    cps_simlink_quality_t jitter = {.delay_us = 100, .jitter_us = 400};
    cps_simlink_quality_t disorder = {.delay_us = 100, .reorder_ppm = 100000, .reorder_us = 400};
    assert_int_equal(overtakings(&jitter), 0);
    assert_true(overtakings(&disorder) > 50);
}

static void what_cannot_travel(void **state)
{
    (void)state;
    cps_simlink_quality_t quality = {.mtu = 3};
    net_t *net = net_new(SEED, &quality);
    cps_addr_t from = addr(1, 1);
    cps_addr_t to = addr(2, 1);
    cps_addr_t nobody = addr(3, 1);
    assert_err(CPS_ERR_TOO_LARGE, send_number(net, 0, 1));
    assert_ok(cps_simlink_send(&net->link, 0, &from, &to, hex("010203")));
    assert_err(CPS_ERR_UNREACHABLE, cps_simlink_send(&net->link, 0, &from, &nobody, hex("01")));
    assert_err(CPS_ERR_UNREACHABLE, cps_simlink_send(&net->link, 0, &to, &(cps_addr_t){0}, hex("01")));
    cps_simlink_set_all(&net->link, &(cps_simlink_quality_t){0});
    uint8_t large[65] = {0};
    assert_err(CPS_ERR_TOO_LARGE, cps_simlink_send(&net->link, 0, &from, &to, cps_bytes(large, sizeof large)));
    assert_int_equal(net->link.stats.oversize, 2);
    assert_int_equal(net->link.stats.unroutable, 2);
    assert_err(CPS_ERR_ARGUMENT, cps_simlink_attach(&net->link, 2, &from));
    assert_err(CPS_ERR_FULL, cps_simlink_attach(&net->link, 1, &from));
    net_free(net);
}

static void queue_is_bounded(void **state)
{
    (void)state;
    static uint32_t numbers[4096];
    static cps_time_us_t times[4096];
    cps_simlink_quality_t quality = {0};
    net_t *net = net_new(SEED, &quality);
    for (uint32_t i = 0; i < 4096; i++)
        assert_ok(send_number(net, 0, i));
    assert_err(CPS_ERR_FULL, send_number(net, 0, 1));
    assert_int_equal(net->link.stats.refused, 1);
    assert_int_equal(drain(net, numbers, times, 4096), 4096);
    assert_ok(send_number(net, 0, 1));
    net_free(net);
}

static void directions_differ(void **state)
{
    (void)state;
    cps_simlink_quality_t perfect = {0};
    cps_simlink_quality_t dead = {.loss_ppm = 1000000};
    net_t *net = net_new(SEED, &perfect);
    cps_datagram_t d;
    uint32_t node;
    cps_addr_t one = addr(1, 1);
    cps_addr_t two = addr(2, 9);
    assert_ok(cps_simlink_set(&net->link, 1, 0, &dead));
    assert_err(CPS_ERR_ARGUMENT, cps_simlink_set(&net->link, 2, 0, &dead));
    assert_ok(cps_simlink_send(&net->link, 0, &two, &one, hex("01")));
    assert_false(cps_simlink_take(&net->link, 10, &d, &node));
    assert_ok(cps_simlink_send(&net->link, 0, &one, &two, hex("01")));
    assert_true(cps_simlink_take(&net->link, 10, &d, &node));
    /* a spoofed sender is no node's */
    cps_addr_t spoofed = addr(9, 9);
    assert_ok(cps_simlink_send(&net->link, 0, &spoofed, &one, hex("02")));
    assert_true(cps_simlink_take(&net->link, 10, &d, &node));
    assert_int_equal(node, 0);
    assert_true(cps_simaddr_equal(&d.path.remote, &spoofed));
    net_free(net);
}

static void a_rate_leaves_other_chances_alone(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    uint32_t numbers[2 * COUNT];
    cps_time_us_t times[2 * COUNT];
    uint64_t lost[2];
    for (int with = 0; with < 2; with++) {
        cps_simlink_quality_t quality = {.loss_ppm = 300000, .duplicate_ppm = with == 0 ? 0 : 500000};
        net_t *net = net_new(SEED, &quality);
        uint64_t mix = 0;
        for (uint32_t i = 0; i < COUNT; i++) {
            uint64_t before = net->link.stats.lost;
            assert_ok(send_number(net, i, i));
            mix = mix * 31 + (net->link.stats.lost - before);
        }
        drain(net, numbers, times, 2 * COUNT);
        lost[with] = mix;
        net_free(net);
    }
    assert_true(lost[0] == lost[1]);
}

static void clock_never_goes_back(void **state)
{
    (void)state;
    cps_simclock_t clock = {0};
    assert_true(cps_simclock_to(&clock, 5) == 5);
    assert_true(cps_simclock_to(&clock, 3) == 5);
    assert_true(cps_simclock_to(&clock, CPS_TIME_NEVER) == 5);
    assert_true(cps_time_after(5, CPS_TIME_NEVER - 5) == CPS_TIME_NEVER);
    assert_true(cps_time_after(5, CPS_TIME_NEVER - 4) == CPS_TIME_NEVER);
    assert_true(cps_time_after(5, 4) == 9);
}

static void addresses_read_and_print(void **state)
{
    (void)state;
    static const char *const same[] = {"192.0.2.1:5683", "[2001:db8::1]:5683", "[fe80::1%2]:61616", "*:5683"};
    static const char *const bad[] = {
        "",    ":",         ":5683",  "192.0.2:1",    "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:x", "[::1",
        "::1", "[::1]5683", "[::1]:", "[fe80::1%]:1", "*",          "[1.2.3.4]:5"};
    char text[CPS_SIMADDR_TEXT_MAX];
    cps_addr_t a;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        assert_true(cps_simaddr_parse(same[i], strlen(same[i]), &a));
        assert_string_equal(cps_simaddr_text(&a, text), same[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (cps_simaddr_parse(bad[i], strlen(bad[i]), &a))
            fail_msg("read: %s", bad[i]);
    assert_true(cps_simaddr_parse("[::1]", 5, &a));
    assert_int_equal(a.port, 0);
    cps_addr_t other = a;
    other.port = 9;
    assert_true(cps_simaddr_fits(&a, &other));
    assert_false(cps_simaddr_fits(&other, &a));
    assert_false(cps_simaddr_equal(&other, &a));
}

static const cps_case_t cases[] = {
    {"", "a perfect line delivers after its delay, with both addresses", perfect_line},
    {"", "the same seed gives the same run, another one another", same_seed_same_run},
    {"", "loss, copies and disorder come at the rates that are set", rates_are_as_set},
    {"", "a rate of a million loses or doubles everything", all_or_nothing},
    {"", "jitter keeps the order, reordering does not", only_reordering_reorders},
    {"", "oversize and unroutable datagrams are refused and counted", what_cannot_travel},
    {"", "the queue is bounded", queue_is_bounded},
    {"", "each direction has its own quality, a spoofed sender the common one", directions_differ},
    {"", "one rate does not change what happens by another", a_rate_leaves_other_chances_alone},
    {"", "virtual time never goes back, and a sum never wraps", clock_never_goes_back},
    {"", "addresses are read and printed in one form, anything else is refused", addresses_read_and_print},
};

CPS_RUN("sim_link", cases)
