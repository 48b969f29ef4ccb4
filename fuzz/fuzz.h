// SPDX-License-Identifier: Apache-2.0
/* What every fuzzer shares. */
#ifndef CPS_FUZZ_FUZZ_H
#define CPS_FUZZ_FUZZ_H

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>

/** The entry that libFuzzer calls. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Stop at a broken promise and say which; unlike assert, in every build. */
#define demand(holds) demand_at((holds), #holds, __FILE__, __LINE__)

/** What demand() does. */
static inline void demand_at(bool holds, const char *promise, const char *file, int line)
{
    if (holds)
        return;
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, promise);
    abort();
}

/** The part of `*rest` in front of its first `stop`, which is cut off with it; all of it where there is none. */
static inline cps_bytes_t fuzz_cut(cps_bytes_t *rest, uint8_t stop)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->ptr, stop, rest->len);
    size_t len = at == NULL ? rest->len : (size_t)(at - rest->ptr);
    cps_bytes_t part = cps_bytes(rest->ptr, len);
    *rest = at == NULL ? cps_bytes(NULL, 0) : cps_bytes(at + 1, rest->len - len - 1);
    return part;
}

#endif /* CPS_FUZZ_FUZZ_H */
