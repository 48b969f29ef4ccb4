// SPDX-License-Identifier: Apache-2.0
/* The kinds of values that a table may name: how each is read and written. */
#include "host/conf.h"

#include <inttypes.h>

/* ---- numbers ---- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Digits at `*text`, which is moved behind them; false where there are none or too many. */
static bool read_digits(const char **text, uint64_t *out)
{
    uint64_t value = 0;
    const char *p = *text;
    if (!is_digit(*p))
        return false;
    for (; is_digit(*p); p++)
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
            return false;
    *text = p;
    *out = value;
    return true;
}

static bool in_range(const cps_conf_row_t *row, uint64_t value) { return value >= row->min && value <= row->max; }

/* The range as the kind of the row writes it, for errors and help. */
static void fail_range(cps_conf_t *c, const cps_conf_at_t *at)
{
    char what[128] = "is out of range; write ";
    size_t len = strlen(what);
    FILE *out = fmemopen(what + len, sizeof what - len, "w");
    if (out == NULL) {
        c->err = CPS_ERR_MEMORY;
        return;
    }
    at->row->kind->print_range(out, at->row);
    (void)fclose(out); /* what did not fit is cut */
    cps_conf_wrong(c, at, what);
}

static void number_range(FILE *out, const cps_conf_row_t *row)
{
    fprintf(out, "%" PRIu64 " to %" PRIu64, row->min, row->max);
}

static void read_number(cps_conf_t *c, const cps_conf_at_t *at, void *field)
{
    const char *text = cps_conf_scalar(c, at);
    uint64_t value;
    if (text == NULL)
        return;
    if (!read_digits(&text, &value) || *text != '\0')
        cps_conf_wrong(c, at, "is not a whole number");
    else if (!in_range(at->row, value))
        fail_range(c, at);
    else
        *(uint32_t *)field = (uint32_t)value;
}

static void print_number(FILE *out, const cps_conf_row_t *row, const void *field, unsigned indent)
{
    (void)row;
    (void)indent;
    fprintf(out, " %u", *(const uint32_t *)field);
}

const cps_conf_kind_t cps_conf_number = {"number", sizeof(uint32_t), read_number, print_number, NULL, number_range};

static void write_factor(FILE *out, uint64_t thousandths)
{
    unsigned rest = (unsigned)(thousandths % 1000);
    fprintf(out, "%" PRIu64, thousandths / 1000);
    if (rest != 0 && rest % 100 == 0)
        fprintf(out, ".%u", rest / 100);
    else if (rest != 0)
        fprintf(out, ".%03u", rest);
}

static void factor_range(FILE *out, const cps_conf_row_t *row)
{
    write_factor(out, row->min);
    fputs(" to ", out);
    write_factor(out, row->max);
}

static void read_factor(cps_conf_t *c, const cps_conf_at_t *at, void *field)
{
    const char *text = cps_conf_scalar(c, at);
    uint64_t value;
    uint64_t unit = 1000;
    if (text == NULL)
        return;
    bool ok = read_digits(&text, &value) && value < 1000000;
    value = ok ? value * 1000 : 0;
    if (ok && *text == '.') {
        text++;
        ok = is_digit(*text);
        for (; is_digit(*text) && unit > 1; text++) {
            unit /= 10;
            value += (uint64_t)(*text - '0') * unit;
        }
    }
    if (!ok || *text != '\0')
        cps_conf_wrong(c, at, "is not a factor; write 1.5");
    else if (!in_range(at->row, value))
        fail_range(c, at);
    else
        *(uint32_t *)field = (uint32_t)value;
}

static void print_factor(FILE *out, const cps_conf_row_t *row, const void *field, unsigned indent)
{
    (void)row;
    (void)indent;
    fputc(' ', out);
    write_factor(out, *(const uint32_t *)field);
}

const cps_conf_kind_t cps_conf_factor = {"factor", sizeof(uint32_t), read_factor, print_factor, NULL, factor_range};

/* ---- sizes and times ---- */

typedef struct unit {
    const char *name;
    uint64_t factor;
} unit_t;

static const unit_t size_units[] = {{"GiB", 1U << 30U}, {"MiB", 1U << 20U}, {"KiB", 1U << 10U}, {"", 1}, {NULL, 0}};

static const unit_t time_units[] = {{"h", 3600000000U}, {"m", 60000000U}, {"s", 1000000U},
                                    {"ms", 1000U},      {"us", 1U},       {NULL, 0}};

