// SPDX-License-Identifier: Apache-2.0
/* `coapsule doctor [FILE]`: looks at a configuration, the keyring and the network, and says what is wrong. It changes
 * nothing and sends nothing. */
#include "cli/cmd_doctor.h"

#include "cli/arg.h"
#include "cli/cmd.h"
#include "cli/cmd_keyring.h"
#include "cli/cmd_proxy.h"
#include "cli/cmd_serve.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define COMMAND "coapsule doctor"

static const cps_arg_row_t options[] = {
    {0, "state", "KEYRING", "this keyring, not the one that FILE names or commands use", false},
    {'h', "help", NULL, "print this", false},
};

enum option { STATE, HELP };

static int help(void)
{
    puts("usage: coapsule doctor [--state KEYRING] [FILE]\n\n"
         "Look at the file of a server or proxy, at the keyring and at the network of this host, and say in sentences\n"
         "what is wrong and what to do. Nothing is changed and nothing is sent.\n");
    cps_args_help(options, sizeof options / sizeof options[0]);
    puts("\n  coapsule doctor /etc/coapsule/serve.yaml");
    return 0;
}

void cps_doctor_say(cps_doctor_t *d, cps_doctor_verdict_t verdict, cps_err_t err, const char *format, ...)
{
    static const char *const marks[] = {"ok   ", "note ", "WRONG"};
    va_list args;
    printf("%s  ", marks[verdict]);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    d->odd += verdict == CPS_DOCTOR_NOTE;
    d->wrong += verdict == CPS_DOCTOR_WRONG;
    if (verdict == CPS_DOCTOR_WRONG && d->status == 0)
        d->status = cps_err_exit(err);
}

/* ---- the file ---- */

/* Whether a file is that of a proxy: it has a group `proxy`. */
static bool is_proxy(const char *path)
{
    char line[256];
    bool found = false;
    FILE *file = fopen(path, "re");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL)
        found = strncmp(line, "proxy:", 6) == 0;
    if (file != NULL)
        (void)fclose(file);
    return found;
}

static void look_at_resource(cps_doctor_t *d, const cps_conf_resource_t *r)
{
    if (r->sealed && r->allow.count == 0)
        cps_doctor_say(d, CPS_DOCTOR_NOTE, CPS_OK, "%s: nobody may use it; write allow: { NAME: [get] }", r->path);
    if (!r->sealed && r->kind == CPS_CONF_LOCK)
        cps_doctor_say(d, CPS_DOCTOR_NOTE, CPS_OK,
                       "%s: a lock that anybody may turn who gets there; write sealed: true and allow", r->path);
    if (r->sealed && r->kind == CPS_CONF_LOCK && r->fresh_us == CPS_TIME_NEVER)
        cps_doctor_say(d, CPS_DOCTOR_NOTE, CPS_OK,
                       "%s: a request that somebody held back opens it at any later time; write fresh: 10s", r->path);
}

static void look_at_metrics(cps_doctor_t *d, const cps_conf_daemon_t *conf)
{
    char text[CPS_ADDR_TEXT_MAX];
    if (!conf->metrics.off && !cps_addr_is_loopback(&conf->metrics.addr))
        cps_doctor_say(d, CPS_DOCTOR_NOTE, CPS_OK, "metrics: anybody who gets to %s may read them",
                       cps_addr_format(&conf->metrics.addr, text));
}

static void look_at_proxy(cps_doctor_t *d, const cps_conf_daemon_t *conf)
{
    const cps_conf_target_t *targets = conf->targets.items;
    if (conf->targets.count == 0)
        cps_doctor_say(d, CPS_DOCTOR_NOTE, CPS_OK,
                       "proxy.targets: nothing can be reached; name hosts, as in door.local");
    for (size_t i = 0; i < conf->targets.count; i++)
        if (targets[i].host != NULL && strcmp(targets[i].host, "*") == 0)
            cps_doctor_say(d, CPS_DOCTOR_NOTE, CPS_OK,
                           "proxy.targets[%zu]: every host can be reached; name those that shall be", i);
}

