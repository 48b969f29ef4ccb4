// SPDX-License-Identifier: Apache-2.0
/* Who owns a context: one byte of a side file, held by an fcntl lock (docs/adr/0003-owner-lock.md).
 *
 * The kernel frees such a lock when its process ends, however it ends, and names the holder's pid. Two things about it
 * are traps, and both are why the descriptors stand in one list for the whole process:
 *   - closing any descriptor of a file drops every lock that the process has on the file, so the file is opened once a
 *     process, however many stores use it;
 *   - the kernel never lets a process conflict with itself, so the list also says which bytes this process holds. */
#ifndef CPS_STORE_LOCK_H
#define CPS_STORE_LOCK_H

#include "store/common.h"

typedef struct cps_store_lockfile cps_store_lockfile_t;

/** The lock file at that path, made with mode 0600 where it is not there. CPS_ERR_EXPOSED_SECRET where others may open
 * it (they could hold a lock for ever), CPS_ERR_STORE, CPS_ERR_STORE_FULL, CPS_ERR_MEMORY. */
CPS_MUST_USE cps_err_t cps_store_lock_open(cps_store_lockfile_t **out, const char *path);

/** Give up the use of it; the last one closes it. All places have to be given up before. NULL is none. */
void cps_store_lock_close(cps_store_lockfile_t *file);

/** CPS_ERR_STORE where the path names another file by now: a lock on ours would keep nobody out. */
CPS_MUST_USE cps_err_t cps_store_lock_verify(const cps_store_lockfile_t *file, const char *path);

/** Hold a place: CPS_OK; CPS_ERR_IN_USE with the owner's pid, or 0 where the kernel does not tell; CPS_ERR_STORE. */
CPS_MUST_USE cps_err_t cps_store_lock_take(cps_store_lockfile_t *file, uint64_t place, int64_t *owner_pid);

/** Give up a place that is held. */
void cps_store_lock_give(cps_store_lockfile_t *file, uint64_t place);

/** Hold all places at once, those of keys to come too: CPS_OK; CPS_ERR_IN_USE with the pid of an owner, or 0;
 * CPS_ERR_STORE. */
CPS_MUST_USE cps_err_t cps_store_lock_take_all(cps_store_lockfile_t *file, int64_t *owner_pid);

/** Give them up. */
void cps_store_lock_give_all(cps_store_lockfile_t *file);

/** The first `len` bytes of the file; false where there are not as many. */
bool cps_store_lock_read(const cps_store_lockfile_t *file, void *to, size_t len);

/** Write them, not synced; false where it failed. */
bool cps_store_lock_write(const cps_store_lockfile_t *file, const void *from, size_t len);

/** Enter a part that one thread of the process at a time may be in: making a file that others may open. */
void cps_store_process_enter(void);

/** Leave it again. */
void cps_store_process_leave(void);

#endif /* CPS_STORE_LOCK_H */
