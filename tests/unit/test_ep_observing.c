// SPDX-License-Identifier: Apache-2.0
/* Observations of a client (RFC 7641 §3), without protection, against a server in memory. */
#include "observe_kit.h"

/* ---- plain ---- */

static void notifications_follow_one_request(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    watch(&p, 0);
    for (int i = 0; i < 3; i++) {
        change(&p, i == 0 ? "a" : i == 1 ? "b" : "c");
        p.server->non = i == 1;
        rig_shuttle(p.server, p.client);
        rig_advance(p.server, 4 * SECOND);
        rig_shuttle(p.server, p.client);
    }
    assert_int_equal(p.client->responses, 4);
    assert_bytes(CPS_BYTES_LIT("c"), last_payload(&p));
    assert_int_equal(p.client->last.handle, p.handle);
    assert_int_equal(p.client->last.u.response.user, 5);
    assert_int_equal(p.server->requests, 1);
    teardown(&p);
}

static void without_observe_it_is_a_get(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    p.server->state_code = 0;
    submit(&p, 0, true);
    rig_carry(p.client, p.server);
    cps_msg_t msg = rig_sent_msg(p.server, 0);
    uint8_t bytes[64];
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    msg.options = cps_bytes(NULL, 0); /* the same answer of a server that does not know the option */
    cps_msg_write(&w, &msg);
    rig_in(p.client, 1, 5683, cps_written(&w));
    assert_int_equal(p.client->responses, 1);
    assert_false(p.client->last.u.response.observing);
    rig_clear(p.client);
    change(&p, "x");
    rig_clear(p.server);
    rig_advance(p.server, 3 * SECOND);
    rig_carry(p.server, p.client);
    assert_int_equal(rig_sent_msg(p.client, 0).type, CPS_RST);
    assert_int_equal(p.client->responses, 1);
    teardown(&p);
}

static void older_ones_replace_nothing(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    watch(&p, 0);
    rig_packet_t first;
    change(&p, "old");
    first = take(p.server, 0);
    rig_clear(p.server);
    rig_clear(p.client);
    /* the first one is late: it comes behind the second, which is made by hand under a higher number */
    cps_msg_t msg;
    assert_ok(cps_msg_parse(cps_bytes(first.bytes, first.len), &msg));
    uint32_t number = 0;
    assert_true(cps_msg_option_uint(&msg, CPS_OPT_OBSERVE, &number));
    uint8_t options[8];
    cps_writer_t ow = cps_writer(options, sizeof options);
    cps_opt_writer_t list = cps_opt_writer(&ow);
    cps_opt_put_uint(&list, CPS_OPT_OBSERVE, (number + 9) & 0xffffffU);
    cps_msg_t second = msg;
    second.mid++;
    second.options = cps_written(&ow);
    second.payload = CPS_BYTES_LIT("new");
    uint8_t bytes[64];
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_write(&w, &second);
    rig_in(p.client, 1, 5683, cps_written(&w));
    give(p.client, &first);
    assert_int_equal(p.client->responses, 2);
    assert_bytes(CPS_BYTES_LIT("new"), last_payload(&p));
    assert_int_equal(p.client->out_count, 2); /* both acknowledged */
    assert_int_equal(rig_sent_msg(p.client, 1).type, CPS_ACK);
    teardown(&p);
}

/* What makes a request the same: all its options but ETag, and its token. */
static void assert_renewed(const cps_msg_t *first, const cps_msg_t *again, uint32_t observe)
{
    uint32_t value = 9;
    cps_bytes_t etag;
    assert_int_equal(first->code, again->code);
    assert_bytes(first->token, again->token);
    assert_true(cps_msg_option_uint(again, CPS_OPT_OBSERVE, &value));
    assert_int_equal(value, observe);
    assert_true(cps_opt_find(first->options, CPS_OPT_ETAG, &etag));
    assert_false(cps_opt_find(again->options, CPS_OPT_ETAG, &etag));
    cps_opt_walk_t walk = cps_opt_walk(first->options);
    for (cps_option_t option; cps_opt_next(&walk, &option);) {
        cps_bytes_t other;
        if (option.number == CPS_OPT_ETAG || option.number == CPS_OPT_OBSERVE)
            continue;
        assert_true(cps_opt_find(again->options, option.number, &other));
        assert_bytes(option.value, other);
    }
    assert_int_equal(cps_opt_count(first->options, CPS_OPT_URI_PATH), cps_opt_count(again->options, CPS_OPT_URI_PATH));
}

static void with_max_age(rig_t *rig, const cps_event_t *event)
{
    static const uint8_t ten = 10;
    const cps_option_t max_age = {CPS_OPT_MAX_AGE, {&ten, 1}};
    cps_command_t command = {.kind = CPS_COMMAND_REPLY,
                             .u.reply = {.request = event->handle,
                                         .code = CPS_CONTENT,
                                         .options = &max_age,
                                         .option_count = 1,
                                         .payload = CPS_BYTES_LIT("v"),
                                         .observe = true}};
    assert_ok(cps_ep_submit(rig->ep, rig->now_us, &command, &rig->observer));
}

