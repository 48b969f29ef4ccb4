// SPDX-License-Identifier: Apache-2.0
/* What a handler can ask of its request. */
#include "server/request.h"

#include "server/watch.h"

#include "wire/uri.h"

#include <stdlib.h>

static cps_request_t *take(cps_dispatch_t *d)
{
    cps_request_t *r = d->free;
    if (r == NULL)
        return NULL;
    d->free = r->next;
    r->next = NULL;
    r->node = NULL;
    r->host = cps_bytes(NULL, 0);
    r->age_us = CPS_AGE_UNKNOWN;
    r->observe = CPS_OBSERVE_NOT;
    r->state = CPS_REQUEST_OPEN;
    r->multicast = r->notifies = r->in_handler = r->copied = r->has_text = false;
    return r;
}

cps_request_t *cps_request_take_watch(cps_dispatch_t *d, const cps_watch_t *watch)
{
    cps_request_t *r = take(d);
    if (r == NULL)
        return NULL;
    r->notifies = true;
    r->node = watch->node;
    r->handle = watch->observer;
    r->peer = watch->peer;
    r->credential = watch->credential;
    r->message = (cps_message_t){.code = watch->method,
                                 .options = cps_bytes(watch->bytes, watch->options_len),
                                 .payload = cps_bytes(watch->bytes + watch->options_len, watch->payload_len)};
    return r;
}

cps_request_t *cps_request_take(cps_dispatch_t *d, const cps_event_t *event)
{
    const cps_event_request_t *from = &event->u.request;
    cps_request_t *r = take(d);
    if (r == NULL)
        return NULL;
    r->handle = event->handle;
    r->taken_us = d->now_us;
    r->peer = from->path.remote;
    r->message = from->message;
    r->credential = from->context != 0 ? d->hooks.credential(d->hooks.user, from) : NULL;
    r->age_us = from->context != 0 ? from->echo_age_us : CPS_AGE_UNKNOWN;
    r->multicast = (from->path.flags & CPS_PATH_MULTICAST) != 0;
    r->observe = from->observe;
    r->body = from->body;
    r->upload = from->body.user != 0 ? cps_upload_find(d, from->body.user) : NULL;
    return r;
}

void cps_request_release(cps_request_t *request)
{
    cps_dispatch_t *d = request->dispatch;
    if (request->copied)
        cps_wipe(request->copy, request->copy_room); /* it was sealed, perhaps */
    free(request->answer);
    request->answer = NULL;
    request->state = CPS_REQUEST_FREE;
    request->next = d->free;
    d->free = request;
}

cps_err_t cps_request_keep(cps_request_t *request)
{
    cps_message_t *m = &request->message;
    size_t len = m->options.len + m->payload.len;
    if (request->copied)
        return CPS_OK;
    if (len > request->copy_room) {
        uint8_t *copy = realloc(request->copy, len);
        if (copy == NULL)
            return CPS_ERR_MEMORY;
        request->copy = copy;
        request->copy_room = len;
    }
    if (len != 0) {
        cps_copy(request->copy, m->options.ptr, m->options.len);
        cps_copy(request->copy + m->options.len, m->payload.ptr, m->payload.len);
        m->options.ptr = request->copy;
        m->payload.ptr = request->copy + m->options.len;
    }
    request->copied = len != 0;
    return CPS_OK;
}

void cps_request_note(cps_request_t *request, const cps_dispatch_note_t *note)
{
    const cps_dispatch_hooks_t *hooks = &request->dispatch->hooks;
    if (hooks->note != NULL)
        hooks->note(hooks->user, note);
}

/* ---- the public calls ---- */

uint8_t cps_request_method(const cps_request_t *request) { return request->message.code; }

static bool has_payload(uint8_t method) { return method != CPS_GET && method != CPS_DELETE; }

cps_bytes_t cps_request_payload(const cps_request_t *request)
{
    /* RFC 7252 §5.5, §5.8.1, §5.8.4: GET and DELETE have none; one that is there is ignored (REQ-15) */
    return has_payload(request->message.code) ? request->message.payload : cps_bytes(NULL, 0);
}

