// SPDX-License-Identifier: Apache-2.0
/* The SQLite store: its format, opening and closing. */
#include "store/sqlite.h"

#include <stdlib.h>

const char *const cps_sqlite_schema[CPS_SQLITE_SCHEMA_COUNT] = {
    /* `epoch` counts what made everything saved in the store used up at once, `commits` the leases. What format 2 brought
     * stands behind `sum`: the text has to be that of an upgraded store, too. */
    "CREATE TABLE store(id INTEGER PRIMARY KEY CHECK(id = 1), epoch INTEGER NOT NULL, sum INTEGER NOT NULL, "
    "commits INTEGER NOT NULL DEFAULT 0, instance INTEGER NOT NULL DEFAULT 0) STRICT",

    /* Never deleted: `id` is the place in the lock file, and the numbers of a removed key must not start anew. What a run of
     * appendix B.2 derived makes room for the next, since its random ID Context never comes again. `next`
     * and a window count only while `saved` is the store's epoch; nothing counts but where `home` is here. */
    "CREATE TABLE states(id INTEGER PRIMARY KEY, state_id BLOB NOT NULL UNIQUE CHECK(length(state_id) = 16), "
    "ceiling INTEGER NOT NULL CHECK(ceiling BETWEEN 0 AND 1099511627776), "
    "next INTEGER NOT NULL CHECK(next BETWEEN 0 AND ceiling), saved INTEGER NOT NULL, sum INTEGER NOT NULL, "
    "home INTEGER) STRICT",

    "CREATE TABLE windows(id INTEGER PRIMARY KEY, window_id BLOB NOT NULL UNIQUE CHECK(length(window_id) = 16), "
    "state INTEGER NOT NULL REFERENCES states(id), next INTEGER NOT NULL CHECK(next BETWEEN 0 AND 1099511627776), "
    "seen INTEGER NOT NULL, saved INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT",

    "CREATE INDEX windows_state ON windows(state)",

    "CREATE TABLE keys(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, peer TEXT NOT NULL, pattern TEXT NOT NULL, "
    "secret BLOB NOT NULL, salt BLOB NOT NULL, id_context BLOB, sender_id BLOB NOT NULL, recipient_id BLOB NOT NULL, "
    "aead INTEGER NOT NULL, hash INTEGER NOT NULL, window_size INTEGER NOT NULL, retired INTEGER NOT NULL, "
    "state INTEGER NOT NULL REFERENCES states(id), window INTEGER NOT NULL UNIQUE REFERENCES windows(id), "
    "sum INTEGER NOT NULL, rekeying INTEGER NOT NULL DEFAULT 0) STRICT",

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
    .key_mark = cps_sqlite_key_mark,
    .key_retire = cps_sqlite_key_retire,
    .key_renew = cps_sqlite_key_renew,
    .key_next = cps_sqlite_key_next,
    .load = cps_sqlite_load,
    .state_get = cps_sqlite_state_get,
    .lease = cps_sqlite_lease,
    .save = cps_sqlite_save,
    .lock = cps_sqlite_lock,
    .unlock = cps_sqlite_unlock,
};

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

cps_err_t cps_sqlite_look(const cps_sqlite_t *s, int64_t *format)
{
    int64_t application_id = 0;
    int64_t tables = 0;
    *format = 0;
    /* One snapshot for the three, while another process may be making the store. */
    cps_err_t err = cps_sqlite_exec(s, "SAVEPOINT look");
    if (err != CPS_OK)
        return err;
    err = ask(s, "PRAGMA application_id", &application_id);
    if (err == CPS_OK)
        err = ask(s, "PRAGMA user_version", format);
    if (err == CPS_OK)
        err = ask(s, "SELECT count(*) FROM sqlite_schema", &tables);
    sqlite3_exec(s->db, "RELEASE look", NULL, NULL, NULL);
    if (err != CPS_OK)
        return err;
    if (application_id == 0 && *format == 0 && tables == 0)
        return CPS_OK;
    return cps_sqlite_check_format(s->path, application_id, *format);
}

