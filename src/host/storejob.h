// SPDX-License-Identifier: Apache-2.0
/* The way to the store and back: a thread of its own does what blocks on the disk, so that the loop never waits for it.
 * Leases that are asked for between two sleeps of the loop go out as one call, that is one commit (OPS-13); those that
 * come while it runs make the next one. */
#ifndef CPS_HOST_STOREJOB_H
#define CPS_HOST_STOREJOB_H

#include "store/store.h"

#include <uv.h>

#define CPS_STOREJOB_RUNS_MAX   64U /* jobs of cps_storejob_run that may wait */
#define CPS_STOREJOB_DETAIL_MAX 512U

typedef struct cps_storejobs cps_storejobs_t;

/** What became of one request. Views live for the call only. */
typedef struct cps_storejob_granted {
    cps_err_t err;                   /**< of the call; with CPS_OK each lease has its own result */
    const cps_store_lease_t *leases; /**< those of the request, in its order */
    size_t count;
    const char *detail; /**< the store's sentence; "" where there is none */
} cps_storejob_granted_t;

/** A request for leases. */
typedef struct cps_storejob_lease {
    const cps_store_lease_t *leases; /**< copied */
    size_t count;
    bool invalidate; /**< as the store's lease call: used up for all that go out with it, which costs at most an Echo */
    bool all;
    void (*done)(void *user, const cps_storejob_granted_t *granted); /**< called once, by the loop */
    void *user;
} cps_storejob_lease_t;

/** Something else that blocks on the store, e.g. looking up a key. */
typedef struct cps_storejob_run {
    cps_err_t (*work)(cps_store_t *store, void *user);           /**< in the store's thread */
    void (*done)(void *user, cps_err_t err, const char *detail); /**< called once, by the loop */
    void *user;
} cps_storejob_run_t;

/** Start the thread; nobody else calls `store` until cps_storejobs_close has returned. At most `limit` leases wait at
 * once. The loop stays alive while there is something to do. CPS_ERR_MEMORY, CPS_ERR_IO. */
CPS_MUST_USE cps_err_t cps_storejobs_new(cps_storejobs_t **out, uv_loop_t *loop, cps_store_t *store, uint32_t limit);

/** Do what was asked for so far, call each `done`, end the thread. The store is the caller's again; the memory is freed
 * when the loop has run once more. Not to be called by a `done`. NULL is none. */
void cps_storejobs_close(cps_storejobs_t *jobs);

/** Ask for leases. CPS_ERR_BUSY where too many wait, CPS_ERR_STALE after close. */
CPS_MUST_USE cps_err_t cps_storejob_lease(cps_storejobs_t *jobs, const cps_storejob_lease_t *request);

/** Ask for other work; in the order of asking, behind the leases of the same turn. CPS_ERR_BUSY, CPS_ERR_STALE. */
CPS_MUST_USE cps_err_t cps_storejob_run(cps_storejobs_t *jobs, const cps_storejob_run_t *request);

#endif /* CPS_HOST_STOREJOB_H */
