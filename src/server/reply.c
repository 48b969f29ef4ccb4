// SPDX-License-Identifier: Apache-2.0
/* The way of an answer to the endpoint. */
#include "server/request.h"
#include "server/watch.h"

#include "wire/opttab.h"

#include <stdlib.h>

#define OPTIONS_MAX  96U
#define LOCATION_MAX 16U

/* What a resource shows may be something else after an unsafe method that succeeded. */
static void after_answer(const cps_request_t *request, uint8_t code)
{
    bool changes = cps_method_is_unsafe(request->message.code) && cps_code_class(code) == 2;
    if (changes && request->node != NULL && request->node->observable)
        cps_watch_changed(request->dispatch, request->node);
}

static cps_err_t submit(cps_request_t *request, const cps_answer_t *answer, bool refused)
{
    const cps_dispatch_hooks_t *hooks = &request->dispatch->hooks;
    cps_watch_t *watch = cps_code_class(answer->code) == 2 ? cps_watch_new(request) : NULL;
    cps_handle_t observer = 0;
    cps_command_t command = {.kind = request->notifies ? CPS_COMMAND_NOTIFY : CPS_COMMAND_REPLY,
                             .u.reply = {.request = request->handle,
                                         .code = answer->code,
                                         .options = answer->options,
                                         .option_count = answer->option_count,
                                         .payload = answer->payload,
                                         .refused = refused,
                                         .step = answer->step,
                                         .body_max = answer->body_max,
                                         .body_user = answer->upload != NULL ? answer->upload->id : 0,
                                         .slice = answer->slice,
                                         .offset = answer->offset,
                                         .total = answer->total,
                                         .observe = watch != NULL,
                                         .observer_user = (uint64_t)(uintptr_t)watch,
                                         .non_confirmable = request->node != NULL && request->node->notify_non}};
    cps_err_t err = hooks->submit(hooks->user, &command, &observer);
    cps_watch_begin(request->dispatch, watch, err == CPS_OK ? observer : 0);
    if (err == CPS_OK && answer->step == CPS_BODY_OVER) /* a block that is kept changes nothing yet */
        after_answer(request, answer->code);
    return err;
}

/* ---- answers that the full output did not take ---- */

static cps_err_t keep_answer(cps_request_t *request, const cps_answer_t *answer)
{
    cps_dispatch_t *d = request->dispatch;
    cps_option_t list[OPTIONS_MAX];
    size_t room = answer->payload.len + 1;
    for (size_t i = 0; i < answer->option_count; i++)
        room += answer->options[i].value.len + 5; /* a header has at most five bytes */
    request->answer = malloc(room);
    if (request->answer == NULL)
        return CPS_ERR_MEMORY;
    cps_writer_t w = cps_writer(request->answer, room);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    cps_copy(list, answer->options, answer->option_count * sizeof *list);
    cps_opt_put_list(&ow, list, answer->option_count);
    request->answer_options = cps_written(&w).len;
    cps_write_bytes(&w, answer->payload);
    request->kept = *answer;
    request->kept.payload = cps_bytes(request->answer + request->answer_options, answer->payload.len);
    request->state = CPS_REQUEST_KEPT;
    request->next = NULL;
    *(d->kept_last != NULL ? &d->kept_last->next : &d->kept_first) = request;
    d->kept_last = request;
    d->hooks.later(d->hooks.user);
    return CPS_OK;
}

bool cps_request_retry(cps_request_t *request)
{
    cps_option_t list[OPTIONS_MAX];
    cps_answer_t answer = request->kept;
    answer.options = list;
    answer.option_count = 0;
    cps_opt_walk_t walk = cps_opt_walk(cps_bytes(request->answer, request->answer_options));
    while (answer.option_count < OPTIONS_MAX && cps_opt_next(&walk, &list[answer.option_count]))
        answer.option_count++;
    cps_err_t err = submit(request, &answer, false);
    if (err == CPS_ERR_BUSY)
        return false;
    if (err != CPS_OK && err != CPS_ERR_STALE)
        cps_request_give_up(request, err, "the answer could not be sent");
    return true;
}

/* ---- answers ---- */

/* The request is over; one whose handler runs is released when that is back. */
static void done(cps_request_t *request)
{
    cps_upload_end(request);
    if (request->state == CPS_REQUEST_DEFERRED)
        request->dispatch->deferred--;
    if (request->state != CPS_REQUEST_KEPT)
        request->state = CPS_REQUEST_ANSWERED;
    if (!request->in_handler && request->state == CPS_REQUEST_ANSWERED)
        cps_request_release(request);
}

void cps_request_give_up(cps_request_t *request, cps_err_t err, const char *reason)
{
    const cps_dispatch_hooks_t *hooks = &request->dispatch->hooks;
    cps_command_t command = {.kind = request->notifies ? CPS_COMMAND_UNOBSERVE : CPS_COMMAND_IGNORE,
                             .u.handle = request->handle};
    (void)hooks->submit(hooks->user, &command, NULL); /* stale at worst: it is over either way */
    cps_request_note(request, &(cps_dispatch_note_t){CPS_SERVED_FAILED, request, CPS_EMPTY, reason, err});
}

void cps_request_refuse(cps_request_t *request, const cps_answer_t *answer, bool forget, const char *reason)
{
    cps_dispatch_note_t note = {CPS_SERVED_REFUSED, request, answer->code, reason, CPS_OK};
    if (request->multicast) {
        cps_request_give_up(request, CPS_OK, reason); /* RFC 7252 §8.2: errors to a group request are left out */
        return;
    }
    cps_err_t err = submit(request, answer, forget);
    if (err == CPS_ERR_BUSY)
        err = keep_answer(request, answer);
    if (err != CPS_OK) {
        cps_request_give_up(request, err, reason);
        return;
    }
    cps_upload_abandon(request);
    cps_request_note(request, &note);
}

