// SPDX-License-Identifier: Apache-2.0
/* Requests: numbers, protection, refusal, acceptance (RFC 8613 §8), message by message. */
#include "oscore_kit.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

static void lease_all(cps_oscore_seq_t *seq, uint64_t next)
{
    cps_oscore_seq_restore(seq, next);
    (void)cps_oscore_seq_ask(seq, 0);
    cps_oscore_seq_granted(seq, next + CPS_SEQ_LEASE_MIN);
}

static void new_context_starts_at_zero(void **state)
{
    (void)state;
    kit_t k;
    uint64_t number;
    cps_bytes_t sealed;
    cps_oscore_binding_t binding;
    cps_msg_t plain = kit_message(CPS_GET, "");
    kit_start(&k);
    lease_all(&k.client.seq, 0); /* what the store has for a key that never sent */
    assert_ok(cps_oscore_seq_take(&k.client.seq, &number));
    assert_ok(kit_seal_request(&k, number, &plain, &sealed, &binding));
    assert_bytes(hex("0900"), kit_option(sealed));
    assert_ok(kit_deliver(&k, 31));
    assert_ok(kit_deliver(&k, 0)); /* the other edge of the window of 32 */
    kit_fini(&k);
}

static void partial_iv_is_minimal(void **state)
{
    (void)state;
    static const struct {
        uint64_t number;
        const char *option; /* of a request: flags, Partial IV, empty kid */
    } rows[] = {{0, "0900"}, {1, "0901"}, {255, "09ff"}, {256, "0a0100"}, {CPS_SEQ_LIMIT - 1, "0dffffffffff"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        kit_t k;
        cps_bytes_t sealed;
        cps_oscore_binding_t binding;
        cps_msg_t plain = kit_message(CPS_GET, "");
        kit_start(&k);
        assert_ok(kit_seal_request(&k, rows[i].number, &plain, &sealed, &binding));
        assert_bytes(hex(rows[i].option), kit_option(sealed));
        assert_ok(kit_deliver(&k, rows[i].number));
        kit_fini(&k);
    }
}

static void numbers_end_at_2_to_40(void **state)
{
    (void)state;
    kit_t k;
    uint64_t number;
    cps_bytes_t sealed;
    cps_oscore_binding_t binding;
    cps_msg_t plain = kit_message(CPS_GET, "");
    kit_start(&k);
    lease_all(&k.client.seq, CPS_SEQ_LIMIT - 1);
    assert_ok(cps_oscore_seq_take(&k.client.seq, &number));
    assert_ok(kit_seal_request(&k, number, &plain, &sealed, &binding));
    for (int i = 0; i < 3; i++)
        assert_err(CPS_ERR_SEQ_EXHAUSTED, cps_oscore_seq_take(&k.client.seq, &number));
    unsigned seals = k.spy.seals;
    assert_err(CPS_ERR_SEQ_EXHAUSTED, kit_seal_request(&k, CPS_SEQ_LIMIT, &plain, &sealed, &binding));
    plain = kit_message(CPS_CONTENT, "");
    binding.nonce_used = false;
    assert_err(CPS_ERR_SEQ_EXHAUSTED, kit_seal_response(&k, CPS_SEQ_LIMIT, &plain, &sealed, &binding));
    assert_int_equal(k.spy.seals, seals);
    kit_fini(&k);
}

static void outer_code_is_discarded(void **state)
{
    (void)state;
    kit_t k;
    cps_msg_t plain = kit_message(CPS_GET, "");
    cps_msg_t inner = {.code = CPS_EMPTY};
    cps_oscore_receipt_t receipt;
    cps_oscore_binding_t binding;
    uint8_t datagram[KIT_BYTES_MAX];
    kit_start(&k);
    cps_bytes_t sealed = kit_sealed(&k, 0, &plain, datagram, &binding);
    datagram[1] = CPS_PUT;
    assert_ok(kit_open_request(&k, sealed, &inner, &receipt));
    assert_int_equal(inner.code, CPS_GET);
    kit_assert_same(&plain, &inner);
    kit_fini(&k);
}

/* The same sealed request with that kid context in its option, or none. */
static cps_err_t open_with_kid_context(kit_t *k, cps_bytes_t sealed, const char *kid_context)
{
    cps_msg_t outer = kit_parse(sealed);
    cps_oscopt_t option;
    cps_oscore_work_t work = kit_work(k);
    cps_msg_t inner;
    cps_oscore_receipt_t receipt;
    assert_ok(cps_oscopt_decode(kit_option(sealed), &option));
    option.has_kid_context = kid_context != NULL;
    option.kid_context = cps_bytes_str(kid_context);
    return cps_oscore_unprotect_request(&k->server, &work, &outer, &option, &inner, &receipt);
}

static void kid_context_has_to_fit(void **state)
{
    (void)state;
    kit_t k;
    cps_oscore_binding_t binding;
    cps_msg_t plain = kit_message(CPS_GET, "");
    cps_oscore_params_t params = kit_params();
    uint8_t datagram[KIT_BYTES_MAX];
    params.has_id_context = true;
    params.id_context = cps_bytes_str("house");
    kit_init(&k, &params);
    cps_bytes_t sealed = kit_sealed(&k, 0, &plain, datagram, &binding);
    assert_err(CPS_ERR_NO_CONTEXT, open_with_kid_context(&k, sealed, "other"));
    assert_err(CPS_ERR_NO_CONTEXT, open_with_kid_context(&k, sealed, "hous"));
    assert_err(CPS_ERR_NO_CONTEXT, open_with_kid_context(&k, sealed, ""));
    assert_int_equal(cps_err_code(CPS_ERR_NO_CONTEXT), CPS_UNAUTHORIZED);
    assert_int_equal(k.spy.opens, 0);
    assert_ok(open_with_kid_context(&k, sealed, "house"));
    assert_ok(open_with_kid_context(&k, sealed, NULL)); /* it may be left out where the server knows (§5.1) */
    kit_fini(&k);
    kit_start(&k); /* a context without ID Context is no answer to a kid context, not even to an empty one */
    sealed = kit_sealed(&k, 0, &plain, datagram, &binding);
    assert_err(CPS_ERR_NO_CONTEXT, open_with_kid_context(&k, sealed, ""));
    assert_err(CPS_ERR_NO_CONTEXT, open_with_kid_context(&k, sealed, "house"));
    kit_fini(&k);
}

static void request_needs_all_its_fields(void **state)
{
    (void)state;
    static const struct {
        const char *partial_iv;
        const char *kid; /* NULL: none */
        cps_err_t expected;
    } rows[] = {
        {"", NULL, CPS_ERR_OSCORE_DECODE},   /* the empty option */
        {"", "", CPS_ERR_OSCORE_DECODE},     /* no Partial IV */
        {"00", NULL, CPS_ERR_OSCORE_DECODE}, /* no kid */
        {"0000", "", CPS_ERR_OSCORE_DECODE}, /* not minimal */
        {"00", "02", CPS_ERR_NO_CONTEXT},    /* of somebody else */
        {"00", "", CPS_OK},
    };
    kit_t k;
    cps_oscore_binding_t binding;
    cps_msg_t plain = kit_message(CPS_GET, "");
    cps_msg_t inner;
    cps_oscore_receipt_t receipt;
    uint8_t datagram[KIT_BYTES_MAX];
    kit_start(&k);
    cps_msg_t outer = kit_parse(kit_sealed(&k, 0, &plain, datagram, &binding));
    for (size_t i = 0; i < COUNT(rows); i++) {
        cps_oscore_work_t work = kit_work(&k);
        cps_oscopt_t option = {.has_kid = rows[i].kid != NULL};
        option.partial_iv = hex(rows[i].partial_iv);
        option.kid = hex(rows[i].kid != NULL ? rows[i].kid : "");
        assert_err(rows[i].expected, cps_oscore_unprotect_request(&k.server, &work, &outer, &option, &inner, &receipt));
        assert_int_equal(k.spy.opens, rows[i].expected == CPS_OK);
    }
    kit_fini(&k);
}

static void message_needs_a_payload(void **state)
{
    (void)state;
    kit_t k;
    cps_oscore_binding_t client;
    cps_oscore_binding_t server;
    cps_msg_t plain = kit_message(CPS_GET, "");
    cps_msg_t inner;
    cps_oscore_receipt_t receipt;
    uint8_t datagram[KIT_BYTES_MAX];
    uint8_t without[KIT_BYTES_MAX];
    kit_start(&k);
    cps_msg_t outer = kit_parse(kit_sealed(&k, 0, &plain, datagram, &client));
    outer.payload.len = 0;
    cps_bytes_t empty = kit_write(&outer, without, sizeof without);
    assert_err(CPS_ERR_OSCORE_DECODE, kit_open_request(&k, empty, &inner, &receipt));
    assert_int_equal(cps_err_code(CPS_ERR_OSCORE_DECODE), CPS_BAD_OPTION);
    kit_ask(&k, 1, &client, &server);
    cps_bytes_t sealed;
    plain = kit_message(CPS_CONTENT, "");
    assert_ok(kit_seal_response(&k, CPS_OSCORE_REQUEST_NONCE, &plain, &sealed, &server));
    outer = kit_parse(sealed);
    outer.payload.len = 0;
    empty = kit_write(&outer, without, sizeof without);
    assert_err(CPS_ERR_OSCORE_DECODE, kit_open_response(&k, empty, &client, &inner, NULL));
    outer.options.len = 0;
    empty = kit_write(&outer, without, sizeof without);
    assert_err(CPS_ERR_UNPROTECTED, kit_open_response(&k, empty, &client, &inner, NULL));
    kit_fini(&k);
}

/* Ciphertexts from the tag's length down: there is no plaintext in them. */
static void short_ciphertext_does_not_verify(void **state)
{
    (void)state;
    kit_t k;
    cps_oscore_binding_t binding;
    cps_msg_t plain = kit_message(CPS_GET, "");
    cps_msg_t inner;
    cps_oscore_receipt_t receipt;
    uint8_t datagram[KIT_BYTES_MAX];
    uint8_t cut[KIT_BYTES_MAX];
    kit_start(&k);
    cps_msg_t outer = kit_parse(kit_sealed(&k, 0, &plain, datagram, &binding));
    for (size_t len = outer.payload.len - 1; len > 0; len--) {
        outer.payload.len = len;
        assert_err(CPS_ERR_DECRYPT, kit_open_request(&k, kit_write(&outer, cut, sizeof cut), &inner, &receipt));
    }
    kit_fini(&k);
}

static void forgery_does_not_move_the_window(void **state)
{
    (void)state;
    kit_t k;
    cps_oscore_binding_t binding;
    cps_msg_t plain = kit_message(CPS_PUT, "open");
    cps_msg_t inner;
    cps_oscore_receipt_t receipt;
    uint8_t datagram[KIT_BYTES_MAX];
    kit_start(&k);
    assert_ok(kit_deliver(&k, 5));
    cps_oscore_ctx_t before = k.server;
    cps_bytes_t sealed = kit_sealed(&k, 1000000, &plain, datagram, &binding);
    datagram[sealed.len - 1] ^= 1;
    assert_err(CPS_ERR_DECRYPT, kit_open_request(&k, sealed, &inner, &receipt));
    assert_memory_equal(&before, &k.server, sizeof before);
    assert_ok(kit_deliver(&k, 6));
    assert_ok(kit_deliver(&k, 4));
    kit_fini(&k);
}

/* Authentic, but not accepted yet: two copies open, one is accepted, and the window was not touched before. */
static void only_acceptance_moves_the_window(void **state)
{
    (void)state;
    kit_t k;
    cps_oscore_binding_t binding;
    cps_msg_t plain = kit_message(CPS_PUT, "open");
    cps_msg_t inner;
    cps_oscore_receipt_t one;
    cps_oscore_receipt_t other;
    uint8_t datagram[KIT_BYTES_MAX];
    kit_start(&k);
    cps_bytes_t sealed = kit_sealed(&k, 7, &plain, datagram, &binding);
    assert_ok(kit_open_request(&k, sealed, &inner, &one));
    assert_ok(kit_open_request(&k, sealed, &inner, &other));
    assert_ok(cps_oscore_accept(&k.server, &one));
    assert_err(CPS_ERR_REPLAY, cps_oscore_accept(&k.server, &other));
    assert_err(CPS_ERR_REPLAY, cps_oscore_accept(&k.server, &one));
    assert_true(other.binding.nonce_used); /* nothing goes under its nonce */
    unsigned opens = k.spy.opens;
    assert_err(CPS_ERR_REPLAY, kit_open_request(&k, sealed, &inner, &other));
    assert_int_equal(k.spy.opens, opens); /* a known replay is refused before it costs a decryption */
    kit_fini(&k);
}

static void unknown_window_is_recovered_once(void **state)
{
    (void)state;
    kit_t k;
    cps_oscore_binding_t binding;
    cps_msg_t plain = kit_message(CPS_PUT, "open");
    cps_msg_t challenge = kit_message(CPS_UNAUTHORIZED, "");
    cps_msg_t inner;
    cps_bytes_t out;
    cps_oscore_receipt_t first;
    cps_oscore_receipt_t second;
    uint8_t datagram[KIT_BYTES_MAX];
    kit_start(&k);
    cps_oscore_window_forget(&k.server.window);
    cps_bytes_t sealed = kit_sealed(&k, 40, &plain, datagram, &binding);
    assert_ok(kit_open_request(&k, sealed, &inner, &first)); /* so that its Echo can be read */
    assert_ok(kit_open_request(&k, sealed, &inner, &second));
    assert_err(CPS_ERR_WINDOW_UNKNOWN, cps_oscore_accept(&k.server, &first));
    /* it may have been answered before the crash: never under its nonce (appendix B.1.2) */
    assert_err(CPS_ERR_ARGUMENT, kit_seal_response(&k, CPS_OSCORE_REQUEST_NONCE, &challenge, &out, &first.binding));
    assert_ok(kit_seal_response(&k, 3, &challenge, &out, &first.binding));
    assert_ok(cps_oscore_accept_recovered(&k.server, &first));
    assert_ok(kit_seal_response(&k, CPS_OSCORE_REQUEST_NONCE, &challenge, &out, &first.binding));
    assert_err(CPS_ERR_REPLAY, cps_oscore_accept_recovered(&k.server, &second)); /* a copy that was on its way */
    assert_err(CPS_ERR_REPLAY, kit_deliver(&k, 39));
    assert_err(CPS_ERR_REPLAY, kit_deliver(&k, 40));
    assert_ok(kit_deliver(&k, 41));
    kit_fini(&k);
}

/* Options that somebody put outside, and what the request is all the same. */
static void outer_options_do_not_count(void **state)
{
    (void)state;
    kit_t k;
    cps_oscore_binding_t binding;
    cps_msg_t plain = kit_message(CPS_PUT, "open");
    cps_msg_t inner = {.code = CPS_EMPTY};
    cps_oscore_receipt_t receipt;
    cps_bytes_t value = cps_bytes(NULL, 0);
    uint8_t datagram[KIT_BYTES_MAX];
    uint8_t options[256];
    uint8_t changed[KIT_BYTES_MAX];
    kit_start(&k);
    cps_msg_t outer = kit_parse(kit_sealed(&k, 0, &plain, datagram, &binding));
    cps_option_t list[] = {
        {CPS_OPT_IF_MATCH, cps_bytes_str("never")},
        {CPS_OPT_ETAG, cps_bytes_str("etag")},
        {CPS_OPT_IF_NONE_MATCH, cps_bytes_str("")},
        {CPS_OPT_URI_PATH, cps_bytes_str("other")},
        {CPS_OPT_URI_QUERY, cps_bytes_str("q")},
        {CPS_OPT_OBSERVE, cps_bytes_str("")},
        {CPS_OPT_BLOCK1, cps_bytes_str("\x0e")},
        {CPS_OPT_ECHO, cps_bytes_str("echo")},
        {CPS_OPT_NO_RESPONSE, cps_bytes_str("\x1a")},
        {65001, cps_bytes_str("critical")},
        {CPS_OPT_OSCORE, kit_option(cps_bytes(datagram, (size_t)(outer.payload.ptr + outer.payload.len - datagram)))},
        {CPS_OPT_URI_HOST, cps_bytes_str("host")},
    };
    cps_writer_t w = cps_writer(options, sizeof options);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    cps_opt_put_list(&ow, list, COUNT(list));
    outer.options = cps_written(&w);
    assert_ok(kit_open_request(&k, kit_write(&outer, changed, sizeof changed), &inner, &receipt));
    assert_true(cps_opt_find(inner.options, CPS_OPT_URI_HOST, &value)); /* class U: stays */
    assert_bytes(cps_bytes_str("host"), value);
    const uint8_t expected[] = {0x34, 'h', 'o', 's', 't', 0x84, 'l', 'o', 'c', 'k'};
    assert_bytes(cps_bytes(expected, sizeof expected), inner.options);
    assert_int_equal(inner.code, CPS_PUT);
    assert_bytes(plain.payload, inner.payload);
    kit_fini(&k);
}

static const cps_case_t cases[] = {
    {"OSC-5", "a new context begins with Partial IV 00 and takes a first one of 31", new_context_starts_at_zero},
    {"OSC-38", "the Partial IV has the fewest bytes", partial_iv_is_minimal},
    {"OSC-51", "from 2^40 - 1 one message goes, and no more", numbers_end_at_2_to_40},
    {"OSC-34", "the outer code is discarded", outer_code_is_discarded},
    {"OSC-40", "a kid context has to be that of the context", kid_context_has_to_fit},
    {"", "a request without Partial IV or kid is malformed", request_needs_all_its_fields},
    {"OSC-48", "a message without payload is malformed", message_needs_a_payload},
    {"", "a ciphertext cut short does not verify", short_ciphertext_does_not_verify},
    {"OSC-54", "a forged number does not move the window", forgery_does_not_move_the_window},
    {"", "of two copies that verified one is accepted", only_acceptance_moves_the_window},
    {"", "an unknown window is recovered once, and no challenge goes under the request's nonce",
     unknown_window_is_recovered_once},
    {"OSC-60", "outer class E options are dropped, Uri-Host stays", outer_options_do_not_count},
};

CPS_RUN("OSCORE requests", cases)
