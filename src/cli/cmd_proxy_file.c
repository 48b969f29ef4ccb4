// SPDX-License-Identifier: Apache-2.0
/* The file of a proxy. Its table is that of all proxies (host/conf_daemon.h) and the keys of this command alone. */
#include "cli/cmd_proxy.h"

#include <stdlib.h>

#define BYTES_A_REQUEST 3072U /* one of ours, as it is asked for and as it is sent */
#define BYTES_AN_ANSWER 1536U /* one that goes separately */

static const cps_conf_row_t own_rows[] = {
    {.key = "proxy.next",
     .kind = &cps_conf_string,
     .offset = offsetof(cps_proxy_file_t, next),
     .min = 1,
     .max = 300,
     .help = "The next proxy, which all requests go to: coap://host[:port]. Its targets still have to be named here."},
};

#define OWN_COUNT (sizeof own_rows / sizeof own_rows[0])

static void check(cps_conf_t *c, const char *path, void *out)
{
    cps_proxy_file_t *file = out;
    const char *why = NULL;
    if (cps_conf_proxy.check != NULL)
        cps_conf_proxy.check(c, path, &file->daemon);
    if (file->next == NULL)
        return;
    if (cps_uri_parse(cps_bytes_str(file->next), &file->next_uri, &why) != CPS_OK)
        cps_conf_fail(c, CPS_ERR_CONFIG, "proxy.next", "\"%s\" is not a URI: %s", file->next, why);
    else if (file->next_uri.scheme != CPS_SCHEME_COAP || file->next_uri.path.len > 1 || file->next_uri.has_query)
        cps_conf_fail(c, CPS_ERR_CONFIG, "proxy.next", "\"%s\" is not a proxy; write coap://host or coap://host:port",
                      file->next);
    if (file->daemon.name != NULL && strpbrk(file->daemon.name, " \t") != NULL)
        cps_conf_fail(c, CPS_ERR_CONFIG, "proxy.name", "has a space in it (RFC 8768 4)");
}

/* The two tables in one. NULL: no memory. */
static cps_conf_row_t *join_rows(cps_conf_table_t *table)
{
    cps_conf_row_t *rows = calloc(cps_conf_proxy.count + OWN_COUNT, sizeof *rows);
    if (rows == NULL)
        return NULL;
    memcpy(rows, cps_conf_proxy.rows, cps_conf_proxy.count * sizeof *rows);
    memcpy(rows + cps_conf_proxy.count, own_rows, sizeof own_rows);
    *table = (cps_conf_table_t){rows, cps_conf_proxy.count + OWN_COUNT, sizeof(cps_proxy_file_t), check};
    return rows;
}

static void say(cps_log_t *log, const char *sentence)
{
    if (log == NULL)
        fprintf(stderr, "%s\n", sentence);
    else
        CPS_LOG(log, CPS_LOG_ERROR, "reload_refused", cps_log_text("detail", sentence));
}

int cps_proxy_file_load(cps_proxy_file_t *file, const char *path, cps_log_t *log)
{
    cps_conf_table_t table;
    char why[512];
    const char *text;
    memset(file, 0, sizeof *file);
    cps_conf_row_t *rows = join_rows(&table);
    cps_conf_t conf;
    cps_conf_init(&conf, path);
    cps_err_t err = rows == NULL ? CPS_ERR_MEMORY : cps_conf_load(&conf, &table, file);
    file->conf = conf;
    file->rows = rows;
    file->table = table;
    for (size_t i = 0; (text = cps_conf_error_text(&conf, i)) != NULL; i++)
        say(log, text);
    if (err != CPS_OK && conf.error_count == 0) {
        snprintf(why, sizeof why, "coapsule proxy: %s: %s", path, cps_err_text(err));
        say(log, why);
    }
    if (err != CPS_OK)
        cps_proxy_file_fini(file);
    return cps_err_exit(err);
}

void cps_proxy_file_fini(cps_proxy_file_t *file)
{
    cps_conf_fini(&file->conf);
    free(file->rows);
    memset(file, 0, sizeof *file);
}

int cps_proxy_file_help(void)
{
    cps_conf_table_t table;
    cps_conf_row_t *rows = join_rows(&table);
    if (rows == NULL)
        return cps_err_exit(CPS_ERR_MEMORY);
    cps_conf_help(stdout, &table);
    free(rows);
    return 0;
}

void cps_proxy_file_options(const cps_proxy_file_t *file, cps_proxy_options_t *options)
{
    const cps_conf_daemon_t *d = &file->daemon;
    cps_ep_config_t *ep = &options->endpoint;
    options->name = d->name;
    options->clients = &d->clients;
    options->targets = &d->targets;
    options->hop_limit = (uint8_t)d->hop_limit;
    options->next = file->next != NULL ? &file->next_uri : NULL;
    ep->transmission = d->transmission;
    ep->transmission.nstart = d->nstart_upstream; /* the proxy's own requests are all upstream (RFC 7252 §4.7) */
    ep->peers = d->limits.peers;
    ep->contexts = 1; /* it opens nothing */
    ep->requests_in = d->limits.exchanges;
    ep->requests_out = d->limits.exchanges;
    ep->request_bytes = (size_t)d->limits.exchanges * BYTES_A_REQUEST;
    ep->answer_bytes = (size_t)d->limits.exchanges * BYTES_AN_ANSWER;
    ep->dedup_bytes = (size_t)d->limits.memory;
    ep->amplification = d->limits.unverified_amplification;
}
