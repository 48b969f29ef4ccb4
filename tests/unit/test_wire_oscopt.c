// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include <stdio.h>

#include "wire/oscopt.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* RFC 8613 §6.3; NULL is absent. */
static const struct {
    const char *value, *partial_iv, *kid, *kid_context;
} examples[] = {
    {"090525", "05", "25", NULL}, {"0900", "00", "", NULL},   {"19050544616c656b", "05", "", "44616c656b"},
    {"", NULL, NULL, NULL},       {"0107", "07", NULL, NULL},
};

static cps_bytes_t encode(const cps_oscopt_t *opt)
{
    static uint8_t buf[300];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_oscopt_encode(&w, opt);
    assert_ok(cps_writer_err(&w));
    return cps_written(&w);
}

static void examples_of_section_6_3(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(examples); i++) {
        cps_oscopt_t opt;
        assert_ok(cps_oscopt_decode(hex(examples[i].value), &opt));
        assert_bytes(examples[i].partial_iv == NULL ? cps_bytes(NULL, 0) : hex(examples[i].partial_iv), opt.partial_iv);
        assert_int_equal(opt.has_kid, examples[i].kid != NULL);
        assert_int_equal(opt.has_kid_context, examples[i].kid_context != NULL);
        if (opt.has_kid)
            assert_bytes(hex(examples[i].kid), opt.kid);
        if (opt.has_kid_context)
            assert_bytes(hex(examples[i].kid_context), opt.kid_context);
        assert_bytes(hex(examples[i].value), encode(&opt));
    }
}

static void assert_undecodable(const char *value)
{
    cps_oscopt_t opt;
    assert_err(CPS_ERR_OSCORE_DECODE, cps_oscopt_decode(hex(value), &opt));
    assert_false(opt.has_kid || opt.has_kid_context || opt.partial_iv.len != 0);
}

static void malformed_values_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "e0",
        "20",
        "40",
        "80",
        "0e00",
        "0f00",
        "09",
        "1914",
        "191409aabb", /* of the vectors */
        "0605",
        "0501020304",
        "0105ff",
        "10",
        "1001",
        "110501",
        "1002aa",
        "1000aa",
        "1001aabb",
        "06000000000000",
        "0700000000000000",
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_undecodable(bad[i]);
    assert_int_equal(cps_err_reaction(CPS_ERR_OSCORE_DECODE), CPS_REACT_CODE);
    assert_int_equal(cps_err_code(CPS_ERR_OSCORE_DECODE), CPS_BAD_OPTION);
}

static void group_and_extension_flags_are_refused(void **state)
{
    (void)state;
    for (unsigned flags = 0x20; flags <= 0xff; flags++) {
        char value[32];
        snprintf(value, sizeof value, "%02x0102030405060708090a", flags);
        assert_undecodable(value);
    }
    assert_undecodable("20");
    assert_undecodable("80");
    assert_int_equal(cps_err_code(CPS_ERR_OSCORE_DECODE), CPS_BAD_OPTION);
}

static void no_flag_is_no_byte(void **state)
{
    (void)state;
    for (unsigned mask = 0; mask < 64; mask++) {
        size_t partial_iv_len = mask % 8 > 5 ? 0 : mask % 8;
        cps_oscopt_t opt = {.partial_iv = cps_bytes("\1\2\3\4\5", partial_iv_len)};
        opt.has_kid = (mask & 8U) != 0;
        opt.has_kid_context = (mask & 16U) != 0;
        opt.kid = cps_bytes("\0\0", mask < 32 ? 0 : 2);
        opt.kid_context = opt.kid;
        cps_bytes_t value = encode(&opt);
        assert_false(value.len == 1 && value.ptr[0] == 0);
        assert_int_equal(value.len == 0, partial_iv_len == 0 && !opt.has_kid && !opt.has_kid_context);
    }
    for (int i = 0; i < 3; i++)
        assert_undecodable("00");
    assert_undecodable("0001");
}

static void lengths_are_limited(void **state)
{
    (void)state;
    static const uint8_t zeros[300];
    static const struct {
        size_t partial_iv, kid_context, kid;
        bool fits;
    } rows[] = {{5, 0, 0, true},   {6, 0, 0, false},   {0, 253, 0, true}, {0, 254, 0, false}, {0, 256, 0, false},
                {5, 248, 0, true}, {5, 248, 1, false}, {0, 0, 253, true}, {1, 0, 253, false}, {0, 0, 254, false}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t buf[600];
        cps_writer_t w = cps_writer(buf, sizeof buf);
        cps_oscopt_t opt = {.partial_iv = cps_bytes(zeros, rows[i].partial_iv),
                            .kid_context = cps_bytes(zeros, rows[i].kid_context),
                            .kid = cps_bytes(zeros, rows[i].kid),
                            .has_kid = true,
                            .has_kid_context = true};
        cps_oscopt_encode(&w, &opt);
        assert_int_equal(w.failed, !rows[i].fits);
        assert_int_equal(cps_written(&w).len == 0, !rows[i].fits);
        cps_oscopt_t back;
        if (rows[i].fits)
            assert_ok(cps_oscopt_decode(cps_written(&w), &back));
    }
}

static void partial_ivs_take_the_fewest_bytes(void **state)
{
    (void)state;
    static const struct {
        uint64_t number;
        const char *bytes;
    } rows[] = {{0, "00"}, {1, "01"}, {255, "ff"}, {256, "0100"}, {65536, "010000"}, {0xffffffffff, "ffffffffff"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t buf[CPS_PARTIAL_IV_MAX];
        uint64_t number = 7;
        assert_bytes(hex(rows[i].bytes), cps_partial_iv_encode(rows[i].number, buf));
        assert_ok(cps_partial_iv_decode(hex(rows[i].bytes), &number));
        assert_true(number == rows[i].number);
    }
    static const char *const bad[] = {"", "0001", "0000", "010203040506"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint64_t number;
        assert_err(CPS_ERR_OSCORE_DECODE, cps_partial_iv_decode(hex(bad[i]), &number));
    }
}

static const cps_case_t cases[] = {
    {"OSC-45", "the examples of RFC 8613 section 6.3, both ways", examples_of_section_6_3},
    {"OSC-46", "reserved lengths, reserved bits and cut fields are refused with 4.02", malformed_values_are_refused},
    {"OSC-82", "the group flag and the extension flag are refused with 4.02", group_and_extension_flags_are_refused},
    {"OSC-47", "no flag is no byte, and a byte 00 is malformed", no_flag_is_no_byte},
    {"", "lengths are limited to what the option can hold", lengths_are_limited},
    {"OSC-38", "a Partial IV takes the fewest bytes, 0 one", partial_ivs_take_the_fewest_bytes},
};

CPS_RUN("wire_oscopt", cases)
