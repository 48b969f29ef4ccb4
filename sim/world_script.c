// SPDX-License-Identifier: Apache-2.0
/* What the client of a world asks for, and when. */
#include "sim/world_life.h"

#define SECOND      1000000ULL
#define OPTIONS_MAX 4U

static uint32_t below(cps_world_t *w, uint32_t bound) { return cps_rng_below(&w->rng, bound); }

static bool one_in(cps_world_t *w, uint32_t n) { return below(w, n) == 0; }

static cps_sim_line_t draw_line(cps_world_t *w, cps_time_us_t when)
{
    static const uint8_t methods[] = {CPS_GET, CPS_PUT, CPS_POST, CPS_DELETE, CPS_FETCH, CPS_PATCH, CPS_IPATCH};
    cps_sim_line_t line = {.when_us = when, .timeout_us = CPS_SIM_TIMEOUT_US};
    line.code = methods[below(w, sizeof methods)];
    line.sealed = !one_in(w, 4);
    line.non = one_in(w, 5);
    if (one_in(w, 8))
        line.timeout_us = SECOND + below(w, 40000000);
    line.by_uri = one_in(w, 2) && !line.sealed && w->route == CPS_SIM_PROXIED;
    line.by_name = one_in(w, 2);
    return line;
}

static void draw_plans(cps_world_t *w, uint32_t span)
{
    for (uint32_t n = one_in(w, 2) ? below(w, 4) : 0; n > 0; n--)
        cps_sim_plan(w, one_in(w, 4) ? CPS_SIM_CLIENT_DOWN : CPS_SIM_SERVER_DOWN, below(w, span));
    for (uint32_t n = one_in(w, 2) ? below(w, 12) : 0; n > 0; n--)
        cps_sim_plan(w, CPS_SIM_ATTACK, below(w, span) + below(w, 10000000));
    if (one_in(w, 6))
        cps_sim_plan(w, CPS_SIM_REBIND, below(w, span));
    if (one_in(w, 6))
        cps_sim_plan(w, CPS_SIM_SLEEP, below(w, span));
    for (uint32_t n = one_in(w, 4) ? 1 + below(w, 3) : 0; n > 0; n--)
        cps_sim_plan(w, CPS_SIM_JUMP, below(w, span));
    for (uint32_t n = w->route == CPS_SIM_PROXIED && one_in(w, 3) ? 1 + below(w, 2) : 0; n > 0; n--)
        cps_sim_plan(w, CPS_SIM_PROXY_DOWN, below(w, span));
}

void cps_sim_script_draw(cps_world_t *w)
{
    uint32_t count = 4 + below(w, 24);
    cps_time_us_t when = SECOND;
    for (uint32_t n = 0; n < count; n++) {
        w->script[n] = draw_line(w, when);
        when += one_in(w, 3) ? below(w, 1000) : below(w, 4000000);
    }
    w->script_count = count;
    draw_plans(w, (uint32_t)when);
}

cps_time_us_t cps_sim_script_next(const cps_world_t *w)
{
    if (w->script_at == w->script_count)
        return CPS_TIME_NEVER;
    cps_time_us_t when = w->start_us + w->script[w->script_at].when_us;
    return when > w->asleep_until_us ? when : w->asleep_until_us;
}

/* Where the request goes to, in the form that the line has: to the server itself, or to the proxy by Proxy-Scheme or
 * Proxy-Uri. `text` keeps what the options view. */
static size_t write_options(const cps_world_t *w, unsigned n, cps_option_t options[OPTIONS_MAX], char text[80])
{
    const cps_sim_line_t *line = &w->script[n];
    const char *host = line->by_name ? "server.world" : "10.0.0.1";
    if (line->by_uri) {
        snprintf(text, 80, "coap://%s/lock?n=%u", host, n);
        options[0] = (cps_option_t){CPS_OPT_PROXY_URI, cps_bytes_str(text)};
        return 1;
    }
    snprintf(text, 80, "n=%u", n);
    options[0] = (cps_option_t){CPS_OPT_URI_PATH, CPS_BYTES_LIT("lock")};
    options[1] = (cps_option_t){CPS_OPT_URI_QUERY, cps_bytes_str(text)};
    if (w->route == CPS_SIM_DIRECT)
        return 2;
    options[2] = (cps_option_t){CPS_OPT_URI_HOST, cps_bytes_str(host)};
    options[3] = (cps_option_t){CPS_OPT_PROXY_SCHEME, CPS_BYTES_LIT("coap")};
    return 4;
}

static void ask(cps_world_t *w, unsigned n)
{
    const cps_sim_line_t *line = &w->script[n];
    cps_sim_node_t *client = &w->nodes[CPS_SIM_CLIENT];
    cps_option_t options[OPTIONS_MAX];
    char text[80];
    size_t count = write_options(w, n, options, text);
    bool bare = line->code == CPS_GET || line->code == CPS_DELETE;
    cps_command_t command = {.kind = CPS_COMMAND_REQUEST,
                             .u.request = {.code = line->code,
                                           .non_confirmable = line->non,
                                           .options = options,
                                           .option_count = count,
                                           .payload = bare ? cps_bytes(NULL, 0) : CPS_BYTES_LIT("body"),
                                           .context = line->sealed ? client->context : 0,
                                           .timeout_us = line->timeout_us,
                                           .user = n}};
    command.u.request.path.remote = w->route == CPS_SIM_DIRECT ? w->server_addr : w->proxy.front;
    cps_err_t err = cps_ep_submit(client->ep, cps_sim_node_now(client, w->now_us), &command, NULL);
    cps_sim_say(w, "client asks request %u (%u.%02u, %s, %s): %s", n, line->code >> 5U, line->code & 31U,
                line->sealed ? "sealed" : "plain", line->non ? "NON" : "CON", cps_err_name(err));
    if (err != CPS_OK)
        return;
    w->ledger.requests[n] = (cps_sim_request_t){
        .code = line->code, .sealed = line->sealed, .submitted = true, .until_us = w->ledger.now_us + line->timeout_us};
    w->ledger.report->requests++;
    cps_sim_run(w, client);
}

void cps_sim_script_run(cps_world_t *w)
{
    while (cps_sim_script_next(w) <= w->now_us)
        ask(w, w->script_at++);
}
