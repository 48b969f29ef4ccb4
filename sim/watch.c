// SPDX-License-Identifier: Apache-2.0
#include "sim/watch.h"

#include "sim/link.h"
#include "sim/world_node.h"
#include "wire/opt.h"

#include <stdarg.h>
#include <stdlib.h>

#define SECOND        1000000ULL
#define START_US      (1000 * SECOND)
#define CALM_US       (400 * SECOND) /* after the last change, with a good network */
#define STEPS_MAX     200000U
#define WATCHES_MAX   6U
#define CHANGES_MAX   64U
#define CRASHES_MAX   4U
#define OBSERVERS_MAX 32U
#define OUT_MAX       8U

/* One observation of the client's. */
typedef struct watching {
    cps_time_us_t due_us; /* when it is registered, or again; CPS_TIME_NEVER: under way */
    cps_handle_t handle;
    bool sealed;
    bool non;
    uint64_t number; /* that it shows */
} watching_t;

typedef enum phase { BUSY, CALM, ENDING } phase_t;

typedef struct watch_world {
    cps_rng_seeded_t seeded;
    cps_rng_seeded_t ep_seeded;
    cps_rng_t rng;
    cps_time_us_t now_us;
    FILE *trace;
    cps_watch_report_t *report;
    cps_spy_t spy;
    cps_sim_node_t client;
    cps_sim_node_t server;
    cps_simlink_t link;
    void *network;
    phase_t phase;
    cps_time_us_t next_phase_us;

    bool told; /* a good network, no crash, no number grows old: notifications alone have to do */
    uint32_t store_us;
    uint32_t max_age_s;
    uint32_t non_percent; /* of notifications */
    uint64_t number;
    cps_time_us_t changes[CHANGES_MAX];
    uint32_t change_count;
    uint32_t change_at;
    cps_time_us_t crashes[CRASHES_MAX];
    uint32_t crash_count;
    watching_t watches[WATCHES_MAX];
    uint32_t watch_count;
    cps_handle_t observers[OBSERVERS_MAX];
    uint32_t observer_count;
} watch_world_t;

static const cps_addr_t server_addr = {.ip = {10, 0, 0, 1}, .port = 5683, .family = CPS_FAMILY_IPV4};
static const cps_addr_t client_addr = {.ip = {10, 0, 0, 2}, .port = 40000, .family = CPS_FAMILY_IPV4};

static uint32_t below(watch_world_t *w, uint32_t bound) { return cps_rng_below(&w->rng, bound); }

__attribute__((format(printf, 2, 3))) static void say(const watch_world_t *w, const char *format, ...)
{
    va_list args;
    if (w->trace == NULL)
        return;
    fprintf(w->trace, "%12.6f  ", (double)(w->now_us - START_US) / 1e6);
    va_start(args, format);
    vfprintf(w->trace, format, args);
    va_end(args);
    fputc('\n', w->trace);
}

static void broken(watch_world_t *w, const char *what, unsigned watch)
{
    if (w->report->failed)
        return;
    w->report->failed = true;
    snprintf(w->report->reason, sizeof w->report->reason, "at %.6f s, observation %u: %s",
             (double)(w->now_us - START_US) / 1e6, watch, what);
}

/* A command that may be refused where there is no room: then the other end waits, as on a network that lost something. */
static cps_err_t submit(watch_world_t *w, cps_sim_node_t *node, const cps_command_t *command, cps_handle_t *handle)
{
    cps_err_t err = cps_ep_submit(node->ep, cps_sim_node_now(node, w->now_us), command, handle);
    if (err != CPS_OK)
        say(w, "%s: refused, %s", cps_sim_role_name(node->role), cps_err_name(err));
    return err;
}

/* ---- the server ---- */

/* The present number, and how long it counts. */
static cps_command_reply_t state_of(const watch_world_t *w, char text[24], uint8_t max_age[4], cps_option_t *option)
{
    snprintf(text, 24, "%llu", (unsigned long long)w->number);
    *option = (cps_option_t){CPS_OPT_MAX_AGE, cps_opt_uint_bytes(w->max_age_s, max_age)};
    return (cps_command_reply_t){
        .code = CPS_CONTENT, .options = option, .option_count = 1, .payload = cps_bytes_str(text)};
}

