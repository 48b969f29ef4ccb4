// SPDX-License-Identifier: Apache-2.0
/* What the pools hold, counted from the objects themselves. */
#include "ep/drive.h"

#define PEERS_MAX 16U

static uint32_t length(const cps_list_t *list, const cps_pool_t *pool, size_t link, int state)
{
    uint32_t count = 0;
    uint32_t last = CPS_NONE;
    for (uint32_t at = list->first; at != CPS_NONE; count++) {
        const uint8_t *object = cps_pool_at(pool, at);
        demand(cps_pool_live(pool, at) && count < pool->limit);
        demand(state < 0 || ((const cps_asked_t *)(const void *)object)->state == state);
        last = at;
        memcpy(&at, object + link, sizeof at);
    }
    demand(list->last == last);
    return count;
}

static uint32_t asked_in(const cps_ep_t *ep, const cps_list_t *list, cps_asked_state_t state)
{
    return length(list, &ep->asked.pool, offsetof(cps_asked_t, next), (int)state);
}

/* What one walk over everything adds up. */
typedef struct count {
    uint32_t refs[PEERS_MAX];
    uint32_t in_flight[PEERS_MAX];
    uint32_t by_state[CPS_ASKED_ENDED + 1];
    uint32_t chains;
    uint32_t answers;
    uint32_t tokens;
    uint32_t answers_in_flight;
    uint32_t requests_in_flight;
    uint32_t notices;
    uint32_t notices_in_flight;
    uint32_t notices_out[PEERS_MAX];
    uint32_t observers[PEERS_MAX];
    uint32_t by_turn[CPS_OBSERVER_GONE + 1];
} count_t;

static void count_asked(const cps_ep_t *ep, count_t *c)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < ep->asked.pool.touched; i++) {
        const cps_asked_t *a = cps_asked_at(&ep->asked, i);
        if (!cps_pool_live(&ep->asked.pool, i)) {
            demand(cps_heap_when(&ep->asked.heap, i) == CPS_TIME_NEVER);
            continue;
        }
        live++;
        c->refs[a->peer]++;
        c->in_flight[a->peer] += a->counted;
        c->by_state[a->state]++;
        c->tokens += a->token_len != 0;
        c->chains += cps_chain_blocks(a->plain.len) + cps_chain_blocks(a->sealed.len) + cps_chain_blocks(a->echo.len) +
                     cps_chain_blocks(a->hint_bytes.len) + cps_chain_blocks(a->body.len);
        demand((cps_heap_when(&ep->asked.heap, i) == CPS_TIME_NEVER) == (a->state == CPS_ASKED_ENDED));
        if (a->tx == CPS_NONE)
            continue;
        const cps_tx_t *tx = cps_retx_at(&ep->retx, a->tx);
        demand(a->state == CPS_ASKED_SENT && cps_pool_live(&ep->retx.pool, a->tx));
        demand(tx->owner == CPS_TX_REQUEST && tx->owner_index == i && tx->peer == a->peer && tx->bytes.len == 0);
        c->requests_in_flight++;
    }
    demand(live == ep->asked.pool.used && live <= ep->config.requests_out);
}

static void count_served(const cps_ep_t *ep, count_t *c)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < ep->served.pool.touched; i++) {
        const cps_served_t *s = cps_served_at(&ep->served, i);
        if (!cps_pool_live(&ep->served.pool, i)) {
            demand(cps_heap_when(&ep->served.heap, i) == CPS_TIME_NEVER);
            continue;
        }
        live++;
        c->refs[s->peer]++;
        c->answers += cps_chain_blocks(s->answer.len) + cps_chain_blocks(s->long_token.len);
        demand(cps_heap_when(&ep->served.heap, i) != CPS_TIME_NEVER && s->waits == (s->answer.len != 0));
    }
    demand(live == ep->served.pool.used && live <= ep->config.requests_in);
}

/* A notification belongs to an observer that knows it. */
static void count_notice(const cps_ep_t *ep, uint32_t index, count_t *c)
{
    const cps_tx_t *tx = cps_retx_at(&ep->retx, index);
    const cps_observer_t *o = cps_observer_at(&ep->observers, tx->owner_index);
    demand(cps_pool_live(&ep->observers.pool, tx->owner_index) && o->state != CPS_OBSERVER_GONE);
    demand((o->tx == index || o->old_tx == index) && tx->peer == o->peer);
    demand(o->old_tx == index || cps_heap_when(&ep->retx.heap, index) != CPS_TIME_NEVER);
    c->notices += cps_chain_blocks(tx->bytes.len);
    c->notices_in_flight++;
}

