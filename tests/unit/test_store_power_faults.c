// SPDX-License-Identifier: Apache-2.0
/* A disk that refuses, a store that is locked, flipped bits: each is the right error with a sentence, nothing is granted
 * that is not on the disk, and all goes on by itself when the disk does. */
#include "vfs.h"

#include "host/keyring.h"
#include "host/leases.h"

#define UNKNOWN CPS_TIME_NEVER

typedef struct fault {
    cps_power_fault_t kind;
    cps_err_t err;
    const char *word; /* of its sentence */
} fault_t;

static const fault_t faults[] = {
    {CPS_POWER_FULL, CPS_ERR_STORE_FULL, "free some space"},
    {CPS_POWER_READ_ONLY, CPS_ERR_STORE, "cannot be written"},
    {CPS_POWER_WRITE_FAILS, CPS_ERR_STORE, "check its disk"},
    {CPS_POWER_SYNC_FAILS, CPS_ERR_STORE, "check its disk"},
};

enum { FAULTS = sizeof faults / sizeof faults[0] };

static void assert_refused(const vfs_box_t *v, const fault_t *fault, cps_err_t err)
{
    assert_err(fault->err, err);
    assert_non_null(strstr(cps_store_detail(), v->box.path));
    assert_non_null(strstr(cps_store_detail(), fault->word));
    assert_int_equal(cps_err_exit(err), 3);
}

/* Each kind of change, with each of its calls refused: nothing changed, and the next try succeeds. */
static void refuse_each(vfs_box_t *v, const fault_t *fault, uint64_t after, unsigned *refused)
{
    vfs_format(v, after);
    cps_store_t *s = vfs_open_sound(v);
    cps_store_key_t k = add_sample(s, 1, 1);
    cps_store_key_t other = sample_key(2, 1);
    cps_store_key_t found;
    lock_key(s, &k);
    assert_ok(lease_one(s, &k, 64, true));
    cps_power_fail(v->power, fault->kind, after, CPS_POWER_NEVER);
    cps_err_t err = lease_one(s, &k, 128, true);
    if (err != CPS_OK)
        assert_refused(v, fault, err);
    *refused += err != CPS_OK;
    uint64_t ceiling = err == CPS_OK ? 128 : 64;
    assert_state(s, &k, ceiling, ceiling, UNKNOWN);
    cps_store_closing_t c = closing_of(&k, 9, 9);
    err = s->table->save(s, &c, 1);
    if (err != CPS_OK)
        assert_refused(v, fault, err);
    assert_state(s, &k, err == CPS_OK ? 9 : ceiling, ceiling, err == CPS_OK ? 9 : UNKNOWN);
    err = s->table->key_add(s, &other, &unused);
    if (err != CPS_OK)
        assert_refused(v, fault, err);
    assert_err(err == CPS_OK ? CPS_OK : CPS_ERR_NOT_FOUND, s->table->key_get(s, other.name, &found));
    cps_power_fail(v->power, CPS_POWER_SOUND, 0, 0);
    assert_ok(lease_one(s, &k, 192, true));
    assert_err(err == CPS_OK ? CPS_ERR_EXISTS : CPS_OK, s->table->key_add(s, &other, &unused));
    s->table->close(s);
    cps_power_on(v->power); /* and the power goes once more */
    s = vfs_open_sound(v);
    assert_state(s, &k, 192, 192, UNKNOWN);
    assert_state(s, &other, 0, 0, 0);
    s->table->close(s);
}

static void a_disk_that_refuses_grants_nothing_and_goes_on(void **state)
{
    (void)state;
    vfs_box_t v;
    vfs_make(&v, 0);
    for (size_t i = 0; i < FAULTS; i++) {
        unsigned refused = 0;
        for (uint64_t after = 0; after < 12; after++)
            refuse_each(&v, &faults[i], after, &refused);
        assert_true(refused > 0);
    }
    vfs_drop(&v);
}

static void a_disk_that_cannot_be_read_is_told(void **state)
{
    (void)state;
    vfs_box_t v;
    cps_store_t *s;
    cps_store_key_t k = sample_key(1, 1);
    vfs_make(&v, 1);
    s = vfs_open_sound(&v);
    add_sample(s, 1, 1);
    s->table->close(s);
    unsigned refused = 0;
    for (uint64_t after = 0; after < 30; after++) {
        cps_power_fail(v.power, CPS_POWER_READ_FAILS, after, 1);
        cps_err_t err = vfs_open(&v, &s);
        if (err == CPS_OK) {
            err = s->table->key_get(s, k.name, &k);
            s->table->close(s);
        }
        cps_power_fail(v.power, CPS_POWER_SOUND, 0, 0);
        assert_true(err == CPS_OK || err == CPS_ERR_STORE);
        refused += err != CPS_OK;
        k = sample_key(1, 1);
    }
    assert_in_range(refused, 5, 29);
    s = vfs_open_sound(&v);
    assert_state(s, &k, 0, 0, 0);
    s->table->close(s);
    vfs_drop(&v);
}

