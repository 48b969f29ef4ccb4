// SPDX-License-Identifier: Apache-2.0
/* RFC 8613 appendix B.2 where we ask: steps 1, 3 and 5, and a server that begins by itself. */
#include "ep/ep.h"

static uint32_t index_of(const cps_ep_t *ep, const cps_asked_t *asked) { return cps_asked_index(&ep->asked, asked); }

/* The run that this request makes, or NULL. */
static cps_rekey_t *run_of(const cps_ep_t *ep, const cps_asked_t *asked, const cps_oscore_entry_t *entry)
{
    cps_rekey_t *r = cps_rekey_of(ep, entry);
    return r != NULL && r->ours && entry->recovering == index_of(ep, asked) ? r : NULL;
}

bool cps_rekey_holds(const cps_ep_t *ep, const cps_asked_t *asked, const cps_oscore_entry_t *entry)
{
    return entry->rekey != CPS_NONE && run_of(ep, asked, entry) == NULL;
}

/* Step 1: ID1 = R1. Request #1 is made of the request: no server has to run it, since what it answers is 4.01. */
static cps_err_t begin(cps_ep_t *ep, const cps_asked_t *asked, cps_oscore_entry_t *entry)
{
    uint8_t r1[CPS_B2_NONCE_LEN];
    cps_rekey_t *r = cps_rekey_take(ep, entry, true);
    if (r == NULL)
        return CPS_ERR_BUSY;
    cps_rng_fill(&ep->rng, r1, sizeof r1);
    const cps_b2_id_t id = {.first = cps_bytes(r1, sizeof r1)};
    cps_err_t err = cps_b2_derive(ep->config.crypto, &entry->prk, &entry->ctx, &id, &r->ctx);
    if (err != CPS_OK) {
        cps_rekey_give(ep, r);
        return err;
    }
    r->state = CPS_REKEY_FIRST;
    r->ctx.wrapped = true;
    entry->recovering = index_of(ep, asked); /* the others on this context wait */
    return CPS_OK;
}

cps_err_t cps_rekey_number(cps_ep_t *ep, const cps_asked_t *asked, cps_oscore_entry_t *entry, uint64_t *number)
{
    cps_rekey_t *r = run_of(ep, asked, entry);
    if (r == NULL && !entry->rederive)
        return cps_context_number(ep, entry, number);
    cps_err_t err = r == NULL ? begin(ep, asked, entry) : CPS_OK;
    if (err != CPS_OK)
        return err;
    err = cps_oscore_seq_take(&run_of(ep, asked, entry)->ctx.seq, number);
    return err == CPS_ERR_WAIT ? CPS_ERR_BUSY : err; /* never so many: a run seals two or three messages */
}

const cps_oscore_ctx_t *cps_rekey_ctx(const cps_ep_t *ep, const cps_asked_t *asked, const cps_oscore_entry_t *entry)
{
    const cps_rekey_t *r = run_of(ep, asked, entry);
    return r != NULL ? &r->ctx : &entry->ctx;
}

bool cps_rekey_is_first(const cps_ep_t *ep, const cps_asked_t *asked, const cps_oscore_entry_t *entry)
{
    const cps_rekey_t *r = run_of(ep, asked, entry);
    return r != NULL && r->state == CPS_REKEY_FIRST;
}

void cps_rekey_asker_gone(cps_ep_t *ep, cps_oscore_entry_t *entry)
{
    cps_rekey_t *r = cps_rekey_of(ep, entry);
    if (r != NULL && r->ours && r->state <= CPS_REKEY_SECOND)
        cps_rekey_give(ep, r); /* what the store has already heard of goes on */
}

/* ---- response #1 ---- */

/* Whether it verifies under ID2 = R2 || ID1, with the nonce of the request as it was, or as the new Common IV makes it. */
static bool opens_first(cps_ep_t *ep, cps_inbound_t *in, const cps_oscore_ctx_t *first, cps_bytes_t r2)
{
    cps_oscore_ctx_t own;
    cps_oscore_ctx_t second;
    if (r2.len + CPS_B2_NONCE_LEN > CPS_OSCORE_ID_CONTEXT_MAX ||
        cps_b2_second(ep->config.crypto, &in->entry->prk, first, r2, &own) != CPS_OK)
        return false;
    second = own;
    cps_b2_hand_over(first, &second);
    cps_err_t err = cps_ep_open_answer(ep, in, &own); /* with a Partial IV of its own */
    if (err != CPS_OK)
        err = cps_ep_open_answer(ep, in, &second);
    cps_oscore_ctx_fini(&own);
    cps_oscore_ctx_fini(&second);
    return err == CPS_OK && in->msg.code == CPS_UNAUTHORIZED; /* step 2: nothing else is response #1 */
}

