// SPDX-License-Identifier: Apache-2.0
/* Client and server, each an endpoint with a keyring in an SQLite store on a disk of its own that can lose its power, in
 * virtual time; and between them somebody who records the sealed requests and sends them again. Whatever is cut, an end
 * goes on above all numbers that it sent, no (key, nonce) is sealed under twice, and no request is done twice, nor one
 * from before the server's last crash at all: all of that is checked as it goes. */
#ifndef CPS_TESTS_PROPS_POWER_PAIR_H
#define CPS_TESTS_PROPS_POWER_PAIR_H

#include "vfs.h"

#include "host/keyring.h"
#include "msg/peer.h"
#include "sim/spy.h"

enum { QUEUE = 64, ASKED_MAX = 2048, DATAGRAM_MAX = 1500, RECORDS_MAX = 4096, SEALED_MAX = 128 };

typedef struct end end_t;
typedef struct pair pair_t;

struct end {
    vfs_box_t v;
    cps_store_t *store;
    cps_keyring_t *keyring;
    cps_ep_t *ep; /* NULL: down */
    void *memory;
    size_t memory_size;
    cps_ep_config_t config;
    cps_handle_t context;
    cps_addr_t addr;
    bool is_client;
    uint64_t granted; /* the highest ceiling that the store said is durable */
    uint64_t asked;   /* the highest one asked of it */
    uint64_t used;    /* every number below was sealed under */
    uint64_t saved;   /* next number of a clean exit; UINT64_MAX where none counts */
    uint64_t saving;  /* likewise, where the power went in the middle of it */
    uint64_t leases;
    unsigned crashes; /* starts without a window */
};

typedef struct packet {
    end_t *to;
    size_t len;
    uint8_t bytes[DATAGRAM_MAX];
} packet_t;

/* A sealed request as it left the client. */
typedef struct record {
    size_t len;
    uint8_t bytes[SEALED_MAX];
    unsigned crashes; /* of the server, up to then */
    bool is_done;
} record_t;

struct pair {
    end_t ends[2]; /* client, server */
    record_t records[RECORDS_MAX];
    size_t recorded;
    record_t *arrived; /* what the server is given now */
    cps_spy_t spy;
    cps_rng_seeded_t seeded[2];
    cps_rng_t rng;
    cps_time_us_t now_us;
    packet_t queue[QUEUE];
    size_t queued;
    unsigned loss_percent;
    bool is_posted[ASKED_MAX];
    bool is_done[ASKED_MAX];
    unsigned asked;
    unsigned done;
    unsigned answered;
    unsigned challenged;
    unsigned cuts;
    unsigned clean;
};

static uint32_t below(pair_t *p, uint32_t bound) { return cps_rng_below(&p->rng, bound); }

static void set_id(cps_store_bytes_t *to, const char *text) { put_bytes(to, text, strlen(text)); }

/* The key of one end: the other's with the identifiers turned round. */
static cps_store_key_t key_of(const end_t *e)
{
    cps_store_key_t k = {.secret_len = 16, .aead = 10, .window = 32, .name = "peer"};
    memset(k.secret, 7, 16);
    set_id(&k.sender_id, e->is_client ? "c" : "s");
    set_id(&k.recipient_id, e->is_client ? "s" : "c");
    memset(k.state_id, e->is_client ? 1 : 2, sizeof k.state_id);
    memset(k.window_id, e->is_client ? 3 : 4, sizeof k.window_id);
    return k;
}

/* ---- down and up ---- */

static void take_down(end_t *e)
{
    if (e->ep != NULL)
        cps_ep_fini(e->ep);
    cps_keyring_free(e->keyring);
    if (e->store != NULL)
        e->store->table->close(e->store);
    e->ep = NULL;
    e->keyring = NULL;
    e->store = NULL;
}

static bool is_cut(const end_t *e) { return cps_power_is_cut(e->v.power); }

