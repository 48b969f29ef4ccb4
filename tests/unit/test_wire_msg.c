// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include <stdlib.h>

#include "wire/opttab.h"

/* Parse a copy that ends where its memory ends, so that a sanitizer sees every read past the end. */
static cps_err_t parse_tight(cps_bytes_t datagram, cps_msg_t *out)
{
    uint8_t *copy = malloc(datagram.len + (datagram.len == 0));
    assert_non_null(copy);
    cps_copy(copy, datagram.ptr, datagram.len);
    cps_err_t err = cps_msg_parse(cps_bytes(copy, datagram.len), out);
    free(copy);
    return err;
}

/* A format error that is answered with RST under the same MID (RFC 7252 §4.2). */
static void assert_reset(const char *datagram, const char *rst)
{
    cps_msg_t msg;
    uint8_t buf[8];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    assert_err(CPS_ERR_FORMAT, parse_tight(hex(datagram), &msg));
    assert_int_equal(cps_err_reaction(CPS_ERR_FORMAT), CPS_REACT_RESET);
    cps_msg_write_empty(&w, CPS_RST, msg.mid);
    assert_bytes(hex(rst), cps_written(&w));
    assert_int_equal(msg.options.len + msg.payload.len, 0);
}

static void a_message_is_views_of_its_datagram(void **state)
{
    (void)state;
    cps_bytes_t datagram = hex("44 02 7d34 a1a2a3a4 b3 666f6f 06 6261727a7a79 ff 6869");
    cps_msg_t msg;
    assert_ok(cps_msg_parse(datagram, &msg));
    assert_int_equal(msg.type, CPS_CON);
    assert_int_equal(msg.code, CPS_POST);
    assert_int_equal(msg.mid, 0x7d34);
    assert_ptr_equal(msg.token.ptr, datagram.ptr + 4);
    assert_bytes(hex("a1a2a3a4"), msg.token);
    assert_bytes(hex("b3666f6f066261727a7a79"), msg.options);
    assert_bytes(hex("6869"), msg.payload);
    uint8_t buf[64];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_msg_write(&w, &msg);
    assert_bytes(datagram, cps_written(&w));
    assert_int_equal(cps_msg_len(&msg), datagram.len);
}

static void other_versions_and_stubs_are_dropped(void **state)
{
    (void)state;
    static const char *const datagrams[] = {"", "40", "4001", "400100", "00010001", "80010001", "c0010001"};
    for (size_t i = 0; i < sizeof datagrams / sizeof datagrams[0]; i++) {
        cps_msg_t msg;
        assert_err(CPS_ERR_VERSION, parse_tight(hex(datagrams[i]), &msg));
    }
    assert_int_equal(cps_err_reaction(CPS_ERR_VERSION), CPS_REACT_DROP);
}

/* 0 to 12 as they are, 13 and 14 with more bytes before the token, 15 never (RFC 8974 §2.1). */
static void tokens_of_any_length_are_written_and_read(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        const char *head;
    } rows[] = {{0, "40011234"},    {8, "48011234"},     {9, "49011234"},       {12, "4c011234"},
                {13, "4d01123400"}, {268, "4d011234ff"}, {269, "4e0112340000"}, {65804, "4e011234ffff"}};
    uint8_t *token = malloc(CPS_TOKEN_LONGEST + 1);
    uint8_t *buf = malloc(CPS_TOKEN_LONGEST + 16);
    assert_true(token != NULL && buf != NULL);
    for (size_t i = 0; i <= CPS_TOKEN_LONGEST; i++)
        token[i] = (uint8_t)(i * 31 >> 3);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cps_msg_t msg = {.code = CPS_GET, .mid = 0x1234, .token = cps_bytes(token, rows[i].len)};
        cps_writer_t w = cps_writer(buf, CPS_TOKEN_LONGEST + 16);
        cps_bytes_t head = hex(rows[i].head);
        cps_msg_write(&w, &msg);
        cps_bytes_t written = cps_written(&w);
        assert_false(w.failed);
        assert_int_equal(written.len, cps_msg_len(&msg));
        assert_int_equal(written.len, head.len + rows[i].len);
        assert_memory_equal(written.ptr, head.ptr, head.len);
        assert_ok(parse_tight(written, &msg)); /* reads nothing behind its end */
        assert_ok(cps_msg_parse(written, &msg));
        assert_int_equal(msg.mid, 0x1234);
        assert_bytes(cps_bytes(token, rows[i].len), msg.token);
        if (rows[i].len != 0) /* one byte less */
            assert_err(CPS_ERR_FORMAT, parse_tight(cps_bytes(written.ptr, written.len - 1), &msg));
    }
    cps_msg_t longer = {.code = CPS_GET, .token = cps_bytes(token, CPS_TOKEN_LONGEST + 1)};
    cps_writer_t w = cps_writer(buf, CPS_TOKEN_LONGEST + 16);
    cps_msg_write(&w, &longer);
    assert_true(w.failed && cps_written(&w).len == 0);
    free(token);
    free(buf);
    assert_reset("4f 01 0001 000000000000000000000000000000", "70000001");
    assert_reset("4d 01 0001", "70000001");
    assert_reset("4e 01 0001 00", "70000001");
}

