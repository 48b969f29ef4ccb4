// SPDX-License-Identifier: Apache-2.0
/* Writes one JSON object a line. */
#ifndef CPS_SIM_RELAY_JSON_H
#define CPS_SIM_RELAY_JSON_H

#include "base/bytes.h"

#include <stdio.h>

typedef struct cps_json {
    FILE *to;
    bool comma; /**< something stands before, so that a comma is due */
} cps_json_t;

/** Open "{" or "[", under a key where `key` is not NULL. */
void cps_json_open(cps_json_t *j, const char *key, char bracket);

/** Close with "}" or "]". */
void cps_json_close(cps_json_t *j, char bracket);

/** Write a value, under a key where `key` is not NULL. Strings are escaped; bytes are shown as lower-case hex. */
void cps_json_str(cps_json_t *j, const char *key, const char *value);
void cps_json_num(cps_json_t *j, const char *key, uint64_t value);
void cps_json_bool(cps_json_t *j, const char *key, bool value);
void cps_json_hex(cps_json_t *j, const char *key, cps_bytes_t value);

/** End the line and hand it over; false where nobody reads any more. */
bool cps_json_line(cps_json_t *j);

#endif /* CPS_SIM_RELAY_JSON_H */
