// SPDX-License-Identifier: Apache-2.0
/* Deriving a context anew (RFC 8613 appendix B.2), at both ends. A run holds what must not touch the context before the
 * other end has proved itself: request #1 and #2 are sealed, and answers opened, under keys of the run. When the third
 * context has verified a message, the run keeps that datagram and asks the store (CPS_JOB_REKEY) to put the new key in the
 * place of the old; only after that is durable does the context change, and the datagram is worked on again, by the rules
 * that hold for every other. A cut before the commit loses the nonces, and with them every key that they made.
 *
 * What a server keeps for request #1 is nothing: R2 carries a MAC of this process. Runs come from a small pool. */
#ifndef CPS_EP_REKEY_H
#define CPS_EP_REKEY_H

#include "exch/asked.h"
#include "sec/oscore/b2.h"
#include "sec/oscore/table.h"

#include <coapsule/core.h>

typedef enum cps_rekey_state {
    CPS_REKEY_FIRST,  /**< ours: request #1 is on its way, under ID1 */
    CPS_REKEY_SECOND, /**< ours: request #2 is, under ID3 */
    CPS_REKEY_STORE,  /**< ID3 is verified: the store shall hear of it */
    CPS_REKEY_JOB,    /**< the store is at work */
    CPS_REKEY_AGAIN   /**< the context has changed; the datagram waits to be worked on */
} cps_rekey_state_t;

typedef struct cps_rekey {
    cps_pool_head_t head;
    cps_rekey_state_t state;
    bool ours; /**< a request of ours made it */
    cps_handle_t context;
    cps_oscore_ctx_t ctx; /**< of ID1, then of ID3 */
    uint8_t identifier[CPS_OSCORE_IDENTIFIER_LEN];
    cps_path_t path;
    uint32_t len; /**< of the datagram that is kept */
} cps_rekey_t;

typedef struct cps_rekeys {
    cps_pool_t pool;
    uint8_t *bytes; /**< a datagram for each */
    size_t each;
    cps_datagram_t again;   /**< the one that is worked on: views of the last event may show it */
    uint32_t current;       /**< whose it is; CPS_NONE */
    uint32_t waiting;       /**< in CPS_REKEY_STORE */
    uint32_t ready;         /**< in CPS_REKEY_AGAIN, without the current one */
    cps_time_us_t since_us; /**< start of the second in which derivations on trial are counted */
    uint32_t tried;
} cps_rekeys_t;

typedef struct cps_inbound cps_inbound_t;

/** Room for `limit` runs with datagrams of up to `each` bytes, laid out in the arena. */
void cps_rekeys_init(cps_rekeys_t *t, cps_arena_t *a, uint32_t limit, size_t each);

/** Wipe all. */
void cps_rekeys_fini(cps_rekeys_t *t);

/** The context is being removed: so is its run. */
void cps_rekey_drop(cps_ep_t *ep, cps_oscore_entry_t *entry);

/** The event of the next key to store, if there is one. */
bool cps_rekey_job_event(cps_ep_t *ep, cps_event_t *event);

/** CPS_COMMAND_JOB_DONE: the store took the key, or refused. */
cps_err_t cps_rekey_job_done(cps_ep_t *ep, const cps_command_job_done_t *done);

/** A datagram to be worked on again; NULL for none. The one before is given up. */
const cps_datagram_t *cps_rekey_again(cps_ep_t *ep);

/** The run of a context, or NULL. */
cps_rekey_t *cps_rekey_of(const cps_ep_t *ep, const cps_oscore_entry_t *entry);

/** A new run; NULL where the context has one, or at the limit. */
cps_rekey_t *cps_rekey_take(cps_ep_t *ep, cps_oscore_entry_t *entry, bool ours);

/** End a run that came to nothing. */
void cps_rekey_give(cps_ep_t *ep, cps_rekey_t *rekey);

/** The third context verified this message: keep it, and let the store hear. */
void cps_rekey_verified(cps_ep_t *ep, cps_rekey_t *rekey, const cps_inbound_t *in);

/* ---- rekey_ask.c: where we ask ---- */

/** Whether a request has to wait until the context is derived. */
bool cps_rekey_holds(const cps_ep_t *ep, const cps_asked_t *asked, const cps_oscore_entry_t *entry);

/** A number for a request, of its context or of the run, which begins here where the context is not to be used any more.
 * The errors of cps_context_number; CPS_ERR_BUSY at the limit of runs, CPS_ERR_CRYPTO. */
CPS_MUST_USE cps_err_t cps_rekey_number(cps_ep_t *ep, const cps_asked_t *asked, cps_oscore_entry_t *entry,
                                        uint64_t *number);

/** Whether what is to be sent now for a request is request #1 of a run: its server has to refuse it. */
bool cps_rekey_is_first(const cps_ep_t *ep, const cps_asked_t *asked, const cps_oscore_entry_t *entry);

/** What a request is sealed with. */
const cps_oscore_ctx_t *cps_rekey_ctx(const cps_ep_t *ep, const cps_asked_t *asked, const cps_oscore_entry_t *entry);

/** An answer with this OSCORE option: true where it concerned a run, and all is done. */
bool cps_rekey_answer(cps_ep_t *ep, cps_inbound_t *in, cps_bytes_t option_value);

/** The request of ours that a context's run is made by has ended. */
void cps_rekey_asker_gone(cps_ep_t *ep, cps_oscore_entry_t *entry);

/* ---- rekey_serve.c: where we are asked ---- */

/** A request whose kid context wraps `id`, which no context has: true where it is request #1 or #2, and all is done. */
bool cps_rekey_request(cps_ep_t *ep, cps_inbound_t *in, const cps_oscopt_t *option, cps_bytes_t id);

/** Whether keys may be derived for another request under this context in this second; noted where not. */
bool cps_rekey_may_derive(cps_ep_t *ep, const cps_inbound_t *in, cps_oscore_entry_t *entry);

/** Answer an authentic request with response #1: `first` is what opened it. */
void cps_rekey_challenge(cps_ep_t *ep, cps_inbound_t *in, const cps_oscore_ctx_t *first);

#endif /* CPS_EP_REKEY_H */
