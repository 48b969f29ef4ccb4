// SPDX-License-Identifier: Apache-2.0
/* Notifications (RFC 7641 §4.2 to §4.5): how the present state goes to an observer, and what becomes of it. */
#include "ep/ep.h"

#define PACE_US       3000000U /* between NON notifications (§4.5.1: one RTT, or 3 s where none is known) */
#define UNCHECKED_MAX 4U       /* NON notifications in a row to a client that is not authenticated (§7; OBS-32) */

static cps_peer_t *peer_of(const cps_ep_t *ep, const cps_observer_t *o) { return cps_peers_at(&ep->peers, o->peer); }

static cps_path_t path_of(const cps_ep_t *ep, const cps_observer_t *o)
{
    const cps_peer_t *peer = peer_of(ep, o);
    cps_path_t path = {.ifindex = o->ifindex, .socket = peer->socket};
    memcpy(path.remote.ip, peer->remote_ip, sizeof path.remote.ip);
    memcpy(path.local.ip, peer->local_ip, sizeof path.local.ip);
    path.remote.scope_id = peer->scope_id;
    path.remote.port = peer->remote_port;
    path.remote.family = o->remote_family;
    path.local.family = o->local_family;
    return path;
}

/* ---- what is sent ---- */

/* §4.2: the Content-Format is that of the first answer; else 4.06, and the end (OBS-19). */
static bool keeps_format(cps_observer_t *o, const cps_msg_t *msg)
{
    uint32_t value;
    if (msg->code == CPS_VALID)
        return true;
    uint16_t format = cps_msg_option_uint(msg, CPS_OPT_CONTENT_FORMAT, &value) ? (uint16_t)value : UINT16_MAX;
    if (!o->has_format)
        o->format = format;
    o->has_format = true;
    return o->format == format;
}

static cps_err_t build(cps_ep_t *ep, cps_observer_t *o, const cps_command_reply_t *state, cps_msg_t *msg)
{
    bool success = cps_code_class(state->code) == 2;
    uint32_t number = success ? cps_observer_number(o, ep->now_us) : 0;
    cps_err_t err = cps_serve_build(ep, NULL, state, success ? &number : NULL, msg); /* OBS-17 */
    if (err == CPS_OK && success && !keeps_format(o, msg))
        *msg = (cps_msg_t){.code = CPS_NOT_ACCEPTABLE};
    msg->token = cps_bytes(o->token, o->token_len);
    return err;
}

static bool is_confirmable(const cps_ep_t *ep, const cps_observer_t *o, const cps_command_reply_t *state)
{
    if (!state->non_confirmable || !o->proven || o->must_con || o->replacing)
        return true;
    if (o->context == 0 && o->unchecked >= UNCHECKED_MAX)
        return true; /* §7: mixed, so that it ends where nobody acknowledges (OBS-32) */
    return ep->now_us - o->confirmed_us >= ep->config.observe_check_us;
}

static cps_err_t seal(cps_ep_t *ep, cps_observer_t *o, const cps_msg_t *msg, cps_writer_t *out)
{
    cps_oscore_entry_t *entry = cps_ep_context(ep, o->context);
    uint64_t number;
    cps_err_t err = entry != NULL ? cps_context_number(ep, entry, &number) : CPS_ERR_STALE;
    if (err != CPS_OK)
        return err;
    cps_oscore_binding_t binding;
    memcpy(&binding, o->binding, sizeof binding);
    cps_writer_t plaintext = cps_writer(ep->sealing, ep->take_max + CPS_EP_OVERHEAD);
    cps_oscore_work_t work = {ep->config.crypto, &plaintext, NULL};
    return cps_oscore_protect_response(&entry->ctx, &work, number, msg, out, &binding); /* RFC 8613 §4.1.3.5.2 */
}

static cps_err_t write(cps_ep_t *ep, cps_observer_t *o, cps_msg_t *msg, cps_writer_t *out)
{
    if (!cps_out_has_room(ep))
        return CPS_ERR_BUSY;
    cps_err_t err = cps_peer_mid(&ep->peers, peer_of(ep, o), ep->now_us, &msg->mid);
    if (err != CPS_OK)
        return err;
    *out = cps_out_begin(ep);
    if (o->context != 0)
        err = seal(ep, o, msg, out);
    else
        cps_msg_write(out, msg);
    if (err == CPS_OK && (out->failed || cps_written(out).len > ep->config.message_max))
        err = CPS_ERR_TOO_LARGE;
    return err;
}

/* ---- what is kept of it ---- */

/* The message that is under way is replaced: its Message ID stays known for a late ACK (§4.5.2; OBS-28). */
static void put_aside(cps_ep_t *ep, cps_observer_t *o)
{
    if (o->old_tx != CPS_NONE)
        cps_retx_give(&ep->retx, cps_retx_at(&ep->retx, o->old_tx), &ep->notices);
    o->old_tx = o->tx;
    o->tx = CPS_NONE;
    cps_tx_t *old = cps_retx_at(&ep->retx, o->old_tx);
    cps_retx_stop(&ep->retx, old);
    cps_chain_free(&ep->notices, &old->bytes);
}

