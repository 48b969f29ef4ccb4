// SPDX-License-Identifier: Apache-2.0
/* What sealed requests meet: who may do what, and whether it is fresh. Two endpoints in memory, time as the test says. */
#include "server_kit.h"

#include "ep/ep.h"

#define NOTHING cps_bytes(NULL, 0)
#define OPT(number, text)                                                                                              \
    {                                                                                                                  \
        CPS_OPT_##number, CPS_BYTES_LIT(text)                                                                          \
    }
#define FRESH_MS 10000U
#define FRESH_US (FRESH_MS * 1000U)

typedef struct pair {
    kit_t *kit;
    rig_t *client;
    cps_handle_t context;
} pair_t;

static cps_err_t run(cps_request_t *request, void *user)
{
    kit_t *kit = user;
    kit->runs++;
    return cps_reply(request, cps_request_method(request) == CPS_GET ? CPS_CONTENT : CPS_CHANGED);
}

static pair_t pair_new(void)
{
    pair_t p = {.kit = kit_new(), .client = rig_new(KIT_CLIENT, NULL)};
    rig_context(p.kit->rig, false);
    p.context = rig_context(p.client, true);
    return p;
}

static void pair_free(pair_t *p)
{
    rig_free(p->client);
    kit_free(p->kit);
}

/* Send a sealed request that is not repeated by itself; what comes back is the client's last event. */
static cps_message_t seal_more(pair_t *p, uint8_t code, const char *path, const cps_option_t *more)
{
    cps_option_t list[32];
    ask_t ask = {.code = code, .path = path};
    if (more != NULL)
        ask.more[0] = *more;
    cps_command_request_t request = {.path = rig_path(KIT_HOST, 5683),
                                     .code = code,
                                     .no_repeat = true,
                                     .options = list,
                                     .option_count = ask_options(&ask, list),
                                     .context = p->context};
    unsigned before = p->client->responses;
    rig_request(p->client, &request);
    rig_shuttle(p->client, p->kit->rig);
    assert_int_equal(p->client->responses, before + 1);
    assert_true(p->client->last.u.response.context == p->context); /* sealed, whatever it says */
    return p->client->last.u.response.message;
}

static cps_message_t seal(pair_t *p, uint8_t code, const char *path) { return seal_more(p, code, path, NULL); }

/* The Echo of a 4.01, copied; false where there is none. */
static bool take_echo(const cps_message_t *message, uint8_t echo[40], size_t *len)
{
    cps_bytes_t value;
    if (!cps_message_option(message, CPS_OPT_ECHO, &value))
        return false;
    memcpy(echo, value.ptr, value.len);
    *len = value.len;
    return true;
}

static void sealed_resources_never_answer_unsealed(void **state)
{
    (void)state;
    pair_t p = pair_new();
    kit_add(p.kit, CPS_RESOURCE(.path = "s", .get = run, .put = run, .user = p.kit,
                                .policy = {.sealed = true, .allow = "phone: get put"}));
    cps_msg_t msg = kit_ask(p.kit, ASK(.code = CPS_GET, .path = "s"));
    cps_bytes_t value;
    assert_code(CPS_UNAUTHORIZED, msg);
    assert_text("OSCORE is required", msg);
    assert_false(cps_opt_find(msg.options, CPS_OPT_OSCORE, &value));
    assert_code(CPS_UNAUTHORIZED, kit_ask(p.kit, ASK(.code = CPS_PUT, .path = "s")));
    assert_int_equal(p.kit->runs, 0);
    assert_code(CPS_CONTENT, seal(&p, CPS_GET, "s"));
    assert_code(CPS_CHANGED, seal(&p, CPS_PUT, "s"));
    assert_int_equal(p.kit->runs, 2);
    pair_free(&p);
}

static void what_is_not_allowed_gives_a_sealed_4_03(void **state)
{
    (void)state;
    pair_t p = pair_new();
    kit_add(p.kit, CPS_RESOURCE(.path = "s", .get = run, .put = run, .user = p.kit,
                                .policy = {.sealed = true, .allow = "phone: get; tablet: put"}));
    assert_code(CPS_FORBIDDEN, seal(&p, CPS_PUT, "s"));
    assert_int_equal(p.kit->runs, 0);
    assert_int_equal(p.kit->notes, 1);
    assert_true(p.kit->note.kind == CPS_SERVED_REFUSED && p.kit->note.code == CPS_FORBIDDEN);
    assert_string_equal(p.kit->note_credential, "phone");
    assert_code(CPS_CONTENT, seal(&p, CPS_GET, "s"));
    pair_free(&p);
}

