// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include "host/conf_daemon.h"

#include <stdlib.h>

static cps_err_t parse(cps_conf_t *c, const cps_conf_table_t *table, const char *text, cps_conf_daemon_t *out)
{
    cps_conf_init(c, "door.yaml");
    return cps_conf_parse(c, cps_bytes_str(text), table, out);
}

/* That a text gives exactly this error, or none where `error` is NULL. */
static void assert_gives(const cps_conf_table_t *table, const char *text, const char *error)
{
    cps_conf_t c;
    cps_conf_daemon_t d;
    cps_err_t err = parse(&c, table, text, &d);
    const char *found = cps_conf_error_text(&c, 0);
    if (error == NULL ? err != CPS_OK : found == NULL || strstr(found, error) == NULL || c.error_count != 1)
        fail_msg("%s\ngives %zu errors, first: %s", text, c.error_count, found != NULL ? found : "none");
    cps_conf_fini(&c);
}

static const char door[] = "listen: [coap://0.0.0.0:5683, \"coap://[::]:5683\"]\n"
                           "state: /var/lib/coapsule/door.db\n"
                           "limits: { peers: 100000, memory: 64MiB, body: 8MiB, unverified_amplification: 3 }\n"
                           "resources:\n"
                           "  - path: /lock\n"
                           "    kind: lock                 # example kinds: lock, sensor, value, files, echo\n"
                           "    sealed: true               # never answers unsealed\n"
                           "    fresh: 10s                 # older than that, or never proven: Echo first\n"
                           "    allow: { phone: [get, put], \"*\": [] }\n"
                           "log: { level: info, format: text }     # or json, to standard error\n";

static void the_file_of_the_plan_is_read(void **state)
{
    (void)state;
    cps_conf_t c;
    cps_conf_daemon_t d;
    assert_ok(parse(&c, &cps_conf_serve, door, &d));
    assert_int_equal(d.listen.count, 2);
    assert_string_equal(d.state, "/var/lib/coapsule/door.db");
    assert_int_equal(d.limits.peers, 100000);
    assert_int_equal(d.limits.unverified_amplification, 3);
    assert_int_equal(d.resources.count, 1);
    const cps_conf_resource_t *r = d.resources.items;
    assert_string_equal(r->path, "/lock");
    assert_int_equal(r->kind, CPS_CONF_LOCK);
    assert_true(r->sealed);
    assert_true(r->fresh_us == 10000000);
    assert_int_equal(r->allow.count, 2);
    const cps_conf_allow_t *allow = r->allow.items;
    assert_string_equal(allow[0].name, "phone");
    assert_int_equal(allow[0].methods, 1U << CPS_GET | 1U << CPS_PUT);
    assert_string_equal(allow[1].name, "*");
    assert_int_equal(allow[1].methods, 0);
    cps_conf_fini(&c);
}

static void errors_have_the_form_of_the_plan(void **state)
{
    (void)state;
    char text[sizeof door + 16];
    const char *at = strstr(door, "10s");
    snprintf(text, sizeof text, "%.*s10 parsecs%s", (int)(at - door), door, at + 3);
    assert_gives(&cps_conf_serve, text,
                 "door.yaml:8: resources[0].fresh: \"10 parsecs\" is not a time; write 500ms, 10s, 5m or never");
    assert_gives(&cps_conf_serve, "\n\nlistne: []\n",
                 "door.yaml:3: listne: unknown key; the nearest known one is \"listen\"");
    assert_gives(&cps_conf_serve, "proxy: {}\n", "door.yaml:1: proxy: unknown key;");
    assert_gives(&cps_conf_proxy, "resources: []\n", "door.yaml:1: resources: unknown key;");
}

