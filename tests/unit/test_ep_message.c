// SPDX-License-Identifier: Apache-2.0
/* The endpoint at the level of datagrams: malformed messages, acknowledgements, resets, duplicates, tokens. */
#include "rig.h"

#define PEER 2
#define PORT 40000

static void expect_one(const rig_t *rig, cps_bytes_t bytes)
{
    assert_int_equal(rig->out_count, 1);
    assert_bytes(bytes, rig_sent(rig, 0));
}

static void other_versions_are_dropped(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    static const char *const firsts[] = {"01", "81", "c1"};
    for (int i = 0; i < 3; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s01000177b161", firsts[i]);
        rig_in(rig, PEER, PORT, hex(text));
    }
    assert_int_equal(rig->out_count, 0);
    assert_int_equal(rig->requests, 0);
    rig_free(rig);
}

static void short_datagrams_are_dropped(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    cps_ep_stats_t stats;
    for (size_t len = 0; len < 4; len++)
        rig_in(rig, PEER, PORT, cps_bytes("\x40\x01\x00", len));
    assert_int_equal(rig->out_count, 0);
    cps_ep_stats(rig->ep, &stats);
    assert_int_equal(stats.peers + stats.requests_in, 0);
    assert_int_equal(stats.dedup_bytes, 0);
    rig_free(rig);
}

static void a_token_that_is_cut_short_is_reset(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    rig_in(rig, PEER, PORT, hex("48010001010203"));
    expect_one(rig, hex("70000001"));
    rig_free(rig);
}

static void reserved_code_classes_are_reset(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    static const char *const codes[] = {"24", "c0", "e1"}; /* 1.04, 6.00, 7.01 */
    for (int i = 0; i < 3; i++) {
        char text[32];
        snprintf(text, sizeof text, "40%s0009", codes[i]);
        rig_clear(rig);
        rig_in(rig, PEER, PORT, hex(text));
        expect_one(rig, hex("70000009"));
    }
    assert_int_equal(rig->requests, 0);
    rig_free(rig);
}

static void a_marker_without_payload_is_reset(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    rig_in(rig, PEER, PORT, hex("40010001ff"));
    expect_one(rig, hex("70000001"));
    rig_free(rig);
}

static void bad_options_are_reset(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    static const char *const options[] = {"f0", "1f", "ef0000", "e09c33e09c33"};
    for (int i = 0; i < 4; i++) {
        char text[64];
        snprintf(text, sizeof text, "40010001%s", options[i]);
        rig_clear(rig);
        rig_in(rig, PEER, PORT, hex(text));
        expect_one(rig, hex("70000001"));
    }
    assert_int_equal(rig->requests, 0);
    rig_free(rig);
}

static void a_message_cut_anywhere_is_never_half_processed(void **state)
{
    (void)state;
    cps_bytes_t whole = hex("420300011122b3616263410aff68656c6c6f"); /* PUT /abc, Content-Format 10 */
    for (size_t len = 0; len <= whole.len; len++) {
        rig_t *rig = rig_new(1, NULL);
        rig_in(rig, PEER, PORT, cps_bytes(whole.ptr, len));
        cps_msg_t msg;
        bool legal = cps_msg_parse(cps_bytes(whole.ptr, len), &msg) == CPS_OK;
        assert_int_equal(rig->requests, legal ? 1 : 0);
        if (!legal && len >= 4)
            expect_one(rig, hex("70000001"));
        rig_free(rig);
    }
}

static void an_empty_message_is_four_bytes(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    rig_in(rig, PEER, PORT, hex("41000001aa"));
    expect_one(rig, hex("70000001"));
    rig_clear(rig);
    rig_in(rig, PEER, PORT, hex("40000001ff01"));
    expect_one(rig, hex("70000001"));
    assert_int_equal(rig->requests + rig->responses, 0);
    rig_free(rig);
}

