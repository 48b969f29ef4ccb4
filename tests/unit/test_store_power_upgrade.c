// SPDX-License-Identifier: Apache-2.0
/* Stores of an older format: upgraded whole or not at all, after a backup that does not send. */
#include "vfs.h"

#define UNKNOWN CPS_TIME_NEVER

/* Format 1 as it was, with the rows that make_sample leaves. */
static const char *const format_1[] = {
    "CREATE TABLE store(id INTEGER PRIMARY KEY CHECK(id = 1), epoch INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT",
    "CREATE TABLE states(id INTEGER PRIMARY KEY, state_id BLOB NOT NULL UNIQUE CHECK(length(state_id) = 16), "
    "ceiling INTEGER NOT NULL CHECK(ceiling BETWEEN 0 AND 1099511627776), "
    "next INTEGER NOT NULL CHECK(next BETWEEN 0 AND ceiling), saved INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT",
    "CREATE TABLE windows(id INTEGER PRIMARY KEY, window_id BLOB NOT NULL UNIQUE CHECK(length(window_id) = 16), "
    "state INTEGER NOT NULL REFERENCES states(id), next INTEGER NOT NULL CHECK(next BETWEEN 0 AND 1099511627776), "
    "seen INTEGER NOT NULL, saved INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT",
    "CREATE INDEX windows_state ON windows(state)",
    "CREATE TABLE keys(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, peer TEXT NOT NULL, pattern TEXT NOT NULL, "
    "secret BLOB NOT NULL, salt BLOB NOT NULL, id_context BLOB, sender_id BLOB NOT NULL, recipient_id BLOB NOT NULL, "
    "aead INTEGER NOT NULL, hash INTEGER NOT NULL, window_size INTEGER NOT NULL, retired INTEGER NOT NULL, "
    "state INTEGER NOT NULL REFERENCES states(id), window INTEGER NOT NULL UNIQUE REFERENCES windows(id), "
    "sum INTEGER NOT NULL) STRICT",
    "CREATE INDEX keys_kid ON keys(recipient_id, id_context)",
    "PRAGMA application_id = 0x636f6170",
    "PRAGMA user_version = 1",
    "INSERT INTO store VALUES(1, 1, row_sum(1, 1))",
};

/* What made format 2 of it. */
static const char *const format_2[] = {
    "ALTER TABLE store ADD COLUMN commits INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE store ADD COLUMN instance INTEGER NOT NULL DEFAULT 0",
    "UPDATE store SET instance = random()",
    "UPDATE store SET sum = row_sum(id, epoch, commits, instance)",
    "ALTER TABLE states ADD COLUMN home INTEGER",
    "UPDATE states SET home = here()",
    "UPDATE states SET sum = row_sum(id, state_id, ceiling, next, saved, home)",
    "PRAGMA user_version = 2",
};

/* How many columns the tables have that grew. */
static const struct {
    int states;
    int store;
    int keys;
} columns[] = {[1] = {6, 3, 16}, [2] = {7, 5, 16}, [3] = {7, 5, 17}};

static void run_text(sqlite3 *db, const char *text)
{
    char *message = NULL;
    sqlite3_exec(db, text, NULL, NULL, &message);
    if (message != NULL)
        fail_msg("%s: %s", text, message);
}

/* A key with its state and window, bound by hand. */
static void insert(sqlite3 *db, uint32_t row, uint64_t ceiling, uint64_t next, uint64_t window)
{
    static const char *const texts[] = {
        "INSERT INTO states VALUES(?1, ?2, ?3, ?4, 1, row_sum(?1, ?2, ?3, ?4, 1))",
        "INSERT INTO windows VALUES(?1, ?2, ?1, ?3, 5, 1, row_sum(?1, ?2, ?1, ?3, 5, 1))",
        ("INSERT INTO keys VALUES(?1, ?2, 'peer-1', 'coap://host-1/**', ?3, ?4, NULL, ?5, ?6, 10, 0, 32, 0, ?1, ?1, "
         "row_sum(?1, ?2, 'peer-1', 'coap://host-1/**', ?3, ?4, NULL, ?5, ?6, 10, 0, 32, 0, ?1, ?1))"),
    };
    cps_store_key_t k = sample_key(row, 1);
    sqlite3_stmt *s[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sqlite3_prepare_v2(db, texts[i], -1, &s[i], NULL), SQLITE_OK);
        sqlite3_bind_int(s[i], 1, (int)row);
    }
    sqlite3_bind_blob(s[0], 2, k.state_id, 16, SQLITE_STATIC);
    sqlite3_bind_int64(s[0], 3, (sqlite3_int64)ceiling);
    sqlite3_bind_int64(s[0], 4, (sqlite3_int64)next);
    sqlite3_bind_blob(s[1], 2, k.window_id, 16, SQLITE_STATIC);
    sqlite3_bind_int64(s[1], 3, (sqlite3_int64)window);
    sqlite3_bind_text(s[2], 2, k.name, -1, SQLITE_STATIC);
    sqlite3_bind_blob(s[2], 3, k.secret, k.secret_len, SQLITE_STATIC);
    sqlite3_bind_blob(s[2], 4, k.salt.data, k.salt.len, SQLITE_STATIC);
    sqlite3_bind_blob(s[2], 5, k.sender_id.data, k.sender_id.len, SQLITE_STATIC);
    sqlite3_bind_blob(s[2], 6, k.recipient_id.data, k.recipient_id.len, SQLITE_STATIC);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sqlite3_step(s[i]), SQLITE_DONE);
        sqlite3_finalize(s[i]);
    }
}

