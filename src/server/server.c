// SPDX-License-Identifier: Apache-2.0
/* The life of a server. */
#include "server/server.h"

#include "base/sized.h"
#include "host/inside.h"
#include "host/rand.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>

#define REQUESTS      256U /* defaults of the endpoint (core.h) */
#define MESSAGE_MAX   1152U
#define HEADERS       128U /* of an answer, beside its payload (RFC 7252 §4.6) */
#define RETRY_MS      1U
#define DRAIN_STEP_MS 20U
#define DRAIN_STEPS   100U /* 2 s in all */

static _Thread_local _Alignas(
    64) char last_detail[CPS_SERVER_DETAIL_MAX]; /* of this thread's last cps_server_new, as errno is */

cps_err_t cps_server_fail(cps_server_t *server, cps_err_t err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(server->detail, sizeof server->detail, format, args);
    va_end(args);
    return err;
}

const char *cps_server_detail(const cps_server_t *server) { return server != NULL ? server->detail : last_detail; }

/* ---- what the dispatch asks for ---- */

static cps_err_t submit(void *user, const cps_command_t *command, cps_handle_t *handle)
{
    return cps_worker_submit(((cps_server_t *)user)->worker, command, handle);
}

static const char *credential(void *user, const cps_event_request_t *request)
{
    const cps_credential_t *found = cps_keyring_at(((cps_server_t *)user)->keyring, request->user);
    return found != NULL ? found->name : "";
}

static void on_retry(uv_timer_t *timer)
{
    cps_server_t *s = timer->data;
    if (!cps_dispatch_retry(&s->dispatch))
        uv_timer_start(timer, on_retry, RETRY_MS, 0);
}

static cps_time_us_t now(void *user) { return cps_worker_now(((const cps_server_t *)user)->worker); }

static void later(void *user)
{
    cps_server_t *s = user;
    uv_timer_start(&s->retry, on_retry, RETRY_MS, 0);
}

static void on_stop(uv_async_t *async)
{
    cps_server_t *s = async->data;
    s->stopping = true;
    uv_stop(&s->loop);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    cps_server_stop(handle->data);
}

/* ---- making one ---- */

static cps_err_t make_loop(cps_server_t *s)
{
    if (uv_loop_init(&s->loop) != 0)
        return cps_server_fail(s, CPS_ERR_MEMORY, "%s", cps_err_text(CPS_ERR_MEMORY));
    if (uv_async_init(&s->loop, &s->stop, on_stop) != 0) {
        uv_loop_close(&s->loop);
        return cps_server_fail(s, CPS_ERR_IO, "the event loop could not be made");
    }
    uv_timer_init(&s->loop, &s->retry);
    uv_timer_init(&s->loop, &s->log_tick);
    uv_timer_init(&s->loop, &s->wait);
    s->stop.data = s->retry.data = s->log_tick.data = s;
    for (size_t i = 0; i < CPS_SERVER_SIGNALS; i++) {
        uv_signal_init(&s->loop, &s->signals[i]);
        s->signals[i].data = s;
    }
    s->has_loop = true;
    return CPS_OK;
}

static cps_err_t make_worker(cps_server_t *s, const cps_server_options_t *options)
{
    const cps_ep_config_t *config = &options->endpoint;
    cps_worker_hooks_t hooks = {.event = cps_server_event, .user = s};
    cps_err_t err = cps_worker_new(&s->worker, &s->loop, config, &hooks);
    if (err != CPS_OK)
        return cps_server_fail(s, err, "limits and parameters: %s", cps_err_text(err));
    cps_rng_t rng = cps_rand_system();
    uint32_t message_max = config->message_max != 0 ? config->message_max : MESSAGE_MAX;
    cps_dispatch_hooks_t dispatch_hooks = {submit, credential, cps_server_served, later, s, now};
    cps_dispatch_options_t dispatch = {.requests = config->requests_in != 0 ? config->requests_in : REQUESTS,
                                       .payload_max = message_max - HEADERS,
                                       .names = options->names,
                                       .rate = options->rate,
                                       .rng = &rng};
    err = cps_dispatch_init(&s->dispatch, &dispatch_hooks, &dispatch);
    s->has_dispatch = err == CPS_OK;
    return err == CPS_OK ? CPS_OK : cps_server_fail(s, err, "%s", cps_err_text(err));
}

