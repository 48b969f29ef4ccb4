// SPDX-License-Identifier: Apache-2.0
/* How often each client may ask (RFC 8516). A client is whoever has the same credential, or, unprotected, the same address
 * without its port. There are so many places and no more: whoever asks least gives way. */
#ifndef CPS_SERVER_RATE_H
#define CPS_SERVER_RATE_H

#include "base/map.h"
#include "base/rng.h"

#define CPS_RATE_WAYS 4U
#define CPS_RATE_SETS 256U

typedef struct cps_rate_place {
    uint64_t client; /**< keyed hash; 0: free */
    cps_time_us_t since_us;
    uint32_t left;    /**< requests that it may still make, times 1000 */
    uint32_t refused; /**< requests of this second that were not let through */
    cps_time_us_t refused_us;
} cps_rate_place_t;

typedef struct cps_rate {
    uint32_t per_second; /**< 0: any */
    uint8_t seed[16];
    cps_rate_place_t places[CPS_RATE_SETS][CPS_RATE_WAYS];
} cps_rate_t;

typedef enum cps_rate_verdict {
    CPS_RATE_PASS,
    CPS_RATE_TELL,  /**< 4.29 */
    CPS_RATE_WARN,  /**< it was told and goes on: 5.03 */
    CPS_RATE_SILENT /**< refusals are limited too (§3) */
} cps_rate_verdict_t;

#define CPS_RATE_TOLD   3U /**< 4.29 that one client gets in a second */
#define CPS_RATE_WAIT_S 1U /**< Max-Age: by then a client may ask as often again as it may in a second */

/** None has asked yet. */
void cps_rate_init(cps_rate_t *rate, uint32_t per_second, cps_rng_t *rng);

/** A request of `client` at `now_us`. */
cps_rate_verdict_t cps_rate_take(cps_rate_t *rate, cps_time_us_t now_us, cps_bytes_t client);

#endif /* CPS_SERVER_RATE_H */
