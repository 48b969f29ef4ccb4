// SPDX-License-Identifier: Apache-2.0
/* Durable key state: credentials, sequence ceilings, replay windows, and who owns them. One table of calls, so that the
 * caller's own store, the memory store of tests, the fault store and SQLite are driven alike. Calls block on the disk;
 * the host makes them off its loop. One thread at a time calls a store. Every call that fails leaves a sentence in
 * cps_store_detail.
 *
 * The order that keeps numbers from being used twice: `lock` (or `load` with `own`), then read the state, then `lease`
 * with `invalidate`, and only after its CPS_OK seal or accept. At a clean exit: stop, `save`, `unlock`. */
#ifndef CPS_STORE_STORE_H
#define CPS_STORE_STORE_H

#include "base/bytes.h"

#define CPS_STORE_ID_LEN      16U
#define CPS_STORE_NAME_MAX    63U
#define CPS_STORE_PATTERN_MAX 255U
#define CPS_STORE_SECRET_MAX  64U
#define CPS_STORE_BYTES_MAX   48U
#define CPS_STORE_SHARE_MAX   4U            /* contexts for one (kid, kid context) */
#define CPS_STORE_NUMBER_MAX  (1ULL << 40U) /* numbers are below it (RFC 8613 §7.2.1), ceilings at most it */

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
    bool rederivable;                    /**< fresh keys by RFC 8613 appendix B.2 are allowed with this peer */
    bool rekey;                          /**< marked: never send with it, the next request derives fresh keys */
    bool derived;                        /**< its ID Context came from such a run */
    uint8_t state_id[CPS_STORE_ID_LEN];  /**< of sequence state (cps_oscore_identifier) */
    uint8_t window_id[CPS_STORE_ID_LEN]; /**< of the replay window */
} cps_store_key_t;

/** Sequence state and replay window of a key. */
typedef struct cps_store_state {
    uint64_t next; /**< no number from here on was ever sent: after a clean exit the next one, else the ceiling */
    uint64_t window_next;
    uint64_t window_seen;
    bool window_known; /**< saved by a clean exit and not used since, or of a key that never received; else the two
                            numbers of the window are 0 */
} cps_store_state_t;

/** A key together with its state, as a daemon loads it. Wipe it with cps_wipe after use. */
typedef struct cps_store_loaded {
    cps_store_key_t key;
    cps_store_state_t state;
    uint64_t ceiling;
    int64_t owner_pid; /**< with CPS_ERR_IN_USE: who owns it; 0 where it cannot be told */
    cps_err_t
        result; /**< CPS_OK; CPS_ERR_IN_USE, CPS_ERR_STATE_LOST: no state given; CPS_ERR_STORE_CORRUPT: nothing but
                            the name given */
} cps_store_loaded_t;

/** One lease to make durable. */
typedef struct cps_store_lease {
    uint8_t state_id[CPS_STORE_ID_LEN];
    uint64_t ceiling; /**< 0: no grant, for a context that only receives so far */
    cps_err_t result; /**< out: CPS_OK, or why not */
} cps_store_lease_t;

