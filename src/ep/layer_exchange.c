// SPDX-License-Identifier: Apache-2.0
/* Requests and responses (RFC 7252 §5): what this endpoint does not understand is refused, requests become events, and
 * responses go to the requests that they answer. */
#include "ep/ep.h"

#include <stdio.h>

/* A plain response with an OSCORE option answers no plain request (RFC 8613 §8.4). */
static bool is_foreign(const cps_ep_t *ep, const cps_inbound_t *in)
{
    cps_bytes_t value;
    return ep->config.layers->opens_oscore && in->asked->context == 0 &&
           cps_opt_find(in->outer.options, CPS_OPT_OSCORE, &value);
}

static cps_verdict_t response(cps_ep_t *ep, cps_inbound_t *in, cps_event_t *event)
{
    uint16_t bad = 0;
    bool refused = is_foreign(ep, in);
    if (!refused && ep->config.layers->checks_options)
        refused = cps_opt_check(ep->handled, in->msg.code, in->msg.options, &bad) != CPS_OK;
    if (!refused)
        return cps_ask_answered(ep, in, event);
    cps_ep_note(ep, CPS_NOTE_BAD_OPTION, &in->datagram->path, in->entry, bad);
    if (in->entry == NULL)
        cps_react_reset(ep, in); /* RFC 7252 §5.4.1: rejected; its payload reaches nobody (REQ-9) */
    cps_ask_fail(ep, in->asked, CPS_ERR_BAD_OPTION, CPS_OK);
    return CPS_TAKEN;
}

/* A plain request proves its address by an Echo that went there (RFC 9175 §2.4). */
static void read_outer_echo(const cps_ep_t *ep, cps_inbound_t *in)
{
    cps_bytes_t value;
    uint64_t age_us;
    if (in->entry != NULL || !cps_msg_option(&in->msg, CPS_OPT_ECHO, &value))
        return;
    cps_echo_use_t use = cps_ep_echo_outer(&in->datagram->path);
    if (cps_echo_check(&ep->echo_key, ep->config.crypto, ep->now_us, &use, value, &age_us) != CPS_OK)
        return;
    in->verified = age_us < ep->config.echo_recover_us; /* whoever has the address later has to prove it anew */
    in->echo_old = !in->verified;
}

/* A sealed request gets its refusal sealed, and remembered. */
static void refuse(cps_ep_t *ep, cps_inbound_t *in, uint8_t code, const char *text)
{
    if (in->entry == NULL) {
        cps_react_error(ep, in, code, text, NULL);
        return;
    }
    cps_served_t *served = cps_serve_accept(ep, in);
    if (served == NULL)
        return;
    cps_command_reply_t reply = {
        .request = cps_pool_handle(&ep->served.pool, served), .code = code, .payload = cps_bytes_str(text)};
    if (cps_serve_reply(ep, &reply, NULL) != CPS_OK)
        (void)cps_serve_ignore(ep, reply.request, false);
}

/* 4.02 names the option (RFC 7252 §5.4.1; REQ-7). */
static void refuse_option(cps_ep_t *ep, cps_inbound_t *in, uint16_t bad)
{
    char text[32];
    snprintf(text, sizeof text, "option %u", bad);
    cps_ep_note(ep, CPS_NOTE_BAD_OPTION, &in->datagram->path, in->entry, bad);
    refuse(ep, in, CPS_BAD_OPTION, text);
}

/* Its block options; false where they are nonsense, and the request is refused with 4.00 (RFC 7959 §2.2, §2.3). */
static bool read_blocks(cps_ep_t *ep, cps_inbound_t *in)
{
    const char *text;
    if (!ep->config.layers->joins_blocks || cps_serve_read_blocks(ep, in, &text) == CPS_OK)
        return true;
    cps_ep_note(ep, CPS_NOTE_MALFORMED, &in->datagram->path, in->entry, in->msg.code);
    memset(&in->blocks, 0, sizeof in->blocks);
    refuse(ep, in, CPS_BAD_REQUEST, text);
    return false;
}

static void fill_request(const cps_ep_t *ep, const cps_inbound_t *in, const cps_served_t *served, cps_event_t *event)
{
    cps_bytes_t value;
    cps_event_request_t *r = &event->u.request;
    memset(r, 0, sizeof *r);
    event->kind = CPS_EVENT_REQUEST;
    event->handle = cps_pool_handle(&ep->served.pool, served);
    r->path = in->datagram->path;
    r->message = cps_ep_message(&in->msg);
    r->context = served->context;
    r->user = in->entry != NULL ? in->entry->user : 0;
    r->echo_age_us = in->echo_age_us;
    r->partial_iv = in->receipt.number;
    r->observe = (cps_observe_t)served->observe;
    r->confirmable = served->confirmable;
    r->oscore = in->entry == NULL && cps_opt_find(in->outer.options, CPS_OPT_OSCORE, &value);
    r->verified = in->entry == NULL && in->verified;
    r->echo_old = in->echo_old;
}

static cps_verdict_t request(cps_ep_t *ep, cps_inbound_t *in, cps_event_t *event)
{
    uint16_t bad = 0;
    bool checks = ep->config.layers->checks_options;
    if (!cps_code_is_request(in->msg.code)) { /* a response inside a sealed request: authentic nonsense */
        cps_ep_note(ep, CPS_NOTE_MALFORMED, &in->datagram->path, in->entry, in->msg.code);
        return CPS_TAKEN;
    }
    if (checks && cps_opt_check(ep->handled, in->msg.code, in->msg.options, &bad) != CPS_OK) {
        refuse_option(ep, in, bad);
        return CPS_TAKEN;
    }
    if (!read_blocks(ep, in))
        return CPS_TAKEN;
    read_outer_echo(ep, in);
    cps_served_t *served = cps_serve_accept(ep, in);
    if (served == NULL || cps_serve_block(ep, in, served) != CPS_UP)
        return CPS_TAKEN;
    fill_request(ep, in, served, event);
    cps_serve_fill_body(ep, in, served, event);
    return CPS_EVENT;
}

static cps_verdict_t exchange_inbound(cps_ep_t *ep, cps_inbound_t *in, cps_event_t *event)
{
    return in->asked != NULL ? response(ep, in, event) : request(ep, in, event);
}

const cps_layer_t cps_layer_exchange = {"exchange", exchange_inbound};
