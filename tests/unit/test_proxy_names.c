// SPDX-License-Identifier: Apache-2.0
/* The proxy and names: a proxy, an origin and a client on one loop over real sockets, and a look-up that the test
 * answers. What the policy says of the addresses behind a name is seen at the origin and in the counters. */
#include "harness.h"

#include <stdio.h>

#include "proxy/proxy.h"

enum { ADDRS_MAX = 6, SECOND = 1000000 };

typedef struct end {
    cps_worker_t *worker;
    cps_addr_t at;
    unsigned requests;
    unsigned answers;
    uint8_t code;
    char payload[256];
    char path[64];
    bool silent;
} end_t;

typedef struct world {
    uv_loop_t loop;
    cps_proxy_t *proxy;
    cps_addr_t at; /* of the proxy */
    end_t origin;
    end_t client;
    cps_conf_target_t targets[4];
    cps_conf_list_t target_list;
    cps_net_t nets[1];
    cps_conf_list_t net_list;
    /* the look-up */
    cps_addr_t addrs[ADDRS_MAX];
    size_t addr_count;
    cps_err_t err;
    cps_err_t start_err;
    bool hold;
    uint64_t ticket;
    char asked[64];
    unsigned lookups;
    cps_log_t log;
    unsigned warnings;
    char warning[256];
    bool drained;
} world_t;

/* ---- origin and client ---- */

static void on_event(void *user, const cps_event_t *event)
{
    end_t *end = user;
    cps_bytes_t path = {NULL, 0};
    if (event->kind == CPS_EVENT_REQUEST) {
        end->requests++;
        if (end->silent)
            return;
        (void)cps_message_option(&event->u.request.message, CPS_OPT_URI_PATH, &path);
        snprintf(end->path, sizeof end->path, "%.*s", (int)path.len, (const char *)path.ptr);
        cps_command_t reply = {
            .kind = CPS_COMMAND_REPLY,
            .u.reply = {.request = event->handle, .code = CPS_CONTENT, .payload = CPS_BYTES_LIT("from the origin")}};
        assert_ok(cps_worker_submit(end->worker, &reply, NULL));
    } else if (event->kind == CPS_EVENT_RESPONSE) {
        const cps_message_t *m = &event->u.response.message;
        end->answers++;
        end->code = m->code;
        snprintf(end->payload, sizeof end->payload, "%.*s", (int)m->payload.len, (const char *)m->payload.ptr);
    }
}

static cps_addr_t addr(const char *text, uint16_t port)
{
    cps_addr_t out;
    assert_ok(cps_addr_parse(cps_bytes_str(text), port, &out));
    return out;
}

static void start_end(world_t *w, end_t *end)
{
    cps_ep_config_t config = {.dedup_bytes = 1 << 20, .transmission = {.nstart = 300, .unsafe = true}};
    cps_worker_hooks_t hooks = {.event = on_event, .user = end};
    assert_ok(cps_worker_new(&end->worker, &w->loop, &config, &hooks));
}

/* ---- the proxy ---- */

static cps_err_t start_lookup(void *self, const char *name, uint64_t ticket)
{
    world_t *w = self;
    w->lookups++;
    w->ticket = ticket;
    snprintf(w->asked, sizeof w->asked, "%s", name);
    if (!w->hold && w->start_err == CPS_OK)
        cps_proxy_resolved(w->proxy, ticket, w->err, w->addrs, w->addr_count);
    return w->start_err;
}

static void on_line(void *user, cps_log_level_t level, const char *line, size_t len)
{
    world_t *w = user;
    if (level != CPS_LOG_WARNING)
        return;
    w->warnings++;
    snprintf(w->warning, sizeof w->warning, "%.*s", (int)len, line);
}

