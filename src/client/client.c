// SPDX-License-Identifier: Apache-2.0
/* A client's life, and the requests that are made in one line. */
#include "client/client.h"

#include "base/sized.h"
#include "host/inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TIMEOUT_MS  93000U /* MAX_TRANSMIT_WAIT (RFC 7252 §4.8.2) */
#define DEDUP_BYTES (1U << 20U)
#define PEERS       64U
#define CLOSE_TURNS 8 /* of the loop, until all handles are closed */

/* The sentence of cps_client_new, which has no client yet to leave it in. */
static _Thread_local _Alignas(64) char new_detail[CPS_CLIENT_DETAIL_MAX];

const char *cps_client_detail(const cps_client_t *client) { return client != NULL ? client->detail : new_detail; }

uint8_t cps_client_hint(const cps_client_t *client) { return client->hint; }

cps_err_t cps_client_say(cps_client_t *client, cps_err_t err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(client->detail, sizeof client->detail, format, args);
    va_end(args);
    return err;
}

void cps_client_set_trace(cps_client_t *client, const cps_client_trace_t *trace) { client->trace = *trace; }

/* ---- hooks of the loop ---- */

/* Nobody asks a client anything: what does all the same gets an answer that keeps no state. */
static void refuse_request(cps_client_t *client, cps_handle_t handle)
{
    cps_command_t refusal = {.kind = CPS_COMMAND_REPLY,
                             .u.reply = {.request = handle, .code = CPS_NOT_FOUND, .refused = true}};
    cps_command_t silence = {.kind = CPS_COMMAND_IGNORE, .u.handle = handle};
    if (cps_worker_submit(client->worker, &refusal, NULL) != CPS_OK)
        (void)!cps_worker_submit(client->worker, &silence, NULL);
}

static void on_event(void *user, const cps_event_t *event)
{
    cps_client_t *client = user;
    switch (event->kind) {
    case CPS_EVENT_JOB:
        cps_leases_job(client->leases, event);
        break;
    case CPS_EVENT_NOTE:
        if (client->trace.note != NULL)
            client->trace.note(client->trace.user, &event->u.note);
        break;
    case CPS_EVENT_REQUEST:
        refuse_request(client, event->handle);
        break;
    case CPS_EVENT_RESPONSE:
    case CPS_EVENT_FAILED:
    case CPS_EVENT_WANTED:
    case CPS_EVENT_STALE:
        if (!cps_stream_event(client, event))
            cps_call_event(client, event);
        break;
    case CPS_EVENT_NOTIFY:
    case CPS_EVENT_UNOBSERVED:
    case CPS_EVENT_ABANDONED:
        break; /* a client serves nothing */
    }
}

static void on_datagram(void *user, bool outbound, const cps_datagram_t *datagram)
{
    cps_client_t *client = user;
    if (client->trace.datagram != NULL)
        client->trace.datagram(client->trace.user, outbound, datagram);
}

static void on_refused(void *user, cps_err_t err, const char *sentence)
{
    cps_client_t *client = user;
    (void)err;
    snprintf(client->refused, sizeof client->refused, "%s", sentence);
}

/* ---- life ---- */

static cps_err_t copy_text(char **to, const char *from)
{
    *to = from != NULL ? strdup(from) : NULL;
    return from != NULL && *to == NULL ? CPS_ERR_MEMORY : CPS_OK;
}

