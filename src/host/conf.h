// SPDX-License-Identifier: Apache-2.0
/* Configuration by one table: a row a setting, with its key, kind, range, default, help and place in a struct. The table
 * makes the parser, the error texts, the dump and the help. All errors of a file are found in one pass:
 *
 *     door.yaml:8: resources[0].fresh: "10 parsecs" is not a time; write 500ms, 10s, 5m or never
 */
#ifndef CPS_HOST_CONF_H
#define CPS_HOST_CONF_H

#include "host/addr.h"
#include "host/conf_yaml.h"

#include <stdio.h>

#define CPS_CONF_PATH_MAX   192U
#define CPS_CONF_ERRORS_MAX 100U

typedef struct cps_conf cps_conf_t;
typedef struct cps_conf_row cps_conf_row_t;
typedef struct cps_conf_table cps_conf_table_t;

/** A value in a file: where it stands, what it should be. */
typedef struct cps_conf_at {
    const char *path; /**< "resources[0].fresh" */
    const cps_conf_row_t *row;
    const cps_yaml_node_t *node;
} cps_conf_at_t;

/** A kind of value. Kinds are constant; a daemon may bring its own. */
typedef struct cps_conf_kind {
    const char *name; /**< for the help: "time" */
    size_t size;      /**< of its field; 0: of row->table */
    /** Read into a field that holds the default; leave it and call cps_conf_fail where it is wrong. */
    void (*read)(cps_conf_t *c, const cps_conf_at_t *at, void *field);
    /** Write in YAML: what follows "key:" in its line and the lines below, without the last line's end. */
    void (*print)(FILE *out, const cps_conf_row_t *row, const void *field, unsigned indent);
    /** Whether the field holds nothing, so that a dump leaves it out; NULL: never. */
    bool (*is_unset)(const cps_conf_row_t *row, const void *field);
    /** Write the range for the help, "" where there is none; NULL: none. */
    void (*print_range)(FILE *out, const cps_conf_row_t *row);
} cps_conf_kind_t;

struct cps_conf_row {
    const char *key; /**< "listen" or "limits.peers": one group at most, rows of a group side by side */
    const cps_conf_kind_t *kind;
    size_t offset;
    const char *fallback; /**< the default in YAML; NULL: unset */
    const char *help;     /**< one sentence */
    uint64_t min;         /**< numbers, sizes, times; length of a string or list, in bytes of hex */
    uint64_t max;
    const char *const *choices;    /**< NULL at the end */
    const cps_conf_row_t *item;    /**< of a list */
    const cps_conf_table_t *table; /**< of a struct */
    bool required;
    bool secret; /**< never shown, neither in a dump nor in an error */
    bool fixed;  /**< taken at a start alone: a reload that changes it is refused */
};

struct cps_conf_table {
    const cps_conf_row_t *rows;
    size_t count;
    size_t size; /**< of the struct that is filled */
    /** What goes across keys; `path` is where the struct stands, "" for the whole file. May be NULL. */
    void (*check)(cps_conf_t *c, const char *path, void *out);
};

/** A list: `count` items in the memory of the configuration. */
typedef struct cps_conf_list {
    void *items;
    size_t count;
} cps_conf_list_t;

extern const cps_conf_kind_t cps_conf_bool;   /**< bool */
extern const cps_conf_kind_t cps_conf_number; /**< uint32_t */
extern const cps_conf_kind_t cps_conf_factor; /**< uint32_t in thousandths: "1.5" is 1500 */
extern const cps_conf_kind_t cps_conf_size;   /**< uint64_t in bytes: "64KiB" */
extern const cps_conf_kind_t cps_conf_time; /**< uint64_t in us: "500ms"; "never" where max is CPS_TIME_NEVER; 0: unset
                                                    where min is above it */
extern const cps_conf_kind_t cps_conf_string;  /**< const char *; NULL: unset */
extern const cps_conf_kind_t cps_conf_path;    /**< the same, of a file */
extern const cps_conf_kind_t cps_conf_choice;  /**< uint32_t: place in row->choices */
extern const cps_conf_kind_t cps_conf_address; /**< cps_addr_t: "coap://127.0.0.1:5683" */
extern const cps_conf_kind_t cps_conf_net;     /**< cps_net_t: "10.0.0.0/8" */
extern const cps_conf_kind_t cps_conf_hex;     /**< cps_bytes_t; ptr NULL: unset */
extern const cps_conf_kind_t cps_conf_items;   /**< cps_conf_list_t of row->item */
extern const cps_conf_kind_t cps_conf_struct;  /**< row->table; for items */

