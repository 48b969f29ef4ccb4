// SPDX-License-Identifier: Apache-2.0
/* Making and ending the engine, its events and its time, and what it says of itself. */
#include "proxy/inside.h"

#include <stdio.h>
#include <stdlib.h>

#define OWED_RETRY_US 5000U /* a full output is tried again so soon */
#define TOKEN_MAX     512U  /* clients may keep their state in them (RFC 8974) */
#define REQUESTS_IN   256U  /* the default of the endpoint (core.h) */

/* ---- pending ---- */

cps_pending_t *cps_proxy_find(const cps_proxy_t *p, uint64_t ticket) { return cps_pool_find(&p->pending, ticket); }

uint64_t cps_proxy_ticket(const cps_proxy_t *p, const cps_pending_t *pending)
{
    return cps_pool_handle(&p->pending, pending);
}

void cps_proxy_end(cps_proxy_t *p, cps_pending_t *pending)
{
    cps_pool_give(&p->pending, pending);
    if (p->draining && p->pending.used == 0)
        cps_proxy_wake_at(p, 0);
}

/* ---- answers ---- */

cps_err_t cps_proxy_send_answer(cps_proxy_t *p, cps_handle_t request, const cps_proxy_answer_t *answer, bool kept)
{
    cps_command_t reply = {.kind = CPS_COMMAND_REPLY,
                           .u.reply = {.request = request,
                                       .code = answer->code,
                                       .options = answer->options,
                                       .option_count = answer->option_count,
                                       .payload = answer->payload,
                                       .kept = kept}};
    return cps_proxy_submit(p, &reply, NULL);
}

cps_err_t cps_proxy_send_refusal(cps_proxy_t *p, cps_handle_t request, const cps_proxy_refusal_t *refusal)
{
    const cps_proxy_reason_row_t *row = cps_proxy_reason(refusal->reason);
    uint8_t buf[4];
    cps_option_t max_age = {CPS_OPT_MAX_AGE, cps_opt_uint_bytes(row->max_age_s, buf)};
    cps_command_t reply = {.kind = CPS_COMMAND_REPLY,
                           .u.reply = {.request = request,
                                       .code = row->code,
                                       .options = &max_age,
                                       .option_count = row->max_age_s != 0,
                                       .payload = cps_bytes_str(refusal->text),
                                       .refused = !row->after}};
    return cps_proxy_submit(p, &reply, NULL);
}

void cps_proxy_drop(cps_proxy_t *p, cps_handle_t request)
{
    cps_command_t ignore = {.kind = CPS_COMMAND_IGNORE, .u.handle = request};
    if (cps_proxy_submit(p, &ignore, NULL) != CPS_OK)
        p->stats.late++;
}

void cps_proxy_owe(cps_proxy_t *p, cps_pending_t *pending, const cps_proxy_refusal_t *refusal)
{
    if (cps_proxy_send_refusal(p, pending->request, refusal) != CPS_ERR_BUSY) {
        cps_proxy_end(p, pending);
        return;
    }
    pending->owed = *refusal;
    pending->state = CPS_PENDING_OWED;
    cps_proxy_wake_at(p, cps_proxy_now(p) + OWED_RETRY_US);
}

void cps_proxy_give_up(cps_proxy_t *p, cps_pending_t *pending, cps_proxy_reason_t reason, const char *detail)
{
    cps_proxy_refusal_t refusal;
    cps_proxy_refuse(&refusal, reason, detail);
    cps_proxy_account(p, &pending->client, pending->where, &refusal);
    cps_proxy_owe(p, pending, &refusal);
}

/* ---- log and counters ---- */

void cps_proxy_account(cps_proxy_t *p, const cps_addr_t *client, const char *where, const cps_proxy_refusal_t *refusal)
{
    const cps_proxy_reason_row_t *row = cps_proxy_reason(refusal->reason);
    char code[8];
    p->stats.refused[refusal->reason]++;
    if (p->options.log == NULL)
        return;
    snprintf(code, sizeof code, "%u.%02u", cps_code_class(row->code), cps_code_detail(row->code));
    CPS_LOG(p->options.log, CPS_LOG_WARNING, "proxy_refused",
            cps_log_text("reason", cps_proxy_reason_name(refusal->reason)), cps_log_text("code", code),
            cps_log_addr("client", client), cps_log_text("target", where), cps_log_text("text", refusal->text));
}

