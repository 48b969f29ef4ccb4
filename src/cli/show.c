// SPDX-License-Identifier: Apache-2.0
#include "cli/show.h"

#include "cli/cmd.h"
#include "wire/msg.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int write_all(const cps_ask_t *ask, int fd, cps_bytes_t bytes)
{
    while (bytes.len != 0) {
        ssize_t done = write(fd, bytes.ptr, bytes.len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            fprintf(stderr, "%s: %s: %s; the request itself was carried out\n", ask->command,
                    ask->output != NULL ? ask->output : "standard output", strerror(errno));
            return cps_err_exit(CPS_ERR_IO);
        }
        bytes = cps_bytes(bytes.ptr + done, bytes.len - (size_t)done);
    }
    return 0;
}

/* A person gets text as lines and without what would command the terminal, and bytes as hex. */
static int show_on_terminal(const cps_ask_t *ask, const cps_message_t *message, int fd)
{
    size_t size = 2 * message->payload.len + 2;
    char *text = malloc(size);
    if (text == NULL)
        return cps_err_exit(CPS_ERR_MEMORY);
    if (cps_payload_is_text(message))
        cps_text_clean(message->payload, true, text, size);
    else if (!cps_hex_encode(message->payload, text, size))
        text[0] = '\0';
    size_t len = strlen(text);
    if (len == 0 || text[len - 1] != '\n')
        text[len++] = '\n';
    int status = write_all(ask, fd, cps_bytes(text, len));
    free(text);
    return status;
}

static int show_body(const cps_ask_t *ask, const cps_response_t *response, int fd)
{
    const cps_message_t *message = cps_response_message(response);
    if (message->payload.len == 0 || cps_response_diagnostic(response) != NULL)
        return 0;
    return isatty(fd) != 0 ? show_on_terminal(ask, message, fd) : write_all(ask, fd, message->payload);
}

/* "4.04 Not Found: no such thing". One sentence, whatever the answer. */
static void show_error(const cps_ask_t *ask, const cps_response_t *response)
{
    char digits[8];
    uint8_t code = cps_response_message(response)->code;
    uint8_t meaning = (uint8_t)cps_response_meaning(response);
    const char *diagnostic = cps_response_diagnostic(response);
    fprintf(stderr, "%s %s", cps_code_digits(code, digits), cps_code_text(code));
    if (meaning != code) /* RFC 7252 §5.9 */
        fprintf(stderr, " (an unknown code, taken as %s)", cps_code_digits(meaning, digits));
    if (cps_response_method_unsupported(response))
        fprintf(stderr, " (%s is not supported here)", cps_code_text((uint8_t)ask->method));
    if (code == CPS_UNAUTHORIZED && !cps_response_sealed(response))
        fputs(" (the request was not sealed)", stderr);
    if (cps_response_retry_after(response) != 0)
        fprintf(stderr, " (ask again in %u s)", cps_response_retry_after(response));
    fprintf(stderr, "%s%s\n", diagnostic != NULL ? ": " : "", diagnostic != NULL ? diagnostic : "");
}

static void show_location(const cps_response_t *response)
{
    const char *location = NULL;
    cps_err_t err = cps_response_location(response, &location);
    if (err == CPS_OK)
        fprintf(stderr, "location %s\n", location);
    else if (err == CPS_ERR_BAD_OPTION) /* RFC 7252 §5.10.7 */
        fputs("the answer names a location in a way that is not understood, so it is not told\n", stderr);
}

int cps_show_response(const cps_ask_t *ask, const cps_response_t *response, int fd)
{
    unsigned class = cps_code_class(cps_response_message(response)->code);
    if (ask->verbose != 0)
        cps_show_response_line(response);
    if (class != 2)
        show_error(ask, response);
    else if (!ask->quiet)
        show_location(response);
    if (ask->json)
        cps_json_response(stdout, response);
    int status = ask->json && ask->output == NULL ? 0 : show_body(ask, response, fd);
    if (status != 0)
        return status;
    if (class == 4)
        return CPS_EXIT_CLIENT_ERROR;
    return class == 5 ? CPS_EXIT_SERVER_ERROR : 0;
}

int cps_show_unanswered(const cps_ask_t *ask)
{
    if (ask->verbose != 0)
        fputs("* sent; no response is waited for\n", stderr);
    if (ask->json)
        puts("{\"unanswered\":true}");
    return 0;
}

int cps_show_failure(const cps_ask_t *ask, const cps_client_t *client, cps_err_t err)
{
    const char *detail = cps_client_detail(client);
    fprintf(stderr, "%s: %s\n", ask->command, detail[0] != '\0' ? detail : cps_err_text(err));
    if (ask->json)
        cps_json_failure(stdout, client, err);
    return cps_err_exit(err);
}
