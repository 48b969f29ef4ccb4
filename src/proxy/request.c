// SPDX-License-Identifier: Apache-2.0
/* A request comes: who asks, what for, and whether it may. */
#include "proxy/inside.h"

#include "base/map.h"

#include <stdio.h>

/* Nothing was done for it: if the message comes again it is refused again, and nothing is remembered. */
static void refuse_now(cps_proxy_t *p, const cps_event_t *event, const char *where, const cps_proxy_refusal_t *refusal)
{
    cps_proxy_account(p, &event->u.request.path.remote, where, refusal);
    if (cps_proxy_send_refusal(p, event->handle, refusal) != CPS_OK)
        cps_proxy_drop(p, event->handle);
}

static void refuse(cps_proxy_t *p, const cps_event_t *event, const char *where, cps_proxy_reason_t reason)
{
    cps_proxy_refuse(&p->request.refusal, reason, where);
    refuse_now(p, event, where, &p->request.refusal);
}

static void serve(cps_proxy_t *p, const cps_event_t *event)
{
    const cps_proxy_request_t *r = &p->request;
    if (!cps_proxy_local(&event->u.request.message, r->options, r->option_count, &p->answer)) {
        refuse_now(p, event, "-", &p->answer.refusal);
        return;
    }
    p->stats.local++;
    if (cps_proxy_send_answer(p, event->handle, &p->answer, false) != CPS_OK)
        cps_proxy_drop(p, event->handle);
}

/* A target that is the proxy itself: its path and query are taken from the URI. */
static void serve_uri(cps_proxy_t *p, const cps_event_t *event)
{
    cps_proxy_request_t *r = &p->request;
    cps_uri_parts_t parts = {.destination_port = r->uri.port};
    cps_writer_t store = cps_writer(r->store, sizeof r->store);
    r->option_count = 0;
    if (cps_uri_to_options(&r->uri, parts, &store, r->options, CPS_PROXY_OPTIONS_MAX, &r->option_count) == CPS_OK)
        serve(p, event);
    else
        refuse(p, event, "-", CPS_PROXY_NOT_FOUND);
}

/* The authority as people write it: "door.local:5683". */
static const char *write_where(const cps_uri_t *uri, char out[CPS_PROXY_WHERE_MAX])
{
    bool v6 = uri->family == CPS_FAMILY_IPV6;
    snprintf(out, CPS_PROXY_WHERE_MAX, "%s%.80s%s:%u", v6 ? "[" : "", uri->host, v6 ? "]" : "", (unsigned)uri->port);
    return out;
}

/* A client that was challenged takes its request for one that was not done, and it was: what we hold for it is gone by
 * now. So the repeat is challenged anew instead of being forwarded as a new request. */
static void challenge_again(cps_proxy_t *p, const cps_event_t *event)
{
    cps_command_t challenge = {.kind = CPS_COMMAND_CHALLENGE, .u.handle = event->handle};
    if (cps_proxy_submit(p, &challenge, NULL) == CPS_OK)
        p->stats.challenged++;
    else
        cps_proxy_drop(p, event->handle);
}

/* The next hop sees one endpoint, the proxy: the blocks of its clients are told apart by Request-Tag (RFC 9175 §3.4). No
 * state is kept, so that no client can fill it: the tag follows from who asks and from the tags it gave. */
static void tag(cps_proxy_t *p, const cps_event_request_t *request)
{
    cps_proxy_request_t *r = &p->request;
    const cps_addr_t *client = &request->path.remote;
    cps_writer_t w = cps_writer(r->store, sizeof r->store);
    r->tagged = cps_proxy_wants_tag(&request->message);
    if (!r->tagged)
        return;
    cps_write_u32(&w, client->scope_id);
    cps_write_u16(&w, client->port);
    if (cps_proxy_tag_source(&request->message, cps_bytes(client->ip, sizeof client->ip), &w) != CPS_OK)
        cps_write_u8(&w, 0); /* more tags than fit: all of one operation have the same first ones */
    cps_bytes_t source = cps_written(&w);
    cps_put_be64(r->tag, cps_hash(p->tag_seed, source.ptr, source.len));
}

static void send_on(cps_proxy_t *p, const cps_event_t *event, const char *where)
{
    tag(p, &event->u.request);
    if (cps_proxy_rewrite(&event->u.request.message, &p->rules, &p->request))
        cps_proxy_forward(p, event, where);
    else
        refuse_now(p, event, where, &p->request.refusal);
}

static void forward(cps_proxy_t *p, const cps_event_t *event)
{
    cps_proxy_request_t *r = &p->request;
    char where[CPS_PROXY_WHERE_MAX];
    cps_addr_t literal;
    bool is_literal = r->uri.family != CPS_FAMILY_NONE;
    write_where(&r->uri, where);
    r->own_echo = event->u.request.verified;
    if (is_literal && !cps_proxy_literal(&r->uri, &literal)) { /* a zone that is none here */
        refuse(p, event, where, CPS_PROXY_ADDRESS);
        return;
    }
    if (is_literal ? cps_proxy_self_has_addr(&p->self, &literal)
                   : cps_proxy_self_has_name(&p->self, r->uri.host, r->uri.port)) {
        serve_uri(p, event); /* RFC 7252 §5.7.2, §5.10.2: never sent to ourselves */
        return;
    }
    if (is_literal ? !cps_proxy_may_reach(p->options.targets, &r->uri, &literal)
                   : !cps_proxy_may_look_up(p->options.targets, &r->uri))
        refuse(p, event, where, is_literal && cps_proxy_is_special(&literal) ? CPS_PROXY_ADDRESS : CPS_PROXY_TARGET);
    else
        send_on(p, event, where);
}

void cps_proxy_on_request(cps_proxy_t *p, const cps_event_t *event)
{
    const cps_event_request_t *request = &event->u.request;
    char client[CPS_ADDR_TEXT_MAX];
    p->stats.requests++;
    if ((request->path.flags & CPS_PATH_MULTICAST) != 0) {
        cps_proxy_drop(p, event->handle); /* RFC 7252 §8.1, §8.2: no proxying for a group, and no errors to one */
        return;
    }
    if (!cps_conf_clients_allow(p->options.clients, &request->path.remote)) {
        cps_proxy_refuse(&p->request.refusal, CPS_PROXY_CLIENT, cps_addr_format_ip(&request->path.remote, client));
        refuse_now(p, event, "-", &p->request.refusal);
        return;
    }
    if (p->draining) {
        refuse(p, event, "-", CPS_PROXY_DRAINING);
        return;
    }
    switch (cps_proxy_read(&request->message, &p->request)) {
    case CPS_PROXY_WANTS_US:
        p->request.option_count = cps_proxy_path_of(&request->message, p->request.options);
        serve(p, event);
        break;
    case CPS_PROXY_WANTS_FORWARD:
        if (request->echo_old)
            challenge_again(p, event);
        else
            forward(p, event);
        break;
    case CPS_PROXY_WANTS_REFUSAL:
        refuse_now(p, event, "-", &p->request.refusal);
        break;
    }
}
