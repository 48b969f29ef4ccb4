// SPDX-License-Identifier: Apache-2.0
/* Who observes (RFC 7641 §4.1, §4.2), without protection: registrations, their end, and the order of notifications. */
#include "observed_kit.h"

#include "exch/observer.h"

static void zero_registers_one_ends_and_others_do_nothing(void **state)
{
    (void)state;
    rig_t *server = server_new(NULL);
    ask(server, &(asking_t){.token = "a", .mid = 1, .observe = 2});
    assert_int_equal(observers(server), 0);
    assert_false(has_observe(server, 0));
    rig_clear(server);
    cps_handle_t observer = watch(server, "a", 2);
    assert_int_not_equal(observer, 0);
    cps_msg_t first = rig_sent_msg(server, 0);
    assert_int_equal(first.type, CPS_ACK);
    assert_true(has_observe(server, 0));
    rig_clear(server);
    rig_changed(server, observer, "one");
    assert_int_equal(server->out_count, 1);
    cps_msg_t msg = rig_sent_msg(server, 0);
    assert_int_equal(msg.type, CPS_CON);
    assert_bytes(CPS_BYTES_LIT("a"), msg.token);
    assert_bytes(CPS_BYTES_LIT("one"), msg.payload);
    ack(server);
    rig_clear(server);
    ask(server, &(asking_t){.token = "a", .mid = 3, .observe = 1});
    assert_int_equal(observers(server), 0);
    assert_false(has_observe(server, 0));
    assert_int_equal(server->unobserved, 1);
    assert_err(CPS_ERR_STALE, rig_submit_handle(server, CPS_COMMAND_CHANGED, observer));
    rig_free(server);
}

static void a_second_registration_replaces_the_first(void **state)
{
    (void)state;
    rig_t *server = server_new(NULL);
    watch(server, "a", 1);
    watch(server, "a", 2);
    cps_handle_t last = watch(server, "a", 3);
    assert_int_equal(observers(server), 1);
    assert_int_equal(server->unobserved, 2);
    rig_clear(server);
    rig_changed(server, last, "x");
    assert_int_equal(server->out_count, 1);
    rig_free(server);
}

static void another_token_ends_another_observation(void **state)
{
    (void)state;
    rig_t *server = server_new(NULL);
    cps_handle_t first = watch(server, "a", 1);
    ask(server, &(asking_t){.token = "b", .mid = 2, .observe = 1});
    ask(server, &(asking_t){.token = "a", .mid = 3, .observe = 1, .port = 4001});
    assert_int_equal(observers(server), 1);
    rig_clear(server);
    rig_changed(server, first, "x");
    assert_int_equal(server->out_count, 1);
    rig_free(server);
}

static void two(cps_ep_config_t *config)
{
    config->observers = 16;
    config->observers_per_peer = 2;
}

static void who_finds_no_room_gets_a_plain_answer(void **state)
{
    (void)state;
    rig_t *server = server_new(two);
    assert_int_not_equal(watch(server, "a", 1), 0);
    assert_int_not_equal(watch(server, "b", 2), 0);
    rig_clear(server);
    assert_int_equal(watch(server, "c", 3), 0); /* a third of one endpoint */
    cps_msg_t msg = rig_sent_msg(server, 0);
    assert_int_equal(msg.code, CPS_CONTENT);
    assert_false(has_observe(server, 0));
    for (uint16_t i = 0; i < 20; i++)
        ask(server, &(asking_t){.token = "t", .mid = 100, .port = (uint16_t)(5000 + i)});
    assert_int_equal(observers(server), 12); /* a quarter is kept for sealed ones */
    assert_false(has_observe(server, server->out_count - 1));
    rig_free(server);
}

static void refuse(rig_t *rig, const cps_event_t *event)
{
    cps_command_t command = {.kind = CPS_COMMAND_REPLY,
                             .u.reply = {.request = event->handle, .code = CPS_NOT_FOUND, .observe = true}};
    assert_ok(cps_ep_submit(rig->ep, rig->now_us, &command, &rig->observer));
}

static void an_error_registers_nobody(void **state)
{
    (void)state;
    rig_t *server = server_new(NULL);
    watch(server, "a", 1);
    server->on_request = refuse;
    rig_clear(server);
    assert_int_equal(watch(server, "b", 2), 0);
    assert_false(has_observe(server, 0));
    assert_int_equal(observers(server), 1);
    watch(server, "a", 3); /* and ends what was */
    assert_int_equal(observers(server), 0);
    rig_free(server);
}

