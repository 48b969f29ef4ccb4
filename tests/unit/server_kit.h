// SPDX-License-Identifier: Apache-2.0
/* A dispatch over an endpoint in memory: datagrams in, datagrams out, time as the test says. */
#ifndef CPS_TESTS_SERVER_KIT_H
#define CPS_TESTS_SERVER_KIT_H

#include "rig.h"

#include "server/request.h"
#include "server/watch.h"
#include "wire/uri.h"

#include <stdlib.h>

#define KIT_HOST   2
#define KIT_CLIENT 1

typedef struct kit {
    rig_t *rig;
    cps_dispatch_t d;
    cps_dispatch_note_t note; /**< the last one, without its request */
    char note_credential[64];
    unsigned notes, refused, later;
    unsigned runs;       /**< of the handlers of the test */
    cps_err_t fail_next; /**< given back by the next submit instead */
    uint16_t mid;
    const char *credential;
} kit_t;

static inline cps_err_t kit_submit(void *user, const cps_command_t *command, cps_handle_t *handle)
{
    kit_t *kit = user;
    cps_err_t err = kit->fail_next;
    kit->fail_next = CPS_OK;
    return err != CPS_OK ? err : cps_ep_submit(kit->rig->ep, kit->rig->now_us, command, handle);
}

static inline const char *kit_credential(void *user, const cps_event_request_t *request)
{
    (void)request;
    return ((kit_t *)user)->credential;
}

static inline void kit_note(void *user, const cps_dispatch_note_t *note)
{
    kit_t *kit = user;
    const char *name = cps_request_credential(note->request);
    kit->note = *note;
    kit->notes++;
    kit->refused += note->kind == CPS_SERVED_REFUSED;
    snprintf(kit->note_credential, sizeof kit->note_credential, "%s", name != NULL ? name : "");
}

static inline void kit_later(void *user) { ((kit_t *)user)->later++; }

static inline cps_time_us_t kit_now(void *user) { return ((kit_t *)user)->rig->now_us; }

static inline void kit_request(rig_t *rig, const cps_event_t *event)
{
    cps_dispatch_take(&((kit_t *)rig->user)->d, event);
}

static inline void kit_notify(rig_t *rig, const cps_event_t *event)
{
    cps_watch_notify(&((kit_t *)rig->user)->d, event);
}

static inline void kit_unobserved(rig_t *rig, const cps_event_t *event)
{
    cps_watch_ended(&((kit_t *)rig->user)->d, event);
}

/** A server at 127.0.0.2:5683 whose sealed requests come from "phone". */
static inline kit_t *kit_new(void)
{
    kit_t *kit = calloc(1, sizeof *kit);
    assert_non_null(kit);
    kit->rig = rig_new(KIT_HOST, NULL);
    kit->rig->user = kit;
    kit->rig->on_request = kit_request;
    kit->rig->on_notify = kit_notify;
    kit->rig->on_unobserved = kit_unobserved;
    kit->credential = "phone";
    cps_dispatch_hooks_t hooks = {kit_submit, kit_credential, kit_note, kit_later, kit, kit_now};
    cps_dispatch_options_t options = {
        .requests = 4, .payload_max = 1024, .names = "door.local front", .rng = &kit->rig->rng};
    assert_ok(cps_dispatch_init(&kit->d, &hooks, &options));
    cps_own_listen(&kit->d.own, &kit->rig->addr);
    return kit;
}

static inline void kit_free(kit_t *kit)
{
    cps_dispatch_fini(&kit->d);
    rig_free(kit->rig);
    free(kit);
}

static inline void kit_add(kit_t *kit, const cps_resource_t *resource)
{
    const char *reason = NULL;
    cps_err_t err = cps_dispatch_add(&kit->d, resource, &reason);
    if (err != CPS_OK)
        print_message("%s\n", reason);
    assert_ok(err);
}

/** A request as a test writes it: Uri-Path from `path` ("a/b"), then more options. */
typedef struct ask {
    uint8_t code;
    const char *path;
    cps_option_t more[6]; /**< up to the first with number 0 */
    cps_bytes_t payload;
    cps_type_t type; /**< CON */
} ask_t;

static inline size_t ask_options(const ask_t *ask, cps_option_t list[32])
{
    size_t count = 0;
    for (const char *at = ask->path; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, "/");
        list[count++] = (cps_option_t){CPS_OPT_URI_PATH, cps_bytes(at, len)};
        at += len + (at[len] == '/');
    }
    for (size_t i = 0; i < 6 && ask->more[i].number != 0; i++)
        list[count++] = ask->more[i];
    return count;
}

/** Send a plain request from 127.0.0.1; nothing is waited for. */
static inline void kit_send(kit_t *kit, const ask_t *ask)
{
    cps_option_t list[32];
    uint8_t options[1400];
    uint8_t bytes[1500];
    cps_writer_t ow = cps_writer(options, sizeof options);
    cps_opt_writer_t opt = cps_opt_writer(&ow);
    cps_opt_put_list(&opt, list, ask_options(ask, list));
    cps_msg_t msg = {.type = (uint8_t)ask->type,
                     .code = ask->code,
                     .mid = ++kit->mid,
                     .token = CPS_BYTES_LIT("tok"),
                     .options = cps_written(&ow),
                     .payload = ask->payload};
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_write(&w, &msg);
    assert_false(ow.failed || w.failed);
    rig_clear(kit->rig);
    rig_in(kit->rig, KIT_CLIENT, 40000, cps_written(&w));
}

/** Send a plain request and give the one answer that came. */
static inline cps_msg_t kit_ask(kit_t *kit, const ask_t *ask)
{
    kit_send(kit, ask);
    assert_int_equal(kit->rig->out_count, 1);
    return rig_sent_msg(kit->rig, 0);
}

#define ASK(...) (&(ask_t){__VA_ARGS__})

static inline bool msg_has(const cps_msg_t *msg, uint16_t number, cps_bytes_t value)
{
    cps_bytes_t found;
    return cps_opt_find(msg->options, number, &found) && cps_bytes_equal(found, value);
}

#define assert_code(expected, msg) assert_int_equal(expected, (msg).code)
#define assert_text(expected, msg) assert_bytes(cps_bytes_str(expected), (msg).payload)

#endif /* CPS_TESTS_SERVER_KIT_H */
