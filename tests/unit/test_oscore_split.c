// SPDX-License-Identifier: Apache-2.0
/* Which option goes where (RFC 8613 §4.1), seen on protected messages. */
#include "oscore_kit.h"

#include <stdio.h>

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

enum { OPTIONS_MAX = 2048 };

typedef struct built {
    cps_msg_t msg;
    uint8_t options[OPTIONS_MAX];
} built_t;

static void build(built_t *b, uint8_t code, const cps_option_t *list, size_t count)
{
    cps_option_t sorted[64];
    assert_true(count <= COUNT(sorted));
    for (size_t i = 0; i < count; i++)
        sorted[i] = list[i];
    cps_writer_t w = cps_writer(b->options, sizeof b->options);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    cps_opt_put_list(&ow, sorted, count);
    assert_ok(cps_writer_err(&w));
    b->msg = (cps_msg_t){.type = CPS_CON, .code = code, .mid = 7, .token = cps_bytes("tk", 2)};
    b->msg.options = cps_written(&w);
}

/* A message on both sides of its protection. */
typedef struct parts {
    kit_t kit;
    cps_bytes_t sealed;
    cps_msg_t outer;
    cps_bytes_t inner_options; /* in the kit's plaintext of the sealing */
    uint8_t plaintext[KIT_BYTES_MAX];
    cps_msg_t joined; /* what the other end gets */
} parts_t;

static void split_request(parts_t *p, const cps_msg_t *plain)
{
    cps_oscore_params_t params = kit_params();
    cps_oscore_binding_t binding;
    cps_oscore_receipt_t receipt;
    cps_bytes_t payload;
    kit_init(&p->kit, &params);
    assert_ok(kit_seal_request(&p->kit, 0, plain, &p->sealed, &binding));
    p->outer = kit_parse(p->sealed);
    cps_bytes_t plaintext = cps_written(&p->kit.plaintext_writer);
    memcpy(p->plaintext, plaintext.ptr, plaintext.len);
    assert_int_equal(p->plaintext[0], plain->code);
    assert_ok(cps_opt_split(cps_bytes(p->plaintext + 1, plaintext.len - 1), &p->inner_options, &payload));
    assert_ok(kit_open_request(&p->kit, p->sealed, &p->joined, &receipt));
}

static void split_response(parts_t *p, const cps_msg_t *plain)
{
    cps_oscore_params_t params = kit_params();
    cps_oscore_binding_t binding = {.piv = {0}, .piv_len = 1};
    cps_bytes_t payload;
    kit_init(&p->kit, &params);
    assert_ok(kit_seal_response(&p->kit, 0, plain, &p->sealed, &binding));
    p->outer = kit_parse(p->sealed);
    cps_bytes_t plaintext = cps_written(&p->kit.plaintext_writer);
    memcpy(p->plaintext, plaintext.ptr, plaintext.len);
    assert_ok(cps_opt_split(cps_bytes(p->plaintext + 1, plaintext.len - 1), &p->inner_options, &payload));
    assert_ok(kit_open_response(&p->kit, p->sealed, &binding, &p->joined, NULL));
}

static bool has(cps_bytes_t options, uint16_t number) { return cps_opt_count(options, number) != 0; }

static bool holds(cps_bytes_t where, cps_bytes_t what)
{
    return memmem(where.ptr, where.len, what.ptr, what.len) != NULL;
}

static void assert_value(cps_bytes_t options, uint16_t number, const char *expected)
{
    cps_bytes_t value;
    assert_true(cps_opt_find(options, number, &value));
    assert_bytes(cps_bytes_str(expected), value);
}

/* Figure 5 of RFC 8613 with RFC 8768, 9175, 9177, 9668: where an option of a plain message is found. E/U options go
 * inside, and outside only where a rule asks for it. */
