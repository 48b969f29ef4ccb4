// SPDX-License-Identifier: Apache-2.0
/* OSCORE contexts of an endpoint: adding and removing, their numbers under leases. */
#include "ep/ep.h"

#include "base/sized.h"

cps_err_t cps_ep_context_add(cps_ep_t *ep, const cps_context_t *given, cps_handle_t *handle)
{
    cps_context_t full;
    const cps_context_t *context = &full;
    if (!cps_sized_copy(&full, sizeof full, given) || context->hash >= CPS_HASH_COUNT)
        return CPS_ERR_ARGUMENT;
    if (!ep->config.layers->opens_oscore)
        return CPS_ERR_UNSUPPORTED; /* it would seal and take whatever comes back for the answer (OSC-66) */
    cps_oscore_params_t params = {.master_secret = context->master_secret,
                                  .master_salt = context->master_salt,
                                  .id_context = context->id_context,
                                  .has_id_context = context->has_id_context,
                                  .sender_id = context->sender_id,
                                  .recipient_id = context->recipient_id,
                                  .aead = context->aead,
                                  .hash = (cps_hash_alg_t)context->hash,
                                  .window = context->window_size,
                                  .rederivable = context->rederivable || context->rederive};
    uint8_t salt[8];
    cps_oscore_entry_t *entry = NULL;
    cps_rng_fill(&ep->rng, salt, sizeof salt);
    cps_err_t err = cps_oscore_table_add(&ep->contexts, ep->config.crypto, &params, salt, &entry);
    if (err != CPS_OK)
        return err;
    entry->user = context->user;
    entry->rederive = context->rederive;
    if (context->has_state)
        cps_oscore_seq_restore(&entry->ctx.seq, context->next_number);
    else
        cps_oscore_seq_lost(&entry->ctx.seq);
    if (context->has_state && context->ceiling > context->next_number)
        cps_oscore_seq_granted(&entry->ctx.seq, context->ceiling);
    if (context->window_known)
        cps_oscore_window_restore(&entry->ctx.window, context->window_next, context->window_seen);
    else
        cps_oscore_window_forget(&entry->ctx.window);
    cps_ask_tags_begin(ep, entry, context->next_number);
    *handle = cps_pool_handle(&ep->contexts.pool, entry);
    return CPS_OK;
}

cps_err_t cps_ep_context_remove(cps_ep_t *ep, cps_handle_t context)
{
    cps_oscore_entry_t *entry = cps_ep_context(ep, context);
    if (entry == NULL)
        return CPS_ERR_STALE;
    for (uint32_t i = 0; i < ep->asked.pool.touched; i++) {
        cps_asked_t *asked = cps_asked_at(&ep->asked, i);
        if (!cps_pool_live(&ep->asked.pool, i) || asked->context != context)
            continue;
        cps_ask_untag(ep, asked, false);
        cps_ask_fail(ep, asked, CPS_ERR_CANCELED, CPS_OK);
    }
    cps_rekey_drop(ep, entry);
    cps_serve_refused(ep, context);
    cps_observe_context_gone(ep, context);
    cps_chain_free(&ep->chains, &entry->echo);
    cps_list_remove(&ep->jobs, &ep->contexts.pool, offsetof(cps_oscore_entry_t, next_job), entry);
    cps_oscore_table_remove(&ep->contexts, entry);
    return CPS_OK;
}

cps_err_t cps_ep_context_state(const cps_ep_t *ep, cps_handle_t context, cps_context_state_t *out)
{
    const cps_oscore_entry_t *entry = cps_ep_context(ep, context);
    if (entry == NULL)
        return CPS_ERR_STALE;
    const cps_oscore_ctx_t *ctx = &entry->ctx;
    *out = (cps_context_state_t){.next_number = ctx->seq.next,
                                 .ceiling = ctx->seq.ceiling,
                                 .window_known = ctx->window.known != 0,
                                 .window_next = ctx->window.next,
                                 .window_seen = ctx->window.seen,
                                 .user = entry->user,
                                 .rederive = entry->rederive};
    return CPS_OK;
}

void cps_context_want(cps_ep_t *ep, cps_oscore_entry_t *entry)
{
    if (entry->job_queued)
        return;
    entry->job_queued = true;
    cps_list_push(&ep->jobs, &ep->contexts.pool, offsetof(cps_oscore_entry_t, next_job), entry);
}

cps_err_t cps_context_number(cps_ep_t *ep, cps_oscore_entry_t *entry, uint64_t *number)
{
    cps_err_t err = cps_oscore_seq_take(&entry->ctx.seq, number);
    if (cps_oscore_seq_wants(&entry->ctx.seq))
        cps_context_want(ep, entry);
    return err;
}

bool cps_context_job_event(cps_ep_t *ep, cps_event_t *event)
{
    cps_oscore_entry_t *entry;
    while ((entry = cps_list_pop(&ep->jobs, &ep->contexts.pool, offsetof(cps_oscore_entry_t, next_job))) != NULL) {
        entry->job_queued = false;
        const cps_rekey_t *rekey = cps_rekey_of(ep, entry);
        bool changes = rekey != NULL && rekey->state == CPS_REKEY_JOB; /* the key that would get it has had its day */
        if (changes || !cps_oscore_seq_wants(&entry->ctx.seq))
            continue;
        memset(event, 0, sizeof *event);
        event->kind = CPS_EVENT_JOB;
        event->handle = cps_pool_handle(&ep->contexts.pool, entry); /* one lease a context is under way */
        event->u.job = (cps_event_job_t){.kind = CPS_JOB_LEASE,
                                         .context = event->handle,
                                         .user = entry->user,
                                         .number = cps_oscore_seq_ask(&entry->ctx.seq, ep->now_us)};
        return true;
    }
    return false;
}

cps_err_t cps_context_job_done(cps_ep_t *ep, const cps_command_job_done_t *done)
{
    cps_oscore_entry_t *entry = cps_ep_context(ep, done->job);
    if (entry == NULL || !entry->ctx.seq.pending)
        return CPS_ERR_STALE;
    if (done->result == CPS_OK) {
        cps_oscore_seq_granted(&entry->ctx.seq, done->number);
        cps_ask_granted(ep);
        cps_observe_granted(ep);
        ep->leased = true;
        cps_ask_work(ep);
        return CPS_OK;
    }
    cps_oscore_seq_refused(&entry->ctx.seq);
    cps_ep_note(ep, CPS_NOTE_STORE_REFUSED, NULL, entry, entry->ctx.seq.ceiling);
    cps_ask_refused(ep, done->job, done->result);
    cps_serve_refused(ep, done->job);
    cps_observe_refused(ep, done->job);
    return CPS_OK;
}
