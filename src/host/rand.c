// SPDX-License-Identifier: Apache-2.0
#include "host/rand.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

static void system_fill(void *state, uint8_t *to, size_t len)
{
    (void)state;
    while (len != 0) {
        ssize_t n = getrandom(to, len, 0);
        if (n < 0 && errno != EINTR)
            abort(); /* guessable tokens and keys are worse than no process */
        if (n > 0) {
            to += n;
            len -= (size_t)n;
        }
    }
}

cps_rng_t cps_rand_system(void) { return (cps_rng_t){system_fill, NULL}; }
