// SPDX-License-Identifier: Apache-2.0
/* Addresses as people write them and as the kernel takes them. IPv4-mapped IPv6 addresses become IPv4 on the way in, so
 * that one host has one form; the questions about an address see through the mapping all the same. */
#ifndef CPS_HOST_ADDR_H
#define CPS_HOST_ADDR_H

#include "base/bytes.h"

#include <sys/socket.h>

/** Room for any text of cps_addr_format, with the final zero: "[" 45 "%" 10 "]:" 5. */
#define CPS_ADDR_TEXT_MAX 72U

/** A network: an address and how many of its leading bits count. */
typedef struct cps_net {
    cps_addr_t base;
    uint8_t bits; /**< 0 to 32 (IPv4) or 128 (IPv6) */
} cps_net_t;

/**
 * Read "127.0.0.1:5683", "127.0.0.1", "[::1]:5683", "[fe80::1%eth0]:5683", "[::1]" or "::1". `default_port` is taken
 * where the text has none. The zone is an interface name or number and belongs to link-local addresses alone.
 * CPS_ERR_ARGUMENT for anything else, names included: nothing is looked up here.
 */
CPS_MUST_USE cps_err_t cps_addr_parse(cps_bytes_t text, uint16_t default_port, cps_addr_t *out);

/** Write the form that cps_addr_parse reads ("127.0.0.1:5683", "[::1]:5683", "-" for no address) to `out`; gives `out`. */
const char *cps_addr_format(const cps_addr_t *addr, char out[CPS_ADDR_TEXT_MAX]);

/** The same without port and brackets: "127.0.0.1", "fe80::1%2". */
const char *cps_addr_format_ip(const cps_addr_t *addr, char out[CPS_ADDR_TEXT_MAX]);

/** Take over a kernel address; false where it is neither IPv4 nor IPv6. */
bool cps_addr_from_sockaddr(const struct sockaddr *from, cps_addr_t *out);

/** Fill a kernel address and give its length; 0 where `addr` has no family. */
socklen_t cps_addr_to_sockaddr(const cps_addr_t *addr, struct sockaddr_storage *out);

/** Same family, address, zone and port. */
bool cps_addr_equal(const cps_addr_t *a, const cps_addr_t *b);

/** 127.0.0.0/8 or ::1. */
bool cps_addr_is_loopback(const cps_addr_t *addr);

/** 169.254.0.0/16 or fe80::/10. Group addresses of that scope are multicast. */
bool cps_addr_is_link_local(const cps_addr_t *addr);

/** 224.0.0.0/4 or ff00::/8. */
bool cps_addr_is_multicast(const cps_addr_t *addr);

/** 0.0.0.0 or ::. */
bool cps_addr_is_any(const cps_addr_t *addr);

/** Read "10.0.0.0/8", "::1/128" or an address alone. CPS_ERR_ARGUMENT for anything else, and where bits behind the
 * prefix are set: whoever writes 10.1.2.3/8 means something else than what it would do. */
CPS_MUST_USE cps_err_t cps_net_parse(cps_bytes_t text, cps_net_t *out);

/** Write "10.0.0.0/8" to `out`; gives `out`. */
const char *cps_net_format(const cps_net_t *net, char out[CPS_ADDR_TEXT_MAX]);

/** Whether an address lies in a network. An IPv4-mapped address counts as IPv4. Ports and zones do not matter. */
bool cps_net_has(const cps_net_t *net, const cps_addr_t *addr);

#endif /* CPS_HOST_ADDR_H */
