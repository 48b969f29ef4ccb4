// SPDX-License-Identifier: Apache-2.0
/* Responses, and what holds for both directions (RFC 8613 §8), message by message. */
#include "oscore_kit.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

static void response_goes_under_either_nonce(void **state)
{
    (void)state;
    kit_t k;
    cps_oscore_binding_t client;
    cps_oscore_binding_t server;
    cps_msg_t plain = kit_message(CPS_CONTENT, "closed");
    cps_msg_t inner;
    cps_bytes_t sealed;
    uint8_t nonce[CPS_NONCE_MAX];
    uint64_t number = 0;
    kit_start(&k);
    kit_ask(&k, 9, &client, &server);
    assert_ok(kit_seal_response(&k, CPS_OSCORE_REQUEST_NONCE, &plain, &sealed, &server));
    assert_bytes(hex(""), kit_option(sealed));
    cps_oscore_nonce(&k.client, cps_oscore_sender_id(&k.client), hex("09"), nonce);
    assert_bytes(cps_bytes(nonce, 13), k.spy.nonce_view);
    assert_ok(kit_open_response(&k, sealed, &client, &inner, &number));
    assert_true(number == CPS_OSCORE_REQUEST_NONCE);
    assert_ok(kit_seal_response(&k, 0x1234, &plain, &sealed, &server));
    assert_bytes(hex("021234"), kit_option(sealed));
    cps_oscore_nonce(&k.server, cps_oscore_sender_id(&k.server), hex("1234"), nonce);
    assert_bytes(cps_bytes(nonce, 13), k.spy.nonce_view);
    assert_ok(kit_open_response(&k, sealed, &client, &inner, &number));
    assert_true(number == 0x1234);
    kit_assert_same(&plain, &inner);
    kit_fini(&k);
}

static void request_nonce_is_for_one_response(void **state)
{
    (void)state;
    kit_t k;
    cps_oscore_binding_t client;
    cps_oscore_binding_t server;
    cps_msg_t plain = kit_message(CPS_CONTENT, "closed");
    cps_bytes_t sealed;
    kit_start(&k);
    kit_ask(&k, 9, &client, &server);
    assert_ok(kit_seal_response(&k, CPS_OSCORE_REQUEST_NONCE, &plain, &sealed, &server));
    unsigned seals = k.spy.seals;
    assert_err(CPS_ERR_ARGUMENT, kit_seal_response(&k, CPS_OSCORE_REQUEST_NONCE, &plain, &sealed, &server));
    assert_int_equal(k.spy.seals, seals);
    assert_int_equal(sealed.len, 0);
    assert_ok(kit_seal_response(&k, 0, &plain, &sealed, &server));
    assert_bytes(hex("0100"), kit_option(sealed));
    plain = kit_message(CPS_CONTENT, "from the client");
    assert_err(CPS_ERR_ARGUMENT, kit_seal_response(&k, CPS_OSCORE_REQUEST_NONCE, &plain, &sealed, &client));
    kit_fini(&k);
}

static void responses_name_no_context(void **state)
{
    (void)state;
    kit_t k;
    cps_oscore_params_t params = kit_params();
    params.has_id_context = true;
    params.id_context = cps_bytes_str("house");
    kit_init(&k, &params);
    for (uint64_t i = 0; i < 100; i++) {
        cps_oscore_binding_t client;
        cps_oscore_binding_t server;
        cps_oscopt_t option;
        cps_bytes_t sealed;
        cps_msg_t plain = kit_message(i % 3 == 0 ? CPS_NOT_FOUND : CPS_CONTENT, "x");
        kit_ask(&k, i, &client, &server);
        assert_ok(kit_seal_response(&k, i % 2 == 0 ? i : CPS_OSCORE_REQUEST_NONCE, &plain, &sealed, &server));
        assert_ok(cps_oscopt_decode(kit_option(sealed), &option));
        assert_false(option.has_kid || option.has_kid_context);
    }
    kit_fini(&k);
}

