// SPDX-License-Identifier: Apache-2.0
/* Test vectors as tables of texts, made from the JSON files of this folder by tools/vectors-to-c at build time: include
 * "vectors/NAME.gen.h" for `static const vec_t NAME[]`. */
#ifndef CPS_TESTS_VECTORS_VEC_H
#define CPS_TESTS_VECTORS_VEC_H

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct vec_field {
    const char *name;
    const char *text;
} vec_field_t;

/** One vector; the row after its last has no name. */
typedef struct vec {
    const vec_field_t *fields;
} vec_t;

/** The text of a field, or NULL where the vector has none. */
static inline const char *vec_find(const vec_t *v, const char *name)
{
    for (const vec_field_t *f = v->fields; f->name != NULL; f++)
        if (strcmp(f->name, name) == 0)
            return f->text;
    return NULL;
}

/** The text of a field that has to be there. */
static inline const char *vec_text(const vec_t *v, const char *name)
{
    const char *text = vec_find(v, name);
    if (text == NULL)
        fail_msg("vector %s has no %s", vec_find(v, "id"), name);
    return text;
}

/** Bytes of a hex field; lives as long as what hex() gives. */
static inline cps_bytes_t vec_hex(const vec_t *v, const char *name) { return hex(vec_text(v, name)); }

static inline long vec_number(const vec_t *v, const char *name) { return strtol(vec_text(v, name), NULL, 10); }

/** The field of a nested name, e.g. ("request_piv14", "aad"). */
static inline const char *vec_join(char *buf, size_t len, const char *group, const char *name)
{
    snprintf(buf, len, "%s.%s", group, name);
    return buf;
}

#endif /* CPS_TESTS_VECTORS_VEC_H */
