// SPDX-License-Identifier: Apache-2.0
/* A CoAP forward proxy (RFC 7252 §5.7) over one worker: takes requests from its listening sockets, judges and rewrites
 * them (rewrite.h), asks the next hop from the worker's own sockets, and hands the answers back. It keeps no answers and
 * registers nothing for its clients, and what OSCORE protects passes as it is (RFC 8613 §10). What it does with a request
 * is the engine's (engine.h); here are its loop and its sockets. */
#ifndef CPS_PROXY_PROXY_H
#define CPS_PROXY_PROXY_H

#include "host/metrics.h"
#include "host/worker.h"
#include "proxy/engine.h"

/** Make a proxy on a loop. Nothing is opened yet. CPS_ERR_CONFIG (a name with a space, or longer than 63 bytes),
 * CPS_ERR_MEMORY, CPS_ERR_CRYPTO. */
CPS_MUST_USE cps_err_t cps_proxy_new(cps_proxy_t **out, uv_loop_t *loop, const cps_proxy_options_t *options);

/** Close at once. The memory is freed when the loop has run on; look-ups have to be given up before. NULL is no proxy. */
void cps_proxy_close(cps_proxy_t *proxy);

/** Listen at an address; `bound` (may be NULL) gets it with the real port. The errors of cps_worker_listen. */
CPS_MUST_USE cps_err_t cps_proxy_listen(cps_proxy_t *proxy, const cps_addr_t *at, cps_addr_t *bound);

/** Write what the proxy has seen and holds. */
void cps_proxy_metrics(const cps_proxy_t *proxy, cps_metrics_out_t *out);

/** The sentence of the last error of cps_proxy_listen. */
const char *cps_proxy_detail(const cps_proxy_t *proxy);

#endif /* CPS_PROXY_PROXY_H */
