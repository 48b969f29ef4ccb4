// SPDX-License-Identifier: Apache-2.0
/* The vectors of RFC 8613 appendix B.2: keys, options and ciphertexts of both exchanges, byte for byte. */
#include "oscore_kit.h"

#include "sec/oscore/b2.h"
#include "vectors/oscore_b2_derived.gen.h"

static const vec_t *vector(void) { return &oscore_b2_derived[0]; }

static cps_bytes_t get(const char *group, const char *name)
{
    char buf[64];
    return vec_hex(vector(), vec_join(buf, sizeof buf, group, name));
}

/* One end before the run: no ID Context. */
static cps_oscore_params_t params_of(bool client)
{
    const vec_t *v = vector();
    return (cps_oscore_params_t){.master_secret = vec_hex(v, "master_secret"),
                                 .master_salt = vec_hex(v, "master_salt"),
                                 .sender_id = vec_hex(v, client ? "client_sender_id" : "server_sender_id"),
                                 .recipient_id = vec_hex(v, client ? "server_sender_id" : "client_sender_id"),
                                 .window = -1};
}

/* The three contexts of an end. */
typedef struct end {
    cps_crypto_t crypto;
    cps_oscore_ctx_t ctx[3];
} end_t;

static void derive(end_t *end, bool client)
{
    cps_oscore_prk_t prk;
    cps_oscore_ctx_t base;
    const vec_t *v = vector();
    cps_oscore_params_t params = params_of(client);
    const cps_bytes_t r2 = vec_hex(v, "r2");
    assert_ok(cps_crypto_openssl_init(&end->crypto));
    assert_ok(cps_oscore_ctx_init(&base, &end->crypto, &params));
    assert_ok(cps_oscore_extract(&end->crypto, &params, &prk));
    assert_ok(cps_b2_derive(&end->crypto, &prk, &base, &(cps_b2_id_t){.first = vec_hex(v, "r1")}, &end->ctx[0]));
    assert_ok(cps_b2_second(&end->crypto, &prk, &end->ctx[0], r2, &end->ctx[1]));
    assert_ok(cps_b2_derive(&end->crypto, &prk, &base, &(cps_b2_id_t){r2, vec_hex(v, "r3")}, &end->ctx[2]));
    end->ctx[0].wrapped = true;
    end->ctx[2].wrapped = true;
}

static void keys_of_the_three_contexts(void)
{
    static const char *const names[] = {"contexts.ID1", "contexts.ID2", "contexts.ID3"};
    end_t client;
    end_t server;
    derive(&client, true);
    derive(&server, false);
    for (size_t i = 0; i < 3; i++) {
        assert_bytes(get(names[i], "sender_key"), cps_bytes(client.ctx[i].sender_key, 16));
        assert_bytes(get(names[i], "recipient_key"), cps_bytes(client.ctx[i].recipient_key, 16));
        assert_bytes(get(names[i], "common_iv"), cps_bytes(client.ctx[i].common_iv, 13));
        assert_memory_equal(client.ctx[i].sender_key, server.ctx[i].recipient_key, 16);
        assert_memory_equal(client.ctx[i].recipient_key, server.ctx[i].sender_key, 16);
    }
    cps_crypto_openssl_fini(&client.crypto);
    cps_crypto_openssl_fini(&server.crypto);
}

/* Protect a request and open it at the other end, where the option was decoded and unwrapped. */
static cps_oscore_binding_t request(end_t *from, end_t *to, size_t which, const char *name,
                                    cps_oscore_receipt_t *receipt)
{
    uint8_t bytes[3][256];
    cps_writer_t plaintext = cps_writer(bytes[0], sizeof bytes[0]);
    cps_writer_t out = cps_writer(bytes[1], sizeof bytes[1]);
    cps_writer_t joined = cps_writer(bytes[2], sizeof bytes[2]);
    cps_oscore_work_t work = {&from->crypto, &plaintext, NULL};
    cps_oscore_binding_t binding;
    cps_msg_t msg;
    cps_bytes_t value;
    cps_oscopt_t option;
    assert_ok(cps_msg_parse(get(name, "unprotected_coap"), &msg));
    assert_ok(cps_oscore_protect_request(&from->ctx[which], &work, 0, &msg, &out, &binding));
    assert_bytes(get(name, "plaintext"), cps_written(&plaintext));
    assert_ok(cps_msg_parse(cps_written(&out), &msg));
    msg.code = (uint8_t)vec_number(vector(), which == 0 ? "request_1.outer_code" : "request_2.outer_code");
    assert_true(cps_opt_find(msg.options, CPS_OPT_OSCORE, &value));
    assert_bytes(get(name, "oscore_option_value"), value);
    assert_bytes(get(name, "ciphertext"), msg.payload);
    assert_bytes(get("kid_context_on_the_wire", name), cps_bytes(value.ptr + 3, value.ptr[2]));
    assert_ok(cps_oscopt_decode(value, &option));
    assert_true(cps_b2_unwrap(option.kid_context, &option.kid_context));
    work = (cps_oscore_work_t){&to->crypto, &plaintext, &joined};
    assert_ok(cps_oscore_unprotect_request(&to->ctx[which], &work, &msg, &option, &msg, receipt));
    assert_int_equal(msg.code, CPS_GET);
    return binding;
}

