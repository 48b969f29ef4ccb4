// SPDX-License-Identifier: Apache-2.0
/* Sealed exchanges and what CoAP leaves unauthenticated: hints, answers that belong elsewhere, and the one repeat with
 * Echo. */
#include "rig.h"

typedef struct pair {
    rig_t *client; /* at .2 */
    rig_t *server; /* at .1 */
    cps_handle_t context;
    cps_option_t path;
} pair_t;

static void setup(pair_t *p)
{
    p->client = rig_new(2, NULL);
    p->server = rig_new(1, NULL);
    p->context = rig_context(p->client, true);
    (void)rig_context(p->server, false);
}

static void teardown(pair_t *p)
{
    rig_free(p->client);
    rig_free(p->server);
}

static cps_command_request_t sealed(pair_t *p, uint8_t code, const char *payload)
{
    cps_command_request_t r = rig_get(1, &p->path, "lock");
    r.code = code;
    r.context = p->context;
    r.payload = cps_bytes_str(payload);
    return r;
}

static void send_sealed(pair_t *p, uint8_t code, const char *payload)
{
    cps_command_request_t r = sealed(p, code, payload);
    rig_request(p->client, &r);
}

static rig_packet_t take(rig_t *rig, size_t i)
{
    rig_packet_t packet = rig->out[i];
    return packet;
}

static cps_bytes_t bytes_of(const rig_packet_t *packet) { return cps_bytes(packet->bytes, packet->len); }

static void hint(pair_t *p, const char *what)
{
    uint8_t bytes[64];
    cps_msg_t sent = rig_sent_msg(p->client, 0);
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_t msg = {.type = CPS_ACK, .mid = sent.mid};
    uint8_t options[16];
    cps_writer_t ow = cps_writer(options, sizeof options);
    cps_opt_writer_t list = cps_opt_writer(&ow);
    if (strcmp(what, "rst") == 0)
        msg.type = CPS_RST;
    else if (strcmp(what, "ack") != 0)
        msg.token = sent.token;
    if (strcmp(what, "2.05") == 0)
        msg.code = CPS_CONTENT;
    if (strcmp(what, "5.03") == 0)
        msg.code = CPS_SERVICE_UNAVAILABLE;
    if (strcmp(what, "4.01") == 0) {
        msg.code = CPS_UNAUTHORIZED;
        cps_opt_put(&list, CPS_OPT_ECHO, CPS_BYTES_LIT("outerecho"));
    }
    if (msg.code != CPS_EMPTY)
        msg.payload = CPS_BYTES_LIT("forged");
    msg.options = cps_written(&ow);
    cps_msg_write(&w, &msg);
    rig_in(p->client, 1, 5683, cps_written(&w));
}

static void hints_never_end_a_sealed_exchange(void **state)
{
    (void)state;
    static const char *const kinds[] = {"ack", "rst", "2.05", "4.01", "5.03"};
    for (size_t i = 0; i < 5; i++) {
        pair_t p;
        setup(&p);
        send_sealed(&p, CPS_GET, "");
        rig_packet_t request = take(p.client, 0);
        hint(&p, kinds[i]);
        assert_int_equal(p.client->responses + p.client->failures, 0);
        rig_in(p.server, 2, 5683, bytes_of(&request));
        rig_carry(p.server, p.client); /* let the genuine answer through: it alone is delivered */
        assert_int_equal(p.client->responses, 1);
        assert_bytes(CPS_BYTES_LIT("hello"), p.client->last.u.response.message.payload);
        teardown(&p);

        setup(&p); /* hold it back: outcome unknown, with the hint */
        send_sealed(&p, CPS_GET, "");
        hint(&p, kinds[i]);
        rig_advance(p.client, 100000000);
        assert_int_equal(p.client->responses, 0);
        assert_int_equal(p.client->failures, 1);
        const cps_event_failed_t *failed = &p.client->last.u.failed;
        assert_int_equal(failed->err, CPS_ERR_OUTCOME_UNKNOWN);
        assert_true(failed->sent);
        static const cps_hint_t hints[] = {CPS_HINT_ACK, CPS_HINT_RESET, CPS_HINT_RESPONSE, CPS_HINT_RESPONSE,
                                           CPS_HINT_RESPONSE};
        assert_int_equal(failed->hint, hints[i]);
        if (i == 4) {
            assert_int_equal(failed->message.code, CPS_SERVICE_UNAVAILABLE);
            assert_bytes(CPS_BYTES_LIT("forged"), failed->message.payload);
        }
        teardown(&p);
    }
}

static void a_hint_leaves_the_genuine_answer_one_more_ack_timeout(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    send_sealed(&p, CPS_GET, "");
    hint(&p, "5.03");
    rig_advance(p.client, 1999999);
    assert_int_equal(p.client->failures, 0);
    rig_advance(p.client, 1);
    assert_int_equal(p.client->failures, 1);
    assert_int_equal(p.client->out_count, 1); /* no more copies */
    teardown(&p);
}

