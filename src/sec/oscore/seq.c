// SPDX-License-Identifier: Apache-2.0
#include "sec/oscore/seq.h"

void cps_oscore_seq_restore(cps_oscore_seq_t *seq, uint64_t next)
{
    if (next > CPS_SEQ_LIMIT)
        next = CPS_SEQ_LIMIT;
    *seq = (cps_oscore_seq_t){.next = next, .ceiling = next, .half = next, .usable = 1};
}

void cps_oscore_seq_lost(cps_oscore_seq_t *seq) { *seq = (cps_oscore_seq_t){0}; }

cps_err_t cps_oscore_seq_take(cps_oscore_seq_t *seq, uint64_t *number)
{
    if (!seq->usable)
        return CPS_ERR_STATE_LOST;
    if (seq->next >= CPS_SEQ_LIMIT)
        return CPS_ERR_SEQ_EXHAUSTED; /* RFC 8613 §7.2.1 */
    if (seq->next >= seq->ceiling)
        return CPS_ERR_WAIT; /* appendix B.1.1: never above what is on disk */
    *number = seq->next++;
    return CPS_OK;
}

bool cps_oscore_seq_wants(const cps_oscore_seq_t *seq)
{
    return seq->usable && !seq->pending && seq->next >= seq->half && seq->ceiling < CPS_SEQ_LIMIT;
}

static uint32_t next_lease(const cps_oscore_seq_t *seq, cps_time_us_t now_us)
{
    bool fast = now_us <= seq->asked_at || now_us - seq->asked_at <= CPS_SEQ_LEASE_FAST_US;
    if (seq->lease == 0 || !fast)
        return CPS_SEQ_LEASE_MIN;
    return seq->lease < CPS_SEQ_LEASE_MAX / 2 ? 2 * seq->lease : CPS_SEQ_LEASE_MAX;
}

uint64_t cps_oscore_seq_ask(cps_oscore_seq_t *seq, cps_time_us_t now_us)
{
    uint64_t ceiling = seq->ceiling + next_lease(seq, now_us);
    seq->pending = 1;
    seq->asked_at = now_us;
    return ceiling < CPS_SEQ_LIMIT ? ceiling : CPS_SEQ_LIMIT;
}

void cps_oscore_seq_granted(cps_oscore_seq_t *seq, uint64_t ceiling)
{
    seq->pending = 0;
    if (ceiling > CPS_SEQ_LIMIT)
        ceiling = CPS_SEQ_LIMIT;
    if (!seq->usable || ceiling <= seq->ceiling)
        return;
    uint64_t lease = ceiling - seq->ceiling;
    seq->lease = lease < CPS_SEQ_LEASE_MAX ? (uint32_t)lease : CPS_SEQ_LEASE_MAX;
    seq->half = ceiling - lease / 2;
    seq->ceiling = ceiling;
}

void cps_oscore_seq_refused(cps_oscore_seq_t *seq) { seq->pending = 0; }
