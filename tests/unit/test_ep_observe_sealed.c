// SPDX-License-Identifier: Apache-2.0
/* Sealed observations (RFC 8613 §4.1.3.5, §7.4.1): what they look like, and what orders and binds them. */
#include "observe_kit.h"

/* A notification as the server of this test seals it: under this number, or under the request's nonce. */
typedef struct sealer {
    cps_crypto_t crypto;
    cps_oscore_ctx_t ctx;
    cps_oscore_binding_t binding;
    uint8_t token[8];
    size_t token_len;
    uint16_t mid;
} sealer_t;

static void sealer_init(sealer_t *s, const rig_packet_t *request)
{
    cps_msg_t msg;
    cps_bytes_t value;
    cps_oscopt_t option;
    memset(s, 0, sizeof *s);
    assert_ok(cps_crypto_openssl_init(&s->crypto));
    const cps_oscore_params_t params = {.master_secret = hex("0102030405060708090a0b0c0d0e0f10"),
                                        .master_salt = hex("9e7ca92223786340"),
                                        .sender_id = CPS_BYTES_LIT("\x01"),
                                        .window = -1};
    assert_ok(cps_oscore_ctx_init(&s->ctx, &s->crypto, &params));
    assert_ok(cps_msg_parse(cps_bytes(request->bytes, request->len), &msg));
    assert_true(cps_opt_find(msg.options, CPS_OPT_OSCORE, &value));
    assert_ok(cps_oscopt_decode(value, &option));
    s->binding.piv_len = (uint8_t)option.partial_iv.len;
    memcpy(s->binding.piv, option.partial_iv.ptr, option.partial_iv.len);
    cps_copy(s->token, msg.token.ptr, msg.token.len);
    s->token_len = msg.token.len;
    s->mid = 40000;
}

static void sealer_fini(sealer_t *s)
{
    cps_oscore_ctx_fini(&s->ctx);
    cps_crypto_openssl_fini(&s->crypto);
}

static void notify_as(sealer_t *s, rig_t *client, uint64_t number, const char *text)
{
    uint8_t options[16];
    uint8_t plaintext[64];
    uint8_t bytes[128];
    cps_writer_t ow = cps_writer(options, sizeof options);
    cps_opt_writer_t list = cps_opt_writer(&ow);
    cps_opt_put_uint(&list, CPS_OPT_OBSERVE, 1000 - (uint32_t)(number & 255U)); /* the outer value misleads */
    cps_opt_put_uint(&list, CPS_OPT_MAX_AGE, 86400);
    cps_msg_t msg = {.type = CPS_CON,
                     .code = CPS_CONTENT,
                     .mid = s->mid++,
                     .token = cps_bytes(s->token, s->token_len),
                     .options = cps_written(&ow),
                     .payload = cps_bytes_str(text)};
    cps_writer_t pw = cps_writer(plaintext, sizeof plaintext);
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_oscore_work_t work = {&s->crypto, &pw, NULL};
    s->binding.nonce_used = number != CPS_OSCORE_REQUEST_NONCE;
    assert_ok(cps_oscore_protect_response(&s->ctx, &work, number, &msg, &w, &s->binding));
    rig_in(client, 1, 5683, cps_written(&w));
}

static bool got(const pair_t *p, unsigned responses, const char *text)
{
    return p->client->responses == responses && cps_bytes_equal(last_payload(p), cps_bytes_str(text));
}

static void sealed_ones_look_as_they_have_to(void **state)
{
    (void)state;
    pair_t p;
    cps_bytes_t value;
    cps_oscopt_t option;
    setup(&p);
    submit(&p, p.context, true);
    assert_int_equal(rig_sent_msg(p.client, 0).code, CPS_FETCH);
    assert_true(option_of(p.client, 0, CPS_OPT_OBSERVE, &value));
    assert_int_equal(value.len, 0);
    rig_carry(p.client, p.server);
    assert_int_equal(p.server->last.u.request.observe, CPS_OBSERVE_REGISTER);
    assert_int_equal(rig_sent_msg(p.server, 0).code, CPS_CONTENT);
    rig_shuttle(p.server, p.client);
    for (int i = 0; i < 2; i++) {
        change(&p, i == 0 ? "a" : "b");
        assert_int_equal(rig_sent_msg(p.server, 0).code, CPS_CONTENT);
        assert_true(option_of(p.server, 0, CPS_OPT_OSCORE, &value));
        assert_ok(cps_oscopt_decode(value, &option));
        assert_int_not_equal(option.partial_iv.len, 0); /* none but the first goes without */
        rig_carry(p.server, p.client);
        assert_int_equal(rig_sent_msg(p.client, 0).type, CPS_ACK);
        assert_true(cps_message_option(&p.client->last.u.response.message, CPS_OPT_OBSERVE, &value));
        assert_int_equal(value.len, 0); /* empty inside */
        rig_shuttle(p.client, p.server);
    }
    assert_bytes(CPS_BYTES_LIT("b"), last_payload(&p));
    assert_ok(rig_submit_handle(p.client, CPS_COMMAND_END, p.handle));
    rig_run(p.client);
    assert_int_equal(rig_sent_msg(p.client, 0).code, CPS_FETCH);
    assert_true(option_of(p.client, 0, CPS_OPT_OBSERVE, &value));
    assert_bytes(CPS_BYTES_LIT("\x01"), value);
    rig_shuttle(p.client, p.server);
    assert_int_equal(p.server->unobserved, 1);
    submit(&p, p.context, false);
    assert_int_equal(rig_sent_msg(p.client, 0).code, CPS_POST);
    rig_carry(p.client, p.server);
    assert_int_equal(rig_sent_msg(p.server, 0).code, CPS_CHANGED);
    teardown(&p);
}

