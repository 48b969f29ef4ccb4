// SPDX-License-Identifier: Apache-2.0
/* Whether a store is the one that its state was made in, and as new as what it granted (docs/adr/0005-copies.md). Two
 * things tell: the identity of the file on its file system, to which each row of state is bound, and a count of leases
 * that stands both in the store and in the lock file beside it. */
#include "store/sqlite.h"

#include "base/map.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* What new state is bound to where nothing is known of the file that a copy would not have too. */
#define HOME_UNKNOWN 0

/* File systems that are not as others. */
typedef struct filesystem {
    uint32_t magic;    /* as statfs has it, linux/magic.h */
    bool inode_moves;  /* numbers are made up at each mount */
    bool has_snapshot; /* a snapshot has the same inodes, but its own fsid */
} filesystem_t;

static const filesystem_t filesystems[] = {
    {0x9123683e, false, true}, /* btrfs */
    {0x00004d44, true, false}, /* FAT */
    {0x2011bab0, true, false}, /* exFAT */
    {0x65735546, true, false}, /* FUSE */
    {0x01021997, true, false}, /* 9P */
    {0xff534d42, true, false}, /* CIFS */
    {0xfe534d42, true, false}, /* SMB 2 */
};

/* A positive number from what is known. `what` keeps kinds apart: a kernel that learns to tell more than it did must not
 * make a store a stranger. */
static int64_t digest(char what, const void *known, size_t len)
{
    uint8_t seed[16] = "home of a store";
    seed[15] = (uint8_t)what;
    return (int64_t)(cps_hash(seed, known, len) >> 1U | 1U);
}

static cps_sqlite_home_t tell(const struct statx *at, const struct statfs *fs, const filesystem_t *special)
{
    bool has_birth = (at->stx_mask & STATX_BTIME) != 0;
    struct {
        uint64_t inode;
        int64_t birth_s;
        uint64_t birth_ns;
        uint64_t fsid;
    } known = {at->stx_ino, at->stx_btime.tv_sec, at->stx_btime.tv_nsec, 0};
    if (special != NULL && special->has_snapshot)
        memcpy(&known.fsid, &fs->f_fsid, sizeof known.fsid);
    if (special != NULL && special->inode_moves) {
        known.inode = 0;
        int64_t born = digest('b', &known, sizeof known);
        return (cps_sqlite_home_t){has_birth ? born : HOME_UNKNOWN, {has_birth ? born : HOME_UNKNOWN, HOME_UNKNOWN}};
    }
    int64_t numbered = digest('i', &known.inode, sizeof known.inode);
    int64_t both = has_birth ? digest('x', &known, sizeof known) : numbered;
    return (cps_sqlite_home_t){both, {both, numbered}};
}

void cps_sqlite_home_find(cps_sqlite_t *s)
{
    struct statx at;
    struct statfs fs;
    const filesystem_t *special = NULL;
    s->home = (cps_sqlite_home_t){HOME_UNKNOWN, {HOME_UNKNOWN, HOME_UNKNOWN}};
    if (statx(AT_FDCWD, s->path, 0, STATX_INO | STATX_BTIME, &at) != 0 || statfs(s->path, &fs) != 0)
        return;
    for (size_t i = 0; i < sizeof filesystems / sizeof filesystems[0]; i++)
        if (filesystems[i].magic == (uint32_t)fs.f_type)
            special = &filesystems[i];
    s->home = tell(&at, &fs, special);
}

cps_err_t cps_sqlite_elsewhere(const cps_sqlite_t *s)
{
    return cps_store_fail(CPS_ERR_STATE_LOST,
                          s->is_older
                              ? "%s: is older than what was sent from here (an old copy was put back, or its "
                                "-wal was removed), so its keys do not send: use coapsule key rekey"
                              : "%s: is a copy, or was put back from one, and numbers may have been used since, "
                                "so its keys do not send: use coapsule key rekey",
                          s->path);
}

/* ---- the count beside the store ---- */

enum { MARK_LEN = 24 };

static void put_mark(uint8_t bytes[MARK_LEN], const cps_sqlite_mark_t *mark)
{
    cps_put_be64(bytes, (uint64_t)mark->instance);
    cps_put_be64(bytes + 8, (uint64_t)mark->commits);
    cps_put_be64(bytes + 16, (uint64_t)digest('m', bytes, 16));
}

static int64_t be64(const uint8_t *p) { return (int64_t)((uint64_t)cps_be32(p) << 32U | cps_be32(p + 4)); }

/* A lock file without a mark, or with half of one, says nothing. */
static bool read_mark(const cps_sqlite_t *s, cps_sqlite_mark_t *mark)
{
    uint8_t bytes[MARK_LEN];
    uint8_t expected[MARK_LEN];
    if (!cps_store_lock_read(s->lockfile, bytes, sizeof bytes))
        return false;
    *mark = (cps_sqlite_mark_t){be64(bytes), be64(bytes + 8)};
    put_mark(expected, mark);
    return memcmp(bytes, expected, sizeof bytes) == 0;
}

