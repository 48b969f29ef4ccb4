// SPDX-License-Identifier: Apache-2.0
/* The way to the next hop and back: addresses, sending, answers, and what is said where there is none. */
#include "proxy/inside.h"

/* ---- taking up ---- */

static bool keep_message(cps_pending_t *pending, cps_proxy_request_t *r)
{
    cps_writer_t w = cps_writer(pending->bytes, sizeof pending->bytes);
    cps_opt_writer_t options = cps_opt_writer(&w);
    cps_opt_put_list(&options, r->options, r->option_count);
    pending->options_len = (uint32_t)cps_written(&w).len;
    cps_write_bytes(&w, r->payload);
    pending->len = (uint32_t)cps_written(&w).len;
    return !w.failed;
}

static void begin(cps_proxy_t *p, cps_pending_t *pending, const cps_event_t *event, const char *where)
{
    const cps_event_request_t *request = &event->u.request;
    const cps_uri_t *next = p->options.next != NULL ? p->options.next : &p->request.uri;
    pending->request = event->handle;
    pending->client = request->path.remote;
    pending->deadline_us = cps_proxy_now(p) + p->timeout_us;
    pending->uri = p->request.uri;
    pending->port = next->port;
    pending->code = request->message.code;
    pending->confirmable = request->confirmable;
    pending->sealed = request->oscore;
    pending->verified = request->verified;
    memcpy(pending->where, where, strlen(where) + 1);
    cps_rng_fill(&p->driver.rng, pending->token, 4);
    cps_put_be32(pending->token + 4, p->tokens++);
}

/* ---- answers that are held until the client's address is proven ---- */

static cps_held_request_t held_request(const cps_pending_t *pending)
{
    return (cps_held_request_t){.client = pending->client,
                                .where = pending->where,
                                .code = pending->code,
                                .bytes = cps_bytes(pending->bytes, pending->len)};
}

/* A challenge of the next hop: 4.01 with Echo (RFC 9175 §2.3). */
static bool is_challenge(const cps_proxy_answer_t *answer, cps_bytes_t *echo)
{
    for (size_t i = 0; answer->code == CPS_UNAUTHORIZED && i < answer->option_count; i++) {
        if (answer->options[i].number != CPS_OPT_ECHO)
            continue;
        *echo = answer->options[i].value;
        return true;
    }
    return false;
}

/* The message to the next hop, with the Echo that it asked for. */
static bool add_echo(cps_pending_t *pending, cps_proxy_request_t *scratch, cps_bytes_t echo)
{
    uint8_t payload[CPS_PROXY_MESSAGE_MAX];
    uint8_t options[CPS_PROXY_MESSAGE_MAX];
    cps_opt_walk_t walk = cps_opt_walk(cps_bytes(options, pending->options_len));
    memcpy(options, pending->bytes, pending->options_len);
    scratch->payload = cps_bytes(payload, pending->len - pending->options_len);
    cps_copy(payload, pending->bytes + pending->options_len, scratch->payload.len);
    scratch->option_count = 0;
    while (scratch->option_count < CPS_PROXY_OPTIONS_MAX - 1 &&
           cps_opt_next(&walk, &scratch->options[scratch->option_count]))
        scratch->option_count++;
    scratch->options[scratch->option_count++] = (cps_option_t){CPS_OPT_ECHO, echo};
    return keep_message(pending, scratch);
}

/* The request that an answer is held for came again, with our Echo. A challenge of the next hop is met now: the request
 * was made after its Echo came (RFC 9175 §2.3). */
static bool hand_out(cps_proxy_t *p, cps_pending_t *pending)
{
    uint8_t store[CPS_HELD_BYTES_MAX];
    cps_held_request_t request = held_request(pending);
    cps_bytes_t echo;
    if (!cps_held_take(&p->held, cps_proxy_now(p), &request, &p->answer, store))
        return false;
    if (is_challenge(&p->answer, &echo)) {
        if (add_echo(pending, &p->request, echo))
            return false;
        cps_proxy_give_up(p, pending, CPS_PROXY_TOO_LARGE, NULL);
        return true;
    }
    if (cps_proxy_send_answer(p, pending->request, &p->answer, false) == CPS_OK)
        p->stats.answered++;
    else
        cps_proxy_drop(p, pending->request);
    cps_proxy_end(p, pending);
    return true;
}

