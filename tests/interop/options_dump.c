// SPDX-License-Identifier: Apache-2.0
/* For test_options.py: reads what follows a token, in hex, a line each; writes a line each with its options and payload
 * ("11:6c6f636b 12: -> ff00"), or "format error". */
#include "wire/opt.h"

#include <stdio.h>

#define BYTES_MAX 4096U

static void put_hex(cps_bytes_t bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        printf("%02x", bytes.ptr[i]);
}

static void show(cps_bytes_t rest)
{
    cps_bytes_t options;
    cps_bytes_t payload;
    cps_option_t option;
    if (cps_opt_split(rest, &options, &payload) != CPS_OK) {
        puts("format error");
        return;
    }
    cps_opt_walk_t walk = cps_opt_walk(options);
    while (cps_opt_next(&walk, &option)) {
        printf("%u:", option.number);
        put_hex(option.value);
        putchar(' ');
    }
    printf("-> ");
    put_hex(payload);
    putchar('\n');
}

int main(void)
{
    static char line[2 * BYTES_MAX + 2];
    static uint8_t bytes[BYTES_MAX];
    while (fgets(line, sizeof line, stdin) != NULL) {
        size_t len = 0;
        if (!cps_hex_decode(line, strcspn(line, "\n"), bytes, sizeof bytes, &len))
            return 1;
        show(cps_bytes(bytes, len));
    }
    return 0;
}
