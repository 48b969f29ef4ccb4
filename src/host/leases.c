// SPDX-License-Identifier: Apache-2.0
#include "host/leases.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct batch {
    cps_event_t *askings; /* in the order of asking */
    cps_store_lease_t *leases;
    size_t count;
    size_t room;
} batch_t;

struct cps_leases {
    cps_worker_t *worker;
    cps_keyring_t *keyring;
    cps_store_t *store;
    cps_leases_refused_fn refused;
    void *user;
    uv_check_t turn_end;
    uv_idle_t no_wait; /* keeps the loop from sleeping before the end of the turn */
    uv_work_t work;
    batch_t next;    /* what this turn asks for */
    batch_t current; /* what the store is at */
    bool busy;
    cps_err_t err;
    char sentence[CPS_KEYRING_DETAIL_MAX];
};

static void nothing(uv_idle_t *idle) { (void)idle; }

/* On a thread of the pool. The store is used by nobody else meanwhile: one batch is under way at a time. */
static void commit(uv_work_t *work)
{
    cps_leases_t *l = work->data;
    l->err = l->store->table->lease(l->store, l->current.leases, l->current.count, false, false);
    snprintf(l->sentence, sizeof l->sentence, "%s", cps_store_detail()); /* that thread's: copied before it goes */
}

static void answer(cps_leases_t *l, const cps_event_t *asking, const cps_store_lease_t *lease)
{
    cps_command_t done = {.kind = CPS_COMMAND_JOB_DONE,
                          .u.job_done = {.job = asking->handle,
                                         .result = l->err != CPS_OK ? l->err : lease->result,
                                         .number = lease->ceiling}};
    if (done.u.job_done.result != CPS_OK && l->refused != NULL)
        l->refused(l->user, done.u.job_done.result, l->sentence);
    if (cps_worker_submit(l->worker, &done, NULL) != CPS_OK)
        return; /* the context is gone: nobody waits for the lease */
}

static void start(cps_leases_t *l);

static void committed(uv_work_t *work, int status)
{
    cps_leases_t *l = work->data;
    if (status != 0)
        l->err = CPS_ERR_CANCELED;
    for (size_t i = 0; i < l->current.count; i++)
        answer(l, &l->current.askings[i], &l->current.leases[i]);
    l->busy = false;
    if (l->next.count != 0)
        start(l);
}

static void start(cps_leases_t *l)
{
    batch_t done = l->current;
    l->current = l->next;
    l->next = done;
    l->next.count = 0;
    l->busy = true;
    l->work.data = l;
    if (uv_queue_work(cps_worker_loop(l->worker), &l->work, commit, committed) != 0)
        committed(&l->work, UV_ECANCELED);
}

/* All events of this turn have been heard: what they asked for goes to the store as one commit (OPS-13). */
static void on_turn_end(uv_check_t *check)
{
    cps_leases_t *l = check->data;
    uv_check_stop(check);
    uv_idle_stop(&l->no_wait);
    if (!l->busy && l->next.count != 0)
        start(l);
}

static bool grow(batch_t *b)
{
    if (b->count < b->room)
        return true;
    size_t room = b->room == 0 ? 16 : 2 * b->room;
    cps_event_t *askings = realloc(b->askings, room * sizeof *askings);
    if (askings != NULL)
        b->askings = askings;
    cps_store_lease_t *leases = askings == NULL ? NULL : realloc(b->leases, room * sizeof *leases);
    if (leases == NULL)
        return false;
    b->leases = leases;
    b->room = room;
    return true;
}

void cps_leases_job(cps_leases_t *leases, const cps_event_t *event)
{
    batch_t *next = &leases->next;
    if (!grow(next)) {
        cps_store_lease_t none = {.result = CPS_ERR_MEMORY};
        answer(leases, event, &none);
        return;
    }
    next->askings[next->count] = *event;
    cps_keyring_lease(leases->keyring, &event->u.job, &next->leases[next->count]);
    next->count++;
    if (leases->busy)
        return;
    uv_check_start(&leases->turn_end, on_turn_end);
    uv_idle_start(&leases->no_wait, nothing);
}

cps_err_t cps_leases_new(cps_leases_t **out, cps_worker_t *worker, cps_keyring_t *keyring, cps_store_t *store)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL)
        return CPS_ERR_MEMORY;
    (*out)->worker = worker;
    (*out)->keyring = keyring;
    (*out)->store = store;
    uv_check_init(cps_worker_loop(worker), &(*out)->turn_end);
    uv_idle_init(cps_worker_loop(worker), &(*out)->no_wait);
    (*out)->turn_end.data = *out;
    return CPS_OK;
}

void cps_leases_on_refused(cps_leases_t *leases, cps_leases_refused_fn refused, void *user)
{
    leases->refused = refused;
    leases->user = user;
}

bool cps_leases_busy(const cps_leases_t *leases) { return leases->busy || leases->next.count != 0; }

static void release(uv_handle_t *handle)
{
    cps_leases_t *l = handle->data;
    free(l->next.askings);
    free(l->next.leases);
    free(l->current.askings);
    free(l->current.leases);
    free(l);
}

static void closed_check(uv_handle_t *handle)
{
    cps_leases_t *l = handle->data;
    l->no_wait.data = l;
    uv_close((uv_handle_t *)&l->no_wait, release);
}

void cps_leases_close(cps_leases_t *leases)
{
    if (leases != NULL)
        uv_close((uv_handle_t *)&leases->turn_end, closed_check);
}
