// SPDX-License-Identifier: Apache-2.0
#include "host/keyring_inside.h"

#include "sec/oscore/seq.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LOAD_BATCH   256U
#define WAIT_STEP_MS 20U

const char *cps_keyring_detail(const cps_keyring_t *keyring) { return keyring->detail; }

cps_err_t cps_keyring_say_store(cps_keyring_t *k, cps_err_t err)
{
    const char *sentence = cps_store_detail();
    snprintf(k->detail, sizeof k->detail, "%s", *sentence != '\0' ? sentence : cps_err_text(err));
    return err;
}

cps_err_t cps_keyring_say(cps_keyring_t *k, cps_err_t err, const char *name, const char *what)
{
    snprintf(k->detail, sizeof k->detail, "credential %s: %s", name, what);
    return err;
}

static cps_err_t say_owner(cps_keyring_t *k, const char *name, int64_t pid)
{
    if (pid > 0)
        snprintf(k->detail, sizeof k->detail, "credential %s: context in use by pid %lld", name, (long long)pid);
    else
        snprintf(k->detail, sizeof k->detail, "credential %s: context in use by another name or process", name);
    return CPS_ERR_IN_USE;
}

cps_err_t cps_keyring_new(cps_keyring_t **out, cps_store_t *store, cps_ep_t *ep)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL)
        return CPS_ERR_MEMORY;
    (*out)->store = store;
    (*out)->ep = ep;
    return CPS_OK;
}

void cps_keyring_unlock(cps_keyring_t *k, const cps_credential_t *credential)
{
    cps_store_key_t key = {0}; /* a lock is found by the state's identifier alone */
    memcpy(key.state_id, credential->state_id, sizeof key.state_id);
    k->store->table->unlock(k->store, &key);
}

void cps_keyring_free(cps_keyring_t *keyring)
{
    if (keyring == NULL)
        return;
    for (size_t i = 0; i < keyring->count; i++) {
        if (keyring->list[i]->name[0] != '\0')
            cps_keyring_unlock(keyring, keyring->list[i]);
        free(keyring->list[i]);
    }
    free(keyring->list);
    free(keyring);
}

const cps_credential_t *cps_keyring_at(const cps_keyring_t *keyring, uint64_t user)
{
    return keyring != NULL && user < keyring->count ? keyring->list[user] : NULL;
}

/* A credential at the end of the list; it counts when its context is there. */
static cps_credential_t *grow(cps_keyring_t *k)
{
    if (k->count == k->room) {
        size_t room = k->room == 0 ? 16 : 2 * k->room;
        cps_credential_t **list = realloc(k->list, room * sizeof(cps_credential_t *));
        if (list == NULL)
            return NULL;
        k->list = list;
        k->room = room;
    }
    k->list[k->count] = calloc(1, sizeof(cps_credential_t));
    return k->list[k->count];
}

static cps_bytes_t view(const cps_store_bytes_t *b) { return cps_bytes(b->data, b->len); }

/* Add the context of an owned key. `ceiling`: numbers below it are leased already. */
static cps_err_t add(cps_keyring_t *k, const cps_store_key_t *key, const cps_store_state_t *state, uint64_t ceiling)
{
    cps_credential_t *credential = grow(k);
    if (credential == NULL)
        return cps_keyring_say(k, CPS_ERR_MEMORY, key->name, cps_err_text(CPS_ERR_MEMORY));
    cps_context_t context = {.size = sizeof context,
                             .master_secret = cps_bytes(key->secret, key->secret_len),
                             .master_salt = view(&key->salt),
                             .id_context = view(&key->id_context),
                             .has_id_context = key->has_id_context,
                             .sender_id = view(&key->sender_id),
                             .recipient_id = view(&key->recipient_id),
                             .aead = key->aead,
                             .hash = key->hash,
                             .window_size = key->window,
                             .has_state = !key->rekey,
                             .next_number = state->next,
                             .ceiling = ceiling,
                             .window_known = state->window_known,
                             .window_next = state->window_next,
                             .window_seen = state->window_seen,
                             .user = k->count,
                             .rederivable = key->rederivable,
                             .rederive = key->rekey};
    cps_err_t err = cps_ep_context_add(k->ep, &context, &credential->context);
    if (err != CPS_OK) {
        free(credential);
        return cps_keyring_say(k, err, key->name, cps_err_text(err));
    }
    memcpy(credential->name, key->name, sizeof credential->name);
    memcpy(credential->state_id, key->state_id, sizeof credential->state_id);
    memcpy(credential->window_id, key->window_id, sizeof credential->window_id);
    k->count++;
    return CPS_OK;
}