/* Keep an answer and challenge the client. False where it cannot be kept. */
static bool hold(cps_proxy_t *p, cps_pending_t *pending)
{
    cps_held_request_t request = held_request(pending);
    cps_command_t challenge = {.kind = CPS_COMMAND_CHALLENGE, .u.handle = pending->request};
    cps_bytes_t echo;
    request.stays = cps_method_is_unsafe(pending->code) && !pending->sealed && !is_challenge(&p->answer, &echo);
    if (!cps_held_put(&p->held, cps_proxy_now(p), &request, &p->answer))
        return false;
    if (cps_proxy_submit(p, &challenge, NULL) == CPS_OK)
        p->stats.challenged++;
    else
        cps_proxy_drop(p, pending->request);
    cps_proxy_end(p, pending);
    return true;
}

/* ---- sending ---- */

/* Options and payload as they were kept, as a list. */
static size_t list_options(const cps_pending_t *pending, cps_option_t list[CPS_PROXY_OPTIONS_MAX])
{
    cps_opt_walk_t walk = cps_opt_walk(cps_bytes(pending->bytes, pending->options_len));
    size_t count = 0;
    while (count < CPS_PROXY_OPTIONS_MAX && cps_opt_next(&walk, &list[count]))
        count++;
    return count;
}

static cps_bytes_t payload_of(const cps_pending_t *pending)
{
    return cps_bytes(pending->bytes + pending->options_len, pending->len - pending->options_len);
}

static cps_err_t submit(cps_proxy_t *p, cps_pending_t *pending, const cps_addr_t *addr)
{
    cps_option_t list[CPS_PROXY_OPTIONS_MAX];
    bool group = cps_addr_is_multicast(addr);
    cps_time_us_t now = cps_proxy_now(p);
    cps_command_t command = {
        .kind = CPS_COMMAND_REQUEST,
        .u.request = {.code = pending->code,
                      /* RFC 7252 §8.1. To our endpoint a group is a host that stays silent: its members answer from
                       * addresses of their own, and what they say is not collected */
                      .non_confirmable = !pending->confirmable || group,
                      .no_repeat = true, /* an Echo is for the client (RFC 9175 §2.3) */
                      .options = list,
                      .option_count = list_options(pending, list),
                      .payload = payload_of(pending),
                      .token = cps_bytes(pending->token, sizeof pending->token),
                      .timeout_us = pending->deadline_us > now ? pending->deadline_us - now : 1,
                      .user = cps_proxy_ticket(p, pending)}};
    cps_path_t *path = &command.u.request.path;
    cps_err_t err = p->driver.socket(p->driver.self, (cps_family_t)addr->family, &path->socket);
    if (err != CPS_OK)
        return err;
    path->remote = *addr;
    path->ifindex = addr->scope_id;
    p->upstream_sockets |= 1U << path->socket;
    return cps_proxy_submit(p, &command, &pending->upstream);
}

/* What an error of ours is to the client. */
static cps_proxy_reason_t reason_of(cps_err_t err)
{
    static const struct {
        cps_err_t err;
        cps_proxy_reason_t reason;
    } reasons[] = {
        {CPS_ERR_SILENT, CPS_PROXY_TIMEOUT},      {CPS_ERR_TIMEOUT, CPS_PROXY_TIMEOUT},
        {CPS_ERR_RESET, CPS_PROXY_RESET},         {CPS_ERR_UNREACHABLE, CPS_PROXY_UNREACHABLE},
        {CPS_ERR_TOO_LARGE, CPS_PROXY_TOO_LARGE}, {CPS_ERR_FULL, CPS_PROXY_FULL},
        {CPS_ERR_BUSY, CPS_PROXY_FULL},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].err == err)
            return reasons[i].reason;
    return CPS_PROXY_LOCAL_ERROR;
}

static void give_up_for(cps_proxy_t *p, cps_pending_t *pending, cps_err_t err)
{
    cps_proxy_reason_t reason = reason_of(err);
    cps_proxy_give_up(p, pending, reason, reason == CPS_PROXY_LOCAL_ERROR ? cps_err_text(err) : pending->where);
}

/* A name that leads here: what is kept of the message says all that the proxy as origin has to know. */
static void serve(cps_proxy_t *p, cps_pending_t *pending)
{
    cps_option_t path[CPS_PROXY_OPTIONS_MAX];
    cps_message_t message = {pending->code, cps_bytes(pending->bytes, pending->options_len), payload_of(pending)};
    size_t count = cps_proxy_path_of(&message, path);
    if (!cps_proxy_local(&message, path, count, &p->answer)) {
        cps_proxy_account(p, &pending->client, pending->where, &p->answer.refusal);
        cps_proxy_owe(p, pending, &p->answer.refusal);
        return;
    }
    p->stats.local++;
    if (cps_proxy_send_answer(p, pending->request, &p->answer, false) != CPS_OK)
        cps_proxy_drop(p, pending->request);
    cps_proxy_end(p, pending);
}

