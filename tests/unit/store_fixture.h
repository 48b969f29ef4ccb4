// SPDX-License-Identifier: Apache-2.0
/* What the tests of the stores share: a folder of their own, sample keys, and reading whole files. */
#ifndef CPS_TESTS_STORE_FIXTURE_H
#define CPS_TESTS_STORE_FIXTURE_H

#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/map.h"
#include "store/store.h"

/** A fresh folder, and the path of a store in it. */
typedef struct box {
    char dir[128];
    char path[160];
} box_t;

static inline void box_make(box_t *box)
{
    const char *tmp = getenv("TMPDIR");
    *box = (box_t){{0}, {0}};
    snprintf(box->dir, sizeof box->dir, "%s/cps-store-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(box->dir));
    snprintf(box->path, sizeof box->path, "%.127s/keyring.db", box->dir);
}

/** Path of a file beside the store: suffix "-wal", ".lock"; valid until the second next call. */
static inline const char *box_file(const box_t *box, const char *suffix)
{
    static char names[2][256];
    static unsigned at;
    char *name = names[at++ % 2U];
    snprintf(name, sizeof names[0], "%s%s", box->path, suffix);
    return name;
}

static inline int remove_one(const char *path, const struct stat *at, int type, struct FTW *walk)
{
    (void)at;
    (void)type;
    (void)walk;
    return remove(path);
}

/** Remove the folder and all in it. */
static inline void box_drop(const box_t *box) { nftw(box->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS); }

static inline cps_err_t box_open_as(const box_t *box, bool create, bool read_only, cps_store_t **out)
{
    cps_store_options_t options = {.path = box->path, .create = create, .read_only = read_only};
    return cps_store_sqlite_open(out, &options);
}

static inline cps_store_t *box_open(const box_t *box)
{
    cps_store_t *s;
    assert_ok(box_open_as(box, true, false, &s));
    return s;
}

static inline void put_bytes(cps_store_bytes_t *b, const void *from, size_t len)
{
    memset(b, 0, sizeof *b);
    cps_copy(b->data, from, len);
    b->len = (uint8_t)len;
}

/** A key of state `state`, and of peer `peer` on that state: different numbers make different identifiers. */
static inline cps_store_key_t sample_key(uint32_t state, uint32_t peer)
{
    cps_store_key_t k = {.secret_len = 16, .aead = 10, .window = 32};
    uint8_t id[4];
    snprintf(k.name, sizeof k.name, "key-%u-%u", state, peer);
    snprintf(k.peer, sizeof k.peer, "peer-%u", peer);
    snprintf(k.pattern, sizeof k.pattern, "coap://host-%u/**", peer);
    for (uint32_t i = 0; i < 16; i++)
        k.secret[i] = (uint8_t)(0xa0U + 7 * i + state);
    put_bytes(&k.salt, "\x9e\x7c\xa9\x22\x23\x78\x63\x40", 8);
    cps_put_be32(id, state);
    put_bytes(&k.sender_id, id, sizeof id);
    cps_put_be32(id, state << 8U | peer);
    put_bytes(&k.recipient_id, id, sizeof id);
    memset(k.state_id, 0x51, sizeof k.state_id);
    cps_put_be32(k.state_id, state);
    memset(k.window_id, 0x57, sizeof k.window_id);
    cps_put_be32(k.window_id, state);
    cps_put_be32(k.window_id + 4, peer);
    return k;
}

static inline void set_name(cps_store_key_t *k, const char *name) { snprintf(k->name, sizeof k->name, "%s", name); }

/** As `key new` makes it: nothing sent, nothing received. */
static const cps_store_state_t unused = {.window_known = true};

static inline cps_store_key_t add_sample(cps_store_t *s, uint32_t state, uint32_t peer)
{
    cps_store_key_t k = sample_key(state, peer);
    assert_ok(s->table->key_add(s, &k, &unused));
    return k;
}

static inline void lock_key(cps_store_t *s, const cps_store_key_t *k)
{
    int64_t pid;
    assert_ok(s->table->lock(s, k, &pid));
}

static inline cps_store_lease_t lease_of(const cps_store_key_t *k, uint64_t ceiling)
{
    cps_store_lease_t l = {.ceiling = ceiling, .result = CPS_ERR_WAIT};
    memcpy(l.state_id, k->state_id, sizeof l.state_id);
    return l;
}

/** Lease one and give what became of it. */
static inline cps_err_t lease_one(cps_store_t *s, const cps_store_key_t *k, uint64_t ceiling, bool invalidate)
{
    cps_store_lease_t l = lease_of(k, ceiling);
    cps_err_t err = s->table->lease(s, &l, 1, invalidate, false);
    if (err != CPS_OK)
        assert_int_equal(l.result, err);
    return l.result;
}

static inline cps_store_closing_t closing_of(const cps_store_key_t *k, uint64_t next, uint64_t window_next)
{
    cps_store_closing_t c = {.next = next, .window_next = window_next, .window_seen = 0x8000000000000001U};
    c.window_known = true;
    memcpy(c.state_id, k->state_id, sizeof c.state_id);
    memcpy(c.window_id, k->window_id, sizeof c.window_id);
    return c;
}

/** What a state has to read; a window of CPS_TIME_NEVER means unknown. */
typedef struct expected {
    uint64_t next;
    uint64_t ceiling;
    uint64_t window;
} expected_t;

#define assert_state(s, k, next, ceiling, window)                                                                      \
    check_state(s, k, (expected_t){next, ceiling, window}, __FILE__, __LINE__)

static inline void check_state(cps_store_t *s, const cps_store_key_t *k, expected_t e, const char *file, int line)
{
    cps_store_state_t state;
    uint64_t ceiling = 0;
    bool known = e.window != CPS_TIME_NEVER;
    cps_assert_err(CPS_OK, s->table->state_get(s, k, &state, &ceiling), "state_get", file, line);
    _assert_int_equal(e.next, state.next, file, line);
    _assert_int_equal(e.ceiling, ceiling, file, line);
    _assert_int_equal(known, state.window_known, file, line);
    _assert_int_equal(known ? e.window : 0, state.window_next, file, line);
}

/** A whole file on the heap; NULL where it cannot be read. Free it. */
static inline uint8_t *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    *len = 0;
    if (f == NULL)
        return NULL;
    uint8_t *bytes = malloc(16U << 20U);
    assert_non_null(bytes);
    *len = fread(bytes, 1, 16U << 20U, f);
    assert_int_equal(fclose(f), 0);
    return bytes;
}

