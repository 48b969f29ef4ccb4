// SPDX-License-Identifier: Apache-2.0
#include "wire/msg.h"

#define VERSION 1U

#define KIND_EMPTY    1U
#define KIND_REQUEST  2U
#define KIND_RESPONSE 4U

/* Which kind of code each type may carry (RFC 7252 §4.3, table 1). */
static const uint8_t fits[4] = {
    [CPS_CON] = KIND_EMPTY | KIND_REQUEST | KIND_RESPONSE,
    [CPS_NON] = KIND_REQUEST | KIND_RESPONSE,
    [CPS_ACK] = KIND_EMPTY | KIND_RESPONSE,
    [CPS_RST] = KIND_EMPTY,
};

/* The kind of each code class: over UDP all but 0, 2, 4 and 5 are reserved (RFC 7252 §3; §12.1). */
static const uint8_t kinds[8] = {[0] = KIND_REQUEST, [2] = KIND_RESPONSE, [4] = KIND_RESPONSE, [5] = KIND_RESPONSE};

static inline unsigned kind_of(uint8_t code) { return code == CPS_EMPTY ? KIND_EMPTY : kinds[cps_code_class(code)]; }

/* The length of the token, and how many bytes stand before it: those that say the length follow the Message ID
 * (RFC 8974 §2.1). False where they are missing, and for the reserved nibble 15. */
static bool read_token_len(cps_bytes_t datagram, size_t *len, size_t *before)
{
    const uint8_t *p = datagram.ptr;
    unsigned nibble = p[0] & 15U;
    *before = CPS_HEADER_LEN + (nibble < 13 ? 0 : nibble - 12U);
    *len = nibble;
    if (nibble == 15 || *before > datagram.len)
        return false;
    if (nibble == 13)
        *len = 13U + p[CPS_HEADER_LEN];
    else if (nibble == 14)
        *len = 269U + cps_be16(p + CPS_HEADER_LEN);
    return *len <= datagram.len - *before;
}

static size_t token_head_len(size_t len) { return len < 13 ? 0 : (len < 269 ? 1 : 2); }

cps_err_t cps_msg_parse(cps_bytes_t datagram, cps_msg_t *out)
{
    const uint8_t *p = datagram.ptr;
    *out = (cps_msg_t){0};
    if (datagram.len < CPS_HEADER_LEN || p[0] >> 6U != VERSION)
        return CPS_ERR_VERSION;
    out->type = (uint8_t)(p[0] >> 4U & 3U);
    out->code = p[1];
    out->mid = cps_be16(p + 2);
    size_t token_len;
    size_t before;
    if ((fits[out->type] & kind_of(out->code)) == 0)
        return CPS_ERR_FORMAT;
    if (!read_token_len(datagram, &token_len, &before))
        return CPS_ERR_FORMAT;
    if (out->code == CPS_EMPTY)
        return datagram.len == CPS_HEADER_LEN && token_len == 0
                   ? CPS_OK
                   : CPS_ERR_FORMAT; /* §4.1: nothing behind the Message ID */
    out->token = cps_bytes(p + before, token_len);
    before += token_len;
    return cps_opt_split(cps_bytes(p + before, datagram.len - before), &out->options, &out->payload);
}

size_t cps_msg_len(const cps_msg_t *msg)
{
    size_t payload = msg->payload.len == 0 ? 0 : 1 + msg->payload.len;
    return CPS_HEADER_LEN + token_head_len(msg->token.len) + msg->token.len + msg->options.len + payload;
}

static void write_header(cps_writer_t *w, const cps_msg_t *msg)
{
    size_t len = msg->token.len;
    size_t nibble = len < 13 ? len : 12 + token_head_len(len);
    cps_write_u8(w, (uint8_t)(VERSION << 6U | (msg->type & 3U) << 4U | (unsigned)nibble));
    cps_write_u8(w, msg->code);
    cps_write_u16(w, msg->mid);
    if (nibble == 13)
        cps_write_u8(w, (uint8_t)(len - 13));
    else if (nibble == 14)
        cps_write_u16(w, (uint16_t)(len - 269));
}

void cps_msg_write(cps_writer_t *w, const cps_msg_t *msg)
{
    if (msg->token.len > CPS_TOKEN_LONGEST || cps_msg_len(msg) > cps_writer_room(w)) {
        w->failed = true; /* whole or not at all */
        return;
    }
    write_header(w, msg);
    cps_write_bytes(w, msg->token);
    cps_write_bytes(w, msg->options);
    if (msg->payload.len == 0)
        return;
    cps_write_u8(w, CPS_PAYLOAD_MARKER);
    cps_write_bytes(w, msg->payload);
}

void cps_msg_write_empty(cps_writer_t *w, cps_type_t type, uint16_t mid)
{
    cps_msg_t msg = {.type = (uint8_t)type, .code = CPS_EMPTY, .mid = mid};
    cps_msg_write(w, &msg);
}
