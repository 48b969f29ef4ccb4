// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite.h"

#include "base/map.h"

#include <errno.h>

/* What a clean exit saved counts while its `saved` is the store's epoch: so the whole store is made used in one row. */
#define EPOCH "(SELECT epoch FROM store WHERE id = 1)"

#define STATE_COLUMNS                                                                                                  \
    "s.ceiling, s.next, s.saved, s.sum IS " CPS_SQL_STATE_SUM                                                          \
    ", w.next, w.seen, w.saved, w.sum IS " CPS_SQL_WINDOW_SUM ", e.epoch, e.sum IS " CPS_SQL_STORE_SUM                 \
    ", is_here(s.home)"
#define KEY_COLUMNS                                                                                                    \
    "k.id, k.state, k.name, k.peer, k.pattern, k.secret, k.salt, k.id_context, k.sender_id, k.recipient_id, k.aead, "  \
    "k.hash, k.window_size, k.retired, k.rekeying, s.state_id, w.window_id, k.sum IS " CPS_SQL_KEY_SUM
#define SELECT_KEY                                                                                                     \
    "SELECT " KEY_COLUMNS ", " STATE_COLUMNS " FROM store e JOIN keys k LEFT JOIN states s ON s.id = k.state "         \
    "LEFT JOIN windows w ON w.id = k.window WHERE e.id = 1 AND "
#define NEXT_ID(table) "(SELECT coalesce(max(id), 0) + 1 AS n FROM " table ")"

