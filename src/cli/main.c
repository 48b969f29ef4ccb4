// SPDX-License-Identifier: Apache-2.0
/* `coapsule`: finds the command and hands it its arguments. */
#include "cli/arg.h"
#include "cli/cmd.h"
#include "cli/cmd_request.h"

#include "host/events.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct commandrow {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
    bool request; /* its options may stand in front of it, as coap-client takes them */
} commandrow_t;

static const commandrow_t commands[] = {
    {"get", "read a resource", cps_cmd_request, true},
    {"put", "write a resource", cps_cmd_request, true},
    {"post", "hand something to a resource", cps_cmd_request, true},
    {"delete", "delete a resource", cps_cmd_request, true},
    {"fetch", "read a part of a resource", cps_cmd_request, true},
    {"patch", "change a part of a resource", cps_cmd_request, true},
    {"ipatch", "the same, where doing it twice is no harm", cps_cmd_request, true},
    {"discover", "list the resources of a server", cps_cmd_discover, true},
    {"ping", "ask whether a server is there", cps_cmd_ping, false},
    {"observe", "read a resource, and again whenever it changes", cps_cmd_request, true},
    {"key", "make, list, show, import, export, renew and remove keys", cps_cmd_key, false},
    {"store", "check a keyring, and take over one that was moved", cps_cmd_store, false},
    {"serve", "serve resources", cps_cmd_serve, false},
    {"proxy", "forward requests that others send", cps_cmd_proxy, false},
    {"doctor", "say what is wrong with a configuration, the keyring and the network", cps_cmd_doctor, false},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static const commandrow_t *find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int help(void)
{
    puts("usage: coapsule COMMAND ...\n\n"
         "CoAP with end-to-end security (OSCORE). The commands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    puts("\n  coapsule help COMMAND     the options of a command\n"
         "  coapsule help events      what the log of a daemon can say, and what to do about it\n"
         "  coapsule --version\n\n"
         "Exit codes: 0 done; 2 usage or configuration; 3 local or network; 4 and 5 the answer was 4.xx or 5.xx;\n"
         "6 no answer, outcome unknown; 7 security; 8 key state lost, or key in use by another process.\n\n"
         "  coapsule get coap://localhost/.well-known/core");
    return 0;
}

static int unknown(const char *word)
{
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i].name;
    const char *near = cps_nearest(word, names, COMMAND_COUNT);
    if (strstr(word, "://") != NULL)
        return cps_usage("coapsule", "no command before the URI: write coapsule get %s", word);
    if (near != NULL)
        return cps_usage("coapsule", "there is no command \"%s\"; did you mean %s?", word, near);
    return cps_usage("coapsule", "there is no command \"%s\"; coapsule --help lists those there are", word);
}

static int help_about(int argc, char **argv)
{
    static char flag[] = "--help";
    if (argc < 3)
        return help();
    if (strcmp(argv[2], "events") == 0) {
        cps_events_help(stdout);
        return 0;
    }
    const commandrow_t *command = find(argv[2]);
    if (command == NULL)
        return unknown(argv[2]);
    char *asked[] = {argv[2], flag, NULL};
    return command->run(2, asked);
}

/* Options of a request may come first: `coapsule -v put URI`, and `coapsule -m put URI` without a command. */
static int run_request(int argc, char **argv, int word, const commandrow_t *command)
{
    char **turned = calloc((size_t)argc + 1, sizeof *turned);
    if (turned == NULL)
        return cps_err_exit(CPS_ERR_MEMORY);
    turned[0] = word != 0 ? argv[word] : argv[0];
    for (int i = 1, to = 1; i < argc; i++)
        if (i != word)
            turned[to++] = argv[i];
    int status = command != NULL ? command->run(argc - 1, turned) : cps_cmd_request_any(argc, turned);
    free(turned);
    return status;
}

/* Options of a request stand first, or a URI: the command is the first word, or -m says the method. */
static int run_with_options_first(int argc, char **argv)
{
    size_t count = 0;
    const cps_arg_row_t *rows = cps_cmd_request_options(&count);
    cps_args_t args = cps_args_begin("coapsule", rows, count, argc, argv);
    cps_arg_t arg;
    cps_arg_got_t got;
    bool has_method = false;
    int word = 0;
    while ((got = cps_args_next(&args, &arg)) == CPS_ARG_GOT) {
        has_method = has_method || (arg.row != NULL && arg.row->letter == 'm');
        word = arg.row == NULL && word == 0 ? args.at - 1 : word;
    }
    if (got == CPS_ARG_WRONG)
        return CPS_EXIT_USAGE;
    const commandrow_t *command = word != 0 ? find(argv[word]) : NULL;
    if (command != NULL && command->request)
        return run_request(argc, argv, word, command);
    if (command != NULL)
        return cps_usage("coapsule", "write the options of %s behind it: coapsule %s ...", argv[word], argv[word]);
    if (has_method)
        return run_request(argc, argv, 0, NULL);
    return word != 0 ? unknown(argv[word]) : cps_usage("coapsule", "no command; coapsule --help lists them");
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return cps_usage("coapsule", "no command; coapsule --help lists them");
    const char *first = argv[1];
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0)
        return help();
    if (strcmp(first, "--version") == 0 || strcmp(first, "-V") == 0) {
        puts("coapsule " COAPSULE_VERSION);
        return 0;
    }
    if (strcmp(first, "help") == 0)
        return help_about(argc, argv);
    const commandrow_t *command = find(first);
    if (command != NULL)
        return command->run(argc - 1, argv + 1);
    bool is_request = first[0] == '-' || strstr(first, "://") != NULL;
    return is_request ? run_with_options_first(argc, argv) : unknown(first);
}
