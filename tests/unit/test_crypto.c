// SPDX-License-Identifier: Apache-2.0
/* Tables and providers; vectors are in tests/vectors/test_crypto_vectors.c. */
#include "harness.h"

#include "crypto/provider.h"

#include <openssl/err.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT_MAX = 40 };

typedef struct sample {
    cps_aead_op_t op;
    uint8_t key[CPS_KEY_MAX];
    uint8_t nonce[CPS_NONCE_MAX];
    uint8_t aad[TEXT_MAX];
    uint8_t text[TEXT_MAX];
    size_t text_len;
} sample_t;

static void draw(sample_t *s, const cps_aead_t *aead, cps_rng_t *rng)
{
    cps_rng_fill(rng, s->key, sizeof s->key);
    cps_rng_fill(rng, s->nonce, sizeof s->nonce);
    cps_rng_fill(rng, s->aad, sizeof s->aad);
    cps_rng_fill(rng, s->text, sizeof s->text);
    s->text_len = cps_rng_below(rng, TEXT_MAX + 1);
    s->op = (cps_aead_op_t){aead, s->key, s->nonce, cps_bytes(s->aad, cps_rng_below(rng, TEXT_MAX + 1))};
}

static void table_knows_its_algorithms(void **state)
{
    (void)state;
    size_t found = 0;
    for (int32_t cose = -70000; cose <= 70000; cose++) {
        const cps_aead_t *aead = cps_aead_find(cose);
        if (aead == NULL)
            continue;
        found++;
        assert_int_equal(aead->cose, cose);
        assert_ptr_equal(aead, cps_aead_at(cps_aead_place(aead)));
        assert_ptr_equal(aead, cps_aead_by_name(cps_bytes_str(aead->name)));
        assert_true(aead->nonce_len >= 7 && aead->nonce_len <= CPS_NONCE_MAX);
        assert_true(aead->key_len <= CPS_KEY_MAX && aead->tag_len <= CPS_TAG_MAX);
    }
    assert_int_equal(found, CPS_AEAD_COUNT);
    assert_null(cps_aead_at(CPS_AEAD_COUNT));
    assert_null(cps_aead_by_name(cps_bytes_str("AES-CCM-16")));
}

static void table_knows_its_hashes(void **state)
{
    (void)state;
    cps_hash_alg_t hash;
    for (unsigned i = 0; i < CPS_HASH_COUNT; i++) {
        assert_true(cps_hash_by_name(cps_bytes_str(cps_hash_name((cps_hash_alg_t)i)), &hash));
        assert_int_equal(hash, i);
    }
    assert_int_equal(cps_hash_len(CPS_HASH_SHA256), 32);
    assert_int_equal(cps_hash_len(CPS_HASH_SHA512), 64);
    assert_false(cps_hash_by_name(cps_bytes_str("sha1"), &hash));
}

/* Every AEAD in turn, so that a state left over from one call would show in the next; text of no bytes among them. */
static void seal_and_open_round_trip(cps_crypto_t *crypto)
{
    cps_rng_seeded_t seeded;
    cps_rng_t rng = cps_rng_from_seed(&seeded, 7);
    for (unsigned round = 0; round < 2400; round++) {
        const cps_aead_t *aead = cps_aead_at(round % CPS_AEAD_COUNT);
        sample_t s;
        draw(&s, aead, &rng);
        uint8_t sealed[TEXT_MAX + CPS_TAG_MAX];
        uint8_t in_place[TEXT_MAX + CPS_TAG_MAX];
        cps_bytes_t text = cps_bytes(s.text, s.text_len);
        memcpy(in_place, s.text, s.text_len);
        assert_ok(crypto->table->seal(crypto->state, &s.op, text, sealed));
        assert_ok(crypto->table->seal(crypto->state, &s.op, cps_bytes(in_place, s.text_len), in_place));
        size_t len = s.text_len + aead->tag_len;
        assert_bytes(cps_bytes(sealed, len), cps_bytes(in_place, len));
        assert_ok(crypto->table->open(crypto->state, &s.op, cps_bytes(in_place, len), in_place));
        assert_bytes(text, cps_bytes(in_place, s.text_len));
        assert_ok(crypto->table->open(crypto->state, &s.op, cps_bytes(sealed, len), sealed));
        assert_bytes(text, cps_bytes(sealed, s.text_len));
    }
}

