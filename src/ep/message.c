// SPDX-License-Identifier: Apache-2.0
/* Messages as events show them, and names of notes. */
#include "ep/ep.h"

bool cps_message_next(const cps_message_t *message, cps_option_walk_t *walk, cps_option_t *out)
{
    if (walk->at >= message->options.len)
        return false;
    cps_bytes_t rest = cps_bytes(message->options.ptr + walk->at, message->options.len - walk->at);
    cps_opt_walk_t inner = cps_opt_walk(rest);
    inner.number = walk->number;
    if (!cps_opt_next(&inner, out))
        return false;
    walk->at += (size_t)(inner.r.cur - rest.ptr);
    walk->number = inner.number;
    return true;
}

static cps_msg_t as_msg(const cps_message_t *message)
{
    return (cps_msg_t){.code = message->code, .options = message->options, .payload = message->payload};
}

bool cps_message_option(const cps_message_t *message, uint16_t number, cps_bytes_t *value)
{
    cps_msg_t msg = as_msg(message);
    return cps_msg_option(&msg, number, value);
}

bool cps_message_uint(const cps_message_t *message, uint16_t number, uint32_t *value)
{
    cps_msg_t msg = as_msg(message);
    return cps_msg_option_uint(&msg, number, value);
}

const char *cps_note_name(cps_note_kind_t kind)
{
    static const char *const names[CPS_NOTE_COUNT] = {
        [CPS_NOTE_MALFORMED] = "malformed",
        [CPS_NOTE_BAD_OPTION] = "bad_option",
        [CPS_NOTE_DUPLICATE] = "duplicate",
        [CPS_NOTE_REPLAY] = "replay",
        [CPS_NOTE_DECRYPT_FAILED] = "decrypt_failed",
        [CPS_NOTE_NO_CONTEXT] = "no_context",
        [CPS_NOTE_OSCORE_DECODE] = "oscore_decode",
        [CPS_NOTE_CHALLENGED] = "challenged",
        [CPS_NOTE_CHALLENGE_LIMITED] = "challenge_limited",
        [CPS_NOTE_UNPROVEN] = "unproven",
        [CPS_NOTE_RECOVERED] = "recovered",
        [CPS_NOTE_BUDGET_FULL] = "budget_full",
        [CPS_NOTE_PEERS_FULL] = "peers_full",
        [CPS_NOTE_REQUESTS_FULL] = "requests_full",
        [CPS_NOTE_AMPLIFICATION] = "amplification",
        [CPS_NOTE_UNAUTHENTICATED] = "unauthenticated",
        [CPS_NOTE_BAD_ANSWER] = "bad_answer",
        [CPS_NOTE_UNEXPECTED] = "unexpected",
        [CPS_NOTE_UNDELIVERED] = "undelivered",
        [CPS_NOTE_RESEALED] = "resealed",
        [CPS_NOTE_STORE_REFUSED] = "store_refused",
        [CPS_NOTE_REKEY_ASKED] = "rekey_asked",
        [CPS_NOTE_REKEY_LIMITED] = "rekey_limited",
        [CPS_NOTE_REKEYED] = "rekeyed",
        [CPS_NOTE_BODIES_FULL] = "bodies_full",
        [CPS_NOTE_BODY_BROKEN] = "body_broken",
    };
    return (unsigned)kind < CPS_NOTE_COUNT ? names[kind] : "unknown";
}
