// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include <stdio.h>

#include "wire/opttab.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static cps_bytes_t zeros(size_t len)
{
    static const uint8_t memory[66000];
    assert_true(len <= sizeof memory);
    return cps_bytes(memory, len);
}

static cps_opt_set_t everything(void)
{
    uint16_t numbers[64];
    size_t count = 0;
    for (const cps_opt_row_t *row; (row = cps_opttab_at(count)) != NULL;)
        numbers[count++] = row->number;
    return cps_opt_set_of(numbers, count);
}

static void a_list_is_sorted_and_stable(void **state)
{
    (void)state;
    cps_option_t list[] = {
        {CPS_OPT_URI_QUERY, hex("71")},        {CPS_OPT_URI_PATH, hex("61")}, {CPS_OPT_REQUEST_TAG, hex("01")},
        {CPS_OPT_URI_PATH, hex("62")},         {CPS_OPT_IF_MATCH, hex("")},   {CPS_OPT_URI_PATH, hex("61")},
        {CPS_OPT_CONTENT_FORMAT, hex("0032")},
    };
    uint8_t buf[64];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    cps_opt_put_list(&ow, list, COUNT(list));
    assert_ok(cps_writer_err(&w));
    assert_bytes(hex("10 a161 0162 0161 120032 3171 e1000801"), cps_written(&w));
    cps_opt_put(&ow, CPS_OPT_URI_HOST, hex("61")); /* a falling number is not written */
    assert_err(CPS_ERR_NO_SPACE, cps_writer_err(&w));
    assert_bytes(hex("10 a161 0162 0161 120032 3171 e1000801"), cps_written(&w));
}

static void heads_are_extended_at_13_and_269(void **state)
{
    (void)state;
    static const struct {
        uint32_t value;
        const char *nibble;
        const char *more;
    } rows[] = {
        {0, "0", ""},     {12, "c", ""},      {13, "d", "00"},      {14, "d", "01"},
        {268, "d", "ff"}, {269, "e", "0000"}, {65535, "e", "fef2"}, {65804, "e", "ffff"},
    };
    static uint8_t buf[70000];
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t j = 0; j < COUNT(rows); j++) {
            if (rows[i].value > UINT16_MAX)
                continue;
            char head[16];
            snprintf(head, sizeof head, "%s%s%s%s", rows[i].nibble, rows[j].nibble, rows[i].more, rows[j].more);
            cps_writer_t w = cps_writer(buf, sizeof buf);
            cps_opt_writer_t ow = cps_opt_writer(&w);
            cps_opt_put(&ow, (uint16_t)rows[i].value, zeros(rows[j].value));
            size_t head_len = strlen(head) / 2;
            assert_int_equal(cps_written(&w).len, head_len + rows[j].value);
            assert_bytes(hex(head), cps_bytes(buf, head_len));
            cps_opt_walk_t walk = cps_opt_walk(cps_written(&w));
            cps_option_t option;
            assert_true(cps_opt_next(&walk, &option));
            assert_int_equal(option.number, rows[i].value);
            assert_int_equal(option.value.len, rows[j].value);
            assert_false(cps_opt_next(&walk, &option));
            assert_false(walk.r.failed);
        }
    }
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    cps_opt_put(&ow, 1, zeros(65805));
    assert_true(w.failed);
}

static void a_walk_stops_at_what_is_malformed(void **state)
{
    (void)state;
    static const char *const bad[] = {"f0", "0f", "ff", "d0", "e000", "e0", "0d", "0e00", "01", "b1"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        cps_opt_walk_t walk = cps_opt_walk(hex(bad[i]));
        cps_option_t option;
        assert_false(cps_opt_next(&walk, &option));
        assert_true(walk.r.failed);
        assert_false(cps_opt_next(&walk, &option));
    }
    cps_opt_walk_t none = cps_opt_walk(cps_bytes(NULL, 0));
    cps_option_t option;
    assert_false(cps_opt_next(&none, &option));
    assert_false(none.r.failed);
}

