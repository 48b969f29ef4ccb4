// SPDX-License-Identifier: Apache-2.0
/* The rules of a store, over the table, the same for the store in memory and for SQLite. */
#include "store_fixture.h"

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
    s->table->close(s);
    box_drop(&box);
}

#define ON_BOTH(name)                                                                                                  \
    static void name##_on(cps_store_t *s);                                                                             \
    static void name(void **state)                                                                                     \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        on_both(name##_on);                                                                                            \
    }                                                                                                                  \
    static void name##_on(cps_store_t *s)

static void assert_same_key(const cps_store_key_t *a, const cps_store_key_t *b)
{
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->peer, b->peer);
    assert_string_equal(a->pattern, b->pattern);
    assert_bytes(cps_bytes(a->secret, a->secret_len), cps_bytes(b->secret, b->secret_len));
    assert_bytes(cps_bytes(a->salt.data, a->salt.len), cps_bytes(b->salt.data, b->salt.len));
    assert_int_equal(a->has_id_context, b->has_id_context);
    assert_bytes(cps_bytes(a->id_context.data, a->id_context.len), cps_bytes(b->id_context.data, b->id_context.len));
    assert_bytes(cps_bytes(a->sender_id.data, a->sender_id.len), cps_bytes(b->sender_id.data, b->sender_id.len));
    assert_bytes(cps_bytes(a->recipient_id.data, a->recipient_id.len),
                 cps_bytes(b->recipient_id.data, b->recipient_id.len));
    assert_int_equal(a->aead, b->aead);
    assert_int_equal(a->hash, b->hash);
    assert_int_equal(a->window, b->window);
    assert_int_equal(a->retired, b->retired);
    assert_memory_equal(a->state_id, b->state_id, CPS_STORE_ID_LEN);
    assert_memory_equal(a->window_id, b->window_id, CPS_STORE_ID_LEN);
}

ON_BOTH(keys_come_back_whole)
{
    cps_store_key_t in[4];
    for (uint32_t i = 0; i < 4; i++)
        in[i] = sample_key(i, 1);
    in[1].has_id_context = true; /* empty is not absent */
    in[2].has_id_context = true;
    put_bytes(&in[2].id_context, "\0\1\2", 3);
    in[3].secret_len = CPS_STORE_SECRET_MAX;
    memset(in[3].secret, 0xff, sizeof in[3].secret);
    put_bytes(&in[3].sender_id, "", 0);
    put_bytes(&in[3].salt, in[3].secret, CPS_STORE_BYTES_MAX);
    memset(in[3].name, 'n', CPS_STORE_NAME_MAX);
    memset(in[3].pattern, 'p', CPS_STORE_PATTERN_MAX);
    in[3].peer[0] = '\0';
    in[3].aead = -3;
    in[3].hash = 2;
    in[3].retired = true;
    in[3].window = 64;
    for (int i = 0; i < 4; i++)
        assert_ok(s->table->key_add(s, &in[i], &unused));
    for (int i = 0; i < 4; i++) {
        cps_store_key_t out;
        memset(&out, 0xee, sizeof out);
        assert_ok(s->table->key_get(s, in[i].name, &out));
        assert_same_key(&in[i], &out);
    }
}

ON_BOTH(what_is_no_key_is_refused)
{
    cps_store_key_t k = sample_key(1, 1);
    cps_store_state_t over = {.next = CPS_STORE_NUMBER_MAX + 1};
    assert_err(CPS_ERR_ARGUMENT, s->table->key_add(s, &k, &over));
    over = (cps_store_state_t){.window_next = CPS_STORE_NUMBER_MAX + 1};
    assert_err(CPS_ERR_ARGUMENT, s->table->key_add(s, &k, &over));
    k.secret_len = 0;
    assert_err(CPS_ERR_ARGUMENT, s->table->key_add(s, &k, &unused));
    k = sample_key(1, 1);
    k.name[0] = '\0';
    assert_err(CPS_ERR_ARGUMENT, s->table->key_add(s, &k, &unused));
    k = sample_key(1, 1);
    memset(k.peer, 'x', sizeof k.peer);
    assert_err(CPS_ERR_ARGUMENT, s->table->key_add(s, &k, &unused));
    k = sample_key(1, 1);
    k.salt.len = CPS_STORE_BYTES_MAX + 1;
    assert_err(CPS_ERR_ARGUMENT, s->table->key_add(s, &k, &unused));
    k = sample_key(1, 1);
    assert_err(CPS_ERR_NOT_FOUND, s->table->key_get(s, k.name, &k));
    assert_true(strlen(cps_store_detail()) > 10);
}

