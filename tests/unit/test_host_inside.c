// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include "host/inside.h"

#include <pthread.h>

static void *other_thread(void *seen)
{
    *(bool *)seen = cps_inside();
    return NULL;
}

static void a_thread_knows_its_own_handlers(void **state)
{
    (void)state;
    pthread_t thread;
    bool seen_elsewhere = true;
    assert_false(cps_inside());
    cps_inside_enter();
    cps_inside_enter();
    cps_inside_leave();
    assert_true(cps_inside());
    assert_int_equal(pthread_create(&thread, NULL, other_thread, &seen_elsewhere), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(seen_elsewhere);
    cps_inside_leave();
    assert_false(cps_inside());
}

static const cps_case_t cases[] = {
    {"", "a thread knows whether one of its own handlers runs", a_thread_knows_its_own_handlers},
};

CPS_RUN("host_inside", cases)
