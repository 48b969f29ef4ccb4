// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include "wire/cose.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

typedef struct number {
    uint8_t type;
    uint64_t value; /* of an NINT: -1 - value */
    const char *encoded;
} number_t;

/* The integers of RFC 8949 appendix A, the ends of each head beside them. */
static const number_t numbers[] = {
    {CPS_CBOR_UINT, 0, "00"},
    {CPS_CBOR_UINT, 1, "01"},
    {CPS_CBOR_UINT, 10, "0a"},
    {CPS_CBOR_UINT, 23, "17"},
    {CPS_CBOR_UINT, 24, "1818"},
    {CPS_CBOR_UINT, 25, "1819"},
    {CPS_CBOR_UINT, 100, "1864"},
    {CPS_CBOR_UINT, 255, "18ff"},
    {CPS_CBOR_UINT, 256, "190100"},
    {CPS_CBOR_UINT, 1000, "1903e8"},
    {CPS_CBOR_UINT, 65535, "19ffff"},
    {CPS_CBOR_UINT, 65536, "1a00010000"},
    {CPS_CBOR_UINT, 1000000, "1a000f4240"},
    {CPS_CBOR_UINT, UINT32_MAX, "1affffffff"},
    {CPS_CBOR_UINT, 1ULL + UINT32_MAX, "1b0000000100000000"},
    {CPS_CBOR_UINT, 1000000000000, "1b000000e8d4a51000"},
    {CPS_CBOR_UINT, UINT64_MAX, "1bffffffffffffffff"},
    {CPS_CBOR_NINT, UINT64_MAX, "3bffffffffffffffff"},
    {CPS_CBOR_NINT, 0, "20"},
    {CPS_CBOR_NINT, 9, "29"},
    {CPS_CBOR_NINT, 99, "3863"},
    {CPS_CBOR_NINT, 999, "3903e7"},
};

static void integers_of_appendix_a(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        const number_t *n = &numbers[i];
        cps_reader_t r = cps_reader(hex(n->encoded));
        cps_cbor_item_t item;
        assert_ok(cps_cbor_next(&r, &item));
        assert_int_equal(item.type, n->type);
        assert_true(item.value == n->value);
        assert_int_equal(cps_reader_left(&r), 0);
        uint8_t buf[16];
        cps_writer_t w = cps_writer(buf, sizeof buf);
        int64_t as_int = 0;
        bool fits = cps_cbor_int(&item, &as_int);
        assert_int_equal(fits, n->value <= INT64_MAX);
        if (n->type == CPS_CBOR_UINT)
            cps_cbor_put_uint(&w, n->value);
        else if (fits)
            cps_cbor_put_int(&w, as_int);
        if (n->type == CPS_CBOR_UINT || fits)
            assert_bytes(hex(n->encoded), cps_written(&w));
    }
    uint8_t buf[32];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_cbor_put_int(&w, INT64_MIN);
    cps_cbor_put_int(&w, INT64_MAX);
    assert_bytes(hex("3b7fffffffffffffff 1b7fffffffffffffff"), cps_written(&w));
}

static void strings_of_appendix_a(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "a", "IETF", "\"\\", "\xc3\xbc", "\xe6\xb0\xb4", "\xf0\x90\x85\x91"};
    static const char *const encoded[] = {"60", "6161", "6449455446", "62225c", "62c3bc", "63e6b0b4", "64f0908591"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        uint8_t buf[16];
        cps_writer_t w = cps_writer(buf, sizeof buf);
        cps_cbor_put_tstr(&w, texts[i]);
        assert_bytes(hex(encoded[i]), cps_written(&w));
        cps_reader_t r = cps_reader(cps_written(&w));
        cps_cbor_item_t item;
        assert_ok(cps_cbor_expect(&r, CPS_CBOR_TSTR, &item));
        assert_bytes(cps_bytes_str(texts[i]), item.bytes);
    }
    uint8_t buf[16];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_cbor_put_bstr(&w, cps_bytes(NULL, 0));
    cps_cbor_put_bstr(&w, hex("01020304"));
    assert_bytes(hex("40 4401020304"), cps_written(&w));
    cps_reader_t r = cps_reader(cps_written(&w));
    cps_cbor_item_t item;
    assert_ok(cps_cbor_expect(&r, CPS_CBOR_BSTR, &item));
    assert_int_equal(item.bytes.len, 0);
    assert_ok(cps_cbor_expect(&r, CPS_CBOR_BSTR, &item));
    assert_bytes(hex("01020304"), item.bytes);
}

static void simple_values_and_tags_of_appendix_a(void **state)
{
    (void)state;
    uint8_t buf[64];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_cbor_put_bool(&w, false);
    cps_cbor_put_bool(&w, true);
    cps_cbor_put_null(&w);
    cps_cbor_put_tag(&w, 1);
    cps_cbor_put_uint(&w, 1363896240);
    cps_cbor_put_tag(&w, 23);
    cps_cbor_put_bstr(&w, hex("01020304"));
    cps_cbor_put_tag(&w, 32);
    cps_cbor_put_tstr(&w, "http://www.example.com");
    assert_bytes(hex("f4 f5 f6 c11a514b67b0 d74401020304 d82076687474703a2f2f7777772e6578616d706c652e636f6d"),
                 cps_written(&w));
    cps_reader_t r = cps_reader(cps_written(&w));
    cps_cbor_item_t item;
    static const uint64_t simple[] = {20, 21, 22};
    for (size_t i = 0; i < COUNT(simple); i++) {
        assert_ok(cps_cbor_expect(&r, CPS_CBOR_SIMPLE, &item));
        assert_true(item.value == simple[i]);
    }
    assert_ok(cps_cbor_expect(&r, CPS_CBOR_TAG, &item));
    assert_true(item.value == 1);
    for (int i = 0; i < 3; i++)
        assert_ok(cps_cbor_skip(&r)); /* what is tagged, and two tags with it */
    assert_int_equal(cps_reader_left(&r), 0);
}

