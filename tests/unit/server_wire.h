// SPDX-License-Identifier: Apache-2.0
/* A server of the public interface on one side, a socket of the test on the other, both in one thread: the test drives
 * the server as a caller's own loop does. */
#ifndef CPS_TESTS_SERVER_WIRE_H
#define CPS_TESTS_SERVER_WIRE_H

#include "server_state.h"

#include "host/addr.h"
#include "wire/msg.h"

#include <coapsule/server.h>

#include <poll.h>

#define WIRE_DEADLINE_MS 5000
#define WIRE_LOG_MAX     16384

typedef struct wire {
    cps_server_t *server;
    int fd;
    char log[WIRE_LOG_MAX]; /**< all lines */
    size_t log_len;
    uint8_t answer[1500];
    uint16_t mid;
} wire_t;

static inline void wire_log(void *user, const char *line)
{
    wire_t *wire = user;
    int len = snprintf(wire->log + wire->log_len, WIRE_LOG_MAX - wire->log_len, "%s\n", line);
    assert_true(len > 0 && (size_t)len < WIRE_LOG_MAX - wire->log_len);
    wire->log_len += (size_t)len;
}

/** A socket of the test that talks to the server's address `place`. */
static inline int wire_connect(const cps_server_t *server, size_t place)
{
    struct sockaddr_storage to;
    cps_addr_t addr;
    assert_ok(cps_addr_parse(cps_bytes_str(cps_server_address(server, place)), 0, &addr));
    socklen_t len = cps_addr_to_sockaddr(&addr, &to);
    int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, len), 0);
    return fd;
}

/** A server with these options (listen and log are filled in) at 127.0.0.1, and a socket to it. */
static inline void wire_open(wire_t *wire, const cps_server_options_t *options)
{
    cps_server_options_t full = *options;
    memset(wire, 0, sizeof *wire);
    full.listen = full.listen != NULL ? full.listen : "coap://127.0.0.1:0";
    full.log = wire_log;
    full.log_user = wire;
    cps_err_t err = cps_server_new(&wire->server, &full);
    if (err != CPS_OK)
        print_message("%s\n", cps_server_detail(NULL));
    assert_ok(err);
    wire->fd = wire_connect(wire->server, 0);
}

static inline void wire_close(wire_t *wire)
{
    cps_server_free(wire->server);
    close(wire->fd);
}

/** Drive the server until something arrives at the socket; its length, or 0 after `ms`. */
static inline size_t wire_receive(wire_t *wire, uint8_t *to, size_t room, int ms)
{
    for (int waited = 0; waited <= ms;) {
        assert_ok(cps_server_step(wire->server));
        ssize_t len = recv(wire->fd, to, room, MSG_DONTWAIT);
        if (len > 0)
            return (size_t)len;
        int timeout = cps_server_timeout_ms(wire->server);
        int step = timeout < 0 || timeout > 50 ? 50 : timeout;
        struct pollfd fds[] = {{cps_server_fd(wire->server), POLLIN, 0}, {wire->fd, POLLIN, 0}};
        waited += poll(fds, 2, step) == 0 && step > 0 ? step : 0;
    }
    return 0;
}

/** Send a plain request with one Uri-Path; nothing is waited for. */
static inline void wire_send(wire_t *wire, uint8_t code, const char *path)
{
    uint8_t bytes[256];
    uint8_t options[128];
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_writer_t ow = cps_writer(options, sizeof options);
    cps_opt_writer_t list = cps_opt_writer(&ow);
    cps_opt_put(&list, CPS_OPT_URI_PATH, cps_bytes_str(path));
    cps_msg_t msg = {.type = CPS_CON, .code = code, .mid = ++wire->mid, .options = cps_written(&ow)};
    cps_msg_write(&w, &msg);
    cps_bytes_t out = cps_written(&w);
    assert_int_equal(send(wire->fd, out.ptr, out.len, 0), out.len);
}

/** The next message that comes, parsed. */
static inline cps_msg_t wire_next(wire_t *wire)
{
    cps_msg_t msg;
    size_t len = wire_receive(wire, wire->answer, sizeof wire->answer, WIRE_DEADLINE_MS);
    assert_int_not_equal(len, 0);
    assert_ok(cps_msg_parse(cps_bytes(wire->answer, len), &msg));
    return msg;
}

static inline cps_msg_t wire_ask(wire_t *wire, uint8_t code, const char *path)
{
    wire_send(wire, code, path);
    return wire_next(wire);
}

/** Send a sealed request by an endpoint in memory that thinks the server is at 127.0.0.2, and carry what follows both ways
 * until it is over; the code of the answer, or CPS_EMPTY. */
static inline uint8_t wire_seal(wire_t *wire, rig_t *client, cps_handle_t context, uint8_t code, const char *path)
{
    cps_option_t option;
    cps_command_request_t request = rig_get(2, &option, path);
    unsigned over = client->responses + client->failures;
    request.code = code;
    request.context = context;
    rig_clear(client);
    rig_request(client, &request);
    for (size_t done = 0; client->responses + client->failures == over;) {
        for (; done < client->out_count; done++) {
            cps_bytes_t out = rig_sent(client, done);
            assert_int_equal(send(wire->fd, out.ptr, out.len, 0), out.len);
        }
        size_t len = wire_receive(wire, wire->answer, sizeof wire->answer, WIRE_DEADLINE_MS);
        assert_int_not_equal(len, 0);
        rig_in(client, 2, 5683, cps_bytes(wire->answer, len));
    }
    return client->last.kind == CPS_EVENT_RESPONSE ? client->last.u.response.message.code : CPS_EMPTY;
}

#endif /* CPS_TESTS_SERVER_WIRE_H */
