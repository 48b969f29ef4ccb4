// SPDX-License-Identifier: Apache-2.0
/* /.well-known/core, and requests that are made for a proxy. */
#include "server_kit.h"

#include <unistd.h>

#define CORE    ".well-known/core"
#define NOTHING cps_bytes(NULL, 0)
#define OPT(number, text)                                                                                              \
    {                                                                                                                  \
        CPS_OPT_##number, CPS_BYTES_LIT(text)                                                                          \
    }

static cps_err_t get(cps_request_t *request, void *user)
{
    const char *path = cps_request_path(request);
    cps_bytes_t value;
    (void)user;
    assert_false(cps_message_option(cps_request_message(request), CPS_OPT_PROXY_URI, &value));
    assert_false(cps_message_option(cps_request_message(request), CPS_OPT_PROXY_SCHEME, &value));
    char text[64];
    snprintf(text, sizeof text, "%s?%s", path, cps_request_query(request));
    return cps_reply_text(request, CPS_CONTENT, text);
}

/* The fixed list of the filters' test. */
static kit_t *kit_with_list(void)
{
    static const uint16_t formats[] = {0, 60};
    kit_t *kit = kit_new();
    kit_add(kit, CPS_RESOURCE(.path = "foo", .get = get, .rt = "a b", .iface = "i"));
    kit_add(kit, CPS_RESOURCE(.path = "foo/bar", .get = get, .rt = "a", .offers = formats, .offer_count = 2));
    kit_add(kit, CPS_RESOURCE(.path = "bar", .get = get, .title = "the bar", .policy = {.sealed = true}));
    kit_add(kit, CPS_RESOURCE(.path = "hidden", .get = get, .rt = "a", .hidden = true));
    return kit;
}

#define FOO     "</foo>;rt=\"a b\";if=\"i\""
#define FOO_BAR "</foo/bar>;rt=\"a\";ct=\"0 60\""
#define BAR     "</bar>;title=\"the bar\";osc"

static cps_msg_t core(kit_t *kit, const char *query)
{
    ask_t ask = {.code = CPS_GET, .path = CORE};
    if (query != NULL)
        ask.more[0] = (cps_option_t){CPS_OPT_URI_QUERY, cps_bytes_str(query)};
    return kit_ask(kit, &ask);
}

static void resources_are_listed(void **state)
{
    (void)state;
    kit_t *kit = kit_with_list();
    cps_msg_t msg = core(kit, NULL);
    assert_code(CPS_CONTENT, msg);
    assert_true(msg_has(&msg, CPS_OPT_CONTENT_FORMAT, CPS_BYTES_LIT("\x28")));
    assert_text(FOO "," FOO_BAR "," BAR, msg);
    msg = kit_ask(kit, ASK(.code = CPS_GET, .path = CORE, .more = {OPT(ACCEPT, "\x28")}));
    assert_code(CPS_CONTENT, msg);
    assert_code(CPS_NOT_ACCEPTABLE, kit_ask(kit, ASK(.code = CPS_GET, .path = CORE, .more = {OPT(ACCEPT, "")})));
    assert_code(CPS_METHOD_NOT_ALLOWED, kit_ask(kit, ASK(.code = CPS_PUT, .path = CORE)));
    kit_free(kit);
}

static void the_list_is_filtered(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        const char *links;
    } filters[] = {{"href=/foo", FOO},
                   {"href=/foo*", FOO "," FOO_BAR},
                   {"rt=a", FOO "," FOO_BAR},
                   {"rt=b", FOO},
                   {"rt=a b", ""},
                   {"foo=*", ""},
                   {"foo=bar*", ""},
                   {"if=i", FOO},
                   {"title=the*", BAR},
                   {"ct=0 60", FOO_BAR},
                   {"anything", FOO "," FOO_BAR "," BAR}};
    kit_t *kit = kit_with_list();
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        cps_msg_t msg = core(kit, filters[i].query);
        assert_code(CPS_CONTENT, msg);
        assert_text(filters[i].links, msg);
    }
    kit_free(kit);
}

static void the_list_has_an_etag(void **state)
{
    (void)state;
    kit_t *kit = kit_with_list();
    cps_msg_t msg = core(kit, NULL);
    uint8_t etag[8];
    cps_bytes_t value;
    assert_true(cps_opt_find(msg.options, CPS_OPT_ETAG, &value) && value.len == sizeof etag);
    memcpy(etag, value.ptr, sizeof etag);
    ask_t ask = {.code = CPS_GET, .path = CORE, .more = {{CPS_OPT_ETAG, {etag, sizeof etag}}}};
    assert_code(CPS_VALID, kit_ask(kit, &ask));
    kit_add(kit, CPS_RESOURCE(.path = "new", .get = get));
    msg = kit_ask(kit, &ask);
    assert_code(CPS_CONTENT, msg);
    assert_text(FOO "," FOO_BAR "," BAR ",</new>", msg);
    kit_free(kit);
}

