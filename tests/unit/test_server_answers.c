// SPDX-License-Identifier: Apache-2.0
/* What handlers see of a request, and what they answer, now or later. */
#include "server_kit.h"

#define NOTHING cps_bytes(NULL, 0)
#define OPT(number, text)                                                                                              \
    {                                                                                                                  \
        CPS_OPT_##number, CPS_BYTES_LIT(text)                                                                          \
    }

/* ---- ETags and conditions ---- */

typedef struct value {
    bool exists;
    uint8_t etag[8];
    unsigned changes;
    cps_dispatch_t *d;
} value_t;

static cps_err_t value_get(cps_request_t *request, void *user)
{
    value_t *v = user;
    cps_option_t etag = {CPS_OPT_ETAG, {v->etag, sizeof v->etag}};
    bool known = cps_request_has_etag(request, etag.value);
    return cps_reply_with(request, known ? CPS_VALID : CPS_CONTENT, &etag, 1, known ? NOTHING : CPS_BYTES_LIT("value"));
}

static cps_err_t value_put(cps_request_t *request, void *user)
{
    value_t *v = user;
    cps_err_t err = cps_request_check_conditions(request, v->exists, cps_bytes(v->etag, v->exists ? 8 : 0));
    if (err != CPS_OK)
        return err == CPS_ERR_FORBIDDEN ? CPS_OK : err;
    cps_code_t code = v->exists ? CPS_CHANGED : CPS_CREATED;
    v->exists = true;
    v->changes++;
    cps_dispatch_etag(v->d, v->etag);
    return cps_reply(request, code);
}

static kit_t *kit_with_value(value_t *v)
{
    kit_t *kit = kit_new();
    *v = (value_t){.d = &kit->d};
    kit_add(kit, CPS_RESOURCE(.path = "v", .get = value_get, .put = value_put, .user = v, .conditional = true));
    return kit;
}

static void put_creates_then_changes(void **state)
{
    (void)state;
    value_t v;
    kit_t *kit = kit_with_value(&v);
    assert_code(CPS_CREATED, kit_ask(kit, ASK(.code = CPS_PUT, .path = "v")));
    assert_code(CPS_CHANGED, kit_ask(kit, ASK(.code = CPS_PUT, .path = "v")));
    kit_free(kit);
}

static void if_match_names_what_is_there(void **state)
{
    (void)state;
    value_t v;
    kit_t *kit = kit_with_value(&v);
    assert_code(CPS_PRECONDITION_FAILED, kit_ask(kit, ASK(.code = CPS_PUT, .path = "v", .more = {OPT(IF_MATCH, "")})));
    assert_int_equal(v.changes, 0);
    kit_ask(kit, ASK(.code = CPS_PUT, .path = "v"));
    assert_code(CPS_CHANGED, kit_ask(kit, ASK(.code = CPS_PUT, .path = "v", .more = {OPT(IF_MATCH, "")})));
    assert_int_equal(v.changes, 2);
    cps_option_t right = {CPS_OPT_IF_MATCH, {v.etag, 8}};
    cps_option_t cut = {CPS_OPT_IF_MATCH, {v.etag, 7}};
    assert_code(CPS_PRECONDITION_FAILED,
                kit_ask(kit, ASK(.code = CPS_PUT, .path = "v", .more = {OPT(IF_MATCH, "wrong"), cut})));
    assert_int_equal(v.changes, 2);
    assert_code(CPS_CHANGED, kit_ask(kit, ASK(.code = CPS_PUT, .path = "v", .more = {OPT(IF_MATCH, "wrong"), right})));
    assert_int_equal(v.changes, 3);
    kit_free(kit);
}

static void if_none_match_wants_nothing_there(void **state)
{
    (void)state;
    value_t v;
    kit_t *kit = kit_with_value(&v);
    assert_code(CPS_CREATED, kit_ask(kit, ASK(.code = CPS_PUT, .path = "v", .more = {OPT(IF_NONE_MATCH, "")})));
    assert_code(CPS_PRECONDITION_FAILED,
                kit_ask(kit, ASK(.code = CPS_PUT, .path = "v", .more = {OPT(IF_NONE_MATCH, "")})));
    assert_int_equal(v.changes, 1);
    kit_free(kit);
}

