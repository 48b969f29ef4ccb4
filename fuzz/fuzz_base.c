// SPDX-License-Identifier: Apache-2.0
/* Hex both ways, and reader against writer: what one wrote the other reads, and neither leaves its buffer.
 *
 * covers: src/base/bytes.c */
#include "fuzz.h"

static void hex_round_trip(cps_bytes_t in)
{
    uint8_t bytes[256];
    char text[2 * sizeof bytes + 1];
    size_t len = 0;
    if (!cps_hex_decode((const char *)in.ptr, in.len, bytes, sizeof bytes, &len))
        return;
    demand(cps_hex_encode(cps_bytes(bytes, len), text, sizeof text));
    uint8_t again[sizeof bytes];
    size_t again_len = 0;
    demand(cps_hex_decode(text, 2 * len, again, sizeof again, &again_len));
    demand(cps_bytes_equal(cps_bytes(bytes, len), cps_bytes(again, again_len)));
}

static void copy_in_steps(cps_bytes_t in)
{
    uint8_t out[128];
    cps_reader_t r = cps_reader(in);
    cps_writer_t w = cps_writer(out, sizeof out);
    while (!r.failed && !w.failed && cps_reader_left(&r) != 0)
        cps_write_bytes(&w, cps_read_bytes(&r, 1 + (cps_reader_left(&r) & 7U)));
    cps_bytes_t written = cps_written(&w);
    demand(written.len <= in.len && (written.len == 0 || memcmp(written.ptr, in.ptr, written.len) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hex_round_trip(cps_bytes(data, size));
    copy_in_steps(cps_bytes(data, size));
    return 0;
}
