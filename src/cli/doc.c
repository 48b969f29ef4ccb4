// SPDX-License-Identifier: Apache-2.0
#include "cli/doc.h"

cps_doc_node_t *cps_doc_node(cps_doc_t *doc, cps_doc_kind_t kind)
{
    if (doc->node_count == CPS_DOC_NODES)
        return NULL;
    cps_doc_node_t *node = &doc->nodes[doc->node_count++];
    *node = (cps_doc_node_t){.kind = kind};
    return node;
}

/* ---- writing ---- */

static void write_string(cps_writer_t *w, cps_bytes_t text)
{
    static const char hex[] = "0123456789abcdef";
    cps_write_u8(w, '"');
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c < 0x20) {
            cps_write_str(w, "\\u00");
            cps_write_u8(w, (uint8_t)hex[c >> 4U]);
            cps_write_u8(w, (uint8_t)hex[c & 15U]);
            continue;
        }
        if (c == '"' || c == '\\')
            cps_write_u8(w, '\\');
        cps_write_u8(w, c);
    }
    cps_write_u8(w, '"');
}

static void write_members(cps_writer_t *w, const cps_doc_node_t *node)
{
    bool named = node->kind == CPS_DOC_OBJECT;
    cps_write_u8(w, named ? '{' : '[');
    for (const cps_doc_node_t *child = node->first; child != NULL; child = child->next) {
        if (named) {
            write_string(w, child->name);
            cps_write_u8(w, ':');
        }
        cps_doc_write(w, child);
        if (child->next != NULL)
            cps_write_u8(w, ',');
    }
    cps_write_u8(w, named ? '}' : ']');
}

void cps_doc_write(cps_writer_t *w, const cps_doc_node_t *node)
{
    static const char *const words[] = {[CPS_DOC_NULL] = "null", [CPS_DOC_FALSE] = "false", [CPS_DOC_TRUE] = "true"};
    switch (node->kind) {
    case CPS_DOC_NUMBER:
        cps_write_bytes(w, node->text);
        break;
    case CPS_DOC_STRING:
        write_string(w, node->text);
        break;
    case CPS_DOC_ARRAY:
    case CPS_DOC_OBJECT:
        write_members(w, node);
        break;
    default:
        cps_write_str(w, words[node->kind]);
        break;
    }
}

/* ---- trees ---- */

cps_doc_node_t *cps_doc_member(const cps_doc_node_t *object, cps_bytes_t name)
{
    cps_doc_node_t *child = object->first;
    while (child != NULL && !cps_bytes_equal(child->name, name))
        child = child->next;
    return child;
}

cps_doc_node_t *cps_doc_copy(cps_doc_t *doc, const cps_doc_node_t *node)
{
    cps_doc_node_t *copy = cps_doc_node(doc, node->kind);
    if (copy == NULL)
        return NULL;
    copy->text = node->text;
    cps_doc_node_t **end = &copy->first;
    for (const cps_doc_node_t *child = node->first; child != NULL; child = child->next) {
        *end = cps_doc_copy(doc, child);
        if (*end == NULL)
            return NULL;
        (*end)->name = child->name;
        end = &(*end)->next;
    }
    return copy;
}

/* ---- FETCH ---- */

static cps_err_t select_one(cps_doc_t *doc, cps_doc_node_t *root, const cps_doc_node_t *pointer, cps_writer_t *w)
{
    cps_doc_place_t place;
    if (pointer->kind != CPS_DOC_STRING) {
        doc->why = "write an array of JSON Pointers";
        return CPS_ERR_FORMAT;
    }
    cps_err_t err = cps_doc_find(doc, &root, pointer->text, &place);
    if (err == CPS_OK && *place.at == NULL)
        err = CPS_ERR_NOT_FOUND;
    if (err != CPS_OK)
        return err;
    write_string(w, pointer->text);
    cps_write_u8(w, ':');
    cps_doc_write(w, *place.at);
    return CPS_OK;
}

cps_err_t cps_doc_select(cps_doc_t *doc, cps_doc_node_t *root, const cps_doc_node_t *pointers, cps_writer_t *w)
{
    doc->why = "write an array of JSON Pointers";
    if (pointers->kind != CPS_DOC_ARRAY)
        return CPS_ERR_FORMAT;
    cps_write_u8(w, '{');
    for (const cps_doc_node_t *one = pointers->first; one != NULL; one = one->next) {
        doc->why = "a pointer names nothing in the document";
        cps_err_t err = select_one(doc, root, one, w);
        if (err != CPS_OK)
            return err;
        if (one->next != NULL)
            cps_write_u8(w, ',');
    }
    cps_write_u8(w, '}');
    return cps_writer_err(w);
}

/* ---- merge patch ---- */

static void drop_member(cps_doc_node_t *object, cps_bytes_t name)
{
    cps_doc_node_t **at = &object->first;
    while (*at != NULL && !cps_bytes_equal((*at)->name, name))
        at = &(*at)->next;
    if (*at != NULL)
        *at = (*at)->next;
}

static void set_member(cps_doc_node_t *object, cps_bytes_t name, cps_doc_node_t *value)
{
    cps_doc_node_t **at = &object->first;
    while (*at != NULL && !cps_bytes_equal((*at)->name, name))
        at = &(*at)->next;
    value->next = *at != NULL ? (*at)->next : NULL;
    value->name = name;
    *at = value;
}

/* The function MergePatch of RFC 7396 §2. */
cps_err_t cps_doc_merge(cps_doc_t *doc, cps_doc_node_t **root, cps_doc_node_t *patch)
{
    if (patch->kind != CPS_DOC_OBJECT) {
        *root = patch;
        return CPS_OK;
    }
    if (*root == NULL || (*root)->kind != CPS_DOC_OBJECT)
        *root = cps_doc_node(doc, CPS_DOC_OBJECT);
    if (*root == NULL)
        return CPS_ERR_NO_SPACE;
    for (cps_doc_node_t *change = patch->first, *next; change != NULL; change = next) {
        cps_bytes_t name = change->name;
        next = change->next;
        if (change->kind == CPS_DOC_NULL) {
            drop_member(*root, name);
            continue;
        }
        cps_doc_node_t *value = cps_doc_member(*root, name);
        cps_err_t err = cps_doc_merge(doc, &value, change);
        if (err != CPS_OK)
            return err;
        if (cps_doc_member(*root, name) != value)
            set_member(*root, name, value);
    }
    return CPS_OK;
}
