// SPDX-License-Identifier: Apache-2.0
/* Requests of ours: sealing and sending, copies, and the same bytes again with an outer Echo. */
#include "ep/ep.h"

static cps_peer_t *peer_of(const cps_ep_t *ep, const cps_asked_t *asked)
{
    return cps_peers_at(&ep->peers, asked->peer);
}

/* Copy a message to `to` with one option more, in its place by number. */
static cps_err_t with_option(const cps_msg_t *msg, uint16_t number, cps_bytes_t value, cps_writer_t *to, cps_msg_t *out)
{
    cps_opt_walk_t walk = cps_opt_walk(msg->options);
    cps_opt_writer_t ow = cps_opt_writer(to);
    cps_option_t option;
    bool done = false;
    while (cps_opt_next(&walk, &option)) {
        if (!done && option.number > number) {
            cps_opt_put(&ow, number, value);
            done = true;
        }
        cps_opt_put(&ow, option.number, option.value);
    }
    if (!done)
        cps_opt_put(&ow, number, value);
    *out = *msg;
    out->options = cps_written(to);
    return cps_writer_err(to);
}

/* The message before protection, as a view of ep->build and, with an Echo, ep->extra. An Echo that an earlier answer
 * of the context carried goes along, once (RFC 9175 §2.3). */
static cps_err_t plain_of(cps_ep_t *ep, cps_asked_t *asked, cps_oscore_entry_t *entry, cps_msg_t *msg)
{
    cps_chain_get(&ep->chains, &asked->plain, ep->build);
    cps_err_t err = cps_msg_parse(cps_bytes(ep->build, asked->plain.len), msg);
    cps_chain_t *echo = asked->with_echo ? &asked->echo : (entry != NULL ? &entry->echo : NULL);
    if (err != CPS_OK)
        return err;
    uint8_t value[CPS_ECHO_VALUE_MAX];
    size_t len = echo != NULL ? echo->len : 0;
    if (len != 0) {
        cps_chain_get(&ep->chains, echo, value);
        cps_chain_free(&ep->chains, echo);
    }
    return cps_ask_compose(ep, asked, cps_bytes(value, len), msg);
}

static cps_err_t seal(cps_ep_t *ep, cps_asked_t *asked, cps_oscore_entry_t *entry, uint64_t number, cps_msg_t *msg,
                      cps_writer_t *out)
{
    cps_oscore_binding_t binding;
    cps_writer_t plaintext = cps_writer(ep->sealing, ep->take_max + CPS_EP_OVERHEAD);
    cps_oscore_work_t work = {ep->config.crypto, &plaintext, NULL};
    cps_err_t err = cps_oscore_protect_request(cps_rekey_ctx(ep, asked, entry), &work, number, msg, out, &binding);
    memcpy(asked->binding, &binding, sizeof binding);
    asked->partial_iv = number;
    asked->unnumbered = true;
    asked->numbered = false; /* what was bound to the registration before verifies no more */
    if (asked->repeated && err == CPS_OK)
        cps_ep_note(ep, CPS_NOTE_RESEALED, &asked->path, entry, number);
    return err;
}

/* What a request #1 of appendix B.2 asks is not to be done, and there are servers that do it all the same (docs/peers.md):
 * so it asks nothing that could do harm. */
static void make_harmless(cps_msg_t *msg)
{
    if (!cps_method_is_unsafe(msg->code))
        return;
    msg->code = CPS_GET;
    msg->payload = (cps_bytes_t){0};
}

