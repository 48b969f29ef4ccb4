// SPDX-License-Identifier: Apache-2.0
/* Remembered exchanges (RFC 7252 §4.5): which messages of a peer were acted on, and what was answered. All entries and
 * answers live in one budget of bytes, by class (docs/architecture.md "Deduplication"; MSG-57):
 *
 *   plain and safe     may be given up at any time: running a GET again does no harm
 *   sealed             oldest first: the replay window still refuses the repeat
 *   plain and unsafe   never before their time: with the budget full, a new one is not run
 *
 * A message is a duplicate if it comes from the same endpoint and has the same bytes, Message ID included: told by a
 * keyed hash of all of them. Other bytes under a known Message ID, which a spoofed source can send, neither get the
 * answer of the first nor stand in the way of the true one. */
#ifndef CPS_MSG_DEDUP_H
#define CPS_MSG_DEDUP_H

#include "base/chain.h"
#include "msg/peer.h"

typedef enum cps_dedup_class {
    CPS_DEDUP_PLAIN_SAFE,
    CPS_DEDUP_SEALED,
    CPS_DEDUP_PLAIN_UNSAFE,
    CPS_DEDUP_CLASSES
} cps_dedup_class_t;

/** What a duplicate gets. */
typedef enum cps_dedup_state {
    CPS_DEDUP_OPEN,     /**< nothing yet: the answer is being made */
    CPS_DEDUP_ACKED,    /**< an Empty ACK: the answer goes, or went, separately */
    CPS_DEDUP_ANSWERED, /**< the same bytes again */
    CPS_DEDUP_SILENT    /**< nothing */
} cps_dedup_state_t;

/** One remembered message: one block. */
typedef struct cps_dedup_entry {
    cps_time_us_t expires_us;
    uint32_t peer;
    uint32_t older; /**< block numbers in its queue; 0: none */
    uint32_t newer;
    cps_chain_t answer;
    uint64_t print; /**< keyed hash of the message */
    uint8_t klass;  /**< cps_dedup_class_t */
    uint8_t state;  /**< cps_dedup_state_t */
    bool confirmable;
    uint8_t queue;
    uint16_t reserved_blocks; /**< kept free for its answer */
} cps_dedup_entry_t;

/** Entries of one class and lifetime, oldest first. */
typedef struct cps_dedup_queue {
    uint32_t oldest;
    uint32_t newest;
} cps_dedup_queue_t;

typedef struct cps_dedup {
    cps_chain_store_t blocks;
    cps_map_t map;
    cps_dedup_queue_t queues[2 * CPS_DEDUP_CLASSES];
    cps_peers_t *peers;
    uint8_t seed[16];
    uint64_t lifetime_us[2]; /**< NON, CON */
    uint32_t answer_reserve; /**< blocks that the largest answer takes */
    uint32_t reserved;       /**< blocks promised to open plain unsafe entries */
    uint64_t evicted[CPS_DEDUP_CLASSES];
    uint64_t forgotten; /**< entries that are gone, for whatever reason: a number from before may be another's now */
} cps_dedup_t;

typedef struct cps_dedup_config {
    size_t budget;
    size_t message_max;
    uint64_t non_lifetime_us;
    uint64_t exchange_lifetime_us;
} cps_dedup_config_t;

/** Lay out the budget and its index in the arena. `peers` outlives it. */
void cps_dedup_init(cps_dedup_t *d, cps_arena_t *a, cps_peers_t *peers, const uint8_t seed[16],
                    const cps_dedup_config_t *config);

/** The print of a datagram. */
uint64_t cps_dedup_print(const cps_dedup_t *d, cps_bytes_t datagram);

/** The entry of a message of that peer seen before and not yet expired; its number, or 0. */
uint32_t cps_dedup_find(cps_dedup_t *d, cps_time_us_t now_us, uint32_t peer, uint64_t print);

/** The entry of that number. */
static inline cps_dedup_entry_t *cps_dedup_at(const cps_dedup_t *d, uint32_t number)
{
    return cps_block_at(&d->blocks, number);
}

/** A message to be remembered. */
typedef struct cps_dedup_message {
    const cps_peer_t *peer;
    uint64_t print;
    bool confirmable;
    cps_dedup_class_t klass;
} cps_dedup_message_t;

/** Remember an accepted message, making room by the rules of the classes. CPS_ERR_FULL: a plain unsafe one has no room,
 * and must not be run; of the other classes: go on without an entry. `*number` is 0 then. */
CPS_MUST_USE cps_err_t cps_dedup_insert(cps_dedup_t *d, cps_time_us_t now_us, const cps_dedup_message_t *message,
                                        uint32_t *number);

/** Keep the answer. Where even room made by the rules does not hold it, a duplicate gets silence. */
void cps_dedup_answer(cps_dedup_t *d, uint32_t number, cps_bytes_t bytes);

/** No bytes to keep: a duplicate gets an Empty ACK, or silence. */
void cps_dedup_mark(cps_dedup_t *d, uint32_t number, cps_dedup_state_t state);

/** Forget an entry before its time, because nothing was done for the message. */
void cps_dedup_forget(cps_dedup_t *d, uint32_t number);

/** Give up the oldest entry that may be given up; false where there is none. Frees its peer as well. */
bool cps_dedup_evict(cps_dedup_t *d);

#endif /* CPS_MSG_DEDUP_H */
