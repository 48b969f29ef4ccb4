// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include "host/resolve.h"

#include <netdb.h>
#include <stdio.h>

/* ---- a resolver that answers when a test says so ---- */

static struct {
    uv_getaddrinfo_t *request;
    uv_getaddrinfo_cb done;
    char node[300];
    int family;
    int refuse;    /* what start gives */
    int cancelled; /* how often it was asked */
    bool busy;     /* a thread works on it: cancelling does not help */
    int released;
} fake;

static int fake_start(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb done, const char *node,
                      const char *service, const struct addrinfo *hints)
{
    (void)loop;
    assert_null(service);
    assert_int_equal(hints->ai_socktype, SOCK_DGRAM);
    fake.request = request;
    fake.done = done;
    fake.family = hints->ai_family;
    snprintf(fake.node, sizeof fake.node, "%s", node);
    return fake.refuse;
}

static int fake_cancel(uv_getaddrinfo_t *request)
{
    assert_ptr_equal(request, fake.request);
    fake.cancelled++;
    return fake.busy ? UV_EBUSY : 0;
}

static void fake_release(struct addrinfo *found)
{
    fake.released++;
    if (found != NULL)
        freeaddrinfo(found);
}

static const cps_resolver_t resolver = {fake_start, fake_cancel, fake_release};

/* Real addresses of literals, so that nothing is asked of a name server; joined to one list. */
static struct addrinfo *addresses(const char *first, const char *second)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;
    struct addrinfo *more = NULL;
    assert_int_equal(getaddrinfo(first, NULL, &hints, &found), 0);
    if (second != NULL) {
        assert_int_equal(getaddrinfo(second, NULL, &hints, &more), 0);
        found->ai_next = more;
    }
    return found;
}

/* ---- what a query gave ---- */

typedef struct seen {
    unsigned calls;
    cps_err_t err;
    char text[512];
} seen_t;

static void on_done(void *user, const cps_resolve_result_t *result)
{
    seen_t *seen = user;
    char text[CPS_ADDR_TEXT_MAX];
    size_t at = 0;
    seen->calls++;
    seen->err = result->err;
    seen->text[0] = '\0';
    for (size_t i = 0; i < result->count; i++)
        at +=
            (size_t)snprintf(seen->text + at, sizeof seen->text - at, "%s ", cps_addr_format(&result->addrs[i], text));
    if (result->err != CPS_OK)
        snprintf(seen->text, sizeof seen->text, "%s", result->detail);
}

static void begin(uv_loop_t *loop, seen_t *seen)
{
    assert_int_equal(uv_loop_init(loop), 0);
    memset(&fake, 0, sizeof fake);
    *seen = (seen_t){.calls = 0};
}

/* Nothing may be left open on the loop. */
static void end(uv_loop_t *loop)
{
    assert_int_equal(uv_run(loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(loop), 0);
}

static cps_resolve_query_t ask(const char *host, seen_t *seen)
{
    return (cps_resolve_query_t){
        .host = cps_bytes_str(host), .port = 5683, .done = on_done, .user = seen, .resolver = &resolver};
}

static void addresses_come_with_the_next_turn(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        const char *text;
    } rows[] = {{"192.0.2.1", "192.0.2.1:5683 "}, {"[2001:db8::1]", "[2001:db8::1]:5683 "}, {"::1", "[::1]:5683 "}};
    for (size_t i = 0; i < 3; i++) {
        uv_loop_t loop;
        seen_t seen;
        begin(&loop, &seen);
        cps_resolve_query_t query = ask(rows[i].host, &seen);
        assert_ok(cps_resolve_start(&loop, &query, NULL));
        assert_int_equal(seen.calls, 0);
        end(&loop);
        assert_int_equal(seen.calls, 1);
        assert_ok(seen.err);
        assert_string_equal(seen.text, rows[i].text);
        assert_null(fake.request);
    }
}

static void names_give_addresses_in_order(void **state)
{
    (void)state;
    uv_loop_t loop;
    seen_t seen;
    begin(&loop, &seen);
    cps_resolve_query_t query = ask("door.example", &seen);
    assert_ok(cps_resolve_start(&loop, &query, NULL));
    assert_string_equal(fake.node, "door.example");
    assert_int_equal(fake.family, AF_UNSPEC);
    fake.done(fake.request, 0, addresses("2001:db8::1", "192.0.2.1"));
    assert_int_equal(fake.released, 1);
    end(&loop);
    assert_int_equal(seen.calls, 1);
    assert_ok(seen.err);
    assert_string_equal(seen.text, "[2001:db8::1]:5683 192.0.2.1:5683 ");
    assert_int_equal(fake.cancelled, 0);
}

