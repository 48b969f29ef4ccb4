// SPDX-License-Identifier: Apache-2.0
/* Copies, backups, restores and moves of a store: what sends on, and what does not before somebody says from where. */
#include "store_fixture.h"

#include "host/keyring.h"
#include "host/leases.h"

#define UNKNOWN CPS_TIME_NEVER

/* cp: new files with the bytes of the old ones, or new bytes in a file that is there. */
static void copy_file(const char *from, const char *to)
{
    size_t len;
    uint8_t *bytes = read_file(from, &len);
    if (bytes == NULL)
        return;
    write_file(to, bytes, len);
    free(bytes);
}

/* cp -a of the folder, the lock file and a -wal with it. */
static void copy_folder(const box_t *from, box_t *to)
{
    static const char *const suffixes[] = {"", "-wal", ".lock"};
    char source[256];
    box_make(to);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        snprintf(source, sizeof source, "%s", box_file(from, suffixes[i]));
        copy_file(source, box_file(to, suffixes[i]));
    }
}

/* No state of the store is used, by any call; and the sentence says the way on. */
static void assert_lost(cps_store_t *s, const cps_store_key_t *k)
{
    cps_store_state_t at;
    uint64_t ceiling;
    int64_t pid;
    int64_t cursor = 0;
    size_t count;
    assert_err(CPS_ERR_STATE_LOST, s->table->lock(s, k, &pid));
    assert_non_null(strstr(cps_store_detail(), "key rekey"));
    assert_err(CPS_ERR_STATE_LOST, s->table->state_get(s, k, &at, &ceiling));
    assert_err(CPS_ERR_STATE_LOST, lease_one(s, k, 1 << 20, true));
    cps_store_closing_t c = closing_of(k, 1, 1);
    assert_err(CPS_ERR_STATE_LOST, s->table->save(s, &c, 1));
    cps_store_loaded_t *l = calloc(8, sizeof *l);
    assert_ok(s->table->load(s, &cursor, true, l, 8, &count));
    for (size_t i = 0; i < count; i++)
        if (strcmp(l[i].key.name, k->name) == 0)
            assert_err(CPS_ERR_STATE_LOST, l[i].result);
    free(l);
    assert_int_equal(cps_err_exit(CPS_ERR_STATE_LOST), 8);
}

static void a_copy_elsewhere_does_not_send(void **state)
{
    (void)state;
    box_t box;
    box_t copy;
    box_make(&box);
    make_sample(&box);
    cps_store_key_t k = sample_key(1, 1);
    cps_store_t *original = box_open(&box);
    lock_key(original, &k);
    assert_ok(lease_one(original, &k, 128, true)); /* part of it is in the -wal */
    copy_folder(&box, &copy);
    cps_store_t *s = box_open(&copy);
    assert_lost(s, &k);
    s->table->close(s);
    assert_ok(cps_store_check(copy.path, NULL, NULL)); /* it is sound for all that */
    assert_ok(lease_one(original, &k, 192, true));
    original->table->close(original);
    original = box_open(&box);
    assert_state(original, &k, 192, 192, UNKNOWN);
    lock_key(original, &k);
    original->table->close(original);
    box_drop(&copy);
    box_drop(&box);
}

static void a_moved_folder_goes_on(void **state)
{
    (void)state;
    box_t box;
    box_t moved;
    box_make(&box);
    make_sample(&box);
    box_make(&moved);
    box_drop(&moved);
    assert_int_equal(rename(box.dir, moved.dir), 0);
    cps_store_t *s = box_open(&moved);
    cps_store_key_t k = sample_key(1, 1);
    lock_key(s, &k);
    assert_state(s, &k, 10, 64, 20);
    s->table->close(s);
    box_drop(&moved);
}

