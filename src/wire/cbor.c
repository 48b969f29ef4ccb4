// SPDX-License-Identifier: Apache-2.0
#include "wire/cbor.h"

#include "base/utf8.h"

/* Additional information of a head (RFC 8949 §3): up to 23 is the value itself, then 1, 2, 4 or 8 bytes follow. */
#define INFO_DIRECT_MAX 23U
#define INFO_ONE_BYTE   24U
#define INFO_EIGHT      27U

#define SIMPLE_FALSE 20U
#define SIMPLE_TRUE  21U
#define SIMPLE_NULL  22U

#define NESTING_MAX 16U

static void put_head(cps_writer_t *w, cps_cbor_type_t type, uint64_t value)
{
    uint8_t head[9];
    unsigned info = INFO_ONE_BYTE;
    size_t more = 1; /* the shortest of 1, 2, 4 and 8 bytes that holds the value (RFC 8949 §4.2.1) */
    if (value <= INFO_DIRECT_MAX) {
        cps_write_u8(w, (uint8_t)((unsigned)type << 5U | (unsigned)value));
        return;
    }
    while (more < 8 && value >> (8 * more) != 0) {
        more *= 2;
        info++;
    }
    head[0] = (uint8_t)((unsigned)type << 5U | info);
    for (size_t i = 0; i < more; i++)
        head[1 + i] = (uint8_t)(value >> (8 * (more - 1 - i)));
    cps_write_bytes(w, cps_bytes(head, 1 + more));
}

void cps_cbor_put_uint(cps_writer_t *w, uint64_t v) { put_head(w, CPS_CBOR_UINT, v); }

void cps_cbor_put_int(cps_writer_t *w, int64_t v)
{
    if (v >= 0)
        put_head(w, CPS_CBOR_UINT, (uint64_t)v);
    else
        put_head(w, CPS_CBOR_NINT, ~(uint64_t)v); /* -1 - v */
}

void cps_cbor_put_bstr_head(cps_writer_t *w, size_t len) { put_head(w, CPS_CBOR_BSTR, len); }

void cps_cbor_put_bstr(cps_writer_t *w, cps_bytes_t b)
{
    put_head(w, CPS_CBOR_BSTR, b.len);
    cps_write_bytes(w, b);
}

void cps_cbor_put_tstr(cps_writer_t *w, const char *s)
{
    cps_bytes_t text = cps_bytes_str(s);
    put_head(w, CPS_CBOR_TSTR, text.len);
    cps_write_bytes(w, text);
}

void cps_cbor_put_array(cps_writer_t *w, size_t count) { put_head(w, CPS_CBOR_ARRAY, count); }

void cps_cbor_put_map(cps_writer_t *w, size_t count) { put_head(w, CPS_CBOR_MAP, count); }

void cps_cbor_put_tag(cps_writer_t *w, uint64_t tag) { put_head(w, CPS_CBOR_TAG, tag); }

void cps_cbor_put_bool(cps_writer_t *w, bool v) { put_head(w, CPS_CBOR_SIMPLE, v ? SIMPLE_TRUE : SIMPLE_FALSE); }

void cps_cbor_put_null(cps_writer_t *w) { put_head(w, CPS_CBOR_SIMPLE, SIMPLE_NULL); }

static cps_err_t fail(cps_reader_t *r)
{
    r->failed = true;
    return CPS_ERR_CBOR;
}

/* The number of a head; false where it is truncated, reserved, indefinite or not the shortest. */
static bool read_value(cps_reader_t *r, unsigned info, uint64_t *value)
{
    if (info <= INFO_DIRECT_MAX) {
        *value = info;
        return true;
    }
    if (info > INFO_EIGHT)
        return false;
    size_t more = (size_t)1 << (info - INFO_ONE_BYTE);
    cps_bytes_t b = cps_read_bytes(r, more);
    uint64_t v = 0;
    for (size_t i = 0; i < b.len; i++)
        v = v << 8U | b.ptr[i];
    *value = v;
    return !r->failed && (more == 1 ? v > INFO_DIRECT_MAX : v >> (4 * more) != 0);
}

