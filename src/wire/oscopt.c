// SPDX-License-Identifier: Apache-2.0
#include "wire/oscopt.h"

/* The flag byte (RFC 8613 §6.1). */
#define FLAG_N_MASK      0x07U /* length of the Partial IV; 6 and 7 are reserved */
#define FLAG_KID         0x08U
#define FLAG_KID_CONTEXT 0x10U
#define FLAG_RESERVED    0xe0U /* 0x20 is the Group Flag, 0x80 an extension: not for these contexts (OSC-82) */

#define VALUE_MAX       255U /* RFC 8613 §2 */
#define KID_CONTEXT_MAX 255U /* its length is one byte */

cps_err_t cps_oscopt_decode(cps_bytes_t value, cps_oscopt_t *out)
{
    *out = (cps_oscopt_t){0};
    if (value.len == 0)
        return CPS_OK;
    cps_reader_t r = cps_reader(value);
    unsigned flags = cps_read_u8(&r);
    size_t n = flags & FLAG_N_MASK;
    if ((flags & FLAG_RESERVED) != 0 || n > CPS_PARTIAL_IV_MAX || flags == 0) /* 00 is sent as no byte (OSC-47) */
        return CPS_ERR_OSCORE_DECODE;
    out->partial_iv = cps_read_bytes(&r, n);
    out->has_kid_context = (flags & FLAG_KID_CONTEXT) != 0;
    if (out->has_kid_context)
        out->kid_context = cps_read_bytes(&r, cps_read_u8(&r));
    out->has_kid = (flags & FLAG_KID) != 0;
    if (out->has_kid)
        out->kid = cps_read_bytes(&r, cps_reader_left(&r));
    if (!r.failed && cps_reader_left(&r) == 0)
        return CPS_OK;
    *out = (cps_oscopt_t){0};
    return CPS_ERR_OSCORE_DECODE;
}

void cps_oscopt_encode(cps_writer_t *w, const cps_oscopt_t *opt)
{
    size_t kid_context_len = opt->has_kid_context ? 1 + opt->kid_context.len : 0;
    size_t kid_len = opt->has_kid ? opt->kid.len : 0;
    if (opt->partial_iv.len > CPS_PARTIAL_IV_MAX || kid_context_len > 1 + KID_CONTEXT_MAX ||
        1 + opt->partial_iv.len + kid_context_len + kid_len > VALUE_MAX) {
        w->failed = true;
        return;
    }
    unsigned flags = (unsigned)opt->partial_iv.len;
    flags |= opt->has_kid ? FLAG_KID : 0;
    flags |= opt->has_kid_context ? FLAG_KID_CONTEXT : 0;
    if (flags == 0)
        return; /* §6.1: the option value is empty then */
    cps_write_u8(w, (uint8_t)flags);
    cps_write_bytes(w, opt->partial_iv);
    if (opt->has_kid_context) {
        cps_write_u8(w, (uint8_t)opt->kid_context.len);
        cps_write_bytes(w, opt->kid_context);
    }
    if (opt->has_kid)
        cps_write_bytes(w, opt->kid);
}

cps_bytes_t cps_partial_iv_encode(uint64_t number, uint8_t buf[CPS_PARTIAL_IV_MAX])
{
    size_t skip = 0;
    for (size_t i = 0; i < CPS_PARTIAL_IV_MAX; i++)
        buf[i] = (uint8_t)(number >> (8 * (CPS_PARTIAL_IV_MAX - 1 - i)));
    while (skip < CPS_PARTIAL_IV_MAX - 1 && buf[skip] == 0)
        skip++;
    return cps_bytes(buf + skip, CPS_PARTIAL_IV_MAX - skip);
}

cps_err_t cps_partial_iv_decode(cps_bytes_t partial_iv, uint64_t *number)
{
    if (partial_iv.len == 0 || partial_iv.len > CPS_PARTIAL_IV_MAX)
        return CPS_ERR_OSCORE_DECODE;
    if (partial_iv.len > 1 && partial_iv.ptr[0] == 0) /* §5: the leading zeros are cut by the sender */
        return CPS_ERR_OSCORE_DECODE;
    uint64_t v = 0;
    for (size_t i = 0; i < partial_iv.len; i++)
        v = v << 8U | partial_iv.ptr[i];
    *number = v;
    return CPS_OK;
}
