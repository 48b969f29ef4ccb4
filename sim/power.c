// SPDX-License-Identifier: Apache-2.0
#include "sim/power.h"

#include "sim/power_disk.h"
#include "sim/power_lock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sqlite3.h>

struct cps_power {
    sqlite3_vfs vfs;
    sqlite3_vfs *system; /* for what has nothing to do with files */
    char name[32];
    cps_power_disk_t disk;
    uint64_t calls;
    uint64_t cut_at; /* the number of the call that is cut short */
    uint64_t life;   /* handles of another life are dead */
    bool is_cut;
    cps_power_fault_t fault;
    uint64_t fault_after;
    uint64_t fault_times;
    int last_errno;
};

/* An open file as SQLite has it. */
typedef struct handle {
    sqlite3_file base;
    cps_power_t *power;
    cps_power_holder_t holder;
    uint64_t life;
    bool read_only;
    bool delete_on_close;
} handle_t;

static handle_t *handle_of(sqlite3_file *f) { return (handle_t *)f; }

static bool is_dead(const handle_t *h) { return h->power->is_cut || h->life != h->power->life; }

/* Whether this call is one that fails so. */
static bool fails(cps_power_t *p, cps_power_fault_t as)
{
    if (p->fault != as)
        return false;
    if (p->fault_after > 0) {
        p->fault_after--;
        return false;
    }
    if (p->fault_times == 0)
        return false;
    p->fault_times -= p->fault_times != CPS_POWER_NEVER;
    return true;
}

static int fail_as(cps_power_t *p, int number, int code)
{
    p->last_errno = number;
    return code;
}

/* Count a change; false where the power goes in the middle of it. */
static bool count_call(cps_power_t *p)
{
    p->is_cut = p->calls++ == p->cut_at;
    return !p->is_cut;
}

/* ---- methods of a file ---- */

static int file_close(sqlite3_file *f)
{
    handle_t *h = handle_of(f);
    cps_power_t *p = h->power;
    cps_power_file_t *file = h->holder.file;
    if (is_dead(h))
        return SQLITE_OK;
    cps_power_unlock(&h->holder, SQLITE_LOCK_NONE);
    file->opens--;
    if (h->delete_on_close)
        file->linked = false;
    cps_power_let_go(&p->disk, file);
    return SQLITE_OK;
}

static int file_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    handle_t *h = handle_of(f);
    const cps_power_image_t *live = &h->holder.file->live;
    if (is_dead(h) || fails(h->power, CPS_POWER_READ_FAILS))
        return fail_as(h->power, EIO, SQLITE_IOERR_READ);
    size_t there = (uint64_t)at < live->size ? live->size - (size_t)at : 0;
    size_t len = there < (size_t)n ? there : (size_t)n;
    if (len != 0)
        memcpy(to, live->bytes + at, len);
    memset((uint8_t *)to + len, 0, (size_t)n - len);
    return len == (size_t)n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

/* The refusals that any change can meet. */
static int refuse_change(handle_t *h)
{
    cps_power_t *p = h->power;
    if (h->read_only || fails(p, CPS_POWER_READ_ONLY))
        return fail_as(p, EROFS, SQLITE_IOERR_WRITE);
    if (fails(p, CPS_POWER_WRITE_FAILS))
        return fail_as(p, EIO, SQLITE_IOERR_WRITE);
    return SQLITE_OK;
}

static int file_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    handle_t *h = handle_of(f);
    cps_power_t *p = h->power;
    size_t len = (size_t)n;
    if (is_dead(h))
        return fail_as(p, EIO, SQLITE_IOERR_WRITE);
    int rc = refuse_change(h);
    if (rc == SQLITE_OK && fails(p, CPS_POWER_FULL)) {
        rc = fail_as(p, ENOSPC, SQLITE_FULL);
        len = cps_rng_below(&p->disk.rng, (uint32_t)n);
    }
    if (rc != SQLITE_OK && rc != SQLITE_FULL)
        return rc;
    if (len != 0 && !cps_power_write(h->holder.file, (uint64_t)at, from, len))
        return SQLITE_NOMEM;
    return count_call(p) ? rc : fail_as(p, EIO, SQLITE_IOERR_WRITE);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    handle_t *h = handle_of(f);
    if (is_dead(h))
        return fail_as(h->power, EIO, SQLITE_IOERR_TRUNCATE);
    int rc = refuse_change(h);
    if (rc != SQLITE_OK)
        return rc;
    if (!cps_power_truncate(h->holder.file, (uint64_t)size))
        return SQLITE_NOMEM;
    return count_call(h->power) ? SQLITE_OK : fail_as(h->power, EIO, SQLITE_IOERR_TRUNCATE);
}

