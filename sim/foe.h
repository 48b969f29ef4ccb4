// SPDX-License-Identifier: Apache-2.0
/* The attacker on the path: one engine for the simulator, the UDP relay, the demo and the attack lab. It records what
 * it sees, and its rules decide what becomes of it. No I/O: datagrams go in with the time, and come out when they are
 * due. What it does follows from its input alone. */
#ifndef CPS_SIM_FOE_H
#define CPS_SIM_FOE_H

#include "base/heap.h"
#include "sim/rule.h"
#include "sim/tape.h"

typedef struct cps_foe_config {
    uint32_t rules;      /**< rules at one time */
    uint32_t records;    /**< recorded datagrams; the oldest make room */
    uint32_t tape_bytes; /**< bytes of all of them */
    uint32_t slots;      /**< datagrams held or on their way out at one time */
    uint32_t slot_bytes; /**< the largest datagram */
} cps_foe_config_t;

/** A relay's worth of memory: 256 rules, 65,536 records in 32 MiB, 512 slots for all that UDP over IPv4 can carry. */
cps_foe_config_t cps_foe_config_defaults(void);

/** What became of a datagram. */
typedef enum cps_foe_fate { CPS_FOE_PASSED, CPS_FOE_DROPPED, CPS_FOE_HELD, CPS_FOE_LOST } cps_foe_fate_t;

/** "passed", "dropped", "held", "lost" (no slot was free). */
const char *cps_foe_fate_name(cps_foe_fate_t fate);

typedef struct cps_foe_verdict {
    uint64_t index; /**< number of its record */
    uint8_t fate;   /**< cps_foe_fate_t */
    bool modified;
    uint32_t copies;               /**< more than the one */
    uint64_t delay_us;             /**< passed later */
    char label[CPS_FOE_LABEL_MAX]; /**< where held */
} cps_foe_verdict_t;

/** Why a datagram goes out. */
typedef enum cps_foe_reason {
    CPS_FOE_FORWARDED,
    CPS_FOE_DUPLICATED,
    CPS_FOE_RELEASED,
    CPS_FOE_REPLAYED,
    CPS_FOE_INJECTED
} cps_foe_reason_t;

/** "forwarded", "duplicated", "released", "replayed", "injected". */
const char *cps_foe_reason_name(cps_foe_reason_t reason);

typedef struct cps_foe_output {
    cps_parcel_t parcel;
    uint64_t index; /**< record that it comes from; 0 where injected */
    uint8_t reason; /**< cps_foe_reason_t */
    bool modified;
    char label[CPS_FOE_LABEL_MAX]; /**< where released */
} cps_foe_output_t;

typedef struct cps_foe_stats {
    uint64_t seen;
    uint64_t passed;
    uint64_t dropped;
    uint64_t held;
    uint64_t lost;      /**< datagrams and copies for which no slot was free */
    uint64_t modified;  /**< datagrams with at least one edit done */
    uint64_t delivered; /**< handed out by cps_foe_output */
} cps_foe_stats_t;

typedef struct cps_foe_entry {
    cps_foe_rule_t rule;
    uint32_t id;
    uint32_t fitted; /**< datagrams that the matcher fitted */
    uint32_t acted;  /**< those that the rule acted on */
    bool fire;       /**< has something to send besides the datagram at hand */
} cps_foe_entry_t;

typedef struct cps_foe {
    cps_foe_config_t config;
    cps_time_us_t now_us;
    cps_tape_t tape;
    cps_pool_t slots;
    cps_heap_t due;
    cps_foe_entry_t *entries; /**< in the order in which they were added */
    uint32_t entry_count;
    uint32_t next_id;
    uint32_t held_first; /**< list of held slots in the order in which they came; CPS_NONE: empty */
    uint32_t held_last;
    void *lent; /**< slot of the output handed out last */
    uint8_t *draft;
    uint8_t *spare;
    cps_foe_stats_t stats;
} cps_foe_t;

/** Lay the foe out in the arena (which fails where it does not fit). */
void cps_foe_init(cps_foe_t *foe, cps_arena_t *arena, const cps_foe_config_t *config);

/** Add a rule behind the others; its number, from 1 on, in `*id`. CPS_ERR_FULL, CPS_ERR_ARGUMENT. */
CPS_MUST_USE cps_err_t cps_foe_add(cps_foe_t *foe, const cps_foe_rule_t *rule, uint32_t *id);

/** Remove one rule. CPS_ERR_NOT_FOUND. What it held stays held. */
CPS_MUST_USE cps_err_t cps_foe_remove(cps_foe_t *foe, uint32_t id);

/** Remove all rules. What they held stays held. */
void cps_foe_clear(cps_foe_t *foe);

/**
 * A datagram comes by: it is recorded, the rules are asked, and `*verdict` says what becomes of it (may be NULL).
 * Bytes are copied. CPS_ERR_TOO_LARGE: above slot_bytes, not recorded. CPS_ERR_FULL: it, a copy, or what a rule wanted
 * to send was lost since no slot was free.
 */
CPS_MUST_USE cps_err_t cps_foe_input(cps_foe_t *foe, cps_time_us_t now_us, const cps_parcel_t *parcel,
                                     cps_foe_verdict_t *verdict);

/** Let go of all that is held as `label`, `after_us` from now, in the order in which it came; how many in `*count`.
 * CPS_ERR_NOT_FOUND where nothing is. */
CPS_MUST_USE cps_err_t cps_foe_release(cps_foe_t *foe, cps_time_us_t now_us, const char *label, uint64_t after_us,
                                       uint32_t *count);

/** How many datagrams are held as `label`; NULL: as anything. */
uint32_t cps_foe_held(const cps_foe_t *foe, const char *label);

/** Send a record again as it was seen; from another address where `from` is not NULL. CPS_ERR_NOT_FOUND: no such
 * record (any more). CPS_ERR_FULL. */
CPS_MUST_USE cps_err_t cps_foe_replay(cps_foe_t *foe, cps_time_us_t now_us, uint64_t index, const cps_addr_t *from,
                                      uint64_t after_us);

/** Send made-up bytes. CPS_ERR_TOO_LARGE, CPS_ERR_FULL. */
CPS_MUST_USE cps_err_t cps_foe_inject(cps_foe_t *foe, cps_time_us_t now_us, const cps_parcel_t *parcel,
                                      uint64_t after_us);

/** When the next datagram goes out; CPS_TIME_NEVER where none is due. */
cps_time_us_t cps_foe_next(const cps_foe_t *foe);

/** Take the next datagram that is due; false where there is none. Its bytes live until the next call of this. */
bool cps_foe_take(cps_foe_t *foe, cps_time_us_t now_us, cps_foe_output_t *out);

/** The record of a number, or NULL; `note` is its cps_foe_fate_t. Lives until the next cps_foe_input. */
const cps_record_t *cps_foe_record(const cps_foe_t *foe, uint64_t index);

#endif /* CPS_SIM_FOE_H */
