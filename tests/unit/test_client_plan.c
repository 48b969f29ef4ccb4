// SPDX-License-Identifier: Apache-2.0
/* From a URI to what is sent where. */
#include "harness.h"

#include "client/plan.h"

static cps_plan_t plan; /* views itself */

static cps_err_t plan_way(const char *uri, const char *proxy, bool by_uri)
{
    cps_plan_way_t way = {proxy, by_uri};
    return cps_plan_make(&plan, uri, &way);
}

static bool has(uint16_t number, const char *value)
{
    for (size_t i = 0; i < plan.option_count; i++)
        if (plan.options[i].number == number && cps_bytes_equal(plan.options[i].value, cps_bytes_str(value)))
            return true;
    return false;
}

static unsigned count_of(uint16_t number)
{
    unsigned count = 0;
    for (size_t i = 0; i < plan.option_count; i++)
        count += plan.options[i].number == number;
    return count;
}

static void straight_to_a_name(void **state)
{
    (void)state;
    assert_ok(plan_way("coap://Door.local:7000/a/b%20c?x=1", NULL, false));
    assert_string_equal(plan.host, "door.local");
    assert_int_equal(plan.port, 7000);
    assert_int_equal(plan.literal.family, CPS_FAMILY_NONE);
    assert_int_equal(plan.option_count, 4);
    assert_true(has(CPS_OPT_URI_HOST, "door.local") && has(CPS_OPT_URI_PATH, "a") && has(CPS_OPT_URI_PATH, "b c") &&
                has(CPS_OPT_URI_QUERY, "x=1"));
}

static void straight_to_an_address(void **state)
{
    (void)state;
    assert_ok(plan_way("coap://[::1]/lock", NULL, false));
    assert_int_equal(plan.literal.family, CPS_FAMILY_IPV6);
    assert_int_equal(plan.literal.port, 5683);
    assert_int_equal(plan.option_count, 1);
    assert_ok(plan_way("coap://[fe80::1%25lo]/lock", NULL, false));
    assert_int_not_equal(plan.literal.scope_id, 0);
    assert_err(CPS_ERR_BAD_URI, plan_way("coap://[fe80::1%25nolink]/lock", NULL, false));
    assert_non_null(strstr(plan.why, "nolink"));
}

static void by_proxy_scheme(void **state)
{
    (void)state;
    assert_ok(plan_way("coap://door.local/lock", "coap://127.0.0.1:7001", false));
    assert_true(plan.proxied && plan.literal.port == 7001);
    assert_true(has(CPS_OPT_PROXY_SCHEME, "coap") && has(CPS_OPT_URI_HOST, "door.local") &&
                has(CPS_OPT_URI_PORT, "\x16\x33") && has(CPS_OPT_URI_PATH, "lock"));
    assert_int_equal(count_of(CPS_OPT_PROXY_URI), 0);
    assert_ok(
        plan_way("coap://192.0.2.1:7001/", "coap://gw.example:7001/",
                 false)); /* an address stands in Uri-Host too, and a port that is not the scheme's is always said */
    assert_true(has(CPS_OPT_URI_HOST, "192.0.2.1") && has(CPS_OPT_URI_PORT, "\x1b\x59"));
}

static void by_proxy_uri(void **state)
{
    (void)state;
    assert_ok(plan_way("coap://door.local/lock?x", "coap://gw.example", true));
    assert_string_equal(plan.host, "gw.example");
    assert_int_equal(plan.option_count, 1);
    assert_true(has(CPS_OPT_PROXY_URI, "coap://door.local/lock?x"));
}

