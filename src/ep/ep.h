// SPDX-License-Identifier: Apache-2.0
/* The endpoint from inside: where the layers meet. A datagram climbs the layers of a constant table (layers_full.c,
 * layers_proxy.c) as a cps_inbound_t that each layer fills in further; an answer or request of ours goes down through
 * cps_ep_seal_* and the message layer. One datagram is worked on at a time, so one scratch buffer serves all. */
/* size: what the files of this room share, in the order of the way of a message */
#ifndef CPS_EP_EP_H
#define CPS_EP_EP_H

#include "ep/rekey.h"
#include "exch/asked.h"
#include "exch/echo.h"
#include "exch/observer.h"
#include "exch/reqtag.h"
#include "exch/served.h"
#include "exch/stateless.h"
#include "msg/amplify.h"
#include "msg/dedup.h"
#include "msg/peer.h"
#include "msg/retx.h"
#include "sec/oscore/protect.h"
#include "sec/oscore/table.h"
#include "wire/opttab.h"

#include <coapsule/core.h>

#define CPS_EP_TAKE_MORE    348U /* larger messages are taken than sent: up to an Ethernet frame */
#define CPS_EP_NOTES        64U  /* notes kept until the caller fetches them; more are counted only */
#define CPS_EP_OUTPUT_SPARE 4U   /* free output slots that one step may need */
#define CPS_EP_OPTIONS_MAX  96U  /* options of one message of ours */
#define CPS_EP_HEADERS      128U /* of a message beside its payload (RFC 7252 §4.6: 1,152 and 1,024) */
#define CPS_EP_OVERHEAD     64U  /* an OSCORE option, tag and Echo beside a message */
#define CPS_EP_HINT_MAX     121U /* code and first payload bytes that are kept of an unauthenticated answer */
#define CPS_ECHO_VALUE_MAX  40U  /* RFC 9175 §2.2.1 */

/** A message on its way up. */
struct cps_inbound {
    const cps_datagram_t *datagram;
    cps_msg_t outer;           /**< as it came */
    cps_msg_t msg;             /**< as the layer above shall see it */
    cps_peer_t *peer;          /**< of a request */
    cps_asked_t *asked;        /**< the request that a response answers */
    cps_oscore_entry_t *entry; /**< what it was protected with */
    cps_oscore_receipt_t receipt;
    uint64_t echo_age_us;
    uint64_t print;  /**< of the datagram: what tells a duplicate */
    uint64_t number; /**< of a response with its own Partial IV */
    bool own_piv;
    bool verified; /**< the source address is proven */
    bool echo_old; /**< its outer Echo is one of ours, but proves nothing any more */
    cps_served_blocks_t blocks;
};

/** What a layer says of a message. */
typedef enum cps_verdict {
    CPS_UP,    /**< the next layer shall look at it */
    CPS_TAKEN, /**< done with; nothing for the application */
    CPS_EVENT  /**< `event` holds something for the application */
} cps_verdict_t;

/** A layer, seen from below. */
typedef struct cps_layer {
    const char *name;
    cps_verdict_t (*inbound)(cps_ep_t *ep, cps_inbound_t *in, cps_event_t *event);
} cps_layer_t;

/** A composition: layers from the datagram up, and what it understands. */
struct cps_layers {
    const char *name;
    const cps_layer_t *const *up; /**< ends with NULL */
    bool opens_oscore;            /**< else a message with OSCORE passes as it is */
    bool checks_options;          /**< unknown critical options are refused here; a proxy has rules of its own */
    bool joins_blocks;            /**< bodies are put together and cut here; a proxy passes each block on */
};

extern const cps_layer_t cps_layer_wire;
extern const cps_layer_t cps_layer_message;
extern const cps_layer_t cps_layer_oscore;
extern const cps_layer_t cps_layer_exchange;

/** A datagram that waits for the socket. */
typedef struct cps_out_slot {
    cps_path_t path;
    uint32_t len;
} cps_out_slot_t;

struct cps_ep {
    cps_ep_config_t config;
    cps_transmission_times_t times;
    cps_time_us_t now_us;
    cps_rng_t rng;

