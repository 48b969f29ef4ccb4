// SPDX-License-Identifier: Apache-2.0
#include "sim/world_life.h"

#include "sim/addr.h"

#define SECOND     1000000ULL
#define OUT_MAX    8U
#define ANSWER_MAX 512U

static cps_time_us_t now_of(const cps_world_t *w, const cps_sim_node_t *node)
{
    return cps_sim_node_now(node, w->now_us);
}

/* ---- datagrams ---- */

static const cps_addr_t *from_of(const cps_world_t *w, const cps_sim_node_t *node, uint16_t socket)
{
    if (node->role == CPS_SIM_CLIENT)
        return &w->client_addr;
    if (node->role == CPS_SIM_SERVER)
        return &w->server_addr;
    return socket == CPS_SIM_PROXY_FRONT ? &w->proxy.front : &w->proxy.back;
}

static void send_out(cps_world_t *w, cps_sim_node_t *node)
{
    cps_datagram_t out[OUT_MAX];
    size_t count;
    while ((count = cps_ep_output(node->ep, now_of(w, node), out, OUT_MAX)) != 0) {
        for (size_t i = 0; i < count; i++) {
            cps_sim_say_datagram(w, cps_sim_role_name(node->role), "sends", out[i].bytes);
            if (node->role == CPS_SIM_CLIENT)
                cps_sim_left(&w->ledger, out[i].bytes);
            cps_err_t err = cps_simlink_send(&w->link, w->now_us, from_of(w, node, out[i].path.socket),
                                             &out[i].path.remote, out[i].bytes);
            if (err == CPS_ERR_TOO_LARGE)
                cps_ep_error(node->ep, now_of(w, node), &out[i].path, CPS_NET_TOO_LARGE, out[i].bytes);
        }
        cps_ep_sent(node->ep, count);
    }
}

static void reply(cps_world_t *w, const cps_sim_later_t *later)
{
    char text[ANSWER_MAX];
    cps_sim_node_t *server = &w->nodes[CPS_SIM_SERVER];
    size_t len = (size_t)snprintf(text, sizeof text, "n=%u", later->number);
    for (size_t more = cps_rng_below(&w->rng, w->answer_max + 1); more > 0 && len < sizeof text; more--)
        text[len++] = '.';
    cps_command_t command = {
        .kind = CPS_COMMAND_REPLY,
        .u.reply = {.request = later->request, .code = later->code, .payload = cps_bytes(text, len)}};
    cps_err_t err = cps_ep_submit(server->ep, now_of(w, server), &command, NULL);
    cps_sim_say(w, "server answers request %u: %s", later->number, cps_err_name(err));
}

static bool needs_proof(const cps_world_t *w, const cps_event_request_t *r)
{
    return w->ledger.fresh_us != 0 && r->context != 0 && r->message.code != CPS_GET && r->message.code != CPS_FETCH &&
           r->echo_age_us >= w->ledger.fresh_us;
}

