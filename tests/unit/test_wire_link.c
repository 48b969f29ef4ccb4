// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include "wire/link.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* The link at a place of a document that is well-formed. */
static cps_link_t link_at(const char *document, size_t place)
{
    cps_bytes_t rest = cps_bytes_str(document);
    cps_link_t link = {0};
    cps_err_t err;
    for (size_t i = 0; i <= place; i++)
        assert_true(cps_link_next(&rest, &link, &err));
    return link;
}

static size_t count_links(const char *document, cps_err_t *err)
{
    cps_bytes_t rest = cps_bytes_str(document);
    cps_link_t link;
    size_t count = 0;
    while (cps_link_next(&rest, &link, err))
        count++;
    return count;
}

/* The value of an attribute, unescaped; NULL where the link has none, "-" where it has no value. */
static const char *attr_of(const cps_link_t *link, const char *name)
{
    static char text[128];
    cps_link_attr_t attr;
    if (!cps_link_get(link, name, &attr))
        return NULL;
    if (!attr.has_value)
        return "-";
    cps_writer_t w = cps_writer(text, sizeof text - 1);
    assert_ok(cps_link_unescape(attr.value, &w));
    *w.cur = '\0';
    return text;
}

static void links_are_read(void **state)
{
    (void)state;
    const char *document =
        "</sensors>;ct=40;title=\"Sensor, Index; \\\"all\\\" \\\\ \\c\",</a,b;c>;rt=\"a b\";if=x;obs,"
        "<coap://h/x>;rel=\"describedby\";foo,<>;sz=12;caf\xc3\xa9=1";
    cps_err_t err;
    assert_int_equal(count_links(document, &err), 3);
    assert_err(CPS_ERR_FORMAT, err); /* a name has no letters beyond ASCII */
    document = "</sensors>;ct=40;title=\"Sensor, Index; \\\"all\\\" \\\\ \\c\",</a,b;c>;rt=\"a b\";if=x;obs,"
               "<coap://h/x>;rel=\"describedby\";foo,<>;sz=12;title=\"caf\xc3\xa9\"";
    assert_int_equal(count_links(document, &err), 4);
    assert_ok(err);
    cps_link_t link = link_at(document, 0);
    assert_bytes(cps_bytes_str("/sensors"), link.target);
    assert_string_equal(attr_of(&link, "ct"), "40");
    assert_string_equal(attr_of(&link, "title"), "Sensor, Index; \"all\" \\ c");
    link = link_at(document, 1);
    assert_bytes(cps_bytes_str("/a,b;c"), link.target);
    assert_string_equal(attr_of(&link, "rt"), "a b");
    assert_string_equal(attr_of(&link, "if"), "x");
    assert_string_equal(attr_of(&link, "obs"), "-");
    assert_null(attr_of(&link, "ct"));
    link = link_at(document, 2);
    assert_string_equal(attr_of(&link, "foo"), "-");
    link = link_at(document, 3);
    assert_int_equal(link.target.len, 0);
    assert_string_equal(attr_of(&link, "title"), "caf\xc3\xa9");
    link = link_at("</a>;href=\"/b\";x=1", 0);
    assert_null(attr_of(&link, "href"));
    assert_string_equal(attr_of(&link, "x"), "1");
    link = link_at(" </a> ; x = 1 ;\r\n y=\"2\" , </b>", 0);
    assert_string_equal(attr_of(&link, "y"), "2");
    assert_int_equal(count_links(" </a> ; x = 1 ;\r\n y=\"2\" , </b>\n", &err), 2);
    assert_ok(err);
    assert_int_equal(count_links("", &err), 0);
    assert_ok(err);
}

