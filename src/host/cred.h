// SPDX-License-Identifier: Apache-2.0
/* Credential files (NAME-for-PEER.cred): one security context on its way to the machine that imports it. YAML, read by
 * the engine of configurations, secrets in hex:
 *
 *     name: "door"                      # what the importer will call it
 *     peer: "phone"
 *     for: "coap://phone.local/lock"    # may be absent
 *     master_secret: "0102..."
 *     master_salt: "9e7c..."            # may be absent
 *     id_context: "37cb..."             # may be absent, which is not the same as empty (RFC 8613 §3.2.1)
 *     sender_id: "31"
 *     recipient_id: "7a"
 *     algorithm: "AES-CCM-16-64-128"    # or its COSE number
 *     hkdf: "sha256"
 *     window: 32
 *     rederivable: true                 # fresh keys by RFC 8613 appendix B.2 are allowed; false where it is absent
 *     fresh: true                       # made by key new: nothing was ever sent with it
 *     next_sequence: 512                # of key export: it has sent only numbers below that
 *     used: true                        # after it was imported
 */
#ifndef CPS_HOST_CRED_H
#define CPS_HOST_CRED_H

#include "host/conf.h"
#include "store/store.h"

/** A credential file. Wipe it with cps_wipe after use. */
typedef struct cps_cred {
    cps_store_key_t key; /**< as the keyring takes it; state_id and window_id are left to the importer, zero */
    bool fresh;          /**< the file says that nothing was ever sent with it; counts only where it is not used */
    bool used;           /**< imported before */
    bool has_next;       /**< the file says what the key has sent at most; counts only where it is not used */
    uint64_t next;       /**< the first number that was never sent */
} cps_cred_t;

typedef struct cps_cred_options {
    bool weak; /**< leave for a Master Secret under 16 bytes */
    /** $CREDENTIALS_DIRECTORY: a file in it may be readable by its group, since that is how systemd shows the access
     * list by which it hands files over; NULL or "" where it is not set */
    const char *credentials_directory;
} cps_cred_options_t;

/** Whether a credential may be called so: 1 to 63 letters, digits and "._-@", neither "-" nor "." first. */
bool cps_cred_name_valid(const char *name);

/**
 * Read the file that `c` was begun with; errors are in `c`. CPS_ERR_EXPOSED_SECRET where others than its owner can read
 * or write it; CPS_ERR_IO; CPS_ERR_CONFIG; CPS_ERR_WEAK_SECRET; CPS_ERR_ALGORITHM; CPS_ERR_BAD_ID where the IDs are equal or
 * too long for the algorithm (RFC 8613 §3.3). No secret stands in an error. After an error `out` is wiped.
 */
CPS_MUST_USE cps_err_t cps_cred_read(cps_conf_t *c, const cps_cred_options_t *options, cps_cred_t *out);

/**
 * Write a new file for a key that was never used, mode 0600, and have it on disk before returning; nothing is left
 * after an error. `c` names it.
 * CPS_ERR_EXISTS where there is one, CPS_ERR_IO, CPS_ERR_ARGUMENT for a key that cps_cred_read would refuse to read.
 */
CPS_MUST_USE cps_err_t cps_cred_write(cps_conf_t *c, const cps_store_key_t *key);

/** The same for a key that has sent numbers below `next` and is retired where it was. */
CPS_MUST_USE cps_err_t cps_cred_export(cps_conf_t *c, const cps_store_key_t *key, uint64_t next);

/** A key as others write it, to be checked as one of ours is: names, IDs and secret are views. */
typedef struct cps_cred_raw {
    const char *name;
    const char *peer;
    const char *pattern;
    cps_bytes_t master_secret;
    cps_bytes_t master_salt;
    cps_bytes_t id_context; /**< ptr NULL: absent */
    cps_bytes_t sender_id;
    cps_bytes_t recipient_id;
    const char *algorithm; /**< name or COSE number */
    uint32_t hkdf;         /**< cps_hash_alg_t */
    uint32_t window;
    bool rederivable;
    bool fresh;
    bool used;
    const char *next_sequence; /**< decimal, or NULL */
} cps_cred_raw_t;

/** Check what was read and make a credential of it; errors are in `c` as cps_cred_read has them. */
CPS_MUST_USE cps_err_t cps_cred_take(cps_conf_t *c, const cps_cred_raw_t *raw, const cps_cred_options_t *options,
                                     cps_cred_t *out);

/** Open a file of secrets to read: CPS_ERR_IO, CPS_ERR_EXPOSED_SECRET where others can read or write it, in `c`. */
CPS_MUST_USE cps_err_t cps_cred_open(cps_conf_t *c, const cps_cred_options_t *options, int *fd);

/** Write a new file of secrets whole, mode 0600, on disk before it returns; nothing is left after an error. `c` names it.
 * CPS_ERR_EXISTS, CPS_ERR_IO. */
CPS_MUST_USE cps_err_t cps_cred_write_file(cps_conf_t *c, cps_bytes_t bytes);

/** Whether cps_cred_read would take what is written of a key. */
bool cps_cred_is_sound(const cps_store_key_t *key);

/**
 * Mark the file as used, in place and on disk. Call it before the store takes the key: of two who import one file at
 * once, or into two stores, one alone gets CPS_OK. CPS_ERR_EXISTS where it is marked already, CPS_ERR_BUSY while another
 * process marks it, CPS_ERR_IO or CPS_ERR_CONFIG where it cannot be marked; it is then unchanged.
 */
CPS_MUST_USE cps_err_t cps_cred_mark_used(cps_conf_t *c);

#endif /* CPS_HOST_CRED_H */
