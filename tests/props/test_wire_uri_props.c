// SPDX-License-Identifier: Apache-2.0
#include "gen.h"

#include "wire/uri.h"

enum { CASES = 4000, OPTIONS_MAX = 16, SEGMENT_MAX = 40, TEXT_MAX = 4096 };

/* A list of options with the values that it views. */
typedef struct request {
    cps_option_t list[OPTIONS_MAX];
    size_t count;
    uint8_t values[OPTIONS_MAX][SEGMENT_MAX];
} request_t;

static void add(request_t *r, uint16_t number, cps_bytes_t value)
{
    cps_copy(r->values[r->count], value.ptr, value.len);
    r->list[r->count] = (cps_option_t){number, cps_bytes(r->values[r->count], value.len)};
    r->count++;
}

static bool is_dots(cps_bytes_t b)
{
    return cps_bytes_equal(b, CPS_BYTES_LIT(".")) || cps_bytes_equal(b, CPS_BYTES_LIT(".."));
}

static cps_bytes_t any_segment(gen_t *g, uint8_t *buf)
{
    size_t len = gen_len(g, SEGMENT_MAX);
    cps_bytes_t segment = gen_one_in(g, 2) ? gen_bytes(g, buf, len) : gen_text(g, "ab.%/?&*:@=+ ~", buf, len);
    return is_dots(segment) ? cps_bytes(buf, 0) : segment;
}

/* Options as a request may have them, in order. A name ends in a letter, so that its last label is no number. */
static void any_request(gen_t *g, request_t *r)
{
    uint8_t buf[SEGMENT_MAX];
    uint8_t port[4];
    r->count = 0;
    if (gen_one_in(g, 2)) {
        size_t len = gen_below(g, 10);
        gen_text(g, "abz019-_.~!$&'()*+,;=", buf, len);
        buf[len] = 'y';
        add(r, CPS_OPT_URI_HOST, cps_bytes(buf, len + 1));
    }
    if (gen_one_in(g, 2)) /* never the destination's */
        add(r, CPS_OPT_URI_PORT, cps_opt_uint_bytes(5684 + gen_below(g, 1000), port));
    for (uint32_t n = gen_below(g, 6); n > 0; n--)
        add(r, CPS_OPT_URI_PATH, any_segment(g, buf));
    if (r->count > 0 && r->list[r->count - 1].number == CPS_OPT_URI_PATH && r->list[r->count - 1].value.len == 0)
        add(r, CPS_OPT_URI_PATH, cps_bytes_str("x")); /* one empty segment alone is the same as none */
    for (uint32_t n = gen_below(g, 4); n > 0; n--)
        add(r, CPS_OPT_URI_QUERY, gen_bytes(g, buf, gen_len(g, SEGMENT_MAX)));
}

static cps_err_t join(const request_t *r, cps_writer_t *out)
{
    static uint8_t buf[TEXT_MAX];
    cps_option_t list[OPTIONS_MAX];
    cps_uri_base_t base = {.scheme = CPS_SCHEME_COAP, .addr = {.family = CPS_FAMILY_IPV6, .port = 5683}};
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    memcpy(list, r->list, sizeof list);
    cps_opt_put_list(&ow, list, r->count);
    assert_ok(cps_writer_err(&w));
    base.addr.ip[15] = 1;
    return cps_uri_join(cps_written(&w), &base, out);
}

/* Split a text; the values of the options are copied into the request. */
static cps_err_t split(cps_bytes_t text, request_t *r)
{
    static uint8_t store[TEXT_MAX];
    cps_option_t list[OPTIONS_MAX];
    size_t count = 0;
    cps_writer_t w = cps_writer(store, sizeof store);
    cps_uri_t uri;
    cps_err_t err = cps_uri_parse(text, &uri, NULL);
    if (err == CPS_OK)
        err = cps_uri_to_options(&uri, (cps_uri_parts_t){.destination_port = 5683}, &w, list, OPTIONS_MAX, &count);
    r->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (list[i].value.len > SEGMENT_MAX)
            return CPS_ERR_NO_SPACE;
        add(r, list[i].number, list[i].value);
    }
    return err;
}

static void assert_same(const request_t *a, const request_t *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(a->list[i].number, b->list[i].number);
        assert_bytes(a->list[i].value, b->list[i].value);
    }
}

static void splitting_undoes_joining(void **state)
{
    (void)state;
    static request_t r;
    static request_t back;
    static uint8_t text[TEXT_MAX];
    gen_t g;
    gen_init(&g, "joined URIs", CASES);
    for (unsigned i = 0; i < CASES; i++) {
        cps_writer_t w = cps_writer(text, sizeof text);
        any_request(&g, &r);
        assert_ok(join(&r, &w));
        assert_ok(split(cps_written(&w), &back));
        assert_same(&r, &back);
    }
}

/* A text that looks like a URI, damaged at times. */
static size_t any_text(gen_t *g, uint8_t *buf, size_t cap)
{
    uint8_t part[32];
    cps_writer_t w = cps_writer(buf, cap);
    cps_write_str(&w, gen_one_in(g, 16) ? "coaps:" : "coap://");
    cps_write_bytes(&w, gen_text(g, gen_one_in(g, 4) ? "ab1.:[]%25@" : "abcx", part, 1 + gen_below(g, 8)));
    cps_write_bytes(&w, gen_text(g, "//..a%2Ff4?&#", part, gen_below(g, 30)));
    return gen_one_in(g, 4) ? gen_mutate(g, buf, cps_written(&w).len, cap) : cps_written(&w).len;
}

