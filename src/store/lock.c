// SPDX-License-Identifier: Apache-2.0
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct cps_store_lockfile {
    cps_store_lockfile_t *next;
    dev_t dev;
    ino_t ino;
    pid_t pid; /* fcntl locks do not pass to a child of fork: there its entries are not ours */
    int fd;
    unsigned users;
    bool all_held;         /* every place, those of keys to come too */
    cps_store_bits_t held; /* by any store of this process */
};

/* The one state of the house that belongs to a process, not to an object: so are the locks of the kernel. */
static struct {
    pthread_mutex_t mutex;
    cps_store_lockfile_t *files;
} lock_registry = {PTHREAD_MUTEX_INITIALIZER, NULL};

void cps_store_process_enter(void) { pthread_mutex_lock(&lock_registry.mutex); }

void cps_store_process_leave(void) { pthread_mutex_unlock(&lock_registry.mutex); }

static cps_store_lockfile_t *find(const struct stat *at)
{
    for (cps_store_lockfile_t *f = lock_registry.files; f != NULL; f = f->next)
        if (f->dev == at->st_dev && f->ino == at->st_ino && f->pid == getpid())
            return f;
    return NULL;
}

static cps_err_t add(cps_store_lockfile_t **out, int fd, const struct stat *at)
{
    cps_store_lockfile_t *f = calloc(1, sizeof *f);
    if (f == NULL) {
        close(fd);
        return cps_store_fail(CPS_ERR_MEMORY, "no memory for a lock file");
    }
    *f = (cps_store_lockfile_t){
        .next = lock_registry.files, .dev = at->st_dev, .ino = at->st_ino, .pid = getpid(), .fd = fd};
    lock_registry.files = f;
    *out = f;
    return CPS_OK;
}

static cps_err_t open_failed(const char *path)
{
    bool full = errno == ENOSPC || errno == EDQUOT;
    return cps_store_fail(full ? CPS_ERR_STORE_FULL : CPS_ERR_STORE, "%s: cannot be opened (%s): %s", path,
                          strerror(errno), full ? "free some space" : "make it writable for this user");
}

static cps_err_t guard(const char *path, const struct stat *at)
{
    if (!S_ISREG(at->st_mode))
        return cps_store_fail(CPS_ERR_STORE, "%s: not a plain file; move it away", path);
    if ((at->st_mode & 077U) != 0)
        return cps_store_fail(CPS_ERR_EXPOSED_SECRET, "%s: others may open it; chmod 600 %s", path, path);
    return CPS_OK;
}

/* Open a file that is not in the list yet, and put it there. */
static cps_err_t open_new(cps_store_lockfile_t **out, const char *path)
{
    struct stat at;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && fchmod(fd, 0600) != 0) { /* a umask may have taken bits of ours */
        cps_err_t err = open_failed(path);
        close(fd);
        return err;
    }
    if (fd < 0 && errno == EEXIST)
        fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &at) != 0) {
        cps_err_t err = open_failed(path);
        if (fd >= 0)
            close(fd);
        return err;
    }
    *out = find(&at);
    if (*out != NULL)
        return CPS_OK; /* renamed between stat and open: `fd` stays open, closing it would drop the locks */
    cps_err_t err = guard(path, &at);
    if (err != CPS_OK) {
        close(fd);
        return err;
    }
    return add(out, fd, &at);
}

cps_err_t cps_store_lock_open(cps_store_lockfile_t **out, const char *path)
{
    struct stat at;
    cps_err_t err = CPS_OK;
    *out = NULL;
    cps_store_process_enter();
    if (stat(path, &at) == 0)
        *out = find(&at);
    if (*out == NULL)
        err = open_new(out, path);
    if (*out != NULL)
        (*out)->users++;
    cps_store_process_leave();
    return err;
}

void cps_store_lock_close(cps_store_lockfile_t *file)
{
    if (file == NULL || file->pid != getpid())
        return;
    cps_store_process_enter();
    if (--file->users == 0) {
        cps_store_lockfile_t **at = &lock_registry.files;
        while (*at != file)
            at = &(*at)->next;
        *at = file->next;
        close(file->fd);
        cps_store_bits_free(&file->held);
        free(file);
    }
    cps_store_process_leave();
}

