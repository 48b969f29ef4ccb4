// SPDX-License-Identifier: Apache-2.0
/* One endpoint in memory with a clock and a random source of the test's, for tests at the level of datagrams: what goes
 * in, what comes out, which events there were. Two rigs can be joined by hand. */
#ifndef CPS_TESTS_RIG_H
#define CPS_TESTS_RIG_H

#include "crypto/provider.h"
#include "harness.h"
#include <stdio.h>
#include "wire/opttab.h"

#include <coapsule/core.h>

#define RIG_OUT_MAX 4096

typedef struct rig_packet {
    cps_path_t path;
    uint8_t bytes[1600];
    size_t len;
} rig_packet_t;

typedef struct rig rig_t;

struct rig {
    cps_ep_t *ep;
    void *memory;
    cps_crypto_t crypto;
    cps_rng_seeded_t seeded;
    cps_rng_t rng;
    cps_time_us_t now_us;
    cps_addr_t addr;
    uint64_t durable; /**< highest ceiling that the store of the test granted */

    rig_packet_t *out; /**< everything sent since the last rig_clear */
    size_t out_count;

    cps_event_t last; /**< the last REQUEST, RESPONSE or FAILED event, its views into `kept` */
    uint8_t kept[100000];
    unsigned requests, responses, failures, jobs, abandoned, notes[CPS_NOTE_COUNT];
    unsigned notifies, unobserved, stales;
    cps_event_t last_observer; /**< the last NOTIFY, UNOBSERVED or STALE event */
    const char *state;         /**< what observers are told: 2.05 with this text (NULL: "hello") */
    uint8_t state_code;        /**< another code than 2.05, or 0 */
    bool non;                  /**< notifications may go as NON */
    cps_handle_t observer;     /**< the last one that registered; 0: it was refused */

    /** Called for each request; NULL answers 2.05 "hello" (2.04 to unsafe methods) at once, and agrees to observation. */
    void (*on_request)(rig_t *rig, const cps_event_t *event);
    /** Called for each observer whose turn it is; NULL tells `state` at once. */
    void (*on_notify)(rig_t *rig, const cps_event_t *event);
    void (*on_unobserved)(rig_t *rig, const cps_event_t *event); /**< or NULL */
    void (*on_response)(rig_t *rig, const cps_event_t *event);   /**< beside what `last` shows; may be NULL */
    void (*on_wanted)(rig_t *rig, const cps_event_t *event);     /**< gives the next piece of a body */
    bool hold_jobs;                                              /**< leases are not granted until rig_grant */
    cps_event_t held_job;
    void *user;
};

/** An endpoint at 127.0.0.`host`:5683, each with random bytes of its own; `tweak` may change its configuration (NULL: defaults with small pools). */
rig_t *rig_new(uint8_t host, void (*tweak)(cps_ep_config_t *config));
void rig_free(rig_t *rig);

/** A path to that rig's address. */
cps_path_t rig_path(uint8_t host, uint16_t port);

/** Hand in a datagram from 127.0.0.`host`:`port` and work until nothing is left. */
void rig_in(rig_t *rig, uint8_t host, uint16_t port, cps_bytes_t bytes);

/** Let time pass in steps, firing every timer at its time. */
void rig_advance(rig_t *rig, uint64_t us);

/** Work until nothing is left (after a submit). */
void rig_run(rig_t *rig);

/** Forget what was sent. */
void rig_clear(rig_t *rig);

/** The i-th datagram sent, and parsed. */
cps_bytes_t rig_sent(const rig_t *rig, size_t i);
cps_msg_t rig_sent_msg(const rig_t *rig, size_t i);

/** Submit or fail the test. */
cps_handle_t rig_request(rig_t *rig, const cps_command_request_t *request);
void rig_reply(rig_t *rig, cps_handle_t request, uint8_t code, const char *payload);
cps_err_t rig_submit_handle(rig_t *rig, cps_command_kind_t kind, cps_handle_t handle);

/** What is observed has changed: one observer is to be told. Works until nothing is left. */
void rig_changed(rig_t *rig, cps_handle_t observer, const char *state);

/** Tell an observer whose turn it is the present state. */
void rig_notify(rig_t *rig, cps_handle_t observer);

/** Grant the lease that is held. */
void rig_grant(rig_t *rig, cps_err_t result);

/** Deliver everything `from` sent to `to`, and clear it. */
void rig_carry(rig_t *from, rig_t *to);

/** Carry both ways until both are silent. */
void rig_shuttle(rig_t *a, rig_t *b);

/** The material of RFC 8613 C.1 at one end, with fresh state, to be changed before it is added. */
cps_context_t rig_context_of(bool client);

/** Add a context or fail the test. */
cps_handle_t rig_add_context(rig_t *rig, const cps_context_t *context);

/** The contexts of RFC 8613 C.1: `client` true is the side with the empty Sender ID. Fresh state. */
cps_handle_t rig_context(rig_t *rig, bool client);

/** The same with a number to start from and a window that is unknown. */
cps_handle_t rig_context_after_crash(rig_t *rig, bool client, uint64_t next);

/** A simple request to 127.0.0.`host`:5683 with one Uri-Path; the path has to outlive the call only. */
cps_command_request_t rig_get(uint8_t host, cps_option_t *path, const char *segment);

#endif /* CPS_TESTS_RIG_H */
