// SPDX-License-Identifier: Apache-2.0
/* A fixed number of equal objects, taken and given back in constant time. Objects begin with cps_pool_head_t; a handle
 * joins index and generation, so that a stale one is told apart from the object that took the place. */
#ifndef CPS_BASE_POOL_H
#define CPS_BASE_POOL_H

#include "base/arena.h"

#define CPS_NONE UINT32_MAX /* no object, no index */

/** First member of every pooled object. */
typedef struct cps_pool_head {
    uint32_t next_free;
    uint32_t generation; /**< odd while the object is in use */
} cps_pool_head_t;

typedef struct cps_pool {
    uint8_t *base;
    size_t stride;
    uint32_t limit;     /**< objects in all */
    uint32_t touched;   /**< objects from here on were never used */
    uint32_t free_head; /**< CPS_NONE where the list is empty */
    uint32_t used;
} cps_pool_t;

/** Lay out `limit` objects of `size` bytes in the arena. */
void cps_pool_init(cps_pool_t *p, cps_arena_t *a, uint32_t limit, size_t size);

/** An object with everything but its head zeroed, or NULL where the pool is at its limit. */
void *cps_pool_take(cps_pool_t *p);

/** Give an object back; every handle of it is stale from now on. */
void cps_pool_give(cps_pool_t *p, void *object);

/** The object of an index below the limit, in use or not. */
static inline void *cps_pool_at(const cps_pool_t *p, uint32_t index) { return p->base + (size_t)index * p->stride; }

/** The index of an object of this pool. */
static inline uint32_t cps_pool_index(const cps_pool_t *p, const void *object)
{
    return (uint32_t)((size_t)((const uint8_t *)object - p->base) / p->stride);
}

/** Whether the object of that index is in use. */
bool cps_pool_live(const cps_pool_t *p, uint32_t index);

/** The handle of an object in use; never 0. */
uint64_t cps_pool_handle(const cps_pool_t *p, const void *object);

/** The object of a handle, or NULL where it is stale or was never given out. */
void *cps_pool_find(const cps_pool_t *p, uint64_t handle);

/** A list of pooled objects by index, linked through a uint32_t member of theirs at the offset `link`. */
typedef struct cps_list {
    uint32_t first;
    uint32_t last;
} cps_list_t;

/** The list without an object. (A zeroed one is not empty: it holds object 0.) */
#define CPS_LIST_EMPTY ((cps_list_t){CPS_NONE, CPS_NONE})

/** Append an object that is in no list through this link. */
void cps_list_push(cps_list_t *list, const cps_pool_t *p, size_t link, void *object);

/** Put it first. */
void cps_list_push_front(cps_list_t *list, const cps_pool_t *p, size_t link, void *object);

/** Take the first one off, or NULL. */
void *cps_list_pop(cps_list_t *list, const cps_pool_t *p, size_t link);

/** Take an object out wherever it stands; nothing happens where it is not in the list. Walks the list. */
void cps_list_remove(cps_list_t *list, const cps_pool_t *p, size_t link, const void *object);

#endif /* CPS_BASE_POOL_H */
