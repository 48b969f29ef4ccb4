// SPDX-License-Identifier: Apache-2.0
/* OSCORE (RFC 8613 §8): opens what is sealed. Order of every step: check, decrypt, commit; an error changes nothing. */
#include "ep/ep.h"

/* The kid that no context is for: its length in the top byte, its bytes below; a longer one is no kid (RFC 8613 §3.3). */
static uint64_t kid_number(const cps_inbound_t *in)
{
    cps_oscopt_t option;
    uint64_t number = 0;
    cps_bytes_t value;
    if (!cps_msg_option(&in->outer, CPS_OPT_OSCORE, &value) || cps_oscopt_decode(value, &option) != CPS_OK ||
        option.kid.len > 7)
        return 0;
    for (size_t i = 0; i < option.kid.len; i++)
        number = number << 8U | option.kid.ptr[i];
    return number | (uint64_t)option.kid.len << 56U;
}

static void refuse(cps_ep_t *ep, const cps_inbound_t *in, cps_err_t err, const cps_oscore_entry_t *entry)
{
    static const struct {
        cps_err_t err;
        cps_note_kind_t note;
    } notes[] = {{CPS_ERR_REPLAY, CPS_NOTE_REPLAY},
                 {CPS_ERR_NO_CONTEXT, CPS_NOTE_NO_CONTEXT},
                 {CPS_ERR_OSCORE_DECODE, CPS_NOTE_OSCORE_DECODE}};
    cps_note_kind_t note = CPS_NOTE_DECRYPT_FAILED;
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++)
        if (notes[i].err == err)
            note = notes[i].note;
    cps_ep_note(ep, note, &in->datagram->path, entry, note == CPS_NOTE_NO_CONTEXT ? kid_number(in) : 0);
    cps_react(ep, in, err); /* §8.2: without OSCORE */
}

/* Each context of that kid is tried (§8.2 step 2); the error of the one that came furthest is told. */
static cps_err_t open_request(cps_ep_t *ep, cps_inbound_t *in, const cps_oscopt_t *option)
{
    cps_err_t result = CPS_ERR_NO_CONTEXT;
    cps_map_walk_t walk;
    for (cps_oscore_entry_t *e = cps_oscore_table_first(&ep->contexts, option, &walk); e != NULL;
         e = cps_oscore_table_next(&ep->contexts, option, &walk)) {
        if (!e->ctx.seq.usable && !e->rederive)
            continue; /* without sequence state it does not send, so it cannot answer either (OPS-3) */
        cps_writer_t plaintext = cps_writer(ep->plaintext, ep->take_max + CPS_EP_OVERHEAD);
        cps_writer_t joined = cps_writer(ep->joined, ep->take_max + CPS_EP_OVERHEAD);
        cps_oscore_work_t work = {ep->config.crypto, &plaintext, &joined};
        cps_err_t err = cps_oscore_unprotect_request(&e->ctx, &work, &in->outer, option, &in->msg, &in->receipt);
        if (err == CPS_OK || err == CPS_ERR_REPLAY || result == CPS_ERR_NO_CONTEXT) {
            in->entry = e;
            result = err;
        }
        if (err == CPS_OK)
            return CPS_OK;
    }
    return result;
}

static void read_inner_echo(const cps_ep_t *ep, cps_inbound_t *in)
{
    cps_bytes_t value;
    uint64_t age_us;
    if (!cps_msg_option(&in->msg, CPS_OPT_ECHO, &value))
        return;
    cps_echo_use_t use = cps_ep_echo_inner(in->entry);
    if (cps_echo_check(&ep->echo_key, ep->config.crypto, ep->now_us, &use, value, &age_us) == CPS_OK)
        in->echo_age_us = age_us;
}

static cps_verdict_t accept(cps_ep_t *ep, cps_inbound_t *in)
{
    read_inner_echo(ep, in);
    in->peer = cps_ep_peer(ep, &in->datagram->path);
    if (in->peer == NULL)
        return CPS_TAKEN; /* before the window changes: the client's copy finds a place later */
    cps_err_t err = cps_oscore_accept(&in->entry->ctx, &in->receipt);
    if (err == CPS_ERR_WINDOW_UNKNOWN) {
        if (in->echo_age_us >= ep->config.echo_recover_us) {
            cps_serve_recover(ep, in); /* appendix B.1.2: prove first that this is no replay */
            return CPS_TAKEN;
        }
        err = cps_oscore_accept_recovered(&in->entry->ctx, &in->receipt);
        if (err == CPS_OK)
            cps_ep_note(ep, CPS_NOTE_RECOVERED, &in->datagram->path, in->entry, in->receipt.number);
    }
    if (err != CPS_OK) {
        refuse(ep, in, err, in->entry);
        return CPS_TAKEN;
    }
    in->verified = true; /* a first-time accepted sealed request proves its address */
    return CPS_UP;
}

/* An ID Context of appendix B.2 is wrapped on the way: of a context that is there, or to derive one. True where all is
 * done. */