/* A response with a kid or kid context is taken only where they are the server's. */
static void named_context_of_a_response_has_to_fit(void **state)
{
    (void)state;
    static const struct {
        const char *option;
        cps_err_t expected;
    } rows[] = {
        {"090001", CPS_OK},
        {"090002", CPS_ERR_NO_CONTEXT},
        {"0900", CPS_ERR_NO_CONTEXT},
        {"1900024142", CPS_ERR_NO_CONTEXT},
        {"110005686f757365", CPS_OK},
        {"11000568697573ff", CPS_ERR_NO_CONTEXT},
        {"110000", CPS_ERR_NO_CONTEXT},
        {"00", CPS_ERR_OSCORE_DECODE},
        {"2100", CPS_ERR_OSCORE_DECODE},
    };
    kit_t k;
    cps_oscore_binding_t client;
    cps_oscore_binding_t server;
    cps_oscore_params_t params = kit_params();
    params.has_id_context = true;
    params.id_context = cps_bytes_str("house");
    kit_init(&k, &params);
    kit_ask(&k, 0, &client, &server);
    for (size_t i = 0; i < COUNT(rows); i++) {
        cps_msg_t plain = kit_message(CPS_CONTENT, "x");
        cps_msg_t inner;
        cps_bytes_t sealed;
        uint8_t options[64];
        uint8_t datagram[KIT_BYTES_MAX];
        assert_ok(kit_seal_response(&k, 0, &plain, &sealed, &server));
        cps_msg_t outer = kit_parse(sealed);
        cps_writer_t w = cps_writer(options, sizeof options);
        cps_opt_writer_t ow = cps_opt_writer(&w);
        cps_opt_put(&ow, CPS_OPT_OSCORE, hex(rows[i].option));
        outer.options = cps_written(&w);
        assert_err(rows[i].expected,
                   kit_open_response(&k, kit_write(&outer, datagram, sizeof datagram), &client, &inner, NULL));
    }
    kit_fini(&k);
}

/* Both answers verify for their own request alone. */
static void response_belongs_to_its_request(void **state)
{
    (void)state;
    kit_t k;
    cps_oscore_binding_t client[2];
    cps_oscore_binding_t server[2];
    uint8_t datagrams[2][KIT_BYTES_MAX];
    size_t lens[2];
    cps_msg_t inner;
    kit_start(&k);
    for (unsigned own = 0; own < 2; own++) {
        for (unsigned i = 0; i < 2; i++) {
            cps_msg_t plain = kit_message(CPS_CONTENT, "x");
            cps_bytes_t sealed;
            kit_ask(&k, 2 * own + i, &client[i], &server[i]);
            assert_ok(kit_seal_response(&k, own != 0 ? i : CPS_OSCORE_REQUEST_NONCE, &plain, &sealed, &server[i]));
            memcpy(datagrams[i], sealed.ptr, sealed.len);
            lens[i] = sealed.len;
        }
        for (unsigned i = 0; i < 2; i++)
            for (unsigned j = 0; j < 2; j++)
                assert_err(i == j ? CPS_OK : CPS_ERR_DECRYPT,
                           kit_open_response(&k, cps_bytes(datagrams[i], lens[i]), &client[j], &inner, NULL));
    }
    kit_fini(&k);
}

static void inner_max_age_is_the_end_to_end_one(void **state)
{
    (void)state;
    kit_t k;
    cps_oscore_binding_t client;
    cps_oscore_binding_t server;
    cps_msg_t plain = kit_message(CPS_CONTENT, "x");
    cps_msg_t inner;
    cps_bytes_t sealed;
    uint32_t max_age;
    uint8_t options[32];
    uint8_t datagram[KIT_BYTES_MAX];
    for (unsigned with_inner = 0; with_inner < 2; with_inner++) {
        kit_start(&k);
        kit_ask(&k, 0, &client, &server);
        plain.options = with_inner != 0 ? hex("d1011e") : cps_bytes(NULL, 0); /* Max-Age 30 */
        assert_ok(kit_seal_response(&k, CPS_OSCORE_REQUEST_NONCE, &plain, &sealed, &server));
        cps_msg_t outer = kit_parse(sealed);
        cps_option_t list[] = {{CPS_OPT_MAX_AGE, cps_bytes(NULL, 0)}, {CPS_OPT_OSCORE, kit_option(sealed)}};
        cps_writer_t w = cps_writer(options, sizeof options);
        cps_opt_writer_t ow = cps_opt_writer(&w);
        cps_opt_put_list(&ow, list, 2); /* outer Max-Age 0 */
        outer.options = cps_written(&w);
        assert_ok(kit_open_response(&k, kit_write(&outer, datagram, sizeof datagram), &client, &inner, NULL));
        assert_int_equal(cps_msg_option_uint(&inner, CPS_OPT_MAX_AGE, &max_age), with_inner);
        if (with_inner != 0)
            assert_int_equal(max_age, 30);
        kit_fini(&k);
    }
}

