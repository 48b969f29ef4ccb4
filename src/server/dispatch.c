// SPDX-License-Identifier: Apache-2.0
/* From a request to its handler. The order of the checks is the order of the functions in `judge`: how often its client
 * asks, what it asks for, who asks, and whether it may run; only then the handler. */
#include "server/request.h"
#include "server/watch.h"

#include "host/inside.h"

#include <stdlib.h>

#define SHORT_MAX_AGE_S 2U /* Max-Age of a 5.03: when to try again */

/* A request on its way through the checks. */
typedef struct way {
    cps_dispatch_t *d;
    const cps_event_request_t *event;
    cps_request_t *request;
    uint8_t options[CPS_SITE_KEY_MAX]; /* rewritten ones */
    uint8_t host[CPS_URI_HOST_MAX + 3];
    uint8_t path[CPS_SITE_KEY_MAX];
    cps_target_t target;
} way_t;

/* Refuse with a code, and perhaps a diagnostic for the peer; `reason` is for the log. Always false: "stop here". */
static bool refuse(const way_t *way, uint8_t code, const char *diagnostic, const char *reason)
{
    cps_answer_t answer = {.code = code, .payload = cps_bytes_str(diagnostic)};
    cps_request_refuse(way->request, &answer, true, reason);
    return false;
}

void cps_request_refuse_busy(cps_request_t *request, const char *reason)
{
    static const uint8_t seconds = SHORT_MAX_AGE_S;
    static const cps_option_t max_age = {CPS_OPT_MAX_AGE, {&seconds, 1}};
    cps_answer_t answer = {.code = CPS_SERVICE_UNAVAILABLE, .options = &max_age, .option_count = 1};
    cps_request_refuse(request, &answer, false, reason);
}

/* ---- how often it asks ---- */

static cps_rate_verdict_t rate_of(cps_dispatch_t *d, const cps_event_request_t *event)
{
    cps_bytes_t client = event->context != 0 ? cps_bytes(&event->context, sizeof event->context)
                                             : cps_bytes(event->path.remote.ip, sizeof event->path.remote.ip);
    return cps_rate_take(&d->rate, d->hooks.now(d->hooks.user), client);
}

/* Of what goes over the limit little is told, and the rest is dropped (RFC 8516 §3). */
static bool is_in_time(way_t *way)
{
    static const uint8_t seconds = CPS_RATE_WAIT_S;
    static const cps_option_t max_age = {CPS_OPT_MAX_AGE, {&seconds, 1}};
    const cps_dispatch_hooks_t *hooks = &way->d->hooks;
    cps_rate_verdict_t verdict = hooks->now == NULL ? CPS_RATE_PASS : rate_of(way->d, way->event);
    cps_answer_t answer = {.code = CPS_TOO_MANY_REQUESTS, .options = &max_age, .option_count = 1};
    if (verdict == CPS_RATE_PASS)
        return true;
    if (verdict == CPS_RATE_SILENT) {
        cps_command_t drop = {.kind = CPS_COMMAND_DROP, .u.handle = way->request->handle};
        (void)hooks->submit(hooks->user, &drop, NULL); /* stale at worst: it is over either way */
        return false;
    }
    if (verdict == CPS_RATE_WARN)
        answer.code = CPS_SERVICE_UNAVAILABLE;
    cps_request_refuse(way->request, &answer, true, "too many requests");
    return false;
}

/* ---- what it asks for ---- */

static bool is_for_us(way_t *way)
{
    cps_writer_t scratch = cps_writer(way->options, sizeof way->options);
    if (cps_request_unproxy(way->request, &way->event->path.local, &scratch) != CPS_PROXIED_OTHER)
        return true;
    return refuse(way, CPS_PROXYING_NOT_SUPPORTED, NULL, "not a proxy"); /* RFC 7252 §5.10.2 */
}

