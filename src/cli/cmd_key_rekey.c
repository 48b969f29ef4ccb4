// SPDX-License-Identifier: Apache-2.0
/* key rekey: marks a key, so that its next request, from whichever end, derives fresh keys (RFC 8613 appendix B.2). */
#include "cli/cmd_key.h"

#include <time.h>

#define WAIT_MS      5000 /* for a command that is at work with it (OPS-4) */
#define WAIT_STEP_MS 20

/* A process that has the key goes on with it and would not hear of what is changed. */
int cps_key_lock(const cps_key_ask_t *ask, cps_store_t *store, const cps_store_key_t *key)
{
    int64_t pid = 0;
    cps_err_t err = store->table->lock(store, key, &pid);
    for (int waited = 0; err == CPS_ERR_IN_USE && waited < WAIT_MS; waited += WAIT_STEP_MS) {
        struct timespec step = {0, WAIT_STEP_MS * 1000000L};
        nanosleep(&step, NULL);
        err = store->table->lock(store, key, &pid);
    }
    if (err == CPS_ERR_IN_USE)
        return cps_key_fail(ask, err, "%s: context in use by pid %lld; stop that process first", key->name,
                            (long long)pid);
    return err == CPS_OK ? 0 : cps_key_fail(ask, err, "%s", cps_store_detail());
}

static int mark(const cps_key_ask_t *ask, cps_store_t *store, cps_store_key_t *key)
{
    cps_err_t err = store->table->key_get(store, ask->word, key);
    if (err != CPS_OK)
        return cps_key_say_none(ask, store, err);
    if (key->retired)
        return cps_key_fail(ask, CPS_ERR_RETIRED, "%s: %s", ask->word, cps_err_text(CPS_ERR_RETIRED));
    key->rekey = true; /* a copy is marked like any other: this is its way on */
    int status = cps_key_lock(ask, store, key);
    if (status != 0)
        return status;
    err = store->table->key_mark(store, key);
    if (err != CPS_OK)
        return cps_key_fail(ask, err, "%s", cps_store_detail());
    printf("marked   %s   the next request with it, from either end, derives fresh keys\n", key->name);
    return 0;
}

int cps_key_rekey(const cps_key_ask_t *ask)
{
    cps_store_t *store = NULL;
    cps_store_key_t key = {0};
    int status = cps_key_open(ask, false, false, &store);
    if (status != 0)
        return status;
    status = mark(ask, store, &key);
    cps_wipe(&key, sizeof key);
    store->table->close(store);
    return status;
}
