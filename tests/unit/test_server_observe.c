// SPDX-License-Identifier: Apache-2.0
/* Observable resources (RFC 7641): which handlers answer to observers, and when. */
#include "server_kit.h"

typedef struct shelf {
    kit_t *kit;
    char text[32];
    cps_code_t code;
    cps_request_t *held;
    bool defers;
    unsigned reads;
    uint32_t queries; /* of the request, as the handler saw it last */
} shelf_t;

static cps_err_t shelf_get(cps_request_t *request, void *user)
{
    shelf_t *shelf = user;
    shelf->reads++;
    shelf->queries = (uint32_t)strlen(cps_request_query(request));
    if (shelf->defers) {
        shelf->held = request;
        return cps_request_defer(request);
    }
    return cps_reply_text(request, shelf->code, shelf->text);
}

static cps_err_t shelf_put(cps_request_t *request, void *user)
{
    shelf_t *shelf = user;
    snprintf(shelf->text, sizeof shelf->text, "%.*s", (int)cps_request_payload(request).len,
             (const char *)cps_request_payload(request).ptr);
    return cps_reply(request, CPS_CHANGED);
}

static kit_t *with_shelf(shelf_t *shelf)
{
    kit_t *kit = kit_new();
    *shelf = (shelf_t){.kit = kit, .text = "empty", .code = CPS_CONTENT};
    kit_add(kit, CPS_RESOURCE(.path = "shelf", .get = shelf_get, .put = shelf_put, .user = shelf, .observable = true));
    kit_add(kit, CPS_RESOURCE(.path = "still", .get = shelf_get, .user = shelf));
    return kit;
}

static bool observes(const cps_msg_t *msg)
{
    cps_bytes_t value;
    return cps_opt_find(msg->options, CPS_OPT_OBSERVE, &value);
}

static cps_msg_t watch(kit_t *kit, const char *path)
{
    return kit_ask(kit, ASK(.code = CPS_GET, .path = path,
                            .more = {{CPS_OPT_OBSERVE, {NULL, 0}}, {CPS_OPT_URI_QUERY, CPS_BYTES_LIT("full")}}));
}

static void ack(kit_t *kit)
{
    uint8_t bytes[4];
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_write_empty(&w, CPS_ACK, rig_sent_msg(kit->rig, kit->rig->out_count - 1).mid);
    rig_in(kit->rig, KIT_CLIENT, 40000, cps_written(&w));
}

static void changed(kit_t *kit)
{
    rig_clear(kit->rig);
    assert_ok(cps_dispatch_changed(&kit->d, "shelf"));
    rig_run(kit->rig);
}

static uint32_t observers(const kit_t *kit)
{
    cps_ep_stats_t stats;
    cps_ep_stats(kit->rig->ep, &stats);
    return stats.observers;
}

static void the_handler_answers_to_the_request_again(void **state)
{
    (void)state;
    shelf_t shelf;
    kit_t *kit = with_shelf(&shelf);
    cps_msg_t msg = watch(kit, "shelf");
    assert_true(observes(&msg));
    assert_text("empty", msg);
    snprintf(shelf.text, sizeof shelf.text, "book");
    shelf.queries = 0;
    changed(kit);
    msg = rig_sent_msg(kit->rig, 0);
    assert_true(observes(&msg));
    assert_bytes(CPS_BYTES_LIT("tok"), msg.token);
    assert_text("book", msg);
    assert_int_equal(shelf.queries, 4); /* it sees the query of the registration */
    kit_free(kit);
}

static void a_put_tells_observers_by_itself(void **state)
{
    (void)state;
    shelf_t shelf;
    kit_t *kit = with_shelf(&shelf);
    watch(kit, "shelf");
    kit_send(kit, ASK(.code = CPS_PUT, .path = "shelf", .payload = CPS_BYTES_LIT("lamp")));
    assert_int_equal(kit->rig->out_count, 2);
    assert_code(CPS_CHANGED, rig_sent_msg(kit->rig, 0));
    assert_text("lamp", rig_sent_msg(kit->rig, 1));
    ack(kit);
    assert_int_equal(shelf.reads, 2);
    kit_free(kit);
}

static void what_is_not_observable_is_read(void **state)
{
    (void)state;
    shelf_t shelf;
    kit_t *kit = with_shelf(&shelf);
    cps_msg_t msg = watch(kit, "still");
    assert_false(observes(&msg));
    assert_text("empty", msg);
    assert_int_equal(observers(kit), 0);
    assert_err(CPS_ERR_UNSUPPORTED, cps_dispatch_changed(&kit->d, "still"));
    assert_err(CPS_ERR_NOT_FOUND, cps_dispatch_changed(&kit->d, "nowhere"));
    kit_free(kit);
}

static void when_the_read_fails_it_is_over(void **state)
{
    (void)state;
    shelf_t shelf;
    kit_t *kit = with_shelf(&shelf);
    watch(kit, "shelf");
    shelf.code = CPS_NOT_FOUND;
    changed(kit);
    assert_int_equal(kit->rig->out_count, 1);
    assert_code(CPS_NOT_FOUND, rig_sent_msg(kit->rig, 0));
    assert_int_equal(observers(kit), 0);
    ack(kit);
    changed(kit);
    assert_int_equal(kit->rig->out_count, 0);
    kit_free(kit);
}