/** A key that appendix B.2 of RFC 8613 derived, to take the place of the one before: the same but for its ID Context. */
typedef struct cps_store_renewal {
    uint8_t old_window_id[CPS_STORE_ID_LEN]; /**< of the key that it replaces */
    cps_store_bytes_t id_context;
    uint8_t state_id[CPS_STORE_ID_LEN];
    uint8_t window_id[CPS_STORE_ID_LEN];
    uint64_t ceiling; /**< of its numbers: above all that were used in deriving it */
} cps_store_renewal_t;

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

    /** Give up all locks, wipe and free. NULL is no store. */
    void (*close)(cps_store_t *s);

    /**
     * Add a credential with fresh state (first number and window given): one commit. The only call that creates
     * sequence state (OPS-1).
     *
     * CPS_ERR_EXISTS where the name is taken, or where the store holds the same context (one window_id) under another
     * name: the same material is never taken twice (OPS-8). CPS_ERR_TOO_MANY for a fifth (recipient_id, id_context).
     * CPS_ERR_ARGUMENT for a key without name or secret, or numbers over 2^40.
     *
     * Material that was in this store before (its key was removed, or another Recipient ID shares its state_id) goes on
     * from the state that is there: a given number above that raises it, one below changes nothing, and a window that
     * was there becomes unknown. Where that state came with a copy of the store it is taken up only by a given number:
     * CPS_ERR_UNKNOWN_NUMBER for 0.
     */
    cps_err_t (*key_add)(cps_store_t *s, const cps_store_key_t *key, const cps_store_state_t *state);

    /** The key of that name; CPS_ERR_NOT_FOUND. */
    cps_err_t (*key_get)(cps_store_t *s, const char *name, cps_store_key_t *out);

    /** Call a key by another name; its state stays what it is (OPS-2). CPS_ERR_NOT_FOUND, CPS_ERR_EXISTS. */
    cps_err_t (*key_rename)(cps_store_t *s, const char *name, const char *new_name);

    /** Forget a key and its secret. Its sequence state stays, so that the same material never starts anew here. */
    cps_err_t (*key_remove)(cps_store_t *s, const char *name);

    /** Mark a key, found by its window_id: it sends no more before it is derived anew. CPS_ERR_NOT_FOUND. */
    cps_err_t (*key_mark)(cps_store_t *s, const cps_store_key_t *key);

    /** Retire a key, found by its window_id, or let it send again; on disk when it returns CPS_OK. CPS_ERR_NOT_FOUND. */
    cps_err_t (*key_retire)(cps_store_t *s, const cps_store_key_t *key, bool retired);

    /**
     * Put a derived key in the place of the one before, with its state: one commit, on disk when it returns CPS_OK; its
     * window is unknown to a later process, and the mark is gone. The old key has to be locked here; so is the new one
     * afterwards, and the old is not. CPS_ERR_NOT_FOUND, CPS_ERR_ARGUMENT, CPS_ERR_EXISTS where the store has that state
     * already, store errors; after an error the old key stands.
     */
    cps_err_t (*key_renew)(cps_store_t *s, const cps_store_renewal_t *renewal);

    /** The key after `*cursor` in the order of names (bytes compared); start with 0. CPS_ERR_NOT_FOUND at the end,
     * CPS_ERR_STALE where the key under the cursor was removed. */
    cps_err_t (*key_next)(cps_store_t *s, int64_t *cursor, cps_store_key_t *out);

    /**
     * Up to `cap` keys after `*cursor` with their state, in the order of creation; start with 0, `*count` is 0 at the
     * end. With `own` each is locked before its state is read, as a daemon does at start; one that another process
     * owns (or that this process owns already) has result CPS_ERR_IN_USE. A million keys load in seconds with a `cap`
     * of some hundreds. Where the call itself fails, nothing that it locked stays locked.
     */
    cps_err_t (*load)(cps_store_t *s, int64_t *cursor, bool own, cps_store_loaded_t *out, size_t cap, size_t *count);

    /** State of a key, found by state_id and window_id alone (OPS-2); CPS_ERR_STATE_LOST where the store has none, or
     * has it from a copy, a backup, or from before leases that it knows nothing of (docs/adr/0005-copies.md).
     * Only what is read while the key is locked may be used for sending. */
    cps_err_t (*state_get)(cps_store_t *s, const cps_store_key_t *key, cps_store_state_t *out, uint64_t *ceiling);

    /**
     * Make ceilings durable: one transaction for all, on disk when it returns CPS_OK. A ceiling never falls. The next
     * number saved by a clean exit is used up by the same commit; with `invalidate` so are the saved windows of these
     * contexts, with `all` (and count 0 or more) everything saved in the whole store. Nothing may be sent or accepted
     * under a context before its first lease with `invalidate` returned; an entry with ceiling 0 serves where nothing
     * is sent yet.
     *
     * Each entry gets its own result: CPS_ERR_STATE_LOST, CPS_ERR_STORE_CORRUPT, or CPS_ERR_ARGUMENT where this store
     * object does not hold the lock or the ceiling is over 2^40; the others are granted all the same. Where the call
     * fails (CPS_ERR_STORE, CPS_ERR_STORE_FULL, ...) every entry has that result, nothing is granted, and a later
     * call may succeed.
     */
    cps_err_t (*lease)(cps_store_t *s, cps_store_lease_t *leases, size_t count, bool invalidate, bool all);

    /**
     * Save next numbers and windows at a clean exit: one transaction, all or nothing. Whether it succeeds or fails,
     * nothing may be sent or accepted under these contexts afterwards before a new lease with `invalidate`: a failed
     * save may still come to light after a crash. CPS_ERR_ARGUMENT for a context that is not locked here, or a next
     * number above its ceiling; CPS_ERR_STATE_LOST.
     */
    cps_err_t (*save)(cps_store_t *s, const cps_store_closing_t *closings, size_t count);

    /** Own a key's sequence state in this process until close or unlock; with `key->rekey` also what came with a copy, since
     * nothing is sent with it. CPS_ERR_IN_USE, and the owner's pid (0 where
     * it cannot be told), while another process owns it, or this one does already, by any store object or name: two
     * contexts on one state would use numbers twice. No waiting here. CPS_ERR_STATE_LOST. */
    cps_err_t (*lock)(cps_store_t *s, const cps_store_key_t *key, int64_t *owner_pid);

    /** Give it up; nothing happens where this store object does not hold it. */
    void (*unlock)(cps_store_t *s, const cps_store_key_t *key);
} cps_store_table_t;

