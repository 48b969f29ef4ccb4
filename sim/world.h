// SPDX-License-Identifier: Apache-2.0
/* A world from a seed: a client, a server, the network and an attacker between them, crashes and power cuts, in virtual
 * time and with the engine that ships. After each step the invariants of docs/architecture.md are checked:
 *
 *   no (key, nonce) is used twice over the whole history, restarts included
 *   no (context, Partial IV) reaches a handler twice, restarts included
 *   no plain unsafe request reaches a handler twice within one life of the server
 *   no sealed POST or PATCH runs twice; no answer that is unsealed or another's is delivered to a sealed request
 *   every request gets one end; memory stays in its budget; in the end nothing is left open
 */
#ifndef CPS_SIM_WORLD_H
#define CPS_SIM_WORLD_H

#include "crypto/provider.h"

#include <stdio.h>

#define CPS_WORLD_REASON_MAX 256U

/** What became of a world. */
typedef struct cps_world_report {
    bool failed;
    char reason[CPS_WORLD_REASON_MAX]; /**< which invariant, and when */
    uint64_t steps;
    uint32_t requests;
    uint32_t answered;
    uint32_t unknown; /**< ended as outcome unknown */
    uint32_t handled; /**< handler runs */
    uint32_t crashes;
    uint32_t challenged;
    uint32_t relayed;  /**< worlds with a proxy on the way: ours, */
    uint32_t strange;  /**< and one of another make */
    uint32_t jumps;    /**< of a clock */
    uint64_t ended_us; /**< virtual time that it took */
} cps_world_report_t;

/**
 * Live through the world of a seed with `crypto` behind a spy. `trace` (may be NULL) gets a line for each thing that
 * happens. CPS_ERR_MEMORY; else CPS_OK, and the report tells.
 */
CPS_MUST_USE cps_err_t cps_world_run(uint64_t seed, cps_crypto_t *crypto, FILE *trace, cps_world_report_t *report);

#endif /* CPS_SIM_WORLD_H */
