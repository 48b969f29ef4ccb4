// SPDX-License-Identifier: Apache-2.0
/* Observers of our resources (RFC 7641 §4): how they come and go, and whose turn it is. The application is asked for the
 * present state when an observer can be told, so that a slow one always gets the newest and nothing is kept for it. */
#include "ep/ep.h"

#define REFUSED_RETRY_US 10000000U /* after the store refused numbers */

static size_t link_of(void) { return offsetof(cps_observer_t, next); }

static cps_peer_t *peer_of(const cps_ep_t *ep, const cps_observer_t *o) { return cps_peers_at(&ep->peers, o->peer); }

cps_observe_t cps_observe_asked(const cps_msg_t *msg)
{
    uint32_t value;
    if ((msg->code != CPS_GET && msg->code != CPS_FETCH) || !cps_msg_option_uint(msg, CPS_OPT_OBSERVE, &value))
        return CPS_OBSERVE_NOT;
    if (value > 1)
        return CPS_OBSERVE_NOT; /* RFC 7641 §2: other values start nothing (OBS-1) */
    return value == 0 ? CPS_OBSERVE_REGISTER : CPS_OBSERVE_DEREGISTER;
}

/* ---- how they go ---- */

static void unlink_from_list(cps_ep_t *ep, cps_observer_t *o)
{
    cps_list_t *lists[] = {[CPS_OBSERVER_READY] = &ep->notify_ready,
                           [CPS_OBSERVER_QUEUED] = &peer_of(ep, o)->notices,
                           [CPS_OBSERVER_LEASE] = &ep->notify_lease,
                           [CPS_OBSERVER_GONE] = NULL};
    if (lists[o->state] != NULL)
        cps_list_remove(lists[o->state], &ep->observers.pool, link_of(), o);
    o->state = CPS_OBSERVER_IDLE;
}

static void give_tx(cps_ep_t *ep, uint32_t *place)
{
    if (*place != CPS_NONE)
        cps_retx_give(&ep->retx, cps_retx_at(&ep->retx, *place), &ep->notices);
    *place = CPS_NONE;
}

static void ready(cps_ep_t *ep, cps_observer_t *o)
{
    o->state = CPS_OBSERVER_READY;
    cps_heap_clear(&ep->observers.heap, cps_observer_index(&ep->observers, o));
    cps_list_push(&ep->notify_ready, &ep->observers.pool, link_of(), o);
}

void cps_observe_release(cps_ep_t *ep, cps_observer_t *o)
{
    cps_peer_t *peer = peer_of(ep, o);
    give_tx(ep, &o->tx);
    give_tx(ep, &o->old_tx);
    o->replacing = false;
    o->heard = false;
    if (!o->counted)
        return;
    o->counted = false;
    peer->notices_out--;
    cps_observer_t *next = cps_list_pop(&peer->notices, &ep->observers.pool, link_of());
    if (next != NULL)
        ready(ep, next);
}

/* Everything but its place. */
static void let_go(cps_ep_t *ep, cps_observer_t *o)
{
    cps_peer_t *peer = peer_of(ep, o);
    unlink_from_list(ep, o);
    cps_observe_release(ep, o);
    cps_observer_end(&ep->observers, o);
    peer->observers--;
    cps_peer_unref(&ep->peers, peer);
}

void cps_observe_end(cps_ep_t *ep, cps_observer_t *o, cps_err_t err)
{
    let_go(ep, o);
    o->state = CPS_OBSERVER_GONE;
    o->gone = err;
    cps_list_push(&ep->notify_gone, &ep->observers.pool, link_of(), o);
}

static void drop(cps_ep_t *ep, cps_observer_t *o)
{
    let_go(ep, o);
    cps_observer_give(&ep->observers, o);
}

static cps_observer_t *find(const cps_ep_t *ep, cps_handle_t handle)
{
    cps_observer_t *o = cps_pool_find(&ep->observers.pool, handle);
    return o != NULL && o->state != CPS_OBSERVER_GONE ? o : NULL;
}

