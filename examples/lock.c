// SPDX-License-Identifier: Apache-2.0
// A door lock: an actuator. Who may turn it is a matter of keys, and a request that somebody held back does nothing.
//
//     coapsule key new phone --peer door --for 'coap://127.0.0.1/**'     # on the phone; writes phone-for-door.cred
//     coapsule key import phone-for-door.cred --state door.db            # on the door
//     example-lock door.db &
//     coapsule put coap://127.0.0.1/lock -e unlocked
#include <coapsule/coapsule.h>

#include <stdio.h>

typedef struct door {
    bool unlocked;
} door_t;

static cps_err_t lock_get(cps_request_t *req, void *user)
{
    const door_t *door = user;
    return cps_reply_text(req, CPS_CONTENT, door->unlocked ? "unlocked" : "locked");
}

static cps_err_t lock_put(cps_request_t *req, void *user)
{
    door_t *door = user;
    if (!cps_request_payload_is(req, "locked") && !cps_request_payload_is(req, "unlocked"))
        return cps_reply_error(req, CPS_BAD_REQUEST, "write locked or unlocked");
    door->unlocked = cps_request_payload_is(req, "unlocked");
    printf("%s by %s\n", door->unlocked ? "unlocked" : "locked", cps_request_credential(req));
    fflush(stdout);
    return cps_reply(req, CPS_CHANGED);
}

int main(int argc, char **argv)
{
    door_t door = {.unlocked = false};
    cps_server_t *server = NULL;
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s STATE [URI TO LISTEN AT]\n", argv[0]);
        return 2;
    }
    cps_err_t err = cps_server_new(
        &server, CPS_SERVER_OPTIONS(.state = argv[1], .listen = argc == 3 ? argv[2] : NULL, .signals = true));
    if (err == CPS_OK)
        err = cps_server_add(
            server, CPS_RESOURCE(.path = "lock", .get = lock_get, .put = lock_put, .user = &door, .rt = "example.lock",
                                 .policy = {.sealed = true, .fresh_ms = 10000, .allow = "phone: get put"}));
    if (err == CPS_OK)
        err = cps_server_run(server); /* until SIGINT or SIGTERM */
    if (err != CPS_OK)
        fprintf(stderr, "%s\n", cps_server_detail(server));
    cps_server_free(server);
    return cps_err_exit(err);
}
