// SPDX-License-Identifier: Apache-2.0
#include "cli/cmd_key_make.h"

#include "sec/oscore/ctx.h"

static cps_bytes_t view(const cps_store_bytes_t *b) { return cps_bytes(b->data, b->len); }

cps_err_t cps_key_identify(cps_crypto_t *crypto, cps_store_key_t *key)
{
    const cps_oscore_params_t params = {.master_secret = cps_bytes(key->secret, key->secret_len),
                                        .master_salt = view(&key->salt),
                                        .id_context = view(&key->id_context),
                                        .has_id_context = key->has_id_context,
                                        .sender_id = view(&key->sender_id),
                                        .recipient_id = view(&key->recipient_id),
                                        .aead = key->aead,
                                        .hash = (cps_hash_alg_t)key->hash,
                                        .window = key->window};
    return cps_oscore_identifier(crypto, &params, key->state_id, key->window_id);
}

int cps_key_say_material(const cps_key_ask_t *ask, cps_err_t err, const cps_store_key_t *key)
{
    const cps_aead_t *aead = cps_aead_find(key->aead);
    if (err != CPS_ERR_BAD_ID || aead == NULL)
        return cps_key_fail(ask, err, "%s", cps_err_text(err));
    if (cps_bytes_equal(view(&key->sender_id), view(&key->recipient_id)))
        return cps_key_fail(ask, err, "Sender ID and Recipient ID are equal; the two ends have to differ");
    return cps_key_fail(ask, err, "Sender ID and Recipient ID have at most %u bytes with %s", aead->nonce_len - 6U,
                        aead->name);
}

void cps_key_say_added(const char *verb, const cps_store_key_t *key)
{
    char sender[2 * CPS_STORE_BYTES_MAX + 8];
    char recipient[2 * CPS_STORE_BYTES_MAX + 8];
    printf("%s  %s  (sender %s, recipient %s, %s, HKDF %s)\n", verb, key->name, cps_key_id(&key->sender_id, sender),
           cps_key_id(&key->recipient_id, recipient), cps_key_algorithm(key), cps_key_hash(key));
}

int cps_key_say_file(const cps_key_ask_t *ask, const cps_conf_t *conf, const char *shown)
{
    const char *text;
    size_t file_len = strlen(conf->file);
    for (size_t i = 0; (text = cps_conf_error_text(conf, i)) != NULL; i++) {
        bool named = shown != NULL && strncmp(text, conf->file, file_len) == 0;
        fprintf(stderr, "%s: %s%s\n", ask->command, named ? shown : "", named ? text + file_len : text);
    }
    return cps_err_exit(conf->err);
}