static void one_of_many_etags_gives_2_03(void **state)
{
    (void)state;
    value_t v;
    kit_t *kit = kit_with_value(&v);
    kit_ask(kit, ASK(.code = CPS_PUT, .path = "v"));
    cps_option_t current = {CPS_OPT_ETAG, {v.etag, 8}};
    cps_msg_t msg =
        kit_ask(kit, ASK(.code = CPS_GET, .path = "v", .more = {OPT(ETAG, "one"), current, OPT(ETAG, "\1")}));
    assert_code(CPS_VALID, msg);
    assert_true(msg_has(&msg, CPS_OPT_ETAG, current.value));
    assert_int_equal(msg.payload.len, 0);
    assert_int_equal(cps_opt_count(msg.options, CPS_OPT_ETAG), 1);
    assert_code(CPS_CONTENT, kit_ask(kit, ASK(.code = CPS_GET, .path = "v", .more = {OPT(ETAG, "one")})));
    kit_free(kit);
}

static int compare_etags(const void *a, const void *b) { return memcmp(a, b, 8); }

static void etags_differ_over_time(void **state)
{
    (void)state;
    enum { CHANGES = 1000 };
    static uint8_t etags[2 * CHANGES][8];
    for (int life = 0; life < 2; life++) { /* a restart has others too */
        kit_t *kit = kit_new();
        for (int i = 0; i < CHANGES; i++)
            cps_dispatch_etag(&kit->d, etags[life * CHANGES + i]);
        kit_free(kit);
    }
    qsort(etags, 2 * CHANGES, sizeof etags[0], compare_etags);
    for (int i = 1; i < 2 * CHANGES; i++)
        assert_int_not_equal(memcmp(etags[i - 1], etags[i], sizeof etags[0]), 0);
}

/* ---- answers ---- */

static cps_err_t create(cps_request_t *request, void *user)
{
    (void)user;
    return cps_reply_created(request, "items/7 a");
}

static cps_err_t change(cps_request_t *request, void *user)
{
    (void)user;
    return cps_reply(request, CPS_CHANGED);
}

static cps_err_t delete (cps_request_t *request, void *user)
{
    (void)user;
    return cps_reply(request, CPS_DELETED);
}

static void post_says_what_it_did(void **state)
{
    (void)state;
    kit_t *kit = kit_new();
    kit_add(kit, CPS_RESOURCE(.path = "items", .post = create));
    kit_add(kit, CPS_RESOURCE(.path = "change", .post = change));
    kit_add(kit, CPS_RESOURCE(.path = "delete", .post = delete));
    cps_msg_t msg = kit_ask(kit, ASK(.code = CPS_POST, .path = "items"));
    uint8_t text[32];
    cps_writer_t w = cps_writer(text, sizeof text);
    assert_code(CPS_CREATED, msg);
    assert_ok(cps_uri_join_location(msg.options, &w));
    assert_bytes(CPS_BYTES_LIT("/items/7%20a"), cps_written(&w));
    assert_code(CPS_CHANGED, kit_ask(kit, ASK(.code = CPS_POST, .path = "change")));
    assert_code(CPS_DELETED, kit_ask(kit, ASK(.code = CPS_POST, .path = "delete")));
    kit_free(kit);
}

static cps_err_t wrong_answers(cps_request_t *request, void *user)
{
    (void)user;
    static const cps_option_t twice[] = {OPT(ETAG, "a"), OPT(ETAG, "b")};
    static const cps_option_t dots = OPT(LOCATION_PATH, "..");
    static const cps_option_t request_only = OPT(URI_PATH, "x");
    assert_err(CPS_ERR_BAD_OPTION, cps_reply_with(request, CPS_CONTENT, twice, 2, NOTHING));
    assert_err(CPS_ERR_BAD_OPTION, cps_reply_with(request, CPS_CREATED, &dots, 1, NOTHING));
    assert_err(CPS_ERR_BAD_OPTION, cps_reply_with(request, CPS_CONTENT, &request_only, 1, NOTHING));
    assert_err(CPS_ERR_BAD_OPTION, cps_reply_created(request, "a/./b"));
    assert_err(CPS_ERR_ARGUMENT, cps_reply(request, CPS_GET));
    assert_err(CPS_ERR_ARGUMENT, cps_reply_error(request, CPS_CONTENT, "x"));
    assert_err(CPS_ERR_ARGUMENT, cps_reply_text(request, CPS_VALID, "x"));
    static const uint8_t large[1100] = {0};
    assert_err(CPS_ERR_TOO_LARGE, cps_reply_with(request, CPS_NOT_FOUND, NULL, 0, cps_bytes(large, sizeof large)));
    assert_ok(cps_reply_text(request, CPS_CONTENT, "right"));
    assert_err(CPS_ERR_STALE, cps_reply(request, CPS_CONTENT));
    assert_err(CPS_ERR_STALE, cps_request_defer(request));
    return CPS_OK;
}

