// SPDX-License-Identifier: Apache-2.0
#include "gen.h"

#include "wire/cbor.h"
#include "wire/oscopt.h"

enum { CASES = 4000, ENCODED_MAX = 8192, VALUE_MAX = 40 };

/* Write one random item with what is in it. Map keys are 0, 1, 2 and so on. */
static void any_item(gen_t *g, cps_writer_t *w, unsigned depth)
{
    static uint8_t buf[300];
    uint64_t number;
    cps_rng_fill(&g->rng, &number, sizeof number);
    number >>= gen_below(g, 64);
    uint32_t entries = gen_below(g, 4);
    switch (gen_below(g, depth == 0 ? 5 : 8)) {
    case 0:
        cps_cbor_put_uint(w, number);
        return;
    case 1:
        cps_cbor_put_int(w, -(int64_t)(number >> 1U));
        return;
    case 2:
        cps_cbor_put_bstr(w, gen_bytes(g, buf, gen_len(g, sizeof buf)));
        return;
    case 3:
        gen_text(g, "ab \"", buf, 12);
        buf[gen_below(g, 12)] = '\0';
        cps_cbor_put_tstr(w, (const char *)buf);
        return;
    case 4:
        if (entries == 0)
            cps_cbor_put_null(w);
        else
            cps_cbor_put_bool(w, entries == 1);
        return;
    case 5:
        cps_cbor_put_array(w, entries);
        for (uint32_t i = 0; i < entries; i++)
            any_item(g, w, depth - 1);
        return;
    case 6:
        cps_cbor_put_map(w, entries);
        for (uint32_t i = 0; i < entries; i++) {
            cps_cbor_put_uint(w, i);
            any_item(g, w, depth - 1);
        }
        return;
    default:
        cps_cbor_put_tag(w, number);
        any_item(g, w, depth - 1);
        return;
    }
}

/* Write the head of an item that was read, with its bytes. */
static void put_item(cps_writer_t *w, const cps_cbor_item_t *item)
{
    char text[VALUE_MAX * 8];
    switch ((cps_cbor_type_t)item->type) {
    case CPS_CBOR_UINT:
        cps_cbor_put_uint(w, item->value);
        return;
    case CPS_CBOR_NINT:
        if (item->value <= INT64_MAX)
            cps_cbor_put_int(w, -1 - (int64_t)item->value);
        return;
    case CPS_CBOR_BSTR:
        cps_cbor_put_bstr_head(w, item->bytes.len);
        cps_write_bytes(w, item->bytes);
        return;
    case CPS_CBOR_TSTR:
        cps_copy(text, item->bytes.ptr, item->bytes.len);
        text[item->bytes.len] = '\0';
        cps_cbor_put_tstr(w, text);
        return;
    case CPS_CBOR_ARRAY:
        cps_cbor_put_array(w, (size_t)item->value);
        return;
    case CPS_CBOR_MAP:
        cps_cbor_put_map(w, (size_t)item->value);
        return;
    case CPS_CBOR_TAG:
        cps_cbor_put_tag(w, item->value);
        return;
    default:
        if (item->value == 22)
            cps_cbor_put_null(w);
        else
            cps_cbor_put_bool(w, item->value == 21);
        return;
    }
}

/* There is one encoding of everything in the subset: what is read head by head is written back the same. */
static void assert_written_back(cps_bytes_t encoded)
{
    static uint8_t again[ENCODED_MAX];
    cps_reader_t r = cps_reader(encoded);
    while (cps_reader_left(&r) > 0) {
        const uint8_t *start = r.cur;
        cps_cbor_item_t item;
        cps_writer_t w = cps_writer(again, sizeof again);
        if (cps_cbor_next(&r, &item) != CPS_OK)
            return;
        bool is_plain = item.type != CPS_CBOR_TSTR ||
                        (item.bytes.len < VALUE_MAX && memchr(item.bytes.ptr, 0, item.bytes.len) == NULL);
        if ((item.type == CPS_CBOR_NINT && item.value > INT64_MAX) || !is_plain)
            continue;
        put_item(&w, &item);
        assert_bytes(cps_bytes(start, (size_t)(r.cur - start)), cps_written(&w));
    }
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    static uint8_t encoded[ENCODED_MAX];
    gen_t g;
    gen_init(&g, "CBOR items", CASES);
    for (unsigned i = 0; i < CASES; i++) {
        cps_writer_t w = cps_writer(encoded, sizeof encoded);
        any_item(&g, &w, 4);
        assert_ok(cps_writer_err(&w));
        cps_reader_t r = cps_reader(cps_written(&w));
        assert_ok(cps_cbor_skip(&r));
        assert_int_equal(cps_reader_left(&r), 0);
        assert_written_back(cps_written(&w));
    }
}