bool cps_request_payload_is(const cps_request_t *request, const char *text)
{
    return cps_bytes_equal(cps_request_payload(request), cps_bytes_str(text));
}

const cps_message_t *cps_request_message(const cps_request_t *request) { return &request->message; }

/* "a/b%20c", a zero, "x=1&y", a zero; made when it is first asked for. */
static bool make_text(cps_request_t *request)
{
    size_t room = 3 * request->message.options.len + 8;
    if (room > request->text_room) {
        char *text = realloc(request->text, room);
        if (text == NULL)
            return false;
        request->text = text;
        request->text_room = room;
    }
    cps_writer_t w = cps_writer(request->text, room - 2);
    if (cps_uri_join_path(request->message.options, &w) != CPS_OK)
        return false;
    size_t len = cps_written(&w).len;
    char *query = memchr(request->text, '?', len); /* one inside the path is escaped */
    memset(request->text + len, 0, 2);
    if (query != NULL)
        *query = '\0';
    request->has_text = true;
    return true;
}

const char *cps_request_full_path(const cps_request_t *request)
{
    cps_request_t *r = (cps_request_t *)request; /* a cache inside, as mutable members are elsewhere */
    return r->has_text || make_text(r) ? r->text : "/";
}

const char *cps_request_path(const cps_request_t *request) { return cps_request_full_path(request) + 1; }

const char *cps_request_query(const cps_request_t *request)
{
    const char *path = cps_request_path(request);
    return path + strlen(path) + (request->has_text ? 1 : 0);
}

static int32_t uint_or_none(const cps_request_t *request, uint16_t number)
{
    uint32_t value;
    return cps_message_uint(&request->message, number, &value) ? (int32_t)value : -1;
}

int32_t cps_request_content_format(const cps_request_t *request)
{
    return uint_or_none(request, CPS_OPT_CONTENT_FORMAT);
}

int32_t cps_request_accept(const cps_request_t *request) { return uint_or_none(request, CPS_OPT_ACCEPT); }

const char *cps_request_credential(const cps_request_t *request) { return request->credential; }

uint64_t cps_request_age_us(const cps_request_t *request) { return request->age_us; }

cps_addr_t cps_request_peer(const cps_request_t *request) { return request->peer; }

/* ---- conditions ---- */

/* Whether one of the options of that number has that value; `*count` is how many there are. */
static bool any_equals(const cps_request_t *request, uint16_t number, cps_bytes_t value, unsigned *count)
{
    cps_option_walk_t walk = {0, 0};
    bool found = false;
    *count = 0;
    for (cps_option_t option; cps_message_next(&request->message, &walk, &option);) {
        if (option.number != number)
            continue;
        ++*count;
        found = found || cps_bytes_equal(option.value, value); /* RFC 7252 §5.10.6: by length and bytes */
    }
    return found;
}

static bool if_match(const cps_request_t *request, bool exists, cps_bytes_t etag)
{
    unsigned count;
    bool any = any_equals(request, CPS_OPT_IF_MATCH, cps_bytes(NULL, 0), &count);
    if (count == 0)
        return true;
    if (!exists)
        return false;
    return any || (etag.len != 0 && any_equals(request, CPS_OPT_IF_MATCH, etag, &count)); /* §5.10.8.1 */
}

cps_err_t cps_request_check_conditions(cps_request_t *request, bool exists, cps_bytes_t etag)
{
    cps_bytes_t value;
    bool none_match = !cps_message_option(&request->message, CPS_OPT_IF_NONE_MATCH, &value) || !exists; /* §5.10.8.2 */
    if (if_match(request, exists, etag) && none_match)
        return CPS_OK;
    cps_err_t err = cps_reply(request, CPS_PRECONDITION_FAILED);
    return err == CPS_OK ? CPS_ERR_FORBIDDEN : err;
}

bool cps_request_has_etag(const cps_request_t *request, cps_bytes_t etag)
{
    unsigned count;
    return etag.len != 0 && any_equals(request, CPS_OPT_ETAG, etag, &count);
}