    cps_peers_t peers;
    cps_dedup_t dedup;
    cps_retx_t retx;
    cps_asked_table_t asked;
    cps_served_table_t served;
    cps_observer_table_t observers;
    cps_oscore_table_t contexts;
    cps_rekeys_t rekeys;
    cps_chain_store_t chains;   /**< bytes of our open requests */
    cps_chain_store_t answers;  /**< bytes of separate answers and of those that wait for numbers */
    uint32_t answers_in_flight; /**< separate CON answers with copies to come */
    cps_chain_store_t notices;  /**< bytes of notifications that were not acknowledged */
    cps_bodies_t bodies;
    cps_reqtag_t *tags; /**< one a context, and one for all that is not sealed */
    cps_echo_key_t echo_key;
    cps_stateless_t stateless;
    cps_stateless_found_t stateless_found; /**< of the last one: events view it */
    cps_opt_set_t handled;

    cps_list_t ready;   /**< requests of ours to be sealed and sent */
    cps_list_t waiting; /**< requests of ours that wait for a lease */
    cps_list_t ended;   /**< requests of ours whose failure is to be told */
    cps_list_t wanted;  /**< requests of ours that want the next piece of their body */
    cps_list_t waiting_answers;
    cps_list_t jobs;         /**< contexts that want a lease */
    cps_list_t notify_ready; /**< observers whose turn it is */
    cps_list_t notify_lease; /**< observers whose context waits for numbers */
    cps_list_t notify_gone;  /**< observers whose end is to be told */
    cps_list_t stale;        /**< observations of ours whose age is to be told */
    bool notify_after_input; /**< input and notifications take turns */
    uint32_t waiting_count;
    bool leased; /**< a lease came back: look at those that wait */

    const cps_datagram_t *input;
    size_t input_left;
    const cps_datagram_t *looked_up; /**< the caller was asked for its context: it comes once more; or NULL */

    cps_out_slot_t *out_slots; /**< ring */
    uint8_t *out_bytes;
    uint32_t out_first;
    uint32_t out_used;
    size_t take_max; /**< largest message taken */

    cps_event_note_t notes[CPS_EP_NOTES];
    uint32_t note_first;
    uint32_t note_used;

    uint8_t *plaintext; /**< what a message decrypted to: events view it */
    uint8_t *joined;    /**< options of that message: events view them */
    uint8_t *hint;      /**< first bytes of an unauthenticated answer: events view them */
    uint8_t *sealing;   /**< scratch: what a message of ours is encrypted from */
    uint8_t *build;     /**< scratch: a plain message being built */
    uint8_t *token;     /**< scratch: a long token of a request that is answered */
    uint8_t *extra;     /**< scratch: the same message with an option more */
    uint8_t *body;      /**< a body put together: events view it; and scratch for a block of a kept answer */
    size_t body_used;   /**< of it: to be wiped */
    uint8_t *piece;     /**< scratch: the block of ours that is under way */
    struct {
        cps_handle_t request;
        cps_bytes_t bytes;
    } first_block; /**< of the last event: what CPS_BODY_KEEP begins with */
    cps_ep_stats_t stats;
};

/* ---- out.c: datagrams that leave ---- */

/** Whether one step's datagrams still fit. */
bool cps_out_has_room(const cps_ep_t *ep);

/** A writer over the next free slot; failed where the ring is full. */
cps_writer_t cps_out_begin(cps_ep_t *ep);

/** Queue what was written for that path; the bytes as queued. Nothing happens where the writer failed. */
cps_bytes_t cps_out_commit(cps_ep_t *ep, const cps_path_t *path, const cps_writer_t *w);

/** Queue an Empty message. */
void cps_out_empty(cps_ep_t *ep, const cps_path_t *path, cps_type_t type, uint16_t mid);

/** Queue a stored datagram. */
void cps_out_chain(cps_ep_t *ep, const cps_path_t *path, const cps_chain_store_t *store, const cps_chain_t *chain);

/* ---- ep.c ---- */

/** Count and keep a note. */
void cps_ep_note(cps_ep_t *ep, cps_note_kind_t kind, const cps_path_t *path, const cps_oscore_entry_t *entry,
                 uint64_t number);