static const char *const texts[CPS_SQL_COUNT] = {
    [CPS_SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [CPS_SQL_COMMIT] = "COMMIT",
    [CPS_SQL_ROLLBACK] = "ROLLBACK",

    [CPS_SQL_KEY_BY_NAME] = SELECT_KEY "k.name = ?1",
    [CPS_SQL_KEY_AFTER] =
        SELECT_KEY "k.name > coalesce((SELECT name FROM keys WHERE id = ?1), '') ORDER BY k.name LIMIT 1",
    [CPS_SQL_KEYS_FROM] = SELECT_KEY "k.id > ?1 ORDER BY k.id LIMIT ?2",
    [CPS_SQL_PLACES_FROM] = "SELECT id, state FROM keys WHERE id > ?1 ORDER BY id LIMIT ?2",
    [CPS_SQL_KEY_NAME] = "SELECT k.name, k.sum IS " CPS_SQL_KEY_SUM " FROM keys k WHERE k.id = ?1",
    [CPS_SQL_NAME_EXISTS] = "SELECT 1 FROM keys WHERE name = ?1",
    [CPS_SQL_CONTEXT_EXISTS] = "SELECT k.name FROM windows w JOIN keys k ON k.window = w.id WHERE w.window_id = ?1",
    [CPS_SQL_SHARING] = "SELECT count(*) FROM keys WHERE recipient_id = ?1 AND id_context IS ?2",
    [CPS_SQL_KEY_INSERT] =
        "INSERT INTO keys SELECT n, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, "
        "row_sum(n, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15), ?15 FROM " NEXT_ID("keys"),
    [CPS_SQL_KEY_RENAME] = "UPDATE keys AS k SET name = ?2, sum = row_sum(k.id, ?2, k.peer, k.pattern, k.secret, "
                           "k.salt, k.id_context, k.sender_id, k.recipient_id, k.aead, k.hash, k.window_size, "
                           "k.retired, k.state, k.window, k.rekeying) WHERE name = ?1 AND k.sum IS " CPS_SQL_KEY_SUM,
    [CPS_SQL_KEY_REMOVE] = "DELETE FROM keys WHERE name = ?1",
    [CPS_SQL_KEY_BY_WINDOW] = SELECT_KEY "w.window_id = ?1",
    [CPS_SQL_KEY_MARK] =
        "UPDATE keys AS k SET rekeying = k.rekeying | 2, sum = row_sum(k.id, k.name, k.peer, k.pattern, "
        "k.secret, k.salt, k.id_context, k.sender_id, k.recipient_id, k.aead, k.hash, k.window_size, "
        "k.retired, k.state, k.window, k.rekeying | 2) "
        "WHERE k.window = (SELECT id FROM windows WHERE window_id = ?1) AND k.sum IS " CPS_SQL_KEY_SUM,
    [CPS_SQL_KEY_RETIRE] =
        "UPDATE keys AS k SET retired = ?2, sum = row_sum(k.id, k.name, k.peer, k.pattern, k.secret, k.salt, "
        "k.id_context, k.sender_id, k.recipient_id, k.aead, k.hash, k.window_size, ?2, k.state, k.window, k.rekeying) "
        "WHERE k.window = (SELECT id FROM windows WHERE window_id = ?1) AND k.sum IS " CPS_SQL_KEY_SUM,
    [CPS_SQL_KEY_RENEW] = "UPDATE keys AS k SET id_context = ?2, state = ?3, window = ?4, rekeying = ?5, "
                          "sum = row_sum(k.id, k.name, k.peer, k.pattern, k.secret, k.salt, ?2, k.sender_id, "
                          "k.recipient_id, k.aead, k.hash, k.window_size, k.retired, ?3, ?4, ?5) "
                          "WHERE k.id = ?1 AND k.sum IS " CPS_SQL_KEY_SUM,
    [CPS_SQL_STATE_RENEW] = "UPDATE states SET state_id = ?2, ceiling = ?3, next = 0, saved = 0, home = here(), "
                            "sum = row_sum(id, ?2, ?3, 0, 0, here()) WHERE id = ?1",
    [CPS_SQL_WINDOW_RENEW] = "UPDATE windows SET window_id = ?2, next = 0, seen = 0, saved = 0, "
                             "sum = row_sum(id, ?2, state, 0, 0, 0) WHERE id = ?1 AND state = ?3",

    [CPS_SQL_STATE_PLACE] = "SELECT s.id, s.sum IS " CPS_SQL_STATE_SUM ", is_here(s.home) FROM states s "
                            "WHERE s.state_id = ?1",
    [CPS_SQL_STATE_GET] = "SELECT " STATE_COLUMNS " FROM store e JOIN states s "
                          "LEFT JOIN windows w ON w.window_id = ?2 AND w.state = s.id WHERE e.id = 1 AND "
                          "s.state_id = ?1",
    [CPS_SQL_STATE_INSERT] = "INSERT INTO states SELECT n, ?1, ?2, ?2, " EPOCH ", row_sum(n, ?1, ?2, ?2, " EPOCH
                             ", here()), here() FROM " NEXT_ID("states"),
    [CPS_SQL_STATE_RAISE] = "UPDATE states SET ceiling = max(ceiling, ?2), next = 0, saved = 0, "
                            "sum = row_sum(id, state_id, max(ceiling, ?2), 0, 0, home) "
                            "WHERE id = ?1 AND ?2 > CASE saved WHEN " EPOCH " THEN next ELSE ceiling END",
    [CPS_SQL_STATE_CLAIM] = "UPDATE states SET ceiling = max(ceiling, ?2), next = 0, saved = 0, home = here(), "
                            "sum = row_sum(id, state_id, max(ceiling, ?2), 0, 0, here()) WHERE id = ?1",
    [CPS_SQL_STATE_LEASE] = "UPDATE states SET ceiling = max(ceiling, ?2), next = 0, saved = 0, "
                            "sum = row_sum(id, state_id, max(ceiling, ?2), 0, 0, home) WHERE id = ?1",
    [CPS_SQL_STATE_SAVE] =
        "UPDATE states SET next = ?2, saved = " EPOCH ", sum = row_sum(id, state_id, ceiling, ?2, " EPOCH
        ", home) WHERE id = ?1 AND ceiling >= ?2",

    [CPS_SQL_WINDOW_INSERT] = "INSERT INTO windows SELECT n, ?1, ?2, ?3, ?4, ?5 * " EPOCH
                              ", row_sum(n, ?1, ?2, ?3, ?4, ?5 * " EPOCH ") FROM " NEXT_ID("windows"),
    [CPS_SQL_WINDOW_PLACE] = "SELECT id FROM windows WHERE window_id = ?1",
    [CPS_SQL_WINDOW_FORGET] = "UPDATE windows SET next = 0, seen = 0, saved = 0, "
                              "sum = row_sum(id, window_id, state, 0, 0, 0) WHERE id = ?1",
    [CPS_SQL_WINDOWS_FORGET] = "UPDATE windows SET next = 0, seen = 0, saved = 0, "
                               "sum = row_sum(id, window_id, state, 0, 0, 0) WHERE state = ?1 AND saved <> 0",
    [CPS_SQL_WINDOW_SAVE] =
        "UPDATE windows SET next = ?3, seen = ?4, saved = ?5 * " EPOCH
        ", sum = row_sum(id, window_id, state, ?3, ?4, ?5 * " EPOCH ") WHERE window_id = ?1 AND state = ?2",

    [CPS_SQL_STORE_GET] = "SELECT e.instance, e.commits FROM store e WHERE e.id = 1 AND e.sum IS " CPS_SQL_STORE_SUM,
    [CPS_SQL_STORE_COUNT] = "UPDATE store AS e SET epoch = e.epoch + ?1, commits = e.commits + 1, "
                            "sum = row_sum(e.id, e.epoch + ?1, e.commits + 1, e.instance) "
                            "WHERE e.id = 1 AND e.sum IS " CPS_SQL_STORE_SUM,
    [CPS_SQL_STORE_RAISE] = "UPDATE store AS e SET commits = max(e.commits, ?1), "
                            "sum = row_sum(e.id, e.epoch, max(e.commits, ?1), e.instance) "
                            "WHERE e.id = 1 AND e.sum IS " CPS_SQL_STORE_SUM,
    [CPS_SQL_STATES_FORGET] = "UPDATE states AS s SET home = NULL, sum = row_sum(s.id, s.state_id, s.ceiling, s.next, "
                              "s.saved, NULL) WHERE s.sum IS " CPS_SQL_STATE_SUM,
    [CPS_SQL_STATES_ADOPT] =
        "UPDATE states AS s SET ceiling = min(s.ceiling + ?1, 1099511627776), next = 0, saved = 0, home = here(), "
        "sum = row_sum(s.id, s.state_id, min(s.ceiling + ?1, 1099511627776), 0, 0, here()) "
        "WHERE s.home IS NOT NULL AND s.sum IS " CPS_SQL_STATE_SUM,
};

static void put_value(cps_writer_t *w, sqlite3_value *value)
{
    int type = sqlite3_value_type(value);
    cps_write_u8(w, (uint8_t)type);
    if (type == SQLITE_INTEGER) {
        uint8_t *at = cps_write_skip(w, 8);
        if (at != NULL)
            cps_put_be64(at, (uint64_t)sqlite3_value_int64(value));
    } else if (type != SQLITE_NULL) {
        const void *bytes = sqlite3_value_blob(value);
        size_t len = (size_t)sqlite3_value_bytes(value);
        cps_write_u32(w, (uint32_t)len);
        uint8_t *at = cps_write_skip(w, len);
        if (at != NULL)
            cps_copy(at, bytes, len);
    }
}

/* NULL, which fits no sum, for a row that is too large to be one of ours. */
static void row_sum(sqlite3_context *context, int count, sqlite3_value **values)
{
    static const uint8_t seed[16] = "coapsule row sum";
    uint8_t row[1024];
    cps_writer_t w = cps_writer(row, sizeof row);
    for (int i = 0; i < count; i++)
        put_value(&w, values[i]);
    cps_bytes_t done = cps_written(&w);
    if (w.failed)
        sqlite3_result_null(context);
    else
        sqlite3_result_int64(context, (sqlite3_int64)cps_hash(seed, done.ptr, done.len));
    cps_wipe(row, done.len);
}

static void here(sqlite3_context *context, int count, sqlite3_value **values)
{
    const cps_sqlite_t *s = sqlite3_user_data(context);
    (void)count;
    (void)values;
    sqlite3_result_int64(context, s->home.bind);
}

static void is_here(sqlite3_context *context, int count, sqlite3_value **values)
{
    const cps_sqlite_t *s = sqlite3_user_data(context);
    (void)count;
    sqlite3_int64 home = sqlite3_value_int64(values[0]);
    bool known = sqlite3_value_type(values[0]) == SQLITE_INTEGER;
    sqlite3_result_int(context, known && (home == s->home.accept[0] || home == s->home.accept[1]));
}

cps_err_t cps_sqlite_add_functions(const cps_sqlite_t *s)
{
    static const struct {
        const char *name;
        int args;
        void (*call)(sqlite3_context *context, int count, sqlite3_value **values);
    } functions[] = {{"row_sum", -1, row_sum}, {"here", 0, here}, {"is_here", 1, is_here}};
    int rc = SQLITE_OK;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0] && rc == SQLITE_OK; i++)
        rc = sqlite3_create_function(s->db, functions[i].name, functions[i].args,
                                     SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, (void *)s,
                                     functions[i].call, NULL, NULL);
    return rc == SQLITE_OK ? CPS_OK : cps_sqlite_error(s->db, s->path, rc);
}

