// SPDX-License-Identifier: Apache-2.0
/* Where a server listens. */
#include "server/server.h"

#define COAP_PORT    5683U
#define DEFAULT_LIST "coap://[::] coap://0.0.0.0"
#define SCHEME       "coap://"
#define ENTRY_MAX    96U

/* "coap://127.0.0.1:5683": an address, port 0 for any free one. */
static cps_err_t parse(cps_server_t *s, const char *entry, cps_addr_t *out)
{
    size_t scheme = sizeof SCHEME - 1;
    size_t len = strlen(entry);
    if (strncmp(entry, SCHEME, scheme) != 0)
        return cps_server_fail(s, CPS_ERR_CONFIG, "listen %s: write coap://ADDRESS:PORT", entry);
    len -= entry[len - 1] == '/' ? 1 : 0;
    if (len <= scheme || cps_addr_parse(cps_bytes(entry + scheme, len - scheme), COAP_PORT, out) != CPS_OK)
        return cps_server_fail(s, CPS_ERR_CONFIG,
                               "listen %s: not an address; write coap://127.0.0.1:5683 or coap://[::]:5683", entry);
    return CPS_OK;
}

static cps_err_t open_entry(cps_server_t *s, const char *entry)
{
    cps_addr_t at;
    cps_addr_t bound;
    cps_err_t err = parse(s, entry, &at);
    if (err != CPS_OK)
        return err;
    err = cps_worker_listen(s->worker, &at, &bound);
    if (err != CPS_OK)
        return cps_server_fail(s, err, "listen %s: %s", entry, cps_worker_detail(s->worker));
    cps_own_listen(&s->dispatch.own, &bound);
    cps_addr_format(&bound, s->addresses[s->address_count++]);
    return CPS_OK;
}

cps_err_t cps_server_listen(cps_server_t *server, const char *list)
{
    const char *at = list != NULL ? list : DEFAULT_LIST;
    for (at += strspn(at, " "); *at != '\0'; at += strspn(at, " ")) {
        char entry[ENTRY_MAX];
        size_t len = strcspn(at, " ");
        if (len >= sizeof entry)
            return cps_server_fail(server, CPS_ERR_CONFIG, "listen %.80s...: too long for an address", at);
        memcpy(entry, at, len);
        entry[len] = '\0';
        at += len;
        cps_err_t err = open_entry(server, entry);
        if (err == CPS_ERR_IO && list == NULL) /* a host without IPv6 serves IPv4, unless it was asked for IPv6 */
            CPS_SERVER_LOG(server, CPS_LOG_WARNING, "not_listening", cps_log_text("detail", server->detail));
        else if (err != CPS_OK)
            return err;
    }
    return server->address_count != 0 ? CPS_OK : cps_server_fail(server, CPS_ERR_CONFIG, "listen: no address");
}
