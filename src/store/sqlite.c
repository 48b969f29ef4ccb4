// SPDX-License-Identifier: Apache-2.0
/* The SQLite store: its format, opening and closing. */
#include "store/sqlite.h"

#include <stdlib.h>

const char *const cps_sqlite_schema[CPS_SQLITE_SCHEMA_COUNT] = {
    /* `epoch` counts what made everything saved in the store used up at once. */
    "CREATE TABLE store(id INTEGER PRIMARY KEY CHECK(id = 1), epoch INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT",

    /* Never deleted: `id` is the place in the lock file, and the numbers of a removed key must not start anew. `next`
     * and a window count only while `saved` is the store's epoch. */
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
};

static void sqlite_close(cps_store_t *store)
{
    cps_sqlite_t *s = cps_sqlite_of(store);
    if (s == NULL)
        return;
    for (int i = 0; i < CPS_SQL_COUNT; i++)
        sqlite3_finalize(s->stmts[i]);
    sqlite3_close(s->db);
    for (uint64_t place = 0; place < 64U * s->held.count; place++)
        cps_sqlite_unlock_place(s, place);
    cps_store_lock_close(s->lockfile);
    cps_store_bits_free(&s->held);
    free(s->path);
    free(s->lock_path);
    free(s);
}

static const cps_store_table_t sqlite_table = {
    .name = "sqlite",
    .close = sqlite_close,
    .key_add = cps_sqlite_key_add,
    .key_get = cps_sqlite_key_get,
    .key_rename = cps_sqlite_key_rename,
    .key_remove = cps_sqlite_key_remove,
    .key_next = cps_sqlite_key_next,
    .load = cps_sqlite_load,
    .state_get = cps_sqlite_state_get,
    .lease = cps_sqlite_lease,
    .save = cps_sqlite_save,
    .lock = cps_sqlite_lock,
    .unlock = cps_sqlite_unlock,
};

