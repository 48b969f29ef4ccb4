// SPDX-License-Identifier: Apache-2.0
/* Rules of the foe: matchers and edits, both as text, and the sentences about bad ones. */
#include "harness.h"

#include "sim/addr.h"
#include "sim/rule_text.h"

#include <stdio.h>

/* CON POST, mid 1234, token aabb, OSCORE (Partial IV 05, kid 31), payload 01020304 */
#define SEALED "42021234aabb93090531ff01020304"
/* NON 2.05, mid 0007, no token, Content-Format 0 (empty), payload "hi" */
#define PLAIN "50450007c0ff6869"

#define TEN "00000000000000000000"

static cps_foe_rule_t rule_of(const char *text)
{
    cps_foe_rule_t rule;
    cps_words_t w;
    cps_words_start(&w, text);
    cps_rule_text(&w, &rule);
    if (w.failed)
        fail_msg("%s: %s", text, w.error);
    return rule;
}

static bool fits(const char *match, const char *datagram)
{
    char text[256];
    snprintf(text, sizeof text, "%s then drop", match);
    cps_foe_rule_t rule = rule_of(text);
    cps_parcel_t parcel = {.leg = 3, .dir = CPS_FOE_UP, .bytes = hex(datagram)};
    assert_true(cps_simaddr_parse("10.0.0.1:4000", 13, &parcel.from));
    assert_true(cps_simaddr_parse("[::1]:5683", 10, &parcel.to));
    cps_look_t look;
    cps_look_at(parcel.bytes, &look);
    return cps_foe_rule_fits(&rule, &parcel, &look);
}

