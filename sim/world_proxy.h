// SPDX-License-Identifier: Apache-2.0
/* The proxy of a world: the engine of src/proxy over a node without keys. */
#ifndef CPS_SIM_WORLD_PROXY_H
#define CPS_SIM_WORLD_PROXY_H

#include "proxy/engine.h"
#include "sim/world_node.h"

#define CPS_SIM_PROXY_FRONT   0U /* number of the socket that clients reach it at */
#define CPS_SIM_PROXY_BACK    1U /* and of the one that it asks from */
#define CPS_SIM_PROXY_LOOKUPS 32U

/** A name that is being looked up. */
typedef struct cps_sim_lookup {
    uint64_t ticket;
    cps_time_us_t due_us;
} cps_sim_lookup_t;

typedef struct cps_sim_proxy {
    cps_sim_node_t *node;
    cps_proxy_t *engine;
    cps_rng_t rng;
    cps_addr_t front;
    cps_addr_t back;   /**< another port in each life */
    cps_addr_t origin; /**< what every name leads to */
    cps_conf_target_t target;
    cps_conf_list_t targets;
    cps_net_t client;
    cps_conf_list_t clients;
    cps_time_us_t world_us;
    cps_time_us_t wake_us; /**< in the world's time */
    uint32_t lookup_us;    /**< a look-up takes up to so long */
    cps_sim_lookup_t lookups[CPS_SIM_PROXY_LOOKUPS];
    uint32_t lookup_count;
} cps_sim_proxy_t;

/** Make the proxy over `node`, which is up; front, back and origin are set. CPS_ERR_MEMORY, CPS_ERR_CONFIG. */
CPS_MUST_USE cps_err_t cps_sim_proxy_up(cps_sim_proxy_t *proxy);

/** It goes down with all that it had under way. */
void cps_sim_proxy_down(cps_sim_proxy_t *proxy);

/** When it has something to do besides what its endpoint has; in the world's time. */
cps_time_us_t cps_sim_proxy_next(const cps_sim_proxy_t *proxy);

/** Do what is due. */
void cps_sim_proxy_tick(cps_sim_proxy_t *proxy, cps_time_us_t world_us);

/** Refusals so far, whatever the reason. */
uint64_t cps_sim_proxy_refused(const cps_sim_proxy_t *proxy);

#endif /* CPS_SIM_WORLD_PROXY_H */