static void a_backup_holds_keys_and_does_not_send(void **state)
{
    (void)state;
    box_t box;
    box_t other;
    struct stat at;
    box_make(&box);
    make_sample(&box);
    box_make(&other);
    char to[256];
    snprintf(to, sizeof to, "%.130s/backup.db", box.dir);
    cps_store_t *running = box_open(&box);
    mode_t before = umask(0);
    assert_ok(cps_store_backup(box.path, to));
    umask(before);
    running->table->close(running);
    assert_int_equal(stat(to, &at), 0);
    assert_int_equal(at.st_mode & 07777U, 0600);
    assert_err(CPS_ERR_EXISTS, cps_store_backup(box.path, to));
    assert_ok(cps_store_check(to, NULL, NULL));
    for (int where = 0; where < 2; where++) { /* as it is, and where it was restored */
        cps_store_t *s;
        cps_store_options_t options = {.path = where == 0 ? to : other.path};
        if (where == 1)
            copy_file(to, other.path);
        assert_ok(cps_store_sqlite_open(&s, &options));
        for (uint32_t i = 1; i <= 2; i++) {
            cps_store_key_t expected = sample_key(i, 1);
            cps_store_key_t k;
            assert_ok(s->table->key_get(s, expected.name, &k));
            assert_memory_equal(&k, &expected, sizeof k);
            assert_lost(s, &k);
        }
        s->table->close(s);
        assert_ok(cps_store_adopt(options.path, 1000)); /* there is no state to go on from */
        assert_ok(cps_store_sqlite_open(&s, &options));
        cps_store_key_t k = sample_key(1, 1);
        assert_lost(s, &k);
        s->table->close(s);
    }
    assert_err(CPS_ERR_NOT_FOUND, cps_store_backup(box_file(&other, ".none"), box_file(&other, ".new")));
    box_drop(&other);
    box_drop(&box);
}

/* Raise the ceiling by some leases, as a process that is killed in the end. */
static void use(const box_t *box, uint64_t up_to)
{
    cps_store_key_t k = sample_key(1, 1);
    owner_t o = start_owner(box->path, &k, up_to);
    kill_owner(&o);
}

static void an_old_copy_put_back_in_place_does_not_send(void **state)
{
    (void)state;
    box_t box;
    box_make(&box);
    make_sample(&box);
    cps_store_key_t k = sample_key(1, 1);
    copy_file(box.path, box_file(&box, ".saved"));
    use(&box, 640);
    cps_store_t *s = box_open(&box);
    assert_state(s, &k, 640, 640, UNKNOWN);
    s->table->close(s);
    char saved[256];
    snprintf(saved, sizeof saved, "%s", box_file(&box, ".saved"));
    copy_file(saved, box.path); /* cp: the file is the same one, with old bytes */
    s = box_open(&box);
    for (int i = 0; i < 20; i++) /* nor does asking often make it look new */
        assert_err(CPS_ERR_STATE_LOST, s->table->lease(s, NULL, 0, true, true));
    assert_lost(s, &k);
    assert_non_null(strstr(cps_store_detail(), "older"));
    s->table->close(s);
    s = box_open(&box);
    assert_lost(s, &k);
    s->table->close(s);
    box_drop(&box);
}

static void a_removed_wal_is_noticed(void **state)
{
    (void)state;
    box_t box;
    box_make(&box);
    make_sample(&box);
    cps_store_key_t k = sample_key(1, 1);
    use(&box, 640);
    assert_int_equal(unlink(box_file(&box, "-wal")), 0); /* with the lease in it */
    unlink(box_file(&box, "-shm"));
    cps_store_t *s = box_open(&box);
    assert_lost(s, &k);
    assert_non_null(strstr(cps_store_detail(), "-wal"));
    s->table->close(s);
    box_drop(&box);
}

/* What is no rollback must not be taken for one. */
static void a_mark_of_another_store_or_none_says_nothing(void **state)
{
    (void)state;
    box_t box;
    box_make(&box);
    make_sample(&box);
    cps_store_key_t k = sample_key(1, 1);
    use(&box, 640);
    assert_int_equal(unlink(box_file(&box, ".lock")), 0);
    cps_store_t *s = box_open(&box);
    lock_key(s, &k);
    assert_ok(lease_one(s, &k, 704, true));
    s->table->close(s);
    assert_int_equal(unlink(box.path), 0); /* a new store under the old lock file */
    s = box_open(&box);
    add_sample(s, 1, 1);
    lock_key(s, &k);
    assert_ok(lease_one(s, &k, 64, true));
    s->table->close(s);
    write_file(box_file(&box, ".lock"), "half a mark", 11);
    s = box_open(&box);
    lock_key(s, &k);
    assert_state(s, &k, 64, 64, UNKNOWN);
    s->table->close(s);
    box_drop(&box);
}

