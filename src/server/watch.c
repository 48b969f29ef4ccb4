// SPDX-License-Identifier: Apache-2.0
#include "server/watch.h"

#include "server/request.h"

#include <stdlib.h>

#define CLOSING_MAX_AGE_S 5U /* when a client may register with whoever comes next */

/* ---- the list of a resource ---- */

/* The node belongs to the site, which the request sees as it is; its list changes. */
static cps_watches_t *list_of(cps_dispatch_t *d, const cps_watch_t *watch)
{
    return watch->node != NULL ? watch->node->watches : &d->orphans;
}

static void link_in(cps_dispatch_t *d, cps_watch_t *watch)
{
    cps_watches_t *list = list_of(d, watch);
    watch->prev = NULL;
    watch->next = list->first;
    if (list->first != NULL)
        list->first->prev = watch;
    list->first = watch;
}

static void unlink_late(cps_dispatch_t *d, const cps_watch_t *watch)
{
    for (cps_watch_t **at = &d->late; *at != NULL; at = &(*at)->next_late)
        if (*at == watch) {
            *at = watch->next_late;
            return;
        }
}

static void take_out(cps_dispatch_t *d, const cps_watch_t *watch)
{
    if (watch->prev != NULL)
        watch->prev->next = watch->next;
    else
        list_of(d, watch)->first = watch->next;
    if (watch->next != NULL)
        watch->next->prev = watch->prev;
}

static void watch_free(cps_watch_t *watch)
{
    cps_wipe(watch->bytes, watch->options_len + watch->payload_len); /* it was sealed, perhaps */
    free(watch);
}

static void let_go(cps_dispatch_t *d, cps_watch_t *watch)
{
    take_out(d, watch);
    if (watch->late)
        unlink_late(d, watch);
    watch_free(watch);
}

static void free_list(cps_watches_t *list)
{
    for (cps_watch_t *watch = list->first; watch != NULL;) {
        cps_watch_t *next = watch->next;
        watch_free(watch);
        watch = next;
    }
    list->first = NULL;
}

void cps_watch_free_all(cps_dispatch_t *d)
{
    for (size_t i = 0; i < d->site.count; i++)
        free_list(d->site.nodes[i]->watches);
    free_list(&d->orphans);
    d->late = NULL;
}

/* ---- coming and going ---- */

cps_watch_t *cps_watch_new(const cps_request_t *request)
{
    const cps_message_t *m = &request->message;
    size_t len = m->options.len + m->payload.len;
    size_t name_len = request->credential != NULL ? strlen(request->credential) : 0;
    if (request->observe != CPS_OBSERVE_REGISTER || request->node == NULL || !request->node->observable ||
        len > CPS_WATCH_MAX)
        return NULL;
    cps_watch_t *watch = calloc(1, sizeof *watch + len + name_len + 1);
    if (watch == NULL)
        return NULL;
    watch->node = request->node;
    cps_copy(watch->bytes + len, (const uint8_t *)request->credential, name_len);
    watch->credential = request->credential != NULL ? (const char *)watch->bytes + len : NULL;
    watch->peer = request->peer;
    watch->method = m->code;
    watch->options_len = m->options.len;
    watch->payload_len = m->payload.len;
    cps_copy(watch->bytes, m->options.ptr, m->options.len);
    cps_copy(watch->bytes + m->options.len, m->payload.ptr, m->payload.len);
    return watch;
}

void cps_watch_begin(cps_dispatch_t *d, cps_watch_t *watch, cps_handle_t observer)
{
    if (watch == NULL)
        return;
    if (observer == 0) {
        free(watch);
        return;
    }
    watch->observer = observer;
    link_in(d, watch);
}

cps_watch_t *cps_watch_of(const cps_event_t *event)
{
    cps_watch_t *watch;
    uintptr_t user = (uintptr_t)event->u.observer.user;
    memcpy(&watch, &user, sizeof user);
    return watch;
}

void cps_watch_ended(cps_dispatch_t *d, const cps_event_t *event) { let_go(d, cps_watch_of(event)); }

