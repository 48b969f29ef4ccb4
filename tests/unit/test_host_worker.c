// SPDX-License-Identifier: Apache-2.0
/* Two workers on one loop, over real sockets. */
#include "harness.h"

#include "host/worker.h"

#include <coapsule/core.h>

typedef struct end {
    cps_worker_t *worker;
    unsigned requests;
    unsigned responses;
    unsigned failures;
    unsigned traced[2];
    cps_err_t err;
    char payload[64];
    struct end *other;
} end_t;

static void on_event(void *user, const cps_event_t *event)
{
    end_t *end = user;
    if (event->kind == CPS_EVENT_REQUEST) {
        end->requests++;
        cps_command_t reply = {
            .kind = CPS_COMMAND_REPLY,
            .u.reply = {.request = event->handle, .code = CPS_CONTENT, .payload = event->u.request.message.payload}};
        assert_ok(cps_worker_submit(end->worker, &reply, NULL));
    } else if (event->kind == CPS_EVENT_RESPONSE) {
        end->responses++;
        cps_bytes_t payload = event->u.response.message.payload;
        assert_true(payload.len < sizeof end->payload);
        cps_copy(end->payload, payload.ptr, payload.len);
        end->payload[payload.len] = '\0';
    } else if (event->kind == CPS_EVENT_FAILED) {
        end->failures++;
        end->err = event->u.failed.err;
    }
}

static void on_trace(void *user, bool outbound, const cps_datagram_t *datagram)
{
    assert_true(datagram->bytes.len > 0);
    ((end_t *)user)->traced[outbound]++;
}

static void start(end_t *end, uv_loop_t *loop)
{
    memset(end, 0, sizeof *end);
    cps_ep_config_t config = {.dedup_bytes = 1 << 20,
                              .requests_out = 2000,
                              .request_bytes = 1 << 20,
                              .transmission = {.nstart = 1000, .unsafe = true}};
    cps_worker_hooks_t hooks = {on_event, on_trace, end};
    assert_ok(cps_worker_new(&end->worker, loop, &config, &hooks));
}

static void ask(end_t *client, const cps_addr_t *to, const char *text)
{
    uint16_t socket = 0;
    assert_ok(cps_worker_socket(client->worker, (cps_family_t)to->family, &socket));
    cps_command_t command = {
        .kind = CPS_COMMAND_REQUEST,
        .u.request = {.path = {.remote = *to, .socket = socket}, .code = CPS_POST, .payload = cps_bytes_str(text)}};
    assert_ok(cps_worker_submit(client->worker, &command, NULL));
}

static void run_until(uv_loop_t *loop, const unsigned *counter, unsigned wanted)
{
    while (*counter < wanted)
        assert_true(uv_run(loop, UV_RUN_ONCE) != 0);
}

static void exchange_over(const char *text)
{
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    end_t server;
    end_t client;
    cps_addr_t at;
    start(&server, &loop);
    start(&client, &loop);
    assert_ok(cps_addr_parse(cps_bytes_str(text), 0, &at));
    assert_ok(cps_worker_listen(server.worker, &at, &at));
    assert_int_not_equal(at.port, 0);
    ask(&client, &at, "one");
    assert_int_equal(client.traced[true], 0); /* hooks run on the loop, not inside the submit */
    run_until(&loop, &client.responses, 1);
    assert_string_equal(client.payload, "one");
    for (int i = 0; i < 1000; i++)
        ask(&client, &at, "many");
    run_until(&loop, &client.responses, 1001);
    assert_true(server.requests == 1001 && client.failures == 0);
    assert_true(client.traced[true] >= 1001 && client.traced[false] >= 1001);
    cps_worker_close(server.worker);
    cps_worker_close(client.worker);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void requests_are_answered_over_ipv4(void **state)
{
    (void)state;
    exchange_over("127.0.0.1:0");
}

static void requests_are_answered_over_ipv6(void **state)
{
    (void)state;
    exchange_over("[::1]:0");
}

static void a_closed_port_ends_a_plain_request(void **state)
{
    (void)state;
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    end_t server;
    end_t client;
    cps_addr_t at;
    start(&server, &loop);
    start(&client, &loop);
    assert_ok(cps_addr_parse(CPS_BYTES_LIT("127.0.0.1:0"), 0, &at));
    assert_ok(cps_worker_listen(server.worker, &at, &at));
    cps_worker_close(server.worker);
    uv_run(&loop, UV_RUN_NOWAIT);
    ask(&client, &at, "x");
    run_until(&loop, &client.failures, 1);
    assert_int_equal(client.err, CPS_ERR_UNREACHABLE); /* by ICMP, at once */
    cps_worker_close(client.worker);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void a_port_in_use_is_named(void **state)
{
    (void)state;
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    end_t one;
    end_t two;
    cps_addr_t at;
    char text[CPS_ADDR_TEXT_MAX];
    start(&one, &loop);
    start(&two, &loop);
    assert_ok(cps_addr_parse(CPS_BYTES_LIT("127.0.0.1:0"), 0, &at));
    assert_ok(cps_worker_listen(one.worker, &at, &at));
    assert_err(CPS_ERR_ADDRESS_IN_USE, cps_worker_listen(two.worker, &at, NULL));
    assert_non_null(strstr(cps_worker_detail(two.worker), cps_addr_format(&at, text)));
    cps_worker_close(one.worker);
    cps_worker_close(two.worker);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static const cps_case_t cases[] = {
    {"", "requests are answered over IPv4", requests_are_answered_over_ipv4},
    {"", "requests are answered over IPv6", requests_are_answered_over_ipv6},
    {"", "a closed port ends a plain request", a_closed_port_ends_a_plain_request},
    {"", "a port in use is named", a_port_in_use_is_named},
};

CPS_RUN("host_worker", cases)
