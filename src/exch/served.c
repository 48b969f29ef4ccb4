// SPDX-License-Identifier: Apache-2.0
#include "exch/served.h"

void cps_served_init(cps_served_table_t *t, cps_arena_t *a, uint32_t limit)
{
    cps_pool_init(&t->pool, a, limit, sizeof(cps_served_t));
    cps_heap_init(&t->heap, a, limit);
}

void cps_served_give(cps_served_table_t *t, cps_served_t *served, cps_chain_store_t *chains)
{
    cps_heap_clear(&t->heap, cps_served_index(t, served));
    cps_chain_free(chains, &served->answer);
    cps_chain_free(chains, &served->long_token);
    cps_pool_give(&t->pool, served);
}
