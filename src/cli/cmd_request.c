// SPDX-License-Identifier: Apache-2.0
/* get, put, post, delete, fetch, patch, ipatch: one request. */
#include "cli/cmd_request_body.h"

#include "cli/cmd.h"
#include "cli/cmd_keyring.h"
#include "cli/show.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- the request ---- */

static cps_err_t make_client(const cps_ask_t *ask, const char *keyring, cps_client_t **client)
{
    return cps_client_new(client,
                          CPS_CLIENT_OPTIONS(.state = keyring, .credential = ask->credential, .proxy = ask->proxy,
                                             .proxy_uri = ask->proxy_uri, .plain = ask->plain, .sealed = ask->sealed,
                                             .timeout_ms = ask->timeout_ms));
}

static int show(const cps_ask_t *ask, const cps_response_t *response, int fd)
{
    bool shaped = ask->shape != NULL && ask->shape->show != NULL;
    return shaped ? ask->shape->show(ask, response, fd) : cps_show_response(ask, response, fd);
}

static int ask_client(const cps_ask_t *ask, cps_client_t *client, cps_ask_output_t *out, bool *ok)
{
    cps_response_t *response = NULL;
    cps_client_request_t request = {.size = sizeof request,
                                    .method = ask->method,
                                    .uri = ask->uri,
                                    .options = ask->options,
                                    .option_count = ask->option_count,
                                    .token = cps_bytes(ask->token, ask->token_len),
                                    .non_confirmable = ask->non_confirmable,
                                    .repeat_unsafe = ask->again};
    cps_ask_body_t body = {.ask = ask, .out = out};
    if (!ask->observe)
        cps_ask_body_begin(&body, &request);
    request.payload = ask->file != NULL ? cps_bytes(ask->payload, ask->payload_len) : cps_bytes_str(ask->text);
    cps_show_trace_t trace = {.ask = ask, .payload = request.payload};
    cps_client_trace_t hooks = cps_show_trace(&trace);
    if (ask->verbose != 0)
        cps_client_set_trace(client, &hooks);
    if (ask->observe) {
        *ok = out->used = true;
        int ended = cps_ask_output_empty(ask, out);
        return ended == 0 ? cps_ask_observe(ask, client, &request, out->fd) : ended;
    }
    cps_err_t err = cps_client_request(client, &request, &response);
    cps_ask_body_end(&body);
    if (err != CPS_OK)
        return cps_show_failure(ask, client, err);
    if (response == NULL)
        return cps_show_unanswered(ask);
    *ok = out->used = true;
    int status = body.streamed ? 0 : cps_ask_output_empty(ask, out);
    if (status == 0)
        status = show(ask, response, out->fd);
    cps_response_free(response);
    return status;
}

/* The keyring named, or the user's own where there is one. Without one nothing is sealed. */
static int find_keyring(const cps_ask_t *ask, char path[CPS_KEYRING_PATH_MAX], const char **keyring)
{
    bool needed = ask->credential != NULL || ask->sealed || ask->state != NULL;
    *keyring = NULL;
    if (ask->plain)
        return 0;
    int status = cps_keyring_path(ask->command, ask->state, path);
    if (status != 0)
        return needed ? status : 0;
    if (needed || access(path, F_OK) == 0 || errno != ENOENT)
        *keyring = path;
    return 0;
}

static int carry_out(const cps_ask_t *ask)
{
    char path[CPS_KEYRING_PATH_MAX];
    const char *keyring = NULL;
    cps_client_t *client = NULL;
    cps_ask_output_t out;
    bool ok = false;
    int status = find_keyring(ask, path, &keyring);
    if (status == 0)
        status = cps_ask_output_open(ask, &out);
    if (status != 0)
        return status;
    if (ask->observe)
        cps_ask_hold_signals();
    cps_err_t err = make_client(ask, keyring, &client);
    status = err == CPS_OK ? ask_client(ask, client, &out, &ok) : cps_show_failure(ask, NULL, err);
    int closed = cps_ask_output_close(ask, &out, ok);
    status = status == 0 ? closed : status;
    bool stuck = client != NULL && cps_client_is_stuck(client);
    cps_client_free(client);
    if (stuck && fflush(NULL) == 0) /* exit() would wait for the thread that hangs in a look-up */
        _exit(status);
    return status;
}

static int help(const cps_ask_t *ask)
{
    size_t count;
    const cps_arg_row_t *rows = cps_ask_rows(ask, &count);
    printf("usage: %s [options] URI\n\n", ask->command);
    cps_args_help(rows, count);
    if (ask->shape != NULL && ask->shape->help != NULL) {
        puts(ask->shape->help);
        return 0;
    }
    puts("\nThe body goes to standard output, everything else to standard error. A credential of the keyring whose "
         "pattern\n"
         "fits the URI seals the request (OSCORE); see coapsule-key(1).\n\n"
         "  coapsule get coap://door.local/lock\n"
         "  coapsule -v put coap://door.local/lock -e unlocked --proxy coap://gw.example");
    return 0;
}

int cps_ask_main(const cps_ask_shape_t *shape, int argc, char **argv)
{
    cps_ask_t *ask = calloc(1, sizeof *ask);
    if (ask == NULL)
        return cps_err_exit(CPS_ERR_MEMORY);
    ask->shape = shape;
    ask->command = shape->command;
    int status = cps_ask_read(ask, shape->method, argc, argv);
    if (status == 0 && !ask->help && shape->prepare != NULL)
        status = shape->prepare(ask);
    if (status == 0)
        status = ask->help ? help(ask) : carry_out(ask);
    cps_ask_free(ask);
    free(ask);
    return status;
}

int cps_cmd_request(int argc, char **argv)
{
    char command[32];
    snprintf(command, sizeof command, "coapsule %s", argv[0]);
    return cps_ask_main(&(cps_ask_shape_t){.command = command, .method = argv[0]}, argc, argv);
}

int cps_cmd_request_any(int argc, char **argv)
{
    return cps_ask_main(&(cps_ask_shape_t){.command = "coapsule", .method = ""}, argc, argv);
}
