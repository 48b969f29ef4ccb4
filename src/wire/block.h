// SPDX-License-Identifier: Apache-2.0
/* The value of Block1 and Block2 (RFC 7959 §2.2): which block of a body, and how large blocks are. */
#ifndef CPS_WIRE_BLOCK_H
#define CPS_WIRE_BLOCK_H

#include "wire/opttab.h"

#define CPS_BLOCK_SZX_MAX  6U       /* 1,024 bytes; 7 is reserved (RFC 7959 §2.2) */
#define CPS_BLOCK_NUM_MAX  0xfffffU /* 20 bits */
#define CPS_BLOCK_SIZE_MIN 16U
#define CPS_BLOCK_SIZE_MAX 1024U

typedef struct cps_block {
    uint32_t num;
    uint8_t szx;
    bool more;
} cps_block_t;

/** Bytes of a block. */
static inline uint32_t cps_block_size(uint8_t szx) { return CPS_BLOCK_SIZE_MIN << szx; }

/** Where a block begins in its body: below 2^30. */
static inline uint32_t cps_block_offset(const cps_block_t *block) { return block->num << (block->szx + 4U); }

/** The largest size exponent whose blocks have at most `size` bytes; false below 16. */
bool cps_block_szx_for(size_t size, uint8_t *szx);

/** Read a value. CPS_ERR_BAD_OPTION where it is longer than 3 bytes, CPS_ERR_FORMAT for the reserved size exponent 7
 * (RFC 7959 §2.2). */
CPS_MUST_USE cps_err_t cps_block_read(cps_bytes_t value, cps_block_t *out);

/** The value in its fewest bytes, in `buf`. `num` is at most CPS_BLOCK_NUM_MAX. */
cps_bytes_t cps_block_bytes(const cps_block_t *block, uint8_t buf[4]);

/** Block1 or Block2 of a message. CPS_ERR_NOT_FOUND where it has none, and the errors of cps_block_read. */
CPS_MUST_USE cps_err_t cps_msg_block(const cps_msg_t *msg, uint16_t number, cps_block_t *out);

#endif /* CPS_WIRE_BLOCK_H */
