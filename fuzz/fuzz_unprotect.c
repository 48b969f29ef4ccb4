// SPDX-License-Identifier: Apache-2.0
/* A sealed datagram as a peer sends it, under a provider that protects nothing: what a peer with the key could say, and
 * all that comes before. The first byte picks the context, the rest is the datagram. A refusal changes nothing; what
 * opens is a message in order, and goes round when it is protected again.
 *
 * covers: src/sec/oscore/unprotect.c src/sec/oscore/protect.c src/sec/oscore/split.c */
#include "fuzz.h"

#include "sec/oscore/protect.h"
#include "sec/oscore/split.h"

#define DATAGRAM_MAX 2048U
#define OUT_MAX      8192U

typedef struct ends {
    cps_crypto_t crypto;
    cps_oscore_ctx_t here;
    cps_oscore_ctx_t there;
    uint8_t plaintext[OUT_MAX];
    uint8_t joined[OUT_MAX];
    cps_writer_t plaintext_writer;
    cps_writer_t joined_writer;
} ends_t;

static void start(ends_t *e, unsigned pick)
{
    cps_oscore_params_t here = {.master_secret = cps_bytes_str("0123456789abcdef"),
                                .sender_id = cps_bytes_str("s"),
                                .recipient_id = cps_bytes("client!", pick & 7U),
                                .has_id_context = (pick & 8U) != 0,
                                .id_context = cps_bytes("id", (pick & 16U) >> 3U),
                                .window = (pick & 32U) != 0 ? 0 : 32};
    cps_oscore_params_t there = here;
    there.sender_id = here.recipient_id;
    there.recipient_id = here.sender_id;
    cps_crypto_null_init(&e->crypto);
    demand(cps_oscore_ctx_init(&e->here, &e->crypto, &here) == CPS_OK);
    demand(cps_oscore_ctx_init(&e->there, &e->crypto, &there) == CPS_OK);
    if ((pick & 64U) != 0)
        cps_oscore_window_restore(&e->here.window, 100, 0xff);
}

static cps_oscore_work_t work_of(ends_t *e)
{
    e->plaintext_writer = cps_writer(e->plaintext, sizeof e->plaintext);
    e->joined_writer = cps_writer(e->joined, sizeof e->joined);
    return (cps_oscore_work_t){&e->crypto, &e->plaintext_writer, &e->joined_writer};
}

/* Options rise, none is the OSCORE option, and no class E option came from outside alone. */
static void check_joined(const cps_msg_t *outer, const cps_msg_t *inner, cps_bytes_t plaintext)
{
    cps_bytes_t inside;
    cps_bytes_t payload;
    cps_bytes_t value;
    uint32_t last = 0;
    demand(cps_opt_split(cps_bytes(plaintext.ptr + 1, plaintext.len - 1), &inside, &payload) == CPS_OK);
    demand(cps_bytes_equal(payload, inner->payload) && inner->code == plaintext.ptr[0]);
    demand(inner->mid == outer->mid && inner->type == outer->type && cps_bytes_equal(inner->token, outer->token));
    cps_opt_walk_t walk = cps_opt_walk(inner->options);
    for (cps_option_t option; cps_opt_next(&walk, &option); last = option.number) {
        demand(option.number >= last && option.number != CPS_OPT_OSCORE);
        demand(cps_opt_find(inside, option.number, &value) || cps_opttab_class(option.number) == CPS_OPT_CLASS_U);
    }
    demand(!walk.r.failed);
}

/* Protect it again at the other end and open that here. Only a message that cannot be protected does not come back. */
static void go_round(ends_t *e, const cps_msg_t *inner)
{
    static uint8_t options[OUT_MAX];
    static uint8_t payload[OUT_MAX];
    static uint8_t out[OUT_MAX];
    cps_msg_t plain = *inner;
    memcpy(options, inner->options.ptr, inner->options.len);
    plain.options.ptr = options;
    cps_copy(payload, inner->payload.ptr, inner->payload.len);
    plain.payload.ptr = payload;
    cps_oscore_work_t work = work_of(e);
    cps_oscore_binding_t binding;
    cps_writer_t w = cps_writer(out, sizeof out);
    cps_err_t err = cps_oscore_protect_request(&e->there, &work, 1ULL << 39U, &plain, &w, &binding);
    if (err == CPS_ERR_BAD_URI || err == CPS_ERR_NO_SPACE)
        return;
    demand(err == CPS_OK);
    cps_msg_t outer;
    cps_bytes_t value;
    cps_oscopt_t option;
    cps_msg_t again;
    cps_oscore_receipt_t receipt;
    demand(cps_msg_parse(cps_written(&w), &outer) == CPS_OK);
    demand(cps_opt_find(outer.options, CPS_OPT_OSCORE, &value) && cps_oscopt_decode(value, &option) == CPS_OK);
    work = work_of(e);
    demand(cps_oscore_unprotect_request(&e->here, &work, &outer, &option, &again, &receipt) == CPS_OK);
    demand(again.code == plain.code && cps_bytes_equal(again.payload, plain.payload));
    if (!cps_opt_find(plain.options, CPS_OPT_PROXY_URI, &value)) /* which comes back as its parts */
        demand(cps_bytes_equal(again.options, plain.options));
}

static void as_request(ends_t *e, const cps_msg_t *outer)
{
    cps_bytes_t value;
    cps_oscopt_t option;
    cps_msg_t inner;
    cps_oscore_receipt_t receipt;
    if (!cps_opt_find(outer->options, CPS_OPT_OSCORE, &value) || cps_oscopt_decode(value, &option) != CPS_OK)
        return;
    cps_oscore_ctx_t before;
    memcpy(&before, &e->here, sizeof before);
    cps_oscore_work_t work = work_of(e);
    cps_err_t err = cps_oscore_unprotect_request(&e->here, &work, outer, &option, &inner, &receipt);
    // NOLINTNEXTLINE: a copy of all its bytes
    demand(memcmp(&before, &e->here, sizeof before) == 0);
    if (err != CPS_OK)
        return;
    check_joined(outer, &inner, cps_written(&e->plaintext_writer));
    if (e->here.window.known) {
        demand(cps_oscore_accept(&e->here, &receipt) == CPS_OK);
        demand(cps_oscore_accept(&e->here, &receipt) == CPS_ERR_REPLAY);
    } else {
        demand(cps_oscore_accept(&e->here, &receipt) == CPS_ERR_WINDOW_UNKNOWN);
    }
    if (receipt.number < 1ULL << 39U)
        go_round(e, &inner);
}

static void as_response(ends_t *e, const cps_msg_t *outer)
{
    const cps_oscore_binding_t binding = {.kid = "s", .kid_len = 1, .piv = {7}, .piv_len = 1};
    cps_msg_t inner;
    uint64_t number;
    cps_oscore_work_t work = work_of(e);
    if (cps_oscore_unprotect_response(&e->here, &work, outer, &binding, &inner, &number) == CPS_OK)
        check_joined(outer, &inner, cps_written(&e->plaintext_writer));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ends_t ends;
    cps_msg_t outer;
    if (size == 0 || size > DATAGRAM_MAX || cps_msg_parse(cps_bytes(data + 1, size - 1), &outer) != CPS_OK)
        return 0;
    start(&ends, data[0]);
    if (cps_code_is_request(outer.code)) /* the outer code says only which of the two it is */
        as_request(&ends, &outer);
    else
        as_response(&ends, &outer);
    return 0;
}
