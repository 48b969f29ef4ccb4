// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

/* One row a shape of RFC 3629 §4: first byte, how many bytes follow it, and what the first of them may be; the others
 * are 80 to bf. Narrow second bytes are what keeps out overlong forms, surrogates and numbers above U+10FFFF. */
typedef struct shape {
    uint8_t first_low, first_high;
    uint8_t more;
    uint8_t second_low, second_high;
} shape_t;

static const shape_t shapes[] = {
    {0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf}, {0xe1, 0xec, 2, 0x80, 0xbf}, {0xed, 0xed, 2, 0x80, 0x9f},
    {0xee, 0xef, 2, 0x80, 0xbf}, {0xf0, 0xf0, 3, 0x90, 0xbf}, {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

/* Bytes of the character at `p`, which is not ASCII; 0 where it is malformed. */
static size_t sequence_len(const uint8_t *p, size_t left)
{
    const shape_t *shape = NULL;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0] && shape == NULL; i++)
        if (p[0] >= shapes[i].first_low && p[0] <= shapes[i].first_high)
            shape = &shapes[i];
    if (shape == NULL || left <= shape->more || p[1] < shape->second_low || p[1] > shape->second_high)
        return 0;
    for (size_t i = 2; i <= shape->more; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return shape->more + 1U;
}

bool cps_utf8_valid(cps_bytes_t b)
{
    for (size_t at = 0; at < b.len;) {
        size_t len = b.ptr[at] < 0x80 ? 1 : sequence_len(b.ptr + at, b.len - at);
        if (len == 0)
            return false;
        at += len;
    }
    return true;
}
