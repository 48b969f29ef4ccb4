// SPDX-License-Identifier: Apache-2.0
/* The blocking client against endpoints on other threads: unprotected requests, and what a response tells. */
#include "far.h"

#include "host/inside.h"
#include "wire/opttab.h"

#include <coapsule/client.h>

#include <stdio.h>
#include <time.h>

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

static void four_methods(void **state)
{
    (void)state;
    far_t *far = far_start(&(far_script_t){0});
    cps_client_t *client = new_client();
    cps_response_t *response = NULL;
    far_seen_t seen;
    assert_ok(cps_client_get(client, uri_of(far, "/a"), &response));
    assert_int_equal(cps_response_code(response), CPS_CONTENT);
    assert_bytes(CPS_BYTES_LIT("hello"), cps_response_payload(response));
    assert_true(!cps_response_sealed(response) && cps_response_credential(response) == NULL);
    assert_int_equal(cps_response_peer(response).port, far_port(far));
    assert_true(cps_response_round_trip_us(response) < 20000000);
    assert_int_equal(cps_response_max_age(response), 60);
    cps_response_free(response);
    assert_ok(cps_client_put(client, uri_of(far, "/a"), "unlocked", &response));
    assert_int_equal(far_requests(far, &seen), 2);
    cps_bytes_t format;
    assert_true(seen.code == CPS_PUT &&
                cps_opt_find(cps_bytes(seen.options, seen.options_len), CPS_OPT_CONTENT_FORMAT, &format));
    assert_bytes(CPS_BYTES_LIT("unlocked"), cps_bytes(seen.payload, seen.payload_len));
    cps_response_free(response);
    assert_ok(cps_client_post(client, uri_of(far, "/a"), "x", &response));
    cps_response_free(response);
    assert_ok(cps_client_delete(client, uri_of(far, "/a"), &response));
    cps_response_free(response);
    assert_int_equal(far_requests(far, &seen), 4);
    assert_int_equal(seen.code, CPS_DELETE);
    cps_client_free(client);
    far_stop(far);
}

/* A response with that code, options and payload. Free it. */
static cps_response_t *answered(uint8_t code, const cps_option_t *options, size_t count, const char *payload)
{
    far_t *far =
        far_start(&(far_script_t){.code = code, .options = options, .option_count = count, .payload = payload});
    cps_client_t *client = new_client();
    cps_response_t *response = NULL;
    assert_ok(cps_client_get(client, uri_of(far, "/a?q=1"), &response));
    cps_client_free(client);
    far_stop(far);
    return response; /* outlives its client */
}