static void an_error_notification_has_its_number(void **state)
{
    (void)state;
    pair_t p;
    cps_bytes_t value;
    cps_oscopt_t option;
    setup(&p);
    watch(&p, p.context);
    p.server->state_code = CPS_NOT_FOUND;
    change(&p, "");
    assert_true(option_of(p.server, 0, CPS_OPT_OSCORE, &value));
    assert_ok(cps_oscopt_decode(value, &option));
    assert_int_not_equal(option.partial_iv.len, 0);
    rig_shuttle(p.server, p.client);
    assert_int_equal(p.client->last.u.response.message.code, CPS_NOT_FOUND);
    assert_false(p.client->last.u.response.observing);
    teardown(&p);
}

static void numbers_order_them(void **state)
{
    (void)state;
    pair_t p;
    sealer_t s;
    setup(&p);
    submit(&p, p.context, true);
    rig_packet_t request = take(p.client, 0);
    rig_clear(p.client);
    sealer_init(&s, &request);
    notify_as(&s, p.client, CPS_OSCORE_REQUEST_NONCE, "first");
    assert_true(got(&p, 1, "first"));
    notify_as(&s, p.client, CPS_OSCORE_REQUEST_NONCE, "again"); /* a second one without a number */
    assert_true(got(&p, 1, "first"));
    notify_as(&s, p.client, 5, "five");
    assert_true(got(&p, 2, "five"));
    notify_as(&s, p.client, 7, "seven");
    assert_true(got(&p, 3, "seven"));
    notify_as(&s, p.client, 5, "five once more");
    assert_true(got(&p, 3, "seven"));
    notify_as(&s, p.client, 6, "six"); /* late */
    assert_true(got(&p, 3, "seven"));
    notify_as(&s, p.client, 8, "eight"); /* the number ended at 7 */
    assert_true(got(&p, 4, "eight"));
    sealer_fini(&s);
    teardown(&p);
}

static void one_without_a_number_is_the_oldest(void **state)
{
    (void)state;
    pair_t p;
    sealer_t s;
    setup(&p);
    submit(&p, p.context, true);
    rig_packet_t request = take(p.client, 0);
    sealer_init(&s, &request);
    notify_as(&s, p.client, 3, "three");
    notify_as(&s, p.client, CPS_OSCORE_REQUEST_NONCE, "first");
    notify_as(&s, p.client, 1, "one");
    notify_as(&s, p.client, 2, "two");
    assert_true(got(&p, 1, "three"));
    sealer_fini(&s);
    teardown(&p);
}

static void a_bad_one_changes_nothing(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    watch(&p, p.context);
    change(&p, "x");
    rig_packet_t good = take(p.server, 0);
    rig_packet_t bad = good;
    bad.bytes[bad.len - 1] ^= 1;
    rig_clear(p.server);
    give(p.client, &bad);
    assert_int_equal(p.client->out_count, 0); /* neither ACK nor RST, and no new registration */
    assert_int_equal(p.client->responses, 1);
    rig_advance(p.client, 3 * SECOND);
    assert_int_equal(p.client->out_count, 0);
    give(p.client, &good);
    assert_int_equal(p.client->responses, 2);
    assert_int_equal(rig_sent_msg(p.client, 0).type, CPS_ACK);
    teardown(&p);
}

