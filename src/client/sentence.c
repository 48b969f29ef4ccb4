// SPDX-License-Identifier: Apache-2.0
/* What is told of a request that got no response: who did not answer, with which credential it was sealed, what came
 * unauthenticated, and whether it may have been carried out. */
#include "client/client.h"

#include <stdio.h>

#define PEER_MAX (CPS_URI_HOST_MAX + CPS_ADDR_TEXT_MAX + 16U)
#define HINT_MAX (PEER_MAX + CPS_CLIENT_HINT_MAX + 128U)

/* "gw.example (192.0.2.1:5683)"; an address that was given as one is told once. */
static void name_peer(const cps_call_t *call, char *out, size_t size)
{
    char addr[CPS_ADDR_TEXT_MAX];
    const char *role = call->plan.proxied ? "the proxy " : "";
    if (call->peer.family == CPS_FAMILY_NONE)
        snprintf(out, size, "%s%s", role, call->plan.host);
    else if (call->plan.literal.family != CPS_FAMILY_NONE)
        snprintf(out, size, "%s%s", role, cps_addr_format(&call->peer, addr));
    else
        snprintf(out, size, "%s%s (%s)", role, call->plan.host, cps_addr_format(&call->peer, addr));
}

static void tell_hint(const cps_call_t *call, const char *peer, char *out, size_t size)
{
    const cps_failure_t *f = &call->failure;
    char digits[8];
    switch (f->hint) {
    case CPS_HINT_RESPONSE:
        snprintf(out, size, "; %s answered %s %s, unauthenticated%s%s%s", peer, cps_code_digits(f->hint_code, digits),
                 cps_code_text(f->hint_code), f->hint_text[0] != '\0' ? ", saying \"" : "", f->hint_text,
                 f->hint_text[0] != '\0' ? "\"" : "");
        break;
    case CPS_HINT_RESET:
        snprintf(out, size, "; %s rejected the message with a Reset, unauthenticated", peer);
        break;
    case CPS_HINT_UNREACHABLE:
        snprintf(out, size, "; the network says that %s cannot be reached, unauthenticated", peer);
        break;
    case CPS_HINT_ACK:
        snprintf(out, size, "; %s acknowledged the message", peer);
        break;
    case CPS_HINT_NONE:
        out[0] = '\0';
        break;
    }
}

/* Whether a request changes anything where it is carried out. */
static const char *tell_effect(const cps_call_t *call)
{
    if (!call->failure.sent)
        return "; it was not sent";
    bool unsafe = call->request->method != CPS_EMPTY && cps_method_is_unsafe((uint8_t)call->request->method);
    return unsafe ? "; the request may have been carried out" : "";
}

static cps_err_t say_unknown(cps_client_t *client, const cps_call_t *call, const char *peer)
{
    char hint[HINT_MAX];
    const char *uri = call->request->uri;
    if (call->failure.cause == CPS_ERR_WINDOW_UNKNOWN)
        return cps_client_say(client, call->err,
                              "%s: outcome unknown: the server has lost its replay window and asks for proof that this "
                              "%s is no replay; an earlier copy may have been carried out; to send it once more on "
                              "purpose use --again (repeat_unsafe)",
                              uri, cps_code_text((uint8_t)call->request->method));
    tell_hint(call, peer, hint, sizeof hint);
    return cps_client_say(client, call->err,
                          "%s: outcome unknown: no genuine answer from %s to what credential %s sealed%s%s", uri, peer,
                          call->credential, hint, tell_effect(call));
}

static cps_err_t say_security(cps_client_t *client, const cps_call_t *call)
{
    if (call->failure.cause == CPS_ERR_NOT_FRESH)
        return cps_client_say(client, call->err,
                              "%s: the server asked for proof of freshness again after it was given (credential %s); "
                              "nothing was delivered",
                              call->request->uri, call->credential);
    return cps_client_say(client, call->err, "%s: %s (credential %s)", call->request->uri,
                          cps_err_text(call->failure.cause != CPS_OK ? call->failure.cause : call->err),
                          call->credential);
}

static cps_err_t say_plain(cps_client_t *client, const cps_call_t *call, const char *peer)
{
    const char *uri = call->request->uri;
    const char *effect = tell_effect(call);
    switch (call->err) {
    case CPS_ERR_TIMEOUT:
        return cps_client_say(client, call->err, "%s: no answer from %s%s", uri, peer, effect);
    case CPS_ERR_RESET:
        return cps_client_say(client, call->err, "%s: %s rejected the message with a Reset", uri, peer);
    case CPS_ERR_UNREACHABLE:
        return cps_client_say(client, call->err,
                              "%s: %s cannot be reached: nothing listens there, or no way leads there", uri, peer);
    case CPS_ERR_BAD_OPTION:
        return cps_client_say(client, call->err, "%s: %s answered with a critical option that is not understood", uri,
                              peer);
    case CPS_ERR_TOO_LARGE:
        return cps_client_say(client, call->err,
                              "%s: too large: the answer is over the limit, or the options fill a message", uri);
    default:
        return cps_client_say(client, call->err, "%s: %s", uri, cps_err_text(call->err));
    }
}

cps_err_t cps_client_say_failure(cps_client_t *client, const cps_call_t *call)
{
    char peer[PEER_MAX];
    name_peer(call, peer, sizeof peer);
    switch (call->err) {
    case CPS_ERR_OUTCOME_UNKNOWN:
        return say_unknown(client, call, peer);
    case CPS_ERR_SECURITY:
        return say_security(client, call);
    case CPS_ERR_STORE:
    case CPS_ERR_STORE_FULL:
    case CPS_ERR_STORE_CORRUPT:
    case CPS_ERR_STATE_LOST:
        if (client->refused[0] != '\0') /* the store's own sentence names the file */
            return cps_client_say(client, call->err, "%s: %s", call->request->uri, client->refused);
        return say_plain(client, call, peer);
    default:
        return say_plain(client, call, peer);
    }
}
