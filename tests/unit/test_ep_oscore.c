// SPDX-License-Identifier: Apache-2.0
/* Sealed exchanges through two endpoints: what is accepted, what is refused, what an attacker can do to them. */
#include "rig.h"

#include "wire/oscopt.h"

#include <stdlib.h>

typedef struct pair {
    rig_t *client; /* at .2 */
    rig_t *server; /* at .1 */
    cps_handle_t context;
    cps_option_t path;
} pair_t;

static void setup(pair_t *p)
{
    p->client = rig_new(2, NULL);
    p->server = rig_new(1, NULL);
    p->context = rig_context(p->client, true);
    (void)rig_context(p->server, false);
}

static void teardown(pair_t *p)
{
    rig_free(p->client);
    rig_free(p->server);
}

static cps_command_request_t sealed(pair_t *p, uint8_t code, const char *payload)
{
    cps_command_request_t r = rig_get(1, &p->path, "lock");
    r.code = code;
    r.context = p->context;
    r.payload = cps_bytes_str(payload);
    return r;
}

static void send_sealed(pair_t *p, uint8_t code, const char *payload)
{
    cps_command_request_t r = sealed(p, code, payload);
    rig_request(p->client, &r);
}

static rig_packet_t take(rig_t *rig, size_t i)
{
    rig_packet_t packet = rig->out[i];
    return packet;
}

static cps_bytes_t bytes_of(const rig_packet_t *packet) { return cps_bytes(packet->bytes, packet->len); }

static bool contains(cps_bytes_t in, const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i + len <= in.len; i++)
        if (memcmp(in.ptr + i, text, len) == 0)
            return true;
    return false;
}

static void a_sealed_request_is_answered_sealed_and_nothing_shows(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    send_sealed(&p, CPS_PUT, "unlocked");
    cps_msg_t outer = rig_sent_msg(p.client, 0);
    assert_int_equal(outer.code, CPS_POST);
    assert_false(contains(rig_sent(p.client, 0), "lock"));
    rig_carry(p.client, p.server);
    assert_int_equal(p.server->requests, 1);
    const cps_event_request_t *request = &p.server->last.u.request;
    assert_int_equal(request->message.code, CPS_PUT);
    assert_bytes(CPS_BYTES_LIT("unlocked"), request->message.payload);
    assert_int_equal(request->user, 2);
    assert_int_not_equal(request->context, 0);
    outer = rig_sent_msg(p.server, 0);
    assert_int_equal(outer.code, CPS_CHANGED);
    assert_int_equal(outer.type, CPS_ACK);
    rig_carry(p.server, p.client);
    assert_int_equal(p.client->responses, 1);
    assert_int_equal(p.client->last.u.response.context, p.context);
    assert_int_equal(p.client->last.u.response.message.code, CPS_CHANGED);
    teardown(&p);
}

static void a_replay_is_accepted_once(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    send_sealed(&p, CPS_PUT, "unlocked");
    rig_packet_t request = take(p.client, 0);
    rig_carry(p.client, p.server);
    rig_packet_t answer = take(p.server, 0);
    rig_clear(p.server);
    rig_in(p.server, 2, 5683, bytes_of(&request)); /* the same port: the identical answer */
    assert_int_equal(p.server->out_count, 1);
    assert_bytes(bytes_of(&answer), rig_sent(p.server, 0));
    rig_clear(p.server);
    rig_in(p.server, 2, 4444, bytes_of(&request)); /* another port: refused */
    cps_msg_t msg = rig_sent_msg(p.server, 0);
    assert_int_equal(msg.code, CPS_UNAUTHORIZED);
    assert_bytes(CPS_BYTES_LIT("Replay detected"), msg.payload);
    cps_bytes_t value;
    assert_false(cps_opt_find(msg.options, CPS_OPT_OSCORE, &value));
    assert_int_equal(p.server->requests, 1);
    assert_int_equal(p.server->notes[CPS_NOTE_REPLAY], 1);
    teardown(&p);
}

