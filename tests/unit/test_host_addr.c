// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include "host/addr.h"
#include "host/clock.h"
#include "host/rand.h"

#include <net/if.h>
#include <netinet/in.h>

static cps_addr_t parsed(const char *text)
{
    cps_addr_t addr;
    assert_ok(cps_addr_parse(cps_bytes_str(text), 5683, &addr));
    return addr;
}

static void addresses_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out;
    } rows[] = {
        {"127.0.0.1:5684", "127.0.0.1:5684"},
        {"127.0.0.1", "127.0.0.1:5683"},
        {"0.0.0.0:0", "0.0.0.0:0"},
        {"[::1]:65535", "[::1]:65535"},
        {"[::1]", "[::1]:5683"},
        {"::1", "[::1]:5683"},
        {"[2001:DB8:0:0::1]:1", "[2001:db8::1]:1"},
        {"[fe80::1%1]:5683", "[fe80::1%1]:5683"},
        {"fe80::1%lo", "[fe80::1%1]:5683"},
        {"[ff02::fd%lo]:5683", "[ff02::fd%1]:5683"},
        {"[::ffff:192.0.2.1]:7", "192.0.2.1:7"},
        {"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
    };
    char text[CPS_ADDR_TEXT_MAX];
    assert_int_equal(if_nametoindex("lo"), 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cps_addr_t addr = parsed(rows[i].in);
        assert_string_equal(cps_addr_format(&addr, text), rows[i].out);
        cps_addr_t again = parsed(text);
        assert_true(cps_addr_equal(&addr, &again));
    }
    cps_addr_t none = {.family = CPS_FAMILY_NONE};
    assert_string_equal(cps_addr_format(&none, text), "-");
    cps_addr_t addr = parsed("[fe80::1%4294967295]:1");
    assert_string_equal(cps_addr_format_ip(&addr, text), "fe80::1%4294967295");
}

static void other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "localhost",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1: 1",
        "127.0.0.1:5683x",
        "127.1",
        "127.0.0.1.2",
        "[::1",
        "[::1]5683",
        "[::1]:",
        "[127.0.0.1]:1",
        "::1%",
        "[::1%lo]:5683",
        "[fe80::1%]:1",
        "[fe80::1%0]:1",
        "[fe80::1%nosuch0]:1",
        "[2001:db8::1%1]",
        "1:2:3:4:5:6:7:8:9",
        "[]",
        ":5683",
        "[::1]:99999999999",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cps_addr_t addr;
        if (cps_addr_parse(cps_bytes_str(rows[i]), 5683, &addr) != CPS_ERR_ARGUMENT)
            fail_msg("taken: %s", rows[i]);
    }
    cps_addr_t addr;
    assert_err(CPS_ERR_ARGUMENT, cps_addr_parse(cps_bytes("127.0.0.1\0", 10), 1, &addr));
    assert_err(CPS_ERR_ARGUMENT, cps_addr_parse(cps_bytes("::1\0", 4), 1, &addr));
}

static void kernel_addresses_go_both_ways(void **state)
{
    (void)state;
    static const char *const rows[] = {"192.0.2.7:5683", "[2001:db8::7]:5684", "[fe80::7%1]:1"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sockaddr_storage name = {0};
        cps_addr_t back;
        cps_addr_t addr = parsed(rows[i]);
        assert_int_not_equal(cps_addr_to_sockaddr(&addr, &name), 0);
        assert_true(cps_addr_from_sockaddr((struct sockaddr *)&name, &back));
        assert_true(cps_addr_equal(&addr, &back));
    }
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(9), .sin6_scope_id = 3};
    memcpy(&mapped.sin6_addr, hex("00000000000000000000ffff7f000001").ptr, 16);
    cps_addr_t addr;
    cps_addr_t expected = parsed("127.0.0.1:9");
    assert_true(cps_addr_from_sockaddr((struct sockaddr *)&mapped, &addr));
    assert_true(cps_addr_equal(&addr, &expected));
    struct sockaddr local = {.sa_family = AF_UNIX};
    struct sockaddr_storage name;
    assert_false(cps_addr_from_sockaddr(&local, &addr));
    assert_int_equal(cps_addr_to_sockaddr(&addr, &name), 0);
}

static void kinds_of_address_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool loopback;
        bool link_local;
        bool multicast;
        bool any;
    } rows[] = {
        {"127.0.0.1", true, false, false, false},
        {"127.255.0.9", true, false, false, false},
        {"128.0.0.1", false, false, false, false},
        {"169.254.1.1", false, true, false, false},
        {"169.253.1.1", false, false, false, false},
        {"224.0.1.187", false, false, true, false},
        {"239.255.255.255", false, false, true, false},
        {"240.0.0.1", false, false, false, false},
        {"0.0.0.0", false, false, false, true},
        {"::", false, false, false, true},
        {"::1", true, false, false, false},
        {"::2", false, false, false, false},
        {"fe80::1", false, true, false, false},
        {"febf::1", false, true, false, false},
        {"fec0::1", false, false, false, false},
        {"ff02::fd", false, false, true, false},
        {"2001:db8::1", false, false, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cps_addr_t addr = parsed(rows[i].text);
        assert_int_equal(cps_addr_is_loopback(&addr), rows[i].loopback);
        assert_int_equal(cps_addr_is_link_local(&addr), rows[i].link_local);
        assert_int_equal(cps_addr_is_multicast(&addr), rows[i].multicast);
        assert_int_equal(cps_addr_is_any(&addr), rows[i].any);
        if (addr.family == CPS_FAMILY_IPV4) { /* the same, hidden in an IPv6 address */
            cps_addr_t mapped = {.family = CPS_FAMILY_IPV6, .ip = {[10] = 0xff, [11] = 0xff}};
            memcpy(mapped.ip + 12, addr.ip, 4);
            assert_int_equal(cps_addr_is_loopback(&mapped), rows[i].loopback);
            assert_int_equal(cps_addr_is_link_local(&mapped), rows[i].link_local);
            assert_int_equal(cps_addr_is_multicast(&mapped), rows[i].multicast);
            assert_int_equal(cps_addr_is_any(&mapped), rows[i].any);
        }
    }
}