ON_BOTH(only_adding_a_key_makes_state)
{
    cps_store_key_t k = sample_key(1, 1);
    cps_store_state_t state;
    uint64_t ceiling;
    int64_t pid;
    cps_store_closing_t c = closing_of(&k, 0, 0);
    for (int i = 0; i < 2; i++) { /* no call of the first round made what the second finds */
        assert_err(CPS_ERR_STATE_LOST, s->table->state_get(s, &k, &state, &ceiling));
        assert_err(CPS_ERR_STATE_LOST, s->table->lock(s, &k, &pid));
        assert_err(CPS_ERR_STATE_LOST, lease_one(s, &k, 64, true));
        assert_err(CPS_ERR_STATE_LOST, s->table->save(s, &c, 1));
        assert_ok(s->table->lease(s, NULL, 0, true, true));
    }
    assert_non_null(strstr(cps_store_detail(), "sequence state"));
    cps_store_lease_t mixed[2];
    cps_store_key_t known = add_sample(s, 2, 1);
    lock_key(s, &known);
    mixed[0] = lease_of(&k, 64);
    mixed[1] = lease_of(&known, 64);
    assert_ok(s->table->lease(s, mixed, 2, true, false));
    assert_err(CPS_ERR_STATE_LOST, mixed[0].result);
    assert_ok(mixed[1].result);
    assert_state(s, &known, 64, 64, UNKNOWN);
}

ON_BOTH(a_new_key_starts_where_it_is_told)
{
    cps_store_key_t k = add_sample(s, 1, 1);
    assert_state(s, &k, 0, 0, 0);
    cps_store_state_t at = {.next = 1000, .window_next = 77, .window_seen = 5, .window_known = true};
    k = sample_key(2, 1);
    assert_ok(s->table->key_add(s, &k, &at));
    assert_state(s, &k, 1000, 1000, 77);
    at.window_known = false;
    k = sample_key(3, 1);
    assert_ok(s->table->key_add(s, &k, &at));
    assert_state(s, &k, 1000, 1000, UNKNOWN);
}

ON_BOTH(the_same_material_is_not_taken_twice)
{
    cps_store_key_t k = add_sample(s, 1, 1);
    lock_key(s, &k);
    assert_ok(lease_one(s, &k, 64, true));
    cps_store_closing_t c = closing_of(&k, 10, 3);
    assert_ok(s->table->save(s, &c, 1));
    cps_store_state_t high = {.next = 500};
    assert_err(CPS_ERR_EXISTS, s->table->key_add(s, &k, &unused));
    assert_err(CPS_ERR_EXISTS, s->table->key_add(s, &k, &high));
    assert_int_equal(cps_err_exit(CPS_ERR_EXISTS), 2);
    set_name(&k, "another name");
    assert_err(CPS_ERR_EXISTS, s->table->key_add(s, &k, &unused));
    assert_non_null(strstr(cps_store_detail(), "key-1-1"));
    assert_state(s, &k, 10, 64, 3);
}

ON_BOTH(a_name_is_taken_once)
{
    cps_store_key_t a = add_sample(s, 1, 1);
    cps_store_key_t b = sample_key(2, 1);
    set_name(&b, a.name);
    assert_err(CPS_ERR_EXISTS, s->table->key_add(s, &b, &unused));
    assert_err(CPS_ERR_STATE_LOST, lease_one(s, &b, 1, false)); /* nothing of it was kept */
}

