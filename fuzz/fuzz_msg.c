// SPDX-License-Identifier: Apache-2.0
/* A datagram as a peer sends it: what parses is written again as what parses to the same message, its options can be walked to
 * the end, and an OSCORE option in it decodes to what encodes to the same bytes. */
#include "wire/msg.h"
#include "wire/oscopt.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static void walk(cps_bytes_t options)
{
    cps_opt_walk_t at = cps_opt_walk(options);
    cps_option_t option;
    uint32_t last = 0;
    while (cps_opt_next(&at, &option)) {
        demand(option.number >= last && option.value.len <= options.len);
        last = option.number;
    }
    demand(!at.r.failed && cps_reader_left(&at.r) == 0);
}

static void oscore(cps_bytes_t options)
{
    cps_bytes_t value;
    cps_oscopt_t option;
    if (!cps_opt_find(options, CPS_OPT_OSCORE, &value) || cps_oscopt_decode(value, &option) != CPS_OK)
        return;
    uint8_t out[1 + CPS_PARTIAL_IV_MAX + 1 + 255 + 2048];
    cps_writer_t w = cps_writer(out, sizeof out);
    cps_oscopt_encode(&w, &option);
    demand(w.failed || cps_bytes_equal(cps_written(&w), value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cps_msg_t msg;
    if (size > 2048 || cps_msg_parse(cps_bytes(data, size), &msg) != CPS_OK)
        return 0;
    walk(msg.options);
    oscore(msg.options);
    uint8_t out[2048];
    cps_writer_t w = cps_writer(out, sizeof out);
    cps_msg_write(&w, &msg);
    demand(!w.failed && cps_written(&w).len == cps_msg_len(&msg));
    cps_msg_t again;
    demand(cps_msg_parse(cps_written(&w), &again) == CPS_OK);
    demand(again.type == msg.type && again.code == msg.code && again.mid == msg.mid);
    demand(cps_bytes_equal(again.token, msg.token) && cps_bytes_equal(again.options, msg.options));
    demand(cps_bytes_equal(again.payload, msg.payload));
    return 0;
}
