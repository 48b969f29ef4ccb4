// SPDX-License-Identifier: Apache-2.0
/* The way of an endpoint's jobs to the store and back: a lease that it asks for becomes a durable ceiling, off the loop,
 * and the grants of one loop turn become one commit. */
#ifndef CPS_HOST_LEASES_H
#define CPS_HOST_LEASES_H

#include "host/keyring.h"
#include "host/metrics.h"
#include "host/worker.h"

typedef struct cps_leases cps_leases_t;

/** For the endpoint of `worker` with the credentials of `keyring` in `store`; all three outlive it. CPS_ERR_MEMORY. */
CPS_MUST_USE cps_err_t cps_leases_new(cps_leases_t **out, cps_worker_t *worker, cps_keyring_t *keyring,
                                      cps_store_t *store);

/** Called on the loop when the store refused, with the sentence (valid for the call). */
typedef void (*cps_leases_refused_fn)(void *user, cps_err_t err, const char *sentence);

/** Who hears it. */
void cps_leases_on_refused(cps_leases_t *leases, cps_leases_refused_fn refused, void *user);

/** A CPS_EVENT_JOB of the endpoint: done by itself from here on. */
void cps_leases_job(cps_leases_t *leases, const cps_event_t *event);

/** Whether the store is at work: nobody else calls it meanwhile, and a clean exit waits before it saves. */
bool cps_leases_busy(const cps_leases_t *leases);

/** Write how many were granted and refused, and how long that took. */
void cps_leases_metrics(const cps_leases_t *leases, cps_metrics_out_t *out);

/** Stop, before the worker is closed; what is under way is finished first. The store is the caller's again. NULL is none. */
void cps_leases_close(cps_leases_t *leases);

#endif /* CPS_HOST_LEASES_H */
