// SPDX-License-Identifier: Apache-2.0
/* The value of the OSCORE option (RFC 8613 §6.1). */
#ifndef CPS_WIRE_OSCOPT_H
#define CPS_WIRE_OSCOPT_H

#include "base/bytes.h"

#define CPS_PARTIAL_IV_MAX 5U

/** The decompressed fields. A field that may be empty has a flag of its own: absent and empty differ. */
typedef struct cps_oscopt {
    cps_bytes_t partial_iv; /**< 1 to 5 bytes, or none */
    cps_bytes_t kid_context;
    cps_bytes_t kid;
    bool has_kid_context;
    bool has_kid;
} cps_oscopt_t;

/**
 * Decode. The empty value has no field at all (§6.1). CPS_ERR_OSCORE_DECODE: n is 6 or 7, bit 0x20 (group flag, not
 * for plain RFC 8613 contexts: OSC-82), 0x40 or 0x80 set, a field beyond the end, bytes behind the last field where
 * there is no kid, or the one byte 00 (never sent: OSC-47, documented choice: malformed).
 */
CPS_MUST_USE cps_err_t cps_oscopt_decode(cps_bytes_t value, cps_oscopt_t *out);

/** Encode; the writer fails where partial_iv has more than 5 or kid_context more than 255 bytes. */
void cps_oscopt_encode(cps_writer_t *w, const cps_oscopt_t *opt);

/** A Partial IV in the fewest bytes, 0 as one byte 00 (§5); the view of them. `number` is below 2^40. */
cps_bytes_t cps_partial_iv_encode(uint64_t number, uint8_t buf[CPS_PARTIAL_IV_MAX]);

/** The number; CPS_ERR_OSCORE_DECODE for no bytes, more than 5, or a leading zero byte before others. */
CPS_MUST_USE cps_err_t cps_partial_iv_decode(cps_bytes_t partial_iv, uint64_t *number);

#endif /* CPS_WIRE_OSCOPT_H */
