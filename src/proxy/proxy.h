// SPDX-License-Identifier: Apache-2.0
/* A CoAP forward proxy (RFC 7252 §5.7) over one worker: takes requests from its listening sockets, judges and rewrites
 * them (rewrite.h), asks the next hop from the worker's own sockets, and hands the answers back. It keeps no answers and
 * registers nothing for its clients, and what OSCORE protects passes as it is (RFC 8613 §10). */
#ifndef CPS_PROXY_PROXY_H
#define CPS_PROXY_PROXY_H

#include "host/conf_daemon.h"
#include "host/log.h"
#include "host/worker.h"
#include "proxy/refusal.h"
#include "wire/uri.h"

#define CPS_PROXY_NAME_US 5000000U /* how long a look-up may take */

typedef struct cps_proxy cps_proxy_t;

/** Finds the addresses of names without holding up the loop. */
typedef struct cps_proxy_lookup {
    /** Begin to look a name up. `ticket` goes back by cps_proxy_resolved on the loop's thread, later or at once; one that
     * takes longer than CPS_PROXY_NAME_US is given up. An error: nothing was begun. */
    cps_err_t (*start)(void *self, const char *name, uint64_t ticket);
    void *self;
} cps_proxy_lookup_t;

/** How a proxy is made. What the pointers name outlives it. */
typedef struct cps_proxy_options {
    cps_ep_config_t endpoint;       /**< limits and parameters; size, crypto and layers are filled in */
    const char *name;               /**< identifier in 5.08, and a host name of its own; NULL: the host's name */
    const cps_conf_list_t *clients; /**< of cps_net_t */
    const cps_conf_list_t *targets; /**< of cps_conf_target_t */
    uint8_t hop_limit;              /**< for requests that have none; 0: 16 */
    const cps_uri_t *next;          /**< the next proxy, which gets all requests; NULL: origins are asked */
    cps_proxy_lookup_t lookup;
    cps_log_t *log; /**< NULL: none */
} cps_proxy_options_t;

/** What became of requests; counted since cps_proxy_new. */
typedef struct cps_proxy_stats {
    uint64_t requests;   /**< taken up, repeated messages not counted */
    uint64_t local;      /**< answered by the proxy as the origin */
    uint64_t forwarded;  /**< sent to a next hop */
    uint64_t sealed;     /**< of these: OSCORE messages */
    uint64_t answered;   /**< got an answer that was handed back */
    uint64_t challenged; /**< got 4.01 with Echo, their answer held until the address is proven */
    uint64_t late;       /**< answers whose client's exchange was over */
    uint64_t refused[CPS_PROXY_REASONS];
    uint32_t open; /**< under way now */
} cps_proxy_stats_t;

/** Make a proxy on a loop. Nothing is opened yet. CPS_ERR_CONFIG (a name with a space, or longer than 63 bytes),
 * CPS_ERR_MEMORY, CPS_ERR_CRYPTO. */
CPS_MUST_USE cps_err_t cps_proxy_new(cps_proxy_t **out, uv_loop_t *loop, const cps_proxy_options_t *options);

/** Close at once. The memory is freed when the loop has run on; look-ups have to be given up before. NULL is no proxy. */
void cps_proxy_close(cps_proxy_t *proxy);

/** Listen at an address; `bound` (may be NULL) gets it with the real port. The errors of cps_worker_listen. */
CPS_MUST_USE cps_err_t cps_proxy_listen(cps_proxy_t *proxy, const cps_addr_t *at, cps_addr_t *bound);

/** The sentence of the last error of cps_proxy_listen. */
const char *cps_proxy_detail(const cps_proxy_t *proxy);

/** The addresses of a name; none, or an error, where it has none. Stale tickets are ignored. */
void cps_proxy_resolved(cps_proxy_t *proxy, uint64_t ticket, cps_err_t err, const cps_addr_t *addrs, size_t count);

/** Take up nothing new (5.03), and call `done` on the loop when what is under way has ended, `timeout_us` at the latest. */
void cps_proxy_drain(cps_proxy_t *proxy, uint64_t timeout_us, void (*done)(void *user), void *user);

/** Write the counters to the log, as one event. */
void cps_proxy_log_counters(const cps_proxy_t *proxy);

/** Counters. */
void cps_proxy_stats(const cps_proxy_t *proxy, cps_proxy_stats_t *out);

/** The identifier. */
const char *cps_proxy_name(const cps_proxy_t *proxy);

#endif /* CPS_PROXY_PROXY_H */
