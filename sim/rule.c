// SPDX-License-Identifier: Apache-2.0
#include "sim/rule.h"

#include "sim/addr.h"

cps_err_t cps_foe_rule_keep(cps_foe_rule_t *rule, cps_bytes_t bytes, cps_slice_t *out)
{
    if (bytes.len > CPS_FOE_BLOB_MAX - rule->blob_used)
        return CPS_ERR_NO_SPACE;
    *out = (cps_slice_t){rule->blob_used, (uint16_t)bytes.len};
    cps_copy(rule->blob + rule->blob_used, bytes.ptr, bytes.len);
    rule->blob_used = (uint16_t)(rule->blob_used + bytes.len);
    return CPS_OK;
}

/* What a test of one field gets to see. */
typedef struct subject {
    const cps_foe_rule_t *rule;
    const cps_foe_match_t *match;
    const cps_parcel_t *parcel;
    const cps_look_t *look;
} subject_t;

static bool slice_is(const subject_t *s, cps_slice_t slice, cps_bytes_t bytes)
{
    return cps_bytes_equal(cps_foe_rule_bytes(s->rule, slice), bytes);
}

static bool fits_dir(const subject_t *s) { return s->parcel->dir == s->match->dir; }

static bool fits_leg(const subject_t *s) { return s->parcel->leg == s->match->leg; }

static bool fits_from(const subject_t *s) { return cps_simaddr_fits(&s->match->from, &s->parcel->from); }

static bool fits_to(const subject_t *s) { return cps_simaddr_fits(&s->match->to, &s->parcel->to); }

static bool fits_type(const subject_t *s) { return s->look->coap && s->look->msg.type == s->match->type; }

static bool fits_code(const subject_t *s) { return s->look->coap && s->look->msg.code == s->match->code; }

static bool fits_mid(const subject_t *s) { return s->look->coap && s->look->msg.mid == s->match->mid; }

static bool fits_token(const subject_t *s) { return s->look->coap && slice_is(s, s->match->token, s->look->msg.token); }

static bool fits_oscore(const subject_t *s) { return s->look->coap && s->look->oscore == s->match->oscore; }

static bool fits_kid(const subject_t *s)
{
    return s->look->oscopt.has_kid && slice_is(s, s->match->kid, s->look->oscopt.kid);
}

static bool fits_partial_iv(const subject_t *s)
{
    return s->look->oscore && slice_is(s, s->match->partial_iv, s->look->oscopt.partial_iv);
}

static bool fits_size(const subject_t *s)
{
    return s->parcel->bytes.len >= s->match->size_min && s->parcel->bytes.len <= s->match->size_max;
}

static bool fits_pattern(const subject_t *s)
{
    cps_bytes_t want = cps_foe_rule_bytes(s->rule, s->match->pattern);
    cps_bytes_t have = s->parcel->bytes;
    int64_t at = s->match->pattern_at;
    if (want.len > have.len)
        return false;
    if (s->match->pattern_at == CPS_FOE_MATCH_ANYPOS)
        return want.len == 0 || memmem(have.ptr, have.len, want.ptr, want.len) != NULL;
    if (at < 0)
        at += (int64_t)have.len;
    if (at < 0 || at > (int64_t)(have.len - want.len))
        return false;
    return cps_bytes_equal(want, cps_bytes(have.ptr + at, want.len));
}

static bool (*const tests[CPS_FOE_FIELD_COUNT])(const subject_t *) = {
    [CPS_FOE_DIR] = fits_dir,
    [CPS_FOE_LEG] = fits_leg,
    [CPS_FOE_FROM] = fits_from,
    [CPS_FOE_TO] = fits_to,
    [CPS_FOE_TYPE] = fits_type,
    [CPS_FOE_CODE] = fits_code,
    [CPS_FOE_MID] = fits_mid,
    [CPS_FOE_TOKEN] = fits_token,
    [CPS_FOE_OSCORE] = fits_oscore,
    [CPS_FOE_KID] = fits_kid,
    [CPS_FOE_PARTIAL_IV] = fits_partial_iv,
    [CPS_FOE_SIZE] = fits_size,
    [CPS_FOE_PATTERN] = fits_pattern,
};

bool cps_foe_rule_fits(const cps_foe_rule_t *rule, const cps_parcel_t *parcel, const cps_look_t *look)
{
    subject_t subject = {rule, &rule->match, parcel, look};
    for (unsigned field = 0; field < CPS_FOE_FIELD_COUNT; field++)
        if ((rule->match.fields & 1U << field) != 0 && !tests[field](&subject))
            return false;
    return true;
}
