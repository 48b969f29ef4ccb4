// SPDX-License-Identifier: Apache-2.0
/* A CoAP endpoint on a thread of its own, at a free port of 127.0.0.1: the other end of what blocks. What the test wants of
 * it is a script; what it saw is copied out under a lock. */
#ifndef CPS_TESTS_FAR_H
#define CPS_TESTS_FAR_H

#include "harness.h"
#include "host/worker.h"

typedef struct far far_t;

/** A request as it came. */
typedef struct far_seen {
    uint8_t code;
    bool sealed;
    bool oscore; /**< has an OSCORE option that was not opened */
    uint8_t options[512];
    size_t options_len;
    uint8_t payload[256];
    size_t payload_len;
} far_seen_t;

typedef struct far_script {
    const cps_layers_t *layers;   /**< NULL: full */
    const cps_context_t *context; /**< one that it holds, or NULL */
    /** Called on its thread for each request; answers by far_reply, far_submit. NULL: 2.05 or 2.04 "hello". */
    void (*on_request)(far_t *far, const cps_event_t *event);
    uint8_t code; /**< of the answer where on_request is far_answer */
    const cps_option_t *options;
    size_t option_count;
    const char *payload;
    unsigned answers; /**< so many like this, then 2.05; 0: all */
} far_script_t;

/** Start it; it listens when this returns. */
far_t *far_start(const far_script_t *script);

/** End it and free it. */
void far_stop(far_t *far);

/** Its port. */
uint16_t far_port(const far_t *far);

/** How many requests it has seen, and a copy of the last. */
unsigned far_requests(far_t *far, far_seen_t *last);

/** For on_request: answer as the script says. */
void far_answer(far_t *far, const cps_event_t *event);

/** For on_request: give a command, and no more. */
void far_submit(far_t *far, const cps_command_t *command);

#endif /* CPS_TESTS_FAR_H */
