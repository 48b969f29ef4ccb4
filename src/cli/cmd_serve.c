// SPDX-License-Identifier: Apache-2.0
/* `coapsule serve FILE`: what it is told, and whether that makes sense. */
#include "cli/cmd_serve.h"

#include "cli/arg.h"
#include "cli/cmd.h"
#include "cli/kind.h"
#include "host/rand.h"
#include "server/dispatch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define COMMAND "coapsule serve"

static const cps_arg_row_t options[] = {
    {0, "check-config", NULL, "read FILE, say what is wrong with it, and end", false},
    {0, "dump-config", NULL, "print what FILE says, defaults included, and end", false},
    {0, "help-config", NULL, "print the keys that FILE may have", false},
    {0, "listen", "URI", "listen here, not where FILE says; may be given several times", false},
    {0, "state", "KEYRING", "this keyring, not the one that FILE names", false},
    {'h', "help", NULL, "print this", false},
};

enum option { CHECK_CONFIG, DUMP_CONFIG, HELP_CONFIG, LISTEN, STATE, HELP };

static int help(bool of_file)
{
    if (of_file) {
        cps_conf_help(stdout, &cps_conf_serve);
        return 0;
    }
    puts("usage: coapsule serve [OPTION]... FILE\n\n"
         "Serve the resources that FILE describes, until SIGTERM. FILE is YAML.\n");
    cps_args_help(options, sizeof options / sizeof options[0]);
    puts("\n  coapsule serve door.yaml");
    return 0;
}

static bool add_listen(cps_serve_t *serve, const char *uri)
{
    size_t at = strlen(serve->listen);
    int len = snprintf(serve->listen + at, sizeof serve->listen - at, "%s%s", at != 0 ? " " : "", uri);
    return strchr(uri, ' ') == NULL && len > 0 && (size_t)len < sizeof serve->listen - at;
}

/* Take one option or word. False where it is wrong, which is said. */
static bool take(cps_serve_t *serve, const cps_arg_t *arg)
{
    if (arg->row == NULL && serve->file != NULL)
        return cps_usage(COMMAND, "one file alone, not %s too", arg->value) == 0;
    if (arg->row == NULL) {
        serve->file = arg->value;
        return true;
    }
    switch ((enum option)(arg->row - options)) {
    case CHECK_CONFIG:
        serve->only_check = true;
        break;
    case DUMP_CONFIG:
        serve->only_dump = true;
        break;
    case LISTEN:
        return add_listen(serve, arg->value) || cps_usage(COMMAND, "--listen %s: not an address", arg->value) == 0;
    case STATE:
        serve->state = arg->value;
        break;
    case HELP_CONFIG:
    case HELP:
        serve->help_of_file = arg->row == &options[HELP_CONFIG];
        serve->only_help = true;
        break;
    }
    return true;
}

/* 0: go on; else the exit code. */
static int read_arguments(cps_serve_t *serve, int argc, char **argv)
{
    cps_args_t args = cps_args_begin(COMMAND, options, sizeof options / sizeof options[0], argc, argv);
    cps_arg_t arg;
    cps_arg_got_t got;
    while ((got = cps_args_next(&args, &arg)) == CPS_ARG_GOT) {
        if (!take(serve, &arg))
            return CPS_EXIT_USAGE;
        if (serve->only_help)
            return 0;
    }
    if (got == CPS_ARG_WRONG)
        return CPS_EXIT_USAGE;
    return serve->file != NULL ? 0 : cps_usage(COMMAND, "which file? coapsule serve door.yaml");
}

/* ---- the file ---- */

#define BODIES     4U /* of the largest size may be put together at once */
#define BODY_SPARE 65536U

cps_ep_config_t cps_serve_endpoint(const cps_conf_daemon_t *conf)
{
    return (cps_ep_config_t){.size = sizeof(cps_ep_config_t),
                             .transmission = conf->transmission,
                             .peers = conf->limits.peers,
                             .contexts = conf->limits.contexts,
                             .requests_in = conf->limits.exchanges,
                             .dedup_bytes = (size_t)conf->limits.memory,
                             .body_max = (uint32_t)conf->limits.body,
                             .body_bytes = BODIES * ((size_t)conf->limits.body + BODY_SPARE),
                             .amplification = conf->limits.unverified_amplification};
}

