// SPDX-License-Identifier: Apache-2.0
/* Outer blocks of sealed messages, as a proxy on the way cuts them (RFC 8613 §4.1.3.4.2). */
#include "blocks_pair.h"

#define SIZE 64U
#define SZX  2

/* A sealed request as the client sent it, cut into outer blocks. */
typedef struct cut {
    rig_packet_t packet;
    cps_msg_t msg;
    size_t blocks;
} cut_t;

static pair_t sealed_pair(void)
{
    pair_t pair = pair_new(true);
    app_of(pair.server)->code = CPS_CHANGED;
    return pair;
}

static cut_t seal(const pair_t *pair, size_t len, unsigned variant)
{
    cut_t cut = {.blocks = 0};
    cps_command_request_t r = ask(pair, CPS_PUT);
    r.payload = cps_bytes(blocks_body(len, variant), len);
    rig_clear(pair->client);
    rig_request(pair->client, &r);
    cut.packet = pair->client->out[pair->client->out_count - 1];
    rig_clear(pair->client);
    return cut;
}

static cps_bytes_t outer_block(cut_t *cut, size_t i, uint16_t mid)
{
    static uint8_t bytes[1600];
    uint8_t options[400];
    uint8_t value[4];
    cps_option_t list[8];
    size_t count = 0;
    assert_ok(cps_msg_parse(cps_bytes(cut->packet.bytes, cut->packet.len), &cut->msg));
    cut->blocks = (cut->msg.payload.len + SIZE - 1) / SIZE;
    bool more = i + 1 < cut->blocks;
    cps_block_t block = {(uint32_t)i, SZX, more};
    cps_opt_walk_t walk = cps_opt_walk(cut->msg.options);
    while (cps_opt_next(&walk, &list[count]))
        count++;
    list[count++] = (cps_option_t){CPS_OPT_BLOCK1, cps_block_bytes(&block, value)};
    cps_writer_t ow = cps_writer(options, sizeof options);
    cps_opt_writer_t writer = cps_opt_writer(&ow);
    cps_opt_put_list(&writer, list, count);
    cps_msg_t msg = cut->msg;
    msg.mid = mid;
    msg.options = cps_written(&ow);
    msg.payload = cps_bytes(cut->msg.payload.ptr + SIZE * i, more ? SIZE : cut->msg.payload.len - SIZE * i);
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_write(&w, &msg);
    return cps_written(&w);
}

static cps_msg_t send_block(const pair_t *pair, cut_t *cut, size_t i, uint16_t port)
{
    static uint16_t mid = 900;
    rig_clear(pair->server);
    rig_in(pair->server, 7, port, outer_block(cut, i, mid++));
    assert_int_equal(pair->server->out_count, 1);
    return rig_sent_msg(pair->server, 0);
}

static void outer_blocks_are_joined_before_anything_is_opened(void **state)
{
    (void)state;
    pair_t pair = sealed_pair();
    cut_t cut = seal(&pair, 900, 0);
    cps_ep_stats_t stats;
    cps_msg_t answer = send_block(&pair, &cut, 0, 5000);
    for (size_t i = 1; i < cut.blocks; i++) {
        assert_int_equal(answer.code, CPS_CONTINUE);
        assert_int_equal(pair.server->requests, 0);
        answer = send_block(&pair, &cut, i, 5000);
    }
    cps_bytes_t value;
    assert_true(cps_opt_find(answer.options, CPS_OPT_OSCORE, &value));
    assert_int_equal(pair.server->requests, 1);
    assert_int_equal(app_of(pair.server)->runs, 1);
    assert_bytes(cps_bytes(blocks_body(900, 0), 900), cps_bytes(app_of(pair.server)->up, app_of(pair.server)->up_len));
    cps_ep_stats(pair.server->ep, &stats);
    assert_int_equal(stats.bodies, 0);
    pair_free(&pair);
}

static void a_mixed_message_does_not_verify(void **state)
{
    (void)state;
    pair_t pair = sealed_pair();
    cut_t one = seal(&pair, 300, 0);
    (void)send_block(&pair, &one, 0, 5000);
    one.packet.bytes[one.packet.len - 100] ^= 1; /* somebody's own block in the middle */
    cps_msg_t answer = {.code = 0};
    for (size_t i = 1; i < one.blocks; i++)
        answer = send_block(&pair, &one, i, 5000);
    assert_int_equal(answer.code, CPS_BAD_REQUEST);
    assert_int_equal(pair.server->requests, 0);
    assert_int_equal(pair.server->notes[CPS_NOTE_DECRYPT_FAILED], 1);
    one.packet.bytes[one.packet.len - 100] ^= 1; /* nothing was committed: the genuine one is taken */
    for (size_t i = 0; i < one.blocks; i++)
        (void)send_block(&pair, &one, i, 5001);
    assert_int_equal(pair.server->requests, 1);
    pair_free(&pair);
}

static void a_gap_and_a_stranger_are_refused(void **state)
{
    (void)state;
    pair_t pair = sealed_pair();
    cut_t cut = seal(&pair, 300, 0);
    (void)send_block(&pair, &cut, 0, 5000);
    assert_int_equal(send_block(&pair, &cut, cut.blocks - 1, 5000).code, CPS_REQUEST_ENTITY_INCOMPLETE);
    assert_int_equal(send_block(&pair, &cut, 1, 6000).code, CPS_REQUEST_ENTITY_INCOMPLETE);
    assert_int_equal(pair.server->requests, 0);
    pair_free(&pair);
}

static void endless_blocks_stop_at_the_limit(void **state)
{
    (void)state;
    pair_t pair = sealed_pair();
    cut_t cut = seal(&pair, 300, 0);
    static uint8_t block[SIZE];
    cps_bytes_t oscore;
    (void)outer_block(&cut, 0, 1);
    assert_true(cps_opt_find(cut.msg.options, CPS_OPT_OSCORE, &oscore));
    cps_option_t option = {CPS_OPT_OSCORE, oscore};
    uint8_t code = CPS_CONTINUE;
    int i = 0;
    for (; code == CPS_CONTINUE && i < 1000; i++)
        code = raw_ask(pair.server, 5000,
                       RAW(.code = CPS_POST, .mid = (uint16_t)i, .block1 = i << 4 | M | SZX, .more = {option},
                           .more_count = 1, .payload = cps_bytes(block, SIZE)))
                   .code;
    assert_int_equal(code, CPS_REQUEST_ENTITY_TOO_LARGE);
    assert_true(i < 30);
    cps_ep_stats_t stats;
    cps_ep_stats(pair.server->ep, &stats);
    assert_int_equal(stats.bodies, 0);
    pair_free(&pair);
}

static const cps_case_t cases[] = {
    {"OSC-20", "outer blocks are joined before anything is opened", outer_blocks_are_joined_before_anything_is_opened},
    {"", "a mixed message does not verify", a_mixed_message_does_not_verify},
    {"", "a gap and a stranger's block are refused", a_gap_and_a_stranger_are_refused},
    {"OSC-18", "endless blocks stop at the limit", endless_blocks_stop_at_the_limit},
};

CPS_RUN("endpoint: outer blocks of sealed messages", cases)
