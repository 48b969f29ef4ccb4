// SPDX-License-Identifier: Apache-2.0
/* What an answer consists of, before it is placed and sealed. */
#include "ep/ep.h"

/* The options of a reply without those that say what is so anyway (RFC 7252 §5.4.4: Max-Age 60), and without Observe, which
 * is ours to say. */
static size_t without_defaults(const cps_command_reply_t *reply, cps_option_t *list)
{
    size_t count = 0;
    uint32_t value;
    for (size_t i = 0; i < reply->option_count; i++) {
        const cps_option_t *option = &reply->options[i];
        if (option->number == CPS_OPT_MAX_AGE && cps_opt_uint(option->value, &value) == CPS_OK && value == 60)
            continue;
        if (option->number == CPS_OPT_OBSERVE)
            continue;
        list[count++] = *option;
    }
    return count;
}

cps_err_t cps_serve_build(cps_ep_t *ep, const cps_served_t *served, const cps_command_reply_t *reply,
                          const uint32_t *observe, cps_msg_t *msg)
{
    static const cps_served_t notification = {.code = CPS_GET, .verified = true, .context = 1, .token_len = 8};
    cps_option_t list[CPS_EP_OPTIONS_MAX + 1];
    uint8_t bytes[4];
    cps_cut_t cut = {.list = list};
    if (!cps_code_is_response(reply->code) || reply->option_count > CPS_EP_OPTIONS_MAX)
        return CPS_ERR_ARGUMENT;
    if (reply->code == CPS_VALID && reply->payload.len != 0)
        return CPS_ERR_ARGUMENT; /* RFC 7252 §5.9.1.3: 2.03 has no payload (REQ-15) */
    cut.count = without_defaults(reply, list);
    if (observe != NULL)
        list[cut.count++] = (cps_option_t){CPS_OPT_OBSERVE, cps_opt_uint_bytes(*observe, bytes)};
    cps_err_t err = cps_serve_cut(ep, served != NULL ? served : &notification, reply, &cut); /* RFC 7959 §2.6 */
    if (err != CPS_OK)
        return err;
    cps_writer_t w = cps_writer(ep->build, ep->config.message_max);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    cps_opt_put_list(&ow, list, cut.count);
    *msg = (cps_msg_t){.code = cut.code, .options = cps_written(&w), .payload = cut.payload};
    if (w.failed || cut.payload.len > cps_ep_payload_max(ep) || cps_msg_len(msg) > ep->config.message_max)
        return CPS_ERR_TOO_LARGE;
    return CPS_OK;
}

cps_err_t cps_serve_build_challenge(cps_ep_t *ep, cps_echo_use_t use, cps_msg_t *msg)
{
    uint8_t value[CPS_ECHO_LEN];
    cps_err_t err = cps_echo_make(&ep->echo_key, ep->config.crypto, ep->now_us, &use, value);
    if (err != CPS_OK)
        return err;
    cps_writer_t w = cps_writer(ep->build, ep->config.message_max);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    cps_opt_put(&ow, CPS_OPT_ECHO, cps_bytes(value, sizeof value));
    *msg = (cps_msg_t){.code = CPS_UNAUTHORIZED, .options = cps_written(&w)};
    return cps_writer_err(&w);
}
