// SPDX-License-Identifier: Apache-2.0
/* Contexts derived anew (RFC 8613 appendix B.2) through loss, copies, replays, crashes and power cuts at any step, stores
 * put back from old copies included. Over the whole history of a seed no nonce comes twice under one key, no POST is run
 * twice, and in the end both ends have one key.
 * REKEY_SEED=N in the environment runs one seed, with a line for each step. */
#include "rig.h"
#include "sim/spy.h"

#include <stdlib.h>

enum { SEEDS = 250, STEPS = 220, IN_FLIGHT = 64, HISTORY = 128, POSTS = 256, COPIES = 8 };

/* What an end has on disk. */
typedef struct disk {
    uint8_t id_context[CPS_ID_CONTEXT_MAX];
    uint8_t id_context_len; /* 0: the key as it was made */
    uint64_t ceiling;
    bool marked; /* key rekey */
} disk_t;

typedef struct end {
    rig_t *rig;
    cps_handle_t context;
    disk_t disk;
    disk_t copies[COPIES]; /* of before */
    unsigned copy_count;
    bool client;
} end_t;

typedef struct packet {
    uint8_t host;
    bool to_server;
    uint8_t bytes[512];
    size_t len;
} packet_t;

typedef struct world {
    cps_rng_seeded_t seeded;
    cps_rng_t rng;
    end_t ends[2]; /* server, client */
    packet_t flying[IN_FLIGHT];
    size_t flying_count;
    packet_t history[HISTORY];
    size_t history_count;
    unsigned posts;
    unsigned ran[POSTS];
    unsigned rekeyed;
    bool trace;
} world_t;

static cps_spy_t spy;
static world_t *now_running;

static uint32_t chance(world_t *w, uint32_t below) { return cps_rng_u32(&w->rng) % below; }

static void use_spy(cps_ep_config_t *config)
{
    config->crypto = &spy.crypto;
    config->transmission.nstart = 3;
    config->transmission.unsafe = true;
}

static void on_request(rig_t *rig, const cps_event_t *event)
{
    const cps_message_t *m = &event->u.request.message;
    if (m->code == CPS_POST && m->payload.len == 1) {
        assert_int_equal(now_running->ran[m->payload.ptr[0]], 0); /* a POST runs at most once */
        now_running->ran[m->payload.ptr[0]]++;
    }
    rig_reply(rig, event->handle, m->code == CPS_GET ? CPS_CONTENT : CPS_CHANGED, "");
}

/* ---- an end's lives ---- */

static void start(end_t *e, bool state_lost)
{
    cps_context_t context = rig_context_of(e->client);
    e->rig = rig_new(e->client ? 2 : 1, use_spy);
    e->rig->hold_jobs = true;
    e->rig->on_request = on_request;
    e->disk.marked |= state_lost; /* nothing else leads on (OPS-3) */
    context.id_context = cps_bytes(e->disk.id_context, e->disk.id_context_len);
    context.has_id_context = e->disk.id_context_len != 0;
    context.next_number = e->disk.ceiling;
    context.window_known = false;
    context.rederivable = true;
    context.rederive = e->disk.marked;
    context.has_state = !e->disk.marked;
    e->context = rig_add_context(e->rig, &context);
}

static void power_cut(world_t *w, end_t *e)
{
    bool old_copy = e->copy_count != 0 && chance(w, 6) == 0;
    uint64_t time = e->rig->now_us;
    rig_free(e->rig);
    e->rig = NULL;
    if (old_copy) /* what comes from a copy has no state, and is to be rekeyed */
        e->disk = e->copies[chance(w, e->copy_count)];
    if (chance(w, 2) == 0)
        e->disk.marked = true;
    start(e, old_copy);
    e->rig->now_us = time;
}

/* The store's answer, or the cut before or after its commit. */
static void do_job(world_t *w, end_t *e)
{
    const cps_event_job_t *job = &e->rig->held_job.u.job;
    uint32_t fate = chance(w, 10);
    if (e->rig->jobs == 0)
        return;
    e->rig->jobs = 0;
    if (fate == 0) {
        rig_grant(e->rig, CPS_ERR_STORE_FULL);
        rig_run(e->rig);
        return;
    }
    if (fate == 1) { /* before the commit */
        power_cut(w, e);
        return;
    }
    e->copies[e->copy_count < COPIES ? e->copy_count++ : chance(w, COPIES)] = e->disk;
    if (job->kind == CPS_JOB_REKEY) {
        memcpy(e->disk.id_context, job->id_context, job->id_context_len);
        e->disk.id_context_len = job->id_context_len;
        e->disk.ceiling = job->number;
        e->disk.marked = false;
        w->rekeyed++;
    } else if (job->number > e->disk.ceiling) {
        e->disk.ceiling = job->number;
    }
    if (fate == 2) { /* after it */
        power_cut(w, e);
        return;
    }
    rig_grant(e->rig, CPS_OK);
    rig_run(e->rig);
}

/* ---- the network ---- */

static void collect(world_t *w, end_t *e)
{
    for (size_t i = 0; i < e->rig->out_count; i++) {
        packet_t p = {.to_server = e->client, .host = e->client ? 2 : 1, .len = e->rig->out[i].len};
        assert_true(p.len <= sizeof p.bytes);
        memcpy(p.bytes, e->rig->out[i].bytes, p.len);
        w->history[w->history_count < HISTORY ? w->history_count++ : chance(w, HISTORY)] = p;
        if (w->flying_count < IN_FLIGHT)
            w->flying[w->flying_count++] = p;
    }
    rig_clear(e->rig);
}