static const struct {
    uint16_t number;
    const char *value;
    bool response;
    bool inside;
    bool outside;
} places[] = {
    {CPS_OPT_IF_MATCH, "if-match", false, true, false},
    {CPS_OPT_URI_HOST, "host.example", false, false, true},
    {CPS_OPT_ETAG, "the-etag", false, true, false},
    {CPS_OPT_ETAG, "the-etag", true, true, false},
    {CPS_OPT_IF_NONE_MATCH, "", false, true, false},
    {CPS_OPT_OBSERVE, "", false, true, true},
    {CPS_OPT_OBSERVE, "\x01", false, true, true},
    {CPS_OPT_OBSERVE, "num", true, true, true},
    {CPS_OPT_URI_PORT, "\x16\x33", false, false, true},
    {CPS_OPT_LOCATION_PATH, "location-path", true, true, false},
    {CPS_OPT_URI_PATH, "uri-path", false, true, false},
    {CPS_OPT_CONTENT_FORMAT, "\x2b\x67", false, true, false},
    {CPS_OPT_MAX_AGE, "\x1e", true, true, false},
    {CPS_OPT_URI_QUERY, "uri-query", false, true, false},
    {CPS_OPT_HOP_LIMIT, "\x10", false, false, true},
    {CPS_OPT_ACCEPT, "\x32", false, true, false},
    {CPS_OPT_Q_BLOCK1, "\x08", false, true, false},
    {CPS_OPT_LOCATION_QUERY, "location-query", true, true, false},
    {CPS_OPT_EDHOC, "", false, false, true},
    {CPS_OPT_BLOCK2, "\x0e", false, true, false},
    {CPS_OPT_BLOCK1, "\x0e", false, true, false},
    {CPS_OPT_SIZE2, "\x40", false, true, false},
    {CPS_OPT_Q_BLOCK2, "\x08", false, true, false},
    {CPS_OPT_PROXY_SCHEME, "coap", false, false, true},
    {CPS_OPT_PROXY_URI, "coap://h", false, false, true},
    {CPS_OPT_SIZE1, "\x40", false, true, false},
    {CPS_OPT_ECHO, "echo-val", false, true, false},
    {CPS_OPT_NO_RESPONSE, "\x02", false, true, false},
    {CPS_OPT_NO_RESPONSE, "\x1a", false, true, true},
    {CPS_OPT_REQUEST_TAG, "tag", false, true, false},
    {65001, "unknown", false, true, false},
    {65001, "unknown", true, true, false},
};

static void each_option_has_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(places); i++) {
        built_t b;
        parts_t p;
        const cps_option_t option = {places[i].number, cps_bytes_str(places[i].value)};
        build(&b, places[i].response ? CPS_CONTENT : CPS_GET, &option, 1);
        if (places[i].response)
            split_response(&p, &b.msg);
        else
            split_request(&p, &b.msg);
        if (has(p.inner_options, option.number) != places[i].inside ||
            has(p.outer.options, option.number) != places[i].outside)
            fail_msg("option %u is not where it belongs", option.number);
        assert_true(has(p.outer.options, CPS_OPT_OSCORE));
        kit_fini(&p.kit);
    }
    /* no row of the table of options is left out; OSCORE itself cannot be in a plain message (OSC-33) */
    for (size_t place = 0; cps_opttab_at(place) != NULL; place++) {
        bool met = cps_opttab_at(place)->number == CPS_OPT_OSCORE;
        for (size_t i = 0; i < COUNT(places); i++)
            met = met || places[i].number == cps_opttab_at(place)->number;
        assert_true(met);
    }
}