static void handle(cps_world_t *w, const cps_event_t *event)
{
    const cps_event_request_t *r = &event->u.request;
    cps_sim_node_t *server = &w->nodes[CPS_SIM_SERVER];
    if (needs_proof(w, r)) {
        cps_command_t command = {.kind = CPS_COMMAND_CHALLENGE, .u.handle = event->handle};
        cps_err_t err = cps_ep_submit(server->ep, now_of(w, server), &command, NULL);
        cps_sim_say(w, "server asks for proof of freshness: %s", cps_err_name(err));
        w->ledger.report->challenged++;
        return;
    }
    unsigned number = cps_sim_handled(&w->ledger, r, server);
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

/* ---- events ---- */

/* A forged datagram can ask the client something; it has nothing to offer. */
static void ignore(const cps_world_t *w, cps_sim_node_t *node, const cps_event_t *event)
{
    cps_command_t command = {.kind = CPS_COMMAND_IGNORE, .u.handle = event->handle};
    cps_sim_say(w, "client is asked: %s", cps_err_name(cps_ep_submit(node->ep, now_of(w, node), &command, NULL)));
}

static void hear(cps_world_t *w, cps_sim_node_t *node, const cps_event_t *event)
{
    switch (event->kind) {
    case CPS_EVENT_REQUEST:
        if (node->role == CPS_SIM_CLIENT)
            ignore(w, node, event);
        else
            handle(w, event);
        break;
    case CPS_EVENT_RESPONSE:
        cps_sim_say(w, "client has the answer to request %llu: %u.%02u, %s", (unsigned long long)event->u.response.user,
                    event->u.response.message.code >> 5U, event->u.response.message.code & 31U,
                    event->u.response.context != 0 ? "sealed" : "plain");
        cps_sim_answered(&w->ledger, &event->u.response, node);
        break;
    case CPS_EVENT_FAILED:
        cps_sim_say(w, "client gives up request %llu: %s (%s)", (unsigned long long)event->u.failed.user,
                    cps_err_name(event->u.failed.err), cps_err_name(event->u.failed.cause));
        cps_sim_failed(&w->ledger, &event->u.failed);
        break;
    case CPS_EVENT_JOB:
        cps_sim_say(w, "%s asks for numbers up to %llu", cps_sim_role_name(node->role),
                    (unsigned long long)event->u.job.number);
        cps_sim_node_ask(node, event, w->now_us + cps_rng_below(&w->rng, w->store_us + 1));
        break;
    case CPS_EVENT_NOTE:
        cps_sim_say(w, "%s notes %s", cps_sim_role_name(node->role), cps_note_name(event->u.note.kind));
        break;
    case CPS_EVENT_WANTED:
    case CPS_EVENT_ABANDONED:
    case CPS_EVENT_NOTIFY:
    case CPS_EVENT_UNOBSERVED:
    case CPS_EVENT_STALE:
        break; /* nobody observes in these worlds, nor sends bodies in blocks */
    }
}

static void hear_proxy(cps_world_t *w, const cps_event_t *event)
{
    if (event->kind == CPS_EVENT_NOTE)
        cps_sim_say(w, "proxy notes %s", cps_note_name(event->u.note.kind));
    w->proxy.world_us = w->now_us;
    cps_proxy_on_event(w->proxy.engine, event);
}

void cps_sim_run(cps_world_t *w, cps_sim_node_t *node)
{
    cps_event_t event;
    if (node->ep == NULL)
        return;
    do {
        while (cps_ep_event(node->ep, &event))
            if (node->role == CPS_SIM_PROXY)
                hear_proxy(w, &event);
            else
                hear(w, node, &event);
        send_out(w, node);
    } while (cps_ep_pending(node->ep));
}

/* ---- the way of a datagram ---- */

static bool same_host(const cps_addr_t *a, const cps_addr_t *b) { return memcmp(a->ip, b->ip, sizeof a->ip) == 0; }

static cps_sim_role_t role_at(const cps_world_t *w, const cps_addr_t *addr)
{
    if (same_host(addr, &w->server_addr))
        return CPS_SIM_SERVER;
    return same_host(addr, &w->proxy.front) ? CPS_SIM_PROXY : CPS_SIM_CLIENT;
}

static void deliver_strange(cps_world_t *w, const cps_datagram_t *datagram)
{
    uint8_t store[CPS_SIM_FORWARDS][CPS_SIM_FORWARD_B];
    cps_sim_forward_t out[CPS_SIM_FORWARDS];
    size_t count = cps_sim_stranger_input(&w->stranger, datagram, out, store);
    for (size_t i = 0; i < count; i++) {
        cps_sim_say_datagram(w, "proxy", "sends", out[i].bytes);
        if (cps_simlink_send(&w->link, w->now_us, &out[i].from, &out[i].to, out[i].bytes) != CPS_OK)
            cps_sim_say(w, "which is lost");
    }
}

/* What comes to a client that sleeps waits for it. */
static bool waits(cps_world_t *w, const cps_sim_node_t *node, const cps_parcel_t *parcel)
{
    if (node->role != CPS_SIM_CLIENT || w->now_us >= w->asleep_until_us)
        return false;
    if (cps_foe_inject(&w->foe, w->now_us, parcel, w->asleep_until_us - w->now_us) != CPS_OK)
        cps_sim_say(w, "no room is left for what waits: a datagram is lost");
    return true;
}

static void deliver(cps_world_t *w, const cps_parcel_t *parcel)
{
    cps_sim_node_t *node = &w->nodes[role_at(w, &parcel->to)];
    bool back = cps_simaddr_equal(&parcel->to, &w->proxy.back);
    cps_datagram_t datagram = {
        .path = {.remote = parcel->from,
                 .local = parcel->to,
                 .socket = node->role == CPS_SIM_PROXY && back ? CPS_SIM_PROXY_BACK : CPS_SIM_PROXY_FRONT},
        .bytes = parcel->bytes};
    cps_sim_say_datagram(w, cps_sim_role_name(node->role), "gets", parcel->bytes);
    if (node->role == CPS_SIM_PROXY && !back && !cps_simaddr_equal(&parcel->to, &w->proxy.front))
        return; /* the port of an earlier life */
    if (node->role == CPS_SIM_PROXY && w->route == CPS_SIM_STRANGE)
        deliver_strange(w, &datagram);
    if (node->ep == NULL || waits(w, node, parcel))
        return;
    w->proxy.world_us = w->now_us;
    if (node->role == CPS_SIM_PROXY)
        cps_proxy_on_datagram(w->proxy.engine, &datagram);
    cps_ep_input(node->ep, now_of(w, node), &datagram, 1);
    cps_sim_run(w, node);
}

static void travel(cps_world_t *w)
{
    cps_datagram_t datagram;
    uint32_t to = 0;
    while (cps_simlink_take(&w->link, w->now_us, &datagram, &to)) {
        bool up = to == CPS_SIM_SERVER || cps_simaddr_equal(&datagram.path.local, &w->proxy.front);
        bool inside = to == CPS_SIM_SERVER || role_at(w, &datagram.path.remote) == CPS_SIM_SERVER;
        cps_parcel_t parcel = {.from = datagram.path.remote,
                               .to = datagram.path.local,
                               .leg = w->route != CPS_SIM_DIRECT && inside,
                               .dir = up ? CPS_FOE_UP : CPS_FOE_DOWN,
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

/* ---- a step ---- */

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
    if (node->ep == NULL || (node->role == CPS_SIM_CLIENT && w->now_us < w->asleep_until_us))
        return;
    if (node->lease.due_us <= w->now_us) {
        bool refuse = cps_rng_below(&w->rng, 100) < w->store_refuses_percent;
        cps_err_t err = cps_sim_node_grant(node, w->now_us, refuse);
        cps_sim_say(w, "%s's store: %s (%s)", cps_sim_role_name(node->role), refuse ? "refused" : "granted",
                    cps_err_name(err));
    }
    if (node->role == CPS_SIM_PROXY)
        cps_sim_proxy_tick(&w->proxy, w->now_us);
    cps_ep_tick(node->ep, now_of(w, node));
    cps_sim_run(w, node);
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
    cps_sim_script_run(w);
    for (int role = 0; role < CPS_SIM_NODES; role++)
        tick(w, &w->nodes[role]);
}
