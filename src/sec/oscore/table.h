// SPDX-License-Identifier: Apache-2.0
/* The contexts of an endpoint, found by kid and kid context in constant time however many there are (RFC 8613 §8.2
 * step 2). At most four share one (kid, kid context); each is tried. */
#ifndef CPS_SEC_OSCORE_TABLE_H
#define CPS_SEC_OSCORE_TABLE_H

#include "base/chain.h"
#include "base/map.h"
#include "sec/oscore/ctx.h"

#define CPS_OSCORE_SAME_KID_MAX 4U

/** A context with what an endpoint keeps beside it. */
typedef struct cps_oscore_entry {
    cps_pool_head_t head;
    cps_oscore_ctx_t ctx;
    struct {
        uint8_t identifier[CPS_OSCORE_IDENTIFIER_LEN]; /**< of the key material */
        uint8_t salt[8];  /**< drawn when the context is added: an Echo from before proves nothing about this window */
    } bound;              /**< what Echo values are bound to */
    cps_oscore_prk_t prk; /**< where `rederivable`: what further contexts are derived from; else zero */
    bool rederivable;     /**< appendix B.2 is allowed with this peer */
    bool rederive;        /**< the present context is not used any more: the next request derives another */
    uint32_t rekey;       /**< the run of appendix B.2 that is under way; CPS_NONE */
    cps_time_us_t rekeys_at; /**< start of the second in which derivations for requests of others are counted */
    uint32_t rekeys;
    uint64_t user;
    cps_time_us_t challenged_at; /**< start of the second in which challenges are counted */
    cps_chain_t echo;            /**< client: the last Echo inside an answer, for the next request */
    uint32_t recovering;         /**< client: the request whose Echo recovers the peer's window; CPS_NONE */
    cps_list_t held;             /**< client: requests that wait for it */
    uint32_t next_job;           /**< list of contexts that want a lease */
    uint64_t highest;            /**< server: largest authentic number met while the window is unknown, plus 1 */
    uint16_t challenges;
    uint16_t new_challenges; /**< of these, to numbers above all met before */
    uint32_t unproven;       /**< server: challenges to such numbers since the window got lost */
    bool job_queued;
} cps_oscore_entry_t;

typedef struct cps_oscore_table {
    cps_pool_t pool;
    cps_map_t map;
    uint8_t seed[16];
} cps_oscore_table_t;

/** Room for `limit` contexts, laid out in the arena. */
void cps_oscore_table_init(cps_oscore_table_t *t, cps_arena_t *a, uint32_t limit, const uint8_t seed[16]);

/** Derive and add. CPS_ERR_FULL, CPS_ERR_TOO_MANY, CPS_ERR_IN_USE where a context with the same Sender Key is there
 * already (both would use its numbers), and the errors of cps_oscore_ctx_init. `salt` is 8 random bytes. */
CPS_MUST_USE cps_err_t cps_oscore_table_add(cps_oscore_table_t *t, cps_crypto_t *crypto,
                                            const cps_oscore_params_t *params, const uint8_t salt[8],
                                            cps_oscore_entry_t **out);

/** Put `ctx`, derived from the same secret by another ID Context, in place of the entry's context, which is wiped; what was
 * bound to that is not bound to this. The entry keeps its place. `salt` is 8 new random bytes. */
void cps_oscore_table_renew(cps_oscore_table_t *t, cps_oscore_entry_t *entry, const cps_oscore_ctx_t *ctx,
                            const uint8_t identifier[CPS_OSCORE_IDENTIFIER_LEN], const uint8_t salt[8]);

/** Take out and wipe. */
void cps_oscore_table_remove(cps_oscore_table_t *t, cps_oscore_entry_t *entry);

/** Wipe all. */
void cps_oscore_table_fini(cps_oscore_table_t *t);

/** The first and next context of a request's kid and kid context, or NULL. With a kid context, only contexts of that ID
 * Context (OSC-40); without one, contexts without ID Context, then those with one. */
cps_oscore_entry_t *cps_oscore_table_first(const cps_oscore_table_t *t, const cps_oscopt_t *option,
                                           cps_map_walk_t *walk);
cps_oscore_entry_t *cps_oscore_table_next(const cps_oscore_table_t *t, const cps_oscopt_t *option,
                                          cps_map_walk_t *walk);

/** The context of that index. */
static inline cps_oscore_entry_t *cps_oscore_table_at(const cps_oscore_table_t *t, uint32_t index)
{
    return cps_pool_at(&t->pool, index);
}

#endif /* CPS_SEC_OSCORE_TABLE_H */
