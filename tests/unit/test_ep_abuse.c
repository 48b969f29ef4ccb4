// SPDX-License-Identifier: Apache-2.0
/* What a peer, or somebody who spoofs one, may try: each case was a way in once. */
#include "rig.h"

#include <stdlib.h>

static cps_option_t path_option;

static cps_command_request_t ask(uint8_t code, cps_handle_t context)
{
    cps_command_request_t r = rig_get(1, &path_option, "lock");
    r.code = code;
    r.context = context;
    return r;
}

static void echo_body(rig_t *rig, const cps_event_t *event)
{
    cps_command_t command = {
        .kind = CPS_COMMAND_REPLY,
        .u.reply = {.request = event->handle, .code = CPS_CHANGED, .payload = event->u.request.message.payload}};
    assert_ok(cps_ep_submit(rig->ep, rig->now_us, &command, NULL));
}

static void a_handler_may_answer_with_the_views_of_its_request(void **state)
{
    (void)state;
    rig_t *client = rig_new(2, NULL);
    rig_t *server = rig_new(1, NULL);
    cps_command_request_t r = ask(CPS_PUT, rig_context(client, true));
    (void)rig_context(server, false);
    server->on_request = echo_body;
    r.payload = CPS_BYTES_LIT("a body that is longer than the options in front of it");
    rig_request(client, &r);
    rig_shuttle(client, server);
    assert_int_equal(client->responses, 1);
    assert_bytes(r.payload, client->last.u.response.message.payload);
    rig_free(client);
    rig_free(server);
}

static void other_bytes_under_a_known_message_id_are_no_duplicate(void **state)
{
    (void)state;
    rig_t *server = rig_new(1, NULL);
    rig_t *client = rig_new(2, NULL);
    (void)rig_context(server, false);
    cps_command_request_t r = ask(CPS_PUT, rig_context(client, true));
    rig_request(client, &r);
    rig_packet_t sealed = client->out[0];
    uint8_t spoofed[] = {0x40, CPS_GET, sealed.bytes[2], sealed.bytes[3]};
    rig_in(server, 2, 5683, cps_bytes(spoofed, sizeof spoofed)); /* the client's address and next Message ID */
    assert_int_equal(server->requests, 1);
    rig_in(server, 2, 5683, cps_bytes(sealed.bytes, sealed.len));
    assert_int_equal(server->requests, 2); /* the true one runs */
    rig_clear(server);
    uint8_t small[] = {0x40, CPS_POST, sealed.bytes[2], sealed.bytes[3]}; /* and does not draw its answer */
    rig_in(server, 2, 5683, cps_bytes(small, sizeof small));
    for (size_t i = 0; i < server->out_count; i++)
        assert_true(rig_sent(server, i).len + 62 <= 3 * (sizeof small + 62));
    rig_free(client);
    rig_free(server);
}

static void one_key_is_never_two_contexts(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    cps_handle_t handle = rig_context(rig, false);
    cps_context_t again = {.size = sizeof again,
                           .master_secret = hex("0102030405060708090a0b0c0d0e0f10"),
                           .master_salt = hex("9e7ca92223786340"),
                           .sender_id = CPS_BYTES_LIT("\x01"),
                           .recipient_id = CPS_BYTES_LIT("other"), /* the Sender Key is the same all the same */
                           .window_size = -1,
                           .has_state = true};
    assert_err(CPS_ERR_IN_USE, cps_ep_context_add(rig->ep, &again, &handle));
    again.recipient_id = cps_bytes(NULL, 0);
    assert_err(CPS_ERR_IN_USE, cps_ep_context_add(rig->ep, &again, &handle));
    rig_free(rig);
}

static void an_echo_from_before_a_loss_recovers_nothing(void **state)
{
    (void)state;
    rig_t *client = rig_new(2, NULL);
    rig_t *server = rig_new(1, NULL);
    cps_command_request_t r = ask(CPS_PUT, rig_context(client, true));
    cps_handle_t context = rig_context_after_crash(server, false, 64);
    rig_request(client, &r);
    rig_carry(client, server);
    rig_carry(server, client);
    rig_packet_t with_echo = client->out[0];
    rig_carry(client, server);
    assert_int_equal(server->requests, 1);
    assert_ok(cps_ep_context_remove(server->ep, context)); /* and added again, in the same life */
    (void)rig_context_after_crash(server, false, 128);
    rig_in(server, 2, 7777, cps_bytes(with_echo.bytes, with_echo.len));
    assert_int_equal(server->requests, 1);
    rig_free(client);
    rig_free(server);
}

