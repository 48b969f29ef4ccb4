// SPDX-License-Identifier: Apache-2.0
/* Client, server and what stands between them: what a proxy can read, change, make up, hold back and send elsewhere
 * (draft-hartke-core-e2e-security-reqs, threats and requirements of forwarding). */
#include "rig.h"

#include "wire/oscopt.h"

#define SECOND 1000000U

typedef struct path {
    rig_t *client; /* at .2 */
    rig_t *server; /* at .1 */
    cps_handle_t context;
} path_t;

static void setup(path_t *p)
{
    p->client = rig_new(2, NULL);
    p->server = rig_new(1, NULL);
    p->context = rig_context(p->client, true);
    (void)rig_context(p->server, false);
}

static void teardown(path_t *p)
{
    rig_free(p->client);
    rig_free(p->server);
}

/* A request as it is made for a forward proxy. */
static void ask(path_t *p, uint8_t code, const char *payload)
{
    const cps_option_t options[] = {{CPS_OPT_URI_HOST, CPS_BYTES_LIT("door.local")},
                                    {CPS_OPT_URI_PATH, CPS_BYTES_LIT("secretpath")},
                                    {CPS_OPT_URI_QUERY, CPS_BYTES_LIT("secretquery")},
                                    {CPS_OPT_PROXY_SCHEME, CPS_BYTES_LIT("coap")}};
    cps_command_request_t r = {.path = rig_path(1, 5683),
                               .code = code,
                               .options = options,
                               .option_count = 4,
                               .payload = cps_bytes_str(payload),
                               .context = p->context};
    rig_request(p->client, &r);
}

static rig_packet_t take(const rig_t *rig, size_t i) { return rig->out[i]; }

static cps_bytes_t bytes_of(const rig_packet_t *packet) { return cps_bytes(packet->bytes, packet->len); }

static bool has(cps_bytes_t bytes, const char *text)
{
    return memmem(bytes.ptr, bytes.len, text, strlen(text)) != NULL;
}

/* ---- the client ---- */

/* An answer of the proxy's own making, in each form that would fit. */
static void make_up(path_t *p, cps_type_t type)
{
    uint8_t bytes[64];
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_t sent = rig_sent_msg(p->client, 0);
    cps_msg_t msg = {.type = (uint8_t)type,
                     .code = CPS_CONTENT,
                     .mid = type == CPS_ACK ? sent.mid : 0x7777,
                     .token = sent.token,
                     .payload = CPS_BYTES_LIT("forged")};
    cps_msg_write(&w, &msg);
    rig_in(p->client, 1, 5683, cps_written(&w));
}

static void a_made_up_answer_never_counts(void **state)
{
    (void)state;
    static const cps_type_t types[] = {CPS_ACK, CPS_CON, CPS_NON};
    for (size_t i = 0; i < 3; i++) {
        path_t p;
        setup(&p);
        ask(&p, CPS_GET, "");
        rig_packet_t request = take(p.client, 0);
        make_up(&p, types[i]);
        assert_int_equal(p.client->responses + p.client->failures, 0);
        rig_in(p.server, 2, 5683, bytes_of(&request));
        rig_carry(p.server, p.client); /* the exchange was still open */
        assert_int_equal(p.client->responses, 1);
        assert_bytes(CPS_BYTES_LIT("hello"), p.client->last.u.response.message.payload);
        teardown(&p);

        setup(&p);
        ask(&p, CPS_GET, "");
        make_up(&p, types[i]);
        rig_advance(p.client, 100 * SECOND);
        const cps_event_failed_t *failed = &p.client->last.u.failed;
        assert_true(p.client->responses == 0 && p.client->failures == 1);
        assert_int_equal(failed->err, CPS_ERR_OUTCOME_UNKNOWN);
        assert_int_equal(failed->hint, CPS_HINT_RESPONSE);
        assert_int_equal(failed->message.payload.len, 0);
        teardown(&p);
    }
}

/* ---- what can be read ---- */

