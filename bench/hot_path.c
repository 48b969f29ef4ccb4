// SPDX-License-Identifier: Apache-2.0
/* The way of a request through an endpoint and of its answer back, without sockets: what tools/bench-instructions counts.
 *
 *     hot_path ARM REQUESTS PEERS      ARM: con, non, sealed-con, sealed-non
 *
 * A client makes a batch of requests, and opens the answers; only `measured`, where the server works, is counted. */
#include <coapsule/core.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH        32U
#define DATAGRAM_MAX 128U

typedef struct store {
    cps_datagram_t *datagrams;
    uint8_t *bytes;
    size_t count;
} store_t;

typedef struct bench {
    uint64_t random;
    bool sealed, confirmable;
    uint32_t requests, peers;
    cps_ep_t *client, *server;
    cps_handle_t *contexts; /* of the client, one a peer */
    store_t sent, answers;
    uint8_t bodies[BATCH][8];
    uint64_t handled, delivered, spent_ns;
    cps_time_us_t now_us;
} bench_t;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "hot_path: %s\n", what);
    exit(1);
}

/* The same bytes in each run, so that counts can be compared. */
static void random_bytes(void *state, uint8_t *to, size_t len)
{
    uint64_t *x = state;
    for (size_t i = 0; i < len; i++) {
        *x = *x * 6364136223846793005U + 1442695040888963407U;
        to[i] = (uint8_t)(*x >> 56U);
    }
}

static cps_ep_t *endpoint(bench_t *b)
{
    cps_ep_config_t config = {.size = sizeof config,
                              .random = random_bytes,
                              .random_state = &b->random,
                              .peers = 2 * b->peers + 1, /* a quarter is kept from senders of plain POSTs */
                              .contexts = b->peers + 1,
                              .requests_out = BATCH,
                              .requests_in = BATCH,
                              .dedup_bytes = 16U << 20U,
                              .transmission = {.nstart = BATCH, .unsafe = true}};
    cps_ep_t *ep = NULL;
    if (cps_crypto_new(&config.crypto) != CPS_OK)
        fail("no cryptography");
    size_t size = cps_ep_size(&config);
    void *memory = calloc(1, size);
    if (memory == NULL || cps_ep_init(&ep, memory, size, &config) != CPS_OK)
        fail("no endpoint");
    return ep;
}

static cps_handle_t add_context(bench_t *b, cps_ep_t *ep, uint32_t peer, bool client)
{
    const uint8_t client_id[3] = {(uint8_t)(peer >> 16U), (uint8_t)(peer >> 8U), (uint8_t)peer};
    const uint8_t server_id[4] = {1, client_id[0], client_id[1], client_id[2]};
    cps_bytes_t ids[2] = {{client_id, sizeof client_id}, {server_id, sizeof server_id}};
    uint8_t secret[16] = {0};
    memcpy(secret, client_id, sizeof client_id);
    cps_context_t context = {.size = sizeof context,
                             .master_secret = {secret, sizeof secret},
                             .sender_id = ids[client ? 0 : 1],
                             .recipient_id = ids[client ? 1 : 0],
                             .aead = 10,
                             .window_size = -1,
                             .has_state = true,
                             .ceiling = (uint64_t)b->requests + 1,
                             .window_known = true};
    cps_handle_t handle = 0;
    cps_err_t err = cps_ep_context_add(ep, &context, &handle);
    if (err != CPS_OK)
        fail(cps_err_name(err));
    return handle;
}

static store_t new_store(uint32_t count)
{
    store_t s = {calloc(count, sizeof *s.datagrams), calloc(count, DATAGRAM_MAX), 0};
    if (s.datagrams == NULL || s.bytes == NULL)
        fail("no memory");
    return s;
}

static void free_store(store_t *s)
{
    free(s->datagrams);
    free(s->bytes);
}

static void put_aside(store_t *s, const cps_datagram_t *datagram)
{
    uint8_t *to = s->bytes + s->count * DATAGRAM_MAX;
    if (datagram->bytes.len > DATAGRAM_MAX)
        fail("a datagram of more than 128 bytes");
    memcpy(to, datagram->bytes.ptr, datagram->bytes.len);
    s->datagrams[s->count] = *datagram;
    s->datagrams[s->count++].bytes.ptr = to;
}

static cps_addr_t address(uint32_t host, uint16_t port)
{
    const uint8_t ip[4] = {127, (uint8_t)(host >> 16U), (uint8_t)(host >> 8U), (uint8_t)host};
    cps_addr_t addr = {.port = port, .family = CPS_FAMILY_IPV4};
    memcpy(addr.ip, ip, sizeof ip);
    return addr;
}

/* Answers 2.05 with the eight bytes that came and the count of runs. */
static void handle(bench_t *b, const cps_event_t *event)
{
    uint8_t payload[16] = {0};
    const cps_bytes_t *body = &event->u.request.message.payload;
    b->handled++;
    if (body->len == 8)
        memcpy(payload, body->ptr, 8);
    memcpy(payload + 8, &b->handled, 8);
    cps_command_t command = {
        .kind = CPS_COMMAND_REPLY,
        .u.reply = {.request = event->handle, .code = CPS_CONTENT, .payload = {payload, sizeof payload}}};
    if (cps_ep_submit(b->server, b->now_us, &command, NULL) != CPS_OK)
        fail("an answer was not taken");
}