static void errors_before_authentication_are_unprotected(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    send_sealed(&p, CPS_GET, "");
    rig_packet_t good = take(p.client, 0);
    cps_msg_t msg;
    assert_ok(cps_msg_parse(bytes_of(&good), &msg));
    static const struct {
        const char *option; /* NULL: as it is, ciphertext flipped */
        uint8_t code;
        const char *text;
    } rows[] = {{"0900", CPS_BAD_OPTION, "Failed to decode COSE"}, /* kid flagged, PIV of 1 byte; made short below */
                {"090055", CPS_UNAUTHORIZED, "Security context not found"},
                {NULL, CPS_BAD_REQUEST, "Decryption failed"}};
    for (size_t i = 0; i < 3; i++) {
        uint8_t bytes[256];
        uint8_t payload[128];
        memcpy(payload, msg.payload.ptr, msg.payload.len);
        uint8_t option_bytes[16];
        cps_writer_t ow = cps_writer(option_bytes, sizeof option_bytes);
        cps_opt_writer_t options = cps_opt_writer(&ow);
        cps_bytes_t value = rows[i].option != NULL ? hex(rows[i].option) : hex("0900");
        if (i == 0)
            value.len = 1; /* truncated */
        cps_opt_put(&options, CPS_OPT_OSCORE, value);
        if (rows[i].option == NULL)
            payload[3] ^= 1;
        cps_msg_t bad = msg;
        bad.mid = (uint16_t)(msg.mid + 1 + i);
        bad.options = cps_written(&ow);
        bad.payload = cps_bytes(payload, msg.payload.len);
        cps_writer_t w = cps_writer(bytes, sizeof bytes);
        cps_msg_write(&w, &bad);
        rig_clear(p.server);
        rig_in(p.server, 2, 5683, cps_written(&w));
        cps_msg_t answer = rig_sent_msg(p.server, 0);
        assert_int_equal(answer.code, rows[i].code);
        assert_bytes(cps_bytes_str(rows[i].text), answer.payload);
        uint32_t max_age = 60;
        assert_true(cps_msg_option_uint(&answer, CPS_OPT_MAX_AGE, &max_age));
        assert_int_equal(max_age, 0);
        assert_false(cps_opt_find(answer.options, CPS_OPT_OSCORE, &value));
    }
    assert_int_equal(p.server->requests, 0);
    rig_in(p.server, 2, 5683, bytes_of(&good)); /* and none of it has spent the genuine one */
    assert_int_equal(p.server->requests, 1);
    teardown(&p);
}

static void every_flipped_byte_is_refused(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    send_sealed(&p, CPS_PUT, "unlocked");
    rig_packet_t good = take(p.client, 0);
    cps_msg_t msg;
    assert_ok(cps_msg_parse(bytes_of(&good), &msg));
    size_t first = (size_t)(msg.options.ptr - good.bytes) + 1; /* behind the option's header byte */
    for (size_t at = first; at < good.len; at++) {
        if (good.bytes[at] == CPS_PAYLOAD_MARKER && at + 1 == (size_t)(msg.payload.ptr - good.bytes))
            continue; /* the marker is not part of option or payload */
        rig_packet_t bad = good;
        bad.bytes[at] ^= 0x01;
        rig_in(p.server, 2, 5683, bytes_of(&bad));
        assert_int_equal(p.server->requests, 0);
    }
    /* type, MID, token and outer code are not protected: the inner request is the same (OSC-34, OSC-35) */
    rig_packet_t other = good;
    other.bytes[0] ^= 0x10; /* NON */
    other.bytes[1] = CPS_PUT;
    other.bytes[3] ^= 1;
    other.bytes[4] ^= 1;
    rig_in(p.server, 2, 5683, bytes_of(&other));
    assert_int_equal(p.server->requests, 1);
    assert_int_equal(p.server->last.u.request.message.code, CPS_PUT);
    assert_bytes(CPS_BYTES_LIT("unlocked"), p.server->last.u.request.message.payload);
    teardown(&p);
}

