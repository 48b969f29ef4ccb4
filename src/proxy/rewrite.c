// SPDX-License-Identifier: Apache-2.0
#include "proxy/rewrite.h"

#include <stdio.h>

/* Unsafe options that this proxy processes (RFC 7252 §5.7.1). Blocks are passed on one by one (RFC 7959 §2.3). The
 * Q-Blocks and No-Response are not among them yet: what it does not process must not pass. */
static const uint16_t processed[] = {CPS_OPT_URI_HOST,     CPS_OPT_OBSERVE,   CPS_OPT_URI_PORT,
                                     CPS_OPT_URI_PATH,     CPS_OPT_URI_QUERY, CPS_OPT_PROXY_URI,
                                     CPS_OPT_PROXY_SCHEME, CPS_OPT_BLOCK1,    CPS_OPT_BLOCK2};

/* What becomes of an option that passed the judgement. */
typedef enum fate {
    PASS,     /* Safe-to-Forward, known or not: unchanged */
    DROP,     /* processed here */
    URI_PART, /* stands in the target */
    FORM      /* Proxy-Uri or Proxy-Scheme */
} fate_t;

static fate_t fate_of(uint16_t number)
{
    switch (number) {
    case CPS_OPT_URI_HOST:
    case CPS_OPT_URI_PORT:
    case CPS_OPT_URI_PATH:
    case CPS_OPT_URI_QUERY:
        return URI_PART;
    case CPS_OPT_PROXY_URI:
    case CPS_OPT_PROXY_SCHEME:
        return FORM;
    case CPS_OPT_HOP_LIMIT: /* counted down, an extra copy (RFC 7252 §5.4.5) ignored */
    case CPS_OPT_OBSERVE:   /* elective: this proxy registers nothing for its clients (RFC 7641 §5, RFC 8613 §10) */
    case CPS_OPT_MAX_AGE:   /* without meaning in a request; in an answer it is kept */
        return DROP;
    default:
        return PASS;
    }
}

static void refuse_option(cps_proxy_refusal_t *refusal, cps_proxy_reason_t reason, uint16_t number)
{
    char text[8];
    snprintf(text, sizeof text, "%u", number);
    cps_proxy_refuse(refusal, reason, text);
}

/* Whether a request's Unsafe option is processed: known, and as its definition says (RFC 7252 §5.4.1 to §5.4.5). Max-Age
 * is known too, although requests have no use for it. */
static bool is_processed(cps_opt_set_t known, uint8_t code, const cps_option_t *option, unsigned nth)
{
    if (option->number == CPS_OPT_MAX_AGE)
        return nth == 0 && option->value.len <= 4;
    return cps_opt_judge(known, code, option, nth) == CPS_OPT_TAKE;
}

static bool judge_options(const cps_message_t *message, cps_proxy_request_t *out)
{
    cps_opt_set_t known = cps_opt_set_of(processed, sizeof processed / sizeof processed[0]);
    cps_option_walk_t walk = {0};
    uint32_t last = UINT32_MAX;
    unsigned nth = 0;
    for (cps_option_t option; cps_message_next(message, &walk, &option); last = option.number) {
        nth = option.number == last ? nth + 1 : 0;
        if (!cps_opt_is_unsafe(option.number) || is_processed(known, message->code, &option, nth))
            continue;
        refuse_option(&out->refusal, CPS_PROXY_OPTION, option.number);
        return false;
    }
    return true;
}

/* The first copy, whatever its length: an illegal one is refused by its own rule. */
static bool find(const cps_message_t *message, uint16_t number, cps_bytes_t *value)
{
    return cps_opt_find(message->options, number, value);
}

/* RFC 8768 §3: one byte from 1 to 255. */
static bool read_hop_limit(const cps_message_t *message, cps_proxy_request_t *out)
{
    cps_bytes_t value;
    out->has_hop_limit = find(message, CPS_OPT_HOP_LIMIT, &value);
    if (!out->has_hop_limit)
        return true;
    if (value.len != 1 || value.ptr[0] == 0) {
        cps_proxy_refuse(&out->refusal, CPS_PROXY_HOP_LIMIT_VALUE, NULL);
        return false;
    }
    out->hop_limit = value.ptr[0];
    return true;
}

