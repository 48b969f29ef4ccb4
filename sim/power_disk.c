// SPDX-License-Identifier: Apache-2.0
#include "sim/power_disk.h"

#include <stdlib.h>

/* What a cut keeps of the unsynced changes of one file. */
typedef enum keep {
    KEEP_NOTHING,
    KEEP_ALL,
    KEEP_FIRST,   /* the disk worked in order, up to somewhere in a call */
    KEEP_SECTORS, /* each sector of each call by itself */
    KEEP_CALLS,   /* some calls, in any order */
    KEEP_COUNT
} keep_t;

static bool resize(cps_power_image_t *image, size_t size)
{
    if (size > image->room) {
        size_t room = size < 4096 ? 4096 : 2 * size;
        uint8_t *bytes = realloc(image->bytes, room);
        if (bytes == NULL)
            return false;
        image->bytes = bytes;
        image->room = room;
    }
    if (size > image->size) /* what lies between is a hole */
        memset(image->bytes + image->size, 0, size - image->size);
    image->size = size;
    return true;
}

static bool put(cps_power_image_t *image, uint64_t at, const uint8_t *from, size_t len)
{
    if (at + len > image->size && !resize(image, (size_t)at + len))
        return false;
    cps_copy(image->bytes + at, from, len);
    return true;
}

/* A copy of all of it; without memory the old one stays, and the test that runs out of memory fails by it. */
static void copy_image(cps_power_image_t *to, const cps_power_image_t *from)
{
    if (!resize(to, from->size))
        return;
    cps_copy(to->bytes, from->bytes, from->size);
}

static bool apply(cps_power_image_t *image, const cps_power_op_t *op)
{
    return op->bytes != NULL ? put(image, op->at, op->bytes, op->len) : resize(image, (size_t)op->at);
}

static bool note(cps_power_file_t *file, uint64_t at, const void *from, size_t len)
{
    if (file->op_count == file->op_room) {
        size_t room = file->op_room == 0 ? 16 : 2 * file->op_room;
        cps_power_op_t *ops = realloc(file->ops, room * sizeof *ops);
        if (ops == NULL)
            return false;
        file->ops = ops;
        file->op_room = room;
    }
    cps_power_op_t op = {.at = at, .len = len};
    if (from != NULL) {
        op.bytes = malloc(len + 1);
        if (op.bytes == NULL)
            return false;
        cps_copy(op.bytes, from, len);
    }
    file->ops[file->op_count++] = op;
    return true;
}

static void forget_ops(cps_power_file_t *file)
{
    for (size_t i = 0; i < file->op_count; i++)
        free(file->ops[i].bytes);
    file->op_count = 0;
}

