// SPDX-License-Identifier: Apache-2.0
/* Views, a reader and a writer over bytes. Reader and writer are sticky: once one fails it stays failed and every
 * later call does nothing, so that a codec writes all and checks once at the end. */
#ifndef CPS_BASE_BYTES_H
#define CPS_BASE_BYTES_H

#include <coapsule/error.h>
#include <coapsule/types.h>

#include <string.h>

/** The view of a string literal or array, without its last byte. */
#define CPS_BYTES_LIT(s) ((cps_bytes_t){(const uint8_t *)(s), sizeof(s) - 1U})

/** A view of `len` bytes at `ptr`. */
static inline cps_bytes_t cps_bytes(const void *ptr, size_t len) { return (cps_bytes_t){(const uint8_t *)ptr, len}; }

/** A view of a string without its final zero; NULL gives an empty view. */
static inline cps_bytes_t cps_bytes_str(const char *s) { return cps_bytes(s, s != NULL ? strlen(s) : 0); }

/** Equal in length and bytes. Not for secrets: cps_bytes_equal_ct is. */
static inline bool cps_bytes_equal(cps_bytes_t a, cps_bytes_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/** As strcmp: shorter is smaller where one starts with the other. */
int cps_bytes_compare(cps_bytes_t a, cps_bytes_t b);

/** Equal, in time that depends on the lengths alone. For keys, tags and Echo values. */
bool cps_bytes_equal_ct(cps_bytes_t a, cps_bytes_t b);

/** Overwrite with zeros in a way that no compiler removes. For secrets. */
void cps_wipe(void *ptr, size_t len);

/** memcpy that takes NULL for no bytes. */
static inline void cps_copy(void *to, const void *from, size_t len)
{
    if (len != 0)
        memcpy(to, from, len);
}

/** The big-endian number of 16 bits at `p`. */
static inline uint16_t cps_be16(const uint8_t *p) { return (uint16_t)((unsigned)p[0] << 8U | p[1]); }

/** The big-endian number of 32 bits at `p`. */
static inline uint32_t cps_be32(const uint8_t *p) { return (uint32_t)cps_be16(p) << 16U | cps_be16(p + 2); }

/** Put 16 bits at `p`, big-endian. */
static inline void cps_put_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8U);
    p[1] = (uint8_t)v;
}

/** Put 32 bits at `p`, big-endian. */
static inline void cps_put_be32(uint8_t *p, uint32_t v)
{
    cps_put_be16(p, (uint16_t)(v >> 16U));
    cps_put_be16(p + 2, (uint16_t)v);
}

/** Put 64 bits at `p`, big-endian. */
static inline void cps_put_be64(uint8_t *p, uint64_t v)
{
    cps_put_be32(p, (uint32_t)(v >> 32U));
    cps_put_be32(p + 4, (uint32_t)v);
}

/** A cursor over a view. */
typedef struct cps_reader {
    const uint8_t *cur;
    const uint8_t *end;
    bool failed; /**< something was read past the end */
} cps_reader_t;

/** A reader at the start of a view. */
static inline cps_reader_t cps_reader(cps_bytes_t b)
{
    return (cps_reader_t){b.ptr, b.len == 0 ? b.ptr : b.ptr + b.len, false};
}

/** How many bytes are left; 0 once it failed. */
static inline size_t cps_reader_left(const cps_reader_t *r) { return r->failed ? 0 : (size_t)(r->end - r->cur); }

/** The next `len` bytes as a view into the source; an empty view and a failed reader where there are fewer. */
static inline cps_bytes_t cps_read_bytes(cps_reader_t *r, size_t len)
{
    if (r->failed || (size_t)(r->end - r->cur) < len) {
        r->failed = true;
        return cps_bytes(NULL, 0);
    }
    cps_bytes_t view = cps_bytes(r->cur, len);
    r->cur += len;
    return view;
}

