// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.h"
#include "store_vfs.h"

#include "host/storejob.h"

#include <poll.h>

/* ---- a store that can be held up, and remembers how it was called ---- */

typedef struct fake {
    cps_store_t base;
    bool held; /* each call waits for `gate` */
    uv_sem_t gate;
    uv_sem_t entered; /* posted as a call begins */
    unsigned calls;
    size_t counts[8];
    bool invalidate;
    bool all;
    cps_err_t give;
    uv_thread_t thread; /* that made the last call */
} fake_t;

static cps_err_t fake_lease(cps_store_t *s, cps_store_lease_t *leases, size_t count, bool invalidate, bool all)
{
    fake_t *f = (fake_t *)s;
    uv_sem_post(&f->entered);
    if (f->held)
        uv_sem_wait(&f->gate);
    f->counts[f->calls++ % 8] = count;
    f->invalidate = invalidate;
    f->all = all;
    f->thread = uv_thread_self();
    for (size_t i = 0; i < count; i++)
        leases[i].result = f->give != CPS_OK ? f->give : leases[i].ceiling % 7 == 0 ? CPS_ERR_STATE_LOST : CPS_OK;
    return f->give;
}

static const cps_store_table_t fake_table = {.name = "fake", .lease = fake_lease};

/* ---- a loop with jobs ---- */

typedef struct bench {
    uv_loop_t loop;
    fake_t store;
    cps_storejobs_t *jobs;
    unsigned answers;
    cps_err_t err;
    char order[128]; /* what came back, a letter each */
    char detail[CPS_STOREJOB_DETAIL_MAX];
} bench_t;

static void begin(bench_t *b, uint32_t limit)
{
    memset(b, 0, sizeof *b);
    b->store.base.table = &fake_table;
    assert_int_equal(uv_sem_init(&b->store.gate, 0), 0);
    assert_int_equal(uv_sem_init(&b->store.entered, 0), 0);
    assert_int_equal(uv_loop_init(&b->loop), 0);
    assert_ok(cps_storejobs_new(&b->jobs, &b->loop, &b->store.base, limit));
}