static uint64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000U + (uint64_t)now.tv_nsec / 1000000U;
}

/* The kernel frees the lock of a process that ends in any way, and tells nobody: asking again is all there is. */
static cps_err_t lock(cps_keyring_t *k, const cps_store_key_t *key, uint32_t wait_ms)
{
    uint64_t until = monotonic_ms() + wait_ms;
    for (;;) {
        int64_t pid = 0;
        cps_err_t err = k->store->table->lock(k->store, key, &pid);
        if (err != CPS_ERR_IN_USE)
            return err == CPS_OK ? CPS_OK : cps_keyring_say_store(k, err);
        if (monotonic_ms() >= until)
            return say_owner(k, key->name, pid);
        struct timespec step = {0, WAIT_STEP_MS * 1000000L};
        nanosleep(&step, NULL);
    }
}

static const cps_credential_t *find(const cps_keyring_t *k, const char *name)
{
    for (size_t i = 0; i < k->count; i++)
        if (strcmp(k->list[i]->name, name) == 0)
            return k->list[i];
    return NULL;
}

/* The first lease of a command: numbers to send under, and what was saved is used up, in one commit. */
static cps_err_t first_lease(cps_keyring_t *k, const cps_store_key_t *key, uint64_t next, uint64_t *ceiling)
{
    cps_store_lease_t lease = {.ceiling = next + CPS_SEQ_LEASE_MIN};
    if (lease.ceiling > CPS_SEQ_LIMIT)
        lease.ceiling = CPS_SEQ_LIMIT;
    memcpy(lease.state_id, key->state_id, sizeof lease.state_id);
    cps_err_t err = k->store->table->lease(k->store, &lease, 1, true, false);
    if (err == CPS_OK)
        err = lease.result;
    *ceiling = lease.ceiling;
    return err;
}

/* Lock, read, make it used up; then, and not before, the endpoint hears of the context. */
cps_err_t cps_keyring_own_key(cps_keyring_t *k, const cps_store_key_t *key, uint32_t wait_ms, bool lease)
{
    cps_store_state_t state = {0};
    uint64_t ceiling = 0;
    if (key->retired)
        return cps_keyring_say(k, CPS_ERR_RETIRED, key->name, cps_err_text(CPS_ERR_RETIRED));
    cps_err_t err = lock(k, key, wait_ms);
    if (err != CPS_OK)
        return err;
    if (!key->rekey) /* of a marked one nothing counts but that it is ours */
        err = k->store->table->state_get(k->store, key, &state, &ceiling);
    ceiling = 0;
    if (err == CPS_OK && lease && !key->rekey)
        err = first_lease(k, key, state.next, &ceiling);
    if (err != CPS_OK)
        cps_keyring_say_store(k, err);
    else
        err = add(k, key, &state, ceiling);
    if (err != CPS_OK)
        k->store->table->unlock(k->store, key);
    return err;
}

cps_err_t cps_keyring_own(cps_keyring_t *keyring, const char *name, uint32_t wait_ms, const cps_credential_t **out)
{
    *out = find(keyring, name);
    if (*out != NULL)
        return CPS_OK;
    cps_store_key_t key;
    bool from_file = strncmp(name, CPS_KEYRING_FROM_FILE, strlen(CPS_KEYRING_FROM_FILE)) == 0;
    cps_err_t err = from_file ? cps_keyring_from_file(keyring, name, &key)
                              : keyring->store->table->key_get(keyring->store, name, &key);
    if (from_file && err != CPS_OK)
        return err;
    if (from_file && (*out = find(keyring, key.name)) != NULL) {
        cps_wipe(&key, sizeof key);
        return CPS_OK;
    }
    if (err == CPS_ERR_NOT_FOUND)
        return cps_keyring_say(keyring, err, name, "there is no credential of that name in this keyring");
    if (err != CPS_OK)
        return cps_keyring_say_store(keyring, err);
    err = cps_keyring_own_key(keyring, &key, wait_ms, true);
    cps_wipe(&key, sizeof key);
    if (err == CPS_OK)
        *out = keyring->list[keyring->count - 1];
    return err;
}

/* ---- a daemon's start ---- */