static bool open_wrapped(cps_ep_t *ep, cps_inbound_t *in, const cps_oscopt_t *option, cps_err_t *err)
{
    cps_oscopt_t inside = *option;
    if (*err != CPS_ERR_NO_CONTEXT || !option->has_kid_context ||
        !cps_b2_unwrap(option->kid_context, &inside.kid_context))
        return false;
    *err = open_request(ep, in, &inside);
    return *err == CPS_ERR_NO_CONTEXT && cps_rekey_request(ep, in, option, inside.kid_context);
}

/* The caller may know the context that this request names. Its datagram waits for that, and is then looked at again. */
static cps_verdict_t look_up(const cps_oscopt_t *option, cps_event_t *event)
{
    memset(event, 0, sizeof *event);
    event->kind = CPS_EVENT_JOB;
    event->u.job.kind = CPS_JOB_CONTEXT;
    event->u.job.kid = option->kid;
    event->u.job.kid_context = option->kid_context;
    event->u.job.has_kid_context = option->has_kid_context;
    return CPS_EVENT;
}

static cps_verdict_t sealed_request(cps_ep_t *ep, cps_inbound_t *in, cps_bytes_t value, cps_event_t *event)
{
    cps_oscopt_t option;
    cps_err_t err = cps_oscopt_decode(value, &option);
    if (err == CPS_OK && !option.has_kid)
        err = CPS_ERR_OSCORE_DECODE; /* §5: a request has a kid */
    if (err == CPS_OK && ep->served.pool.used == ep->served.pool.limit) {
        cps_ep_note(ep, CPS_NOTE_REQUESTS_FULL, &in->datagram->path, NULL, 0);
        return CPS_TAKEN; /* nothing is accepted that could not be answered; the client's copy comes again */
    }
    if (err == CPS_OK)
        err = open_request(ep, in, &option);
    if (open_wrapped(ep, in, &option, &err))
        return CPS_TAKEN;
    if (err == CPS_ERR_NO_CONTEXT && ep->config.context_lookup && ep->looked_up == NULL)
        return look_up(&option, event);
    if (err != CPS_OK) {
        refuse(ep, in, err, in->entry);
        return CPS_TAKEN;
    }
    if (in->entry->rederive) { /* appendix B.2 step 2: this key is not used any more, and the client shall hear it */
        if (cps_rekey_may_derive(ep, in, in->entry))
            cps_rekey_challenge(ep, in, &in->entry->ctx);
        return CPS_TAKEN;
    }
    return accept(ep, in);
}

cps_err_t cps_ep_open_answer(cps_ep_t *ep, cps_inbound_t *in, const cps_oscore_ctx_t *ctx)
{
    cps_oscore_binding_t binding;
    memcpy(&binding, in->asked->binding, sizeof binding);
    cps_writer_t plaintext = cps_writer(ep->plaintext, ep->take_max + CPS_EP_OVERHEAD);
    cps_writer_t joined = cps_writer(ep->joined, ep->take_max + CPS_EP_OVERHEAD);
    cps_oscore_work_t work = {ep->config.crypto, &plaintext, &joined};
    return cps_oscore_unprotect_response(ctx, &work, &in->outer, &binding, &in->msg, &in->number);
}

static cps_verdict_t response_to_sealed(cps_ep_t *ep, cps_inbound_t *in)
{
    cps_bytes_t value;
    in->entry = cps_ep_context(ep, in->asked->context);
    if (in->entry == NULL)
        return CPS_TAKEN;
    if (!cps_opt_find(in->outer.options, CPS_OPT_OSCORE, &value)) {
        cps_ep_note(ep, CPS_NOTE_UNAUTHENTICATED, &in->datagram->path, in->entry, in->outer.code);
        cps_ask_hint(ep, in->asked, CPS_HINT_RESPONSE, in);
        return CPS_TAKEN;
    }
    if (cps_rekey_answer(ep, in, value))
        return CPS_TAKEN;
    cps_err_t err = cps_ep_open_answer(ep, in, &in->entry->ctx);
    in->own_piv = err == CPS_OK && in->number != CPS_OSCORE_REQUEST_NONCE;
    if (err == CPS_OK && cps_code_is_response(in->msg.code))
        return CPS_UP;
    /* neither completes nor fails the exchange, and gets neither ACK nor RST: the genuine copy keeps coming (OSC-66) */
    cps_ep_note(ep, CPS_NOTE_BAD_ANSWER, &in->datagram->path, in->entry, 0);
    return CPS_TAKEN;
}

static cps_verdict_t oscore_inbound(cps_ep_t *ep, cps_inbound_t *in, cps_event_t *event)
{
    cps_bytes_t value;
    if (in->asked != NULL)
        return in->asked->context != 0 ? response_to_sealed(ep, in) : CPS_UP;
    if (!cps_opt_find(in->outer.options, CPS_OPT_OSCORE, &value))
        return CPS_UP;
    return cps_serve_outer_block(ep, in) == CPS_UP ? sealed_request(ep, in, value, event) : CPS_TAKEN;
}

const cps_layer_t cps_layer_oscore = {"oscore", oscore_inbound};

_Static_assert(sizeof(cps_oscore_binding_t) <= CPS_EXCH_BINDING_MAX, "a binding fits where exch keeps it");