static bool has_hops(way_t *way)
{
    cps_option_walk_t walk = {0, 0};
    for (cps_option_t option; cps_message_next(&way->request->message, &walk, &option);) {
        if (option.number != CPS_OPT_HOP_LIMIT)
            continue;
        if (option.value.len == 1 && option.value.ptr[0] != 0)
            return true; /* further copies are ignored (RFC 7252 §5.4.5) */
        return refuse(way, CPS_BAD_REQUEST, "Hop-Limit", "Hop-Limit out of range"); /* RFC 8768 §3 */
    }
    return true;
}

/* One Uri-Path more. False for a segment that names no resource here: "." and ".." (RFC 7252 §5.10.1), and one with a
 * slash, which would pass for two. */
static bool add_segment(cps_writer_t *path, cps_bytes_t segment, bool first)
{
    if (!first)
        cps_write_u8(path, '/');
    cps_write_bytes(path, segment);
    return segment.len == 0 || memchr(segment.ptr, '/', segment.len) == NULL;
}

static bool is_dots(cps_bytes_t segment)
{
    return cps_bytes_equal(segment, CPS_BYTES_LIT(".")) || cps_bytes_equal(segment, CPS_BYTES_LIT(".."));
}

static bool read_path(way_t *way)
{
    cps_writer_t path = cps_writer(way->path, sizeof way->path);
    cps_option_walk_t walk = {0, 0};
    bool first = true;
    bool plain = true;
    for (cps_option_t option; cps_message_next(&way->request->message, &walk, &option);) {
        if (option.number != CPS_OPT_URI_PATH)
            continue;
        if (is_dots(option.value))
            return refuse(way, CPS_BAD_REQUEST, NULL, "dot segment in Uri-Path");
        plain = add_segment(&path, option.value, first) && plain;
        first = false;
    }
    way->target.path = cps_written(&path);
    if (plain && !path.failed)
        return true;
    return refuse(way, CPS_NOT_FOUND, NULL, "no such resource");
}

/* Uri-Host, or the address that was asked (RFC 7252 §5.10.1). */
static void read_host(way_t *way)
{
    cps_writer_t host = cps_writer(way->host, sizeof way->host);
    cps_addr_t asked = way->event->path.local;
    cps_bytes_t value;
    asked.scope_id = 0;
    if (cps_message_option(&way->request->message, CPS_OPT_URI_HOST, &value))
        (void)cps_site_canonical_host(value, &host);
    else if (asked.family != CPS_FAMILY_NONE)
        cps_uri_write_addr(&host, &asked);
    if (!host.failed)
        way->target.host = way->request->host = cps_written(&host);
}

static bool finds(way_t *way)
{
    if (!read_path(way))
        return false;
    read_host(way);
    way->request->node = cps_site_find(&way->d->site, &way->target);
    return way->request->node != NULL || refuse(way, CPS_NOT_FOUND, NULL, "no such resource");
}

/* ---- who asks ---- */

static bool is_allowed(way_t *way)
{
    const cps_request_t *r = way->request;
    if (cps_rule_allows(&r->node->rule, r->credential, r->message.code))
        return true;
    if (r->credential ==
        NULL) /* nobody can be named who is not proven: a sealed resource never comes further than this */
        return refuse(way, CPS_UNAUTHORIZED, "OSCORE is required", "not protected");
    return refuse(way, CPS_FORBIDDEN, NULL, "not allowed"); /* sealed, as the request is (OPS-17) */
}

/* Asked before anything is said of the resource's state: what was held back for too long learns nothing (RFC 9175 §2.3). */
static bool is_fresh(way_t *way)
{
    const cps_dispatch_hooks_t *hooks = &way->d->hooks;
    cps_request_t *r = way->request;
    cps_command_t command = {.kind = CPS_COMMAND_CHALLENGE, .u.handle = r->handle};
    if (cps_rule_is_fresh(&r->node->rule, r->message.code, r->age_us))
        return true;
    cps_err_t err = hooks->submit(hooks->user, &command, NULL);
    if (err != CPS_OK)
        cps_request_give_up(r, err, "the challenge could not be sent");
    else
        cps_request_note(r, &(cps_dispatch_note_t){CPS_SERVED_REFUSED, r, CPS_UNAUTHORIZED, "not fresh", CPS_OK});
    return false;
}

