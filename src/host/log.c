// SPDX-License-Identifier: Apache-2.0
#include "host/log.h"

#include "host/clock.h"
#include "host/events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SECOND_US    1000000U
#define TAIL_RESERVE 32U /* of a line, for `cut=true` and its end */

static const char *const level_names[] = {"error", "warning", "info", "debug"};

/* ---- values ---- */

/* Decimal or hex digits, `least` of them or more. */
static void put_digits(cps_writer_t *w, uint64_t value, bool hexadecimal, unsigned least)
{
    static const char digits[] = "0123456789abcdef";
    unsigned base = hexadecimal ? 16 : 10;
    char text[20];
    size_t at = sizeof text;
    do {
        text[--at] = digits[value % base];
        value /= base;
    } while (value != 0 || sizeof text - at < least);
    cps_write_bytes(w, cps_bytes(text + at, sizeof text - at));
}

/* Length and code point of the UTF-8 sequence (RFC 3629) at the start of `b`; 0 where there is none. */
static size_t decode(cps_bytes_t b, uint32_t *out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = b.ptr[0];
    size_t len = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
    if (len == 0 || len > b.len)
        return 0;
    uint32_t point = len == 1 ? first : first & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        if ((b.ptr[i] & 0xc0U) != 0x80)
            return 0;
        point = point << 6U | (b.ptr[i] & 0x3fU);
    }
    *out = point;
    return point < least[len] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000) ? 0 : len;
}

/* Controls, and what turns the direction of a line or ends it for a viewer. */
static bool is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

static void put_escape(cps_writer_t *w, const char *lead, uint32_t value, unsigned digits)
{
    cps_write_str(w, lead);
    if (digits != 0)
        put_digits(w, value, true, digits);
}

static void put_escaped(cps_writer_t *w, cps_log_format_t format, cps_bytes_t text)
{
    while (text.len != 0) {
        uint32_t point = 0;
        size_t len = decode(text, &point);
        if (len == 0 && format == CPS_LOG_JSON)
            cps_write_str(w, "\\ufffd");
        else if (len == 0)
            put_escape(w, "\\x", text.ptr[0], 2);
        else if (is_control(point))
            put_escape(w, "\\u", point, 4);
        else if (point == '"' || point == '\\')
            put_escape(w, point == '"' ? "\\\"" : "\\\\", 0, 0);
        else
            cps_write_bytes(w, cps_bytes(text.ptr, len));
        len = len == 0 ? 1 : len;
        text = cps_bytes(text.ptr + len, text.len - len);
    }
}

/* Whether a value needs no quotes in a text line. */
static bool is_plain(cps_bytes_t text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/[]%@+-*,;?&~#!$()";
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\0' || strchr(plain, text.ptr[i]) == NULL)
            return false;
    return text.len != 0;
}

static void put_text(cps_writer_t *w, cps_log_format_t format, cps_bytes_t text)
{
    if (format == CPS_LOG_TEXT && is_plain(text)) {
        cps_write_bytes(w, text);
        return;
    }
    cps_write_u8(w, '"');
    put_escaped(w, format, text);
    cps_write_u8(w, '"');
}

static void put_hex(cps_writer_t *w, cps_log_format_t format, cps_bytes_t bytes)
{
    bool quotes = format == CPS_LOG_JSON || bytes.len == 0;
    cps_write_str(w, quotes ? "\"" : "");
    for (size_t i = 0; i < bytes.len; i++)
        put_digits(w, bytes.ptr[i], true, 2);
    cps_write_str(w, quotes ? "\"" : "");
}

