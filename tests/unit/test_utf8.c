// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include "base/utf8.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* The first and the last character of every row of RFC 3629 §4. */
static void text_is_valid(void **state)
{
    (void)state;
    static const char *const good[] = {
        "",         "00",       "7f",       "c280",     "dfbf",     "e0a080",   "e0bfbf",
        "e18080",   "ecbfbf",   "ed8080",   "ed9fbf",   "ee8080",   "efbfbf",   "f0908080",
        "f0bfbfbf", "f1808080", "f3bfbfbf", "f4808080", "f48fbfbf", "41c3a942", "e0a08041",
    };
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(cps_utf8_valid(hex(good[i])));
}

static void other_bytes_are_not(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "80",       "bf",       "c0af",   "c1bf",        "c2",        "c27f",     "c2c0",
        "dfc0",                                                                             /* alone, overlong */
        "e0",       "e080",     "e09fbf", "e0a0",        "e0a07f",    "e1807f",   "e180c0", /* three bytes */
        "eda080",   "edbfbf",                                                               /* surrogates */
        "f08fbfbf", "f0908f",   "f09080", "f0908080 80", "f490 8080", "f5808080", "ff",
        "fe", /* above 10ffff */
        "41c2",     "f1808041",
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(cps_utf8_valid(hex(bad[i])));
}

static const cps_case_t cases[] = {
    {"", "the ends of every range of UTF-8 are valid", text_is_valid},
    {"", "overlong forms, surrogates, cut and stray bytes are not", other_bytes_are_not},
};

CPS_RUN("utf8", cases)
