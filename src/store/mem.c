// SPDX-License-Identifier: Apache-2.0
/* The store in memory: plain arrays and linear searches, the same rules as the SQLite store, nothing durable. */
#include "store/common.h"

#include <stdlib.h>

typedef struct memstate {
    uint8_t id[CPS_STORE_ID_LEN];
    uint64_t ceiling;
    uint64_t next; /* counts only where `saved` */
    bool saved;
    bool locked;
} memstate_t;

typedef struct memwindow {
    uint8_t id[CPS_STORE_ID_LEN];
    uint8_t state_id[CPS_STORE_ID_LEN];
    uint64_t next;
    uint64_t seen;
    bool known;
} memwindow_t;

typedef struct memkey {
    int64_t number; /* in the order of creation */
    cps_store_key_t key;
} memkey_t;

typedef struct memstore {
    cps_store_t base;
    memkey_t *keys;
    memstate_t *states;
    memwindow_t *windows;
    size_t key_count;
    size_t state_count;
    size_t window_count;
    int64_t last_number;
} memstore_t;

static memstore_t *mem_of(cps_store_t *s) { return (memstore_t *)s; }

static bool same_id(const uint8_t *a, const uint8_t *b) { return memcmp(a, b, CPS_STORE_ID_LEN) == 0; }

static bool same_bytes(const cps_store_bytes_t *a, const cps_store_bytes_t *b)
{
    return cps_bytes_equal(cps_bytes(a->data, a->len), cps_bytes(b->data, b->len));
}

static memkey_t *key_named(memstore_t *m, const char *name)
{
    for (size_t i = 0; i < m->key_count; i++)
        if (strcmp(m->keys[i].key.name, name) == 0)
            return &m->keys[i];
    return NULL;
}

static memstate_t *state_of(memstore_t *m, const uint8_t *id)
{
    for (size_t i = 0; i < m->state_count; i++)
        if (same_id(m->states[i].id, id))
            return &m->states[i];
    return NULL;
}

static memwindow_t *window_of(memstore_t *m, const uint8_t *id)
{
    for (size_t i = 0; i < m->window_count; i++)
        if (same_id(m->windows[i].id, id))
            return &m->windows[i];
    return NULL;
}

static cps_err_t no_key(const char *name)
{
    return cps_store_fail(CPS_ERR_NOT_FOUND, "the memory store has no key named %s", name);
}

static cps_err_t no_state(void)
{
    return cps_store_fail(CPS_ERR_STATE_LOST, "the memory store has no sequence state for this key");
}

/* Room for one more: a copy, so that the old array with its secrets is wiped before it is freed. */
static void *grow(void *items, size_t count, size_t size)
{
    if (count != 0 && (count & (count - 1)) != 0)
        return items; /* room doubles at powers of two */
    void *more = calloc(count == 0 ? 1 : 2 * count, size);
    if (more == NULL)
        return NULL;
    cps_copy(more, items, count * size);
    cps_wipe(items, count * size);
    free(items);
    return more;
}

static cps_err_t reserve(memstore_t *m)
{
    memkey_t *keys = grow(m->keys, m->key_count, sizeof *keys);
    m->keys = keys != NULL ? keys : m->keys;
    memstate_t *states = grow(m->states, m->state_count, sizeof *states);
    m->states = states != NULL ? states : m->states;
    memwindow_t *windows = grow(m->windows, m->window_count, sizeof *windows);
    m->windows = windows != NULL ? windows : m->windows;
    if (keys == NULL || states == NULL || windows == NULL)
        return cps_store_fail(CPS_ERR_MEMORY, "no memory for another key");
    return CPS_OK;
}

static uint64_t next_of(const memstate_t *state) { return state->saved ? state->next : state->ceiling; }

static cps_err_t check_new(memstore_t *m, const cps_store_key_t *key)
{
    unsigned sharing = 0;
    for (size_t i = 0; i < m->key_count; i++) {
        const cps_store_key_t *k = &m->keys[i].key;
        if (strcmp(k->name, key->name) == 0)
            return cps_store_fail(CPS_ERR_EXISTS, "the memory store has a key named %s already", key->name);
        if (same_id(k->window_id, key->window_id))
            return cps_store_fail(CPS_ERR_EXISTS, "the memory store has this key already, named %s", k->name);
        sharing += same_bytes(&k->recipient_id, &key->recipient_id) && k->has_id_context == key->has_id_context &&
                   (!k->has_id_context || same_bytes(&k->id_context, &key->id_context));
    }
    if (sharing >= CPS_STORE_SHARE_MAX)
        return cps_store_fail(CPS_ERR_TOO_MANY, "four keys of the memory store share the Recipient ID of %s",
                              key->name);
    return CPS_OK;
}