static cps_err_t own_named(cps_keyring_t *k, const char *names)
{
    while (*names != '\0') {
        size_t len = strcspn(names, " ");
        char name[CPS_STORE_NAME_MAX + 1];
        if (len > CPS_STORE_NAME_MAX)
            return cps_keyring_say(k, CPS_ERR_NOT_FOUND, names, "the name is too long");
        memcpy(name, names, len);
        name[len] = '\0';
        const cps_credential_t *credential = NULL;
        cps_err_t err = len == 0 ? CPS_OK : cps_keyring_own(k, name, CPS_KEYRING_WAIT_MS, &credential);
        if (err != CPS_OK)
            return err;
        names += len + (names[len] == ' ' ? 1 : 0);
    }
    return CPS_OK;
}

static cps_err_t take_loaded(cps_keyring_t *k, cps_store_loaded_t *loaded)
{
    bool marked = loaded->result == CPS_ERR_STATE_LOST && loaded->key.rekey;
    if (loaded->result == CPS_ERR_IN_USE || marked) /* wait for that one by itself */
        return loaded->key.retired ? CPS_OK : cps_keyring_own_key(k, &loaded->key, CPS_KEYRING_WAIT_MS, false);
    if (loaded->result != CPS_OK)
        return cps_keyring_say(k, loaded->result, loaded->key.name, cps_err_text(loaded->result));
    if (!loaded->key.retired) {
        const cps_store_state_t none = {0};
        return add(k, &loaded->key, loaded->key.rekey ? &none : &loaded->state, 0);
    }
    k->store->table->unlock(k->store, &loaded->key);
    return CPS_OK;
}

static cps_err_t own_all(cps_keyring_t *k)
{
    cps_store_loaded_t *loaded = calloc(LOAD_BATCH, sizeof *loaded);
    if (loaded == NULL)
        return CPS_ERR_MEMORY;
    int64_t cursor = 0;
    size_t count = 0;
    cps_err_t err;
    do {
        err = k->store->table->load(k->store, &cursor, true, loaded, LOAD_BATCH, &count);
        if (err != CPS_OK)
            cps_keyring_say_store(k, err);
        for (size_t i = 0; i < count && err == CPS_OK; i++)
            err = take_loaded(k, &loaded[i]);
    } while (err == CPS_OK && count != 0);
    cps_wipe(loaded, LOAD_BATCH * sizeof *loaded);
    free(loaded);
    return err;
}

/* Whether its key is to be derived anew before anything is sent. */
static bool not_used(const cps_keyring_t *k, const cps_credential_t *credential)
{
    cps_context_state_t state;
    return cps_ep_context_state(k->ep, credential->context, &state) == CPS_OK && state.rederive;
}

/* One commit for all, before anything is accepted under them. */
static cps_err_t invalidate(cps_keyring_t *k)
{
    cps_store_lease_t *leases = calloc(k->count + 1, sizeof *leases);
    if (leases == NULL)
        return CPS_ERR_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < k->count; i++)
        if (!not_used(k, k->list[i]))
            memcpy(leases[count++].state_id, k->list[i]->state_id, CPS_STORE_ID_LEN);
    cps_err_t err = count == 0 ? CPS_OK : k->store->table->lease(k->store, leases, count, true, false);
    for (size_t i = 0; i < count && err == CPS_OK; i++)
        err = leases[i].result;
    free(leases);
    return err == CPS_OK ? CPS_OK : cps_keyring_say_store(k, err);
}

cps_err_t cps_keyring_load(cps_keyring_t *keyring, const char *names)
{
    cps_err_t err = names != NULL ? own_named(keyring, names) : own_all(keyring);
    return err == CPS_OK ? invalidate(keyring) : err;
}

/* ---- a command's choice ---- */

cps_err_t cps_keyring_choose(cps_keyring_t *keyring, const cps_uri_t *uri, char name[CPS_STORE_NAME_MAX + 1])
{
    cps_store_key_t key;
    int64_t cursor = 0;
    unsigned best = 0;
    char rival[CPS_STORE_NAME_MAX + 1] = "";
    name[0] = '\0';
    cps_err_t err;
    while ((err = keyring->store->table->key_next(keyring->store, &cursor, &key)) == CPS_OK) {
        unsigned specificity = 0;
        if (key.retired || key.pattern[0] == '\0' || !cps_uri_match(cps_bytes_str(key.pattern), uri, &specificity))
            continue;
        if (name[0] == '\0' || specificity > best) {
            memcpy(name, key.name, sizeof key.name);
            best = specificity;
            rival[0] = '\0';
        } else if (specificity == best) {
            memcpy(rival, key.name, sizeof rival);
        }
    }
    cps_wipe(&key, sizeof key);
    if (err != CPS_ERR_NOT_FOUND)
        return cps_keyring_say_store(keyring, err);
    if (rival[0] != '\0') {
        snprintf(keyring->detail, sizeof keyring->detail,
                 "credentials %s and %s are for the same URIs: name one with --credential", name, rival);
        return CPS_ERR_CONFIG;
    }
    return name[0] != '\0' ? CPS_OK : CPS_ERR_NOT_FOUND;
}

