// SPDX-License-Identifier: Apache-2.0
#include "client/client.h"

#include <stdlib.h>

#define MAX_AGE_DEFAULT 60U /* RFC 7252 §5.10.5 */

struct cps_response {
    cps_message_t message; /* views of `bytes` */
    char *bytes;
    char *diagnostic; /* or NULL */
    char *location;   /* or NULL */
    cps_err_t location_err;
    char credential[CPS_STORE_NAME_MAX + 1];
    cps_addr_t peer;
    uint64_t partial_iv;
    uint64_t round_trip_us;
    unsigned owners;
};

static bool copy_message(cps_response_t *r, const cps_message_t *from)
{
    r->bytes = malloc(from->options.len + from->payload.len + 1);
    if (r->bytes == NULL)
        return false;
    cps_copy(r->bytes, from->options.ptr, from->options.len);
    cps_copy(r->bytes + from->options.len, from->payload.ptr, from->payload.len);
    r->message.code = from->code;
    r->message.options = cps_bytes(r->bytes, from->options.len);
    r->message.payload = cps_bytes(r->bytes + from->options.len, from->payload.len);
    return true;
}

static bool is_error(uint8_t code) { return cps_code_class(code) == 4 || cps_code_class(code) == 5; }

/* RFC 7252 §5.5.2: an error's payload without Content-Format is a text for developers; with one, a representation. */
static bool make_diagnostic(cps_response_t *r)
{
    cps_bytes_t value;
    cps_bytes_t payload = r->message.payload;
    if (!is_error(r->message.code) || payload.len == 0 ||
        cps_message_option(&r->message, CPS_OPT_CONTENT_FORMAT, &value))
        return true;
    r->diagnostic = malloc(payload.len + 1);
    if (r->diagnostic != NULL)
        cps_text_clean(payload, false, r->diagnostic, payload.len + 1);
    return r->diagnostic != NULL;
}

/* RFC 7252 §5.10.7: Location-* against the request's URI, whose scheme and authority end where its path begins. */
static bool make_location(cps_response_t *r, const cps_uri_t *uri, const char *uri_text)
{
    size_t head = (size_t)(uri->path.ptr - (const uint8_t *)uri_text);
    size_t room = head + 3 * r->message.options.len + 4; /* each byte at most as %xx */
    char *text = malloc(room);
    if (text == NULL)
        return false;
    memcpy(text, uri_text, head);
    cps_writer_t w = cps_writer(text + head, room - head - 1);
    r->location_err = cps_uri_join_location(r->message.options, &w);
    if (r->location_err != CPS_OK) {
        free(text);
        return true;
    }
    *w.cur = '\0';
    r->location = text;
    return true;
}

cps_response_t *cps_response_new(const cps_event_response_t *event, const char *credential, const cps_uri_t *uri,
                                 const char *uri_text)
{
    cps_response_t *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->owners = 1;
    r->peer = event->path.remote;
    r->partial_iv = event->partial_iv;
    r->round_trip_us = event->round_trip_us;
    if (event->context != 0)
        memcpy(r->credential, credential, strlen(credential) + 1);
    if (copy_message(r, &event->message) && make_diagnostic(r) && make_location(r, uri, uri_text))
        return r;
    cps_response_free(r);
    return NULL;
}

cps_response_t *cps_response_ref(cps_response_t *response)
{
    response->owners++;
    return response;
}

void cps_response_free(cps_response_t *response)
{
    if (response == NULL || --response->owners != 0)
        return;
    free(response->bytes);
    free(response->diagnostic);
    free(response->location);
    free(response);
}

cps_code_t cps_response_code(const cps_response_t *response) { return (cps_code_t)response->message.code; }

cps_code_t cps_response_meaning(const cps_response_t *response)
{
    uint8_t code = response->message.code;
    return (cps_code_t)(cps_code_is_known(code) ? code : CPS_CODE(cps_code_class(code), 0));
}

const cps_message_t *cps_response_message(const cps_response_t *response) { return &response->message; }

cps_bytes_t cps_response_payload(const cps_response_t *response) { return response->message.payload; }

const char *cps_response_diagnostic(const cps_response_t *response) { return response->diagnostic; }

bool cps_response_method_unsupported(const cps_response_t *response)
{
    return response->message.code == CPS_METHOD_NOT_ALLOWED || response->message.code == CPS_NOT_IMPLEMENTED;
}

cps_err_t cps_response_location(const cps_response_t *response, const char **uri)
{
    *uri = response->location;
    return response->location_err;
}

uint32_t cps_response_max_age(const cps_response_t *response)
{
    uint32_t seconds;
    return cps_message_uint(&response->message, CPS_OPT_MAX_AGE, &seconds) ? seconds : MAX_AGE_DEFAULT;
}

uint32_t cps_response_retry_after(const cps_response_t *response)
{
    uint32_t seconds;
    uint8_t code = response->message.code;
    if (code != CPS_SERVICE_UNAVAILABLE && code != CPS_TOO_MANY_REQUESTS)
        return 0;
    if (cps_message_uint(&response->message, CPS_OPT_MAX_AGE, &seconds))
        return seconds;
    return code == CPS_TOO_MANY_REQUESTS ? MAX_AGE_DEFAULT : 0; /* RFC 8516 §4 */
}

bool cps_response_sealed(const cps_response_t *response) { return response->credential[0] != '\0'; }

const char *cps_response_credential(const cps_response_t *response)
{
    return response->credential[0] != '\0' ? response->credential : NULL;
}

cps_addr_t cps_response_peer(const cps_response_t *response) { return response->peer; }

uint64_t cps_response_round_trip_us(const cps_response_t *response) { return response->round_trip_us; }
