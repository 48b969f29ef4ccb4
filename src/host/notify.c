// SPDX-License-Identifier: Apache-2.0
#include "host/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

bool cps_notify(const char *lines)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    if (path == NULL || path[0] == '\0')
        return true;
    size_t len = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || len >= sizeof to.sun_path)
        return false;
    memcpy(to.sun_path, path, len);
    if (path[0] == '@') /* a name without a file (unix(7)) */
        to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    socklen_t to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (path[0] == '/' ? 1 : 0));
    ssize_t sent = sendto(fd, lines, strlen(lines), MSG_NOSIGNAL, (const struct sockaddr *)&to, to_len);
    (void)close(fd);
    return sent == (ssize_t)strlen(lines);
}

bool cps_notify_reloading(void)
{
    char text[80];
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now); /* what systemd orders the messages by */
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu",
             (unsigned long long)now.tv_sec * 1000000U + (unsigned long long)now.tv_nsec / 1000U);
    return cps_notify(text);
}

bool cps_notify_ready(const char *status)
{
    char text[512];
    snprintf(text, sizeof text, "READY=1\nSTATUS=%.480s", status);
    return cps_notify(text);
}
