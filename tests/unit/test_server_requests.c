// SPDX-License-Identifier: Apache-2.0
/* What plain requests meet before a handler. */
#include "server_kit.h"

#define NOTHING cps_bytes(NULL, 0)
#define OPT(number, text)                                                                                              \
    {                                                                                                                  \
        CPS_OPT_##number, CPS_BYTES_LIT(text)                                                                          \
    }

static cps_err_t text_get(cps_request_t *request, void *user)
{
    ((kit_t *)user)->runs++;
    return cps_reply_text(request, CPS_CONTENT, "hello");
}

static cps_err_t text_put(cps_request_t *request, void *user)
{
    ((kit_t *)user)->runs++;
    return cps_reply(request, CPS_CHANGED);
}

static const uint16_t text_plain = 0;

static kit_t *kit_with_text(void)
{
    kit_t *kit = kit_new();
    kit_add(kit, CPS_RESOURCE(.path = "text", .get = text_get, .put = text_put, .user = kit, .formats = &text_plain,
                              .format_count = 1, .offers = &text_plain, .offer_count = 1, .body_max = 64));
    kit_add(kit, CPS_RESOURCE(.path = "free", .get = text_get, .put = text_put, .user = kit));
    return kit;
}

/* ---- finding ---- */

static void an_unknown_path_gives_4_04(void **state)
{
    (void)state;
    kit_t *kit = kit_with_text();
    static const uint8_t methods[] = {CPS_GET, CPS_POST, CPS_PUT, CPS_FETCH, CPS_DELETE};
    static const char *const paths[] = {"none", "text/more", "text/", "", "tex", "TEXT"};
    for (size_t i = 0; i < sizeof methods; i++) {
        cps_msg_t msg = kit_ask(kit, ASK(.code = methods[i], .path = "none"));
        assert_code(CPS_NOT_FOUND, msg);
        assert_int_equal(msg.payload.len, 0); /* a diagnostic would add nothing */
    }
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        ask_t ask = {.code = CPS_GET, .path = paths[i]};
        if (i == 2)
            ask.more[0] = (cps_option_t)OPT(URI_PATH, ""); /* "text/": an empty segment more */
        assert_code(CPS_NOT_FOUND, kit_ask(kit, &ask));
    }
    assert_int_equal(kit->runs, 0);
    kit_free(kit);
}

static void an_unknown_method_gives_4_05(void **state)
{
    (void)state;
    kit_t *kit = kit_with_text();
    static const uint8_t methods[] = {CPS_POST, CPS_DELETE, CPS_FETCH, CPS_PATCH, CPS_IPATCH, 8, 20, 31};
    for (size_t i = 0; i < sizeof methods; i++) {
        cps_msg_t msg = kit_ask(kit, ASK(.code = methods[i], .path = "text"));
        assert_code(CPS_METHOD_NOT_ALLOWED, msg);
        assert_int_equal(msg.type, CPS_ACK);
        assert_int_equal(msg.mid, kit->mid);
    }
    cps_msg_t msg = kit_ask(kit, ASK(.code = 20, .path = "text", .type = CPS_NON));
    assert_code(CPS_METHOD_NOT_ALLOWED, msg);
    assert_int_equal(msg.type, CPS_NON);
    assert_int_equal(kit->runs, 0);
    kit_free(kit);
}