static cps_err_t read_own(cps_sqlite_t *s, cps_sqlite_mark_t *mark)
{
    sqlite3_stmt *stmt;
    bool row;
    cps_err_t err = cps_sqlite_get(s, CPS_SQL_STORE_GET, &stmt);
    if (err == CPS_OK)
        err = cps_sqlite_step(s, stmt, &row);
    if (err != CPS_OK)
        return err;
    if (!row)
        return cps_sqlite_damaged(s, "store");
    *mark = (cps_sqlite_mark_t){sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1)};
    cps_sqlite_done(stmt);
    return CPS_OK;
}

cps_err_t cps_sqlite_home_compare(cps_sqlite_t *s)
{
    /* In this order: another process may grant in between, and writes the mark after its commit. */
    cps_sqlite_mark_t own = {0, 0};
    bool has_mark = read_mark(s, &s->beside);
    cps_err_t err = read_own(s, &own);
    s->is_older = err == CPS_OK && has_mark && s->beside.instance == own.instance && s->beside.commits > own.commits;
    return err;
}

static cps_err_t change_store(cps_sqlite_t *s, cps_sqlite_stmt_t which, int64_t value)
{
    sqlite3_stmt *stmt;
    cps_err_t err = cps_sqlite_get(s, which, &stmt);
    if (err != CPS_OK)
        return err;
    if (sqlite3_bind_parameter_count(stmt) > 0)
        sqlite3_bind_int64(stmt, 1, value);
    return cps_sqlite_run(s, stmt);
}

cps_err_t cps_sqlite_home_count(cps_sqlite_t *s, bool all, cps_sqlite_mark_t *mark)
{
    cps_err_t err = change_store(s, CPS_SQL_STORE_COUNT, all);
    return err == CPS_OK ? read_own(s, mark) : err; /* a damaged row was not changed, and is told */
}

/* Not synced: a mark that a power cut takes back is only lower than it could be. And not a reason to refuse what is
 * granted: the store itself is durable. */
void cps_sqlite_home_note(cps_sqlite_t *s, const cps_sqlite_mark_t *mark)
{
    uint8_t bytes[MARK_LEN];
    cps_sqlite_mark_t there;
    if (s->lockfile == NULL)
        return;
    if (read_mark(s, &there) && there.instance == mark->instance && there.commits >= mark->commits)
        return; /* of another process, which committed later */
    put_mark(bytes, mark);
    (void)cps_store_lock_write(s->lockfile, bytes, sizeof bytes);
}

/* Count past all that was granted. */
static cps_err_t catch_up(cps_sqlite_t *s, cps_sqlite_mark_t *mark)
{
    cps_err_t err = s->is_older ? change_store(s, CPS_SQL_STORE_RAISE, s->beside.commits) : CPS_OK;
    return err == CPS_OK ? cps_sqlite_home_count(s, true, mark) : err;
}

cps_err_t cps_sqlite_home_settle(cps_sqlite_t *s, cps_sqlite_mark_t *mark)
{
    if (!s->is_older)
        return CPS_OK;
    cps_err_t err = change_store(s, CPS_SQL_STATES_FORGET, 0);
    return err == CPS_OK ? catch_up(s, mark) : err;
}

static cps_err_t adopt_alone(cps_sqlite_t *s, uint64_t skip)
{
    cps_sqlite_mark_t mark = {0, 0};
    cps_err_t err = cps_sqlite_begin(s);
    if (err != CPS_OK)
        return err;
    err = change_store(s, CPS_SQL_STATES_ADOPT, (int64_t)skip);
    if (err == CPS_OK)
        err = catch_up(s, &mark);
    err = cps_sqlite_end(s, err);
    if (err == CPS_OK)
        cps_sqlite_home_note(s, &mark);
    return err;
}

cps_err_t cps_store_adopt(const char *path, uint64_t skip)
{
    cps_store_t *store;
    int64_t pid = 0;
    cps_store_options_t options = {.path = path};
    if (skip > CPS_STORE_NUMBER_MAX)
        return cps_store_fail(CPS_ERR_ARGUMENT, "%s: over 2^40 numbers were to be skipped", path);
    cps_err_t err = cps_store_sqlite_open(&store, &options);
    if (err != CPS_OK)
        return err;
    cps_sqlite_t *s = cps_sqlite_of(store);
    err = cps_sqlite_lock_begin(s);
    if (err == CPS_OK)
        err = cps_store_lock_take_all(s->lockfile, &pid);
    if (err == CPS_OK) {
        err = adopt_alone(s, skip);
        cps_store_lock_give_all(s->lockfile);
    }
    store->table->close(store);
    return err;
}
