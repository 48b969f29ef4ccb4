// SPDX-License-Identifier: Apache-2.0
/* -v: "<" and ">" as in curl, the outer message first, and under it what only the two ends see. */
#include "cli/show.h"

#include "wire/opttab.h"
#include "wire/oscopt.h"
#include "wire/uri.h"

#include <stdlib.h>

enum { LEVEL_DATAGRAMS = 2, LEVEL_BYTES = 3 };

static const uint16_t no_option[] = {0};
static const uint16_t path_options[] = {CPS_OPT_URI_PATH, CPS_OPT_URI_QUERY, 0};

/* ---- one message ---- */

/* "/a/b?x=1" of a request that has a path of its own. */
static void show_path(cps_bytes_t options)
{
    uint8_t buf[2048];
    char text[2048];
    cps_bytes_t value;
    cps_writer_t w = cps_writer(buf, sizeof buf);
    if (cps_opt_find(options, CPS_OPT_OSCORE, &value) || cps_opt_find(options, CPS_OPT_PROXY_URI, &value) ||
        cps_uri_join_path(options, &w) != CPS_OK)
        return;
    fprintf(stderr, " %s", cps_text_clean(cps_written(&w), false, text, sizeof text));
}

static void show_code(const cps_msg_t *msg, bool with_type)
{
    static const char *const types[] = {"CON", "NON", "ACK", "RST"};
    char digits[8];
    if (with_type || msg->type == CPS_NON)
        fprintf(stderr, " %s", types[msg->type & 3U]);
    fprintf(stderr, " %s %s", cps_code_digits(msg->code, digits), cps_code_text(msg->code));
}

static void show_message(bool outbound, const cps_msg_t *msg, bool with_type)
{
    char token[2 * CPS_TOKEN_MAX + 1];
    cps_bytes_t value;
    bool is_sealed = cps_opt_find(msg->options, CPS_OPT_OSCORE, &value);
    fputc(outbound ? '>' : '<', stderr);
    show_code(msg, with_type);
    if (cps_code_is_request(msg->code))
        show_path(msg->options);
    fprintf(stderr, "  mid 0x%04x", msg->mid);
    if (msg->token.len != 0 && cps_hex_encode(msg->token, token, sizeof token))
        fprintf(stderr, "  token %s", token);
    cps_show_options(stderr, msg->options, path_options);
    if (is_sealed && msg->payload.len != 0)
        fprintf(stderr, "  %zu bytes sealed", msg->payload.len);
    else
        cps_show_payload(stderr, msg->payload);
    fputc('\n', stderr);
}

static void show_bytes(cps_bytes_t bytes)
{
    fputs("  ", stderr);
    for (size_t i = 0; i < bytes.len; i++)
        fprintf(stderr, "%02x", bytes.ptr[i]);
    fputc('\n', stderr);
}

/* ---- the request ---- */

/* "* credential phone: sealed with OSCORE, kid 7a, partial IV 412" */
static void show_credential(const cps_show_trace_t *trace, const cps_msg_t *msg)
{
    char kid[2 * CPS_URI_HOST_MAX + 1] = "";
    cps_bytes_t value;
    cps_oscopt_t oscore;
    uint64_t number = 0;
    if (trace->credential == NULL) {
        fprintf(stderr, "* not sealed: %s\n",
                trace->ask->plain ? "--plain" : "no credential of the keyring is for this URI");
        return;
    }
    if (!cps_opt_find(msg->options, CPS_OPT_OSCORE, &value) || cps_oscopt_decode(value, &oscore) != CPS_OK ||
        cps_partial_iv_decode(oscore.partial_iv, &number) != CPS_OK || !cps_hex_encode(oscore.kid, kid, sizeof kid))
        return;
    fprintf(stderr, "* credential %s: sealed with OSCORE, kid %s, partial IV %llu\n", trace->credential,
            kid[0] != '\0' ? kid : "empty", (unsigned long long)number);
}

/* ">   0.03 PUT /lock  unlocked": what the URI and the command line say, and only the two ends see. */
static void show_inside(const cps_show_trace_t *trace)
{
    const cps_ask_t *ask = trace->ask;
    char digits[8];
    uint8_t buf[CPS_ASK_BYTES_MAX + 5 * CPS_ASK_OPTIONS_MAX];
    cps_option_t list[CPS_ASK_OPTIONS_MAX];
    cps_uri_t uri;
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_opt_writer_t options = cps_opt_writer(&w);
    if (cps_uri_parse(cps_bytes_str(ask->uri), &uri, NULL) != CPS_OK)
        return;
    memcpy(list, ask->options, ask->option_count * sizeof *list);
    cps_opt_put_list(&options, list, ask->option_count);
    const char *path = (const char *)uri.path.ptr;
    fprintf(stderr, ">   %s %s %s%s", cps_code_digits((uint8_t)ask->method, digits),
            cps_code_text((uint8_t)ask->method), uri.path.len == 0 ? "/" : "", path);
    cps_show_options(stderr, cps_written(&w), no_option);
    cps_show_payload(stderr, trace->payload);
    fputc('\n', stderr);
}