static void nobody_is_the_default(void **state)
{
    (void)state;
    pair_t p = pair_new();
    kit_add(p.kit, CPS_RESOURCE(.path = "none", .get = run, .user = p.kit, .policy = {.sealed = true}));
    kit_add(p.kit, CPS_RESOURCE(.path = "any", .get = run, .put = run, .user = p.kit,
                                .policy = {.sealed = true, .allow = "*: get; tablet: put"}));
    kit_add(p.kit, CPS_RESOURCE(.path = "open", .get = run, .user = p.kit));
    kit_add(p.kit, CPS_RESOURCE(.path = "named", .get = run, .user = p.kit, .policy = {.allow = "phone: get"}));
    assert_code(CPS_FORBIDDEN, seal(&p, CPS_GET, "none"));
    assert_code(CPS_CONTENT, seal(&p, CPS_GET, "any"));
    assert_code(CPS_FORBIDDEN, seal(&p, CPS_PUT, "any"));
    assert_code(CPS_CONTENT, seal(&p, CPS_GET, "open"));
    assert_code(CPS_CONTENT, kit_ask(p.kit, ASK(.code = CPS_GET, .path = "open")));
    assert_code(CPS_CONTENT, seal(&p, CPS_GET, "named"));
    p.kit->credential = "tablet";
    assert_code(CPS_CHANGED, seal(&p, CPS_PUT, "any"));
    assert_code(CPS_CONTENT, seal(&p, CPS_GET, "any"));
    assert_code(CPS_FORBIDDEN, seal(&p, CPS_GET, "named"));
    assert_code(CPS_UNAUTHORIZED, kit_ask(p.kit, ASK(.code = CPS_GET, .path = "named")));
    pair_free(&p);
}

static void rules_that_cannot_be_kept_are_refused(void **state)
{
    (void)state;
    static const cps_policy_t wrong[] = {{.fresh_ms = 1000},
                                         {.sealed = true, .fresh_reads = true},
                                         {.sealed = true, .allow = "phone get"},
                                         {.sealed = true, .allow = ": get"},
                                         {.sealed = true, .allow = "phone: get, push"},
                                         {.sealed = true, .allow = "phone: get; phone: put"}};
    kit_t *kit = kit_new();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const char *reason = NULL;
        cps_resource_t resource = {.size = sizeof resource, .path = "x", .policy = wrong[i]};
        assert_err(CPS_ERR_CONFIG, cps_dispatch_add(&kit->d, &resource, &reason));
        assert_non_null(reason);
    }
    kit_add(kit, CPS_RESOURCE(.path = "x", .policy = {.sealed = true, .allow = " phone : get,put ;; * :  ; "}));
    kit_free(kit);
}

/* ---- freshness ---- */

static pair_t pair_with_actuator(void)
{
    pair_t p = pair_new();
    kit_add(p.kit, CPS_RESOURCE(.path = "act", .get = run, .put = run, .post = run, .user = p.kit,
                                .policy = {.sealed = true, .fresh_ms = FRESH_MS, .allow = "*: get put post"}));
    kit_add(p.kit,
            CPS_RESOURCE(.path = "reads", .get = run, .user = p.kit,
                         .policy = {.sealed = true, .fresh_ms = FRESH_MS, .fresh_reads = true, .allow = "*: get"}));
    return p;
}

static void what_is_not_proven_fresh_does_not_run(void **state)
{
    (void)state;
    pair_t p = pair_with_actuator();
    uint8_t echo[40];
    size_t len = 0;
    cps_message_t message = seal(&p, CPS_PUT, "act");
    assert_code(CPS_UNAUTHORIZED, message);
    assert_true(take_echo(&message, echo, &len));
    assert_true(p.kit->note.kind == CPS_SERVED_REFUSED);
    assert_int_equal(p.kit->runs, 0);
    pair_free(&p);
    p = pair_with_actuator(); /* a client that knows no Echo yet */
    assert_code(CPS_UNAUTHORIZED, seal(&p, CPS_POST, "act"));
    assert_int_equal(p.kit->runs, 0);
    pair_free(&p);
}

