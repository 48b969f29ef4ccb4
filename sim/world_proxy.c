// SPDX-License-Identifier: Apache-2.0
#include "sim/world_proxy.h"

static cps_time_us_t now(void *self)
{
    const cps_sim_proxy_t *proxy = self;
    return cps_sim_node_now(proxy->node, proxy->world_us);
}

static cps_err_t submit(void *self, const cps_command_t *command, cps_handle_t *handle)
{
    cps_sim_proxy_t *proxy = self;
    return cps_ep_submit(proxy->node->ep, now(proxy), command, handle);
}

static cps_err_t get_socket(void *self, cps_family_t family, uint16_t *number)
{
    (void)self;
    *number = CPS_SIM_PROXY_BACK;
    return family == CPS_FAMILY_IPV4 ? CPS_OK : CPS_ERR_UNREACHABLE;
}

static void wake_at(void *self, cps_time_us_t when)
{
    cps_sim_proxy_t *proxy = self;
    cps_time_us_t at = now(proxy);
    proxy->wake_us = proxy->world_us + (when > at ? when - at : 0);
}

static cps_err_t look_up(void *self, const char *name, uint64_t ticket)
{
    cps_sim_proxy_t *proxy = self;
    (void)name;
    if (proxy->lookup_count == CPS_SIM_PROXY_LOOKUPS)
        return CPS_ERR_FULL;
    proxy->lookups[proxy->lookup_count++] =
        (cps_sim_lookup_t){ticket, proxy->world_us + cps_rng_below(&proxy->rng, proxy->lookup_us + 1)};
    return CPS_OK;
}

cps_err_t cps_sim_proxy_up(cps_sim_proxy_t *proxy)
{
    proxy->target = (cps_conf_target_t){.text = "*", .host = "*", .wildcard = true, .any_port = true};
    proxy->targets = (cps_conf_list_t){.items = &proxy->target, .count = 1};
    proxy->client = (cps_net_t){.base = {.family = CPS_FAMILY_IPV4}, .bits = 0};
    proxy->clients = (cps_conf_list_t){.items = &proxy->client, .count = 1};
    proxy->wake_us = CPS_TIME_NEVER;
    proxy->lookup_count = 0;
    cps_proxy_options_t options = {.endpoint = proxy->node->config,
                                   .name = "world",
                                   .clients = &proxy->clients,
                                   .targets = &proxy->targets,
                                   .lookup = {look_up, proxy}};
    cps_proxy_driver_t driver = {
        .now = now, .submit = submit, .socket = get_socket, .wake_at = wake_at, .rng = proxy->rng, .self = proxy};
    cps_err_t err = cps_proxy_engine_new(&proxy->engine, &options, &driver);
    if (err == CPS_OK)
        cps_proxy_is_at(proxy->engine, &proxy->front);
    return err;
}

void cps_sim_proxy_down(cps_sim_proxy_t *proxy)
{
    cps_proxy_engine_free(proxy->engine);
    proxy->engine = NULL;
}

cps_time_us_t cps_sim_proxy_next(const cps_sim_proxy_t *proxy)
{
    cps_time_us_t when = CPS_TIME_NEVER;
    if (proxy->engine == NULL)
        return when;
    when = proxy->wake_us;
    for (uint32_t i = 0; i < proxy->lookup_count; i++)
        when = proxy->lookups[i].due_us < when ? proxy->lookups[i].due_us : when;
    return when;
}

void cps_sim_proxy_tick(cps_sim_proxy_t *proxy, cps_time_us_t world_us)
{
    proxy->world_us = world_us;
    for (uint32_t i = 0; i < proxy->lookup_count;) {
        if (proxy->lookups[i].due_us > world_us) {
            i++;
            continue;
        }
        uint64_t ticket = proxy->lookups[i].ticket;
        proxy->lookups[i] = proxy->lookups[--proxy->lookup_count];
        cps_proxy_resolved(proxy->engine, ticket, CPS_OK, &proxy->origin, 1);
    }
    if (proxy->wake_us > world_us)
        return;
    proxy->wake_us = CPS_TIME_NEVER;
    cps_proxy_tick(proxy->engine);
}

uint64_t cps_sim_proxy_refused(const cps_sim_proxy_t *proxy)
{
    cps_proxy_stats_t stats;
    uint64_t sum = 0;
    cps_proxy_stats(proxy->engine, &stats);
    for (int i = 0; i < CPS_PROXY_REASONS; i++)
        sum += stats.refused[i];
    return sum;
}
