// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include "host/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t fake_us; /* the wall clock of these tests */

static uint64_t fake_clock(void) { return fake_us; }

/* What a sink was given. */
typedef struct taken {
    char text[16384];
    size_t len;
    unsigned lines;
    cps_log_level_t level;
} taken_t;

static void take(void *user, cps_log_level_t level, const char *line, size_t len)
{
    taken_t *t = user;
    assert_true(len <= CPS_LOG_LINE_MAX && line[len - 1] == '\n' && memchr(line, '\n', len) == line + len - 1);
    assert_true(t->len + len < sizeof t->text);
    memcpy(t->text + t->len, line, len);
    t->len += len;
    t->text[t->len] = '\0';
    t->level = level;
    t->lines++;
}

static void begin(cps_log_t *log, taken_t *t, cps_log_format_t format, uint32_t burst)
{
    cps_log_options_t options = {
        .level = CPS_LOG_INFO, .format = format, .sink = take, .user = t, .wall_us = fake_clock};
    *t = (taken_t){.len = 0};
    options.burst = burst;
    fake_us = 1795537514000042;
    cps_log_init(log, &options);
}

#define STAMP "2026-11-24T16:25:14.000042Z"

static void events_are_lines_of_text(void **state)
{
    (void)state;
    cps_log_t log;
    taken_t t;
    cps_addr_t addr;
    assert_ok(cps_addr_parse(cps_bytes_str("[fd00::1]:5683"), 0, &addr));
    begin(&log, &t, CPS_LOG_TEXT, 0);
    cps_log_event(&log, CPS_LOG_INFO, "started", NULL, 0);
    CPS_LOG(&log, CPS_LOG_WARNING, "proxy_refused", cps_log_text("reason", "target"), cps_log_addr("client", &addr),
            cps_log_number("count", UINT64_MAX), cps_log_number("zero", 0), cps_log_bool("sealed", true),
            cps_log_bool("fresh", false), cps_log_hex("kid", hex("00ff7a")), cps_log_hex("none", hex("")),
            cps_log_err("err", CPS_ERR_OUTCOME_UNKNOWN));
    assert_string_equal(t.text, STAMP
                        " info started\n" STAMP " warning proxy_refused reason=target client=[fd00::1]:5683 "
                        "count=18446744073709551615 zero=0 sealed=true fresh=false kid=00ff7a none=\"\" "
                        "err=outcome_unknown hint=\"if it may be reached, add it to proxy.targets, and reload\"\n");
    assert_int_equal(t.level, CPS_LOG_WARNING);
}

static void events_are_lines_of_JSON(void **state)
{
    (void)state;
    cps_log_t log;
    taken_t t;
    cps_addr_t addr;
    assert_ok(cps_addr_parse(cps_bytes_str("192.0.2.1:1"), 0, &addr));
    begin(&log, &t, CPS_LOG_JSON, 0);
    cps_log_event(&log, CPS_LOG_ERROR, "stopped", NULL, 0);
    CPS_LOG(&log, CPS_LOG_INFO, "seen", cps_log_text("name", "a b"), cps_log_addr("client", &addr),
            cps_log_number("count", 12), cps_log_bool("sealed", true), cps_log_hex("kid", hex("0a")));
    assert_string_equal(t.text, "{\"time\":\"" STAMP "\",\"level\":\"error\",\"event\":\"stopped\"}\n"
                                "{\"time\":\"" STAMP "\",\"level\":\"info\",\"event\":\"seen\",\"name\":\"a b\","
                                "\"client\":\"192.0.2.1:1\",\"count\":12,\"sealed\":true,\"kid\":\"0a\"}\n");
}

