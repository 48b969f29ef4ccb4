// SPDX-License-Identifier: Apache-2.0
/* Events of the endpoint: requests go to the dispatch, jobs to the store, notes to the log. */
#include "server/request.h"
#include "server/server.h"

#include "wire/msg.h"

/* What a note is worth. What happens on any lossy network is for those who look for it. */
static cps_log_level_t level_of(cps_note_kind_t kind)
{
    switch (kind) {
    case CPS_NOTE_STORE_REFUSED:
    case CPS_NOTE_BUDGET_FULL:
    case CPS_NOTE_PEERS_FULL:
    case CPS_NOTE_REQUESTS_FULL:
        return CPS_LOG_WARNING;
    case CPS_NOTE_DUPLICATE:
    case CPS_NOTE_UNEXPECTED:
    case CPS_NOTE_AMPLIFICATION:
    case CPS_NOTE_UNDELIVERED:
        return CPS_LOG_DEBUG;
    default:
        return CPS_LOG_INFO;
    }
}

static const char unproven[] =
    "the replay window is lost since the last start and no request came back with its Echo (RFC 8613 B.1.2): the peer "
    "knows no Echo and needs new keys, or what it once sent is being sent again";

static void log_note(cps_server_t *s, const cps_event_note_t *note)
{
    const cps_credential_t *credential = note->context != 0 ? cps_keyring_at(s->keyring, note->user) : NULL;
    const char *name = credential != NULL ? credential->name : NULL;
    if (note->kind == CPS_NOTE_UNPROVEN) {
        CPS_SERVER_LOG(s, CPS_LOG_WARNING, "unproven", cps_log_text("credential", name),
                       cps_log_number("challenges", note->number), cps_log_text("detail", unproven));
        return;
    }
    CPS_SERVER_LOG(s, level_of(note->kind), cps_note_name(note->kind), cps_log_addr("peer", &note->path.remote),
                   cps_log_text("credential", name), cps_log_number("number", note->number));
}

void cps_server_event(void *user, const cps_event_t *event)
{
    cps_server_t *s = user;
    switch (event->kind) {
    case CPS_EVENT_REQUEST:
        cps_dispatch_take(&s->dispatch, event);
        break;
    case CPS_EVENT_JOB:
        cps_leases_job(s->leases, event);
        break;
    case CPS_EVENT_NOTE:
        log_note(s, &event->u.note);
        break;
    case CPS_EVENT_RESPONSE:
    case CPS_EVENT_FAILED:
        break; /* a server asks nothing */
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
    if (s->quiet || kinds[note->kind].level > s->log.options.level)
        return; /* before the path is made */
    CPS_SERVER_LOG(s, kinds[note->kind].level, kinds[note->kind].event, cps_log_addr("peer", &peer),
                   cps_log_text("credential", cps_request_credential(r)),
                   cps_log_text("method", method_text(cps_request_method(r), method)),
                   cps_log_text("path", cps_request_full_path(r)), cps_log_text("code", code_text(note->code, code)),
                   cps_log_text("reason", note->reason), cps_log_err("error", note->err));
}

void cps_server_store_refused(void *user, cps_err_t err, const char *sentence)
{
    CPS_SERVER_LOG(user, CPS_LOG_WARNING, "store_refused", cps_log_err("error", err), cps_log_text("detail", sentence));
}
