// SPDX-License-Identifier: Apache-2.0
/* Whether a store is sound (OPS-30), with no byte of it changed and no file made beside it. */
#include "store/sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FINDINGS_MAX = 100 };

typedef struct check {
    const cps_sqlite_t *store; /* no more than path and db of it are used */
    cps_store_finding_fn say;
    void *user;
    unsigned found;
} check_t;

/* Each gives one text a finding; `place` is said where it cannot be run. Rules that the schema itself states are
 * integrity_check's. */
static const struct {
    const char *place;
    const char *text;
} queries[] = {
    {"file", "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'"},
    {"file", "SELECT 'table ' || \"table\" || ': row ' || rowid || ' refers to a row of ' || parent || "
             "' that is not there' FROM pragma_foreign_key_check"},
    {"table store", "SELECT 'table store: has no row' WHERE NOT EXISTS (SELECT 1 FROM store)"},
    {"table store",
     "SELECT 'table store: row ' || e.id || ' is damaged' FROM store e WHERE e.sum IS NOT " CPS_SQL_STORE_SUM},
    {"table states",
     "SELECT 'table states: row ' || s.id || ' is damaged' FROM states s WHERE s.sum IS NOT " CPS_SQL_STATE_SUM},
    {"table windows",
     "SELECT 'table windows: row ' || w.id || ' is damaged' FROM windows w WHERE w.sum IS NOT " CPS_SQL_WINDOW_SUM},
    {"table keys", "SELECT 'table keys: row ' || k.id || ' is damaged, key ' || k.name FROM keys k WHERE k.sum IS "
                   "NOT " CPS_SQL_KEY_SUM},
    {"table states", "SELECT 'table states: row ' || id || ' was saved in an epoch to come' FROM states "
                     "WHERE saved > (SELECT epoch FROM store)"},
    {"table windows", "SELECT 'table windows: row ' || id || ' was saved in an epoch to come' FROM windows "
                      "WHERE saved > (SELECT epoch FROM store)"},
    {"table keys", "SELECT 'table keys: key ' || k.name || ' has the window of another state' FROM keys k "
                   "JOIN windows w ON w.id = k.window WHERE w.state <> k.state"},
    {"table keys", "SELECT 'table keys: more than four keys share the Recipient ID and ID Context of ' || min(name) "
                   "FROM keys GROUP BY recipient_id, id_context HAVING count(*) > 4"},
};

static void report(check_t *c, const char *finding)
{
    char sentence[512];
    if (c->found++ >= FINDINGS_MAX)
        return;
    snprintf(sentence, sizeof sentence, "%s: %s", c->store->path, finding);
    c->say(c->user, sentence);
}

static bool is_damage(int rc)
{
    rc &= 0xff;
    return rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB || rc == SQLITE_ERROR; /* ERROR: a table is missing */
}

/* A question that SQLite cannot answer. */
static void report_unread(check_t *c, const char *place)
{
    char text[256];
    snprintf(text, sizeof text, "%s: %s", place, sqlite3_errmsg(c->store->db));
    report(c, text);
}

static cps_err_t run_query(check_t *c, const char *place, const char *text)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->store->db, text, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && c->found < FINDINGS_MAX)
            report(c, (const char *)sqlite3_column_text(stmt, 0));
    if (is_damage(rc))
        report_unread(c, place);
    sqlite3_finalize(stmt);
    if (rc == SQLITE_ROW || rc == SQLITE_DONE || is_damage(rc))
        return CPS_OK;
    return cps_sqlite_error(c->store->db, c->store->path, rc);
}

static cps_err_t check_schema(check_t *c)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->store->db, "SELECT 1 FROM sqlite_schema WHERE sql = ?1", -1, &stmt, NULL);
    for (size_t i = 0; i < CPS_SQLITE_SCHEMA_COUNT && (rc == SQLITE_OK || rc == SQLITE_DONE); i++) {
        sqlite3_bind_text(stmt, 1, cps_sqlite_schema[i], -1, SQLITE_STATIC);
        if (sqlite3_step(stmt) == SQLITE_DONE)
            report(c, "a table or index of the store is missing or altered");
        rc = sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
    if (is_damage(rc))
        report_unread(c, "table sqlite_schema");
    return rc == SQLITE_OK || is_damage(rc) ? CPS_OK : cps_sqlite_error(c->store->db, c->store->path, rc);
}

