// SPDX-License-Identifier: Apache-2.0
#include "host/worker.h"

#include "crypto/provider.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SEND_BATCH  32U
#define ROUNDS_MAX  8 /* batches from one socket before the others have their turn */
#define QUOTED_MAX  64U
#define QUEUE_BYTES (1 << 20) /* wish for a socket's buffers */

typedef struct port {
    cps_worker_t *worker;
    cps_udp_t udp;
    uv_poll_t poll;
    bool open;
    bool client; /* ours, for requests to that family */
} port_t;

struct cps_worker {
    uv_loop_t *loop;
    cps_worker_hooks_t hooks;
    cps_crypto_t crypto;
    cps_clock_t clock;
    cps_ep_t *ep;
    void *memory;
    size_t memory_size;
    uint32_t message_max;
    cps_udp_batch_t batch;
    port_t ports[CPS_SOCKETS_MAX];
    uint16_t port_count;
    uint16_t blocked; /* sockets that take no more now */
    uint16_t closing; /* handles whose close is under way */
    uv_timer_t timer;
    cps_time_us_t timer_at;
    bool in_turn;
    bool again; /* something was submitted during a turn */
    char detail[CPS_UDP_DETAIL_MAX];
};

static void turn(cps_worker_t *w);

const char *cps_worker_detail(const cps_worker_t *worker) { return worker->detail; }

cps_ep_t *cps_worker_ep(cps_worker_t *worker) { return worker->ep; }

cps_crypto_t *cps_worker_crypto(cps_worker_t *worker) { return &worker->crypto; }

uv_loop_t *cps_worker_loop(cps_worker_t *worker) { return worker->loop; }

cps_time_us_t cps_worker_now(const cps_worker_t *worker) { return cps_clock_now(&worker->clock); }

/* ---- output ---- */

static void set_events(cps_worker_t *w);

/* Send datagrams of one socket. How many are done with: sent, or given up. */
static size_t send_run(port_t *port, const cps_datagram_t *out, size_t count)
{
    size_t done = 0;
    while (done < count) {
        size_t sent = 0;
        cps_err_t err = cps_udp_send(&port->udp, out + done, count - done, &sent);
        done += sent;
        if (err == CPS_OK)
            break;
        if (err == CPS_ERR_BUSY) {
            port->worker->blocked |= (uint16_t)(1U << port->udp.socket);
            set_events(port->worker);
            break;
        }
        if (err == CPS_ERR_TOO_LARGE)
            cps_ep_error(port->worker->ep, cps_worker_now(port->worker), &out[done].path, CPS_NET_TOO_LARGE,
                         out[done].bytes);
        done++; /* this datagram alone cannot go: the message layer repeats it or gives up */
    }
    return done;
}

static size_t same_socket(const cps_datagram_t *out, size_t count)
{
    size_t n = 1;
    while (n < count && out[n].path.socket == out[0].path.socket)
        n++;
    return n;
}

/* Hand everything queued to the sockets; false where one takes no more. */
static bool flush(cps_worker_t *w)
{
    cps_datagram_t out[SEND_BATCH];
    size_t count;
    while (w->blocked == 0 && (count = cps_ep_output(w->ep, cps_worker_now(w), out, SEND_BATCH)) != 0) {
        size_t run = same_socket(out, count);
        uint16_t number = out[0].path.socket;
        size_t done = run;
        if (number < w->port_count && w->ports[number].open)
            done = send_run(&w->ports[number], out, run);
        for (size_t i = 0; i < done && w->hooks.trace != NULL; i++)
            w->hooks.trace(w->hooks.user, true, &out[i]);
        cps_ep_sent(w->ep, done);
    }
    return w->blocked == 0;
}

/* ---- a turn: events, output, timer ---- */

static void on_timer(uv_timer_t *timer) { turn(timer->data); }

static void set_timer(cps_worker_t *w)
{
    cps_time_us_t when = cps_ep_deadline(w->ep);
    if (when == w->timer_at)
        return;
    w->timer_at = when;
    if (when == CPS_TIME_NEVER) {
        uv_timer_stop(&w->timer);
        return;
    }
    cps_time_us_t now = cps_worker_now(w);
    uint64_t wait_ms = when <= now ? 0 : (when - now + 999) / 1000;
    uv_update_time(w->loop);
    uv_timer_start(&w->timer, on_timer, wait_ms, 0);
}

