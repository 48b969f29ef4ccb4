// SPDX-License-Identifier: Apache-2.0
/* Addresses as the simulator and the foe compare, read and print them. */
#ifndef CPS_SIM_ADDR_H
#define CPS_SIM_ADDR_H

#include "base/bytes.h"

#define CPS_SIMADDR_TEXT_MAX 64U /* "[address%zone]:port" with the final zero */

/** Equal family, address, zone and port. */
bool cps_simaddr_equal(const cps_addr_t *a, const cps_addr_t *b);

/** Whether `a` is one that `mask` names: family CPS_FAMILY_NONE stands for any address, port 0 for any port. */
bool cps_simaddr_fits(const cps_addr_t *mask, const cps_addr_t *a);

/**
 * Read "192.0.2.1:5683", "[2001:db8::1]:5683", "[fe80::1%2]:5683" (the zone is an interface index). Without a port
 * ("192.0.2.1", "[::1]") the port is 0; "*:5683" has no address. False for anything else.
 */
bool cps_simaddr_parse(const char *text, size_t len, cps_addr_t *out);

/** Print in the same form, into CPS_SIMADDR_TEXT_MAX bytes; returns `out`. */
const char *cps_simaddr_text(const cps_addr_t *addr, char out[CPS_SIMADDR_TEXT_MAX]);

#endif /* CPS_SIM_ADDR_H */
