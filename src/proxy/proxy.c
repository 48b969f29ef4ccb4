// SPDX-License-Identifier: Apache-2.0
/* The loop of a proxy: its worker, its timer, and what the engine needs of them. */
#include "proxy/proxy.h"

#include "crypto/provider.h"
#include "proxy/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What stands around an engine; the engine's driver leads back to it. */
typedef struct shell {
    cps_proxy_t *proxy;
    cps_worker_t *worker;
    uv_timer_t timer;
    bool closing;
} shell_t;

static shell_t *shell_of(const cps_proxy_t *proxy) { return proxy->driver.self; }

/* ---- what the engine needs ---- */

static cps_time_us_t now(void *self) { return cps_worker_now(((shell_t *)self)->worker); }

static cps_err_t submit(void *self, const cps_command_t *command, cps_handle_t *handle)
{
    return cps_worker_submit(((shell_t *)self)->worker, command, handle);
}

static cps_err_t get_socket(void *self, cps_family_t family, uint16_t *number)
{
    return cps_worker_socket(((shell_t *)self)->worker, family, number);
}

static void on_timer(uv_timer_t *timer) { cps_proxy_tick(((shell_t *)timer->data)->proxy); }

static void wake_at(void *self, cps_time_us_t when)
{
    shell_t *shell = self;
    if (shell->closing)
        return;
    cps_time_us_t at = cps_worker_now(shell->worker);
    uv_update_time(cps_worker_loop(shell->worker));
    uv_timer_start(&shell->timer, on_timer, when <= at ? 0 : (when - at + 999) / 1000, 0);
}

/* ---- what the worker says ---- */

static void on_event(void *user, const cps_event_t *event) { cps_proxy_on_event(((shell_t *)user)->proxy, event); }

static void on_trace(void *user, bool outbound, const cps_datagram_t *datagram)
{
    if (!outbound)
        cps_proxy_on_datagram(((shell_t *)user)->proxy, datagram);
}

/* ---- life ---- */

static void release(shell_t *shell)
{
    cps_proxy_engine_free(shell->proxy);
    free(shell);
}

static void name_of_host(char *out, size_t size)
{
    out[size - 1] = '\0';
    if (gethostname(out, size - 1) != 0 || !cps_proxy_is_identifier(out))
        snprintf(out, size, "proxy");
}

static cps_err_t build(shell_t *shell, uv_loop_t *loop, const cps_proxy_options_t *given)
{
    char host[256];
    cps_proxy_options_t options = *given;
    cps_proxy_driver_t driver = {.now = now, .submit = submit, .socket = get_socket, .wake_at = wake_at, .self = shell};
    cps_worker_hooks_t hooks = {.event = on_event, .trace = on_trace, .user = shell};
    name_of_host(host, sizeof host);
    if (options.name == NULL)
        options.name = host;
    if (!cps_proxy_is_identifier(options.name))
        return CPS_ERR_CONFIG;
    cps_proxy_endpoint(&options.endpoint);
    cps_err_t err = cps_worker_new(&shell->worker, loop, &options.endpoint, &hooks);
    if (err != CPS_OK)
        return err;
    driver.rng = cps_crypto_rng(cps_worker_crypto(shell->worker));
    err = cps_proxy_engine_new(&shell->proxy, &options, &driver);
    if (err == CPS_OK)
        cps_proxy_is_called(shell->proxy, host);
    else
        cps_worker_close(shell->worker);
    return err;
}

cps_err_t cps_proxy_new(cps_proxy_t **out, uv_loop_t *loop, const cps_proxy_options_t *options)
{
    *out = NULL;
    shell_t *shell = calloc(1, sizeof *shell);
    if (shell == NULL)
        return CPS_ERR_MEMORY;
    cps_err_t err = build(shell, loop, options);
    if (err != CPS_OK) {
        free(shell);
        return err;
    }
    uv_timer_init(loop, &shell->timer);
    shell->timer.data = shell;
    *out = shell->proxy;
    return CPS_OK;
}

static void on_closed(uv_handle_t *timer) { release(timer->data); }

void cps_proxy_close(cps_proxy_t *proxy)
{
    if (proxy == NULL)
        return;
    shell_t *shell = shell_of(proxy);
    shell->closing = true;
    cps_worker_close(shell->worker);
    uv_close((uv_handle_t *)&shell->timer, on_closed);
}

cps_err_t cps_proxy_listen(cps_proxy_t *proxy, const cps_addr_t *at, cps_addr_t *bound)
{
    cps_addr_t real;
    cps_err_t err = cps_worker_listen(shell_of(proxy)->worker, at, &real);
    if (err != CPS_OK)
        return err;
    cps_proxy_is_at(proxy, &real);
    if (bound != NULL)
        *bound = real;
    return CPS_OK;
}

const char *cps_proxy_detail(const cps_proxy_t *proxy) { return cps_worker_detail(shell_of(proxy)->worker); }

void cps_proxy_metrics(const cps_proxy_t *proxy, cps_metrics_out_t *out)
{
    cps_ep_stats_t ep;
    cps_proxy_stats_t stats;
    cps_proxy_stats(proxy, &stats);
    cps_ep_stats(cps_worker_ep(shell_of(proxy)->worker), &ep);
    const struct {
        const char *name;
        uint64_t count;
    } outcomes[] = {{"taken", stats.requests},
                    {"local", stats.local},
                    {"forwarded", stats.forwarded},
                    {"forwarded_sealed", stats.sealed},
                    {"answered", stats.answered},
                    {"challenged", stats.challenged},
                    {"late", stats.late}};
    cps_metrics_endpoint(out, &ep, &proxy->options.endpoint);
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++)
        cps_metrics_put(out, CPS_METRIC_PROXY_REQUESTS, outcomes[i].name, outcomes[i].count);
    for (int i = 0; i < CPS_PROXY_REASONS; i++)
        cps_metrics_put(out, CPS_METRIC_PROXY_REFUSALS, cps_proxy_reason_name((cps_proxy_reason_t)i), stats.refused[i]);
    cps_metrics_put(out, CPS_METRIC_PROXY_OPEN, NULL, stats.open);
}