static int file_sync(sqlite3_file *f, int flags)
{
    handle_t *h = handle_of(f);
    (void)flags;
    if (is_dead(h) || !count_call(h->power))
        return fail_as(h->power, EIO, SQLITE_IOERR_FSYNC);
    if (fails(h->power, CPS_POWER_SYNC_FAILS)) {
        cps_power_sync_lost(&h->power->disk, h->holder.file);
        return fail_as(h->power, EIO, SQLITE_IOERR_FSYNC);
    }
    cps_power_sync(&h->power->disk, h->holder.file);
    return SQLITE_OK;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
    handle_t *h = handle_of(f);
    *size = is_dead(h) ? 0 : (sqlite3_int64)h->holder.file->live.size;
    return is_dead(h) ? fail_as(h->power, EIO, SQLITE_IOERR_FSTAT) : SQLITE_OK;
}

static int file_lock(sqlite3_file *f, int level)
{
    handle_t *h = handle_of(f);
    return is_dead(h) ? fail_as(h->power, EIO, SQLITE_IOERR_LOCK) : cps_power_lock(&h->holder, level);
}

static int file_unlock(sqlite3_file *f, int level)
{
    handle_t *h = handle_of(f);
    if (!is_dead(h))
        cps_power_unlock(&h->holder, level);
    return SQLITE_OK;
}

static int file_is_reserved(sqlite3_file *f, int *out)
{
    handle_t *h = handle_of(f);
    *out = !is_dead(h) && h->holder.file->locks.reserved != NULL;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
    if (op != SQLITE_FCNTL_HAS_MOVED && op != SQLITE_FCNTL_LAST_ERRNO)
        return SQLITE_NOTFOUND;
    *(int *)arg = op == SQLITE_FCNTL_LAST_ERRNO ? handle_of(f)->power->last_errno : 0;
    return SQLITE_OK;
}

static int file_sector(sqlite3_file *f)
{
    (void)f;
    return 4096; /* as the VFS of the system says, whatever a torn sector is */
}

static int file_device(sqlite3_file *f)
{
    (void)f;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE; /* likewise */
}

static int file_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **out)
{
    handle_t *h = handle_of(f);
    *out = NULL;
    return is_dead(h) ? fail_as(h->power, EIO, SQLITE_IOERR_SHMMAP)
                      : cps_power_shm_map(&h->holder, region, size, extend != 0, out);
}

static int file_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    handle_t *h = handle_of(f);
    return is_dead(h) ? fail_as(h->power, EIO, SQLITE_IOERR_SHMLOCK) : cps_power_shm_lock(&h->holder, at, n, flags);
}

static void file_shm_barrier(sqlite3_file *f) { (void)f; }

static int file_shm_unmap(sqlite3_file *f, int delete)
{
    handle_t *h = handle_of(f);
    (void)delete;
    if (!is_dead(h))
        cps_power_shm_unmap(&h->holder);
    return SQLITE_OK;
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_is_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_device,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

/* ---- methods of the disk ---- */

static cps_power_t *power_of(sqlite3_vfs *vfs) { return vfs->pAppData; }

/* A file that is not there yet: made as asked, or as its maker made it outside (see power.h). */
static int make_file(cps_power_t *p, const char *name, int flags, cps_power_file_t **out)
{
    bool create = (flags & SQLITE_OPEN_CREATE) != 0;
    bool outside = (flags & SQLITE_OPEN_MAIN_DB) != 0 && access(name, F_OK) == 0;
    if (!create && !outside)
        return fail_as(p, ENOENT, SQLITE_CANTOPEN);
    if (create && !outside) {
        if (fails(p, CPS_POWER_FULL))
            return fail_as(p, ENOSPC, SQLITE_CANTOPEN);
        if (fails(p, CPS_POWER_READ_ONLY) || fails(p, CPS_POWER_WRITE_FAILS))
            return fail_as(p, EROFS, SQLITE_CANTOPEN);
    }
    *out = cps_power_make(&p->disk, name, outside);
    if (*out == NULL)
        return SQLITE_NOMEM;
    (*out)->syncs_folder = !outside && (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
    return outside || count_call(p) ? SQLITE_OK : fail_as(p, EIO, SQLITE_IOERR);
}

static int disk_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *f, int flags, int *out_flags)
{
    cps_power_t *p = power_of(vfs);
    handle_t *h = handle_of(f);
    const char *path = name != NULL ? name : "temporary";
    *h = (handle_t){.power = p, .life = p->life, .read_only = (flags & SQLITE_OPEN_READONLY) != 0};
    if (p->is_cut)
        return fail_as(p, EIO, SQLITE_CANTOPEN);
    cps_power_file_t *file = cps_power_find(&p->disk, path);
    int rc = file == NULL ? make_file(p, path, flags, &file) : SQLITE_OK;
    if (rc != SQLITE_OK)
        return rc;
    file->opens++;
    h->base.pMethods = &file_methods;
    h->holder.file = file;
    h->delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    if (out_flags != NULL)
        *out_flags = flags;
    return SQLITE_OK;
}

static int disk_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    cps_power_t *p = power_of(vfs);
    cps_power_file_t *file = p->is_cut ? NULL : cps_power_find(&p->disk, name);
    if (p->is_cut)
        return fail_as(p, EIO, SQLITE_IOERR_DELETE);
    if (file == NULL)
        return fail_as(p, ENOENT, SQLITE_IOERR_DELETE_NOENT);
    if (fails(p, CPS_POWER_READ_ONLY) || fails(p, CPS_POWER_WRITE_FAILS))
        return fail_as(p, EROFS, SQLITE_IOERR_DELETE);
    bool done = count_call(p);
    cps_power_unlink(&p->disk, file, done && sync_folder != 0);
    return done ? SQLITE_OK : fail_as(p, EIO, SQLITE_IOERR_DELETE);
}