static void a_token_lies_inside_its_datagram(void **state)
{
    (void)state;
    assert_reset("48 01 0001 a1a2a3", "70000001");
    assert_reset("41 01 0001", "70000001");
}

static void a_marker_needs_a_payload(void **state)
{
    (void)state;
    assert_reset("40 01 0001 ff", "70000001");
    assert_reset("41 01 0001 aa b1 61 ff", "70000001");
    cps_msg_t msg;
    assert_ok(parse_tight(hex("40 01 0001 ff ff"), &msg));
    assert_int_equal(msg.payload.len, 1);
    msg.payload.len = 0;
    uint8_t buf[8];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_msg_write(&w, &msg); /* nor is one written */
    assert_bytes(hex("40010001"), cps_written(&w));
}

static void nibble_fifteen_is_a_format_error(void **state)
{
    (void)state;
    assert_reset("40 01 0001 f0", "70000001");
    assert_reset("40 01 0001 f1 61", "70000001");
    assert_reset("40 01 0001 1f 61", "70000001");
    assert_reset("40 01 0001 ef 0000 61", "70000001");
    assert_reset("40 01 0001 fe 0000 61", "70000001");
    assert_reset("40 01 0001 b1 61 f0", "70000001");
}

static void numbers_above_65535_are_format_errors(void **state)
{
    (void)state;
    assert_reset("40 01 0001 e0 9b33 e0 9b33", "70000001"); /* 40000 twice: 40000 - 269 = 9b33 */
    assert_reset("40 01 0001 e0 fef3 00", "70000001");      /* 65536 = 269 + fef3 */
    cps_msg_t msg;
    assert_ok(parse_tight(hex("40 01 0001 e0 fef2 00"), &msg)); /* 65535 */
}

/* A PUT with two options of extended heads and a payload, cut at every byte. */
static void a_cut_message_is_not_half_processed(void **state)
{
    (void)state;
    cps_bytes_t whole = hex("42 03 1234 a1a2 b3 616263 d1 0e 01 e1 0010 07 0d 00 30313233343536373839616263 ff 686921");
    size_t legal[] = {6, 10, 13, 17, 32, 34, 35, 36};
    cps_msg_t msg;
    size_t next = 0;
    for (size_t len = 4; len <= whole.len; len++) {
        bool is_legal = next < sizeof legal / sizeof legal[0] && legal[next] == len;
        assert_err(is_legal ? CPS_OK : CPS_ERR_FORMAT, parse_tight(cps_bytes(whole.ptr, len), &msg));
        if (is_legal)
            next++;
        else
            assert_int_equal(msg.token.len * msg.options.len + msg.payload.len, 0);
    }
    assert_int_equal(next, sizeof legal / sizeof legal[0]);
    assert_int_equal(whole.len, 36);
}

static void an_empty_message_has_four_bytes(void **state)
{
    (void)state;
    assert_reset("41 00 0001 aa", "70000001");
    assert_reset("40 00 0001 ff01", "70000001");
    assert_reset("40 00 0001 b161", "70000001");
    assert_reset("40 00 0001 00", "70000001");
    assert_reset("41 00 0001", "70000001");
    cps_msg_t msg;
    assert_ok(parse_tight(hex("40001234"), &msg));
    assert_int_equal(msg.code, CPS_EMPTY);
}