static void answer(watch_world_t *w, const cps_event_t *event)
{
    char text[24];
    uint8_t max_age[4];
    cps_option_t option;
    cps_handle_t observer = 0;
    cps_command_t command = {.kind = CPS_COMMAND_REPLY, .u.reply = state_of(w, text, max_age, &option)};
    command.u.reply.request = event->handle;
    command.u.reply.observe = event->u.request.observe == CPS_OBSERVE_REGISTER;
    if (submit(w, &w->server, &command, &observer) == CPS_OK && observer != 0 && w->observer_count < OBSERVERS_MAX)
        w->observers[w->observer_count++] = observer;
}

static void notify(watch_world_t *w, const cps_event_t *event)
{
    char text[24];
    uint8_t max_age[4];
    cps_option_t option;
    cps_command_t command = {.kind = CPS_COMMAND_NOTIFY, .u.reply = state_of(w, text, max_age, &option)};
    command.u.reply.request = event->handle;
    command.u.reply.non_confirmable = below(w, 100) < w->non_percent;
    say(w, "server notifies of %s: %s", text, cps_err_name(submit(w, &w->server, &command, NULL)));
}

static void forget(watch_world_t *w, const cps_event_t *event)
{
    say(w, "an observer is gone: %s", cps_err_name(event->u.observer.err));
    for (uint32_t i = 0; i < w->observer_count; i++)
        if (w->observers[i] == event->handle)
            w->observers[i] = w->observers[--w->observer_count];
}

static void change(watch_world_t *w)
{
    w->number++;
    w->report->changes++;
    say(w, "the number is %llu", (unsigned long long)w->number);
    for (uint32_t i = 0; i < w->observer_count; i++) {
        cps_command_t command = {.kind = CPS_COMMAND_CHANGED, .u.handle = w->observers[i]};
        if (submit(w, &w->server, &command, NULL) == CPS_ERR_STALE)
            broken(w, "an observer went without a word", WATCHES_MAX);
    }
}

static void crash(watch_world_t *w)
{
    say(w, "server crashes and starts again");
    w->report->crashes++;
    cps_sim_node_down(&w->server, below(w, 3) == 0 ? CPS_SIM_CLEAN : CPS_SIM_CRASH, &w->rng);
    w->observer_count = 0;
    if (cps_sim_node_up(&w->server) != CPS_OK)
        broken(w, "the server did not come up again", WATCHES_MAX);
}

/* ---- the client ---- */

static void watch(watch_world_t *w, unsigned n)
{
    watching_t *watching = &w->watches[n];
    const cps_option_t options[] = {{CPS_OPT_OBSERVE, {NULL, 0}}, {CPS_OPT_URI_PATH, CPS_BYTES_LIT("number")}};
    cps_command_t command = {.kind = CPS_COMMAND_REQUEST,
                             .u.request = {.path = {.remote = server_addr},
                                           .code = CPS_GET,
                                           .non_confirmable = watching->non,
                                           .options = options,
                                           .option_count = 2,
                                           .context = watching->sealed ? w->client.context : 0,
                                           .user = n}};
    bool taken = submit(w, &w->client, &command, &watching->handle) == CPS_OK;
    watching->due_us = taken ? CPS_TIME_NEVER : w->now_us + SECOND;
    say(w, "client watches, observation %u (%s)", n, watching->sealed ? "sealed" : "plain");
}

static void watch_again(watch_world_t *w, unsigned n, const char *why)
{
    say(w, "observation %u is over: %s", n, why);
    w->watches[n].handle = 0;
    if (w->phase == ENDING)
        return;
    w->report->again++;
    w->watches[n].due_us = w->now_us + SECOND + below(w, 5000000);
}

