// SPDX-License-Identifier: Apache-2.0
/* What the headers allow from several threads, from sixteen at once: each its own client, the calls marked "any thread",
 * and the one server that any of them may stop. `make check` runs this under ThreadSanitizer as well. */
#include "harness.h"

#include <coapsule/coapsule.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define THREADS  16
#define REQUESTS 5

typedef struct site {
    cps_server_t *server;
    char uri[96];
    atomic_uint runs;
    atomic_uint wrong; /* calls that gave something else than they should */
    cps_err_t inside;  /* what a blocking call gave inside the handler */
    cps_err_t served;  /* what cps_server_run gave */
} site_t;

/* A handler runs on the server's thread; a blocking call there would wait for itself. */
static cps_err_t hello(cps_request_t *request, void *user)
{
    site_t *site = user;
    cps_client_t *client = NULL;
    atomic_fetch_add(&site->runs, 1);
    site->inside = cps_client_new(&client, CPS_CLIENT_OPTIONS(.plain = true));
    return cps_reply_text(request, CPS_CONTENT, "hello");
}

static void *serve(void *user)
{
    site_t *site = user;
    site->served = cps_server_run(site->server);
    return NULL;
}

static unsigned any_thread_calls(void)
{
    unsigned wrong = 0;
    cps_transmission_t params = {0};
    cps_transmission_times_t times;
    cps_ep_config_t config = {.size = sizeof config, .peers = 16, .dedup_bytes = 65536};
    wrong += cps_transmission_derive(&params, &times) != CPS_OK;
    wrong += cps_ep_size(&config) == 0;
    wrong += cps_layers_full() == NULL || cps_layers_proxy() == NULL;
    for (unsigned i = 0; i < CPS_ERR_COUNT; i++) {
        cps_err_t err = (cps_err_t)i;
        wrong += cps_err_text(err) == NULL || cps_err_name(err) == NULL || cps_err_exit(err) < 0;
        (void)cps_err_reaction(err);
        (void)cps_err_code(err);
        (void)cps_err_diagnostic(err);
    }
    for (unsigned i = 0; i < CPS_NOTE_COUNT; i++)
        wrong += cps_note_name((cps_note_kind_t)i) == NULL;
    for (unsigned i = 0; i < 256; i++)
        wrong += cps_code_text((uint8_t)i) == NULL;
    return wrong;
}

/* A client of this thread's own; counts what went wrong. */
static void *ask(void *user)
{
    site_t *site = user;
    cps_client_t *client = NULL;
    unsigned wrong = any_thread_calls();
    cps_client_t *none = NULL;
    wrong += cps_client_new(&none, CPS_CLIENT_OPTIONS(.state = "/nowhere/at.db")) == CPS_OK;
    wrong += strstr(cps_client_detail(NULL), "/nowhere/at.db") == NULL; /* this thread's */
    wrong += cps_client_new(&client, CPS_CLIENT_OPTIONS(.timeout_ms = 30000)) != CPS_OK;
    for (unsigned i = 0; i < REQUESTS && client != NULL; i++) {
        cps_response_t *response = NULL;
        wrong += cps_client_get(client, site->uri, &response) != CPS_OK;
        wrong += response == NULL || cps_response_payload(response).len != 5;
        cps_response_free(response);
    }
    cps_client_free(client);
    atomic_fetch_add(&site->wrong, wrong);
    return NULL;
}

static void *stop(void *user)
{
    cps_server_stop(((site_t *)user)->server);
    return NULL;
}

static unsigned run_all(void *(*fn)(void *), site_t *site)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fn, site), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    return atomic_load(&site->wrong);
}

static void sixteen_threads_as_the_headers_allow(void **state)
{
    (void)state;
    static site_t site;
    pthread_t server;
    assert_ok(cps_server_new(&site.server, CPS_SERVER_OPTIONS(.listen = "coap://127.0.0.1:0", .quiet = true)));
    assert_ok(cps_server_add(site.server, CPS_RESOURCE(.path = "a", .get = hello, .user = &site)));
    snprintf(site.uri, sizeof site.uri, "coap://%s/a", cps_server_address(site.server, 0));
    assert_int_equal(pthread_create(&server, NULL, serve, &site), 0); /* it is this thread's from here on */
    assert_int_equal(run_all(ask, &site), 0);
    assert_int_equal(run_all(stop, &site), 0);
    assert_int_equal(pthread_join(server, NULL), 0);
    assert_int_equal(site.served, CPS_OK);
    assert_int_equal(atomic_load(&site.runs), THREADS * REQUESTS);
    assert_int_equal(site.inside, CPS_ERR_CALLED_INSIDE);
    cps_server_free(site.server);
}

static const cps_case_t cases[] = {
    {"OPS-48", "sixteen threads use the library as its headers allow", sixteen_threads_as_the_headers_allow},
};

CPS_RUN("threads", cases)