static bool read_with_unit(const char *text, const unit_t *units, uint64_t *out)
{
    uint64_t value;
    if (!read_digits(&text, &value))
        return false;
    for (const unit_t *u = units; u->name != NULL; u++)
        if (strcmp(text, u->name) == 0)
            return !__builtin_mul_overflow(value, u->factor, out);
    return false;
}

/* In the largest unit that divides it. */
static void write_with_unit(FILE *out, uint64_t value, const unit_t *units)
{
    const unit_t *u = units;
    while (u->factor != 1 && (value == 0 || value % u->factor != 0))
        u++;
    fprintf(out, "%" PRIu64 "%s", value / u->factor, u->name);
}

static void size_range(FILE *out, const cps_conf_row_t *row)
{
    write_with_unit(out, row->min, size_units);
    fputs(" to ", out);
    write_with_unit(out, row->max, size_units);
}

static void read_size(cps_conf_t *c, const cps_conf_at_t *at, void *field)
{
    const char *text = cps_conf_scalar(c, at);
    uint64_t value;
    if (text == NULL)
        return;
    if (!read_with_unit(text, size_units, &value))
        cps_conf_wrong(c, at, "is not a size; write 512, 64KiB, 8MiB or 1GiB");
    else if (!in_range(at->row, value))
        fail_range(c, at);
    else
        *(uint64_t *)field = value;
}

static void print_size(FILE *out, const cps_conf_row_t *row, const void *field, unsigned indent)
{
    (void)row;
    (void)indent;
    fputc(' ', out);
    write_with_unit(out, *(const uint64_t *)field, size_units);
}

const cps_conf_kind_t cps_conf_size = {"size", sizeof(uint64_t), read_size, print_size, NULL, size_range};

static void write_time(FILE *out, uint64_t value)
{
    if (value == CPS_TIME_NEVER || value == 0)
        fputs(value == 0 ? "0s" : "never", out);
    else
        write_with_unit(out, value, time_units);
}

static void time_range(FILE *out, const cps_conf_row_t *row)
{
    write_time(out, row->min);
    fputs(row->max == CPS_TIME_NEVER ? " or more, or " : " to ", out);
    write_time(out, row->max);
}

static void read_time(cps_conf_t *c, const cps_conf_at_t *at, void *field)
{
    const char *text = cps_conf_scalar(c, at);
    bool may_never = at->row->max == CPS_TIME_NEVER;
    uint64_t value = CPS_TIME_NEVER;
    if (text == NULL)
        return;
    bool never = may_never && strcmp(text, "never") == 0;
    if (!never && !read_with_unit(text, time_units, &value))
        cps_conf_wrong(c, at,
                       may_never ? "is not a time; write 500ms, 10s, 5m or never"
                                 : "is not a time; write 500ms, 10s or 5m");
    else if (!in_range(at->row, value))
        fail_range(c, at);
    else
        *(uint64_t *)field = value;
}

static void print_time(FILE *out, const cps_conf_row_t *row, const void *field, unsigned indent)
{
    (void)row;
    (void)indent;
    fputc(' ', out);
    write_time(out, *(const uint64_t *)field);
}

static bool no_time(const cps_conf_row_t *row, const void *field)
{
    return *(const uint64_t *)field == 0 && row->min > 0;
}

const cps_conf_kind_t cps_conf_time = {"time", sizeof(uint64_t), read_time, print_time, no_time, time_range};

/* ---- words ---- */

static void read_bool(cps_conf_t *c, const cps_conf_at_t *at, void *field)
{
    const char *text = cps_conf_scalar(c, at);
    if (text == NULL)
        return;
    if (strcmp(text, "true") == 0)
        *(bool *)field = true;
    else if (strcmp(text, "false") == 0)
        *(bool *)field = false;
    else
        cps_conf_wrong(c, at, "is neither true nor false");
}

static void print_bool(FILE *out, const cps_conf_row_t *row, const void *field, unsigned indent)
{
    (void)row;
    (void)indent;
    fputs(*(const bool *)field ? " true" : " false", out);
}

const cps_conf_kind_t cps_conf_bool = {"true or false", sizeof(bool), read_bool, print_bool, NULL, NULL};

static void choice_range(FILE *out, const cps_conf_row_t *row)
{
    for (size_t i = 0; row->choices[i] != NULL; i++)
        fprintf(out, "%s%s", i == 0 ? "" : ", ", row->choices[i]);
}

