// SPDX-License-Identifier: Apache-2.0
/* Block1 at a server, datagram by datagram: what is joined, and what never is (RFC 7959 §2.3, §2.5; RFC 9175 §3.3). */
#include "blocks_kit.h"

#define M 8 /* more, beside a size exponent */

static cps_bytes_t part(size_t at, size_t len) { return cps_bytes(blocks_body(20000, 0) + at, len); }

static void an_atomic_body_is_acted_on_once(void **state)
{
    (void)state;
    rig_t *rig = blocks_rig(1, NULL);
    app_t *app = app_of(rig);
    cps_bytes_t value;
    for (uint16_t i = 0; i < 5; i++) {
        bool last = i == 4;
        cps_msg_t answer = raw_ask(rig, 5000,
                                   RAW(.code = CPS_PUT, .mid = i, .block1 = i << 4 | (last ? 0 : M) | 2,
                                       .payload = part(64U * i, last ? 10 : 64)));
        assert_int_equal(answer.code, last ? CPS_CHANGED : CPS_CONTINUE);
        assert_int_equal(block_of(&answer, CPS_OPT_BLOCK1), i << 4 | (last ? 0 : M) | 2);
        assert_int_equal(block_of(&answer, CPS_OPT_BLOCK2), -1);
        assert_false(cps_msg_option(&answer, CPS_OPT_SIZE1, &value));
        assert_int_equal(answer.payload.len, 0);
        assert_int_equal(app->runs, last ? 1 : 0);
    }
    assert_bytes(part(0, 266), cps_bytes(app->up, app->up_len));
    cps_ep_stats_t stats;
    cps_ep_stats(rig->ep, &stats);
    assert_int_equal(stats.bodies, 0);
    assert_int_equal(stats.body_bytes, 0);
    blocks_rig_free(rig);
}

static void a_body_may_end_on_a_boundary(void **state)
{
    (void)state;
    rig_t *rig = blocks_rig(1, NULL);
    app_t *app = app_of(rig);
    raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 1, .block1 = M | 2, .payload = part(0, 64)));
    raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 2, .block1 = 1 << 4 | 2, .payload = part(64, 64)));
    assert_bytes(part(0, 128), cps_bytes(app->up, app->up_len));
    blocks_rig_free(rig);
}

static void nonsense_is_refused_and_not_joined(void **state)
{
    (void)state;
    rig_t *rig = blocks_rig(1, NULL);
    app_t *app = app_of(rig);
    cps_ep_stats_t stats;
    /* the reserved size, in either option (BLK-4) */
    assert_int_equal(raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 1, .block1 = M | 7, .payload = part(0, 64))).code,
                     CPS_BAD_REQUEST);
    assert_int_equal(raw_ask(rig, 5000, RAW(.code = CPS_GET, .mid = 2, .block2 = 7)).code, CPS_BAD_REQUEST);
    cps_ep_stats(rig->ep, &stats);
    assert_int_equal(stats.bodies, 0);
    assert_int_equal(rig->requests, 0);
    /* M set and another length (BLK-6) */
    assert_int_equal(raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 3, .block1 = M | 2, .payload = part(0, 63))).code,
                     CPS_BAD_REQUEST);
    raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 4, .block1 = M | 2, .payload = part(0, 64)));
    assert_int_equal(
        raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 5, .block1 = 1 << 4 | M | 2, .payload = part(64, 65))).code,
        CPS_BAD_REQUEST);
    raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 6, .block1 = 1 << 4 | 2, .payload = part(64, 3)));
    assert_bytes(part(0, 67), cps_bytes(app->up, app->up_len));
    blocks_rig_free(rig);
}

static void two_of_one_option_are_refused(void **state)
{
    (void)state;
    rig_t *rig = blocks_rig(1, NULL);
    cps_option_t more = {CPS_OPT_BLOCK2, CPS_BYTES_LIT("\x06")};
    cps_msg_t answer = raw_ask(rig, 5000, RAW(.code = CPS_GET, .mid = 1, .block2 = 6, .more = {more}, .more_count = 1));
    assert_int_equal(answer.code, CPS_BAD_OPTION);
    cps_option_t more1 = {CPS_OPT_BLOCK1, CPS_BYTES_LIT("\x06")};
    answer = raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 2, .block1 = 6, .more = {more1}, .more_count = 1));
    assert_int_equal(answer.code, CPS_BAD_OPTION);
    assert_int_equal(rig->requests, 0);
    blocks_rig_free(rig);
}