cps_err_t cps_observe_forget(cps_ep_t *ep, cps_handle_t observer)
{
    cps_observer_t *o = find(ep, observer);
    if (o == NULL)
        return CPS_ERR_STALE;
    cps_observe_end(ep, o, CPS_OK);
    return CPS_OK;
}

void cps_observe_context_gone(cps_ep_t *ep, cps_handle_t context)
{
    for (uint32_t i = 0; i < ep->observers.pool.touched; i++) {
        cps_observer_t *o = cps_observer_at(&ep->observers, i);
        if (cps_pool_live(&ep->observers.pool, i) && o->state != CPS_OBSERVER_GONE && o->context == context)
            cps_observe_end(ep, o, CPS_ERR_CANCELED);
    }
}

/* ---- how they come ---- */

static cps_observer_key_t key_of(const cps_served_t *served)
{
    return (cps_observer_key_t){served->peer, served->context, cps_bytes(served->token, served->token_len)};
}

void cps_observe_accepted(cps_ep_t *ep, const cps_served_t *served)
{
    if (served->observe != CPS_OBSERVE_DEREGISTER)
        return;
    const cps_observer_key_t key = key_of(served);
    cps_observer_t *o = cps_observer_find(&ep->observers, &key);
    if (o != NULL)
        cps_observe_end(ep, o, CPS_OK); /* RFC 7641 §4.1: that entry and no other (OBS-14) */
}

/* Whether one more from there may be kept: a peer that is kept for an observer is one less for others. */
static bool has_room(const cps_ep_t *ep, const cps_served_t *served)
{
    const cps_peer_t *peer = cps_peers_at(&ep->peers, served->peer);
    bool crowded = served->context == 0 && ep->peers.kept >= ep->config.peers - ep->config.peers / 4;
    bool short_token = served->long_token.len == 0; /* an observer keeps 8 bytes of it */
    return peer->observers < ep->config.observers_per_peer && !crowded && short_token;
}

/* Content-Format of a representation; what has none differs from every one that has. */
static uint16_t format_of(const cps_command_reply_t *reply)
{
    uint32_t value;
    for (size_t i = 0; i < reply->option_count; i++)
        if (reply->options[i].number == CPS_OPT_CONTENT_FORMAT &&
            cps_opt_uint(reply->options[i].value, &value) == CPS_OK)
            return (uint16_t)value;
    return UINT16_MAX;
}

static void fill(cps_ep_t *ep, cps_observer_t *o, const cps_served_t *served, const cps_command_reply_t *reply)
{
    cps_oscore_binding_t binding;
    memcpy(&binding, served->binding, sizeof binding);
    binding.nonce_used =
        true; /* the registration's nonce is for its answer alone: notifications have numbers (OSC-25) */
    memcpy(o->binding, &binding, sizeof binding);
    o->user = reply->observer_user;
    o->confirmed_us = ep->now_us;
    o->ifindex = served->path.ifindex;
    o->remote_family = served->path.remote.family;
    o->local_family = served->path.local.family;
    o->number = (uint32_t)(ep->now_us >> 16U);
    o->room = served->room;
    o->proven = served->verified || served->context != 0;
    o->has_format = reply->code != CPS_VALID;
    o->format = format_of(reply);
}

