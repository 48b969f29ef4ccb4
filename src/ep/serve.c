// SPDX-License-Identifier: Apache-2.0
/* Requests that we answer (RFC 7252 §5.2): accepting them, and their answers' way down. */
#include "ep/ep.h"

#include "wire/no_response.h"

#define BUSY_MAX_AGE_S     30U /* Max-Age of a 5.03: when to try again */
#define SHORTAGE_MAX_AGE_S 2U

static void give(cps_ep_t *ep, cps_served_t *served)
{
    cps_peer_unref(&ep->peers, cps_peers_at(&ep->peers, served->peer));
    cps_served_give(&ep->served, served, &ep->answers);
}

static cps_served_t *take(cps_ep_t *ep, const cps_inbound_t *in)
{
    cps_served_t *served = cps_pool_take(&ep->served.pool);
    if (served == NULL)
        return NULL;
    const cps_msg_t *outer = &in->outer;
    served->path = in->datagram->path;
    if (!cps_serve_keep_token(ep, served, outer->token)) {
        cps_served_give(&ep->served, served, &ep->answers);
        return NULL;
    }
    served->code = in->msg.code;
    if (ep->config.layers->checks_options) /* inside only, where the request is sealed (RFC 8613 §4.1.3.6) */
        served->no_response = cps_no_response_of(&in->msg);
    served->mid = outer->mid;
    served->print = in->print;
    served->confirmable = outer->type == CPS_CON;
    if (outer->token.len <= sizeof served->token) /* whoever has a longer one gets answers, but does not observe */
        served->observe = (uint8_t)cps_observe_asked(&in->msg);
    served->verified = in->verified;
    served->peer = cps_peers_index(&ep->peers, in->peer);
    served->room = (uint32_t)cps_amplify_room(in->datagram->bytes.len, ep->config.amplification);
    if (in->entry != NULL) {
        served->context = cps_pool_handle(&ep->contexts.pool, in->entry);
        memcpy(served->binding, &in->receipt.binding, sizeof in->receipt.binding);
    }
    served->blocks = in->blocks;
    served->ends_us = ep->now_us + ep->times.exchange_lifetime_us;
    cps_peer_ref(&ep->peers, in->peer);
    return served;
}

static cps_dedup_class_t class_of(const cps_inbound_t *in)
{
    if (in->entry != NULL)
        return CPS_DEDUP_SEALED;
    return cps_method_is_unsafe(in->msg.code) ? CPS_DEDUP_PLAIN_UNSAFE : CPS_DEDUP_PLAIN_SAFE;
}

static void refuse_full(cps_ep_t *ep, const cps_inbound_t *in, cps_note_kind_t note, uint32_t max_age)
{
    cps_ep_note(ep, note, &in->datagram->path, in->entry, 0);
    if (in->entry == NULL)
        cps_react_error(ep, in, CPS_SERVICE_UNAVAILABLE, NULL, &max_age);
}

/* A quarter of the peers is kept for sealed requests and our own: whoever sends plain unsafe ones, which stay remembered,
 * from many addresses shall not shut them out. */
static bool would_crowd_out(const cps_ep_t *ep, const cps_inbound_t *in)
{
    uint32_t limit = ep->config.peers - ep->config.peers / 4;
    return class_of(in) == CPS_DEDUP_PLAIN_UNSAFE && in->peer->refs == 0 && ep->peers.kept >= limit;
}

cps_served_t *cps_serve_accept(cps_ep_t *ep, cps_inbound_t *in)
{
    uint32_t number = 0;
    if (in->peer == NULL)
        in->peer = cps_ep_peer(ep, &in->datagram->path);
    if (in->peer == NULL || would_crowd_out(ep, in)) {
        refuse_full(ep, in, CPS_NOTE_PEERS_FULL, BUSY_MAX_AGE_S);
        return NULL;
    }
    cps_served_t *served = take(ep, in);
    if (served == NULL) {
        refuse_full(ep, in, CPS_NOTE_REQUESTS_FULL, SHORTAGE_MAX_AGE_S);
        return NULL;
    }
    cps_dedup_class_t klass = class_of(in);
    cps_dedup_message_t message = {in->peer, in->print, served->confirmable, klass};
    cps_err_t err = cps_dedup_insert(&ep->dedup, ep->now_us, &message, &number);
    if (err != CPS_OK && klass == CPS_DEDUP_PLAIN_UNSAFE) {
        give(ep, served);
        refuse_full(ep, in, CPS_NOTE_BUDGET_FULL, BUSY_MAX_AGE_S); /* not run rather than perhaps run twice (MSG-57) */
        return NULL;
    }
    served->dedup = number;
    served->dedup_epoch = ep->dedup.forgotten;
    cps_time_us_t first = served->confirmable ? ep->now_us + ep->config.transmission.ack_delay_us : served->ends_us;
    cps_heap_set(&ep->served.heap, cps_served_index(&ep->served, served), first);
    cps_observe_accepted(ep, served);
    return served;
}

