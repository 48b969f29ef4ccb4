// SPDX-License-Identifier: Apache-2.0
/* Sender Sequence Numbers under leases (RFC 8613 §7.2, appendix B.1.1; the rules of docs/architecture.md, "Leases").
 *
 * A number is given only below a ceiling that the store has on disk. At half use the engine asks for the next lease; a
 * lease is 64 numbers and doubles up to 65,536 while the next one is asked for within 1 s. No I/O here: `wanted` says
 * what to ask the store for, `granted` takes its answer. */
#ifndef CPS_SEC_OSCORE_SEQ_H
#define CPS_SEC_OSCORE_SEQ_H

#include "base/bytes.h"

#define CPS_SEQ_LIMIT         (1ULL << 40U) /* numbers are below it (§7.2.1) */
#define CPS_SEQ_LEASE_MIN     64U
#define CPS_SEQ_LEASE_MAX     65536U
#define CPS_SEQ_LEASE_FAST_US 1000000U

typedef struct cps_oscore_seq {
    uint64_t next;          /**< the next number to give */
    uint64_t ceiling;       /**< numbers from here on are not ours yet */
    uint64_t half;          /**< from this number on the next lease is asked for */
    cps_time_us_t asked_at; /**< when the last lease was asked for */
    uint32_t lease;         /**< size of the last lease granted; 0 before the first */
    uint8_t pending;        /**< a request is with the store */
    uint8_t usable;         /**< the store has state for this key (OPS-3) */
} cps_oscore_seq_t;

/** State as the store has it: the first number that was never sent. Makes the sequence usable. */
void cps_oscore_seq_restore(cps_oscore_seq_t *seq, uint64_t next);

/** Without state in the store: nothing is ever given (CPS_ERR_STATE_LOST). */
void cps_oscore_seq_lost(cps_oscore_seq_t *seq);

/**
 * Take the next number. CPS_ERR_WAIT: at the ceiling, ask the store. CPS_ERR_SEQ_EXHAUSTED: 2^40 reached.
 * CPS_ERR_STATE_LOST: no state. The number is given exactly once.
 */
CPS_MUST_USE cps_err_t cps_oscore_seq_take(cps_oscore_seq_t *seq, uint64_t *number);

/** Whether a lease should be asked for now: at or past half use and none pending. */
bool cps_oscore_seq_wants(const cps_oscore_seq_t *seq);

/** Ask: marks it pending and gives the ceiling that the store has to make durable before `granted` is called. */
uint64_t cps_oscore_seq_ask(cps_oscore_seq_t *seq, cps_time_us_t now_us);

/** The store has `ceiling` on disk. A ceiling below the present one changes nothing. */
void cps_oscore_seq_granted(cps_oscore_seq_t *seq, uint64_t ceiling);

/** The store could not: nothing changes but that a later ask is possible. */
void cps_oscore_seq_refused(cps_oscore_seq_t *seq);

#endif /* CPS_SEC_OSCORE_SEQ_H */
