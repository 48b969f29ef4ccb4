// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include "host/udp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <linux/errqueue.h>
#include <linux/if_tun.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool own_network; /* set once, before the cases run */

static cps_addr_t at(const char *text)
{
    cps_addr_t addr;
    assert_ok(cps_addr_parse(cps_bytes_str(text), 0, &addr));
    return addr;
}

static void open_at(cps_udp_t *udp, const char *text, uint16_t number)
{
    cps_addr_t addr = at(text);
    cps_udp_options_t options = {.socket = number, .errors = true};
    if (cps_udp_open(udp, &addr, &options) != CPS_OK)
        fail_msg("%s", udp->detail);
}

/* Until the socket has something to read: the kernel tells, no time is guessed. */
static bool wait_readable(const cps_udp_t *udp, short events)
{
    struct pollfd p = {.fd = udp->fd, .events = events};
    return poll(&p, 1, 5000) == 1;
}

/* Loopback delivers before the send returns. */
static bool readable_now(const cps_udp_t *udp)
{
    struct pollfd p = {.fd = udp->fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void send_one(cps_udp_t *udp, const cps_path_t *path, cps_bytes_t bytes)
{
    cps_datagram_t d = {*path, bytes};
    size_t sent;
    assert_ok(cps_udp_send(udp, &d, 1, &sent));
    assert_int_equal(sent, 1);
}

static void assert_addr(const char *expected, const cps_addr_t *addr, uint16_t port)
{
    cps_addr_t want = at(expected);
    char text[CPS_ADDR_TEXT_MAX];
    want.port = port;
    if (!cps_addr_equal(&want, addr))
        fail_msg("%s instead of %s", cps_addr_format(addr, text), expected);
}

/* A datagram from one socket of ours to `destination`; the path that the receiver saw. */
static cps_path_t carry(cps_udp_t *from, cps_udp_t *to, const char *destination)
{
    cps_udp_batch_t batch;
    cps_path_t path = {.remote = at(destination)};
    path.remote.port = to->local.port;
    assert_ok(cps_udp_batch_init(&batch, 0, 0));
    send_one(from, &path, CPS_BYTES_LIT("ask"));
    assert_true(wait_readable(to, POLLIN));
    assert_ok(cps_udp_recv(to, &batch));
    assert_int_equal(batch.used, 1);
    assert_bytes(CPS_BYTES_LIT("ask"), batch.datagrams[0].bytes);
    cps_path_t seen = batch.datagrams[0].path;
    cps_udp_batch_fini(&batch);
    return seen;
}

/* Ask `destination` of a server at a wildcard address; the address that the answer came from. */
static void ask(const char *wildcard, const char *destination)
{
    cps_udp_t server;
    cps_udp_t client;
    open_at(&server, wildcard, 7);
    open_at(&client, wildcard, 8);
    cps_path_t path = carry(&client, &server, destination);
    assert_int_equal(path.socket, 7);
    assert_int_equal(path.flags, 0);
    assert_int_equal(path.ifindex, 0);
    assert_int_equal(path.remote.port, client.local.port);
    assert_addr(destination, &path.local, server.local.port);
    send_one(&server, &path, CPS_BYTES_LIT("answer"));
    cps_udp_batch_t batch;
    assert_ok(cps_udp_batch_init(&batch, 4, 100));
    assert_true(wait_readable(&client, POLLIN));
    assert_ok(cps_udp_recv(&client, &batch));
    assert_int_equal(batch.used, 1);
    assert_int_equal(batch.datagrams[0].path.socket, 8);
    assert_addr(destination, &batch.datagrams[0].path.remote, server.local.port);
    cps_udp_batch_fini(&batch);
    cps_udp_close(&server);
    cps_udp_close(&client);
}

static void answers_leave_from_the_address_that_was_asked(void **state)
{
    (void)state;
    ask("0.0.0.0:0", "127.0.0.1");
    ask("0.0.0.0:0", "127.0.0.2");
    ask("[::]:0", "::1");
    if (!own_network)
        skip();
    ask("[::]:0", "fd00::2");
}

static void families_are_apart(void **state)
{
    (void)state;
    cps_udp_t v6;
    cps_udp_t v4;
    cps_udp_t client;
    char text[CPS_ADDR_TEXT_MAX];
    open_at(&v6, "[::]:0", 1);
    snprintf(text, sizeof text, "0.0.0.0:%u", v6.local.port);
    open_at(&v4, text, 2);
    open_at(&client, "127.0.0.1:0", 3);
    cps_path_t path = carry(&client, &v4, "127.0.0.1");
    assert_int_equal(path.remote.family, CPS_FAMILY_IPV4);
    cps_udp_batch_t batch;
    assert_ok(cps_udp_batch_init(&batch, 1, 100));
    assert_ok(cps_udp_recv(&v6, &batch));
    assert_int_equal(batch.used, 0);
    cps_udp_batch_fini(&batch);
    cps_udp_close(&v6);
    cps_udp_close(&v4);
    cps_udp_close(&client);
}

static void refused_addresses_are_named(void **state)
{
    (void)state;
    cps_udp_t first;
    cps_udp_t second;
    char text[CPS_ADDR_TEXT_MAX];
    cps_udp_options_t options = {.socket = 0};
    open_at(&first, "127.0.0.1:0", 0);
    assert_int_not_equal(first.local.port, 0);
    assert_err(CPS_ERR_ADDRESS_IN_USE, cps_udp_open(&second, &first.local, &options));
    assert_non_null(strstr(second.detail, cps_addr_format(&first.local, text)));
    assert_int_equal(second.fd, -1);
    cps_addr_t foreign = at("192.0.2.77:5683");
    assert_err(CPS_ERR_IO, cps_udp_open(&second, &foreign, &options));
    assert_string_equal(second.detail, "192.0.2.77:5683: cannot be bound: Cannot assign requested address");
    cps_addr_t none = {.family = CPS_FAMILY_NONE};
    assert_err(CPS_ERR_IO, cps_udp_open(&second, &none, &options));
    cps_udp_close(&second);
    cps_udp_close(&first);
}

static void workers_share_a_port_only_when_asked(void **state)
{
    (void)state;
    cps_udp_t a;
    cps_udp_t b;
    cps_addr_t addr = at("127.0.0.1:0");
    cps_udp_options_t shared = {.reuse_port = true, .receive_buffer = 65536, .send_buffer = 32768};
    cps_udp_options_t alone = {.reuse_port = false};
    assert_ok(cps_udp_open(&a, &addr, &shared));
    assert_ok(cps_udp_open(&b, &a.local, &shared));
    cps_udp_close(&b);
    assert_err(CPS_ERR_ADDRESS_IN_USE, cps_udp_open(&b, &a.local, &alone));
    int value = 0;
    socklen_t len = sizeof value;
    assert_int_equal(getsockopt(a.fd, SOL_SOCKET, SO_RCVBUF, &value, &len), 0);
    assert_int_equal(value, 2 * 65536);
    assert_int_equal(getsockopt(a.fd, SOL_SOCKET, SO_SNDBUF, &value, &len), 0);
    assert_int_equal(value, 2 * 32768);
    assert_int_equal(getsockopt(a.fd, SOL_SOCKET, SO_REUSEADDR, &value, &len), 0);
    assert_int_equal(value, 0);
    assert_true((fcntl(a.fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(a.fd, F_GETFD) & FD_CLOEXEC) != 0);
    cps_udp_close(&a);
}

/* 100 datagrams of different lengths, out and in by batches of 32 and 7. */
static void many_datagrams_take_few_calls(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    static uint8_t bytes[COUNT];
    static cps_datagram_t out[COUNT];
    cps_udp_t from;
    cps_udp_t to;
    cps_udp_batch_t batch;
    size_t sent;
    open_at(&from, "[::1]:0", 0);
    open_at(&to, "[::1]:0", 0);
    for (size_t i = 0; i < COUNT; i++) {
        bytes[i] = (uint8_t)i;
        out[i] = (cps_datagram_t){{.remote = to.local}, cps_bytes(bytes, i + 1)};
    }
    assert_ok(cps_udp_send(&from, out, COUNT, &sent));
    assert_int_equal(sent, COUNT);
    assert_ok(cps_udp_batch_init(&batch, 7, COUNT));
    size_t seen = 0;
    for (;;) {
        assert_ok(cps_udp_recv(&to, &batch));
        if (batch.used == 0)
            break;
        assert_int_equal(batch.used, seen + 7 <= COUNT ? 7 : COUNT - seen);
        for (uint32_t i = 0; i < batch.used; i++, seen++)
            assert_bytes(out[seen].bytes, batch.datagrams[i].bytes);
    }
    assert_int_equal(seen, COUNT);
    assert_int_equal(to.cut, 0);
    cps_udp_batch_fini(&batch);
    cps_udp_close(&from);
    cps_udp_close(&to);
}

static void longer_datagrams_show_as_too_large(void **state)
{
    (void)state;
    static const uint8_t bytes[300];
    cps_udp_t from;
    cps_udp_t to;
    cps_udp_batch_t batch;
    open_at(&from, "127.0.0.1:0", 0);
    open_at(&to, "127.0.0.1:0", 0);
    cps_path_t path = {.remote = to.local};
    send_one(&from, &path, cps_bytes(bytes, 100));
    send_one(&from, &path, cps_bytes(bytes, 101));
    send_one(&from, &path, cps_bytes(bytes, 300));
    send_one(&from, &path, cps_bytes(bytes, 0));
    assert_ok(cps_udp_batch_init(&batch, 0, 100));
    assert_ok(cps_udp_recv(&to, &batch));
    assert_int_equal(batch.used, 4);
    assert_int_equal(batch.datagrams[0].bytes.len, 100);
    assert_int_equal(batch.datagrams[1].bytes.len, 101);
    assert_int_equal(batch.datagrams[2].bytes.len, 101);
    assert_int_equal(batch.datagrams[3].bytes.len, 0);
    assert_int_equal(to.cut, 2);
    cps_udp_batch_fini(&batch);
    assert_err(CPS_ERR_ARGUMENT, cps_udp_batch_init(&batch, 1025, 0));
    assert_err(CPS_ERR_ARGUMENT, cps_udp_batch_init(&batch, 0, 65536));
    cps_udp_close(&from);
    cps_udp_close(&to);
}

/* ---- groups ---- */

static void join(const cps_udp_t *udp, const cps_addr_t *group, unsigned interface)
{
    struct group_req request = {.gr_interface = interface};
    (void)cps_addr_to_sockaddr(group, &request.gr_group);
    int level = group->family == CPS_FAMILY_IPV4 ? IPPROTO_IP : IPPROTO_IPV6;
    assert_int_equal(setsockopt(udp->fd, level, MCAST_JOIN_GROUP, &request, sizeof request), 0);
}

static cps_path_t receive_one(cps_udp_t *udp)
{
    cps_udp_batch_t batch;
    assert_true(wait_readable(udp, POLLIN));
    assert_ok(cps_udp_batch_init(&batch, 0, 0));
    assert_ok(cps_udp_recv(udp, &batch));
    assert_int_equal(batch.used, 1);
    cps_path_t path = batch.datagrams[0].path;
    cps_udp_batch_fini(&batch);
    return path;
}

static void ask_group(const char *wildcard, const char *group, unsigned interface)
{
    cps_udp_t server;
    cps_udp_t client;
    cps_udp_t other;
    char text[CPS_ADDR_TEXT_MAX];
    cps_path_t path = {.remote = at(group), .ifindex = interface};
    open_at(&server, wildcard, 1);
    open_at(&client, wildcard, 2);
    join(&server, &path.remote, interface);
    path.remote.port = server.local.port;
    send_one(&client, &path, CPS_BYTES_LIT("all"));
    cps_path_t seen = receive_one(&server);
    assert_int_equal(seen.flags, CPS_PATH_MULTICAST);
    assert_int_equal(seen.ifindex, interface);
    assert_string_equal(cps_addr_format_ip(&seen.local, text), group);
    send_one(&server, &seen, CPS_BYTES_LIT("one")); /* the answer leaves from an address of ours */
    cps_path_t answer = receive_one(&client);
    assert_false(cps_addr_is_multicast(&answer.remote));
    assert_int_equal(answer.flags, 0);
    /* a socket that joined nothing hears nothing, whatever others of this machine have joined */
    open_at(&other, wildcard, 3);
    path.remote.port = other.local.port;
    send_one(&client, &path, CPS_BYTES_LIT("all"));
    assert_false(readable_now(&other));
    cps_udp_close(&server);
    cps_udp_close(&client);
    cps_udp_close(&other);
}

/* The kernel makes a new IPv6 address and its route usable a moment later, by itself: until a datagram can go to `to`,
 * which is an address of ours or a group at an interface. */
static bool wait_way(const char *to, unsigned interface)
{
    struct sockaddr_storage name;
    cps_addr_t addr = at(to);
    addr.scope_id = interface;
    socklen_t len = cps_addr_to_sockaddr(&addr, &name);
    for (int tries = 0; tries < 5000; tries++) {
        int s = socket(name.ss_family, SOCK_DGRAM, 0);
        bool ours = interface != 0 || bind(s, (struct sockaddr *)&name, len) == 0;
        bool way = ours && connect(s, (struct sockaddr *)&name, len) == 0;
        close(s);
        if (way)
            return true;
        poll(NULL, 0, 1);
    }
    return false;
}

/* An Ethernet interface that ends in this process; closed with the descriptor. 0 where the system has none to give. */
static unsigned open_interface(int *fd)
{
    struct ifreq request = {.ifr_name = "cps%d", .ifr_flags = IFF_TAP | IFF_NO_PI};
    int dad = open("/proc/sys/net/ipv6/conf/default/accept_dad", O_WRONLY | O_CLOEXEC);
    (void)!write(dad, "0", 1); /* else a second is spent looking for others with this address */
    close(dad);
    *fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    bool ok = ioctl(*fd, TUNSETIFF, &request) == 0;
    request.ifr_flags = IFF_UP | IFF_RUNNING | IFF_MULTICAST;
    ok = ok && ioctl(s, SIOCSIFFLAGS, &request) == 0;
    close(s);
    unsigned index = ok ? if_nametoindex(request.ifr_name) : 0;
    return ok && wait_way("ff02::fd", index) ? index : 0;
}

static void datagrams_to_a_group_are_marked(void **state)
{
    (void)state;
    int fd = -1;
    ask_group("0.0.0.0:0", "224.0.1.187", if_nametoindex("lo"));
    unsigned interface = own_network ? open_interface(&fd) : 0;
    if (interface == 0)
        skip();
    ask_group("[::]:0", "ff02::fd", interface);
    close(fd);
}

/* ---- errors ---- */

static void reports_mean_what_the_RFC_says(void **state)
{
    (void)state;
    static const struct {
        struct sock_extended_err report;
        cps_udp_error_kind_t kind;
    } rows[] = {
        {{.ee_origin = SO_EE_ORIGIN_LOCAL, .ee_errno = EMSGSIZE}, CPS_UDP_TOO_LARGE},
        {{.ee_origin = SO_EE_ORIGIN_LOCAL, .ee_errno = EHOSTUNREACH}, CPS_UDP_UNREACHABLE},
        {{.ee_origin = SO_EE_ORIGIN_ICMP, .ee_type = ICMP_DEST_UNREACH, .ee_code = ICMP_FRAG_NEEDED},
         CPS_UDP_TOO_LARGE},
        {{.ee_origin = SO_EE_ORIGIN_ICMP, .ee_type = ICMP_DEST_UNREACH, .ee_code = ICMP_PORT_UNREACH},
         CPS_UDP_UNREACHABLE},
        {{.ee_origin = SO_EE_ORIGIN_ICMP, .ee_type = ICMP_TIME_EXCEEDED, .ee_errno = EHOSTUNREACH}, CPS_UDP_OTHER},
        {{.ee_origin = SO_EE_ORIGIN_ICMP, .ee_type = ICMP_SOURCE_QUENCH}, CPS_UDP_OTHER},
        {{.ee_origin = SO_EE_ORIGIN_ICMP6, .ee_type = ICMP6_PACKET_TOO_BIG}, CPS_UDP_TOO_LARGE},
        {{.ee_origin = SO_EE_ORIGIN_ICMP6, .ee_type = ICMP6_DST_UNREACH, .ee_code = 4}, CPS_UDP_UNREACHABLE},
        {{.ee_origin = SO_EE_ORIGIN_ICMP6, .ee_type = ICMP6_TIME_EXCEEDED, .ee_errno = EHOSTUNREACH}, CPS_UDP_OTHER},
        {{.ee_origin = SO_EE_ORIGIN_TIMESTAMPING, .ee_errno = ENOMSG}, CPS_UDP_OTHER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(cps_udp_error_kind(&rows[i].report), rows[i].kind);
}

static void reports_of_the_network_come_with_what_they_quote(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1:0", "[::1]:0"};
    for (size_t i = 0; i < 2; i++) {
        cps_udp_t udp;
        cps_udp_t gone;
        uint8_t buf[64];
        cps_udp_error_t error;
        open_at(&udp, hosts[i], 5);
        open_at(&gone, hosts[i], 0);
        cps_path_t path = {.remote = gone.local};
        cps_udp_close(&gone);
        assert_false(cps_udp_next_error(&udp, buf, sizeof buf, &error));
        send_one(&udp, &path, CPS_BYTES_LIT("nobody there"));
        assert_true(wait_readable(&udp, 0)); /* POLLERR */
        assert_true(cps_udp_next_error(&udp, buf, sizeof buf, &error));
        assert_int_equal(error.kind, CPS_UDP_UNREACHABLE);
        assert_true(cps_addr_equal(&error.path.remote, &path.remote));
        assert_int_equal(error.path.socket, 5);
        assert_bytes(CPS_BYTES_LIT("nobody there"), error.quoted);
        assert_true(cps_addr_equal(&error.path.local, &udp.local));
        assert_false(cps_udp_next_error(&udp, buf, sizeof buf, &error));
        struct pollfd p = {.fd = udp.fd};
        assert_int_equal(poll(&p, 1, 0), 0);
        cps_udp_close(&udp);
    }
}

static const cps_case_t cases[] = {
    {"OPS-35", "answers leave from the address that was asked", answers_leave_from_the_address_that_was_asked},
    {"", "IPv4 and IPv6 are apart on one port", families_are_apart},
    {"", "a refused address is named", refused_addresses_are_named},
    {"", "workers share a port only when asked to", workers_share_a_port_only_when_asked},
    {"", "many datagrams go in order through few calls", many_datagrams_take_few_calls},
    {"", "longer datagrams show as too large", longer_datagrams_show_as_too_large},
    {"", "datagrams to a group are marked and answered from an address of ours", datagrams_to_a_group_are_marked},
    {"", "reports mean what RFC 7252 says of them", reports_mean_what_the_RFC_says},
    {"", "reports of the network come with what they quote", reports_of_the_network_come_with_what_they_quote},
};

/* A network of this process alone, in which the loopback interface has a second IPv6 address. */
static bool enter_own_network(void)
{
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return false;
    struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING};
    struct in6_ifreq second = {.ifr6_prefixlen = 128, .ifr6_ifindex = (int)if_nametoindex("lo")};
    memcpy(&second.ifr6_addr, hex("fd000000000000000000000000000002").ptr, 16);
    int s4 = socket(AF_INET, SOCK_DGRAM, 0);
    int s6 = socket(AF_INET6, SOCK_DGRAM, 0);
    bool ok = ioctl(s4, SIOCSIFFLAGS, &up) == 0 && ioctl(s6, SIOCSIFADDR, &second) == 0;
    close(s4);
    close(s6);
    return ok && wait_way("::1", 0) && wait_way("fd00::2", 0);
}

int main(int argc, char **argv)
{
    own_network = enter_own_network();
    return cps_run(argc, argv, "host/udp", cases, sizeof cases / sizeof cases[0]);
}
