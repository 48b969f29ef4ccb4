// SPDX-License-Identifier: Apache-2.0
/* What a server remembers between the blocks of a body (RFC 7959): bodies of requests that are put together or handed on
 * block by block, and bodies of answers that are fetched block by block. Each belongs to an owner (an endpoint, or a
 * security context) and to one operation of it; blocks of different owners or operations never meet. All of it comes from
 * one pool with a limit, a share an owner and an age. */
#ifndef CPS_EXCH_BODIES_H
#define CPS_EXCH_BODIES_H

#include "base/chain.h"
#include "base/heap.h"
#include "base/map.h"

typedef enum cps_body_kind {
    CPS_BODY_PUT_TOGETHER, /**< of a request, kept here until it is whole */
    CPS_BODY_HANDED_ON,    /**< of a request: the application has its bytes, only the place is kept */
    CPS_BODY_ANSWER,       /**< of an answer: its options first, then its bytes */
    CPS_BODY_ENDED         /**< was handed on and will not be whole: still to be told */
} cps_body_kind_t;

/** Two keyed hashes each, so that no two operations that differ are taken for one. */
typedef struct cps_body_key {
    uint64_t owner[2];
    uint64_t operation[2];
} cps_body_key_t;

typedef struct cps_body {
    cps_pool_head_t head;
    cps_body_key_t key;
    uint8_t kind;          /**< cps_body_kind_t */
    uint8_t code;          /**< of an answer */
    bool sealed;           /**< its owner is a security context */
    bool open;             /**< its last block is with the application */
    uint32_t at;           /**< where the next block has to begin */
    uint32_t max;          /**< no body longer than this */
    uint32_t options_len;  /**< of an answer */
    uint32_t last_at;      /**< where the last block that was taken began */
    uint64_t last_print;   /**< hash of its bytes: a block that comes twice is told from another one */
    uint64_t user;         /**< the application's, of a body that is handed on */
    cps_time_us_t used_us; /**< when its last block came */
    uint32_t next;         /**< in the list of those that ended too early */
    uint32_t tail;
    cps_chain_t bytes;
} cps_body_t;

typedef struct cps_bodies_config {
    uint32_t limit;
    uint32_t each;   /**< so many an owner */
    size_t bytes;    /**< for all of them */
    uint64_t age_us; /**< after its last block */
} cps_bodies_config_t;

typedef struct cps_bodies {
    cps_bodies_config_t config;
    cps_pool_t pool;
    cps_map_t operations;
    cps_map_t owners;
    cps_heap_t heap;
    cps_chain_store_t bytes;
    cps_list_t ended; /**< handed on, and never to be whole: to be told */
    uint8_t seeds[2][16];
} cps_bodies_t;

/** Lay it out in the arena; `seed` is 16 random bytes. */
void cps_bodies_init(cps_bodies_t *b, cps_arena_t *a, const cps_bodies_config_t *config, const uint8_t seed[16]);

/** The two hashes of a key's half. */
void cps_bodies_hash(const cps_bodies_t *b, cps_bytes_t bytes, uint64_t out[2]);

/** The body of a request (`answer` false) or answer of that key, or NULL. */
cps_body_t *cps_bodies_find(const cps_bodies_t *b, const cps_body_key_t *key, bool answer);

/** The body of a handle, or NULL where it is over. */
cps_body_t *cps_bodies_at(const cps_bodies_t *b, uint64_t handle);

/** What is known of one that is to be remembered. */
typedef struct cps_body_new {
    cps_body_key_t key;
    cps_body_kind_t kind;
    bool sealed;
    uint32_t max;
} cps_body_new_t;

/**
 * Make one. An earlier one of the same key is dropped: it is never joined with the new one (RFC 7959 §2.5). An owner over
 * its share loses its oldest; where all places are taken, an unsealed one that nothing came for in 10 s goes. NULL: full.
 */
cps_body_t *cps_bodies_take(cps_bodies_t *b, cps_time_us_t now_us, const cps_body_new_t *wanted);

/** Add a block to its bytes. CPS_ERR_TOO_LARGE beyond `max`, CPS_ERR_FULL where the pool has no room; nothing is added. */
CPS_MUST_USE cps_err_t cps_bodies_add(cps_bodies_t *b, cps_time_us_t now_us, cps_body_t *body, cps_bytes_t block);

/** A block as it came. */
typedef struct cps_body_block {
    uint32_t at; /**< where it begins */
    uint32_t len;
    uint64_t print; /**< hash of its bytes */
} cps_body_block_t;

/** A block was taken: remember where the next one has to begin, and what this one was. */
void cps_bodies_advance(cps_bodies_t *b, cps_time_us_t now_us, cps_body_t *body, const cps_body_block_t *block);

/** Whether a block is the one that was taken last, come once more. */
bool cps_body_is_last(const cps_body_t *body, const cps_body_block_t *block);

/** It is over: whole, or refused. */
void cps_bodies_finish(cps_bodies_t *b, cps_body_t *body);

/** It will never be whole: as cps_bodies_finish, and one that is handed on is to be told. */
void cps_bodies_drop(cps_bodies_t *b, cps_body_t *body);

/** Drop those that are too old. */
void cps_bodies_tick(cps_bodies_t *b, cps_time_us_t now_us);

/** The next one to be told of, with its `user`; false where there is none. */
bool cps_bodies_ended(cps_bodies_t *b, uint64_t *user);

#endif /* CPS_EXCH_BODIES_H */