static bool is_copy(cps_show_trace_t *trace, uint16_t mid)
{
    unsigned room = sizeof trace->mids / sizeof trace->mids[0];
    for (unsigned i = 0; i < trace->mid_count && i < room; i++)
        if (trace->mids[i] == mid)
            return true;
    trace->mids[trace->mid_count++ % room] = mid;
    return false;
}

static void show_request(cps_show_trace_t *trace, const cps_msg_t *msg)
{
    if (is_copy(trace, msg->mid)) {
        fprintf(stderr, "> sent again, mid 0x%04x: no answer so far\n", msg->mid);
        return;
    }
    if (trace->resealed) { /* the note has told it */
        trace->resealed = false;
        return;
    }
    if (!trace->told)
        show_credential(trace, msg);
    show_message(true, msg, false);
    if (!trace->told && trace->credential != NULL)
        show_inside(trace);
    trace->told = true;
}

/* ---- hooks ---- */

static void on_chosen(void *user, const char *credential)
{
    cps_show_trace_t *trace = user;
    trace->credential = credential;
}

static void on_datagram(void *user, bool outbound, const cps_datagram_t *datagram)
{
    cps_show_trace_t *trace = user;
    cps_msg_t msg;
    if (cps_msg_parse(datagram->bytes, &msg) != CPS_OK) {
        fprintf(stderr, "%c %zu bytes that are no CoAP message\n", outbound ? '>' : '<', datagram->bytes.len);
        return;
    }
    if (outbound && cps_code_is_request(msg.code))
        show_request(trace, &msg);
    if (trace->ask->verbose >= LEVEL_DATAGRAMS)
        show_message(outbound, &msg, true);
    else if (!outbound && msg.code == CPS_EMPTY)
        fprintf(stderr, "< %s\n", msg.type == CPS_RST ? "Reset" : "acknowledged: the answer comes later");
    if (trace->ask->verbose >= LEVEL_BYTES)
        show_bytes(datagram->bytes);
}

static void on_note(void *user, const cps_event_note_t *note)
{
    cps_show_trace_t *trace = user;
    char digits[8];
    switch (note->kind) {
    case CPS_NOTE_RESEALED:
        fputs("< 4.01 Unauthorized (sealed)  Echo: the server asks for proof of freshness\n", stderr);
        fprintf(stderr, "> repeated with Echo, partial IV %llu\n", (unsigned long long)note->number);
        trace->resealed = true;
        break;
    case CPS_NOTE_UNAUTHENTICATED:
        fprintf(stderr, "< %s %s (not sealed: a hint, no answer; waiting for the genuine one)\n",
                cps_code_digits((uint8_t)note->number, digits), cps_code_text((uint8_t)note->number));
        break;
    case CPS_NOTE_REKEYED:
        fputs("* fresh keys derived (RFC 8613 B.2), and stored\n", stderr);
        break;
    case CPS_NOTE_BAD_ANSWER:
        fputs("< an answer that does not verify: dropped\n", stderr);
        break;
    default:
        if (trace->ask->verbose >= LEVEL_DATAGRAMS)
            fprintf(stderr, "* %s\n", cps_note_name(note->kind));
        break;
    }
}

cps_client_trace_t cps_show_trace(cps_show_trace_t *trace)
{
    return (cps_client_trace_t){on_chosen, on_datagram, on_note, trace};
}

void cps_show_response_line(const cps_response_t *response)
{
    char digits[8];
    const cps_message_t *message = cps_response_message(response);
    double ms = (double)cps_response_round_trip_us(response) / 1000.0;
    fprintf(stderr, "< %s %s", cps_code_digits(message->code, digits), cps_code_text(message->code));
    if (cps_response_sealed(response))
        fputs(" (sealed)", stderr);
    cps_show_options(stderr, message->options, no_option);
    if (message->payload.len != 0)
        fprintf(stderr, "  %zu bytes", message->payload.len);
    if (ms > 0)
        fprintf(stderr, "  round trip %.*f ms", ms < 10 ? 1 : 0, ms);
    fputc('\n', stderr);
}
