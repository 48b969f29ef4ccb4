// SPDX-License-Identifier: Apache-2.0
/* The loop: sends what is due, takes what came, by as few system calls as there are sources with something to do. */
#include "load.h"

#include "wire/msg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH    32U
#define EVENTS   64
#define QUIET_MS 1000 /* nothing came for so long: what is open is lost */

typedef struct source {
    int fd;
    uint32_t next; /* the next request of this source; they stand `sources` apart */
    uint32_t open;
} source_t;

typedef struct loop {
    const load_plan_t *plan;
    load_request_t *requests;
    load_result_t *result;
    source_t *sources;
    int epoll;
    uint64_t start_ns;
    uint64_t last_ns; /* when the last answer came */
    struct mmsghdr out[BATCH];
    struct iovec out_iov[BATCH];
    struct mmsghdr in[BATCH];
    struct iovec in_iov[BATCH];
    uint8_t bytes[BATCH][LOAD_MESSAGE_MAX];
} loop_t;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* ---- sources ---- */

/* 127.0.net.host: an endpoint that the server has not met in its life. */
static bool open_source(loop_t *loop, uint32_t index)
{
    const load_plan_t *plan = loop->plan;
    struct sockaddr_in local = {.sin_family = AF_INET};
    struct sockaddr_in remote = {.sin_family = AF_INET, .sin_port = htons(plan->port)};
    uint8_t ip[4] = {127, (uint8_t)(index / 250), plan->net, (uint8_t)(1 + index % 250)};
    int size = 1 << 20;
    memcpy(&local.sin_addr, ip, sizeof ip);
    source_t *source = &loop->sources[index];
    source->next = index;
    source->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    if (source->fd < 0 || inet_pton(AF_INET, plan->server, &remote.sin_addr) != 1)
        return false;
    setsockopt(source->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return bind(source->fd, (struct sockaddr *)&local, sizeof local) == 0 &&
           connect(source->fd, (struct sockaddr *)&remote, sizeof remote) == 0 &&
           epoll_ctl(loop->epoll, EPOLL_CTL_ADD, source->fd, &event) == 0;
}

static bool open_all(loop_t *loop)
{
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->sources = calloc(loop->plan->sources, sizeof *loop->sources);
    bool good = loop->epoll >= 0 && loop->sources != NULL;
    for (uint32_t i = 0; good && i < loop->plan->sources; i++)
        good = open_source(loop, i);
    for (uint32_t i = 0; i < BATCH; i++) {
        loop->out_iov[i] = (struct iovec){NULL, 0};
        loop->in_iov[i] = (struct iovec){loop->bytes[i], LOAD_MESSAGE_MAX};
        loop->out[i].msg_hdr = (struct msghdr){.msg_iov = &loop->out_iov[i], .msg_iovlen = 1};
        loop->in[i].msg_hdr = (struct msghdr){.msg_iov = &loop->in_iov[i], .msg_iovlen = 1};
    }
    if (!good)
        perror("bench-load: a source");
    return good;
}

static void close_all(loop_t *loop)
{
    for (uint32_t i = 0; loop->sources != NULL && i < loop->plan->sources; i++)
        if (loop->sources[i].fd > 0)
            close(loop->sources[i].fd);
    if (loop->epoll >= 0)
        close(loop->epoll);
    free(loop->sources);
}

/* ---- sending ---- */

/* When a request is due: the open loop has a schedule, and its times count from there. */
static uint64_t due_ns(const loop_t *loop, uint32_t number)
{
    return loop->start_ns + (uint64_t)((double)number * 1e9 / loop->plan->rate);
}

static uint32_t ready_of(const loop_t *loop, const source_t *source, uint64_t now)
{
    const load_plan_t *plan = loop->plan;
    uint32_t left = source->next < plan->requests ? (plan->requests - source->next - 1) / plan->sources + 1 : 0;
    uint32_t count = 0;
    if (plan->rate == 0) {
        uint32_t room = plan->window > source->open ? plan->window - source->open : 0;
        count = room < left ? room : left;
    } else {
        while (count < left && due_ns(loop, source->next + count * plan->sources) <= now)
            count++;
    }
    return count < BATCH ? count : BATCH;
}

static void send_some(loop_t *loop, source_t *source)
{
    uint64_t now = now_ns();
    uint32_t count = ready_of(loop, source, now);
    for (uint32_t i = 0; i < count; i++) {
        load_request_t *r = &loop->requests[source->next + i * loop->plan->sources];
        loop->out_iov[i] = (struct iovec){r->bytes, r->len};
        r->from_ns = loop->plan->rate == 0 ? now : due_ns(loop, source->next + i * loop->plan->sources);
    }
    if (count == 0)
        return;
    int sent = sendmmsg(source->fd, loop->out, count, 0);
    if (sent <= 0)
        return; /* the buffer is full: later */
    source->next += (uint32_t)sent * loop->plan->sources;
    source->open += (uint32_t)sent;
    loop->result->sent += (uint64_t)sent;
}

/* ---- taking ---- */

/* The number of the request stands in the token; where the server only echoes, in the same place. */
static bool take_one(loop_t *loop, source_t *source, const uint8_t *bytes, size_t len, uint64_t now)
{
    if (len < CPS_HEADER_LEN + LOAD_TOKEN_LEN || (bytes[0] & 15U) != LOAD_TOKEN_LEN)
        return false; /* an Empty ACK: the answer comes */
    uint32_t number = (uint32_t)bytes[4] << 24U | (uint32_t)bytes[5] << 16U | (uint32_t)bytes[6] << 8U | bytes[7];
    if (number >= loop->plan->requests || loop->requests[number].took_ns != 0)
        return false;
    load_request_t *r = &loop->requests[number];
    r->took_ns = now > r->from_ns ? now - r->from_ns : 1;
    r->answer_len = (uint16_t)len;
    memcpy(r->answer, bytes, len);
    source->open -= source->open != 0;
    loop->result->answered++;
    loop->last_ns = now;
    return true;
}

static void take_some(loop_t *loop, source_t *source)
{
    for (;;) {
        int count = recvmmsg(source->fd, loop->in, BATCH, 0, NULL);
        uint64_t now = now_ns();
        for (int i = 0; i < count; i++)
            take_one(loop, source, loop->bytes[i], loop->in[i].msg_len, now);
        if (count < (int)BATCH)
            return;
    }
}

/* ---- the whole ---- */

static void mark(loop_t *loop, load_usage_t *usage)
{
    *usage = load_usage(loop->plan);
    loop->result->has_usage = loop->plan->pid != 0;
}

/* What is open after a second of silence is lost; each source goes on with a fresh window. */
static void give_up_open(loop_t *loop)
{
    for (uint32_t i = 0; i < loop->plan->sources; i++) {
        loop->result->lost += loop->sources[i].open;
        loop->sources[i].open = 0;
    }
    loop->last_ns = now_ns();
}

static bool is_done(const loop_t *loop)
{
    return loop->result->sent == loop->plan->requests &&
           loop->result->answered + loop->result->lost >= loop->plan->requests;
}

static int wait_ms(const loop_t *loop) { return loop->plan->rate == 0 ? 100 : 0; }

static void spin(loop_t *loop, uint32_t until)
{
    struct epoll_event events[EVENTS];
    for (uint32_t i = 0; i < loop->plan->sources; i++)
        send_some(loop, &loop->sources[i]);
    while (!is_done(loop) && loop->result->answered + loop->result->lost < until) {
        int count = epoll_wait(loop->epoll, events, EVENTS, wait_ms(loop));
        for (int i = 0; i < count; i++) {
            source_t *source = &loop->sources[events[i].data.u32];
            take_some(loop, source);
            send_some(loop, source);
        }
        for (uint32_t i = 0; loop->plan->rate != 0 && i < loop->plan->sources; i++)
            send_some(loop, &loop->sources[i]);
        if (count == 0 && now_ns() - loop->last_ns > QUIET_MS * 1000000ULL && !is_done(loop)) {
            give_up_open(loop);
            for (uint32_t i = 0; i < loop->plan->sources; i++)
                send_some(loop, &loop->sources[i]);
        }
    }
}

static void sum_up(loop_t *loop, uint64_t warm_ns)
{
    for (uint32_t i = 0; i < loop->plan->requests; i++) {
        const load_request_t *r = &loop->requests[i];
        if (r->took_ns == 0 || r->from_ns + r->took_ns < warm_ns)
            continue;
        bench_hist_add(&loop->result->hist, r->took_ns);
        loop->result->measured++;
    }
}

bool load_run(const load_plan_t *plan, load_request_t *requests, load_result_t *result)
{
    loop_t *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return false;
    loop->plan = plan;
    loop->requests = requests;
    loop->result = result;
    bool good = open_all(loop);
    if (good) {
        loop->start_ns = loop->last_ns = now_ns();
        spin(loop, plan->warm_up);
        mark(loop, &result->before);
        uint64_t warm_ns = now_ns();
        spin(loop, UINT32_MAX);
        result->seconds = (double)(loop->last_ns - warm_ns) / 1e9;
        mark(loop, &result->after);
        sum_up(loop, warm_ns);
    }
    close_all(loop);
    free(loop);
    return good;
}