static void start(world_t *w, const char *target, bool wildcard)
{
    memset(w, 0, sizeof *w);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    w->targets[0] = (cps_conf_target_t){.text = target, .host = target, .wildcard = wildcard, .any_port = true};
    w->target_list = (cps_conf_list_t){w->targets, 1};
    assert_ok(cps_net_parse(CPS_BYTES_LIT("127.0.0.0/8"), &w->nets[0]));
    w->net_list = (cps_conf_list_t){w->nets, 1};
    start_end(w, &w->origin);
    start_end(w, &w->client);
    w->origin.at = addr("127.0.0.1", 0);
    assert_ok(cps_worker_listen(w->origin.worker, &w->origin.at, &w->origin.at));
    cps_proxy_options_t options = {.endpoint = {.requests_in = 4,
                                                .dedup_bytes = 1 << 20,
                                                .transmission = {.ack_timeout_us = SECOND / 10,
                                                                 .max_retransmit = 1,
                                                                 .ack_delay_us = SECOND / 100,
                                                                 .unsafe = true}},
                                   .name = "gw.example",
                                   .clients = &w->net_list,
                                   .targets = &w->target_list,
                                   .lookup = {start_lookup, w},
                                   .log = &w->log};
    cps_log_options_t log = {.level = CPS_LOG_DEBUG, .sink = on_line, .user = w};
    cps_log_init(&w->log, &log);
    assert_ok(cps_proxy_new(&w->proxy, &w->loop, &options));
    w->at = addr("127.0.0.1", 0);
    assert_ok(cps_proxy_listen(w->proxy, &w->at, &w->at));
}

static void end_world(world_t *w)
{
    cps_proxy_close(w->proxy);
    cps_worker_close(w->origin.worker);
    cps_worker_close(w->client.worker);
    assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&w->loop), 0);
}

static void ask(world_t *w, const char *uri)
{
    cps_option_t option = {CPS_OPT_PROXY_URI, cps_bytes_str(uri)};
    cps_command_t command = {
        .kind = CPS_COMMAND_REQUEST,
        .u.request = {.path = {.remote = w->at}, .code = CPS_GET, .options = &option, .option_count = 1}};
    assert_ok(cps_worker_socket(w->client.worker, CPS_FAMILY_IPV4, &command.u.request.path.socket));
    assert_ok(cps_worker_submit(w->client.worker, &command, NULL));
}

static void run_until(world_t *w, const unsigned *counter, unsigned wanted)
{
    while (*counter < wanted)
        assert_true(uv_run(&w->loop, UV_RUN_ONCE) != 0);
}

static uint8_t get(world_t *w, const char *uri)
{
    ask(w, uri);
    run_until(w, &w->client.answers, w->client.answers + 1);
    return w->client.code;
}

static cps_proxy_stats_t stats(const world_t *w)
{
    cps_proxy_stats_t out;
    cps_proxy_stats(w->proxy, &out);
    return out;
}

static const char *uri_of(const char *name, uint16_t port)
{
    static char text[128];
    snprintf(text, sizeof text, "coap://%s:%u/a", name, (unsigned)port);
    return text;
}

/* ---- cases ---- */

static void a_name_leads_to_its_origin(void **state)
{
    world_t w;
    (void)state;
    start(&w, "door.example", false);
    w.addrs[0] = addr("127.0.0.1", 0);
    w.addr_count = 1;
    assert_int_equal(get(&w, uri_of("Door.Example", w.origin.at.port)), CPS_CONTENT);
    assert_string_equal(w.client.payload, "from the origin");
    assert_string_equal(w.origin.path, "a");
    assert_string_equal(w.asked, "door.example");
    assert_true(stats(&w).forwarded == 1 && stats(&w).answered == 1 && stats(&w).open == 0);
    end_world(&w);
}

static void a_name_that_is_no_target_is_not_looked_up(void **state)
{
    world_t w;
    (void)state;
    start(&w, "door.example", false);
    assert_int_equal(get(&w, uri_of("other.example", w.origin.at.port)), CPS_PROXYING_NOT_SUPPORTED);
    assert_int_equal(w.lookups, 0);
    assert_true(stats(&w).refused[CPS_PROXY_TARGET] == 1);
    assert_non_null(strstr(w.warning, "reason=target code=5.05"));
    end_world(&w);
}

static void a_name_without_address_is_5_02(void **state)
{
    world_t w;
    (void)state;
    start(&w, "*", true);
    w.err = CPS_ERR_RESOLVE;
    assert_int_equal(get(&w, "coap://none.example/"), CPS_BAD_GATEWAY);
    assert_string_equal(w.client.payload, "no address for none.example");
    w.err = CPS_OK; /* an empty list is none either */
    assert_int_equal(get(&w, "coap://none.example/"), CPS_BAD_GATEWAY);
    w.start_err = CPS_ERR_RESOLVE;
    assert_int_equal(get(&w, "coap://none.example/"), CPS_BAD_GATEWAY);
    assert_true(stats(&w).refused[CPS_PROXY_NAME] == 3);
    w.start_err = CPS_ERR_FULL; /* no look-up could be begun */
    assert_int_equal(get(&w, "coap://none.example/"), CPS_SERVICE_UNAVAILABLE);
    end_world(&w);
}