/* As an older version left it: by a clean exit, or with all of it in the -wal. */
static void make_old(const char *path, const char *vfs, int format, bool clean)
{
    cps_sqlite_t old = {.path = strdup(path)};
    if (access(path, F_OK) != 0)
        write_file(path, "", 0);
    assert_int_equal(sqlite3_open_v2(path, &old.db, SQLITE_OPEN_READWRITE, vfs), SQLITE_OK);
    assert_ok(cps_sqlite_add_functions(&old));
    run_text(old.db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN");
    for (size_t i = 0; i < sizeof format_1 / sizeof format_1[0]; i++)
        run_text(old.db, format_1[i]);
    insert(old.db, 1, 64, 10, 20);
    insert(old.db, 2, 0, 0, 0);
    cps_sqlite_home_find(&old);
    for (size_t i = 0; format == 2 && i < sizeof format_2 / sizeof format_2[0]; i++)
        run_text(old.db, format_2[i]);
    run_text(old.db, "COMMIT");
    sqlite3_db_config(old.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !clean, NULL);
    assert_int_equal(sqlite3_close(old.db), SQLITE_OK);
    free(old.path);
}

static int64_t ask_file(const char *path, const char *vfs, const char *text)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, vfs), SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

/* All that the old format held, in the new one. */
static void assert_upgraded(cps_store_t *s)
{
    cps_store_key_t expected = sample_key(1, 1);
    cps_store_key_t k;
    assert_ok(s->table->key_get(s, expected.name, &k));
    assert_memory_equal(&k, &expected, sizeof k);
    assert_state(s, &k, 10, 64, 20);
    expected = sample_key(2, 1);
    assert_ok(s->table->key_get(s, expected.name, &k));
    assert_state(s, &k, 0, 0, 0);
    assert_ok(cps_sqlite_inspect(cps_sqlite_of(s), vfs_complain, NULL));
}

/* Nothing in it sends: with this version, or with the older one, which knows no more than ceilings. */
static void assert_mute(const char *path, const char *vfs, int format)
{
    cps_store_t *s;
    cps_store_state_t at;
    uint64_t ceiling;
    int64_t pid;
    cps_store_options_t options = {.path = path, .vfs = vfs};
    assert_int_equal(ask_file(path, vfs, "PRAGMA user_version"), format);
    const char *able = format == 1 ? "SELECT count(*) FROM states WHERE ceiling < 1099511627776 OR next <> 0"
                                   : "SELECT count(*) FROM states WHERE home IS NOT NULL OR next <> 0";
    assert_int_equal(ask_file(path, vfs, able), 0);
    assert_int_equal(ask_file(path, vfs, "SELECT count(*) FROM windows WHERE saved <> 0 OR next <> 0"), 0);
    assert_ok(cps_store_sqlite_open(&s, &options));
    for (uint32_t i = 1; i <= 2; i++) {
        cps_store_key_t k = sample_key(i, 1);
        assert_ok(s->table->key_get(s, k.name, &k));
        assert_int_equal(k.secret_len, 16); /* a backup of keys it is */
        assert_err(CPS_ERR_STATE_LOST, s->table->state_get(s, &k, &at, &ceiling));
        assert_err(CPS_ERR_STATE_LOST, s->table->lock(s, &k, &pid));
        assert_non_null(strstr(cps_store_detail(), "key rekey"));
    }
    s->table->close(s);
}

