// SPDX-License-Identifier: Apache-2.0
/* The keys of the SQLite store: add, look up, rename, remove. */
#include "store/sqlite.h"

/* A value longer than its place is damage, which the sum of the row reports. */
static uint8_t get_raw(sqlite3_stmt *stmt, int col, uint8_t *to, size_t cap)
{
    const void *bytes = sqlite3_column_blob(stmt, col);
    size_t len = (size_t)sqlite3_column_bytes(stmt, col);
    if (len > cap)
        return 0;
    cps_copy(to, bytes, len);
    return (uint8_t)len;
}

static void get_text(sqlite3_stmt *stmt, int col, char *to, size_t max)
{
    uint8_t len = get_raw(stmt, col, (uint8_t *)to, max);
    to[len] = '\0';
}

static void get_bytes(sqlite3_stmt *stmt, int col, cps_store_bytes_t *out)
{
    out->len = get_raw(stmt, col, out->data, sizeof out->data);
}

cps_err_t cps_sqlite_read_key(const cps_sqlite_t *s, sqlite3_stmt *stmt, cps_store_key_t *k)
{
    memset(k, 0, sizeof *k);
    get_text(stmt, CPS_SQLITE_COL_NAME, k->name, CPS_STORE_NAME_MAX);
    if (sqlite3_column_int(stmt, CPS_SQLITE_COL_SOUND) == 0)
        return cps_store_fail(CPS_ERR_STORE_CORRUPT, "%s: key %s is damaged: coapsule store check says where", s->path,
                              k->name);
    get_text(stmt, CPS_SQLITE_COL_PEER, k->peer, CPS_STORE_NAME_MAX);
    get_text(stmt, CPS_SQLITE_COL_PATTERN, k->pattern, CPS_STORE_PATTERN_MAX);
    k->secret_len = get_raw(stmt, CPS_SQLITE_COL_SECRET, k->secret, sizeof k->secret);
    get_bytes(stmt, CPS_SQLITE_COL_SALT, &k->salt);
    get_bytes(stmt, CPS_SQLITE_COL_ID_CONTEXT, &k->id_context);
    k->has_id_context = sqlite3_column_type(stmt, CPS_SQLITE_COL_ID_CONTEXT) != SQLITE_NULL;
    get_bytes(stmt, CPS_SQLITE_COL_SENDER_ID, &k->sender_id);
    get_bytes(stmt, CPS_SQLITE_COL_RECIPIENT_ID, &k->recipient_id);
    k->aead = sqlite3_column_int(stmt, CPS_SQLITE_COL_AEAD);
    k->hash = (uint8_t)sqlite3_column_int(stmt, CPS_SQLITE_COL_HASH);
    k->window = (uint8_t)sqlite3_column_int(stmt, CPS_SQLITE_COL_WINDOW);
    k->retired = sqlite3_column_int(stmt, CPS_SQLITE_COL_RETIRED) != 0;
    int rekeying = sqlite3_column_int(stmt, CPS_SQLITE_COL_REKEYING);
    k->rederivable = (rekeying & CPS_SQLITE_REDERIVABLE) != 0;
    k->rekey = (rekeying & CPS_SQLITE_REKEY) != 0;
    k->derived = (rekeying & CPS_SQLITE_DERIVED) != 0;
    if (get_raw(stmt, CPS_SQLITE_COL_STATE_ID, k->state_id, CPS_STORE_ID_LEN) != CPS_STORE_ID_LEN)
        return cps_sqlite_damaged(s, "states");
    if (get_raw(stmt, CPS_SQLITE_COL_WINDOW_ID, k->window_id, CPS_STORE_ID_LEN) != CPS_STORE_ID_LEN)
        return cps_sqlite_damaged(s, "windows");
    return CPS_OK;
}

int cps_sqlite_rekeying(const cps_store_key_t *k)
{
    return (k->rederivable ? CPS_SQLITE_REDERIVABLE : 0) | (k->rekey ? CPS_SQLITE_REKEY : 0) |
           (k->derived ? CPS_SQLITE_DERIVED : 0);
}

static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
    sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
}

static void bind_bytes(sqlite3_stmt *stmt, int at, const uint8_t *bytes, size_t len)
{
    sqlite3_bind_blob(stmt, at, bytes, (int)len, SQLITE_STATIC);
}

/* Whether a query of one text gives a row. */
static cps_err_t exists(cps_sqlite_t *s, cps_sqlite_stmt_t which, const char *name, bool *found)
{
    sqlite3_stmt *stmt;
    cps_err_t err = cps_sqlite_get(s, which, &stmt);
    if (err != CPS_OK)
        return err;
    bind_text(stmt, 1, name);
    err = cps_sqlite_step(s, stmt, found);
    cps_sqlite_done(stmt);
    return err;
}

