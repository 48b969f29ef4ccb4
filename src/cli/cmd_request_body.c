// SPDX-License-Identifier: Apache-2.0
#include "cli/cmd_request_body.h"

#include "cli/show.h"
#include "host/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_READ   65536U
#define BAR_AFTER_US 1000000U /* shorter work shows nothing */
#define BAR_EVERY_US 200000U
#define BAR_WIDTH    30

static int fail(const cps_ask_t *ask, const char *name, const char *what)
{
    fprintf(stderr, "%s: %s: %s%s\n", ask->command, name, strerror(errno), what);
    return cps_err_exit(CPS_ERR_IO);
}

/* ---- what is sent ---- */

static bool grow(cps_ask_t *ask, size_t *room)
{
    if (ask->payload_len < *room)
        return true;
    size_t more = *room == 0 ? FIRST_READ : 2 * *room;
    uint8_t *payload = realloc(ask->payload, more);
    if (payload == NULL)
        return false;
    ask->payload = payload;
    *room = more;
    return true;
}

/* A pipe cannot be read from its start again, which a server may want: it is read first. */
static int read_pipe(cps_ask_t *ask, int fd)
{
    size_t room = 0;
    ssize_t got = 1;
    while (got != 0 && ask->payload_len <= CPS_ASK_PIPE_MAX) {
        if (!grow(ask, &room))
            return cps_err_exit(CPS_ERR_MEMORY);
        got = read(fd, ask->payload + ask->payload_len, room - ask->payload_len);
        if (got < 0 && errno != EINTR)
            return fail(ask, ask->file, "");
        ask->payload_len += got > 0 ? (size_t)got : 0;
    }
    if (ask->payload_len <= CPS_ASK_PIPE_MAX)
        return 0;
    fprintf(stderr, "%s: %s: more than %u MiB from a pipe: write it to a file first\n", ask->command, ask->file,
            CPS_ASK_PIPE_MAX >> 20U);
    return cps_err_exit(CPS_ERR_TOO_LARGE);
}

int cps_ask_open(cps_ask_t *ask)
{
    struct stat stat;
    if (ask->file == NULL)
        return 0;
    if (strcmp(ask->file, "-") == 0)
        return read_pipe(ask, STDIN_FILENO);
    ask->from = open(ask->file, O_RDONLY | O_CLOEXEC);
    if (ask->from < 0 || fstat(ask->from, &stat) != 0)
        return fail(ask, ask->file, "");
    if (S_ISREG(stat.st_mode) && stat.st_size > 1024) {
        ask->from_size = stat.st_size < UINT32_MAX ? (uint32_t)stat.st_size : UINT32_MAX;
        return 0;
    }
    int status = read_pipe(ask, ask->from);
    close(ask->from);
    ask->from = -1;
    return status;
}

void cps_ask_free(cps_ask_t *ask)
{
    free(ask->payload);
    if (ask->from >= 0)
        close(ask->from);
}

/* ---- where the answer goes ---- */

static char *part_name(const cps_ask_t *ask)
{
    size_t size = strlen(ask->output) + sizeof ".part";
    char *name = malloc(size);
    if (name != NULL)
        snprintf(name, size, "%s.part", ask->output);
    return name;
}

int cps_ask_output_open(const cps_ask_t *ask, cps_ask_output_t *out)
{
    *out = (cps_ask_output_t){.fd = STDOUT_FILENO, .part = -1};
    if (ask->output == NULL)
        return 0;
    out->fd = open(ask->output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    out->made = out->fd >= 0;
    if (out->fd < 0 && errno == EEXIST)
        out->fd = open(ask->output, O_WRONLY | O_CLOEXEC);
    return out->fd >= 0 ? 0 : fail(ask, ask->output, "; nothing was sent");
}

/* A device has no length. */
int cps_ask_output_empty(const cps_ask_t *ask, const cps_ask_output_t *out)
{
    if (ask->output == NULL || out->made || out->part >= 0 || ftruncate(out->fd, 0) == 0 || errno == EINVAL)
        return 0;
    return fail(ask, ask->output, "");
}

static int end_part(const cps_ask_t *ask, cps_ask_output_t *out, bool ok)
{
    char *name = part_name(ask);
    int status = name == NULL ? cps_err_exit(CPS_ERR_MEMORY) : 0;
    close(out->part);
    if (status == 0 && ok && rename(name, ask->output) != 0)
        status = fail(ask, name, "");
    else if (status == 0 && !ok)
        (void)unlink(name);
    free(name);
    return status;
}

int cps_ask_output_close(const cps_ask_t *ask, cps_ask_output_t *out, bool ok)
{
    if (ask->output == NULL)
        return 0;
    int status = out->part >= 0 ? end_part(ask, out, ok) : 0;
    if (out->made && !ok && !out->used)
        (void)unlink(ask->output);
    close(out->fd);
    return status;
}

/* A body in blocks goes to a file beside the one it is for, if that is a file. */
static cps_err_t choose_place(const cps_ask_t *ask, cps_ask_output_t *out)
{
    struct stat stat;
    if (ask->output == NULL || fstat(out->fd, &stat) != 0 || !S_ISREG(stat.st_mode))
        return CPS_OK;
    char *name = part_name(ask);
    if (name == NULL)
        return CPS_ERR_MEMORY;
    out->part = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, stat.st_mode & 0777U);
    if (out->part < 0)
        (void)fail(ask, name, "");
    free(name);
    return out->part >= 0 ? CPS_OK : CPS_ERR_IO;
}

