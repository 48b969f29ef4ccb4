// SPDX-License-Identifier: Apache-2.0
#include "sim/world_node.h"

#include <stdlib.h>

#define GUARD 64U  /* bytes behind the memory that was asked for, */
#define MARK  0xa5 /* which stay as they are */

const char *cps_sim_role_name(cps_sim_role_t role)
{
    static const char *const names[] = {"client", "server", "proxy"};
    return names[role];
}

cps_time_us_t cps_sim_node_next(const cps_sim_node_t *node)
{
    if (node->ep == NULL)
        return CPS_TIME_NEVER;
    cps_time_us_t due = cps_ep_deadline(node->ep);
    if (due != CPS_TIME_NEVER)
        due -= (cps_time_us_t)node->skew_us;
    return due < node->lease.due_us ? due : node->lease.due_us;
}

void cps_sim_node_jump(cps_sim_node_t *node, int64_t by_us)
{
    node->skew_us += by_us;
    node->slowed |= by_us < 0;
}

static cps_err_t add_context(cps_sim_node_t *node)
{
    cps_bytes_t client_id = CPS_BYTES_LIT("c");
    cps_bytes_t server_id = CPS_BYTES_LIT("s");
    cps_context_t context = {.size = sizeof context,
                             .master_secret = CPS_BYTES_LIT("a secret of both"),
                             .sender_id = node->role == CPS_SIM_CLIENT ? client_id : server_id,
                             .recipient_id = node->role == CPS_SIM_CLIENT ? server_id : client_id,
                             .window_size = -1,
                             .has_state = true,
                             .next_number = node->saved ? node->saved_next : node->ceiling,
                             .window_known = node->saved && node->window_known,
                             .window_next = node->window_next,
                             .window_seen = node->window_seen};
    return cps_ep_context_add(node->ep, &context, &node->context);
}

cps_err_t cps_sim_node_up(cps_sim_node_t *node)
{
    memset(node->memory, 0, node->memory_size);
    node->life++;
    node->lease.due_us = CPS_TIME_NEVER;
    cps_err_t err = cps_ep_init(&node->ep, node->memory, node->memory_size, &node->config);
    if (err == CPS_OK && node->role != CPS_SIM_PROXY)
        err = add_context(node);
    /* a server accepts at once: what was saved is used up from now on. A client's is with its first lease. */
    if (node->role != CPS_SIM_CLIENT)
        node->saved = false;
    return err;
}

cps_err_t cps_sim_node_init(cps_sim_node_t *node, cps_spy_t *spy, cps_sim_role_t role, const cps_ep_config_t *config)
{
    *node = (cps_sim_node_t){.config = *config, .spy = spy, .role = role, .saved = true, .window_known = true};
    node->config.size = sizeof node->config;
    node->config.crypto = &spy->crypto;
    node->config.random = spy->rng.fill;
    node->config.random_state = spy->rng.state;
    node->memory_size = cps_ep_size(&node->config);
    if (node->memory_size == 0)
        return CPS_ERR_CONFIG;
    node->memory = malloc(node->memory_size + GUARD);
    if (node->memory == NULL)
        return CPS_ERR_MEMORY;
    memset((uint8_t *)node->memory + node->memory_size, MARK, GUARD);
    return cps_sim_node_up(node);
}

bool cps_sim_node_is_whole(const cps_sim_node_t *node)
{
    const uint8_t *guard = (const uint8_t *)node->memory + node->memory_size;
    for (size_t i = 0; i < GUARD; i++)
        if (guard[i] != MARK)
            return false;
    return true;
}

void cps_sim_node_down(cps_sim_node_t *node, cps_sim_end_t how, cps_rng_t *rng)
{
    cps_context_state_t state;
    if (node->lease.due_us != CPS_TIME_NEVER && (how == CPS_SIM_CLEAN || cps_rng_below(rng, 2) == 0)) {
        if (node->lease.ceiling > node->ceiling) /* it reached the disk, although nobody heard of it */
            node->ceiling = node->lease.ceiling;
        node->saved = false;
    }
    if (how == CPS_SIM_CLEAN && cps_ep_context_state(node->ep, node->context, &state) == CPS_OK) {
        node->saved = true;
        node->saved_next = state.next_number;
        node->window_known = state.window_known;
        node->window_next = state.window_next;
        node->window_seen = state.window_seen;
    }
    cps_ep_fini(node->ep);
    node->ep = NULL;
    node->lease.due_us = CPS_TIME_NEVER;
}

void cps_sim_node_ask(cps_sim_node_t *node, const cps_event_t *job, cps_time_us_t due_us)
{
    node->lease = (cps_sim_lease_t){job->handle, job->u.job.number, due_us};
}

cps_err_t cps_sim_node_grant(cps_sim_node_t *node, cps_time_us_t world_us, bool refuse)
{
    cps_command_t done = {.kind = CPS_COMMAND_JOB_DONE,
                          .u.job_done = {.job = node->lease.job,
                                         .result = refuse ? CPS_ERR_STORE_FULL : CPS_OK,
                                         .number = node->lease.ceiling}};
    node->lease.due_us = CPS_TIME_NEVER;
    if (!refuse) {
        if (node->lease.ceiling > node->ceiling)
            node->ceiling = node->lease.ceiling;
        node->saved = false;
    }
    return cps_ep_submit(node->ep, cps_sim_node_now(node, world_us), &done, NULL);
}

void cps_sim_node_fini(cps_sim_node_t *node)
{
    if (node->ep != NULL)
        cps_ep_fini(node->ep);
    free(node->memory);
}
