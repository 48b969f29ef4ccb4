// SPDX-License-Identifier: Apache-2.0
#include "gen.h"

#include "wire/link.h"

enum { CASES = 3000, LINKS_MAX = 4, ATTRS_MAX = 5, VALUE_MAX = 24, DOCUMENT_MAX = 4096 };

static const char *const names[] = {"x", "foo", "rt", "ct", "title", "obs"};

/* What was written of one attribute: `len` bytes of a value, or none. */
typedef struct attr {
    unsigned name;
    size_t len;
    uint8_t value[VALUE_MAX];
} attr_t;

typedef struct link {
    uint8_t target[VALUE_MAX];
    size_t target_len;
    attr_t attrs[ATTRS_MAX];
    size_t count;
} link_t;

static void any_attr(gen_t *g, link_t *l)
{
    attr_t *a = &l->attrs[l->count];
    a->name = gen_below(g, sizeof names / sizeof names[0]);
    for (size_t i = 0; i < l->count; i++)
        if (l->attrs[i].name == a->name && a->name >= 2) /* these stand once */
            return;
    a->len = 0;
    if (strcmp(names[a->name], "ct") == 0)
        a->len = gen_text(g, "01234", a->value, 1 + gen_below(g, 4)).len;
    else if (strcmp(names[a->name], "obs") != 0)
        a->len = gen_text(g, "ab\\\";,<> =*\xc2", a->value, gen_below(g, VALUE_MAX)).len;
    for (size_t i = 0; i < a->len; i++)
        if (a->value[i] == 0xc2)
            a->value[i] = 'c'; /* no stray byte of UTF-8 */
    l->count++;
}

static void any_document(gen_t *g, link_t *links, size_t *count, cps_writer_t *w)
{
    cps_link_writer_t lw = cps_link_writer(w);
    *count = gen_below(g, LINKS_MAX + 1);
    for (size_t i = 0; i < *count; i++) {
        link_t *l = &links[i];
        l->target_len = gen_text(g, "/abc,;\"= ", l->target, gen_below(g, VALUE_MAX)).len;
        cps_link_begin(&lw, cps_bytes(l->target, l->target_len));
        l->count = 0;
        for (uint32_t n = gen_below(g, ATTRS_MAX + 1); n > 0; n--)
            any_attr(g, l);
        for (size_t j = 0; j < l->count; j++) {
            const attr_t *a = &l->attrs[j];
            if (strcmp(names[a->name], "obs") == 0)
                cps_link_flag(&lw, "obs");
            else
                cps_link_attr(&lw, names[a->name], cps_bytes(a->value, a->len));
        }
    }
    assert_ok(cps_link_writer_err(&lw));
}

static void assert_attr(const attr_t *expected, const cps_link_attr_t *actual)
{
    uint8_t buf[2 * VALUE_MAX];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    assert_bytes(cps_bytes_str(names[expected->name]), actual->name);
    assert_int_equal(actual->has_value, strcmp(names[expected->name], "obs") != 0);
    assert_ok(cps_link_unescape(actual->value, &w));
    assert_bytes(cps_bytes(expected->value, expected->len), cps_written(&w));
}

static void assert_link(const link_t *expected, const cps_link_t *actual)
{
    cps_bytes_t rest = actual->attributes;
    cps_link_attr_t attr;
    cps_err_t err;
    assert_bytes(cps_bytes(expected->target, expected->target_len), actual->target);
    for (size_t i = 0; i < expected->count; i++) {
        assert_true(cps_link_attr_next(&rest, &attr, &err));
        assert_attr(&expected->attrs[i], &attr);
    }
    assert_false(cps_link_attr_next(&rest, &attr, &err));
    assert_ok(err);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    static uint8_t document[DOCUMENT_MAX];
    link_t links[LINKS_MAX];
    gen_t g;
    gen_init(&g, "documents", CASES);
    for (unsigned i = 0; i < CASES; i++) {
        size_t count;
        cps_writer_t w = cps_writer(document, sizeof document);
        any_document(&g, links, &count, &w);
        cps_bytes_t rest = cps_written(&w);
        cps_link_t link;
        cps_err_t err;
        for (size_t j = 0; j < count; j++) {
            assert_true(cps_link_next(&rest, &link, &err));
            assert_link(&links[j], &link);
        }
        assert_false(cps_link_next(&rest, &link, &err));
        assert_ok(err);
    }
}

static void damaged_documents_do_no_harm(void **state)
{
    (void)state;
    static uint8_t document[DOCUMENT_MAX];
    link_t links[LINKS_MAX];
    unsigned refused = 0;
    gen_t g;
    gen_init(&g, "damaged documents", CASES);
    for (unsigned i = 0; i < CASES; i++) {
        size_t count;
        cps_writer_t w = cps_writer(document, sizeof document);
        any_document(&g, links, &count, &w);
        size_t len = gen_mutate(&g, document, cps_written(&w).len, sizeof document);
        if (gen_one_in(&g, 4))
            len = gen_text(&g, "<>;,=\"\\a ", document, gen_below(&g, 20)).len;
        uint8_t *tight = gen_tight(cps_bytes(document, len));
        cps_bytes_t rest = cps_bytes(tight, len);
        cps_link_t link;
        cps_err_t err;
        while (cps_link_next(&rest, &link, &err)) {
            cps_link_attr_t attr;
            cps_bytes_t attributes = link.attributes;
            while (cps_link_attr_next(&attributes, &attr, &err))
                assert_true(attr.name.len > 0);
            assert_ok(err); /* a link that was read is whole */
            (void)cps_link_context(&link);
            (void)cps_link_matches(&link, cps_bytes_str("x=a*"));
            (void)cps_link_matches(&link, cps_bytes_str("href=/a"));
        }
        refused += err != CPS_OK;
        free(tight);
    }
    assert_in_range(refused, CASES / 10, CASES * 9 / 10);
}

static const cps_case_t cases[] = {
    {"", "documents that are written are read the same", what_is_written_is_read},
    {"", "damaged documents do no harm", damaged_documents_do_no_harm},
};

CPS_RUN("wire_link_props", cases)