static void a_gap_is_refused_and_drops_what_there_was(void **state)
{
    (void)state;
    rig_t *rig = blocks_rig(1, NULL);
    raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 1, .block1 = M | 2, .payload = part(0, 64)));
    cps_msg_t answer =
        raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 2, .block1 = 2 << 4 | 2, .payload = part(128, 9)));
    assert_int_equal(answer.code, CPS_REQUEST_ENTITY_INCOMPLETE);
    answer = raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 3, .block1 = 1 << 4 | 2, .payload = part(64, 9)));
    assert_int_equal(answer.code, CPS_REQUEST_ENTITY_INCOMPLETE);
    assert_int_equal(app_of(rig)->runs, 0);
    assert_int_equal(rig->notes[CPS_NOTE_BODY_BROKEN], 2);
    blocks_rig_free(rig);
}

static void a_first_block_starts_afresh(void **state)
{
    (void)state;
    rig_t *rig = blocks_rig(1, NULL);
    app_t *app = app_of(rig);
    const uint8_t *other = blocks_body(200, 1);
    for (uint16_t i = 0; i < 5; i++)
        raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = i, .block1 = i << 4 | M | 2, .payload = part(64U * i, 64)));
    raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 10, .block1 = M | 2, .payload = cps_bytes(other, 64)));
    raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 11, .block1 = 1 << 4 | 2, .payload = cps_bytes(other + 64, 20)));
    assert_bytes(cps_bytes(other, 84), cps_bytes(app->up, app->up_len));
    assert_int_equal(app->runs, 1);
    blocks_rig_free(rig);
}

static void a_block_that_comes_again_is_joined_once(void **state)
{
    (void)state;
    rig_t *rig = blocks_rig(1, NULL);
    app_t *app = app_of(rig);
    const uint8_t *other = blocks_body(200, 1);
    raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 1, .block1 = M | 2, .payload = part(0, 64)));
    for (uint16_t i = 0; i < 3; i++) {
        cps_msg_t again =
            raw_ask(rig, 5000,
                    RAW(.code = CPS_PUT, .mid = (uint16_t)(2 + i), .block1 = 1 << 4 | M | 2, .payload = part(64, 64)));
        assert_int_equal(again.code, CPS_CONTINUE);
    }
    /* the same number with other bytes is another body */
    cps_msg_t answer = raw_ask(
        rig, 5000, RAW(.code = CPS_PUT, .mid = 8, .block1 = 1 << 4 | M | 2, .payload = cps_bytes(other + 64, 64)));
    assert_int_equal(answer.code, CPS_REQUEST_ENTITY_INCOMPLETE);
    assert_int_equal(app->runs, 0);
    blocks_rig_free(rig);
}

/* Block `i` of a body of two, told apart by port, query, format or tag. */
static cps_msg_t half(rig_t *rig, uint16_t port, cps_option_t option, unsigned variant, int i)
{
    static uint16_t mid = 100;
    const uint8_t *body = blocks_body(100, variant);
    mid++;
    return raw_ask(rig, port,
                   RAW(.code = CPS_PUT, .mid = mid, .block1 = i == 0 ? M | 2 : 1 << 4 | 2, .more = {option},
                       .more_count = option.number != 0, .payload = cps_bytes(body + 64 * i, i == 0 ? 64 : 36)));
}

static void bodies_of_others_are_never_mixed(void **state)
{
    (void)state;
    rig_t *rig = blocks_rig(1, NULL);
    app_t *app = app_of(rig);
    cps_option_t x = {CPS_OPT_URI_QUERY, CPS_BYTES_LIT("x")};
    cps_option_t y = {CPS_OPT_URI_QUERY, CPS_BYTES_LIT("y")};
    half(rig, 5000, x, 0, 0);
    half(rig, 5001, x, 1, 0);
    half(rig, 5000, y, 2, 0);
    half(rig, 5001, y, 3, 0);
    static const struct {
        uint16_t port;
        unsigned query;
        unsigned variant;
    } order[] = {{5001, 1, 3}, {5000, 0, 0}, {5001, 0, 1}, {5000, 1, 2}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(half(rig, order[i].port, order[i].query == 0 ? x : y, order[i].variant, 1).code, CPS_CHANGED);
        assert_bytes(cps_bytes(blocks_body(100, order[i].variant), 100), cps_bytes(app->up, app->up_len));
    }
    assert_int_equal(app->runs, 4);
    blocks_rig_free(rig);
}