/* What class E/U means at the receiver: an option may stand on both sides, and the inner one is the message's. */
static void both_sides_may_have_their_own(void **state)
{
    (void)state;
    built_t b;
    parts_t p;
    uint8_t options[256];
    uint8_t datagram[512];
    static const uint16_t both[] = {CPS_OPT_OBSERVE, CPS_OPT_MAX_AGE,     CPS_OPT_Q_BLOCK1,   CPS_OPT_BLOCK2,
                                    CPS_OPT_BLOCK1,  CPS_OPT_SIZE2,       CPS_OPT_Q_BLOCK2,   CPS_OPT_SIZE1,
                                    CPS_OPT_ECHO,    CPS_OPT_NO_RESPONSE, CPS_OPT_REQUEST_TAG};
    for (size_t i = 0; i < COUNT(both); i++) {
        const cps_option_t inner = {both[i], cps_bytes_str("\x01")};
        build(&b, CPS_GET, &inner, 1);
        split_request(&p, &b.msg);
        cps_option_t outer[] = {{CPS_OPT_OSCORE, kit_option(p.sealed)}, {both[i], cps_bytes_str("\x02")}};
        cps_writer_t w = cps_writer(options, sizeof options);
        cps_opt_writer_t ow = cps_opt_writer(&w);
        cps_opt_put_list(&ow, outer, 2);
        p.outer.options = cps_written(&w);
        cps_oscore_receipt_t receipt;
        assert_ok(kit_open_request(&p.kit, kit_write(&p.outer, datagram, sizeof datagram), &p.joined, &receipt));
        assert_int_equal(cps_opt_count(p.joined.options, both[i]), 1);
        assert_value(p.joined.options, both[i], "\x01");
        kit_fini(&p.kit);
    }
}

static void unknown_options_are_inside(void **state)
{
    (void)state;
    built_t b;
    parts_t p;
    const cps_option_t option = {65001, cps_bytes_str("unknown value")};
    build(&b, CPS_GET, &option, 1);
    split_request(&p, &b.msg);
    assert_value(p.inner_options, 65001, "unknown value");
    assert_false(has(p.outer.options, 65001));
    assert_false(holds(p.sealed, option.value));
    assert_value(p.joined.options, 65001, "unknown value");
    kit_fini(&p.kit);
}

/* Every class E option at once, in a request and in a response. */
static void class_e_options_leave_no_trace(void **state)
{
    (void)state;
    for (unsigned response = 0; response < 2; response++) {
        built_t b;
        parts_t p;
        cps_option_t list[64] = {{0}};
        char values[64][12];
        size_t count = 0;
        for (size_t place = 0; cps_opttab_at(place) != NULL; place++) {
            const cps_opt_row_t *row = cps_opttab_at(place);
            if (row->oscore != CPS_OPT_CLASS_E)
                continue;
            int len = snprintf(values[count], sizeof values[count], "value-%04zu", place);
            list[count] = (cps_option_t){row->number, cps_bytes(values[count], (size_t)len)};
            count++;
        }
        build(&b, response != 0 ? CPS_CONTENT : CPS_PUT, list, count);
        if (response != 0)
            split_response(&p, &b.msg);
        else
            split_request(&p, &b.msg);
        for (size_t i = 0; i < count; i++) {
            assert_false(has(p.outer.options, list[i].number));
            assert_false(holds(p.sealed, list[i].value));
            assert_true(has(p.inner_options, list[i].number));
        }
        kit_fini(&p.kit);
    }
}

/* What may be read of an option outside: what the proxy needs as it is, and what RFC 8613 has a value for. */
static bool may_stand_outside(const cps_option_t *outer, uint16_t number)
{
    static const uint16_t needed[] = {CPS_OPT_URI_HOST,  CPS_OPT_URI_PORT, CPS_OPT_PROXY_URI, CPS_OPT_PROXY_SCHEME,
                                      CPS_OPT_HOP_LIMIT, CPS_OPT_OBSERVE,  CPS_OPT_EDHOC};
    if (outer->number == CPS_OPT_OSCORE)
        return true;
    if (outer->number == CPS_OPT_NO_RESPONSE) /* 26, whatever is inside (§4.1.3.6) */
        return cps_bytes_equal(outer->value, CPS_BYTES_LIT("\x1a"));
    for (size_t i = 0; i < COUNT(needed); i++)
        if (outer->number == needed[i])
            return outer->number == number;
    return false;
}

