// SPDX-License-Identifier: Apache-2.0
#include "msg/dedup.h"

_Static_assert(sizeof(cps_dedup_entry_t) <= CPS_CHAIN_BLOCK, "an entry is one block");

void cps_dedup_init(cps_dedup_t *d, cps_arena_t *a, cps_peers_t *peers, const uint8_t seed[16],
                    const cps_dedup_config_t *config)
{
    memset(d, 0, sizeof *d);
    cps_chain_init(&d->blocks, a, config->budget);
    cps_map_init(&d->map, a, d->blocks.limit);
    d->peers = peers;
    memcpy(d->seed, seed, sizeof d->seed);
    d->lifetime_us[false] = config->non_lifetime_us;
    d->lifetime_us[true] = config->exchange_lifetime_us;
    d->answer_reserve = cps_chain_blocks(config->message_max);
}

uint64_t cps_dedup_print(const cps_dedup_t *d, cps_bytes_t datagram)
{
    return cps_hash(d->seed, datagram.ptr, datagram.len);
}

static void release_reserve(cps_dedup_t *d, cps_dedup_entry_t *entry)
{
    d->reserved -= entry->reserved_blocks;
    entry->reserved_blocks = 0;
}

void cps_dedup_forget(cps_dedup_t *d, uint32_t number)
{
    cps_dedup_entry_t *entry = cps_dedup_at(d, number);
    cps_dedup_queue_t *queue = &d->queues[entry->queue];
    d->forgotten++;
    if (entry->older != 0)
        cps_dedup_at(d, entry->older)->newer = entry->newer;
    else
        queue->oldest = entry->newer;
    if (entry->newer != 0)
        cps_dedup_at(d, entry->newer)->older = entry->older;
    else
        queue->newest = entry->older;
    release_reserve(d, entry);
    cps_map_remove(&d->map, entry->print, number);
    cps_peer_unref(d->peers, cps_peers_at(d->peers, entry->peer));
    cps_chain_free(&d->blocks, &entry->answer);
    cps_block_give(&d->blocks, number);
}

/* Lifetimes are equal within a queue, so what is over stands at its head. */
static void expire(cps_dedup_t *d, cps_time_us_t now_us)
{
    for (size_t i = 0; i < sizeof d->queues / sizeof d->queues[0]; i++)
        while (d->queues[i].oldest != 0 && cps_dedup_at(d, d->queues[i].oldest)->expires_us <= now_us)
            cps_dedup_forget(d, d->queues[i].oldest);
}

uint32_t cps_dedup_find(cps_dedup_t *d, cps_time_us_t now_us, uint32_t peer, uint64_t print)
{
    cps_map_walk_t walk;
    for (uint32_t at = cps_map_first(&d->map, print, &walk); at != CPS_NONE; at = cps_map_next(&d->map, &walk)) {
        cps_dedup_entry_t *entry = cps_dedup_at(d, at);
        if (entry->peer != peer || entry->print != print)
            continue;
        if (entry->expires_us > now_us)
            return at;
        cps_dedup_forget(d, at);
        return 0;
    }
    return 0;
}

/* The oldest entry of a queue but `keep`; 0: none. */
static uint32_t oldest_but(const cps_dedup_t *d, const cps_dedup_queue_t *queue, uint32_t keep)
{
    return queue->oldest != 0 && queue->oldest == keep ? cps_dedup_at(d, keep)->newer : queue->oldest;
}

/* The oldest of a class, of its two queues (NON and CON). */
static uint32_t oldest_of(const cps_dedup_t *d, cps_dedup_class_t klass, uint32_t keep)
{
    uint32_t non = oldest_but(d, &d->queues[(size_t)2 * klass], keep);
    uint32_t con = oldest_but(d, &d->queues[(size_t)2 * klass + 1], keep);
    if (non == 0 || con == 0)
        return non != 0 ? non : con;
    uint64_t non_came = cps_dedup_at(d, non)->expires_us - d->lifetime_us[false];
    uint64_t con_came = cps_dedup_at(d, con)->expires_us - d->lifetime_us[true];
    return non_came <= con_came ? non : con;
}

