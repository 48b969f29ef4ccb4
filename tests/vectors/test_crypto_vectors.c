// SPDX-License-Identifier: Apache-2.0
/* The OpenSSL provider against vectors made by others. */
#include "harness.h"

#include "crypto/provider.h"
#include "vectors/cose_encrypt0.gen.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

static cps_crypto_t provider(void)
{
    cps_crypto_t crypto;
    assert_ok(cps_crypto_openssl_init(&crypto));
    return crypto;
}

/* All twelve AEADs, in both directions, out of one provider. */
static void aeads_agree_with_cose_examples(void **state)
{
    (void)state;
    cps_crypto_t crypto = provider();
    bool met[CPS_AEAD_COUNT] = {false};
    for (size_t i = 0; i < COUNT(cose_encrypt0); i++) {
        const vec_t *v = &cose_encrypt0[i];
        cps_bytes_t key = vec_hex(v, "key");
        cps_bytes_t nonce = vec_hex(v, "nonce");
        cps_bytes_t plaintext = vec_hex(v, "plaintext");
        cps_bytes_t ciphertext = vec_hex(v, "ciphertext");
        const cps_aead_t *aead = cps_aead_find((int32_t)vec_number(v, "alg_aead"));
        assert_non_null(aead);
        assert_int_equal(aead->key_len, key.len);
        assert_int_equal(aead->nonce_len, nonce.len);
        assert_int_equal(aead->tag_len, ciphertext.len - plaintext.len);
        met[cps_aead_place(aead)] = true;
        cps_aead_op_t op = {aead, key.ptr, nonce.ptr, vec_hex(v, "aad")};
        uint8_t out[64];
        assert_ok(crypto.table->seal(crypto.state, &op, plaintext, out));
        assert_bytes(ciphertext, cps_bytes(out, ciphertext.len));
        assert_ok(crypto.table->open(crypto.state, &op, ciphertext, out));
        assert_bytes(plaintext, cps_bytes(out, plaintext.len));
    }
    for (size_t i = 0; i < CPS_AEAD_COUNT; i++)
        assert_true(met[i]);
    cps_crypto_openssl_fini(&crypto);
}

/* RFC 4231 §4.2 to §4.4, §4.7. */
static const struct {
    const char *key;
    const char *data;
    const char *sha256;
    const char *sha512;
} hmacs[] = {
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
     "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
     "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
    {"4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
     "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
     "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
    {"0102030405060708090a0b0c0d0e0f10111213141516171819",
     "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
     "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
     "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3db"
     "a91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd"},
    /* no key: Python's hmac for SHA-256 */
    {"", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
     "76d9e7194e7dbc3aa00bbe8ffb9f6fcb5a932170f971f948bb2ab61607d2b9d6", NULL},
};

static void hmac_agrees_with_rfc_4231(void **state)
{
    (void)state;
    cps_crypto_t crypto = provider();
    for (size_t i = 0; i < COUNT(hmacs); i++) {
        cps_bytes_t key = hex(hmacs[i].key);
        cps_bytes_t data = hex(hmacs[i].data);
        const cps_bytes_t parts[] = {cps_bytes(data.ptr, 3), cps_bytes(NULL, 0), cps_bytes(data.ptr + 3, data.len - 3)};
        uint8_t out[CPS_HASH_MAX];
        assert_ok(crypto.table->hmac(crypto.state, CPS_HASH_SHA256, key, parts, 3, out));
        assert_bytes(hex(hmacs[i].sha256), cps_bytes(out, 32));
        if (hmacs[i].sha512 == NULL)
            continue;
        assert_ok(crypto.table->hmac(crypto.state, CPS_HASH_SHA512, key, parts, 3, out));
        assert_bytes(hex(hmacs[i].sha512), cps_bytes(out, 64));
    }
    cps_crypto_openssl_fini(&crypto);
}

/* RFC 5869 appendix A.1 to A.3, and two with SHA-512 made by Python's hmac. */
static const struct {
    cps_hash_alg_t hash;
    const char *salt;
    const char *secret;
    const char *info;
    const char *out;
} hkdfs[] = {
    {CPS_HASH_SHA256, "000102030405060708090a0b0c", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
     "f0f1f2f3f4f5f6f7f8f9", "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
    {CPS_HASH_SHA256,
     "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f"
     "909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
     "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
     "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
     "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
     "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
     "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
    {CPS_HASH_SHA256, "", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "",
     "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
    {CPS_HASH_SHA512, "000102030405060708090a0b0c", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
     "f0f1f2f3f4f5f6f7f8f9",
     "832390086cda71fb47625bb5ceb168e4c8e26a1a16ed34d9fc7fe92c1481579338da362cb8d9f925d7cbcce0dff70987"
     "69cf15959867d571c1715450cb530137be3fb62f3cf32b84feba8f1eb1b563e20d9749b8640b8264c4b69b14ad519911"
     "5e1d609c83c6940ce5b4214a0c79946983547a35cdcc17e0daf31b647dec0d0e6142b1deaa036b348422068ca66631c0"
     "ca5586485a27"},
    {CPS_HASH_SHA512, "", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "",
     "f5fa02b18298a72a8c23898a8703472c6eb179dc204c03425c970e3b164bf90fff22d04836d0e2343bac"},
};

static void hkdf_agrees_with_rfc_5869(void **state)
{
    (void)state;
    cps_crypto_t crypto = provider();
    for (size_t i = 0; i < COUNT(hkdfs); i++) {
        cps_bytes_t expected = hex(hkdfs[i].out);
        uint8_t out[256];
        const cps_hkdf_in_t in = {hex(hkdfs[i].salt), hex(hkdfs[i].secret), hex(hkdfs[i].info)};
        assert_ok(cps_hkdf(&crypto, hkdfs[i].hash, &in, out, expected.len));
        assert_bytes(expected, cps_bytes(out, expected.len));
    }
    cps_crypto_openssl_fini(&crypto);
}

static void hkdf_has_a_longest_output(void **state)
{
    (void)state;
    cps_crypto_t crypto = provider();
    static uint8_t out[255 * 32 + 1];
    const cps_hkdf_in_t in = {cps_bytes_str("salt"), cps_bytes_str("secret"), cps_bytes_str("info")};
    assert_ok(cps_hkdf(&crypto, CPS_HASH_SHA256, &in, out, 255 * 32));
    assert_bytes(hex("bdad5279657624f6"), cps_bytes(out + 255 * 32 - 8, 8));
    assert_err(CPS_ERR_ARGUMENT, cps_hkdf(&crypto, CPS_HASH_SHA256, &in, out, sizeof out));
    cps_crypto_openssl_fini(&crypto);
}

static const cps_case_t cases[] = {
    {"", "each AEAD seals and opens as in the COSE working group's examples", aeads_agree_with_cose_examples},
    {"", "HMAC as in RFC 4231", hmac_agrees_with_rfc_4231},
    {"", "HKDF as in RFC 5869", hkdf_agrees_with_rfc_5869},
    {"", "HKDF gives up to 255 blocks and refuses more", hkdf_has_a_longest_output},
};

CPS_RUN("crypto vectors", cases)