cps_err_t cps_sqlite_exec(const cps_sqlite_t *s, const char *text)
{
    int rc = sqlite3_exec(s->db, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? CPS_OK : cps_sqlite_error(s->db, s->path, sqlite3_extended_errcode(s->db));
}

typedef struct meaning {
    int code;
    cps_err_t err;
    const char *what; /* after "PATH: " */
} meaning_t;

static const meaning_t meanings[] = {
    {SQLITE_FULL, CPS_ERR_STORE_FULL, "no space left on the disk of the store: free some space"},
    {SQLITE_CORRUPT, CPS_ERR_STORE_CORRUPT, "the store is damaged: coapsule store check says where"},
    {SQLITE_NOTADB, CPS_ERR_STORE_CORRUPT, "not a store of coapsule, or damaged; name another path"},
    {SQLITE_READONLY, CPS_ERR_STORE, "the store cannot be written: make it, and its disk, writable for this user"},
    {SQLITE_CANTOPEN, CPS_ERR_STORE, "the store cannot be opened: make it and its folder writable for this user"},
    {SQLITE_PERM, CPS_ERR_STORE, "the store cannot be opened: make it and its folder writable for this user"},
    {SQLITE_BUSY, CPS_ERR_STORE, "another process has been writing to the store for too long: try again"},
    {SQLITE_LOCKED, CPS_ERR_STORE, "another process has been writing to the store for too long: try again"},
    {SQLITE_NOMEM, CPS_ERR_MEMORY, "no memory left for the store"},
};

/* What the system said, as SQLite's code: of the connection, or, since a commit does not pass it on, of the -wal. */
static int cause_of(sqlite3 *db, int code)
{
    int causes[2] = {sqlite3_system_errno(db), 0};
    sqlite3_file *wal = NULL;
    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) == SQLITE_OK && wal != NULL &&
        wal->pMethods != NULL)
        (void)wal->pMethods->xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &causes[1]);
    for (int i = 0; i < 2; i++) {
        if (causes[i] == ENOSPC || causes[i] == EDQUOT)
            return SQLITE_FULL;
        if (causes[i] == EROFS)
            return SQLITE_READONLY;
    }
    return code;
}

