// SPDX-License-Identifier: Apache-2.0
#include "sec/oscore/protect.h"

#include "sec/oscore/b2.h"
#include "sec/oscore/split.h"

/* One message on its way in. */
typedef struct opening {
    const cps_oscore_ctx_t *ctx;
    const cps_oscore_work_t *work;
    const cps_oscore_binding_t *binding;
    uint8_t nonce[CPS_NONCE_MAX];
} opening_t;

static cps_err_t decrypt(const opening_t *o, cps_bytes_t ciphertext, cps_bytes_t *plaintext)
{
    const cps_aead_t *aead = cps_aead_at(o->ctx->aead);
    cps_writer_t *w = o->work->plaintext;
    if (ciphertext.len <= aead->tag_len)
        return CPS_ERR_DECRYPT; /* §5.3: a plaintext has a code at least */
    size_t len = ciphertext.len - aead->tag_len;
    uint8_t *place = cps_write_skip(w, len);
    if (place == NULL)
        return CPS_ERR_NO_SPACE;
    uint8_t buf[CPS_OSCORE_AAD_MAX];
    cps_writer_t aad = cps_writer(buf, sizeof buf);
    cps_oscore_put_aad(&aad, o->ctx, o->binding);
    const cps_aead_op_t op = {aead, o->ctx->recipient_key, o->nonce, cps_written(&aad)};
    cps_err_t err = o->work->crypto->table->open(o->work->crypto->state, &op, ciphertext, place);
    if (err != CPS_OK)
        w->cur = place;
    *plaintext = cps_bytes(place, len);
    return err;
}

/* Decrypt and put the message together; `is_right` says whether its code belongs into this direction. */
static cps_err_t open_message(const opening_t *o, const cps_msg_t *outer, bool (*is_right)(uint8_t code),
                              cps_msg_t *inner)
{
    cps_bytes_t plaintext;
    cps_err_t err = decrypt(o, outer->payload, &plaintext);
    if (err == CPS_OK)
        err = cps_oscore_join(o->work->joined, outer, plaintext, inner);
    if (err == CPS_OK && !is_right(inner->code))
        err = CPS_ERR_OSCORE_DECODE;
    return err;
}

static bool is_id_context(const cps_oscore_ctx_t *ctx, cps_bytes_t kid_context)
{
    return ctx->has_id_context && cps_bytes_equal(kid_context, cps_bytes(ctx->id_context, ctx->id_context_len));
}

static cps_err_t check_request(const cps_oscore_ctx_t *ctx, const cps_msg_t *outer, const cps_oscopt_t *option,
                               uint64_t *number)
{
    if (!option->has_kid || outer->payload.len == 0)
        return CPS_ERR_OSCORE_DECODE; /* §5, §6.2 */
    cps_err_t err = cps_partial_iv_decode(option->partial_iv, number);
    if (err != CPS_OK)
        return err;
    if (!cps_bytes_equal(option->kid, cps_oscore_recipient_id(ctx)) ||
        (option->has_kid_context && !is_id_context(ctx, option->kid_context)))
        return CPS_ERR_NO_CONTEXT; /* §8.2 step 2; OSC-40 */
    err = cps_oscore_window_check(&ctx->window, *number);
    return err == CPS_ERR_WINDOW_UNKNOWN ? CPS_OK : err; /* B.1.2: only what is inside can tell */
}

/* §8.2. Nothing of the context changes here: it is const, and the window waits for cps_oscore_accept. */
cps_err_t cps_oscore_unprotect_request(const cps_oscore_ctx_t *ctx, const cps_oscore_work_t *work,
                                       const cps_msg_t *outer, const cps_oscopt_t *option, cps_msg_t *inner,
                                       cps_oscore_receipt_t *receipt)
{
    uint64_t number;
    cps_err_t err = check_request(ctx, outer, option, &number);
    if (err != CPS_OK)
        return err;
    cps_oscore_binding_t binding = {.kid_len = ctx->recipient_id_len,
                                    .piv_len = (uint8_t)option->partial_iv.len,
                                    .nonce_used = true}; /* until it is accepted */
    memcpy(binding.kid, ctx->recipient_id, sizeof binding.kid);
    memcpy(binding.piv, option->partial_iv.ptr, option->partial_iv.len);
    opening_t o = {.ctx = ctx, .work = work, .binding = &binding};
    cps_oscore_nonce(ctx, cps_oscore_recipient_id(ctx), option->partial_iv, o.nonce);
    err = open_message(&o, outer, cps_code_is_request, inner);
    if (err == CPS_OK)
        *receipt = (cps_oscore_receipt_t){number, binding};
    return err;
}