/* Whether a text was taken as the URI of a name: then its options join to a URI that splits the same. */
static bool keeps_its_options(cps_bytes_t text)
{
    static request_t r;
    static request_t back;
    static uint8_t joined[TEXT_MAX];
    cps_writer_t w = cps_writer(joined, sizeof joined);
    if (split(text, &r) != CPS_OK || r.count == 0 || r.list[0].number != CPS_OPT_URI_HOST || text.ptr[4] != ':')
        return false;
    assert_ok(join(&r, &w));
    assert_ok(split(cps_written(&w), &back));
    assert_same(&r, &back);
    return true;
}

static void texts_are_refused_or_keep_their_options(void **state)
{
    (void)state;
    uint8_t buf[128];
    unsigned accepted = 0;
    gen_t g;
    gen_init(&g, "texts", CASES);
    for (unsigned i = 0; i < CASES; i++) {
        size_t len = any_text(&g, buf, sizeof buf);
        uint8_t *tight = gen_tight(cps_bytes(buf, len));
        accepted += keeps_its_options(cps_bytes(tight, len));
        free(tight);
    }
    assert_in_range(accepted, CASES / 20, CASES * 9 / 10);
}

static void other_bytes_do_no_harm(void **state)
{
    (void)state;
    uint8_t buf[64];
    gen_t g;
    gen_init(&g, "bytes", CASES);
    for (unsigned i = 0; i < CASES; i++) {
        size_t len = gen_len(&g, sizeof buf);
        bool is_text = gen_one_in(&g, 2);
        cps_bytes_t bytes = is_text ? gen_text(&g, "0123:.af%[]", buf, len) : gen_bytes(&g, buf, len);
        uint8_t *tight = gen_tight(bytes);
        cps_uri_t uri;
        cps_addr_t addr = {0};
        cps_addr_t back = {0};
        if (!is_text)
            assert_err(CPS_ERR_BAD_URI, cps_uri_parse(cps_bytes(tight, len), &uri, NULL));
        if (cps_ip_parse(cps_bytes(tight, len), addr.ip, &addr.family)) { /* written and read it is the same address */
            char text[64];
            cps_writer_t w = cps_writer(text, sizeof text);
            cps_uri_write_addr(&w, &addr);
            size_t brackets = addr.family == CPS_FAMILY_IPV6;
            assert_true(
                cps_ip_parse(cps_bytes(text + brackets, cps_written(&w).len - 2 * brackets), back.ip, &back.family));
            assert_memory_equal(&addr, &back, sizeof addr);
        }
        free(tight);
    }
}

static void random_addresses_are_written_and_read(void **state)
{
    (void)state;
    gen_t g;
    gen_init(&g, "addresses", CASES);
    for (unsigned i = 0; i < CASES; i++) {
        cps_addr_t addr = {.family = CPS_FAMILY_IPV6};
        cps_addr_t back = {0};
        char text[64];
        for (size_t group = 0; group < 8; group++)
            if (gen_one_in(&g, 2))
                cps_put_be16(addr.ip + 2 * group, (uint16_t)(gen_below(&g, 65536) >> gen_below(&g, 17)));
        cps_writer_t w = cps_writer(text, sizeof text);
        cps_uri_write_addr(&w, &addr);
        assert_true(cps_ip_parse(cps_bytes(text + 1, cps_written(&w).len - 2), back.ip, &back.family));
        assert_memory_equal(&addr, &back, sizeof addr);
    }
}

/* A pattern made from a URI by putting wildcards in it matches that URI, and is the less specific the more of them. */
static void wildcards_match_what_they_stand_for(void **state)
{
    (void)state;
    gen_t g;
    gen_init(&g, "patterns", CASES);
    for (unsigned i = 0; i < CASES; i++) {
        char uri_text[256];
        char pattern_text[256];
        uint8_t segment[8];
        cps_writer_t w = cps_writer(uri_text, sizeof uri_text);
        cps_writer_t p = cps_writer(pattern_text, sizeof pattern_text);
        uint32_t segments = gen_below(&g, 6);
        uint32_t cut = gen_below(&g, 8); /* where "**" stands; at 6 and above there is none */
        unsigned stars = 0;
        cps_write_str(&w, "coap://door.local");
        cps_write_str(&p, "coap://door.local");
        for (uint32_t s = 0; s < segments; s++) {
            cps_bytes_t name = gen_text(&g, "abc", segment, 1 + gen_below(&g, 7));
            bool star = gen_one_in(&g, 3);
            cps_write_u8(&w, '/');
            cps_write_bytes(&w, name);
            if (s >= cut)
                continue;
            stars += star;
            cps_write_u8(&p, '/');
            cps_write_bytes(&p, star ? cps_bytes_str("*") : name);
        }
        if (cut < 6)
            cps_write_str(&p, "/**");
        cps_uri_t uri;
        unsigned exact = 0;
        unsigned specificity = 0;
        assert_ok(cps_uri_parse(cps_written(&w), &uri, NULL));
        assert_true(cps_uri_match(cps_written(&w), &uri, &exact));
        assert_true(cps_uri_match(cps_written(&p), &uri, &specificity));
        if (stars == 0 && cut >= 6)
            assert_int_equal(specificity, exact);
        else
            assert_true(specificity < exact);
    }
}

static const cps_case_t cases[] = {
    {"", "splitting undoes joining", splitting_undoes_joining},
    {"", "texts are refused, or joined and split again to the same options", texts_are_refused_or_keep_their_options},
    {"", "other bytes do no harm", other_bytes_do_no_harm},
    {"", "random addresses are written and read", random_addresses_are_written_and_read},
    {"", "wildcards match what they stand for", wildcards_match_what_they_stand_for},
};

CPS_RUN("wire_uri_props", cases)
