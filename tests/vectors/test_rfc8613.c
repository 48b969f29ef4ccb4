// SPDX-License-Identifier: Apache-2.0
/* The vectors of RFC 8613 (§5.4, §6.1, §6.3, appendix C), byte for byte in both directions. */
#include "oscore_kit.h"
#include "vectors/rfc8613.gen.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

static const vec_t *find(const char *id)
{
    for (size_t i = 0; i < COUNT(rfc8613); i++)
        if (strcmp(vec_text(&rfc8613[i], "id"), id) == 0)
            return &rfc8613[i];
    fail_msg("no vector %s", id);
    return NULL;
}

static bool is_kind(const vec_t *v, const char *kind) { return strcmp(vec_text(v, "kind"), kind) == 0; }

static cps_bytes_t optional(const vec_t *v, const char *name)
{
    return vec_find(v, name) != NULL ? vec_hex(v, name) : cps_bytes(NULL, 0);
}

static cps_oscore_params_t params_of(const vec_t *v)
{
    assert_string_equal(vec_text(v, "hkdf"), "HKDF-SHA-256");
    return (cps_oscore_params_t){.master_secret = vec_hex(v, "master_secret"),
                                 .master_salt = optional(v, "master_salt"),
                                 .id_context = optional(v, "id_context"),
                                 .has_id_context = vec_find(v, "id_context") != NULL,
                                 .sender_id = vec_hex(v, "sender_id"),
                                 .recipient_id = vec_hex(v, "recipient_id"),
                                 .aead = (int32_t)vec_number(v, "alg_aead"),
                                 .window = -1};
}

static void assert_info(const vec_t *v, const char *field, cps_bytes_t id, const char *type, size_t len)
{
    uint8_t buf[128];
    cps_writer_t w = cps_writer(buf, sizeof buf);
    cps_oscore_params_t params = params_of(v);
    cps_oscore_put_info(&w, id, &params, type, len);
    assert_bytes(vec_hex(v, field), cps_written(&w));
}

static void info_of_every_derivation(void **state)
{
    (void)state;
    unsigned met = 0;
    for (size_t i = 0; i < COUNT(rfc8613); i++) {
        const vec_t *v = &rfc8613[i];
        if (!is_kind(v, "key_derivation"))
            continue;
        met++;
        assert_info(v, "info_sender_key", vec_hex(v, "sender_id"), "Key", 16);
        assert_info(v, "info_recipient_key", vec_hex(v, "recipient_id"), "Key", 16);
        assert_info(v, "info_common_iv", cps_bytes(NULL, 0), "IV", 13);
    }
    assert_int_equal(met, 6);
}

static void keys_and_nonces_of_every_derivation(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rfc8613); i++) {
        const vec_t *v = &rfc8613[i];
        if (!is_kind(v, "key_derivation"))
            continue;
        kit_t k;
        cps_oscore_params_t params = params_of(v);
        kit_init(&k, &params);
        assert_bytes(vec_hex(v, "sender_key"), cps_bytes(k.client.sender_key, 16));
        assert_bytes(vec_hex(v, "recipient_key"), cps_bytes(k.client.recipient_key, 16));
        assert_bytes(vec_hex(v, "common_iv"), cps_bytes(k.client.common_iv, 13));
        uint8_t nonce[CPS_NONCE_MAX];
        cps_oscore_nonce(&k.client, params.sender_id, hex("00"), nonce);
        assert_bytes(vec_hex(v, "sender_nonce_piv0"), cps_bytes(nonce, 13));
        cps_oscore_nonce(&k.client, params.recipient_id, hex("00"), nonce);
        assert_bytes(vec_hex(v, "recipient_nonce_piv0"), cps_bytes(nonce, 13));
        kit_fini(&k);
    }
}

/* Master Secret and IDs alone, all else left at zero or "not given". */
static void defaults_of_a_context(void **state)
{
    (void)state;
    const vec_t *v = find("C.2.1");
    kit_t k;
    cps_oscore_params_t params = {.master_secret = vec_hex(v, "master_secret"),
                                  .sender_id = vec_hex(v, "sender_id"),
                                  .recipient_id = vec_hex(v, "recipient_id"),
                                  .window = -1};
    kit_init(&k, &params);
    assert_bytes(vec_hex(v, "sender_key"), cps_bytes(k.client.sender_key, 16));
    assert_bytes(vec_hex(v, "recipient_key"), cps_bytes(k.client.recipient_key, 16));
    assert_bytes(vec_hex(v, "common_iv"), cps_bytes(k.client.common_iv, 13));
    assert_int_equal(cps_aead_at(k.client.aead)->cose, 10);
    assert_int_equal(k.client.window.size, 32);
    kit_fini(&k);
}

