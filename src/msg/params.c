// SPDX-License-Identifier: Apache-2.0
/* Transmission parameters and the times that follow from them (RFC 7252 §4.8). */
#include "base/bytes.h"

#include <coapsule/core.h>

#define SECOND 1000000ULL

static void fill_defaults(cps_transmission_t *p)
{
    if (p->ack_timeout_us == 0)
        p->ack_timeout_us = 2 * SECOND;
    if (p->ack_random_permille == 0)
        p->ack_random_permille = 1500;
    if (p->max_retransmit == 0)
        p->max_retransmit = 4;
    else if (p->max_retransmit == CPS_NO_RETRANSMIT)
        p->max_retransmit = 0;
    if (p->nstart == 0)
        p->nstart = 1;
    if (p->default_leisure_us == 0)
        p->default_leisure_us = 5 * SECOND;
    if (p->probing_rate == 0)
        p->probing_rate = 1;
    if (p->max_latency_us == 0)
        p->max_latency_us = 100 * (uint64_t)SECOND;
    if (p->ack_delay_us == 0)
        p->ack_delay_us = SECOND / 4;
}

cps_err_t cps_transmission_derive(cps_transmission_t *params, cps_transmission_times_t *times)
{
    fill_defaults(params);
    if (params->ack_random_permille < 1000 || params->max_retransmit > 20)
        return CPS_ERR_CONFIG;
    if (!params->unsafe && (params->ack_timeout_us < 2 * SECOND || params->nstart > 1))
        return CPS_ERR_CONFIG; /* RFC 7252 §4.8.1: only with a mechanism that keeps the network safe */
    /* RFC 7252 §4.8.2, the formulas in its order */
    uint64_t longest = params->ack_timeout_us * params->ack_random_permille / 1000;
    times->max_transmit_span_us = longest * ((1ULL << params->max_retransmit) - 1);
    times->max_transmit_wait_us = longest * ((1ULL << (params->max_retransmit + 1)) - 1);
    times->processing_delay_us = params->ack_timeout_us;
    times->max_rtt_us = 2 * params->max_latency_us + times->processing_delay_us;
    times->exchange_lifetime_us = times->max_transmit_span_us + times->max_rtt_us;
    times->non_lifetime_us = times->max_transmit_span_us + params->max_latency_us;
    return CPS_OK;
}
