// SPDX-License-Identifier: Apache-2.0
/* What holds for any message, number and algorithm: random ones from a fixed seed. */
#include "oscore_kit.h"

#include "base/rng.h"

enum { OPTIONS_MAX = 12, VALUE_MAX = 24, PAYLOAD_MAX = 80 };

typedef struct source {
    cps_rng_seeded_t seeded;
    cps_rng_t rng;
} source_t;

static void source_init(source_t *s, uint64_t seed)
{
    print_message("# seed %u\n", (unsigned)seed);
    s->rng = cps_rng_from_seed(&s->seeded, seed);
}

/* A random message with all its bytes. */
typedef struct random_message {
    cps_msg_t msg;
    cps_option_t list[OPTIONS_MAX];
    size_t count;
    uint8_t values[OPTIONS_MAX][VALUE_MAX];
    uint8_t options[OPTIONS_MAX * (VALUE_MAX + 5)];
    uint8_t token[CPS_TOKEN_MAX];
    uint8_t payload[PAYLOAD_MAX];
} random_message_t;

static size_t rows_of_the_table(void)
{
    size_t count = 0;
    while (cps_opttab_at(count) != NULL)
        count++;
    return count;
}

/* From the table of options, or any number. No OSCORE and no Proxy-Uri, which have tests of their own. */
static uint16_t random_number(source_t *s)
{
    for (;;) {
        uint16_t number = (uint16_t)cps_rng_u32(&s->rng);
        if (cps_rng_below(&s->rng, 4) != 0)
            number = cps_opttab_at(cps_rng_below(&s->rng, (uint32_t)rows_of_the_table()))->number;
        if (number != CPS_OPT_OSCORE && number != CPS_OPT_PROXY_URI)
            return number;
    }
}

static void write_list(random_message_t *m)
{
    cps_writer_t w = cps_writer(m->options, sizeof m->options);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    cps_opt_put_list(&ow, m->list, m->count);
    assert_ok(cps_writer_err(&w));
    m->msg.options = cps_written(&w);
}

static void draw(source_t *s, random_message_t *m, uint8_t code, size_t shortest)
{
    cps_rng_fill(&s->rng, m->token, sizeof m->token);
    cps_rng_fill(&s->rng, m->payload, sizeof m->payload);
    cps_rng_fill(&s->rng, m->values, sizeof m->values);
    m->count = cps_rng_below(&s->rng, OPTIONS_MAX + 1);
    for (size_t i = 0; i < m->count; i++) {
        size_t len = shortest + cps_rng_below(&s->rng, (uint32_t)(VALUE_MAX - shortest + 1));
        m->list[i] = (cps_option_t){random_number(s), cps_bytes(m->values[i], len)};
    }
    m->msg = (cps_msg_t){.type = cps_code_is_request(code) ? CPS_CON : CPS_ACK,
                         .code = code,
                         .mid = (uint16_t)cps_rng_u32(&s->rng),
                         .token = cps_bytes(m->token, cps_rng_below(&s->rng, CPS_TOKEN_MAX + 1)),
                         .payload = cps_bytes(m->payload, cps_rng_below(&s->rng, PAYLOAD_MAX + 1))};
    write_list(m);
}

static void draw_request(source_t *s, random_message_t *m) { draw(s, m, (uint8_t)(1 + cps_rng_below(&s->rng, 31)), 0); }

static void draw_response(source_t *s, random_message_t *m)
{
    static const uint8_t classes[] = {2, 4, 5};
    draw(s, m, CPS_CODE(classes[cps_rng_below(&s->rng, 3)], cps_rng_below(&s->rng, 32)), 0);
}

/* Random secret, salt, IDs and ID Context under that AEAD. */
static void draw_kit(source_t *s, kit_t *k, const cps_aead_t *aead)
{
    uint8_t secret[32];
    uint8_t salt[16];
    uint8_t ids[2][CPS_OSCORE_ID_MAX];
    uint8_t id_context[CPS_OSCORE_ID_CONTEXT_MAX];
    uint32_t id_max = aead->nonce_len - 6U;
    cps_rng_fill(&s->rng, secret, sizeof secret);
    cps_rng_fill(&s->rng, salt, sizeof salt);
    cps_rng_fill(&s->rng, ids, sizeof ids);
    cps_rng_fill(&s->rng, id_context, sizeof id_context);
    ids[1][0] = (uint8_t)~ids[0][0];
    cps_oscore_params_t params = {.master_secret = cps_bytes(secret, 16U + cps_rng_below(&s->rng, 17)),
                                  .master_salt = cps_bytes(salt, cps_rng_below(&s->rng, 17)),
                                  .has_id_context = cps_rng_below(&s->rng, 2) != 0,
                                  .aead = aead->cose,
                                  .hash = (cps_hash_alg_t)cps_rng_below(&s->rng, CPS_HASH_COUNT)};
    params.id_context = cps_bytes(id_context, cps_rng_below(&s->rng, CPS_OSCORE_ID_CONTEXT_MAX + 1));
    params.sender_id = cps_bytes(ids[0], cps_rng_below(&s->rng, id_max + 1));
    params.recipient_id = cps_bytes(ids[1], 1 + cps_rng_below(&s->rng, id_max));
    kit_init(k, &params);
}

