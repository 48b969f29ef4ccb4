// SPDX-License-Identifier: Apache-2.0
// run-tests: timeout 300
/* Worlds of observations (sim/watch.h), plain and sealed, at 0 to 30% loss, with copies, disorder and crashes of the
 * server. CPS_SEEDS says how many, CPS_SEED where to start. Under a sanitizer two hundred. */
#include "worlds.h"

#include "sim/watch.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WORLDS 200U
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WORLDS 200U
#endif
#endif
#ifndef WORLDS
#define WORLDS 5000U
#endif

static void observers_converge_on_the_last_state(void **state)
{
    (void)state;
    uint64_t first = from_environment("CPS_SEED", 0);
    uint64_t count = from_environment("CPS_SEEDS", WORLDS);
    cps_watch_report_t sum = {0};
    cps_crypto_t crypto;
    FILE *trace = getenv("CPS_TRACE") != NULL ? stderr : NULL;
    assert_ok(cps_crypto_openssl_init(&crypto));
    for (uint64_t seed = first; seed < first + count; seed++) {
        cps_watch_report_t report;
        assert_ok(cps_watch_run(seed, &crypto, trace, &report));
        if (report.failed)
            fail_msg("seed %llu failed %s; see it: CPS_TRACE=1 CPS_SEED=%llu CPS_SEEDS=1 build/tests/test_watch",
                     (unsigned long long)seed, report.reason, (unsigned long long)seed);
        sum.watches += report.watches;
        sum.changes += report.changes;
        sum.shown += report.shown;
        sum.again += report.again;
        sum.stale += report.stale;
        sum.crashes += report.crashes;
    }
    print_message("# %u observations, %u changes, %u shown, %u registered again, %u stale, %u crashes\n", sum.watches,
                  sum.changes, sum.shown, sum.again, sum.stale, sum.crashes);
    if (count > 100)
        assert_true(sum.shown > sum.changes && sum.stale > 0 && sum.crashes > 0 && sum.again > 0);
    cps_crypto_openssl_fini(&crypto);
}

static const cps_case_t cases[] = {
    {"", "observers never go back, converge on the last state, and leave nothing",
     observers_converge_on_the_last_state},
};

CPS_RUN("watch", cases)
