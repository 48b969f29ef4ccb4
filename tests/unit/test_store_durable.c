// SPDX-License-Identifier: Apache-2.0
/* What the SQLite store has on disk when it says so: under a recording VFS, a full disk, failing syncs and kill -9. */
#include "store_fixture.h"
#include "store_vfs.h"

#include "base/rng.h"
#include "store/sqlite.h"

#include <signal.h>
#include <sys/wait.h>

#define UNKNOWN CPS_TIME_NEVER

typedef struct bench {
    box_t box;
    recorder_t rec;
    cps_store_t *s;
} bench_t;

/* One for the program: SQLite keeps a pointer to the VFS where a failed case ends early. */
static bench_t bench;

static void bench_open(bench_t *b)
{
    box_make(&b->box);
    recorder_start(&b->rec);
    cps_store_options_t options = {.path = b->box.path, .create = true, .vfs = RECORDER_NAME};
    assert_ok(cps_store_sqlite_open(&b->s, &options));
}

static void bench_close(bench_t *b)
{
    b->s->table->close(b->s);
    recorder_stop(&b->rec);
    box_drop(&b->box);
}

static void assert_pragma(cps_store_t *s, const char *text, const char *expected)
{
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_prepare_v2(cps_sqlite_of(s)->db, text, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(stmt, 0), expected);
    sqlite3_finalize(stmt);
}

/* Twenty leases from a ceiling on; each has to be one commit. How many were not synced when the call returned? */
static unsigned lease_twenty(bench_t *b, const cps_store_key_t *k, uint64_t from)
{
    unsigned unsynced = 0;
    for (uint64_t i = 1; i <= 20; i++) {
        unsigned before = b->rec.commits;
        assert_ok(lease_one(b->s, k, from + 64 * i, i == 1));
        assert_int_equal(b->rec.commits, before + 1);
        unsynced += b->rec.wal_unsynced != 0;
    }
    return unsynced;
}