/** What a file gave: memory, places and errors. */
struct cps_conf {
    const char *file; /**< as it stands in errors */
    cps_conf_mem_t mem;
    struct cps_conf_place *places;
    struct cps_conf_error *errors; /**< in the order of lines */
    size_t error_count;
    cps_err_t err;    /**< of the first error */
    bool at_defaults; /**< while defaults are read: no place in the file stands for them */
};

/** Begin. `file` lives as long as `c`. */
void cps_conf_init(cps_conf_t *c, const char *file);

/** Give all memory back, wiped: the struct that was filled points into it. */
void cps_conf_fini(cps_conf_t *c);

/**
 * Fill the struct of a table from text: defaults first, then what the text says, then the checks. CPS_ERR_CONFIG or the
 * error of a check where something is wrong, with every error in cps_conf_error_text; `out` then holds what could be read.
 */
CPS_MUST_USE cps_err_t cps_conf_parse(cps_conf_t *c, cps_bytes_t text, const cps_conf_table_t *table, void *out);

/** The same from the file. CPS_ERR_IO, with a sentence, where it cannot be read. Nothing else is opened or written. */
CPS_MUST_USE cps_err_t cps_conf_load(cps_conf_t *c, const cps_conf_table_t *table, void *out);

/** The same from an open file, which stays open. */
CPS_MUST_USE cps_err_t cps_conf_load_fd(cps_conf_t *c, int fd, const cps_conf_table_t *table, void *out);

/** Report that the file as a whole is refused: "door.yaml: what". */
void cps_conf_fail_file(cps_conf_t *c, cps_err_t err, const char *what);

/** The errors found, in the order of lines: "door.yaml:8: key: what". NULL past the end. */
const char *cps_conf_error_text(const cps_conf_t *c, size_t index);

/** Report an error at a key (the nearest place above it that the file names, where the key itself is absent). One error
 * a key: more are dropped. `err` is CPS_ERR_CONFIG or a closer one. */
void cps_conf_fail(cps_conf_t *c, cps_err_t err, const char *path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** Whether the file sets this key, and whether what it says there is wrong: for checks, so that none follows from another. */
bool cps_conf_is_set(const cps_conf_t *c, const char *path);
bool cps_conf_is_bad(const cps_conf_t *c, const char *path);

/** The line of a key, or of the nearest place above it; 1 where there is none. */
uint32_t cps_conf_line(const cps_conf_t *c, const char *path);

/** "path.key" (or "key" where path is empty) in `out`; gives `out`. */
const char *cps_conf_join(char out[CPS_CONF_PATH_MAX], const char *path, const char *key);

/** Write what a struct holds as YAML that reads back the same. Secrets are left out. */
void cps_conf_dump(FILE *out, const cps_conf_table_t *table, const void *value);

/** The first row from place `*at` on that is fixed and holds something else in `a` than in `b`, with `*at` behind it; NULL
 * where there is none. CPS_ERR_MEMORY counts as a difference. */
const cps_conf_row_t *cps_conf_fixed_change(const cps_conf_table_t *table, const void *a, const void *b, size_t *at);

/** Write the table for people: key, kind, range, default, help; in the order of the table. */
void cps_conf_help(FILE *out, const cps_conf_table_t *table);

/* ---- for kinds ---- */

/** The scalar of a value; NULL, with an error, where it is a list or map. */
const char *cps_conf_scalar(cps_conf_t *c, const cps_conf_at_t *at);

/** Report that a scalar is wrong: the value in quotes (not where it is a secret), then `what`. */
void cps_conf_wrong(cps_conf_t *c, const cps_conf_at_t *at, const char *what);

/** Remember that a key is set at a line. */
void cps_conf_mark(cps_conf_t *c, const char *path, uint32_t line);

/** Read a map into a struct. */
void cps_conf_read_struct(cps_conf_t *c, const cps_conf_table_t *table, const cps_conf_at_t *at, void *out);

/** Write the rows of a struct, each in a line with `indent` spaces before it (but the first where `inline_first`). */
void cps_conf_print_struct(FILE *out, const cps_conf_table_t *table, const void *value, unsigned indent,
                           bool inline_first);

/** Write a text in double quotes as YAML. */
void cps_conf_print_text(FILE *out, const char *text);

#endif /* CPS_HOST_CONF_H */