/* How a Confirmable notification is repeated; one that replaces another goes on where that was (§4.5.2; OBS-27). */
typedef struct course {
    cps_time_us_t first_sent_us;
    uint64_t timeout_us;
    uint32_t copies;
} course_t;

static course_t course_of(cps_ep_t *ep, const cps_observer_t *o)
{
    if (o->replacing && o->tx != CPS_NONE) {
        const cps_tx_t *tx = cps_retx_at(&ep->retx, o->tx);
        return (course_t){tx->first_sent_us, tx->timeout_us, tx->copies_left};
    }
    const cps_transmission_t *params = &ep->config.transmission;
    return (course_t){ep->now_us, cps_retx_first_timeout(params, &ep->rng), params->max_retransmit};
}

/* To an address that nothing proved go as many copies as the budget of its request holds (MSG-56). */
static void keep_budget(cps_observer_t *o, course_t *course, size_t len)
{
    if (o->proven)
        return;
    size_t fit = cps_amplify_copies(o->room, len);
    course->copies = fit <= course->copies ? (uint32_t)(fit - 1) : course->copies;
    for (uint32_t i = 0; i <= course->copies; i++)
        o->room = (uint32_t)cps_amplify_after(o->room, len);
}

static void follow(cps_ep_t *ep, cps_observer_t *o, const cps_msg_t *msg, cps_bytes_t bytes)
{
    course_t course = course_of(ep, o);
    bool confirmable = msg->type == CPS_CON;
    if (o->replacing && o->tx != CPS_NONE)
        put_aside(ep, o);
    o->replacing = false;
    keep_budget(o, &course, bytes.len);
    if (o->tx != CPS_NONE) /* a NON one */
        cps_retx_give(&ep->retx, cps_retx_at(&ep->retx, o->tx), &ep->notices);
    cps_tx_t *tx = cps_retx_take(&ep->retx, o->peer, msg->mid);
    o->tx = tx != NULL ? cps_pool_index(&ep->retx.pool, tx) : CPS_NONE;
    if (tx == NULL)
        return; /* it went out once; whoever gave the turn saw room, so this is no case */
    tx->path = path_of(ep, o);
    tx->owner = CPS_TX_NOTICE;
    tx->owner_index = cps_observer_index(&ep->observers, o);
    if (!confirmable) { /* known by its Message ID, so that a RST finds it (OBS-24) */
        cps_heap_set(&ep->retx.heap, o->tx, ep->now_us + ep->times.non_lifetime_us);
        return;
    }
    if (course.copies != 0 && cps_chain_put(&ep->notices, bytes, &tx->bytes) != CPS_OK)
        course.copies = 0;
    cps_retx_start(&ep->retx, tx, ep->now_us, course.timeout_us, course.copies);
    tx->first_sent_us = course.first_sent_us;
}

static void after_non(cps_ep_t *ep, cps_observer_t *o)
{
    uint32_t kept = o->tx;
    o->tx = CPS_NONE;
    o->paced_us = ep->now_us + PACE_US; /* §4.5.1 */
    o->unchecked = o->unchecked < UINT8_MAX ? (uint8_t)(o->unchecked + 1) : UINT8_MAX;
    cps_observe_release(ep, o);
    o->tx = kept;
}

/* The last word to an observer, which is over: copies as of a separate answer (OBS-18). */
static void say_last(cps_ep_t *ep, cps_observer_t *o, const cps_msg_t *msg, cps_bytes_t bytes)
{
    course_t course = {ep->now_us, 0, ep->config.transmission.max_retransmit};
    keep_budget(o, &course, bytes.len);
    cps_path_t path = path_of(ep, o);
    uint32_t index = o->peer;
    cps_tx_t *tx = ep->answers_in_flight < ep->config.requests_in ? cps_retx_take(&ep->retx, index, msg->mid) : NULL;
    if (tx != NULL) {
        cps_peer_ref(&ep->peers, cps_peers_at(&ep->peers, index));
        tx->path = path;
        tx->owner = CPS_TX_ANSWER;
        ep->answers_in_flight++;
        if (cps_chain_put(&ep->answers, bytes, &tx->bytes) != CPS_OK)
            course.copies = 0;
        cps_retx_start(&ep->retx, tx, ep->now_us, cps_retx_first_timeout(&ep->config.transmission, &ep->rng),
                       course.copies);
    }
    cps_observe_end(ep, o, CPS_OK);
}

/* ---- the command ---- */

/* Not now: the state is asked for again when it can go. */
static cps_err_t later(cps_ep_t *ep, cps_observer_t *o)
{
    o->dirty = true;
    o->state = CPS_OBSERVER_LEASE;
    cps_list_push(&ep->notify_lease, &ep->observers.pool, offsetof(cps_observer_t, next), o);
    return CPS_OK;
}

