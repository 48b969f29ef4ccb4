// SPDX-License-Identifier: Apache-2.0
/* Keys that are derived anew, in the stores: the mark, and the one commit that puts a key in the place of the one before. */
#include "vfs.h"

#define UNKNOWN CPS_TIME_NEVER

static void on_both(void (*fn)(cps_store_t *s))
{
    box_t box;
    cps_store_t *s;
    assert_ok(cps_store_mem_open(&s));
    fn(s);
    s->table->close(s);
    box_make(&box);
    s = box_open(&box);
    fn(s);
    assert_ok(cps_sqlite_inspect(cps_sqlite_of(s), vfs_complain, NULL));
    s->table->close(s);
    box_drop(&box);
}

/* The n-th key derived from `k`. */
static cps_store_renewal_t renewal_of(const cps_store_key_t *k, uint8_t n, uint64_t ceiling)
{
    cps_store_renewal_t r = {.ceiling = ceiling};
    uint8_t id[24];
    memset(id, n, sizeof id);
    put_bytes(&r.id_context, id, sizeof id);
    memcpy(r.old_window_id, k->window_id, CPS_STORE_ID_LEN);
    memcpy(r.state_id, k->secret, CPS_STORE_ID_LEN);
    memcpy(r.window_id, k->secret, CPS_STORE_ID_LEN);
    memset(r.state_id, n, 4);
    memset(r.window_id, n + 100, 4);
    return r;
}

/* Renew, and read what the key is then. */
static cps_err_t renew(cps_store_t *s, cps_store_key_t *k, uint8_t n, uint64_t ceiling)
{
    cps_store_renewal_t r = renewal_of(k, n, ceiling);
    cps_err_t err = s->table->key_renew(s, &r);
    if (err == CPS_OK)
        assert_ok(s->table->key_get(s, k->name, k));
    return err;
}

static void a_mark(cps_store_t *s)
{
    cps_store_key_t k = sample_key(1, 1);
    cps_store_key_t none = sample_key(9, 9);
    cps_store_key_t read;
    k.rederivable = true;
    assert_ok(s->table->key_add(s, &k, &unused));
    assert_ok(s->table->key_mark(s, &k));
    assert_ok(s->table->key_mark(s, &k)); /* once more changes nothing */
    assert_ok(s->table->key_get(s, k.name, &read));
    assert_true(read.rekey && read.rederivable && !read.derived);
    assert_ok(s->table->key_rename(s, k.name, "other"));
    assert_ok(s->table->key_get(s, "other", &read));
    assert_true(read.rekey);
    assert_err(CPS_ERR_NOT_FOUND, s->table->key_mark(s, &none));
    for (int retired = 1; retired >= 0; retired--) {
        assert_ok(s->table->key_retire(s, &k, retired != 0));
        assert_ok(s->table->key_get(s, "other", &read));
        assert_int_equal(read.retired, retired);
        assert_true(read.rekey);
    }
    assert_err(CPS_ERR_NOT_FOUND, s->table->key_retire(s, &none, true));
}

static void a_key_takes_the_place(cps_store_t *s)
{
    cps_store_key_t first = add_sample(s, 1, 1);
    cps_store_key_t k = first;
    lock_key(s, &k);
    assert_ok(lease_one(s, &k, 640, true));
    assert_ok(s->table->key_mark(s, &k));
    for (uint8_t n = 1; n <= 3; n++) {
        assert_ok(renew(s, &k, n, 64));
        assert_true(k.derived && !k.rekey && k.has_id_context && k.id_context.len == 24 && k.id_context.data[0] == n);
        assert_string_equal(k.name, first.name);
        assert_memory_equal(k.secret, first.secret, sizeof k.secret);
        assert_state(s, &k, 64, 64, UNKNOWN);
        assert_ok(lease_one(s, &k, 128, false)); /* it is locked, as the one before was */
        assert_err(CPS_ERR_IN_USE, s->table->lock(s, &k, &(int64_t){0}));
    }
    assert_err(CPS_ERR_ARGUMENT, lease_one(s, &first, 1280, false)); /* and that is not any more */
    assert_state(s, &first, 640, 640, UNKNOWN); /* what was used under the key as it was made stays known */
    lock_key(s, &first);
    s->table->unlock(s, &k);
    cps_store_closing_t c = closing_of(&k, 64, 3);
    assert_err(CPS_ERR_ARGUMENT, s->table->save(s, &c, 1));
    lock_key(s, &k);
    assert_ok(s->table->save(s, &c, 1));
    assert_state(s, &k, 64, 128, 3);
}

