// SPDX-License-Identifier: Apache-2.0
/* A value of the OSCORE option: what is accepted is written back the same.
 *
 * covers: src/wire/oscopt.c */
#include "fuzz.h"

#include "wire/oscopt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cps_oscopt_t opt;
    uint8_t buf[255];
    uint8_t number_buf[CPS_PARTIAL_IV_MAX];
    uint64_t number;
    if (size > sizeof buf || cps_oscopt_decode(cps_bytes(data, size), &opt) != CPS_OK)
        return 0;
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_oscopt_encode(&w, &opt);
    demand(!w.failed && cps_bytes_equal(cps_written(&w), cps_bytes(data, size)));
    if (cps_partial_iv_decode(opt.partial_iv, &number) == CPS_OK)
        demand(cps_bytes_equal(cps_partial_iv_encode(number, number_buf), opt.partial_iv));
    return 0;
}
