// SPDX-License-Identifier: Apache-2.0
/* One node of a world: an endpoint with its clock and the state that survives its crashes. */
#ifndef CPS_SIM_WORLD_NODE_H
#define CPS_SIM_WORLD_NODE_H

#include "sim/spy.h"

#include <coapsule/core.h>

/** What a node is; also its number on the network. */
typedef enum cps_sim_role { CPS_SIM_CLIENT, CPS_SIM_SERVER, CPS_SIM_PROXY, CPS_SIM_NODES } cps_sim_role_t;

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
    cps_sim_role_t role;
    unsigned life;
    int64_t skew_us; /**< its clock is so far ahead of the world's */
    bool slowed;     /**< its clock stood still or went back: what it holds for fresh may be older */

    /* on disk */
    uint64_t ceiling;
    uint64_t saved_next;
    bool saved; /**< a clean exit saved number and window, and nothing was used since */
    bool window_known;
    uint64_t window_next;
    uint64_t window_seen;
    cps_sim_lease_t lease;
} cps_sim_node_t;

/** "client", "server", "proxy". */
const char *cps_sim_role_name(cps_sim_role_t role);

/** What its clock shows at a time of the world. */
static inline cps_time_us_t cps_sim_node_now(const cps_sim_node_t *node, cps_time_us_t world_us)
{
    return world_us + (cps_time_us_t)node->skew_us;
}

/** When it has to be ticked next, in the world's time; CPS_TIME_NEVER where nothing is open. */
cps_time_us_t cps_sim_node_next(const cps_sim_node_t *node);

/** Set its clock forward, or back. */
void cps_sim_node_jump(cps_sim_node_t *node, int64_t by_us);

/** Make the end for the first time; a proxy has no keys. CPS_ERR_MEMORY, CPS_ERR_CONFIG. */
CPS_MUST_USE cps_err_t cps_sim_node_init(cps_sim_node_t *node, cps_spy_t *spy, cps_sim_role_t role,
                                         const cps_ep_config_t *config);

/** Whether nothing was written behind the memory that the endpoint was given. */
bool cps_sim_node_is_whole(const cps_sim_node_t *node);

/** Take it down; what a lease under way leaves on disk is decided by `rng`. */
void cps_sim_node_down(cps_sim_node_t *node, cps_sim_end_t how, cps_rng_t *rng);

/** Bring it up again from what is on disk. */
CPS_MUST_USE cps_err_t cps_sim_node_up(cps_sim_node_t *node);

/** The store has a lease to grant; it takes until `due_us`. */
void cps_sim_node_ask(cps_sim_node_t *node, const cps_event_t *job, cps_time_us_t due_us);

/** The store is done, or refuses: tell the endpoint. */
CPS_MUST_USE cps_err_t cps_sim_node_grant(cps_sim_node_t *node, cps_time_us_t world_us, bool refuse);

/** Free all. */
void cps_sim_node_fini(cps_sim_node_t *node);

#endif /* CPS_SIM_WORLD_NODE_H */
