// SPDX-License-Identifier: Apache-2.0
/* One endpoint in virtual time, driven by a program that the fuzzer writes: what it is made of, what the fuzzer knows
 * of it from outside (and so can demand), and the datagrams seen on the way in and out. Byte 0 is what an input gives once
 * it is used up. */
#ifndef CPS_FUZZ_EP_DRIVE_H
#define CPS_FUZZ_EP_DRIVE_H

#include "crypto/provider.h"
#include "ep/ep.h"
#include "fuzz.h"

#define DRIVE_PATHS     8U
#define DRIVE_MATERIALS 4U
#define DRIVE_TAPE      16U
#define DRIVE_BATCH     4U
#define DRIVE_DATAGRAM  1700U
#define DRIVE_OPEN      12U
#define DRIVE_ASKS      32U
#define DRIVE_JOBS      8U
#define DRIVE_NUMBERS   256U
#define DRIVE_ECHOES    4U
#define DRIVE_OBSERVERS 16U

/** A datagram that was seen. */
typedef struct drive_seen {
    unsigned path;
    size_t len;
    uint8_t bytes[DRIVE_DATAGRAM];
} drive_seen_t;

/** The last datagrams of one direction, a ring. */
typedef struct drive_tape {
    drive_seen_t seen[DRIVE_TAPE];
    uint32_t count; /**< of all ever seen */
} drive_tape_t;

/** Key material that may stand in the endpoint as a context, through several lives of that context. */
typedef struct drive_material {
    cps_oscore_ctx_t ctx; /**< derived here: to tell what a nonce is made of */
    uint8_t tag_len;
    cps_handle_t handle; /**< 0: not there now */
    bool has_state;      /**< it may send */
    uint64_t durable;    /**< highest ceiling that the store of the fuzzer granted */
    uint64_t own_next;   /**< sealed so far under numbers below this one */
    uint64_t peer_next;  /**< the next number of an honest peer */
    bool window_known;   /**< saved at the last clean removal */
    uint64_t window_next;
    uint64_t window_seen;
    uint64_t accepted[DRIVE_NUMBERS]; /**< numbers that reached the application in this life, or answered under */
    uint64_t answered[DRIVE_NUMBERS]; /**< numbers of requests whose nonce sealed an answer in this life */
    size_t accepted_count;
    size_t answered_count;
    bool recovered;                 /**< this life began without a window and has one again */
    uint64_t recovered_by;          /**< number of the request that recovered it */
    uint64_t prints[DRIVE_NUMBERS]; /**< of what was accepted in any life */
    size_t print_count;
    size_t prints_before;             /**< of these in lives before this one */
    uint8_t echo[CPS_ECHO_VALUE_MAX]; /**< the last Echo that the endpoint sent inside */
    size_t echo_len;
} drive_material_t;

/** A request that the application has to answer. */
typedef struct drive_open {
    cps_handle_t handle;
    uint8_t code;
    uint32_t unsafe; /**< place of its plain unsafe datagram, plus 1 */
} drive_open_t;

/** A request of the application. */
typedef struct drive_ask {
    cps_handle_t handle; /**< 0: over */
    cps_handle_t context;
    uint64_t user;
    cps_time_us_t deadline_us;
    bool unanswered; /**< by its No-Response: it may end well without a response (RFC 7967) */
} drive_ask_t;

/** A plain unsafe request that was run: not to be run again before its time. */
typedef struct drive_unsafe {
    unsigned path;
    uint64_t print;
    cps_time_us_t until_us;
} drive_unsafe_t;

/** What came from an address, and what may go there before it has proven that it is there (docs/architecture.md). */
typedef struct drive_address {
    uint64_t came;
    uint64_t went;
    bool proven;
    uint8_t echo[CPS_ECHO_VALUE_MAX]; /**< the last Echo that went there outside */
    size_t echo_len;
} drive_address_t;

/** What becomes of a request as soon as it is heard. */
typedef enum drive_policy { POLICY_HOLD, POLICY_REPLY, POLICY_ECHO, POLICY_CHALLENGE, POLICY_COUNT } drive_policy_t;

