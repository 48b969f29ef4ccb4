// SPDX-License-Identifier: Apache-2.0
#include "host/metrics.h"

#define FIRST_US  250U /* the first bucket; each further one is twice as wide */
#define SECOND_US 1000000U
#define PEERS     1024U /* defaults of the endpoint (core.h) */
#define CONTEXTS  1024U
#define REQUESTS  256U
#define WAITING   64U

static const struct {
    const char *name;
    const char *type;
    const char *label; /* NULL: none */
    const char *help;
} rows[CPS_METRICS] = {
    [CPS_METRIC_BUILD] = {"coapsule_build_info", "gauge", "version", "Always 1."},
    [CPS_METRIC_POOL_USED] = {"coapsule_pool_used", "gauge", "pool", "Places in use."},
    [CPS_METRIC_POOL_LIMIT] = {"coapsule_pool_limit", "gauge", "pool", "Places that there are."},
    [CPS_METRIC_REMEMBERED_BYTES] = {"coapsule_remembered_bytes", "gauge", NULL,
                                     "Memory in use for messages remembered against duplicates."},
    [CPS_METRIC_REMEMBERED_LIMIT] = {"coapsule_remembered_limit_bytes", "gauge", NULL, "How much of it there is."},
    [CPS_METRIC_EVICTIONS] = {"coapsule_evictions_total", "counter", "class", "What was forgotten early, for room."},
    [CPS_METRIC_DATAGRAMS] = {"coapsule_datagrams_total", "counter", "direction", "Datagrams."},
    [CPS_METRIC_DROPS] = {"coapsule_drops_total", "counter", "cause",
                          "Messages that were dropped or refused, by cause."},
    [CPS_METRIC_NOTES] = {"coapsule_notes_total", "counter", "event", "What else is worth a note, by event."},
    [CPS_METRIC_REQUESTS] = {"coapsule_requests_total", "counter", "outcome", "Requests to this server."},
    [CPS_METRIC_RESPONSES] = {"coapsule_responses_total", "counter", "code", "Answers of this server, by code."},
    [CPS_METRIC_REQUEST_SECONDS] = {"coapsule_request_seconds", "histogram", NULL,
                                    "From taking a request up to handing its answer to the endpoint."},
    [CPS_METRIC_LEASES] = {"coapsule_leases_total", "counter", "result", "Leases of sequence numbers."},
    [CPS_METRIC_LEASE_SECONDS] = {"coapsule_lease_seconds", "histogram", NULL,
                                  "From asking for a lease to its commit on disk."},
    [CPS_METRIC_LOG_LOST] = {"coapsule_log_lost_total", "counter", NULL, "Log lines that could not be written."},
    [CPS_METRIC_PROXY_REQUESTS] = {"coapsule_proxy_requests_total", "counter", "outcome", "Requests to this proxy."},
    [CPS_METRIC_PROXY_REFUSALS] = {"coapsule_proxy_refusals_total", "counter", "reason", "Refusals of this proxy."},
    [CPS_METRIC_PROXY_OPEN] = {"coapsule_proxy_open", "gauge", NULL, "Requests under way."},
};

void cps_histogram_add(cps_histogram_t *h, uint64_t us)
{
    size_t i = 0;
    for (uint64_t limit = FIRST_US; i + 1 < CPS_HISTOGRAM_BUCKETS && us > limit; limit *= 2)
        i++;
    h->counts[i]++;
    h->sum_us += us;
}

cps_metrics_out_t cps_metrics_begin(FILE *out) { return (cps_metrics_out_t){out, CPS_METRICS}; }

static void head(cps_metrics_out_t *m, cps_metric_t metric)
{
    if (m->last == metric)
        return;
    fprintf(m->out, "# HELP %s %s\n# TYPE %s %s\n", rows[metric].name, rows[metric].help, rows[metric].name,
            rows[metric].type);
    m->last = metric;
}

void cps_metrics_put(cps_metrics_out_t *m, cps_metric_t metric, const char *label, uint64_t value)
{
    head(m, metric);
    if (label != NULL)
        fprintf(m->out, "%s{%s=\"%s\"} %llu\n", rows[metric].name, rows[metric].label, label,
                (unsigned long long)value);
    else
        fprintf(m->out, "%s %llu\n", rows[metric].name, (unsigned long long)value);
}