static void wrong_answers_are_not_sent(void **state)
{
    (void)state;
    kit_t *kit = kit_new();
    kit_add(kit, CPS_RESOURCE(.path = "w", .get = wrong_answers));
    assert_text("right", kit_ask(kit, ASK(.code = CPS_GET, .path = "w")));
    kit_free(kit);
}

static void a_response_has_one_etag_a_request_many(void **state)
{
    (void)state;
    value_t v;
    kit_t *kit = kit_with_value(&v);
    static const uint16_t etag_number = CPS_OPT_ETAG;
    static const cps_option_t etag = OPT(ETAG, "tag");
    cps_opt_set_t handled = cps_opt_set_of(&etag_number, 1);
    kit_add(kit, CPS_RESOURCE(.path = "w", .get = wrong_answers)); /* two are not sent */
    assert_code(CPS_CONTENT, kit_ask(kit, ASK(.code = CPS_GET, .path = "w")));
    /* of two that come the second counts as unrecognised, and is elective */
    assert_int_equal(cps_opt_judge(handled, CPS_CONTENT, &etag, 0), CPS_OPT_TAKE);
    assert_int_equal(cps_opt_judge(handled, CPS_CONTENT, &etag, 1), CPS_OPT_IGNORE);
    assert_int_equal(cps_opt_judge(handled, CPS_GET, &etag, 1), CPS_OPT_TAKE);
    kit_ask(kit, ASK(.code = CPS_PUT, .path = "v"));
    cps_option_t current = {CPS_OPT_ETAG, {v.etag, 8}};
    assert_code(CPS_VALID, kit_ask(kit, ASK(.code = CPS_GET, .path = "v", .more = {OPT(ETAG, "one"), current})));
    kit_free(kit);
}

static cps_err_t etag_one(cps_request_t *request, void *user)
{
    (void)user;
    cps_bytes_t etag = CPS_BYTES_LIT("\1");
    cps_err_t err = cps_request_check_conditions(request, true, etag);
    if (err != CPS_OK)
        return err == CPS_ERR_FORBIDDEN ? CPS_OK : err;
    cps_option_t option = {CPS_OPT_ETAG, etag};
    return cps_reply_with(request, cps_request_has_etag(request, etag) ? CPS_VALID : CPS_CONTENT, &option, 1, NOTHING);
}

static void etags_are_bytes_not_numbers(void **state)
{
    (void)state;
    kit_t *kit = kit_new();
    kit_add(kit, CPS_RESOURCE(.path = "e", .get = etag_one, .conditional = true));
    assert_code(CPS_VALID, kit_ask(kit, ASK(.code = CPS_GET, .path = "e", .more = {OPT(ETAG, "\1")})));
    assert_code(CPS_CONTENT, kit_ask(kit, ASK(.code = CPS_GET, .path = "e", .more = {OPT(ETAG, "\0\1")})));
    assert_code(CPS_CONTENT, kit_ask(kit, ASK(.code = CPS_GET, .path = "e", .more = {OPT(IF_MATCH, "\1")})));
    assert_code(CPS_PRECONDITION_FAILED,
                kit_ask(kit, ASK(.code = CPS_GET, .path = "e", .more = {OPT(IF_MATCH, "\0\1")})));
    kit_free(kit);
}

static cps_err_t silent(cps_request_t *request, void *user)
{
    (void)request;
    return *(cps_err_t *)user;
}

