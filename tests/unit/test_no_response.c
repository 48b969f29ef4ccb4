// SPDX-License-Identifier: Apache-2.0
/* No-Response (RFC 7967), at the level of datagrams. */
#include "rig.h"

#include "wire/no_response.h"

static const uint8_t codes[] = {CPS_CHANGED, CPS_NOT_FOUND, CPS_INTERNAL_SERVER_ERROR};

static cps_bytes_t request_of(uint8_t *bytes, size_t size, cps_type_t type, cps_bytes_t no_response)
{
    static uint16_t mid;
    mid++;
    uint8_t options[16];
    cps_writer_t ow = cps_writer(options, sizeof options);
    cps_opt_writer_t list = cps_opt_writer(&ow);
    if (no_response.ptr != NULL)
        cps_opt_put(&list, CPS_OPT_NO_RESPONSE, no_response);
    cps_msg_t msg = {.type = (uint8_t)type,
                     .code = CPS_PUT,
                     .mid = mid,
                     .token = CPS_BYTES_LIT("tok"),
                     .options = cps_written(&ow),
                     .payload = CPS_BYTES_LIT("x")};
    cps_writer_t w = cps_writer(bytes, size);
    cps_msg_write(&w, &msg);
    return cps_written(&w);
}

static void answer_as_told(rig_t *rig, const cps_event_t *event)
{
    rig_reply(rig, event->handle, codes[*(const unsigned *)rig->user], NULL);
}

/* What a server sends for a request with that option and an answer of each class. */
static void expect(cps_type_t type, cps_bytes_t no_response, unsigned bits)
{
    static const uint8_t bit_of[] = {2, 8, 16};
    uint8_t bytes[64];
    for (unsigned i = 0; i < 3; i++) {
        rig_t *server = rig_new(1, NULL);
        server->on_request = answer_as_told;
        server->user = &i;
        cps_bytes_t request = request_of(bytes, sizeof bytes, type, no_response);
        rig_in(server, 2, 9, request);
        bool wanted = (bits & bit_of[i]) == 0;
        assert_int_equal(server->requests, 1);
        assert_int_equal(server->out_count, wanted || type == CPS_CON ? 1 : 0);
        for (unsigned copy = 0; copy < 2 && server->out_count != 0; copy++) {
            cps_msg_t sent = rig_sent_msg(server, 0);
            assert_int_equal(sent.code, wanted ? codes[i] : CPS_EMPTY);
            assert_int_equal(sent.type, type == CPS_CON ? CPS_ACK : CPS_NON);
            rig_clear(server);
            rig_in(server, 2, 9, request); /* a copy gets the same again, and runs nothing */
            assert_int_equal(server->requests, 1);
        }
        rig_advance(server, 300000000);
        assert_true(cps_ep_deadline(server->ep) == CPS_TIME_NEVER);
        rig_free(server);
    }
}

static void each_bit_switches_off_a_class(void **state)
{
    (void)state;
    static const uint8_t values[] = {2, 8, 16, 24, 26};
    expect(CPS_CON, cps_bytes(NULL, 0), 0);
    expect(CPS_CON, cps_bytes(values, 0), 0);
    for (size_t i = 0; i < sizeof values; i++) {
        expect(CPS_CON, cps_bytes(&values[i], 1), values[i]);
        expect(CPS_NON, cps_bytes(&values[i], 1), values[i]);
    }
}

static void an_error_before_the_handler_counts_too(void **state)
{
    (void)state;
    rig_t *server = rig_new(1, NULL);
    uint8_t bytes[64];
    static const uint8_t eight = 8;
    cps_bytes_t request = request_of(bytes, sizeof bytes, CPS_CON, cps_bytes(&eight, 1));
    uint8_t worse[80];
    cps_writer_t w =
        cps_writer(worse, sizeof worse); /* header and token, a critical option 2049 in its place, no payload */
    cps_write_bytes(&w, cps_bytes(request.ptr, request.len - 2));
    cps_write_bytes(&w, CPS_BYTES_LIT("\xe0\x05\xf2")); /* 258 + 269 + 0x5f2 = 2049 */
    rig_in(server, 2, 9, cps_written(&w));
    assert_int_equal(server->requests, 0);
    assert_int_equal(server->out_count, 1);
    assert_int_equal(rig_sent_msg(server, 0).code, CPS_EMPTY);
    assert_int_equal(rig_sent_msg(server, 0).type, CPS_ACK);
    rig_free(server);
}

