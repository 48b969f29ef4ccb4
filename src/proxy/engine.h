// SPDX-License-Identifier: Apache-2.0
/* The proxy without its sockets, clock and loop: an engine over an endpoint with cps_layers_proxy, whose events it is
 * handed and whose commands it gives through a driver. The loop of proxy.h drives it, and so does the simulator. */
#ifndef CPS_PROXY_ENGINE_H
#define CPS_PROXY_ENGINE_H

#include "base/rng.h"
#include "host/conf_daemon.h"
#include "host/log.h"
#include "proxy/refusal.h"
#include "wire/uri.h"

#include <coapsule/core.h>

#define CPS_PROXY_MESSAGE_MAX 1232U    /* largest message: IPv6's smallest MTU less its headers and UDP's */
#define CPS_PROXY_NAME_US     5000000U /* how long a look-up may take */

typedef struct cps_proxy cps_proxy_t;

/** Finds the addresses of names without holding up the caller. */
typedef struct cps_proxy_lookup {
    /** Begin to look a name up. `ticket` goes back by cps_proxy_resolved on the owner's thread, later or at once; one that
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

/** What became of requests; counted since it was made. */
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

/** What an engine needs of whoever drives it. All calls are made on the owner's thread. */
typedef struct cps_proxy_driver {
    cps_time_us_t (*now)(void *self);
    /** cps_ep_submit, with its errors. Never hands an event back from inside. */
    cps_err_t (*submit)(void *self, const cps_command_t *command, cps_handle_t *handle);
    /** Number of the socket, below 32, that next hops of that family are asked from. */
    cps_err_t (*socket)(void *self, cps_family_t family, uint16_t *number);
    /** cps_proxy_tick is wanted at that time, which is earlier than the last one that was asked for. */
    void (*wake_at)(void *self, cps_time_us_t when);
    cps_rng_t rng; /**< its state outlives the engine */
    void *self;
} cps_proxy_driver_t;

/** Make an engine. `options->endpoint` is what cps_proxy_endpoint made of it. CPS_ERR_CONFIG (a name with a space, or
 * longer than 63 bytes), CPS_ERR_MEMORY. */
CPS_MUST_USE cps_err_t cps_proxy_engine_new(cps_proxy_t **out, const cps_proxy_options_t *options,
                                            const cps_proxy_driver_t *driver);

/** Give the memory back; requests under way are forgotten. NULL is none. */
void cps_proxy_engine_free(cps_proxy_t *proxy);

/** The configuration of an endpoint that an engine can work with. */
void cps_proxy_endpoint(cps_ep_config_t *config);

/** An address that clients reach the proxy at, with its real port: a request for it is for the proxy itself. */
void cps_proxy_is_at(cps_proxy_t *proxy, const cps_addr_t *addr);

/** Another host name of its own. */
void cps_proxy_is_called(cps_proxy_t *proxy, const char *name);

/** A datagram that comes, before the endpoint gets it: a malformed answer of a next hop is told by it. */
void cps_proxy_on_datagram(cps_proxy_t *proxy, const cps_datagram_t *datagram);

/** An event of the endpoint. */
void cps_proxy_on_event(cps_proxy_t *proxy, const cps_event_t *event);

/** Do what is due: when the driver was told to wake it, or earlier. */
void cps_proxy_tick(cps_proxy_t *proxy);

/** The addresses of a name; none, or an error, where it has none. Stale tickets are ignored. */
void cps_proxy_resolved(cps_proxy_t *proxy, uint64_t ticket, cps_err_t err, const cps_addr_t *addrs, size_t count);

/** From now on other clients, targets, Hop-Limit and next proxy: these members of `options` alone count, and outlive the
 * proxy. Requests under way are not sent again. */
void cps_proxy_reconfigure(cps_proxy_t *proxy, const cps_proxy_options_t *options);

/** Take up nothing new (5.03), and call `done` from cps_proxy_tick when what is under way has ended, `timeout_us` from now
 * at the latest. */
void cps_proxy_drain(cps_proxy_t *proxy, uint64_t timeout_us, void (*done)(void *user), void *user);

/** Write the counters to the log, as one event. */
void cps_proxy_log_counters(const cps_proxy_t *proxy);

/** Counters. */
void cps_proxy_stats(const cps_proxy_t *proxy, cps_proxy_stats_t *out);

/** The identifier. */
const char *cps_proxy_name(const cps_proxy_t *proxy);

#endif /* CPS_PROXY_ENGINE_H */