static void put_value(cps_writer_t *w, cps_log_format_t format, const cps_log_field_t *field)
{
    char text[CPS_ADDR_TEXT_MAX];
    switch (field->kind) {
    case CPS_LOG_BYTES:
        put_text(w, format, field->bytes);
        break;
    case CPS_LOG_HEX:
        put_hex(w, format, field->bytes);
        break;
    case CPS_LOG_NUMBER:
        put_digits(w, field->number, false, 1);
        break;
    case CPS_LOG_BOOL:
        cps_write_str(w, field->number != 0 ? "true" : "false");
        break;
    case CPS_LOG_ADDR:
        put_text(w, format, cps_bytes_str(cps_addr_format(&field->addr, text)));
        break;
    }
}

/* ---- lines ---- */

static void put_key(cps_writer_t *w, cps_log_format_t format, const char *key)
{
    cps_write_str(w, format == CPS_LOG_JSON ? ",\"" : " ");
    cps_write_str(w, key);
    cps_write_str(w, format == CPS_LOG_JSON ? "\":" : "=");
}

/* sd-daemon(3): the journal takes "<N>" off the line, and keeps N as its priority. */
static void put_priority(cps_writer_t *w, cps_log_level_t level)
{
    static const char *const priorities[] = {"<3>", "<4>", "<6>", "<7>"};
    cps_write_str(w, priorities[level]);
}

static void put_head(cps_writer_t *w, const cps_log_t *log, cps_log_level_t at, const char *name)
{
    char stamp[32];
    struct tm tm;
    uint64_t now_us = log->options.wall_us();
    const char *level = level_names[at];
    time_t seconds = (time_t)(now_us / SECOND_US);
    bool json = log->options.format == CPS_LOG_JSON;
    if (log->journal)
        put_priority(w, at);
    if (log->journal && !json) {
        cps_write_str(w, name);
        return;
    }
    gmtime_r(&seconds, &tm);
    size_t len = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    cps_write_str(w, json ? "{\"time\":\"" : "");
    cps_write_bytes(w, cps_bytes(stamp, len));
    cps_write_str(w, ".");
    put_digits(w, now_us % SECOND_US, false, 6);
    cps_write_str(w, json ? "Z\",\"level\":\"" : "Z ");
    cps_write_str(w, level);
    cps_write_str(w, json ? "\",\"event\":\"" : " ");
    cps_write_str(w, name);
    cps_write_str(w, json ? "\"" : "");
}

static void write_all(cps_log_t *log, const char *line, size_t len)
{
    while (len != 0) {
        ssize_t n = write(log->options.fd, line, len);
        if (n < 0 && errno != EINTR) {
            log->lost++; /* a log that cannot be written stops nothing */
            return;
        }
        line += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

static cps_bytes_t reason_of(const cps_log_field_t *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].key, "reason") == 0)
            return fields[i].bytes;
    return cps_bytes(NULL, 0);
}

/* A line that says how many were left out, and nothing else. */
static bool is_count(const cps_log_field_t *fields, size_t count)
{
    return count == 1 && strcmp(fields[0].key, "suppressed") == 0;
}

/* One field more; false where it does not fit. Then it is taken back whole: half a value says something else. */
static bool put_field(cps_writer_t *w, cps_log_format_t format, const cps_log_field_t *field)
{
    uint8_t *before = w->cur;
    put_key(w, format, field->key);
    put_value(w, format, field);
    if (!w->failed)
        return true;
    w->cur = before;
    w->failed = false;
    return false;
}

static void put_line(cps_log_t *log, cps_log_level_t level, const char *name, const cps_log_field_t *fields,
                     size_t count)
{
    char line[CPS_LOG_LINE_MAX];
    cps_log_format_t format = log->options.format;
    cps_writer_t w = cps_writer(line, sizeof line - TAIL_RESERVE);
    bool cut = false;
    put_head(&w, log, level, name);
    for (size_t i = 0; i < count; i++)
        cut = !put_field(&w, format, &fields[i]) || cut;
    const char *hint = cps_events_hint(name, reason_of(fields, count));
    if (hint != NULL && !is_count(fields, count)) {
        cps_log_field_t field = cps_log_text("hint", hint);
        cut = !put_field(&w, format, &field) || cut;
    }
    w.end += TAIL_RESERVE;
    if (cut) {
        put_key(&w, format, "cut");
        cps_write_str(&w, "true");
    }
    cps_write_str(&w, format == CPS_LOG_JSON ? "}\n" : "\n");
    cps_bytes_t whole = cps_written(&w);
    if (log->options.sink != NULL)
        log->options.sink(log->options.user, level, line, whole.len);
    else
        write_all(log, line, whole.len);
}

