// SPDX-License-Identifier: Apache-2.0
/* Two OSCORE contexts that talk to each other, and a spy that sees what goes into the AEAD. For tests of sec/oscore. */
#ifndef CPS_TESTS_OSCORE_KIT_H
#define CPS_TESTS_OSCORE_KIT_H

#include "harness.h"

#include "sec/oscore/protect.h"
#include "sec/oscore/split.h"

#define KIT_BYTES_MAX 4096U

/** Forwards to OpenSSL and remembers the last AEAD call. */
typedef struct spy {
    cps_crypto_t real;
    cps_crypto_t crypto;
    unsigned seals;
    unsigned opens;
    uint8_t key[CPS_KEY_MAX];
    uint8_t nonce[CPS_NONCE_MAX];
    cps_bytes_t nonce_view;
    uint8_t aad[CPS_OSCORE_AAD_MAX];
    cps_bytes_t aad_view;
    uint8_t text[KIT_BYTES_MAX]; /**< plaintext of a seal, ciphertext of an open */
    cps_bytes_t text_view;
} spy_t;

static inline void spy_see(spy_t *spy, const cps_aead_op_t *op, cps_bytes_t text)
{
    memcpy(spy->key, op->key, op->aead->key_len);
    memcpy(spy->nonce, op->nonce, op->aead->nonce_len);
    spy->nonce_view = cps_bytes(spy->nonce, op->aead->nonce_len);
    assert_true(op->aad.len <= sizeof spy->aad && text.len <= sizeof spy->text);
    cps_copy(spy->aad, op->aad.ptr, op->aad.len);
    spy->aad_view = cps_bytes(spy->aad, op->aad.len);
    cps_copy(spy->text, text.ptr, text.len);
    spy->text_view = cps_bytes(spy->text, text.len);
}

static inline cps_err_t spy_seal(void *state, const cps_aead_op_t *op, cps_bytes_t in, uint8_t *out)
{
    spy_t *spy = state;
    spy->seals++;
    spy_see(spy, op, in);
    return spy->real.table->seal(spy->real.state, op, in, out);
}

static inline cps_err_t spy_open(void *state, const cps_aead_op_t *op, cps_bytes_t in, uint8_t *out)
{
    spy_t *spy = state;
    spy->opens++;
    spy_see(spy, op, in);
    return spy->real.table->open(spy->real.state, op, in, out);
}

static inline cps_err_t spy_hmac(void *state, cps_hash_alg_t hash, cps_bytes_t key, const cps_bytes_t *parts,
                                 size_t count, uint8_t *out)
{
    spy_t *spy = state;
    return spy->real.table->hmac(spy->real.state, hash, key, parts, count, out);
}

static inline void spy_init(spy_t *spy)
{
    static const cps_crypto_table_t table = {"spy", spy_seal, spy_open, spy_hmac, NULL};
    memset(spy, 0, sizeof *spy);
    assert_ok(cps_crypto_openssl_init(&spy->real));
    spy->crypto = (cps_crypto_t){&table, spy};
}

/** The two ends of one context. */
typedef struct kit {
    spy_t spy;
    cps_oscore_ctx_t client;
    cps_oscore_ctx_t server;
    uint8_t plaintext[KIT_BYTES_MAX];
    uint8_t joined[KIT_BYTES_MAX];
    cps_writer_t plaintext_writer;
    cps_writer_t joined_writer;
    uint8_t sealed[KIT_BYTES_MAX]; /**< what was protected last */
} kit_t;