static int disk_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    const cps_power_file_t *file = cps_power_find(&power_of(vfs)->disk, name);
    (void)flags;
    *out = file != NULL && file->live.size != 0; /* an empty -journal or -wal counts as none with the system's too */
    return SQLITE_OK;
}

static int disk_full_path(sqlite3_vfs *vfs, const char *name, int n, char *out)
{
    (void)vfs;
    return snprintf(out, (size_t)n, "%s", name) < n ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int disk_chance(sqlite3_vfs *vfs, int n, char *to)
{
    cps_rng_fill(&power_of(vfs)->disk.rng, to, (size_t)n);
    return n;
}

/* Nobody else runs while a connection sleeps: time passes at once. */
static int disk_sleep(sqlite3_vfs *vfs, int time_us)
{
    (void)vfs;
    return time_us;
}

static int disk_time(sqlite3_vfs *vfs, double *out)
{
    cps_power_t *p = power_of(vfs);
    return p->system->xCurrentTime(p->system, out);
}

static int disk_last_errno(sqlite3_vfs *vfs, int n, char *text)
{
    (void)n;
    (void)text;
    return power_of(vfs)->last_errno;
}

/* ---- what tests call ---- */

cps_err_t cps_power_new(cps_power_t **out, uint64_t seed)
{
    cps_power_t *p = calloc(1, sizeof *p);
    *out = p;
    if (p == NULL)
        return CPS_ERR_MEMORY;
    p->system = sqlite3_vfs_find(NULL);
    p->cut_at = CPS_POWER_NEVER;
    p->disk.rng = cps_rng_from_seed(&p->disk.seeded, seed);
    snprintf(p->name, sizeof p->name, "power-%p", (void *)p);
    p->vfs = (sqlite3_vfs){.iVersion = 1,
                           .szOsFile = sizeof(handle_t),
                           .mxPathname = 512,
                           .zName = p->name,
                           .pAppData = p,
                           .xOpen = disk_open,
                           .xDelete = disk_delete,
                           .xAccess = disk_access,
                           .xFullPathname = disk_full_path,
                           .xRandomness = disk_chance,
                           .xSleep = disk_sleep,
                           .xCurrentTime = disk_time,
                           .xGetLastError = disk_last_errno};
    if (p->system != NULL && sqlite3_vfs_register(&p->vfs, 0) == SQLITE_OK)
        return CPS_OK;
    free(p);
    *out = NULL;
    return CPS_ERR_MEMORY;
}

void cps_power_free(cps_power_t *power)
{
    if (power == NULL)
        return;
    sqlite3_vfs_unregister(&power->vfs);
    cps_power_disk_fini(&power->disk);
    free(power);
}

const char *cps_power_vfs(const cps_power_t *power) { return power->name; }

uint64_t cps_power_calls(const cps_power_t *power) { return power->calls; }

void cps_power_cut_after(cps_power_t *power, uint64_t calls)
{
    power->cut_at = calls == CPS_POWER_NEVER ? CPS_POWER_NEVER : power->calls + calls;
}

void cps_power_cut(cps_power_t *power) { power->is_cut = true; }

bool cps_power_is_cut(const cps_power_t *power) { return power->is_cut; }

void cps_power_on(cps_power_t *power)
{
    power->is_cut = false;
    power->cut_at = CPS_POWER_NEVER;
    power->life++;
    cps_power_settle(&power->disk);
}

void cps_power_fail(cps_power_t *power, cps_power_fault_t fault, uint64_t after, uint64_t times)
{
    power->fault = fault;
    power->fault_after = after;
    power->fault_times = times;
}

cps_bytes_t cps_power_bytes(const cps_power_t *power, const char *path)
{
    const cps_power_file_t *file = cps_power_find(&power->disk, path);
    return file != NULL ? cps_bytes(file->live.bytes, file->live.size) : cps_bytes(NULL, 0);
}

void cps_power_flip(cps_power_t *power, const char *path, uint64_t bit)
{
    cps_power_file_t *file = cps_power_find(&power->disk, path);
    uint8_t mask = (uint8_t)(1U << (bit % 8));
    if (file == NULL)
        return;
    if (bit / 8 < file->live.size)
        file->live.bytes[bit / 8] ^= mask;
    if (bit / 8 < file->disk.size)
        file->disk.bytes[bit / 8] ^= mask;
}
