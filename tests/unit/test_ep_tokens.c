// SPDX-License-Identifier: Apache-2.0
/* Extended tokens and what a client may keep in them (RFC 8974), at the level of datagrams. */
#include "rig.h"

#include "exch/stateless.h"

#include <stdlib.h>

#define SERVER 1
#define CLIENT 2

static void no_extension(cps_ep_config_t *config) { config->token_max = 8; }
static void long_ones(cps_ep_config_t *config) { config->token_max = 300; }
static void no_room_for_long_ones(cps_ep_config_t *config) { config->answer_bytes = 1; }

/* A GET with a token of `len` bytes, written in the shape of RFC 8974 §2.1. */
static cps_bytes_t get_of(uint8_t *bytes, cps_type_t type, size_t len)
{
    uint8_t *p = bytes;
    unsigned nibble = len < 13 ? (unsigned)len : (len < 269 ? 13 : 14);
    *p++ = (uint8_t)(0x40U | (unsigned)type << 4U | nibble);
    *p++ = CPS_GET;
    *p++ = 0x12;
    *p++ = (uint8_t)len;
    if (nibble == 13)
        *p++ = (uint8_t)(len - 13);
    if (nibble == 14) {
        cps_put_be16(p, (uint16_t)(len - 269));
        p += 2;
    }
    for (size_t i = 0; i < len; i++)
        *p++ = (uint8_t)(i * 7 + len);
    return cps_bytes(bytes, (size_t)(p - bytes));
}

static void a_server_takes_what_its_limit_says(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, 8, 9, 12, 13, 63, 64};
    uint8_t bytes[128];
    for (unsigned off = 0; off < 2; off++) {
        for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
            rig_t *server = rig_new(SERVER, off != 0 ? no_extension : NULL);
            cps_bytes_t request = get_of(bytes, CPS_CON, lens[i]);
            rig_in(server, CLIENT, 9, request);
            bool taken = off == 0 || lens[i] <= 8;
            cps_msg_t answer = rig_sent_msg(server, 0);
            assert_int_equal(answer.type, taken ? CPS_ACK : CPS_RST);
            assert_int_equal(answer.mid, 0x1200 + lens[i]);
            assert_int_equal(server->requests, taken ? 1 : 0);
            if (taken)
                assert_bytes(cps_bytes(request.ptr + request.len - lens[i], lens[i]), answer.token);
            rig_free(server);
        }
        rig_t *server = rig_new(SERVER, off != 0 ? no_extension : NULL);
        rig_in(server, CLIENT, 9, hex("4f011234 00000000000000000000000000000000"));
        assert_int_equal(rig_sent_msg(server, 0).type, CPS_RST);
        rig_in(server, CLIENT, 9, hex("4d011235 02 aabb"));   /* cut short */
        rig_in(server, CLIENT, 9, hex("4e011236 0000 aabb")); /* cut short */
        rig_in(server, CLIENT, 9, hex("4d011237"));
        assert_int_equal(server->out_count, 4);
        assert_int_equal(server->requests, 0);
        rig_free(server);
    }
}

static void tokens_of_all_lengths_come_back(void **state)
{
    (void)state;
    static const size_t lens[] = {12, 13, 268, 269, 300};
    static const char *const heads[] = {"6c451210", "6d45120d00", "6d45120cff", "6e45120d0000", "6e45122c001f"};
    uint8_t bytes[512];
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        rig_t *server = rig_new(SERVER, long_ones);
        cps_bytes_t request = get_of(bytes, CPS_CON, lens[i]);
        rig_in(server, CLIENT, 9, request);
        cps_msg_t answer = rig_sent_msg(server, 0);
        assert_bytes(cps_bytes(request.ptr + request.len - lens[i], lens[i]), answer.token);
        cps_bytes_t head = hex(heads[i]);
        assert_int_equal(rig_sent(server, 0).ptr[0], head.ptr[0]);
        assert_memory_equal(rig_sent(server, 0).ptr + 4, head.ptr + 4, head.len - 4);
        rig_advance(server, 300000000);
        rig_free(server);
    }
}

static void never(rig_t *rig, const cps_event_t *event)
{
    (void)rig;
    (void)event;
}