/* PXY-2: whatever is asked for, Proxy-Uri and Uri-* never stand together. */
static void the_two_ways_do_not_mix(void **state)
{
    (void)state;
    static const uint16_t numbers[] = {CPS_OPT_URI_HOST,  CPS_OPT_URI_PORT,     CPS_OPT_URI_PATH, CPS_OPT_URI_QUERY,
                                       CPS_OPT_PROXY_URI, CPS_OPT_PROXY_SCHEME, CPS_OPT_OSCORE};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        cps_option_t option = {numbers[i], CPS_BYTES_LIT("a")};
        assert_ok(plan_way("coap://door.local/lock", i % 2 == 0 ? "coap://gw.example" : NULL, true));
        assert_err(CPS_ERR_ARGUMENT, cps_plan_add(&plan, CPS_GET, &option, 1));
        assert_non_null(strstr(plan.why, "is made from"));
    }
    assert_ok(plan_way("coap://door.local/lock", "coap://gw.example", true));
    cps_option_t accept = {CPS_OPT_ACCEPT, CPS_BYTES_LIT("2")};
    assert_ok(cps_plan_add(&plan, CPS_GET, &accept, 1));
    cps_option_t twice[] = {accept, accept};
    assert_err(CPS_ERR_ARGUMENT, cps_plan_add(&plan, CPS_GET, twice, 2));
}

/* PXY-20: a coaps request is not carried to the proxy in clear, in neither form. REQ-54: nor anywhere else. */
static void coaps_is_never_sent_in_clear(void **state)
{
    (void)state;
    for (int by_uri = 0; by_uri < 2; by_uri++) {
        assert_err(CPS_ERR_UNSUPPORTED, plan_way("coaps://door.local/lock", "coap://gw.example", by_uri != 0));
        assert_non_null(strstr(plan.why, "in clear"));
    }
    assert_err(CPS_ERR_UNSUPPORTED, plan_way("coaps://door.local/lock", NULL, false));
    assert_non_null(strstr(plan.why, "DTLS"));
    assert_err(CPS_ERR_UNSUPPORTED, plan_way("coap://door.local/lock", "coaps://gw.example", false));
}

static void what_is_no_way_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *uri;
        const char *proxy;
        cps_err_t err;
    } rows[] = {
        {"coap:///a", NULL, CPS_ERR_BAD_URI},
        {"coap://:5683/a", NULL, CPS_ERR_BAD_URI},
        {"lock", NULL, CPS_ERR_BAD_URI},
        {"coap://door.local/a#b", NULL, CPS_ERR_BAD_URI},
        {"coap://door.local/%2e%2e/a", NULL, CPS_ERR_BAD_URI},
        {"coap+tcp://door.local/a", NULL, CPS_ERR_UNSUPPORTED},
        {"http://door.local/a", "coap://gw.example", CPS_ERR_UNSUPPORTED},
        {"coap://224.0.1.187/a", NULL, CPS_ERR_UNSUPPORTED},
        {"coap://door.local/a", "gw.example", CPS_ERR_CONFIG},
        {"coap://door.local/a", "coap://gw.example/x", CPS_ERR_CONFIG},
        {"coap://[fe80::1%25lo]/a", "coap://gw.example", CPS_ERR_BAD_URI},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_err(rows[i].err, plan_way(rows[i].uri, rows[i].proxy, false));
        assert_true(strlen(plan.why) > 10);
    }
}

static void long_uris_are_refused(void **state)
{
    (void)state;
    static char uri[4096] = "coap://door.local";
    size_t len = strlen(uri);
    while (len + 2 < sizeof uri) {
        uri[len++] = '/';
        uri[len++] = 'a';
    }
    assert_err(CPS_ERR_BAD_URI, plan_way(uri, NULL, false));
    assert_err(CPS_ERR_BAD_URI, plan_way(uri, "coap://gw.example", true));
}

static const cps_case_t cases[] = {
    {"", "straight to a name", straight_to_a_name},
    {"", "straight to an address, with its interface", straight_to_an_address},
    {"", "through a proxy by Proxy-Scheme", by_proxy_scheme},
    {"", "through a proxy by Proxy-Uri", by_proxy_uri},
    {"", "Proxy-Uri and Uri-* are never put into one request", the_two_ways_do_not_mix},
    {"PXY-20", "coaps is never sent in clear, least of all to a proxy", coaps_is_never_sent_in_clear},
    {"", "what is no way to a resource is refused with a reason", what_is_no_way_is_refused},
    {"", "a URI too long for a request is refused", long_uris_are_refused},
};

CPS_RUN("client_plan", cases)
