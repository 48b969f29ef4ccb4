// SPDX-License-Identifier: Apache-2.0
/* Secrets that systemd hands over ($CREDENTIALS_DIRECTORY), whose numbers are in the store. */
#include "host/cred.h"
#include "host/keyring_inside.h"

#include "sec/oscore/ctx.h"

#include <stdio.h>
#include <stdlib.h>

static cps_bytes_t view(const cps_store_bytes_t *b) { return cps_bytes(b->data, b->len); }

static cps_err_t identify(const cps_store_key_t *key, uint8_t window_id[CPS_STORE_ID_LEN])
{
    cps_crypto_t crypto;
    uint8_t state_id[CPS_STORE_ID_LEN];
    const cps_oscore_params_t params = {.master_secret = cps_bytes(key->secret, key->secret_len),
                                        .master_salt = view(&key->salt),
                                        .id_context = view(&key->id_context),
                                        .has_id_context = key->has_id_context,
                                        .sender_id = view(&key->sender_id),
                                        .recipient_id = view(&key->recipient_id),
                                        .aead = key->aead,
                                        .hash = (cps_hash_alg_t)key->hash,
                                        .window = key->window};
    cps_err_t err = cps_crypto_openssl_init(&crypto);
    if (err != CPS_OK)
        return err;
    err = cps_oscore_identifier(&crypto, &params, state_id, window_id);
    cps_crypto_openssl_fini(&crypto);
    return err;
}

/* Whether two are one key: the identifier of a derived one is not that of the file, but secret and IDs are the same. */
static bool same(const cps_store_key_t *file, const uint8_t window_id[CPS_STORE_ID_LEN], const cps_store_key_t *key)
{
    if (!key->derived)
        return memcmp(key->window_id, window_id, CPS_STORE_ID_LEN) == 0;
    return cps_bytes_equal_ct(cps_bytes(key->secret, key->secret_len), cps_bytes(file->secret, file->secret_len)) &&
           cps_bytes_equal(view(&key->salt), view(&file->salt)) &&
           cps_bytes_equal(view(&key->sender_id), view(&file->sender_id)) &&
           cps_bytes_equal(view(&key->recipient_id), view(&file->recipient_id)) && key->aead == file->aead &&
           key->hash == file->hash;
}

static cps_err_t find(cps_keyring_t *k, const char *name, const cps_store_key_t *file, cps_store_key_t *key)
{
    uint8_t window_id[CPS_STORE_ID_LEN];
    int64_t cursor = 0;
    cps_err_t err = identify(file, window_id);
    if (err != CPS_OK)
        return cps_keyring_say(k, err, name, cps_err_text(err));
    while ((err = k->store->table->key_next(k->store, &cursor, key)) == CPS_OK)
        if (same(file, window_id, key))
            return CPS_OK;
    if (err != CPS_ERR_NOT_FOUND)
        return cps_keyring_say_store(k, err);
    return cps_keyring_say(
        k, CPS_ERR_STATE_LOST, name,
        "this keyring has no sequence state for it, so it does not send; coapsule key import takes it");
}

cps_err_t cps_keyring_from_file(cps_keyring_t *k, const char *name, cps_store_key_t *key)
{
    char path[4096];
    cps_conf_t file;
    cps_cred_t cred;
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    const char *word = name + strlen(CPS_KEYRING_FROM_FILE);
    memset(key, 0, sizeof *key);
    if (folder == NULL || folder[0] != '/')
        return cps_keyring_say(k, CPS_ERR_CONFIG, name,
                               "CREDENTIALS_DIRECTORY is not set: systemd sets it for a service");
    if (!cps_cred_name_valid(word) || snprintf(path, sizeof path, "%s/%s", folder, word) >= (int)sizeof path)
        return cps_keyring_say(k, CPS_ERR_CONFIG, name, "is no name of a file in CREDENTIALS_DIRECTORY");
    const cps_cred_options_t options = {.weak = true, .credentials_directory = folder};
    cps_conf_init(&file, path);
    cps_err_t err = cps_cred_read(&file, &options, &cred);
    if (err != CPS_OK)
        err = cps_keyring_say(k, err == CPS_ERR_IO ? CPS_ERR_CONFIG : err, name, cps_conf_error_text(&file, 0));
    else
        err = find(k, name, &cred.key, key);
    cps_wipe(&cred, sizeof cred);
    cps_conf_fini(&file);
    return err;
}