/* The entry of a request, unless it was given up or got its state already. */
static uint32_t own_entry(cps_ep_t *ep, const cps_served_t *served)
{
    uint32_t number = served->dedup;
    if (number != 0 && served->dedup_epoch != ep->dedup.forgotten)
        number = cps_dedup_find(&ep->dedup, ep->now_us, served->peer, served->print);
    return number != 0 && cps_dedup_at(&ep->dedup, number)->state == CPS_DEDUP_OPEN ? number : 0;
}

static void end(cps_ep_t *ep, cps_served_t *served, cps_dedup_state_t state)
{
    uint32_t number = own_entry(ep, served);
    if (number != 0)
        cps_dedup_mark(&ep->dedup, number, state);
    give(ep, served);
}

/* The request of a handle that still wants its answer; NULL where it is over or its answer waits for a lease. */
static cps_served_t *unanswered(const cps_ep_t *ep, cps_handle_t request)
{
    cps_served_t *served = cps_pool_find(&ep->served.pool, request);
    return served != NULL && !served->waits ? served : NULL;
}

/* ---- the way down ---- */

/* How an answer goes: in the ACK, or as a message of its own. */
static cps_err_t place(cps_ep_t *ep, cps_served_t *served, cps_msg_t *msg)
{
    msg->token = cps_serve_token(ep, served);
    if (served->confirmable && !served->acked) {
        msg->type = CPS_ACK;
        msg->mid = served->mid;
        return CPS_OK;
    }
    msg->type = served->confirmable && !served->challenge ? CPS_CON : CPS_NON;
    return cps_peer_mid(&ep->peers, cps_peers_at(&ep->peers, served->peer), ep->now_us, &msg->mid);
}

static cps_err_t seal(cps_ep_t *ep, cps_served_t *served, const cps_msg_t *msg, cps_writer_t *out)
{
    cps_oscore_entry_t *entry = cps_ep_context(ep, served->context);
    if (entry == NULL)
        return CPS_ERR_STALE;
    if (!entry->ctx.seq.usable)
        return CPS_ERR_STATE_LOST; /* no sealed answer either (OPS-3) */
    cps_oscore_binding_t binding;
    memcpy(&binding, served->binding, sizeof binding);
    uint64_t number = CPS_OSCORE_REQUEST_NONCE;
    if (binding.nonce_used) {
        cps_err_t err = cps_context_number(ep, entry, &number);
        if (err != CPS_OK)
            return err;
    }
    cps_writer_t plaintext = cps_writer(ep->sealing, ep->take_max + CPS_EP_OVERHEAD);
    cps_oscore_work_t work = {ep->config.crypto, &plaintext, NULL};
    cps_err_t err = cps_oscore_protect_response(&entry->ctx, &work, number, msg, out, &binding);
    memcpy(served->binding, &binding, sizeof binding);
    return err;
}

/* A separate CON has copies: to an unverified address as many as the budget holds (MSG-56). */
static void follow(cps_ep_t *ep, const cps_served_t *served, const cps_msg_t *msg, cps_bytes_t bytes)
{
    uint32_t copies = ep->config.transmission.max_retransmit;
    if (ep->answers_in_flight >= ep->config.requests_in)
        return; /* it went out once: those who never acknowledge shall not take the place of others */
    if (!served->verified) {
        size_t fit = cps_amplify_copies(served->room, bytes.len);
        copies = fit <= copies ? (uint32_t)(fit > 0 ? fit - 1 : 0) : copies;
        copies = served->registers ? 0 : copies; /* the rest is for its notifications */
    }
    cps_tx_t *tx = cps_retx_take(&ep->retx, served->peer, msg->mid);
    if (tx == NULL)
        return; /* it went out once: no room for copies */
    cps_peer_ref(&ep->peers, cps_peers_at(&ep->peers, served->peer));
    tx->path = served->path;
    tx->owner = CPS_TX_ANSWER;
    ep->answers_in_flight++;
    if (cps_chain_put(&ep->answers, bytes, &tx->bytes) != CPS_OK)
        copies = 0;
    cps_retx_start(&ep->retx, tx, ep->now_us, cps_retx_first_timeout(&ep->config.transmission, &ep->rng), copies);
}

