// SPDX-License-Identifier: Apache-2.0
/* Sequence state of the SQLite store: who owns it, leases, and what a clean exit saves. */
#include "store/sqlite.h"

static cps_err_t no_state(const cps_sqlite_t *s)
{
    return cps_store_fail(CPS_ERR_STATE_LOST,
                          "%s: has no sequence state for this key, so it does not send; use coapsule key rekey, "
                          "key import --next-sequence N, or key new",
                          s->path);
}

static void bind_id(sqlite3_stmt *stmt, int at, const uint8_t *id)
{
    sqlite3_bind_blob(stmt, at, id, (int)CPS_STORE_ID_LEN, SQLITE_STATIC);
}

cps_err_t cps_sqlite_find_place(cps_sqlite_t *s, const uint8_t *state_id, uint64_t *place, cps_err_t *verdict)
{
    sqlite3_stmt *stmt;
    bool row;
    *place = 0;
    cps_err_t err = cps_sqlite_get(s, CPS_SQL_STATE_PLACE, &stmt);
    if (err != CPS_OK)
        return err;
    bind_id(stmt, 1, state_id);
    err = cps_sqlite_step(s, stmt, &row);
    if (err != CPS_OK)
        return err;
    *verdict = row ? CPS_OK : no_state(s);
    if (!row)
        return CPS_OK;
    *place = (uint64_t)sqlite3_column_int64(stmt, 0);
    if (sqlite3_column_int(stmt, 1) == 0)
        *verdict = cps_sqlite_damaged(s, "states");
    else if (s->is_older || sqlite3_column_int(stmt, 2) == 0)
        *verdict = cps_sqlite_elsewhere(s);
    cps_sqlite_done(stmt);
    return CPS_OK;
}

static cps_err_t place_of(cps_sqlite_t *s, const uint8_t *state_id, uint64_t *place)
{
    cps_err_t verdict = CPS_OK;
    cps_err_t err = cps_sqlite_find_place(s, state_id, place, &verdict);
    return err != CPS_OK ? err : verdict;
}

cps_err_t cps_sqlite_read_state(const cps_sqlite_t *s, sqlite3_stmt *stmt, int at, cps_store_state_t *out,
                                uint64_t *ceiling)
{
    sqlite3_int64 epoch = sqlite3_column_int64(stmt, at + 8);
    bool has_window = sqlite3_column_type(stmt, at + 4) != SQLITE_NULL;
    *out = (cps_store_state_t){0};
    if (sqlite3_column_int(stmt, at + 3) == 0)
        return cps_sqlite_damaged(s, "states");
    if (has_window && sqlite3_column_int(stmt, at + 7) == 0)
        return cps_sqlite_damaged(s, "windows");
    if (sqlite3_column_int(stmt, at + 9) == 0)
        return cps_sqlite_damaged(s, "store");
    if (s->is_older || sqlite3_column_int(stmt, at + 10) == 0)
        return cps_sqlite_elsewhere(s);
    *ceiling = (uint64_t)sqlite3_column_int64(stmt, at);
    bool saved = sqlite3_column_int64(stmt, at + 2) == epoch;
    out->next = saved ? (uint64_t)sqlite3_column_int64(stmt, at + 1) : *ceiling;
    if (has_window && sqlite3_column_int64(stmt, at + 6) == epoch) {
        out->window_known = true;
        out->window_next = (uint64_t)sqlite3_column_int64(stmt, at + 4);
        out->window_seen = (uint64_t)sqlite3_column_int64(stmt, at + 5);
    }
    return CPS_OK;
}

cps_err_t cps_sqlite_state_get(cps_store_t *store, const cps_store_key_t *key, cps_store_state_t *out,
                               uint64_t *ceiling)
{
    cps_sqlite_t *s = cps_sqlite_of(store);
    sqlite3_stmt *stmt;
    bool row;
    cps_err_t err = cps_sqlite_get(s, CPS_SQL_STATE_GET, &stmt);
    if (err != CPS_OK)
        return err;
    bind_id(stmt, 1, key->state_id);
    bind_id(stmt, 2, key->window_id);
    err = cps_sqlite_step(s, stmt, &row);
    if (err != CPS_OK || !row)
        return err != CPS_OK ? err : no_state(s);
    err = cps_sqlite_read_state(s, stmt, 0, out, ceiling);
    cps_sqlite_done(stmt);
    return err;
}