static void a_store_that_is_locked_for_too_long_is_told(void **state)
{
    (void)state;
    vfs_box_t v;
    sqlite3 *other;
    vfs_make(&v, 1);
    cps_store_t *s = vfs_open_sound(&v);
    cps_store_key_t k = add_sample(s, 1, 1);
    lock_key(s, &k);
    assert_ok(lease_one(s, &k, 64, true));
    int flags = SQLITE_OPEN_READWRITE;
    assert_int_equal(sqlite3_open_v2(v.box.path, &other, flags, cps_power_vfs(v.power)), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_err(CPS_ERR_STORE, lease_one(s, &k, 128, false));
    assert_non_null(strstr(cps_store_detail(), "another process has been writing"));
    assert_non_null(strstr(cps_store_detail(), v.box.path));
    assert_state(s, &k, 64, 64, UNKNOWN); /* reading goes on */
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_ok(lease_one(s, &k, 128, false));
    sqlite3_close(other);
    s->table->close(s);
    vfs_drop(&v);
}

/* ---- flipped bits ---- */

enum { CONTEXTS = 3, FLIPS = 600 };

static const uint64_t used[CONTEXTS] = {200, 64, 1000};

/* Three contexts in use; all of it in the file, or part of it in the -wal. */
static void make_used(vfs_box_t *v, uint64_t seed, bool in_wal)
{
    vfs_format(v, seed);
    cps_store_t *s = vfs_open_sound(v);
    for (uint32_t i = 0; i < CONTEXTS; i++) {
        cps_store_key_t k = add_sample(s, i, 1);
        lock_key(s, &k);
        for (uint64_t ceiling = 64; ceiling < used[i]; ceiling += 64)
            assert_ok(lease_one(s, &k, ceiling, true));
        assert_ok(lease_one(s, &k, used[i], true));
    }
    if (in_wal)
        cps_power_cut(v->power); /* all of it is synced: nothing is lost */
    s->table->close(s);
    if (in_wal)
        cps_power_on(v->power);
}

/* The store may refuse, as a whole or this key; what it may not is to give a number once more. */
static bool is_usable(cps_store_t *s, uint32_t i)
{
    cps_store_state_t at;
    cps_store_key_t k = sample_key(i, 1);
    uint64_t ceiling = 0;
    int64_t pid;
    cps_err_t err = s->table->lock(s, &k, &pid);
    if (err == CPS_OK)
        err = s->table->state_get(s, &k, &at, &ceiling);
    if (err == CPS_OK) {
        assert_true(at.next >= used[i]);
        assert_false(at.window_known);
        err = lease_one(s, &k, at.next + 64, true);
    }
    if (err != CPS_OK) {
        assert_true(err == CPS_ERR_STORE_CORRUPT || err == CPS_ERR_STATE_LOST || err == CPS_ERR_STORE);
        assert_non_null(strstr(cps_store_detail(), "keyring.db"));
    }
    return err == CPS_OK;
}

static void flip_one(vfs_box_t *v, const char *file, uint64_t bit, unsigned *unsound)
{
    cps_store_t *s;
    cps_power_flip(v->power, file, bit);
    cps_err_t err = vfs_open(v, &s);
    if (err != CPS_OK) {
        assert_true(err == CPS_ERR_STORE_CORRUPT || err == CPS_ERR_STORE_FORMAT || err == CPS_ERR_STORE);
        (*unsound)++;
        return;
    }
    bool all = true;
    for (uint32_t i = 0; i < CONTEXTS; i++)
        all &= is_usable(s, i);
    *unsound += !all;
    s->table->close(s);
}

/* Every bit of a row of states, its identifier and the numbers behind it: in the table, in the index, and where SQLite
 * left a copy of it. Gives how many places there are. */
static unsigned flip_state_row(vfs_box_t *v, uint32_t i, unsigned *unsound)
{
    enum { NUMBERS = 14 };
    cps_store_key_t k = sample_key(i, 1);
    for (unsigned place = 0;; place++) {
        for (uint64_t bit = 0; bit < 8ULL * (CPS_STORE_ID_LEN + NUMBERS); bit++) {
            make_used(v, bit, false);
            cps_bytes_t bytes = cps_power_bytes(v->power, v->box.path);
            const uint8_t *row = memmem(bytes.ptr, bytes.len, k.state_id, CPS_STORE_ID_LEN);
            for (unsigned n = 0; n < place && row != NULL; n++)
                row = memmem(row + 1, bytes.len - (size_t)(row + 1 - bytes.ptr), k.state_id, CPS_STORE_ID_LEN);
            if (row == NULL)
                return place;
            flip_one(v, v->box.path, 8 * (uint64_t)(row - bytes.ptr) + bit, unsound);
        }
    }
}

static void a_flipped_bit_never_lowers_a_number(void **state)
{
    (void)state;
    enum { SEED = 3 };
    vfs_box_t v;
    cps_rng_seeded_t seeded;
    cps_rng_t rng = cps_rng_from_seed(&seeded, SEED);
    vfs_make(&v, SEED);
    print_message("# seed %d\n", SEED);
    for (int in_wal = 0; in_wal < 2; in_wal++) {
        char file[256];
        cps_store_t *s;
        unsigned unsound = 0;
        make_used(&v, 0, in_wal != 0); /* without a flip all is well */
        assert_ok(vfs_open(&v, &s));
        for (uint32_t i = 0; i < CONTEXTS; i++)
            assert_true(is_usable(s, i));
        s->table->close(s);
        snprintf(file, sizeof file, "%s", in_wal ? box_file(&v.box, "-wal") : v.box.path);
        for (uint64_t n = 0; n < FLIPS / 2; n++) {
            make_used(&v, n, in_wal != 0);
            cps_bytes_t bytes = cps_power_bytes(v.power, file);
            uint32_t bit;
            assert_true(bytes.len > 4096);
            do /* most of a page is empty */
                bit = cps_rng_below(&rng, (uint32_t)(8 * bytes.len));
            while (bytes.ptr[bit / 8] == 0);
            flip_one(&v, file, bit, &unsound);
        }
        print_message("# %s: %u of %d flips were noticed\n", in_wal ? "-wal" : "the file", unsound, FLIPS / 2);
        assert_in_range(unsound, 20, FLIPS / 2);
    }
    unsigned unsound = 0;
    unsigned places = flip_state_row(&v, 2, &unsound);
    print_message("# a row of states in %u places: %u flips were noticed\n", places, unsound);
    assert_in_range(unsound, 2 * 8 * CPS_STORE_ID_LEN, UINT32_MAX);
    vfs_drop(&v);
}

/* As a cut in the middle of a checkpoint leaves it: what the file says of itself is torn, and the -wal has it whole. */
static void a_torn_first_page_is_made_whole_by_the_wal(void **state)
{
    (void)state;
    enum { HEADER = 100, FORMAT_AT = 60 };
    vfs_box_t v;
    unsigned unsound = 0;
    vfs_make(&v, 0);
    for (uint64_t byte = 0; byte < HEADER; byte++) {
        if (byte >= 16 && byte < FORMAT_AT)
            continue; /* SQLite's own, for it to judge */
        make_used(&v, byte, true);
        flip_one(&v, v.box.path, 8 * byte + byte % 8, &unsound);
        assert_int_equal(unsound, 0);
    }
    vfs_drop(&v);
}

/* ---- up to the socket ---- */

typedef struct bench {
    vfs_box_t v;
    uv_loop_t loop;
    cps_store_t *store;
    cps_worker_t *worker;
    cps_keyring_t *keyring;
    cps_leases_t *leases;
    unsigned failed;
    cps_err_t failure;
    unsigned refused;
    cps_err_t refusal;
    char sentence[512];
    uint64_t last_number; /* of what left */
} bench_t;

static void on_event(void *user, const cps_event_t *event)
{
    bench_t *b = user;
    if (event->kind == CPS_EVENT_JOB)
        cps_leases_job(b->leases, event);
    if (event->kind != CPS_EVENT_FAILED || event->u.failed.err == CPS_ERR_UNREACHABLE)
        return;
    b->failed++;
    b->failure = event->u.failed.err;
}

static void on_refused(void *user, cps_err_t err, const char *sentence)
{
    bench_t *b = user;
    b->refused++;
    b->refusal = err;
    snprintf(b->sentence, sizeof b->sentence, "%s", sentence);
}

static void start(bench_t *b, uint64_t seed)
{
    static const cps_ep_config_t config = {.requests_out = 512, .request_bytes = 1 << 20, .peers = 512};
    cps_worker_hooks_t hooks = {on_event, NULL, b};
    memset(b, 0, sizeof *b);
    vfs_make(&b->v, seed);
    b->store = vfs_open_sound(&b->v);
    add_sample(b->store, 1, 1);
    assert_int_equal(uv_loop_init(&b->loop), 0);
    assert_ok(cps_worker_new(&b->worker, &b->loop, &config, &hooks));
    assert_ok(cps_keyring_new(&b->keyring, b->store, cps_worker_ep(b->worker)));
    assert_ok(cps_keyring_load(b->keyring, NULL));
    assert_ok(cps_leases_new(&b->leases, b->worker, b->keyring, b->store));
    cps_leases_on_refused(b->leases, on_refused, b);
}

static void stop(bench_t *b)
{
    cps_leases_close(b->leases);
    cps_keyring_free(b->keyring);
    cps_worker_close(b->worker);
    assert_int_equal(uv_run(&b->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    b->store->table->close(b->store);
    vfs_drop(&b->v);
}

/* Ask for one sealed request to go out, and let the loop and the store work. */
static void send_one(bench_t *b, uint8_t host)
{
    uint16_t socket = 0;
    assert_ok(cps_worker_socket(b->worker, CPS_FAMILY_IPV4, &socket));
    cps_command_t command = {
        .kind = CPS_COMMAND_REQUEST,
        .u.request = {
            .path = {.remote = {.ip = {127, 1, 0, host}, .port = 9, .family = CPS_FAMILY_IPV4}, .socket = socket},
            .code = CPS_GET,
            .non_confirmable = true,
            .context = cps_keyring_at(b->keyring, 0)->context}};
    assert_ok(cps_worker_submit(b->worker, &command, NULL));
    for (int turn = 0; turn < 1000 && (turn < 3 || cps_leases_busy(b->leases)); turn++)
        uv_run(&b->loop, turn < 3 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    assert_false(cps_leases_busy(b->leases));
}

static uint64_t sent(const bench_t *b)
{
    cps_ep_stats_t stats;
    cps_ep_stats(cps_worker_ep(b->worker), &stats);
    return stats.datagrams_out;
}

/* What goes out while the store refuses: all that is leased, and then nothing, for this reason. */
static void send_to_the_ceiling(bench_t *b, const fault_t *fault, uint8_t *host)
{
    while (sent(b) < 64) { /* what is leased goes out, though the next lease is refused */
        send_one(b, ++*host);
        assert_int_equal(sent(b), *host);
    }
    assert_int_equal(b->failed, 0);
    assert_true(b->refused > 0);
    assert_err(fault->err, b->refusal);
    assert_non_null(strstr(b->sentence, fault->word));
    for (unsigned n = 1; n <= 3; n++) { /* at the ceiling nothing does */
        send_one(b, ++*host);
        assert_int_equal(sent(b), 64);
        assert_int_equal(b->failed, n);
        assert_int_equal(cps_err_exit(b->failure), 3);
    }
    assert_err(fault->err, b->failure);
}

static void send_again(bench_t *b, uint8_t *host)
{
    cps_context_state_t at;
    send_one(b, ++*host);
    assert_int_equal(sent(b), 65);
    assert_int_equal(b->failed, 3);
    assert_ok(cps_ep_context_state(cps_worker_ep(b->worker), cps_keyring_at(b->keyring, 0)->context, &at));
    assert_int_equal(at.next_number, 65); /* and it goes on where it stopped */
}

static void sending_stops_at_the_ceiling_and_resumes_by_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAULTS; i++) {
        bench_t b = {0};
        uint8_t host = 0;
        start(&b, i);
        send_one(&b, ++host);
        assert_int_equal(sent(&b), 1);
        cps_power_fail(b.v.power, faults[i].kind, 0, CPS_POWER_NEVER);
        send_to_the_ceiling(&b, &faults[i], &host);
        cps_power_fail(b.v.power, CPS_POWER_SOUND, 0, 0);
        send_again(&b, &host);
        stop(&b);
    }
}

static void a_locked_store_stops_sending_and_it_resumes_by_itself(void **state)
{
    (void)state;
    static const fault_t locked = {CPS_POWER_SOUND, CPS_ERR_STORE, "another process has been writing"};
    bench_t b = {0};
    sqlite3 *other;
    uint8_t host = 0;
    start(&b, 1);
    send_one(&b, ++host);
    int flags = SQLITE_OPEN_READWRITE;
    assert_int_equal(sqlite3_open_v2(b.v.box.path, &other, flags, cps_power_vfs(b.v.power)), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    send_to_the_ceiling(&b, &locked, &host);
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    send_again(&b, &host);
    sqlite3_close(other);
    stop(&b);
}

static const cps_case_t cases[] = {
    {"", "a disk that refuses grants nothing, and goes on when it does not",
     a_disk_that_refuses_grants_nothing_and_goes_on},
    {"", "a disk that cannot be read is told", a_disk_that_cannot_be_read_is_told},
    {"", "a store that is locked for too long is told", a_store_that_is_locked_for_too_long_is_told},
    {"", "a flipped bit never lowers a number", a_flipped_bit_never_lowers_a_number},
    {"", "a torn first page is made whole by the -wal", a_torn_first_page_is_made_whole_by_the_wal},
    {"OPS-15", "sending stops at the ceiling and resumes by itself",
     sending_stops_at_the_ceiling_and_resumes_by_itself},
    {"", "with the store locked by another, sending stops at the ceiling and resumes by itself",
     a_locked_store_stops_sending_and_it_resumes_by_itself},
};

CPS_RUN("store_power_faults", cases)
