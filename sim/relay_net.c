// SPDX-License-Identifier: Apache-2.0
#include "sim/relay_net.h"

#include "sim/addr.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64U /* datagrams taken from one socket before the others have their turn */

typedef union sock {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} sock_t;

static socklen_t to_sock(const cps_addr_t *addr, sock_t *out)
{
    *out = (sock_t){0};
    if (addr->family == CPS_FAMILY_IPV4) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(addr->port);
        memcpy(&out->v4.sin_addr, addr->ip, 4);
        return sizeof out->v4;
    }
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(addr->port);
    out->v6.sin6_scope_id = addr->scope_id;
    memcpy(&out->v6.sin6_addr, addr->ip, 16);
    return sizeof out->v6;
}

static cps_addr_t from_sock(const sock_t *sock)
{
    cps_addr_t addr = {0};
    if (sock->any.sa_family == AF_INET) {
        addr.family = CPS_FAMILY_IPV4;
        addr.port = ntohs(sock->v4.sin_port);
        memcpy(addr.ip, &sock->v4.sin_addr, 4);
    } else {
        addr.family = CPS_FAMILY_IPV6;
        addr.port = ntohs(sock->v6.sin6_port);
        addr.scope_id = sock->v6.sin6_scope_id;
        memcpy(addr.ip, &sock->v6.sin6_addr, 16);
    }
    return addr;
}

static cps_time_us_t clock_us(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (uint64_t)t.tv_sec * 1000000U + (uint64_t)t.tv_nsec / 1000U;
}

cps_time_us_t cps_relay_now(void) { return clock_us(CLOCK_MONOTONIC); }

void cps_relay_init(cps_relay_t *relay)
{
    memset(relay, 0, sizeof *relay);
    relay->capture.fd = -1;
    relay->wall_us = clock_us(CLOCK_REALTIME) - cps_relay_now();
    for (size_t i = 0; i < CPS_RELAY_FLOWS_MAX; i++)
        relay->flows[i].fd = -1;
}

void cps_relay_fini(cps_relay_t *relay)
{
    for (size_t i = 0; i < relay->leg_count; i++)
        close(relay->legs[i].fd);
    for (size_t i = 0; i < CPS_RELAY_FLOWS_MAX; i++)
        if (relay->flows[i].fd >= 0)
            close(relay->flows[i].fd);
    cps_pcapng_close(&relay->capture);
}

/* A datagram socket bound to `*addr`, which becomes the address as bound; -1 with errno. */
static int open_socket(cps_addr_t *addr)
{
    sock_t sock;
    socklen_t len = to_sock(addr, &sock);
    int fd = socket(sock.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, &sock.any, len) != 0 || getsockname(fd, &sock.any, &len) != 0) {
        int kept = errno;
        close(fd);
        errno = kept;
        return -1;
    }
    *addr = from_sock(&sock);
    return fd;
}

