// SPDX-License-Identifier: Apache-2.0
/* Texts of a peer for people, and the names of codes. */
#include "client/client.h"

#include "base/utf8.h"

#include <stdio.h>

/* Whether a character may turn what a terminal shows into something else: it must not come from a peer. */
static bool is_unsafe(cps_bytes_t c, bool lines)
{
    if (c.len == 1)
        return (c.ptr[0] < 0x20 && !(lines && (c.ptr[0] == '\n' || c.ptr[0] == '\t'))) || c.ptr[0] == 0x7f;
    if (c.len == 2)
        return c.ptr[0] == 0xc2 && c.ptr[1] < 0xa0; /* C1 controls */
    if (c.len != 3 || c.ptr[0] != 0xe2)
        return false;
    /* U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069: other lines, other directions */
    return (c.ptr[1] == 0x80 && (c.ptr[2] == 0x8e || c.ptr[2] == 0x8f || (c.ptr[2] >= 0xa8 && c.ptr[2] <= 0xae))) ||
           (c.ptr[1] == 0x81 && c.ptr[2] >= 0xa6 && c.ptr[2] <= 0xa9);
}

/* The character at the start of `rest`, or one byte where it is none. */
static cps_bytes_t next_character(cps_bytes_t rest, bool *valid)
{
    for (size_t len = 1; len <= 4 && len <= rest.len; len++) {
        cps_bytes_t c = cps_bytes(rest.ptr, len);
        *valid = cps_utf8_valid(c);
        if (*valid)
            return c;
    }
    return cps_bytes(rest.ptr, 1);
}

char *cps_text_clean(cps_bytes_t bytes, bool lines, char *out, size_t size)
{
    cps_writer_t w = cps_writer(out, size - 1);
    while (bytes.len != 0 && !w.failed) {
        bool valid = false;
        cps_bytes_t c = next_character(bytes, &valid);
        if (!valid || is_unsafe(c, lines))
            cps_write_u8(&w, '?');
        else
            cps_write_bytes(&w, c);
        bytes = cps_bytes(bytes.ptr + c.len, bytes.len - c.len);
    }
    *w.cur = '\0';
    return out;
}

typedef struct coderow {
    uint8_t code;
    const char *text;
} coderow_t;

/* The registries of RFC 7252 §12.1, 7959, 8132, 8516, 8768, 9175. */
static const coderow_t codes[] = {
    {CPS_EMPTY, "Empty"},
    {CPS_GET, "GET"},
    {CPS_POST, "POST"},
    {CPS_PUT, "PUT"},
    {CPS_DELETE, "DELETE"},
    {CPS_FETCH, "FETCH"},
    {CPS_PATCH, "PATCH"},
    {CPS_IPATCH, "iPATCH"},
    {CPS_CREATED, "Created"},
    {CPS_DELETED, "Deleted"},
    {CPS_VALID, "Valid"},
    {CPS_CHANGED, "Changed"},
    {CPS_CONTENT, "Content"},
    {CPS_CONTINUE, "Continue"},
    {CPS_BAD_REQUEST, "Bad Request"},
    {CPS_UNAUTHORIZED, "Unauthorized"},
    {CPS_BAD_OPTION, "Bad Option"},
    {CPS_FORBIDDEN, "Forbidden"},
    {CPS_NOT_FOUND, "Not Found"},
    {CPS_METHOD_NOT_ALLOWED, "Method Not Allowed"},
    {CPS_NOT_ACCEPTABLE, "Not Acceptable"},
    {CPS_REQUEST_ENTITY_INCOMPLETE, "Request Entity Incomplete"},
    {CPS_CONFLICT, "Conflict"},
    {CPS_PRECONDITION_FAILED, "Precondition Failed"},
    {CPS_REQUEST_ENTITY_TOO_LARGE, "Request Entity Too Large"},
    {CPS_UNSUPPORTED_CONTENT_FORMAT, "Unsupported Content-Format"},
    {CPS_UNPROCESSABLE_ENTITY, "Unprocessable Entity"},
    {CPS_TOO_MANY_REQUESTS, "Too Many Requests"},
    {CPS_INTERNAL_SERVER_ERROR, "Internal Server Error"},
    {CPS_NOT_IMPLEMENTED, "Not Implemented"},
    {CPS_BAD_GATEWAY, "Bad Gateway"},
    {CPS_SERVICE_UNAVAILABLE, "Service Unavailable"},
    {CPS_GATEWAY_TIMEOUT, "Gateway Timeout"},
    {CPS_PROXYING_NOT_SUPPORTED, "Proxying Not Supported"},
    {CPS_HOP_LIMIT_REACHED, "Hop Limit Reached"},
};

static const coderow_t *find(uint8_t code)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].code == code)
            return &codes[i];
    return NULL;
}

bool cps_code_is_known(uint8_t code) { return find(code) != NULL; }

const char *cps_code_text(uint8_t code)
{
    /* RFC 7252 §5.9: an unknown code of a class is taken as its x.00; nothing is defined for 2.00 but success */
    static const char *const classes[8] = {"Unknown Method",        "Reserved", "Success", "Reserved", "Bad Request",
                                           "Internal Server Error", "Reserved", "Signal"};
    const coderow_t *row = find(code);
    return row != NULL ? row->text : classes[cps_code_class(code)];
}

const char *cps_code_digits(uint8_t code, char out[8])
{
    snprintf(out, 8, "%u.%02u", cps_code_class(code), cps_code_detail(code));
    return out;
}
