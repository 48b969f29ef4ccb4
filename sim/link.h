// SPDX-License-Identifier: Apache-2.0
/* A network in virtual time: datagrams between numbered nodes, with loss, copies, delay and disorder that come from a
 * seed alone. It is driven as quicly's simulator nodes are: send, next, take. Named simlink, since cps_link_t is the
 * link format of RFC 6690. */
#ifndef CPS_SIM_LINK_H
#define CPS_SIM_LINK_H

#include "base/heap.h"
#include "base/rng.h"

/** How one direction between two nodes treats datagrams. All zero is a perfect line without delay. */
typedef struct cps_simlink_quality {
    uint32_t loss_ppm;      /**< of a million datagrams so many are lost */
    uint32_t duplicate_ppm; /**< so many arrive twice, the second copy with a jitter of its own */
    uint32_t reorder_ppm;   /**< so many are held up by a random extra delay and may be overtaken */
    uint32_t mtu;           /**< larger UDP payloads are refused; 0: only the size of a slot counts */
    uint64_t delay_us;      /**< every datagram takes so long */
    uint64_t jitter_us;     /**< and up to so much longer; keeps the order */
    uint64_t reorder_us;    /**< the largest extra delay of a datagram that is held up */
} cps_simlink_quality_t;

typedef struct cps_simlink_config {
    uint32_t nodes;      /**< numbers 0 to nodes - 1 */
    uint32_t addresses;  /**< cps_simlink_attach calls in all */
    uint32_t queue;      /**< datagrams on the way at one time */
    uint32_t slot_bytes; /**< the largest payload that can travel */
} cps_simlink_config_t;

/** What happened so far. */
typedef struct cps_simlink_stats {
    uint64_t sent; /**< accepted from senders; what follows is counted besides */
    uint64_t lost;
    uint64_t duplicated;
    uint64_t reordered;
    uint64_t oversize;
    uint64_t unroutable;
    uint64_t refused; /**< the queue was full */
    uint64_t delivered;
} cps_simlink_stats_t;

typedef struct cps_simlink_way {
    cps_simlink_quality_t quality;
    cps_time_us_t last_us; /**< arrival of the last datagram that kept its place */
} cps_simlink_way_t;

typedef struct cps_simlink_home {
    cps_addr_t addr;
    uint32_t node;
} cps_simlink_home_t;

typedef struct cps_simlink {
    cps_simlink_config_t config;
    cps_pool_t slots;
    cps_heap_t arrivals;
    cps_simlink_way_t *ways;   /**< nodes * nodes, then one for senders that are no node's */
    cps_simlink_home_t *homes; /**< address to node */
    uint32_t home_count;
    void *lent; /**< slot of the datagram handed out last */
    cps_rng_t rng;
    cps_simlink_stats_t stats;
} cps_simlink_t;

/** Lay the link out in the arena (which fails where it does not fit). `rng` is copied, its state has to live on. */
void cps_simlink_init(cps_simlink_t *link, cps_arena_t *arena, const cps_simlink_config_t *config, cps_rng_t rng);

/** Give a node an address; port 0 means all ports of it. CPS_ERR_FULL, CPS_ERR_ARGUMENT for an unknown node. */
CPS_MUST_USE cps_err_t cps_simlink_attach(cps_simlink_t *link, uint32_t node, const cps_addr_t *addr);

/** Set the quality of every direction, spoofed senders included. */
void cps_simlink_set_all(cps_simlink_t *link, const cps_simlink_quality_t *quality);

/** Set the quality of one direction. Datagrams already on the way keep theirs. */
CPS_MUST_USE cps_err_t cps_simlink_set(cps_simlink_t *link, uint32_t from_node, uint32_t to_node,
                                       const cps_simlink_quality_t *quality);

/**
 * Send a datagram; its bytes are copied. The direction follows from the addresses; a sender that is no node's (a
 * spoofed address) has the quality of cps_simlink_set_all. Each call takes the same count of random numbers, so that
 * changing one rate leaves all other chances as they were.
 *
 * CPS_OK also for a lost one. CPS_ERR_TOO_LARGE: above the MTU. CPS_ERR_UNREACHABLE: no node has the address.
 * CPS_ERR_FULL: the queue is full.
 */
CPS_MUST_USE cps_err_t cps_simlink_send(cps_simlink_t *link, cps_time_us_t now_us, const cps_addr_t *from,
                                        const cps_addr_t *to, cps_bytes_t bytes);

/** When the next datagram arrives; CPS_TIME_NEVER where none is on the way. */
cps_time_us_t cps_simlink_next(const cps_simlink_t *link);

/**
 * Take the next datagram that has arrived by now, and the node it is for; false where there is none. `path.remote` is
 * the sender, `path.local` the address that was sent to. The bytes live until the next call of cps_simlink_take.
 */
bool cps_simlink_take(cps_simlink_t *link, cps_time_us_t now_us, cps_datagram_t *out, uint32_t *node);

#endif /* CPS_SIM_LINK_H */