static void openssl_round_trip(void **state)
{
    (void)state;
    cps_crypto_t crypto;
    assert_ok(cps_crypto_openssl_init(&crypto));
    seal_and_open_round_trip(&crypto);
    cps_crypto_openssl_fini(&crypto);
    cps_crypto_openssl_fini(&crypto); /* once more does nothing */
    assert_null(crypto.table);
}

static void null_round_trip(void **state)
{
    (void)state;
    cps_crypto_t crypto;
    cps_crypto_null_init(&crypto);
    seal_and_open_round_trip(&crypto);
    const uint8_t forged[9] = {1, 2, 0, 0, 0, 0, 0, 0, 1};
    uint8_t out[1];
    cps_aead_op_t op = {cps_aead_find(10), NULL, NULL, cps_bytes(NULL, 0)};
    assert_err(CPS_ERR_DECRYPT, crypto.table->open(crypto.state, &op, cps_bytes(forged, sizeof forged), out));
    uint8_t one[32];
    uint8_t other[32];
    cps_bytes_t part = cps_bytes_str("a");
    assert_ok(crypto.table->hmac(crypto.state, CPS_HASH_SHA256, cps_bytes_str("k"), &part, 1, one));
    part = cps_bytes_str("b");
    assert_ok(crypto.table->hmac(crypto.state, CPS_HASH_SHA256, cps_bytes_str("k"), &part, 1, other));
    assert_memory_not_equal(one, other, sizeof one);
}

static void assert_refused(cps_crypto_t *crypto, const cps_aead_op_t *op, cps_bytes_t sealed)
{
    uint8_t out[TEXT_MAX];
    static const uint8_t zeros[TEXT_MAX];
    memset(out, 0xa5, sizeof out);
    assert_err(CPS_ERR_DECRYPT, crypto->table->open(crypto->state, op, sealed, out));
    assert_memory_equal(out, zeros, sealed.len - op->aead->tag_len); /* nothing of the plaintext */
}