static cps_err_t write_message(cps_ep_t *ep, cps_asked_t *asked, cps_oscore_entry_t *entry, uint64_t number,
                               uint16_t mid, cps_writer_t *out)
{
    cps_msg_t msg;
    cps_err_t err = plain_of(ep, asked, entry, &msg);
    if (err != CPS_OK)
        return err;
    if (entry != NULL && cps_rekey_is_first(ep, asked, entry))
        make_harmless(&msg);
    msg.type = asked->confirmable ? CPS_CON : CPS_NON;
    msg.mid = mid;
    if (asked->code != CPS_EMPTY) /* a ping has none (RFC 7252 §4.1) */
        msg.token = cps_bytes(asked->token, asked->token_len);
    if (entry != NULL)
        err = seal(ep, asked, entry, number, &msg, out);
    else
        cps_msg_write(out, &msg);
    if (err == CPS_OK && (out->failed || cps_written(out).len > ep->config.message_max + CPS_EP_OVERHEAD))
        err = CPS_ERR_TOO_LARGE;
    return err;
}

/* Hand a written datagram to the socket and to the message layer. */
static cps_err_t launch(cps_ep_t *ep, cps_asked_t *asked, uint16_t mid, const cps_writer_t *out)
{
    const cps_transmission_t *params = &ep->config.transmission;
    cps_bytes_t bytes = cps_written(out);
    cps_chain_free(&ep->chains, &asked->sealed);
    cps_err_t err = cps_chain_put(&ep->chains, bytes, &asked->sealed);
    cps_tx_t *tx = err == CPS_OK ? cps_retx_take(&ep->retx, asked->peer, mid) : NULL;
    if (tx == NULL)
        return CPS_ERR_FULL;
    tx->path = asked->path;
    tx->owner = CPS_TX_REQUEST;
    tx->owner_index = cps_asked_index(&ep->asked, asked);
    asked->tx = cps_pool_index(&ep->retx.pool, tx);
    (void)cps_out_commit(ep, &asked->path, out);
    asked->state = CPS_ASKED_SENT;
    asked->sent = true;
    bool open =
        asked->unanswered && !asked->confirmable; /* whether the peer is silent is told by others (RFC 7967 §3.2) */
    if (!open)
        cps_peer_sent(peer_of(ep, asked), ep->now_us, bytes.len, params->probing_rate);
    if (asked->confirmable)
        cps_retx_start(&ep->retx, tx, ep->now_us, cps_retx_first_timeout(params, &ep->rng), params->max_retransmit);
    else /* no copies, but the next request to a silent peer waits for its time at PROBING_RATE */
        cps_heap_set(&ep->retx.heap, asked->tx, peer_of(ep, asked)->quiet_until_us);
    return CPS_OK;
}

static void wait_for_lease(cps_ep_t *ep, cps_asked_t *asked)
{
    if (ep->waiting_count >= ep->config.waiting) {
        cps_ask_fail(ep, asked, CPS_ERR_BUSY, CPS_OK);
        return;
    }
    asked->state = CPS_ASKED_LEASE;
    ep->waiting_count++;
    cps_asked_push(&ep->asked, &ep->waiting, asked);
}

/* Held: its place in flight goes to the request that recovers the context. */
void cps_ask_hold(cps_ep_t *ep, cps_asked_t *asked, cps_oscore_entry_t *entry)
{
    cps_ask_detach(ep, asked);
    cps_heap_set(&ep->asked.heap, cps_asked_index(&ep->asked, asked), asked->deadline_us);
    asked->state = CPS_ASKED_HELD;
    cps_asked_push(&ep->asked, &entry->held, asked);
    cps_ask_pump(ep, peer_of(ep, asked));
}

static bool has_to_wait(const cps_ep_t *ep, const cps_asked_t *asked, const cps_oscore_entry_t *entry)
{
    bool others = entry->recovering != CPS_NONE && entry->recovering != cps_asked_index(&ep->asked, asked);
    return others || cps_rekey_holds(ep, asked, entry);
}

/* A body in many blocks has used all Message IDs of EXCHANGE_LIFETIME (RFC 7252 §4.4): the clock brings the next one. */
static void wait_for_mid(cps_ep_t *ep, cps_asked_t *asked)
{
    uint32_t index = cps_asked_index(&ep->asked, asked);
    cps_time_us_t soon = ep->now_us + ep->peers.mid_tick_us;
    cps_ask_detach(ep, asked);
    asked->state = CPS_ASKED_QUEUED;
    cps_asked_push_front(&ep->asked, &peer_of(ep, asked)->queue, asked);
    cps_heap_set(&ep->asked.heap, index, soon < asked->deadline_us ? soon : asked->deadline_us);
}