/* Open, add the key the first time, own it. False where the power goes in the middle of it. */
static bool try_up(end_t *e)
{
    cps_store_key_t k = key_of(e);
    const cps_credential_t *own = NULL;
    memset(e->memory, 0, e->memory_size);
    cps_err_t err = vfs_open(&e->v, &e->store);
    if (err == CPS_OK)
        err = e->store->table->key_add(e->store, &k, &unused);
    if (err == CPS_OK || err == CPS_ERR_EXISTS)
        err = cps_ep_init(&e->ep, e->memory, e->memory_size, &e->config);
    if (err == CPS_OK)
        err = cps_keyring_new(&e->keyring, e->store, e->ep);
    if (err == CPS_OK && e->is_client)
        err = cps_keyring_own(e->keyring, k.name, 0, &own); /* as a command does, with its first lease */
    else if (err == CPS_OK)
        err = cps_keyring_load(e->keyring, NULL); /* as a daemon does */
    if (err == CPS_OK) {
        e->context = cps_keyring_at(e->keyring, 0)->context;
        return true;
    }
    if (!is_cut(e))
        fail_msg("%s: %s", cps_err_name(err), cps_store_detail());
    return false;
}

/* The last durable ceiling, or one that was being made durable (RFC 8613 B.1.1): anything else would be a guess. */
static void assert_next(end_t *e, const cps_context_state_t *at)
{
    bool leased = at->next_number >= e->granted && at->next_number <= e->asked;
    bool saved = at->next_number == e->saved || at->next_number == e->saving;
    if (at->next_number < e->used || !(leased || saved))
        fail_msg("%s: starts at %llu; granted %llu, asked %llu, used %llu", e->is_client ? "client" : "server",
                 (unsigned long long)at->next_number, (unsigned long long)e->granted, (unsigned long long)e->asked,
                 (unsigned long long)e->used);
}

static void bring_up(end_t *e)
{
    cps_context_state_t at;
    uint64_t asked = e->asked;
    while (!try_up(e)) {
        take_down(e);
        cps_power_on(e->v.power);
        /* each try may have left a first lease behind it */
        asked += 64;
    }
    e->asked = asked;
    assert_ok(cps_sqlite_inspect(cps_sqlite_of(e->store), vfs_complain, NULL));
    assert_ok(cps_ep_context_state(e->ep, e->context, &at));
    assert_next(e, &at);
    e->saved = UINT64_MAX;
    e->saving = UINT64_MAX;
    e->crashes += !at.window_known;
    e->granted = at.ceiling;
    e->asked = at.ceiling + 64;
}

static void end_init(end_t *e, pair_t *p, bool is_client, const box_t *box, uint64_t seed)
{
    cps_power_t *power;
    assert_ok(cps_power_new(&power, seed));
    *e = (end_t){.v = {*box, power}, .is_client = is_client, .saved = 0, .saving = UINT64_MAX, .asked = 64};
    e->addr = (cps_addr_t){.ip = {127, 0, 0, is_client ? 1 : 2}, .port = 5683, .family = CPS_FAMILY_IPV4};
    e->config = (cps_ep_config_t){.size = sizeof e->config,
                                  .crypto = &p->spy.crypto,
                                  .random = p->spy.rng.fill,
                                  .random_state = p->spy.rng.state,
                                  .peers = 8,
                                  .contexts = 2,
                                  .requests_in = 16,
                                  .requests_out = 64,
                                  .dedup_bytes = 65536,
                                  .request_bytes = 65536};
    e->memory_size = cps_ep_size(&e->config);
    e->memory = malloc(e->memory_size);
    assert_non_null(e->memory);
}

static void end_fini(end_t *e)
{
    take_down(e);
    cps_power_free(e->v.power);
    free(e->memory);
}

/* The power was cut somewhere in what this end did: it is gone, and comes back. */
static void mind_cut(pair_t *p, end_t *e)
{
    if (!is_cut(e))
        return;
    p->cuts++;
    take_down(e);
    cps_power_on(e->v.power);
    bring_up(e);
}

/* ---- what happens between them ---- */

