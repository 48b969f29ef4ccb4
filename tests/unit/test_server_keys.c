// SPDX-License-Identifier: Apache-2.0
/* A server with a keyring on disk: its credentials, what it does after a crash, what a clean exit leaves. */
#include "server_wire.h"

typedef struct app {
    unsigned runs;
    char credential[64];
} app_t;

static cps_err_t hello(cps_request_t *request, void *user)
{
    app_t *app = user;
    const char *name = cps_request_credential(request);
    app->runs++;
    snprintf(app->credential, sizeof app->credential, "%s", name != NULL ? name : "-");
    return cps_reply_text(request, cps_request_method(request) == CPS_GET ? CPS_CONTENT : CPS_CHANGED, "hello");
}

static void add(wire_t *wire, app_t *app)
{
    assert_ok(cps_server_add(wire->server, CPS_RESOURCE(.path = "act", .get = hello, .put = hello, .user = app,
                                                        .policy = {.sealed = true, .allow = "*: get put"})));
}

static void more_contexts(cps_ep_config_t *config) { config->contexts = 256; }

static void each_of_many_credentials_has_its_own_rights(void **state)
{
    (void)state;
    enum { MANY = 200, CHOSEN = 137 };
    state_box_t box = state_make();
    wire_t wire;
    app_t app = {0};
    static cps_handle_t contexts[MANY];
    state_fill(&box, MANY, false);
    wire_open(&wire, CPS_SERVER_OPTIONS(.state = box.path));
    rig_t *client = rig_new(1, more_contexts);
    assert_ok(cps_server_add(wire.server, CPS_RESOURCE(.path = "one", .get = hello, .put = hello, .user = &app,
                                                       .policy = {.sealed = true, .allow = "phone137: get"})));
    assert_ok(cps_server_add(wire.server, CPS_RESOURCE(.path = "two", .get = hello, .put = hello, .user = &app,
                                                       .policy = {.sealed = true})));
    for (unsigned n = 0; n < MANY; n++) {
        contexts[n] = state_client(client, n);
        uint8_t wanted = n == CHOSEN ? CPS_CONTENT : CPS_FORBIDDEN;
        assert_int_equal(wire_seal(&wire, client, contexts[n], CPS_GET, "one"), wanted);
        assert_int_equal(wire_seal(&wire, client, contexts[n], CPS_GET, "two"), CPS_FORBIDDEN);
        assert_int_equal(wire_seal(&wire, client, contexts[n], CPS_PUT, "two"), CPS_FORBIDDEN);
    }
    assert_int_equal(app.runs, 1);
    assert_string_equal(app.credential, "phone137");
    assert_int_equal(wire_seal(&wire, client, contexts[CHOSEN], CPS_PUT, "one"), CPS_FORBIDDEN);
    assert_int_equal(app.runs, 1);
    rig_free(client);
    wire_close(&wire);
    state_drop(&box);
}

static void only_named_credentials_are_served(void **state)
{
    (void)state;
    state_box_t box = state_make();
    wire_t wire;
    app_t app = {0};
    cps_server_t *none;
    state_fill(&box, 3, false);
    wire_open(&wire, CPS_SERVER_OPTIONS(.state = box.path, .contexts = "phone0 phone2"));
    rig_t *client = rig_new(1, NULL);
    add(&wire, &app);
    assert_int_equal(wire_seal(&wire, client, state_client(client, 0), CPS_GET, "act"), CPS_CONTENT);
    assert_int_equal(wire_seal(&wire, client, state_client(client, 2), CPS_GET, "act"), CPS_CONTENT);
    assert_non_null(strstr(wire.log, "info listening"));
    rig_free(client);
    wire_close(&wire);
    assert_err(CPS_ERR_NOT_FOUND,
               cps_server_new(&none, CPS_SERVER_OPTIONS(.listen = "coap://127.0.0.1:0", .state = box.path,
                                                        .contexts = "tablet", .quiet = true)));
    assert_non_null(strstr(cps_server_detail(NULL), "tablet"));
    state_drop(&box);
}

static void a_planned_restart_needs_no_echo(void **state)
{
    (void)state;
    state_box_t box = state_make();
    app_t app = {0};
    state_fill(&box, 1, false);
    rig_t *client = rig_new(1, NULL);
    cps_handle_t context = state_client(client, 0);
    for (unsigned life = 1; life <= 3; life++) {
        wire_t wire;
        wire_open(&wire, CPS_SERVER_OPTIONS(.state = box.path));
        add(&wire, &app);
        assert_int_equal(wire_seal(&wire, client, context, CPS_PUT, "act"), CPS_CHANGED);
        assert_false(client->last.u.response.repeated);
        assert_int_equal(app.runs, life);
        wire_close(&wire);
        assert_non_null(strstr(wire.log, "info stopped state=saved"));
    }
    rig_free(client);
    state_drop(&box);
}