/* The kit for a request or response; `client` is the end that asks. */
static void kit_for(kit_t *k, const vec_t *v)
{
    cps_oscore_params_t params = params_of(find(vec_text(v, "context_ref")));
    if (is_kind(v, "response")) {
        cps_bytes_t server = params.sender_id;
        params.sender_id = params.recipient_id;
        params.recipient_id = server;
    }
    kit_init(k, &params);
    const cps_oscore_ctx_t *sender = is_kind(v, "response") ? &k->server : &k->client;
    assert_bytes(vec_hex(v, "sender_key"), cps_bytes(sender->sender_key, 16));
    assert_bytes(vec_hex(v, "common_iv"), cps_bytes(sender->common_iv, 13));
}

static void assert_aead_call(const kit_t *k, const vec_t *v, const char *text)
{
    assert_bytes(vec_hex(v, "nonce"), k->spy.nonce_view);
    assert_bytes(vec_hex(v, "aad"), k->spy.aad_view);
    assert_bytes(vec_hex(v, text), k->spy.text_view);
}

static void assert_outer(const vec_t *v, cps_bytes_t sealed)
{
    cps_msg_t outer = kit_parse(sealed);
    assert_int_equal(outer.code, vec_number(v, "outer_code"));
    assert_bytes(vec_hex(v, "oscore_option_value"), kit_option(sealed));
    assert_bytes(vec_hex(v, "ciphertext"), outer.payload);
    assert_bytes(vec_hex(v, "protected_coap"), sealed);
}

static void request_both_ways(kit_t *k, const vec_t *v, cps_oscore_binding_t *client, cps_oscore_receipt_t *receipt)
{
    cps_msg_t plain = kit_parse(vec_hex(v, "unprotected_coap"));
    cps_bytes_t sealed;
    cps_msg_t inner;
    uint64_t number = (uint64_t)vec_number(v, "sender_sequence_number");
    assert_ok(kit_seal_request(k, number, &plain, &sealed, client));
    assert_aead_call(k, v, "plaintext");
    assert_outer(v, sealed);
    assert_bytes(vec_hex(v, "request_kid"), cps_bytes(client->kid, client->kid_len));
    assert_bytes(vec_hex(v, "request_piv"), cps_bytes(client->piv, client->piv_len));
    assert_ok(kit_open_request(k, vec_hex(v, "protected_coap"), &inner, receipt));
    assert_aead_call(k, v, "ciphertext");
    kit_assert_same(&plain, &inner);
    assert_true(receipt->number == number);
}

static void response_both_ways(kit_t *k, const vec_t *v, cps_oscore_binding_t *client, cps_oscore_binding_t *server)
{
    cps_msg_t plain = kit_parse(vec_hex(v, "unprotected_coap"));
    cps_bytes_t sealed;
    cps_msg_t inner;
    bool own = vec_find(v, "option_partial_iv") != NULL;
    uint64_t number = own ? (uint64_t)vec_number(v, "sender_sequence_number") : CPS_OSCORE_REQUEST_NONCE;
    uint64_t told = 0;
    assert_ok(kit_seal_response(k, number, &plain, &sealed, server));
    assert_aead_call(k, v, "plaintext");
    assert_outer(v, sealed);
    assert_ok(kit_open_response(k, vec_hex(v, "protected_coap"), client, &inner, &told));
    assert_aead_call(k, v, "ciphertext");
    kit_assert_same(&plain, &inner);
    assert_true(told == number);
}

static void request_vector(const char *id)
{
    kit_t k;
    cps_oscore_binding_t client;
    cps_oscore_receipt_t receipt = {.number = 0};
    kit_for(&k, find(id));
    request_both_ways(&k, find(id), &client, &receipt);
    kit_fini(&k);
}

static void response_vector(const char *id)
{
    kit_t k;
    cps_oscore_binding_t client;
    cps_oscore_receipt_t receipt = {.number = 0};
    kit_for(&k, find(id));
    request_both_ways(&k, find("C.4"), &client, &receipt);
    assert_ok(cps_oscore_accept(&k.server, &receipt));
    response_both_ways(&k, find(id), &client, &receipt.binding);
    kit_fini(&k);
}

static void requests_without_and_with_kid(void **state)
{
    (void)state;
    request_vector("C.4");
    request_vector("C.5");
    assert_string_equal(vec_text(find("C.4"), "oscore_option_value"), "0914");
    assert_string_equal(vec_text(find("C.5"), "oscore_option_value"), "091400");
}

static void request_with_kid_context(void **state)
{
    (void)state;
    request_vector("C.6");
}

static void response_under_the_request_nonce(void **state)
{
    (void)state;
    response_vector("C.7");
    assert_string_equal(vec_text(find("C.7"), "oscore_option_value"), "");
}

