// SPDX-License-Identifier: Apache-2.0
/* Older formats: what brings each to the next one, and the backup that is made before. And the backup for its own sake. */
#include "store/sqlite.h"

#include <stdio.h>
#include <stdlib.h>

/* One format to the next. Each statement leaves a damaged row damaged: a sum is renewed only where it was right. */
typedef struct upgrade {
    const char *texts[8]; /* what makes the next format of it, up to NULL */
    const char *mute;     /* what keeps a copy in this format from sending, whichever version opens it */
} upgrade_t;

#define OLD_STATE_SUM "row_sum(id, state_id, ceiling, next, saved)" /* of format 1 */

#define OLD_KEY_COLUMNS                                                                                                \
    "id, name, peer, pattern, secret, salt, id_context, sender_id, recipient_id, aead, hash, window_size, retired, "   \
    "state, window" /* of formats 1 and 2 */
#define MUTE_STATES                                                                                                    \
    "UPDATE states AS s SET next = 0, saved = 0, home = NULL, "                                                        \
    "sum = row_sum(s.id, s.state_id, s.ceiling, 0, 0, NULL) WHERE s.sum IS " CPS_SQL_STATE_SUM

static const upgrade_t upgrades[CPS_SQLITE_FORMAT + 1] = {
    /* Format 1 binds state to no file. So a copy in it is given the one number that no version sends under, and an upgrade of
     * such a copy has it at home nowhere. */
    [1] = {.texts = {"ALTER TABLE store ADD COLUMN commits INTEGER NOT NULL DEFAULT 0",
                     "ALTER TABLE store ADD COLUMN instance INTEGER NOT NULL DEFAULT 0",
                     "UPDATE store SET instance = random() WHERE sum IS row_sum(id, epoch)",
                     "UPDATE store SET sum = row_sum(id, epoch, commits, instance) WHERE sum IS row_sum(id, epoch)",
                     "ALTER TABLE states ADD COLUMN home INTEGER",
                     "UPDATE states SET home = here() WHERE ceiling < 1099511627776",
                     ("UPDATE states SET sum = row_sum(id, state_id, ceiling, next, saved, home) "
                      "WHERE sum IS " OLD_STATE_SUM)},
           .mute = "UPDATE states SET ceiling = 1099511627776, next = 0, saved = 0, "
                   "sum = row_sum(id, state_id, 1099511627776, 0, 0) WHERE sum IS " OLD_STATE_SUM},
    /* Format 3 says of a key whether it may be derived anew; none may that was made before. */
    [2] = {.texts = {"ALTER TABLE keys ADD COLUMN rekeying INTEGER NOT NULL DEFAULT 0",
                     "UPDATE keys SET sum = row_sum(" OLD_KEY_COLUMNS ", 0) WHERE sum IS row_sum(" OLD_KEY_COLUMNS ")"},
           .mute = MUTE_STATES},
    [3] = {.mute = MUTE_STATES},
};

#define MUTE_WINDOWS                                                                                                   \
    "UPDATE windows AS w SET next = 0, seen = 0, saved = 0, sum = row_sum(w.id, w.window_id, w.state, 0, 0, 0) "       \
    "WHERE w.sum IS " CPS_SQL_WINDOW_SUM

/* ---- the backup ---- */

/* Run a text once for each row of a query on what is copied: its first column stands in the text for %w. */
static cps_err_t for_each(const cps_sqlite_t *to, const char *query, const char *text)
{
    sqlite3_stmt *stmt = NULL;
    cps_err_t err = CPS_OK;
    int rc = sqlite3_prepare_v2(to->db, query, -1, &stmt, NULL);
    while (rc == SQLITE_OK && err == CPS_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *value = (const char *)sqlite3_column_text(stmt, 0);
        char *one = sqlite3_mprintf(text, value, value);
        err = one != NULL ? cps_sqlite_exec(to, one) : cps_store_fail(CPS_ERR_MEMORY, "no memory to copy a store");
        sqlite3_free(one);
        rc = SQLITE_OK;
    }
    if (err == CPS_OK && rc != SQLITE_DONE)
        err = cps_sqlite_error(to->db, to->path, sqlite3_extended_errcode(to->db));
    sqlite3_finalize(stmt);
    return err;
}