static void put_seconds(FILE *out, uint64_t us)
{
    fprintf(out, "%llu.%06llu", (unsigned long long)(us / SECOND_US), (unsigned long long)(us % SECOND_US));
}

void cps_metrics_histogram(cps_metrics_out_t *m, cps_metric_t metric, const cps_histogram_t *h)
{
    uint64_t limit_us = FIRST_US;
    uint64_t count = 0;
    head(m, metric);
    for (size_t i = 0; i < CPS_HISTOGRAM_BUCKETS; i++, limit_us *= 2) {
        count += h->counts[i];
        fprintf(m->out, "%s_bucket{le=\"", rows[metric].name);
        if (i + 1 < CPS_HISTOGRAM_BUCKETS)
            put_seconds(m->out, limit_us);
        else
            fputs("+Inf", m->out);
        fprintf(m->out, "\"} %llu\n", (unsigned long long)count);
    }
    fprintf(m->out, "%s_sum ", rows[metric].name);
    put_seconds(m->out, h->sum_us);
    fprintf(m->out, "\n%s_count %llu\n", rows[metric].name, (unsigned long long)count);
}

/* Whether a note says that a message was not taken. */
static bool is_drop(cps_note_kind_t kind)
{
    static const cps_note_kind_t drops[] = {CPS_NOTE_MALFORMED,         CPS_NOTE_BAD_OPTION,  CPS_NOTE_REPLAY,
                                            CPS_NOTE_DECRYPT_FAILED,    CPS_NOTE_NO_CONTEXT,  CPS_NOTE_OSCORE_DECODE,
                                            CPS_NOTE_CHALLENGE_LIMITED, CPS_NOTE_BUDGET_FULL, CPS_NOTE_PEERS_FULL,
                                            CPS_NOTE_REQUESTS_FULL,     CPS_NOTE_BAD_ANSWER,  CPS_NOTE_REKEY_LIMITED,
                                            CPS_NOTE_UNEXPECTED};
    for (size_t i = 0; i < sizeof drops / sizeof drops[0]; i++)
        if (drops[i] == kind)
            return true;
    return false;
}

static void put_notes(cps_metrics_out_t *m, cps_metric_t metric, const cps_ep_stats_t *stats, bool drops)
{
    for (int kind = 0; kind < CPS_NOTE_COUNT; kind++)
        if (is_drop((cps_note_kind_t)kind) == drops)
            cps_metrics_put(m, metric, cps_note_name((cps_note_kind_t)kind), stats->notes[kind]);
}

void cps_metrics_endpoint(cps_metrics_out_t *m, const cps_ep_stats_t *stats, const cps_ep_config_t *limits)
{
    const struct {
        const char *name;
        uint32_t used;
        uint32_t limit;
        uint32_t fallback;
    } pools[] = {{"peers", stats->peers, limits->peers, PEERS},
                 {"contexts", stats->contexts, limits->contexts, CONTEXTS},
                 {"requests_in", stats->requests_in, limits->requests_in, REQUESTS},
                 {"requests_out", stats->requests_out, limits->requests_out, REQUESTS},
                 {"lease_waits", stats->waiting, limits->waiting, WAITING}};
    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++)
        cps_metrics_put(m, CPS_METRIC_POOL_USED, pools[i].name, pools[i].used);
    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++)
        cps_metrics_put(m, CPS_METRIC_POOL_LIMIT, pools[i].name,
                        pools[i].limit != 0 ? pools[i].limit : pools[i].fallback);
    cps_metrics_put(m, CPS_METRIC_REMEMBERED_BYTES, NULL, stats->dedup_bytes);
    cps_metrics_put(m, CPS_METRIC_REMEMBERED_LIMIT, NULL, stats->dedup_limit);
    cps_metrics_put(m, CPS_METRIC_EVICTIONS, "plain_safe", stats->evicted_plain_safe);
    cps_metrics_put(m, CPS_METRIC_EVICTIONS, "sealed", stats->evicted_sealed);
    cps_metrics_put(m, CPS_METRIC_EVICTIONS, "peer", stats->evicted_peers);
    cps_metrics_put(m, CPS_METRIC_DATAGRAMS, "in", stats->datagrams_in);
    cps_metrics_put(m, CPS_METRIC_DATAGRAMS, "out", stats->datagrams_out);
    put_notes(m, CPS_METRIC_DROPS, stats, true);
    put_notes(m, CPS_METRIC_NOTES, stats, false);
}