struct cps_store {
    const cps_store_table_t *table;
};

/** How to open a store. */
typedef struct cps_store_options {
    const char *path; /**< its folder is made (mode 0700) with `create`; the folder above has to be there */
    bool create;      /**< make it where it is not there, mode 0600 */
    bool read_only;   /**< for key list and show: no lock, no change but the upgrade of an older format */
    const char *vfs;  /**< SQLite VFS, NULL for the default: tests give one that loses power */
} cps_store_options_t;

/**
 * Open the SQLite store (WAL, synchronous=FULL; format number in user_version). An older format is upgraded in one
 * transaction, after a backup `<path>.format-N.backup` (mode 0600) that does not send. CPS_ERR_EXPOSED_SECRET where others
 * can read a file of it, CPS_ERR_STORE_FORMAT, CPS_ERR_STORE_CORRUPT, CPS_ERR_STORE_FULL, CPS_ERR_STORE,
 * CPS_ERR_NOT_FOUND, CPS_ERR_IN_USE (an upgrade needs it alone). Close it with its table. Not to be carried through
 * fork().
 */
CPS_MUST_USE cps_err_t cps_store_sqlite_open(cps_store_t **out, const cps_store_options_t *options);

/** A store in memory, for tests, the simulator and callers without a disk. It outlives nothing. CPS_ERR_MEMORY. */
CPS_MUST_USE cps_err_t cps_store_mem_open(cps_store_t **out);

/** The sentence of the last error of this thread: which file, what, and what to do. Valid until the next call on a
 * store in this thread; empty before the first error. No secret is ever in it. */
const char *cps_store_detail(void);

/** Called with each thing found wrong: one sentence, valid for the call. */
typedef void (*cps_store_finding_fn)(void *user, const char *finding);

/**
 * Say whether an SQLite store is sound: SQLite's own check, the sum of every row, and the rules between rows. Changes
 * no file and makes none (OPS-30); a running owner is not disturbed. CPS_OK; CPS_ERR_STORE_CORRUPT after one call of
 * `say` or more (at most 100); or the errors of opening.
 */
CPS_MUST_USE cps_err_t cps_store_check(const char *path, cps_store_finding_fn say, void *user);

/**
 * Copy a store to a new file (mode 0600) without its sequence state: what is restored from it does not send before a rekey
 * or a given next number (OPS-9). CPS_ERR_EXISTS where `to` is there already; or the errors of opening and of a full disk.
 */
CPS_MUST_USE cps_err_t cps_store_backup(const char *path, const char *to);

/**
 * The operator's word for a store that was moved to another file system or put back from a copy of it: it is the only one
 * from now on, and under no key of it more than `skip` numbers were used since the copy was made. Every ceiling is raised by
 * `skip`, everything saved is used up, windows are unknown, and its state is at home where it lies now. A backup of
 * cps_store_backup has no state to go on from, and is left as it is. CPS_ERR_IN_USE while a process owns a key of it.
 */
CPS_MUST_USE cps_err_t cps_store_adopt(const char *path, uint64_t skip);

#endif /* CPS_STORE_STORE_H */
