// SPDX-License-Identifier: Apache-2.0
/* A context derived anew (RFC 8613 appendix B.2) between two endpoints: who begins, what the store has to do before
 * anything counts, copies and replays, and what it costs to be asked by strangers. */
#include "rig.h"

#include "sec/oscore/b2.h"

static cps_option_t path_option;

typedef struct pair {
    rig_t *client;
    rig_t *server;
    cps_handle_t context; /* of the client */
    cps_handle_t served;  /* of the server */
} pair_t;

static cps_handle_t add(rig_t *rig, bool client, bool rederivable, bool rederive)
{
    cps_context_t context = rig_context_of(client);
    context.rederivable = rederivable;
    context.rederive = rederive;
    context.has_state = !rederive; /* its old numbers are lost, or shall not be used any more */
    context.window_known = !rederive;
    return rig_add_context(rig, &context);
}

/* Both allow it; an end that is marked begins. */
static pair_t pair(bool client_begins, bool server_begins)
{
    pair_t p = {rig_new(2, NULL), rig_new(1, NULL), 0, 0};
    p.context = add(p.client, true, true, client_begins);
    p.served = add(p.server, false, true, server_begins);
    return p;
}

static void done(pair_t *p)
{
    rig_free(p->client);
    rig_free(p->server);
}

static void ask(pair_t *p, uint8_t code, const char *payload)
{
    cps_command_request_t r = rig_get(1, &path_option, "lock");
    r.code = code;
    r.context = p->context;
    r.payload = cps_bytes_str(payload);
    rig_request(p->client, &r);
}

static void assert_answered(const pair_t *p, unsigned times)
{
    assert_int_equal(p->client->responses, times);
    assert_int_equal(p->client->failures, 0);
    assert_int_equal(p->server->requests, times);
}

/* The option of the i-th datagram, with its kid context. */
static cps_oscopt_t option_of(const rig_t *rig, size_t i)
{
    cps_msg_t msg = rig_sent_msg(rig, i);
    cps_oscopt_t option;
    cps_bytes_t value;
    assert_true(cps_opt_find(msg.options, CPS_OPT_OSCORE, &value));
    assert_ok(cps_oscopt_decode(value, &option));
    return option;
}

static bool is_rederived(const rig_t *rig, cps_handle_t context)
{
    cps_context_state_t state;
    assert_ok(cps_ep_context_state(rig->ep, context, &state));
    return !state.rederive && state.ceiling == CPS_SEQ_LEASE_MIN;
}

/* ---- the run ---- */

static void a_client_begins(void **state)
{
    (void)state;
    cps_bytes_t id1;
    cps_bytes_t r2;
    cps_bytes_t id3;
    cps_context_state_t after;
    pair_t p = pair(true, false);
    ask(&p, CPS_PUT, "locked");
    assert_true(cps_b2_unwrap(option_of(p.client, 0).kid_context, &id1)); /* request #1 */
    assert_int_equal(id1.len, CPS_B2_NONCE_LEN);
    assert_int_equal(rig_sent_msg(p.client, 0).payload.len, 1 + 5 + 8); /* a server that ran it would see GET /lock */
    rig_carry(p.client, p.server);
    assert_int_equal(p.server->requests, 0); /* it is not run */
    assert_true(cps_b2_unwrap(option_of(p.server, 0).kid_context, &r2));
    assert_false(option_of(p.server, 0).has_kid);
    rig_carry(p.server, p.client);
    assert_true(cps_b2_unwrap(option_of(p.client, 0).kid_context, &id3)); /* request #2: R2 || R3 */
    assert_int_equal(id3.len, r2.len + CPS_B2_NONCE_LEN);
    rig_shuttle(p.client, p.server);
    assert_answered(&p, 1);
    assert_int_equal(p.client->last.u.response.message.code, CPS_CHANGED);
    assert_int_equal(p.server->notes[CPS_NOTE_REKEYED] + p.client->notes[CPS_NOTE_REKEYED], 2);
    assert_true(is_rederived(p.client, p.context));
    assert_true(is_rederived(p.server, p.served));
    ask(&p, CPS_GET, ""); /* an ordinary request now: the ID Context as it is */
    assert_int_equal(option_of(p.client, 0).kid_context.len, id3.len);
    rig_shuttle(p.client, p.server);
    assert_answered(&p, 2);
    assert_ok(cps_ep_context_state(p.client->ep, p.context, &after));
    assert_int_equal(after.next_number, 2);
    assert_true(after.window_known);
    done(&p);
}

