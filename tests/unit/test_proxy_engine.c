// SPDX-License-Identifier: Apache-2.0
/* The engine of the proxy over a driver of the test's: which commands it gives for which events. */
#include "harness.h"

#include "proxy/engine.h"
#include "wire/opt.h"

#define COMMANDS_MAX 8U

typedef struct bench {
    cps_proxy_t *proxy;
    cps_proxy_options_t options;
    cps_conf_target_t target;
    cps_net_t net;
    cps_conf_list_t targets;
    cps_conf_list_t clients;
    cps_rng_seeded_t seeded;
    cps_time_us_t now_us;
    cps_time_us_t wake_us;
    cps_command_kind_t kinds[COMMANDS_MAX];
    uint8_t codes[COMMANDS_MAX]; /* of a request or reply */
    size_t count;
    uint64_t user;       /* of the last request */
    uint64_t ticket;     /* of the last look-up */
    cps_err_t reply_err; /* what a reply that is kept gets */
} bench_t;

static cps_time_us_t now(void *self) { return ((bench_t *)self)->now_us; }

static cps_err_t submit(void *self, const cps_command_t *command, cps_handle_t *handle)
{
    bench_t *b = self;
    bool reply = command->kind == CPS_COMMAND_REPLY;
    if (reply && command->u.reply.kept && b->reply_err != CPS_OK)
        return b->reply_err;
    assert_true(b->count < COMMANDS_MAX);
    b->codes[b->count] = reply ? command->u.reply.code : command->u.request.code;
    b->kinds[b->count++] = command->kind;
    if (command->kind == CPS_COMMAND_REQUEST) {
        b->user = command->u.request.user;
        *handle = 77;
    }
    return CPS_OK;
}

static cps_err_t get_socket(void *self, cps_family_t family, uint16_t *number)
{
    (void)self;
    (void)family;
    *number = 1;
    return CPS_OK;
}

static void wake_at(void *self, cps_time_us_t when) { ((bench_t *)self)->wake_us = when; }

static cps_err_t look_up(void *self, const char *name, uint64_t ticket)
{
    (void)name;
    ((bench_t *)self)->ticket = ticket;
    return CPS_OK;
}

static void setup(bench_t *b)
{
    *b = (bench_t){.target = {.text = "*", .host = "*", .wildcard = true, .any_port = true},
                   .net = {.base = {.family = CPS_FAMILY_IPV4}},
                   .now_us = 1000000,
                   .wake_us = CPS_TIME_NEVER};
    b->targets = (cps_conf_list_t){.items = &b->target, .count = 1};
    b->clients = (cps_conf_list_t){.items = &b->net, .count = 1};
    b->options =
        (cps_proxy_options_t){.name = "p", .clients = &b->clients, .targets = &b->targets, .lookup = {look_up, b}};
    cps_proxy_endpoint(&b->options.endpoint);
    cps_proxy_driver_t driver = {now, submit, get_socket, wake_at, cps_rng_from_seed(&b->seeded, 1), b};
    assert_ok(cps_proxy_engine_new(&b->proxy, &b->options, &driver));
}

/* A POST to the proxy for a target; an event's views have to live as long as it. */
static cps_event_t request(const char *host, uint8_t *options, size_t cap, cps_handle_t handle)
{
    cps_writer_t w = cps_writer(options, cap);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    cps_opt_put(&ow, CPS_OPT_URI_HOST, cps_bytes_str(host));
    cps_opt_put(&ow, CPS_OPT_PROXY_SCHEME, CPS_BYTES_LIT("coap"));
    cps_event_t event = {.kind = CPS_EVENT_REQUEST, .handle = handle};
    event.u.request.path.remote = (cps_addr_t){.ip = {127, 0, 0, 9}, .port = 4000, .family = CPS_FAMILY_IPV4};
    event.u.request.message = (cps_message_t){CPS_POST, cps_written(&w), CPS_BYTES_LIT("body")};
    event.u.request.confirmable = true;
    return event;
}

