// SPDX-License-Identifier: Apache-2.0
#include "host/leases.h"

#include "host/storejob.h"

#include <stdlib.h>

#define WAITING_MAX 65536U /* one lease a context is under way, so this many contexts at once */

struct cps_leases {
    cps_worker_t *worker;
    cps_keyring_t *keyring;
    cps_storejobs_t *jobs;
    cps_leases_refused_fn refused;
    void *user;
    size_t under_way;
    uint64_t granted;
    uint64_t denied;
    cps_histogram_t seconds;
};

/* One lease that was asked for. */
typedef struct asking {
    cps_leases_t *leases;
    cps_event_t event;
    cps_time_us_t asked_us;
    cps_store_renewal_t renewal; /* of a CPS_JOB_REKEY */
} asking_t;

static void answer(cps_leases_t *l, const cps_event_t *event, cps_err_t result, const char *sentence)
{
    cps_command_t done = {
        .kind = CPS_COMMAND_JOB_DONE,
        .u.job_done = {
            .job = event->handle, .result = result, .number = event->u.job.number, .kind = event->u.job.kind}};
    if (event->u.job.kind == CPS_JOB_LEASE) {
        l->granted += result == CPS_OK;
        l->denied += result != CPS_OK;
    }
    if (result != CPS_OK && l->refused != NULL)
        l->refused(l->user, result, sentence);
    if (cps_worker_submit(l->worker, &done, NULL) != CPS_OK)
        return; /* the context is gone: nobody waits for the lease */
}

static void on_done(void *user, const cps_storejob_granted_t *granted)
{
    asking_t *asking = user;
    asking->leases->under_way--;
    cps_histogram_add(&asking->leases->seconds, cps_worker_now(asking->leases->worker) - asking->asked_us);
    answer(asking->leases, &asking->event, granted->err != CPS_OK ? granted->err : granted->leases[0].result,
           granted->detail);
    free(asking);
}

static cps_err_t ask_lease(cps_leases_t *l, asking_t *asking)
{
    cps_store_lease_t lease;
    cps_keyring_lease(l->keyring, &asking->event.u.job, &lease);
    const cps_storejob_lease_t request = {.leases = &lease, .count = 1, .done = on_done, .user = asking};
    return cps_storejob_lease(l->jobs, &request);
}

/* In the store's thread. */
static cps_err_t renew(cps_store_t *store, void *user)
{
    const asking_t *asking = user;
    return store->table->key_renew(store, &asking->renewal);
}

static void on_renewed(void *user, cps_err_t err, const char *detail)
{
    asking_t *asking = user;
    cps_leases_t *l = asking->leases;
    l->under_way--;
    if (err == CPS_OK)
        cps_keyring_renewed(l->keyring, &asking->event.u.job);
    answer(l, &asking->event, err, detail);
    free(asking);
}

static cps_err_t ask_renewal(cps_leases_t *l, asking_t *asking)
{
    cps_keyring_renewal(l->keyring, &asking->event.u.job, &asking->renewal);
    const cps_storejob_run_t request = {.work = renew, .done = on_renewed, .user = asking};
    return cps_storejob_run(l->jobs, &request);
}

void cps_leases_job(cps_leases_t *leases, const cps_event_t *event)
{
    asking_t *asking = malloc(sizeof *asking);
    if (asking == NULL) {
        answer(leases, event, CPS_ERR_MEMORY, cps_err_text(CPS_ERR_MEMORY));
        return;
    }
    *asking = (asking_t){.leases = leases, .event = *event, .asked_us = cps_worker_now(leases->worker)};
    cps_err_t err = event->u.job.kind == CPS_JOB_REKEY ? ask_renewal(leases, asking) : ask_lease(leases, asking);
    if (err == CPS_OK) {
        leases->under_way++;
        return;
    }
    free(asking);
    answer(leases, event, err, cps_err_text(err));
}

cps_err_t cps_leases_new(cps_leases_t **out, cps_worker_t *worker, cps_keyring_t *keyring, cps_store_t *store)
{
    *out = NULL;
    cps_leases_t *leases = calloc(1, sizeof *leases);
    if (leases == NULL)
        return CPS_ERR_MEMORY;
    leases->worker = worker;
    leases->keyring = keyring;
    cps_err_t err = cps_storejobs_new(&leases->jobs, cps_worker_loop(worker), store, WAITING_MAX);
    if (err != CPS_OK) {
        free(leases);
        return err;
    }
    *out = leases;
    return CPS_OK;
}

void cps_leases_on_refused(cps_leases_t *leases, cps_leases_refused_fn refused, void *user)
{
    leases->refused = refused;
    leases->user = user;
}

void cps_leases_metrics(const cps_leases_t *leases, cps_metrics_out_t *out)
{
    cps_metrics_put(out, CPS_METRIC_LEASES, "granted", leases->granted);
    cps_metrics_put(out, CPS_METRIC_LEASES, "refused", leases->denied);
    cps_metrics_histogram(out, CPS_METRIC_LEASE_SECONDS, &leases->seconds);
}

bool cps_leases_busy(const cps_leases_t *leases) { return leases->under_way != 0; }

void cps_leases_close(cps_leases_t *leases)
{
    if (leases == NULL)
        return;
    cps_storejobs_close(leases->jobs);
    free(leases);
}
