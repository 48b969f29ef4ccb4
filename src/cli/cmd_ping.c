// SPDX-License-Identifier: Apache-2.0
/* ping: CoAP's own (RFC 7252 §4.3). */
#include "cli/arg.h"
#include "cli/cmd.h"
#include "client/client.h"

#include <stdio.h>
#include <unistd.h>

#define COMMAND    "coapsule ping"
#define COUNT_MAX  1000000U
#define TIMEOUT_MS 5000U

enum option { OPTION_COUNT_OF, OPTION_TIMEOUT, OPTION_QUIET, OPTION_HELP, OPTIONS };

static const cps_arg_row_t rows[OPTIONS] = {
    [OPTION_COUNT_OF] = {'c', "count", "NUMBER", "ask so many times, one after the other (1)", false},
    [OPTION_TIMEOUT] = {'B', "timeout", "SECONDS", "how long each may take (5)", false},
    [OPTION_QUIET] = {'q', "quiet", NULL, "say nothing: the exit code tells", false},
    [OPTION_HELP] = {'h', "help", NULL, NULL, false},
};

typedef struct ping {
    const char *uri;
    uint64_t count;
    uint32_t timeout_ms;
    bool quiet;
    bool help;
} ping_t;

static int take(ping_t *ping, enum option option, const char *value)
{
    switch (option) {
    case OPTION_COUNT_OF:
        if (!cps_arg_number(value, COUNT_MAX, &ping->count) || ping->count == 0)
            return cps_usage(COMMAND, "\"%s\" is no number of times", value);
        break;
    case OPTION_TIMEOUT:
        if (!cps_arg_seconds(value, &ping->timeout_ms))
            return cps_usage(COMMAND, "\"%s\" is no time: write seconds, as in 5 or 0.5", value);
        break;
    case OPTION_QUIET:
        ping->quiet = true;
        break;
    default:
        ping->help = true;
        break;
    }
    return 0;
}

static int read_line(ping_t *ping, int argc, char **argv)
{
    cps_args_t args = cps_args_begin(COMMAND, rows, OPTIONS, argc, argv);
    cps_arg_t arg;
    cps_arg_got_t got;
    int status = 0;
    while (status == 0 && (got = cps_args_next(&args, &arg)) != CPS_ARG_END) {
        if (got == CPS_ARG_WRONG)
            return CPS_EXIT_USAGE;
        if (arg.row != NULL)
            status = take(ping, (enum option)(arg.row - rows), arg.value);
        else if (ping->uri == NULL)
            ping->uri = arg.value;
        else
            status = cps_usage(COMMAND, "\"%s\" is one word too many: one host at a time", arg.value);
    }
    if (status == 0 && !ping->help && ping->uri == NULL)
        return cps_usage(COMMAND, "whom? write a URI, as in coap://localhost");
    return status;
}

static int help(void)
{
    printf("usage: %s [options] URI\n\n", COMMAND);
    cps_args_help(rows, OPTIONS);
    puts("\nAn Empty message, which whoever speaks CoAP answers with a Reset. No key has a part in it: it tells that\n"
         "something is there, and not who.\n\n"
         "  coapsule ping coap://door.local");
    return 0;
}

static int run(const ping_t *ping, cps_client_t *client)
{
    for (uint64_t i = 0; i < ping->count; i++) {
        uint64_t us = 0;
        cps_err_t err = cps_client_ping(client, ping->uri, &us);
        if (err != CPS_OK) {
            fprintf(stderr, COMMAND ": %s\n", cps_client_detail(client));
            return cps_err_exit(err);
        }
        if (!ping->quiet)
            printf("%s answered in %u.%u ms\n", ping->uri, (unsigned)(us / 1000U), (unsigned)(us / 100U % 10U));
    }
    return 0;
}

int cps_cmd_ping(int argc, char **argv)
{
    ping_t ping = {.count = 1, .timeout_ms = TIMEOUT_MS};
    cps_client_t *client = NULL;
    int status = read_line(&ping, argc, argv);
    if (status != 0 || ping.help)
        return status != 0 ? status : help();
    cps_err_t err = cps_client_new(&client, CPS_CLIENT_OPTIONS(.plain = true, .timeout_ms = ping.timeout_ms));
    if (err != CPS_OK) {
        fprintf(stderr, COMMAND ": %s\n", cps_client_detail(NULL));
        return cps_err_exit(err);
    }
    status = run(&ping, client);
    bool stuck = cps_client_is_stuck(client);
    cps_client_free(client);
    if (stuck && fflush(NULL) == 0) /* exit() would wait for the thread that hangs in a look-up */
        _exit(status);
    return status;
}
