// SPDX-License-Identifier: Apache-2.0
#include "sim/world.h"

#include "sim/clock.h"
#include "sim/world_life.h"

#include <stdlib.h>

#define SECOND      1000000ULL
#define STEPS_MAX   200000U
#define CLIENT_PORT 40000U
#define LINK_QUEUE  256U
#define START_US    (100000 * SECOND) /* of the world's clock: that of a node can go back */

static const cps_addr_t server_addr = {.ip = {10, 0, 0, 1}, .port = 5683, .family = CPS_FAMILY_IPV4};
static const cps_addr_t client_addr = {.ip = {10, 0, 0, 2}, .port = CLIENT_PORT, .family = CPS_FAMILY_IPV4};
static const cps_addr_t proxy_addr = {.ip = {10, 0, 0, 3}, .port = 5683, .family = CPS_FAMILY_IPV4};

static uint32_t below(cps_world_t *w, uint32_t bound) { return cps_rng_below(&w->rng, bound); }

static bool one_in(cps_world_t *w, uint32_t n) { return below(w, n) == 0; }

/* ---- how this world is ---- */

static void draw_network(cps_world_t *w)
{
    cps_simlink_quality_t q = {.delay_us = 1000 + below(w, 200000), .jitter_us = below(w, 50000)};
    if (!one_in(w, 4)) {
        q.loss_ppm = below(w, 300000);
        q.duplicate_ppm = below(w, 100000);
        q.reorder_ppm = below(w, 200000);
        q.reorder_us = below(w, 3000000);
    }
    if (one_in(w, 8))
        q.mtu = 80 + below(w, 200);
    cps_simlink_set_all(&w->link, &q);
    w->calm = q.loss_ppm == 0 && q.mtu == 0;
}

static void draw_server(cps_world_t *w)
{
    w->ledger.fresh_us = one_in(w, 2) ? (1 + below(w, 10)) * SECOND : 0;
    w->slow_percent = one_in(w, 2) ? below(w, 60) : 0;
    w->answer_max = one_in(w, 3) ? below(w, 300) : 0;
    w->store_us = one_in(w, 3) ? below(w, 2000000) : below(w, 20000);
    w->store_refuses_percent = one_in(w, 5) ? below(w, 50) : 0;
}

static cps_err_t make_nodes(cps_world_t *w)
{
    cps_ep_config_t config = {.peers = 16,
                              .contexts = 2,
                              .requests_in = 16,
                              .requests_out = 32,
                              .waiting = 16,
                              .dedup_bytes = (size_t)(1 + below(w, 32)) * 1024,
                              .request_bytes = 16384,
                              .output_slots = 16,
                              .message_max = 512};
    if (one_in(w, 2)) {
        config.transmission.nstart = 1 + below(w, 8);
        config.transmission.unsafe = true;
    }
    cps_err_t err = cps_sim_node_init(&w->nodes[CPS_SIM_CLIENT], &w->spy, CPS_SIM_CLIENT, &config);
    return err == CPS_OK ? cps_sim_node_init(&w->nodes[CPS_SIM_SERVER], &w->spy, CPS_SIM_SERVER, &config) : err;
}

static cps_err_t make_proxy(cps_world_t *w)
{
    cps_sim_node_t *node = &w->nodes[CPS_SIM_PROXY];
    cps_ep_config_t config = {.peers = 16,
                              .contexts = 1,
                              .requests_in = one_in(w, 4) ? 4 : 32,
                              .requests_out = 32,
                              .dedup_bytes = 32768,
                              .request_bytes = 32768,
                              .output_slots = 16};
    config.transmission.nstart = 1 + below(w, 8);
    config.transmission.unsafe = true;
    cps_proxy_endpoint(&config);
    w->proxy.node = node;
    w->proxy.rng = w->ep_rng;
    w->proxy.lookup_us = below(w, 3000000);
    cps_err_t err = cps_sim_node_init(node, &w->spy, CPS_SIM_PROXY, &config);
    return err == CPS_OK ? cps_sim_proxy_up(&w->proxy) : err;
}

/* Half of the worlds have a proxy on the way. */
static cps_err_t make_route(cps_world_t *w)
{
    w->route = one_in(w, 2) ? CPS_SIM_DIRECT : one_in(w, 4) ? CPS_SIM_STRANGE : CPS_SIM_PROXIED;
    w->nodes[CPS_SIM_PROXY].role = CPS_SIM_PROXY;
    w->proxy.front = w->proxy.back = proxy_addr;
    w->proxy.back.port = 40000;
    w->proxy.origin = w->server_addr;
    w->stranger = (cps_sim_stranger_t){.front = w->proxy.front,
                                       .back = w->proxy.back,
                                       .origin = w->server_addr,
                                       .rng = w->ep_rng,
                                       .hasty_percent = one_in(w, 2) ? below(w, 50) : 0};
    w->ledger.report->relayed = w->route == CPS_SIM_PROXIED;
    w->ledger.report->strange = w->route == CPS_SIM_STRANGE;
    w->ledger.tampered = w->route == CPS_SIM_STRANGE; /* it takes each copy for a new request */
    return w->route == CPS_SIM_PROXIED ? make_proxy(w) : CPS_OK;
}

