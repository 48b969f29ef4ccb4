// SPDX-License-Identifier: Apache-2.0
/* Steps of one request that stand in files of their own. */
#ifndef CPS_CLIENT_CALL_H
#define CPS_CLIENT_CALL_H

#include "client/client.h"

#define CPS_CALL_ADDRESSES_MAX 16U

/** The addresses of the host that a call goes to, best first, by its deadline. CPS_ERR_RESOLVE. */
CPS_MUST_USE cps_err_t cps_call_find(cps_client_t *client, const cps_call_t *call, cps_addr_t *out, size_t *count);

/** Whether this machine knows a way to an address. What leads nowhere would be sent in vain until the deadline: a socket
 * that serves many peers hears of it by errors that may be another peer's (src/host/udp.h), and so not for sure. */
bool cps_call_has_route(const cps_addr_t *to);

/** Send it to one address after the other, while those before cannot have received it. What the last one gave is
 * `call->err` too. */
CPS_MUST_USE cps_err_t cps_call_try(cps_client_t *client, cps_call_t *call, const cps_addr_t *addresses, size_t count);

/** Carry a request out, from its URI to its end: `request` and `deadline_us` are set, response and handle stay in `call`. */
CPS_MUST_USE cps_err_t cps_call_carry_out(cps_client_t *client, cps_call_t *call);

/** Begin a public call: `*request` is the given one, whole; the sentence of the last one is forgotten. CPS_ERR_CALLED_INSIDE; CPS_ERR_ARGUMENT for a request
 * that is none. */
CPS_MUST_USE cps_err_t cps_call_begin(cps_client_t *client, const cps_client_request_t *given,
                                      cps_client_request_t *request);

#endif /* CPS_CLIENT_CALL_H */
