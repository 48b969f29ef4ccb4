// SPDX-License-Identifier: Apache-2.0
/* The endpoint at the level of datagrams: copies of what was not acknowledged, and separate answers. */
#include "rig.h"

#define PEER 2
#define PORT 40000

static void expect_one(const rig_t *rig, cps_bytes_t bytes)
{
    assert_int_equal(rig->out_count, 1);
    assert_bytes(bytes, rig_sent(rig, 0));
}

/* GET /a as CON with that Message ID and a token of one byte. */
static cps_bytes_t get_con(uint16_t mid)
{
    char text[32];
    snprintf(text, sizeof text, "4101%04x77b161", mid);
    return hex(text);
}

static void a_silent_peer_gets_five_copies_then_the_caller_hears_timeout(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    cps_option_t path;
    cps_command_request_t get = rig_get(PEER, &path, "a");
    cps_time_us_t start = rig->now_us;
    rig_request(rig, &get);
    cps_time_us_t first = cps_ep_deadline(rig->ep) - start;
    assert_in_range(first, 2000000, 3000000);
    for (unsigned i = 1; i <= 4; i++) {
        cps_time_us_t due = cps_ep_deadline(rig->ep);
        assert_int_equal(due - start, first * ((1U << i) - 1));
        rig_advance(rig, due - rig->now_us);
        assert_int_equal(rig->out_count, i + 1);
        assert_bytes(rig_sent(rig, 0), rig_sent(rig, i));
    }
    rig_advance(rig, start + first * 31 - 1 - rig->now_us);
    assert_int_equal(rig->failures, 0);
    rig_advance(rig, 1);
    assert_int_equal(rig->failures, 1);
    assert_int_equal(rig->out_count, 5);
    assert_int_equal(rig->last.u.failed.err, CPS_ERR_TIMEOUT);
    rig_free(rig);
}

static void first_timeouts_are_spread(void **state)
{
    (void)state;
    unsigned upper = 0;
    for (int run = 0; run < 300; run++) {
        rig_t *rig = rig_new((uint8_t)(1 + run % 250), NULL);
        for (int skip = 0; skip < run / 250; skip++)
            (void)cps_rng_u32(&rig->rng);
        cps_option_t path;
        cps_command_request_t get = rig_get(PEER, &path, "a");
        rig_request(rig, &get);
        cps_time_us_t first = cps_ep_deadline(rig->ep) - rig->now_us;
        assert_in_range(first, 2000000, 3000000);
        upper += first > 2500000 ? 1U : 0U;
        rig_free(rig);
    }
    assert_in_range(upper, 100, 200);
}

static void answer_to(rig_t *rig, const cps_msg_t *request, cps_type_t type, uint16_t mid, const char *payload)
{
    uint8_t bytes[64];
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_t msg = {.type = (uint8_t)type,
                     .code = CPS_CONTENT,
                     .mid = mid,
                     .token = request->token,
                     .payload = cps_bytes_str(payload)};
    cps_msg_write(&w, &msg);
    rig_in(rig, PEER, 5683, cps_written(&w));
}

static void empty_to(rig_t *rig, cps_type_t type, uint16_t mid)
{
    uint8_t bytes[4];
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_write_empty(&w, type, mid);
    rig_in(rig, PEER, 5683, cps_written(&w));
}

static void a_reset_ends_a_plain_request(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    cps_option_t path;
    cps_command_request_t get = rig_get(PEER, &path, "a");
    rig_request(rig, &get);
    empty_to(rig, CPS_RST, rig_sent_msg(rig, 0).mid);
    assert_int_equal(rig->failures, 1);
    assert_int_equal(rig->last.u.failed.err, CPS_ERR_RESET);
    rig_advance(rig, 100000000);
    assert_int_equal(rig->out_count, 1);
    rig_free(rig);
}

static void a_separate_response_stops_the_copies(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    cps_option_t path;
    cps_command_request_t get = rig_get(PEER, &path, "a");
    rig_request(rig, &get);
    cps_msg_t sent = rig_sent_msg(rig, 0);
    answer_to(rig, &sent, CPS_CON, 0x4242, "late"); /* the Empty ACK was lost */
    assert_int_equal(rig->responses, 1);
    assert_int_equal(rig->out_count, 2);
    assert_bytes(hex("60004242"), rig_sent(rig, 1)); /* 4 bytes, no token */
    rig_advance(rig, 100000000);
    assert_int_equal(rig->out_count, 2);
    rig_free(rig);
}