cps_err_t cps_cbor_next(cps_reader_t *r, cps_cbor_item_t *out)
{
    uint8_t first = cps_read_u8(r);
    *out = (cps_cbor_item_t){.type = first >> 5U};
    if (r->failed)
        return CPS_ERR_CBOR;
    if (out->type == CPS_CBOR_SIMPLE) { /* floats and other simple values are not of this subset */
        out->value = first & 31U;
        return out->value >= SIMPLE_FALSE && out->value <= SIMPLE_NULL ? CPS_OK : fail(r);
    }
    if (!read_value(r, first & 31U, &out->value))
        return fail(r);
    if (out->type != CPS_CBOR_BSTR && out->type != CPS_CBOR_TSTR)
        return CPS_OK;
    if (out->value > cps_reader_left(r))
        return fail(r);
    out->bytes = cps_read_bytes(r, (size_t)out->value);
    return out->type == CPS_CBOR_BSTR || cps_utf8_valid(out->bytes) ? CPS_OK : fail(r);
}

cps_err_t cps_cbor_expect(cps_reader_t *r, cps_cbor_type_t type, cps_cbor_item_t *out)
{
    cps_err_t err = cps_cbor_next(r, out);
    if (err == CPS_OK && out->type != type)
        err = fail(r);
    return err;
}

/* An array, map or tag whose entries are being skipped. */
typedef struct level {
    uint64_t left; /* items to come: two an entry of a map */
    bool is_map;
    const uint8_t *key; /* where the key before starts, NULL at first, and where it ends */
    const uint8_t *key_end;
    const uint8_t *item; /* where the item being skipped starts */
} level_t;

/* Open a level for what the item holds; false where it is nested too deep or cannot fit what is left. */
static bool descend(level_t *levels, unsigned *depth, const cps_cbor_item_t *item, size_t left)
{
    uint64_t entries = item->type == CPS_CBOR_TAG ? 1 : item->value;
    uint64_t width = item->type == CPS_CBOR_MAP ? 2 : 1;
    if (*depth == NESTING_MAX || entries > left / width) /* an item takes a byte at least */
        return false;
    levels[(*depth)++] = (level_t){.left = entries * width, .is_map = item->type == CPS_CBOR_MAP};
    return true;
}

/* Count an item of a level that ends at `end`; false where it is a map key that does not rise (RFC 8949 §4.2.1). */
static bool ascend(level_t *level, const uint8_t *end)
{
    bool is_key = level->is_map && level->left % 2 == 0;
    level->left--;
    if (!is_key)
        return true;
    cps_bytes_t before = cps_bytes(level->key, (size_t)(level->key_end - level->key));
    cps_bytes_t key = cps_bytes(level->item, (size_t)(end - level->item));
    if (level->key != NULL && cps_bytes_compare(before, key) >= 0)
        return false;
    level->key = level->item;
    level->key_end = end;
    return true;
}

cps_err_t cps_cbor_skip(cps_reader_t *r)
{
    level_t levels[NESTING_MAX];
    unsigned depth = 0;
    cps_cbor_item_t item;
    do {
        if (depth > 0)
            levels[depth - 1].item = r->cur;
        if (cps_cbor_next(r, &item) != CPS_OK)
            return CPS_ERR_CBOR;
        bool holds = item.type == CPS_CBOR_ARRAY || item.type == CPS_CBOR_MAP || item.type == CPS_CBOR_TAG;
        if (holds && !descend(levels, &depth, &item, cps_reader_left(r)))
            return fail(r);
        if (!holds && depth > 0 && !ascend(&levels[depth - 1], r->cur))
            return fail(r);
        while (depth > 0 && levels[depth - 1].left == 0) { /* a level ends: it was one item of the level above */
            depth--;
            if (depth > 0 && !ascend(&levels[depth - 1], r->cur))
                return fail(r);
        }
    } while (depth > 0);
    return CPS_OK;
}

bool cps_cbor_int(const cps_cbor_item_t *item, int64_t *out)
{
    if ((item->type != CPS_CBOR_UINT && item->type != CPS_CBOR_NINT) || item->value > INT64_MAX)
        return false;
    int64_t v = (int64_t)item->value;
    *out = item->type == CPS_CBOR_UINT ? v : -1 - v;
    return true;
}
