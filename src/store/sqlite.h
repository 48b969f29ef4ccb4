// SPDX-License-Identifier: Apache-2.0
/* Inside of the SQLite store: one file each for the file system, opening and schema, statements, keys, sequence state,
 * and the check. docs/adr/0002-sqlite-store.md says why it is built so. */
#ifndef CPS_STORE_SQLITE_H
#define CPS_STORE_SQLITE_H

#include <sqlite3.h>

#include "store/common.h"
#include "store/lock.h"

#define CPS_SQLITE_FORMAT         1          /* user_version */
#define CPS_SQLITE_APPLICATION_ID 0x636f6170 /* "coap" */
#define CPS_SQLITE_BUSY_MS        5000       /* how long a write waits for another process's */

/* Every row ends in a sum over its other columns: SQLite alone does not see a flipped bit in a value, and a ceiling
 * that fell by one would be a nonce used twice. It tells damage, not an attacker, who could write the file anyway. */
#define CPS_SQL_STATE_SUM  "row_sum(s.id, s.state_id, s.ceiling, s.next, s.saved)"
#define CPS_SQL_WINDOW_SUM "row_sum(w.id, w.window_id, w.state, w.next, w.seen, w.saved)"
#define CPS_SQL_KEY_SUM                                                                                                \
    "row_sum(k.id, k.name, k.peer, k.pattern, k.secret, k.salt, k.id_context, k.sender_id, k.recipient_id, k.aead, "   \
    "k.hash, k.window_size, k.retired, k.state, k.window)"

/** The statements, each prepared at its first use (sqlite_stmt.c has their text). */
typedef enum cps_sqlite_stmt {
    CPS_SQL_BEGIN_WRITE,
    CPS_SQL_COMMIT,
    CPS_SQL_ROLLBACK,
    CPS_SQL_KEY_BY_NAME,
    CPS_SQL_KEY_AFTER,
    CPS_SQL_KEYS_FROM,
    CPS_SQL_PLACES_FROM,
    CPS_SQL_KEY_EXISTS,
    CPS_SQL_NAME_EXISTS,
    CPS_SQL_CONTEXT_EXISTS,
    CPS_SQL_SHARING,
    CPS_SQL_KEY_INSERT,
    CPS_SQL_KEY_RENAME,
    CPS_SQL_KEY_REMOVE,
    CPS_SQL_STATE_PLACE,
    CPS_SQL_STATE_GET,
    CPS_SQL_STATE_INSERT,
    CPS_SQL_STATE_RAISE,
    CPS_SQL_STATE_LEASE,
    CPS_SQL_STATE_SAVE,
    CPS_SQL_WINDOW_INSERT,
    CPS_SQL_WINDOW_PLACE,
    CPS_SQL_WINDOW_FORGET,
    CPS_SQL_WINDOWS_FORGET,
    CPS_SQL_WINDOW_SAVE,
    CPS_SQL_EPOCH_NEXT,
    CPS_SQL_COUNT
} cps_sqlite_stmt_t;

typedef struct cps_sqlite {
    cps_store_t base;
    sqlite3 *db;
    char *path;      /* absolute, links resolved */
    char *lock_path; /* the side file of the owner locks */
    bool read_only;
    cps_store_lockfile_t *lockfile; /* NULL before the first lock */
    cps_store_bits_t held;          /* places locked by this store object */
    sqlite3_stmt *stmts[CPS_SQL_COUNT];
} cps_sqlite_t;

/** A store of the table as what it is here. */
static inline cps_sqlite_t *cps_sqlite_of(cps_store_t *s) { return (cps_sqlite_t *)s; }

/* sqlite_file.c: what the file system has to say before SQLite opens anything. */

/** Make folder and file as asked by `create`; then the real path in `*real` (free it). CPS_ERR_NOT_FOUND. */
CPS_MUST_USE cps_err_t cps_sqlite_file_find(const char *path, bool create, char **real);

/** Refuse what others can read: CPS_ERR_EXPOSED_SECRET for the file, its -wal, -shm, -journal and .lock. */
CPS_MUST_USE cps_err_t cps_sqlite_file_guard(const char *real);

/** Look at the first bytes through `vfs` and change nothing: CPS_ERR_STORE_FORMAT for a newer store,
 * CPS_ERR_STORE_CORRUPT for what is none. CPS_OK and `*empty` for a file without bytes. */
CPS_MUST_USE cps_err_t cps_sqlite_file_peek(const char *real, const char *vfs, bool *empty);

/** Whether application id and format are ours: CPS_OK, CPS_ERR_STORE_FORMAT, CPS_ERR_STORE_CORRUPT. */
CPS_MUST_USE cps_err_t cps_sqlite_check_format(const char *real, int64_t application_id, int64_t format);

/** Two texts put together on the heap; NULL without memory. */
char *cps_sqlite_join(const char *a, const char *b);

/* sqlite_stmt.c: statements and what SQLite's errors mean. */

/** The error of the last SQLite call on `db`, with its sentence. */
cps_err_t cps_sqlite_error(sqlite3 *db, const char *path, int rc);

/** Add the SQL function row_sum(...): a sum over its arguments that tells a damaged row. */
CPS_MUST_USE cps_err_t cps_sqlite_add_functions(sqlite3 *db, const char *path);

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

/* sqlite_state.c */

/** State from ten columns of a row, from `at` on: ceiling, next, saved and sum of the state; next, seen, saved and sum
 * of the window; epoch and its sum. CPS_ERR_STORE_CORRUPT where a sum does not fit. */
CPS_MUST_USE cps_err_t cps_sqlite_read_state(const cps_sqlite_t *s, sqlite3_stmt *stmt, int at, cps_store_state_t *out,
                                             uint64_t *ceiling);

/** Have the lock file open, and see that it is still the one at its path. */
CPS_MUST_USE cps_err_t cps_sqlite_lock_begin(cps_sqlite_t *s);

/** Lock a place, after cps_sqlite_lock_begin. */
CPS_MUST_USE cps_err_t cps_sqlite_lock_place(cps_sqlite_t *s, uint64_t place, int64_t *owner_pid);

/** Give up a place; nothing happens where this store does not hold it. */
void cps_sqlite_unlock_place(cps_sqlite_t *s, uint64_t place);

/** Where a state stands: its row, which is also its place in the lock file. `*verdict` is what concerns this state
 * alone: CPS_OK, CPS_ERR_STATE_LOST, or CPS_ERR_STORE_CORRUPT for its row. What is returned concerns the store. */
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
    CPS_SQLITE_COL_STATE_ID,
    CPS_SQLITE_COL_WINDOW_ID,
    CPS_SQLITE_COL_SOUND,
    CPS_SQLITE_COL_STATE /**< the first of the ten of cps_sqlite_read_state */
};

/* sqlite_key.c */

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

/* sqlite_load.c */
/** `load` of cps_store_table_t. */
cps_err_t cps_sqlite_load(cps_store_t *s, int64_t *cursor, bool own, cps_store_loaded_t *out, size_t cap,
                          size_t *count);

/* sqlite.c */

#define CPS_SQLITE_SCHEMA_COUNT 6 /* statements that make format 1 */
/** Whether what SQLite sees (the -wal counts) is our format, or nothing at all yet (`*fresh`). Errors as
 * cps_sqlite_check_format. */
CPS_MUST_USE cps_err_t cps_sqlite_look(const cps_sqlite_t *s, bool *fresh);

extern const char *const cps_sqlite_schema[CPS_SQLITE_SCHEMA_COUNT];

#endif /* CPS_STORE_SQLITE_H */