cps_err_t cps_sqlite_lock_begin(cps_sqlite_t *s)
{
    if (s->read_only)
        return cps_store_fail(CPS_ERR_ARGUMENT, "%s: was opened for reading, which owns nothing", s->path);
    if (s->lockfile != NULL)
        return cps_store_lock_verify(s->lockfile, s->lock_path);
    cps_err_t err = cps_store_lock_open(&s->lockfile, s->lock_path);
    if (err == CPS_OK)
        err = cps_sqlite_home_compare(s);
    if (err != CPS_OK) {
        cps_store_lock_close(s->lockfile);
        s->lockfile = NULL;
    }
    return err;
}

cps_err_t cps_sqlite_lock_place(cps_sqlite_t *s, uint64_t place, int64_t *owner_pid)
{
    if (place > CPS_SQLITE_PLACE_MAX)
        return cps_sqlite_damaged(s, "states");
    cps_err_t err = cps_store_lock_take(s->lockfile, place, owner_pid);
    if (err != CPS_OK)
        return err;
    err = cps_store_bits_add(&s->held, place);
    if (err != CPS_OK)
        cps_store_lock_give(s->lockfile, place);
    return err;
}

void cps_sqlite_unlock_place(cps_sqlite_t *s, uint64_t place)
{
    if (!cps_store_bits_has(&s->held, place))
        return;
    cps_store_bits_remove(&s->held, place);
    cps_store_lock_give(s->lockfile, place);
}

cps_err_t cps_sqlite_lock(cps_store_t *store, const cps_store_key_t *key, int64_t *owner_pid)
{
    cps_sqlite_t *s = cps_sqlite_of(store);
    uint64_t place = 0;
    cps_err_t verdict = CPS_OK;
    *owner_pid = 0;
    cps_err_t err = cps_sqlite_lock_begin(s);
    if (err == CPS_OK)
        err = cps_sqlite_find_place(s, key->state_id, &place, &verdict);
    bool unused = key->rekey && verdict == CPS_ERR_STATE_LOST && err == CPS_OK && place != 0;
    if (err == CPS_OK && !unused)
        err = verdict;
    return err == CPS_OK ? cps_sqlite_lock_place(s, place, owner_pid) : err;
}

void cps_sqlite_unlock(cps_store_t *store, const cps_store_key_t *key)
{
    cps_sqlite_t *s = cps_sqlite_of(store);
    uint64_t place = 0;
    cps_err_t verdict = CPS_OK;
    if (cps_sqlite_find_place(s, key->state_id, &place, &verdict) == CPS_OK && place != 0)
        cps_sqlite_unlock_place(s, place);
}

static cps_err_t not_owned(const cps_sqlite_t *s)
{
    return cps_store_fail(CPS_ERR_ARGUMENT, "%s: a context has to be locked before its numbers are changed", s->path);
}

static cps_err_t run_with(cps_sqlite_t *s, cps_sqlite_stmt_t which, uint64_t first, uint64_t second)
{
    sqlite3_stmt *stmt;
    cps_err_t err = cps_sqlite_get(s, which, &stmt);
    if (err != CPS_OK)
        return err;
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)first);
    if (sqlite3_bind_parameter_count(stmt) > 1)
        sqlite3_bind_int64(stmt, 2, (sqlite3_int64)second);
    return cps_sqlite_run(s, stmt);
}

static cps_err_t grant(cps_sqlite_t *s, cps_store_lease_t *lease, bool invalidate)
{
    uint64_t place;
    cps_err_t err = cps_sqlite_find_place(s, lease->state_id, &place, &lease->result);
    if (err != CPS_OK)
        return err;
    if (lease->result == CPS_OK && !cps_store_bits_has(&s->held, place))
        lease->result = not_owned(s);
    if (lease->result == CPS_OK && lease->ceiling > CPS_STORE_NUMBER_MAX)
        lease->result = cps_store_fail(CPS_ERR_ARGUMENT, "%s: a ceiling over 2^40 was asked for", s->path);
    if (lease->result != CPS_OK)
        return CPS_OK;
    err = run_with(s, CPS_SQL_STATE_LEASE, place, lease->ceiling);
    return err == CPS_OK && invalidate ? run_with(s, CPS_SQL_WINDOWS_FORGET, place, 0) : err;
}

