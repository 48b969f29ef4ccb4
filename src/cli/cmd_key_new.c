// SPDX-License-Identifier: Apache-2.0
/* key new: both ends of a key at once, with Sender and Recipient ID swapped (OPS-20). Ours goes into the keyring, the
 * peer's into a file. */
#include "cli/cmd_key_make.h"

#include <stdlib.h>

#define SECRET_LEN 16U
#define SALT_LEN   8U
#define TRIES      64U /* to draw an ID that this keyring does not have yet */

/* ---- what was asked for ---- */

static int set_algorithm(const cps_key_ask_t *ask, cps_store_key_t *key)
{
    const char *names[CPS_AEAD_COUNT];
    const cps_aead_t *aead = cps_aead_find(10); /* AES-CCM-16-64-128: mandatory (RFC 8613 §3.2) */
    cps_hash_alg_t hash = CPS_HASH_SHA256;
    for (size_t i = 0; i < CPS_AEAD_COUNT; i++)
        names[i] = cps_aead_at(i)->name;
    if (ask->algorithm != NULL)
        aead = cps_aead_by_name(cps_bytes_str(ask->algorithm));
    if (aead == NULL) {
        const char *near = cps_nearest(ask->algorithm, names, CPS_AEAD_COUNT);
        return cps_usage(ask->command, "there is no algorithm \"%s\"; %s%s", ask->algorithm,
                         near != NULL ? "did you mean " : "AES-CCM-16-64-128 is the one that every peer has",
                         near != NULL ? near : "");
    }
    if (ask->hkdf != NULL && !cps_hash_by_name(cps_bytes_str(ask->hkdf), &hash))
        return cps_usage(ask->command, "there is no hash \"%s\" for HKDF; sha256 and sha512 are", ask->hkdf);
    key->aead = aead->cose;
    key->hash = (uint8_t)hash;
    return 0;
}

static int set_rest(const cps_key_ask_t *ask, cps_store_key_t *key)
{
    uint64_t window = 32;
    size_t len = 0;
    if (ask->window != NULL && !cps_arg_number(ask->window, 64, &window))
        return cps_usage(ask->command, "\"%s\" is no size of a replay window: 0 to 64", ask->window);
    key->window = (uint8_t)window;
    key->rederivable = !ask->no_rekey;
    key->has_id_context = ask->id_context != NULL;
    if (ask->id_context == NULL)
        return 0;
    if (!cps_hex_decode(ask->id_context, strlen(ask->id_context), key->id_context.data, sizeof key->id_context.data,
                        &len))
        return cps_usage(ask->command, "\"%s\" is no ID Context: hex of at most %u bytes", ask->id_context,
                         CPS_STORE_BYTES_MAX);
    key->id_context.len = (uint8_t)len;
    return 0;
}

static int check(const cps_key_ask_t *ask)
{
    if (ask->peer == NULL)
        return cps_usage(ask->command, "who is the other end? --peer NAME");
    int status = cps_key_check_name(ask, ask->word);
    if (status == 0)
        status = cps_key_check_name(ask, ask->peer);
    return status == 0 ? cps_key_check_pattern(ask, ask->pattern) : status;
}

/* ---- IDs ---- */