static void put_state(memstore_t *m, const cps_store_key_t *key, uint64_t next)
{
    memstate_t *state = state_of(m, key->state_id);
    if (state == NULL) {
        state = &m->states[m->state_count++];
        *state = (memstate_t){.ceiling = next, .next = next, .saved = true};
        memcpy(state->id, key->state_id, CPS_STORE_ID_LEN);
    } else if (next > next_of(state)) {
        state->ceiling = next > state->ceiling ? next : state->ceiling;
        state->saved = false;
    }
}

static void put_window(memstore_t *m, const cps_store_key_t *key, const cps_store_state_t *given)
{
    memwindow_t *window = window_of(m, key->window_id);
    if (window != NULL) {
        window->known = false;
        return;
    }
    window = &m->windows[m->window_count++];
    *window = (memwindow_t){.next = given->window_next, .seen = given->window_seen, .known = given->window_known};
    memcpy(window->id, key->window_id, CPS_STORE_ID_LEN);
    memcpy(window->state_id, key->state_id, CPS_STORE_ID_LEN);
}

static cps_err_t mem_key_add(cps_store_t *s, const cps_store_key_t *key, const cps_store_state_t *state)
{
    memstore_t *m = mem_of(s);
    cps_err_t err = cps_store_check_key(key, state);
    if (err == CPS_OK)
        err = check_new(m, key);
    if (err == CPS_OK)
        err = reserve(m);
    if (err != CPS_OK)
        return err;
    m->keys[m->key_count++] = (memkey_t){.number = ++m->last_number, .key = *key};
    put_state(m, key, state->next);
    put_window(m, key, state);
    return CPS_OK;
}

static cps_err_t mem_key_get(cps_store_t *s, const char *name, cps_store_key_t *out)
{
    const memkey_t *found = key_named(mem_of(s), name);
    if (found == NULL)
        return no_key(name);
    *out = found->key;
    return CPS_OK;
}

static cps_err_t mem_key_rename(cps_store_t *s, const char *name, const char *new_name)
{
    memstore_t *m = mem_of(s);
    cps_err_t err = cps_store_check_name(new_name);
    if (err != CPS_OK)
        return err;
    memkey_t *found = key_named(m, name);
    if (found == NULL)
        return no_key(name);
    const memkey_t *other = key_named(m, new_name);
    if (other != NULL && other != found)
        return cps_store_fail(CPS_ERR_EXISTS, "the memory store has a key named %s already", new_name);
    memset(found->key.name, 0, sizeof found->key.name);
    memcpy(found->key.name, new_name, strlen(new_name));
    return CPS_OK;
}

static cps_err_t mem_key_remove(cps_store_t *s, const char *name)
{
    memstore_t *m = mem_of(s);
    memkey_t *found = key_named(m, name);
    if (found == NULL)
        return no_key(name);
    memkey_t *last = &m->keys[--m->key_count];
    memmove(found, found + 1, (size_t)(last - found) * sizeof *found);
    cps_wipe(last, sizeof *last);
    return CPS_OK;
}

static memkey_t *key_of_window(memstore_t *m, const uint8_t *window_id)
{
    for (size_t i = 0; i < m->key_count; i++)
        if (same_id(m->keys[i].key.window_id, window_id))
            return &m->keys[i];
    return NULL;
}

static cps_err_t mem_key_mark(cps_store_t *s, const cps_store_key_t *key)
{
    memkey_t *found = key_of_window(mem_of(s), key->window_id);
    if (found == NULL)
        return no_key(key->name);
    found->key.rekey = true;
    return CPS_OK;
}

static cps_err_t mem_key_retire(cps_store_t *s, const cps_store_key_t *key, bool retired)
{
    memkey_t *found = key_of_window(mem_of(s), key->window_id);
    if (found == NULL)
        return no_key(key->name);
    found->key.retired = retired;
    return CPS_OK;
}

