// SPDX-License-Identifier: Apache-2.0
/* Request-Tag (RFC 9175 §3.4, §3.5): when a body may go without one again. Values are never used twice, so that only their
 * absence has to be recycled: by one operation at a time, and after one that did not end with an answer not before no block
 * of it could pass the server's replay window any more. Time runs in sequence numbers of a context; without security, in
 * microseconds. */
#ifndef CPS_EXCH_REQTAG_H
#define CPS_EXCH_REQTAG_H

#include <stdbool.h>
#include <stdint.h>

/** Twice the largest replay window of this library: the server's is not known. */
#define CPS_REQTAG_SPAN 128U

/** One security context's, or that of all that is not sealed. Zero: nothing was ever sent. */
typedef struct cps_reqtag {
    uint32_t absent_used; /**< operations under way without a tag */
    uint64_t reached;     /**< highest number whose request was answered */
    uint64_t free_from;   /**< no operation goes without a tag before this is reached */
} cps_reqtag_t;

/** An operation begins: true where it goes without a tag. */
static inline bool cps_reqtag_begin(cps_reqtag_t *t)
{
    if (t->absent_used != 0 || t->reached < t->free_from)
        return false;
    t->absent_used++;
    return true;
}

/** A number was reached: the server answered it, or it is that time. */
static inline void cps_reqtag_reach(cps_reqtag_t *t, uint64_t number)
{
    t->reached = number > t->reached ? number : t->reached;
}

/** Blocks up to the number `last` may be under way still, and are taken for `span` more. */
static inline void cps_reqtag_hold(cps_reqtag_t *t, uint64_t last, uint64_t span)
{
    t->free_from = last + span > t->free_from ? last + span : t->free_from;
}

/** An operation without a tag is over. */
static inline void cps_reqtag_end(cps_reqtag_t *t) { t->absent_used--; }

#endif /* CPS_EXCH_REQTAG_H */
