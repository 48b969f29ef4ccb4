// SPDX-License-Identifier: Apache-2.0
#include "sim/world_stranger.h"

#include "sim/addr.h"

#define TOKEN_LEN 4U

static cps_bytes_t write_message(cps_msg_t *msg, uint8_t *store)
{
    cps_writer_t w = cps_writer(store, CPS_SIM_FORWARD_B);
    cps_msg_write(&w, msg);
    return cps_written(&w);
}

/* Options as the last proxy before the origin sends them (RFC 7252 §5.7.2): all but those that told it where to. */
static cps_bytes_t keep_options(cps_bytes_t options, uint8_t *store)
{
    cps_writer_t w = cps_writer(store, CPS_SIM_FORWARD_B);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    cps_opt_walk_t walk = cps_opt_walk(options);
    for (cps_option_t option; cps_opt_next(&walk, &option);)
        if (option.number != CPS_OPT_PROXY_SCHEME && option.number != CPS_OPT_URI_HOST &&
            option.number != CPS_OPT_URI_PORT)
            cps_opt_put(&ow, option.number, option.value);
    return cps_written(&w);
}

static cps_bytes_t to_client(cps_sim_stranger_t *s, const cps_sim_flow_t *flow, cps_msg_t *msg, uint8_t *store)
{
    msg->type = flow->type == CPS_CON ? CPS_ACK : CPS_NON;
    msg->mid = flow->type == CPS_CON ? flow->mid : (uint16_t)cps_rng_u32(&s->rng);
    msg->token = cps_bytes(flow->token, flow->token_len);
    return write_message(msg, store);
}

static size_t forward_request(cps_sim_stranger_t *s, const cps_datagram_t *in, const cps_msg_t *msg,
                              cps_sim_forward_t *out, uint8_t store[CPS_SIM_FORWARDS][CPS_SIM_FORWARD_B])
{
    cps_msg_t onward = *msg;
    uint8_t options[CPS_SIM_FORWARD_B];
    uint8_t token[TOKEN_LEN];
    size_t count = 0;
    cps_sim_flow_t *flow = &s->flows[s->next % CPS_SIM_FLOWS];
    *flow = (cps_sim_flow_t){
        .client = in->path.remote, .token_len = (uint8_t)msg->token.len, .type = msg->type, .mid = msg->mid};
    cps_copy(flow->token, msg->token.ptr, msg->token.len);
    if (cps_rng_below(&s->rng, 100) < s->hasty_percent) {
        cps_msg_t hasty = {.code = CPS_GATEWAY_TIMEOUT};
        out[count] = (cps_sim_forward_t){s->front, flow->client, to_client(s, flow, &hasty, store[count])};
        count++;
    }
    cps_put_be32(token, s->next);
    onward.mid = (uint16_t)s->next++;
    onward.token = cps_bytes(token, sizeof token);
    onward.options = keep_options(msg->options, options);
    out[count] = (cps_sim_forward_t){s->back, s->origin, write_message(&onward, store[count])};
    return count + 1;
}

static size_t forward_answer(cps_sim_stranger_t *s, cps_msg_t *msg, cps_sim_forward_t *out,
                             uint8_t store[CPS_SIM_FORWARDS][CPS_SIM_FORWARD_B])
{
    size_t count = 0;
    if (msg->type == CPS_CON) {
        cps_msg_t ack = {.type = CPS_ACK, .mid = msg->mid};
        out[count] = (cps_sim_forward_t){s->back, s->origin, write_message(&ack, store[count])};
        count++;
    }
    cps_reader_t token = cps_reader(msg->token);
    uint32_t number = msg->token.len == TOKEN_LEN ? cps_read_u32(&token) : s->next;
    if (s->next - number > CPS_SIM_FLOWS || number >= s->next)
        return count;
    const cps_sim_flow_t *flow = &s->flows[number % CPS_SIM_FLOWS];
    out[count] = (cps_sim_forward_t){s->front, flow->client, to_client(s, flow, msg, store[count])};
    return count + 1;
}

size_t cps_sim_stranger_input(cps_sim_stranger_t *stranger, const cps_datagram_t *datagram,
                              cps_sim_forward_t out[CPS_SIM_FORWARDS],
                              uint8_t store[CPS_SIM_FORWARDS][CPS_SIM_FORWARD_B])
{
    cps_msg_t msg;
    if (cps_msg_parse(datagram->bytes, &msg) != CPS_OK)
        return 0;
    bool front = cps_simaddr_equal(&datagram->path.local, &stranger->front);
    if (front && cps_code_is_request(msg.code))
        return forward_request(stranger, datagram, &msg, out, store);
    if (!front && cps_code_is_response(msg.code))
        return forward_answer(stranger, &msg, out, store);
    return 0;
}