/* ---- the target ---- */

/* The scheme of an absolute URI (RFC 3986 §3.1); empty where there is none. */
static cps_bytes_t scheme_of(cps_bytes_t uri)
{
    for (size_t at = 0; at < uri.len; at++) {
        uint8_t c = uri.ptr[at];
        bool letter = (c | 0x20U) >= 'a' && (c | 0x20U) <= 'z';
        bool other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (c == ':' && at > 0)
            return cps_bytes(uri.ptr, at);
        if (!letter && !(other && at > 0))
            break;
    }
    return cps_bytes(NULL, 0);
}

static bool is_supported(cps_bytes_t name)
{
    cps_scheme_t scheme;
    return cps_scheme_find(name, &scheme) && scheme == CPS_SCHEME_COAP;
}

static bool refuse_scheme(cps_proxy_request_t *out, cps_bytes_t name)
{
    char text[64];
    size_t len = name.len < sizeof text - 1 ? name.len : sizeof text - 1;
    cps_copy(text, name.ptr, len);
    text[len] = '\0';
    cps_proxy_refuse(&out->refusal, CPS_PROXY_SCHEME, text);
    return false;
}

cps_err_t cps_proxy_join(const cps_message_t *message, cps_scheme_t scheme, cps_writer_t *out)
{
    cps_uri_base_t base = {.scheme = scheme, .addr = {.port = cps_scheme_port(scheme)}};
    return cps_uri_join(message->options, &base, out);
}

/* A target is parsed in our own buffer, so that views into it outlive the datagram's. */
static bool parse_target(cps_proxy_request_t *out, const char *option)
{
    char text[CPS_PROXY_TEXT_MAX];
    const char *why = NULL;
    if (cps_uri_parse(cps_bytes(out->text, out->text_len), &out->uri, &why) == CPS_OK)
        return true;
    snprintf(text, sizeof text, "%s: %s", option, why != NULL ? why : "not a URI");
    cps_proxy_refuse(&out->refusal, CPS_PROXY_URI, text);
    return false;
}

static bool read_proxy_uri(cps_bytes_t value, cps_proxy_request_t *out)
{
    cps_bytes_t scheme = scheme_of(value);
    if (scheme.len != 0 && !is_supported(scheme))
        return refuse_scheme(out, scheme);
    memcpy(out->text, value.ptr, value.len); /* at most 1,034 bytes: judged before */
    out->text_len = value.len;
    return parse_target(out, "Proxy-Uri");
}

static bool read_proxy_scheme(const cps_message_t *message, cps_bytes_t name, cps_proxy_request_t *out)
{
    cps_bytes_t host;
    if (!is_supported(name))
        return refuse_scheme(out, name);
    cps_writer_t w = cps_writer(out->text, sizeof out->text);
    if (!find(message, CPS_OPT_URI_HOST, &host) || cps_proxy_join(message, CPS_SCHEME_COAP, &w) != CPS_OK) {
        cps_proxy_refuse(&out->refusal, CPS_PROXY_URI, "Uri-Host, Uri-Port, Uri-Path and Uri-Query make no URI");
        return false;
    }
    out->text_len = cps_written(&w).len;
    out->by_scheme = true;
    return parse_target(out, "Uri-Host");
}

cps_proxy_want_t cps_proxy_read(const cps_message_t *message, cps_proxy_request_t *out)
{
    cps_bytes_t uri;
    cps_bytes_t scheme;
    cps_bytes_t host;
    bool by_uri = find(message, CPS_OPT_PROXY_URI, &uri);
    bool by_scheme = !by_uri && find(message, CPS_OPT_PROXY_SCHEME, &scheme);
    out->by_scheme = false;
    out->own_echo = false;
    out->tagged = false;
    out->option_count = 0;
    out->text_len = 0;
    if (!read_hop_limit(message, out))
        return CPS_PROXY_WANTS_REFUSAL;
    if (!by_uri && !by_scheme)
        return CPS_PROXY_WANTS_US;
    if (!judge_options(message, out))
        return CPS_PROXY_WANTS_REFUSAL;
    /* without Uri-Host the authority is the address that was asked (RFC 7252 §5.10.1): the proxy's own */
    if (by_scheme && is_supported(scheme) && !find(message, CPS_OPT_URI_HOST, &host))
        return CPS_PROXY_WANTS_US;
    bool good = by_uri ? read_proxy_uri(uri, out) : read_proxy_scheme(message, scheme, out);
    return good ? CPS_PROXY_WANTS_FORWARD : CPS_PROXY_WANTS_REFUSAL;
}