static void unknown_codes_read_as_their_class(void **state)
{
    (void)state;
    static const struct {
        uint8_t code;
        uint8_t meaning;
        const char *text;
    } rows[] = {{CPS_CODE(4, 30), CPS_BAD_REQUEST, "Bad Request"},
                {CPS_CODE(5, 31), CPS_INTERNAL_SERVER_ERROR, "Internal Server Error"},
                {CPS_CODE(2, 30), CPS_CODE(2, 0), "Success"},
                {CPS_CODE(4, 4), CPS_NOT_FOUND, "Not Found"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cps_response_t *response = answered(rows[i].code, NULL, 0, NULL);
        assert_int_equal(cps_response_code(response), rows[i].code);
        assert_int_equal(cps_response_meaning(response), rows[i].meaning);
        assert_string_equal(cps_code_text(rows[i].code), rows[i].text);
        cps_response_free(response);
    }
}

static void diagnostics_and_representations_are_told_apart(void **state)
{
    (void)state;
    cps_response_t *response = answered(CPS_NOT_FOUND, NULL, 0, "no such door");
    assert_string_equal(cps_response_diagnostic(response), "no such door");
    cps_response_free(response);
    const cps_option_t format = {CPS_OPT_CONTENT_FORMAT, CPS_BYTES_LIT("\x01\x01")}; /* 257 */
    response = answered(CPS_NOT_FOUND, &format, 1, "\xa1");
    assert_null(cps_response_diagnostic(response));
    assert_bytes(CPS_BYTES_LIT("\xa1"), cps_response_payload(response));
    cps_response_free(response);
    response = answered(CPS_CONTENT, NULL, 0, "no error");
    assert_null(cps_response_diagnostic(response));
    cps_response_free(response);
    /* no UTF-8, an escape, a text, U+00E9, a change of direction, a C1 control */
    static const char nasty[] = {'\xff', '\x1b', '[',    'r',    'e',    'd',    '\xc3',
                                 '\xa9', '\xe2', '\x80', '\xae', '\xc2', '\x9b', 0};
    response = answered(CPS_NOT_FOUND, NULL, 0, nasty);
    assert_string_equal(cps_response_diagnostic(response), "??[red\xc3\xa9??");
    cps_response_free(response);
}

static void not_implemented_is_an_unsupported_method(void **state)
{
    (void)state;
    static const uint8_t codes[] = {CPS_NOT_IMPLEMENTED, CPS_METHOD_NOT_ALLOWED, CPS_NOT_FOUND};
    for (size_t i = 0; i < sizeof codes; i++) {
        cps_response_t *response = answered(codes[i], NULL, 0, NULL);
        assert_int_equal(cps_response_method_unsupported(response), i < 2);
        cps_response_free(response);
    }
}

static void a_location_is_resolved(void **state)
{
    (void)state;
    const char *location = NULL;
    char want[128];
    const cps_option_t options[] = {{CPS_OPT_LOCATION_PATH, CPS_BYTES_LIT("a")},
                                    {CPS_OPT_LOCATION_PATH, CPS_BYTES_LIT("b c")},
                                    {CPS_OPT_LOCATION_PATH, CPS_BYTES_LIT("")},
                                    {CPS_OPT_LOCATION_QUERY, CPS_BYTES_LIT("x=1")}};
    cps_response_t *response = answered(CPS_CREATED, options, 4, NULL);
    assert_ok(cps_response_location(response, &location));
    snprintf(want, sizeof want, "coap://127.0.0.1:%u/a/b%%20c/?x=1", cps_response_peer(response).port);
    assert_string_equal(location, want);
    cps_response_free(response);
    response = answered(CPS_CREATED, options + 3, 1, NULL);
    assert_ok(cps_response_location(response, &location));
    assert_string_equal(strchr(location + 7, '/'), "/?x=1"); /* a query alone: the path is "/" */
    cps_response_free(response);
    response = answered(CPS_CREATED, NULL, 0, NULL);
    assert_err(CPS_ERR_NOT_FOUND, cps_response_location(response, &location));
    cps_response_free(response);
}

static void an_unknown_location_is_refused(void **state)
{
    (void)state;
    const char *location = NULL;
    static const uint16_t reserved[] = {128, 132, 136, 140};
    for (size_t i = 0; i < 4; i++) {
        const cps_option_t options[] = {{CPS_OPT_LOCATION_PATH, CPS_BYTES_LIT("a")}, {reserved[i], CPS_BYTES_LIT("x")}};
        cps_response_t *response = answered(CPS_CREATED, options, 2, NULL);
        assert_err(CPS_ERR_BAD_OPTION, cps_response_location(response, &location));
        assert_null(location);
        cps_response_free(response);
    }
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000U + (uint64_t)now.tv_nsec / 1000000U;
}

/* The next try leaves when the time is over, not before; what would take too long is not tried at all. */
static void a_pause_is_kept(void **state)
{
    (void)state;
    const cps_option_t one = {CPS_OPT_MAX_AGE, CPS_BYTES_LIT("\x01")};
    far_t *far =
        far_start(&(far_script_t){.code = CPS_SERVICE_UNAVAILABLE, .options = &one, .option_count = 1, .answers = 1});
    cps_client_t *client = new_client();
    cps_response_t *response = NULL;
    assert_ok(cps_client_get(client, uri_of(far, "/a"), &response));
    uint64_t then = now_ms();
    assert_int_equal(cps_response_retry_after(response), 1);
    cps_response_free(response);
    assert_ok(cps_client_get(client, uri_of(far, "/b"), &response));
    assert_true(now_ms() - then >= 999);
    assert_int_equal(cps_response_code(response), CPS_CONTENT);
    cps_response_free(response);
    assert_ok(cps_client_get(client, uri_of(far, "/b"), &response)); /* the pause is over for good */
    cps_response_free(response);
    far_stop(far);
    const cps_option_t long_time = {CPS_OPT_MAX_AGE, CPS_BYTES_LIT("\x0a")};
    far = far_start(&(far_script_t){.code = CPS_SERVICE_UNAVAILABLE, .options = &long_time, .option_count = 1});
    cps_client_free(client);
    assert_ok(cps_client_new(&client, CPS_CLIENT_OPTIONS(.timeout_ms = 9000)));
    assert_ok(cps_client_get(client, uri_of(far, "/a"), &response));
    cps_response_free(response);
    assert_err(CPS_ERR_BUSY, cps_client_get(client, uri_of(far, "/a"), &response));
    assert_non_null(strstr(cps_client_detail(client), "before 10 s"));
    assert_int_equal(far_requests(far, NULL), 1);
    cps_client_free(client);
    far_stop(far);
}

/* What came unprotected, or without Max-Age, asks for no pause (Max-Age's default is about freshness). */
static void no_pause_without_max_age(void **state)
{
    (void)state;
    far_t *far = far_start(&(far_script_t){.code = CPS_SERVICE_UNAVAILABLE});
    cps_client_t *client = new_client();
    cps_response_t *response = NULL;
    for (int i = 0; i < 2; i++) {
        assert_ok(cps_client_get(client, uri_of(far, "/a"), &response));
        assert_int_equal(cps_response_retry_after(response), 0);
        cps_response_free(response);
    }
    cps_client_free(client);
    far_stop(far);
}

static void silence(far_t *far, const cps_event_t *event)
{
    far_submit(far, &(cps_command_t){.kind = CPS_COMMAND_IGNORE, .u.handle = event->handle});
}

static void silence_ends_at_the_deadline(void **state)
{
    (void)state;
    far_t *far = far_start(&(far_script_t){.on_request = silence});
    cps_client_t *client = NULL;
    cps_response_t *response = NULL;
    assert_ok(cps_client_new(&client, CPS_CLIENT_OPTIONS(.timeout_ms = 300)));
    uint64_t then = now_ms();
    assert_err(CPS_ERR_TIMEOUT, cps_client_put(client, uri_of(far, "/a"), "x", &response));
    assert_true(now_ms() - then >= 299 && now_ms() - then < 5000);
    assert_null(response);
    assert_non_null(strstr(cps_client_detail(client), "may have been carried out"));
    cps_client_free(client);
    far_stop(far);
}

static void a_closed_port_is_named(void **state)
{
    (void)state;
    far_t *far = far_start(&(far_script_t){0});
    char uri[256];
    snprintf(uri, sizeof uri, "%s", uri_of(far, "/a"));
    far_stop(far);
    cps_client_t *client = new_client();
    cps_response_t *response = NULL;
    assert_err(CPS_ERR_UNREACHABLE, cps_client_get(client, uri, &response));
    assert_non_null(strstr(cps_client_detail(client), "cannot be reached"));
    cps_client_free(client);
}

static void through_a_proxy(void **state)
{
    (void)state;
    far_t *far = far_start(&(far_script_t){.layers = cps_layers_proxy()});
    char proxy[64];
    snprintf(proxy, sizeof proxy, "coap://127.0.0.1:%u", far_port(far));
    for (int by_uri = 0; by_uri < 2; by_uri++) {
        cps_client_t *client = NULL;
        cps_response_t *response = NULL;
        far_seen_t seen;
        cps_bytes_t value;
        assert_ok(cps_client_new(
            &client, CPS_CLIENT_OPTIONS(.proxy = by_uri ? NULL : proxy, .proxy_uri = by_uri ? proxy : NULL)));
        assert_ok(cps_client_get(client, "coap://door.local/lock", &response));
        cps_response_free(response);
        far_requests(far, &seen);
        cps_bytes_t options = cps_bytes(seen.options, seen.options_len);
        assert_int_equal(cps_opt_find(options, CPS_OPT_PROXY_URI, &value), by_uri);
        assert_int_equal(cps_opt_find(options, CPS_OPT_PROXY_SCHEME, &value), !by_uri);
        assert_int_equal(cps_opt_find(options, CPS_OPT_URI_HOST, &value), !by_uri);
        assert_int_equal(cps_opt_find(options, CPS_OPT_URI_PATH, &value), !by_uri);
        cps_client_free(client);
    }
    far_stop(far);
}

static void blocking_calls_inside_a_handler_are_refused(void **state)
{
    (void)state;
    cps_client_t *client = new_client();
    cps_client_t *other = NULL;
    cps_response_t *response = NULL;
    cps_inside_enter();
    assert_err(CPS_ERR_CALLED_INSIDE, cps_client_get(client, "coap://127.0.0.1/a", &response));
    assert_err(CPS_ERR_CALLED_INSIDE, cps_client_new(&other, CPS_CLIENT_OPTIONS(.plain = true)));
    cps_inside_leave();
    cps_client_free(client);
}

static void contradictions_are_refused(void **state)
{
    (void)state;
    cps_client_t *client = NULL;
    cps_response_t *response = NULL;
    assert_err(CPS_ERR_CONFIG,
               cps_client_new(&client, CPS_CLIENT_OPTIONS(.proxy = "coap://a", .proxy_uri = "coap://b")));
    assert_non_null(strstr(cps_client_detail(NULL), "proxy"));
    assert_err(CPS_ERR_CONFIG, cps_client_new(&client, CPS_CLIENT_OPTIONS(.plain = true, .sealed = true)));
    assert_err(CPS_ERR_CONFIG, cps_client_new(&client, CPS_CLIENT_OPTIONS(.credential = "phone")));
    assert_null(client);
    client = new_client();
    assert_err(CPS_ERR_ARGUMENT, cps_client_request(client,
                                                    CPS_CLIENT_REQUEST(.method = CPS_GET, .uri = "coap://127.0.0.1/a",
                                                                       .payload = CPS_BYTES_LIT("x")),
                                                    &response));
    assert_non_null(strstr(cps_client_detail(client), "GET"));
    cps_client_free(client);
}

/* As the documentation has it, word for word. */
static void the_example_of_the_documentation(void **state)
{
    (void)state;
    cps_client_t *client;
    cps_response_t *response;
    cps_err_t err = cps_client_new(&client, CPS_CLIENT_OPTIONS(.state = "phone.db"));
    if (err == CPS_OK)
        err = cps_client_put(client, "coap://door.local/lock", "unlocked", &response);
    assert_err(CPS_ERR_STATE_LOST, err); /* nobody has made phone.db */
    cps_client_free(client);
}

static const cps_case_t cases[] = {
    {"", "four methods", four_methods},
    {"REQ-3", "unknown codes read as their class", unknown_codes_read_as_their_class},
    {"REQ-17", "diagnostic texts and representations are told apart", diagnostics_and_representations_are_told_apart},
    {"REQ-29", "5.01 is reported as an unsupported method", not_implemented_is_an_unsupported_method},
    {"REQ-49", "a location is resolved against the request", a_location_is_resolved},
    {"REQ-50", "a location with a reserved option beside it is refused", an_unknown_location_is_refused},
    {"REQ-38", "the pause of a 5.03 is kept", a_pause_is_kept},
    {"", "a 5.03 without Max-Age asks for no pause", no_pause_without_max_age},
    {"", "silence ends at the deadline", silence_ends_at_the_deadline},
    {"", "a closed port is named", a_closed_port_is_named},
    {"", "through a proxy, in both forms", through_a_proxy},
    {"", "blocking calls inside a handler are refused", blocking_calls_inside_a_handler_are_refused},
    {"", "contradictions are refused", contradictions_are_refused},
    {"", "the example of the documentation compiles", the_example_of_the_documentation},
};

CPS_RUN("client", cases)