cps_err_t cps_request_answer(cps_request_t *request, const cps_answer_t *answer)
{
    bool deferred = request->state == CPS_REQUEST_DEFERRED;
    if (request->state != CPS_REQUEST_OPEN && !deferred)
        return CPS_ERR_STALE;
    cps_err_t err = submit(request, answer, false);
    bool goes_on = answer->step != CPS_BODY_OVER; /* of a body, only its end is worth a line */
    if (!goes_on && (err == CPS_OK || err == CPS_ERR_BUSY))
        cps_request_note(request, &(cps_dispatch_note_t){CPS_SERVED_ANSWERED, request, answer->code, NULL, CPS_OK});
    if (err == CPS_ERR_BUSY) {
        err = keep_answer(request, answer);
        request->dispatch->deferred -= deferred && err == CPS_OK;
        return err;
    }
    if (err == CPS_OK || err == CPS_ERR_STALE)
        done(request);
    return err;
}

/* ---- the public calls ---- */

/* Whether what the client accepts is what the answer comes in; only reads are told otherwise, as others have happened. */
static bool is_acceptable(const cps_request_t *request, const cps_answer_t *answer)
{
    int32_t accept = cps_request_accept(request);
    uint32_t format;
    if (accept < 0 || answer->code != CPS_CONTENT || answer->payload.len == 0 ||
        cps_method_is_unsafe(request->message.code))
        return true;
    for (size_t i = 0; i < answer->option_count; i++)
        if (answer->options[i].number == CPS_OPT_CONTENT_FORMAT)
            return cps_opt_uint(answer->options[i].value, &format) == CPS_OK && format == (uint32_t)accept;
    return false;
}

static cps_err_t reply(cps_request_t *request, const cps_answer_t *answer)
{
    static const cps_answer_t not_acceptable = {.code = CPS_NOT_ACCEPTABLE};
    uint16_t bad;
    if (answer->option_count > OPTIONS_MAX || !cps_code_is_response(answer->code))
        return CPS_ERR_ARGUMENT;
    cps_err_t err = cps_opt_check_send(answer->code, answer->options, answer->option_count, &bad); /* REQ-40, REQ-47 */
    if (err != CPS_OK)
        return err;
    if (!is_acceptable(request, answer))
        return cps_request_answer(request, &not_acceptable); /* RFC 7252 §5.10.4 */
    return cps_request_answer(request, answer);
}

cps_err_t cps_reply_with(cps_request_t *request, cps_code_t code, const cps_option_t *options, size_t option_count,
                         cps_bytes_t payload)
{
    return reply(
        request,
        &(cps_answer_t){.code = (uint8_t)code, .options = options, .option_count = option_count, .payload = payload});
}

cps_err_t cps_reply_slice(cps_request_t *request, const cps_option_t *options, size_t option_count,
                          const cps_slice_t *slice)
{
    return reply(request, &(cps_answer_t){.code = CPS_CONTENT,
                                          .options = options,
                                          .option_count = option_count,
                                          .payload = slice->part,
                                          .slice = true,
                                          .offset = slice->offset,
                                          .total = slice->total});
}

cps_err_t cps_reply(cps_request_t *request, cps_code_t code)
{
    return cps_reply_with(request, code, NULL, 0, cps_bytes(NULL, 0));
}

cps_err_t cps_reply_text(cps_request_t *request, cps_code_t code, const char *text)
{
    static const cps_option_t plain = {CPS_OPT_CONTENT_FORMAT, {NULL, 0}}; /* text/plain is 0: no byte (REQ-42) */
    return cps_reply_with(request, code, &plain, 1, cps_bytes_str(text));
}

cps_err_t cps_reply_error(cps_request_t *request, cps_code_t code, const char *diagnostic)
{
    if ((unsigned)code < CPS_BAD_REQUEST)
        return CPS_ERR_ARGUMENT;
    return cps_reply_with(request, code, NULL, 0, cps_bytes_str(diagnostic));
}

cps_err_t cps_reply_created(cps_request_t *request, const char *location)
{
    cps_option_t options[LOCATION_MAX];
    size_t count = 0;
    for (const char *at = location; *at != '\0';) {
        size_t len = strcspn(at, "/");
        if (count == LOCATION_MAX)
            return CPS_ERR_ARGUMENT;
        options[count++] = (cps_option_t){CPS_OPT_LOCATION_PATH, cps_bytes(at, len)};
        at += len + (at[len] == '/');
    }
    return cps_reply_with(request, CPS_CREATED, options, count, cps_bytes(NULL, 0));
}

cps_err_t cps_request_defer(cps_request_t *request)
{
    const cps_dispatch_hooks_t *hooks = &request->dispatch->hooks;
    cps_command_t command = {.kind = CPS_COMMAND_DEFER, .u.handle = request->handle};
    if (request->state != CPS_REQUEST_OPEN)
        return CPS_ERR_STALE;
    cps_err_t err = cps_request_keep(request);
    if (err == CPS_OK && !request->notifies)
        err = hooks->submit(hooks->user, &command, NULL);
    if (err != CPS_OK)
        return err;
    request->state = CPS_REQUEST_DEFERRED;
    request->dispatch->deferred++;
    return CPS_OK;
}