static cps_err_t name_taken(const cps_sqlite_t *s, const char *name)
{
    return cps_store_fail(CPS_ERR_EXISTS, "%s: has a key named %s already; choose another name", s->path, name);
}

static cps_err_t no_key(const cps_sqlite_t *s, const char *name)
{
    return cps_store_fail(CPS_ERR_NOT_FOUND, "%s: has no key named %s; coapsule key list shows what there is", s->path,
                          name);
}

/* OPS-8: the same material is not taken twice, whatever it is called. */
static cps_err_t refuse_same_context(cps_sqlite_t *s, const cps_store_key_t *key)
{
    sqlite3_stmt *stmt;
    bool row;
    cps_err_t err = cps_sqlite_get(s, CPS_SQL_CONTEXT_EXISTS, &stmt);
    if (err != CPS_OK)
        return err;
    bind_bytes(stmt, 1, key->window_id, CPS_STORE_ID_LEN);
    err = cps_sqlite_step(s, stmt, &row);
    if (row)
        err = cps_store_fail(CPS_ERR_EXISTS, "%s: has this key already, named %s; its numbers go on there", s->path,
                             (const char *)sqlite3_column_text(stmt, 0));
    cps_sqlite_done(stmt);
    return err;
}

static cps_err_t refuse_fifth(cps_sqlite_t *s, const cps_store_key_t *key)
{
    sqlite3_stmt *stmt;
    bool row;
    cps_err_t err = cps_sqlite_get(s, CPS_SQL_SHARING, &stmt);
    if (err != CPS_OK)
        return err;
    bind_bytes(stmt, 1, key->recipient_id.data, key->recipient_id.len);
    if (key->has_id_context)
        bind_bytes(stmt, 2, key->id_context.data, key->id_context.len);
    err = cps_sqlite_step(s, stmt, &row);
    if (row && sqlite3_column_int64(stmt, 0) >= (sqlite3_int64)CPS_STORE_SHARE_MAX)
        err = cps_store_fail(CPS_ERR_TOO_MANY, "%s: four keys share the Recipient ID and ID Context of %s; remove one",
                             s->path, key->name);
    cps_sqlite_done(stmt);
    return err;
}

static cps_err_t check_new(cps_sqlite_t *s, const cps_store_key_t *key)
{
    bool found = false;
    cps_err_t err = exists(s, CPS_SQL_NAME_EXISTS, key->name, &found);
    if (err == CPS_OK && found)
        err = name_taken(s, key->name);
    if (err == CPS_OK)
        err = refuse_same_context(s, key);
    return err == CPS_OK ? refuse_fifth(s, key) : err;
}

/* State that came with a copy: only a number that is given makes it ours (OPS-9), and no window of it counts. */
static cps_err_t claim_state(cps_sqlite_t *s, const char *name, uint64_t next, uint64_t place)
{
    sqlite3_stmt *stmt;
    if (next == 0)
        return cps_store_fail(CPS_ERR_UNKNOWN_NUMBER,
                              "%s: key %s was used before this copy of the store was made: give the number to go on "
                              "from with --next-sequence N, or use coapsule key rekey",
                              s->path, name);
    cps_err_t err = cps_sqlite_get(s, CPS_SQL_WINDOWS_FORGET, &stmt);
    if (err != CPS_OK)
        return err;
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)place);
    return cps_sqlite_run(s, stmt);
}

/* New state, or the state that the same material left here: never lowered (OPS-8). */
static cps_err_t put_state(cps_sqlite_t *s, const cps_store_key_t *key, uint64_t next, uint64_t *place)
{
    sqlite3_stmt *stmt;
    cps_err_t verdict = CPS_OK;
    cps_sqlite_stmt_t which = CPS_SQL_STATE_RAISE;
    cps_err_t err = cps_sqlite_find_place(s, key->state_id, place, &verdict);
    bool found = *place != 0;
    if (err == CPS_OK && verdict == CPS_ERR_STATE_LOST) {
        which = found ? CPS_SQL_STATE_CLAIM : CPS_SQL_STATE_INSERT;
        verdict = found ? claim_state(s, key->name, next, *place) : CPS_OK;
    }
    if (err == CPS_OK)
        err = verdict;
    if (err == CPS_OK)
        err = cps_sqlite_get(s, which, &stmt);
    if (err != CPS_OK)
        return err;
    if (found)
        sqlite3_bind_int64(stmt, 1, (sqlite3_int64)*place);
    else
        bind_bytes(stmt, 1, key->state_id, CPS_STORE_ID_LEN);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)next);
    err = cps_sqlite_run(s, stmt);
    if (!found)
        *place = (uint64_t)sqlite3_last_insert_rowid(s->db);
    return err;
}

