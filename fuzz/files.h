// SPDX-License-Identifier: Apache-2.0
/* For fuzzers of what reads and writes files: a folder of their own, in memory where there is one, and whole files. */
#ifndef CPS_FUZZ_FILES_H
#define CPS_FUZZ_FILES_H

#include "fuzz.h"

#include <fcntl.h>
#include <unistd.h>

/** Make a folder that is called after `what`; `dir` takes 64 bytes. */
static inline void fuzz_folder(char dir[64], const char *what)
{
    const char *root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(dir, 64, "%s/fuzz-%s-XXXXXX", root, what);
    demand(mkdtemp(dir) != NULL);
}

/** Write a whole file, for its owner alone. */
static inline void fuzz_write_file(const char *path, cps_bytes_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    demand(fd >= 0 && write(fd, bytes.ptr, bytes.len) == (ssize_t)bytes.len);
    close(fd);
}

/** The first `room` bytes of a file, in `buf`; empty where there is none. */
static inline cps_bytes_t fuzz_read_file(const char *path, uint8_t *buf, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, buf, room);
    demand(len >= 0);
    if (fd >= 0)
        close(fd);
    return cps_bytes(buf, (size_t)len);
}

#endif /* CPS_FUZZ_FILES_H */
