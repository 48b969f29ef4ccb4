// SPDX-License-Identifier: Apache-2.0
/* Runs of RFC 8613 appendix B.2: their pool, the store's part, and the change of the context. */
#include "ep/ep.h"

void cps_rekeys_init(cps_rekeys_t *t, cps_arena_t *a, uint32_t limit, size_t each)
{
    cps_pool_init(&t->pool, a, limit, sizeof(cps_rekey_t));
    t->bytes = cps_arena_take(a, limit, each);
    t->each = each;
    t->current = CPS_NONE;
}

static cps_rekey_t *at(const cps_ep_t *ep, uint32_t index) { return cps_pool_at(&ep->rekeys.pool, index); }

static uint8_t *bytes_of(const cps_ep_t *ep, const cps_rekey_t *r)
{
    return ep->rekeys.bytes + ep->rekeys.each * cps_pool_index(&ep->rekeys.pool, r);
}

void cps_rekeys_fini(cps_rekeys_t *t)
{
    for (uint32_t i = 0; i < t->pool.touched; i++)
        if (cps_pool_live(&t->pool, i))
            cps_oscore_ctx_fini(&((cps_rekey_t *)cps_pool_at(&t->pool, i))->ctx);
}

cps_rekey_t *cps_rekey_of(const cps_ep_t *ep, const cps_oscore_entry_t *entry)
{
    return entry->rekey != CPS_NONE ? at(ep, entry->rekey) : NULL;
}

cps_rekey_t *cps_rekey_take(cps_ep_t *ep, cps_oscore_entry_t *entry, bool ours)
{
    cps_rekey_t *r = entry->rekey == CPS_NONE ? cps_pool_take(&ep->rekeys.pool) : NULL;
    if (r == NULL)
        return NULL;
    r->ours = ours;
    r->context = cps_pool_handle(&ep->contexts.pool, entry);
    entry->rekey = cps_pool_index(&ep->rekeys.pool, r);
    return r;
}

void cps_rekey_give(cps_ep_t *ep, cps_rekey_t *r)
{
    cps_oscore_entry_t *entry = cps_ep_context(ep, r->context);
    if (entry != NULL && entry->rekey == cps_pool_index(&ep->rekeys.pool, r))
        entry->rekey = CPS_NONE;
    ep->rekeys.waiting -= r->state == CPS_REKEY_STORE;
    cps_oscore_ctx_fini(&r->ctx);
    cps_pool_give(&ep->rekeys.pool, r);
}

void cps_rekey_drop(cps_ep_t *ep, cps_oscore_entry_t *entry)
{
    cps_rekey_t *r = cps_rekey_of(ep, entry);
    if (r != NULL)
        cps_rekey_give(ep, r);
}

void cps_rekey_verified(cps_ep_t *ep, cps_rekey_t *r, const cps_inbound_t *in)
{
    cps_bytes_t bytes = in->datagram->bytes;
    if (bytes.len > ep->rekeys.each)
        return; /* never: nothing larger is taken */
    r->path = in->datagram->path;
    r->len = (uint32_t)bytes.len;
    cps_copy(bytes_of(ep, r), bytes.ptr, bytes.len);
    r->state = CPS_REKEY_STORE;
    ep->rekeys.waiting++;
}

/* ---- the store ---- */

static bool fill_job(cps_ep_t *ep, cps_rekey_t *r, const cps_oscore_entry_t *entry, cps_event_t *event)
{
    cps_event_job_t *job = &event->u.job;
    const cps_oscore_params_t params = cps_oscore_ctx_params(&r->ctx);
    memset(event, 0, sizeof *event);
    event->kind = CPS_EVENT_JOB;
    event->handle = cps_pool_handle(&ep->rekeys.pool, r);
    job->kind = CPS_JOB_REKEY;
    job->context = r->context;
    job->user = entry->user;
    job->number = r->ctx.seq.ceiling; /* all that the run may have used is below it */
    job->id_context_len = r->ctx.id_context_len;
    memcpy(job->id_context, r->ctx.id_context, r->ctx.id_context_len);
    cps_err_t err =
        cps_oscore_identifier_expand(ep->config.crypto, &entry->prk, &params, job->state_id, job->window_id);
    memcpy(r->identifier, job->state_id, sizeof r->identifier);
    return err == CPS_OK;
}

