// SPDX-License-Identifier: Apache-2.0
/* Power cuts in the middle of histories of a store, from seeds: leases, clean exits, new keys, faults of the disk; then
 * the power is back. The store opens sound, no granted lease is lost, no number is used or accepted twice. CPS_SEED
 * starts elsewhere, CPS_SEEDS says how many. */
#include "vfs.h"

#include "base/rng.h"

enum { CONTEXTS = 4, STEPS = 60, CUTS = 1000, MAYBES = 64 };

/* What the disk may hold of a context. A call that was refused, or that never returned, may have reached it, and may even
 * come to light after a clean start, while nothing else was committed: SQLite does not sync the deletion of a -wal. */
typedef struct belief {
    uint64_t next;
    uint64_t ceiling;
    uint64_t window; /* UNKNOWN for none */
} belief_t;

#define UNKNOWN CPS_TIME_NEVER

typedef struct context {
    cps_store_key_t key;
    belief_t maybe[MAYBES]; /* the first is what was there before */
    size_t maybes;
    bool added;    /* key_add returned CPS_OK */
    bool ready;    /* a lease with invalidate returned CPS_OK in this life, and nothing was saved since */
    uint64_t next; /* as its owner has it */
    uint64_t ceiling;
    uint64_t window;
    uint64_t sent;     /* every number below was used */
    uint64_t accepted; /* likewise, of what was received */
} context_t;

typedef struct history {
    vfs_box_t v;
    uint64_t seed; /* see it again: CPS_SEED=... CPS_SEEDS=1 */
    cps_store_t *s;
    cps_rng_t rng;
    cps_rng_seeded_t seeded;
    context_t contexts[CONTEXTS];
    bool faulty; /* the disk refuses something just now */
} history_t;

/* Over all histories of a test: that they are about something. */
typedef struct tally {
    unsigned granted;
    unsigned refused;
    unsigned saved_came_back;
    unsigned unheard_came_true; /* the disk held what no call had returned */
    unsigned sends;
} tally_t;

static uint32_t below(history_t *h, uint32_t bound) { return cps_rng_below(&h->rng, bound); }

static void learn(context_t *c, belief_t b, cps_err_t err)
{
    if (err == CPS_OK)
        c->maybes = 0;
    assert_true(c->maybes < MAYBES);
    c->maybe[c->maybes++] = b;
}

/* A commit that succeeded: what was refused before is gone for good, of all contexts. */
static void settled(history_t *h, cps_err_t err)
{
    for (size_t i = 0; i < CONTEXTS && err == CPS_OK; i++)
        h->contexts[i].maybes = h->contexts[i].added;
}

/* What a lease, or a start of the whole store, makes of what may be there. */
static belief_t used_up(belief_t b, uint64_t ceiling)
{
    b.ceiling = ceiling > b.ceiling ? ceiling : b.ceiling;
    b.next = b.ceiling;
    b.window = UNKNOWN;
    return b;
}

static void use_up_all(history_t *h, cps_err_t err)
{
    for (size_t i = 0; i < CONTEXTS; i++) {
        context_t *c = &h->contexts[i];
        size_t count = c->maybes;
        for (size_t j = 0; j < count; j++) {
            belief_t b = used_up(c->maybe[j], 0);
            if (err == CPS_OK)
                c->maybe[j] = b;
            else
                learn(c, b, err);
        }
        c->ready |= err == CPS_OK && c->added;
    }
    settled(h, err);
}

/* Nothing but the disk's refusals may make a call fail. */
static void assert_excused(const history_t *h, cps_err_t err)
{
    if (err != CPS_OK && !h->faulty && !cps_power_is_cut(h->v.power))
        fail_msg("refused without cause: %s: %s", cps_err_name(err), cps_store_detail());
    if (err != CPS_OK)
        assert_true(err == CPS_ERR_STORE || err == CPS_ERR_STORE_FULL);
}

static void add(history_t *h, context_t *c)
{
    if (c->added)
        return;
    cps_err_t err = h->s->table->key_add(h->s, &c->key, &unused);
    /* it may have come to light in spite of the refusal that it got before */
    c->added = err == CPS_OK || err == CPS_ERR_EXISTS;
    if (err != CPS_ERR_EXISTS)
        assert_excused(h, err);
    if (c->added) {
        int64_t pid;
        learn(c, (belief_t){0, 0, 0}, CPS_OK);
        settled(h, err);
        assert_excused(h, h->s->table->lock(h->s, &c->key, &pid));
    }
}

