// SPDX-License-Identifier: Apache-2.0
/* Our open requests: state and tokens (RFC 7252 §5.3). Only what a request is; what happens to it is decided in ep. */
#ifndef CPS_EXCH_ASKED_H
#define CPS_EXCH_ASKED_H

#include "base/chain.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/rng.h"
#include "exch/transfer.h"

#include <coapsule/core.h>

#define CPS_EXCH_BINDING_MAX 24U /* what a security layer keeps of a request; opaque here */

/** Where a request stands. */
typedef enum cps_asked_state {
    CPS_ASKED_QUEUED, /**< behind others to the same peer (NSTART) */
    CPS_ASKED_READY,  /**< to be sealed and sent */
    CPS_ASKED_LEASE,  /**< waits for sequence numbers */
    CPS_ASKED_HELD,   /**< waits until another request recovered the peer's replay window */
    CPS_ASKED_SENT,   /**< waits for its answer */
    CPS_ASKED_WANTED, /**< the event that asks for the next piece of its body is still to be given */
    CPS_ASKED_PIECE,  /**< waits for that piece */
    CPS_ASKED_ENDED   /**< failed; the event is still to be given */
} cps_asked_state_t;

typedef struct cps_asked {
    cps_pool_head_t head;
    cps_path_t path;
    uint8_t token[CPS_TOKEN_MAX];
    uint8_t token_len;
    uint8_t code;
    uint8_t state; /**< cps_asked_state_t */
    uint8_t hint;  /**< cps_hint_t */
    bool confirmable;
    bool repeat_unsafe;
    bool no_repeat;
    bool unanswered; /**< no response is wanted (RFC 7967): it ends when it has left, or was acknowledged */
    bool own_token;  /**< the caller chose it: kept for repeats */
    bool sent;       /**< some copy left */
    bool repeated;   /**< with Echo, by ourselves */
    bool outer_echo; /**< the same sealed bytes were repeated with an outer Echo */
    bool counted;    /**< counts in its peer's in_flight */
    bool with_echo;  /**< the next sealing adds `echo` */
    bool observe;    /**< asks to observe */
    bool observing;  /**< the server agreed: more responses may come */
    bool renewing;   /**< a registration, or its end, is under way again */
    bool ending;     /**< that is its end */
    bool unnumbered; /**< a response without Partial IV may still come: none was taken since it was last sealed */
    bool numbered;   /**< `notification` is one */
    bool stale;      /**< in the list of those whose age is to be told */
    bool aged;       /**< it was told, or is to be */
    uint8_t binding[CPS_EXCH_BINDING_MAX];
    uint16_t mids[2]; /**< Message IDs that carried the sealed bytes: the last, and the one before it */
    uint32_t peer;
    uint32_t tx;   /**< the message that carries it, or CPS_NONE */
    uint32_t next; /**< in the list that its state names */
    cps_handle_t context;
    uint64_t user;
    uint64_t partial_iv;
    cps_time_us_t deadline_us;
    cps_time_us_t hint_until_us; /**< after a hint: how long the genuine answer is waited for; CPS_TIME_NEVER */
    cps_time_us_t sent_us;
    cps_chain_t plain;      /**< the message before protection, with a header */
    cps_chain_t sealed;     /**< the datagram, for copies */
    cps_chain_t echo;       /**< Echo for the repeat, or outer hint's first bytes once ended */
    cps_chain_t hint_bytes; /**< of CPS_HINT_RESPONSE: code, then payload */
    uint64_t notification;  /**< highest Partial IV of a notification (RFC 8613 §7.4.1) */
    uint32_t observe_value; /**< of the last notification, and when it came (RFC 7641 §3.4) */
    uint32_t next_stale;
    cps_time_us_t observe_us;
    cps_time_us_t fresh_until_us; /**< its age exceeds Max-Age then */
    cps_time_us_t renew_us;       /**< when to register again */
    cps_time_us_t registered_us;  /**< when the last registration was taken up */
    cps_err_t err;                /**< how it ended */
    cps_err_t cause;
    uint64_t timeout_us; /**< of each exchange of a body in blocks */
    cps_chain_t body;    /**< its body, or the piece of it that is under way */
    cps_transfer_t transfer;
} cps_asked_t;

typedef struct cps_asked_table {
    cps_pool_t pool;
    cps_map_t tokens;
    cps_heap_t heap; /**< deadlines */
    uint8_t seed[16];
    uint32_t counter; /**< joined to random bits in each token: none comes twice (RFC 9175 §4.2) */
} cps_asked_table_t;

/** Room for `limit` requests, laid out in the arena. */
void cps_asked_init(cps_asked_table_t *t, cps_arena_t *a, uint32_t limit, const uint8_t seed[16]);

/** A new request, or NULL at the limit. */
cps_asked_t *cps_asked_take(cps_asked_table_t *t);

/** Free it with all it holds. */
void cps_asked_give(cps_asked_table_t *t, cps_asked_t *asked, cps_chain_store_t *chains);

/** Give it a token: `chosen`, or, where that is empty, 4 random bytes and a counter of 4. An earlier token of the
 * request is not known any more. CPS_ERR_EXISTS where the chosen one is in use towards that peer. */
CPS_MUST_USE cps_err_t cps_asked_set_token(cps_asked_table_t *t, cps_asked_t *asked, cps_bytes_t chosen,
                                           cps_rng_t *rng);

/** The request that a response with this token from this path answers, or NULL (§5.3.2: source endpoint and token). */
cps_asked_t *cps_asked_match(const cps_asked_table_t *t, const cps_path_t *path, cps_bytes_t token);

/** The request of that index, in use or not. */
static inline cps_asked_t *cps_asked_at(const cps_asked_table_t *t, uint32_t index)
{
    return cps_pool_at(&t->pool, index);
}

/** Its index. */
static inline uint32_t cps_asked_index(const cps_asked_table_t *t, const cps_asked_t *asked)
{
    return cps_pool_index(&t->pool, asked);
}

/** Append to a list; a request is in one list at a time. */
static inline void cps_asked_push(const cps_asked_table_t *t, cps_list_t *list, cps_asked_t *asked)

/** Put it first. */ { cps_list_push(list, &t->pool, offsetof(cps_asked_t, next), asked); }

/** Put it first. */
static inline void cps_asked_push_front(const cps_asked_table_t *t, cps_list_t *list, cps_asked_t *asked)

/** Take the first one off, or NULL. */ { cps_list_push_front(list, &t->pool, offsetof(cps_asked_t, next), asked); }

/** Take the first one off, or NULL. */
static inline cps_asked_t *cps_asked_pop(const cps_asked_table_t *t, cps_list_t *list)

/** Take it out wherever it stands. */ { return cps_list_pop(list, &t->pool, offsetof(cps_asked_t, next)); }

/** Take it out wherever it stands. */
static inline void cps_asked_unlink(const cps_asked_table_t *t, cps_list_t *list, const cps_asked_t *asked)
{
    cps_list_remove(list, &t->pool, offsetof(cps_asked_t, next), asked);
}

#endif /* CPS_EXCH_ASKED_H */