/* A code of the wrong direction, inside and outside. */
static void codes_belong_to_a_direction(void **state)
{
    (void)state;
    kit_t k;
    cps_oscore_binding_t client;
    cps_oscore_binding_t server;
    cps_msg_t inner;
    cps_bytes_t sealed;
    cps_oscore_receipt_t receipt;
    kit_start(&k);
    static const uint8_t wrong[] = {CPS_EMPTY, CPS_CONTENT, CPS_CODE(7, 1), CPS_CODE(1, 0)};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        cps_msg_t plain = kit_message(wrong[i], "");
        assert_err(CPS_ERR_ARGUMENT, kit_seal_request(&k, 0, &plain, &sealed, &client));
    }
    kit_ask(&k, 0, &client, &server);
    cps_msg_t plain = kit_message(CPS_GET, "");
    assert_err(CPS_ERR_ARGUMENT, kit_seal_response(&k, CPS_OSCORE_REQUEST_NONCE, &plain, &sealed, &server));
    assert_false(server.nonce_used);
    /* a peer that does it: its plaintext is made here by hand */
    const uint8_t response_code[] = {CPS_CONTENT};
    uint8_t ciphertext[1 + CPS_TAG_MAX];
    uint8_t nonce[CPS_NONCE_MAX];
    uint8_t aad[CPS_OSCORE_AAD_MAX];
    uint8_t datagram[64];
    cps_oscore_binding_t binding = {.piv = {1}, .piv_len = 1};
    cps_writer_t w = cps_writer(aad, sizeof aad);
    cps_oscore_put_aad(&w, &k.client, &binding);
    cps_oscore_nonce(&k.client, cps_bytes(NULL, 0), hex("01"), nonce);
    const cps_aead_op_t op = {cps_aead_find(10), k.client.sender_key, nonce, cps_written(&w)};
    assert_ok(k.spy.crypto.table->seal(&k.spy, &op, cps_bytes(response_code, 1), ciphertext));
    cps_msg_t outer = {.code = CPS_POST, .options = hex("920901"), .payload = cps_bytes(ciphertext, 9)};
    cps_bytes_t bytes = kit_write(&outer, datagram, sizeof datagram);
    assert_err(CPS_ERR_OSCORE_DECODE, kit_open_request(&k, bytes, &inner, &receipt));
    kit_fini(&k);
}

/* Every size that is too small: nothing is written, no nonce is used, and the next try succeeds. */
static void want_of_space_uses_no_nonce(void **state)
{
    (void)state;
    kit_t k;
    cps_oscore_binding_t client;
    cps_oscore_binding_t server;
    cps_msg_t plain = kit_message(CPS_CONTENT, "closed");
    cps_bytes_t sealed;
    uint8_t out[KIT_BYTES_MAX];
    kit_start(&k);
    kit_ask(&k, 0, &client, &server);
    cps_oscore_binding_t copy = server;
    assert_ok(kit_seal_response(&k, CPS_OSCORE_REQUEST_NONCE, &plain, &sealed, &copy));
    unsigned seals = k.spy.seals;
    for (size_t len = 0; len < sealed.len; len++) {
        cps_oscore_work_t work = kit_work(&k);
        cps_writer_t w = cps_writer(out, len);
        assert_err(CPS_ERR_NO_SPACE,
                   cps_oscore_protect_response(&k.server, &work, CPS_OSCORE_REQUEST_NONCE, &plain, &w, &server));
        assert_int_equal(cps_written(&w).len, 0);
    }
    for (size_t len = 0; len < 8; len++) { /* code, marker, six bytes */
        cps_oscore_work_t work = kit_work(&k);
        cps_writer_t w = cps_writer(out, sizeof out);
        k.plaintext_writer = cps_writer(k.plaintext, len);
        assert_err(CPS_ERR_NO_SPACE,
                   cps_oscore_protect_response(&k.server, &work, CPS_OSCORE_REQUEST_NONCE, &plain, &w, &server));
    }
    assert_int_equal(k.spy.seals, seals);
    assert_false(server.nonce_used);
    for (size_t len = 0; len < 8; len++) {
        cps_oscore_work_t work = kit_work(&k);
        cps_msg_t inner;
        cps_msg_t outer = kit_parse(sealed);
        k.plaintext_writer = cps_writer(k.plaintext, len);
        assert_err(CPS_ERR_NO_SPACE, cps_oscore_unprotect_response(&k.client, &work, &outer, &client, &inner, NULL));
    }
    assert_ok(kit_seal_response(&k, CPS_OSCORE_REQUEST_NONCE, &plain, &sealed, &server));
    kit_fini(&k);
}

static const cps_case_t cases[] = {
    {"OSC-64", "a number of our own is in the option, the request's nonce needs none",
     response_goes_under_either_nonce},
    {"OSC-65", "the request's nonce is for one response", request_nonce_is_for_one_response},
    {"OSC-84", "a hundred responses have neither kid nor kid context", responses_name_no_context},
    {"", "a response that names a context has to name its own", named_context_of_a_response_has_to_fit},
    {"", "a response verifies for its own request alone", response_belongs_to_its_request},
    {"OSC-14", "an outer Max-Age does not reach the application", inner_max_age_is_the_end_to_end_one},
    {"", "codes of the wrong direction are refused", codes_belong_to_a_direction},
    {"", "want of space uses no nonce", want_of_space_uses_no_nonce},
};

CPS_RUN("OSCORE responses", cases)
