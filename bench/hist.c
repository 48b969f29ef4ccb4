// SPDX-License-Identifier: Apache-2.0
#include "hist.h"

/* Below 64 each number has its own place; above, the six bits behind the highest one say which part. */
static uint64_t *place(bench_hist_t *hist, uint64_t ns)
{
    unsigned power = 0;
    while ((ns >> power) >= 2U * BENCH_HIST_PARTS && power + 2 < BENCH_HIST_POWERS)
        power++;
    uint64_t part = ns >> power;
    if (part < BENCH_HIST_PARTS)
        return &hist->counts[0][part];
    part -= BENCH_HIST_PARTS;
    return &hist->counts[power + 1][part < BENCH_HIST_PARTS ? part : BENCH_HIST_PARTS - 1];
}

void bench_hist_add(bench_hist_t *hist, uint64_t ns)
{
    ++*place(hist, ns);
    hist->total++;
    hist->max = ns > hist->max ? ns : hist->max;
}

/* The largest time of a place. */
static uint64_t upper(unsigned power, unsigned part)
{
    return power == 0 ? part : ((uint64_t)part + BENCH_HIST_PARTS + 1) * ((uint64_t)1 << (power - 1)) - 1;
}

uint64_t bench_hist_at(const bench_hist_t *hist, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)hist->total + 0.5);
    uint64_t seen = 0;
    for (unsigned power = 0; power < BENCH_HIST_POWERS; power++)
        for (unsigned part = 0; part < BENCH_HIST_PARTS; part++) {
            seen += hist->counts[power][part];
            if (seen != 0 && seen >= wanted)
                return upper(power, part) < hist->max ? upper(power, part) : hist->max;
        }
    return hist->max;
}
