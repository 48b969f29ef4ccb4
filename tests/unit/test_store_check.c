// SPDX-License-Identifier: Apache-2.0
/* The check of an SQLite store: what it finds, and that it changes nothing. */
#include "store_fixture.h"

#define UNKNOWN CPS_TIME_NEVER

typedef struct findings {
    unsigned count;
    bool has_name; /* one of them says which table, or which index of it */
    char last[512];
} findings_t;

static void note(void *user, const char *finding)
{
    findings_t *f = user;
    f->count++;
    f->has_name |= strstr(finding, "table ") != NULL || strstr(finding, "index ") != NULL;
    snprintf(f->last, sizeof f->last, "%s", finding);
}

static cps_err_t check(const box_t *box, findings_t *f)
{
    *f = (findings_t){0};
    return cps_store_check(box->path, note, f);
}

static void a_sound_store_is_called_sound_and_left(void **state)
{
    (void)state;
    box_t box;
    findings_t f;
    size_t db_len;
    size_t wal_len;
    box_make(&box);
    assert_err(CPS_ERR_NOT_FOUND, check(&box, &f));
    make_sample(&box);
    uint64_t before = folder_hash(&box);
    assert_ok(check(&box, &f));
    assert_int_equal(f.count, 0);
    assert_true(folder_hash(&box) == before);
    /* open elsewhere, with its last commits in the -wal (a process that has it open itself shares its -shm) */
    cps_store_key_t k = sample_key(1, 1);
    owner_t o = start_owner(box.path, &k, 640);
    before = folder_hash(&box);
    assert_ok(check(&box, &f));
    assert_true(folder_hash(&box) == before);
    uint8_t *db = read_file(box.path, &db_len);
    uint8_t *wal = read_file(box_file(&box, "-wal"), &wal_len);
    assert_true(wal_len > 0);
    kill_owner(&o);
    assert_ok(check(&box, &f));
    assert_true(folder_hash(&box) == before);
    assert_int_equal(unlink(box_file(&box, "-shm")), 0);
    /* as a power cut leaves it: a -wal and no -shm */
    write_file(box.path, db, db_len);
    write_file(box_file(&box, "-wal"), wal, wal_len);
    before = folder_hash(&box);
    assert_ok(check(&box, &f));
    assert_true(folder_hash(&box) == before);
    cps_store_t *s = box_open(&box);
    assert_state(s, &k, 640, 640, UNKNOWN);
    s->table->close(s);
    free(db);
    free(wal);
    box_drop(&box);
}

/* As kill -9 leaves it: a -wal and a -shm that nobody has open, and the damage in the -wal alone. */
static void the_check_reads_what_a_killed_owner_left(void **state)
{
    (void)state;
    box_t box;
    findings_t f;
    int status;
    box_make(&box);
    make_sample(&box);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        sqlite3 *db;
        sqlite3_open(box.path, &db);
        sqlite3_exec(db, "UPDATE keys SET pattern = 'x' WHERE id = 2", NULL, NULL, NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    for (int with_shm = 1; with_shm >= 0; with_shm--) {
        assert_int_equal(access(box_file(&box, "-shm"), F_OK) == 0, with_shm);
        uint64_t before = folder_hash(&box);
        assert_err(CPS_ERR_STORE_CORRUPT, check(&box, &f));
        assert_int_equal(f.count, 1);
        assert_non_null(strstr(f.last, "key-2-1"));
        assert_true(folder_hash(&box) == before);
        if (with_shm)
            assert_int_equal(unlink(box_file(&box, "-shm")), 0);
    }
    box_drop(&box);
}

/* Flip each byte from `from` on, and have the check find every one. */
static void flip_each(const box_t *box, const uint8_t *good, size_t len, size_t from, size_t count)
{
    findings_t f;
    uint8_t *bad = malloc(len);
    assert_non_null(bad);
    for (size_t i = from; i < from + count; i++) {
        memcpy(bad, good, len);
        bad[i] ^= 1;
        write_file(box->path, bad, len);
        uint64_t before = folder_hash(box);
        assert_err(CPS_ERR_STORE_CORRUPT, check(box, &f));
        assert_true(f.count > 0);
        assert_non_null(strstr(f.last, box->path));
        assert_true(f.has_name);
        assert_true(folder_hash(box) == before);
    }
    write_file(box->path, good, len);
    free(bad);
}

static void one_flipped_byte_is_found(void **state)
{
    (void)state;
    box_t box;
    findings_t f;
    size_t len;
    box_make(&box);
    make_sample(&box);
    cps_store_key_t k = sample_key(1, 1);
    uint8_t *good = read_file(box.path, &len);
    /* the first row of `keys`, which fills its page to the end, from its name on */
    const uint8_t *secret = memmem(good, len, k.secret, k.secret_len);
    assert_non_null(secret);
    size_t from = (size_t)(secret - good) - strlen(k.name) - strlen(k.peer) - strlen(k.pattern);
    flip_each(&box, good, len, from, 4096 - from % 4096);
    /* a row of `states`, and its entry in the index: identifier, then ceiling */
    const uint8_t *first = memmem(good, len, k.state_id, CPS_STORE_ID_LEN);
    assert_non_null(first);
    flip_each(&box, good, len, (size_t)(first - good), CPS_STORE_ID_LEN + 1);
    const uint8_t *second = memmem(first + 1, len - (size_t)(first + 1 - good), k.state_id, CPS_STORE_ID_LEN);
    assert_non_null(second);
    flip_each(&box, good, len, (size_t)(second - good), CPS_STORE_ID_LEN + 1);
    uint64_t before = folder_hash(&box);
    assert_ok(check(&box, &f));
    assert_true(folder_hash(&box) == before);
    run_sql(&box, "UPDATE states SET ceiling = 63 WHERE id = 1");
    assert_err(CPS_ERR_STORE_CORRUPT, check(&box, &f));
    assert_non_null(strstr(f.last, "table states: row 1"));
    assert_int_equal(cps_err_exit(CPS_ERR_STORE_CORRUPT), 3);
    free(good);
    box_drop(&box);
}

static void broken_rules_between_rows_are_found(void **state)
{
    (void)state;
    static const char *const wrongs[] = {
        "DROP INDEX keys_kid",
        "DELETE FROM store",
        "DELETE FROM states WHERE id = 1",
        "DROP TABLE windows",
    };
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        box_t box;
        findings_t f;
        box_make(&box);
        make_sample(&box);
        run_sql(&box, wrongs[i]);
        assert_err(CPS_ERR_STORE_CORRUPT, check(&box, &f));
        assert_true(f.count > 0);
        box_drop(&box);
    }
}

static const cps_case_t cases[] = {
    {"", "the check calls a sound store sound and leaves it", a_sound_store_is_called_sound_and_left},
    {"", "the check reads what a killed owner left", the_check_reads_what_a_killed_owner_left},
    {"OPS-30", "the check finds one flipped byte, names its table, and changes nothing", one_flipped_byte_is_found},
    {"", "the check finds broken rules between rows", broken_rules_between_rows_are_found},
};

CPS_RUN("store_check", cases)