static void each_field_matches(void **state)
{
    (void)state;
    static const char *const yes[] = {"",
                                      "up",
                                      "leg 3",
                                      "from 10.0.0.1",
                                      "from 10.0.0.1:4000",
                                      "from *:4000",
                                      "to [::1]",
                                      "type con",
                                      "code POST",
                                      "code 0.02",
                                      "mid 0x1234",
                                      "mid 4660",
                                      "kid 31",
                                      "token aabb",
                                      "oscore yes",
                                      "piv 05",
                                      "size 15",
                                      "size 10-20",
                                      "bytes 0203",
                                      "bytes 42 at 0",
                                      "bytes 0304 at -2",
                                      "up type con code POST token aabb kid 31"};
    static const char *const no[] = {"down",
                                     "leg 2",
                                     "from 10.0.0.2",
                                     "from 10.0.0.1:4001",
                                     "from *:4001",
                                     "to [::2]",
                                     "type non",
                                     "code GET",
                                     "mid 1",
                                     "token aa",
                                     "token -",
                                     "oscore no",
                                     "kid 3131",
                                     "kid -",
                                     "piv 0005",
                                     "size 16",
                                     "size 1-14",
                                     "bytes 0205",
                                     "bytes 42 at 1",
                                     "bytes 0304 at -3",
                                     "bytes 04 at 15",
                                     "bytes 00 at 15",
                                     "up type con code POST token aabb kid 32"};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        if (!fits(yes[i], SEALED))
            fail_msg("does not fit: %s", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        if (fits(no[i], SEALED))
            fail_msg("fits: %s", no[i]);
}

static void absent_fields_never_match(void **state)
{
    (void)state;
    assert_true(fits("oscore no", PLAIN));
    assert_true(fits("token -", PLAIN));
    assert_true(fits("code 2.05", PLAIN));
    assert_false(fits("kid -", PLAIN));
    assert_false(fits("piv -", PLAIN));
    /* an OSCORE option without fields, as in a response */
    assert_true(fits("oscore yes piv -", "6044000790ff00"));
    assert_false(fits("kid -", "6044000790ff00"));
    /* what is not CoAP has no CoAP fields, yet a size and bytes */
    assert_false(fits("type con", "8242"));
    assert_false(fits("oscore no", "8242"));
    assert_true(fits("size 2 bytes 8242", "8242"));
    assert_true(fits("size 0", ""));
}

static void assert_edit(const char *edits, const char *before, const char *after)
{
    uint8_t bytes[64];
    uint8_t spare[64];
    char text[256];
    snprintf(text, sizeof text, "then modify %s", edits);
    cps_foe_rule_t rule = rule_of(text);
    cps_bytes_t source = hex(before);
    cps_foe_draft_t draft = {bytes, spare, source.len, sizeof bytes};
    cps_copy(bytes, source.ptr, source.len);
    bool done = false;
    for (uint32_t i = 0; i < rule.edit_count; i++)
        done |= cps_foe_edit_apply(&rule, &rule.edits[i], &draft);
    if (!cps_bytes_equal(hex(after), cps_bytes(bytes, draft.len)))
        print_error("%s\n", edits);
    assert_bytes(hex(after), cps_bytes(bytes, draft.len));
    assert_int_equal(done, strcmp(before, after) != 0);
}

static void each_edit_changes(void **state)
{
    (void)state;
    assert_edit("xor -1 01", SEALED, "42021234aabb93090531ff01020305");
    assert_edit("xor 0 0300", SEALED, "41021234aabb93090531ff01020304");
    assert_edit("put 4 ccdd", SEALED, "42021234ccdd93090531ff01020304");
    assert_edit("truncate 4", SEALED, "42021234");
    assert_edit("truncate -3", SEALED, "42021234aabb93090531ff01");
    assert_edit("append 0506", SEALED, SEALED "0506");
    assert_edit("type ack", SEALED, "62021234aabb93090531ff01020304");
    assert_edit("type con", PLAIN, "40450007c0ff6869");
    assert_edit("code 2.04", SEALED, "42441234aabb93090531ff01020304");
    assert_edit("mid 0xffff", SEALED, "4202ffffaabb93090531ff01020304");
    assert_edit("token 010203", SEALED, "4302123401020393090531ff01020304");
    assert_edit("token -", SEALED, "4002123493090531ff01020304");
    assert_edit("option 9 0131", SEALED, "42021234aabb920131ff01020304");
    assert_edit("option 14 3c", SEALED, "42021234aabb93090531513cff01020304");
    assert_edit("option 3 61", SEALED, "42021234aabb316163090531ff01020304");
    assert_edit("strip 9", SEALED, "42021234aabbff01020304");
    assert_edit("payload 09", SEALED, "42021234aabb93090531ff09");
    assert_edit("payload -", SEALED, "42021234aabb93090531");
    assert_edit("type non mid 1 strip 9 payload -", SEALED, "52020001aabb");
}

static void edits_that_do_not_fit_change_nothing(void **state)
{
    (void)state;
    static const char *const edits[] = {"xor 15 01",   "xor -16 01",   "put 14 0101",
                                        "truncate 16", "truncate -16", "token 010203040506070809"};
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++)
        assert_edit(edits[i], SEALED, SEALED);
    /* 15 bytes and 50 more go beyond the 64 of the buffer */
    assert_edit("append " TEN TEN TEN TEN TEN, SEALED, SEALED);
    /* what is no CoAP message */
    assert_edit("type ack", "420212", "420212");
    assert_edit("mid 1", "420212", "420212");
    assert_edit("code 0.01", "42", "42");
    assert_edit("token 01", "49011234", "49011234");
    assert_edit("token 01", "4201123499", "4201123499");
    assert_edit("strip 9", "49011234", "49011234");
    assert_edit("payload 01", "", "");
}

static void actions_are_read(void **state)
{
    (void)state;
    cps_foe_rule_t r = rule_of("up nth 3 times 2 then hold a.b-c_1  # a comment");
    assert_int_equal(r.match.skip, 2);
    assert_int_equal(r.match.times, 2);
    assert_int_equal(r.action, CPS_FOE_HOLD);
    assert_string_equal(r.label, "a.b-c_1");
    r = rule_of("nth 2 then duplicate 3 every 5ms");
    assert_int_equal(r.match.times, 1);
    assert_int_equal(r.copies, 3);
    assert_int_equal(r.delay_us, 5000);
    r = rule_of("then delay 2s");
    assert_int_equal(r.delay_us, 2000000);
    r = rule_of("then release x after 7us");
    assert_int_equal(r.action, CPS_FOE_RELEASE);
    assert_int_equal(r.delay_us, 7);
    r = rule_of("then replay self from other after 1ms");
    assert_int_equal(r.index, 0);
    assert_true(r.other);
    r = rule_of("then replay 12 from 10.0.0.1:7");
    assert_int_equal(r.index, 12);
    assert_int_equal(r.from.port, 7);
    r = rule_of("then replay 12 from same");
    assert_int_equal(r.from.family, CPS_FAMILY_NONE);
    r = rule_of("then inject 4000 leg 1 from 10.0.0.1:7 to [::1]:9 after 3ms");
    assert_bytes(hex("4000"), cps_foe_rule_bytes(&r, r.bytes));
    assert_int_equal(r.leg, 1);
    assert_int_equal(r.to.port, 9);
    assert_int_equal(rule_of("then pass").action, CPS_FOE_PASS);
}