static void another_format_is_not_joined(void **state)
{
    (void)state;
    rig_t *rig = blocks_rig(1, NULL);
    half(rig, 5000, (cps_option_t){CPS_OPT_CONTENT_FORMAT, CPS_BYTES_LIT("\x32")}, 0, 0);
    cps_msg_t answer = half(rig, 5000, (cps_option_t){CPS_OPT_CONTENT_FORMAT, CPS_BYTES_LIT("\x3c")}, 0, 1);
    assert_int_equal(answer.code, CPS_REQUEST_ENTITY_INCOMPLETE);
    assert_int_equal(app_of(rig)->runs, 0);
    blocks_rig_free(rig);
}

static void operations_are_told_by_request_tag(void **state)
{
    (void)state;
    rig_t *rig = blocks_rig(1, NULL);
    app_t *app = app_of(rig);
    cps_option_t one = {CPS_OPT_REQUEST_TAG, CPS_BYTES_LIT("\xde\xad\xbe\xef\x00\x00\x00\x01")};
    cps_option_t two = {CPS_OPT_REQUEST_TAG, CPS_BYTES_LIT("\xde\xad\xbe\xef\x00\x00\x00\x00")};
    cps_option_t none = {0, {NULL, 0}};
    cps_option_t empty = {CPS_OPT_REQUEST_TAG, {NULL, 0}};
    const cps_option_t tags[] = {one, two, none, empty};
    for (unsigned i = 0; i < 4; i++)
        half(rig, 5000, tags[i], i, 0);
    for (unsigned i = 0; i < 4; i++) {
        cps_bytes_t value;
        cps_msg_t answer = half(rig, 5000, tags[i], i, 1);
        assert_int_equal(answer.code, CPS_CHANGED);
        assert_false(cps_opt_find(answer.options, CPS_OPT_REQUEST_TAG, &value));
        assert_bytes(cps_bytes(blocks_body(100, i), 100), cps_bytes(app->up, app->up_len));
    }
    /* without a Block option it means nothing (ECHO-46) */
    cps_msg_t answer = raw_ask(rig, 5000, RAW(.code = CPS_GET, .mid = 9, .more = {one}, .more_count = 1));
    assert_int_equal(answer.code, CPS_CONTENT);
    blocks_rig_free(rig);
}

static void if_none_match_stands_in_the_first_only(void **state)
{
    (void)state;
    rig_t *rig = blocks_rig(1, NULL);
    half(rig, 5000, (cps_option_t){CPS_OPT_IF_NONE_MATCH, {NULL, 0}}, 0, 0);
    assert_int_equal(half(rig, 5000, (cps_option_t){0, {NULL, 0}}, 0, 1).code, CPS_CHANGED);
    blocks_rig_free(rig);
}

static void small_limit(cps_ep_config_t *config)
{
    config->body_max = 200;
    config->bodies = 8;
    config->body_bytes = 4096;
}

static void too_large_a_body_gets_413_with_the_limit(void **state)
{
    (void)state;
    rig_t *rig = blocks_rig(1, small_limit);
    cps_msg_t answer = {.code = 0};
    uint32_t limit = 0;
    for (uint16_t i = 0; i < 4; i++)
        answer =
            raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = i, .block1 = i << 4 | M | 2, .payload = part(64U * i, 64)));
    assert_int_equal(answer.code, CPS_REQUEST_ENTITY_TOO_LARGE);
    assert_true(cps_msg_option_uint(&answer, CPS_OPT_SIZE1, &limit));
    assert_int_equal(limit, 200);
    for (uint16_t i = 0; i < 4; i++) { /* the last block too */
        answer = raw_ask(rig, 5000,
                         RAW(.code = CPS_PUT, .mid = (uint16_t)(10 + i), .block1 = i << 4 | (i < 3 ? M : 0) | 2,
                             .payload = part(64U * i, i < 3 ? 64 : 20)));
    }
    assert_int_equal(answer.code, CPS_REQUEST_ENTITY_TOO_LARGE);
    assert_int_equal(app_of(rig)->runs, 0);
    blocks_rig_free(rig);
}