/* ---- leases and exit ---- */

void cps_keyring_lease(const cps_keyring_t *keyring, const cps_event_job_t *job, cps_store_lease_t *lease)
{
    const cps_credential_t *credential = cps_keyring_at(keyring, job->user);
    memset(lease, 0, sizeof *lease);
    if (credential != NULL)
        memcpy(lease->state_id, credential->state_id, sizeof lease->state_id);
    lease->ceiling = job->number;
}

void cps_keyring_renewal(const cps_keyring_t *keyring, const cps_event_job_t *job, cps_store_renewal_t *renewal)
{
    const cps_credential_t *credential = cps_keyring_at(keyring, job->user);
    *renewal = (cps_store_renewal_t){.ceiling = job->number, .id_context.len = job->id_context_len};
    memcpy(renewal->id_context.data, job->id_context, job->id_context_len);
    memcpy(renewal->state_id, job->state_id, sizeof renewal->state_id);
    memcpy(renewal->window_id, job->window_id, sizeof renewal->window_id);
    if (credential != NULL)
        memcpy(renewal->old_window_id, credential->window_id, sizeof renewal->old_window_id);
}

void cps_keyring_renewed(cps_keyring_t *keyring, const cps_event_job_t *job)
{
    if (job->user >= keyring->count)
        return;
    cps_credential_t *credential = keyring->list[job->user];
    memcpy(credential->state_id, job->state_id, sizeof credential->state_id);
    memcpy(credential->window_id, job->window_id, sizeof credential->window_id);
}

static void fill_closing(cps_store_closing_t *closing, const cps_credential_t *credential,
                         const cps_context_state_t *state)
{
    memcpy(closing->state_id, credential->state_id, sizeof closing->state_id);
    memcpy(closing->window_id, credential->window_id, sizeof closing->window_id);
    closing->next = state->next_number;
    closing->window_known = state->window_known;
    closing->window_next = state->window_next;
    closing->window_seen = state->window_seen;
}

/* A peer asked for fresh keys, and the run came to nothing: the next process begins with it. */
static cps_err_t mark(cps_keyring_t *k, const cps_credential_t *credential)
{
    cps_store_key_t key = {0}; /* it is found by its identifier alone */
    memcpy(key.window_id, credential->window_id, sizeof key.window_id);
    return k->store->table->key_mark(k->store, &key);
}

/* Take the context out of the endpoint. False where nothing of it is saved. */
static bool close_context(cps_keyring_t *k, const cps_credential_t *credential, cps_store_closing_t *closing,
                          cps_err_t *marked)
{
    cps_context_state_t state;
    if (cps_ep_context_state(k->ep, credential->context, &state) != CPS_OK)
        return false;
    memset(closing, 0, sizeof *closing);
    fill_closing(closing, credential, &state);
    /* else it would go on under numbers that are saved as free */
    bool out = cps_ep_context_remove(k->ep, credential->context) == CPS_OK;
    if (state.rederive && *marked == CPS_OK)
        *marked = mark(k, credential);
    return out && !state.rederive;
}

static bool goes_always(const cps_credential_t *credential)
{
    (void)credential;
    return true;
}

cps_err_t cps_keyring_close(cps_keyring_t *k, bool (*goes)(const cps_credential_t *credential))
{
    cps_store_closing_t unsaved;
    cps_store_closing_t *closings = calloc(k->count + 1, sizeof *closings);
    cps_err_t marked = CPS_OK;
    size_t count = 0;
    for (size_t i = 0; i < k->count; i++)
        if (goes(k->list[i]))
            count += close_context(k, k->list[i], closings != NULL ? &closings[count] : &unsaved, &marked) ? 1 : 0;
    if (closings == NULL)
        return CPS_ERR_MEMORY;
    cps_err_t err = count == 0 ? CPS_OK : k->store->table->save(k->store, closings, count);
    free(closings);
    if (err == CPS_OK)
        err = marked;
    return err == CPS_OK ? CPS_OK : cps_keyring_say_store(k, err);
}

cps_err_t cps_keyring_save(cps_keyring_t *keyring) { return cps_keyring_close(keyring, goes_always); }
