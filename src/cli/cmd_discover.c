// SPDX-License-Identifier: Apache-2.0
/* discover: the links of /.well-known/core (RFC 6690) as a table. */
#include "cli/cmd.h"
#include "cli/cmd_request.h"
#include "cli/show.h"
#include "wire/link.h"

#include <stdlib.h>

#define CORE         "/.well-known/core"
#define LINK_FORMAT  40U
#define COLUMNS      5
#define CELL_MAX     512U
#define NO_LIST_EXIT 3

/* A URI of the host alone asks for its list, with the query as the filter. */
static int prepare(cps_ask_t *ask)
{
    const char *scheme = strstr(ask->uri, "://");
    const char *host = scheme != NULL ? scheme + 3 : ask->uri;
    size_t head = (size_t)(host - ask->uri) + strcspn(host, "/?#");
    const char *rest = ask->uri + head;
    if (rest[0] == '/' && rest[1] != '\0' && rest[1] != '?')
        return 0;
    if (rest[0] == '/')
        rest++;
    int len = snprintf(ask->made_uri, sizeof ask->made_uri, "%.*s" CORE "%s", (int)head, ask->uri, rest);
    if (len < 0 || (size_t)len >= sizeof ask->made_uri)
        return cps_usage(ask->command, "the URI is too long");
    ask->uri = ask->made_uri;
    return 0;
}

/* ---- the table ---- */

/* Name of a column, and the attribute that it shows; the first is the target. */
static const struct {
    const char *title;
    const char *attribute;
} columns[COLUMNS] = {{"PATH", NULL}, {"TYPE", "rt"}, {"FORMATS", "ct"}, {"IS", NULL}, {"TITLE", "title"}};

#define COLUMN_FORMATS 2
#define COLUMN_FLAGS   3

/* "json text/plain" for "50 0"; codes that have no name stay numbers. */
static void formats_cell(cps_bytes_t codes, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (uint16_t code; cps_link_ct_next(&codes, &code);) {
        const char *name = cps_format_name(code);
        char digits[8];
        snprintf(digits, sizeof digits, "%u", code);
        int more = snprintf(out + len, size - len, "%s%s", len == 0 ? "" : " ", name != NULL ? name : digits);
        len = more > 0 && len + (size_t)more < size ? len + (size_t)more : len;
    }
}

static void flags_cell(const cps_link_t *link, char *out, size_t size)
{
    cps_link_attr_t attr;
    bool sealed = cps_link_get(link, "osc", &attr);
    bool observable = cps_link_get(link, "obs", &attr);
    snprintf(out, size, "%s%s%s", sealed ? "sealed" : "", sealed && observable ? " " : "",
             observable ? "observable" : "");
}

static void make_cell(const cps_link_t *link, int column, char out[CELL_MAX])
{
    uint8_t plain[CELL_MAX];
    cps_link_attr_t attr;
    cps_bytes_t value = link->target;
    out[0] = '\0';
    if (column == COLUMN_FLAGS) {
        flags_cell(link, out, CELL_MAX);
        return;
    }
    if (columns[column].attribute != NULL) {
        if (!cps_link_get(link, columns[column].attribute, &attr))
            return;
        cps_writer_t w = cps_writer(plain, sizeof plain);
        value = cps_link_unescape(attr.value, &w) == CPS_OK ? cps_written(&w) : attr.value;
    }
    if (column == COLUMN_FORMATS)
        formats_cell(value, out, CELL_MAX);
    else
        cps_text_clean(value, false, out, CELL_MAX);
}

static void print_row(FILE *out, const char *const *cells, const int *widths)
{
    int last = COLUMNS - 1;
    while (last > 0 && cells[last][0] == '\0')
        last--;
    for (int i = 0; i < last; i++)
        fprintf(out, "%-*s  ", widths[i], cells[i]);
    fprintf(out, "%s\n", cells[last]);
}

/* How wide the columns are; false where the document is no list of links. */
static bool measure(cps_bytes_t document, int *widths)
{
    char cell[CELL_MAX];
    cps_link_t link;
    cps_err_t err;
    for (int i = 0; i < COLUMNS; i++)
        widths[i] = (int)strlen(columns[i].title);
    while (cps_link_next(&document, &link, &err)) {
        for (int i = 0; i < COLUMNS; i++) {
            make_cell(&link, i, cell);
            int len = (int)strlen(cell);
            widths[i] = len > widths[i] ? len : widths[i];
        }
    }
    return err == CPS_OK;
}

static void print_table(FILE *out, cps_bytes_t document, const int *widths)
{
    char cells[COLUMNS][CELL_MAX];
    const char *row[COLUMNS];
    cps_link_t link;
    cps_err_t err;
    for (int i = 0; i < COLUMNS; i++)
        row[i] = columns[i].title;
    print_row(out, row, widths);
    while (cps_link_next(&document, &link, &err)) {
        for (int i = 0; i < COLUMNS; i++) {
            make_cell(&link, i, cells[i]);
            row[i] = cells[i];
        }
        print_row(out, row, widths);
    }
}

static bool is_list(const cps_response_t *response)
{
    uint32_t format = 0;
    return cps_response_code(response) == CPS_CONTENT &&
           cps_message_uint(cps_response_message(response), CPS_OPT_CONTENT_FORMAT, &format) && format == LINK_FORMAT;
}

static int show_links(const cps_ask_t *ask, const cps_response_t *response, int fd)
{
    int widths[COLUMNS];
    cps_bytes_t document = cps_response_payload(response);
    if (cps_response_code(response) != CPS_CONTENT || ask->raw || ask->json || ask->output != NULL)
        return cps_show_response(ask, response, fd);
    if (ask->verbose != 0)
        cps_show_response_line(response);
    if (!is_list(response) || !measure(document, widths)) {
        fprintf(stderr, "%s: what %s has is no list of links (RFC 6690); --raw shows it\n", ask->command, ask->uri);
        return NO_LIST_EXIT;
    }
    print_table(stdout, document, widths);
    return 0;
}

int cps_cmd_discover(int argc, char **argv)
{
    static const cps_ask_shape_t shape = {
        .command = "coapsule discover",
        .method = "get",
        .help =
            "\nOne line a resource: its path, resource type, formats, whether it is sealed or observable, its title.\n"
            "A query filters (RFC 6690), and a path asks for another list.\n\n"
            "  coapsule discover coap://door.local\n"
            "  coapsule discover 'coap://door.local?rt=temperature'",
        .prepare = prepare,
        .show = show_links};
    return cps_ask_main(&shape, argc, argv);
}