static void lease(history_t *h, tally_t *t)
{
    cps_store_lease_t leases[CONTEXTS];
    context_t *of[CONTEXTS];
    size_t count = 0;
    for (size_t i = 0; i < CONTEXTS; i++) {
        context_t *c = &h->contexts[i];
        if (!c->added || below(h, 2) == 0)
            continue;
        of[count] = c;
        leases[count++] = lease_of(&c->key, below(h, 4) == 0 ? 0 : c->next + 1 + below(h, 200));
    }
    size_t granted = 0;
    assert_excused(h, h->s->table->lease(h->s, leases, count, true, false));
    for (size_t i = 0; i < count; i++) {
        /* one that could not be locked is told apart, and gets nothing */
        cps_err_t err = leases[i].result == CPS_ERR_ARGUMENT ? CPS_ERR_STORE : leases[i].result;
        assert_excused(h, err);
        belief_t b = used_up((belief_t){.ceiling = of[i]->maybe[0].ceiling}, leases[i].ceiling);
        learn(of[i], b, err);
        if (err != CPS_OK)
            continue;
        granted++;
        of[i]->ready = true;
        of[i]->ceiling = leases[i].ceiling > of[i]->ceiling ? leases[i].ceiling : of[i]->ceiling;
    }
    if (granted != 0)
        settled(h, CPS_OK);
    t->granted += granted != 0;
    t->refused += granted < count;
}

static void start_all(history_t *h)
{
    cps_err_t err = h->s->table->lease(h->s, NULL, 0, true, true);
    assert_excused(h, err);
    use_up_all(h, err);
}

static void traffic(history_t *h, context_t *c, tally_t *t)
{
    if (!c->ready)
        return;
    for (uint32_t n = below(h, 40); n != 0 && c->next < c->ceiling; n--, t->sends++) {
        assert_true(c->next >= c->sent);
        c->sent = ++c->next;
    }
    if (c->window == UNKNOWN) /* Echo recovers it */
        c->window = c->accepted;
    assert_true(c->window >= c->accepted);
    c->window += below(h, 10);
    c->accepted = c->window;
}

static void save(history_t *h, context_t *c)
{
    if (!c->ready)
        return;
    cps_store_closing_t closing = closing_of(&c->key, c->next, c->window == UNKNOWN ? 0 : c->window);
    closing.window_known = c->window != UNKNOWN;
    cps_err_t err = h->s->table->save(h->s, &closing, 1);
    assert_excused(h, err);
    learn(c, (belief_t){c->next, c->maybe[0].ceiling, c->window}, err);
    settled(h, err);
    c->ready = false;
}

static bool same(const belief_t *b, const cps_store_state_t *at, uint64_t ceiling)
{
    return b->next == at->next && b->ceiling == ceiling && (b->window != UNKNOWN) == at->window_known &&
           (b->window == UNKNOWN || b->window == at->window_next);
}

/* What the store says has to be one of what may be; it is what counts from here on. */
static void look(history_t *h, context_t *c, tally_t *t)
{
    cps_store_state_t at;
    uint64_t ceiling;
    size_t i = 0;
    assert_ok(h->s->table->state_get(h->s, &c->key, &at, &ceiling));
    while (i < c->maybes && !same(&c->maybe[i], &at, ceiling))
        i++;
    if (i == c->maybes)
        fail_msg("seed %llu: %s: next %llu, ceiling %llu: neither what was there nor what was asked for",
                 (unsigned long long)h->seed, c->key.name, (unsigned long long)at.next, (unsigned long long)ceiling);
    assert_true(at.next >= c->sent);
    assert_true(!at.window_known || at.window_next >= c->accepted);
    t->unheard_came_true += i != 0;
    t->saved_came_back += at.window_known && at.window_next != 0;
    if (i != 0) {
        c->maybe[0] = c->maybe[i];
        c->maybes = 1;
    }
    c->next = at.next;
    c->ceiling = at.next; /* nothing is leased in this life */
    c->window = at.window_known ? at.window_next : UNKNOWN;
    c->ready = false;
}

static void start_life(history_t *h, tally_t *t)
{
    int64_t pid;
    while (cps_power_is_cut(h->v.power) || vfs_open(&h->v, &h->s) != CPS_OK) {
        assert_true(cps_power_is_cut(h->v.power)); /* in the middle of closing, or of opening */
        cps_power_on(h->v.power);
    }
    assert_ok(cps_sqlite_inspect(cps_sqlite_of(h->s), vfs_complain, NULL));
    for (size_t i = 0; i < CONTEXTS; i++) {
        context_t *c = &h->contexts[i];
        cps_store_key_t found;
        cps_err_t err = h->s->table->key_get(h->s, c->key.name, &found);
        assert_true(err == CPS_OK || (err == CPS_ERR_NOT_FOUND && !c->added)); /* no key is lost */
        if (err == CPS_OK && !c->added)
            learn(c, (belief_t){0, 0, 0}, CPS_OK);
        c->added = err == CPS_OK;
        if (!c->added)
            continue;
        assert_ok(h->s->table->lock(h->s, &c->key, &pid));
        look(h, c, t);
    }
}

