// SPDX-License-Identifier: Apache-2.0
/* Names of a proxy, looked up by the system off the loop. */
#include "cli/cmd_proxy.h"

#include <stdlib.h>

/* Longer than the proxy itself waits for a name: its own 5.04 comes first, and a look-up that hangs ends here. */
#define LOOKUP_TIMEOUT_US 10000000U

/* A look-up under way. */
struct cps_lookup_one {
    cps_lookup_t *all;
    cps_resolve_t *resolve;
    uint64_t ticket;
    struct cps_lookup_one *next;
    struct cps_lookup_one *before;
};

static void forget(struct cps_lookup_one *one)
{
    if (one->before != NULL)
        one->before->next = one->next;
    else
        one->all->open = one->next;
    if (one->next != NULL)
        one->next->before = one->before;
    free(one);
}

static void on_done(void *user, const cps_resolve_result_t *result)
{
    struct cps_lookup_one *one = user;
    cps_proxy_t *proxy = one->all->proxy;
    uint64_t ticket = one->ticket;
    forget(one);
    cps_proxy_resolved(proxy, ticket, result->err, result->addrs, result->count);
}

static cps_err_t start(void *self, const char *name, uint64_t ticket)
{
    cps_lookup_t *all = self;
    struct cps_lookup_one *one = calloc(1, sizeof *one);
    if (one == NULL)
        return CPS_ERR_MEMORY;
    cps_resolve_query_t query = {
        .host = cps_bytes_str(name), .timeout_us = LOOKUP_TIMEOUT_US, .done = on_done, .user = one};
    *one = (struct cps_lookup_one){.all = all, .ticket = ticket, .next = all->open};
    cps_err_t err = cps_resolve_start(all->loop, &query, &one->resolve);
    if (err != CPS_OK) {
        free(one);
        return err;
    }
    if (all->open != NULL)
        all->open->before = one;
    all->open = one;
    return CPS_OK;
}

void cps_proxy_lookup_begin(cps_lookup_t *lookup, uv_loop_t *loop, cps_proxy_lookup_t *out)
{
    *lookup = (cps_lookup_t){.loop = loop};
    *out = (cps_proxy_lookup_t){start, lookup};
}

void cps_proxy_lookup_end(cps_lookup_t *lookup)
{
    struct cps_lookup_one *next = lookup->open;
    lookup->open = NULL;
    while (next != NULL) {
        struct cps_lookup_one *one = next;
        next = one->next;
        cps_resolve_cancel(one->resolve);
        free(one);
    }
}
