// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include "wire/uri.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* The specificity, or 0 where the pattern does not match. */
static unsigned match(const char *pattern, const char *text)
{
    cps_uri_t uri;
    unsigned specificity = 0;
    assert_ok(cps_uri_parse(cps_bytes_str(text), &uri, NULL));
    bool matches = cps_uri_match(cps_bytes_str(pattern), &uri, &specificity);
    assert_int_equal(matches, specificity != 0);
    return specificity;
}

static void patterns_match_what_they_say(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"coap://door.local/lock", "coap://door.local/lock"},
        {"coap://door.local/lock", "coap://door.local/lock?force=1"},
        {"coap://door.local/**", "coap://door.local"},
        {"coap://door.local/**", "coap://door.local/"},
        {"coap://door.local/**", "coap://door.local/a/b/c"},
        {"coap://door.local/lock/**", "coap://door.local/lock"},
        {"coap://door.local/lock/**", "coap://door.local/lock/"},
        {"coap://door.local/lock/**", "coap://door.local/lock/a/b"},
        {"coap://door.local/*/state", "coap://door.local/lock/state"},
        {"coap://door.local/*", "coap://door.local/lock"},
        {"coap://door.local/*/**", "coap://door.local/lock/a"},
        {"coap://*/lock", "coap://window.local/lock"},
        {"coap://*/lock", "coap://[2001:db8::1]/lock"},
        {"coap://*:61616/lock", "coap://192.0.2.1:61616/lock"},
        {"coap://door.local", "coap://door.local/"},
        {"coap://[fe80::1%25eth0]/**", "coap://[FE80:0::1%25eth0]/a"},
        {"coap://door.local/%2A", "coap://door.local/*"},
        {"coaps://door.local/**", "coaps://door.local:5684/a"},
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        assert_ok(cps_uri_pattern_check(cps_bytes_str(pairs[i][0]), NULL));
        if (match(pairs[i][0], pairs[i][1]) == 0)
            fail_msg("%s does not match %s", pairs[i][0], pairs[i][1]);
    }
}

static void patterns_match_nothing_else(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"coap://door.local/lock", "coap://door.local/locks"},
        {"coap://door.local/lock", "coap://door.local/loc"},
        {"coap://door.local/lock", "coap://door.local/lock/"},
        {"coap://door.local/lock", "coap://door.local/Lock"},
        {"coap://door.local/lock", "coap://door.local/"},
        {"coap://door.local/lock", "coap://door.local/lock/a"},
        {"coap://door.local/lock", "coap://door.local.evil.example/lock"},
        {"coap://door.local/lock", "coap://door.loca/lock"},
        {"coap://door.local/lock", "coap://door.local:61616/lock"},
        {"coap://*/lock", "coap://door.local:61616/lock"},
        {"coap://door.local/lock", "coaps://door.local/lock"},
        {"coap://door.local/lock", "coap+tcp://door.local/lock"},
        {"coap://door.local/lock/**", "coap://door.local/locks"},
        {"coap://door.local/lock/**", "coap://door.local/a/lock"},
        {"coap://door.local/*", "coap://door.local/"},
        {"coap://door.local/*", "coap://door.local/a/b"},
        {"coap://door.local/*", "coap://door.local/a/"},
        {"coap://door.local/*/**", "coap://door.local/"},
        {"coap://door.local/%2A", "coap://door.local/lock"},
        {"coap://door.local/a%2Fb", "coap://door.local/a/b"},
        {"coap://door.local/**", "coap://door.local.:5683/"},
        {"coap://[fe80::1%25eth0]/**", "coap://[fe80::1%25eth1]/a"},
        {"coap://[fe80::1%25eth0]/**", "coap://[fe80::1]/a"},
        {"coap://door.local/**", "coap://192.0.2.1/"},
        {"coap://door.local/lock", "coap://door.local/lock/%2E%2E/lock"},
        {"coap://door.local/*", "coap://door.local/%2E%2E"},
        {"lock", "coap://door.local/lock"},
    };
    for (size_t i = 0; i < COUNT(pairs); i++)
        if (match(pairs[i][0], pairs[i][1]) != 0)
            fail_msg("%s matches %s", pairs[i][0], pairs[i][1]);
}

