// SPDX-License-Identifier: Apache-2.0
#include "msg/peer.h"

#define MID_AHEAD      32768U /* half of all Message IDs may be given faster than the clock runs */
#define REFUSALS_AHEAD 16U
#define EVICT_TRIES    8

typedef struct peer_key {
    uint8_t remote_ip[16];
    uint8_t local_ip[16];
    uint32_t scope_id;
    uint16_t remote_port;
    uint16_t socket;
} peer_key_t;

void cps_peers_init(cps_peers_t *p, cps_arena_t *a, uint32_t limit, const uint8_t seed[16],
                    uint64_t exchange_lifetime_us)
{
    memset(p, 0, sizeof *p);
    cps_pool_init(&p->pool, a, limit, sizeof(cps_peer_t));
    cps_map_init(&p->map, a, limit);
    memcpy(p->seed, seed, sizeof p->seed);
    p->mid_tick_us = exchange_lifetime_us / MID_AHEAD + 1;
    p->oldest = CPS_NONE;
    p->newest = CPS_NONE;
}

static peer_key_t key_of_path(const cps_path_t *path)
{
    peer_key_t key;
    memset(&key, 0, sizeof key);
    memcpy(key.remote_ip, path->remote.ip, sizeof key.remote_ip);
    memcpy(key.local_ip, path->local.ip, sizeof key.local_ip);
    key.scope_id = path->remote.scope_id;
    key.remote_port = path->remote.port;
    key.socket = path->socket;
    return key;
}

/* The members of cps_peer_t from remote_ip to socket are laid out as peer_key_t is. */
static bool has_key(const cps_peer_t *peer, const peer_key_t *key)
{
    return memcmp(peer->remote_ip, key, sizeof *key) == 0;
}

_Static_assert(offsetof(cps_peer_t, mid_offset) - offsetof(cps_peer_t, remote_ip) == sizeof(peer_key_t),
               "key members of a peer stand side by side");

static cps_peer_t *find_key(const cps_peers_t *p, const peer_key_t *key, uint64_t hash)
{
    cps_map_walk_t walk;
    for (uint32_t at = cps_map_first(&p->map, hash, &walk); at != CPS_NONE; at = cps_map_next(&p->map, &walk)) {
        cps_peer_t *peer = cps_peers_at(p, at);
        if (has_key(peer, key))
            return peer;
    }
    return NULL;
}

cps_peer_t *cps_peers_find(const cps_peers_t *p, const cps_path_t *path)
{
    peer_key_t key = key_of_path(path);
    return find_key(p, &key, cps_hash(p->seed, &key, sizeof key));
}

static void unlink_idle(cps_peers_t *p, cps_peer_t *peer)
{
    if (peer->older != CPS_NONE)
        cps_peers_at(p, peer->older)->newer = peer->newer;
    else
        p->oldest = peer->newer;
    if (peer->newer != CPS_NONE)
        cps_peers_at(p, peer->newer)->older = peer->older;
    else
        p->newest = peer->older;
}

static void link_idle(cps_peers_t *p, cps_peer_t *peer)
{
    peer->older = p->newest;
    peer->newer = CPS_NONE;
    if (p->newest != CPS_NONE)
        cps_peers_at(p, p->newest)->newer = cps_peers_index(p, peer);
    else
        p->oldest = cps_peers_index(p, peer);
    p->newest = cps_peers_index(p, peer);
}

static void forget(cps_peers_t *p, cps_peer_t *peer)
{
    unlink_idle(p, peer);
    cps_map_remove(&p->map, cps_hash(p->seed, peer->remote_ip, sizeof(peer_key_t)), cps_peers_index(p, peer));
    cps_pool_give(&p->pool, peer);
    p->evicted++;
}

/* Forget the peer that was idle longest. One whose Message IDs run ahead of the clock would start again below IDs that
 * are in use, so it goes to the end of the line first. */
static bool evict_one(cps_peers_t *p, cps_time_us_t now_us)
{
    for (int i = 0; i < EVICT_TRIES && p->oldest != CPS_NONE; i++) {
        cps_peer_t *peer = cps_peers_at(p, p->oldest);
        if (peer->mid_next <= now_us / p->mid_tick_us && peer->quiet_until_us <= now_us) {
            forget(p, peer);
            return true;
        }
        unlink_idle(p, peer);
        link_idle(p, peer);
    }
    return false;
}

cps_peer_t *cps_peers_get(cps_peers_t *p, cps_time_us_t now_us, const cps_path_t *path)
{
    peer_key_t key = key_of_path(path);
    uint64_t hash = cps_hash(p->seed, &key, sizeof key);
    cps_peer_t *peer = find_key(p, &key, hash);
    if (peer != NULL)
        return peer;
    peer = cps_pool_take(&p->pool);
    if (peer == NULL && evict_one(p, now_us))
        peer = cps_pool_take(&p->pool);
    if (peer == NULL)
        return NULL;
    if (cps_map_put(&p->map, hash, cps_peers_index(p, peer)) != CPS_OK) {
        cps_pool_give(&p->pool, peer);
        return NULL;
    }
    memcpy(peer->remote_ip, &key, sizeof key);
    peer->mid_offset = (uint32_t)hash; /* the map uses the upper half */
    peer->queue = CPS_LIST_EMPTY;
    peer->notices = CPS_LIST_EMPTY;
    link_idle(p, peer);
    return peer;
}

void cps_peer_ref(cps_peers_t *p, cps_peer_t *peer)
{
    if (peer->refs++ != 0)
        return;
    unlink_idle(p, peer);
    p->kept++;
}

void cps_peer_unref(cps_peers_t *p, cps_peer_t *peer)
{
    if (--peer->refs != 0)
        return;
    link_idle(p, peer);
    p->kept--;
}

cps_err_t cps_peer_mid(const cps_peers_t *p, cps_peer_t *peer, cps_time_us_t now_us, uint16_t *mid)
{
    uint64_t clock = now_us / p->mid_tick_us;
    if (peer->mid_next < clock)
        peer->mid_next = clock;
    if (peer->mid_next >= clock + MID_AHEAD)
        return CPS_ERR_BUSY;
    *mid = (uint16_t)(peer->mid_next + peer->mid_offset);
    peer->mid_next++;
    return CPS_OK;
}

bool cps_peers_refusal_mid(cps_peers_t *p, const cps_path_t *path, cps_time_us_t now_us, uint16_t *mid)
{
    peer_key_t key = key_of_path(path);
    uint64_t hash = cps_hash(p->seed, &key, sizeof key);
    uint64_t clock = now_us / p->mid_tick_us;
    cps_peer_t *peer = find_key(p, &key, hash);
    if (peer != NULL)
        return peer->mid_next <= clock + REFUSALS_AHEAD && cps_peer_mid(p, peer, now_us, mid) == CPS_OK;
    *mid = (uint16_t)(clock + (uint32_t)hash);
    return true;
}

bool cps_peer_may_start(const cps_peer_t *peer, cps_time_us_t now_us, uint32_t nstart)
{
    if (peer->in_flight >= nstart)
        return false;
    return peer->in_flight != 0 || peer->quiet_until_us <= now_us;
}

void cps_peer_sent(cps_peer_t *peer, cps_time_us_t now_us, size_t len, uint32_t probing_rate)
{
    if (peer->quiet_until_us < now_us)
        peer->quiet_until_us = now_us;
    peer->quiet_until_us += (uint64_t)len * 1000000U / probing_rate;
    if (peer->quiet_until_us > now_us + CPS_PEER_QUIET_MAX_US)
        peer->quiet_until_us = now_us + CPS_PEER_QUIET_MAX_US;
}