/* A server asks for fresh nonces in answer to an ordinary request. It may have run that before it lost its state. */
static cps_rekey_t *begin_at_second(cps_ep_t *ep, cps_asked_t *asked, cps_oscore_entry_t *entry)
{
    entry->rederive = true; /* if this run comes to nothing, the next request makes one */
    if (!cps_ask_may_repeat(asked)) {
        cps_ask_fail(ep, asked, CPS_ERR_OUTCOME_UNKNOWN, CPS_ERR_WINDOW_UNKNOWN);
        return NULL;
    }
    if (entry->recovering != CPS_NONE || entry->rekey != CPS_NONE) {
        cps_ask_hold(ep, asked, entry);
        return NULL;
    }
    cps_rekey_t *r = cps_rekey_take(ep, entry, true);
    if (r == NULL)
        cps_ask_fail(ep, asked, CPS_ERR_BUSY, CPS_OK);
    else
        entry->recovering = index_of(ep, asked);
    return r;
}

/* Step 3: the request once more, as request #2 under ID3 = R2 || R3. */
static void go_on(cps_ep_t *ep, cps_inbound_t *in, cps_rekey_t *r, cps_bytes_t r2)
{
    uint8_t r3[CPS_B2_NONCE_LEN];
    cps_oscore_entry_t *entry = in->entry;
    cps_asked_t *asked = in->asked;
    cps_ask_acknowledge(ep, in);
    cps_peer_heard(cps_peers_at(&ep->peers, asked->peer));
    cps_ask_detach(ep, asked);
    if (r == NULL)
        r = begin_at_second(ep, asked, entry);
    if (r == NULL)
        return;
    cps_rng_fill(&ep->rng, r3, sizeof r3);
    const cps_b2_id_t id = {r2, cps_bytes(r3, sizeof r3)};
    cps_err_t err = cps_b2_derive(ep->config.crypto, &entry->prk, &entry->ctx, &id, &r->ctx);
    if (err != CPS_OK) {
        cps_ask_fail(ep, asked, err, CPS_OK);
        return;
    }
    r->ctx.wrapped = true;
    r->state = CPS_REKEY_SECOND;
    cps_ask_requeue(ep, asked);
}

/* ---- answers ---- */

static void bad_answer(cps_ep_t *ep, const cps_inbound_t *in)
{
    cps_ep_note(ep, CPS_NOTE_BAD_ANSWER, &in->datagram->path, in->entry, 0);
}

/* Step 5. */
static void take_second(cps_ep_t *ep, cps_inbound_t *in, cps_rekey_t *r)
{
    if (cps_ep_open_answer(ep, in, &r->ctx) != CPS_OK) {
        bad_answer(ep, in);
        return;
    }
    cps_peer_heard(cps_peers_at(&ep->peers, in->asked->peer));
    cps_rekey_verified(ep, r, in);
}

/* The R2 that an answer tells. */
static bool tells_nonce(cps_bytes_t option_value, cps_bytes_t *r2)
{
    cps_oscopt_t option;
    return cps_oscopt_decode(option_value, &option) == CPS_OK && option.has_kid_context &&
           cps_b2_unwrap(option.kid_context, r2);
}

bool cps_rekey_answer(cps_ep_t *ep, cps_inbound_t *in, cps_bytes_t option_value)
{
    cps_oscore_entry_t *entry = in->entry;
    cps_bytes_t r2;
    if (!entry->rederivable)
        return false;
    cps_rekey_t *r = run_of(ep, in->asked, entry);
    if (r != NULL && r->state == CPS_REKEY_SECOND) {
        take_second(ep, in, r);
        return true;
    }
    if (r != NULL && r->state != CPS_REKEY_FIRST)
        return true; /* a copy, while the store is at work: neither ACK nor RST, it comes again */
    if (tells_nonce(option_value, &r2) && opens_first(ep, in, r != NULL ? &r->ctx : &entry->ctx, r2)) {
        go_on(ep, in, r, r2);
        return true;
    }
    if (r != NULL)
        bad_answer(ep, in);
    return r != NULL;
}
