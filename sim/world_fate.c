// SPDX-License-Identifier: Apache-2.0
/* What happens to a world from outside: ends go down, the attacker acts, a NAT forgets, a laptop sleeps. */
#include "sim/world_life.h"

#define SECOND 1000000ULL

static uint32_t below(cps_world_t *w, uint32_t bound) { return cps_rng_below(&w->rng, bound); }

void cps_sim_plan(cps_world_t *w, cps_sim_happening_t what, cps_time_us_t after_us)
{
    if (w->plan_count < CPS_SIM_PLANS_MAX)
        w->plans[w->plan_count++] = (cps_sim_plan_t){w->now_us + after_us, (uint8_t)what};
}

cps_time_us_t cps_sim_plan_next(const cps_world_t *w)
{
    cps_time_us_t when = CPS_TIME_NEVER;
    for (uint32_t i = 0; i < w->plan_count; i++)
        when = w->plans[i].when_us < when ? w->plans[i].when_us : when;
    for (uint32_t i = 0; i < w->later_count; i++)
        when = w->later[i].when_us < when ? w->later[i].when_us : when;
    return when;
}

static void restart(cps_world_t *w, cps_sim_node_t *node)
{
    cps_sim_end_t how = below(w, 3) == 0 ? CPS_SIM_CLEAN : CPS_SIM_CRASH;
    cps_sim_say(w, "%s %s and starts again", cps_sim_role_name(node->role),
                how == CPS_SIM_CLEAN ? "ends cleanly" : "crashes");
    w->ledger.report->crashes++;
    cps_sim_node_down(node, how, &w->rng);
    if (node->role == CPS_SIM_CLIENT) {
        for (unsigned n = 0; n < w->script_at; n++)
            w->ledger.requests[n].lost |= !w->ledger.requests[n].ended;
    } else {
        w->later_count = 0;
    }
    if (cps_sim_node_up(node) != CPS_OK)
        cps_sim_broken(&w->ledger, "an end did not come up again", CPS_WORLD_REQUESTS_MAX);
}

/* What the attacker did; what had no room is a loss like any other. */
static void did(const cps_world_t *w, const char *what, cps_err_t err)
{
    cps_sim_say(w, "the foe %s: %s", what, cps_err_name(err));
}

/* It forgets what it had under way, and what it has seen: a copy of a plain request is a new one to it. */
static void restart_proxy(cps_world_t *w)
{
    cps_sim_node_t *node = &w->nodes[CPS_SIM_PROXY];
    cps_sim_say(w, "proxy crashes and starts again");
    w->ledger.tampered = true;
    w->ledger.report->crashes++;
    cps_sim_proxy_down(&w->proxy);
    cps_sim_node_down(node, CPS_SIM_CRASH, &w->rng);
    w->proxy.back.port++;
    if (cps_sim_node_up(node) != CPS_OK || cps_sim_proxy_up(&w->proxy) != CPS_OK)
        cps_sim_broken(&w->ledger, "the proxy did not come up again", CPS_WORLD_REQUESTS_MAX);
}

static uint64_t some_record(cps_world_t *w)
{
    return w->foe.stats.seen == 0 ? 0 : 1 + below(w, (uint32_t)w->foe.stats.seen);
}

static void replay(cps_world_t *w)
{
    uint64_t index = some_record(w);
    cps_addr_t other = w->client_addr;
    other.port = (uint16_t)(50000U + below(w, 100));
    const cps_record_t *record = cps_foe_record(&w->foe, index);
    bool elsewhere = record != NULL && record->parcel.dir == CPS_FOE_UP && below(w, 2) == 0;
    w->ledger.tampered |= elsewhere;
    did(w, "replays", cps_foe_replay(&w->foe, w->now_us, index, elsewhere ? &other : NULL, below(w, 1000000)));
}

/* A copy of a recorded datagram with some bytes changed. */
static void forge(cps_world_t *w)
{
    uint8_t bytes[700];
    const cps_record_t *record = cps_foe_record(&w->foe, some_record(w));
    if (record == NULL || record->parcel.bytes.len > sizeof bytes)
        return;
    cps_parcel_t parcel = record->parcel;
    cps_copy(bytes, parcel.bytes.ptr, parcel.bytes.len);
    parcel.bytes.ptr = bytes;
    w->ledger.tampered = true;
    for (uint32_t n = 1 + below(w, 4); n > 0; n--)
        bytes[below(w, (uint32_t)parcel.bytes.len)] ^= (uint8_t)(1U << below(w, 8));
    did(w, "forges", cps_foe_inject(&w->foe, w->now_us, &parcel, below(w, 1000000)));
}

