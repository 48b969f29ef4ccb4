// SPDX-License-Identifier: Apache-2.0
#include "sec/oscore/window.h"

#include "sec/oscore/seq.h"

void cps_oscore_window_init(cps_oscore_window_t *w, unsigned size)
{
    *w = (cps_oscore_window_t){.size = (uint8_t)(size < CPS_WINDOW_SIZE_MAX ? size : CPS_WINDOW_SIZE_MAX), .known = 1};
}

void cps_oscore_window_forget(cps_oscore_window_t *w) { *w = (cps_oscore_window_t){.size = w->size}; }

void cps_oscore_window_restore(cps_oscore_window_t *w, uint64_t next, uint64_t seen)
{
    *w = (cps_oscore_window_t){.next = next, .seen = seen, .size = w->size, .known = 1};
}

cps_err_t cps_oscore_window_check(const cps_oscore_window_t *w, uint64_t number)
{
    if (!w->known)
        return CPS_ERR_WINDOW_UNKNOWN;
    if (number >= CPS_SEQ_LIMIT)
        return CPS_ERR_REPLAY; /* no Partial IV holds it */
    if (number >= w->next)
        return CPS_OK;
    uint64_t back = w->next - 1 - number;
    if (back >= w->size)
        return CPS_ERR_REPLAY; /* RFC 8613 §7.4: left of the window nothing can be told */
    return (w->seen >> back & 1U) == 0 ? CPS_OK : CPS_ERR_REPLAY;
}

cps_err_t cps_oscore_window_commit(cps_oscore_window_t *w, uint64_t number)
{
    cps_err_t err = cps_oscore_window_check(w, number);
    if (err != CPS_OK)
        return err;
    if (number >= w->next) {
        uint64_t by = number - w->next + 1;
        w->seen = by < CPS_WINDOW_SIZE_MAX ? w->seen << by : 0;
        w->next = number + 1;
    }
    w->seen |= 1ULL << (w->next - 1 - number);
    return CPS_OK;
}

void cps_oscore_window_recover(cps_oscore_window_t *w, uint64_t number)
{
    /* All that is not above it counts as seen: no number of before the crash comes in again (appendix B.1.2). */
    cps_oscore_window_restore(w, number + 1, UINT64_MAX);
}
