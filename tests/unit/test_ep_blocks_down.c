// SPDX-License-Identifier: Apache-2.0
/* Block2 at a server, datagram by datagram: answers cut into blocks (RFC 7959 §2.4), and what may go to an address that
 * proved nothing (RFC 9175 §2.4). */
#include "blocks_kit.h"

#define M        8
#define PORT     5000
#define VERIFIED 1U << 20U /* amplification: as if every address were proven */

static void trusting(cps_ep_config_t *config) { config->amplification = VERIFIED; }

static rig_t *server_with(size_t len, void (*tweak)(cps_ep_config_t *config))
{
    rig_t *rig = blocks_rig(1, tweak);
    app_of(rig)->down = blocks_body(len, 0);
    app_of(rig)->down_len = len;
    return rig;
}

static cps_bytes_t part(size_t at, size_t len) { return cps_bytes(blocks_body(20000, 0) + at, len); }

static uint16_t next_mid(void)
{
    static uint16_t mid;
    return mid++;
}

static cps_msg_t get(rig_t *rig, int32_t block2)
{
    return raw_ask(rig, PORT, RAW(.code = CPS_GET, .mid = next_mid(), .block2 = block2));
}

static void a_large_body_comes_in_blocks(void **state)
{
    (void)state;
    rig_t *rig = server_with(2500, trusting);
    uint32_t size;
    cps_bytes_t etag;
    cps_bytes_t first;
    cps_msg_t answer = get(rig, 0);
    assert_int_equal(block_of(&answer, CPS_OPT_BLOCK2), M | 6);
    assert_true(cps_msg_option_uint(&answer, CPS_OPT_SIZE2, &size));
    assert_int_equal(size, 2500);
    assert_bytes(part(0, 1024), answer.payload);
    assert_true(cps_msg_option(&answer, CPS_OPT_ETAG, &first));
    uint8_t kept[8];
    memcpy(kept, first.ptr, sizeof kept);
    answer = get(rig, 2 << 4 | 6);
    assert_int_equal(block_of(&answer, CPS_OPT_BLOCK2), 2 << 4 | 6);
    assert_bytes(part(2048, 452), answer.payload);
    assert_true(cps_msg_option(&answer, CPS_OPT_ETAG, &etag)); /* the same in every block (BLK-14) */
    assert_bytes(cps_bytes(kept, 8), etag);
    app_of(rig)->down = blocks_body(2500, 1); /* it changes: another one (ECHO-51) */
    answer = get(rig, 1 << 4 | 6);
    assert_true(cps_msg_option(&answer, CPS_OPT_ETAG, &etag));
    assert_memory_not_equal(kept, etag.ptr, 8);
    blocks_rig_free(rig);
}

static void any_block_can_be_asked_for_in_any_order(void **state)
{
    (void)state;
    rig_t *rig = server_with(900, trusting);
    cps_ep_stats_t stats;
    static const int order[] = {3, 0, 2, 1};
    for (size_t i = 0; i < 4; i++) {
        size_t at = 256U * (size_t)order[i];
        cps_msg_t answer = raw_ask(rig, (uint16_t)(PORT + i % 2),
                                   RAW(.code = CPS_GET, .mid = next_mid(), .block2 = order[i] << 4 | 4));
        assert_bytes(part(at, at + 256 < 900 ? 256 : 900 - at), answer.payload);
    }
    cps_ep_stats(rig->ep, &stats);
    assert_int_equal(stats.bodies, 0); /* computed from number and size alone */
    blocks_rig_free(rig);
}

static void no_block_is_larger_than_asked(void **state)
{
    (void)state;
    rig_t *rig = server_with(1024, trusting);
    for (int i = 0; i < 64; i++) {
        cps_msg_t answer = get(rig, i == 0 ? BLOCK_ZERO : i << 4);
        assert_int_equal(answer.payload.len, 16);
        assert_int_equal(block_of(&answer, CPS_OPT_BLOCK2), i << 4 | (i < 63 ? M : 0));
    }
    blocks_rig_free(rig);
}

static void m_in_a_request_is_ignored(void **state)
{
    (void)state;
    rig_t *rig = server_with(300, trusting);
    cps_msg_t answer = get(rig, 1 << 4 | M | 2);
    assert_int_equal(block_of(&answer, CPS_OPT_BLOCK2), 1 << 4 | M | 2);
    assert_bytes(part(64, 64), answer.payload);
    blocks_rig_free(rig);
}

static void a_size_that_changes_is_served_at_its_place(void **state)
{
    (void)state;
    rig_t *rig = server_with(2000, trusting);
    (void)get(rig, 6);
    cps_msg_t answer = get(rig, 8 << 4 | 3);
    assert_bytes(part(1024, 128), answer.payload);
    blocks_rig_free(rig);
}

