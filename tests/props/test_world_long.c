// SPDX-License-Identifier: Apache-2.0
// run-tests: long
// run-tests: timeout 900
/* A hundred thousand worlds more (test_world.c); `make soak` runs a million. */
#include "worlds.h"

static void a_hundred_thousand_worlds_keep_the_invariants(void **state)
{
    (void)state;
    run_worlds(1000000, 100000);
}

static const cps_case_t cases[] = {
    {"", "a hundred thousand worlds keep the invariants", a_hundred_thousand_worlds_keep_the_invariants},
};

CPS_RUN("world_long", cases)
