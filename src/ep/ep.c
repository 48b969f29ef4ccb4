// SPDX-License-Identifier: Apache-2.0
/* The calls that drive an endpoint. */
#include "ep/ep.h"

#include "base/sized.h"

#define BODY_MAX  (1U << 30U) /* what Block1 can number (RFC 7959 §2.2) */
#define EVICT_MAX 64          /* remembered exchanges given up for one new peer, at most */
#define HOUR_US   3600000000ULL
#define DAY_US    (24 * HOUR_US) /* RFC 7641 §4.5 */

/* What an endpoint that opens messages understands (RFC 7252 §5.4.1); others, if critical, get 4.02. */
static const uint16_t handled_numbers[] = {
    CPS_OPT_IF_MATCH,      CPS_OPT_URI_HOST,    CPS_OPT_ETAG,        CPS_OPT_IF_NONE_MATCH,  CPS_OPT_URI_PORT,
    CPS_OPT_LOCATION_PATH, CPS_OPT_OSCORE,      CPS_OPT_URI_PATH,    CPS_OPT_CONTENT_FORMAT, CPS_OPT_MAX_AGE,
    CPS_OPT_URI_QUERY,     CPS_OPT_HOP_LIMIT,   CPS_OPT_ACCEPT,      CPS_OPT_LOCATION_QUERY, CPS_OPT_PROXY_URI,
    CPS_OPT_PROXY_SCHEME,  CPS_OPT_SIZE1,       CPS_OPT_ECHO,        CPS_OPT_BLOCK1,         CPS_OPT_BLOCK2,
    CPS_OPT_SIZE2,         CPS_OPT_REQUEST_TAG, CPS_OPT_NO_RESPONSE, CPS_OPT_OBSERVE,
};

static bool valid_limits(const cps_ep_config_t *c)
{
    return c->message_max >= 2 * CPS_EP_HEADERS && c->message_max <= 60000 && c->output_slots > CPS_EP_OUTPUT_SPARE &&
           c->token_max >= CPS_TOKEN_MAX && c->token_max <= c->message_max / 2 && c->peers > 1 && c->requests_in > 0 &&
           c->requests_out > 0 && c->amplification > 0 && c->block_size >= CPS_BLOCK_SIZE_MIN && c->bodies > 1 &&
           c->bodies_each > 0 && c->body_max <= BODY_MAX && c->observe_check_us <= DAY_US &&
           c->notice_bytes >= (size_t)2 * (c->message_max + CPS_EP_OVERHEAD);
}

/* Times and budgets that were left to us. */
static void default_budgets(cps_ep_config_t *to)
{
    static const struct {
        size_t at;
        size_t value;
    } budgets[] = {{offsetof(cps_ep_config_t, dedup_bytes), (size_t)64 << 20U},
                   {offsetof(cps_ep_config_t, request_bytes), (size_t)256 << 10U},
                   {offsetof(cps_ep_config_t, answer_bytes), (size_t)256 << 10U},
                   {offsetof(cps_ep_config_t, notice_bytes), (size_t)256 << 10U},
                   {offsetof(cps_ep_config_t, body_bytes), (size_t)1 << 20U}};
    for (size_t i = 0; i < sizeof budgets / sizeof budgets[0]; i++) {
        size_t *budget = (size_t *)(void *)((uint8_t *)to + budgets[i].at);
        if (*budget == 0)
            *budget = budgets[i].value;
    }
    if (to->echo_recover_us == 0)
        to->echo_recover_us = 60000000;
    if (to->observe_check_us == 0)
        to->observe_check_us = DAY_US;
    if (to->observe_renew_us == 0)
        to->observe_renew_us = HOUR_US;
}

