// SPDX-License-Identifier: Apache-2.0
/* A keyring on disk for a server under test, and the client's ends of its credentials. */
#ifndef CPS_TESTS_SERVER_STATE_H
#define CPS_TESTS_SERVER_STATE_H

#include "rig.h"

#include "sec/oscore/ctx.h"
#include "store/store.h"

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

/** A folder of the test's own with one keyring in it. */
typedef struct state_box {
    char dir[64];
    char path[96];
} state_box_t;

static inline state_box_t state_make(void)
{
    state_box_t box = {.dir = "/tmp/cps-server-XXXXXX"};
    assert_non_null(mkdtemp(box.dir));
    snprintf(box.path, sizeof box.path, "%s/door.db", box.dir);
    return box;
}

static inline int state_remove_one(const char *path, const struct stat *at, int type, struct FTW *walk)
{
    (void)at;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline void state_drop(const state_box_t *box) { nftw(box->dir, state_remove_one, 4, FTW_DEPTH | FTW_PHYS); }

/** Credential number `n` ("phone0", ...): the client's Sender ID is two bytes of n, the server's the same with 0x80. */
typedef struct state_ids {
    uint8_t secret[16];
    uint8_t client[2];
    uint8_t server[2];
} state_ids_t;

static inline state_ids_t state_ids(unsigned n)
{
    state_ids_t ids = {.client = {(uint8_t)(n >> 8U), (uint8_t)n}};
    memset(ids.secret, (int)(n + 1U), sizeof ids.secret);
    ids.server[0] = (uint8_t)(ids.client[0] | 0x80U);
    ids.server[1] = ids.client[1];
    return ids;
}

/** Put credentials 0 to count - 1 in the keyring. `lost`: as after a crash, the windows are not known. */
static inline void state_fill(const state_box_t *box, unsigned count, bool lost)
{
    cps_store_t *store;
    cps_crypto_t crypto;
    cps_store_options_t how = {.path = box->path, .create = true};
    assert_ok(cps_store_sqlite_open(&store, &how));
    assert_ok(cps_crypto_openssl_init(&crypto));
    for (unsigned n = 0; n < count; n++) {
        state_ids_t ids = state_ids(n);
        cps_store_key_t key = {.secret_len = sizeof ids.secret, .aead = 10, .window = 32};
        snprintf(key.name, sizeof key.name, "phone%u", n);
        memcpy(key.secret, ids.secret, sizeof ids.secret);
        memcpy(key.sender_id.data, ids.server, 2);
        memcpy(key.recipient_id.data, ids.client, 2);
        key.sender_id.len = key.recipient_id.len = 2;
        cps_oscore_params_t params = {.master_secret = cps_bytes(ids.secret, sizeof ids.secret),
                                      .sender_id = cps_bytes(ids.server, 2),
                                      .recipient_id = cps_bytes(ids.client, 2),
                                      .aead = 10,
                                      .window = 32};
        assert_ok(cps_oscore_identifier(&crypto, &params, key.state_id, key.window_id));
        cps_store_state_t state = {.next = lost ? 100 : 0, .window_known = !lost};
        assert_ok(store->table->key_add(store, &key, &state));
    }
    cps_crypto_openssl_fini(&crypto);
    store->table->close(store);
}

/** The client's end of credential `n`. */
static inline cps_handle_t state_client(rig_t *rig, unsigned n)
{
    state_ids_t ids = state_ids(n);
    cps_handle_t handle = 0;
    cps_context_t context = {.size = sizeof context,
                             .master_secret = cps_bytes(ids.secret, sizeof ids.secret),
                             .sender_id = cps_bytes(ids.client, 2),
                             .recipient_id = cps_bytes(ids.server, 2),
                             .aead = 10,
                             .window_size = -1,
                             .has_state = true,
                             .window_known = true};
    assert_ok(cps_ep_context_add(rig->ep, &context, &handle));
    return handle;
}

#endif /* CPS_TESTS_SERVER_STATE_H */