static void one_family_alone_can_be_asked_for(void **state)
{
    (void)state;
    uv_loop_t loop;
    seen_t seen;
    begin(&loop, &seen);
    cps_resolve_query_t query = ask("door.example", &seen);
    query.family = CPS_FAMILY_IPV6;
    assert_ok(cps_resolve_start(&loop, &query, NULL));
    assert_int_equal(fake.family, AF_INET6);
    fake.done(fake.request, 0, addresses("::1", NULL));
    query.family = CPS_FAMILY_IPV4;
    assert_ok(cps_resolve_start(&loop, &query, NULL));
    assert_int_equal(fake.family, AF_INET);
    fake.done(fake.request, 0, addresses("127.0.0.1", NULL));
    query.host = CPS_BYTES_LIT("::1");
    assert_err(CPS_ERR_RESOLVE, cps_resolve_start(&loop, &query, NULL));
    end(&loop);
    assert_int_equal(seen.calls, 2);
}

static void failures_are_told(void **state)
{
    (void)state;
    uv_loop_t loop;
    seen_t seen;
    begin(&loop, &seen);
    cps_resolve_query_t query = ask("no.example", &seen);
    assert_ok(cps_resolve_start(&loop, &query, NULL));
    fake.done(fake.request, UV_EAI_NONAME, NULL);
    assert_err(CPS_ERR_RESOLVE, seen.err);
    assert_string_equal(seen.text, "unknown node or service");
    assert_ok(cps_resolve_start(&loop, &query, NULL));
    fake.done(fake.request, 0, NULL);
    assert_string_equal(seen.text, "the name has no IP address");
    fake.refuse = UV_ENOMEM;
    assert_err(CPS_ERR_RESOLVE, cps_resolve_start(&loop, &query, NULL));
    static const char longest[CPS_RESOLVE_HOST_MAX + 2];
    const cps_bytes_t wrong[] = {{NULL, 0}, cps_bytes("a\0b", 3), cps_bytes(longest, CPS_RESOLVE_HOST_MAX + 1)};
    for (size_t i = 0; i < 3; i++) {
        query.host = wrong[i];
        assert_err(CPS_ERR_ARGUMENT, cps_resolve_start(&loop, &query, NULL));
    }
    end(&loop);
    assert_int_equal(seen.calls, 2);
}

/* The deadline passes while a thread hangs; its answer comes later and is dropped, and nothing is freed before. */
static void a_late_answer_is_dropped(void **state)
{
    (void)state;
    uv_loop_t loop;
    seen_t seen;
    begin(&loop, &seen);
    fake.busy = true;
    cps_resolve_query_t query = ask("slow.example", &seen);
    query.timeout_us = 1;
    assert_ok(cps_resolve_start(&loop, &query, NULL));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(seen.calls, 1);
    assert_err(CPS_ERR_RESOLVE, seen.err);
    assert_string_equal(seen.text, "no answer in time");
    assert_int_equal(fake.cancelled, 1);
    fake.done(fake.request, 0, addresses("192.0.2.1", NULL));
    assert_int_equal(fake.released, 1);
    assert_int_equal(seen.calls, 1);
    end(&loop);
}

static void a_cancelled_query_is_silent(void **state)
{
    (void)state;
    uv_loop_t loop;
    seen_t seen;
    cps_resolve_t *handle;
    begin(&loop, &seen);
    cps_resolve_query_t query = ask("door.example", &seen);
    assert_ok(cps_resolve_start(&loop, &query, &handle));
    cps_resolve_cancel(handle);
    assert_int_equal(fake.cancelled, 1);
    fake.done(fake.request, UV_ECANCELED, NULL);
    query.host = CPS_BYTES_LIT("192.0.2.1");
    assert_ok(cps_resolve_start(&loop, &query, &handle));
    cps_resolve_cancel(handle);
    end(&loop);
    assert_int_equal(seen.calls, 0);
}

/* The system's own resolver, with a name that needs no network. */
static void the_system_knows_localhost(void **state)
{
    (void)state;
    uv_loop_t loop;
    seen_t seen;
    begin(&loop, &seen);
    cps_resolve_query_t query = ask("localhost", &seen);
    query.resolver = NULL;
    query.family = CPS_FAMILY_IPV4;
    query.timeout_us = 60000000;
    assert_ok(cps_resolve_start(&loop, &query, NULL));
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(seen.calls, 1);
    assert_ok(seen.err);
    assert_string_equal(seen.text, "127.0.0.1:5683 ");
    cps_resolve_t *handle; /* and a look-up given up at once */
    assert_ok(cps_resolve_start(&loop, &query, &handle));
    cps_resolve_cancel(handle);
    end(&loop);
    assert_int_equal(seen.calls, 1);
}

static const cps_case_t cases[] = {
    {"", "addresses come with the next turn and take no thread", addresses_come_with_the_next_turn},
    {"", "names give addresses in order", names_give_addresses_in_order},
    {"", "one family alone can be asked for", one_family_alone_can_be_asked_for},
    {"", "failures are told", failures_are_told},
    {"", "a late answer is dropped", a_late_answer_is_dropped},
    {"", "a cancelled query is silent", a_cancelled_query_is_silent},
    {"", "the system knows localhost", the_system_knows_localhost},
};

CPS_RUN("host/resolve", cases)
