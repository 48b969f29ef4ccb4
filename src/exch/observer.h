// SPDX-License-Identifier: Apache-2.0
/* Observers (RFC 7641 §4.1): who wants to hear of a resource, by endpoint and token, and what a notification needs to
 * find its way. Only what an observer is; when it is notified is decided in ep. */
#ifndef CPS_EXCH_OBSERVER_H
#define CPS_EXCH_OBSERVER_H

#include "exch/asked.h"

#define CPS_OBSERVE_FORGET_US 128000000U /* after so long any notification counts as newer (RFC 7641 §3.4) */
#define CPS_OBSERVE_SPARE     16U        /* places for those that are over, until the application was told */

/** Where an observer stands. */
typedef enum cps_observer_state {
    CPS_OBSERVER_IDLE,
    CPS_OBSERVER_READY,  /**< in the list of those whose turn it is */
    CPS_OBSERVER_QUEUED, /**< behind other notifications to its endpoint (NSTART) */
    CPS_OBSERVER_LEASE,  /**< waits for sequence numbers */
    CPS_OBSERVER_ASKED,  /**< the application was asked for the present state */
    CPS_OBSERVER_GONE    /**< over; the event is still to be given */
} cps_observer_state_t;

typedef struct cps_observer {
    cps_pool_head_t head;
    uint64_t user;
    cps_time_us_t confirmed_us; /**< when it last showed that it is there */
    cps_time_us_t paced_us;     /**< no NON notification before (§4.5.1) */
    cps_handle_t context;       /**< seals its notifications; 0: none does */
    uint32_t peer;
    uint32_t ifindex;
    uint32_t tx;     /**< the last notification, while an ACK or RST may name it; CPS_NONE */
    uint32_t old_tx; /**< the one that it replaced before that was acknowledged; CPS_NONE */
    uint32_t next;   /**< in the list that its state names */
    uint32_t number; /**< of its last notification: the low 24 bits are the value of Observe */
    uint32_t room;   /**< bytes that may still go to an unverified address because of its request */
    cps_err_t gone;  /**< why it is over */
    uint8_t token[CPS_TOKEN_MAX];
    uint8_t binding[CPS_EXCH_BINDING_MAX];
    uint16_t format;       /**< Content-Format of its representations, with `has_format` */
    uint8_t remote_family; /**< cps_family_t */
    uint8_t local_family;  /**< cps_family_t */
    uint8_t token_len;
    uint8_t state;     /**< cps_observer_state_t */
    uint8_t unchecked; /**< NON notifications since the last CON one */
    bool has_format;
    bool dirty;     /**< the state changed since it was last asked for */
    bool counted;   /**< counts among the notifications outstanding to its endpoint */
    bool proven;    /**< its address is: no limit of amplification */
    bool heard;     /**< a replaced notification was acknowledged since the one under way was first sent */
    bool replacing; /**< the one under way is replaced by the state asked for */
    bool must_con;  /**< the next one has to be Confirmable */
} cps_observer_t;

_Static_assert(sizeof(cps_observer_t) <= 128, "an observer is small: there may be many");

typedef struct cps_observer_table {
    cps_pool_t pool;
    cps_map_t map;   /**< by peer, context and token */
    cps_heap_t heap; /**< when to look again: pace, check, refused lease */
    uint8_t seed[16];
    uint32_t limit;
    uint32_t live;  /**< those that are not gone */
    uint32_t plain; /**< of these, without a context */
} cps_observer_table_t;

/** Who observes, as a request shows it. */
typedef struct cps_observer_key {
    uint32_t peer;
    cps_handle_t context; /**< a plain request never reaches a sealed observation */
    cps_bytes_t token;
} cps_observer_key_t;

/** Room for `limit` observers, laid out in the arena. */
void cps_observer_init(cps_observer_table_t *t, cps_arena_t *a, uint32_t limit, const uint8_t seed[16]);

/** The observer of that endpoint, context and token, or NULL (§4.1). */
cps_observer_t *cps_observer_find(const cps_observer_table_t *t, const cps_observer_key_t *key);

/** A new observer, or NULL at the limit. A quarter of the places is kept for sealed ones. */
cps_observer_t *cps_observer_take(cps_observer_table_t *t, const cps_observer_key_t *key);

/** It is over: not found any more, its place is kept until cps_observer_give. */
void cps_observer_end(cps_observer_table_t *t, cps_observer_t *observer);

/** Free its place. */
void cps_observer_give(cps_observer_table_t *t, cps_observer_t *observer);

/** The one of that index, in use or not. */
static inline cps_observer_t *cps_observer_at(const cps_observer_table_t *t, uint32_t index)
{
    return cps_pool_at(&t->pool, index);
}

/** Its index. */
static inline uint32_t cps_observer_index(const cps_observer_table_t *t, const cps_observer_t *observer)
{
    return cps_pool_index(&t->pool, observer);
}

/** The number of the next notification: strictly rising, by a clock of 2^15 microseconds where it changes more slowly
 * than that, so that it grows by less than 2^23 in 256 s (§4.4). */
uint32_t cps_observer_number(cps_observer_t *observer, cps_time_us_t now_us);

/** A notification as it came: the value of its Observe option, and when. */
typedef struct cps_observed {
    uint32_t value;
    cps_time_us_t when_us;
} cps_observed_t;

/** Whether one that came later is newer than the last (§3.4). */
bool cps_observed_is_newer(const cps_observed_t *last, const cps_observed_t *came);

#endif /* CPS_EXCH_OBSERVER_H */
