// SPDX-License-Identifier: Apache-2.0
/* Bodies of a request on the command line: from a file block by block, and to a file as they come. */
#ifndef CPS_CLI_CMD_REQUEST_BODY_H
#define CPS_CLI_CMD_REQUEST_BODY_H

#include "cli/cmd_request.h"

/** Where an answer's body goes. The file is opened before the request is sent, so that nothing is carried out whose answer has
 * no place. A body in blocks goes to FILE.part first: FILE is what it was until all of it is there. */
typedef struct cps_ask_output {
    int fd;
    bool made; /**< by us: taken away again where nothing comes */
    bool used; /**< something was written, or is there to be */
    int part;  /**< FILE.part; -1: none */
} cps_ask_output_t;

/** Open what is sent. 0, or the exit code with the sentence said. */
int cps_ask_open(cps_ask_t *ask);

/** Give back what reading and opening took. */
void cps_ask_free(cps_ask_t *ask);

/** Open the output; 0, or the exit code with the sentence said. */
int cps_ask_output_open(const cps_ask_t *ask, cps_ask_output_t *out);

/** What was in the file before goes, now that there is something to write. */
int cps_ask_output_empty(const cps_ask_t *ask, const cps_ask_output_t *out);

/** Close it; a body that is not whole leaves nothing behind in a file. `ok`: the answer is whole. The exit code. */
int cps_ask_output_close(const cps_ask_t *ask, cps_ask_output_t *out, bool ok);

/** A body on its way, for the client's sink and source, and how far it is on a terminal. */
typedef struct cps_ask_body {
    const cps_ask_t *ask;
    cps_ask_output_t *out;
    uint64_t began_us;
    uint64_t shown_us;
    bool shows; /**< standard error is a terminal, and nothing else is written there */
    bool shown;
    bool streamed; /**< the answer's body was written here */
} cps_ask_body_t;

/** Begin; fills in the request's source and sink. */
void cps_ask_body_begin(cps_ask_body_t *body, cps_client_request_t *request);

/** Take the bar away. */
void cps_ask_body_end(cps_ask_body_t *body);

#endif /* CPS_CLI_CMD_REQUEST_BODY_H */
