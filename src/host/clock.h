// SPDX-License-Identifier: Apache-2.0
/* The clock that is handed to engines as `now`: it never runs backwards and goes on while the machine sleeps, so that a
 * request held back over a suspend does not count as fresh (RFC 9175 §2.3). */
#ifndef CPS_HOST_CLOCK_H
#define CPS_HOST_CLOCK_H

#include "base/bytes.h"

#include <time.h>

typedef struct cps_clock {
    clockid_t id;
    const char *note; /**< a sentence where the wanted clock is missing and another one runs, else NULL */
} cps_clock_t;

/** Time since boot, sleep included. Where the kernel has no such clock, the monotonic one, with a note. */
void cps_clock_init(cps_clock_t *clock);

/** The same with another clock than CLOCK_BOOTTIME as first choice. */
void cps_clock_init_with(cps_clock_t *clock, clockid_t wanted);

/** Now, in microseconds. Takes no system call where the kernel offers the clock in user space. */
cps_time_us_t cps_clock_now(const cps_clock_t *clock);

/** Wall clock in microseconds since 1970 (UTC), for log lines alone: it may jump. */
uint64_t cps_clock_wall_us(void);

#endif /* CPS_HOST_CLOCK_H */