static void forged_requests_cost_no_handler_and_no_state(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    cps_rng_seeded_t seeded;
    cps_rng_t rng = cps_rng_from_seed(&seeded, 7);
    cps_ep_stats_t before;
    cps_ep_stats(p.server->ep, &before);
    for (int i = 0; i < 1000; i++) {
        uint8_t bytes[40] = {0x44, CPS_POST, 0, 0, 1, 2, 3, 4, 0x92, 0x09, 0x00, 0xff};
        cps_rng_fill(&rng, bytes + 2, 6);
        cps_rng_fill(&rng, bytes + 12, sizeof bytes - 12);
        bytes[10] = (uint8_t)i;
        rig_clear(p.server);
        rig_in(p.server, 2, (uint16_t)(1000 + i), cps_bytes(bytes, sizeof bytes));
    }
    cps_ep_stats_t after;
    cps_ep_stats(p.server->ep, &after);
    assert_int_equal(p.server->requests, 0);
    assert_int_equal(after.peers, before.peers);
    assert_int_equal(after.dedup_bytes, before.dedup_bytes);
    assert_int_equal(after.requests_in, 0);
    send_sealed(&p, CPS_GET, "");
    rig_shuttle(p.client, p.server);
    assert_int_equal(p.client->responses, 1);
    teardown(&p);
}

static void a_forged_copy_with_the_next_mid_does_not_stop_the_true_one(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    send_sealed(&p, CPS_PUT, "unlocked");
    rig_packet_t good = take(p.client, 0);
    rig_packet_t forged = good;
    forged.bytes[forged.len - 1] ^= 1;
    rig_in(p.server, 2, 5683, bytes_of(&forged));
    assert_int_equal(p.server->requests, 0);
    rig_in(p.server, 2, 5683, bytes_of(&good));
    rig_in(p.server, 2, 5683, bytes_of(&good));
    assert_int_equal(p.server->requests, 1);
    teardown(&p);
}

static void a_forged_answer_does_not_end_the_exchange(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    send_sealed(&p, CPS_GET, "");
    rig_carry(p.client, p.server);
    rig_packet_t genuine = take(p.server, 0);
    cps_msg_t msg;
    assert_ok(cps_msg_parse(bytes_of(&genuine), &msg));
    for (size_t at = (size_t)(msg.payload.ptr - genuine.bytes); at < genuine.len; at++) {
        rig_packet_t bad = genuine;
        bad.bytes[at] ^= 0x80;
        rig_in(p.client, 1, 5683, bytes_of(&bad));
    }
    rig_packet_t con = genuine; /* as a separate CON: neither ACK nor RST, so that the genuine copy keeps coming */
    con.bytes[0] = (uint8_t)(con.bytes[0] & ~0x30U);
    con.bytes[con.len - 1] ^= 1;
    rig_in(p.client, 1, 5683, bytes_of(&con));
    assert_int_equal(p.client->out_count, 0);
    assert_int_equal(p.client->responses + p.client->failures, 0);
    rig_in(p.client, 1, 5683, bytes_of(&genuine));
    assert_int_equal(p.client->responses, 1);
    assert_bytes(CPS_BYTES_LIT("hello"), p.client->last.u.response.message.payload);
    rig_in(p.client, 1, 5683, bytes_of(&genuine)); /* not a second time (E2E-A1.8) */
    assert_int_equal(p.client->responses, 1);
    teardown(&p);
}

static void a_wrong_or_missing_kid_context_finds_nothing(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    send_sealed(&p, CPS_GET, "");
    cps_msg_t msg = rig_sent_msg(p.client, 0);
    uint8_t option_bytes[32];
    uint8_t bytes[128];
    cps_writer_t ow = cps_writer(option_bytes, sizeof option_bytes);
    cps_opt_writer_t options = cps_opt_writer(&ow);
    cps_opt_put(&options, CPS_OPT_OSCORE, hex("1900 02 abcd"));
    msg.options = cps_written(&ow);
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_write(&w, &msg);
    rig_in(p.server, 2, 5683, cps_written(&w));
    assert_int_equal(rig_sent_msg(p.server, 0).code, CPS_UNAUTHORIZED);
    assert_int_equal(p.server->requests, 0);
    teardown(&p);
}