/** The peer of a path; remembered exchanges that may be given up are, where the table is full. NULL: truly full. */
cps_peer_t *cps_ep_peer(cps_ep_t *ep, const cps_path_t *path);

/** The context of a handle, or NULL. */
cps_oscore_entry_t *cps_ep_context(const cps_ep_t *ep, cps_handle_t handle);

/** An Echo that proves the freshness of a sealed request, and one that proves an address. */
static inline cps_echo_use_t cps_ep_echo_inner(const cps_oscore_entry_t *entry)
{
    return (cps_echo_use_t){CPS_ECHO_INNER, cps_bytes(&entry->bound, sizeof entry->bound)};
}

/** An Echo that proves the address of a path. */
static inline cps_echo_use_t cps_ep_echo_outer(const cps_path_t *path)
{
    return (cps_echo_use_t){CPS_ECHO_OUTER, cps_bytes(&path->remote, sizeof path->remote)};
}

/** Largest payload of a message of ours; what a proxy relays may be sealed and is then a little larger. */
static inline size_t cps_ep_payload_max(const cps_ep_t *ep)
{
    return ep->config.message_max - (ep->config.layers->opens_oscore ? CPS_EP_HEADERS : 0);
}

/** Verify and decrypt a response with that context into `in`. The errors of cps_oscore_unprotect_response. */
CPS_MUST_USE cps_err_t cps_ep_open_answer(cps_ep_t *ep, cps_inbound_t *in, const cps_oscore_ctx_t *ctx);

/** Of ours, the message that an ACK, a Reset or an ICMP error with this Message ID is about (layer_message.c); or NULL. */
cps_tx_t *cps_ep_find_tx(const cps_ep_t *ep, const cps_path_t *path, uint16_t mid);

/** Bytes of ep->body: a whole body, or a block with its options. */
static inline size_t cps_ep_body_room(const cps_ep_t *ep)
{
    size_t least = 2 * (ep->take_max + CPS_EP_OVERHEAD);
    return ep->config.body_max > least ? ep->config.body_max : least;
}

/** A message as events show it. */
cps_message_t cps_ep_message(const cps_msg_t *msg);

/* ---- react.c: answers to what was not accepted; computed from the message alone and never remembered ---- */

/** RST to a CON, nothing to anything else. */
void cps_react_reset(cps_ep_t *ep, const cps_inbound_t *in);

/** An unprotected error response (RFC 8613 §8.2 for OSCORE's), in the ACK of a CON, as NON to a NON. `text` may be NULL. */
void cps_react_error(cps_ep_t *ep, const cps_inbound_t *in, uint8_t code, const char *text, const uint32_t *max_age);

/** The Message ID of such an answer; false where it cannot be made without taking state. */
bool cps_react_mid(cps_ep_t *ep, const cps_inbound_t *in, uint16_t *mid);

/** What the table of errors says. */
void cps_react(cps_ep_t *ep, const cps_inbound_t *in, cps_err_t err);

/* ---- serve.c: requests that we answer ---- */

/** The message of a reply, with its options in ep->build, without token and place (serve_build.c): all of the body, the
 * block that was asked for, or one that fits. `served` is NULL for a notification; `observe` (may be NULL) is the value of
 * its Observe option. CPS_ERR_ARGUMENT, CPS_ERR_TOO_LARGE. */
CPS_MUST_USE cps_err_t cps_serve_build(cps_ep_t *ep, const cps_served_t *served, const cps_command_reply_t *reply,
                                       const uint32_t *observe, cps_msg_t *msg);

/** 4.01 with an Echo made now, in ep->build. */
CPS_MUST_USE cps_err_t cps_serve_build_challenge(cps_ep_t *ep, cps_echo_use_t use, cps_msg_t *msg);

/** Keep the token of a request; false where there is no room for a long one (serve_token.c). */
bool cps_serve_keep_token(cps_ep_t *ep, cps_served_t *served, cps_bytes_t token);

/** The token; one that is long stays in ep->token until the next call. */
cps_bytes_t cps_serve_token(cps_ep_t *ep, const cps_served_t *served);

