// SPDX-License-Identifier: Apache-2.0
/* What becomes of a key in its life: marked, retired, and derived anew (appendix B.2 of RFC 8613), by the commit that puts
 * one in the place of the one before. */
#include "store/sqlite.h"

static void bind_bytes(sqlite3_stmt *stmt, int at, const uint8_t *bytes, size_t len)
{
    sqlite3_bind_blob(stmt, at, bytes, (int)len, SQLITE_STATIC);
}

static cps_err_t no_key(const cps_sqlite_t *s)
{
    return cps_store_fail(CPS_ERR_NOT_FOUND, "%s: the key was removed meanwhile", s->path);
}

/* A change of one key, found by its window. `value` is bound where the statement has a place for it. */
static cps_err_t change(cps_sqlite_t *s, cps_sqlite_stmt_t which, const cps_store_key_t *key, bool value)
{
    sqlite3_stmt *stmt;
    cps_err_t err = cps_sqlite_get(s, which, &stmt);
    if (err != CPS_OK)
        return err;
    bind_bytes(stmt, 1, key->window_id, CPS_STORE_ID_LEN);
    if (sqlite3_bind_parameter_count(stmt) > 1)
        sqlite3_bind_int(stmt, 2, value);
    err = cps_sqlite_run(s, stmt);
    return err == CPS_OK && sqlite3_changes(s->db) != 1 ? no_key(s) : err;
}

cps_err_t cps_sqlite_key_mark(cps_store_t *store, const cps_store_key_t *key)
{
    cps_sqlite_t *s = cps_sqlite_of(store);
    cps_err_t err = cps_sqlite_begin(s);
    return err == CPS_OK ? cps_sqlite_end(s, change(s, CPS_SQL_KEY_MARK, key, true)) : err;
}

cps_err_t cps_sqlite_key_retire(cps_store_t *store, const cps_store_key_t *key, bool retired)
{
    cps_sqlite_t *s = cps_sqlite_of(store);
    cps_err_t err = cps_sqlite_begin(s);
    return err == CPS_OK ? cps_sqlite_end(s, change(s, CPS_SQL_KEY_RETIRE, key, retired)) : err;
}

/* The rows of a key. */
typedef struct rows {
    sqlite3_int64 id;
    uint64_t old_place; /* of the state before, and of the state that takes its place */
    uint64_t place;
    uint64_t window;
    bool derived;
    int rekeying; /* as it will be */
} rows_t;

static cps_err_t find_rows(cps_sqlite_t *s, const cps_store_renewal_t *r, rows_t *rows)
{
    sqlite3_stmt *stmt;
    bool row;
    cps_store_key_t key = {0};
    cps_err_t err = cps_sqlite_get(s, CPS_SQL_KEY_BY_WINDOW, &stmt);
    if (err != CPS_OK)
        return err;
    bind_bytes(stmt, 1, r->old_window_id, CPS_STORE_ID_LEN);
    err = cps_sqlite_step(s, stmt, &row);
    if (err != CPS_OK || !row)
        return err != CPS_OK ? err : no_key(s);
    rows->id = sqlite3_column_int64(stmt, CPS_SQLITE_COL_ID);
    rows->old_place = (uint64_t)sqlite3_column_int64(stmt, CPS_SQLITE_COL_PLACE);
    rows->place = rows->old_place;
    err = cps_sqlite_read_key(s, stmt, &key);
    cps_sqlite_done(stmt);
    rows->derived = key.derived;
    cps_store_renew_key(&key, r);
    rows->rekeying = cps_sqlite_rekeying(&key);
    cps_wipe(&key, sizeof key);
    return err;
}

/* State of random identifiers is nobody's yet. */
static cps_err_t refuse_known(cps_sqlite_t *s, const cps_store_renewal_t *r)
{
    uint64_t place = 0;
    uint64_t window = 0;
    cps_err_t verdict = CPS_OK;
    cps_err_t err = cps_sqlite_find_place(s, r->state_id, &place, &verdict);
    if (err == CPS_OK)
        err = cps_sqlite_find_window(s, r->window_id, &window);
    if (err == CPS_OK && (place != 0 || window != 0))
        err = cps_store_fail(CPS_ERR_EXISTS, "%s: has that key already", s->path);
    return err;
}

/* The first of a key: its old numbers stay, as those of a removed key do. */
static cps_err_t insert_rows(cps_sqlite_t *s, const cps_store_renewal_t *r, rows_t *rows)
{
    sqlite3_stmt *stmt;
    cps_err_t err = cps_sqlite_get(s, CPS_SQL_STATE_INSERT, &stmt);
    if (err != CPS_OK)
        return err;
    bind_bytes(stmt, 1, r->state_id, CPS_STORE_ID_LEN);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)r->ceiling);
    err = cps_sqlite_run(s, stmt);
    rows->place = (uint64_t)sqlite3_last_insert_rowid(s->db);
    if (err == CPS_OK)
        err = cps_sqlite_get(s, CPS_SQL_WINDOW_INSERT, &stmt);
    if (err != CPS_OK)
        return err;
    bind_bytes(stmt, 1, r->window_id, CPS_STORE_ID_LEN);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)rows->place);
    for (int at = 3; at <= 5; at++)
        sqlite3_bind_int64(stmt, at, 0);
    err = cps_sqlite_run(s, stmt);
    rows->window = (uint64_t)sqlite3_last_insert_rowid(s->db);
    return err;
}

