// SPDX-License-Identifier: Apache-2.0
/* One end of a world: an endpoint with the state that survives its crashes. */
#ifndef CPS_SIM_WORLD_NODE_H
#define CPS_SIM_WORLD_NODE_H

#include "sim/spy.h"

#include <coapsule/core.h>

/** How an end goes down. */
typedef enum cps_sim_end { CPS_SIM_CLEAN, CPS_SIM_CRASH } cps_sim_end_t;

/** A lease that the store is at. */
typedef struct cps_sim_lease {
    cps_handle_t job;
    uint64_t ceiling;
    cps_time_us_t due_us; /**< CPS_TIME_NEVER: none */
} cps_sim_lease_t;

typedef struct cps_sim_node {
    cps_ep_t *ep;
    void *memory;
    size_t memory_size;
    cps_ep_config_t config;
    cps_spy_t *spy;
    cps_handle_t context;
    bool client;
    unsigned life;

    /* on disk */
    uint64_t ceiling;
    uint64_t saved_next;
    bool saved; /**< a clean exit saved number and window, and nothing was used since */
    bool window_known;
    uint64_t window_next;
    uint64_t window_seen;
    cps_sim_lease_t lease;
} cps_sim_node_t;

/** Make the end for the first time. CPS_ERR_MEMORY, CPS_ERR_CONFIG. */
CPS_MUST_USE cps_err_t cps_sim_node_init(cps_sim_node_t *node, cps_spy_t *spy, bool client,
                                         const cps_ep_config_t *config);

/** Take it down; what a lease under way leaves on disk is decided by `rng`. */
void cps_sim_node_down(cps_sim_node_t *node, cps_sim_end_t how, cps_rng_t *rng);

/** Bring it up again from what is on disk. */
CPS_MUST_USE cps_err_t cps_sim_node_up(cps_sim_node_t *node);

/** The store has a lease to grant; it takes until `due_us`. */
void cps_sim_node_ask(cps_sim_node_t *node, const cps_event_t *job, cps_time_us_t due_us);

/** The store is done, or refuses: tell the endpoint. */
CPS_MUST_USE cps_err_t cps_sim_node_grant(cps_sim_node_t *node, cps_time_us_t now_us, bool refuse);

/** Free all. */
void cps_sim_node_fini(cps_sim_node_t *node);

#endif /* CPS_SIM_WORLD_NODE_H */