/* ---- the message for the next hop ---- */

static bool add(cps_proxy_request_t *request, uint16_t number, cps_bytes_t value)
{
    if (request->option_count == CPS_PROXY_OPTIONS_MAX) {
        cps_proxy_refuse(&request->refusal, CPS_PROXY_TOO_LARGE, NULL);
        return false;
    }
    request->options[request->option_count++] = (cps_option_t){number, value};
    return true;
}

/* To the next proxy the form goes on as it came (RFC 7252 §5.7.2): Proxy-Uri without Uri-*, or Proxy-Scheme with them. */
static bool goes_on(const cps_proxy_rules_t *rules, const cps_proxy_request_t *request, uint16_t number)
{
    switch (fate_of(number)) {
    case PASS:
        return true;
    case URI_PART:
        return rules->chained && request->by_scheme;
    case FORM:
        return rules->chained && (number == CPS_OPT_PROXY_SCHEME) == request->by_scheme;
    case DROP:
        break;
    }
    return false;
}

static bool add_hop_limit(const cps_proxy_rules_t *rules, cps_proxy_request_t *request)
{
    if (request->has_hop_limit && request->hop_limit == 1) {
        cps_proxy_refuse(&request->refusal, CPS_PROXY_HOPS, rules->name); /* RFC 8768 §3 and §4 */
        return false;
    }
    request->hop_value[0] = (uint8_t)(request->has_hop_limit ? request->hop_limit - 1 : rules->hop_limit);
    return add(request, CPS_OPT_HOP_LIMIT, cps_bytes(request->hop_value, 1));
}

/* ---- whose blocks they are ---- */

bool cps_proxy_wants_tag(const cps_message_t *message)
{
    cps_bytes_t value;
    if (message->code == CPS_GET || message->code == CPS_DELETE)
        return false;
    return !find(message, CPS_OPT_OSCORE, &value) || find(message, CPS_OPT_BLOCK1, &value) ||
           find(message, CPS_OPT_BLOCK2, &value);
}

cps_err_t cps_proxy_tag_source(const cps_message_t *message, cps_bytes_t client, cps_writer_t *out)
{
    cps_option_walk_t walk = {0};
    cps_write_bytes(out, client);
    for (cps_option_t option; cps_message_next(message, &walk, &option);) {
        if (option.number != CPS_OPT_REQUEST_TAG || option.value.len > 8)
            continue;
        cps_write_u8(out, (uint8_t)(option.value.len + 1));
        cps_write_bytes(out, option.value);
    }
    return cps_writer_err(out);
}

/* At the last proxy the URI is split (RFC 7252 §5.7.2, §6.4). */
static bool add_uri(cps_proxy_request_t *request)
{
    cps_uri_parts_t parts = {.destination_port = request->uri.port};
    cps_writer_t store = cps_writer(request->store, sizeof request->store);
    cps_err_t err = cps_uri_to_options(&request->uri, parts, &store, request->options, CPS_PROXY_OPTIONS_MAX,
                                       &request->option_count);
    if (err == CPS_OK)
        return true;
    if (err == CPS_ERR_NO_SPACE)
        cps_proxy_refuse(&request->refusal, CPS_PROXY_TOO_LARGE, NULL);
    else
        cps_proxy_refuse(&request->refusal, CPS_PROXY_URI,
                         "Proxy-Uri: a path segment or argument that no option holds");
    return false;
}