static void a_claim_allocates_nothing(void **state)
{
    (void)state;
    rig_t *rig = blocks_rig(1, NULL);
    cps_ep_stats_t stats;
    cps_option_t claim = {CPS_OPT_SIZE1, CPS_BYTES_LIT("\x80\x00\x00\x00")};
    for (uint16_t i = 0; i < 4; i++) {
        cps_msg_t answer = raw_ask(
            rig, (uint16_t)(5000 + i),
            RAW(.code = CPS_PUT, .mid = 1, .block1 = M | 2, .more = {claim}, .more_count = 1, .payload = part(0, 64)));
        assert_int_equal(answer.code, CPS_CONTINUE);
        assert_int_equal(rig->last.u.request.body.size, 0x80000000U); /* told, for whoever wants to refuse it */
    }
    cps_ep_stats(rig->ep, &stats);
    assert_int_equal(stats.bodies, 4);
    assert_true(stats.body_bytes <= 4 * 128);
    blocks_rig_free(rig);
}

static void few_places(cps_ep_config_t *config)
{
    config->peers = 2000;
    config->dedup_bytes = 1U << 20U;
    config->bodies = 8;
    config->bodies_each = 2;
}

static void places_are_bounded_in_all_and_each(void **state)
{
    (void)state;
    rig_t *rig = blocks_rig(1, few_places);
    unsigned taken = 0;
    cps_ep_stats_t stats;
    for (uint16_t i = 0; i < 1000; i++) {
        cps_msg_t answer =
            raw_ask(rig, (uint16_t)(5000 + i), RAW(.code = CPS_PUT, .mid = 1, .block1 = M | 2, .payload = part(0, 64)));
        assert_true(answer.code == CPS_CONTINUE || answer.code == CPS_SERVICE_UNAVAILABLE);
        taken += answer.code == CPS_CONTINUE;
    }
    cps_ep_stats(rig->ep, &stats);
    assert_int_equal(taken, 6); /* a quarter is for sealed ones */
    assert_int_equal(stats.bodies, 6);
    assert_int_equal(raw_ask(rig, 7000, RAW(.code = CPS_GET, .mid = 1)).code, CPS_CONTENT); /* others are served */
    rig_advance(rig, 11000000); /* nothing came for them: they make room */
    cps_option_t q = {CPS_OPT_URI_QUERY, CPS_BYTES_LIT("q")};
    for (uint16_t i = 0; i < 3; i++) {
        q.value.ptr = (const uint8_t *)"abc" + i;
        cps_msg_t answer = raw_ask(rig, 7000,
                                   RAW(.code = CPS_PUT, .mid = (uint16_t)(10 + i), .block1 = M | 2, .more = {q},
                                       .more_count = 1, .payload = part(0, 64)));
        assert_int_equal(answer.code, CPS_CONTINUE);
    }
    /* the third was over the share of two: the first of them went */
    q.value.ptr = (const uint8_t *)"a";
    cps_msg_t answer = raw_ask(
        rig, 7000,
        RAW(.code = CPS_PUT, .mid = 20, .block1 = 1 << 4 | 2, .more = {q}, .more_count = 1, .payload = part(64, 1)));
    assert_int_equal(answer.code, CPS_REQUEST_ENTITY_INCOMPLETE);
    blocks_rig_free(rig);
}

static void a_body_is_forgotten_in_time(void **state)
{
    (void)state;
    rig_t *rig = blocks_rig(1, NULL);
    cps_ep_stats_t stats;
    raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 1, .block1 = M | 2, .payload = part(0, 64)));
    rig_advance(rig, 250000000);
    cps_ep_stats(rig->ep, &stats);
    assert_int_equal(stats.bodies, 0);
    assert_int_equal(stats.body_bytes, 0);
    cps_msg_t answer = raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 2, .block1 = 1 << 4 | 2, .payload = part(64, 1)));
    assert_int_equal(answer.code, CPS_REQUEST_ENTITY_INCOMPLETE);
    blocks_rig_free(rig);
}

static void a_body_is_handed_on_block_by_block(void **state)
{
    (void)state;
    rig_t *rig = blocks_rig(1, NULL);
    app_t *app = app_of(rig);
    cps_ep_stats_t stats;
    app->hand_on = true;
    for (uint16_t i = 0; i < 4; i++) {
        cps_msg_t answer = raw_ask(
            rig, 5000,
            RAW(.code = CPS_PUT, .mid = i, .block1 = i << 4 | (i < 3 ? M : 0) | 2, .payload = part(64U * i, 64)));
        assert_int_equal(answer.code, i < 3 ? CPS_CONTINUE : CPS_CHANGED);
        assert_int_equal(rig->last.u.request.body.user, i > 0 ? 77 : 0);
        cps_ep_stats(rig->ep, &stats);
        assert_int_equal(stats.body_bytes, 0);
    }
    assert_bytes(part(0, 256), cps_bytes(app->up, app->up_len));
    assert_int_equal(rig->abandoned, 0);
    raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 10, .block1 = M | 2, .payload = part(0, 64)));
    raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 11, .block1 = M | 2, .payload = part(0, 64)));
    assert_int_equal(rig->abandoned, 1); /* begun again */
    rig_advance(rig, 250000000);
    assert_int_equal(rig->abandoned, 2); /* too old */
    blocks_rig_free(rig);
}

