// SPDX-License-Identifier: Apache-2.0
/* A damaged store. The first byte says what the rest is: an image of the database file as it stands (even), or a list
 * of injuries to the image of a good store with four keys (odd). Whatever the store then answers without an error is what
 * was in it: no sequence number below one that was given out, no other key; a store that its check calls sound works,
 * and has no window but the saved one; the check changes no byte.
 *
 * covers: src/store */
#include "files.h"

#include <sys/stat.h>

#include "store/store.h"

#define IMAGE_MAX (64U * 1024U)
#define PAGE      4096U
#define KEYS      4U
#define STATES    3U
#define GONE      2U /* the state of the key that was removed */

/* Keys 0 and 1 share a state. Key 3 was removed; its numbers stay. */
static const unsigned state_of[KEYS] = {0, 0, 1, GONE};

typedef struct base {
    char dir[64];
    char path[96];
    uint8_t image[IMAGE_MAX];
    size_t len;
    uint16_t filled[IMAGE_MAX]; /* places of bytes that are not zero */
    size_t filled_count;
    cps_store_key_t keys[KEYS];
    cps_store_state_t windows[KEYS]; /* as saved */
} base_t;

static base_t base;
static uint8_t image[IMAGE_MAX];
static uint8_t seen[IMAGE_MAX];
static bool is_sound;          /* so says the check */
static uint64_t given[STATES]; /* no number below it may ever be given again */

/* ---- files ---- */

static void remove_beside(void)
{
    static const char *const suffixes[] = {"-wal", "-shm", "-journal", ".lock"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", base.path, suffixes[i]);
        (void)unlink(name);
    }
}

static void remove_all(void)
{
    remove_beside();
    (void)unlink(base.path);
    (void)rmdir(base.dir);
}

/* ---- the good store ---- */

static cps_store_key_t make_key(unsigned i)
{
    cps_store_key_t k;
    memset(&k, 0, sizeof k);
    k.secret_len = 16;
    k.aead = 10;
    k.window = 32;
    snprintf(k.name, sizeof k.name, "key%u", i);
    snprintf(k.peer, sizeof k.peer, "peer%u", i);
    snprintf(k.pattern, sizeof k.pattern, "coap://host%u/**", i);
    memset(k.secret, 0x70 + (int)state_of[i], k.secret_len);
    k.sender_id = (cps_store_bytes_t){{(uint8_t)(0x30 + state_of[i])}, 1};
    k.recipient_id = (cps_store_bytes_t){{(uint8_t)(0x40 + i)}, 1};
    memset(k.state_id, 0x51 + (int)state_of[i], sizeof k.state_id);
    memset(k.window_id, 0x61 + (int)i, sizeof k.window_id);
    return k;
}

static cps_store_t *open_store(bool create, bool read_only, cps_err_t *err)
{
    cps_store_options_t options = {.path = base.path, .create = create, .read_only = read_only};
    cps_store_t *s = NULL;
    *err = cps_store_sqlite_open(&s, &options);
    demand((*err == CPS_OK) == (s != NULL));
    return s;
}

static cps_err_t lease(cps_store_t *s, unsigned state, uint64_t ceiling, bool all)
{
    cps_store_lease_t one = {.ceiling = ceiling};
    memset(one.state_id, 0x51 + (int)state, sizeof one.state_id);
    cps_err_t err = s->table->lease(s, &one, 1, true, all);
    if (err == CPS_OK && one.result == CPS_OK && ceiling > given[state])
        given[state] = ceiling;
    return err != CPS_OK ? err : one.result;
}

static cps_err_t save(cps_store_t *s, unsigned i, uint64_t next)
{
    cps_store_closing_t closing = {.next = next, .window_known = true, .window_next = 70 + i, .window_seen = 0x55 + i};
    memcpy(closing.state_id, base.keys[i].state_id, sizeof closing.state_id);
    memcpy(closing.window_id, base.keys[i].window_id, sizeof closing.window_id);
    return s->table->save(s, &closing, 1);
}

static void fill(cps_store_t *s)
{
    static const cps_store_state_t unused = {.window_known = true};
    int64_t pid;
    for (unsigned i = 0; i < KEYS; i++) {
        base.keys[i] = make_key(i);
        demand(s->table->key_add(s, &base.keys[i], &unused) == CPS_OK);
    }
    for (unsigned i = 1; i < KEYS; i++) {
        demand(s->table->lock(s, &base.keys[i], &pid) == CPS_OK);
        demand(lease(s, state_of[i], 64ULL << 4U * i, i == 1) == CPS_OK);
    }
    demand(save(s, 0, 500) == CPS_OK && save(s, 1, 500) == CPS_OK);
    given[0] = 500; /* a clean exit: the numbers behind it were not used */
    for (unsigned i = 0; i < 2; i++)
        base.windows[i] = (cps_store_state_t){.window_known = true, .window_next = 70 + i, .window_seen = 0x55 + i};
    demand(s->table->key_remove(s, base.keys[3].name) == CPS_OK);
}

