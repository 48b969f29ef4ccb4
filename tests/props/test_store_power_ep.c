// SPDX-License-Identifier: Apache-2.0
/* Power cuts under the whole of it: a client and a server with their stores (power_pair.h). CPS_SEED starts elsewhere,
 * CPS_SEEDS says how many. */
#include "power_pair.h"

/* A thousand sends, at a pace that keeps the leases small; the power of one end goes at one call. Gives how many there
 * were. `restarts` is how often the server is ended and started meanwhile; at the end, and behind its crash, all that was
 * recorded comes once more. */
static uint64_t send_thousand(pair_t *p, const end_t *cut, uint64_t call, unsigned restarts)
{
    enum { SENDS = 1000, PACE_US = 50000, TIMEOUT_US = 10000000 };
    end_t *client = &p->ends[0];
    end_t *server = &p->ends[1];
    unsigned crashes = 0, replays = 0, lost = 0;
    cps_power_cut_after(cut->v.power, call);
    bring_up(client);
    bring_up(server);
    for (unsigned i = 0; i < SENDS; i++) {
        /* Somebody keeps a few from arriving. */
        p->loss_percent = i % 20 == 5 ? 100 : 0;
        ask(p, CPS_POST, i % 2 == 0, TIMEOUT_US);
        if (p->loss_percent != 0) {
            lost++;
            let_pass(p, TIMEOUT_US);
            let_pass(p, CPS_PEER_QUIET_MAX_US); /* until it asks a silent peer again */
            p->loss_percent = 0;
        }
        deliver(p);
        replays = server->crashes != crashes ? 3 : replays - (replays != 0); /* before and after it has recovered */
        crashes = server->crashes;
        if (replays != 0)
            replay_all(p);
        let_pass(p, PACE_US);
        if (restarts != 0 && i % (SENDS / restarts) == SENDS / restarts - 1)
            restart(p, server);
    }
    assert_int_equal(p->asked, SENDS);
    assert_in_range(p->answered, SENDS - lost - 3, SENDS - lost); /* what was open at the cut ended with it */
    assert_true(client->used >= SENDS - 3 && client->leases >= (cut != client || call == CPS_POWER_NEVER ? 15 : 1));
    replay_all(p);
    return cps_power_calls(cut->v.power);
}

static void cut_at_each_call(unsigned which, unsigned restarts)
{
    box_t boxes[2];
    cps_crypto_t crypto;
    uint64_t calls = 1;
    assert_ok(cps_crypto_openssl_init(&crypto));
    for (int i = 0; i < 2; i++)
        box_make(&boxes[i]);
    for (uint64_t call = 0; call < calls; call += VFS_SHARE) {
        if (call == 0) { /* how many there are */
            pair_t *whole = pair_new(0, boxes, &crypto);
            calls = send_thousand(whole, &whole->ends[which], CPS_POWER_NEVER, restarts);
            pair_free(whole);
        }
        pair_t *p = pair_new(call, boxes, &crypto);
        send_thousand(p, &p->ends[which], call, restarts);
        pair_free(p);
    }
    assert_true(calls > 50);
    print_message("# %llu calls\n", (unsigned long long)calls);
    for (int i = 0; i < 2; i++)
        box_drop(&boxes[i]);
    cps_crypto_openssl_fini(&crypto);
}

static void a_cut_at_each_call_of_a_thousand_sends(void **state)
{
    (void)state;
    cut_at_each_call(0, 0);
}

static void a_server_cut_at_each_call_refuses_old_requests(void **state)
{
    (void)state;
    cut_at_each_call(1, 4);
}

static void step(pair_t *p)
{
    static const uint8_t codes[] = {CPS_GET, CPS_POST, CPS_PUT};
    end_t *e = &p->ends[below(p, 2)];
    uint32_t what = below(p, 100);
    uint8_t code = codes[below(p, 3)];
    bool non = below(p, 3) == 0;
    if (what < 60)
        ask(p, code, non, 20000000);
    else if (what < 70 && p->recorded != 0)
        replay(p, below(p, (uint32_t)p->recorded), (uint16_t)below(p, 3));
    else if (what < 92)
        let_pass(p, below(p, 2000000));
    else if (what < 95)
        cps_power_cut_after(e->v.power, below(p, 12));
    else if (what < 97)
        cps_power_cut(e->v.power);
    else if (what < 99)
        restart(p, e);
    else
        p->loss_percent = below(p, 30);
    mind_cut(p, &p->ends[0]);
    mind_cut(p, &p->ends[1]);
    deliver(p);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void cuts_of_either_end_in_random_traffic(void **state)
{
    (void)state;
    enum { SEEDS = 130, STEPS = 300 };
    box_t boxes[2];
    cps_crypto_t crypto;
    unsigned sums[6] = {0};
    uint64_t first = from_environment("CPS_SEED", 1);
    uint64_t count = from_environment("CPS_SEEDS", SEEDS / VFS_SHARE);
    assert_ok(cps_crypto_openssl_init(&crypto));
    for (int i = 0; i < 2; i++)
        box_make(&boxes[i]);
    print_message("# seeds %llu to %llu\n", (unsigned long long)first, (unsigned long long)(first + count - 1));
    for (uint64_t seed = first; seed < first + count; seed++) {
        pair_t *p = pair_new(seed, boxes, &crypto);
        bring_up(&p->ends[0]);
        bring_up(&p->ends[1]);
        for (int i = 0; i < STEPS; i++)
            step(p);
        const unsigned seen[] = {p->asked, p->done, p->answered, p->challenged, p->cuts, p->clean};
        for (size_t i = 0; i < 6; i++)
            sums[i] += seen[i];
        pair_free(p);
    }
    print_message("# %u requests, %u done, %u answered, %u challenges, %u cuts, %u clean exits\n", sums[0], sums[1],
                  sums[2], sums[3], sums[4], sums[5]);
    if (count == SEEDS)
        assert_true(sums[1] > sums[0] / 2 && sums[2] > sums[0] / 2 && sums[3] > 100 && sums[4] >= 1000 &&
                    sums[5] > 100);
    for (int i = 0; i < 2; i++)
        box_drop(&boxes[i]);
    cps_crypto_openssl_fini(&crypto);
}

static const cps_case_t cases[] = {
    {"OPS-11", "a power cut at each call of a thousand sends uses no number twice",
     a_cut_at_each_call_of_a_thousand_sends},
    {"OSC-58", "a server cut at each call of its store goes on above all numbers sent and refuses what was recorded",
     a_server_cut_at_each_call_refuses_old_requests},
    {"OSC-77", "power cuts of either end in random traffic: no nonce twice, nothing done twice",
     cuts_of_either_end_in_random_traffic},
};

CPS_RUN("store_power_ep", cases)
