// SPDX-License-Identifier: Apache-2.0
/* A client of test_flood.py: it locks and unlocks a lock, sealed, one request after the other. A line "started" follows the
 * first answer; after so many seconds one line of JSON tells how it went. It repeats sooner and more often than a client
 * does by itself: beside a flood a datagram gets through with luck.
 *
 *     steady KEYRING CREDENTIAL URI SECONDS */
#include <coapsule/client.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SAMPLES_MAX 200000U

typedef struct steady {
    cps_client_t *client;
    const char *uri;
    unsigned answered;
    unsigned failed;
    double *took_ms;
} steady_t;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* What was locked is unlocked; anything but a sealed 2.04 is a failure, and is told. */
static void turn(steady_t *s)
{
    cps_response_t *response = NULL;
    double start = now_ms();
    cps_err_t err = cps_client_put(s->client, s->uri, s->answered % 2 == 0 ? "unlocked" : "locked", &response);
    bool good = err == CPS_OK && cps_response_code(response) == CPS_CHANGED && cps_response_sealed(response);
    if (!good) {
        s->failed++;
        fprintf(stderr, "steady: %s: %s\n", cps_err_name(err),
                err == CPS_OK ? cps_code_text((uint8_t)cps_response_code(response)) : cps_client_detail(s->client));
    } else if (s->answered < SAMPLES_MAX) {
        s->took_ms[s->answered++] = now_ms() - start;
    }
    cps_response_free(response);
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static void tell(steady_t *s)
{
    qsort(s->took_ms, s->answered, sizeof s->took_ms[0], compare);
    double median = s->answered != 0 ? s->took_ms[s->answered / 2] : 0;
    double worst = s->answered != 0 ? s->took_ms[s->answered - 1] : 0;
    printf("{\"answered\": %u, \"failed\": %u, \"median_ms\": %.2f, \"worst_ms\": %.2f}\n", s->answered, s->failed,
           median, worst);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "steady KEYRING CREDENTIAL URI SECONDS\n");
        return 2;
    }
    steady_t s = {.uri = argv[3], .took_ms = calloc(SAMPLES_MAX, sizeof(double))};
    cps_client_options_t options = {.size = sizeof options, .state = argv[1], .credential = argv[2], .sealed = true};
    options.endpoint.transmission = (cps_transmission_t){.ack_timeout_us = 50000, .max_retransmit = 10, .unsafe = true};
    cps_err_t err = cps_client_new(&s.client, &options);
    if (err != CPS_OK || s.took_ms == NULL) {
        fprintf(stderr, "steady: %s\n", cps_client_detail(NULL));
        return 1;
    }
    turn(&s);
    puts("started");
    fflush(stdout);
    for (double end = now_ms() + strtod(argv[4], NULL) * 1e3; now_ms() < end && s.answered < SAMPLES_MAX;)
        turn(&s);
    tell(&s);
    cps_client_free(s.client);
    free(s.took_ms);
    return s.failed == 0 ? 0 : 1;
}