static void malformed_documents_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "a",
        "<",
        "</a",
        "/a>",
        "</a>,",
        "</a>,,</b>",
        ",</a>",
        "</a></b>",
        "</a>;",
        "</a>;;x",
        "</a>;=1",
        "</a>;x=",
        "</a>;x=\"",
        "</a>;x=\"a",
        "</a>;x=\"\\",
        "</a>;x=\"\\\"",
        "</a>;x=\"a\"b",
        "</a>;x=a b",
        "</a>;x=a\"b\"",
        "</a>;x=a\\b",
        "</a>;\"x\"",
        "</a>x",

        "</\xff>",
        "</a>;x=\"\xc3\"",
        "</a>;x=\xc3\xa9",
        "</a>;x y",
        "</a>;x=1;",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        cps_err_t err;
        size_t count = count_links(bad[i], &err);
        if (err == CPS_OK)
            print_error("%s was taken\n", bad[i]);
        assert_err(CPS_ERR_FORMAT, err);
        assert_true(count <= 1);
    }
    cps_bytes_t attributes = cps_bytes_str("x=1");
    cps_link_attr_t attr;
    cps_err_t err;
    assert_false(cps_link_attr_next(&attributes, &attr, &err));
    assert_err(CPS_ERR_FORMAT, err);
}

/* RFC 6690 §4.1, on the list of its section 5. */
static const char *const fixed_list = "</foo>;rt=\"a b\";if=\"sensor\";ct=41,"
                                      "</foo/bar>;rt=a;foo=bar;sz=10,"
                                      "</x%20y>;rt=\"abc\";foo=\"bar\\\"s\";obs,"
                                      "<coap://h/foo>;anchor=\"/foo\";rel=\"describedby self\"";

static void assert_filtered(const char *query, const char *expected)
{
    char hits[8] = "";
    size_t count = 0;
    for (size_t i = 0; i < 4; i++) {
        cps_link_t link = link_at(fixed_list, i);
        if (cps_link_matches(&link, cps_bytes_str(query)))
            hits[count++] = (char)('0' + i);
    }
    if (strcmp(hits, expected) != 0)
        print_error("%s\n", query);
    assert_string_equal(hits, expected);
}

static void filters_pick_links(void **state)
{
    (void)state;
    assert_filtered("href=/foo", "0");
    assert_filtered("href=/foo*", "01");
    assert_filtered("href=*", "0123");
    assert_filtered("href=/x y", "2");
    assert_filtered("href=/x%20y", "2");
    assert_filtered("href=/fo", "");
    assert_filtered("href=", "");
    assert_filtered("rt=a", "01");
    assert_filtered("rt=a*", "012");
    assert_filtered("rt=ab*", "2");
    assert_filtered("foo=*", "12");
    assert_filtered("foo=bar*", "12");
    assert_filtered("foo=bar", "1");
    assert_filtered("foo=bar\"s", "2");
    assert_filtered("foo=bar\\\"s", "");
    assert_filtered("ct=41", "0");
    assert_filtered("ct=4", "");
    assert_filtered("obs=*", "2");
    assert_filtered("nosuch=*", "");
    assert_filtered("RT=a", "");
    assert_filtered("rt", "0123");
    assert_filtered("", "0123");
    assert_filtered("=x", "");
}

static void space_separated_values_match_one_by_one(void **state)
{
    (void)state;
    assert_filtered("rt=b", "0");
    assert_filtered("rt=a b", "");
    assert_filtered("rt=a b*", "");
    assert_filtered("rt=", "");
    assert_filtered("if=sensor", "0");
    assert_filtered("rel=self", "3");
    assert_filtered("rel=describedby self", "");
    cps_link_t link = link_at("</a>;if=\"x y\";rel=\" x  y \"", 0);
    assert_true(cps_link_matches(&link, cps_bytes_str("if=y")));
    assert_false(cps_link_matches(&link, cps_bytes_str("if=x y")));
    assert_true(cps_link_matches(&link, cps_bytes_str("rel=y")));
    assert_false(cps_link_matches(&link, cps_bytes_str("rel=")));
}