static void an_outer_echo_repeats_the_same_sealed_bytes(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    send_sealed(&p, CPS_PUT, "unlocked");
    hint(&p, "4.01");
    assert_int_equal(p.client->out_count, 2);
    cps_msg_t first = rig_sent_msg(p.client, 0);
    cps_msg_t second = rig_sent_msg(p.client, 1);
    cps_bytes_t a;
    cps_bytes_t b = cps_bytes(NULL, 0);
    assert_bytes(first.payload, second.payload);
    assert_true(cps_opt_find(first.options, CPS_OPT_OSCORE, &a) && cps_opt_find(second.options, CPS_OPT_OSCORE, &b));
    assert_bytes(a, b);
    assert_true(cps_opt_find(second.options, CPS_OPT_ECHO, &b));
    assert_bytes(CPS_BYTES_LIT("outerecho"), b);
    assert_int_not_equal(first.mid, second.mid);
    rig_carry(p.client, p.server);
    assert_int_equal(p.server->requests, 1); /* both copies arrived: it ran once */
    rig_carry(p.server, p.client);
    assert_int_equal(p.client->responses, 1);
    teardown(&p);
}

static void challenge(rig_t *rig, const cps_event_t *event)
{
    if (event->u.request.echo_age_us == CPS_AGE_UNKNOWN)
        assert_ok(rig_submit_handle(rig, CPS_COMMAND_CHALLENGE, event->handle));
    else
        rig_reply(rig, event->handle, CPS_CHANGED, "");
}

static void a_freshness_challenge_is_answered_by_the_client_itself(void **state)
{
    (void)state;
    static const uint8_t methods[] = {CPS_GET, CPS_PUT, CPS_POST, CPS_DELETE, CPS_FETCH, CPS_PATCH, CPS_IPATCH};
    for (size_t i = 0; i < sizeof methods; i++) {
        pair_t p;
        setup(&p);
        p.server->on_request = challenge;
        send_sealed(&p, methods[i], methods[i] == CPS_GET || methods[i] == CPS_DELETE ? "" : "1");
        cps_msg_t first = rig_sent_msg(p.client, 0);
        uint8_t token[8];
        memcpy(token, first.token.ptr, 8);
        rig_carry(p.client, p.server);
        cps_msg_t answer = rig_sent_msg(p.server, 0);
        cps_bytes_t option;
        assert_int_equal(answer.code, CPS_CHANGED); /* 4.01 and Echo are inside (ECHO-4) */
        assert_false(cps_opt_find(answer.options, CPS_OPT_ECHO, &option));
        assert_true(cps_opt_find(answer.options, CPS_OPT_OSCORE, &option));
        assert_int_equal(option.len, 0); /* under the request's nonce: the window is known */
        rig_carry(p.server, p.client);
        cps_msg_t second = rig_sent_msg(p.client, 0);
        assert_memory_not_equal(token, second.token.ptr, 8);
        assert_true(cps_opt_find(second.options, CPS_OPT_OSCORE, &option));
        assert_bytes(hex("0901"), option); /* a new Partial IV */
        rig_shuttle(p.client, p.server);
        assert_int_equal(p.client->responses, 1);
        assert_true(p.client->last.u.response.repeated);
        assert_int_equal(p.client->last.u.response.message.code, CPS_CHANGED);
        assert_int_equal(p.server->requests, 2);
        teardown(&p);
    }
}

static void always_challenge(rig_t *rig, const cps_event_t *event)
{
    assert_ok(rig_submit_handle(rig, CPS_COMMAND_CHALLENGE, event->handle));
}

static void it_is_repeated_once_only(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    p.server->on_request = always_challenge;
    send_sealed(&p, CPS_PUT, "1");
    rig_shuttle(p.client, p.server);
    assert_int_equal(p.server->requests, 2);
    assert_int_equal(p.client->failures, 1);
    assert_int_equal(p.client->last.u.failed.err, CPS_ERR_SECURITY);
    assert_int_equal(p.client->last.u.failed.cause, CPS_ERR_NOT_FRESH);
    teardown(&p);
}

static void withheld_answers_end_in_outcome_unknown(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    send_sealed(&p, CPS_PUT, "unlocked");
    rig_advance(p.client, 100000000);
    assert_int_equal(p.client->failures, 1);
    assert_int_equal(p.client->last.u.failed.err, CPS_ERR_OUTCOME_UNKNOWN);
    assert_int_equal(p.client->last.u.failed.hint, CPS_HINT_NONE);
    cps_ep_stats_t stats;
    cps_ep_stats(p.client->ep, &stats);
    assert_int_equal(stats.requests_out, 0);
    assert_true(cps_ep_deadline(p.client->ep) == CPS_TIME_NEVER);
    teardown(&p);
}