/* One transaction: a store has its whole format or is still empty. */
static cps_err_t make_format(const cps_sqlite_t *s)
{
    int64_t format = 0;
    char numbers[128];
    cps_err_t err = cps_sqlite_exec(s, "BEGIN IMMEDIATE");
    if (err != CPS_OK)
        return err;
    err = cps_sqlite_look(s, &format); /* another process may have been first */
    bool fresh = format == 0;
    for (int i = 0; i < CPS_SQLITE_SCHEMA_COUNT && err == CPS_OK && fresh; i++)
        err = cps_sqlite_exec(s, cps_sqlite_schema[i]);
    sqlite3_snprintf((int)sizeof numbers, numbers, "PRAGMA application_id = %d; PRAGMA user_version = %d",
                     CPS_SQLITE_APPLICATION_ID, CPS_SQLITE_FORMAT);
    if (err == CPS_OK && fresh)
        err = cps_sqlite_exec(s, "INSERT INTO store VALUES(1, 1, 0, 0, random()); "
                                 "UPDATE store AS e SET sum = " CPS_SQL_STORE_SUM);
    if (err == CPS_OK && fresh)
        err = cps_sqlite_exec(s, numbers);
    if (err == CPS_OK)
        err = cps_sqlite_exec(s, "COMMIT");
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
        err = cps_sqlite_exec(s, "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON");
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

cps_err_t cps_sqlite_configure(const cps_sqlite_t *s)
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
    cps_err_t err =
        cps_sqlite_exec(s, "PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON; "
                           "PRAGMA foreign_keys = ON");
    return err == CPS_OK ? cps_sqlite_add_functions(s) : err;
}

static cps_err_t open_for_writing(cps_sqlite_t *s, const char *vfs)
{
    if (sqlite3_db_readonly(s->db, "main") != 0)
        return cps_store_fail(CPS_ERR_STORE, "%s: the store cannot be written: make it writable for this user",
                              s->path);
    cps_err_t err = make_durable_in_turn(s);
    if (err == CPS_OK && s->format == 0)
        err = make_format(s);
    else if (err == CPS_OK && s->format < CPS_SQLITE_FORMAT)
        err = cps_sqlite_upgrade(s, vfs);
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
    int flags =
        SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | (s->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
    int rc = sqlite3_open_v2(s->path, &s->db, flags, vfs);
    if (rc != SQLITE_OK)
        return cps_sqlite_error(s->db, s->path, rc);
    cps_sqlite_home_find(s);
    cps_err_t err = cps_sqlite_configure(s);
    if (err == CPS_OK)
        err = cps_sqlite_look(s, &s->format);
    if (err != CPS_OK)
        return err;
    if (s->format == 0 && !create)
        return is_empty(s);
    return s->read_only ? CPS_OK : open_for_writing(s, vfs);
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

/* A store, or NULL and why not. */
static cps_sqlite_t *open_store(const cps_store_options_t *options, cps_err_t *err)
{
    cps_sqlite_t *s = calloc(1, sizeof *s);
    if (s == NULL) {
        *err = cps_store_fail(CPS_ERR_MEMORY, "no memory to open a store");
        return NULL;
    }
    s->base.table = &sqlite_table;
    s->read_only = options->read_only;
    *err = open_at(s, options);
    if (*err == CPS_OK)
        return s;
    sqlite_close(&s->base);
    return NULL;
}

/* Reading an older format would mean all statements twice, and an upgrade is due anyway: upgrade, then open anew. */
static cps_sqlite_t *open_upgraded(cps_sqlite_t *old, const cps_store_options_t *options, cps_err_t *err)
{
    cps_store_options_t writing = {.path = options->path, .vfs = options->vfs};
    sqlite_close(&old->base);
    cps_sqlite_t *upgraded = open_store(&writing, err);
    if (upgraded == NULL)
        return NULL;
    sqlite_close(&upgraded->base);
    return open_store(options, err);
}

cps_err_t cps_store_sqlite_open(cps_store_t **out, const cps_store_options_t *options)
{
    cps_err_t err = CPS_OK;
    cps_sqlite_t *s = open_store(options, &err);
    if (s != NULL && s->read_only && s->format < CPS_SQLITE_FORMAT)
        s = open_upgraded(s, options, &err);
    *out = s != NULL ? &s->base : NULL;
    return err;
}
