// SPDX-License-Identifier: Apache-2.0
/* A datagram on its way past the foe. */
#ifndef CPS_SIM_PARCEL_H
#define CPS_SIM_PARCEL_H

#include "base/bytes.h"

/** Which way it goes: from the side of the clients to the servers, or back. */
typedef enum cps_foe_dir { CPS_FOE_UP = 0, CPS_FOE_DOWN = 1 } cps_foe_dir_t;

typedef struct cps_parcel {
    cps_addr_t from;
    cps_addr_t to;
    uint16_t leg; /**< which of the lines that the foe sits on */
    uint8_t dir;  /**< cps_foe_dir_t */
    cps_bytes_t bytes;
} cps_parcel_t;

#endif /* CPS_SIM_PARCEL_H */