static void what_a_peer_wrote_is_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *text;
        const char *json;
    } rows[] = {
        {"", "v=\"\"\n", "\"v\":\"\"}\n"},
        {"/a?b=c", "v=\"/a?b=c\"\n", "\"v\":\"/a?b=c\"}\n"},
        {"a b", "v=\"a b\"\n", "\"v\":\"a b\"}\n"},
        {"a\nINFO x=1", "v=\"a\\u000aINFO x=1\"\n", "\"v\":\"a\\u000aINFO x=1\"}\n"},
        {"\"q\"\\", "v=\"\\\"q\\\"\\\\\"\n", "\"v\":\"\\\"q\\\"\\\\\"}\n"},
        {"\x1b[2J\x7f", "v=\"\\u001b[2J\\u007f\"\n", "\"v\":\"\\u001b[2J\\u007f\"}\n"},
        {"t\xc3\xbcr \xe2\x82\xac \xf0\x9f\x9a\xaa", "v=\"t\xc3\xbcr \xe2\x82\xac \xf0\x9f\x9a\xaa\"\n",
         "\"v\":\"t\xc3\xbcr \xe2\x82\xac \xf0\x9f\x9a\xaa\"}\n"},
        {"\xc2\x9b", "v=\"\\u009b\"\n", "\"v\":\"\\u009b\"}\n"},                           /* a control of 8 bits */
        {"\xe2\x80\xa8", "v=\"\\u2028\"\n", "\"v\":\"\\u2028\"}\n"},                       /* a line separator */
        {"\xff\xc3", "v=\"\\xff\\xc3\"\n", "\"v\":\"\\ufffd\\ufffd\"}\n"},                 /* no UTF-8, and cut */
        {"\xc0\xaf", "v=\"\\xc0\\xaf\"\n", "\"v\":\"\\ufffd\\ufffd\"}\n"},                 /* overlong */
        {"\xed\xa0\x80", "v=\"\\xed\\xa0\\x80\"\n", "\"v\":\"\\ufffd\\ufffd\\ufffd\"}\n"}, /* a surrogate */
        {"\xf4\x90\x80\x80", "v=\"\\xf4\\x90\\x80\\x80\"\n", "\"v\":\"\\ufffd\\ufffd\\ufffd\\ufffd\"}\n"},
        {"\xe2\x28\xa1", "v=\"\\xe2(\\xa1\"\n", "\"v\":\"\\ufffd(\\ufffd\"}\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cps_log_t log;
        taken_t t;
        begin(&log, &t, CPS_LOG_TEXT, 0);
        CPS_LOG(&log, CPS_LOG_INFO, "e", cps_log_text("v", rows[i].in));
        assert_string_equal(strstr(t.text, " v=") + 1, rows[i].text);
        begin(&log, &t, CPS_LOG_JSON, 0);
        CPS_LOG(&log, CPS_LOG_INFO, "e", cps_log_text("v", rows[i].in));
        assert_string_equal(strstr(t.text, "\"v\""), rows[i].json);
    }
    cps_log_t log;
    taken_t t;
    begin(&log, &t, CPS_LOG_TEXT, 0);
    CPS_LOG(&log, CPS_LOG_INFO, "e", cps_log_bytes("v", cps_bytes("a\0b", 3)));
    assert_string_equal(strstr(t.text, " v="), " v=\"a\\u0000b\"\n");
}

static void fields_that_do_not_fit_are_left_out_whole(void **state)
{
    (void)state;
    static char longest[CPS_LOG_LINE_MAX + 1];
    memset(longest, 'x', sizeof longest - 1);
    for (size_t len = CPS_LOG_LINE_MAX - 200; len <= CPS_LOG_LINE_MAX; len++) {
        cps_log_t log;
        taken_t t;
        cps_bytes_t value = cps_bytes(longest, len);
        for (int format = 0; format < 2; format++) {
            begin(&log, &t, (cps_log_format_t)format, 0);
            CPS_LOG(&log, CPS_LOG_INFO, "e", cps_log_bytes("v", value), cps_log_number("after", 7));
            bool whole = memmem(t.text, t.len, longest, len) != NULL;
            const char *cut = format == 0 ? " cut=true\n" : ",\"cut\":true}\n";
            const char *after = format == 0 ? " after=7" : ",\"after\":7";
            bool tail = strlen(cut) <= t.len && strcmp(t.text + t.len - strlen(cut), cut) == 0;
            assert_true(whole || tail); /* what is missing is said */
            assert_true(strstr(t.text, "xx") == NULL || whole);
            assert_true(strstr(t.text, after) != NULL || tail);
        }
    }
}

static void levels_filter(void **state)
{
    (void)state;
    cps_log_t log;
    taken_t t;
    begin(&log, &t, CPS_LOG_TEXT, 1);
    for (int i = 0; i < 5; i++)
        cps_log_event(&log, CPS_LOG_DEBUG, "e", NULL, 0);
    cps_log_event(&log, CPS_LOG_INFO, "e", NULL, 0);
    cps_log_event(&log, CPS_LOG_ERROR, "f", NULL, 0);
    cps_log_flush(&log);
    assert_string_equal(t.text, STAMP " info e\n" STAMP " error f\n");
}

