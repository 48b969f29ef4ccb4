// SPDX-License-Identifier: Apache-2.0
/* What a value that holds JSON can do besides: FETCH selects from it, PATCH and iPATCH change it (RFC 8132). */
#include "cli/doc.h"
#include "cli/kind.h"

#include "base/map.h"

#include <stdlib.h>

#define FORMAT_JSON        50
#define FORMAT_JSON_PATCH  51
#define FORMAT_MERGE_PATCH 52

/* A request's work: the tree and where the result is written. */
typedef struct work {
    cps_doc_t *doc;
    cps_doc_node_t *body; /* what was sent */
    cps_doc_node_t *root; /* what the thing holds; NULL: nothing */
} work_t;

static cps_err_t refuse(cps_request_t *request, const work_t *work, cps_err_t err)
{
    static const struct {
        cps_err_t err;
        cps_code_t code;
    } rows[] = {{CPS_ERR_FORMAT, CPS_BAD_REQUEST},
                {CPS_ERR_NOT_FOUND, CPS_CONFLICT},
                {CPS_ERR_EXISTS, CPS_CONFLICT},
                {CPS_ERR_NO_SPACE, CPS_CONFLICT}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].err == err)
            return cps_reply_error(request, rows[i].code,
                                   err == CPS_ERR_NO_SPACE ? "the document would be too large" : work->doc->why);
    return err;
}

/* Read what was sent, and what is there. */
static cps_err_t begin(cps_request_t *request, const cps_thing_t *thing, work_t *work)
{
    cps_err_t err = CPS_OK;
    *work = (work_t){calloc(1, sizeof *work->doc), NULL, NULL};
    if (work->doc == NULL)
        return CPS_ERR_MEMORY;
    if (thing->exists)
        err = cps_doc_read(work->doc, cps_bytes(thing->bytes, thing->len), &work->root);
    return err == CPS_OK ? cps_doc_read(work->doc, cps_request_payload(request), &work->body) : err;
}

/* Put the new tree in the place of the old bytes: the one step that changes anything (RFC 8132 §3: all or nothing). */
static cps_err_t keep(cps_request_t *request, cps_thing_t *thing, const work_t *work)
{
    uint8_t bytes[CPS_KIND_JSON_MAX];
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    bool created = !thing->exists;
    cps_doc_write(&w, work->root);
    if (w.failed)
        return refuse(request, work, CPS_ERR_NO_SPACE);
    if (!cps_kind_hold(thing, cps_written(&w)))
        return CPS_ERR_MEMORY;
    thing->format = FORMAT_JSON;
    thing->exists = true;
    cps_kind_touch(thing);
    return cps_reply(request, created ? CPS_CREATED : CPS_CHANGED);
}

/* ---- FETCH ---- */

/* An ETag of what a selection shows: of the question and the answer, under a key that is this server's alone. */
static void selection_etag(const cps_thing_t *thing, cps_bytes_t asked, cps_bytes_t answer, uint8_t etag[8])
{
    uint8_t seed[16];
    memcpy(seed, thing->seed, sizeof thing->seed);
    cps_put_be64(seed + 8, asked.len);
    cps_put_be64(seed, cps_hash(seed, asked.ptr, asked.len));
    cps_put_be64(etag, cps_hash(seed, answer.ptr, answer.len));
}

static cps_err_t reply_selection(cps_request_t *request, const cps_thing_t *thing, cps_bytes_t answer)
{
    static const uint8_t json = FORMAT_JSON;
    uint8_t etag[8];
    selection_etag(thing, cps_request_payload(request), answer, etag);
    const cps_option_t options[] = {{CPS_OPT_ETAG, {etag, sizeof etag}}, {CPS_OPT_CONTENT_FORMAT, {&json, 1}}};
    if (cps_request_has_etag(request, options[0].value)) /* RFC 8132 §2.3.2 */
        return cps_reply_with(request, CPS_VALID, options, 1, cps_bytes(NULL, 0));
    return cps_reply_with(request, CPS_CONTENT, options, 2, answer);
}

cps_err_t cps_kind_value_fetch(cps_request_t *request, void *user)
{
    const cps_thing_t *thing = user;
    uint8_t bytes[CPS_KIND_JSON_MAX];
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    work_t work;
    cps_err_t err;
    if (!thing->exists)
        return cps_reply(request, CPS_NOT_FOUND);
    if (thing->format != FORMAT_JSON || cps_request_content_format(request) != FORMAT_JSON)
        return cps_reply(request, CPS_UNSUPPORTED_CONTENT_FORMAT);
    if (!cps_kind_may_change(request, thing, &err)) /* the conditions are of the resource (RFC 8132 §2) */
        return err;
    err = begin(request, thing, &work);
    if (err == CPS_OK)
        err = cps_doc_select(work.doc, work.root, work.body, &w);
    if (err == CPS_ERR_NOT_FOUND || err == CPS_ERR_NO_SPACE)
        err = cps_reply_error(request, CPS_UNPROCESSABLE_ENTITY, /* understood, but not possible (§2.2) */
                              err == CPS_ERR_NOT_FOUND ? work.doc->why : "the selection is too large");
    else if (err != CPS_OK)
        err = refuse(request, &work, err);
    else
        err = reply_selection(request, thing, cps_written(&w));
    free(work.doc);
    return err;
}

/* ---- PATCH and iPATCH ---- */

/* A JSON Patch may move and append: done twice it is not what it is done once, so iPATCH does not take it
 * (RFC 8132 §3). */
static bool takes(const cps_request_t *request, int32_t format)
{
    return format == FORMAT_MERGE_PATCH || (format == FORMAT_JSON_PATCH && cps_request_method(request) == CPS_PATCH);
}

cps_err_t cps_kind_value_patch(cps_request_t *request, void *user)
{
    cps_thing_t *thing = user;
    int32_t format = cps_request_content_format(request);
    work_t work;
    cps_err_t err;
    if (!takes(request, format) ||
        (thing->exists && thing->format != FORMAT_JSON)) /* RFC 8132 §3: it fits what is there */
        return cps_reply(request, CPS_UNSUPPORTED_CONTENT_FORMAT);
    if (!thing->exists && format == FORMAT_JSON_PATCH)
        return cps_reply(request, CPS_NOT_FOUND); /* there is nothing that its paths could lead through */
    if (!cps_kind_may_change(request, thing, &err))
        return err;
    err = begin(request, thing, &work);
    if (err == CPS_OK && format == FORMAT_MERGE_PATCH)
        err = cps_doc_merge(work.doc, &work.root, work.body);
    else if (err == CPS_OK)
        err = cps_doc_patch(work.doc, &work.root, work.body);
    if (err == CPS_OK && work.root == NULL) { /* the whole document was removed */
        work.doc->why = "DELETE removes the whole document";
        err = CPS_ERR_EXISTS;
    }
    err = err == CPS_OK ? keep(request, thing, &work) : refuse(request, &work, err);
    free(work.doc);
    return err;
}
