// SPDX-License-Identifier: Apache-2.0
/* Many observers at once, and observers behind a network that loses messages. */
#include "observe_kit.h"

#include "exch/observer.h"

/* ---- loss ---- */

static void fast(cps_ep_config_t *config) { config->transmission.probing_rate = UINT32_MAX; }

/* What one sent reaches the other, three of ten messages lost. */
static void carry_some(rig_t *from, rig_t *to, cps_rng_t *chance)
{
    size_t count = from->out_count;
    static rig_packet_t packets[RIG_OUT_MAX];
    memcpy(packets, from->out, count * sizeof *packets);
    rig_clear(from);
    for (size_t i = 0; i < count; i++)
        if (cps_rng_below(chance, 10) >= 3)
            give(to, &packets[i]);
}

/* A registration that was never answered is made anew by whoever observes (src/client/observe.c). */
static void pass_time(pair_t *p, uint64_t us, cps_rng_t *chance)
{
    if (p->client->failures != 0) {
        p->client->failures = 0;
        submit(p, p->sealed ? p->context : 0, true);
    }
    rig_advance(p->client, us);
    rig_advance(p->server, us);
    carry_some(p->client, p->server, chance);
    carry_some(p->server, p->client, chance);
}

static void converge(bool sealed, uint64_t seed)
{
    pair_t p;
    char text[16];
    cps_rng_seeded_t seeded;
    cps_rng_t chance = cps_rng_from_seed(&seeded, seed);
    setup_with(&p, fast);
    p.sealed = sealed;
    submit(&p, sealed ? p.context : 0, true);
    for (unsigned i = 0; i < 200; i++)
        pass_time(&p, SECOND / 2, &chance); /* until it is registered */
    for (unsigned i = 1; i <= 1000; i++) {
        snprintf(text, sizeof text, "%u", i);
        p.server->state = text;
        if (rig_submit_handle(p.server, CPS_COMMAND_CHANGED, p.server->observer) == CPS_OK)
            rig_run(p.server);
        pass_time(&p, SECOND / 5, &chance);
    }
    for (unsigned i = 0; i < 1000; i++)
        pass_time(&p, SECOND / 2, &chance);
    print_message("seed %llu: %u notifications taken, %u times stale\n", (unsigned long long)seed, p.client->responses,
                  p.client->stales);
    assert_bytes(CPS_BYTES_LIT("1000"), last_payload(&p));
    teardown(&p);
}

static void observers_converge_under_loss(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++)
        converge(seed % 2 == 0, seed);
}

/* ---- many ---- */

#define MANY 10000U

static void many(cps_ep_config_t *config)
{
    config->observers = MANY + MANY / 2;
    config->observers_per_peer = 60000;
    config->peers = 64;
    config->notice_bytes = 4U << 20U;
    config->dedup_bytes = 8U << 20U;
    config->transmission.nstart = MANY;
    config->transmission.unsafe = true;
    config->requests_in = 64;
}

/* Each sealed registration has a token of its own; what the server sends back is not looked at. */
static void register_all(rig_t *client, rig_t *server, cps_handle_t context, cps_handle_t *observers)
{
    cps_option_t options[2] = {{CPS_OPT_URI_PATH, CPS_BYTES_LIT("s")}, {CPS_OPT_OBSERVE, {NULL, 0}}};
    for (uint32_t i = 0; i < MANY; i++) {
        uint8_t token[4];
        cps_put_be32(token, i);
        cps_command_request_t r = {.path = rig_path(1, 5683),
                                   .code = CPS_GET,
                                   .options = options,
                                   .option_count = 2,
                                   .token = cps_bytes(token, sizeof token),
                                   .non_confirmable = true,
                                   .context = context};
        cps_handle_t handle = rig_request(client, &r);
        rig_carry(client, server);
        observers[i] = server->observer;
        assert_int_not_equal(observers[i], 0);
        rig_clear(server);
        assert_ok(rig_submit_handle(client, CPS_COMMAND_CANCEL, handle));
    }
}

static void ten_thousand_need_few_commits(void **state)
{
    (void)state;
    static cps_handle_t observers[MANY];
    rig_t *client = rig_new(2, fast);
    rig_t *server = rig_new(1, many);
    cps_handle_t context = rig_context(client, true);
    (void)rig_context(server, false);
    register_all(client, server, context, observers);
    unsigned before = server->jobs;
    size_t sent = 0;
    for (uint32_t i = 0; i < MANY; i++)
        assert_ok(rig_submit_handle(server, CPS_COMMAND_CHANGED, observers[i]));
    rig_run(server);
    while (server->out_count != 0) { /* the rig's tape is shorter than all of it */
        sent += server->out_count;
        rig_clear(server);
        rig_run(server);
    }
    print_message("%zu notifications, %u commits\n", sent, server->jobs - before);
    assert_int_equal(sent, MANY);
    assert_true(server->jobs - before <= 10); /* each is a commit at most: leases double */
    assert_true(sizeof(cps_observer_t) <= 128);
    rig_free(client);
    rig_free(server);
}

static const cps_case_t cases[] = {
    {"OBS-23", "observers end with the last state, whatever is lost", observers_converge_under_loss},
    {"", "10,000 observers that change at once need 10 commits at most", ten_thousand_need_few_commits},
};

CPS_RUN("ep_observe_many", cases)