static void repeated_events_are_limited_and_add_up(void **state)
{
    (void)state;
    cps_log_t log;
    taken_t t;
    begin(&log, &t, CPS_LOG_TEXT, 0);
    for (int i = 0; i < 100000; i++) {
        fake_us += i % 10 == 0 ? 90 : 0; /* 0.9 s in all */
        cps_log_event(&log, CPS_LOG_WARNING, "refused", NULL, 0);
    }
    assert_int_equal(t.lines, CPS_LOG_BURST);
    cps_log_tick(&log); /* the second is not over */
    assert_int_equal(t.lines, CPS_LOG_BURST);
    cps_log_event(&log, CPS_LOG_WARNING, "another", NULL, 0); /* has its own count */
    assert_int_equal(t.lines, CPS_LOG_BURST + 1);
    fake_us += 100090; /* it is, to the microsecond */
    cps_log_tick(&log);
    assert_int_equal(t.lines, CPS_LOG_BURST + 2);
    assert_non_null(strstr(t.text, " warning refused suppressed=99980\n"));
    cps_log_tick(&log);
    cps_log_flush(&log);
    assert_int_equal(t.lines, CPS_LOG_BURST + 2);
}

static void an_event_of_the_next_second_closes_the_last(void **state)
{
    (void)state;
    cps_log_t log;
    taken_t t;
    begin(&log, &t, CPS_LOG_JSON, 2);
    for (int i = 0; i < 5; i++)
        cps_log_event(&log, CPS_LOG_INFO, "e", NULL, 0);
    fake_us -= 3000000; /* the clock was set back */
    cps_log_event(&log, CPS_LOG_INFO, "e", NULL, 0);
    assert_int_equal(t.lines, 4);
    assert_non_null(strstr(t.text, "\"event\":\"e\",\"suppressed\":3}\n"));
    cps_log_event(&log, CPS_LOG_INFO, "e", NULL, 0);
    cps_log_event(&log, CPS_LOG_INFO, "e", NULL, 0);
    assert_int_equal(t.lines, 5);
    cps_log_flush(&log);
    assert_non_null(strstr(t.text, "\"suppressed\":1}\n"));
}

static void events_beyond_the_table_share_a_count(void **state)
{
    (void)state;
    static char names[2 * CPS_LOG_KINDS_MAX][8];
    cps_log_t log;
    taken_t t;
    begin(&log, &t, CPS_LOG_TEXT, 1);
    for (size_t i = 0; i < 2 * (size_t)CPS_LOG_KINDS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "e%zu", i);
        cps_log_event(&log, CPS_LOG_INFO, names[i], NULL, 0);
    }
    assert_int_equal(t.lines, CPS_LOG_KINDS_MAX);
    cps_log_flush(&log);
    assert_non_null(strstr(t.text, " info other suppressed=64\n"));
}

static void lines_go_to_a_descriptor_and_losses_are_counted(void **state)
{
    (void)state;
    int ends[2];
    char text[128];
    cps_log_t log;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    cps_log_options_t options = {.level = CPS_LOG_INFO, .fd = ends[1]};
    cps_log_init(&log, &options);
    cps_log_event(&log, CPS_LOG_INFO, "e", NULL, 0);
    ssize_t n = read(ends[0], text, sizeof text);
    assert_true(n > 20);
    text[n] = '\0';
    assert_string_equal(text + 27, " info e\n");
    assert_int_equal(strncmp(text, "20", 2), 0); /* the wall clock */
    close(ends[1]);
    cps_log_event(&log, CPS_LOG_INFO, "e", NULL, 0);
    assert_int_equal(log.lost, 1);
    close(ends[0]);
}

static const cps_case_t cases[] = {
    {"", "events are lines of text", events_are_lines_of_text},
    {"", "events are lines of JSON", events_are_lines_of_JSON},
    {"", "what a peer wrote is escaped", what_a_peer_wrote_is_escaped},
    {"", "fields that do not fit are left out whole", fields_that_do_not_fit_are_left_out_whole},
    {"", "levels filter", levels_filter},
    {"OPS-38", "repeated events are limited and add up", repeated_events_are_limited_and_add_up},
    {"", "an event of the next second closes the last", an_event_of_the_next_second_closes_the_last},
    {"", "events beyond the table share a count", events_beyond_the_table_share_a_count},
    {"", "lines go to a descriptor and losses are counted", lines_go_to_a_descriptor_and_losses_are_counted},
};

CPS_RUN("host/log", cases)
