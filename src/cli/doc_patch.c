// SPDX-License-Identifier: Apache-2.0
/* JSON Pointer (RFC 6901) and JSON Patch (RFC 6902). */
#include "cli/doc.h"

/* ---- pointers ---- */

/* The next part of a pointer, with ~1 and ~0 read (RFC 6901 §4). */
static cps_err_t next_part(cps_doc_t *doc, cps_bytes_t *rest, cps_bytes_t *part)
{
    size_t start = doc->text_used;
    size_t i = 1;
    for (; i < rest->len && rest->ptr[i] != '/'; i++) {
        uint8_t c = rest->ptr[i];
        if (c == '~') {
            i++;
            if (i == rest->len || (rest->ptr[i] != '0' && rest->ptr[i] != '1'))
                return CPS_ERR_FORMAT;
            c = rest->ptr[i] == '0' ? '~' : '/';
        }
        if (doc->text_used == CPS_DOC_TEXT)
            return CPS_ERR_NO_SPACE;
        doc->text[doc->text_used++] = c;
    }
    *part = cps_bytes(doc->text + start, doc->text_used - start);
    *rest = cps_bytes(rest->ptr + i, rest->len - i);
    return CPS_OK;
}

/* The index that a part says: digits without a leading zero, or "-" for the place behind the last (RFC 6901 §4). */
static bool read_index(cps_bytes_t part, size_t *index)
{
    *index = SIZE_MAX;
    if (cps_bytes_equal(part, CPS_BYTES_LIT("-")))
        return true;
    if (part.len == 0 || part.len > 4 || (part.ptr[0] == '0' && part.len > 1))
        return false;
    *index = 0;
    for (size_t i = 0; i < part.len; i++) {
        if (part.ptr[i] < '0' || part.ptr[i] > '9')
            return false;
        *index = 10 * *index + (part.ptr[i] - '0');
    }
    return true;
}

static cps_err_t step(cps_doc_place_t *place, cps_bytes_t part)
{
    cps_doc_node_t *in = *place->at;
    size_t index = 0;
    if (in == NULL || (in->kind != CPS_DOC_ARRAY && in->kind != CPS_DOC_OBJECT))
        return CPS_ERR_NOT_FOUND;
    if (in->kind == CPS_DOC_ARRAY && !read_index(part, &index))
        return CPS_ERR_NOT_FOUND;
    cps_doc_node_t **at = &in->first;
    size_t passed = 0;
    while (*at != NULL && (in->kind == CPS_DOC_ARRAY ? passed < index : !cps_bytes_equal((*at)->name, part))) {
        at = &(*at)->next;
        passed++;
    }
    if (in->kind == CPS_DOC_ARRAY && index != SIZE_MAX && passed != index)
        return CPS_ERR_NOT_FOUND;
    *place =
        (cps_doc_place_t){at, in, in->kind == CPS_DOC_OBJECT ? part : cps_bytes(NULL, 0), in->kind == CPS_DOC_ARRAY};
    return CPS_OK;
}

cps_err_t cps_doc_find(cps_doc_t *doc, cps_doc_node_t **root, cps_bytes_t pointer, cps_doc_place_t *out)
{
    cps_err_t err = pointer.len == 0 || pointer.ptr[0] == '/' ? CPS_OK : CPS_ERR_FORMAT;
    *out = (cps_doc_place_t){root, NULL, {NULL, 0}, false};
    while (err == CPS_OK && pointer.len != 0) {
        cps_bytes_t part;
        err = next_part(doc, &pointer, &part);
        if (err == CPS_OK)
            err = step(out, part);
    }
    return err;
}

/* ---- operations ---- */

typedef struct operation {
    cps_doc_t *doc;
    cps_doc_node_t **root;
    cps_bytes_t path;
    const cps_doc_node_t *from;
    const cps_doc_node_t *value;
} operation_t;

static cps_err_t find_existing(const operation_t *op, cps_bytes_t pointer, cps_doc_place_t *place)
{
    cps_err_t err = cps_doc_find(op->doc, op->root, pointer, place);
    return err == CPS_OK && *place->at == NULL ? CPS_ERR_NOT_FOUND : err;
}

static cps_err_t put_at(const operation_t *op, cps_doc_node_t *value)
{
    cps_doc_place_t place;
    cps_err_t err = value == NULL ? CPS_ERR_NO_SPACE : cps_doc_find(op->doc, op->root, op->path, &place);
    if (err != CPS_OK)
        return err;
    cps_doc_node_t *there = *place.at;
    value->name = place.name;
    value->next = place.insert || there == NULL ? there : there->next;
    *place.at = value;
    return CPS_OK;
}

static cps_err_t add(const operation_t *op) { return put_at(op, cps_doc_copy(op->doc, op->value)); }

