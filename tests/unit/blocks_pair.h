// SPDX-License-Identifier: Apache-2.0
/* Two endpoints that carry bodies in blocks, and a client against a server that answers what a test says. */
#ifndef CPS_TESTS_BLOCKS_PAIR_H
#define CPS_TESTS_BLOCKS_PAIR_H

#include "blocks_kit.h"

#define M 8 /* more, beside a size exponent */

static inline void trusting(cps_ep_config_t *config)
{
    config->amplification = 1U << 20U;
    config->dedup_bytes = 4U << 20U;
    config->request_bytes = 1U << 20U;
    config->body_max = 100000;
    config->transmission.probing_rate = 1U << 30U; /* who did not answer may be asked again at once */
}

typedef struct pair {
    rig_t *client;
    rig_t *server;
    cps_handle_t context; /* of the client; 0: plain */
} pair_t;

static inline pair_t pair_new(bool sealed)
{
    pair_t pair = {blocks_rig(2, trusting), blocks_rig(1, trusting), 0};
    if (sealed) {
        pair.context = rig_context(pair.client, true);
        (void)rig_context(pair.server, false);
    }
    return pair;
}

static inline void pair_free(const pair_t *pair)
{
    blocks_rig_free(pair->client);
    blocks_rig_free(pair->server);
}

static inline cps_command_request_t ask(const pair_t *pair, uint8_t code)
{
    static const cps_option_t path = {CPS_OPT_URI_PATH, {(const uint8_t *)"b", 1}};
    return (cps_command_request_t){.path = rig_path(1, 5683),
                                   .code = code,
                                   .options = &path,
                                   .option_count = 1,
                                   .context = pair->context,
                                   .follow = true};
}

static inline void run(const pair_t *pair, const cps_command_request_t *request)
{
    app_t *app = app_of(pair->client);
    app->got_len = app->parts = app->wanted = 0;
    rig_request(pair->client, request);
    rig_shuttle(pair->client, pair->server);
}

/* ---- a server that answers by hand ---- */

typedef struct hand {
    rig_t *rig;
    cps_msg_t asked;
    cps_bytes_t datagram;
} hand_t;

static inline hand_t hand_new(const cps_command_request_t *request)
{
    hand_t hand = {.rig = blocks_rig(2, trusting)};
    app_of(hand.rig)->source = blocks_body(20000, 0);
    app_of(hand.rig)->source_len = 20000;
    rig_request(hand.rig, request);
    hand.asked = rig_sent_msg(hand.rig, 0);
    return hand;
}

typedef struct said {
    uint8_t code;
    int32_t block1;
    int32_t block2;
    const char *etag;
    cps_bytes_t payload;
    int64_t size1; /* 0: none */
} said_t;

/* Answer the request under way; the next one is in `asked` then, if there is one. */
static inline bool say(hand_t *hand, const said_t *said)
{
    uint8_t bytes[1400];
    uint8_t options[64];
    uint8_t values[3][4];
    cps_option_t list[4];
    size_t count = 0;
    if (said->etag != NULL)
        list[count++] = (cps_option_t){CPS_OPT_ETAG, cps_bytes_str(said->etag)};
    if (said->block1 != 0)
        list[count++] =
            (cps_option_t){CPS_OPT_BLOCK1, cps_opt_uint_bytes((uint32_t)said->block1 & 0xffffffU, values[0])};
    if (said->block2 != 0)
        list[count++] =
            (cps_option_t){CPS_OPT_BLOCK2, cps_opt_uint_bytes((uint32_t)said->block2 & 0xffffffU, values[1])};
    if (said->size1 != 0)
        list[count++] = (cps_option_t){CPS_OPT_SIZE1, cps_opt_uint_bytes((uint32_t)said->size1, values[2])};
    cps_writer_t ow = cps_writer(options, sizeof options);
    cps_opt_writer_t writer = cps_opt_writer(&ow);
    cps_opt_put_list(&writer, list, count);
    cps_msg_t answer = {.type = CPS_ACK,
                        .code = said->code,
                        .mid = hand->asked.mid,
                        .token = hand->asked.token,
                        .options = cps_written(&ow),
                        .payload = said->payload};
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_write(&w, &answer);
    rig_clear(hand->rig);
    rig_in(hand->rig, 1, 5683, cps_written(&w));
    if (hand->rig->out_count == 0)
        return false;
    hand->asked = rig_sent_msg(hand->rig, hand->rig->out_count - 1);
    return true;
}

#define SAY(hand, ...) say(hand, &(said_t){__VA_ARGS__})

static inline cps_command_request_t plain_ask(uint8_t code)
{
    pair_t none = {NULL, NULL, 0};
    return ask(&none, code);
}

static inline cps_bytes_t slice(size_t at, size_t len) { return cps_bytes(blocks_body(20000, 0) + at, len); }

static inline hand_t upload(bool stream)
{
    cps_command_request_t r = plain_ask(CPS_PUT);
    r.stream = stream;
    if (!stream)
        r.payload = slice(0, 20000);
    r.body_size = 20000;
    return hand_new(&r);
}

#endif /* CPS_TESTS_BLOCKS_PAIR_H */
