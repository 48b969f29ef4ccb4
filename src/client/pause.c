// SPDX-License-Identifier: Apache-2.0
/* Servers that asked for a pause: 5.03 with Max-Age (RFC 7252 §5.9.3.4; REQ-38), 4.29 (RFC 8516 §3). What came unprotected
 * says nothing about sealed requests, hence the credential in the name of a server. */
#include "client/client.h"

#include <stdio.h>

static void name_of(const cps_client_t *client, const cps_call_t *call, char origin[CPS_CLIENT_ORIGIN_MAX])
{
    snprintf(origin, CPS_CLIENT_ORIGIN_MAX, "%s %.64s %s %u", call->credential, call->plan.proxied ? client->proxy : "",
             call->plan.uri.host, call->plan.uri.port);
}

static cps_pause_t *find(cps_client_t *client, const char *origin)
{
    for (size_t i = 0; i < CPS_CLIENT_PAUSES; i++)
        if (strcmp(client->pauses[i].origin, origin) == 0)
            return &client->pauses[i];
    return NULL;
}

static void on_timer(uv_timer_t *timer) { *(bool *)timer->data = true; }

static void wait_us(cps_client_t *client, cps_time_us_t us)
{
    bool over = false;
    client->timer.data = &over;
    uv_update_time(&client->loop);
    uv_timer_start(&client->timer, on_timer, (us + 999) / 1000, 0);
    while (!over)
        uv_run(&client->loop, UV_RUN_ONCE);
}

cps_err_t cps_pause_keep(cps_client_t *client, const cps_call_t *call)
{
    char origin[CPS_CLIENT_ORIGIN_MAX];
    name_of(client, call, origin);
    cps_pause_t *pause = find(client, origin);
    cps_time_us_t now = cps_worker_now(client->worker);
    if (pause == NULL || now >= pause->until_us)
        return CPS_OK;
    if (pause->until_us >= call->deadline_us)
        return cps_client_say(client, CPS_ERR_BUSY, "%s asked not to be asked again before %llu s have passed",
                              call->plan.uri.host, (unsigned long long)((pause->until_us - now + 999999) / 1000000));
    while ((now = cps_worker_now(client->worker)) < pause->until_us)
        wait_us(client, pause->until_us - now);
    return CPS_OK;
}

void cps_pause_note(cps_client_t *client, const cps_call_t *call)
{
    char origin[CPS_CLIENT_ORIGIN_MAX];
    uint32_t seconds = cps_response_retry_after(call->response);
    name_of(client, call, origin);
    cps_pause_t *pause = find(client, origin);
    if (pause == NULL && seconds == 0)
        return;
    for (size_t i = 0; i < CPS_CLIENT_PAUSES && pause == NULL; i++)
        pause = client->pauses[i].until_us <= cps_worker_now(client->worker) ? &client->pauses[i] : NULL;
    if (pause == NULL) /* more than there is room for: the first is forgotten */
        pause = &client->pauses[0];
    memcpy(pause->origin, origin, sizeof pause->origin);
    pause->until_us = cps_worker_now(client->worker) + (cps_time_us_t)seconds * 1000000U;
}