static void remember(cps_ep_t *ep, const cps_served_t *served, const cps_msg_t *msg, cps_bytes_t bytes, bool refused)
{
    uint32_t number = own_entry(ep, served);
    if (number == 0)
        return;
    if (refused && served->context == 0)
        cps_dedup_forget(&ep->dedup, number); /* nothing was done: the refusal is computed again */
    else if (msg->type == CPS_ACK)
        cps_dedup_answer(&ep->dedup, number, bytes);
    else
        cps_dedup_mark(&ep->dedup, number, CPS_DEDUP_SILENT);
}

static cps_err_t keep_for_lease(cps_ep_t *ep, cps_served_t *served, const cps_msg_t *msg)
{
    cps_writer_t w = cps_writer(ep->extra, ep->take_max + CPS_EP_OVERHEAD);
    cps_msg_write(&w, msg);
    if (served->waits)
        return CPS_ERR_WAIT;
    if (ep->waiting_count >= ep->config.waiting)
        return CPS_ERR_BUSY;
    cps_err_t err = cps_chain_put(&ep->answers, cps_written(&w), &served->answer);
    if (err != CPS_OK)
        return err;
    served->waits = true;
    cps_list_push(&ep->waiting_answers, &ep->served.pool, offsetof(cps_served_t, next), served);
    ep->waiting_count++;
    return CPS_ERR_WAIT;
}

/* No answer: a CON is acknowledged, and so is a copy of it (RFC 7967 §2, RFC 7252 §4.2). */
static void keep_silent(cps_ep_t *ep, cps_served_t *served)
{
    if (served->confirmable && !served->acked)
        cps_out_empty(ep, &served->path, CPS_ACK, served->mid);
    end(ep, served, served->confirmable ? CPS_DEDUP_ACKED : CPS_DEDUP_SILENT);
}

/* Send an answer and end the exchange. CPS_ERR_WAIT: kept until the store has granted numbers. */
static cps_err_t send_answer(cps_ep_t *ep, cps_served_t *served, cps_msg_t *msg, bool refused)
{
    if (!cps_out_has_room(ep))
        return CPS_ERR_BUSY;
    if (cps_no_response_covers(served->no_response, msg->code)) {
        keep_silent(ep, served);
        return CPS_OK;
    }
    cps_err_t err = place(ep, served, msg);
    if (err != CPS_OK)
        return err;
    cps_writer_t out = cps_out_begin(ep);
    if (served->context != 0)
        err = seal(ep, served, msg, &out);
    else
        cps_msg_write(&out, msg);
    if (err == CPS_ERR_WAIT)
        return keep_for_lease(ep, served, msg);
    if (err != CPS_OK)
        return err;
    if (out.failed || cps_written(&out).len > ep->config.message_max)
        return CPS_ERR_TOO_LARGE;
    cps_bytes_t bytes = cps_out_commit(ep, &served->path, &out);
    remember(ep, served, msg, bytes, refused);
    if (msg->type == CPS_CON)
        follow(ep, served, msg, bytes);
    give(ep, served);
    return CPS_OK;
}

/* What does not fit the budget of an unverified address becomes 4.01 with Echo, in the ACK or as NON (RFC 9175 §2.4).
 * After an unsafe method that would make the client run it again, so its answer goes without payload instead, unless
 * whoever gave the answer keeps it until the address is proven. What begins an observation needs room for a notification
 * as well, or nothing could follow. */
static cps_err_t limit(cps_ep_t *ep, cps_served_t *served, cps_msg_t *msg, bool kept, bool *refused)
{
    msg->token = cps_serve_token(ep, served);
    size_t wanted = served->registers ? 2 : 1;
    if (served->verified || served->context != 0 || cps_amplify_copies(served->room, cps_msg_len(msg)) >= wanted)
        return CPS_OK;
    cps_ep_note(ep, CPS_NOTE_AMPLIFICATION, &served->path, NULL, cps_msg_len(msg));
    if (kept)
        return CPS_ERR_NOT_FRESH;
    if (cps_method_is_unsafe(served->code) && !*refused) {
        msg->options = cps_bytes(NULL, 0);
        msg->payload = cps_bytes(NULL, 0);
        return CPS_OK;
    }
    served->challenge = true;
    *refused = true;
    return cps_serve_build_challenge(ep, cps_ep_echo_outer(&served->path), msg);
}