/** Take up an accepted request: remember it and make its place. NULL, and all said to the peer, where it cannot be. */
cps_served_t *cps_serve_accept(cps_ep_t *ep, cps_inbound_t *in);

/** CPS_COMMAND_REPLY: the answer to a request, sent or kept until the store granted numbers. `*observer` (may be NULL)
 * gets the handle of the observer that it began, or 0. */
cps_err_t cps_serve_reply(cps_ep_t *ep, const cps_command_reply_t *reply, cps_handle_t *observer);

/** CPS_COMMAND_CHALLENGE: 4.01 with Echo inside, under the nonce of the request. */
cps_err_t cps_serve_challenge(cps_ep_t *ep, cps_handle_t request);

/** CPS_COMMAND_IGNORE: no answer; a CON is acknowledged. CPS_COMMAND_DROP: nor that. */
cps_err_t cps_serve_ignore(cps_ep_t *ep, cps_handle_t request, bool drop);

/** Challenge a request whose window is unknown (RFC 8613 appendix B.1.2). */
void cps_serve_recover(cps_ep_t *ep, cps_inbound_t *in);

/** Send answers that waited for numbers and have them now; false where the output is full and some were not tried. */
bool cps_serve_granted(cps_ep_t *ep);

/** The context changed: nothing that was asked under the one before is answered any more. */
void cps_serve_drop(cps_ep_t *ep, cps_handle_t context);

/** The store refused: answers of this context that wait are given up. */
void cps_serve_refused(cps_ep_t *ep, cps_handle_t context);

/** Timers: Empty ACKs that are due, exchanges that are over. */
void cps_serve_tick(cps_ep_t *ep);

/** Another copy of a separate answer or notification is due. */
void cps_serve_copy(cps_ep_t *ep, const cps_chain_store_t *store, const cps_tx_t *tx);

/** The message layer on the ACK or RST of a separate answer, or its end. */
void cps_serve_delivered(cps_ep_t *ep, cps_tx_t *tx, bool acknowledged);

/* ---- stateless.c: requests of ours that are known by their token alone ---- */

/** CPS_COMMAND_REQUEST with `stateless`. */
cps_err_t cps_stateless_submit(cps_ep_t *ep, const cps_command_request_t *request);

/** How a Confirmable one ends. */
typedef enum cps_stateless_end { CPS_STATELESS_ACKED, CPS_STATELESS_RESET, CPS_STATELESS_EXPIRED } cps_stateless_end_t;

/** The message layer on its ACK or RST, or its end. */
void cps_stateless_over(cps_ep_t *ep, cps_tx_t *tx, cps_stateless_end_t how);

/** A response that nobody is known to wait for: whether its token says who does, in `event`. */
bool cps_stateless_answer(cps_ep_t *ep, cps_inbound_t *in, cps_event_t *event);

/* ---- observe.c, notice.c: observers of our resources (RFC 7641 §4) ---- */

/** What a request says of observation. */
cps_observe_t cps_observe_asked(const cps_msg_t *msg);

/** A request was accepted: one that deregisters ends its observation. */
void cps_observe_accepted(cps_ep_t *ep, const cps_served_t *served);

/** A request is about to be answered: the observer that this begins, or NULL. An earlier one of its endpoint and token is
 * over either way. */
cps_observer_t *cps_observe_answer(cps_ep_t *ep, cps_served_t *served, const cps_command_reply_t *reply);

/** It was answered, with a message of `len` bytes; without `agreed` the observation does not begin. */
void cps_observe_settle(cps_ep_t *ep, cps_observer_t *observer, bool agreed, size_t len, cps_handle_t *handle);

/** CPS_COMMAND_CHANGED and CPS_COMMAND_UNOBSERVE. */
cps_err_t cps_observe_changed(cps_ep_t *ep, cps_handle_t observer);
cps_err_t cps_observe_forget(cps_ep_t *ep, cps_handle_t observer);

/** It is over; the event follows. */
void cps_observe_end(cps_ep_t *ep, cps_observer_t *o, cps_err_t err);

/** Its turn comes, if it has something to be told and may be told it now; else its timer is set. */
void cps_observe_schedule(cps_ep_t *ep, cps_observer_t *o);

