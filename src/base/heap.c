// SPDX-License-Identifier: Apache-2.0
#include "base/heap.h"

void cps_heap_init(cps_heap_t *h, cps_arena_t *a, uint32_t limit)
{
    cps_heap_node_t *nodes = cps_arena_take(a, limit, sizeof *nodes);
    *h = (cps_heap_t){nodes, cps_arena_take(a, limit, sizeof(uint32_t)), 0, limit, 0};
}

static bool before(const cps_heap_node_t *a, const cps_heap_node_t *b)
{
    if (a->when_us != b->when_us)
        return a->when_us < b->when_us;
    return (int32_t)(a->order - b->order) < 0;
}

static void put_at(cps_heap_t *h, uint32_t place, cps_heap_node_t node)
{
    h->nodes[place] = node;
    h->place[node.id] = place + 1;
}

static void sift_up(cps_heap_t *h, uint32_t place, cps_heap_node_t node)
{
    while (place > 0) {
        uint32_t parent = (place - 1) / 2;
        if (!before(&node, &h->nodes[parent]))
            break;
        put_at(h, place, h->nodes[parent]);
        place = parent;
    }
    put_at(h, place, node);
}

static void sift_down(cps_heap_t *h, uint32_t place, cps_heap_node_t node)
{
    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= h->used)
            break;
        if (child + 1 < h->used && before(&h->nodes[child + 1], &h->nodes[child]))
            child++;
        if (!before(&h->nodes[child], &node))
            break;
        put_at(h, place, h->nodes[child]);
        place = child;
    }
    put_at(h, place, node);
}

void cps_heap_clear(cps_heap_t *h, uint32_t id)
{
    uint32_t place = h->place[id];
    if (place == 0)
        return;
    h->place[id] = 0;
    cps_heap_node_t last = h->nodes[--h->used];
    if (last.id == id)
        return;
    if (before(&last, &h->nodes[place - 1]))
        sift_up(h, place - 1, last);
    else
        sift_down(h, place - 1, last);
}

void cps_heap_set(cps_heap_t *h, uint32_t id, cps_time_us_t when_us)
{
    cps_heap_clear(h, id);
    if (when_us == CPS_TIME_NEVER)
        return;
    sift_up(h, h->used++, (cps_heap_node_t){when_us, h->settings++, id});
}

cps_time_us_t cps_heap_when(const cps_heap_t *h, uint32_t id)
{
    return h->place[id] == 0 ? CPS_TIME_NEVER : h->nodes[h->place[id] - 1].when_us;
}

cps_time_us_t cps_heap_next(const cps_heap_t *h) { return h->used == 0 ? CPS_TIME_NEVER : h->nodes[0].when_us; }

uint32_t cps_heap_pop_due(cps_heap_t *h, cps_time_us_t now_us)
{
    if (h->used == 0 || h->nodes[0].when_us > now_us)
        return CPS_NONE;
    uint32_t id = h->nodes[0].id;
    cps_heap_clear(h, id);
    return id;
}
