// SPDX-License-Identifier: Apache-2.0
/* A bounded recording of datagrams, numbered from 1 on. When it is full the oldest make room. */
#ifndef CPS_SIM_TAPE_H
#define CPS_SIM_TAPE_H

#include "base/arena.h"
#include "sim/parcel.h"

typedef struct cps_record {
    cps_parcel_t parcel; /**< bytes: in the tape, until the next cps_tape_put */
    uint64_t index;
    cps_time_us_t time_us;
    uint32_t note; /**< the recorder's own, 0 at first */
} cps_record_t;

typedef struct cps_tape {
    cps_record_t *records; /**< a ring: record n stands at n % limit */
    uint8_t *bytes;        /**< a ring of their bytes, each record in one piece */
    uint32_t limit;
    uint32_t size;
    uint32_t head;  /**< where the next bytes go */
    uint64_t first; /**< number of the oldest record that is left */
    uint64_t next;  /**< number of the next one */
} cps_tape_t;

/** A tape of at most `limit` records with at most `size` bytes in all, laid out in the arena; both are above 0. */
void cps_tape_init(cps_tape_t *tape, cps_arena_t *arena, uint32_t limit, uint32_t size);

/** Record a datagram. Its record, which the caller may note on; NULL where it is larger than the whole tape. */
cps_record_t *cps_tape_put(cps_tape_t *tape, cps_time_us_t now_us, const cps_parcel_t *parcel);

/** The record of a number; NULL where it was never given or has made room. */
const cps_record_t *cps_tape_get(const cps_tape_t *tape, uint64_t index);

#endif /* CPS_SIM_TAPE_H */
