// SPDX-License-Identifier: Apache-2.0
/* The blocking client with a keyring: what is sealed, what a clean exit keeps, and how a sealed request ends. */
#include "far.h"

#include "crypto/provider.h"
#include "sec/oscore/ctx.h"
#include "store/store.h"
#include "wire/opttab.h"
#include "wire/oscopt.h"

#include "client/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const uint8_t secret[16] = {0x0f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* A keyring in a folder of its own, with the credential "phone". */
typedef struct fixture {
    char folder[64];
    char path[96];
    cps_client_t *client;
    cps_response_t *response;
    uint64_t partial_ivs[16]; /* of the datagrams that left, in order */
    unsigned sent;
} fixture_t;

static void add_key(const char *path, const char *name, const char *pattern)
{
    cps_store_t *store = NULL;
    cps_crypto_t crypto;
    cps_store_key_t key = {.secret_len = sizeof secret, .aead = 10, .window = 32};
    cps_store_state_t state = {.window_known = true};
    snprintf(key.name, sizeof key.name, "%s", name);
    snprintf(key.pattern, sizeof key.pattern, "%s", pattern);
    memcpy(key.secret, secret, sizeof secret);
    key.sender_id = (cps_store_bytes_t){{0x7a}, 1};
    key.recipient_id = (cps_store_bytes_t){{0x31}, 1};
    cps_oscore_params_t params = {.master_secret = cps_bytes(key.secret, key.secret_len),
                                  .sender_id = cps_bytes(key.sender_id.data, 1),
                                  .recipient_id = cps_bytes(key.recipient_id.data, 1),
                                  .aead = 10,
                                  .window = 32};
    assert_ok(cps_crypto_openssl_init(&crypto));
    assert_ok(cps_oscore_identifier(&crypto, &params, key.state_id, key.window_id));
    cps_crypto_openssl_fini(&crypto);
    cps_store_options_t options = {.path = path, .create = true};
    assert_ok(cps_store_sqlite_open(&store, &options));
    assert_ok(store->table->key_add(store, &key, &state));
    store->table->close(store);
}

