// SPDX-License-Identifier: Apache-2.0
/* Requests of ours that leave nothing here but their message layer: what is known of them travels in the token
 * (RFC 8974 §3), which is longer than 8 bytes. Whether a peer takes such tokens is asked by a Confirmable request: a Reset
 * says no (§2.2.2). */
#include "ep/ep.h"

#define FINDING_US 3600000000ULL /* how long what was found out of a peer is believed: 30 minutes to a day (§2.2.2) */

static cps_err_t check(const cps_ep_t *ep, const cps_command_request_t *r)
{
    if (!cps_code_is_request(r->code) || r->path.remote.family == CPS_FAMILY_NONE || r->token.len != 0 ||
        r->option_count >= CPS_EP_OPTIONS_MAX || (r->path.flags & CPS_PATH_MULTICAST) != 0)
        return CPS_ERR_ARGUMENT;
    if (r->context != 0)
        return CPS_ERR_UNSUPPORTED; /* what binds a sealed answer to its request is state that has to stay here */
    return cps_out_has_room(ep) ? CPS_OK : CPS_ERR_BUSY;
}

static cps_err_t write_request(cps_ep_t *ep, const cps_command_request_t *r, cps_msg_t *msg, cps_writer_t *out)
{
    cps_option_t list[CPS_EP_OPTIONS_MAX];
    uint8_t token[CPS_STATELESS_TOKEN];
    size_t len = 0;
    cps_stateless_use_t use = {ep->config.crypto, ep->now_us, &r->path};
    cps_copy(list, r->options, r->option_count * sizeof *list);
    cps_writer_t w = cps_writer(ep->build, ep->config.message_max);
    cps_opt_writer_t options = cps_opt_writer(&w);
    cps_opt_put_list(&options, list, r->option_count);
    msg->options = cps_written(&w);
    msg->payload = r->payload;
    if (w.failed || r->payload.len > cps_ep_payload_max(ep) ||
        cps_msg_len(msg) + 2 + sizeof token > ep->config.message_max)
        return CPS_ERR_TOO_LARGE;
    cps_err_t err = cps_stateless_seal(&ep->stateless, &use, r->state, token, &len);
    if (err != CPS_OK)
        return err;
    msg->token = cps_bytes(token, len);
    cps_msg_write(out, msg);
    msg->token = cps_bytes(NULL, 0); /* it is written, and its bytes end here */
    return cps_writer_err(out);
}

/* A CON has copies, and counts for NSTART until it is acknowledged: that much stays (§3.3). */
static void follow(cps_ep_t *ep, const cps_command_request_t *r, cps_peer_t *peer, uint16_t mid, cps_bytes_t bytes)
{
    uint32_t copies = ep->config.transmission.max_retransmit;
    cps_tx_t *tx = cps_retx_take(&ep->retx, cps_peers_index(&ep->peers, peer), mid);
    if (tx == NULL)
        return; /* it went out once: no room for copies */
    cps_peer_ref(&ep->peers, peer);
    tx->path = r->path;
    tx->owner = CPS_TX_STATELESS;
    tx->owner_index = CPS_NONE;
    peer->in_flight++;
    if (cps_chain_put(&ep->answers, bytes, &tx->bytes) != CPS_OK)
        copies = 0;
    cps_retx_start(&ep->retx, tx, ep->now_us, cps_retx_first_timeout(&ep->config.transmission, &ep->rng), copies);
}

