// SPDX-License-Identifier: Apache-2.0
#include "server/reload.h"

#define STORE_STEPS 100U
#define STEP_MS     20U

cps_err_t cps_server_reload_begin(cps_server_reload_t *reload, cps_server_t *server)
{
    *reload = (cps_server_reload_t){.server = server};
    cps_err_t err = cps_dispatch_prepare(&server->dispatch, &reload->site);
    return err == CPS_OK ? CPS_OK : cps_server_fail(server, err, "%s", cps_err_text(err));
}

cps_err_t cps_server_reload_add(cps_server_reload_t *reload, const cps_resource_t *resource)
{
    const char *reason = "";
    cps_err_t err = cps_site_add(&reload->site, resource, &reason);
    return err == CPS_OK ? CPS_OK : cps_server_fail(reload->server, err, "resource %s: %s", resource->path, reason);
}

static void wake(uv_timer_t *timer) { (void)timer; }

/* The store is its thread's while a lease is under way. */
static bool wait_for_store(cps_server_t *s)
{
    for (unsigned step = 0; cps_leases_busy(s->leases) && step < STORE_STEPS; step++) {
        uv_timer_start(&s->wait, wake, STEP_MS, 0);
        uv_run(&s->loop, UV_RUN_ONCE);
    }
    return !cps_leases_busy(s->leases);
}

cps_err_t cps_server_reload_keys(cps_server_reload_t *reload, const char *names, bool needed)
{
    cps_server_t *s = reload->server;
    if (s->keyring == NULL && needed)
        return cps_server_fail(s, CPS_ERR_CONFIG, "keys are needed now, and this server was started without a keyring");
    if (s->keyring == NULL)
        return CPS_OK;
    if (!wait_for_store(s))
        return cps_server_fail(s, CPS_ERR_BUSY, "the keyring is at work");
    cps_err_t err = cps_keyring_begin(s->keyring, names);
    if (err != CPS_OK)
        return cps_server_fail(s, err, "%s", cps_keyring_detail(s->keyring));
    reload->has_keys = true;
    return CPS_OK;
}

void cps_server_reload_commit(cps_server_reload_t *reload, cps_log_level_t level, cps_log_format_t format)
{
    cps_server_t *s = reload->server;
    cps_err_t err = reload->has_keys ? cps_keyring_commit(s->keyring) : CPS_OK;
    cps_dispatch_replace(&s->dispatch, &reload->site);
    s->log.options.level = level;
    s->log.options.format = format;
    if (err != CPS_OK) /* nothing is lost: Echo recovers the windows, and numbers go on at their ceilings */
        CPS_SERVER_LOG(s, CPS_LOG_WARNING, "state_not_saved", cps_log_err("error", err),
                       cps_log_text("detail", cps_keyring_detail(s->keyring)));
}

void cps_server_reload_abort(cps_server_reload_t *reload)
{
    if (reload->has_keys)
        cps_keyring_abort(reload->server->keyring);
    cps_site_fini(&reload->site);
}