static cps_err_t with_defaults(cps_ep_config_t *to, const cps_ep_config_t *from, cps_transmission_times_t *times)
{
    if (!cps_sized_copy(to, sizeof *to, from))
        return CPS_ERR_CONFIG;
    if (to->layers == NULL)
        to->layers = cps_layers_full();
    uint32_t *const numbers[] = {
        &to->peers,       &to->contexts,     &to->requests_out,       &to->requests_in,    &to->waiting,
        &to->message_max, &to->output_slots, &to->amplification,      &to->challenge_rate, &to->rekeys,
        &to->rekey_rate,  &to->observers,    &to->observers_per_peer, &to->token_max,      &to->block_size,
        &to->body_max,    &to->bodies,       &to->bodies_each};
    static const uint32_t defaults[] = {1024, 1024, 256,  256, 64, 1152, 64,    3,  10,
                                        16,   100,  1024, 64,  64, 1024, 65536, 64, 4};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (*numbers[i] == 0)
            *numbers[i] = defaults[i];
    default_budgets(to);
    if (!valid_limits(to))
        return CPS_ERR_CONFIG;
    cps_err_t err = cps_transmission_derive(&to->transmission, times);
    if (to->body_age_us == 0)
        to->body_age_us = times->exchange_lifetime_us;
    return err;
}

static void lay_out(cps_ep_t *ep, cps_arena_t *a, const uint8_t seed[16])
{
    const cps_ep_config_t *c = &ep->config;
    cps_dedup_config_t dedup = {c->dedup_bytes, c->message_max + CPS_EP_OVERHEAD, ep->times.non_lifetime_us,
                                ep->times.exchange_lifetime_us};
    cps_peers_init(&ep->peers, a, c->peers, seed, ep->times.exchange_lifetime_us);
    cps_dedup_init(&ep->dedup, a, &ep->peers, seed, &dedup);
    /* an observer has one notification under way, and seldom another that it replaced */
    cps_retx_init(&ep->retx, a, c->requests_out + c->requests_in + c->observers + c->observers / 4, seed,
                  ep->times.max_transmit_span_us);
    cps_asked_init(&ep->asked, a, c->requests_out, seed);
    cps_served_init(&ep->served, a, c->requests_in);
    cps_observer_init(&ep->observers, a, c->observers, seed);
    cps_oscore_table_init(&ep->contexts, a, c->contexts, seed);
    cps_chain_init(&ep->chains, a, c->request_bytes);
    cps_chain_init(&ep->answers, a, c->answer_bytes);
    cps_chain_init(&ep->notices, a, c->notice_bytes);
    cps_bodies_config_t bodies = {c->bodies, c->bodies_each, c->body_bytes, c->body_age_us};
    cps_bodies_init(&ep->bodies, a, &bodies, seed);
    ep->out_slots = cps_arena_take(a, c->output_slots, sizeof *ep->out_slots);
    ep->take_max = c->message_max + CPS_EP_TAKE_MORE;
    cps_rekeys_init(&ep->rekeys, a, c->rekeys, ep->take_max);
    ep->out_bytes = cps_arena_take(a, c->output_slots, ep->take_max);
    ep->token = cps_arena_take(a, 1, c->token_max);
    ep->plaintext = cps_arena_take(a, 1, ep->take_max + CPS_EP_OVERHEAD);
    ep->joined = cps_arena_take(a, 1, ep->take_max + CPS_EP_OVERHEAD);
    ep->hint = cps_arena_take(a, 1, CPS_EP_HINT_MAX);
    ep->sealing = cps_arena_take(a, 1, ep->take_max + CPS_EP_OVERHEAD);
    ep->build = cps_arena_take(a, 1, ep->take_max + CPS_EP_OVERHEAD);
    ep->extra = cps_arena_take(a, 1, ep->take_max + CPS_EP_OVERHEAD);
    ep->body = cps_arena_take(a, 1, cps_ep_body_room(ep));
    ep->piece = cps_arena_take(a, 1, CPS_BLOCK_SIZE_MAX);
    ep->tags = cps_arena_take(a, c->contexts + (size_t)1, sizeof *ep->tags);
}