static void without_inner_observe_it_is_a_response(void **state)
{
    (void)state;
    pair_t p;
    sealer_t s;
    setup(&p);
    submit(&p, p.context, false); /* a plain GET; its answer has Observe inside */
    rig_packet_t request = take(p.client, 0);
    sealer_init(&s, &request);
    notify_as(&s, p.client, 9, "unasked");
    assert_int_equal(p.client->responses, 0);
    assert_int_equal(p.client->notes[CPS_NOTE_BAD_ANSWER], 1);
    sealer_fini(&s);
    rig_shuttle(p.client, p.server);
    assert_int_equal(p.client->responses, 1); /* the genuine answer still comes */
    teardown(&p);
}

static void unobserved(rig_t *rig, const cps_event_t *event) { rig_reply(rig, event->handle, CPS_CONTENT, "plain"); }

static void a_registration_may_be_answered_without(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    p.server->on_request = unobserved;
    submit(&p, p.context, true);
    rig_shuttle(p.client, p.server);
    assert_int_equal(p.client->responses, 1);
    assert_false(p.client->last.u.response.observing);
    assert_bytes(CPS_BYTES_LIT("plain"), last_payload(&p));
    cps_ep_stats_t stats;
    cps_ep_stats(p.client->ep, &stats);
    assert_int_equal(stats.requests_out, 0);
    teardown(&p);
}

static void inner_observe_has_to_fit(void **state)
{
    without_inner_observe_it_is_a_response(state);
    a_registration_may_be_answered_without(state);
}

static uint64_t number_of(const rig_t *rig, size_t i)
{
    cps_bytes_t value;
    cps_oscopt_t option;
    uint64_t number = 0;
    assert_true(option_of(rig, i, CPS_OPT_OSCORE, &value));
    assert_ok(cps_oscopt_decode(value, &option));
    assert_ok(cps_partial_iv_decode(option.partial_iv, &number));
    return number;
}

static void minute(cps_ep_config_t *config) { config->observe_renew_us = MINUTE / 2; }

static void each_registration_has_its_number(void **state)
{
    (void)state;
    pair_t p;
    sealer_t old;
    setup_with(&p, minute);
    submit(&p, p.context, true);
    rig_packet_t request = take(p.client, 0);
    uint64_t first = number_of(p.client, 0);
    rig_shuttle(p.client, p.server);
    while (p.client->out_count == 0) /* registered anew now and then, before Max-Age */
        rig_advance(p.client, SECOND);
    assert_true(p.client->stales == 0);
    assert_int_equal(p.client->out_count, 1);
    assert_true(number_of(p.client, 0) > first);
    rig_shuttle(p.client, p.server);
    assert_int_equal(p.client->responses, 2);
    sealer_init(&old, &request);
    notify_as(&old, p.client, 500, "bound to the first registration");
    assert_int_equal(p.client->responses, 2);
    assert_int_equal(p.client->notes[CPS_NOTE_BAD_ANSWER], 1);
    sealer_fini(&old);
    rig_clear(p.client);
    change(&p, "bound to the last");
    rig_shuttle(p.server, p.client);
    assert_bytes(CPS_BYTES_LIT("bound to the last"), last_payload(&p));
    teardown(&p);
}

static void day(cps_ep_config_t *config) { config->observe_renew_us = 24 * HOUR; }

static void kept_for_hours_and_not_beyond_its_end(void **state)
{
    (void)state;
    pair_t p;
    sealer_t s;
    setup_with(&p, day);
    submit(&p, p.context, true);
    rig_packet_t request = take(p.client, 0);
    sealer_init(&s, &request);
    rig_clear(p.client);
    notify_as(&s, p.client, 1, "now");
    rig_clear(p.client);
    assert_true(got(&p, 1, "now"));
    rig_advance(p.client, HOUR);
    assert_int_equal(p.client->out_count, 0);
    notify_as(&s, p.client, 2, "later");
    assert_true(got(&p, 2, "later"));
    assert_ok(rig_submit_handle(p.client, CPS_COMMAND_CANCEL, p.handle));
    rig_clear(p.client);
    notify_as(&s, p.client, 3, "after its end");
    assert_int_equal(p.client->responses, 2);
    assert_int_equal(rig_sent_msg(p.client, 0).type, CPS_RST);
    sealer_fini(&s);
    teardown(&p);
}

static void a_replayed_registration_makes_no_second_observer(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    submit(&p, p.context, true);
    rig_packet_t request = take(p.client, 0);
    rig_shuttle(p.client, p.server);
    give(p.server, &request);                                        /* by the same endpoint */
    rig_in(p.server, 3, 999, cps_bytes(request.bytes, request.len)); /* and by another */
    assert_int_equal(rig_sent_msg(p.server, 1).code, CPS_UNAUTHORIZED);
    cps_ep_stats_t stats;
    cps_ep_stats(p.server->ep, &stats);
    assert_int_equal(stats.observers, 1);
    assert_int_equal(p.server->unobserved, 0);
    rig_clear(p.server);
    change(&p, "still");
    rig_shuttle(p.server, p.client);
    assert_bytes(CPS_BYTES_LIT("still"), last_payload(&p));
    teardown(&p);
}