static void what_is_refused(cps_store_t *s)
{
    cps_store_key_t k = add_sample(s, 1, 1);
    cps_store_key_t other = add_sample(s, 2, 1);
    cps_store_key_t before;
    assert_ok(s->table->key_get(s, k.name, &before));
    assert_err(CPS_ERR_ARGUMENT, renew(s, &k, 1, 64)); /* not locked */
    lock_key(s, &k);
    assert_err(CPS_ERR_ARGUMENT, renew(s, &k, 1, CPS_STORE_NUMBER_MAX + 1));
    cps_store_renewal_t r = renewal_of(&k, 1, 64);
    memcpy(r.state_id, other.state_id, CPS_STORE_ID_LEN); /* of another: two would use its numbers */
    assert_err(CPS_ERR_EXISTS, s->table->key_renew(s, &r));
    r = renewal_of(&k, 1, 64);
    memset(r.old_window_id, 7, CPS_STORE_ID_LEN);
    assert_err(CPS_ERR_NOT_FOUND, s->table->key_renew(s, &r));
    cps_store_key_t after;
    assert_ok(s->table->key_get(s, k.name, &after));
    assert_memory_equal(&before, &after, sizeof before);
    assert_ok(lease_one(s, &k, 64, true)); /* the old one stands */
}

static void marks(void **state)
{
    (void)state;
    on_both(a_mark);
}

static void takes_the_place(void **state)
{
    (void)state;
    on_both(a_key_takes_the_place);
}

static void refused(void **state)
{
    (void)state;
    on_both(what_is_refused);
}

/* A backup holds keys without state: what leads on is the rekey, and what it derives is at home here. */
static void a_backup_is_rekeyed(void **state)
{
    (void)state;
    box_t box;
    box_t copy;
    int64_t pid;
    box_make(&box);
    box_make(&copy);
    cps_store_t *s = box_open(&box);
    cps_store_key_t k = add_sample(s, 1, 1);
    s->table->close(s);
    assert_ok(cps_store_backup(box.path, copy.path));
    s = box_open(&copy);
    assert_err(CPS_ERR_STATE_LOST, s->table->lock(s, &k, &pid));
    assert_ok(s->table->key_mark(s, &k));
    assert_ok(s->table->key_get(s, k.name, &k));
    lock_key(s, &k); /* a marked one is owned without state: nothing is sent with it */
    assert_err(CPS_ERR_STATE_LOST, lease_one(s, &k, 64, true));
    assert_ok(renew(s, &k, 1, 64));
    assert_ok(lease_one(s, &k, 128, false));
    s->table->close(s);
    s = box_open(&copy);
    assert_state(s, &k, 128, 128, UNKNOWN);
    assert_ok(cps_sqlite_inspect(cps_sqlite_of(s), vfs_complain, NULL));
    s->table->close(s);
    box_drop(&box);
    box_drop(&copy);
}

