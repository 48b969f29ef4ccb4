// SPDX-License-Identifier: Apache-2.0
/* observe: a line a notification, until the time is up or a signal comes. */
#include "cli/cmd.h"
#include "cli/cmd_request.h"
#include "cli/show.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 200U /* how often signals are looked for */

static sigset_t ending(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

void cps_ask_hold_signals(void)
{
    sigset_t set = ending();
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static uint64_t now_ms(void)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000U + (uint64_t)at.tv_nsec / 1000000U;
}

/* What is under way. */
typedef struct watch {
    const cps_ask_t *ask;
    cps_client_t *client;
    cps_observation_t *observation;
    int fd;
    int signals;
    uint64_t last_ms; /* when the last one came */
    uint32_t max_age;
    uint32_t count;
} watch_t;

/* The body of a notification is a line of its own, whoever reads it. */
static int show(watch_t *w, cps_response_t *response)
{
    static const char newline = '\n';
    cps_bytes_t payload = cps_response_payload(response);
    bool own_line = w->ask->json || isatty(w->fd) != 0 || cps_response_diagnostic(response) != NULL ||
                    (payload.len != 0 && payload.ptr[payload.len - 1] == '\n');
    int status = cps_show_response(w->ask, response, w->fd);
    (void)fflush(stdout); /* JSON goes that way */
    w->last_ms = now_ms();
    w->max_age = cps_response_max_age(response);
    w->count++;
    cps_response_free(response);
    if (own_line || status != 0)
        return status;
    while (write(w->fd, &newline, 1) < 0)
        if (errno != EINTR)
            return cps_err_exit(CPS_ERR_IO);
    return 0;
}

/* RFC 7641 §3.3.1: what is older than its Max-Age is not current. */
static void show_stale(const watch_t *w)
{
    if (!w->ask->quiet)
        fprintf(stderr, "stale: nothing came for %llu s, and the last state was good for %u s\n",
                (unsigned long long)((now_ms() - w->last_ms) / 1000U), w->max_age);
}

static bool is_over(const watch_t *w, uint64_t until_ms)
{
    struct signalfd_siginfo signal;
    if (w->ask->observe_count != 0 && w->count >= w->ask->observe_count)
        return true;
    if (w->ask->observe_ms != 0 && now_ms() >= until_ms)
        return true;
    return read(w->signals, &signal, sizeof signal) == (ssize_t)sizeof signal;
}

static int follow(watch_t *w)
{
    uint64_t until_ms = now_ms() + w->ask->observe_ms;
    int status = 0;
    while (status == 0 && !is_over(w, until_ms)) {
        cps_response_t *response = NULL;
        cps_err_t err = cps_observation_next(w->observation, LOOK_MS, &response);
        if (err == CPS_OK && response != NULL)
            status = show(w, response);
        else if (err == CPS_OK)
            show_stale(w);
        else if (err == CPS_ERR_CANCELED)
            break;
        else if (err != CPS_ERR_TIMEOUT)
            status = cps_show_failure(w->ask, w->client, err);
    }
    return status;
}

static int watch(watch_t *w)
{
    sigset_t set = ending();
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    w->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (w->signals < 0) {
        fprintf(stderr, "%s: signals cannot be caught\n", w->ask->command);
        return cps_err_exit(CPS_ERR_IO);
    }
    int status = follow(w);
    close(w->signals);
    return status;
}

int cps_ask_observe(const cps_ask_t *ask, cps_client_t *client, const cps_client_request_t *request, int fd)
{
    watch_t w = {.ask = ask, .client = client, .fd = fd};
    cps_response_t *response = NULL;
    sigset_t set = ending();
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL); /* before there is something to end, a signal ends all at once */
    cps_err_t err = cps_client_observe(client, request, &response, &w.observation);
    if (err != CPS_OK)
        return cps_show_failure(ask, client, err);
    int status = show(&w, response);
    if (w.observation == NULL) {
        if (status == 0 && !ask->quiet)
            fprintf(stderr, "%s: the server does not notify: that was one answer\n", ask->command);
        return status;
    }
    w.count = 0; /* of notifications; the first answer is none */
    if (status == 0)
        status = watch(&w);
    if (cps_observation_end(w.observation) != CPS_OK && !ask->quiet)
        fprintf(stderr, "%s: the server did not say that it heard of the end\n", ask->command);
    return status;
}