static void read_choice(cps_conf_t *c, const cps_conf_at_t *at, void *field)
{
    const char *text = cps_conf_scalar(c, at);
    char what[200] = "is not one of ";
    if (text == NULL)
        return;
    for (uint32_t i = 0; at->row->choices[i] != NULL; i++) {
        if (strcmp(text, at->row->choices[i]) == 0) {
            *(uint32_t *)field = i;
            return;
        }
        size_t len = strlen(what);
        snprintf(what + len, sizeof what - len, "%s%s", i == 0 ? "" : ", ", at->row->choices[i]);
    }
    cps_conf_wrong(c, at, what);
}

static void print_choice(FILE *out, const cps_conf_row_t *row, const void *field, unsigned indent)
{
    (void)indent;
    fprintf(out, " %s", row->choices[*(const uint32_t *)field]);
}

const cps_conf_kind_t cps_conf_choice = {"word", sizeof(uint32_t), read_choice, print_choice, NULL, choice_range};

/* ---- texts ---- */

static void read_string(cps_conf_t *c, const cps_conf_at_t *at, void *field)
{
    const char *text = cps_conf_scalar(c, at);
    size_t len = text == NULL ? 0 : strlen(text);
    if (text == NULL)
        return;
    if (len < at->row->min)
        cps_conf_wrong(c, at, "is too short");
    else if (at->row->max != 0 && len > at->row->max)
        cps_conf_wrong(c, at, "is too long");
    else
        *(const char **)field = text;
}

static void print_string(FILE *out, const cps_conf_row_t *row, const void *field, unsigned indent)
{
    (void)row;
    (void)indent;
    fputc(' ', out);
    cps_conf_print_text(out, *(const char *const *)field);
}

static bool no_string(const cps_conf_row_t *row, const void *field)
{
    (void)row;
    return *(const char *const *)field == NULL;
}

const cps_conf_kind_t cps_conf_string = {"text", sizeof(const char *), read_string, print_string, no_string, NULL};
const cps_conf_kind_t cps_conf_path = {"path", sizeof(const char *), read_string, print_string, no_string, NULL};

static void read_hex(cps_conf_t *c, const cps_conf_at_t *at, void *field)
{
    const char *text = cps_conf_scalar(c, at);
    size_t len = text == NULL ? 0 : strlen(text) / 2;
    char what[64];
    if (text == NULL)
        return;
    uint8_t *bytes = cps_conf_take(&c->mem, len + 1);
    if (bytes == NULL) {
        c->err = CPS_ERR_MEMORY;
        return;
    }
    if (!cps_hex_decode(text, strlen(text), bytes, len, &len)) {
        cps_conf_wrong(c, at, "is not hex; write two digits a byte, like 01ab");
    } else if (!in_range(at->row, len)) {
        snprintf(what, sizeof what, "has %zu bytes; %" PRIu64 " to %" PRIu64 " are taken", len, at->row->min,
                 at->row->max);
        cps_conf_wrong(c, at, what);
    } else {
        *(cps_bytes_t *)field = cps_bytes(bytes, len);
    }
}

static void print_hex(FILE *out, const cps_conf_row_t *row, const void *field, unsigned indent)
{
    const cps_bytes_t *bytes = field;
    (void)row;
    (void)indent;
    fputs(" \"", out);
    for (size_t i = 0; i < bytes->len; i++)
        fprintf(out, "%02x", bytes->ptr[i]);
    fputc('"', out);
}

static bool no_hex(const cps_conf_row_t *row, const void *field)
{
    (void)row;
    return ((const cps_bytes_t *)field)->ptr == NULL;
}

static void hex_range(FILE *out, const cps_conf_row_t *row)
{
    fprintf(out, "%" PRIu64 " to %" PRIu64 " bytes", row->min, row->max);
}

const cps_conf_kind_t cps_conf_hex = {"hex", sizeof(cps_bytes_t), read_hex, print_hex, no_hex, hex_range};

/* ---- addresses ---- */

static void read_address(cps_conf_t *c, const cps_conf_at_t *at, void *field)
{
    static const char scheme[] = "coap://";
    const char *text = cps_conf_scalar(c, at);
    if (text == NULL)
        return;
    if (strncmp(text, scheme, sizeof scheme - 1) != 0 ||
        cps_addr_parse(cps_bytes_str(text + sizeof scheme - 1), 5683, field) != CPS_OK)
        cps_conf_wrong(c, at, "is not an address; write coap://0.0.0.0:5683 or \"coap://[::]:5683\"");
}

