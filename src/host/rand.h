// SPDX-License-Identifier: Apache-2.0
/* The system's randomness as the injected source of base/rng.h. */
#ifndef CPS_HOST_RAND_H
#define CPS_HOST_RAND_H

#include "base/rng.h"

/** Bytes of getrandom(2). Any thread. Ends the process where the kernel gives none, rather than going on. */
cps_rng_t cps_rand_system(void);

#endif /* CPS_HOST_RAND_H */
