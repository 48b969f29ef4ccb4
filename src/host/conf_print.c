// SPDX-License-Identifier: Apache-2.0
/* What the table writes: a configuration in force, and the help. */
#include "host/conf.h"

#include <stdlib.h>

void cps_conf_print_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if ((unsigned char)*p < ' ' || *p == 0x7f)
            fprintf(out, "\\x%02x", (unsigned char)*p);
        else
            fputc(*p, out);
    }
    fputc('"', out);
}

/* The group of a key ("limits" of "limits.peers"), as a length; 0 for none. */
static size_t group_len(const char *key)
{
    const char *dot = strchr(key, '.');
    return dot == NULL ? 0 : (size_t)(dot - key);
}

static bool same_group(const char *a, const char *b)
{
    size_t len = group_len(a);
    return len == group_len(b) && memcmp(a, b, len) == 0;
}

static bool is_shown(const cps_conf_row_t *row, const void *field)
{
    return !row->secret && (row->kind->is_unset == NULL || !row->kind->is_unset(row, field));
}

void cps_conf_print_struct(FILE *out, const cps_conf_table_t *table, const void *value, unsigned indent,
                           bool inline_first)
{
    const char *before = "";
    bool first = true;
    for (size_t i = 0; i < table->count; i++) {
        const cps_conf_row_t *row = &table->rows[i];
        const void *field = (const uint8_t *)value + row->offset;
        size_t group = group_len(row->key);
        if (!is_shown(row, field))
            continue;
        if (!first)
            fputc('\n', out);
        unsigned here = first && inline_first ? 0 : indent;
        if (group != 0 && !same_group(before, row->key)) {
            fprintf(out, "%*s%.*s:\n", (int)here, "", (int)group, row->key);
            here = indent;
        }
        unsigned depth = group != 0 ? 2 : 0;
        fprintf(out, "%*s%s:", (int)(here + depth), "", row->key + (group != 0 ? group + 1 : 0));
        row->kind->print(out, row, field, indent + depth);
        before = row->key;
        first = false;
    }
}

void cps_conf_dump(FILE *out, const cps_conf_table_t *table, const void *value)
{
    cps_conf_print_struct(out, table, value, 0, false);
    fputc('\n', out);
}

/* What a field holds, as a dump writes it; NULL where there is no memory. The caller frees it. */
static char *print_field(const cps_conf_row_t *row, const void *value)
{
    char *text = NULL;
    size_t len = 0;
    const void *field = (const uint8_t *)value + row->offset;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return NULL;
    if (is_shown(row, field))
        row->kind->print(out, row, field, 0);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

const cps_conf_row_t *cps_conf_fixed_change(const cps_conf_table_t *table, const void *a, const void *b, size_t *at)
{
    const cps_conf_row_t *changed = NULL;
    for (; *at < table->count && changed == NULL; ++*at) {
        const cps_conf_row_t *row = &table->rows[*at];
        if (!row->fixed)
            continue;
        char *before = print_field(row, a);
        char *after = print_field(row, b);
        if (before == NULL || after == NULL || strcmp(before, after) != 0)
            changed = row;
        free(before);
        free(after);
    }
    return changed;
}

static void help_kind(FILE *out, const cps_conf_row_t *row)
{
    const cps_conf_row_t *of = row->kind == &cps_conf_items ? row->item : row;
    fprintf(out, "%s%s", of != row ? "list of: " : "", of->kind->name);
    if (of->kind->print_range != NULL) {
        fputs(", ", out);
        of->kind->print_range(out, of);
    }
    if (row->required)
        fputs("; needed", out);
    else if (row->fallback != NULL)
        fprintf(out, "; default %s", row->fallback);
    if (row->fixed)
        fputs("; at a start alone", out);
}

static void help_rows(FILE *out, const cps_conf_table_t *table, const char *above)
{
    for (size_t i = 0; i < table->count; i++) {
        const cps_conf_row_t *row = &table->rows[i];
        char path[CPS_CONF_PATH_MAX];
        cps_conf_join(path, above, row->key);
        fprintf(out, "%s (", path);
        help_kind(out, row);
        fprintf(out, ")\n    %s\n", row->help);
        if (row->item != NULL && row->item->table != NULL) {
            char items[CPS_CONF_PATH_MAX + 2];
            snprintf(items, sizeof items, "%s[]", path);
            help_rows(out, row->item->table, items);
        }
    }
}

void cps_conf_help(FILE *out, const cps_conf_table_t *table) { help_rows(out, table, ""); }