/* A separate answer and one that waited carry the long token too. */
static void a_later_answer_has_the_long_token_too(void **state)
{
    (void)state;
    uint8_t bytes[128];
    rig_t *server = rig_new(SERVER, NULL);
    server->on_request = never;
    cps_bytes_t request = get_of(bytes, CPS_CON, 40);
    rig_in(server, CLIENT, 9, request);
    rig_advance(server, 1000000);
    assert_int_equal(rig_sent_msg(server, 0).code, CPS_EMPTY);
    rig_clear(server);
    rig_reply(server, server->last.handle, CPS_CONTENT, "late");
    rig_run(server);
    assert_int_equal(rig_sent_msg(server, 0).type, CPS_CON);
    assert_bytes(cps_bytes(request.ptr + request.len - 40, 40), rig_sent_msg(server, 0).token);
    rig_free(server);
}

static void too_long_is_said_with_the_token(void **state)
{
    (void)state;
    uint8_t bytes[512];
    rig_t *server = rig_new(SERVER, NULL);
    cps_bytes_t request = get_of(bytes, CPS_CON, 300);
    rig_in(server, CLIENT, 9, request);
    cps_msg_t answer = rig_sent_msg(server, 0);
    assert_true(answer.type == CPS_ACK && answer.code == CPS_BAD_REQUEST);
    assert_bytes(cps_bytes(request.ptr + request.len - 300, 300), answer.token);
    rig_clear(server);
    rig_in(server, CLIENT, 9, get_of(bytes, CPS_NON, 300));
    answer = rig_sent_msg(server, 0);
    assert_true(answer.type == CPS_NON && answer.code == CPS_BAD_REQUEST && answer.token.len == 300);
    rig_clear(server);
    cps_datagram_t group = {.path = rig_path(CLIENT, 9), .bytes = get_of(bytes, CPS_NON, 300)};
    group.path.flags = CPS_PATH_MULTICAST;
    cps_ep_input(server->ep, server->now_us, &group, 1);
    rig_run(server);
    assert_int_equal(server->out_count, 0);
    assert_int_equal(server->requests, 0);
    rig_free(server);
    server = rig_new(SERVER, no_room_for_long_ones);
    rig_in(server, CLIENT, 9, get_of(bytes, CPS_CON, 64));
    answer = rig_sent_msg(server, 0);
    assert_true(answer.type == CPS_ACK && answer.code == CPS_SERVICE_UNAVAILABLE && answer.token.len == 64);
    rig_free(server);
}

/* ---- the stateless client ---- */

static cps_err_t ask(rig_t *client, const char *what, bool non)
{
    cps_option_t path;
    cps_command_t command = {.kind = CPS_COMMAND_REQUEST, .u.request = rig_get(SERVER, &path, "a")};
    command.u.request.stateless = true;
    command.u.request.state = cps_bytes_str(what);
    command.u.request.non_confirmable = non;
    cps_err_t err = cps_ep_submit(client->ep, client->now_us, &command, NULL);
    rig_run(client);
    return err;
}

static void the_token_is_all_there_is(void **state)
{
    (void)state;
    rig_t *client = rig_new(CLIENT, NULL);
    rig_t *server = rig_new(SERVER, NULL);
    cps_ep_stats_t stats;
    assert_ok(ask(client, "row 7", true));
    assert_int_equal(rig_sent_msg(client, 0).type, CPS_CON); /* whether the server takes long tokens is not known yet */
    assert_int_equal(rig_sent_msg(client, 0).token.len, CPS_STATELESS_OVERHEAD + 5);
    rig_shuttle(client, server);
    assert_int_equal(client->responses, 1);
    assert_bytes(CPS_BYTES_LIT("row 7"), client->last.u.response.state);
    assert_true(client->last.handle == 0);
    assert_ok(ask(client, "row 8", true));
    assert_int_equal(rig_sent_msg(client, 0).type, CPS_NON);
    cps_ep_stats(client->ep, &stats);
    assert_int_equal(stats.requests_out, 0);
    assert_true(cps_ep_deadline(client->ep) == CPS_TIME_NEVER);
    rig_shuttle(client, server);
    assert_int_equal(client->responses, 2);
    assert_bytes(CPS_BYTES_LIT("row 8"), client->last.u.response.state);
    rig_free(client);
    rig_free(server);
}

