// SPDX-License-Identifier: Apache-2.0
/* Where the keyring of a command is. */
#ifndef CPS_CLI_CMD_KEYRING_H
#define CPS_CLI_CMD_KEYRING_H

#include "base/bytes.h"

#define CPS_KEYRING_PATH_MAX 4096U

/**
 * The file: `named`, or coapsule/keyring.db in $XDG_STATE_HOME or ~/.local/state (OPS-26). 0, or the exit code with the
 * sentence said.
 */
int cps_keyring_path(const char *command, const char *named, char out[CPS_KEYRING_PATH_MAX]);

/** Make the folders above a keyring's own, which the store makes (mode 0700 each). 0, or the exit code. */
int cps_keyring_make_folders(const char *command, const char *path);

#endif /* CPS_CLI_CMD_KEYRING_H */