static cps_err_t open_keyring(cps_server_t *s, const cps_server_options_t *options)
{
    cps_store_options_t how = {.path = options->state};
    cps_err_t err = cps_store_sqlite_open(&s->store, &how);
    if (err != CPS_OK)
        return cps_server_fail(s, err, "%s", cps_store_detail());
    err = cps_keyring_new(&s->keyring, s->store, cps_worker_ep(s->worker));
    if (err == CPS_OK)
        err = cps_leases_new(&s->leases, s->worker, s->keyring, s->store);
    if (err != CPS_OK)
        return cps_server_fail(s, err, "%s", cps_err_text(err));
    cps_leases_on_refused(s->leases, cps_server_store_refused, s);
    err = cps_keyring_load(s->keyring, options->contexts);
    return err == CPS_OK ? CPS_OK : cps_server_fail(s, err, "%s", cps_keyring_detail(s->keyring));
}

static cps_err_t make(cps_server_t *s, const cps_server_options_t *options)
{
    s->catch_signals = options->signals;
    s->limits = options->endpoint;
    cps_err_t err = cps_server_log_init(s, options);
    if (err == CPS_OK)
        err = make_loop(s);
    if (err == CPS_OK)
        err = make_worker(s, options);
    if (err == CPS_OK)
        err = cps_server_listen(s, options->listen);
    if (err == CPS_OK && options->state != NULL)
        err = open_keyring(s, options);
    for (size_t i = 0; i < s->address_count && err == CPS_OK; i++)
        CPS_SERVER_LOG(s, CPS_LOG_INFO, "listening", cps_log_text("at", s->addresses[i]));
    return err;
}

cps_err_t cps_server_new(cps_server_t **out, const cps_server_options_t *options)
{
    cps_server_options_t full;
    *out = NULL;
    snprintf(last_detail, sizeof last_detail, "%s", "cps_server_new: make the options with CPS_SERVER_OPTIONS");
    if (!cps_sized_copy(&full, sizeof full, options))
        return CPS_ERR_ARGUMENT;
    cps_server_t *s = calloc(1, sizeof *s);
    snprintf(last_detail, sizeof last_detail, "%s", cps_err_text(CPS_ERR_MEMORY));
    if (s == NULL)
        return CPS_ERR_MEMORY;
    cps_err_t err = make(s, &full);
    snprintf(last_detail, sizeof last_detail, "%s", s->detail);
    if (err != CPS_OK) {
        cps_server_free(s);
        return err;
    }
    s->started = true;
    *out = s;
    return CPS_OK;
}

cps_err_t cps_server_add(cps_server_t *server, const cps_resource_t *resource)
{
    cps_resource_t full;
    const char *reason = "make it with CPS_RESOURCE, and give it a path";
    cps_err_t err = CPS_ERR_ARGUMENT;
    if (cps_sized_copy(&full, sizeof full, resource) && full.path != NULL)
        err = cps_dispatch_add(&server->dispatch, &full, &reason);
    if (err == CPS_OK)
        return CPS_OK;
    return cps_server_fail(server, err, "resource %s: %s", full.path != NULL ? full.path : "", reason);
}

/* ---- ending one ---- */

static void wake(uv_timer_t *timer) { (void)timer; }

/* Whether an answer is still on its way down. */
static bool is_busy(const cps_server_t *s)
{
    cps_ep_stats_t stats;
    cps_ep_stats(cps_worker_ep(s->worker), &stats);
    return stats.requests_in != 0 || s->dispatch.kept_first != NULL;
}

/* Answer what is open. The store is waited for as long as it takes, a peer's network is not. */
static void drain(cps_server_t *s)
{
    cps_dispatch_close(&s->dispatch);
    for (unsigned step = 0;;) {
        (void)cps_dispatch_retry(&s->dispatch);
        uv_timer_start(&s->retry, wake, DRAIN_STEP_MS, 0);
        uv_run(&s->loop, UV_RUN_NOWAIT); /* what was submitted leaves */
        bool at_store = s->leases != NULL && cps_leases_busy(s->leases);
        if (!at_store && (!is_busy(s) || step++ == DRAIN_STEPS))
            break;
        uv_run(&s->loop, UV_RUN_ONCE);
    }
    uv_timer_stop(&s->retry);
}

