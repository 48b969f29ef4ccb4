// SPDX-License-Identifier: Apache-2.0
/* Bodies in blocks: a client against a server that answers what a test says (RFC 7959 §2.4 to §2.10). */
#include "blocks_pair.h"

static void a_smaller_answer_size_is_gone_on_with(void **state)
{
    (void)state;
    cps_command_request_t r = plain_ask(CPS_GET);
    r.block_size = 1024;
    hand_t hand = hand_new(&r);
    assert_int_equal(block_of(&hand.asked, CPS_OPT_BLOCK2), 6); /* early negotiation */
    assert_true(SAY(&hand, .code = CPS_CONTENT, .block2 = M | 2, .payload = slice(0, 64)));
    assert_int_equal(block_of(&hand.asked, CPS_OPT_BLOCK2), 1 << 4 | 2);
    assert_false(SAY(&hand, .code = CPS_CONTENT, .block2 = 1 << 4 | 2, .payload = slice(64, 3)));
    assert_bytes(slice(0, 67), cps_bytes(app_of(hand.rig)->got, app_of(hand.rig)->got_len));
    blocks_rig_free(hand.rig);
}

/* Options of a request but those numbers. */
static size_t other_options(const cps_msg_t *msg, uint16_t but1, uint16_t but2, uint8_t *out)
{
    cps_opt_walk_t walk = cps_opt_walk(msg->options);
    cps_writer_t w = cps_writer(out, 300);
    for (cps_option_t option; cps_opt_next(&walk, &option);) {
        if (option.number == but1 || option.number == but2)
            continue;
        cps_write_u16(&w, option.number);
        cps_write_bytes(&w, option.value);
    }
    return cps_written(&w).len;
}

static void later_requests_repeat_the_options(void **state)
{
    (void)state;
    static const cps_option_t options[] = {{CPS_OPT_URI_PATH, {(const uint8_t *)"b", 1}},
                                           {CPS_OPT_URI_QUERY, {(const uint8_t *)"x=1", 3}},
                                           {CPS_OPT_ACCEPT, {NULL, 0}},
                                           {CPS_OPT_OBSERVE, {NULL, 0}}};
    uint8_t first[300];
    uint8_t third[300];
    cps_command_request_t r = plain_ask(CPS_GET);
    r.options = options;
    r.option_count = 4;
    hand_t hand = hand_new(&r);
    uint16_t mid = hand.asked.mid;
    uint8_t token[8];
    memcpy(token, hand.asked.token.ptr, 8);
    size_t first_len = other_options(&hand.asked, CPS_OPT_OBSERVE, CPS_OPT_BLOCK2, first);
    assert_true(SAY(&hand, .code = CPS_CONTENT, .block2 = M | 2, .payload = slice(0, 64)));
    assert_true(SAY(&hand, .code = CPS_CONTENT, .block2 = 1 << 4 | M | 2, .payload = slice(64, 64)));
    size_t third_len = other_options(&hand.asked, CPS_OPT_BLOCK2, CPS_OPT_BLOCK2, third);
    assert_bytes(cps_bytes(first, first_len), cps_bytes(third, third_len));
    assert_int_not_equal(mid, hand.asked.mid);
    assert_memory_not_equal(token, hand.asked.token.ptr, 8);
    blocks_rig_free(hand.rig);
}

static void another_representation_is_not_joined(void **state)
{
    (void)state;
    static const struct {
        const char *first;
        const char *second;
        uint8_t code;
    } changes[] = {{"a", "b", CPS_CONTENT},
                   {"a", NULL, CPS_CONTENT},
                   {NULL, "b", CPS_CONTENT},
                   {"a", "a", CPS_CHANGED},
                   {"a", "a", CPS_NOT_FOUND}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        cps_command_request_t r = plain_ask(CPS_GET);
        hand_t hand = hand_new(&r);
        assert_true(
            SAY(&hand, .code = CPS_CONTENT, .block2 = M | 2, .etag = changes[i].first, .payload = slice(0, 64)));
        assert_false(SAY(&hand, .code = changes[i].code, .block2 = 1 << 4 | 2, .etag = changes[i].second,
                         .payload = slice(64, 9)));
        assert_int_equal(hand.rig->failures, 1);
        assert_err(CPS_ERR_BODY_CHANGED, hand.rig->last.u.failed.err);
        blocks_rig_free(hand.rig);
    }
}

