// SPDX-License-Identifier: Apache-2.0
/* The characters of URIs (RFC 3986 §2), shared by the uri_*.c files. Not for use outside of them. */
#ifndef CPS_WIRE_URI_TEXT_H
#define CPS_WIRE_URI_TEXT_H

#include "wire/uri.h"

#define CPS_URI_VALUE_MAX 255U /* of a Uri-Host, Uri-Path or Uri-Query (RFC 7252 table 4) */

/* Characters that stand for themselves beside unreserved and sub-delims. */
#define CPS_URI_PATH_EXTRA  ":@"
#define CPS_URI_QUERY_EXTRA ":@/?"

/** Unreserved or sub-delim, or one of `extra`, but none of `except` (both may be ""). */
bool cps_uri_is_plain(uint8_t c, const char *extra, const char *except);

/** Whether a text consists of plain characters (`extra` as above) and whole percent-escapes. */
bool cps_uri_text_valid(cps_bytes_t text, const char *extra);

/** Whether a decoded segment is "." or "..": no path may hold one (RFC 7252 §5.10.1). */
static inline bool cps_uri_is_dots(cps_bytes_t segment)
{
    return cps_bytes_equal(segment, CPS_BYTES_LIT(".")) || cps_bytes_equal(segment, CPS_BYTES_LIT(".."));
}

/** Write a valid text with its percent-escapes decoded. */
void cps_uri_decode(cps_bytes_t text, cps_writer_t *w);

/** Write bytes with all but plain characters as percent-escapes in upper-case hex (RFC 7252 §6.5). */
void cps_uri_escape(cps_bytes_t bytes, const char *extra, const char *except, cps_writer_t *w);

/**
 * Whether decoded bytes are a name of a host: 1 to 255 bytes that are plain or UTF-8, and no last label that a resolver
 * may take for a number ("1.2.3", "0x7f000001": other spellings of addresses must not pass a rule about names).
 */
bool cps_uri_name_valid(cps_bytes_t name);

/** Whether a text is "[" IPv6 address "]"; the address in `ip`. */
bool cps_uri_bracketed(cps_bytes_t text, uint8_t ip[16]);

/** The scheme in front of the first ":" of a text, and what follows that; false where there is none that is known. */
bool cps_uri_split_scheme(cps_bytes_t text, cps_scheme_t *scheme, cps_bytes_t *rest);

/**
 * Resolve the dot segments of a path (RFC 3986 §5.2.4) and list the segments that are left, as they are written (values
 * are views of `path`). At most `cap` are stored; the result is how many there are, and may be larger.
 */
size_t cps_uri_segments(cps_bytes_t path, cps_option_t *list, size_t cap);

#endif /* CPS_WIRE_URI_TEXT_H */
