// SPDX-License-Identifier: Apache-2.0
/* Notifications (RFC 7641 §4.3 to §4.5, §7), without protection: when they go, how often, and when they stop. */
#include "observed_kit.h"

#include "msg/amplify.h"

static void values_rise_slowly_enough(void **state)
{
    (void)state;
    rig_t *server = server_new(NULL);
    cps_handle_t observer = watch(server, "a", 1);
    uint32_t last = value_of(server, 0);
    uint32_t first = last;
    cps_time_us_t began = server->now_us;
    for (int i = 0; i < 2000; i++) {
        rig_clear(server);
        rig_changed(server, observer, "x");
        uint32_t value = value_of(server, 0);
        assert_true(((value - last) & 0xffffffU) != 0 && ((value - last) & 0xffffffU) < (1U << 23U));
        last = value;
        ack(server);
    }
    assert_true(server->now_us - began < 256 * SECOND);
    assert_true(((last - first) & 0xffffffU) < (1U << 23U));
    uint32_t before = last;
    rig_advance(server, 256 * SECOND);
    rig_clear(server);
    rig_changed(server, observer, "x");
    assert_true(((value_of(server, 0) - before) & 0xffffffU) < (1U << 23U));
    rig_clear(server);
    watch(server, "a", 2); /* and go on over a new registration */
    uint32_t renewed = value_of(server, 0);
    rig_clear(server);
    rig_changed(server, server->observer, "y");
    assert_true(((value_of(server, 0) - renewed) & 0xffffffU) - 1 < (1U << 23U));
    rig_free(server);
}

static void a_reset_ends_it(void **state)
{
    (void)state;
    rig_t *server = server_new(NULL);
    cps_handle_t observer = watch(server, "a", 1);
    rig_changed(server, observer, "x");
    empty(server, CPS_RST, rig_sent_msg(server, server->out_count - 1).mid);
    assert_int_equal(observers(server), 0);
    assert_int_equal(server->last_observer.u.observer.err, CPS_ERR_RESET);
    assert_int_equal(server->last_observer.u.observer.user, 77);
    server->non = true; /* a NON one is known by its Message ID as well */
    observer = watch(server, "a", 2);
    rig_changed(server, observer, "x"); /* the first is CON: nothing proves the address yet */
    ack(server);
    rig_clear(server);
    rig_changed(server, observer, "y");
    assert_int_equal(rig_sent_msg(server, 0).type, CPS_NON);
    empty(server, CPS_RST, rig_sent_msg(server, 0).mid);
    assert_int_equal(observers(server), 0);
    rig_free(server);
}

static void who_never_acknowledges_is_forgotten(void **state)
{
    (void)state;
    rig_t *server = server_new(NULL);
    cps_handle_t observer = watch(server, "a", 1);
    rig_changed(server, observer, "x");
    ack(server);
    rig_clear(server);
    rig_changed(server, observer, "y");
    rig_advance(server, 44 * SECOND);
    assert_int_equal(observers(server), 1);
    rig_advance(server, 60 * SECOND);
    assert_int_equal(server->out_count, 5); /* MAX_RETRANSMIT copies */
    assert_int_equal(observers(server), 0);
    assert_int_equal(server->last_observer.u.observer.err, CPS_ERR_TIMEOUT);
    rig_free(server);
}

static void one_in_a_day_is_confirmable(void **state)
{
    (void)state;
    rig_t *server = server_new(NULL);
    server->non = true;
    cps_handle_t observer = watch(server, "a", 1);
    rig_changed(server, observer, "x");
    ack(server);
    rig_clear(server);
    rig_advance(server, 23 * HOUR);
    assert_int_equal(server->out_count, 0);
    rig_advance(server, 2 * HOUR);
    assert_true(server->out_count >= 1);
    assert_int_equal(rig_sent_msg(server, 0).type, CPS_CON);
    assert_bytes(CPS_BYTES_LIT("x"), rig_sent_msg(server, 0).payload);
    rig_free(server);
}

static void a_slow_observer_gets_the_newest_state(void **state)
{
    (void)state;
    char text[16];
    rig_t *server = server_new(NULL);
    cps_handle_t observer = watch(server, "a", 1);
    rig_clear(server);
    rig_changed(server, observer, "0");
    for (int i = 1; i < 100; i++) {
        snprintf(text, sizeof text, "%d", i);
        rig_changed(server, observer, text);
    }
    assert_int_equal(server->out_count, 1); /* NSTART */
    assert_int_equal(server->notifies, 1);
    ack(server);
    assert_int_equal(server->out_count, 2);
    assert_bytes(CPS_BYTES_LIT("99"), rig_sent_msg(server, 1).payload);
    ack(server);
    assert_int_equal(server->out_count, 2);
    rig_free(server);
}