size_t cps_ep_size(const cps_ep_config_t *config)
{
    static const uint8_t no_seed[16] = {0};
    cps_ep_t probe;
    memset(&probe, 0, sizeof probe);
    if (with_defaults(&probe.config, config, &probe.times) != CPS_OK)
        return 0;
    cps_arena_t a = cps_arena_measure();
    (void)cps_arena_take(&a, 1, sizeof(cps_ep_t));
    lay_out(&probe, &a, no_seed);
    return a.failed ? 0 : cps_arena_need(&a);
}

cps_err_t cps_ep_init(cps_ep_t **out, void *memory, size_t size, const cps_ep_config_t *config)
{
    cps_ep_config_t full;
    cps_transmission_times_t times;
    cps_err_t err = with_defaults(&full, config, &times);
    if (err != CPS_OK)
        return err;
    if (full.crypto == NULL)
        return CPS_ERR_CONFIG;
    cps_arena_t a = cps_arena(memory, size);
    cps_ep_t *ep = cps_arena_take(&a, 1, sizeof *ep);
    if (ep == NULL)
        return CPS_ERR_NO_SPACE;
    ep->config = full;
    ep->times = times;
    ep->rng = full.random != NULL ? (cps_rng_t){full.random, full.random_state} : cps_crypto_rng(full.crypto);
    uint8_t seed[16];
    cps_rng_fill(&ep->rng, seed, sizeof seed);
    lay_out(ep, &a, seed);
    if (a.failed)
        return CPS_ERR_NO_SPACE;
    ep->asked.counter = cps_rng_u32(&ep->rng);
    ep->handled = cps_opt_set_of(handled_numbers, sizeof handled_numbers / sizeof handled_numbers[0]);
    cps_list_t *const lists[] = {&ep->ready, &ep->waiting,      &ep->ended,        &ep->waiting_answers,
                                 &ep->jobs,  &ep->notify_ready, &ep->notify_lease, &ep->notify_gone,
                                 &ep->stale, &ep->wanted};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        *lists[i] = CPS_LIST_EMPTY;
    cps_echo_key_draw(&ep->echo_key, &ep->rng);
    cps_stateless_init(&ep->stateless, &ep->rng, times.exchange_lifetime_us);
    *out = ep;
    return CPS_OK;
}

void cps_ep_fini(cps_ep_t *ep)
{
    if (ep == NULL)
        return;
    cps_oscore_table_fini(&ep->contexts);
    cps_rekeys_fini(&ep->rekeys);
    cps_wipe(&ep->echo_key, sizeof ep->echo_key);
    cps_wipe(&ep->stateless, sizeof ep->stateless);
    cps_wipe(&ep->stateless_found, sizeof ep->stateless_found);
    cps_wipe(ep->plaintext, ep->take_max + CPS_EP_OVERHEAD);
    cps_wipe(ep->joined, ep->take_max + CPS_EP_OVERHEAD);
    cps_wipe(ep->sealing, ep->take_max + CPS_EP_OVERHEAD);
    cps_wipe(ep->build, ep->take_max + CPS_EP_OVERHEAD);
    cps_wipe(ep->extra, ep->take_max + CPS_EP_OVERHEAD);
    cps_wipe(ep->chains.blocks, (size_t)ep->chains.touched * CPS_CHAIN_BLOCK);
    cps_wipe(ep->body, ep->body_used);
    cps_wipe(ep->piece, CPS_BLOCK_SIZE_MAX);
    cps_wipe(ep->bodies.bytes.blocks, (size_t)ep->bodies.bytes.touched * CPS_CHAIN_BLOCK);
    cps_wipe(ep->answers.blocks, (size_t)ep->answers.touched * CPS_CHAIN_BLOCK);
    cps_wipe(ep->notices.blocks, (size_t)ep->notices.touched * CPS_CHAIN_BLOCK);
}

