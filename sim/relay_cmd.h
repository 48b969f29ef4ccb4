// SPDX-License-Identifier: Apache-2.0
/* The commands of the relay: one line in, one JSON object out. docs/man/coapsule-foe.1 is the reference. */
#ifndef CPS_SIM_RELAY_CMD_H
#define CPS_SIM_RELAY_CMD_H

#include "sim/relay_json.h"
#include "sim/relay_net.h"
#include "sim/words.h"

/** A "wait" that has no answer yet. Other commands wait behind it. */
typedef struct cps_relay_wait {
    bool active;
    cps_foe_rule_t rule; /**< its matcher */
    uint64_t next;       /**< record to look at next */
    uint64_t want;
    uint64_t count;
    cps_time_us_t deadline_us;
} cps_relay_wait_t;

typedef struct cps_relay_cmd {
    cps_relay_t *relay;
    cps_json_t json;
    cps_relay_wait_t wait;
    bool quit;
    bool deaf; /**< nobody reads our answers any more */
} cps_relay_cmd_t;

/** Run one line and answer it (a blank one has no answer; "wait" may answer later). */
void cps_relay_cmd_run(cps_relay_cmd_t *cmd, const char *line);

/** Run a line of a script: "wait" and "quit" are refused. False with the error in `w->error`. The fields of answers go
 * to `cmd->json` all the same, without end: the caller points that elsewhere. */
bool cps_relay_cmd_script(cps_relay_cmd_t *cmd, const char *line, cps_words_t *w);

/** Answer the "wait" where what it waits for was seen, or its time is over. */
void cps_relay_cmd_check(cps_relay_cmd_t *cmd);

/** Answer for a line that cannot be run. */
void cps_relay_cmd_refuse(cps_relay_cmd_t *cmd, const char *error);

#endif /* CPS_SIM_RELAY_CMD_H */