static void set_up(fixture_t *f)
{
    memset(f, 0, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/coapsule-client-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/keyring.db", f->folder);
    add_key(f->path, "phone", "coap://127.0.0.1/**");
}

static void tear_down(fixture_t *f)
{
    static const char *const names[] = {"keyring.db", "keyring.db-wal", "keyring.db-shm", "keyring.db.lock"};
    cps_client_free(f->client);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", f->folder, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(f->folder), 0);
}

/* The other end's context. */
static const cps_context_t *far_context(bool window_known)
{
    static cps_context_t context;
    context = (cps_context_t){.size = sizeof context,
                              .master_secret = cps_bytes(secret, sizeof secret),
                              .sender_id = CPS_BYTES_LIT("\x31"),
                              .recipient_id = CPS_BYTES_LIT("\x7a"),
                              .aead = 10,
                              .window_size = 32,
                              .has_state = true,
                              .window_known = window_known};
    return &context;
}

static void on_datagram(void *user, bool outbound, const cps_datagram_t *datagram)
{
    fixture_t *f = user;
    cps_msg_t msg;
    cps_bytes_t value;
    cps_oscopt_t option;
    if (!outbound || cps_msg_parse(datagram->bytes, &msg) != CPS_OK || !cps_code_is_request(msg.code) ||
        !cps_opt_find(msg.options, CPS_OPT_OSCORE, &value))
        return;
    assert_ok(cps_oscopt_decode(value, &option));
    assert_ok(cps_partial_iv_decode(option.partial_iv, &f->partial_ivs[f->sent++ % 16]));
}

static void open_client(fixture_t *f, uint32_t timeout_ms)
{
    cps_client_trace_t trace = {.datagram = on_datagram, .user = f};
    cps_client_free(f->client);
    assert_ok(cps_client_new(
        &f->client, CPS_CLIENT_OPTIONS(.state = f->path, .credential = "phone", .timeout_ms = timeout_ms,
                                       .endpoint = {.transmission = {.ack_timeout_us = 200000, .unsafe = true}})));
    cps_client_set_trace(f->client, &trace);
}

static cps_err_t request(fixture_t *f, const far_t *far, cps_code_t method, bool repeat_unsafe)
{
    char uri[64];
    snprintf(uri, sizeof uri, "coap://127.0.0.1:%u/lock", far_port(far));
    cps_response_free(f->response);
    return cps_client_request(
        f->client, CPS_CLIENT_REQUEST(.method = method, .uri = uri, .repeat_unsafe = repeat_unsafe), &f->response);
}

static void response_over(fixture_t *f)
{
    cps_response_free(f->response);
    f->response = NULL;
}

static void a_named_credential_seals(void **state)
{
    (void)state;
    fixture_t f;
    far_seen_t seen;
    set_up(&f);
    far_t *far = far_start(&(far_script_t){.context = far_context(true)});
    open_client(&f, 10000);
    assert_ok(request(&f, far, CPS_PUT, false));
    assert_true(cps_response_sealed(f.response));
    assert_string_equal(cps_response_credential(f.response), "phone");
    assert_int_equal(far_requests(far, &seen), 1);
    assert_true(seen.sealed && seen.code == CPS_PUT);
    response_over(&f);
    tear_down(&f);
    far_stop(far);
}

/* A planned restart burns no lease: the next client goes on with the next number, and the window is known. */
static void a_clean_exit_keeps_the_numbers(void **state)
{
    (void)state;
    fixture_t f;
    set_up(&f);
    far_t *far = far_start(&(far_script_t){.context = far_context(true)});
    for (unsigned i = 0; i < 5; i++) {
        open_client(&f, 10000);
        assert_ok(request(&f, far, CPS_GET, false));
        assert_int_equal(f.partial_ivs[i], i);
    }
    assert_int_equal(f.sent, 5);
    response_over(&f);
    tear_down(&f);
    far_stop(far);
}

/* RFC 8613 appendix B.1.2: GET and PUT are repeated by themselves, a POST is not, unless the caller says so. */
static void a_lost_window_is_recovered(void **state)
{
    (void)state;
    fixture_t f;
    set_up(&f);
    far_t *far = far_start(&(far_script_t){.context = far_context(false)});
    open_client(&f, 10000);
    assert_err(CPS_ERR_OUTCOME_UNKNOWN, request(&f, far, CPS_POST, false));
    assert_non_null(strstr(cps_client_detail(f.client), "--again"));
    assert_int_equal(far_requests(far, NULL), 0);
    response_over(&f);
    tear_down(&f);
    far_stop(far);
    static const struct {
        cps_code_t method;
        bool again;
    } rows[] = {{CPS_GET, false}, {CPS_PUT, false}, {CPS_DELETE, false}, {CPS_POST, true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set_up(&f);
        far = far_start(&(far_script_t){.context = far_context(false)});
        open_client(&f, 10000);
        assert_ok(request(&f, far, rows[i].method, rows[i].again));
        assert_int_equal(far_requests(far, NULL), 1);
        assert_true(f.sent == 2 && f.partial_ivs[1] == f.partial_ivs[0] + 1);
        response_over(&f);
        tear_down(&f);
        far_stop(far);
    }
}

static void challenge(far_t *far, const cps_event_t *event)
{
    far_submit(far, &(cps_command_t){.kind = CPS_COMMAND_CHALLENGE, .u.handle = event->handle});
}

/* One repeat, and no more: what still demands freshness then is told as a matter of security. */
static void freshness_demanded_twice_is_security(void **state)
{
    (void)state;
    fixture_t f;
    set_up(&f);
    far_t *far = far_start(&(far_script_t){.context = far_context(true), .on_request = challenge});
    open_client(&f, 10000);
    assert_err(CPS_ERR_SECURITY, request(&f, far, CPS_PUT, false));
    assert_int_equal(far_requests(far, NULL), 2);
    assert_non_null(strstr(cps_client_detail(f.client), "freshness"));
    response_over(&f);
    tear_down(&f);
    far_stop(far);
}

/* A server without our context answers unprotected: a hint, never the answer (OSC-67). */
static void an_unprotected_answer_is_a_hint(void **state)
{
    (void)state;
    fixture_t f;
    set_up(&f);
    far_t *far = far_start(&(far_script_t){0});
    open_client(&f, 5000);
    assert_err(CPS_ERR_OUTCOME_UNKNOWN, request(&f, far, CPS_PUT, false));
    assert_null(f.response);
    assert_int_equal(cps_client_hint(f.client), CPS_UNAUTHORIZED);
    const char *detail = cps_client_detail(f.client);
    assert_true(strstr(detail, "4.01 Unauthorized, unauthenticated") != NULL && strstr(detail, "phone") != NULL &&
                strstr(detail, "may have been carried out") != NULL &&
                strstr(detail, "Security context not found") != NULL);
    tear_down(&f);
    far_stop(far);
}

static void forge(far_t *far, const cps_event_t *event)
{
    static const cps_command_t forged = {.kind = CPS_COMMAND_REPLY,
                                         .u.reply = {.code = CPS_CONTENT, .payload = {(const uint8_t *)"forged", 6}}};
    cps_command_t reply = forged;
    reply.u.reply.request = event->handle;
    far_submit(far, &reply);
}

/* A proxy that answers by itself, as layers that open nothing do. */
static void a_forged_success_is_never_delivered(void **state)
{
    (void)state;
    fixture_t f;
    set_up(&f);
    far_t *far = far_start(&(far_script_t){.layers = cps_layers_proxy(), .on_request = forge});
    open_client(&f, 5000);
    assert_err(CPS_ERR_OUTCOME_UNKNOWN, request(&f, far, CPS_PUT, false));
    assert_null(f.response);
    assert_int_equal(cps_client_hint(f.client), CPS_CONTENT);
    assert_null(strstr(cps_client_detail(f.client), "forged")); /* nor is its text told */
    tear_down(&f);
    far_stop(far);
}

static void a_credential_in_use_is_waited_for(void **state)
{
    (void)state;
    fixture_t f;
    set_up(&f);
    far_t *far = far_start(&(far_script_t){.context = far_context(true)});
    cps_client_t *holder = NULL;
    open_client(&f, 10000);
    assert_ok(request(&f, far, CPS_GET, false));
    holder = f.client;
    f.client = NULL;
    open_client(&f, 300); /* its deadline comes before the 5 s */
    assert_err(CPS_ERR_IN_USE, request(&f, far, CPS_GET, false));
    assert_non_null(strstr(cps_client_detail(f.client), "context in use"));
    cps_client_free(holder);
    open_client(&f, 10000);
    assert_ok(request(&f, far, CPS_GET, false));
    response_over(&f);
    tear_down(&f);
    far_stop(far);
}

static void without_a_keyring_nothing_is_sealed(void **state)
{
    (void)state;
    cps_client_t *client = NULL;
    cps_response_t *response = NULL;
    assert_err(CPS_ERR_STATE_LOST, cps_client_new(&client, CPS_CLIENT_OPTIONS(.state = "/nowhere/keyring.db")));
    const char *detail = cps_client_detail(NULL);
    assert_true(strstr(detail, "key new") != NULL && strstr(detail, "key rekey") != NULL &&
                strstr(detail, "key import --next-sequence") != NULL);
    assert_ok(cps_client_new(&client, CPS_CLIENT_OPTIONS(.sealed = true)));
    assert_err(CPS_ERR_SECURITY, cps_client_get(client, "coap://127.0.0.1/a", &response));
    assert_non_null(strstr(cps_client_detail(client), "could not be sealed"));
    cps_client_free(client);
}

static const cps_case_t cases[] = {
    {"", "a named credential seals", a_named_credential_seals},
    {"", "a clean exit keeps the numbers", a_clean_exit_keeps_the_numbers},
    {"", "a lost window is recovered; a POST is repeated only on purpose", a_lost_window_is_recovered},
    {"", "freshness demanded twice is told as security", freshness_demanded_twice_is_security},
    {"", "an unprotected answer is a hint", an_unprotected_answer_is_a_hint},
    {"", "a forged success is never delivered", a_forged_success_is_never_delivered},
    {"", "a credential in use is waited for", a_credential_in_use_is_waited_for},
    {"", "without a keyring nothing is sealed", without_a_keyring_nothing_is_sealed},
};

CPS_RUN("client_sealed", cases)