static void networks_hold_their_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *net;
        const char *in;
        const char *out;
    } rows[] = {
        {"127.0.0.0/8", "127.9.9.9", "128.0.0.0"},
        {"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
        {"10.0.0.1", "10.0.0.1", "10.0.0.0"},
        {"0.0.0.0/0", "255.1.1.1", "::1"},
        {"::1/128", "::1", "::"},
        {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"},
        {"::/0", "2001:db8::1", "1.2.3.4"},
        {"127.0.0.0/8", "[::ffff:127.0.0.1]:3", "::1"},
    };
    static const char *const wrong[] = {
        "",        "/8",      "10.0.0.0/33", "10.0.0.0/",   "10.0.0.0/8x", "10.1.0.0/8", "10.0.0.1/31",
        "::1/129", "::1/127", "host/8",      "10.0.0.0/-1", "[::1]/128"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cps_net_t net;
        cps_addr_t in = parsed(rows[i].in);
        cps_addr_t out = parsed(rows[i].out);
        assert_ok(cps_net_parse(cps_bytes_str(rows[i].net), &net));
        assert_true(cps_net_has(&net, &in));
        assert_false(cps_net_has(&net, &out));
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cps_net_t net;
        if (cps_net_parse(cps_bytes_str(wrong[i]), &net) != CPS_ERR_ARGUMENT)
            fail_msg("taken: %s", wrong[i]);
    }
    cps_net_t net;
    char text[CPS_ADDR_TEXT_MAX];
    assert_ok(cps_net_parse(cps_bytes_str("2001:db8::/33"), &net));
    assert_string_equal(cps_net_format(&net, text), "2001:db8::/33");
}

static void clock_counts_the_time_since_boot(void **state)
{
    (void)state;
    cps_clock_t clock;
    struct timespec before;
    struct timespec after;
    cps_clock_init(&clock);
    assert_null(clock.note);
    clock_gettime(CLOCK_BOOTTIME, &before);
    cps_time_us_t now = cps_clock_now(&clock);
    clock_gettime(CLOCK_BOOTTIME, &after);
    assert_true(now >= (uint64_t)before.tv_sec * 1000000U + (uint64_t)before.tv_nsec / 1000U);
    assert_true(now <= (uint64_t)after.tv_sec * 1000000U + (uint64_t)after.tv_nsec / 1000U);
    cps_clock_init_with(&clock, 9999);
    assert_non_null(clock.note);
    assert_int_equal(clock.id, CLOCK_MONOTONIC);
    now = cps_clock_now(&clock);
    assert_true(now != 0 && cps_clock_now(&clock) >= now);
    clock_gettime(CLOCK_REALTIME, &before); /* time() may lag behind by a tick */
    uint64_t wall = cps_clock_wall_us();
    clock_gettime(CLOCK_REALTIME, &after);
    assert_true(wall / 1000000U >= (uint64_t)before.tv_sec && wall / 1000000U <= (uint64_t)after.tv_sec);
}

static void system_randomness_fills_every_byte(void **state)
{
    (void)state;
    enum { LEN = 70000 };
    static uint8_t bytes[LEN + 1];
    cps_rng_t rng = cps_rand_system();
    unsigned seen[256] = {0};
    bytes[LEN] = 0x5a;
    cps_rng_fill(&rng, bytes, LEN);
    assert_int_equal(bytes[LEN], 0x5a);
    for (size_t i = 0; i < LEN; i++)
        seen[bytes[i]]++;
    for (unsigned v = 0; v < 256; v++) /* 273 expected; a part that stayed zero would show */
        assert_true(seen[v] > 100 && seen[v] < 500);
    uint64_t last = 0;
    memcpy(&last, bytes + LEN - sizeof last, sizeof last);
    assert_true(last != 0);
}

static const cps_case_t cases[] = {
    {"", "addresses are read and written", addresses_are_read_and_written},
    {"", "other texts are no addresses", other_texts_are_refused},
    {"", "kernel addresses go both ways", kernel_addresses_go_both_ways},
    {"", "kinds of address are told apart, mapped ones too", kinds_of_address_are_told_apart},
    {"", "networks hold their addresses and no others", networks_hold_their_addresses},
    {"", "the clock counts the time since boot", clock_counts_the_time_since_boot},
    {"", "system randomness fills every byte", system_randomness_fills_every_byte},
};

CPS_RUN("host/addr", cases)