static void options_are_found_and_counted(void **state)
{
    (void)state;
    cps_bytes_t options = hex("b161 0162 00 120032"); /* Uri-Path a, b, "", Content-Format 50 */
    cps_bytes_t value;
    assert_true(cps_opt_find(options, CPS_OPT_URI_PATH, &value));
    assert_bytes(hex("61"), value);
    assert_int_equal(cps_opt_count(options, CPS_OPT_URI_PATH), 3);
    assert_int_equal(cps_opt_count(options, CPS_OPT_CONTENT_FORMAT), 1);
    assert_int_equal(cps_opt_count(options, CPS_OPT_ACCEPT), 0);
    assert_false(cps_opt_find(options, CPS_OPT_OSCORE, &value));
    assert_false(cps_opt_find(options, CPS_OPT_ACCEPT, &value));
}

static void uints_take_the_fewest_bytes(void **state)
{
    (void)state;
    static const struct {
        uint32_t value;
        const char *bytes;
    } rows[] = {{0, ""},
                {1, "01"},
                {60, "3c"},
                {255, "ff"},
                {256, "0100"},
                {65535, "ffff"},
                {65536, "010000"},
                {0xffffff, "ffffff"},
                {1U << 24U, "01000000"},
                {UINT32_MAX, "ffffffff"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t buf[16];
        cps_writer_t w = cps_writer(buf, sizeof buf);
        cps_opt_writer_t ow = cps_opt_writer(&w);
        cps_opt_put_uint(&ow, 12, rows[i].value);
        assert_int_equal(buf[0], 0xc0 + strlen(rows[i].bytes) / 2);
        assert_bytes(hex(rows[i].bytes), cps_bytes(buf + 1, cps_written(&w).len - 1));
        uint32_t back = 7;
        assert_ok(cps_opt_uint(cps_bytes(buf + 1, cps_written(&w).len - 1), &back));
        assert_int_equal(back, rows[i].value);
    }
}

static void uints_may_have_leading_zeros(void **state)
{
    (void)state;
    cps_msg_t msg = {.code = CPS_PUT, .options = hex("c20032 520000")}; /* Content-Format 00 32, Accept 00 00 */
    uint32_t value = 7;
    assert_true(cps_msg_option_uint(&msg, CPS_OPT_CONTENT_FORMAT, &value));
    assert_int_equal(value, 50);
    assert_true(cps_msg_option_uint(&msg, CPS_OPT_ACCEPT, &value));
    assert_int_equal(value, 0);
    assert_ok(cps_opt_uint(hex("00000007"), &value));
    assert_int_equal(value, 7);
    assert_err(CPS_ERR_BAD_OPTION, cps_opt_uint(hex("0000000007"), &value));
    msg.options = hex("c3000032"); /* three bytes are not allowed there */
    assert_false(cps_msg_option_uint(&msg, CPS_OPT_CONTENT_FORMAT, &value));
}

static void zero_is_not_the_same_as_none(void **state)
{
    (void)state;
    uint8_t buf[16];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    cps_opt_put_uint(&ow, CPS_OPT_CONTENT_FORMAT, 0);
    cps_opt_put_uint(&ow, CPS_OPT_ACCEPT, 0);
    assert_bytes(hex("c0 50"), cps_written(&w));
    static const uint16_t numbers[] = {CPS_OPT_CONTENT_FORMAT, CPS_OPT_ACCEPT};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        uint32_t value = 7;
        cps_msg_t with = {.code = CPS_PUT, .options = cps_written(&w)};
        assert_true(cps_msg_option_uint(&with, numbers[i], &value));
        assert_int_equal(value, 0);
        cps_msg_t without = {.code = CPS_PUT};
        assert_false(cps_msg_option_uint(&without, numbers[i], &value));
    }
}

