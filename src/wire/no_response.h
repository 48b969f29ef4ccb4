// SPDX-License-Identifier: Apache-2.0
/* No-Response (RFC 7967): which classes of responses a request does not want. */
#ifndef CPS_WIRE_NO_RESPONSE_H
#define CPS_WIRE_NO_RESPONSE_H

#include "wire/opttab.h"

#define CPS_NO_RESPONSE_ALL 26U /**< 2.xx, 4.xx and 5.xx (§2.1) */

/** The bits of a request's No-Response; 0, which wants all, where it has none of legal length. */
static inline uint8_t cps_no_response_of(const cps_msg_t *msg)
{
    uint32_t value;
    return cps_msg_option_uint(msg, CPS_OPT_NO_RESPONSE, &value) ? (uint8_t)value : 0;
}

/** Whether those bits switch off a response of this code: 2 for 2.xx, 8 for 4.xx, 16 for 5.xx (§2.1). */
static inline bool cps_no_response_covers(uint8_t bits, uint8_t code)
{
    return (bits >> (cps_code_class(code) - 1U) & 1U) != 0;
}

#endif /* CPS_WIRE_NO_RESPONSE_H */
