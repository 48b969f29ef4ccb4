// SPDX-License-Identifier: Apache-2.0
#include "cli/doc.h"

#include "base/utf8.h"

typedef struct reader {
    cps_doc_t *doc;
    const uint8_t *at;
    const uint8_t *end;
    unsigned depth;
    bool full;
} reader_t;

static bool is_in(uint8_t c, const char *set) { return c != 0 && strchr(set, c) != NULL; }

static void skip_space(reader_t *r)
{
    while (r->at < r->end && is_in(*r->at, " \t\r\n"))
        r->at++;
}

static bool take(reader_t *r, uint8_t c)
{
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static cps_doc_node_t *new_node(reader_t *r, cps_doc_kind_t kind)
{
    cps_doc_node_t *node = cps_doc_node(r->doc, kind);
    r->full = r->full || node == NULL;
    return node;
}

/* ---- strings ---- */

static bool put(reader_t *r, uint8_t byte)
{
    if (r->doc->text_used == CPS_DOC_TEXT) {
        r->full = true;
        return false;
    }
    r->doc->text[r->doc->text_used++] = byte;
    return true;
}

static bool put_code_point(reader_t *r, uint32_t c)
{
    if (c < 0x80)
        return put(r, (uint8_t)c);
    if (c < 0x800)
        return put(r, (uint8_t)(0xc0U | c >> 6U)) && put(r, (uint8_t)(0x80U | (c & 63U)));
    bool ok = c < 0x10000 ? put(r, (uint8_t)(0xe0U | c >> 12U))
                          : put(r, (uint8_t)(0xf0U | c >> 18U)) && put(r, (uint8_t)(0x80U | (c >> 12U & 63U)));
    return ok && put(r, (uint8_t)(0x80U | (c >> 6U & 63U))) && put(r, (uint8_t)(0x80U | (c & 63U)));
}

static bool read_hex4(reader_t *r, uint32_t *out)
{
    uint8_t bytes[2];
    size_t len = 0;
    if (r->end - r->at < 4 || !cps_hex_decode((const char *)r->at, 4, bytes, sizeof bytes, &len))
        return false;
    *out = cps_be16(bytes);
    r->at += 4;
    return true;
}

/* Behind "\u": one code unit, or two that are a surrogate pair (RFC 8259 §7). */
static bool read_unit(reader_t *r)
{
    uint32_t high;
    uint32_t low;
    if (!read_hex4(r, &high) || high >> 10U == 0x37)
        return false;
    if (high >> 10U != 0x36)
        return put_code_point(r, high);
    if (!take(r, '\\') || !take(r, 'u') || !read_hex4(r, &low) || low >> 10U != 0x37)
        return false;
    return put_code_point(r, 0x10000U + ((high & 0x3ffU) << 10U) + (low & 0x3ffU));
}

static bool read_escape(reader_t *r)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meant[] = "\"\\/\b\f\n\r\t";
    if (r->at == r->end)
        return false;
    uint8_t c = *r->at++;
    if (c == 'u')
        return read_unit(r);
    return is_in(c, letters) && put(r, (uint8_t)meant[strchr(letters, c) - letters]);
}

static bool read_string(reader_t *r, cps_bytes_t *out)
{
    size_t start = r->doc->text_used;
    if (!take(r, '"'))
        return false;
    while (r->at < r->end && *r->at != '"') {
        uint8_t c = *r->at++;
        if (c < 0x20 || !(c == '\\' ? read_escape(r) : put(r, c)))
            return false;
    }
    *out = cps_bytes(r->doc->text + start, r->doc->text_used - start);
    return take(r, '"') && cps_utf8_valid(*out);
}

/* ---- values ---- */

static bool read_digits(reader_t *r)
{
    const uint8_t *start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return r->at != start;
}

static cps_doc_node_t *read_number(reader_t *r)
{
    const uint8_t *start = r->at;
    (void)take(r, '-');
    bool ok = take(r, '0') || read_digits(r);
    if (ok && take(r, '.'))
        ok = read_digits(r);
    if (ok && r->at < r->end && is_in(*r->at, "eE")) {
        r->at++;
        if (r->at < r->end && is_in(*r->at, "+-"))
            r->at++;
        ok = read_digits(r);
    }
    cps_doc_node_t *node = ok ? new_node(r, CPS_DOC_NUMBER) : NULL;
    size_t len = (size_t)(r->at - start);
    size_t used = r->doc->text_used;
    for (size_t i = 0; node != NULL && i < len; i++)
        if (!put(r, start[i]))
            return NULL;
    if (node != NULL)
        node->text = cps_bytes(r->doc->text + used, len);
    return node;
}

static cps_doc_node_t *read_word(reader_t *r)
{
    static const struct {
        const char *word;
        cps_doc_kind_t kind;
    } words[] = {{"null", CPS_DOC_NULL}, {"false", CPS_DOC_FALSE}, {"true", CPS_DOC_TRUE}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t len = strlen(words[i].word);
        if ((size_t)(r->end - r->at) < len || memcmp(r->at, words[i].word, len) != 0)
            continue;
        r->at += len;
        return new_node(r, words[i].kind);
    }
    return NULL;
}

static cps_doc_node_t *read_value(reader_t *r);

static cps_doc_node_t *read_item(reader_t *r, const cps_doc_node_t *in)
{
    cps_bytes_t name = cps_bytes(NULL, 0);
    if (in->kind == CPS_DOC_OBJECT) {
        if (!read_string(r, &name) || cps_doc_member(in, name) != NULL)
            return NULL;
        skip_space(r);
        if (!take(r, ':'))
            return NULL;
    }
    cps_doc_node_t *node = read_value(r);
    if (node != NULL)
        node->name = name;
    return node;
}

static cps_doc_node_t *read_container(reader_t *r, cps_doc_kind_t kind, uint8_t close)
{
    cps_doc_node_t *node = new_node(r, kind);
    if (node == NULL || r->depth == CPS_DOC_DEPTH)
        return NULL;
    r->at++;
    skip_space(r);
    if (take(r, close))
        return node;
    r->depth++;
    for (cps_doc_node_t **end = &node->first;; end = &(*end)->next) {
        skip_space(r);
        *end = read_item(r, node);
        if (*end == NULL)
            return NULL;
        if (take(r, ','))
            continue;
        r->depth--;
        return take(r, close) ? node : NULL;
    }
}

static cps_doc_node_t *read_value(reader_t *r)
{
    cps_doc_node_t *node = NULL;
    skip_space(r);
    uint8_t c = r->at < r->end ? *r->at : 0;
    if (c == '{')
        node = read_container(r, CPS_DOC_OBJECT, '}');
    else if (c == '[')
        node = read_container(r, CPS_DOC_ARRAY, ']');
    else if (c == '"' && (node = new_node(r, CPS_DOC_STRING)) != NULL)
        node = read_string(r, &node->text) ? node : NULL;
    else if (c == '-' || (c >= '0' && c <= '9'))
        node = read_number(r);
    else
        node = read_word(r);
    skip_space(r);
    return node;
}

cps_err_t cps_doc_read(cps_doc_t *doc, cps_bytes_t json, cps_doc_node_t **out)
{
    reader_t r = {doc, json.ptr, json.len != 0 ? json.ptr + json.len : json.ptr, 0, false};
    *out = json.len != 0 ? read_value(&r) : NULL;
    if (*out != NULL && r.at == r.end)
        return CPS_OK;
    doc->why = r.full ? "too many parts" : "no JSON, or a name twice in an object";
    return r.full ? CPS_ERR_NO_SPACE : CPS_ERR_FORMAT;
}