/* One transaction. It counts, and so writes, where anything is granted. */
static cps_err_t grant_all(cps_sqlite_t *s, cps_store_lease_t *leases, size_t count, bool invalidate, bool all)
{
    cps_sqlite_mark_t mark = {0, 0};
    bool granted = all;
    cps_err_t err = cps_sqlite_begin(s);
    if (err != CPS_OK)
        return err;
    for (size_t i = 0; i < count && err == CPS_OK; i++) {
        err = grant(s, &leases[i], invalidate && !all);
        granted |= leases[i].result == CPS_OK;
    }
    if (err == CPS_OK && granted)
        err = cps_sqlite_home_count(s, all, &mark);
    err = cps_sqlite_end(s, err);
    if (err == CPS_OK && granted)
        cps_sqlite_home_note(s, &mark);
    return err;
}

cps_err_t cps_sqlite_lease(cps_store_t *store, cps_store_lease_t *leases, size_t count, bool invalidate, bool all)
{
    cps_sqlite_t *s = cps_sqlite_of(store);
    cps_err_t err = s->lockfile == NULL && !s->read_only ? cps_sqlite_lock_begin(s) : CPS_OK;
    if (err == CPS_OK && s->is_older) /* counting on from here would make it look new */
        err = cps_sqlite_elsewhere(s);
    if (err == CPS_OK)
        err = grant_all(s, leases, count, invalidate, all);
    for (size_t i = 0; i < count && err != CPS_OK; i++)
        leases[i].result = err;
    return err;
}

static cps_err_t save_window(cps_sqlite_t *s, const cps_store_closing_t *c, uint64_t place)
{
    sqlite3_stmt *stmt;
    cps_err_t err = cps_sqlite_get(s, CPS_SQL_WINDOW_SAVE, &stmt);
    if (err != CPS_OK)
        return err;
    bind_id(stmt, 1, c->window_id);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)place);
    sqlite3_bind_int64(stmt, 3, c->window_known ? (sqlite3_int64)c->window_next : 0);
    sqlite3_bind_int64(stmt, 4, c->window_known ? (sqlite3_int64)c->window_seen : 0);
    sqlite3_bind_int64(stmt, 5, c->window_known);
    err = cps_sqlite_run(s, stmt);
    return err == CPS_OK && sqlite3_changes(s->db) != 1 ? no_state(s) : err;
}

static cps_err_t save_one(cps_sqlite_t *s, const cps_store_closing_t *c)
{
    uint64_t place;
    cps_err_t err = place_of(s, c->state_id, &place);
    if (err == CPS_OK && !cps_store_bits_has(&s->held, place))
        return not_owned(s);
    if (err == CPS_OK && (c->next > CPS_STORE_NUMBER_MAX || c->window_next > CPS_STORE_NUMBER_MAX))
        return cps_store_fail(CPS_ERR_ARGUMENT, "%s: a number over 2^40 was to be saved", s->path);
    if (err == CPS_OK)
        err = run_with(s, CPS_SQL_STATE_SAVE, place, c->next);
    if (err == CPS_OK && sqlite3_changes(s->db) != 1)
        return cps_store_fail(CPS_ERR_ARGUMENT, "%s: a next number above its ceiling was to be saved", s->path);
    return err == CPS_OK ? save_window(s, c, place) : err;
}

cps_err_t cps_sqlite_save(cps_store_t *store, const cps_store_closing_t *closings, size_t count)
{
    cps_sqlite_t *s = cps_sqlite_of(store);
    cps_err_t err = cps_sqlite_begin(s);
    if (err != CPS_OK)
        return err;
    for (size_t i = 0; i < count && err == CPS_OK; i++)
        err = save_one(s, &closings[i]);
    return cps_sqlite_end(s, err);
}
