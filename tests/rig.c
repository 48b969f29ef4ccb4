// SPDX-License-Identifier: Apache-2.0
#include "rig.h"

#include <stdlib.h>

static cps_addr_t address(uint8_t host, uint16_t port)
{
    return (cps_addr_t){.ip = {127, 0, 0, host}, .port = port, .family = CPS_FAMILY_IPV4};
}

cps_path_t rig_path(uint8_t host, uint16_t port) { return (cps_path_t){.remote = address(host, port)}; }

rig_t *rig_new(uint8_t host, void (*tweak)(cps_ep_config_t *config))
{
    rig_t *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    assert_ok(cps_crypto_openssl_init(&rig->crypto));
    static uint64_t births; /* the n-th endpoint of a test program always draws the same */
    rig->rng = cps_rng_from_seed(&rig->seeded, births++ << 8U | host);
    rig->addr = address(host, 5683);
    rig->now_us = 1000000000;
    rig->out = calloc(RIG_OUT_MAX, sizeof *rig->out);
    assert_non_null(rig->out);
    cps_ep_config_t config = {.size = sizeof config,
                              .crypto = &rig->crypto,
                              .random = rig->rng.fill,
                              .random_state = rig->rng.state,
                              .peers = 64,
                              .contexts = 16,
                              .requests_in = 16,
                              .requests_out = 16,
                              .dedup_bytes = 65536,
                              .request_bytes = 65536};
    if (tweak != NULL)
        tweak(&config);
    size_t size = cps_ep_size(&config);
    assert_int_not_equal(size, 0);
    rig->memory = calloc(1, size);
    assert_non_null(rig->memory);
    assert_ok(cps_ep_init(&rig->ep, rig->memory, size, &config));
    return rig;
}

void rig_free(rig_t *rig)
{
    cps_ep_fini(rig->ep);
    cps_crypto_openssl_fini(&rig->crypto);
    free(rig->memory);
    free(rig->out);
    free(rig);
}

static cps_bytes_t keep(rig_t *rig, size_t *at, cps_bytes_t bytes)
{
    assert_true(*at + bytes.len <= sizeof rig->kept);
    uint8_t *place = rig->kept + *at;
    cps_copy(place, bytes.ptr, bytes.len);
    *at += bytes.len;
    return cps_bytes(place, bytes.len);
}

static void keep_message(rig_t *rig, cps_message_t *message)
{
    size_t at = 0;
    message->options = keep(rig, &at, message->options);
    message->payload = keep(rig, &at, message->payload);
}

static void answer(rig_t *rig, const cps_event_t *event)
{
    bool safe = !cps_method_is_unsafe(event->u.request.message.code);
    const char *text = rig->state != NULL ? rig->state : "hello";
    cps_command_t command = {.kind = CPS_COMMAND_REPLY,
                             .u.reply = {.request = event->handle,
                                         .code = safe ? CPS_CONTENT : CPS_CHANGED,
                                         .payload = cps_bytes_str(safe ? text : ""),
                                         .observe = true,
                                         .observer_user = 77}};
    cps_handle_t observer = 0;
    assert_ok(cps_ep_submit(rig->ep, rig->now_us, &command, &observer));
    if (event->u.request.observe == CPS_OBSERVE_REGISTER)
        rig->observer = observer;
}

void rig_notify(rig_t *rig, cps_handle_t observer)
{
    cps_command_t command = {.kind = CPS_COMMAND_NOTIFY,
                             .u.reply = {.request = observer,
                                         .code = rig->state_code != 0 ? rig->state_code : CPS_CONTENT,
                                         .payload = cps_bytes_str(rig->state != NULL ? rig->state : "hello"),
                                         .non_confirmable = rig->non}};
    assert_ok(cps_ep_submit(rig->ep, rig->now_us, &command, NULL));
}

void rig_changed(rig_t *rig, cps_handle_t observer, const char *state)
{
    rig->state = state;
    assert_ok(rig_submit_handle(rig, CPS_COMMAND_CHANGED, observer));
    rig_run(rig);
}

static void tell(rig_t *rig, const cps_event_t *event) { rig_notify(rig, event->handle); }