static void a_server_begins(void **state)
{
    (void)state;
    pair_t p = pair(false, true);
    ask(&p, CPS_GET, "");
    assert_false(option_of(p.client, 0).has_kid_context); /* an ordinary request */
    rig_shuttle(p.client, p.server);
    assert_answered(&p, 1);
    assert_true(is_rederived(p.client, p.context));
    assert_true(is_rederived(p.server, p.served));
    done(&p);
}

/* The server may have run it before it lost its state: once more only where that is asked for. */
static void a_post_is_not_repeated_when_the_server_begins(void **state)
{
    (void)state;
    pair_t p = pair(false, true);
    ask(&p, CPS_POST, "once");
    rig_shuttle(p.client, p.server);
    assert_int_equal(p.client->failures, 1);
    assert_int_equal(p.client->last.u.failed.err, CPS_ERR_OUTCOME_UNKNOWN);
    assert_int_equal(p.server->requests, 0);
    ask(&p, CPS_POST, "again"); /* begins by itself: what goes as request #1 can never run */
    rig_shuttle(p.client, p.server);
    assert_int_equal(p.client->responses, 1);
    assert_int_equal(p.server->requests, 1);
    done(&p);
}

static void wide(cps_ep_config_t *config)
{
    config->transmission.nstart = 4;
    config->transmission.unsafe = true;
}

static void others_wait_and_are_sealed_anew(void **state)
{
    (void)state;
    pair_t p = {rig_new(2, wide), rig_new(1, NULL), 0, 0};
    p.context = add(p.client, true, true, true);
    p.served = add(p.server, false, true, false);
    ask(&p, CPS_GET, "");
    ask(&p, CPS_PUT, "a");
    ask(&p, CPS_POST, "b");
    assert_int_equal(p.client->out_count, 1);
    rig_shuttle(p.client, p.server);
    assert_answered(&p, 3);
    assert_int_equal(p.client->notes[CPS_NOTE_REKEYED], 1);
    done(&p);
}

static void those_in_flight_follow_a_server_that_begins(void **state)
{
    (void)state;
    pair_t p = {rig_new(2, wide), rig_new(1, NULL), 0, 0};
    p.context = add(p.client, true, true, false);
    p.served = add(p.server, false, true, true);
    ask(&p, CPS_GET, "");
    ask(&p, CPS_PUT, "a");
    ask(&p, CPS_DELETE, "");
    assert_int_equal(p.client->out_count, 3);
    rig_shuttle(p.client, p.server);
    assert_answered(&p, 3);
    done(&p);
}

/* ---- the store comes first ---- */

static void a_server_answers_when_the_store_has_it(void **state)
{
    (void)state;
    uint8_t second[512];
    pair_t p = pair(true, false);
    p.server->hold_jobs = true;
    ask(&p, CPS_PUT, "locked");
    rig_carry(p.client, p.server);
    rig_carry(p.server, p.client);
    cps_bytes_t request = rig_sent(p.client, 0);
    memcpy(second, request.ptr, request.len);
    cps_bytes_t copy = cps_bytes(second, request.len);
    rig_carry(p.client, p.server);
    assert_int_equal(p.server->jobs, 1);
    assert_int_equal(p.server->held_job.u.job.kind, CPS_JOB_REKEY);
    assert_int_equal(p.server->held_job.u.job.number, CPS_SEQ_LEASE_MIN);
    assert_int_equal(p.server->out_count + p.server->requests, 0);
    rig_in(p.server, 2, 5683, copy); /* copies wait as well */
    assert_int_equal(p.server->jobs, 1);
    assert_int_equal(p.server->out_count + p.server->requests, 0);
    rig_grant(p.server, CPS_OK);
    rig_run(p.server);
    assert_int_equal(p.server->requests, 1);
    assert_int_equal(p.server->out_count, 1);
    rig_in(p.server, 2, 5683, copy); /* a duplicate now: the same answer, the handler runs once */
    assert_int_equal(p.server->requests, 1);
    assert_bytes(rig_sent(p.server, 0), rig_sent(p.server, 1));
    rig_shuttle(p.server, p.client);
    assert_answered(&p, 1);
    done(&p);
}

