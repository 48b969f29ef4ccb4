// SPDX-License-Identifier: Apache-2.0
/* The endpoint at the level of datagrams: order of requests, matching of responses, what is understood. */
#include "rig.h"

#define PEER 2

static void answer_from(rig_t *rig, uint8_t host, uint16_t port, const cps_msg_t *msg)
{
    uint8_t bytes[128];
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_write(&w, msg);
    rig_in(rig, host, port, cps_written(&w));
}

static cps_msg_t response_to(const cps_msg_t *request, cps_type_t type, uint16_t mid, const char *payload)
{
    return (cps_msg_t){.type = (uint8_t)type,
                       .code = CPS_CONTENT,
                       .mid = mid,
                       .token = request->token,
                       .payload = cps_bytes_str(payload)};
}

static void one_interaction_at_a_time(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    char names[10][2];
    for (int i = 0; i < 10; i++) {
        names[i][0] = (char)('0' + i);
        names[i][1] = '\0';
        cps_option_t path;
        cps_command_request_t get = rig_get(PEER, &path, names[i]);
        get.timeout_us = 600000000;
        rig_request(rig, &get);
    }
    for (int i = 0; i < 10; i++) {
        assert_int_equal(rig->out_count, 1);
        cps_msg_t sent = rig_sent_msg(rig, 0);
        uint8_t token[8];
        memcpy(token, sent.token.ptr, sent.token.len);
        sent.token.ptr = token;
        cps_bytes_t segment;
        assert_true(cps_msg_option(&sent, CPS_OPT_URI_PATH, &segment));
        assert_int_equal(segment.ptr[0], '0' + i); /* in order */
        rig_clear(rig);
        if (i == 4) { /* one fails instead: the next leaves then too */
            rig_advance(rig, 93000000);
            assert_int_equal(rig->failures, 1);
            rig->out[0] = rig->out[rig->out_count - 1];
            rig->out_count = 1;
            continue;
        }
        cps_msg_t answer = response_to(&sent, CPS_ACK, sent.mid, "x");
        answer_from(rig, PEER, 5683, &answer);
    }
    assert_int_equal(rig->responses, 9);
    rig_free(rig);
}

static void many_out(cps_ep_config_t *config) { config->requests_out = 200; }

static void a_silent_peer_gets_one_byte_a_second(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, many_out);
    cps_option_t path;
    cps_command_request_t get = rig_get(PEER, &path, "a");
    get.non_confirmable = true;
    size_t largest = 0;
    for (int i = 0; i < 100; i++)
        rig_request(rig, &get);
    rig_advance(rig, 60000000);
    size_t bytes = 0;
    for (size_t i = 0; i < rig->out_count; i++) {
        bytes += rig_sent(rig, i).len;
        largest = rig_sent(rig, i).len > largest ? rig_sent(rig, i).len : largest;
    }
    assert_true(rig->out_count > 1);
    assert_true(bytes <= 60 + largest);
    /* one that answers is not held back */
    cps_msg_t sent = rig_sent_msg(rig, rig->out_count - 1);
    size_t before = rig->out_count;
    cps_msg_t answer = response_to(&sent, CPS_NON, 9, "x");
    answer_from(rig, PEER, 5683, &answer);
    assert_int_equal(rig->out_count, before + 1);
    rig_free(rig);
}

static void all_kinds_of_responses_are_taken(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    uint16_t mid = 1000;
    for (int non = 0; non < 2; non++) {
        static const cps_type_t types[] = {CPS_ACK, CPS_CON, CPS_NON};
        for (int i = non; i < 3; i++) {
            cps_option_t path;
            cps_command_request_t get = rig_get(PEER, &path, "a");
            get.non_confirmable = non == 1;
            unsigned before = rig->responses;
            rig_clear(rig);
            rig_request(rig, &get);
            cps_msg_t sent = rig_sent_msg(rig, 0);
            cps_msg_t answer = response_to(&sent, types[i], types[i] == CPS_ACK ? sent.mid : mid++, "x");
            answer_from(rig, PEER, 5683, &answer);
            assert_int_equal(rig->responses, before + 1);
            if (types[i] == CPS_CON) /* acknowledged, also when the request was NON (MSG-51) */
                assert_int_equal(rig_sent_msg(rig, rig->out_count - 1).type, CPS_ACK);
        }
    }
    rig_free(rig);
}

