// SPDX-License-Identifier: Apache-2.0
/* The store's files before SQLite opens them. Nothing here opens an existing database by itself: closing a second
 * descriptor of it would drop the locks of an SQLite connection that this process has open (see store/lock.h). */
#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "SQLite format 3"
enum { HEADER_LEN = 100, VERSIONS_AT = 18, FORMAT_AT = 60, APPLICATION_AT = 68 }; /* www.sqlite.org/fileformat.html */

char *cps_sqlite_join(const char *a, const char *b)
{
    char *text = NULL;
    return asprintf(&text, "%s%s", a, b) >= 0 ? text : NULL;
}

static cps_err_t failed(const char *path, const char *what)
{
    if (errno == ENOSPC || errno == EDQUOT)
        return cps_store_fail(CPS_ERR_STORE_FULL, "%s: %s (%s): free some space", path, what, strerror(errno));
    return cps_store_fail(CPS_ERR_STORE, "%s: %s (%s): make it writable for this user, or name another place", path,
                          what, strerror(errno));
}

/* A file or folder is there for good once the folder that names it is on disk. */
static cps_err_t sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cps_err_t err = fd < 0 || fsync(fd) != 0 ? failed(folder, "the folder cannot be synced") : CPS_OK;
    if (fd >= 0)
        close(fd);
    return err;
}

/* The folder that holds a path, on the heap. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static cps_err_t make_folder(const char *folder)
{
    struct stat at;
    if (stat(folder, &at) == 0)
        return CPS_OK;
    if (mkdir(folder, 0700) != 0)
        return errno == EEXIST ? CPS_OK : failed(folder, "the folder cannot be made");
    if (chmod(folder, 0700) != 0) /* a umask may have taken bits of ours */
        return failed(folder, "the folder cannot be made");
    char *above = folder_of(folder);
    if (above == NULL)
        return cps_store_fail(CPS_ERR_MEMORY, "no memory to open a store");
    cps_err_t err = sync_folder(above);
    free(above);
    return err;
}

/* Empty, with its mode from the first moment on: never readable by others, not even briefly. */
static cps_err_t make_file(const char *path, const char *folder)
{
    struct stat at;
    if (stat(path, &at) == 0)
        return CPS_OK;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno == EEXIST ? CPS_OK : failed(path, "the store cannot be made");
    cps_err_t err = CPS_OK;
    if (fchmod(fd, 0600) != 0 || fsync(fd) != 0)
        err = failed(path, "the store cannot be made");
    close(fd);
    return err == CPS_OK ? sync_folder(folder) : err;
}

cps_err_t cps_sqlite_file_make(const char *path)
{
    char *folder = folder_of(path);
    if (folder == NULL)
        return cps_store_fail(CPS_ERR_MEMORY, "no memory to open a store");
    cps_err_t err = make_file(path, folder);
    free(folder);
    return err;
}

static cps_err_t make(const char *path)
{
    char *folder = folder_of(path);
    if (folder == NULL)
        return cps_store_fail(CPS_ERR_MEMORY, "no memory to open a store");
    /* Alone, so that no other thread has SQLite open the new file before our descriptor of it is closed. */
    cps_store_process_enter();
    cps_err_t err = make_folder(folder);
    if (err == CPS_OK)
        err = make_file(path, folder);
    cps_store_process_leave();
    free(folder);
    return err;
}

cps_err_t cps_sqlite_file_find(const char *path, bool create, char **real)
{
    *real = NULL;
    if (path == NULL || path[0] == '\0')
        return cps_store_fail(CPS_ERR_ARGUMENT, "a store has to have a path");
    cps_err_t err = create ? make(path) : CPS_OK;
    if (err != CPS_OK)
        return err;
    *real = realpath(path, NULL);
    if (*real != NULL)
        return CPS_OK;
    if (errno == ENOENT || errno == ENOTDIR)
        return cps_store_fail(CPS_ERR_NOT_FOUND, "%s: there is no store here; coapsule key new makes one", path);
    return failed(path, "the store cannot be found");
}

static cps_err_t guard_one(const char *path, bool is_store)
{
    struct stat at;
    if (stat(path, &at) != 0)
        return errno == ENOENT && !is_store ? CPS_OK : failed(path, "the store cannot be looked at");
    if (!S_ISREG(at.st_mode))
        return cps_store_fail(CPS_ERR_STORE, "%s: not a plain file; name another path", path);
    if ((at.st_mode & 077U) != 0)
        return cps_store_fail(CPS_ERR_EXPOSED_SECRET, "%s: others can read or write it; chmod 600 %s", path, path);
    if (is_store && at.st_nlink != 1) /* each name would have a -wal and a .lock of its own */
        return cps_store_fail(CPS_ERR_STORE, "%s: the store has a second name (hard link); remove one of them", path);
    return CPS_OK;
}