static void a_resource_may_act_on_each_block(void **state)
{
    (void)state;
    rig_t *rig = blocks_rig(1, NULL);
    app_t *app = app_of(rig);
    app->hand_on = app->act_on_each = true;
    for (uint16_t i = 0; i < 3; i++) {
        cps_msg_t answer = raw_ask(
            rig, 5000,
            RAW(.code = CPS_PUT, .mid = i, .block1 = i << 4 | (i < 2 ? M : 0) | 2, .payload = part(64U * i, 64)));
        assert_int_equal(answer.code, CPS_CHANGED);
        assert_int_equal(block_of(&answer, CPS_OPT_BLOCK1), i << 4 | 2);
        assert_int_equal(app->runs, i + 1);
    }
    blocks_rig_free(rig);
}

static void a_refused_first_block_leaves_nothing(void **state)
{
    (void)state;
    rig_t *rig = rig_new(1, NULL);
    cps_ep_stats_t stats;
    cps_msg_t answer = raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 1, .block1 = M | 2, .payload = part(0, 64)));
    assert_int_equal(answer.code, CPS_CHANGED); /* an application that knows no blocks: it acted on this one */
    assert_int_equal(block_of(&answer, CPS_OPT_BLOCK1), 2);
    cps_ep_stats(rig->ep, &stats);
    assert_int_equal(stats.bodies, 0);
    rig_free(rig);
}

static void small_blocks(cps_ep_config_t *config) { config->block_size = 64; }

static void the_server_may_want_smaller_blocks(void **state)
{
    (void)state;
    rig_t *rig = blocks_rig(1, small_blocks);
    app_t *app = app_of(rig);
    cps_msg_t answer = raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 1, .block1 = M | 4, .payload = part(0, 256)));
    assert_int_equal(block_of(&answer, CPS_OPT_BLOCK1), M | 2);
    answer = raw_ask(rig, 5000, RAW(.code = CPS_PUT, .mid = 2, .block1 = 4 << 4 | 2, .payload = part(256, 64)));
    assert_int_equal(answer.code, CPS_CHANGED);
    assert_bytes(part(0, 320), cps_bytes(app->up, app->up_len));
    blocks_rig_free(rig);
}

static const cps_case_t cases[] = {
    {"BLK-17 BLK-18", "an atomic body is acted on once, at its last block", an_atomic_body_is_acted_on_once},
    {"", "a body may end on a block boundary", a_body_may_end_on_a_boundary},
    {"BLK-4 BLK-6", "the reserved size and wrong lengths are refused", nonsense_is_refused_and_not_joined},
    {"BLK-1", "two Block options of a kind are refused", two_of_one_option_are_refused},
    {"BLK-21", "a gap is refused and drops what there was", a_gap_is_refused_and_drops_what_there_was},
    {"BLK-23", "a first block starts afresh", a_first_block_starts_afresh},
    {"", "a block that comes again is joined once", a_block_that_comes_again_is_joined_once},
    {"BLK-24", "bodies of other endpoints and queries are never mixed", bodies_of_others_are_never_mixed},
    {"BLK-12", "another Content-Format is not joined", another_format_is_not_joined},
    {"ECHO-41 ECHO-42 ECHO-46", "operations are told apart by Request-Tag", operations_are_told_by_request_tag},
    {"", "If-None-Match stands in the first block only", if_none_match_stands_in_the_first_only},
    {"", "too large a body gets 4.13 with the limit", too_large_a_body_gets_413_with_the_limit},
    {"", "four claims of two gigabytes allocate nothing", a_claim_allocates_nothing},
    {"BLK-41", "places are bounded in all and each", places_are_bounded_in_all_and_each},
    {"BLK-28", "a body is forgotten in time", a_body_is_forgotten_in_time},
    {"", "a body is handed on block by block", a_body_is_handed_on_block_by_block},
    {"", "a resource may act on each block", a_resource_may_act_on_each_block},
    {"", "a block that was answered leaves nothing", a_refused_first_block_leaves_nothing},
    {"", "the server may want smaller blocks", the_server_may_want_smaller_blocks},
};

CPS_RUN("endpoint: bodies of requests in blocks", cases)