static void an_empty_ack_stops_copies_and_the_request_stays_open(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    cps_option_t path;
    cps_command_request_t get = rig_get(PEER, &path, "a");
    rig_request(rig, &get);
    cps_msg_t sent = rig_sent_msg(rig, 0);
    cps_msg_t ack = {.type = CPS_ACK, .mid = sent.mid};
    answer_from(rig, PEER, 5683, &ack);
    rig_advance(rig, 10000000);
    assert_int_equal(rig->out_count, 1);
    cps_msg_t answer = response_to(&sent, CPS_CON, 77, "late");
    answer_from(rig, PEER, 5683, &answer);
    assert_int_equal(rig->responses, 1);
    rig_free(rig);
}

static void tokens_come_back_as_they_were(void **state)
{
    (void)state;
    static const char *const tokens[] = {"", "00", "fffe", "0102030405060708"};
    for (size_t i = 0; i < 4; i++) {
        rig_t *rig = rig_new(1, NULL);
        uint8_t bytes[32];
        cps_writer_t w = cps_writer(bytes, sizeof bytes);
        cps_msg_t request = {.type = CPS_CON, .code = CPS_GET, .mid = 1, .token = hex(tokens[i])};
        cps_msg_write(&w, &request);
        rig_in(rig, PEER, 9, cps_written(&w));
        assert_bytes(hex(tokens[i]), rig_sent_msg(rig, 0).token);
        rig_free(rig);
    }
}

static void thousand_out(cps_ep_config_t *config)
{
    config->requests_out = 1000;
    config->request_bytes = 1 << 20;
    config->transmission.nstart = 1000;
    config->transmission.unsafe = true;
}

static void tokens_are_unique_and_random(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, thousand_out);
    static uint8_t tokens[1000][8];
    cps_option_t path;
    cps_command_request_t get = rig_get(PEER, &path, "a");
    for (int i = 0; i < 1000; i++) {
        rig_clear(rig);
        rig_request(rig, &get);
        cps_msg_t sent = rig_sent_msg(rig, 0);
        assert_int_equal(sent.token.len, 8);
        memcpy(tokens[i], sent.token.ptr, 8);
        for (int other = 0; other < i; other++)
            assert_memory_not_equal(tokens[i], tokens[other], 8);
    }
    unsigned ones = 0; /* the first 32 bits come from the generator */
    for (int i = 0; i < 1000; i++)
        for (int bit = 0; bit < 32; bit++)
            ones += (unsigned)(tokens[i][bit / 8] >> (bit % 8) & 1);
    assert_in_range(ones, 15500, 16500);
    rig_free(rig);
}

static void a_response_matches_on_endpoint_token_and_mid(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    cps_option_t path;
    cps_command_request_t get = rig_get(PEER, &path, "a");
    rig_request(rig, &get);
    cps_msg_t sent = rig_sent_msg(rig, 0);
    cps_msg_t good = response_to(&sent, CPS_ACK, sent.mid, "x");
    answer_from(rig, PEER, 5684, &good);
    answer_from(rig, PEER + 1, 5683, &good);
    cps_msg_t prefix = good;
    prefix.token.len = 7;
    answer_from(rig, PEER, 5683, &prefix);
    uint8_t longer[8];
    memcpy(longer, sent.token.ptr, 8);
    longer[7] ^= 1;
    cps_msg_t wrong = good;
    wrong.token = cps_bytes(longer, 8);
    answer_from(rig, PEER, 5683, &wrong);
    cps_msg_t other_mid = good;
    other_mid.mid ^= 1;
    answer_from(rig, PEER, 5683, &other_mid);
    assert_int_equal(rig->responses, 0);
    rig_advance(rig, 3000000);
    assert_int_equal(rig->out_count, 2); /* copies went on through all of it */
    answer_from(rig, PEER, 5683, &good);
    assert_int_equal(rig->responses, 1);
    rig_free(rig);
}