/* Events of observers; false for others. */
static bool take_observer_event(rig_t *rig, const cps_event_t *event)
{
    if (event->kind != CPS_EVENT_NOTIFY && event->kind != CPS_EVENT_UNOBSERVED && event->kind != CPS_EVENT_STALE)
        return false;
    rig->last_observer = *event;
    rig->notifies += event->kind == CPS_EVENT_NOTIFY;
    rig->unobserved += event->kind == CPS_EVENT_UNOBSERVED;
    rig->stales += event->kind == CPS_EVENT_STALE;
    if (event->kind == CPS_EVENT_UNOBSERVED && rig->on_unobserved != NULL)
        rig->on_unobserved(rig, event);
    if (event->kind == CPS_EVENT_NOTIFY)
        (rig->on_notify != NULL ? rig->on_notify : tell)(rig, event);
    return true;
}

static void take_event(rig_t *rig, const cps_event_t *event)
{
    if (event->kind == CPS_EVENT_NOTE) {
        rig->notes[event->u.note.kind]++;
        return;
    }
    if (event->kind == CPS_EVENT_JOB) {
        rig->jobs++;
        rig->held_job = *event;
        if (!rig->hold_jobs)
            rig_grant(rig, CPS_OK);
        return;
    }
    if (take_observer_event(rig, event))
        return;
    if (event->kind == CPS_EVENT_WANTED) {
        rig->on_wanted(rig, event);
        return;
    }
    if (event->kind == CPS_EVENT_ABANDONED) {
        rig->abandoned++;
        return;
    }
    rig->last = *event;
    switch (event->kind) {
    case CPS_EVENT_REQUEST:
        rig->requests++;
        (rig->on_request != NULL ? rig->on_request : answer)(rig, event); /* with the views as they are */
        keep_message(rig, &rig->last.u.request.message);
        break;
    case CPS_EVENT_RESPONSE:
        rig->responses++;
        if (rig->on_response != NULL)
            rig->on_response(rig, event);
        keep_message(rig, &rig->last.u.response.message);
        break;
    default:
        rig->failures++;
        keep_message(rig, &rig->last.u.failed.message);
    }
}

static void drain(rig_t *rig)
{
    cps_datagram_t sent[8];
    size_t count;
    while ((count = cps_ep_output(rig->ep, rig->now_us, sent, 8)) != 0) {
        for (size_t i = 0; i < count; i++) {
            assert_true(rig->out_count < RIG_OUT_MAX);
            rig_packet_t *packet = &rig->out[rig->out_count++];
            packet->path = sent[i].path;
            packet->len = sent[i].bytes.len;
            assert_true(packet->len <= sizeof packet->bytes);
            memcpy(packet->bytes, sent[i].bytes.ptr, packet->len);
        }
        cps_ep_sent(rig->ep, count);
    }
}

void rig_run(rig_t *rig)
{
    cps_event_t event;
    do {
        while (cps_ep_event(rig->ep, &event))
            take_event(rig, &event);
        drain(rig);
    } while (cps_ep_pending(rig->ep));
}

void rig_in(rig_t *rig, uint8_t host, uint16_t port, cps_bytes_t bytes)
{
    uint8_t *copy = malloc(bytes.len + 1); /* of its own length, so that a sanitizer sees a read past the end */
    assert_non_null(copy);
    cps_copy(copy, bytes.ptr, bytes.len);
    cps_datagram_t datagram = {.path = {.remote = address(host, port), .local = rig->addr},
                               .bytes = cps_bytes(copy, bytes.len)};
    cps_ep_input(rig->ep, rig->now_us, &datagram, 1);
    rig_run(rig);
    free(copy);
}

void rig_advance(rig_t *rig, uint64_t us)
{
    cps_time_us_t until = rig->now_us + us;
    for (;;) {
        cps_time_us_t next = cps_ep_deadline(rig->ep);
        if (next > until)
            break;
        if (next > rig->now_us)
            rig->now_us = next;
        cps_ep_tick(rig->ep, rig->now_us);
        rig_run(rig);
    }
    rig->now_us = until;
    cps_ep_tick(rig->ep, rig->now_us);
    rig_run(rig);
}

void rig_clear(rig_t *rig) { rig->out_count = 0; }