static void the_bits_of_all_numbers(void **state)
{
    (void)state;
    for (uint32_t n = 0; n <= UINT16_MAX; n++) {
        uint16_t number = (uint16_t)n;
        assert_int_equal(cps_opt_is_critical(number), n % 2 == 1);
        assert_int_equal(cps_opt_is_unsafe(number), n / 2 % 2 == 1);
        assert_int_equal(cps_opt_is_no_cache_key(number), n % 32 == 28 || n % 32 == 29);
        assert_int_equal(cps_opt_is_reserved_location(number), n == 128 || n == 132 || n == 136 || n == 140);
    }
}

/* RFC 7252 §5.10 as REQ-14 writes it, then the options of other RFCs. */
static const struct {
    uint16_t number;
    size_t min, max;
    bool in_request, in_response, repeats_in_request, repeats_in_response;
} legal[] = {
    {1, 0, 8, true, false, true, false},      {3, 1, 255, true, false, false, false},
    {4, 1, 8, true, true, true, false},       {5, 0, 0, true, false, false, false},
    {7, 0, 2, true, false, false, false},     {8, 0, 255, false, true, false, true},
    {11, 0, 255, true, false, true, false},   {12, 0, 2, true, true, false, false},
    {14, 0, 4, false, true, false, false},    {15, 0, 255, true, false, true, false},
    {17, 0, 2, true, false, false, false},    {20, 0, 255, false, true, false, true},
    {35, 1, 1034, true, false, false, false}, {39, 1, 255, true, false, false, false},
    {60, 0, 4, true, true, false, false},     {6, 0, 3, true, true, false, false},
    {9, 0, 255, true, true, false, false},    {16, 1, 1, true, false, false, false},
    {19, 0, 3, true, true, false, false},     {23, 0, 3, true, true, false, false},
    {27, 0, 3, true, true, false, false},     {28, 0, 4, true, true, false, false},
    {31, 0, 3, true, true, true, false},      {252, 1, 40, true, true, false, false},
    {258, 0, 1, true, false, false, false},   {292, 0, 8, true, false, true, false},
};

static void assert_judged(uint8_t code, uint16_t number, size_t len, unsigned nth, bool taken)
{
    cps_option_t option = {number, zeros(len)};
    cps_opt_verdict_t refused = number % 2 == 1 ? CPS_OPT_REFUSE : CPS_OPT_IGNORE;
    assert_int_equal(cps_opt_judge(everything(), code, &option, nth), taken ? CPS_OPT_TAKE : refused);
}

static void lengths_and_copies_follow_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(legal); i++) {
        for (int side = 0; side < 2; side++) {
            uint8_t code = side == 0 ? CPS_PUT : CPS_CREATED;
            bool here = side == 0 ? legal[i].in_request : legal[i].in_response;
            bool repeats = side == 0 ? legal[i].repeats_in_request : legal[i].repeats_in_response;
            if (legal[i].min > 0)
                assert_judged(code, legal[i].number, legal[i].min - 1, 0, false);
            assert_judged(code, legal[i].number, legal[i].min, 0, here);
            assert_judged(code, legal[i].number, legal[i].max, 0, here);
            assert_judged(code, legal[i].number, legal[i].max + 1, 0, false);
            assert_judged(code, legal[i].number, legal[i].min, 1, here && repeats);
            assert_judged(code, legal[i].number, legal[i].max, 2, here && repeats);
        }
    }
}

static void the_table_is_whole_and_sorted(void **state)
{
    (void)state;
    size_t count = 0;
    for (const cps_opt_row_t *row; (row = cps_opttab_at(count)) != NULL; count++) {
        assert_ptr_equal(cps_opttab_find(row->number), row);
        assert_true(count == 0 || cps_opttab_at(count - 1)->number < row->number);
        assert_true(row->min_len <= row->max_len && row->where != 0 && (row->repeatable & ~row->where) == 0);
    }
    assert_int_equal(count, COUNT(legal) + 1); /* and EDHOC */
    for (size_t i = 0; i < COUNT(legal); i++)
        assert_non_null(cps_opttab_find(legal[i].number));
    assert_null(cps_opttab_find(0));
    assert_null(cps_opttab_find(2));
    assert_null(cps_opttab_find(293));
    assert_null(cps_opttab_find(65535));
    assert_string_equal(cps_opttab_find(CPS_OPT_Q_BLOCK1)->name, "Q-Block1");
    assert_int_equal(cps_opttab_find(CPS_OPT_MAX_AGE)->format, CPS_OPT_FORMAT_UINT);
}

