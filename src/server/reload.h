// SPDX-License-Identifier: Apache-2.0
/* Other resources, keys and log settings for a server that runs, all of them or none: begin, add what there shall be, then
 * commit, which cannot fail, or abort. Open requests go on; a request under a key that goes gets no answer. Owner's
 * thread, not inside a handler. */
#ifndef CPS_SERVER_RELOAD_H
#define CPS_SERVER_RELOAD_H

#include "server/server.h"

typedef struct cps_server_reload {
    cps_server_t *server;
    cps_site_t site;
    bool has_keys; /**< the keyring knows old and new ones */
} cps_server_reload_t;

/** Begin, with no resource. CPS_ERR_MEMORY. Either end it by commit or by abort. */
CPS_MUST_USE cps_err_t cps_server_reload_begin(cps_server_reload_t *reload, cps_server_t *server);

/** Add a resource that there shall be. The errors of cps_server_add; cps_server_detail has the sentence. */
CPS_MUST_USE cps_err_t cps_server_reload_add(cps_server_reload_t *reload, const cps_resource_t *resource);

/** Own the keys that there shall be: all of the keyring (NULL), or those named. Without a keyring it does nothing, but for
 * CPS_ERR_CONFIG where one is `needed`. The errors of cps_keyring_begin, CPS_ERR_BUSY where the store does not get free. */
CPS_MUST_USE cps_err_t cps_server_reload_keys(cps_server_reload_t *reload, const char *names, bool needed);

/** From now on. */
void cps_server_reload_commit(cps_server_reload_t *reload, cps_log_level_t level, cps_log_format_t format);

/** Stay as it was. */
void cps_server_reload_abort(cps_server_reload_t *reload);

#endif /* CPS_SERVER_RELOAD_H */
