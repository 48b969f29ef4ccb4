// SPDX-License-Identifier: Apache-2.0
/* Request-Tag: which operations go with one, and with which (RFC 9175 §3.4, §3.5). */
#include "blocks_pair.h"

/* ---- Request-Tag ---- */

static bool has_tag(const cps_msg_t *msg, uint8_t tag[8])
{
    cps_bytes_t value;
    if (!cps_msg_option(msg, CPS_OPT_REQUEST_TAG, &value))
        return false;
    memcpy(tag, value.ptr, value.len);
    return true;
}

static void a_tag_is_chosen_after_an_unfinished_body(void **state)
{
    (void)state;
    uint8_t tag[8];
    uint8_t other[8];
    hand_t hand = upload(false);
    cps_command_request_t r = plain_ask(CPS_PUT);
    r.payload = slice(0, 3000);
    assert_false(has_tag(&hand.asked, tag));
    assert_true(SAY(&hand, .code = CPS_CONTINUE, .block1 = M | 6));
    rig_advance(hand.rig, 100000000); /* nobody answers any more */
    assert_int_equal(hand.rig->failures, 1);
    rig_clear(hand.rig);
    rig_request(hand.rig, &r);
    hand.asked = rig_sent_msg(hand.rig, 0);
    assert_true(has_tag(&hand.asked, tag));
    assert_true(SAY(&hand, .code = CPS_CONTINUE, .block1 = M | 6));
    assert_true(has_tag(&hand.asked, other)); /* the same in all of the operation */
    assert_memory_equal(tag, other, 8);
    assert_true(SAY(&hand, .code = CPS_CONTINUE, .block1 = 1 << 4 | M | 6));
    assert_false(SAY(&hand, .code = CPS_CHANGED, .block1 = 2 << 4 | 6));
    rig_advance(hand.rig, 250000000); /* no copy of the first can arrive any more */
    rig_clear(hand.rig);
    rig_request(hand.rig, &r);
    hand.asked = rig_sent_msg(hand.rig, 0);
    assert_false(has_tag(&hand.asked, tag));
    blocks_rig_free(hand.rig);
}

static void nstart_four(cps_ep_config_t *config)
{
    trusting(config);
    config->transmission.nstart = 4;
    config->transmission.unsafe = true;
}

static void two_at_once_have_two_tags(void **state)
{
    (void)state;
    pair_t pair = {blocks_rig(2, nstart_four), blocks_rig(1, trusting), 0};
    cps_command_request_t r = ask(&pair, CPS_PUT);
    uint8_t tag[8];
    r.payload = slice(0, 5000);
    rig_request(pair.client, &r);
    r.payload = cps_bytes(blocks_body(5000, 1), 5000);
    rig_request(pair.client, &r);
    cps_msg_t first = rig_sent_msg(pair.client, 0);
    cps_msg_t second = rig_sent_msg(pair.client, 1);
    assert_false(has_tag(&first, tag));
    assert_true(has_tag(&second, tag));
    rig_shuttle(pair.client, pair.server);
    assert_int_equal(pair.client->responses, 2);
    assert_int_equal(app_of(pair.server)->runs, 2);
    pair_free(&pair);
}

/* Sealed: what the server saw last of a Request-Tag, inside. */
static bool server_saw_tag(const pair_t *pair)
{
    cps_bytes_t value;
    return cps_message_option(&pair->server->last.u.request.message, CPS_OPT_REQUEST_TAG, &value);
}