static void a_request_shows_neither_path_nor_query_nor_body_nor_method(void **state)
{
    (void)state;
    static const uint8_t methods[] = {CPS_GET, CPS_PUT, CPS_POST, CPS_DELETE, CPS_FETCH, CPS_PATCH, CPS_IPATCH};
    for (size_t i = 0; i < sizeof methods; i++) {
        path_t p;
        bool bare = methods[i] == CPS_GET || methods[i] == CPS_DELETE;
        setup(&p);
        ask(&p, methods[i], bare ? "" : "secretbody");
        cps_bytes_t sent = rig_sent(p.client, 0);
        assert_false(has(sent, "secretpath") || has(sent, "secretquery") || has(sent, "secretbody"));
        assert_int_equal(rig_sent_msg(p.client, 0).code, CPS_POST);
        assert_true(has(sent, "door.local")); /* what the proxy needs */
        teardown(&p);
    }
}

static void answer_with_much(rig_t *rig, const cps_event_t *event)
{
    const cps_option_t options[] = {{CPS_OPT_ETAG, CPS_BYTES_LIT("secretag")},
                                    {CPS_OPT_CONTENT_FORMAT, CPS_BYTES_LIT("\x27\x16")}};
    cps_command_t reply = {.kind = CPS_COMMAND_REPLY,
                           .u.reply = {.request = event->handle,
                                       .code = CPS_CONTENT,
                                       .options = options,
                                       .option_count = 2,
                                       .payload = CPS_BYTES_LIT("secretanswer")}};
    assert_ok(cps_ep_submit(rig->ep, rig->now_us, &reply, NULL));
}

static void an_answer_shows_neither_body_nor_format_nor_etag_nor_code(void **state)
{
    (void)state;
    path_t p;
    cps_bytes_t value;
    setup(&p);
    p.server->on_request = answer_with_much;
    ask(&p, CPS_GET, "");
    rig_carry(p.client, p.server);
    cps_bytes_t sent = rig_sent(p.server, 0);
    cps_msg_t msg = rig_sent_msg(p.server, 0);
    assert_int_equal(msg.code, CPS_CHANGED);
    assert_false(has(sent, "secretag") || has(sent, "secretanswer") || has(sent, "\x27\x16"));
    assert_false(cps_opt_find(msg.options, CPS_OPT_ETAG, &value) ||
                 cps_opt_find(msg.options, CPS_OPT_CONTENT_FORMAT, &value));
    rig_carry(p.server, p.client);
    assert_int_equal(p.client->last.u.response.message.code, CPS_CONTENT);
    assert_bytes(CPS_BYTES_LIT("secretanswer"), p.client->last.u.response.message.payload);
    teardown(&p);
}

/* ---- the server ---- */

static void fresh_within_ten_seconds(rig_t *rig, const cps_event_t *event)
{
    unsigned *runs = rig->user;
    if (event->u.request.echo_age_us >= 10 * SECOND) {
        assert_ok(rig_submit_handle(rig, CPS_COMMAND_CHALLENGE, event->handle));
        return;
    }
    ++*runs;
    rig_reply(rig, event->handle, CPS_CHANGED, "");
}

/* The proxy lets the challenge pass and holds back the PUT with Echo. In time it runs, and late it does not: the answer is
 * a sealed 4.01 with a new Echo, and the client reports that it was not fresh enough. */
static void a_put_that_was_held_back_does_not_run(void **state)
{
    (void)state;
    for (unsigned late_s = 9; late_s <= 60; late_s += 51) {
        path_t p;
        unsigned runs = 0;
        setup(&p);
        p.server->on_request = fresh_within_ten_seconds;
        p.server->user = &runs;
        ask(&p, CPS_PUT, "unlocked");
        rig_carry(p.client, p.server);
        rig_carry(p.server, p.client);
        rig_packet_t held = take(p.client, 0);
        rig_clear(p.client);
        p.server->now_us += late_s * SECOND;
        rig_in(p.server, 2, 5683, bytes_of(&held));
        assert_int_equal(p.server->requests, 2);
        assert_int_equal(runs, late_s == 9);
        rig_carry(p.server, p.client);
        assert_int_equal(p.client->responses, late_s == 9);
        assert_int_equal(p.client->failures, late_s != 9);
        if (late_s != 9) {
            assert_err(CPS_ERR_SECURITY, p.client->last.u.failed.err);
            assert_err(CPS_ERR_NOT_FRESH, p.client->last.u.failed.cause);
        }
        teardown(&p);
    }
}

