// SPDX-License-Identifier: Apache-2.0
#include "sim/relay_json.h"

#include <inttypes.h>

static void put_string(cps_json_t *j, const char *text)
{
    fputc('"', j->to);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fprintf(j->to, "\\%c", *text);
        else if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
            fprintf(j->to, "\\u%04x", (unsigned char)*text); /* bytes of a foreign command: kept as Latin-1 */
        else
            fputc(*text, j->to);
    }
    fputc('"', j->to);
}

static void put_key(cps_json_t *j, const char *key)
{
    if (j->comma)
        fputs(", ", j->to);
    j->comma = true;
    if (key == NULL)
        return;
    put_string(j, key);
    fputs(": ", j->to);
}

void cps_json_open(cps_json_t *j, const char *key, char bracket)
{
    put_key(j, key);
    fputc(bracket, j->to);
    j->comma = false;
}

void cps_json_close(cps_json_t *j, char bracket)
{
    fputc(bracket, j->to);
    j->comma = true;
}

void cps_json_str(cps_json_t *j, const char *key, const char *value)
{
    put_key(j, key);
    put_string(j, value);
}

void cps_json_num(cps_json_t *j, const char *key, uint64_t value)
{
    put_key(j, key);
    fprintf(j->to, "%" PRIu64, value);
}

void cps_json_bool(cps_json_t *j, const char *key, bool value)
{
    put_key(j, key);
    fputs(value ? "true" : "false", j->to);
}

void cps_json_hex(cps_json_t *j, const char *key, cps_bytes_t value)
{
    put_key(j, key);
    fputc('"', j->to);
    for (size_t i = 0; i < value.len; i++)
        fprintf(j->to, "%02x", value.ptr[i]);
    fputc('"', j->to);
}

bool cps_json_line(cps_json_t *j)
{
    fputc('\n', j->to);
    j->comma = false;
    return fflush(j->to) == 0;
}