/* ---- OSCORE ---- */

static void inside_counts_and_outside_does_not(void **state)
{
    (void)state;
    static const uint8_t all = CPS_NO_RESPONSE_ALL;
    rig_t *client = rig_new(2, NULL);
    rig_t *server = rig_new(1, NULL);
    (void)rig_context(server, false);
    cps_option_t path;
    cps_command_request_t put = rig_get(1, &path, "a");
    put.context = rig_context(client, true);
    (void)rig_request(client, &put);
    cps_msg_t sealed = rig_sent_msg(client, 0);
    uint8_t bytes[256];
    uint8_t options[64];
    cps_writer_t ow = cps_writer(options, sizeof options);
    cps_write_bytes(&ow, sealed.options);
    cps_write_bytes(&ow, CPS_BYTES_LIT("\xd1\xec")); /* behind OSCORE: 258 - 9 = 249 = 13 + 236 */
    cps_write_u8(&ow, all);
    sealed.options = cps_written(&ow);
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_write(&w, &sealed);
    rig_in(server, 2, 5683, cps_written(&w));
    assert_int_equal(server->requests, 1);
    assert_int_equal(server->out_count, 1);
    assert_int_equal(rig_sent_msg(server, 0).code, CPS_CHANGED); /* the outer code of a sealed answer */
    rig_carry(server, client);
    assert_int_equal(client->responses, 1);
    const cps_option_t with[] = {path, {CPS_OPT_NO_RESPONSE, {&all, 1}}};
    put.options = with;
    put.option_count = 2;
    rig_clear(client);
    (void)rig_request(client, &put);
    sealed = rig_sent_msg(client, 0);
    cps_bytes_t value;
    assert_true(cps_opt_find(sealed.options, CPS_OPT_NO_RESPONSE, &value) && value.len == 1 && value.ptr[0] == all);
    rig_shuttle(client, server);
    assert_int_equal(server->requests, 2);
    assert_int_equal(client->responses, 1);
    assert_int_equal(client->failures, 1); /* the end that was asked for */
    assert_int_equal(client->last.u.failed.err, CPS_OK);
    rig_free(client);
    rig_free(server);
}

/* ---- the client ---- */

static cps_command_request_t unanswered(cps_option_t list[2], bool non)
{
    static const uint8_t all = CPS_NO_RESPONSE_ALL;
    cps_command_request_t request = rig_get(1, &list[0], "a");
    list[1] = (cps_option_t){CPS_OPT_NO_RESPONSE, {&all, 1}};
    request.code = CPS_PUT;
    request.options = list;
    request.option_count = 2;
    request.non_confirmable = non;
    return request;
}

static void nobody_listens_for_what_is_not_wanted(void **state)
{
    (void)state;
    cps_option_t list[2];
    cps_ep_stats_t stats;
    for (unsigned non = 0; non < 2; non++) {
        rig_t *client = rig_new(2, NULL);
        cps_command_request_t request = unanswered(list, non != 0);
        (void)rig_request(client, &request);
        rig_run(client);
        cps_msg_t sent = rig_sent_msg(client, 0);
        uint8_t late[64];
        cps_writer_t w = cps_writer(late, sizeof late);
        cps_msg_t answer = {.type = CPS_CON, .code = CPS_CHANGED, .mid = 77, .token = sent.token};
        cps_msg_write(&w, &answer);
        if (non == 0) { /* it goes on until it is acknowledged */
            assert_int_equal(client->failures, 0);
            uint8_t ack[4];
            cps_writer_t aw = cps_writer(ack, sizeof ack);
            cps_msg_write_empty(&aw, CPS_ACK, sent.mid);
            rig_in(client, 1, 5683, cps_written(&aw));
        }
        assert_int_equal(client->failures, 1);
        assert_int_equal(client->last.u.failed.err, CPS_OK);
        assert_true(client->last.u.failed.sent);
        cps_ep_stats(client->ep, &stats);
        assert_int_equal(stats.requests_out, 0);
        rig_clear(client);
        rig_in(client, 1, 5683, cps_written(&w));
        assert_int_equal(client->responses, 0);
        assert_int_equal(rig_sent_msg(client, 0).type, CPS_RST);
        rig_advance(client, 300000000);
        assert_true(cps_ep_deadline(client->ep) == CPS_TIME_NEVER);
        rig_free(client);
    }
}

