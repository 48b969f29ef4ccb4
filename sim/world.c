// SPDX-License-Identifier: Apache-2.0
#include "sim/world.h"

#include "sim/clock.h"
#include "sim/world_life.h"

#include <stdlib.h>

#define SECOND      1000000ULL
#define STEPS_MAX   200000U
#define CLIENT_PORT 40000U
#define LINK_QUEUE  256U

static const cps_addr_t server_addr = {.ip = {10, 0, 0, 1}, .port = 5683, .family = CPS_FAMILY_IPV4};
static const cps_addr_t client_addr = {.ip = {10, 0, 0, 2}, .port = CLIENT_PORT, .family = CPS_FAMILY_IPV4};

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
    w->fresh_us = one_in(w, 2) ? (1 + below(w, 10)) * SECOND : 0;
    w->slow_percent = one_in(w, 2) ? below(w, 60) : 0;
    w->store_us = one_in(w, 3) ? below(w, 2000000) : below(w, 20000);
    w->store_refuses_percent = one_in(w, 5) ? below(w, 50) : 0;
}

static void draw_script(cps_world_t *w)
{
    static const uint8_t methods[] = {CPS_GET, CPS_PUT, CPS_POST, CPS_DELETE, CPS_FETCH, CPS_PATCH, CPS_IPATCH};
    uint32_t count = 4 + below(w, 24);
    cps_time_us_t when = SECOND;
    for (uint32_t n = 0; n < count; n++) {
        w->script[n].code = methods[below(w, sizeof methods)];
        w->script[n].sealed = !one_in(w, 4);
        w->script[n].non = one_in(w, 5);
        w->script[n].when_us = when;
        when += one_in(w, 3) ? below(w, 1000) : below(w, 4000000);
    }
    w->script_count = count;
    w->script_end_us = when;
    for (uint32_t n = one_in(w, 2) ? below(w, 4) : 0; n > 0; n--)
        cps_sim_plan(w, one_in(w, 4) ? CPS_SIM_CLIENT_DOWN : CPS_SIM_SERVER_DOWN, below(w, (uint32_t)when));
    for (uint32_t n = one_in(w, 2) ? below(w, 12) : 0; n > 0; n--)
        cps_sim_plan(w, CPS_SIM_ATTACK, below(w, (uint32_t)when) + below(w, 10000000));
    if (one_in(w, 6))
        cps_sim_plan(w, CPS_SIM_REBIND, below(w, (uint32_t)when));
    if (one_in(w, 6))
        cps_sim_plan(w, CPS_SIM_SLEEP, below(w, (uint32_t)when));
    w->calm = w->calm && w->plan_count == 0 && w->store_refuses_percent == 0;
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
    cps_err_t err = cps_sim_node_init(&w->client, &w->spy, true, &config);
    return err == CPS_OK ? cps_sim_node_init(&w->server, &w->spy, false, &config) : err;
}

static cps_err_t make_network(cps_world_t *w)
{
    static const cps_simlink_config_t link = {.nodes = 2, .addresses = 4, .queue = LINK_QUEUE, .slot_bytes = 700};
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
    return err == CPS_OK ? cps_simlink_attach(&w->link, CPS_SIM_CLIENT, &any_port) : err;
}

static cps_err_t make(cps_world_t *w, uint64_t seed, cps_crypto_t *crypto)
{
    w->rng = cps_rng_from_seed(&w->seeded, seed);
    w->ep_rng = cps_rng_from_seed(&w->ep_seeded, seed ^ 0x5eed5eed5eed5eedU);
    w->client_addr = client_addr;
    w->server_addr = server_addr;
    w->now_us = 100 * SECOND;
    cps_err_t err = cps_spy_init(&w->spy, crypto, w->ep_rng);
    if (err == CPS_OK)
        err = make_network(w);
    if (err == CPS_OK)
        err = make_nodes(w);
    if (err != CPS_OK)
        return err;
    draw_network(w);
    draw_server(w);
    draw_script(w);
    return CPS_OK;
}

static void destroy(cps_world_t *w)
{
    cps_sim_node_fini(&w->client);
    cps_sim_node_fini(&w->server);
    cps_spy_fini(&w->spy);
    free(w->network);
    free(w);
}

/* ---- its time ---- */

static cps_time_us_t earlier(cps_time_us_t a, cps_time_us_t b) { return a < b ? a : b; }

static cps_time_us_t node_next(const cps_sim_node_t *node)
{
    return node->ep == NULL ? CPS_TIME_NEVER : earlier(cps_ep_deadline(node->ep), node->lease.due_us);
}

static cps_time_us_t next_time(const cps_world_t *w)
{
    cps_time_us_t when = node_next(&w->client);
    if (when != CPS_TIME_NEVER && when < w->asleep_until_us)
        when = w->asleep_until_us;
    when = earlier(when, node_next(&w->server));
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
    cps_time_us_t start = w->now_us;
    while (err == CPS_OK && !report->failed && report->steps < STEPS_MAX) {
        cps_time_us_t when = next_time(w);
        if (when == CPS_TIME_NEVER)
            break;
        if (when > w->now_us)
            w->now_us = when;
        w->ledger.now_us = w->now_us - start;
        report->steps++;
        cps_sim_step(w);
        cps_sim_check(&w->ledger, &w->client, &w->server);
    }
    if (err == CPS_OK && !report->failed) {
        if (report->steps == STEPS_MAX)
            cps_sim_broken(&w->ledger, "it did not come to rest", CPS_WORLD_REQUESTS_MAX);
        cps_sim_check_end(&w->ledger, &w->client, &w->server);
        if (w->calm)
            cps_sim_check_calm(w);
    }
    report->ended_us = w->now_us - start;
    destroy(w);
    return err;
}
