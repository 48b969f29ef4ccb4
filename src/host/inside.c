// SPDX-License-Identifier: Apache-2.0
#include "host/inside.h"

/* A thread's own, as its stack is: client and server have no object in common that could know it. */
static _Thread_local unsigned depth;

void cps_inside_enter(void) { depth++; }

void cps_inside_leave(void) { depth--; }

bool cps_inside(void) { return depth != 0; }
