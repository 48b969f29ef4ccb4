// SPDX-License-Identifier: Apache-2.0
#include "sim/pcapng.h"

#define BLOCK_SECTION   0x0a0d0d0aU
#define BLOCK_INTERFACE 1U
#define BLOCK_PACKET    6U
#define BYTE_ORDER_MARK 0x1a2b3c4dU
#define LINKTYPE_RAW    101U

#define OPT_END      0U
#define OPT_COMMENT  1U
#define OPT_IF_NAME  2U
#define OPT_FLAGS    2U
#define OPT_USERAPPL 4U
#define OPT_TSRESOL  9U

#define IPV4_HEADER  20U
#define IPV6_HEADER  40U
#define UDP_HEADER   8U
#define PROTOCOL_UDP 17U
#define HOP_LIMIT    64U

static void le16(cps_writer_t *w, uint32_t v)
{
    cps_write_u8(w, (uint8_t)v);
    cps_write_u8(w, (uint8_t)(v >> 8U));
}

static void le32(cps_writer_t *w, uint32_t v)
{
    le16(w, v & 0xffffU);
    le16(w, v >> 16U);
}

static void pad(cps_writer_t *w, size_t len)
{
    for (; len % 4 != 0; len++)
        cps_write_u8(w, 0);
}

static void option(cps_writer_t *w, uint32_t code, cps_bytes_t value)
{
    le16(w, code);
    le16(w, (uint32_t)value.len);
    cps_write_bytes(w, value);
    pad(w, value.len);
}

/* A block stands between two copies of its length: begin leaves room for the first, end fills in both. */
static uint8_t *begin(cps_writer_t *w, uint32_t type)
{
    uint8_t *start = w->cur;
    le32(w, type);
    le32(w, 0);
    return start;
}

static void end(cps_writer_t *w, uint8_t *start)
{
    uint32_t len = (uint32_t)(w->cur - start) + 4;
    le32(w, len);
    if (w->failed)
        return;
    cps_writer_t first = cps_writer(start + 4, 4);
    le32(&first, len);
}

void cps_pcapng_put_section(cps_writer_t *w, const char *program)
{
    uint8_t *start = begin(w, BLOCK_SECTION);
    le32(w, BYTE_ORDER_MARK);
    le16(w, 1); /* version 1.0 */
    le16(w, 0);
    le32(w, UINT32_MAX); /* length of the section: not known */
    le32(w, UINT32_MAX);
    option(w, OPT_USERAPPL, cps_bytes_str(program));
    option(w, OPT_END, cps_bytes(NULL, 0));
    end(w, start);
}

void cps_pcapng_put_interface(cps_writer_t *w, const char *name)
{
    static const uint8_t microseconds = 6;
    uint8_t *start = begin(w, BLOCK_INTERFACE);
    le16(w, LINKTYPE_RAW);
    le16(w, 0);
    le32(w, 0); /* no limit of the length */
    option(w, OPT_IF_NAME, cps_bytes_str(name));
    option(w, OPT_TSRESOL, cps_bytes(&microseconds, 1));
    option(w, OPT_END, cps_bytes(NULL, 0));
    end(w, start);
}

/* The one's complement sum of RFC 1071 over bytes that follow an even count of others. */
static uint32_t sum_up(uint32_t sum, cps_bytes_t b)
{
    for (size_t i = 0; i < b.len; i++)
        sum += i % 2 == 0 ? (uint32_t)b.ptr[i] << 8U : b.ptr[i];
    return (sum & 0xffffU) + (sum >> 16U);
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16U != 0)
        sum = (sum & 0xffffU) + (sum >> 16U);
    return (uint16_t)~sum;
}

/* The checksum over pseudo header, UDP header and payload (RFC 768; RFC 8200 §8.1); 0 is written as ffff. */
static uint16_t udp_checksum(const cps_pcapng_packet_t *p, size_t ip_len, cps_bytes_t udp)
{
    uint32_t sum = PROTOCOL_UDP + (uint32_t)(udp.len + p->payload.len);
    sum = sum_up(sum, cps_bytes(p->from.ip, ip_len));
    sum = sum_up(sum, cps_bytes(p->to.ip, ip_len));
    sum = sum_up(sum, udp);
    uint16_t checksum = fold(sum_up(sum, p->payload));
    return checksum == 0 ? 0xffffU : checksum;
}