void cps_serve_say(const cps_serve_t *serve, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (serve->log == NULL)
        fprintf(stderr, "%s\n", text);
    else
        CPS_LOG(serve->log, CPS_LOG_ERROR, "reload_refused", cps_log_text("detail", text));
}

cps_err_t cps_serve_load(cps_serve_t *serve)
{
    const char *text;
    cps_conf_init(&serve->doc, serve->file);
    cps_err_t err = cps_conf_load(&serve->doc, &cps_conf_serve, &serve->conf);
    for (size_t i = 0; (text = cps_conf_error_text(&serve->doc, i)) != NULL; i++)
        cps_serve_say(serve, "%s", text);
    if (err != CPS_OK && serve->doc.error_count == 0)
        cps_serve_say(serve, "%s: %s", serve->file, cps_err_text(err));
    serve->listen_set = serve->listen[0] != '\0' || cps_conf_is_set(&serve->doc, "listen");
    return err;
}

/* Where resources are tried: a dispatch that serves nobody. */
typedef struct trial {
    cps_dispatch_t dispatch;
    const char *reason;
} trial_t;

static cps_err_t try_resource(void *user, const cps_resource_t *resource)
{
    trial_t *trial = user;
    return cps_dispatch_add(&trial->dispatch, resource, &trial->reason);
}

static cps_err_t check_resource(const cps_serve_t *serve, cps_kinds_t *kinds, trial_t *trial, size_t i)
{
    const cps_conf_resource_t *from = &((const cps_conf_resource_t *)serve->conf.resources.items)[i];
    trial->reason = NULL;
    cps_err_t err = cps_kinds_make(kinds, from, try_resource, trial);
    if (err == CPS_ERR_CONFIG && trial->reason == NULL)
        trial->reason = "a name in allow has a colon or semicolon, or none at all";
    if (err != CPS_OK)
        cps_serve_say(serve, "%s: resources[%zu]: %s", serve->file, i,
                      trial->reason != NULL ? trial->reason : cps_err_text(err));
    return err;
}

cps_err_t cps_serve_check(const cps_serve_t *serve)
{
    static const cps_dispatch_hooks_t nobody = {0};
    cps_ep_config_t endpoint = cps_serve_endpoint(&serve->conf);
    cps_rng_t rng = cps_rand_system();
    cps_dispatch_options_t how = {.requests = 1, .payload_max = 1, .rng = &rng};
    trial_t trial;
    cps_kinds_t kinds;
    if (cps_ep_size(&endpoint) == 0) {
        cps_serve_say(serve, "%s: limits and transmission do not go together", serve->file);
        return CPS_ERR_CONFIG;
    }
    cps_err_t err = cps_dispatch_init(&trial.dispatch, &nobody, &how);
    if (err != CPS_OK)
        return err;
    cps_kinds_init(&kinds, NULL, NULL, serve->conf.limits.body);
    for (size_t i = 0; i < serve->conf.resources.count; i++) { /* all that is wrong, in one pass */
        cps_err_t one = check_resource(serve, &kinds, &trial, i);
        err = err != CPS_OK ? err : one;
    }
    cps_kinds_fini(&kinds);
    cps_dispatch_fini(&trial.dispatch);
    return err;
}

static int with_file(cps_serve_t *serve)
{
    cps_err_t err = cps_serve_check(serve);
    if (err != CPS_OK)
        return cps_err_exit(err);
    if (serve->only_check)
        return 0;
    if (serve->only_dump) {
        cps_conf_dump(stdout, &cps_conf_serve, &serve->conf);
        return 0;
    }
    return cps_serve_run(serve);
}

int cps_cmd_serve(int argc, char **argv)
{
    cps_serve_t serve;
    memset(&serve, 0, sizeof serve);
    int status = read_arguments(&serve, argc, argv);
    if (status != 0 || serve.only_help)
        return status != 0 ? status : help(serve.help_of_file);
    cps_err_t err = cps_serve_load(&serve);
    status = err == CPS_OK ? with_file(&serve) : cps_err_exit(err);
    cps_conf_fini(&serve.doc);
    return status;
}