typedef struct drive {
    cps_reader_t in;
    cps_crypto_t null;
    cps_crypto_t spy; /**< the null provider, with every nonce looked at */
    cps_rng_seeded_t seeded;
    cps_rng_t rng;
    cps_ep_t *ep;
    cps_ep_config_t config;
    cps_time_us_t now_us;
    bool resting; /**< the program is over: whatever is owed is done at once */
    bool stalled; /**< the socket takes nothing: only DRAIN takes output */
    bool grants;  /**< leases are granted as soon as they are asked for */
    uint8_t lazy; /**< so many times more, the caller does something else before it looks at events */
    drive_policy_t policy;
    uint64_t users;
    drive_tape_t came;
    drive_tape_t sent;
    cps_datagram_t batch[DRIVE_BATCH];
    unsigned batch_path[DRIVE_BATCH];
    uint8_t batch_bytes[DRIVE_BATCH][DRIVE_DATAGRAM];
    size_t batch_count;
    bool handed; /**< the batch is with the endpoint */
    drive_material_t materials[DRIVE_MATERIALS];
    drive_open_t open[DRIVE_OPEN];
    drive_ask_t asks[DRIVE_ASKS];
    cps_handle_t observers[DRIVE_OBSERVERS]; /**< 0: none */
    bool turns[DRIVE_OBSERVERS];             /**< it was asked for the present state, which is owed */
    cps_handle_t jobs[DRIVE_JOBS];
    uint64_t job_numbers[DRIVE_JOBS];
    drive_unsafe_t unsafe[DRIVE_NUMBERS];
    size_t unsafe_count;
    drive_address_t addresses[DRIVE_PATHS];
} drive_t;

/* ---- drive.c ---- */

/** The next byte of the program, below `bound`; 0 behind its end. */
uint8_t drive_byte(drive_t *d, unsigned bound);

/** The next two bytes of the program. */
uint16_t drive_word(drive_t *d);

/** Whether the program is used up. */
static inline bool drive_over(const drive_t *d) { return cps_reader_left(&d->in) == 0; }

/** Make the endpoint that the first bytes of the program choose. */
void drive_start(drive_t *d, cps_bytes_t program);

/** Wipe it, and look for keys that are left. */
void drive_end(drive_t *d);

/** One of the paths that datagrams come by. */
cps_path_t drive_path(unsigned path);

/** Events until there is none; and output, with all that waited for it, unless the socket is stalled. Nothing where the
 * caller is lazy. */
void drive_work(drive_t *d);

/** Take some of the output. */
void drive_drain(drive_t *d, size_t count);

/** Remember a datagram. */
void drive_record(drive_tape_t *tape, unsigned path, cps_bytes_t bytes);

/** A datagram of a tape, the last one is 0; NULL for one before the first. */
const drive_seen_t *drive_recall(const drive_tape_t *tape, unsigned back);

/** Hand in what the batch holds, unless something that was handed in before is still waiting. */
void drive_deliver(drive_t *d);

/** The material that has that context; NULL for 0 and for one that is gone. */
drive_material_t *drive_material(drive_t *d, cps_handle_t context);

/** Put a material into the endpoint, going on from what the store of the fuzzer knows. */
void drive_add(drive_t *d, drive_material_t *m);

/** Take it out again; after a clean exit its next life goes on where this one ended. */
void drive_remove(drive_t *d, drive_material_t *m, bool clean);

/** Answer a lease job. */
void drive_grant(drive_t *d, size_t job, cps_err_t result, bool half);

/* ---- hear.c: events ---- */

/** Look at an event, demand what it promises and do what the policy says. */
void drive_hear(drive_t *d, const cps_event_t *event);

/** Reply to an open request with a message from the program; true where it was taken. */
bool drive_reply(drive_t *d, drive_open_t *open);

/** Give an observer whose turn it is a state from the program. */
void drive_tell(drive_t *d, size_t observer);

/* ---- make.c: datagrams ---- */

/** Write a datagram that the program describes, mostly well-formed, to the end of the batch. */
void drive_make(drive_t *d);

/** Options of the program for a message, in any order, with values in `w`; how many. */
size_t drive_options(drive_t *d, cps_writer_t *w, cps_option_t *list, size_t cap);

/* ---- check.c ---- */

/** Count what the pools of the endpoint hold, and demand that it adds up. */
void drive_check(const drive_t *d);

/** Demand that nothing is open any more. */
void drive_check_quiet(const drive_t *d);

#endif /* CPS_FUZZ_EP_DRIVE_H */