static void all_messages(void **state)
{
    (void)state;
    request_vector("C.4");
    request_vector("C.5");
    request_vector("C.6");
    response_vector("C.7");
    response_vector("C.8");
}

static void plaintexts(void **state)
{
    (void)state;
    static const char *const ids[] = {"C.4", "C.7"};
    for (size_t i = 0; i < COUNT(ids); i++) {
        const vec_t *v = find(ids[i]);
        cps_msg_t plain = kit_parse(vec_hex(v, "unprotected_coap"));
        uint8_t buf[64];
        cps_writer_t w = cps_writer(buf, sizeof buf);
        assert_ok(cps_oscore_write_plaintext(&w, &plain));
        assert_bytes(vec_hex(v, "plaintext"), cps_written(&w));
    }
}

static void aad_of_every_vector(void **state)
{
    (void)state;
    unsigned met = 0;
    for (size_t i = 0; i < COUNT(rfc8613); i++) {
        const vec_t *v = &rfc8613[i];
        if (vec_find(v, "aad_array") == NULL)
            continue;
        met++;
        cps_oscore_ctx_t ctx = {.aead = cps_aead_place(cps_aead_find((int32_t)vec_number(v, "alg_aead")))};
        cps_oscore_binding_t binding = {0};
        cps_bytes_t kid = vec_hex(v, "request_kid");
        cps_bytes_t piv = vec_hex(v, "request_piv");
        cps_copy(binding.kid, kid.ptr, kid.len);
        cps_copy(binding.piv, piv.ptr, piv.len);
        binding.kid_len = (uint8_t)kid.len;
        binding.piv_len = (uint8_t)piv.len;
        uint8_t buf[CPS_OSCORE_AAD_MAX];
        cps_writer_t w = cps_writer(buf, sizeof buf);
        cps_oscore_put_aad_array(&w, &ctx, &binding);
        assert_bytes(vec_hex(v, "aad_array"), cps_written(&w));
        w = cps_writer(buf, sizeof buf);
        cps_oscore_put_aad(&w, &ctx, &binding);
        assert_bytes(vec_hex(v, "aad"), cps_written(&w));
        if (vec_find(v, "external_aad") != NULL) { /* what stands behind the empty protected bucket (40) */
            cps_bytes_t external = vec_hex(v, "external_aad");
            cps_bytes_t whole = cps_written(&w);
            assert_bytes(external, cps_bytes(whole.ptr + whole.len - external.len, external.len));
        }
    }
    assert_int_equal(met, 6);
}

/* C.4: Uri-Host 39, OSCORE 62 (a delta of 6 from 3) outside; Uri-Path b3 (a delta of 11 from 0) inside. */
static void options_are_counted_apart(void **state)
{
    (void)state;
    kit_t k;
    cps_oscore_binding_t binding;
    cps_bytes_t sealed;
    const vec_t *v = find("C.4");
    cps_msg_t plain = kit_parse(vec_hex(v, "unprotected_coap"));
    kit_for(&k, v);
    assert_ok(kit_seal_request(&k, 20, &plain, &sealed, &binding));
    cps_msg_t outer = kit_parse(sealed);
    assert_int_equal(outer.options.ptr[0], 0x39);
    assert_int_equal(outer.options.ptr[10], 0x62);
    assert_int_equal(outer.options.len, 13);
    assert_int_equal(k.plaintext[1], 0xb3);
    kit_fini(&k);
}

static void header_and_token_are_kept(void **state)
{
    (void)state;
    kit_t k;
    cps_oscore_binding_t binding;
    cps_bytes_t sealed;
    const vec_t *v = find("C.4");
    cps_bytes_t before = vec_hex(v, "unprotected_coap");
    cps_msg_t plain = kit_parse(before);
    kit_for(&k, v);
    assert_ok(kit_seal_request(&k, 20, &plain, &sealed, &binding));
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(sealed.ptr[i] == before.ptr[i], i != 1);
    kit_fini(&k);
}

static void keys_are_apart(void **state)
{
    (void)state;
    kit_t k;
    kit_for(&k, find("C.4"));
    assert_memory_not_equal(k.client.sender_key, k.client.recipient_key, 16);
    uint8_t nonce[CPS_NONCE_MAX];
    uint8_t one[32];
    uint8_t other[32];
    cps_oscore_nonce(&k.client, hex(""), hex("14"), nonce);
    cps_aead_op_t op = {cps_aead_find(10), k.client.sender_key, nonce, cps_bytes(NULL, 0)};
    assert_ok(k.spy.crypto.table->seal(&k.spy, &op, cps_bytes_str("one plaintext"), one));
    op.key = k.client.recipient_key;
    assert_ok(k.spy.crypto.table->seal(&k.spy, &op, cps_bytes_str("one plaintext"), other));
    assert_memory_not_equal(one, other, 13);
    kit_fini(&k);
}

