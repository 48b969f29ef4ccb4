// SPDX-License-Identifier: Apache-2.0
/* A JSON document (RFC 8259) as a tree: what a value may hold, what FETCH selects from it and what PATCH
 * and iPATCH make of it. A tree is made, worked on and written out within one request, in memory of a fixed size, so a
 * change that fails half way leaves the resource as it was (RFC 8132 §3). */
#ifndef CPS_CLI_DOC_H
#define CPS_CLI_DOC_H

#include "base/bytes.h"

#define CPS_DOC_NODES 2048U
#define CPS_DOC_TEXT  8192U
#define CPS_DOC_DEPTH 24U /* arrays and objects inside each other */

typedef enum cps_doc_kind {
    CPS_DOC_NULL,
    CPS_DOC_FALSE,
    CPS_DOC_TRUE,
    CPS_DOC_NUMBER,
    CPS_DOC_STRING,
    CPS_DOC_ARRAY,
    CPS_DOC_OBJECT
} cps_doc_kind_t;

typedef struct cps_doc_node {
    cps_doc_kind_t kind;
    cps_bytes_t name; /**< in an object: UTF-8 without escapes */
    cps_bytes_t text; /**< a number as written, a string as UTF-8 without escapes */
    struct cps_doc_node *first;
    struct cps_doc_node *next;
} cps_doc_node_t;

/** Where the nodes and texts of one request live. Zero `node_count` and `text_used` to begin. */
typedef struct cps_doc {
    cps_doc_node_t nodes[CPS_DOC_NODES];
    size_t node_count;
    uint8_t text[CPS_DOC_TEXT];
    size_t text_used;
    const char *why; /**< what was wrong, for the peer; static text */
} cps_doc_t;

/* ---- doc_read.c ---- */

/** Read a text whole. CPS_ERR_FORMAT: no JSON, a name twice in an object, or too deep; CPS_ERR_NO_SPACE. */
CPS_MUST_USE cps_err_t cps_doc_read(cps_doc_t *doc, cps_bytes_t json, cps_doc_node_t **out);

/* ---- doc.c ---- */

/** A new node; NULL: no room. */
cps_doc_node_t *cps_doc_node(cps_doc_t *doc, cps_doc_kind_t kind);

/** Write a tree without white space. */
void cps_doc_write(cps_writer_t *w, const cps_doc_node_t *node);

/** The member of that name, or NULL. */
cps_doc_node_t *cps_doc_member(const cps_doc_node_t *object, cps_bytes_t name);

/** A copy of a tree, without name; NULL: no room. */
cps_doc_node_t *cps_doc_copy(cps_doc_t *doc, const cps_doc_node_t *node);

/**
 * Write an object with what each pointer (RFC 6901) of the array `pointers` names: {"/a":1,"/b/c":2}. CPS_ERR_FORMAT:
 * no array of pointers. CPS_ERR_NOT_FOUND: one names nothing. CPS_ERR_NO_SPACE.
 */
CPS_MUST_USE cps_err_t cps_doc_select(cps_doc_t *doc, cps_doc_node_t *root, const cps_doc_node_t *pointers,
                                      cps_writer_t *w);

/** JSON Merge Patch (RFC 7396). `*root` may be NULL: there is nothing yet. CPS_ERR_NO_SPACE. */
CPS_MUST_USE cps_err_t cps_doc_merge(cps_doc_t *doc, cps_doc_node_t **root, cps_doc_node_t *patch);

/* ---- doc_patch.c ---- */

/** Where a pointer leads: the place that holds the node, and, for what is not there yet, the array or object that would
 * hold it. */
typedef struct cps_doc_place {
    cps_doc_node_t **at; /**< `*at` is NULL: nothing there; it would be appended */
    cps_doc_node_t *in;  /**< NULL: the whole document */
    cps_bytes_t name;    /**< in an object */
    bool insert;         /**< in an array: what is added goes before `*at` */
} cps_doc_place_t;

/** Follow a pointer. CPS_ERR_FORMAT: none; CPS_ERR_NOT_FOUND: no such way; CPS_ERR_NO_SPACE. */
CPS_MUST_USE cps_err_t cps_doc_find(cps_doc_t *doc, cps_doc_node_t **root, cps_bytes_t pointer, cps_doc_place_t *out);

/** JSON Patch (RFC 6902): all operations, or an error and a tree not to be used. CPS_ERR_FORMAT: malformed;
 * CPS_ERR_NOT_FOUND: a path that leads nowhere; CPS_ERR_EXISTS: a test that does not hold; CPS_ERR_NO_SPACE. */
CPS_MUST_USE cps_err_t cps_doc_patch(cps_doc_t *doc, cps_doc_node_t **root, const cps_doc_node_t *patch);

#endif /* CPS_CLI_DOC_H */