static void bad_rules_are_refused_with_a_sentence(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"", "rule: the line ends here, which is neither a matching word nor then"},
        {"up", "rule: the line ends here, which is neither a matching word nor then"},
        {"sideways then drop", "rule \"sideways\" is neither a matching word nor then"},
        {"then", "action: the line ends here"},
        {"then explode", "action \"explode\" is none of"},
        {"then drop it", "the command ends before \"it\""},
        {"type com then drop", "type \"com\" is none of con, non, ack, rst"},
        {"code 2.32 then drop", "code \"2.32\" is not a code"},
        {"code 8.00 then drop", "code \"8.00\" is not a code"},
        {"mid 65536 then drop", "mid \"65536\" is not a number up to 65535"},
        {"mid 0x then drop", "mid \"0x\" is not a number"},
        {"token a then drop", "token \"a\" is not hex"},
        {"oscore maybe then drop", "oscore \"maybe\" is neither yes nor no"},
        {"size 5-4 then drop", "size \"5-4\" is not a range"},
        {"size 5x then drop", "size \"5x\" is not a range"},
        {"size 5-6x then drop", "size \"5-6x\" is not a range"},
        {"nth 0 then drop", "nth \"0\" starts at 1"},
        {"from nowhere then drop", "from \"nowhere\" is not an address"},
        {"then hold", "hold: the line ends here"},
        {"then hold a/b", "hold \"a/b\" is not a name"},
        {"then hold abcdefghijklmnopqrstuvwxyz012345", "is not a name"},
        {"then delay 5", "delay \"5\" is not a time"},
        {"then delay ms", "delay \"ms\" is not a time"},
        {"then modify", "modify: the line ends here"},
        {"then modify xor x 01", "xor \"x\" is not an offset"},
        {"then modify mid 1 mid 1 mid 1 mid 1 mid 1 mid 1 mid 1 mid 1 mid 1", "is one edit too many"},
        {"then inject 00", "inject: the line ends here, which is not from ADDR"},
        {"then inject 00 from other to *:5", "to \"*:5\" has to be an address"},
        {"then replay 1 from *:5", "from \"*:5\" has no address"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cps_foe_rule_t rule;
        cps_words_t w;
        cps_words_start(&w, bad[i][0]);
        cps_rule_text(&w, &rule);
        if (!w.failed || strstr(w.error, bad[i][1]) == NULL)
            fail_msg("%s: \"%s\", not \"%s\"", bad[i][0], w.error, bad[i][1]);
    }
}

static void blob_is_bounded(void **state)
{
    (void)state;
    static char text[2 * CPS_FOE_BLOB_MAX + 64];
    static char digits[2 * CPS_FOE_BLOB_MAX + 3];
    cps_foe_rule_t rule;
    cps_words_t w;
    memset(digits, '0', 2 * CPS_FOE_BLOB_MAX);
    snprintf(text, sizeof text, "then modify append %s", digits);
    cps_words_start(&w, text);
    cps_rule_text(&w, &rule);
    assert_false(w.failed);
    assert_int_equal(rule.blob_used, CPS_FOE_BLOB_MAX);
    snprintf(text, sizeof text, "token 00 then modify append %s", digits);
    cps_words_start(&w, text);
    cps_rule_text(&w, &rule);
    assert_string_equal(w.error, "append \"...\" is more than one rule can hold");
    memset(digits, '0', sizeof digits - 1);
    snprintf(text, sizeof text, "then modify append %s", digits);
    cps_words_start(&w, text);
    cps_rule_text(&w, &rule);
    assert_non_null(strstr(w.error, "is too long"));
}

static const cps_case_t cases[] = {
    {"", "each field of a matcher tells what fits", each_field_matches},
    {"", "a field that a datagram does not have never fits", absent_fields_never_match},
    {"", "each edit does what it says", each_edit_changes},
    {"", "an edit that does not fit changes nothing", edits_that_do_not_fit_change_nothing},
    {"", "each action is read with what belongs to it", actions_are_read},
    {"", "a bad rule is refused with a sentence about the word", bad_rules_are_refused_with_a_sentence},
    {"", "the bytes of one rule are bounded", blob_is_bounded},
};

CPS_RUN("sim_rule", cases)
