// SPDX-License-Identifier: Apache-2.0
/* The endpoint at the level of datagrams: rules on options and payloads, ages, floods, and where an Echo may go. */
#include "rig.h"

#define PEER 2

static void small(cps_ep_config_t *config) { config->message_max = 256; }

static void a_payload_that_does_not_fit_the_buffer_gets_413(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, small);
    static uint8_t put[800] = {0x40, CPS_PUT, 0, 1, 0xb1, 'a', 0xff, 'x'};
    rig_in(rig, PEER, 9, cps_bytes(put, sizeof put));
    cps_msg_t answer = rig_sent_msg(rig, 0);
    assert_int_equal(answer.type, CPS_ACK);
    assert_int_equal(answer.code, CPS_REQUEST_ENTITY_TOO_LARGE);
    assert_int_equal(rig->requests, 0);
    put[0] = 0x50;
    rig_clear(rig);
    rig_in(rig, PEER, 9, cps_bytes(put, sizeof put));
    assert_int_equal(rig_sent_msg(rig, 0).code, CPS_REQUEST_ENTITY_TOO_LARGE);
    rig_free(rig);
}

static void answer_while_there_are_ids(rig_t *rig, const cps_event_t *event)
{
    cps_command_t reply = {.kind = CPS_COMMAND_REPLY,
                           .u.reply = {.request = event->handle, .code = CPS_CONTENT, .payload = CPS_BYTES_LIT("x")}};
    if (cps_ep_submit(rig->ep, rig->now_us, &reply, NULL) != CPS_OK)
        assert_ok(rig_submit_handle(rig, CPS_COMMAND_IGNORE, event->handle));
}

static void others_are_served_through_a_flood(void **state)
{
    (void)state;
    rig_t *server = rig_new(1, NULL);
    rig_t *client = rig_new(2, NULL);
    unsigned answered = 0;
    server->on_request = answer_while_there_are_ids;
    for (uint32_t i = 0; i < 100000; i++) {
        uint8_t get[] = {0x50, CPS_GET, (uint8_t)(i >> 8U), (uint8_t)i, 0xb1, 'a', 0xff, (uint8_t)(i >> 16U), 1};
        rig_in(server, 66, 666, cps_bytes(get, sizeof get));
        answered += server->out_count != 0 ? 1U : 0U;
        rig_clear(server);
        server->now_us += 5; /* 200,000 a second */
        if (i % 10000 != 0)
            continue;
        cps_option_t path;
        cps_command_request_t r = rig_get(1, &path, "lock");
        rig_request(client, &r);
        rig_shuttle(client, server);
    }
    assert_int_equal(client->responses, 10);
    assert_true(answered < 40000); /* Message IDs to one endpoint run out: its answers are limited, nobody else's */
    rig_free(client);
    rig_free(server);
}

static void options_in_the_wrong_place_are_unrecognised(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    rig_in(rig, PEER, 9, hex("40030001 b161 3105 ff78")); /* PUT with Max-Age 5: ignored */
    assert_int_equal(rig->requests, 1);
    assert_int_equal(rig_sent_msg(rig, 0).code, CPS_CHANGED);
    cps_option_t path;
    cps_command_request_t get = rig_get(PEER, &path, "a");
    rig_clear(rig);
    rig_request(rig, &get);
    cps_msg_t sent = rig_sent_msg(rig, 0);
    uint8_t bytes[64];
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_t answer = {.type = CPS_ACK,
                        .code = CPS_CONTENT,
                        .mid = sent.mid,
                        .token = sent.token,
                        .options = hex("b161"), /* Uri-Path, critical, in a response */
                        .payload = CPS_BYTES_LIT("x")};
    cps_msg_write(&w, &answer);
    rig_in(rig, PEER, 5683, cps_written(&w));
    assert_int_equal(rig->responses, 0);
    assert_int_equal(rig->last.u.failed.err, CPS_ERR_BAD_OPTION);
    uint16_t bad = 0; /* nor are they sent */
    const cps_option_t location = {CPS_OPT_LOCATION_PATH, CPS_BYTES_LIT("a")};
    assert_err(CPS_ERR_BAD_OPTION, cps_opt_check_send(CPS_PUT, &location, 1, &bad));
    assert_int_equal(bad, CPS_OPT_LOCATION_PATH);
    rig_free(rig);
}

static void a_method_or_code_without_payload_has_none(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    cps_option_t path;
    cps_command_t ask = {.kind = CPS_COMMAND_REQUEST, .u.request = rig_get(PEER, &path, "a")};
    ask.u.request.payload = CPS_BYTES_LIT("x");
    assert_err(CPS_ERR_ARGUMENT, cps_ep_submit(rig->ep, rig->now_us, &ask, NULL)); /* GET */
    ask.u.request.code = CPS_EMPTY;
    assert_err(CPS_ERR_ARGUMENT, cps_ep_submit(rig->ep, rig->now_us, &ask, NULL));
    rig->on_request = NULL;
    rig_in(rig, PEER, 9, hex("40010001 b161 ff78")); /* a received one is a GET like any other */
    assert_int_equal(rig_sent_msg(rig, 0).code, CPS_CONTENT);
    rig_free(rig);
}

