// SPDX-License-Identifier: Apache-2.0
/* A histogram of times as HdrHistogram keeps it: each power of two in 64 parts, so that a figure is right to 1.6%, and
 * what is added never costs more than one increment. */
#ifndef CPS_BENCH_HIST_H
#define CPS_BENCH_HIST_H

#include <stdint.h>

#define BENCH_HIST_PARTS  64U
#define BENCH_HIST_POWERS 36U /* up to 2^42 ns, over an hour */

typedef struct bench_hist {
    uint64_t counts[BENCH_HIST_POWERS][BENCH_HIST_PARTS];
    uint64_t total;
    uint64_t max;
} bench_hist_t;

/** Add one time. */
void bench_hist_add(bench_hist_t *hist, uint64_t ns);

/** The time that this share (0 to 1) of all did not exceed; 0 where there are none. */
uint64_t bench_hist_at(const bench_hist_t *hist, double share);

#endif /* CPS_BENCH_HIST_H */