void cps_proxy_log_counters(const cps_proxy_t *proxy)
{
    const cps_proxy_stats_t *s = &proxy->stats;
    cps_log_field_t fields[8 + CPS_PROXY_REASONS] = {
        cps_log_number("requests", s->requests),     cps_log_number("local", s->local),
        cps_log_number("forwarded", s->forwarded),   cps_log_number("sealed", s->sealed),
        cps_log_number("answered", s->answered),     cps_log_number("late", s->late),
        cps_log_number("challenged", s->challenged), cps_log_number("open", proxy->pending.used)};
    size_t count = 8;
    for (int i = 0; i < CPS_PROXY_REASONS; i++)
        if (s->refused[i] != 0)
            fields[count++] = cps_log_number(cps_proxy_reason((cps_proxy_reason_t)i)->counter, s->refused[i]);
    if (proxy->options.log != NULL)
        cps_log_event(proxy->options.log, CPS_LOG_INFO, "proxy_counters", fields, count);
}

void cps_proxy_stats(const cps_proxy_t *proxy, cps_proxy_stats_t *out)
{
    *out = proxy->stats;
    out->open = proxy->pending.used;
}

const char *cps_proxy_name(const cps_proxy_t *proxy) { return proxy->name; }

/* ---- time ---- */

void cps_proxy_wake_at(cps_proxy_t *p, cps_time_us_t when)
{
    if (when >= p->wake_at)
        return;
    p->wake_at = when;
    p->driver.wake_at(p->driver.self, when);
}

static void look_after(cps_proxy_t *p, cps_pending_t *pending, cps_time_us_t now)
{
    if (pending->state == CPS_PENDING_OWED) {
        cps_proxy_refusal_t owed = pending->owed;
        cps_proxy_owe(p, pending, &owed);
    } else if (pending->state == CPS_PENDING_NAME && pending->name_until_us <= now) {
        cps_proxy_give_up(p, pending, CPS_PROXY_NAME_TIMEOUT, pending->uri.host);
    } else if (pending->state == CPS_PENDING_NAME) {
        cps_proxy_wake_at(p, pending->name_until_us);
    }
}

void cps_proxy_tick(cps_proxy_t *p)
{
    cps_time_us_t now = cps_proxy_now(p);
    p->wake_at = CPS_TIME_NEVER;
    for (uint32_t i = 0; i < p->pending.touched; i++)
        if (cps_pool_live(&p->pending, i))
            look_after(p, cps_pool_at(&p->pending, i), now);
    if (!p->draining || p->drained == NULL)
        return;
    if (p->pending.used != 0 && now < p->drain_until_us) {
        cps_proxy_wake_at(p, p->drain_until_us);
        return;
    }
    void (*drained)(void *user) = p->drained;
    p->drained = NULL;
    drained(p->drained_user);
}

void cps_proxy_drain(cps_proxy_t *proxy, uint64_t timeout_us, void (*done)(void *user), void *user)
{
    proxy->draining = true;
    proxy->drain_until_us = cps_proxy_now(proxy) + timeout_us;
    proxy->drained = done;
    proxy->drained_user = user;
    cps_proxy_wake_at(proxy, 0);
}

/* ---- events ---- */

static void on_note(cps_proxy_t *p, const cps_event_note_t *note)
{
    if (p->options.log != NULL)
        CPS_LOG(p->options.log, cps_log_level_of(cps_note_name(note->kind)), cps_note_name(note->kind),
                cps_log_addr("peer", &note->path.remote));
}

void cps_proxy_on_event(cps_proxy_t *p, const cps_event_t *event)
{
    switch (event->kind) {
    case CPS_EVENT_REQUEST:
        cps_proxy_on_request(p, event);
        break;
    case CPS_EVENT_RESPONSE:
        cps_proxy_on_response(p, event);
        break;
    case CPS_EVENT_FAILED:
        cps_proxy_on_failed(p, event);
        break;
    case CPS_EVENT_NOTE:
        on_note(p, &event->u.note);
        break;
    case CPS_EVENT_JOB: /* a proxy has no contexts, and passes each block on */
    case CPS_EVENT_WANTED:
    case CPS_EVENT_ABANDONED:
    case CPS_EVENT_NOTIFY:
    case CPS_EVENT_UNOBSERVED:
    case CPS_EVENT_STALE:
        break;
    }
}

