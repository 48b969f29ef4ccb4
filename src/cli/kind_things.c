// SPDX-License-Identifier: Apache-2.0
/* What the things do. */
#include "cli/kind.h"

#include "wire/msg.h"

#include <stdio.h>
#include <stdlib.h>

#define SECOND_US 1000000U
#define TEXT_MAX  32U

static const cps_option_t text_plain = {CPS_OPT_CONTENT_FORMAT, {NULL, 0}};

static cps_option_t etag_of(const cps_thing_t *thing)
{
    return (cps_option_t){CPS_OPT_ETAG, {thing->etag, sizeof thing->etag}};
}

void cps_kind_touch(cps_thing_t *thing) { cps_server_etag(thing->kinds->server, thing->etag); }

/* 2.03 where the client has what it holds already, else 2.05 with the text (RFC 7252 §5.8.1). */
static cps_err_t reply_state(cps_request_t *request, const cps_thing_t *thing, cps_code_t code, const char *text)
{
    const cps_option_t options[] = {etag_of(thing), text_plain};
    if (code == CPS_CONTENT && cps_request_has_etag(request, options[0].value))
        return cps_reply_with(request, CPS_VALID, options, 1, cps_bytes(NULL, 0));
    return cps_reply_with(request, code, options, 2, cps_bytes_str(text));
}

/* ---- lock ---- */

cps_err_t cps_kind_lock_get(cps_request_t *request, void *user)
{
    const cps_thing_t *thing = user;
    return reply_state(request, thing, CPS_CONTENT, thing->unlocked ? "unlocked" : "locked");
}

cps_err_t cps_kind_lock_set(cps_request_t *request, void *user)
{
    cps_thing_t *thing = user;
    bool unlock = cps_request_payload_is(request, "unlocked");
    if (!unlock && !cps_request_payload_is(request, "locked"))
        return cps_reply_error(request, CPS_BAD_REQUEST, "write locked or unlocked");
    if (thing->unlocked != unlock)
        cps_kind_touch(thing);
    thing->unlocked = unlock;
    CPS_LOG(thing->kinds->log, CPS_LOG_INFO, "lock", cps_log_text("path", thing->path),
            cps_log_text("state", unlock ? "unlocked" : "locked"),
            cps_log_text("credential", cps_request_credential(request)));
    return cps_reply(request, CPS_CHANGED);
}

/* ---- sensor ---- */

/* A temperature in tenths of a degree that wanders between 18.0 and 24.0 by the clock alone: reading it changes nothing. */
static unsigned temperature(cps_time_us_t now_us)
{
    unsigned at = (unsigned)(now_us / SECOND_US * 7U % 120U);
    return 180U + (at < 60U ? at : 120U - at);
}

cps_err_t cps_kind_sensor_get(cps_request_t *request, void *user)
{
    static const uint8_t one = 1; /* second: then it is another one */
    const cps_thing_t *thing = user;
    unsigned tenths = temperature(cps_clock_now(&thing->kinds->clock));
    char text[TEXT_MAX];
    snprintf(text, sizeof text, "%u.%u", tenths / 10U, tenths % 10U);
    const cps_option_t options[] = {text_plain, {CPS_OPT_MAX_AGE, {&one, 1}}};
    return cps_reply_with(request, CPS_CONTENT, options, 2, cps_bytes_str(text));
}

/* ---- value ---- */

bool cps_kind_may_change(cps_request_t *request, const cps_thing_t *thing, cps_err_t *err)
{
    *err = cps_request_check_conditions(request, thing->exists, etag_of(thing).value);
    if (*err == CPS_OK)
        return true;
    *err = *err == CPS_ERR_FORBIDDEN ? CPS_OK : *err;
    return false;
}

cps_err_t cps_kind_value_get(cps_request_t *request, void *user)
{
    const cps_thing_t *thing = user;
    uint8_t bytes[4];
    if (!thing->exists)
        return cps_reply(request, CPS_NOT_FOUND);
    const cps_option_t options[] = {
        etag_of(thing),
        {CPS_OPT_CONTENT_FORMAT, cps_opt_uint_bytes(thing->format < 0 ? 0 : (uint32_t)thing->format, bytes)}};
    if (cps_request_has_etag(request, options[0].value))
        return cps_reply_with(request, CPS_VALID, options, 1, cps_bytes(NULL, 0));
    return cps_reply_with(request, CPS_CONTENT, options, thing->format < 0 ? 1 : 2,
                          cps_bytes(thing->bytes, thing->len));
}