static cps_err_t take_out(const operation_t *op, cps_bytes_t pointer, cps_doc_node_t **taken)
{
    cps_doc_place_t place;
    cps_err_t err = find_existing(op, pointer, &place);
    if (err != CPS_OK)
        return err;
    *taken = *place.at;
    *place.at = place.in != NULL ? (*taken)->next : NULL;
    return CPS_OK;
}

static cps_err_t take_away(const operation_t *op)
{
    cps_doc_node_t *taken;
    return take_out(op, op->path, &taken);
}

static cps_err_t replace(const operation_t *op)
{
    cps_doc_node_t *taken;
    cps_doc_place_t place;
    cps_err_t err = find_existing(op, op->path, &place);
    if (err == CPS_OK && place.insert) /* an item of an array: the others move up, and back */
        err = take_out(op, op->path, &taken);
    return err == CPS_OK ? add(op) : err;
}

static cps_err_t move(const operation_t *op)
{
    cps_doc_node_t *taken = NULL;
    size_t len = op->from->text.len;
    if (op->path.len > len && op->path.ptr[len] == '/' && memcmp(op->path.ptr, op->from->text.ptr, len) == 0)
        return CPS_ERR_FORMAT; /* RFC 6902 §4.4: not into itself */
    cps_err_t err = take_out(op, op->from->text, &taken);
    return err == CPS_OK ? put_at(op, taken) : err;
}

static cps_err_t copy(const operation_t *op)
{
    cps_doc_place_t place;
    cps_err_t err = find_existing(op, op->from->text, &place);
    return err == CPS_OK ? put_at(op, cps_doc_copy(op->doc, *place.at)) : err;
}

static size_t count_of(const cps_doc_node_t *node)
{
    size_t count = 0;
    for (const cps_doc_node_t *child = node->first; child != NULL; child = child->next)
        count++;
    return count;
}

/* RFC 6902 §4.6; numbers are equal here where they are written alike. */
static bool equals(const cps_doc_node_t *a, const cps_doc_node_t *b)
{
    if (a->kind != b->kind || !cps_bytes_equal(a->text, b->text) || count_of(a) != count_of(b))
        return false;
    const cps_doc_node_t *other = b->first;
    for (const cps_doc_node_t *child = a->first; child != NULL; child = child->next) {
        const cps_doc_node_t *same = a->kind == CPS_DOC_OBJECT ? cps_doc_member(b, child->name) : other;
        if (same == NULL || !equals(child, same))
            return false;
        other = other->next;
    }
    return true;
}

static cps_err_t test(const operation_t *op)
{
    cps_doc_place_t place;
    cps_err_t err = find_existing(op, op->path, &place);
    return err == CPS_OK && !equals(*place.at, op->value) ? CPS_ERR_EXISTS : err;
}

static const struct {
    const char *name;
    cps_err_t (*run)(const operation_t *op);
    bool from;
    bool value;
} operations[] = {
    {"add", add, false, true},   {"remove", take_away, false, false}, {"replace", replace, false, true},
    {"move", move, true, false}, {"copy", copy, true, false},         {"test", test, false, true},
};

static const cps_doc_node_t *text_member(const cps_doc_node_t *node, const char *name)
{
    const cps_doc_node_t *member = cps_doc_member(node, cps_bytes_str(name));
    return member != NULL && member->kind == CPS_DOC_STRING ? member : NULL;
}

static cps_err_t run(cps_doc_t *doc, cps_doc_node_t **root, const cps_doc_node_t *step_of)
{
    const cps_doc_node_t *name = step_of->kind == CPS_DOC_OBJECT ? text_member(step_of, "op") : NULL;
    const cps_doc_node_t *path = name != NULL ? text_member(step_of, "path") : NULL;
    if (path == NULL)
        return CPS_ERR_FORMAT;
    operation_t op = {doc, root, path->text, text_member(step_of, "from"),
                      cps_doc_member(step_of, CPS_BYTES_LIT("value"))};
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        if (!cps_bytes_equal(name->text, cps_bytes_str(operations[i].name)))
            continue;
        if ((operations[i].from && op.from == NULL) || (operations[i].value && op.value == NULL))
            return CPS_ERR_FORMAT;
        return operations[i].run(&op);
    }
    return CPS_ERR_FORMAT;
}

cps_err_t cps_doc_patch(cps_doc_t *doc, cps_doc_node_t **root, const cps_doc_node_t *patch)
{
    cps_err_t err = patch->kind == CPS_DOC_ARRAY ? CPS_OK : CPS_ERR_FORMAT;
    for (const cps_doc_node_t *one = patch->first; err == CPS_OK && one != NULL; one = one->next)
        err = run(doc, root, one);
    if (err == CPS_ERR_FORMAT)
        doc->why = "write an array of JSON Patch operations";
    else if (err == CPS_ERR_EXISTS)
        doc->why = "a test of the patch does not hold";
    else
        doc->why = "a path of the patch leads nowhere";
    return err;
}
