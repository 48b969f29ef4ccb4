// SPDX-License-Identifier: Apache-2.0
/* Whether this thread is inside a handler of a server. A call that would block there would stop the very loop that it
 * waits for, so it gives CPS_ERR_CALLED_INSIDE instead. */
#ifndef CPS_HOST_INSIDE_H
#define CPS_HOST_INSIDE_H

#include <stdbool.h>

/** A handler begins, and ends, on this thread. May be nested: one server can be stepped inside another's loop. */
void cps_inside_enter(void);
void cps_inside_leave(void);

/** Whether a handler runs on this thread now. */
bool cps_inside(void);

#endif /* CPS_HOST_INSIDE_H */
