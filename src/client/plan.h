// SPDX-License-Identifier: Apache-2.0
/* From a URI and the way there to what is sent where: the options of a request, and the host whose address is to be
 * found. Nothing is looked up or sent here. */
#ifndef CPS_CLIENT_PLAN_H
#define CPS_CLIENT_PLAN_H

#include "wire/uri.h"

#define CPS_PLAN_OPTIONS_MAX 90U
#define CPS_PLAN_STORE       2048U
#define CPS_PLAN_WHY_MAX     512U

/** How a request goes to its server. */
typedef struct cps_plan_way {
    const char *proxy; /**< URI of the forward proxy; NULL: straight */
    bool by_uri;       /**< ask it by Proxy-Uri, else by Proxy-Scheme */
} cps_plan_way_t;

/** A plan views itself: it stays where it was made. */
typedef struct cps_plan {
    cps_uri_t uri; /**< of the resource; views the caller's text */
    bool proxied;
    char host[CPS_URI_HOST_MAX + 1]; /**< where its datagrams go: the server, or the proxy */
    cps_addr_t literal;              /**< that host, if it is an address; else family CPS_FAMILY_NONE */
    uint16_t port;
    cps_option_t options[CPS_PLAN_OPTIONS_MAX]; /**< views of `store`, the URI's text and the caller's options */
    size_t option_count;
    uint8_t store[CPS_PLAN_STORE];
    char why[CPS_PLAN_WHY_MAX]; /**< the sentence of an error */
} cps_plan_t;

/**
 * Plan a request for the resource `uri` names (RFC 7252 §5.10.2, §6.4). CPS_ERR_BAD_URI; CPS_ERR_UNSUPPORTED for
 * schemes that this client does not speak, coaps above all, straight or through a proxy that is reached in clear (PXY-20),
 * and for group addresses. CPS_ERR_CONFIG where the proxy's own URI is wrong.
 */
CPS_MUST_USE cps_err_t cps_plan_make(cps_plan_t *plan, const char *uri, const cps_plan_way_t *way);

/**
 * Add the caller's options for a method. CPS_ERR_ARGUMENT: one that the URI or the proxy makes (Proxy-Uri and Uri-* are
 * never sent together, PXY-2), the OSCORE option, one of illegal length, or one not defined for a request.
 */
CPS_MUST_USE cps_err_t cps_plan_add(cps_plan_t *plan, uint8_t method, const cps_option_t *options, size_t count);

#endif /* CPS_CLIENT_PLAN_H */