/* A copy that is given the next number of one key, and a new key: those send, the others do not. */
static void go_on(const box_t *box)
{
    cps_store_t *s = box_open(box);
    cps_store_key_t k = sample_key(1, 1);
    cps_store_key_t other = sample_key(2, 1);
    cps_store_state_t given = {.next = 0, .window_known = true};
    assert_ok(s->table->key_remove(s, k.name));
    assert_err(CPS_ERR_UNKNOWN_NUMBER, s->table->key_add(s, &k, &given));
    assert_non_null(strstr(cps_store_detail(), "--next-sequence"));
    given.next = 2000;
    assert_ok(s->table->key_add(s, &k, &given));
    lock_key(s, &k);
    assert_state(s, &k, 2000, 2000, UNKNOWN);
    assert_ok(lease_one(s, &k, 2064, true));
    cps_store_key_t fresh = add_sample(s, 3, 1);
    lock_key(s, &fresh);
    assert_ok(lease_one(s, &fresh, 64, true));
    assert_lost(s, &other);
    s->table->close(s);
    s = box_open(box); /* and it stays so */
    lock_key(s, &k);
    lock_key(s, &fresh);
    assert_state(s, &k, 2064, 2064, UNKNOWN);
    assert_lost(s, &other);
    s->table->close(s);
    assert_ok(cps_store_check(box->path, NULL, NULL));
}

static void a_given_number_or_a_new_key_sends_again(void **state)
{
    (void)state;
    box_t box;
    box_t copy;
    box_t backup;
    box_make(&box);
    make_sample(&box);
    copy_folder(&box, &copy);
    go_on(&copy);
    box_make(&backup);
    assert_ok(cps_store_backup(box.path, backup.path));
    go_on(&backup);
    copy_file(box.path, box_file(&box, ".saved"));
    use(&box, 640);
    cps_store_t *s = box_open(&box);
    s->table->close(s);
    char saved[256];
    snprintf(saved, sizeof saved, "%s", box_file(&box, ".saved"));
    copy_file(saved, box.path);
    go_on(&box); /* an old copy in the old place */
    box_drop(&backup);
    box_drop(&copy);
    box_drop(&box);
}

/* A number that is given below what the copy knows does not lower it; other windows of the state are forgotten too. */
static void a_given_number_never_lowers(void **state)
{
    (void)state;
    box_t box;
    box_t copy;
    cps_store_state_t given = {.next = 5, .window_known = true};
    box_make(&box);
    cps_store_t *s = box_open(&box);
    cps_store_key_t k = add_sample(s, 1, 1);
    cps_store_key_t sibling = add_sample(s, 1, 2);
    lock_key(s, &k);
    assert_ok(lease_one(s, &k, 64, true));
    cps_store_closing_t c[2] = {closing_of(&k, 10, 20), closing_of(&sibling, 10, 30)};
    assert_ok(s->table->save(s, c, 2));
    s->table->close(s);
    copy_folder(&box, &copy);
    s = box_open(&copy);
    assert_ok(s->table->key_remove(s, k.name));
    assert_ok(s->table->key_add(s, &k, &given));
    assert_state(s, &k, 64, 64, UNKNOWN);
    assert_state(s, &sibling, 64, 64, UNKNOWN);
    s->table->close(s);
    box_drop(&copy);
    box_drop(&box);
}

static void an_operator_may_vouch_for_a_copy(void **state)
{
    (void)state;
    box_t box;
    box_t copy;
    cps_store_key_t k = sample_key(1, 1);
    cps_store_key_t other = sample_key(2, 1);
    box_make(&box);
    make_sample(&box);
    copy_folder(&box, &copy);
    assert_err(CPS_ERR_ARGUMENT, cps_store_adopt(copy.path, CPS_STORE_NUMBER_MAX + 1));
    assert_ok(cps_store_adopt(copy.path, 1000));
    cps_store_t *s = box_open(&copy);
    assert_state(s, &k, 1064, 1064, UNKNOWN);
    assert_state(s, &other, 1000, 1000, UNKNOWN);
    lock_key(s, &k);
    assert_err(CPS_ERR_IN_USE, cps_store_adopt(copy.path, 0));
    s->table->close(s);
    /* the same for an old copy in the old place */
    copy_file(box.path, box_file(&box, ".saved"));
    use(&box, 640);
    char saved[256];
    snprintf(saved, sizeof saved, "%s", box_file(&box, ".saved"));
    s = box_open(&box);
    s->table->close(s);
    copy_file(saved, box.path);
    assert_ok(cps_store_adopt(box.path, 5000));
    s = box_open(&box);
    lock_key(s, &k);
    assert_state(s, &k, 5064, 5064, UNKNOWN);
    assert_ok(lease_one(s, &k, 5128, true));
    s->table->close(s);
    assert_ok(cps_store_check(box.path, NULL, NULL));
    box_drop(&copy);
    box_drop(&box);
}

/* ---- up to the socket ---- */

typedef struct bench {
    uv_loop_t loop;
    cps_store_t *store;
    cps_worker_t *worker;
    cps_keyring_t *keyring;
} bench_t;