static void defaults_are_those_of_RFC_7252(void **state)
{
    (void)state;
    static const cps_conf_table_t *const tables[] = {&cps_conf_serve, &cps_conf_proxy};
    for (size_t i = 0; i < 2; i++) {
        cps_conf_t c;
        cps_conf_daemon_t d;
        assert_ok(parse(&c, tables[i], "", &d));
        assert_true(d.transmission.ack_timeout_us == 2000000);
        assert_int_equal(d.transmission.ack_random_permille, 1500);
        assert_int_equal(d.transmission.max_retransmit, 4);
        assert_int_equal(d.transmission.nstart, 1);
        assert_true(d.transmission.default_leisure_us == 5000000);
        assert_int_equal(d.transmission.probing_rate, 1);
        assert_true(d.transmission.ack_delay_us == 250000);
        assert_false(d.transmission.unsafe);
        assert_true(d.limits.memory == 64U << 20U);
        assert_int_equal(d.limits.contexts, 1024);
        assert_int_equal(d.limits.unverified_amplification, 3);
        assert_int_equal(d.listen.count, 2);
        assert_int_equal(d.contexts.count, 0);
        assert_int_equal(d.log_level, 2);
        assert_int_equal(d.log_format, 0);
        if (i == 1) {
            assert_int_equal(d.hop_limit, 16);
            assert_int_equal(d.nstart_upstream, 1);
            assert_int_equal(d.clients.count, 2);
            assert_int_equal(d.targets.count, 0);
        }
        cps_conf_fini(&c);
    }
}

/* What the table lets through, the endpoint takes, and 0 copies are none there too. */
static void transmission_goes_to_the_endpoint_as_it_is(void **state)
{
    (void)state;
    cps_conf_t c;
    cps_conf_daemon_t d;
    cps_transmission_times_t times;
    assert_ok(parse(&c, &cps_conf_serve, "transmission: { max_retransmit: 0, ack_timeout: 3s }", &d));
    assert_int_equal(d.transmission.max_retransmit, CPS_NO_RETRANSMIT);
    assert_ok(cps_transmission_derive(&d.transmission, &times));
    assert_true(times.max_transmit_wait_us == 4500000);
    cps_conf_fini(&c);
    assert_ok(parse(&c, &cps_conf_serve, "", &d));
    cps_transmission_t before = d.transmission;
    assert_ok(cps_transmission_derive(&d.transmission, &times));
    before.max_latency_us = d.transmission.max_latency_us; /* not in the table */
    assert_memory_equal(&before, &d.transmission, sizeof before);
    cps_conf_fini(&c);
}

