// SPDX-License-Identifier: Apache-2.0
/* Contexts that the caller looks up when a request names them, and structs of callers that are older than the library. */
#include "rig.h"

#include "base/sized.h"

static void looks_up(cps_ep_config_t *config) { config->context_lookup = true; }

typedef struct seen {
    unsigned lookups, requests, notes[CPS_NOTE_COUNT];
    uint8_t kid[8];
    size_t kid_len;
} seen_t;

/* A turn of an endpoint whose look-up finds the context, or does not. */
static void turn(rig_t *server, cps_bytes_t bytes, bool finds, seen_t *seen)
{
    cps_datagram_t datagram = {rig_path(2, 5683), bytes};
    cps_event_t event;
    cps_ep_input(server->ep, server->now_us, &datagram, 1);
    while (cps_ep_event(server->ep, &event)) {
        if (event.kind == CPS_EVENT_NOTE)
            seen->notes[event.u.note.kind]++;
        seen->requests += event.kind == CPS_EVENT_REQUEST;
        if (event.kind != CPS_EVENT_JOB)
            continue;
        assert_int_equal(event.u.job.kind, CPS_JOB_CONTEXT);
        seen->lookups++;
        seen->kid_len = event.u.job.kid.len;
        assert_true(seen->kid_len <= sizeof seen->kid && !event.u.job.has_kid_context);
        cps_copy(seen->kid, event.u.job.kid.ptr, seen->kid_len);
        if (finds)
            (void)rig_context(server, false);
    }
    rig_run(server);
}

static rig_packet_t sealed_request(void)
{
    rig_t *client = rig_new(2, NULL);
    cps_option_t path;
    cps_command_request_t put = rig_get(1, &path, "a");
    put.context = rig_context(client, true);
    (void)rig_request(client, &put);
    rig_packet_t packet = client->out[0];
    rig_free(client);
    return packet;
}

static void a_context_is_found_when_it_is_named(void **state)
{
    (void)state;
    rig_packet_t packet = sealed_request();
    cps_bytes_t bytes = cps_bytes(packet.bytes, packet.len);
    for (unsigned finds = 0; finds < 2; finds++) {
        rig_t *server = rig_new(1, looks_up);
        seen_t seen = {0};
        turn(server, bytes, finds != 0, &seen);
        assert_int_equal(seen.lookups, 1); /* once for a datagram, whatever comes of it */
        assert_int_equal(seen.kid_len, 0); /* the Sender ID of the client in RFC 8613 C.1 */
        assert_int_equal(seen.requests, finds);
        assert_int_equal(seen.notes[CPS_NOTE_NO_CONTEXT], 1 - finds);
        if (finds == 0) {
            cps_msg_t answer = rig_sent_msg(server, 0);
            assert_true(answer.type == CPS_ACK && answer.code == CPS_UNAUTHORIZED);
            turn(server, bytes, true, &seen); /* refused before: nothing is remembered of it */
            assert_true(seen.lookups == 2 && seen.requests == 1);
        }
        rig_free(server);
    }
}

static void nobody_is_asked_who_does_not_want_it(void **state)
{
    (void)state;
    rig_packet_t packet = sealed_request();
    rig_t *server = rig_new(1, NULL);
    seen_t seen = {0};
    turn(server, cps_bytes(packet.bytes, packet.len), true, &seen);
    assert_true(seen.lookups == 0 && seen.requests == 0 && seen.notes[CPS_NOTE_NO_CONTEXT] == 1);
    rig_free(server);
}

static void structs_of_older_headers_are_taken(void **state)
{
    (void)state;
    cps_ep_config_t config = {.size = offsetof(cps_ep_config_t, token_max), .token_max = 5, .message_max = 600};
    cps_ep_config_t today = {.size = sizeof today, .message_max = 600};
    assert_true(cps_ep_size(&today) != 0);
    assert_int_equal(cps_ep_size(&config), cps_ep_size(&today)); /* what is behind its size is not read */
    config.size = sizeof config;
    assert_int_equal(cps_ep_size(&config), 0); /* here it is */
    config.size = sizeof config + 1;
    assert_int_equal(cps_ep_size(&config), 0);
    config.size = 0;
    assert_int_equal(cps_ep_size(&config), 0);
    assert_int_equal(cps_ep_size(NULL), 0);
}

static const cps_case_t cases[] = {
    {"", "a context is looked up when a request names it", a_context_is_found_when_it_is_named},
    {"", "nobody is asked who does not want it", nobody_is_asked_who_does_not_want_it},
    {"", "structs of older headers are taken, others not", structs_of_older_headers_are_taken},
};

CPS_RUN("ep_lookup", cases)