static void what_is_proven_fresh_runs(void **state)
{
    (void)state;
    pair_t p = pair_with_actuator();
    uint8_t echo[40];
    size_t len = 0;
    cps_message_t message = seal(&p, CPS_PUT, "act");
    assert_true(take_echo(&message, echo, &len));
    cps_option_t option = {CPS_OPT_ECHO, cps_bytes(echo, len)};
    assert_code(CPS_CHANGED, seal_more(&p, CPS_PUT, "act", &option));
    assert_int_equal(p.kit->runs, 1);
    pair_free(&p);
}

static void reads_need_no_proof_unless_they_do(void **state)
{
    (void)state;
    pair_t p = pair_with_actuator();
    uint8_t echo[40];
    size_t len = 0;
    cps_message_t message = seal(&p, CPS_PUT, "act");
    assert_true(take_echo(&message, echo, &len));
    cps_option_t option = {CPS_OPT_ECHO, cps_bytes(echo, len)};
    rig_advance(p.kit->rig, 2 * FRESH_US);
    p.client->now_us = p.kit->rig->now_us;
    assert_code(CPS_CONTENT, seal_more(&p, CPS_GET, "act", &option)); /* stale, but not asked for */
    assert_code(CPS_CONTENT, seal(&p, CPS_GET, "act"));
    assert_code(CPS_UNAUTHORIZED, seal_more(&p, CPS_GET, "reads", &option));
    assert_int_equal(p.kit->runs, 2);
    pair_free(&p);
}

/* A PUT whose Echo is `age_us` old when it arrives: what the server says. */
static uint8_t put_at_age(uint64_t age_us, bool *another_echo)
{
    pair_t p = pair_with_actuator();
    uint8_t echo[40];
    uint8_t again[40];
    size_t len = 0;
    size_t again_len = 0;
    cps_message_t message = seal(&p, CPS_PUT, "act");
    assert_true(take_echo(&message, echo, &len));
    rig_advance(p.kit->rig, age_us);
    rig_clear(p.kit->rig);
    p.client->now_us = p.kit->rig->now_us;
    cps_option_t option = {CPS_OPT_ECHO, cps_bytes(echo, len)};
    message = seal_more(&p, CPS_PUT, "act", &option);
    *another_echo = take_echo(&message, again, &again_len) && (again_len != len || memcmp(echo, again, len) != 0);
    assert_int_equal(p.kit->runs, message.code == CPS_CHANGED);
    pair_free(&p);
    return message.code;
}

static void freshness_ends_at_its_very_time(void **state)
{
    (void)state;
    bool another = false;
    enum { TICK_US = 1000 }; /* of an Echo value */
    assert_int_equal(put_at_age(FRESH_US - TICK_US, &another), CPS_CHANGED);
    assert_int_equal(put_at_age(FRESH_US, &another), CPS_UNAUTHORIZED);
    assert_true(another);
    assert_int_equal(put_at_age(3 * FRESH_US, &another), CPS_UNAUTHORIZED);
    assert_true(another);
}

/* A value that the server made just now, and that the client knows nothing of. */
static cps_option_t valid_echo(const pair_t *p, uint8_t value[CPS_ECHO_LEN])
{
    cps_ep_t *ep = p->kit->rig->ep;
    cps_oscore_entry_t *entry = cps_pool_at(&ep->contexts.pool, 0);
    cps_echo_use_t use = cps_ep_echo_inner(entry);
    assert_ok(cps_echo_make(&ep->echo_key, ep->config.crypto, ep->now_us, &use, value));
    return (cps_option_t){CPS_OPT_ECHO, cps_bytes(value, CPS_ECHO_LEN)};
}

