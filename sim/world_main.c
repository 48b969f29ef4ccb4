// SPDX-License-Identifier: Apache-2.0
/* coapsule-sim: worlds from seeds (docs/simulator.md). `--seed N --trace` shows one; `--seeds FROM-TO` runs many, over as
 * many processes as `--jobs` says, and tells which failed. */
#include "sim/world.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX 64U

typedef struct order {
    uint64_t from;
    uint64_t to;
    unsigned jobs;
    bool trace;
} order_t;

static int usage(void)
{
    fputs("usage: coapsule-sim --seed N [--trace] | --seeds FROM-TO [--jobs N]\n", stderr);
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
    fflush(stdout);
    return !report.failed;
}

/* Every `jobs`-th seed from the `nth` on. */
static int run_share(const order_t *order, unsigned nth)
{
    cps_crypto_t crypto;
    bool good = true;
    if (cps_crypto_openssl_init(&crypto) != CPS_OK)
        return 3;
    for (uint64_t seed = order->from + nth; seed <= order->to; seed += order->jobs)
        good = run_one(seed, &crypto, order->trace ? stdout : NULL) && good;
    cps_crypto_openssl_fini(&crypto);
    return good ? 0 : 1;
}

static int run(const order_t *order)
{
    int worst = 0;
    unsigned started = 0;
    for (unsigned nth = 1; nth < order->jobs; nth++) {
        pid_t child = fork();
        if (child == 0)
            _exit(run_share(order, nth));
        if (child < 0)
            worst = 3;
        else
            started++;
    }
    int own = run_share(order, 0);
    worst = own > worst ? own : worst;
    for (int status = 0; started > 0; started--)
        if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) > worst)
            worst = WIFEXITED(status) ? WEXITSTATUS(status) : 3;
    unsigned long long count = order->to - order->from + 1;
    printf("%llu worlds, %s\n", count, worst == 0 ? "all kept the invariants" : "NOT all kept the invariants");
    return worst;
}

/* "7", or "0-9" where a range may stand. */
static bool read_seeds(const char *text, bool range, order_t *order)
{
    char *end = NULL;
    order->from = strtoull(text, &end, 10);
    order->to = order->from;
    if (range && *end == '-')
        order->to = strtoull(end + 1, &end, 10);
    return *text != '\0' && *end == '\0' && order->to >= order->from;
}

static bool read_rest(int argc, char **argv, bool range, order_t *order)
{
    if (argc == 4 && !range && strcmp(argv[3], "--trace") == 0) {
        order->trace = true;
        return true;
    }
    if (argc == 5 && range && strcmp(argv[3], "--jobs") == 0) {
        order->jobs = (unsigned)strtoul(argv[4], NULL, 10);
        return order->jobs >= 1 && order->jobs <= JOBS_MAX;
    }
    return argc == 3;
}

int main(int argc, char **argv)
{
    order_t order = {.jobs = 1};
    bool range = argc > 1 && strcmp(argv[1], "--seeds") == 0;
    if (argc < 3 || (!range && strcmp(argv[1], "--seed") != 0) || !read_seeds(argv[2], range, &order) ||
        !read_rest(argc, argv, range, &order))
        return usage();
    return run(&order);
}
