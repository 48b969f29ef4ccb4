// SPDX-License-Identifier: Apache-2.0
/* The file between a program with libcount.so and whoever reads what it allocated. */
#ifndef CPS_BENCH_COUNT_H
#define CPS_BENCH_COUNT_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct bench_count {
    _Atomic uint64_t calls; /**< malloc, calloc, realloc and the aligned ones */
    _Atomic uint64_t bytes; /**< that they asked for */
} bench_count_t;

#endif /* CPS_BENCH_COUNT_H */