static void a_withheld_request_leaves_nothing_behind(void **state)
{
    (void)state;
    path_t p;
    cps_ep_stats_t stats;
    setup(&p);
    ask(&p, CPS_PUT, "unlocked");
    rig_advance(p.client, 100 * SECOND);
    assert_int_equal(p.client->failures, 1);
    assert_err(CPS_ERR_OUTCOME_UNKNOWN, p.client->last.u.failed.err);
    cps_ep_stats(p.server->ep, &stats);
    assert_true(stats.peers == 0 && stats.requests_in == 0 && stats.dedup_bytes == 0);
    assert_true(cps_ep_deadline(p.server->ep) == CPS_TIME_NEVER);
    teardown(&p);
}

static void a_flood_of_bogus_requests_leaves_nothing_and_stops_nobody(void **state)
{
    (void)state;
    enum { FLOOD = 100000 };
    path_t p;
    cps_ep_stats_t before;
    cps_ep_stats_t after;
    setup(&p);
    ask(&p, CPS_PUT, "real");
    rig_packet_t real = take(p.client, 0);
    rig_packet_t bogus = real;
    cps_ep_stats(p.server->ep, &before);
    for (uint32_t i = 0; i < FLOOD; i++) {
        cps_put_be32(bogus.bytes + bogus.len - 4, i); /* of the tag */
        cps_put_be16(bogus.bytes + 2, (uint16_t)i);
        rig_in(p.server, (uint8_t)(3 + i % 200), (uint16_t)(1024 + i / 200), bytes_of(&bogus));
        if (p.server->out_count > RIG_OUT_MAX / 2)
            rig_clear(p.server);
    }
    cps_ep_stats(p.server->ep, &after);
    assert_int_equal(p.server->requests, 0);
    assert_int_equal(after.notes[CPS_NOTE_DECRYPT_FAILED], FLOOD);
    assert_true(after.dedup_bytes == before.dedup_bytes && after.peers == before.peers && after.requests_in == 0);
    rig_clear(p.server);
    rig_in(p.server, 2, 5683, bytes_of(&real));
    rig_carry(p.server, p.client);
    assert_true(p.server->requests == 1 && p.client->responses == 1);
    teardown(&p);
}

/* Another server: the same IDs, keys of its own. */
static rig_t *other_server(void)
{
    rig_t *other = rig_new(3, NULL);
    cps_handle_t handle = 0;
    cps_context_t context = {.size = sizeof context,
                             .master_secret = CPS_BYTES_LIT("another secret.."),
                             .sender_id = CPS_BYTES_LIT("\x01"),
                             .window_size = -1,
                             .has_state = true,
                             .window_known = true};
    assert_ok(cps_ep_context_add(other->ep, &context, &handle));
    return other;
}

static void a_request_that_is_sent_elsewhere_is_refused(void **state)
{
    (void)state;
    path_t p;
    setup(&p);
    rig_t *other = other_server();
    ask(&p, CPS_PUT, "unlocked");
    rig_packet_t sent = take(p.client, 0);
    rig_in(other, 2, 5683, bytes_of(&sent)); /* as it is */
    uint8_t *host = memmem(sent.bytes, sent.len, "door.local", 10);
    assert_non_null(host);
    cps_copy(host, "gate.local", 10); /* with the other's name */
    sent.bytes[3] ^= 1U;
    rig_in(other, 2, 5683, bytes_of(&sent));
    assert_true(other->requests == 0 && other->out_count == 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(cps_code_class(rig_sent_msg(other, i).code), 4);
    rig_carry(other, p.client);
    assert_int_equal(p.client->responses, 0);
    rig_free(other);
    teardown(&p);
}

static const cps_case_t cases[] = {
    {"E2E-C-T1", "a made-up answer never counts, and its payload reaches nobody", a_made_up_answer_never_counts},
    {"E2E-C-T5", "a request shows neither path nor query nor body nor method",
     a_request_shows_neither_path_nor_query_nor_body_nor_method},
    {"E2E-S-T5", "an answer shows neither body nor format nor ETag nor code",
     an_answer_shows_neither_body_nor_format_nor_etag_nor_code},
    {"E2E-S-T2 E2E-A1.5", "a PUT that was held back does not run", a_put_that_was_held_back_does_not_run},
    {"E2E-S-T3", "a withheld request leaves nothing behind", a_withheld_request_leaves_nothing_behind},
    {"E2E-S-T4", "a flood of bogus requests leaves nothing and stops nobody",
     a_flood_of_bogus_requests_leaves_nothing_and_stops_nobody},
    {"E2E-A1.3", "a request that is sent elsewhere is refused", a_request_that_is_sent_elsewhere_is_refused},
};

CPS_RUN("ep_path", cases)
