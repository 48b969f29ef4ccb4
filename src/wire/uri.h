// SPDX-License-Identifier: Apache-2.0
/* CoAP URIs (RFC 7252 §6, RFC 3986) and their options. */
#ifndef CPS_WIRE_URI_H
#define CPS_WIRE_URI_H

#include "wire/opttab.h"

typedef enum cps_scheme {
    CPS_SCHEME_COAP,
    CPS_SCHEME_COAPS,
    CPS_SCHEME_COAP_TCP,
    CPS_SCHEME_COAPS_TCP,
    CPS_SCHEME_COAP_WS,
    CPS_SCHEME_COAPS_WS,
    CPS_SCHEME_HTTP,
    CPS_SCHEME_HTTPS,
    CPS_SCHEME_COUNT
} cps_scheme_t;

#define CPS_URI_HOST_MAX 255U

/** A parsed absolute URI. Views point into the text, which has to outlive them; `host` is decoded and owned. */
typedef struct cps_uri {
    cps_scheme_t scheme;
    char host[CPS_URI_HOST_MAX + 1]; /**< lower case, percent-decoded, without brackets and zone; zero-terminated. An
                                          IPv6 address as RFC 5952 spells it */
    char zone[32];                   /**< zone id of an IPv6 literal, decoded; empty without one (RFC 6874) */
    uint8_t family;                  /**< cps_family_t of an IP literal, CPS_FAMILY_NONE of a name */
    uint8_t ip[16];                  /**< the literal's address */
    uint16_t port;                   /**< given, or the default of the scheme */
    bool has_query;
    cps_bytes_t path;  /**< as written, from the first "/" on, or empty; `ptr` is the end of the authority either way */
    cps_bytes_t query; /**< as written, after "?" */
} cps_uri_t;

/** Name of a scheme, as in "coap". */
const char *cps_scheme_name(cps_scheme_t scheme);

/** The scheme of a name in any case; false where unknown. */
bool cps_scheme_find(cps_bytes_t name, cps_scheme_t *scheme);

/** The default port of a scheme (RFC 7252 §6.1, §6.2; RFC 8323 §8). */
uint16_t cps_scheme_port(cps_scheme_t scheme);

/**
 * Parse an absolute URI (RFC 7252 §6.4 steps 1 to 6). CPS_ERR_BAD_URI: relative, unknown scheme, no host, a fragment,
 * userinfo, a bad port (0 too), a bad percent-escape, a character that RFC 3986 wants escaped, a host that is no name and
 * no address, or a name that a resolver may take for an address ("1.2.3"). `reason` (may be NULL) gets static text that
 * says which.
 */
CPS_MUST_USE cps_err_t cps_uri_parse(cps_bytes_t text, cps_uri_t *out, const char **reason);

/** What to write of a URI into options. */
typedef struct cps_uri_parts {
    uint16_t destination_port; /**< the port that the request goes to: Uri-Port says another one only */
    bool host;                 /**< Uri-Host even where the host is the literal destination */
    bool port;                 /**< Uri-Port even where it is the destination port */
} cps_uri_parts_t;

/**
 * Add the options of a URI to a list (RFC 7252 §6.4 steps 5 to 9): Uri-Host unless the host is a literal, Uri-Port
 * unless it is the destination port, one Uri-Path a segment with dot segments resolved, one Uri-Query a part. `*count`
 * is how many options the list holds, before and after; they are added behind those. Decoded values are written to
 * `store`; the list's values view it. CPS_ERR_NO_SPACE where list or store is too small, CPS_ERR_BAD_URI where a
 * decoded segment is "." or ".." (REQ-40) or a value is longer than 255 bytes; `*count` is unchanged then.
 */
CPS_MUST_USE cps_err_t cps_uri_to_options(const cps_uri_t *uri, cps_uri_parts_t parts, cps_writer_t *store,
                                          cps_option_t *list, size_t cap, size_t *count);

/** The authority that Uri-Host and Uri-Port default to (RFC 7252 §5.10.1). */
typedef struct cps_uri_base {
    cps_scheme_t scheme;
    cps_addr_t addr; /**< the request's destination */
} cps_uri_base_t;

/**
 * Join the Uri-* options of a request to a URI (RFC 7252 §6.5) as text without a final zero. CPS_ERR_BAD_URI where
 * Uri-Host is no valid name or address (or there is neither Uri-Host nor an address), the port is 0, or a Uri-Path is "."
 * or ".."; CPS_ERR_BAD_OPTION where Uri-Port has more than two bytes. Nothing is written then.
 */
CPS_MUST_USE cps_err_t cps_uri_join(cps_bytes_t options, const cps_uri_base_t *base, cps_writer_t *out);

/** Write only the path ("/a/b%20c") and, where there is one, "?query" of a request's options, escaped as §6.5 says. */
CPS_MUST_USE cps_err_t cps_uri_join_path(cps_bytes_t options, cps_writer_t *out);

/**
 * Join Location-Path and Location-Query against the request URI's authority (RFC 7252 §5.10.7) as a path-absolute
 * reference; an empty first segment of several gives "/.//...", never "//host". CPS_ERR_BAD_OPTION where a reserved
 * Location-* option (128, 132, 136, 140) stands beside them or a segment is "." or ".."; CPS_ERR_NOT_FOUND where there is
 * neither of the two.
 */
CPS_MUST_USE cps_err_t cps_uri_join_location(cps_bytes_t options, cps_writer_t *out);

/** Write an address as a URI host: "192.0.2.1", "[2001:db8::1]" (RFC 5952), with "%25zone" where scope_id is set. */
void cps_uri_write_addr(cps_writer_t *w, const cps_addr_t *addr);

/** Parse "192.0.2.1" or "2001:db8::1" (no brackets). False for anything else. */
bool cps_ip_parse(cps_bytes_t text, uint8_t ip[16], uint8_t *family);

/**
 * Whether a URI matches a pattern of a credential, and how specific the pattern is: the larger the more specific, never 0.
 *
 * A pattern is an absolute URI without query. A host "*" is any host. A path segment written "*" is any one segment, and
 * a last segment "**" is any rest, none too: "/lock/" and then "**" matches /lock, /lock/ and /lock/a/b. "%2A" is a plain
 * asterisk. Equivalent URIs match alike (RFC 7252 §6.3: case of scheme and host, default port, percent-encoding, dot
 * segments), and the query of the URI does not matter.
 *
 * Of two patterns the more specific one has, in this order: a host of its own; a path without wildcards, then with "*"
 * alone, then with "**"; more literal segments in front; more literal segments.
 */
bool cps_uri_match(cps_bytes_t pattern, const cps_uri_t *uri, unsigned *specificity);

/** Whether a text is a pattern that cps_uri_match takes: CPS_OK, or CPS_ERR_BAD_URI with the reason as above. */
CPS_MUST_USE cps_err_t cps_uri_pattern_check(cps_bytes_t pattern, const char **reason);

#endif /* CPS_WIRE_URI_H */