/* Send to the first address that is left and allowed. Addresses of a next proxy are the configuration's own. */
static void try_next(cps_proxy_t *p, cps_pending_t *pending)
{
    char text[CPS_ADDR_TEXT_MAX] = "-";
    while (pending->addr_at < pending->addr_count) {
        cps_addr_t *addr = &pending->addrs[pending->addr_at++];
        addr->port = pending->port;
        cps_addr_format_ip(addr, text);
        if (p->options.next == NULL && cps_proxy_self_has_addr(&p->self, addr)) {
            serve(p, pending); /* RFC 7252 §5.7.2: an alias of our own */
            return;
        }
        if (p->options.next == NULL && !cps_proxy_may_reach(p->options.targets, &pending->uri, addr))
            continue;
        cps_err_t err = submit(p, pending, addr);
        if (err != CPS_OK) {
            give_up_for(p, pending, err);
            return;
        }
        if (pending->state == CPS_PENDING_NAME) {
            p->stats.forwarded++;
            p->stats.sealed += pending->sealed;
        }
        pending->state = CPS_PENDING_SENT;
        return;
    }
    cps_proxy_give_up(p, pending, CPS_PROXY_ADDRESS, text);
}

void cps_proxy_forward(cps_proxy_t *p, const cps_event_t *event, const char *where)
{
    const cps_uri_t *next = p->options.next != NULL ? p->options.next : &p->request.uri;
    cps_pending_t *pending = cps_pool_take(&p->pending);
    cps_proxy_refusal_t full;
    if (pending == NULL) {
        cps_proxy_refuse(&full, CPS_PROXY_FULL, NULL);
        cps_proxy_account(p, &event->u.request.path.remote, where, &full);
        if (cps_proxy_send_refusal(p, event->handle, &full) != CPS_OK)
            cps_proxy_drop(p, event->handle);
        return;
    }
    begin(p, pending, event, where);
    if (!keep_message(pending, &p->request)) {
        cps_proxy_give_up(p, pending, CPS_PROXY_TOO_LARGE, NULL);
        return;
    }
    if (event->u.request.verified && hand_out(p, pending))
        return;
    if (cps_proxy_literal(next, &pending->addrs[0])) {
        pending->addr_count = 1;
        try_next(p, pending);
        return;
    }
    pending->name_until_us = cps_proxy_now(p) + CPS_PROXY_NAME_US;
    if (pending->deadline_us < pending->name_until_us)
        pending->name_until_us = pending->deadline_us;
    cps_proxy_wake_at(p, pending->name_until_us);
    uint64_t ticket = cps_proxy_ticket(p, pending);
    cps_err_t err = p->options.lookup.start(p->options.lookup.self, next->host, ticket);
    if (err != CPS_OK && cps_proxy_find(p, ticket) == pending)
        cps_proxy_give_up(p, pending, err == CPS_ERR_RESOLVE ? CPS_PROXY_NAME : CPS_PROXY_FULL, next->host);
}

void cps_proxy_resolved(cps_proxy_t *proxy, uint64_t ticket, cps_err_t err, const cps_addr_t *addrs, size_t count)
{
    cps_pending_t *pending = cps_proxy_find(proxy, ticket);
    if (pending == NULL || pending->state != CPS_PENDING_NAME || pending->addr_count != 0)
        return;
    const char *name = proxy->options.next != NULL ? proxy->options.next->host : pending->uri.host;
    if (err != CPS_OK || count == 0) {
        cps_proxy_give_up(proxy, pending, CPS_PROXY_NAME, name);
        return;
    }
    pending->addr_count = (uint8_t)(count < CPS_PROXY_ADDRS_MAX ? count : CPS_PROXY_ADDRS_MAX);
    memcpy(pending->addrs, addrs, pending->addr_count * sizeof *addrs);
    try_next(proxy, pending);
}

/* ---- answers ---- */

