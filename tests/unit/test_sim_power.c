// SPDX-License-Identifier: Apache-2.0
/* The disk that can lose its power: what a cut may take and what not, over many seeds. */
#include "harness.h"

#include "sim/power.h"

#include <stdlib.h>

#include <sqlite3.h>

#define NAME "/nowhere/keyring.db-wal"

enum { SEEDS = 200, SIZE = 8192 };

typedef struct open_file {
    cps_power_t *power;
    sqlite3_vfs *vfs;
    sqlite3_file *file;
} open_file_t;

static void reopen(open_file_t *o)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_WAL;
    sqlite3_filename name = sqlite3_create_filename(NAME, "", "", 0, NULL);
    assert_int_equal(o->vfs->xOpen(o->vfs, name, o->file, flags, NULL), SQLITE_OK);
    sqlite3_free_filename(name);
}

static open_file_t start(uint64_t seed)
{
    open_file_t o;
    assert_ok(cps_power_new(&o.power, seed));
    o.vfs = sqlite3_vfs_find(cps_power_vfs(o.power));
    o.file = calloc(1, (size_t)o.vfs->szOsFile);
    assert_non_null(o.file);
    reopen(&o);
    return o;
}

static void stop(open_file_t *o)
{
    o->file->pMethods->xClose(o->file);
    free(o->file);
    cps_power_free(o->power);
}

static int write_all(open_file_t *o, uint8_t with)
{
    uint8_t bytes[SIZE];
    memset(bytes, with, sizeof bytes);
    return o->file->pMethods->xWrite(o->file, bytes, SIZE, 0);
}

static int sync_it(open_file_t *o) { return o->file->pMethods->xSync(o->file, SQLITE_SYNC_NORMAL); }

/* How many of the bytes are so. */
static size_t count_bytes(const open_file_t *o, uint8_t with)
{
    cps_bytes_t bytes = cps_power_bytes(o->power, NAME);
    size_t n = 0;
    for (size_t i = 0; i < bytes.len; i++)
        n += bytes.ptr[i] == with;
    return n;
}

static void what_is_synced_stays_and_what_is_not_may_go(void **state)
{
    (void)state;
    unsigned old = 0;
    unsigned new = 0;
    unsigned mixed = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        open_file_t o = start(seed);
        assert_int_equal(write_all(&o, 1), SQLITE_OK);
        assert_int_equal(sync_it(&o), SQLITE_OK);
        assert_int_equal(write_all(&o, 2), SQLITE_OK);
        assert_int_equal(count_bytes(&o, 2), SIZE); /* seen at once */
        cps_power_cut(o.power);
        assert_int_not_equal(write_all(&o, 3), SQLITE_OK);
        assert_int_not_equal(sync_it(&o), SQLITE_OK);
        cps_power_on(o.power);
        assert_int_not_equal(sync_it(&o), SQLITE_OK); /* this handle is dead */
        assert_int_equal(count_bytes(&o, 1) + count_bytes(&o, 2), SIZE);
        old += count_bytes(&o, 1) == SIZE;
        new += count_bytes(&o, 2) == SIZE;
        mixed += count_bytes(&o, 1) != SIZE && count_bytes(&o, 2) != SIZE;
        stop(&o);
    }
    assert_true(old > 0 && new > 0 && mixed > 0);
}

static void a_cut_in_a_sync_syncs_some(void **state)
{
    (void)state;
    unsigned none = 0;
    unsigned all = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        open_file_t o = start(seed);
        assert_int_equal(sync_it(&o), SQLITE_OK); /* of the empty file: its name stays */
        cps_power_cut_after(o.power, 1);
        assert_int_equal(write_all(&o, 1), SQLITE_OK);
        assert_int_not_equal(sync_it(&o), SQLITE_OK);
        assert_true(cps_power_is_cut(o.power));
        cps_power_on(o.power);
        none += count_bytes(&o, 1) == 0;
        all += count_bytes(&o, 1) == SIZE;
        stop(&o);
    }
    assert_true(none > 0 && all > 0 && none + all < SEEDS);
}

static void a_sync_that_failed_is_not_made_good_by_the_next(void **state)
{
    (void)state;
    unsigned lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        open_file_t o = start(seed);
        assert_int_equal(sync_it(&o), SQLITE_OK);
        assert_int_equal(write_all(&o, 1), SQLITE_OK);
        cps_power_fail(o.power, CPS_POWER_SYNC_FAILS, 0, 1);
        assert_int_not_equal(sync_it(&o), SQLITE_OK);
        assert_int_equal(sync_it(&o), SQLITE_OK);
        cps_power_on(o.power);
        lost += count_bytes(&o, 1) == 0;
        stop(&o);
    }
    assert_in_range(lost, 1, SEEDS - 1);
}