static void finish(bench_t *b)
{
    cps_storejobs_close(b->jobs);
    assert_int_equal(uv_run(&b->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    uv_sem_destroy(&b->store.gate);
    uv_sem_destroy(&b->store.entered);
}

static void note(bench_t *b, char letter)
{
    b->order[strlen(b->order)] = letter;
    b->answers++;
}

static void on_granted(void *user, const cps_storejob_granted_t *granted)
{
    bench_t *b = user;
    for (size_t i = 0; i < granted->count; i++)
        if (granted->err == CPS_OK)
            assert_int_equal(granted->leases[i].result,
                             granted->leases[i].ceiling % 7 == 0 ? CPS_ERR_STATE_LOST : CPS_OK);
    b->err = granted->err;
    note(b, 'l');
}

static cps_err_t ask(bench_t *b, uint64_t ceiling, bool invalidate, bool all)
{
    cps_store_lease_t lease = {.ceiling = ceiling};
    cps_storejob_lease_t request = {&lease, 1, invalidate, all, on_granted, b};
    return cps_storejob_lease(b->jobs, &request);
}

/* ---- cases ---- */

/* The request of one context; `user` is where it is noted. */
static void on_one_granted(void *user, const cps_storejob_granted_t *granted)
{
    bool *mine = user;
    assert_ok(granted->err);
    assert_int_equal(granted->count, 1);
    assert_ok(granted->leases[0].result);
    assert_false(*mine);
    *mine = true;
}

static void leases_of_one_turn_are_one_commit(void **state)
{
    (void)state;
    static recorder_t rec;
    static cps_store_key_t keys[200];
    static bool granted[200];
    box_t box;
    cps_store_t *store;
    uv_loop_t loop;
    cps_storejobs_t *jobs;
    box_make(&box);
    recorder_start(&rec);
    cps_store_options_t options = {.path = box.path, .create = true, .vfs = RECORDER_NAME};
    assert_ok(cps_store_sqlite_open(&store, &options));
    assert_int_equal(uv_loop_init(&loop), 0);
    for (uint32_t i = 0; i < 200; i++) {
        keys[i] = add_sample(store, i, 1);
        lock_key(store, &keys[i]);
    }
    unsigned commits = rec.commits;
    assert_ok(cps_storejobs_new(&jobs, &loop, store, 1024));
    for (uint32_t i = 0; i < 200; i++) {
        cps_store_lease_t lease = lease_of(&keys[i], 64 + i);
        cps_storejob_lease_t request = {&lease, 1, true, false, on_one_granted, &granted[i]};
        assert_ok(cps_storejob_lease(jobs, &request));
    }
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    cps_storejobs_close(jobs);
    assert_int_equal(rec.commits, commits + 1);
    assert_int_equal(rec.wal_unsynced, 0);
    for (uint32_t i = 0; i < 200; i++) {
        assert_true(granted[i]);
        assert_state(store, &keys[i], 64 + i, 64 + i, CPS_TIME_NEVER);
    }
    store->table->close(store);
    recorder_stop(&rec);
    box_drop(&box);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void count_turn(uv_idle_t *idle)
{
    unsigned *turns = idle->data;
    if (++*turns == 100)
        uv_idle_stop(idle);
}

/* The disk stands still: the loop turns, and what is asked for meanwhile makes one call. */
static void a_stalled_store_does_not_stall_the_loop(void **state)
{
    (void)state;
    bench_t b;
    uv_idle_t idle;
    unsigned turns = 0;
    begin(&b, 100);
    b.store.held = true;
    assert_ok(ask(&b, 1, false, false));
    uv_run(&b.loop, UV_RUN_NOWAIT);
    uv_sem_wait(&b.store.entered);
    uv_idle_init(&b.loop, &idle);
    idle.data = &turns;
    uv_idle_start(&idle, count_turn);
    while (turns < 100) {
        assert_ok(turns % 10 == 0 ? ask(&b, 2, turns == 50, false) : CPS_OK);
        uv_run(&b.loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(b.answers, 0);
    uv_sem_post(&b.store.gate);
    uv_sem_post(&b.store.gate);
    uv_run(&b.loop, UV_RUN_DEFAULT);
    assert_int_equal(b.store.calls, 2);
    assert_int_equal(b.store.counts[0], 1);
    assert_int_equal(b.store.counts[1], 10);
    assert_true(b.store.invalidate); /* one of the ten wanted it */
    assert_false(b.store.all);
    assert_int_equal(b.answers, 11);
    uv_thread_t me = uv_thread_self();
    assert_false(uv_thread_equal(&me, &b.store.thread));
    uv_close((uv_handle_t *)&idle, NULL);
    finish(&b);
}

static void what_the_store_says_comes_back(void **state)
{
    (void)state;
    bench_t b;
    begin(&b, 100);
    for (uint64_t i = 0; i < 14; i++) /* two of them are lost, which on_granted checks by each place */
        assert_ok(ask(&b, i + 1, false, i == 3));
    cps_store_lease_t two[2] = {{.ceiling = 7}, {.ceiling = 8}};
    cps_storejob_lease_t request = {two, 2, false, false, on_granted, &b};
    assert_ok(cps_storejob_lease(b.jobs, &request));
    uv_run(&b.loop, UV_RUN_DEFAULT);
    assert_int_equal(b.store.calls, 1);
    assert_int_equal(b.store.counts[0], 16);
    assert_true(b.store.all);
    assert_false(b.store.invalidate);
    assert_int_equal(b.answers, 15);
    assert_ok(b.err);
    b.store.give = CPS_ERR_STORE_FULL;
    assert_ok(ask(&b, 1, false, false));
    uv_run(&b.loop, UV_RUN_DEFAULT);
    assert_err(CPS_ERR_STORE_FULL, b.err);
    assert_false(b.store.all); /* flags are those of the round, also when its memory is used again */
    assert_ok(ask(&b, 1, false, false));
    uv_run(&b.loop, UV_RUN_DEFAULT);
    assert_int_equal(b.store.calls, 3);
    assert_false(b.store.all);
    finish(&b);
}

static void too_many_requests_are_refused(void **state)
{
    (void)state;
    bench_t b;
    cps_store_lease_t many[3] = {{.ceiling = 1}, {.ceiling = 1}, {.ceiling = 1}};
    begin(&b, 4);
    cps_storejob_lease_t request = {many, 3, false, false, on_granted, &b};
    assert_ok(cps_storejob_lease(b.jobs, &request));
    assert_err(CPS_ERR_BUSY, cps_storejob_lease(b.jobs, &request));
    assert_ok(ask(&b, 1, false, false));
    assert_err(CPS_ERR_BUSY, ask(&b, 1, false, false));
    uv_run(&b.loop, UV_RUN_DEFAULT);
    assert_int_equal(b.answers, 2);
    request.count = 0; /* leases of nothing are requests too: the whole store made used up, e.g. */
    for (int i = 0; i < 4; i++)
        assert_ok(cps_storejob_lease(b.jobs, &request));
    assert_err(CPS_ERR_BUSY, cps_storejob_lease(b.jobs, &request));
    uv_run(&b.loop, UV_RUN_DEFAULT);
    assert_int_equal(b.answers, 6);
    finish(&b);
}

static cps_err_t do_work(cps_store_t *store, void *user)
{
    (void)user;
    fake_t *f = (fake_t *)store;
    f->thread = uv_thread_self();
    return f->give;
}

static void on_worked(void *user, cps_err_t err, const char *detail)
{
    bench_t *b = user;
    b->err = err;
    snprintf(b->detail, sizeof b->detail, "%s", detail);
    note(b, 'w');
}

static cps_err_t work(bench_t *b)
{
    cps_storejob_run_t request = {do_work, on_worked, b};
    return cps_storejob_run(b->jobs, &request);
}

static void other_work_goes_the_same_way(void **state)
{
    (void)state;
    bench_t b;
    begin(&b, 100);
    assert_ok(work(&b));
    assert_ok(work(&b));
    assert_ok(ask(&b, 1, false, false));
    uv_run(&b.loop, UV_RUN_DEFAULT);
    assert_string_equal(b.order, "lww");
    uv_thread_t me = uv_thread_self();
    assert_false(uv_thread_equal(&me, &b.store.thread));
    assert_ok(b.err);
    for (unsigned i = 0; i < CPS_STOREJOB_RUNS_MAX; i++)
        assert_ok(work(&b));
    assert_err(CPS_ERR_BUSY, work(&b));
    b.store.give = CPS_ERR_NOT_FOUND;
    uv_run(&b.loop, UV_RUN_DEFAULT);
    assert_err(CPS_ERR_NOT_FOUND, b.err);
    assert_int_equal(b.answers, 3 + CPS_STOREJOB_RUNS_MAX);
    finish(&b);
}

static cps_err_t do_slow_work(cps_store_t *store, void *user)
{
    (void)user;
    uv_sem_wait(&((fake_t *)store)->gate);
    return CPS_OK;
}

static void slow_work_does_not_hold_leases_up(void **state)
{
    (void)state;
    bench_t b;
    begin(&b, 10);
    cps_storejob_run_t request = {do_slow_work, on_worked, &b};
    assert_ok(cps_storejob_run(b.jobs, &request));
    assert_ok(ask(&b, 1, false, false));
    while (b.answers == 0)
        uv_run(&b.loop, UV_RUN_ONCE);
    assert_string_equal(b.order, "l");
    uv_sem_post(&b.store.gate);
    uv_run(&b.loop, UV_RUN_DEFAULT);
    assert_string_equal(b.order, "lw");
    finish(&b);
}

/* The sentence of the real store crosses the threads with its error. */
static cps_err_t look_for_nobody(cps_store_t *store, void *user)
{
    cps_store_key_t key;
    (void)user;
    return store->table->key_get(store, "nobody", &key);
}

static void the_store_s_sentence_comes_along(void **state)
{
    (void)state;
    bench_t b;
    cps_store_t *store;
    memset(&b, 0, sizeof b);
    assert_ok(cps_store_mem_open(&store));
    assert_int_equal(uv_loop_init(&b.loop), 0);
    assert_ok(cps_storejobs_new(&b.jobs, &b.loop, store, 10));
    cps_storejob_run_t request = {look_for_nobody, on_worked, &b};
    assert_ok(cps_storejob_run(b.jobs, &request));
    uv_run(&b.loop, UV_RUN_DEFAULT);
    assert_err(CPS_ERR_NOT_FOUND, b.err);
    assert_non_null(strstr(b.detail, "nobody"));
    cps_storejobs_close(b.jobs);
    store->table->close(store);
    assert_int_equal(uv_run(&b.loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&b.loop), 0);
}

static void ask_again(void *user, const cps_storejob_granted_t *granted)
{
    bench_t *b = user;
    (void)granted;
    note(b, 'a');
    b->err = ask(b, 1, false, false);
}

static void a_callback_may_ask_again(void **state)
{
    (void)state;
    bench_t b;
    cps_store_lease_t lease = {.ceiling = 1};
    begin(&b, 1);
    cps_storejob_lease_t request = {&lease, 1, false, false, ask_again, &b};
    assert_ok(cps_storejob_lease(b.jobs, &request));
    uv_run(&b.loop, UV_RUN_DEFAULT);
    assert_ok(b.err);
    assert_string_equal(b.order, "al");
    assert_int_equal(b.store.calls, 2);
    finish(&b);
}

static void ask_in_poll(uv_async_t *async)
{
    bench_t *b = async->data;
    b->err = ask(b, 1, false, false);
}

/* What a datagram asks for, in the loop's poll phase, goes to the store before the caller of the loop sleeps: nothing else
 * may ever wake it. */
static void a_loop_driven_from_outside_need_not_be_woken(void **state)
{
    (void)state;
    bench_t b;
    uv_async_t datagram;
    begin(&b, 10);
    b.err = CPS_ERR_ARGUMENT;
    assert_int_equal(uv_async_init(&b.loop, &datagram, ask_in_poll), 0);
    datagram.data = &b;
    uv_async_send(&datagram);
    struct pollfd wait = {.fd = uv_backend_fd(&b.loop), .events = POLLIN};
    uv_run(&b.loop, UV_RUN_NOWAIT);
    while (b.answers == 0) {
        int timeout = uv_backend_timeout(&b.loop);
        assert_int_equal(poll(&wait, 1, timeout < 0 ? 10000 : timeout), 1);
        uv_run(&b.loop, UV_RUN_NOWAIT);
    }
    assert_ok(b.err);
    assert_int_equal(b.store.calls, 1);
    uv_close((uv_handle_t *)&datagram, NULL);
    finish(&b);
}

/* One round in the thread's hands and one that waits: both are done, each `done` is called, and then nothing is taken. */
static void close_loses_nothing(void **state)
{
    (void)state;
    bench_t b;
    cps_store_lease_t lease = {.ceiling = 1};
    begin(&b, 10);
    b.store.held = true;
    assert_ok(ask(&b, 1, false, false));
    assert_ok(work(&b));
    uv_run(&b.loop, UV_RUN_NOWAIT);
    uv_sem_wait(&b.store.entered);
    cps_storejob_lease_t request = {&lease, 1, false, false, ask_again, &b};
    assert_ok(cps_storejob_lease(b.jobs, &request));
    assert_ok(work(&b));
    uv_sem_post(&b.store.gate);
    uv_sem_post(&b.store.gate);
    cps_storejobs_close(b.jobs);
    assert_string_equal(b.order, "lwaw");
    assert_int_equal(b.store.calls, 2);
    assert_ok(b.err); /* of the last work; asking again was refused before */
    uv_run(&b.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&b.loop), 0);
    uv_sem_destroy(&b.store.gate);
    uv_sem_destroy(&b.store.entered);
    cps_storejobs_close(NULL);
}

/* The thread may or may not have seen the round when it is told to end. */
static void close_right_behind_a_request_loses_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        bench_t b;
        begin(&b, 10);
        assert_ok(ask(&b, 1, false, false));
        uv_run(&b.loop, UV_RUN_NOWAIT);
        cps_storejobs_close(b.jobs);
        assert_string_equal(b.order, "l");
        b.jobs = NULL;
        finish(&b);
    }
}

static const cps_case_t cases[] = {
    {"OPS-13", "leases of one turn are one commit", leases_of_one_turn_are_one_commit},
    {"", "a stalled store does not stall the loop", a_stalled_store_does_not_stall_the_loop},
    {"", "what the store says comes back", what_the_store_says_comes_back},
    {"", "too many requests are refused", too_many_requests_are_refused},
    {"", "other work goes the same way", other_work_goes_the_same_way},
    {"", "slow work does not hold leases up", slow_work_does_not_hold_leases_up},
    {"", "the store's sentence comes along", the_store_s_sentence_comes_along},
    {"", "a callback may ask again", a_callback_may_ask_again},
    {"", "a loop driven from outside need not be woken", a_loop_driven_from_outside_need_not_be_woken},
    {"", "close loses nothing", close_loses_nothing},
    {"", "close right behind a request loses nothing", close_right_behind_a_request_loses_nothing},
};

CPS_RUN("host/storejob", cases)
