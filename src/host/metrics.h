// SPDX-License-Identifier: Apache-2.0
/* Metrics as Prometheus reads them (text format 0.0.4): one table of names, and a writer that knows no other. */
#ifndef CPS_HOST_METRICS_H
#define CPS_HOST_METRICS_H

#include <coapsule/core.h>

#include <stdio.h>

#define CPS_HISTOGRAM_BUCKETS 14U /* the last is without limit */

typedef enum cps_metric {
    CPS_METRIC_BUILD,
    CPS_METRIC_POOL_USED,
    CPS_METRIC_POOL_LIMIT,
    CPS_METRIC_REMEMBERED_BYTES,
    CPS_METRIC_REMEMBERED_LIMIT,
    CPS_METRIC_EVICTIONS,
    CPS_METRIC_DATAGRAMS,
    CPS_METRIC_DROPS,
    CPS_METRIC_NOTES,
    CPS_METRIC_REQUESTS,
    CPS_METRIC_RESPONSES,
    CPS_METRIC_REQUEST_SECONDS,
    CPS_METRIC_LEASES,
    CPS_METRIC_LEASE_SECONDS,
    CPS_METRIC_LOG_LOST,
    CPS_METRIC_PROXY_REQUESTS,
    CPS_METRIC_PROXY_REFUSALS,
    CPS_METRIC_PROXY_OPEN,
    CPS_METRICS
} cps_metric_t;

/** How long something took, counted by powers of two from 250 us on. Zero is none yet. */
typedef struct cps_histogram {
    uint64_t counts[CPS_HISTOGRAM_BUCKETS];
    uint64_t sum_us;
} cps_histogram_t;

/** Count one. */
void cps_histogram_add(cps_histogram_t *h, uint64_t us);

/** Where metrics are written; values of one metric follow each other. */
typedef struct cps_metrics_out {
    FILE *out;
    cps_metric_t last; /**< CPS_METRICS: none yet */
} cps_metrics_out_t;

/** Begin. */
cps_metrics_out_t cps_metrics_begin(FILE *out);

/** Write a value; `label` is that of the table, NULL where it has none. Texts are ours: nothing in them is escaped. */
void cps_metrics_put(cps_metrics_out_t *m, cps_metric_t metric, const char *label, uint64_t value);

/** Write a histogram, in seconds. */
void cps_metrics_histogram(cps_metrics_out_t *m, cps_metric_t metric, const cps_histogram_t *h);

/** Write what an endpoint holds and has seen. `limits` is what it was made with. */
void cps_metrics_endpoint(cps_metrics_out_t *m, const cps_ep_stats_t *stats, const cps_ep_config_t *limits);

#endif /* CPS_HOST_METRICS_H */
