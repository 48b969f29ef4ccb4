// SPDX-License-Identifier: Apache-2.0
/* One request from its URI to its end: the way, the credential, the addresses of the host, and what came of it. */
#include "client/call.h"

#include "base/sized.h"
#include "host/inside.h"

#include <stdlib.h>

/* ---- before it is sent ---- */

static bool has_format(const cps_client_request_t *r)
{
    for (size_t i = 0; i < r->option_count; i++)
        if (r->options[i].number == CPS_OPT_CONTENT_FORMAT)
            return true;
    return false;
}

static cps_err_t plan(cps_client_t *client, cps_call_t *call)
{
    const cps_client_request_t *r = call->request;
    cps_plan_way_t way = {client->proxy, client->proxy_by_uri};
    cps_err_t err = cps_plan_make(&call->plan, r->uri, &way);
    if (err == CPS_OK)
        err = cps_plan_add(&call->plan, (uint8_t)r->method, r->options, r->option_count);
    if (err != CPS_OK)
        return cps_client_say(client, err, "%s", call->plan.why);
    if ((r->method == CPS_GET || r->method == CPS_DELETE) &&
        (r->payload.len != 0 || r->source != NULL)) /* RFC 7252 §5.5 (REQ-15) */
        return cps_client_say(client, CPS_ERR_ARGUMENT, "a %s carries no payload", cps_code_text((uint8_t)r->method));
    if (r->method >= CPS_FETCH && r->method <= CPS_IPATCH && !has_format(r)) /* RFC 8132 §2.3.1, §3 */
        return cps_client_say(client, CPS_ERR_ARGUMENT, "a %s says by a Content-Format what its body means",
                              cps_code_text((uint8_t)r->method));
    return CPS_OK;
}

static cps_err_t no_credential(cps_client_t *client, const cps_call_t *call)
{
    if (!client->sealed)
        return CPS_OK;
    return cps_client_say(client, CPS_ERR_SECURITY,
                          "%s: could not be sealed: no credential is for this URI; it was not sent",
                          call->request->uri);
}

/* The credential named, else the one whose pattern fits best, else none (house rule: protection is a property of each
 * message). It is owned from here on. */
static cps_err_t choose(cps_client_t *client, cps_call_t *call)
{
    const cps_credential_t *credential = NULL;
    if (client->keyring == NULL)
        return no_credential(client, call);
    cps_client_settle(client);
    cps_err_t err = CPS_OK;
    if (client->credential != NULL && strlen(client->credential) < sizeof call->credential)
        memcpy(call->credential, client->credential, strlen(client->credential) + 1);
    else if (client->credential != NULL)
        return cps_client_say(client, CPS_ERR_NOT_FOUND, "credential %s: the name is too long", client->credential);
    else
        err = cps_keyring_choose(client->keyring, &call->plan.uri, call->credential);
    if (err == CPS_ERR_NOT_FOUND)
        return no_credential(client, call);
    cps_time_us_t left_ms = (call->deadline_us - cps_worker_now(client->worker)) / 1000U;
    if (err == CPS_OK)
        err = cps_keyring_own(client->keyring, call->credential,
                              left_ms < CPS_KEYRING_WAIT_MS ? (uint32_t)left_ms : CPS_KEYRING_WAIT_MS, &credential);
    if (err != CPS_OK)
        return cps_client_say(client, err, "%s", cps_keyring_detail(client->keyring));
    call->context = credential->context;
    return CPS_OK;
}

/* ---- while it is under way ---- */

static void take_failure(cps_call_t *call, const cps_event_failed_t *failed)
{
    cps_failure_t *f = &call->failure;
    call->err = failed->err;
    *f = (cps_failure_t){.cause = failed->cause, .hint = failed->hint, .sent = failed->sent};
    if (failed->hint != CPS_HINT_RESPONSE)
        return;
    f->hint_code = failed->message.code;
    if (cps_code_class(f->hint_code) != 2) /* what a forged success says is nothing to repeat */
        cps_text_clean(failed->message.payload, false, f->hint_text, sizeof f->hint_text);
}

