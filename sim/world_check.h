// SPDX-License-Identifier: Apache-2.0
/* What must hold in a world: a ledger of requests, handler runs and answers. */
#ifndef CPS_SIM_WORLD_CHECK_H
#define CPS_SIM_WORLD_CHECK_H

#include "sim/world.h"
#include "sim/world_node.h"

#define CPS_WORLD_REQUESTS_MAX 64U
#define CPS_WORLD_NUMBERS_MAX  8192U

/** One request of the script. Its number stands in its query, so that the server knows which one it runs. */
typedef struct cps_sim_request {
    uint8_t code;
    bool sealed;
    bool submitted;
    bool ended;
    bool refused;           /**< answered 5.03: the server's memory was full, and it did not run */
    bool unsent;            /**< ended before it left, or was not fresh enough to run */
    bool lost;              /**< the client went down with it */
    cps_time_us_t until_us; /**< its deadline */
    unsigned runs;          /**< of its handler, in all lives of the server */
    unsigned life;          /**< of the server at its last run */
    unsigned in_life;       /**< runs in that life */
} cps_sim_request_t;

typedef struct cps_sim_ledger {
    cps_sim_request_t requests[CPS_WORLD_REQUESTS_MAX];
    bool numbers[CPS_WORLD_NUMBERS_MAX]; /**< Partial IVs that reached a handler */
    bool tampered; /**< the attacker sent plain requests anew: nothing tells them from the client's */
    cps_time_us_t sealed_us[CPS_WORLD_NUMBERS_MAX]; /**< when the client first sent what has that Partial IV */
    uint64_t fresh_us;                              /**< unsafe sealed requests have to be so fresh; 0: no matter */
    cps_world_report_t *report;
    cps_time_us_t now_us; /**< since the start */
} cps_sim_ledger_t;

/** An invariant is broken: the first one is kept. */
void cps_sim_broken(cps_sim_ledger_t *ledger, const char *what, unsigned request);

/** A handler runs: the number of the request in its query, or CPS_WORLD_REQUESTS_MAX where there is none. */
unsigned cps_sim_handled(cps_sim_ledger_t *ledger, const cps_event_request_t *request, const cps_sim_node_t *server);

/** The client sends a datagram. */
void cps_sim_left(cps_sim_ledger_t *ledger, cps_bytes_t datagram);

/** The client got a response, or the end of a request. `user` is the request's number. */
void cps_sim_answered(cps_sim_ledger_t *ledger, const cps_event_response_t *response, const cps_sim_node_t *client);
void cps_sim_failed(cps_sim_ledger_t *ledger, const cps_event_failed_t *failed);

/** After each step; `nodes` by role. */
void cps_sim_check(cps_sim_ledger_t *ledger, const cps_sim_node_t *nodes);

/** When nothing can happen any more. */
void cps_sim_check_end(cps_sim_ledger_t *ledger, const cps_sim_node_t *nodes);

#endif /* CPS_SIM_WORLD_CHECK_H */
