// SPDX-License-Identifier: Apache-2.0
/* size: what an application says to an endpoint and hears of it is one contract, read in one go. */
/**
 * @file
 * The endpoint: CoAP and OSCORE as a machine without I/O (library coapsule-core).
 *
 * An endpoint is driven by whoever holds the sockets and calls nobody back:
 *
 *     cps_ep_input(ep, now, datagrams, n);
 *     do {
 *         while (cps_ep_event(ep, &event))  handle(&event);          // may submit
 *         while ((n = cps_ep_output(ep, now, out, 16)) != 0)  cps_ep_sent(ep, send(out, n));
 *     } while (cps_ep_pending(ep));
 *     sleep until cps_ep_deadline(ep) or a datagram, then cps_ep_tick(ep, now);
 *
 * It never reads a clock, a file, a socket or the system's randomness. `now` is in microseconds and given by the
 * caller; one that is earlier than the last counts as the last. Views in an event live until the next cps_ep_event,
 * datagrams of an input until the caller's loop above has ended. An endpoint belongs to one thread at a time.
 */ /* size: what an endpoint takes and tells is read in one piece */
#ifndef COAPSULE_CORE_H
#define COAPSULE_CORE_H

#include <coapsule/error.h>
#include <coapsule/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An endpoint; lives in memory that the caller gives. */
typedef struct cps_ep cps_ep_t;

/** Provider of cryptography; see cps_crypto_new. */
typedef struct cps_crypto cps_crypto_t;

/** Names something inside an endpoint. 0 is nothing; a handle of something that is over is stale, never reused soon. */
typedef uint64_t cps_handle_t;

/** The layers of an endpoint, top to bottom: a constant table chosen at start. */
typedef struct cps_layers cps_layers_t;

/** Client and server with OSCORE. Any thread. */
CPS_API const cps_layers_t *cps_layers_full(void);

/** A proxy: relays what it does not own, opens nothing. Any thread. */
CPS_API const cps_layers_t *cps_layers_proxy(void);

/** Transmission parameters (RFC 7252 §4.8). Zero means the default in parentheses. */
typedef struct cps_transmission {
    uint64_t ack_timeout_us;      /**< ACK_TIMEOUT (2 s) */
    uint32_t ack_random_permille; /**< ACK_RANDOM_FACTOR times 1000 (1500); at least 1000 */
    uint32_t max_retransmit;      /**< MAX_RETRANSMIT (4); CPS_NO_RETRANSMIT for none */
    uint32_t nstart;              /**< NSTART (1) */
    uint64_t default_leisure_us;  /**< DEFAULT_LEISURE (5 s) */
    uint32_t probing_rate;        /**< PROBING_RATE in bytes a second (1) */
    uint64_t max_latency_us;      /**< MAX_LATENCY (100 s) */
    uint64_t ack_delay_us;        /**< how long an answer may take before an Empty ACK goes first (250 ms) */
    bool unsafe;                  /**< leave to lower ACK_TIMEOUT or to raise NSTART (§4.8.1) */
} cps_transmission_t;

/** max_retransmit of 0 means the default; this means none. */
#define CPS_NO_RETRANSMIT UINT32_MAX

/** Times that follow from the parameters (RFC 7252 §4.8.2). */
typedef struct cps_transmission_times {
    uint64_t max_transmit_span_us;
    uint64_t max_transmit_wait_us;
    uint64_t processing_delay_us;
    uint64_t max_rtt_us;
    uint64_t exchange_lifetime_us;
    uint64_t non_lifetime_us;
} cps_transmission_times_t;

/** Fill in defaults and derive times. CPS_ERR_CONFIG where §4.8.1 forbids the values. Any thread. */
CPS_API CPS_MUST_USE cps_err_t cps_transmission_derive(cps_transmission_t *params, cps_transmission_times_t *times);