static void values_that_congest_networks_need_leave(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } rows[] = {
        {"transmission: { ack_random_factor: 0.9 }", "ack_random_factor: \"0.9\" is out of range; write 1 to 10"},
        {"transmission: { ack_random_factor: 0.9, unsafe: true }", "ack_random_factor: \"0.9\" is out of range"},
        {"transmission: { ack_random_factor: 0.999 }", "ack_random_factor: \"0.999\" is out of range"},
        {"transmission: { ack_random_factor: 1 }", NULL},
        {"transmission: { ack_timeout: 500ms }", "transmission.ack_timeout: below 2s congests networks; "
                                                 "transmission.unsafe: true takes it all the same"},
        {"transmission: { ack_timeout: 500ms, unsafe: false }", "transmission.ack_timeout: below 2s"},
        {"transmission: { ack_timeout: 500ms, unsafe: true }", NULL},
        {"transmission: { ack_timeout: 1999ms }", "transmission.ack_timeout: below 2s"},
        {"transmission: { ack_timeout: 3s }", NULL},
        {"transmission: { nstart: 2 }", "transmission.nstart: above 1 congests networks; transmission.unsafe: true"},
        {"transmission: { nstart: 2, unsafe: true }", NULL},
        {"transmission: { nstart: 2, unsafe: maybe }", "transmission.unsafe: \"maybe\" is neither true nor false"},
        {"proxy: { nstart_upstream: 2 }", "proxy.nstart_upstream: above 1 congests networks"},
        {"proxy: { nstart_upstream: 2 }\ntransmission: { unsafe: true }", NULL},
        {"transmission: { ack_delay: 2s }", "transmission.ack_delay: has to be below ack_timeout"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_gives(&cps_conf_proxy, rows[i].text, rows[i].error);
}

static void resources_hold_together(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } rows[] = {
        {"resources:\n- {path: /a, kind: value, fresh: 10s}",
         "door.yaml:2: resources[0].fresh: only a sealed resource can prove freshness; add sealed: true"},
        {"resources:\n- {path: /a, kind: value, fresh: never}", NULL},
        {"resources:\n- {path: /a, kind: value, sealed: maybe, fresh: 10s}", "resources[0].sealed: \"maybe\""},
        {"resources:\n- {path: /a, kind: value, allow: {x: [get]}}",
         "resources[0].allow: only a sealed resource knows who asks"},
        {"resources:\n- {path: /a, kind: value, allow: {}}", NULL},
        {"resources:\n- {path: a, kind: value}", "resources[0].path: is not a path"},
        {"resources:\n- {path: \"/a?b\", kind: value}", "resources[0].path: is not a path"},
        {"resources:\n- {path: /.well-known/core, kind: value}", "resources[0].path: is answered by the server"},
        {"resources:\n- {path: /a, kind: value}\n- {path: /b, kind: echo}\n- {path: /a, kind: lock}",
         "door.yaml:4: resources[2].path: is the path of resources[0] already"},
        {"resources:\n- {path: /a}", "door.yaml:2: resources[0].kind: is missing"},
        {"resources:\n- {kind: lock}", "door.yaml:2: resources[0].path: is missing"},
        {"resources:\n- {path: /a, kind: files}", "\"files\" is not one of lock, sensor, value, counter, slow, echo"},
        {"resources:\n- {path: /a, kind: value, delay: 1s}", "resources[0].delay: only a resource of kind slow"},
        {"resources:\n- {path: /a, kind: lock, sealed: true, allow: {x: [get, pat]}}",
         "resources[0].allow.x[1]: \"pat\" is not one of get, post, put, delete, fetch, patch, ipatch"},
        {"resources:\n- {path: /a, kind: lock, sealed: true, allow: {x: get}}",
         "resources[0].allow.x: is not a list of methods"},
        {"resources:\n- {path: /a, kind: lock, sealed: true, allow: [x]}", "resources[0].allow: is not a map"},
        {"resources:\n- {path: /a, kind: lock, sealed: true, allow: {x: [get], x: [put]}}",
         "resources[0].allow.x: stands here twice"},
        {"listen: [coap://127.0.0.1, coap://127.0.0.2:5683, \"coap://127.0.0.1:5683\"]",
         "listen[2]: is the same as listen[0]"},
        {"listen: [coap://127.0.0.1:0, coap://127.0.0.1:0]", NULL},
        {"listen: [coap://224.0.1.187]", "listen[0]: is a group address"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_gives(&cps_conf_serve, rows[i].text, rows[i].error);
}

static void kinds_bring_their_defaults(void **state)
{
    (void)state;
    cps_conf_t c;
    cps_conf_daemon_t d;
    assert_ok(parse(&c, &cps_conf_serve,
                    "resources:\n"
                    "- { path: /a, kind: lock, sealed: true }\n"
                    "- { path: /b, kind: lock, sealed: true, fresh: never }\n"
                    "- { path: /c, kind: lock }\n"
                    "- { path: /d, kind: sensor, sealed: true, title: Warm, rt: temperature }\n"
                    "- { path: /e, kind: slow }\n"
                    "- { path: /f, kind: slow, delay: 100ms }\n",
                    &d));
    const cps_conf_resource_t *r = d.resources.items;
    assert_true(r[0].fresh_us == 10000000);
    for (int i = 1; i < 4; i++)
        assert_true(r[i].fresh_us == CPS_TIME_NEVER);
    assert_string_equal(r[3].title, "Warm");
    assert_string_equal(r[3].rt, "temperature");
    assert_int_equal(r[3].allow.count, 0);
    assert_true(r[4].delay_us == 5000000);
    assert_true(r[5].delay_us == 100000);
    assert_true(r[3].delay_us == 0);
    cps_conf_fini(&c);
}

/* ---- the proxy ---- */

/* `address` NULL: the name is not resolved yet. */
static bool allowed(const char *target, const char *host, uint16_t port, const char *address)
{
    char text[256];
    cps_conf_t c;
    cps_conf_daemon_t d;
    cps_addr_t addr;
    snprintf(text, sizeof text, "proxy: { targets: [ unrelated.example, \"%s\" ] }", target);
    assert_ok(parse(&c, &cps_conf_proxy, text, &d));
    if (address != NULL)
        assert_ok(cps_addr_parse(cps_bytes_str(address), 0, &addr));
    bool yes = cps_conf_targets_allow(&d.targets, cps_bytes_str(host), port, address != NULL ? &addr : NULL);
    cps_conf_fini(&c);
    return yes;
}

static void targets_let_through_what_they_name(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        const char *host;
        uint16_t port;
        const char *address;
        bool yes;
    } rows[] = {
        {"door.local", "door.local", 5683, "192.0.2.1", true},
        {"Door.Local", "DOOR.local", 5683, "192.0.2.1", true},
        {"door.local", "door.local", 5684, "192.0.2.1", false},
        {"door.local:*", "door.local", 9, "192.0.2.1", true},
        {"door.local:61616", "door.local", 61616, "192.0.2.1", true},
        {"door.local", "xdoor.local", 5683, "192.0.2.1", false},
        {"door.local", "door.localx", 5683, "192.0.2.1", false},
        {"*.local", "door.local", 5683, "192.0.2.1", true},
        {"*.local", "local", 5683, "192.0.2.1", false},
        {"*.local", "door.local.evil", 5683, "192.0.2.1", false},
        {"a*b*c", "axxbxxbc", 5683, "192.0.2.1", true},
        {"a*b*c", "axxbxxcb", 5683, "192.0.2.1", false},
        {"*", "anything", 5683, "192.0.2.1", true},
        {"*:*", "anything", 1, "192.0.2.1", true},
        {"10.0.0.*", "10.0.0.7", 5683, "10.0.0.7", true},
        {"10.0.0.7", "10.0.0.7", 5683, "10.0.0.7", true},
        {"10.0.0.7", "name", 5683, "10.0.0.7", false},
        {"[2001:db8::1]", "[2001:DB8:0::1]", 5683, "2001:db8::1", true},
        {"[2001:db8::1]:7", "2001:db8::1", 7, "2001:db8::1", true},
        {"[2001:db8::1]", "[2001:db8::2]", 5683, "2001:db8::2", false},
        /* a wildcard does not reach what is near the proxy itself */
        {"*:*", "[fe80::1%1]", 5683, "fe80::1%1", false},
        {"*:*", "[ff02::fd]", 5683, "ff02::fd", false},
        {"*:*", "224.0.1.187", 5683, "224.0.1.187", false},
        {"*:*", "name", 5683, "fe80::1%1", false},
        {"*:*", "name", 5683, "169.254.1.1", false},
        {"*:*", "[::ffff:169.254.1.1]", 5683, "169.254.1.1", false},
        {"*:*", "localhost", 5683, "::1", true},
        {"*:*", "0.0.0.0", 5683, "0.0.0.0", false},
        {"*:*", "name", 5683, NULL, true},
        {"*:*", "[fe80::1%1]", 5683, NULL, false},
        {"*:*", "224.0.1.187", 5683, NULL, false},
        {"[fe80::1%1]", "[fe80::1%1]", 5683, NULL, true},
        {"[fe80::1%1]", "[fe80::1%1]", 5683, "fe80::1%1", true},
        {"[fe80::1%1]", "[fe80::1%2]", 5683, "fe80::1%2", false},
        {"[ff02::fd]", "[ff02::fd]", 5683, "ff02::fd", true},
        {"224.0.1.187", "224.0.1.187", 5683, "224.0.1.187", true},
        {"name", "name", 5683, "fe80::1%1", true},
        {"localhost", "localhost", 5683, "::1", true},
        {"127.0.0.1:*", "127.0.0.1", 7, "127.0.0.1", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (allowed(rows[i].target, rows[i].host, rows[i].port, rows[i].address) != rows[i].yes)
            fail_msg("target %s, host %s port %u: %s", rows[i].target, rows[i].host, rows[i].port,
                     rows[i].yes ? "refused" : "let through");
}

static void other_texts_are_no_targets(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",          "a b",    "host:", "host:0",      "host:65536", "host:7x",
                                        "[fd00::*]", "[host]", "a/b",   "coap://host", ":5683",      "[]"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "proxy: { targets: [ \"%s\" ] }", wrong[i]);
        assert_gives(&cps_conf_proxy, text, "is not a target; write door.local");
    }
}

static void clients_are_loopback_unless_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *address;
        bool yes;
    } rows[] = {
        {"", "127.0.0.1", true},
        {"", "::1", true},
        {"", "192.0.2.1", false},
        {"", "fe80::1%1", false},
        {"proxy: { clients: [192.0.2.0/24] }", "192.0.2.1", true},
        {"proxy: { clients: [192.0.2.0/24] }", "127.0.0.1", false},
        {"proxy: { clients: [] }", "127.0.0.1", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cps_conf_t c;
        cps_conf_daemon_t d;
        cps_addr_t addr;
        assert_ok(parse(&c, &cps_conf_proxy, rows[i].text, &d));
        assert_ok(cps_addr_parse(cps_bytes_str(rows[i].address), 1, &addr));
        assert_int_equal(cps_conf_clients_allow(&d.clients, &addr), rows[i].yes);
        cps_conf_fini(&c);
    }
    assert_gives(&cps_conf_proxy, "proxy: { hop_limit: 0 }", "proxy.hop_limit: \"0\" is out of range; write 1 to 255");
    assert_gives(&cps_conf_proxy, "proxy: { hop_limit: 256 }", "proxy.hop_limit: \"256\" is out of range");
}