static void save(cps_server_t *s)
{
    cps_err_t err = s->keyring != NULL ? cps_keyring_save(s->keyring) : CPS_OK;
    if (err == CPS_OK)
        CPS_SERVER_LOG(s, CPS_LOG_INFO, "stopped", cps_log_text("state", s->keyring != NULL ? "saved" : "none"));
    else /* nothing is lost: Echo recovers the windows, and numbers go on at their ceilings */
        CPS_SERVER_LOG(s, CPS_LOG_ERROR, "stopped", cps_log_text("state", "not_saved"), cps_log_err("error", err),
                       cps_log_text("detail", cps_keyring_detail(s->keyring)));
    cps_log_flush(&s->log);
}

static void close_loop(cps_server_t *s)
{
    cps_leases_close(s->leases);
    cps_worker_close(s->worker);
    uv_close((uv_handle_t *)&s->stop, NULL);
    uv_close((uv_handle_t *)&s->retry, NULL);
    uv_close((uv_handle_t *)&s->log_tick, NULL);
    uv_close((uv_handle_t *)&s->wait, NULL);
    for (size_t i = 0; i < CPS_SERVER_SIGNALS; i++)
        uv_close((uv_handle_t *)&s->signals[i], NULL);
    while (uv_run(&s->loop, UV_RUN_DEFAULT) != 0)
        continue; /* a stop that came meanwhile ends one run early */
    uv_loop_close(&s->loop);
}

void cps_server_free(cps_server_t *server)
{
    if (server == NULL || cps_inside())
        return; /* inside a handler its own request would be freed under it */
    if (server->started) {
        drain(server);
        save(server);
    }
    if (server->has_loop)
        close_loop(server);
    if (server->has_dispatch)
        cps_dispatch_fini(&server->dispatch);
    cps_keyring_free(server->keyring);
    if (server->store != NULL)
        server->store->table->close(server->store);
    free(server);
}

/* ---- running it ---- */

static cps_err_t called_inside(cps_server_t *s, const char *call)
{
    return cps_server_fail(s, CPS_ERR_CALLED_INSIDE, "%s: %s", call, cps_err_text(CPS_ERR_CALLED_INSIDE));
}

cps_err_t cps_server_run(cps_server_t *server)
{
    static const int numbers[CPS_SERVER_SIGNALS] = {SIGINT, SIGTERM};
    if (cps_inside())
        return called_inside(server, "cps_server_run");
    for (size_t i = 0; i < CPS_SERVER_SIGNALS && server->catch_signals; i++)
        uv_signal_start(&server->signals[i], on_signal, numbers[i]);
    while (!server->stopping)
        uv_run(&server->loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < CPS_SERVER_SIGNALS; i++)
        uv_signal_stop(&server->signals[i]);
    server->stopping = false;
    return CPS_OK;
}

void cps_server_stop(cps_server_t *server) { uv_async_send(&server->stop); }

int cps_server_fd(const cps_server_t *server) { return uv_backend_fd(&server->loop); }

int cps_server_timeout_ms(cps_server_t *server)
{
    uv_update_time(&server->loop);
    return uv_backend_timeout(&server->loop);
}

cps_err_t cps_server_step(cps_server_t *server)
{
    if (cps_inside())
        return called_inside(server, "cps_server_step");
    uv_run(&server->loop, UV_RUN_NOWAIT);
    return CPS_OK;
}

const char *cps_server_address(const cps_server_t *server, size_t place)
{
    return place < server->address_count ? server->addresses[place] : NULL;
}

cps_err_t cps_server_changed(cps_server_t *server, const char *path)
{
    cps_err_t err = cps_dispatch_changed(&server->dispatch, path);
    return err == CPS_OK ? CPS_OK : cps_server_fail(server, err, "%s: %s", path, cps_err_text(err));
}

void cps_server_etag(cps_server_t *server, uint8_t etag[8]) { cps_dispatch_etag(&server->dispatch, etag); }

void cps_server_stats(const cps_server_t *server, cps_ep_stats_t *out)
{
    cps_ep_stats(cps_worker_ep(server->worker), out);
}