cps_err_t cps_sqlite_error(sqlite3 *db, const char *path, int rc)
{
    int code = rc & 0xff;
    if (db != NULL && (code == SQLITE_IOERR || code == SQLITE_CANTOPEN))
        code = cause_of(db, code);
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (meanings[i].code == code)
            return cps_store_fail(meanings[i].err, "%s: %s", path, meanings[i].what);
    return cps_store_fail(CPS_ERR_STORE, "%s: the store failed (%s, code %d): check its disk", path, sqlite3_errstr(rc),
                          rc);
}

cps_err_t cps_sqlite_get(cps_sqlite_t *s, cps_sqlite_stmt_t which, sqlite3_stmt **out)
{
    *out = s->stmts[which];
    if (*out != NULL)
        return CPS_OK;
    int rc = sqlite3_prepare_v3(s->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, &s->stmts[which], NULL);
    *out = s->stmts[which];
    return rc == SQLITE_OK ? CPS_OK : cps_sqlite_error(s->db, s->path, rc);
}

void cps_sqlite_done(sqlite3_stmt *stmt)
{
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
}

cps_err_t cps_sqlite_step(cps_sqlite_t *s, sqlite3_stmt *stmt, bool *row)
{
    int rc = sqlite3_step(stmt);
    *row = rc == SQLITE_ROW;
    if (*row)
        return CPS_OK;
    cps_err_t err = rc == SQLITE_DONE ? CPS_OK : cps_sqlite_error(s->db, s->path, sqlite3_extended_errcode(s->db));
    cps_sqlite_done(stmt);
    return err;
}

cps_err_t cps_sqlite_run(cps_sqlite_t *s, sqlite3_stmt *stmt)
{
    bool row;
    cps_err_t err = cps_sqlite_step(s, stmt, &row);
    if (row)
        cps_sqlite_done(stmt);
    return err;
}

static cps_err_t run_one(cps_sqlite_t *s, cps_sqlite_stmt_t which)
{
    sqlite3_stmt *stmt;
    cps_err_t err = cps_sqlite_get(s, which, &stmt);
    return err == CPS_OK ? cps_sqlite_run(s, stmt) : err;
}

cps_err_t cps_sqlite_begin(cps_sqlite_t *s)
{
    int moved = 0;
    if (s->read_only)
        return cps_store_fail(CPS_ERR_STORE, "%s: was opened for reading, and is not changed", s->path);
    if (sqlite3_file_control(s->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved)
        return cps_store_fail(CPS_ERR_STORE, "%s: was moved, replaced or removed while in use; start this process anew",
                              s->path);
    return run_one(s, CPS_SQL_BEGIN_WRITE);
}

cps_err_t cps_sqlite_end(cps_sqlite_t *s, cps_err_t err)
{
    if (err == CPS_OK)
        err = run_one(s, CPS_SQL_COMMIT);
    if (sqlite3_get_autocommit(s->db) == 0) { /* a full disk may have rolled back already */
        sqlite3_stmt *stmt;
        if (cps_sqlite_get(s, CPS_SQL_ROLLBACK, &stmt) == CPS_OK) {
            sqlite3_step(stmt);
            cps_sqlite_done(stmt);
        }
    }
    return err;
}

cps_err_t cps_sqlite_damaged(const cps_sqlite_t *s, const char *table)
{
    return cps_store_fail(CPS_ERR_STORE_CORRUPT, "%s: a row of table %s is damaged: coapsule store check says where",
                          s->path, table);
}