cps_err_t cps_sqlite_inspect(const cps_sqlite_t *s, cps_store_finding_fn say, void *user)
{
    check_t c = {.store = s, .say = say, .user = user};
    cps_err_t err = check_schema(&c);
    for (size_t i = 0; err == CPS_OK && i < sizeof queries / sizeof queries[0]; i++)
        err = run_query(&c, queries[i].place, queries[i].text);
    if (err == CPS_OK && c.found != 0)
        return cps_store_fail(CPS_ERR_STORE_CORRUPT, "%s: %u findings; keep a copy, and make new keys", s->path,
                              c.found);
    return err;
}

/* Bytes of a file beside the store; -1 where there is none. */
static int64_t size_beside(const char *path, const char *suffix)
{
    struct stat at;
    char *name = cps_sqlite_join(path, suffix);
    int64_t size = name != NULL && stat(name, &at) == 0 ? (int64_t)at.st_size : -1;
    free(name);
    return size;
}

/* A path as an SQLite URI, on the heap. */
static char *uri_of(const char *path, const char *parameters)
{
    char *uri = malloc(3 * strlen(path) + strlen(parameters) + sizeof "file:?");
    if (uri == NULL)
        return NULL;
    char *at = uri + sprintf(uri, "file:");
    for (; *path != '\0'; path++)
        at += sprintf(at, strchr("?#%", *path) != NULL ? "%%%02x" : "%c", (unsigned char)*path);
    sprintf(at, "?%s", parameters);
    return uri;
}

/* SQLite makes a -wal and a -shm even to read. What keeps it from that depends on which of the two are there. */
static cps_err_t open_unchanged(cps_sqlite_t *s)
{
    int64_t wal = size_beside(s->path, "-wal");
    bool shm = size_beside(s->path, "-shm") >= 0;
    const char *parameters = "mode=ro&immutable=1"; /* all is in the one file, and nobody has it open */
    bool alone = false;
    if (wal >= 0 && shm) {
        parameters = "mode=ro&readonly_shm=1"; /* open somewhere, or left by a crash */
    } else if (wal > 0) {
        parameters = "mode=rw"; /* alone, the index of the -wal is built in memory */
        alone = true;
    }
    char *uri = uri_of(s->path, parameters);
    if (uri == NULL)
        return cps_store_fail(CPS_ERR_MEMORY, "no memory to check a store");
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI | (alone ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
    int rc = sqlite3_open_v2(uri, &s->db, flags, NULL);
    free(uri);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(s->db, CPS_SQLITE_BUSY_MS);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(s->db,
                          alone ? "PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY"
                                : "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY",
                          NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(s->db, "PRAGMA cell_size_check = ON", NULL, NULL, NULL);
    return rc == SQLITE_OK ? cps_sqlite_add_functions(s) : cps_sqlite_error(s->db, s->path, rc);
}

static cps_err_t check_file(cps_sqlite_t *s, const char *path)
{
    bool empty = false;
    cps_err_t err = cps_sqlite_file_find(path, false, &s->path);
    if (err == CPS_OK)
        err = cps_sqlite_file_guard(s->path);
    if (err == CPS_OK)
        err = cps_sqlite_file_peek(s->path, NULL, &empty);
    if (err == CPS_OK && size_beside(s->path, "-journal") > 0)
        err = cps_store_fail(CPS_ERR_STORE, "%s: its making was cut short; open it once, then check again", s->path);
    if (err == CPS_OK && !empty)
        err = open_unchanged(s);
    if (err == CPS_OK && !empty)
        err = cps_sqlite_look(s, &s->format);
    if (err == CPS_OK && s->format == 0)
        err = cps_store_fail(CPS_ERR_NOT_FOUND, "%s: the store is empty", s->path);
    if (err == CPS_OK && s->format < CPS_SQLITE_FORMAT)
        err =
            cps_store_fail(CPS_ERR_STORE_FORMAT,
                           "%s: has the older format %lld: coapsule key list brings it to format %d, then check again",
                           s->path, (long long)s->format, CPS_SQLITE_FORMAT);
    return err;
}

cps_err_t cps_store_check(const char *path, cps_store_finding_fn say, void *user)
{
    cps_sqlite_t s = {0};
    cps_err_t err = check_file(&s, path);
    if (err == CPS_OK)
        err = cps_sqlite_inspect(&s, say, user);
    else if (err == CPS_ERR_STORE_CORRUPT)
        say(user, cps_store_detail());
    sqlite3_close(s.db);
    free(s.path);
    return err;
}
