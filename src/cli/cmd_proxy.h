// SPDX-License-Identifier: Apache-2.0
/* `coapsule proxy`: the parts of the command. */
#ifndef CPS_CLI_CMD_PROXY_H
#define CPS_CLI_CMD_PROXY_H

#include "host/conf_daemon.h"
#include "host/log.h"
#include "host/resolve.h"
#include "proxy/proxy.h"

/** What the file of a proxy says: what daemons have in common, and `proxy.next`. */
typedef struct cps_proxy_file {
    cps_conf_daemon_t daemon;
    const char *next;       /**< "coap://gw.example"; NULL: origins are asked */
    cps_conf_row_t *rows;   /**< the table that was read by */
    cps_conf_table_t table; /**< of them */
    cps_conf_t conf;
    cps_uri_t next_uri;
} cps_proxy_file_t;

/** Read a file; each error is printed to standard error, or logged. The exit code; 0: `file` holds it until
 * cps_proxy_file_fini. */
int cps_proxy_file_load(cps_proxy_file_t *file, const char *path, cps_log_t *log);
void cps_proxy_file_fini(cps_proxy_file_t *file);

/** Print all keys with their kinds, defaults and meaning. The exit code. */
int cps_proxy_file_help(void);

/** Fill the options of a proxy from a file, which outlives it; not the look-up and the log. */
void cps_proxy_file_options(const cps_proxy_file_t *file, cps_proxy_options_t *options);

/** Look-ups of a proxy by the system's resolver. */
typedef struct cps_lookup {
    uv_loop_t *loop;
    cps_proxy_t *proxy;          /**< whom to tell; set it when it is made */
    struct cps_lookup_one *open; /**< under way */
} cps_lookup_t;

/** Begin, and fill the options of the proxy. */
void cps_proxy_lookup_begin(cps_lookup_t *lookup, uv_loop_t *loop, cps_proxy_lookup_t *out);

/** Give up what is under way: nothing is told any more. */
void cps_proxy_lookup_end(cps_lookup_t *lookup);

#endif /* CPS_CLI_CMD_PROXY_H */
