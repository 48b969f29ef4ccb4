// SPDX-License-Identifier: Apache-2.0
#include "host/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define CAPACITY_MAX 1024U
#define SEND_BATCH   32U
#define SOFT_MAX     16 /* reports of earlier datagrams that one call passes over; more come with the next poll */

/* Ancillary data of one datagram: an IPv4 or IPv6 PKTINFO. */
typedef union control {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
} control_t;

struct cps_udp_slots {
    struct mmsghdr *headers;
    struct iovec *vectors;
    struct sockaddr_storage *names;
    control_t *controls;
    uint8_t *bytes;
};

/* ---- open ---- */

/* What a socket is set to before it is bound. Rows without effect on the wish of the caller are left out. */
typedef struct setting {
    uint8_t family; /* CPS_FAMILY_NONE: any */
    int level;
    int name;
    bool (*wanted)(const cps_udp_options_t *options);
} setting_t;

static bool always(const cps_udp_options_t *options)
{
    (void)options;
    return true;
}

static bool wants_reuse_port(const cps_udp_options_t *options) { return options->reuse_port; }

static bool wants_errors(const cps_udp_options_t *options) { return options->errors; }

static const setting_t switched_on[] = {
    {CPS_FAMILY_IPV4, IPPROTO_IP, IP_PKTINFO, always},
    {CPS_FAMILY_IPV6, IPPROTO_IPV6, IPV6_RECVPKTINFO, always},
    {CPS_FAMILY_IPV6, IPPROTO_IPV6, IPV6_V6ONLY, always},
    {CPS_FAMILY_IPV4, IPPROTO_IP, IP_RECVERR, wants_errors},
    {CPS_FAMILY_IPV6, IPPROTO_IPV6, IPV6_RECVERR, wants_errors},
    {CPS_FAMILY_NONE, SOL_SOCKET, SO_REUSEPORT, wants_reuse_port},
};

/* Without these, a socket at the wildcard address gets what is sent to groups that other programs have joined. */
static const setting_t switched_off[] = {
    {CPS_FAMILY_IPV4, IPPROTO_IP, IP_MULTICAST_ALL, always},
    {CPS_FAMILY_IPV6, IPPROTO_IPV6, IPV6_MULTICAST_ALL, always},
};

static bool apply(int fd, uint8_t family, const setting_t *s, int value)
{
    if (s->family != CPS_FAMILY_NONE && s->family != family)
        return true;
    return setsockopt(fd, s->level, s->name, &value, sizeof value) == 0;
}

static bool configure(int fd, uint8_t family, const cps_udp_options_t *options)
{
    for (size_t i = 0; i < sizeof switched_on / sizeof switched_on[0]; i++)
        if (switched_on[i].wanted(options) && !apply(fd, family, &switched_on[i], 1))
            return false;
    for (size_t i = 0; i < sizeof switched_off / sizeof switched_off[0]; i++)
        if (!apply(fd, family, &switched_off[i], 0))
            return false;
    /* Buffers are a wish: the system has a ceiling of its own. */
    if (options->receive_buffer != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &options->receive_buffer, sizeof(int));
    if (options->send_buffer != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &options->send_buffer, sizeof(int));
    return true;
}

static cps_err_t failed(cps_udp_t *udp, const cps_addr_t *at, const char *what)
{
    char text[CPS_ADDR_TEXT_MAX];
    int code = errno;
    cps_addr_format(at, text);
    if (code == EADDRINUSE)
        snprintf(udp->detail, sizeof udp->detail, "%s: the address is in use by another program", text);
    else
        snprintf(udp->detail, sizeof udp->detail, "%s: %s: %s", text, what, strerrordesc_np(code));
    cps_udp_close(udp);
    return code == EADDRINUSE ? CPS_ERR_ADDRESS_IN_USE : CPS_ERR_IO;
}

