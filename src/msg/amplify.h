// SPDX-License-Identifier: Apache-2.0
/* How much may go to an address that has not proven that it is there (RFC 9175 §2.4; docs/architecture.md
 * "Amplification"): computed from the request's datagram alone, so that a flood leaves no state. */
#ifndef CPS_MSG_AMPLIFY_H
#define CPS_MSG_AMPLIFY_H

#include "base/bytes.h"

#define CPS_AMPLIFY_HEADERS  62U /* Ethernet, IPv6 and UDP headers around each datagram */
#define CPS_AMPLIFY_SMALLEST 4U  /* the smallest CoAP message: what it may cause, any request may */

/** Bytes, headers counted, that all datagrams because of a request of `len` bytes may total. */
static inline size_t cps_amplify_room(size_t len, uint32_t factor)
{
    size_t counted = len < CPS_AMPLIFY_SMALLEST ? CPS_AMPLIFY_SMALLEST : len;
    return factor * (counted + CPS_AMPLIFY_HEADERS);
}

/** How many datagrams of `len` bytes fit into `room`. */
static inline size_t cps_amplify_copies(size_t room, size_t len) { return room / (len + CPS_AMPLIFY_HEADERS); }

/** What is left of `room` after a datagram of `len` bytes. */
static inline size_t cps_amplify_after(size_t room, size_t len)
{
    size_t cost = len + CPS_AMPLIFY_HEADERS;
    return room > cost ? room - cost : 0;
}

#endif /* CPS_MSG_AMPLIFY_H */