static void sealed_tags_stay_busy_while_a_block_may_pass_the_window(void **state)
{
    (void)state;
    pair_t pair = pair_new(true);
    cps_command_request_t put = ask(&pair, CPS_PUT);
    put.payload = slice(0, 5000);
    run(&pair, &put);
    assert_false(server_saw_tag(&pair));
    cps_handle_t first = rig_request(pair.client, &put);
    rig_carry(pair.client, pair.server);
    rig_carry(pair.server, pair.client);
    rig_clear(pair.client); /* the second block is held back by somebody */
    assert_ok(rig_submit_handle(pair.client, CPS_COMMAND_CANCEL, first));
    cps_command_request_t get = ask(&pair, CPS_GET);
    for (unsigned i = 0; i < 40; i++) {
        run(&pair, &put);
        bool busy = i < 21; /* six numbers each: 128 of them, twice the largest window */
        bool free_again = i >= 23;
        assert_true(!busy || server_saw_tag(&pair));
        assert_true(!free_again || !server_saw_tag(&pair));
        run(&pair, &get);
    }
    pair_free(&pair);
}

static void a_context_that_was_used_before_begins_with_a_tag(void **state)
{
    (void)state;
    pair_t pair = pair_new(false);
    pair.context = rig_context_after_crash(pair.client, true, 500);
    (void)rig_context(pair.server, false);
    cps_command_request_t put = ask(&pair, CPS_PUT);
    put.payload = slice(0, 5000);
    run(&pair, &put);
    assert_int_equal(app_of(pair.server)->runs, 1);
    assert_true(server_saw_tag(&pair));
    pair_free(&pair);
}

static void a_fetch_has_one_tag_throughout(void **state)
{
    (void)state;
    pair_t pair = {blocks_rig(2, nstart_four), blocks_rig(1, trusting), 0};
    app_of(pair.server)->down = blocks_body(4096, 2);
    app_of(pair.server)->down_len = 4096;
    cps_command_request_t fetch = ask(&pair, CPS_FETCH);
    fetch.payload = slice(0, 4096);
    pair.client->on_response = NULL; /* two come at once */
    rig_request(pair.client, &fetch);
    rig_request(pair.client, &fetch); /* this one has a tag */
    uint8_t tag[8] = {0};
    unsigned without = 0;
    unsigned with = 0;
    while (pair.client->out_count != 0) {
        for (size_t i = 0; i < pair.client->out_count; i++) {
            cps_msg_t msg = rig_sent_msg(pair.client, i);
            uint8_t other[8];
            bool tagged = has_tag(&msg, other);
            with += tagged;
            without += !tagged;
            if (tagged && with > 1)
                assert_memory_equal(tag, other, 8);
            if (tagged)
                memcpy(tag, other, 8);
        }
        rig_carry(pair.client, pair.server);
        rig_carry(pair.server, pair.client);
    }
    assert_int_equal(with, 7);
    assert_int_equal(without, 7);
    assert_int_equal(pair.client->failures, 0);
    pair_free(&pair);
}

/* ---- somebody on the way who holds blocks back (draft-ietf-core-attacks-on-coap §2.4) ---- */

#define LONG 1500U

static cps_command_request_t put_of(const pair_t *pair, unsigned variant)
{
    cps_command_request_t put = ask(pair, CPS_PUT);
    put.payload = cps_bytes(blocks_body(LONG, variant), LONG);
    return put;
}

static bool server_has(const pair_t *pair, unsigned variant)
{
    const app_t *app = app_of(pair->server);
    return app->up_len == LONG && memcmp(app->up, blocks_body(LONG, variant), LONG) == 0;
}

/* Take what the client sent last out of the network. */
static rig_packet_t hold_back(const pair_t *pair)
{
    assert_int_equal(pair->client->out_count, 1);
    rig_packet_t held = pair->client->out[0];
    rig_clear(pair->client);
    return held;
}

static void inject(const pair_t *pair, const rig_packet_t *held)
{
    rig_in(pair->server, 2, 5683, cps_bytes(held->bytes, held->len));
    rig_clear(pair->server); /* whoever injects drops the answer */
}

