// SPDX-License-Identifier: Apache-2.0
/* Inside of the disk that can lose its power: files, what of them is synced, and what a cut leaves. */
#ifndef CPS_SIM_POWER_DISK_H
#define CPS_SIM_POWER_DISK_H

#include "base/rng.h"

#define CPS_POWER_SLOTS 8U /* locks of shared memory that SQLite asks for */

/** Bytes that grow. */
typedef struct cps_power_image {
    uint8_t *bytes;
    size_t size;
    size_t room;
} cps_power_image_t;

/** A change that was not synced yet: a write, or a truncation (no bytes). */
typedef struct cps_power_op {
    uint64_t at;
    uint8_t *bytes; /* NULL: cut the file off at `at` */
    size_t len;
} cps_power_op_t;

/** Who of the open handles holds what; forgotten by a cut. */
typedef struct cps_power_locks {
    unsigned shared;
    const void *reserved;
    const void *pending;
    const void *exclusive;
    unsigned slot_shared[CPS_POWER_SLOTS];
    const void *slot_exclusive[CPS_POWER_SLOTS];
} cps_power_locks_t;

/** A file. Two may have one name, where one is deleted and not gone from the disk yet. */
typedef struct cps_power_file {
    struct cps_power_file *next;
    char *name;
    bool linked;            /* the folder names it, as seen now */
    bool on_disk;           /* the folder on the disk names it */
    bool syncs_folder;      /* its first sync syncs the folder too, as SQLite does for what it made */
    cps_power_image_t live; /* as seen now */
    cps_power_image_t disk; /* synced */
    cps_power_op_t *ops;    /* since then */
    size_t op_count;
    size_t op_room;
    unsigned opens;
    cps_power_locks_t locks;
    void **shm; /* regions of shared memory */
    size_t shm_count;
    size_t shm_users;
} cps_power_file_t;

typedef struct cps_power_disk {
    cps_power_file_t *files;
    cps_rng_seeded_t seeded;
    cps_rng_t rng;
} cps_power_disk_t;

/** The file that the folder names so now; NULL. */
cps_power_file_t *cps_power_find(const cps_power_disk_t *disk, const char *name);

/** A new empty file; with `on_disk` it and its name are synced. NULL without memory. */
cps_power_file_t *cps_power_make(cps_power_disk_t *disk, const char *name, bool on_disk);

/** Write; false without memory. */
bool cps_power_write(cps_power_file_t *file, uint64_t at, const void *from, size_t len);

/** Truncate; false without memory. */
bool cps_power_truncate(cps_power_file_t *file, uint64_t size);

/** All of a file is on the disk; and the names in the folder, where the file asks for it. */
void cps_power_sync(cps_power_disk_t *disk, cps_power_file_t *file);

/** A sync that fails: of what was not synced some is on the disk by chance, the rest never will be, and what is seen of
 * it may be gone too. */
void cps_power_sync_lost(cps_power_disk_t *disk, cps_power_file_t *file);

/** Take the name out of the folder; `synced`: on the disk too. */
void cps_power_unlink(cps_power_disk_t *disk, cps_power_file_t *file, bool synced);

/** No handle is open any more: gone, where nothing names it. */
void cps_power_let_go(cps_power_disk_t *disk, cps_power_file_t *file);

/** What a cut leaves is all there is. Every handle is dead: none may touch its file again. */
void cps_power_settle(cps_power_disk_t *disk);

/** Forget the shared memory of a file. */
void cps_power_drop_shm(cps_power_file_t *file);

/** Free all files. */
void cps_power_disk_fini(cps_power_disk_t *disk);

#endif /* CPS_SIM_POWER_DISK_H */