static cps_err_t take_options(cps_client_t *client, const cps_client_options_t *options)
{
    if (options->proxy != NULL && options->proxy_uri != NULL)
        return cps_client_say(client, CPS_ERR_CONFIG,
                              "proxy and proxy_uri are two ways to one proxy: give one of them");
    if (options->plain && (options->sealed || options->credential != NULL))
        return cps_client_say(client, CPS_ERR_CONFIG, "plain means not to seal, and goes with no credential");
    if (options->credential != NULL && options->state == NULL)
        return cps_client_say(client, CPS_ERR_CONFIG, "credential %s is named, but no keyring (state)",
                              options->credential);
    client->plain = options->plain;
    client->sealed = options->sealed;
    client->timeout_us = 1000ULL * (options->timeout_ms != 0 ? options->timeout_ms : TIMEOUT_MS);
    client->proxy_by_uri = options->proxy_uri != NULL;
    cps_err_t err = copy_text(&client->credential, options->credential);
    if (err == CPS_OK)
        err = copy_text(&client->proxy, client->proxy_by_uri ? options->proxy_uri : options->proxy);
    return err;
}

static cps_err_t make_worker(cps_client_t *client, const cps_ep_config_t *wanted)
{
    cps_ep_config_t config = *wanted;
    cps_worker_hooks_t hooks = {on_event, on_datagram, client};
    if (config.dedup_bytes == 0)
        config.dedup_bytes = DEDUP_BYTES; /* one request at a time: a server's budget would only be mapped */
    if (config.peers == 0)
        config.peers = PEERS;
    return cps_worker_new(&client->worker, &client->loop, &config, &hooks);
}

/* The ways on where a keyring is gone (OPS-3): a secret without its numbers must not start at zero again. */
static cps_err_t say_lost(cps_client_t *client, const char *path)
{
    return cps_client_say(
        client, CPS_ERR_STATE_LOST,
        "%s: there is no keyring here, so nothing can be sealed; if it was lost, go on with fresh keys "
        "(coapsule key new, or key rekey on a copy that still sends), or import the key again above all "
        "numbers it has used (coapsule key import --next-sequence N)",
        path);
}

static cps_err_t open_keyring(cps_client_t *client, const char *path)
{
    if (path == NULL)
        return CPS_OK;
    cps_store_options_t options = {.path = path};
    cps_err_t err = cps_store_sqlite_open(&client->store, &options);
    if (err == CPS_ERR_NOT_FOUND)
        return say_lost(client, path);
    if (err != CPS_OK)
        return cps_client_say(client, err, "%s", cps_store_detail());
    err = cps_keyring_new(&client->keyring, client->store, cps_worker_ep(client->worker));
    if (err == CPS_OK)
        err = cps_leases_new(&client->leases, client->worker, client->keyring, client->store);
    if (err == CPS_OK)
        cps_leases_on_refused(client->leases, on_refused, client);
    return err;
}

cps_err_t cps_client_new(cps_client_t **out, const cps_client_options_t *given)
{
    cps_client_options_t full;
    const cps_client_options_t *options = &full;
    *out = NULL;
    new_detail[0] = '\0';
    if (!cps_sized_copy(&full, sizeof full, given))
        return CPS_ERR_ARGUMENT;
    if (cps_inside())
        return CPS_ERR_CALLED_INSIDE;
    cps_client_t *client = calloc(1, sizeof *client);
    if (client == NULL)
        return CPS_ERR_MEMORY;
    if (uv_loop_init(&client->loop) != 0) {
        free(client);
        return CPS_ERR_IO;
    }
    uv_timer_init(&client->loop, &client->timer);
    cps_err_t err = take_options(client, options);
    if (err == CPS_OK)
        err = make_worker(client, &options->endpoint);
    if (err == CPS_OK)
        err = open_keyring(client, client->plain ? NULL : options->state);
    if (err == CPS_OK) {
        *out = client;
        return CPS_OK;
    }
    snprintf(new_detail, sizeof new_detail, "%s", client->detail[0] != '\0' ? client->detail : cps_err_text(err));
    cps_client_free(client);
    return err;
}

void cps_client_settle(cps_client_t *client)
{
    while (client->leases != NULL && cps_leases_busy(client->leases))
        uv_run(&client->loop, UV_RUN_ONCE);
}

/* What the next start has to know, while nothing is sealed or accepted any more. A save that fails costs no safety: the
 * next start takes this end for a crash. */
