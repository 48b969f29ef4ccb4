// SPDX-License-Identifier: Apache-2.0
/* The files of an SQLite store: who may read them, what is refused and left alone, and damage. */
#include "store_fixture.h"

#define UNKNOWN CPS_TIME_NEVER

static cps_err_t try_open(const box_t *box, bool create)
{
    cps_store_t *s;
    cps_err_t err = box_open_as(box, create, false, &s);
    if (err == CPS_OK)
        s->table->close(s);
    return err;
}

static void state_survives_closing(void **state)
{
    (void)state;
    box_t box;
    box_make(&box);
    make_sample(&box);
    cps_store_t *s = box_open(&box);
    cps_store_key_t k;
    assert_ok(s->table->key_get(s, "key-1-1", &k));
    assert_state(s, &k, 10, 64, 20);
    lock_key(s, &k);
    assert_ok(lease_one(s, &k, 64, true));
    s->table->close(s); /* without save, as after a crash */
    s = box_open(&box);
    assert_state(s, &k, 64, 64, UNKNOWN);
    s->table->close(s);
    box_drop(&box);
}

static mode_t mode_of(const char *path)
{
    struct stat at;
    assert_int_equal(stat(path, &at), 0);
    return at.st_mode & 07777U;
}

static void files_are_private_under_any_umask(void **state)
{
    (void)state;
    static const mode_t umasks[] = {0, 022, 077, 0777};
    for (size_t i = 0; i < sizeof umasks / sizeof umasks[0]; i++) {
        box_t box;
        box_make(&box);
        snprintf(box.path, sizeof box.path, "%.130s/state/k.db", box.dir);
        mode_t before = umask(umasks[i]);
        cps_store_t *s = box_open(&box);
        cps_store_key_t k = add_sample(s, 1, 1);
        lock_key(s, &k);
        umask(before);
        static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
        for (size_t j = 0; j < 4; j++)
            assert_int_equal(mode_of(box_file(&box, suffixes[j])), 0600);
        char folder[160];
        snprintf(folder, sizeof folder, "%.130s/state", box.dir);
        assert_int_equal(mode_of(folder), 0700);
        s->table->close(s);
        box_drop(&box);
    }
}

static void only_the_last_folder_is_made(void **state)
{
    (void)state;
    box_t box;
    box_make(&box);
    snprintf(box.path, sizeof box.path, "%.130s/a/b/k.db", box.dir);
    assert_err(CPS_ERR_STORE, try_open(&box, true));
    assert_non_null(strstr(cps_store_detail(), "/a/b"));
    snprintf(box.path, sizeof box.path, "%.130s/a/k.db", box.dir);
    assert_err(CPS_ERR_NOT_FOUND, try_open(&box, false));
    assert_ok(try_open(&box, true));
    box_drop(&box);
}

static void what_others_can_read_is_refused(void **state)
{
    (void)state;
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    static const mode_t modes[] = {0644, 0640, 0604, 0620, 0602, 0601};
    box_t box;
    box_make(&box);
    cps_store_t *s = box_open(&box);
    cps_store_t *other;
    cps_store_key_t k = add_sample(s, 1, 1);
    lock_key(s, &k);
    for (size_t i = 0; i < 4; i++) {
        const char *file = box_file(&box, suffixes[i]);
        for (size_t j = 0; j < sizeof modes / sizeof modes[0]; j++) {
            assert_int_equal(chmod(file, modes[j]), 0);
            for (int read_only = 0; read_only < 2; read_only++)
                assert_err(CPS_ERR_EXPOSED_SECRET, box_open_as(&box, true, read_only != 0, &other));
            assert_non_null(strstr(cps_store_detail(), "chmod 600"));
            assert_non_null(strstr(cps_store_detail(), file));
        }
        assert_int_equal(chmod(file, 0600), 0);
        assert_ok(try_open(&box, true));
    }
    assert_int_equal(cps_err_exit(CPS_ERR_EXPOSED_SECRET), 2);
    s->table->close(s);
    box_drop(&box);
}