/* ---- whether it may run ---- */

static cps_handler_t handler_of(const cps_request_t *r)
{
    unsigned method = r->message.code;
    return method >= CPS_GET && method <= CPS_METHODS ? r->node->handlers[method - 1U] : NULL;
}

static bool has_method(way_t *way)
{
    return handler_of(way->request) != NULL ||
           refuse(way, CPS_METHOD_NOT_ALLOWED, NULL, "no such method"); /* RFC 7252 §5.8 */
}

/* A resource that does not look at conditions must not run as if they held: both options are critical. */
static bool has_conditions(way_t *way)
{
    cps_bytes_t value;
    const cps_request_t *r = way->request;
    if (r->node->conditional)
        return true;
    if (cps_message_option(&r->message, CPS_OPT_IF_MATCH, &value))
        return refuse(way, CPS_BAD_OPTION, "option 1", "no conditions here");
    if (cps_message_option(&r->message, CPS_OPT_IF_NONE_MATCH, &value))
        return refuse(way, CPS_BAD_OPTION, "option 5", "no conditions here");
    return true;
}

static bool listed(const uint16_t *list, size_t count, int32_t format)
{
    bool found = count == 0 || format < 0;
    for (size_t i = 0; i < count && !found; i++)
        found = list[i] == format;
    return found;
}

/* What these three mean is said by their Content-Format alone (RFC 8132 §2.3.1, §3). */
static bool may_be_sent(const cps_node_t *node, unsigned method, int32_t format)
{
    bool patch = method == CPS_PATCH || method == CPS_IPATCH;
    bool own = patch && node->patch_format_count != 0;
    const uint16_t *list = own ? node->patch_formats : node->formats;
    size_t count = own ? node->patch_format_count : node->format_count;
    if (format < 0 && count != 0 && (patch || method == CPS_FETCH))
        return false;
    return listed(list, count, format);
}

static bool fits_formats(way_t *way)
{
    const cps_request_t *r = way->request;
    unsigned method = r->message.code;
    if (method != CPS_GET && method != CPS_DELETE && !may_be_sent(r->node, method, cps_request_content_format(r)))
        return refuse(way, CPS_UNSUPPORTED_CONTENT_FORMAT, NULL, "Content-Format"); /* RFC 7252 §5.9.2.10 */
    return listed(r->node->offers, r->node->offer_count, cps_request_accept(r)) ||
           refuse(way, CPS_NOT_ACCEPTABLE, NULL, "Accept"); /* §5.10.4 */
}

static bool fits_size(way_t *way)
{
    const cps_request_t *r = way->request;
    uint8_t bytes[4];
    uint64_t size = (uint64_t)r->body.offset + cps_request_payload(r).len;
    if (size < r->body.size)
        size = r->body.size; /* said by the client: refused before the first block is kept */
    if (size <= r->node->body_max)
        return true;
    cps_option_t size1 = {CPS_OPT_SIZE1, cps_opt_uint_bytes(r->node->body_max, bytes)}; /* RFC 7252 §5.9.2.9 */
    cps_answer_t answer = {.code = CPS_REQUEST_ENTITY_TOO_LARGE, .options = &size1, .option_count = 1};
    cps_request_refuse(way->request, &answer, true, "body too large");
    return false;
}

/* What came of a body so far may be gone since: with a resource that was taken away, say (RFC 7959 §2.9.2). */
static bool has_earlier_blocks(way_t *way)
{
    const cps_request_t *r = way->request;
    return r->body.offset == 0 || r->upload != NULL ||
           refuse(way, CPS_REQUEST_ENTITY_INCOMPLETE, NULL, "earlier blocks are gone");
}

