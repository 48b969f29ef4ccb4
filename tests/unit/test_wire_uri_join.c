// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include <stdio.h>

#include "wire/uri.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

enum { OPTIONS_MAX = 40 };

/* Write the options of a request. */
static cps_bytes_t encode(const cps_option_t *list, size_t count)
{
    static uint8_t buf[1024];
    cps_option_t copy[OPTIONS_MAX];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    for (size_t i = 0; i < count; i++)
        copy[i] = list[i];
    cps_opt_put_list(&ow, copy, count);
    assert_ok(cps_writer_err(&w));
    return cps_written(&w);
}

static const char *joined(const cps_option_t *list, size_t count, const char *destination, uint16_t port)
{
    static char text[1024];
    cps_uri_base_t base = {.scheme = CPS_SCHEME_COAP, .addr.port = port};
    assert_true(cps_ip_parse(cps_bytes_str(destination), base.addr.ip, &base.addr.family));
    cps_writer_t w = cps_writer(text, sizeof text - 1);
    assert_ok(cps_uri_join(encode(list, count), &base, &w));
    *w.cur = '\0';
    return text;
}

#define TEXT(number, text)                                                                                             \
    {                                                                                                                  \
        number, { (const uint8_t *)(text), sizeof(text) - 1 }                                                          \
    }

/* RFC 7252 appendix B */
static const struct {
    const char *uri;
    const char *destination;
    uint16_t port;
    size_t count;
    cps_option_t list[6];
} examples[] = {
    {"coap://[2001:db8::2:1]/", "2001:db8::2:1", 5683, 0, {{0, {NULL, 0}}}},
    {"coap://example.net/", "2001:db8::2:1", 5683, 1, {TEXT(CPS_OPT_URI_HOST, "example.net")}},
    {"coap://example.net/.well-known/core",
     "2001:db8::2:1",
     5683,
     3,
     {TEXT(CPS_OPT_URI_HOST, "example.net"), TEXT(CPS_OPT_URI_PATH, ".well-known"), TEXT(CPS_OPT_URI_PATH, "core")}},
    {"coap://xn--18j4d.example/%E3%81%93%E3%82%93%E3%81%AB%E3%81%A1%E3%81%AF",
     "2001:db8::2:1",
     5683,
     2,
     {TEXT(CPS_OPT_URI_HOST, "xn--18j4d.example"),
      TEXT(CPS_OPT_URI_PATH, "\xe3\x81\x93\xe3\x82\x93\xe3\x81\xab\xe3\x81\xa1\xe3\x81\xaf")}},
    {"coap://198.51.100.1:61616//%2F//?%2F%2F&?%26",
     "198.51.100.1",
     61616,
     6,
     {TEXT(CPS_OPT_URI_PATH, ""), TEXT(CPS_OPT_URI_PATH, "/"), TEXT(CPS_OPT_URI_PATH, ""), TEXT(CPS_OPT_URI_PATH, ""),
      TEXT(CPS_OPT_URI_QUERY, "//"), TEXT(CPS_OPT_URI_QUERY, "?&")}},
};

static void the_examples_of_appendix_b(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(examples); i++) {
        assert_string_equal(joined(examples[i].list, examples[i].count, examples[i].destination, examples[i].port),
                            examples[i].uri);
        uint8_t store[128];
        cps_option_t list[8];
        size_t count = 0;
        cps_writer_t w = cps_writer(store, sizeof store);
        cps_uri_t uri;
        assert_ok(cps_uri_parse(cps_bytes_str(examples[i].uri), &uri, NULL));
        cps_uri_parts_t parts = {.destination_port = examples[i].port};
        assert_ok(cps_uri_to_options(&uri, parts, &w, list, 8, &count));
        assert_int_equal(count, examples[i].count);
        for (size_t j = 0; j < count; j++) {
            assert_int_equal(list[j].number, examples[i].list[j].number);
            assert_bytes(examples[i].list[j].value, list[j].value);
        }
    }
}

static void joining_escapes_all_but_the_allowed_set(void **state)
{
    (void)state;
    uint8_t all[128];
    for (unsigned c = 0; c < 128; c++)
        all[c] = (uint8_t)c;
    cps_option_t list[] = {{CPS_OPT_URI_PATH, cps_bytes(all, 128)}, {CPS_OPT_URI_QUERY, cps_bytes(all, 128)}};
    uint8_t text[1024];
    cps_writer_t w = cps_writer(text, sizeof text - 1);
    assert_ok(cps_uri_join_path(encode(list, 2), &w));
    *w.cur = '\0';
    static const char *const head = "%00%01%02%03%04%05%06%07%08%09%0A%0B%0C%0D%0E%0F%10%11%12%13%14%15%16%17%18%19%1A%"
                                    "1B%1C%1D%1E%1F%20!%22%23$%25";
    static const char *const letters =
        "@ABCDEFGHIJKLMNOPQRSTUVWXYZ%5B%5C%5D%5E_%60abcdefghijklmnopqrstuvwxyz%7B%7C%7D~%7F";
    char expected[1024];
    snprintf(expected, sizeof expected,
             "/%s&'()*+,-.%%2F0123456789:;%%3C=%%3E%%3F%s?%s%%26'()*+,-.%%2F0123456789:;%%3C=%%3E?%s", head, letters,
             head, letters);
    assert_string_equal((char *)text, expected);
}

