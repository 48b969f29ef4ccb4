// SPDX-License-Identifier: Apache-2.0
/* The file again, while it serves: all of it is taken, or nothing. */
#include "cli/cmd_daemon.h"
#include "cli/cmd_serve.h"

#include "host/notify.h"
#include "server/reload.h"

#include <stdio.h>
#include <stdlib.h>

static cps_err_t add_resource(void *user, const cps_resource_t *resource)
{
    return cps_server_reload_add(user, resource);
}

static cps_err_t add_resources(const cps_serve_t *next, cps_kinds_t *kinds, cps_server_reload_t *reload)
{
    const cps_conf_resource_t *resources = next->conf.resources.items;
    cps_err_t err = CPS_OK;
    for (size_t i = 0; i < next->conf.resources.count && err == CPS_OK; i++)
        err = cps_kinds_make(kinds, &resources[i], add_resource, reload);
    return err;
}

static cps_err_t own_keys(const cps_serve_t *next, cps_server_reload_t *reload)
{
    char *contexts = NULL;
    cps_err_t err = cps_serve_contexts(&next->conf, &contexts);
    if (err == CPS_OK)
        err = cps_server_reload_keys(reload, contexts, cps_serve_needs_keys(&next->conf));
    free(contexts);
    return err;
}

/* From the first thing that can fail to what cannot. */
static bool take(const cps_serve_t *next, const cps_serve_running_t *running)
{
    cps_server_reload_t reload;
    uint32_t body_max = running->kinds->body_max;
    cps_err_t err = cps_server_reload_begin(&reload, running->server);
    if (err != CPS_OK) {
        cps_serve_say(next, "%s: %s", next->file, cps_server_detail(running->server));
        return false;
    }
    cps_kinds_begin(running->kinds, next->conf.limits.body);
    err = add_resources(next, running->kinds, &reload);
    if (err == CPS_OK)
        err = own_keys(next, &reload);
    cps_log_level_t level = (cps_log_level_t)next->conf.log_level;
    cps_log_format_t format = (cps_log_format_t)next->conf.log_format;
    if (err == CPS_OK) {
        cps_server_reload_commit(&reload, level, format);
        running->log->options.level = level;
        running->log->options.format = format;
    } else {
        cps_serve_say(next, "%s: %s", next->file, cps_server_detail(running->server));
        cps_server_reload_abort(&reload);
        running->kinds->body_max = body_max;
    }
    cps_kinds_end(running->kinds, err == CPS_OK);
    return err == CPS_OK;
}

void cps_serve_reload(cps_serve_t *serve, const cps_serve_running_t *running)
{
    cps_serve_t next = *serve;
    (void)cps_notify_reloading();
    memset(&next.conf, 0, sizeof next.conf);
    bool taken = cps_serve_load(&next) == CPS_OK;
    cps_daemon_files_t files = {.table = &cps_conf_serve,
                                .before = &serve->conf,
                                .after = &next.conf,
                                .listen_overridden = serve->listen[0] != '\0',
                                .state_overridden = serve->state != NULL};
    taken = taken && cps_daemon_may_reload(&files, &next.doc, serve->log);
    taken = taken && cps_serve_check(&next) == CPS_OK && take(&next, running);
    cps_conf_fini(taken ? &serve->doc : &next.doc);
    if (taken)
        *serve = next;
    cps_daemon_say_reloaded(serve->log, serve->file, taken);
}