ON_BOTH(numbers_go_on_under_another_name)
{
    cps_store_key_t k = add_sample(s, 1, 1);
    cps_store_key_t other = add_sample(s, 2, 1);
    cps_store_key_t out;
    lock_key(s, &k);
    assert_ok(lease_one(s, &k, 128, true));
    assert_err(CPS_ERR_EXISTS, s->table->key_rename(s, k.name, other.name));
    assert_err(CPS_ERR_NOT_FOUND, s->table->key_rename(s, "nobody", "somebody"));
    assert_err(CPS_ERR_ARGUMENT, s->table->key_rename(s, k.name, ""));
    assert_ok(s->table->key_rename(s, k.name, k.name));
    assert_ok(s->table->key_rename(s, k.name, "door"));
    assert_err(CPS_ERR_NOT_FOUND, s->table->key_get(s, k.name, &out));
    assert_ok(s->table->key_get(s, "door", &out));
    set_name(&k, "door");
    assert_same_key(&k, &out);
    assert_state(s, &out, 128, 128, UNKNOWN);
}

ON_BOTH(a_removed_key_does_not_start_anew)
{
    cps_store_key_t k = add_sample(s, 1, 1);
    lock_key(s, &k);
    assert_ok(lease_one(s, &k, 64, true));
    cps_store_closing_t c = closing_of(&k, 10, 3);
    assert_ok(s->table->save(s, &c, 1));
    assert_ok(s->table->key_remove(s, k.name));
    assert_err(CPS_ERR_NOT_FOUND, s->table->key_remove(s, k.name));
    assert_ok(s->table->key_add(s, &k, &unused));
    assert_state(s, &k, 10, 64, UNKNOWN); /* what came in between is not known */
    cps_store_state_t higher = {.next = 30, .window_known = true};
    assert_ok(s->table->key_remove(s, k.name));
    assert_ok(s->table->key_add(s, &k, &higher));
    assert_state(s, &k, 64, 64, UNKNOWN); /* 30 is said to be free, and up to 64 nothing is known to be */
    higher.next = 1000;
    assert_ok(s->table->key_remove(s, k.name));
    assert_ok(s->table->key_add(s, &k, &higher));
    assert_state(s, &k, 1000, 1000, UNKNOWN);
}

ON_BOTH(two_keys_share_one_state)
{
    cps_store_key_t a = add_sample(s, 1, 1);
    cps_store_key_t b = sample_key(1, 2);
    cps_store_state_t at = {.next = 5, .window_next = 9, .window_known = true};
    int64_t pid;
    assert_ok(s->table->key_add(s, &b, &at));
    assert_state(s, &a, 5, 5, 0);
    assert_state(s, &b, 5, 5, 9);
    lock_key(s, &a);
    assert_err(CPS_ERR_IN_USE, s->table->lock(s, &b, &pid));
    assert_ok(lease_one(s, &a, 69, true));
    assert_state(s, &b, 69, 69, UNKNOWN);
    assert_state(s, &a, 69, 69, UNKNOWN);
    cps_store_closing_t c = closing_of(&a, 20, 4);
    assert_ok(s->table->save(s, &c, 1));
    assert_state(s, &a, 20, 69, 4);
    assert_state(s, &b, 20, 69, UNKNOWN);
}

ON_BOTH(a_fifth_context_for_one_kid_is_refused)
{
    cps_store_key_t k[7];
    for (uint32_t i = 0; i < 7; i++) {
        k[i] = sample_key(i + 1, 1);
        put_bytes(&k[i].recipient_id, "\x31", 1);
    }
    for (int i = 0; i < 4; i++)
        assert_ok(s->table->key_add(s, &k[i], &unused));
    assert_err(CPS_ERR_TOO_MANY, s->table->key_add(s, &k[4], &unused));
    k[5].has_id_context = true; /* an empty ID Context is another kid context than none */
    assert_ok(s->table->key_add(s, &k[5], &unused));
    put_bytes(&k[6].id_context, "x", 1);
    k[6].has_id_context = true;
    assert_ok(s->table->key_add(s, &k[6], &unused));
    assert_ok(s->table->key_remove(s, k[2].name));
    assert_ok(s->table->key_add(s, &k[4], &unused));
}

