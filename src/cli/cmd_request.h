// SPDX-License-Identifier: Apache-2.0
/* What a request on the command line asks for, and how it is read. */
#ifndef CPS_CLI_CMD_REQUEST_H
#define CPS_CLI_CMD_REQUEST_H

#include "cli/arg.h"

#include <coapsule/client.h>

#define CPS_ASK_OPTIONS_MAX 64U
#define CPS_ASK_BYTES_MAX   4096U        /* of options given */
#define CPS_ASK_PIPE_MAX    (64U << 20U) /* of what is sent from a pipe, which is read first; files have no limit */

typedef struct cps_ask cps_ask_t;

/** What makes a command of its own out of a request. */
typedef struct cps_ask_shape {
    const char *command; /**< for sentences: "coapsule discover" */
    const char *method;
    const char *help;                                                          /**< behind the options */
    int (*prepare)(cps_ask_t *ask);                                            /**< after reading, before sending */
    int (*show)(const cps_ask_t *ask, const cps_response_t *response, int fd); /**< its exit code */
} cps_ask_shape_t;

/** A request as it was asked for. Strings are the command line's. */
struct cps_ask {
    const cps_ask_shape_t *shape; /**< NULL: a request as it is */
    const char *command;          /**< for sentences: "coapsule put" */
    cps_code_t method;
    const char *uri;
    const char *text;   /**< -e */
    const char *file;   /**< -f */
    const char *output; /**< -o */
    const char *proxy;
    const char *proxy_uri;
    const char *credential;
    const char *state;
    cps_option_t options[CPS_ASK_OPTIONS_MAX];
    size_t option_count;
    uint8_t bytes[CPS_ASK_BYTES_MAX]; /**< values of `options` */
    size_t bytes_used;
    uint8_t token[8];
    size_t token_len;
    int from; /**< the file that is sent block by block; -1: none */
    uint32_t from_size;
    uint8_t *payload; /**< read from a pipe; or NULL */
    size_t payload_len;
    uint32_t block_size; /**< -b; 0: not said */
    uint32_t timeout_ms;
    uint32_t observe_ms;    /**< -s; 0: no end */
    uint32_t observe_count; /**< --count; 0: no end */
    bool observe;
    unsigned verbose;
    bool non_confirmable, quiet, json, plain, sealed, again, raw, help;
    char made_uri[CPS_ASK_BYTES_MAX]; /**< room for a `uri` that a shape makes */
};

/** The options of a request, for `coapsule -v put URI`. */
const cps_arg_row_t *cps_cmd_request_options(size_t *count);

/** The options that a command has. */
const cps_arg_row_t *cps_ask_rows(const cps_ask_t *ask, size_t *count);

/** A request whose method -m says. */
int cps_cmd_request_any(int argc, char **argv);

/** Read a command line, carry it out, show what comes: the exit code. */
int cps_ask_main(const cps_ask_shape_t *shape, int argc, char **argv);

/** Read a command line; `method` is empty where -m says it. 0, or the exit code with the sentence said. */
int cps_ask_read(cps_ask_t *ask, const char *method, int argc, char **argv);

/** Before any thread is made: signals that shall end an observation reach nobody but the main thread. */
void cps_ask_hold_signals(void);

/** Observe until the time is up, the count is reached, a signal comes or the server ends it; the exit code. What comes is
 * written to `fd`. */
int cps_ask_observe(const cps_ask_t *ask, cps_client_t *client, const cps_client_request_t *request, int fd);

#endif /* CPS_CLI_CMD_REQUEST_H */
