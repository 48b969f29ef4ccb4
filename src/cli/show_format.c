// SPDX-License-Identifier: Apache-2.0
#include "cli/show.h"

#include "base/utf8.h"

typedef struct formatrow {
    uint16_t number;
    const char *name; /* as in the registry */
    const char *nick; /* short form, or NULL */
    bool text;
} formatrow_t;

/* From the registry of CoAP Content-Formats (RFC 7252 §12.3 and later ones). */
static const formatrow_t formats[] = {
    {0, "text/plain;charset=utf-8", "text/plain", true},
    {40, "application/link-format", "link-format", true},
    {41, "application/xml", "xml", true},
    {42, "application/octet-stream", "octet-stream", false},
    {47, "application/exi", "exi", false},
    {50, "application/json", "json", true},
    {51, "application/json-patch+json", "json-patch", true},
    {52, "application/merge-patch+json", "merge-patch", true},
    {60, "application/cbor", "cbor", false},
    {61, "application/cwt", "cwt", false},
    {62, "application/multipart-core", "multipart-core", false},
    {63, "application/cbor-seq", "cbor-seq", false},
    {110, "application/senml+json", "senml+json", true},
    {111, "application/sensml+json", "sensml+json", true},
    {112, "application/senml+cbor", "senml+cbor", false},
    {113, "application/sensml+cbor", "sensml+cbor", false},
    {256, "application/coap-group+json", "coap-group+json", true},
    {257, "application/concise-problem-details+cbor", "problem-details", false},
    {310, "application/senml+xml", "senml+xml", true},
    {432, "application/td+json", "td+json", true},
    {11542, "application/vnd.oma.lwm2m+tlv", "lwm2m+tlv", false},
    {11543, "application/vnd.oma.lwm2m+json", "lwm2m+json", true},
};

#define FORMAT_COUNT (sizeof formats / sizeof formats[0])

static const formatrow_t *row_of(uint32_t number)
{
    for (size_t i = 0; i < FORMAT_COUNT; i++)
        if (formats[i].number == number)
            return &formats[i];
    return NULL;
}

bool cps_format_find(const char *text, uint16_t *format)
{
    uint64_t number = 0;
    if (cps_arg_number(text, UINT16_MAX, &number)) {
        *format = (uint16_t)number;
        return true;
    }
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        if (strcmp(formats[i].name, text) != 0 && strcmp(formats[i].nick, text) != 0)
            continue;
        *format = formats[i].number;
        return true;
    }
    return false;
}

const char *cps_format_nearest(const char *text)
{
    const char *names[2 * FORMAT_COUNT];
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        names[2 * i] = formats[i].name;
        names[2 * i + 1] = formats[i].nick;
    }
    return cps_nearest(text, names, 2 * FORMAT_COUNT);
}

const char *cps_format_name(uint32_t format)
{
    const formatrow_t *row = row_of(format);
    return row != NULL ? row->name : NULL;
}

bool cps_payload_is_text(const cps_message_t *message)
{
    uint32_t format;
    if (!cps_utf8_valid(message->payload))
        return false;
    if (!cps_message_uint(message, CPS_OPT_CONTENT_FORMAT, &format))
        return message->payload.len == 0 || memchr(message->payload.ptr, '\0', message->payload.len) == NULL;
    const formatrow_t *row = row_of(format);
    return row != NULL && row->text;
}
