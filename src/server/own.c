// SPDX-License-Identifier: Apache-2.0
#include "server/own.h"

#include "host/addr.h"

#include <stdlib.h>
#include <unistd.h>

#define NAME_MAX_LEN 256U

static void append(char **at, const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        *(*at)++ = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    *(*at)++ = '\0';
}

cps_err_t cps_own_init(cps_own_t *own, const char *names)
{
    char system[NAME_MAX_LEN] = "";
    const char *given = names != NULL ? names : "";
    memset(own, 0, sizeof *own);
    if (gethostname(system, sizeof system - 1) != 0)
        system[0] = '\0';
    own->names = calloc(1, strlen(given) + strlen(system) + sizeof "localhost" + 4);
    if (own->names == NULL)
        return CPS_ERR_MEMORY;
    char *at = own->names;
    append(&at, "localhost", sizeof "localhost" - 1);
    if (system[0] != '\0')
        append(&at, system, strlen(system));
    for (given += strspn(given, " "); *given != '\0'; given += strspn(given, " ")) {
        size_t len = strcspn(given, " ");
        append(&at, given, len);
        given += len;
    }
    return CPS_OK;
}

void cps_own_fini(cps_own_t *own)
{
    free(own->names);
    memset(own, 0, sizeof *own);
}

void cps_own_listen(cps_own_t *own, const cps_addr_t *at)
{
    if (own->listen_count < CPS_OWN_LISTEN_MAX)
        own->listen[own->listen_count++] = *at;
}

static bool has_name(const cps_own_t *own, const char *host)
{
    for (const char *name = own->names; *name != '\0'; name += strlen(name) + 1)
        if (strcmp(name, host) == 0)
            return true;
    return false;
}

static bool same_ip(const cps_addr_t *a, const cps_addr_t *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

/* An address is this machine's if the kernel lets a socket of ours have it. */
static bool is_local(const cps_addr_t *addr)
{
    struct sockaddr_storage to;
    cps_addr_t any_port = *addr;
    any_port.port = 0;
    socklen_t len = cps_addr_to_sockaddr(&any_port, &to);
    if (cps_addr_is_any(addr) || cps_addr_is_multicast(addr) || len == 0)
        return false;
    int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool bound = bind(fd, (const struct sockaddr *)&to, len) == 0;
    (void)close(fd);
    return bound;
}

/* Whether this server listens at that address, or would be reached there. */
static bool serves(const cps_own_t *own, const cps_addr_t *at)
{
    bool known_local = false;
    for (size_t i = 0; i < own->listen_count; i++) {
        const cps_addr_t *listen = &own->listen[i];
        if (listen->port != at->port || listen->family != at->family)
            continue;
        if (same_ip(listen, at))
            return true;
        known_local = known_local || (cps_addr_is_any(listen) && is_local(at));
    }
    return known_local;
}

static bool has_port(const cps_own_t *own, uint16_t port)
{
    for (size_t i = 0; i < own->listen_count; i++)
        if (own->listen[i].port == port)
            return true;
    return false;
}

bool cps_own_is(const cps_own_t *own, const cps_uri_t *uri, const cps_addr_t *asked)
{
    if (uri->scheme != CPS_SCHEME_COAP || !has_port(own, uri->port))
        return false;
    if (uri->family == CPS_FAMILY_NONE)
        return has_name(own, uri->host);
    cps_addr_t at = {.port = uri->port, .family = uri->family};
    memcpy(at.ip, uri->ip, sizeof at.ip);
    return same_ip(&at, asked) || serves(own, &at);
}
