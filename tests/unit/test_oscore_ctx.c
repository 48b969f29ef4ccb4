// SPDX-License-Identifier: Apache-2.0
#include "oscore_kit.h"

static cps_err_t try_params(const cps_oscore_params_t *params)
{
    spy_t spy;
    cps_oscore_ctx_t ctx;
    spy_init(&spy);
    cps_err_t err = cps_oscore_ctx_init(&ctx, &spy.crypto, params);
    static const cps_oscore_ctx_t zero;
    if (err != CPS_OK)
        assert_memory_equal(ctx.sender_key, zero.sender_key, sizeof zero.sender_key);
    cps_oscore_ctx_fini(&ctx);
    assert_memory_equal(&ctx, &zero, sizeof zero);
    cps_crypto_openssl_fini(&spy.real);
    return err;
}

static void absent_and_empty_id_context_differ(void **state)
{
    (void)state;
    cps_oscore_params_t params = kit_params();
    uint8_t buf[64];
    kit_t absent;
    kit_t empty;
    cps_writer_t w = cps_writer(buf, sizeof buf);
    kit_init(&absent, &params);
    cps_oscore_put_info(&w, params.recipient_id, &params, "Key", 16);
    assert_bytes(hex("854101f60a634b657910"), cps_written(&w));
    params.has_id_context = true;
    w = cps_writer(buf, sizeof buf);
    kit_init(&empty, &params);
    cps_oscore_put_info(&w, params.recipient_id, &params, "Key", 16);
    assert_bytes(hex("854101400a634b657910"), cps_written(&w));
    assert_memory_not_equal(absent.client.sender_key, empty.client.sender_key, 16);
    assert_memory_not_equal(absent.client.recipient_key, empty.client.recipient_key, 16);
    assert_memory_not_equal(absent.client.common_iv, empty.client.common_iv, 13);
    kit_fini(&absent);
    kit_fini(&empty);
}

static void ids_have_to_differ(void **state)
{
    (void)state;
    cps_oscore_params_t params = kit_params();
    params.sender_id = params.recipient_id;
    assert_err(CPS_ERR_BAD_ID, try_params(&params));
    params.sender_id = params.recipient_id = cps_bytes(NULL, 0);
    assert_err(CPS_ERR_BAD_ID, try_params(&params));
    params.sender_id = cps_bytes("\x01", 1);
    assert_ok(try_params(&params));
}

static void ids_have_a_longest_length(void **state)
{
    (void)state;
    cps_oscore_params_t params = kit_params();
    for (size_t place = 0; place < CPS_AEAD_COUNT; place++) {
        const cps_aead_t *aead = cps_aead_at(place);
        size_t longest = aead->nonce_len - 6U;
        params.aead = aead->cose;
        params.recipient_id = cps_bytes("X", 1);
        params.sender_id = cps_bytes("12345678", longest);
        assert_ok(try_params(&params));
        params.sender_id = cps_bytes("12345678", longest + 1);
        assert_err(CPS_ERR_BAD_ID, try_params(&params));
        params.sender_id = cps_bytes("X", 1);
        params.recipient_id = cps_bytes("12345678", longest + 1);
        assert_err(CPS_ERR_BAD_ID, try_params(&params));
    }
    assert_int_equal(cps_aead_find(10)->nonce_len, 13); /* AES-CCM-16: 7 bytes of ID */
}

/* RFC 8613 §12.6. COSE has no AEAD with a nonce of under 7 bytes; -65531 (A128CBC) needs an unpredictable IV. */
static void other_algorithms_are_refused(void **state)
{
    (void)state;
    static const int32_t others[] = {-65531, -65534, -3, -6, 4, 5, 14, 25, 34, 6, 65536};
    cps_oscore_params_t params = kit_params();
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        params.aead = others[i];
        assert_err(CPS_ERR_ALGORITHM, try_params(&params));
    }
    for (size_t place = 0; place < CPS_AEAD_COUNT; place++)
        assert_true(cps_aead_at(place)->nonce_len >= 7);
}

static void other_parameters_are_refused(void **state)
{
    (void)state;
    static const uint8_t context[CPS_OSCORE_ID_CONTEXT_MAX + 1];
    cps_oscore_params_t params = kit_params();
    params.window = 64;
    params.has_id_context = true;
    params.id_context = cps_bytes(context, CPS_OSCORE_ID_CONTEXT_MAX);
    assert_ok(try_params(&params));
    params.id_context.len++;
    assert_err(CPS_ERR_ARGUMENT, try_params(&params));
    params = kit_params();
    params.window = 65;
    assert_err(CPS_ERR_ARGUMENT, try_params(&params));
    params = kit_params();
    params.master_secret.len = 0;
    assert_err(CPS_ERR_ARGUMENT, try_params(&params));
    params = kit_params();
    params.hash = CPS_HASH_COUNT;
    assert_err(CPS_ERR_ARGUMENT, try_params(&params));
}