/* ---- dump ---- */

static char *dump_of(const cps_conf_table_t *table, const char *text)
{
    cps_conf_t c;
    cps_conf_daemon_t d;
    char *dump = NULL;
    size_t len = 0;
    if (parse(&c, table, text, &d) != CPS_OK)
        fail_msg("%s\ngives %s", text, cps_conf_error_text(&c, 0));
    FILE *file = open_memstream(&dump, &len);
    cps_conf_dump(file, table, &d);
    assert_int_equal(fclose(file), 0);
    cps_conf_fini(&c);
    return dump;
}

static void dumps_read_back_the_same(void **state)
{
    (void)state;
    static const char changed[] =
        "listen: [coap://127.0.0.1:1]\nstate: ./x.db\ncontexts: [a, \"b c\"]\n"
        "limits: {peers: 20, memory: 2MiB, body: 1KiB, exchanges: 9, unverified_amplification: 1, contexts: 8}\n"
        "transmission: {ack_timeout: 500ms, ack_random_factor: 1.25, max_retransmit: 0, nstart: 5, default_leisure: "
        "1ms,"
        " probing_rate: 9, ack_delay: 1ms, unsafe: true}\n"
        "log: {level: debug, format: json}\n";
    static const char resources[] =
        "resources:\n- {path: /a, kind: lock, sealed: true, allow: {\"x\\\"y\": [get, ipatch], \"*\": []}}\n"
        "- {path: /b, kind: slow, title: \"T\", rt: r, delay: 90s}\n";
    static const char proxy[] = "proxy: {clients: [10.0.0.0/8], targets: [\"*.a:*\", \"[fd00::1]:7\"], hop_limit: 3,"
                                " name: gw, nstart_upstream: 4}\n";
    char text[2048];
    for (int i = 0; i < 4; i++) {
        const cps_conf_table_t *table = i % 2 == 0 ? &cps_conf_serve : &cps_conf_proxy;
        snprintf(text, sizeof text, "%s%s", i < 2 ? "" : changed, i < 2 ? "" : i == 2 ? resources : proxy);
        char *once = dump_of(table, text);
        char *twice = dump_of(table, once);
        assert_string_equal(once, twice);
        if (i == 2)
            assert_non_null(strstr(once, "resources:\n"
                                         "  - path: \"/a\"\n"
                                         "    kind: lock\n"
                                         "    sealed: true\n"
                                         "    fresh: 10s\n"
                                         "    allow: { \"x\\\"y\": [get, ipatch], \"*\": [] }\n"
                                         "  - path: \"/b\"\n"));
        if (i == 3)
            assert_non_null(strstr(once, "proxy:\n"
                                         "  clients: [ \"10.0.0.0/8\" ]\n"
                                         "  targets: [ \"*.a:*\", \"[fd00::1]:7\" ]\n"
                                         "  hop_limit: 3\n"
                                         "  name: \"gw\"\n"
                                         "  nstart_upstream: 4\n"));
        free(once);
        free(twice);
    }
}

