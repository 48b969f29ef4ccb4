// SPDX-License-Identifier: Apache-2.0
#include "sim/words.h"

#include "sim/addr.h"

#include <stdio.h>

void cps_words_start(cps_words_t *w, const char *line) { *w = (cps_words_t){line, false, ""}; }

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

cps_bytes_t cps_words_peek(const cps_words_t *w)
{
    const char *start = w->at;
    if (w->failed)
        return cps_bytes(NULL, 0);
    while (is_blank(*start))
        start++;
    const char *end = start;
    if (*start != '#')
        while (*end != '\0' && !is_blank(*end))
            end++;
    return cps_bytes(start, (size_t)(end - start));
}

cps_bytes_t cps_words_next(cps_words_t *w)
{
    cps_bytes_t word = cps_words_peek(w);
    if (word.len != 0)
        w->at = (const char *)word.ptr + word.len;
    return word;
}

bool cps_words_take(cps_words_t *w, const char *word)
{
    cps_bytes_t next = cps_words_peek(w);
    if (next.len == 0 || !cps_bytes_equal(next, cps_bytes_str(word)))
        return false;
    cps_words_next(w);
    return true;
}

void cps_words_end(cps_words_t *w)
{
    cps_bytes_t word = cps_words_peek(w);
    if (word.len != 0)
        cps_words_fail(w, "the command ends before", word, "");
}

void cps_words_fail(cps_words_t *w, const char *what, cps_bytes_t word, const char *problem)
{
    if (w->failed)
        return;
    w->failed = true;
    int shown = word.len > 40 ? 40 : (int)word.len;
    const char *cut = word.len > 40 ? "..." : "";
    const char *gap = *problem == '\0' ? "" : " ";
    if (word.len == 0)
        snprintf(w->error, sizeof w->error, "%s: the line ends here%s%s", what, *problem == '\0' ? "" : ", which ",
                 problem);
    else
        snprintf(w->error, sizeof w->error, "%s \"%.*s%s\"%s%s", what, shown, (const char *)word.ptr, cut, gap,
                 problem);
}

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 16;
}

static bool parse_number(cps_bytes_t word, uint64_t max, uint64_t *out)
{
    unsigned base = 10;
    if (word.len > 2 && word.ptr[0] == '0' && (word.ptr[1] == 'x' || word.ptr[1] == 'X')) {
        base = 16;
        word = cps_bytes(word.ptr + 2, word.len - 2);
    }
    uint64_t value = 0;
    for (size_t i = 0; i < word.len; i++) {
        unsigned digit = (unsigned)digit_of(word.ptr[i]);
        if (digit >= base || value > (max - digit) / base || digit > max)
            return false;
        value = value * base + digit;
    }
    *out = value;
    return word.len != 0;
}

uint64_t cps_words_number(cps_words_t *w, const char *what, uint64_t max)
{
    uint64_t value = 0;
    cps_bytes_t word = cps_words_next(w);
    char problem[64];
    snprintf(problem, sizeof problem, "is not a number up to %llu", (unsigned long long)max);
    if (!parse_number(word, max, &value)) {
        cps_words_fail(w, what, word, problem);
        return 0;
    }
    return value;
}

int32_t cps_words_signed(cps_words_t *w, const char *what, int32_t max)
{
    cps_bytes_t word = cps_words_next(w);
    bool negative = word.len != 0 && word.ptr[0] == '-';
    uint64_t value = 0;
    if (!parse_number(negative ? cps_bytes(word.ptr + 1, word.len - 1) : word, (uint64_t)max, &value)) {
        cps_words_fail(w, what, word, "is not an offset");
        return 0;
    }
    return negative ? -(int32_t)value : (int32_t)value;
}

void cps_words_range(cps_words_t *w, const char *what, uint32_t *min, uint32_t *max)
{
    uint64_t low = 0;
    uint64_t high = 0;
    cps_bytes_t word = cps_words_next(w);
    const uint8_t *dash = word.len == 0 ? NULL : memchr(word.ptr, '-', word.len);
    size_t low_len = dash == NULL ? word.len : (size_t)(dash - word.ptr);
    bool good = parse_number(cps_bytes(word.ptr, low_len), UINT32_MAX, &low);
    high = low;
    if (good && dash != NULL)
        good = parse_number(cps_bytes(dash + 1, word.len - low_len - 1), UINT32_MAX, &high);
    if (!good || low > high) {
        cps_words_fail(w, what, word, "is not a range; write 20-40, or 20");
        return;
    }
    *min = (uint32_t)low;
    *max = (uint32_t)high;
}

uint64_t cps_words_time_us(cps_words_t *w, const char *what)
{
    static const struct {
        const char *name;
        uint64_t us;
    } units[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}}; /* "s" last: the others end with it */
    cps_bytes_t word = cps_words_next(w);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t unit_len = strlen(units[i].name);
        if (word.len <= unit_len || memcmp(word.ptr + word.len - unit_len, units[i].name, unit_len) != 0)
            continue;
        uint64_t value = 0;
        if (!parse_number(cps_bytes(word.ptr, word.len - unit_len), UINT32_MAX, &value))
            break;
        return value * units[i].us;
    }
    cps_words_fail(w, what, word, "is not a time; write 100us, 50ms or 2s");
    return 0;
}

cps_addr_t cps_words_addr(cps_words_t *w, const char *what)
{
    cps_addr_t addr = {0};
    cps_bytes_t word = cps_words_next(w);
    if (!cps_simaddr_parse((const char *)word.ptr, word.len, &addr)) {
        cps_words_fail(w, what, word, "is not an address; write 127.0.0.1:5683, [::1]:5683 or *:5683");
        return (cps_addr_t){0};
    }
    return addr;
}

cps_bytes_t cps_words_hex(cps_words_t *w, const char *what, uint8_t *buf, size_t cap)
{
    size_t len = 0;
    cps_bytes_t word = cps_words_next(w);
    if (word.len == 1 && word.ptr[0] == '-')
        return cps_bytes(buf, 0);
    if (word.len == 0 || !cps_hex_decode((const char *)word.ptr, word.len, buf, cap, &len)) {
        cps_words_fail(w, what, word, word.len / 2 > cap ? "is too long" : "is not hex; - stands for no bytes");
        return cps_bytes(buf, 0);
    }
    return cps_bytes(buf, len);
}

static bool is_label_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
}

void cps_words_label(cps_words_t *w, const char *what, char *out, size_t cap)
{
    cps_bytes_t word = cps_words_next(w);
    bool good = word.len != 0 && word.len < cap;
    for (size_t i = 0; good && i < word.len; i++)
        good = is_label_char(word.ptr[i]);
    out[0] = '\0';
    if (!good) {
        cps_words_fail(w, what, word, "is not a name; use up to 31 letters, digits, _ . and -");
        return;
    }
    memcpy(out, word.ptr, word.len);
    out[word.len] = '\0';
}
