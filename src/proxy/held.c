// SPDX-License-Identifier: Apache-2.0
#include "proxy/held.h"

#define WHERE_MAX 96U

typedef struct held {
    cps_pool_head_t head;
    cps_time_us_t until_us;
    cps_addr_t client;
    char where[WHERE_MAX];
    uint8_t method;
    uint8_t code;
    bool stays;
    uint32_t request_len;
    uint32_t options_len; /* of the answer: encoded options, then the payload */
    uint32_t answer_len;
    uint8_t request[CPS_HELD_BYTES_MAX];
    uint8_t answer[CPS_HELD_BYTES_MAX];
} held_t;

void cps_held_init(cps_held_table_t *t, cps_arena_t *a) { cps_pool_init(&t->pool, a, CPS_HELD_MAX, sizeof(held_t)); }

static bool same_ip(const cps_addr_t *a, const cps_addr_t *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

/* What is held: all of it, of this client, and of those that must stay. The oldest that may go, or NULL. */
typedef struct census {
    uint32_t of_client;
    uint32_t staying;
    held_t *oldest;
    held_t *oldest_of_client;
} census_t;

static bool is_older(const held_t *a, const held_t *b) { return b == NULL || a->until_us < b->until_us; }

static void count_in(census_t *census, held_t *held, const cps_addr_t *client, cps_time_us_t now_us)
{
    bool own = same_ip(client, &held->client);
    bool stays = held->stays && held->until_us > now_us;
    census->of_client += own;
    census->staying += stays;
    if (!stays && is_older(held, census->oldest))
        census->oldest = held;
    if (own && !stays && is_older(held, census->oldest_of_client))
        census->oldest_of_client = held;
}

static census_t take_census(const cps_held_table_t *t, const cps_addr_t *client, cps_time_us_t now_us)
{
    census_t census = {0, 0, NULL, NULL};
    for (uint32_t i = 0; i < t->pool.touched; i++)
        if (cps_pool_live(&t->pool, i))
            count_in(&census, cps_pool_at(&t->pool, i), client, now_us);
    return census;
}

static held_t *make_room(cps_held_table_t *t, const cps_held_request_t *request, cps_time_us_t now_us)
{
    census_t census = take_census(t, &request->client, now_us);
    if (request->stays && census.staying >= CPS_HELD_STAY)
        return NULL;
    bool full_share = census.of_client >= CPS_HELD_SHARE;
    if (!full_share && t->pool.used < CPS_HELD_MAX)
        return cps_pool_take(&t->pool);
    held_t *old = full_share ? census.oldest_of_client : census.oldest;
    if (old == NULL)
        return NULL;
    cps_pool_give(&t->pool, old);
    return cps_pool_take(&t->pool);
}

bool cps_held_put(cps_held_table_t *t, cps_time_us_t now_us, const cps_held_request_t *request,
                  const cps_proxy_answer_t *answer)
{
    cps_option_t list[CPS_PROXY_OPTIONS_MAX];
    if (request->bytes.len > CPS_HELD_BYTES_MAX || strlen(request->where) >= WHERE_MAX)
        return false;
    held_t *held = make_room(t, request, now_us);
    if (held == NULL)
        return false;
    cps_writer_t w = cps_writer(held->answer, sizeof held->answer);
    cps_opt_writer_t options = cps_opt_writer(&w);
    memcpy(list, answer->options, answer->option_count * sizeof *list);
    cps_opt_put_list(&options, list, answer->option_count);
    held->options_len = (uint32_t)cps_written(&w).len;
    cps_write_bytes(&w, answer->payload);
    held->answer_len = (uint32_t)cps_written(&w).len;
    if (w.failed) {
        cps_pool_give(&t->pool, held);
        return false;
    }
    held->until_us = now_us + CPS_HELD_US;
    held->client = request->client;
    memcpy(held->where, request->where, strlen(request->where) + 1);
    held->method = request->code;
    held->code = answer->code;
    held->stays = request->stays;
    held->request_len = (uint32_t)request->bytes.len;
    cps_copy(held->request, request->bytes.ptr, request->bytes.len);
    return true;
}

static bool is_asked(const held_t *held, const cps_held_request_t *request)
{
    return same_ip(&held->client, &request->client) && held->client.port == request->client.port &&
           held->method == request->code && strcmp(held->where, request->where) == 0 &&
           cps_bytes_equal(cps_bytes(held->request, held->request_len), request->bytes);
}

static void hand_out(const held_t *held, cps_proxy_answer_t *out, uint8_t *store)
{
    memcpy(store, held->answer, held->answer_len);
    cps_opt_walk_t walk = cps_opt_walk(cps_bytes(store, held->options_len));
    out->code = held->code;
    out->option_count = 0;
    while (out->option_count < CPS_PROXY_OPTIONS_MAX && cps_opt_next(&walk, &out->options[out->option_count]))
        out->option_count++;
    out->payload = cps_bytes(store + held->options_len, held->answer_len - held->options_len);
}

bool cps_held_take(cps_held_table_t *t, cps_time_us_t now_us, const cps_held_request_t *request,
                   cps_proxy_answer_t *out, uint8_t *store)
{
    for (uint32_t i = 0; i < t->pool.touched; i++) {
        held_t *held = cps_pool_at(&t->pool, i);
        if (!cps_pool_live(&t->pool, i) || held->until_us <= now_us || !is_asked(held, request))
            continue;
        hand_out(held, out, store);
        cps_pool_give(&t->pool, held);
        return true;
    }
    return false;
}
