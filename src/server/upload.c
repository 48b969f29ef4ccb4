// SPDX-License-Identifier: Apache-2.0
/* Bodies of requests that come in blocks: put together by the endpoint, or taken by the handler one after the other. */
#include "server/request.h"

#include <stdlib.h>

/* ---- by the endpoint ---- */

void cps_request_put_together(cps_request_t *request)
{
    cps_answer_t answer = {.code = CPS_CONTINUE, .step = CPS_BODY_KEEP, .body_max = request->node->body_max};
    cps_err_t err = cps_request_answer(request, &answer);
    if (err == CPS_ERR_FULL)
        cps_request_refuse_busy(request, "no room for another body");
    else if (err != CPS_OK)
        cps_request_give_up(request, err, "the body cannot be taken");
}

/* ---- by the handler ---- */

static cps_upload_t *upload_new(cps_dispatch_t *d, const cps_node_t *node)
{
    cps_upload_t *upload = calloc(1, sizeof *upload);
    if (upload == NULL)
        return NULL;
    upload->node = node;
    upload->id = ++d->upload_count;
    upload->next = d->uploads;
    d->uploads = upload;
    return upload;
}

/* There are no more of them than the endpoint has bodies under way. */
cps_upload_t *cps_upload_find(const cps_dispatch_t *d, uint64_t id)
{
    cps_upload_t *upload = d->uploads;
    while (upload != NULL && upload->id != id)
        upload = upload->next;
    return upload;
}

static void take_out(cps_dispatch_t *d, const cps_upload_t *upload)
{
    cps_upload_t **at = &d->uploads;
    while (*at != NULL && *at != upload)
        at = &(*at)->next;
    if (*at != NULL)
        *at = upload->next;
}

static void upload_free(cps_dispatch_t *d, cps_upload_t *upload)
{
    take_out(d, upload);
    free(upload);
}

static void tell(const cps_upload_t *upload)
{
    if (upload->node->abandoned != NULL)
        upload->node->abandoned(upload->user, upload->node->user);
}

void cps_dispatch_abandoned(cps_dispatch_t *d, uint64_t body_user)
{
    cps_upload_t *upload = cps_upload_find(d, body_user);
    if (upload == NULL)
        return;
    tell(upload);
    upload_free(d, upload);
}

void cps_uploads_fini(cps_dispatch_t *d)
{
    cps_upload_t *next;
    for (cps_upload_t *upload = d->uploads; upload != NULL; upload = next) {
        next = upload->next;
        tell(upload);
        free(upload);
    }
    d->uploads = NULL;
}

void cps_upload_end(cps_request_t *request)
{
    if (request->upload == NULL)
        return;
    upload_free(request->dispatch, request->upload);
    request->upload = NULL;
}

void cps_upload_abandon(cps_request_t *request)
{
    if (request->upload == NULL)
        return;
    tell(request->upload);
    cps_upload_end(request);
}

cps_err_t cps_reply_continue(cps_request_t *request, void *upload)
{
    cps_dispatch_t *d = request->dispatch;
    if (request->node == NULL) /* its resource is gone */
        return CPS_ERR_STALE;
    if (!request->node->stream || !request->body.more)
        return CPS_ERR_ARGUMENT;
    cps_upload_t *kept = request->upload != NULL ? request->upload : upload_new(d, request->node);
    if (kept == NULL)
        return CPS_ERR_MEMORY;
    cps_answer_t answer = {.code = CPS_CONTINUE, .step = CPS_BODY_HAND_ON, .upload = kept};
    bool first = request->upload == NULL;
    request->upload = NULL; /* the endpoint has it now */
    cps_err_t err = cps_request_answer(request, &answer);
    if (err == CPS_OK) {
        kept->user = upload;
        return CPS_OK;
    }
    request->upload = first ? NULL : kept;
    if (first)
        upload_free(d, kept);
    return err;
}

/* ---- what a handler can ask ---- */

uint32_t cps_request_wanted(const cps_request_t *request, uint32_t *size)
{
    if (size != NULL)
        *size = request->body.wanted_size;
    return request->body.wanted;
}

uint32_t cps_request_offset(const cps_request_t *request) { return request->body.offset; }

bool cps_request_has_more(const cps_request_t *request) { return request->body.more; }

uint32_t cps_request_size(const cps_request_t *request) { return request->body.size; }

void *cps_request_upload(const cps_request_t *request)
{
    return request->upload != NULL ? request->upload->user : NULL;
}