/** The client's view: IDs "" and "01", the secret and salt of appendix C.1. */
static inline cps_oscore_params_t kit_params(void)
{
    static const uint8_t secret[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    static const uint8_t salt[] = {0x9e, 0x7c, 0xa9, 0x22, 0x23, 0x78, 0x63, 0x40};
    return (cps_oscore_params_t){.master_secret = cps_bytes(secret, sizeof secret),
                                 .master_salt = cps_bytes(salt, sizeof salt),
                                 .recipient_id = cps_bytes("\x01", 1),
                                 .window = -1};
}

/** Both ends are new: windows empty, numbers from 0. */
static inline void kit_init(kit_t *k, const cps_oscore_params_t *client)
{
    spy_init(&k->spy);
    cps_oscore_params_t server = *client;
    server.sender_id = client->recipient_id;
    server.recipient_id = client->sender_id;
    assert_ok(cps_oscore_ctx_init(&k->client, &k->spy.crypto, client));
    assert_ok(cps_oscore_ctx_init(&k->server, &k->spy.crypto, &server));
    cps_oscore_window_restore(&k->client.window, 0, 0);
    cps_oscore_window_restore(&k->server.window, 0, 0);
}

static inline void kit_fini(kit_t *k)
{
    cps_oscore_ctx_fini(&k->client);
    cps_oscore_ctx_fini(&k->server);
    cps_crypto_openssl_fini(&k->spy.real);
}

static inline cps_oscore_work_t kit_work(kit_t *k)
{
    k->plaintext_writer = cps_writer(k->plaintext, sizeof k->plaintext);
    k->joined_writer = cps_writer(k->joined, sizeof k->joined);
    return (cps_oscore_work_t){&k->spy.crypto, &k->plaintext_writer, &k->joined_writer};
}

static inline cps_msg_t kit_parse(cps_bytes_t datagram)
{
    cps_msg_t msg;
    assert_ok(cps_msg_parse(datagram, &msg));
    return msg;
}

/** Protect at the client; `sealed` gets the datagram. */
static inline cps_err_t kit_seal_request(kit_t *k, uint64_t number, const cps_msg_t *plain, cps_bytes_t *sealed,
                                         cps_oscore_binding_t *binding)
{
    cps_oscore_work_t work = kit_work(k);
    cps_writer_t out = cps_writer(k->sealed, sizeof k->sealed);
    cps_err_t err = cps_oscore_protect_request(&k->client, &work, number, plain, &out, binding);
    *sealed = cps_written(&out);
    return err;
}

/** Protect at the server. */
static inline cps_err_t kit_seal_response(kit_t *k, uint64_t number, const cps_msg_t *plain, cps_bytes_t *sealed,
                                          cps_oscore_binding_t *binding)
{
    cps_oscore_work_t work = kit_work(k);
    cps_writer_t out = cps_writer(k->sealed, sizeof k->sealed);
    cps_err_t err = cps_oscore_protect_response(&k->server, &work, number, plain, &out, binding);
    *sealed = cps_written(&out);
    return err;
}

/** What a server does with a datagram, up to acceptance: parse, decode the option, unprotect. */
static inline cps_err_t kit_open_request(kit_t *k, cps_bytes_t datagram, cps_msg_t *inner,
                                         cps_oscore_receipt_t *receipt)
{
    cps_oscore_work_t work = kit_work(k);
    cps_msg_t outer;
    cps_bytes_t value;
    cps_oscopt_t option;
    cps_err_t err = cps_msg_parse(datagram, &outer);
    if (err == CPS_OK)
        err = cps_opt_find(outer.options, CPS_OPT_OSCORE, &value) ? CPS_OK : CPS_ERR_UNPROTECTED;
    if (err == CPS_OK)
        err = cps_oscopt_decode(value, &option);
    return err != CPS_OK ? err : cps_oscore_unprotect_request(&k->server, &work, &outer, &option, inner, receipt);
}

/** What a client does with the datagram of a response. */
static inline cps_err_t kit_open_response(kit_t *k, cps_bytes_t datagram, const cps_oscore_binding_t *binding,
                                          cps_msg_t *inner, uint64_t *number)
{
    cps_oscore_work_t work = kit_work(k);
    cps_msg_t outer;
    cps_err_t err = cps_msg_parse(datagram, &outer);
    return err != CPS_OK ? err : cps_oscore_unprotect_response(&k->client, &work, &outer, binding, inner, number);
}

/** Write a message; the view into `buf`. */
static inline cps_bytes_t kit_write(const cps_msg_t *msg, uint8_t *buf, size_t len)
{
    cps_writer_t w = cps_writer(buf, len);
    cps_msg_write(&w, msg);
    assert_ok(cps_writer_err(&w));
    return cps_written(&w);
}

/** The value of the OSCORE option of a datagram, which has to be there. */
static inline cps_bytes_t kit_option(cps_bytes_t datagram)
{
    cps_msg_t msg = kit_parse(datagram);
    cps_bytes_t value = cps_bytes(NULL, 0);
    assert_true(cps_opt_find(msg.options, CPS_OPT_OSCORE, &value));
    return value;
}

/** The same message: header, token, options in order, payload. */
static inline void kit_assert_same(const cps_msg_t *expected, const cps_msg_t *actual)
{
    uint8_t one[KIT_BYTES_MAX];
    uint8_t other[KIT_BYTES_MAX];
    assert_bytes(kit_write(expected, one, sizeof one), kit_write(actual, other, sizeof other));
}

/** A CON request or an ACK response with one Uri-Path or none, and a payload. */
static inline cps_msg_t kit_message(uint8_t code, const char *payload)
{
    static const uint8_t path[] = {0xb4, 'l', 'o', 'c', 'k'};
    cps_msg_t msg = {.type = CPS_CON, .code = code, .mid = 0x1234, .token = cps_bytes("token", 5)};
    msg.payload = cps_bytes_str(payload);
    if (cps_code_is_request(code))
        msg.options = cps_bytes(path, sizeof path);
    else
        msg.type = CPS_ACK;
    return msg;
}

static inline void kit_start(kit_t *k)
{
    cps_oscore_params_t params = kit_params();
    kit_init(k, &params);
}

/** A sealed request in `datagram`, which is KIT_BYTES_MAX long. */
static inline cps_bytes_t kit_sealed(kit_t *k, uint64_t number, const cps_msg_t *plain, uint8_t *datagram,
                                     cps_oscore_binding_t *binding)
{
    cps_bytes_t sealed;
    assert_ok(kit_seal_request(k, number, plain, &sealed, binding));
    memcpy(datagram, sealed.ptr, sealed.len);
    return cps_bytes(datagram, sealed.len);
}

/** One request from client to server, accepted; the two bindings are left. */
static inline void kit_ask(kit_t *k, uint64_t number, cps_oscore_binding_t *client, cps_oscore_binding_t *server)
{
    cps_msg_t plain = kit_message(CPS_PUT, "open");
    cps_msg_t inner;
    cps_oscore_receipt_t receipt;
    uint8_t datagram[KIT_BYTES_MAX];
    cps_bytes_t sealed = kit_sealed(k, number, &plain, datagram, client);
    assert_ok(kit_open_request(k, sealed, &inner, &receipt));
    assert_ok(cps_oscore_accept(&k->server, &receipt));
    *server = receipt.binding;
}

/** The error of opening a request with that number; accepted if it opens. */
static inline cps_err_t kit_deliver(kit_t *k, uint64_t number)
{
    cps_msg_t plain = kit_message(CPS_PUT, "open");
    cps_msg_t inner;
    cps_oscore_receipt_t receipt;
    cps_oscore_binding_t binding;
    uint8_t datagram[KIT_BYTES_MAX];
    cps_bytes_t sealed = kit_sealed(k, number, &plain, datagram, &binding);
    cps_err_t err = kit_open_request(k, sealed, &inner, &receipt);
    return err == CPS_OK ? cps_oscore_accept(&k->server, &receipt) : err;
}

#endif /* CPS_TESTS_OSCORE_KIT_H */
