// SPDX-License-Identifier: Apache-2.0
#include "cli/kind.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define SENSOR_US 1000000U /* it shows something else each second */

static const uint16_t text_plain[] = {0};
static const uint16_t json_patches[] = {52, 51}; /* RFC 7396, RFC 6902 */

/* What each kind offers, in the order of cps_conf_resource_kind_t. */
static const cps_resource_t shapes[] = {
    [CPS_CONF_LOCK] = {.get = cps_kind_lock_get,
                       .put = cps_kind_lock_set,
                       .post = cps_kind_lock_set,
                       .formats = text_plain,
                       .format_count = 1,
                       .offers = text_plain,
                       .offer_count = 1,
                       .observable = true},
    [CPS_CONF_SENSOR] = {.get = cps_kind_sensor_get, .offers = text_plain, .offer_count = 1, .observable = true},
    [CPS_CONF_VALUE] = {.get = cps_kind_value_get,
                        .put = cps_kind_value_set,
                        .post = cps_kind_value_set,
                        .del = cps_kind_value_delete,
                        .fetch = cps_kind_value_fetch,
                        .patch = cps_kind_value_patch,
                        .ipatch = cps_kind_value_patch,
                        .patch_formats = json_patches,
                        .patch_format_count = 2,
                        .conditional = true,
                        .observable = true},
    [CPS_CONF_COUNTER] = {.get = cps_kind_counter_get,
                          .post = cps_kind_counter_post,
                          .offers = text_plain,
                          .offer_count = 1,
                          .observable = true},
    [CPS_CONF_SLOW] = {.get = cps_kind_slow, .put = cps_kind_slow, .post = cps_kind_slow, .fetch = cps_kind_slow},
    [CPS_CONF_ECHO] = {.get = cps_kind_echo, .put = cps_kind_echo, .post = cps_kind_echo, .fetch = cps_kind_echo},
};

void cps_kinds_init(cps_kinds_t *kinds, cps_server_t *server, cps_log_t *log, uint64_t body_max)
{
    memset(kinds, 0, sizeof *kinds);
    kinds->server = server;
    kinds->log = log;
    kinds->body_max = body_max < UINT32_MAX ? (uint32_t)body_max : UINT32_MAX;
    cps_clock_init(&kinds->clock);
}

static void thing_free(cps_thing_t *thing)
{
    if (thing == NULL)
        return;
    free(thing->path);
    free(thing->bytes);
    free(thing);
}

void cps_kinds_fini(cps_kinds_t *kinds)
{
    for (size_t i = 0; i < kinds->count; i++)
        thing_free(kinds->things[i]);
    free(kinds->things);
    free(kinds->waiting);
    memset(kinds, 0, sizeof *kinds);
}

static cps_thing_t *find_thing(const cps_kinds_t *kinds, const cps_conf_resource_t *from)
{
    for (size_t i = 0; i < kinds->count; i++)
        if (kinds->things[i]->kind == from->kind && strcmp(kinds->things[i]->path, from->path + 1) == 0)
            return kinds->things[i];
    return NULL;
}

static cps_thing_t *new_thing(cps_kinds_t *kinds, const cps_conf_resource_t *from)
{
    cps_thing_t *same = find_thing(kinds, from);
    if (same != NULL) {
        same->wanted = true;
        same->next_delay_us = from->delay_us;
        return same;
    }
    cps_thing_t **things = realloc(kinds->things, (kinds->count + 1) * sizeof(cps_thing_t *));
    if (things == NULL)
        return NULL;
    kinds->things = things;
    cps_thing_t *thing = calloc(1, sizeof *thing);
    if (thing == NULL)
        return NULL;
    thing->kinds = kinds;
    thing->path = strdup(from->path + 1);
    thing->kind = from->kind;
    thing->delay_us = thing->next_delay_us = from->delay_us;
    thing->wanted = thing->fresh = true;
    thing->format = -1;
    if (thing->path == NULL) {
        thing_free(thing);
        return NULL;
    }
    if (kinds->server != NULL) {
        cps_server_etag(kinds->server, thing->etag);
        cps_server_etag(kinds->server, thing->seed);
    }
    kinds->things[kinds->count++] = thing;
    return thing;
}

void cps_kinds_begin(cps_kinds_t *kinds, uint64_t body_max)
{
    kinds->body_max = body_max < UINT32_MAX ? (uint32_t)body_max : UINT32_MAX;
    for (size_t i = 0; i < kinds->count; i++)
        kinds->things[i]->wanted = kinds->things[i]->fresh = false;
}

void cps_kinds_end(cps_kinds_t *kinds, bool taken)
{
    size_t kept = 0;
    for (size_t i = 0; i < kinds->count; i++) {
        cps_thing_t *thing = kinds->things[i];
        if (taken ? !thing->wanted : thing->fresh) {
            thing_free(thing);
            continue;
        }
        if (taken)
            thing->delay_us = thing->next_delay_us;
        kinds->things[kept++] = thing;
    }
    kinds->count = kept;
}

/* ---- allow: from the list of the configuration to the text of a policy ---- */

static const char *const method_names[] = {"", "get", "post", "put", "delete", "fetch", "patch", "ipatch"};

#define METHODS (sizeof method_names / sizeof method_names[0])