/** The next event of an observer, if there is one. */
bool cps_observe_event(cps_ep_t *ep, cps_event_t *event);

/** Whether notifications wait for the output alone. */
bool cps_observe_pending(const cps_ep_t *ep);

/** Those that waited for numbers have their turn again; or the store refused and they try later. */
void cps_observe_granted(cps_ep_t *ep);
void cps_observe_refused(cps_ep_t *ep, cps_handle_t context);

/** A context is removed: so are its observers. */
void cps_observe_context_gone(cps_ep_t *ep, cps_handle_t context);

/** Timers: what waited for its pace, and observers that have to show that they are there. */
void cps_observe_tick(cps_ep_t *ep);

/** The notification under way is not any more; the next to that endpoint may go. */
void cps_observe_release(cps_ep_t *ep, cps_observer_t *o);

/** CPS_COMMAND_NOTIFY. */
cps_err_t cps_notice_send(cps_ep_t *ep, const cps_command_reply_t *state);

/** The message layer on a notification: ACK, RST, another copy due, its end. */
void cps_notice_acked(cps_ep_t *ep, cps_tx_t *tx);
void cps_notice_reset(cps_ep_t *ep, cps_tx_t *tx);
void cps_notice_copy(cps_ep_t *ep, cps_tx_t *tx);
void cps_notice_expired(cps_ep_t *ep, cps_tx_t *tx);

/* ---- observing.c: observations of ours (RFC 7641 §3) ---- */

/** What a genuine response is to an observation. */
typedef enum cps_observing {
    CPS_OBSERVING_NOT,  /**< a response like any other: the last one */
    CPS_OBSERVING_OLD,  /**< a notification that is not newer than the last: dropped */
    CPS_OBSERVING_NEXT, /**< a notification: the request stays open */
    CPS_OBSERVING_WRONG /**< Observe inside the answer to a request that did not ask (RFC 8613 §4.1.3.5.2) */
} cps_observing_t;

/** Judge a response, before anything changes. */
cps_observing_t cps_observing_judge(const cps_ep_t *ep, const cps_inbound_t *in);

/** A notification was taken: what the next one is compared with, and when this one is stale. */
void cps_observing_keep(cps_ep_t *ep, const cps_inbound_t *in);

/** The timer of an observation; false where the request waits for an answer instead. */
bool cps_observing_tick(cps_ep_t *ep, cps_asked_t *asked);

/** The event of an observation that became stale, if there is one. */
bool cps_observing_event(cps_ep_t *ep, cps_event_t *event);

/** CPS_COMMAND_END. */
cps_err_t cps_observing_end(cps_ep_t *ep, cps_handle_t handle);

/** A response was dropped as not newer: it may still say that we are registered again. */
void cps_observing_old(cps_ep_t *ep, const cps_inbound_t *in);

/* ---- serve_blocks.c: requests that are blocks of a body, or ask for one (RFC 7959) ---- */

/** Read the block options of a request. CPS_OK; CPS_ERR_FORMAT with the text for a 4.00: the reserved size, or a block
 * that is not as long as it says. */
CPS_MUST_USE cps_err_t cps_serve_read_blocks(cps_ep_t *ep, cps_inbound_t *in, const char **text);

/** An accepted request with block options: CPS_UP where it is for the application, its payload then whole or the next
 * block; CPS_TAKEN where it was answered here. */
cps_verdict_t cps_serve_block(cps_ep_t *ep, cps_inbound_t *in, cps_served_t *served);

/** Of the event: where the request stands in its bodies. */
void cps_serve_fill_body(cps_ep_t *ep, const cps_inbound_t *in, const cps_served_t *served, cps_event_t *event);

/** Outer blocks of a sealed request (serve_outer.c): CPS_UP where it is whole, `outer` with all of its payload then. */
cps_verdict_t cps_serve_outer_block(cps_ep_t *ep, cps_inbound_t *in);

/** Carry out what a reply says becomes of the request's body. CPS_ERR_FULL, CPS_ERR_ARGUMENT; nothing has changed. */
CPS_MUST_USE cps_err_t cps_serve_step(cps_ep_t *ep, const cps_served_t *served, const cps_command_reply_t *reply);

