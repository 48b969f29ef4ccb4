// SPDX-License-Identifier: Apache-2.0
#include "host/resolve.h"

#include <netdb.h>
#include <stdlib.h>

/* Freed when the timer is closed and no thread can come back to it. */
struct cps_resolve {
    uv_timer_t timer; /* the deadline; of an IP address, the next turn */
    uv_getaddrinfo_t request;
    const cps_resolver_t *resolver;
    void (*done)(void *user, const cps_resolve_result_t *result);
    void *user;
    cps_addr_t literal;
    uint16_t port;
    bool open;    /* `done` is still to be called */
    bool pending; /* a thread has the request */
    bool closed;  /* the timer is */
};

static int cancel_request(uv_getaddrinfo_t *request) { return uv_cancel((uv_req_t *)request); }

static const cps_resolver_t system_resolver = {uv_getaddrinfo, cancel_request, uv_freeaddrinfo};

static void free_if_over(cps_resolve_t *r)
{
    if (r->closed && !r->pending)
        free(r);
}

static void on_closed(uv_handle_t *handle)
{
    cps_resolve_t *r = handle->data;
    r->closed = true;
    free_if_over(r);
}

static void end(cps_resolve_t *r)
{
    r->open = false;
    uv_close((uv_handle_t *)&r->timer, on_closed);
}

/* The callback comes last: it may begin the next look-up. */
static void finish(cps_resolve_t *r, const cps_resolve_result_t *result)
{
    end(r);
    r->done(r->user, result);
}

static void fail(cps_resolve_t *r, const char *detail)
{
    cps_resolve_result_t result = {.err = CPS_ERR_RESOLVE, .detail = detail};
    finish(r, &result);
}

static void deliver(cps_resolve_t *r, const struct addrinfo *found)
{
    cps_addr_t addrs[CPS_RESOLVE_ADDRS_MAX];
    cps_resolve_result_t result = {.err = CPS_OK, .addrs = addrs};
    for (; found != NULL && result.count < CPS_RESOLVE_ADDRS_MAX; found = found->ai_next) {
        cps_addr_t *addr = &addrs[result.count];
        if (!cps_addr_from_sockaddr(found->ai_addr, addr))
            continue;
        addr->port = r->port;
        result.count++;
    }
    if (result.count == 0)
        fail(r, "the name has no IP address");
    else
        finish(r, &result);
}

static void on_found(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    cps_resolve_t *r = request->data;
    r->pending = false;
    if (r->open && status == 0)
        deliver(r, found);
    else if (r->open)
        fail(r, uv_strerror(status));
    r->resolver->release(found);
    free_if_over(r);
}

static void on_timer(uv_timer_t *timer)
{
    cps_resolve_t *r = timer->data;
    if (r->literal.family != CPS_FAMILY_NONE) {
        cps_resolve_result_t result = {.err = CPS_OK, .addrs = &r->literal, .count = 1};
        finish(r, &result);
        return;
    }
    if (r->pending)
        (void)r->resolver->cancel(&r->request); /* where a thread works on it already, its answer will be dropped */
    fail(r, "no answer in time");
}

/* Hand the name to the thread pool. */
static cps_err_t look_up(cps_resolve_t *r, uv_loop_t *loop, const cps_resolve_query_t *query)
{
    char host[CPS_RESOLVE_HOST_MAX + 1];
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_family = AF_UNSPEC};
    if (query->family != CPS_FAMILY_NONE)
        hints.ai_family = query->family == CPS_FAMILY_IPV4 ? AF_INET : AF_INET6;
    cps_copy(host, query->host.ptr, query->host.len);
    host[query->host.len] = '\0';
    r->request.data = r;
    if (r->resolver->start(loop, &r->request, on_found, host, NULL, &hints) != 0)
        return CPS_ERR_RESOLVE;
    r->pending = true;
    return CPS_OK;
}

static bool is_host(cps_bytes_t host)
{
    return host.len != 0 && host.len <= CPS_RESOLVE_HOST_MAX && memchr(host.ptr, '\0', host.len) == NULL;
}

cps_err_t cps_resolve_start(uv_loop_t *loop, const cps_resolve_query_t *query, cps_resolve_t **out)
{
    cps_addr_t literal;
    bool is_literal = cps_addr_parse(query->host, 0, &literal) == CPS_OK && literal.port == 0;
    uint64_t timeout_us = query->timeout_us != 0 ? query->timeout_us : CPS_RESOLVE_TIMEOUT_US;
    if (!is_host(query->host))
        return CPS_ERR_ARGUMENT;
    if (is_literal && query->family != CPS_FAMILY_NONE && literal.family != query->family)
        return CPS_ERR_RESOLVE;
    cps_resolve_t *r = calloc(1, sizeof *r);
    if (r == NULL)
        return CPS_ERR_MEMORY;
    r->resolver = query->resolver != NULL ? query->resolver : &system_resolver;
    r->done = query->done;
    r->user = query->user;
    r->port = query->port;
    r->open = true;
    if (is_literal) {
        r->literal = literal;
        r->literal.port = query->port;
        timeout_us = 0;
    } else {
        cps_err_t err = look_up(r, loop, query);
        if (err != CPS_OK) {
            free(r);
            return err;
        }
    }
    uv_update_time(loop); /* the loop's clock stands still between turns */
    uv_timer_init(loop, &r->timer);
    r->timer.data = r;
    uv_timer_start(&r->timer, on_timer, (timeout_us + 999) / 1000, 0);
    if (out != NULL)
        *out = r;
    return CPS_OK;
}

void cps_resolve_cancel(cps_resolve_t *resolve)
{
    end(resolve);
    if (resolve->pending)
        (void)resolve->resolver->cancel(&resolve->request);
}