cps_err_t cps_sqlite_file_guard(const char *real)
{
    static const char *const beside[] = {"-wal", "-shm", "-journal", ".lock"};
    cps_err_t err = guard_one(real, true);
    for (size_t i = 0; err == CPS_OK && i < sizeof beside / sizeof beside[0]; i++) {
        char *path = cps_sqlite_join(real, beside[i]);
        err = path != NULL ? guard_one(path, false) : cps_store_fail(CPS_ERR_MEMORY, "no memory to open a store");
        free(path);
    }
    return err;
}

cps_err_t cps_sqlite_check_format(const char *real, int64_t application_id, int64_t format)
{
    if (application_id != CPS_SQLITE_APPLICATION_ID || format < 1)
        return cps_store_fail(CPS_ERR_STORE_CORRUPT, "%s: not a store of coapsule, or damaged; name another path",
                              real);
    if (format > CPS_SQLITE_FORMAT)
        return cps_store_fail(CPS_ERR_STORE_FORMAT,
                              "%s: has format %lld, and this version knows format %d: use a newer version", real,
                              (long long)format, CPS_SQLITE_FORMAT);
    return CPS_OK;
}

/* Where a journal or a -wal stands beside it, the first page may be one that a power cut tore: SQLite makes it whole. */
static bool has_log(sqlite3_vfs *vfs, const char *real)
{
    static const char *const suffixes[] = {"-journal", "-wal"};
    int there = 0;
    for (size_t i = 0; i < 2 && there == 0; i++) {
        char *log = cps_sqlite_join(real, suffixes[i]);
        if (log != NULL)
            (void)vfs->xAccess(vfs, log, SQLITE_ACCESS_EXISTS, &there);
        free(log);
    }
    return there != 0;
}

static cps_err_t judge(sqlite3_vfs *vfs, const char *real, const uint8_t head[HEADER_LEN])
{
    uint32_t application_id = cps_be32(head + APPLICATION_AT);
    uint32_t format = cps_be32(head + FORMAT_AT);
    bool is_database = memcmp(head, MAGIC, sizeof MAGIC) == 0;
    bool is_newer = is_database && application_id == CPS_SQLITE_APPLICATION_ID && format > CPS_SQLITE_FORMAT;
    if (!is_newer && has_log(vfs, real))
        return CPS_OK;
    bool versions =
        head[VERSIONS_AT] <= 2 && head[VERSIONS_AT + 1] <= 2; /* or SQLite would not write, or not read, it */
    if (!is_database || !versions)
        return cps_store_fail(CPS_ERR_STORE_CORRUPT, "%s: not a store of coapsule, or damaged; name another path",
                              real);
    if (application_id == 0 && format == 0)
        return CPS_OK; /* its making was cut short: SQLite has to tell */
    return cps_sqlite_check_format(real, application_id, format);
}

cps_err_t cps_sqlite_file_peek(const char *real, const char *vfs_name, bool *empty)
{
    uint8_t head[HEADER_LEN] = {0};
    sqlite3_int64 size = 0;
    int flags = 0;
    sqlite3_vfs *vfs = sqlite3_vfs_find(vfs_name);
    if (vfs == NULL)
        return cps_store_fail(CPS_ERR_ARGUMENT, "there is no SQLite VFS named %s", vfs_name);
    sqlite3_file *file = calloc(1, (size_t)vfs->szOsFile);
    sqlite3_filename name = sqlite3_create_filename(real, "", "", 0, NULL);
    cps_err_t err;
    int rc = SQLITE_NOMEM;
    if (file != NULL && name != NULL)
        rc = vfs->xOpen(vfs, name, file, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB, &flags);
    if (rc == SQLITE_OK)
        rc = file->pMethods->xFileSize(file, &size);
    if (rc == SQLITE_OK && size != 0)
        rc = file->pMethods->xRead(file, head, HEADER_LEN, 0); /* a short read fills with zeros */
    *empty = rc == SQLITE_OK && size == 0;
    if (rc == SQLITE_OK || rc == SQLITE_IOERR_SHORT_READ)
        err = *empty ? CPS_OK : judge(vfs, real, head);
    else if (rc != SQLITE_NOMEM)
        err = failed(real, "the store cannot be read");
    else
        err = cps_store_fail(CPS_ERR_MEMORY, "no memory to open a store");
    if (file != NULL && file->pMethods != NULL)
        file->pMethods->xClose(file);
    sqlite3_free_filename(name);
    free(file);
    return err;
}
