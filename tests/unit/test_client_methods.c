// SPDX-License-Identifier: Apache-2.0
/* The blocking client: the methods of RFC 8132, and ping. */
#include "far.h"

#include "wire/opttab.h"

#include <coapsule/client.h>

#include <stdio.h>
#include <time.h>

typedef struct pair {
    far_t *far;
    cps_client_t *client;
    char uri[64];
} pair_t;

static void begin(pair_t *p)
{
    p->far = far_start(&(far_script_t){0});
    assert_ok(cps_client_new(&p->client, CPS_CLIENT_OPTIONS(.timeout_ms = 20000)));
    snprintf(p->uri, sizeof p->uri, "coap://127.0.0.1:%u/a", far_port(p->far));
}

static void end(pair_t *p)
{
    cps_client_free(p->client);
    far_stop(p->far);
}

static void each_needs_a_format(void **state)
{
    (void)state;
    typedef cps_err_t (*call_t)(cps_client_t *, const char *, uint16_t, cps_bytes_t, cps_response_t **);
    static const struct {
        call_t call;
        cps_code_t method;
    } rows[] = {{cps_client_fetch, CPS_FETCH}, {cps_client_patch, CPS_PATCH}, {cps_client_ipatch, CPS_IPATCH}};
    pair_t p;
    far_seen_t seen;
    begin(&p);
    for (unsigned i = 0; i < 3; i++) {
        cps_response_t *response = NULL;
        cps_bytes_t format;
        uint32_t number = 0;
        assert_ok(rows[i].call(p.client, p.uri, 321, CPS_BYTES_LIT("body"), &response));
        cps_response_free(response);
        assert_int_equal(far_requests(p.far, &seen), i + 1);
        assert_int_equal(seen.code, rows[i].method);
        assert_bytes(CPS_BYTES_LIT("body"), cps_bytes(seen.payload, seen.payload_len));
        assert_true(cps_opt_find(cps_bytes(seen.options, seen.options_len), CPS_OPT_CONTENT_FORMAT, &format));
        assert_true(cps_opt_uint(format, &number) == CPS_OK && number == 321);
        response = NULL;
        assert_int_equal(cps_client_request(p.client, /* RFC 8132 §2.3.1 */
                                            CPS_CLIENT_REQUEST(.method = rows[i].method, .uri = p.uri,
                                                               .payload = CPS_BYTES_LIT("body")),
                                            &response),
                         CPS_ERR_ARGUMENT);
        assert_null(response);
        assert_non_null(strstr(cps_client_detail(p.client), "Content-Format"));
        assert_int_equal(far_requests(p.far, &seen), i + 1);
    }
    end(&p);
}

static void ping_is_answered_by_a_reset(void **state)
{
    (void)state;
    pair_t p;
    far_seen_t seen;
    uint64_t us = UINT64_MAX;
    begin(&p);
    assert_ok(cps_client_ping(p.client, p.uri, &us));
    assert_true(us < 20000000);
    assert_ok(cps_client_ping(p.client, p.uri, NULL));
    assert_int_equal(far_requests(p.far, &seen), 0); /* no request ever came up */
    far_stop(p.far);
    assert_int_equal(cps_client_ping(p.client, p.uri, &us), CPS_ERR_UNREACHABLE);
    assert_non_null(strstr(cps_client_detail(p.client), "cannot be reached"));
    assert_int_equal(cps_client_ping(p.client, "coap://224.0.1.187", &us), CPS_ERR_UNSUPPORTED);
    assert_int_equal(cps_client_ping(p.client, "no uri", &us), CPS_ERR_BAD_URI);
    cps_client_free(p.client);
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000U + (uint64_t)now.tv_nsec / 1000000U;
}

static void too_many_requests_are_paused(void **state)
{
    (void)state;
    static const struct {
        cps_option_t max_age;
        const char *before; /* NULL: short enough to be waited for */
    } rows[] = {{{CPS_OPT_MAX_AGE, {(const uint8_t *)"\x01", 1}}, NULL},
                {{CPS_OPT_MAX_AGE, {(const uint8_t *)"\x0a", 1}}, "before 10 s"},
                {{0, {NULL, 0}}, "before 60 s"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        far_t *far = far_start(&(far_script_t){.code = CPS_TOO_MANY_REQUESTS,
                                               .options = &rows[i].max_age,
                                               .option_count = rows[i].max_age.number != 0 ? 1 : 0,
                                               .answers = 1});
        cps_client_t *client = NULL;
        cps_response_t *response = NULL;
        char uri[64];
        snprintf(uri, sizeof uri, "coap://127.0.0.1:%u/a", far_port(far));
        assert_ok(cps_client_new(&client, CPS_CLIENT_OPTIONS(.timeout_ms = 9000)));
        assert_ok(cps_client_get(client, uri, &response));
        uint64_t then = now_ms();
        assert_int_equal(cps_response_code(response), CPS_TOO_MANY_REQUESTS);
        cps_response_free(response);
        cps_err_t err = cps_client_get(client, uri, &response);
        assert_int_equal(err, rows[i].before == NULL ? CPS_OK : CPS_ERR_BUSY);
        if (err == CPS_OK)
            assert_true(now_ms() - then >= 999);
        else
            assert_non_null(strstr(cps_client_detail(client), rows[i].before));
        assert_int_equal(far_requests(far, NULL), err == CPS_OK ? 2 : 1);
        cps_response_free(response);
        cps_client_free(client);
        far_stop(far);
    }
}

static void no_response_is_waited_for(void **state)
{
    (void)state;
    static const uint8_t all = 26;
    const cps_option_t option = {CPS_OPT_NO_RESPONSE, {&all, 1}};
    pair_t p;
    far_seen_t seen;
    begin(&p);
    for (unsigned i = 0; i < 4; i++) {
        cps_response_t *response = NULL;
        assert_ok(cps_client_request(p.client,
                                     CPS_CLIENT_REQUEST(.method = CPS_PUT, .uri = p.uri, .options = &option,
                                                        .option_count = 1, .non_confirmable = i % 2 != 0),
                                     &response));
        assert_null(response);
    }
    cps_response_t *response = NULL; /* what asked for no answer does not hold up what does */
    assert_ok(cps_client_get(p.client, p.uri, &response));
    cps_response_free(response);
    assert_int_equal(far_requests(p.far, &seen), 5);
    end(&p);
}

static const cps_case_t cases[] = {
    {"ETC-2", "FETCH, PATCH and iPATCH go with their Content-Format, and not at all without", each_needs_a_format},
    {"TMR-2 TMR-3", "after 4.29 nothing is asked before Max-Age has passed", too_many_requests_are_paused},
    {"", "with No-Response nothing is waited for", no_response_is_waited_for},
    {"", "a ping ends with the Reset that answers it", ping_is_answered_by_a_reset},
};

CPS_RUN("client_methods", cases)
