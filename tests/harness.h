// SPDX-License-Identifier: Apache-2.0
/* One table a test program: what each case proves (at most three requirement ids), its name, its function. Runs under
 * cmocka with TAP output; tools/run-tests reads the ids from the TAP lines. */
#ifndef CPS_TESTS_HARNESS_H
#define CPS_TESTS_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"

typedef struct cps_case {
    const char *ids;  /**< "MSG-1 MSG-2", or "" for a case that proves no requirement */
    const char *name; /**< one line, what is shown */
    void (*fn)(void **state);
} cps_case_t;

/** Run all cases of a table; the exit code of main. A first argument picks the cases whose name holds it. */
int cps_run(int argc, char **argv, const char *suite, const cps_case_t *cases, size_t count);

#define CPS_RUN(suite, cases)                                                                                          \
    int main(int argc, char **argv) { return cps_run(argc, argv, suite, cases, sizeof(cases) / sizeof(cases)[0]); }

#define assert_ok(expr)                assert_err(CPS_OK, expr)
#define assert_err(expected, expr)     cps_assert_err(expected, expr, #expr, __FILE__, __LINE__)
#define assert_bytes(expected, actual) cps_assert_bytes(expected, actual, __FILE__, __LINE__)

/** Compare error codes and say their names where they differ. */
void cps_assert_err(cps_err_t expected, cps_err_t actual, const char *expr, const char *file, int line);

/** Compare bytes and print both as hex where they differ. */
void cps_assert_bytes(cps_bytes_t expected, cps_bytes_t actual, const char *file, int line);

/** Bytes of a hex literal in static storage of the test program: valid until 64 later calls. Spaces are skipped. */
cps_bytes_t hex(const char *text);

#endif /* CPS_TESTS_HARNESS_H */
