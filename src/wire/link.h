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

/** The next link of a document; false at its end. `*err` gets CPS_ERR_FORMAT where the document is malformed. */
bool cps_link_next(cps_bytes_t *document, cps_link_t *out, cps_err_t *err);

/** The next attribute; the same rules. Second copies of rt, if, sz, ct, title (RFC 6690 §3) are skipped by cps_link_get. */
bool cps_link_attr_next(cps_bytes_t *attributes, cps_link_attr_t *out, cps_err_t *err);

/** The first attribute of that name (REQ-69: later copies are ignored). */
bool cps_link_get(const cps_link_t *link, const char *name, cps_link_attr_t *out);

/** Copy a quoted value without its backslashes; CPS_ERR_NO_SPACE where it does not fit. */
CPS_MUST_USE cps_err_t cps_link_unescape(cps_bytes_t value, cps_writer_t *out);

/**
 * Whether a link passes a filter "name=value" (RFC 6690 §4.1): exact, prefix with a final "*", space separated rt, if
 * and rel one by one, href against the target. `query` is one decoded Uri-Query. A query without "=" passes all.
 */
bool cps_link_matches(const cps_link_t *link, cps_bytes_t query);

/** The context of a link: anchor, else the origin of a target that is an absolute URI, else an empty view (REQ-68). */
cps_bytes_t cps_link_context(const cps_link_t *link);

/** Writes a document link by link. */
typedef struct cps_link_writer {
    cps_writer_t *w;
    bool first_done;
    bool failed;    /**< a second copy of rt, if, sz or ct (REQ-69), or a bad name */
    uint8_t copies; /**< which of them the current link has */
} cps_link_writer_t;

cps_link_writer_t cps_link_writer(cps_writer_t *w);
void cps_link_begin(cps_link_writer_t *lw, cps_bytes_t target);
void cps_link_attr(cps_link_writer_t *lw, const char *name, cps_bytes_t value); /* quoted where it has to be */
void cps_link_flag(cps_link_writer_t *lw, const char *name);                    /* valueless, e.g. obs, osc */
cps_err_t cps_link_writer_err(const cps_link_writer_t *lw);

#endif /* CPS_WIRE_LINK_H */
