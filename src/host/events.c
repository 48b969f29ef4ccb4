// SPDX-License-Identifier: Apache-2.0
#include "host/events.h"

static const cps_event_row_t rows[] = {
    /* life of a daemon */
    {"listening", NULL, "info", "A socket is open.", NULL},
    {"not_listening", NULL, "warning", "An address of the default list cannot be listened at.",
     "name the addresses of this host under listen"},
    {"ready", NULL, "info", "It serves: sockets are open and keys are owned.", NULL},
    {"stopped", NULL, "info",
     "It has ended; `state` says whether numbers and windows were saved. If not, nothing is lost: "
     "the first request under each key is asked for an Echo.",
     NULL},
    {"reload_refused", NULL, "error", "Something in the file cannot be taken up while it runs.", NULL},
    {"not_reloaded", NULL, "error", "The file was read again and nothing of it was taken.",
     "mend what the lines before name, then send SIGHUP again"},
    {"reloaded", NULL, "info", "The file was read again and is in force.", NULL},
    {"state_not_saved", NULL, "warning", "The state of a key that was given up could not be saved.", NULL},
    {"metrics_at", NULL, "info", "Metrics are served.", NULL},
    {"metrics_off", NULL, "info", "The default address of metrics is taken, so that there are none.",
     "name another address under metrics, or off"},
    /* requests */
    {"answered", NULL, "debug", "A handler has answered a request.", NULL},
    {"refused", NULL, "info", "A request was refused before any handler ran.", NULL},
    {"refused", "not allowed", "info", "The key may not use this method here; it got a sealed 4.03.",
     "if it shall, add the method to allow of this resource for this credential, and reload"},
    {"refused", "not protected", "info", "A sealed resource was asked without OSCORE.",
     "give the client a key for this server: coapsule key new"},
    {"refused", "not fresh", "info", "The request has to prove that it is not old: it was asked for an Echo.",
     "nothing, if the same client comes again at once; a client that never does cannot do Echo (RFC 9175)"},
    {"refused", "no such resource", "info", "Nothing is served at this path.", NULL},
    {"unobserved", NULL, "debug",
     "A client no longer observes a resource; `error` says why, ok where it asked for that.", NULL},
    {"failed", NULL, "warning", "A handler gave no answer, or its answer could not be sent.", NULL},
    {"answer_lost", NULL, "info", "A slow thing had its answer ready, and nobody waits for it any more.", NULL},
    {"lock", NULL, "info", "A lock was written.", NULL},
    {"counted", NULL, "info", "A counter has counted one.", NULL},
    /* messages */
    {"malformed", NULL, "info", "A datagram or message has a format error and was dropped or rejected.", NULL},
    {"bad_option", NULL, "info", "A critical option is not understood here (4.02); `number` is the option.", NULL},
    {"duplicate", NULL, "debug", "A repeated message was recognised; it got the same answer.", NULL},
    {"amplification", NULL, "debug", "An answer too large for an address that proved nothing became 4.01 with Echo.",
     NULL},
    {"unexpected", NULL, "debug", "A response, ACK or Reset that nobody waits for.", NULL},
    {"undelivered", NULL, "debug", "A separate answer was never acknowledged.", NULL},
    {"budget_full", NULL, "warning",
     "The memory for remembered messages is full of unsafe requests: a new one got 5.03 and was not run.",
     "raise limits.memory, or find out who sends so much"},
    {"peers_full", NULL, "warning", "As many peers are remembered as there may be; a message of another was dropped.",
     "raise limits.peers, or find out who sends from so many addresses"},
    {"requests_full", NULL, "warning", "As many requests are worked on as there may be; a new one was not run.",
     "raise limits.exchanges, or make what answers slowly faster"},
    {"bodies_full", NULL, "warning",
     "As many bodies in blocks are under way as there may be; a block of another was refused.",
     "if honest clients meet it, let fewer send large bodies at once"},
    {"body_broken", NULL, "info", "A block did not fit the body before it: it got 4.08, and nothing was joined.", NULL},
    /* OSCORE */
    {"replay", NULL, "info", "A sealed request came again, or is too old to tell; it was not run.",
     "one now and then is a late copy; if each request of this client is one, its sequence number has gone back: give "
     "it "
     "a new key"},
    {"decrypt_failed", NULL, "info",
     "A sealed message does not open with the key of its kid: a wrong key, or it was changed "
     "on its way.",
     "compare both ends with coapsule key show; if they differ, import the peer's file again"},
    {"no_context", NULL, "info", "No key here is for the kid that a sealed message names.",
     "look for the kid among the recipients of coapsule key list; import the peer's file, then reload"},
    {"oscore_decode", NULL, "info", "The OSCORE option of a message is malformed; it was rejected.", NULL},
    {"challenged", NULL, "info",
     "After a restart without saved windows a client was asked to prove that it is no replay.", NULL},
    {"challenge_limited", NULL, "info", "More such challenges were due than may go out in a second: one was left out.",
     NULL},
    {"unproven", NULL, "warning",
     "The replay window of a key is lost since the last start, and no challenged request came back "
     "with its Echo (RFC 8613 B.1.2).",
     "the peer knows no Echo and needs new keys, or what it once sent is being sent again"},
    {"rekey_asked", NULL, "info", "The peer was asked for fresh nonces: the key is being derived anew (RFC 8613 B.2).",
     NULL},
    {"rekey_limited", NULL, "info", "More derivations were asked for than may be made in a second: one was left out.",
     "nothing, if it is rare; somebody who sends these all the time wants to keep this host busy"},
    {"rekeyed", NULL, "info", "A key was derived anew and took the place of the one before.", NULL},
    {"recovered", NULL, "info", "The replay window of a key is known again.", NULL},
    {"resealed", NULL, "info", "A request of ours was sealed anew with the Echo that was asked for.", NULL},
    {"unauthenticated", NULL, "info",
     "An unprotected answer to a sealed request of ours: kept as a hint, not as the answer.", NULL},
    {"bad_answer", NULL, "info", "An answer to a sealed request of ours does not open; it was dropped.",
     "compare both ends with coapsule key show"},
    {"store_refused", NULL, "warning",
     "The keyring did not grant more sequence numbers: what has none left is not sent.",
     "make room on the disk, or see whether the keyring can be written; sending goes on by itself"},
    /* proxy */
    {"proxy_refused", NULL, "warning", "The proxy has refused a request; `text` is what the client got.", NULL},
    {"proxy_refused", "client", "warning", "The client is in none of proxy.clients.",
     "if it may use this proxy, add its network to proxy.clients, and reload"},
    {"proxy_refused", "target", "warning", "The host and port are in none of proxy.targets.",
     "if it may be reached, add it to proxy.targets, and reload"},
    {"proxy_refused", "address", "warning",
     "A link-local, group or unspecified address that proxy.targets does not name.",
     "if it may be reached, add the address itself to proxy.targets, and reload"},
    {"proxy_refused", "full", "warning", "As many requests are under way as there may be.",
     "raise limits.exchanges, or see why the origins answer so slowly"},
    {"proxy_answer", NULL, "debug", "An answer was handed back.", NULL},
    {"proxy_counters", NULL, "info", "What has become of requests since the start.", NULL},
};

static const cps_event_row_t *find(const char *name, cps_bytes_t reason)
{
    const cps_event_row_t *found = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].name, name) != 0)
            continue;
        if (rows[i].reason == NULL)
            found = &rows[i];
        else if (cps_bytes_equal(cps_bytes_str(rows[i].reason), reason))
            return &rows[i];
    }
    return found;
}

const char *cps_events_hint(const char *name, cps_bytes_t reason)
{
    const cps_event_row_t *row = find(name, reason);
    return row != NULL ? row->hint : NULL;
}

const char *cps_events_level(const char *name)
{
    const cps_event_row_t *row = find(name, cps_bytes(NULL, 0));
    return row != NULL ? row->level : "info";
}

void cps_events_help(FILE *out)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const cps_event_row_t *row = &rows[i];
        fprintf(out, "%s%s%s%s (%s)\n    %s\n", row->name, row->reason != NULL ? " reason=\"" : "",
                row->reason != NULL ? row->reason : "", row->reason != NULL ? "\"" : "", row->level, row->what);
        if (row->hint != NULL)
            fprintf(out, "    hint: %s\n", row->hint);
    }
}
