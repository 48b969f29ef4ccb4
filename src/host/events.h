// SPDX-License-Identifier: Apache-2.0
/* What the log can say: one table of all events with their stable names. It adds to a line what can be done about it, and
 * makes the page coapsule-events(7); a check holds it against the source. */
#ifndef CPS_HOST_EVENTS_H
#define CPS_HOST_EVENTS_H

#include "base/bytes.h"

#include <stdio.h>

/** An event, or with `reason` one kind of it. */
typedef struct cps_event_row {
    const char *name;
    const char *reason; /**< what the field `reason` says; NULL: all others */
    const char *level;
    const char *what; /**< what has happened: a sentence */
    const char *hint; /**< what to do: a sentence that goes into the line; NULL: nothing */
} cps_event_row_t;

/** What to do about an event, by its name and its field `reason` (may be empty); NULL: nothing. */
const char *cps_events_hint(const char *name, cps_bytes_t reason);

/** The level of an event, as its name ("warning"); "info" where it is not in the table. */
const char *cps_events_level(const char *name);

/** Write the table for people. */
void cps_events_help(FILE *out);

#endif /* CPS_HOST_EVENTS_H */
