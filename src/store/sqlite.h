// SPDX-License-Identifier: Apache-2.0
/* Inside of the SQLite store: one file each for the file system, opening and schema, upgrades, statements, keys, sequence
 * state, where the store lies, and the check. docs/adr/0002-sqlite-store.md says why it is built so. */
#ifndef CPS_STORE_SQLITE_H
#define CPS_STORE_SQLITE_H

#include <sqlite3.h>

#include "store/common.h"
#include "store/lock.h"

#define CPS_SQLITE_FORMAT         3          /* user_version */
#define CPS_SQLITE_APPLICATION_ID 0x636f6170 /* "coap" */
#define CPS_SQLITE_BUSY_MS        5000       /* how long a write waits for another process's */
#define CPS_SQLITE_PLACE_MAX      (1U << 28) /* states; a damaged number above must not cost the memory to lock it */

/* Every row ends in a sum over its other columns: SQLite alone does not see a flipped bit in a value, and a ceiling
 * that fell by one would be a nonce used twice. It tells damage, not an attacker, who could write the file anyway. */
#define CPS_SQL_STATE_SUM  "row_sum(s.id, s.state_id, s.ceiling, s.next, s.saved, s.home)"
#define CPS_SQL_WINDOW_SUM "row_sum(w.id, w.window_id, w.state, w.next, w.seen, w.saved)"
#define CPS_SQL_STORE_SUM  "row_sum(e.id, e.epoch, e.commits, e.instance)"
#define CPS_SQL_KEY_SUM                                                                                                \
    "row_sum(k.id, k.name, k.peer, k.pattern, k.secret, k.salt, k.id_context, k.sender_id, k.recipient_id, k.aead, "   \
    "k.hash, k.window_size, k.retired, k.state, k.window, k.rekeying)"

/** The statements, each prepared at its first use (sqlite_stmt.c has their text). */
typedef enum cps_sqlite_stmt {
    CPS_SQL_BEGIN_WRITE,
    CPS_SQL_COMMIT,
    CPS_SQL_ROLLBACK,
    CPS_SQL_KEY_BY_NAME,
    CPS_SQL_KEY_AFTER,
    CPS_SQL_KEYS_FROM,
    CPS_SQL_PLACES_FROM,
    CPS_SQL_KEY_NAME,
    CPS_SQL_NAME_EXISTS,
    CPS_SQL_CONTEXT_EXISTS,
    CPS_SQL_SHARING,
    CPS_SQL_KEY_INSERT,
    CPS_SQL_KEY_RENAME,
    CPS_SQL_KEY_REMOVE,
    CPS_SQL_KEY_BY_WINDOW,
    CPS_SQL_KEY_MARK,
    CPS_SQL_KEY_RETIRE,
    CPS_SQL_KEY_RENEW,
    CPS_SQL_STATE_RENEW,
    CPS_SQL_WINDOW_RENEW,
    CPS_SQL_STATE_PLACE,
    CPS_SQL_STATE_GET,
    CPS_SQL_STATE_INSERT,
    CPS_SQL_STATE_RAISE,
    CPS_SQL_STATE_CLAIM,
    CPS_SQL_STATE_LEASE,
    CPS_SQL_STATE_SAVE,
    CPS_SQL_WINDOW_INSERT,
    CPS_SQL_WINDOW_PLACE,
    CPS_SQL_WINDOW_FORGET,
    CPS_SQL_WINDOWS_FORGET,
    CPS_SQL_WINDOW_SAVE,
    CPS_SQL_STORE_GET,
    CPS_SQL_STORE_COUNT,
    CPS_SQL_STORE_RAISE,
    CPS_SQL_STATES_FORGET,
    CPS_SQL_STATES_ADOPT,
    CPS_SQL_COUNT
} cps_sqlite_stmt_t;

/* Where a file lies, as numbers that a copy of it does not have (docs/adr/0005-copies.md). */
typedef struct cps_sqlite_home {
    int64_t bind;      /* what new sequence state is bound to */
    int64_t accept[2]; /* state bound to one of these is at home here */
} cps_sqlite_home_t;

/* Which store this is, and how many leases it has granted. */
typedef struct cps_sqlite_mark {
    int64_t instance;
    int64_t commits;
} cps_sqlite_mark_t;