ON_BOTH(a_ceiling_never_falls)
{
    cps_store_key_t k = add_sample(s, 1, 1);
    lock_key(s, &k);
    assert_ok(lease_one(s, &k, 64, true));
    assert_state(s, &k, 64, 64, UNKNOWN);
    assert_ok(lease_one(s, &k, 192, false));
    assert_state(s, &k, 192, 192, UNKNOWN);
    assert_ok(lease_one(s, &k, 100, false));
    assert_state(s, &k, 192, 192, UNKNOWN);
    assert_ok(lease_one(s, &k, CPS_STORE_NUMBER_MAX, false));
    assert_err(CPS_ERR_ARGUMENT, lease_one(s, &k, CPS_STORE_NUMBER_MAX + 1, false));
    assert_state(s, &k, CPS_STORE_NUMBER_MAX, CPS_STORE_NUMBER_MAX, UNKNOWN);
}

ON_BOTH(a_clean_exit_is_used_up_by_the_next_lease)
{
    cps_store_key_t k = add_sample(s, 1, 1);
    cps_store_state_t state;
    uint64_t ceiling;
    lock_key(s, &k);
    assert_ok(lease_one(s, &k, 512, true));
    cps_store_closing_t c = closing_of(&k, 412, 900);
    assert_ok(s->table->save(s, &c, 1));
    s->table->unlock(s, &k);
    assert_ok(s->table->state_get(s, &k, &state, &ceiling));
    assert_int_equal(state.window_seen, 0x8000000000000001U);
    assert_state(s, &k, 412, 512, 900);
    lock_key(s, &k);
    assert_ok(lease_one(s, &k, 476, true)); /* within the old lease: none is burnt */
    assert_state(s, &k, 512, 512, UNKNOWN);
    c.window_known = false;
    assert_ok(s->table->save(s, &c, 1));
    assert_state(s, &k, 412, 512, UNKNOWN);
}

ON_BOTH(a_lease_without_invalidate_still_uses_up_the_next_number)
{
    cps_store_key_t k = add_sample(s, 1, 1);
    lock_key(s, &k);
    assert_ok(lease_one(s, &k, 64, true));
    cps_store_closing_t c = closing_of(&k, 7, 3);
    assert_ok(s->table->save(s, &c, 1));
    assert_ok(lease_one(s, &k, 64, false));
    assert_state(s, &k, 64, 64, 3);
}

ON_BOTH(a_receiver_invalidates_without_a_grant)
{
    cps_store_key_t k = add_sample(s, 1, 1);
    cps_store_key_t other = add_sample(s, 2, 1);
    lock_key(s, &k);
    assert_ok(lease_one(s, &k, 0, true));
    assert_state(s, &k, 0, 0, UNKNOWN);
    assert_state(s, &other, 0, 0, 0);
}

ON_BOTH(a_daemon_invalidates_the_whole_store)
{
    cps_store_key_t k[3];
    for (uint32_t i = 0; i < 3; i++) {
        k[i] = add_sample(s, i, 1);
        lock_key(s, &k[i]);
        assert_ok(lease_one(s, &k[i], 64, true));
        cps_store_closing_t c = closing_of(&k[i], i, 40 + i);
        assert_ok(s->table->save(s, &c, 1));
    }
    cps_store_lease_t l = lease_of(&k[0], 128);
    assert_ok(s->table->lease(s, &l, 1, true, true));
    assert_ok(l.result);
    assert_state(s, &k[0], 128, 128, UNKNOWN);
    assert_state(s, &k[1], 64, 64, UNKNOWN);
    cps_store_closing_t c = closing_of(&k[1], 1, 41);
    assert_ok(s->table->save(s, &c, 1));
    assert_state(s, &k[1], 1, 64, 41);
    assert_state(s, &k[2], 64, 64, UNKNOWN); /* a later save brings back none of the others */
    cps_store_key_t late = add_sample(s, 9, 1);
    assert_state(s, &late, 0, 0, 0);
    assert_ok(s->table->lease(s, NULL, 0, true, true));
    assert_state(s, &k[1], 64, 64, UNKNOWN);
    assert_state(s, &late, 0, 0, UNKNOWN);
}