static void few_ways_out(cps_ep_config_t *config)
{
    config->requests_in = 8;
    config->requests_out = 8;
}

static void defer(rig_t *rig, const cps_event_t *event)
{
    assert_ok(rig_submit_handle(rig, CPS_COMMAND_DEFER, event->handle));
}

static void those_who_never_acknowledge_do_not_stop_our_own_requests(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, few_ways_out);
    rig->on_request = defer;
    for (uint16_t i = 0; i < 40; i++) {
        uint8_t get[] = {0x40, CPS_GET, 0, (uint8_t)i};
        rig_in(rig, 3, (uint16_t)(1000 + i), cps_bytes(get, sizeof get));
        rig_advance(rig, 300000);
        rig_reply(rig, rig->last.handle, CPS_CONTENT, "x");
        rig_run(rig);
    }
    rig_clear(rig);
    for (uint8_t host = 10; host < 18; host++) {
        cps_command_request_t r = rig_get(host, &path_option, "a");
        rig_request(rig, &r);
    }
    assert_int_equal(rig->failures, 0);
    assert_int_equal(rig->out_count, 8);
    rig_free(rig);
}

static void few_slots(cps_ep_config_t *config)
{
    config->requests_out = 64;
    config->output_slots = 10;
    config->waiting = 64;
    config->transmission.nstart = 64;
    config->transmission.unsafe = true;
}

static void granted_requests_all_leave_although_the_output_is_small(void **state)
{
    (void)state;
    rig_t *client = rig_new(2, few_slots);
    client->hold_jobs = true;
    cps_command_request_t r = ask(CPS_GET, rig_context(client, true));
    for (int i = 0; i < 40; i++)
        rig_request(client, &r);
    rig_grant(client, CPS_OK);
    rig_run(client);
    assert_int_equal(client->out_count, 40);
    assert_false(cps_ep_pending(client->ep));
    rig_free(client);
}

static void few_peers(cps_ep_config_t *config) { config->peers = 8; }

static void refusals_give_up_nothing_and_use_up_nothing(void **state)
{
    (void)state;
    rig_t *server = rig_new(1, few_peers);
    rig_t *client = rig_new(2, NULL);
    (void)rig_context(server, false);
    cps_command_request_t r = ask(CPS_PUT, rig_context(client, true));
    for (uint16_t port = 1; port <= 8; port++) { /* each peer remembers one sealed exchange */
        rig_request(client, &r);
        rig_packet_t packet = client->out[client->out_count - 1];
        rig_in(server, 2, port, cps_bytes(packet.bytes, packet.len));
        cps_msg_t answer = rig_sent_msg(server, server->out_count - 1);
        assert_int_equal(answer.code, CPS_CHANGED);
        rig_carry(server, client); /* from another port than asked: not taken; ended by hand */
        rig_advance(client, 100000000);
        rig_clear(client);
    }
    cps_ep_stats_t before;
    cps_ep_stats(server->ep, &before);
    for (uint32_t i = 0; i < 40000; i++) { /* NON with option 99 from everywhere */
        uint8_t bad[] = {0x50, CPS_GET, (uint8_t)(i >> 8U), (uint8_t)i, 0xd0, 0x56};
        rig_clear(server);
        rig_in(server, 5, (uint16_t)(i + 1), cps_bytes(bad, sizeof bad));
    }
    cps_ep_stats_t after;
    cps_ep_stats(server->ep, &after);
    assert_int_equal(after.evicted_sealed, before.evicted_sealed);
    assert_int_equal(after.peers, before.peers);
    for (uint32_t i = 0; i < 40000; i++) { /* and from a client that is known: its answers still find a Message ID */
        uint8_t bad[] = {0x50, CPS_GET, (uint8_t)(i >> 8U), (uint8_t)i, 0xd0, 0x56};
        rig_clear(server);
        rig_in(server, 2, 1, cps_bytes(bad, sizeof bad));
    }
    rig_clear(server);
    uint8_t get[] = {0x50, CPS_GET, 0x77, 0x77};
    rig_in(server, 2, 1, cps_bytes(get, sizeof get));
    assert_int_equal(server->out_count, 1);
    assert_int_equal(rig_sent_msg(server, 0).code, CPS_CONTENT);
    rig_free(client);
    rig_free(server);
}