static void a_client_delivers_when_the_store_has_it(void **state)
{
    (void)state;
    pair_t p = pair(true, false);
    p.client->hold_jobs = true;
    ask(&p, CPS_GET, "");
    rig_shuttle(p.client, p.server);
    assert_int_equal(p.client->jobs, 1);
    assert_int_equal(p.client->responses, 0);
    assert_false(is_rederived(p.client, p.context));
    rig_grant(p.client, CPS_OK);
    rig_run(p.client);
    assert_answered(&p, 1);
    assert_true(is_rederived(p.client, p.context));
    done(&p);
}

static void a_store_that_refuses_changes_nothing(void **state)
{
    (void)state;
    pair_t p = pair(true, false);
    p.server->hold_jobs = true;
    ask(&p, CPS_GET, "");
    rig_carry(p.client, p.server);
    rig_carry(p.server, p.client);
    rig_carry(p.client, p.server);
    rig_grant(p.server, CPS_ERR_STORE_FULL);
    rig_run(p.server);
    assert_int_equal(p.server->out_count + p.server->requests, 0);
    assert_int_equal(p.server->notes[CPS_NOTE_STORE_REFUSED], 1);
    p.server->hold_jobs = false; /* the client's copy finds it mended */
    rig_advance(p.client, 4000000);
    rig_shuttle(p.client, p.server);
    assert_answered(&p, 1);
    done(&p);
}

static void a_client_whose_store_refuses_begins_anew(void **state)
{
    (void)state;
    pair_t p = pair(true, false);
    p.client->hold_jobs = true;
    ask(&p, CPS_GET, "");
    rig_shuttle(p.client, p.server);
    rig_grant(p.client, CPS_ERR_STORE);
    rig_run(p.client);
    assert_int_equal(p.client->failures, 1);
    assert_int_equal(p.client->last.u.failed.err, CPS_ERR_STORE);
    p.client->hold_jobs = false;
    ask(&p, CPS_GET, "");
    rig_shuttle(p.client, p.server);
    assert_int_equal(p.client->responses, 1);
    done(&p);
}

/* ---- replays ---- */

static size_t keep(const rig_t *rig, size_t i, uint8_t to[1600])
{
    cps_bytes_t bytes = rig_sent(rig, i);
    memcpy(to, bytes.ptr, bytes.len);
    return bytes.len;
}

static void a_replayed_first_request_leaves_nothing(void **state)
{
    (void)state;
    uint8_t first[1600];
    uint8_t before[CPS_OSCORE_ID_CONTEXT_MAX + 2] = {0};
    pair_t p = pair(true, false);
    ask(&p, CPS_GET, "");
    cps_bytes_t copy = cps_bytes(first, keep(p.client, 0, first));
    for (unsigned i = 0; i < 300; i++) {
        rig_in(p.server, 9, 1000, copy);
        if (p.server->out_count == 0)
            continue;
        cps_bytes_t told = option_of(p.server, 0).kid_context;
        assert_memory_not_equal(before, told.ptr, told.len); /* R2 is never used again */
        memcpy(before, told.ptr, told.len);
        rig_clear(p.server);
    }
    assert_int_equal(p.server->notes[CPS_NOTE_REKEY_ASKED], 100); /* so many a second */
    assert_int_equal(p.server->notes[CPS_NOTE_REKEY_LIMITED], 200);
    assert_int_equal(p.server->jobs + p.server->requests, 0);
    p.server->now_us += 1000001;
    p.client->now_us = p.server->now_us;
    rig_shuttle(p.client, p.server);
    assert_answered(&p, 1);
    done(&p);
}

