// SPDX-License-Identifier: Apache-2.0
/* The public interface of a server, over real sockets. */
#include "server_wire.h"

#include <pthread.h>
#include <signal.h>

typedef struct app {
    cps_server_t *server;
    unsigned runs;
    cps_request_t *kept;
    cps_err_t inside[2];
} app_t;

static cps_err_t hello(cps_request_t *request, void *user)
{
    ((app_t *)user)->runs++;
    return cps_reply_text(request, CPS_CONTENT, "hello");
}

/* ---- serving ---- */

static void a_caller_drives_the_server_by_its_own_loop(void **state)
{
    (void)state;
    wire_t wire;
    app_t app = {0};
    wire_open(&wire, CPS_SERVER_OPTIONS(.log_level = "debug"));
    assert_ok(cps_server_add(wire.server, CPS_RESOURCE(.path = "hello", .get = hello, .user = &app)));
    cps_msg_t msg = wire_ask(&wire, CPS_GET, "hello");
    assert_true(msg.type == CPS_ACK && msg.code == CPS_CONTENT);
    assert_bytes(CPS_BYTES_LIT("hello"), msg.payload);
    assert_int_equal(wire_ask(&wire, CPS_GET, "none").code, CPS_NOT_FOUND);
    assert_int_equal(app.runs, 1);
    cps_ep_stats_t stats;
    cps_server_stats(wire.server, &stats);
    assert_true(stats.datagrams_in == 2 && stats.requests_in == 0);
    assert_non_null(strstr(wire.log, " info listening at=127.0.0.1:"));
    assert_non_null(strstr(wire.log, " debug answered peer=127.0.0.1:"));
    assert_non_null(strstr(wire.log, "method=GET path=/hello code=2.05"));
    assert_non_null(strstr(wire.log, "info refused peer=127.0.0.1:"));
    assert_non_null(strstr(wire.log, "path=/none code=4.04 reason=\"no such resource\""));
    wire_close(&wire);
    assert_non_null(strstr(wire.log, "info stopped state=none"));
}

static void several_addresses_are_served(void **state)
{
    (void)state;
    wire_t wire;
    app_t app = {0};
    wire_open(&wire, CPS_SERVER_OPTIONS(.listen = " coap://127.0.0.1:0/ coap://[::1]:0  coap://127.0.0.3:0 "));
    assert_ok(cps_server_add(wire.server, CPS_RESOURCE(.path = "hello", .get = hello, .user = &app)));
    assert_null(cps_server_address(wire.server, 3));
    assert_non_null(strstr(cps_server_address(wire.server, 1), "[::1]:"));
    for (size_t i = 0; i < 3; i++) {
        close(wire.fd);
        wire.fd = wire_connect(wire.server, i);
        assert_int_equal(wire_ask(&wire, CPS_GET, "hello").code, CPS_CONTENT);
    }
    assert_int_equal(app.runs, 3);
    wire_close(&wire);
}

static void an_address_in_use_is_named(void **state)
{
    (void)state;
    wire_t wire;
    cps_server_t *second;
    char listen[128];
    wire_open(&wire, CPS_SERVER_OPTIONS(.quiet = true));
    snprintf(listen, sizeof listen, "coap://127.0.0.3:0 coap://%s", cps_server_address(wire.server, 0));
    assert_err(CPS_ERR_ADDRESS_IN_USE, cps_server_new(&second, CPS_SERVER_OPTIONS(.listen = listen, .quiet = true)));
    assert_null(second);
    assert_non_null(strstr(cps_server_detail(NULL), cps_server_address(wire.server, 0)));
    wire_close(&wire);
}