static void response(end_t *from, end_t *to, size_t which, const char *name, cps_oscore_binding_t *bindings[2])
{
    uint8_t bytes[3][256];
    cps_writer_t plaintext = cps_writer(bytes[0], sizeof bytes[0]);
    cps_writer_t out = cps_writer(bytes[1], sizeof bytes[1]);
    cps_writer_t joined = cps_writer(bytes[2], sizeof bytes[2]);
    cps_oscore_work_t work = {&from->crypto, &plaintext, NULL};
    cps_msg_t msg;
    assert_ok(cps_msg_parse(get(name, "unprotected_coap"), &msg));
    assert_ok(cps_oscore_protect_response(&from->ctx[which], &work, CPS_OSCORE_REQUEST_NONCE, &msg, &out, bindings[0]));
    assert_bytes(get(name, "protected_coap"), cps_written(&out));
    assert_ok(cps_msg_parse(get(name, "protected_coap"), &msg));
    work = (cps_oscore_work_t){&to->crypto, &plaintext, &joined};
    assert_ok(cps_oscore_unprotect_response(&to->ctx[which], &work, &msg, bindings[1], &msg, NULL));
}

static void all_of_the_run(void **state)
{
    (void)state;
    keys_of_the_three_contexts();
    end_t client;
    end_t server;
    cps_oscore_receipt_t receipt;
    derive(&client, true);
    derive(&server, false);
    cps_oscore_binding_t asked = request(&client, &server, 0, "request_1", &receipt);
    assert_ok(cps_oscore_accept(&server.ctx[0], &receipt));
    response(&server, &client, 1, "response_1", (cps_oscore_binding_t *[2]){&receipt.binding, &asked});
    asked = request(&client, &server, 2, "request_2", &receipt);
    assert_ok(cps_oscore_accept(&server.ctx[2], &receipt));
    response(&server, &client, 2, "response_2", (cps_oscore_binding_t *[2]){&receipt.binding, &asked});
    assert_err(CPS_ERR_REPLAY, cps_oscore_window_check(&server.ctx[2].window, 0)); /* request #2 once more */
    cps_crypto_openssl_fini(&client.crypto);
    cps_crypto_openssl_fini(&server.crypto);
}

/* What others send: the nonce as the request had it, under the Common IV of ID1. */
static void the_nonce_of_the_request_is_handed_over(void **state)
{
    (void)state;
    end_t server;
    uint8_t nonces[2][CPS_NONCE_MAX];
    derive(&server, false);
    cps_oscore_ctx_t second = server.ctx[1];
    cps_b2_hand_over(&server.ctx[0], &second);
    cps_oscore_nonce(&second, cps_bytes(NULL, 0), CPS_BYTES_LIT("\0"), nonces[0]);
    cps_oscore_nonce(&server.ctx[0], cps_bytes(NULL, 0), CPS_BYTES_LIT("\0"), nonces[1]);
    assert_memory_equal(nonces[0], nonces[1], 13);
    assert_bytes(get("request_1", "nonce"), cps_bytes(nonces[0], 13));
    assert_memory_equal(second.sender_key, server.ctx[1].sender_key, 16);
    cps_crypto_openssl_fini(&server.crypto);
}

static void what_is_no_wrapped_id(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "40", "48a1", "41a1a2", "5801a1", "61a1", "a1a2a3", "f6"};
    uint8_t buf[CPS_B2_WRAPPED_MAX];
    uint8_t longest[CPS_OSCORE_ID_CONTEXT_MAX] = {7};
    cps_bytes_t id;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(cps_b2_unwrap(hex(wrong[i]), &id));
    assert_true(cps_b2_unwrap(hex("41a1"), &id));
    assert_bytes(id, hex("a1"));
    assert_true(
        cps_b2_is_wrapped(cps_b2_wrap(cps_bytes(longest, sizeof longest), buf), cps_bytes(longest, sizeof longest)));
    assert_false(cps_b2_is_wrapped(hex("41a1"), hex("a2")));
}

static const cps_case_t cases[] = {
    {"OSC-80", "keys, options and ciphertexts of the run, and request #2 once more", all_of_the_run},
    {"", "the nonce of request #1 is handed over", the_nonce_of_the_request_is_handed_over},
    {"", "what is no wrapped ID Context", what_is_no_wrapped_id},
};

CPS_RUN("oscore_b2", cases)
