// SPDX-License-Identifier: Apache-2.0
/* Requests of ours: taking them up, their order by NSTART, and how they end without an answer. */
#include "ep/ep.h"

#include "wire/no_response.h"

#define OPEN_LOOP_MAX 7U /* NON requests that nobody answers, one after the other */

static cps_peer_t *peer_of(const cps_ep_t *ep, const cps_asked_t *asked)
{
    return cps_peers_at(&ep->peers, asked->peer);
}

static cps_oscore_entry_t *context_of(const cps_ep_t *ep, const cps_asked_t *asked)
{
    return cps_ep_context(ep, asked->context);
}

/* ---- submit ---- */

/* An Empty Confirmable message, which is answered by a Reset: that is how such a request ends (RFC 7252 §4.3). */
static bool is_ping(const cps_command_request_t *r)
{
    return r->code == CPS_EMPTY && !r->non_confirmable && r->option_count == 0 && r->payload.len == 0 &&
           r->token.len == 0 && r->context == 0;
}

static cps_err_t check(const cps_ep_t *ep, const cps_command_request_t *r)
{
    if ((!cps_code_is_request(r->code) && !is_ping(r)) || r->path.remote.family == CPS_FAMILY_NONE ||
        r->option_count >= CPS_EP_OPTIONS_MAX || r->token.len > CPS_TOKEN_MAX)
        return CPS_ERR_ARGUMENT;
    if ((r->code == CPS_GET || r->code == CPS_DELETE) && r->payload.len != 0)
        return CPS_ERR_ARGUMENT; /* RFC 7252 §5.5: no payload is defined for these (REQ-15) */
    if ((r->path.flags & CPS_PATH_MULTICAST) != 0)
        return CPS_ERR_UNSUPPORTED; /* group requests have rules of their own (RFC 7252 §8) */
    cps_err_t err = cps_ask_check_blocks(ep, r);
    if (err != CPS_OK || r->context == 0)
        return err;
    const cps_oscore_entry_t *entry = cps_ep_context(ep, r->context);
    if (entry == NULL)
        return CPS_ERR_STALE;
    if (entry->rederive)
        return CPS_OK; /* its numbers do not count: it derives another context */
    if (!entry->ctx.seq.usable)
        return CPS_ERR_STATE_LOST;
    if (entry->ctx.seq.next >= CPS_SEQ_LIMIT)
        return CPS_ERR_SEQ_EXHAUSTED;
    if (entry->ctx.seq.next >= entry->ctx.seq.ceiling && ep->waiting_count >= ep->config.waiting)
        return CPS_ERR_BUSY;
    return CPS_OK;
}

/* Whether the request wants no response at all (RFC 7967 §2.1). */
static bool wants_none(const cps_command_request_t *r)
{
    uint32_t value;
    for (size_t i = 0; i < r->option_count; i++)
        if (r->options[i].number == CPS_OPT_NO_RESPONSE)
            return cps_opt_uint(r->options[i].value, &value) == CPS_OK && value == CPS_NO_RESPONSE_ALL;
    return false;
}

/* Every eighth NON goes without No-Response: its answer, or that none comes, is what controls congestion
 * (RFC 7967 §3.2). */
static bool closes_loop(cps_peer_t *peer, const cps_command_request_t *r)
{
    if (!wants_none(r) || !r->non_confirmable)
        return false;
    peer->open_loop = peer->open_loop < OPEN_LOOP_MAX ? peer->open_loop + 1 : 0;
    return peer->open_loop == 0;
}

static size_t copy_options(cps_option_t *to, const cps_command_request_t *r, bool unanswered)
{
    size_t count = 0;
    bool drop = !unanswered && wants_none(r);
    for (size_t i = 0; i < r->option_count; i++)
        if (!drop || r->options[i].number != CPS_OPT_NO_RESPONSE)
            to[count++] = r->options[i];
    return count;
}

