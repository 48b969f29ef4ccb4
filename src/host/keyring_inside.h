// SPDX-License-Identifier: Apache-2.0
/* A keyring from inside. */
#ifndef CPS_HOST_KEYRING_INSIDE_H
#define CPS_HOST_KEYRING_INSIDE_H

#include "host/keyring.h"

struct cps_keyring {
    cps_store_t *store;
    cps_ep_t *ep;
    cps_credential_t **list; /* each for itself: what was handed out stays where it is */
    size_t count;
    size_t room;
    char detail[CPS_KEYRING_DETAIL_MAX];
};

/** Keep a sentence for cps_keyring_detail: the store's, or one of ours about a credential; gives `err`. */
cps_err_t cps_keyring_say_store(cps_keyring_t *k, cps_err_t err);
cps_err_t cps_keyring_say(cps_keyring_t *k, cps_err_t err, const char *name, const char *what);

/** Lock, read, make it used up; then, and not before, the endpoint hears of the context: the last in the list. */
CPS_MUST_USE cps_err_t cps_keyring_own_key(cps_keyring_t *k, const cps_store_key_t *key, uint32_t wait_ms, bool lease);

#define CPS_KEYRING_FROM_FILE "credential:"

/** The key of the store that has the material of a file in $CREDENTIALS_DIRECTORY; `name` is the word with its prefix. */
CPS_MUST_USE cps_err_t cps_keyring_from_file(cps_keyring_t *k, const char *name, cps_store_key_t *key);

/** Give the lock of a credential up. */
void cps_keyring_unlock(cps_keyring_t *k, const cps_credential_t *credential);

/** Take the contexts of those that go out of the endpoint, and save them in one commit. */
CPS_MUST_USE cps_err_t cps_keyring_close(cps_keyring_t *k, bool (*goes)(const cps_credential_t *credential));

#endif /* CPS_HOST_KEYRING_INSIDE_H */