static uint64_t given_at_first[STATES];

static void make_base(void)
{
    cps_err_t err;
    fuzz_folder(base.dir, "store");
    snprintf(base.path, sizeof base.path, "%s/keyring.db", base.dir);
    demand(atexit(remove_all) == 0);
    cps_store_t *s = open_store(true, false, &err);
    demand(s != NULL);
    fill(s);
    s->table->close(s);
    base.len = fuzz_read_file(base.path, base.image, IMAGE_MAX).len;
    demand(base.len > PAGE && base.len < IMAGE_MAX);
    for (size_t i = 0; i < base.len; i++)
        if (base.image[i] != 0)
            base.filled[base.filled_count++] = (uint16_t)i;
    memcpy(given_at_first, given, sizeof given);
}

/* ---- injuries ---- */

static size_t place(cps_reader_t *r, size_t len)
{
    unsigned at = cps_read_u16(r);
    size_t found = (at & 0x8000U) != 0 ? at & 0x7fffU : base.filled[at % base.filled_count];
    return found % len;
}

static void injure(cps_reader_t *r, size_t *len)
{
    unsigned kind = cps_read_u8(r) % 7U;
    size_t at = place(r, *len);
    uint8_t page[PAGE];
    size_t other;
    size_t count;
    switch (kind) {
    case 0:
    case 1:
        image[at] = cps_read_u8(r);
        return;
    case 2:
        image[at] ^= (uint8_t)(1U << (cps_read_u8(r) & 7U));
        return;
    case 3: /* a part is gone */
        count = cps_read_u8(r);
        memset(image + at, 0, count < *len - at ? count : *len - at);
        return;
    case 4: /* cut short */
        *len = at + 1;
        return;
    case 5: /* a part of it stands elsewhere too */
        other = place(r, *len);
        count = cps_read_u8(r) % 64U;
        if (at + count <= *len && other + count <= *len)
            memmove(image + at, image + other, count);
        return;
    default: /* two pages changed places */
        at = at / PAGE * PAGE;
        other = place(r, *len) / PAGE * PAGE;
        if (at + PAGE > *len || other + PAGE > *len)
            return;
        memcpy(page, image + at, PAGE);
        memmove(image + at, image + other, PAGE);
        memcpy(image + other, page, PAGE);
    }
}

static size_t damage(cps_bytes_t program)
{
    cps_reader_t r = cps_reader(program);
    size_t len = base.len;
    memcpy(image, base.image, base.len);
    while (cps_reader_left(&r) >= 3)
        injure(&r, &len);
    return len;
}

/* ---- what may come of it ---- */

static int index_of(const uint8_t *id, int first, int count)
{
    int number = id[0] - first;
    for (unsigned i = 1; i < CPS_STORE_ID_LEN; i++)
        if (id[i] != id[0])
            return -1;
    return number >= 0 && number < count ? number : -1;
}

static void judge_state(const cps_store_key_t *key, const cps_store_state_t *state, uint64_t ceiling)
{
    int at = index_of(key->state_id, 0x51, STATES);
    int window = index_of(key->window_id, 0x61, KEYS);
    demand(at >= 0 && state->next >= given[at] && ceiling >= state->next);
    if (!state->window_known || window < 0 || !is_sound)
        return; /* a damaged index may keep a lease from using up a window: the check tells */
    demand(base.windows[window].window_known && state->window_next == base.windows[window].window_next);
    demand(state->window_seen == base.windows[window].window_seen);
}

/* Without its state, the identifiers are what the rows say that it refers to: damaged, they are known to no state. */
static void judge_key(const cps_store_key_t *key, bool with_state)
{
    for (unsigned i = 0; i < KEYS; i++) {
        cps_store_key_t want = base.keys[i];
        if (!with_state) {
            memcpy(want.state_id, key->state_id, sizeof want.state_id);
            memcpy(want.window_id, key->window_id, sizeof want.window_id);
        }
        // NOLINTNEXTLINE: both were zeroed whole before they were filled
        if (memcmp(key, &want, sizeof *key) == 0)
            return;
    }
    demand(false); /* a key that nobody put there */
}