cps_err_t cps_udp_open(cps_udp_t *udp, const cps_addr_t *at, const cps_udp_options_t *options)
{
    struct sockaddr_storage name;
    socklen_t len = cps_addr_to_sockaddr(at, &name);
    *udp = (cps_udp_t){.fd = -1, .socket = options->socket};
    errno = EAFNOSUPPORT;
    if (len != 0)
        udp->fd = socket(name.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
    if (udp->fd < 0)
        return failed(udp, at, "no socket");
    if (!configure(udp->fd, at->family, options))
        return failed(udp, at, "a socket option is refused");
    if (bind(udp->fd, (const struct sockaddr *)&name, len) != 0)
        return failed(udp, at, "cannot be bound");
    len = sizeof name;
    if (getsockname(udp->fd, (struct sockaddr *)&name, &len) != 0)
        return failed(udp, at, "no bound address");
    (void)cps_addr_from_sockaddr((const struct sockaddr *)&name, &udp->local);
    return CPS_OK;
}

void cps_udp_close(cps_udp_t *udp)
{
    if (udp->fd >= 0)
        close(udp->fd);
    udp->fd = -1;
}

/* ---- batch ---- */

cps_err_t cps_udp_batch_init(cps_udp_batch_t *batch, uint32_t capacity, uint32_t message_max)
{
    uint32_t count = capacity == 0 ? CPS_UDP_BATCH : capacity;
    uint32_t slot = (message_max == 0 ? CPS_UDP_MESSAGE_MAX : message_max) + 1;
    *batch = (cps_udp_batch_t){.capacity = count, .slot = slot};
    if (count > CAPACITY_MAX || message_max > UINT16_MAX)
        return CPS_ERR_ARGUMENT;
    struct cps_udp_slots *s = calloc(1, sizeof *s);
    if (s == NULL)
        return CPS_ERR_MEMORY;
    batch->slots = s;
    batch->datagrams = calloc(count, sizeof *batch->datagrams);
    s->headers = calloc(count, sizeof *s->headers);
    s->vectors = calloc(count, sizeof *s->vectors);
    s->names = calloc(count, sizeof *s->names);
    s->controls = calloc(count, sizeof *s->controls);
    s->bytes = calloc(count, slot);
    if (!batch->datagrams || !s->headers || !s->vectors || !s->names || !s->controls || !s->bytes) {
        cps_udp_batch_fini(batch);
        return CPS_ERR_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        s->vectors[i] = (struct iovec){s->bytes + (size_t)i * slot, slot};
        s->headers[i].msg_hdr = (struct msghdr){
            .msg_name = &s->names[i], .msg_control = &s->controls[i], .msg_iov = &s->vectors[i], .msg_iovlen = 1};
    }
    batch->used = count; /* all headers are to be made ready for the first call */
    return CPS_OK;
}

void cps_udp_batch_fini(cps_udp_batch_t *batch)
{
    if (batch->slots != NULL) {
        free(batch->slots->headers);
        free(batch->slots->vectors);
        free(batch->slots->names);
        free(batch->slots->controls);
        free(batch->slots->bytes);
    }
    free(batch->slots);
    free(batch->datagrams);
    *batch = (cps_udp_batch_t){0};
}

/* ---- receive ---- */

/* Errors that recvmmsg and sendmmsg pass on from an earlier datagram of ours, to whichever peer it went. */
static bool is_soft(int code)
{
    static const int soft[] = {ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN, ENONET,    EPROTO,
                               ENOPROTOOPT,  EACCES,       EMSGSIZE,    EPERM,     EINTR,    EOPNOTSUPP};
    for (size_t i = 0; i < sizeof soft / sizeof soft[0]; i++)
        if (soft[i] == code)
            return true;
    return false;
}

static bool is_blocked(int code) { return code == EAGAIN || code == EWOULDBLOCK; }

/* IPv4: `ipi_addr` is the destination in the header, `ipi_spec_dst` the address of ours that it came to; they differ for
 * groups and for broadcast, which are both answered like a group (RFC 7252 §8). */
static void take_info4(const struct cmsghdr *c, cps_path_t *path)
{
    struct in_pktinfo info;
    memcpy(&info, CMSG_DATA(c), sizeof info);
    path->local.family = CPS_FAMILY_IPV4;
    memcpy(path->local.ip, &info.ipi_addr, 4);
    path->ifindex = (uint32_t)info.ipi_ifindex;
    if (info.ipi_addr.s_addr != info.ipi_spec_dst.s_addr || cps_addr_is_multicast(&path->local))
        path->flags = CPS_PATH_MULTICAST;
}

static void take_info6(const struct cmsghdr *c, cps_path_t *path)
{
    struct in6_pktinfo info;
    memcpy(&info, CMSG_DATA(c), sizeof info);
    path->local.family = CPS_FAMILY_IPV6;
    memcpy(path->local.ip, &info.ipi6_addr, 16);
    path->ifindex = info.ipi6_ifindex;
    if (cps_addr_is_multicast(&path->local))
        path->flags = CPS_PATH_MULTICAST;
    if (cps_addr_is_link_local(&path->local))
        path->local.scope_id = info.ipi6_ifindex;
}

static void take_path(const cps_udp_t *udp, struct msghdr *h, cps_path_t *path)
{
    *path = (cps_path_t){.socket = udp->socket};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
            take_info4(c, path);
        else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
            take_info6(c, path);
    }
    if (path->local.family != CPS_FAMILY_NONE)
        path->local.port = udp->local.port;
    if (h->msg_namelen != 0)
        (void)cps_addr_from_sockaddr(h->msg_name, &path->remote);
    /* A fixed interface goes around the routing table, which is wrong where the way back is another one. */
    bool matters = path->flags != 0 || cps_addr_is_link_local(&path->local) || cps_addr_is_link_local(&path->remote);
    if (!matters)
        path->ifindex = 0;
}

