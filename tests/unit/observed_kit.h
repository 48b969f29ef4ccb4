// SPDX-License-Identifier: Apache-2.0
/* A server whose observer is made by hand, datagram by datagram: GET /s from 127.0.0.2:4000. */
#ifndef CPS_TESTS_OBSERVED_KIT_H
#define CPS_TESTS_OBSERVED_KIT_H

#include "rig.h"

#define SECOND 1000000ULL
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define CLIENT 2
#define PORT   4000

static inline rig_t *server_new(void (*tweak)(cps_ep_config_t *)) { return rig_new(1, tweak); }

/* GET /s from the client's port with that token; Observe where it is not negative. An Echo proves its address. */
typedef struct asking {
    const char *token;
    uint16_t mid;
    int observe;
    cps_type_t type;
    uint16_t port;
    cps_bytes_t echo;
} asking_t;

static inline void ask(rig_t *server, const asking_t *a)
{
    uint8_t options[64];
    uint8_t bytes[128];
    cps_writer_t ow = cps_writer(options, sizeof options);
    cps_opt_writer_t list = cps_opt_writer(&ow);
    if (a->observe >= 0)
        cps_opt_put_uint(&list, CPS_OPT_OBSERVE, (uint32_t)a->observe);
    cps_opt_put(&list, CPS_OPT_URI_PATH, CPS_BYTES_LIT("s"));
    if (a->echo.len != 0)
        cps_opt_put(&list, CPS_OPT_ECHO, a->echo);
    cps_msg_t msg = {.type = (uint8_t)a->type,
                     .code = CPS_GET,
                     .mid = a->mid,
                     .token = cps_bytes_str(a->token),
                     .options = cps_written(&ow)};
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_write(&w, &msg);
    rig_in(server, CLIENT, a->port != 0 ? a->port : PORT, cps_written(&w));
}

static inline cps_handle_t watch(rig_t *server, const char *token, uint16_t mid)
{
    ask(server, &(asking_t){.token = token, .mid = mid});
    return server->observer;
}

static inline void empty(rig_t *server, cps_type_t type, uint16_t mid)
{
    uint8_t bytes[4];
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_write_empty(&w, type, mid);
    rig_in(server, CLIENT, PORT, cps_written(&w));
}

/* The client acknowledges the last message sent. */
static inline void ack(rig_t *server) { empty(server, CPS_ACK, rig_sent_msg(server, server->out_count - 1).mid); }

static inline bool observe_of(const cps_msg_t *msg, uint32_t *value)
{
    return cps_msg_option_uint(msg, CPS_OPT_OBSERVE, value);
}

static inline uint32_t value_of(const rig_t *server, size_t i)
{
    uint32_t value = 0;
    cps_msg_t msg = rig_sent_msg(server, i);
    assert_true(observe_of(&msg, &value));
    return value;
}

static inline bool has_observe(const rig_t *server, size_t i)
{
    uint32_t value;
    cps_msg_t msg = rig_sent_msg(server, i);
    return observe_of(&msg, &value);
}

static inline uint32_t observers(const rig_t *server)
{
    cps_ep_stats_t stats;
    cps_ep_stats(server->ep, &stats);
    return stats.observers;
}

#endif /* CPS_TESTS_OBSERVED_KIT_H */