/* RFC 9668 §3.1: empty, a value is ignored; twice or in a response it is unrecognised. */
static void edhoc_ignores_its_value(void **state)
{
    (void)state;
    assert_judged(CPS_POST, CPS_OPT_EDHOC, 0, 0, true);
    assert_judged(CPS_POST, CPS_OPT_EDHOC, 5, 0, true);
    assert_judged(CPS_POST, CPS_OPT_EDHOC, 0, 1, false);
    assert_judged(CPS_CONTENT, CPS_OPT_EDHOC, 0, 0, false);
    assert_false(cps_opt_is_unsafe(CPS_OPT_EDHOC) || cps_opt_is_no_cache_key(CPS_OPT_EDHOC));
}

static void assert_check(cps_err_t expected, uint16_t number, uint8_t code, const char *options)
{
    uint16_t bad = 0;
    assert_err(expected, cps_opt_check(everything(), code, hex(options), &bad));
    assert_int_equal(bad, number);
}

static void illegal_lengths_are_unrecognised(void **state)
{
    (void)state;
    assert_check(CPS_ERR_BAD_OPTION, CPS_OPT_URI_HOST, CPS_GET, "30");
    assert_check(CPS_OK, 0, CPS_GET, "49 010203040506070809");
    assert_check(CPS_ERR_BAD_OPTION, CPS_OPT_URI_PORT, CPS_GET, "73 001633");
    assert_int_equal(cps_err_reaction(CPS_ERR_BAD_OPTION), CPS_REACT_CODE);
    assert_int_equal(cps_err_code(CPS_ERR_BAD_OPTION), CPS_BAD_OPTION);
    cps_msg_t msg = {.code = CPS_GET, .options = hex("49 010203040506070809 01 07")}; /* ETag of 9, then of 1 byte */
    cps_bytes_t value;
    assert_true(cps_msg_option(&msg, CPS_OPT_ETAG, &value));
    assert_bytes(hex("07"), value);
}

static void extra_copies_are_unrecognised(void **state)
{
    (void)state;
    assert_check(CPS_OK, 0, CPS_PUT, "c132 0128");
    cps_msg_t msg = {.code = CPS_PUT, .options = hex("c132 0128")};
    uint32_t format = 0;
    assert_true(cps_msg_option_uint(&msg, CPS_OPT_CONTENT_FORMAT, &format));
    assert_int_equal(format, 50);
    msg.options = hex("c3000032 0128"); /* the first one is of illegal length, the second one an extra copy */
    assert_false(cps_msg_option_uint(&msg, CPS_OPT_CONTENT_FORMAT, &format));
    assert_check(CPS_ERR_BAD_OPTION, CPS_OPT_URI_HOST, CPS_GET, "3161 0161");
    assert_check(CPS_ERR_BAD_OPTION, CPS_OPT_ACCEPT, CPS_GET, "d10400 00");
    assert_check(CPS_OK, 0, CPS_GET, "41 01 01 02 0103");
}

static void options_of_another_direction_are_unrecognised(void **state)
{
    (void)state;
    assert_check(CPS_OK, 0, CPS_PUT, "d1013c"); /* Max-Age in a request */
    cps_msg_t msg = {.code = CPS_PUT, .options = hex("d1013c")};
    cps_bytes_t value;
    assert_false(cps_msg_option(&msg, CPS_OPT_MAX_AGE, &value));
    msg.code = CPS_CONTENT;
    assert_true(cps_msg_option(&msg, CPS_OPT_MAX_AGE, &value));
    assert_check(CPS_ERR_BAD_OPTION, CPS_OPT_URI_PATH, CPS_CONTENT, "b161");
    assert_check(CPS_ERR_BAD_OPTION, 99, CPS_GET, "d056");
    assert_check(CPS_OK, 0, CPS_GET, "e0fcdb");                    /* 65000: elective */
    assert_check(CPS_ERR_BAD_OPTION, 65001, CPS_GET, "e0fcdb 10"); /* and a critical one behind it */
    assert_check(CPS_OK, 0, CPS_GET, "");
}