static void blocks_that_do_not_fit_fail_clearly(void **state)
{
    (void)state;
    static const struct {
        int32_t block2;
        size_t len;
    } wrong[] = {{2 << 4 | 2, 5}, {1 << 4 | M | 2, 63}, {1 << 4 | 3, 5}, {BLOCK_ZERO | 2, 64}, {1 << 4 | M | 7, 128},
                 {0, 30},         {1 << 4 | M | 2, 0}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cps_command_request_t r = plain_ask(CPS_GET);
        hand_t hand = hand_new(&r);
        assert_true(SAY(&hand, .code = CPS_CONTENT, .block2 = M | 2, .payload = slice(0, 64)));
        assert_false(SAY(&hand, .code = CPS_CONTENT, .block2 = wrong[i].block2, .payload = slice(64, wrong[i].len)));
        assert_err(CPS_ERR_BODY_CHANGED, hand.rig->last.u.failed.err);
        blocks_rig_free(hand.rig);
    }
}

static void a_claimed_size_is_a_hint(void **state)
{
    (void)state;
    cps_command_request_t r = plain_ask(CPS_GET);
    hand_t hand = hand_new(&r);
    assert_true(SAY(&hand, .code = CPS_CONTENT, .block2 = M | 2, .payload = slice(0, 64)));
    assert_true(SAY(&hand, .code = CPS_CONTENT, .block2 = 1 << 4 | M | 2, .payload = slice(64, 64)));
    assert_false(SAY(&hand, .code = CPS_CONTENT, .block2 = 2 << 4 | 2, .payload = slice(128, 1)));
    assert_bytes(slice(0, 129), cps_bytes(app_of(hand.rig)->got, app_of(hand.rig)->got_len));
    blocks_rig_free(hand.rig);
}

static void the_servers_size_is_taken_for_ours(void **state)
{
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        hand_t hand = upload(stream != 0);
        uint32_t size = 0;
        assert_int_equal(block_of(&hand.asked, CPS_OPT_BLOCK1), M | 6);
        assert_true(cps_msg_option_uint(&hand.asked, CPS_OPT_SIZE1, &size));
        assert_int_equal(size, 20000);
        assert_true(SAY(&hand, .code = CPS_CONTINUE, .block1 = M | 4));
        assert_int_equal(block_of(&hand.asked, CPS_OPT_BLOCK1), 4 << 4 | M | 4);
        assert_bytes(slice(1024, 256), hand.asked.payload);
        assert_false(cps_msg_option_uint(&hand.asked, CPS_OPT_SIZE1, &size));
        assert_true(SAY(&hand, .code = CPS_CONTINUE, .block1 = 4 << 4 | M | 6)); /* no larger again */
        assert_int_equal(block_of(&hand.asked, CPS_OPT_BLOCK1), 5 << 4 | M | 4);
        blocks_rig_free(hand.rig);
    }
}

static void blocks_go_in_order_even_if_acted_on(void **state)
{
    (void)state;
    hand_t hand = upload(false);
    for (int i = 0; i < 19; i++) {
        assert_int_equal(block_of(&hand.asked, CPS_OPT_BLOCK1), i << 4 | M | 6);
        assert_true(SAY(&hand, .code = CPS_CHANGED, .block1 = i == 0 ? 6 : i << 4 | 6)); /* M clear: acted on already */
    }
    assert_int_equal(block_of(&hand.asked, CPS_OPT_BLOCK1), 19 << 4 | 6);
    assert_false(SAY(&hand, .code = CPS_CHANGED, .block1 = 19 << 4 | 6));
    assert_int_equal(hand.rig->responses, 1);
    blocks_rig_free(hand.rig);
}

static void a_smaller_size_in_413_is_tried_once(void **state)
{
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        hand_t hand = upload(stream != 0);
        assert_true(SAY(&hand, .code = CPS_CONTINUE, .block1 = M | 6));
        assert_true(SAY(&hand, .code = CPS_REQUEST_ENTITY_TOO_LARGE, .block1 = 1 << 4 | M | 3));
        assert_int_equal(block_of(&hand.asked, CPS_OPT_BLOCK1), M | 3);
        assert_bytes(slice(0, 128), hand.asked.payload);
        assert_false(SAY(&hand, .code = CPS_REQUEST_ENTITY_TOO_LARGE, .block1 = M | 2));
        assert_int_equal(hand.rig->responses, 1);
        assert_int_equal(hand.rig->last.u.response.message.code, CPS_REQUEST_ENTITY_TOO_LARGE);
        blocks_rig_free(hand.rig);
    }
}

static void a_413_to_one_message_invites_blocks(void **state)
{
    (void)state;
    cps_command_request_t r = plain_ask(CPS_PUT);
    r.payload = slice(0, 1000);
    hand_t hand = hand_new(&r);
    assert_int_equal(block_of(&hand.asked, CPS_OPT_BLOCK1), -1);
    assert_true(SAY(&hand, .code = CPS_REQUEST_ENTITY_TOO_LARGE));
    assert_int_equal(block_of(&hand.asked, CPS_OPT_BLOCK1), M | 5);
    assert_bytes(slice(0, 512), hand.asked.payload);
    blocks_rig_free(hand.rig);
    hand = hand_new(&r);
    assert_false(SAY(&hand, .code = CPS_REQUEST_ENTITY_TOO_LARGE, .size1 = 100)); /* too large in all */
    assert_int_equal(hand.rig->responses, 1);
    blocks_rig_free(hand.rig);
}