/* ---- life ---- */

static void take_rules(cps_proxy_t *p)
{
    p->rules = (cps_proxy_rules_t){.name = p->name,
                                   .hop_limit = p->options.hop_limit != 0 ? p->options.hop_limit : CPS_PROXY_HOP_LIMIT,
                                   .chained = p->options.next != NULL};
}

void cps_proxy_reconfigure(cps_proxy_t *proxy, const cps_proxy_options_t *options)
{
    proxy->options.clients = options->clients;
    proxy->options.targets = options->targets;
    proxy->options.hop_limit = options->hop_limit;
    proxy->options.next = options->next;
    take_rules(proxy);
}

static cps_err_t take_name(cps_proxy_t *p)
{
    if (p->options.name == NULL || !cps_proxy_is_identifier(p->options.name))
        return CPS_ERR_CONFIG;
    memcpy(p->name, p->options.name, strlen(p->options.name) + 1);
    p->options.name = p->name;
    take_rules(p);
    cps_proxy_self_add_name(&p->self, p->name);
    return CPS_OK;
}

static void lay_out(cps_proxy_t *p, cps_arena_t *arena, uint32_t limit)
{
    cps_pool_init(&p->pending, arena, limit, sizeof(cps_pending_t));
    cps_held_init(&p->held, arena);
}

static cps_err_t make_tables(cps_proxy_t *p, uint32_t limit)
{
    cps_arena_t measure = cps_arena_measure();
    lay_out(p, &measure, limit);
    p->memory = calloc(1, cps_arena_need(&measure));
    if (measure.failed || p->memory == NULL)
        return CPS_ERR_MEMORY;
    cps_arena_t arena = cps_arena(p->memory, cps_arena_need(&measure));
    lay_out(p, &arena, limit);
    return arena.failed ? CPS_ERR_MEMORY : CPS_OK;
}

void cps_proxy_endpoint(cps_ep_config_t *config)
{
    config->layers = cps_layers_proxy();
    config->message_max = CPS_PROXY_MESSAGE_MAX;
    config->requests_in = config->requests_in != 0 ? config->requests_in : REQUESTS_IN;
    config->token_max = config->token_max != 0 ? config->token_max : TOKEN_MAX;
}

static cps_err_t build(cps_proxy_t *p)
{
    cps_transmission_times_t times;
    cps_transmission_t transmission = p->options.endpoint.transmission;
    cps_err_t err = take_name(p);
    if (err == CPS_OK)
        err = cps_transmission_derive(&transmission, &times);
    if (err == CPS_OK)
        err = make_tables(p, p->options.endpoint.requests_in);
    if (err != CPS_OK)
        return err;
    p->timeout_us = times.max_transmit_wait_us; /* RFC 7252 §5.7.1: in time, or 5.04 */
    p->tokens = cps_rng_u32(&p->driver.rng);
    cps_rng_fill(&p->driver.rng, p->tag_seed, sizeof p->tag_seed);
    return CPS_OK;
}

cps_err_t cps_proxy_engine_new(cps_proxy_t **out, const cps_proxy_options_t *options, const cps_proxy_driver_t *driver)
{
    *out = NULL;
    cps_proxy_t *p = calloc(1, sizeof *p);
    if (p == NULL)
        return CPS_ERR_MEMORY;
    p->options = *options;
    p->driver = *driver;
    p->wake_at = CPS_TIME_NEVER;
    cps_err_t err = build(p);
    if (err != CPS_OK) {
        cps_proxy_engine_free(p);
        return err;
    }
    *out = p;
    return CPS_OK;
}

void cps_proxy_engine_free(cps_proxy_t *proxy)
{
    if (proxy == NULL)
        return;
    cps_proxy_self_fini(&proxy->self);
    free(proxy->memory);
    free(proxy);
}

void cps_proxy_is_at(cps_proxy_t *proxy, const cps_addr_t *addr) { cps_proxy_self_add_listen(&proxy->self, addr); }

void cps_proxy_is_called(cps_proxy_t *proxy, const char *name) { cps_proxy_self_add_name(&proxy->self, name); }
