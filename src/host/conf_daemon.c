// SPDX-License-Identifier: Apache-2.0
#include "host/conf_daemon.h"

#include "host/conf_access.h"

#define SECOND 1000000ULL
#define HOUR   (3600 * SECOND)

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
    {RESOURCE("allow", &cps_conf_allow, allow), .fallback = "{}",
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
static const cps_conf_row_t target_item = {.kind = &cps_conf_target};
static const cps_conf_row_t resource_item = {.kind = &cps_conf_struct, .table = &resource_table};

/* What all daemons have; a server has one limit more, and what belongs to a group stands together. */
#define FIRST_ROWS                                                                                                     \
    {DAEMON("listen", &cps_conf_items, listen),                                                                        \
     .fixed = true,                                                                                                    \
     .item = &address_item,                                                                                            \
     .min = 1,                                                                                                         \
     .max = 64,                                                                                                        \
     .fallback = "[coap://0.0.0.0:5683, \"coap://[::]:5683\"]",                                                        \
     .help = "Addresses to listen at."},                                                                               \
        {DAEMON("state", &cps_conf_path, state), .fixed = true, .min = 1,                                              \
         .help = "Store of keys and their state; a file in $STATE_DIRECTORY unless this says otherwise."},             \
        {DAEMON("contexts", &cps_conf_items, contexts), .item = &name_item, .max = 1000000, .fallback = "[]",          \
         .help = "Names of the keys to serve; all of the store where none is named."},                                 \
        {DAEMON("limits.peers", &cps_conf_number, limits.peers),                                                       \
         .fixed = true,                                                                                                \
         .min = 16,                                                                                                    \
         .max = 10000000,                                                                                              \
         .fallback = "10000",                                                                                          \
         .help = "Other endpoints remembered at once."},                                                               \
        {DAEMON("limits.memory", &cps_conf_size, limits.memory),                                                       \
         .fixed = true,                                                                                                \
         .min = 1048576,                                                                                               \
         .max = 1ULL << 40U,                                                                                           \
         .fallback = "64MiB",                                                                                          \
         .help = "Memory for messages remembered against duplicates."},                                                \
        {DAEMON("limits.body", &cps_conf_size, limits.body), .min = 64, .max = 1ULL << 30U, .fallback = "8MiB",        \
         .help = "Largest body taken."},                                                                               \
        {DAEMON("limits.exchanges", &cps_conf_number, limits.exchanges),                                               \
         .fixed = true,                                                                                                \
         .min = 1,                                                                                                     \
         .max = 1000000,                                                                                               \
         .fallback = "256",                                                                                            \
         .help = "Requests worked on at once."},                                                                       \
        {DAEMON("limits.unverified_amplification", &cps_conf_number, limits.unverified_amplification),                 \
         .fixed = true,                                                                                                \
         .min = 1,                                                                                                     \
         .max = 3,                                                                                                     \
         .fallback = "3",                                                                                              \
         .help = "To an address that proved nothing, at most so many times what came from it is sent."},               \
    {                                                                                                                  \
        DAEMON("limits.contexts", &cps_conf_number, limits.contexts),                                                  \
            .fixed = true, .min = 1, .max = 1000000, .fallback = "1024", .help = "OSCORE contexts in use at once."     \
    }

#define MORE_ROWS                                                                                                      \
    {DAEMON("transmission.ack_timeout", &cps_conf_time, transmission.ack_timeout_us),                                  \
     .fixed = true,                                                                                                    \
     .min = 1000,                                                                                                      \
     .max = HOUR,                                                                                                      \
     .fallback = "2s",                                                                                                 \
     .help = "ACK_TIMEOUT; below 2s only with transmission.unsafe."},                                                  \
        {DAEMON("transmission.ack_random_factor", &cps_conf_factor, transmission.ack_random_permille),                 \
         .fixed = true,                                                                                                \
         .min = 1000,                                                                                                  \
         .max = 10000,                                                                                                 \
         .fallback = "1.5",                                                                                            \
         .help = "ACK_RANDOM_FACTOR."},                                                                                \
        {DAEMON("transmission.max_retransmit", &cps_conf_copies, transmission.max_retransmit),                         \
         .fixed = true,                                                                                                \
         .min = 0,                                                                                                     \
         .max = 20,                                                                                                    \
         .fallback = "4",                                                                                              \
         .help = "MAX_RETRANSMIT."},                                                                                   \
        {DAEMON("transmission.nstart", &cps_conf_number, transmission.nstart),                                         \
         .fixed = true,                                                                                                \
         .min = 1,                                                                                                     \
         .max = 1000,                                                                                                  \
         .fallback = "1",                                                                                              \
         .help = "NSTART; above 1 only with transmission.unsafe."},                                                    \
        {DAEMON("transmission.default_leisure", &cps_conf_time, transmission.default_leisure_us),                      \
         .fixed = true,                                                                                                \
         .min = 1000,                                                                                                  \
         .max = HOUR,                                                                                                  \
         .fallback = "5s",                                                                                             \
         .help = "DEFAULT_LEISURE."},                                                                                  \
        {DAEMON("transmission.probing_rate", &cps_conf_number, transmission.probing_rate),                             \
         .fixed = true,                                                                                                \
         .min = 1,                                                                                                     \
         .max = 1000000,                                                                                               \
         .fallback = "1",                                                                                              \
         .help = "PROBING_RATE in bytes a second."},                                                                   \
        {DAEMON("transmission.ack_delay", &cps_conf_time, transmission.ack_delay_us),                                  \
         .fixed = true,                                                                                                \
         .min = 1000,                                                                                                  \
         .max = HOUR,                                                                                                  \
         .fallback = "250ms",                                                                                          \
         .help = "How long an answer may take before an Empty ACK goes first."},                                       \
        {DAEMON("transmission.unsafe", &cps_conf_bool, transmission.unsafe), .fixed = true, .fallback = "false",       \
         .help = "Leave to choose values that congest networks (RFC 7252 4.8.1)."},                                    \
        {DAEMON("log.level", &cps_conf_choice, log_level), .choices = levels, .fallback = "info",                      \
         .help = "Least severe events that are logged."},                                                              \
    {                                                                                                                  \
        DAEMON("log.format", &cps_conf_choice, log_format), .choices = formats, .fallback = "text",                    \
                                                            .help = "Form of a line in the log."                       \
    }

#define METRICS_HELP "Where Prometheus finds metrics, by GET /metrics; anybody who gets there may read them."

static const cps_conf_row_t serve_rows[] = {
    FIRST_ROWS,
    {DAEMON("limits.rate", &cps_conf_number, limits.rate), .fixed = true, .max = 1000000, .fallback = "0",
     .help = "Requests a second of one client, by credential or address; more get 4.29. 0: any number."},
    MORE_ROWS,
    {DAEMON("metrics", &cps_conf_http, metrics), .fixed = true, .fallback = "127.0.0.1:9464", .help = METRICS_HELP},
    {DAEMON("resources", &cps_conf_items, resources), .item = &resource_item, .max = 100000, .fallback = "[]",
     .help = "What is served."},
};

static const cps_conf_row_t proxy_rows[] = {
    FIRST_ROWS,
    MORE_ROWS,
    {DAEMON("metrics", &cps_conf_http, metrics), .fixed = true, .fallback = "127.0.0.1:9465", .help = METRICS_HELP},
    {DAEMON("proxy.clients", &cps_conf_items, clients), .item = &net_item, .max = 10000,
     .fallback = "[127.0.0.0/8, \"::1/128\"]", .help = "Networks that may use the proxy."},
    {DAEMON("proxy.targets", &cps_conf_items, targets), .item = &target_item, .max = 10000, .fallback = "[]",
     .help = "Hosts that requests are forwarded to, with * for any characters; port 5683 unless one is written, :* for "
             "any. Loopback, link-local and group addresses are reached only without * in the host."},
    {DAEMON("proxy.hop_limit", &cps_conf_number, hop_limit), .min = 1, .max = 255, .fallback = "16",
     .help = "Hop-Limit that a request gets which has none."},
    {DAEMON("proxy.name", &cps_conf_string, name), .fixed = true, .min = 1, .max = 63,
     .help = "Name of this proxy in the diagnosis of a loop; the host's unless this says otherwise."},
    {DAEMON("proxy.nstart_upstream", &cps_conf_number, nstart_upstream), .fixed = true, .min = 1, .max = 1000,
     .fallback = "1", .help = "NSTART towards each origin; above 1 only with transmission.unsafe."},
};

const cps_conf_table_t cps_conf_serve = {serve_rows, sizeof serve_rows / sizeof serve_rows[0],
                                         sizeof(cps_conf_daemon_t), check_serve};
const cps_conf_table_t cps_conf_proxy = {proxy_rows, sizeof proxy_rows / sizeof proxy_rows[0],
                                         sizeof(cps_conf_daemon_t), check_common};