static cps_err_t check_renewal(memstore_t *m, const cps_store_renewal_t *r)
{
    const memkey_t *found = key_of_window(m, r->old_window_id);
    if (found == NULL)
        return no_key("that is to be renewed");
    const memstate_t *old = state_of(m, found->key.state_id);
    if (old == NULL || !old->locked || r->ceiling > CPS_STORE_NUMBER_MAX || r->id_context.len == 0)
        return cps_store_fail(CPS_ERR_ARGUMENT, "a key that is renewed has to be locked, its ceiling up to 2^40");
    if (state_of(m, r->state_id) != NULL || window_of(m, r->window_id) != NULL)
        return cps_store_fail(CPS_ERR_EXISTS, "the memory store has that key already");
    return CPS_OK;
}

static cps_err_t mem_key_renew(cps_store_t *s, const cps_store_renewal_t *r)
{
    memstore_t *m = mem_of(s);
    cps_err_t err = check_renewal(m, r);
    if (err == CPS_OK)
        err = reserve(m);
    if (err != CPS_OK)
        return err;
    cps_store_key_t *key = &key_of_window(m, r->old_window_id)->key;
    state_of(m, key->state_id)->locked = false;
    memstate_t *state = &m->states[m->state_count++];
    *state = (memstate_t){.ceiling = r->ceiling, .locked = true};
    memcpy(state->id, r->state_id, CPS_STORE_ID_LEN);
    memwindow_t *window = &m->windows[m->window_count++];
    *window = (memwindow_t){0};
    memcpy(window->id, r->window_id, CPS_STORE_ID_LEN);
    memcpy(window->state_id, r->state_id, CPS_STORE_ID_LEN);
    cps_store_renew_key(key, r);
    return CPS_OK;
}

static cps_err_t mem_key_next(cps_store_t *s, int64_t *cursor, cps_store_key_t *out)
{
    memstore_t *m = mem_of(s);
    const memkey_t *under = NULL;
    const memkey_t *after = NULL;
    for (size_t i = 0; i < m->key_count; i++)
        if (m->keys[i].number == *cursor)
            under = &m->keys[i];
    if (*cursor != 0 && under == NULL)
        return cps_store_fail(CPS_ERR_STALE, "the key under the cursor was removed");
    for (size_t i = 0; i < m->key_count; i++) {
        const memkey_t *k = &m->keys[i];
        bool rises = under == NULL || strcmp(k->key.name, under->key.name) > 0;
        if (rises && (after == NULL || strcmp(k->key.name, after->key.name) < 0))
            after = k;
    }
    if (after == NULL)
        return cps_store_fail(CPS_ERR_NOT_FOUND, "the memory store has no further key");
    *cursor = after->number;
    *out = after->key;
    return CPS_OK;
}

static cps_err_t mem_state_get(cps_store_t *s, const cps_store_key_t *key, cps_store_state_t *out, uint64_t *ceiling)
{
    const memstate_t *state = state_of(mem_of(s), key->state_id);
    const memwindow_t *window = window_of(mem_of(s), key->window_id);
    if (state == NULL)
        return no_state();
    *ceiling = state->ceiling;
    *out = (cps_store_state_t){.next = next_of(state)};
    if (window != NULL && window->known) {
        out->window_known = true;
        out->window_next = window->next;
        out->window_seen = window->seen;
    }
    return CPS_OK;
}

static cps_err_t mem_lock(cps_store_t *s, const cps_store_key_t *key, int64_t *owner_pid)
{
    memstate_t *state = state_of(mem_of(s), key->state_id);
    *owner_pid = 0;
    if (state == NULL)
        return no_state();
    if (state->locked)
        return cps_store_fail(CPS_ERR_IN_USE, "context in use by this process already");
    state->locked = true;
    return CPS_OK;
}

static void mem_unlock(cps_store_t *s, const cps_store_key_t *key)
{
    memstate_t *state = state_of(mem_of(s), key->state_id);
    if (state != NULL)
        state->locked = false;
}

