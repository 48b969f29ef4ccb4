// SPDX-License-Identifier: Apache-2.0
/* A world from inside, and what happens in one step of it. */
#ifndef CPS_SIM_WORLD_LIFE_H
#define CPS_SIM_WORLD_LIFE_H

#include "sim/foe.h"
#include "sim/link.h"
#include "sim/world_check.h"
#include "sim/world_proxy.h"
#include "sim/world_stranger.h"

#define CPS_SIM_PLANS_MAX  48U
#define CPS_SIM_LATER_MAX  16U
#define CPS_SIM_TIMEOUT_US 93000000U /* MAX_TRANSMIT_WAIT (RFC 7252 §4.8.2) */

/** What lies between client and server. */
typedef enum cps_sim_route {
    CPS_SIM_DIRECT,
    CPS_SIM_PROXIED, /**< our proxy */
    CPS_SIM_STRANGE  /**< one of another make, which knows nothing of OSCORE */
} cps_sim_route_t;

typedef struct cps_sim_line {
    cps_time_us_t when_us; /**< after the start */
    cps_time_us_t timeout_us;
    uint8_t code;
    bool sealed;
    bool non;
    bool by_uri;  /**< asks the proxy by Proxy-Uri */
    bool by_name; /**< and for a name that has to be looked up */
} cps_sim_line_t;

/** What happens to a world from outside. */
typedef enum cps_sim_happening {
    CPS_SIM_SERVER_DOWN, /**< crash or clean exit, and up again */
    CPS_SIM_CLIENT_DOWN,
    CPS_SIM_PROXY_DOWN,
    CPS_SIM_ATTACK,
    CPS_SIM_REBIND, /**< the client's NAT gives it another port */
    CPS_SIM_SLEEP,  /**< the client is asleep for a while */
    CPS_SIM_JUMP    /**< the clock of one of them jumps, forward or back */
} cps_sim_happening_t;

typedef struct cps_sim_plan {
    cps_time_us_t when_us;
    uint8_t what; /**< cps_sim_happening_t */
} cps_sim_plan_t;

/** An answer that the server gives later. */
typedef struct cps_sim_later {
    cps_time_us_t when_us;
    cps_handle_t request;
    unsigned number;
    uint8_t code;
} cps_sim_later_t;

typedef struct cps_world {
    cps_rng_seeded_t seeded;
    cps_rng_seeded_t ep_seeded;
    cps_rng_t rng;    /**< of the world */
    cps_rng_t ep_rng; /**< of the endpoints */
    cps_time_us_t start_us;
    cps_time_us_t now_us;
    FILE *trace;
    cps_spy_t spy;
    cps_sim_node_t nodes[CPS_SIM_NODES]; /**< by role; without an endpoint where this world has none */
    cps_sim_route_t route;
    cps_sim_proxy_t proxy;
    cps_sim_stranger_t stranger;
    cps_simlink_t link;
    cps_foe_t foe;
    void *network;
    cps_addr_t client_addr;
    cps_addr_t server_addr;
    cps_sim_ledger_t ledger;

    uint32_t slow_percent;
    uint32_t answer_max; /**< answers have up to so many bytes */
    uint32_t store_us;
    uint32_t store_refuses_percent;
    bool calm; /**< nothing is lost and nobody interferes */

    cps_sim_line_t script[CPS_WORLD_REQUESTS_MAX];
    uint32_t script_count;
    uint32_t script_at;
    cps_sim_plan_t plans[CPS_SIM_PLANS_MAX];
    uint32_t plan_count;
    cps_sim_later_t later[CPS_SIM_LATER_MAX];
    uint32_t later_count;
    cps_time_us_t asleep_until_us;
} cps_world_t;

/* ---- world_script.c ---- */

/** Draw what the client asks for, and what happens meanwhile. */
void cps_sim_script_draw(cps_world_t *w);

/** When the next line of the script is due. */
cps_time_us_t cps_sim_script_next(const cps_world_t *w);

/** The client asks what is due. */
void cps_sim_script_run(cps_world_t *w);

/* ---- world_life.c ---- */

/** Do everything that is due now. */
void cps_sim_step(cps_world_t *w);

/** Work through what a node has to say and to send. */
void cps_sim_run(cps_world_t *w, cps_sim_node_t *node);

/* ---- world_fate.c ---- */

/** Plan something so long after the start. */
void cps_sim_plan(cps_world_t *w, cps_sim_happening_t what, cps_time_us_t after_us);

/** When the next planned thing, or a late answer, is due. */
cps_time_us_t cps_sim_plan_next(const cps_world_t *w);

/** Do one planned thing. */
void cps_sim_happen(cps_world_t *w, cps_sim_happening_t what);

/** In a calm world every request is answered but for what has to be said otherwise. */
void cps_sim_check_calm(cps_world_t *w);

/* ---- world_trace.c ---- */

/** A line of the trace. */
void cps_sim_say(const cps_world_t *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** A line of the trace for a datagram: "client sends CON 0.02 mid 1234 ...". */
void cps_sim_say_datagram(const cps_world_t *w, const char *who, const char *does, cps_bytes_t bytes);

#endif /* CPS_SIM_WORLD_LIFE_H */