static void only_handled_options_are_taken(void **state)
{
    (void)state;
    static const uint16_t numbers[] = {CPS_OPT_URI_PATH, CPS_OPT_REQUEST_TAG, 65001};
    cps_opt_set_t set = cps_opt_set_of(numbers, COUNT(numbers));
    assert_true(cps_opt_set_has(set, CPS_OPT_URI_PATH) && cps_opt_set_has(set, CPS_OPT_REQUEST_TAG));
    assert_false(cps_opt_set_has(set, CPS_OPT_URI_QUERY) || cps_opt_set_has(set, 65001));
    uint16_t bad = 0;
    assert_ok(cps_opt_check(set, CPS_GET, hex("b161"), &bad));
    assert_err(CPS_ERR_BAD_OPTION, cps_opt_check(set, CPS_GET, hex("b161 4162"), &bad));
    assert_int_equal(bad, CPS_OPT_URI_QUERY);
}

static void lists_to_send_are_checked(void **state)
{
    (void)state;
    static const struct {
        uint8_t code;
        uint16_t bad;
        cps_option_t list[3];
    } rows[] = {
        {CPS_PUT, 0, {{CPS_OPT_URI_PATH, {NULL, 0}}, {CPS_OPT_IF_MATCH, {NULL, 0}}, {CPS_OPT_URI_PATH, {NULL, 0}}}},
        {CPS_PUT, 0, {{65001, {NULL, 0}}, {65001, {NULL, 0}}, {128, {NULL, 0}}}},
        {CPS_PUT, CPS_OPT_MAX_AGE, {{65001, {NULL, 0}}, {CPS_OPT_MAX_AGE, {NULL, 0}}, {128, {NULL, 0}}}},
        {CPS_PUT, CPS_OPT_ACCEPT, {{CPS_OPT_ACCEPT, {NULL, 0}}, {1, {NULL, 0}}, {CPS_OPT_ACCEPT, {NULL, 0}}}},
        {CPS_GET, CPS_OPT_URI_HOST, {{CPS_OPT_URI_HOST, {NULL, 0}}, {1, {NULL, 0}}, {1, {NULL, 0}}}},
        {CPS_GET, CPS_OPT_URI_PATH, {{CPS_OPT_URI_PATH, {(const uint8_t *)".", 1}}, {1, {NULL, 0}}, {1, {NULL, 0}}}},
        {CPS_GET, CPS_OPT_URI_PATH, {{CPS_OPT_URI_PATH, {(const uint8_t *)"..", 2}}, {1, {NULL, 0}}, {1, {NULL, 0}}}},
        {CPS_GET, 0, {{CPS_OPT_URI_PATH, {(const uint8_t *)"...", 3}}, {1, {NULL, 0}}, {1, {NULL, 0}}}},
        {CPS_CREATED,
         CPS_OPT_LOCATION_PATH,
         {{CPS_OPT_LOCATION_PATH, {(const uint8_t *)"..", 2}}, {14, {NULL, 0}}, {12, {NULL, 0}}}},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint16_t bad = 0;
        cps_err_t err = cps_opt_check_send(rows[i].code, rows[i].list, 3, &bad);
        assert_err(rows[i].bad == 0 ? CPS_OK : CPS_ERR_BAD_OPTION, err);
        assert_int_equal(bad, rows[i].bad);
    }
}