static void run_events(cps_worker_t *w)
{
    cps_event_t event;
    do {
        w->again = false;
        while (cps_ep_event(w->ep, &event))
            if (w->hooks.event != NULL)
                w->hooks.event(w->hooks.user, &event);
        if (!flush(w))
            return;
    } while (cps_ep_pending(w->ep) || w->again);
}

static void turn(cps_worker_t *w)
{
    if (w->in_turn || w->ep == NULL) {
        w->again = true;
        return;
    }
    w->in_turn = true;
    w->timer_at = 0;
    cps_ep_tick(w->ep, cps_worker_now(w));
    run_events(w);
    w->in_turn = false;
    set_timer(w);
}

cps_err_t cps_worker_submit(cps_worker_t *worker, const cps_command_t *command, cps_handle_t *handle)
{
    cps_err_t err = cps_ep_submit(worker->ep, cps_worker_now(worker), command, handle);
    if (err != CPS_OK)
        return err;
    if (worker->in_turn)
        worker->again = true;
    else if (worker->timer_at != 1) { /* soon, on the loop: hooks never run inside a call of their owner */
        worker->timer_at = 1;
        uv_timer_start(&worker->timer, on_timer, 0, 0);
    }
    return CPS_OK;
}

/* ---- input ---- */

static void drain_errors(port_t *port)
{
    uint8_t quoted[QUOTED_MAX];
    cps_udp_error_t error;
    static const cps_net_error_t kinds[] = {[CPS_UDP_UNREACHABLE] = CPS_NET_UNREACHABLE,
                                            [CPS_UDP_TOO_LARGE] = CPS_NET_TOO_LARGE,
                                            [CPS_UDP_OTHER] = CPS_NET_OTHER};
    cps_worker_t *w = port->worker;
    while (cps_udp_next_error(&port->udp, quoted, sizeof quoted, &error))
        cps_ep_error(w->ep, cps_worker_now(w), &error.path, kinds[error.kind], error.quoted);
}