static void plain_posts_from_everywhere_leave_room_for_sealed_ones(void **state)
{
    (void)state;
    rig_t *server = rig_new(1, few_peers);
    rig_t *client = rig_new(2, NULL);
    (void)rig_context(server, false);
    for (uint16_t port = 1; port < 100; port++) {
        uint8_t post[] = {0x40, CPS_POST, 0, 1};
        rig_in(server, 9, port, cps_bytes(post, sizeof post));
    }
    cps_command_request_t r = ask(CPS_PUT, rig_context(client, true));
    rig_clear(server);
    rig_request(client, &r);
    rig_shuttle(client, server);
    assert_int_equal(client->responses, 1);
    rig_free(client);
    rig_free(server);
}

/* The i-th bogus request of the client, whose kid is empty: under its last number, one that it never used, or a kid that
 * nobody has. */
static cps_bytes_t bogus(uint8_t bytes[32], uint32_t i, const rig_packet_t *sealed)
{
    cps_msg_t msg;
    cps_bytes_t option;
    assert_ok(cps_msg_parse(cps_bytes(sealed->bytes, sealed->len), &msg));
    assert_true(cps_opt_find(msg.options, CPS_OPT_OSCORE, &option) && option.len == 2);
    uint8_t value[] = {option.ptr[0], i % 3 == 1 ? 0xf0 : option.ptr[1], 0x77};
    uint8_t body[12] = {(uint8_t)i, (uint8_t)(i >> 8U), (uint8_t)(i >> 16U)};
    cps_writer_t w = cps_writer(bytes, 32);
    cps_write_u8(&w, i % 2 == 0 ? 0x50 : 0x40);
    cps_write_u8(&w, CPS_POST);
    cps_write_u16(&w, (uint16_t)i);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    cps_opt_put(&ow, CPS_OPT_OSCORE, cps_bytes(value, i % 3 == 2 ? 3 : 2));
    cps_write_u8(&w, 0xff);
    cps_write_bytes(&w, cps_bytes(body, sizeof body));
    assert_false(w.failed);
    return cps_written(&w);
}

static void bogus_sealed_requests_leave_nothing(void **state)
{
    (void)state;
    enum { COUNT = 100000, EVERY = 10000 };
    rig_t *server = rig_new(1, NULL);
    rig_t *client = rig_new(2, NULL);
    cps_command_request_t r = ask(CPS_PUT, rig_context(client, true));
    (void)rig_context(server, false);
    unsigned answered = 0;
    rig_packet_t sealed;
    for (uint32_t i = 0; i < COUNT; i++) {
        if (i % EVERY == 0) { /* the honest client among them */
            rig_request(client, &r);
            sealed = client->out[0];
            rig_shuttle(client, server);
            assert_int_equal(client->responses, ++answered);
        }
        uint8_t bytes[32];
        cps_ep_stats_t before;
        cps_ep_stats_t after;
        cps_ep_stats(server->ep, &before);
        rig_in(server, (uint8_t)(3 + i % 250), (uint16_t)(1 + i / 250), bogus(bytes, i, &sealed));
        cps_ep_stats(server->ep, &after);
        assert_true(after.dedup_bytes == before.dedup_bytes && after.peers == before.peers);
        assert_int_equal(after.requests_in + after.waiting, 0);
        rig_clear(server);
    }
    cps_ep_stats_t stats;
    cps_ep_stats(server->ep, &stats);
    const cps_note_kind_t kinds[] = {CPS_NOTE_REPLAY, CPS_NOTE_DECRYPT_FAILED, CPS_NOTE_NO_CONTEXT};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(stats.notes[kinds[i]], i == 0 ? COUNT / 3 + 1 : COUNT / 3);
    assert_int_equal(server->requests, answered);
    rig_free(client);
    rig_free(server);
}