/** How an endpoint is made. Zero means the default in parentheses; every limit is memory taken at start. */
typedef struct cps_ep_config {
    size_t size;                /**< sizeof(cps_ep_config_t): later versions add members behind */
    const cps_layers_t *layers; /**< (cps_layers_full()) */
    cps_crypto_t *crypto;       /**< needed; outlives the endpoint */
    void (*random)(void *state, uint8_t *to, size_t len); /**< source of random bytes (the provider's) */
    void *random_state;
    cps_transmission_t transmission;
    uint32_t peers;              /**< other endpoints remembered (1,024) */
    uint32_t contexts;           /**< OSCORE contexts (1,024) */
    uint32_t requests_out;       /**< our own open requests (256) */
    uint32_t requests_in;        /**< requests being answered (256) */
    uint32_t waiting;            /**< messages that wait for a lease of sequence numbers (64) */
    size_t dedup_bytes;          /**< budget for remembered exchanges (64 MiB; see docs/architecture.md) */
    size_t answer_bytes;         /**< budget for separate answers and those that wait for a lease (256 KiB) */
    size_t request_bytes;        /**< budget for our own open requests (256 KiB) */
    uint32_t message_max;        /**< largest message sent, in bytes (1,152, RFC 7252 §4.6); 348 more are taken */
    uint32_t output_slots;       /**< datagrams that may wait for the socket (64) */
    uint32_t amplification;      /**< to an unverified address at most so many times what came (3) */
    uint32_t challenge_rate;     /**< B.1.2 challenges a second a context (10) */
    uint32_t rekeys;             /**< runs of RFC 8613 appendix B.2 at once (16); each takes a message's bytes */
    uint32_t rekey_rate;         /**< requests a second a context for which keys are derived on trial (100); ten times
                                      that in all */
    uint64_t echo_recover_us;    /**< how old an Echo may be that recovers a replay window (60 s) */
    uint32_t observers;          /**< observers of our resources (1,024); at most three quarters of them unprotected */
    uint32_t observers_per_peer; /**< of these, from one endpoint (64) */
    size_t notice_bytes;         /**< budget for notifications that were not acknowledged yet (256 KiB) */
    uint64_t observe_check_us; /**< an observer has to acknowledge one notification in so long (24 h, RFC 7641 §4.5) */
    uint64_t observe_renew_us; /**< our sealed observations are registered anew after so long (1 h, RFC 8613 §7.3) */
    uint32_t block_size;       /**< largest block of a body, 16 to 1,024 (1,024) */
    uint32_t body_max;         /**< largest body of a request that is put together here, in bytes (64 KiB) */
    uint32_t bodies;           /**< bodies under way at once: requests' and kept answers' (64); a quarter is for sealed
                                      ones */
    uint32_t bodies_each;      /**< so many an endpoint, or an OSCORE context (4) */
    size_t body_bytes;         /**< budget for all of them (1 MiB) */
    uint64_t body_age_us;      /**< forgotten so long after their last block (EXCHANGE_LIFETIME, RFC 7959 §2.5) */
    uint32_t token_max;   /**< longest token that a request may have (64); longer ones get 4.00 (RFC 8974). 8: those
                                 of more than 8 bytes are format errors, as in RFC 7252 */
    bool context_lookup;  /**< ask by CPS_JOB_CONTEXT for contexts that are not here */
    uint64_t reserved[8]; /**< zero: room for later members, so that structs around this one keep their shape */
} cps_ep_config_t;

/** Bytes of memory that an endpoint of this configuration takes; 0 where the configuration is wrong. Any thread. */
CPS_API size_t cps_ep_size(const cps_ep_config_t *config);

/**
 * Make an endpoint in `size` zeroed bytes at `memory`, which the caller keeps until it is done with the endpoint.
 * CPS_ERR_CONFIG, CPS_ERR_NO_SPACE.
 * Owner thread.
 */
CPS_API CPS_MUST_USE cps_err_t cps_ep_init(cps_ep_t **out, void *memory, size_t size, const cps_ep_config_t *config);

/** Wipe all keys. The memory is the caller's again. Owner thread. */
CPS_API void cps_ep_fini(cps_ep_t *ep);

/** Hand in datagrams. They are worked on by cps_ep_event; the array and the bytes stay valid until it has returned false
 * with cps_ep_pending false. Owner thread. */
CPS_API void cps_ep_input(cps_ep_t *ep, cps_time_us_t now_us, const cps_datagram_t *datagrams, size_t count);

/** What the network reports of a datagram of ours. */
typedef enum cps_net_error {
    CPS_NET_UNREACHABLE, /**< port or host unreachable: counts only where the quoted datagram is one of ours */
    CPS_NET_TOO_LARGE,   /**< EMSGSIZE or Packet Too Big */
    CPS_NET_OTHER        /**< Time Exceeded, Source Quench and the like: ignored (RFC 7252 §4.2) */
} cps_net_error_t;

