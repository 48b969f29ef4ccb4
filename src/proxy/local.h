// SPDX-License-Identifier: Apache-2.0
/* What the proxy serves itself: /.well-known/core (RFC 7252 §7.2, RFC 6690), and nothing else. */
#ifndef CPS_PROXY_LOCAL_H
#define CPS_PROXY_LOCAL_H

#include "proxy/rewrite.h"

/** Answer a request for the proxy itself; `path` holds its Uri-Path and Uri-Query options. False, with `out->refusal`:
 * 4.02 for critical options that it does not understand (OSCORE too: it has no keys), 4.04, 4.05, 4.06. */
bool cps_proxy_local(const cps_message_t *message, const cps_option_t *path, size_t count, cps_proxy_answer_t *out);

/** Uri-Path and Uri-Query of a message as a list; how many (CPS_PROXY_OPTIONS_MAX at most). */
size_t cps_proxy_path_of(const cps_message_t *message, cps_option_t *list);

#endif /* CPS_PROXY_LOCAL_H */