ON_BOTH(only_the_owner_changes_numbers)
{
    cps_store_key_t k = add_sample(s, 1, 1);
    cps_store_closing_t c = closing_of(&k, 0, 0);
    int64_t pid = -1;
    assert_err(CPS_ERR_ARGUMENT, lease_one(s, &k, 64, true));
    assert_err(CPS_ERR_ARGUMENT, s->table->save(s, &c, 1));
    assert_state(s, &k, 0, 0, 0);
    lock_key(s, &k);
    assert_err(CPS_ERR_IN_USE, s->table->lock(s, &k, &pid));
    assert_ok(lease_one(s, &k, 64, true));
    s->table->unlock(s, &k);
    s->table->unlock(s, &k);
    assert_err(CPS_ERR_ARGUMENT, lease_one(s, &k, 128, true));
    lock_key(s, &k);
    assert_state(s, &k, 64, 64, UNKNOWN);
}

ON_BOTH(a_save_is_all_or_nothing)
{
    cps_store_key_t a = add_sample(s, 1, 1);
    cps_store_key_t b = add_sample(s, 2, 1);
    lock_key(s, &a);
    lock_key(s, &b);
    assert_ok(lease_one(s, &a, 64, true));
    assert_ok(lease_one(s, &b, 64, true));
    cps_store_closing_t c[2] = {closing_of(&a, 10, 1), closing_of(&b, 65, 1)};
    assert_err(CPS_ERR_ARGUMENT, s->table->save(s, c, 2)); /* sent beyond its ceiling */
    assert_state(s, &a, 64, 64, UNKNOWN);
    c[1].next = 64;
    c[1].window_id[0] ^= 1;
    assert_err(CPS_ERR_STATE_LOST, s->table->save(s, c, 2));
    assert_state(s, &a, 64, 64, UNKNOWN);
    c[1].window_id[0] ^= 1;
    assert_ok(s->table->save(s, c, 2));
    assert_state(s, &a, 10, 64, 1);
    assert_state(s, &b, 64, 64, 1);
}

ON_BOTH(keys_are_listed_in_the_order_of_names)
{
    static const char *const names[] = {"b", "a", "\xc3\xa9", "ab", "B", "aa"};
    static const char *const sorted[] = {"B", "a", "aa", "ab", "b", "\xc3\xa9"};
    cps_store_key_t k;
    int64_t cursor = 0;
    assert_err(CPS_ERR_NOT_FOUND, s->table->key_next(s, &cursor, &k));
    for (uint32_t i = 0; i < 6; i++) {
        k = sample_key(i, 1);
        set_name(&k, names[i]);
        assert_ok(s->table->key_add(s, &k, &unused));
    }
    cursor = 0;
    for (int i = 0; i < 6; i++) {
        assert_ok(s->table->key_next(s, &cursor, &k));
        assert_string_equal(k.name, sorted[i]);
    }
    assert_err(CPS_ERR_NOT_FOUND, s->table->key_next(s, &cursor, &k));
    assert_ok(s->table->key_remove(s, k.name));
    assert_err(CPS_ERR_STALE, s->table->key_next(s, &cursor, &k));
}