/* The message before protection, with an empty header that the sender fills in. */
static cps_err_t keep_plain(cps_ep_t *ep, cps_asked_t *asked, const cps_command_request_t *r)
{
    cps_option_t list[CPS_EP_OPTIONS_MAX];
    size_t count = copy_options(list, r, asked->unanswered);
    cps_writer_t ow = cps_writer(ep->extra, ep->config.message_max);
    cps_opt_writer_t options = cps_opt_writer(&ow);
    cps_opt_put_list(&options, list, count);
    cps_msg_t msg = {.code = r->code, .options = cps_written(&ow)};
    cps_err_t err = cps_ask_take_blocks(ep, asked, r, cps_msg_len(&msg));
    if (err != CPS_OK)
        return err;
    if (!cps_ask_wants_blocks(ep, r))
        msg.payload = r->payload;
    size_t overhead = CPS_TOKEN_MAX + (r->context != 0 ? CPS_EP_OVERHEAD : 0);
    if (ow.failed || msg.payload.len > cps_ep_payload_max(ep) || cps_msg_len(&msg) + overhead > ep->config.message_max)
        return CPS_ERR_TOO_LARGE;
    cps_writer_t w = cps_writer(ep->build, ep->config.message_max);
    cps_msg_write(&w, &msg);
    if (w.failed)
        return CPS_ERR_TOO_LARGE;
    return cps_chain_put(&ep->chains, cps_written(&w), &asked->plain);
}

static uint64_t timeout_of(const cps_ep_t *ep, const cps_command_request_t *r)
{
    return r->timeout_us != 0 ? r->timeout_us : ep->times.max_transmit_wait_us;
}

static bool asks_to_observe(const cps_command_request_t *r)
{
    uint32_t value;
    for (size_t i = 0; i < r->option_count && (r->code == CPS_GET || r->code == CPS_FETCH); i++)
        if (r->options[i].number == CPS_OPT_OBSERVE)
            return cps_opt_uint(r->options[i].value, &value) == CPS_OK && value == 0; /* RFC 7641 §2 */
    return false;
}

static void fill(cps_ep_t *ep, cps_asked_t *asked, const cps_command_request_t *r)
{
    asked->path = r->path;
    asked->code = r->code;
    asked->confirmable = !r->non_confirmable;
    asked->repeat_unsafe = r->repeat_unsafe;
    asked->no_repeat = r->no_repeat;
    asked->own_token = r->token.len != 0;
    asked->observe = asks_to_observe(r);
    asked->context = r->context;
    asked->user = r->user;
    asked->timeout_us = timeout_of(ep, r);
    asked->deadline_us = ep->now_us + asked->timeout_us;
}

cps_err_t cps_ask_submit(cps_ep_t *ep, const cps_command_request_t *request, cps_handle_t *handle)
{
    if (request->stateless)
        return cps_stateless_submit(ep, request);
    cps_err_t err = check(ep, request);
    if (err != CPS_OK)
        return err;
    cps_peer_t *peer = cps_ep_peer(ep, &request->path);
    if (peer != NULL && peer->in_flight == 0 && peer->quiet_until_us > ep->now_us + timeout_of(ep, request))
        return CPS_ERR_SILENT; /* §4.7: it could not leave before its deadline */
    cps_asked_t *asked = peer == NULL ? NULL : cps_asked_take(&ep->asked);
    if (asked == NULL)
        return CPS_ERR_FULL;
    fill(ep, asked, request);
    asked->peer = cps_peers_index(&ep->peers, peer);
    asked->unanswered = wants_none(request) && !closes_loop(peer, request);
    err = cps_asked_set_token(&ep->asked, asked, request->token, &ep->rng);
    if (err == CPS_OK)
        err = keep_plain(ep, asked, request);
    if (err != CPS_OK) {
        cps_asked_give(&ep->asked, asked, &ep->chains);
        return err;
    }
    cps_peer_ref(&ep->peers, peer);
    if (handle != NULL)
        *handle = cps_pool_handle(&ep->asked.pool, asked);
    cps_heap_set(&ep->asked.heap, cps_asked_index(&ep->asked, asked), asked->deadline_us);
    if (request->stream) {
        cps_ask_want(ep, asked);
        return CPS_OK;
    }
    asked->state = CPS_ASKED_QUEUED;
    cps_asked_push(&ep->asked, &peer->queue, asked);
    cps_ask_pump(ep, peer);
    cps_ask_work(ep);
    return CPS_OK;
}

/* ---- order ---- */

