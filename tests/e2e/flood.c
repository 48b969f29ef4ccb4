// SPDX-License-Identifier: Apache-2.0
/* A flood for test_flood.py: forged and spoofed datagrams to a server on the loopback, from as many made-up sources as are
 * wanted, at a rate, for some seconds. Given a client, it also speaks in its name to the server, and in the server's name to
 * it. What is answered comes to ports that take nothing in, and at times to one that is closed, so that the server hears of
 * that by ICMP. Raw sockets: it needs the rights of root in its network. Prints one line of JSON.
 *
 *     flood --server 127.0.0.1:5683 --client 127.0.0.1:40000 --kid 7a --rate 200000 --seconds 60 --sources 100000 */
#include "base/rng.h"
#include "wire/msg.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "host/addr.h"

#define BATCH       64U
#define HEADERS_LEN (sizeof(struct iphdr) + sizeof(struct udphdr))
#define PACKET_MAX  256U
#define FIRST_IP    0x7f010000U /* of the sources: 127.1.0.0 and up */
#define PORTS       16U

typedef struct flood {
    struct sockaddr_in server;
    struct sockaddr_in client; /* port 0: none */
    uint32_t rate;
    uint32_t seconds;
    uint32_t sources;
    in_port_t ports[PORTS]; /* of the sources; the first is closed */
    uint8_t kid[8];
    size_t kid_len;
    cps_rng_seeded_t seeded;
    cps_rng_t rng;
    uint64_t sent;
    uint64_t refused; /* by the system: its queues were full */
    uint8_t packets[BATCH][PACKET_MAX];
} flood_t;

/* ---- messages ---- */

static void put_random(flood_t *f, cps_writer_t *w, size_t len)
{
    uint8_t *at = cps_write_skip(w, len);
    if (at != NULL)
        cps_rng_fill(&f->rng, at, len);
}

/* Header and token; CON or NON where the type is left to chance. */
static void put_header(flood_t *f, cps_writer_t *w, int type, uint8_t code)
{
    uint32_t dice = cps_rng_u32(&f->rng);
    unsigned kind = type >= 0 ? (unsigned)type : dice & 1U;
    unsigned token_len = code == CPS_EMPTY ? 0 : 4;
    cps_write_u8(w, (uint8_t)(0x40U | kind << 4U | token_len));
    cps_write_u8(w, code);
    put_random(f, w, 2 + token_len);
}

static void put_payload(flood_t *f, cps_writer_t *w, size_t len)
{
    cps_write_u8(w, 0xff);
    put_random(f, w, len);
}

static void put_sealed(flood_t *f, cps_writer_t *w, cps_bytes_t kid)
{
    uint8_t value[16] = {0x08U | 5U};
    cps_opt_writer_t ow = cps_opt_writer(w);
    put_header(f, w, -1, CPS_POST);
    cps_rng_fill(&f->rng, value + 1, 5); /* a Partial IV, most often far ahead */
    value[1] |= 1;
    cps_copy(value + 6, kid.ptr, kid.len);
    cps_opt_put(&ow, CPS_OPT_OSCORE, cps_bytes(value, 6 + kid.len));
    put_payload(f, w, 24);
}

/* With the kid of the honest client: it costs the server an attempt to open it. */
static void guess(flood_t *f, cps_writer_t *w) { put_sealed(f, w, cps_bytes(f->kid, f->kid_len)); }

static void stranger(flood_t *f, cps_writer_t *w)
{
    uint8_t kid[4];
    cps_rng_fill(&f->rng, kid, sizeof kid);
    put_sealed(f, w, cps_bytes(kid, sizeof kid));
}

static void put_plain(flood_t *f, cps_writer_t *w, uint8_t code, const char *path)
{
    cps_opt_writer_t ow = cps_opt_writer(w);
    put_header(f, w, -1, code);
    for (const char *at = path; *at != '\0';) {
        size_t len = strcspn(at, "/");
        cps_opt_put(&ow, CPS_OPT_URI_PATH, cps_bytes(at, len));
        at += len + (at[len] == '/');
    }
}

static void discover(flood_t *f, cps_writer_t *w) { put_plain(f, w, CPS_GET, ".well-known/core"); }

static void read_value(flood_t *f, cps_writer_t *w) { put_plain(f, w, CPS_GET, "value"); }

