// SPDX-License-Identifier: Apache-2.0
/* A proxy (RFC 7252 §5.7, RFC 8613 §10): what is sealed passes through it as it is, and options that it does not know
 * are judged by the proxy's own rules. */
#include "ep/ep.h"

static const cps_layer_t *const up[] = {&cps_layer_wire, &cps_layer_message, &cps_layer_exchange, NULL};

static const cps_layers_t proxy = {"proxy", up, false, false, false};

const cps_layers_t *cps_layers_proxy(void) { return &proxy; }
