// SPDX-License-Identifier: Apache-2.0
/* RFC 8613 appendix B.2 where we are asked: steps 2 and 4. A request #1 leaves no state, whoever sent it; a forged one costs
 * a bounded number of derivations a second. */
#include "ep/ep.h"

#define SECOND_US    1000000U
#define RATE_OF_EACH 10U /* derivations of the whole endpoint, in those of one context */

static bool count(cps_ep_t *ep, cps_time_us_t *since_us, uint32_t *done, uint32_t most)
{
    if (ep->now_us - *since_us >= SECOND_US || *done == 0) {
        *since_us = ep->now_us;
        *done = 0;
    }
    return ++*done <= most;
}

bool cps_rekey_may_derive(cps_ep_t *ep, const cps_inbound_t *in, cps_oscore_entry_t *entry)
{
    uint32_t rate = ep->config.rekey_rate;
    if (count(ep, &entry->rekeys_at, &entry->rekeys, rate) &&
        count(ep, &ep->rekeys.since_us, &ep->rekeys.tried, rate * RATE_OF_EACH))
        return true;
    cps_ep_note(ep, CPS_NOTE_REKEY_LIMITED, &in->datagram->path, entry, 0);
    return false;
}

/* R2 is ours, for this context and no earlier one: its salt is drawn anew with each. */
static cps_echo_use_t use_of(const cps_oscore_entry_t *entry)
{
    return (cps_echo_use_t){CPS_ECHO_REKEY, cps_bytes(&entry->bound, sizeof entry->bound)};
}

static cps_err_t open_with(cps_ep_t *ep, cps_inbound_t *in, const cps_oscopt_t *option, const cps_oscore_ctx_t *ctx)
{
    cps_writer_t plaintext = cps_writer(ep->plaintext, ep->take_max + CPS_EP_OVERHEAD);
    cps_writer_t joined = cps_writer(ep->joined, ep->take_max + CPS_EP_OVERHEAD);
    cps_oscore_work_t work = {ep->config.crypto, &plaintext, &joined};
    return cps_oscore_unprotect_request(ctx, &work, &in->outer, option, &in->msg, &in->receipt);
}

/* ---- response #1 ---- */

static cps_err_t send_challenge(cps_ep_t *ep, const cps_inbound_t *in, const cps_oscore_ctx_t *second)
{
    cps_msg_t msg = {
        .type = in->outer.type == CPS_CON ? CPS_ACK : CPS_NON, .code = CPS_UNAUTHORIZED, .token = in->outer.token};
    cps_oscore_binding_t binding = in->receipt.binding;
    binding.nonce_used = false; /* nothing else is ever sealed with this key: R2 is random */
    if (!cps_react_mid(ep, in, &msg.mid))
        return CPS_ERR_BUSY;
    cps_writer_t plaintext = cps_writer(ep->sealing, ep->take_max + CPS_EP_OVERHEAD);
    cps_oscore_work_t work = {ep->config.crypto, &plaintext, NULL};
    cps_writer_t out = cps_out_begin(ep);
    cps_err_t err = cps_oscore_protect_response(second, &work, CPS_OSCORE_REQUEST_NONCE, &msg, &out, &binding);
    if (err == CPS_OK)
        (void)cps_out_commit(ep, &in->datagram->path, &out);
    return err;
}

void cps_rekey_challenge(cps_ep_t *ep, cps_inbound_t *in, const cps_oscore_ctx_t *first)
{
    uint8_t r2[CPS_ECHO_MARK_LEN];
    cps_oscore_ctx_t second;
    cps_oscore_entry_t *entry = in->entry;
    cps_echo_use_t use = use_of(entry);
    uint8_t random[8];
    cps_rng_fill(&ep->rng, random, sizeof random);
    uint64_t number = (uint64_t)cps_be32(random) << 32U | cps_be32(random + 4);
    cps_err_t err = cps_echo_mark(&ep->echo_key, ep->config.crypto, &use, number, r2);
    if (err == CPS_OK) /* ID2 = R2 || ID1 (step 2). R2 is never used again */
        err = cps_b2_second(ep->config.crypto, &entry->prk, first, cps_bytes(r2, sizeof r2), &second);
    if (err != CPS_OK)
        return; /* an ID1 that leaves no room for R2, which nobody sends */
    cps_b2_hand_over(first, &second);
    if (send_challenge(ep, in, &second) == CPS_OK)
        cps_ep_note(ep, CPS_NOTE_REKEY_ASKED, &in->datagram->path, entry, 0);
    cps_oscore_ctx_fini(&second);
}

/* ---- request #1 and #2 ---- */

/* Step 4. The window of the third context is empty; it is asked when the datagram is worked on again. */
static void take_second(cps_ep_t *ep, const cps_inbound_t *in, cps_oscore_entry_t *entry, const cps_oscore_ctx_t *third)
{
    cps_rekey_t *r = cps_rekey_take(ep, entry, false);
    if (r == NULL)
        return; /* the client's copy comes again */
    r->ctx = *third;
    cps_rekey_verified(ep, r, in);
}

static bool try_entry(cps_ep_t *ep, cps_inbound_t *in, const cps_oscopt_t *option, cps_oscore_entry_t *entry)
{
    cps_oscore_ctx_t ctx;
    const cps_b2_id_t id = {.first = option->kid_context};
    cps_echo_use_t use = use_of(entry);
    bool second = option->kid_context.len > CPS_ECHO_MARK_LEN &&
                  cps_echo_is_mark(&ep->echo_key, ep->config.crypto, &use, option->kid_context);
    if (second && entry->rekey != CPS_NONE)
        return true; /* one at a time: a copy while the store is at work, or another run of the same client */
    if (cps_b2_derive(ep->config.crypto, &entry->prk, &entry->ctx, &id, &ctx) != CPS_OK)
        return false;
    bool opened = open_with(ep, in, option, &ctx) == CPS_OK;
    if (opened)
        in->entry = entry;
    if (opened && second)
        take_second(ep, in, entry, &ctx);
    else if (opened)
        cps_rekey_challenge(ep, in, &ctx);
    cps_oscore_ctx_fini(&ctx);
    return opened;
}

bool cps_rekey_request(cps_ep_t *ep, cps_inbound_t *in, const cps_oscopt_t *option, cps_bytes_t id)
{
    const cps_oscopt_t by_kid = {.kid = option->kid, .has_kid = true};
    cps_oscopt_t inside = *option;
    cps_map_walk_t walk;
    inside.kid_context = id;
    if ((in->datagram->path.flags & CPS_PATH_MULTICAST) != 0)
        return false;
    for (cps_oscore_entry_t *e = cps_oscore_table_first(&ep->contexts, &by_kid, &walk); e != NULL;
         e = cps_oscore_table_next(&ep->contexts, &by_kid, &walk)) {
        if (!e->rederivable)
            continue;
        if (!cps_rekey_may_derive(ep, in, e) || try_entry(ep, in, &inside, e))
            return true;
    }
    return false;
}