cps_err_t cps_oscore_accept(cps_oscore_ctx_t *ctx, cps_oscore_receipt_t *receipt)
{
    cps_err_t err = cps_oscore_window_commit(&ctx->window, receipt->number); /* §7.4: only now */
    if (err == CPS_OK)
        receipt->binding.nonce_used = false;
    return err;
}

cps_err_t cps_oscore_accept_recovered(cps_oscore_ctx_t *ctx, cps_oscore_receipt_t *receipt)
{
    if (ctx->window.known)
        return cps_oscore_accept(ctx, receipt);
    cps_oscore_window_recover(&ctx->window, receipt->number);
    receipt->binding.nonce_used = false;
    return CPS_OK;
}

/* A response names no context: its token did (§8.4 step 2). One that does has to name ours. An empty ID is not taken
 * either, so that no bit of the option can be changed unseen. */
static cps_err_t check_response(const cps_oscore_ctx_t *ctx, const cps_oscopt_t *option)
{
    if (option->has_kid && (option->kid.len == 0 || !cps_bytes_equal(option->kid, cps_oscore_recipient_id(ctx))))
        return CPS_ERR_NO_CONTEXT;
    if (ctx->told_len != 0) /* appendix B.2, response #1: it names R2 */
        return option->has_kid_context &&
                       cps_b2_is_wrapped(option->kid_context, cps_bytes(ctx->id_context, ctx->told_len))
                   ? CPS_OK
                   : CPS_ERR_NO_CONTEXT;
    if (option->has_kid_context && !is_id_context(ctx, option->kid_context))
        return CPS_ERR_NO_CONTEXT;
    return CPS_OK;
}

/* §8.4 step 5: the nonce of the response's own Partial IV, or the request's. */
static cps_err_t response_nonce(opening_t *o, const cps_oscopt_t *option, uint64_t *number)
{
    const cps_oscore_binding_t *b = o->binding;
    *number = CPS_OSCORE_REQUEST_NONCE;
    if (option->partial_iv.len == 0) {
        cps_oscore_nonce(o->ctx, cps_bytes(b->kid, b->kid_len), cps_bytes(b->piv, b->piv_len), o->nonce);
        return CPS_OK;
    }
    cps_oscore_nonce(o->ctx, cps_oscore_recipient_id(o->ctx), option->partial_iv, o->nonce);
    return cps_partial_iv_decode(option->partial_iv, number);
}

cps_err_t cps_oscore_unprotect_response(const cps_oscore_ctx_t *ctx, const cps_oscore_work_t *work,
                                        const cps_msg_t *outer, const cps_oscore_binding_t *binding, cps_msg_t *inner,
                                        uint64_t *number)
{
    cps_bytes_t value;
    cps_oscopt_t option;
    uint64_t own = CPS_OSCORE_REQUEST_NONCE;
    if (!cps_opt_find(outer->options, CPS_OPT_OSCORE, &value))
        return CPS_ERR_UNPROTECTED;
    cps_err_t err = outer->payload.len != 0 ? cps_oscopt_decode(value, &option) : CPS_ERR_OSCORE_DECODE;
    if (err == CPS_OK)
        err = check_response(ctx, &option);
    opening_t o = {.ctx = ctx, .work = work, .binding = binding};
    if (err == CPS_OK)
        err = response_nonce(&o, &option, &own);
    if (err == CPS_OK)
        err = open_message(&o, outer, cps_code_is_response, inner);
    if (err == CPS_OK && number != NULL)
        *number = own;
    return err;
}