cps_err_t cps_stateless_submit(cps_ep_t *ep, const cps_command_request_t *r)
{
    cps_err_t err = check(ep, r);
    if (err != CPS_OK)
        return err;
    cps_peer_t *peer = cps_ep_peer(ep, &r->path);
    if (peer == NULL)
        return CPS_ERR_FULL;
    bool known = peer->long_tokens_until_us > ep->now_us;
    if (known && !peer->long_tokens)
        return CPS_ERR_UNSUPPORTED;
    if (peer->queue.first != CPS_NONE || !cps_peer_may_start(peer, ep->now_us, ep->config.transmission.nstart))
        return CPS_ERR_BUSY;
    cps_msg_t msg = {.type = r->non_confirmable && known ? CPS_NON : CPS_CON, .code = r->code};
    cps_writer_t out = cps_out_begin(ep);
    err = cps_peer_mid(&ep->peers, peer, ep->now_us, &msg.mid);
    if (err == CPS_OK)
        err = write_request(ep, r, &msg, &out);
    if (err != CPS_OK)
        return err;
    cps_bytes_t bytes = cps_out_commit(ep, &r->path, &out);
    cps_peer_sent(peer, ep->now_us, bytes.len, ep->config.transmission.probing_rate);
    if (msg.type == CPS_CON)
        follow(ep, r, peer, msg.mid, bytes);
    return CPS_OK;
}

static void find_out(const cps_ep_t *ep, cps_peer_t *peer, bool takes)
{
    peer->long_tokens = takes;
    peer->long_tokens_until_us = ep->now_us + FINDING_US;
}

void cps_stateless_over(cps_ep_t *ep, cps_tx_t *tx, cps_stateless_end_t how)
{
    cps_peer_t *peer = cps_peers_at(&ep->peers, tx->peer);
    if (how != CPS_STATELESS_EXPIRED)
        cps_peer_heard(peer);
    if (how != CPS_STATELESS_ACKED)
        cps_ep_note(ep, CPS_NOTE_UNDELIVERED, &tx->path, NULL, tx->mid);
    if (how == CPS_STATELESS_RESET)
        find_out(ep, peer, false);
    peer->in_flight--;
    cps_retx_give(&ep->retx, tx, &ep->answers);
    cps_ask_pump(ep, peer);
    cps_peer_unref(&ep->peers, peer);
}

/* A CON is acknowledged, and again when it is repeated (RFC 7252 §4.5). */
static void acknowledge(cps_ep_t *ep, const cps_inbound_t *in, cps_peer_t *peer)
{
    uint32_t number = 0;
    if (in->outer.type != CPS_CON)
        return;
    cps_out_empty(ep, &in->datagram->path, CPS_ACK, in->outer.mid);
    cps_dedup_message_t message = {peer, in->print, true, CPS_DEDUP_PLAIN_SAFE};
    if (cps_dedup_insert(&ep->dedup, ep->now_us, &message, &number) == CPS_OK)
        cps_dedup_mark(&ep->dedup, number, CPS_DEDUP_ACKED);
}

static bool is_understood(const cps_ep_t *ep, const cps_msg_t *msg)
{
    uint16_t bad = 0;
    cps_bytes_t value;
    return !cps_opt_find(msg->options, CPS_OPT_OSCORE, &value) &&
           cps_opt_check(ep->handled, msg->code, msg->options, &bad) == CPS_OK;
}

bool cps_stateless_answer(cps_ep_t *ep, cps_inbound_t *in, cps_event_t *event)
{
    cps_path_t bare = in->datagram->path;
    cps_stateless_use_t use = {ep->config.crypto, ep->now_us, &in->datagram->path};
    memset(&bare.local, 0, sizeof bare.local);
    if (in->outer.token.len <= CPS_TOKEN_MAX || !is_understood(ep, &in->outer) ||
        cps_stateless_open(&ep->stateless, &use, in->outer.token, &ep->stateless_found) != CPS_OK)
        return false;
    cps_peer_t *peer = cps_ep_peer(ep, &bare);
    if (peer != NULL) {
        cps_peer_heard(peer);
        find_out(ep, peer, true);
        acknowledge(ep, in, peer);
    }
    memset(event, 0, sizeof *event);
    event->kind = CPS_EVENT_RESPONSE;
    cps_event_response_t *r = &event->u.response;
    r->path = in->datagram->path;
    r->message = cps_ep_message(&in->outer);
    r->state = cps_bytes(ep->stateless_found.state, ep->stateless_found.len);
    r->round_trip_us = ep->now_us - ep->stateless_found.made_us;
    return true;
}
