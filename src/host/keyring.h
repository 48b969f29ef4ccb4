// SPDX-License-Identifier: Apache-2.0
/* Credentials of a store as OSCORE contexts of an endpoint: which there are, who owns them, and what is saved of them.
 *
 * The order is the store's: own, read the state, make it durable that saved numbers and windows are used up, and only
 * then let the endpoint seal or accept (docs/architecture.md "Leases"). A daemon does that for all its credentials in
 * one commit at start; a command with the first lease of the one that it uses. */
#ifndef CPS_HOST_KEYRING_H
#define CPS_HOST_KEYRING_H

#include "store/store.h"
#include "wire/uri.h"

#include <coapsule/core.h>

#define CPS_KEYRING_WAIT_MS    5000U /* how long another process is waited for (OPS-4) */
#define CPS_KEYRING_DETAIL_MAX 512U

typedef struct cps_keyring cps_keyring_t;

/** A credential that is loaded, for as long as its keyring. Its place there is the `user` of its context. */
typedef struct cps_credential {
    char name[CPS_STORE_NAME_MAX + 1];
    uint8_t state_id[CPS_STORE_ID_LEN];
    uint8_t window_id[CPS_STORE_ID_LEN];
    cps_handle_t context;
    bool wanted; /**< between cps_keyring_begin and its end */
    bool added;
} cps_credential_t;

/** Credentials of `store` (its owner closes it afterwards) for an endpoint. CPS_ERR_MEMORY. */
CPS_MUST_USE cps_err_t cps_keyring_new(cps_keyring_t **out, cps_store_t *store, cps_ep_t *ep);

/** Give up all credentials. Call cps_keyring_save before, for a clean exit. NULL is no keyring. */
void cps_keyring_free(cps_keyring_t *keyring);

/**
 * For a daemon: own all credentials of the store (or those named in `names`, separated by spaces; NULL: all), waiting
 * up to CPS_KEYRING_WAIT_MS for other processes, and make it durable that what was saved is used up. CPS_ERR_IN_USE,
 * CPS_ERR_NOT_FOUND for a name, CPS_ERR_FULL, store errors. Retired ones are left out.
 */
CPS_MUST_USE cps_err_t cps_keyring_load(cps_keyring_t *keyring, const char *names);

/**
 * For a command: the name of the credential whose pattern fits the URI best. CPS_ERR_NOT_FOUND: none does, so that the
 * request goes unsealed. CPS_ERR_CONFIG: two equally specific ones; the detail names both (OPS-23).
 */
CPS_MUST_USE cps_err_t cps_keyring_choose(cps_keyring_t *keyring, const cps_uri_t *uri,
                                          char name[CPS_STORE_NAME_MAX + 1]);

/**
 * For a command: own one credential, waiting up to `wait_ms`, and add its context; known ones are found again. One commit
 * makes a first lease durable and what was saved used up, before the endpoint knows the context. Not while a lease is
 * with the store. CPS_ERR_IN_USE with the pid in the detail, CPS_ERR_RETIRED, CPS_ERR_NOT_FOUND, CPS_ERR_STATE_LOST.
 *
 * "credential:NAME" is the key of that file in $CREDENTIALS_DIRECTORY, which the store has to know: a secret that comes from
 * elsewhere has its numbers here or sends nothing (OPS-3, OPS-27). CPS_ERR_CONFIG where there is no such file.
 */
CPS_MUST_USE cps_err_t cps_keyring_own(cps_keyring_t *keyring, const char *name, uint32_t wait_ms,
                                       const cps_credential_t **out);

/**
 * For a daemon that runs: own the credentials that there shall be from now on (`names` as in cps_keyring_load) and that are
 * not there yet, without waiting for other processes. After an error all is as it was. After CPS_OK old and new ones are
 * there, until cps_keyring_commit gives up the old ones that are not wanted, or cps_keyring_abort the new ones. Not while
 * a lease is with the store. The errors of cps_keyring_load.
 */
CPS_MUST_USE cps_err_t cps_keyring_begin(cps_keyring_t *keyring, const char *names);
CPS_MUST_USE cps_err_t cps_keyring_commit(cps_keyring_t *keyring);
void cps_keyring_abort(cps_keyring_t *keyring);

/** The credential of an event's `user`; NULL where there is none. */
const cps_credential_t *cps_keyring_at(const cps_keyring_t *keyring, uint64_t user);

/** Fill the renewal that a CPS_JOB_REKEY asks for. */
void cps_keyring_renewal(const cps_keyring_t *keyring, const cps_event_job_t *job, cps_store_renewal_t *renewal);

/** The store has it: what is leased and saved from here on is the new key's. Before the endpoint hears of it. */
void cps_keyring_renewed(cps_keyring_t *keyring, const cps_event_job_t *job);

/** Fill the lease that a job asks for. */
void cps_keyring_lease(const cps_keyring_t *keyring, const cps_event_job_t *job, cps_store_lease_t *lease);

/** At a clean exit, with no lease under way: take the contexts out of the endpoint, so that nothing is sealed or accepted
 * any more, and save next numbers and windows in one commit. Keys that are not used any more are marked for a rekey. */
CPS_MUST_USE cps_err_t cps_keyring_save(cps_keyring_t *keyring);

/** The sentence of the last error. */
const char *cps_keyring_detail(const cps_keyring_t *keyring);

#endif /* CPS_HOST_KEYRING_H */
