// SPDX-License-Identifier: Apache-2.0
/* Events, and what an application does at once. */
#include "ep/drive.h"

#define OBSERVER_USER 77U

static volatile unsigned touched;

/* Read all that a view shows: a sanitizer sees what lives no more. */
static void touch(cps_bytes_t bytes)
{
    unsigned sum = 0;
    for (size_t i = 0; i < bytes.len; i++)
        sum += bytes.ptr[i];
    touched = touched + sum;
}

static void touch_message(const cps_message_t *message)
{
    cps_option_walk_t walk = {0, 0};
    cps_option_t option;
    while (cps_message_next(message, &walk, &option))
        touch(option.value);
    demand(walk.at == message->options.len);
    touch(message->payload);
    cps_bytes_t value;
    uint32_t number;
    if (cps_message_option(message, CPS_OPT_ECHO, &value))
        demand(value.len >= 1 && value.len <= CPS_ECHO_VALUE_MAX);
    (void)cps_message_uint(message, CPS_OPT_MAX_AGE, &number);
}

static bool same_path(const cps_path_t *a, const cps_path_t *b) { return memcmp(a, b, sizeof *a) == 0; }

/* ---- requests that came ---- */

static uint64_t print_of(const cps_datagram_t *datagram)
{
    static const uint8_t seed[16] = {1};
    return cps_hash(seed, datagram->bytes.ptr, datagram->bytes.len);
}

/* After a crash nothing comes in again of what came in before, unless its number is above that of the request which
 * recovered the window: a peer never seals under such a number before (RFC 8613 appendix B.1.2). */
static void not_before_the_crash(drive_material_t *m, const cps_datagram_t *datagram, uint64_t number)
{
    cps_msg_t outer;
    demand(cps_msg_parse(datagram->bytes, &outer) == CPS_OK);
    cps_datagram_t sealed = {.bytes = outer.payload};
    uint64_t print = print_of(&sealed) ^ number;
    for (size_t i = 0; i < m->prints_before; i++)
        demand(m->prints[i] != print || (m->recovered && number > m->recovered_by));
    if (!m->window_known && !m->recovered) {
        m->recovered = true;
        m->recovered_by = number;
    }
    if (m->print_count < DRIVE_NUMBERS)
        m->prints[m->print_count++] = print;
}

static void hear_sealed(drive_t *d, const cps_event_request_t *r, unsigned path)
{
    drive_material_t *m = drive_material(d, r->context);
    demand(m != NULL && m->has_state && r->user == (uint64_t)(m - d->materials) && !r->oscore);
    for (size_t i = 0; i < m->accepted_count; i++)
        demand(m->accepted[i] != r->partial_iv);
    if (m->accepted_count < DRIVE_NUMBERS)
        m->accepted[m->accepted_count++] = r->partial_iv;
    d->addresses[path].proven = true;
    not_before_the_crash(m, d->ep->input - 1, r->partial_iv);
}

/* The same bytes from the same place were not run before, as far as they have to be remembered (RFC 7252 §4.5). */
static uint32_t hear_unsafe(drive_t *d, const cps_datagram_t *datagram, const cps_event_request_t *r, unsigned path)
{
    uint64_t print = print_of(datagram);
    uint64_t life_us = r->confirmable ? d->ep->times.exchange_lifetime_us : d->ep->times.non_lifetime_us;
    for (size_t i = 0; i < d->unsafe_count; i++) {
        const drive_unsafe_t *u = &d->unsafe[i];
        demand(u->print != print || u->path != path || u->until_us <= d->now_us);
    }
    if (d->unsafe_count == DRIVE_NUMBERS)
        return 0;
    d->unsafe[d->unsafe_count] = (drive_unsafe_t){path, print, d->now_us + life_us};
    return (uint32_t)++d->unsafe_count;
}

static void ignore(drive_t *d, cps_handle_t request)
{
    cps_command_t command = {.kind = CPS_COMMAND_IGNORE, .u.handle = request};
    demand(cps_ep_submit(d->ep, d->now_us, &command, NULL) == CPS_OK);
}

/* Send the request back: the answer is made of views into the event. */
static bool echo(drive_t *d, const cps_event_t *event)
{
    cps_command_t command = {.kind = CPS_COMMAND_REPLY};
    command.u.reply = (cps_command_reply_t){
        .request = event->handle, .code = CPS_CHANGED, .payload = event->u.request.message.payload};
    return cps_ep_submit(d->ep, d->now_us, &command, NULL) == CPS_OK;
}