static void new_context_has_no_state(void **state)
{
    (void)state;
    spy_t spy;
    cps_oscore_ctx_t ctx;
    uint64_t number;
    cps_oscore_params_t params = kit_params();
    params.window = 0;
    spy_init(&spy);
    assert_ok(cps_oscore_ctx_init(&ctx, &spy.crypto, &params));
    assert_err(CPS_ERR_STATE_LOST, cps_oscore_seq_take(&ctx.seq, &number));
    assert_err(CPS_ERR_WINDOW_UNKNOWN, cps_oscore_window_check(&ctx.window, 0));
    assert_int_equal(ctx.window.size, 0);
    cps_oscore_ctx_fini(&ctx);
    cps_crypto_openssl_fini(&spy.real);
}

typedef struct identity {
    uint8_t state[CPS_OSCORE_IDENTIFIER_LEN];
    uint8_t window[CPS_OSCORE_IDENTIFIER_LEN];
} identity_t;

static identity_t identity_of(const cps_oscore_params_t *params)
{
    spy_t spy;
    identity_t id = {.state = {0}};
    spy_init(&spy);
    assert_ok(cps_oscore_identifier(&spy.crypto, params, id.state, id.window));
    cps_crypto_openssl_fini(&spy.real);
    return id;
}

static void assert_identity(const cps_oscore_params_t *params, const identity_t *base, bool same_state,
                            bool same_window)
{
    identity_t id = identity_of(params);
    assert_int_equal(memcmp(id.state, base->state, sizeof id.state) == 0, same_state);
    assert_int_equal(memcmp(id.window, base->window, sizeof id.window) == 0, same_window);
}

/* What a sender key depends on makes another identifier; what it does not depend on makes the same. */
static void identifier_follows_the_sender_key(void **state)
{
    (void)state;
    const cps_oscore_params_t base_params = kit_params();
    const identity_t base = identity_of(&base_params);
    assert_memory_not_equal(base.state, base.window, sizeof base.state);
    cps_oscore_params_t p = base_params;
    p.window = 0;
    p.aead = 10; /* the default, said */
    assert_identity(&p, &base, true, true);
    p.recipient_id = cps_bytes("\x02", 1);
    assert_identity(&p, &base, true, false);
    p = base_params;
    p.master_secret.len--;
    assert_identity(&p, &base, false, false);
    p = base_params;
    p.master_salt.len--;
    assert_identity(&p, &base, false, false);
    p = base_params;
    p.sender_id = cps_bytes("\x02", 1);
    assert_identity(&p, &base, false, false);
    p = base_params;
    p.has_id_context = true;
    assert_identity(&p, &base, false, false);
    p = base_params;
    p.aead = 30;
    assert_identity(&p, &base, false, false);
    p = base_params;
    p.hash = CPS_HASH_SHA512;
    assert_identity(&p, &base, false, false);
}

/* HKDF pads a salt with zeros: no salt and one zero byte give the same keys, so they must share their numbers. */
static void equal_keys_have_one_identifier(void **state)
{
    (void)state;
    cps_oscore_params_t params = kit_params();
    params.master_salt = cps_bytes(NULL, 0);
    const identity_t base = identity_of(&params);
    kit_t one;
    kit_t other;
    kit_init(&one, &params);
    params.master_salt = cps_bytes("\x00", 1);
    kit_init(&other, &params);
    assert_memory_equal(one.client.sender_key, other.client.sender_key, 16);
    assert_identity(&params, &base, true, true);
    kit_fini(&one);
    kit_fini(&other);
}

static const cps_case_t cases[] = {
    {"OSC-4", "an absent ID Context is f6, an empty one 40, and their keys differ", absent_and_empty_id_context_differ},
    {"OSC-6", "Sender ID and Recipient ID have to differ", ids_have_to_differ},
    {"OSC-7", "an ID has at most nonce length - 6 bytes", ids_have_a_longest_length},
    {"OSC-76", "AEADs that need unpredictable or short nonces are refused", other_algorithms_are_refused},
    {"", "other parameters out of range are refused", other_parameters_are_refused},
    {"", "a new context gives no number and accepts nothing", new_context_has_no_state},
    {"", "the identifier changes with all that makes the sender key", identifier_follows_the_sender_key},
    {"", "equal keys have one identifier", equal_keys_have_one_identifier},
};

CPS_RUN("OSCORE context", cases)
