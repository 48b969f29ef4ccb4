// SPDX-License-Identifier: Apache-2.0
/* The commands of `coapsule`: one function each, which gets its own arguments (argv[0] is the command's name) and gives
 * the exit code (docs/man/coapsule.1). */
#ifndef CPS_CLI_CMD_H
#define CPS_CLI_CMD_H

#include <coapsule/error.h>

/** Exit codes that are no cps_err_t: the answer was 4.xx or 5.xx. */
#define CPS_EXIT_USAGE        2
#define CPS_EXIT_CLIENT_ERROR 4
#define CPS_EXIT_SERVER_ERROR 5

/** get, put, post, delete, fetch, patch, ipatch (argv[0] is the method). */
int cps_cmd_request(int argc, char **argv);

/** discover URI: the links of a server as a table. */
int cps_cmd_discover(int argc, char **argv);

/** ping URI: an Empty message that a server answers with a Reset. */
int cps_cmd_ping(int argc, char **argv);

/** key new, list, show, import and the others. */
int cps_cmd_key(int argc, char **argv);

/** store check, adopt. */
int cps_cmd_store(int argc, char **argv);

/** serve FILE: a server of example resources. */
int cps_cmd_serve(int argc, char **argv);

/** proxy FILE: a forward proxy. */
int cps_cmd_proxy(int argc, char **argv);

/** doctor [FILE]: what is wrong with configuration, keyring and network. */
int cps_cmd_doctor(int argc, char **argv);

#endif /* CPS_CLI_CMD_H */
