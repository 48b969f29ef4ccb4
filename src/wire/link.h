// SPDX-License-Identifier: Apache-2.0
/* CoRE link format (RFC 6690): read, write, filter. */
#ifndef CPS_WIRE_LINK_H
#define CPS_WIRE_LINK_H

#include "base/bytes.h"

/** One link as views into the document. */
typedef struct cps_link {
    cps_bytes_t target;     /**< between "<" and ">" */
    cps_bytes_t attributes; /**< everything behind ">", from the first ";" on */
} cps_link_t;

/** One attribute of a link. `value` is without quotes, quoted pairs still escaped (see cps_link_unescape). */
typedef struct cps_link_attr {
    cps_bytes_t name;
    cps_bytes_t value;
    bool has_value;
    bool quoted;
} cps_link_attr_t;

/**
 * The next link of a document, checked whole: cps_link_attr_next cannot fail on it. False at the end; `*err` gets CPS_OK,
 * or CPS_ERR_FORMAT where the document is malformed or not UTF-8. White space between the parts is skipped.
 */
bool cps_link_next(cps_bytes_t *document, cps_link_t *out, cps_err_t *err);

/** The next attribute, copies too; the same rules. */
bool cps_link_attr_next(cps_bytes_t *attributes, cps_link_attr_t *out, cps_err_t *err);

/**
 * The first attribute of that name, in lower case (later copies are ignored: RFC 6690 §3, REQ-69). "osc" and "obs" have
 * no value whatever stands behind them (RFC 8613 §9, RFC 7641 §6), and "href" is no attribute (RFC 6690 §2).
 */
bool cps_link_get(const cps_link_t *link, const char *name, cps_link_attr_t *out);

/**
 * The next code of a ct value, "0 40" (RFC 7252 §7.2.1); false at the end, and at anything that is no number up to 65535
 * (`*codes` is not empty then). ct is a hint only.
 */
bool cps_link_ct_next(cps_bytes_t *codes, uint16_t *format);

/** Copy a quoted value without its backslashes; CPS_ERR_NO_SPACE where it does not fit. */
CPS_MUST_USE cps_err_t cps_link_unescape(cps_bytes_t value, cps_writer_t *out);

/**
 * Whether a link passes a filter "name=value" (RFC 6690 §4.1): exact, prefix with a final "*", space separated rt, if
 * and rel one by one, href against the target (as it is written or percent-decoded). `query` is one decoded Uri-Query. A
 * query without "=" passes all.
 */
bool cps_link_matches(const cps_link_t *link, cps_bytes_t query);

/** The context of a link: anchor, else the origin of a target that is an absolute URI, else an empty view (REQ-68). */
cps_bytes_t cps_link_context(const cps_link_t *link);

/** Writes a document link by link. */
typedef struct cps_link_writer {
    cps_writer_t *w;
    bool first_done;
    bool
        failed; /**< a second copy of rt, if, sz, ct or title (REQ-69), a bad name, value or target, or no link begun */
    uint16_t copies; /**< which of the attributes that stand once the current link has */
} cps_link_writer_t;

/** A writer of a document into `w`. */
cps_link_writer_t cps_link_writer(cps_writer_t *w);

/** Begin a link. The target is a URI reference; one with ">" or a control character makes the writer fail. */
void cps_link_begin(cps_link_writer_t *lw, cps_bytes_t target);

/**
 * Add an attribute. The value is quoted where it has to be, and always for title, anchor, rt, if and rel; it is UTF-8
 * without control characters. "href" and a ct that is not a list of codes make the writer fail.
 */
void cps_link_attr(cps_link_writer_t *lw, const char *name, cps_bytes_t value);

/** Add an attribute without value, e.g. obs, osc. These two are written once and without value by cps_link_attr too. */
void cps_link_flag(cps_link_writer_t *lw, const char *name);

/** CPS_OK; CPS_ERR_ARGUMENT where the writer failed; CPS_ERR_NO_SPACE where the document does not fit. */
CPS_MUST_USE cps_err_t cps_link_writer_err(const cps_link_writer_t *lw);

#endif /* CPS_WIRE_LINK_H */