static void save(cps_client_t *client)
{
    cps_client_settle(client);
    if (client->keyring != NULL)
        (void)!cps_keyring_save(client->keyring);
}

bool cps_client_is_stuck(const cps_client_t *client) { return client->stuck; }

/* Let the loop close everything. A thread that hangs in a look-up keeps the loop, and with it the client's memory: that is
 * given up rather than waited for. */
static bool close_loop(cps_client_t *client)
{
    if (!client->stuck) {
        uv_run(&client->loop, UV_RUN_DEFAULT);
        return uv_loop_close(&client->loop) == 0;
    }
    for (int turn = 0; turn < CLOSE_TURNS; turn++)
        uv_run(&client->loop, UV_RUN_NOWAIT);
    return uv_loop_close(&client->loop) == 0;
}

void cps_client_free(cps_client_t *client)
{
    if (client == NULL)
        return;
    cps_stream_forget_all(client);
    save(client);
    cps_keyring_free(client->keyring);
    cps_leases_close(client->leases);
    cps_worker_close(client->worker);
    uv_close((uv_handle_t *)&client->timer, NULL);
    bool closed = close_loop(client);
    if (client->store != NULL)
        client->store->table->close(client->store);
    free(client->credential);
    free(client->proxy);
    if (closed)
        free(client);
}

/* ---- requests in one line ---- */

cps_err_t cps_client_get(cps_client_t *client, const char *uri, cps_response_t **response)
{
    return cps_client_request(client, CPS_CLIENT_REQUEST(.method = CPS_GET, .uri = uri), response);
}

cps_err_t cps_client_delete(cps_client_t *client, const char *uri, cps_response_t **response)
{
    return cps_client_request(client, CPS_CLIENT_REQUEST(.method = CPS_DELETE, .uri = uri), response);
}

static cps_err_t request_text(cps_client_t *client, cps_code_t method, const char *uri, const char *text,
                              cps_response_t **response)
{
    const cps_option_t format = {CPS_OPT_CONTENT_FORMAT, cps_bytes(NULL, 0)}; /* 0: text/plain;charset=utf-8 */
    return cps_client_request(client,
                              CPS_CLIENT_REQUEST(.method = method, .uri = uri, .options = &format, .option_count = 1,
                                                 .payload = cps_bytes_str(text)),
                              response);
}

static cps_err_t request_body(cps_client_t *client, cps_client_request_t request, uint16_t format,
                              cps_response_t **response)
{
    uint8_t bytes[4];
    const cps_option_t option = {CPS_OPT_CONTENT_FORMAT, cps_opt_uint_bytes(format, bytes)};
    request.size = sizeof request;
    request.options = &option;
    request.option_count = 1;
    return cps_client_request(client, &request, response);
}

cps_err_t cps_client_fetch(cps_client_t *client, const char *uri, uint16_t format, cps_bytes_t body,
                           cps_response_t **response)
{
    return request_body(client, (cps_client_request_t){.method = CPS_FETCH, .uri = uri, .payload = body}, format,
                        response);
}

cps_err_t cps_client_patch(cps_client_t *client, const char *uri, uint16_t format, cps_bytes_t body,
                           cps_response_t **response)
{
    return request_body(client, (cps_client_request_t){.method = CPS_PATCH, .uri = uri, .payload = body}, format,
                        response);
}

cps_err_t cps_client_ipatch(cps_client_t *client, const char *uri, uint16_t format, cps_bytes_t body,
                            cps_response_t **response)
{
    return request_body(client, (cps_client_request_t){.method = CPS_IPATCH, .uri = uri, .payload = body}, format,
                        response);
}

cps_err_t cps_client_put(cps_client_t *client, const char *uri, const char *text, cps_response_t **response)
{
    return request_text(client, CPS_PUT, uri, text, response);
}

cps_err_t cps_client_post(cps_client_t *client, const char *uri, const char *text, cps_response_t **response)
{
    return request_text(client, CPS_POST, uri, text, response);
}