static void an_earlier_last_block_completes_no_later_body(void **state)
{
    (void)state;
    pair_t pair = pair_new(true);
    cps_command_request_t one = put_of(&pair, 0);
    cps_command_request_t two = put_of(&pair, 1);
    cps_handle_t first = rig_request(pair.client, &one);
    rig_carry(pair.client, pair.server);
    rig_carry(pair.server, pair.client);
    rig_packet_t held = hold_back(&pair);
    assert_ok(rig_submit_handle(pair.client, CPS_COMMAND_CANCEL, first));
    rig_request(pair.client, &two);
    rig_carry(pair.client, pair.server); /* its first block; its last one is still to come */
    rig_packet_t answer = pair.server->out[0];
    rig_clear(pair.server);
    inject(&pair, &held);
    assert_int_equal(app_of(pair.server)->runs, 1);
    assert_true(server_has(&pair, 0)); /* late, but the first body and nothing else */
    rig_in(pair.client, 1, 5683, cps_bytes(answer.bytes, answer.len));
    rig_shuttle(pair.client, pair.server);
    assert_true(server_has(&pair, 1));
    assert_int_equal(app_of(pair.server)->runs, 2);
    pair_free(&pair);
}

static void an_earlier_first_block_changes_no_later_body(void **state)
{
    (void)state;
    pair_t pair = pair_new(true);
    cps_command_request_t one = put_of(&pair, 0);
    cps_command_request_t two = put_of(&pair, 1);
    cps_handle_t first = rig_request(pair.client, &one);
    rig_packet_t held = hold_back(&pair);
    assert_ok(rig_submit_handle(pair.client, CPS_COMMAND_CANCEL, first));
    rig_request(pair.client, &two);
    rig_carry(pair.client, pair.server);
    rig_packet_t answer = pair.server->out[0];
    rig_clear(pair.server);
    inject(&pair, &held);
    rig_in(pair.client, 1, 5683, cps_bytes(answer.bytes, answer.len));
    rig_shuttle(pair.client, pair.server);
    assert_int_equal(app_of(pair.server)->runs, 1);
    assert_true(server_has(&pair, 1));
    assert_int_equal(pair.client->responses, 1);
    pair_free(&pair);
}

/* A block in clear belongs to nothing that is sealed. */
static void a_block_in_clear_is_not_joined_to_sealed_ones(void **state)
{
    (void)state;
    pair_t pair = pair_new(true);
    cps_command_request_t put = put_of(&pair, 0);
    rig_request(pair.client, &put);
    rig_carry(pair.client, pair.server);
    rig_clear(pair.server);
    rig_in(pair.server, 2, 5683,
           raw_bytes(RAW(.code = CPS_PUT, .mid = 77, .block1 = 1 << 4 | 6, .payload = slice(0, 9))));
    assert_int_equal(rig_sent_msg(pair.server, 0).code, CPS_REQUEST_ENTITY_INCOMPLETE);
    assert_int_equal(app_of(pair.server)->runs, 0);
    pair_free(&pair);
}

static const cps_case_t cases[] = {
    {"ECHO-45", "a tag is chosen after an unfinished body", a_tag_is_chosen_after_an_unfinished_body},
    {"ECHO-50", "two bodies at once have two tags", two_at_once_have_two_tags},
    {"ECHO-48 ATT-2.4R", "a tag stays busy while a block may pass the window",
     sealed_tags_stay_busy_while_a_block_may_pass_the_window},
    {"", "a context used before begins with a tag", a_context_that_was_used_before_begins_with_a_tag},
    {"ATT-2.4.1 ATT-2.4.1o1", "an earlier last block completes no later body",
     an_earlier_last_block_completes_no_later_body},
    {"ATT-2.4.2 ATT-2.4.2b", "an earlier first block changes no later body",
     an_earlier_first_block_changes_no_later_body},
    {"ECHO-47", "a block in clear is not joined to sealed ones", a_block_in_clear_is_not_joined_to_sealed_ones},
    {"ECHO-44", "a FETCH has one tag throughout", a_fetch_has_one_tag_throughout},
};

CPS_RUN("endpoint: Request-Tag", cases)
