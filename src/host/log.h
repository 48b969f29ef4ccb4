// SPDX-License-Identifier: Apache-2.0
/* The log: one line an event, with a stable name and fields, as text or JSON:
 *
 *     2026-11-24T16:25:14.123456Z warning proxy_refused reason=target client=127.0.0.1:4711
 *     {"time":"2026-11-24T16:25:14.123456Z","level":"warning","event":"proxy_refused","reason":"target"}
 *
 * Where the table of events (host/events.h) knows what can be done about one, its line ends in `hint`. To systemd's journal
 * a line starts with its priority, <4>, and text leaves out time and level, which the journal has.
 *
 * What a peer wrote is escaped, so that it can neither end a line nor steer a terminal. Equal events are limited to a
 * number of lines a second; then follows one line with `suppressed`, and the numbers add up. Nothing is allocated. A log
 * belongs to one thread. Secrets are never given to it. */
#ifndef CPS_HOST_LOG_H
#define CPS_HOST_LOG_H

#include "host/addr.h"

#define CPS_LOG_LINE_MAX  2048U
#define CPS_LOG_KINDS_MAX 64U
#define CPS_LOG_BURST     20U /* lines a second of one event, by default */

typedef enum cps_log_level { CPS_LOG_ERROR, CPS_LOG_WARNING, CPS_LOG_INFO, CPS_LOG_DEBUG } cps_log_level_t;
typedef enum cps_log_format { CPS_LOG_TEXT, CPS_LOG_JSON } cps_log_format_t;

/** Kinds of values. */
typedef enum cps_log_value { CPS_LOG_BYTES, CPS_LOG_HEX, CPS_LOG_NUMBER, CPS_LOG_BOOL, CPS_LOG_ADDR } cps_log_value_t;

/** A field: made by the functions below; `key` is a literal of letters and underscores. */
typedef struct cps_log_field {
    const char *key;
    cps_log_value_t kind;
    cps_bytes_t bytes;
    uint64_t number;
    cps_addr_t addr;
} cps_log_field_t;

/** A text; NULL is written as an empty one. */
static inline cps_log_field_t cps_log_text(const char *key, const char *text)
{
    return (cps_log_field_t){.key = key, .kind = CPS_LOG_BYTES, .bytes = cps_bytes_str(text)};
}

/** A text of a peer, in whatever encoding it came. */
static inline cps_log_field_t cps_log_bytes(const char *key, cps_bytes_t bytes)
{
    return (cps_log_field_t){.key = key, .kind = CPS_LOG_BYTES, .bytes = bytes};
}

/** Bytes in hex, e.g. a kid or a token. */
static inline cps_log_field_t cps_log_hex(const char *key, cps_bytes_t bytes)
{
    return (cps_log_field_t){.key = key, .kind = CPS_LOG_HEX, .bytes = bytes};
}

/** A whole number. */
static inline cps_log_field_t cps_log_number(const char *key, uint64_t number)
{
    return (cps_log_field_t){.key = key, .kind = CPS_LOG_NUMBER, .number = number};
}

/** true or false. */
static inline cps_log_field_t cps_log_bool(const char *key, bool value)
{
    return (cps_log_field_t){.key = key, .kind = CPS_LOG_BOOL, .number = value};
}

/** Address and port as cps_addr_format writes them. */
static inline cps_log_field_t cps_log_addr(const char *key, const cps_addr_t *addr)
{
    return (cps_log_field_t){.key = key, .kind = CPS_LOG_ADDR, .addr = *addr};
}

/** The stable name of an error, e.g. "outcome_unknown". */
static inline cps_log_field_t cps_log_err(const char *key, cps_err_t err)
{
    return cps_log_text(key, cps_err_name(err));
}

typedef struct cps_log_options {
    cps_log_level_t level; /**< least severe that is written */
    cps_log_format_t format;
    int fd; /**< where lines go if there is no sink; 2 is standard error */
    /** Takes each line instead, its end included. */
    void (*sink)(void *user, cps_log_level_t level, const char *line, size_t len);
    void *user;
    uint64_t (*wall_us)(void); /**< the clock; NULL: cps_clock_wall_us */
    uint32_t burst;            /**< lines a second of one event; 0: CPS_LOG_BURST */
} cps_log_options_t;

/** How often one event came within its second. */
typedef struct cps_log_kind {
    const char *name;
    uint64_t from_us;
    uint64_t suppressed;
    uint32_t lines;
    cps_log_level_t level;
} cps_log_kind_t;

typedef struct cps_log {
    cps_log_options_t options;
    bool journal;  /**< standard error is systemd's journal */
    uint64_t lost; /**< lines that could not be written */
    size_t kind_count;
    cps_log_kind_t kinds[CPS_LOG_KINDS_MAX]; /**< events beyond share the last one, as "other" */
} cps_log_t;

/** Begin. Whether lines go to the journal is seen by $JOURNAL_STREAM. */
void cps_log_init(cps_log_t *log, const cps_log_options_t *options);

/** Write an event, where its level and its number this second allow. `name` is a literal. `count` may be 0. What does
 * not fit a line is left out, and `cut=true` says so. */
void cps_log_event(cps_log_t *log, cps_log_level_t level, const char *name, const cps_log_field_t *fields,
                   size_t count);

/** The level that the table of events gives to one. */
cps_log_level_t cps_log_level_of(const char *name);

/** The same with the fields as arguments, at least one. */
#define CPS_LOG(log, level, name, ...)                                                                                 \
    cps_log_event(log, level, name, (const cps_log_field_t[]){__VA_ARGS__},                                            \
                  sizeof((const cps_log_field_t[]){__VA_ARGS__}) / sizeof(cps_log_field_t))

/** Write the "suppressed" lines whose second is over: about once a second. */
void cps_log_tick(cps_log_t *log);

/** Write all "suppressed" lines: at the end. */
void cps_log_flush(cps_log_t *log);

#endif /* CPS_HOST_LOG_H */
