// SPDX-License-Identifier: Apache-2.0
/* Who observes a resource, and with which request: notifications are what its GET (or FETCH) handler answers to that
 * request now (RFC 7641 §4.2). */
#ifndef CPS_SERVER_WATCH_H
#define CPS_SERVER_WATCH_H

#include "server/dispatch.h"

#define CPS_WATCH_MAX                                                                                                  \
    1024U /* options and payload of a registration that is kept; a larger one is answered and that is all */

/** An observer of a resource. */
typedef struct cps_watch {
    struct cps_watch *next; /**< of its resource */
    struct cps_watch *prev;
    struct cps_watch *next_late; /**< of those whose turn came while no request was free */
    const cps_node_t *node;      /**< NULL: the resource is gone */
    cps_handle_t observer;
    const char *credential; /**< as of its request; NULL: unprotected */
    cps_addr_t peer;
    uint8_t method;
    bool late;
    size_t options_len;
    size_t payload_len;
    uint8_t bytes[]; /**< options, payload, name of the credential */
} cps_watch_t;

/** The record for a request that asks to observe, with a copy of it; NULL where it does not ask, its resource is not
 * observable, or there is no room. */
cps_watch_t *cps_watch_new(const cps_request_t *request);

/** The endpoint agreed under that handle; with 0 it did not, and the record is freed. */
void cps_watch_begin(cps_dispatch_t *d, cps_watch_t *watch, cps_handle_t observer);

/** The record of an observer's event: it is what the observer was given as its `user`. */
cps_watch_t *cps_watch_of(const cps_event_t *event);

/** A CPS_EVENT_NOTIFY: run the handler. */
void cps_watch_notify(cps_dispatch_t *d, const cps_event_t *event);

/** A CPS_EVENT_UNOBSERVED. */
void cps_watch_ended(cps_dispatch_t *d, const cps_event_t *event);

/** Those whose turn came while no request was free; false where some still wait. */
bool cps_watch_retry(cps_dispatch_t *d);

/** What a resource shows has changed. */
void cps_watch_changed(cps_dispatch_t *d, const cps_node_t *node);

/** Other resources are about to take the place of these: the observers of those that go are kept apart. */
void cps_watch_part(cps_dispatch_t *d, const cps_site_t *next);

/** They have: each observer is told the present state, or that it may not have it any more. */
void cps_watch_rejudge(cps_dispatch_t *d);

/** Free all records of a site. */
void cps_watch_free_all(cps_dispatch_t *d);

#endif /* CPS_SERVER_WATCH_H */