static void leases_are_synced_before_they_return(void **state)
{
    (void)state;
    bench_t *b = &bench;
    bench_open(b);
    assert_pragma(b->s, "PRAGMA journal_mode", "wal");
    assert_pragma(b->s, "PRAGMA synchronous", "2");
    assert_pragma(b->s, "PRAGMA fullfsync", "1");
    assert_pragma(b->s, "PRAGMA secure_delete", "1");
    cps_store_key_t k = add_sample(b->s, 1, 1);
    assert_int_equal(b->rec.wal_unsynced, 0);
    lock_key(b->s, &k);
    assert_int_equal(lease_twenty(b, &k, 0), 0);
    cps_store_closing_t c = closing_of(&k, 5, 5);
    assert_ok(b->s->table->save(b->s, &c, 1));
    assert_int_equal(b->rec.wal_unsynced, 0);
    /* That the recorder would see it: the same without syncs. */
    assert_int_equal(sqlite3_exec(cps_sqlite_of(b->s)->db, "PRAGMA synchronous = OFF", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(lease_twenty(b, &k, 2000), 20);
    bench_close(b);
}

static void two_hundred_leases_are_one_commit(void **state)
{
    (void)state;
    enum { CONTEXTS = 200 };
    bench_t *b = &bench;
    cps_store_lease_t leases[CONTEXTS];
    cps_store_key_t k[CONTEXTS];
    bench_open(b);
    for (uint32_t i = 0; i < CONTEXTS; i++) {
        k[i] = add_sample(b->s, i, 1);
        lock_key(b->s, &k[i]);
        leases[i] = lease_of(&k[i], 64 + i);
    }
    unsigned commits = b->rec.commits;
    unsigned syncs = b->rec.wal_syncs;
    assert_ok(b->s->table->lease(b->s, leases, CONTEXTS, true, false));
    assert_int_equal(b->rec.commits, commits + 1);
    assert_int_equal(b->rec.wal_unsynced, 0);
    assert_in_range(b->rec.wal_syncs, syncs + 1, syncs + 2); /* a -wal that starts over syncs its header too */
    for (uint32_t i = 0; i < CONTEXTS; i++) {
        assert_ok(leases[i].result);
        assert_state(b->s, &k[i], 64 + i, 64 + i, UNKNOWN);
    }
    bench_close(b);
}

static void a_full_disk_grants_nothing_until_there_is_space(void **state)
{
    (void)state;
    bench_t *b = &bench;
    bench_open(b);
    cps_store_key_t k = add_sample(b->s, 1, 1);
    cps_store_key_t other = sample_key(2, 1);
    lock_key(b->s, &k);
    assert_ok(lease_one(b->s, &k, 64, true));
    cps_store_closing_t c = closing_of(&k, 5, 5);
    b->rec.full = true;
    for (int i = 0; i < 3; i++)
        assert_err(CPS_ERR_STORE_FULL, lease_one(b->s, &k, 128, false));
    assert_non_null(strstr(cps_store_detail(), b->box.path));
    assert_non_null(strstr(cps_store_detail(), "free some space"));
    assert_int_equal(cps_err_exit(CPS_ERR_STORE_FULL), 3);
    assert_err(CPS_ERR_STORE_FULL, b->s->table->save(b->s, &c, 1));
    assert_err(CPS_ERR_STORE_FULL, b->s->table->key_add(b->s, &other, &unused));
    assert_state(b->s, &k, 64, 64, UNKNOWN);
    b->rec.full = false;
    assert_ok(lease_one(b->s, &k, 128, false));
    assert_state(b->s, &k, 128, 128, UNKNOWN);
    assert_ok(b->s->table->key_add(b->s, &other, &unused));
    bench_close(b);
}

static void a_failed_sync_grants_nothing(void **state)
{
    (void)state;
    bench_t *b = &bench;
    bench_open(b);
    cps_store_key_t k = add_sample(b->s, 1, 1);
    lock_key(b->s, &k);
    assert_ok(lease_one(b->s, &k, 64, true));
    b->rec.sync_fails = true;
    assert_err(CPS_ERR_STORE, lease_one(b->s, &k, 128, false));
    assert_non_null(strstr(cps_store_detail(), b->box.path));
    assert_state(b->s, &k, 64, 64, UNKNOWN);
    b->rec.sync_fails = false;
    assert_ok(lease_one(b->s, &k, 192, false));
    assert_int_equal(b->rec.wal_unsynced, 0);
    assert_state(b->s, &k, 192, 192, UNKNOWN);
    bench_close(b);
}

static void a_full_disk_makes_no_store(void **state)
{
    (void)state;
    bench_t *b = &bench;
    box_make(&b->box);
    recorder_start(&b->rec);
    cps_store_options_t options = {.path = b->box.path, .create = true, .vfs = RECORDER_NAME};
    b->rec.full = true;
    assert_err(CPS_ERR_STORE_FULL, cps_store_sqlite_open(&b->s, &options));
    b->rec.full = false;
    options.create = false;
    assert_err(CPS_ERR_NOT_FOUND, cps_store_sqlite_open(&b->s, &options));
    options.create = true;
    assert_ok(cps_store_sqlite_open(&b->s, &options));
    add_sample(b->s, 1, 1);
    bench_close(b);
}

static void a_medium_without_writes_is_refused(void **state)
{
    (void)state;
    bench_t *b = &bench;
    bench_open(b);
    add_sample(b->s, 1, 1);
    b->s->table->close(b->s);
    b->rec.read_only = true;
    cps_store_options_t options = {.path = b->box.path, .create = true, .vfs = RECORDER_NAME};
    assert_err(CPS_ERR_STORE, cps_store_sqlite_open(&b->s, &options));
    assert_non_null(strstr(cps_store_detail(), b->box.path));
    b->rec.read_only = false;
    assert_ok(cps_store_sqlite_open(&b->s, &options));
    bench_close(b);
}

enum { CONTEXTS = 3, ROUNDS = 40 };

/* What a child tells before it would send: this context, this number. */
typedef struct sent {
    uint64_t context;
    uint64_t number;
} sent_t;

/* The life of a sender until it is killed: lease, send some, now and then save cleanly and start again. */
static void send_for_ever(const box_t *box, int pipe_fd, uint64_t seed)
{
    cps_store_t *s;
    cps_store_key_t k[CONTEXTS];
    uint64_t next[CONTEXTS];
    cps_rng_seeded_t seeded;
    cps_rng_t rng = cps_rng_from_seed(&seeded, seed);
    if (box_open_as(box, false, false, &s) != CPS_OK)
        _exit(2);
    for (uint32_t i = 0; i < CONTEXTS; i++) {
        cps_store_state_t at;
        uint64_t ceiling;
        int64_t pid;
        k[i] = sample_key(i, 1);
        if (s->table->lock(s, &k[i], &pid) != CPS_OK || s->table->state_get(s, &k[i], &at, &ceiling) != CPS_OK)
            _exit(3);
        next[i] = at.next;
    }
    for (;;) {
        uint32_t i = cps_rng_below(&rng, CONTEXTS);
        uint64_t end = next[i] + 1 + cps_rng_below(&rng, 64);
        cps_store_closing_t c = closing_of(&k[i], 0, 0);
        if (lease_one(s, &k[i], end, true) != CPS_OK)
            _exit(4);
        for (uint32_t n = cps_rng_below(&rng, 8); n != 0 && next[i] < end; n--) {
            sent_t sent = {i, next[i]++};
            if (write(pipe_fd, &sent, sizeof sent) != sizeof sent)
                _exit(5);
        }
        c.next = next[i];
        if (cps_rng_below(&rng, 4) == 0 && s->table->save(s, &c, 1) != CPS_OK)
            _exit(6);
    }
}

/* Read what was sent, up to `max` messages or to the end. */
static unsigned take_sent(int fd, uint64_t used[CONTEXTS], unsigned max)
{
    unsigned n = 0;
    sent_t sent;
    for (; n < max && read(fd, &sent, sizeof sent) == sizeof sent; n++) {
        assert_true(sent.context < CONTEXTS);
        assert_true(sent.number >= used[sent.context]); /* no number twice, over all lives */
        used[sent.context] = sent.number + 1;
    }
    return n;
}

static void kill_one(const box_t *box, uint64_t used[CONTEXTS], unsigned messages, uint64_t seed)
{
    int fds[2];
    int status;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(fds[0]);
        send_for_ever(box, fds[1], seed);
    }
    close(fds[1]);
    assert_int_equal(take_sent(fds[0], used, messages), messages);
    assert_int_equal(kill(child, SIGKILL), 0);
    take_sent(fds[0], used, UINT32_MAX);
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void kill_nine_loses_no_grant(void **state)
{
    (void)state;
    enum { SEED = 11 };
    box_t box;
    uint64_t used[CONTEXTS] = {0};
    cps_rng_seeded_t seeded;
    cps_rng_t rng = cps_rng_from_seed(&seeded, SEED);
    print_message("# seed %d\n", SEED);
    box_make(&box);
    cps_store_t *s = box_open(&box);
    for (uint32_t i = 0; i < CONTEXTS; i++)
        add_sample(s, i, 1);
    s->table->close(s);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        kill_one(&box, used, 1 + cps_rng_below(&rng, 30), SEED + 1000 * (round + 1));
        s = box_open(&box);
        for (uint32_t i = 0; i < CONTEXTS; i++) {
            cps_store_key_t k = sample_key(i, 1);
            cps_store_state_t at;
            uint64_t ceiling;
            lock_key(s, &k); /* free at once, with its owner dead */
            assert_ok(s->table->state_get(s, &k, &at, &ceiling));
            assert_true(at.next >= used[i]);
            assert_true(ceiling >= at.next);
        }
        s->table->close(s);
    }
    box_drop(&box);
}

static const cps_case_t cases[] = {
    {"OPS-10", "WAL and synchronous=FULL: every lease is synced before it returns",
     leases_are_synced_before_they_return},
    {"", "two hundred leases are one commit", two_hundred_leases_are_one_commit},
    {"", "a full disk grants nothing until there is space", a_full_disk_grants_nothing_until_there_is_space},
    {"", "a failed sync grants nothing", a_failed_sync_grants_nothing},
    {"", "a full disk makes no store, and space makes one", a_full_disk_makes_no_store},
    {"", "a medium that takes no writes is refused", a_medium_without_writes_is_refused},
    {"", "kill -9 in the middle of leases loses no grant", kill_nine_loses_no_grant},
};

CPS_RUN("store_durable", cases)