/* Which of our addresses the kernel takes to reach a peer: connecting a datagram socket sends nothing. */
static cps_err_t find_source(const cps_addr_t *peer, cps_addr_t *out)
{
    sock_t sock;
    socklen_t len = to_sock(peer, &sock);
    int fd = socket(sock.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return CPS_ERR_IO;
    bool done = connect(fd, &sock.any, len) == 0 && getsockname(fd, &sock.any, &len) == 0;
    int kept = errno;
    close(fd);
    errno = kept;
    *out = from_sock(&sock);
    out->port = 0;
    return done ? CPS_OK : CPS_ERR_IO;
}

static bool is_wildcard(const cps_addr_t *addr)
{
    static const uint8_t zero[sizeof addr->ip] = {0};
    return addr->family == CPS_FAMILY_NONE || memcmp(addr->ip, zero, sizeof zero) == 0;
}

cps_err_t cps_relay_open(cps_relay_t *relay, const cps_addr_t *listen, const cps_addr_t *forward)
{
    /* the capture shall show true addresses, and a wildcard is none */
    if (is_wildcard(listen) || is_wildcard(forward) || forward->port == 0)
        return CPS_ERR_ARGUMENT;
    if (relay->leg_count == CPS_RELAY_LEGS_MAX)
        return CPS_ERR_FULL;
    cps_relay_leg_t leg = {.listen = *listen, .forward = *forward};
    if (find_source(forward, &leg.source) != CPS_OK)
        return CPS_ERR_IO;
    leg.fd = open_socket(&leg.listen);
    if (leg.fd < 0)
        return CPS_ERR_IO;
    char name[32];
    snprintf(name, sizeof name, "leg%u-near", relay->leg_count);
    cps_err_t err = cps_pcapng_add(&relay->capture, name, &leg.near);
    snprintf(name, sizeof name, "leg%u-far", relay->leg_count);
    if (err == CPS_OK)
        err = cps_pcapng_add(&relay->capture, name, &leg.far);
    if (err != CPS_OK) {
        close(leg.fd);
        return err;
    }
    relay->legs[relay->leg_count++] = leg;
    return CPS_OK;
}

static cps_relay_flow_t *find_flow(cps_relay_t *relay, uint16_t leg, cps_foe_dir_t dir, const cps_addr_t *client)
{
    for (size_t i = 0; i < CPS_RELAY_FLOWS_MAX; i++) {
        cps_relay_flow_t *flow = &relay->flows[i];
        if (flow->fd < 0 || flow->leg != leg || flow->dir != dir || !cps_simaddr_equal(&flow->client, client))
            continue;
        flow->used = ++relay->uses;
        return flow;
    }
    return NULL;
}

/* A free place, or that of the flow that was not used for longest. */
static cps_relay_flow_t *make_room(cps_relay_t *relay)
{
    cps_relay_flow_t *oldest = &relay->flows[0];
    for (size_t i = 0; i < CPS_RELAY_FLOWS_MAX; i++) {
        if (relay->flows[i].fd < 0)
            return &relay->flows[i];
        if (relay->flows[i].used < oldest->used)
            oldest = &relay->flows[i];
    }
    close(oldest->fd);
    oldest->fd = -1;
    return oldest;
}

static cps_relay_flow_t *open_flow(cps_relay_t *relay, cps_relay_flow_t flow)
{
    flow.fd = open_socket(&flow.local);
    if (flow.fd < 0)
        return NULL;
    flow.used = ++relay->uses;
    if (flow.own)
        flow.client = flow.local;
    cps_relay_flow_t *place = make_room(relay);
    *place = flow;
    return place;
}

cps_err_t cps_relay_own(cps_relay_t *relay, uint16_t leg, cps_foe_dir_t dir, const cps_addr_t *bind, cps_addr_t *out)
{
    if (leg >= relay->leg_count)
        return CPS_ERR_ARGUMENT;
    cps_relay_flow_t flow = {.leg = leg, .dir = (uint8_t)dir, .own = true};
    if (bind != NULL) {
        flow.local = *bind;
    } else {
        flow.local = dir == CPS_FOE_UP ? relay->legs[leg].source : relay->legs[leg].listen;
        flow.local.port = 0;
    }
    const cps_relay_flow_t *opened = open_flow(relay, flow);
    if (opened == NULL)
        return CPS_ERR_IO;
    *out = opened->local;
    return CPS_OK;
}

bool cps_relay_knows(const cps_relay_t *relay, uint16_t leg, cps_foe_dir_t dir, const cps_addr_t *from)
{
    if (dir == CPS_FOE_DOWN && cps_simaddr_equal(from, &relay->legs[leg].forward))
        return true;
    for (size_t i = 0; i < CPS_RELAY_FLOWS_MAX; i++) {
        const cps_relay_flow_t *flow = &relay->flows[i];
        if (flow->fd >= 0 && flow->leg == leg && flow->dir == dir && cps_simaddr_equal(&flow->client, from))
            return true;
    }
    return false;
}

size_t cps_relay_poll(const cps_relay_t *relay, struct pollfd *fds)
{
    size_t count = 0;
    for (size_t i = 0; i < relay->leg_count; i++)
        fds[count++] = (struct pollfd){relay->legs[i].fd, POLLIN, 0};
    for (size_t i = 0; i < CPS_RELAY_FLOWS_MAX; i++)
        if (relay->flows[i].fd >= 0)
            fds[count++] = (struct pollfd){relay->flows[i].fd, POLLIN, 0};
    return count;
}

/* What the comment of an arriving datagram says. */
static void describe_verdict(const cps_foe_verdict_t *v, char *out, size_t len)
{
    int used = snprintf(out, len, "#%llu %s", (unsigned long long)v->index, cps_foe_fate_name(v->fate));
    if (v->fate == CPS_FOE_HELD)
        used += snprintf(out + used, len - (size_t)used, " as %s", v->label);
    if (v->delay_us != 0)
        used += snprintf(out + used, len - (size_t)used, ", %llu us later", (unsigned long long)v->delay_us);
    if (v->copies != 0)
        used += snprintf(out + used, len - (size_t)used, ", and %u more", v->copies);
    if (v->modified)
        snprintf(out + used, len - (size_t)used, ", modified");
}

/* What the comment of a leaving datagram says. */
static void describe_output(const cps_foe_output_t *o, char *out, size_t len)
{
    const char *modified = o->modified ? ", modified" : "";
    const char *reason = cps_foe_reason_name(o->reason);
    unsigned long long index = o->index;
    if (o->reason == CPS_FOE_INJECTED)
        snprintf(out, len, "injected");
    else if (o->reason == CPS_FOE_RELEASED)
        snprintf(out, len, "%s from #%llu, held as %s%s", reason, index, o->label, modified);
    else
        snprintf(out, len, "%s from #%llu%s", reason, index, modified);
}

static cps_err_t capture(cps_relay_t *relay, cps_pcapng_packet_t packet, cps_time_us_t now_us)
{
    packet.time_us = now_us + relay->wall_us;
    return cps_pcapng_write(&relay->capture, &packet);
}

/* Who sent what to which of our sockets, as the foe shall see it and as the capture shall show it. */
typedef struct arrival {
    cps_parcel_t parcel;
    cps_addr_t local;
    uint32_t interface;
} arrival_t;

static bool place_arrival(cps_relay_t *relay, int fd, const cps_addr_t *from, arrival_t *out)
{
    for (uint32_t i = 0; i < relay->leg_count; i++) {
        const cps_relay_leg_t *leg = &relay->legs[i];
        if (leg->fd != fd)
            continue;
        *out = (arrival_t){{*from, leg->forward, (uint16_t)i, CPS_FOE_UP, {NULL, 0}}, leg->listen, leg->near};
        return true;
    }
    for (size_t i = 0; i < CPS_RELAY_FLOWS_MAX; i++) {
        cps_relay_flow_t *flow = &relay->flows[i];
        if (flow->fd != fd)
            continue;
        const cps_relay_leg_t *leg = &relay->legs[flow->leg];
        bool far = flow->dir == CPS_FOE_UP;
        if (far && !cps_simaddr_equal(from, &leg->forward))
            break;
        flow->used = ++relay->uses;
        cps_foe_dir_t dir = far ? CPS_FOE_DOWN : CPS_FOE_UP;
        *out = (arrival_t){
            {*from, flow->client, flow->leg, (uint8_t)dir, {NULL, 0}}, flow->local, far ? leg->far : leg->near};
        return true;
    }
    relay->strangers++;
    return false;
}

static cps_err_t take_in(cps_relay_t *relay, int fd, const cps_addr_t *from, size_t len)
{
    arrival_t a;
    char comment[CPS_PCAPNG_COMMENT_MAX];
    cps_foe_verdict_t verdict = {.fate = CPS_FOE_LOST};
    if (len > CPS_RELAY_DATAGRAM_MAX) {
        relay->oversize++;
        return CPS_OK;
    }
    if (!place_arrival(relay, fd, from, &a))
        return CPS_OK;
    a.parcel.bytes = cps_bytes(relay->buffer, len);
    cps_time_us_t now_us = cps_relay_now();
    cps_err_t lost = cps_foe_input(&relay->foe, now_us, &a.parcel, &verdict);
    (void)lost; /* counted by the foe, and in the verdict */
    describe_verdict(&verdict, comment, sizeof comment);
    cps_pcapng_packet_t packet = {.interface = a.interface,
                                  .way = CPS_PCAPNG_INBOUND,
                                  .from = *from,
                                  .to = a.local,
                                  .payload = a.parcel.bytes,
                                  .comment = comment};
    return capture(relay, packet, now_us);
}

cps_err_t cps_relay_receive(cps_relay_t *relay, int fd)
{
    for (unsigned i = 0; i < BATCH; i++) {
        sock_t sock = {0};
        socklen_t sock_len = sizeof sock;
        ssize_t len = recvfrom(fd, relay->buffer, sizeof relay->buffer, MSG_DONTWAIT, &sock.any, &sock_len);
        if (len < 0)
            return CPS_OK; /* nothing left; an ICMP error of the past is no concern of ours */
        cps_addr_t from = from_sock(&sock);
        cps_err_t err = take_in(relay, fd, &from, (size_t)len);
        if (err != CPS_OK)
            return err;
    }
    return CPS_OK;
}

/* Through which socket a datagram leaves, and from where to where the capture shall say it went. */
typedef struct departure {
    int fd;
    cps_addr_t local;
    uint32_t interface;
} departure_t;

static bool place_departure(cps_relay_t *relay, const cps_parcel_t *parcel, departure_t *out)
{
    const cps_relay_leg_t *leg = &relay->legs[parcel->leg];
    const cps_relay_flow_t *flow = find_flow(relay, parcel->leg, parcel->dir, &parcel->from);
    if (flow == NULL && parcel->dir == CPS_FOE_UP) {
        cps_relay_flow_t fresh = {.leg = parcel->leg, .dir = CPS_FOE_UP, .client = parcel->from, .local = leg->source};
        flow = open_flow(relay, fresh);
    }
    if (flow != NULL)
        *out = (departure_t){flow->fd, flow->local, parcel->dir == CPS_FOE_UP ? leg->far : leg->near};
    else
        *out = (departure_t){leg->fd, leg->listen, leg->near};
    return flow != NULL || parcel->dir == CPS_FOE_DOWN;
}

/* Whether a datagram goes to one of the foe's own addresses, where it ends. */
static bool is_own(const cps_relay_t *relay, const cps_parcel_t *parcel)
{
    for (size_t i = 0; i < CPS_RELAY_FLOWS_MAX; i++) {
        const cps_relay_flow_t *flow = &relay->flows[i];
        if (flow->fd >= 0 && flow->own && flow->leg == parcel->leg && flow->dir != parcel->dir &&
            cps_simaddr_equal(&flow->local, &parcel->to))
            return true;
    }
    return false;
}

static cps_err_t send_out(cps_relay_t *relay, const cps_foe_output_t *out)
{
    departure_t d;
    sock_t sock;
    char comment[CPS_PCAPNG_COMMENT_MAX];
    if (is_own(relay, &out->parcel)) {
        relay->absorbed++;
        return CPS_OK;
    }
    if (!place_departure(relay, &out->parcel, &d) || d.local.family != out->parcel.to.family) {
        relay->send_errors++;
        return CPS_OK;
    }
    describe_output(out, comment, sizeof comment);
    cps_pcapng_packet_t packet = {.interface = d.interface,
                                  .way = CPS_PCAPNG_OUTBOUND,
                                  .from = d.local,
                                  .to = out->parcel.to,
                                  .payload = out->parcel.bytes,
                                  .comment = comment};
    /* written first: whoever receives the datagram finds it in the capture */
    cps_err_t err = capture(relay, packet, cps_relay_now());
    socklen_t len = to_sock(&out->parcel.to, &sock);
    if (err == CPS_OK && sendto(d.fd, out->parcel.bytes.ptr, out->parcel.bytes.len, 0, &sock.any, len) < 0)
        relay->send_errors++;
    return err;
}

cps_err_t cps_relay_send(cps_relay_t *relay)
{
    cps_foe_output_t out;
    cps_err_t err = CPS_OK;
    while (err == CPS_OK && cps_foe_take(&relay->foe, cps_relay_now(), &out))
        err = send_out(relay, &out);
    return err;
}