static void echo_is_read_as_rfc_9175_says(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 40, 41};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        uint8_t buf[128];
        cps_writer_t w = cps_writer(buf, sizeof buf);
        cps_opt_writer_t ow = cps_opt_writer(&w);
        cps_opt_put(&ow, CPS_OPT_ECHO, zeros(lengths[i]));
        cps_msg_t msg = {.code = CPS_PUT, .options = cps_written(&w)};
        cps_bytes_t value;
        uint16_t bad;
        assert_ok(cps_opt_check(everything(), CPS_PUT, msg.options, &bad));
        assert_int_equal(cps_msg_option(&msg, CPS_OPT_ECHO, &value), lengths[i] == 1 || lengths[i] == 40);
    }
    assert_judged(CPS_PUT, CPS_OPT_ECHO, 8, 1, false);
    assert_false(cps_opt_is_critical(CPS_OPT_ECHO) || cps_opt_is_unsafe(CPS_OPT_ECHO));
    assert_true(cps_opt_is_no_cache_key(CPS_OPT_ECHO));
}

static void oscore_classes_follow_the_table(void **state)
{
    (void)state;
    static const uint16_t inner[] = {1, 4, 5, 8, 11, 12, 15, 17, 20, 128, 65000, 65001, 0};
    static const uint16_t outer[] = {3, 7, 9, 16, 21, 35, 39};
    static const uint16_t both[] = {6, 14, 19, 23, 27, 28, 31, 60, 252, 258, 292};
    for (size_t i = 0; i < COUNT(inner); i++)
        assert_int_equal(cps_opttab_class(inner[i]), CPS_OPT_CLASS_E);
    for (size_t i = 0; i < COUNT(outer); i++)
        assert_int_equal(cps_opttab_class(outer[i]), CPS_OPT_CLASS_U);
    for (size_t i = 0; i < COUNT(both); i++)
        assert_int_equal(cps_opttab_class(both[i]), CPS_OPT_CLASS_EU);
    size_t rows = 0;
    while (cps_opttab_at(rows) != NULL)
        rows++;
    assert_int_equal(rows, COUNT(inner) - 4 + COUNT(outer) + COUNT(both));
}

static const cps_case_t cases[] = {
    {"MSG-7", "options given in any order are written sorted, equal ones in their order", a_list_is_sorted_and_stable},
    {"MSG-8", "deltas and lengths are extended at 13 and at 269, both ways", heads_are_extended_at_13_and_269},
    {"", "a walk stops at what is malformed and stays there", a_walk_stops_at_what_is_malformed},
    {"", "options are found and counted", options_are_found_and_counted},
    {"MSG-12", "uint values take the fewest bytes, zero none", uints_take_the_fewest_bytes},
    {"MSG-13", "uint values with leading zeros are the same number", uints_may_have_leading_zeros},
    {"REQ-42", "Content-Format and Accept 0 are not the same as none", zero_is_not_the_same_as_none},
    {"REQ-13", "critical, unsafe and NoCacheKey of all 65536 numbers", the_bits_of_all_numbers},
    {"REQ-14", "lengths, copies and directions of every option", lengths_and_copies_follow_the_table},
    {"", "the table is whole and sorted", the_table_is_whole_and_sorted},
    {"", "EDHOC stands once, in requests, and its value is ignored", edhoc_ignores_its_value},
    {"REQ-10", "an option of illegal length is unrecognised", illegal_lengths_are_unrecognised},
    {"REQ-12", "an extra copy is unrecognised", extra_copies_are_unrecognised},
    {"", "an option of another direction or no known one is unrecognised",
     options_of_another_direction_are_unrecognised},
    {"", "only handled options are taken", only_handled_options_are_taken},
    {"", "a list to send holds nothing that must not be sent", lists_to_send_are_checked},
    {"ECHO-1", "Echo has 1 to 40 bytes, stands once, is elective, safe and no cache key",
     echo_is_read_as_rfc_9175_says},
    {"", "every option has its OSCORE class (table of OSC-10)", oscore_classes_follow_the_table},
};

CPS_RUN("wire_opt", cases)
