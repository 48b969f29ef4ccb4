// SPDX-License-Identifier: Apache-2.0
/* Observations of ours (RFC 7641 §3): which notification is newer, when the last one is stale, and registering again. */
#include "ep/ep.h"

#define SECOND_US       1000000U
#define MAX_AGE_DEFAULT 60U /* RFC 7252 §5.10.5 */
#define RENEW_AFTER_S   5U  /* RFC 7641 §3.3.1: 5 to 15 s after Max-Age */
#define RENEW_SPREAD_US 10000000U

static cps_peer_t *peer_of(const cps_ep_t *ep, const cps_asked_t *asked)
{
    return cps_peers_at(&ep->peers, asked->peer);
}

/* ---- what a response is ---- */

/* RFC 8613 §7.4.1: by Partial IV alone, each taken once; the one without is the oldest of its registration (OSC-57). */
static bool is_newer_sealed(const cps_inbound_t *in)
{
    const cps_asked_t *asked = in->asked;
    if (!in->own_piv)
        return asked->unnumbered;
    return !asked->numbered || in->number > asked->notification;
}

static bool is_newer(const cps_ep_t *ep, const cps_inbound_t *in, uint32_t value)
{
    const cps_asked_t *asked = in->asked;
    if (in->entry != NULL)
        return is_newer_sealed(in); /* whatever the outer Observe says (OSC-27) */
    const cps_observed_t last = {asked->observe_value, asked->observe_us};
    const cps_observed_t came = {value, ep->now_us};
    return !asked->observing || cps_observed_is_newer(&last, &came);
}

cps_observing_t cps_observing_judge(const cps_ep_t *ep, const cps_inbound_t *in)
{
    const cps_asked_t *asked = in->asked;
    uint32_t value = 0;
    bool has_observe = cps_msg_option_uint(&in->msg, CPS_OPT_OBSERVE, &value);
    bool notifies = has_observe && cps_code_class(in->msg.code) == 2;
    if (!asked->observe)
        return has_observe && in->entry != NULL ? CPS_OBSERVING_WRONG : CPS_OBSERVING_NOT;
    if (asked->ending)
        return notifies ? CPS_OBSERVING_OLD : CPS_OBSERVING_NOT; /* on its way before the end reached the server */
    if (notifies)
        return is_newer(ep, in, value) ? CPS_OBSERVING_NEXT : CPS_OBSERVING_OLD;
    return in->entry == NULL || is_newer_sealed(in) ? CPS_OBSERVING_NOT : CPS_OBSERVING_OLD;
}

/* ---- how long it is current ---- */

static void set_timer(cps_ep_t *ep, cps_asked_t *asked)
{
    asked->deadline_us = CPS_TIME_NEVER; /* nothing is waited for until it is registered again */
    bool fresh = ep->now_us < asked->fresh_until_us && asked->fresh_until_us < asked->renew_us;
    cps_heap_set(&ep->asked.heap, cps_asked_index(&ep->asked, asked), fresh ? asked->fresh_until_us : asked->renew_us);
}

static void set_age(cps_ep_t *ep, cps_asked_t *asked, const cps_msg_t *msg)
{
    uint32_t max_age = MAX_AGE_DEFAULT;
    (void)cps_msg_option_uint(msg, CPS_OPT_MAX_AGE, &max_age);
    asked->fresh_until_us = ep->now_us + (uint64_t)max_age * SECOND_US;
    asked->renew_us = asked->fresh_until_us + (uint64_t)RENEW_AFTER_S * SECOND_US +
                      cps_rng_below(&ep->rng, RENEW_SPREAD_US); /* OBS-7 */
    cps_time_us_t again = asked->registered_us + ep->config.observe_renew_us;
    if (asked->context != 0 && again < asked->renew_us)
        asked->renew_us =
            again; /* RFC 8613 §7.3: now and then, so that the server shows that it is no replay (OSC-52) */
    asked->aged = false;
    set_timer(ep, asked);
}

void cps_observing_keep(cps_ep_t *ep, const cps_inbound_t *in)
{
    cps_asked_t *asked = in->asked;
    uint32_t value = 0;
    (void)cps_msg_option_uint(&in->msg, CPS_OPT_OBSERVE, &value);
    if (!asked->observing || asked->renewing)
        asked->registered_us = ep->now_us;
    asked->observing = true;
    asked->renewing = false;
    asked->unnumbered = false;
    if (in->own_piv) {
        asked->notification = in->number;
        asked->numbered = true;
    }
    asked->observe_value = value;
    asked->observe_us = ep->now_us;
    set_age(ep, asked, &in->msg);
}

