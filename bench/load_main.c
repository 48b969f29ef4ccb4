// SPDX-License-Identifier: Apache-2.0
/* bench-load: asks one server and prints one line of JSON. `bench/run` starts the servers and gives the options. */
#include "load.h"

#include "wire/msg.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const help =
    "usage: bench-load --port N [options]\n"
    "  --server ADDRESS   IPv4 (127.0.0.1)          --path PATH      (echo)\n"
    "  --method NAME      get, post, put, fetch (post)   --con       confirmable; else NON\n"
    "  --raw              the server only sends back\n"
    "  --sources N        sockets (16)              --net N          third byte of their addresses (1)\n"
    "  --window N         requests open at each (8) --rate N         open loop: requests a second of all\n"
    "  --requests N       (100000)                  --warm-up N      of these, not counted (10000)\n"
    "  --credentials NAME seal with NAME0.cred, NAME1.cred, ... (the server's end), one a source\n"
    "  --number-first N   first Partial IV (0)\n"
    "  --pid N            of the server             --core N         that it is pinned to\n"
    "  --count FILE       of libcount.so in the server\n";

typedef struct method {
    const char *name;
    uint8_t code;
} method_t;

static bool read_method(const char *text, uint8_t *code)
{
    static const method_t methods[] = {{"get", CPS_GET}, {"post", CPS_POST}, {"put", CPS_PUT}, {"fetch", CPS_FETCH}};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i].name, text) == 0) {
            *code = methods[i].code;
            return true;
        }
    return false;
}

static uint32_t number_of(const char *text) { return (uint32_t)strtoul(text, NULL, 10); }

/* One option; false for one that is wrong. */
static bool read_option(int c, const char *text, load_plan_t *plan)
{
    switch (c) {
    case 'm':
        return read_method(text, &plan->method);
    case 's':
        plan->server = text;
        return true;
    case 'P':
        plan->path = text;
        return true;
    case 'k':
        plan->credentials = text;
        return true;
    case 'a':
        plan->count_file = text;
        return true;
    case 'c':
        plan->confirmable = true;
        return true;
    case 'R':
        plan->raw = true;
        return true;
    default:
        return false;
    }
}

/* And those that are numbers. */
static bool read_number(int c, const char *text, load_plan_t *plan)
{
    uint32_t *const places[128] = {['S'] = &plan->sources,
                                   ['w'] = &plan->window,
                                   ['r'] = &plan->rate,
                                   ['n'] = &plan->requests,
                                   ['u'] = &plan->warm_up};
    if (c < 0 || c >= 128)
        return false;
    if (places[c] != NULL)
        *places[c] = number_of(text);
    else if (c == 'p')
        plan->port = (uint16_t)number_of(text);
    else if (c == 'N')
        plan->net = (uint8_t)number_of(text);
    else if (c == 'f')
        plan->number_first = strtoull(text, NULL, 10);
    else if (c == 'i')
        plan->pid = (int)number_of(text);
    else if (c == 'C')
        plan->core = (int)number_of(text);
    else
        return false;
    return true;
}

static bool read_plan(int argc, char **argv, load_plan_t *plan)
{
    static const struct option options[] = {
        {"server", 1, NULL, 's'},  {"port", 1, NULL, 'p'},        {"path", 1, NULL, 'P'},
        {"method", 1, NULL, 'm'},  {"con", 0, NULL, 'c'},         {"raw", 0, NULL, 'R'},
        {"sources", 1, NULL, 'S'}, {"net", 1, NULL, 'N'},         {"window", 1, NULL, 'w'},
        {"rate", 1, NULL, 'r'},    {"requests", 1, NULL, 'n'},    {"warm-up", 1, NULL, 'u'},
        {"pid", 1, NULL, 'i'},     {"credentials", 1, NULL, 'k'}, {"number-first", 1, NULL, 'f'},
        {"core", 1, NULL, 'C'},    {"count", 1, NULL, 'a'},       {NULL, 0, NULL, 0}};
    *plan = (load_plan_t){.server = "127.0.0.1",
                          .path = "echo",
                          .method = CPS_POST,
                          .sources = 16,
                          .net = 1,
                          .window = 8,
                          .requests = 100000,
                          .warm_up = 10000,
                          .core = -1};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (!read_option(c, optarg, plan) && !read_number(c, optarg, plan))
            return false;
    return optind == argc && plan->port != 0 && plan->sources != 0 && plan->warm_up < plan->requests &&
           (plan->window != 0 || plan->rate != 0);
}

int main(int argc, char **argv)
{
    load_plan_t plan;
    struct load_seal *seal = NULL;
    if (!read_plan(argc, argv, &plan)) {
        fputs(help, stderr);
        return 2;
    }
    load_request_t *requests = calloc(plan.requests, sizeof *requests);
    load_result_t *result = calloc(1, sizeof *result);
    bool good =
        requests != NULL && result != NULL && load_make(&plan, requests, &seal) && load_run(&plan, requests, result);
    for (uint32_t i = 0; good && i < plan.requests; i++)
        result->wrong += requests[i].took_ns != 0 && !load_is_right(&plan, seal, &requests[i], i);
    if (good)
        load_print(&plan, result);
    load_seal_free(seal);
    free(requests);
    free(result);
    return good ? 0 : 1;
}