static void a_replayed_second_request_is_refused(void **state)
{
    (void)state;
    uint8_t second[1600];
    pair_t p = pair(true, false);
    ask(&p, CPS_PUT, "locked");
    rig_carry(p.client, p.server);
    rig_carry(p.server, p.client);
    cps_bytes_t copy = cps_bytes(second, keep(p.client, 0, second));
    rig_shuttle(p.client, p.server);
    assert_answered(&p, 1);
    rig_in(p.server, 9, 1000, copy); /* while its context is the present one */
    assert_int_equal(rig_sent_msg(p.server, 0).code, CPS_UNAUTHORIZED);
    assert_int_equal(p.server->notes[CPS_NOTE_REPLAY], 1);
    rig_clear(p.server);
    pair_t later = {rig_new(2, NULL), p.server, 0, p.served};
    later.context = add(later.client, true, true, true);
    ask(&later, CPS_GET, "");
    rig_shuttle(later.client, p.server);
    assert_int_equal(p.server->requests, 2);
    unsigned jobs = p.server->jobs;
    rig_in(p.server, 9, 1000, copy); /* when another has taken its place: R2 is of no use any more */
    assert_int_equal(p.server->requests, 2);
    assert_int_equal(p.server->jobs, jobs);
    rig_free(later.client);
    done(&p);
}

/* A second run that was begun before the first was done loses its R2 with it (step 4). */
static void one_run_removes_the_others(void **state)
{
    (void)state;
    pair_t p = pair(true, false);
    rig_t *other = rig_new(3, NULL);
    pair_t q = {other, p.server, add(other, true, true, true), 0};
    ask(&p, CPS_PUT, "a");
    ask(&q, CPS_PUT, "b");
    rig_carry(p.client, p.server);
    rig_carry(p.server, p.client);
    rig_carry(other, p.server);
    rig_carry(p.server, other); /* both have an R2 now */
    rig_shuttle(p.client, p.server);
    assert_answered(&p, 1);
    rig_carry(other, p.server);
    assert_int_equal(p.server->requests, 1);
    assert_int_equal(p.server->jobs, 1);
    rig_free(other);
    done(&p);
}

/* After a start of the server nothing is known of any R2, and what was stored is found by its kid context. */
static void a_second_request_after_a_restart(void **state)
{
    (void)state;
    uint8_t second[1600];
    pair_t p = pair(true, false);
    p.server->hold_jobs = true;
    ask(&p, CPS_PUT, "locked");
    rig_carry(p.client, p.server);
    rig_carry(p.server, p.client);
    cps_bytes_t copy = cps_bytes(second, keep(p.client, 0, second));
    rig_carry(p.client, p.server);
    const cps_event_job_t job = p.server->held_job.u.job;
    rig_t *old_key = rig_new(1, NULL); /* the cut came before the commit */
    (void)add(old_key, false, true, false);
    rig_in(old_key, 2, 5683, copy);
    assert_int_equal(old_key->requests + old_key->jobs, 0);
    rig_t *new_key = rig_new(1, NULL); /* or after it */
    cps_context_t context = rig_context_of(false);
    context.id_context = cps_bytes(job.id_context, job.id_context_len);
    context.has_id_context = true;
    context.next_number = job.number;
    context.window_known = false;
    (void)rig_add_context(new_key, &context);
    rig_in(new_key, 2, 5683, copy);
    assert_int_equal(new_key->requests, 0);
    assert_int_equal(new_key->notes[CPS_NOTE_CHALLENGED], 1); /* appendix B.1.2 */
    rig_shuttle(new_key, p.client);
    assert_int_equal(p.client->responses, 1);
    assert_int_equal(new_key->requests, 1);
    rig_free(old_key);
    rig_free(new_key);
    done(&p);
}

/* ---- strangers, and those who did not agree ---- */

static void forged_requests_cost_no_state(void **state)
{
    (void)state;
    uint8_t bytes[1600];
    pair_t p = pair(true, false);
    ask(&p, CPS_GET, "");
    size_t len = keep(p.client, 0, bytes);
    bytes[len - 1] ^= 1;
    for (unsigned i = 0; i < 500; i++)
        rig_in(p.server, 9, (uint16_t)(1000 + i), cps_bytes(bytes, len));
    cps_ep_stats_t stats;
    cps_ep_stats(p.server->ep, &stats);
    assert_int_equal(stats.peers + stats.requests_in, 0);
    assert_int_equal(p.server->notes[CPS_NOTE_NO_CONTEXT], 100);
    assert_int_equal(p.server->notes[CPS_NOTE_REKEY_LIMITED], 400);
    assert_int_equal(p.server->jobs + p.server->requests, 0);
    done(&p);
}

