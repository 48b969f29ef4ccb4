// SPDX-License-Identifier: Apache-2.0
/* What the doctor looks at beside a file: the keyring, sockets, names, clocks. */
#include "cli/cmd_doctor.h"

#include "host/clock.h"
#include "host/udp.h"
#include "store/store.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH       64U
#define OLDEST_WALL 1767225600ULL /* 2026-01-01: a clock before it is not set */
#define SECOND_US   1000000ULL

/* ---- keyring ---- */

static void on_finding(void *user, const char *finding)
{
    cps_doctor_say(user, CPS_DOCTOR_WRONG, CPS_ERR_STORE_CORRUPT, "keyring: %s", finding);
}

static void look_at_key(cps_doctor_t *d, const cps_store_loaded_t *loaded)
{
    const char *name = loaded->key.name;
    if (loaded->key.retired)
        cps_doctor_say(d, CPS_DOCTOR_NOTE, CPS_OK, "key %s: retired by an export; it is never used here again", name);
    else if (loaded->result == CPS_ERR_STATE_LOST)
        cps_doctor_say(d, CPS_DOCTOR_WRONG, loaded->result,
                       "key %s: its sequence state is lost, so that it never sends; coapsule key rekey, key import "
                       "--next-sequence, or key new at both ends",
                       name);
    else if (loaded->result != CPS_OK)
        cps_doctor_say(d, CPS_DOCTOR_WRONG, loaded->result, "key %s: %s", name, cps_err_text(loaded->result));
    else if (loaded->state.next > 1ULL << 39U)
        cps_doctor_say(d, CPS_DOCTOR_NOTE, CPS_OK, "key %s: more than half of its numbers are used; rekey it soon",
                       name);
}

static size_t look_at_keys(cps_doctor_t *d, cps_store_t *store)
{
    cps_store_loaded_t *loaded = calloc(BATCH, sizeof *loaded);
    int64_t cursor = 0;
    size_t total = 0;
    size_t count = loaded != NULL ? BATCH : 0;
    cps_err_t err = CPS_OK;
    while (err == CPS_OK && count != 0) {
        err = store->table->load(store, &cursor, false, loaded, BATCH, &count);
        for (size_t i = 0; i < count && err == CPS_OK; i++)
            look_at_key(d, &loaded[i]);
        total += err == CPS_OK ? count : 0;
    }
    if (loaded != NULL)
        cps_wipe(loaded, BATCH * sizeof *loaded);
    free(loaded);
    if (err != CPS_OK)
        cps_doctor_say(d, CPS_DOCTOR_WRONG, err, "keyring: %s", cps_store_detail());
    return total;
}

static void look_for_key(cps_doctor_t *d, cps_store_t *store, const char *name, const char *where)
{
    cps_store_key_t key;
    cps_err_t err = store->table->key_get(store, name, &key);
    if (err == CPS_ERR_NOT_FOUND)
        cps_doctor_say(d, CPS_DOCTOR_WRONG, CPS_ERR_CONFIG,
                       "%s names %s, and there is no such key; coapsule key import its file, or correct the name",
                       where, name);
    cps_wipe(&key, sizeof key);
}

static void look_for_keys(cps_doctor_t *d, cps_store_t *store, const cps_conf_daemon_t *conf)
{
    const char *const *contexts = conf->contexts.items;
    const cps_conf_resource_t *resources = conf->resources.items;
    for (size_t i = 0; i < conf->contexts.count; i++)
        look_for_key(d, store, contexts[i], "contexts");
    for (size_t i = 0; i < conf->resources.count; i++) {
        const cps_conf_allow_t *allow = resources[i].allow.items;
        char where[CPS_CONF_PATH_MAX];
        snprintf(where, sizeof where, "allow of %.160s", resources[i].path);
        for (size_t j = 0; j < resources[i].allow.count; j++)
            if (strcmp(allow[j].name, "*") != 0)
                look_for_key(d, store, allow[j].name, where);
    }
}

static void look_at_space(cps_doctor_t *d, const char *path)
{
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(slash - path) + 1 : 1, slash != NULL ? path : ".");
    if (access(folder, W_OK) != 0)
        cps_doctor_say(d, CPS_DOCTOR_NOTE, CPS_OK,
                       "keyring: %s cannot be written by this user; whoever serves has to be able to", folder);
}