static void a_con_gets_one_kind_of_answer(void **state)
{
    (void)state;
    cps_rng_seeded_t seeded;
    cps_rng_t rng = cps_rng_from_seed(&seeded, 42);
    rig_t *rig = rig_new(1, NULL);
    for (uint32_t i = 0; i < 10000; i++) {
        uint8_t bytes[32];
        size_t len = 4 + cps_rng_below(&rng, 28);
        cps_rng_fill(&rng, bytes, sizeof bytes);
        bytes[0] = (uint8_t)(0x40U | (bytes[0] & 0x0fU)); /* CON */
        cps_put_be16(bytes + 2, (uint16_t)i);
        rig_clear(rig);
        rig_in(rig, PEER, PORT, cps_bytes(bytes, len));
        assert_true(rig->out_count <= 1);
        if (rig->out_count == 1) {
            cps_msg_t msg = rig_sent_msg(rig, 0);
            assert_true(msg.type == CPS_ACK || msg.type == CPS_RST);
            assert_int_equal(msg.mid, i);
        }
    }
    rig_free(rig);
}

static void ping_gets_reset_and_touches_nothing(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    cps_ep_stats_t stats;
    rig_in(rig, PEER, PORT, hex("40001234"));
    expect_one(rig, hex("70001234"));
    cps_ep_stats(rig->ep, &stats);
    assert_int_equal(stats.peers, 0);
    rig_free(rig);
}

static void a_bad_con_leaves_other_exchanges_alone(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    cps_option_t path;
    cps_command_request_t get = rig_get(PEER, &path, "a");
    rig_request(rig, &get);
    cps_msg_t sent = rig_sent_msg(rig, 0);
    rig_clear(rig);
    rig_in(rig, PEER, 5683, hex("40c00099")); /* reserved class from the very peer that is asked */
    expect_one(rig, hex("70000099"));
    uint8_t answer[32];
    cps_writer_t w = cps_writer(answer, sizeof answer);
    cps_msg_t ack = {.type = CPS_ACK, .code = CPS_CONTENT, .mid = sent.mid, .token = sent.token};
    cps_msg_write(&w, &ack);
    rig_in(rig, PEER, 5683, cps_written(&w));
    assert_int_equal(rig->responses, 1);
    rig_free(rig);
}