cps_bytes_t rig_sent(const rig_t *rig, size_t i)
{
    assert_true(i < rig->out_count);
    return cps_bytes(rig->out[i].bytes, rig->out[i].len);
}

cps_msg_t rig_sent_msg(const rig_t *rig, size_t i)
{
    cps_msg_t msg;
    assert_ok(cps_msg_parse(rig_sent(rig, i), &msg));
    return msg;
}

cps_handle_t rig_request(rig_t *rig, const cps_command_request_t *request)
{
    cps_handle_t handle = 0;
    cps_command_t command = {.kind = CPS_COMMAND_REQUEST, .u.request = *request};
    assert_ok(cps_ep_submit(rig->ep, rig->now_us, &command, &handle));
    rig_run(rig);
    return handle;
}

void rig_reply(rig_t *rig, cps_handle_t request, uint8_t code, const char *payload)
{
    cps_command_t command = {.kind = CPS_COMMAND_REPLY,
                             .u.reply = {.request = request, .code = code, .payload = cps_bytes_str(payload)}};
    assert_ok(cps_ep_submit(rig->ep, rig->now_us, &command, NULL));
}

cps_err_t rig_submit_handle(rig_t *rig, cps_command_kind_t kind, cps_handle_t handle)
{
    cps_command_t command = {.kind = kind, .u.handle = handle};
    return cps_ep_submit(rig->ep, rig->now_us, &command, NULL);
}

void rig_grant(rig_t *rig, cps_err_t result)
{
    const cps_event_job_t *job = &rig->held_job.u.job;
    cps_command_t command = {
        .kind = CPS_COMMAND_JOB_DONE,
        .u.job_done = {.job = rig->held_job.handle, .result = result, .number = job->number, .kind = job->kind}};
    if (result == CPS_OK && job->number > rig->durable)
        rig->durable = job->number;
    assert_ok(cps_ep_submit(rig->ep, rig->now_us, &command, NULL));
}

void rig_carry(rig_t *from, rig_t *to)
{
    size_t count = from->out_count;
    rig_packet_t *packets = calloc(count + 1, sizeof *packets);
    assert_non_null(packets);
    memcpy(packets, from->out, count * sizeof *packets);
    rig_clear(from);
    to->now_us = from->now_us > to->now_us ? from->now_us : to->now_us;
    for (size_t i = 0; i < count; i++)
        rig_in(to, from->addr.ip[3], from->addr.port, cps_bytes(packets[i].bytes, packets[i].len));
    free(packets);
}

void rig_shuttle(rig_t *a, rig_t *b)
{
    while (a->out_count != 0 || b->out_count != 0) {
        rig_carry(a, b);
        rig_carry(b, a);
    }
}

cps_context_t rig_context_of(bool client)
{
    cps_bytes_t server_id = CPS_BYTES_LIT("\x01");
    return (cps_context_t){.size = sizeof(cps_context_t),
                           .master_secret = hex("0102030405060708090a0b0c0d0e0f10"),
                           .master_salt = hex("9e7ca92223786340"),
                           .sender_id = client ? cps_bytes(NULL, 0) : server_id,
                           .recipient_id = client ? server_id : cps_bytes(NULL, 0),
                           .window_size = -1,
                           .has_state = true,
                           .window_known = true,
                           .user = client ? 1 : 2};
}

cps_handle_t rig_add_context(rig_t *rig, const cps_context_t *context)
{
    cps_handle_t handle = 0;
    assert_ok(cps_ep_context_add(rig->ep, context, &handle));
    return handle;
}

cps_handle_t rig_context(rig_t *rig, bool client)
{
    cps_context_t context = rig_context_of(client);
    return rig_add_context(rig, &context);
}

cps_handle_t rig_context_after_crash(rig_t *rig, bool client, uint64_t next)
{
    cps_context_t context = rig_context_of(client);
    context.next_number = next;
    context.window_known = false;
    return rig_add_context(rig, &context);
}

cps_command_request_t rig_get(uint8_t host, cps_option_t *path, const char *segment)
{
    *path = (cps_option_t){CPS_OPT_URI_PATH, cps_bytes_str(segment)};
    return (cps_command_request_t){.path = rig_path(host, 5683), .code = CPS_GET, .options = path, .option_count = 1};
}