static cps_err_t add(rig_t *rig, const char *secret, cps_bytes_t sender, cps_bytes_t recipient, cps_handle_t *handle)
{
    cps_context_t c = {.size = sizeof c,
                       .master_secret = hex(secret),
                       .sender_id = sender,
                       .recipient_id = recipient,
                       .window_size = -1,
                       .has_state = true,
                       .window_known = true};
    return cps_ep_context_add(rig->ep, &c, handle);
}

static void each_of_four_contexts_with_one_kid_is_tried(void **state)
{
    (void)state;
    rig_t *server = rig_new(1, NULL);
    rig_t *client = rig_new(2, NULL);
    cps_handle_t handle;
    cps_bytes_t a = CPS_BYTES_LIT("a");
    cps_bytes_t b = CPS_BYTES_LIT("b");
    char secret[33];
    for (int i = 0; i < 4; i++) {
        snprintf(secret, sizeof secret, "%032d", i);
        assert_ok(add(server, secret, b, a, &handle));
    }
    assert_err(CPS_ERR_TOO_MANY, add(server, "ffffffffffffffffffffffffffffffff", b, a, &handle));
    for (int i = 0; i < 4; i++) {
        snprintf(secret, sizeof secret, "%032d", i);
        assert_ok(add(client, secret, a, b, &handle));
        cps_option_t path;
        cps_command_request_t get = rig_get(1, &path, "x");
        get.context = handle;
        rig_request(client, &get);
        rig_shuttle(client, server);
        assert_int_equal(client->responses, i + 1);
        assert_ok(cps_ep_context_remove(client->ep, handle));
    }
    assert_err(CPS_ERR_BAD_ID, add(client, "00000000000000000000000000000000", a, a, &handle));
    rig_free(client);
    rig_free(server);
}

static void another_server_never_runs_it(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    rig_t *other = rig_new(3, NULL);
    cps_handle_t handle;
    assert_ok(add(other, "99999999999999999999999999999999", CPS_BYTES_LIT("\x01"), cps_bytes(NULL, 0), &handle));
    cps_option_t options[2] = {{CPS_OPT_URI_HOST, CPS_BYTES_LIT("door.local")},
                               {CPS_OPT_URI_PATH, CPS_BYTES_LIT("lock")}};
    cps_command_request_t r = sealed(&p, CPS_PUT, "unlocked");
    r.options = options;
    r.option_count = 2;
    rig_request(p.client, &r);
    rig_packet_t request = take(p.client, 0);
    rig_in(other, 2, 5683, bytes_of(&request));
    char *host = NULL;
    for (size_t i = 0; i + 10 <= request.len; i++)
        if (memcmp(request.bytes + i, "door.local", 10) == 0)
            host = (char *)request.bytes + i;
    assert_non_null(host); /* Uri-Host stays outside */
    if (host != NULL)
        host[0] = 'm';
    rig_in(other, 2, 5683, bytes_of(&request));
    assert_int_equal(other->requests, 0);
    rig_free(other);
    teardown(&p);
}

static void defer(rig_t *rig, const cps_event_t *event)
{
    assert_ok(rig_submit_handle(rig, CPS_COMMAND_DEFER, event->handle));
}

static void a_separate_answer_after_ten_seconds_verifies(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    p.server->on_request = defer;
    send_sealed(&p, CPS_GET, "");
    rig_carry(p.client, p.server);
    rig_advance(p.server, 10000000);
    rig_carry(p.server, p.client); /* the Empty ACK */
    rig_reply(p.server, p.server->last.handle, CPS_CONTENT, "late");
    rig_run(p.server);
    rig_shuttle(p.server, p.client);
    assert_int_equal(p.client->responses, 1);
    assert_bytes(CPS_BYTES_LIT("late"), p.client->last.u.response.message.payload);
    teardown(&p);
}