static void assert_little_outside(cps_bytes_t options, const cps_opt_row_t *row)
{
    cps_opt_walk_t walk = cps_opt_walk(options);
    for (cps_option_t outer; cps_opt_next(&walk, &outer);) {
        if (!may_stand_outside(&outer, row->number))
            fail_msg("%s: option %u stands outside", row->name, outer.number);
        assert_false(outer.number == CPS_OPT_PROXY_URI && holds(outer.value, cps_bytes_str("/a")));
    }
}

/* Each option that is known, alone beside a payload, in a request and in a response. */
static void no_option_but_what_the_proxy_needs_is_readable(void **state)
{
    (void)state;
    for (unsigned n = 0; cps_opttab_at(n / 2) != NULL; n++) {
        const cps_opt_row_t *row = cps_opttab_at(n / 2);
        bool proxy_uri = row->number == CPS_OPT_PROXY_URI;
        bool response = n % 2 != 0;
        built_t b;
        parts_t p;
        size_t len = row->max_len < 2 ? row->max_len : row->max_len < 3 ? 2 : 3;
        const cps_option_t alone = {row->number,
                                    proxy_uri ? cps_bytes_str("coap://h/a?b") : cps_bytes("\x05\xe7\xe9", len)};
        if (row->number == CPS_OPT_OSCORE || (proxy_uri && response))
            continue;
        build(&b, response ? CPS_CONTENT : CPS_PUT, &alone, 1);
        b.msg.payload = CPS_BYTES_LIT("confidential");
        if (response)
            split_response(&p, &b.msg);
        else
            split_request(&p, &b.msg);
        assert_little_outside(p.outer.options, row);
        assert_false(holds(p.sealed, CPS_BYTES_LIT("confidential")));
        kit_fini(&p.kit);
    }
}

static void proxy_uri_is_split(void **state)
{
    (void)state;
    static const struct {
        const char *uri;
        const char *outer;
        const char *path[3];
        const char *query[3];
    } rows[] = {
        {"coap://example.com/resource?q=1", "coap://example.com", {"resource"}, {"q=1"}},
        {"coap://example.com", "coap://example.com", {0}, {0}},
        {"coap://example.com/", "coap://example.com", {0}, {0}},
        {"coap://example.com:5000/a/b%20c?x=1&y=%26", "coap://example.com:5000", {"a", "b c"}, {"x=1", "y=&"}},
        {"coap://[2001:db8::1]:5684/a", "coap://[2001:db8::1]:5684", {"a"}, {0}},
        {"coaps://192.0.2.1?q", "coaps://192.0.2.1", {0}, {"q"}},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        built_t b;
        parts_t p;
        cps_option_t list[] = {{CPS_OPT_IF_MATCH, cps_bytes_str("m")},
                               {CPS_OPT_CONTENT_FORMAT, cps_bytes_str("\x2a")},
                               {CPS_OPT_PROXY_URI, cps_bytes_str(rows[i].uri)},
                               {CPS_OPT_SIZE1, cps_bytes_str("\x05")}};
        build(&b, CPS_PUT, list, COUNT(list));
        split_request(&p, &b.msg);
        cps_option_t expected[16];
        size_t count = 0;
        for (size_t j = 0; j < 3 && rows[i].path[j] != NULL; j++)
            expected[count++] = (cps_option_t){CPS_OPT_URI_PATH, cps_bytes_str(rows[i].path[j])};
        for (size_t j = 0; j < 3 && rows[i].query[j] != NULL; j++)
            expected[count++] = (cps_option_t){CPS_OPT_URI_QUERY, cps_bytes_str(rows[i].query[j])};
        expected[count++] = list[0];
        expected[count++] = list[1];
        expected[count++] = list[3];
        build(&b, CPS_PUT, expected, count);
        assert_bytes(b.msg.options, p.inner_options);
        assert_value(p.outer.options, CPS_OPT_PROXY_URI, rows[i].outer);
        assert_int_equal(cps_opt_count(p.outer.options, CPS_OPT_URI_HOST), 0);
        kit_fini(&p.kit);
    }
}

