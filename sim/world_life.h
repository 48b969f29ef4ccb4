// SPDX-License-Identifier: Apache-2.0
/* A world from inside, and what happens in one step of it. */
#ifndef CPS_SIM_WORLD_LIFE_H
#define CPS_SIM_WORLD_LIFE_H

#include "sim/foe.h"
#include "sim/link.h"
#include "sim/world_check.h"

#define CPS_SIM_CLIENT    0U
#define CPS_SIM_SERVER    1U
#define CPS_SIM_PLANS_MAX 32U
#define CPS_SIM_LATER_MAX 16U

typedef struct cps_sim_line {
    cps_time_us_t when_us;
    uint8_t code;
    bool sealed;
    bool non;
} cps_sim_line_t;

/** What happens to a world from outside. */
typedef enum cps_sim_happening {
    CPS_SIM_SERVER_DOWN, /**< crash or clean exit, and up again */
    CPS_SIM_CLIENT_DOWN,
    CPS_SIM_ATTACK,
    CPS_SIM_REBIND, /**< the client's NAT gives it another port */
    CPS_SIM_SLEEP   /**< the client is asleep for a while */
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
    cps_time_us_t now_us;
    FILE *trace;
    cps_spy_t spy;
    cps_sim_node_t client;
    cps_sim_node_t server;
    cps_simlink_t link;
    cps_foe_t foe;
    void *network;
    cps_addr_t client_addr;
    cps_addr_t server_addr;
    cps_sim_ledger_t ledger;

    uint64_t fresh_us; /**< unsafe sealed requests have to be so fresh; 0: no matter */
    uint32_t slow_percent;
    uint32_t store_us;
    uint32_t store_refuses_percent;
    bool calm; /**< nothing is lost and nobody interferes */

    cps_sim_line_t script[CPS_WORLD_REQUESTS_MAX];
    uint32_t script_count;
    uint32_t script_at;
    cps_time_us_t script_end_us;
    cps_sim_plan_t plans[CPS_SIM_PLANS_MAX];
    uint32_t plan_count;
    cps_sim_later_t later[CPS_SIM_LATER_MAX];
    uint32_t later_count;
    cps_time_us_t asleep_until_us;
} cps_world_t;

/** Plan something so long after the start. */
void cps_sim_plan(cps_world_t *w, cps_sim_happening_t what, cps_time_us_t after_us);

/** When the next planned thing, or a late answer, is due. */
cps_time_us_t cps_sim_plan_next(const cps_world_t *w);

/** When the next line of the script is due. */
cps_time_us_t cps_sim_script_next(const cps_world_t *w);

/** Do everything that is due now. */
void cps_sim_step(cps_world_t *w);

/** Do one planned thing. */
void cps_sim_happen(cps_world_t *w, cps_sim_happening_t what);

/** In a calm world every request is answered but for what has to be said otherwise. */
void cps_sim_check_calm(cps_world_t *w);

/** A line of the trace. */
void cps_sim_say(const cps_world_t *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif /* CPS_SIM_WORLD_LIFE_H */