static void restart(history_t *h, tally_t *t)
{
    cps_power_fail(h->v.power, CPS_POWER_SOUND, 0, 0);
    h->faulty = false;
    h->s->table->close(h->s);
    h->s = NULL;
    start_life(h, t);
}

static void upset(history_t *h)
{
    static const cps_power_fault_t faults[] = {CPS_POWER_FULL, CPS_POWER_READ_ONLY, CPS_POWER_WRITE_FAILS,
                                               CPS_POWER_SYNC_FAILS};
    cps_power_fault_t fault = faults[below(h, 4)];
    uint32_t after = below(h, 6);
    h->faulty = !h->faulty;
    cps_power_fail(h->v.power, h->faulty ? fault : CPS_POWER_SOUND, after, 1 + below(h, 6));
}

static void step(history_t *h, tally_t *t)
{
    context_t *c = &h->contexts[below(h, CONTEXTS)];
    uint32_t what = below(h, 100);
    if (what < 10)
        add(h, c);
    else if (what < 50)
        lease(h, t);
    else if (what < 78)
        traffic(h, c, t);
    else if (what < 88)
        save(h, c);
    else if (what < 92)
        start_all(h);
    else if (what < 97)
        upset(h);
    else
        restart(h, t);
}

/* One history, cut after `calls` changes of the disk. Gives how many it took. */
static uint64_t live(vfs_box_t *v, uint64_t seed, uint64_t calls, tally_t *t)
{
    static history_t h;
    vfs_format(v, seed);
    h = (history_t){.v = *v, .seed = seed};
    h.rng = cps_rng_from_seed(&h.seeded, seed);
    for (uint32_t i = 0; i < CONTEXTS; i++) {
        h.contexts[i].key = sample_key(i, 1);
        h.contexts[i].window = UNKNOWN;
    }
    cps_power_cut_after(v->power, calls);
    cps_err_t err = vfs_open(v, &h.s); /* its making may be cut, too */
    assert_true(err == CPS_OK || cps_power_is_cut(v->power));
    for (int i = 0; i < STEPS && err == CPS_OK && !cps_power_is_cut(v->power); i++)
        step(&h, t);
    uint64_t took = cps_power_calls(v->power);
    if (!cps_power_is_cut(v->power))
        cps_power_cut(v->power);
    if (h.s != NULL)
        h.s->table->close(h.s);
    cps_power_fail(v->power, CPS_POWER_SOUND, 0, 0);
    h.faulty = false;
    cps_power_on(v->power);
    start_life(&h, t);
    for (int i = 0; i < STEPS / 4; i++) /* and it goes on */
        step(&h, t);
    cps_power_fail(v->power, CPS_POWER_SOUND, 0, 0);
    h.s->table->close(h.s);
    return took;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void a_thousand_cuts_lose_no_grant(void **state)
{
    (void)state;
    vfs_box_t v;
    tally_t t = {0};
    cps_rng_seeded_t seeded;
    uint64_t first = from_environment("CPS_SEED", 1);
    uint64_t count = from_environment("CPS_SEEDS", CUTS / VFS_SHARE);
    vfs_make(&v, 0);
    print_message("# seeds %llu to %llu\n", (unsigned long long)first, (unsigned long long)(first + count - 1));
    for (uint64_t seed = first; seed < first + count; seed++) {
        cps_rng_t rng = cps_rng_from_seed(&seeded, ~seed);
        live(&v, seed, cps_rng_below(&rng, 400), &t);
    }
    print_message("# %u leases granted, %u refused, %u sends, %u saved windows came back, %u unheard calls came true\n",
                  t.granted, t.refused, t.sends, t.saved_came_back, t.unheard_came_true);
    if (count == CUTS)
        assert_true(t.granted > 1000 && t.refused > 100 && t.sends > 10000 && t.saved_came_back > 50 &&
                    t.unheard_came_true > 5);
    vfs_drop(&v);
}

/* Not by chance but each: every call of one history, its first -wal and its last checkpoint among them. */
static void a_cut_at_each_call_loses_no_grant(void **state)
{
    (void)state;
    enum { SEED = 77 };
    vfs_box_t v;
    tally_t t = {0};
    vfs_make(&v, 0);
    uint64_t calls = live(&v, SEED, CPS_POWER_NEVER, &t);
    assert_true(calls > 100);
    for (uint64_t i = 0; i < calls; i++)
        live(&v, SEED, i, &t);
    print_message("# %llu calls\n", (unsigned long long)calls);
    vfs_drop(&v);
}

static const cps_case_t cases[] = {
    {"", "a thousand power cuts lose no grant and use no number twice", a_thousand_cuts_lose_no_grant},
    {"", "a power cut at each call of a history loses no grant", a_cut_at_each_call_loses_no_grant},
};

CPS_RUN("store_power_cuts", cases)