static inline void write_file(const char *path, const void *bytes, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

/** A store with two keys, one of them with a lease and a clean exit, closed. */
static inline void make_sample(const box_t *box)
{
    cps_store_t *s = box_open(box);
    cps_store_key_t k = add_sample(s, 1, 1);
    add_sample(s, 2, 1);
    lock_key(s, &k);
    assert_ok(lease_one(s, &k, 64, true));
    cps_store_closing_t c = closing_of(&k, 10, 20);
    assert_ok(s->table->save(s, &c, 1));
    s->table->close(s);
}

/** Statements run by SQLite itself, around the store. */
static inline void run_sql(const box_t *box, const char *text)
{
    sqlite3 *db;
    char *message = NULL;
    assert_int_equal(sqlite3_open(box->path, &db), SQLITE_OK);
    sqlite3_exec(db, text, NULL, NULL, &message);
    if (message != NULL)
        fail_msg("%s", message);
    sqlite3_close(db);
}

/** Names, sizes and bytes of all files of a folder, as one hash. */
static inline uint64_t folder_hash(const box_t *box)
{
    static const uint8_t seed[16];
    uint64_t sum = 0;
    struct dirent **list = NULL;
    int count = scandir(box->dir, &list, NULL, alphasort);
    assert_true(count >= 2);
    for (int i = 0; i < count; i++) {
        char name[512];
        size_t len;
        snprintf(name, sizeof name, "%s/%s", box->dir, list[i]->d_name);
        uint8_t *bytes = list[i]->d_name[0] != '.' ? read_file(name, &len) : NULL;
        if (bytes != NULL)
            sum += cps_hash(seed, name, strlen(name)) ^ cps_hash(seed, bytes, len);
        free(bytes);
        free(list[i]);
    }
    free(list);
    return sum;
}

/** Another process that opens the store and owns a key until it is killed; with a ceiling, leased up to it. */
typedef struct owner {
    pid_t pid;
    int from;
    int life; /* the process ends when this is closed, by us or by our end */
} owner_t;

static inline owner_t start_owner(const char *path, const cps_store_key_t *k, uint64_t ceiling)
{
    owner_t o;
    int fds[2];
    int life[2];
    char said = 0;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(pipe(life), 0);
    o.pid = fork();
    assert_true(o.pid >= 0);
    if (o.pid == 0) {
        cps_store_t *s;
        int64_t pid;
        cps_store_options_t options = {.path = path};
        bool mine = cps_store_sqlite_open(&s, &options) == CPS_OK && s->table->lock(s, k, &pid) == CPS_OK;
        mine = mine && (ceiling == 0 || lease_one(s, k, ceiling, true) == CPS_OK);
        if (write(fds[1], mine ? "y" : "n", 1) != 1)
            _exit(1);
        close(life[1]);
        _exit(read(life[0], &said, 1) == 0 ? 0 : 1);
    }
    close(fds[1]);
    close(life[0]);
    o.from = fds[0];
    o.life = life[1];
    assert_int_equal(read(o.from, &said, 1), 1);
    assert_int_equal(said, 'y');
    return o;
}

static inline void kill_owner(const owner_t *o)
{
    int status;
    assert_int_equal(kill(o->pid, SIGKILL), 0);
    assert_int_equal(waitpid(o->pid, &status, 0), o->pid);
    close(o->from);
    close(o->life);
}

/** Whether another process could take a key now; `place` is its number in the order of adding, from 1. Asked of the
 * kernel by a child, without SQLite: a child of fork must not use it where its parent has a store open. */
static inline bool free_for_others(const box_t *box, off_t place)
{
    int status;
    const char *path = box_file(box, ".lock");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct flock want = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = place, .l_len = 1};
        int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0 || fcntl(fd, F_GETLK, &want) != 0)
            _exit(2);
        _exit(want.l_type == F_UNLCK ? 0 : want.l_pid == getppid() ? 1 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 2);
    return WEXITSTATUS(status) == 0;
}

#endif /* CPS_TESTS_STORE_FIXTURE_H */