/* §6.3: the five examples, encoded and decoded. */
static void options_both_ways(void **state)
{
    (void)state;
    unsigned met = 0;
    for (size_t i = 0; i < COUNT(rfc8613); i++) {
        const vec_t *v = &rfc8613[i];
        if (!is_kind(v, "option_compression"))
            continue;
        met++;
        const cps_oscopt_t option = {.partial_iv = optional(v, "partial_iv"),
                                     .kid = optional(v, "kid"),
                                     .kid_context = optional(v, "kid_context"),
                                     .has_kid = vec_find(v, "kid") != NULL,
                                     .has_kid_context = vec_find(v, "kid_context") != NULL};
        uint8_t buf[64];
        cps_writer_t w = cps_writer(buf, sizeof buf);
        cps_oscopt_encode(&w, &option);
        assert_bytes(vec_hex(v, "oscore_option_value"), cps_written(&w));
        cps_oscopt_t back;
        assert_ok(cps_oscopt_decode(vec_hex(v, "oscore_option_value"), &back));
        assert_bytes(option.partial_iv, back.partial_iv);
        assert_bytes(option.kid, back.kid);
        assert_bytes(option.kid_context, back.kid_context);
        assert_int_equal(option.has_kid, back.has_kid);
        assert_int_equal(option.has_kid_context, back.has_kid_context);
    }
    assert_int_equal(met, 5);
}

/* A request of C.4 with that option value; whatever it is, the key is never asked. */
static void refuse_option(const char *value)
{
    kit_t k;
    cps_msg_t outer = kit_parse(vec_hex(find("C.4"), "protected_coap"));
    uint8_t options[64];
    uint8_t datagram[128];
    cps_writer_t w = cps_writer(options, sizeof options);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    cps_opt_put(&ow, CPS_OPT_OSCORE, hex(value));
    outer.options = cps_written(&w);
    kit_for(&k, find("C.4"));
    cps_msg_t inner;
    cps_oscore_receipt_t receipt = {.number = 0};
    cps_err_t err = kit_open_request(&k, kit_write(&outer, datagram, sizeof datagram), &inner, &receipt);
    assert_err(CPS_ERR_OSCORE_DECODE, err);
    assert_int_equal(cps_err_code(err), CPS_BAD_OPTION);
    assert_int_equal(k.spy.opens, 0);
    kit_fini(&k);
}

static void malformed_options(void **state)
{
    (void)state;
    unsigned met = 0;
    for (size_t i = 0; i < COUNT(rfc8613); i++) {
        const vec_t *v = &rfc8613[i];
        if (!is_kind(v, "option_decode_error"))
            continue;
        met++;
        assert_string_equal(vec_text(v, "expected_error"), "4.02");
        refuse_option(vec_text(v, "oscore_option_value"));
    }
    assert_int_equal(met, 9);
}

static void flags_of_other_protocols(void **state)
{
    (void)state;
    refuse_option("20");
    refuse_option("80");
    refuse_option("2914"); /* and with all that a request has */
    refuse_option("8914");
}

static const cps_case_t cases[] = {
    {"OSC-3", "info of every derivation of C.1 to C.3", info_of_every_derivation},
    {"", "keys, Common IV and first nonces of C.1 to C.3, both roles", keys_and_nonces_of_every_derivation},
    {"OSC-2", "a context from Master Secret and IDs alone has the defaults", defaults_of_a_context},
    {"OSC-37 OSC-41", "C.4 to C.8 in both directions: option, nonce, AAD, ciphertext, message", all_messages},
    {"OSC-39", "C.4 and C.5: the kid is there, also when empty", requests_without_and_with_kid},
    {"", "C.6: the kid context is there", request_with_kid_context},
    {"OSC-42", "C.7: an empty option and the request's nonce", response_under_the_request_nonce},
    {"OSC-43", "plaintexts of C.4 and C.7", plaintexts},
    {"OSC-44", "AAD of the example of 5.4 and of each C vector", aad_of_every_vector},
    {"OSC-12", "C.4: outer options are counted among themselves, inner among themselves", options_are_counted_apart},
    {"OSC-35", "C.4: header and token differ in the code only", header_and_token_are_kept},
    {"OSC-81", "C.1: two keys, and one nonce under both gives two ciphertexts", keys_are_apart},
    {"OSC-45", "the five examples of 6.3, encoded and decoded", options_both_ways},
    {"OSC-46", "each malformed option is 4.02 before any decryption", malformed_options},
    {"OSC-82", "group flag and extension bit are 4.02", flags_of_other_protocols},
};

CPS_RUN("RFC 8613 vectors", cases)