static unsigned read_keys(cps_store_t *s, bool own)
{
    cps_store_loaded_t loaded[3];
    int64_t cursor = 0;
    unsigned good = 0;
    size_t count = 1;
    for (unsigned rounds = 0; count != 0; rounds++) {
        demand(rounds < 1000);
        if (s->table->load(s, &cursor, own, loaded, 3, &count) != CPS_OK)
            return 0;
        for (size_t i = 0; i < count; i++) {
            if (loaded[i].result != CPS_OK)
                continue;
            judge_key(&loaded[i].key, true);
            judge_state(&loaded[i].key, &loaded[i].state, loaded[i].ceiling);
            good++;
        }
    }
    return good;
}

static void walk_keys(cps_store_t *s)
{
    cps_store_key_t key;
    int64_t cursor = 0;
    for (unsigned rounds = 0; s->table->key_next(s, &cursor, &key) == CPS_OK; rounds++) {
        demand(rounds < 1000);
        judge_key(&key, false);
    }
    for (unsigned i = 0; i < KEYS; i++)
        if (s->table->key_get(s, base.keys[i].name, &key) == CPS_OK)
            judge_key(&key, false);
}

static void ask_states(cps_store_t *s)
{
    for (unsigned i = 0; i < KEYS; i++) {
        cps_store_state_t state;
        uint64_t ceiling;
        if (s->table->state_get(s, &base.keys[i], &state, &ceiling) == CPS_OK)
            judge_state(&base.keys[i], &state, ceiling);
    }
}

/* As a daemon does: own, lease, perhaps save. */
static void use_states(cps_store_t *s)
{
    int64_t pid;
    for (unsigned i = 0; i < KEYS; i++) {
        unsigned state = state_of[i];
        if (s->table->lock(s, &base.keys[i], &pid) != CPS_OK || lease(s, state, given[state] + 64, false) != CPS_OK)
            continue;
        for (unsigned k = 0; k < KEYS; k++) /* what was saved is used up, or was not touched: it may be either */
            base.windows[k].window_known = base.windows[k].window_known && state_of[k] != state;
        ask_states(s);
        if (i == 2 && save(s, i, given[state] - 1) == CPS_OK) {
            given[state]--;
            base.windows[i] = (cps_store_state_t){.window_known = true, .window_next = 72, .window_seen = 0x57};
        }
    }
}

/* The removed key comes back to a store that is sound: its numbers go on. In a damaged one the index may have lost
 * them, which the check tells. */
static void add_again(cps_store_t *s)
{
    static const cps_store_state_t unused = {.window_known = true};
    demand(s->table->key_add(s, &base.keys[3], &unused) == CPS_OK);
    ask_states(s);
}

static void say(void *user, const char *finding)
{
    demand(strlen(finding) > 0);
    ++*(unsigned *)user;
}

static cps_err_t check(size_t len)
{
    unsigned findings = 0;
    cps_err_t err = cps_store_check(base.path, say, &findings);
    demand((err == CPS_ERR_STORE_CORRUPT) == (findings != 0));
    demand(cps_bytes_equal(fuzz_read_file(base.path, seen, IMAGE_MAX), cps_bytes(image, len)));
    return err;
}

static void open_and_use(void)
{
    cps_err_t err;
    cps_store_t *s = open_store(false, true, &err);
    if (s != NULL) {
        unsigned good = read_keys(s, false);
        demand(!is_sound || good == 3);
        walk_keys(s);
        ask_states(s);
        s->table->close(s);
    }
    s = open_store(false, false, &err);
    demand(!is_sound || s != NULL);
    if (s == NULL)
        return;
    (void)read_keys(s, true);
    s->table->close(s);
    for (int i = 0; i < 2 && (s = open_store(false, false, &err)) != NULL; i++) {
        use_states(s);
        if (is_sound && i == 1)
            add_again(s);
        s->table->close(s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static cps_store_state_t windows_at_first[KEYS];
    if (base.len == 0) {
        make_base();
        memcpy(windows_at_first, base.windows, sizeof windows_at_first);
    }
    if (size < 2 || size > IMAGE_MAX)
        return 0;
    memcpy(given, given_at_first, sizeof given);
    memcpy(base.windows, windows_at_first, sizeof windows_at_first);
    bool is_whole = (data[0] & 1U) == 0;
    size_t len = is_whole ? size - 1 : damage(cps_bytes(data + 1, size - 1));
    if (is_whole)
        memcpy(image, data + 1, len);
    remove_beside();
    fuzz_write_file(base.path, cps_bytes(image, len));
    is_sound = check(len) == CPS_OK && !is_whole;
    open_and_use();
    return 0;
}