static void a_rule_meets_the_very_options_that_find_the_resource(void **state)
{
    (void)state;
    kit_t *kit = kit_with_text();
    kit_add(kit, CPS_RESOURCE(.path = "admin", .get = text_get, .user = kit, .policy = {.sealed = true}));
    kit_add(kit, CPS_RESOURCE(.path = "a/b", .get = text_get, .user = kit));
    assert_code(CPS_UNAUTHORIZED, kit_ask(kit, ASK(.code = CPS_GET, .path = "admin")));
    assert_code(CPS_NOT_FOUND, kit_ask(kit, ASK(.code = CPS_GET, .path = "admin", .more = {OPT(URI_PATH, "")})));
    assert_code(CPS_NOT_FOUND, kit_ask(kit, ASK(.code = CPS_GET, .path = "%61dmin")));
    assert_code(CPS_NOT_FOUND, kit_ask(kit, ASK(.code = CPS_GET, .more = {OPT(URI_PATH, "a/b")})));
    assert_code(CPS_NOT_FOUND, kit_ask(kit, ASK(.code = CPS_GET, .more = {OPT(URI_PATH, "admin\0x")})));
    assert_code(CPS_CONTENT, kit_ask(kit, ASK(.code = CPS_GET, .path = "a/b")));
    assert_int_equal(kit->runs, 1);
    /* as many empty segments as a datagram holds: one pass over them, and an error */
    uint8_t bytes[1400] = {0x40, CPS_GET, 0x77, 0x01, 0xb0};
    rig_clear(kit->rig);
    rig_in(kit->rig, KIT_CLIENT, 40000, cps_bytes(bytes, sizeof bytes));
    assert_int_equal(kit->rig->out_count, 1);
    assert_code(CPS_NOT_FOUND, rig_sent_msg(kit->rig, 0));
    assert_int_equal(kit->runs, 1);
    kit_free(kit);
}

static void dot_segments_are_refused(void **state)
{
    (void)state;
    kit_t *kit = kit_with_text();
    const char *reason = NULL;
    assert_code(CPS_BAD_REQUEST, kit_ask(kit, ASK(.code = CPS_GET, .path = "x/../text")));
    assert_code(CPS_BAD_REQUEST, kit_ask(kit, ASK(.code = CPS_GET, .path = "./text")));
    assert_code(CPS_NOT_FOUND, kit_ask(kit, ASK(.code = CPS_GET, .path = ".../text")));
    assert_err(CPS_ERR_CONFIG, cps_dispatch_add(&kit->d, CPS_RESOURCE(.path = "a/../b"), &reason));
    assert_int_equal(kit->runs, 0);
    kit_free(kit);
}

static void the_hop_limit_is_checked(void **state)
{
    (void)state;
    kit_t *kit = kit_with_text();
    assert_code(CPS_BAD_REQUEST, kit_ask(kit, ASK(.code = CPS_GET, .path = "text", .more = {OPT(HOP_LIMIT, "\0")})));
    assert_code(CPS_BAD_REQUEST, kit_ask(kit, ASK(.code = CPS_GET, .path = "text", .more = {OPT(HOP_LIMIT, "\1\0")})));
    assert_code(CPS_BAD_REQUEST, kit_ask(kit, ASK(.code = CPS_GET, .path = "text", .more = {OPT(HOP_LIMIT, "")})));
    assert_int_equal(kit->runs, 0);
    assert_code(CPS_CONTENT, kit_ask(kit, ASK(.code = CPS_GET, .path = "text", .more = {OPT(HOP_LIMIT, "\1")})));
    assert_code(CPS_CONTENT, kit_ask(kit, ASK(.code = CPS_GET, .path = "text",
                                              .more = {OPT(HOP_LIMIT, "\xff"), OPT(HOP_LIMIT, "\0")})));
    kit_free(kit);
}

static cps_err_t say_a(cps_request_t *request, void *user)
{
    (void)user;
    return cps_reply_text(request, CPS_CONTENT, "a");
}

static cps_err_t say_b(cps_request_t *request, void *user)
{
    (void)user;
    return cps_reply_text(request, CPS_CONTENT, "b");
}

static cps_err_t say_address(cps_request_t *request, void *user)
{
    (void)user;
    return cps_reply_text(request, CPS_CONTENT, "address");
}