static void hosts_have_lists_of_their_own(void **state)
{
    (void)state;
    kit_t *kit = kit_new();
    kit_add(kit, CPS_RESOURCE(.path = "x", .host = "a.example", .get = get));
    kit_add(kit, CPS_RESOURCE(.path = "y", .host = "127.0.0.2", .get = get));
    kit_add(kit, CPS_RESOURCE(.path = "a b/%", .get = get));
    assert_text("</y>,</a%20b/%25>", core(kit, NULL));
    assert_text("</x>,</a%20b/%25>",
                kit_ask(kit, ASK(.code = CPS_GET, .path = CORE, .more = {OPT(URI_HOST, "a.example")})));
    kit_free(kit);
}

static void a_list_too_long_says_so(void **state)
{
    (void)state;
    kit_t *kit = kit_new();
    char path[40];
    for (int i = 0; i < 7000; i++) {
        snprintf(path, sizeof path, "a-rather-long-name-of-a-resource-%d", i);
        kit_add(kit, CPS_RESOURCE(.path = path, .get = get));
    }
    assert_code(CPS_NOT_IMPLEMENTED, core(kit, NULL)); /* cut short it would look whole */
    assert_text("</a-rather-long-name-of-a-resource-7>", core(kit, "href=/a-rather-long-name-of-a-resource-7"));
    kit_free(kit);
}

static cps_err_t own_list(cps_request_t *request, void *user)
{
    (void)user;
    return cps_reply_text(request, CPS_CONTENT, "mine");
}

static void an_application_may_bring_its_own_list(void **state)
{
    (void)state;
    const char *reason = NULL;
    kit_t *kit = kit_new();
    kit_add(kit, CPS_RESOURCE(.path = "/" CORE, .get = own_list, .hidden = true));
    assert_text("mine", core(kit, NULL));
    assert_err(CPS_ERR_EXISTS, cps_dispatch_add(&kit->d, CPS_RESOURCE(.path = CORE, .get = own_list), &reason));
    kit_free(kit);
}

static void what_cannot_be_listed_is_not_added(void **state)
{
    (void)state;
    const char *reason = NULL;
    kit_t *kit = kit_new();
    static const uint16_t one = 40;
    assert_err(CPS_ERR_CONFIG, cps_dispatch_add(&kit->d, CPS_RESOURCE(.path = "x", .title = "a\nb"), &reason));
    assert_err(CPS_ERR_CONFIG, cps_dispatch_add(&kit->d, CPS_RESOURCE(.path = "x", .rt = "\xff"), &reason));
    kit_add(kit, CPS_RESOURCE(.path = "x", .offers = &one, .offer_count = 1, .get = get)); /* nothing was left behind */
    assert_text("</x>;ct=40", core(kit, NULL));
    kit_free(kit);
}

/* ---- requests for a proxy ---- */

static kit_t *kit_for_proxy(void)
{
    kit_t *kit = kit_new();
    kit_add(kit, CPS_RESOURCE(.path = "a", .get = get));
    kit_add(kit, CPS_RESOURCE(.path = "b", .host = "door.local", .get = get));
    return kit;
}

static cps_msg_t ask_uri(kit_t *kit, const char *uri)
{
    ask_t ask = {.code = CPS_GET, .more = {{CPS_OPT_PROXY_URI, cps_bytes_str(uri)}}};
    return kit_ask(kit, &ask);
}