static bool challenge(drive_t *d, cps_handle_t request)
{
    cps_command_t command = {.kind = CPS_COMMAND_CHALLENGE, .u.handle = request};
    return cps_ep_submit(d->ep, d->now_us, &command, NULL) == CPS_OK;
}

static void follow_policy(drive_t *d, drive_open_t *open, const cps_event_t *event)
{
    bool over = false;
    if (d->policy == POLICY_REPLY)
        over = drive_reply(d, open);
    else if (d->policy == POLICY_ECHO)
        over = echo(d, event);
    else if (d->policy == POLICY_CHALLENGE)
        over = challenge(d, open->handle);
    if (over)
        open->handle = 0;
}

static void hear_request(drive_t *d, const cps_event_t *event)
{
    const cps_event_request_t *r = &event->u.request;
    const cps_datagram_t *datagram = d->ep->input - 1; /* the one that just climbed */
    unsigned path = d->batch_path[datagram - d->batch];
    drive_open_t *place = NULL;
    demand(same_path(&r->path, &datagram->path) && cps_code_is_request(r->message.code));
    demand(r->echo_age_us == CPS_AGE_UNKNOWN || r->echo_age_us <= d->now_us);
    touch_message(&r->message);
    for (size_t i = 0; i < DRIVE_OPEN; i++) {
        demand(d->open[i].handle != event->handle);
        if (d->open[i].handle == 0)
            place = &d->open[i];
    }
    uint32_t unsafe = 0;
    if (r->context != 0)
        hear_sealed(d, r, path);
    else if (cps_method_is_unsafe(r->message.code))
        unsafe = hear_unsafe(d, datagram, r, path);
    if (place == NULL) {
        ignore(d, event->handle);
        return;
    }
    *place = (drive_open_t){event->handle, r->message.code, unsafe};
    follow_policy(d, place, event);
}

static size_t payload_of(drive_t *d, uint8_t *to, size_t cap)
{
    static const uint16_t lengths[] = {0, 5, 100, 1024, 1152, 60, 300, 1};
    size_t len = lengths[drive_byte(d, 8)];
    len = len < cap ? len : cap;
    memset(to, 'p', len);
    return len;
}

/* What a reply may be told that cannot be sent. */
static bool is_refusal(cps_err_t err)
{
    static const cps_err_t may[] = {CPS_ERR_ARGUMENT, CPS_ERR_STALE,      CPS_ERR_FULL,
                                    CPS_ERR_BUSY,     CPS_ERR_TOO_LARGE,  CPS_ERR_STATE_LOST,
                                    CPS_ERR_BAD_URI,  CPS_ERR_BAD_OPTION, CPS_ERR_SEQ_EXHAUSTED};
    for (size_t i = 0; i < sizeof may / sizeof may[0]; i++)
        if (may[i] == err)
            return true;
    return false;
}

/* One more than there is room for is forgotten. */
static void keep_observer(drive_t *d, cps_handle_t observer)
{
    for (size_t i = 0; i < DRIVE_OBSERVERS; i++) {
        demand(d->observers[i] != observer);
        if (d->observers[i] != 0)
            continue;
        d->observers[i] = observer;
        d->turns[i] = false;
        return;
    }
    cps_command_t forget = {.kind = CPS_COMMAND_UNOBSERVE, .u.handle = observer};
    demand(cps_ep_submit(d->ep, d->now_us, &forget, NULL) == CPS_OK);
}

void drive_tell(drive_t *d, size_t observer)
{
    static const uint8_t codes[] = {CPS_CONTENT, CPS_CONTENT, CPS_VALID, CPS_NOT_FOUND, CPS_GET, CPS_CONTENT};
    uint8_t payload[1200];
    unsigned how = drive_byte(d, 256);
    uint8_t code = codes[how % (sizeof codes / sizeof codes[0])];
    cps_command_t command = {.kind = CPS_COMMAND_NOTIFY};
    command.u.reply = (cps_command_reply_t){.request = d->observers[observer],
                                            .code = code,
                                            .payload = cps_bytes(payload, payload_of(d, payload, sizeof payload)),
                                            .non_confirmable = (how & 64U) != 0};
    cps_err_t err = cps_ep_submit(d->ep, d->now_us, &command, NULL);
    demand(err == CPS_OK || is_refusal(err));
    if (err == CPS_OK || err == CPS_ERR_STALE) {
        d->turns[observer] = false;
        return;
    }
    cps_command_t forget = {.kind = CPS_COMMAND_UNOBSERVE, .u.handle = d->observers[observer]};
    demand(cps_ep_submit(d->ep, d->now_us, &forget, NULL) == CPS_OK); /* it cannot be told that */
}