/** Hand in an error with the datagram that it quotes (may be cut short). Owner thread. */
CPS_API void cps_ep_error(cps_ep_t *ep, cps_time_us_t now_us, const cps_path_t *path, cps_net_error_t kind,
                          cps_bytes_t quoted);

/** Up to `cap` datagrams to send, in order; they stay queued, and their bytes valid, until cps_ep_sent. Owner thread. */
CPS_API size_t cps_ep_output(cps_ep_t *ep, cps_time_us_t now_us, cps_datagram_t *out, size_t cap);

/** The first `count` datagrams of the last output are sent, or given up by the caller. Owner thread. */
CPS_API void cps_ep_sent(cps_ep_t *ep, size_t count);

/** Whether something is left that could not be worked on because the output was full. Owner thread. */
CPS_API bool cps_ep_pending(const cps_ep_t *ep);

/** When cps_ep_tick has to be called next; CPS_TIME_NEVER where nothing is open. Owner thread. */
CPS_API cps_time_us_t cps_ep_deadline(const cps_ep_t *ep);

/** Let timers run up to `now_us`; events and output may follow. Owner thread. */
CPS_API void cps_ep_tick(cps_ep_t *ep, cps_time_us_t now_us);

/* ---- events ---- */

/** A message as the application sees it: what OSCORE protected is inside, and nothing of the outer message but what
 * belongs to it (RFC 8613 §8.2). `options` are encoded; walk them with cps_message_next. */
typedef struct cps_message {
    uint8_t code;
    cps_bytes_t options;
    cps_bytes_t payload;
} cps_message_t;

/** Walks options: zero it, then call until false. Values are views into the message. */
typedef struct cps_option_walk {
    size_t at;
    uint32_t number;
} cps_option_walk_t;

/** The next option of a message. Options that RFC 7252 §5.4 says to ignore are still shown. Owner thread. */
CPS_API bool cps_message_next(const cps_message_t *message, cps_option_walk_t *walk, cps_option_t *out);

/** The first option of that number with a legal length; false where there is none. Owner thread. */
CPS_API bool cps_message_option(const cps_message_t *message, uint16_t number, cps_bytes_t *value);

/** The same as a number, for uint options. Owner thread. */
CPS_API bool cps_message_uint(const cps_message_t *message, uint16_t number, uint32_t *value);

/** Age that says: nothing proves when the request was made. */
#define CPS_AGE_UNKNOWN UINT64_MAX

/** What a GET or FETCH says of observation (RFC 7641 §2). */
typedef enum cps_observe {
    CPS_OBSERVE_NOT,
    CPS_OBSERVE_REGISTER,  /**< Observe 0: notify me; a reply with `observe` agrees */
    CPS_OBSERVE_DEREGISTER /**< Observe 1: no more; the observation is over already */
} cps_observe_t;

/**
 * Where a request stands in the transfer of bodies by blocks (RFC 7959); zero for one that is whole in itself.
 *
 * With `more`, the payload is the first block of a body (`offset` 0), or the next one of a body that is handed on. The
 * reply says how it goes on: see cps_command_reply_t.step. A body that is put together comes as one request in the end.
 */
typedef struct cps_event_body {
    uint32_t offset;      /**< where the payload stands in the body: not 0 only in one that is handed on */
    bool more;            /**< blocks are to come */
    uint32_t size;        /**< of the whole, as the client says (Size1); 0: not said. A hint */
    uint64_t user;        /**< `body_user` of the reply to the block before */
    uint32_t wanted;      /**< of the answer: where the block that is asked for begins (Block2) */
    uint32_t wanted_size; /**< and how long it will be at most */
} cps_event_body_t;

/** A request for the application. Answer it with CPS_COMMAND_REPLY, now or later. */
typedef struct cps_event_request {
    cps_path_t path;
    cps_message_t message;
    cps_handle_t context; /**< the OSCORE context that protected it; 0: unprotected */
    uint64_t user;        /**< that context's `user` */
    uint64_t echo_age_us; /**< proven by an Echo inside: made at most so long ago; or CPS_AGE_UNKNOWN */
    uint64_t partial_iv;  /**< number that it was sealed under; counts with a context only */
    cps_observe_t observe;
    bool confirmable;
    bool oscore;   /**< has an OSCORE option that these layers did not open (proxy) */
    bool verified; /**< unprotected: its Echo is one of ours and proves the address. A proxy does not pass it on
                        (RFC 9175 §2.3) */
    bool echo_old; /**< unprotected: its Echo is one of ours, but too old to prove anything */
    cps_event_body_t body;
} cps_event_request_t;

