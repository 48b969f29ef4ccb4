// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

static size_t fill(struct CMUnitTest *tests, char (*names)[512], const cps_case_t *cases, size_t count,
                   const char *pick)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (pick != NULL && strstr(cases[i].name, pick) == NULL)
            continue;
        (void)snprintf(names[used], sizeof names[used], "%s [%s]", cases[i].name, cases[i].ids);
        tests[used] = (struct CMUnitTest){names[used], cases[i].fn, NULL, NULL, NULL};
        used++;
    }
    return used;
}

int cps_run(int argc, char **argv, const char *suite, const cps_case_t *cases, size_t count)
{
    struct CMUnitTest *tests = calloc(count, sizeof *tests);
    char(*names)[512] = calloc(count, sizeof *names);
    int failed = -1;
    /* What was said before a crash must have been said. */
    if (tests != NULL && names != NULL && setvbuf(stdout, NULL, _IOLBF, 0) == 0) {
        size_t used = fill(tests, names, cases, count, argc > 1 ? argv[1] : NULL);
        cmocka_set_message_output(CM_OUTPUT_TAP);
        failed = _cmocka_run_group_tests(suite, tests, used, NULL, NULL);
    }
    free(tests);
    free(names);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

void cps_assert_err(cps_err_t expected, cps_err_t actual, const char *expr, const char *file, int line)
{
    if (expected == actual)
        return;
    print_error("%s: %s, not %s\n", expr, cps_err_name(actual), cps_err_name(expected));
    _fail(file, line);
}

static void print_bytes(const char *label, cps_bytes_t b)
{
    char *text = malloc(2 * b.len + 1);
    if (text == NULL || !cps_hex_encode(b, text, 2 * b.len + 1))
        return;
    print_error("%s %s\n", label, text);
    free(text);
}

void cps_assert_bytes(cps_bytes_t expected, cps_bytes_t actual, const char *file, int line)
{
    if (cps_bytes_equal(expected, actual))
        return;
    print_bytes("expected", expected);
    print_bytes("actual  ", actual);
    _fail(file, line);
}

cps_bytes_t hex(const char *text)
{
    static uint8_t ring[64][2048];
    static unsigned at;
    char packed[2 * sizeof ring[0]];
    size_t len = 0;
    for (; *text != '\0' && len < sizeof packed; text++)
        if (*text != ' ')
            packed[len++] = *text;
    uint8_t *place = ring[at++ % 64U];
    size_t bytes = 0;
    if (!cps_hex_decode(packed, len, place, sizeof ring[0], &bytes))
        fail_msg("not hex: %s", packed);
    return cps_bytes(place, bytes);
}
