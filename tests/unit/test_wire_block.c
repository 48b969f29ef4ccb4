// SPDX-License-Identifier: Apache-2.0
/* The value of Block1 and Block2 (RFC 7959 §2.2). */
#include "harness.h"
#include "wire/block.h"

static void values_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        uint32_t num;
        bool more;
        uint32_t size;
        const char *shortest;
    } rows[] = {
        {"", 0, false, 16, ""},     {"00", 0, false, 16, ""},           {"0e", 0, true, 1024, "0e"},
        {"22", 2, false, 64, "22"}, {"fffe", 4095, true, 1024, "fffe"}, {"fffffe", 1048575, true, 1024, "fffffe"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cps_block_t block;
        uint8_t buf[4];
        assert_ok(cps_block_read(hex(rows[i].bytes), &block));
        assert_int_equal(block.num, rows[i].num);
        assert_int_equal(block.more, rows[i].more);
        assert_int_equal(cps_block_size(block.szx), rows[i].size);
        assert_bytes(hex(rows[i].shortest), cps_block_bytes(&block, buf));
    }
}

/* An empty value is a block of 16 bytes; no option is none. */
static void an_empty_value_is_not_none(void **state)
{
    (void)state;
    cps_block_t block;
    cps_msg_t with = {.code = CPS_GET, .options = hex("d00a")};
    cps_msg_t without = {.code = CPS_GET};
    assert_ok(cps_msg_block(&with, CPS_OPT_BLOCK2, &block));
    assert_int_equal(cps_block_size(block.szx), 16);
    assert_err(CPS_ERR_NOT_FOUND, cps_msg_block(&without, CPS_OPT_BLOCK2, &block));
    assert_err(CPS_ERR_FORMAT, cps_block_read(hex("07"), &block));
    assert_err(CPS_ERR_BAD_OPTION, cps_block_read(hex("00000000"), &block));
}

static void places_do_not_overflow(void **state)
{
    (void)state;
    cps_block_t block = {.num = 1048575, .szx = 6};
    assert_int_equal(cps_block_offset(&block), 1073740800);
    block = (cps_block_t){.num = 3, .szx = 0};
    assert_int_equal(cps_block_offset(&block), 48);
}

static void the_largest_size_that_fits_is_found(void **state)
{
    (void)state;
    uint8_t szx = 9;
    assert_false(cps_block_szx_for(15, &szx));
    static const size_t sizes[] = {16, 31, 32, 1023, 1024, 60000};
    static const uint8_t found[] = {0, 0, 1, 5, 6, 6};
    for (size_t i = 0; i < sizeof found; i++) {
        assert_true(cps_block_szx_for(sizes[i], &szx));
        assert_int_equal(szx, found[i]);
    }
}

static const cps_case_t cases[] = {
    {"BLK-2", "values are read, and written in their fewest bytes", values_are_read_and_written},
    {"", "an empty value is not none", an_empty_value_is_not_none},
    {"BLK-3", "places do not overflow", places_do_not_overflow},
    {"", "the largest size that fits is found", the_largest_size_that_fits_is_found},
};

CPS_RUN("wire: Block1 and Block2", cases)
