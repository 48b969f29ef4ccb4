// SPDX-License-Identifier: Apache-2.0
/* Structs of callers that begin with their size: those of an older header are shorter, and what they lack is zero. */
#ifndef CPS_BASE_SIZED_H
#define CPS_BASE_SIZED_H

#include "base/bytes.h"

/** Copy the struct at `from`, whose first member is its size, to `to` of `room` bytes. False where it says no size, or one
 * that is larger than this library knows. */
static inline bool cps_sized_copy(void *to, size_t room, const void *from)
{
    size_t size = 0;
    memset(to, 0, room);
    if (from != NULL)
        memcpy(&size, from, sizeof size);
    if (size < sizeof size || size > room)
        return false;
    memcpy(to, from, size);
    return true;
}

#endif /* CPS_BASE_SIZED_H */
