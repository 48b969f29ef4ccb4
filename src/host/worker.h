// SPDX-License-Identifier: Apache-2.0
/* One loop that drives one endpoint: sockets in and out, timers, and the way of its jobs to the store. What the
 * endpoint says goes to the hooks of the owner, on the loop's thread, never inside a call that the owner made. */
#ifndef CPS_HOST_WORKER_H
#define CPS_HOST_WORKER_H

#include "host/clock.h"
#include "host/udp.h"

#include <coapsule/core.h>

#include <uv.h>

#define CPS_SOCKETS_MAX 16U /* numbers of sockets are below it */

typedef struct cps_worker cps_worker_t;

/** What the owner wants to hear. Each may be NULL. */
typedef struct cps_worker_hooks {
    void (*event)(void *user, const cps_event_t *event);
    void (*trace)(void *user, bool outbound, const cps_datagram_t *datagram); /**< each datagram as it passes */
    void *user;
} cps_worker_hooks_t;

/** Make a worker with its own provider of cryptography; `config` needs neither crypto nor size. Nothing is opened yet.
 * CPS_ERR_CONFIG, CPS_ERR_MEMORY, CPS_ERR_CRYPTO. */
CPS_MUST_USE cps_err_t cps_worker_new(cps_worker_t **out, uv_loop_t *loop, const cps_ep_config_t *config,
                                      const cps_worker_hooks_t *hooks);

/** Stop: close sockets and timers. The memory is freed when the loop has run once more; `loop` stays the caller's. */
void cps_worker_close(cps_worker_t *worker);

/** Listen at an address; `bound` (may be NULL) gets it with the real port. CPS_ERR_ADDRESS_IN_USE, CPS_ERR_IO,
 * CPS_ERR_FULL; cps_worker_detail has the sentence. */
CPS_MUST_USE cps_err_t cps_worker_listen(cps_worker_t *worker, const cps_addr_t *at, cps_addr_t *bound);

/** Number of the socket that our own requests to that family leave from: an ephemeral port, opened when first asked. */
CPS_MUST_USE cps_err_t cps_worker_socket(cps_worker_t *worker, cps_family_t family, uint16_t *number);

/** The sentence of the last error. */
const char *cps_worker_detail(const cps_worker_t *worker);

/** The endpoint; submit by cps_worker_submit, so that the loop notices. */
cps_ep_t *cps_worker_ep(cps_worker_t *worker);
cps_crypto_t *cps_worker_crypto(cps_worker_t *worker);
uv_loop_t *cps_worker_loop(cps_worker_t *worker);

/** Now, as the endpoint counts. */
cps_time_us_t cps_worker_now(const cps_worker_t *worker);

/** Give a command; what follows from it happens on the loop. The errors of cps_ep_submit. */
CPS_MUST_USE cps_err_t cps_worker_submit(cps_worker_t *worker, const cps_command_t *command, cps_handle_t *handle);

#endif /* CPS_HOST_WORKER_H */
