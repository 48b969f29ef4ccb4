// SPDX-License-Identifier: Apache-2.0
/* Messages of ours that an ACK or RST may answer: Confirmable ones with their copies (RFC 7252 §4.2), and
 * Non-confirmable ones for as long as a RST may name them. Only time and counters: the caller sends. */
#ifndef CPS_MSG_RETX_H
#define CPS_MSG_RETX_H

#include "base/chain.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/rng.h"

#include <coapsule/core.h>

/** Whose message it is. */
typedef enum cps_tx_owner {
    CPS_TX_REQUEST,   /**< a request of ours */
    CPS_TX_ANSWER,    /**< a separate response */
    CPS_TX_STATELESS, /**< a request of ours that is known by its token alone */
    CPS_TX_NOTICE     /**< a notification to an observer */
} cps_tx_owner_t;

typedef struct cps_tx {
    cps_pool_head_t head;
    cps_path_t path;
    cps_chain_t bytes; /**< for copies; empty for NON */
    cps_time_us_t first_sent_us;
    uint64_t timeout_us; /**< until the next copy, or the end */
    uint32_t peer;
    uint32_t owner_index; /**< of the request of ours, or the observer; CPS_NONE for an answer */
    uint16_t mid;
    uint8_t owner; /**< cps_tx_owner_t */
    uint8_t copies_left;
    bool confirmable;
    bool in_flight; /**< counts for NSTART */
} cps_tx_t;

typedef struct cps_retx {
    cps_pool_t pool;
    cps_map_t map; /**< by peer and Message ID */
    cps_heap_t heap;
    uint8_t seed[16];
    uint64_t max_transmit_span_us;
} cps_retx_t;

/** Room for `limit` messages, laid out in the arena. */
void cps_retx_init(cps_retx_t *r, cps_arena_t *a, uint32_t limit, const uint8_t seed[16],
                   uint64_t max_transmit_span_us);

/** Take up a message that is about to be sent for the first time; NULL where there is no room. */
cps_tx_t *cps_retx_take(cps_retx_t *r, uint32_t peer, uint16_t mid);

/** The first timeout: random between ACK_TIMEOUT and ACK_TIMEOUT * ACK_RANDOM_FACTOR (§4.2). */
uint64_t cps_retx_first_timeout(const cps_transmission_t *params, cps_rng_t *rng);

/** A Confirmable message went out at `now_us`: its timer runs. `copies` is how many more may follow. */
void cps_retx_start(cps_retx_t *r, cps_tx_t *tx, cps_time_us_t now_us, uint64_t timeout_us, uint32_t copies);

/** What a due timer means. */
typedef enum cps_retx_due { CPS_RETX_NOTHING, CPS_RETX_COPY, CPS_RETX_EXPIRED } cps_retx_due_t;

/** The next due message: another copy has to be sent now (its timer is set), or it is over (the caller gives it back). */
cps_retx_due_t cps_retx_pop(cps_retx_t *r, cps_time_us_t now_us, cps_tx_t **out);

/** The message that an ACK or RST of this peer and Message ID answers, or NULL. */
cps_tx_t *cps_retx_find(const cps_retx_t *r, uint32_t peer, uint16_t mid);

/** No copies any more; the message is still known by its Message ID. */
void cps_retx_stop(cps_retx_t *r, cps_tx_t *tx);

/** Give it back. `chains` is where its bytes live. */
void cps_retx_give(cps_retx_t *r, cps_tx_t *tx, cps_chain_store_t *chains);

/** The message of that index. */
static inline cps_tx_t *cps_retx_at(const cps_retx_t *r, uint32_t index) { return cps_pool_at(&r->pool, index); }

#endif /* CPS_MSG_RETX_H */