#define OLD_TABLES "FROM old.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid"

static cps_err_t copy_rows(const cps_sqlite_t *to, int64_t format)
{
    char numbers[128];
    sqlite3_snprintf((int)sizeof numbers, numbers, "PRAGMA application_id = %d; PRAGMA user_version = %lld",
                     CPS_SQLITE_APPLICATION_ID, (long long)format);
    cps_err_t err = for_each(to, "SELECT sql " OLD_TABLES, "%s");
    if (err == CPS_OK)
        err = for_each(to, "SELECT name " OLD_TABLES, "INSERT INTO main.\"%w\" SELECT * FROM old.\"%w\"");
    if (err == CPS_OK)
        err = for_each(to, "SELECT sql FROM old.sqlite_schema WHERE type = 'index' AND sql IS NOT NULL", "%s");
    if (err == CPS_OK)
        err = cps_sqlite_exec(to, upgrades[format].mute);
    if (err == CPS_OK)
        err = cps_sqlite_exec(to, MUTE_WINDOWS);
    return err == CPS_OK ? cps_sqlite_exec(to, numbers) : err;
}

static cps_err_t attach_old(const cps_sqlite_t *to, const char *path)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(to->db, "ATTACH ?1 AS old", -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(stmt, 1, path, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? CPS_OK : cps_sqlite_error(to->db, to->path, sqlite3_extended_errcode(to->db));
}

/* One transaction: the copy is empty, or it is whole and does not send. */
static cps_err_t fill(cps_sqlite_t *to, const char *vfs, const cps_sqlite_t *from)
{
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_READWRITE;
    int rc = sqlite3_open_v2(to->path, &to->db, flags, vfs);
    cps_err_t err = rc == SQLITE_OK ? cps_sqlite_configure(to) : cps_sqlite_error(to->db, to->path, rc);
    if (err == CPS_OK)
        err = cps_sqlite_exec(to, "PRAGMA synchronous = EXTRA; PRAGMA fullfsync = ON; PRAGMA foreign_keys = OFF");
    if (err == CPS_OK)
        err = attach_old(to, from->path);
    if (err == CPS_OK)
        err = cps_sqlite_exec(to, "BEGIN IMMEDIATE");
    if (err == CPS_OK)
        err = copy_rows(to, from->format);
    return err == CPS_OK ? cps_sqlite_exec(to, "COMMIT") : err;
}

cps_err_t cps_sqlite_backup(const cps_sqlite_t *s, const char *vfs, const char *to)
{
    char *path = strdup(to);
    if (path == NULL)
        return cps_store_fail(CPS_ERR_MEMORY, "no memory to copy a store");
    cps_sqlite_t copy = {.path = path, .home = s->home};
    cps_err_t err = cps_sqlite_file_make(path);
    if (err == CPS_OK)
        err = fill(&copy, vfs, s);
    sqlite3_close(copy.db); /* what is not committed is gone */
    free(path);
    return err;
}

/* Remove a file by the VFS that would see it. */
static cps_err_t remove_file(const char *path, const char *vfs_name)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(vfs_name);
    int rc = vfs != NULL ? vfs->xDelete(vfs, path, 1) : SQLITE_OK;
    if (rc == SQLITE_OK || rc == SQLITE_IOERR_DELETE_NOENT)
        return CPS_OK;
    return cps_store_fail(CPS_ERR_STORE, "%s: cannot be removed: make its folder writable for this user", path);
}

/* And the journal of a copy that was cut short: SQLite would roll it back into the next one. */
static cps_err_t remove_copy(const char *path, const char *vfs)
{
    char *journal = cps_sqlite_join(path, "-journal");
    if (journal == NULL)
        return cps_store_fail(CPS_ERR_MEMORY, "no memory for a path");
    cps_err_t err = remove_file(path, vfs);
    if (err == CPS_OK)
        err = remove_file(journal, vfs);
    free(journal);
    return err;
}