static void advance(cps_ep_t *ep, cps_time_us_t now_us)
{
    if (now_us > ep->now_us)
        ep->now_us = now_us;
}

void cps_ep_input(cps_ep_t *ep, cps_time_us_t now_us, const cps_datagram_t *datagrams, size_t count)
{
    advance(ep, now_us);
    ep->input = datagrams;
    ep->input_left = count;
    ep->stats.datagrams_in += count;
}

bool cps_ep_pending(const cps_ep_t *ep)
{
    return ep->input_left != 0 || ep->ready.first != CPS_NONE || ep->leased || ep->rekeys.ready != 0 ||
           ep->looked_up != NULL || cps_observe_pending(ep);
}

void cps_ep_error(cps_ep_t *ep, cps_time_us_t now_us, const cps_path_t *path, cps_net_error_t kind, cps_bytes_t quoted)
{
    advance(ep, now_us);
    if (kind == CPS_NET_OTHER || quoted.len < CPS_HEADER_LEN)
        return; /* RFC 7252 §4.2: Packet Too Big, Source Quench and Time Exceeded end nothing (MSG-27) */
    cps_tx_t *tx = cps_ep_find_tx(ep, path, cps_be16(quoted.ptr + 2));
    if (tx == NULL || tx->owner != CPS_TX_REQUEST)
        return;
    cps_asked_t *asked = cps_asked_at(&ep->asked, tx->owner_index);
    uint8_t head[CPS_HEADER_LEN + CPS_TOKEN_MAX] = {0};
    size_t token_len = asked->code == CPS_EMPTY ? 0 : asked->token_len;
    cps_chain_t sealed = asked->sealed;
    if (asked->state != CPS_ASKED_SENT || sealed.len < CPS_HEADER_LEN + token_len ||
        quoted.len < CPS_HEADER_LEN + token_len)
        return;
    sealed.len = (uint32_t)(CPS_HEADER_LEN + token_len);
    cps_chain_get(&ep->chains, &sealed, head);
    /* it counts only if the quoted message is ours: ports (the path), type, code, MID and token (MSG-26) */
    if (memcmp(head, quoted.ptr, sealed.len) != 0)
        return;
    if (kind == CPS_NET_TOO_LARGE)
        cps_ask_too_large(ep, asked);
    else
        cps_ask_hint(ep, asked, CPS_HINT_UNREACHABLE, NULL);
}

static cps_verdict_t climb(cps_ep_t *ep, const cps_datagram_t *datagram, cps_event_t *event)
{
    cps_inbound_t in;
    memset(&in, 0, sizeof in);
    in.datagram = datagram;
    in.echo_age_us = CPS_AGE_UNKNOWN;
    in.print = cps_dedup_print(&ep->dedup, datagram->bytes);
    for (const cps_layer_t *const *layer = ep->config.layers->up; *layer != NULL; layer++) {
        cps_verdict_t verdict = (*layer)->inbound(ep, &in, event);
        if (verdict != CPS_UP)
            return verdict;
    }
    return CPS_TAKEN;
}

static bool note_event(cps_ep_t *ep, cps_event_t *out)
{
    if (ep->note_used == 0)
        return false;
    out->kind = CPS_EVENT_NOTE;
    out->handle = 0;
    out->u.note = ep->notes[ep->note_first];
    ep->note_first = (ep->note_first + 1) % CPS_EP_NOTES;
    ep->note_used--;
    return true;
}

/* What was kept until a context had changed goes first. */
static const cps_datagram_t *next_datagram(cps_ep_t *ep)
{
    const cps_datagram_t *again = ep->looked_up != NULL ? ep->looked_up : cps_rekey_again(ep);
    if (again != NULL || ep->input_left == 0)
        return again;
    ep->input_left--;
    return ep->input++;
}