/** A body that was handed on block by block never came to its end: too old, started anew, or without room. */
typedef struct cps_event_abandoned {
    uint64_t user; /**< `body_user` of the last reply to it */
} cps_event_abandoned_t;

/** A response to a request of ours. */
typedef struct cps_event_response {
    cps_path_t path;
    cps_message_t message;
    cps_handle_t context;   /**< the context that protected it; 0 only where the request was not sealed */
    uint64_t user;          /**< the request's `user` */
    uint64_t partial_iv;    /**< number that the request was last sealed under */
    uint64_t round_trip_us; /**< since the last copy of the request that may have caused it was first sent */
    cps_bytes_t state;      /**< of a stateless request, whose handle and `user` are 0 */
    bool own_partial_iv;
    bool repeated;  /**< the request was repeated with Echo before */
    bool observing; /**< the server notifies: more responses to this request follow, each newer than the one before; the
                         request stays open */
    bool more;      /**< of an answer in blocks: this is one, and the next is asked for by itself (with `follow`) */
    uint32_t offset; /**< where the payload stands in the body */
    uint32_t size;   /**< of the whole body, as the server says (Size2); 0: not said. A hint */
} cps_event_response_t;

/** An observer of ours, or an observation. */
typedef struct cps_event_observer {
    uint64_t user; /**< as given when it began */
    cps_err_t err; /**< CPS_EVENT_UNOBSERVED: CPS_OK by the client, by an error notification, or replaced by a new
                        registration; CPS_ERR_RESET; CPS_ERR_TIMEOUT: a notification was not acknowledged;
                        CPS_ERR_NOT_FRESH: its address was never proven; CPS_ERR_CANCELED: its context was removed;
                        CPS_ERR_SEQ_EXHAUSTED: its context has no numbers any more */
} cps_event_observer_t;

/** The next piece of a streamed body is wanted: answer with CPS_COMMAND_PIECE. `offset` goes back to 0 where the server
 * wants the body from its start again. */
typedef struct cps_event_wanted {
    uint64_t user;   /**< the request's `user` */
    uint32_t offset; /**< in the body */
    uint32_t size;   /**< bytes at most; fewer only at the end */
} cps_event_wanted_t;

/** What an unauthenticated message said of a sealed request: a hint, nothing more. */
typedef enum cps_hint {
    CPS_HINT_NONE,
    CPS_HINT_ACK,
    CPS_HINT_RESET,
    CPS_HINT_RESPONSE,
    CPS_HINT_UNREACHABLE
} cps_hint_t;

/** A request of ours ended without a response. One with No-Response 26 ends so by itself, with CPS_OK: a NON when it has
 * left, a CON when it was acknowledged (RFC 7967). */
typedef struct cps_event_failed {
    cps_path_t path;
    cps_err_t err;         /**< CPS_ERR_TIMEOUT, _RESET, _OUTCOME_UNKNOWN, _SECURITY, _STORE, _CANCELED, ... */
    cps_err_t cause;       /**< what went wrong below a CPS_ERR_SECURITY or CPS_ERR_OUTCOME_UNKNOWN; else CPS_OK */
    uint64_t user;         /**< the request's `user` */
    cps_hint_t hint;       /**< what arrived unauthenticated */
    cps_message_t message; /**< of CPS_HINT_RESPONSE: code and, of an error, first bytes of the payload */
    bool sent;             /**< some copy left: it may have been carried out */
} cps_event_failed_t;

#define CPS_ID_CONTEXT_MAX 48
#define CPS_IDENTIFIER_LEN 16

