// SPDX-License-Identifier: Apache-2.0
/* Requests of ours: the genuine answer, and the one repeat with Echo (RFC 9175 §2.3, RFC 8613 appendix B.1.2; the rule
 * of acting once in docs/architecture.md). */
#include "ep/ep.h"

static cps_peer_t *peer_of(const cps_ep_t *ep, const cps_asked_t *asked)
{
    return cps_peers_at(&ep->peers, asked->peer);
}

/* A CON response is acknowledged now, and again when it is repeated (RFC 7252 §4.5; MSG-34). */
void cps_ask_acknowledge(cps_ep_t *ep, const cps_inbound_t *in)
{
    uint32_t number = 0;
    if (in->outer.type == CPS_ACK)
        return;
    cps_dedup_class_t klass = in->entry != NULL ? CPS_DEDUP_SEALED : CPS_DEDUP_PLAIN_SAFE;
    bool confirmable = in->outer.type == CPS_CON;
    if (confirmable)
        cps_out_empty(ep, &in->datagram->path, CPS_ACK, in->outer.mid);
    cps_dedup_message_t message = {peer_of(ep, in->asked), in->print, confirmable, klass};
    if (cps_dedup_insert(&ep->dedup, ep->now_us, &message, &number) == CPS_OK)
        cps_dedup_mark(&ep->dedup, number, confirmable ? CPS_DEDUP_ACKED : CPS_DEDUP_SILENT);
}

/* Whether a second run of the method, should the first have happened after all, is what the client asked for. */
static bool repeats_by_itself(uint8_t code)
{
    return code == CPS_GET || code == CPS_FETCH || code == CPS_PUT || code == CPS_DELETE || code == CPS_IPATCH;
}

typedef enum decision { DELIVER, REPEAT, NOT_FRESH, ASK_CALLER } decision_t;

bool cps_ask_may_repeat(const cps_asked_t *asked) { return repeats_by_itself(asked->code) || asked->repeat_unsafe; }

static decision_t decide(const cps_asked_t *asked, const cps_inbound_t *in, cps_bytes_t *echo)
{
    if (in->msg.code != CPS_UNAUTHORIZED || asked->no_repeat || !cps_msg_option(&in->msg, CPS_OPT_ECHO, echo))
        return DELIVER;
    if (asked->repeated)
        return asked->context != 0 ? NOT_FRESH : DELIVER;
    if (cps_ask_may_repeat(asked) || !in->own_piv)
        return REPEAT; /* no Partial IV of its own: the window is known, so this request can never run */
    return ASK_CALLER; /* it may have run before the peer lost its window */
}

static void keep_echo(cps_ep_t *ep, cps_chain_t *place, cps_bytes_t echo)
{
    cps_chain_free(&ep->chains, place);
    if (cps_chain_put(&ep->chains, echo, place) != CPS_OK)
        *place = (cps_chain_t){0, 0}; /* no room: the peer will challenge again */
}

void cps_ask_requeue(cps_ep_t *ep, cps_asked_t *asked)
{
    asked->hint = CPS_HINT_NONE; /* what was hinted concerned the transmission before */
    asked->hint_until_us = CPS_TIME_NEVER;
    bool keeps_token = asked->own_token || asked->observing; /* RFC 7641 §3.3.1: registered again under the same one */
    if (!keeps_token && cps_asked_set_token(&ep->asked, asked, cps_bytes(NULL, 0), &ep->rng) != CPS_OK) {
        cps_ask_fail(ep, asked, CPS_ERR_FULL, CPS_OK);
        return;
    }
    cps_ask_again(ep, asked);
}

static void repeat(cps_ep_t *ep, cps_asked_t *asked, const cps_inbound_t *in, cps_bytes_t echo)
{
    cps_oscore_entry_t *entry = in->entry;
    asked->repeated = true;
    asked->with_echo = true;
    keep_echo(ep, &asked->echo, echo);
    if (entry != NULL && in->own_piv && entry->recovering == CPS_NONE)
        entry->recovering =
            cps_asked_index(&ep->asked, asked); /* the others on this context wait until it is accepted */
    cps_ask_requeue(ep, asked);
}

static void fill(const cps_ep_t *ep, const cps_inbound_t *in, cps_event_t *event)
{
    const cps_asked_t *asked = in->asked;
    cps_event_response_t *r = &event->u.response;
    memset(event, 0, sizeof *event);
    event->kind = CPS_EVENT_RESPONSE;
    event->handle = cps_pool_handle(&ep->asked.pool, asked);
    r->path = in->datagram->path;
    r->message = cps_ep_message(&in->msg);
    r->context = in->entry != NULL ? asked->context : 0;
    r->user = asked->user;
    r->partial_iv = asked->partial_iv;
    r->round_trip_us = asked->observing && !asked->renewing ? 0 : ep->now_us - asked->sent_us;
    r->own_partial_iv = in->own_piv;
    r->repeated = asked->repeated;
    (void)cps_msg_option_uint(&in->msg, CPS_OPT_SIZE2, &r->size);
}

