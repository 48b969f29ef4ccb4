// SPDX-License-Identifier: Apache-2.0
/* Many keys at once with their state, as a daemon loads them at its start. */
#include "store/sqlite.h"

#include <stdlib.h>

/* A key of a batch: its row, and what became of its lock. */
typedef struct pick {
    sqlite3_int64 id;
    uint64_t place;
    int64_t owner_pid;
    cps_err_t result;
} pick_t;

typedef struct batch {
    cps_sqlite_t *s;
    int64_t cursor; /* the keys after this one */
    bool own;
    size_t cap;
    size_t count;
    pick_t *picks;
    cps_store_loaded_t *out;
} batch_t;

static cps_err_t pick_keys(batch_t *b)
{
    sqlite3_stmt *stmt;
    bool row = true;
    b->count = 0;
    cps_err_t err = cps_sqlite_get(b->s, CPS_SQL_PLACES_FROM, &stmt);
    if (err != CPS_OK)
        return err;
    sqlite3_bind_int64(stmt, 1, b->cursor);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)b->cap);
    sqlite3_int64 last = b->cursor;
    while ((err = cps_sqlite_step(b->s, stmt, &row)) == CPS_OK && row) {
        pick_t pick = {.id = sqlite3_column_int64(stmt, 0), .place = (uint64_t)sqlite3_column_int64(stmt, 1)};
        if (pick.id <= last) { /* only on a damaged page, and the next call would read this one again */
            cps_sqlite_done(stmt);
            return cps_sqlite_damaged(b->s, "keys");
        }
        last = pick.id;
        b->picks[b->count++] = pick;
    }
    return err;
}

static void give_back(const batch_t *b, size_t count)
{
    for (size_t i = 0; b->own && i < count; i++)
        if (b->picks[i].result == CPS_OK)
            cps_sqlite_unlock_place(b->s, b->picks[i].place);
}

/* What cannot be used is not owned. */
static void give_back_unusable(const batch_t *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->out[i].result != CPS_OK && b->picks[i].result == CPS_OK)
            cps_sqlite_unlock_place(b->s, b->picks[i].place);
}

static cps_err_t own_keys(const batch_t *b)
{
    cps_err_t err = cps_sqlite_lock_begin(b->s);
    if (err != CPS_OK)
        return err;
    for (size_t i = 0; i < b->count; i++) {
        pick_t *pick = &b->picks[i];
        pick->result = cps_sqlite_lock_place(b->s, pick->place, &pick->owner_pid);
        if (pick->result == CPS_OK || pick->result == CPS_ERR_IN_USE || pick->result == CPS_ERR_STORE_CORRUPT)
            continue; /* each key has its own trouble */
        give_back(b, i);
        return pick->result;
    }
    return CPS_OK;
}

static void read_loaded(const batch_t *b, sqlite3_stmt *stmt, const pick_t *pick, cps_store_loaded_t *l)
{
    memset(l, 0, sizeof *l);
    l->result = cps_sqlite_read_key(b->s, stmt, &l->key);
    l->owner_pid = pick->owner_pid;
    if (l->result == CPS_OK)
        l->result = pick->result;
    if (l->result == CPS_OK)
        l->result = cps_sqlite_read_state(b->s, stmt, CPS_SQLITE_COL_STATE, &l->state, &l->ceiling);
}

/* Read what was picked. `*same` is false where another process added or removed keys since. */
static cps_err_t read_keys(const batch_t *b, bool *same)
{
    sqlite3_stmt *stmt;
    bool row = true;
    size_t at = 0;
    cps_err_t err = cps_sqlite_get(b->s, CPS_SQL_KEYS_FROM, &stmt);
    if (err != CPS_OK)
        return err;
    sqlite3_bind_int64(stmt, 1, b->cursor);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)b->count);
    *same = true;
    while (*same && (err = cps_sqlite_step(b->s, stmt, &row)) == CPS_OK && row) {
        const pick_t *pick = &b->picks[at];
        *same = sqlite3_column_int64(stmt, CPS_SQLITE_COL_ID) == pick->id &&
                (uint64_t)sqlite3_column_int64(stmt, CPS_SQLITE_COL_PLACE) == pick->place;
        if (*same)
            read_loaded(b, stmt, pick, &b->out[at++]);
    }
    cps_sqlite_done(stmt);
    *same = *same && at == b->count;
    return err;
}

/* State is read in a snapshot that begins after the locks are held: what was read before could be a number that the
 * last owner went past. */
static cps_err_t load_once(batch_t *b, bool *same)
{
    cps_err_t err = pick_keys(b);
    *same = true;
    if (err != CPS_OK || b->count == 0)
        return err;
    if (b->own && (err = own_keys(b)) != CPS_OK)
        return err;
    err = read_keys(b, same);
    if (err != CPS_OK || !*same)
        give_back(b, b->count);
    else if (b->own)
        give_back_unusable(b);
    return err;
}

cps_err_t cps_sqlite_load(cps_store_t *store, int64_t *cursor, bool own, cps_store_loaded_t *out, size_t cap,
                          size_t *count)
{
    enum { TRIES = 8 }; /* another process would have to add or remove keys in every gap */
    batch_t b = {.s = cps_sqlite_of(store), .cursor = *cursor, .own = own, .cap = cap, .out = out};
    bool same = false;
    cps_err_t err = CPS_OK;
    *count = 0;
    if (cap == 0)
        return cps_store_fail(CPS_ERR_ARGUMENT, "%s: no room was given to load keys", b.s->path);
    b.picks = calloc(cap, sizeof *b.picks);
    if (b.picks == NULL)
        return cps_store_fail(CPS_ERR_MEMORY, "%s: no memory to load keys", b.s->path);
    for (int i = 0; i < TRIES && err == CPS_OK && !same; i++)
        err = load_once(&b, &same);
    if (err == CPS_OK && !same)
        err = cps_store_fail(CPS_ERR_STORE, "%s: keys are being added or removed all the time: try again", b.s->path);
    if (err == CPS_OK && b.count != 0) {
        *count = b.count;
        *cursor = b.picks[b.count - 1].id;
    }
    free(b.picks);
    return err;
}
