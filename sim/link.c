// SPDX-License-Identifier: Apache-2.0
#include "sim/link.h"

#include "sim/addr.h"
#include "sim/clock.h"

#define MILLION 1000000U

typedef struct slot {
    cps_pool_head_t head;
    uint32_t node;
    cps_addr_t from;
    cps_addr_t to;
    size_t len;
    uint8_t bytes[];
} slot_t;

/* The chances of one datagram, all drawn at once. */
typedef struct draw {
    bool lost;
    bool duplicated;
    bool reordered;
    uint64_t jitter_us;
    uint64_t copy_jitter_us;
    uint64_t extra_us;
} draw_t;

static size_t way_count(const cps_simlink_config_t *c) { return (size_t)c->nodes * c->nodes + 1; }

void cps_simlink_init(cps_simlink_t *link, cps_arena_t *arena, const cps_simlink_config_t *config, cps_rng_t rng)
{
    *link = (cps_simlink_t){.config = *config, .rng = rng};
    cps_pool_init(&link->slots, arena, config->queue, sizeof(slot_t) + config->slot_bytes);
    cps_heap_init(&link->arrivals, arena, config->queue);
    link->ways = cps_arena_take(arena, way_count(config), sizeof *link->ways);
    link->homes = cps_arena_take(arena, config->addresses, sizeof *link->homes);
}

cps_err_t cps_simlink_attach(cps_simlink_t *link, uint32_t node, const cps_addr_t *addr)
{
    if (node >= link->config.nodes)
        return CPS_ERR_ARGUMENT;
    if (link->home_count == link->config.addresses)
        return CPS_ERR_FULL;
    link->homes[link->home_count++] = (cps_simlink_home_t){*addr, node};
    return CPS_OK;
}

void cps_simlink_set_all(cps_simlink_t *link, const cps_simlink_quality_t *quality)
{
    for (size_t i = 0; i < way_count(&link->config); i++)
        link->ways[i].quality = *quality;
}

cps_err_t cps_simlink_set(cps_simlink_t *link, uint32_t from_node, uint32_t to_node,
                          const cps_simlink_quality_t *quality)
{
    if (from_node >= link->config.nodes || to_node >= link->config.nodes)
        return CPS_ERR_ARGUMENT;
    link->ways[(size_t)from_node * link->config.nodes + to_node].quality = *quality;
    return CPS_OK;
}

static bool find_node(const cps_simlink_t *link, const cps_addr_t *addr, uint32_t *node)
{
    for (uint32_t i = 0; i < link->home_count; i++) {
        if (!cps_simaddr_fits(&link->homes[i].addr, addr))
            continue;
        *node = link->homes[i].node;
        return true;
    }
    return false;
}

static cps_simlink_way_t *find_way(cps_simlink_t *link, const cps_addr_t *from, uint32_t to_node)
{
    uint32_t from_node = 0;
    if (!find_node(link, from, &from_node))
        return &link->ways[way_count(&link->config) - 1];
    return &link->ways[(size_t)from_node * link->config.nodes + to_node];
}

/* A random time up to and with `most_us`, from one draw of 64 bits (the bias is below 2^-32 for times under an hour). */
static uint64_t random_time(cps_rng_t *rng, uint64_t most_us)
{
    uint64_t v;
    cps_rng_fill(rng, &v, sizeof v);
    return most_us == UINT64_MAX ? v : v % (most_us + 1);
}

static draw_t draw(cps_rng_t *rng, const cps_simlink_quality_t *q)
{
    draw_t d;
    d.lost = random_time(rng, MILLION - 1) < q->loss_ppm;
    d.duplicated = random_time(rng, MILLION - 1) < q->duplicate_ppm;
    d.reordered = random_time(rng, MILLION - 1) < q->reorder_ppm;
    d.jitter_us = random_time(rng, q->jitter_us);
    d.copy_jitter_us = random_time(rng, q->jitter_us);
    d.extra_us = random_time(rng, q->reorder_us);
    return d;
}

static cps_err_t put_slot(cps_simlink_t *link, const slot_t *about, cps_bytes_t bytes, cps_time_us_t when_us)
{
    if (when_us == CPS_TIME_NEVER) { /* a delay without end is a loss */
        link->stats.lost++;
        return CPS_OK;
    }
    slot_t *slot = cps_pool_take(&link->slots);
    if (slot == NULL) {
        link->stats.refused++;
        return CPS_ERR_FULL;
    }
    slot->node = about->node;
    slot->from = about->from;
    slot->to = about->to;
    slot->len = bytes.len;
    cps_copy(slot->bytes, bytes.ptr, bytes.len);
    cps_heap_set(&link->arrivals, cps_pool_index(&link->slots, slot), when_us);
    return CPS_OK;
}

cps_err_t cps_simlink_send(cps_simlink_t *link, cps_time_us_t now_us, const cps_addr_t *from, const cps_addr_t *to,
                           cps_bytes_t bytes)
{
    slot_t about = {.from = *from, .to = *to};
    if (!find_node(link, to, &about.node)) {
        link->stats.unroutable++;
        return CPS_ERR_UNREACHABLE;
    }
    cps_simlink_way_t *way = find_way(link, from, about.node);
    const cps_simlink_quality_t *q = &way->quality;
    if (bytes.len > link->config.slot_bytes || (q->mtu != 0 && bytes.len > q->mtu)) {
        link->stats.oversize++;
        return CPS_ERR_TOO_LARGE;
    }
    draw_t d = draw(&link->rng, q);
    if (d.lost) {
        link->stats.sent++;
        link->stats.lost++;
        return CPS_OK;
    }
    cps_time_us_t ready_us = cps_time_after(now_us, q->delay_us);
    cps_time_us_t when_us = cps_time_after(ready_us, d.jitter_us);
    if (d.reordered)
        when_us = cps_time_after(when_us, d.extra_us);
    else if (when_us < way->last_us)
        when_us = way->last_us; /* jitter alone never lets one overtake another */
    cps_err_t err = put_slot(link, &about, bytes, when_us);
    if (err != CPS_OK)
        return err;
    if (!d.reordered)
        way->last_us = when_us;
    link->stats.sent++;
    link->stats.reordered += d.reordered;
    if (d.duplicated && put_slot(link, &about, bytes, cps_time_after(when_us, d.copy_jitter_us)) == CPS_OK)
        link->stats.duplicated++;
    return CPS_OK;
}

cps_time_us_t cps_simlink_next(const cps_simlink_t *link) { return cps_heap_next(&link->arrivals); }

bool cps_simlink_take(cps_simlink_t *link, cps_time_us_t now_us, cps_datagram_t *out, uint32_t *node)
{
    if (link->lent != NULL)
        cps_pool_give(&link->slots, link->lent);
    link->lent = NULL;
    uint32_t index = cps_heap_pop_due(&link->arrivals, now_us);
    if (index == CPS_NONE)
        return false;
    slot_t *slot = cps_pool_at(&link->slots, index);
    *out = (cps_datagram_t){{.remote = slot->from, .local = slot->to}, cps_bytes(slot->bytes, slot->len)};
    *node = slot->node;
    link->lent = slot;
    link->stats.delivered++;
    return true;
}