static void nothing_answers_an_ack_or_reset(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    static const char *const bad[] = {"600000011f", "69000001",         "604500017d", "a0450001", "60000001",
                                      "700000011f", "79000001",         "70010001",   "b0000001", "70000001",
                                      "60450001",   "6045000173010203", "60010001"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        rig_in(rig, PEER, PORT, hex(bad[i]));
    assert_int_equal(rig->out_count, 0);
    assert_int_equal(rig->requests + rig->responses, 0);
    rig_free(rig);
}

static void type_and_code_have_to_fit(void **state)
{
    (void)state;
    /* rows CON, NON, ACK, RST; columns Empty, request, response, reserved: what comes back to an idle endpoint */
    static const char *const expected[4][4] = {
        {"70", "61", "70", "70"}, {"", "51", "", ""}, {"", "", "", ""}, {"", "", "", ""}};
    static const uint8_t codes[4] = {0x00, 0x01, 0x45, 0x21};
    for (unsigned type = 0; type < 4; type++) {
        for (unsigned c = 0; c < 4; c++) {
            rig_t *rig = rig_new(1, NULL);
            uint8_t bytes[5] = {(uint8_t)(0x40U | type << 4U | (codes[c] != 0)), codes[c], 0, 7, 0x55};
            rig_in(rig, PEER, PORT, cps_bytes(bytes, codes[c] != 0 ? 5 : 4));
            const char *want = expected[type][c];
            assert_int_equal(rig->out_count, *want != '\0');
            if (*want != '\0')
                assert_int_equal(rig_sent(rig, 0).ptr[0], hex(want).ptr[0]);
            assert_int_equal(rig->requests, type < 2 && c == 1);
            rig_free(rig);
        }
    }
}

static void a_con_response_that_nobody_waits_for_is_reset(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    rig_in(rig, PEER, PORT, hex("40451234"));
    expect_one(rig, hex("70001234"));
    rig_free(rig);
}

static void network_errors_count_only_for_the_very_message(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    cps_option_t path_option;
    cps_command_request_t get = rig_get(PEER, &path_option, "a");
    rig_request(rig, &get);
    cps_path_t path = rig_path(PEER, 5683);
    uint8_t quoted[32];
    size_t len = rig_sent(rig, 0).len;
    memcpy(quoted, rig_sent(rig, 0).ptr, len);
    static const size_t places[] = {0, 1, 2, 3, 4}; /* type, code, MID, MID, token */
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        quoted[places[i]] ^= 0x10;
        cps_ep_error(rig->ep, rig->now_us, &path, CPS_NET_UNREACHABLE, cps_bytes(quoted, len));
        quoted[places[i]] ^= 0x10;
    }
    cps_path_t other = rig_path(PEER, 5684);
    cps_ep_error(rig->ep, rig->now_us, &other, CPS_NET_UNREACHABLE, cps_bytes(quoted, len));
    cps_ep_error(rig->ep, rig->now_us, &path, CPS_NET_UNREACHABLE, cps_bytes(quoted, 3));
    rig_run(rig);
    assert_int_equal(rig->failures, 0);
    rig_advance(rig, 3000000);
    assert_int_equal(rig->out_count, 2); /* copies go on */
    cps_ep_error(rig->ep, rig->now_us, &path, CPS_NET_UNREACHABLE, cps_bytes(quoted, len));
    rig_run(rig);
    assert_int_equal(rig->failures, 1);
    assert_int_equal(rig->last.u.failed.err, CPS_ERR_UNREACHABLE);
    rig_free(rig);
}

static void soft_network_errors_end_nothing(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    cps_option_t path_option;
    cps_command_request_t get = rig_get(PEER, &path_option, "a");
    rig_request(rig, &get);
    cps_path_t path = rig_path(PEER, 5683);
    cps_ep_error(rig->ep, rig->now_us, &path, CPS_NET_TOO_LARGE, rig_sent(rig, 0));
    cps_ep_error(rig->ep, rig->now_us, &path, CPS_NET_OTHER, rig_sent(rig, 0));
    rig_advance(rig, 3000000);
    assert_int_equal(rig->failures, 0);
    assert_int_equal(rig->out_count, 2);
    rig_free(rig);
}

static void a_non_is_never_acknowledged_nor_empty(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    rig_in(rig, PEER, PORT, hex("51010007 77b161"));
    assert_int_equal(rig->out_count, 1);
    cps_msg_t answer = rig_sent_msg(rig, 0);
    assert_int_equal(answer.type, CPS_NON); /* a NON gets a NON (MSG-51) */
    assert_bytes(hex("77"), answer.token);
    cps_command_t empty = {.kind = CPS_COMMAND_REQUEST,
                           .u.request = {.path = rig_path(PEER, PORT), .code = CPS_EMPTY, .non_confirmable = true}};
    assert_err(CPS_ERR_ARGUMENT, cps_ep_submit(rig->ep, rig->now_us, &empty, NULL));
    rig_free(rig);
}

static void a_non_that_cannot_be_processed_is_dropped(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    rig_in(rig, PEER, PORT, hex("50000001"));
    rig_in(rig, PEER, PORT, hex("50210001"));
    rig_in(rig, PEER, PORT, hex("50010001ff"));
    rig_in(rig, PEER, PORT, hex("5901000100"));
    assert_int_equal(rig->out_count, 0);
    rig_free(rig);
}

static void tiny_pools(cps_ep_config_t *config)
{
    config->transmission.nstart = 40000;
    config->transmission.unsafe = true;
    config->transmission.probing_rate = 1000000000;
    config->requests_out = 400;
}

