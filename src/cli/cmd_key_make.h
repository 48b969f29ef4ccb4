// SPDX-License-Identifier: Apache-2.0
/* Putting a key together, for key new and key import. */
#ifndef CPS_CLI_CMD_KEY_MAKE_H
#define CPS_CLI_CMD_KEY_MAKE_H

#include "cli/cmd_key.h"
#include "crypto/provider.h"

/** Fill in the identifiers of a key's state from its material (OPS-2). CPS_ERR_BAD_ID, CPS_ERR_ALGORITHM,
 * CPS_ERR_ARGUMENT, CPS_ERR_CRYPTO. */
CPS_MUST_USE cps_err_t cps_key_identify(cps_crypto_t *crypto, cps_store_key_t *key);

/** Say what is wrong with the material that `err` of cps_key_identify is about; the exit code. */
int cps_key_say_material(const cps_key_ask_t *ask, cps_err_t err, const cps_store_key_t *key);

/** The line for a key that is in the keyring now: "created  phone  (sender 7a, recipient 31, ...)". */
void cps_key_say_added(const char *verb, const cps_store_key_t *key);

#endif /* CPS_CLI_CMD_KEY_MAKE_H */