static void without_leave_a_server_does_not(void **state)
{
    (void)state;
    pair_t p = {rig_new(2, NULL), rig_new(1, NULL), 0, 0};
    p.context = add(p.client, true, true, true);
    p.served = add(p.server, false, false, false);
    ask(&p, CPS_GET, "");
    rig_carry(p.client, p.server);
    assert_int_equal(rig_sent_msg(p.server, 0).code, CPS_UNAUTHORIZED);
    assert_int_equal(p.server->notes[CPS_NOTE_NO_CONTEXT], 1);
    assert_int_equal(p.server->notes[CPS_NOTE_REKEY_ASKED], 0);
    done(&p);
}

static void without_leave_a_client_does_not(void **state)
{
    (void)state;
    pair_t p = {rig_new(2, NULL), rig_new(1, NULL), 0, 0};
    p.context = add(p.client, true, false, false);
    p.served = add(p.server, false, true, true);
    ask(&p, CPS_GET, "");
    rig_carry(p.client, p.server);
    rig_carry(p.server, p.client);
    assert_int_equal(p.client->notes[CPS_NOTE_BAD_ANSWER], 1);
    assert_int_equal(p.client->out_count, 0);
    done(&p);
}

/* A forged response #1 changes nothing, and the genuine one is still taken. */
static void a_forged_first_response(void **state)
{
    (void)state;
    uint8_t bytes[1600];
    pair_t p = pair(true, false);
    ask(&p, CPS_GET, "");
    rig_carry(p.client, p.server);
    size_t len = keep(p.server, 0, bytes);
    bytes[len - 1] ^= 1;
    rig_in(p.client, 1, 5683, cps_bytes(bytes, len));
    assert_int_equal(p.client->out_count, 0);
    assert_int_equal(p.client->notes[CPS_NOTE_BAD_ANSWER], 1);
    rig_shuttle(p.server, p.client);
    assert_answered(&p, 1);
    done(&p);
}

static void a_run_that_gets_no_answer_ends(void **state)
{
    (void)state;
    pair_t p = pair(true, false);
    ask(&p, CPS_GET, "");
    ask(&p, CPS_GET, "");
    rig_advance(p.client, 300000000);
    assert_int_equal(p.client->failures, 2);
    rig_clear(p.client);
    ask(&p, CPS_GET, "");
    rig_shuttle(p.client, p.server);
    assert_int_equal(p.client->responses, 1);
    done(&p);
}

static const cps_case_t cases[] = {
    {"", "a client begins", a_client_begins},
    {"", "a server begins", a_server_begins},
    {"", "a POST is not repeated when the server begins", a_post_is_not_repeated_when_the_server_begins},
    {"", "others wait and are sealed anew", others_wait_and_are_sealed_anew},
    {"", "those in flight follow a server that begins", those_in_flight_follow_a_server_that_begins},
    {"", "a server answers when the store has it", a_server_answers_when_the_store_has_it},
    {"", "a client delivers when the store has it", a_client_delivers_when_the_store_has_it},
    {"", "a store that refuses changes nothing", a_store_that_refuses_changes_nothing},
    {"", "a client whose store refuses begins anew", a_client_whose_store_refuses_begins_anew},
    {"", "a replayed request #1 leaves nothing", a_replayed_first_request_leaves_nothing},
    {"OSC-80", "a replayed request #2 is refused", a_replayed_second_request_is_refused},
    {"", "one run removes the others", one_run_removes_the_others},
    {"", "a request #2 after a restart", a_second_request_after_a_restart},
    {"", "forged requests cost no state", forged_requests_cost_no_state},
    {"", "without leave a server does not", without_leave_a_server_does_not},
    {"", "without leave a client does not", without_leave_a_client_does_not},
    {"", "a forged response #1", a_forged_first_response},
    {"", "a run that gets no answer ends", a_run_that_gets_no_answer_ends},
};

CPS_RUN("ep_rekey", cases)