typedef struct cps_sqlite {
    cps_store_t base;
    sqlite3 *db;
    char *path;      /* absolute, links resolved */
    char *lock_path; /* the side file of the owner locks */
    bool read_only;
    int64_t format; /* as it was found; 0: there was nothing yet */
    cps_sqlite_home_t home;
    bool is_older;                  /* leases were granted here that this file knows nothing of */
    cps_sqlite_mark_t beside;       /* what the lock file says, where it speaks of this store */
    cps_store_lockfile_t *lockfile; /* NULL before the first lock */
    cps_store_bits_t held;          /* places locked by this store object */
    sqlite3_stmt *stmts[CPS_SQL_COUNT];
} cps_sqlite_t;

/** A store of the table as what it is here. */
static inline cps_sqlite_t *cps_sqlite_of(cps_store_t *s) { return (cps_sqlite_t *)s; }

/* sqlite_file.c: what the file system has to say before SQLite opens anything. */

/** Make folder and file as asked by `create`; then the real path in `*real` (free it). CPS_ERR_NOT_FOUND. */
CPS_MUST_USE cps_err_t cps_sqlite_file_find(const char *path, bool create, char **real);

/** Make an empty file with mode 0600, and sync it and its folder; one that is there is left. */
CPS_MUST_USE cps_err_t cps_sqlite_file_make(const char *path);

/** Refuse what others can read: CPS_ERR_EXPOSED_SECRET for the file, its -wal, -shm, -journal and .lock. */
CPS_MUST_USE cps_err_t cps_sqlite_file_guard(const char *real);

/** Look at the first bytes through `vfs` and change nothing: CPS_ERR_STORE_FORMAT for a newer store,
 * CPS_ERR_STORE_CORRUPT for what is none. CPS_OK and `*empty` for a file without bytes. */
CPS_MUST_USE cps_err_t cps_sqlite_file_peek(const char *real, const char *vfs, bool *empty);

/** Whether application id and format are ours, older formats included: CPS_OK, CPS_ERR_STORE_FORMAT,
 * CPS_ERR_STORE_CORRUPT. */
CPS_MUST_USE cps_err_t cps_sqlite_check_format(const char *real, int64_t application_id, int64_t format);

/** Two texts put together on the heap; NULL without memory. */
char *cps_sqlite_join(const char *a, const char *b);

/* sqlite_stmt.c: statements and what SQLite's errors mean. */

/** The error of the last SQLite call on `db`, with its sentence. */
cps_err_t cps_sqlite_error(sqlite3 *db, const char *path, int rc);

/** Add the SQL functions row_sum(...), a sum over its arguments that tells a damaged row; here(), what new state is bound
 * to; and is_here(home). `s` has to outlive its database. */
CPS_MUST_USE cps_err_t cps_sqlite_add_functions(const cps_sqlite_t *s);

/** Run statements that give nothing. */
CPS_MUST_USE cps_err_t cps_sqlite_exec(const cps_sqlite_t *s, const char *text);

/** A statement, prepared and without bindings. */
CPS_MUST_USE cps_err_t cps_sqlite_get(cps_sqlite_t *s, cps_sqlite_stmt_t which, sqlite3_stmt **out);

/** One step: `*row` says whether it gave a row. After the last row, or an error, the statement is reset and its
 * bindings (secrets among them) are dropped. */
CPS_MUST_USE cps_err_t cps_sqlite_step(cps_sqlite_t *s, sqlite3_stmt *stmt, bool *row);

/** Step a statement that gives no row to its end. */
CPS_MUST_USE cps_err_t cps_sqlite_run(cps_sqlite_t *s, sqlite3_stmt *stmt);

/** Reset a statement that was not stepped to its end. */
void cps_sqlite_done(sqlite3_stmt *stmt);

/** Begin a transaction that writes; CPS_ERR_STORE where the file was moved or removed under us. */
CPS_MUST_USE cps_err_t cps_sqlite_begin(cps_sqlite_t *s);

/** Commit where `err` is CPS_OK, else roll back. Gives `err`, or why the commit failed. */
CPS_MUST_USE cps_err_t cps_sqlite_end(cps_sqlite_t *s, cps_err_t err);

/** CPS_ERR_STORE_CORRUPT: a row of that table does not fit its sum. */
cps_err_t cps_sqlite_damaged(const cps_sqlite_t *s, const char *table);

/* sqlite_home.c: whether a file is the one that its state was made in, and as new as what was granted. */

/** Tell where the file of an open database lies. Where the file system says nothing that a copy has not as well, nothing
 * is told apart. */