/* Plain unsafe requests stay remembered: they fill the memory. */
static void write_value(flood_t *f, cps_writer_t *w)
{
    put_plain(f, w, CPS_PUT, "value");
    put_payload(f, w, 40);
}

static void count(flood_t *f, cps_writer_t *w) { put_plain(f, w, CPS_POST, "counter"); }

static void noise(flood_t *f, cps_writer_t *w) { put_random(f, w, cps_rng_below(&f->rng, 100)); }

static void ping(flood_t *f, cps_writer_t *w) { put_header(f, w, CPS_CON, CPS_EMPTY); }

static void acknowledge(flood_t *f, cps_writer_t *w) { put_header(f, w, CPS_ACK, CPS_EMPTY); }

static void reset(flood_t *f, cps_writer_t *w) { put_header(f, w, CPS_RST, CPS_EMPTY); }

static void refuse(flood_t *f, cps_writer_t *w) { put_header(f, w, CPS_ACK, CPS_UNAUTHORIZED); }

static void answer(flood_t *f, cps_writer_t *w)
{
    cps_opt_writer_t ow = cps_opt_writer(w);
    put_header(f, w, -1, CPS_CHANGED);
    cps_opt_put(&ow, CPS_OPT_OSCORE, cps_bytes(NULL, 0));
    put_payload(f, w, 9);
}

/* ---- who says what ---- */

typedef enum from { FROM_ANYONE, FROM_CLIENT, FROM_SERVER } from_t;

/* Each as often as the others; some in the name of one end to the other. No Reset to the client: one in 65,536 fits, that
 * ends the copies of a request (OSC-67), and then what the flood has crowded out of the server's queue does not come again. */
static const struct {
    from_t from;
    void (*put)(flood_t *f, cps_writer_t *w);
} kinds[] = {
    {FROM_ANYONE, guess},       {FROM_ANYONE, guess},    {FROM_ANYONE, guess},       {FROM_ANYONE, stranger},
    {FROM_ANYONE, stranger},    {FROM_ANYONE, discover}, {FROM_ANYONE, read_value},  {FROM_ANYONE, write_value},
    {FROM_ANYONE, count},       {FROM_ANYONE, noise},    {FROM_ANYONE, ping},        {FROM_ANYONE, reset},
    {FROM_ANYONE, acknowledge}, {FROM_CLIENT, guess},    {FROM_CLIENT, write_value}, {FROM_CLIENT, reset},
    {FROM_CLIENT, acknowledge}, {FROM_SERVER, refuse},   {FROM_SERVER, answer},
};

static struct sockaddr_in source_of(flood_t *f, from_t from)
{
    if (from != FROM_ANYONE)
        return from == FROM_CLIENT ? f->client : f->server;
    uint32_t number = cps_rng_below(&f->rng, f->sources);
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(FIRST_IP + number);
    source.sin_port = f->ports[number % PORTS];
    return source;
}

static size_t make_packet(flood_t *f, uint8_t *packet, struct sockaddr_in *to)
{
    size_t kind;
    do
        kind = cps_rng_below(&f->rng, sizeof kinds / sizeof kinds[0]);
    while (kinds[kind].from != FROM_ANYONE && f->client.sin_port == 0);
    cps_writer_t w = cps_writer(packet + HEADERS_LEN, PACKET_MAX - HEADERS_LEN);
    kinds[kind].put(f, &w);
    size_t len = cps_written(&w).len;
    struct sockaddr_in source = source_of(f, kinds[kind].from);
    *to = kinds[kind].from == FROM_SERVER ? f->client : f->server;
    struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP}; /* the kernel adds the rest */
    struct udphdr udp = {.source = source.sin_port, .dest = to->sin_port};
    ip.saddr = source.sin_addr.s_addr;
    ip.daddr = to->sin_addr.s_addr;
    udp.len = htons((uint16_t)(sizeof udp + len)); /* a sum of 0: none (RFC 768) */
    memcpy(packet, &ip, sizeof ip);
    memcpy(packet + sizeof ip, &udp, sizeof udp);
    return HEADERS_LEN + len;
}