static void a_handler_may_answer_later(void **state)
{
    (void)state;
    shelf_t shelf;
    kit_t *kit = with_shelf(&shelf);
    watch(kit, "shelf");
    shelf.defers = true;
    changed(kit);
    assert_int_equal(kit->rig->out_count, 0);
    assert_ok(cps_reply_text(shelf.held, CPS_CONTENT, "late"));
    rig_run(kit->rig);
    assert_text("late", rig_sent_msg(kit->rig, 0));
    ack(kit);
    changed(kit);
    cps_request_t *late = shelf.held;
    shelf.defers = false;
    kit_send(kit, ASK(.code = CPS_GET, .path = "still", .more = {{CPS_OPT_OBSERVE, CPS_BYTES_LIT("\1")}}));
    assert_int_equal(observers(kit), 0); /* ended while its state was being read */
    assert_err(CPS_ERR_STALE, cps_reply_text(late, CPS_CONTENT, "too late"));
    kit_free(kit);
}

static void with_all_requests_in_use_it_waits(void **state)
{
    (void)state;
    shelf_t shelf;
    cps_request_t *held[4];
    kit_t *kit = with_shelf(&shelf);
    watch(kit, "shelf");
    shelf.defers = true;
    for (int i = 0; i < 4; i++) {
        kit_send(kit, ASK(.code = CPS_GET, .path = "still"));
        held[i] = shelf.held;
    }
    shelf.defers = false;
    changed(kit);
    assert_int_equal(kit->rig->out_count, 0);
    assert_int_equal(kit->later, 1);
    assert_false(cps_dispatch_retry(&kit->d));
    assert_ok(cps_reply_text(held[0], CPS_CONTENT, "done"));
    rig_run(kit->rig);
    rig_clear(kit->rig);
    assert_true(cps_dispatch_retry(&kit->d));
    rig_run(kit->rig);
    assert_text("empty", rig_sent_msg(kit->rig, 0));
    for (int i = 1; i < 4; i++)
        assert_ok(cps_reply_text(held[i], CPS_CONTENT, "done"));
    kit_free(kit);
}

static void a_server_that_ends_says_so(void **state)
{
    (void)state;
    shelf_t shelf;
    kit_t *kit = with_shelf(&shelf);
    watch(kit, "shelf");
    rig_clear(kit->rig);
    cps_dispatch_close(&kit->d);
    rig_run(kit->rig);
    assert_code(CPS_SERVICE_UNAVAILABLE, rig_sent_msg(kit->rig, 0));
    assert_int_equal(observers(kit), 0);
    kit_free(kit);
}

static void replace(kit_t *kit, const cps_resource_t *resource)
{
    cps_site_t next;
    const char *reason = NULL;
    rig_clear(kit->rig);
    assert_ok(cps_dispatch_prepare(&kit->d, &next));
    assert_ok(cps_site_add(&next, resource, &reason));
    cps_dispatch_replace(&kit->d, &next);
    rig_run(kit->rig);
}

static void other_resources_mean_other_rights(void **state)
{
    (void)state;
    shelf_t shelf;
    kit_t *kit = with_shelf(&shelf);
    watch(kit, "shelf");
    snprintf(shelf.text, sizeof shelf.text, "book");
    replace(kit, CPS_RESOURCE(.path = "shelf", .get = shelf_get, .user = &shelf, .observable = true));
    assert_text("book", rig_sent_msg(kit->rig, 0)); /* it is the same resource still */
    ack(kit);
    replace(kit, CPS_RESOURCE(.path = "shelf", .get = shelf_get, .user = &shelf, .observable = true,
                              .policy = {.sealed = true, .allow = "*: get"}));
    assert_code(CPS_UNAUTHORIZED, rig_sent_msg(kit->rig, 0));
    assert_int_equal(rig_sent_msg(kit->rig, 0).payload.len, 0);
    assert_int_equal(observers(kit), 0);
    kit_free(kit);
    kit = with_shelf(&shelf);
    watch(kit, "shelf");
    replace(kit, CPS_RESOURCE(.path = "other", .get = shelf_get, .user = &shelf));
    assert_code(CPS_NOT_FOUND, rig_sent_msg(kit->rig, 0));
    assert_int_equal(observers(kit), 0);
    kit_free(kit);
}

static void it_is_listed_as_observable(void **state)
{
    (void)state;
    shelf_t shelf;
    kit_t *kit = with_shelf(&shelf);
    cps_msg_t msg = kit_ask(kit, ASK(.code = CPS_GET, .path = ".well-known/core"));
    assert_text("</shelf>;obs,</still>", msg);
    kit_free(kit);
}

static const cps_case_t cases[] = {
    {"", "the handler answers to the request again", the_handler_answers_to_the_request_again},
    {"", "a PUT tells observers by itself", a_put_tells_observers_by_itself},
    {"", "what is not observable is read", what_is_not_observable_is_read},
    {"", "when the read fails it is over", when_the_read_fails_it_is_over},
    {"", "a handler may answer later", a_handler_may_answer_later},
    {"", "with all requests in use it waits", with_all_requests_in_use_it_waits},
    {"", "a server that ends says so", a_server_that_ends_says_so},
    {"", "other resources mean other rights", other_resources_mean_other_rights},
    {"", "it is listed as observable", it_is_listed_as_observable},
};

CPS_RUN("server_observe", cases)
