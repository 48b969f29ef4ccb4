// SPDX-License-Identifier: Apache-2.0
/* What the keys of daemons hold beside the common kinds: who may do what, what a proxy reaches, and how often a message is
 * repeated. */
#include "host/conf_access.h"

#define METRICS_PORT 9464U

/* ---- allow: a map from name to methods ---- */

static const struct {
    const char *name;
    uint8_t code;
} methods[] = {{"get", CPS_GET},     {"post", CPS_POST},   {"put", CPS_PUT},      {"delete", CPS_DELETE},
               {"fetch", CPS_FETCH}, {"patch", CPS_PATCH}, {"ipatch", CPS_IPATCH}};

#define METHOD_COUNT (sizeof methods / sizeof methods[0])

static uint32_t read_method(cps_conf_t *c, const cps_conf_at_t *at)
{
    const char *text = cps_conf_scalar(c, at);
    for (size_t i = 0; text != NULL && i < METHOD_COUNT; i++)
        if (strcmp(text, methods[i].name) == 0)
            return 1U << methods[i].code;
    if (text != NULL)
        cps_conf_wrong(c, at, "is not one of get, post, put, delete, fetch, patch, ipatch");
    return 0;
}

static uint32_t read_methods(cps_conf_t *c, const cps_conf_at_t *at)
{
    uint32_t bits = 0;
    size_t i = 0;
    if (at->node->kind != CPS_YAML_LIST) {
        cps_conf_fail(c, CPS_ERR_CONFIG, at->path, "is not a list of methods; write [get, put], or [] for none");
        return 0;
    }
    for (const cps_yaml_node_t *node = at->node->first; node != NULL; node = node->next, i++) {
        char path[CPS_CONF_PATH_MAX];
        cps_conf_at_t one = {path, at->row, node};
        snprintf(path, sizeof path, "%.160s[%zu]", at->path, i);
        cps_conf_mark(c, path, node->line);
        bits |= read_method(c, &one);
    }
    return bits;
}

static void read_allow(cps_conf_t *c, const cps_conf_at_t *at, void *field)
{
    cps_conf_list_t list = {NULL, 0};
    if (at->node->kind != CPS_YAML_MAP) {
        cps_conf_fail(c, CPS_ERR_CONFIG, at->path, "is not a map; write { phone: [get, put] }");
        return;
    }
    cps_conf_allow_t *items = cps_conf_take(&c->mem, at->node->count * sizeof *items);
    if (items == NULL) {
        c->err = CPS_ERR_MEMORY;
        return;
    }
    for (const cps_yaml_node_t *node = at->node->first; node != NULL; node = node->next) {
        char path[CPS_CONF_PATH_MAX];
        cps_conf_at_t one = {cps_conf_join(path, at->path, node->key), at->row, node};
        if (cps_conf_is_set(c, path)) {
            cps_conf_fail(c, CPS_ERR_CONFIG, path, "stands here twice");
            continue;
        }
        cps_conf_mark(c, path, node->key_line);
        items[list.count++] = (cps_conf_allow_t){node->key, read_methods(c, &one)};
    }
    list.items = items;
    *(cps_conf_list_t *)field = list;
}

static void print_allow(FILE *out, const cps_conf_row_t *row, const void *field, unsigned indent)
{
    const cps_conf_list_t *list = field;
    const cps_conf_allow_t *items = list->items;
    (void)row;
    (void)indent;
    fputs(" {", out);
    for (size_t i = 0; i < list->count; i++) {
        const char *comma = "";
        fputs(i == 0 ? " " : ", ", out);
        cps_conf_print_text(out, items[i].name);
        fputs(": [", out);
        for (size_t m = 0; m < METHOD_COUNT; m++) {
            if ((items[i].methods >> methods[m].code & 1U) == 0)
                continue;
            fprintf(out, "%s%s", comma, methods[m].name);
            comma = ", ";
        }
        fputc(']', out);
    }
    fputs(" }", out);
}

const cps_conf_kind_t cps_conf_allow = {
    "map of names to methods", sizeof(cps_conf_list_t), read_allow, print_allow, NULL, NULL};