/* What is done with a body failed here: the request ends, whatever comes of it. */
static void end_if(cps_client_t *client, cps_call_t *call, cps_err_t err)
{
    cps_command_t cancel = {.kind = CPS_COMMAND_CANCEL, .u.handle = call->handle};
    if (err == CPS_OK)
        return;
    call->done = true;
    call->err = err;
    (void)!cps_worker_submit(client->worker, &cancel, NULL); /* stale where this was the last part */
}

static void take_response(cps_client_t *client, cps_call_t *call, const cps_event_response_t *part)
{
    cps_event_response_t whole;
    cps_err_t err = cps_body_take(call, part, &whole);
    if (err != CPS_OK || part->more) {
        end_if(client, call, err);
        return;
    }
    call->done = true;
    cps_response_free(call->response); /* a notification may follow in the same turn of the loop */
    call->response = cps_response_new(&whole, call->credential, &call->plan.uri, call->request->uri);
    call->err = call->response != NULL ? CPS_OK : CPS_ERR_MEMORY;
}

void cps_call_event(cps_client_t *client, const cps_event_t *event)
{
    cps_call_t *call = client->call;
    bool over = call == NULL || (call->done && !call->observing);
    if (over || event->handle != call->handle || event->kind == CPS_EVENT_STALE)
        return;
    call->observing = event->kind == CPS_EVENT_RESPONSE && event->u.response.observing;
    if (event->kind == CPS_EVENT_FAILED) {
        call->done = true;
        take_failure(call, &event->u.failed);
    } else if (event->kind == CPS_EVENT_WANTED) {
        end_if(client, call, cps_body_give(client, call, &event->u.wanted));
    } else {
        take_response(client, call, &event->u.response);
    }
    if (call->done)
        uv_stop(&client->loop); /* a timer may have said it, and nothing may come any more: no waiting */
}

static void run(cps_client_t *client, cps_call_t *call)
{
    client->call = call;
    while (!call->done)
        uv_run(&client->loop, UV_RUN_ONCE);
    client->call = NULL;
}

static cps_err_t send_to(cps_client_t *client, cps_call_t *call, const cps_addr_t *peer)
{
    const cps_client_request_t *r = call->request;
    cps_time_us_t now = cps_worker_now(client->worker);
    cps_command_t command = {.kind = CPS_COMMAND_REQUEST};
    cps_command_request_t *c = &command.u.request;
    c->path.remote = call->peer = *peer;
    c->code = (uint8_t)r->method;
    c->non_confirmable = r->non_confirmable;
    c->repeat_unsafe = r->repeat_unsafe;
    c->no_repeat = r->no_repeat;
    c->options = call->plan.options;
    c->option_count = call->plan.option_count;
    cps_body_command(call, c);
    c->token = r->token;
    c->context = call->context;
    c->timeout_us = call->deadline_us - now;
    call->done = false;
    call->failure = (cps_failure_t){0};
    call->err = now < call->deadline_us ? cps_worker_socket(client->worker, (cps_family_t)peer->family, &c->path.socket)
                                        : CPS_ERR_TIMEOUT;
    if (call->err == CPS_OK && !cps_call_has_route(peer))
        call->err = CPS_ERR_UNREACHABLE;
    if (call->err != CPS_OK)
        return call->err;
    call->err = cps_worker_submit(client->worker, &command, &call->handle);
    if (call->err == CPS_OK)
        run(client, call);
    return call->err;
}

/* Whether the next address may be tried: only where this one cannot have received the request. For a sealed request the
 * network's word is a hint; it is enough where to do the same twice is no harm, or where it came from this machine. */
