// SPDX-License-Identifier: Apache-2.0
#include "host/storejob.h"

#include <stdio.h>
#include <stdlib.h>

/* One request for leases: its part of the round's array. */
typedef struct part {
    void (*done)(void *user, const cps_storejob_granted_t *granted);
    void *user;
    size_t first;
    size_t count;
} part_t;

typedef struct job {
    cps_storejob_run_t run;
    cps_err_t err;
    char detail[CPS_STOREJOB_DETAIL_MAX];
} job_t;

/* What goes to the thread at once. */
typedef struct round {
    cps_store_lease_t *leases;
    part_t *parts;
    size_t lease_count;
    size_t part_count;
    bool invalidate;
    bool all;
    cps_err_t err;
    char detail[CPS_STOREJOB_DETAIL_MAX];
    job_t jobs[CPS_STOREJOB_RUNS_MAX];
    size_t job_count;
} round_t;

/* How far the thread is with the round that it has. */
typedef enum stage { STAGE_IDLE, STAGE_HANDED, STAGE_LEASED, STAGE_DONE } stage_t;

struct cps_storejobs {
    cps_store_t *store;
    uint32_t limit;
    uv_prepare_t prepare; /* both active while the open round holds something */
    uv_check_t check;
    uv_async_t async;
    unsigned handles; /* not closed yet */
    bool closing;
    round_t rounds[2];
    round_t *open;   /* collects; the loop's */
    round_t *handed; /* the other one; the thread's between STAGE_HANDED and STAGE_DONE */
    bool delivered;  /* leases of the round under way are given back */
    uv_thread_t thread;
    uv_mutex_t mutex;
    uv_cond_t wake;
    stage_t stage; /* under the mutex, with `stop` */
    bool stop;
};

/* ---- the thread ---- */

static void set_stage(cps_storejobs_t *j, stage_t stage)
{
    uv_mutex_lock(&j->mutex);
    j->stage = stage;
    uv_cond_signal(&j->wake);
    uv_mutex_unlock(&j->mutex);
}

static stage_t get_stage(cps_storejobs_t *j)
{
    uv_mutex_lock(&j->mutex);
    stage_t stage = j->stage;
    uv_mutex_unlock(&j->mutex);
    return stage;
}

/* The store keeps its sentence by thread: it is carried over. */
static void keep_detail(char out[CPS_STOREJOB_DETAIL_MAX], bool failed)
{
    snprintf(out, CPS_STOREJOB_DETAIL_MAX, "%s", failed ? cps_store_detail() : "");
}

static bool any_failed(const round_t *r)
{
    for (size_t i = 0; i < r->lease_count; i++)
        if (r->leases[i].result != CPS_OK)
            return true;
    return false;
}

static void do_leases(cps_store_t *store, round_t *r)
{
    if (r->part_count == 0)
        return;
    r->err = store->table->lease(store, r->leases, r->lease_count, r->invalidate, r->all);
    keep_detail(r->detail, r->err != CPS_OK || any_failed(r));
}

static void do_jobs(cps_store_t *store, round_t *r)
{
    for (size_t i = 0; i < r->job_count; i++) {
        r->jobs[i].err = r->jobs[i].run.work(store, r->jobs[i].run.user);
        keep_detail(r->jobs[i].detail, r->jobs[i].err != CPS_OK);
    }
}

/* The next round, or NULL at the end. A round that was handed over is done before. */
static round_t *wait_for_round(cps_storejobs_t *j)
{
    uv_mutex_lock(&j->mutex);
    while (j->stage != STAGE_HANDED && !j->stop)
        uv_cond_wait(&j->wake, &j->mutex);
    round_t *r = j->stage == STAGE_HANDED ? j->handed : NULL;
    uv_mutex_unlock(&j->mutex);
    return r;
}

static void run_thread(void *arg)
{
    cps_storejobs_t *j = arg;
    round_t *r;
    while ((r = wait_for_round(j)) != NULL) {
        do_leases(j->store, r);
        set_stage(j, STAGE_LEASED);
        uv_async_send(&j->async);
        do_jobs(j->store, r);
        set_stage(j, STAGE_DONE);
        uv_async_send(&j->async);
    }
}

/* ---- the loop ---- */

static void deliver_leases(const round_t *r)
{
    for (size_t i = 0; i < r->part_count; i++) {
        const part_t *p = &r->parts[i];
        cps_storejob_granted_t granted = {r->err, r->leases + p->first, p->count, r->detail};
        p->done(p->user, &granted);
    }
}

static void deliver_jobs(const round_t *r)
{
    for (size_t i = 0; i < r->job_count; i++)
        r->jobs[i].run.done(r->jobs[i].run.user, r->jobs[i].err, r->jobs[i].detail);
}

static void empty(round_t *r)
{
    r->lease_count = 0;
    r->part_count = 0;
    r->job_count = 0;
    r->invalidate = false;
    r->all = false;
}

/* Give back what the thread is done with. What callbacks ask for goes to the open round. */
static void deliver(cps_storejobs_t *j)
{
    stage_t stage = get_stage(j);
    if (stage < STAGE_LEASED)
        return;
    if (!j->delivered) {
        j->delivered = true;
        deliver_leases(j->handed);
    }
    if (stage != STAGE_DONE)
        return;
    deliver_jobs(j->handed);
    empty(j->handed);
    set_stage(j, STAGE_IDLE);
    uv_unref((uv_handle_t *)&j->async);
}

static void on_async(uv_async_t *async) { deliver(async->data); }

