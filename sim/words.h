// SPDX-License-Identifier: Apache-2.0
/* Reads the words of a command line one by one. Sticky as a reader of bytes: the first thing that is wrong stays, with a
 * sentence about it, and every later call does nothing. */
#ifndef CPS_SIM_WORDS_H
#define CPS_SIM_WORDS_H

#include "base/bytes.h"

#define CPS_WORDS_ERROR_MAX 200U

typedef struct cps_words {
    const char *at;
    bool failed;
    char error[CPS_WORDS_ERROR_MAX];
} cps_words_t;

/** Start at a line, which has to live as long. Words are parted by blanks; "#" starts a comment. */
void cps_words_start(cps_words_t *w, const char *line);

/** The next word without taking it; empty at the end or after a failure. */
cps_bytes_t cps_words_peek(const cps_words_t *w);

/** Take the next word; empty at the end. */
cps_bytes_t cps_words_next(cps_words_t *w);

/** Take the next word if it is this one. */
bool cps_words_take(cps_words_t *w, const char *word);

/** Fail where words are left. */
void cps_words_end(cps_words_t *w);

/** Fail with a sentence: "`what` `word` problem". An empty word is shown as the end of the line. */
void cps_words_fail(cps_words_t *w, const char *what, cps_bytes_t word, const char *problem);

/** A number, decimal or 0x…, at most `max`. `what` names it in the sentence. */
uint64_t cps_words_number(cps_words_t *w, const char *what, uint64_t max);

/** The same with an optional "-" before it; the magnitude is at most `max`, itself at most INT32_MAX. */
int32_t cps_words_signed(cps_words_t *w, const char *what, int32_t max);

/** A range "20-40", or "20" for exactly that. */
void cps_words_range(cps_words_t *w, const char *what, uint32_t *min, uint32_t *max);

/** A time with its unit: us, ms or s. */
uint64_t cps_words_time_us(cps_words_t *w, const char *what);

/** An address as cps_simaddr_parse reads it. */
cps_addr_t cps_words_addr(cps_words_t *w, const char *what);

/** Bytes as hex, "-" for none, into `buf`; the view of them. */
cps_bytes_t cps_words_hex(cps_words_t *w, const char *what, uint8_t *buf, size_t cap);

/** A name of letters, digits, "_", "." and "-" into `out` of `cap` bytes with the final zero. */
void cps_words_label(cps_words_t *w, const char *what, char *out, size_t cap);

#endif /* CPS_SIM_WORDS_H */