static void upgrade_one(int format, bool clean, bool read_only)
{
    box_t box;
    cps_store_t *s;
    struct stat at;
    char backup[256];
    box_make(&box);
    make_old(box.path, NULL, format, clean);
    mode_t before = umask(0);
    assert_ok(box_open_as(&box, false, read_only, &s));
    umask(before);
    assert_upgraded(s);
    if (!read_only) {
        cps_store_key_t k = sample_key(1, 1);
        lock_key(s, &k);
        assert_ok(lease_one(s, &k, 128, true));
        assert_state(s, &k, 128, 128, UNKNOWN);
    }
    s->table->close(s);
    assert_int_equal(ask_file(box.path, NULL, "PRAGMA user_version"), CPS_SQLITE_FORMAT);
    snprintf(backup, sizeof backup, "%s", box_file(&box, format == 1 ? ".format-1.backup" : ".format-2.backup"));
    assert_int_equal(stat(backup, &at), 0);
    assert_int_equal(at.st_mode & 07777U, 0600);
    assert_mute(backup, NULL, format);
    box_drop(&box);
}

static void an_older_store_is_upgraded_after_a_backup(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++)
        upgrade_one(i < 4 ? 1 : 2, (i & 1U) != 0, (i & 2U) != 0);
}

/* One upgrade, cut after so many calls, or never. Gives how many calls it took. */
static uint64_t cut_upgrade(vfs_box_t *v, int old, uint64_t calls, unsigned seen[CPS_SQLITE_FORMAT + 1])
{
    cps_store_t *s = NULL;
    char backup[256];
    vfs_format(v, calls);
    const char *vfs = cps_power_vfs(v->power);
    make_old(v->box.path, vfs, old, calls % 2 == 0);
    uint64_t before = cps_power_calls(v->power);
    cps_power_cut_after(v->power, calls);
    cps_err_t err = vfs_open(v, &s);
    assert_true(err == CPS_OK || cps_power_is_cut(v->power));
    if (s != NULL)
        s->table->close(s);
    uint64_t took = cps_power_calls(v->power) - before;
    cps_power_on(v->power);
    int64_t format = ask_file(v->box.path, vfs, "PRAGMA user_version");
    assert_true(format == old || format == CPS_SQLITE_FORMAT);
    /* old or new, never between: what a format is made of, and nothing of another */
    assert_int_equal(ask_file(v->box.path, vfs, "SELECT count(*) FROM pragma_table_info('states')"),
                     columns[format].states);
    assert_int_equal(ask_file(v->box.path, vfs, "SELECT count(*) FROM pragma_table_info('store')"),
                     columns[format].store);
    assert_int_equal(ask_file(v->box.path, vfs, "SELECT count(*) FROM pragma_table_info('keys')"),
                     columns[format].keys);
    seen[format]++;
    snprintf(backup, sizeof backup, "%s", box_file(&v->box, old == 1 ? ".format-1.backup" : ".format-2.backup"));
    bool is_there =
        cps_power_bytes(v->power, backup).len != 0 && ask_file(backup, vfs, "SELECT count(*) FROM sqlite_schema") != 0;
    assert_true(is_there || format == old);
    if (is_there)
        assert_mute(backup, vfs, old);
    assert_ok(vfs_open(v, &s));
    assert_upgraded(s);
    s->table->close(s);
    return took;
}

static void a_cut_leaves_the_old_format_or_the_new_one(void **state)
{
    (void)state;
    enum { ROUNDS = 3 }; /* of each call, since chance decides what the disk keeps */
    vfs_box_t v;
    vfs_make(&v, 0);
    for (int old = 1; old < CPS_SQLITE_FORMAT; old++) {
        unsigned seen[CPS_SQLITE_FORMAT + 1] = {0};
        uint64_t calls = cut_upgrade(&v, old, CPS_POWER_NEVER, seen);
        assert_true(calls > 20);
        for (uint64_t i = 0; i < ROUNDS * calls; i++)
            cut_upgrade(&v, old, i % calls, seen);
        print_message("# from format %d: %llu calls; old %u times, new %u times\n", old, (unsigned long long)calls,
                      seen[old], seen[CPS_SQLITE_FORMAT]);
        assert_true(seen[old] > ROUNDS && seen[CPS_SQLITE_FORMAT] > ROUNDS);
    }
    vfs_drop(&v);
}