/** Work that the caller does, off the endpoint's thread if slow, and answers with CPS_COMMAND_JOB_DONE. */
typedef enum cps_job_kind {
    CPS_JOB_LEASE, /**< make `number` durable as the ceiling of the context's sequence numbers */
    CPS_JOB_REKEY, /**< put the key derived by RFC 8613 appendix B.2 in place of the context's, durably, with `number` as
                        its ceiling */
    CPS_JOB_CONTEXT /**< a sealed request names a context that is not here: add it before the next cps_ep_event, which
                         looks at the request again. No JOB_DONE */
} cps_job_kind_t;

typedef struct cps_event_job {
    cps_job_kind_t kind;
    cps_handle_t context;
    uint64_t user;                          /**< the context's `user` */
    uint64_t number;                        /**< the ceiling */
    uint8_t id_context[CPS_ID_CONTEXT_MAX]; /**< CPS_JOB_REKEY: the new key is the same but for this ID Context */
    uint8_t id_context_len;
    uint8_t state_id[CPS_IDENTIFIER_LEN]; /**< CPS_JOB_REKEY: identifiers of its numbers and of its replay window */
    uint8_t window_id[CPS_IDENTIFIER_LEN];
    cps_bytes_t kid; /**< CPS_JOB_CONTEXT: what the request names; nothing about it is authentic yet */
    cps_bytes_t kid_context;
    bool has_kid_context;
} cps_event_job_t;

/** So many challenges of new requests without an Echo make a peer suspect of knowing none. */
#define CPS_UNPROVEN_MAX 4U

/** Something worth a log line or a counter; nothing has to be done. */
typedef enum cps_note_kind {
    CPS_NOTE_MALFORMED,         /**< format error in a datagram */
    CPS_NOTE_BAD_OPTION,        /**< 4.02 sent; `number` is the option */
    CPS_NOTE_DUPLICATE,         /**< a repeated message was recognised */
    CPS_NOTE_REPLAY,            /**< its number was accepted before, or is too old to tell */
    CPS_NOTE_DECRYPT_FAILED,    /**< does not verify */
    CPS_NOTE_NO_CONTEXT,        /**< no context for its kid; `number`: the kid's length in the top byte, its
                                     bytes below */
    CPS_NOTE_OSCORE_DECODE,     /**< malformed OSCORE option */
    CPS_NOTE_CHALLENGED,        /**< B.1.2 challenge sent: replay window unknown */
    CPS_NOTE_CHALLENGE_LIMITED, /**< over the rate of challenges: dropped */
    CPS_NOTE_UNPROVEN,          /**< CPS_UNPROVEN_MAX challenges and no Echo yet: told once */
    CPS_NOTE_RECOVERED,         /**< replay window recovered by Echo */
    CPS_NOTE_BUDGET_FULL,       /**< 5.03: no room to remember another unsafe request */
    CPS_NOTE_PEERS_FULL,        /**< no room for another peer */
    CPS_NOTE_REQUESTS_FULL,     /**< no room for another request being answered */
    CPS_NOTE_AMPLIFICATION,     /**< 4.01 with Echo instead of an answer too large for an unverified address */
    CPS_NOTE_UNAUTHENTICATED,   /**< unprotected answer to a sealed request: kept as a hint */
    CPS_NOTE_BAD_ANSWER,        /**< answer to a sealed request that does not verify: dropped */
    CPS_NOTE_UNEXPECTED,        /**< a response nobody waits for */
    CPS_NOTE_UNDELIVERED,       /**< a separate response was never acknowledged */
    CPS_NOTE_RESEALED,          /**< our request was repeated with Echo; `number` is its new Partial IV */
    CPS_NOTE_STORE_REFUSED,     /**< the store refused a lease */
    CPS_NOTE_REKEY_ASKED,       /**< the peer was asked for fresh nonces (RFC 8613 appendix B.2, response #1) */
    CPS_NOTE_REKEY_LIMITED,     /**< over the rate of derivations for requests of others: dropped */
    CPS_NOTE_REKEYED,           /**< a context was put in place of the one before */
    CPS_NOTE_BODIES_FULL,       /**< no room for another body in blocks */
    CPS_NOTE_BODY_BROKEN,       /**< a block did not fit the body before it: 4.08, nothing joined */
    CPS_NOTE_COUNT
} cps_note_kind_t;

/** Stable name of a note, e.g. "replay": for logs and metrics. Any thread. */
CPS_API const char *cps_note_name(cps_note_kind_t kind);

