// SPDX-License-Identifier: Apache-2.0
#include "sim/world_life.h"

#include <stdarg.h>

#define SECOND  1000000ULL
#define OUT_MAX 8U

void cps_sim_say(const cps_world_t *w, const char *format, ...)
{
    va_list args;
    if (w->trace == NULL)
        return;
    fprintf(w->trace, "%12.6f  ", (double)w->ledger.now_us / 1e6);
    va_start(args, format);
    vfprintf(w->trace, format, args);
    va_end(args);
    fputc('\n', w->trace);
}

static void say_bytes(const cps_world_t *w, const char *what, cps_bytes_t bytes)
{
    char text[81];
    if (w->trace == NULL)
        return;
    size_t len = bytes.len < 40 ? bytes.len : 40;
    if (cps_hex_encode(cps_bytes(bytes.ptr, len), text, sizeof text))
        cps_sim_say(w, "%s %zu bytes %s%s", what, bytes.len, text, len < bytes.len ? "..." : "");
}

/* ---- datagrams ---- */

static void send_out(cps_world_t *w, cps_sim_node_t *node)
{
    cps_datagram_t out[OUT_MAX];
    size_t count;
    const cps_addr_t *from = node->client ? &w->client_addr : &w->server_addr;
    while ((count = cps_ep_output(node->ep, w->now_us, out, OUT_MAX)) != 0) {
        for (size_t i = 0; i < count; i++) {
            say_bytes(w, node->client ? "client sends" : "server sends", out[i].bytes);
            cps_err_t err = cps_simlink_send(&w->link, w->now_us, from, &out[i].path.remote, out[i].bytes);
            if (err == CPS_ERR_TOO_LARGE)
                cps_ep_error(node->ep, w->now_us, &out[i].path, CPS_NET_TOO_LARGE, out[i].bytes);
        }
        cps_ep_sent(node->ep, count);
    }
}

static void reply(cps_world_t *w, const cps_sim_later_t *later)
{
    char text[24];
    snprintf(text, sizeof text, "n=%u", later->number);
    cps_command_t command = {
        .kind = CPS_COMMAND_REPLY,
        .u.reply = {.request = later->request, .code = later->code, .payload = cps_bytes_str(text)}};
    cps_err_t err = cps_ep_submit(w->server.ep, w->now_us, &command, NULL);
    cps_sim_say(w, "server answers request %u: %s", later->number, cps_err_name(err));
}

static bool needs_proof(const cps_world_t *w, const cps_event_request_t *r)
{
    return w->fresh_us != 0 && r->context != 0 && r->message.code != CPS_GET && r->message.code != CPS_FETCH &&
           r->echo_age_us >= w->fresh_us;
}

static void handle(cps_world_t *w, const cps_event_t *event)
{
    const cps_event_request_t *r = &event->u.request;
    if (needs_proof(w, r)) {
        cps_command_t command = {.kind = CPS_COMMAND_CHALLENGE, .u.handle = event->handle};
        cps_err_t err = cps_ep_submit(w->server.ep, w->now_us, &command, NULL);
        cps_sim_say(w, "server asks for proof of freshness: %s", cps_err_name(err));
        w->ledger.report->challenged++;
        return;
    }
    unsigned number = cps_sim_handled(&w->ledger, r, w->server.life);
    bool safe = r->message.code == CPS_GET || r->message.code == CPS_FETCH;
    cps_sim_later_t later = {w->now_us, event->handle, number, safe ? CPS_CONTENT : CPS_CHANGED};
    cps_sim_say(w, "server runs request %u (%u.%02u, %s)", number, r->message.code >> 5U, r->message.code & 31U,
                r->context != 0 ? "sealed" : "plain");
    if (cps_rng_below(&w->rng, 100) < w->slow_percent && w->later_count < CPS_SIM_LATER_MAX) {
        later.when_us += cps_rng_below(&w->rng, 8000000);
        w->later[w->later_count++] = later;
        return;
    }
    reply(w, &later);
}

/* A forged datagram can ask the client something; it has nothing to offer. */
static void ignore(const cps_world_t *w, cps_sim_node_t *node, const cps_event_t *event)
{
    cps_command_t command = {.kind = CPS_COMMAND_IGNORE, .u.handle = event->handle};
    cps_sim_say(w, "client is asked: %s", cps_err_name(cps_ep_submit(node->ep, w->now_us, &command, NULL)));
}

static void hear(cps_world_t *w, cps_sim_node_t *node, const cps_event_t *event)
{
    const char *who = node->client ? "client" : "server";
    switch (event->kind) {
    case CPS_EVENT_REQUEST:
        if (node->client)
            ignore(w, node, event);
        else
            handle(w, event);
        break;
    case CPS_EVENT_RESPONSE:
        cps_sim_say(w, "client has the answer to request %llu: %u.%02u, %s", (unsigned long long)event->u.response.user,
                    event->u.response.message.code >> 5U, event->u.response.message.code & 31U,
                    event->u.response.context != 0 ? "sealed" : "plain");
        cps_sim_answered(&w->ledger, &event->u.response);
        break;
    case CPS_EVENT_FAILED:
        cps_sim_say(w, "client gives up request %llu: %s (%s)", (unsigned long long)event->u.failed.user,
                    cps_err_name(event->u.failed.err), cps_err_name(event->u.failed.cause));
        cps_sim_failed(&w->ledger, &event->u.failed);
        break;
    case CPS_EVENT_JOB:
        cps_sim_say(w, "%s asks for numbers up to %llu", who, (unsigned long long)event->u.job.number);
        cps_sim_node_ask(node, event, w->now_us + cps_rng_below(&w->rng, w->store_us + 1));
        break;
    case CPS_EVENT_NOTE:
        cps_sim_say(w, "%s notes %s", who, cps_note_name(event->u.note.kind));
        break;
    }
}

