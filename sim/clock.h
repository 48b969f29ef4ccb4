// SPDX-License-Identifier: Apache-2.0
/* Virtual time: it stands still until somebody moves it, and never goes back. */
#ifndef CPS_SIM_CLOCK_H
#define CPS_SIM_CLOCK_H

#include <coapsule/types.h>

typedef struct cps_simclock {
    cps_time_us_t now_us;
} cps_simclock_t;

/** `delay_us` after a time; CPS_TIME_NEVER where that is past the end of time. */
static inline cps_time_us_t cps_time_after(cps_time_us_t now_us, uint64_t delay_us)
{
    return delay_us > CPS_TIME_NEVER - now_us ? CPS_TIME_NEVER : now_us + delay_us;
}

/** Move to a later time. An earlier one, or CPS_TIME_NEVER, leaves the clock as it is. Returns the time. */
static inline cps_time_us_t cps_simclock_to(cps_simclock_t *clock, cps_time_us_t when_us)
{
    if (when_us > clock->now_us && when_us != CPS_TIME_NEVER)
        clock->now_us = when_us;
    return clock->now_us;
}

#endif /* CPS_SIM_CLOCK_H */