static void without_state_nothing_is_sent(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    cps_handle_t handle;
    cps_context_t c = {.size = sizeof c,
                       .master_secret = hex("000102030405060708090a0b0c0d0e0f"),
                       .sender_id = CPS_BYTES_LIT("s"),
                       .recipient_id = CPS_BYTES_LIT("r"),
                       .window_size = -1};
    assert_ok(cps_ep_context_add(p.client->ep, &c, &handle));
    cps_command_t command = {.kind = CPS_COMMAND_REQUEST, .u.request = sealed(&p, CPS_GET, "")};
    command.u.request.context = handle;
    assert_err(CPS_ERR_STATE_LOST, cps_ep_submit(p.client->ep, p.client->now_us, &command, NULL));
    assert_int_equal(p.client->out_count, 0);
    /* nor an answer */
    assert_ok(add(p.server, "000102030405060708090a0b0c0d0e0f", CPS_BYTES_LIT("r"), CPS_BYTES_LIT("s"), &handle));
    cps_command_request_t r = sealed(&p, CPS_GET, "");
    r.context = handle;
    r.path = rig_path(2, 5683);
    rig_request(p.server, &r);
    rig_carry(p.server, p.client);
    assert_int_equal(p.client->requests, 0);
    cps_msg_t answer = rig_sent_msg(p.client, 0);
    cps_bytes_t value;
    assert_false(cps_opt_find(answer.options, CPS_OPT_OSCORE, &value));
    teardown(&p);
}

static void an_unknown_critical_option_inside_is_refused_inside(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    cps_option_t options[2] = {{CPS_OPT_URI_PATH, CPS_BYTES_LIT("lock")}, {99, CPS_BYTES_LIT("x")}};
    cps_command_request_t r = sealed(&p, CPS_GET, "");
    r.options = options;
    r.option_count = 2;
    rig_request(p.client, &r);
    rig_shuttle(p.client, p.server);
    assert_int_equal(p.server->requests, 0);
    assert_int_equal(p.client->responses, 1);
    assert_int_equal(p.client->last.u.response.message.code, CPS_BAD_OPTION);
    assert_int_equal(p.client->last.u.response.context, p.context);
    teardown(&p);
}

static const cps_case_t cases[] = {
    {"", "a sealed request is answered sealed and nothing shows",
     a_sealed_request_is_answered_sealed_and_nothing_shows},
    {"E2E-A1.4 OSC-56", "a replay is accepted once", a_replay_is_accepted_once},
    {"OSC-61 OSC-13", "errors before authentication are unprotected", errors_before_authentication_are_unprotected},
    {"E2E-S-T1 OSC-34", "every flipped byte is refused", every_flipped_byte_is_refused},
    {"OSC-63", "forged requests cost no handler and no state", forged_requests_cost_no_handler_and_no_state},
    {"MSG-37", "a forged copy with the next Message ID does not stop the true one",
     a_forged_copy_with_the_next_mid_does_not_stop_the_true_one},
    {"OSC-66 E2E-A1.8", "a forged answer does not end the exchange", a_forged_answer_does_not_end_the_exchange},
    {"OSC-40", "a wrong kid context finds nothing", a_wrong_or_missing_kid_context_finds_nothing},
    {"OSC-8 OSC-6", "each of four contexts with one kid is tried", each_of_four_contexts_with_one_kid_is_tried},
    {"OSC-15", "another server never runs it", another_server_never_runs_it},
    {"OSC-49", "a separate answer after ten seconds verifies", a_separate_answer_after_ten_seconds_verifies},
    {"", "without state nothing is sent", without_state_nothing_is_sent},
    {"", "an unknown critical option inside is refused inside", an_unknown_critical_option_inside_is_refused_inside},
};

CPS_RUN("ep_oscore", cases)
