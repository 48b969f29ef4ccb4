// SPDX-License-Identifier: Apache-2.0
/* A request and its two kinds of response under each AEAD and hash, byte for byte in both directions. */
#include "oscore_kit.h"
#include "vectors/oscore_algorithms_aiocoap.gen.h"
#include "vectors/oscore_algorithms_derived.gen.h"
#include "vectors/rfc8613.gen.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

static cps_oscore_params_t params_of(const vec_t *v)
{
    cps_oscore_params_t params = kit_params();
    params.sender_id = vec_hex(v, "client_sender_id");
    params.recipient_id = vec_hex(v, "server_sender_id");
    params.aead = (int32_t)vec_number(v, "alg_aead");
    params.has_id_context = vec_find(v, "id_context") != NULL;
    if (params.has_id_context)
        params.id_context = vec_hex(v, "id_context");
    assert_true(cps_hash_by_name(cps_bytes_str(vec_text(v, "hkdf")), &params.hash));
    return params;
}

static cps_bytes_t nested(const vec_t *v, const char *group, const char *name)
{
    char field[64];
    return vec_hex(v, vec_join(field, sizeof field, group, name));
}

static void assert_keys(const vec_t *v, const cps_oscore_ctx_t *ctx)
{
    const cps_aead_t *aead = cps_aead_at(ctx->aead);
    assert_bytes(vec_hex(v, "client.sender_key"), cps_bytes(ctx->sender_key, aead->key_len));
    assert_bytes(vec_hex(v, "client.recipient_key"), cps_bytes(ctx->recipient_key, aead->key_len));
    assert_bytes(vec_hex(v, "client.common_iv"), cps_bytes(ctx->common_iv, aead->nonce_len));
}

static void assert_sealed(const kit_t *k, const vec_t *v, const char *group, cps_bytes_t sealed)
{
    cps_msg_t outer = kit_parse(sealed);
    char field[64];
    assert_int_equal(outer.code, vec_number(v, vec_join(field, sizeof field, group, "outer_code")));
    assert_bytes(nested(v, group, "nonce"), k->spy.nonce_view);
    assert_bytes(nested(v, group, "aad"), k->spy.aad_view);
    assert_bytes(nested(v, group, "plaintext"), k->spy.text_view);
    assert_bytes(nested(v, group, "oscore_option_value"), kit_option(sealed));
    assert_bytes(nested(v, group, "ciphertext"), outer.payload);
    assert_bytes(nested(v, group, "protected_coap"), sealed);
}

static void response(kit_t *k, const vec_t *v, const char *group, uint64_t number, cps_oscore_binding_t bindings[2])
{
    cps_msg_t plain = kit_parse(nested(v, group, "unprotected_coap"));
    cps_bytes_t sealed;
    cps_msg_t inner;
    uint64_t told = 0;
    assert_ok(kit_seal_response(k, number, &plain, &sealed, &bindings[1]));
    assert_sealed(k, v, group, sealed);
    assert_ok(kit_open_response(k, nested(v, group, "protected_coap"), &bindings[0], &inner, &told));
    kit_assert_same(&plain, &inner);
    assert_true(told == number);
}

static void exchange(const vec_t *v, const char *request, uint64_t number)
{
    kit_t k;
    cps_oscore_params_t params = params_of(v);
    kit_init(&k, &params);
    assert_keys(v, &k.client);
    cps_msg_t plain = kit_parse(nested(v, request, "unprotected_coap"));
    cps_bytes_t sealed;
    cps_msg_t inner;
    cps_oscore_binding_t bindings[2]; /* the client's, the server's */
    cps_oscore_receipt_t receipt;
    assert_ok(kit_seal_request(&k, number, &plain, &sealed, &bindings[0]));
    assert_sealed(&k, v, request, sealed);
    assert_ok(kit_open_request(&k, nested(v, request, "protected_coap"), &inner, &receipt));
    kit_assert_same(&plain, &inner);
    assert_ok(cps_oscore_accept(&k.server, &receipt));
    bindings[1] = receipt.binding;
    response(&k, v, "response_no_piv", CPS_OSCORE_REQUEST_NONCE, bindings);
    response(&k, v, "response_piv0", 0, bindings);
    kit_fini(&k);
}

static void derived_exchanges(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(oscore_algorithms_derived); i++)
        exchange(&oscore_algorithms_derived[i], "request_piv14", 0x14);
}

/* Each AEAD with SHA-256, and with SHA-512 and an ID Context, as an implementation by others protects it. */
static void aiocoap_exchanges(void **state)
{
    (void)state;
    unsigned met[CPS_AEAD_COUNT] = {0};
    for (size_t i = 0; i < COUNT(oscore_algorithms_aiocoap); i++) {
        const vec_t *v = &oscore_algorithms_aiocoap[i];
        exchange(v, "request", (uint64_t)vec_number(v, "sender_sequence_number"));
        met[cps_aead_place(cps_aead_find((int32_t)vec_number(v, "alg_aead")))]++;
    }
    for (size_t i = 0; i < CPS_AEAD_COUNT; i++)
        assert_int_equal(met[i], 2);
}

/* OSC-1 asks for both hashes: the keys of appendix C and those with SHA-512. */
static void keys_with_both_hashes(void **state)
{
    (void)state;
    unsigned met[CPS_HASH_COUNT] = {0};
    for (size_t i = 0; i < COUNT(rfc8613); i++) {
        const vec_t *v = &rfc8613[i];
        if (strcmp(vec_text(v, "kind"), "key_derivation") != 0)
            continue;
        kit_t k;
        cps_oscore_params_t params = {.master_secret = vec_hex(v, "master_secret"),
                                      .has_id_context = vec_find(v, "id_context") != NULL,
                                      .sender_id = vec_hex(v, "sender_id"),
                                      .recipient_id = vec_hex(v, "recipient_id")};
        if (vec_find(v, "master_salt") != NULL)
            params.master_salt = vec_hex(v, "master_salt");
        if (params.has_id_context)
            params.id_context = vec_hex(v, "id_context");
        kit_init(&k, &params);
        assert_bytes(vec_hex(v, "sender_key"), cps_bytes(k.client.sender_key, 16));
        assert_bytes(vec_hex(v, "recipient_key"), cps_bytes(k.client.recipient_key, 16));
        assert_bytes(vec_hex(v, "common_iv"), cps_bytes(k.client.common_iv, 13));
        kit_fini(&k);
        met[CPS_HASH_SHA256]++;
    }
    for (size_t i = 0; i < COUNT(oscore_algorithms_derived); i++) {
        const vec_t *v = &oscore_algorithms_derived[i];
        cps_oscore_params_t params = params_of(v);
        if (params.hash != CPS_HASH_SHA512)
            continue;
        kit_t k;
        kit_init(&k, &params);
        assert_keys(v, &k.client);
        kit_fini(&k);
        met[CPS_HASH_SHA512]++;
    }
    assert_int_equal(met[CPS_HASH_SHA256], 6);
    assert_int_equal(met[CPS_HASH_SHA512], 2);
}

static const cps_case_t cases[] = {
    {"OSC-1", "keys by HKDF with SHA-256 and with SHA-512", keys_with_both_hashes},
    {"", "an exchange under each algorithm of the derived vectors", derived_exchanges},
    {"", "an exchange under each algorithm as aiocoap protects it", aiocoap_exchanges},
};

CPS_RUN("OSCORE algorithms", cases)
