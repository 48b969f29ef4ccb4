// SPDX-License-Identifier: Apache-2.0
/* The provider on the heap, for callers of the public API. */
#include "crypto/provider.h"

#include <coapsule/core.h>

#include <stdlib.h>

cps_err_t cps_crypto_new(cps_crypto_t **out)
{
    *out = NULL;
    cps_crypto_t *crypto = calloc(1, sizeof *crypto);
    if (crypto == NULL)
        return CPS_ERR_MEMORY;
    cps_err_t err = cps_crypto_openssl_init(crypto);
    if (err != CPS_OK) {
        free(crypto);
        return err;
    }
    *out = crypto;
    return CPS_OK;
}

void cps_crypto_free(cps_crypto_t *crypto)
{
    if (crypto == NULL)
        return;
    cps_crypto_openssl_fini(crypto);
    free(crypto);
}