static void past_the_end_is_refused(void **state)
{
    (void)state;
    rig_t *rig = server_with(1024, trusting);
    assert_int_equal(get(rig, 1 << 4 | 6).code, CPS_BAD_REQUEST);
    assert_int_equal(get(rig, 0xffffe << 4 | 6).code, CPS_BAD_REQUEST);
    app_of(rig)->down_len = 0;
    assert_int_equal(get(rig, 1 << 4 | 2).code, CPS_BAD_REQUEST);
    assert_int_equal(get(rig, 2).code, CPS_CONTENT);
    blocks_rig_free(rig);
}

static void a_small_body_with_block2_is_one_block(void **state)
{
    (void)state;
    rig_t *rig = server_with(30, trusting);
    cps_msg_t answer = get(rig, 2);
    assert_int_equal(block_of(&answer, CPS_OPT_BLOCK2), 2);
    assert_bytes(part(0, 30), answer.payload);
    answer = get(rig, 0);
    assert_int_equal(block_of(&answer, CPS_OPT_BLOCK2), -1);
    blocks_rig_free(rig);
}

static void slices_are_enough(void **state)
{
    (void)state;
    rig_t *rig = server_with(3000, trusting);
    app_of(rig)->slices = true;
    app_of(rig)->etag = CPS_BYTES_LIT("v1");
    for (int i = 0; i < 3; i++) {
        cps_msg_t answer = get(rig, i << 4 | 6);
        assert_bytes(part(1024U * (size_t)i, i < 2 ? 1024 : 952), answer.payload);
        assert_int_equal(block_of(&answer, CPS_OPT_BLOCK2), i << 4 | (i < 2 ? M : 0) | 6);
    }
    assert_int_equal(get(rig, 3 << 4 | 6).code, CPS_BAD_REQUEST);
    blocks_rig_free(rig);
}

static void size2_is_told(void **state)
{
    (void)state;
    rig_t *rig = server_with(40, trusting);
    cps_option_t ask = {CPS_OPT_SIZE2, {NULL, 0}};
    uint32_t size = 0;
    cps_msg_t answer =
        raw_ask(rig, PORT, RAW(.code = CPS_GET, .mid = next_mid(), .block2 = 2, .more = {ask}, .more_count = 1));
    assert_true(cps_msg_option_uint(&answer, CPS_OPT_SIZE2, &size));
    assert_int_equal(size, 40);
    blocks_rig_free(rig);
}

/* The answer to a POST in blocks: made once, and kept until it is fetched (BLK-32). */
static void an_answer_to_a_post_is_kept(void **state)
{
    (void)state;
    rig_t *rig = server_with(2500, trusting);
    app_t *app = app_of(rig);
    cps_msg_t answer = raw_ask(rig, PORT, RAW(.code = CPS_POST, .mid = next_mid(), .payload = part(0, 10)));
    assert_int_equal(block_of(&answer, CPS_OPT_BLOCK2), M | 6);
    app->down = blocks_body(2500, 1); /* what the method would give now */
    for (int i = 2; i > 0; i--) {
        answer = raw_ask(rig, PORT, RAW(.code = CPS_POST, .mid = next_mid(), .block2 = i << 4 | 6));
        assert_int_equal(answer.code, CPS_CHANGED);
        assert_bytes(part(1024U * (size_t)i, i < 2 ? 1024 : 452), answer.payload);
        assert_int_equal(block_of(&answer, CPS_OPT_BLOCK2), i << 4 | (i < 2 ? M : 0) | 6);
    }
    assert_int_equal(app->runs, 1);
    /* nobody else's, and not for ever */
    answer = raw_ask(rig, PORT + 1, RAW(.code = CPS_POST, .mid = next_mid(), .block2 = 1 << 4 | 6));
    assert_int_equal(answer.code, CPS_REQUEST_ENTITY_INCOMPLETE);
    rig_advance(rig, 250000000);
    answer = raw_ask(rig, PORT, RAW(.code = CPS_POST, .mid = next_mid(), .block2 = 1 << 4 | 6));
    assert_int_equal(answer.code, CPS_REQUEST_ENTITY_INCOMPLETE);
    assert_int_equal(app->runs, 1);
    blocks_rig_free(rig);
}