static bool load(cps_doctor_t *d, const char *file, cps_conf_t *doc, cps_conf_daemon_t *conf)
{
    const char *text;
    cps_err_t err = cps_conf_load(doc, &cps_conf_serve, conf);
    for (size_t i = 0; (text = cps_conf_error_text(doc, i)) != NULL; i++)
        cps_doctor_say(d, CPS_DOCTOR_WRONG, err, "%s", text);
    if (err != CPS_OK && doc->error_count == 0)
        cps_doctor_say(d, CPS_DOCTOR_WRONG, err, "%s: %s", file, cps_err_text(err));
    return err == CPS_OK;
}

bool cps_doctor_file(cps_doctor_t *d, const char *file, cps_conf_t *doc, cps_conf_daemon_t *conf)
{
    unsigned wrong = d->wrong;
    unsigned odd = d->odd;
    cps_conf_init(doc, file);
    if (!load(d, file, doc, conf))
        return false;
    const cps_conf_resource_t *resources = conf->resources.items;
    for (size_t i = 0; i < conf->resources.count; i++)
        look_at_resource(d, &resources[i]);
    look_at_metrics(d, conf);
    if (d->wrong == wrong && d->odd == odd)
        cps_doctor_say(d, CPS_DOCTOR_OK, CPS_OK, "%s: nothing wrong with it", file);
    return true;
}

/* ---- all of it ---- */

static int read_arguments(int argc, char **argv, const char **file, const char **state)
{
    cps_args_t args = cps_args_begin(COMMAND, options, sizeof options / sizeof options[0], argc, argv);
    cps_arg_t arg;
    cps_arg_got_t got;
    while ((got = cps_args_next(&args, &arg)) == CPS_ARG_GOT) {
        if (arg.row == &options[HELP])
            return help();
        if (arg.row == &options[STATE])
            *state = arg.value;
        else if (*file != NULL)
            return cps_usage(COMMAND, "one file alone, not %s too", arg.value);
        else
            *file = arg.value;
    }
    return got == CPS_ARG_WRONG ? CPS_EXIT_USAGE : -1;
}

/* A proxy has no keys: its file and the network alone. */
static void examine_proxy(cps_doctor_t *d, const char *path)
{
    cps_proxy_file_t file;
    int status = cps_proxy_file_load(&file, path, NULL);
    if (status != 0) {
        cps_doctor_say(d, CPS_DOCTOR_WRONG, CPS_ERR_CONFIG, "%s: what stands above", path);
        d->status = status;
        return;
    }
    look_at_proxy(d, &file.daemon);
    look_at_metrics(d, &file.daemon);
    cps_doctor_network(d, &file.daemon);
    cps_proxy_file_fini(&file);
}

static int examine_server(cps_doctor_t *d, const char *path, const char *state)
{
    cps_serve_t serve = {.file = path, .state = state};
    bool good = path == NULL || cps_doctor_file(d, path, &serve.doc, &serve.conf);
    char keyring[CPS_KEYRING_PATH_MAX];
    const char *found = NULL;
    int status = 0;
    if (good && path != NULL)
        status = cps_serve_find_state(&serve, keyring, &found);
    else if (good)
        status = cps_keyring_path(COMMAND, state, keyring);
    if (status == 0 && good && (path == NULL || found != NULL))
        cps_doctor_keyring(d, keyring, path != NULL ? &serve.conf : NULL);
    if (good)
        cps_doctor_network(d, path != NULL ? &serve.conf : NULL);
    if (path != NULL)
        cps_conf_fini(&serve.doc);
    return status;
}

int cps_cmd_doctor(int argc, char **argv)
{
    const char *file = NULL;
    const char *state = NULL;
    cps_doctor_t d = {0};
    int status = read_arguments(argc, argv, &file, &state);
    if (status >= 0)
        return status;
    if (file != NULL && is_proxy(file))
        examine_proxy(&d, file);
    else if ((status = examine_server(&d, file, state)) != 0)
        return status;
    printf("%u wrong, %u to know\n", d.wrong, d.odd);
    return d.status;
}
