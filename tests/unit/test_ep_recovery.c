// SPDX-License-Identifier: Apache-2.0
/* Sequence numbers under leases, and recovery of a replay window (RFC 8613 appendix B.1) through two endpoints. */
#include "rig.h"

#include "wire/oscopt.h"

static cps_option_t path_option;

static cps_command_request_t sealed(cps_handle_t context, uint8_t code, const char *payload)
{
    cps_command_request_t r = rig_get(1, &path_option, "lock");
    r.code = code;
    r.context = context;
    r.payload = cps_bytes_str(payload);
    return r;
}

static uint64_t partial_iv(const rig_t *rig, size_t i)
{
    cps_msg_t msg = rig_sent_msg(rig, i);
    cps_bytes_t value;
    cps_oscopt_t option;
    uint64_t number;
    assert_true(cps_opt_find(msg.options, CPS_OPT_OSCORE, &value));
    assert_ok(cps_oscopt_decode(value, &option));
    if (option.partial_iv.len == 0)
        return UINT64_MAX;
    assert_ok(cps_partial_iv_decode(option.partial_iv, &number));
    return number;
}

static void nothing_leaves_before_the_lease(void **state)
{
    (void)state;
    rig_t *client = rig_new(2, NULL);
    client->hold_jobs = true;
    cps_handle_t context = rig_context_after_crash(client, true, 1000);
    cps_command_request_t r = sealed(context, CPS_GET, "");
    rig_request(client, &r);
    assert_int_equal(client->out_count, 0);
    assert_int_equal(client->jobs, 1);
    assert_int_equal(client->held_job.u.job.number, 1064);
    rig_grant(client, CPS_OK);
    rig_run(client);
    assert_int_equal(client->out_count, 1);
    assert_int_equal(partial_iv(client, 0), 1000);
    rig_free(client);
}

static void wide(cps_ep_config_t *config)
{
    config->requests_out = 200;
    config->request_bytes = 1 << 20;
    config->waiting = 20;
    config->transmission.nstart = 200;
    config->transmission.unsafe = true;
}

static void the_queue_for_a_lease_is_bounded_and_keeps_order(void **state)
{
    (void)state;
    rig_t *client = rig_new(2, wide);
    client->hold_jobs = true;
    cps_handle_t context = rig_context(client, true);
    cps_command_t command = {.kind = CPS_COMMAND_REQUEST, .u.request = sealed(context, CPS_GET, "")};
    command.u.request.non_confirmable = true;
    unsigned busy = 0;
    for (int i = 0; i < 10000; i++)
        busy += cps_ep_submit(client->ep, client->now_us, &command, NULL) == CPS_ERR_BUSY ? 1U : 0U;
    rig_run(client);
    cps_ep_stats_t stats;
    cps_ep_stats(client->ep, &stats);
    assert_int_equal(stats.waiting, 20);
    assert_int_equal(busy, 9980);
    assert_int_equal(client->out_count, 0);
    rig_advance(client, 10000000);
    rig_grant(client, CPS_OK);
    rig_run(client);
    assert_int_equal(client->out_count, 20);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(partial_iv(client, i), i);
    rig_free(client);
}

static void a_refused_lease_fails_those_that_wait_and_later_ones_go(void **state)
{
    (void)state;
    rig_t *client = rig_new(2, NULL);
    client->hold_jobs = true;
    cps_handle_t context = rig_context(client, true);
    cps_command_request_t r = sealed(context, CPS_GET, "");
    rig_request(client, &r);
    rig_grant(client, CPS_ERR_STORE_FULL);
    rig_run(client);
    assert_int_equal(client->failures, 1);
    assert_int_equal(client->last.u.failed.err, CPS_ERR_STORE_FULL);
    assert_false(client->last.u.failed.sent);
    assert_int_equal(client->notes[CPS_NOTE_STORE_REFUSED], 1);
    client->hold_jobs = false; /* space came back: no restart needed */
    rig_request(client, &r);
    assert_int_equal(client->out_count, 1);
    assert_int_equal(partial_iv(client, 0), 0);
    rig_free(client);
}

static void numbers_end_at_two_to_the_forty(void **state)
{
    (void)state;
    rig_t *client = rig_new(2, NULL);
    cps_handle_t context = rig_context_after_crash(client, true, (1ULL << 40U) - 1);
    cps_command_request_t r = sealed(context, CPS_GET, "");
    rig_request(client, &r);
    assert_int_equal(client->out_count, 1);
    assert_int_equal(partial_iv(client, 0), (1ULL << 40U) - 1);
    cps_command_t command = {.kind = CPS_COMMAND_REQUEST, .u.request = r};
    assert_err(CPS_ERR_SEQ_EXHAUSTED, cps_ep_submit(client->ep, client->now_us, &command, NULL));
    rig_free(client);
}

