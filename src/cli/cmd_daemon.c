// SPDX-License-Identifier: Apache-2.0
#include "cli/cmd_daemon.h"

#include "host/notify.h"

#include <stdio.h>

static bool is_overridden(const cps_daemon_files_t *files, const char *key)
{
    return (files->listen_overridden && strcmp(key, "listen") == 0) ||
           (files->state_overridden && strcmp(key, "state") == 0);
}

bool cps_daemon_may_reload(const cps_daemon_files_t *files, const cps_conf_t *doc, cps_log_t *log)
{
    const cps_conf_row_t *row;
    size_t at = 0;
    bool may = true;
    while ((row = cps_conf_fixed_change(files->table, files->before, files->after, &at)) != NULL) {
        char text[CPS_CONF_PATH_MAX + 256];
        if (is_overridden(files, row->key))
            continue;
        snprintf(text, sizeof text, "%s:%u: %s: taken at a start alone; put it back, or restart", doc->file,
                 cps_conf_line(doc, row->key), row->key);
        CPS_LOG(log, CPS_LOG_ERROR, "reload_refused", cps_log_text("detail", text));
        may = false;
    }
    return may;
}

void cps_daemon_say_reloaded(cps_log_t *log, const char *file, bool taken)
{
    char status[512];
    if (taken)
        CPS_LOG(log, CPS_LOG_INFO, "reloaded", cps_log_text("file", file));
    else
        CPS_LOG(log, CPS_LOG_ERROR, "not_reloaded", cps_log_text("file", file),
                cps_log_text("detail", "nothing has changed"));
    snprintf(status, sizeof status, taken ? "%s is in force" : "%s was refused: the former configuration is in force",
             file);
    (void)cps_notify_ready(status);
}
