// SPDX-License-Identifier: Apache-2.0
#include "cli/show.h"

#include "wire/opttab.h"

#define SHOWN_MAX 64U /* bytes of a value or payload in a line */

static void show_hex(FILE *out, cps_bytes_t value)
{
    size_t len = value.len < SHOWN_MAX ? value.len : SHOWN_MAX;
    for (size_t i = 0; i < len; i++)
        fprintf(out, "%02x", value.ptr[i]);
    if (len < value.len)
        fputs("...", out);
}

static void show_text(FILE *out, cps_bytes_t value)
{
    char text[SHOWN_MAX + 1];
    bool whole = value.len <= SHOWN_MAX;
    fputs(cps_text_clean(whole ? value : cps_bytes(value.ptr, SHOWN_MAX), false, text, sizeof text), out);
    if (!whole)
        fputs("...", out);
}

static void show_uint(FILE *out, const cps_option_t *option)
{
    uint32_t number = 0;
    bool is_format = option->number == CPS_OPT_CONTENT_FORMAT || option->number == CPS_OPT_ACCEPT;
    if (cps_opt_uint(option->value, &number) != CPS_OK) {
        show_hex(out, option->value);
        return;
    }
    const char *name = is_format ? cps_format_name(number) : NULL;
    if (name != NULL)
        fputs(name, out);
    else
        fprintf(out, "%u", (unsigned)number);
}

static void show_option(FILE *out, const cps_option_t *option)
{
    const cps_opt_row_t *row = cps_opttab_find(option->number);
    if (row == NULL)
        fprintf(out, "  option %u", option->number);
    else
        fprintf(out, "  %s", row->name);
    cps_opt_format_t format = row != NULL ? (cps_opt_format_t)row->format : CPS_OPT_FORMAT_OPAQUE;
    if (option->number == CPS_OPT_OSCORE || (option->value.len == 0 && format != CPS_OPT_FORMAT_UINT))
        return; /* the line of the credential says what the OSCORE option holds */
    fputc(' ', out);
    if (format == CPS_OPT_FORMAT_STRING)
        show_text(out, option->value);
    else if (format == CPS_OPT_FORMAT_UINT)
        show_uint(out, option);
    else
        show_hex(out, option->value);
}

void cps_show_options(FILE *out, cps_bytes_t options, const uint16_t *without)
{
    cps_opt_walk_t walk = cps_opt_walk(options);
    for (cps_option_t option; cps_opt_next(&walk, &option);) {
        const uint16_t *number = without;
        while (*number != 0 && *number != option.number)
            number++;
        if (*number == 0)
            show_option(out, &option);
    }
}

void cps_show_payload(FILE *out, cps_bytes_t payload)
{
    cps_message_t message = {.payload = payload};
    if (payload.len == 0)
        return;
    fputs("  ", out);
    if (payload.len <= SHOWN_MAX && cps_payload_is_text(&message))
        show_text(out, payload);
    else
        fprintf(out, "%zu bytes", payload.len);
}