cps_observer_t *cps_observe_answer(cps_ep_t *ep, cps_served_t *served, const cps_command_reply_t *reply)
{
    served->registers = false;
    if (served->observe != CPS_OBSERVE_REGISTER)
        return NULL;
    const cps_observer_key_t key = key_of(served);
    cps_observer_t *old = cps_observer_find(&ep->observers, &key);
    uint32_t number = old != NULL ? old->number : 0;
    bool had_number = old != NULL;
    if (old != NULL)
        cps_observe_end(ep, old, CPS_OK); /* replaced, never a second one (OBS-13); or ended by an error (OBS-16) */
    if (!reply->observe || cps_code_class(reply->code) != 2 || !has_room(ep, served))
        return NULL;
    cps_observer_t *o = cps_observer_take(&ep->observers, &key);
    if (o == NULL)
        return NULL; /* no room: an answer without Observe (OBS-15) */
    fill(ep, o, served, reply);
    if (had_number)
        o->number = number; /* rises for this client and token as long as it is known (OBS-21) */
    cps_peer_ref(&ep->peers, peer_of(ep, o));
    peer_of(ep, o)->observers++;
    served->registers = true;
    return o;
}

void cps_observe_settle(cps_ep_t *ep, cps_observer_t *observer, bool agreed, size_t len, cps_handle_t *handle)
{
    if (handle != NULL)
        *handle = 0;
    if (observer == NULL)
        return;
    if (!agreed) {
        drop(ep, observer);
        return;
    }
    observer->room = (uint32_t)cps_amplify_after(observer->room, len);
    cps_observe_schedule(ep, observer);
    if (handle != NULL)
        *handle = cps_pool_handle(&ep->observers.pool, observer);
}

/* ---- whose turn it is ---- */

static bool in_flight(const cps_ep_t *ep, const cps_observer_t *o)
{
    return o->tx != CPS_NONE && cps_retx_at(&ep->retx, o->tx)->confirmable;
}

void cps_observe_schedule(cps_ep_t *ep, cps_observer_t *o)
{
    uint32_t index = cps_observer_index(&ep->observers, o);
    if (o->state != CPS_OBSERVER_IDLE || in_flight(ep, o))
        return;
    if (!o->dirty)
        cps_heap_set(&ep->observers.heap, index, o->confirmed_us + ep->config.observe_check_us);
    else if (o->paced_us > ep->now_us)
        cps_heap_set(&ep->observers.heap, index, o->paced_us);
    else
        ready(ep, o);
}

/* A context that has no number left asks at once: what many observers ask for in one turn of the loop is one commit. */
static void ask_ahead(cps_ep_t *ep, const cps_observer_t *o)
{
    cps_oscore_entry_t *entry = cps_ep_context(ep, o->context);
    if (entry != NULL && entry->ctx.seq.next >= entry->ctx.seq.ceiling && cps_oscore_seq_wants(&entry->ctx.seq))
        cps_context_want(ep, entry);
}

cps_err_t cps_observe_changed(cps_ep_t *ep, cps_handle_t observer)
{
    cps_observer_t *o = find(ep, observer);
    if (o == NULL)
        return CPS_ERR_STALE;
    o->dirty = true;
    ask_ahead(ep, o);
    cps_observe_schedule(ep, o);
    return CPS_OK;
}

/* Whether the bytes of one more notification have room until it is acknowledged. */
static bool has_bytes(const cps_ep_t *ep)
{
    return ep->retx.pool.used < ep->retx.pool.limit &&
           cps_chain_room(&ep->notices) >= cps_chain_blocks(ep->config.message_max + CPS_EP_OVERHEAD);
}

bool cps_observe_pending(const cps_ep_t *ep)
{
    return ep->notify_ready.first != CPS_NONE && !cps_out_has_room(ep) && has_bytes(ep);
}

/* Whether an observer can be told now; else it waits where it has to. */
static bool may_go(cps_ep_t *ep, cps_observer_t *o)
{
    cps_peer_t *peer = peer_of(ep, o);
    const cps_oscore_entry_t *entry = cps_ep_context(ep, o->context);
    if (!o->counted && peer->notices_out >= ep->config.transmission.nstart) { /* RFC 7641 §4.5.1 */
        o->state = CPS_OBSERVER_QUEUED;
        cps_list_push(&peer->notices, &ep->observers.pool, link_of(), o);
        return false;
    }
    if (entry != NULL && (!entry->ctx.seq.usable || entry->ctx.seq.next >= CPS_SEQ_LIMIT)) {
        cps_observe_end(ep, o, CPS_ERR_SEQ_EXHAUSTED); /* it can never be told anything again (RFC 8613 §7.2.1) */
        return false;
    }
    if (entry != NULL && entry->ctx.seq.next >= entry->ctx.seq.ceiling) {
        ask_ahead(ep, o);
        o->state = CPS_OBSERVER_LEASE; /* so that the state is asked for when it can be sent */
        cps_list_push(&ep->notify_lease, &ep->observers.pool, link_of(), o);
        return false;
    }
    return true;
}