static void unexpected_answers_are_cheap(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    send_sealed(&p, CPS_GET, "");
    cps_ep_stats_t before;
    cps_ep_stats(p.client->ep, &before);
    for (uint32_t i = 0; i < 100000; i++) {
        uint8_t bytes[40] = {0x64, CPS_CHANGED, 0, 0, 0, 0, 0, 0, 0x90, 0xff, 1};
        cps_put_be32(bytes + 4, i);
        cps_put_be16(bytes + 2, (uint16_t)i);
        rig_in(p.client, 1, 5683, cps_bytes(bytes, sizeof bytes));
    }
    cps_ep_stats_t after;
    cps_ep_stats(p.client->ep, &after);
    assert_int_equal(after.notes[CPS_NOTE_BAD_ANSWER], 0); /* none was even tried to decrypt */
    assert_int_equal(after.dedup_bytes, before.dedup_bytes);
    assert_int_equal(after.peers, before.peers);
    rig_carry(p.client, p.server);
    rig_carry(p.server, p.client);
    assert_int_equal(p.client->responses, 1);
    teardown(&p);
}

static void swapped_answers_are_refused(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    p.client->now_us += 1000;
    cps_command_request_t r = sealed(&p, CPS_GET, "");
    r.token = CPS_BYTES_LIT("same");
    rig_request(p.client, &r);
    rig_carry(p.client, p.server);
    rig_packet_t first = take(p.server, 0);
    rig_in(p.client, 1, 5683, bytes_of(&first));
    assert_int_equal(p.client->responses, 1);
    rig_clear(p.server);
    rig_request(p.client, &r); /* the same token again, as OSCORE allows */
    cps_msg_t second = rig_sent_msg(p.client, 0);
    first.bytes[2] = (uint8_t)(second.mid >> 8U);
    first.bytes[3] = (uint8_t)second.mid;
    rig_in(p.client, 1, 5683, bytes_of(&first)); /* an answer to the first with everything unprotected made to fit */
    assert_int_equal(p.client->responses, 1);
    rig_carry(p.client, p.server);
    rig_carry(p.server, p.client);
    assert_int_equal(p.client->responses, 2);
    teardown(&p);
}

/* The answer is held back: before the deadline it is delivered with its age, after it never, even where nobody had the
 * time to tick (a laptop that wakes up finds both at once). */
static void a_late_answer_has_its_age_and_ends_at_the_deadline(void **state)
{
    (void)state;
    pair_t p;
    setup(&p);
    send_sealed(&p, CPS_GET, "");
    rig_carry(p.client, p.server);
    rig_packet_t held = take(p.server, 0);
    rig_advance(p.client, 40000000);
    assert_int_equal(p.client->responses + p.client->failures, 0);
    rig_in(p.client, 1, 5683, bytes_of(&held));
    assert_int_equal(p.client->responses, 1);
    assert_true(p.client->last.u.response.round_trip_us >= 40000000);

    rig_clear(p.client);
    rig_clear(p.server);
    send_sealed(&p, CPS_GET, "");
    rig_carry(p.client, p.server);
    held = take(p.server, 0);
    p.client->now_us += 200000000;
    rig_in(p.client, 1, 5683, bytes_of(&held));
    assert_int_equal(p.client->responses, 1);
    assert_int_equal(p.client->failures, 1);
    assert_int_equal(p.client->last.u.failed.err, CPS_ERR_OUTCOME_UNKNOWN);
    assert_int_equal(p.client->last.u.failed.cause, CPS_ERR_TIMEOUT);
    rig_in(p.client, 1, 5683, bytes_of(&held));
    assert_int_equal(p.client->responses, 1);
    teardown(&p);
}

static const cps_case_t cases[] = {
    {"OSC-67 MSG-22", "hints never end a sealed exchange", hints_never_end_a_sealed_exchange},
    {"", "a hint leaves the genuine answer one more ACK_TIMEOUT",
     a_hint_leaves_the_genuine_answer_one_more_ack_timeout},
    {"", "an outer Echo repeats the same sealed bytes", an_outer_echo_repeats_the_same_sealed_bytes},
    {"E2E-A1.7", "swapped answers are refused", swapped_answers_are_refused},
    {"E2E-C-T4", "unexpected answers are cheap", unexpected_answers_are_cheap},
    {"E2E-C-T3", "withheld answers end in outcome unknown", withheld_answers_end_in_outcome_unknown},
    {"ECHO-4", "a freshness challenge is answered by the client itself",
     a_freshness_challenge_is_answered_by_the_client_itself},
    {"", "it is repeated once only", it_is_repeated_once_only},
    {"E2E-C-T2 E2E-A1.9", "an answer that is held back is delivered with its age, and not after the deadline",
     a_late_answer_has_its_age_and_ends_at_the_deadline},
};

CPS_RUN("ep_hints", cases)