/* The arrays and maps of RFC 8949 appendix A. */
static void containers_of_appendix_a(void **state)
{
    (void)state;
    static const char *const encoded[] = {
        "80",
        "83010203",
        "8301820203820405",
        "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
        "a0",
        "a201020304",
        "a26161016162820203",
        "826161a161626163",
        "a56161614161626142616361436164614461656145",
    };
    for (size_t i = 0; i < COUNT(encoded); i++) {
        cps_reader_t r = cps_reader(hex(encoded[i]));
        assert_ok(cps_cbor_skip(&r));
        assert_int_equal(cps_reader_left(&r), 0);
    }
    uint8_t buf[32];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_cbor_put_map(&w, 2);
    cps_cbor_put_tstr(&w, "a");
    cps_cbor_put_uint(&w, 1);
    cps_cbor_put_tstr(&w, "b");
    cps_cbor_put_array(&w, 2);
    cps_cbor_put_uint(&w, 2);
    cps_cbor_put_uint(&w, 3);
    assert_bytes(hex("a26161016162820203"), cps_written(&w));
}

static void assert_bad(const char *encoded)
{
    cps_reader_t r = cps_reader(hex(encoded));
    assert_err(CPS_ERR_CBOR, cps_cbor_skip(&r));
    assert_true(r.failed);
}

static void other_cbor_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "18",
        "19ff",
        "1affffff",
        "1b00000000000000",
        "41",
        "440102",
        "6261", /* truncated */
        "1817",
        "1900ff",
        "1a0000ffff",
        "1b00000000ffffffff",
        "3800",
        "5803010203",
        "780161",
        "d81700",
        "9800",
        "b800", /* not the shortest */
        "1c",
        "1d",
        "1e",
        "1f",
        "3f",
        "5f",
        "7f",
        "9f",
        "bf",
        "df",
        "ff",
        "5f4101ff", /* reserved, indefinite */
        "f90000",
        "fa47c35000",
        "fb3ff199999999999a",
        "f7",
        "f0",
        "f8ff",
        "f818",
        "e0",
        "f3", /* no part of it */
        "62c328",
        "61ff",
        "5bffffffffffffffff",
        "7affffffff61", /* strings */
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        cps_cbor_item_t item;
        cps_reader_t r = cps_reader(hex(bad[i]));
        assert_err(CPS_ERR_CBOR, cps_cbor_next(&r, &item));
        assert_true(r.failed);
        assert_err(CPS_ERR_CBOR, cps_cbor_next(&r, &item));
        assert_bad(bad[i]);
    }
}

static void maps_rise_and_nesting_ends(void **state)
{
    (void)state;
    assert_bad("a202010102");             /* falls */
    assert_bad("a201020103");             /* a second copy */
    assert_bad("a2616201616101");         /* "b", "a" */
    assert_bad("a2 820102 00 820102 00"); /* the same array twice */
    assert_bad("a1 81a201000100 00");     /* in the key of a map */
    assert_bad("a1");
    assert_bad("a101");
    assert_bad("8201");
    assert_bad("9bffffffffffffffff00");
    assert_bad("bbffffffffffffffff00");
    assert_bad("bb8000000000000001 00");
    assert_bad("c1");
    cps_reader_t deep = cps_reader(hex("81818181818181818181818181818181 00")); /* 16 levels */
    assert_ok(cps_cbor_skip(&deep));
    assert_bad("8181818181818181818181818181818181 00");
    assert_bad("c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1 00");
    cps_reader_t two = cps_reader(hex("a20a00186400 82a08105 01")); /* 10 before 100: by bytes; then two more items */
    for (int i = 0; i < 3; i++)
        assert_ok(cps_cbor_skip(&two));
    assert_int_equal(cps_reader_left(&two), 0);
}

static void another_type_is_refused(void **state)
{
    (void)state;
    cps_reader_t r = cps_reader(hex("01"));
    cps_cbor_item_t item;
    assert_err(CPS_ERR_CBOR, cps_cbor_expect(&r, CPS_CBOR_BSTR, &item));
    assert_true(r.failed);
    int64_t v;
    item = (cps_cbor_item_t){.type = CPS_CBOR_BSTR};
    assert_false(cps_cbor_int(&item, &v));
}

/* RFC 8613 §5.4: external_aad and AAD of a request with algorithm 10, kid 00, Partial IV 25. */
static void enc_structure_of_rfc_8613(void **state)
{
    (void)state;
    uint8_t buf[64];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_cose_put_enc_structure(&w, hex("8501810a4100411940"));
    assert_bytes(hex("8368456e63727970743040498501810a4100411940"), cps_written(&w));
}

static const cps_case_t cases[] = {
    {"", "integers of RFC 8949 appendix A", integers_of_appendix_a},
    {"", "strings of RFC 8949 appendix A", strings_of_appendix_a},
    {"", "simple values and tags of RFC 8949 appendix A", simple_values_and_tags_of_appendix_a},
    {"", "arrays and maps of RFC 8949 appendix A", containers_of_appendix_a},
    {"", "CBOR outside of the subset is refused", other_cbor_is_refused},
    {"", "map keys rise, and nesting ends at 16", maps_rise_and_nesting_ends},
    {"", "an item of another type is refused", another_type_is_refused},
    {"", "Enc_structure of RFC 8613 section 5.4", enc_structure_of_rfc_8613},
};

CPS_RUN("wire_cbor", cases)
