// SPDX-License-Identifier: Apache-2.0
#include "wire/link_text.h"

#include "base/utf8.h"

cps_link_writer_t cps_link_writer(cps_writer_t *w) { return (cps_link_writer_t){.w = w}; }

static bool has_control(cps_bytes_t text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return true;
    return false;
}

void cps_link_begin(cps_link_writer_t *lw, cps_bytes_t target)
{
    if ((target.len != 0 && memchr(target.ptr, '>', target.len) != NULL) || has_control(target) ||
        !cps_utf8_valid(target)) {
        lw->failed = true;
        return;
    }
    cps_write_str(lw->w, lw->first_done ? ",<" : "<");
    cps_write_bytes(lw->w, target);
    cps_write_u8(lw->w, '>');
    lw->first_done = true;
    lw->copies = 0;
}

static bool name_valid(cps_bytes_t name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!cps_link_is_name_char(name.ptr[i]))
            return false;
    return name.len > 0 && !cps_bytes_equal(name, CPS_BYTES_LIT("href")); /* RFC 6690 §2: kept for filters */
}

/* Write ";name"; false where nothing is to follow: the writer failed, or a flag stands there already. */
static bool begin_attr(cps_link_writer_t *lw, cps_bytes_t name)
{
    unsigned place;
    const cps_link_rule_t *rule = cps_link_rule(name, &place);
    bool is_copy = rule != NULL && rule->once && (lw->copies >> place & 1U) != 0;
    if (is_copy && rule->valueless)
        return false;
    if (!lw->first_done || !name_valid(name) || is_copy) /* RFC 6690 §3; REQ-69 */
        lw->failed = true;
    if (lw->failed)
        return false;
    if (rule != NULL && rule->once)
        lw->copies |= (uint16_t)(1U << place);
    cps_write_u8(lw->w, ';');
    cps_write_bytes(lw->w, name);
    return true;
}

void cps_link_flag(cps_link_writer_t *lw, const char *name) { (void)begin_attr(lw, cps_bytes_str(name)); }

static bool is_token(cps_bytes_t value)
{
    for (size_t i = 0; i < value.len; i++)
        if (!cps_link_is_token_char(value.ptr[i]))
            return false;
    return value.len > 0;
}

/* One code, or several with one space between them (RFC 7252 §7.2.1). */
static bool is_ct(cps_bytes_t value)
{
    uint16_t format;
    size_t spaces = 0;
    size_t codes = 0;
    for (size_t i = 0; i < value.len; i++)
        spaces += value.ptr[i] == ' ';
    while (cps_link_ct_next(&value, &format))
        codes++;
    return value.len == 0 && codes == spaces + 1;
}

static void write_quoted(cps_writer_t *w, cps_bytes_t value)
{
    cps_write_u8(w, '"');
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '"' || value.ptr[i] == '\\')
            cps_write_u8(w, '\\');
        cps_write_u8(w, value.ptr[i]);
    }
    cps_write_u8(w, '"');
}

void cps_link_attr(cps_link_writer_t *lw, const char *name, cps_bytes_t value)
{
    cps_bytes_t text = cps_bytes_str(name);
    const cps_link_rule_t *rule = cps_link_rule(text, NULL);
    if (has_control(value) || !cps_utf8_valid(value) || (strcmp(name, "ct") == 0 && !is_ct(value))) {
        lw->failed = true;
        return;
    }
    if (!begin_attr(lw, text) || (rule != NULL && rule->valueless))
        return;
    cps_write_u8(lw->w, '=');
    if ((rule != NULL && rule->quoted) || !is_token(value))
        write_quoted(lw->w, value);
    else
        cps_write_bytes(lw->w, value);
}

cps_err_t cps_link_writer_err(const cps_link_writer_t *lw)
{
    return lw->failed ? CPS_ERR_ARGUMENT : cps_writer_err(lw->w);
}