static void lease(end_t *e, const cps_event_t *event)
{
    cps_store_lease_t l;
    cps_keyring_lease(e->keyring, &event->u.job, &l);
    e->asked = l.ceiling > e->asked ? l.ceiling : e->asked;
    cps_err_t err = e->store->table->lease(e->store, &l, 1, false, false);
    if (err == CPS_OK)
        err = l.result;
    if (err == CPS_OK) {
        e->granted = l.ceiling > e->granted ? l.ceiling : e->granted;
        e->leases++;
    } else if (!is_cut(e)) {
        fail_msg("%s: %s", cps_err_name(err), cps_store_detail());
    }
    cps_command_t done = {.kind = CPS_COMMAND_JOB_DONE,
                          .u.job_done = {.job = event->handle, .result = err, .number = l.ceiling}};
    if (!is_cut(e)) /* else nobody is there any more to hear it */
        assert_ok(cps_ep_submit(e->ep, 0, &done, NULL));
}

static void do_request(pair_t *p, end_t *e, const cps_event_t *event)
{
    unsigned number;
    assert_int_equal(event->u.request.message.payload.len, sizeof number);
    memcpy(&number, event->u.request.message.payload.ptr, sizeof number);
    assert_true(number < p->asked);
    assert_true(event->u.request.context != 0);
    if (p->is_posted[number])
        assert_false(p->is_done[number]); /* restarts or not */
    p->is_done[number] = true;
    assert_non_null(p->arrived);
    assert_false(p->arrived->is_done);
    assert_int_equal(p->arrived->crashes, e->crashes); /* an old message is not accepted (RFC 8613 §7.5) */
    p->arrived->is_done = true;
    p->done++;
    cps_command_t reply = {.kind = CPS_COMMAND_REPLY, .u.reply = {.request = event->handle, .code = CPS_CHANGED}};
    assert_ok(cps_ep_submit(e->ep, p->now_us, &reply, NULL));
}

static void hear(pair_t *p, end_t *e, const cps_event_t *event)
{
    if (event->kind == CPS_EVENT_JOB)
        lease(e, event);
    else if (event->kind == CPS_EVENT_REQUEST)
        do_request(p, e, event);
    else if (event->kind == CPS_EVENT_RESPONSE)
        p->answered++;
    else if (event->kind == CPS_EVENT_NOTE)
        p->challenged += event->u.note.kind == CPS_NOTE_CHALLENGED;
}

/* The record of a datagram; a new one for what was not seen yet. NULL: no request. */
static record_t *record_of(pair_t *p, const packet_t *packet)
{
    if (packet->to->is_client || packet->bytes[1] != CPS_POST)
        return NULL;
    for (size_t i = p->recorded; i-- > 0;) {
        if (p->records[i].len == packet->len && memcmp(p->records[i].bytes, packet->bytes, packet->len) == 0)
            return &p->records[i];
    }
    assert_true(p->recorded < RECORDS_MAX && packet->len <= SEALED_MAX);
    record_t *r = &p->records[p->recorded++];
    *r = (record_t){.len = packet->len, .crashes = packet->to->crashes};
    memcpy(r->bytes, packet->bytes, packet->len);
    return r;
}

static void send_out(pair_t *p, end_t *e)
{
    cps_datagram_t out[8];
    size_t count;
    end_t *to = e->is_client ? &p->ends[1] : &p->ends[0];
    while ((count = cps_ep_output(e->ep, p->now_us, out, 8)) != 0) {
        for (size_t i = 0; i < count; i++) {
            if (out[i].path.remote.port != to->addr.port || p->queued == QUEUE)
                continue; /* an answer to a copy from elsewhere */
            packet_t *packet = &p->queue[p->queued];
            assert_true(out[i].bytes.len <= DATAGRAM_MAX);
            packet->to = to;
            packet->len = out[i].bytes.len;
            memcpy(packet->bytes, out[i].bytes.ptr, packet->len);
            record_of(p, packet);
            if (below(p, 100) >= p->loss_percent)
                p->queued++;
        }
        cps_ep_sent(e->ep, count);
    }
}