static bool same(const cps_store_bytes_t *a, const cps_store_bytes_t *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* How many keys there are, and whether one has this ID at either end. */
static cps_err_t look(cps_store_t *store, const cps_store_bytes_t *id, size_t *count, bool *taken)
{
    cps_store_key_t other;
    int64_t cursor = 0;
    cps_err_t err;
    *count = 0;
    *taken = false;
    while ((err = store->table->key_next(store, &cursor, &other)) == CPS_OK) {
        ++*count;
        *taken = *taken || same(&other.sender_id, id) || same(&other.recipient_id, id);
    }
    cps_wipe(&other, sizeof other);
    return err == CPS_ERR_NOT_FOUND ? CPS_OK : err;
}

/* One byte while the keyring is small: it travels in every message. */
static uint8_t id_length(size_t count, const cps_aead_t *aead)
{
    uint8_t most = (uint8_t)(aead->nonce_len - 6U); /* RFC 8613 §3.3 */
    uint8_t wanted = count < 64 ? 1 : (count < 16384 ? 2 : 4);
    return wanted < most ? wanted : most;
}

/* Draw an ID that differs from `other` and, if that can be, from all of this keyring. */
static cps_err_t draw_id(cps_store_t *store, cps_crypto_t *crypto, const cps_store_key_t *key,
                         const cps_store_bytes_t *other, cps_store_bytes_t *id)
{
    cps_err_t err = CPS_OK;
    size_t count = 0;
    bool taken = false;
    err = look(store, other, &count, &taken);
    id->len = id_length(count, cps_aead_find(key->aead));
    taken = true;
    for (unsigned i = 0; err == CPS_OK && ((taken && i < TRIES) || same(id, other)); i++) {
        err = crypto->table->random(crypto->state, id->data, id->len);
        if (err == CPS_OK)
            err = look(store, id, &count, &taken);
    }
    return err;
}

/* ---- making it ---- */

static cps_err_t draw(cps_store_t *store, cps_crypto_t *crypto, cps_store_key_t *key)
{
    const cps_store_bytes_t none = {.len = 0};
    key->secret_len = cps_aead_find(key->aead)->key_len > SECRET_LEN ? CPS_KEY_MAX : SECRET_LEN;
    key->salt.len = SALT_LEN;
    cps_err_t err = crypto->table->random(crypto->state, key->secret, key->secret_len);
    if (err == CPS_OK)
        err = crypto->table->random(crypto->state, key->salt.data, key->salt.len);
    if (err == CPS_OK)
        err = draw_id(store, crypto, key, &none, &key->sender_id);
    if (err == CPS_OK)
        err = draw_id(store, crypto, key, &key->sender_id, &key->recipient_id);
    return err == CPS_OK ? cps_key_identify(crypto, key) : err;
}

/* The same key, seen from the other end. */
static void turn(const cps_store_key_t *key, cps_store_key_t *peer)
{
    *peer = *key;
    peer->sender_id = key->recipient_id;
    peer->recipient_id = key->sender_id;
    memcpy(peer->peer, key->name, sizeof peer->peer);
    peer->pattern[0] = '\0'; /* what we use it for is nothing to the peer */
}

/* The peer's file first: one that nobody can use does no harm, but a key whose other end is lost is a key in vain. */
static int write_peer(const cps_key_ask_t *ask, const cps_store_key_t *key, const char *path)
{
    cps_store_key_t peer;
    cps_conf_t file;
    turn(key, &peer);
    cps_conf_init(&file, path);
    int status = cps_cred_write(&file, &peer) == CPS_OK ? 0 : cps_key_say_file(ask, &file, NULL);
    cps_conf_fini(&file);
    cps_wipe(&peer, sizeof peer);
    return status;
}

static int make(const cps_key_ask_t *ask, cps_store_t *store, cps_crypto_t *crypto, cps_store_key_t *key)
{
    const cps_store_state_t state = {.window_known = true}; /* nothing was sent or received */
    char path[CPS_KEYRING_PATH_MAX];
    snprintf(key->name, sizeof key->name, "%s", ask->word);
    snprintf(key->peer, sizeof key->peer, "%s", ask->peer);
    snprintf(key->pattern, sizeof key->pattern, "%s", ask->pattern != NULL ? ask->pattern : "");
    snprintf(path, sizeof path, "%s-for-%s.cred", ask->word, ask->peer);
    const char *file = ask->output != NULL ? ask->output : path;
    cps_err_t err = draw(store, crypto, key);
    if (err != CPS_OK)
        return cps_key_say_material(ask, err, key);
    int status = write_peer(ask, key, file);
    if (status != 0)
        return status;
    err = store->table->key_add(store, key, &state);
    if (err != CPS_OK) {
        (void)remove(file);
        return cps_key_fail(ask, err, "%s", cps_store_detail());
    }
    cps_key_say_added("created", key);
    printf("wrote    %s   give this file to the peer, over a channel you trust: coapsule key import %s\n", file, file);
    return 0;
}

int cps_key_new(const cps_key_ask_t *ask)
{
    cps_store_t *store = NULL;
    cps_crypto_t crypto;
    cps_store_key_t key = {0};
    int status = check(ask);
    if (status == 0)
        status = set_algorithm(ask, &key);
    if (status == 0)
        status = set_rest(ask, &key);
    if (status == 0)
        status = cps_key_open(ask, true, false, &store);
    if (status != 0)
        return status;
    cps_err_t err = cps_crypto_openssl_init(&crypto);
    status = err == CPS_OK ? make(ask, store, &crypto, &key) : cps_key_fail(ask, err, "%s", cps_err_text(err));
    if (err == CPS_OK)
        cps_crypto_openssl_fini(&crypto);
    cps_wipe(&key, sizeof key);
    store->table->close(store);
    return status;
}