static void what_is_for_others_gives_5_05(void **state)
{
    (void)state;
    kit_t *kit = kit_for_proxy();
    static const char *const others[] = {
        "coap://other.example/a",   "coap://127.0.0.2:5684/a", "coaps://127.0.0.2/a", "http://127.0.0.2/a",
        "coap://192.0.2.1/a",       "coap://door.local:1/a",   "coap://[::1]/a",      "nonsense",
        "coap://door.local.evil/a", "coap://224.0.1.187/a",    "coap://0.0.0.0/a",    "coap+tcp://door.local/a"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_code(CPS_PROXYING_NOT_SUPPORTED, ask_uri(kit, others[i]));
    assert_code(CPS_PROXYING_NOT_SUPPORTED,
                kit_ask(kit, ASK(.code = CPS_GET, .path = "a",
                                 .more = {OPT(URI_HOST, "other.example"), OPT(PROXY_SCHEME, "coap")})));
    assert_code(CPS_PROXYING_NOT_SUPPORTED,
                kit_ask(kit, ASK(.code = CPS_GET, .path = "a", .more = {OPT(PROXY_SCHEME, "http")})));
    assert_code(CPS_PROXYING_NOT_SUPPORTED,
                kit_ask(kit, ASK(.code = CPS_GET, .path = "a", .more = {OPT(PROXY_SCHEME, "coaps")})));
    kit_free(kit);
}

static void what_names_the_server_itself_is_served(void **state)
{
    (void)state;
    kit_t *kit = kit_for_proxy();
    char host[256] = "";
    char own[300];
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    snprintf(own, sizeof own, "coap://%s/a?q", host);
    assert_text("a?q", ask_uri(kit, own));
    assert_text("a?x=1&y", ask_uri(kit, "coap://127.0.0.2/a?x=1&y"));
    assert_text("a?", ask_uri(kit, "COAP://127.0.0.2:5683/a"));
    assert_text("a?", ask_uri(kit, "coap://Front/%61"));
    assert_text("a?", ask_uri(kit, "coap://localhost/a"));
    assert_text("b?", ask_uri(kit, "coap://door.local/b")); /* with the names' own resources */
    assert_text("a?", kit_ask(kit, ASK(.code = CPS_GET, .path = "a", .more = {OPT(PROXY_SCHEME, "coap")})));
    assert_text("b?", kit_ask(kit, ASK(.code = CPS_GET, .path = "b",
                                       .more = {OPT(URI_HOST, "door.local"), OPT(PROXY_SCHEME, "coap")})));
    kit_free(kit);
}

static void a_wildcard_listener_has_all_local_addresses(void **state)
{
    (void)state;
    kit_t *kit = kit_for_proxy();
    cps_addr_t any4 = {.family = CPS_FAMILY_IPV4, .port = 7000};
    cps_addr_t any6 = {.family = CPS_FAMILY_IPV6, .port = 7000};
    cps_own_listen(&kit->d.own, &any4);
    assert_text("a?", ask_uri(kit, "coap://127.0.0.9:7000/a"));
    assert_code(CPS_PROXYING_NOT_SUPPORTED, ask_uri(kit, "coap://192.0.2.1:7000/a"));
    assert_code(CPS_PROXYING_NOT_SUPPORTED, ask_uri(kit, "coap://[::1]:7000/a"));
    cps_own_listen(&kit->d.own, &any6);
    assert_text("a?", ask_uri(kit, "coap://[::1]:7000/a"));
    kit_free(kit);
}

static void proxy_uri_wins_over_the_uri_options(void **state)
{
    (void)state;
    kit_t *kit = kit_for_proxy();
    assert_text("b?q", kit_ask(kit, ASK(.code = CPS_GET, .path = "a",
                                        .more = {OPT(URI_QUERY, "other"), OPT(URI_HOST, "x.example"),
                                                 OPT(PROXY_URI, "coap://door.local/b?q")})));
    assert_code(CPS_NOT_FOUND,
                kit_ask(kit, ASK(.code = CPS_GET, .path = "a", .more = {OPT(PROXY_URI, "coap://door.local/none")})));
    kit_free(kit);
}

static const cps_case_t cases[] = {
    {"REQ-63", "/.well-known/core lists the resources in link format", resources_are_listed},
    {"REQ-64 REQ-65", "the list is filtered", the_list_is_filtered},
    {"", "the list has an ETag that changes with it", the_list_has_an_etag},
    {"", "hosts have lists of their own", hosts_have_lists_of_their_own},
    {"", "a list that is too long says so", a_list_too_long_says_so},
    {"", "an application may bring its own list", an_application_may_bring_its_own_list},
    {"", "what cannot be listed is not added", what_cannot_be_listed_is_not_added},
    {"PXY-1", "a request for another server gives 5.05", what_is_for_others_gives_5_05},
    {"", "a request for a proxy that names this server is served", what_names_the_server_itself_is_served},
    {"", "a wildcard listener has all local addresses", a_wildcard_listener_has_all_local_addresses},
    {"", "Proxy-Uri wins over the Uri options", proxy_uri_wins_over_the_uri_options},
};

CPS_RUN("server_discover", cases)
