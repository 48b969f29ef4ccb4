// SPDX-License-Identifier: Apache-2.0
/* A disk that can lose its power, as an SQLite VFS over files in memory.
 *
 * What is written, truncated, made or deleted is seen at once and is on the disk only after a sync, as with the cache of
 * an operating system. A cut comes at a chosen call. It keeps of what was not synced whatever the seed says: nothing,
 * all, the first so many calls, single sectors, or calls out of their order; one sector may be torn. Every file that was
 * open is dead from then on; cps_power_on brings back what the disk kept. A sync that fails loses what it was to write,
 * as Linux does: a later sync does not bring it back. Locks and the shared memory of a -wal work between connections of
 * one process. One thread at a time. */
#ifndef CPS_SIM_POWER_H
#define CPS_SIM_POWER_H

#include "base/rng.h"

/** What goes wrong with calls while the power is on. */
typedef enum cps_power_fault {
    CPS_POWER_SOUND,
    CPS_POWER_FULL,        /**< no space: part of a write may get through */
    CPS_POWER_READ_ONLY,   /**< remounted so: every change is refused with EROFS */
    CPS_POWER_WRITE_FAILS, /**< EIO */
    CPS_POWER_SYNC_FAILS,  /**< EIO; what was to be synced is lost, or is on the disk, by chance */
    CPS_POWER_READ_FAILS   /**< EIO */
} cps_power_fault_t;

typedef struct cps_power cps_power_t;

/** A disk without files, registered with SQLite under cps_power_vfs. A main database that is not there is made, empty
 * and synced, where the path names a file of the system: callers make, guard and lock that one. CPS_ERR_MEMORY. */
CPS_MUST_USE cps_err_t cps_power_new(cps_power_t **out, uint64_t seed);

/** Take it out of SQLite and forget all. Connections have to be closed before. NULL is none. */
void cps_power_free(cps_power_t *power);

/** The name for sqlite3_open_v2. */
const char *cps_power_vfs(const cps_power_t *power);

/** How many calls changed something so far: writes, truncations, syncs, deletions, files made. */
uint64_t cps_power_calls(const cps_power_t *power);

/** Cut the power in the middle of the call that comes after `calls` more; CPS_POWER_NEVER takes it back. */
void cps_power_cut_after(cps_power_t *power, uint64_t calls);
#define CPS_POWER_NEVER UINT64_MAX

/** Cut it now. */
void cps_power_cut(cps_power_t *power);

/** Whether it is cut. */
bool cps_power_is_cut(const cps_power_t *power);

/** Power is back: all files are what the disk kept. Without a cut before it is one now. */
void cps_power_on(cps_power_t *power);

/** After `after` calls that would fail so, let `times` of them fail (CPS_POWER_NEVER: all, until told otherwise). */
void cps_power_fail(cps_power_t *power, cps_power_fault_t fault, uint64_t after, uint64_t times);

/** The bytes of a file as they are seen now, until the next change; no bytes where there is none. */
cps_bytes_t cps_power_bytes(const cps_power_t *power, const char *path);

/** Turn over one bit of a file, on the disk and as it is seen. */
void cps_power_flip(cps_power_t *power, const char *path, uint64_t bit);

#endif /* CPS_SIM_POWER_H */