static void an_answer_that_waits_for_a_lease_is_given_once(void **state)
{
    (void)state;
    rig_t *client = rig_new(2, NULL);
    rig_t *server = rig_new(1, NULL);
    server->hold_jobs = true;
    cps_command_request_t r = ask(CPS_PUT, rig_context(client, true));
    (void)rig_context_after_crash(server, false, 64);
    rig_request(client, &r);
    rig_carry(client, server); /* the challenge waits for a number */
    rig_clear(server);
    cps_ep_stats_t stats;
    cps_ep_stats(server->ep, &stats);
    assert_int_equal(stats.waiting, 1);
    rig_grant(server, CPS_ERR_STORE_FULL); /* given up */
    rig_run(server);
    cps_ep_stats(server->ep, &stats);
    assert_int_equal(stats.waiting + stats.requests_in, 0);
    rig_free(client);
    rig_free(server);
}

static void require_echo(rig_t *rig, const cps_event_t *event)
{
    if (event->u.request.echo_age_us == CPS_AGE_UNKNOWN)
        assert_ok(rig_submit_handle(rig, CPS_COMMAND_CHALLENGE, event->handle));
    else
        rig_reply(rig, event->handle, CPS_CHANGED, "");
}

static void a_forged_hint_does_not_shorten_the_repeat(void **state)
{
    (void)state;
    rig_t *client = rig_new(2, NULL);
    rig_t *server = rig_new(1, NULL);
    cps_command_request_t r = ask(CPS_PUT, rig_context(client, true));
    (void)rig_context(server, false);
    server->on_request = require_echo;
    rig_request(client, &r);
    cps_msg_t sent = rig_sent_msg(client, 0);
    uint8_t reset[] = {0x70, 0, (uint8_t)(sent.mid >> 8U), (uint8_t)sent.mid};
    rig_packet_t first = client->out[0];
    rig_in(client, 1, 5683, cps_bytes(reset, sizeof reset));
    rig_clear(client);
    rig_in(server, 2, 5683, cps_bytes(first.bytes, first.len));
    rig_carry(server, client); /* the genuine 4.01 with Echo */
    assert_int_equal(client->out_count, 1);
    rig_clear(client); /* its repeat is lost: copies follow as for any request */
    rig_advance(client, 4000000);
    assert_int_equal(client->failures, 0);
    assert_true(client->out_count >= 1);
    rig_shuttle(client, server);
    assert_int_equal(client->responses, 1);
    rig_free(client);
    rig_free(server);
}

static void a_late_copy_of_the_challenge_is_not_the_answer(void **state)
{
    (void)state;
    rig_t *client = rig_new(2, NULL);
    cps_command_request_t r = ask(CPS_GET, 0);
    r.token = CPS_BYTES_LIT("mine");
    rig_request(client, &r);
    cps_msg_t sent = rig_sent_msg(client, 0);
    uint8_t bytes[32];
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_t challenge = {.type = CPS_ACK,
                           .code = CPS_UNAUTHORIZED,
                           .mid = sent.mid,
                           .token = sent.token,
                           .options = hex("d4ef65636830")}; /* Echo "ech0" */
    cps_msg_write(&w, &challenge);
    rig_in(client, 1, 5683, cps_written(&w));
    assert_int_equal(client->out_count, 2);
    rig_in(client, 1, 5683, cps_written(&w)); /* the same ACK, duplicated by the network */
    assert_int_equal(client->responses, 0);
    rig_free(client);
}

/* Too large for an address that proved nothing, and not to be cut: an error has no blocks. */
static void big_answer(rig_t *rig, const cps_event_t *event)
{
    static char text[600];
    memset(text, 'x', sizeof text - 1);
    rig_reply(rig, event->handle, CPS_NOT_FOUND, text);
}

static void an_old_outer_echo_proves_no_address(void **state)
{
    (void)state;
    rig_t *client = rig_new(2, NULL);
    rig_t *server = rig_new(1, NULL);
    server->on_request = big_answer;
    cps_command_request_t r = ask(CPS_GET, 0);
    rig_request(client, &r);
    rig_carry(client, server);
    rig_carry(server, client);
    rig_packet_t with_echo = client->out[0];
    with_echo.bytes[3] ^= 1;
    rig_in(server, 2, 5683, cps_bytes(with_echo.bytes, with_echo.len));
    assert_int_equal(rig_sent_msg(server, 0).code, CPS_NOT_FOUND);
    rig_advance(server, 40ULL * 24 * 3600 * 1000000);
    rig_clear(server);
    with_echo.bytes[3] ^= 2;
    rig_in(server, 2, 5683, cps_bytes(with_echo.bytes, with_echo.len));
    assert_int_equal(rig_sent_msg(server, 0).code, CPS_UNAUTHORIZED);
    rig_free(client);
    rig_free(server);
}