static cps_err_t try_request(const cps_option_t *list, size_t count)
{
    kit_t k;
    built_t b;
    cps_bytes_t sealed;
    cps_oscore_binding_t binding;
    cps_oscore_params_t params = kit_params();
    build(&b, CPS_GET, list, count);
    kit_init(&k, &params);
    cps_err_t err = kit_seal_request(&k, 0, &b.msg, &sealed, &binding);
    if (err != CPS_OK)
        assert_int_equal(sealed.len, 0);
    assert_int_equal(k.spy.seals, err == CPS_OK);
    kit_fini(&k);
    return err;
}

static void bad_proxy_uris_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"/a",          "coap:",       "coap://",          "example.com",
                                      "coap://u@h/", "coap://h/#f", "coap://h/%2e%2e/a"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_err(CPS_ERR_BAD_URI, try_request(&(cps_option_t){CPS_OPT_PROXY_URI, cps_bytes_str(bad[i])}, 1));
    static const uint16_t beside[] = {CPS_OPT_URI_HOST, CPS_OPT_URI_PORT, CPS_OPT_URI_PATH, CPS_OPT_URI_QUERY,
                                      CPS_OPT_PROXY_SCHEME};
    for (size_t i = 0; i < COUNT(beside); i++) {
        const cps_option_t list[] = {{CPS_OPT_PROXY_URI, cps_bytes_str("coap://h/")}, {beside[i], cps_bytes_str("a")}};
        assert_err(CPS_ERR_BAD_URI, try_request(list, 2));
    }
    static char longest[1035];
    memset(longest, 'a', sizeof longest);
    cps_writer_t w = cps_writer(longest, sizeof longest);
    cps_write_str(&w, "coap://h/");
    for (size_t at = 200; at < sizeof longest; at += 200)
        longest[at] = '/';
    assert_ok(try_request(&(cps_option_t){CPS_OPT_PROXY_URI, cps_bytes(longest, 1034)}, 1));
    assert_err(CPS_ERR_BAD_URI, try_request(&(cps_option_t){CPS_OPT_PROXY_URI, cps_bytes(longest, 1035)}, 1));
    for (size_t at = 9; at < sizeof longest; at++)
        longest[at] = at % 2 == 0 ? '/' : 'a';
    assert_err(CPS_ERR_BAD_URI, try_request(&(cps_option_t){CPS_OPT_PROXY_URI, cps_bytes(longest, 1000)}, 1));
}

static void sealed_messages_are_not_sealed_again(void **state)
{
    (void)state;
    parts_t p;
    built_t b;
    const cps_option_t path = {CPS_OPT_URI_PATH, cps_bytes_str("a")};
    build(&b, CPS_GET, &path, 1);
    split_request(&p, &b.msg);
    uint8_t once[256];
    memcpy(once, p.sealed.ptr, p.sealed.len);
    cps_msg_t sealed = kit_parse(cps_bytes(once, p.sealed.len));
    cps_bytes_t out;
    cps_oscore_binding_t binding;
    assert_err(CPS_ERR_BAD_OPTION, kit_seal_request(&p.kit, 1, &sealed, &out, &binding));
    assert_int_equal(p.kit.spy.seals, 1);
    cps_writer_t w = cps_writer(once, sizeof once);
    assert_err(CPS_ERR_BAD_OPTION, cps_oscore_write_outer(&w, &p.outer, cps_bytes(NULL, 0)));
    kit_fini(&p.kit);
}

