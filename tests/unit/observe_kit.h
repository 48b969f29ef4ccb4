// SPDX-License-Identifier: Apache-2.0
/* A client that observes and a server that is observed, both in memory. */
#ifndef CPS_TESTS_OBSERVE_KIT_H
#define CPS_TESTS_OBSERVE_KIT_H

#include "rig.h"

#include "sec/oscore/protect.h"
#include "wire/oscopt.h"

#define SECOND 1000000ULL
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)

typedef struct pair {
    rig_t *client; /* at .2 */
    rig_t *server; /* at .1 */
    cps_handle_t context;
    cps_handle_t handle;
    cps_option_t options[4];
    bool sealed; /* for tests that register again */
} pair_t;

static inline void setup_with(pair_t *p, void (*tweak)(cps_ep_config_t *))
{
    memset(p, 0, sizeof *p);
    p->client = rig_new(2, tweak);
    p->server = rig_new(1, NULL);
    p->context = rig_context(p->client, true);
    (void)rig_context(p->server, false);
}

static inline void setup(pair_t *p) { setup_with(p, NULL); }

static inline void teardown(pair_t *p)
{
    rig_free(p->client);
    rig_free(p->server);
}

static inline void submit(pair_t *p, cps_handle_t context, bool observe)
{
    p->options[0] = (cps_option_t){CPS_OPT_URI_PATH, CPS_BYTES_LIT("s")};
    p->options[1] = (cps_option_t){CPS_OPT_ETAG, CPS_BYTES_LIT("tag")};
    p->options[2] = (cps_option_t){CPS_OPT_OBSERVE, cps_bytes(NULL, 0)};
    cps_command_request_t r = {.path = rig_path(1, 5683),
                               .code = CPS_GET,
                               .options = p->options,
                               .option_count = observe ? 3 : 2,
                               .context = context,
                               .user = 5};
    p->handle = rig_request(p->client, &r);
}

static inline void watch(pair_t *p, cps_handle_t context)
{
    submit(p, context, true);
    rig_shuttle(p->client, p->server);
    assert_true(p->client->last.u.response.observing);
    assert_int_equal(p->client->responses, 1);
}

static inline rig_packet_t take(rig_t *rig, size_t i)
{
    assert_true(i < rig->out_count);
    return rig->out[i];
}

static inline void give(rig_t *to, const rig_packet_t *packet)
{
    rig_in(to, to->addr.ip[3] == 1 ? 2 : 1, 5683, cps_bytes(packet->bytes, packet->len));
}

static inline void change(pair_t *p, const char *state) { rig_changed(p->server, p->server->observer, state); }

static inline cps_bytes_t last_payload(const pair_t *p) { return p->client->last.u.response.message.payload; }

static inline bool option_of(const rig_t *rig, size_t i, uint16_t number, cps_bytes_t *value)
{
    return cps_opt_find(rig_sent_msg(rig, i).options, number, value);
}

#endif /* CPS_TESTS_OBSERVE_KIT_H */
