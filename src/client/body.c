// SPDX-License-Identifier: Apache-2.0
/* Bodies of a call that go in blocks: where their bytes come from, and where they go. */
#include "client/client.h"

#include <stdlib.h>

#define BODY_MAX     (8U << 20U)
#define MESSAGE_BODY 1024U /* larger ones are streamed, so that the endpoint holds a block of them only */

static bool has_blocks(const cps_call_t *call)
{
    for (size_t i = 0; i < call->plan.option_count; i++)
        if (call->plan.options[i].number == CPS_OPT_BLOCK1 || call->plan.options[i].number == CPS_OPT_BLOCK2)
            return true;
    return false;
}

void cps_body_command(const cps_call_t *call, cps_command_request_t *command)
{
    const cps_client_request_t *r = call->request;
    command->follow = !has_blocks(call); /* who writes Block options moves the blocks */
    command->block_size = r->block_size;
    command->stream = command->follow && (r->source != NULL || r->payload.len > MESSAGE_BODY);
    if (!command->stream)
        command->payload = r->payload;
    else
        command->body_size = r->source != NULL ? r->source_size : (uint32_t)r->payload.len;
}

/* ---- the answer's ---- */

static cps_err_t collect(cps_call_t *call, const cps_event_response_t *part)
{
    size_t limit = call->request->body_max != 0 ? call->request->body_max : BODY_MAX;
    cps_bytes_t bytes = part->message.payload;
    size_t len = part->offset + bytes.len;
    if (len > limit)
        return CPS_ERR_TOO_LARGE;
    if (len > call->body_room) {
        size_t room = 2 * len < limit ? 2 * len : limit; /* by what came: what the server says of its size is a hint */
        uint8_t *body = realloc(call->body, room);
        if (body == NULL)
            return CPS_ERR_MEMORY;
        call->body = body;
        call->body_room = room;
    }
    cps_copy(call->body + part->offset, bytes.ptr, bytes.len);
    call->body_len = len;
    return CPS_OK;
}

static cps_err_t hand_on(const cps_call_t *call, const cps_event_response_t *part)
{
    cps_client_part_t out = {&part->message, part->offset, part->size, part->more};
    return call->request->sink(call->request->user, &out);
}

cps_err_t cps_body_take(cps_call_t *call, const cps_event_response_t *part, cps_event_response_t *whole)
{
    *whole = *part;
    if (!part->more && part->offset == 0)
        return CPS_OK; /* one message */
    if (call->request->sink != NULL) {
        whole->message.payload = cps_bytes(NULL, 0);
        return hand_on(call, part);
    }
    cps_err_t err = collect(call, part);
    whole->message.payload = cps_bytes(call->body, call->body_len);
    return err;
}

/* ---- the request's ---- */

static cps_err_t from_memory(const cps_call_t *call, const cps_event_wanted_t *wanted, uint8_t *to, size_t *len)
{
    cps_bytes_t all = call->request->payload;
    size_t left = wanted->offset < all.len ? all.len - wanted->offset : 0;
    *len = left < wanted->size ? left : wanted->size;
    cps_copy(to, all.ptr + wanted->offset, *len);
    return CPS_OK;
}

/* A source whose length is not known says by a short piece, perhaps an empty one, that it is at its end. */
static bool is_last(const cps_call_t *call, const cps_event_wanted_t *wanted, size_t len)
{
    const cps_client_request_t *r = call->request;
    size_t size = r->source != NULL ? r->source_size : r->payload.len;
    return len < wanted->size || (size != 0 && wanted->offset + len >= size);
}

cps_err_t cps_body_give(cps_client_t *client, const cps_call_t *call, const cps_event_wanted_t *wanted)
{
    const cps_client_request_t *r = call->request;
    uint8_t piece[1024];
    size_t len = 0;
    cps_err_t err = r->source != NULL ? r->source(r->user, wanted->offset, piece, wanted->size, &len)
                                      : from_memory(call, wanted, piece, &len);
    if (err != CPS_OK)
        return err;
    cps_command_t command = {
        .kind = CPS_COMMAND_PIECE,
        .u.piece = {.request = call->handle, .bytes = cps_bytes(piece, len), .last = is_last(call, wanted, len)}};
    err = len <= wanted->size ? cps_worker_submit(client->worker, &command, NULL) : CPS_ERR_ARGUMENT;
    cps_wipe(piece, sizeof piece);
    return err;
}