static size_t observer_of(const drive_t *d, const cps_event_t *event)
{
    demand(event->u.observer.user == OBSERVER_USER && event->handle != 0);
    for (size_t i = 0; i < DRIVE_OBSERVERS; i++)
        if (d->observers[i] == event->handle)
            return i;
    return DRIVE_OBSERVERS; /* there was no room to keep it */
}

/* Mostly told at once; else it is owed. */
static void hear_turn(drive_t *d, const cps_event_t *event)
{
    size_t i = observer_of(d, event);
    demand(i < DRIVE_OBSERVERS && !d->turns[i]); /* asked once, until it was told */
    d->turns[i] = true;
    if (d->resting || drive_over(d) || drive_byte(d, 4) != 0)
        drive_tell(d, i);
}

static void hear_gone(drive_t *d, const cps_event_t *event)
{
    size_t i = observer_of(d, event);
    if (i < DRIVE_OBSERVERS)
        d->observers[i] = 0;
}

bool drive_reply(drive_t *d, drive_open_t *open)
{
    static const uint8_t codes[] = {CPS_CONTENT,      CPS_CHANGED,     CPS_VALID, CPS_NOT_FOUND,
                                    CPS_UNAUTHORIZED, CPS_BAD_GATEWAY, CPS_EMPTY, CPS_GET};
    static const cps_body_step_t steps[] = {CPS_BODY_OVER, CPS_BODY_OVER, CPS_BODY_KEEP, CPS_BODY_HAND_ON};
    uint8_t values[512];
    uint8_t payload[1200];
    cps_option_t list[8];
    cps_writer_t w = cps_writer(values, sizeof values);
    unsigned first = drive_byte(d, 256);
    size_t count = drive_options(d, &w, list, (first & 32U) != 0 ? 8 : 0);
    cps_command_t command = {.kind = CPS_COMMAND_REPLY};
    command.u.reply = (cps_command_reply_t){.request = open->handle,
                                            .code = codes[first & 7U],
                                            .options = list,
                                            .option_count = count,
                                            .payload = cps_bytes(payload, payload_of(d, payload, sizeof payload)),
                                            .refused = (first & 16U) != 0,
                                            .observe = (first & 64U) != 0,
                                            .observer_user = OBSERVER_USER,
                                            .step = steps[first >> 6U],
                                            .body_user = 1};
    if (command.u.reply.step != CPS_BODY_OVER && (first & 1U) == 0)
        command.u.reply.code = CPS_CONTINUE;
    cps_handle_t observer = 0;
    cps_err_t err = cps_ep_submit(d->ep, d->now_us, &command, &observer);
    demand(err == CPS_OK || is_refusal(err));
    demand(observer == 0 || (err == CPS_OK && command.u.reply.observe));
    if (observer != 0)
        keep_observer(d, observer);
    if (err == CPS_OK && command.u.reply.refused && open->unsafe != 0)
        d->unsafe[open->unsafe - 1].until_us = 0; /* nothing was run */
    return err == CPS_OK || err == CPS_ERR_STALE;
}

/* ---- requests of ours ---- */

static void close_ask(drive_t *d, cps_handle_t handle, uint64_t user, cps_handle_t context)
{
    for (size_t i = 0; i < DRIVE_ASKS; i++) {
        drive_ask_t *ask = &d->asks[i];
        if (ask->handle != handle)
            continue;
        demand(ask->user == user && ask->context == context);
        ask->handle = 0;
        return;
    }
    demand(false); /* an end of something that was not open */
}

static drive_ask_t ask_of(const drive_t *d, cps_handle_t handle)
{
    for (size_t i = 0; i < DRIVE_ASKS; i++)
        if (d->asks[i].handle == handle)
            return d->asks[i];
    return (drive_ask_t){0};
}

/* More may come: it has no deadline until it is registered again. */
static void keep_ask(drive_t *d, cps_handle_t handle, uint64_t user, cps_handle_t context)
{
    for (size_t i = 0; i < DRIVE_ASKS; i++) {
        drive_ask_t *ask = &d->asks[i];
        if (ask->handle != handle)
            continue;
        demand(ask->user == user && ask->context == context);
        ask->deadline_us = CPS_TIME_NEVER;
        return;
    }
    demand(false);
}