cps_err_t cps_store_backup(const char *path, const char *to)
{
    cps_store_t *store;
    char *there = NULL;
    cps_store_options_t options = {.path = path, .read_only = true};
    cps_err_t err = cps_sqlite_file_find(to, false, &there);
    free(there);
    if (err != CPS_ERR_NOT_FOUND)
        return err != CPS_OK ? err : cps_store_fail(CPS_ERR_EXISTS, "%s: is there already; name another file", to);
    err = cps_store_sqlite_open(&store, &options);
    if (err != CPS_OK)
        return err;
    err = cps_sqlite_backup(cps_sqlite_of(store), NULL, to);
    store->table->close(store);
    if (err == CPS_OK)
        return CPS_OK;
    char sentence[512]; /* of what went wrong; removing may leave another */
    snprintf(sentence, sizeof sentence, "%s", cps_store_detail());
    (void)remove_copy(to, NULL);
    return cps_store_fail(err, "%s", sentence);
}

/* ---- the upgrade ---- */

static cps_err_t make_backup(const cps_sqlite_t *s, const char *vfs)
{
    char suffix[32];
    snprintf(suffix, sizeof suffix, ".format-%lld.backup", (long long)s->format);
    char *to = cps_sqlite_join(s->path, suffix);
    if (to == NULL)
        return cps_store_fail(CPS_ERR_MEMORY, "no memory for a path");
    cps_err_t err = remove_copy(to, vfs);
    if (err == CPS_OK)
        err = cps_sqlite_backup(s, vfs, to);
    free(to);
    return err;
}

static cps_err_t step_once(const cps_sqlite_t *s, int64_t format)
{
    char number[64];
    const char *const *text = upgrades[format].texts;
    cps_err_t err = CPS_OK;
    for (; err == CPS_OK && *text != NULL; text++)
        err = cps_sqlite_exec(s, *text);
    sqlite3_snprintf((int)sizeof number, number, "PRAGMA user_version = %lld", (long long)format + 1);
    return err == CPS_OK ? cps_sqlite_exec(s, number) : err;
}

/* All steps are one transaction: a cut leaves the old format or the new one (OPS-28). */
static cps_err_t step_up(const cps_sqlite_t *s)
{
    int64_t format = 0;
    cps_err_t err = cps_sqlite_exec(s, "BEGIN IMMEDIATE");
    if (err != CPS_OK)
        return err;
    err = cps_sqlite_look(s, &format); /* another process may have been first */
    for (; err == CPS_OK && format < CPS_SQLITE_FORMAT; format++)
        err = step_once(s, format);
    if (err == CPS_OK)
        err = cps_sqlite_exec(s, "COMMIT");
    if (sqlite3_get_autocommit(s->db) == 0)
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

/* An older version that is at work would go on with its own statements: nobody may own a context meanwhile. */
static cps_err_t in_use(const cps_sqlite_t *s, int64_t pid)
{
    return cps_store_fail(CPS_ERR_IN_USE,
                          "%s: has the older format %lld and is in use by pid %lld: stop that, then it "
                          "is brought to format %d",
                          s->path, (long long)s->format, (long long)pid, CPS_SQLITE_FORMAT);
}

cps_err_t cps_sqlite_upgrade(cps_sqlite_t *s, const char *vfs)
{
    int64_t pid = 0;
    cps_err_t err = cps_store_lock_open(&s->lockfile, s->lock_path);
    if (err != CPS_OK)
        return err;
    err = cps_store_lock_take_all(s->lockfile, &pid);
    if (err == CPS_OK) {
        err = make_backup(s, vfs);
        if (err == CPS_OK)
            err = step_up(s);
        cps_store_lock_give_all(s->lockfile);
    } else if (err == CPS_ERR_IN_USE) {
        err = in_use(s, pid);
    }
    cps_store_lock_close(s->lockfile); /* the first lock opens it anew, and compares */
    s->lockfile = NULL;
    if (err == CPS_OK)
        s->format = CPS_SQLITE_FORMAT;
    return err;
}