static void options_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const char *const lists[] = {"coaps://127.0.0.1", "coap://localhost", "127.0.0.1:5683", "coap://", "",
                                        "coap:///"};
    cps_server_t *server;
    cps_server_options_t empty = {0};
    assert_err(CPS_ERR_ARGUMENT, cps_server_new(&server, &empty));
    assert_err(CPS_ERR_ARGUMENT, cps_server_new(&server, NULL));
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        assert_err(CPS_ERR_CONFIG, cps_server_new(&server, CPS_SERVER_OPTIONS(.listen = lists[i], .quiet = true)));
    assert_err(CPS_ERR_CONFIG, cps_server_new(&server, CPS_SERVER_OPTIONS(.log_level = "loud")));
    assert_non_null(strstr(cps_server_detail(NULL), "loud"));
    assert_err(CPS_ERR_CONFIG, cps_server_new(&server, CPS_SERVER_OPTIONS(.listen = "coap://127.0.0.1:0", .quiet = true,
                                                                          .endpoint = {.message_max = 10})));
    assert_err(CPS_ERR_NOT_FOUND, cps_server_new(&server, CPS_SERVER_OPTIONS(.listen = "coap://127.0.0.1:0",
                                                                             .quiet = true, .state = "/tmp/none.db")));
    assert_non_null(strstr(cps_server_detail(NULL), "/tmp/none.db"));
    assert_null(server);
}

static void resources_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    wire_t wire;
    app_t app = {0};
    cps_resource_t sizeless = {.path = "x"};
    wire_open(&wire, CPS_SERVER_OPTIONS(.quiet = true));
    assert_err(CPS_ERR_ARGUMENT, cps_server_add(wire.server, &sizeless));
    assert_err(CPS_ERR_ARGUMENT, cps_server_add(wire.server, CPS_RESOURCE(.get = hello)));
    assert_err(CPS_ERR_CONFIG, cps_server_add(wire.server, CPS_RESOURCE(.path = "x", .policy = {.fresh_ms = 1})));
    assert_non_null(strstr(cps_server_detail(wire.server), "resource x: fresh needs sealed"));
    assert_ok(cps_server_add(wire.server, CPS_RESOURCE(.path = "x", .get = hello, .user = &app)));
    assert_err(CPS_ERR_EXISTS, cps_server_add(wire.server, CPS_RESOURCE(.path = "/x", .get = hello)));
    wire_close(&wire);
}

static cps_err_t call_inside(cps_request_t *request, void *user)
{
    app_t *app = user;
    app->inside[0] = cps_server_run(app->server);
    app->inside[1] = cps_server_step(app->server);
    cps_server_free(app->server); /* does nothing here */
    return cps_reply(request, CPS_CHANGED);
}

static void blocking_calls_are_refused_inside_a_handler(void **state)
{
    (void)state;
    wire_t wire;
    wire_open(&wire, CPS_SERVER_OPTIONS(.quiet = true));
    app_t app = {.server = wire.server};
    assert_ok(cps_server_add(wire.server, CPS_RESOURCE(.path = "in", .post = call_inside, .user = &app)));
    assert_int_equal(wire_ask(&wire, CPS_POST, "in").code, CPS_CHANGED);
    assert_err(CPS_ERR_CALLED_INSIDE, app.inside[0]);
    assert_err(CPS_ERR_CALLED_INSIDE, app.inside[1]);
    wire_close(&wire);
}

/* ---- running and ending ---- */