/** A sealed request was challenged: its body waits for the same block again. */
void cps_serve_reopen(cps_ep_t *ep, const cps_served_t *served);

/** There is no answer: nor a body. */
void cps_serve_drop_body(cps_ep_t *ep, const cps_served_t *served);

/** The event of a body handed on that will not be whole, if there is one. */
bool cps_serve_abandoned_event(cps_ep_t *ep, cps_event_t *event);

/* ---- serve_cut.c: answers that are cut into blocks ---- */

/** An answer as it will be sent: `list` has room for CPS_EP_OPTIONS_MAX. */
typedef struct cps_cut {
    uint8_t code;
    cps_option_t *list;
    size_t count;
    cps_bytes_t payload;
    uint8_t block1[4]; /**< values of options that are added */
    uint8_t block2[4];
    uint8_t size2[4];
    uint8_t etag[8];
} cps_cut_t;

/** Cut the block that was asked for, or one that fits, out of an answer, and add what says so. */
CPS_MUST_USE cps_err_t cps_serve_cut(cps_ep_t *ep, const cps_served_t *served, const cps_command_reply_t *reply,
                                     cps_cut_t *cut);

/* ---- ask.c, ask_send.c, ask_answer.c: requests of ours ---- */

/** CPS_COMMAND_REQUEST: take up a request of ours. */
cps_err_t cps_ask_submit(cps_ep_t *ep, const cps_command_request_t *request, cps_handle_t *handle);

/** CPS_COMMAND_CANCEL: forget it. */
cps_err_t cps_ask_cancel(cps_ep_t *ep, cps_handle_t handle);

/** Send what is ready, while the output has room. */
void cps_ask_work(cps_ep_t *ep);

/** Let the next requests to this peer start, as NSTART and PROBING_RATE allow. */
void cps_ask_pump(cps_ep_t *ep, cps_peer_t *peer);

/** Seal and send one that is ready. */
void cps_ask_start(cps_ep_t *ep, cps_asked_t *asked);

/** Send the sealed bytes once more, in a new message with an outer Echo. */
CPS_MUST_USE cps_err_t cps_ask_resend(cps_ep_t *ep, cps_asked_t *asked, cps_bytes_t outer_echo);

/** Another copy of a request is due. */
void cps_ask_copy(cps_ep_t *ep, cps_tx_t *tx);

/** An Empty ACK came, or the message is over (`expired`). */
void cps_ask_acked(cps_ep_t *ep, cps_tx_t *tx);
void cps_ask_expired(cps_ep_t *ep, cps_tx_t *tx);

/** A hint: Reset, unreachable, or an unprotected response to a sealed request. For a plain request the end. */
void cps_ask_hint(cps_ep_t *ep, cps_asked_t *asked, cps_hint_t hint, const cps_inbound_t *in);

/** Acknowledge an authentic response, now and when it is repeated. */
void cps_ask_acknowledge(cps_ep_t *ep, const cps_inbound_t *in);

/** Whether a request may go once more although it may have run. */
bool cps_ask_may_repeat(const cps_asked_t *asked);

/** Let a detached request go again, sealed anew and under a new token: the first in its peer's queue. */
void cps_ask_requeue(cps_ep_t *ep, cps_asked_t *asked);

/** Hold a request until the one that recovers its context is over. */
void cps_ask_hold(cps_ep_t *ep, cps_asked_t *asked, cps_oscore_entry_t *entry);

/** A response that belongs to a request of ours and is authentic, if it has to be. */
cps_verdict_t cps_ask_answered(cps_ep_t *ep, cps_inbound_t *in, cps_event_t *event);

/** Stop what is under way for a request: copies, lists, its place among those in flight. It stays known. */
void cps_ask_detach(cps_ep_t *ep, cps_asked_t *asked);

/** End a request with an error; the event follows. */
void cps_ask_fail(cps_ep_t *ep, cps_asked_t *asked, cps_err_t err, cps_err_t cause);

/** The request of ours that was sent to that path with that token, or NULL. One whose deadline is over ends instead,
 * although the caller has not ticked yet: whoever held its answer back must not have it taken for a recent one. */