static void nothing(void *user, const cps_event_t *event)
{
    (void)user;
    (void)event;
}

static void bench_open(bench_t *b, const box_t *box)
{
    static const cps_ep_config_t config = {.dedup_bytes = 65536};
    cps_worker_hooks_t hooks = {nothing, NULL, b};
    b->store = box_open(box);
    assert_int_equal(uv_loop_init(&b->loop), 0);
    assert_ok(cps_worker_new(&b->worker, &b->loop, &config, &hooks));
    assert_ok(cps_keyring_new(&b->keyring, b->store, cps_worker_ep(b->worker)));
}

static void bench_close(bench_t *b)
{
    cps_keyring_free(b->keyring);
    cps_worker_close(b->worker);
    assert_int_equal(uv_run(&b->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    b->store->table->close(b->store);
}

/* As a command and as a daemon: own the key, send a request under it. How many datagrams went out? */
static uint64_t send_from(const box_t *box, const char *name, cps_err_t expected)
{
    bench_t b = {0};
    const cps_credential_t *own = NULL;
    cps_ep_stats_t stats;
    bench_open(&b, box);
    assert_err(expected, cps_keyring_own(b.keyring, name, 0, &own));
    if (expected != CPS_OK) {
        assert_int_equal(cps_err_exit(expected), 8);
        assert_non_null(strstr(cps_keyring_detail(b.keyring), "key rekey"));
        assert_err(expected, cps_keyring_load(b.keyring, NULL)); /* a daemon's way */
        assert_non_null(strstr(cps_keyring_detail(b.keyring), "key rekey"));
        assert_null(cps_keyring_at(b.keyring, 0));
    } else {
        uint16_t socket = 0;
        assert_ok(cps_worker_socket(b.worker, CPS_FAMILY_IPV4, &socket));
        cps_command_t command = {
            .kind = CPS_COMMAND_REQUEST,
            .u.request = {
                .path = {.remote = {.ip = {127, 1, 0, 9}, .port = 9, .family = CPS_FAMILY_IPV4}, .socket = socket},
                .code = CPS_GET,
                .non_confirmable = true,
                .context = own->context}};
        assert_ok(cps_worker_submit(b.worker, &command, NULL));
        uv_run(&b.loop, UV_RUN_NOWAIT);
    }
    cps_ep_stats(cps_worker_ep(b.worker), &stats);
    bench_close(&b);
    return stats.datagrams_out;
}

static void neither_copy_nor_backup_sends_and_the_original_goes_on(void **state)
{
    (void)state;
    box_t box;
    box_t copy;
    box_t restored;
    box_make(&box);
    cps_store_t *s = box_open(&box);
    cps_store_key_t k = add_sample(s, 1, 1);
    s->table->close(s);
    assert_int_equal(send_from(&box, k.name, CPS_OK), 1);
    copy_folder(&box, &copy);
    assert_ok(cps_store_backup(box.path, box_file(&box, ".backup")));
    box_make(&restored);
    char backup[256];
    snprintf(backup, sizeof backup, "%s", box_file(&box, ".backup"));
    copy_file(backup, restored.path);
    assert_int_equal(send_from(&copy, k.name, CPS_ERR_STATE_LOST), 0);
    assert_int_equal(send_from(&restored, k.name, CPS_ERR_STATE_LOST), 0);
    assert_int_equal(send_from(&box, k.name, CPS_OK), 1);
    box_drop(&restored);
    box_drop(&copy);
    box_drop(&box);
}

static const cps_case_t cases[] = {
    {"", "a copy elsewhere does not send, and the original goes on", a_copy_elsewhere_does_not_send},
    {"", "a folder moved within its file system goes on", a_moved_folder_goes_on},
    {"", "a backup holds the keys and does not send", a_backup_holds_keys_and_does_not_send},
    {"", "an old copy put back in place does not send", an_old_copy_put_back_in_place_does_not_send},
    {"", "a removed -wal is noticed", a_removed_wal_is_noticed},
    {"", "a mark of another store, or none, says nothing", a_mark_of_another_store_or_none_says_nothing},
    {"", "a given number or a new key sends again, the others do not", a_given_number_or_a_new_key_sends_again},
    {"", "a given number never lowers, and no window counts", a_given_number_never_lowers},
    {"", "an operator may vouch for a copy", an_operator_may_vouch_for_a_copy},
    {"OPS-9", "neither copy nor backup sends, the original goes on",
     neither_copy_nor_backup_sends_and_the_original_goes_on},
};

CPS_RUN("store_power_copies", cases)