static void the_last_notification_is_the_error(void **state)
{
    (void)state;
    rig_t *server = server_new(NULL);
    cps_handle_t observer = watch(server, "tok", 1);
    rig_clear(server);
    for (int i = 0; i < 3; i++) {
        rig_changed(server, observer, "x");
        ack(server);
    }
    server->state_code = CPS_NOT_FOUND;
    rig_changed(server, observer, "");
    assert_int_equal(server->out_count, 4);
    for (size_t i = 0; i < 4; i++) {
        cps_msg_t msg = rig_sent_msg(server, i);
        assert_bytes(CPS_BYTES_LIT("tok"), msg.token);
        assert_int_equal(has_observe(server, i), i < 3);
    }
    assert_int_equal(rig_sent_msg(server, 3).code, CPS_NOT_FOUND);
    assert_int_equal(observers(server), 0);
    ack(server);
    assert_err(CPS_ERR_STALE, rig_submit_handle(server, CPS_COMMAND_CHANGED, observer));
    rig_clear(server);
    rig_advance(server, 10 * MINUTE);
    assert_int_equal(server->out_count, 0);
    rig_free(server);
}

static void with_format(rig_t *rig, const cps_event_t *event)
{
    static const uint8_t json = 50;
    const cps_option_t format = {CPS_OPT_CONTENT_FORMAT, {&json, rig->user != NULL ? 1U : 0U}};
    bool notify = event->kind == CPS_EVENT_NOTIFY;
    cps_command_t command = {.kind = notify ? CPS_COMMAND_NOTIFY : CPS_COMMAND_REPLY,
                             .u.reply = {.request = event->handle,
                                         .code = CPS_CONTENT,
                                         .options = &format,
                                         .option_count = 1,
                                         .payload = CPS_BYTES_LIT("1"),
                                         .observe = true}};
    assert_ok(cps_ep_submit(rig->ep, rig->now_us, &command, notify ? NULL : &rig->observer));
}

static void another_format_ends_it(void **state)
{
    (void)state;
    rig_t *server = server_new(NULL);
    server->on_request = with_format;
    server->on_notify = with_format;
    cps_handle_t observer = watch(server, "a", 1);
    rig_changed(server, observer, "");
    ack(server);
    rig_clear(server);
    server->user = server;
    rig_changed(server, observer, "");
    assert_int_equal(server->out_count, 1);
    assert_int_equal(rig_sent_msg(server, 0).code, CPS_NOT_ACCEPTABLE);
    assert_false(has_observe(server, 0));
    assert_int_equal(observers(server), 0);
    rig_free(server);
}

static void order(void **state)
{
    (void)state;
    static const struct {
        uint32_t v1, v2;
        uint64_t later_s;
        bool newer;
    } rows[] = {
        {1, 2, 0, true},         {2, 1, 0, false},
        {5, 5, 0, false},        {0, 0x7fffff, 1, true},
        {0, 0x800000, 1, false}, {0x800000, 0, 1, false},
        {0x800001, 0, 1, true},  {0xffffff, 0, 1, true},
        {0, 0xffffff, 1, false}, {0xffffff, 0x7ffffe, 1, true},
        {9, 3, 127, false},      {9, 3, 129, true},
        {9, 3, 128, false},      {0xfffff0, 5, 1, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const cps_observed_t last = {rows[i].v1, 1000};
        const cps_observed_t came = {rows[i].v2, 1000 + rows[i].later_s * SECOND};
        assert_int_equal(cps_observed_is_newer(&last, &came), rows[i].newer);
    }
}

static const cps_case_t cases[] = {
    {"OBS-1", "0 registers, 1 ends, others do nothing", zero_registers_one_ends_and_others_do_nothing},
    {"OBS-13", "a second registration replaces the first", a_second_registration_replaces_the_first},
    {"OBS-14", "a deregistration ends its own observation alone", another_token_ends_another_observation},
    {"OBS-15", "who finds no room gets a plain answer", who_finds_no_room_gets_a_plain_answer},
    {"OBS-16", "an error registers nobody", an_error_registers_nobody},
    {"OBS-17 OBS-18", "the last notification is the error", the_last_notification_is_the_error},
    {"OBS-19", "another Content-Format ends it with 4.06", another_format_ends_it},
    {"OBS-9", "which notification is newer", order},
};

CPS_RUN("ep_observe", cases)
