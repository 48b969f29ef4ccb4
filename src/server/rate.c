// SPDX-License-Identifier: Apache-2.0
#include "server/rate.h"

#define SECOND_US 1000000U
#define ONE       1000U /* request */

void cps_rate_init(cps_rate_t *rate, uint32_t per_second, cps_rng_t *rng)
{
    memset(rate, 0, sizeof *rate);
    rate->per_second = per_second;
    cps_rng_fill(rng, rate->seed, sizeof rate->seed);
}

/* What a client may have saved up is what it may ask in one second. */
static void refill(const cps_rate_t *rate, cps_rate_place_t *place, cps_time_us_t now_us)
{
    uint64_t passed_us = now_us - place->since_us;
    uint64_t most = (uint64_t)rate->per_second * ONE;
    uint64_t more = passed_us >= SECOND_US ? most : passed_us * most / SECOND_US;
    if (more == 0)
        return; /* too little time to count yet */
    place->since_us = now_us;
    place->left = (uint32_t)(place->left + more < most ? place->left + more : most);
}

/* The place of a client: its own, a free one, or that of whoever asks least. */
static cps_rate_place_t *place_of(cps_rate_t *rate, cps_time_us_t now_us, uint64_t client)
{
    cps_rate_place_t *set = rate->places[client % CPS_RATE_SETS];
    cps_rate_place_t *least = &set[0];
    for (unsigned i = 0; i < CPS_RATE_WAYS; i++) {
        if (set[i].client == client)
            return &set[i];
        if (set[i].client == 0 || (least->client != 0 && set[i].since_us < least->since_us))
            least = &set[i];
    }
    *least = (cps_rate_place_t){.client = client, .since_us = now_us, .left = rate->per_second * ONE};
    return least;
}

cps_rate_verdict_t cps_rate_take(cps_rate_t *rate, cps_time_us_t now_us, cps_bytes_t client)
{
    if (rate->per_second == 0)
        return CPS_RATE_PASS;
    cps_rate_place_t *place = place_of(rate, now_us, cps_hash(rate->seed, client.ptr, client.len) | 1U);
    refill(rate, place, now_us);
    if (place->left >= ONE) {
        place->left -= ONE;
        return CPS_RATE_PASS;
    }
    if (place->refused == 0 || now_us - place->refused_us >= SECOND_US) {
        place->refused = 0;
        place->refused_us = now_us;
    }
    uint32_t before = place->refused;
    place->refused += before <= CPS_RATE_TOLD;
    if (before < CPS_RATE_TOLD)
        return CPS_RATE_TELL;
    return before == CPS_RATE_TOLD ? CPS_RATE_WARN : CPS_RATE_SILENT;
}
