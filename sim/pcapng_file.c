// SPDX-License-Identifier: Apache-2.0
#include "sim/pcapng.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_LEN (CPS_PCAPNG_PAYLOAD_MAX + CPS_PCAPNG_COMMENT_MAX + 256U)

/* One call writes the whole block, save where the disk is full or a signal came between: then what was left. */
static cps_err_t write_all(cps_pcapng_file_t *file, cps_bytes_t block)
{
    while (block.len != 0) {
        ssize_t done = write(file->fd, block.ptr, block.len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return CPS_ERR_IO;
        block.ptr += done;
        block.len -= (size_t)done;
    }
    return CPS_OK;
}

cps_err_t cps_pcapng_open(cps_pcapng_file_t *file, const char *path, const char *program)
{
    *file = (cps_pcapng_file_t){.fd = -1, .buffer = malloc(BUFFER_LEN)};
    if (file->buffer == NULL)
        return CPS_ERR_MEMORY;
    cps_writer_t w = cps_writer(file->buffer, BUFFER_LEN);
    cps_pcapng_put_section(&w, program);
    cps_err_t err = w.failed ? CPS_ERR_ARGUMENT : CPS_OK;
    if (err == CPS_OK) {
        file->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
        err = file->fd < 0 ? CPS_ERR_IO : write_all(file, cps_written(&w));
    }
    if (err != CPS_OK)
        cps_pcapng_close(file);
    return err;
}

cps_err_t cps_pcapng_add(cps_pcapng_file_t *file, const char *name, uint32_t *number)
{
    *number = file->interfaces;
    if (file->fd < 0)
        return CPS_OK;
    cps_writer_t w = cps_writer(file->buffer, BUFFER_LEN);
    cps_pcapng_put_interface(&w, name);
    if (w.failed)
        return CPS_ERR_ARGUMENT;
    cps_err_t err = write_all(file, cps_written(&w));
    if (err == CPS_OK)
        file->interfaces++;
    return err;
}

cps_err_t cps_pcapng_write(cps_pcapng_file_t *file, const cps_pcapng_packet_t *packet)
{
    if (file->fd < 0)
        return CPS_OK;
    if (packet->interface >= file->interfaces)
        return CPS_ERR_ARGUMENT;
    cps_writer_t w = cps_writer(file->buffer, BUFFER_LEN);
    cps_pcapng_put_packet(&w, packet);
    return w.failed ? CPS_ERR_ARGUMENT : write_all(file, cps_written(&w));
}

void cps_pcapng_close(cps_pcapng_file_t *file)
{
    int kept = errno; /* the reason of a failed open is for the caller */
    if (file->fd >= 0)
        close(file->fd);
    free(file->buffer);
    file->fd = -1;
    file->buffer = NULL;
    errno = kept;
}
