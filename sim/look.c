// SPDX-License-Identifier: Apache-2.0
#include "sim/look.h"

void cps_look_at(cps_bytes_t datagram, cps_look_t *out)
{
    *out = (cps_look_t){0};
    cps_bytes_t value;
    cps_msg_t msg;
    if (cps_msg_parse(datagram, &msg) != CPS_OK)
        return;
    out->coap = true;
    out->msg = msg;
    out->oscore = cps_opt_find(msg.options, CPS_OPT_OSCORE, &value);
    if (out->oscore && cps_oscopt_decode(value, &out->oscopt) != CPS_OK)
        out->oscopt = (cps_oscopt_t){0};
}