void cps_ask_start(cps_ep_t *ep, cps_asked_t *asked)
{
    cps_oscore_entry_t *entry = cps_ep_context(ep, asked->context);
    uint64_t number = 0;
    uint16_t mid = 0;
    asked->state = CPS_ASKED_SENT; /* in no list any more */
    if (asked->context != 0 && entry == NULL) {
        cps_ask_fail(ep, asked, CPS_ERR_CANCELED, CPS_OK);
        return;
    }
    if (entry != NULL && has_to_wait(ep, asked, entry)) {
        cps_ask_hold(ep, asked, entry);
        return;
    }
    cps_ask_tag(ep, asked);
    cps_err_t err = cps_peer_mid(&ep->peers, peer_of(ep, asked), ep->now_us, &mid);
    if (err == CPS_ERR_BUSY && cps_transfer_is_split(&asked->transfer)) {
        wait_for_mid(ep, asked);
        return;
    }
    if (err == CPS_OK && entry != NULL)
        err = cps_rekey_number(ep, asked, entry, &number);
    if (err == CPS_ERR_WAIT) {
        wait_for_lease(ep, asked);
        return;
    }
    cps_writer_t out = cps_out_begin(ep);
    if (err == CPS_OK)
        err = write_message(ep, asked, entry, number, mid, &out);
    if (err == CPS_OK) {
        asked->sent_us = ep->now_us;
        asked->mids[0] = mid;
        asked->mids[1] = mid;
        err = launch(ep, asked, mid, &out);
    }
    if (err != CPS_OK)
        cps_ask_fail(ep, asked, asked->sent ? CPS_ERR_OUTCOME_UNKNOWN : err, err);
    else if (asked->unanswered && !asked->confirmable)
        cps_ask_fail(ep, asked, CPS_OK, CPS_OK); /* nobody listens for an answer (RFC 7967 §2.1) */
}

void cps_ask_copy(cps_ep_t *ep, cps_tx_t *tx)
{
    cps_asked_t *asked = cps_asked_at(&ep->asked, tx->owner_index);
    cps_out_chain(ep, &asked->path, &ep->chains, &asked->sealed);
    cps_peer_sent(peer_of(ep, asked), ep->now_us, asked->sealed.len, ep->config.transmission.probing_rate);
}

cps_err_t cps_ask_resend(cps_ep_t *ep, cps_asked_t *asked, cps_bytes_t outer_echo)
{
    cps_msg_t msg;
    uint16_t mid;
    if (asked->sealed.len == 0 || !cps_out_has_room(ep))
        return CPS_ERR_BUSY;
    cps_chain_get(&ep->chains, &asked->sealed, ep->build);
    cps_err_t err = cps_msg_parse(cps_bytes(ep->build, asked->sealed.len), &msg);
    if (err == CPS_OK)
        err = cps_peer_mid(&ep->peers, peer_of(ep, asked), ep->now_us, &mid);
    cps_writer_t options = cps_writer(ep->extra, ep->take_max + CPS_EP_OVERHEAD);
    if (err == CPS_OK)
        err = with_option(&msg, CPS_OPT_ECHO, outer_echo, &options, &msg);
    if (err != CPS_OK)
        return err;
    msg.mid = mid;
    cps_writer_t out = cps_out_begin(ep);
    cps_msg_write(&out, &msg);
    err = cps_writer_err(&out);
    if (err != CPS_OK)
        return err;
    asked->mids[1] = asked->mids[0]; /* an answer to either copy is genuine */
    asked->mids[0] = mid;
    return launch(ep, asked, mid, &out);
}