cps_err_t cps_sqlite_find_window(cps_sqlite_t *s, const uint8_t *window_id, uint64_t *out)
{
    sqlite3_stmt *stmt;
    bool row;
    *out = 0;
    cps_err_t err = cps_sqlite_get(s, CPS_SQL_WINDOW_PLACE, &stmt);
    if (err != CPS_OK)
        return err;
    bind_bytes(stmt, 1, window_id, CPS_STORE_ID_LEN);
    err = cps_sqlite_step(s, stmt, &row);
    if (row)
        *out = (uint64_t)sqlite3_column_int64(stmt, 0);
    cps_sqlite_done(stmt);
    return err;
}

static cps_err_t put_window(cps_sqlite_t *s, const cps_store_key_t *key, const cps_store_state_t *given, uint64_t place,
                            uint64_t *window)
{
    sqlite3_stmt *stmt;
    cps_err_t err = cps_sqlite_find_window(s, key->window_id, window);
    if (err == CPS_OK)
        err = cps_sqlite_get(s, *window != 0 ? CPS_SQL_WINDOW_FORGET : CPS_SQL_WINDOW_INSERT, &stmt);
    if (err != CPS_OK)
        return err;
    if (*window != 0) {
        sqlite3_bind_int64(stmt, 1, (sqlite3_int64)*window);
        return cps_sqlite_run(s, stmt);
    }
    bind_bytes(stmt, 1, key->window_id, CPS_STORE_ID_LEN);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)place);
    sqlite3_bind_int64(stmt, 3, given->window_known ? (sqlite3_int64)given->window_next : 0);
    sqlite3_bind_int64(stmt, 4, given->window_known ? (sqlite3_int64)given->window_seen : 0);
    sqlite3_bind_int64(stmt, 5, given->window_known);
    err = cps_sqlite_run(s, stmt);
    *window = (uint64_t)sqlite3_last_insert_rowid(s->db);
    return err;
}

static cps_err_t put_key(cps_sqlite_t *s, const cps_store_key_t *k, uint64_t place, uint64_t window)
{
    sqlite3_stmt *stmt;
    cps_err_t err = cps_sqlite_get(s, CPS_SQL_KEY_INSERT, &stmt);
    if (err != CPS_OK)
        return err;
    bind_text(stmt, 1, k->name);
    bind_text(stmt, 2, k->peer);
    bind_text(stmt, 3, k->pattern);
    bind_bytes(stmt, 4, k->secret, k->secret_len);
    bind_bytes(stmt, 5, k->salt.data, k->salt.len);
    if (k->has_id_context)
        bind_bytes(stmt, 6, k->id_context.data, k->id_context.len);
    bind_bytes(stmt, 7, k->sender_id.data, k->sender_id.len);
    bind_bytes(stmt, 8, k->recipient_id.data, k->recipient_id.len);
    sqlite3_bind_int64(stmt, 9, k->aead);
    sqlite3_bind_int64(stmt, 10, k->hash);
    sqlite3_bind_int64(stmt, 11, k->window);
    sqlite3_bind_int64(stmt, 12, k->retired);
    sqlite3_bind_int64(stmt, 13, (sqlite3_int64)place);
    sqlite3_bind_int64(stmt, 14, (sqlite3_int64)window);
    sqlite3_bind_int64(stmt, 15, cps_sqlite_rekeying(k));
    return cps_sqlite_run(s, stmt);
}

cps_err_t cps_sqlite_key_add(cps_store_t *store, const cps_store_key_t *key, const cps_store_state_t *state)
{
    cps_sqlite_t *s = cps_sqlite_of(store);
    uint64_t place = 0;
    uint64_t window = 0;
    cps_sqlite_mark_t mark = {0, 0};
    cps_err_t err = cps_store_check_key(key, state);
    if (err == CPS_OK && !s->read_only)
        err = cps_sqlite_lock_begin(s); /* it tells a store that is older than what it granted */
    if (err == CPS_OK)
        err = cps_sqlite_begin(s);
    if (err != CPS_OK)
        return err;
    err = check_new(s, key);
    if (err == CPS_OK)
        err = cps_sqlite_home_settle(s, &mark);
    if (err == CPS_OK)
        err = put_state(s, key, state->next, &place);
    if (err == CPS_OK)
        err = put_window(s, key, state, place, &window);
    if (err == CPS_OK)
        err = put_key(s, key, place, window);
    bool was_older = s->is_older;
    err = cps_sqlite_end(s, err);
    if (err == CPS_OK && was_older) {
        s->is_older = false;
        cps_sqlite_home_note(s, &mark);
    }
    return err;
}