/* What was asked for goes out, unless the thread is still at work; then the next turn tries again, and there is one when
 * the thread is done. */
static void hand_over(cps_storejobs_t *j)
{
    if (get_stage(j) != STAGE_IDLE)
        return;
    round_t *r = j->open;
    j->open = j->handed;
    j->handed = r;
    j->delivered = false;
    uv_prepare_stop(&j->prepare);
    uv_check_stop(&j->check);
    uv_ref((uv_handle_t *)&j->async); /* the loop stays alive until it comes back */
    set_stage(j, STAGE_HANDED);
}

/* Timers have run, and the loop is about to poll. */
static void on_prepare(uv_prepare_t *prepare) { hand_over(prepare->data); }

/* It has polled. A caller that drives the loop from outside may sleep now, so the next turn would be too late. */
static void on_check(uv_check_t *check) { hand_over(check->data); }

/* The open round has something. */
static void expect_turn(cps_storejobs_t *j)
{
    uv_prepare_start(&j->prepare, on_prepare);
    uv_check_start(&j->check, on_check);
}

cps_err_t cps_storejob_lease(cps_storejobs_t *jobs, const cps_storejob_lease_t *request)
{
    round_t *r = jobs->open;
    if (jobs->closing)
        return CPS_ERR_STALE;
    if (request->count > jobs->limit - r->lease_count || r->part_count == jobs->limit)
        return CPS_ERR_BUSY;
    r->parts[r->part_count++] = (part_t){request->done, request->user, r->lease_count, request->count};
    cps_copy(r->leases + r->lease_count, request->leases, request->count * sizeof *r->leases);
    r->lease_count += request->count;
    r->invalidate = r->invalidate || request->invalidate;
    r->all = r->all || request->all;
    expect_turn(jobs);
    return CPS_OK;
}

cps_err_t cps_storejob_run(cps_storejobs_t *jobs, const cps_storejob_run_t *request)
{
    round_t *r = jobs->open;
    if (jobs->closing)
        return CPS_ERR_STALE;
    if (r->job_count == CPS_STOREJOB_RUNS_MAX)
        return CPS_ERR_BUSY;
    r->jobs[r->job_count++].run = *request;
    expect_turn(jobs);
    return CPS_OK;
}

/* ---- begin and end ---- */

static void free_all(cps_storejobs_t *j)
{
    for (int i = 0; i < 2; i++) {
        free(j->rounds[i].leases);
        free(j->rounds[i].parts);
    }
    free(j);
}

static void on_handle_closed(uv_handle_t *handle)
{
    cps_storejobs_t *j = handle->data;
    if (--j->handles == 0)
        free_all(j);
}

static void close_handles(cps_storejobs_t *j)
{
    j->handles = 3;
    uv_close((uv_handle_t *)&j->async, on_handle_closed);
    uv_close((uv_handle_t *)&j->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&j->check, on_handle_closed);
}

static cps_err_t start_thread(cps_storejobs_t *j)
{
    if (uv_mutex_init(&j->mutex) != 0)
        return CPS_ERR_MEMORY;
    if (uv_cond_init(&j->wake) != 0) {
        uv_mutex_destroy(&j->mutex);
        return CPS_ERR_MEMORY;
    }
    if (uv_thread_create(&j->thread, run_thread, j) == 0)
        return CPS_OK;
    uv_cond_destroy(&j->wake);
    uv_mutex_destroy(&j->mutex);
    return CPS_ERR_IO;
}

cps_err_t cps_storejobs_new(cps_storejobs_t **out, uv_loop_t *loop, cps_store_t *store, uint32_t limit)
{
    cps_storejobs_t *j = calloc(1, sizeof *j);
    if (j == NULL)
        return CPS_ERR_MEMORY;
    j->store = store;
    j->limit = limit;
    j->open = &j->rounds[0];
    j->handed = &j->rounds[1];
    for (int i = 0; i < 2; i++) {
        j->rounds[i].leases = calloc(limit, sizeof(cps_store_lease_t));
        j->rounds[i].parts = calloc(limit, sizeof(part_t));
    }
    bool memory = j->rounds[0].leases && j->rounds[0].parts && j->rounds[1].leases && j->rounds[1].parts;
    if (!memory || uv_async_init(loop, &j->async, on_async) != 0) {
        free_all(j);
        return CPS_ERR_MEMORY;
    }
    uv_unref((uv_handle_t *)&j->async);
    uv_prepare_init(loop, &j->prepare);
    uv_check_init(loop, &j->check);
    j->async.data = j;
    j->prepare.data = j;
    j->check.data = j;
    cps_err_t err = start_thread(j);
    if (err != CPS_OK) {
        close_handles(j);
        return err;
    }
    *out = j;
    return CPS_OK;
}

void cps_storejobs_close(cps_storejobs_t *jobs)
{
    if (jobs == NULL)
        return;
    jobs->closing = true;
    uv_mutex_lock(&jobs->mutex);
    jobs->stop = true;
    uv_cond_signal(&jobs->wake);
    uv_mutex_unlock(&jobs->mutex);
    uv_thread_join(&jobs->thread);
    deliver(jobs);
    round_t *rest = jobs->open; /* the thread is gone, so that this thread may call the store */
    do_leases(jobs->store, rest);
    do_jobs(jobs->store, rest);
    deliver_leases(rest);
    deliver_jobs(rest);
    uv_cond_destroy(&jobs->wake);
    uv_mutex_destroy(&jobs->mutex);
    close_handles(jobs);
}
