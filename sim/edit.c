// SPDX-License-Identifier: Apache-2.0
/* The edits of the foe: each changes a draft, or leaves it as it is where it does not fit. */
#include "sim/rule.h"

#define OPTIONS_MAX 64U /* a message with more is left as it is */

typedef struct job {
    const cps_foe_edit_t *edit;
    cps_bytes_t bytes;
    cps_foe_draft_t *draft;
} job_t;

/* An offset that may count from the end; false where `room` bytes do not fit behind it. */
static bool place_of(const job_t *j, size_t room, size_t *out)
{
    int64_t at = j->edit->at;
    if (at < 0)
        at += (int64_t)j->draft->len;
    if (at < 0 || (uint64_t)at + room > j->draft->len)
        return false;
    *out = (size_t)at;
    return true;
}

static bool edit_xor(const job_t *j)
{
    size_t at = 0;
    if (!place_of(j, j->bytes.len, &at))
        return false;
    for (size_t i = 0; i < j->bytes.len; i++)
        j->draft->bytes[at + i] ^= j->bytes.ptr[i];
    return true;
}

static bool edit_put(const job_t *j)
{
    size_t at = 0;
    if (!place_of(j, j->bytes.len, &at))
        return false;
    cps_copy(j->draft->bytes + at, j->bytes.ptr, j->bytes.len);
    return true;
}

static bool edit_truncate(const job_t *j)
{
    size_t at = 0;
    if (!place_of(j, 0, &at))
        return false;
    j->draft->len = at;
    return true;
}

static bool edit_append(const job_t *j)
{
    if (j->bytes.len > j->draft->cap - j->draft->len)
        return false;
    cps_copy(j->draft->bytes + j->draft->len, j->bytes.ptr, j->bytes.len);
    j->draft->len += j->bytes.len;
    return true;
}

static bool edit_type(const job_t *j)
{
    if (j->draft->len < CPS_HEADER_LEN)
        return false;
    j->draft->bytes[0] = (uint8_t)((j->draft->bytes[0] & 0xcfU) | (unsigned)(j->edit->number & 3U) << 4U);
    return true;
}

static bool edit_code(const job_t *j)
{
    if (j->draft->len < CPS_HEADER_LEN)
        return false;
    j->draft->bytes[1] = (uint8_t)j->edit->number;
    return true;
}

static bool edit_mid(const job_t *j)
{
    if (j->draft->len < CPS_HEADER_LEN)
        return false;
    cps_put_be16(j->draft->bytes + 2, j->edit->number);
    return true;
}

static void keep(cps_foe_draft_t *draft, const cps_writer_t *w)
{
    draft->len = cps_written(w).len;
    cps_copy(draft->bytes, draft->spare, draft->len);
}

static bool edit_token(const job_t *j)
{
    cps_foe_draft_t *draft = j->draft;
    size_t old_len = draft->len < CPS_HEADER_LEN ? CPS_TOKEN_MAX + 1 : draft->bytes[0] & 15U;
    if (old_len > CPS_TOKEN_MAX || draft->len < CPS_HEADER_LEN + old_len || j->bytes.len > CPS_TOKEN_MAX)
        return false;
    cps_writer_t w = cps_writer(draft->spare, draft->cap);
    cps_write_u8(&w, (uint8_t)((draft->bytes[0] & 0xf0U) | j->bytes.len));
    cps_write_bytes(&w, cps_bytes(draft->bytes + 1, CPS_HEADER_LEN - 1));
    cps_write_bytes(&w, j->bytes);
    size_t rest = CPS_HEADER_LEN + old_len;
    cps_write_bytes(&w, cps_bytes(draft->bytes + rest, draft->len - rest));
    if (w.failed)
        return false;
    keep(draft, &w);
    return true;
}

/* Write the message anew, with other options or another payload. */
static bool rewrite(cps_foe_draft_t *draft, const cps_msg_t *msg, cps_option_t *options, size_t count)
{
    cps_writer_t w = cps_writer(draft->spare, draft->cap);
    cps_msg_t bare = *msg;
    bare.options = bare.payload = cps_bytes(NULL, 0);
    cps_msg_write(&w, &bare);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    cps_opt_put_list(&ow, options, count);
    if (msg->payload.len != 0) {
        cps_write_u8(&w, CPS_PAYLOAD_MARKER);
        cps_write_bytes(&w, msg->payload);
    }
    if (w.failed)
        return false;
    keep(draft, &w);
    return true;
}

/* All options but those of one number (a number above 65535 leaves none out); false where there are too many. */
static bool collect(const cps_msg_t *msg, uint32_t but, cps_option_t *list, size_t *count)
{
    cps_opt_walk_t walk = cps_opt_walk(msg->options);
    cps_option_t option;
    *count = 0;
    while (cps_opt_next(&walk, &option)) {
        if (option.number == but)
            continue;
        if (*count == OPTIONS_MAX)
            return false;
        list[(*count)++] = option;
    }
    return true;
}

static bool edit_options(const job_t *j)
{
    cps_option_t list[OPTIONS_MAX + 1];
    size_t count = 0;
    cps_msg_t msg;
    if (cps_msg_parse(cps_bytes(j->draft->bytes, j->draft->len), &msg) != CPS_OK ||
        !collect(&msg, j->edit->number, list, &count))
        return false;
    if (j->edit->kind == CPS_FOE_EDIT_OPTION)
        list[count++] = (cps_option_t){j->edit->number, j->bytes};
    return rewrite(j->draft, &msg, list, count);
}

static bool edit_payload(const job_t *j)
{
    cps_option_t list[OPTIONS_MAX];
    size_t count = 0;
    cps_msg_t msg;
    if (cps_msg_parse(cps_bytes(j->draft->bytes, j->draft->len), &msg) != CPS_OK ||
        !collect(&msg, UINT32_MAX, list, &count))
        return false;
    msg.payload = j->bytes;
    return rewrite(j->draft, &msg, list, count);
}

static bool (*const edits[CPS_FOE_EDIT_COUNT])(const job_t *) = {
    [CPS_FOE_EDIT_XOR] = edit_xor,       [CPS_FOE_EDIT_PUT] = edit_put,         [CPS_FOE_EDIT_TRUNCATE] = edit_truncate,
    [CPS_FOE_EDIT_APPEND] = edit_append, [CPS_FOE_EDIT_TYPE] = edit_type,       [CPS_FOE_EDIT_CODE] = edit_code,
    [CPS_FOE_EDIT_MID] = edit_mid,       [CPS_FOE_EDIT_TOKEN] = edit_token,     [CPS_FOE_EDIT_OPTION] = edit_options,
    [CPS_FOE_EDIT_STRIP] = edit_options, [CPS_FOE_EDIT_PAYLOAD] = edit_payload,
};

bool cps_foe_edit_apply(const cps_foe_rule_t *rule, const cps_foe_edit_t *edit, cps_foe_draft_t *draft)
{
    job_t job = {edit, cps_foe_rule_bytes(rule, edit->bytes), draft};
    return edit->kind < CPS_FOE_EDIT_COUNT && edits[edit->kind](&job);
}