/* RFC 7252 table 1, and nothing of a reserved class. */
static void types_and_codes_have_to_fit(void **state)
{
    (void)state;
    static const struct {
        uint8_t code;
        bool con, non, ack, rst;
    } rows[] = {
        {CPS_EMPTY, true, false, true, true},         {CPS_GET, true, true, false, false},
        {CPS_CODE(0, 31), true, true, false, false},  {CPS_CONTENT, true, true, true, false},
        {CPS_NOT_FOUND, true, true, true, false},     {CPS_CODE(5, 31), true, true, true, false},
        {CPS_CODE(1, 0), false, false, false, false}, {CPS_CODE(1, 4), false, false, false, false},
        {CPS_CODE(3, 1), false, false, false, false}, {CPS_CODE(6, 0), false, false, false, false},
        {CPS_CODE(7, 1), false, false, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool fits[4] = {rows[i].con, rows[i].non, rows[i].ack, rows[i].rst};
        for (unsigned type = 0; type < 4; type++) {
            uint8_t datagram[4] = {(uint8_t)(0x40U | type << 4U), rows[i].code, 0x12, 0x34};
            cps_msg_t msg;
            assert_err(fits[type] ? CPS_OK : CPS_ERR_FORMAT, parse_tight(cps_bytes(datagram, 4), &msg));
            assert_int_equal(msg.type, type);
            assert_int_equal(msg.mid, 0x1234);
        }
    }
}

static void a_message_is_written_whole_or_not_at_all(void **state)
{
    (void)state;
    cps_msg_t msg = {.type = CPS_NON, .code = CPS_CONTENT, .mid = 1, .payload = hex("01020304")};
    uint8_t buf[9];
    for (size_t room = 0; room <= sizeof buf; room++) {
        cps_writer_t w = cps_writer(buf, room);
        cps_msg_write(&w, &msg);
        assert_int_equal(w.failed, room < 9);
        assert_int_equal(cps_written(&w).len, room < 9 ? 0 : 9);
    }
    assert_bytes(hex("50450001ff01020304"), cps_bytes(buf, 9));
}

static void codes_have_their_kinds(void **state)
{
    (void)state;
    assert_true(cps_code_is_request(CPS_GET) && !cps_code_is_request(CPS_EMPTY) && !cps_code_is_request(CPS_CONTENT));
    assert_true(cps_code_is_response(CPS_CONTENT) && cps_code_is_response(CPS_BAD_OPTION));
    assert_false(cps_code_is_response(CPS_GET) || cps_code_is_response(CPS_CODE(7, 1)));
    assert_int_equal(cps_code_class(CPS_HOP_LIMIT_REACHED), 5);
    assert_int_equal(cps_code_detail(CPS_HOP_LIMIT_REACHED), 8);
    assert_true(cps_method_is_unsafe(CPS_POST) && cps_method_is_unsafe(CPS_PUT) && cps_method_is_unsafe(CPS_DELETE));
    assert_true(cps_method_is_unsafe(CPS_PATCH) && cps_method_is_unsafe(CPS_IPATCH));
    assert_false(cps_method_is_unsafe(CPS_GET) || cps_method_is_unsafe(CPS_FETCH));
}

static const cps_case_t cases[] = {
    {"", "a message is views of its datagram, and written back the same", a_message_is_views_of_its_datagram},
    {"", "other versions and datagrams under 4 bytes are dropped", other_versions_and_stubs_are_dropped},
    {"XTK-1", "tokens of any length are written and read in the shape of RFC 8974",
     tokens_of_any_length_are_written_and_read},
    {"MSG-4", "a token lies inside its datagram", a_token_lies_inside_its_datagram},
    {"MSG-6", "a payload marker needs a payload", a_marker_needs_a_payload},
    {"MSG-9", "nibble 15 is a format error outside of the marker", nibble_fifteen_is_a_format_error},
    {"MSG-11", "option numbers above 65535 are format errors", numbers_above_65535_are_format_errors},
    {"MSG-10", "a message cut anywhere is whole or a format error", a_cut_message_is_not_half_processed},
    {"MSG-14", "an Empty message has exactly four bytes", an_empty_message_has_four_bytes},
    {"MSG-19", "types and codes have to fit", types_and_codes_have_to_fit},
    {"", "a message is written whole or not at all", a_message_is_written_whole_or_not_at_all},
    {"", "codes have their kinds", codes_have_their_kinds},
};

CPS_RUN("wire_msg", cases)