/* A later one takes the rows of the one before, so that the store does not grow by them. */
static cps_err_t reuse_rows(cps_sqlite_t *s, const cps_store_renewal_t *r, rows_t *rows)
{
    sqlite3_stmt *stmt;
    cps_err_t err = cps_sqlite_find_window(s, r->old_window_id, &rows->window);
    if (err == CPS_OK)
        err = cps_sqlite_get(s, CPS_SQL_STATE_RENEW, &stmt);
    if (err != CPS_OK)
        return err;
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)rows->place);
    bind_bytes(stmt, 2, r->state_id, CPS_STORE_ID_LEN);
    sqlite3_bind_int64(stmt, 3, (sqlite3_int64)r->ceiling);
    err = cps_sqlite_run(s, stmt);
    if (err == CPS_OK)
        err = cps_sqlite_get(s, CPS_SQL_WINDOW_RENEW, &stmt);
    if (err != CPS_OK)
        return err;
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)rows->window);
    bind_bytes(stmt, 2, r->window_id, CPS_STORE_ID_LEN);
    sqlite3_bind_int64(stmt, 3, (sqlite3_int64)rows->place);
    return cps_sqlite_run(s, stmt);
}

static cps_err_t point_key(cps_sqlite_t *s, const cps_store_renewal_t *r, const rows_t *rows)
{
    sqlite3_stmt *stmt;
    cps_err_t err = cps_sqlite_get(s, CPS_SQL_KEY_RENEW, &stmt);
    if (err != CPS_OK)
        return err;
    sqlite3_bind_int64(stmt, 1, rows->id);
    bind_bytes(stmt, 2, r->id_context.data, r->id_context.len);
    sqlite3_bind_int64(stmt, 3, (sqlite3_int64)rows->place);
    sqlite3_bind_int64(stmt, 4, (sqlite3_int64)rows->window);
    sqlite3_bind_int64(stmt, 5, rows->rekeying);
    err = cps_sqlite_run(s, stmt);
    return err == CPS_OK && sqlite3_changes(s->db) != 1 ? cps_sqlite_damaged(s, "keys") : err;
}

/* Within the transaction. Numbers are granted by it, so it counts as a lease does. */
static cps_err_t renew(cps_sqlite_t *s, const cps_store_renewal_t *r, rows_t *rows, cps_sqlite_mark_t *mark)
{
    bool was_older = s->is_older;
    cps_err_t err = find_rows(s, r, rows);
    if (err == CPS_OK &&
        (!cps_store_bits_has(&s->held, rows->place) || r->ceiling > CPS_STORE_NUMBER_MAX || r->id_context.len == 0))
        err = cps_store_fail(CPS_ERR_ARGUMENT, "%s: a key that is renewed has to be locked, its ceiling up to 2^40",
                             s->path);
    if (err == CPS_OK)
        err = refuse_known(s, r);
    if (err == CPS_OK)
        err = cps_sqlite_home_settle(s, mark);
    if (err == CPS_OK && !was_older)
        err = cps_sqlite_home_count(s, false, mark);
    if (err == CPS_OK)
        err = rows->derived ? reuse_rows(s, r, rows) : insert_rows(s, r, rows);
    return err == CPS_OK ? point_key(s, r, rows) : err;
}

cps_err_t cps_sqlite_key_renew(cps_store_t *store, const cps_store_renewal_t *r)
{
    cps_sqlite_t *s = cps_sqlite_of(store);
    cps_sqlite_mark_t mark = {0, 0};
    rows_t rows = {0};
    int64_t pid = 0;
    cps_err_t err = cps_sqlite_begin(s);
    if (err != CPS_OK)
        return err;
    err = renew(s, r, &rows, &mark);
    bool moved = err == CPS_OK && rows.place != rows.old_place;
    if (moved) /* before the commit: nobody else knows of it yet */
        err = cps_sqlite_lock_place(s, rows.place, &pid);
    bool locked = moved && err == CPS_OK;
    err = cps_sqlite_end(s, err);
    if (locked)
        cps_sqlite_unlock_place(s, err == CPS_OK ? rows.old_place : rows.place);
    if (err != CPS_OK)
        return err;
    s->is_older = false;
    cps_sqlite_home_note(s, &mark);
    return CPS_OK;
}