bool cps_kind_hold(cps_thing_t *thing, cps_bytes_t bytes)
{
    uint8_t *room = realloc(thing->bytes, bytes.len + 1);
    if (room == NULL)
        return false;
    thing->bytes = room;
    cps_copy(thing->bytes, bytes.ptr, bytes.len);
    thing->len = bytes.len;
    return true;
}

cps_err_t cps_kind_value_set(cps_request_t *request, void *user)
{
    cps_thing_t *thing = user;
    cps_bytes_t payload = cps_request_payload(request);
    bool created = !thing->exists;
    cps_err_t err;
    if (!cps_kind_may_change(request, thing, &err))
        return err;
    if (!cps_kind_hold(thing, payload)) /* no larger than the resource's body_max */
        return CPS_ERR_MEMORY;
    thing->format = cps_request_content_format(request);
    thing->exists = true;
    cps_kind_touch(thing);
    if (!created)
        return cps_reply(request, CPS_CHANGED);
    if (cps_request_method(request) == CPS_PUT)
        return cps_reply(request, CPS_CREATED);
    return cps_reply_created(request, thing->path); /* RFC 7252 §5.8.2 */
}

cps_err_t cps_kind_value_delete(cps_request_t *request, void *user)
{
    cps_thing_t *thing = user;
    cps_err_t err;
    if (!cps_kind_may_change(request, thing, &err))
        return err;
    thing->exists = false;
    thing->len = 0;
    return cps_reply(request, CPS_DELETED); /* also where there was nothing (RFC 7252 §5.8.4) */
}

/* ---- counter ---- */

static cps_err_t reply_number(cps_request_t *request, const cps_thing_t *thing, cps_code_t code)
{
    char text[TEXT_MAX];
    snprintf(text, sizeof text, "%llu", (unsigned long long)thing->number);
    return reply_state(request, thing, code, text);
}

cps_err_t cps_kind_counter_get(cps_request_t *request, void *user) { return reply_number(request, user, CPS_CONTENT); }

cps_err_t cps_kind_counter_post(cps_request_t *request, void *user)
{
    cps_thing_t *thing = user;
    thing->number++;
    cps_kind_touch(thing);
    CPS_LOG(thing->kinds->log, CPS_LOG_INFO, "counted", cps_log_text("path", thing->path),
            cps_log_number("number", thing->number), cps_log_bytes("body", cps_request_payload(request)),
            cps_log_text("credential", cps_request_credential(request)));
    return reply_number(request, thing, CPS_CHANGED);
}

/* ---- slow ---- */

cps_err_t cps_kind_slow(cps_request_t *request, void *user)
{
    const cps_thing_t *thing = user;
    cps_kinds_t *kinds = thing->kinds;
    if (kinds->waiting_count == kinds->waiting_room) {
        size_t room = kinds->waiting_room == 0 ? 16 : 2 * kinds->waiting_room; /* the server limits what is deferred */
        cps_kind_waiting_t *waiting = realloc(kinds->waiting, room * sizeof *waiting);
        if (waiting == NULL)
            return CPS_ERR_MEMORY;
        kinds->waiting = waiting;
        kinds->waiting_room = room;
    }
    cps_err_t err = cps_request_defer(request);
    if (err == CPS_OK)
        kinds->waiting[kinds->waiting_count++] =
            (cps_kind_waiting_t){request, cps_clock_now(&kinds->clock) + thing->delay_us};
    return err;
}

/* ---- echo ---- */

cps_err_t cps_kind_echo(cps_request_t *request, void *user)
{
    (void)user;
    uint8_t bytes[4];
    int32_t format = cps_request_content_format(request);
    bool read = !cps_method_is_unsafe(cps_request_method(request));
    if (cps_request_method(request) == CPS_GET)
        return cps_reply_text(request, CPS_CONTENT, cps_request_query(request));
    cps_option_t option = {CPS_OPT_CONTENT_FORMAT, cps_opt_uint_bytes(format < 0 ? 0 : (uint32_t)format, bytes)};
    return cps_reply_with(request, read ? CPS_CONTENT : CPS_CHANGED, &option, format < 0 ? 0 : 1,
                          cps_request_payload(request));
}