/* ---- copies: a number whose 0 means none, which the endpoint writes as CPS_NO_RETRANSMIT ---- */

static void read_copies(cps_conf_t *c, const cps_conf_at_t *at, void *field)
{
    uint32_t *copies = field;
    cps_conf_number.read(c, at, copies);
    if (*copies == 0)
        *copies = CPS_NO_RETRANSMIT;
}

static void print_copies(FILE *out, const cps_conf_row_t *row, const void *field, unsigned indent)
{
    uint32_t copies = *(const uint32_t *)field;
    if (copies == CPS_NO_RETRANSMIT)
        copies = 0;
    cps_conf_number.print(out, row, &copies, indent);
}

static void copies_range(FILE *out, const cps_conf_row_t *row) { cps_conf_number.print_range(out, row); }

const cps_conf_kind_t cps_conf_copies = {"number", sizeof(uint32_t), read_copies, print_copies, NULL, copies_range};

/* ---- where metrics are ---- */

static void read_http(cps_conf_t *c, const cps_conf_at_t *at, void *field)
{
    const char *text = cps_conf_scalar(c, at);
    cps_conf_metrics_t metrics = {.off = text != NULL && strcmp(text, "off") == 0};
    if (text == NULL)
        return;
    if (!metrics.off && cps_addr_parse(cps_bytes_str(text), METRICS_PORT, &metrics.addr) != CPS_OK)
        cps_conf_wrong(c, at, "is not an address; write 127.0.0.1:9464, \"[::1]:9464\" or off");
    else
        *(cps_conf_metrics_t *)field = metrics;
}

static void print_http(FILE *out, const cps_conf_row_t *row, const void *field, unsigned indent)
{
    const cps_conf_metrics_t *metrics = field;
    char text[CPS_ADDR_TEXT_MAX];
    (void)row;
    (void)indent;
    fputc(' ', out);
    cps_conf_print_text(out, metrics->off ? "off" : cps_addr_format(&metrics->addr, text));
}

const cps_conf_kind_t cps_conf_http = {
    "address:port or off", sizeof(cps_conf_metrics_t), read_http, print_http, NULL, NULL};

/* ---- targets ---- */

/* The port behind the last colon, where the text has one outside brackets. `*len` is cut to the host. */
static bool split_port(const char *text, size_t *len, cps_conf_target_t *t)
{
    const char *bracket = strrchr(text, ']');
    const char *colon = strrchr(bracket != NULL ? bracket : text, ':');
    unsigned long port = 0;
    t->port = 5683;
    if (colon == NULL)
        return true;
    *len = (size_t)(colon - text);
    t->any_port = strcmp(colon, ":*") == 0;
    for (const char *p = colon + 1; !t->any_port && *p != '\0'; p++) {
        port = port * 10 + (unsigned long)(*p - '0');
        if (*p < '0' || *p > '9' || port > UINT16_MAX)
            return false;
    }
    if (!t->any_port)
        t->port = (uint16_t)port;
    return t->any_port || port != 0;
}

/* Of the host part of a URI, whatever the locale. */
static char lower(char ch) { return ch >= 'A' && ch <= 'Z' ? (char)(ch - 'A' + 'a') : ch; }

static bool is_host_char(char ch) { return strchr("abcdefghijklmnopqrstuvwxyz0123456789-._~*", lower(ch)) != NULL; }

/* A name or pattern, in lower case from here on. */
static bool read_pattern(char *host, bool *wildcard)
{
    for (char *p = host; *p != '\0'; p++) {
        if (!is_host_char(*p))
            return false;
        *p = lower(*p);
        *wildcard = *wildcard || *p == '*';
    }
    return host[0] != '\0';
}

static bool read_host(cps_conf_t *c, cps_bytes_t text, cps_conf_target_t *t)
{
    if (cps_addr_parse(text, 0, &t->literal) == CPS_OK)
        return true;
    t->literal = (cps_addr_t){.family = CPS_FAMILY_NONE};
    char *host = cps_conf_copy(&c->mem, text);
    t->host = host;
    if (host == NULL)
        c->err = CPS_ERR_MEMORY;
    return host != NULL && read_pattern(host, &t->wildcard);
}