static void show(watch_world_t *w, const cps_event_response_t *response)
{
    unsigned n = (unsigned)response->user;
    watching_t *watching = &w->watches[n];
    char text[24] = "";
    size_t len = response->message.payload.len;
    if (response->message.code != CPS_CONTENT || len >= sizeof text) {
        watch_again(w, n, "another answer");
        return;
    }
    memcpy(text, response->message.payload.ptr, len);
    uint64_t number = strtoull(text, NULL, 10);
    say(w, "observation %u shows %s%s", n, text, response->observing ? "" : ", for the last time");
    w->report->shown++;
    if (watching->sealed != (response->context != 0))
        broken(w, "a notification is not protected as its request was", n);
    if (number < watching->number)
        broken(w, "what it shows went back", n);
    watching->number = number;
    if (!response->observing)
        watch_again(w, n, "the server does not notify");
}

/* ---- events and datagrams ---- */

static void hear_server(watch_world_t *w, const cps_event_t *event)
{
    if (event->kind == CPS_EVENT_REQUEST)
        answer(w, event);
    else if (event->kind == CPS_EVENT_NOTIFY)
        notify(w, event);
    else if (event->kind == CPS_EVENT_UNOBSERVED)
        forget(w, event);
}

static void hear_client(watch_world_t *w, const cps_event_t *event)
{
    if (event->kind == CPS_EVENT_RESPONSE)
        show(w, &event->u.response);
    else if (event->kind == CPS_EVENT_FAILED)
        watch_again(w, (unsigned)event->u.failed.user, cps_err_name(event->u.failed.err));
    else if (event->kind == CPS_EVENT_STALE)
        w->report->stale++;
}

static void send_out(watch_world_t *w, cps_sim_node_t *node)
{
    cps_datagram_t out[OUT_MAX];
    size_t count;
    const cps_addr_t *from = node->role == CPS_SIM_CLIENT ? &client_addr : &server_addr;
    while ((count = cps_ep_output(node->ep, cps_sim_node_now(node, w->now_us), out, OUT_MAX)) != 0) {
        for (size_t i = 0; i < count; i++)
            if (cps_simlink_send(&w->link, w->now_us, from, &out[i].path.remote, out[i].bytes) != CPS_OK)
                say(w, "a datagram of the %s is lost", cps_sim_role_name(node->role));
        cps_ep_sent(node->ep, count);
    }
}

static void run(watch_world_t *w, cps_sim_node_t *node)
{
    cps_event_t event;
    do {
        while (cps_ep_event(node->ep, &event)) {
            if (event.kind == CPS_EVENT_JOB)
                cps_sim_node_ask(node, &event, w->now_us + below(w, w->store_us + 1));
            else if (node->role == CPS_SIM_CLIENT)
                hear_client(w, &event);
            else
                hear_server(w, &event);
        }
        send_out(w, node);
    } while (cps_ep_pending(node->ep));
}

static void travel(watch_world_t *w)
{
    cps_datagram_t datagram;
    uint32_t to = 0;
    while (cps_simlink_take(&w->link, w->now_us, &datagram, &to)) {
        cps_sim_node_t *node = to == CPS_SIM_CLIENT ? &w->client : &w->server;
        cps_ep_input(node->ep, cps_sim_node_now(node, w->now_us), &datagram, 1);
        run(w, node);
    }
}

static void tick(watch_world_t *w, cps_sim_node_t *node)
{
    if (node->lease.due_us <= w->now_us && cps_sim_node_grant(node, w->now_us, false) != CPS_OK)
        broken(w, "a lease was not taken", WATCHES_MAX);
    cps_ep_tick(node->ep, cps_sim_node_now(node, w->now_us));
    run(w, node);
}

/* The network is good from now on; then all has to come to the last number. */
static void calm_down(watch_world_t *w)
{
    cps_simlink_quality_t good = {.delay_us = 20000};
    say(w, "the network is good from now on");
    cps_simlink_set_all(&w->link, &good);
    w->phase = CALM;
    w->next_phase_us = w->now_us + CALM_US;
}

/* All shows the last number; the client says so, or just forgets. What comes for a forgotten one is rejected. */
static void end_all(watch_world_t *w)
{
    w->phase = ENDING;
    w->next_phase_us = CPS_TIME_NEVER;
    for (unsigned n = 0; n < w->watch_count; n++) {
        watching_t *watching = &w->watches[n];
        if (watching->number != w->number)
            broken(w, "it never came to the last number", n);
        watching->due_us = CPS_TIME_NEVER;
        cps_command_t command = {.kind = below(w, 2) == 0 ? CPS_COMMAND_END : CPS_COMMAND_CANCEL,
                                 .u.handle = watching->handle};
        if (watching->handle != 0 && submit(w, &w->client, &command, NULL) != CPS_OK)
            broken(w, "it could not be ended", n);
        if (command.kind == CPS_COMMAND_CANCEL)
            watching->handle = 0;
    }
    run(w, &w->client);
    w->changes[0] = w->now_us + 10 * SECOND; /* forgotten observers are told once more */
    w->change_at = 0;
    w->change_count = 1;
}