cps_err_t cps_serve_reply(cps_ep_t *ep, const cps_command_reply_t *reply, cps_handle_t *observer)
{
    cps_msg_t msg = {.code = CPS_EMPTY};
    bool refused = reply->refused;
    cps_served_t *served = unanswered(ep, reply->request);
    if (served == NULL)
        return CPS_ERR_STALE;
    cps_observer_t *o = cps_observe_answer(ep, served, reply);
    uint32_t number = o != NULL ? cps_observer_number(o, ep->now_us) : 0;
    cps_err_t err = cps_serve_build(ep, served, reply, o != NULL ? &number : NULL, &msg);
    if (err == CPS_OK)
        err = cps_serve_step(ep, served, reply);
    if (err == CPS_OK)
        err = limit(ep, served, &msg, reply->kept, &refused);
    if (err == CPS_OK)
        err = send_answer(ep, served, &msg, refused);
    err = err == CPS_ERR_WAIT ? CPS_OK : err;
    cps_observe_settle(ep, o, err == CPS_OK && cps_code_class(msg.code) == 2, cps_msg_len(&msg), observer);
    return err;
}

cps_err_t cps_serve_challenge(cps_ep_t *ep, cps_handle_t request)
{
    cps_msg_t msg;
    cps_served_t *served = unanswered(ep, request);
    if (served == NULL)
        return CPS_ERR_STALE;
    cps_oscore_entry_t *entry = cps_ep_context(ep, served->context);
    if (entry == NULL && ep->config.layers->opens_oscore)
        return CPS_ERR_ARGUMENT; /* the Echo has to be integrity protected (ECHO-16) */
    served->challenge = entry == NULL;
    cps_echo_use_t use = entry != NULL ? cps_ep_echo_inner(entry) : cps_ep_echo_outer(&served->path);
    cps_err_t err = cps_serve_build_challenge(ep, use, &msg);
    /* what a proxy challenges was done already: a repeated message must not be taken for a new one */
    if (err == CPS_OK)
        cps_serve_reopen(ep, served);
    if (err == CPS_OK)
        err = send_answer(ep, served, &msg, entry != NULL);
    return err == CPS_ERR_WAIT ? CPS_OK : err;
}

cps_err_t cps_serve_ignore(cps_ep_t *ep, cps_handle_t request, bool drop)
{
    cps_served_t *served = unanswered(ep, request);
    if (served == NULL)
        return CPS_ERR_STALE;
    cps_serve_drop_body(ep, served);
    uint32_t number = drop && served->context == 0 ? own_entry(ep, served) : 0;
    if (number != 0)
        cps_dedup_forget(&ep->dedup, number); /* it would take the room of others */
    if (drop)
        end(ep, served, CPS_DEDUP_SILENT);
    else
        keep_silent(ep, served);
    return CPS_OK;
}

/* ---- recovery of a replay window ---- */

/* So many challenges a second; half of them only for numbers above all met so far. Who replays what was recorded can
 * then not use up those of the client, whose next request has a number that was never seen. */
static bool may_challenge(cps_ep_t *ep, cps_oscore_entry_t *entry, uint64_t number)
{
    bool is_new = number >= entry->highest;
    if (is_new)
        entry->highest = number + 1;
    if (ep->now_us - entry->challenged_at >= 1000000U || entry->challenges + entry->new_challenges == 0) {
        entry->challenged_at = ep->now_us;
        entry->challenges = 0;
        entry->new_challenges = 0;
    }
    uint32_t share = (ep->config.challenge_rate + 1) / 2;
    if (is_new && entry->new_challenges < share) {
        entry->new_challenges++;
        return true;
    }
    if (entry->challenges >= ep->config.challenge_rate - share)
        return false;
    entry->challenges++;
    return true;
}

void cps_serve_recover(cps_ep_t *ep, cps_inbound_t *in)
{
    cps_msg_t msg;
    bool is_new = in->receipt.number >= in->entry->highest;
    if (!may_challenge(ep, in->entry, in->receipt.number)) {
        cps_ep_note(ep, CPS_NOTE_CHALLENGE_LIMITED, &in->datagram->path, in->entry, 0);
        return;
    }
    cps_served_t *served = take(ep, in);
    if (served == NULL)
        return;
    /* under a number of its own: the request is not accepted, so its nonce may be one that was used (appendix B.1.2) */
    cps_heap_set(&ep->served.heap, cps_served_index(&ep->served, served), ep->now_us + ep->times.processing_delay_us);
    served->ends_us = ep->now_us;
    cps_err_t err = cps_serve_build_challenge(ep, cps_ep_echo_inner(in->entry), &msg);
    if (err == CPS_OK)
        err = send_answer(ep, served, &msg, true);
    if (err != CPS_OK && err != CPS_ERR_WAIT) {
        give(ep, served);
        return;
    }
    cps_ep_note(ep, CPS_NOTE_CHALLENGED, &in->datagram->path, in->entry, in->receipt.number);
    /* a peer that knows no Echo would be challenged forever */
    if (is_new && ++in->entry->unproven == CPS_UNPROVEN_MAX)
        cps_ep_note(ep, CPS_NOTE_UNPROVEN, &in->datagram->path, in->entry, CPS_UNPROVEN_MAX);
}