/* ---- telling ---- */

/* What a GET would get now that never reaches a handler, or CPS_EMPTY (RFC 7641 §4.2): a server that ends says so; rights
 * may be others than at the registration. */
static uint8_t refusal_of(const cps_dispatch_t *d, const cps_watch_t *watch)
{
    if (d->closing)
        return CPS_SERVICE_UNAVAILABLE;
    if (watch->node == NULL)
        return CPS_NOT_FOUND;
    if (!cps_rule_allows(&watch->node->rule, watch->credential, watch->method))
        return watch->credential == NULL ? CPS_UNAUTHORIZED : CPS_FORBIDDEN;
    return watch->node->observable ? CPS_EMPTY : CPS_SERVICE_UNAVAILABLE;
}

static void refuse(cps_dispatch_t *d, const cps_watch_t *watch, uint8_t code)
{
    static const uint8_t seconds = CLOSING_MAX_AGE_S;
    static const cps_option_t max_age = {CPS_OPT_MAX_AGE, {&seconds, 1}};
    cps_command_t command = {.kind = CPS_COMMAND_NOTIFY,
                             .u.reply = {.request = watch->observer,
                                         .code = code,
                                         .options = &max_age,
                                         .option_count = code == CPS_SERVICE_UNAVAILABLE ? 1 : 0}};
    (void)!d->hooks.submit(d->hooks.user, &command, NULL);
}

static bool tell(cps_dispatch_t *d, const cps_watch_t *watch)
{
    uint8_t refusal = refusal_of(d, watch);
    if (refusal != CPS_EMPTY) {
        refuse(d, watch, refusal);
        return true;
    }
    cps_request_t *r = cps_request_take_watch(d, watch);
    if (r == NULL)
        return false;
    cps_dispatch_run(d, r);
    return true;
}

void cps_watch_notify(cps_dispatch_t *d, const cps_event_t *event)
{
    cps_watch_t *watch = cps_watch_of(event);
    if (tell(d, watch) || watch->late)
        return;
    watch->late = true;
    watch->next_late = d->late;
    d->late = watch;
    d->hooks.later(d->hooks.user);
}

bool cps_watch_retry(cps_dispatch_t *d)
{
    while (d->late != NULL) {
        cps_watch_t *watch = d->late;
        if (!tell(d, watch))
            return false;
        watch->late = false; /* nothing of it is freed before the next event */
        d->late = watch->next_late;
    }
    return true;
}

static void all_changed(cps_dispatch_t *d, const cps_watches_t *list)
{
    for (const cps_watch_t *watch = list->first; watch != NULL; watch = watch->next) {
        cps_command_t command = {.kind = CPS_COMMAND_CHANGED, .u.handle = watch->observer};
        (void)!d->hooks.submit(d->hooks.user, &command, NULL); /* stale: its end is about to be told */
    }
}

void cps_watch_changed(cps_dispatch_t *d, const cps_node_t *node) { all_changed(d, node->watches); }

/* ---- other resources ---- */

static bool stays(const cps_node_t *node, const cps_site_t *next)
{
    for (size_t i = 0; i < next->count; i++)
        if (strcmp(node->path, next->nodes[i]->path) == 0 &&
            cps_bytes_equal(cps_bytes_str(node->host), cps_bytes_str(next->nodes[i]->host)))
            return true;
    return false;
}

void cps_watch_part(cps_dispatch_t *d, const cps_site_t *next)
{
    for (size_t i = 0; i < d->site.count; i++) {
        cps_watches_t *list = d->site.nodes[i]->watches;
        while (list->first != NULL && !stays(d->site.nodes[i], next)) {
            cps_watch_t *watch = list->first;
            take_out(d, watch);
            watch->node = NULL;
            link_in(d, watch);
        }
    }
}

void cps_watch_rejudge(cps_dispatch_t *d)
{
    for (size_t i = 0; i < d->site.count; i++)
        all_changed(d, d->site.nodes[i]->watches);
    all_changed(d, &d->orphans);
}