typedef struct cps_event_note {
    cps_note_kind_t kind;
    cps_path_t path;
    cps_handle_t context; /**< or 0 */
    uint64_t user;        /**< that context's `user`, or the request's */
    uint64_t number;
} cps_event_note_t;

typedef enum cps_event_kind {
    CPS_EVENT_REQUEST,
    CPS_EVENT_RESPONSE,
    CPS_EVENT_FAILED,
    CPS_EVENT_JOB,
    CPS_EVENT_NOTE,
    CPS_EVENT_NOTIFY,     /**< it is an observer's turn: give the present state with CPS_COMMAND_NOTIFY, now or later */
    CPS_EVENT_UNOBSERVED, /**< an observer is gone; its handle is stale */
    CPS_EVENT_STALE, /**< the last notification of an observation of ours is older than its Max-Age: it is not current
                               any more (RFC 7641 §3.3.1). The endpoint registers again by itself */
    CPS_EVENT_WANTED,
    CPS_EVENT_ABANDONED
} cps_event_kind_t;

typedef struct cps_event {
    cps_event_kind_t kind;
    cps_handle_t handle; /**< of the request (in or out), the job or the observer */
    union {
        cps_event_request_t request;
        cps_event_response_t response;
        cps_event_failed_t failed;
        cps_event_job_t job;
        cps_event_note_t note;
        cps_event_observer_t observer; /**< NOTIFY, UNOBSERVED, STALE */
        cps_event_wanted_t wanted;
        cps_event_abandoned_t abandoned;
    } u;
} cps_event_t;

/** The next event; false where there is none. Works on pending input. Views live until the next call. Owner thread. */
CPS_API bool cps_ep_event(cps_ep_t *ep, cps_event_t *out);

/* ---- commands ---- */

/** A request of ours. */
typedef struct cps_command_request {
    cps_path_t path;             /**< remote is needed */
    uint8_t code;                /**< method; CPS_EMPTY: a ping, CON and empty, which a peer that is there ends with
                                    CPS_ERR_RESET (RFC 7252 §4.3) */
    bool non_confirmable;        /**< NON; the default is CON */
    bool repeat_unsafe;          /**< POST and PATCH too may be repeated after a B.1.2 challenge: the caller knows */
    bool no_repeat;              /**< never repeat by itself after 4.01 with Echo: deliver the 4.01 */
    const cps_option_t *options; /**< in any order; not OSCORE, not Echo unless plain. Every eighth NON with No-Response
                                    26 goes without it, so that congestion is noticed (RFC 7967 §3.2) */
    size_t option_count;
    cps_bytes_t payload;
    cps_bytes_t token; /**< 1 to 8 bytes of the caller's, or none: made by the endpoint */
    bool stateless;    /**< keep nothing of it: `state` travels sealed in its token (RFC 8974), and comes back with the
                             response, for EXCHANGE_LIFETIME, if no more than 1,024 were sent since. There is no handle, and
                             no CPS_EVENT_FAILED. Not sealed by OSCORE; no `timeout_us`, `user` and `token`. It goes as CON
                             where it is not known that the peer takes long tokens. CPS_ERR_UNSUPPORTED: the peer rejected
                             one in the last hour; CPS_ERR_BUSY: not now */
    cps_bytes_t state; /**< up to 48 bytes */
    cps_handle_t context; /**< seal with this one; 0: unprotected */
    uint64_t timeout_us;  /**< for all of it, repeats included; of a body in blocks for each (MAX_TRANSMIT_WAIT) */
    uint64_t user;        /**< comes back in events */
    bool follow;          /**< an answer in blocks: fetch them all, one RESPONSE event each */
    bool stream;          /**< the payload is asked for piece by piece: CPS_EVENT_WANTED */
    uint32_t body_size;   /**< of a streamed body: its length for the server (Size1); 0: not known */
    uint32_t block_size;  /**< 16 to 1,024: no larger blocks either way, and said at once; 0: the configured size */
} cps_command_request_t;

/** The next piece of a streamed body: as many bytes as were wanted, fewer only in the last. */
typedef struct cps_command_piece {
    cps_handle_t request;
    cps_bytes_t bytes;
    bool last;
} cps_command_piece_t;