void cps_sqlite_home_find(cps_sqlite_t *s);

/** With the lock file open for the first time: compare it with what the store says of itself. */
CPS_MUST_USE cps_err_t cps_sqlite_home_compare(cps_sqlite_t *s);

/** Count a lease, within its transaction: so each writes, and overwrites what a failed commit may have left in the -wal.
 * With `all` what is saved in the whole store is used up. The new count in `*mark`. */
CPS_MUST_USE cps_err_t cps_sqlite_home_count(cps_sqlite_t *s, bool all, cps_sqlite_mark_t *mark);

/** Say beside the store, after its commit, how far it went. */
void cps_sqlite_home_note(cps_sqlite_t *s, const cps_sqlite_mark_t *mark);

/** Before new state is made, within its transaction: where the store is older than what was granted, the state that it
 * holds is of nowhere for good, and it counts as new from here on. `*mark` as cps_sqlite_home_count, or no count. */
CPS_MUST_USE cps_err_t cps_sqlite_home_settle(cps_sqlite_t *s, cps_sqlite_mark_t *mark);

/** CPS_ERR_STATE_LOST, for state that is not at home here. */
cps_err_t cps_sqlite_elsewhere(const cps_sqlite_t *s);

/* sqlite_state.c */

/** State from eleven columns of a row, from `at` on: ceiling, next, saved and sum of the state; next, seen, saved and
 * sum of the window; epoch and its sum; whether it is at home here. CPS_ERR_STORE_CORRUPT where a sum does not fit,
 * CPS_ERR_STATE_LOST where it is not. */
CPS_MUST_USE cps_err_t cps_sqlite_read_state(const cps_sqlite_t *s, sqlite3_stmt *stmt, int at, cps_store_state_t *out,
                                             uint64_t *ceiling);

/** Have the lock file open, and see that it is still the one at its path. */
CPS_MUST_USE cps_err_t cps_sqlite_lock_begin(cps_sqlite_t *s);

/** Lock a place, after cps_sqlite_lock_begin. CPS_ERR_STORE_CORRUPT for one that no state has. */
CPS_MUST_USE cps_err_t cps_sqlite_lock_place(cps_sqlite_t *s, uint64_t place, int64_t *owner_pid);

/** Give up a place; nothing happens where this store does not hold it. */
void cps_sqlite_unlock_place(cps_sqlite_t *s, uint64_t place);

/** Where a state stands: its row, which is also its place in the lock file; 0 for none. `*verdict` is what concerns this
 * state alone: CPS_OK, CPS_ERR_STATE_LOST (with a place: it is not at home here), or CPS_ERR_STORE_CORRUPT for its row.
 * What is returned concerns the store. */
CPS_MUST_USE cps_err_t cps_sqlite_find_place(cps_sqlite_t *s, const uint8_t *state_id, uint64_t *place,
                                             cps_err_t *verdict);

/** `state_get` of cps_store_table_t. */
cps_err_t cps_sqlite_state_get(cps_store_t *s, const cps_store_key_t *key, cps_store_state_t *out, uint64_t *ceiling);
/** `lease` of cps_store_table_t. */
cps_err_t cps_sqlite_lease(cps_store_t *s, cps_store_lease_t *leases, size_t count, bool invalidate, bool all);
/** `save` of cps_store_table_t. */
cps_err_t cps_sqlite_save(cps_store_t *s, const cps_store_closing_t *closings, size_t count);
/** `lock` of cps_store_table_t. */
cps_err_t cps_sqlite_lock(cps_store_t *s, const cps_store_key_t *key, int64_t *owner_pid);
/** `unlock` of cps_store_table_t. */
void cps_sqlite_unlock(cps_store_t *s, const cps_store_key_t *key);

/** Columns of a row with a key and its state, in the order of KEY_COLUMNS and STATE_COLUMNS in sqlite_stmt.c. */
enum {
    CPS_SQLITE_COL_ID,
    CPS_SQLITE_COL_PLACE,
    CPS_SQLITE_COL_NAME,
    CPS_SQLITE_COL_PEER,
    CPS_SQLITE_COL_PATTERN,
    CPS_SQLITE_COL_SECRET,
    CPS_SQLITE_COL_SALT,
    CPS_SQLITE_COL_ID_CONTEXT,
    CPS_SQLITE_COL_SENDER_ID,
    CPS_SQLITE_COL_RECIPIENT_ID,
    CPS_SQLITE_COL_AEAD,
    CPS_SQLITE_COL_HASH,
    CPS_SQLITE_COL_WINDOW,
    CPS_SQLITE_COL_RETIRED,
    CPS_SQLITE_COL_REKEYING,
    CPS_SQLITE_COL_STATE_ID,
    CPS_SQLITE_COL_WINDOW_ID,
    CPS_SQLITE_COL_SOUND,
    CPS_SQLITE_COL_STATE /**< the first of the eleven of cps_sqlite_read_state */
};

