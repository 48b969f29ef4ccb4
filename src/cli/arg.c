// SPDX-License-Identifier: Apache-2.0
#include "cli/arg.h"

#include "cli/cmd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define WORD_MAX 32U /* longer words are near to nothing */

int cps_usage(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", command);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return CPS_EXIT_USAGE;
}

/* ---- the nearest name ---- */

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* How many letters have to be put in, taken out, changed or swapped with the next (optimal string alignment). */
static unsigned distance(const char *a, const char *b)
{
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    unsigned rows[3][WORD_MAX + 1]; /* of this letter of `a`, and of the two before */
    if (a_len > WORD_MAX || b_len > WORD_MAX)
        return WORD_MAX;
    for (unsigned j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *before = rows[(i - 1) % 3];
        row[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            row[j] = least(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a[i - 1] != b[j - 1] ? 1 : 0));
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && rows[(i - 2) % 3][j - 2] + 1 < row[j])
                row[j] = rows[(i - 2) % 3][j - 2] + 1;
        }
    }
    return rows[a_len % 3][b_len];
}

const char *cps_nearest(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    unsigned best_distance = (unsigned)(strlen(word) + 2) / 3; /* a third of it may be wrong */
    for (size_t i = 0; i < count; i++) {
        unsigned d = names[i] != NULL ? distance(word, names[i]) : WORD_MAX;
        if (d > best_distance || (best != NULL && d == best_distance))
            continue;
        best = names[i];
        best_distance = d;
    }
    return best;
}

/* ---- the walk ---- */

cps_args_t cps_args_begin(const char *command, const cps_arg_row_t *rows, size_t count, int argc, char **argv)
{
    return (cps_args_t){.command = command, .rows = rows, .count = count, .argc = argc, .argv = argv, .at = 1};
}

static cps_arg_got_t unknown_long(const cps_args_t *args, const char *name)
{
    const char *names[64];
    size_t count = 0;
    for (size_t i = 0; i < args->count && count < sizeof names / sizeof names[0]; i++)
        if (args->rows[i].name != NULL)
            names[count++] = args->rows[i].name;
    const char *near = cps_nearest(name, names, count);
    if (near != NULL)
        cps_usage(args->command, "there is no option --%s; did you mean --%s?", name, near);
    else
        cps_usage(args->command, "there is no option --%s; --help lists those there are", name);
    return CPS_ARG_WRONG;
}

/* The value of an option that needs one: what is joined to it, or the next word. */
static cps_arg_got_t take_value(cps_args_t *args, const char *joined, const char *shown, cps_arg_t *out)
{
    out->value = joined;
    if (joined == NULL && args->at < args->argc)
        out->value = args->argv[args->at++];
    if (out->value != NULL)
        return CPS_ARG_GOT;
    cps_usage(args->command, "%s needs a value: %s", shown, out->row->value);
    return CPS_ARG_WRONG;
}

static cps_arg_got_t next_long(cps_args_t *args, const char *word, cps_arg_t *out)
{
    char shown[WORD_MAX + 3];
    size_t len = strcspn(word, "=");
    const char *value = word[len] == '=' ? word + len + 1 : NULL;
    snprintf(shown, sizeof shown, "--%.*s", (int)(len < WORD_MAX ? len : WORD_MAX), word);
    for (size_t i = 0; i < args->count; i++) {
        const cps_arg_row_t *row = &args->rows[i];
        if (row->name == NULL || strlen(row->name) != len || memcmp(row->name, word, len) != 0)
            continue;
        out->row = row;
        if (row->value != NULL)
            return take_value(args, value, shown, out);
        out->value = NULL;
        if (value == NULL)
            return CPS_ARG_GOT;
        cps_usage(args->command, "%s takes no value", shown);
        return CPS_ARG_WRONG;
    }
    return unknown_long(args, shown + 2);
}

static cps_arg_got_t next_short(cps_args_t *args, cps_arg_t *out)
{
    const char shown[] = {'-', *args->joined, '\0'};
    const char *rest = args->joined[1] != '\0' ? args->joined + 1 : NULL;
    const cps_arg_row_t *row = NULL;
    for (size_t i = 0; i < args->count && row == NULL; i++)
        if (args->rows[i].letter == *args->joined)
            row = &args->rows[i];
    args->joined = NULL;
    if (row == NULL) {
        cps_usage(args->command, "there is no option %s; --help lists those there are", shown);
        return CPS_ARG_WRONG;
    }
    *out = (cps_arg_t){row, NULL};
    if (row->value != NULL)
        return take_value(args, rest, shown, out);
    if (row->digits && rest != NULL && *rest >= '0' && *rest <= '9')
        out->value = rest;
    else
        args->joined = rest;
    return CPS_ARG_GOT;
}

cps_arg_got_t cps_args_next(cps_args_t *args, cps_arg_t *out)
{
    *out = (cps_arg_t){NULL, NULL};
    if (args->joined != NULL)
        return next_short(args, out);
    if (args->at >= args->argc)
        return CPS_ARG_END;
    const char *word = args->argv[args->at++];
    if (!args->words_only && strcmp(word, "--") == 0) {
        args->words_only = true;
        return cps_args_next(args, out);
    }
    if (args->words_only || word[0] != '-' || word[1] == '\0') { /* "-" is a word: standard input */
        out->value = word;
        return CPS_ARG_GOT;
    }
    if (word[1] == '-')
        return next_long(args, word + 2, out);
    args->joined = word + 1;
    return next_short(args, out);
}

void cps_args_help(const cps_arg_row_t *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char left[64];
        const cps_arg_row_t *row = &rows[i];
        if (row->help == NULL)
            continue;
        snprintf(left, sizeof left, "%c%c%s%s%s%s%s", row->letter != 0 ? '-' : ' ',
                 row->letter != 0 ? row->letter : ' ',
                 row->letter != 0 && row->name != NULL ? ", " : (row->name != NULL ? "  " : ""),
                 row->name != NULL ? "--" : "", row->name != NULL ? row->name : "", row->value != NULL ? " " : "",
                 row->value != NULL ? row->value : "");
        printf("  %-28s %s\n", left, row->help);
    }
}

/* ---- values ---- */

bool cps_arg_number(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        unsigned digit = (unsigned)*text - '0';
        if (digit > 9 || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool cps_arg_bytes(const char *text, uint8_t *out, size_t cap, size_t *len)
{
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        return cps_hex_decode(text + 2, strlen(text + 2), out, cap, len);
    *len = strlen(text);
    if (*len > cap)
        return false;
    cps_copy(out, text, *len);
    return true;
}

bool cps_arg_seconds(const char *text, uint32_t *ms)
{
    char digits[16] = "";
    int whole = (int)strcspn(text, ".");
    const char *decimals = text[whole] == '.' ? text + whole + 1 : "";
    size_t count = strlen(decimals);
    uint64_t value = 0;
    if (whole > 0 && whole < 8 && count <= 3)
        snprintf(digits, sizeof digits, "%.*s%s%.*s", whole, text, decimals, (int)(3 - count), "000");
    if (!cps_arg_number(digits, UINT32_MAX, &value) || value == 0)
        return false;
    *ms = (uint32_t)value;
    return true;
}
