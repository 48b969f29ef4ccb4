// SPDX-License-Identifier: Apache-2.0
/* store check, store adopt: what an operator does with a keyring as a file. */
#include "cli/cmd_key.h"

static void say(void *user, const char *finding)
{
    const cps_key_ask_t *ask = user;
    fprintf(stderr, "%s: %s\n", ask->command, finding);
}

int cps_store_cmd_check(const cps_key_ask_t *ask)
{
    char path[CPS_KEYRING_PATH_MAX];
    cps_key_ask_t user = *ask;
    int status = cps_keyring_path(ask->command, ask->state, path);
    if (status != 0)
        return status;
    cps_err_t err = cps_store_check(path, say, &user);
    if (err != CPS_OK)
        return cps_key_fail(ask, err, "%s", cps_store_detail());
    printf("sound    %s\n", path);
    return 0;
}

int cps_store_cmd_adopt(const cps_key_ask_t *ask)
{
    char path[CPS_KEYRING_PATH_MAX];
    uint64_t skip = 0;
    if (ask->skip == NULL)
        return cps_usage(
            ask->command,
            "how many numbers may have been used since the copy was made? --skip 0 where nothing was sent, "
            "else more than could have been: a million costs nothing");
    if (!cps_arg_number(ask->skip, CPS_STORE_NUMBER_MAX, &skip))
        return cps_usage(ask->command, "\"%s\" is no number: 0 to 2^40", ask->skip);
    int status = cps_keyring_path(ask->command, ask->state, path);
    if (status != 0)
        return status;
    cps_err_t err = cps_store_adopt(path, skip);
    if (err != CPS_OK)
        return cps_key_fail(ask, err, "%s", cps_store_detail());
    printf("adopted  %s   no other copy of it may send any more\n", path);
    return 0;
}