bool cps_rekey_job_event(cps_ep_t *ep, cps_event_t *event)
{
    for (uint32_t i = 0; ep->rekeys.waiting != 0 && i < ep->rekeys.pool.touched; i++) {
        cps_rekey_t *r = at(ep, i);
        if (!cps_pool_live(&ep->rekeys.pool, i) || r->state != CPS_REKEY_STORE)
            continue;
        const cps_oscore_entry_t *entry = cps_ep_context(ep, r->context);
        if (entry == NULL || entry->ctx.seq.pending)
            continue; /* a lease of the old numbers comes back first, so that it is not taken for one of the new */
        if (!fill_job(ep, r, entry, event))
            continue; /* tried again; the request has its deadline, the peer its copies */
        r->state = CPS_REKEY_JOB;
        ep->rekeys.waiting--;
        return true;
    }
    return false;
}

/* Requests that went out under the old context get no answer that could be opened. */
static void resolve_others(cps_ep_t *ep, cps_handle_t context, uint32_t runner)
{
    for (uint32_t i = 0; i < ep->asked.pool.touched; i++) {
        cps_asked_t *asked = cps_asked_at(&ep->asked, i);
        if (!cps_pool_live(&ep->asked.pool, i) || asked->context != context || asked->state != CPS_ASKED_SENT ||
            i == runner)
            continue;
        cps_ask_detach(ep, asked);
        if (cps_ask_may_repeat(asked))
            cps_ask_requeue(ep, asked);
        else
            cps_ask_fail(ep, asked, CPS_ERR_OUTCOME_UNKNOWN, CPS_ERR_CANCELED);
    }
}

static void change(cps_ep_t *ep, cps_rekey_t *r, cps_oscore_entry_t *entry)
{
    uint8_t salt[8]; /* new: R2 and Echo values of before prove nothing any more (B.2 step 4; a replayed request #2) */
    uint32_t runner = r->ours ? entry->recovering : CPS_NONE;
    cps_rng_fill(&ep->rng, salt, sizeof salt);
    r->ctx.wrapped = false; /* only request #2 has it so */
    cps_oscore_table_renew(&ep->contexts, entry, &r->ctx, r->identifier, salt);
    cps_oscore_ctx_fini(&r->ctx);
    entry->rekey = CPS_NONE;
    entry->rederive = false;
    entry->highest = 0;
    cps_chain_free(&ep->chains, &entry->echo);
    cps_ep_note(ep, CPS_NOTE_REKEYED, &r->path, entry, 0);
    cps_serve_drop(ep, r->context);
    resolve_others(ep, r->context, runner);
    r->state = CPS_REKEY_AGAIN;
    ep->rekeys.ready++;
    if (!r->ours)
        cps_ask_release_held(ep, entry);
    cps_ask_granted(ep); /* those that waited for numbers of the old one */
    cps_ask_work(ep);
}

static void refused(cps_ep_t *ep, cps_rekey_t *r, cps_oscore_entry_t *entry, cps_err_t err)
{
    cps_asked_t *asked = r->ours && entry->recovering != CPS_NONE ? cps_asked_at(&ep->asked, entry->recovering) : NULL;
    cps_ep_note(ep, CPS_NOTE_STORE_REFUSED, &r->path, entry, 0);
    cps_rekey_give(ep, r);
    if (asked != NULL)
        cps_ask_fail(ep, asked, err, CPS_OK);
    else
        cps_ask_release_held(ep, entry);
}

cps_err_t cps_rekey_job_done(cps_ep_t *ep, const cps_command_job_done_t *done)
{
    cps_rekey_t *r = cps_pool_find(&ep->rekeys.pool, done->job);
    cps_oscore_entry_t *entry = r != NULL ? cps_ep_context(ep, r->context) : NULL;
    if (entry == NULL || r->state != CPS_REKEY_JOB)
        return CPS_ERR_STALE;
    if (done->result == CPS_OK)
        change(ep, r, entry);
    else
        refused(ep, r, entry, done->result);
    return CPS_OK;
}

/* ---- the datagram that changed it ---- */

const cps_datagram_t *cps_rekey_again(cps_ep_t *ep)
{
    cps_rekeys_t *t = &ep->rekeys;
    if (t->current != CPS_NONE)
        cps_pool_give(&t->pool, at(ep, t->current));
    t->current = CPS_NONE;
    for (uint32_t i = 0; t->ready != 0 && i < t->pool.touched; i++) {
        const cps_rekey_t *r = at(ep, i);
        if (!cps_pool_live(&t->pool, i) || r->state != CPS_REKEY_AGAIN)
            continue;
        t->current = i;
        t->ready--;
        t->again = (cps_datagram_t){.path = r->path, .bytes = cps_bytes(bytes_of(ep, r), r->len)};
        return &t->again;
    }
    return NULL;
}