static void put_ipv4(cps_writer_t *w, const cps_pcapng_packet_t *p, size_t udp_len)
{
    uint8_t *header = cps_write_skip(w, IPV4_HEADER);
    if (header == NULL)
        return;
    memset(header, 0, IPV4_HEADER);
    header[0] = 0x45;
    cps_put_be16(header + 2, (uint16_t)(IPV4_HEADER + udp_len));
    header[6] = 0x40; /* don't fragment */
    header[8] = HOP_LIMIT;
    header[9] = PROTOCOL_UDP;
    memcpy(header + 12, p->from.ip, 4);
    memcpy(header + 16, p->to.ip, 4);
    cps_put_be16(header + 10, fold(sum_up(0, cps_bytes(header, IPV4_HEADER))));
}

static void put_ipv6(cps_writer_t *w, const cps_pcapng_packet_t *p, size_t udp_len)
{
    cps_write_u32(w, 0x60000000U);
    cps_write_u16(w, (uint16_t)udp_len);
    cps_write_u8(w, PROTOCOL_UDP);
    cps_write_u8(w, HOP_LIMIT);
    cps_write_bytes(w, cps_bytes(p->from.ip, 16));
    cps_write_bytes(w, cps_bytes(p->to.ip, 16));
}

static void put_datagram(cps_writer_t *w, const cps_pcapng_packet_t *p)
{
    size_t udp_len = UDP_HEADER + p->payload.len;
    bool v4 = p->from.family == CPS_FAMILY_IPV4;
    uint8_t udp[UDP_HEADER] = {0};
    cps_put_be16(udp, p->from.port);
    cps_put_be16(udp + 2, p->to.port);
    cps_put_be16(udp + 4, (uint16_t)udp_len);
    cps_put_be16(udp + 6, udp_checksum(p, v4 ? 4 : 16, cps_bytes(udp, UDP_HEADER)));
    if (v4)
        put_ipv4(w, p, udp_len);
    else
        put_ipv6(w, p, udp_len);
    cps_write_bytes(w, cps_bytes(udp, UDP_HEADER));
    cps_write_bytes(w, p->payload);
}

static size_t frame_len(const cps_pcapng_packet_t *p)
{
    return (p->from.family == CPS_FAMILY_IPV4 ? IPV4_HEADER : IPV6_HEADER) + UDP_HEADER + p->payload.len;
}

static cps_bytes_t comment_of(const cps_pcapng_packet_t *p)
{
    cps_bytes_t comment = cps_bytes_str(p->comment);
    if (comment.len > CPS_PCAPNG_COMMENT_MAX)
        comment.len = CPS_PCAPNG_COMMENT_MAX;
    return comment;
}

void cps_pcapng_put_packet(cps_writer_t *w, const cps_pcapng_packet_t *packet)
{
    size_t len = frame_len(packet);
    cps_bytes_t comment = comment_of(packet);
    uint8_t flags[4] = {packet->way};
    if (packet->from.family != packet->to.family || packet->from.family == CPS_FAMILY_NONE ||
        packet->payload.len > CPS_PCAPNG_PAYLOAD_MAX) {
        w->failed = true;
        return;
    }
    uint8_t *start = begin(w, BLOCK_PACKET);
    le32(w, packet->interface);
    le32(w, (uint32_t)(packet->time_us >> 32U));
    le32(w, (uint32_t)packet->time_us);
    le32(w, (uint32_t)len);
    le32(w, (uint32_t)len);
    put_datagram(w, packet);
    pad(w, len);
    if (comment.len != 0)
        option(w, OPT_COMMENT, comment);
    option(w, OPT_FLAGS, cps_bytes(flags, sizeof flags));
    option(w, OPT_END, cps_bytes(NULL, 0));
    end(w, start);
}

size_t cps_pcapng_packet_len(const cps_pcapng_packet_t *packet)
{
    /* 32 bytes around the frame, three option headers, flags, and padding of frame and comment */
    return frame_len(packet) + comment_of(packet).len + 32U + 12U + 4U + 6U;
}
