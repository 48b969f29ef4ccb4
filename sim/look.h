// SPDX-License-Identifier: Apache-2.0
/* What anybody on the path can read of a datagram: CoAP's header and token, and the fields of the OSCORE option. */
#ifndef CPS_SIM_LOOK_H
#define CPS_SIM_LOOK_H

#include "wire/msg.h"
#include "wire/oscopt.h"

typedef struct cps_look {
    bool coap;           /**< a well-formed CoAP message; `msg` is set */
    bool oscore;         /**< it has an OSCORE option */
    cps_msg_t msg;       /**< views into the datagram */
    cps_oscopt_t oscopt; /**< empty where there is no OSCORE option, or a malformed one */
} cps_look_t;

/** Look at a datagram. The views live as long as its bytes. */
void cps_look_at(cps_bytes_t datagram, cps_look_t *out);

#endif /* CPS_SIM_LOOK_H */
