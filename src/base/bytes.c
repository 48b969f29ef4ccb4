// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

int cps_bytes_compare(cps_bytes_t a, cps_bytes_t b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

bool cps_bytes_equal_ct(cps_bytes_t a, cps_bytes_t b)
{
    volatile uint8_t differ = 0;
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        differ = (uint8_t)(differ | (a.ptr[i] ^ b.ptr[i]));
    return differ == 0;
}

void cps_wipe(void *ptr, size_t len)
{
    if (len == 0)
        return;
    memset(ptr, 0, len);
    __asm__ __volatile__("" : : "r"(ptr) : "memory"); /* the compiler has to assume that the zeros are read */
}

bool cps_hex_encode(cps_bytes_t b, char *out, size_t out_len)
{
    static const char digits[] = "0123456789abcdef";
    if (out_len < 2 * b.len + 1)
        return false;
    for (size_t i = 0; i < b.len; i++) {
        out[2 * i] = digits[b.ptr[i] >> 4U];
        out[2 * i + 1] = digits[b.ptr[i] & 15U];
    }
    out[2 * b.len] = '\0';
    return true;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool cps_hex_decode(const char *text, size_t text_len, uint8_t *out, size_t out_cap, size_t *out_len)
{
    if (text_len % 2 != 0 || text_len / 2 > out_cap)
        return false;
    for (size_t i = 0; i < text_len / 2; i++) {
        int high = hex_value(text[2 * i]);
        int low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    *out_len = text_len / 2;
    return true;
}