static bool judge(way_t *way)
{
    static bool (*const checks[])(way_t * way) = {is_in_time,   is_for_us, has_hops,          finds,
                                                  is_allowed,   is_fresh,  has_method,        has_conditions,
                                                  fits_formats, fits_size, has_earlier_blocks};
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        if (!checks[i](way))
            return false;
    return true;
}

/* ---- the handler ---- */

static void run(cps_request_t *r)
{
    static const cps_answer_t failed = {.code = CPS_INTERNAL_SERVER_ERROR};
    cps_inside_enter();
    cps_err_t err = handler_of(r)(r, r->node->user);
    cps_inside_leave();
    bool unanswered = r->state == CPS_REQUEST_OPEN || (r->state == CPS_REQUEST_DEFERRED && err != CPS_OK);
    if (!unanswered)
        return;
    cps_request_note(r, &(cps_dispatch_note_t){CPS_SERVED_FAILED, r, failed.code, "the handler did not answer", err});
    cps_upload_abandon(r);
    err = cps_request_answer(r, &failed);
    if (err != CPS_OK)
        cps_request_give_up(r, err, "no answer can be sent");
}

static void release_if_over(cps_request_t *r)
{
    r->in_handler = false;
    if (r->state != CPS_REQUEST_DEFERRED && r->state != CPS_REQUEST_KEPT)
        cps_request_release(r);
}

static void serve(cps_dispatch_t *d, const cps_event_t *event, cps_request_t *r)
{
    way_t way = {.d = d, .event = &event->u.request, .request = r};
    r->in_handler = true;
    if (d->closing)
        cps_request_refuse_busy(r, "closing");
    else if (judge(&way))
        (r->body.more && !r->node->stream ? cps_request_put_together : run)(r);
    release_if_over(r);
}

void cps_dispatch_run(cps_dispatch_t *d, cps_request_t *request)
{
    (void)d;
    request->in_handler = true;
    run(request);
    release_if_over(request);
}

cps_err_t cps_dispatch_changed(cps_dispatch_t *d, const char *path)
{
    cps_err_t err = CPS_ERR_NOT_FOUND;
    for (size_t i = 0; i < d->site.count; i++) {
        const cps_node_t *node = d->site.nodes[i];
        if (strcmp(node->path, path + (path[0] == '/')) != 0)
            continue;
        err = node->observable || err == CPS_OK ? CPS_OK : CPS_ERR_UNSUPPORTED;
        cps_watch_changed(d, node);
    }
    return err;
}

static void turn_away(cps_dispatch_t *d, cps_handle_t handle)
{
    cps_command_t command = {.kind = CPS_COMMAND_REPLY,
                             .u.reply = {.request = handle, .code = CPS_SERVICE_UNAVAILABLE}};
    if (d->hooks.submit(d->hooks.user, &command, NULL) == CPS_OK)
        return;
    command = (cps_command_t){.kind = CPS_COMMAND_IGNORE, .u.handle = handle};
    (void)d->hooks.submit(d->hooks.user, &command, NULL);
}

void cps_dispatch_take(cps_dispatch_t *d, const cps_event_t *event)
{
    cps_request_t *r = cps_request_take(d, event);
    if (r == NULL)
        turn_away(d, event->handle);
    else
        serve(d, event, r);
}

bool cps_dispatch_retry(cps_dispatch_t *d)
{
    if (!cps_watch_retry(d))
        return false;
    while (d->kept_first != NULL) {
        cps_request_t *r = d->kept_first;
        if (!cps_request_retry(r))
            return false;
        d->kept_first = r->next;
        if (d->kept_first == NULL)
            d->kept_last = NULL;
        cps_request_release(r);
    }
    return true;
}

