// SPDX-License-Identifier: Apache-2.0
/* One measurement: how long a step takes. Each is run for a while, in batches; the median batch is what is printed, so that
 * one interruption does not count. */
#ifndef CPS_BENCH_H
#define CPS_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BENCH_BATCHES 31

/** Nanoseconds of a clock that does not jump. */
static inline uint64_t bench_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static inline int bench_compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

/** Run `step(state)` BENCH_BATCHES times `batch` times and print the median time of one step. */
static inline void bench_run(const char *name, void (*step)(void *state), void *state, uint32_t batch)
{
    double ns[BENCH_BATCHES];
    for (int i = 0; i < BENCH_BATCHES; i++) {
        uint64_t start = bench_now_ns();
        for (uint32_t n = 0; n < batch; n++)
            step(state);
        ns[i] = (double)(bench_now_ns() - start) / batch;
    }
    qsort(ns, BENCH_BATCHES, sizeof ns[0], bench_compare);
    printf("%-40s %10.1f ns\n", name, ns[BENCH_BATCHES / 2]);
}

#endif /* CPS_BENCH_H */
