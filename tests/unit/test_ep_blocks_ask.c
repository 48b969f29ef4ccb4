// SPDX-License-Identifier: Apache-2.0
/* Bodies in blocks between two endpoints (RFC 7959 §2.4 to §2.7), plain and sealed. */
#include "blocks_pair.h"

static const size_t lengths[] = {0, 1, 63, 64, 65, 1023, 1024, 1025, 2048, 5000, 65536};

static void goes_down(bool sealed)
{
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        pair_t pair = pair_new(sealed);
        app_t *app = app_of(pair.client);
        app_of(pair.server)->down = blocks_body(lengths[i], 0);
        app_of(pair.server)->down_len = lengths[i];
        cps_command_request_t r = ask(&pair, CPS_GET);
        run(&pair, &r);
        assert_int_equal(pair.client->failures, 0);
        assert_bytes(cps_bytes(blocks_body(lengths[i], 0), lengths[i]), cps_bytes(app->got, app->got_len));
        assert_int_equal(app->parts,
                         lengths[i] <= 1024 && !sealed ? 1 : (lengths[i] + 1023) / 1024 + (lengths[i] == 0));
        assert_false(pair.client->last.u.response.more);
        pair_free(&pair);
    }
}

static void a_body_comes_down(void **state)
{
    (void)state;
    goes_down(false);
}

static void goes_up(bool sealed, bool stream)
{
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        pair_t pair = pair_new(sealed);
        const uint8_t *body = blocks_body(lengths[i], 1);
        cps_command_request_t r = ask(&pair, CPS_PUT);
        r.stream = stream;
        app_of(pair.client)->source = body;
        app_of(pair.client)->source_len = lengths[i];
        if (!stream)
            r.payload = cps_bytes(body, lengths[i]);
        run(&pair, &r);
        assert_int_equal(pair.client->responses, 1);
        assert_int_equal(pair.client->last.u.response.message.code, CPS_CHANGED);
        assert_int_equal(app_of(pair.server)->runs, 1);
        assert_bytes(cps_bytes(body, lengths[i]), cps_bytes(app_of(pair.server)->up, app_of(pair.server)->up_len));
        pair_free(&pair);
    }
}

static void a_body_goes_up(void **state)
{
    (void)state;
    goes_up(false, false);
    goes_up(false, true);
}

static void sealed_bodies_go_by_inner_blocks(void **state)
{
    (void)state;
    goes_down(true);
    goes_up(true, false);
    goes_up(true, true);
}

/* Both ways at once, with loss: each datagram lost once. */
static void both_ways(bool sealed)
{
    pair_t pair = pair_new(sealed);
    app_t *server = app_of(pair.server);
    server->down = blocks_body(4096, 2);
    server->down_len = 4096;
    cps_command_request_t r = ask(&pair, CPS_POST);
    r.payload = cps_bytes(blocks_body(4096, 3), 4096);
    rig_request(pair.client, &r);
    for (unsigned i = 0; i < 400 && pair.client->last.kind != CPS_EVENT_FAILED; i++) {
        bool lose = i % 2 == 0;
        if (lose)
            rig_clear(pair.client);
        rig_carry(pair.client, pair.server);
        if (i % 3 == 0)
            rig_clear(pair.server);
        rig_carry(pair.server, pair.client);
        if (pair.client->out_count == 0)
            rig_advance(pair.client, 3000000);
    }
    assert_int_equal(pair.client->failures, 0);
    assert_int_equal(server->runs, 1);
    assert_bytes(cps_bytes(blocks_body(4096, 3), 4096), cps_bytes(server->up, server->up_len));
    assert_bytes(cps_bytes(server->down, 4096), cps_bytes(app_of(pair.client)->got, app_of(pair.client)->got_len));
    pair_free(&pair);
}

static void both_bodies_go_under_loss(void **state)
{
    (void)state;
    both_ways(false);
    both_ways(true);
}

/* A network that carries no more than 400 bytes: every larger datagram comes back as an error. */
static void narrow(bool sealed, bool stream)
{
    pair_t pair = pair_new(sealed);
    cps_command_request_t r = ask(&pair, CPS_PUT);
    app_of(pair.client)->source = blocks_body(5000, 1);
    app_of(pair.client)->source_len = 5000;
    r.stream = stream;
    if (!stream)
        r.payload = cps_bytes(blocks_body(5000, 1), 5000);
    rig_request(pair.client, &r);
    while (pair.client->out_count != 0) {
        rig_packet_t last = pair.client->out[pair.client->out_count - 1];
        if (last.len > 400) {
            rig_clear(pair.client);
            cps_ep_error(pair.client->ep, pair.client->now_us, &last.path, CPS_NET_TOO_LARGE,
                         cps_bytes(last.bytes, last.len));
            rig_run(pair.client);
            continue;
        }
        rig_carry(pair.client, pair.server);
        rig_carry(pair.server, pair.client);
    }
    assert_int_equal(pair.client->responses, 1);
    assert_int_equal(app_of(pair.server)->runs, 1);
    assert_bytes(cps_bytes(blocks_body(5000, 1), 5000),
                 cps_bytes(app_of(pair.server)->up, app_of(pair.server)->up_len));
    pair_free(&pair);
}

static void a_narrow_network_gets_smaller_blocks(void **state)
{
    (void)state;
    narrow(false, false);
    narrow(false, true);
    narrow(true, false);
    narrow(true, true);
}

static const cps_case_t cases[] = {
    {"", "a body of any length comes down whole", a_body_comes_down},
    {"BLK-7", "a body of any length goes up whole", a_body_goes_up},
    {"OSC-17", "sealed bodies go by inner blocks", sealed_bodies_go_by_inner_blocks},
    {"BLK-32 BLK-33", "both bodies go in one exchange under loss", both_bodies_go_under_loss},
    {"OPS-36", "a network that carries less gets smaller blocks", a_narrow_network_gets_smaller_blocks},
};

CPS_RUN("endpoint: bodies in blocks, both ends", cases)
