// SPDX-License-Identifier: Apache-2.0
/* How often a client may ask (RFC 8516): the table of clients, and what each of them sees. */
#include "server_kit.h"

#include "exch/asked.h"

static kit_t *new_kit(uint32_t rate)
{
    kit_t *kit = kit_new();
    kit->d.rate.per_second = rate;
    return kit;
}

static cps_err_t hello(cps_request_t *request, void *user)
{
    ((kit_t *)user)->runs++;
    return cps_reply_text(request, CPS_CONTENT, "hello");
}

/* A GET or, unsafe, a POST from 127.0.0.`host`; the code that came back, or CPS_EMPTY for silence. */
static uint8_t ask_from(kit_t *kit, uint8_t host, uint8_t code, uint32_t *max_age)
{
    uint8_t bytes[32];
    uint8_t options[8];
    cps_writer_t ow = cps_writer(options, sizeof options);
    cps_opt_writer_t list = cps_opt_writer(&ow);
    cps_opt_put(&list, CPS_OPT_URI_PATH, CPS_BYTES_LIT("a"));
    cps_msg_t msg = {.type = CPS_CON, .code = code, .mid = ++kit->mid, .options = cps_written(&ow)};
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_write(&w, &msg);
    rig_clear(kit->rig);
    rig_in(kit->rig, host, (uint16_t)(40000 + kit->mid % 1000), cps_written(&w)); /* a new port buys nothing */
    if (kit->rig->out_count == 0)
        return CPS_EMPTY;
    cps_msg_t answer = rig_sent_msg(kit->rig, 0);
    *max_age = 0;
    (void)cps_msg_option_uint(&answer, CPS_OPT_MAX_AGE, max_age);
    return answer.code;
}

static void one_client_is_told_the_others_are_served(void **state)
{
    (void)state;
    kit_t *kit = new_kit(10);
    uint32_t max_age = 0;
    kit_add(kit, CPS_RESOURCE(.path = "a", .get = hello, .post = hello, .user = kit));
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(ask_from(kit, 1, CPS_GET, &max_age), CPS_CONTENT);
    assert_int_equal(ask_from(kit, 1, CPS_GET, &max_age), CPS_TOO_MANY_REQUESTS);
    assert_int_equal(max_age, 1);
    assert_int_equal(ask_from(kit, 3, CPS_GET, &max_age), CPS_CONTENT);
    assert_int_equal(kit->runs, 11);
    rig_advance(kit->rig, 1000000); /* Max-Age has passed */
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(ask_from(kit, 1, CPS_POST, &max_age), CPS_CONTENT);
    assert_int_equal(ask_from(kit, 1, CPS_POST, &max_age), CPS_TOO_MANY_REQUESTS);
    kit_free(kit);
}

/* 10,000 requests in a second: as many answers as the client may have, four refusals, and silence. */
static void refusals_are_limited_too(void **state)
{
    (void)state;
    kit_t *kit = new_kit(10);
    unsigned counts[256] = {0};
    uint32_t max_age = 0;
    cps_ep_stats_t stats;
    kit_add(kit, CPS_RESOURCE(.path = "a", .get = hello, .post = hello, .user = kit));
    for (unsigned i = 0; i < 10000; i++) {
        counts[ask_from(kit, 1, i % 2 == 0 ? CPS_GET : CPS_POST, &max_age)]++;
        kit->rig->now_us += 99;
    }
    assert_in_range(counts[CPS_CONTENT], 10, 20);
    assert_in_range(counts[CPS_TOO_MANY_REQUESTS], CPS_RATE_TOLD, 2 * CPS_RATE_TOLD);
    assert_in_range(counts[CPS_SERVICE_UNAVAILABLE], 1, 2); /* it was told, and goes on (§3) */
    assert_in_range(counts[CPS_EMPTY], 9900, 10000);
    assert_int_equal(kit->runs, counts[CPS_CONTENT]);
    cps_ep_stats(kit->rig->ep, &stats);
    assert_int_equal(stats.requests_in, 0);
    assert_true(stats.dedup_bytes <= 20 * 128); /* what was dropped is not remembered */
    assert_int_equal(ask_from(kit, 3, CPS_POST, &max_age), CPS_CONTENT);
    kit_free(kit);
}

static void whoever_asks_least_gives_way(void **state)
{
    (void)state;
    cps_rng_seeded_t seeded;
    cps_rng_t rng = cps_rng_from_seed(&seeded, 1);
    cps_rate_t *rate = calloc(1, sizeof *rate);
    assert_non_null(rate);
    cps_rate_init(rate, 2, &rng);
    cps_bytes_t flood = CPS_BYTES_LIT("flood");
    cps_time_us_t now = 5000000;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(cps_rate_take(rate, now, flood), CPS_RATE_PASS);
    for (uint32_t i = 0; i < 100000; i++) { /* a hundred others for each place */
        assert_int_equal(cps_rate_take(rate, now, cps_bytes(&i, sizeof i)), CPS_RATE_PASS);
        now += 10;
        (void)cps_rate_take(rate, now, flood);
    }
    unsigned passed = 0;
    for (unsigned i = 0; i < 100; i++)
        passed += cps_rate_take(rate, now, flood) == CPS_RATE_PASS;
    assert_true(passed <= 2);
    free(rate);
}

static void no_limit_unless_there_is_one(void **state)
{
    (void)state;
    kit_t *kit = kit_new();
    uint32_t max_age = 0;
    kit_add(kit, CPS_RESOURCE(.path = "a", .get = hello, .user = kit));
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(ask_from(kit, 1, CPS_GET, &max_age), CPS_CONTENT);
    kit_free(kit);
}

static const cps_case_t cases[] = {
    {"TMR-1 TMR-2", "a client that asks too often is told, and the others are served",
     one_client_is_told_the_others_are_served},
    {"TMR-4", "refusals are limited too", refusals_are_limited_too},
    {"", "whoever asks least gives way", whoever_asks_least_gives_way},
    {"", "there is no limit unless it is set", no_limit_unless_there_is_one},
};

CPS_RUN("server_rate", cases)
