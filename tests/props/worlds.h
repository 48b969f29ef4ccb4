// SPDX-License-Identifier: Apache-2.0
/* Worlds in a row, for the tests that run many and those that run more. CPS_SEEDS says how many, CPS_SEED where to
 * start. */
#ifndef CPS_TEST_WORLDS_H
#define CPS_TEST_WORLDS_H

#include "harness.h"

#include "sim/world.h"

#include <stdlib.h>

static inline uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static inline void add_up(cps_world_report_t *sum, const cps_world_report_t *report)
{
    sum->requests += report->requests;
    sum->answered += report->answered;
    sum->unknown += report->unknown;
    sum->crashes += report->crashes;
    sum->challenged += report->challenged;
    sum->relayed += report->relayed;
    sum->strange += report->strange;
    sum->jumps += report->jumps;
}

/** Live through `count` worlds from `first` on, and fail with the first seed that breaks an invariant. */
static inline void run_worlds(uint64_t first, uint64_t count)
{
    cps_crypto_t crypto;
    cps_world_report_t sum = {0};
    first = from_environment("CPS_SEED", first);
    count = from_environment("CPS_SEEDS", count);
    assert_ok(cps_crypto_openssl_init(&crypto));
    for (uint64_t seed = first; seed < first + count; seed++) {
        cps_world_report_t report;
        assert_ok(cps_world_run(seed, &crypto, NULL, &report));
        if (report.failed)
            fail_msg("seed %llu failed %s; see it: coapsule-sim --seed %llu --trace", (unsigned long long)seed,
                     report.reason, (unsigned long long)seed);
        add_up(&sum, &report);
    }
    print_message(
        "# seeds %llu to %llu: %u requests, %u answered, %u unknown, %u crashes, %u challenges, %u worlds with "
        "our proxy, %u with a strange one, %u jumps of a clock\n",
        (unsigned long long)first, (unsigned long long)(first + count - 1), sum.requests, sum.answered, sum.unknown,
        sum.crashes, sum.challenged, sum.relayed, sum.strange, sum.jumps);
    /* the worlds are about something: all of it happens, and not to all */
    assert_true(sum.answered > sum.requests / 2 && sum.answered < sum.requests);
    assert_true(sum.unknown > 0 && sum.crashes > 0 && sum.challenged > 0);
    assert_true(sum.relayed > 0 && sum.strange > 0 && sum.jumps > 0);
    cps_crypto_openssl_fini(&crypto);
}

#endif /* CPS_TEST_WORLDS_H */