static void drain(bench_t *b, cps_ep_t *ep, store_t *to)
{
    cps_datagram_t out[BATCH];
    size_t n;
    while ((n = cps_ep_output(ep, b->now_us, out, BATCH)) != 0) {
        for (size_t i = 0; i < n; i++)
            put_aside(to, &out[i]);
        cps_ep_sent(ep, n);
    }
}

/* What is counted: a batch of requests through the server, as a socket would give them. */
__attribute__((noinline)) static void measured(bench_t *b)
{
    cps_event_t event;
    cps_ep_input(b->server, b->now_us, b->sent.datagrams, b->sent.count);
    do {
        while (cps_ep_event(b->server, &event)) {
            if (event.kind == CPS_EVENT_REQUEST)
                handle(b, &event);
        }
        drain(b, b->server, &b->answers);
    } while (cps_ep_pending(b->server));
    if (cps_ep_deadline(b->server) <= b->now_us)
        cps_ep_tick(b->server, b->now_us);
}

static void make_request(bench_t *b, uint32_t number)
{
    static const cps_option_t path = {CPS_OPT_URI_PATH, {(const uint8_t *)"c", 1}};
    uint32_t peer = number % b->peers;
    uint8_t *body = b->bodies[number % BATCH];
    random_bytes(&b->random, body, 8);
    cps_command_t command = {.kind = CPS_COMMAND_REQUEST,
                             .u.request = {.path = {.remote = address(1, 5683)},
                                           .code = CPS_POST,
                                           .non_confirmable = !b->confirmable,
                                           .options = &path,
                                           .option_count = 1,
                                           .payload = {body, 8},
                                           .context = b->sealed ? b->contexts[peer] : 0,
                                           .user = number % BATCH}};
    if (cps_ep_submit(b->client, b->now_us, &command, NULL) != CPS_OK)
        fail("a request was not taken");
    drain(b, b->client, &b->sent);
    if (b->sent.count != number % BATCH + 1)
        fail("a request was not sent at once");
    cps_path_t *way = &b->sent.datagrams[number % BATCH].path;
    way->local = way->remote;
    way->remote = address(2 + peer, 40000);
    b->now_us += 10000; /* the clock of Message IDs gives that many for ever */
}

/* Each request has one answer, a 2.05 with the bytes that it carried, opened by the client. */
static void take_answers(bench_t *b)
{
    cps_event_t event;
    for (size_t i = 0; i < b->answers.count; i++)
        b->answers.datagrams[i].path = (cps_path_t){.remote = address(1, 5683)};
    cps_ep_input(b->client, b->now_us, b->answers.datagrams, b->answers.count);
    while (cps_ep_event(b->client, &event)) {
        if (event.kind != CPS_EVENT_RESPONSE)
            continue;
        const cps_event_response_t *r = &event.u.response;
        if (r->message.code != CPS_CONTENT || r->message.payload.len != 16 || (r->context != 0) != b->sealed ||
            memcmp(r->message.payload.ptr, b->bodies[r->user], 8) != 0)
            fail("an answer is not that of its request");
        b->delivered++;
    }
    b->sent.count = b->answers.count = 0;
    cps_ep_tick(b->client, b->now_us);
}

static void run(bench_t *b)
{
    b->sent = new_store(BATCH);
    b->answers = new_store(2 * BATCH);
    b->contexts = calloc(b->peers, sizeof *b->contexts);
    if (b->contexts == NULL)
        fail("no memory");
    for (uint32_t peer = 0; b->sealed && peer < b->peers; peer++) {
        b->contexts[peer] = add_context(b, b->client, peer, true);
        (void)add_context(b, b->server, peer, false);
    }
    for (uint32_t done = 0; done < b->requests; done += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++)
            make_request(b, done + i);
        uint64_t from = now_ns();
        measured(b);
        b->spent_ns += now_ns() - from;
        take_answers(b);
    }
    if (b->handled != b->requests || b->delivered != b->requests)
        fail("handler runs, answers and requests are not as many");
    free_store(&b->sent);
    free_store(&b->answers);
    free(b->contexts);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        fail("usage: hot_path con|non|sealed-con|sealed-non REQUESTS PEERS");
    bench_t b = {.random = 1,
                 .sealed = strncmp(argv[1], "sealed-", 7) == 0,
                 .requests = (uint32_t)strtoul(argv[2], NULL, 10),
                 .peers = (uint32_t)strtoul(argv[3], NULL, 10),
                 .now_us = 1000000000};
    b.confirmable = strcmp(argv[1] + (b.sealed ? 7 : 0), "con") == 0;
    if (b.requests == 0 || b.requests % BATCH != 0 || b.peers == 0)
        fail("REQUESTS is a multiple of 32, PEERS a number above 0");
    b.client = endpoint(&b);
    b.server = endpoint(&b);
    run(&b);
    printf("%s: %.0f ns a request\n", argv[1], (double)b.spent_ns / b.requests);
    exit(0); /* what it holds goes with it */
}
