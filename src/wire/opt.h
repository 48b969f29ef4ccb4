// SPDX-License-Identifier: Apache-2.0
/* CoAP options on the wire (RFC 7252 §3.1, §3.2): walk, find, write, and uint values. */
#ifndef CPS_WIRE_OPT_H
#define CPS_WIRE_OPT_H

#include "base/bytes.h"

/** A walk over encoded options. */
typedef struct cps_opt_walk {
    cps_reader_t r;
    uint32_t number; /**< of the last option read */
} cps_opt_walk_t;

/** A walk from the first option on; the bytes have to outlive it. */
static inline cps_opt_walk_t cps_opt_walk(cps_bytes_t options) { return (cps_opt_walk_t){cps_reader(options), 0}; }

/** The next option; false at the end or at a malformed header (`walk->r.failed` tells). */
bool cps_opt_next(cps_opt_walk_t *walk, cps_option_t *out);

/**
 * Split what follows the token into options and payload, checking every header (RFC 7252 §3.1).
 *
 * CPS_ERR_FORMAT: a nibble 15 outside the marker, an option beyond the end, a number above 65535, or a marker without
 * payload. Used by cps_msg_parse and for the plaintext of OSCORE, which has the same shape (RFC 8613 §5.3).
 */
CPS_MUST_USE cps_err_t cps_opt_split(cps_bytes_t rest, cps_bytes_t *options, cps_bytes_t *payload);

/** The first option of that number, whatever its length; false where there is none. */
bool cps_opt_find(cps_bytes_t options, uint16_t number, cps_bytes_t *value);

/** How many options of that number there are. */
unsigned cps_opt_count(cps_bytes_t options, uint16_t number);

/** Writes options in rising order, as RFC 7252 §3.1 wants them. */
typedef struct cps_opt_writer {
    cps_writer_t *w;
    uint32_t last;
} cps_opt_writer_t;

/** A writer of a new list of options into `w`. */
static inline cps_opt_writer_t cps_opt_writer(cps_writer_t *w) { return (cps_opt_writer_t){w, 0}; }

/** Write one option; a number below the last one makes the writer fail. */
void cps_opt_put(cps_opt_writer_t *ow, uint16_t number, cps_bytes_t value);

/** Write a uint option in the fewest bytes; zero is the empty value (RFC 7252 §3.2). */
void cps_opt_put_uint(cps_opt_writer_t *ow, uint16_t number, uint32_t value);

/**
 * Write a list in any order: sorted by number, equal numbers in the order given (MSG-7). The list itself is sorted in
 * place. `count` is at most a few dozen (insertion sort).
 */
void cps_opt_put_list(cps_opt_writer_t *ow, cps_option_t *list, size_t count);

/**
 * A uint value of 0 to 4 bytes, leading zeros allowed (MSG-13). CPS_ERR_BAD_OPTION where it has more bytes.
 */
CPS_MUST_USE cps_err_t cps_opt_uint(cps_bytes_t value, uint32_t *out);

/** Encode a uint into `buf`; the view of its fewest bytes. */
cps_bytes_t cps_opt_uint_bytes(uint32_t value, uint8_t buf[4]);

#endif /* CPS_WIRE_OPT_H */