static cps_err_t run_text(const cps_sqlite_t *s, const char *text)
{
    int rc = sqlite3_exec(s->db, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? CPS_OK : cps_sqlite_error(s->db, s->path, sqlite3_extended_errcode(s->db));
}

/* The first value of a query as a number. */
static cps_err_t ask(const cps_sqlite_t *s, const char *text, int64_t *out)
{
    sqlite3_stmt *stmt = NULL;
    cps_err_t err = CPS_OK;
    *out = 0;
    if (sqlite3_prepare_v2(s->db, text, -1, &stmt, NULL) != SQLITE_OK || sqlite3_step(stmt) != SQLITE_ROW)
        err = cps_sqlite_error(s->db, s->path, sqlite3_extended_errcode(s->db));
    else
        *out = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return err;
}

cps_err_t cps_sqlite_look(const cps_sqlite_t *s, bool *fresh)
{
    int64_t application_id = 0;
    int64_t format = 0;
    int64_t tables = 0;
    *fresh = false;
    /* One snapshot for the three, while another process may be making the store. */
    cps_err_t err = run_text(s, "SAVEPOINT look");
    if (err != CPS_OK)
        return err;
    err = ask(s, "PRAGMA application_id", &application_id);
    if (err == CPS_OK)
        err = ask(s, "PRAGMA user_version", &format);
    if (err == CPS_OK)
        err = ask(s, "SELECT count(*) FROM sqlite_schema", &tables);
    sqlite3_exec(s->db, "RELEASE look", NULL, NULL, NULL);
    if (err != CPS_OK)
        return err;
    *fresh = application_id == 0 && format == 0 && tables == 0;
    return *fresh ? CPS_OK : cps_sqlite_check_format(s->path, application_id, format);
}

/* One transaction: a store has its whole format or is still empty. */
static cps_err_t make_format(const cps_sqlite_t *s)
{
    bool fresh;
    char numbers[128];
    cps_err_t err = run_text(s, "BEGIN IMMEDIATE");
    if (err != CPS_OK)
        return err;
    err = cps_sqlite_look(s, &fresh); /* another process may have been first */
    for (int i = 0; i < CPS_SQLITE_SCHEMA_COUNT && err == CPS_OK && fresh; i++)
        err = run_text(s, cps_sqlite_schema[i]);
    sqlite3_snprintf((int)sizeof numbers, numbers, "PRAGMA application_id = %d; PRAGMA user_version = %d",
                     CPS_SQLITE_APPLICATION_ID, CPS_SQLITE_FORMAT);
    if (err == CPS_OK && fresh)
        err = run_text(s, "INSERT INTO store VALUES(1, 1, row_sum(1, 1))");
    if (err == CPS_OK && fresh)
        err = run_text(s, numbers);
    if (err == CPS_OK)
        err = run_text(s, "COMMIT");
    if (sqlite3_get_autocommit(s->db) == 0)
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

/* OPS-10. Asked for, then read back: a file system without shared memory quietly stays with a rollback journal. */
static cps_err_t make_durable(const cps_sqlite_t *s)
{
    sqlite3_stmt *stmt = NULL;
    int64_t synchronous = 0;
    bool wal = false;
    int rc = sqlite3_prepare_v2(s->db, "PRAGMA journal_mode = WAL", -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        wal = strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") == 0;
    cps_err_t err = rc == SQLITE_ROW ? CPS_OK : cps_sqlite_error(s->db, s->path, sqlite3_extended_errcode(s->db));
    sqlite3_finalize(stmt);
    if (err == CPS_OK)
        err = run_text(s, "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON");
    if (err == CPS_OK)
        err = ask(s, "PRAGMA synchronous", &synchronous);
    if (err == CPS_OK && (!wal || synchronous != 2))
        err = cps_store_fail(CPS_ERR_STORE, "%s: its file system cannot keep a write-ahead log: use a local disk",
                             s->path);
    return err;
}

/* SQLite does not wait by itself where two processes turn a new file to WAL at once: one of them gets "busy". */
static cps_err_t make_durable_in_turn(const cps_sqlite_t *s)
{
    enum { STEP_MS = 10 };
    for (int waited_ms = 0;; waited_ms += STEP_MS) {
        cps_err_t err = make_durable(s);
        if (err == CPS_OK || (sqlite3_errcode(s->db) & 0xff) != SQLITE_BUSY || waited_ms >= CPS_SQLITE_BUSY_MS)
            return err;
        sqlite3_sleep(STEP_MS);
    }
}

static cps_err_t configure(const cps_sqlite_t *s)
{
    int rc = sqlite3_busy_timeout(s->db, CPS_SQLITE_BUSY_MS);
    /* Until the format is known to be ours nothing is written, not even at closing. */
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (rc != SQLITE_OK)
        return cps_sqlite_error(s->db, s->path, rc);
    /* Deleted secrets are overwritten, and none reaches a temporary file. */
    cps_err_t err = run_text(s, "PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON; "
                                "PRAGMA foreign_keys = ON");
    return err == CPS_OK ? cps_sqlite_add_functions(s->db, s->path) : err;
}

static cps_err_t open_for_writing(const cps_sqlite_t *s, bool fresh)
{
    if (sqlite3_db_readonly(s->db, "main") != 0)
        return cps_store_fail(CPS_ERR_STORE, "%s: the store cannot be written: make it writable for this user",
                              s->path);
    cps_err_t err = make_durable_in_turn(s);
    if (err == CPS_OK && fresh)
        err = make_format(s);
    if (err == CPS_OK)
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return err;
}

static cps_err_t is_empty(const cps_sqlite_t *s)
{
    return cps_store_fail(CPS_ERR_NOT_FOUND, "%s: the store is empty; coapsule key new makes a key in it", s->path);
}

static cps_err_t open_database(cps_sqlite_t *s, const char *vfs, bool create)
{
    bool fresh;
    int flags =
        SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | (s->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
    int rc = sqlite3_open_v2(s->path, &s->db, flags, vfs);
    if (rc != SQLITE_OK)
        return cps_sqlite_error(s->db, s->path, rc);
    cps_err_t err = configure(s);
    if (err == CPS_OK)
        err = cps_sqlite_look(s, &fresh);
    if (err != CPS_OK)
        return err;
    if (fresh && !create)
        return is_empty(s);
    return s->read_only ? CPS_OK : open_for_writing(s, fresh);
}

static cps_err_t open_at(cps_sqlite_t *s, const cps_store_options_t *options)
{
    bool empty;
    bool create = options->create && !options->read_only;
    cps_err_t err = cps_sqlite_file_find(options->path, create, &s->path);
    if (err == CPS_OK)
        err = cps_sqlite_file_guard(s->path);
    if (err == CPS_OK)
        err = cps_sqlite_file_peek(s->path, options->vfs, &empty);
    if (err == CPS_OK && empty && !create)
        err = is_empty(s);
    if (err != CPS_OK)
        return err;
    s->lock_path = cps_sqlite_join(s->path, ".lock");
    if (s->lock_path == NULL)
        return cps_store_fail(CPS_ERR_MEMORY, "no memory to open a store");
    return open_database(s, options->vfs, create);
}

cps_err_t cps_store_sqlite_open(cps_store_t **out, const cps_store_options_t *options)
{
    *out = NULL;
    cps_sqlite_t *s = calloc(1, sizeof *s);
    if (s == NULL)
        return cps_store_fail(CPS_ERR_MEMORY, "no memory to open a store");
    s->base.table = &sqlite_table;
    s->read_only = options->read_only;
    cps_err_t err = open_at(s, options);
    if (err != CPS_OK) {
        sqlite_close(&s->base);
        return err;
    }
    *out = &s->base;
    return CPS_OK;
}
