// SPDX-License-Identifier: Apache-2.0
/* Copies of separate answers and notifications that were not acknowledged yet. */
#include "ep/ep.h"

/* The options of a message with another Max-Age. */
static void with_max_age(const cps_msg_t *msg, uint32_t max_age, cps_writer_t *to)
{
    cps_opt_walk_t walk = cps_opt_walk(msg->options);
    cps_opt_writer_t ow = cps_opt_writer(to);
    cps_option_t option;
    while (cps_opt_next(&walk, &option)) {
        if (option.number == CPS_OPT_MAX_AGE)
            cps_opt_put_uint(&ow, option.number, max_age);
        else
            cps_opt_put(&ow, option.number, option.value);
    }
}

/* A plain answer that waited for its acknowledgement is older than when it was made: its Max-Age says so (RFC 7252
 * §5.10.5). What is sealed goes as it was (REQ-44). */
void cps_serve_copy(cps_ep_t *ep, const cps_chain_store_t *store, const cps_tx_t *tx)
{
    cps_msg_t msg;
    uint32_t max_age = 0;
    cps_bytes_t value;
    cps_chain_get(store, &tx->bytes, ep->build);
    cps_err_t err = cps_msg_parse(cps_bytes(ep->build, tx->bytes.len), &msg);
    bool ages = err == CPS_OK && !cps_opt_find(msg.options, CPS_OPT_OSCORE, &value) &&
                cps_msg_option_uint(&msg, CPS_OPT_MAX_AGE, &max_age);
    if (!ages) {
        cps_out_chain(ep, &tx->path, store, &tx->bytes);
        return;
    }
    uint64_t waited_s = (ep->now_us - tx->first_sent_us) / 1000000U;
    cps_writer_t options = cps_writer(ep->extra, ep->take_max + CPS_EP_OVERHEAD);
    with_max_age(&msg, waited_s < max_age ? max_age - (uint32_t)waited_s : 0, &options);
    msg.options = cps_written(&options);
    cps_writer_t out = cps_out_begin(ep);
    cps_msg_write(&out, &msg);
    (void)cps_out_commit(ep, &tx->path, &out);
}