/* Observers: each in the list that its state names, or with a timer, or with a notification under way. */
static void count_observers(const cps_ep_t *ep, count_t *c)
{
    uint32_t used = 0;
    uint32_t plain = 0;
    for (uint32_t i = 0; i < ep->observers.pool.touched; i++) {
        const cps_observer_t *o = cps_observer_at(&ep->observers, i);
        if (!cps_pool_live(&ep->observers.pool, i))
            continue;
        used++;
        c->by_turn[o->state]++;
        if (o->state == CPS_OBSERVER_GONE)
            continue;
        plain += o->context == 0;
        c->refs[o->peer]++;
        c->observers[o->peer]++;
        c->notices_out[o->peer] += o->counted;
        bool flies = o->tx != CPS_NONE && cps_retx_at(&ep->retx, o->tx)->confirmable;
        bool timed = cps_heap_when(&ep->observers.heap, i) != CPS_TIME_NEVER;
        demand(o->state != CPS_OBSERVER_IDLE || flies || timed);
        demand(!o->counted || flies || o->state == CPS_OBSERVER_ASKED || o->state == CPS_OBSERVER_LEASE);
    }
    demand(used == ep->observers.pool.used && used - c->by_turn[CPS_OBSERVER_GONE] == ep->observers.live);
    demand(plain == ep->observers.plain && ep->observers.live <= ep->config.observers);
}

static uint32_t observers_in(const cps_ep_t *ep, const cps_list_t *list)
{
    return length(list, &ep->observers.pool, offsetof(cps_observer_t, next), -1);
}

static void count_transmissions(const cps_ep_t *ep, count_t *c)
{
    uint32_t requests = 0;
    for (uint32_t i = 0; i < ep->retx.pool.touched; i++) {
        const cps_tx_t *tx = cps_retx_at(&ep->retx, i);
        if (!cps_pool_live(&ep->retx.pool, i))
            continue;
        demand(cps_retx_find(&ep->retx, tx->peer, tx->mid) != NULL);
        requests += tx->owner == CPS_TX_REQUEST;
        if (tx->owner == CPS_TX_REQUEST)
            continue;
        if (tx->owner == CPS_TX_NOTICE) {
            count_notice(ep, i, c);
            continue;
        }
        c->answers_in_flight++;
        c->refs[tx->peer]++;
        c->answers += cps_chain_blocks(tx->bytes.len);
        demand(cps_heap_when(&ep->retx.heap, i) != CPS_TIME_NEVER);
    }
    demand(requests == c->requests_in_flight && ep->retx.map.used == ep->retx.pool.used);
    demand(c->answers_in_flight == ep->answers_in_flight && ep->answers_in_flight <= ep->config.requests_in);
}

static void count_contexts(const cps_ep_t *ep, count_t *c)
{
    uint32_t held = 0;
    uint32_t queued = 0;
    for (uint32_t i = 0; i < ep->contexts.pool.touched; i++) {
        const cps_oscore_entry_t *e = cps_oscore_table_at(&ep->contexts, i);
        if (!cps_pool_live(&ep->contexts.pool, i))
            continue;
        held += asked_in(ep, &e->held, CPS_ASKED_HELD);
        queued += e->job_queued;
        c->chains += cps_chain_blocks(e->echo.len);
        demand(e->ctx.seq.next <= e->ctx.seq.ceiling && e->ctx.seq.ceiling <= CPS_SEQ_LIMIT);
        demand(e->recovering == CPS_NONE || cps_pool_live(&ep->asked.pool, e->recovering));
        demand(e->recovering != CPS_NONE || e->held.first == CPS_NONE); /* or they would be held for nothing */
    }
    demand(held == c->by_state[CPS_ASKED_HELD]);
    demand(length(&ep->jobs, &ep->contexts.pool, offsetof(cps_oscore_entry_t, next_job), -1) == queued);
}

/* Remembered exchanges: all in queues, each with its blocks and its peer. */
static void count_dedup(const cps_ep_t *ep, count_t *c)
{
    const cps_dedup_t *d = &ep->dedup;
    uint32_t entries = 0;
    uint32_t blocks = 0;
    uint32_t reserved = 0;
    for (size_t q = 0; q < sizeof d->queues / sizeof d->queues[0]; q++) {
        uint32_t before = 0;
        for (uint32_t at = d->queues[q].oldest; at != 0; at = cps_dedup_at(d, at)->newer) {
            const cps_dedup_entry_t *e = cps_dedup_at(d, at);
            demand(e->queue == q && e->older == before);
            demand(before == 0 || cps_dedup_at(d, before)->expires_us <= e->expires_us);
            before = at;
            entries++;
            blocks += 1 + cps_chain_blocks(e->answer.len);
            reserved += e->reserved_blocks;
            c->refs[e->peer]++;
        }
        demand(d->queues[q].newest == before);
    }
    demand(entries == d->map.used && blocks == d->blocks.used && reserved == d->reserved);
    demand(d->blocks.used + d->reserved <= d->blocks.limit);
}

/* Bodies in blocks: within their limits, each with its bytes. */
static void check_bodies(const cps_ep_t *ep)
{
    const cps_bodies_t *b = &ep->bodies;
    uint32_t blocks = 0;
    uint32_t told = length(&b->ended, &b->pool, offsetof(cps_body_t, next), -1);
    uint32_t live = 0;
    for (uint32_t i = 0; i < b->pool.touched; i++) {
        const cps_body_t *body = cps_pool_at(&b->pool, i);
        if (!cps_pool_live(&b->pool, i))
            continue;
        bool ended = body->kind == CPS_BODY_ENDED;
        live += !ended;
        blocks += cps_chain_blocks(body->bytes.len);
        demand((cps_heap_when(&b->heap, i) == CPS_TIME_NEVER) == ended);
        demand(body->kind != CPS_BODY_PUT_TOGETHER || (body->at == body->bytes.len && body->at <= body->max));
        demand(body->kind == CPS_BODY_PUT_TOGETHER || body->kind == CPS_BODY_ANSWER || body->bytes.len == 0);
    }
    demand(live + told == b->pool.used && blocks == b->bytes.used);
    demand(live == b->operations.used && live == b->owners.used);
}

