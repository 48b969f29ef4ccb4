// SPDX-License-Identifier: Apache-2.0
#include "host/conf_daemon.h"

#define SECOND 1000000ULL
#define HOUR   (3600 * SECOND)

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

static const cps_conf_kind_t allow_kind = {
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

static const cps_conf_kind_t copies_kind = {"number", sizeof(uint32_t), read_copies, print_copies, NULL, copies_range};

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

static const cps_conf_kind_t target_kind = {"host[:port]", sizeof(cps_conf_target_t), read_target, print_target, NULL,
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

/* ---- checks across keys ---- */

static void check_resource(cps_conf_t *c, const char *path, void *out)
{
    cps_conf_resource_t *r = out;
    char at[CPS_CONF_PATH_MAX];
    bool knows_sealed = !cps_conf_is_bad(c, cps_conf_join(at, path, "sealed"));
    bool knows_kind = !cps_conf_is_bad(c, cps_conf_join(at, path, "kind"));
    cps_conf_join(at, path, "path");
    if (r->path != NULL && (r->path[0] != '/' || strpbrk(r->path, "?# \t") != NULL))
        cps_conf_fail(c, CPS_ERR_CONFIG, at, "is not a path; it starts with / and has no ?, # or space");
    else if (r->path != NULL && strcmp(r->path, "/.well-known/core") == 0)
        cps_conf_fail(c, CPS_ERR_CONFIG, at, "is answered by the server itself");
    /* the Echo has to be integrity protected, else anybody on the way makes a request fresh (RFC 9175 §2.3) */
    cps_conf_join(at, path, "fresh");
    if (knows_sealed && !r->sealed && r->fresh_us != CPS_TIME_NEVER)
        cps_conf_fail(c, CPS_ERR_CONFIG, at, "only a sealed resource can prove freshness; add sealed: true");
    else if (r->sealed && knows_kind && r->kind == CPS_CONF_LOCK && !cps_conf_is_set(c, at))
        r->fresh_us = 10 * SECOND; /* RFC 9175 §2.4: what acts on the world asks for freshness */
    cps_conf_join(at, path, "allow");
    if (knows_sealed && !r->sealed && r->allow.count != 0)
        cps_conf_fail(c, CPS_ERR_CONFIG, at, "only a sealed resource knows who asks; add sealed: true");
    cps_conf_join(at, path, "delay");
    if (knows_kind && r->kind != CPS_CONF_SLOW && r->delay_us != 0)
        cps_conf_fail(c, CPS_ERR_CONFIG, at, "only a resource of kind slow has a delay");
    else if (knows_kind && r->kind == CPS_CONF_SLOW && r->delay_us == 0)
        r->delay_us = 5 * SECOND;
}

/* RFC 7252 §4.8.1: ACK_TIMEOUT is not lowered nor NSTART raised without a mechanism that keeps the network safe. */
static void check_transmission(cps_conf_t *c, const cps_conf_daemon_t *d)
{
    const cps_transmission_t *t = &d->transmission;
    if (!t->unsafe && !cps_conf_is_bad(c, "transmission.unsafe")) {
        if (t->ack_timeout_us < 2 * SECOND)
            cps_conf_fail(c, CPS_ERR_CONFIG, "transmission.ack_timeout",
                          "below 2s congests networks; transmission.unsafe: true takes it all the same");
        if (t->nstart > 1)
            cps_conf_fail(c, CPS_ERR_CONFIG, "transmission.nstart",
                          "above 1 congests networks; transmission.unsafe: true takes it all the same");
        if (d->nstart_upstream > 1)
            cps_conf_fail(c, CPS_ERR_CONFIG, "proxy.nstart_upstream",
                          "above 1 congests networks; transmission.unsafe: true takes it all the same");
    }
    if (t->ack_delay_us >= t->ack_timeout_us && !cps_conf_is_bad(c, "transmission.ack_timeout"))
        cps_conf_fail(c, CPS_ERR_CONFIG, "transmission.ack_delay",
                      "has to be below ack_timeout, else the peer sends again before it is acknowledged");
}

static void check_listen(cps_conf_t *c, const cps_conf_daemon_t *d)
{
    const cps_addr_t *addr = d->listen.items;
    char path[CPS_CONF_PATH_MAX];
    for (size_t i = 0; i < d->listen.count; i++) {
        snprintf(path, sizeof path, "listen[%zu]", i);
        if (cps_addr_is_multicast(&addr[i]))
            cps_conf_fail(c, CPS_ERR_CONFIG, path, "is a group address; write one of this host");
        for (size_t j = 0; j < i; j++)
            if (addr[i].port != 0 && cps_addr_equal(&addr[i], &addr[j]))
                cps_conf_fail(c, CPS_ERR_CONFIG, path, "is the same as listen[%zu]", j);
    }
}

static void check_common(cps_conf_t *c, const char *path, void *out)
{
    (void)path;
    check_transmission(c, out);
    check_listen(c, out);
}

static void check_serve(cps_conf_t *c, const char *path, void *out)
{
    const cps_conf_daemon_t *d = out;
    const cps_conf_resource_t *r = d->resources.items;
    char at[CPS_CONF_PATH_MAX];
    check_common(c, path, out);
    for (size_t i = 0; i < d->resources.count; i++) {
        snprintf(at, sizeof at, "resources[%zu].path", i);
        for (size_t j = 0; j < i; j++)
            if (r[i].path != NULL && r[j].path != NULL && strcmp(r[i].path, r[j].path) == 0)
                cps_conf_fail(c, CPS_ERR_CONFIG, at, "is the path of resources[%zu] already", j);
    }
}

/* ---- the tables ---- */

static const char *const levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const formats[] = {"text", "json", NULL};
static const char *const kinds[] = {"lock", "sensor", "value", "counter", "slow", "echo", NULL};

#define RESOURCE(k, kd, member) .key = (k), .kind = (kd), .offset = offsetof(cps_conf_resource_t, member)
#define DAEMON(k, kd, member)   .key = (k), .kind = (kd), .offset = offsetof(cps_conf_daemon_t, member)

static const cps_conf_row_t resource_rows[] = {
    {RESOURCE("path", &cps_conf_string, path), .required = true, .min = 1, .max = 255,
     .help = "Path of the resource, as in its URI."},
    {RESOURCE("kind", &cps_conf_choice, kind), .required = true, .choices = kinds, .help = "What it does."},
    {RESOURCE("sealed", &cps_conf_bool, sealed), .fallback = "false",
     .help = "Never answers a request that OSCORE does not protect."},
    {RESOURCE("fresh", &cps_conf_time, fresh_us), .fallback = "never", .min = 1000, .max = CPS_TIME_NEVER,
     .help = "A request older than that, or never proven fresh, is asked for an Echo first; a sealed lock asks at 10s "
             "unless this says otherwise."},
    {RESOURCE("allow", &allow_kind, allow), .fallback = "{}",
     .help = "Methods by name of the credential, \"*\" for every credential; nobody else."},
    {RESOURCE("title", &cps_conf_string, title), .max = 255, .help = "Shown by /.well-known/core."},
    {RESOURCE("rt", &cps_conf_string, rt), .max = 255, .help = "Resource type, shown by /.well-known/core."},
    {RESOURCE("delay", &cps_conf_time, delay_us), .min = 1000, .max = HOUR,
     .help = "How long a resource of kind slow takes; 5s unless this says otherwise."},
};

static const cps_conf_table_t resource_table = {resource_rows, sizeof resource_rows / sizeof resource_rows[0],
                                                sizeof(cps_conf_resource_t), check_resource};

static const cps_conf_row_t address_item = {.kind = &cps_conf_address};
static const cps_conf_row_t name_item = {.kind = &cps_conf_string, .min = 1, .max = 63};
static const cps_conf_row_t net_item = {.kind = &cps_conf_net};
static const cps_conf_row_t target_item = {.kind = &target_kind};
static const cps_conf_row_t resource_item = {.kind = &cps_conf_struct, .table = &resource_table};

#define COMMON_ROWS                                                                                                    \
    {DAEMON("listen", &cps_conf_items, listen),                                                                        \
     .item = &address_item,                                                                                            \
     .min = 1,                                                                                                         \
     .max = 64,                                                                                                        \
     .fallback = "[coap://0.0.0.0:5683, \"coap://[::]:5683\"]",                                                        \
     .help = "Addresses to listen at."},                                                                               \
        {DAEMON("state", &cps_conf_path, state), .min = 1,                                                             \
         .help = "Store of keys and their state; a file in $STATE_DIRECTORY unless this says otherwise."},             \
        {DAEMON("contexts", &cps_conf_items, contexts), .item = &name_item, .max = 1000000, .fallback = "[]",          \
         .help = "Names of the keys to serve; all of the store where none is named."},                                 \
        {DAEMON("limits.peers", &cps_conf_number, limits.peers), .min = 16, .max = 10000000, .fallback = "10000",      \
         .help = "Other endpoints remembered at once."},                                                               \
        {DAEMON("limits.memory", &cps_conf_size, limits.memory), .min = 1048576, .max = 1ULL << 40U,                   \
         .fallback = "64MiB", .help = "Memory for messages remembered against duplicates."},                           \
        {DAEMON("limits.body", &cps_conf_size, limits.body), .min = 64, .max = 1ULL << 30U, .fallback = "8MiB",        \
         .help = "Largest body taken."},                                                                               \
        {DAEMON("limits.exchanges", &cps_conf_number, limits.exchanges), .min = 1, .max = 1000000, .fallback = "256",  \
         .help = "Requests worked on at once."},                                                                       \
        {DAEMON("limits.unverified_amplification", &cps_conf_number, limits.unverified_amplification), .min = 1,       \
         .max = 3, .fallback = "3",                                                                                    \
         .help = "To an address that proved nothing, at most so many times what came from it is sent."},               \
        {DAEMON("limits.contexts", &cps_conf_number, limits.contexts), .min = 1, .max = 1000000, .fallback = "1024",   \
         .help = "OSCORE contexts in use at once."},                                                                   \
        {DAEMON("transmission.ack_timeout", &cps_conf_time, transmission.ack_timeout_us), .min = 1000, .max = HOUR,    \
         .fallback = "2s", .help = "ACK_TIMEOUT; below 2s only with transmission.unsafe."},                            \
        {DAEMON("transmission.ack_random_factor", &cps_conf_factor, transmission.ack_random_permille), .min = 1000,    \
         .max = 10000, .fallback = "1.5", .help = "ACK_RANDOM_FACTOR."},                                               \
        {DAEMON("transmission.max_retransmit", &copies_kind, transmission.max_retransmit), .min = 0, .max = 20,        \
         .fallback = "4", .help = "MAX_RETRANSMIT."},                                                                  \
        {DAEMON("transmission.nstart", &cps_conf_number, transmission.nstart), .min = 1, .max = 1000, .fallback = "1", \
         .help = "NSTART; above 1 only with transmission.unsafe."},                                                    \
        {DAEMON("transmission.default_leisure", &cps_conf_time, transmission.default_leisure_us), .min = 1000,         \
         .max = HOUR, .fallback = "5s", .help = "DEFAULT_LEISURE."},                                                   \
        {DAEMON("transmission.probing_rate", &cps_conf_number, transmission.probing_rate), .min = 1, .max = 1000000,   \
         .fallback = "1", .help = "PROBING_RATE in bytes a second."},                                                  \
        {DAEMON("transmission.ack_delay", &cps_conf_time, transmission.ack_delay_us), .min = 1000, .max = HOUR,        \
         .fallback = "250ms", .help = "How long an answer may take before an Empty ACK goes first."},                  \
        {DAEMON("transmission.unsafe", &cps_conf_bool, transmission.unsafe), .fallback = "false",                      \
         .help = "Leave to choose values that congest networks (RFC 7252 4.8.1)."},                                    \
        {DAEMON("log.level", &cps_conf_choice, log_level), .choices = levels, .fallback = "info",                      \
         .help = "Least severe events that are logged."},                                                              \
    {                                                                                                                  \
        DAEMON("log.format", &cps_conf_choice, log_format), .choices = formats, .fallback = "text",                    \
                                                            .help = "Form of a line in the log."                       \
    }

static const cps_conf_row_t serve_rows[] = {
    COMMON_ROWS,
    {DAEMON("resources", &cps_conf_items, resources), .item = &resource_item, .max = 100000, .fallback = "[]",
     .help = "What is served."},
};

static const cps_conf_row_t proxy_rows[] = {
    COMMON_ROWS,
    {DAEMON("proxy.clients", &cps_conf_items, clients), .item = &net_item, .max = 10000,
     .fallback = "[127.0.0.0/8, \"::1/128\"]", .help = "Networks that may use the proxy."},
    {DAEMON("proxy.targets", &cps_conf_items, targets), .item = &target_item, .max = 10000, .fallback = "[]",
     .help = "Hosts that requests are forwarded to, with * for any characters; port 5683 unless one is written, :* for "
             "any. Loopback, link-local and group addresses are reached only without * in the host."},
    {DAEMON("proxy.hop_limit", &cps_conf_number, hop_limit), .min = 1, .max = 255, .fallback = "16",
     .help = "Hop-Limit that a request gets which has none."},
    {DAEMON("proxy.name", &cps_conf_string, name), .min = 1, .max = 63,
     .help = "Name of this proxy in the diagnosis of a loop; the host's unless this says otherwise."},
    {DAEMON("proxy.nstart_upstream", &cps_conf_number, nstart_upstream), .min = 1, .max = 1000, .fallback = "1",
     .help = "NSTART towards each origin; above 1 only with transmission.unsafe."},
};

const cps_conf_table_t cps_conf_serve = {serve_rows, sizeof serve_rows / sizeof serve_rows[0],
                                         sizeof(cps_conf_daemon_t), check_serve};
const cps_conf_table_t cps_conf_proxy = {proxy_rows, sizeof proxy_rows / sizeof proxy_rows[0],
                                         sizeof(cps_conf_daemon_t), check_common};
