// SPDX-License-Identifier: Apache-2.0
/* Who owns a key: other processes, other stores of this process, and what happens at the same time. */
#include "store_fixture.h"

#include "store/sqlite.h"

#define UNKNOWN CPS_TIME_NEVER

static void another_process_keeps_us_out_until_it_ends(void **state)
{
    (void)state;
    box_t box;
    int64_t pid = 0;
    int64_t cursor = 0;
    size_t count;
    char text[64];
    box_make(&box);
    make_sample(&box);
    cps_store_key_t k = sample_key(1, 1);
    owner_t o = start_owner(box.path, &k, 0);
    cps_store_t *s = box_open(&box);
    assert_err(CPS_ERR_IN_USE, s->table->lock(s, &k, &pid));
    assert_int_equal(pid, o.pid);
    snprintf(text, sizeof text, "context in use by pid %d", (int)o.pid);
    assert_string_equal(cps_store_detail(), text);
    assert_int_equal(cps_err_exit(CPS_ERR_IN_USE), 8);
    cps_store_loaded_t *l = calloc(2, sizeof *l);
    assert_ok(s->table->load(s, &cursor, true, l, 2, &count));
    assert_int_equal(count, 2);
    assert_err(CPS_ERR_IN_USE, l[0].result);
    assert_int_equal(l[0].owner_pid, o.pid);
    assert_int_equal(l[0].state.next, 0);
    assert_ok(l[1].result); /* another key is free */
    free(l);
    assert_false(free_for_others(&box, 2));
    assert_state(s, &k, 10, 64, 20); /* looking needs no lock */
    kill_owner(&o);
    assert_ok(s->table->lock(s, &k, &pid));
    s->table->close(s);
    assert_true(free_for_others(&box, 1));
    box_drop(&box);
}

static void two_stores_of_one_process_keep_each_other_out(void **state)
{
    (void)state;
    box_t box;
    int64_t pid = 0;
    box_make(&box);
    make_sample(&box);
    cps_store_key_t k = sample_key(1, 1);
    cps_store_t *a = box_open(&box);
    cps_store_t *b = box_open(&box);
    cps_store_key_t other = sample_key(2, 1);
    lock_key(a, &k);
    lock_key(b, &other);
    assert_err(CPS_ERR_IN_USE, b->table->lock(b, &k, &pid));
    assert_int_equal(pid, getpid());
    b->table->unlock(b, &k); /* not its own */
    assert_err(CPS_ERR_IN_USE, b->table->lock(b, &k, &pid));
    assert_false(free_for_others(&box, 1));
    assert_false(free_for_others(&box, 2));
    b->table->close(b); /* closing one descriptor too many would free them all */
    assert_false(free_for_others(&box, 1));
    assert_true(free_for_others(&box, 2));
    b = box_open(&box);
    b->table->close(b);
    assert_false(free_for_others(&box, 1));
    a->table->unlock(a, &k);
    assert_true(free_for_others(&box, 1));
    a->table->close(a);
    box_drop(&box);
}

/* Several processes that start at once on a store that is not there yet: each adds a key and leases. */
static void use_new_store(const box_t *box, uint32_t number)
{
    enum { LEASES = 10 };
    cps_store_t *s;
    cps_store_key_t k = sample_key(number, 1);
    int64_t pid;
    cps_err_t err = box_open_as(box, true, false, &s);
    if (err == CPS_OK)
        err = s->table->key_add(s, &k, &unused);
    if (err == CPS_OK)
        err = s->table->lock(s, &k, &pid);
    for (uint64_t n = 1; err == CPS_OK && n <= LEASES; n++)
        err = lease_one(s, &k, 64 * n, true);
    if (err == CPS_OK)
        s->table->close(s);
    else
        fprintf(stderr, "%s\n", cps_store_detail());
    _exit(err == CPS_OK ? 0 : 1);
}