void cps_proxy_on_response(cps_proxy_t *p, const cps_event_t *event)
{
    const cps_event_response_t *response = &event->u.response;
    cps_pending_t *pending = cps_proxy_find(p, response->user);
    cps_bytes_t echo;
    if (pending == NULL)
        return;
    if (!cps_proxy_judge_answer(&response->message, &p->rules, CPS_PROXY_MESSAGE_MAX, &p->answer)) {
        cps_proxy_account(p, &pending->client, pending->where, &p->answer.refusal);
        cps_proxy_owe(p, pending, &p->answer.refusal);
        return;
    }
    /* two challenges one after the other would be one too many for the client: ours stands for the next hop's too */
    if (!pending->verified && is_challenge(&p->answer, &echo) && hold(p, pending))
        return;
    /* what is safe is asked again instead: the endpoint challenges by itself then */
    bool kept = cps_method_is_unsafe(pending->code) || pending->sealed;
    cps_err_t err = cps_proxy_send_answer(p, pending->request, &p->answer, kept);
    if (err == CPS_ERR_NOT_FRESH && hold(p, pending))
        return;
    if (err == CPS_ERR_NOT_FRESH)
        err = CPS_ERR_TOO_LARGE;
    if (err == CPS_ERR_TOO_LARGE) {
        cps_proxy_give_up(p, pending, CPS_PROXY_ANSWER_TOO_LARGE, NULL);
        return;
    }
    if (err != CPS_OK && err != CPS_ERR_STALE) {
        cps_proxy_give_up(p, pending, CPS_PROXY_LOCAL_ERROR, cps_err_text(err));
        return;
    }
    if (err == CPS_OK)
        p->stats.answered++;
    else
        p->stats.late++; /* the client's exchange is over */
    if (p->options.log != NULL)
        CPS_LOG(p->options.log, CPS_LOG_DEBUG, "proxy_answer", cps_log_addr("client", &pending->client),
                cps_log_text("target", pending->where), cps_log_number("code", response->message.code));
    cps_proxy_end(p, pending);
}

void cps_proxy_on_failed(cps_proxy_t *p, const cps_event_t *event)
{
    const cps_event_failed_t *failed = &event->u.failed;
    cps_pending_t *pending = cps_proxy_find(p, failed->user);
    if (pending == NULL)
        return;
    if (failed->err == CPS_ERR_UNREACHABLE && pending->addr_at < pending->addr_count)
        try_next(p, pending); /* nobody is there: another address of the same name */
    else
        give_up_for(p, pending, failed->err);
}

/* ---- malformed answers ---- */

static cps_pending_t *find_token(const cps_proxy_t *p, const cps_datagram_t *datagram, cps_bytes_t token)
{
    for (uint32_t i = 0; i < p->pending.touched; i++) {
        cps_pending_t *pending = cps_pool_at(&p->pending, i);
        if (!cps_pool_live(&p->pending, i) || pending->state != CPS_PENDING_SENT)
            continue;
        const cps_addr_t *asked = &pending->addrs[pending->addr_at - 1];
        if (cps_bytes_equal(token, cps_bytes(pending->token, sizeof pending->token)) &&
            cps_addr_equal(asked, &datagram->path.remote))
            return pending;
    }
    return NULL;
}

/* The endpoint drops a malformed message, as it must (RFC 7252 §4.2, §4.3); a proxy has to say 5.02 as well where that
 * was the answer (§5.7.1). Source and token are what makes it one, as with any answer (§5.3.2). */
void cps_proxy_on_datagram(cps_proxy_t *p, const cps_datagram_t *datagram)
{
    cps_msg_t msg;
    const cps_bytes_t bytes = datagram->bytes;
    if ((p->upstream_sockets >> datagram->path.socket & 1U) == 0 || bytes.len < CPS_HEADER_LEN)
        return;
    size_t token_len = bytes.ptr[0] & 15U;
    if (token_len > CPS_TOKEN_MAX || bytes.len < CPS_HEADER_LEN + token_len || cps_code_class(bytes.ptr[1]) == 0 ||
        cps_msg_parse(bytes, &msg) != CPS_ERR_FORMAT)
        return;
    cps_pending_t *pending = find_token(p, datagram, cps_bytes(bytes.ptr + CPS_HEADER_LEN, token_len));
    if (pending == NULL)
        return;
    cps_command_t cancel = {.kind = CPS_COMMAND_CANCEL, .u.handle = pending->upstream};
    if (cps_proxy_submit(p, &cancel, NULL) == CPS_OK)
        cps_proxy_give_up(p, pending, CPS_PROXY_ANSWER_FORMAT, pending->where);
}