/* Each number that left is new and below what the store has. */
static void mark_used(const rig_t *client, uint8_t *used, size_t size)
{
    for (size_t i = 0; i < client->out_count; i++) {
        uint64_t number = partial_iv(client, i);
        assert_true(number < size && used[number] == 0);
        assert_true(number < client->durable);
        used[number] = 1;
    }
}

static void no_number_comes_twice_over_crashes(void **state)
{
    (void)state;
    static uint8_t used[1 << 16];
    cps_rng_seeded_t seeded;
    cps_rng_t rng = cps_rng_from_seed(&seeded, 11);
    memset(used, 0, sizeof used);
    uint64_t durable = 0;
    for (int life = 0; life < 60; life++) {
        rig_t *client = rig_new(2, wide);
        client->durable = durable;
        cps_handle_t context = rig_context_after_crash(client, true, durable);
        for (uint32_t n = cps_rng_below(&rng, 200); n > 0; n--) {
            cps_command_request_t r = sealed(context, CPS_GET, "");
            r.non_confirmable = true;
            cps_handle_t handle = rig_request(client, &r);
            mark_used(client, used, sizeof used);
            rig_clear(client);
            assert_ok(rig_submit_handle(client, CPS_COMMAND_CANCEL, handle));
        }
        durable = client->durable;
        rig_free(client);
    }
}

typedef struct crash {
    rig_t *client;
    rig_t *server;
    cps_handle_t context;
    rig_packet_t recorded; /* a request of the server's earlier life */
} crash_t;

/* A client and a server that crashed: its window is unknown, its numbers go on at the ceiling. */
static void after_crash(crash_t *c)
{
    c->client = rig_new(2, wide);
    c->server = rig_new(1, NULL);
    c->context = rig_context(c->client, true);
    (void)rig_context(c->server, false);
    cps_command_request_t r = sealed(c->context, CPS_PUT, "unlocked");
    rig_request(c->client, &r);
    c->recorded = c->client->out[0];
    rig_shuttle(c->client, c->server);
    assert_int_equal(c->client->responses, 1);
    rig_free(c->server);
    c->server = rig_new(1, NULL);
    (void)rig_context_after_crash(c->server, false, 64);
}

static void end_crash(crash_t *c)
{
    rig_free(c->client);
    rig_free(c->server);
}

static void a_lost_window_is_recovered_by_echo(void **state)
{
    (void)state;
    crash_t c;
    after_crash(&c);
    cps_command_request_t r = sealed(c.context, CPS_PUT, "locked");
    rig_request(c.client, &r);
    rig_carry(c.client, c.server);
    assert_int_equal(c.server->requests, 0);
    assert_int_equal(c.server->notes[CPS_NOTE_CHALLENGED], 1);
    assert_int_equal(partial_iv(c.server, 0), 64); /* its own number, from above the ceiling */
    rig_carry(c.server, c.client);
    rig_carry(c.client, c.server);
    assert_int_equal(c.server->requests, 1);
    assert_int_equal(c.server->notes[CPS_NOTE_RECOVERED], 1);
    rig_carry(c.server, c.client);
    assert_int_equal(c.client->responses, 2);
    assert_true(c.client->last.u.response.repeated);
    /* what was recorded before the crash is refused, and the next request needs no Echo */
    rig_in(c.server, 2, 5683, cps_bytes(c.recorded.bytes, c.recorded.len));
    rig_in(c.server, 2, 7777, cps_bytes(c.recorded.bytes, c.recorded.len));
    assert_int_equal(c.server->requests, 1);
    assert_int_equal(c.server->notes[CPS_NOTE_REPLAY], 2);
    rig_clear(c.server);
    rig_request(c.client, &r);
    rig_shuttle(c.client, c.server);
    assert_int_equal(c.server->requests, 2);
    assert_int_equal(c.server->notes[CPS_NOTE_CHALLENGED], 1);
    end_crash(&c);
}