static void a_lost_window_is_recovered_by_echo(void **state)
{
    (void)state;
    state_box_t box = state_make();
    wire_t wire;
    app_t app = {0};
    state_fill(&box, 1, true);
    rig_t *client = rig_new(1, NULL);
    cps_handle_t context = state_client(client, 0);
    wire_open(&wire, CPS_SERVER_OPTIONS(.state = box.path));
    add(&wire, &app);
    assert_int_equal(wire_seal(&wire, client, context, CPS_PUT, "act"), CPS_CHANGED);
    assert_true(client->last.u.response.repeated);
    assert_int_equal(app.runs, 1);
    assert_non_null(strstr(wire.log, "info challenged peer=127.0.0.1:"));
    assert_non_null(strstr(wire.log, "credential=phone0"));
    assert_non_null(strstr(wire.log, "info recovered "));
    assert_int_equal(wire_seal(&wire, client, context, CPS_PUT, "act"), CPS_CHANGED);
    assert_false(client->last.u.response.repeated);
    wire_close(&wire);
    rig_free(client);
    state_drop(&box);
}

static void a_request_sent_again_is_not_run_again(void **state)
{
    (void)state;
    state_box_t box = state_make();
    wire_t wire;
    app_t app = {0};
    uint8_t first[1500];
    state_fill(&box, 1, false);
    rig_t *client = rig_new(1, NULL);
    cps_handle_t context = state_client(client, 0);
    wire_open(&wire, CPS_SERVER_OPTIONS(.state = box.path));
    add(&wire, &app);
    assert_int_equal(wire_seal(&wire, client, context, CPS_PUT, "act"), CPS_CHANGED);
    size_t len = strlen(wire.log);
    cps_bytes_t request = rig_sent(client, 0);
    memcpy(first, wire.answer, sizeof first);
    assert_true(send(wire.fd, request.ptr, request.len, 0) > 0);
    cps_msg_t again = wire_next(&wire); /* from the same address: the same answer */
    assert_int_equal(memcmp(first, wire.answer, (size_t)(again.payload.ptr + again.payload.len - wire.answer)), 0);
    close(wire.fd);
    wire.fd = wire_connect(wire.server, 0);
    assert_true(send(wire.fd, request.ptr, request.len, 0) > 0);
    assert_int_equal(wire_next(&wire).code, CPS_UNAUTHORIZED); /* from another one: a replay */
    assert_non_null(strstr(wire.log + len, "info replay "));
    assert_int_equal(app.runs, 1);
    wire_close(&wire);
    rig_free(client);
    state_drop(&box);
}

static void what_stays_of_a_failed_start_is_nothing(void **state)
{
    (void)state;
    state_box_t box = state_make();
    wire_t wire;
    app_t app = {0};
    cps_server_t *none;
    state_fill(&box, 1, false);
    rig_t *client = rig_new(1, NULL);
    assert_err(CPS_ERR_CONFIG, cps_server_new(&none, CPS_SERVER_OPTIONS(.listen = "coap://127.0.0.1:0 x", .quiet = true,
                                                                        .state = box.path)));
    wire_open(&wire, CPS_SERVER_OPTIONS(.state = box.path));
    add(&wire, &app);
    assert_int_equal(wire_seal(&wire, client, state_client(client, 0), CPS_PUT, "act"), CPS_CHANGED);
    assert_false(client->last.u.response.repeated); /* no lock, no window lost */
    wire_close(&wire);
    rig_free(client);
    state_drop(&box);
}

static const cps_case_t cases[] = {
    {"OPS-16", "each of 200 credentials has its own rights, and nobody is the default",
     each_of_many_credentials_has_its_own_rights},
    {"", "only named credentials are served", only_named_credentials_are_served},
    {"", "a planned restart needs no Echo", a_planned_restart_needs_no_echo},
    {"", "a lost window is recovered by Echo", a_lost_window_is_recovered_by_echo},
    {"", "a request sent again is not run again", a_request_sent_again_is_not_run_again},
    {"", "what stays of a failed start is nothing", what_stays_of_a_failed_start_is_nothing},
};

CPS_RUN("server_keys", cases)
