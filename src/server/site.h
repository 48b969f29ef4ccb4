// SPDX-License-Identifier: Apache-2.0
/* The resources of a server: found by host and path in constant time, listed in the order in which they were added. */
#ifndef CPS_SERVER_SITE_H
#define CPS_SERVER_SITE_H

#include "server/rule.h"

#include "base/bytes.h"
#include "base/rng.h"

#define CPS_METHODS       7U /* GET to iPATCH */
#define CPS_SITE_KEY_MAX  2048U
#define CPS_SITE_LINK_MAX 1024U
#define CPS_BODY_MAX      1024U /* default of body_max (RFC 7252 §4.6) */

struct cps_watch;

/** The observers of a resource. */
typedef struct cps_watches {
    struct cps_watch *first;
} cps_watches_t;

/** A resource as the server keeps it. Its address stays while the site lives. */
typedef struct cps_node {
    cps_handler_t handlers[CPS_METHODS]; /**< by method code minus one */
    void *user;
    cps_rule_t rule;
    char *host; /**< canonical, or NULL: any */
    char *path; /**< segments joined by "/" */
    size_t path_len;
    uint8_t *link; /**< how it is listed (RFC 6690); NULL: hidden */
    size_t link_len;
    uint16_t *formats;
    size_t format_count;
    uint16_t *patch_formats;
    size_t patch_format_count;
    uint16_t *offers;
    size_t offer_count;
    uint32_t body_max;
    bool conditional;
    bool stream;
    void (*abandoned)(void *upload, void *user);
    bool observable;
    bool notify_non;
    cps_watches_t *watches; /**< never NULL; its own piece of memory, as a node is const for those who find it */
    bool builtin;           /**< made by the server itself: one that is added takes its place */
    uint32_t next;          /**< in its bucket */
    uint64_t hash;
} cps_node_t;

typedef struct cps_site {
    cps_node_t **nodes;
    size_t count;
    size_t room;
    uint32_t *buckets; /**< place in nodes plus one, or 0 */
    size_t bucket_count;
    size_t hosted; /**< nodes with a host of their own */
    uint8_t seed[16];
} cps_site_t;

/** What a request asks for: canonical host and joined path, as views that the caller keeps. */
typedef struct cps_target {
    cps_bytes_t host; /**< empty: none known */
    cps_bytes_t path; /**< segments joined by "/" */
} cps_target_t;

/** An empty site. */
void cps_site_init(cps_site_t *site, cps_rng_t *rng);

/** An empty one that can take the place of `site`: cps_site_replace. */
void cps_site_init_like(cps_site_t *next, const cps_site_t *site);

/** Put `next` in the place of `site`, and free what goes; `next` is empty then. A resource of the same host and path stays
 * at its address. */
void cps_site_replace(cps_site_t *site, cps_site_t *next);

/** Free all. */
void cps_site_fini(cps_site_t *site);

/** Add a resource; everything but `user` is copied. CPS_ERR_EXISTS, CPS_ERR_CONFIG with `*reason` (static text),
 * CPS_ERR_MEMORY; nothing has changed then. */
CPS_MUST_USE cps_err_t cps_site_add(cps_site_t *site, const cps_resource_t *resource, const char **reason);

/** The resource of that host, else the one of any host, or NULL. */
const cps_node_t *cps_site_find(const cps_site_t *site, const cps_target_t *target);

/** Write a host as the site compares it: lower case; an address, with brackets or without, as RFC 5952 spells it. False
 * where it does not fit. */
bool cps_site_canonical_host(cps_bytes_t host, cps_writer_t *out);

#endif /* CPS_SERVER_SITE_H */
