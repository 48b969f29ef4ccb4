// SPDX-License-Identifier: Apache-2.0
/* The server of the project's description, word for word: it has to compile, and to say what is wrong. */
#include "harness.h"

#include <coapsule/coapsule.h>

#include <stdio.h>
#include <unistd.h>

static int front_door;

static void door_set(void *door, cps_bytes_t payload) { *(int *)door = payload.len == sizeof "unlocked" - 1; }

#define main page_main
int main(void);

/* clang-format off */
static cps_err_t lock_put(cps_request_t *req, void *door)
{
    if (!cps_request_payload_is(req, "locked") && !cps_request_payload_is(req, "unlocked"))
        return cps_reply_error(req, CPS_BAD_REQUEST, "write locked or unlocked");
    door_set(door, cps_request_payload(req));
    return cps_reply(req, CPS_CHANGED);
}

int main(void)
{
    cps_server_t *server;
    cps_err_t err = cps_server_new(&server, CPS_SERVER_OPTIONS(.listen = "coap://[::]", .state = "door.db"));
    if (err == CPS_OK)
        err = cps_server_add(server, CPS_RESOURCE(
            .path = "lock", .put = lock_put, .user = &front_door,
            .policy = {.sealed = true, .fresh_ms = 10000, .allow = "phone: put"}));
    if (err == CPS_OK)
        err = cps_server_run(server);
    fprintf(stderr, "%s\n", cps_err_text(err));
    cps_server_free(server);
    return err != CPS_OK;
}
/* clang-format on */

#undef main

static void the_page_compiles_and_fails_without_its_state(void **state)
{
    (void)state;
    assert_int_equal(chdir("/"), 0); /* where there is no door.db */
    assert_int_equal(page_main(), 1);
}

static const cps_case_t cases[] = {
    {"", "the server of the description compiles as it stands", the_page_compiles_and_fails_without_its_state},
};

CPS_RUN("server_page", cases)
