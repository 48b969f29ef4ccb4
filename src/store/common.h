// SPDX-License-Identifier: Apache-2.0
/* What the stores share: the sentence of an error, and the rules for what may be stored. */
#ifndef CPS_STORE_COMMON_H
#define CPS_STORE_COMMON_H

#include "store/store.h"

/** Leave the sentence of an error for cps_store_detail, and give the error back: `return cps_store_fail(err, ...)`. */
__attribute__((format(printf, 2, 3))) cps_err_t cps_store_fail(cps_err_t err, const char *format, ...);

/** CPS_ERR_ARGUMENT, with a sentence, for a key or state that a store does not take. */
CPS_MUST_USE cps_err_t cps_store_check_key(const cps_store_key_t *key, const cps_store_state_t *state);

/** CPS_ERR_ARGUMENT, with a sentence, for a name that is empty or too long. */
CPS_MUST_USE cps_err_t cps_store_check_name(const char *name);

/** A growing set of small numbers: which places of a lock file are held. */
typedef struct cps_store_bits {
    uint64_t *words;
    size_t count;
} cps_store_bits_t;

/** Whether a number is in the set. */
bool cps_store_bits_has(const cps_store_bits_t *bits, uint64_t number);

/** Put a number in; CPS_ERR_MEMORY. */
CPS_MUST_USE cps_err_t cps_store_bits_add(cps_store_bits_t *bits, uint64_t number);

/** Take a number out. */
void cps_store_bits_remove(cps_store_bits_t *bits, uint64_t number);

/** Give the memory back; the set is empty then. */
void cps_store_bits_free(cps_store_bits_t *bits);

/** What a renewal makes of a key's fields. */
void cps_store_renew_key(cps_store_key_t *key, const cps_store_renewal_t *renewal);

#endif /* CPS_STORE_COMMON_H */