static void ready(cps_udp_batch_t *batch)
{
    for (uint32_t i = 0; i < batch->used; i++) {
        struct msghdr *h = &batch->slots->headers[i].msg_hdr;
        h->msg_namelen = sizeof batch->slots->names[i];
        h->msg_controllen = sizeof batch->slots->controls[i];
    }
    batch->used = 0;
}

cps_err_t cps_udp_recv(cps_udp_t *udp, cps_udp_batch_t *batch)
{
    int count;
    int tries = SOFT_MAX;
    ready(batch);
    do
        count = recvmmsg(udp->fd, batch->slots->headers, batch->capacity, MSG_DONTWAIT, NULL);
    while (count < 0 && is_soft(errno) && --tries > 0);
    if (count < 0)
        return is_blocked(errno) || is_soft(errno) || errno == ENOMEM || errno == ENOBUFS ? CPS_OK : CPS_ERR_IO;
    batch->used = (uint32_t)count;
    for (uint32_t i = 0; i < batch->used; i++) {
        struct mmsghdr *h = &batch->slots->headers[i];
        take_path(udp, &h->msg_hdr, &batch->datagrams[i].path);
        batch->datagrams[i].bytes = cps_bytes(batch->slots->vectors[i].iov_base, h->msg_len);
        if (h->msg_len == batch->slot)
            udp->cut++;
    }
    return CPS_OK;
}

/* ---- send ---- */

typedef struct outgoing {
    struct mmsghdr headers[SEND_BATCH];
    struct iovec vectors[SEND_BATCH];
    struct sockaddr_storage names[SEND_BATCH];
    control_t controls[SEND_BATCH];
} outgoing_t;

static void put_control(struct msghdr *h, control_t *control, int level, int type, cps_bytes_t info)
{
    struct cmsghdr *c = &control->align;
    memset(control, 0, sizeof *control);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(info.len);
    memcpy(CMSG_DATA(c), info.ptr, info.len);
    h->msg_control = control;
    h->msg_controllen = CMSG_SPACE(info.len);
}