void cps_doctor_keyring(cps_doctor_t *d, const char *path, const cps_conf_daemon_t *conf)
{
    cps_store_options_t how = {.path = path, .read_only = true};
    cps_store_t *store = NULL;
    unsigned wrong = d->wrong;
    struct stat info;
    if (stat(path, &info) != 0 && errno == ENOENT && conf == NULL) {
        cps_doctor_say(d, CPS_DOCTOR_NOTE, CPS_OK, "keyring: there is none yet at %s; coapsule key new makes it", path);
        return;
    }
    cps_err_t err = cps_store_sqlite_open(&store, &how);
    if (err != CPS_OK) {
        cps_doctor_say(d, CPS_DOCTOR_WRONG, err, "keyring: %s", cps_store_detail());
        return;
    }
    size_t count = look_at_keys(d, store);
    if (conf != NULL)
        look_for_keys(d, store, conf);
    store->table->close(store);
    err = cps_store_check(path, on_finding, d);
    if (err != CPS_OK && err != CPS_ERR_STORE_CORRUPT)
        cps_doctor_say(d, CPS_DOCTOR_WRONG, err, "keyring: %s", cps_store_detail());
    look_at_space(d, path);
    if (d->wrong == wrong)
        cps_doctor_say(d, CPS_DOCTOR_OK, CPS_OK, "%s: sound, with %zu key%s", path, count, count == 1 ? "" : "s");
}

/* ---- network ---- */

static void look_at_listen(cps_doctor_t *d, const cps_addr_t *at)
{
    cps_udp_t udp;
    cps_udp_options_t options = {.socket = 0};
    char text[CPS_ADDR_TEXT_MAX];
    cps_err_t err = cps_udp_open(&udp, at, &options);
    if (err == CPS_OK) {
        cps_udp_close(&udp);
        cps_doctor_say(d, CPS_DOCTOR_OK, CPS_OK, "%s can be listened at", cps_addr_format(at, text));
    } else if (err == CPS_ERR_ADDRESS_IN_USE) {
        cps_doctor_say(d, CPS_DOCTOR_NOTE, CPS_OK,
                       "%s is in use: by this daemon, if it runs; else find out by ss -lunp",
                       cps_addr_format(at, text));
    } else {
        cps_doctor_say(d, CPS_DOCTOR_WRONG, err, "%s", udp.detail);
    }
}

static void look_at_family(cps_doctor_t *d, cps_family_t family, const char *name)
{
    cps_udp_t udp;
    cps_udp_options_t options = {.socket = 0};
    cps_addr_t any = {.family = (uint8_t)family};
    if (cps_udp_open(&udp, &any, &options) == CPS_OK)
        cps_udp_close(&udp);
    else
        cps_doctor_say(d, CPS_DOCTOR_NOTE, CPS_OK, "this host has no %s: %s", name, udp.detail);
}

static void look_at_names(cps_doctor_t *d)
{
    struct addrinfo *found = NULL;
    int failed = getaddrinfo("localhost", NULL, NULL, &found);
    if (failed != 0)
        cps_doctor_say(d, CPS_DOCTOR_WRONG, CPS_ERR_IO, "the name localhost has no address: %s; look at /etc/hosts",
                       gai_strerror(failed));
    else
        freeaddrinfo(found);
}

static void look_at_clocks(cps_doctor_t *d)
{
    cps_clock_t clock;
    cps_clock_init(&clock);
    if (clock.note != NULL)
        cps_doctor_say(d, CPS_DOCTOR_NOTE, CPS_OK, "%s: freshness is measured too short by that time", clock.note);
    if (cps_clock_wall_us() / SECOND_US < OLDEST_WALL)
        cps_doctor_say(d, CPS_DOCTOR_NOTE, CPS_OK,
                       "the clock of this host is not set; only the times in logs depend on it");
}

void cps_doctor_network(cps_doctor_t *d, const cps_conf_daemon_t *conf)
{
    unsigned wrong = d->wrong;
    unsigned odd = d->odd;
    const cps_addr_t *listen = conf != NULL ? conf->listen.items : NULL;
    for (size_t i = 0; conf != NULL && i < conf->listen.count; i++)
        look_at_listen(d, &listen[i]);
    look_at_family(d, CPS_FAMILY_IPV4, "IPv4");
    look_at_family(d, CPS_FAMILY_IPV6, "IPv6");
    look_at_names(d);
    look_at_clocks(d);
    if (d->wrong == wrong && d->odd == odd)
        cps_doctor_say(d, CPS_DOCTOR_OK, CPS_OK, "network and clocks: nothing wrong");
}
