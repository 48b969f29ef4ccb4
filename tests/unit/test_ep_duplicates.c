// SPDX-License-Identifier: Apache-2.0
/* The endpoint at the level of datagrams: repeated messages, and what happens when memory for them is short. */
#include "rig.h"

#define PEER 2
#define PORT 40000

/* GET /a as CON with that Message ID and a token of one byte. */
static cps_bytes_t get_con(uint16_t mid)
{
    char text[32];
    snprintf(text, sizeof text, "4101%04x77b161", mid);
    return hex(text);
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

static void a_repeated_con_gets_the_same_bytes_and_runs_once(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    for (int i = 0; i < 3; i++)
        rig_in(rig, PEER, PORT, hex("41020009 77b161ff31")); /* POST */
    assert_int_equal(rig->requests, 1);
    assert_int_equal(rig->out_count, 3);
    assert_bytes(rig_sent(rig, 0), rig_sent(rig, 1));
    assert_bytes(rig_sent(rig, 0), rig_sent(rig, 2));
    assert_int_equal(rig->notes[CPS_NOTE_DUPLICATE], 2);
    rig_advance(rig, 246000000);
    rig_in(rig, PEER, PORT, hex("41020009 77b161ff31"));
    assert_int_equal(rig->requests, 1);
    rig_free(rig);
}

static void a_repeated_con_response_is_acknowledged_again_and_delivered_once(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    cps_option_t path;
    cps_command_request_t get = rig_get(PEER, &path, "a");
    rig_request(rig, &get);
    cps_msg_t sent = rig_sent_msg(rig, 0);
    rig_clear(rig);
    answer_to(rig, &sent, CPS_CON, 0x4242, "x");
    answer_to(rig, &sent, CPS_CON, 0x4242, "x");
    assert_int_equal(rig->responses, 1);
    assert_int_equal(rig->out_count, 2);
    assert_bytes(hex("60004242"), rig_sent(rig, 0));
    assert_bytes(hex("60004242"), rig_sent(rig, 1));
    rig_free(rig);
}

static void a_repeated_non_is_dropped_in_silence(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    rig_in(rig, PEER, PORT, hex("51030009 77b161ff31"));
    assert_int_equal(rig->out_count, 1);
    rig_in(rig, PEER, PORT, hex("51030009 77b161ff31"));
    assert_int_equal(rig->out_count, 1);
    assert_int_equal(rig->requests, 1);
    rig_advance(rig, 144000000);
    rig_in(rig, PEER, PORT, hex("51030009 77b161ff31"));
    assert_int_equal(rig->requests, 1);
    rig_free(rig);
}

static void small_budget(cps_ep_config_t *config) { config->dedup_bytes = 64 * 40; }

static void only_plain_gets_run_again_when_memory_is_short(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, small_budget);
    rig_in(rig, PEER, PORT, hex("41020001 77b161ff31")); /* POST */
    for (uint16_t mid = 100; mid < 200; mid++)
        rig_in(rig, PEER, PORT, get_con(mid));
    unsigned before = rig->requests;
    assert_int_equal(before, 101);
    rig_in(rig, PEER, PORT, get_con(100)); /* its entry gave way */
    assert_int_equal(rig->requests, before + 1);
    rig_in(rig, PEER, PORT, hex("41020001 77b161ff31"));
    assert_int_equal(rig->requests, before + 1);
    cps_ep_stats_t stats;
    cps_ep_stats(rig->ep, &stats);
    assert_true(stats.evicted_plain_safe > 0);
    assert_true(stats.dedup_bytes <= stats.dedup_limit);
    rig_free(rig);
}

static void a_full_budget_refuses_unsafe_requests_and_keeps_the_old_answers(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, small_budget);
    char text[32];
    unsigned accepted = 0;
    rig_packet_t first[40];
    for (unsigned mid = 0; mid < 40; mid++) {
        snprintf(text, sizeof text, "4103%04x77b161ff31", mid);
        rig_clear(rig);
        rig_in(rig, PEER, PORT, hex(text));
        assert_int_equal(rig->out_count, 1);
        cps_msg_t msg = rig_sent_msg(rig, 0);
        if (msg.code == CPS_CHANGED) {
            assert_int_equal(accepted, mid);
            first[accepted++] = rig->out[0];
            continue;
        }
        uint32_t max_age;
        assert_int_equal(msg.code, CPS_SERVICE_UNAVAILABLE);
        assert_true(cps_msg_option_uint(&msg, CPS_OPT_MAX_AGE, &max_age));
        assert_true(max_age > 0);
    }
    assert_in_range(accepted, 2, 39);
    assert_int_equal(rig->requests, accepted); /* the refused ones did not run */
    cps_ep_stats_t full;
    cps_ep_stats(rig->ep, &full);
    rig_clear(rig);
    rig_in(rig, PEER, PORT, get_con(1000)); /* a GET is served */
    assert_int_equal(rig_sent_msg(rig, 0).code, CPS_CONTENT);
    for (unsigned mid = 0; mid < accepted; mid++) {
        snprintf(text, sizeof text, "4103%04x77b161ff31", mid);
        rig_clear(rig);
        rig_in(rig, PEER, PORT, hex(text));
        assert_bytes(cps_bytes(first[mid].bytes, first[mid].len), rig_sent(rig, 0));
    }
    assert_int_equal(rig->requests, accepted + 1);
    assert_true(rig->notes[CPS_NOTE_BUDGET_FULL] > 0);
    cps_ep_stats_t after;
    cps_ep_stats(rig->ep, &after);
    assert_true(after.dedup_bytes <= full.dedup_limit);
    rig_free(rig);
}

static const cps_case_t cases[] = {
    {"MSG-33", "a repeated CON gets the same bytes and runs once", a_repeated_con_gets_the_same_bytes_and_runs_once},
    {"MSG-34", "a repeated CON response is acknowledged again and delivered once",
     a_repeated_con_response_is_acknowledged_again_and_delivered_once},
    {"MSG-35", "a repeated NON is dropped in silence", a_repeated_non_is_dropped_in_silence},
    {"MSG-36", "only plain GETs run again when memory is short", only_plain_gets_run_again_when_memory_is_short},
    {"MSG-57", "a full budget refuses unsafe requests and keeps the old answers",
     a_full_budget_refuses_unsafe_requests_and_keeps_the_old_answers},
};

CPS_RUN("ep_duplicates", cases)