static void joining_needs_a_valid_host(void **state)
{
    (void)state;
    static const char *const bad[] = {"a b/c", "",      "a b",  "a/b", "a:1", "::1",       "[::1", "[h]",
                                      "%41",   "1.2.3", "\xff", "a@b", "a#b", "[1.2.3.4]", "a?b"};
    cps_uri_base_t base = {.scheme = CPS_SCHEME_COAP, .addr = {.family = CPS_FAMILY_IPV4, .port = 5683}};
    uint8_t buf[64];
    for (size_t i = 0; i < COUNT(bad); i++) {
        cps_option_t host = {CPS_OPT_URI_HOST, cps_bytes_str(bad[i])};
        cps_writer_t w = cps_writer(buf, sizeof buf);
        assert_err(CPS_ERR_BAD_URI, cps_uri_join(encode(&host, 1), &base, &w));
        assert_int_equal(cps_written(&w).len, 0);
    }
    static const char *const good[][2] = {{"EXAMPLE.com", "coap://EXAMPLE.com/"},
                                          {"192.0.2.1", "coap://192.0.2.1/"},
                                          {"[2001:db8::1]", "coap://[2001:db8::1]/"},
                                          {"caf\xc3\xa9", "coap://caf%C3%A9/"}};
    for (size_t i = 0; i < COUNT(good); i++) {
        cps_option_t host = {CPS_OPT_URI_HOST, cps_bytes_str(good[i][0])};
        assert_string_equal(joined(&host, 1, "192.0.2.9", 5683), good[i][1]);
    }
}

static void joining_needs_a_destination_and_a_port(void **state)
{
    (void)state;
    uint8_t buf[64];
    cps_uri_base_t base = {.scheme = CPS_SCHEME_COAPS, .addr.port = 5683};
    cps_writer_t w = cps_writer(buf, sizeof buf);
    assert_err(CPS_ERR_BAD_URI, cps_uri_join(cps_bytes(NULL, 0), &base, &w));
    base.addr.family = CPS_FAMILY_IPV6;
    base.addr.scope_id = 3;
    assert_ok(cps_uri_join(cps_bytes(NULL, 0), &base, &w));
    assert_bytes(cps_bytes_str("coaps://[::%253]:5683/"), cps_written(&w));
    w = cps_writer(buf, sizeof buf);
    assert_ok(cps_uri_join(hex("721634"), &base, &w)); /* Uri-Port 5684 */
    assert_bytes(cps_bytes_str("coaps://[::%253]/"), cps_written(&w));
    w = cps_writer(buf, sizeof buf);
    assert_err(CPS_ERR_BAD_URI, cps_uri_join(hex("70"), &base, &w));
    assert_err(CPS_ERR_BAD_OPTION, cps_uri_join(hex("73001633"), &base, &w));
    assert_int_equal(cps_written(&w).len, 0);
    w = cps_writer(buf, 10);
    assert_err(CPS_ERR_NO_SPACE, cps_uri_join(hex("721634"), &base, &w));
}

static void dot_segments_are_neither_made_nor_resolved(void **state)
{
    (void)state;
    static const char *const uris[] = {"coap://h/%2E", "coap://h/%2e%2E/a", "coap://h/a/.%2E/b", "coap://h/a/%2E."};
    for (size_t i = 0; i < COUNT(uris); i++) {
        uint8_t store[64];
        cps_option_t list[8];
        size_t count = 0;
        cps_writer_t w = cps_writer(store, sizeof store);
        cps_uri_t uri;
        assert_ok(cps_uri_parse(cps_bytes_str(uris[i]), &uri, NULL));
        assert_err(CPS_ERR_BAD_URI, cps_uri_to_options(&uri, (cps_uri_parts_t){0}, &w, list, 8, &count));
        assert_int_equal(count, 0);
    }
    static const char *const dots[] = {".", ".."};
    for (size_t i = 0; i < COUNT(dots); i++) {
        uint8_t buf[64];
        uint16_t bad = 0;
        cps_writer_t w = cps_writer(buf, sizeof buf);
        cps_option_t path = {CPS_OPT_URI_PATH, cps_bytes_str(dots[i])};
        cps_option_t location = {CPS_OPT_LOCATION_PATH, cps_bytes_str(dots[i])};
        assert_err(CPS_ERR_BAD_OPTION, cps_opt_check_send(CPS_GET, &path, 1, &bad));
        assert_err(CPS_ERR_BAD_OPTION, cps_opt_check_send(CPS_CREATED, &location, 1, &bad));
        assert_err(CPS_ERR_BAD_URI, cps_uri_join_path(encode(&path, 1), &w));
        assert_err(CPS_ERR_BAD_OPTION, cps_uri_join_location(encode(&location, 1), &w));
        assert_int_equal(cps_written(&w).len, 0);
    }
}

