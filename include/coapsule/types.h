// SPDX-License-Identifier: Apache-2.0
/**
 * @file
 * The plain types that every part of coapsule shares: views of bytes, addresses, time.
 *
 * Nothing here allocates. A view never owns what it points to; the page of the call that hands one out says how
 * long it lives.
 */
#ifndef COAPSULE_TYPES_H
#define COAPSULE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Marks a symbol that the shared library exports; everything else is hidden. */
#if defined(__GNUC__)
#define CPS_API      __attribute__((visibility("default")))
#define CPS_MUST_USE __attribute__((warn_unused_result))
#else
#define CPS_API
#define CPS_MUST_USE
#endif

/** A view of bytes: `len` bytes at `ptr`; `ptr` may be NULL when `len` is 0. */
typedef struct cps_bytes {
    const uint8_t *ptr;
    size_t len;
} cps_bytes_t;

/** Time in microseconds of a clock that never runs backwards; only differences mean anything. */
typedef uint64_t cps_time_us_t;

/** "Never": a deadline that does not come. */
#define CPS_TIME_NEVER UINT64_MAX

/** Address families of cps_addr_t. */
typedef enum cps_family { CPS_FAMILY_NONE = 0, CPS_FAMILY_IPV4 = 4, CPS_FAMILY_IPV6 = 6 } cps_family_t;

/** An IP address and UDP port. IPv4 stands in the first four bytes of `ip`, the others are zero. */
typedef struct cps_addr {
    uint8_t ip[16];
    uint32_t scope_id; /**< IPv6 zone (interface index) of a link-local address, else 0 */
    uint16_t port;     /**< host byte order */
    uint8_t family;    /**< cps_family_t */
    uint8_t reserved;  /**< zero */
} cps_addr_t;

/**
 * The way a datagram came or goes: which socket, from where, to where.
 *
 * `local` is the address that was asked (RFC 7252 §5.2.2 answers leave from it); its family is CPS_FAMILY_NONE
 * where the kernel shall choose. `ifindex` is 0 unless the interface matters.
 */
typedef struct cps_path {
    cps_addr_t remote;
    cps_addr_t local;
    uint32_t ifindex;
    uint16_t socket; /**< the caller's number of the socket, below CPS_SOCKETS_MAX */
    uint16_t flags;  /**< CPS_PATH_MULTICAST */
} cps_path_t;

/** The datagram was sent to a group address (RFC 7252 §8). */
#define CPS_PATH_MULTICAST 1U

/** One datagram with its path. Inbound: the caller's bytes. Outbound: the endpoint's. */
typedef struct cps_datagram {
    cps_path_t path;
    cps_bytes_t bytes;
} cps_datagram_t;

/** CoAP code: class in the upper three bits, detail in the lower five (RFC 7252 §3). */
#define CPS_CODE(cls, detail) ((uint8_t)(((unsigned)(cls) << 5U) | (unsigned)(detail)))