/* ---- leases and timers ---- */

static cps_served_t *pop_waiting(cps_ep_t *ep)
{
    cps_served_t *served = cps_list_pop(&ep->waiting_answers, &ep->served.pool, offsetof(cps_served_t, next));
    if (served == NULL)
        return NULL;
    served->waits = false;
    ep->waiting_count--;
    return served;
}

static void retry(cps_ep_t *ep, cps_served_t *served)
{
    cps_msg_t msg;
    cps_chain_get(&ep->answers, &served->answer, ep->build);
    cps_bytes_t bytes = cps_bytes(ep->build, served->answer.len);
    cps_chain_free(&ep->answers, &served->answer);
    cps_err_t err = cps_msg_parse(bytes, &msg);
    if (err == CPS_OK)
        err = send_answer(ep, served, &msg, false);
    if (err != CPS_OK && err != CPS_ERR_WAIT)
        end(ep, served, CPS_DEDUP_SILENT);
}

bool cps_serve_granted(cps_ep_t *ep)
{
    uint32_t last = ep->waiting_answers.last; /* what has to wait on goes behind it */
    while (ep->waiting_answers.first != CPS_NONE) {
        if (!cps_out_has_room(ep))
            return false;
        bool was_last = ep->waiting_answers.first == last;
        retry(ep, pop_waiting(ep));
        if (was_last)
            break;
    }
    return true;
}

void cps_serve_refused(cps_ep_t *ep, cps_handle_t context)
{
    cps_list_t kept = CPS_LIST_EMPTY;
    cps_served_t *served;
    uint32_t kept_count = 0;
    while ((served = pop_waiting(ep)) != NULL) {
        if (served->context == context) {
            end(ep, served, CPS_DEDUP_SILENT);
            continue;
        }
        served->waits = true;
        cps_list_push(&kept, &ep->served.pool, offsetof(cps_served_t, next), served);
        kept_count++;
    }
    ep->waiting_answers = kept;
    ep->waiting_count += kept_count;
}

void cps_serve_drop(cps_ep_t *ep, cps_handle_t context)
{
    cps_serve_refused(ep, context);
    for (uint32_t i = 0; i < ep->served.pool.touched; i++) {
        cps_served_t *served = cps_served_at(&ep->served, i);
        if (cps_pool_live(&ep->served.pool, i) && served->context == context)
            end(ep, served, CPS_DEDUP_SILENT);
    }
}

void cps_serve_tick(cps_ep_t *ep)
{
    uint32_t index;
    while (cps_out_has_room(ep) && (index = cps_heap_pop_due(&ep->served.heap, ep->now_us)) != CPS_NONE) {
        cps_served_t *served = cps_served_at(&ep->served, index);
        if (ep->now_us < served->ends_us && served->confirmable && !served->acked) {
            cps_out_empty(ep, &served->path, CPS_ACK, served->mid);
            served->acked = true;
            served->room = (uint32_t)cps_amplify_after(served->room, CPS_HEADER_LEN);
            uint32_t number = own_entry(ep, served);
            if (number != 0)
                cps_dedup_mark(&ep->dedup, number, CPS_DEDUP_ACKED);
            cps_heap_set(&ep->served.heap, index, served->ends_us);
            continue;
        }
        if (served->waits) {
            cps_list_remove(&ep->waiting_answers, &ep->served.pool, offsetof(cps_served_t, next), served);
            ep->waiting_count--;
        }
        end(ep, served, CPS_DEDUP_SILENT);
    }
}

void cps_serve_delivered(cps_ep_t *ep, cps_tx_t *tx, bool acknowledged)
{
    cps_peer_t *peer = cps_peers_at(&ep->peers, tx->peer);
    if (acknowledged)
        cps_peer_heard(peer);
    else
        cps_ep_note(ep, CPS_NOTE_UNDELIVERED, &tx->path, NULL, tx->mid);
    ep->answers_in_flight--;
    cps_retx_give(&ep->retx, tx, &ep->answers);
    cps_peer_unref(&ep->peers, peer);
}
