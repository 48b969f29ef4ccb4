// SPDX-License-Identifier: Apache-2.0
/* Options on the wire (RFC 7252 §3.1): one head reader serves both the walk and the splitter. */
#include "wire/opt.h"

#define NIBBLE_ONE_BYTE  13U /* the number minus 13 follows in one byte */
#define NIBBLE_TWO_BYTES 14U /* the number minus 269 follows in two bytes */
#define ONE_BYTE_BASE    13U
#define TWO_BYTES_BASE   269U
#define HEAD_VALUE_MAX   65804U /* 269 + 65535: the largest delta or length that can be written */
#define MARKER           0xffU  /* ends the options (§3) */

/* Replace a nibble of 13 or more by what follows it; false where that is missing or the nibble is 15 (§3.1). */
static bool read_extended(const uint8_t **at, const uint8_t *end, uint32_t *nibble)
{
    size_t left = (size_t)(end - *at);
    if (*nibble < NIBBLE_ONE_BYTE)
        return true;
    if (*nibble == NIBBLE_ONE_BYTE && left >= 1) {
        *nibble = **at + ONE_BYTE_BASE;
        *at += 1;
        return true;
    }
    if (*nibble == NIBBLE_TWO_BYTES && left >= 2) {
        *nibble = cps_be16(*at) + TWO_BYTES_BASE;
        *at += 2;
        return true;
    }
    return false;
}

/* Read the option at `*at`, which stands before `end`. Nothing is changed where it is malformed. */
static inline bool read_option(const uint8_t **at, const uint8_t *end, uint32_t *number, cps_bytes_t *value)
{
    const uint8_t *p = *at;
    uint32_t delta = *p >> 4U;
    uint32_t len = *p & 15U;
    p++;
    if (delta >= NIBBLE_ONE_BYTE || len >= NIBBLE_ONE_BYTE) {
        if (!read_extended(&p, end, &delta) || !read_extended(&p, end, &len))
            return false;
    }
    delta += *number;
    if (delta > UINT16_MAX || len > (size_t)(end - p)) /* §12.2: numbers have 16 bits; §3.1: the value is inside */
        return false;
    *number = delta;
    *value = cps_bytes(p, len);
    *at = p + len;
    return true;
}

bool cps_opt_next(cps_opt_walk_t *walk, cps_option_t *out)
{
    cps_reader_t *r = &walk->r;
    if (r->failed || r->cur == r->end)
        return false;
    if (!read_option(&r->cur, r->end, &walk->number, &out->value)) {
        r->failed = true;
        return false;
    }
    out->number = (uint16_t)walk->number;
    return true;
}

cps_err_t cps_opt_split(cps_bytes_t rest, cps_bytes_t *options, cps_bytes_t *payload)
{
    const uint8_t *at = rest.ptr;
    const uint8_t *end = rest.len == 0 ? rest.ptr : rest.ptr + rest.len;
    uint32_t number = 0;
    cps_bytes_t value;
    while (at != end && *at != MARKER) {
        if (!read_option(&at, end, &number, &value))
            return CPS_ERR_FORMAT;
    }
    size_t left = (size_t)(end - at);
    if (left == 1) /* §3: a marker with nothing behind it is a message format error */
        return CPS_ERR_FORMAT;
    *options = cps_bytes(rest.ptr, rest.len - left);
    *payload = left == 0 ? cps_bytes(NULL, 0) : cps_bytes(at + 1, left - 1);
    return CPS_OK;
}

bool cps_opt_find(cps_bytes_t options, uint16_t number, cps_bytes_t *value)
{
    cps_opt_walk_t walk = cps_opt_walk(options);
    cps_option_t option;
    while (cps_opt_next(&walk, &option) && option.number <= number) {
        if (option.number == number) {
            *value = option.value;
            return true;
        }
    }
    return false;
}

unsigned cps_opt_count(cps_bytes_t options, uint16_t number)
{
    cps_opt_walk_t walk = cps_opt_walk(options);
    cps_option_t option;
    unsigned count = 0;
    while (cps_opt_next(&walk, &option) && option.number <= number)
        count += option.number == number;
    return count;
}

static unsigned nibble_of(size_t v)
{
    if (v < ONE_BYTE_BASE)
        return (unsigned)v;
    return v < TWO_BYTES_BASE ? NIBBLE_ONE_BYTE : NIBBLE_TWO_BYTES;
}

static void write_extended(cps_writer_t *w, size_t v)
{
    if (v >= TWO_BYTES_BASE)
        cps_write_u16(w, (uint16_t)(v - TWO_BYTES_BASE));
    else if (v >= ONE_BYTE_BASE)
        cps_write_u8(w, (uint8_t)(v - ONE_BYTE_BASE));
}

void cps_opt_put(cps_opt_writer_t *ow, uint16_t number, cps_bytes_t value)
{
    if (number < ow->last || value.len > HEAD_VALUE_MAX) {
        ow->w->failed = true;
        return;
    }
    uint32_t delta = number - ow->last;
    cps_write_u8(ow->w, (uint8_t)(nibble_of(delta) << 4U | nibble_of(value.len)));
    write_extended(ow->w, delta);
    write_extended(ow->w, value.len);
    cps_write_bytes(ow->w, value);
    ow->last = number;
}

void cps_opt_put_uint(cps_opt_writer_t *ow, uint16_t number, uint32_t value)
{
    uint8_t buf[4];
    cps_opt_put(ow, number, cps_opt_uint_bytes(value, buf));
}

void cps_opt_put_list(cps_opt_writer_t *ow, cps_option_t *list, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        cps_option_t moving = list[i];
        size_t place = i;
        for (; place > 0 && list[place - 1].number > moving.number; place--)
            list[place] = list[place - 1];
        list[place] = moving;
    }
    for (size_t i = 0; i < count; i++)
        cps_opt_put(ow, list[i].number, list[i].value);
}

cps_err_t cps_opt_uint(cps_bytes_t value, uint32_t *out)
{
    uint32_t v = 0;
    if (value.len > 4)
        return CPS_ERR_BAD_OPTION;
    for (size_t i = 0; i < value.len; i++)
        v = v << 8U | value.ptr[i];
    *out = v;
    return CPS_OK;
}

cps_bytes_t cps_opt_uint_bytes(uint32_t value, uint8_t buf[4])
{
    size_t skip = 0;
    cps_put_be32(buf, value);
    while (skip < 4 && buf[skip] == 0) /* §3.2: the fewest bytes, none at all for zero */
        skip++;
    return cps_bytes(buf + skip, 4 - skip);
}
