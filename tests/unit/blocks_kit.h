// SPDX-License-Identifier: Apache-2.0
/* Two endpoints that carry bodies in blocks: what the server's application did with them, and what the client's got. */
#ifndef CPS_TESTS_BLOCKS_KIT_H
#define CPS_TESTS_BLOCKS_KIT_H

#include "rig.h"
#include "wire/block.h"

#include <stdlib.h>

#define BODY_MAX 300000U

/** The application behind a rig: `user` of the rig. */
typedef struct app {
    uint8_t up[BODY_MAX]; /**< the last body that came */
    size_t up_len;
    unsigned runs;       /**< how often something was done with a whole body, or a block that was acted on */
    bool hand_on;        /**< take bodies block by block */
    bool act_on_each;    /**< and act on each at once (RFC 7959 §2.3: M clear) */
    uint32_t body_max;   /**< of those that are put together; 0: the endpoint's */
    cps_err_t step_err;  /**< what the last step gave */
    const uint8_t *down; /**< the answer's body */
    size_t down_len;
    bool slices;           /**< give the wanted part only */
    cps_bytes_t etag;      /**< of the answer; empty: none */
    uint8_t code;          /**< of the answer; 0: 2.05, or 2.04 to unsafe methods */
    uint8_t got[BODY_MAX]; /**< client: the answer's body so far */
    size_t got_len;
    unsigned parts;
    const uint8_t *source; /**< client: what a streamed body is made of */
    size_t source_len;
    unsigned wanted;    /**< how many pieces were asked for */
    uint32_t wanted_at; /**< where the last one began */
} app_t;

static inline app_t *app_of(const rig_t *rig) { return rig->user; }

static inline void app_submit_reply(rig_t *rig, const cps_command_reply_t *reply)
{
    cps_command_t command = {.kind = CPS_COMMAND_REPLY, .u.reply = *reply};
    app_of(rig)->step_err = cps_ep_submit(rig->ep, rig->now_us, &command, NULL);
}

/** 2.31 or what the application says to a block that is not the last; 5.03 where there is no room. */
static inline void app_take_block(rig_t *rig, const cps_event_t *event)
{
    app_t *app = app_of(rig);
    const cps_event_request_t *r = &event->u.request;
    cps_command_reply_t reply = {.request = event->handle, .code = CPS_CONTINUE, .step = CPS_BODY_KEEP};
    reply.body_max = app->body_max;
    if (app->hand_on) {
        assert_true(r->body.offset + r->message.payload.len <= BODY_MAX);
        cps_copy(app->up + r->body.offset, r->message.payload.ptr, r->message.payload.len);
        reply.step = CPS_BODY_HAND_ON;
        reply.body_user = 77;
        reply.code = app->act_on_each ? CPS_CHANGED : CPS_CONTINUE;
        app->runs += app->act_on_each;
    }
    app_submit_reply(rig, &reply);
    cps_command_reply_t busy = {.request = event->handle, .code = CPS_SERVICE_UNAVAILABLE};
    if (app->step_err == CPS_ERR_FULL)
        app_submit_reply(rig, &busy);
}

static inline void app_on_request(rig_t *rig, const cps_event_t *event)
{
    app_t *app = app_of(rig);
    const cps_event_request_t *r = &event->u.request;
    bool unsafe = cps_method_is_unsafe(r->message.code);
    if (r->body.more) {
        app_take_block(rig, event);
        return;
    }
    if (unsafe || r->message.payload.len != 0) {
        app->runs++;
        app->up_len = r->body.offset + r->message.payload.len;
        assert_true(app->up_len <= BODY_MAX);
        cps_copy(app->up + r->body.offset, r->message.payload.ptr, r->message.payload.len);
    }
    cps_option_t etag = {CPS_OPT_ETAG, app->etag};
    cps_command_reply_t reply = {.request = event->handle,
                                 .code = app->code != 0 ? app->code : (uint8_t)(unsafe ? CPS_CHANGED : CPS_CONTENT),
                                 .options = &etag,
                                 .option_count = app->etag.len != 0,
                                 .payload = cps_bytes(app->down, app->down_len)};
    if (app->slices) {
        size_t at = r->body.wanted < app->down_len ? r->body.wanted : app->down_len;
        size_t left = app->down_len - at;
        reply.slice = true;
        reply.offset = (uint32_t)at;
        reply.total = (uint32_t)app->down_len;
        reply.payload = cps_bytes(app->down + at, left < r->body.wanted_size ? left : r->body.wanted_size);
    }
    app_submit_reply(rig, &reply);
    cps_command_reply_t failed = {.request = event->handle, .code = CPS_INTERNAL_SERVER_ERROR};
    if (app->step_err != CPS_OK)
        app_submit_reply(rig, &failed);
}