static void hear_stale(const drive_t *d, const cps_event_t *event)
{
    for (size_t i = 0; i < DRIVE_ASKS; i++)
        if (d->asks[i].handle == event->handle) {
            demand(d->asks[i].deadline_us == CPS_TIME_NEVER && d->asks[i].user == event->u.observer.user);
            return;
        }
    demand(false);
}

static void hear_response(drive_t *d, const cps_event_t *event)
{
    const cps_event_response_t *r = &event->u.response;
    touch_message(&r->message);
    demand(cps_code_is_response(r->message.code));
    demand(r->round_trip_us <= d->now_us);
    if (r->observing) {
        keep_ask(d, event->handle, r->user, r->context);
        return;
    }
    if (r->more) {
        demand(r->context == ask_of(d, event->handle).context); /* each block as the first was asked for (BLK-40) */
        return;
    }
    close_ask(d, event->handle, r->user, r->context); /* what was asked sealed is answered sealed (OSC-66) */
}

static void hear_failed(drive_t *d, const cps_event_t *event)
{
    const cps_event_failed_t *f = &event->u.failed;
    touch_message(&f->message);
    drive_ask_t ask = ask_of(d, event->handle);
    demand(f->err != CPS_OK || ask.unanswered);
    demand(f->message.code == 0 || f->hint == CPS_HINT_RESPONSE);
    close_ask(d, event->handle, f->user, ask.context);
}

static void hear_job(drive_t *d, const cps_event_t *event)
{
    const cps_event_job_t *job = &event->u.job;
    const drive_material_t *m = drive_material(d, job->context);
    cps_context_state_t state;
    size_t place = DRIVE_JOBS;
    demand(m != NULL && m->has_state && job->kind == CPS_JOB_LEASE && event->handle == job->context);
    demand(cps_ep_context_state(d->ep, job->context, &state) == CPS_OK && job->number > state.ceiling);
    for (size_t i = 0; i < DRIVE_JOBS; i++) {
        demand(d->jobs[i] != event->handle); /* one at a time */
        if (d->jobs[i] == 0 || drive_material(d, d->jobs[i]) == NULL)
            place = i;
    }
    demand(place < DRIVE_JOBS);
    d->jobs[place] = event->handle;
    d->job_numbers[place] = job->number;
    if (d->grants)
        drive_grant(d, place, CPS_OK, false);
}

/* A piece of what was asked for, sometimes of the wrong length. */
static void hear_wanted(drive_t *d, const cps_event_t *event)
{
    static const uint8_t bytes[1024];
    const cps_event_wanted_t *w = &event->u.wanted;
    unsigned how = drive_byte(d, 8);
    size_t len = how == 0 ? w->size - 1 : w->size;
    demand(w->size >= 16 && w->size <= sizeof bytes);
    cps_command_t command = {.kind = CPS_COMMAND_PIECE,
                             .u.piece = {.request = event->handle, .bytes = cps_bytes(bytes, len), .last = how < 3}};
    cps_err_t err = cps_ep_submit(d->ep, d->now_us, &command, NULL);
    demand(err == CPS_OK || err == CPS_ERR_FULL);
}

void drive_hear(drive_t *d, const cps_event_t *event)
{
    switch (event->kind) {
    case CPS_EVENT_REQUEST:
        hear_request(d, event);
        break;
    case CPS_EVENT_RESPONSE:
        hear_response(d, event);
        break;
    case CPS_EVENT_FAILED:
        hear_failed(d, event);
        break;
    case CPS_EVENT_JOB:
        hear_job(d, event);
        break;
    case CPS_EVENT_NOTE:
        demand(event->u.note.kind < CPS_NOTE_COUNT && cps_note_name(event->u.note.kind)[0] != '\0');
        break;
    case CPS_EVENT_WANTED:
        hear_wanted(d, event);
        break;
    case CPS_EVENT_ABANDONED:
        demand(event->u.abandoned.user == 1);
        break;
    case CPS_EVENT_NOTIFY:
        hear_turn(d, event);
        break;
    case CPS_EVENT_UNOBSERVED:
        hear_gone(d, event);
        break;
    case CPS_EVENT_STALE:
        hear_stale(d, event);
        break;
    }
}