static void damaged_items_are_refused_or_written_the_same(void **state)
{
    (void)state;
    static uint8_t encoded[ENCODED_MAX];
    unsigned refused = 0;
    gen_t g;
    gen_init(&g, "damaged CBOR", CASES);
    for (unsigned i = 0; i < CASES; i++) {
        cps_writer_t w = cps_writer(encoded, sizeof encoded);
        any_item(&g, &w, 4);
        size_t len = gen_mutate(&g, encoded, cps_written(&w).len, sizeof encoded);
        if (gen_one_in(&g, 4))
            len = gen_bytes(&g, encoded, gen_below(&g, 12)).len;
        uint8_t *tight = gen_tight(cps_bytes(encoded, len));
        cps_reader_t r = cps_reader(cps_bytes(tight, len));
        refused += cps_cbor_skip(&r) != CPS_OK;
        assert_true(r.cur >= tight && r.cur <= tight + len);
        assert_written_back(cps_bytes(tight, len));
        free(tight);
    }
    assert_in_range(refused, CASES / 20, CASES * 9 / 10);
}

static void oscore_options_are_read_as_written(void **state)
{
    (void)state;
    gen_t g;
    gen_init(&g, "OSCORE options", CASES);
    for (unsigned i = 0; i < CASES; i++) {
        uint8_t values[3][VALUE_MAX];
        uint8_t buf[256];
        cps_oscopt_t opt = {0};
        cps_oscopt_t back;
        opt.partial_iv = gen_bytes(&g, values[0], gen_below(&g, CPS_PARTIAL_IV_MAX + 1));
        opt.has_kid_context = gen_one_in(&g, 2);
        opt.has_kid = gen_one_in(&g, 2);
        if (opt.has_kid_context)
            opt.kid_context = gen_bytes(&g, values[1], gen_len(&g, VALUE_MAX));
        if (opt.has_kid)
            opt.kid = gen_bytes(&g, values[2], gen_len(&g, VALUE_MAX));
        cps_writer_t w = cps_writer(buf, sizeof buf);
        cps_oscopt_encode(&w, &opt);
        assert_ok(cps_writer_err(&w));
        assert_ok(cps_oscopt_decode(cps_written(&w), &back));
        assert_bytes(opt.partial_iv, back.partial_iv);
        assert_bytes(opt.kid_context, back.kid_context);
        assert_bytes(opt.kid, back.kid);
        assert_int_equal(opt.has_kid << 1 | opt.has_kid_context, back.has_kid << 1 | back.has_kid_context);
    }
}

static void oscore_values_are_refused_or_written_the_same(void **state)
{
    (void)state;
    unsigned accepted = 0;
    gen_t g;
    gen_init(&g, "OSCORE values", CASES);
    for (unsigned i = 0; i < CASES; i++) {
        uint8_t buf[VALUE_MAX];
        uint8_t again[VALUE_MAX];
        size_t len = gen_bytes(&g, buf, gen_len(&g, sizeof buf)).len;
        if (len > 1 && gen_one_in(&g, 2)) {
            buf[0] &= 0x1f;
            buf[1] &= 0x0f;
        }
        uint8_t *tight = gen_tight(cps_bytes(buf, len));
        cps_oscopt_t opt;
        if (cps_oscopt_decode(cps_bytes(tight, len), &opt) == CPS_OK) {
            cps_writer_t w = cps_writer(again, sizeof again);
            cps_oscopt_encode(&w, &opt);
            assert_bytes(cps_bytes(buf, len), cps_written(&w));
            accepted++;
        }
        free(tight);
    }
    assert_in_range(accepted, CASES / 20, CASES * 9 / 10);
}

static void partial_ivs_keep_their_number(void **state)
{
    (void)state;
    gen_t g;
    gen_init(&g, "Partial IVs", CASES);
    for (unsigned i = 0; i < CASES; i++) {
        uint64_t number;
        uint64_t back;
        uint8_t buf[CPS_PARTIAL_IV_MAX];
        cps_rng_fill(&g.rng, &number, sizeof number);
        number >>= 24 + gen_below(&g, 40);
        assert_ok(cps_partial_iv_decode(cps_partial_iv_encode(number, buf), &back));
        assert_true(number == back);
    }
}

static const cps_case_t cases[] = {
    {"", "CBOR that is written is read the same", what_is_written_is_read},
    {"", "damaged CBOR is refused, or its items are written back the same",
     damaged_items_are_refused_or_written_the_same},
    {"", "OSCORE options are read as they are written", oscore_options_are_read_as_written},
    {"", "values of the OSCORE option are refused or written back the same",
     oscore_values_are_refused_or_written_the_same},
    {"", "Partial IVs keep their number", partial_ivs_keep_their_number},
};

CPS_RUN("wire_cbor_props", cases)
