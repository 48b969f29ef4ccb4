// SPDX-License-Identifier: Apache-2.0
#include "sim/world_check.h"

#include "sim/look.h"

void cps_sim_broken(cps_sim_ledger_t *ledger, const char *what, unsigned request)
{
    if (ledger->report->failed)
        return;
    ledger->report->failed = true;
    snprintf(ledger->report->reason, sizeof ledger->report->reason, "at %.6f s, request %u: %s",
             (double)ledger->now_us / 1e6, request, what);
}

/* The number in "n=17" of an option or payload; CPS_WORLD_REQUESTS_MAX where there is none. */
static unsigned number_in(cps_bytes_t text)
{
    unsigned number = 0;
    if (text.len < 3 || memcmp(text.ptr, "n=", 2) != 0)
        return CPS_WORLD_REQUESTS_MAX;
    for (size_t i = 2; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
        number = number * 10 + (unsigned)(text.ptr[i] - '0');
    return number < CPS_WORLD_REQUESTS_MAX ? number : CPS_WORLD_REQUESTS_MAX;
}

static void check_number(cps_sim_ledger_t *ledger, const cps_event_request_t *request, unsigned n)
{
    if (request->context == 0)
        return;
    if (request->partial_iv >= CPS_WORLD_NUMBERS_MAX) {
        cps_sim_broken(ledger, "the history is longer than this world keeps", n);
        return;
    }
    if (ledger->numbers[request->partial_iv])
        cps_sim_broken(ledger, "a (context, Partial IV) reached a handler twice", n);
    ledger->numbers[request->partial_iv] = true;
}

static bool is_unsafe(uint8_t code) { return code != CPS_GET && code != CPS_FETCH; }

static void check_runs(cps_sim_ledger_t *ledger, const cps_sim_request_t *r, unsigned n)
{
    if (!r->sealed && is_unsafe(r->code) && r->in_life > 1 && !ledger->tampered)
        cps_sim_broken(ledger, "a plain unsafe request ran twice in one life of the server", n);
    if (r->sealed && (r->code == CPS_POST || r->code == CPS_PATCH) && r->runs > 1)
        cps_sim_broken(ledger, "a sealed POST or PATCH ran twice", n);
}

void cps_sim_left(cps_sim_ledger_t *ledger, cps_bytes_t datagram)
{
    cps_look_t look;
    uint64_t number;
    cps_look_at(datagram, &look);
    if (!look.oscore || !look.oscopt.has_kid || cps_partial_iv_decode(look.oscopt.partial_iv, &number) != CPS_OK ||
        number >= CPS_WORLD_NUMBERS_MAX)
        return;
    if (ledger->sealed_us[number] == 0)
        ledger->sealed_us[number] = ledger->now_us;
}

/* An Echo proves that the request was made after the server had sent it (RFC 9175 §2.3): what it takes for fresh is no
 * older. */
static void check_fresh(cps_sim_ledger_t *ledger, const cps_event_request_t *request, const cps_sim_node_t *server,
                        unsigned n)
{
    if (ledger->fresh_us == 0 || !is_unsafe(request->message.code) || server->slowed ||
        request->partial_iv >= CPS_WORLD_NUMBERS_MAX)
        return;
    if (ledger->now_us - ledger->sealed_us[request->partial_iv] > ledger->fresh_us)
        cps_sim_broken(ledger, "a request ran that was made longer ago than its resource takes for fresh", n);
}

unsigned cps_sim_handled(cps_sim_ledger_t *ledger, const cps_event_request_t *request, const cps_sim_node_t *server)
{
    cps_bytes_t query;
    unsigned n = CPS_WORLD_REQUESTS_MAX;
    if (cps_message_option(&request->message, CPS_OPT_URI_QUERY, &query))
        n = number_in(query);
    check_number(ledger, request, n);
    ledger->report->handled++;
    if (n == CPS_WORLD_REQUESTS_MAX)
        return n; /* the attacker's own */
    cps_sim_request_t *r = &ledger->requests[n];
    if (r->sealed != (request->context != 0))
        return CPS_WORLD_REQUESTS_MAX; /* made up by the attacker: anyone may ask plainly */
    if (r->sealed && request->message.code != r->code)
        cps_sim_broken(ledger, "another method was run than was sealed", n);
    r->in_life = r->life == server->life ? r->in_life + 1 : 1;
    r->life = server->life;
    r->runs++;
    check_runs(ledger, r, n);
    if (r->sealed)
        check_fresh(ledger, request, server, n);
    return n;
}

static cps_sim_request_t *end(cps_sim_ledger_t *ledger, uint64_t user)
{
    if (user >= CPS_WORLD_REQUESTS_MAX || !ledger->requests[user].submitted) {
        cps_sim_broken(ledger, "an end came for no request", (unsigned)user);
        return NULL;
    }
    cps_sim_request_t *r = &ledger->requests[user];
    if (r->ended || r->lost)
        cps_sim_broken(ledger, "a request ended twice", (unsigned)user);
    r->ended = true;
    return r;
}

void cps_sim_answered(cps_sim_ledger_t *ledger, const cps_event_response_t *response, const cps_sim_node_t *client)
{
    unsigned n = (unsigned)response->user;
    cps_sim_request_t *r = end(ledger, response->user);
    if (r == NULL)
        return;
    r->refused = response->message.code == CPS_SERVICE_UNAVAILABLE;
    ledger->report->answered++;
    if (r->sealed != (response->context != 0))
        cps_sim_broken(ledger, "an answer is not protected as its request was", n);
    if (ledger->now_us > r->until_us && !client->slowed)
        cps_sim_broken(ledger, "an answer was delivered after the deadline of its request", n);
    if (!r->sealed)
        return; /* whoever is on the path makes up plain answers */
    uint8_t code = response->message.code;
    if (code == CPS_UNAUTHORIZED)
        return;
    if (number_in(response->message.payload) != n)
        cps_sim_broken(ledger, "the answer of another request was delivered", n);
    if (r->runs == 0)
        cps_sim_broken(ledger, "an answer was delivered although no handler ran", n);
}

void cps_sim_failed(cps_sim_ledger_t *ledger, const cps_event_failed_t *failed)
{
    cps_sim_request_t *r = end(ledger, failed->user);
    if (r == NULL)
        return;
    r->unsent = !failed->sent || failed->cause == CPS_ERR_NOT_FRESH;
    if (failed->err == CPS_ERR_OUTCOME_UNKNOWN)
        ledger->report->unknown++;
    if (r->sealed && !failed->sent && r->runs != 0)
        cps_sim_broken(ledger, "a request that was said not to have left ran", (unsigned)failed->user);
    if (r->sealed && failed->sent && failed->err != CPS_ERR_OUTCOME_UNKNOWN && failed->err != CPS_ERR_SECURITY)
        cps_sim_broken(ledger, "a sealed request that left failed with more certainty than there is",
                       (unsigned)failed->user);
}

/* What is in use, and what the configuration allows. */
static bool in_bounds(const cps_ep_stats_t *stats, const cps_ep_config_t *config)
{
    return stats->dedup_bytes <= stats->dedup_limit && stats->peers <= config->peers &&
           stats->contexts <= config->contexts && stats->requests_in <= config->requests_in &&
           stats->requests_out <= config->requests_out && stats->waiting <= config->waiting;
}

void cps_sim_check(cps_sim_ledger_t *ledger, const cps_sim_node_t *nodes)
{
    cps_ep_stats_t stats;
    for (int role = 0; role < CPS_SIM_NODES; role++) {
        if (nodes[role].ep == NULL)
            continue;
        cps_ep_stats(nodes[role].ep, &stats);
        if (!in_bounds(&stats, &nodes[role].config) || !cps_sim_node_is_whole(&nodes[role]))
            cps_sim_broken(ledger, "memory is over its budget", CPS_WORLD_REQUESTS_MAX);
    }
    if (nodes[CPS_SIM_CLIENT].spy->repeated)
        cps_sim_broken(ledger, "a (key, nonce) was used twice", CPS_WORLD_REQUESTS_MAX);
    if (nodes[CPS_SIM_CLIENT].spy->full)
        cps_sim_broken(ledger, "the history of nonces is longer than the spy keeps", CPS_WORLD_REQUESTS_MAX);
}

static void check_quiet(cps_sim_ledger_t *ledger, const cps_sim_node_t *node)
{
    cps_ep_stats_t stats;
    char what[48];
    if (node->ep == NULL)
        return;
    cps_ep_stats(node->ep, &stats);
    snprintf(what, sizeof what, "the %s did not come to rest", cps_sim_role_name(node->role));
    if (stats.requests_in + stats.requests_out + stats.waiting != 0 || cps_ep_deadline(node->ep) != CPS_TIME_NEVER)
        cps_sim_broken(ledger, what, CPS_WORLD_REQUESTS_MAX);
}

void cps_sim_check_end(cps_sim_ledger_t *ledger, const cps_sim_node_t *nodes)
{
    for (int role = 0; role < CPS_SIM_NODES; role++)
        check_quiet(ledger, &nodes[role]);
    for (unsigned n = 0; n < CPS_WORLD_REQUESTS_MAX; n++) {
        const cps_sim_request_t *r = &ledger->requests[n];
        if (r->submitted && !r->ended && !r->lost)
            cps_sim_broken(ledger, "a request never ended", n);
    }
}