static void a_look_up_that_takes_too_long_is_5_04(void **state)
{
    world_t w;
    (void)state;
    start(&w, "*", true);
    w.hold = true; /* here the request's own deadline is the nearer one */
    assert_int_equal(get(&w, "coap://slow.example/"), CPS_GATEWAY_TIMEOUT);
    assert_string_equal(w.client.payload, "no address for slow.example in time");
    assert_true(stats(&w).refused[CPS_PROXY_NAME_TIMEOUT] == 1 && stats(&w).open == 0);
    w.addrs[0] = addr("127.0.0.1", 0);
    cps_proxy_resolved(w.proxy, w.ticket, CPS_OK, w.addrs, 1); /* stale: nothing happens */
    assert_true(stats(&w).forwarded == 0);
    end_world(&w);
}

/* OPS-19: what a name resolves to is judged as if it had been named. */
static void a_name_does_not_open_special_addresses(void **state)
{
    static const char *const special[] = {"fe80::1", "ff02::fd", "224.0.1.187", "169.254.1.1", "0.0.0.0", "::"};
    static const char *const patterns[] = {"*", "door.example"};
    world_t w;
    (void)state;
    for (size_t p = 0; p < 2; p++) {
        start(&w, patterns[p], p == 0);
        for (unsigned i = 0; i < sizeof special / sizeof special[0]; i++) {
            w.addrs[0] = addr(special[i], 0);
            w.addr_count = 1;
            assert_int_equal(get(&w, "coap://door.example/"), CPS_PROXYING_NOT_SUPPORTED);
            assert_non_null(strstr(w.client.payload, special[i]));
            assert_true(stats(&w).refused[CPS_PROXY_ADDRESS] == i + 1);
        }
        assert_true(stats(&w).forwarded == 0);
        end_world(&w);
    }
}

static void a_special_address_that_is_named_is_reached_by_name(void **state)
{
    world_t w;
    (void)state;
    start(&w, "door.example", false);
    w.targets[1] = (cps_conf_target_t){.literal = addr("169.254.1.1", 0), .any_port = true};
    w.target_list.count = 2;
    w.addrs[0] = addr("169.254.1.1", 0);
    w.addr_count = 1;
    ask(&w, "coap://door.example/");
    while (stats(&w).forwarded == 0)
        assert_true(uv_run(&w.loop, UV_RUN_ONCE) != 0);
    end_world(&w);
}

/* PXY-4, PXY-5: an alias in the name service is ours as well. */
static void an_alias_of_our_own_is_served_here(void **state)
{
    world_t w;
    char uri[128];
    (void)state;
    start(&w, "alias.example", false);
    w.addrs[0] = addr("127.0.0.1", 0);
    w.addr_count = 1;
    assert_int_equal(get(&w, uri_of("alias.example", w.at.port)), CPS_NOT_FOUND);
    snprintf(uri, sizeof uri, "coap://alias.example:%u/.well-known/core", (unsigned)w.at.port);
    assert_int_equal(get(&w, uri), CPS_CONTENT);
    assert_string_equal(w.client.payload, "</.well-known/core>;ct=40");
    snprintf(uri, sizeof uri, "coap://GW.example:%u/.well-known/core", (unsigned)w.at.port); /* its name: no target */
    w.lookups = 0;
    assert_int_equal(get(&w, uri), CPS_CONTENT);
    assert_int_equal(w.lookups, 0);
    assert_true(stats(&w).forwarded == 0 && stats(&w).local == 2);
    end_world(&w);
}

static void the_next_address_is_tried_where_nobody_is(void **state)
{
    world_t w;
    (void)state;
    start(&w, "door.example", false);
    w.addrs[0] = addr("fe80::1", 0);   /* not allowed: left out */
    w.addrs[1] = addr("127.0.0.7", 0); /* nobody there: ICMP says so */
    w.addrs[2] = addr("127.0.0.1", 0);
    w.addr_count = 3;
    assert_int_equal(get(&w, uri_of("door.example", w.origin.at.port)), CPS_CONTENT);
    assert_true(stats(&w).forwarded == 1 && stats(&w).answered == 1);
    w.addrs[1] = addr("127.0.0.8", 0); /* not the first again: to a silent host goes one byte a second (§4.7) */
    w.addr_count = 2;
    assert_int_equal(get(&w, uri_of("door.example", w.origin.at.port)), CPS_BAD_GATEWAY);
    assert_non_null(strstr(w.client.payload, "cannot be reached"));
    assert_true(stats(&w).refused[CPS_PROXY_UNREACHABLE] == 1 && stats(&w).open == 0);
    end_world(&w);
}