bool cps_ep_event(cps_ep_t *ep, cps_event_t *out)
{
    ep->first_block.request = 0;
    cps_ask_work(ep);
    for (;;) {
        if (note_event(ep, out) || cps_context_job_event(ep, out) || cps_rekey_job_event(ep, out) ||
            cps_ask_ended_event(ep, out) || cps_observing_event(ep, out) || cps_observe_event(ep, out) ||
            cps_ask_wanted_event(ep, out) || cps_serve_abandoned_event(ep, out))
            return true;
        if (!cps_out_has_room(ep))
            return false;
        const cps_datagram_t *datagram = next_datagram(ep);
        if (datagram == NULL)
            return false;
        bool has_event = climb(ep, datagram, out) == CPS_EVENT;
        ep->looked_up =
            has_event && out->kind == CPS_EVENT_JOB ? datagram : NULL; /* once more, with the context or not */
        if (has_event)
            return true;
        cps_ask_work(ep);
    }
}

cps_err_t cps_ep_submit(cps_ep_t *ep, cps_time_us_t now_us, const cps_command_t *command, cps_handle_t *handle)
{
    advance(ep, now_us);
    switch (command->kind) {
    case CPS_COMMAND_REQUEST:
        return cps_ask_submit(ep, &command->u.request, handle);
    case CPS_COMMAND_CANCEL:
        return cps_ask_cancel(ep, command->u.handle);
    case CPS_COMMAND_END:
        return cps_observing_end(ep, command->u.handle);
    case CPS_COMMAND_REPLY:
        return cps_serve_reply(ep, &command->u.reply, handle);
    case CPS_COMMAND_CHANGED:
        return cps_observe_changed(ep, command->u.handle);
    case CPS_COMMAND_NOTIFY:
        return cps_notice_send(ep, &command->u.reply);
    case CPS_COMMAND_UNOBSERVE:
        return cps_observe_forget(ep, command->u.handle);
    case CPS_COMMAND_CHALLENGE:
        return cps_serve_challenge(ep, command->u.handle);
    case CPS_COMMAND_DEFER:
        return cps_pool_find(&ep->served.pool, command->u.handle) != NULL ? CPS_OK : CPS_ERR_STALE;
    case CPS_COMMAND_IGNORE:
        return cps_serve_ignore(ep, command->u.handle, false);
    case CPS_COMMAND_DROP:
        return cps_serve_ignore(ep, command->u.handle, true);
    case CPS_COMMAND_JOB_DONE:
        return command->u.job_done.kind == CPS_JOB_REKEY ? cps_rekey_job_done(ep, &command->u.job_done)
                                                         : cps_context_job_done(ep, &command->u.job_done);
    case CPS_COMMAND_PIECE:
        return cps_ask_piece(ep, &command->u.piece);
    }
    return CPS_ERR_ARGUMENT;
}

static cps_time_us_t earlier(cps_time_us_t a, cps_time_us_t b) { return a < b ? a : b; }

cps_time_us_t cps_ep_deadline(const cps_ep_t *ep)
{
    if (!cps_out_has_room(ep))
        return CPS_TIME_NEVER; /* a tick could do nothing: the output has to be fetched first */
    cps_time_us_t when = earlier(cps_heap_next(&ep->retx.heap), cps_heap_next(&ep->asked.heap));
    when = earlier(when, cps_heap_next(&ep->bodies.heap));
    when = earlier(when, cps_heap_next(&ep->served.heap));
    return earlier(when, cps_heap_next(&ep->observers.heap));
}

static void another_copy(cps_ep_t *ep, cps_tx_t *tx)
{
    if (tx->owner == CPS_TX_REQUEST)
        cps_ask_copy(ep, tx);
    else if (tx->owner == CPS_TX_NOTICE)
        cps_notice_copy(ep, tx);
    else
        cps_serve_copy(ep, &ep->answers, tx);
}