static bool may_go_on(const cps_call_t *call)
{
    if (call->err == CPS_ERR_UNREACHABLE || (call->err == CPS_ERR_IO && !call->failure.sent))
        return true;
    if (call->err != CPS_ERR_OUTCOME_UNKNOWN || call->failure.hint != CPS_HINT_UNREACHABLE)
        return false;
    return (call->request->method != CPS_POST && call->request->method != CPS_PATCH) ||
           cps_addr_is_loopback(&call->peer);
}

/* A resource that changed while it was read is read again, once, where nobody saw the first half. */
static bool may_read_again(const cps_call_t *call)
{
    const cps_client_request_t *r = call->request;
    return call->err == CPS_ERR_BODY_CHANGED && r->sink == NULL && (r->method == CPS_GET || r->method == CPS_FETCH);
}

cps_err_t cps_call_try(cps_client_t *client, cps_call_t *call, const cps_addr_t *addresses, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)!send_to(client, call, &addresses[i]);
        if (may_read_again(call))
            (void)!send_to(client, call, &addresses[i]);
        if (!may_go_on(call) || cps_worker_now(client->worker) >= call->deadline_us)
            break;
    }
    return call->err;
}

static cps_err_t send_to_some(cps_client_t *client, cps_call_t *call, const cps_addr_t *addresses, size_t count)
{
    if (cps_call_try(client, call, addresses, count) == CPS_OK)
        return CPS_OK;
    client->hint = call->failure.hint_code;
    return cps_client_say_failure(client, call);
}

cps_err_t cps_call_carry_out(cps_client_t *client, cps_call_t *call)
{
    cps_addr_t addresses[CPS_CALL_ADDRESSES_MAX];
    size_t count = 0;
    cps_err_t err = plan(client, call);
    if (err == CPS_OK)
        err = choose(client, call);
    if (err == CPS_OK)
        err = cps_pause_keep(client, call);
    if (err == CPS_OK)
        err = cps_call_find(client, call, addresses, &count);
    if (err != CPS_OK)
        return err;
    if (client->trace.chosen != NULL)
        client->trace.chosen(client->trace.user, call->context != 0 ? call->credential : NULL);
    err = send_to_some(client, call, addresses, count);
    if (err == CPS_OK && call->response != NULL)
        cps_pause_note(client, call);
    return err;
}

cps_err_t cps_call_begin(cps_client_t *client, const cps_client_request_t *given, cps_client_request_t *request)
{
    client->hint = CPS_EMPTY;
    client->detail[0] = client->refused[0] = '\0';
    if (cps_inside())
        return cps_client_say(client, CPS_ERR_CALLED_INSIDE, "%s", cps_err_text(CPS_ERR_CALLED_INSIDE));
    if (!cps_sized_copy(request, sizeof *request, given) || request->uri == NULL ||
        !cps_code_is_request((uint8_t)request->method) || request->token.len > CPS_TOKEN_MAX ||
        (request->source != NULL && request->payload.len != 0))
        return cps_client_say(client, CPS_ERR_ARGUMENT, "%s", cps_err_text(CPS_ERR_ARGUMENT));
    return CPS_OK;
}

cps_err_t cps_client_request(cps_client_t *client, const cps_client_request_t *given, cps_response_t **response)
{
    cps_client_request_t request = {.uri = ""};
    *response = NULL;
    cps_err_t err = cps_call_begin(client, given, &request);
    if (err != CPS_OK)
        return err;
    cps_call_t *call = calloc(1, sizeof *call);
    if (call == NULL)
        return cps_client_say(client, CPS_ERR_MEMORY, "%s", cps_err_text(CPS_ERR_MEMORY));
    call->request = &request;
    call->deadline_us = cps_worker_now(client->worker) + client->timeout_us;
    err = cps_call_carry_out(client, call);
    if (call->observing) { /* asked for with an option of the caller's: what follows is rejected */
        cps_command_t forget = {.kind = CPS_COMMAND_CANCEL, .u.handle = call->handle};
        (void)!cps_worker_submit(client->worker, &forget, NULL);
    }
    *response = call->response;
    free(call->body);
    free(call);
    return err;
}
