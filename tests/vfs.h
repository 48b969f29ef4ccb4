// SPDX-License-Identifier: Apache-2.0
/* A store on a disk that can lose its power (sim/power.h), and what a test believes to be on that disk. */
#ifndef CPS_TESTS_VFS_H
#define CPS_TESTS_VFS_H

#include "unit/store_fixture.h"

#include "sim/power.h"
#include "store/sqlite.h"

/** Under a sanitizer a fourth of the histories has to do: the optimised build runs all of them. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VFS_SHARE 4U
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define VFS_SHARE 4U
#endif
#endif
#ifndef VFS_SHARE
#define VFS_SHARE 1U
#endif

/** A folder of the system for the name, the guard and the owner locks; the bytes are in memory. */
typedef struct vfs_box {
    box_t box;
    cps_power_t *power;
} vfs_box_t;

/** A fresh disk in the same folder: stores that were there are gone. */
static inline void vfs_format(vfs_box_t *v, uint64_t seed)
{
    cps_power_free(v->power);
    assert_ok(cps_power_new(&v->power, seed));
}

static inline void vfs_make(vfs_box_t *v, uint64_t seed)
{
    v->power = NULL;
    box_make(&v->box);
    vfs_format(v, seed);
}

static inline void vfs_drop(vfs_box_t *v)
{
    cps_power_free(v->power);
    box_drop(&v->box);
}

static inline cps_err_t vfs_open(const vfs_box_t *v, cps_store_t **out)
{
    cps_store_options_t options = {.path = v->box.path, .create = true, .vfs = cps_power_vfs(v->power)};
    return cps_store_sqlite_open(out, &options);
}

static inline void vfs_complain(void *user, const char *finding)
{
    (void)user;
    print_message("# %s\n", finding);
}

/** The store opens, and every rule of `store check` holds. */
static inline cps_store_t *vfs_open_sound(const vfs_box_t *v)
{
    cps_store_t *s;
    cps_err_t err = vfs_open(v, &s);
    if (err != CPS_OK)
        fail_msg("%s: %s", cps_err_name(err), cps_store_detail());
    assert_ok(cps_sqlite_inspect(cps_sqlite_of(s), vfs_complain, NULL));
    return s;
}

#endif /* CPS_TESTS_VFS_H */
