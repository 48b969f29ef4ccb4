// SPDX-License-Identifier: Apache-2.0
/* The message layer (RFC 7252 §4): acknowledgements, resets and repeated messages end here; requests and responses go
 * up. Which request a response answers is found here as well (§5.3.2), before anything is decrypted for it. */
#include "ep/ep.h"

/* Peers that we asked are known without our own address, which the kernel chose. */
static cps_path_t without_local(const cps_path_t *path)
{
    cps_path_t bare = *path;
    memset(&bare.local, 0, sizeof bare.local);
    return bare;
}

/* Sent to that very endpoint (§4.4; MSG-32). */
cps_tx_t *cps_ep_find_tx(const cps_ep_t *ep, const cps_path_t *path, uint16_t mid)
{
    cps_peer_t *peer = cps_peers_find(&ep->peers, path);
    cps_tx_t *tx = peer == NULL ? NULL : cps_retx_find(&ep->retx, cps_peers_index(&ep->peers, peer), mid);
    if (tx != NULL)
        return tx;
    cps_path_t bare = without_local(path);
    peer = cps_peers_find(&ep->peers, &bare);
    return peer == NULL ? NULL : cps_retx_find(&ep->retx, cps_peers_index(&ep->peers, peer), mid);
}

/* The request that a piggybacked response answers: token and Message ID have to be those of one request (§5.3.2). A
 * hint may have ended the copies of a sealed one before; its genuine answer is still taken. */
static cps_asked_t *piggybacked(cps_ep_t *ep, const cps_inbound_t *in)
{
    cps_asked_t *asked = cps_ask_match(ep, &in->datagram->path, in->outer.token);
    if (asked == NULL || !asked->confirmable)
        return NULL;
    if (asked->mids[0] != in->outer.mid && asked->mids[1] != in->outer.mid)
        return NULL;
    return asked->tx != CPS_NONE || asked->context != 0 ? asked : NULL;
}

static cps_verdict_t acknowledged(cps_ep_t *ep, cps_inbound_t *in, cps_event_t *event)
{
    cps_tx_t *tx = cps_ep_find_tx(ep, &in->datagram->path, in->outer.mid);
    if (tx != NULL && tx->owner == CPS_TX_ANSWER) {
        cps_serve_delivered(ep, tx, true); /* whatever the ACK carries (MSG-49) */
        return CPS_TAKEN;
    }
    if (tx != NULL && tx->owner == CPS_TX_NOTICE) {
        cps_notice_acked(ep, tx);
        return CPS_TAKEN;
    }
    bool stateless = tx != NULL && tx->owner == CPS_TX_STATELESS;
    if (stateless) /* whatever the response part is worth (RFC 8974 §3.3) */
        cps_stateless_over(ep, tx, CPS_STATELESS_ACKED);
    if (in->outer.code == CPS_EMPTY) {
        if (tx != NULL && !stateless && tx->confirmable)
            cps_ask_acked(ep, tx);
        return CPS_TAKEN; /* §4.2: an ACK that answers nothing is ignored */
    }
    if (stateless && cps_stateless_answer(ep, in, event))
        return CPS_EVENT;
    in->asked = piggybacked(ep, in);
    if (in->asked != NULL)
        return CPS_UP;
    cps_ep_note(ep, CPS_NOTE_UNEXPECTED, &in->datagram->path, NULL, 0);
    return CPS_TAKEN; /* right MID, wrong token: dropped, copies go on (MSG-54) */
}

static cps_verdict_t was_reset(cps_ep_t *ep, const cps_inbound_t *in)
{
    cps_tx_t *tx = cps_ep_find_tx(ep, &in->datagram->path, in->outer.mid);
    if (tx == NULL)
        return CPS_TAKEN;
    cps_peer_heard(cps_peers_at(&ep->peers, tx->peer)); /* it refuses, but it is not silent */
    if (tx->owner == CPS_TX_ANSWER)
        cps_serve_delivered(ep, tx, false);
    else if (tx->owner == CPS_TX_NOTICE)
        cps_notice_reset(ep, tx);
    else if (tx->owner == CPS_TX_STATELESS)
        cps_stateless_over(ep, tx, CPS_STATELESS_RESET);
    else
        cps_ask_hint(ep, cps_asked_at(&ep->asked, tx->owner_index), CPS_HINT_RESET, in);
    return CPS_TAKEN;
}

