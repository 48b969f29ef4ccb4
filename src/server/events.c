// SPDX-License-Identifier: Apache-2.0
/* Events of the endpoint: requests go to the dispatch, jobs to the store, notes to the log. */
#include "server/request.h"
#include "server/server.h"
#include "server/watch.h"

#include "wire/msg.h"

/* Which kid no key is for: its length is the top byte of the number, its bytes stand below. */
static cps_bytes_t kid_of(uint64_t number, uint8_t out[8])
{
    size_t len = (size_t)(number >> 56U) & 7U;
    cps_put_be64(out, number << (64U - 8U * len) % 64U);
    return cps_bytes(out, len);
}

static void log_note(cps_server_t *s, const cps_event_note_t *note)
{
    const cps_credential_t *credential = note->context != 0 ? cps_keyring_at(s->keyring, note->user) : NULL;
    const char *name = cps_note_name(note->kind);
    cps_log_field_t fields[3];
    size_t count = 0;
    uint8_t kid[8];
    if (note->path.remote.family != CPS_FAMILY_NONE && note->kind != CPS_NOTE_UNPROVEN) /* not of one address */
        fields[count++] = cps_log_addr("peer", &note->path.remote);
    if (credential != NULL)
        fields[count++] = cps_log_text("credential", credential->name);
    if (note->kind == CPS_NOTE_NO_CONTEXT)
        fields[count++] = cps_log_hex("kid", kid_of(note->number, kid));
    else if (note->number != 0)
        fields[count++] = cps_log_number(note->kind == CPS_NOTE_UNPROVEN ? "challenges" : "number", note->number);
    cps_server_log(s, cps_log_level_of(name), name, fields, count);
}

static void log_unobserved(cps_server_t *s, const cps_event_t *event)
{
    const cps_watch_t *watch = cps_watch_of(event);
    CPS_SERVER_LOG(s, CPS_LOG_DEBUG, "unobserved", cps_log_addr("peer", &watch->peer),
                   cps_log_text("credential", watch->credential),
                   cps_log_text("resource", watch->node != NULL ? watch->node->path : NULL),
                   cps_log_err("error", event->u.observer.err));
}

void cps_server_event(void *user, const cps_event_t *event)
{
    cps_server_t *s = user;
    switch (event->kind) {
    case CPS_EVENT_REQUEST:
        s->dispatch.now_us = cps_worker_now(s->worker);
        cps_dispatch_take(&s->dispatch, event);
        break;
    case CPS_EVENT_JOB:
        cps_leases_job(s->leases, event);
        break;
    case CPS_EVENT_NOTE:
        log_note(s, &event->u.note);
        break;
    case CPS_EVENT_NOTIFY:
        cps_watch_notify(&s->dispatch, event);
        break;
    case CPS_EVENT_UNOBSERVED:
        log_unobserved(s, event);
        cps_watch_ended(&s->dispatch, event);
        break;
    case CPS_EVENT_RESPONSE:
    case CPS_EVENT_FAILED:
    case CPS_EVENT_STALE:
    case CPS_EVENT_WANTED:
        break; /* a server asks nothing */
    case CPS_EVENT_ABANDONED:
        cps_dispatch_abandoned(&s->dispatch, event->u.abandoned.user);
        break;
    }
}

static const char *code_text(uint8_t code, char out[8])
{
    snprintf(out, 8, "%u.%02u", cps_code_class(code), cps_code_detail(code));
    return out;
}

static const char *method_text(uint8_t code, char out[8])
{
    static const char *const names[] = {"", "GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "iPATCH"};
    return code < sizeof names / sizeof names[0] ? names[code] : code_text(code, out);
}

void cps_server_served(void *user, const cps_dispatch_note_t *note)
{
    static const struct {
        cps_log_level_t level;
        const char *event;
    } kinds[] = {[CPS_SERVED_ANSWERED] = {CPS_LOG_DEBUG, "answered"},
                 [CPS_SERVED_REFUSED] = {CPS_LOG_INFO, "refused"},
                 [CPS_SERVED_FAILED] = {CPS_LOG_WARNING, "failed"}};
    cps_server_t *s = user;
    const cps_request_t *r = note->request;
    cps_addr_t peer = cps_request_peer(r);
    char method[8];
    char code[8];
    s->outcomes[note->kind]++;
    s->codes[note->code]++;
    if (note->kind == CPS_SERVED_ANSWERED)
        cps_histogram_add(&s->seconds, cps_worker_now(s->worker) - r->taken_us);
    if (s->quiet || kinds[note->kind].level > s->log.options.level)
        return; /* before the path is made */
    cps_log_field_t fields[] = {cps_log_addr("peer", &peer),
                                cps_log_text("credential", cps_request_credential(r)),
                                cps_log_text("method", method_text(cps_request_method(r), method)),
                                cps_log_text("path", cps_request_full_path(r)),
                                cps_log_text("code", code_text(note->code, code)),
                                cps_log_text("reason", note->reason),
                                cps_log_err("error", note->err)};
    size_t count = sizeof fields / sizeof fields[0] - (note->err == CPS_OK ? 1 : 0); /* no error, no field */
    cps_server_log(s, kinds[note->kind].level, kinds[note->kind].event, fields, count);
}

void cps_server_metrics(const cps_server_t *server, cps_metrics_out_t *out)
{
    static const char *const outcomes[CPS_SERVER_OUTCOMES] = {"answered", "refused", "failed"};
    cps_ep_stats_t stats;
    char code[8];
    cps_server_stats(server, &stats);
    cps_metrics_endpoint(out, &stats, &server->limits);
    for (size_t i = 0; i < CPS_SERVER_OUTCOMES; i++)
        cps_metrics_put(out, CPS_METRIC_REQUESTS, outcomes[i], server->outcomes[i]);
    for (unsigned i = 1; i < 256; i++)
        if (server->codes[i] != 0)
            cps_metrics_put(out, CPS_METRIC_RESPONSES, code_text((uint8_t)i, code), server->codes[i]);
    cps_metrics_histogram(out, CPS_METRIC_REQUEST_SECONDS, &server->seconds);
    if (server->leases != NULL)
        cps_leases_metrics(server->leases, out);
    cps_metrics_put(out, CPS_METRIC_LOG_LOST, NULL, server->log.lost);
}

void cps_server_store_refused(void *user, cps_err_t err, const char *sentence)
{
    CPS_SERVER_LOG(user, CPS_LOG_WARNING, "store_refused", cps_log_err("error", err), cps_log_text("detail", sentence));
}
