// SPDX-License-Identifier: Apache-2.0
/* What the file of a daemon says: one struct, and one table each for `serve` and `proxy`. */
#ifndef CPS_HOST_CONF_DAEMON_H
#define CPS_HOST_CONF_DAEMON_H

#include "host/conf.h"

#include <coapsule/core.h>

/** Who may do what: bit 1 << code of each method; the name "*" is every credential. */
typedef struct cps_conf_allow {
    const char *name;
    uint32_t methods;
} cps_conf_allow_t;

typedef enum cps_conf_resource_kind {
    CPS_CONF_LOCK,
    CPS_CONF_SENSOR,
    CPS_CONF_VALUE,
    CPS_CONF_COUNTER,
    CPS_CONF_SLOW,
    CPS_CONF_ECHO
} cps_conf_resource_kind_t;

typedef struct cps_conf_resource {
    const char *path; /**< "/lock" */
    uint32_t kind;    /**< cps_conf_resource_kind_t */
    bool sealed;
    uint64_t fresh_us;     /**< CPS_TIME_NEVER: not asked for. A sealed lock has 10 s where the file says nothing */
    cps_conf_list_t allow; /**< of cps_conf_allow_t; none: nobody on a sealed resource */
    const char *title;     /**< or NULL */
    const char *rt;        /**< or NULL */
    uint64_t delay_us;     /**< of CPS_CONF_SLOW, else 0 */
} cps_conf_resource_t;

/** A host that the proxy may forward to: `host` and `port` as written, "*" for any run of characters. */
typedef struct cps_conf_target {
    const char *text;   /**< as written */
    const char *host;   /**< a name or pattern in lower case; NULL where it is an IP address */
    cps_addr_t literal; /**< the IP address, else no family */
    bool wildcard;      /**< `host` has a "*" */
    bool any_port;      /**< the port is "*" */
    uint16_t port;      /**< 5683 where none is written */
} cps_conf_target_t;

/** Where metrics are served. */
typedef struct cps_conf_metrics {
    bool off;
    cps_addr_t addr;
} cps_conf_metrics_t;

typedef struct cps_conf_limits {
    uint32_t peers;
    uint64_t memory;
    uint64_t body;
    uint32_t exchanges;
    uint32_t unverified_amplification;
    uint32_t rate; /**< of a server */
    uint32_t contexts;
} cps_conf_limits_t;

typedef struct cps_conf_daemon {
    cps_conf_list_t listen; /**< of cps_addr_t */
    const char *state;      /**< path of the store; NULL: chosen by the daemon */
    cps_conf_limits_t limits;
    cps_transmission_t transmission; /**< as cps_ep_config_t takes it */
    cps_conf_metrics_t metrics;
    uint32_t log_level;        /**< cps_log_level_t */
    uint32_t log_format;       /**< cps_log_format_t */
    cps_conf_list_t contexts;  /**< of const char *: key names to serve; none: all of the store */
    cps_conf_list_t resources; /**< of cps_conf_resource_t */
    cps_conf_list_t clients;   /**< proxy: of cps_net_t */
    cps_conf_list_t targets;   /**< proxy: of cps_conf_target_t */
    uint32_t hop_limit;        /**< proxy: RFC 8768 */
    const char *name;          /**< proxy: in 5.08 answers; NULL: the host's name */
    uint32_t nstart_upstream;  /**< proxy: NSTART towards each origin */
} cps_conf_daemon_t;

extern const cps_conf_table_t cps_conf_serve; /**< of `coapsule serve`; fills cps_conf_daemon_t */
extern const cps_conf_table_t cps_conf_proxy; /**< of `coapsule proxy`; fills cps_conf_daemon_t */

/**
 * Whether the proxy may forward to `host` (as in the URI, brackets or not) and `port`. Link-local, multicast and
 * unspecified addresses need a target without wildcard in its host (OPS-19): give `addr` as soon as a name is resolved,
 * and ask again; NULL before that.
 */
bool cps_conf_targets_allow(const cps_conf_list_t *targets, cps_bytes_t host, uint16_t port, const cps_addr_t *addr);

/** Whether a client's address is in the list. */
bool cps_conf_clients_allow(const cps_conf_list_t *clients, const cps_addr_t *addr);

#endif /* CPS_HOST_CONF_DAEMON_H */