static void an_upgrade_without_room_leaves_the_old_format(void **state)
{
    (void)state;
    static const cps_power_fault_t faults[] = {CPS_POWER_FULL, CPS_POWER_SYNC_FAILS, CPS_POWER_WRITE_FAILS};
    vfs_box_t v;
    cps_store_t *s;
    vfs_make(&v, 0);
    for (uint64_t i = 0; i < 60; i++) {
        vfs_format(&v, i);
        make_old(v.box.path, cps_power_vfs(v.power), 1, true);
        cps_power_fail(v.power, faults[i % 3], i / 3, CPS_POWER_NEVER);
        cps_err_t err = vfs_open(&v, &s);
        cps_power_fail(v.power, CPS_POWER_SOUND, 0, 0);
        if (err == CPS_OK)
            s->table->close(s); /* all of it was through before */
        else
            assert_err(i % 3 == 0 ? CPS_ERR_STORE_FULL : CPS_ERR_STORE, err);
        assert_true(i >= 3 || err != CPS_OK);
        assert_ok(vfs_open(&v, &s));
        assert_upgraded(s);
        s->table->close(s);
    }
    vfs_drop(&v);
}

static void damage_stays_damage(void **state)
{
    (void)state;
    box_t box;
    cps_store_t *s;
    cps_store_state_t at;
    uint64_t ceiling;
    box_make(&box);
    make_old(box.path, NULL, 1, true);
    run_sql(&box, "UPDATE states SET ceiling = 63 WHERE id = 1");
    assert_ok(box_open_as(&box, false, false, &s));
    cps_store_key_t k = sample_key(1, 1);
    cps_store_key_t other = sample_key(2, 1);
    assert_err(CPS_ERR_STORE_CORRUPT, s->table->state_get(s, &k, &at, &ceiling));
    assert_state(s, &other, 0, 0, 0);
    s->table->close(s);
    box_drop(&box);
}

static void an_owner_of_the_older_version_keeps_the_upgrade_out(void **state)
{
    (void)state;
    box_t box;
    cps_store_t *s;
    int fds[2];
    int life[2]; /* the other process ends when this is closed, by us or by our end */
    char pid[32];
    box_make(&box);
    make_old(box.path, NULL, 1, true);
    write_file(box_file(&box, ".lock"), "", 0);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(pipe(life), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct flock want = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2, .l_len = 1};
        int fd = open(box_file(&box, ".lock"), O_RDWR | O_CLOEXEC);
        if (fd < 0 || fcntl(fd, F_SETLK, &want) != 0 || write(fds[1], "y", 1) != 1)
            _exit(1);
        close(life[1]);
        _exit(read(life[0], pid, 1) == 0 ? 0 : 1);
    }
    close(life[0]);
    assert_int_equal(read(fds[0], pid, 1), 1);
    for (int read_only = 0; read_only < 2; read_only++) {
        assert_err(CPS_ERR_IN_USE, box_open_as(&box, true, read_only != 0, &s));
        snprintf(pid, sizeof pid, "pid %d", (int)child);
        assert_non_null(strstr(cps_store_detail(), pid));
        assert_non_null(strstr(cps_store_detail(), "format 1"));
    }
    assert_int_equal(ask_file(box.path, NULL, "PRAGMA user_version"), 1);
    assert_int_not_equal(access(box_file(&box, ".format-1.backup"), F_OK), 0);
    close(life[1]);
    waitpid(child, NULL, 0);
    close(fds[0]);
    close(fds[1]);
    assert_ok(box_open_as(&box, true, false, &s));
    assert_upgraded(s);
    s->table->close(s);
    box_drop(&box);
}

static void the_check_leaves_an_older_store_alone(void **state)
{
    (void)state;
    box_t box;
    box_make(&box);
    make_old(box.path, NULL, 1, true);
    uint64_t before = folder_hash(&box);
    assert_err(CPS_ERR_STORE_FORMAT, cps_store_check(box.path, vfs_complain, NULL));
    assert_non_null(strstr(cps_store_detail(), "older format 1"));
    assert_true(folder_hash(&box) == before);
    box_drop(&box);
}

static const cps_case_t cases[] = {
    {"", "an older store is upgraded after a backup that does not send", an_older_store_is_upgraded_after_a_backup},
    {"OPS-28", "a cut at each call of an upgrade leaves the old format or the new one",
     a_cut_leaves_the_old_format_or_the_new_one},
    {"", "an upgrade without room leaves the old format", an_upgrade_without_room_leaves_the_old_format},
    {"", "damage stays damage through an upgrade", damage_stays_damage},
    {"", "an owner of the older version keeps the upgrade out", an_owner_of_the_older_version_keeps_the_upgrade_out},
    {"", "the check leaves an older store alone", the_check_leaves_an_older_store_alone},
};

CPS_RUN("store_power_upgrade", cases)
