// SPDX-License-Identifier: Apache-2.0
/* A CoAP message over UDP (RFC 7252 §3): parsed as views into the datagram, written into a caller's buffer. */
#ifndef CPS_WIRE_MSG_H
#define CPS_WIRE_MSG_H

#include "wire/opt.h"

#define CPS_HEADER_LEN     4U
#define CPS_TOKEN_MAX      8U     /* of RFC 7252, and of those that we make for requests kept here */
#define CPS_TOKEN_LONGEST  65804U /* of RFC 8974 §2.1 */
#define CPS_PAYLOAD_MARKER 0xffU

/** Message types (RFC 7252 §3). */
typedef enum cps_type { CPS_CON = 0, CPS_NON = 1, CPS_ACK = 2, CPS_RST = 3 } cps_type_t;

/** A message as views. `options` holds the encoded options, without the payload marker. */
typedef struct cps_msg {
    uint8_t type; /**< cps_type_t */
    uint8_t code; /**< cps_code_t or any other */
    uint16_t mid;
    cps_bytes_t token; /**< at most CPS_TOKEN_LONGEST bytes */
    cps_bytes_t options;
    cps_bytes_t payload;
} cps_msg_t;

/** The class of a code: 4 of 4.04 (RFC 7252 §3). */
static inline unsigned cps_code_class(uint8_t code) { return code >> 5U; }

/** The detail of a code: 4 of 4.04 (RFC 7252 §3). */
static inline unsigned cps_code_detail(uint8_t code) { return code & 31U; }

/** Whether a code is a method, known or not (RFC 7252 §12.1.1). */
static inline bool cps_code_is_request(uint8_t code) { return cps_code_class(code) == 0 && code != CPS_EMPTY; }

/** Whether a code is of the response classes 2, 4 and 5 (RFC 7252 §5.9). */
static inline bool cps_code_is_response(uint8_t code)
{
    return cps_code_class(code) == 2 || cps_code_class(code) == 4 || cps_code_class(code) == 5;
}

/** Whether a method must run at most once for what the client asked to hold (RFC 7252 §5.1: not safe). */
static inline bool cps_method_is_unsafe(uint8_t code) { return code != CPS_GET && code != CPS_FETCH; }

/**
 * Parse a datagram. Every option header is checked, so that later walks over `options` cannot fail.
 *
 * CPS_ERR_VERSION: another version, or fewer than 4 bytes: drop in silence (RFC 7252 §3; MSG-1, MSG-2).
 * CPS_ERR_FORMAT: format error; `type` and `mid` are set then, so that a CON can be answered with RST (§4.2). This
 * covers token length 15, reserved code classes, an Empty message with anything behind the header, types that do
 * not fit the code (§4.3 table 1), a marker without payload, and malformed options.
 * Holds no reference to `out` beyond the call; the views live as long as the datagram.
 */
CPS_MUST_USE cps_err_t cps_msg_parse(cps_bytes_t datagram, cps_msg_t *out);

/** Write header, token, options and payload (with marker where there is payload). Sticky failure of the writer. */
void cps_msg_write(cps_writer_t *w, const cps_msg_t *msg);

/** Bytes that cps_msg_write takes. */
size_t cps_msg_len(const cps_msg_t *msg);

/** Write an Empty message: ACK, RST, or ping as CON. */
void cps_msg_write_empty(cps_writer_t *w, cps_type_t type, uint16_t mid);

#endif /* CPS_WIRE_MSG_H */