void cps_ask_pump(cps_ep_t *ep, cps_peer_t *peer)
{
    while (peer->queue.first != CPS_NONE && cps_peer_may_start(peer, ep->now_us, ep->config.transmission.nstart)) {
        cps_asked_t *asked = cps_asked_pop(&ep->asked, &peer->queue);
        cps_heap_set(&ep->asked.heap, cps_asked_index(&ep->asked, asked), asked->deadline_us);
        asked->state = CPS_ASKED_READY;
        asked->counted = true;
        peer->in_flight++;
        cps_asked_push(&ep->asked, &ep->ready, asked);
    }
    if (peer->queue.first == CPS_NONE || peer->in_flight != 0)
        return;
    /* PROBING_RATE holds the first one back (§4.7): look again when it may go */
    cps_asked_t *first = cps_asked_at(&ep->asked, peer->queue.first);
    cps_time_us_t when = peer->quiet_until_us < first->deadline_us ? peer->quiet_until_us : first->deadline_us;
    cps_heap_set(&ep->asked.heap, peer->queue.first, when);
}

void cps_ask_work(cps_ep_t *ep)
{
    if (ep->leased && cps_serve_granted(ep))
        ep->leased = false;
    while (ep->ready.first != CPS_NONE && cps_out_has_room(ep))
        cps_ask_start(ep, cps_asked_pop(&ep->asked, &ep->ready));
}

static void uncount(cps_ep_t *ep, cps_asked_t *asked)
{
    if (!asked->counted)
        return;
    asked->counted = false;
    peer_of(ep, asked)->in_flight--;
}

static void drop_tx(cps_ep_t *ep, cps_asked_t *asked)
{
    if (asked->tx == CPS_NONE)
        return;
    cps_retx_give(&ep->retx, cps_retx_at(&ep->retx, asked->tx), &ep->chains);
    asked->tx = CPS_NONE;
}

void cps_ask_detach(cps_ep_t *ep, cps_asked_t *asked)
{
    drop_tx(ep, asked);
    uncount(ep, asked);
    if (asked->stale)
        cps_list_remove(&ep->stale, &ep->asked.pool, offsetof(cps_asked_t, next_stale), asked);
    asked->stale = false;
    cps_oscore_entry_t *entry = context_of(ep, asked);
    switch ((cps_asked_state_t)asked->state) {
    case CPS_ASKED_QUEUED:
        cps_asked_unlink(&ep->asked, &peer_of(ep, asked)->queue, asked);
        break;
    case CPS_ASKED_READY:
        cps_asked_unlink(&ep->asked, &ep->ready, asked);
        break;
    case CPS_ASKED_LEASE:
        cps_asked_unlink(&ep->asked, &ep->waiting, asked);
        ep->waiting_count--;
        break;
    case CPS_ASKED_HELD:
        if (entry != NULL)
            cps_asked_unlink(&ep->asked, &entry->held, asked);
        break;
    case CPS_ASKED_ENDED:
        cps_asked_unlink(&ep->asked, &ep->ended, asked);
        break;
    case CPS_ASKED_WANTED:
        cps_asked_unlink(&ep->asked, &ep->wanted, asked);
        break;
    case CPS_ASKED_PIECE:
    case CPS_ASKED_SENT:
        break;
    }
    asked->state = CPS_ASKED_SENT;
    cps_heap_clear(&ep->asked.heap, cps_asked_index(&ep->asked, asked));
}

/* A request is out of the way of others: those held for it, and those behind it. */
static void make_way(cps_ep_t *ep, cps_asked_t *asked)
{
    cps_oscore_entry_t *entry = context_of(ep, asked);
    if (entry != NULL && entry->recovering == cps_asked_index(&ep->asked, asked)) {
        cps_rekey_asker_gone(ep, entry);
        cps_ask_release_held(ep, entry);
    }
    cps_ask_pump(ep, peer_of(ep, asked));
}

static void give(cps_ep_t *ep, cps_asked_t *asked)
{
    cps_peer_t *peer = peer_of(ep, asked);
    cps_ask_untag(ep, asked, false);
    cps_asked_give(&ep->asked, asked, &ep->chains);
    cps_peer_unref(&ep->peers, peer);
}

cps_err_t cps_ask_cancel(cps_ep_t *ep, cps_handle_t handle)
{
    cps_asked_t *asked = cps_pool_find(&ep->asked.pool, handle);
    if (asked == NULL)
        return CPS_ERR_STALE;
    cps_ask_detach(ep, asked);
    make_way(ep, asked);
    give(ep, asked);
    return CPS_OK;
}

/* ---- how it ends without an answer ---- */