static void a_full_table_is_5_03(void **state)
{
    world_t w;
    (void)state;
    start(&w, "*", true);
    w.hold = true;
    for (int i = 0; i < 4; i++)
        ask(&w, "coap://slow.example/");
    run_until(&w, &w.lookups, 4);
    assert_int_equal(get(&w, "coap://slow.example/"), CPS_SERVICE_UNAVAILABLE);
    assert_int_equal(stats(&w).open, 4);
    end_world(&w);
}

static void mark_drained(void *user) { ((world_t *)user)->drained = true; }

static void draining_waits_for_what_is_under_way(void **state)
{
    world_t w;
    (void)state;
    start(&w, "door.example", false);
    w.hold = true;
    ask(&w, uri_of("door.example", w.origin.at.port));
    run_until(&w, &w.lookups, 1);
    cps_proxy_drain(w.proxy, 60 * (uint64_t)SECOND, mark_drained, &w);
    assert_int_equal(get(&w, "coap://door.example/"), CPS_SERVICE_UNAVAILABLE);
    assert_int_equal(w.lookups, 1);
    assert_false(w.drained);
    w.addrs[0] = addr("127.0.0.1", 0);
    cps_proxy_resolved(w.proxy, w.ticket, CPS_OK, w.addrs, 1);
    run_until(&w, &w.client.answers, 2);
    assert_int_equal(w.client.code, CPS_CONTENT);
    while (!w.drained)
        assert_true(uv_run(&w.loop, UV_RUN_ONCE) != 0);
    assert_int_equal(stats(&w).open, 0);
    end_world(&w);
}

static void draining_ends_by_its_deadline(void **state)
{
    world_t w;
    (void)state;
    start(&w, "door.example", false);
    w.hold = true;
    ask(&w, uri_of("door.example", w.origin.at.port));
    run_until(&w, &w.lookups, 1);
    cps_proxy_drain(w.proxy, SECOND / 50, mark_drained, &w);
    while (!w.drained)
        assert_true(uv_run(&w.loop, UV_RUN_ONCE) != 0);
    assert_int_equal(stats(&w).open, 1);
    end_world(&w);
}

/* Whoever is refused cannot fill the log; the counters know all. */
static void refusals_are_logged_by_the_dozen_only(void **state)
{
    world_t w;
    (void)state;
    start(&w, "door.example", false);
    for (int i = 0; i < 200; i++)
        ask(&w, "coap://other.example/");
    run_until(&w, &w.client.answers, 200);
    assert_true(stats(&w).refused[CPS_PROXY_TARGET] == 200);
    assert_in_range(w.warnings, 20, 99);
    end_world(&w);
}

static void a_name_with_a_space_is_refused(void **state)
{
    cps_proxy_t *proxy;
    uv_loop_t loop;
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    cps_proxy_options_t options = {.name = "my proxy"};
    assert_err(CPS_ERR_CONFIG, cps_proxy_new(&proxy, &loop, &options));
    assert_null(proxy);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static const cps_case_t cases[] = {
    {"", "a name leads to its origin", a_name_leads_to_its_origin},
    {"", "a name that is no target is not looked up", a_name_that_is_no_target_is_not_looked_up},
    {"", "a name without address is 5.02", a_name_without_address_is_5_02},
    {"", "a look-up that takes too long is 5.04", a_look_up_that_takes_too_long_is_5_04},
    {"", "a name opens no special address, wildcard or not", a_name_does_not_open_special_addresses},
    {"", "a special address that is named is reached by name", a_special_address_that_is_named_is_reached_by_name},
    {"", "an alias of the proxy is served by it", an_alias_of_our_own_is_served_here},
    {"", "where nobody is the next address is tried", the_next_address_is_tried_where_nobody_is},
    {"", "a full table is 5.03", a_full_table_is_5_03},
    {"", "draining waits for what is under way", draining_waits_for_what_is_under_way},
    {"", "draining ends by its deadline", draining_ends_by_its_deadline},
    {"", "refusals are logged by the dozen only", refusals_are_logged_by_the_dozen_only},
    {"", "a name with a space is refused", a_name_with_a_space_is_refused},
};

CPS_RUN("proxy_names", cases)
