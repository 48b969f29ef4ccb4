// SPDX-License-Identifier: Apache-2.0
/* The replay window (RFC 8613 §7.4): which Partial IVs were accepted. It changes only through a receipt, which nothing
 * but successful authentication makes. */
#ifndef CPS_SEC_OSCORE_WINDOW_H
#define CPS_SEC_OSCORE_WINDOW_H

#include "base/bytes.h"

#define CPS_WINDOW_SIZE_MAX     64U
#define CPS_WINDOW_SIZE_DEFAULT 32U

typedef struct cps_oscore_window {
    uint64_t next; /**< one above the largest accepted number; 0: none yet */
    uint64_t seen; /**< bit i: next - 1 - i was accepted */
    uint8_t size;  /**< 0: only rising numbers are taken */
    uint8_t known; /**< lost after a crash, until Echo proves a request fresh (appendix B.1.2) */
} cps_oscore_window_t;

/** A new, known and empty window. */
void cps_oscore_window_init(cps_oscore_window_t *w, unsigned size);

/** After a crash: nothing is accepted before cps_oscore_window_recover. */
void cps_oscore_window_forget(cps_oscore_window_t *w);

/** The state saved at a clean exit. */
void cps_oscore_window_restore(cps_oscore_window_t *w, uint64_t next, uint64_t seen);

/** Whether a number may still be accepted: CPS_OK, CPS_ERR_REPLAY, or CPS_ERR_WINDOW_UNKNOWN. Changes nothing. */
CPS_MUST_USE cps_err_t cps_oscore_window_check(const cps_oscore_window_t *w, uint64_t number);

/** Accept a number of an authenticated request: checks again, then updates, as one step (OSC-55). The same errors. */
CPS_MUST_USE cps_err_t cps_oscore_window_commit(cps_oscore_window_t *w, uint64_t number);

/** An authenticated request proved itself fresh by Echo: its number is the new lower limit, and accepted (B.1.2). */
void cps_oscore_window_recover(cps_oscore_window_t *w, uint64_t number);

#endif /* CPS_SEC_OSCORE_WINDOW_H */
