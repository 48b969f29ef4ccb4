// SPDX-License-Identifier: Apache-2.0
/* CoAP ping: an Empty message and the Reset that answers it (RFC 7252 §4.3). */
#include "client/call.h"

#include "host/inside.h"

#include <stdlib.h>

static cps_err_t find(cps_client_t *client, cps_call_t *call, cps_addr_t *addresses, size_t *count)
{
    cps_plan_way_t way = {client->proxy, client->proxy_by_uri};
    cps_err_t err = cps_plan_make(&call->plan, call->request->uri, &way);
    if (err != CPS_OK)
        return cps_client_say(client, err, "%s", call->plan.why);
    call->plan.option_count = 0; /* it goes to the host alone, and holds nothing */
    return cps_call_find(client, call, addresses, count);
}

static cps_err_t ping(cps_client_t *client, cps_call_t *call, uint64_t *round_trip_us)
{
    cps_addr_t addresses[CPS_CALL_ADDRESSES_MAX];
    size_t count = 0;
    call->deadline_us = cps_worker_now(client->worker) + client->timeout_us;
    cps_err_t err = find(client, call, addresses, &count);
    if (err != CPS_OK)
        return err;
    cps_time_us_t sent_us = cps_worker_now(client->worker);
    err = cps_call_try(client, call, addresses, count);
    if (err != CPS_ERR_RESET)
        return cps_client_say_failure(client, call);
    if (round_trip_us != NULL)
        *round_trip_us = cps_worker_now(client->worker) - sent_us;
    return CPS_OK;
}

cps_err_t cps_client_ping(cps_client_t *client, const char *uri, uint64_t *round_trip_us)
{
    client->hint = CPS_EMPTY;
    client->detail[0] = client->refused[0] = '\0';
    if (cps_inside())
        return cps_client_say(client, CPS_ERR_CALLED_INSIDE, "%s", cps_err_text(CPS_ERR_CALLED_INSIDE));
    cps_call_t *call = calloc(1, sizeof *call);
    if (call == NULL || uri == NULL) {
        free(call);
        cps_err_t err = uri == NULL ? CPS_ERR_ARGUMENT : CPS_ERR_MEMORY;
        return cps_client_say(client, err, "%s", cps_err_text(err));
    }
    call->request = &(cps_client_request_t){.method = CPS_EMPTY, .uri = uri};
    cps_err_t err = ping(client, call, round_trip_us);
    free(call);
    return err;
}