static bool evict_class(cps_dedup_t *d, cps_dedup_class_t klass, uint32_t keep)
{
    uint32_t victim = oldest_of(d, klass, keep);
    if (victim == 0)
        return false;
    cps_dedup_forget(d, victim);
    d->evicted[klass]++;
    return true;
}

bool cps_dedup_evict(cps_dedup_t *d)
{
    return evict_class(d, CPS_DEDUP_PLAIN_SAFE, 0) || evict_class(d, CPS_DEDUP_SEALED, 0);
}

/* Room for `blocks` more beside what is promised. The entry `keep` is not given up for its own answer. */
static bool make_room(cps_dedup_t *d, uint32_t blocks, uint32_t keep)
{
    while (cps_chain_room(&d->blocks) < blocks + d->reserved)
        if (!evict_class(d, CPS_DEDUP_PLAIN_SAFE, keep) && !evict_class(d, CPS_DEDUP_SEALED, keep))
            return false;
    return true;
}

static void append(cps_dedup_t *d, cps_dedup_entry_t *entry, uint32_t number)
{
    cps_dedup_queue_t *queue = &d->queues[entry->queue];
    entry->older = queue->newest;
    if (queue->newest != 0)
        cps_dedup_at(d, queue->newest)->newer = number;
    else
        queue->oldest = number;
    queue->newest = number;
}

cps_err_t cps_dedup_insert(cps_dedup_t *d, cps_time_us_t now_us, const cps_dedup_message_t *message, uint32_t *number)
{
    *number = 0;
    expire(d, now_us);
    uint32_t reserve = message->klass == CPS_DEDUP_PLAIN_UNSAFE && message->confirmable ? d->answer_reserve : 0;
    if (!make_room(d, 1 + reserve, 0))
        return CPS_ERR_FULL;
    uint32_t peer = cps_peers_index(d->peers, message->peer);
    uint32_t taken = cps_block_take(&d->blocks);
    if (taken == 0)
        return CPS_ERR_FULL;
    if (cps_map_put(&d->map, message->print, taken) != CPS_OK) {
        cps_block_give(&d->blocks, taken);
        return CPS_ERR_FULL;
    }
    cps_dedup_entry_t *entry = cps_dedup_at(d, taken);
    entry->expires_us = now_us + d->lifetime_us[message->confirmable];
    entry->peer = peer;
    entry->print = message->print;
    entry->klass = (uint8_t)message->klass;
    entry->confirmable = message->confirmable;
    entry->queue = (uint8_t)(2 * message->klass + (message->confirmable ? 1 : 0));
    entry->reserved_blocks = (uint16_t)reserve;
    d->reserved += reserve;
    append(d, entry, taken);
    cps_peer_ref(d->peers, cps_peers_at(d->peers, peer));
    *number = taken;
    return CPS_OK;
}

void cps_dedup_answer(cps_dedup_t *d, uint32_t number, cps_bytes_t bytes)
{
    cps_dedup_entry_t *entry = cps_dedup_at(d, number);
    release_reserve(d, entry);
    cps_chain_free(&d->blocks, &entry->answer);
    bool kept =
        make_room(d, cps_chain_blocks(bytes.len), number) && cps_chain_put(&d->blocks, bytes, &entry->answer) == CPS_OK;
    entry->state = kept ? CPS_DEDUP_ANSWERED : CPS_DEDUP_SILENT;
}

void cps_dedup_mark(cps_dedup_t *d, uint32_t number, cps_dedup_state_t state)
{
    cps_dedup_entry_t *entry = cps_dedup_at(d, number);
    release_reserve(d, entry);
    entry->state = (uint8_t)state;
}