static uint64_t draw_number(source_t *s)
{
    uint64_t number = (uint64_t)cps_rng_u32(&s->rng) << 8U | cps_rng_below(&s->rng, 256);
    return number >> cps_rng_below(&s->rng, 40);
}

/* What a response comes out as: the Observe of a notification is empty inside. */
static void expect_response(const random_message_t *m, random_message_t *expected)
{
    *expected = *m;
    for (size_t i = 0; i < m->count; i++)
        if (m->list[i].number == CPS_OPT_OBSERVE)
            expected->list[i].value.len = 0;
    write_list(expected);
}

static void round_trip(source_t *s, kit_t *k)
{
    random_message_t plain;
    random_message_t expected;
    cps_oscore_binding_t client;
    cps_oscore_receipt_t receipt = {.number = 0};
    cps_msg_t inner;
    uint8_t datagram[KIT_BYTES_MAX];
    uint64_t number = draw_number(s);
    draw_request(s, &plain);
    cps_bytes_t sealed = kit_sealed(k, number, &plain.msg, datagram, &client);
    assert_ok(kit_open_request(k, sealed, &inner, &receipt));
    kit_assert_same(&plain.msg, &inner);
    assert_true(receipt.number == number);
    assert_ok(cps_oscore_accept(&k->server, &receipt));
    for (unsigned i = 0; i < 2; i++) {
        uint64_t own = i == 0 ? CPS_OSCORE_REQUEST_NONCE : draw_number(s);
        uint64_t told = 0;
        draw_response(s, &plain);
        expect_response(&plain, &expected);
        assert_ok(kit_seal_response(k, own, &plain.msg, &sealed, &receipt.binding));
        assert_ok(kit_open_response(k, sealed, &client, &inner, &told));
        kit_assert_same(&expected.msg, &inner);
        assert_true(told == own);
    }
}

static void any_message_goes_round(void **state)
{
    (void)state;
    source_t s;
    source_init(&s, 1);
    for (unsigned round = 0; round < 50; round++) {
        for (size_t place = 0; place < CPS_AEAD_COUNT; place++) {
            kit_t k;
            draw_kit(&s, &k, cps_aead_at(place));
            round_trip(&s, &k);
            kit_fini(&k);
        }
    }
}

/* The bytes of the option's value and the payload of a datagram, which are all that OSCORE protects. */
static void sealed_bytes(cps_bytes_t datagram, bool protected_byte[KIT_BYTES_MAX])
{
    cps_bytes_t option = kit_option(datagram);
    cps_msg_t outer = kit_parse(datagram);
    memset(protected_byte, 0, KIT_BYTES_MAX * sizeof *protected_byte);
    for (size_t i = 0; i < datagram.len; i++) {
        const uint8_t *at = datagram.ptr + i;
        protected_byte[i] = (option.len != 0 && at >= option.ptr && at < option.ptr + option.len) ||
                            (at >= outer.payload.ptr && at < outer.payload.ptr + outer.payload.len);
    }
}

/* Flip each bit of them; `client` is NULL for a request. Nothing opens, and no byte of a context changes. */
static void flip_all(kit_t *k, uint8_t *datagram, size_t len, const cps_oscore_binding_t *client)
{
    static bool protected_byte[KIT_BYTES_MAX];
    cps_bytes_t view = cps_bytes(datagram, len);
    cps_oscore_ctx_t before[2] = {k->client, k->server};
    cps_msg_t inner;
    cps_oscore_receipt_t receipt;
    sealed_bytes(view, protected_byte);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        if (!protected_byte[bit / 8])
            continue;
        datagram[bit / 8] ^= (uint8_t)(1U << bit % 8);
        cps_err_t err = client != NULL ? kit_open_response(k, view, client, &inner, NULL)
                                       : kit_open_request(k, view, &inner, &receipt);
        datagram[bit / 8] ^= (uint8_t)(1U << bit % 8);
        if (err == CPS_OK)
            fail_msg("bit %zu can be changed", bit);
    }
    assert_memory_equal(&before[0], &k->client, sizeof k->client);
    assert_memory_equal(&before[1], &k->server, sizeof k->server);
}