/* ---- sending ---- */

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool send_batch(flood_t *f, int fd)
{
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_in to[BATCH];
    memset(headers, 0, sizeof headers);
    for (size_t i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){f->packets[i], make_packet(f, f->packets[i], &to[i])};
        headers[i].msg_hdr =
            (struct msghdr){.msg_name = &to[i], .msg_namelen = sizeof to[i], .msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    for (size_t done = 0; done < BATCH;) {
        int n = sendmmsg(fd, headers + done, (unsigned)(BATCH - done), 0);
        if (n < 0 && errno != ENOBUFS && errno != EINTR) {
            perror("flood: sendmmsg");
            return false;
        }
        f->sent += n > 0 ? (size_t)n : 0;
        f->refused += n < 0 && errno == ENOBUFS;
        done += n > 0 ? (size_t)n : (size_t)(errno == ENOBUFS);
    }
    return true;
}

/* In step with the rate: a late batch is made up for, an early one waits. */
static bool flow(flood_t *f, int fd)
{
    double start = now_s();
    double end = start + f->seconds;
    double now = start;
    while (now < end) {
        double due = start + (double)f->sent / f->rate;
        if (due > now) {
            double wait = due - now;
            struct timespec t = {(time_t)wait, (long)((wait - (double)(time_t)wait) * 1e9)};
            nanosleep(&t, NULL);
        }
        if (!send_batch(f, fd))
            return false;
        now = now_s();
    }
    printf("{\"sent\": %llu, \"seconds\": %.3f, \"rate\": %.0f, \"sources\": %u, \"refused\": %llu}\n",
           (unsigned long long)f->sent, now - start, (double)f->sent / (now - start), f->sources,
           (unsigned long long)f->refused);
    return true;
}

/* Ports of this host at all its loopback addresses, open until the end, with as small a queue as there is. */
static bool open_ports(flood_t *f)
{
    static const int least = 1;
    for (size_t i = 0; i < PORTS; i++) {
        struct sockaddr_in name = {.sin_family = AF_INET};
        socklen_t len = sizeof name;
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least) != 0 ||
            bind(fd, (struct sockaddr *)&name, len) != 0 || getsockname(fd, (struct sockaddr *)&name, &len) != 0)
            return false;
        f->ports[i] = name.sin_port;
        if (i == 0)
            close(fd);
    }
    return true;
}

/* ---- arguments ---- */

static bool read_address(const char *text, struct sockaddr_in *out)
{
    cps_addr_t addr;
    struct sockaddr_storage name;
    if (cps_addr_parse(cps_bytes_str(text), 0, &addr) != CPS_OK || addr.family != CPS_FAMILY_IPV4)
        return false;
    (void)cps_addr_to_sockaddr(&addr, &name);
    memcpy(out, &name, sizeof *out);
    return true;
}

static bool take(flood_t *f, int option, const char *text)
{
    switch (option) {
    case 's':
        return read_address(text, &f->server);
    case 'c':
        return read_address(text, &f->client);
    case 'k':
        return cps_hex_decode(text, strlen(text), f->kid, sizeof f->kid, &f->kid_len);
    case 'r':
        f->rate = (uint32_t)strtoul(text, NULL, 10);
        return f->rate != 0;
    case 't':
        f->seconds = (uint32_t)strtoul(text, NULL, 10);
        return f->seconds != 0;
    case 'n':
        f->sources = (uint32_t)strtoul(text, NULL, 10);
        return f->sources != 0 && f->sources < 1U << 23U;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"server", required_argument, NULL, 's'},
        {"client", required_argument, NULL, 'c'},
        {"kid", required_argument, NULL, 'k'},
        {"rate", required_argument, NULL, 'r'},
        {"seconds", required_argument, NULL, 't'},
        {"sources", required_argument, NULL, 'n'},
        {NULL, 0, NULL, 0},
    };
    static flood_t flood = {.rate = 200000, .seconds = 60, .sources = 100000};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (!take(&flood, option, optarg)) {
            fprintf(stderr, "flood: what is wanted?\n");
            return 2;
        }
    flood.rng = cps_rng_from_seed(&flood.seeded, 1);
    int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    if (fd < 0 || flood.server.sin_port == 0 || !open_ports(&flood)) {
        perror("flood: no raw socket, no server or no ports");
        return 2;
    }
    return flow(&flood, fd) ? 0 : 1;
}
