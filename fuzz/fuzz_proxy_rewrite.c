// SPDX-License-Identifier: Apache-2.0
/* A message as a forward proxy rewrites it. The first byte picks the rules, the rest is the datagram. What goes on is a
 * message in order that asks for the same: every Safe option and the sealed payload unchanged, nothing Unsafe that the
 * proxy does not know, the target in the form that the next hop needs, one hop less; and a message that goes round and
 * round is refused in the end.
 *
 * covers: src/proxy/rewrite.c src/proxy/refusal.c */
#include "fuzz.h"

#include "proxy/rewrite.h"

#define MESSAGE_MAX 1500U

static uint8_t encoded[2][8192];

static cps_message_t of_msg(const cps_msg_t *msg) { return (cps_message_t){msg->code, msg->options, msg->payload}; }

/* The options that go on, as they stand in the next message. */
static cps_bytes_t encode(unsigned side, const cps_option_t *options, size_t count)
{
    cps_option_t list[CPS_PROXY_OPTIONS_MAX];
    demand(count <= CPS_PROXY_OPTIONS_MAX);
    cps_copy(list, options, count * sizeof *list);
    cps_writer_t w = cps_writer(encoded[side], sizeof encoded[side]);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    cps_opt_put_list(&ow, list, count);
    demand(!w.failed);
    return cps_written(&w);
}

static bool is_rewritten(uint16_t number) { return number == CPS_OPT_HOP_LIMIT || cps_opt_is_unsafe(number); }

/* The n-th option of those that are passed on as they are; false where there are no more. */
static bool next_passed(cps_opt_walk_t *walk, cps_option_t *out)
{
    while (cps_opt_next(walk, out))
        if (!is_rewritten(out->number))
            return true;
    return false;
}

static void same_safe_options(cps_bytes_t before, cps_bytes_t after)
{
    cps_opt_walk_t walks[2] = {cps_opt_walk(before), cps_opt_walk(after)};
    cps_option_t options[2];
    while (next_passed(&walks[0], &options[0])) {
        demand(next_passed(&walks[1], &options[1]));
        demand(options[0].number == options[1].number && cps_bytes_equal(options[0].value, options[1].value));
    }
    demand(!next_passed(&walks[1], &options[1]));
}

static bool may_go_on(uint16_t number, bool chained, bool by_scheme)
{
    bool is_part = number == CPS_OPT_URI_HOST || number == CPS_OPT_URI_PORT || number == CPS_OPT_URI_PATH ||
                   number == CPS_OPT_URI_QUERY;
    if (number == CPS_OPT_BLOCK1 || number == CPS_OPT_BLOCK2)
        return true; /* blocks are passed on one by one */
    if (is_part)
        return !chained || by_scheme;
    return chained && number == (by_scheme ? CPS_OPT_PROXY_SCHEME : CPS_OPT_PROXY_URI);
}

static void nothing_unsafe(cps_bytes_t options, bool chained, bool by_scheme)
{
    cps_opt_walk_t walk = cps_opt_walk(options);
    for (cps_option_t option; cps_opt_next(&walk, &option);)
        demand(!cps_opt_is_unsafe(option.number) || may_go_on(option.number, chained, by_scheme));
}

/* The Uri-* options name what the target names. */
static void same_target(cps_bytes_t options, const cps_uri_t *target)
{
    static uint8_t text[CPS_PROXY_TEXT_BYTES];
    cps_uri_t again;
    cps_uri_base_t base = {.scheme = target->scheme, .addr = {.port = target->port, .family = target->family}};
    memcpy(base.addr.ip, target->ip, sizeof base.addr.ip);
    cps_writer_t w = cps_writer(text, sizeof text);
    demand(cps_uri_join(options, &base, &w) == CPS_OK);
    demand(cps_uri_parse(cps_written(&w), &again, NULL) == CPS_OK);
    demand(again.port == target->port && strcmp(again.host, target->host) == 0);
}