/** What becomes of a body of which more blocks are to come. */
typedef enum cps_body_step {
    CPS_BODY_OVER, /**< nothing: this is the answer, and what came is not kept */
    CPS_BODY_KEEP, /**< with 2.31, to the first block: put it together here; it comes whole */
    CPS_BODY_HAND_ON /**< the block was taken: hand on the next. 2.31, or another 2.xx where the block was acted on already */
} cps_body_step_t;

/** The answer to a request event, or the present state for an observer whose turn it is. */
typedef struct cps_command_reply {
    cps_handle_t request; /**< CPS_COMMAND_NOTIFY: the observer */
    uint8_t code;
    const cps_option_t *options;
    size_t option_count;
    cps_bytes_t payload;
    bool refused; /**< no handler ran and nothing changed: an unprotected request need not be remembered */
    bool
        observe; /**< agree to a registration: with a 2.xx the observer's handle comes back, or 0 where there is no room
                       and this is an answer like any other */
    uint64_t observer_user; /**< comes back in the observer's events */
    bool non_confirmable;   /**< CPS_COMMAND_NOTIFY: may go as NON, where nothing demands a CON */
    bool kept; /**< the caller has the answer still if this one cannot go: CPS_ERR_NOT_FRESH where it is too large for
                       an address that proved nothing */
    cps_body_step_t step; /**< CPS_ERR_FULL: there is no room for the body; the request is still open */
    uint32_t body_max;    /**< CPS_BODY_KEEP: no longer than this (the configured one) */
    uint64_t body_user;   /**< CPS_BODY_HAND_ON: comes back with the next block, or when there will be none */
    bool slice;           /**< the payload is a part of a larger body: the wanted block, or more around it */
    uint32_t offset;      /**< where it stands in the body */
    uint32_t total;       /**< length of the body */
} cps_command_reply_t;

typedef struct cps_command_job_done {
    cps_handle_t job;
    cps_err_t result;
    uint64_t number;     /**< the ceiling that is durable */
    cps_job_kind_t kind; /**< of the event */
} cps_command_job_done_t;

typedef enum cps_command_kind {
    CPS_COMMAND_REQUEST,
    CPS_COMMAND_CANCEL, /**< forget our request; further notifications are rejected */
    CPS_COMMAND_END,    /**< tell the server that an observation of ours is over (Observe 1); one more response, or a
                                FAILED event, follows */
    CPS_COMMAND_REPLY,
    CPS_COMMAND_CHALLENGE, /**< answer a sealed request with 4.01 and Echo: it has to prove its freshness. In a proxy, any
                                request: it has to prove its address */
    CPS_COMMAND_DEFER,     /**< the answer comes later: nothing is due before the ACK delay */
    CPS_COMMAND_IGNORE,    /**< there will be no answer; a CON is still acknowledged */
    CPS_COMMAND_DROP,      /**< there will be no answer, and a CON is not acknowledged: as if it had been lost. An
                                unprotected one is forgotten, so a copy is a new request */
    CPS_COMMAND_CHANGED,   /**< what an observer observes has changed: its turn comes, as soon as it may be told */
    CPS_COMMAND_NOTIFY,    /**< the present state, after CPS_EVENT_NOTIFY; an error code ends the observation */
    CPS_COMMAND_UNOBSERVE, /**< forget an observer without a word to it; the UNOBSERVED event follows */
    CPS_COMMAND_JOB_DONE,
    CPS_COMMAND_PIECE /**< a piece of a body, as CPS_EVENT_WANTED asks */
} cps_command_kind_t;

typedef struct cps_command {
    cps_command_kind_t kind;
    union {
        cps_command_request_t request;
        cps_command_reply_t reply; /**< REPLY, NOTIFY */
        cps_command_job_done_t job_done;
        cps_command_piece_t piece;
        cps_handle_t handle; /**< CANCEL, END, CHALLENGE, DEFER, IGNORE, DROP, CHANGED, UNOBSERVE */
    } u;
} cps_command_t;

/**
 * Give a command. `*handle` (may be NULL) names a new request, or the observer that a reply began. Everything is copied before the call returns.
 * CPS_ERR_ARGUMENT, CPS_ERR_STALE, CPS_ERR_FULL, CPS_ERR_BUSY (waiting queue full), CPS_ERR_TOO_LARGE,
 * CPS_ERR_BAD_OPTION, CPS_ERR_BAD_URI, CPS_ERR_STATE_LOST, CPS_ERR_SEQ_EXHAUSTED, CPS_ERR_NOT_FRESH. After an error
 * nothing has been taken up; for a reply the request is still open.
 * Owner thread.
 */