void cps_ask_fail(cps_ep_t *ep, cps_asked_t *asked, cps_err_t err, cps_err_t cause)
{
    if (asked->state == CPS_ASKED_ENDED)
        return;
    cps_ask_detach(ep, asked);
    asked->state = CPS_ASKED_ENDED;
    asked->err = err;
    asked->cause = cause;
    cps_asked_push(&ep->asked, &ep->ended, asked);
    make_way(ep, asked);
}

/* No answer: a sealed request that left, or a hint, leave open what happened (OSC-67). */
static void fail_unanswered(cps_ep_t *ep, cps_asked_t *asked, cps_err_t cause)
{
    if (asked->state == CPS_ASKED_LEASE)
        cps_ask_fail(ep, asked, CPS_ERR_STORE, CPS_ERR_WAIT);
    else if (asked->context != 0 && asked->sent)
        cps_ask_fail(ep, asked, CPS_ERR_OUTCOME_UNKNOWN, cause);
    else
        cps_ask_fail(ep, asked, cause, CPS_OK);
}

cps_asked_t *cps_ask_match(cps_ep_t *ep, const cps_path_t *path, cps_bytes_t token)
{
    cps_asked_t *asked = cps_asked_match(&ep->asked, path, token);
    if (asked == NULL || asked->state != CPS_ASKED_SENT)
        return NULL;
    if (ep->now_us < asked->deadline_us)
        return asked;
    fail_unanswered(ep, asked, CPS_ERR_TIMEOUT);
    return NULL;
}

void cps_ask_tick(cps_ep_t *ep)
{
    uint32_t index;
    while ((index = cps_heap_pop_due(&ep->asked.heap, ep->now_us)) != CPS_NONE) {
        cps_asked_t *asked = cps_asked_at(&ep->asked, index);
        if (cps_observing_tick(ep, asked))
            continue;
        if (ep->now_us >= asked->deadline_us || ep->now_us >= asked->hint_until_us) {
            fail_unanswered(ep, asked, CPS_ERR_TIMEOUT);
            continue;
        }
        cps_heap_set(&ep->asked.heap, index, asked->deadline_us);
        cps_ask_pump(ep, peer_of(ep, asked));
    }
}

void cps_ask_acked(cps_ep_t *ep, cps_tx_t *tx)
{
    cps_asked_t *asked = cps_asked_at(&ep->asked, tx->owner_index);
    cps_peer_heard(peer_of(ep, asked));
    if (asked->unanswered) {
        cps_ask_fail(ep, asked, CPS_OK, CPS_OK);
        return;
    }
    drop_tx(ep, asked);
    uncount(ep, asked);
    if (asked->context != 0 && asked->hint == CPS_HINT_NONE)
        asked->hint = CPS_HINT_ACK;
    cps_ask_pump(ep, peer_of(ep, asked));
}

void cps_ask_expired(cps_ep_t *ep, cps_tx_t *tx)
{
    cps_asked_t *asked = cps_asked_at(&ep->asked, tx->owner_index);
    if (tx->confirmable) {
        fail_unanswered(ep, asked, CPS_ERR_TIMEOUT);
        return;
    }
    uncount(ep, asked); /* a NON that got no answer in its time: the next may go (§4.7) */
    cps_ask_pump(ep, peer_of(ep, asked));
}

static void keep_hint(cps_ep_t *ep, cps_asked_t *asked, cps_hint_t hint, const cps_inbound_t *in)
{
    if (asked->hint == CPS_HINT_RESPONSE && hint != CPS_HINT_RESPONSE)
        return;
    asked->hint = (uint8_t)hint;
    if (hint != CPS_HINT_RESPONSE)
        return;
    uint8_t bytes[CPS_EP_HINT_MAX];
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_write_u8(&w, in->outer.code);
    size_t room =
        cps_code_class(in->outer.code) == 2 ? 0 : cps_writer_room(&w); /* a success that nobody proved says nothing */
    size_t len = in->outer.payload.len < room ? in->outer.payload.len : room;
    cps_write_bytes(&w, cps_bytes(in->outer.payload.ptr, len));
    cps_chain_free(&ep->chains, &asked->hint_bytes);
    if (cps_chain_put(&ep->chains, cps_written(&w), &asked->hint_bytes) != CPS_OK)
        asked->hint = CPS_HINT_ACK; /* no room for its bytes: say at least that something came */
}

