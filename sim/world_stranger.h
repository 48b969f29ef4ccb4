// SPDX-License-Identifier: Apache-2.0
/* A proxy of another make, which knows nothing of OSCORE: it keeps a table of tokens and little else. It forwards each
 * copy of a request as a new one, does not retransmit, and says 5.04 whenever it likes. What is sealed has to bear that. */
#ifndef CPS_SIM_WORLD_STRANGER_H
#define CPS_SIM_WORLD_STRANGER_H

#include "base/rng.h"
#include "wire/msg.h"

#define CPS_SIM_FLOWS 64U

typedef struct cps_sim_flow {
    cps_addr_t client;
    uint8_t token[CPS_TOKEN_MAX];
    uint8_t token_len;
    uint8_t type;
    uint16_t mid;
} cps_sim_flow_t;

typedef struct cps_sim_stranger {
    cps_addr_t front;
    cps_addr_t back;
    cps_addr_t origin;
    cps_rng_t rng;
    uint32_t hasty_percent; /**< so many requests get 5.04 although they are forwarded */
    uint32_t next;          /**< flow number, and its token to the origin */
    cps_sim_flow_t flows[CPS_SIM_FLOWS];
} cps_sim_stranger_t;

/** A message that it sends. */
typedef struct cps_sim_forward {
    cps_addr_t from;
    cps_addr_t to;
    cps_bytes_t bytes;
} cps_sim_forward_t;

#define CPS_SIM_FORWARDS  2U
#define CPS_SIM_FORWARD_B 700U /* bytes of one */

/** What it makes of a datagram that came to `to`: `out` views `store`. How many it sends. */
size_t cps_sim_stranger_input(cps_sim_stranger_t *stranger, const cps_datagram_t *datagram,
                              cps_sim_forward_t out[CPS_SIM_FORWARDS],
                              uint8_t store[CPS_SIM_FORWARDS][CPS_SIM_FORWARD_B]);

#endif /* CPS_SIM_WORLD_STRANGER_H */