static void a_name_is_there_for_good_once_its_folder_is_synced(void **state)
{
    (void)state;
    unsigned gone = 0;
    unsigned back = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        open_file_t o = start(seed);
        assert_int_equal(write_all(&o, 1), SQLITE_OK);
        if (seed % 2 == 0) { /* a new file, never synced */
            cps_power_on(o.power);
            gone += cps_power_bytes(o.power, NAME).ptr == NULL;
        } else { /* a synced one, deleted with the folder synced or not */
            assert_int_equal(sync_it(&o), SQLITE_OK);
            assert_int_equal(o.vfs->xDelete(o.vfs, NAME, seed % 4 == 1), SQLITE_OK);
            assert_null(cps_power_bytes(o.power, NAME).ptr);
            cps_power_on(o.power);
            back += count_bytes(&o, 1) == SIZE;
            assert_true(seed % 4 != 1 || cps_power_bytes(o.power, NAME).ptr == NULL);
        }
        stop(&o);
    }
    assert_in_range(gone, 1, SEEDS / 2 - 1);
    assert_in_range(back, 1, SEEDS / 4 - 1);
}

static void faults_come_when_told_and_go(void **state)
{
    (void)state;
    open_file_t o = start(1);
    uint8_t byte;
    cps_power_fail(o.power, CPS_POWER_FULL, 1, 2);
    assert_int_equal(write_all(&o, 1), SQLITE_OK);
    assert_int_equal(write_all(&o, 2), SQLITE_FULL);
    assert_int_equal(write_all(&o, 2), SQLITE_FULL);
    assert_int_equal(write_all(&o, 2), SQLITE_OK);
    cps_power_fail(o.power, CPS_POWER_READ_ONLY, 0, CPS_POWER_NEVER);
    assert_int_equal(write_all(&o, 3), SQLITE_IOERR_WRITE);
    assert_int_not_equal(o.file->pMethods->xTruncate(o.file, 0), SQLITE_OK);
    assert_int_not_equal(o.vfs->xDelete(o.vfs, NAME, 1), SQLITE_OK);
    cps_power_fail(o.power, CPS_POWER_READ_FAILS, 0, 1);
    assert_int_equal(o.file->pMethods->xRead(o.file, &byte, 1, 0), SQLITE_IOERR_READ);
    assert_int_equal(o.file->pMethods->xRead(o.file, &byte, 1, 0), SQLITE_OK);
    assert_int_equal(byte, 2);
    cps_power_flip(o.power, NAME, 3);
    assert_int_equal(o.file->pMethods->xRead(o.file, &byte, 1, 0), SQLITE_OK);
    assert_int_equal(byte, 2 ^ 8);
    assert_int_equal(o.file->pMethods->xRead(o.file, &byte, 1, SIZE), SQLITE_IOERR_SHORT_READ);
    stop(&o);
}

static sqlite3 *connect(cps_power_t *power)
{
    sqlite3 *db;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    assert_int_equal(sqlite3_open_v2("/nowhere/test.db", &db, flags, cps_power_vfs(power)), SQLITE_OK);
    return db;
}

static int run(sqlite3 *db, const char *text) { return sqlite3_exec(db, text, NULL, NULL, NULL); }

static void connections_lock_each_other_out(void **state)
{
    (void)state;
    static const char *const modes[] = {"PRAGMA journal_mode = WAL", "PRAGMA journal_mode = DELETE"};
    for (size_t i = 0; i < 2; i++) {
        cps_power_t *power;
        assert_ok(cps_power_new(&power, i));
        sqlite3 *a = connect(power);
        sqlite3 *b = connect(power);
        assert_int_equal(run(a, modes[i]), SQLITE_OK);
        assert_int_equal(run(a, "CREATE TABLE t(n); INSERT INTO t VALUES(1); BEGIN IMMEDIATE"), SQLITE_OK);
        assert_int_equal(run(b, "INSERT INTO t VALUES(2)"), SQLITE_BUSY);
        assert_int_equal(run(b, "SELECT * FROM t"), SQLITE_OK);
        assert_int_equal(run(a, "INSERT INTO t VALUES(3); COMMIT"), SQLITE_OK);
        assert_int_equal(run(b, "INSERT INTO t VALUES(2)"), SQLITE_OK);
        sqlite3_close(a);
        assert_int_equal(run(b, "PRAGMA integrity_check"), SQLITE_OK);
        sqlite3_close(b);
        cps_power_free(power);
    }
}

static const cps_case_t cases[] = {
    {"", "what is synced stays, what is not may go", what_is_synced_stays_and_what_is_not_may_go},
    {"", "a cut in a sync syncs some", a_cut_in_a_sync_syncs_some},
    {"", "a sync that failed is not made good by the next", a_sync_that_failed_is_not_made_good_by_the_next},
    {"", "a name is there for good once its folder is synced", a_name_is_there_for_good_once_its_folder_is_synced},
    {"", "faults come when told, and go", faults_come_when_told_and_go},
    {"", "connections lock each other out", connections_lock_each_other_out},
};

CPS_RUN("sim_power", cases)