static void answer(bench_t *b, uint8_t code)
{
    cps_event_t event = {.kind = CPS_EVENT_RESPONSE, .handle = 77};
    event.u.response.user = b->user;
    event.u.response.message.code = code;
    cps_proxy_on_event(b->proxy, &event);
}

static void a_request_goes_to_the_target_and_its_answer_back(void **state)
{
    (void)state;
    bench_t b;
    uint8_t options[64];
    setup(&b);
    cps_event_t event = request("192.0.2.1", options, sizeof options, 5);
    cps_proxy_on_event(b.proxy, &event);
    assert_true(b.count == 1 && b.kinds[0] == CPS_COMMAND_REQUEST && b.codes[0] == CPS_POST);
    answer(&b, CPS_CHANGED);
    assert_true(b.count == 2 && b.kinds[1] == CPS_COMMAND_REPLY && b.codes[1] == CPS_CHANGED);
    answer(&b, CPS_CHANGED); /* nobody waits for it any more */
    assert_int_equal(b.count, 2);
    cps_proxy_engine_free(b.proxy);
}

static void a_repeat_whose_echo_is_too_old_is_challenged_and_not_forwarded(void **state)
{
    (void)state;
    bench_t b;
    uint8_t options[64];
    setup(&b);
    cps_event_t event = request("192.0.2.1", options, sizeof options, 5);
    event.u.request.echo_old = true;
    cps_proxy_on_event(b.proxy, &event);
    assert_true(b.count == 1 && b.kinds[0] == CPS_COMMAND_CHALLENGE);
    cps_proxy_engine_free(b.proxy);
}

/* The answer is too large for an address that proved nothing: it is held, and the repeat with Echo gets it at any time in
 * which that Echo counts. The target is asked once. */
static void a_held_answer_lasts_as_long_as_the_echo(void **state)
{
    (void)state;
    bench_t b;
    uint8_t options[64];
    setup(&b);
    b.reply_err = CPS_ERR_NOT_FRESH;
    cps_event_t event = request("192.0.2.1", options, sizeof options, 5);
    cps_proxy_on_event(b.proxy, &event);
    answer(&b, CPS_CHANGED);
    assert_true(b.count == 2 && b.kinds[1] == CPS_COMMAND_CHALLENGE);
    b.now_us += 59999999;
    event.u.request.verified = true;
    event.handle = 6;
    cps_proxy_on_event(b.proxy, &event);
    assert_true(b.count == 3 && b.kinds[2] == CPS_COMMAND_REPLY && b.codes[2] == CPS_CHANGED);
    cps_proxy_engine_free(b.proxy);
}

static void a_name_that_is_not_found_in_time_ends_in_5_04(void **state)
{
    (void)state;
    bench_t b;
    uint8_t options[64];
    setup(&b);
    cps_event_t event = request("door.example", options, sizeof options, 5);
    cps_proxy_on_event(b.proxy, &event);
    assert_true(b.count == 0 && b.wake_us == b.now_us + CPS_PROXY_NAME_US);
    b.now_us = b.wake_us;
    cps_proxy_tick(b.proxy);
    assert_true(b.count == 1 && b.kinds[0] == CPS_COMMAND_REPLY && b.codes[0] == CPS_GATEWAY_TIMEOUT);
    cps_addr_t late = {.ip = {192, 0, 2, 1}, .family = CPS_FAMILY_IPV4};
    cps_proxy_resolved(b.proxy, b.ticket, CPS_OK, &late, 1);
    assert_int_equal(b.count, 1);
    cps_proxy_engine_free(b.proxy);
}

static const cps_case_t cases[] = {
    {"", "a request goes to the target and its answer back, once", a_request_goes_to_the_target_and_its_answer_back},
    {"", "a repeat whose Echo is too old is challenged and not forwarded",
     a_repeat_whose_echo_is_too_old_is_challenged_and_not_forwarded},
    {"", "a held answer lasts as long as the Echo", a_held_answer_lasts_as_long_as_the_echo},
    {"", "a name that is not found in time ends in 5.04", a_name_that_is_not_found_in_time_ends_in_5_04},
};

CPS_RUN("proxy_engine", cases)
