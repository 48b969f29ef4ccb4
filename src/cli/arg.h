// SPDX-License-Identifier: Apache-2.0
/* Options of a command line by one table: a row an option. Options and words may stand in any order; "--" ends the
 * options. Short ones may be joined (-vq), and their value may follow at once (-elocked); long ones take theirs behind "="
 * or as the next word. Whatever is wrong is one sentence on standard error that names the nearest known option. */
#ifndef CPS_CLI_ARG_H
#define CPS_CLI_ARG_H

#include "base/bytes.h"

/** An option. */
typedef struct cps_arg_row {
    char letter;       /**< 'm' of -m; 0: none */
    const char *name;  /**< "timeout" of --timeout; NULL: none */
    const char *value; /**< what its value is called in the help; NULL: it has none */
    const char *help;  /**< one line; NULL: not listed */
    bool digits;       /**< a number may follow the letter at once: -v7 */
} cps_arg_row_t;

/** A walk over the arguments of a command. */
typedef struct cps_args {
    const char *command; /**< for sentences: "coapsule get" */
    const cps_arg_row_t *rows;
    size_t count;
    int argc;
    char **argv;
    int at;
    const char *joined; /**< rest of joined short options */
    bool words_only;
} cps_args_t;

/** What the walk found. */
typedef struct cps_arg {
    const cps_arg_row_t *row; /**< NULL: a word, in `value` */
    const char *value;        /**< of the option, or of the digits behind it; NULL: none */
} cps_arg_t;

typedef enum cps_arg_got { CPS_ARG_GOT, CPS_ARG_END, CPS_ARG_WRONG } cps_arg_got_t;

/** A walk over argv[1] and what follows. */
cps_args_t cps_args_begin(const char *command, const cps_arg_row_t *rows, size_t count, int argc, char **argv);

/** The next option or word. CPS_ARG_WRONG: said on standard error already. */
cps_arg_got_t cps_args_next(cps_args_t *args, cps_arg_t *out);

/** Print the table for the help. */
void cps_args_help(const cps_arg_row_t *rows, size_t count);

/** The name of a list nearest to a word, if one is near enough to have been meant; else NULL. */
const char *cps_nearest(const char *word, const char *const *names, size_t count);

/** Say a sentence on standard error ("coapsule get: ...") and give the exit code of wrong usage: `return cps_usage(...)`. */
__attribute__((format(printf, 2, 3))) int cps_usage(const char *command, const char *format, ...);

/** A whole decimal number of at most `max`; false for anything else. */
bool cps_arg_number(const char *text, uint64_t max, uint64_t *out);

/** Seconds with up to three decimals, as milliseconds; false for anything else and for no time at all. */
bool cps_arg_seconds(const char *text, uint32_t *ms);

/** "0x" and hex, or the text itself as bytes, into `out`; false where it is malformed hex or does not fit. */
bool cps_arg_bytes(const char *text, uint8_t *out, size_t cap, size_t *len);

#endif /* CPS_CLI_ARG_H */