static void print_address(FILE *out, const cps_conf_row_t *row, const void *field, unsigned indent)
{
    char text[CPS_ADDR_TEXT_MAX];
    (void)row;
    (void)indent;
    fprintf(out, " \"coap://%s\"", cps_addr_format(field, text));
}

const cps_conf_kind_t cps_conf_address = {"address", sizeof(cps_addr_t), read_address, print_address, NULL, NULL};

static void read_net(cps_conf_t *c, const cps_conf_at_t *at, void *field)
{
    const char *text = cps_conf_scalar(c, at);
    cps_net_t net;
    if (text == NULL)
        return;
    if (cps_net_parse(cps_bytes_str(text), &net) != CPS_OK)
        cps_conf_wrong(c, at, "is not a network; write 10.0.0.0/8, 192.0.2.1 or \"fd00::/8\"");
    else
        *(cps_net_t *)field = net;
}

static void print_net(FILE *out, const cps_conf_row_t *row, const void *field, unsigned indent)
{
    char text[CPS_ADDR_TEXT_MAX];
    (void)row;
    (void)indent;
    fprintf(out, " \"%s\"", cps_net_format(field, text));
}

const cps_conf_kind_t cps_conf_net = {"network", sizeof(cps_net_t), read_net, print_net, NULL, NULL};

/* ---- lists and structs ---- */

static size_t item_size(const cps_conf_row_t *item)
{
    return item->kind->size != 0 ? item->kind->size : item->table->size;
}

static void read_items(cps_conf_t *c, const cps_conf_at_t *at, void *field)
{
    const cps_conf_row_t *item = at->row->item;
    size_t size = item_size(item);
    cps_conf_list_t list = {NULL, at->node->count};
    size_t i = 0;
    if (at->node->kind != CPS_YAML_LIST) {
        cps_conf_fail(c, CPS_ERR_CONFIG, at->path, "is not a list; write [one, two]");
        return;
    }
    if (list.count < at->row->min || (at->row->max != 0 && list.count > at->row->max)) {
        cps_conf_fail(c, CPS_ERR_CONFIG, at->path, "has %zu items; %" PRIu64 " to %" PRIu64 " are taken", list.count,
                      at->row->min, at->row->max);
        return;
    }
    list.items = cps_conf_take(&c->mem, list.count * size);
    if (list.items == NULL) {
        c->err = CPS_ERR_MEMORY;
        return;
    }
    for (const cps_yaml_node_t *node = at->node->first; node != NULL; node = node->next, i++) {
        char path[CPS_CONF_PATH_MAX];
        cps_conf_at_t one = {path, item, node};
        snprintf(path, sizeof path, "%.160s[%zu]", at->path, i);
        if (node->line != 0)
            cps_conf_mark(c, path, node->line);
        item->kind->read(c, &one, (uint8_t *)list.items + i * size);
    }
    *(cps_conf_list_t *)field = list;
}

static void print_items(FILE *out, const cps_conf_row_t *row, const void *field, unsigned indent)
{
    const cps_conf_list_t *list = field;
    const cps_conf_row_t *item = row->item;
    bool block = item->kind->size == 0 && list->count != 0;
    if (!block)
        fputs(" [", out);
    for (size_t i = 0; i < list->count; i++) {
        const uint8_t *place = (const uint8_t *)list->items + i * item_size(item);
        if (block) {
            fprintf(out, "\n%*s- ", (int)indent + 2, "");
            cps_conf_print_struct(out, item->table, place, indent + 4, true);
        } else {
            fputs(i == 0 ? "" : ",", out);
            item->kind->print(out, item, place, indent);
        }
    }
    if (!block)
        fputs(" ]", out);
}

const cps_conf_kind_t cps_conf_items = {"list", sizeof(cps_conf_list_t), read_items, print_items, NULL, NULL};

static void read_struct(cps_conf_t *c, const cps_conf_at_t *at, void *field)
{
    cps_conf_read_struct(c, at->row->table, at, field);
}

static void print_struct(FILE *out, const cps_conf_row_t *row, const void *field, unsigned indent)
{
    fputc('\n', out);
    cps_conf_print_struct(out, row->table, field, indent + 2, false);
}

const cps_conf_kind_t cps_conf_struct = {"group of keys", 0, read_struct, print_struct, NULL, NULL};