/* The text that sets a row to its default. */
static void default_text(char out[256], const cps_conf_row_t *row)
{
    const char *dot = strchr(row->key, '.');
    if (dot == NULL)
        snprintf(out, 256, "%s: %s", row->key, row->fallback);
    else
        snprintf(out, 256, "%.*s: {%s: %s}", (int)(dot - row->key), row->key, dot + 1, row->fallback);
}

/* Whether an earlier row than the one before `i` is of its group. */
static bool is_apart(const cps_conf_table_t *table, size_t i)
{
    size_t len = strcspn(table->rows[i].key, ".") + 1;
    for (size_t j = 0; j + 1 < i; j++)
        if (strncmp(table->rows[j].key, table->rows[i].key, len) == 0)
            return strncmp(table->rows[i - 1].key, table->rows[i].key, len) != 0;
    return false;
}

/* Every default is one that its own row takes, groups stand together, and each row has its help. */
static void tables_are_well_formed(void **state)
{
    (void)state;
    static const cps_conf_table_t *const tables[] = {&cps_conf_serve, &cps_conf_proxy};
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < tables[t]->count; i++) {
            const cps_conf_row_t *row = &tables[t]->rows[i];
            char text[256] = "";
            if (row->fallback != NULL)
                default_text(text, row);
            assert_gives(tables[t], text, NULL);
            assert_true(strchr(row->key, '.') == strrchr(row->key, '.'));
            assert_true(row->help[strlen(row->help) - 1] == '.');
            assert_false(is_apart(tables[t], i));
        }
    }
}

static const cps_case_t cases[] = {
    {"", "the file of the plan is read", the_file_of_the_plan_is_read},
    {"", "errors have the form of the plan", errors_have_the_form_of_the_plan},
    {"", "defaults are those of RFC 7252", defaults_are_those_of_RFC_7252},
    {"", "transmission goes to the endpoint as it is", transmission_goes_to_the_endpoint_as_it_is},
    {"MSG-44", "values that congest networks need leave", values_that_congest_networks_need_leave},
    {"", "resources hold together", resources_hold_together},
    {"", "kinds of resources bring their defaults", kinds_bring_their_defaults},
    {"", "targets let through what they name, and wildcards nothing near", targets_let_through_what_they_name},
    {"", "other texts are no targets", other_texts_are_no_targets},
    {"", "clients are loopback unless named", clients_are_loopback_unless_named},
    {"", "dumps read back the same", dumps_read_back_the_same},
    {"", "tables are well formed", tables_are_well_formed},
};

CPS_RUN("host/conf_daemon", cases)