static size_t allow_room(const cps_conf_resource_t *from)
{
    const cps_conf_allow_t *items = from->allow.items;
    size_t room = 1;
    for (size_t i = 0; i < from->allow.count; i++)
        room += strlen(items[i].name) + sizeof ": get post put delete fetch patch ipatch; ";
    return room;
}

static cps_err_t write_allow(const cps_conf_resource_t *from, cps_writer_t *w)
{
    const cps_conf_allow_t *items = from->allow.items;
    for (size_t i = 0; i < from->allow.count; i++) {
        if (items[i].name[0] == '\0' || strpbrk(items[i].name, ":;") != NULL)
            return CPS_ERR_CONFIG;
        cps_write_str(w, items[i].name);
        cps_write_u8(w, ':');
        for (size_t m = 1; m < METHODS; m++) {
            if ((items[i].methods >> m & 1U) == 0)
                continue;
            cps_write_u8(w, ' ');
            cps_write_str(w, method_names[m]);
        }
        cps_write_u8(w, ';');
    }
    cps_write_u8(w, 0);
    return cps_writer_err(w);
}

static uint32_t milliseconds(uint64_t us) { return us / 1000U < UINT32_MAX ? (uint32_t)(us / 1000U) : UINT32_MAX; }

static void describe(const cps_kinds_t *kinds, const cps_conf_resource_t *from, cps_thing_t *thing,
                     cps_resource_t *resource)
{
    *resource = shapes[from->kind];
    resource->size = sizeof *resource;
    resource->path = thing->path;
    resource->user = thing;
    resource->rt = from->rt;
    resource->title = from->title;
    resource->body_max = kinds->body_max;
    resource->policy.sealed = from->sealed;
    if (from->fresh_us != CPS_TIME_NEVER)
        resource->policy.fresh_ms = milliseconds(from->fresh_us);
}

cps_err_t cps_kinds_make(cps_kinds_t *kinds, const cps_conf_resource_t *from, cps_kinds_take_fn take, void *user)
{
    size_t room = allow_room(from);
    char *allow = malloc(room);
    cps_writer_t w = cps_writer(allow, allow != NULL ? room : 0);
    cps_resource_t resource;
    cps_err_t err = allow != NULL ? write_allow(from, &w) : CPS_ERR_MEMORY;
    cps_thing_t *thing = err == CPS_OK ? new_thing(kinds, from) : NULL;
    if (err == CPS_OK && thing == NULL)
        err = CPS_ERR_MEMORY;
    if (thing != NULL) {
        describe(kinds, from, thing, &resource);
        resource.policy.allow = from->sealed ? allow : NULL;
        err = take(user, &resource);
    }
    free(allow);
    return err;
}

/* ---- later answers ---- */

/* When the sensors show something else; never where nobody observes. */
static cps_time_us_t next_reading(const cps_kinds_t *kinds)
{
    cps_ep_stats_t stats;
    bool sensors = false;
    for (size_t i = 0; i < kinds->count; i++)
        sensors = sensors || kinds->things[i]->kind == CPS_CONF_SENSOR;
    if (!sensors || kinds->server == NULL)
        return CPS_TIME_NEVER;
    cps_server_stats(kinds->server, &stats);
    return stats.observers != 0 ? kinds->sensed_us : CPS_TIME_NEVER;
}

static void read_sensors(cps_kinds_t *kinds, cps_time_us_t now)
{
    if (now < next_reading(kinds))
        return;
    bool idle = now - kinds->sensed_us > SENSOR_US; /* nobody observed: who came now has the present state */
    kinds->sensed_us = (now / SENSOR_US + 1) * SENSOR_US;
    if (idle)
        return;
    for (size_t i = 0; i < kinds->count; i++)
        if (kinds->things[i]->kind == CPS_CONF_SENSOR &&
            cps_server_changed(kinds->server, kinds->things[i]->path) != CPS_OK)
            continue; /* it is not there any more: nobody is told */
}

int cps_kinds_timeout_ms(const cps_kinds_t *kinds)
{
    cps_time_us_t next = next_reading(kinds);
    for (size_t i = 0; i < kinds->waiting_count; i++)
        next = kinds->waiting[i].due_us < next ? kinds->waiting[i].due_us : next;
    if (next == CPS_TIME_NEVER)
        return -1;
    cps_time_us_t now = cps_clock_now(&kinds->clock);
    uint64_t ms = next <= now ? 0 : (next - now + 999) / 1000;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static void answer(const cps_kinds_t *kinds, cps_request_t *request)
{
    bool unsafe = cps_request_method(request) == CPS_PUT || cps_request_method(request) == CPS_POST;
    cps_err_t err = unsafe ? cps_reply(request, CPS_CHANGED) : cps_reply_text(request, CPS_CONTENT, "done");
    if (err != CPS_OK) /* a client that has given up, say */
        CPS_LOG(kinds->log, CPS_LOG_INFO, "answer_lost", cps_log_err("error", err));
}

void cps_kinds_answer(cps_kinds_t *kinds, bool all)
{
    cps_time_us_t now = cps_clock_now(&kinds->clock);
    size_t kept = 0;
    read_sensors(kinds, now);
    for (size_t i = 0; i < kinds->waiting_count; i++) {
        if (all || kinds->waiting[i].due_us <= now)
            answer(kinds, kinds->waiting[i].request);
        else
            kinds->waiting[kept++] = kinds->waiting[i];
    }
    kinds->waiting_count = kept;
}