/* PUT /a with option 99 (critical) or 98 (elective, unknown). */
static void unknown_critical_options_are_refused_by_name(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    rig_in(rig, PEER, 9, hex("40030001 b161 d04b ff31")); /* 11 + 13 + 75 = 99 */
    assert_int_equal(rig->requests, 0);
    cps_msg_t msg = rig_sent_msg(rig, 0);
    assert_int_equal(msg.code, CPS_BAD_OPTION);
    assert_int_equal(msg.type, CPS_ACK);
    assert_bytes(CPS_BYTES_LIT("option 99"), msg.payload);
    rig_clear(rig);
    rig_in(rig, PEER, 9, hex("50030002 b161 d04b ff31")); /* as NON: a NON (REQ-8) */
    msg = rig_sent_msg(rig, 0);
    assert_int_equal(msg.code, CPS_BAD_OPTION);
    assert_int_equal(msg.type, CPS_NON);
    assert_int_equal(rig->requests, 0);
    rig_free(rig);
}

static void unknown_elective_options_are_ignored(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    rig_in(rig, PEER, 9, hex("40010001 b161 e0fcd0")); /* 11 + 269 + 64720 = 65000 */
    assert_int_equal(rig->requests, 1);
    assert_int_equal(rig_sent_msg(rig, 0).code, CPS_CONTENT);
    rig_free(rig);
}

static void illegal_lengths_and_copies_count_as_unrecognised(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    static const struct {
        const char *options;
        uint8_t code;
    } rows[] = {
        {"30", CPS_BAD_OPTION},                /* Uri-Host of length 0: critical */
        {"49010203040506070809", CPS_CONTENT}, /* ETag of 9 bytes: elective */
        {"c100 00", CPS_CONTENT},              /* Content-Format twice: the second is ignored */
        {"3161 0162", CPS_BAD_OPTION},         /* Uri-Host twice */
        {"d104 3c 0100", CPS_BAD_OPTION},      /* Accept twice */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[96];
        snprintf(text, sizeof text, "4001%04x%s", (unsigned)i, rows[i].options);
        rig_clear(rig);
        rig_in(rig, PEER, 9, hex(text));
        assert_int_equal(rig_sent_msg(rig, 0).code, rows[i].code);
    }
    rig_free(rig);
}

static void a_response_with_an_unknown_critical_option_is_rejected(void **state)
{
    (void)state;
    for (int type = CPS_CON; type <= CPS_ACK; type++) {
        rig_t *rig = rig_new(1, NULL);
        cps_option_t path;
        cps_command_request_t get = rig_get(PEER, &path, "a");
        rig_request(rig, &get);
        cps_msg_t sent = rig_sent_msg(rig, 0);
        cps_msg_t answer = response_to(&sent, (cps_type_t)type, type == CPS_ACK ? sent.mid : 4711, "secret");
        answer.options = hex("d056"); /* 13 + 86 = 99 */
        answer_from(rig, PEER, 5683, &answer);
        assert_int_equal(rig->responses, 0);
        assert_int_equal(rig->failures, 1);
        assert_int_equal(rig->last.u.failed.err, CPS_ERR_BAD_OPTION);
        assert_int_equal(rig->last.u.failed.message.payload.len, 0);
        assert_int_equal(rig->out_count, type == CPS_CON ? 2 : 1);
        if (type == CPS_CON)
            assert_bytes(hex("70001267"), rig_sent(rig, 1));
        rig_free(rig);
    }
}

