// SPDX-License-Identifier: Apache-2.0
/* The table of options that this library knows: one row an option (RFC 7252 §5.10 and the RFC named in the row). What
 * a received option means for a message (recognised, ignored, refused) is decided here and nowhere else. */
#ifndef CPS_WIRE_OPTTAB_H
#define CPS_WIRE_OPTTAB_H

#include "wire/msg.h"

typedef enum cps_opt_format {
    CPS_OPT_FORMAT_EMPTY,
    CPS_OPT_FORMAT_OPAQUE,
    CPS_OPT_FORMAT_UINT,
    CPS_OPT_FORMAT_STRING
} cps_opt_format_t;

/** Where OSCORE puts an option (RFC 8613 §4.1 and figure 5; RFC 9175, 9177, 9668, 8768 for theirs). */
typedef enum cps_opt_class {
    CPS_OPT_CLASS_E = 1, /**< inner only */
    CPS_OPT_CLASS_U = 2, /**< outer only */
    CPS_OPT_CLASS_EU = 3 /**< either or both, by rules of its own */
} cps_opt_class_t;

/** Bits of cps_opt_row_t.where */
#define CPS_OPT_IN_REQUEST  1U
#define CPS_OPT_IN_RESPONSE 2U

typedef struct cps_opt_row {
    uint16_t number;
    const char *name; /**< as in the registry, e.g. "Uri-Path" */
    uint8_t format;   /**< cps_opt_format_t */
    uint16_t min_len;
    uint16_t max_len;
    uint8_t where;      /**< CPS_OPT_IN_REQUEST, CPS_OPT_IN_RESPONSE: where it is defined */
    uint8_t repeatable; /**< the same bits: where more than one copy is allowed (ETag in requests only) */
    uint8_t oscore;     /**< cps_opt_class_t */
} cps_opt_row_t;

/** The row of a number, or NULL. */
const cps_opt_row_t *cps_opttab_find(uint16_t number);

/** The row at a place from 0 on, in rising order of numbers; NULL past the end. */
const cps_opt_row_t *cps_opttab_at(size_t place);

/** The OSCORE class; an unknown option is class E (RFC 8613 §4.1; OSC-9). */
cps_opt_class_t cps_opttab_class(uint16_t number);

/** Whether a receiver has to understand the option (RFC 7252 §5.4.6). Computed for unknown numbers too, as the next two. */
static inline bool cps_opt_is_critical(uint16_t number) { return (number & 1U) != 0; }

/** Whether a proxy has to understand the option to forward it: UnSafe (RFC 7252 §5.4.6). */
static inline bool cps_opt_is_unsafe(uint16_t number) { return (number & 2U) != 0; }

/** NoCacheKey (RFC 7252 §5.4.6); only meaningful for Safe-to-Forward options. */
static inline bool cps_opt_is_no_cache_key(uint16_t number) { return (number & 0x1eU) == 0x1cU; }

/** One of the numbers kept for more Location-* options: beside a Location-* it has to be refused (RFC 7252 §5.10.7). */
static inline bool cps_opt_is_reserved_location(uint16_t number)
{
    return number == 128 || number == 132 || number == 136 || number == 140;
}

/** A set of option numbers that a composition handles, as places in the table. */
typedef struct cps_opt_set {
    uint64_t bits;
} cps_opt_set_t;

/** The set of the listed numbers; each has to be in the table (another one is left out). */
cps_opt_set_t cps_opt_set_of(const uint16_t *numbers, size_t count);

/** Whether a number is in the set. */
bool cps_opt_set_has(cps_opt_set_t set, uint16_t number);

/**
 * How to take one option of a message (RFC 7252 §5.4.1, §5.4.3, §5.4.5):
 * recognised, or unrecognised and elective (ignore) or critical (refuse).
 */
typedef enum cps_opt_verdict { CPS_OPT_TAKE, CPS_OPT_IGNORE, CPS_OPT_REFUSE } cps_opt_verdict_t;

/**
 * Judge an option: `nth` counts the copies of its number before it in the message. Unrecognised is: not in `handled`,
 * of illegal length, an extra copy of one that is not repeatable, or one not defined for this code (REQ-4, REQ-10,
 * REQ-12).
 */
cps_opt_verdict_t cps_opt_judge(cps_opt_set_t handled, uint8_t code, const cps_option_t *option, unsigned nth);

/**
 * Judge a whole message: CPS_OK, or CPS_ERR_BAD_OPTION with the first refused number in `*bad` (REQ-6, REQ-7).
 */
CPS_MUST_USE cps_err_t cps_opt_check(cps_opt_set_t handled, uint8_t code, cps_bytes_t options, uint16_t *bad);

/**
 * Judge the options of a message to be sent, in any order: CPS_OK, or CPS_ERR_BAD_OPTION with the first number in
 * `*bad` that this library knows and that must not be sent so: not defined for this code (REQ-4), of illegal length, an
 * extra copy (REQ-12), or a Uri-Path or Location-Path "." or ".." (RFC 7252 §5.10.1, §5.10.7; REQ-40). Options that are
 * not in the table pass.
 */
CPS_MUST_USE cps_err_t cps_opt_check_send(uint8_t code, const cps_option_t *list, size_t count, uint16_t *bad);

/**
 * The value of an option as a receiver has to take it: the first copy that is no unrecognised one by cps_opt_judge
 * (defined for the message's code, of legal length, not an extra copy); false where there is none, and for a number
 * that is not in the table. What every consumer of a parsed message calls, so that ignored options stay ignored.
 */
bool cps_msg_option(const cps_msg_t *msg, uint16_t number, cps_bytes_t *value);

/** The same for a uint option. */
bool cps_msg_option_uint(const cps_msg_t *msg, uint16_t number, uint32_t *value);

#endif /* CPS_WIRE_OPTTAB_H */