static void defer(rig_t *rig, const cps_event_t *event)
{
    assert_ok(rig_submit_handle(rig, CPS_COMMAND_DEFER, event->handle));
}

static void a_slow_answer_goes_separately_and_duplicates_get_an_empty_ack(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    rig->on_request = defer;
    rig_in(rig, PEER, PORT, get_con(7));
    assert_int_equal(rig->out_count, 0);
    cps_handle_t request = rig->last.handle;
    rig_in(rig, PEER, PORT, get_con(7)); /* before the ACK: still nothing to say */
    assert_int_equal(rig->out_count, 0);
    rig_advance(rig, 250000);
    expect_one(rig, hex("60000007"));
    rig_in(rig, PEER, PORT, get_con(7));
    assert_bytes(hex("60000007"), rig_sent(rig, 1));
    rig_clear(rig);
    rig_reply(rig, request, CPS_CONTENT, "x");
    rig_run(rig);
    cps_msg_t answer = rig_sent_msg(rig, 0);
    assert_int_equal(answer.type, CPS_CON);
    assert_bytes(hex("77"), answer.token);
    rig_clear(rig);
    rig_in(rig, PEER, PORT, get_con(7)); /* after the answer: an Empty ACK again, never a piggybacked one */
    expect_one(rig, hex("60000007"));
    uint8_t ack[8];
    cps_writer_t w = cps_writer(ack, sizeof ack);
    cps_msg_write_empty(&w, CPS_ACK, answer.mid);
    rig_in(rig, PEER, PORT, cps_written(&w));
    rig_clear(rig);
    rig_in(rig, PEER, PORT, get_con(7)); /* and after that was acknowledged (MSG-25) */
    expect_one(rig, hex("60000007"));
    assert_int_equal(rig->requests, 1);
    rig_advance(rig, 100000000);
    assert_int_equal(rig->out_count, 1);
    rig_free(rig);
}

static void any_matching_ack_stops_a_separate_answer(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    rig->on_request = defer;
    rig_in(rig, PEER, PORT, get_con(7));
    rig_advance(rig, 300000);
    rig_reply(rig, rig->last.handle, CPS_CONTENT, "x");
    rig_run(rig);
    cps_msg_t answer = rig_sent_msg(rig, 1);
    uint8_t bytes[16];
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_t ack = {.type = CPS_ACK, .code = CPS_CONTENT, .mid = answer.mid, .payload = CPS_BYTES_LIT("stray")};
    cps_msg_write(&w, &ack);
    rig_clear(rig);
    rig_in(rig, PEER, PORT, cps_written(&w));
    rig_advance(rig, 100000000);
    assert_int_equal(rig->out_count, 0);
    assert_int_equal(rig->notes[CPS_NOTE_UNDELIVERED], 0);
    rig_free(rig);
}

static void no_answer_is_never_an_empty_con(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    rig->on_request = defer;
    rig_in(rig, PEER, PORT, get_con(7));
    assert_ok(rig_submit_handle(rig, CPS_COMMAND_IGNORE, rig->last.handle));
    rig_run(rig);
    expect_one(rig, hex("60000007"));
    rig_in(rig, PEER, PORT, get_con(8)); /* and one that is never answered */
    rig_advance(rig, 600000000);
    assert_int_equal(rig->out_count, 2);
    assert_bytes(hex("60000008"), rig_sent(rig, 1));
    cps_ep_stats_t stats;
    cps_ep_stats(rig->ep, &stats);
    assert_int_equal(stats.requests_in, 0);
    rig_free(rig);
}

static const cps_case_t cases[] = {
    {"", "a silent peer gets five copies, then the caller hears time-out",
     a_silent_peer_gets_five_copies_then_the_caller_hears_timeout},
    {"MSG-21", "first timeouts are spread over 2 to 3 s", first_timeouts_are_spread},
    {"", "a RST ends a plain request", a_reset_ends_a_plain_request},
    {"MSG-24 MSG-48", "a separate response stops the copies", a_separate_response_stops_the_copies},
    {"MSG-25 MSG-46", "after an Empty ACK every answer is separate",
     a_slow_answer_goes_separately_and_duplicates_get_an_empty_ack},
    {"MSG-49", "any matching ACK stops a separate answer", any_matching_ack_stops_a_separate_answer},
    {"MSG-50", "no answer is never an Empty CON", no_answer_is_never_an_empty_con},
};

CPS_RUN("ep_copies", cases)