/* The source: the address that was asked. A group cannot be one; then the kernel chooses, at that interface. */
static void put_source(const cps_path_t *path, struct msghdr *h, control_t *control)
{
    bool fixed = path->local.family == path->remote.family && (path->flags & CPS_PATH_MULTICAST) == 0 &&
                 !cps_addr_is_multicast(&path->local) && !cps_addr_is_any(&path->local);
    uint32_t ifindex = path->ifindex != 0 ? path->ifindex : path->local.scope_id;
    if (!fixed && ifindex == 0)
        return;
    if (path->remote.family == CPS_FAMILY_IPV4) {
        struct in_pktinfo info = {.ipi_ifindex = (int)ifindex};
        if (fixed)
            memcpy(&info.ipi_spec_dst, path->local.ip, 4);
        put_control(h, control, IPPROTO_IP, IP_PKTINFO, cps_bytes(&info, sizeof info));
    } else {
        struct in6_pktinfo info = {.ipi6_ifindex = ifindex};
        if (fixed)
            memcpy(&info.ipi6_addr, path->local.ip, 16);
        put_control(h, control, IPPROTO_IPV6, IPV6_PKTINFO, cps_bytes(&info, sizeof info));
    }
}

static void fill_outgoing(outgoing_t *o, const cps_datagram_t *datagrams, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct msghdr *h = &o->headers[i].msg_hdr;
        o->vectors[i].iov_len = datagrams[i].bytes.len; /* iov_base is not const, but nothing is written there */
        memcpy(&o->vectors[i].iov_base, &datagrams[i].bytes.ptr, sizeof(void *));
        *h = (struct msghdr){.msg_iov = &o->vectors[i], .msg_iovlen = 1, .msg_name = &o->names[i]};
        h->msg_namelen = cps_addr_to_sockaddr(&datagrams[i].path.remote, &o->names[i]);
        put_source(&datagrams[i].path, h, &o->controls[i]);
    }
}

/* What a second failure of one datagram means for its sender. */
static cps_err_t send_error(int code)
{
    static const struct {
        int code;
        cps_err_t err;
    } rows[] = {
        {EMSGSIZE, CPS_ERR_TOO_LARGE},        {ENETUNREACH, CPS_ERR_UNREACHABLE}, {EHOSTUNREACH, CPS_ERR_UNREACHABLE},
        {ENETDOWN, CPS_ERR_UNREACHABLE},      {EHOSTDOWN, CPS_ERR_UNREACHABLE},   {EACCES, CPS_ERR_UNREACHABLE},
        {EADDRNOTAVAIL, CPS_ERR_UNREACHABLE}, {EPERM, CPS_ERR_UNREACHABLE}, /* a packet filter of this host */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].code == code)
            return rows[i].err;
    return CPS_ERR_IO;
}

/* As good as lost on the way: no room in a queue below, or, on an unconnected socket, only ever another peer's ICMP. */
static bool is_loss(int code) { return code == ENOBUFS || code == ENOMEM || code == ECONNREFUSED; }

/* Send what `o` holds, `count` datagrams; the code of the error of datagram [*sent], or 0. */
static int send_filled(const cps_udp_t *udp, outgoing_t *o, size_t count, size_t *sent)
{
    int failures = 0;
    *sent = 0;
    while (*sent < count) {
        int n = sendmmsg(udp->fd, o->headers + *sent, (unsigned)(count - *sent), MSG_DONTWAIT);
        if (n > 0) {
            *sent += (size_t)n;
            failures = 0;
        } else if (errno != EINTR && (is_blocked(errno) || failures++ > 0)) {
            return errno;
        }
    }
    return 0;
}

cps_err_t cps_udp_send(cps_udp_t *udp, const cps_datagram_t *datagrams, size_t count, size_t *sent)
{
    outgoing_t o;
    *sent = 0;
    while (*sent < count) {
        size_t part = count - *sent < SEND_BATCH ? count - *sent : SEND_BATCH;
        size_t done;
        fill_outgoing(&o, datagrams + *sent, part);
        int code = send_filled(udp, &o, part, &done);
        *sent += done;
        if (is_blocked(code))
            return CPS_ERR_BUSY;
        if (code != 0 && !is_loss(code))
            return send_error(code);
        if (code != 0) {
            udp->lost++;
            *sent += 1;
        }
    }
    return CPS_OK;
}
