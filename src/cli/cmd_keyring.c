// SPDX-License-Identifier: Apache-2.0
#include "cli/cmd_keyring.h"

#include "cli/arg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int cps_keyring_path(const char *command, const char *named, char out[CPS_KEYRING_PATH_MAX])
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int len;
    if (named != NULL)
        len = snprintf(out, CPS_KEYRING_PATH_MAX, "%s", named);
    else if (state != NULL && state[0] == '/') /* a relative one is to be ignored, says the XDG specification */
        len = snprintf(out, CPS_KEYRING_PATH_MAX, "%s/coapsule/keyring.db", state);
    else if (home != NULL && home[0] == '/')
        len = snprintf(out, CPS_KEYRING_PATH_MAX, "%s/.local/state/coapsule/keyring.db", home);
    else
        return cps_usage(command,
                         "neither XDG_STATE_HOME nor HOME says where the keyring is: name it with --state FILE");
    if (len < 0 || (size_t)len >= CPS_KEYRING_PATH_MAX)
        return cps_usage(command, "the path of the keyring is too long");
    return 0;
}

int cps_keyring_make_folders(const char *command, const char *path)
{
    char part[CPS_KEYRING_PATH_MAX];
    const char *last = strrchr(path, '/');
    for (const char *at = strchr(path + 1, '/'); at != NULL && at < last; at = strchr(at + 1, '/')) {
        memcpy(part, path, (size_t)(at - path));
        part[at - path] = '\0';
        if (mkdir(part, 0700) == 0 || errno == EEXIST)
            continue;
        fprintf(stderr, "%s: %s: the folder cannot be made: %s\n", command, part, strerror(errno));
        return cps_err_exit(CPS_ERR_STORE);
    }
    return 0;
}