/** Methods and response codes by their names in the registries (RFC 7252 §12.1, 7959, 8132, 8516, 8768). */
typedef enum cps_code {
    CPS_EMPTY = 0,
    CPS_GET = CPS_CODE(0, 1),
    CPS_POST = CPS_CODE(0, 2),
    CPS_PUT = CPS_CODE(0, 3),
    CPS_DELETE = CPS_CODE(0, 4),
    CPS_FETCH = CPS_CODE(0, 5),
    CPS_PATCH = CPS_CODE(0, 6),
    CPS_IPATCH = CPS_CODE(0, 7),
    CPS_CREATED = CPS_CODE(2, 1),
    CPS_DELETED = CPS_CODE(2, 2),
    CPS_VALID = CPS_CODE(2, 3),
    CPS_CHANGED = CPS_CODE(2, 4),
    CPS_CONTENT = CPS_CODE(2, 5),
    CPS_CONTINUE = CPS_CODE(2, 31),
    CPS_BAD_REQUEST = CPS_CODE(4, 0),
    CPS_UNAUTHORIZED = CPS_CODE(4, 1),
    CPS_BAD_OPTION = CPS_CODE(4, 2),
    CPS_FORBIDDEN = CPS_CODE(4, 3),
    CPS_NOT_FOUND = CPS_CODE(4, 4),
    CPS_METHOD_NOT_ALLOWED = CPS_CODE(4, 5),
    CPS_NOT_ACCEPTABLE = CPS_CODE(4, 6),
    CPS_REQUEST_ENTITY_INCOMPLETE = CPS_CODE(4, 8),
    CPS_CONFLICT = CPS_CODE(4, 9),
    CPS_PRECONDITION_FAILED = CPS_CODE(4, 12),
    CPS_REQUEST_ENTITY_TOO_LARGE = CPS_CODE(4, 13),
    CPS_UNSUPPORTED_CONTENT_FORMAT = CPS_CODE(4, 15),
    CPS_UNPROCESSABLE_ENTITY = CPS_CODE(4, 22),
    CPS_TOO_MANY_REQUESTS = CPS_CODE(4, 29),
    CPS_INTERNAL_SERVER_ERROR = CPS_CODE(5, 0),
    CPS_NOT_IMPLEMENTED = CPS_CODE(5, 1),
    CPS_BAD_GATEWAY = CPS_CODE(5, 2),
    CPS_SERVICE_UNAVAILABLE = CPS_CODE(5, 3),
    CPS_GATEWAY_TIMEOUT = CPS_CODE(5, 4),
    CPS_PROXYING_NOT_SUPPORTED = CPS_CODE(5, 5),
    CPS_HOP_LIMIT_REACHED = CPS_CODE(5, 8)
} cps_code_t;

/** Option numbers by their names in the registry (the specification of each stands behind it). */
typedef enum cps_option_number {
    CPS_OPT_IF_MATCH = 1,        /* RFC 7252 */
    CPS_OPT_URI_HOST = 3,        /* RFC 7252 */
    CPS_OPT_ETAG = 4,            /* RFC 7252 */
    CPS_OPT_IF_NONE_MATCH = 5,   /* RFC 7252 */
    CPS_OPT_OBSERVE = 6,         /* RFC 7641 */
    CPS_OPT_URI_PORT = 7,        /* RFC 7252 */
    CPS_OPT_LOCATION_PATH = 8,   /* RFC 7252 */
    CPS_OPT_OSCORE = 9,          /* RFC 8613 */
    CPS_OPT_URI_PATH = 11,       /* RFC 7252 */
    CPS_OPT_CONTENT_FORMAT = 12, /* RFC 7252 */
    CPS_OPT_MAX_AGE = 14,        /* RFC 7252 */
    CPS_OPT_URI_QUERY = 15,      /* RFC 7252 */
    CPS_OPT_HOP_LIMIT = 16,      /* RFC 8768 */
    CPS_OPT_ACCEPT = 17,         /* RFC 7252 */
    CPS_OPT_Q_BLOCK1 = 19,       /* RFC 9177 */
    CPS_OPT_LOCATION_QUERY = 20, /* RFC 7252 */
    CPS_OPT_EDHOC = 21,          /* RFC 9668 */
    CPS_OPT_BLOCK2 = 23,         /* RFC 7959 */
    CPS_OPT_BLOCK1 = 27,         /* RFC 7959 */
    CPS_OPT_SIZE2 = 28,          /* RFC 7959 */
    CPS_OPT_Q_BLOCK2 = 31,       /* RFC 9177 */
    CPS_OPT_PROXY_URI = 35,      /* RFC 7252 */
    CPS_OPT_PROXY_SCHEME = 39,   /* RFC 7252 */
    CPS_OPT_SIZE1 = 60,          /* RFC 7252 */
    CPS_OPT_ECHO = 252,          /* RFC 9175 */
    CPS_OPT_NO_RESPONSE = 258,   /* RFC 7967 */
    CPS_OPT_REQUEST_TAG = 292    /* RFC 9175 */
} cps_option_number_t;

/** One option: number and value. Lists given to the library need no order; equal numbers keep theirs. */
typedef struct cps_option {
    uint16_t number; /**< cps_option_number_t or any other */
    cps_bytes_t value;
} cps_option_t;

#ifdef __cplusplus
}
#endif

#endif /* COAPSULE_TYPES_H */