/* Flip one bit after another of a field that the operation reads. */
static void flip_all(cps_crypto_t *crypto, const sample_t *s, cps_bytes_t sealed, uint8_t *field, size_t len)
{
    for (size_t bit = 0; bit < 8 * len; bit++) {
        field[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_refused(crypto, &s->op, sealed);
        field[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

static void open_refuses_any_change(void **state)
{
    (void)state;
    cps_crypto_t crypto;
    assert_ok(cps_crypto_openssl_init(&crypto));
    cps_rng_seeded_t seeded;
    cps_rng_t rng = cps_rng_from_seed(&seeded, 8);
    for (size_t i = 0; i < CPS_AEAD_COUNT; i++) {
        sample_t s;
        draw(&s, cps_aead_at(i), &rng);
        s.text_len = 20;
        s.op.aad.len = 11;
        uint8_t sealed[20 + CPS_TAG_MAX];
        cps_bytes_t view = cps_bytes(sealed, 20U + s.op.aead->tag_len);
        assert_ok(crypto.table->seal(crypto.state, &s.op, cps_bytes(s.text, 20), sealed));
        flip_all(&crypto, &s, view, sealed, view.len);
        flip_all(&crypto, &s, view, s.aad, 11);
        flip_all(&crypto, &s, view, s.nonce, s.op.aead->nonce_len);
        flip_all(&crypto, &s, view, s.key, s.op.aead->key_len);
        s.op.aad.len = 10;
        assert_refused(&crypto, &s.op, view);
        s.op.aad.len = 11;
        assert_refused(&crypto, &s.op, cps_bytes(sealed, view.len - 1));
        uint8_t none[1];
        cps_bytes_t shorter = cps_bytes(sealed, s.op.aead->tag_len - 1U);
        assert_err(CPS_ERR_DECRYPT, crypto.table->open(crypto.state, &s.op, shorter, none));
        uint8_t out[20];
        assert_ok(crypto.table->open(crypto.state, &s.op, view, out)); /* a refusal leaves nothing behind */
        assert_bytes(cps_bytes(s.text, 20), cps_bytes(out, 20));
    }
    cps_crypto_openssl_fini(&crypto);
}

/* The queue of errors is the thread's, and an application may use libcrypto too. */
static void refusals_leave_no_error_behind(void **state)
{
    (void)state;
    cps_crypto_t crypto;
    assert_ok(cps_crypto_openssl_init(&crypto));
    static const uint8_t forged[32];
    for (size_t i = 0; i < CPS_AEAD_COUNT; i++) {
        static const uint8_t key[CPS_KEY_MAX];
        static const uint8_t nonce[CPS_NONCE_MAX];
        uint8_t out[32];
        cps_aead_op_t op = {cps_aead_at(i), key, nonce, cps_bytes(NULL, 0)};
        ERR_clear_error();
        assert_err(CPS_ERR_DECRYPT, crypto.table->open(crypto.state, &op, cps_bytes(forged, 32), out));
        assert_int_equal(ERR_peek_error(), 0);
        ERR_raise(ERR_LIB_USER, 7);
        assert_err(CPS_ERR_DECRYPT, crypto.table->open(crypto.state, &op, cps_bytes(forged, 32), out));
        assert_int_equal(ERR_GET_REASON(ERR_get_error()), 7);
        assert_int_equal(ERR_peek_error(), 0);
    }
    cps_crypto_openssl_fini(&crypto);
}

static void ccm_refuses_what_it_cannot_count(void **state)
{
    (void)state;
    cps_crypto_t crypto;
    assert_ok(cps_crypto_openssl_init(&crypto));
    static uint8_t text[65536 + CPS_TAG_MAX];
    static const uint8_t key[CPS_KEY_MAX];
    static const uint8_t nonce[CPS_NONCE_MAX];
    cps_aead_op_t op = {cps_aead_find(10), key, nonce, cps_bytes(NULL, 0)};
    assert_ok(crypto.table->seal(crypto.state, &op, cps_bytes(text, 65535), text));
    assert_err(CPS_ERR_CRYPTO, crypto.table->seal(crypto.state, &op, cps_bytes(text, 65536), text));
    cps_crypto_openssl_fini(&crypto);
}

static void random_bytes_do_not_repeat(void **state)
{
    (void)state;
    cps_crypto_t crypto;
    assert_ok(cps_crypto_openssl_init(&crypto));
    cps_rng_t rng = cps_crypto_rng(&crypto);
    enum { DRAWS = 3000 };
    static uint8_t drawn[DRAWS][13]; /* 13 does not divide the pool: draws that cross its end are among them */
    for (size_t i = 0; i < DRAWS; i++)
        cps_rng_fill(&rng, drawn[i], sizeof drawn[i]);
    for (size_t i = 0; i < DRAWS; i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(drawn[i], drawn[j], sizeof drawn[i]);
    static uint8_t large[20000];
    static const uint8_t zeros[64];
    cps_rng_fill(&rng, large, sizeof large);
    for (size_t at = 0; at + sizeof zeros <= sizeof large; at += sizeof zeros)
        assert_memory_not_equal(large + at, zeros, sizeof zeros);
    cps_crypto_openssl_fini(&crypto);
}

static cps_err_t no_random(void *state, uint8_t *out, size_t len)
{
    (void)state;
    (void)out;
    (void)len;
    return CPS_ERR_CRYPTO;
}

static void process_ends_without_random_bytes(void **state)
{
    (void)state;
    const cps_crypto_table_t table = {.name = "broken", .random = no_random};
    cps_crypto_t crypto = {&table, NULL};
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        cps_rng_t rng = cps_crypto_rng(&crypto);
        uint8_t byte;
        cps_rng_fill(&rng, &byte, 1);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static const cps_case_t cases[] = {
    {"", "the table of AEADs has the twelve, each with a nonce of 7 bytes or more", table_knows_its_algorithms},
    {"", "the table of hashes has its two", table_knows_its_hashes},
    {"", "what OpenSSL seals it opens, also in place and with no text", openssl_round_trip},
    {"", "the fuzzing provider goes round and refuses another tag", null_round_trip},
    {"", "any bit changed in text, tag, AAD, nonce or key is refused and leaves no plaintext", open_refuses_any_change},
    {"", "a refusal leaves the caller's queue of errors as it was", refusals_leave_no_error_behind},
    {"", "a text too long for the length field of CCM is refused", ccm_refuses_what_it_cannot_count},
    {"", "random bytes do not repeat, also over the end of the pool", random_bytes_do_not_repeat},
    {"", "the process ends where there are no random bytes", process_ends_without_random_bytes},
};

CPS_RUN("crypto", cases)
