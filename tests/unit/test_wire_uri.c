// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include <stdio.h>

#include "wire/uri.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

enum { OPTIONS_MAX = 40 };

/* Options as one line: "host|port|/a|/b|?q", with what is not printable escaped by the reader of the test. */
static const char *options_of(const char *text, uint16_t destination_port, cps_uri_parts_t parts)
{
    static char line[1024];
    static const char *const labels[] = {[CPS_OPT_URI_HOST] = "host ",
                                         [CPS_OPT_URI_PORT] = "port ",
                                         [CPS_OPT_URI_PATH] = "/",
                                         [CPS_OPT_URI_QUERY] = "?"};
    uint8_t store[1024];
    cps_option_t list[OPTIONS_MAX];
    cps_writer_t w = cps_writer(store, sizeof store);
    cps_writer_t out = cps_writer(line, sizeof line - 1);
    size_t count = 0;
    cps_uri_t uri;
    assert_ok(cps_uri_parse(cps_bytes_str(text), &uri, NULL));
    parts.destination_port = destination_port;
    assert_ok(cps_uri_to_options(&uri, parts, &w, list, OPTIONS_MAX, &count));
    for (size_t i = 0; i < count; i++) {
        cps_write_str(&out, i == 0 ? "" : "|");
        cps_write_str(&out, labels[list[i].number]);
        char number[12];
        uint32_t value;
        if (list[i].number != CPS_OPT_URI_PORT) {
            cps_write_bytes(&out, list[i].value);
            continue;
        }
        assert_ok(cps_opt_uint(list[i].value, &value));
        snprintf(number, sizeof number, "%u", (unsigned)value);
        cps_write_str(&out, number);
    }
    assert_ok(cps_writer_err(&out));
    *out.cur = '\0';
    return line;
}

static void assert_options(const char *text, const char *expected)
{
    assert_string_equal(options_of(text, 5683, (cps_uri_parts_t){0}), expected);
}

static void assert_refused(const char *text)
{
    cps_uri_t uri;
    const char *reason = NULL;
    cps_err_t err = cps_uri_parse(cps_bytes_str(text), &uri, &reason);
    if (err != CPS_ERR_BAD_URI)
        print_error("%s was taken\n", text);
    assert_err(CPS_ERR_BAD_URI, err);
    assert_non_null(reason);
    assert_err(CPS_ERR_BAD_URI, cps_uri_parse(cps_bytes_str(text), &uri, NULL));
}

/* RFC 7252 §6.3 */
static void equivalent_uris_give_the_same_options(void **state)
{
    (void)state;
    static const char *const uris[] = {
        "coap://example.com:5683/~sensors/temp.xml", "coap://EXAMPLE.com/%7Esensors/temp.xml",
        "coap://EXAMPLE.com:/%7esensors/temp.xml", "COAP://example.com/./x/../~sensors/temp.xml"};
    for (size_t i = 0; i < COUNT(uris); i++)
        assert_options(uris[i], "host example.com|/~sensors|/temp.xml");
}

static void splitting_fails_on_what_is_no_absolute_uri(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "/a",
        "//h/a",
        "a",
        "h/a:b",
        "coap",
        "coap:",
        "coap:/",
        "coap:a",
        "coap:/h/a",
        "ftp://h/a",
        "coap+udp://h/a",
        "coap://",
        "coap:///a",
        "coap://:5683/a",
        "coap://?a",
        "coap://h/a#f",
        "coap://h/#",
        "coap://h#",
        "coap://h?a#f",
        "coap://user@h/a",
        "coap://u:p@h/a",
        "coap://@h",
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_refused(bad[i]);
    assert_options("coap://h/a/../b", "host h|/b");
    assert_options("coap://h/a/./b/../../c/", "host h|/c|/");
    assert_options("coap://h/../../a", "host h|/a");
    assert_options("coap://h/a/..", "host h");
    assert_options("coap://h/a/b/..", "host h|/a|/");
    assert_options("coap://h/a/.", "host h|/a|/");
    assert_options("coap://h/.", "host h");
    assert_options("coap://h//..", "host h");
    assert_options("coap://h/.../a..", "host h|/...|/a..");
}

