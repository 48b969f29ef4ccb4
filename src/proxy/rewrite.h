// SPDX-License-Identifier: Apache-2.0
/* What a forward proxy makes of messages (RFC 7252 §5.7, RFC 8768, RFC 8613 §10), as pure functions: where a request is
 * to go and which options go with it, and what of the answer comes back. An OSCORE message is a message like any other
 * here: its option is Safe-to-Forward and its payload is not looked at. */
#ifndef CPS_PROXY_REWRITE_H
#define CPS_PROXY_REWRITE_H

#include "proxy/refusal.h"
#include "wire/uri.h"

#include <coapsule/core.h>

#define CPS_PROXY_OPTIONS_MAX 90U   /* of a forwarded message */
#define CPS_PROXY_TEXT_BYTES  4608U /* a target URI: three bytes for each that the largest message has */
#define CPS_PROXY_STORE_BYTES 1536U /* decoded values of options */
#define CPS_PROXY_HOP_LIMIT   16U   /* RFC 8768 §3: start value unless configured */
#define CPS_PROXY_NAME_MAX    64U   /* of a proxy's identifier */

/** What a request wants from the proxy. */
typedef enum cps_proxy_want {
    CPS_PROXY_WANTS_US,      /**< no Proxy-Uri and no Proxy-Scheme: the proxy is the origin */
    CPS_PROXY_WANTS_FORWARD, /**< `uri` says where to */
    CPS_PROXY_WANTS_REFUSAL  /**< `refusal` says why */
} cps_proxy_want_t;

/** A request, read and rewritten. Views point into it or into the message. */
typedef struct cps_proxy_request {
    cps_uri_t uri;  /**< the target; of CPS_PROXY_WANTS_FORWARD */
    bool by_scheme; /**< asked for by Proxy-Scheme */
    bool has_hop_limit;
    uint8_t hop_limit; /**< as it came */
    bool own_echo; /**< its Echo is the proxy's own: it ends here (RFC 9175 §2.3). Set it before cps_proxy_rewrite */
    bool tagged;   /**< it goes on under `tag` instead of its own Request-Tags. Set both before cps_proxy_rewrite */
    uint8_t tag[8];
    cps_proxy_refusal_t refusal;
    cps_option_t options[CPS_PROXY_OPTIONS_MAX];
    size_t option_count;
    cps_bytes_t payload;
    uint8_t hop_value[1];
    size_t text_len;
    uint8_t text[CPS_PROXY_TEXT_BYTES];
    uint8_t store[CPS_PROXY_STORE_BYTES];
} cps_proxy_request_t;

/** Configuration that the rewriting follows. */
typedef struct cps_proxy_rules {
    const char *name;  /**< identifier in 5.08, without spaces, at most CPS_PROXY_NAME_MAX bytes (RFC 8768 §4) */
    uint8_t hop_limit; /**< for requests that have none; 1 to 255 */
    bool chained;      /**< the next hop is a proxy: it gets Proxy-Uri or Proxy-Scheme */
} cps_proxy_rules_t;

/**
 * Judge a request's options and find its target. Refused are: Unsafe options that are not processed (4.02; RFC 7252
 * §5.7.1), a Hop-Limit out of range (4.00; RFC 8768 §3), a target that is no URI (4.02), and any scheme but coap (5.05;
 * §5.10.2). Proxy-Uri wins over Uri-* and Proxy-Scheme (§5.10.2); with Proxy-Scheme the Uri-* options are joined (§6.5).
 */
cps_proxy_want_t cps_proxy_read(const cps_message_t *message, cps_proxy_request_t *out);

/** The target of a request with Proxy-Scheme as text: the Uri-* options joined, and the scheme replaced (RFC 7252
 * §5.10.2). `host` and `port` of the request's destination do not count: they are the proxy's, so that a missing Uri-Port
 * means the default of the scheme. CPS_ERR_BAD_URI, CPS_ERR_BAD_OPTION, CPS_ERR_NO_SPACE. */
CPS_MUST_USE cps_err_t cps_proxy_join(const cps_message_t *message, cps_scheme_t scheme, cps_writer_t *out);

/** Whether a request may be a part of a body in blocks, or its answer be one that is kept for it: not a GET or DELETE, and,
 * of what is sealed, only with a Block option. Then it has to be told apart from those of other clients (RFC 9175 §3.4). */
bool cps_proxy_wants_tag(const cps_message_t *message);

/** What tells it apart, in `out`: `client` (its endpoint as bytes) and its own Request-Tags. CPS_ERR_NO_SPACE. */
CPS_MUST_USE cps_err_t cps_proxy_tag_source(const cps_message_t *message, cps_bytes_t client, cps_writer_t *out);

/** Fill the options and payload of the message for the next hop. False, with `refusal`: the hops are used up (5.08), or
 * there are too many options. */
bool cps_proxy_rewrite(const cps_message_t *message, const cps_proxy_rules_t *rules, cps_proxy_request_t *request);

/** An answer on its way back. Views point into it or into the message. */
typedef struct cps_proxy_answer {
    uint8_t code;
    cps_option_t options[CPS_PROXY_OPTIONS_MAX];
    size_t option_count;
    cps_bytes_t payload;
    cps_proxy_refusal_t refusal;
    uint8_t diagnostic[CPS_PROXY_STORE_BYTES];
} cps_proxy_answer_t;

/**
 * Judge an answer and fill what the client gets. False, with `refusal`: it must not be passed on (5.02; RFC 7252 §5.7.1),
 * or it is a 5.08 that names this proxy already (RFC 8768 §4). `room` is the size of the largest message sent: a 5.08
 * gets the name in front where it still fits.
 */
bool cps_proxy_judge_answer(const cps_message_t *message, const cps_proxy_rules_t *rules, size_t room,
                            cps_proxy_answer_t *out);

#endif /* CPS_PROXY_REWRITE_H */