cps_asked_t *cps_ask_match(cps_ep_t *ep, const cps_path_t *path, cps_bytes_t token);

/** Deadlines. */
void cps_ask_tick(cps_ep_t *ep);

/** The event of a request that ended, if there is one. */
bool cps_ask_ended_event(cps_ep_t *ep, cps_event_t *event);

/** Requests that waited for numbers are tried again. */
void cps_ask_granted(cps_ep_t *ep);

/** The store refused: requests of this context that wait end. */
void cps_ask_refused(cps_ep_t *ep, cps_handle_t context, cps_err_t err);

/** The request that recovers a context is over: those that were held for it go on. */
void cps_ask_release_held(cps_ep_t *ep, cps_oscore_entry_t *entry);

/* ---- ask_blocks.c: requests of ours in blocks ---- */

/** What a request says of blocks: CPS_ERR_ARGUMENT, CPS_ERR_UNSUPPORTED. */
CPS_MUST_USE cps_err_t cps_ask_check_blocks(const cps_ep_t *ep, const cps_command_request_t *r);

/** Whether its payload is kept apart from its options, to go in blocks. */
bool cps_ask_wants_blocks(const cps_ep_t *ep, const cps_command_request_t *r);

/** Take that up; `head` is the length of the message without payload. CPS_ERR_TOO_LARGE, CPS_ERR_FULL. */
CPS_MUST_USE cps_err_t cps_ask_take_blocks(cps_ep_t *ep, cps_asked_t *asked, const cps_command_request_t *r,
                                           size_t head);

/** Choose the Request-Tag of a body that goes in blocks, when its first one goes. */
void cps_ask_tag(cps_ep_t *ep, cps_asked_t *asked);

/** It is over: `answered` where the server can take none of its blocks any more. */
void cps_ask_untag(cps_ep_t *ep, cps_asked_t *asked, bool answered);

/** A context was added: what was sent under it before is not known. */
void cps_ask_tags_begin(cps_ep_t *ep, const cps_oscore_entry_t *entry, uint64_t next_number);

/** A number of a context was answered. */
static inline void cps_ask_tags_reach(const cps_ep_t *ep, const cps_oscore_entry_t *entry, uint64_t number)
{
    cps_reqtag_reach(&ep->tags[cps_pool_index(&ep->contexts.pool, entry)], number);
}

/** The options and payload of the request under way, out of the first one's, and an Echo where there is one: views of
 * ep->extra and ep->piece. */
CPS_MUST_USE cps_err_t cps_ask_compose(cps_ep_t *ep, const cps_asked_t *asked, cps_bytes_t echo, cps_msg_t *msg);

/** Queue it, before all others to its peer. */
void cps_ask_again(cps_ep_t *ep, cps_asked_t *asked);

/** Ask the application for the next piece. */
void cps_ask_want(cps_ep_t *ep, cps_asked_t *asked);

/** The network does not carry the message under way: the same bytes go in smaller blocks, where it is a block. */
void cps_ask_too_large(cps_ep_t *ep, cps_asked_t *asked);

/** The next exchange of a body in blocks. */
void cps_ask_next(cps_ep_t *ep, cps_asked_t *asked);

/** The event that asks for a piece, if there is one. */
bool cps_ask_wanted_event(cps_ep_t *ep, cps_event_t *event);

/** CPS_COMMAND_PIECE. */
cps_err_t cps_ask_piece(cps_ep_t *ep, const cps_command_piece_t *piece);

/* ---- contexts.c ---- */

/** A number of this context, and a job for the next lease where it is time. */
CPS_MUST_USE cps_err_t cps_context_number(cps_ep_t *ep, cps_oscore_entry_t *entry, uint64_t *number);

/** Ask for a lease although none is half used. */
void cps_context_want(cps_ep_t *ep, cps_oscore_entry_t *entry);

/** The event of the next lease to ask for, if there is one. */
bool cps_context_job_event(cps_ep_t *ep, cps_event_t *event);

/** CPS_COMMAND_JOB_DONE: the store granted or refused a lease. */
cps_err_t cps_context_job_done(cps_ep_t *ep, const cps_command_job_done_t *done);

#endif /* CPS_EP_EP_H */
