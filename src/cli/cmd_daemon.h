// SPDX-License-Identifier: Apache-2.0
/* What the daemons of the command have in common when they read their file again. */
#ifndef CPS_CLI_CMD_DAEMON_H
#define CPS_CLI_CMD_DAEMON_H

#include "host/conf.h"
#include "host/log.h"

/** What a file said before, and what it says now. */
typedef struct cps_daemon_files {
    const cps_conf_table_t *table;
    const void *before;
    const void *after;
    bool listen_overridden; /**< the command line says where: the file does not count */
    bool state_overridden;
} cps_daemon_files_t;

/** Whether nothing has changed that is taken at a start alone; each key that has is said, with its line in `doc`. */
bool cps_daemon_may_reload(const cps_daemon_files_t *files, const cps_conf_t *doc, cps_log_t *log);

/** Say, in the log and to the service manager, that the file is in force now, or that all stays as it was. */
void cps_daemon_say_reloaded(cps_log_t *log, const char *file, bool taken);

#endif /* CPS_CLI_CMD_DAEMON_H */
