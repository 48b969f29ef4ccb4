// SPDX-License-Identifier: Apache-2.0
// run-tests: timeout 300
/* Ten thousand worlds: client and server through a network and an attacker, with crashes, in virtual time. CPS_SEEDS
 * says how many, CPS_SEED where to start. Under a sanitizer five hundred. */
#include "harness.h"

#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WORLDS 500U
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WORLDS 500U
#endif
#endif
#ifndef WORLDS
#define WORLDS 10000U
#endif

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void every_world_keeps_the_invariants(void **state)
{
    (void)state;
    uint64_t first = from_environment("CPS_SEED", 0);
    uint64_t count = from_environment("CPS_SEEDS", WORLDS);
    cps_crypto_t crypto;
    assert_ok(cps_crypto_openssl_init(&crypto));
    cps_world_report_t sum = {0};
    for (uint64_t seed = first; seed < first + count; seed++) {
        cps_world_report_t report;
        assert_ok(cps_world_run(seed, &crypto, NULL, &report));
        if (report.failed)
            fail_msg("seed %llu failed %s; see it: coapsule-sim --seed %llu --trace", (unsigned long long)seed,
                     report.reason, (unsigned long long)seed);
        sum.requests += report.requests;
        sum.answered += report.answered;
        sum.unknown += report.unknown;
        sum.crashes += report.crashes;
        sum.challenged += report.challenged;
    }
    print_message("# seeds %llu to %llu: %u requests, %u answered, %u unknown, %u crashes, %u challenges\n",
                  (unsigned long long)first, (unsigned long long)(first + count - 1), sum.requests, sum.answered,
                  sum.unknown, sum.crashes, sum.challenged);
    /* the worlds are about something: all of it happens, and not to all */
    assert_true(sum.answered > sum.requests / 2 && sum.answered < sum.requests);
    assert_true(sum.unknown > 0 && sum.crashes > 0 && sum.challenged > 0);
    cps_crypto_openssl_fini(&crypto);
}

static void a_seed_gives_the_same_world_each_time(void **state)
{
    (void)state;
    cps_crypto_t crypto;
    assert_ok(cps_crypto_openssl_init(&crypto));
    for (uint64_t seed = 1; seed < 40; seed++) {
        cps_world_report_t one;
        cps_world_report_t two;
        memset(&one, 0, sizeof one);
        memset(&two, 0, sizeof two);
        assert_ok(cps_world_run(seed, &crypto, NULL, &one));
        assert_ok(cps_world_run(seed, &crypto, NULL, &two));
        assert_memory_equal(&one, &two, sizeof one);
    }
    cps_crypto_openssl_fini(&crypto);
}

static const cps_case_t cases[] = {
    {"", "every world keeps the invariants", every_world_keeps_the_invariants},
    {"", "a seed gives the same world each time", a_seed_gives_the_same_world_each_time},
};

CPS_RUN("world", cases)