static void a_recorded_request_only_draws_challenges(void **state)
{
    (void)state;
    crash_t c;
    after_crash(&c);
    for (uint16_t port = 1; port < 40; port++)
        rig_in(c.server, 2, port, cps_bytes(c.recorded.bytes, c.recorded.len));
    assert_int_equal(c.server->requests, 0);
    assert_int_equal(c.server->notes[CPS_NOTE_CHALLENGED], 6); /* a second's worth of one number */
    assert_int_equal(c.server->notes[CPS_NOTE_CHALLENGE_LIMITED], 33);
    bool seen[256] = {false};
    for (size_t i = 0; i < c.server->out_count; i++) {
        uint64_t number = partial_iv(c.server, i);
        assert_true(number < 256 && !seen[number]); /* each under its own number */
        seen[number] = true;
    }
    cps_command_request_t r = sealed(c.context, CPS_PUT, "x");
    rig_request(c.client, &r); /* in the same second the client's own still gets its challenge */
    rig_clear(c.server);
    rig_shuttle(c.client, c.server);
    assert_int_equal(c.client->responses, 2);
    assert_int_equal(c.server->requests, 1);
    end_crash(&c);
}

static void a_peer_that_brings_no_echo_is_told_of_once(void **state)
{
    (void)state;
    crash_t c;
    after_crash(&c);
    for (uint16_t port = 1; port < 40; port++) { /* what was recorded tells nothing of the peer */
        rig_in(c.server, 2, port, cps_bytes(c.recorded.bytes, c.recorded.len));
        rig_advance(c.server, 1000000);
    }
    cps_command_request_t r = sealed(c.context, CPS_PUT, "x");
    for (unsigned sent = 2; sent <= 3 * CPS_UNPROVEN_MAX; sent++) {
        rig_request(c.client, &r);
        rig_carry(c.client, c.server);
        rig_clear(c.server); /* its challenge is not heeded */
        rig_advance(c.server, 1000000);
        assert_int_equal(c.server->notes[CPS_NOTE_CHALLENGED], 39 + sent - 1);
        assert_int_equal(c.server->notes[CPS_NOTE_UNPROVEN], sent >= CPS_UNPROVEN_MAX ? 1 : 0);
    }
    assert_int_equal(c.server->requests, 0);
    end_crash(&c);
}

static void an_old_echo_recovers_nothing(void **state)
{
    (void)state;
    crash_t c;
    after_crash(&c);
    cps_command_request_t r = sealed(c.context, CPS_PUT, "locked");
    rig_request(c.client, &r);
    rig_carry(c.client, c.server);
    rig_carry(c.server, c.client);
    rig_packet_t with_echo = c.client->out[0];
    rig_clear(c.client);
    rig_advance(c.server, 61000000);
    rig_in(c.server, 2, 5683, cps_bytes(with_echo.bytes, with_echo.len));
    assert_int_equal(c.server->requests, 0);
    rig_free(c.server); /* and in another life not even at once (ECHO-29) */
    c.server = rig_new(1, NULL);
    (void)rig_context_after_crash(c.server, false, 128);
    c.server->now_us = c.client->now_us;
    rig_in(c.server, 2, 5683, cps_bytes(with_echo.bytes, with_echo.len));
    assert_int_equal(c.server->requests, 0);
    assert_int_equal(c.server->notes[CPS_NOTE_CHALLENGED], 1);
    end_crash(&c);
}

static void a_post_is_not_repeated_unless_the_caller_says_so(void **state)
{
    (void)state;
    crash_t c;
    after_crash(&c);
    cps_command_request_t r = sealed(c.context, CPS_POST, "1");
    rig_request(c.client, &r);
    rig_shuttle(c.client, c.server);
    assert_int_equal(c.server->requests, 0);
    assert_int_equal(c.client->failures, 1);
    assert_int_equal(c.client->last.u.failed.err, CPS_ERR_OUTCOME_UNKNOWN);
    assert_int_equal(c.client->last.u.failed.cause, CPS_ERR_WINDOW_UNKNOWN);
    assert_int_equal(c.client->out_count, 0);
    rig_request(c.client, &r); /* asked again on purpose: it carries the Echo by now */
    rig_shuttle(c.client, c.server);
    assert_int_equal(c.server->requests, 1);
    assert_int_equal(c.client->responses, 2);
    end_crash(&c);

    after_crash(&c);
    r = sealed(c.context, CPS_POST, "1");
    r.repeat_unsafe = true;
    rig_request(c.client, &r);
    rig_shuttle(c.client, c.server);
    assert_int_equal(c.server->requests, 1);
    assert_int_equal(c.client->responses, 2);
    end_crash(&c);
}

