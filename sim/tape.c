// SPDX-License-Identifier: Apache-2.0
#include "sim/tape.h"

void cps_tape_init(cps_tape_t *tape, cps_arena_t *arena, uint32_t limit, uint32_t size)
{
    cps_record_t *records = cps_arena_take(arena, limit, sizeof *records);
    *tape = (cps_tape_t){records, cps_arena_take(arena, size, 1), limit, size, 0, 1, 1};
}

static uint32_t count(const cps_tape_t *t) { return (uint32_t)(t->next - t->first); }

static uint32_t oldest_place(const cps_tape_t *t)
{
    return (uint32_t)(t->records[t->first % t->limit].parcel.bytes.ptr - t->bytes);
}

/* Where `len` bytes fit now in one piece, behind the newest or at the start of the ring. */
static bool fits(cps_tape_t *t, uint32_t len)
{
    if (count(t) == 0) {
        t->head = 0;
        return true;
    }
    uint32_t tail = oldest_place(t);
    if (t->head < tail)
        return tail - t->head >= len;
    if (t->head == tail)
        return false; /* full: each record takes a byte at least, so that this is not empty */
    if (t->size - t->head >= len)
        return true;
    if (tail < len)
        return false;
    t->head = 0;
    return true;
}

cps_record_t *cps_tape_put(cps_tape_t *tape, cps_time_us_t now_us, const cps_parcel_t *parcel)
{
    if (parcel->bytes.len > tape->size)
        return NULL;
    uint32_t len = parcel->bytes.len == 0 ? 1 : (uint32_t)parcel->bytes.len;
    while (count(tape) == tape->limit || !fits(tape, len))
        tape->first++;
    uint8_t *place = tape->bytes + tape->head;
    cps_copy(place, parcel->bytes.ptr, parcel->bytes.len);
    tape->head += len;
    cps_record_t *record = &tape->records[tape->next % tape->limit];
    *record = (cps_record_t){*parcel, tape->next++, now_us, 0};
    record->parcel.bytes.ptr = place;
    return record;
}

const cps_record_t *cps_tape_get(const cps_tape_t *tape, uint64_t index)
{
    return index >= tape->first && index < tape->next ? &tape->records[index % tape->limit] : NULL;
}
