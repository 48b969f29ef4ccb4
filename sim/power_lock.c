// SPDX-License-Identifier: Apache-2.0
#include "sim/power_lock.h"

#include <stdlib.h>

#include <sqlite3.h>

static bool of_another(const void *owner, const cps_power_holder_t *holder) { return owner != NULL && owner != holder; }

static int lock_shared(cps_power_holder_t *h)
{
    cps_power_locks_t *l = &h->file->locks;
    if (of_another(l->pending, h) || of_another(l->exclusive, h))
        return SQLITE_BUSY;
    l->shared++;
    h->level = SQLITE_LOCK_SHARED;
    return SQLITE_OK;
}

static int lock_reserved(cps_power_holder_t *h)
{
    cps_power_locks_t *l = &h->file->locks;
    if (of_another(l->reserved, h) || of_another(l->pending, h))
        return SQLITE_BUSY;
    l->reserved = h;
    h->level = SQLITE_LOCK_RESERVED;
    return SQLITE_OK;
}

/* While it waits for the readers to go, "pending" keeps new ones out. */
static int lock_exclusive(cps_power_holder_t *h)
{
    cps_power_locks_t *l = &h->file->locks;
    if (of_another(l->reserved, h) || of_another(l->pending, h))
        return SQLITE_BUSY;
    l->pending = h;
    h->level = SQLITE_LOCK_PENDING;
    if (l->shared > 1)
        return SQLITE_BUSY;
    l->exclusive = h;
    h->level = SQLITE_LOCK_EXCLUSIVE;
    return SQLITE_OK;
}

int cps_power_lock(cps_power_holder_t *holder, int level)
{
    if (holder->level >= level)
        return SQLITE_OK;
    if (level == SQLITE_LOCK_SHARED)
        return lock_shared(holder);
    return level == SQLITE_LOCK_RESERVED ? lock_reserved(holder) : lock_exclusive(holder);
}

void cps_power_unlock(cps_power_holder_t *holder, int level)
{
    cps_power_locks_t *l = &holder->file->locks;
    if (holder->level <= level)
        return;
    l->reserved = l->reserved == holder ? NULL : l->reserved;
    l->pending = l->pending == holder ? NULL : l->pending;
    l->exclusive = l->exclusive == holder ? NULL : l->exclusive;
    l->shared -= level == SQLITE_LOCK_NONE;
    holder->level = level;
}

int cps_power_shm_map(cps_power_holder_t *holder, int region, int size, bool extend, void volatile **out)
{
    cps_power_file_t *f = holder->file;
    f->shm_users += !holder->uses_shm;
    holder->uses_shm = true;
    if ((size_t)region >= f->shm_count && !extend)
        return SQLITE_OK;
    while ((size_t)region >= f->shm_count) {
        void **more = realloc(f->shm, (f->shm_count + 1) * sizeof *more);
        if (more == NULL)
            return SQLITE_NOMEM;
        f->shm = more;
        f->shm[f->shm_count] = calloc(1, (size_t)size);
        if (f->shm[f->shm_count] == NULL)
            return SQLITE_NOMEM;
        f->shm_count++;
    }
    *out = f->shm[region];
    return SQLITE_OK;
}

static void release(cps_power_holder_t *h, unsigned slots)
{
    cps_power_locks_t *l = &h->file->locks;
    for (unsigned i = 0; i < CPS_POWER_SLOTS; i++) {
        unsigned bit = slots & 1U << i;
        l->slot_shared[i] -= (h->slot_shared & bit) != 0;
        if ((h->slot_exclusive & bit) != 0)
            l->slot_exclusive[i] = NULL;
    }
    h->slot_shared &= ~slots;
    h->slot_exclusive &= ~slots;
}

static bool is_free(const cps_power_holder_t *h, unsigned slot, bool exclusively)
{
    const cps_power_locks_t *l = &h->file->locks;
    unsigned mine = (h->slot_shared >> slot) & 1U;
    return !of_another(l->slot_exclusive[slot], h) && (!exclusively || l->slot_shared[slot] == mine);
}

int cps_power_shm_lock(cps_power_holder_t *holder, int at, int count, int flags)
{
    cps_power_locks_t *l = &holder->file->locks;
    unsigned slots = ((1U << (unsigned)count) - 1U) << (unsigned)at;
    bool exclusively = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    if ((flags & SQLITE_SHM_UNLOCK) != 0) {
        release(holder, slots);
        return SQLITE_OK;
    }
    for (unsigned i = 0; i < CPS_POWER_SLOTS; i++)
        if ((slots & 1U << i) != 0 && !is_free(holder, i, exclusively))
            return SQLITE_BUSY;
    for (unsigned i = 0; i < CPS_POWER_SLOTS; i++) {
        unsigned bit = slots & 1U << i;
        if (bit != 0 && exclusively)
            l->slot_exclusive[i] = holder;
        else if (bit != 0)
            l->slot_shared[i] += (holder->slot_shared & bit) == 0;
    }
    holder->slot_exclusive |= exclusively ? slots : 0U;
    holder->slot_shared |= exclusively ? 0U : slots;
    return SQLITE_OK;
}

void cps_power_shm_unmap(cps_power_holder_t *holder)
{
    if (!holder->uses_shm)
        return;
    holder->uses_shm = false;
    release(holder, (1U << CPS_POWER_SLOTS) - 1U);
    if (--holder->file->shm_users == 0)
        cps_power_drop_shm(holder->file);
}