static void contexts_are_anchor_then_origin(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"</a>;anchor=\"coap://other/x\"", "coap://other/x"},
        {"<coap://h:61616/a/b?c>;anchor=\"/x\"", "/x"},
        {"<coap://h:61616/a/b?c>", "coap://h:61616"},
        {"<coap+tcp://h>", "coap+tcp://h"},
        {"<coap://h?x=://y/z>", "coap://h"},
        {"</a>", ""},
        {"<>", ""},
        {"<//h/a>", ""},
        {"</a?x=coap://h/b>", ""},
        {"<://h/>", ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        cps_link_t link = link_at(rows[i][0], 0);
        assert_bytes(cps_bytes_str(rows[i][1]), cps_link_context(&link));
    }
}

static cps_err_t write_twice(const char *name, const char *value)
{
    uint8_t buf[128];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_link_writer_t lw = cps_link_writer(&w);
    cps_link_begin(&lw, cps_bytes_str("/a"));
    cps_link_attr(&lw, name, cps_bytes_str(value));
    assert_ok(cps_link_writer_err(&lw));
    cps_link_attr(&lw, name, cps_bytes_str(value));
    return cps_link_writer_err(&lw);
}

static void single_attributes_stand_once(void **state)
{
    (void)state;
    static const char *const single[] = {"rt", "if", "sz", "ct", "title"};
    for (size_t i = 0; i < COUNT(single); i++)
        assert_err(CPS_ERR_ARGUMENT, write_twice(single[i], "40"));
    assert_ok(write_twice("foo", "40"));
    cps_link_t link = link_at("</a>;rt=first;ct=\"0 40\";rt=second;ct=50", 0);
    assert_string_equal(attr_of(&link, "rt"), "first");
    assert_true(cps_link_matches(&link, cps_bytes_str("rt=first")));
    assert_false(cps_link_matches(&link, cps_bytes_str("rt=second")));
    cps_link_attr_t ct;
    uint16_t codes[2];
    uint16_t more;
    assert_true(cps_link_get(&link, "ct", &ct));
    assert_true(cps_link_ct_next(&ct.value, &codes[0]) && cps_link_ct_next(&ct.value, &codes[1]));
    assert_int_equal(codes[0], 0);
    assert_int_equal(codes[1], 40);
    assert_false(cps_link_ct_next(&ct.value, &more));
    assert_int_equal(ct.value.len, 0);
    static const char *const bad[] = {"65536", "x",  "1x", "-1",  "99999999999999999999", "0 65536", "0  40",
                                      "0 ",    " 0", "",   "0,40"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint8_t buf[128];
        cps_writer_t w = cps_writer(buf, sizeof buf);
        cps_link_writer_t lw = cps_link_writer(&w);
        cps_link_begin(&lw, cps_bytes_str("/a"));
        cps_link_attr(&lw, "ct", cps_bytes_str(bad[i]));
        assert_err(CPS_ERR_ARGUMENT, cps_link_writer_err(&lw));
    }
    cps_bytes_t junk = cps_bytes_str("40 x");
    assert_true(cps_link_ct_next(&junk, &more));
    assert_false(cps_link_ct_next(&junk, &more));
    assert_int_not_equal(junk.len, 0);
    cps_bytes_t largest = cps_bytes_str("65535");
    assert_true(cps_link_ct_next(&largest, &more));
    assert_int_equal(more, 65535);
}

static void osc_has_no_value(void **state)
{
    (void)state;
    static const char *const documents[] = {"</a>;osc", "</a>;osc=1", "</a>;osc;osc", "</a>;osc=\"x\";osc=2"};
    for (size_t i = 0; i < COUNT(documents); i++) {
        cps_link_t link = link_at(documents[i], 0);
        cps_link_attr_t attr;
        assert_true(cps_link_get(&link, "osc", &attr));
        assert_false(attr.has_value || attr.quoted || attr.value.len != 0);
        assert_false(cps_link_matches(&link, cps_bytes_str("osc=1")));
    }
    uint8_t buf[64];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_link_writer_t lw = cps_link_writer(&w);
    cps_link_begin(&lw, cps_bytes_str("/a"));
    cps_link_flag(&lw, "osc");
    cps_link_attr(&lw, "osc", cps_bytes_str("1"));
    cps_link_flag(&lw, "osc");
    cps_link_begin(&lw, cps_bytes_str("/b"));
    cps_link_attr(&lw, "osc", cps_bytes_str("1"));
    cps_link_flag(&lw, "obs");
    assert_ok(cps_link_writer_err(&lw));
    assert_bytes(cps_bytes_str("</a>;osc,</b>;osc;obs"), cps_written(&w));
}

