// SPDX-License-Identifier: Apache-2.0
#include "server/watch.h"

#include "server/request.h"

#include <stdlib.h>

/* ---- the list of a resource ---- */

/* The node belongs to the site, which the request sees as it is; its list changes. */
static cps_watches_t *list_of(const cps_watch_t *watch) { return watch->node->watches; }

static void link_in(cps_watch_t *watch)
{
    cps_watches_t *list = list_of(watch);
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

static void let_go(cps_dispatch_t *d, cps_watch_t *watch)
{
    if (watch->prev != NULL)
        watch->prev->next = watch->next;
    else
        list_of(watch)->first = watch->next;
    if (watch->next != NULL)
        watch->next->prev = watch->prev;
    if (watch->late)
        unlink_late(d, watch);
    cps_wipe(watch->bytes, watch->options_len + watch->payload_len); /* it was sealed, perhaps */
    free(watch);
}

void cps_watch_free_all(cps_dispatch_t *d)
{
    for (size_t i = 0; i < d->site.count; i++)
        while (d->site.nodes[i]->watches->first != NULL)
            let_go(d, d->site.nodes[i]->watches->first);
}

/* ---- coming and going ---- */

cps_watch_t *cps_watch_new(const cps_request_t *request)
{
    const cps_message_t *m = &request->message;
    size_t len = m->options.len + m->payload.len;
    if (request->observe != CPS_OBSERVE_REGISTER || request->node == NULL || !request->node->observable ||
        len > CPS_WATCH_MAX)
        return NULL;
    cps_watch_t *watch = calloc(1, sizeof *watch + len);
    if (watch == NULL)
        return NULL;
    watch->node = request->node;
    watch->credential = request->credential;
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
    (void)d;
    if (watch == NULL)
        return;
    if (observer == 0) {
        free(watch);
        return;
    }
    watch->observer = observer;
    link_in(watch);
}

static cps_watch_t *watch_of(const cps_event_t *event) { return (cps_watch_t *)(uintptr_t)event->u.observer.user; }

void cps_watch_ended(cps_dispatch_t *d, const cps_event_t *event) { let_go(d, watch_of(event)); }

/* ---- telling ---- */

/* A server that ends says so, and the client may register with whoever comes next (RFC 7641 §4.2). */
static void say_closing(cps_dispatch_t *d, const cps_watch_t *watch)
{
    cps_command_t command = {.kind = CPS_COMMAND_NOTIFY,
                             .u.reply = {.request = watch->observer, .code = CPS_SERVICE_UNAVAILABLE}};
    (void)!d->hooks.submit(d->hooks.user, &command, NULL);
}

static bool tell(cps_dispatch_t *d, const cps_watch_t *watch)
{
    if (d->closing) {
        say_closing(d, watch);
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
    cps_watch_t *watch = watch_of(event);
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

void cps_watch_changed(cps_dispatch_t *d, const cps_node_t *node)
{
    for (const cps_watch_t *watch = node->watches->first; watch != NULL; watch = watch->next) {
        cps_command_t command = {.kind = CPS_COMMAND_CHANGED, .u.handle = watch->observer};
        (void)!d->hooks.submit(d->hooks.user, &command, NULL); /* stale: its end is about to be told */
    }
}
