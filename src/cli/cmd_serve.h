// SPDX-License-Identifier: Apache-2.0
/* `coapsule serve` from inside. */
#ifndef CPS_CLI_CMD_SERVE_H
#define CPS_CLI_CMD_SERVE_H

#include "host/conf_daemon.h"

#include <coapsule/server.h>

#define CPS_SERVE_LISTEN_MAX 2048U

/** What the command line and the file together say. */
typedef struct cps_serve {
    const char *file;
    const char *state;                 /**< of the command line, or NULL */
    char listen[CPS_SERVE_LISTEN_MAX]; /**< of the command line, separated by spaces; empty: the file's */
    bool listen_set;                   /**< by the command line or the file */
    bool only_check;
    bool only_dump;
    bool only_help;
    bool help_of_file;
    cps_conf_daemon_t conf;
} cps_serve_t;

/** The endpoint's limits and parameters. */
cps_ep_config_t cps_serve_endpoint(const cps_conf_daemon_t *conf);

/** Look whether the resources can be served, without serving them: CPS_OK, or the error with its sentence said. */
CPS_MUST_USE cps_err_t cps_serve_check(const cps_serve_t *serve);

/** Serve until a signal comes; the exit code. */
int cps_serve_run(cps_serve_t *serve);

#endif /* CPS_CLI_CMD_SERVE_H */
