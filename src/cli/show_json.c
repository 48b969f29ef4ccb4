// SPDX-License-Identifier: Apache-2.0
#include "cli/show.h"

#include "base/utf8.h"
#include "host/addr.h"
#include "wire/opttab.h"

void cps_json_text(FILE *out, cps_bytes_t text)
{
    bool valid = cps_utf8_valid(text);
    fputc('"', out);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\u%04x", c);
        else if (c >= 0x80 && !valid)
            fputs("\\ufffd", out);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void put_hex(FILE *out, cps_bytes_t value)
{
    fputc('"', out);
    for (size_t i = 0; i < value.len; i++)
        fprintf(out, "%02x", value.ptr[i]);
    fputc('"', out);
}

static void put_option(FILE *out, const cps_option_t *option)
{
    const cps_opt_row_t *row = cps_opttab_find(option->number);
    uint32_t number = 0;
    fprintf(out, "{\"number\": %u", option->number);
    if (row != NULL)
        fprintf(out, ", \"name\": \"%s\"", row->name);
    fputs(", \"value\": ", out);
    if (row != NULL && row->format == CPS_OPT_FORMAT_UINT && cps_opt_uint(option->value, &number) == CPS_OK)
        fprintf(out, "%u", (unsigned)number);
    else if (row != NULL && row->format == CPS_OPT_FORMAT_STRING)
        cps_json_text(out, option->value);
    else
        put_hex(out, option->value);
    fputc('}', out);
}

static void put_options(FILE *out, const cps_message_t *message)
{
    cps_option_walk_t walk = {0};
    cps_option_t option;
    fputs(", \"options\": [", out);
    for (const char *before = ""; cps_message_next(message, &walk, &option); before = ", ") {
        fputs(before, out);
        put_option(out, &option);
    }
    fputc(']', out);
}

static void put_text(FILE *out, const char *key, const char *text)
{
    fprintf(out, ", \"%s\": ", key);
    if (text == NULL)
        fputs("null", out);
    else
        cps_json_text(out, cps_bytes_str(text));
}

void cps_json_response(FILE *out, const cps_response_t *response)
{
    char digits[8];
    char addr[CPS_ADDR_TEXT_MAX];
    const char *location = NULL;
    const cps_message_t *message = cps_response_message(response);
    cps_addr_t peer = cps_response_peer(response);
    fprintf(out, "{\"code\": \"%s\", \"meaning\": ", cps_code_digits(message->code, digits));
    cps_json_text(out, cps_bytes_str(cps_code_text(message->code)));
    fprintf(out, ", \"sealed\": %s", cps_response_sealed(response) ? "true" : "false");
    put_text(out, "credential", cps_response_credential(response));
    put_text(out, "peer", cps_addr_format(&peer, addr));
    fprintf(out, ", \"max_age\": %u", cps_response_max_age(response));
    fprintf(out, ", \"round_trip_ms\": %.3f", (double)cps_response_round_trip_us(response) / 1000.0);
    put_options(out, message);
    if (cps_response_location(response, &location) == CPS_OK)
        put_text(out, "location", location);
    if (cps_response_diagnostic(response) != NULL)
        put_text(out, "diagnostic", cps_response_diagnostic(response));
    else if (cps_payload_is_text(message)) {
        fputs(", \"text\": ", out);
        cps_json_text(out, message->payload);
    } else {
        fputs(", \"hex\": ", out);
        put_hex(out, message->payload);
    }
    fputs("}\n", out);
}

void cps_json_failure(FILE *out, const cps_client_t *client, cps_err_t err)
{
    char digits[8];
    uint8_t hint = client != NULL ? cps_client_hint(client) : CPS_EMPTY;
    fprintf(out, "{\"error\": \"%s\", \"exit\": %d", cps_err_name(err), cps_err_exit(err));
    put_text(out, "detail", cps_client_detail(client));
    put_text(out, "hint", hint != CPS_EMPTY ? cps_code_digits(hint, digits) : NULL);
    fputs("}\n", out);
}