/* sqlite_key.c */

/** Bits of the column `rekeying`. */
enum { CPS_SQLITE_REDERIVABLE = 1, CPS_SQLITE_REKEY = 2, CPS_SQLITE_DERIVED = 4 };

/** What stands in that column for a key. */
int cps_sqlite_rekeying(const cps_store_key_t *k);

/** The row of a window; 0 for none. */
CPS_MUST_USE cps_err_t cps_sqlite_find_window(cps_sqlite_t *s, const uint8_t *window_id, uint64_t *out);

/** The key of a row. CPS_ERR_STORE_CORRUPT, and nothing but the name given, where its sum does not fit. */
CPS_MUST_USE cps_err_t cps_sqlite_read_key(const cps_sqlite_t *s, sqlite3_stmt *stmt, cps_store_key_t *k);

/** `key_add` of cps_store_table_t. */
cps_err_t cps_sqlite_key_add(cps_store_t *s, const cps_store_key_t *key, const cps_store_state_t *state);
/** `key_get` of cps_store_table_t. */
cps_err_t cps_sqlite_key_get(cps_store_t *s, const char *name, cps_store_key_t *out);
/** `key_rename` of cps_store_table_t. */
cps_err_t cps_sqlite_key_rename(cps_store_t *s, const char *name, const char *new_name);
/** `key_remove` of cps_store_table_t. */
cps_err_t cps_sqlite_key_remove(cps_store_t *s, const char *name);
/** `key_next` of cps_store_table_t. */
cps_err_t cps_sqlite_key_next(cps_store_t *s, int64_t *cursor, cps_store_key_t *out);

/* sqlite_renew.c */
/** `key_mark` of cps_store_table_t. */
cps_err_t cps_sqlite_key_mark(cps_store_t *s, const cps_store_key_t *key);
/** `key_retire` of cps_store_table_t. */
cps_err_t cps_sqlite_key_retire(cps_store_t *s, const cps_store_key_t *key, bool retired);
/** `key_renew` of cps_store_table_t. */
cps_err_t cps_sqlite_key_renew(cps_store_t *s, const cps_store_renewal_t *renewal);

/* sqlite_load.c */
/** `load` of cps_store_table_t. */
cps_err_t cps_sqlite_load(cps_store_t *s, int64_t *cursor, bool own, cps_store_loaded_t *out, size_t cap,
                          size_t *count);

/* sqlite_check.c */
/** Run every rule of cps_store_check on an open database: CPS_OK, or CPS_ERR_STORE_CORRUPT after calls of `say`. */
CPS_MUST_USE cps_err_t cps_sqlite_inspect(const cps_sqlite_t *s, cps_store_finding_fn say, void *user);

/* sqlite.c */

#define CPS_SQLITE_SCHEMA_COUNT 6 /* statements that make the format */
/** Which format SQLite sees (the -wal counts); 0 for nothing at all yet. Errors as cps_sqlite_check_format. */
CPS_MUST_USE cps_err_t cps_sqlite_look(const cps_sqlite_t *s, int64_t *format);

/** Settings of every connection of ours, and the functions. */
CPS_MUST_USE cps_err_t cps_sqlite_configure(const cps_sqlite_t *s);

/* sqlite_upgrade.c */

/** Bring an older format to ours: alone, after a backup beside the store, in one transaction. CPS_ERR_IN_USE while
 * another process owns a context of it. */
CPS_MUST_USE cps_err_t cps_sqlite_upgrade(cps_sqlite_t *s, const char *vfs);

/** Copy everything but sequence state to `to`, an empty file of ours: what is in it does not send. One transaction. */
CPS_MUST_USE cps_err_t cps_sqlite_backup(const cps_sqlite_t *s, const char *vfs, const char *to);

extern const char *const cps_sqlite_schema[CPS_SQLITE_SCHEMA_COUNT];

#endif /* CPS_STORE_SQLITE_H */
