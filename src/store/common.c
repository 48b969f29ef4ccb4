// SPDX-License-Identifier: Apache-2.0
#include "store/common.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* One sentence a thread, as errno is: a store call returns an enum, and the file and the cause have to come along. */
/* aligned: with a byte's alignment lld 14 may begin the part that is read-only after relocation in the middle of a page, and
 * the program does not start */
static _Thread_local _Alignas(64) char store_sentence[512];

const char *cps_store_detail(void) { return store_sentence; }

cps_err_t cps_store_fail(cps_err_t err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(store_sentence, sizeof store_sentence, format, args);
    va_end(args);
    return err;
}

static cps_err_t check_name(const char *name)
{
    if (name[0] == '\0')
        return cps_store_fail(CPS_ERR_ARGUMENT, "a key has to have a name");
    if (strnlen(name, CPS_STORE_NAME_MAX + 1) > CPS_STORE_NAME_MAX)
        return cps_store_fail(CPS_ERR_ARGUMENT, "the name of a key has at most %u bytes", CPS_STORE_NAME_MAX);
    return CPS_OK;
}

cps_err_t cps_store_check_name(const char *name) { return check_name(name != NULL ? name : ""); }

static bool text_ends(const char *text, size_t max) { return strnlen(text, max + 1) <= max; }

cps_err_t cps_store_check_key(const cps_store_key_t *key, const cps_store_state_t *state)
{
    cps_err_t err = check_name(key->name);
    if (err != CPS_OK)
        return err;
    if (!text_ends(key->peer, CPS_STORE_NAME_MAX) || !text_ends(key->pattern, CPS_STORE_PATTERN_MAX))
        return cps_store_fail(CPS_ERR_ARGUMENT, "peer or pattern of key %s is too long", key->name);
    if (key->secret_len == 0 || key->secret_len > CPS_STORE_SECRET_MAX)
        return cps_store_fail(CPS_ERR_ARGUMENT, "the secret of key %s has to have 1 to %u bytes", key->name,
                              CPS_STORE_SECRET_MAX);
    if (key->salt.len > CPS_STORE_BYTES_MAX || key->id_context.len > CPS_STORE_BYTES_MAX ||
        key->sender_id.len > CPS_STORE_BYTES_MAX || key->recipient_id.len > CPS_STORE_BYTES_MAX)
        return cps_store_fail(CPS_ERR_ARGUMENT, "salt, ID Context or an ID of key %s is over %u bytes", key->name,
                              CPS_STORE_BYTES_MAX);
    if (state->next > CPS_STORE_NUMBER_MAX || state->window_next > CPS_STORE_NUMBER_MAX)
        return cps_store_fail(CPS_ERR_ARGUMENT, "a sequence number of key %s is over 2^40", key->name);
    return CPS_OK;
}

void cps_store_renew_key(cps_store_key_t *key, const cps_store_renewal_t *renewal)
{
    key->id_context = renewal->id_context;
    key->has_id_context = true;
    key->derived = true;
    key->rekey = false;
    memcpy(key->state_id, renewal->state_id, CPS_STORE_ID_LEN);
    memcpy(key->window_id, renewal->window_id, CPS_STORE_ID_LEN);
}

bool cps_store_bits_has(const cps_store_bits_t *bits, uint64_t number)
{
    return number / 64 < bits->count && (bits->words[number / 64] >> (number % 64) & 1U) != 0;
}

cps_err_t cps_store_bits_add(cps_store_bits_t *bits, uint64_t number)
{
    size_t word = (size_t)(number / 64);
    if (word >= bits->count) {
        size_t count = 2 * word + 8;
        uint64_t *words = realloc(bits->words, count * sizeof *words);
        if (words == NULL)
            return cps_store_fail(CPS_ERR_MEMORY, "no memory for the list of locks");
        memset(words + bits->count, 0, (count - bits->count) * sizeof *words);
        bits->words = words;
        bits->count = count;
    }
    bits->words[word] |= 1ULL << (number % 64);
    return CPS_OK;
}

void cps_store_bits_remove(cps_store_bits_t *bits, uint64_t number)
{
    if (number / 64 < bits->count)
        bits->words[number / 64] &= ~(1ULL << (number % 64));
}

void cps_store_bits_free(cps_store_bits_t *bits)
{
    free(bits->words);
    *bits = (cps_store_bits_t){NULL, 0};
}
