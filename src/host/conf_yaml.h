// SPDX-License-Identifier: Apache-2.0
/* YAML as configuration uses it: maps, lists and scalars, each with its line, built from the events of libyaml. Anchors,
 * aliases and tags are refused: what a file says stands where it is read. */
#ifndef CPS_HOST_CONF_YAML_H
#define CPS_HOST_CONF_YAML_H

#include "base/bytes.h"

#define CPS_YAML_BYTES_MAX 1048576U /* of a file */
#define CPS_YAML_NODES_MAX 100000U
#define CPS_YAML_DEPTH_MAX 16U

/** Memory of a configuration: taken in pieces, given back at once, and wiped then, since there may be secrets in it. */
typedef struct cps_conf_mem {
    struct cps_conf_block *blocks;
} cps_conf_mem_t;

/** `len` zeroed bytes, aligned for anything; NULL where the system has none. */
void *cps_conf_take(cps_conf_mem_t *mem, size_t len);

/** A copy that ends with a zero; NULL where the system has no memory. */
char *cps_conf_copy(cps_conf_mem_t *mem, cps_bytes_t text);

/** Give all of it back, wiped. */
void cps_conf_mem_fini(cps_conf_mem_t *mem);

typedef enum cps_yaml_kind { CPS_YAML_SCALAR, CPS_YAML_LIST, CPS_YAML_MAP } cps_yaml_kind_t;

typedef struct cps_yaml_node {
    cps_yaml_kind_t kind;
    uint32_t line; /**< counted from 1 */
    bool quoted;   /**< a scalar in quotes, or a block of text */
    const char *text;
    uint32_t count; /**< of the children of a list or map */
    struct cps_yaml_node *first;
    struct cps_yaml_node *next; /**< in the same list or map */
    const char *key;            /**< in a map */
    uint32_t key_line;
} cps_yaml_node_t;

typedef struct cps_yaml_problem {
    uint32_t line;
    const char *text; /**< a sentence without a full stop; static */
} cps_yaml_problem_t;

/**
 * Read one document into `mem`. An empty one is an empty map. CPS_ERR_CONFIG with the first problem, CPS_ERR_MEMORY.
 * Duplicate keys are left to the caller, who can name them.
 */
CPS_MUST_USE cps_err_t cps_yaml_read(cps_conf_mem_t *mem, cps_bytes_t text, cps_yaml_node_t **root,
                                     cps_yaml_problem_t *problem);

#endif /* CPS_HOST_CONF_YAML_H */
