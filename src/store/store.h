// SPDX-License-Identifier: Apache-2.0
/* Durable key state: credentials, sequence ceilings, replay windows, and who owns them. One table of calls, so that the
 * caller's own store, the memory store of tests, the fault store and SQLite are driven alike. Calls block on the disk;
 * the host makes them off its loop. One thread at a time calls a store. */
#ifndef CPS_STORE_STORE_H
#define CPS_STORE_STORE_H

#include "base/bytes.h"

#define CPS_STORE_ID_LEN      16U
#define CPS_STORE_NAME_MAX    63U
#define CPS_STORE_PATTERN_MAX 255U
#define CPS_STORE_SECRET_MAX  64U
#define CPS_STORE_BYTES_MAX   48U

/** A short byte string held in place. */
typedef struct cps_store_bytes {
    uint8_t data[CPS_STORE_BYTES_MAX];
    uint8_t len;
} cps_store_bytes_t;

/** A credential as it stands in the keyring. Wipe it with cps_wipe after use. */
typedef struct cps_store_key {
    char name[CPS_STORE_NAME_MAX + 1];       /**< what commands and configurations call it; unique */
    char peer[CPS_STORE_NAME_MAX + 1];       /**< what the other end is called */
    char pattern[CPS_STORE_PATTERN_MAX + 1]; /**< URI pattern it is used for; empty: only when named */
    uint8_t secret[CPS_STORE_SECRET_MAX];
    uint8_t secret_len;
    cps_store_bytes_t salt;
    cps_store_bytes_t id_context;
    bool has_id_context;
    cps_store_bytes_t sender_id;
    cps_store_bytes_t recipient_id;
    int32_t aead;                        /**< COSE number */
    uint8_t hash;                        /**< cps_hash_alg_t */
    uint8_t window;                      /**< size of the replay window */
    bool retired;                        /**< exported: does not send any more */
    uint8_t state_id[CPS_STORE_ID_LEN];  /**< of sequence state (cps_oscore_identifier) */
    uint8_t window_id[CPS_STORE_ID_LEN]; /**< of the replay window */
} cps_store_key_t;

/** Sequence state and replay window of a key. */
typedef struct cps_store_state {
    uint64_t next; /**< the first number that was never sent: at a clean exit the next one, else the ceiling */
    uint64_t window_next;
    uint64_t window_seen;
    bool window_known; /**< saved by a clean exit, or of a key that never received */
} cps_store_state_t;

/** One lease to make durable. */
typedef struct cps_store_lease {
    uint8_t state_id[CPS_STORE_ID_LEN];
    uint64_t ceiling;
    cps_err_t result; /**< out: CPS_OK, or why not (CPS_ERR_STATE_LOST) */
} cps_store_lease_t;

/** What a clean exit saves of one context. */
typedef struct cps_store_closing {
    uint8_t state_id[CPS_STORE_ID_LEN];
    uint8_t window_id[CPS_STORE_ID_LEN];
    uint64_t next;
    uint64_t window_next;
    uint64_t window_seen;
    bool window_known;
} cps_store_closing_t;

typedef struct cps_store cps_store_t;

typedef struct cps_store_table {
    const char *name;
    void (*close)(cps_store_t *s);

    /** Add a credential with fresh state (next number given): one commit. CPS_ERR_EXISTS for the name;
     * CPS_ERR_TOO_MANY for a fifth (recipient_id, id_context); two names with one state_id share its state, which is
     * then never lowered. */
    cps_err_t (*key_add)(cps_store_t *s, const cps_store_key_t *key, const cps_store_state_t *state);
    cps_err_t (*key_get)(cps_store_t *s, const char *name, cps_store_key_t *out);
    cps_err_t (*key_remove)(cps_store_t *s, const char *name);
    /** The key after `*cursor` in the order of names; start with 0; CPS_ERR_NOT_FOUND at the end. */
    cps_err_t (*key_next)(cps_store_t *s, int64_t *cursor, cps_store_key_t *out);

    /** State of a key; CPS_ERR_STATE_LOST where the store has none. */
    cps_err_t (*state_get)(cps_store_t *s, const cps_store_key_t *key, cps_store_state_t *out, uint64_t *ceiling);

    /** Make ceilings durable: one transaction, on disk when it returns CPS_OK. A ceiling never falls. With
     * `invalidate`, the saved windows of these contexts (of the whole store where `all`) are made unknown by the same
     * commit, before anything is sent or accepted under them. */
    cps_err_t (*lease)(cps_store_t *s, cps_store_lease_t *leases, size_t count, bool invalidate, bool all);

    /** Save next numbers and windows at a clean exit: one transaction. */
    cps_err_t (*save)(cps_store_t *s, const cps_store_closing_t *closings, size_t count);

    /** Own a key's state in this process until close or unlock. CPS_ERR_IN_USE, and the owner's pid (0 where it cannot
     * be told), while another process does: no waiting here. */
    cps_err_t (*lock)(cps_store_t *s, const cps_store_key_t *key, int64_t *owner_pid);
    void (*unlock)(cps_store_t *s, const cps_store_key_t *key);
} cps_store_table_t;

struct cps_store {
    const cps_store_table_t *table;
};

/** How to open a store. */
typedef struct cps_store_options {
    const char *path;
    bool create;     /**< make it where it is not there, mode 0600 */
    bool read_only;  /**< for key list and show */
    const char *vfs; /**< SQLite VFS, NULL for the default: tests give one that loses power */
} cps_store_options_t;

/**
 * Open the SQLite store (WAL, synchronous=FULL; format number in user_version). CPS_ERR_EXPOSED_SECRET where others can
 * read it, CPS_ERR_STORE_FORMAT, CPS_ERR_STORE_CORRUPT, CPS_ERR_STORE_FULL, CPS_ERR_STORE (with the sentence of
 * cps_store_detail), CPS_ERR_NOT_FOUND.
 */
CPS_MUST_USE cps_err_t cps_store_sqlite_open(cps_store_t **out, const cps_store_options_t *options);

/** The sentence of the last error of this thread: what and which file. Static, valid until the next call. */
const char *cps_store_detail(void);

/** A store in memory, for tests, the simulator and callers without a disk. It outlives nothing. */
CPS_MUST_USE cps_err_t cps_store_mem_open(cps_store_t **out);

#endif /* CPS_STORE_STORE_H */