static void others_are_held_until_one_is_accepted_then_sealed_anew(void **state)
{
    (void)state;
    crash_t c;
    after_crash(&c);
    cps_command_request_t r = sealed(c.context, CPS_PUT, "x");
    for (int i = 0; i < 3; i++)
        rig_request(c.client, &r); /* all three under way when the first challenge comes */
    rig_carry(c.client, c.server);
    assert_int_equal(c.server->out_count, 3);
    rig_carry(c.server, c.client);
    assert_int_equal(c.client->out_count, 1); /* one goes with its Echo, two are held */
    rig_request(c.client, &r);
    assert_int_equal(c.client->out_count, 1); /* a new one as well */
    rig_carry(c.client, c.server);
    assert_int_equal(c.server->requests, 1);
    rig_carry(c.server, c.client);
    assert_int_equal(c.client->out_count, 3);
    rig_shuttle(c.client, c.server);
    assert_int_equal(c.server->requests, 4);
    assert_int_equal(c.client->responses, 5);
    assert_int_equal(c.server->notes[CPS_NOTE_CHALLENGED], 3);
    end_crash(&c);
}

static void a_challenge_waits_for_the_servers_lease(void **state)
{
    (void)state;
    crash_t c;
    after_crash(&c);
    c.server->hold_jobs = true;
    cps_command_request_t r = sealed(c.context, CPS_PUT, "x");
    rig_request(c.client, &r);
    rig_carry(c.client, c.server);
    assert_int_equal(c.server->out_count, 0);
    rig_grant(c.server, CPS_OK);
    rig_run(c.server);
    assert_int_equal(c.server->out_count, 1);
    c.server->hold_jobs = false;
    rig_shuttle(c.server, c.client);
    assert_int_equal(c.server->requests, 1);
    assert_int_equal(c.client->responses, 2);
    end_crash(&c);
}

static void a_saved_window_needs_no_echo(void **state)
{
    (void)state;
    crash_t c;
    after_crash(&c);
    rig_free(c.server);
    c.server = rig_new(1, NULL);
    cps_handle_t handle;
    cps_context_t saved = {.size = sizeof saved,
                           .master_secret = hex("0102030405060708090a0b0c0d0e0f10"),
                           .master_salt = hex("9e7ca92223786340"),
                           .sender_id = CPS_BYTES_LIT("\x01"),
                           .window_size = -1,
                           .has_state = true,
                           .next_number = 3,
                           .window_known = true,
                           .window_next = 1,
                           .window_seen = 1};
    assert_ok(cps_ep_context_add(c.server->ep, &saved, &handle));
    rig_in(c.server, 2, 7777, cps_bytes(c.recorded.bytes, c.recorded.len));
    assert_int_equal(c.server->requests, 0);
    cps_command_request_t r = sealed(c.context, CPS_PUT, "x");
    rig_clear(c.server);
    rig_request(c.client, &r);
    rig_shuttle(c.client, c.server);
    assert_int_equal(c.server->requests, 1);
    assert_int_equal(c.server->notes[CPS_NOTE_CHALLENGED], 0);
    cps_context_state_t now;
    assert_ok(cps_ep_context_state(c.server->ep, handle, &now));
    assert_true(now.window_known);
    assert_int_equal(now.window_next, 2);
    assert_int_equal(now.next_number, 3);
    end_crash(&c);
}

static const cps_case_t cases[] = {
    {"", "nothing leaves before the lease", nothing_leaves_before_the_lease},
    {"OPS-14", "the queue for a lease is bounded and keeps order", the_queue_for_a_lease_is_bounded_and_keeps_order},
    {"", "a refused lease fails those that wait, and later ones go",
     a_refused_lease_fails_those_that_wait_and_later_ones_go},
    {"OSC-51", "numbers end at 2^40", numbers_end_at_two_to_the_forty},
    {"", "no number comes twice over crashes", no_number_comes_twice_over_crashes},
    {"OSC-78", "a lost window is recovered by Echo", a_lost_window_is_recovered_by_echo},
    {"", "a recorded request only draws challenges", a_recorded_request_only_draws_challenges},
    {"", "a peer that brings no Echo is told of once", a_peer_that_brings_no_echo_is_told_of_once},
    {"", "an old Echo recovers nothing", an_old_echo_recovers_nothing},
    {"ECHO-8", "a POST is not repeated unless the caller says so", a_post_is_not_repeated_unless_the_caller_says_so},
    {"", "others are held until one is accepted, then sealed anew",
     others_are_held_until_one_is_accepted_then_sealed_anew},
    {"", "a challenge waits for the server's lease", a_challenge_waits_for_the_servers_lease},
    {"", "a saved window needs no Echo", a_saved_window_needs_no_echo},
};

CPS_RUN("ep_recovery", cases)
