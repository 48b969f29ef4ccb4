// SPDX-License-Identifier: Apache-2.0
/* Keys that leave a keyring: key export, which retires ours before the file is there; key backup and key restore, which leave
 * sequence state out (OPS-7, OPS-9). */
#include "cli/cmd_key.h"

#include "host/cred_foreign.h"

#include <unistd.h>

/* ---- export ---- */

static int write_file(const cps_key_ask_t *ask, const cps_store_key_t *key, uint64_t next, const char *word)
{
    cps_conf_t file;
    const char *path = word;
    const cps_cred_form_t *form = cps_cred_form_of(word, &path);
    cps_conf_init(&file, form != NULL ? path : word);
    cps_err_t err = form != NULL ? form->write(&file, key, next) : cps_cred_export(&file, key, next);
    int status = err == CPS_OK ? 0 : cps_key_say_file(ask, &file, NULL);
    cps_conf_fini(&file);
    return status;
}

/* It is retired on disk first: a cut in between leaves a key that nobody sends with, and --again writes the file. */
static int move_out(const cps_key_ask_t *ask, cps_store_t *store, const cps_store_key_t *key, const char *path)
{
    cps_store_state_t state;
    uint64_t ceiling;
    cps_err_t err = store->table->state_get(store, key, &state, &ceiling);
    if (err == CPS_OK)
        err = store->table->key_retire(store, key, true);
    if (err != CPS_OK)
        return cps_key_fail(ask, err, "%s", cps_store_detail());
    int status = write_file(ask, key, state.next, path);
    if (status == 0) {
        printf("exported  %s  (next sequence number %llu); it does not send from here any more\n", key->name,
               (unsigned long long)state.next);
        printf("wrote     %s\n", path);
        return 0;
    }
    if (!key->retired && store->table->key_retire(store, key, false) != CPS_OK)
        return cps_key_fail(ask, CPS_ERR_STORE, "%s is retired; key export --again writes its file", key->name);
    return status;
}

static int export_key(const cps_key_ask_t *ask, cps_store_t *store, cps_store_key_t *key)
{
    char path[CPS_KEYRING_PATH_MAX];
    cps_err_t err = store->table->key_get(store, ask->word, key);
    if (err != CPS_OK)
        return cps_key_say_none(ask, store, err);
    if (key->retired && !ask->again)
        return cps_key_fail(ask, CPS_ERR_RETIRED,
                            "%s was exported before; --again writes it once more, where that file was lost and never "
                            "imported: two that send with one key break it",
                            key->name);
    if (key->rekey)
        return cps_key_fail(ask, CPS_ERR_ARGUMENT, "%s is to be derived anew: send a request with it, then export it",
                            key->name);
    snprintf(path, sizeof path, "%s.cred", key->name);
    int status = cps_key_lock(ask, store, key);
    return status == 0 ? move_out(ask, store, key, ask->output != NULL ? ask->output : path) : status;
}

int cps_key_export(const cps_key_ask_t *ask)
{
    cps_store_t *store = NULL;
    cps_store_key_t key = {0};
    int status = cps_key_open(ask, false, false, &store);
    if (status != 0)
        return status;
    status = export_key(ask, store, &key);
    cps_wipe(&key, sizeof key);
    store->table->close(store);
    return status;
}

/* ---- backup and restore ---- */

int cps_key_backup(const cps_key_ask_t *ask)
{
    char path[CPS_KEYRING_PATH_MAX];
    int status = cps_keyring_path(ask->command, ask->state, path);
    if (status != 0)
        return status;
    cps_err_t err = cps_store_backup(path, ask->word);
    if (err != CPS_OK)
        return cps_key_fail(ask, err, "%s", cps_store_detail());
    printf("wrote    %s   keys without their numbers; it holds secrets\n", ask->word);
    return 0;
}

/* Each key of a store, marked. */
static cps_err_t mark_all(cps_store_t *store)
{
    cps_store_key_t key;
    int64_t cursor = 0;
    cps_err_t err;
    while ((err = store->table->key_next(store, &cursor, &key)) == CPS_OK)
        if (!key.retired && (err = store->table->key_mark(store, &key)) != CPS_OK)
            break;
    cps_wipe(&key, sizeof key);
    return err == CPS_ERR_NOT_FOUND ? CPS_OK : err;
}

/* All folders above the user's own keyring. */
static int make_folder(const cps_key_ask_t *ask, const char *path)
{
    char inside[CPS_KEYRING_PATH_MAX + 2];
    if (ask->state != NULL)
        return 0;
    snprintf(inside, sizeof inside, "%s/.", path);
    return cps_keyring_make_folders(ask->command, inside);
}

int cps_key_restore(const cps_key_ask_t *ask)
{
    char path[CPS_KEYRING_PATH_MAX];
    cps_store_t *store = NULL;
    int status = cps_keyring_path(ask->command, ask->state, path);
    if (status == 0)
        status = make_folder(ask, path);
    if (status != 0)
        return status;
    cps_err_t err = cps_store_backup(ask->word, path); /* it has no state either, whatever the file was */
    if (err == CPS_OK && ask->rekey && (status = cps_key_open(ask, false, false, &store)) != 0)
        return status;
    if (err == CPS_OK && ask->rekey)
        err = mark_all(store);
    if (store != NULL)
        store->table->close(store);
    if (err != CPS_OK)
        return cps_key_fail(ask, err, "%s", cps_store_detail());
    printf("restored %s\n", path);
    puts(ask->rekey ? "its keys derive fresh ones with their next requests"
                    : "its keys do not send before coapsule key rekey NAME");
    return 0;
}
