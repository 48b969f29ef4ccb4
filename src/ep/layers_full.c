// SPDX-License-Identifier: Apache-2.0
/* Client and server: opens what is sealed, refuses what it does not understand. */
#include "ep/ep.h"

static const cps_layer_t *const up[] = {&cps_layer_wire, &cps_layer_message, &cps_layer_oscore, &cps_layer_exchange,
                                        NULL};

static const cps_layers_t full = {"full", up, true, true, true};

const cps_layers_t *cps_layers_full(void) { return &full; }