static void happen(watch_world_t *w)
{
    if (w->next_phase_us <= w->now_us && w->phase == BUSY)
        calm_down(w);
    else if (w->next_phase_us <= w->now_us)
        end_all(w);
    for (uint32_t i = 0; i < w->crash_count; i++)
        if (w->crashes[i] <= w->now_us) {
            w->crashes[i] = w->crashes[--w->crash_count];
            crash(w);
        }
    while (w->change_at < w->change_count && w->changes[w->change_at] <= w->now_us) {
        w->change_at++;
        change(w);
    }
    for (unsigned n = 0; n < w->watch_count; n++)
        if (w->watches[n].due_us <= w->now_us)
            watch(w, n);
}

static cps_time_us_t earlier(cps_time_us_t a, cps_time_us_t b) { return a < b ? a : b; }

static cps_time_us_t next_time(const watch_world_t *w)
{
    cps_time_us_t when = earlier(cps_sim_node_next(&w->client), cps_sim_node_next(&w->server));
    when = earlier(when, cps_simlink_next(&w->link));
    when = earlier(when, w->next_phase_us);
    if (w->change_at < w->change_count)
        when = earlier(when, w->changes[w->change_at]);
    for (uint32_t i = 0; i < w->crash_count; i++)
        when = earlier(when, w->crashes[i]);
    for (unsigned n = 0; n < w->watch_count; n++)
        when = earlier(when, w->watches[n].due_us);
    return when;
}

/* ---- how this world is ---- */

static void draw_network(watch_world_t *w)
{
    cps_simlink_quality_t q = {.delay_us = 1000 + below(w, 200000), .jitter_us = below(w, 50000)};
    if (!w->told && below(w, 4) != 0) {
        q.loss_ppm = below(w, 300000);
        q.duplicate_ppm = below(w, 100000);
        q.reorder_ppm = below(w, 200000);
        q.reorder_us = below(w, 3000000);
    }
    cps_simlink_set_all(&w->link, &q);
}

static void draw_script(watch_world_t *w)
{
    cps_time_us_t when = START_US + SECOND;
    w->store_us = below(w, 500000);
    w->max_age_s = w->told ? 100000 : 5 + below(w, 60);
    w->non_percent = below(w, 101);
    w->number = 1;
    w->change_count = 5 + below(w, CHANGES_MAX - 5);
    for (uint32_t i = 0; i < w->change_count; i++) {
        when += below(w, 3) == 0 ? below(w, 1000) : below(w, 5000000);
        w->changes[i] = when;
    }
    uint32_t span = (uint32_t)(when - START_US);
    w->watch_count = 1 + below(w, WATCHES_MAX);
    w->report->watches = w->watch_count;
    for (uint32_t n = 0; n < w->watch_count; n++)
        w->watches[n] =
            (watching_t){.due_us = START_US + below(w, span / 2), .sealed = below(w, 2) == 0, .non = below(w, 4) == 0};
    for (uint32_t n = w->told || below(w, 2) == 0 ? 0 : below(w, CRASHES_MAX + 1); n > 0; n--)
        w->crashes[w->crash_count++] = START_US + below(w, span);
    w->next_phase_us = when + SECOND;
}

static cps_err_t make_nodes(watch_world_t *w)
{
    cps_ep_config_t config = {.peers = 8,
                              .contexts = 2,
                              .requests_in = 16,
                              .requests_out = 16,
                              .waiting = 16,
                              .dedup_bytes = 32768,
                              .output_slots = 16,
                              .message_max = 512,
                              .observers = 16,
                              .observers_per_peer = 8};
    cps_err_t err = cps_sim_node_init(&w->client, &w->spy, CPS_SIM_CLIENT, &config);
    return err == CPS_OK ? cps_sim_node_init(&w->server, &w->spy, CPS_SIM_SERVER, &config) : err;
}

