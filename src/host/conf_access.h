// SPDX-License-Identifier: Apache-2.0
/* Kinds of values that daemons add to the common ones. */
#ifndef CPS_HOST_CONF_ACCESS_H
#define CPS_HOST_CONF_ACCESS_H

#include "host/conf_daemon.h"

extern const cps_conf_kind_t cps_conf_allow;  /**< cps_conf_list_t of cps_conf_allow_t: "{ phone: [get, put] }" */
extern const cps_conf_kind_t cps_conf_target; /**< cps_conf_target_t: "door.local:*" */
extern const cps_conf_kind_t cps_conf_http;   /**< cps_conf_metrics_t: "127.0.0.1:9464", "off" */
extern const cps_conf_kind_t cps_conf_copies; /**< uint32_t; 0 in a file is CPS_NO_RETRANSMIT */

#endif /* CPS_HOST_CONF_ACCESS_H */
