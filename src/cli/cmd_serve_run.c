// SPDX-License-Identifier: Apache-2.0
/* The daemon: a server driven by the loop of this file, which adds what the library leaves to its callers: signals, and
 * things that answer later. */
#include "cli/cmd_serve.h"

#include "cli/cmd.h"
#include "cli/cmd_keyring.h"
#include "cli/exporter.h"
#include "cli/kind.h"
#include "host/notify.h"
#include "server/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define COMMAND "coapsule serve"

typedef struct daemon {
    cps_serve_t *serve;
    cps_server_t *server;
    cps_kinds_t kinds;
    cps_log_t log; /* what the things say; the server has its own */
    int signals;
    cps_exporter_t *exporter;
    char listen[CPS_SERVE_LISTEN_MAX];
    char state[CPS_KEYRING_PATH_MAX];
    char *contexts;
} daemon_t;

/* ---- what the server is made with ---- */

static bool join_listen(daemon_t *d)
{
    const cps_addr_t *addrs = d->serve->conf.listen.items;
    cps_writer_t w = cps_writer(d->listen, sizeof d->listen - 1);
    char text[CPS_ADDR_TEXT_MAX];
    if (d->serve->listen[0] != '\0')
        cps_write_str(&w, d->serve->listen);
    for (size_t i = 0; d->serve->listen[0] == '\0' && i < d->serve->conf.listen.count; i++) {
        cps_write_str(&w, i != 0 ? " coap://" : "coap://");
        cps_write_str(&w, cps_addr_format(&addrs[i], text));
    }
    d->listen[cps_written(&w).len] = '\0';
    return !w.failed;
}

cps_err_t cps_serve_contexts(const cps_conf_daemon_t *conf, char **out)
{
    const char *const *names = conf->contexts.items;
    size_t count = conf->contexts.count;
    size_t room = 1;
    *out = NULL;
    for (size_t i = 0; i < count; i++)
        room += strlen(names[i]) + 1;
    if (count == 0)
        return CPS_OK;
    *out = calloc(1, room);
    if (*out == NULL)
        return CPS_ERR_MEMORY;
    cps_writer_t w = cps_writer(*out, room - 1);
    for (size_t i = 0; i < count; i++) {
        cps_write_str(&w, names[i]);
        cps_write_u8(&w, ' ');
    }
    return cps_writer_err(&w);
}

bool cps_serve_needs_keys(const cps_conf_daemon_t *conf)
{
    const cps_conf_resource_t *resources = conf->resources.items;
    bool needed = conf->contexts.count != 0;
    for (size_t i = 0; i < conf->resources.count; i++)
        needed = needed || resources[i].sealed;
    return needed;
}

int cps_serve_find_state(const cps_serve_t *serve, char out[CPS_KEYRING_PATH_MAX], const char **path)
{
    const char *named = serve->state != NULL ? serve->state : serve->conf.state;
    const char *folder = serve->state == NULL ? getenv("STATE_DIRECTORY") : NULL;
    *path = NULL;
    if (named == NULL && !cps_serve_needs_keys(&serve->conf))
        return 0;
    *path = out;
    if (folder == NULL || folder[0] == '\0' || (named != NULL && named[0] == '/'))
        return cps_keyring_path(COMMAND, named, out);
    int folder_len = (int)strcspn(folder, ":"); /* systemd may name several */
    int len = snprintf(out, CPS_KEYRING_PATH_MAX, "%.*s/%s", folder_len, folder, named != NULL ? named : "keyring.db");
    if (len > 0 && (size_t)len < CPS_KEYRING_PATH_MAX)
        return 0;
    fprintf(stderr, "%s: the path of the keyring is too long\n", COMMAND);
    return CPS_EXIT_USAGE;
}

static int fail(cps_err_t err, const char *detail)
{
    fprintf(stderr, "%s: %s\n", COMMAND, detail[0] != '\0' ? detail : cps_err_text(err));
    return cps_err_exit(err);
}

static int make_server(daemon_t *d)
{
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    static const char *const formats[] = {"text", "json"};
    const cps_conf_daemon_t *conf = &d->serve->conf;
    const char *state = NULL;
    int status = cps_serve_find_state(d->serve, d->state, &state);
    if (status != 0)
        return status;
    if (!join_listen(d) || cps_serve_contexts(conf, &d->contexts) != CPS_OK)
        return fail(CPS_ERR_MEMORY, "");
    cps_err_t err = cps_server_new(
        &d->server,
        CPS_SERVER_OPTIONS(.listen = d->serve->listen_set ? d->listen : NULL, .state = state, .contexts = d->contexts,
                           .rate = conf->limits.rate, .endpoint = cps_serve_endpoint(conf),
                           .log_level = levels[conf->log_level], .log_format = formats[conf->log_format]));
    return err == CPS_OK ? 0 : fail(err, cps_server_detail(NULL));
}

static cps_err_t add_resource(void *user, const cps_resource_t *resource) { return cps_server_add(user, resource); }

static int add_resources(daemon_t *d)
{
    const cps_conf_list_t *list = &d->serve->conf.resources;
    const cps_conf_resource_t *resources = list->items;
    cps_err_t err = CPS_OK;
    for (size_t i = 0; i < list->count && err == CPS_OK; i++)
        err = cps_kinds_make(&d->kinds, &resources[i], add_resource, d->server);
    return err == CPS_OK ? 0 : fail(err, cps_server_detail(d->server));
}

/* ---- serving ---- */

/* Signals become something to read. They are blocked before there is a second thread, so that none gets them otherwise;
 * SIGPIPE is blocked alone: a log that nobody reads ends nothing. */