static void echo_outside_or_in_plain_proves_nothing(void **state)
{
    (void)state;
    pair_t p = pair_with_actuator();
    uint8_t echo[CPS_ECHO_LEN];
    size_t len = sizeof echo;
    assert_code(CPS_CONTENT, seal(&p, CPS_GET, "act"));
    (void)valid_echo(&p, echo);
    ask_t plain = {.code = CPS_PUT, .path = "act", .more = {{CPS_OPT_ECHO, cps_bytes(echo, len)}}};
    assert_code(CPS_UNAUTHORIZED, kit_ask(p.kit, &plain));
    /* a sealed request, with the valid value put into its outer options on the way */
    cps_option_t path;
    cps_command_request_t request = rig_get(KIT_HOST, &path, "act");
    request.code = CPS_PUT;
    request.no_repeat = true;
    request.context = p.context;
    rig_clear(p.client);
    rig_request(p.client, &request);
    cps_msg_t msg = rig_sent_msg(p.client, 0);
    uint8_t options[256];
    uint8_t bytes[512];
    cps_writer_t ow = cps_writer(options, sizeof options);
    cps_opt_writer_t opt = cps_opt_writer(&ow);
    cps_opt_walk_t walk = cps_opt_walk(msg.options);
    for (cps_option_t option; cps_opt_next(&walk, &option);)
        cps_opt_put(&opt, option.number, option.value);
    cps_opt_put(&opt, CPS_OPT_ECHO, cps_bytes(echo, len));
    msg.options = cps_written(&ow);
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_write(&w, &msg);
    rig_clear(p.client);
    rig_clear(p.kit->rig);
    rig_in(p.kit->rig, KIT_CLIENT, 5683, cps_written(&w));
    rig_shuttle(p.client, p.kit->rig);
    assert_code(CPS_UNAUTHORIZED, p.client->last.u.response.message);
    assert_int_equal(p.kit->runs, 1); /* the GET */
    pair_free(&p);
    p = pair_with_actuator(); /* inside, that kind of value proves it */
    assert_code(CPS_CONTENT, seal(&p, CPS_GET, "act"));
    cps_option_t inside = valid_echo(&p, echo);
    assert_code(CPS_CHANGED, seal_more(&p, CPS_PUT, "act", &inside));
    pair_free(&p);
}

static void a_client_repeats_by_itself(void **state)
{
    (void)state;
    pair_t p = pair_with_actuator();
    cps_option_t path;
    cps_command_request_t request = rig_get(KIT_HOST, &path, "act");
    request.code = CPS_POST;
    request.context = p.context;
    rig_request(p.client, &request);
    rig_shuttle(p.client, p.kit->rig);
    assert_true(p.client->responses == 1 && p.client->last.u.response.repeated);
    assert_code(CPS_CHANGED, p.client->last.u.response.message);
    assert_int_equal(p.kit->runs, 1);
    pair_free(&p);
}

/* ---- answers ---- */

static cps_err_t echo_back(cps_request_t *request, void *user)
{
    (void)user;
    static const cps_option_t options[] = {OPT(ETAG, "longetag"), OPT(CONTENT_FORMAT, "\x2a")};
    cps_err_t err = cps_reply_with(request, CPS_CONTENT, options, 2, cps_request_payload(request));
    assert_true(cps_request_payload_is(request, "the very bytes")); /* its views outlive the answer */
    return err;
}

static void an_answer_may_be_the_request_itself(void **state)
{
    (void)state;
    pair_t p = pair_new();
    kit_add(p.kit, CPS_RESOURCE(.path = "e", .post = echo_back));
    cps_option_t path;
    cps_command_request_t request = rig_get(KIT_HOST, &path, "e");
    request.code = CPS_POST;
    request.context = p.context;
    request.payload = CPS_BYTES_LIT("the very bytes");
    rig_request(p.client, &request);
    rig_shuttle(p.client, p.kit->rig);
    assert_text("the very bytes", p.client->last.u.response.message);
    pair_free(&p);
}

static cps_err_t keep(cps_request_t *request, void *user)
{
    *(cps_request_t **)user = request;
    return cps_request_defer(request);
}

