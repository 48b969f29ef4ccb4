// SPDX-License-Identifier: Apache-2.0
/* An SQLite VFS that passes everything on to the default one, counts what happens to the -wal, and can run out of disk,
 * fail to sync, or be a medium that takes no writes. One at a time. */
#ifndef CPS_TESTS_STORE_VFS_H
#define CPS_TESTS_STORE_VFS_H

#include "base/bytes.h"

#include <sqlite3.h>

typedef struct recorder {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    unsigned wal_writes;
    unsigned wal_unsynced; /* writes since the last sync */
    unsigned wal_syncs;
    unsigned commits; /* frames of the -wal that end a transaction */
    bool full;        /* writes find no space */
    bool sync_fails;
    bool read_only; /* the medium */
} recorder_t;

typedef struct recfile {
    sqlite3_file base;
    recorder_t *rec;
    bool is_wal;
    sqlite3_file *real; /* right behind this struct */
} recfile_t;

#define REC(f) ((recfile_t *)(f))

static int rec_close(sqlite3_file *f) { return REC(f)->real->pMethods->xClose(REC(f)->real); }

static int rec_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    return REC(f)->real->pMethods->xRead(REC(f)->real, to, n, at);
}

static int rec_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    enum { WAL_HEADER = 32, FRAME_HEADER = 24 };
    recorder_t *rec = REC(f)->rec;
    if (rec->full)
        return SQLITE_FULL;
    if (REC(f)->is_wal) {
        rec->wal_writes++;
        rec->wal_unsynced++;
        if (n == FRAME_HEADER && at >= WAL_HEADER && cps_be32((const uint8_t *)from + 4) != 0)
            rec->commits++; /* the size of the database stands in the last frame of a transaction alone */
    }
    return REC(f)->real->pMethods->xWrite(REC(f)->real, from, n, at);
}

static int rec_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return REC(f)->real->pMethods->xTruncate(REC(f)->real, size);
}

static int rec_sync(sqlite3_file *f, int flags)
{
    recorder_t *rec = REC(f)->rec;
    if (rec->sync_fails)
        return SQLITE_IOERR_FSYNC;
    int rc = REC(f)->real->pMethods->xSync(REC(f)->real, flags);
    if (rc == SQLITE_OK && REC(f)->is_wal) {
        rec->wal_syncs++;
        rec->wal_unsynced = 0;
    }
    return rc;
}

static int rec_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return REC(f)->real->pMethods->xFileSize(REC(f)->real, size);
}

static int rec_lock(sqlite3_file *f, int level) { return REC(f)->real->pMethods->xLock(REC(f)->real, level); }

static int rec_unlock(sqlite3_file *f, int level) { return REC(f)->real->pMethods->xUnlock(REC(f)->real, level); }

static int rec_check_lock(sqlite3_file *f, int *out)
{
    return REC(f)->real->pMethods->xCheckReservedLock(REC(f)->real, out);
}

static int rec_control(sqlite3_file *f, int op, void *arg)
{
    return REC(f)->real->pMethods->xFileControl(REC(f)->real, op, arg);
}

static int rec_sector(sqlite3_file *f) { return REC(f)->real->pMethods->xSectorSize(REC(f)->real); }

static int rec_device(sqlite3_file *f) { return REC(f)->real->pMethods->xDeviceCharacteristics(REC(f)->real); }

static int rec_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return REC(f)->real->pMethods->xShmMap(REC(f)->real, page, size, extend, out);
}

static int rec_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return REC(f)->real->pMethods->xShmLock(REC(f)->real, at, n, flags);
}

static void rec_shm_barrier(sqlite3_file *f) { REC(f)->real->pMethods->xShmBarrier(REC(f)->real); }

static int rec_shm_unmap(sqlite3_file *f, int remove)
{
    return REC(f)->real->pMethods->xShmUnmap(REC(f)->real, remove);
}

static const sqlite3_io_methods rec_methods = {
    .iVersion = 2,
    .xClose = rec_close,
    .xRead = rec_read,
    .xWrite = rec_write,
    .xTruncate = rec_truncate,
    .xSync = rec_sync,
    .xFileSize = rec_size,
    .xLock = rec_lock,
    .xUnlock = rec_unlock,
    .xCheckReservedLock = rec_check_lock,
    .xFileControl = rec_control,
    .xSectorSize = rec_sector,
    .xDeviceCharacteristics = rec_device,
    .xShmMap = rec_shm_map,
    .xShmLock = rec_shm_lock,
    .xShmBarrier = rec_shm_barrier,
    .xShmUnmap = rec_shm_unmap,
};

static int rec_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *f, int flags, int *out_flags)
{
    recorder_t *rec = (recorder_t *)vfs->pAppData;
    recfile_t *file = REC(f);
    *file = (recfile_t){.rec = rec, .is_wal = (flags & SQLITE_OPEN_WAL) != 0, .real = (sqlite3_file *)(file + 1)};
    if (rec->read_only && (flags & SQLITE_OPEN_READWRITE) != 0) {
        if ((flags & SQLITE_OPEN_MAIN_DB) == 0)
            return SQLITE_CANTOPEN;
        flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
    }
    int rc = rec->real->xOpen(rec->real, name, file->real, flags, out_flags);
    file->base.pMethods = file->real->pMethods != NULL ? &rec_methods : NULL;
    return rc;
}

#define RECORDER_NAME "recorder"

/* `rec` is static: it may still be in SQLite's list. */
static void recorder_start(recorder_t *rec)
{
    sqlite3_vfs_unregister(&rec->vfs);
    *rec = (recorder_t){.real = sqlite3_vfs_find(NULL)};
    rec->vfs = *rec->real;
    rec->vfs.pNext = NULL;
    rec->vfs.zName = RECORDER_NAME;
    rec->vfs.szOsFile = (int)sizeof(recfile_t) + rec->real->szOsFile;
    rec->vfs.pAppData = rec;
    rec->vfs.xOpen = rec_open;
    sqlite3_vfs_register(&rec->vfs, 0);
}

static void recorder_stop(recorder_t *rec) { sqlite3_vfs_unregister(&rec->vfs); }

#endif /* CPS_TESTS_STORE_VFS_H */