static cps_err_t write_part(const cps_ask_t *ask, const cps_ask_output_t *out, cps_bytes_t bytes)
{
    int fd = out->part >= 0 ? out->part : out->fd;
    while (bytes.len != 0) {
        ssize_t done = write(fd, bytes.ptr, bytes.len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            (void)fail(ask, ask->output != NULL ? ask->output : "standard output", "");
            return CPS_ERR_IO;
        }
        bytes = cps_bytes(bytes.ptr + done, bytes.len - (size_t)done);
    }
    return CPS_OK;
}

/* ---- how far it is ---- */

static uint64_t clock_us(void)
{
    cps_clock_t clock;
    cps_clock_init(&clock);
    return cps_clock_now(&clock);
}

static void show_progress(cps_ask_body_t *body, uint32_t done, uint32_t size)
{
    uint64_t now = body->shows ? clock_us() : 0;
    if (!body->shows || now - body->began_us < BAR_AFTER_US || now - body->shown_us < BAR_EVERY_US)
        return;
    double seconds = (double)(now - body->began_us) / 1e6;
    double speed = (double)done / 1024.0 / seconds;
    body->shown_us = now;
    body->shown = true;
    if (size == 0 || done > size) {
        fprintf(stderr, "\r%u KiB  %.0f KiB/s\033[K", done / 1024U, speed);
        return;
    }
    int filled = (int)((uint64_t)done * BAR_WIDTH / size);
    fprintf(stderr, "\r[%.*s%*s] %3u %%  %u of %u KiB  %.0f KiB/s\033[K", filled, "##############################",
            BAR_WIDTH - filled, "", (unsigned)((uint64_t)done * 100U / size), done / 1024U, size / 1024U, speed);
}

/* ---- for the client ---- */

static cps_err_t read_piece(void *user, uint32_t offset, uint8_t *to, size_t size, size_t *len)
{
    cps_ask_body_t *body = user;
    *len = 0;
    while (*len < size) {
        ssize_t got = pread(body->ask->from, to + *len, size - *len, (off_t)offset + (off_t)*len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            (void)fail(body->ask, body->ask->file, "");
            return CPS_ERR_IO;
        }
        if (got == 0)
            break;
        *len += (size_t)got;
    }
    show_progress(body, offset + (uint32_t)*len, body->ask->from_size);
    return CPS_OK;
}

static cps_err_t take_part(void *user, const cps_client_part_t *part)
{
    cps_ask_body_t *body = user;
    cps_err_t err = CPS_OK;
    if (part->offset == 0)
        err = choose_place(body->ask, body->out);
    if (err == CPS_OK && part->offset == 0 && cps_ask_output_empty(body->ask, body->out) != 0)
        err = CPS_ERR_IO;
    body->streamed = true;
    body->out->used = true;
    if (err == CPS_OK)
        err = write_part(body->ask, body->out, part->message->payload);
    if (part->more)
        show_progress(body, part->offset + (uint32_t)part->message->payload.len, part->size);
    return err;
}

void cps_ask_body_begin(cps_ask_body_t *body, cps_client_request_t *request)
{
    const cps_ask_t *ask = body->ask;
    body->began_us = clock_us();
    body->shows = isatty(STDERR_FILENO) != 0 && !ask->quiet && ask->verbose == 0;
    request->user = body;
    request->block_size = ask->block_size;
    if (ask->from >= 0) {
        request->source = read_piece;
        request->source_size = ask->from_size;
    }
    if (!ask->json && isatty(body->out->fd) == 0) /* a person gets it in the end, as text or as hex */
        request->sink = take_part;
}

void cps_ask_body_end(cps_ask_body_t *body)
{
    if (body->shown)
        fputs("\r\033[K", stderr);
    body->shown = false;
}
