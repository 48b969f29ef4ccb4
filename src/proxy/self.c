// SPDX-License-Identifier: Apache-2.0
#include "proxy/self.h"

#include "proxy/rewrite.h"

#include <ifaddrs.h>
#include <stdlib.h>
#include <unistd.h>

bool cps_proxy_is_identifier(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] > '~')
            return false;
    return len != 0 && len <= CPS_PROXY_NAME_MAX;
}

void cps_proxy_self_fini(cps_proxy_self_t *self)
{
    free(self->interfaces);
    self->interfaces = NULL;
    self->interface_count = 0;
}

static void copy_lower(char *to, const char *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] | 0x20) : from[i];
    to[len] = '\0';
}

void cps_proxy_self_add_name(cps_proxy_self_t *self, const char *name)
{
    size_t len = strlen(name);
    if (len != 0 && name[len - 1] == '.')
        len--;
    if (len == 0 || len >= sizeof self->names[0] || self->name_count == CPS_PROXY_NAMES_MAX)
        return;
    copy_lower(self->names[self->name_count++], name, len);
}

void cps_proxy_self_add_listen(cps_proxy_self_t *self, const cps_addr_t *addr)
{
    if (self->listen_count < CPS_PROXY_LISTEN_MAX)
        self->listen[self->listen_count++] = *addr;
}

static bool listens_at_port(const cps_proxy_self_t *self, uint16_t port)
{
    for (size_t i = 0; i < self->listen_count; i++)
        if (self->listen[i].port == port)
            return true;
    return false;
}

bool cps_proxy_self_has_name(const cps_proxy_self_t *self, const char *host, uint16_t port)
{
    size_t len = strlen(host);
    if (len > 1 && host[len - 1] == '.')
        len--;
    if (!listens_at_port(self, port))
        return false;
    for (size_t i = 0; i < self->name_count; i++)
        if (strlen(self->names[i]) == len && memcmp(self->names[i], host, len) == 0)
            return true;
    return false;
}

static void read_interfaces(cps_proxy_self_t *self)
{
    struct ifaddrs *list = NULL;
    size_t count = 0;
    if (getifaddrs(&list) != 0)
        return; /* what was read before stays */
    for (const struct ifaddrs *i = list; i != NULL; i = i->ifa_next)
        count += i->ifa_addr != NULL;
    cps_addr_t *found = calloc(count + 1, sizeof *found);
    if (found != NULL) {
        free(self->interfaces);
        self->interfaces = found;
        self->interface_count = 0;
        for (const struct ifaddrs *i = list; i != NULL; i = i->ifa_next)
            if (i->ifa_addr != NULL && cps_addr_from_sockaddr(i->ifa_addr, &found[self->interface_count]))
                self->interface_count++;
    }
    freeifaddrs(list);
}

/* The same host: a zone that one side leaves out does not matter. */
static bool same_ip(const cps_addr_t *a, const cps_addr_t *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0 &&
           (a->scope_id == b->scope_id || a->scope_id == 0 || b->scope_id == 0);
}

static bool is_interface(const cps_proxy_self_t *self, const cps_addr_t *addr)
{
    for (size_t i = 0; i < self->interface_count; i++)
        if (same_ip(&self->interfaces[i], addr))
            return true;
    return false;
}

/* A socket can be bound to an address of this host, and to no other one. So most addresses are told without reading the
 * list of interfaces, and one that was added a moment ago is known as well. */
static bool can_bind(const cps_addr_t *addr)
{
    struct sockaddr_storage to;
    cps_addr_t any_port = *addr;
    any_port.port = 0;
    socklen_t len = cps_addr_to_sockaddr(&any_port, &to);
    int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true; /* the list decides */
    bool can = bind(fd, (const struct sockaddr *)&to, len) == 0;
    close(fd);
    return can;
}

/* Whether an address is one of this host. 0.0.0.0 and :: lead to it too. The list is asked as well, since some systems
 * bind to addresses that are not theirs yet (ip_nonlocal_bind). */
static bool is_here(cps_proxy_self_t *self, const cps_addr_t *addr)
{
    if (cps_addr_is_loopback(addr) || cps_addr_is_any(addr))
        return true;
    if (!can_bind(addr))
        return false;
    if (!is_interface(self, addr))
        read_interfaces(self);
    return is_interface(self, addr);
}

bool cps_proxy_self_has_addr(cps_proxy_self_t *self, const cps_addr_t *addr)
{
    for (size_t i = 0; i < self->listen_count; i++) {
        const cps_addr_t *at = &self->listen[i];
        if (at->port != addr->port || at->family != addr->family)
            continue;
        if (same_ip(at, addr) || (cps_addr_is_any(at) && is_here(self, addr)))
            return true;
        if (cps_addr_is_any(addr) && cps_addr_is_loopback(at))
            return true; /* the kernel takes 0.0.0.0 and :: as loopback */
    }
    return false;
}