static void check_peers(const cps_ep_t *ep, const count_t *c)
{
    uint32_t kept = 0;
    uint32_t idle = 0;
    uint32_t queued = 0;
    uint32_t notices = 0;
    for (uint32_t i = 0; i < ep->peers.pool.touched; i++) {
        const cps_peer_t *p = cps_peers_at(&ep->peers, i);
        if (!cps_pool_live(&ep->peers.pool, i)) {
            demand(c->refs[i] == 0);
            continue;
        }
        demand(p->refs == c->refs[i] && p->in_flight == c->in_flight[i]);
        demand(p->observers == c->observers[i] && p->notices_out == c->notices_out[i]);
        demand(p->notices_out <= ep->config.transmission.nstart && p->observers <= ep->config.observers_per_peer);
        notices += observers_in(ep, &p->notices);
        kept += p->refs != 0;
        queued += asked_in(ep, &p->queue, CPS_ASKED_QUEUED);
    }
    for (uint32_t at = ep->peers.oldest; at != CPS_NONE; at = cps_peers_at(&ep->peers, at)->newer) {
        demand(cps_peers_at(&ep->peers, at)->refs == 0);
        idle++;
    }
    demand(kept == ep->peers.kept && kept + idle == ep->peers.pool.used && ep->peers.map.used == ep->peers.pool.used);
    demand(queued == c->by_state[CPS_ASKED_QUEUED] && notices == c->by_turn[CPS_OBSERVER_QUEUED]);
}

static void check_lists(const cps_ep_t *ep, const count_t *c)
{
    uint32_t waiting = asked_in(ep, &ep->waiting, CPS_ASKED_LEASE);
    uint32_t answers = length(&ep->waiting_answers, &ep->served.pool, offsetof(cps_served_t, next), -1);
    demand(asked_in(ep, &ep->ready, CPS_ASKED_READY) == c->by_state[CPS_ASKED_READY]);
    demand(asked_in(ep, &ep->ended, CPS_ASKED_ENDED) == c->by_state[CPS_ASKED_ENDED]);
    demand(waiting == c->by_state[CPS_ASKED_LEASE] && waiting + answers == ep->waiting_count);
    demand(ep->waiting_count <= ep->config.waiting);
    demand(observers_in(ep, &ep->notify_ready) == c->by_turn[CPS_OBSERVER_READY]);
    demand(observers_in(ep, &ep->notify_lease) == c->by_turn[CPS_OBSERVER_LEASE]);
    demand(observers_in(ep, &ep->notify_gone) == c->by_turn[CPS_OBSERVER_GONE]);
}

static void check_stats(const cps_ep_t *ep)
{
    cps_ep_stats_t stats;
    cps_ep_stats(ep, &stats);
    demand(stats.dedup_bytes <= stats.dedup_limit && stats.dedup_limit <= ep->config.dedup_bytes);
    demand(stats.peers <= ep->config.peers && stats.contexts <= ep->config.contexts);
    demand(stats.requests_in <= ep->config.requests_in && stats.requests_out <= ep->config.requests_out);
    demand(stats.waiting <= ep->config.waiting);
}

void drive_check(const drive_t *d)
{
    const cps_ep_t *ep = d->ep;
    count_t c;
    memset(&c, 0, sizeof c);
    count_asked(ep, &c);
    count_served(ep, &c);
    count_observers(ep, &c);
    count_transmissions(ep, &c);
    count_contexts(ep, &c);
    count_dedup(ep, &c);
    check_peers(ep, &c);
    check_lists(ep, &c);
    check_stats(ep);
    check_bodies(ep);
    demand(c.tokens == ep->asked.tokens.used);
    demand(c.chains == ep->chains.used && c.answers == ep->answers.used && c.notices == ep->notices.used);
    demand(ep->out_used <= ep->config.output_slots);
}

void drive_check_quiet(const drive_t *d)
{
    const cps_ep_t *ep = d->ep;
    demand(!cps_ep_pending(ep) && cps_ep_deadline(ep) == CPS_TIME_NEVER);
    demand(ep->asked.pool.used == 0 && ep->served.pool.used == 0 && ep->retx.pool.used == 0);
    demand(ep->observers.pool.used == 0 && ep->notices.used == 0);
    demand(ep->bodies.pool.used == 0 && ep->bodies.bytes.used == 0);
    demand(ep->answers.used == 0 && ep->waiting_count == 0 && ep->out_used == 0 && ep->note_used == 0);
    for (size_t i = 0; i < DRIVE_ASKS; i++)
        demand(d->asks[i].handle == 0); /* each was told how it ended */
}