bool cps_proxy_rewrite(const cps_message_t *message, const cps_proxy_rules_t *rules, cps_proxy_request_t *request)
{
    cps_option_walk_t walk = {0};
    request->option_count = 0;
    if (!add_hop_limit(rules, request) || (!rules->chained && !add_uri(request)))
        return false;
    bool own_echo = request->own_echo;
    for (cps_option_t option; cps_message_next(message, &walk, &option);) {
        if (own_echo && option.number == CPS_OPT_ECHO)
            own_echo = false;
        else if (request->tagged && option.number == CPS_OPT_REQUEST_TAG)
            continue;
        else if (goes_on(rules, request, option.number) && !add(request, option.number, option.value))
            return false;
    }
    if (request->tagged && !add(request, CPS_OPT_REQUEST_TAG, cps_bytes(request->tag, sizeof request->tag)))
        return false;
    /* RFC 7252 §5.5: GET and DELETE have none, and none is sent for them */
    bool has_payload = message->code != CPS_GET && message->code != CPS_DELETE;
    request->payload = has_payload ? message->payload : cps_bytes(NULL, 0);
    return true;
}

/* ---- the answer ---- */

/* In an answer Max-Age passes as it is, since no time was spent in a cache; Observe does not, since nothing was
 * registered. Any other Unsafe option has no meaning there or is not processed (RFC 7252 §5.7.1). */
static bool judge_answer_options(const cps_message_t *message, cps_proxy_answer_t *out)
{
    static const uint16_t numbers[] = {CPS_OPT_OBSERVE, CPS_OPT_MAX_AGE, CPS_OPT_BLOCK1, CPS_OPT_BLOCK2};
    cps_opt_set_t known = cps_opt_set_of(numbers, sizeof numbers / sizeof numbers[0]);
    cps_option_walk_t walk = {0};
    uint32_t last = UINT32_MAX;
    unsigned nth = 0;
    out->option_count = 0;
    for (cps_option_t option; cps_message_next(message, &walk, &option); last = option.number) {
        nth = option.number == last ? nth + 1 : 0;
        if (cps_opt_is_unsafe(option.number) && cps_opt_judge(known, message->code, &option, nth) != CPS_OPT_TAKE) {
            refuse_option(&out->refusal, CPS_PROXY_ANSWER_OPTION, option.number);
            return false;
        }
        if (option.number == CPS_OPT_OBSERVE)
            continue;
        if (out->option_count == CPS_PROXY_OPTIONS_MAX) {
            cps_proxy_refuse(&out->refusal, CPS_PROXY_ANSWER_TOO_LARGE, NULL);
            return false;
        }
        out->options[out->option_count++] = option;
    }
    return true;
}

/* Whether a list of names, separated by spaces, holds this one. */
static bool names(cps_bytes_t list, cps_bytes_t name)
{
    size_t start = 0;
    for (size_t at = 0; list.len != 0 && at <= list.len; at++) {
        if (at < list.len && list.ptr[at] != ' ')
            continue;
        if (cps_bytes_equal(cps_bytes(list.ptr + start, at - start), name))
            return true;
        start = at + 1;
    }
    return false;
}

static void prepend_name(const cps_message_t *message, cps_bytes_t name, size_t room, cps_proxy_answer_t *out)
{
    /* header, token and marker beside what came: RFC 8768 §4 asks for the name only if there is room */
    size_t len = 4 + 8 + message->options.len + 1 + name.len + 1 + message->payload.len;
    cps_writer_t w = cps_writer(out->diagnostic, sizeof out->diagnostic);
    cps_write_bytes(&w, name);
    if (message->payload.len != 0)
        cps_write_u8(&w, ' ');
    cps_write_bytes(&w, message->payload);
    if (!w.failed && len <= room)
        out->payload = cps_written(&w);
}

bool cps_proxy_judge_answer(const cps_message_t *message, const cps_proxy_rules_t *rules, size_t room,
                            cps_proxy_answer_t *out)
{
    cps_bytes_t name = cps_bytes_str(rules->name);
    out->code = message->code;
    /* RFC 7252 §5.9.1.3: 2.03 has no payload */
    out->payload = message->code == CPS_VALID ? cps_bytes(NULL, 0) : message->payload;
    if (!judge_answer_options(message, out))
        return false;
    if (message->code != CPS_HOP_LIMIT_REACHED)
        return true;
    if (names(message->payload, name)) { /* RFC 8768 §4: never forwarded; the client gets one of our own */
        cps_proxy_refuse(&out->refusal, CPS_PROXY_LOOP, rules->name);
        return false;
    }
    prepend_name(message, name, room, out);
    return true;
}
