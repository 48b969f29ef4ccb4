// SPDX-License-Identifier: Apache-2.0
/* The error queue of a UDP socket: ICMP reports and local refusals, with the datagram that they quote. */
#include "host/udp.h"

#include <errno.h>
#include <linux/types.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

typedef struct meaning {
    uint8_t origin;
    int type; /* of ICMP, or the code of a local error; ANY: all others */
    int code; /* of ICMP */
    cps_udp_error_kind_t kind;
} meaning_t;

#define ANY (-1)

/* The first row that fits counts. */
static const meaning_t meanings[] = {
    {SO_EE_ORIGIN_LOCAL, EMSGSIZE, ANY, CPS_UDP_TOO_LARGE},
    {SO_EE_ORIGIN_LOCAL, EHOSTUNREACH, ANY, CPS_UDP_UNREACHABLE}, /* no answer to ARP or Neighbour Discovery */
    {SO_EE_ORIGIN_LOCAL, ENETUNREACH, ANY, CPS_UDP_UNREACHABLE},
    {SO_EE_ORIGIN_ICMP, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, CPS_UDP_TOO_LARGE},
    {SO_EE_ORIGIN_ICMP, ICMP_DEST_UNREACH, ANY, CPS_UDP_UNREACHABLE},
    {SO_EE_ORIGIN_ICMP6, ICMP6_PACKET_TOO_BIG, ANY, CPS_UDP_TOO_LARGE},
    {SO_EE_ORIGIN_ICMP6, ICMP6_DST_UNREACH, ANY, CPS_UDP_UNREACHABLE},
};

cps_udp_error_kind_t cps_udp_error_kind(const struct sock_extended_err *report)
{
    int type = report->ee_origin == SO_EE_ORIGIN_LOCAL ? (int)report->ee_errno : report->ee_type;
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        const meaning_t *m = &meanings[i];
        if (m->origin == report->ee_origin && m->type == type && (m->code == ANY || m->code == report->ee_code))
            return m->kind;
    }
    return CPS_UDP_OTHER;
}

/* Our address stands in PKTINFO as the destination of the ICMP message; of a local refusal it says nothing. */
static void take_control(struct msghdr *h, cps_udp_error_t *out)
{
    bool from_network = false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
            (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
            struct sock_extended_err report;
            memcpy(&report, CMSG_DATA(c), sizeof report);
            out->kind = cps_udp_error_kind(&report);
            from_network = report.ee_origin != SO_EE_ORIGIN_LOCAL;
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            out->path.local.family = CPS_FAMILY_IPV4;
            memcpy(out->path.local.ip, CMSG_DATA(c) + offsetof(struct in_pktinfo, ipi_addr), 4);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            out->path.local.family = CPS_FAMILY_IPV6;
            memcpy(out->path.local.ip, CMSG_DATA(c) + offsetof(struct in6_pktinfo, ipi6_addr), 16);
        }
    }
    if (!from_network)
        out->path.local = (cps_addr_t){.family = CPS_FAMILY_NONE};
}

static void clear_pending(const cps_udp_t *udp)
{
    int code;
    socklen_t len = sizeof code;
    (void)getsockopt(udp->fd, SOL_SOCKET, SO_ERROR, &code, &len);
}

bool cps_udp_next_error(cps_udp_t *udp, uint8_t *buf, size_t size, cps_udp_error_t *out)
{
    union {
        struct cmsghdr align;
        uint8_t bytes[512];
    } control;
    struct sockaddr_storage name;
    struct iovec vector = {buf, size};
    struct msghdr h = {.msg_name = &name,
                       .msg_namelen = sizeof name,
                       .msg_iov = &vector,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    ssize_t len;
    do
        len = recvmsg(udp->fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT);
    while (len < 0 && errno == EINTR);
    if (len < 0) {
        clear_pending(udp);
        return false;
    }
    *out = (cps_udp_error_t){.path = {.socket = udp->socket}, .kind = CPS_UDP_OTHER};
    out->quoted = cps_bytes(buf, (size_t)len);
    if (h.msg_namelen != 0)
        (void)cps_addr_from_sockaddr((const struct sockaddr *)&name, &out->path.remote);
    take_control(&h, out);
    if (out->path.local.family != CPS_FAMILY_NONE)
        out->path.local.port = udp->local.port;
    return true;
}