static const char *const other_texts[] = {
    "coap://h:65536/",
    "coap://h:0/",
    "coap://h:5683a/",
    "coap://h:-1",
    "coap://h:99999999999",
    "coap://h/%",
    "coap://h/%4",
    "coap://h/%4g",
    "coap://h/?%zz",
    "coap://%zz/",
    "coap://h/a b",
    "coap://h/\"",
    "coap://h/<",
    "coap://h/\xc3\xa9",
    "coap://h/?a|b",
    "coap://h/?^",
    "coap://h\\a/",
    "coap://h o/",
    "coap://h%20o/",
    "coap://h%2Fo/",
    "coap://h%00/",
    "coap://%FF/",
    "coap://a%25b/",
    "coap://h%40o/",
    "coap://h:1:2/",
    "coap://[::1/",
    "coap://[::1]x/",
    "coap://[::1]5683/",
    "coap://[1.2.3.4]/",
    "coap://[door]/",
    "coap://[v1.x]/",
    "coap://[]/",
    "coap://[::1%eth0]/",
    "coap://[::1%25]/",
    "coap://[::1%25a%2Fb]/",
    "coap://::1/",
    "coap://%3A%3A1/",
    "coap://[fe80::1%25aaaaaaaaaabbbbbbbbbbccccccccccdd]/",
    "coap://1.2.3/",
    "coap://1.2.3.4.5/",
    "coap://1.2.3.256/",
    "coap://1.2.3.04/",
    "coap://2130706433/",
    "coap://0x7f000001/",
    "coap://door.0x7f/",
    "coap://1.2.3.4./",
    "coap://127.1/",
};

static void other_texts_that_are_no_uri(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(other_texts); i++)
        assert_refused(other_texts[i]);
    char long_host[400] = "coap://";
    memset(long_host + 7, 'a', 256);
    assert_refused(long_host);
    long_host[7 + 255] = '\0';
    cps_uri_t uri;
    assert_ok(cps_uri_parse(cps_bytes_str(long_host), &uri, NULL));
    assert_int_equal(strlen(uri.host), 255);
}

static void host_and_port_are_left_out_where_the_destination_says_them(void **state)
{
    (void)state;
    assert_options("coap://EXAMPLE.com/", "host example.com");
    assert_options("coap://caf%C3%A9.example/", "host caf\xc3\xa9.example");
    assert_options("coap://192.0.2.1/", "");
    assert_options("coap://192%2E0.2.1/", "");
    assert_options("coap://[::1]/", "");
    assert_options("coap://[2001:DB8:0:0::1]/a", "/a");
    assert_options("coap://h:61616/", "host h|port 61616");
    assert_options("coap://[::1]:61616/", "port 61616");
    assert_string_equal(options_of("coap://h:61616/", 61616, (cps_uri_parts_t){0}), "host h");
    assert_string_equal(options_of("coap://h/", 61616, (cps_uri_parts_t){0}), "host h|port 5683");
    assert_string_equal(options_of("coaps://h/", 5684, (cps_uri_parts_t){0}), "host h");
    cps_uri_parts_t all = {.host = true, .port = true};
    assert_string_equal(options_of("coap://192.0.2.1/", 5683, all), "host 192.0.2.1|port 5683");
    assert_string_equal(options_of("coap://[2001:DB8:0:0::1%25eth0]/a", 5683, all), "host [2001:db8::1]|port 5683|/a");
}

static void a_path_gives_one_option_a_segment(void **state)
{
    (void)state;
    assert_options("coap://h/a%2Fb", "host h|/a/b");
    assert_options("coap://h/foo/", "host h|/foo|/");
    assert_options("coap://h//", "host h|/|/");
    assert_options("coap://h/", "host h");
    assert_options("coap://h", "host h");
    assert_options("coap://h//a", "host h|/|/a");
    assert_options("coap://h/%E2%98%83/:@!$&'()*+,;=", "host h|/\xe2\x98\x83|/:@!$&'()*+,;=");
}

static void a_query_gives_one_option_a_part(void **state)
{
    (void)state;
    assert_options("coap://h/?a=1&b", "host h|?a=1|?b");
    assert_options("coap://h/?", "host h|?");
    assert_options("coap://h?", "host h|?");
    assert_options("coap://h/?%26", "host h|?&");
    assert_options("coap://h/?&", "host h|?|?");
    assert_options("coap://h/?a=%3D/?&", "host h|?a==/?|?");
}

