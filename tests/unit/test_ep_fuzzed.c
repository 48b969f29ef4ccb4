// SPDX-License-Identifier: Apache-2.0
/* What fuzz_ep found, each as the shortest story that showed it. */
#include "rig.h"

static void be_a_proxy(cps_ep_config_t *config) { config->layers = cps_layers_proxy(); }

/* It opens nothing, so it would have given an unprotected answer for the one to a sealed request. */
static void a_proxy_seals_nothing(void **state)
{
    (void)state;
    rig_t *proxy = rig_new(1, be_a_proxy);
    cps_handle_t handle = 0;
    cps_context_t context = {.size = sizeof context,
                             .master_secret = CPS_BYTES_LIT("0123456789abcdef"),
                             .sender_id = CPS_BYTES_LIT("a"),
                             .recipient_id = CPS_BYTES_LIT("b"),
                             .has_state = true,
                             .ceiling = 64};
    assert_err(CPS_ERR_UNSUPPORTED, cps_ep_context_add(proxy->ep, &context, &handle));
    rig_free(proxy);
}

static const cps_case_t cases[] = {
    {"", "a proxy seals nothing", a_proxy_seals_nothing},
};

CPS_RUN("ep_fuzzed", cases)
