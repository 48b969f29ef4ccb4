// SPDX-License-Identifier: Apache-2.0
#include "base/pool.h"

void cps_pool_init(cps_pool_t *p, cps_arena_t *a, uint32_t limit, size_t size)
{
    size_t stride = (size + 7U) / 8U * 8U;
    *p = (cps_pool_t){cps_arena_take(a, limit, stride), stride, limit, 0, CPS_NONE, 0};
}

void *cps_pool_take(cps_pool_t *p)
{
    uint32_t index = p->free_head;
    if (index == CPS_NONE) {
        if (p->touched == p->limit)
            return NULL;
        index = p->touched++;
    }
    cps_pool_head_t *head = cps_pool_at(p, index);
    if (p->free_head != CPS_NONE)
        p->free_head = head->next_free;
    memset(head + 1, 0, p->stride - sizeof *head);
    head->next_free = CPS_NONE;
    head->generation++;
    p->used++;
    return head;
}

void cps_pool_give(cps_pool_t *p, void *object)
{
    cps_pool_head_t *head = object;
    head->generation++;
    head->next_free = p->free_head;
    p->free_head = cps_pool_index(p, object);
    p->used--;
}

bool cps_pool_live(const cps_pool_t *p, uint32_t index)
{
    return index < p->touched && ((const cps_pool_head_t *)cps_pool_at(p, index))->generation % 2 == 1;
}

uint64_t cps_pool_handle(const cps_pool_t *p, const void *object)
{
    const cps_pool_head_t *head = object;
    return (uint64_t)head->generation << 32U | cps_pool_index(p, object);
}

void *cps_pool_find(const cps_pool_t *p, uint64_t handle)
{
    uint32_t index = (uint32_t)handle;
    if (!cps_pool_live(p, index))
        return NULL;
    cps_pool_head_t *head = cps_pool_at(p, index);
    return head->generation == (uint32_t)(handle >> 32U) ? head : NULL;
}

static uint32_t *link_of(const cps_pool_t *p, size_t link, uint32_t index)
{
    return (uint32_t *)(void *)((uint8_t *)cps_pool_at(p, index) + link);
}

void cps_list_push(cps_list_t *list, const cps_pool_t *p, size_t link, void *object)
{
    uint32_t index = cps_pool_index(p, object);
    *link_of(p, link, index) = CPS_NONE;
    if (list->last != CPS_NONE)
        *link_of(p, link, list->last) = index;
    else
        list->first = index;
    list->last = index;
}

void cps_list_push_front(cps_list_t *list, const cps_pool_t *p, size_t link, void *object)
{
    uint32_t index = cps_pool_index(p, object);
    *link_of(p, link, index) = list->first;
    list->first = index;
    if (list->last == CPS_NONE)
        list->last = index;
}

void *cps_list_pop(cps_list_t *list, const cps_pool_t *p, size_t link)
{
    if (list->first == CPS_NONE)
        return NULL;
    void *object = cps_pool_at(p, list->first);
    list->first = *link_of(p, link, list->first);
    if (list->first == CPS_NONE)
        list->last = CPS_NONE;
    return object;
}

void cps_list_remove(cps_list_t *list, const cps_pool_t *p, size_t link, const void *object)
{
    uint32_t index = cps_pool_index(p, object);
    uint32_t before = CPS_NONE;
    for (uint32_t at = list->first; at != CPS_NONE; before = at, at = *link_of(p, link, at)) {
        if (at != index)
            continue;
        uint32_t after = *link_of(p, link, at);
        if (before != CPS_NONE)
            *link_of(p, link, before) = after;
        else
            list->first = after;
        if (list->last == index)
            list->last = before;
        return;
    }
}
