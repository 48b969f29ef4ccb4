// SPDX-License-Identifier: Apache-2.0
/* Shows recorded datagrams as JSON. */
#ifndef CPS_SIM_RELAY_RECORD_H
#define CPS_SIM_RELAY_RECORD_H

#include "sim/relay_json.h"
#include "sim/relay_net.h"

/** Write one record as an object: what stands on the wire in the open, and its bytes where `whole`. */
void cps_relay_put_record(cps_json_t *j, const cps_relay_t *relay, const cps_record_t *record, bool whole);

#endif /* CPS_SIM_RELAY_RECORD_H */