static cps_err_t mem_load(cps_store_t *s, int64_t *cursor, bool own, cps_store_loaded_t *out, size_t cap, size_t *count)
{
    memstore_t *m = mem_of(s);
    *count = 0;
    if (cap == 0)
        return cps_store_fail(CPS_ERR_ARGUMENT, "no room was given to load keys");
    for (size_t i = 0; i < m->key_count && *count < cap; i++) {
        if (m->keys[i].number <= *cursor)
            continue;
        cps_store_loaded_t *l = &out[(*count)++];
        *l = (cps_store_loaded_t){.key = m->keys[i].key};
        *cursor = m->keys[i].number;
        if (own)
            l->result = mem_lock(s, &l->key, &l->owner_pid);
        if (l->result == CPS_OK)
            l->result = mem_state_get(s, &l->key, &l->state, &l->ceiling);
    }
    return CPS_OK;
}

static void forget_windows(memstore_t *m, const uint8_t *state_id)
{
    for (size_t i = 0; i < m->window_count; i++)
        if (state_id == NULL || same_id(m->windows[i].state_id, state_id))
            m->windows[i].known = false;
}

static cps_err_t mem_lease(cps_store_t *s, cps_store_lease_t *leases, size_t count, bool invalidate, bool all)
{
    memstore_t *m = mem_of(s);
    for (size_t i = 0; i < count; i++) {
        cps_store_lease_t *l = &leases[i];
        memstate_t *state = state_of(m, l->state_id);
        if (state == NULL)
            l->result = no_state();
        else if (!state->locked || l->ceiling > CPS_STORE_NUMBER_MAX)
            l->result = cps_store_fail(CPS_ERR_ARGUMENT, "a lease has to be of a locked context, up to 2^40");
        else
            l->result = CPS_OK;
        if (state == NULL || l->result != CPS_OK)
            continue;
        state->ceiling = l->ceiling > state->ceiling ? l->ceiling : state->ceiling;
        state->saved = false;
        if (invalidate)
            forget_windows(m, l->state_id);
    }
    for (size_t i = 0; all && i < m->state_count; i++)
        m->states[i].saved = false;
    if (all)
        forget_windows(m, NULL);
    return CPS_OK;
}

static cps_err_t check_closing(memstore_t *m, const cps_store_closing_t *c)
{
    const memstate_t *state = state_of(m, c->state_id);
    const memwindow_t *window = window_of(m, c->window_id);
    if (state == NULL)
        return no_state();
    if (!state->locked || c->next > state->ceiling || c->window_next > CPS_STORE_NUMBER_MAX)
        return cps_store_fail(CPS_ERR_ARGUMENT, "what is saved has to be of a locked context and under its ceiling");
    if (window == NULL || !same_id(window->state_id, c->state_id))
        return no_state();
    return CPS_OK;
}

static cps_err_t mem_save(cps_store_t *s, const cps_store_closing_t *closings, size_t count)
{
    memstore_t *m = mem_of(s);
    for (size_t i = 0; i < count; i++) {
        cps_err_t err = check_closing(m, &closings[i]);
        if (err != CPS_OK)
            return err;
    }
    for (size_t i = 0; i < count; i++) {
        const cps_store_closing_t *c = &closings[i];
        memstate_t *state = state_of(m, c->state_id);
        memwindow_t *window = window_of(m, c->window_id);
        state->next = c->next;
        state->saved = true;
        window->next = c->window_next;
        window->seen = c->window_seen;
        window->known = c->window_known;
    }
    return CPS_OK;
}

static void mem_close(cps_store_t *s)
{
    memstore_t *m = mem_of(s);
    if (m == NULL)
        return;
    cps_wipe(m->keys, m->key_count * sizeof *m->keys);
    free(m->keys);
    free(m->states);
    free(m->windows);
    free(m);
}

static const cps_store_table_t mem_table = {
    .name = "mem",
    .close = mem_close,
    .key_add = mem_key_add,
    .key_get = mem_key_get,
    .key_rename = mem_key_rename,
    .key_remove = mem_key_remove,
    .key_mark = mem_key_mark,
    .key_retire = mem_key_retire,
    .key_renew = mem_key_renew,
    .key_next = mem_key_next,
    .load = mem_load,
    .state_get = mem_state_get,
    .lease = mem_lease,
    .save = mem_save,
    .lock = mem_lock,
    .unlock = mem_unlock,
};

cps_err_t cps_store_mem_open(cps_store_t **out)
{
    memstore_t *m = calloc(1, sizeof *m);
    *out = NULL;
    if (m == NULL)
        return cps_store_fail(CPS_ERR_MEMORY, "no memory for a store");
    m->base.table = &mem_table;
    *out = &m->base;
    return CPS_OK;
}
