// SPDX-License-Identifier: Apache-2.0
/* UDP sockets where the kernel refuses: this program's sendmmsg and recvmmsg stand in for the C library's. */
#include "harness.h"

#include "host/udp.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

static void open_at(cps_udp_t *udp, const char *text)
{
    cps_addr_t addr;
    cps_udp_options_t options = {.errors = true};
    assert_ok(cps_addr_parse(cps_bytes_str(text), 0, &addr));
    assert_ok(cps_udp_open(udp, &addr, &options));
}

/* ---- what the kernel may say of a send, played from a script ---- */

/* One call: how many datagrams it takes, or the error it gives. All calls behind the script go to the kernel. */
typedef struct scripted {
    int takes;
    int code;
} scripted_t;

static const scripted_t *script;
static size_t script_len;
static unsigned last_asked;

/* Stands in for the C library's, in this program alone. */
int sendmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags)
{
    last_asked = count;
    if (script_len == 0)
        return (int)syscall(SYS_sendmmsg, fd, headers, count, flags);
    scripted_t now = *script;
    script++;
    script_len--;
    if (now.code != 0) {
        errno = now.code;
        return -1;
    }
    return (int)syscall(SYS_sendmmsg, fd, headers, (unsigned)now.takes, flags);
}

#define PLAY(...)                                                                                                      \
    do {                                                                                                               \
        static const scripted_t lines[] = {__VA_ARGS__};                                                               \
        script = lines;                                                                                                \
        script_len = sizeof lines / sizeof lines[0];                                                                   \
    } while (false)

typedef struct pair {
    cps_udp_t from;
    cps_udp_t to;
    cps_datagram_t out[5];
    uint8_t bytes[5];
} pair_t;

static void open_pair(pair_t *p)
{
    open_at(&p->from, "127.0.0.1:0");
    open_at(&p->to, "127.0.0.1:0");
    for (uint8_t i = 0; i < 5; i++) {
        p->bytes[i] = i;
        p->out[i] = (cps_datagram_t){{.remote = p->to.local}, cps_bytes(p->bytes + i, 1)};
    }
}

/* The datagrams that arrived, as digits in order; closes the pair. */
static const char *arrived(pair_t *p)
{
    static char digits[33];
    cps_udp_batch_t batch;
    assert_int_equal(script_len, 0);
    assert_ok(cps_udp_batch_init(&batch, 0, 0));
    assert_ok(cps_udp_recv(&p->to, &batch));
    for (uint32_t i = 0; i < batch.used; i++)
        digits[i] = (char)('0' + batch.datagrams[i].bytes.ptr[0]);
    digits[batch.used] = '\0';
    cps_udp_batch_fini(&batch);
    cps_udp_close(&p->from);
    cps_udp_close(&p->to);
    return digits;
}

static void full_socket_loses_nothing(void **state)
{
    (void)state;
    pair_t p;
    size_t sent;
    open_pair(&p);
    PLAY({2, 0}, {1, 0}, {0, EAGAIN});
    assert_err(CPS_ERR_BUSY, cps_udp_send(&p.from, p.out, 5, &sent));
    assert_int_equal(sent, 3);
    PLAY({0, EINTR}, {2, 0});
    assert_ok(cps_udp_send(&p.from, p.out + sent, 5 - sent, &sent));
    assert_int_equal(sent, 2);
    assert_string_equal(arrived(&p), "01234");
}

static void another_peers_report_does_not_stop_a_send(void **state)
{
    (void)state;
    pair_t p;
    size_t sent;
    open_pair(&p);
    PLAY({0, ECONNREFUSED}, {2, 0}, {0, EHOSTUNREACH}, {3, 0});
    assert_ok(cps_udp_send(&p.from, p.out, 5, &sent));
    assert_int_equal(sent, 5);
    assert_int_equal(p.from.lost, 0);
    assert_string_equal(arrived(&p), "01234");
}

/* Twice in a row: what cannot be this datagram's own fault counts as lost, and the others still leave. */
static void lost_datagrams_are_counted(void **state)
{
    (void)state;
    static const int codes[] = {ECONNREFUSED, ENOBUFS, ENOMEM};
    for (size_t i = 0; i < 3; i++) {
        pair_t p;
        size_t sent;
        open_pair(&p);
        scripted_t lines[] = {{1, 0}, {0, codes[i]}, {0, codes[i]}};
        script = lines;
        script_len = 3;
        assert_ok(cps_udp_send(&p.from, p.out, 5, &sent));
        assert_int_equal(sent, 5);
        assert_int_equal(p.from.lost, 1);
        assert_string_equal(arrived(&p), "0234");
    }
}