static void after_408_it_starts_again_once(void **state)
{
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        hand_t hand = upload(stream != 0);
        assert_true(SAY(&hand, .code = CPS_CONTINUE, .block1 = M | 6));
        assert_true(SAY(&hand, .code = CPS_REQUEST_ENTITY_INCOMPLETE));
        assert_int_equal(block_of(&hand.asked, CPS_OPT_BLOCK1), M | 6);
        assert_bytes(slice(0, 1024), hand.asked.payload);
        assert_false(SAY(&hand, .code = CPS_REQUEST_ENTITY_INCOMPLETE));
        assert_int_equal(hand.rig->last.u.response.message.code, CPS_REQUEST_ENTITY_INCOMPLETE);
        blocks_rig_free(hand.rig);
    }
}

static void a_wrong_number_is_no_acknowledgement(void **state)
{
    (void)state;
    hand_t hand = upload(false);
    assert_true(SAY(&hand, .code = CPS_CONTINUE, .block1 = M | 6));
    assert_false(SAY(&hand, .code = CPS_CONTINUE, .block1 = M | 6));
    assert_err(CPS_ERR_BODY_CHANGED, hand.rig->last.u.failed.err);
    blocks_rig_free(hand.rig);
}

static void if_none_match_goes_once(void **state)
{
    (void)state;
    static const cps_option_t options[] = {{CPS_OPT_URI_PATH, {(const uint8_t *)"b", 1}},
                                           {CPS_OPT_IF_NONE_MATCH, {NULL, 0}}};
    cps_command_request_t r = plain_ask(CPS_PUT);
    cps_bytes_t value;
    r.options = options;
    r.option_count = 2;
    r.payload = slice(0, 3000);
    hand_t hand = hand_new(&r);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cps_msg_option(&hand.asked, CPS_OPT_IF_NONE_MATCH, &value), i == 0);
        assert_true(SAY(&hand, .code = CPS_CONTINUE, .block1 = i << 4 | M | 6));
    }
    assert_false(cps_msg_option(&hand.asked, CPS_OPT_IF_NONE_MATCH, &value));
    blocks_rig_free(hand.rig);
}

static void wrong_requests_are_refused(void **state)
{
    (void)state;
    rig_t *rig = blocks_rig(2, NULL);
    cps_option_t own = {CPS_OPT_BLOCK2, CPS_BYTES_LIT("\x06")};
    cps_command_t command = {.kind = CPS_COMMAND_REQUEST, .u.request = plain_ask(CPS_GET)};
    command.u.request.stream = true;
    assert_err(CPS_ERR_ARGUMENT, cps_ep_submit(rig->ep, rig->now_us, &command, NULL));
    command.u.request = plain_ask(CPS_GET);
    command.u.request.block_size = 15;
    assert_err(CPS_ERR_ARGUMENT, cps_ep_submit(rig->ep, rig->now_us, &command, NULL));
    command.u.request = plain_ask(CPS_GET);
    command.u.request.options = &own;
    assert_err(CPS_ERR_ARGUMENT, cps_ep_submit(rig->ep, rig->now_us, &command, NULL));
    command.u.request.follow = false; /* the caller's own blocks */
    assert_ok(cps_ep_submit(rig->ep, rig->now_us, &command, NULL));
    blocks_rig_free(rig);
}

static const cps_case_t cases[] = {
    {"BLK-8", "a smaller answer size is gone on with", a_smaller_answer_size_is_gone_on_with},
    {"BLK-13", "later requests repeat the options of the first", later_requests_repeat_the_options},
    {"BLK-15", "another representation is not joined", another_representation_is_not_joined},
    {"", "blocks that do not fit fail clearly", blocks_that_do_not_fit_fail_clearly},
    {"", "M, not a size, ends a body", a_claimed_size_is_a_hint},
    {"BLK-20", "the server's size is taken for ours", the_servers_size_is_taken_for_ours},
    {"BLK-19 BLK-22", "blocks go in order, even if acted on at once", blocks_go_in_order_even_if_acted_on},
    {"BLK-25", "a smaller size in 4.13 is tried once", a_smaller_size_in_413_is_tried_once},
    {"BLK-26", "4.13 to one message invites blocks", a_413_to_one_message_invites_blocks},
    {"BLK-27", "after 4.08 it starts again, once", after_408_it_starts_again_once},
    {"", "another number is no acknowledgement", a_wrong_number_is_no_acknowledgement},
    {"BLK-35", "If-None-Match goes with the first block", if_none_match_goes_once},
    {"", "requests that contradict themselves are refused", wrong_requests_are_refused},
};

CPS_RUN("endpoint: bodies in blocks, a client", cases)
