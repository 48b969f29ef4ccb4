// SPDX-License-Identifier: Apache-2.0
#include "sec/oscore/protect.h"

#include "sec/oscore/b2.h"
#include "sec/oscore/split.h"

/* Longest option value: flags, Partial IV, length and kid context, kid (§6.1). */
#define OPTION_MAX (1U + CPS_PARTIAL_IV_MAX + 1U + CPS_B2_WRAPPED_MAX + CPS_OSCORE_ID_MAX)

/* One message on its way out, as §8.1 and §8.3 put it together. */
typedef struct sealing {
    const cps_oscore_ctx_t *ctx;
    cps_crypto_t *crypto;
    const cps_oscore_binding_t *binding;
    uint8_t code;
    uint8_t nonce[CPS_NONCE_MAX];
    uint8_t option[OPTION_MAX];
    cps_bytes_t option_value;
} sealing_t;

static void set_option(sealing_t *s, const cps_oscopt_t *option)
{
    cps_writer_t w = cps_writer(s->option, sizeof s->option);
    cps_oscopt_encode(&w, option);
    s->option_value = cps_written(&w);
}

/* Header, token, outer options, marker; then the AEAD writes the payload in place. */
static cps_err_t write_outer(const sealing_t *s, const cps_msg_t *plain, cps_bytes_t plaintext, cps_writer_t *out,
                             uint8_t **ciphertext)
{
    const cps_msg_t head = {.type = plain->type, .code = s->code, .mid = plain->mid, .token = plain->token};
    cps_msg_write(out, &head);
    cps_err_t err = cps_oscore_write_outer(out, plain, s->option_value);
    cps_write_u8(out, CPS_PAYLOAD_MARKER);
    *ciphertext = cps_write_skip(out, plaintext.len + cps_aead_at(s->ctx->aead)->tag_len);
    return err != CPS_OK ? err : cps_writer_err(out);
}

static cps_err_t encrypt(const sealing_t *s, cps_bytes_t plaintext, uint8_t *ciphertext)
{
    uint8_t buf[CPS_OSCORE_AAD_MAX];
    cps_writer_t aad = cps_writer(buf, sizeof buf);
    cps_oscore_put_aad(&aad, s->ctx, s->binding);
    const cps_aead_op_t op = {cps_aead_at(s->ctx->aead), s->ctx->sender_key, s->nonce, cps_written(&aad)};
    return s->crypto->table->seal(s->crypto->state, &op, plaintext, ciphertext);
}

/* All that can fail for want of space does so before the nonce is used; `used` (may be NULL) is set just then. */
static cps_err_t seal(const sealing_t *s, const cps_msg_t *plain, cps_writer_t *scratch, cps_writer_t *out, bool *used)
{
    const uint8_t *start = scratch->cur;
    uint8_t *out_start = out->cur;
    uint8_t *ciphertext = NULL;
    cps_err_t err = cps_oscore_write_plaintext(scratch, plain);
    cps_bytes_t plaintext = cps_bytes(start, (size_t)(scratch->cur - start));
    if (err == CPS_OK)
        err = write_outer(s, plain, plaintext, out, &ciphertext);
    if (err == CPS_OK) {
        if (used != NULL)
            *used = true;
        err = encrypt(s, plaintext, ciphertext);
    }
    if (err != CPS_OK)
        out->cur = out_start;
    return err;
}

static bool has_observe(const cps_msg_t *plain)
{
    cps_bytes_t value;
    return cps_opt_find(plain->options, CPS_OPT_OBSERVE, &value);
}

cps_err_t cps_oscore_protect_request(const cps_oscore_ctx_t *ctx, const cps_oscore_work_t *work, uint64_t number,
                                     const cps_msg_t *plain, cps_writer_t *out, cps_oscore_binding_t *binding)
{
    if (!cps_code_is_request(plain->code))
        return CPS_ERR_ARGUMENT;
    if (number >= CPS_SEQ_LIMIT)
        return CPS_ERR_SEQ_EXHAUSTED; /* §7.2.1 */
    *binding = (cps_oscore_binding_t){.kid_len = ctx->sender_id_len, .nonce_used = true};
    memcpy(binding->kid, ctx->sender_id, sizeof binding->kid);
    uint8_t buf[CPS_PARTIAL_IV_MAX];
    cps_bytes_t piv = cps_partial_iv_encode(number, buf);
    binding->piv_len = (uint8_t)piv.len;
    memcpy(binding->piv, piv.ptr, piv.len);
    sealing_t s = {.ctx = ctx, .crypto = work->crypto, .binding = binding};
    s.code = has_observe(plain) ? CPS_FETCH : CPS_POST; /* §4.2 */
    /* §5: kid always, also when empty; kid context where there is an ID Context, so that the server finds it */
    uint8_t wrapped[CPS_B2_WRAPPED_MAX];
    cps_bytes_t id_context = cps_bytes(ctx->id_context, ctx->id_context_len);
    set_option(&s, &(cps_oscopt_t){.partial_iv = piv,
                                   .kid = cps_oscore_sender_id(ctx),
                                   .has_kid = true,
                                   .kid_context = ctx->wrapped ? cps_b2_wrap(id_context, wrapped) : id_context,
                                   .has_kid_context = ctx->has_id_context});
    cps_oscore_nonce(ctx, cps_oscore_sender_id(ctx), piv, s.nonce);
    return seal(&s, plain, work->plaintext, out, NULL);
}

/* §8.3 step 3. A: the request's nonce, which no other message of ours ever had. B: a number of our own, which the option
 * tells. No kid in a response, and no kid context but in response #1 of appendix B.2 (§5; OSC-84). */
static void use_nonce(sealing_t *s, uint64_t number)
{
    const cps_oscore_binding_t *b = s->binding;
    uint8_t buf[CPS_PARTIAL_IV_MAX];
    uint8_t wrapped[CPS_B2_WRAPPED_MAX];
    cps_oscopt_t option = {.has_kid_context = s->ctx->told_len != 0};
    if (option.has_kid_context)
        option.kid_context = cps_b2_wrap(cps_bytes(s->ctx->id_context, s->ctx->told_len), wrapped);
    if (number == CPS_OSCORE_REQUEST_NONCE) {
        cps_oscore_nonce(s->ctx, cps_bytes(b->kid, b->kid_len), cps_bytes(b->piv, b->piv_len), s->nonce);
    } else {
        option.partial_iv = cps_partial_iv_encode(number, buf);
        cps_oscore_nonce(s->ctx, cps_oscore_sender_id(s->ctx), option.partial_iv, s->nonce);
    }
    set_option(s, &option);
}

cps_err_t cps_oscore_protect_response(const cps_oscore_ctx_t *ctx, const cps_oscore_work_t *work, uint64_t number,
                                      const cps_msg_t *plain, cps_writer_t *out, cps_oscore_binding_t *binding)
{
    bool request_nonce = number == CPS_OSCORE_REQUEST_NONCE;
    if (!cps_code_is_response(plain->code) || (request_nonce && binding->nonce_used))
        return CPS_ERR_ARGUMENT; /* §7.2: no nonce twice under one key */
    if (!request_nonce && number >= CPS_SEQ_LIMIT)
        return CPS_ERR_SEQ_EXHAUSTED;
    sealing_t s = {.ctx = ctx, .crypto = work->crypto, .binding = binding};
    s.code = has_observe(plain) ? CPS_CONTENT : CPS_CHANGED; /* §4.2 */
    use_nonce(&s, number);
    return seal(&s, plain, work->plaintext, out, request_nonce ? &binding->nonce_used : NULL);
}