/* Version 0, 2 and 3 are no CoAP of ours. */
static void change_version(uint8_t *datagram, size_t len)
{
    cps_msg_t msg;
    uint8_t first = datagram[0];
    for (unsigned version = 0; version < 4; version++) {
        datagram[0] = (uint8_t)((first & 0x3fU) | version << 6U);
        assert_err(version == 1 ? CPS_OK : CPS_ERR_VERSION, cps_msg_parse(cps_bytes(datagram, len), &msg));
    }
    datagram[0] = first;
}

static void assert_same_but_class_u(const cps_msg_t *expected, const cps_msg_t *actual)
{
    cps_opt_walk_t one = cps_opt_walk(expected->options);
    cps_opt_walk_t other = cps_opt_walk(actual->options);
    cps_option_t a;
    cps_option_t b;
    assert_int_equal(expected->code, actual->code);
    assert_bytes(expected->payload, actual->payload);
    for (;;) {
        bool has_a = cps_opt_next(&one, &a);
        while (has_a && cps_opttab_class(a.number) == CPS_OPT_CLASS_U)
            has_a = cps_opt_next(&one, &a);
        bool has_b = cps_opt_next(&other, &b);
        while (has_b && cps_opttab_class(b.number) == CPS_OPT_CLASS_U)
            has_b = cps_opt_next(&other, &b);
        assert_int_equal(has_a, has_b);
        if (!has_a)
            return;
        assert_int_equal(a.number, b.number);
        assert_bytes(a.value, b.value);
    }
}

/* Proxy-*, Uri-Host and Uri-Port put in or taken away on the way: the rest of the request is as it was. */
static void change_outer_uri(kit_t *k, cps_bytes_t datagram, const cps_msg_t *plain)
{
    static const cps_option_t others[] = {{CPS_OPT_URI_HOST, {(const uint8_t *)"elsewhere", 9}},
                                          {CPS_OPT_URI_PORT, {(const uint8_t *)"\x01", 1}},
                                          {CPS_OPT_PROXY_URI, {(const uint8_t *)"coap://e/x", 10}},
                                          {CPS_OPT_PROXY_SCHEME, {(const uint8_t *)"http", 4}}};
    for (unsigned with = 0; with < 16; with++) {
        cps_option_t list[5] = {{CPS_OPT_OSCORE, kit_option(datagram)}};
        size_t count = 1;
        for (unsigned i = 0; i < 4; i++)
            if ((with >> i & 1U) != 0)
                list[count++] = others[i];
        uint8_t options[256];
        uint8_t changed[KIT_BYTES_MAX];
        cps_writer_t w = cps_writer(options, sizeof options);
        cps_opt_writer_t ow = cps_opt_writer(&w);
        cps_opt_put_list(&ow, list, count);
        cps_msg_t outer = kit_parse(datagram);
        cps_msg_t inner;
        cps_oscore_receipt_t receipt;
        outer.options = cps_written(&w);
        assert_ok(kit_open_request(k, kit_write(&outer, changed, sizeof changed), &inner, &receipt));
        assert_same_but_class_u(plain, &inner);
    }
}

static void no_part_of_a_request_can_change(void **state)
{
    (void)state;
    source_t s;
    source_init(&s, 2);
    for (unsigned round = 0; round < 4 * CPS_AEAD_COUNT; round++) {
        kit_t k;
        random_message_t plain;
        cps_oscore_binding_t client;
        uint8_t datagram[KIT_BYTES_MAX];
        draw_kit(&s, &k, cps_aead_at(round % CPS_AEAD_COUNT));
        draw_request(&s, &plain);
        cps_bytes_t sealed = kit_sealed(&k, draw_number(&s), &plain.msg, datagram, &client);
        flip_all(&k, datagram, sealed.len, NULL);
        change_version(datagram, sealed.len);
        change_outer_uri(&k, sealed, &plain.msg);
        kit_fini(&k);
    }
}