void cps_dispatch_close(cps_dispatch_t *d)
{
    static const cps_answer_t going = {.code = CPS_SERVICE_UNAVAILABLE};
    d->closing = true;
    cps_watch_rejudge(d); /* each is told that this server ends */
    for (size_t i = 0; i < d->limit; i++) {
        cps_request_t *r = &d->requests[i];
        if (r->state != CPS_REQUEST_DEFERRED)
            continue;
        cps_err_t err = cps_request_answer(r, &going);
        if (err != CPS_OK && err != CPS_ERR_STALE)
            cps_request_give_up(r, err, "closing");
    }
}

/* ---- life ---- */

void cps_dispatch_etag(cps_dispatch_t *d, uint8_t etag[8]) { cps_put_be64(etag, d->etag_base + d->etag_count++); }

cps_err_t cps_dispatch_add(cps_dispatch_t *d, const cps_resource_t *resource, const char **reason)
{
    cps_err_t err = cps_site_add(&d->site, resource, reason);
    if (err == CPS_OK)
        d->list_etag = d->etag_base + d->etag_count++;
    return err;
}

static cps_err_t add_discovery(cps_dispatch_t *d, cps_site_t *site)
{
    static const uint16_t link_format = 40;
    const char *reason = NULL;
    cps_err_t err = cps_site_add(site,
                                 CPS_RESOURCE(.path = ".well-known/core", .get = cps_discover_get, .user = d,
                                              .offers = &link_format, .offer_count = 1, .hidden = true),
                                 &reason);
    if (err == CPS_OK)
        site->nodes[0]->builtin = true;
    return err;
}

cps_err_t cps_dispatch_prepare(cps_dispatch_t *d, cps_site_t *next)
{
    cps_site_init_like(next, &d->site);
    cps_err_t err = add_discovery(d, next);
    if (err != CPS_OK)
        cps_site_fini(next);
    return err;
}

void cps_dispatch_replace(cps_dispatch_t *d, cps_site_t *next)
{
    cps_uploads_fini(d); /* what resources took so far is told to them; the next block of it gets 4.08 */
    for (size_t i = 0; i < d->limit; i++) {
        d->requests[i].node = NULL; /* it may go; the handlers of open requests have run */
        d->requests[i].upload = NULL;
    }
    cps_watch_part(d, next);
    cps_site_replace(&d->site, next);
    d->list_etag = d->etag_base + d->etag_count++;
    cps_watch_rejudge(d);
}

cps_err_t cps_dispatch_init(cps_dispatch_t *d, const cps_dispatch_hooks_t *hooks, const cps_dispatch_options_t *options)
{
    memset(d, 0, sizeof *d);
    d->hooks = *hooks;
    d->payload_max = options->payload_max;
    cps_site_init(&d->site, options->rng);
    cps_rng_fill(options->rng, &d->etag_base, sizeof d->etag_base);
    cps_rate_init(&d->rate, options->rate, options->rng);
    d->requests = calloc(options->requests, sizeof *d->requests);
    d->limit = d->requests != NULL ? options->requests : 0;
    for (size_t i = 0; i < d->limit; i++) {
        d->requests[i].dispatch = d;
        d->requests[i].next = d->free;
        d->free = &d->requests[i];
    }
    cps_err_t err = d->requests != NULL ? cps_own_init(&d->own, options->names) : CPS_ERR_MEMORY;
    if (err == CPS_OK)
        err = add_discovery(d, &d->site);
    d->list_etag = d->etag_base + d->etag_count++;
    if (err != CPS_OK)
        cps_dispatch_fini(d);
    return err;
}

void cps_dispatch_fini(cps_dispatch_t *d)
{
    for (size_t i = 0; i < d->limit; i++) {
        cps_request_t *r = &d->requests[i];
        if (r->copied && r->copy != NULL)
            cps_wipe(r->copy, r->copy_room);
        free(r->copy);
        free(r->text);
        free(r->answer);
    }
    cps_uploads_fini(d);
    free(d->requests);
    cps_own_fini(&d->own);
    cps_watch_free_all(d);
    cps_site_fini(&d->site);
    memset(d, 0, sizeof *d);
}