/** The next byte; 0 and a failed reader at the end. */
static inline uint8_t cps_read_u8(cps_reader_t *r)
{
    cps_bytes_t b = cps_read_bytes(r, 1);
    return b.len == 1 ? b.ptr[0] : 0;
}

/** The next big-endian number of 16 bits; 0 and a failed reader where it is cut short. */
static inline uint16_t cps_read_u16(cps_reader_t *r)
{
    cps_bytes_t b = cps_read_bytes(r, 2);
    return b.len == 2 ? cps_be16(b.ptr) : 0;
}

/** The next big-endian number of 32 bits; 0 and a failed reader where it is cut short. */
static inline uint32_t cps_read_u32(cps_reader_t *r)
{
    cps_bytes_t b = cps_read_bytes(r, 4);
    return b.len == 4 ? cps_be32(b.ptr) : 0;
}

/** A cursor that fills a caller's buffer. */
typedef struct cps_writer {
    uint8_t *start;
    uint8_t *cur;
    uint8_t *end;
    bool failed; /**< something did not fit; what was written before stays */
} cps_writer_t;

/** A writer into `len` bytes of the caller at `buf`. */
static inline cps_writer_t cps_writer(void *buf, size_t len)
{
    uint8_t *p = (uint8_t *)buf;
    return (cps_writer_t){p, p, len == 0 ? p : p + len, false};
}

/** What was written so far. */
static inline cps_bytes_t cps_written(const cps_writer_t *w)
{
    return cps_bytes(w->start, (size_t)(w->cur - w->start));
}

/** How many bytes still fit; 0 once it failed. */
static inline size_t cps_writer_room(const cps_writer_t *w) { return w->failed ? 0 : (size_t)(w->end - w->cur); }

/** Reserve `len` bytes to be filled by the caller; NULL and a failed writer where they do not fit. */
static inline uint8_t *cps_write_skip(cps_writer_t *w, size_t len)
{
    if (w->failed || (size_t)(w->end - w->cur) < len) {
        w->failed = true;
        return NULL;
    }
    uint8_t *place = w->cur;
    w->cur += len;
    return place;
}

/** Write bytes: all of them or, failing, none. */
static inline void cps_write_bytes(cps_writer_t *w, cps_bytes_t b)
{
    uint8_t *place = b.len == 0 ? NULL : cps_write_skip(w, b.len);
    if (place != NULL)
        memcpy(place, b.ptr, b.len);
}

/** Write a byte. */
static inline void cps_write_u8(cps_writer_t *w, uint8_t v)
{
    uint8_t *place = cps_write_skip(w, 1);
    if (place != NULL)
        *place = v;
}

/** Write 16 bits, big-endian. */
static inline void cps_write_u16(cps_writer_t *w, uint16_t v)
{
    uint8_t *place = cps_write_skip(w, 2);
    if (place != NULL)
        cps_put_be16(place, v);
}

/** Write 32 bits, big-endian. */
static inline void cps_write_u32(cps_writer_t *w, uint32_t v)
{
    uint8_t *place = cps_write_skip(w, 4);
    if (place != NULL)
        cps_put_be32(place, v);
}

/** Write a string without its final zero. */
static inline void cps_write_str(cps_writer_t *w, const char *s) { cps_write_bytes(w, cps_bytes_str(s)); }

/** CPS_OK, or CPS_ERR_NO_SPACE where something did not fit. */
static inline cps_err_t cps_writer_err(const cps_writer_t *w) { return w->failed ? CPS_ERR_NO_SPACE : CPS_OK; }

/** Lower-case hex of `b` into `out` (2 * len + 1 bytes with the final zero); false where `out_len` is too small. */
bool cps_hex_encode(cps_bytes_t b, char *out, size_t out_len);

/** Bytes of a hex text of even length; false for anything else or where `out` is too small. */
bool cps_hex_decode(const char *text, size_t text_len, uint8_t *out, size_t out_cap, size_t *out_len);

#endif /* CPS_BASE_BYTES_H */
