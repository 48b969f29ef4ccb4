// SPDX-License-Identifier: Apache-2.0
/* Requests, made before the clock starts, and answers, looked at after it stops. */
#include "load.h"

#include "crypto/provider.h"
#include "host/cred.h"
#include "sec/oscore/protect.h"
#include "wire/msg.h"
#include "wire/oscopt.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

typedef struct load_seal {
    cps_crypto_t crypto;
    cps_oscore_ctx_t *contexts; /* one a source */
    uint32_t count;
    cps_oscore_binding_t *bindings; /* one a request */
} load_seal_t;

/* ---- contexts ---- */

/* The file is the server's end: ours has the IDs the other way round. */
static cps_err_t read_context(const char *file, cps_crypto_t *crypto, cps_oscore_ctx_t *out)
{
    cps_conf_t conf;
    cps_cred_t cred;
    cps_cred_options_t options = {0};
    cps_conf_init(&conf, file);
    cps_err_t err = cps_cred_read(&conf, &options, &cred);
    cps_conf_fini(&conf);
    if (err != CPS_OK)
        return err;
    const cps_store_key_t *key = &cred.key;
    cps_oscore_params_t params = {.master_secret = cps_bytes(key->secret, key->secret_len),
                                  .master_salt = cps_bytes(key->salt.data, key->salt.len),
                                  .sender_id = cps_bytes(key->recipient_id.data, key->recipient_id.len),
                                  .recipient_id = cps_bytes(key->sender_id.data, key->sender_id.len),
                                  .aead = key->aead,
                                  .hash = (cps_hash_alg_t)key->hash,
                                  .window = -1};
    err = cps_oscore_ctx_init(out, crypto, &params);
    cps_wipe(&cred, sizeof cred);
    return err;
}

static load_seal_t *make_seal(const load_plan_t *plan)
{
    char file[512];
    load_seal_t *seal = calloc(1, sizeof *seal);
    if (seal == NULL || cps_crypto_openssl_init(&seal->crypto) != CPS_OK) {
        free(seal);
        return NULL;
    }
    seal->contexts = calloc(plan->sources, sizeof *seal->contexts);
    seal->bindings = calloc(plan->requests, sizeof *seal->bindings);
    for (uint32_t i = 0; seal->contexts != NULL && seal->bindings != NULL && i < plan->sources; i++) {
        snprintf(file, sizeof file, "%s%u.cred", plan->credentials, i);
        cps_err_t err = read_context(file, &seal->crypto, &seal->contexts[i]);
        if (err == CPS_OK) {
            seal->count++;
            continue;
        }
        fprintf(stderr, "bench-load: %s: %s\n", file, cps_err_text(err));
        break;
    }
    if (seal->count == plan->sources)
        return seal;
    load_seal_free(seal);
    return NULL;
}

void load_seal_free(load_seal_t *seal)
{
    if (seal == NULL)
        return;
    for (uint32_t i = 0; i < seal->count; i++)
        cps_oscore_ctx_fini(&seal->contexts[i]);
    cps_crypto_openssl_fini(&seal->crypto);
    free(seal->contexts);
    free(seal->bindings);
    free(seal);
}

/* ---- requests ---- */

/* Uri-Path by Uri-Path. */
static void put_path(cps_writer_t *w, const char *path)
{
    cps_opt_writer_t options = cps_opt_writer(w);
    while (*path != '\0') {
        size_t len = strcspn(path, "/");
        cps_opt_put(&options, CPS_OPT_URI_PATH, cps_bytes(path, len));
        path += len + (path[len] == '/');
    }
}

static bool make_one(const load_plan_t *plan, load_request_t *r, uint32_t number, load_seal_t *seal)
{
    uint8_t options[64];
    uint8_t token[LOAD_TOKEN_LEN];
    uint8_t plaintext[LOAD_MESSAGE_MAX];
    uint32_t source = number % plan->sources;
    uint32_t nth = number / plan->sources; /* of its source: no MID and no Partial IV twice */
    cps_writer_t ow = cps_writer(options, sizeof options);
    cps_writer_t out = cps_writer(r->bytes, sizeof r->bytes);
    cps_writer_t pw = cps_writer(plaintext, sizeof plaintext);
    put_path(&ow, plan->path);
    cps_put_be32(token, number);
    bool bare = plan->method == CPS_GET || plan->method == CPS_DELETE;
    cps_msg_t msg = {.type = plan->confirmable ? CPS_CON : CPS_NON,
                     .code = plan->method,
                     .mid = (uint16_t)nth,
                     .token = cps_bytes(token, sizeof token),
                     .options = cps_written(&ow),
                     .payload = bare ? cps_bytes(NULL, 0) : cps_bytes(r->payload, sizeof r->payload)};
    if (ow.failed)
        return false;
    if (seal == NULL) {
        cps_msg_write(&out, &msg);
    } else {
        cps_oscore_work_t work = {&seal->crypto, &pw, NULL};
        if (cps_oscore_protect_request(&seal->contexts[source], &work, plan->number_first + nth, &msg, &out,
                                       &seal->bindings[number]) != CPS_OK)
            return false;
    }
    r->len = (uint16_t)cps_written(&out).len;
    return !out.failed;
}

bool load_make(const load_plan_t *plan, load_request_t *requests, load_seal_t **seal)
{
    *seal = plan->credentials != NULL ? make_seal(plan) : NULL;
    if (plan->credentials != NULL && *seal == NULL)
        return false;
    if (plan->requests / plan->sources > 65535) {
        fputs("bench-load: a source has 65,536 Message IDs and no more: take more sources\n", stderr);
        return false;
    }
    for (uint32_t i = 0; i < plan->requests; i++) {
        if (getrandom(requests[i].payload, LOAD_PAYLOAD_LEN, 0) == LOAD_PAYLOAD_LEN &&
            make_one(plan, &requests[i], i, *seal))
            continue;
        fputs("bench-load: a request does not fit, or could not be sealed\n", stderr);
        return false;
    }
    return true;
}

/* ---- answers ---- */

static bool open_answer(load_seal_t *seal, uint32_t source, uint32_t number, cps_msg_t *msg, cps_writer_t *plaintext,
                        cps_writer_t *joined)
{
    cps_oscore_work_t work = {&seal->crypto, plaintext, joined};
    cps_msg_t outer = *msg;
    return cps_oscore_unprotect_response(&seal->contexts[source], &work, &outer, &seal->bindings[number], msg, NULL) ==
           CPS_OK;
}

bool load_is_right(const load_plan_t *plan, load_seal_t *seal, const load_request_t *request, uint32_t number)
{
    uint8_t plaintext[LOAD_MESSAGE_MAX];
    uint8_t joined[LOAD_MESSAGE_MAX];
    cps_writer_t pw = cps_writer(plaintext, sizeof plaintext);
    cps_writer_t jw = cps_writer(joined, sizeof joined);
    cps_msg_t msg;
    cps_bytes_t bytes = cps_bytes(request->answer, request->answer_len);
    if (plan->raw)
        return cps_bytes_equal(bytes, cps_bytes(request->bytes, request->len));
    if (cps_msg_parse(bytes, &msg) != CPS_OK)
        return false;
    if (seal != NULL && !open_answer(seal, number % plan->sources, number, &msg, &pw, &jw))
        return false;
    bool sent_back = plan->method == CPS_GET || (msg.payload.len >= LOAD_PAYLOAD_LEN &&
                                                 memcmp(msg.payload.ptr, request->payload, LOAD_PAYLOAD_LEN) == 0);
    return cps_code_class(msg.code) == 2 && sent_back;
}