cps_log_level_t cps_log_level_of(const char *name)
{
    const char *level = cps_events_level(name);
    size_t i = 0;
    while (i < CPS_LOG_DEBUG && strcmp(level_names[i], level) != 0)
        i++;
    return (cps_log_level_t)i;
}

/* ---- limits ---- */

/* Whether the descriptor is what $JOURNAL_STREAM names: "device:inode". */
static bool is_journal(int fd)
{
    struct stat info;
    char here[48];
    const char *stream = getenv("JOURNAL_STREAM");
    if (stream == NULL || fstat(fd, &info) != 0)
        return false;
    snprintf(here, sizeof here, "%llu:%llu", (unsigned long long)info.st_dev, (unsigned long long)info.st_ino);
    return strcmp(here, stream) == 0;
}

void cps_log_init(cps_log_t *log, const cps_log_options_t *options)
{
    *log = (cps_log_t){.options = *options};
    log->journal = options->sink == NULL && is_journal(options->fd);
    if (log->options.wall_us == NULL)
        log->options.wall_us = cps_clock_wall_us;
    if (log->options.burst == 0)
        log->options.burst = CPS_LOG_BURST;
}

static cps_log_kind_t *find_kind(cps_log_t *log, const char *name)
{
    for (size_t i = 0; i < log->kind_count; i++)
        if (strcmp(log->kinds[i].name, name) == 0)
            return &log->kinds[i];
    if (log->kind_count == CPS_LOG_KINDS_MAX)
        return &log->kinds[CPS_LOG_KINDS_MAX - 1];
    bool last = log->kind_count == CPS_LOG_KINDS_MAX - 1;
    cps_log_kind_t *kind = &log->kinds[log->kind_count++];
    *kind = (cps_log_kind_t){.name = last ? "other" : name};
    return kind;
}

static void put_suppressed(cps_log_t *log, cps_log_kind_t *kind)
{
    cps_log_field_t field = cps_log_number("suppressed", kind->suppressed);
    if (kind->suppressed == 0)
        return;
    kind->suppressed = 0;
    put_line(log, kind->level, kind->name, &field, 1);
}

/* Where the wall clock jumped back the difference wraps, and the second counts as over, too. */
static bool is_over(const cps_log_kind_t *kind, uint64_t now_us) { return now_us - kind->from_us >= SECOND_US; }

void cps_log_event(cps_log_t *log, cps_log_level_t level, const char *name, const cps_log_field_t *fields, size_t count)
{
    if (level > log->options.level)
        return;
    cps_log_kind_t *kind = find_kind(log, name);
    uint64_t now_us = log->options.wall_us();
    if (is_over(kind, now_us)) {
        put_suppressed(log, kind);
        kind->from_us = now_us;
        kind->lines = 0;
    }
    kind->level = level;
    if (kind->lines >= log->options.burst) {
        kind->suppressed++;
        return;
    }
    kind->lines++;
    put_line(log, level, name, fields, count);
}

void cps_log_tick(cps_log_t *log)
{
    uint64_t now_us = log->options.wall_us();
    for (size_t i = 0; i < log->kind_count; i++)
        if (is_over(&log->kinds[i], now_us))
            put_suppressed(log, &log->kinds[i]);
}

void cps_log_flush(cps_log_t *log)
{
    for (size_t i = 0; i < log->kind_count; i++)
        put_suppressed(log, &log->kinds[i]);
}
