// SPDX-License-Identifier: Apache-2.0
#include "host/cred_foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const cps_cred_form_t *cps_cred_form_of(const char *word, const char **rest)
{
    static const cps_cred_form_t *const forms[] = {&cps_cred_aiocoap, &cps_cred_libcoap};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        size_t len = strlen(forms[i]->prefix);
        *rest = word + len;
        if (strncmp(word, forms[i]->prefix, len) == 0)
            return forms[i];
    }
    return NULL;
}

bool cps_cred_read_small(const char *path, char *to, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd < 0 ? -1 : read(fd, to, room - 1);
    int why = errno;
    if (fd >= 0)
        close(fd);
    errno = why;
    if (got < 0)
        return false;
    to[got] = '\0';
    return true;
}

cps_err_t cps_cred_replace(cps_conf_t *c, const char *path, const char *text)
{
    char next[4096];
    cps_conf_t file;
    if (snprintf(next, sizeof next, "%s.new", path) >= (int)sizeof next)
        return CPS_ERR_ARGUMENT;
    (void)unlink(next);
    cps_conf_init(&file, next);
    cps_err_t err = cps_cred_write_file(&file, cps_bytes_str(text));
    if (err == CPS_OK && rename(next, path) != 0)
        err = CPS_ERR_IO;
    if (err != CPS_OK)
        cps_conf_fail_file(c, err, "its numbers cannot be written: make its folder writable for this user");
    cps_conf_fini(&file);
    return err;
}
