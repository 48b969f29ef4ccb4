// SPDX-License-Identifier: Apache-2.0
/* `coapsule serve` from inside. */
#ifndef CPS_CLI_CMD_SERVE_H
#define CPS_CLI_CMD_SERVE_H

#include "cli/cmd_keyring.h"
#include "cli/kind.h"
#include "host/conf_daemon.h"
#include "host/log.h"

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
    cps_log_t *log; /**< where sentences go once it serves; NULL: standard error */
    cps_conf_t doc; /**< what `conf` points into */
    cps_conf_daemon_t conf;
} cps_serve_t;

/** Read the file; every error in it is said. The caller frees `doc` by cps_conf_fini, also after an error. */
CPS_MUST_USE cps_err_t cps_serve_load(cps_serve_t *serve);

/** Say why it does not serve, or does not serve something else: on standard error, or as an event. */
void cps_serve_say(const cps_serve_t *serve, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Whether something in the file needs a keyring. */
bool cps_serve_needs_keys(const cps_conf_daemon_t *conf);

/** The keyring: as named, a relative name in $STATE_DIRECTORY where the service manager gives one; else the keyring of the
 * commands. `*path` is `out` then, and NULL where nothing needs one. 0, or the exit code with the sentence said. */
int cps_serve_find_state(const cps_serve_t *serve, char out[CPS_KEYRING_PATH_MAX], const char **path);

/** Names of the contexts, separated by spaces, in memory that the caller frees; NULL: all (or CPS_ERR_MEMORY). */
CPS_MUST_USE cps_err_t cps_serve_contexts(const cps_conf_daemon_t *conf, char **out);

/** The endpoint's limits and parameters. */
cps_ep_config_t cps_serve_endpoint(const cps_conf_daemon_t *conf);

/** Look whether the resources can be served, without serving them: CPS_OK, or the error with its sentence said. */
CPS_MUST_USE cps_err_t cps_serve_check(const cps_serve_t *serve);

/** What a reload works on. */
typedef struct cps_serve_running {
    cps_server_t *server;
    cps_kinds_t *kinds;
    cps_log_t *log; /**< what the things say */
} cps_serve_running_t;

/** Read the file again and serve what it says, all of it or nothing, which is said. */
void cps_serve_reload(cps_serve_t *serve, const cps_serve_running_t *running);

/** Serve until a signal comes; the exit code. */
int cps_serve_run(cps_serve_t *serve);

#endif /* CPS_CLI_CMD_SERVE_H */