static void a_newer_format_is_refused_and_left(void **state)
{
    (void)state;
    box_t box;
    box_make(&box);
    make_sample(&box);
    run_sql(&box, "PRAGMA user_version = 4");
    uint64_t before = folder_hash(&box);
    assert_err(CPS_ERR_STORE_FORMAT, try_open(&box, true));
    assert_non_null(strstr(cps_store_detail(), "format 4"));
    assert_non_null(strstr(cps_store_detail(), "format 3"));
    assert_int_equal(cps_err_exit(CPS_ERR_STORE_FORMAT), 3);
    assert_true(folder_hash(&box) == before);
    /* The same where the number stands in the -wal alone, as a newer version leaves it when it is killed. */
    run_sql(&box, "PRAGMA user_version = 3");
    sqlite3 *db;
    size_t len;
    size_t main_len;
    assert_int_equal(sqlite3_open(box.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 4", NULL, NULL, NULL), SQLITE_OK);
    uint8_t *wal = read_file(box_file(&box, "-wal"), &len);
    uint8_t *main = read_file(box.path, &main_len);
    sqlite3_close(db);
    write_file(box.path, main, main_len);
    write_file(box_file(&box, "-wal"), wal, len);
    assert_err(CPS_ERR_STORE_FORMAT, try_open(&box, true));
    assert_non_null(strstr(cps_store_detail(), "format 4"));
    size_t now;
    uint8_t *again = read_file(box_file(&box, "-wal"), &now);
    assert_bytes(cps_bytes(wal, len), cps_bytes(again, now));
    free(again);
    again = read_file(box.path, &now);
    assert_bytes(cps_bytes(main, main_len), cps_bytes(again, now));
    free(again);
    free(wal);
    free(main);
    box_drop(&box);
}

static void what_is_no_store_is_refused_and_left(void **state)
{
    (void)state;
    box_t box;
    box_make(&box);
    run_sql(&box, "CREATE TABLE recipes(name)");
    assert_int_equal(chmod(box.path, 0600), 0);
    assert_err(CPS_ERR_STORE_CORRUPT, try_open(&box, true));
    run_sql(&box, "PRAGMA application_id = 7");
    uint64_t before = folder_hash(&box);
    assert_err(CPS_ERR_STORE_CORRUPT, try_open(&box, true));
    assert_true(folder_hash(&box) == before);
    write_file(box.path, "listen: [coap://0.0.0.0]\n", 25);
    before = folder_hash(&box);
    assert_err(CPS_ERR_STORE_CORRUPT, try_open(&box, true));
    assert_non_null(strstr(cps_store_detail(), box.path));
    assert_true(folder_hash(&box) == before);
    assert_int_equal(unlink(box.path), 0);
    assert_int_equal(mkdir(box.path, 0700), 0);
    assert_err(CPS_ERR_STORE, try_open(&box, true));
    box_drop(&box);
}

static void a_store_is_made_only_when_asked(void **state)
{
    (void)state;
    box_t box;
    cps_store_t *s;
    box_make(&box);
    assert_err(CPS_ERR_NOT_FOUND, try_open(&box, false));
    assert_err(CPS_ERR_NOT_FOUND, box_open_as(&box, true, true, &s));
    assert_int_not_equal(access(box.path, F_OK), 0);
    write_file(box.path, "", 0); /* its making was cut short */
    assert_err(CPS_ERR_NOT_FOUND, try_open(&box, false));
    assert_ok(try_open(&box, true));
    assert_ok(try_open(&box, false));
    box.path[0] = '\0';
    assert_err(CPS_ERR_ARGUMENT, try_open(&box, true));
    box_drop(&box);
}

static void a_hard_link_is_refused(void **state)
{
    (void)state;
    box_t box;
    box_make(&box);
    make_sample(&box);
    assert_int_equal(link(box.path, box_file(&box, ".copy")), 0);
    assert_err(CPS_ERR_STORE, try_open(&box, true));
    assert_non_null(strstr(cps_store_detail(), "hard link"));
    assert_int_equal(unlink(box_file(&box, ".copy")), 0);
    assert_ok(try_open(&box, true));
    box_drop(&box);
}

static void reading_changes_nothing(void **state)
{
    (void)state;
    box_t box;
    cps_store_t *s;
    cps_store_key_t k;
    int64_t pid;
    box_make(&box);
    make_sample(&box);
    assert_ok(box_open_as(&box, false, true, &s));
    assert_ok(s->table->key_get(s, "key-1-1", &k));
    assert_state(s, &k, 10, 64, 20);
    assert_err(CPS_ERR_ARGUMENT, s->table->lock(s, &k, &pid));
    assert_err(CPS_ERR_STORE, s->table->key_remove(s, "key-1-1"));
    assert_err(CPS_ERR_STORE, lease_one(s, &k, 640, true));
    assert_state(s, &k, 10, 64, 20);
    s->table->close(s);
    box_drop(&box);
}

static void a_store_taken_from_under_us_grants_nothing(void **state)
{
    (void)state;
    box_t box;
    size_t len;
    box_make(&box);
    make_sample(&box);
    uint8_t *bytes = read_file(box.path, &len);
    cps_store_t *s = box_open(&box);
    cps_store_key_t k = sample_key(1, 1);
    lock_key(s, &k);
    assert_int_equal(rename(box.path, box_file(&box, ".old")), 0);
    assert_err(CPS_ERR_STORE, lease_one(s, &k, 128, true)); /* removed */
    write_file(box.path, bytes, len);
    assert_err(CPS_ERR_STORE, lease_one(s, &k, 128, true)); /* replaced by an older copy */
    assert_non_null(strstr(cps_store_detail(), box.path));
    assert_int_equal(rename(box_file(&box, ".old"), box.path), 0);
    assert_ok(lease_one(s, &k, 128, true));
    s->table->close(s);
    free(bytes);
    box_drop(&box);
}

static bool file_holds(const char *path, const void *bytes, size_t len)
{
    size_t size;
    uint8_t *file = read_file(path, &size);
    bool found = file != NULL && memmem(file, size, bytes, len) != NULL;
    free(file);
    return found;
}

static void a_removed_secret_is_gone_from_the_disk(void **state)
{
    (void)state;
    box_t box;
    box_make(&box);
    make_sample(&box);
    cps_store_key_t k = sample_key(1, 1);
    assert_true(file_holds(box.path, k.secret, k.secret_len));
    cps_store_t *s = box_open(&box);
    assert_ok(s->table->key_remove(s, k.name));
    s->table->close(s);
    assert_false(file_holds(box.path, k.secret, k.secret_len));
    assert_int_not_equal(access(box_file(&box, "-wal"), F_OK), 0);
    box_drop(&box);
}

static void a_damaged_row_is_never_used(void **state)
{
    (void)state;
    box_t box;
    box_make(&box);
    make_sample(&box);
    run_sql(&box, "UPDATE states SET ceiling = ceiling - 1 WHERE id = 1; UPDATE keys SET aead = 24 WHERE id = 1");
    cps_store_t *s = box_open(&box);
    cps_store_key_t k = sample_key(1, 1);
    cps_store_key_t other = sample_key(2, 1);
    cps_store_key_t out;
    cps_store_state_t at;
    uint64_t ceiling;
    int64_t pid;
    int64_t cursor = 0;
    size_t count;
    lock_key(s, &other);
    assert_err(CPS_ERR_STORE_CORRUPT, s->table->state_get(s, &k, &at, &ceiling));
    assert_err(CPS_ERR_STORE_CORRUPT, s->table->lock(s, &k, &pid));
    assert_err(CPS_ERR_STORE_CORRUPT, s->table->key_get(s, k.name, &out));
    assert_int_equal(out.secret_len, 0);
    cps_store_lease_t l[2] = {lease_of(&k, 128), lease_of(&other, 128)};
    assert_ok(s->table->lease(s, l, 2, true, false));
    assert_err(CPS_ERR_STORE_CORRUPT, l[0].result);
    assert_ok(l[1].result); /* the others go on */
    cps_store_loaded_t *loaded = calloc(2, sizeof *loaded);
    assert_ok(s->table->load(s, &cursor, false, loaded, 2, &count));
    assert_err(CPS_ERR_STORE_CORRUPT, loaded[0].result);
    assert_ok(loaded[1].result);
    free(loaded);
    s->table->close(s);
    box_drop(&box);
}

static void a_damaged_epoch_brings_back_nothing(void **state)
{
    (void)state;
    box_t box;
    cps_store_state_t at;
    uint64_t ceiling;
    box_make(&box);
    make_sample(&box);
    run_sql(&box, "UPDATE store SET epoch = 7");
    cps_store_t *s = box_open(&box);
    cps_store_key_t k = sample_key(1, 1);
    assert_err(CPS_ERR_STORE_CORRUPT, s->table->state_get(s, &k, &at, &ceiling));
    assert_err(CPS_ERR_STORE_CORRUPT, s->table->lease(s, NULL, 0, true, true));
    s->table->close(s);
    box_drop(&box);
}

static void a_damaged_page_is_told(void **state)
{
    (void)state;
    box_t box;
    size_t len;
    box_make(&box);
    make_sample(&box);
    uint8_t *bytes = read_file(box.path, &len);
    assert_true(len > 4096);
    for (size_t i = 4096; i < len; i++) /* all but the first page */
        bytes[i] = 0x5a;
    write_file(box.path, bytes, len);
    cps_store_t *s;
    cps_store_key_t k = sample_key(1, 1);
    assert_ok(box_open_as(&box, false, false, &s));
    assert_err(CPS_ERR_STORE_CORRUPT, s->table->key_get(s, k.name, &k));
    assert_non_null(strstr(cps_store_detail(), box.path));
    assert_err(CPS_ERR_STORE_CORRUPT, s->table->key_remove(s, "x"));
    s->table->close(s);
    free(bytes);
    box_drop(&box);
}

static const cps_case_t cases[] = {
    {"", "state survives closing; without a save the window does not", state_survives_closing},
    {"", "all files are private, under any umask", files_are_private_under_any_umask},
    {"", "only the last folder is made", only_the_last_folder_is_made},
    {"", "a store that others can read is refused", what_others_can_read_is_refused},
    {"OPS-29", "a newer format is refused and left as it is", a_newer_format_is_refused_and_left},
    {"", "what is no store is refused and left as it is", what_is_no_store_is_refused_and_left},
    {"", "a store is made only when asked", a_store_is_made_only_when_asked},
    {"", "a store with two names is refused", a_hard_link_is_refused},
    {"", "opened for reading, nothing is changed or owned", reading_changes_nothing},
    {"", "a store removed or replaced under us grants nothing", a_store_taken_from_under_us_grants_nothing},
    {"", "a removed secret is gone from the disk", a_removed_secret_is_gone_from_the_disk},
    {"", "a damaged row is never used, the others are", a_damaged_row_is_never_used},
    {"", "a damaged epoch brings back nothing", a_damaged_epoch_brings_back_nothing},
    {"", "a damaged page is told", a_damaged_page_is_told},
};

CPS_RUN("store_files", cases)