static void both_bodies_in_one_exchange(void **state)
{
    (void)state;
    rig_t *rig = server_with(1500, trusting);
    app_t *app = app_of(rig);
    raw_ask(rig, PORT, RAW(.code = CPS_POST, .mid = next_mid(), .block1 = M | 6, .payload = part(0, 1024)));
    cps_msg_t answer =
        raw_ask(rig, PORT, RAW(.code = CPS_POST, .mid = next_mid(), .block1 = 1 << 4 | 6, .payload = part(1024, 476)));
    assert_int_equal(answer.code, CPS_CHANGED);
    assert_int_equal(block_of(&answer, CPS_OPT_BLOCK1), 1 << 4 | 6);
    assert_int_equal(block_of(&answer, CPS_OPT_BLOCK2), M | 6);
    assert_bytes(part(0, 1500), cps_bytes(app->up, app->up_len));
    answer = raw_ask(rig, PORT, RAW(.code = CPS_POST, .mid = next_mid(), .block2 = 1 << 4 | 6));
    assert_int_equal(block_of(&answer, CPS_OPT_BLOCK1), -1);
    assert_bytes(part(1024, 476), answer.payload);
    assert_int_equal(app->runs, 1);
    blocks_rig_free(rig);
}

/* ---- an address that proved nothing ---- */

static void what_fits_goes_to_an_unverified_address(void **state)
{
    (void)state;
    rig_t *rig = server_with(10240, NULL);
    for (size_t query = 0; query < 60; query += 4) {
        char text[64] = {0};
        memset(text, 'q', query);
        cps_option_t option = {CPS_OPT_URI_QUERY, cps_bytes_str(text)};
        cps_bytes_t asked =
            raw_bytes(RAW(.code = CPS_GET, .mid = next_mid(), .more = {option}, .more_count = query != 0));
        size_t room = 3 * (asked.len + 62);
        rig_clear(rig);
        rig_in(rig, 9, (uint16_t)(PORT + query), asked);
        cps_msg_t answer = rig_sent_msg(rig, 0);
        assert_int_equal(rig->out_count, 1);
        assert_int_equal(answer.code, CPS_CONTENT);
        assert_int_equal(answer.type, CPS_ACK);
        assert_true(block_of(&answer, CPS_OPT_BLOCK2) >= M);
        assert_true(rig_sent(rig, 0).len + 62 <= room);
    }
    blocks_rig_free(rig);
}

/* Where not even the smallest block fits beside the options, it is a challenge; with the Echo all of it comes. */
static void long_options(rig_t *rig, const cps_event_t *event)
{
    static uint8_t path[150];
    static const cps_option_t location = {CPS_OPT_LOCATION_PATH, {path, sizeof path}};
    memset(path, 'l', sizeof path);
    cps_command_reply_t reply = {.request = event->handle,
                                 .code = CPS_CONTENT,
                                 .options = &location,
                                 .option_count = 1,
                                 .payload = part(0, 400)};
    app_submit_reply(rig, &reply);
}

static void what_cannot_fit_is_challenged(void **state)
{
    (void)state;
    rig_t *rig = server_with(0, NULL);
    rig->on_request = long_options;
    cps_bytes_t echo;
    cps_msg_t answer = get(rig, 0);
    assert_int_equal(answer.code, CPS_UNAUTHORIZED);
    assert_int_equal(answer.type, CPS_ACK);
    assert_true(cps_msg_option(&answer, CPS_OPT_ECHO, &echo));
    uint8_t kept[40];
    memcpy(kept, echo.ptr, echo.len);
    cps_option_t option = {CPS_OPT_ECHO, cps_bytes(kept, echo.len)};
    answer = raw_ask(rig, PORT, RAW(.code = CPS_GET, .mid = next_mid(), .more = {option}, .more_count = 1));
    assert_int_equal(answer.code, CPS_CONTENT);
    assert_bytes(part(0, 400), answer.payload);
    blocks_rig_free(rig);
}

static const cps_case_t cases[] = {
    {"BLK-14", "a large body comes in blocks, each with its ETag", a_large_body_comes_in_blocks},
    {"BLK-11", "any block can be asked for in any order", any_block_can_be_asked_for_in_any_order},
    {"BLK-9", "no block is larger than asked", no_block_is_larger_than_asked},
    {"BLK-5", "M in a request is ignored", m_in_a_request_is_ignored},
    {"BLK-10", "a size that changes is served at its place", a_size_that_changes_is_served_at_its_place},
    {"", "a block past the end is refused", past_the_end_is_refused},
    {"", "a small body asked for by block is one block", a_small_body_with_block2_is_one_block},
    {"", "an application may give slices", slices_are_enough},
    {"BLK-37", "the size of a body is told", size2_is_told},
    {"", "the answer to a POST is made once, and kept", an_answer_to_a_post_is_kept},
    {"", "both bodies go in blocks in one exchange", both_bodies_in_one_exchange},
    {"BLK-42", "a block that fits goes to an unverified address", what_fits_goes_to_an_unverified_address},
    {"", "what cannot fit is challenged", what_cannot_fit_is_challenged},
};

CPS_RUN("endpoint: bodies of answers in blocks", cases)