static const char *location(const cps_option_t *list, size_t count)
{
    static char text[256];
    cps_writer_t w = cps_writer(text, sizeof text - 1);
    assert_ok(cps_uri_join_location(encode(list, count), &w));
    *w.cur = '\0';
    return text;
}

static void a_location_is_a_reference(void **state)
{
    (void)state;
    cps_option_t list[] = {TEXT(CPS_OPT_LOCATION_PATH, "a"), TEXT(CPS_OPT_LOCATION_PATH, "b c"),
                           TEXT(CPS_OPT_LOCATION_PATH, ""), TEXT(CPS_OPT_LOCATION_QUERY, "x=1")};
    assert_string_equal(location(list, 4), "/a/b%20c/?x=1");
    assert_string_equal(location(list + 3, 1), "/?x=1");
    assert_string_equal(location(list, 1), "/a");
    cps_option_t host[] = {TEXT(CPS_OPT_LOCATION_PATH, ""), TEXT(CPS_OPT_LOCATION_PATH, "evil.example")};
    assert_string_equal(location(host, 2), "/.//evil.example");
    uint8_t buf[8];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    assert_err(CPS_ERR_NOT_FOUND, cps_uri_join_location(hex("c0"), &w));
    assert_err(CPS_ERR_NO_SPACE, cps_uri_join_location(hex("89 616161616161616161"), &w));
}

static void a_reserved_location_option_refuses_the_location(void **state)
{
    (void)state;
    static const uint16_t reserved[] = {128, 132, 136, 140};
    for (size_t i = 0; i < COUNT(reserved); i++) {
        uint8_t buf[64];
        cps_writer_t w = cps_writer(buf, sizeof buf);
        cps_option_t path[] = {TEXT(CPS_OPT_LOCATION_PATH, "a"), {reserved[i], {NULL, 0}}};
        cps_option_t query[] = {{reserved[i], {NULL, 0}}, TEXT(CPS_OPT_LOCATION_QUERY, "a")};
        assert_err(CPS_ERR_BAD_OPTION, cps_uri_join_location(encode(path, 2), &w));
        assert_err(CPS_ERR_BAD_OPTION, cps_uri_join_location(encode(query, 2), &w));
        assert_int_equal(cps_written(&w).len, 0);
        assert_err(CPS_ERR_NOT_FOUND, cps_uri_join_location(encode(path + 1, 1), &w));
    }
    assert_int_equal(cps_err_code(CPS_ERR_BAD_OPTION), CPS_BAD_OPTION);
    cps_option_t other[] = {TEXT(CPS_OPT_LOCATION_PATH, "a"), {144, {NULL, 0}}};
    assert_string_equal(location(other, 2), "/a");
}

/* 64 KiB of empty Uri-Path options (REQ-79, the part of a codec). */
static void joining_many_options_ends(void **state)
{
    (void)state;
    static uint8_t options[65536];
    uint8_t buf[1024];
    cps_uri_base_t base = {.scheme = CPS_SCHEME_COAP, .addr = {.family = CPS_FAMILY_IPV4, .port = 5683}};
    cps_writer_t w = cps_writer(buf, sizeof buf);
    options[0] = 0xb0;
    assert_err(CPS_ERR_NO_SPACE, cps_uri_join(cps_bytes(options, sizeof options), &base, &w));
}

static const cps_case_t cases[] = {
    {"REQ-60", "the examples of RFC 7252 appendix B, both ways", the_examples_of_appendix_b},
    {"REQ-60", "joining escapes all but the allowed set", joining_escapes_all_but_the_allowed_set},
    {"REQ-61", "joining needs a valid Uri-Host", joining_needs_a_valid_host},
    {"", "joining needs a destination and a port", joining_needs_a_destination_and_a_port},
    {"REQ-40", "segments . and .. are neither made nor resolved", dot_segments_are_neither_made_nor_resolved},
    {"REQ-49", "Location-* make a reference that stays on its host", a_location_is_a_reference},
    {"REQ-50", "a reserved Location-* option refuses the location", a_reserved_location_option_refuses_the_location},
    {"", "joining 64 KiB of empty segments ends where the buffer ends", joining_many_options_ends},
};

CPS_RUN("wire_uri_join", cases)