static void read_target(cps_conf_t *c, const cps_conf_at_t *at, void *field)
{
    const char *text = cps_conf_scalar(c, at);
    cps_conf_target_t t = {.text = text};
    size_t len = text == NULL ? 0 : strlen(text);
    if (text == NULL)
        return;
    if (!split_port(text, &len, &t) || !read_host(c, cps_bytes(text, len), &t))
        cps_conf_wrong(c, at, "is not a target; write door.local, \"*.local:5683\", \"10.0.0.1:*\" or \"[fd00::1]\"");
    else
        *(cps_conf_target_t *)field = t;
}

static void print_target(FILE *out, const cps_conf_row_t *row, const void *field, unsigned indent)
{
    (void)row;
    (void)indent;
    fputc(' ', out);
    cps_conf_print_text(out, ((const cps_conf_target_t *)field)->text);
}

const cps_conf_kind_t cps_conf_target = {"host[:port]", sizeof(cps_conf_target_t), read_target, print_target, NULL,
                                         NULL};

/* How far `pattern` runs along `text` without a "*": to its end, to a "*", or to the first difference. Upper and lower
 * case are the same (RFC 7252 §6.5). */
static size_t run(const char *pattern, cps_bytes_t text)
{
    size_t n = 0;
    while (n < text.len && pattern[n] != '\0' && pattern[n] != '*' && pattern[n] == lower((char)text.ptr[n]))
        n++;
    return n;
}

/* Whether `text` is what `pattern` stands for; "*" is any run of characters. Time is at most the product of lengths. */
static bool matches(const char *pattern, cps_bytes_t text)
{
    const char *star = NULL; /* behind the last "*" passed; what it stands for ends at `from` */
    size_t from = 0;
    size_t at = 0;
    for (;;) {
        size_t n = run(pattern, cps_bytes(text.ptr + at, text.len - at));
        pattern += n;
        at += n;
        if (*pattern == '*') {
            star = ++pattern;
            from = at;
        } else if (*pattern == '\0' && at == text.len) {
            return true;
        } else if (star == NULL || from >= text.len) {
            return false;
        } else { /* let the "*" stand for one character more */
            pattern = star;
            at = ++from;
        }
    }
}

static bool must_be_named(const cps_addr_t *addr)
{
    return cps_addr_is_link_local(addr) || cps_addr_is_multicast(addr) || cps_addr_is_any(addr);
}

static bool target_fits(const cps_conf_target_t *t, cps_bytes_t host, uint16_t port)
{
    cps_addr_t literal;
    bool is_literal = cps_addr_parse(host, 0, &literal) == CPS_OK;
    if (!t->any_port && t->port != port)
        return false;
    if (t->literal.family != CPS_FAMILY_NONE) {
        cps_addr_t named = t->literal;
        literal.port = named.port = 0;
        return is_literal && cps_addr_equal(&literal, &named);
    }
    if (host.len > 2 && host.ptr[0] == '[')
        host = cps_bytes(host.ptr + 1, host.len - 2);
    return matches(t->host, host);
}

bool cps_conf_targets_allow(const cps_conf_list_t *targets, cps_bytes_t host, uint16_t port, const cps_addr_t *addr)
{
    const cps_conf_target_t *t = targets->items;
    cps_addr_t literal;
    if (addr == NULL && cps_addr_parse(host, 0, &literal) == CPS_OK)
        addr = &literal;
    bool named_only = addr != NULL && must_be_named(addr);
    for (size_t i = 0; i < targets->count; i++)
        if (target_fits(&t[i], host, port) && !(t[i].wildcard && named_only))
            return true;
    return false;
}

bool cps_conf_clients_allow(const cps_conf_list_t *clients, const cps_addr_t *addr)
{
    const cps_net_t *nets = clients->items;
    for (size_t i = 0; i < clients->count; i++)
        if (cps_net_has(&nets[i], addr))
            return true;
    return false;
}