static void no_payload_where_none_belongs(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    cps_option_t path;
    cps_command_t command = {.kind = CPS_COMMAND_REQUEST, .u.request = rig_get(PEER, &path, "a")};
    command.u.request.payload = CPS_BYTES_LIT("x");
    assert_err(CPS_ERR_ARGUMENT, cps_ep_submit(rig->ep, rig->now_us, &command, NULL));
    rig->on_request = NULL;
    rig_in(rig, PEER, 9, hex("40010001 b161 ff78")); /* a received one is a GET like any other */
    assert_int_equal(rig_sent_msg(rig, 0).code, CPS_CONTENT);
    rig_free(rig);
}

static void too_large_a_body_is_refused(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    static uint8_t body[100000];
    cps_command_t command = {.kind = CPS_COMMAND_REQUEST, .u.request = {.path = rig_path(PEER, 5683), .code = CPS_PUT}};
    command.u.request.payload = cps_bytes(body, 1025);
    assert_ok(cps_ep_submit(rig->ep, rig->now_us, &command, NULL)); /* in blocks: no message is larger */
    rig_run(rig);
    assert_int_equal(rig_sent_msg(rig, 0).payload.len, 1024);
    command.u.request.payload = cps_bytes(body, sizeof body);
    assert_err(CPS_ERR_FULL, cps_ep_submit(rig->ep, rig->now_us, &command, NULL)); /* it has to be streamed */
    static uint8_t large[1700] = {0x40, 0x03, 0x00, 0x01, 0xff, 1};
    rig_run(rig);
    rig_clear(rig);
    rig_in(rig, PEER, 9, cps_bytes(large, 1600));
    assert_int_equal(rig_sent_msg(rig, 0).code, CPS_REQUEST_ENTITY_TOO_LARGE);
    assert_int_equal(rig->requests, 0);
    rig_free(rig);
}

static void after_401_or_402_nothing_is_repeated(void **state)
{
    (void)state;
    static const uint8_t codes[] = {CPS_UNAUTHORIZED, CPS_BAD_OPTION};
    for (size_t i = 0; i < 2; i++) {
        rig_t *rig = rig_new(1, NULL);
        cps_option_t path;
        cps_command_request_t get = rig_get(PEER, &path, "a");
        rig_request(rig, &get);
        cps_msg_t sent = rig_sent_msg(rig, 0);
        cps_msg_t answer = response_to(&sent, CPS_ACK, sent.mid, "");
        answer.code = codes[i];
        answer_from(rig, PEER, 5683, &answer);
        assert_int_equal(rig->responses, 1);
        rig_advance(rig, 300000000);
        assert_int_equal(rig->out_count, 1);
        rig_free(rig);
    }
}

/* Too large for an address that proved nothing, and not to be cut: an error has no blocks. */
static void big_answer(rig_t *rig, const cps_event_t *event)
{
    static char text[600];
    memset(text, 'x', sizeof text - 1);
    rig_reply(rig, event->handle, CPS_NOT_FOUND, text);
}

static void an_unverified_address_gets_a_challenge_then_the_answer(void **state)
{
    (void)state;
    rig_t *server = rig_new(1, NULL);
    rig_t *client = rig_new(2, NULL);
    server->on_request = big_answer;
    cps_option_t path;
    cps_command_request_t get = rig_get(1, &path, "a");
    rig_request(client, &get);
    size_t asked = rig_sent(client, 0).len;
    rig_carry(client, server);
    cps_msg_t challenge = rig_sent_msg(server, 0);
    cps_bytes_t echo;
    assert_int_equal(challenge.code, CPS_UNAUTHORIZED);
    assert_true(cps_msg_option(&challenge, CPS_OPT_ECHO, &echo));
    assert_true(rig_sent(server, 0).len + 62 <= 3 * (asked + 62));
    rig_shuttle(server, client);
    assert_int_equal(client->responses, 1);
    assert_int_equal(client->last.u.response.message.payload.len, 599);
    assert_true(client->last.u.response.repeated);
    rig_free(client);
    rig_free(server);
}