static void after_max_age_it_registers_again(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    p.server->on_request = with_max_age;
    submit(&p, 0, true);
    rig_packet_t request = take(p.client, 0);
    rig_shuttle(p.client, p.server);
    cps_msg_t first;
    assert_ok(cps_msg_parse(cps_bytes(request.bytes, request.len), &first));
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    for (unsigned i = 1; i <= 100; i++) {
        cps_time_us_t from = p.client->now_us;
        rig_advance(p.client, 9999999);
        assert_int_equal(p.client->stales, i - 1);
        rig_advance(p.client, SECOND);
        assert_int_equal(p.client->stales, i); /* not current any more */
        while (p.client->out_count == 0)
            rig_advance(p.client, SECOND / 10);
        uint64_t waited = p.client->now_us - from;
        least = waited < least ? waited : least;
        most = waited > most ? waited : most;
        cps_msg_t again = rig_sent_msg(p.client, 0);
        assert_renewed(&first, &again, 0);
        rig_shuttle(p.client, p.server);
        assert_int_equal(p.client->responses, i + 1);
        assert_true(p.client->last.u.response.observing);
    }
    assert_true(least >= 15 * SECOND && most <= 25 * SECOND + SECOND / 5);
    assert_true(most - least > 5 * SECOND);
    cps_ep_stats_t stats;
    cps_ep_stats(p.server->ep, &stats);
    assert_int_equal(stats.observers, 1);
    teardown(&p);
}

static void an_unknown_notification_is_rejected(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    watch(&p, 0);
    assert_ok(rig_submit_handle(p.client, CPS_COMMAND_CANCEL, p.handle)); /* forgets it */
    change(&p, "x");
    rig_packet_t notification = take(p.server, 0);
    rig_clear(p.server);
    give(p.client, &notification);
    assert_int_equal(rig_sent_msg(p.client, 0).type, CPS_RST);
    rig_clear(p.client); /* which is lost */
    rig_advance(p.server, 4 * SECOND);
    rig_carry(p.server, p.client);
    assert_int_equal(p.client->out_count, 1);
    assert_int_equal(rig_sent_msg(p.client, 0).type, CPS_RST);
    rig_carry(p.client, p.server);
    assert_int_equal(p.server->last_observer.u.observer.err, CPS_ERR_RESET);
    assert_int_equal(p.client->responses, 1);
    teardown(&p);
}

static void it_can_be_ended_with_observe_1(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    submit(&p, 0, true);
    rig_packet_t request = take(p.client, 0);
    rig_shuttle(p.client, p.server);
    cps_msg_t first;
    assert_ok(cps_msg_parse(cps_bytes(request.bytes, request.len), &first));
    assert_ok(rig_submit_handle(p.client, CPS_COMMAND_END, p.handle));
    rig_run(p.client);
    cps_msg_t end = rig_sent_msg(p.client, 0);
    assert_renewed(&first, &end, 1);
    rig_shuttle(p.client, p.server);
    assert_int_equal(p.server->unobserved, 1);
    assert_int_equal(p.client->responses, 2);
    assert_false(p.client->last.u.response.observing);
    cps_ep_stats_t stats;
    cps_ep_stats(p.client->ep, &stats);
    assert_int_equal(stats.requests_out, 0);
    teardown(&p);
}

static void an_error_ends_it(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    watch(&p, 0);
    p.server->state_code = CPS_NOT_FOUND;
    change(&p, "");
    rig_shuttle(p.server, p.client);
    assert_int_equal(p.client->responses, 2);
    assert_int_equal(p.client->last.u.response.message.code, CPS_NOT_FOUND);
    assert_false(p.client->last.u.response.observing);
    teardown(&p);
}

static void a_server_that_forgot_is_told_again(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    watch(&p, 0);
    assert_ok(rig_submit_handle(p.server, CPS_COMMAND_UNOBSERVE, p.server->observer));
    rig_advance(p.client, 80 * SECOND);
    rig_shuttle(p.client, p.server);
    assert_int_equal(p.client->responses, 2);
    change(&p, "back");
    rig_shuttle(p.server, p.client);
    assert_bytes(CPS_BYTES_LIT("back"), last_payload(&p));
    teardown(&p);
}

static void a_server_that_is_gone_ends_it(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    watch(&p, 0);
    rig_advance(p.client, 80 * SECOND);
    rig_advance(p.client, 200 * SECOND);
    assert_int_equal(p.client->stales, 1);
    assert_int_equal(p.client->failures, 1);
    assert_int_equal(p.client->last.u.failed.err, CPS_ERR_TIMEOUT);
    teardown(&p);
}

static const cps_case_t cases[] = {
    {"OBS-5", "notifications follow one request", notifications_follow_one_request},
    {"OBS-3", "without Observe it is a GET", without_observe_it_is_a_get},
    {"", "older ones replace nothing", older_ones_replace_nothing},
    {"OBS-6 OBS-7", "stale after Max-Age, then registered again", after_max_age_it_registers_again},
    {"OBS-10 OBS-11", "an unknown notification is rejected", an_unknown_notification_is_rejected},
    {"", "it can be ended with Observe 1", it_can_be_ended_with_observe_1},
    {"", "an error ends it", an_error_ends_it},
    {"", "a server that forgot is told again", a_server_that_forgot_is_told_again},
    {"", "a server that is gone ends it", a_server_that_is_gone_ends_it},
};

CPS_RUN("ep_observing", cases)