static void a_sealed_request_can_be_answered_later(void **state)
{
    (void)state;
    pair_t p = pair_new();
    cps_request_t *kept = NULL;
    kit_add(p.kit,
            CPS_RESOURCE(.path = "l", .post = keep, .user = &kept, .policy = {.sealed = true, .allow = "phone: post"}));
    cps_option_t path;
    cps_command_request_t request = rig_get(KIT_HOST, &path, "l");
    request.code = CPS_POST;
    request.context = p.context;
    request.payload = CPS_BYTES_LIT("kept");
    rig_request(p.client, &request);
    rig_shuttle(p.client, p.kit->rig);
    rig_advance(p.kit->rig, 300000);
    rig_shuttle(p.client, p.kit->rig);
    assert_code(CPS_UNAUTHORIZED, kit_ask(p.kit, ASK(.code = CPS_POST, .path = "l")));
    rig_clear(p.kit->rig);
    assert_true(cps_request_payload_is(kept, "kept"));
    assert_string_equal(cps_request_credential(kept), "phone");
    assert_ok(cps_reply_text(kept, CPS_CHANGED, "done"));
    rig_run(p.kit->rig);
    rig_shuttle(p.client, p.kit->rig);
    assert_text("done", p.client->last.u.response.message);
    pair_free(&p);
}

static void path_and_query_of_a_sealed_request_are_those_inside(void **state)
{
    (void)state;
    pair_t p = pair_new();
    kit_add(p.kit, CPS_RESOURCE(.path = "in", .get = run, .user = p.kit));
    cps_option_t proxy = OPT(PROXY_SCHEME, "coap");
    assert_code(CPS_CONTENT, seal_more(&p, CPS_GET, "in", &proxy));
    /* the same, with a Proxy-Uri put in its place on the way: its path is not the client's */
    cps_option_t path;
    cps_command_request_t request = rig_get(KIT_HOST, &path, "in");
    request.context = p.context;
    rig_clear(p.client);
    rig_request(p.client, &request);
    cps_msg_t msg = rig_sent_msg(p.client, 0);
    uint8_t options[256];
    uint8_t bytes[512];
    cps_writer_t ow = cps_writer(options, sizeof options);
    cps_opt_writer_t opt = cps_opt_writer(&ow);
    cps_opt_walk_t walk = cps_opt_walk(msg.options);
    for (cps_option_t option; cps_opt_next(&walk, &option);)
        cps_opt_put(&opt, option.number, option.value);
    cps_opt_put(&opt, CPS_OPT_PROXY_URI, CPS_BYTES_LIT("coap://127.0.0.2/other"));
    msg.options = cps_written(&ow);
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_write(&w, &msg);
    rig_clear(p.client);
    rig_clear(p.kit->rig);
    rig_in(p.kit->rig, KIT_CLIENT, 5683, cps_written(&w));
    rig_shuttle(p.client, p.kit->rig);
    assert_code(CPS_CONTENT, p.client->last.u.response.message);
    assert_int_equal(p.kit->runs, 2);
    pair_free(&p);
}

static const cps_case_t cases[] = {
    {"", "a sealed resource never answers unsealed", sealed_resources_never_answer_unsealed},
    {"OPS-17", "what is not allowed gives a sealed 4.03", what_is_not_allowed_gives_a_sealed_4_03},
    {"", "the default of a sealed resource is nobody", nobody_is_the_default},
    {"", "rules that cannot be kept are refused", rules_that_cannot_be_kept_are_refused},
    {"ECHO-6 ECHO-7", "what is not proven fresh gets 4.01 with Echo and does not run",
     what_is_not_proven_fresh_does_not_run},
    {"ECHO-12", "what is proven fresh runs", what_is_proven_fresh_runs},
    {"ECHO-11", "reads need no proof unless they do", reads_need_no_proof_unless_they_do},
    {"ECHO-13 ECHO-14", "freshness ends at its very time, and a stale Echo gets a new one",
     freshness_ends_at_its_very_time},
    {"ECHO-16", "an Echo outside or in plain proves nothing", echo_outside_or_in_plain_proves_nothing},
    {"", "a client repeats by itself", a_client_repeats_by_itself},
    {"", "an answer may be the request itself", an_answer_may_be_the_request_itself},
    {"", "a sealed request can be answered later", a_sealed_request_can_be_answered_later},
    {"", "path and query of a sealed request are those inside", path_and_query_of_a_sealed_request_are_those_inside},
};

CPS_RUN("server_sealed", cases)
