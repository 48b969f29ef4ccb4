// SPDX-License-Identifier: Apache-2.0
/* Answers that are too large for a client whose address is not proven. What was asked cannot be asked again: a sealed
 * request would be a replay to the server, and an unsafe method would run twice. So the answer is held for a moment, the
 * client is challenged (RFC 9175 §2.4), and the same request with the Echo gets it. This is no cache: an answer goes out
 * once, to the endpoint that asked, for the request that it asked (RFC 8613 §10). A challenge of the next hop is held in
 * the same way, and met by the request that meets ours. */
#ifndef CPS_PROXY_HELD_H
#define CPS_PROXY_HELD_H

#include "base/pool.h"
#include "proxy/rewrite.h"

#define CPS_HELD_MAX       64U       /* answers in all; the oldest that may go early goes where there is no room */
#define CPS_HELD_SHARE     8U        /* of one client address: another's cannot fill the table */
#define CPS_HELD_STAY      32U       /* of those that must not go early, so that others have room */
#define CPS_HELD_US        60000000U /* how long: as an Echo proves an address (cps_ep_config_t.echo_recover_us) */
#define CPS_HELD_BYTES_MAX 1232U     /* of a request, and of an answer */

typedef struct cps_held_table {
    cps_pool_t pool;
} cps_held_table_t;

/** A request as it goes to the next hop: what has to be the same. */
typedef struct cps_held_request {
    cps_addr_t client;
    const char *where; /**< the target */
    uint8_t code;
    bool stays;        /**< must not go early: without it the repeat would run a plain unsafe request again */
    cps_bytes_t bytes; /**< options and payload */
} cps_held_request_t;

/** Lay the table out in the arena. */
void cps_held_init(cps_held_table_t *t, cps_arena_t *a);

/** Keep a copy of an answer. False where it does not fit, or there is no room. */
bool cps_held_put(cps_held_table_t *t, cps_time_us_t now_us, const cps_held_request_t *request,
                  const cps_proxy_answer_t *answer);

/** Take the answer of that request out: `out` views `store` of CPS_HELD_BYTES_MAX bytes. False where there is none. */
bool cps_held_take(cps_held_table_t *t, cps_time_us_t now_us, const cps_held_request_t *request,
                   cps_proxy_answer_t *out, uint8_t *store);

#endif /* CPS_PROXY_HELD_H */