static void fill_event(const cps_ep_t *ep, const cps_observer_t *o, cps_event_kind_t kind, cps_event_t *event)
{
    memset(event, 0, sizeof *event);
    event->kind = kind;
    event->handle = cps_pool_handle(&ep->observers.pool, o);
    event->u.observer.user = o->user;
    event->u.observer.err = o->gone;
}

static bool gone_event(cps_ep_t *ep, cps_event_t *event)
{
    cps_observer_t *o = cps_list_pop(&ep->notify_gone, &ep->observers.pool, link_of());
    if (o == NULL)
        return false;
    fill_event(ep, o, CPS_EVENT_UNOBSERVED, event);
    cps_observer_give(&ep->observers, o);
    return true;
}

bool cps_observe_event(cps_ep_t *ep, cps_event_t *event)
{
    if (gone_event(ep, event))
        return true;
    if (ep->input_left != 0 && !ep->notify_after_input) { /* many observers do not keep what comes in waiting */
        ep->notify_after_input = true;
        return false;
    }
    while (ep->notify_ready.first != CPS_NONE && cps_out_has_room(ep) && has_bytes(ep)) {
        cps_observer_t *o = cps_list_pop(&ep->notify_ready, &ep->observers.pool, link_of());
        if (!may_go(ep, o))
            continue;
        o->state = CPS_OBSERVER_ASKED;
        o->dirty = false;
        if (!o->counted)
            peer_of(ep, o)->notices_out++;
        o->counted = true;
        ep->notify_after_input = false;
        fill_event(ep, o, CPS_EVENT_NOTIFY, event);
        return true;
    }
    return cps_context_job_event(ep, event) || gone_event(ep, event); /* what the loop above has found out */
}

/* ---- leases and timers ---- */

void cps_observe_granted(cps_ep_t *ep)
{
    cps_observer_t *o;
    while ((o = cps_list_pop(&ep->notify_lease, &ep->observers.pool, link_of())) != NULL)
        ready(ep, o); /* one whose context got nothing goes back to waiting */
}

void cps_observe_refused(cps_ep_t *ep, cps_handle_t context)
{
    cps_list_t others = CPS_LIST_EMPTY;
    cps_observer_t *o;
    while ((o = cps_list_pop(&ep->notify_lease, &ep->observers.pool, link_of())) != NULL) {
        if (o->context != context) {
            cps_list_push(&others, &ep->observers.pool, link_of(), o);
            continue;
        }
        o->state = CPS_OBSERVER_IDLE;
        o->dirty = true;
        o->paced_us = ep->now_us + REFUSED_RETRY_US;
        if (!in_flight(ep, o))
            cps_observe_release(ep, o);
        cps_observe_schedule(ep, o);
    }
    ep->notify_lease = others;
}

void cps_observe_tick(cps_ep_t *ep)
{
    uint32_t index;
    while ((index = cps_heap_pop_due(&ep->observers.heap, ep->now_us)) != CPS_NONE) {
        cps_observer_t *o = cps_observer_at(&ep->observers, index);
        if (ep->now_us >= o->confirmed_us + ep->config.observe_check_us) {
            o->must_con = true; /* RFC 7641 §4.5: it has to show that it is there (OBS-25) */
            o->dirty = true;
        }
        cps_observe_schedule(ep, o);
    }
}
