// SPDX-License-Identifier: Apache-2.0
/* A client's side of a body in blocks (RFC 7959 §2.4, §2.5, §2.7): which block is next, in what size, and whether an answer
 * belongs to what came before. Bytes are elsewhere; here are places and sizes only. */
#ifndef CPS_EXCH_TRANSFER_H
#define CPS_EXCH_TRANSFER_H

#include "wire/block.h"

#define CPS_TRANSFER_OPTIONS 5U /* that one request gets added at most */

typedef enum cps_transfer_phase {
    CPS_TRANSFER_NONE, /**< the request fits one message */
    CPS_TRANSFER_UP,   /**< its body goes block by block */
    CPS_TRANSFER_DOWN  /**< the answer's body comes block by block */
} cps_transfer_phase_t;

typedef struct cps_transfer {
    uint8_t phase; /**< cps_transfer_phase_t */
    uint8_t szx;   /**< of our blocks */
    uint8_t down_szx;
    bool follow;     /**< the answer's later blocks are wanted */
    bool early;      /**< say `down_szx` in the first request (§2.4 early negotiation) */
    bool streamed;   /**< the body is asked for piece by piece */
    bool last;       /**< the block under way is the last */
    bool restarted;  /**< after a 4.08, once */
    bool shrunk;     /**< after a 4.13, once */
    bool tagged;     /**< `tag` goes along */
    bool tag_absent; /**< its Request-Tag is to have none, and that is in use */
    uint8_t tag_len;
    uint8_t code; /**< of the answer */
    uint8_t etag_len;
    uint8_t etag[8];
    uint8_t tag[8];
    uint32_t at;    /**< where the block under way begins */
    uint32_t len;   /**< and its length */
    uint32_t total; /**< of the body; 0: not known */
    uint32_t down;  /**< where the next block of the answer has to begin */
} cps_transfer_t;

/** What follows from an answer. */
typedef enum cps_transfer_step {
    CPS_TRANSFER_WHOLE,  /**< it is the end: for the application */
    CPS_TRANSFER_PART,   /**< a block of the answer: for the application, and the next is to be asked for */
    CPS_TRANSFER_GO_ON,  /**< the next block of our body is to go, from `at` on */
    CPS_TRANSFER_BROKEN, /**< it does not belong to what came before: nothing counts */
} cps_transfer_step_t;

/** Take an answer to the request under way. */
cps_transfer_step_t cps_transfer_take(cps_transfer_t *t, const cps_msg_t *answer);

/** Values of the options that cps_transfer_options adds. */
typedef struct cps_transfer_values {
    uint8_t block1[4];
    uint8_t block2[4];
    uint8_t size1[4];
} cps_transfer_values_t;

/**
 * The options of the request under way, out of those of the first (§2.3: the same but the Block ones): drops what must
 * not come again and adds Block1, Block2, Size1 and Request-Tag. `list` has room for CPS_TRANSFER_OPTIONS more; how many
 * there are now. `values` and `t` outlive the list.
 */
size_t cps_transfer_options(const cps_transfer_t *t, cps_transfer_values_t *values, cps_option_t *list, size_t count);

/** Whether its body goes in more than one message. */
static inline bool cps_transfer_is_split(const cps_transfer_t *t)
{
    return t->phase != CPS_TRANSFER_NONE && !(t->phase == CPS_TRANSFER_UP && t->at == 0 && t->last);
}

#endif /* CPS_EXCH_TRANSFER_H */