ON_BOTH(keys_load_in_batches_with_their_state)
{
    enum { KEYS = 25, CAP = 7 };
    cps_store_loaded_t *l = calloc(CAP, sizeof *l);
    cps_store_key_t k[KEYS];
    int64_t cursor = 0;
    size_t count;
    uint32_t at = 0;
    assert_ok(s->table->load(s, &cursor, false, l, CAP, &count));
    assert_int_equal(count, 0);
    for (uint32_t i = 0; i < KEYS; i++) {
        cps_store_state_t state = {.next = i, .window_next = i + 1, .window_known = i % 2 == 0};
        k[i] = sample_key(100 - i, 1);
        assert_ok(s->table->key_add(s, &k[i], &state));
    }
    do {
        assert_ok(s->table->load(s, &cursor, false, l, CAP, &count));
        for (size_t i = 0; i < count; i++, at++) {
            assert_ok(l[i].result);
            assert_same_key(&k[at], &l[i].key);
            assert_int_equal(l[i].state.next, at);
            assert_int_equal(l[i].ceiling, at);
            assert_int_equal(l[i].state.window_known, at % 2 == 0);
            assert_int_equal(l[i].state.window_next, at % 2 == 0 ? at + 1 : 0);
        }
    } while (count != 0);
    assert_int_equal(at, KEYS);
    free(l);
}

ON_BOTH(keys_are_owned_as_they_load)
{
    cps_store_loaded_t *l = calloc(4, sizeof *l);
    cps_store_key_t a = add_sample(s, 1, 1);
    cps_store_key_t b = add_sample(s, 2, 1);
    cps_store_key_t shared = add_sample(s, 2, 2);
    cps_store_key_t c = add_sample(s, 3, 1);
    int64_t cursor = 0;
    int64_t pid;
    size_t count;
    lock_key(s, &c);
    assert_ok(s->table->load(s, &cursor, true, l, 4, &count));
    assert_int_equal(count, 4);
    assert_ok(l[0].result);
    assert_ok(l[1].result);
    assert_err(CPS_ERR_IN_USE, l[2].result); /* two contexts on one state would use numbers twice */
    assert_string_equal(l[2].key.name, shared.name);
    assert_err(CPS_ERR_IN_USE, l[3].result);
    assert_false(l[3].state.window_known);
    assert_err(CPS_ERR_IN_USE, s->table->lock(s, &a, &pid));
    assert_ok(lease_one(s, &b, 64, true));
    free(l);
}

static const cps_case_t cases[] = {
    {"", "a key comes back as it was stored", keys_come_back_whole},
    {"", "what is no key is refused", what_is_no_key_is_refused},
    {"", "only adding a key makes sequence state", only_adding_a_key_makes_state},
    {"", "a new key starts where it is told", a_new_key_starts_where_it_is_told},
    {"", "the same material is not taken twice, and its number stays", the_same_material_is_not_taken_twice},
    {"", "a name is taken once", a_name_is_taken_once},
    {"", "numbers go on under another name", numbers_go_on_under_another_name},
    {"", "a removed key does not start anew", a_removed_key_does_not_start_anew},
    {"", "two keys of one sender share one state", two_keys_share_one_state},
    {"", "a fifth context for one kid and kid context is refused", a_fifth_context_for_one_kid_is_refused},
    {"", "a ceiling never falls", a_ceiling_never_falls},
    {"", "a clean exit is used up by the next lease", a_clean_exit_is_used_up_by_the_next_lease},
    {"", "a lease alone uses up the saved next number", a_lease_without_invalidate_still_uses_up_the_next_number},
    {"", "a receiver invalidates without a grant", a_receiver_invalidates_without_a_grant},
    {"", "a daemon invalidates the whole store in one call", a_daemon_invalidates_the_whole_store},
    {"", "only the owner changes numbers", only_the_owner_changes_numbers},
    {"", "a save is all or nothing", a_save_is_all_or_nothing},
    {"", "keys are listed in the order of names", keys_are_listed_in_the_order_of_names},
    {"", "keys load in batches with their state", keys_load_in_batches_with_their_state},
    {"", "keys are owned as they load", keys_are_owned_as_they_load},
};

CPS_RUN("store", cases)