static void hosts_have_resources_of_their_own(void **state)
{
    (void)state;
    kit_t *kit = kit_with_text();
    kit_add(kit, CPS_RESOURCE(.path = "x", .host = "A.example", .get = say_a));
    kit_add(kit, CPS_RESOURCE(.path = "x", .host = "b.example", .get = say_b));
    assert_code(CPS_NOT_FOUND, kit_ask(kit, ASK(.code = CPS_GET, .path = "x")));
    kit_add(kit, CPS_RESOURCE(.path = "x", .host = "127.0.0.2", .get = say_address));
    assert_text("a", kit_ask(kit, ASK(.code = CPS_GET, .path = "x", .more = {OPT(URI_HOST, "a.example")})));
    assert_text("b", kit_ask(kit, ASK(.code = CPS_GET, .path = "x", .more = {OPT(URI_HOST, "B.EXAMPLE")})));
    assert_text("address", kit_ask(kit, ASK(.code = CPS_GET, .path = "x")));
    assert_text("address", kit_ask(kit, ASK(.code = CPS_GET, .path = "x", .more = {OPT(URI_HOST, "127.0.0.2")})));
    assert_code(CPS_NOT_FOUND, kit_ask(kit, ASK(.code = CPS_GET, .path = "x", .more = {OPT(URI_HOST, "c.example")})));
    assert_text("hello", kit_ask(kit, ASK(.code = CPS_GET, .path = "free", .more = {OPT(URI_HOST, "c.example")})));
    kit_free(kit);
}

static cps_err_t many_get(cps_request_t *request, void *user) { return cps_reply_text(request, CPS_CONTENT, user); }

static void thousands_of_resources_are_found(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    kit_t *kit = kit_new();
    char(*names)[8] = calloc(MANY, sizeof *names);
    const char *reason = NULL;
    assert_non_null(names);
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "r%d", i);
        kit_add(kit, CPS_RESOURCE(.path = names[i], .get = many_get, .user = names[i], .hidden = true));
    }
    for (int i = 0; i < MANY; i += 7)
        assert_text(names[i], kit_ask(kit, ASK(.code = CPS_GET, .path = names[i])));
    assert_err(CPS_ERR_EXISTS, cps_dispatch_add(&kit->d, CPS_RESOURCE(.path = "/r77"), &reason));
    kit_free(kit);
    free(names);
}

/* ---- bodies and formats ---- */

static void a_format_that_is_not_taken_gives_4_15(void **state)
{
    (void)state;
    kit_t *kit = kit_with_text();
    assert_code(CPS_UNSUPPORTED_CONTENT_FORMAT,
                kit_ask(kit, ASK(.code = CPS_PUT, .path = "text", .more = {OPT(CONTENT_FORMAT, "\x3c")},
                                 .payload = CPS_BYTES_LIT("x"))));
    assert_int_equal(kit->runs, 0);
    assert_code(CPS_CHANGED, kit_ask(kit, ASK(.code = CPS_PUT, .path = "text", .more = {OPT(CONTENT_FORMAT, "")},
                                              .payload = CPS_BYTES_LIT("x"))));
    assert_code(CPS_CHANGED, kit_ask(kit, ASK(.code = CPS_PUT, .path = "text", .payload = CPS_BYTES_LIT("x"))));
    assert_int_equal(kit->runs, 2);
    kit_free(kit);
}

static void what_cannot_be_accepted_gives_4_06(void **state)
{
    (void)state;
    kit_t *kit = kit_with_text();
    assert_code(CPS_NOT_ACCEPTABLE, kit_ask(kit, ASK(.code = CPS_GET, .path = "text", .more = {OPT(ACCEPT, "\x3c")})));
    assert_int_equal(kit->runs, 0);
    /* a resource that does not say what it offers: its answer says it */
    assert_code(CPS_NOT_ACCEPTABLE, kit_ask(kit, ASK(.code = CPS_GET, .path = "free", .more = {OPT(ACCEPT, "\x3c")})));
    assert_int_equal(kit->runs, 1);
    assert_code(CPS_CONTENT, kit_ask(kit, ASK(.code = CPS_GET, .path = "free", .more = {OPT(ACCEPT, "")})));
    assert_code(CPS_CONTENT, kit_ask(kit, ASK(.code = CPS_GET, .path = "text", .more = {OPT(ACCEPT, "")})));
    /* another error goes first */
    assert_code(CPS_NOT_FOUND, kit_ask(kit, ASK(.code = CPS_GET, .path = "none", .more = {OPT(ACCEPT, "\x3c")})));
    kit_free(kit);
}