static void notifications_have_an_empty_observe_inside(void **state)
{
    (void)state;
    parts_t p;
    built_t b;
    const cps_option_t observe = {CPS_OPT_OBSERVE, cps_bytes_str("\x07")};
    build(&b, CPS_CONTENT, &observe, 1);
    split_response(&p, &b.msg);
    assert_value(p.inner_options, CPS_OPT_OBSERVE, "");
    assert_value(p.outer.options, CPS_OPT_OBSERVE, "\x07");
    assert_int_equal(p.outer.code, CPS_CONTENT);
    assert_value(p.joined.options, CPS_OPT_OBSERVE, ""); /* the outer number does not reach the application */
    kit_fini(&p.kit);
    const cps_option_t registration = {CPS_OPT_OBSERVE, cps_bytes(NULL, 0)};
    build(&b, CPS_GET, &registration, 1);
    split_request(&p, &b.msg);
    assert_int_equal(p.outer.code, CPS_FETCH);
    kit_fini(&p.kit);
    build(&b, CPS_GET, &registration, 0);
    split_request(&p, &b.msg);
    assert_int_equal(p.outer.code, CPS_POST);
    kit_fini(&p.kit);
    build(&b, CPS_CONTENT, &registration, 0);
    split_response(&p, &b.msg);
    assert_int_equal(p.outer.code, CPS_CHANGED);
    kit_fini(&p.kit);
}

/* A plaintext that verified, but is not shaped as one of §5.3. */
static void plaintexts_have_a_shape(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "01ff", "01f0", "01b3", "019100", "01d0"};
    const cps_msg_t outer = {.code = CPS_POST};
    uint8_t buf[64];
    cps_msg_t out;
    for (size_t i = 0; i < COUNT(bad); i++) {
        cps_writer_t w = cps_writer(buf, sizeof buf);
        assert_err(CPS_ERR_OSCORE_DECODE, cps_oscore_join(&w, &outer, hex(bad[i]), &out));
    }
    cps_writer_t w = cps_writer(buf, 2);
    assert_err(CPS_ERR_NO_SPACE, cps_oscore_join(&w, &outer, hex("01b3747631"), &out));
}

/* A class U option inside is authentic: it goes before one outside. */
static void inner_class_u_option_is_the_one(void **state)
{
    (void)state;
    built_t inner;
    built_t outer;
    uint8_t plaintext[64];
    uint8_t buf[64];
    cps_msg_t out;
    build(&inner, CPS_GET, &(cps_option_t){CPS_OPT_URI_HOST, cps_bytes_str("inside")}, 1);
    const cps_option_t list[] = {{CPS_OPT_URI_HOST, cps_bytes_str("outside")}, {CPS_OPT_URI_PORT, cps_bytes_str("p")}};
    build(&outer, CPS_POST, list, 2);
    plaintext[0] = CPS_GET;
    memcpy(plaintext + 1, inner.msg.options.ptr, inner.msg.options.len);
    cps_writer_t w = cps_writer(buf, sizeof buf);
    assert_ok(cps_oscore_join(&w, &outer.msg, cps_bytes(plaintext, 1 + inner.msg.options.len), &out));
    assert_int_equal(cps_opt_count(out.options, CPS_OPT_URI_HOST), 1);
    assert_value(out.options, CPS_OPT_URI_HOST, "inside");
    assert_value(out.options, CPS_OPT_URI_PORT, "p");
}

static const cps_case_t cases[] = {
    {"OSC-10", "each option of the table is found inside, outside or on both sides", each_option_has_its_place},
    {"OSC-10", "of an option on both sides the inner one is the message's", both_sides_may_have_their_own},
    {"OSC-9", "an unknown option is inside", unknown_options_are_inside},
    {"OSC-11 E2E-C-T5b", "no number and no value of a class E option is outside", class_e_options_leave_no_trace},
    {"E2E-CONF1", "no option but what the proxy needs is readable, and no payload",
     no_option_but_what_the_proxy_needs_is_readable},
    {"OSC-16", "path and query of a Proxy-Uri go inside, scheme and authority stay", proxy_uri_is_split},
    {"", "a Proxy-Uri that cannot be split is refused", bad_proxy_uris_are_refused},
    {"OSC-33", "what has an OSCORE option is not protected", sealed_messages_are_not_sealed_again},
    {"", "inner Observe of a notification is empty; outer codes follow Observe",
     notifications_have_an_empty_observe_inside},
    {"", "a plaintext that is no message is refused", plaintexts_have_a_shape},
    {"", "of a class U option on both sides the inner one is taken", inner_class_u_option_is_the_one},
};

CPS_RUN("OSCORE split", cases)