cps_power_file_t *cps_power_find(const cps_power_disk_t *disk, const char *name)
{
    for (cps_power_file_t *f = disk->files; f != NULL; f = f->next)
        if (f->linked && strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

cps_power_file_t *cps_power_make(cps_power_disk_t *disk, const char *name, bool on_disk)
{
    cps_power_file_t *file = calloc(1, sizeof *file);
    if (file == NULL)
        return NULL;
    file->name = strdup(name);
    if (file->name == NULL) {
        free(file);
        return NULL;
    }
    file->linked = true;
    file->on_disk = on_disk;
    file->next = disk->files;
    disk->files = file;
    return file;
}

bool cps_power_write(cps_power_file_t *file, uint64_t at, const void *from, size_t len)
{
    return note(file, at, from, len) && put(&file->live, at, from, len);
}

bool cps_power_truncate(cps_power_file_t *file, uint64_t size)
{
    return note(file, size, NULL, 0) && resize(&file->live, (size_t)size);
}

static void free_file(cps_power_disk_t *disk, cps_power_file_t *file)
{
    cps_power_file_t **at = &disk->files;
    while (*at != file)
        at = &(*at)->next;
    *at = file->next;
    forget_ops(file);
    cps_power_drop_shm(file);
    free(file->ops);
    free(file->live.bytes);
    free(file->disk.bytes);
    free(file->name);
    free(file);
}

void cps_power_let_go(cps_power_disk_t *disk, cps_power_file_t *file)
{
    if (file->opens == 0 && !file->linked && !file->on_disk)
        free_file(disk, file);
}

static void sync_folder(cps_power_disk_t *disk)
{
    cps_power_file_t *next;
    for (cps_power_file_t *f = disk->files; f != NULL; f = next) {
        next = f->next;
        f->on_disk = f->linked;
        cps_power_let_go(disk, f);
    }
}

void cps_power_sync(cps_power_disk_t *disk, cps_power_file_t *file)
{
    for (size_t i = 0; i < file->op_count; i++)
        if (!apply(&file->disk, &file->ops[i]))
            return; /* not synced, then: a cut tells */
    forget_ops(file);
    if (file->syncs_folder && !file->on_disk)
        sync_folder(disk);
    file->syncs_folder = false;
}

void cps_power_sync_lost(cps_power_disk_t *disk, cps_power_file_t *file)
{
    for (size_t i = 0; i < file->op_count; i++)
        if (cps_rng_below(&disk->rng, 2) == 0 && !apply(&file->disk, &file->ops[i]))
            return;
    forget_ops(file);
    if (cps_rng_below(&disk->rng, 2) == 0)
        copy_image(&file->live, &file->disk);
}

void cps_power_unlink(cps_power_disk_t *disk, cps_power_file_t *file, bool synced)
{
    file->linked = false;
    if (synced)
        sync_folder(disk);
    else
        cps_power_let_go(disk, file);
}

/* ---- a cut ---- */

static void keep_first(cps_power_disk_t *disk, cps_power_file_t *file)
{
    size_t whole = cps_rng_below(&disk->rng, (uint32_t)file->op_count + 1);
    for (size_t i = 0; i < whole; i++)
        (void)apply(&file->disk, &file->ops[i]);
    if (whole == file->op_count || file->ops[whole].bytes == NULL)
        return;
    const cps_power_op_t *torn = &file->ops[whole];
    (void)put(&file->disk, torn->at, torn->bytes, cps_rng_below(&disk->rng, (uint32_t)torn->len + 1));
}

/* One sector of a write: not there, there, or torn: the head that flew over it stopped somewhere. */
static void keep_sector(cps_power_disk_t *disk, cps_power_file_t *file, const cps_power_op_t *part)
{
    uint32_t fate = cps_rng_below(&disk->rng, 16);
    size_t len = fate == 0 ? cps_rng_below(&disk->rng, (uint32_t)part->len + 1) : part->len;
    if (fate < 8)
        (void)put(&file->disk, part->at, part->bytes, len);
}

static void keep_sectors(cps_power_disk_t *disk, cps_power_file_t *file, size_t sector)
{
    for (size_t i = 0; i < file->op_count; i++) {
        const cps_power_op_t *op = &file->ops[i];
        if (op->bytes == NULL && cps_rng_below(&disk->rng, 2) == 0)
            (void)apply(&file->disk, op);
        for (size_t done = 0; op->bytes != NULL && done < op->len;) {
            size_t room = sector - (size_t)((op->at + done) % sector);
            cps_power_op_t part = {op->at + done, op->bytes + done, op->len - done < room ? op->len - done : room};
            keep_sector(disk, file, &part);
            done += part.len;
        }
    }
}

static void keep_calls(cps_power_disk_t *disk, cps_power_file_t *file)
{
    for (size_t i = file->op_count; i > 1; i--) {
        size_t j = cps_rng_below(&disk->rng, (uint32_t)i);
        cps_power_op_t op = file->ops[i - 1];
        file->ops[i - 1] = file->ops[j];
        file->ops[j] = op;
    }
    for (size_t i = 0; i < file->op_count; i++)
        if (cps_rng_below(&disk->rng, 2) == 0)
            (void)apply(&file->disk, &file->ops[i]);
}

static void settle_bytes(cps_power_disk_t *disk, cps_power_file_t *file)
{
    switch ((keep_t)cps_rng_below(&disk->rng, KEEP_COUNT)) {
    case KEEP_ALL:
        for (size_t i = 0; i < file->op_count; i++)
            (void)apply(&file->disk, &file->ops[i]);
        break;
    case KEEP_FIRST:
        keep_first(disk, file);
        break;
    case KEEP_SECTORS:
        keep_sectors(disk, file, cps_rng_below(&disk->rng, 2) == 0 ? 512 : 4096);
        break;
    case KEEP_CALLS:
        keep_calls(disk, file);
        break;
    case KEEP_NOTHING:
    case KEEP_COUNT:
        break;
    }
    forget_ops(file);
    copy_image(&file->live, &file->disk);
}

/* Per name: what was made and deleted since the folder was synced has reached the disk, or has not. */
static void settle_names(cps_power_disk_t *disk)
{
    for (cps_power_file_t *f = disk->files; f != NULL; f = f->next) {
        if (f->linked == f->on_disk)
            continue;
        bool reached = cps_rng_below(&disk->rng, 2) == 0;
        for (cps_power_file_t *g = f; g != NULL; g = g->next) {
            if (strcmp(f->name, g->name) != 0)
                continue;
            g->on_disk = reached ? g->linked : g->on_disk;
            g->linked = g->on_disk;
        }
    }
}

void cps_power_settle(cps_power_disk_t *disk)
{
    cps_power_file_t *next;
    settle_names(disk);
    for (cps_power_file_t *f = disk->files; f != NULL; f = next) {
        next = f->next;
        f->opens = 0;
        f->locks = (cps_power_locks_t){0};
        f->syncs_folder = false;
        cps_power_drop_shm(f);
        settle_bytes(disk, f);
        cps_power_let_go(disk, f);
    }
}

void cps_power_drop_shm(cps_power_file_t *file)
{
    for (size_t i = 0; i < file->shm_count; i++)
        free(file->shm[i]);
    free(file->shm);
    file->shm = NULL;
    file->shm_count = 0;
    file->shm_users = 0;
}

void cps_power_disk_fini(cps_power_disk_t *disk)
{
    while (disk->files != NULL)
        free_file(disk, disk->files);
}