static void receive(port_t *port)
{
    cps_worker_t *w = port->worker;
    for (int round = 0; round < ROUNDS_MAX && w->blocked == 0; round++) {
        if (cps_udp_recv(&port->udp, &w->batch) != CPS_OK || w->batch.used == 0)
            return;
        for (uint32_t i = 0; i < w->batch.used && w->hooks.trace != NULL; i++)
            w->hooks.trace(w->hooks.user, false, &w->batch.datagrams[i]);
        cps_ep_input(w->ep, cps_worker_now(w), w->batch.datagrams, w->batch.used);
        run_events(w);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    port_t *port = poll->data;
    cps_worker_t *w = port->worker;
    if (!port->open)
        return;
    w->in_turn = true;
    if (status < 0)
        drain_errors(port); /* UV_EBADF: the kernel has reports about datagrams of ours */
    if (status == 0 && (events & UV_WRITABLE) != 0) {
        w->blocked &= (uint16_t) ~(1U << port->udp.socket);
        run_events(w); /* what waited, and the rest of an input that found the output full */
    }
    if (status == 0 && (events & UV_READABLE) != 0 && w->blocked == 0)
        receive(port);
    w->in_turn = false;
    if (status < 0 || (events & UV_WRITABLE) != 0)
        set_events(w); /* after an error libuv has stopped polling */
    turn(w);
}

/* While one socket is full, none is read: what came in so far waits for its answers to leave. */
static void set_events(cps_worker_t *w)
{
    if (w->closing != 0)
        return;
    for (uint16_t i = 0; i < w->port_count; i++) {
        port_t *port = &w->ports[i];
        int wanted = (w->blocked & 1U << i) != 0 ? UV_WRITABLE : (w->blocked == 0 ? UV_READABLE : 0);
        if (wanted == 0)
            uv_poll_stop(&port->poll);
        else
            uv_poll_start(&port->poll, wanted, on_poll);
    }
}

/* ---- sockets ---- */

static cps_err_t open_port(cps_worker_t *w, const cps_addr_t *at, bool client, uint16_t *number)
{
    if (w->port_count == CPS_SOCKETS_MAX) {
        snprintf(w->detail, sizeof w->detail, "at most %u sockets", CPS_SOCKETS_MAX);
        return CPS_ERR_FULL;
    }
    port_t *port = &w->ports[w->port_count];
    cps_udp_options_t options = {
        .socket = w->port_count, .errors = true, .receive_buffer = QUEUE_BYTES, .send_buffer = QUEUE_BYTES};
    cps_err_t err = cps_udp_open(&port->udp, at, &options);
    if (err != CPS_OK) {
        snprintf(w->detail, sizeof w->detail, "%s", port->udp.detail);
        return err;
    }
    if (uv_poll_init(w->loop, &port->poll, port->udp.fd) != 0) {
        cps_udp_close(&port->udp);
        return CPS_ERR_IO;
    }
    port->poll.data = port;
    port->worker = w;
    port->open = true;
    port->client = client;
    *number = w->port_count++;
    set_events(w);
    return CPS_OK;
}

cps_err_t cps_worker_listen(cps_worker_t *worker, const cps_addr_t *at, cps_addr_t *bound)
{
    uint16_t number = 0;
    cps_err_t err = open_port(worker, at, false, &number);
    if (err == CPS_OK && bound != NULL)
        *bound = worker->ports[number].udp.local;
    return err;
}

cps_err_t cps_worker_socket(cps_worker_t *worker, cps_family_t family, uint16_t *number)
{
    for (uint16_t i = 0; i < worker->port_count; i++) {
        if (worker->ports[i].client && worker->ports[i].udp.local.family == family) {
            *number = i;
            return CPS_OK;
        }
    }
    cps_addr_t any = {.family = (uint8_t)family};
    return open_port(worker, &any, true, number);
}

/* ---- life ---- */

static cps_err_t make_endpoint(cps_worker_t *w, const cps_ep_config_t *config)
{
    cps_ep_config_t full = *config;
    full.size = sizeof full;
    full.crypto = &w->crypto;
    w->memory_size = cps_ep_size(&full);
    if (w->memory_size == 0)
        return CPS_ERR_CONFIG;
    /* zeroed by the kernel when first touched: limits that are not used cost nothing */
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    /* cppcheck-suppress invalidFunctionArg ; MAP_ANONYMOUS wants -1 */
    w->memory = mmap(NULL, w->memory_size, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (w->memory == MAP_FAILED) {
        w->memory = NULL;
        return CPS_ERR_MEMORY;
    }
    (void)madvise(w->memory, w->memory_size, MADV_DONTDUMP); /* keys stay out of core files */
    w->message_max = full.message_max != 0 ? full.message_max : 1152;
    return cps_ep_init(&w->ep, w->memory, w->memory_size, &full);
}

static void release(cps_worker_t *w)
{
    cps_ep_fini(w->ep);
    if (w->memory != NULL)
        (void)munmap(w->memory, w->memory_size);
    cps_udp_batch_fini(&w->batch);
    cps_crypto_openssl_fini(&w->crypto);
    free(w);
}

cps_err_t cps_worker_new(cps_worker_t **out, uv_loop_t *loop, const cps_ep_config_t *config,
                         const cps_worker_hooks_t *hooks)
{
    *out = NULL;
    cps_worker_t *w = calloc(1, sizeof *w);
    if (w == NULL)
        return CPS_ERR_MEMORY;
    w->loop = loop;
    w->hooks = *hooks;
    cps_clock_init(&w->clock);
    cps_err_t err = cps_crypto_openssl_init(&w->crypto);
    if (err != CPS_OK) {
        free(w);
        return err;
    }
    err = make_endpoint(w, config);
    if (err == CPS_OK)
        err = cps_udp_batch_init(&w->batch, 0, w->message_max + 348);
    if (err != CPS_OK) {
        release(w);
        return err;
    }
    uv_timer_init(loop, &w->timer);
    w->timer.data = w;
    *out = w;
    return CPS_OK;
}

static void on_closed(uv_handle_t *handle)
{
    cps_worker_t *w = handle->type == UV_TIMER ? handle->data : ((port_t *)handle->data)->worker;
    if (--w->closing == 0)
        release(w);
}

void cps_worker_close(cps_worker_t *worker)
{
    if (worker == NULL)
        return;
    worker->in_turn = true; /* nothing runs any more */
    worker->closing = (uint16_t)(worker->port_count + 1);
    for (uint16_t i = 0; i < worker->port_count; i++) {
        port_t *port = &worker->ports[i];
        port->open = false;
        uv_poll_stop(&port->poll);
        cps_udp_close(&port->udp);
        uv_close((uv_handle_t *)&port->poll, on_closed);
    }
    uv_close((uv_handle_t *)&worker->timer, on_closed);
}