/* A renewal is counted like a lease: a copy of before it, put back in place, is told. */
static void an_old_copy_put_back_is_told(void **state)
{
    (void)state;
    box_t box;
    size_t len;
    int64_t pid;
    box_make(&box);
    cps_store_t *s = box_open(&box);
    cps_store_key_t k = add_sample(s, 1, 1);
    lock_key(s, &k);
    assert_ok(renew(s, &k, 1, 64));
    s->table->close(s);
    uint8_t *old = read_file(box.path, &len);
    s = box_open(&box);
    lock_key(s, &k);
    cps_store_key_t newer = k;
    assert_ok(renew(s, &newer, 2, 64));
    s->table->close(s);
    write_file(box.path, old, len);
    (void)unlink(box_file(&box, "-wal"));
    free(old);
    s = box_open(&box);
    assert_err(CPS_ERR_STATE_LOST, s->table->lock(s, &k, &pid));
    assert_non_null(strstr(cps_store_detail(), "older than what was sent"));
    s->table->close(s);
    box_drop(&box);
}

/* ---- power cuts ---- */

/* One key, derived anew three times; the power goes after so many calls, or never. Gives how many there were. */
static uint64_t cut_renewals(vfs_box_t *v, uint64_t calls, unsigned seen[2])
{
    cps_store_t *s = NULL;
    vfs_format(v, calls);
    assert_ok(vfs_open(v, &s));
    cps_store_key_t k = add_sample(s, 1, 1);
    cps_store_key_t old = k;
    lock_key(s, &k);
    assert_ok(lease_one(s, &k, 64, true));
    uint64_t before = cps_power_calls(v->power);
    cps_power_cut_after(v->power, calls);
    cps_err_t err = CPS_OK;
    uint8_t n = 0;
    while (n < 3 && err == CPS_OK) {
        cps_store_renewal_t r = renewal_of(&k, ++n, 64);
        old = k;
        err = s->table->key_renew(s, &r);
        if (err == CPS_OK)
            cps_store_renew_key(&k, &r);
    }
    cps_store_renewal_t last = renewal_of(&old, n, 64);
    s->table->close(s);
    uint64_t took = cps_power_calls(v->power) - before;
    cps_power_on(v->power);
    s = vfs_open_sound(v);
    cps_store_key_t found;
    assert_ok(s->table->key_get(s, k.name, &found)); /* the one before or the new one, whole */
    bool is_new = memcmp(found.window_id, last.window_id, CPS_STORE_ID_LEN) == 0;
    assert_true(is_new || (err != CPS_OK && memcmp(found.window_id, old.window_id, CPS_STORE_ID_LEN) == 0));
    const cps_store_bytes_t *id = is_new ? &last.id_context : &old.id_context;
    assert_bytes(cps_bytes(id->data, id->len), cps_bytes(found.id_context.data, found.id_context.len));
    assert_state(s, &found, 64, 64, UNKNOWN); /* no number of it is given again */
    lock_key(s, &found);
    assert_ok(lease_one(s, &found, 128, true));
    seen[is_new]++;
    s->table->close(s);
    return took;
}

static void a_cut_leaves_the_old_key_or_the_new_one(void **state)
{
    (void)state;
    enum { ROUNDS = 6 };
    vfs_box_t v;
    unsigned seen[2] = {0};
    vfs_make(&v, 0);
    uint64_t calls = cut_renewals(&v, CPS_POWER_NEVER, seen);
    assert_true(calls > 5);
    for (uint64_t i = 0; i < ROUNDS * calls; i++)
        cut_renewals(&v, i % calls, seen);
    print_message("# %llu calls; old %u times, new %u times\n", (unsigned long long)calls, seen[0], seen[1]);
    assert_true(seen[0] > ROUNDS && seen[1] > ROUNDS);
    vfs_drop(&v);
}

static const cps_case_t cases[] = {
    {"", "a mark stays with its key", marks},
    {"", "a derived key takes the place of the one before, with state and lock", takes_the_place},
    {"", "what is no renewal is refused, and the old key stands", refused},
    {"", "a backup is rekeyed, and sends", a_backup_is_rekeyed},
    {"", "an old copy put back after a renewal is told", an_old_copy_put_back_is_told},
    {"", "a power cut leaves the old key or the new one", a_cut_leaves_the_old_key_or_the_new_one},
};

CPS_RUN("store_rekey", cases)