static void run(cps_world_t *w, cps_sim_node_t *node)
{
    cps_event_t event;
    if (node->ep == NULL)
        return;
    do {
        while (cps_ep_event(node->ep, &event))
            hear(w, node, &event);
        send_out(w, node);
    } while (cps_ep_pending(node->ep));
}

static void deliver(cps_world_t *w, const cps_parcel_t *parcel)
{
    cps_sim_node_t *node = parcel->dir == CPS_FOE_UP ? &w->server : &w->client;
    cps_datagram_t datagram = {.path = {.remote = parcel->from, .local = parcel->to}, .bytes = parcel->bytes};
    say_bytes(w, node->client ? "client gets" : "server gets", parcel->bytes);
    if (node->ep == NULL)
        return;
    cps_ep_input(node->ep, w->now_us, &datagram, 1);
    run(w, node);
}

static void travel(cps_world_t *w)
{
    cps_datagram_t datagram;
    uint32_t to = 0;
    while (cps_simlink_take(&w->link, w->now_us, &datagram, &to)) {
        cps_parcel_t parcel = {.from = datagram.path.remote,
                               .to = datagram.path.local,
                               .dir = to == CPS_SIM_SERVER ? CPS_FOE_UP : CPS_FOE_DOWN,
                               .bytes = datagram.bytes};
        if (cps_foe_input(&w->foe, w->now_us, &parcel, NULL) != CPS_OK)
            cps_sim_say(w, "the foe has no room: a datagram is lost");
    }
    cps_foe_output_t out;
    while (cps_foe_take(&w->foe, w->now_us, &out)) {
        if (out.reason != CPS_FOE_FORWARDED)
            cps_sim_say(w, "the foe: %s%s", cps_foe_reason_name((cps_foe_reason_t)out.reason),
                        out.modified ? ", modified" : "");
        deliver(w, &out.parcel);
    }
}

/* ---- the script ---- */

cps_time_us_t cps_sim_script_next(const cps_world_t *w)
{
    if (w->script_at == w->script_count)
        return CPS_TIME_NEVER;
    cps_time_us_t when = 100 * SECOND + w->script[w->script_at].when_us;
    return when > w->asleep_until_us ? when : w->asleep_until_us;
}

static void ask(cps_world_t *w, unsigned n)
{
    const cps_sim_line_t *line = &w->script[n];
    char query[24];
    snprintf(query, sizeof query, "n=%u", n);
    const cps_option_t options[] = {{CPS_OPT_URI_PATH, CPS_BYTES_LIT("lock")},
                                    {CPS_OPT_URI_QUERY, cps_bytes_str(query)}};
    bool bare = line->code == CPS_GET || line->code == CPS_DELETE;
    cps_command_t command = {.kind = CPS_COMMAND_REQUEST,
                             .u.request = {.path = {.remote = w->server_addr},
                                           .code = line->code,
                                           .non_confirmable = line->non,
                                           .options = options,
                                           .option_count = 2,
                                           .payload = bare ? cps_bytes(NULL, 0) : CPS_BYTES_LIT("body"),
                                           .context = line->sealed ? w->client.context : 0,
                                           .user = n}};
    cps_err_t err = cps_ep_submit(w->client.ep, w->now_us, &command, NULL);
    cps_sim_say(w, "client asks request %u (%u.%02u, %s, %s): %s", n, line->code >> 5U, line->code & 31U,
                line->sealed ? "sealed" : "plain", line->non ? "NON" : "CON", cps_err_name(err));
    if (err != CPS_OK)
        return;
    w->ledger.requests[n] = (cps_sim_request_t){.code = line->code, .sealed = line->sealed, .submitted = true};
    w->ledger.report->requests++;
    run(w, &w->client);
}

static void answer_late(cps_world_t *w)
{
    for (uint32_t i = 0; i < w->later_count;) {
        if (w->later[i].when_us > w->now_us) {
            i++;
            continue;
        }
        cps_sim_later_t due = w->later[i];
        w->later[i] = w->later[--w->later_count];
        reply(w, &due);
    }
}

static void tick(cps_world_t *w, cps_sim_node_t *node)
{
    if (node->ep == NULL || (node->client && w->now_us < w->asleep_until_us))
        return;
    if (node->lease.due_us <= w->now_us) {
        bool refuse = cps_rng_below(&w->rng, 100) < w->store_refuses_percent;
        cps_err_t err = cps_sim_node_grant(node, w->now_us, refuse);
        cps_sim_say(w, "%s's store: %s (%s)", node->client ? "client" : "server", refuse ? "refused" : "granted",
                    cps_err_name(err));
    }
    cps_ep_tick(node->ep, w->now_us);
    run(w, node);
}

static void happen_due(cps_world_t *w)
{
    for (uint32_t i = 0; i < w->plan_count;) {
        if (w->plans[i].when_us > w->now_us) {
            i++;
            continue;
        }
        cps_sim_happening_t what = (cps_sim_happening_t)w->plans[i].what;
        w->plans[i] = w->plans[--w->plan_count];
        cps_sim_happen(w, what);
    }
}

void cps_sim_step(cps_world_t *w)
{
    travel(w);
    happen_due(w);
    answer_late(w);
    while (cps_sim_script_next(w) <= w->now_us)
        ask(w, w->script_at++);
    tick(w, &w->client);
    tick(w, &w->server);
}