static void support_is_probed_and_forgotten(void **state)
{
    (void)state;
    rig_t *client = rig_new(CLIENT, NULL);
    rig_t *old = rig_new(SERVER, no_extension);
    for (unsigned round = 0; round < 2; round++) {
        assert_ok(ask(client, "x", false));
        assert_int_equal(rig_sent_msg(client, 0).type, CPS_CON);
        rig_shuttle(client, old);
        assert_int_equal(client->responses, 0);
        rig_advance(client, 1799000000); /* half an hour */
        assert_err(CPS_ERR_UNSUPPORTED, ask(client, "x", false));
        cps_option_t path;
        cps_command_request_t plain = rig_get(SERVER, &path, "a"); /* tokens of at most 8 bytes go on */
        (void)rig_request(client, &plain);
        assert_true(rig_sent_msg(client, 0).token.len <= 8);
        rig_shuttle(client, old);
        assert_int_equal(client->responses, 1);
        client->responses = 0;
        rig_advance(client, 84600000000); /* a day in all */
    }
    rig_free(client);
    rig_free(old);
}

/* A response with that token, as a server would send it. */
static cps_bytes_t response_of(uint8_t *bytes, cps_type_t type, uint16_t mid, cps_bytes_t token)
{
    cps_msg_t msg = {.type = (uint8_t)type, .code = CPS_CONTENT, .mid = mid, .token = token};
    cps_writer_t w = cps_writer(bytes, 256);
    cps_msg_write(&w, &msg);
    return cps_written(&w);
}

typedef struct asked {
    rig_t *client;
    uint8_t token[128];
    size_t len;
    uint16_t mid;
} asked_t;

static void begin(asked_t *a)
{
    a->client = rig_new(CLIENT, NULL);
    assert_ok(ask(a->client, "secret row", false));
    cps_msg_t sent = rig_sent_msg(a->client, 0);
    a->mid = sent.mid;
    a->len = sent.token.len;
    memcpy(a->token, sent.token.ptr, sent.token.len);
    rig_clear(a->client);
}

