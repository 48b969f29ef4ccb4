// SPDX-License-Identifier: Apache-2.0
/* Where a request goes: an address as it stands in the URI, or the addresses of a name. */
#include "client/call.h"

#include "host/resolve.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(CPS_CALL_ADDRESSES_MAX >= CPS_RESOLVE_ADDRS_MAX, "all addresses of a name have room");

/* What a look-up gave. */
typedef struct found {
    cps_addr_t *to;
    size_t count;
    bool done;
    cps_err_t err;
    char why[128];
} found_t;

static void on_found(void *user, const cps_resolve_result_t *result)
{
    found_t *found = user;
    found->done = true;
    found->err = result->err;
    if (result->err != CPS_OK) {
        const char *why = result->detail != NULL ? result->detail : cps_err_text(result->err);
        cps_text_clean(cps_bytes_str(why), false, found->why, sizeof found->why);
        return;
    }
    found->count = result->count;
    memcpy(found->to, result->addrs, result->count * sizeof *result->addrs);
}

cps_err_t cps_call_find(cps_client_t *client, const cps_call_t *call, cps_addr_t *out, size_t *count)
{
    if (call->plan.literal.family != CPS_FAMILY_NONE) {
        out[0] = call->plan.literal;
        *count = 1;
        return CPS_OK;
    }
    found_t found = {.to = out};
    cps_time_us_t now = cps_worker_now(client->worker);
    cps_time_us_t left_us = now < call->deadline_us ? call->deadline_us - now : 1;
    cps_resolve_query_t query = {.host = cps_bytes_str(call->plan.host),
                                 .port = call->plan.port,
                                 .timeout_us = left_us,
                                 .done = on_found,
                                 .user = &found};
    cps_err_t err = cps_resolve_start(&client->loop, &query, NULL);
    while (err == CPS_OK && !found.done)
        uv_run(&client->loop, UV_RUN_ONCE);
    client->stuck = client->stuck || (err == CPS_OK && cps_worker_now(client->worker) >= call->deadline_us);
    err = err == CPS_OK ? found.err : err;
    if (err != CPS_OK)
        return cps_client_say(client, err, "%s: %s has no address: %s; nothing was sent", call->request->uri,
                              call->plan.host, found.why[0] != '\0' ? found.why : cps_err_text(err));
    *count = found.count;
    return CPS_OK;
}

bool cps_call_has_route(const cps_addr_t *to)
{
    struct sockaddr_storage addr;
    socklen_t len = cps_addr_to_sockaddr(to, &addr);
    int fd = socket(addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno != EAFNOSUPPORT; /* another lack is told where the real socket is opened */
    int status = connect(fd, (const struct sockaddr *)&addr, len); /* sends nothing: it asks the routing table */
    bool leads_there = status == 0 || (errno != ENETUNREACH && errno != EHOSTUNREACH && errno != EADDRNOTAVAIL);
    close(fd);
    return leads_there;
}