cps_err_t cps_store_lock_verify(const cps_store_lockfile_t *file, const char *path)
{
    struct stat at;
    if (stat(path, &at) == 0 && at.st_dev == file->dev && at.st_ino == file->ino)
        return CPS_OK;
    return cps_store_fail(CPS_ERR_STORE, "%s: was removed or replaced while in use; start this process anew", path);
}

/* `len` places from one on; 0: all that follow. */
static cps_err_t hold(cps_store_lockfile_t *file, uint64_t place, off_t len, int64_t *owner_pid)
{
    enum { TRIES = 3 }; /* the owner may go between refusal and question */
    for (int i = 0; i < TRIES; i++) {
        struct flock want = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)place, .l_len = len};
        if (fcntl(file->fd, F_SETLK, &want) == 0)
            return CPS_OK;
        if (errno != EACCES && errno != EAGAIN)
            return cps_store_fail(CPS_ERR_STORE, "the lock file cannot be locked (%s): keep the store on a local disk",
                                  strerror(errno));
        if (fcntl(file->fd, F_GETLK, &want) == 0 && want.l_type != F_UNLCK) {
            *owner_pid = want.l_pid > 0 ? want.l_pid : 0; /* 0: in another pid namespace */
            break;
        }
    }
    return *owner_pid != 0 ? cps_store_fail(CPS_ERR_IN_USE, "context in use by pid %lld", (long long)*owner_pid)
                           : cps_store_fail(CPS_ERR_IN_USE, "context in use by another process");
}

static cps_err_t held_here(int64_t *owner_pid)
{
    *owner_pid = getpid();
    return cps_store_fail(CPS_ERR_IN_USE, "context in use by this process already (pid %lld)", (long long)*owner_pid);
}

cps_err_t cps_store_lock_take(cps_store_lockfile_t *file, uint64_t place, int64_t *owner_pid)
{
    cps_err_t err;
    *owner_pid = 0;
    cps_store_process_enter();
    if (cps_store_bits_has(&file->held, place) || file->all_held) {
        err = held_here(owner_pid);
    } else {
        err = cps_store_bits_add(&file->held, place);
        if (err == CPS_OK && (err = hold(file, place, 1, owner_pid)) != CPS_OK)
            cps_store_bits_remove(&file->held, place);
    }
    cps_store_process_leave();
    return err;
}

void cps_store_lock_give(cps_store_lockfile_t *file, uint64_t place)
{
    struct flock none = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = (off_t)place, .l_len = 1};
    cps_store_process_enter();
    if (file->pid == getpid() && cps_store_bits_has(&file->held, place) && fcntl(file->fd, F_SETLK, &none) == 0)
        cps_store_bits_remove(&file->held, place);
    cps_store_process_leave();
}

cps_err_t cps_store_lock_take_all(cps_store_lockfile_t *file, int64_t *owner_pid)
{
    *owner_pid = 0;
    cps_store_process_enter();
    bool any = file->all_held;
    for (size_t i = 0; i < file->held.count; i++)
        any |= file->held.words[i] != 0;
    cps_err_t err = any ? held_here(owner_pid) : hold(file, 1, 0, owner_pid);
    file->all_held |= err == CPS_OK;
    cps_store_process_leave();
    return err;
}

void cps_store_lock_give_all(cps_store_lockfile_t *file)
{
    struct flock none = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 0};
    cps_store_process_enter();
    if (file->pid == getpid() && file->all_held && fcntl(file->fd, F_SETLK, &none) == 0)
        file->all_held = false;
    cps_store_process_leave();
}

bool cps_store_lock_read(const cps_store_lockfile_t *file, void *to, size_t len)
{
    return pread(file->fd, to, len, 0) == (ssize_t)len;
}

bool cps_store_lock_write(const cps_store_lockfile_t *file, const void *from, size_t len)
{
    return pwrite(file->fd, from, len, 0) == (ssize_t)len;
}