/* One repetition of the same sealed bytes with the outer Echo of an unprotected 4.01 (ECHO-8). */
static bool repeat_with_outer_echo(cps_ep_t *ep, cps_asked_t *asked, const cps_inbound_t *in)
{
    cps_bytes_t echo;
    if (in->outer.code != CPS_UNAUTHORIZED || asked->outer_echo || asked->no_repeat ||
        !cps_msg_option(&in->outer, CPS_OPT_ECHO, &echo))
        return false;
    asked->outer_echo = true;
    return cps_ask_resend(ep, asked, echo) == CPS_OK;
}

void cps_ask_hint(cps_ep_t *ep, cps_asked_t *asked, cps_hint_t hint, const cps_inbound_t *in)
{
    if (asked->state != CPS_ASKED_SENT || (asked->observing && !asked->renewing))
        return; /* nothing is under way that it could be a hint of */
    if (asked->context == 0) {
        cps_ask_fail(ep, asked, hint == CPS_HINT_RESET ? CPS_ERR_RESET : CPS_ERR_UNREACHABLE, CPS_OK);
        return;
    }
    bool first = asked->hint == CPS_HINT_NONE || asked->hint == CPS_HINT_ACK;
    if (hint != CPS_HINT_UNREACHABLE)
        cps_peer_heard(peer_of(ep, asked));
    keep_hint(ep, asked, hint, in);
    drop_tx(ep, asked);
    uncount(ep, asked);
    if (hint == CPS_HINT_RESPONSE && repeat_with_outer_echo(ep, asked, in))
        return;
    cps_time_us_t soon = ep->now_us + ep->config.transmission.ack_timeout_us;
    if (first && soon < asked->deadline_us) { /* the genuine answer has one more ACK_TIMEOUT to come */
        asked->hint_until_us = soon;
        cps_heap_set(&ep->asked.heap, cps_asked_index(&ep->asked, asked), soon);
    }
    cps_ask_pump(ep, peer_of(ep, asked));
}

static void fill_hint(cps_ep_t *ep, const cps_asked_t *asked, cps_event_failed_t *failed)
{
    failed->hint = (cps_hint_t)asked->hint;
    if (asked->hint != CPS_HINT_RESPONSE)
        return;
    cps_chain_get(&ep->chains, &asked->hint_bytes, ep->hint);
    failed->message.code = ep->hint[0];
    failed->message.payload = cps_bytes(ep->hint + 1, asked->hint_bytes.len - 1);
}

bool cps_ask_ended_event(cps_ep_t *ep, cps_event_t *event)
{
    cps_asked_t *asked = cps_asked_pop(&ep->asked, &ep->ended);
    if (asked == NULL)
        return false;
    memset(event, 0, sizeof *event);
    event->kind = CPS_EVENT_FAILED;
    event->handle = cps_pool_handle(&ep->asked.pool, asked);
    event->u.failed.path = asked->path;
    event->u.failed.err = asked->err;
    event->u.failed.cause = asked->cause;
    event->u.failed.user = asked->user;
    event->u.failed.sent = asked->sent;
    fill_hint(ep, asked, &event->u.failed);
    give(ep, asked);
    return true;
}

/* ---- leases ---- */

void cps_ask_granted(cps_ep_t *ep)
{
    cps_asked_t *asked;
    while ((asked = cps_asked_pop(&ep->asked, &ep->waiting)) != NULL) {
        ep->waiting_count--;
        asked->state = CPS_ASKED_READY; /* one whose context got nothing goes back to waiting, in the same order */
        cps_asked_push(&ep->asked, &ep->ready, asked);
    }
}

void cps_ask_refused(cps_ep_t *ep, cps_handle_t context, cps_err_t err)
{
    for (uint32_t at = ep->waiting.first; at != CPS_NONE;) {
        cps_asked_t *asked = cps_asked_at(&ep->asked, at);
        at = asked->next;
        if (asked->context == context)
            cps_ask_fail(ep, asked, err, CPS_OK);
    }
}

void cps_ask_release_held(cps_ep_t *ep, cps_oscore_entry_t *entry)
{
    cps_asked_t *asked;
    entry->recovering = CPS_NONE;
    while ((asked = cps_asked_pop(&ep->asked, &entry->held)) != NULL) {
        asked->state = CPS_ASKED_QUEUED;
        cps_asked_push(&ep->asked, &peer_of(ep, asked)->queue, asked);
        cps_ask_pump(ep, peer_of(ep, asked));
    }
}
