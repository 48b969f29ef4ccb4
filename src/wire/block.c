// SPDX-License-Identifier: Apache-2.0
#include "wire/block.h"

#define SZX_RESERVED 7U

bool cps_block_szx_for(size_t size, uint8_t *szx)
{
    if (size < CPS_BLOCK_SIZE_MIN)
        return false;
    *szx = 0;
    while (*szx < CPS_BLOCK_SZX_MAX && cps_block_size((uint8_t)(*szx + 1U)) <= size)
        ++*szx;
    return true;
}

cps_err_t cps_block_read(cps_bytes_t value, cps_block_t *out)
{
    uint32_t number;
    if (value.len > 3 || cps_opt_uint(value, &number) != CPS_OK)
        return CPS_ERR_BAD_OPTION;
    *out = (cps_block_t){.num = number >> 4U, .szx = (uint8_t)(number & 7U), .more = (number & 8U) != 0};
    return out->szx == SZX_RESERVED ? CPS_ERR_FORMAT : CPS_OK;
}

cps_bytes_t cps_block_bytes(const cps_block_t *block, uint8_t buf[4])
{
    return cps_opt_uint_bytes(block->num << 4U | (block->more ? 8U : 0U) | block->szx, buf);
}

cps_err_t cps_msg_block(const cps_msg_t *msg, uint16_t number, cps_block_t *out)
{
    cps_bytes_t value;
    return cps_msg_option(msg, number, &value) ? cps_block_read(value, out) : CPS_ERR_NOT_FOUND;
}