static cps_err_t not_sent(cps_ep_t *ep, cps_observer_t *o, cps_err_t err)
{
    if (err == CPS_ERR_WAIT)
        return later(ep, o);
    if (err == CPS_ERR_BUSY) { /* no Message ID, or a full output since the turn was given */
        o->state = CPS_OBSERVER_IDLE;
        o->dirty = true;
        o->paced_us = ep->now_us + PACE_US;
        if (!o->replacing)
            cps_observe_release(ep, o);
        o->replacing = false;
        cps_observe_schedule(ep, o);
        return CPS_OK;
    }
    return err;
}

cps_err_t cps_notice_send(cps_ep_t *ep, const cps_command_reply_t *state)
{
    cps_msg_t msg;
    cps_writer_t out;
    cps_observer_t *o = cps_pool_find(&ep->observers.pool, state->request);
    if (o == NULL || o->state != CPS_OBSERVER_ASKED)
        return CPS_ERR_STALE;
    cps_err_t err = build(ep, o, state, &msg);
    if (err != CPS_OK)
        return err;
    if (!o->proven && cps_amplify_copies(o->room, cps_msg_len(&msg)) == 0) {
        cps_path_t path = path_of(ep, o);
        cps_ep_note(ep, CPS_NOTE_AMPLIFICATION, &path, NULL, cps_msg_len(&msg));
        cps_observe_end(ep, o, CPS_ERR_NOT_FRESH);
        return CPS_OK;
    }
    bool last = cps_code_class(msg.code) != 2;
    msg.type = last || is_confirmable(ep, o, state) ? CPS_CON : CPS_NON;
    err = write(ep, o, &msg, &out);
    if (err != CPS_OK)
        return not_sent(ep, o, err);
    cps_path_t path = path_of(ep, o);
    cps_bytes_t bytes = cps_out_commit(ep, &path, &out);
    ep->stats.notifications++;
    o->state = CPS_OBSERVER_IDLE;
    if (last) {
        say_last(ep, o, &msg, bytes);
        return CPS_OK;
    }
    follow(ep, o, &msg, bytes);
    if (msg.type == CPS_NON)
        after_non(ep, o);
    cps_observe_schedule(ep, o);
    return CPS_OK;
}

/* ---- what becomes of it ---- */

static cps_observer_t *owner_of(const cps_ep_t *ep, const cps_tx_t *tx)
{
    return cps_observer_at(&ep->observers, tx->owner_index);
}

void cps_notice_acked(cps_ep_t *ep, cps_tx_t *tx)
{
    cps_observer_t *o = owner_of(ep, tx);
    bool old = cps_pool_index(&ep->retx.pool, tx) == o->old_tx;
    if (!tx->confirmable)
        return;
    cps_peer_heard(peer_of(ep, o));
    o->confirmed_us = ep->now_us;
    o->proven = true; /* it answered a Message ID that was sent there and nowhere else */
    o->unchecked = 0;
    if (old) {
        o->heard = true;
        return;
    }
    o->must_con = false;
    bool asked = o->state == CPS_OBSERVER_ASKED; /* about to be sent anew: its place among those outstanding stays */
    o->counted = o->counted && !asked;
    cps_observe_release(ep, o);
    o->counted = asked;
    cps_observe_schedule(ep, o);
}

void cps_notice_reset(cps_ep_t *ep, cps_tx_t *tx)
{
    cps_observe_end(ep, owner_of(ep, tx), CPS_ERR_RESET); /* RFC 7641 §3.6, §4.5 (OBS-24) */
}

void cps_notice_copy(cps_ep_t *ep, cps_tx_t *tx)
{
    cps_observer_t *o = owner_of(ep, tx);
    if (!o->dirty || o->state != CPS_OBSERVER_IDLE || !o->proven) {
        cps_serve_copy(ep, &ep->notices, tx);
        return;
    }
    o->replacing = true; /* §4.5.2: the new state instead of a copy of the old one */
    o->state = CPS_OBSERVER_READY;
    cps_list_push_front(&ep->notify_ready, &ep->observers.pool, offsetof(cps_observer_t, next), o);
}

void cps_notice_expired(cps_ep_t *ep, cps_tx_t *tx)
{
    cps_observer_t *o = owner_of(ep, tx);
    if (!tx->confirmable) {
        o->tx = CPS_NONE;
        cps_retx_give(&ep->retx, tx, &ep->notices);
        return;
    }
    if (!o->heard) {
        cps_observe_end(ep, o, CPS_ERR_TIMEOUT); /* §4.5 (OBS-24) */
        return;
    }
    cps_observe_release(ep, o); /* it acknowledged what this one replaced: it is there (OBS-28) */
    o->dirty = true;
    cps_observe_schedule(ep, o);
}