/* A repeated message gets what the first one got (§4.5). False where this is none. */
static bool answered_before(cps_ep_t *ep, const cps_inbound_t *in, const cps_peer_t *peer)
{
    if (peer == NULL)
        return false;
    uint32_t number = cps_dedup_find(&ep->dedup, ep->now_us, cps_peers_index(&ep->peers, peer), in->print);
    if (number == 0)
        return false;
    const cps_dedup_entry_t *entry = cps_dedup_at(&ep->dedup, number);
    cps_ep_note(ep, CPS_NOTE_DUPLICATE, &in->datagram->path, NULL, 0);
    if (in->outer.type != CPS_CON)
        return true;
    if (entry->state == CPS_DEDUP_ANSWERED)
        cps_out_chain(ep, &in->datagram->path, &ep->dedup.blocks, &entry->answer);
    else if (entry->state == CPS_DEDUP_ACKED)
        cps_out_empty(ep, &in->datagram->path, CPS_ACK, in->outer.mid);
    return true;
}

/* A token longer than is served here is no reason to reject the message: it is said, with the token (RFC 8974 §2.2.2). */
static bool refuses_token(cps_ep_t *ep, const cps_inbound_t *in)
{
    if (in->outer.token.len <= ep->config.token_max)
        return false;
    cps_ep_note(ep, CPS_NOTE_MALFORMED, &in->datagram->path, NULL, in->outer.token.len);
    cps_react_error(ep, in, CPS_BAD_REQUEST, NULL, NULL);
    return true;
}

static cps_verdict_t requested(cps_ep_t *ep, cps_inbound_t *in)
{
    if (refuses_token(ep, in))
        return CPS_TAKEN;
    in->peer = cps_peers_find(&ep->peers, &in->datagram->path);
    if (in->peer == NULL)
        return CPS_UP; /* nothing is made for it before it is accepted */
    cps_peer_heard(in->peer);
    return answered_before(ep, in, in->peer) ? CPS_TAKEN : CPS_UP;
}

static cps_verdict_t responded(cps_ep_t *ep, cps_inbound_t *in, cps_event_t *event)
{
    cps_path_t bare = without_local(&in->datagram->path);
    if (answered_before(ep, in, cps_peers_find(&ep->peers, &bare)) ||
        answered_before(ep, in, cps_peers_find(&ep->peers, &in->datagram->path)))
        return CPS_TAKEN; /* acknowledged again, delivered once (MSG-34) */
    in->asked = cps_ask_match(ep, &in->datagram->path, in->outer.token);
    if (in->asked != NULL)
        return CPS_UP;
    if (cps_stateless_answer(ep, in, event))
        return CPS_EVENT;
    cps_ep_note(ep, CPS_NOTE_UNEXPECTED, &in->datagram->path, NULL, 0);
    cps_react_reset(ep, in); /* §4.2: nobody waits for it (MSG-20) */
    return CPS_TAKEN;
}

static cps_verdict_t message_inbound(cps_ep_t *ep, cps_inbound_t *in, cps_event_t *event)
{
    if (in->outer.type == CPS_RST)
        return was_reset(ep, in);
    if (in->outer.type == CPS_ACK)
        return acknowledged(ep, in, event);
    if (in->outer.code == CPS_EMPTY) {
        cps_react_reset(ep, in); /* ping (§4.3) */
        return CPS_TAKEN;
    }
    return cps_code_is_request(in->outer.code) ? requested(ep, in) : responded(ep, in, event);
}

const cps_layer_t cps_layer_message = {"message", message_inbound};
