// SPDX-License-Identifier: Apache-2.0
/* The characters of links and the attributes with rules of their own, shared by the link*.c files. */
#ifndef CPS_WIRE_LINK_TEXT_H
#define CPS_WIRE_LINK_TEXT_H

#include "wire/link.h"

/** What RFC 6690 and its users say of one attribute. */
typedef struct cps_link_rule {
    const char *name;
    bool once;       /**< stands once: later copies are ignored, and never written */
    bool valueless;  /**< has no value, even where one is written */
    bool one_by_one; /**< a filter looks at its space separated values (RFC 6690 §4.1) */
    bool quoted;     /**< always written with quotes */
} cps_link_rule_t;

/** The rule of a name, or NULL; its place in the table, below 16, in `*place` (may be NULL). */
const cps_link_rule_t *cps_link_rule(cps_bytes_t name, unsigned *place);

/** Whether a byte may stand in the name of an attribute (RFC 6690 §2: parmname). */
bool cps_link_is_name_char(uint8_t c);

/** Whether a byte may stand in a value without quotes (RFC 6690 §2: ptokenchar). */
bool cps_link_is_token_char(uint8_t c);

#endif /* CPS_WIRE_LINK_TEXT_H */