static void processes_may_make_and_use_a_store_at_once(void **state)
{
    (void)state;
    enum { PROCESSES = 8 };
    box_t box;
    int gate[2];
    int status;
    char end;
    box_make(&box);
    assert_int_equal(pipe(gate), 0);
    for (uint32_t i = 0; i < PROCESSES; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child != 0)
            continue;
        close(gate[1]);
        if (read(gate[0], &end, 1) == 0)
            use_new_store(&box, i);
        _exit(2);
    }
    close(gate[0]);
    close(gate[1]); /* all start now */
    for (int i = 0; i < PROCESSES; i++) {
        assert_true(wait(&status) > 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    cps_store_t *s = box_open(&box);
    for (uint32_t i = 0; i < PROCESSES; i++) {
        cps_store_key_t k = sample_key(i, 1);
        assert_state(s, &k, 640, 640, UNKNOWN);
    }
    s->table->close(s);
    box_drop(&box);
}

/* What another store of the key does in the middle of a load, once its first statement is through. */
typedef struct meanwhile {
    cps_store_t *other;
    const cps_store_key_t *key;
    const char *remove;
    bool done;
} meanwhile_t;

static int act_once(unsigned event, void *user, void *stmt, void *time_ns)
{
    meanwhile_t *m = user;
    (void)event;
    (void)stmt;
    (void)time_ns;
    if (m->done)
        return 0;
    m->done = true;
    assert_ok(lease_one(m->other, m->key, 6400, true));
    m->other->table->unlock(m->other, m->key);
    if (m->remove != NULL)
        assert_ok(m->other->table->key_remove(m->other, m->remove));
    return 0;
}

static void a_load_reads_what_the_last_owner_left(void **state)
{
    (void)state;
    static const char *const removed[] = {NULL, "key-2-1"};
    for (size_t i = 0; i < 2; i++) {
        box_t box;
        int64_t cursor = 0;
        size_t count;
        box_make(&box);
        make_sample(&box);
        cps_store_key_t k = sample_key(1, 1);
        cps_store_t *s = box_open(&box);
        meanwhile_t m = {.other = box_open(&box), .key = &k, .remove = removed[i]};
        lock_key(m.other, &k);
        cps_store_loaded_t *l = calloc(4, sizeof *l);
        sqlite3_trace_v2(cps_sqlite_of(s)->db, SQLITE_TRACE_PROFILE, act_once, &m);
        assert_ok(s->table->load(s, &cursor, true, l, 4, &count));
        assert_true(m.done);
        assert_int_equal(count, 2 - i);
        assert_ok(l[0].result);
        assert_int_equal(l[0].state.next, 6400);
        assert_false(l[0].state.window_known);
        s->table->close(s);
        m.other->table->close(m.other);
        free(l);
        box_drop(&box);
    }
}

static void a_symbolic_link_is_the_same_store(void **state)
{
    (void)state;
    box_t box;
    int64_t pid;
    box_make(&box);
    make_sample(&box);
    cps_store_key_t k = sample_key(1, 1);
    box_t linked = box;
    snprintf(linked.path, sizeof linked.path, "%.130s/link.db", box.dir);
    assert_int_equal(symlink(box.path, linked.path), 0);
    owner_t o = start_owner(linked.path, &k, 0);
    cps_store_t *s = box_open(&box);
    assert_err(CPS_ERR_IN_USE, s->table->lock(s, &k, &pid));
    kill_owner(&o);
    s->table->close(s);
    box_drop(&box);
}

static void a_removed_lock_file_is_noticed(void **state)
{
    (void)state;
    box_t box;
    int64_t pid;
    box_make(&box);
    make_sample(&box);
    cps_store_key_t k = sample_key(1, 1);
    cps_store_key_t other = sample_key(2, 1);
    cps_store_t *s = box_open(&box);
    lock_key(s, &k);
    assert_int_equal(unlink(box_file(&box, ".lock")), 0);
    assert_err(CPS_ERR_STORE, s->table->lock(s, &other, &pid));
    assert_non_null(strstr(cps_store_detail(), ".lock"));
    s->table->close(s);
    box_drop(&box);
}

static const cps_case_t cases[] = {
    {"", "another process keeps us out until it ends", another_process_keeps_us_out_until_it_ends},
    {"", "two stores of one process keep each other out", two_stores_of_one_process_keep_each_other_out},
    {"", "processes may make and use a store at once", processes_may_make_and_use_a_store_at_once},
    {"", "a load reads what the last owner left", a_load_reads_what_the_last_owner_left},
    {"", "a symbolic link is the same store", a_symbolic_link_is_the_same_store},
    {"", "a removed lock file is noticed", a_removed_lock_file_is_noticed},
};

CPS_RUN("store_owner", cases)
