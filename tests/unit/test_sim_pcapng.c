// SPDX-License-Identifier: Apache-2.0
/* Captures, byte by byte. That other readers take them is shown by tests/e2e/test_relay.py. */
#include "harness.h"

#include "sim/addr.h"
#include "sim/pcapng.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static cps_addr_t addr(const char *text)
{
    cps_addr_t a;
    assert_true(cps_simaddr_parse(text, strlen(text), &a));
    return a;
}

static void section_and_interface(void **state)
{
    (void)state;
    uint8_t buf[256];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_pcapng_put_section(&w, "foe");
    assert_bytes(hex("0a0d0d0a 28000000 4d3c2b1a 0100 0000 ffffffffffffffff 0400 0300 666f6500 00000000 28000000"),
                 cps_written(&w));
    w = cps_writer(buf, sizeof buf);
    cps_pcapng_put_interface(&w, "near");
    assert_bytes(hex("01000000 28000000 6500 0000 00000000 0200 0400 6e656172 0900 0100 06000000 00000000 28000000"),
                 cps_written(&w));
}

static void ipv4_packet(void **state)
{
    (void)state;
    uint8_t buf[256];
    cps_pcapng_packet_t p = {.interface = 1,
                             .way = CPS_PCAPNG_INBOUND,
                             .time_us = 0x0102030405060708U,
                             .from = addr("192.0.2.1:4000"),
                             .to = addr("192.0.2.2:5683"),
                             .payload = hex("40010001ff"),
                             .comment = "held"};
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_pcapng_put_packet(&w, &p);
    /* checksums worked out apart from this code, by RFC 791 and RFC 768 */
    assert_bytes(hex("06000000 58000000 01000000 04030201 08070605 21000000 21000000"
                     "450000210000400040 11 b6c8 c0000201 c0000202 0fa01633000d16fa 40010001ff 000000"
                     "0100 0400 68656c64 0200 0400 01000000 00000000 58000000"),
                 cps_written(&w));
    assert_true(cps_pcapng_packet_len(&p) >= cps_written(&w).len);
}

static uint32_t sum_of(const uint8_t *p, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += i % 2 == 0 ? (uint32_t)p[i] << 8U : p[i];
    while (sum >> 16U != 0)
        sum = (sum & 0xffffU) + (sum >> 16U);
    return sum;
}

static void ipv6_checksum(void **state)
{
    (void)state;
    uint8_t buf[256];
    cps_pcapng_packet_t p = {.from = addr("[2001:db8::1]:1"), .to = addr("[2001:db8::2]:2"), .payload = hex("0304")};
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_pcapng_put_packet(&w, &p);
    const uint8_t *ip = buf + 28;
    assert_int_equal(ip[0], 0x60);
    assert_int_equal(cps_be16(ip + 4), 10);
    assert_int_equal(ip[6], 17);
    /* sources, destination and UDP with its checksum, plus length and protocol, sum up to ffff (RFC 8200 §8.1) */
    uint32_t sum = sum_of(ip + 8, 32 + 10) + 10 + 17;
    assert_int_equal((sum & 0xffffU) + (sum >> 16U), 0xffff);
    /* a sum that would be 0000 is written as ffff: 0000 means "no checksum", which IPv6 forbids */
    uint16_t written = cps_be16(ip + 46);
    uint8_t payload[2];
    cps_put_be16(payload, (uint16_t)(0x0304 + written));
    p.payload = cps_bytes(payload, 2);
    w = cps_writer(buf, sizeof buf);
    cps_pcapng_put_packet(&w, &p);
    assert_int_equal(cps_be16(ip + 46), 0xffff);
}

static void bad_packets_are_refused(void **state)
{
    (void)state;
    static uint8_t buf[70000];
    static uint8_t large[CPS_PCAPNG_PAYLOAD_MAX + 1];
    static char comment[2 * CPS_PCAPNG_COMMENT_MAX];
    cps_pcapng_packet_t p = {.from = addr("192.0.2.1:1"), .to = addr("[::1]:2")};
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_pcapng_put_packet(&w, &p);
    assert_true(w.failed);
    p.to = addr("192.0.2.2:2");
    p.payload = cps_bytes(large, sizeof large);
    w = cps_writer(buf, sizeof buf);
    cps_pcapng_put_packet(&w, &p);
    assert_true(w.failed);
    memset(comment, 'a', sizeof comment - 1);
    p.comment = comment;
    p.payload.len--;
    w = cps_writer(buf, sizeof buf);
    cps_pcapng_put_packet(&w, &p);
    assert_false(w.failed);
    assert_true(cps_pcapng_packet_len(&p) >= cps_written(&w).len);
    w = cps_writer(buf, 40);
    cps_pcapng_put_packet(&w, &p);
    assert_true(w.failed);
}

static size_t size_of(const char *path)
{
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    off_t size = lseek(fd, 0, SEEK_END);
    close(fd);
    return (size_t)size;
}

static void each_packet_is_on_file_at_once(void **state)
{
    (void)state;
    char path[] = "/tmp/test_sim_pcapng.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    cps_pcapng_file_t file;
    uint32_t number = 9;
    assert_ok(cps_pcapng_open(&file, path, "foe"));
    assert_int_equal(size_of(path), 40);
    cps_pcapng_packet_t p = {.from = addr("192.0.2.1:1"), .to = addr("192.0.2.2:2"), .payload = hex("0102")};
    assert_err(CPS_ERR_ARGUMENT, cps_pcapng_write(&file, &p));
    assert_ok(cps_pcapng_add(&file, "near", &number));
    assert_int_equal(number, 0);
    assert_ok(cps_pcapng_add(&file, "far", &number));
    assert_int_equal(number, 1);
    size_t before = size_of(path);
    assert_ok(cps_pcapng_write(&file, &p));
    assert_int_equal(size_of(path), before + 32 + 32 + 12);
    cps_pcapng_close(&file);
    cps_pcapng_close(&file);
    assert_ok(cps_pcapng_write(&file, &p)); /* closed: forgotten */
    assert_int_equal(unlink(path), 0);
    assert_err(CPS_ERR_IO, cps_pcapng_open(&file, "/nonexistent/capture", "foe"));
}

static const cps_case_t cases[] = {
    {"", "section header and interface description stand as the format says", section_and_interface},
    {"", "a packet over IPv4 has its lengths, checksums, time, comment and flags", ipv4_packet},
    {"", "a packet over IPv6 has a right checksum, never 0000", ipv6_checksum},
    {"", "what cannot be written is refused, a long comment cut", bad_packets_are_refused},
    {"", "each packet is on file when the call returns", each_packet_is_on_file_at_once},
};

CPS_RUN("sim_pcapng", cases)