static void equivalent_uris_match_alike(void **state)
{
    (void)state;
    static const char *const patterns[] = {"coap://door.local/~a/lock", "COAP://DOOR.local:5683/%7ea/%6Cock",
                                           "coap://door.local:/./~a/x/../lock"};
    static const char *const uris[] = {"coap://door.local/~a/lock", "CoAP://Door.LOCAL:5683/%7Ea/lock",
                                       "coap://door.local:/%7ea/%6cock?x", "coap://door.local/b/../~a/./lock"};
    unsigned specificity = match(patterns[0], uris[0]);
    assert_int_not_equal(specificity, 0);
    for (size_t i = 0; i < COUNT(patterns); i++)
        for (size_t j = 0; j < COUNT(uris); j++)
            assert_int_equal(match(patterns[i], uris[j]), specificity);
}

/* Every one beats all behind it. */
static void the_more_specific_pattern_wins(void **state)
{
    (void)state;
    static const char *const ranked[] = {
        "coap://door.local/a/b/c",
        "coap://door.local/a/b/*",
        "coap://door.local/a/*/c",
        "coap://door.local/a/*/*",
        "coap://door.local/*/b/c",
        "coap://door.local/*/*/c",
        "coap://door.local/*/*/*",
        "coap://door.local/a/b/c/**",
        "coap://door.local/a/b/**",
        "coap://door.local/a/**",
        "coap://door.local/*/b/**",
        "coap://door.local/**",
        "coap://*/a/b/c",
        "coap://*/a/b/*",
        "coap://*/a/**",
        "coap://*/**",
    };
    unsigned last = 0;
    for (size_t i = 0; i < COUNT(ranked); i++) {
        unsigned specificity = match(ranked[i], "coap://door.local/a/b/c");
        assert_int_not_equal(specificity, 0);
        if (i > 0 && specificity >= last)
            fail_msg("%s is not less specific than %s", ranked[i], ranked[i - 1]);
        last = specificity;
    }
}

static void what_is_no_pattern_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "*",
        "door.local/**",
        "coap://",
        "coap://door.local/lock*",
        "coap://door.local/*lock",
        "coap://door.local/**/a",
        "coap://door.local/a**",
        "coap://door.local/***",
        "coap://*.local/a",
        "coap://door*/a",
        "coap://**/a",
        "coap://door.local/a?b",
        "coap://door.local/?",
        "coap://door.local/a#b",
        "coap://door.local:*/a",
        "coap://door.local/%2E%2E",
        "coap://door.local/a b",
        "*://door.local/a",
        "coap://h/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/33",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        const char *reason = NULL;
        cps_err_t err = cps_uri_pattern_check(cps_bytes_str(bad[i]), &reason);
        if (err == CPS_OK)
            print_error("%s was taken\n", bad[i]);
        assert_err(CPS_ERR_BAD_URI, err);
        assert_non_null(reason);
    }
    assert_ok(
        cps_uri_pattern_check(cps_bytes_str("coap://h/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/"
                                            "24/25/26/27/28/29/30/31/**"),
                              NULL));
}

static void append(cps_writer_t *w, const char *part, int times)
{
    for (int i = 0; i < times; i++)
        cps_write_str(w, part);
    assert_ok(cps_writer_err(w));
    *w->cur = '\0';
}

static void deep_paths_are_compared_in_full(void **state)
{
    (void)state;
    char text[1000];
    cps_writer_t w = cps_writer(text, sizeof text - 1);
    append(&w, "coap://h", 1);
    append(&w, "/s", 100);
    assert_int_not_equal(match("coap://h/**", text), 0);
    assert_int_not_equal(match("coap://h/s/s/**", text), 0);
    assert_int_equal(match("coap://h/s/t/**", text), 0);
    append(&w, "/..", 98);
    assert_int_not_equal(match("coap://h/s/s/", text), 0); /* the last ".." leaves an empty segment */
    assert_int_equal(match("coap://h/s/s", text), 0);
}

static const cps_case_t cases[] = {
    {"", "patterns match what they say", patterns_match_what_they_say},
    {"", "patterns match nothing else", patterns_match_nothing_else},
    {"", "equivalent URIs match alike", equivalent_uris_match_alike},
    {"", "the more specific pattern wins", the_more_specific_pattern_wins},
    {"", "what is no pattern is refused with a reason", what_is_no_pattern_is_refused},
    {"", "paths deeper than a pattern are compared in full", deep_paths_are_compared_in_full},
};

CPS_RUN("wire_uri_match", cases)