static void non_ones_keep_their_pace(void **state)
{
    (void)state;
    rig_t *server = server_new(NULL);
    server->non = true;
    cps_handle_t observer = watch(server, "a", 1);
    rig_changed(server, observer, "x");
    ack(server);
    rig_clear(server);
    cps_time_us_t last_non = 0;
    unsigned con = 0;
    for (int i = 0; i < 1000; i++) { /* 10 s of changes, 100 in each */
        size_t before = server->out_count;
        rig_changed(server, observer, "y");
        for (size_t k = before; k < server->out_count; k++) {
            bool is_con = rig_sent_msg(server, k).type == CPS_CON;
            assert_true(is_con || last_non == 0 || server->now_us - last_non >= 3 * SECOND);
            last_non = is_con ? last_non : server->now_us;
            con += is_con;
        }
        rig_advance(server, SECOND / 100);
    }
    assert_true(server->out_count >= 4 && server->out_count <= 5);
    assert_true(con <= 1);
    rig_free(server);
}

static void of_one_endpoint_one_is_under_way(void **state)
{
    (void)state;
    rig_t *server = server_new(NULL);
    cps_handle_t a = watch(server, "a", 1);
    cps_handle_t b = watch(server, "b", 2);
    rig_clear(server);
    rig_changed(server, a, "x");
    rig_changed(server, b, "x");
    assert_int_equal(server->out_count, 1);
    ack(server);
    assert_int_equal(server->out_count, 2);
    assert_bytes(CPS_BYTES_LIT("b"), rig_sent_msg(server, 1).token);
    rig_free(server);
}

static void a_new_state_replaces_a_copy(void **state)
{
    (void)state;
    rig_t *server = server_new(NULL);
    cps_handle_t observer = watch(server, "a", 1);
    rig_changed(server, observer, "x");
    ack(server);
    rig_clear(server);
    rig_changed(server, observer, "old");
    uint16_t old_mid = rig_sent_msg(server, 0).mid;
    rig_changed(server, observer, "new");
    assert_int_equal(server->out_count, 1);
    rig_advance(server, 4 * SECOND);
    assert_int_equal(server->out_count, 2);
    cps_msg_t second = rig_sent_msg(server, 1);
    assert_bytes(CPS_BYTES_LIT("new"), second.payload);
    assert_int_not_equal(second.mid, old_mid);
    assert_int_not_equal(value_of(server, 0), value_of(server, 1));
    rig_advance(server, 100 * SECOND);
    assert_int_equal(server->out_count, 5); /* as many attempts as without the change */
    assert_int_equal(observers(server), 0);
    rig_free(server);
}

static void a_late_ack_of_the_replaced_one_keeps_it(void **state)
{
    (void)state;
    rig_t *server = server_new(NULL);
    cps_handle_t observer = watch(server, "a", 1);
    rig_changed(server, observer, "x");
    ack(server);
    rig_clear(server);
    rig_changed(server, observer, "old");
    uint16_t old_mid = rig_sent_msg(server, 0).mid;
    rig_changed(server, observer, "new");
    rig_advance(server, 4 * SECOND);
    empty(server, CPS_ACK, old_mid);
    rig_advance(server, 60 * SECOND); /* the new one is never acknowledged */
    assert_int_equal(observers(server), 1);
    assert_bytes(CPS_BYTES_LIT("new"), rig_sent_msg(server, server->out_count - 1).payload);
    ack(server);
    rig_clear(server);
    rig_changed(server, observer, "next");
    assert_bytes(CPS_BYTES_LIT("next"), rig_sent_msg(server, 0).payload);
    rig_free(server);
}

static size_t counted(const rig_t *server)
{
    size_t total = 0;
    for (size_t i = 0; i < server->out_count; i++)
        total += rig_sent(server, i).len + CPS_AMPLIFY_HEADERS;
    return total;
}

static void a_spoofed_registration_costs_little(void **state)
{
    (void)state;
    rig_t *server = server_new(NULL);
    cps_handle_t observer = watch(server, "a", 1);
    for (int i = 0; i < 1000; i++) {
        if (rig_submit_handle(server, CPS_COMMAND_CHANGED, observer) != CPS_OK)
            break;
        rig_run(server);
        rig_advance(server, SECOND);
    }
    assert_int_equal(observers(server), 0);
    assert_true(server->out_count >= 2);
    assert_true(counted(server) <= 3 * (4 + 1 + 3 + CPS_AMPLIFY_HEADERS));
    rig_free(server);
}

static void unanswered_non_ones_stop(void **state)
{
    (void)state;
    rig_t *server = server_new(NULL);
    server->non = true;
    cps_handle_t observer = watch(server, "a", 1);
    rig_changed(server, observer, "x");
    ack(server);
    rig_clear(server);
    for (int i = 0; i < 1000 && rig_submit_handle(server, CPS_COMMAND_CHANGED, observer) == CPS_OK; i++) {
        rig_run(server);
        rig_advance(server, SECOND);
    }
    assert_int_equal(observers(server), 0);
    assert_int_equal(server->out_count, 4 + 5); /* four NON, then a CON with its copies */
    rig_free(server);
}