static void *ask_and_stop(void *user)
{
    wire_t *wire = user;
    uint8_t answer[128];
    struct timeval deadline = {.tv_sec = 5};
    setsockopt(wire->fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    wire_send(wire, CPS_GET, "hello");
    ssize_t len = recv(wire->fd, answer, sizeof answer, 0);
    cps_server_stop(wire->server);
    return len > 0 ? wire : NULL;
}

static void a_server_runs_until_it_is_stopped(void **state)
{
    (void)state;
    wire_t wire;
    app_t app = {0};
    pthread_t thread;
    wire_open(&wire, CPS_SERVER_OPTIONS(.quiet = true));
    assert_ok(cps_server_add(wire.server, CPS_RESOURCE(.path = "hello", .get = hello, .user = &app)));
    for (unsigned i = 1; i <= 2; i++) { /* and again */
        void *answered = NULL;
        assert_int_equal(pthread_create(&thread, NULL, ask_and_stop, &wire), 0);
        assert_ok(cps_server_run(wire.server));
        assert_int_equal(pthread_join(thread, &answered), 0);
        assert_non_null(answered);
        assert_int_equal(app.runs, i);
    }
    cps_server_stop(wire.server); /* before it runs: the next run ends at once */
    assert_ok(cps_server_run(wire.server));
    wire_close(&wire);
}

static cps_err_t raise_term(cps_request_t *request, void *user)
{
    (void)user;
    (void)raise(SIGTERM);
    return cps_reply(request, CPS_CHANGED);
}

static void signals_end_a_run_where_that_is_wished(void **state)
{
    (void)state;
    wire_t wire;
    uint8_t answer[64];
    wire_open(&wire, CPS_SERVER_OPTIONS(.quiet = true, .signals = true));
    assert_ok(cps_server_add(wire.server, CPS_RESOURCE(.path = "term", .post = raise_term)));
    wire_send(&wire, CPS_POST, "term");
    assert_ok(cps_server_run(wire.server));
    assert_true(recv(wire.fd, answer, sizeof answer, 0) > 0);
    wire_close(&wire);
}

static cps_err_t keep(cps_request_t *request, void *user)
{
    ((app_t *)user)->kept = request;
    return cps_request_defer(request);
}

static void what_is_open_is_answered_at_the_end(void **state)
{
    (void)state;
    wire_t wire;
    app_t app = {0};
    wire_open(&wire, CPS_SERVER_OPTIONS(.quiet = true));
    assert_ok(cps_server_add(wire.server, CPS_RESOURCE(.path = "later", .post = keep, .user = &app)));
    wire_send(&wire, CPS_POST, "later");
    while (app.kept == NULL)
        assert_ok(cps_server_step(wire.server));
    cps_server_free(wire.server);
    uint8_t answer[64];
    cps_msg_t msg;
    ssize_t len = recv(wire.fd, answer, sizeof answer, MSG_DONTWAIT);
    assert_true(len > 0);
    assert_ok(cps_msg_parse(cps_bytes(answer, (size_t)len), &msg));
    assert_int_equal(msg.code, CPS_SERVICE_UNAVAILABLE);
    close(wire.fd);
}

static void many_deferred_requests_are_answered_at_once(void **state)
{
    (void)state;
    enum { MANY = 150 }; /* more than the output holds */
    wire_t wire;
    app_t app = {0};
    cps_request_t *kept[MANY];
    wire_open(&wire, CPS_SERVER_OPTIONS(.quiet = true));
    assert_ok(cps_server_add(wire.server, CPS_RESOURCE(.path = "later", .post = keep, .user = &app)));
    for (int i = 0; i < MANY; i++) {
        app.kept = NULL;
        wire_send(&wire, CPS_POST, "later");
        while (app.kept == NULL)
            assert_ok(cps_server_step(wire.server));
        kept[i] = app.kept;
    }
    for (int i = 0; i < MANY; i++)
        assert_ok(cps_reply_text(kept[i], CPS_CHANGED, "done"));
    for (int i = 0; i < MANY; i++)
        assert_int_equal(wire_next(&wire).code, CPS_CHANGED);
    wire_close(&wire);
}

static void lines_that_peers_cause_have_a_limit(void **state)
{
    (void)state;
    wire_t wire;
    unsigned lines = 0;
    wire_open(&wire, CPS_SERVER_OPTIONS(.log_level = "info"));
    for (int i = 0; i < 130; i++) /* faster than a second or not: far fewer lines than requests */
        (void)wire_ask(&wire, CPS_GET, "none");
    for (const char *at = wire.log; (at = strstr(at, "info refused")) != NULL; at++)
        lines++;
    assert_true(lines >= 20 && lines < 120);
    wire_close(&wire);
    assert_non_null(strstr(wire.log, "suppressed=")); /* what was left out is counted */
}

static const cps_case_t cases[] = {
    {"", "a caller drives the server by its own loop", a_caller_drives_the_server_by_its_own_loop},
    {"", "several addresses are served", several_addresses_are_served},
    {"", "an address in use is named", an_address_in_use_is_named},
    {"", "options that make no sense are refused", options_that_make_no_sense_are_refused},
    {"", "resources that make no sense are refused", resources_that_make_no_sense_are_refused},
    {"", "blocking calls are refused inside a handler", blocking_calls_are_refused_inside_a_handler},
    {"", "a server runs until it is stopped", a_server_runs_until_it_is_stopped},
    {"", "signals end a run where that is wished", signals_end_a_run_where_that_is_wished},
    {"", "what is open is answered at the end", what_is_open_is_answered_at_the_end},
    {"", "many deferred requests are answered at once", many_deferred_requests_are_answered_at_once},
    {"", "lines that peers cause have a limit", lines_that_peers_cause_have_a_limit},
};

CPS_RUN("server", cases)
