// SPDX-License-Identifier: Apache-2.0
/* The commands under `coapsule key`: what they share. */
#ifndef CPS_CLI_CMD_KEY_H
#define CPS_CLI_CMD_KEY_H

#include "cli/arg.h"
#include "cli/cmd_keyring.h"
#include "host/cred.h"
#include "store/store.h"

#include <stdio.h>

/** What a command line under `key` said. Strings are the command line's. */
typedef struct cps_key_ask {
    const char *command; /**< for sentences: "coapsule key new" */
    const char *word;    /**< the one word that is no option: a name or file */
    const char *state;
    const char *peer;
    const char *pattern;
    const char *algorithm;
    const char *hkdf;
    const char *window;
    const char *id_context;
    const char *output;
    const char *name;
    const char *next;
    const char *skip;
    bool rekey, again, unused, weak, secret, json, no_rekey, help;
} cps_key_ask_t;

/** The subcommands: the exit code. */
int cps_key_new(const cps_key_ask_t *ask);
int cps_key_list(const cps_key_ask_t *ask);
int cps_key_show(const cps_key_ask_t *ask);
int cps_key_import(const cps_key_ask_t *ask);
int cps_key_remove(const cps_key_ask_t *ask);
int cps_key_rekey(const cps_key_ask_t *ask);
int cps_key_export(const cps_key_ask_t *ask);
int cps_key_backup(const cps_key_ask_t *ask);
int cps_key_restore(const cps_key_ask_t *ask);

/** The subcommands of `store`. */
int cps_store_cmd_check(const cps_key_ask_t *ask);
int cps_store_cmd_adopt(const cps_key_ask_t *ask);

/** Own a key, waiting 5 s for a process that has it (OPS-4); 0, or the exit code with the sentence said. */
int cps_key_lock(const cps_key_ask_t *ask, cps_store_t *store, const cps_store_key_t *key);

/** Say why, and give the exit code of `err`. */
__attribute__((format(printf, 3, 4))) int cps_key_fail(const cps_key_ask_t *ask, cps_err_t err, const char *format,
                                                       ...);

/** Open the keyring, made with `create`; 0, or the exit code with the sentence said. */
int cps_key_open(const cps_key_ask_t *ask, bool create, bool read_only, cps_store_t **out);

/** Say that there is no such key, and which is meant perhaps; or what else `err` of looking for it says. */
int cps_key_say_none(const cps_key_ask_t *ask, cps_store_t *store, cps_err_t err);

/** 0, or the exit code with the sentence said, for a name, a pattern. NULL passes. */
int cps_key_check_name(const cps_key_ask_t *ask, const char *name);
int cps_key_check_pattern(const cps_key_ask_t *ask, const char *pattern);

/** Say all that is wrong with a credential file; the exit code. `shown` stands for its name, if not NULL. */
int cps_key_say_file(const cps_key_ask_t *ask, const cps_conf_t *conf, const char *shown);

/** Hex of an ID: "7a"; "empty" for none. Gives `out`. */
const char *cps_key_id(const cps_store_bytes_t *id, char out[2 * CPS_STORE_BYTES_MAX + 8]);

/** Names for people: "AES-CCM-16-64-128", "SHA-256". */
const char *cps_key_algorithm(const cps_store_key_t *key);
const char *cps_key_hash(const cps_store_key_t *key);

#endif /* CPS_CLI_CMD_KEY_H */