static void values_have_their_limits(void **state)
{
    (void)state;
    static char text[70000];
    static uint8_t store[70000];
    cps_option_t list[4];
    cps_uri_t uri;
    for (size_t len = 254; len <= 256; len++) {
        size_t count = 0;
        cps_writer_t w = cps_writer(store, sizeof store);
        snprintf(text, sizeof text, "coap://192.0.2.1/%0*d", (int)len, 0);
        assert_ok(cps_uri_parse(cps_bytes_str(text), &uri, NULL));
        cps_err_t err = cps_uri_to_options(&uri, (cps_uri_parts_t){.destination_port = 5683}, &w, list, 4, &count);
        assert_err(len > 255 ? CPS_ERR_BAD_URI : CPS_OK, err);
        assert_int_equal(count, len > 255 ? 0 : 1);
        assert_int_equal(cps_written(&w).len, len > 255 ? 0 : len);
    }
    cps_writer_t slashes = cps_writer(text, sizeof text);
    cps_write_str(&slashes, "coap://h");
    memset(slashes.cur, '/', cps_writer_room(&slashes));
    assert_ok(cps_uri_parse(cps_bytes(text, sizeof text), &uri, NULL));
    size_t count = 0;
    cps_writer_t w = cps_writer(store, sizeof store);
    cps_uri_parts_t parts = {.destination_port = 5683};
    assert_err(CPS_ERR_NO_SPACE, cps_uri_to_options(&uri, parts, &w, list, 4, &count));
    w = cps_writer(store, 3);
    assert_ok(cps_uri_parse(cps_bytes_str("coap://door/a"), &uri, NULL));
    assert_err(CPS_ERR_NO_SPACE, cps_uri_to_options(&uri, parts, &w, list, 4, &count));
    assert_int_equal(count, 0);
}

static void schemes_have_names_and_ports(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t port;
    } rows[CPS_SCHEME_COUNT] = {{"coap", 5683},  {"coaps", 5684},   {"coap+tcp", 5683}, {"coaps+tcp", 5684},
                                {"coap+ws", 80}, {"coaps+ws", 443}, {"http", 80},       {"https", 443}};
    for (int i = 0; i < CPS_SCHEME_COUNT; i++) {
        cps_scheme_t scheme = CPS_SCHEME_COUNT;
        assert_true(cps_scheme_find(cps_bytes_str(rows[i].name), &scheme));
        assert_int_equal(scheme, i);
        assert_string_equal(cps_scheme_name(scheme), rows[i].name);
        assert_int_equal(cps_scheme_port(scheme), rows[i].port);
        char text[64];
        cps_uri_t uri;
        snprintf(text, sizeof text, "%s://h/a?b", rows[i].name);
        assert_ok(cps_uri_parse(cps_bytes_str(text), &uri, NULL));
        assert_int_equal(uri.port, rows[i].port);
        assert_ptr_equal(uri.path.ptr, text + strlen(rows[i].name) + 4);
        assert_bytes(cps_bytes_str("b"), uri.query);
    }
    cps_scheme_t scheme;
    assert_true(cps_scheme_find(cps_bytes_str("CoAPs+Tcp"), &scheme));
    assert_int_equal(scheme, CPS_SCHEME_COAPS_TCP);
    assert_false(cps_scheme_find(cps_bytes_str("coa"), &scheme) || cps_scheme_find(cps_bytes_str(""), &scheme));
}

static const char *const canonical[] = {"0.0.0.0",
                                        "192.0.2.1",
                                        "255.255.255.255",
                                        "::",
                                        "::1",
                                        "1::",
                                        "2001:db8::1",
                                        "2001:db8:0:1:1:1:1:1",
                                        "2001:db8::1:0:0:1",
                                        "1:2:3:4:5:6:7:8",
                                        "::ffff:192.0.2.1",
                                        "fe80::1:0:0:0",
                                        "0:0:1::",
                                        "::1:0:0:0"};