static void a_token_is_authentic_fresh_and_taken_once(void **state)
{
    (void)state;
    asked_t a;
    uint8_t bytes[256];
    begin(&a);
    for (size_t bit = 0; bit < 8 * a.len; bit++) {
        a.token[bit / 8] ^= (uint8_t)(1U << bit % 8);
        rig_in(a.client, SERVER, 5683, response_of(bytes, CPS_NON, (uint16_t)(1000 + bit), cps_bytes(a.token, a.len)));
        a.token[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    rig_in(a.client, SERVER, 5683, response_of(bytes, CPS_NON, 1, cps_bytes(a.token, a.len - 1)));
    rig_in(a.client, 3, 5683, response_of(bytes, CPS_NON, 2, cps_bytes(a.token, a.len))); /* from someone else */
    assert_int_equal(a.client->responses, 0);
    for (size_t i = 0; i + 6 <= a.len; i++) /* private: nobody reads it */
        assert_memory_not_equal(a.token + i, "secret", 6);
    rig_in(a.client, SERVER, 5683, response_of(bytes, CPS_NON, 3, cps_bytes(a.token, a.len)));
    assert_int_equal(a.client->responses, 1);
    for (uint16_t copy = 4; copy < 8; copy++)
        rig_in(a.client, SERVER, 5683, response_of(bytes, CPS_NON, copy, cps_bytes(a.token, a.len)));
    assert_int_equal(a.client->responses, 1);
    rig_free(a.client);
    begin(&a);
    rig_advance(a.client, 247000000); /* EXCHANGE_LIFETIME */
    rig_in(a.client, SERVER, 5683, response_of(bytes, CPS_NON, 9, cps_bytes(a.token, a.len)));
    assert_int_equal(a.client->responses, 0);
    rig_free(a.client);
}

static void a_bad_answer_is_rejected_but_an_ack_is_one(void **state)
{
    (void)state;
    asked_t a;
    uint8_t bytes[256];
    begin(&a);
    a.token[12] ^= 1;
    rig_in(a.client, SERVER, 5683, response_of(bytes, CPS_CON, 500, cps_bytes(a.token, a.len)));
    assert_true(rig_sent_msg(a.client, 0).type == CPS_RST && rig_sent_msg(a.client, 0).mid == 500);
    rig_clear(a.client);
    rig_in(a.client, SERVER, 5683, response_of(bytes, CPS_NON, 501, cps_bytes(a.token, a.len)));
    assert_true(a.client->out_count == 0 || rig_sent_msg(a.client, 0).type == CPS_RST);
    rig_clear(a.client);
    rig_in(a.client, SERVER, 5683, response_of(bytes, CPS_ACK, a.mid, cps_bytes(a.token, a.len)));
    assert_int_equal(a.client->out_count, 0);
    assert_int_equal(a.client->responses, 0);
    rig_advance(a.client, 100000000);
    assert_int_equal(a.client->out_count, 0); /* no copies: it was acknowledged */
    a.token[12] ^= 1;
    rig_in(a.client, SERVER, 5683, response_of(bytes, CPS_CON, 502, cps_bytes(a.token, a.len)));
    assert_int_equal(a.client->responses, 1);
    assert_true(rig_sent_msg(a.client, 0).type == CPS_ACK && rig_sent_msg(a.client, 0).mid == 502);
    rig_clear(a.client); /* a copy is acknowledged again, and delivered once */
    rig_in(a.client, SERVER, 5683, response_of(bytes, CPS_CON, 502, cps_bytes(a.token, a.len)));
    assert_int_equal(rig_sent_msg(a.client, 0).type, CPS_ACK);
    assert_int_equal(a.client->responses, 1);
    rig_free(a.client);
}

static void copies_go_until_the_end(void **state)
{
    (void)state;
    asked_t a;
    begin(&a);
    rig_advance(a.client, 247000000);
    assert_int_equal(a.client->out_count, 4); /* MAX_RETRANSMIT */
    for (size_t i = 0; i < 4; i++)
        assert_bytes(cps_bytes(a.token, a.len), rig_sent_msg(a.client, i).token);
    assert_int_equal(a.client->notes[CPS_NOTE_UNDELIVERED], 1);
    assert_true(cps_ep_deadline(a.client->ep) == CPS_TIME_NEVER);
    rig_free(a.client);
}

static void the_window_of_tokens_has_an_end(void **state)
{
    (void)state;
    cps_rng_seeded_t seeded;
    cps_rng_t rng = cps_rng_from_seed(&seeded, 5);
    cps_crypto_t crypto;
    cps_path_t path = rig_path(SERVER, 5683);
    cps_stateless_t s;
    cps_stateless_found_t found;
    static uint8_t tokens[CPS_STATELESS_WINDOW + 2][CPS_STATELESS_TOKEN];
    size_t len = 0;
    assert_ok(cps_crypto_openssl_init(&crypto));
    cps_stateless_init(&s, &rng, 1000);
    cps_stateless_use_t use = {&crypto, 5, &path};
    uint8_t big[CPS_STATELESS_MAX + 1] = {0};
    assert_err(CPS_ERR_TOO_LARGE, cps_stateless_seal(&s, &use, cps_bytes(big, sizeof big), tokens[0], &len));
    for (uint32_t i = 0; i < CPS_STATELESS_WINDOW + 2; i++)
        assert_ok(cps_stateless_seal(&s, &use, cps_bytes(&i, sizeof i), tokens[i], &len));
    for (uint32_t i = 0; i < CPS_STATELESS_WINDOW + 2; i++) {
        cps_err_t err = cps_stateless_open(&s, &use, cps_bytes(tokens[i], len), &found);
        assert_err(i < 2 ? CPS_ERR_REPLAY : CPS_OK, err);
        if (err == CPS_OK)
            assert_bytes(cps_bytes(&i, sizeof i), cps_bytes(found.state, found.len));
        assert_err(CPS_ERR_REPLAY, cps_stateless_open(&s, &use, cps_bytes(tokens[i], len), &found));
    }
    cps_crypto_openssl_fini(&crypto);
}

static const cps_case_t cases[] = {
    {"MSG-3", "a server takes tokens up to its limit, and of 8 bytes without the extension",
     a_server_takes_what_its_limit_says},
    {"XTK-1", "tokens of all lengths come back as they were", tokens_of_all_lengths_come_back},
    {"", "a later answer has the long token too", a_later_answer_has_the_long_token_too},
    {"XTK-5", "a token that is too long is said with the token", too_long_is_said_with_the_token},
    {"", "the token is all there is of a stateless request", the_token_is_all_there_is},
    {"XTK-4", "support is probed by a CON, and what was found expires", support_is_probed_and_forgotten},
    {"XTK-7", "a token is authentic, private, fresh and taken once", a_token_is_authentic_fresh_and_taken_once},
    {"XTK-8", "a bad answer is rejected, but an ACK is one", a_bad_answer_is_rejected_but_an_ack_is_one},
    {"", "copies of a stateless CON go until their end", copies_go_until_the_end},
    {"", "the window of tokens has an end", the_window_of_tokens_has_an_end},
};

CPS_RUN("ep_tokens", cases)
