// SPDX-License-Identifier: Apache-2.0
/* GET /metrics over HTTP, driven by the daemon's own loop: no thread of its own. */
#ifndef CPS_CLI_EXPORTER_H
#define CPS_CLI_EXPORTER_H

#include "host/conf_daemon.h"
#include "host/log.h"
#include "host/metrics.h"

typedef struct cps_exporter cps_exporter_t;

/** What it is made with. */
typedef struct cps_exporter_options {
    const cps_conf_metrics_t *at;
    bool named; /**< the file names the address: it is an error where that is taken */
    void (*write)(void *user, cps_metrics_out_t *out);
    void *user;
    cps_log_t *log; /**< told where metrics are, or that there are none */
} cps_exporter_options_t;

/** Listen. `*out` stays NULL where metrics are off, or the default address is taken. CPS_ERR_MEMORY,
 * CPS_ERR_ADDRESS_IN_USE. */
CPS_MUST_USE cps_err_t cps_exporter_new(cps_exporter_t **out, const cps_exporter_options_t *options);

/** Say where metrics are. */
void cps_exporter_announce(const cps_exporter_t *exporter, const cps_exporter_options_t *options);

/** Readable when cps_exporter_step has something to do; -1 for NULL. */
int cps_exporter_fd(const cps_exporter_t *exporter);

/** Milliseconds until cps_exporter_step has to be called anyway; -1: no need. */
int cps_exporter_timeout_ms(const cps_exporter_t *exporter);

/** Do what is due. */
void cps_exporter_step(cps_exporter_t *exporter);

/** NULL is none. */
void cps_exporter_free(cps_exporter_t *exporter);

#endif /* CPS_CLI_EXPORTER_H */