bool cps_observing_event(cps_ep_t *ep, cps_event_t *event)
{
    cps_asked_t *asked = cps_list_pop(&ep->stale, &ep->asked.pool, offsetof(cps_asked_t, next_stale));
    if (asked == NULL)
        return false;
    asked->stale = false;
    memset(event, 0, sizeof *event);
    event->kind = CPS_EVENT_STALE;
    event->handle = cps_pool_handle(&ep->asked.pool, asked);
    event->u.observer.user = asked->user;
    return true;
}

/* ---- registering again, and the end ---- */

/* The message as it is repeated: the same but for ETag, and for Observe where it ends (RFC 7641 §3.3.1, §3.6). */
static cps_err_t rewrite(cps_ep_t *ep, cps_asked_t *asked)
{
    cps_msg_t msg;
    cps_option_t option;
    cps_chain_t chain;
    cps_chain_get(&ep->chains, &asked->plain, ep->build);
    cps_err_t err = cps_msg_parse(cps_bytes(ep->build, asked->plain.len), &msg);
    if (err != CPS_OK)
        return err;
    cps_writer_t w = cps_writer(ep->extra, ep->take_max + CPS_EP_OVERHEAD);
    const cps_msg_t head = {.type = msg.type, .code = msg.code, .mid = msg.mid};
    cps_msg_write(&w, &head);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    for (cps_opt_walk_t walk = cps_opt_walk(msg.options); cps_opt_next(&walk, &option);) {
        if (option.number == CPS_OPT_OBSERVE)
            cps_opt_put_uint(&ow, CPS_OPT_OBSERVE, asked->ending ? 1 : 0);
        else if (option.number != CPS_OPT_ETAG)
            cps_opt_put(&ow, option.number, option.value);
    }
    if (msg.payload.len != 0) {
        cps_write_u8(&w, CPS_PAYLOAD_MARKER);
        cps_write_bytes(&w, msg.payload);
    }
    err = cps_chain_put(&ep->chains, cps_written(&w), &chain);
    if (err != CPS_OK)
        return err;
    cps_chain_free(&ep->chains, &asked->plain);
    asked->plain = chain;
    return CPS_OK;
}

static void send_again(cps_ep_t *ep, cps_asked_t *asked)
{
    cps_ask_detach(ep, asked);
    cps_err_t err = rewrite(ep, asked);
    if (err != CPS_OK) {
        cps_ask_fail(ep, asked, err, CPS_OK);
        return;
    }
    asked->renewing = true;
    asked->repeated = false;
    asked->with_echo = false;
    asked->outer_echo = false;
    asked->hint = CPS_HINT_NONE;
    asked->hint_until_us = CPS_TIME_NEVER;
    asked->deadline_us = ep->now_us + ep->times.max_transmit_wait_us;
    cps_heap_set(&ep->asked.heap, cps_asked_index(&ep->asked, asked), asked->deadline_us);
    asked->state = CPS_ASKED_QUEUED;
    cps_asked_push(&ep->asked, &peer_of(ep, asked)->queue, asked);
    cps_ask_pump(ep, peer_of(ep, asked));
}

bool cps_observing_tick(cps_ep_t *ep, cps_asked_t *asked)
{
    if (!asked->observing || asked->renewing)
        return false;
    bool tell = ep->now_us >= asked->fresh_until_us && !asked->aged;
    if (ep->now_us >= asked->renew_us)
        send_again(ep, asked);
    else
        set_timer(ep, asked);
    if (tell && asked->state != CPS_ASKED_ENDED) {
        asked->stale = true;
        asked->aged = true;
        cps_list_push(&ep->stale, &ep->asked.pool, offsetof(cps_asked_t, next_stale), asked); /* OBS-6 */
    }
    return true;
}

cps_err_t cps_observing_end(cps_ep_t *ep, cps_handle_t handle)
{
    cps_asked_t *asked = cps_pool_find(&ep->asked.pool, handle);
    if (asked == NULL || asked->state == CPS_ASKED_ENDED)
        return CPS_ERR_STALE;
    if (!asked->observing)
        return CPS_ERR_ARGUMENT; /* there is nothing to end: cancel it */
    if (asked->ending)
        return CPS_OK;
    asked->ending = true;
    send_again(ep, asked);
    cps_ask_work(ep);
    return CPS_OK;
}

void cps_observing_old(cps_ep_t *ep, const cps_inbound_t *in)
{
    cps_asked_t *asked = in->asked;
    if (!asked->renewing || asked->ending || in->outer.type != CPS_ACK)
        return;
    cps_ask_detach(ep, asked); /* the server has registered us again, but what it says was overtaken */
    asked->renewing = false;
    asked->registered_us = ep->now_us;
    set_age(ep, asked, &in->msg);
    cps_ask_pump(ep, peer_of(ep, asked));
}
