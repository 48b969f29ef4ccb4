// SPDX-License-Identifier: Apache-2.0
/* coapsule-sim: worlds from seeds. `--seed N --trace` shows one; `--seeds FROM-TO` runs many and says which failed. */
#include "sim/world.h"

#include <stdlib.h>

static int usage(void)
{
    fputs("usage: coapsule-sim --seed N [--trace] | --seeds FROM-TO\n", stderr);
    return 2;
}

static bool run_one(uint64_t seed, cps_crypto_t *crypto, FILE *trace)
{
    cps_world_report_t report;
    cps_err_t err = cps_world_run(seed, crypto, trace, &report);
    if (err != CPS_OK) {
        fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, cps_err_text(err));
        return false;
    }
    if (report.failed)
        printf("seed %llu failed %s\n  see it: coapsule-sim --seed %llu --trace\n", (unsigned long long)seed,
               report.reason, (unsigned long long)seed);
    return !report.failed;
}

int main(int argc, char **argv)
{
    uint64_t from = 0;
    uint64_t to = 0;
    bool trace = argc == 4 && strcmp(argv[3], "--trace") == 0;
    char *end = NULL;
    if (argc < 3 || (argc == 4 && !trace) || argc > 4)
        return usage();
    from = strtoull(argv[2], &end, 10);
    to = from;
    if (strcmp(argv[1], "--seeds") == 0 && *end == '-')
        to = strtoull(end + 1, &end, 10);
    else if (strcmp(argv[1], "--seed") != 0)
        return usage();
    if (*end != '\0' || to < from)
        return usage();
    cps_crypto_t crypto;
    if (cps_crypto_openssl_init(&crypto) != CPS_OK)
        return 3;
    uint64_t failed = 0;
    for (uint64_t seed = from; seed <= to; seed++)
        failed += run_one(seed, &crypto, trace ? stdout : NULL) ? 0 : 1;
    printf("%llu worlds, %llu failed\n", (unsigned long long)to - from + 1, (unsigned long long)failed);
    cps_crypto_openssl_fini(&crypto);
    return failed == 0 ? 0 : 1;
}
