// SPDX-License-Identifier: Apache-2.0
/* The proxy from inside: the table of requests under way, and the steps of one. A request is judged when it comes
 * (request.c), waits for the addresses of a name or not, and is sent to the next hop (upstream.c); its answer, or what is
 * said in its place, goes back from either. */
#ifndef CPS_PROXY_INSIDE_H
#define CPS_PROXY_INSIDE_H

#include "base/pool.h"
#include "proxy/policy.h"
#include "proxy/held.h"
#include "proxy/local.h"
#include "proxy/engine.h"
#include "proxy/rewrite.h"
#include "proxy/self.h"

#define CPS_PROXY_ADDRS_MAX 4U  /* addresses of one name that are tried */
#define CPS_PROXY_WHERE_MAX 96U /* a target as logs and diagnoses show it */

/** Where a request stands. */
typedef enum cps_pending_state {
    CPS_PENDING_NAME, /**< the look-up is under way */
    CPS_PENDING_SENT, /**< the next hop is asked */
    CPS_PENDING_OWED  /**< its refusal found the output full */
} cps_pending_state_t;

/** A request under way. */
typedef struct cps_pending {
    cps_pool_head_t head;
    cps_pending_state_t state;
    cps_handle_t request;  /**< of the client */
    cps_handle_t upstream; /**< of ours, in CPS_PENDING_SENT */
    cps_addr_t client;
    cps_time_us_t deadline_us;
    cps_time_us_t name_until_us;
    cps_uri_t uri; /**< the target; its views are stale */
    uint16_t port; /**< of the next hop */
    cps_addr_t addrs[CPS_PROXY_ADDRS_MAX];
    uint8_t addr_count;
    uint8_t addr_at; /**< the next one to try */
    uint8_t token[8];
    uint8_t code;
    bool confirmable;
    bool sealed;
    bool verified; /**< the client's address is proven */
    char where[CPS_PROXY_WHERE_MAX];
    cps_proxy_refusal_t owed;
    uint32_t options_len; /**< encoded options, then the payload */
    uint32_t len;
    uint8_t bytes[CPS_PROXY_MESSAGE_MAX];
} cps_pending_t;

struct cps_proxy {
    cps_proxy_driver_t driver;
    cps_proxy_options_t options;
    cps_proxy_rules_t rules;
    char name[CPS_PROXY_NAME_MAX + 1];
    cps_proxy_self_t self;
    uint8_t tag_seed[16]; /**< of Request-Tags: one for each client and tag of its own, the same each time */
    uint32_t tokens;      /**< given so far: no token comes twice */
    uint64_t timeout_us;
    uint32_t upstream_sockets; /**< bits: sockets that next hops are asked from */

    void *memory;
    cps_pool_t pending;
    cps_held_table_t held;
    cps_proxy_stats_t stats;
    cps_proxy_request_t request; /**< scratch: the one being judged */
    cps_proxy_answer_t answer;   /**< scratch */

    cps_time_us_t wake_at; /**< deadlines of look-ups, refusals that are owed, and the end of draining */
    bool draining;
    cps_time_us_t drain_until_us;
    void (*drained)(void *user);
    void *drained_user;
};

/* ---- engine.c ---- */

/** What the driver does, in short. */
static inline cps_time_us_t cps_proxy_now(const cps_proxy_t *p) { return p->driver.now(p->driver.self); }

/** The same of a command to the endpoint. */
static inline cps_err_t cps_proxy_submit(cps_proxy_t *p, const cps_command_t *command, cps_handle_t *handle)
{
    return p->driver.submit(p->driver.self, command, handle);
}

/** Look after what is owed or due at that time. */
void cps_proxy_wake_at(cps_proxy_t *p, cps_time_us_t when);

/** Count and log a refusal; `where` is the target or "-". */
void cps_proxy_account(cps_proxy_t *p, const cps_addr_t *client, const char *where, const cps_proxy_refusal_t *refusal);

/** Answer a request with a refusal. CPS_ERR_BUSY: the output is full; try again. */
CPS_MUST_USE cps_err_t cps_proxy_send_refusal(cps_proxy_t *p, cps_handle_t request, const cps_proxy_refusal_t *refusal);

/** Answer a request. `kept`: the caller can hold the answer (cps_command_reply_t). The errors of cps_ep_submit. */
CPS_MUST_USE cps_err_t cps_proxy_send_answer(cps_proxy_t *p, cps_handle_t request, const cps_proxy_answer_t *answer,
                                             bool kept);

/** Give a request up without an answer; a CON is acknowledged. */
void cps_proxy_drop(cps_proxy_t *p, cps_handle_t request);

/** The pending of a ticket, or NULL. */
cps_pending_t *cps_proxy_find(const cps_proxy_t *p, uint64_t ticket);

/** Its ticket. */
uint64_t cps_proxy_ticket(const cps_proxy_t *p, const cps_pending_t *pending);

/** Forget it. */
void cps_proxy_end(cps_proxy_t *p, cps_pending_t *pending);

/** Answer a request under way with a refusal, now or when the output has room again, and end it. */
void cps_proxy_owe(cps_proxy_t *p, cps_pending_t *pending, const cps_proxy_refusal_t *refusal);

/** Count, log and answer a request under way with a refusal, and end it. */
void cps_proxy_give_up(cps_proxy_t *p, cps_pending_t *pending, cps_proxy_reason_t reason, const char *detail);

/* ---- request.c ---- */

/** A request came. */
void cps_proxy_on_request(cps_proxy_t *p, const cps_event_t *event);

/* ---- upstream.c ---- */

/** Take up the request in `p->request`, whose target is shown as `where`: look its host up, or send it. */
void cps_proxy_forward(cps_proxy_t *p, const cps_event_t *event, const char *where);

/** The next hop answered, or did not. */
void cps_proxy_on_response(cps_proxy_t *p, const cps_event_t *event);
void cps_proxy_on_failed(cps_proxy_t *p, const cps_event_t *event);

#endif /* CPS_PROXY_INSIDE_H */