static void message_tick(cps_ep_t *ep)
{
    cps_tx_t *tx = NULL;
    while (cps_out_has_room(ep)) {
        cps_retx_due_t due = cps_retx_pop(&ep->retx, ep->now_us, &tx);
        if (due == CPS_RETX_NOTHING)
            return;
        if (due == CPS_RETX_COPY)
            another_copy(ep, tx);
        else if (tx->owner == CPS_TX_REQUEST)
            cps_ask_expired(ep, tx);
        else if (tx->owner == CPS_TX_STATELESS)
            cps_stateless_over(ep, tx, CPS_STATELESS_EXPIRED);
        else if (tx->owner == CPS_TX_NOTICE)
            cps_notice_expired(ep, tx);
        else
            cps_serve_delivered(ep, tx, false);
    }
}

void cps_ep_tick(cps_ep_t *ep, cps_time_us_t now_us)
{
    advance(ep, now_us);
    cps_ask_tick(ep); /* a deadline goes before a copy that is due at the same time */
    message_tick(ep);
    cps_serve_tick(ep);
    cps_observe_tick(ep);
    cps_bodies_tick(&ep->bodies, ep->now_us);
    cps_ask_work(ep);
}

void cps_ep_note(cps_ep_t *ep, cps_note_kind_t kind, const cps_path_t *path, const cps_oscore_entry_t *entry,
                 uint64_t number)
{
    ep->stats.notes[kind]++;
    if (ep->note_used == CPS_EP_NOTES)
        return;
    cps_event_note_t *note = &ep->notes[(ep->note_first + ep->note_used++) % CPS_EP_NOTES];
    memset(note, 0, sizeof *note);
    note->kind = kind;
    if (path != NULL)
        note->path = *path;
    if (entry != NULL) {
        note->context = cps_pool_handle(&ep->contexts.pool, entry);
        note->user = entry->user;
    }
    note->number = number;
}

cps_peer_t *cps_ep_peer(cps_ep_t *ep, const cps_path_t *path)
{
    cps_peer_t *peer = cps_peers_get(&ep->peers, ep->now_us, path);
    for (int i = 0; peer == NULL && i < EVICT_MAX && cps_dedup_evict(&ep->dedup); i++)
        peer = cps_peers_get(&ep->peers, ep->now_us, path);
    if (peer == NULL)
        cps_ep_note(ep, CPS_NOTE_PEERS_FULL, path, NULL, 0);
    return peer;
}

cps_oscore_entry_t *cps_ep_context(const cps_ep_t *ep, cps_handle_t handle)
{
    return handle == 0 ? NULL : cps_pool_find(&ep->contexts.pool, handle);
}

cps_message_t cps_ep_message(const cps_msg_t *msg) { return (cps_message_t){msg->code, msg->options, msg->payload}; }

void cps_ep_stats(const cps_ep_t *ep, cps_ep_stats_t *out)
{
    *out = ep->stats;
    out->peers = ep->peers.pool.used;
    out->contexts = ep->contexts.pool.used;
    out->requests_in = ep->served.pool.used;
    out->requests_out = ep->asked.pool.used;
    out->waiting = ep->waiting_count;
    out->observers = ep->observers.live;
    out->bodies = ep->bodies.pool.used;
    out->body_bytes = (size_t)ep->bodies.bytes.used * CPS_CHAIN_BLOCK;
    out->body_limit = (size_t)ep->bodies.bytes.limit * CPS_CHAIN_BLOCK;
    out->dedup_bytes = (size_t)ep->dedup.blocks.used * CPS_CHAIN_BLOCK;
    out->dedup_limit = (size_t)ep->dedup.blocks.limit * CPS_CHAIN_BLOCK;
    out->evicted_plain_safe = ep->dedup.evicted[CPS_DEDUP_PLAIN_SAFE];
    out->evicted_sealed = ep->dedup.evicted[CPS_DEDUP_SEALED];
    out->evicted_peers = ep->peers.evicted;
}