static void a_request_with_its_token_ends_nothing(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    submit(&p, p.context, true);
    cps_msg_t registration = rig_sent_msg(p.client, 0);
    uint8_t token[8];
    cps_copy(token, registration.token.ptr, registration.token.len);
    cps_option_t path;
    cps_command_request_t r = rig_get(1, &path, "other");
    r.token = cps_bytes(token, registration.token.len);
    rig_shuttle(p.client, p.server);
    rig_t *again = rig_new(2, NULL); /* the same endpoint and context, as another process has them */
    r.context = rig_context_after_crash(again, true, 100);
    rig_request(again, &r);
    rig_shuttle(again, p.server);
    assert_int_equal(again->responses, 1);
    assert_int_equal(p.server->requests, 2);
    assert_int_equal(p.server->unobserved, 0);
    change(&p, "still");
    rig_carry(p.server, p.client);
    assert_bytes(CPS_BYTES_LIT("still"), last_payload(&p));
    rig_free(again);
    teardown(&p);
}

static void a_plain_end_does_not_reach_a_sealed_one(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    submit(&p, p.context, true);
    cps_msg_t registration = rig_sent_msg(p.client, 0);
    uint8_t token[8];
    cps_copy(token, registration.token.ptr, registration.token.len);
    size_t token_len = registration.token.len;
    rig_shuttle(p.client, p.server);
    uint8_t options[16];
    uint8_t bytes[64];
    for (int observe = -1; observe < 2; observe++) { /* any plain request with its token, from its address */
        cps_writer_t ow = cps_writer(options, sizeof options);
        cps_opt_writer_t list = cps_opt_writer(&ow);
        if (observe >= 0)
            cps_opt_put_uint(&list, CPS_OPT_OBSERVE, (uint32_t)observe);
        cps_opt_put(&list, CPS_OPT_URI_PATH, CPS_BYTES_LIT("s"));
        cps_msg_t msg = {.type = CPS_CON,
                         .code = CPS_GET,
                         .mid = (uint16_t)(77 + observe),
                         .token = cps_bytes(token, token_len),
                         .options = cps_written(&ow)};
        cps_writer_t w = cps_writer(bytes, sizeof bytes);
        cps_msg_write(&w, &msg);
        p.server->on_request = unobserved;
        rig_in(p.server, 2, 5683, cps_written(&w));
    }
    rig_clear(p.server);
    assert_int_equal(p.server->unobserved, 0);
    change(&p, "still");
    rig_carry(p.server, p.client);
    assert_bytes(CPS_BYTES_LIT("still"), last_payload(&p));
    teardown(&p);
}

static void the_store_grants_before_a_notification_goes(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    watch(&p, p.context);
    p.server->hold_jobs = true;
    change(&p, "x");
    assert_int_equal(p.server->out_count, 0);
    assert_int_equal(p.server->notifies, 0); /* not asked for a state that could not go */
    change(&p, "y");
    rig_grant(p.server, CPS_OK);
    rig_run(p.server);
    assert_int_equal(p.server->out_count, 1);
    rig_carry(p.server, p.client);
    assert_bytes(CPS_BYTES_LIT("y"), last_payload(&p));
    teardown(&p);
}

static const cps_case_t cases[] = {
    {"OSC-22 OSC-23 OSC-26", "sealed ones look as they have to", sealed_ones_look_as_they_have_to},
    {"OSC-25", "an error notification has its number", an_error_notification_has_its_number},
    {"OSC-57 OSC-27", "numbers order them", numbers_order_them},
    {"E2E-A1.10", "one without a number is the oldest", one_without_a_number_is_the_oldest},
    {"OSC-68", "a bad one changes nothing", a_bad_one_changes_nothing},
    {"OSC-28", "a response without inner Observe, and one with it unasked", inner_observe_has_to_fit},
    {"OSC-24 OSC-52", "each registration has its number", each_registration_has_its_number},
    {"OSC-59", "kept for long, and not beyond its end", kept_for_hours_and_not_beyond_its_end},
    {"OSC-30", "a replayed registration makes no second observer", a_replayed_registration_makes_no_second_observer},
    {"OSC-29", "a request with its token ends nothing", a_request_with_its_token_ends_nothing},
    {"", "a plain end does not reach a sealed one", a_plain_end_does_not_reach_a_sealed_one},
    {"", "the store grants before a notification goes", the_store_grants_before_a_notification_goes},
};

CPS_RUN("ep_observe_sealed", cases)