static void valid_with_payload(rig_t *rig, const cps_event_t *event)
{
    cps_command_t reply = {.kind = CPS_COMMAND_REPLY,
                           .u.reply = {.request = event->handle, .code = CPS_VALID, .payload = CPS_BYTES_LIT("x")}};
    assert_err(CPS_ERR_ARGUMENT, cps_ep_submit(rig->ep, rig->now_us, &reply, NULL));
    reply.u.reply.payload.len = 0;
    assert_ok(cps_ep_submit(rig->ep, rig->now_us, &reply, NULL));
}

static void a_203_has_no_payload(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    rig->on_request = valid_with_payload;
    rig_in(rig, PEER, 9, hex("40010001 b161"));
    assert_int_equal(rig_sent_msg(rig, 0).code, CPS_VALID);
    assert_int_equal(rig_sent_msg(rig, 0).payload.len, 0);
    rig_free(rig);
}

static void defer(rig_t *rig, const cps_event_t *event)
{
    assert_ok(rig_submit_handle(rig, CPS_COMMAND_DEFER, event->handle));
}

static void reply_with_age(rig_t *rig)
{
    const uint8_t ten = 10;
    const cps_option_t max_age = {CPS_OPT_MAX_AGE, {&ten, 1}};
    cps_command_t reply = {.kind = CPS_COMMAND_REPLY,
                           .u.reply = {.request = rig->last.handle,
                                       .code = CPS_CONTENT,
                                       .options = &max_age,
                                       .option_count = 1,
                                       .payload = CPS_BYTES_LIT("x")}};
    assert_ok(cps_ep_submit(rig->ep, rig->now_us, &reply, NULL));
    rig_run(rig);
}

/* Copies in the clear say less and less of the 10 s that are left of the answer. */
static void assert_shrinking(rig_t *server)
{
    uint32_t last = 11;
    for (size_t i = 0; i < server->out_count; i++) {
        cps_msg_t copy = rig_sent_msg(server, i);
        uint32_t max_age = 60;
        assert_true(cps_msg_option_uint(&copy, CPS_OPT_MAX_AGE, &max_age));
        assert_true(max_age < last || max_age == 0);
        assert_bytes(CPS_BYTES_LIT("x"), copy.payload);
        last = max_age;
    }
    assert_true(last < 10);
}

static void late_copies(rig_t *client, rig_t *server, cps_handle_t context)
{
    cps_option_t path;
    cps_command_request_t r = rig_get(1, &path, "a");
    r.context = context;
    rig_request(client, &r);
    rig_carry(client, server);
    rig_advance(server, 300000);
    rig_clear(server);
    reply_with_age(server);
    rig_advance(server, 30000000);
    assert_true(server->out_count >= 2); /* in the clear as many as the address may get unproven */
}

static void max_age_shrinks_in_late_copies_unless_sealed(void **state)
{
    (void)state;
    rig_t *client = rig_new(2, NULL);
    rig_t *server = rig_new(1, NULL);
    (void)rig_context(server, false);
    cps_handle_t context = rig_context(client, true);
    server->on_request = defer;
    late_copies(client, server, 0);
    assert_shrinking(server);
    rig_clear(server);
    rig_advance(client, 100000000);
    rig_clear(client);
    rig_advance(server, 100000000);
    rig_clear(server);
    late_copies(client, server, context);
    for (size_t i = 1; i < server->out_count; i++) {
        assert_bytes(rig_sent(server, 0), rig_sent(server, i));
    }
    rig_free(client);
    rig_free(server);
}

static void with_default_age(rig_t *rig, const cps_event_t *event)
{
    const uint8_t age = event->u.request.path.remote.port == 1 ? 60 : 61;
    const cps_option_t max_age = {CPS_OPT_MAX_AGE, {&age, 1}};
    cps_command_t reply = {
        .kind = CPS_COMMAND_REPLY,
        .u.reply = {.request = event->handle, .code = CPS_CONTENT, .options = &max_age, .option_count = 1}};
    assert_ok(cps_ep_submit(rig->ep, rig->now_us, &reply, NULL));
}

static void an_option_with_its_default_value_is_left_out(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    uint32_t max_age = 60;
    rig->on_request = with_default_age;
    rig_in(rig, PEER, 1, hex("40010001"));
    cps_msg_t answer = rig_sent_msg(rig, 0);
    assert_int_equal(answer.options.len, 0);
    rig_in(rig, PEER, 2, hex("40010001"));
    answer = rig_sent_msg(rig, 1);
    assert_true(cps_msg_option_uint(&answer, CPS_OPT_MAX_AGE, &max_age));
    assert_int_equal(max_age, 61);
    rig_free(rig);
}