/* What it says and sends; it may go down in the middle of it, with what it sent already on its way. */
static void run(pair_t *p, end_t *e)
{
    cps_event_t event;
    cps_context_state_t at;
    do {
        while (!is_cut(e) && cps_ep_event(e->ep, &event))
            hear(p, e, &event);
        if (!is_cut(e))
            send_out(p, e);
    } while (!is_cut(e) && cps_ep_pending(e->ep));
    if (cps_ep_context_state(e->ep, e->context, &at) == CPS_OK) {
        assert_true(at.next_number <= e->granted); /* never above what is on the disk */
        e->used = at.next_number > e->used ? at.next_number : e->used;
    }
    assert_false(p->spy.repeated);
    assert_false(p->spy.full);
    mind_cut(p, e);
}

static void give(pair_t *p, end_t *to, cps_bytes_t bytes, uint16_t other_port)
{
    cps_datagram_t in = {.path = {.remote = p->ends[to->is_client ? 1 : 0].addr, .local = to->addr}, .bytes = bytes};
    in.path.remote.port = other_port != 0 ? other_port : in.path.remote.port;
    cps_ep_input(to->ep, p->now_us, &in, 1);
    run(p, to);
    p->arrived = NULL;
}

static void deliver(pair_t *p)
{
    while (p->queued != 0) {
        packet_t packet = p->queue[0];
        memmove(&p->queue[0], &p->queue[1], --p->queued * sizeof packet);
        p->arrived = record_of(p, &packet);
        give(p, packet.to, cps_bytes(packet.bytes, packet.len), 0);
    }
}

/* A recorded request once more, from the client's port or from another one. */
static void replay(pair_t *p, size_t number, uint16_t other_port)
{
    p->arrived = &p->records[number];
    give(p, &p->ends[1], cps_bytes(p->arrived->bytes, p->arrived->len), other_port);
    deliver(p);
}

static void replay_all(pair_t *p)
{
    for (size_t i = p->recorded; i-- > 0;) {
        replay(p, i, 0);
        replay(p, i, 1000);
    }
}

static void ask(pair_t *p, uint8_t code, bool non, uint64_t timeout_us)
{
    end_t *e = &p->ends[0];
    unsigned number = p->asked;
    assert_true(number < ASKED_MAX);
    cps_command_t command = {.kind = CPS_COMMAND_REQUEST,
                             .u.request = {.path = {.remote = p->ends[1].addr},
                                           .code = code,
                                           .non_confirmable = non,
                                           .payload = cps_bytes(&number, sizeof number),
                                           .context = e->context,
                                           .timeout_us = timeout_us}};
    if (cps_ep_submit(e->ep, p->now_us, &command, NULL) != CPS_OK)
        return; /* too many open ones */
    p->is_posted[p->asked++] = code == CPS_POST;
    run(p, e);
}

static void let_pass(pair_t *p, uint64_t time_us)
{
    p->now_us += time_us;
    for (int i = 0; i < 2; i++) {
        cps_ep_tick(p->ends[i].ep, p->now_us);
        run(p, &p->ends[i]);
    }
    deliver(p);
}

/* A clean exit and the next start; the power may go in it, too. */
static void restart(pair_t *p, end_t *e)
{
    cps_context_state_t at;
    assert_ok(cps_ep_context_state(e->ep, e->context, &at));
    cps_err_t err = cps_keyring_save(e->keyring);
    e->saving = at.next_number;
    if (err == CPS_OK)
        e->saved = at.next_number;
    else
        assert_true(is_cut(e));
    take_down(e);
    p->cuts += is_cut(e);
    if (is_cut(e))
        cps_power_on(e->v.power);
    bring_up(e);
    p->clean++;
}

static pair_t *pair_new(uint64_t seed, const box_t boxes[2], cps_crypto_t *crypto)
{
    pair_t *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->rng = cps_rng_from_seed(&p->seeded[0], seed);
    p->now_us = 1000000000;
    assert_ok(cps_spy_init(&p->spy, crypto, cps_rng_from_seed(&p->seeded[1], ~seed)));
    for (int i = 0; i < 2; i++)
        end_init(&p->ends[i], p, i == 0, &boxes[i], seed + (uint64_t)i);
    return p;
}

static void pair_free(pair_t *p)
{
    for (int i = 0; i < 2; i++)
        end_fini(&p->ends[i]);
    cps_spy_fini(&p->spy);
    free(p);
}

#endif