static void a_handler_without_an_answer_gives_5_00(void **state)
{
    (void)state;
    kit_t *kit = kit_new();
    cps_err_t err = CPS_OK;
    kit_add(kit, CPS_RESOURCE(.path = "s", .get = silent, .user = &err));
    assert_code(CPS_INTERNAL_SERVER_ERROR, kit_ask(kit, ASK(.code = CPS_GET, .path = "s")));
    err = CPS_ERR_IO;
    assert_code(CPS_INTERNAL_SERVER_ERROR, kit_ask(kit, ASK(.code = CPS_GET, .path = "s")));
    kit_free(kit);
}

static cps_err_t see_request(cps_request_t *request, void *user)
{
    char *seen = user;
    cps_addr_t peer = cps_request_peer(request);
    snprintf(seen, 128, "%u %s ? %s payload %zu peer %u.%u:%u %s", cps_request_method(request),
             cps_request_path(request), cps_request_query(request), cps_request_payload(request).len, peer.ip[0],
             peer.ip[3], peer.port, cps_request_credential(request) != NULL ? "sealed" : "plain");
    assert_true(cps_request_age_us(request) == CPS_AGE_UNKNOWN);
    assert_int_equal(cps_request_message(request)->code, cps_request_method(request));
    return cps_reply(request, CPS_CONTENT);
}

static void a_handler_sees_its_request(void **state)
{
    (void)state;
    char seen[128];
    kit_t *kit = kit_new();
    kit_add(kit, CPS_RESOURCE(.path = "a/b c", .get = see_request, .post = see_request, .user = seen));
    kit_ask(kit, ASK(.code = CPS_GET, .path = "a/b c", .payload = CPS_BYTES_LIT("ignored")));
    assert_string_equal(seen, "1 a/b%20c ?  payload 0 peer 127.1:40000 plain");
    kit_ask(kit, ASK(.code = CPS_POST, .path = "a/b c", .more = {OPT(URI_QUERY, "x=1"), OPT(URI_QUERY, "y?")},
                     .payload = CPS_BYTES_LIT("four")));
    assert_string_equal(seen, "2 a/b%20c ? x=1&y? payload 4 peer 127.1:40000 plain");
    kit_free(kit);
}

/* ---- later answers ---- */

static cps_err_t keep(cps_request_t *request, void *user)
{
    *(cps_request_t **)user = request;
    return cps_request_defer(request);
}

static void a_deferred_request_is_answered_later(void **state)
{
    (void)state;
    cps_request_t *kept = NULL;
    kit_t *kit = kit_new();
    kit_add(kit, CPS_RESOURCE(.path = "later", .post = keep, .user = &kept));
    kit_send(kit, ASK(.code = CPS_POST, .path = "later", .payload = CPS_BYTES_LIT("kept")));
    assert_int_equal(kit->rig->out_count, 0);
    rig_advance(kit->rig, 300000);
    assert_int_equal(rig_sent_msg(kit->rig, 0).code, CPS_EMPTY); /* the ACK goes first */
    kit_ask(kit, ASK(.code = CPS_GET, .path = "none"));          /* other requests come and go */
    rig_clear(kit->rig);
    assert_string_equal(cps_request_path(kept), "later");
    assert_true(cps_request_payload_is(kept, "kept"));
    assert_ok(cps_reply_text(kept, CPS_CHANGED, "done"));
    rig_run(kit->rig);
    cps_msg_t msg = rig_sent_msg(kit->rig, 0);
    assert_true(msg.type == CPS_CON && msg.code == CPS_CHANGED);
    assert_text("done", msg);
    assert_int_equal(kit->d.deferred, 0);
    kit_free(kit);
}