static void a_large_state_wants_the_address_proven(void **state)
{
    (void)state;
    rig_t *server = server_new(NULL);
    server->state =
        "a state of some hundred bytes, which is more than may go twice to an address that nobody has proven";
    assert_int_equal(watch(server, "a", 1), 0);
    cps_msg_t msg = rig_sent_msg(server, 0);
    cps_bytes_t echo;
    assert_int_equal(msg.code, CPS_UNAUTHORIZED);
    assert_true(cps_msg_option(&msg, CPS_OPT_ECHO, &echo));
    uint8_t kept[40];
    cps_copy(kept, echo.ptr, echo.len);
    assert_int_equal(observers(server), 0);
    rig_clear(server);
    ask(server, &(asking_t){.token = "a", .mid = 2, .echo = cps_bytes(kept, echo.len)});
    assert_int_not_equal(server->observer, 0);
    assert_true(has_observe(server, 0));
    rig_clear(server);
    rig_changed(server, server->observer, server->state);
    rig_advance(server, 100 * SECOND);
    assert_int_equal(server->out_count, 5); /* with all its copies */
    rig_free(server);
}

static void hold(rig_t *rig, const cps_event_t *event)
{
    (void)rig;
    (void)event;
}

static void an_answer_may_come_later(void **state)
{
    (void)state;
    rig_t *server = server_new(NULL);
    cps_handle_t observer = watch(server, "a", 1);
    rig_clear(server);
    server->on_notify = hold;
    rig_changed(server, observer, "x");
    rig_changed(server, observer, "y");
    assert_int_equal(server->out_count, 0);
    assert_int_equal(server->notifies, 1);
    rig_notify(server, observer);
    rig_run(server);
    assert_bytes(CPS_BYTES_LIT("y"), rig_sent_msg(server, 0).payload);
    ack(server);
    assert_int_equal(server->notifies, 2); /* it changed after it was asked for */
    rig_free(server);
}

static void little(cps_ep_config_t *config)
{
    config->observers = 200;
    config->observers_per_peer = 1;
    config->peers = 300;
    config->output_slots = 8;
    config->notice_bytes = 3000;
}

static void little_room_only_makes_it_slower(void **state)
{
    (void)state;
    rig_t *server = server_new(little);
    cps_handle_t all[100];
    for (uint16_t i = 0; i < 100; i++) {
        ask(server, &(asking_t){.token = "t", .mid = 7, .port = (uint16_t)(6000 + i)});
        all[i] = server->observer;
        assert_int_not_equal(all[i], 0);
    }
    rig_clear(server);
    for (uint16_t i = 0; i < 100; i++)
        assert_ok(rig_submit_handle(server, CPS_COMMAND_CHANGED, all[i]));
    rig_run(server);
    size_t done = 0;
    while (done < server->out_count) { /* each acknowledges what it gets */
        cps_msg_t msg = rig_sent_msg(server, done);
        uint8_t bytes[4];
        cps_writer_t w = cps_writer(bytes, sizeof bytes);
        cps_msg_write_empty(&w, CPS_ACK, msg.mid);
        rig_in(server, CLIENT, server->out[done].path.remote.port, cps_written(&w));
        done++;
    }
    assert_int_equal(server->out_count, 100);
    assert_int_equal(observers(server), 100);
    rig_free(server);
}

static const cps_case_t cases[] = {
    {"OBS-21", "values rise, and slowly enough", values_rise_slowly_enough},
    {"OBS-24", "a Reset ends it", a_reset_ends_it},
    {"", "who never acknowledges is forgotten", who_never_acknowledges_is_forgotten},
    {"OBS-25", "one in a day is Confirmable", one_in_a_day_is_confirmable},
    {"", "a slow observer gets the newest state", a_slow_observer_gets_the_newest_state},
    {"OBS-26", "NON ones keep their pace", non_ones_keep_their_pace},
    {"", "of one endpoint one is under way", of_one_endpoint_one_is_under_way},
    {"OBS-22 OBS-27", "a new state replaces a copy of the old", a_new_state_replaces_a_copy},
    {"OBS-28", "a late ACK of the replaced one keeps the client", a_late_ack_of_the_replaced_one_keeps_it},
    {"OBS-32", "a spoofed registration costs little", a_spoofed_registration_costs_little},
    {"", "unanswered NON ones stop", unanswered_non_ones_stop},
    {"", "a large state wants the address proven", a_large_state_wants_the_address_proven},
    {"", "the state may be told later", an_answer_may_come_later},
    {"", "little room only makes it slower", little_room_only_makes_it_slower},
};

CPS_RUN("ep_notify", cases)