static cps_err_t make_network(watch_world_t *w)
{
    static const cps_simlink_config_t link = {.nodes = 2, .addresses = 2, .queue = 256, .slot_bytes = 700};
    cps_arena_t probe = cps_arena_measure();
    cps_simlink_init(&w->link, &probe, &link, w->rng);
    w->network = calloc(1, cps_arena_need(&probe));
    if (w->network == NULL)
        return CPS_ERR_MEMORY;
    cps_arena_t arena = cps_arena(w->network, cps_arena_need(&probe));
    cps_simlink_init(&w->link, &arena, &link, w->rng);
    cps_err_t err = cps_simlink_attach(&w->link, CPS_SIM_CLIENT, &client_addr);
    return err == CPS_OK ? cps_simlink_attach(&w->link, CPS_SIM_SERVER, &server_addr) : err;
}

static cps_err_t make(watch_world_t *w, uint64_t seed, cps_crypto_t *crypto)
{
    w->rng = cps_rng_from_seed(&w->seeded, seed);
    w->now_us = START_US;
    cps_err_t err = cps_spy_init(&w->spy, crypto, cps_rng_from_seed(&w->ep_seeded, seed ^ 0x0b5e57e0b5e57eU));
    if (err == CPS_OK)
        err = make_network(w);
    if (err == CPS_OK)
        err = make_nodes(w);
    if (err != CPS_OK)
        return err;
    w->told = below(w, 4) == 0;
    draw_network(w);
    draw_script(w);
    return CPS_OK;
}

static void check(watch_world_t *w)
{
    const cps_sim_node_t *nodes[] = {&w->client, &w->server};
    for (int i = 0; i < 2; i++) {
        cps_ep_stats_t stats;
        const cps_ep_config_t *config = &nodes[i]->config;
        cps_ep_stats(nodes[i]->ep, &stats);
        if (stats.dedup_bytes > stats.dedup_limit || stats.observers > config->observers ||
            stats.requests_in > config->requests_in || stats.requests_out > config->requests_out ||
            !cps_sim_node_is_whole(nodes[i]))
            broken(w, "memory is over its budget", WATCHES_MAX);
    }
    if (w->spy.repeated || w->spy.full)
        broken(w, "a (key, nonce) was used twice, or there were too many", WATCHES_MAX);
}

static void check_end(watch_world_t *w)
{
    const cps_sim_node_t *nodes[] = {&w->client, &w->server};
    for (int i = 0; i < 2; i++) {
        cps_ep_stats_t stats;
        cps_ep_stats(nodes[i]->ep, &stats);
        if (stats.observers + stats.requests_in + stats.requests_out + stats.waiting != 0)
            broken(w, i == 0 ? "the client did not come to rest" : "the server did not come to rest", WATCHES_MAX);
    }
    if (w->phase != ENDING || w->observer_count != 0)
        broken(w, "it did not end", WATCHES_MAX);
}

static void destroy(watch_world_t *w)
{
    cps_sim_node_fini(&w->client);
    cps_sim_node_fini(&w->server);
    cps_spy_fini(&w->spy);
    free(w->network);
    free(w);
}

cps_err_t cps_watch_run(uint64_t seed, cps_crypto_t *crypto, FILE *trace, cps_watch_report_t *report)
{
    memset(report, 0, sizeof *report);
    watch_world_t *w = calloc(1, sizeof *w);
    if (w == NULL)
        return CPS_ERR_MEMORY;
    w->trace = trace;
    w->report = report;
    cps_err_t err = make(w, seed, crypto);
    for (cps_time_us_t when;
         err == CPS_OK && !report->failed && (when = next_time(w)) != CPS_TIME_NEVER && report->steps < STEPS_MAX;
         report->steps++) {
        w->now_us = when > w->now_us ? when : w->now_us;
        travel(w);
        happen(w);
        tick(w, &w->client);
        tick(w, &w->server);
        check(w);
    }
    if (err == CPS_OK && !report->failed)
        check_end(w);
    destroy(w);
    return err;
}
