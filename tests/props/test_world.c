// SPDX-License-Identifier: Apache-2.0
// run-tests: timeout 300
/* Ten thousand worlds: client and server, half of them with a proxy between, through a network and an attacker, with
 * crashes and clocks that jump, in virtual time. Under a sanitizer five hundred. */
#include "worlds.h"

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

static void every_world_keeps_the_invariants(void **state)
{
    (void)state;
    run_worlds(0, WORLDS);
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