static void no_part_of_a_response_can_change(void **state)
{
    (void)state;
    source_t s;
    source_init(&s, 3);
    for (unsigned round = 0; round < 4 * CPS_AEAD_COUNT; round++) {
        kit_t k;
        random_message_t plain;
        random_message_t expected;
        cps_oscore_binding_t client;
        cps_oscore_binding_t server;
        cps_bytes_t sealed;
        cps_msg_t inner;
        uint8_t datagram[KIT_BYTES_MAX];
        draw_kit(&s, &k, cps_aead_at(round % CPS_AEAD_COUNT));
        kit_ask(&k, draw_number(&s), &client, &server);
        draw_response(&s, &plain);
        expect_response(&plain, &expected);
        uint64_t number = round % 2 == 0 ? CPS_OSCORE_REQUEST_NONCE : draw_number(&s);
        assert_ok(kit_seal_response(&k, number, &plain.msg, &sealed, &server));
        memcpy(datagram, sealed.ptr, sealed.len);
        flip_all(&k, datagram, sealed.len, &client);
        change_version(datagram, sealed.len);
        datagram[1] = CPS_BAD_REQUEST; /* another outer code */
        assert_ok(kit_open_response(&k, cps_bytes(datagram, sealed.len), &client, &inner, NULL));
        kit_assert_same(&expected.msg, &inner);
        kit_fini(&k);
    }
}

/* Values are 8 random bytes or more: they do not come up by chance. */
static void class_e_is_never_visible(void **state)
{
    (void)state;
    source_t s;
    kit_t k;
    source_init(&s, 4);
    kit_start(&k);
    for (unsigned round = 0; round < 3000; round++) {
        random_message_t plain;
        cps_oscore_binding_t binding;
        cps_bytes_t sealed;
        draw(&s, &plain, CPS_FETCH, 8);
        assert_ok(kit_seal_request(&k, round, &plain.msg, &sealed, &binding));
        cps_msg_t outer = kit_parse(sealed);
        for (size_t i = 0; i < plain.count; i++) {
            const cps_option_t *o = &plain.list[i];
            bool outside = cps_opt_count(outer.options, o->number) != 0;
            if (cps_opttab_class(o->number) == CPS_OPT_CLASS_E)
                assert_false(outside);
            else if (cps_opttab_class(o->number) == CPS_OPT_CLASS_U)
                assert_true(outside);
            bool seen = memmem(sealed.ptr, sealed.len, o->value.ptr, o->value.len) != NULL;
            assert_int_equal(seen, outside);
        }
        if (plain.msg.payload.len >= 8)
            assert_null(memmem(sealed.ptr, sealed.len, plain.msg.payload.ptr, plain.msg.payload.len));
    }
    kit_fini(&k);
}

/* A sealed request with some bytes changed or cut off. It may still open (the change was outside), but no context ever
 * changes, and what opens is the request that was sealed. */
static void noise_costs_no_state(void **state)
{
    (void)state;
    source_t s;
    kit_t k;
    random_message_t plain;
    cps_oscore_binding_t binding;
    uint8_t good[KIT_BYTES_MAX];
    source_init(&s, 5);
    kit_start(&k);
    draw_request(&s, &plain);
    cps_bytes_t sealed = kit_sealed(&k, 77, &plain.msg, good, &binding);
    cps_oscore_ctx_t before[2] = {k.client, k.server};
    for (unsigned round = 0; round < 50000; round++) {
        uint8_t bad[KIT_BYTES_MAX];
        size_t len = sealed.len;
        cps_msg_t inner;
        cps_oscore_receipt_t receipt;
        memcpy(bad, good, len);
        for (uint32_t i = cps_rng_below(&s.rng, 4); i > 0; i--)
            bad[cps_rng_below(&s.rng, (uint32_t)len)] = (uint8_t)cps_rng_u32(&s.rng);
        if (cps_rng_below(&s.rng, 4) == 0)
            len = cps_rng_below(&s.rng, (uint32_t)len + 1);
        if (kit_open_request(&k, cps_bytes(bad, len), &inner, &receipt) == CPS_OK)
            assert_same_but_class_u(&plain.msg, &inner);
        assert_true(kit_open_response(&k, cps_bytes(bad, len), &binding, &inner, NULL) != CPS_OK);
    }
    assert_memory_equal(&before[0], &k.client, sizeof k.client);
    assert_memory_equal(&before[1], &k.server, sizeof k.server);
    kit_fini(&k);
}

static const cps_case_t cases[] = {
    {"", "any message goes round under every AEAD, both nonces and any number", any_message_goes_round},
    {"E2E-A1.2", "no bit of option or ciphertext of a request can change, and what is outside does not matter",
     no_part_of_a_request_can_change},
    {"E2E-A1.6", "no bit of option or ciphertext of a response can change, and the outer code does not matter",
     no_part_of_a_response_can_change},
    {"", "class E options and payload are never visible outside", class_e_is_never_visible},
    {"", "fifty thousand damaged copies change no context", noise_costs_no_state},
};

CPS_RUN("OSCORE properties", cases)