static void deferred_requests_have_a_limit(void **state)
{
    (void)state;
    cps_request_t *kept[5] = {NULL};
    kit_t *kit = kit_new(); /* has room for four */
    kit_add(kit, CPS_RESOURCE(.path = "later", .post = keep, .user = &kept[4]));
    for (int i = 0; i < 4; i++) {
        kit_send(kit, ASK(.code = CPS_POST, .path = "later"));
        kept[i] = kept[4];
    }
    assert_code(CPS_SERVICE_UNAVAILABLE, kit_ask(kit, ASK(.code = CPS_POST, .path = "later")));
    assert_ok(cps_reply(kept[1], CPS_CHANGED));
    kit_send(kit, ASK(.code = CPS_POST, .path = "later"));
    assert_int_equal(kit->d.deferred, 4);
    assert_ptr_equal(kept[4], kept[1]); /* its place is free again */
    rig_clear(kit->rig);
    cps_dispatch_close(&kit->d);
    rig_run(kit->rig);
    assert_int_equal(kit->d.deferred, 0);
    assert_int_equal(kit->rig->out_count, 4);
    assert_code(CPS_SERVICE_UNAVAILABLE, rig_sent_msg(kit->rig, 3));
    assert_code(CPS_SERVICE_UNAVAILABLE, kit_ask(kit, ASK(.code = CPS_POST, .path = "later")));
    kit_free(kit);
}

static void a_request_whose_exchange_is_over_is_stale(void **state)
{
    (void)state;
    cps_request_t *kept = NULL;
    kit_t *kit = kit_new();
    kit_add(kit, CPS_RESOURCE(.path = "later", .post = keep, .user = &kept));
    kit_send(kit, ASK(.code = CPS_POST, .path = "later"));
    rig_advance(kit->rig, 300000000); /* beyond EXCHANGE_LIFETIME */
    assert_err(CPS_ERR_STALE, cps_reply(kept, CPS_CHANGED));
    assert_int_equal(kit->d.deferred, 0);
    kit_free(kit);
}

static void an_answer_waits_for_a_full_output(void **state)
{
    (void)state;
    cps_request_t *kept = NULL;
    kit_t *kit = kit_new();
    kit_add(kit, CPS_RESOURCE(.path = "later", .post = keep, .user = &kept));
    kit_send(kit, ASK(.code = CPS_POST, .path = "later"));
    static const cps_option_t options[] = {OPT(ETAG, "tag"), OPT(CONTENT_FORMAT, "")};
    kit->fail_next = CPS_ERR_BUSY;
    assert_ok(cps_reply_with(kept, CPS_CONTENT, options, 2, CPS_BYTES_LIT("kept answer")));
    assert_int_equal(kit->later, 1);
    assert_int_equal(kit->d.deferred, 0);
    kit->fail_next = CPS_ERR_BUSY;
    assert_false(cps_dispatch_retry(&kit->d));
    assert_true(cps_dispatch_retry(&kit->d));
    rig_run(kit->rig);
    assert_int_equal(kit->rig->out_count, 1);
    cps_msg_t msg = rig_sent_msg(kit->rig, 0);
    assert_text("kept answer", msg);
    assert_true(msg_has(&msg, CPS_OPT_ETAG, CPS_BYTES_LIT("tag")));
    assert_true(msg_has(&msg, CPS_OPT_CONTENT_FORMAT, NOTHING));
    kit_free(kit);
}

static const cps_case_t cases[] = {
    {"", "PUT creates, then changes", put_creates_then_changes},
    {"REQ-52", "If-Match names what is there", if_match_names_what_is_there},
    {"REQ-53", "If-None-Match wants nothing there", if_none_match_wants_nothing_there},
    {"REQ-48", "one of many ETags gives 2.03 with that one", one_of_many_etags_gives_2_03},
    {"REQ-46", "ETags differ over time and over a restart", etags_differ_over_time},
    {"REQ-31", "POST says what it did", post_says_what_it_did},
    {"", "wrong answers are not sent", wrong_answers_are_not_sent},
    {"REQ-47", "a response has one ETag, a request many", a_response_has_one_etag_a_request_many},
    {"", "ETags are bytes, not numbers", etags_are_bytes_not_numbers},
    {"", "a handler without an answer gives 5.00", a_handler_without_an_answer_gives_5_00},
    {"", "a handler sees its request", a_handler_sees_its_request},
    {"", "a deferred request is answered later", a_deferred_request_is_answered_later},
    {"", "deferred requests have a limit", deferred_requests_have_a_limit},
    {"", "a request whose exchange is over is stale", a_request_whose_exchange_is_over_is_stale},
    {"", "an answer waits for a full output", an_answer_waits_for_a_full_output},
};

CPS_RUN("server_answers", cases)