static void message_ids_of_an_endpoint_do_not_repeat(void **state)
{
    (void)state;
    static bool used[65536];
    rig_t *rig = rig_new(1, tiny_pools);
    cps_option_t path;
    cps_command_request_t get = rig_get(PEER, &path, "a");
    get.non_confirmable = true;
    get.timeout_us = 1000;
    unsigned busy = 0;
    for (unsigned i = 0; i < 70000; i++) {
        cps_command_t command = {.kind = CPS_COMMAND_REQUEST, .u.request = get};
        if (cps_ep_submit(rig->ep, rig->now_us, &command, NULL) != CPS_OK)
            busy++;
        rig_run(rig);
        for (size_t k = 0; k < rig->out_count; k++) {
            uint16_t mid = rig_sent_msg(rig, k).mid;
            assert_false(used[mid]);
            used[mid] = true;
        }
        busy += rig->failures != 0 && rig->last.u.failed.err == CPS_ERR_BUSY ? 1U : 0U;
        rig->failures = 0;
        rig_clear(rig);
        rig_advance(rig, 2857);
    }
    assert_true(busy > 0);
    rig_free(rig);
}

static void an_ack_counts_only_from_the_endpoint_asked(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    cps_option_t path;
    cps_command_request_t get = rig_get(PEER, &path, "a");
    rig_request(rig, &get);
    uint8_t ack[4];
    cps_writer_t w = cps_writer(ack, sizeof ack);
    cps_msg_write_empty(&w, CPS_ACK, rig_sent_msg(rig, 0).mid);
    rig_in(rig, PEER, 5684, cps_written(&w));
    rig_in(rig, PEER + 1, 5683, cps_written(&w));
    rig_advance(rig, 3000000);
    assert_int_equal(rig->out_count, 2);
    rig_free(rig);
}

static const cps_case_t cases[] = {
    {"MSG-1", "other versions are dropped", other_versions_are_dropped},
    {"MSG-2", "short datagrams are dropped without state", short_datagrams_are_dropped},
    {"MSG-4", "a token that is cut short is reset", a_token_that_is_cut_short_is_reset},
    {"MSG-5", "reserved code classes are reset", reserved_code_classes_are_reset},
    {"MSG-6", "a marker without payload is reset", a_marker_without_payload_is_reset},
    {"MSG-9 MSG-11", "bad option headers are reset", bad_options_are_reset},
    {"MSG-10", "a message cut anywhere is never half processed", a_message_cut_anywhere_is_never_half_processed},
    {"MSG-14", "an Empty message is four bytes", an_empty_message_is_four_bytes},
    {"MSG-15", "a CON gets one kind of answer", a_con_gets_one_kind_of_answer},
    {"MSG-16", "a ping gets RST and touches nothing", ping_gets_reset_and_touches_nothing},
    {"MSG-17", "a bad CON leaves other exchanges alone", a_bad_con_leaves_other_exchanges_alone},
    {"MSG-18", "nothing answers an ACK or RST", nothing_answers_an_ack_or_reset},
    {"MSG-19", "type and code have to fit", type_and_code_have_to_fit},
    {"MSG-20", "a CON response that nobody waits for is reset", a_con_response_that_nobody_waits_for_is_reset},
    {"MSG-26", "network errors count only for the very message", network_errors_count_only_for_the_very_message},
    {"MSG-27", "soft network errors end nothing", soft_network_errors_end_nothing},
    {"MSG-28", "a NON is never acknowledged nor Empty", a_non_is_never_acknowledged_nor_empty},
    {"MSG-29", "a NON that cannot be processed is dropped", a_non_that_cannot_be_processed_is_dropped},
    {"MSG-30", "Message IDs of an endpoint do not repeat", message_ids_of_an_endpoint_do_not_repeat},
    {"MSG-32", "an ACK counts only from the endpoint asked", an_ack_counts_only_from_the_endpoint_asked},
};

CPS_RUN("ep_message", cases)
