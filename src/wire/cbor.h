// SPDX-License-Identifier: Apache-2.0
/* The subset of deterministic CBOR (RFC 8949 §4.2.1) that COSE, OSCORE and their relatives need: integers, byte and
 * text strings, arrays, maps, false, true, null, tags. Definite lengths, shortest heads only. */
#ifndef CPS_WIRE_CBOR_H
#define CPS_WIRE_CBOR_H

#include "base/bytes.h"

/** An unsigned integer. All writers here use the shortest head (RFC 8949 §4.2.1). */
void cps_cbor_put_uint(cps_writer_t *w, uint64_t v);

/** An integer of either sign. */
void cps_cbor_put_int(cps_writer_t *w, int64_t v);

/** A byte string. */
void cps_cbor_put_bstr(cps_writer_t *w, cps_bytes_t b);

/** A text string from zero-terminated UTF-8, which is not checked. */
void cps_cbor_put_tstr(cps_writer_t *w, const char *s);

/** Head of an array; its `count` items follow. */
void cps_cbor_put_array(cps_writer_t *w, size_t count);

/** Head of a map; its `count` pairs follow, keys rising by their encoded bytes (the caller's part). */
void cps_cbor_put_map(cps_writer_t *w, size_t count);

/** A tag; what it stands on follows. */
void cps_cbor_put_tag(cps_writer_t *w, uint64_t tag);

/** false or true. */
void cps_cbor_put_bool(cps_writer_t *w, bool v);

/** null. */
void cps_cbor_put_null(cps_writer_t *w);

/** Head of a byte string of `len` bytes, to be followed by them (for bstr-wrapped structures). */
void cps_cbor_put_bstr_head(cps_writer_t *w, size_t len);

typedef enum cps_cbor_type {
    CPS_CBOR_UINT = 0,
    CPS_CBOR_NINT = 1,
    CPS_CBOR_BSTR = 2,
    CPS_CBOR_TSTR = 3,
    CPS_CBOR_ARRAY = 4,
    CPS_CBOR_MAP = 5,
    CPS_CBOR_TAG = 6,
    CPS_CBOR_SIMPLE = 7
} cps_cbor_type_t;

/** One item's head. Strings come with their bytes; of arrays and maps the entries follow as items of their own. */
typedef struct cps_cbor_item {
    uint8_t type;      /**< cps_cbor_type_t */
    uint64_t value;    /**< number (NINT: -1 - value), count, tag, or simple value (20 false, 21 true, 22 null) */
    cps_bytes_t bytes; /**< of BSTR and TSTR */
} cps_cbor_item_t;

/**
 * Read the next item. CPS_ERR_CBOR: truncated, not the shortest head, indefinite, a float, a reserved head, or invalid
 * UTF-8 in a text string. The reader stands behind the item, or is failed.
 */
CPS_MUST_USE cps_err_t cps_cbor_next(cps_reader_t *r, cps_cbor_item_t *out);

/** Read one item of that type or fail with CPS_ERR_CBOR. */
CPS_MUST_USE cps_err_t cps_cbor_expect(cps_reader_t *r, cps_cbor_type_t type, cps_cbor_item_t *out);

/** Skip one item with all that is in it; nesting beyond 16 is CPS_ERR_CBOR. Map keys have to rise in their encoded
 * bytes, without a second copy. */
CPS_MUST_USE cps_err_t cps_cbor_skip(cps_reader_t *r);

/** An int64 from a UINT or NINT item; false where it does not fit or is another type. */
bool cps_cbor_int(const cps_cbor_item_t *item, int64_t *out);

#endif /* CPS_WIRE_CBOR_H */