CPS_API CPS_MUST_USE cps_err_t cps_ep_submit(cps_ep_t *ep, cps_time_us_t now_us, const cps_command_t *command,
                                             cps_handle_t *handle);

/* ---- OSCORE contexts ---- */

/** Key material and state of a context (RFC 8613 §3.2). Views live for the call only. */
typedef struct cps_context {
    size_t size; /**< sizeof(cps_context_t): later versions add members behind */
    cps_bytes_t master_secret;
    cps_bytes_t master_salt;
    cps_bytes_t id_context;
    bool has_id_context;
    cps_bytes_t sender_id;
    cps_bytes_t recipient_id;
    int32_t aead;         /**< COSE number (10: AES-CCM-16-64-128) */
    uint8_t hash;         /**< 0: HKDF SHA-256, 1: HKDF SHA-512 */
    int window_size;      /**< 0 to 64, 0: only rising numbers; negative: 32 */
    bool has_state;       /**< the caller's store has sequence state; else the context never sends */
    uint64_t next_number; /**< the first number that was never sent */
    uint64_t ceiling;     /**< numbers below it are durable for this process already; 0: none */
    bool window_known;    /**< saved by a clean exit, or never received */
    uint64_t window_next;
    uint64_t window_seen;
    uint64_t user;    /**< comes back in events */
    bool rederivable; /**< RFC 8613 appendix B.2 is allowed with this peer */
    bool rederive;    /**< never seal with this key: the next request derives another (needs no state) */
} cps_context_t;

/** What a clean exit has to save. */
typedef struct cps_context_state {
    uint64_t next_number;
    uint64_t ceiling;
    bool window_known;
    uint64_t window_next;
    uint64_t window_seen;
    uint64_t user;
    bool rederive; /**< this key is not used any more, and its numbers are not saved */
} cps_context_state_t;

/** Add a context. CPS_ERR_FULL, CPS_ERR_TOO_MANY (a fifth for one kid and kid context), CPS_ERR_BAD_ID,
 * CPS_ERR_ALGORITHM, CPS_ERR_ARGUMENT; CPS_ERR_UNSUPPORTED where the layers open nothing (proxy). Owner thread. */
CPS_API CPS_MUST_USE cps_err_t cps_ep_context_add(cps_ep_t *ep, const cps_context_t *context, cps_handle_t *handle);

/** Remove a context and wipe it; requests open under it end with CPS_ERR_CANCELED. CPS_ERR_STALE. Owner thread. */
CPS_API CPS_MUST_USE cps_err_t cps_ep_context_remove(cps_ep_t *ep, cps_handle_t context);

/** Present state of a context. CPS_ERR_STALE. Owner thread. */
CPS_API CPS_MUST_USE cps_err_t cps_ep_context_state(const cps_ep_t *ep, cps_handle_t context, cps_context_state_t *out);

/* ---- what it holds ---- */

/** Use of memory and what became of messages; all counted since cps_ep_init. */
typedef struct cps_ep_stats {
    uint32_t peers, contexts, requests_in, requests_out, waiting;
    uint32_t observers;
    uint32_t bodies; /**< under way */
    size_t body_bytes, body_limit;
    size_t dedup_bytes, dedup_limit;
    uint64_t evicted_plain_safe; /**< remembered plain GET and FETCH given up for room */
    uint64_t evicted_sealed;
    uint64_t evicted_peers;
    uint64_t notifications; /**< sent to observers, without copies */
    uint64_t datagrams_in, datagrams_out;
    uint64_t notes[CPS_NOTE_COUNT];
} cps_ep_stats_t;

/** Counters and use of memory. Owner thread. */
CPS_API void cps_ep_stats(const cps_ep_t *ep, cps_ep_stats_t *out);

/** OpenSSL behind the provider table, on the heap. Belongs to one thread. CPS_ERR_MEMORY, CPS_ERR_CRYPTO. */
CPS_API CPS_MUST_USE cps_err_t cps_crypto_new(cps_crypto_t **out);
CPS_API void cps_crypto_free(cps_crypto_t *crypto);

#ifdef __cplusplus
}
#endif

#endif /* COAPSULE_CORE_H */