/* What an authentic answer says beside what it answers. */
static void settle(cps_ep_t *ep, const cps_inbound_t *in)
{
    cps_bytes_t echo;
    if (in->entry == NULL)
        return;
    cps_ask_tags_reach(ep, in->entry, in->asked->partial_iv);
    if (cps_msg_option(&in->msg, CPS_OPT_ECHO, &echo))
        keep_echo(ep, &in->entry->echo, echo); /* inner to inner of the same context (ECHO-10) */
    if (in->entry->recovering == cps_asked_index(&ep->asked, in->asked))
        cps_ask_release_held(ep, in->entry);
}

/* A notification: the request stays open for the next one. */
static void keep_open(cps_ep_t *ep, const cps_inbound_t *in, cps_event_t *event)
{
    event->u.response.observing = true;
    settle(ep, in);
    cps_chain_free(&ep->chains, &in->asked->sealed);
    cps_observing_keep(ep, in);
    cps_ask_pump(ep, peer_of(ep, in->asked));
}

static void complete(cps_ep_t *ep, cps_inbound_t *in)
{
    cps_asked_t *asked = in->asked;
    cps_peer_t *peer = peer_of(ep, asked);
    cps_ask_untag(ep, asked, true);
    cps_asked_give(&ep->asked, asked, &ep->chains);
    cps_ask_pump(ep, peer);
    cps_peer_unref(&ep->peers, peer);
}

/* An answer that is one: the end, or a step from one block to the next (RFC 7959). */
static cps_verdict_t deliver(cps_ep_t *ep, cps_inbound_t *in, cps_event_t *event)
{
    cps_asked_t *asked = in->asked;
    uint32_t offset = asked->transfer.phase == CPS_TRANSFER_DOWN ? asked->transfer.down : 0;
    switch (cps_transfer_take(&asked->transfer, &in->msg)) {
    case CPS_TRANSFER_GO_ON:
        cps_ask_next(ep, asked);
        return CPS_TAKEN;
    case CPS_TRANSFER_BROKEN:
        cps_ep_note(ep, CPS_NOTE_BODY_BROKEN, &in->datagram->path, in->entry, offset);
        cps_ask_fail(ep, asked, CPS_ERR_BODY_CHANGED, CPS_OK);
        return CPS_TAKEN;
    case CPS_TRANSFER_PART:
        fill(ep, in, event);
        event->u.response.more = true;
        event->u.response.offset = offset;
        cps_ask_next(ep, asked);
        return CPS_EVENT;
    case CPS_TRANSFER_WHOLE:
        break;
    }
    fill(ep, in, event);
    event->u.response.offset = offset;
    complete(ep, in);
    return CPS_EVENT;
}

cps_verdict_t cps_ask_answered(cps_ep_t *ep, cps_inbound_t *in, cps_event_t *event)
{
    cps_asked_t *asked = in->asked;
    cps_bytes_t echo = cps_bytes(NULL, 0);
    cps_observing_t observing = cps_observing_judge(ep, in);
    if (observing == CPS_OBSERVING_WRONG) { /* RFC 8613 §4.1.3.5.2 (OSC-28) */
        cps_ep_note(ep, CPS_NOTE_BAD_ANSWER, &in->datagram->path, in->entry, 0);
        return CPS_TAKEN;
    }
    cps_ask_acknowledge(ep, in);
    cps_peer_heard(peer_of(ep, asked));
    if (observing == CPS_OBSERVING_OLD) {
        cps_observing_old(ep, in);
        return CPS_TAKEN;
    }
    decision_t decision = decide(asked, in, &echo);
    cps_ask_detach(ep, asked);
    switch (decision) {
    case REPEAT:
        repeat(ep, asked, in, echo);
        return CPS_TAKEN;
    case NOT_FRESH:
        cps_ask_fail(ep, asked, CPS_ERR_SECURITY, CPS_ERR_NOT_FRESH);
        return CPS_TAKEN;
    case ASK_CALLER:
        keep_echo(ep, &in->entry->echo, echo);
        cps_ask_fail(ep, asked, CPS_ERR_OUTCOME_UNKNOWN, CPS_ERR_WINDOW_UNKNOWN);
        return CPS_TAKEN;
    case DELIVER:
        break;
    }
    if (observing != CPS_OBSERVING_NEXT) {
        settle(ep, in);
        return deliver(ep, in, event);
    }
    fill(ep, in, event);
    keep_open(ep, in, event);
    return CPS_EVENT;
}
