// SPDX-License-Identifier: Apache-2.0
/* Observations of the blocking client against an endpoint on another thread. */
#include "far.h"

#include "wire/opttab.h"

#include <coapsule/client.h>

#include <stdio.h>

static const char *uri_of(const far_t *far, const char *path)
{
    static char uri[256];
    snprintf(uri, sizeof uri, "coap://127.0.0.1:%u%s", far_port(far), path);
    return uri;
}

static cps_client_t *new_client(void)
{
    cps_client_t *client = NULL;
    assert_ok(cps_client_new(&client, CPS_CLIENT_OPTIONS(.timeout_ms = 20000)));
    return client;
}

static void agree(far_t *far, const cps_event_t *event)
{
    cps_command_t command = {
        .kind = CPS_COMMAND_REPLY,
        .u.reply = {.request = event->handle, .code = CPS_CONTENT, .payload = CPS_BYTES_LIT("on"), .observe = true}};
    far_submit(far, &command);
}

static uint32_t observe_of(const far_seen_t *seen)
{
    cps_bytes_t value;
    uint32_t number = 9;
    assert_true(cps_opt_find(cps_bytes(seen->options, seen->options_len), CPS_OPT_OBSERVE, &value));
    assert_ok(cps_opt_uint(value, &number));
    return number;
}

static void two_of_one_target_share_a_registration(void **state)
{
    (void)state;
    far_t *far = far_start(&(far_script_t){.on_request = agree});
    cps_client_t *client = new_client();
    cps_response_t *response = NULL;
    cps_observation_t *first = NULL;
    cps_observation_t *second = NULL;
    far_seen_t seen;
    cps_client_request_t request = {.size = sizeof request, .uri = uri_of(far, "/a")};
    assert_ok(cps_client_observe(client, &request, &response, &first));
    assert_non_null(first);
    cps_response_free(response);
    assert_int_equal(far_requests(far, &seen), 1);
    assert_int_equal(observe_of(&seen), 0);
    assert_ok(cps_client_observe(client, &request, &response, &second));
    assert_bytes(CPS_BYTES_LIT("on"), cps_response_payload(response)); /* the newest state, without asking */
    cps_response_free(response);
    assert_int_equal(far_requests(far, &seen), 1);
    assert_true(cps_observation_is_current(first) && cps_observation_is_current(second));
    assert_ok(cps_observation_end(first));
    assert_int_equal(far_requests(far, &seen), 1);
    assert_ok(cps_observation_end(second));
    assert_int_equal(far_requests(far, &seen), 2);
    assert_int_equal(observe_of(&seen), 1);
    request.uri = uri_of(far, "/b"); /* another target is another registration */
    assert_ok(cps_client_observe(client, &request, &response, &first));
    cps_response_free(response);
    assert_int_equal(far_requests(far, &seen), 3);
    cps_client_free(client); /* with what it observes */
    far_stop(far);
}

static void a_server_may_not_agree(void **state)
{
    (void)state;
    far_t *far = far_start(&(far_script_t){0});
    cps_client_t *client = new_client();
    cps_response_t *response = NULL;
    cps_observation_t *observation = NULL;
    cps_client_request_t request = {.size = sizeof request, .uri = uri_of(far, "/a")};
    assert_ok(cps_client_observe(client, &request, &response, &observation));
    assert_null(observation);
    assert_bytes(CPS_BYTES_LIT("hello"), cps_response_payload(response));
    cps_response_free(response);
    request.method = CPS_PUT;
    assert_err(CPS_ERR_ARGUMENT, cps_client_observe(client, &request, &response, &observation));
    assert_null(response);
    assert_ok(cps_observation_end(NULL));
    cps_client_free(client);
    far_stop(far);
}

static void waiting_ends_in_time(void **state)
{
    (void)state;
    far_t *far = far_start(&(far_script_t){.on_request = agree});
    cps_client_t *client = new_client();
    cps_response_t *response = NULL;
    cps_observation_t *observation = NULL;
    cps_client_request_t request = {.size = sizeof request, .uri = uri_of(far, "/a")};
    assert_ok(cps_client_observe(client, &request, &response, &observation));
    cps_response_free(response);
    assert_err(CPS_ERR_TIMEOUT, cps_observation_next(observation, 30, &response));
    assert_null(response);
    far_seen_t seen;
    assert_ok(cps_client_get(client, request.uri, &response)); /* other requests of the client go on beside it */
    cps_response_free(response);
    assert_int_equal(far_requests(far, &seen), 2);
    assert_ok(cps_observation_end(observation));
    cps_client_free(client);
    far_stop(far);
}

static const cps_case_t cases[] = {
    {"OBS-4", "two of one target share a registration", two_of_one_target_share_a_registration},
    {"", "a server may not agree", a_server_may_not_agree},
    {"", "waiting ends in time", waiting_ends_in_time},
};

CPS_RUN("client_observe", cases)
