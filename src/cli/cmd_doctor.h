// SPDX-License-Identifier: Apache-2.0
/* `coapsule doctor` from inside: what it finds, one sentence each. */
#ifndef CPS_CLI_CMD_DOCTOR_H
#define CPS_CLI_CMD_DOCTOR_H

#include "host/conf_daemon.h"

/** What was found so far. */
typedef struct cps_doctor {
    unsigned wrong;
    unsigned odd;
    int status; /**< exit code of the first thing that is wrong */
} cps_doctor_t;

/** What a finding is. */
typedef enum cps_doctor_verdict { CPS_DOCTOR_OK, CPS_DOCTOR_NOTE, CPS_DOCTOR_WRONG } cps_doctor_verdict_t;

/** Print a finding; `err` says which exit code something wrong gives. */
void cps_doctor_say(cps_doctor_t *d, cps_doctor_verdict_t verdict, cps_err_t err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** Look at a daemon's file. `*conf` and `*doc` hold what it says where this gives true; cps_conf_fini(doc) is due in any
 * case. */
bool cps_doctor_file(cps_doctor_t *d, const char *file, cps_conf_t *doc, cps_conf_daemon_t *conf);

/** Look at the keyring. `conf` (may be NULL) names keys that have to be there. */
void cps_doctor_keyring(cps_doctor_t *d, const char *path, const cps_conf_daemon_t *conf);

/** Look at sockets, names and clocks. `conf` (may be NULL) says where it shall listen. */
void cps_doctor_network(cps_doctor_t *d, const cps_conf_daemon_t *conf);

#endif /* CPS_CLI_CMD_DOCTOR_H */
