// SPDX-License-Identifier: Apache-2.0
/* Other credentials for a daemon that runs. */
#include "host/keyring_inside.h"

#include <stdio.h>

/* A place whose credential has gone: numbers of places are the `user` of contexts, and stay. */
static bool is_gone(const cps_credential_t *credential) { return credential->name[0] == '\0'; }

static bool goes_unwanted(const cps_credential_t *credential) { return !credential->wanted; }

static bool goes_added(const cps_credential_t *credential) { return credential->added; }

/* End: those that go leave their locks and places. */
static cps_err_t finish(cps_keyring_t *k, bool (*goes)(const cps_credential_t *credential))
{
    cps_err_t err = cps_keyring_close(k, goes);
    for (size_t i = 0; i < k->count; i++) {
        cps_credential_t *credential = k->list[i];
        if (!is_gone(credential) && goes(credential)) {
            cps_keyring_unlock(k, credential);
            *credential = (cps_credential_t){.name = ""};
        }
        credential->wanted = credential->added = false;
    }
    return err;
}

/* The credential of a key, by the key's own identifier: a name may have been given to other material. */
static cps_credential_t *find_key(const cps_keyring_t *k, const cps_store_key_t *key)
{
    for (size_t i = 0; i < k->count; i++)
        if (!is_gone(k->list[i]) && memcmp(k->list[i]->state_id, key->state_id, sizeof key->state_id) == 0 &&
            strcmp(k->list[i]->name, key->name) == 0)
            return k->list[i];
    return NULL;
}

static bool is_named(const char *names, const char *name)
{
    size_t len = strlen(name);
    for (; names != NULL && *names != '\0'; names += strcspn(names, " "), names += strspn(names, " "))
        if (strcspn(names, " ") == len && memcmp(names, name, len) == 0)
            return true;
    return names == NULL;
}

static cps_err_t want(cps_keyring_t *k, const cps_store_key_t *key)
{
    cps_credential_t *credential = find_key(k, key);
    if (credential == NULL) {
        cps_err_t err = cps_keyring_own_key(k, key, 0, true);
        if (err != CPS_OK)
            return err;
        credential = k->list[k->count - 1];
        credential->added = true;
    }
    credential->wanted = true;
    return CPS_OK;
}

static cps_err_t want_all(cps_keyring_t *k, const char *names)
{
    cps_store_key_t key;
    int64_t cursor = 0;
    cps_err_t err;
    while ((err = k->store->table->key_next(k->store, &cursor, &key)) == CPS_OK) {
        if (is_named(names, key.name) && (names != NULL || !key.retired))
            err = want(k, &key);
        if (err != CPS_OK)
            break;
    }
    cps_wipe(&key, sizeof key);
    if (err == CPS_ERR_NOT_FOUND)
        return CPS_OK;
    return k->detail[0] != '\0' ? err : cps_keyring_say_store(k, err);
}

/* Each that is named has to be wanted now. */
static cps_err_t miss(cps_keyring_t *k, const char *names)
{
    for (; names != NULL && *names != '\0'; names += strspn(names, " ")) {
        char name[CPS_STORE_NAME_MAX + 1];
        size_t len = strcspn(names, " ");
        bool found = false;
        snprintf(name, sizeof name, "%.*s", (int)len, names);
        for (size_t i = 0; i < k->count && !found; i++)
            found = k->list[i]->wanted && is_named(name, k->list[i]->name);
        if (!found)
            return cps_keyring_say(k, CPS_ERR_NOT_FOUND, name, "there is no credential of that name in this keyring");
        names += len;
    }
    return CPS_OK;
}

cps_err_t cps_keyring_begin(cps_keyring_t *keyring, const char *names)
{
    keyring->detail[0] = '\0';
    cps_err_t err = want_all(keyring, names);
    if (err == CPS_OK)
        err = miss(keyring, names);
    if (err != CPS_OK)
        cps_keyring_abort(keyring);
    return err;
}

cps_err_t cps_keyring_commit(cps_keyring_t *keyring) { return finish(keyring, goes_unwanted); }

void cps_keyring_abort(cps_keyring_t *keyring)
{
    char detail[CPS_KEYRING_DETAIL_MAX];
    memcpy(detail, keyring->detail, sizeof detail);
    if (finish(keyring, goes_added) == CPS_OK) /* what is not saved costs an Echo */
        memcpy(keyring->detail, detail, sizeof detail);
}