static void an_unsafe_method_that_ran_is_not_asked_for_again(void **state)
{
    (void)state;
    rig_t *server = rig_new(1, NULL);
    server->on_request = big_answer;
    rig_in(server, 2, 9, hex("40020001 b161 ff31"));
    cps_msg_t answer = rig_sent_msg(server, 0);
    assert_int_equal(answer.code, CPS_NOT_FOUND);
    assert_int_equal(answer.payload.len, 0);
    rig_in(server, 2, 9, hex("40020001 b161 ff31"));
    assert_int_equal(server->requests, 1);
    rig_free(server);
}

static void cancelled_requests_leave_nothing(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    cps_option_t path;
    cps_command_request_t get = rig_get(PEER, &path, "a");
    cps_handle_t first = rig_request(rig, &get);
    cps_handle_t second = rig_request(rig, &get);
    assert_ok(rig_submit_handle(rig, CPS_COMMAND_CANCEL, first));
    assert_err(CPS_ERR_STALE, rig_submit_handle(rig, CPS_COMMAND_CANCEL, first));
    rig_run(rig);
    assert_int_equal(rig->out_count, 1); /* the peer is silent so far: the second waits for its turn */
    assert_ok(rig_submit_handle(rig, CPS_COMMAND_CANCEL, second));
    rig_advance(rig, 300000000);
    cps_ep_stats_t stats;
    cps_ep_stats(rig->ep, &stats);
    assert_int_equal(stats.requests_out, 0);
    assert_int_equal(rig->failures + rig->responses, 0);
    assert_true(cps_ep_deadline(rig->ep) == CPS_TIME_NEVER);
    rig_free(rig);
}

static const cps_case_t cases[] = {
    {"MSG-40", "one interaction at a time, the rest in order", one_interaction_at_a_time},
    {"MSG-41", "a silent peer gets one byte a second", a_silent_peer_gets_one_byte_a_second},
    {"MSG-45 MSG-51", "all kinds of responses are taken", all_kinds_of_responses_are_taken},
    {"MSG-47", "an Empty ACK stops copies and the request stays open",
     an_empty_ack_stops_copies_and_the_request_stays_open},
    {"MSG-52", "tokens come back as they were", tokens_come_back_as_they_were},
    {"MSG-53", "tokens are unique and random", tokens_are_unique_and_random},
    {"MSG-54", "a response matches on endpoint, token and Message ID", a_response_matches_on_endpoint_token_and_mid},
    {"REQ-6 REQ-7 REQ-8", "unknown critical options are refused by name", unknown_critical_options_are_refused_by_name},
    {"REQ-5", "unknown elective options are ignored", unknown_elective_options_are_ignored},
    {"REQ-10 REQ-12", "illegal lengths and copies count as unrecognised",
     illegal_lengths_and_copies_count_as_unrecognised},
    {"REQ-9", "a response with an unknown critical option is rejected",
     a_response_with_an_unknown_critical_option_is_rejected},
    {"", "no payload where none belongs", no_payload_where_none_belongs},
    {"MSG-38", "too large a body is refused", too_large_a_body_is_refused},
    {"REQ-34", "after 4.01 or 4.02 nothing is repeated", after_401_or_402_nothing_is_repeated},
    {"", "an unverified address gets a challenge, then the answer",
     an_unverified_address_gets_a_challenge_then_the_answer},
    {"", "an unsafe method that ran is not asked for again", an_unsafe_method_that_ran_is_not_asked_for_again},
    {"", "cancelled requests leave nothing", cancelled_requests_leave_nothing},
};

CPS_RUN("ep_exchange", cases)