#define MANY 1000

static void no_token_comes_twice(void **state)
{
    (void)state;
    static uint8_t tokens[MANY][8];
    cps_option_t list[2];
    rig_t *client = rig_new(2, NULL);
    rig_t *server = rig_new(1, NULL);
    for (unsigned i = 0; i < MANY; i++) {
        cps_command_request_t request = unanswered(list, true);
        (void)rig_request(client, &request);
        rig_run(client);
        cps_msg_t sent = rig_sent_msg(client, 0);
        assert_int_equal(sent.token.len, 8);
        memcpy(tokens[i], sent.token.ptr, 8);
        for (unsigned j = 0; j < i; j++)
            assert_memory_not_equal(tokens[i], tokens[j], 8);
        rig_shuttle(client, server); /* a few are answered */
    }                                /* all of it at one time, while a token has to rest for minutes */
    rig_free(client);
    rig_free(server);
}

/* 100 NON in a second: every eighth asks for an answer, and while that is missing none follows. */
static void some_are_answered_so_that_congestion_is_seen(void **state)
{
    (void)state;
    cps_option_t list[2];
    rig_t *client = rig_new(2, NULL);
    unsigned sent = 0;
    unsigned asked = 0;
    for (unsigned i = 0; i < 100; i++) {
        cps_command_request_t request = unanswered(list, true);
        cps_command_t command = {.kind = CPS_COMMAND_REQUEST, .u.request = request};
        (void)!cps_ep_submit(client->ep, client->now_us, &command, NULL); /* full at the end: they wait */
        rig_run(client);
        for (size_t at = 0; at < client->out_count; at++, sent++) {
            cps_msg_t msg = rig_sent_msg(client, at);
            cps_bytes_t value;
            if (cps_opt_find(msg.options, CPS_OPT_NO_RESPONSE, &value))
                continue;
            assert_int_equal(sent % 8, 7);
            asked++;
            uint8_t bytes[16];
            cps_writer_t w = cps_writer(bytes, sizeof bytes);
            cps_msg_t answer = {.type = CPS_NON, .code = CPS_CHANGED, .mid = (uint16_t)(500 + i), .token = msg.token};
            cps_msg_write(&w, &answer);
            if (asked < 10)
                rig_in(client, 1, 5683, cps_written(&w));
        }
        rig_clear(client);
        rig_advance(client, 10000);
    }
    assert_int_equal(asked, 10);
    assert_int_equal(sent, 80); /* the tenth got no answer: the other twenty wait */
    assert_int_equal(client->responses, 9);
    rig_free(client);
}

static const cps_case_t cases[] = {
    {"NOR-2 NOR-5", "each bit switches off one class, and a CON is acknowledged all the same",
     each_bit_switches_off_a_class},
    {"", "an error that the handler never sees counts too", an_error_before_the_handler_counts_too},
    {"OSC-32", "under OSCORE the inner option counts and the outer one does not", inside_counts_and_outside_does_not},
    {"NOR-4", "nobody listens for what is not wanted", nobody_listens_for_what_is_not_wanted},
    {"NOR-6", "no token comes twice", no_token_comes_twice},
    {"NOR-7", "some are answered, so that congestion is seen", some_are_answered_so_that_congestion_is_seen},
};

CPS_RUN("no_response", cases)