static void a_peer_that_refuses_is_not_silent(void **state)
{
    (void)state;
    rig_t *client = rig_new(2, NULL);
    cps_command_request_t r = ask(CPS_GET, 0);
    rig_request(client, &r);
    cps_msg_t sent = rig_sent_msg(client, 0);
    uint8_t reset[] = {0x70, 0, (uint8_t)(sent.mid >> 8U), (uint8_t)sent.mid};
    rig_in(client, 1, 5683, cps_bytes(reset, sizeof reset));
    rig_clear(client);
    rig_request(client, &r);
    assert_int_equal(client->out_count, 1);
    r.code = CPS_PUT;
    r.payload = CPS_BYTES_LIT("forty bytes, which five copies multiply.");
    r.path = rig_path(3, 5683);
    rig_request(client, &r);
    rig_advance(client, 94000000); /* and one that is: a request that could not leave in time fails at once */
    cps_command_t command = {.kind = CPS_COMMAND_REQUEST, .u.request = r};
    command.u.request.timeout_us = 1000;
    assert_err(CPS_ERR_SILENT, cps_ep_submit(client->ep, client->now_us, &command, NULL));
    rig_free(client);
}

static void group_datagrams_are_left_alone(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    cps_datagram_t datagram = {.path = rig_path(2, 9), .bytes = hex("40010001")};
    datagram.path.flags = CPS_PATH_MULTICAST;
    cps_ep_input(rig->ep, rig->now_us, &datagram, 1);
    rig_run(rig);
    assert_int_equal(rig->out_count + rig->requests, 0);
    cps_command_t command = {.kind = CPS_COMMAND_REQUEST, .u.request = ask(CPS_GET, 0)};
    command.u.request.path.flags = CPS_PATH_MULTICAST;
    command.u.request.non_confirmable = true;
    assert_err(CPS_ERR_UNSUPPORTED, cps_ep_submit(rig->ep, rig->now_us, &command, NULL));
    rig_free(rig);
}

static const cps_case_t cases[] = {
    {"", "a handler may answer with the views of its request", a_handler_may_answer_with_the_views_of_its_request},
    {"", "other bytes under a known Message ID are no duplicate",
     other_bytes_under_a_known_message_id_are_no_duplicate},
    {"", "one key is never two contexts", one_key_is_never_two_contexts},
    {"", "an Echo from before a loss recovers nothing", an_echo_from_before_a_loss_recovers_nothing},
    {"", "those who never acknowledge do not stop our own requests",
     those_who_never_acknowledge_do_not_stop_our_own_requests},
    {"", "granted requests all leave although the output is small",
     granted_requests_all_leave_although_the_output_is_small},
    {"", "refusals give up nothing and use up nothing", refusals_give_up_nothing_and_use_up_nothing},
    {"", "plain POSTs from everywhere leave room for sealed ones",
     plain_posts_from_everywhere_leave_room_for_sealed_ones},
    {"E2E-S-T4", "a hundred thousand bogus sealed requests leave nothing, and the client is served",
     bogus_sealed_requests_leave_nothing},
    {"", "an answer that waits for a lease is given up whole", an_answer_that_waits_for_a_lease_is_given_once},
    {"", "a forged hint does not shorten the repeat", a_forged_hint_does_not_shorten_the_repeat},
    {"", "a late copy of the challenge is not the answer", a_late_copy_of_the_challenge_is_not_the_answer},
    {"", "an old outer Echo proves no address", an_old_outer_echo_proves_no_address},
    {"", "a peer that refuses is not silent", a_peer_that_refuses_is_not_silent},
    {"", "group datagrams are left alone", group_datagrams_are_left_alone},
};

CPS_RUN("ep_abuse", cases)