static void a_second_etag_in_a_response_is_no_option(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    cps_option_t path;
    cps_command_request_t get = rig_get(PEER, &path, "a");
    rig_request(rig, &get);
    cps_msg_t sent = rig_sent_msg(rig, 0);
    uint8_t bytes[64];
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_t answer = {.type = CPS_ACK,
                        .code = CPS_CONTENT,
                        .mid = sent.mid,
                        .token = sent.token,
                        .options = hex("4101 0102"), /* ETag 01, ETag 02 */
                        .payload = CPS_BYTES_LIT("x")};
    cps_msg_write(&w, &answer);
    rig_in(rig, PEER, 5683, cps_written(&w));
    assert_int_equal(rig->responses, 1);
    cps_bytes_t etag;
    assert_true(cps_message_option(&rig->last.u.response.message, CPS_OPT_ETAG, &etag));
    assert_bytes(hex("01"), etag);
    uint16_t bad = 0;
    const cps_option_t two[] = {{CPS_OPT_ETAG, hex("01")}, {CPS_OPT_ETAG, hex("02")}};
    assert_err(CPS_ERR_BAD_OPTION, cps_opt_check_send(CPS_CONTENT, two, 2, &bad));
    assert_ok(cps_opt_check_send(CPS_GET, two, 2, &bad)); /* a request may have many */
    rig_free(rig);
}

static void echo_in_every_answer(rig_t *rig, const cps_event_t *event)
{
    const cps_option_t echo = {CPS_OPT_ECHO, CPS_BYTES_LIT("an echo")};
    cps_command_t reply = {
        .kind = CPS_COMMAND_REPLY,
        .u.reply = {.request = event->handle, .code = CPS_CONTENT, .options = &echo, .option_count = 1}};
    assert_ok(cps_ep_submit(rig->ep, rig->now_us, &reply, NULL));
}

static bool carries_echo(const rig_t *server)
{
    cps_bytes_t echo;
    return cps_message_option(&server->last.u.request.message, CPS_OPT_ECHO, &echo);
}

/* A second context of both ends. */
static void other_context(rig_t *client, rig_t *server, cps_handle_t *handle)
{
    cps_context_t c = {.size = sizeof c,
                       .master_secret = hex("00112233445566778899aabbccddeeff"),
                       .sender_id = CPS_BYTES_LIT("c"),
                       .recipient_id = CPS_BYTES_LIT("s"),
                       .window_size = -1,
                       .has_state = true,
                       .window_known = true};
    assert_ok(cps_ep_context_add(client->ep, &c, handle));
    cps_handle_t theirs;
    c.sender_id = CPS_BYTES_LIT("s");
    c.recipient_id = CPS_BYTES_LIT("c");
    assert_ok(cps_ep_context_add(server->ep, &c, &theirs));
}

static void an_echo_goes_back_where_it_came_from_and_nowhere_else(void **state)
{
    (void)state;
    rig_t *client = rig_new(2, NULL);
    rig_t *server = rig_new(1, NULL);
    rig_t *third = rig_new(3, NULL);
    cps_handle_t second;
    cps_handle_t first = rig_context(client, true);
    (void)rig_context(server, false);
    other_context(client, server, &second);
    cps_option_t path;
    cps_command_request_t r = rig_get(1, &path, "a");
    server->on_request = echo_in_every_answer;
    r.context = first;
    rig_request(client, &r);
    rig_shuttle(client, server);
    assert_int_equal(client->responses, 1);
    server->on_request = NULL;
    r.context = second; /* another context of the same server */
    rig_request(client, &r);
    rig_shuttle(client, server);
    assert_false(carries_echo(server));
    r.context = 0; /* the same server, in the clear */
    rig_request(client, &r);
    rig_shuttle(client, server);
    assert_false(carries_echo(server));
    cps_command_request_t elsewhere = rig_get(3, &path, "a"); /* another server */
    rig_request(client, &elsewhere);
    rig_carry(client, third);
    assert_false(carries_echo(third));
    r.context = first; /* and back to where it came from, inside, once */
    rig_request(client, &r);
    rig_shuttle(client, server);
    assert_true(carries_echo(server));
    rig_request(client, &r);
    rig_shuttle(client, server);
    assert_false(carries_echo(server));
    rig_free(client);
    rig_free(server);
    rig_free(third);
}

static const cps_case_t cases[] = {
    {"MSG-39", "a payload that does not fit the buffer gets 4.13", a_payload_that_does_not_fit_the_buffer_gets_413},
    {"MSG-42", "others are served through a flood", others_are_served_through_a_flood},
    {"REQ-4", "options in the wrong place are unrecognised", options_in_the_wrong_place_are_unrecognised},
    {"REQ-15", "a method or code without payload has none", a_method_or_code_without_payload_has_none},
    {"", "a 2.03 has no payload", a_203_has_no_payload},
    {"REQ-44", "Max-Age shrinks in late copies unless sealed", max_age_shrinks_in_late_copies_unless_sealed},
    {"REQ-11", "an option with its default value is left out", an_option_with_its_default_value_is_left_out},
    {"REQ-47", "a second ETag in a response is no option", a_second_etag_in_a_response_is_no_option},
    {"ECHO-10", "an Echo goes back where it came from and nowhere else",
     an_echo_goes_back_where_it_came_from_and_nowhere_else},
};

CPS_RUN("ep_rules", cases)