static void deliver(world_t *w, const packet_t *p)
{
    end_t *to = &w->ends[p->to_server ? 0 : 1];
    rig_in(to->rig, p->host, 5683, cps_bytes(p->bytes, p->len));
}

static void carry_one(world_t *w)
{
    if (w->flying_count == 0)
        return;
    uint32_t i = chance(w, (uint32_t)w->flying_count);
    packet_t p = w->flying[i];
    uint32_t fate = chance(w, 12);
    if (fate != 0) /* else it goes once more */
        w->flying[i] = w->flying[--w->flying_count];
    if (fate != 1) /* else it is lost */
        deliver(w, &p);
}

/* ---- steps ---- */

static void ask(world_t *w)
{
    static const uint8_t codes[] = {CPS_GET, CPS_PUT, CPS_POST, CPS_POST};
    cps_option_t path;
    uint8_t number = (uint8_t)w->posts;
    end_t *client = &w->ends[1];
    cps_command_t c = {.kind = CPS_COMMAND_REQUEST, .u.request = rig_get(1, &path, "x")};
    c.u.request.code = codes[chance(w, 4)];
    c.u.request.context = client->context;
    c.u.request.timeout_us = 20000000;
    if (c.u.request.code == CPS_POST) {
        if (w->posts + 1 >= POSTS)
            return;
        w->posts++;
        c.u.request.payload = cps_bytes(&number, 1);
    } else if (c.u.request.code == CPS_PUT) {
        c.u.request.payload = CPS_BYTES_LIT("put");
    }
    (void)!cps_ep_submit(client->rig->ep, client->rig->now_us, &c, NULL); /* full, busy or silent: another time */
    rig_run(client->rig);
}

static void pass_time(world_t *w)
{
    uint64_t us = 1000ULL * (1 + chance(w, 6000));
    for (int i = 0; i < 2; i++)
        rig_advance(w->ends[i].rig, us);
}

static void step(world_t *w)
{
    uint32_t what = chance(w, 100);
    end_t *e = &w->ends[chance(w, 2)];
    if (w->trace)
        printf("# step %u at %s, %zu flying, %u seals\n", what, e->client ? "client" : "server", w->flying_count,
               spy.seals);
    if (what < 15)
        ask(w);
    else if (what < 65)
        carry_one(w);
    else if (what < 80)
        do_job(w, e);
    else if (what < 90)
        pass_time(w);
    else if (what < 95 && w->history_count != 0)
        deliver(w, &w->history[chance(w, (uint32_t)w->history_count)]);
    else if (what < 98)
        power_cut(w, e);
    for (int i = 0; i < 2; i++)
        collect(w, &w->ends[i]);
    assert_false(spy.repeated); /* no nonce twice under one key */
}

/* Everything works from here on: an operator says key rekey, and a request gets its answer. */
static void settle(world_t *w)
{
    end_t *client = &w->ends[1];
    cps_option_t path;
    for (int i = 0; i < 2; i++) {
        rig_free(w->ends[i].rig);
        w->ends[i].rig = NULL;
        w->ends[i].disk.marked |= w->ends[i].client;
        start(&w->ends[i], false);
        w->ends[i].rig->hold_jobs = false;
    }
    cps_command_request_t r = rig_get(1, &path, "x");
    r.context = client->context;
    rig_request(client->rig, &r);
    rig_shuttle(client->rig, w->ends[0].rig);
    assert_int_equal(client->rig->responses, 1);
    assert_int_equal(client->rig->notes[CPS_NOTE_REKEYED], 1);
    assert_false(spy.repeated);
}

static unsigned live(uint64_t seed, bool trace)
{
    world_t *w = calloc(1, sizeof *w);
    cps_crypto_t real;
    assert_non_null(w);
    now_running = w;
    w->trace = trace;
    w->rng = cps_rng_from_seed(&w->seeded, seed);
    assert_ok(cps_crypto_openssl_init(&real));
    assert_ok(cps_spy_init(&spy, &real, w->rng));
    for (int i = 0; i < 2; i++) {
        w->ends[i].client = i == 1;
        start(&w->ends[i], false);
    }
    for (int i = 0; i < STEPS; i++)
        step(w);
    settle(w);
    unsigned rekeyed = w->rekeyed;
    for (int i = 0; i < 2; i++)
        rig_free(w->ends[i].rig);
    assert_false(spy.full);
    cps_spy_fini(&spy);
    cps_crypto_openssl_fini(&real);
    free(w);
    return rekeyed;
}

static void nothing_comes_twice(void **state)
{
    (void)state;
    const char *named = getenv("REKEY_SEED");
    unsigned rekeyed = 0;
    uint64_t from = named != NULL ? strtoull(named, NULL, 10) : 1;
    uint64_t to = named != NULL ? from : SEEDS;
    for (uint64_t seed = from; seed <= to; seed++) {
        print_message("# seed %llu (REKEY_SEED=N runs one, with its steps)\r", (unsigned long long)seed);
        rekeyed += live(seed, named != NULL);
    }
    print_message("# %llu seeds, %u keys derived\n", (unsigned long long)to - from + 1, rekeyed);
    assert_true(named != NULL || rekeyed > SEEDS);
}

static const cps_case_t cases[] = {
    {"", "no nonce and no POST comes twice over crashes, copies and replays of rederivation", nothing_comes_twice},
};

CPS_RUN("rekey_power", cases)
