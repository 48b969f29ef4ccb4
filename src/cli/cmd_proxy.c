// SPDX-License-Identifier: Apache-2.0
/* `coapsule proxy FILE`: a forward proxy until SIGTERM. */
#include "cli/arg.h"
#include "cli/cmd.h"
#include "cli/cmd_daemon.h"
#include "cli/cmd_proxy.h"
#include "cli/exporter.h"

#include "host/notify.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DRAIN_US 10000000U

enum option { CHECK_CONFIG, DUMP_CONFIG, HELP_CONFIG, HELP };

static const cps_arg_row_t arguments[] = {
    {0, "check-config", NULL, "read FILE, say what is wrong with it, and end", false},
    {0, "dump-config", NULL, "print what FILE says, defaults included, and end", false},
    {0, "help-config", NULL, "print the keys that FILE may have", false},
    {'h', "help", NULL, "print this", false},
};

typedef struct daemon {
    uv_loop_t loop;
    cps_proxy_t *proxy;
    const char *path;
    cps_proxy_file_t *file;
    cps_log_t log;
    cps_lookup_t lookup;
    uv_signal_t signals[4]; /* SIGTERM, SIGINT, SIGUSR1, SIGHUP */
    cps_exporter_t *exporter;
    uv_poll_t http;    /* where there is an exporter */
    uv_timer_t second; /* what the log held back is told */
    bool ending;
} daemon_t;

static int help(void)
{
    puts(
        "usage: coapsule proxy [OPTION]... FILE\n\n"
        "Forward CoAP requests that carry Proxy-Uri or Proxy-Scheme, until SIGTERM. What OSCORE protects passes as it\n"
        "is. FILE is YAML; nobody but this host may use the proxy, and nothing can be reached through it, unless FILE\n"
        "says so.\n");
    cps_args_help(arguments, sizeof arguments / sizeof arguments[0]);
    puts("\n  coapsule proxy gw.yaml");
    return 0;
}

/* ---- life ---- */

static void close_all(daemon_t *d)
{
    cps_proxy_lookup_end(&d->lookup);
    cps_proxy_close(d->proxy);
    for (size_t i = 0; i < sizeof d->signals / sizeof d->signals[0]; i++)
        uv_close((uv_handle_t *)&d->signals[i], NULL);
    uv_close((uv_handle_t *)&d->second, NULL);
    if (d->exporter != NULL)
        uv_close((uv_handle_t *)&d->http, NULL);
    cps_exporter_free(d->exporter);
    d->exporter = NULL;
}

static void on_second(uv_timer_t *timer)
{
    daemon_t *d = timer->data;
    cps_log_tick(&d->log);
    cps_exporter_step(d->exporter); /* whoever says nothing is hung up on */
}

static void finish(void *user)
{
    daemon_t *d = user;
    cps_proxy_log_counters(d->proxy);
    close_all(d);
}

/* On the heap, since options and table point into it; the proxy points to one of them. */
static cps_proxy_file_t *load(const char *path, cps_log_t *log, int *status)
{
    cps_proxy_file_t *file = malloc(sizeof *file);
    *status = file != NULL ? cps_proxy_file_load(file, path, log) : cps_err_exit(CPS_ERR_MEMORY);
    if (*status == 0)
        return file;
    free(file);
    return NULL;
}

static void unload(cps_proxy_file_t *file)
{
    if (file != NULL)
        cps_proxy_file_fini(file);
    free(file);
}

/* The file again: all of it is taken, or nothing. */
static void reload(daemon_t *d)
{
    int status;
    (void)cps_notify_reloading();
    cps_proxy_file_t *next = load(d->path, &d->log, &status);
    bool taken = next != NULL;
    if (taken) {
        cps_daemon_files_t files = {.table = &next->table, .before = d->file, .after = next};
        taken = cps_daemon_may_reload(&files, &next->conf, &d->log);
    }
    if (taken) {
        cps_proxy_options_t options = {.log = &d->log};
        cps_proxy_file_options(next, &options);
        cps_proxy_reconfigure(d->proxy, &options);
        d->log.options.level = (cps_log_level_t)next->daemon.log_level;
        d->log.options.format = (cps_log_format_t)next->daemon.log_format;
    }
    unload(taken ? d->file : next);
    d->file = taken ? next : d->file;
    cps_daemon_say_reloaded(&d->log, d->path, taken);
}

static void on_signal(uv_signal_t *signal, int number)
{
    daemon_t *d = signal->data;
    if (number == SIGHUP) {
        if (!d->ending)
            reload(d);
        return;
    }
    if (number == SIGUSR1) {
        cps_proxy_log_counters(d->proxy);
        return;
    }
    (void)cps_notify("STOPPING=1");
    if (d->ending) /* asked twice: at once */
        cps_proxy_drain(d->proxy, 0, finish, d);
    else
        cps_proxy_drain(d->proxy, DRAIN_US, finish, d);
    d->ending = true;
}

static void watch(daemon_t *d)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uv_signal_init(&d->loop, &d->signals[i]);
        d->signals[i].data = d;
        uv_signal_start(&d->signals[i], on_signal, numbers[i]);
    }
    uv_timer_init(&d->loop, &d->second);
    d->second.data = d;
    uv_timer_start(&d->second, on_second, 1000, 1000);
}

/* ---- start ---- */