static void links_are_written(void **state)
{
    (void)state;
    uint8_t buf[256];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_link_writer_t lw = cps_link_writer(&w);
    cps_link_begin(&lw, cps_bytes_str("/a,b"));
    cps_link_attr(&lw, "rt", cps_bytes_str("x"));
    cps_link_attr(&lw, "ct", cps_bytes_str("0 40"));
    cps_link_attr(&lw, "sz", cps_bytes_str("12"));
    cps_link_attr(&lw, "title", cps_bytes_str("say \"\\\""));
    cps_link_begin(&lw, cps_bytes_str(""));
    cps_link_attr(&lw, "rt", cps_bytes_str("y"));
    cps_link_attr(&lw, "x", cps_bytes_str(""));
    cps_link_attr(&lw, "y", cps_bytes_str("a;b"));
    assert_ok(cps_link_writer_err(&lw));
    assert_bytes(
        cps_bytes_str("</a,b>;rt=\"x\";ct=\"0 40\";sz=12;title=\"say \\\"\\\\\\\"\",<>;rt=\"y\";x=\"\";y=\"a;b\""),
        cps_written(&w));
    w = cps_writer(buf, 5);
    lw = cps_link_writer(&w);
    cps_link_begin(&lw, cps_bytes_str("/sensors"));
    assert_err(CPS_ERR_NO_SPACE, cps_link_writer_err(&lw));
}

static void what_cannot_be_written_is_refused(void **state)
{
    (void)state;
    static const char *const bad[][3] = {{"/a", "href", "/b"},      {"/a", "", "x"},     {"/a", "a b", "x"},
                                         {"/a", "a=b", "x"},        {"/a>", "x", "y"},   {"/a\n", "x", "y"},
                                         {"/\xff", "x", "y"},       {"/a", "x", "\x01"}, {"/a", "x", "\xc3"},
                                         {"/a", "caf\xc3\xa9", "x"}};
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint8_t buf[64];
        cps_writer_t w = cps_writer(buf, sizeof buf);
        cps_link_writer_t lw = cps_link_writer(&w);
        cps_link_begin(&lw, cps_bytes_str(bad[i][0]));
        cps_link_attr(&lw, bad[i][1], cps_bytes_str(bad[i][2]));
        assert_err(CPS_ERR_ARGUMENT, cps_link_writer_err(&lw));
    }
    uint8_t buf[64];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_link_writer_t lw = cps_link_writer(&w);
    cps_link_flag(&lw, "obs"); /* before any link */
    assert_err(CPS_ERR_ARGUMENT, cps_link_writer_err(&lw));
    assert_int_equal(cps_written(&w).len, 0);
}

static const cps_case_t cases[] = {
    {"REQ-67", "links are read with commas and semicolons inside quotes and brackets", links_are_read},
    {"", "malformed documents are refused", malformed_documents_are_refused},
    {"REQ-64", "filters pick links by name and value, exact or as prefix", filters_pick_links},
    {"REQ-65", "space separated rt, if and rel match one by one", space_separated_values_match_one_by_one},
    {"REQ-68", "the context is the anchor, else the origin of the target", contexts_are_anchor_then_origin},
    {"REQ-69", "rt, if, sz and ct stand once; ct is one list of codes", single_attributes_stand_once},
    {"OSC-69", "osc has no value and stands once", osc_has_no_value},
    {"", "links are written with quotes where they have to be", links_are_written},
    {"", "what cannot be written is refused", what_cannot_be_written_is_refused},
};

CPS_RUN("wire_link", cases)
