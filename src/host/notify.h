// SPDX-License-Identifier: Apache-2.0
/* What a daemon tells the service manager, by the protocol of sd_notify(3): a datagram of lines to the socket that
 * $NOTIFY_SOCKET names. Without one nothing is said. Nothing is linked for it. */
#ifndef CPS_HOST_NOTIFY_H
#define CPS_HOST_NOTIFY_H

#include "base/bytes.h"

/** Say "READY=1" or other lines. False where there is a socket and it did not take them; that stops no daemon. */
bool cps_notify(const char *lines);

/** Say that the configuration is being read again; "READY=1" ends it. */
bool cps_notify_reloading(void);

/** Say READY=1 with a line for `systemctl status`. */
bool cps_notify_ready(const char *status);

#endif /* CPS_HOST_NOTIFY_H */