static cps_err_t make(daemon_t *d)
{
    cps_proxy_options_t options = {.log = &d->log};
    cps_proxy_file_options(d->file, &options);
    cps_proxy_lookup_begin(&d->lookup, &d->loop, &options.lookup);
    cps_err_t err = cps_proxy_new(&d->proxy, &d->loop, &options);
    if (err != CPS_OK)
        fprintf(stderr, "coapsule proxy: %s\n", cps_err_text(err));
    d->lookup.proxy = d->proxy;
    return err;
}

/* Open all sockets, and say where: one line, which tests and scripts wait for, whatever the level of the log. */
static cps_err_t listen_all(daemon_t *d)
{
    const cps_conf_list_t *list = &d->file->daemon.listen;
    const cps_addr_t *at = list->items;
    char text[CPS_ADDR_TEXT_MAX];
    char line[CPS_SOCKETS_MAX * (CPS_ADDR_TEXT_MAX + 8)] = "";
    size_t len = 0;
    for (size_t i = 0; i < list->count; i++) {
        cps_addr_t bound;
        cps_err_t err = cps_proxy_listen(d->proxy, &at[i], &bound);
        if (err != CPS_OK) {
            fprintf(stderr, "coapsule proxy: %s\n", cps_proxy_detail(d->proxy));
            return err;
        }
        len += (size_t)snprintf(line + len, sizeof line - len, "%scoap://%s", len == 0 ? "" : " ",
                                cps_addr_format(&bound, text));
    }
    d->log.options.level = CPS_LOG_INFO;
    CPS_LOG(&d->log, CPS_LOG_INFO, "ready", cps_log_text("name", cps_proxy_name(d->proxy)), cps_log_text("at", line));
    d->log.options.level = (cps_log_level_t)d->file->daemon.log_level;
    (void)cps_notify_ready(line);
    return CPS_OK;
}

/* ---- metrics ---- */

static void on_http(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    cps_exporter_step(((daemon_t *)poll->data)->exporter);
}

static void write_metrics(void *user, cps_metrics_out_t *out)
{
    const daemon_t *d = user;
    cps_metrics_put(out, CPS_METRIC_BUILD, COAPSULE_VERSION, 1);
    cps_proxy_metrics(d->proxy, out);
    cps_metrics_put(out, CPS_METRIC_LOG_LOST, NULL, d->log.lost);
}

static cps_err_t export(daemon_t *d, cps_exporter_options_t *options)
{
    *options = (cps_exporter_options_t){.at = &d->file->daemon.metrics,
                                        .named = cps_conf_is_set(&d->file->conf, "metrics"),
                                        .write = write_metrics,
                                        .user = d,
                                        .log = &d->log};
    cps_err_t err = cps_exporter_new(&d->exporter, options);
    if (err != CPS_OK)
        fprintf(stderr, "coapsule proxy: metrics: the address is in use, or none of this host\n");
    if (d->exporter == NULL)
        return err;
    uv_poll_init(&d->loop, &d->http, cps_exporter_fd(d->exporter));
    d->http.data = d;
    uv_poll_start(&d->http, UV_READABLE, on_http);
    return CPS_OK;
}

static int run(daemon_t *d)
{
    cps_log_options_t log = {.level = (cps_log_level_t)d->file->daemon.log_level,
                             .format = (cps_log_format_t)d->file->daemon.log_format,
                             .fd = STDERR_FILENO};
    cps_log_init(&d->log, &log);
    if (uv_loop_init(&d->loop) != 0)
        return cps_err_exit(CPS_ERR_MEMORY);
    cps_err_t err = make(d);
    if (err == CPS_OK) {
        cps_exporter_options_t metrics;
        watch(d);
        err = export(d, &metrics);
        if (err == CPS_OK)
            err = listen_all(d);
        if (err == CPS_OK)
            cps_exporter_announce(d->exporter, &metrics);
        else
            close_all(d);
    }
    uv_run(&d->loop, UV_RUN_DEFAULT);
    uv_loop_close(&d->loop);
    cps_log_flush(&d->log);
    return cps_err_exit(err);
}

/* What the command line says. The exit code where it ends here, else -1. */
static int read_arguments(const char **path, bool asked[HELP + 1], int argc, char **argv)
{
    cps_args_t args = cps_args_begin("coapsule proxy", arguments, sizeof arguments / sizeof arguments[0], argc, argv);
    cps_arg_t arg;
    cps_arg_got_t got;
    while ((got = cps_args_next(&args, &arg)) == CPS_ARG_GOT) {
        if (arg.row == &arguments[HELP])
            return help();
        if (arg.row == &arguments[HELP_CONFIG])
            return cps_proxy_file_help();
        if (arg.row != NULL)
            asked[arg.row - arguments] = true;
        else if (*path != NULL)
            return cps_usage("coapsule proxy", "one FILE, not two: %s and %s", *path, arg.value);
        else
            *path = arg.value;
    }
    if (got == CPS_ARG_WRONG)
        return CPS_EXIT_USAGE;
    return *path != NULL ? -1 : cps_usage("coapsule proxy", "no FILE; coapsule proxy --help says more");
}

int cps_cmd_proxy(int argc, char **argv)
{
    daemon_t d;
    memset(&d, 0, sizeof d);
    bool asked[HELP + 1] = {false};
    int status = read_arguments(&d.path, asked, argc, argv);
    if (status >= 0)
        return status;
    d.file = load(d.path, NULL, &status);
    if (d.file == NULL)
        return status;
    if (asked[DUMP_CONFIG] && !asked[CHECK_CONFIG])
        cps_conf_dump(stdout, &d.file->table, d.file);
    else if (!asked[CHECK_CONFIG])
        status = run(&d);
    unload(d.file);
    return status;
}