static const char *const spellings[][2] = {{"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
                                           {"0:0:0:0:0:0:0:0", "::"},
                                           {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
                                           {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
                                           {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
                                           {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
                                           {"00ab::0001", "ab::1"}};

static const char *const no_addresses[] = {"",
                                           ":",
                                           ":::",
                                           "1",
                                           "1:",
                                           ":1",
                                           "1:2:3:4:5:6:7",
                                           "1:2:3:4:5:6:7:8:9",
                                           "1::2::3",
                                           "1:2:3:4:5:6:7:8::",
                                           "::1:2:3:4:5:6:7:8",
                                           "12345::",
                                           "g::",
                                           "::1.2.3",
                                           "::1.2.3.4:5",
                                           "1:2:3:4:5:6:7:1.2.3.4",
                                           "1.2.3",
                                           "1.2.3.4.5",
                                           "1.2.3.256",
                                           "01.2.3.4",
                                           "1.2.3.4 ",
                                           "1..2.3",
                                           ".1.2.3",
                                           "1.2.3.",
                                           "[::1]",
                                           "::1%1",
                                           "1.2.3.0004",
                                           "-1.2.3.4"};

static void addresses_are_written_as_rfc_5952_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(canonical); i++) {
        cps_addr_t addr = {0};
        char text[64];
        cps_writer_t w = cps_writer(text, sizeof text - 1);
        assert_true(cps_ip_parse(cps_bytes_str(canonical[i]), addr.ip, &addr.family));
        cps_uri_write_addr(&w, &addr);
        *w.cur = '\0';
        char expected[64];
        bool is_ipv6 = addr.family == CPS_FAMILY_IPV6;
        assert_int_equal(is_ipv6, strchr(canonical[i], ':') != NULL);
        snprintf(expected, sizeof expected, is_ipv6 ? "[%s]" : "%s", canonical[i]);
        assert_string_equal(text, expected);
    }
}

static void addresses_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(spellings); i++) {
        uint8_t ips[2][16];
        uint8_t families[2];
        for (int j = 0; j < 2; j++)
            assert_true(cps_ip_parse(cps_bytes_str(spellings[i][j]), ips[j], &families[j]));
        assert_memory_equal(ips[0], ips[1], 16);
        assert_int_equal(families[0], families[1]);
    }
    for (size_t i = 0; i < COUNT(no_addresses); i++) {
        uint8_t ip[16];
        uint8_t family;
        if (cps_ip_parse(cps_bytes_str(no_addresses[i]), ip, &family))
            fail_msg("%s was taken", no_addresses[i]);
    }
}

static void zones_are_kept(void **state)
{
    (void)state;
    cps_uri_t uri;
    assert_ok(cps_uri_parse(cps_bytes_str("coap://[FE80::1%25eth0]:61616/a"), &uri, NULL));
    assert_string_equal(uri.host, "fe80::1");
    assert_string_equal(uri.zone, "eth0");
    assert_int_equal(uri.port, 61616);
    assert_int_equal(uri.family, CPS_FAMILY_IPV6);
    assert_ok(cps_uri_parse(cps_bytes_str("coap://[fe80::1%25en%3A1]"), &uri, NULL));
    assert_string_equal(uri.zone, "en:1");
}

static const cps_case_t cases[] = {
    {"REQ-55", "equivalent URIs give the same options", equivalent_uris_give_the_same_options},
    {"REQ-56", "splitting fails on what is no absolute URI; dot segments are resolved",
     splitting_fails_on_what_is_no_absolute_uri},
    {"", "other texts that are no URI are refused with a reason", other_texts_that_are_no_uri},
    {"REQ-57", "Uri-Host and Uri-Port say only what the destination does not",
     host_and_port_are_left_out_where_the_destination_says_them},
    {"REQ-58", "a path gives one Uri-Path a segment", a_path_gives_one_option_a_segment},
    {"REQ-59", "a query gives one Uri-Query a part", a_query_gives_one_option_a_part},
    {"", "values end at 255 bytes, lists and stores at their size", values_have_their_limits},
    {"", "schemes have names and ports", schemes_have_names_and_ports},
    {"", "addresses are written as RFC 5952 says", addresses_are_written_as_rfc_5952_says},
    {"", "addresses are read in any spelling of RFC 3986", addresses_are_read},
    {"", "zones are kept", zones_are_kept},
};

CPS_RUN("wire_uri", cases)