static cps_err_t make_network(cps_world_t *w)
{
    static const cps_simlink_config_t link = {
        .nodes = CPS_SIM_NODES, .addresses = 4, .queue = LINK_QUEUE, .slot_bytes = 700};
    static const cps_foe_config_t foe = {
        .rules = 8, .records = 512, .tape_bytes = 65536, .slots = 64, .slot_bytes = 700};
    cps_arena_t probe = cps_arena_measure();
    cps_simlink_init(&w->link, &probe, &link, w->rng);
    cps_foe_init(&w->foe, &probe, &foe);
    size_t need = cps_arena_need(&probe);
    w->network = calloc(1, need);
    if (w->network == NULL)
        return CPS_ERR_MEMORY;
    cps_arena_t arena = cps_arena(w->network, need);
    cps_simlink_init(&w->link, &arena, &link, w->rng);
    cps_foe_init(&w->foe, &arena, &foe);
    cps_addr_t any_port = client_addr;
    any_port.port = 0;
    cps_err_t err = cps_simlink_attach(&w->link, CPS_SIM_SERVER, &server_addr);
    if (err == CPS_OK)
        err = cps_simlink_attach(&w->link, CPS_SIM_CLIENT, &any_port);
    any_port = proxy_addr;
    any_port.port = 0;
    return err == CPS_OK ? cps_simlink_attach(&w->link, CPS_SIM_PROXY, &any_port) : err;
}

static cps_err_t make(cps_world_t *w, uint64_t seed, cps_crypto_t *crypto)
{
    w->rng = cps_rng_from_seed(&w->seeded, seed);
    w->ep_rng = cps_rng_from_seed(&w->ep_seeded, seed ^ 0x5eed5eed5eed5eedU);
    w->client_addr = client_addr;
    w->server_addr = server_addr;
    w->start_us = w->now_us = START_US;
    cps_err_t err = cps_spy_init(&w->spy, crypto, w->ep_rng);
    if (err == CPS_OK)
        err = make_network(w);
    if (err == CPS_OK)
        err = make_nodes(w);
    if (err == CPS_OK)
        err = make_route(w);
    if (err != CPS_OK)
        return err;
    draw_network(w);
    draw_server(w);
    cps_sim_script_draw(w);
    w->calm = w->calm && w->plan_count == 0 && w->store_refuses_percent == 0;
    return CPS_OK;
}

static void destroy(cps_world_t *w)
{
    cps_sim_proxy_down(&w->proxy);
    for (int role = 0; role < CPS_SIM_NODES; role++)
        cps_sim_node_fini(&w->nodes[role]);
    cps_spy_fini(&w->spy);
    free(w->network);
    free(w);
}

/* ---- its time ---- */

static cps_time_us_t earlier(cps_time_us_t a, cps_time_us_t b) { return a < b ? a : b; }

static cps_time_us_t next_time(const cps_world_t *w)
{
    cps_time_us_t when = cps_sim_node_next(&w->nodes[CPS_SIM_CLIENT]);
    if (when != CPS_TIME_NEVER && when < w->asleep_until_us)
        when = w->asleep_until_us;
    when = earlier(when, cps_sim_node_next(&w->nodes[CPS_SIM_SERVER]));
    when = earlier(when, cps_sim_node_next(&w->nodes[CPS_SIM_PROXY]));
    when = earlier(when, cps_sim_proxy_next(&w->proxy));
    when = earlier(when, cps_simlink_next(&w->link));
    when = earlier(when, cps_foe_next(&w->foe));
    when = earlier(when, cps_sim_plan_next(w));
    return earlier(when, cps_sim_script_next(w));
}

cps_err_t cps_world_run(uint64_t seed, cps_crypto_t *crypto, FILE *trace, cps_world_report_t *report)
{
    memset(report, 0, sizeof *report);
    cps_world_t *w = calloc(1, sizeof *w);
    if (w == NULL)
        return CPS_ERR_MEMORY;
    w->trace = trace;
    w->ledger.report = report;
    cps_err_t err = make(w, seed, crypto);
    while (err == CPS_OK && !report->failed && report->steps < STEPS_MAX) {
        cps_time_us_t when = next_time(w);
        if (when == CPS_TIME_NEVER)
            break;
        if (when > w->now_us)
            w->now_us = when;
        w->ledger.now_us = w->now_us - w->start_us;
        report->steps++;
        cps_sim_step(w);
        cps_sim_check(&w->ledger, w->nodes);
    }
    if (err == CPS_OK && !report->failed) {
        if (report->steps == STEPS_MAX)
            cps_sim_broken(&w->ledger, "it did not come to rest", CPS_WORLD_REQUESTS_MAX);
        cps_sim_check_end(&w->ledger, w->nodes);
        if (w->calm)
            cps_sim_check_calm(w);
    }
    report->ended_us = w->now_us - w->start_us;
    destroy(w);
    return err;
}
