// SPDX-License-Identifier: Apache-2.0
/* What a request shows: the body on standard output, everything else on standard error. */
#ifndef CPS_CLI_SHOW_H
#define CPS_CLI_SHOW_H

#include "cli/cmd_request.h"
#include "client/client.h"

#include <stdio.h>

/* ---- show_format.c: Content-Formats ---- */

/** Number of a Content-Format by name ("application/json", "json"), or the number itself; false where there is none. */
bool cps_format_find(const char *text, uint16_t *format);

/** The nearest name, or NULL. */
const char *cps_format_nearest(const char *text);

/** Name of a Content-Format; NULL where unknown. */
const char *cps_format_name(uint32_t format);

/** Whether a payload is text: by its Content-Format, and only where it has none by its bytes (RFC 7252 §5.5.1; REQ-16). */
bool cps_payload_is_text(const cps_message_t *message);

/* ---- show_options.c: messages in a line ---- */

/** Write the options of a message: "  Proxy-Scheme coap  Uri-Host door.local  OSCORE". `without` ends with 0. */
void cps_show_options(FILE *out, cps_bytes_t options, const uint16_t *without);

/** Write a payload, shortened: "  unlocked" or "  41 bytes". */
void cps_show_payload(FILE *out, cps_bytes_t payload);

/* ---- show_trace.c: -v ---- */

typedef struct cps_show_trace {
    const cps_ask_t *ask;
    const char *credential;
    cps_bytes_t payload;
    bool told;     /**< what is inside was shown */
    bool resealed; /**< the next message is the repeat that was told already */
    uint16_t mids[8];
    unsigned mid_count;
} cps_show_trace_t;

/** Hooks that print for `trace`, whose `ask` and `payload` are set. */
cps_client_trace_t cps_show_trace(cps_show_trace_t *trace);

/** The line of a response: "< 2.04 Changed (sealed)  round trip 21 ms". */
void cps_show_response_line(const cps_response_t *response);

/* ---- show.c ---- */

/** Show a response; its exit code. `fd` is where the body goes. */
int cps_show_response(const cps_ask_t *ask, const cps_response_t *response, int fd);

/** Show that none was wanted, and none waited for; 0. */
int cps_show_unanswered(const cps_ask_t *ask);

/** Show that there was none; the exit code of `err`. */
int cps_show_failure(const cps_ask_t *ask, const cps_client_t *client, cps_err_t err);

/* ---- show_json.c ---- */

/** One object a request. */
void cps_json_response(FILE *out, const cps_response_t *response);
void cps_json_failure(FILE *out, const cps_client_t *client, cps_err_t err);

/** A text as JSON, in quotes; what is no UTF-8 becomes U+FFFD. */
void cps_json_text(FILE *out, cps_bytes_t text);

#endif /* CPS_CLI_SHOW_H */