static inline void app_on_response(rig_t *rig, const cps_event_t *event)
{
    app_t *app = app_of(rig);
    const cps_event_response_t *r = &event->u.response;
    assert_int_equal(r->offset, r->offset == 0 ? 0 : app->got_len);
    assert_true(r->offset + r->message.payload.len <= BODY_MAX);
    cps_copy(app->got + r->offset, r->message.payload.ptr, r->message.payload.len);
    app->got_len = r->offset + r->message.payload.len;
    app->parts++;
}

static inline void app_on_wanted(rig_t *rig, const cps_event_t *event)
{
    app_t *app = app_of(rig);
    const cps_event_wanted_t *w = &event->u.wanted;
    size_t left = app->source_len - w->offset;
    size_t len = left < w->size ? left : w->size;
    cps_command_t command = {
        .kind = CPS_COMMAND_PIECE,
        .u.piece = {.request = event->handle, .bytes = cps_bytes(app->source + w->offset, len), .last = len == left}};
    app->wanted++;
    app->wanted_at = w->offset;
    assert_ok(cps_ep_submit(rig->ep, rig->now_us, &command, NULL));
}

/** A rig with an application. */
static inline rig_t *blocks_rig(uint8_t host, void (*tweak)(cps_ep_config_t *config))
{
    rig_t *rig = rig_new(host, tweak);
    rig->user = calloc(1, sizeof(app_t));
    assert_non_null(rig->user);
    rig->on_request = app_on_request;
    rig->on_response = app_on_response;
    rig->on_wanted = app_on_wanted;
    return rig;
}

static inline void blocks_rig_free(rig_t *rig)
{
    free(rig->user);
    rig_free(rig);
}

/** `len` bytes in which no two blocks are alike. */
static inline const uint8_t *blocks_body(size_t len, unsigned variant)
{
    static uint8_t bodies[4][BODY_MAX];
    uint8_t *body = bodies[variant % 4];
    for (size_t i = 0; i < len; i++)
        body[i] = (uint8_t)((i >> 4U) * 7U + i + variant * 31U + (i >> 12U));
    return body;
}

#define BLOCK_ZERO (1 << 28) /* the value 0, as 0 means no option */

/** A request as a datagram: to "b", with Block options where `block1`, `block2` are not 0. */
typedef struct raw {
    uint8_t code;
    uint16_t mid;
    int32_t block1; /**< value: NUM << 4 | M << 3 | SZX */
    int32_t block2;
    const char *path; /**< NULL: "b" */
    cps_option_t more[4];
    size_t more_count;
    cps_bytes_t payload;
    uint8_t type;
} raw_t;

#define RAW(...) (&(raw_t){__VA_ARGS__})

static inline cps_bytes_t raw_bytes(const raw_t *raw)
{
    static uint8_t buf[1600];
    uint8_t options[400];
    uint8_t values[2][4];
    cps_option_t list[8];
    size_t count = 0;
    list[count++] = (cps_option_t){CPS_OPT_URI_PATH, cps_bytes_str(raw->path != NULL ? raw->path : "b")};
    uint32_t block1 = (uint32_t)raw->block1 & 0xffffffU;
    uint32_t block2 = (uint32_t)raw->block2 & 0xffffffU;
    if (raw->block1 != 0)
        list[count++] = (cps_option_t){CPS_OPT_BLOCK1, cps_opt_uint_bytes(block1, values[0])};
    if (raw->block2 != 0)
        list[count++] = (cps_option_t){CPS_OPT_BLOCK2, cps_opt_uint_bytes(block2, values[1])};
    for (size_t i = 0; i < raw->more_count; i++)
        list[count++] = raw->more[i];
    cps_writer_t ow = cps_writer(options, sizeof options);
    cps_opt_writer_t writer = cps_opt_writer(&ow);
    cps_opt_put_list(&writer, list, count);
    cps_msg_t msg = {
        .type = raw->type, .code = raw->code, .mid = raw->mid, .options = cps_written(&ow), .payload = raw->payload};
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_msg_write(&w, &msg);
    assert_false(w.failed);
    return cps_written(&w);
}

/** Send it from a port and give the answer. */
static inline cps_msg_t raw_ask(rig_t *rig, uint16_t port, const raw_t *raw)
{
    rig_clear(rig);
    rig_in(rig, 9, port, raw_bytes(raw));
    assert_int_equal(rig->out_count, 1);
    return rig_sent_msg(rig, 0);
}

/** The Block option of a message as NUM << 4 | M << 3 | SZX; -1: none. */
static inline int32_t block_of(const cps_msg_t *msg, uint16_t number)
{
    uint32_t value;
    return cps_msg_option_uint(msg, number, &value) ? (int32_t)value : -1;
}

#endif /* CPS_TESTS_BLOCKS_KIT_H */
