// SPDX-License-Identifier: Apache-2.0
#include "base/map.h"

static uint64_t rotate(uint64_t v, unsigned by) { return v << by | v >> (64U - by); }

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static uint64_t load64(const uint8_t *p, size_t len)
{
    uint64_t v = 0;
    if (len == 8) {
        memcpy(&v, p, 8); /* host order will do: the value never leaves the process */
        return v;
    }
    for (size_t i = 0; i < len; i++)
        v |= (uint64_t)p[i] << (8U * i);
    return v;
}

uint64_t cps_hash(const uint8_t seed[16], const void *data, size_t len)
{
    const uint8_t *p = data;
    uint64_t k0 = load64(seed, 8);
    uint64_t k1 = load64(seed + 8, 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575U, k1 ^ 0x646f72616e646f6dU, k0 ^ 0x6c7967656e657261U,
                     k1 ^ 0x7465646279746573U};
    size_t left = len;
    for (; left >= 8; left -= 8, p += 8) {
        uint64_t word = load64(p, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = load64(p, left) | (uint64_t)len << 56U;
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xffU;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void cps_map_init(cps_map_t *m, cps_arena_t *a, uint32_t limit)
{
    uint32_t size = 8;
    while (size - size / 4 < limit && size < (1U << 31U))
        size *= 2;
    *m = (cps_map_t){cps_arena_take(a, size, sizeof(uint64_t)), size - 1, 0, limit};
}

static uint32_t home_of(const cps_map_t *m, uint64_t slot) { return (uint32_t)(slot >> 32U) & m->mask; }

static uint64_t slot_of(uint64_t hash, uint32_t value) { return (hash & 0xffffffff00000000U) | ((uint64_t)value + 1); }

cps_err_t cps_map_put(cps_map_t *m, uint64_t hash, uint32_t value)
{
    if (m->used == m->limit)
        return CPS_ERR_FULL;
    uint32_t at = (uint32_t)(hash >> 32U) & m->mask;
    while (m->slots[at] != 0)
        at = (at + 1) & m->mask;
    m->slots[at] = slot_of(hash, value);
    m->used++;
    return CPS_OK;
}

/* Close the gap at `hole`: what was pushed beyond it by a collision moves back (Knuth, TAOCP 6.4, algorithm R). */
static void close_gap(cps_map_t *m, uint32_t hole)
{
    for (uint32_t at = (hole + 1) & m->mask; m->slots[at] != 0; at = (at + 1) & m->mask) {
        uint32_t home = home_of(m, m->slots[at]);
        if (((at - home) & m->mask) >= ((at - hole) & m->mask)) {
            m->slots[hole] = m->slots[at];
            hole = at;
        }
    }
    m->slots[hole] = 0;
}

void cps_map_remove(cps_map_t *m, uint64_t hash, uint32_t value)
{
    uint64_t wanted = slot_of(hash, value);
    for (uint32_t at = home_of(m, wanted); m->slots[at] != 0; at = (at + 1) & m->mask) {
        if (m->slots[at] == wanted) {
            close_gap(m, at);
            m->used--;
            return;
        }
    }
}

uint32_t cps_map_first(const cps_map_t *m, uint64_t hash, cps_map_walk_t *walk)
{
    *walk = (cps_map_walk_t){hash, (uint32_t)(hash >> 32U) & m->mask};
    return cps_map_next(m, walk);
}

uint32_t cps_map_next(const cps_map_t *m, cps_map_walk_t *walk)
{
    for (;;) {
        uint64_t slot = m->slots[walk->slot];
        if (slot == 0)
            return CPS_NONE;
        walk->slot = (walk->slot + 1) & m->mask;
        if (slot >> 32U == walk->hash >> 32U)
            return (uint32_t)slot - 1;
    }
}