static void one_hop_less(const cps_message_t *before, cps_bytes_t after, const cps_proxy_rules_t *rules)
{
    uint32_t had;
    cps_bytes_t value;
    demand(cps_opt_count(after, CPS_OPT_HOP_LIMIT) == 1 && cps_opt_find(after, CPS_OPT_HOP_LIMIT, &value));
    demand(value.len == 1 && value.ptr[0] > 0);
    if (cps_message_uint(before, CPS_OPT_HOP_LIMIT, &had))
        demand(had == value.ptr[0] + 1U);
    else
        demand(value.ptr[0] == rules->hop_limit);
}

static void check_refusal(const cps_proxy_refusal_t *refusal)
{
    size_t len = strnlen(refusal->text, sizeof refusal->text);
    demand(refusal->reason < CPS_PROXY_REASONS && len < sizeof refusal->text);
    for (size_t i = 0; i < len; i++)
        demand(refusal->text[i] >= ' ' && refusal->text[i] <= '~');
}

/* Through one proxy; the message for the next hop, or false. */
static bool one_hop(const cps_message_t *message, const cps_proxy_rules_t *rules, unsigned side, cps_message_t *next)
{
    static cps_proxy_request_t request;
    cps_proxy_want_t want = cps_proxy_read(message, &request);
    if (want == CPS_PROXY_WANTS_REFUSAL)
        check_refusal(&request.refusal);
    if (want != CPS_PROXY_WANTS_FORWARD)
        return false;
    demand(request.uri.scheme == CPS_SCHEME_COAP && request.uri.host[0] != '\0' && request.uri.port != 0);
    if (!cps_proxy_rewrite(message, rules, &request)) {
        check_refusal(&request.refusal);
        return false;
    }
    cps_bytes_t options = encode(side, request.options, request.option_count);
    same_safe_options(message->options, options);
    nothing_unsafe(options, rules->chained, request.by_scheme);
    one_hop_less(message, options, rules);
    if (!rules->chained)
        same_target(options, &request.uri);
    bool bare = message->code == CPS_GET || message->code == CPS_DELETE;
    demand(bare ? request.payload.len == 0 : cps_bytes_equal(request.payload, message->payload));
    *next = (cps_message_t){message->code, options, request.payload};
    return true;
}

/* From proxy to proxy: the target stays, and the hops run out. */
static void go_round(cps_message_t message, const cps_proxy_rules_t *rules)
{
    unsigned hops = 0;
    while (one_hop(&message, rules, hops & 1U, &message))
        demand(++hops <= 256);
}

static void answer(const cps_message_t *message, const cps_proxy_rules_t *rules)
{
    static cps_proxy_answer_t out;
    if (!cps_proxy_judge_answer(message, rules, 1152, &out)) {
        check_refusal(&out.refusal);
        return;
    }
    cps_bytes_t options = encode(0, out.options, out.option_count);
    same_safe_options(message->options, options);
    demand(out.code == message->code && out.payload.len <= message->payload.len + CPS_PROXY_NAME_MAX + 1);
    if (message->code != CPS_HOP_LIMIT_REACHED && message->code != CPS_VALID)
        demand(cps_bytes_equal(out.payload, message->payload));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cps_msg_t msg;
    cps_message_t next;
    if (size < 1 || size > MESSAGE_MAX || cps_msg_parse(cps_bytes(data + 1, size - 1), &msg) != CPS_OK)
        return 0;
    cps_proxy_rules_t rules = {
        .name = "p", .hop_limit = (uint8_t)(1U + (data[0] >> 1U)), .chained = (data[0] & 1U) != 0};
    cps_message_t message = of_msg(&msg);
    if (cps_code_is_response(msg.code))
        answer(&message, &rules);
    else if (!rules.chained)
        (void)one_hop(&message, &rules, 0, &next);
    else
        go_round(message, &rules);
    return 0;
}