/* An unprotected answer to a recorded request: Empty ACK, Reset, a response, 4.01 with Echo, 5.04. */
static void hint(cps_world_t *w)
{
    static const uint8_t kinds[][2] = {{0x60, CPS_EMPTY},
                                       {0x70, CPS_EMPTY},
                                       {0x60, CPS_CONTENT},
                                       {0x60, CPS_UNAUTHORIZED},
                                       {0x50, CPS_GATEWAY_TIMEOUT}};
    const cps_record_t *record = cps_foe_record(&w->foe, some_record(w));
    if (record == NULL || record->parcel.dir != CPS_FOE_UP || record->parcel.bytes.len < 4)
        return;
    const uint8_t *request = record->parcel.bytes.ptr;
    size_t token_len = request[0] & 15U;
    if (token_len > 8 || record->parcel.bytes.len < 4 + token_len)
        return;
    const uint8_t *kind = kinds[below(w, 5)];
    uint8_t bytes[32];
    cps_writer_t out = cps_writer(bytes, sizeof bytes);
    cps_write_u8(&out, (uint8_t)(kind[0] | (kind[1] != CPS_EMPTY ? token_len : 0)));
    cps_write_u8(&out, kind[1]);
    cps_write_bytes(&out, cps_bytes(request + 2, 2));
    if (kind[1] != CPS_EMPTY)
        cps_write_bytes(&out, cps_bytes(request + 4, token_len));
    w->ledger.tampered |= kind[1] == CPS_UNAUTHORIZED; /* a plain request is repeated after it */
    if (kind[1] == CPS_UNAUTHORIZED)
        cps_write_bytes(&out, CPS_BYTES_LIT("\xd4\xef"
                                            "echo")); /* option 252 */
    cps_parcel_t parcel = {
        .from = record->parcel.to, .to = record->parcel.from, .dir = CPS_FOE_DOWN, .bytes = cps_written(&out)};
    did(w, "makes up an answer", cps_foe_inject(&w->foe, w->now_us, &parcel, below(w, 500000)));
}

/* Hold back some of what comes, and let it go later. */
static void hold(cps_world_t *w)
{
    cps_foe_rule_t rule;
    uint32_t released = 0;
    uint32_t id = 0;
    did(w, "lets go", cps_foe_release(&w->foe, w->now_us, "held", below(w, 5000000), &released));
    cps_foe_clear(&w->foe);
    if (released != 0)
        return;
    memset(&rule, 0, sizeof rule);
    rule.match.fields = 1U << CPS_FOE_DIR;
    rule.match.dir = below(w, 2) == 0 ? CPS_FOE_UP : CPS_FOE_DOWN;
    rule.match.times = 1 + below(w, 4);
    rule.action = below(w, 3) == 0 ? CPS_FOE_DROP : CPS_FOE_HOLD;
    snprintf(rule.label, sizeof rule.label, "held");
    did(w, rule.action == CPS_FOE_DROP ? "drops what comes" : "holds what comes", cps_foe_add(&w->foe, &rule, &id));
}

static void attack(cps_world_t *w)
{
    static void (*const attacks[])(cps_world_t *) = {replay, forge, hint, hold};
    attacks[below(w, 4)](w);
}

/* A laptop sleeps. Its clock counts that, as a clock since boot does, or stood still meanwhile, as it does where the system
 * has none. */
static void sleep_client(cps_world_t *w)
{
    uint32_t us = below(w, 60000000);
    bool still = below(w, 2) == 0;
    w->asleep_until_us = w->now_us + us;
    if (still)
        cps_sim_node_jump(&w->nodes[CPS_SIM_CLIENT], -(int64_t)us);
    cps_sim_say(w, "the client sleeps for %.1f s%s", us / 1e6, still ? ", its clock with it" : "");
}

static void jump(cps_world_t *w)
{
    cps_sim_node_t *node = &w->nodes[below(w, CPS_SIM_NODES)];
    int64_t by = below(w, 2) == 0 ? (int64_t)below(w, 3600000000U) : -(int64_t)below(w, 120000000);
    if (node->ep == NULL)
        return;
    w->ledger.report->jumps++;
    cps_sim_node_jump(node, by);
    w->ledger.tampered |= by > 0 && node->role != CPS_SIM_CLIENT; /* it has forgotten what it remembers for a time */
    cps_sim_say(w, "the clock of the %s jumps by %.1f s", cps_sim_role_name(node->role), (double)by / 1e6);
}

void cps_sim_happen(cps_world_t *w, cps_sim_happening_t what)
{
    switch (what) {
    case CPS_SIM_SERVER_DOWN:
        restart(w, &w->nodes[CPS_SIM_SERVER]);
        break;
    case CPS_SIM_CLIENT_DOWN:
        restart(w, &w->nodes[CPS_SIM_CLIENT]);
        break;
    case CPS_SIM_PROXY_DOWN:
        restart_proxy(w);
        break;
    case CPS_SIM_ATTACK:
        attack(w);
        break;
    case CPS_SIM_REBIND:
        w->client_addr.port++;
        w->ledger.tampered = true; /* copies come from another endpoint now */
        cps_sim_say(w, "the client's NAT gives it port %u", w->client_addr.port);
        break;
    case CPS_SIM_SLEEP:
        sleep_client(w);
        break;
    case CPS_SIM_JUMP:
        jump(w);
        break;
    }
}

/* Whether the proxy was full, or its own time-out came first. */
static bool proxy_refused(const cps_world_t *w)
{
    cps_ep_stats_t stats;
    if (w->route != CPS_SIM_PROXIED)
        return false;
    cps_ep_stats(w->nodes[CPS_SIM_PROXY].ep, &stats);
    return stats.notes[CPS_NOTE_REQUESTS_FULL] != 0 || cps_sim_proxy_refused(&w->proxy) != 0;
}

void cps_sim_check_calm(cps_world_t *w)
{
    if (proxy_refused(w))
        return;
    for (unsigned n = 0; n < w->script_count; n++) {
        const cps_sim_request_t *r = &w->ledger.requests[n];
        /* a plain GET may be run again to prove the address, and the stranger takes each copy for a request */
        bool once = r->sealed || (w->route != CPS_SIM_STRANGE && cps_method_is_unsafe(r->code));
        bool patient = w->script[n].timeout_us == CPS_SIM_TIMEOUT_US;
        if (r->submitted && once && patient && r->runs != (r->refused || r->unsent ? 0 : 1))
            cps_sim_broken(&w->ledger, "in a calm world a request did not run once", n);
    }
}