static void refused_datagrams_are_reported_alone(void **state)
{
    (void)state;
    static const struct {
        int code;
        cps_err_t err;
    } rows[] = {{EMSGSIZE, CPS_ERR_TOO_LARGE},
                {ENETUNREACH, CPS_ERR_UNREACHABLE},
                {EHOSTUNREACH, CPS_ERR_UNREACHABLE},
                {EPERM, CPS_ERR_UNREACHABLE},
                {EINVAL, CPS_ERR_IO}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pair_t p;
        size_t sent;
        open_pair(&p);
        scripted_t lines[] = {{1, 0}, {0, rows[i].code}, {0, rows[i].code}};
        script = lines;
        script_len = 3;
        assert_err(rows[i].err, cps_udp_send(&p.from, p.out, 5, &sent));
        assert_int_equal(sent, 1);
        assert_ok(cps_udp_send(&p.from, p.out + 2, 3, &sent));
        assert_string_equal(arrived(&p), "0234");
    }
    pair_t p;
    size_t sent;
    static uint8_t big[65508]; /* one byte more than IPv4 carries: the kernel's own answer */
    open_pair(&p);
    p.out[1].bytes = cps_bytes(big, sizeof big);
    assert_err(CPS_ERR_TOO_LARGE, cps_udp_send(&p.from, p.out, 5, &sent));
    assert_int_equal(sent, 1);
    assert_string_equal(arrived(&p), "0");
}

static void large_batches_go_in_parts(void **state)
{
    (void)state;
    enum { COUNT = 70 };
    static cps_datagram_t out[COUNT];
    pair_t p;
    size_t sent;
    open_pair(&p);
    for (size_t i = 0; i < COUNT; i++)
        out[i] = p.out[i % 5];
    assert_ok(cps_udp_send(&p.from, out, COUNT, &sent));
    assert_int_equal(sent, COUNT);
    assert_int_equal(last_asked, COUNT % 32);
    (void)arrived(&p);
}

/* ---- what it says of a receive ---- */

static int receive_code;
static int receive_failures;

int recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags, struct timespec *timeout)
{
    if (receive_failures == 0)
        return (int)syscall(SYS_recvmmsg, fd, headers, count, flags, timeout);
    receive_failures--;
    errno = receive_code;
    return -1;
}

static void reports_do_not_stop_a_receive(void **state)
{
    (void)state;
    pair_t p;
    cps_udp_batch_t batch;
    size_t sent;
    open_pair(&p);
    assert_ok(cps_udp_batch_init(&batch, 0, 0));
    assert_ok(cps_udp_send(&p.from, p.out, 5, &sent));
    receive_code = ECONNREFUSED;
    receive_failures = 3;
    assert_ok(cps_udp_recv(&p.to, &batch));
    assert_int_equal(batch.used, 5);
    receive_failures = 1000; /* one that never ends does not hold the loop */
    assert_ok(cps_udp_recv(&p.to, &batch));
    assert_int_equal(batch.used, 0);
    receive_failures = 1;
    receive_code = ENOMEM;
    assert_ok(cps_udp_recv(&p.to, &batch));
    receive_failures = 1;
    receive_code = EBADF;
    assert_err(CPS_ERR_IO, cps_udp_recv(&p.to, &batch));
    receive_failures = 0;
    cps_udp_batch_fini(&batch);
    (void)arrived(&p);
}

static const cps_case_t cases[] = {
    {"", "a full socket loses nothing", full_socket_loses_nothing},
    {"", "another peer's report does not stop a send", another_peers_report_does_not_stop_a_send},
    {"", "datagrams lost below are counted, the others leave", lost_datagrams_are_counted},
    {"", "a refused datagram is reported alone", refused_datagrams_are_reported_alone},
    {"", "large batches go in parts", large_batches_go_in_parts},
    {"", "reports do not stop a receive", reports_do_not_stop_a_receive},
};

CPS_RUN("host/udp_refused", cases)
