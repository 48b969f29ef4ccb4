// SPDX-License-Identifier: Apache-2.0
/* Locks and shared memory of the files in sim/power.h, between connections of one process. */
#ifndef CPS_SIM_POWER_LOCK_H
#define CPS_SIM_POWER_LOCK_H

#include "sim/power_disk.h"

/** What one handle holds of its file. */
typedef struct cps_power_holder {
    cps_power_file_t *file;
    int level;            /* SQLITE_LOCK_... */
    unsigned slot_shared; /* a bit a slot */
    unsigned slot_exclusive;
    bool uses_shm;
} cps_power_holder_t;

/** As xLock of sqlite3_io_methods: SQLITE_OK or SQLITE_BUSY. */
int cps_power_lock(cps_power_holder_t *holder, int level);

/** As xUnlock. */
void cps_power_unlock(cps_power_holder_t *holder, int level);

/** As xShmMap: regions on the heap. SQLITE_OK, SQLITE_NOMEM. */
int cps_power_shm_map(cps_power_holder_t *holder, int region, int size, bool extend, void volatile **out);

/** As xShmLock: SQLITE_OK or SQLITE_BUSY. */
int cps_power_shm_lock(cps_power_holder_t *holder, int at, int count, int flags);

/** As xShmUnmap: the last one frees the regions. */
void cps_power_shm_unmap(cps_power_holder_t *holder);

#endif /* CPS_SIM_POWER_LOCK_H */