cps_err_t cps_sqlite_key_get(cps_store_t *store, const char *name, cps_store_key_t *out)
{
    cps_sqlite_t *s = cps_sqlite_of(store);
    sqlite3_stmt *stmt;
    bool row;
    cps_err_t err = cps_sqlite_get(s, CPS_SQL_KEY_BY_NAME, &stmt);
    if (err != CPS_OK)
        return err;
    bind_text(stmt, 1, name);
    err = cps_sqlite_step(s, stmt, &row);
    if (err != CPS_OK || !row)
        return err != CPS_OK ? err : no_key(s, name);
    err = cps_sqlite_read_key(s, stmt, out);
    cps_sqlite_done(stmt);
    return err;
}

/* A change of one key by name, within a transaction. */
static cps_err_t change(cps_sqlite_t *s, cps_sqlite_stmt_t which, const char *name, const char *new_name)
{
    sqlite3_stmt *stmt;
    cps_err_t err = cps_sqlite_get(s, which, &stmt);
    if (err != CPS_OK)
        return err;
    bind_text(stmt, 1, name);
    if (new_name != NULL)
        bind_text(stmt, 2, new_name);
    err = cps_sqlite_run(s, stmt);
    return err == CPS_OK && sqlite3_changes(s->db) != 1 ? no_key(s, name) : err;
}

cps_err_t cps_sqlite_key_rename(cps_store_t *store, const char *name, const char *new_name)
{
    cps_sqlite_t *s = cps_sqlite_of(store);
    bool taken = false;
    cps_err_t err = cps_store_check_name(new_name);
    if (err == CPS_OK)
        err = cps_sqlite_begin(s);
    if (err != CPS_OK)
        return err;
    if (strcmp(name, new_name) != 0)
        err = exists(s, CPS_SQL_NAME_EXISTS, new_name, &taken);
    if (err == CPS_OK)
        err = taken ? name_taken(s, new_name) : change(s, CPS_SQL_KEY_RENAME, name, new_name);
    return cps_sqlite_end(s, err);
}

cps_err_t cps_sqlite_key_remove(cps_store_t *store, const char *name)
{
    cps_sqlite_t *s = cps_sqlite_of(store);
    cps_err_t err = cps_sqlite_begin(s);
    if (err != CPS_OK)
        return err;
    return cps_sqlite_end(s, change(s, CPS_SQL_KEY_REMOVE, name, NULL));
}

/* The name of the key under a cursor, "" before the first. It is the row's own, which may be damaged where the name in
 * the index, by which keys are listed, is not. */
static cps_err_t name_under(cps_sqlite_t *s, int64_t cursor, char name[CPS_STORE_NAME_MAX + 1])
{
    name[0] = '\0';
    sqlite3_stmt *stmt;
    bool row = true;
    bool sound = true;
    cps_err_t err = cps_sqlite_get(s, CPS_SQL_KEY_NAME, &stmt);
    if (err != CPS_OK || cursor == 0)
        return err;
    sqlite3_bind_int64(stmt, 1, cursor);
    err = cps_sqlite_step(s, stmt, &row);
    if (err == CPS_OK && row) {
        get_text(stmt, 0, name, CPS_STORE_NAME_MAX);
        sound = sqlite3_column_int(stmt, 1) != 0;
    }
    cps_sqlite_done(stmt);
    if (!sound)
        return cps_sqlite_damaged(s, "keys");
    if (err != CPS_OK || row)
        return err;
    return cps_store_fail(CPS_ERR_STALE, "%s: the key under the cursor was removed; start again", s->path);
}

cps_err_t cps_sqlite_key_next(cps_store_t *store, int64_t *cursor, cps_store_key_t *out)
{
    cps_sqlite_t *s = cps_sqlite_of(store);
    sqlite3_stmt *stmt;
    bool row;
    char before[CPS_STORE_NAME_MAX + 1];
    cps_err_t err = name_under(s, *cursor, before);
    if (err == CPS_OK)
        err = cps_sqlite_get(s, CPS_SQL_KEY_AFTER, &stmt);
    if (err != CPS_OK)
        return err;
    sqlite3_bind_int64(stmt, 1, *cursor);
    err = cps_sqlite_step(s, stmt, &row);
    if (err != CPS_OK || !row)
        return err != CPS_OK ? err : cps_store_fail(CPS_ERR_NOT_FOUND, "%s: has no further key", s->path);
    *cursor = sqlite3_column_int64(stmt, CPS_SQLITE_COL_ID);
    err = cps_sqlite_read_key(s, stmt, out);
    cps_sqlite_done(stmt);
    if (err == CPS_OK && strcmp(out->name, before) <= 0)
        err = cps_sqlite_damaged(s, "keys"); /* an index that leads in a circle: a caller would never come to its end */
    return err;
}
