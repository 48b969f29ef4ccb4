// SPDX-License-Identifier: Apache-2.0
/* A world of observations (RFC 7641) from a seed: a client watches a number that a server counts up, plain and sealed,
 * through loss, copies, delay and disorder, while the server crashes. What must hold:
 *
 *   no (key, nonce) is used twice; memory stays in its budget
 *   what an observation shows never goes back
 *   when the network is good again, every observation comes to show the last number
 *   when the client has had enough, nothing is left open at either end
 */
#ifndef CPS_SIM_WATCH_H
#define CPS_SIM_WATCH_H

#include "sim/world.h"

/** What became of it. */
typedef struct cps_watch_report {
    bool failed;
    char reason[CPS_WORLD_REASON_MAX]; /**< which invariant, and when */
    uint64_t steps;
    uint32_t watches; /**< observations, registrations that followed not counted */
    uint32_t changes; /**< of the number */
    uint32_t shown;   /**< responses that showed a number */
    uint32_t again;   /**< registrations after a failure or an end */
    uint32_t stale;   /**< times that a number was too old to count */
    uint32_t crashes; /**< of the server */
} cps_watch_report_t;

/** Live through the world of a seed with `crypto` behind a spy; `trace` as in cps_world_run. CPS_ERR_MEMORY,
 * CPS_ERR_CONFIG. */
CPS_MUST_USE cps_err_t cps_watch_run(uint64_t seed, cps_crypto_t *crypto, FILE *trace, cps_watch_report_t *report);

#endif /* CPS_SIM_WATCH_H */
