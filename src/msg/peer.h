// SPDX-License-Identifier: Apache-2.0
/* Other endpoints (RFC 7252 §1.2: address and port, seen from one address and socket of ours): Message IDs given to
 * them, how many interactions are outstanding (NSTART) and how much may still go to one that is silent (PROBING_RATE).
 *
 * Message IDs run by a clock: the position p of the next one is at least C(t) = t / tick and at most C(t) + 32,768,
 * and the ID is p plus an offset by keyed hash of the peer. One tick is EXCHANGE_LIFETIME / 32,768, so that a position
 * that is 65,536 higher, the next with the same ID, comes no earlier than EXCHANGE_LIFETIME later (RFC 7252 §4.4). A
 * peer that was forgotten and comes back starts at C(t) again, where no ID of its past can be: nothing has to be kept. */
#ifndef CPS_MSG_PEER_H
#define CPS_MSG_PEER_H

#include "base/map.h"

typedef struct cps_peer {
    cps_pool_head_t head;
    uint8_t remote_ip[16];
    uint8_t local_ip[16];
    uint32_t scope_id;
    uint16_t remote_port;
    uint16_t socket;
    uint32_t mid_offset;
    uint32_t refs;  /**< remembered exchanges, transmissions and requests that name this peer */
    uint32_t newer; /**< list of peers without refs, by last use */
    uint32_t older;
    uint64_t mid_next;                  /**< position of the next Message ID */
    cps_time_us_t quiet_until_us;       /**< PROBING_RATE: nothing new before, unless the peer answers */
    cps_list_t queue;                   /**< our requests that wait for NSTART */
    uint32_t in_flight;                 /**< outstanding interactions (§4.7) */
    uint32_t open_loop;                 /**< NON requests without an answer to come since the last one that has one */
    cps_time_us_t long_tokens_until_us; /**< how long it is known whether it takes tokens of more than 8 bytes */
    cps_list_t notices;                 /**< observers there whose notifications wait for others to be acknowledged */
    uint16_t notices_out;               /**< notifications outstanding (RFC 7641 §4.5.1) */
    uint16_t observers;                 /**< of our resources */
    bool long_tokens;                   /**< it takes them (RFC 8974 §2.2.2) */
} cps_peer_t;

typedef struct cps_peers {
    cps_pool_t pool;
    cps_map_t map;
    uint8_t seed[16];
    uint64_t mid_tick_us;
    uint32_t oldest; /**< of those without refs: the next to be forgotten */
    uint32_t newest;
    uint64_t evicted;
    uint32_t kept; /**< peers with refs */
} cps_peers_t;

/** Room for `limit` peers, laid out in the arena. */
void cps_peers_init(cps_peers_t *p, cps_arena_t *a, uint32_t limit, const uint8_t seed[16],
                    uint64_t exchange_lifetime_us);

/** The peer of a path, or NULL where it is not known. */
cps_peer_t *cps_peers_find(const cps_peers_t *p, const cps_path_t *path);

/** The peer of a path, known or new. NULL where all are in use: the caller frees some that can be and asks again. */
cps_peer_t *cps_peers_get(cps_peers_t *p, cps_time_us_t now_us, const cps_path_t *path);

/** The peer of that index. */
static inline cps_peer_t *cps_peers_at(const cps_peers_t *p, uint32_t index) { return cps_pool_at(&p->pool, index); }

/** Its index. */
static inline uint32_t cps_peers_index(const cps_peers_t *p, const cps_peer_t *peer)
{
    return cps_pool_index(&p->pool, peer);
}

/** Keep a peer while something names it. */
void cps_peer_ref(cps_peers_t *p, cps_peer_t *peer);
void cps_peer_unref(cps_peers_t *p, cps_peer_t *peer);

/** A Message ID for a new message; CPS_ERR_BUSY while all are in use (RFC 7252 §4.4). */
CPS_MUST_USE cps_err_t cps_peer_mid(const cps_peers_t *p, cps_peer_t *peer, cps_time_us_t now_us, uint16_t *mid);

/** A Message ID for a refusal to a peer that may not be known, and is not made known: by the clock alone. False where the
 * peer's own IDs run ahead of the clock, so that refusals never take those that answers need. */
bool cps_peers_refusal_mid(cps_peers_t *p, const cps_path_t *path, cps_time_us_t now_us, uint16_t *mid);

/** Whether another interaction may start now (§4.7). */
bool cps_peer_may_start(const cps_peer_t *peer, cps_time_us_t now_us, uint32_t nstart);

/** `len` bytes go to the peer: until it answers, the next may follow at PROBING_RATE bytes a second. One that stays
 * silent is asked again after CPS_PEER_QUIET_MAX_US all the same, or it would not be heard of when it is back. */
void cps_peer_sent(cps_peer_t *peer, cps_time_us_t now_us, size_t len, uint32_t probing_rate);

#define CPS_PEER_QUIET_MAX_US 247000000ULL /* EXCHANGE_LIFETIME with default parameters */

/** Something came from the peer: it is not silent. */
static inline void cps_peer_heard(cps_peer_t *peer) { peer->quiet_until_us = 0; }

#endif /* CPS_MSG_PEER_H */
