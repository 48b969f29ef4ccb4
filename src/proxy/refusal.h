// SPDX-License-Identifier: Apache-2.0
/* What the proxy answers by itself: one table of reasons, each with its name for logs and counters, its code and its
 * sentence (RFC 7252 §5.7.1, §5.9.2, §5.9.3; RFC 8768 §3, §4). */
#ifndef CPS_PROXY_REFUSAL_H
#define CPS_PROXY_REFUSAL_H

#include "base/bytes.h"

#define CPS_PROXY_TEXT_MAX 160U /* of a diagnostic payload of ours */

/** Why a request is not forwarded, or its answer not handed back. */
typedef enum cps_proxy_reason {
    CPS_PROXY_CLIENT,           /**< the client is in none of `clients` */
    CPS_PROXY_TARGET,           /**< the authority is in none of `targets` */
    CPS_PROXY_ADDRESS,          /**< a link-local, multicast or unspecified address that is not named in `targets` */
    CPS_PROXY_SCHEME,           /**< a scheme that this proxy has no transport for */
    CPS_PROXY_OPTION,           /**< an Unsafe option that it does not process */
    CPS_PROXY_URI,              /**< Proxy-Uri, or the URI that the Uri-* options make, is none */
    CPS_PROXY_HOP_LIMIT_VALUE,  /**< Hop-Limit is not one byte from 1 to 255 */
    CPS_PROXY_HOPS,             /**< Hop-Limit is used up */
    CPS_PROXY_NOT_FOUND,        /**< no such resource of the proxy itself */
    CPS_PROXY_METHOD,           /**< a resource of the proxy itself has only GET */
    CPS_PROXY_NOT_ACCEPTABLE,   /**< and only application/link-format */
    CPS_PROXY_TOO_LARGE,        /**< the request does not fit a message on the next hop */
    CPS_PROXY_FULL,             /**< too many requests under way */
    CPS_PROXY_DRAINING,         /**< the proxy is about to end */
    CPS_PROXY_NAME,             /**< the name has no address */
    CPS_PROXY_NAME_TIMEOUT,     /**< its look-up took too long */
    CPS_PROXY_TIMEOUT,          /**< the next hop gave no answer in time */
    CPS_PROXY_RESET,            /**< it rejected the message */
    CPS_PROXY_UNREACHABLE,      /**< the network says that it cannot be reached */
    CPS_PROXY_ANSWER_OPTION,    /**< its answer has an option that must not be passed on */
    CPS_PROXY_ANSWER_FORMAT,    /**< its answer is malformed */
    CPS_PROXY_ANSWER_TOO_LARGE, /**< its answer does not fit a message */
    CPS_PROXY_LOOP,             /**< its 5.08 has been here before */
    CPS_PROXY_LOCAL_ERROR,      /**< something failed here */
    CPS_PROXY_REASONS
} cps_proxy_reason_t;

/** A refusal, ready to be sent. */
typedef struct cps_proxy_refusal {
    cps_proxy_reason_t reason;
    char text[CPS_PROXY_TEXT_MAX]; /**< diagnostic payload */
} cps_proxy_refusal_t;

/** One row of the table. */
typedef struct cps_proxy_reason_row {
    const char *counter; /**< stable: "refused_target" */
    uint8_t code;
    uint32_t max_age_s; /**< Max-Age of the answer; 0: none (RFC 7252 §5.9.3.4: 5.03 says when to come again) */
    const char *format; /**< of the text; one %s at most, for the detail */
    bool after;         /**< the request may have reached the next hop: a repeated message must not be run again */
} cps_proxy_reason_row_t;

/** The name of a reason, stable, for logs: "target". */
const char *cps_proxy_reason_name(cps_proxy_reason_t reason);

/** The row of a reason. */
const cps_proxy_reason_row_t *cps_proxy_reason(cps_proxy_reason_t reason);

/** Fill a refusal; `detail` goes into the sentence where the reason has a place for one (may be NULL). What is not
 * printable ASCII in it becomes "?", and what is too long is cut, so that a peer cannot write into logs. */
void cps_proxy_refuse(cps_proxy_refusal_t *refusal, cps_proxy_reason_t reason, const char *detail);

#endif /* CPS_PROXY_REFUSAL_H */
