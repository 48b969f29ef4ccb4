// SPDX-License-Identifier: Apache-2.0
#include "host/clock.h"

static uint64_t to_us(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * 1000000U + (uint64_t)t->tv_nsec / 1000U;
}

void cps_clock_init_with(cps_clock_t *clock, clockid_t wanted)
{
    struct timespec t;
    if (clock_gettime(wanted, &t) == 0) {
        *clock = (cps_clock_t){wanted, NULL};
        return;
    }
    *clock = (cps_clock_t){CLOCK_MONOTONIC, "this kernel has no boot-time clock; time stands still while it sleeps"};
}

void cps_clock_init(cps_clock_t *clock) { cps_clock_init_with(clock, CLOCK_BOOTTIME); }

cps_time_us_t cps_clock_now(const cps_clock_t *clock)
{
    struct timespec t = {0}; /* cps_clock_init saw the clock answer, so that it cannot fail here */
    clock_gettime(clock->id, &t);
    return to_us(&t);
}

uint64_t cps_clock_wall_us(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_REALTIME, &t);
    return to_us(&t);
}
