// SPDX-License-Identifier: Apache-2.0
/* Long random histories of two ends that lose, repeat and crash: no (key, nonce) seals twice, no request is accepted
 * twice. Both ends try what they must not do, too. */
#include "oscore_kit.h"

#include "base/rng.h"

#include <stdlib.h>

enum { STEPS = 20000, KEPT = 64, NUMBERS = 1 << 20 };

/* A request on its way, or recorded by somebody. */
typedef struct recorded {
    uint8_t datagram[64];
    size_t len;
} recorded_t;

typedef struct used {
    uint8_t key[CPS_KEY_MAX];
    uint8_t nonce[CPS_NONCE_MAX];
} used_t;

typedef struct world {
    kit_t kit;
    cps_rng_seeded_t seeded;
    cps_rng_t rng;
    uint64_t ceilings[2]; /* on disk: client, server */
    cps_time_us_t now_us;
    recorded_t recorded[KEPT];
    cps_oscore_receipt_t receipts[KEPT]; /* at the server; number UINT64_MAX: none */
    uint64_t fresh_from;                 /* requests from this number on were sealed after the server's last start */
    used_t used[STEPS];
    size_t used_count;
    uint8_t accepted[NUMBERS];
} world_t;

static void note_seal(world_t *w)
{
    used_t *u = &w->used[w->used_count++];
    memcpy(u->key, w->kit.spy.key, 16);
    memcpy(u->nonce, w->kit.spy.nonce, sizeof u->nonce);
}

/* A number of an end, with its store answering at once; false at times, as where the store is down. */
static bool take(world_t *w, unsigned end, uint64_t *number)
{
    cps_oscore_seq_t *seq = end == 0 ? &w->kit.client.seq : &w->kit.server.seq;
    w->now_us += cps_rng_below(&w->rng, 100000);
    if (cps_oscore_seq_wants(seq)) {
        uint64_t ceiling = cps_oscore_seq_ask(seq, w->now_us);
        if (cps_rng_below(&w->rng, 4) == 0) {
            cps_oscore_seq_refused(seq);
        } else {
            w->ceilings[end] = ceiling;
            cps_oscore_seq_granted(seq, ceiling);
        }
    }
    return cps_oscore_seq_take(seq, number) == CPS_OK;
}

static void client_asks(world_t *w)
{
    cps_msg_t plain = kit_message(CPS_PUT, "open");
    cps_oscore_binding_t binding;
    cps_bytes_t sealed;
    uint64_t number;
    if (!take(w, 0, &number))
        return;
    assert_ok(kit_seal_request(&w->kit, number, &plain, &sealed, &binding));
    note_seal(w);
    recorded_t *r = &w->recorded[cps_rng_below(&w->rng, KEPT)];
    assert_true(sealed.len <= sizeof r->datagram);
    memcpy(r->datagram, sealed.ptr, sealed.len);
    r->len = sealed.len;
}

static void server_hears(world_t *w)
{
    const recorded_t *r = &w->recorded[cps_rng_below(&w->rng, KEPT)];
    cps_oscore_receipt_t *receipt = &w->receipts[cps_rng_below(&w->rng, KEPT)];
    cps_msg_t inner;
    if (r->len == 0)
        return;
    if (kit_open_request(&w->kit, cps_bytes(r->datagram, r->len), &inner, receipt) != CPS_OK)
        receipt->number = UINT64_MAX;
}

static void server_accepts(world_t *w)
{
    cps_oscore_receipt_t *receipt = &w->receipts[cps_rng_below(&w->rng, KEPT)];
    if (receipt->number == UINT64_MAX)
        return;
    cps_err_t err = cps_oscore_accept(&w->kit.server, receipt);
    /* Echo: only what was sealed after the start can carry a value of after it */
    if (err == CPS_ERR_WINDOW_UNKNOWN && receipt->number >= w->fresh_from)
        err = cps_oscore_accept_recovered(&w->kit.server, receipt);
    if (err != CPS_OK)
        return;
    assert_true(receipt->number < NUMBERS);
    assert_int_equal(w->accepted[receipt->number]++, 0);
}

/* Answers whatever it holds, accepted or not, under whatever nonce. */
static void server_answers(world_t *w)
{
    cps_oscore_receipt_t *receipt = &w->receipts[cps_rng_below(&w->rng, KEPT)];
    cps_msg_t plain = kit_message(CPS_CHANGED, "");
    cps_bytes_t sealed;
    uint64_t number = CPS_OSCORE_REQUEST_NONCE;
    if (receipt->number == UINT64_MAX || (cps_rng_below(&w->rng, 2) != 0 && !take(w, 1, &number)))
        return;
    if (kit_seal_response(&w->kit, number, &plain, &sealed, &receipt->binding) == CPS_OK)
        note_seal(w);
}

static void crash(world_t *w, unsigned end)
{
    cps_oscore_ctx_t *ctx = end == 0 ? &w->kit.client : &w->kit.server;
    cps_oscore_seq_restore(&ctx->seq, w->ceilings[end]);
    if (end == 0)
        return;
    cps_oscore_window_forget(&ctx->window);
    for (size_t i = 0; i < KEPT; i++)
        w->receipts[i].number = UINT64_MAX;
    w->fresh_from = w->kit.client.seq.next;
}

static void step(world_t *w)
{
    uint32_t dice = cps_rng_below(&w->rng, 1000);
    if (dice == 0)
        crash(w, 0);
    else if (dice == 1)
        crash(w, 1);
    else if (dice < 250)
        client_asks(w);
    else if (dice < 500)
        server_hears(w);
    else if (dice < 750)
        server_accepts(w);
    else
        server_answers(w);
}

static int compare(const void *a, const void *b) { return memcmp(a, b, sizeof(used_t)); }

static void history(uint64_t seed)
{
    world_t *w = calloc(1, sizeof *w);
    assert_non_null(w);
    print_message("# seed %u\n", (unsigned)seed);
    w->rng = cps_rng_from_seed(&w->seeded, seed);
    kit_start(&w->kit);
    cps_oscore_seq_restore(&w->kit.client.seq, 0);
    cps_oscore_seq_restore(&w->kit.server.seq, 0);
    for (size_t i = 0; i < KEPT; i++)
        w->receipts[i].number = UINT64_MAX;
    for (unsigned i = 0; i < STEPS; i++)
        step(w);
    qsort(w->used, w->used_count, sizeof *w->used, compare);
    for (size_t i = 1; i < w->used_count; i++)
        assert_true(compare(&w->used[i - 1], &w->used[i]) != 0);
    size_t accepted = 0;
    for (size_t i = 0; i < NUMBERS; i++)
        accepted += w->accepted[i];
    print_message("# %zu sealed, %zu accepted\n", w->used_count, accepted);
    assert_true(w->used_count > STEPS / 5 && accepted > STEPS / 40); /* something went on */
    kit_fini(&w->kit);
    free(w);
}

static void no_nonce_twice(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++)
        history(seed);
}

static const cps_case_t cases[] = {
    {"", "random histories with crashes: no nonce seals twice, no request is accepted twice", no_nonce_twice},
};

CPS_RUN("OSCORE nonces", cases)