static void a_body_too_large_gives_4_13_with_the_limit(void **state)
{
    (void)state;
    kit_t *kit = kit_with_text();
    uint8_t body[65] = {0};
    cps_msg_t msg = kit_ask(kit, ASK(.code = CPS_PUT, .path = "text", .payload = cps_bytes(body, 65)));
    assert_code(CPS_REQUEST_ENTITY_TOO_LARGE, msg);
    assert_true(msg_has(&msg, CPS_OPT_SIZE1, CPS_BYTES_LIT("\x40")));
    assert_int_equal(kit->runs, 0);
    assert_code(CPS_CHANGED, kit_ask(kit, ASK(.code = CPS_PUT, .path = "text", .payload = cps_bytes(body, 64))));
    kit_free(kit);
}

static cps_err_t see_formats(cps_request_t *request, void *user)
{
    int32_t *seen = user;
    seen[0] = cps_request_content_format(request);
    seen[1] = cps_request_accept(request);
    return cps_reply_text(request, CPS_CONTENT, "x");
}

static void no_format_is_not_format_zero(void **state)
{
    (void)state;
    int32_t seen[2] = {7, 7};
    kit_t *kit = kit_new();
    kit_add(kit, CPS_RESOURCE(.path = "f", .fetch = see_formats, .user = seen));
    cps_msg_t msg = kit_ask(kit, ASK(.code = CPS_FETCH, .path = "f"));
    assert_true(seen[0] == -1 && seen[1] == -1);
    assert_true(msg_has(&msg, CPS_OPT_CONTENT_FORMAT, NOTHING)); /* text/plain: an option of length 0 */
    kit_ask(kit, ASK(.code = CPS_FETCH, .path = "f", .more = {OPT(CONTENT_FORMAT, ""), OPT(ACCEPT, "")}));
    assert_true(seen[0] == 0 && seen[1] == 0);
    kit_ask(kit, ASK(.code = CPS_FETCH, .path = "f", .more = {OPT(CONTENT_FORMAT, "\x01\x02")}));
    assert_true(seen[0] == 258 && seen[1] == -1);
    kit_free(kit);
}

static void conditions_that_nobody_checks_are_refused(void **state)
{
    (void)state;
    kit_t *kit = kit_with_text();
    cps_msg_t msg = kit_ask(kit, ASK(.code = CPS_PUT, .path = "text", .more = {OPT(IF_MATCH, "x")}));
    assert_code(CPS_BAD_OPTION, msg);
    assert_text("option 1", msg);
    msg = kit_ask(kit, ASK(.code = CPS_PUT, .path = "text", .more = {OPT(IF_NONE_MATCH, "")}));
    assert_code(CPS_BAD_OPTION, msg);
    assert_text("option 5", msg);
    assert_int_equal(kit->runs, 0);
    kit_free(kit);
}

static const cps_case_t cases[] = {
    {"REQ-35", "a path that is not there gives 4.04 without payload", an_unknown_path_gives_4_04},
    {"REQ-28", "a method that is unknown or not offered gives 4.05", an_unknown_method_gives_4_05},
    {"REQ-79", "a rule meets the very options that find the resource",
     a_rule_meets_the_very_options_that_find_the_resource},
    {"", "dot segments are refused", dot_segments_are_refused},
    {"", "a Hop-Limit out of range gives 4.00", the_hop_limit_is_checked},
    {"REQ-39", "hosts have resources of their own, the address too", hosts_have_resources_of_their_own},
    {"", "thousands of resources are found", thousands_of_resources_are_found},
    {"REQ-37", "a Content-Format that is not taken gives 4.15", a_format_that_is_not_taken_gives_4_15},
    {"REQ-43", "an Accept that cannot be met gives 4.06", what_cannot_be_accepted_gives_4_06},
    {"REQ-36", "a body too large gives 4.13 with Size1", a_body_too_large_gives_4_13_with_the_limit},
    {"", "no Content-Format or Accept is not the number 0", no_format_is_not_format_zero},
    {"", "conditions that nobody checks are refused", conditions_that_nobody_checks_are_refused},
};

CPS_RUN("server_requests", cases)