static int catch_signals(void)
{
    sigset_t caught;
    sigset_t blocked;
    sigemptyset(&caught);
    sigaddset(&caught, SIGINT);
    sigaddset(&caught, SIGTERM);
    sigaddset(&caught, SIGHUP);
    blocked = caught;
    sigaddset(&blocked, SIGPIPE);
    return sigprocmask(SIG_BLOCK, &blocked, NULL) == 0 ? signalfd(-1, &caught, SFD_CLOEXEC) : -1;
}

/* One line for who waits for it, a script, a test or a person, whatever else is logged; with the memory that the limits
 * come to. */
static void say_ready(daemon_t *d)
{
    char text[CPS_SERVE_LISTEN_MAX];
    cps_ep_config_t endpoint = cps_serve_endpoint(&d->serve->conf);
    cps_writer_t w = cps_writer(text, sizeof text - 1);
    cps_log_level_t level = d->log.options.level;
    const char *address;
    for (size_t i = 0; (address = cps_server_address(d->server, i)) != NULL; i++) {
        cps_write_str(&w, i != 0 ? " coap://" : "coap://");
        cps_write_str(&w, address);
    }
    text[cps_written(&w).len] = '\0';
    d->log.options.level = CPS_LOG_INFO;
    CPS_LOG(&d->log, CPS_LOG_INFO, "ready", cps_log_number("memory", cps_ep_size(&endpoint)), cps_log_text("at", text));
    d->log.options.level = level;
    (void)cps_notify_ready(text);
}

static int sooner(int a, int b)
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return a < b ? a : b;
}

/* Whether a signal says that it is over. */
static bool is_over(daemon_t *d)
{
    struct signalfd_siginfo signal;
    cps_serve_running_t running = {d->server, &d->kinds, &d->log};
    if (read(d->signals, &signal, sizeof signal) != (ssize_t)sizeof signal)
        return false;
    if (signal.ssi_signo != SIGHUP)
        return true;
    cps_serve_reload(d->serve, &running);
    return false;
}

static int serve_until_signal(daemon_t *d)
{
    struct pollfd fds[] = {{.fd = cps_server_fd(d->server), .events = POLLIN},
                           {.fd = d->signals, .events = POLLIN},
                           {.fd = cps_exporter_fd(d->exporter), .events = POLLIN}}; /* a negative one is left out */
    do {
        cps_err_t err = cps_server_step(d->server);
        if (err != CPS_OK)
            return fail(err, cps_server_detail(d->server));
        cps_kinds_answer(&d->kinds, false);
        cps_exporter_step(d->exporter);
        int timeout = sooner(cps_server_timeout_ms(d->server), cps_kinds_timeout_ms(&d->kinds));
        timeout = sooner(timeout, cps_exporter_timeout_ms(d->exporter));
        if (poll(fds, sizeof fds / sizeof fds[0], timeout) < 0 && errno != EINTR)
            return fail(CPS_ERR_IO, "waiting for the network failed");
    } while (fds[1].revents == 0 || !is_over(d));
    (void)cps_notify("STOPPING=1");
    cps_kinds_answer(&d->kinds, true);
    return 0;
}

static void write_metrics(void *user, cps_metrics_out_t *out)
{
    const daemon_t *d = user;
    cps_metrics_put(out, CPS_METRIC_BUILD, COAPSULE_VERSION, 1);
    cps_server_metrics(d->server, out);
}

static cps_exporter_options_t exporter_options(daemon_t *d)
{
    return (cps_exporter_options_t){.at = &d->serve->conf.metrics,
                                    .named = cps_conf_is_set(&d->serve->doc, "metrics"),
                                    .write = write_metrics,
                                    .user = d,
                                    .log = &d->log};
}

/* Metrics are listened at before it is ready: where they cannot be had as the file says, it does not start. */
static int serve(daemon_t *d)
{
    cps_exporter_options_t options = exporter_options(d);
    cps_err_t err = cps_exporter_new(&d->exporter, &options);
    if (err != CPS_OK)
        return fail(err, "metrics: the address is in use, or none of this host");
    say_ready(d);
    cps_exporter_announce(d->exporter, &options);
    d->serve->log = &d->log;
    int status = serve_until_signal(d);
    cps_exporter_free(d->exporter);
    return status;
}

static int run(daemon_t *d)
{
    d->signals = catch_signals();
    if (d->signals < 0)
        return fail(CPS_ERR_IO, "signals cannot be caught");
    int status = make_server(d);
    if (status != 0)
        return status;
    cps_kinds_init(&d->kinds, d->server, &d->log, d->serve->conf.limits.body);
    status = add_resources(d);
    if (status == 0)
        status = serve(d);
    cps_server_free(d->server);
    cps_log_flush(&d->log);
    cps_kinds_fini(&d->kinds);
    return status;
}

int cps_serve_run(cps_serve_t *serve)
{
    daemon_t *d = calloc(1, sizeof *d);
    if (d == NULL)
        return fail(CPS_ERR_MEMORY, "");
    d->serve = serve;
    d->signals = -1;
    cps_log_options_t log = {.level = (cps_log_level_t)serve->conf.log_level,
                             .format = (cps_log_format_t)serve->conf.log_format,
                             .fd = 2,
                             .burst = UINT32_MAX}; /* each run of a counter stands in the log */
    cps_log_init(&d->log, &log);
    int status = run(d);
    if (d->signals >= 0)
        (void)close(d->signals);
    free(d->contexts);
    free(d);
    return status;
}
