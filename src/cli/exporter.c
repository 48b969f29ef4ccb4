// SPDX-License-Identifier: Apache-2.0
#include "cli/exporter.h"

#include <limits.h>
#include <microhttpd.h>
#include <stdlib.h>

#define CONNECTIONS_MAX 16U
#define IDLE_S          10U

struct cps_exporter {
    struct MHD_Daemon *http;
    void (*write)(void *user, cps_metrics_out_t *out);
    void *user;
    cps_addr_t at; /* with its real port */
};

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status, char *text, size_t len)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(text);
        return MHD_NO;
    }
    enum MHD_Result result = MHD_add_response_header(
        response, "Content-Type", status == MHD_HTTP_OK ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain");
    if (result == MHD_YES)
        result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result reply_metrics(const cps_exporter_t *e, struct MHD_Connection *connection)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return MHD_NO;
    cps_metrics_out_t metrics = cps_metrics_begin(out);
    e->write(e->user, &metrics);
    if (fclose(out) == 0)
        return reply(connection, MHD_HTTP_OK, text, len);
    free(text);
    return MHD_NO;
}

/* size: the signature is libmicrohttpd's. NOLINTNEXTLINE(readability-function-size) */
static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_len, void **state)
{
    (void)version;
    (void)upload;
    if (*state == NULL) { /* the headers are there; the answer goes when the whole request is */
        *state = user;
        return MHD_YES;
    }
    if (*upload_len != 0) {
        *upload_len = 0; /* nobody reads it */
        return MHD_YES;
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return reply(connection, MHD_HTTP_METHOD_NOT_ALLOWED, NULL, 0);
    if (strcmp(url, "/metrics") != 0)
        return reply(connection, MHD_HTTP_NOT_FOUND, NULL, 0);
    return reply_metrics(user, connection);
}

static struct MHD_Daemon *start(cps_exporter_t *e, const cps_addr_t *at)
{
    struct sockaddr_storage addr;
    (void)cps_addr_to_sockaddr(at, &addr);
    unsigned flags = MHD_USE_EPOLL | (at->family == CPS_FAMILY_IPV6 ? (unsigned)MHD_USE_IPv6 : 0U);
    return MHD_start_daemon(flags, at->port, NULL, NULL, on_request, e, MHD_OPTION_SOCK_ADDR, &addr,
                            MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
                            MHD_OPTION_END);
}

cps_err_t cps_exporter_new(cps_exporter_t **out, const cps_exporter_options_t *options)
{
    *out = NULL;
    if (options->at->off)
        return CPS_OK;
    cps_exporter_t *e = calloc(1, sizeof *e);
    if (e == NULL)
        return CPS_ERR_MEMORY;
    e->write = options->write;
    e->user = options->user;
    e->at = options->at->addr;
    e->http = start(e, &e->at);
    if (e->http == NULL) {
        free(e);
        return options->named ? CPS_ERR_ADDRESS_IN_USE : CPS_OK;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(e->http, MHD_DAEMON_INFO_BIND_PORT);
    if (info != NULL)
        e->at.port = info->port;
    *out = e;
    return CPS_OK;
}

void cps_exporter_announce(const cps_exporter_t *exporter, const cps_exporter_options_t *options)
{
    if (exporter != NULL)
        CPS_LOG(options->log, CPS_LOG_INFO, "metrics_at", cps_log_addr("at", &exporter->at));
    else if (!options->at->off)
        CPS_LOG(options->log, CPS_LOG_INFO, "metrics_off", cps_log_addr("at", &options->at->addr));
}

int cps_exporter_fd(const cps_exporter_t *exporter)
{
    const union MHD_DaemonInfo *info =
        exporter != NULL ? MHD_get_daemon_info(exporter->http, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    return info != NULL ? info->epoll_fd : -1;
}

int cps_exporter_timeout_ms(const cps_exporter_t *exporter)
{
    MHD_UNSIGNED_LONG_LONG ms;
    if (exporter == NULL || MHD_get_timeout(exporter->http, &ms) != MHD_YES)
        return -1;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

void cps_exporter_step(cps_exporter_t *exporter)
{
    if (exporter != NULL)
        (void)MHD_run(exporter->http);
}

void cps_exporter_free(cps_exporter_t *exporter)
{
    if (exporter == NULL)
        return;
    MHD_stop_daemon(exporter->http);
    free(exporter);
}
