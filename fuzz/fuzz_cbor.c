// SPDX-License-Identifier: Apache-2.0
/* CBOR items: each is written back the same, since the subset has one encoding of everything.
 *
 * covers: src/wire/cbor.c */
#include "fuzz.h"

#include "wire/cbor.h"

static uint8_t scratch[1U << 20U];
static char text[1U << 20U];

/* Write the head of an item with its bytes; false where the writer has no call for it. */
static bool put_item(cps_writer_t *w, const cps_cbor_item_t *item)
{
    int64_t number;
    switch ((cps_cbor_type_t)item->type) {
    case CPS_CBOR_UINT:
        cps_cbor_put_uint(w, item->value);
        return true;
    case CPS_CBOR_NINT:
        if (!cps_cbor_int(item, &number))
            return false;
        cps_cbor_put_int(w, number);
        return true;
    case CPS_CBOR_BSTR:
        cps_cbor_put_bstr(w, item->bytes);
        return true;
    case CPS_CBOR_TSTR:
        if (item->bytes.len >= sizeof text ||
            (item->bytes.len > 0 && memchr(item->bytes.ptr, 0, item->bytes.len) != NULL))
            return false;
        cps_copy(text, item->bytes.ptr, item->bytes.len);
        text[item->bytes.len] = '\0';
        cps_cbor_put_tstr(w, text);
        return true;
    case CPS_CBOR_ARRAY:
        cps_cbor_put_array(w, (size_t)item->value);
        return true;
    case CPS_CBOR_MAP:
        cps_cbor_put_map(w, (size_t)item->value);
        return true;
    case CPS_CBOR_TAG:
        cps_cbor_put_tag(w, item->value);
        return true;
    default:
        if (item->value == 22)
            cps_cbor_put_null(w);
        else
            cps_cbor_put_bool(w, item->value == 21);
        return true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cps_reader_t heads = cps_reader(cps_bytes(data, size));
    cps_reader_t whole = heads;
    cps_cbor_item_t item;
    while (cps_reader_left(&heads) > 0) {
        const uint8_t *start = heads.cur;
        if (cps_cbor_next(&heads, &item) != CPS_OK)
            break;
        cps_writer_t w = cps_writer(scratch, sizeof scratch);
        if (put_item(&w, &item))
            demand(cps_bytes_equal(cps_written(&w), cps_bytes(start, (size_t)(heads.cur - start))));
    }
    while (cps_reader_left(&whole) > 0 && cps_cbor_skip(&whole) == CPS_OK) {
    }
    demand(whole.cur <= heads.cur || heads.failed); /* no item goes further than its heads do */
    return 0;
}
