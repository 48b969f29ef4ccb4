// SPDX-License-Identifier: Apache-2.0
#include "sim/rule_text.h"

static const char *const type_names[] = {"con", "non", "ack", "rst"};

const char *cps_rule_text_type_name(uint8_t type) { return type_names[type & 3U]; }

/* A word and what to do with what follows it. */
typedef struct verb {
    const char *word;
    void (*read)(cps_words_t *w, cps_foe_rule_t *rule);
} verb_t;

static const verb_t *find_verb(const verb_t *verbs, cps_bytes_t word)
{
    for (; verbs->word != NULL; verbs++)
        if (cps_bytes_equal(word, cps_bytes_str(verbs->word)))
            return verbs;
    return NULL;
}

static cps_slice_t keep_hex(cps_words_t *w, const char *what, cps_foe_rule_t *rule)
{
    uint8_t buf[CPS_FOE_BLOB_MAX];
    cps_slice_t slice = {0, 0};
    cps_bytes_t bytes = cps_words_hex(w, what, buf, sizeof buf);
    if (!w->failed && cps_foe_rule_keep(rule, bytes, &slice) != CPS_OK)
        cps_words_fail(w, what, cps_bytes_str("..."), "is more than one rule can hold");
    return slice;
}

static uint8_t read_type(cps_words_t *w)
{
    cps_bytes_t word = cps_words_next(w);
    for (uint8_t i = 0; i < 4; i++)
        if (cps_bytes_equal(word, cps_bytes_str(type_names[i])))
            return i;
    cps_words_fail(w, "type", word, "is none of con, non, ack, rst");
    return 0;
}

uint8_t cps_rule_text_code(cps_words_t *w)
{
    static const char *const methods[] = {"EMPTY", "GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "iPATCH"};
    cps_bytes_t word = cps_words_next(w);
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (cps_bytes_equal(word, cps_bytes_str(methods[i])))
            return (uint8_t)i;
    const uint8_t *p = word.ptr;
    bool shaped = word.len == 4 && p[0] >= '0' && p[0] <= '7' && p[1] == '.' && p[2] >= '0' && p[2] <= '3' &&
                  p[3] >= '0' && p[3] <= '9';
    unsigned detail = shaped ? (unsigned)(p[2] - '0') * 10 + (unsigned)(p[3] - '0') : 32;
    if (detail > 31) {
        cps_words_fail(w, "code", word, "is not a code; write POST, 0.02 or 2.05");
        return 0;
    }
    return CPS_CODE(p[0] - '0', detail);
}

static void field(cps_foe_rule_t *rule, cps_foe_field_t which) { rule->match.fields |= 1U << which; }

static void match_dir(cps_foe_rule_t *rule, cps_foe_dir_t dir)
{
    field(rule, CPS_FOE_DIR);
    rule->match.dir = (uint8_t)dir;
}

static void match_up(cps_words_t *w, cps_foe_rule_t *rule)
{
    (void)w;
    match_dir(rule, CPS_FOE_UP);
}

static void match_down(cps_words_t *w, cps_foe_rule_t *rule)
{
    (void)w;
    match_dir(rule, CPS_FOE_DOWN);
}

static void match_leg(cps_words_t *w, cps_foe_rule_t *rule)
{
    field(rule, CPS_FOE_LEG);
    rule->match.leg = (uint16_t)cps_words_number(w, "leg", UINT16_MAX);
}

static void match_from(cps_words_t *w, cps_foe_rule_t *rule)
{
    field(rule, CPS_FOE_FROM);
    rule->match.from = cps_words_addr(w, "from");
}

static void match_to(cps_words_t *w, cps_foe_rule_t *rule)
{
    field(rule, CPS_FOE_TO);
    rule->match.to = cps_words_addr(w, "to");
}

static void match_type(cps_words_t *w, cps_foe_rule_t *rule)
{
    field(rule, CPS_FOE_TYPE);
    rule->match.type = read_type(w);
}

static void match_code(cps_words_t *w, cps_foe_rule_t *rule)
{
    field(rule, CPS_FOE_CODE);
    rule->match.code = cps_rule_text_code(w);
}

static void match_mid(cps_words_t *w, cps_foe_rule_t *rule)
{
    field(rule, CPS_FOE_MID);
    rule->match.mid = (uint16_t)cps_words_number(w, "mid", UINT16_MAX);
}

static void match_token(cps_words_t *w, cps_foe_rule_t *rule)
{
    field(rule, CPS_FOE_TOKEN);
    rule->match.token = keep_hex(w, "token", rule);
}

static void match_oscore(cps_words_t *w, cps_foe_rule_t *rule)
{
    field(rule, CPS_FOE_OSCORE);
    rule->match.oscore = cps_words_take(w, "yes");
    if (!rule->match.oscore && !cps_words_take(w, "no"))
        cps_words_fail(w, "oscore", cps_words_peek(w), "is neither yes nor no");
}

static void match_kid(cps_words_t *w, cps_foe_rule_t *rule)
{
    field(rule, CPS_FOE_KID);
    rule->match.kid = keep_hex(w, "kid", rule);
}

static void match_partial_iv(cps_words_t *w, cps_foe_rule_t *rule)
{
    field(rule, CPS_FOE_PARTIAL_IV);
    rule->match.partial_iv = keep_hex(w, "piv", rule);
}

static void match_size(cps_words_t *w, cps_foe_rule_t *rule)
{
    field(rule, CPS_FOE_SIZE);
    cps_words_range(w, "size", &rule->match.size_min, &rule->match.size_max);
}

static void match_bytes(cps_words_t *w, cps_foe_rule_t *rule)
{
    field(rule, CPS_FOE_PATTERN);
    rule->match.pattern = keep_hex(w, "bytes", rule);
    rule->match.pattern_at = CPS_FOE_MATCH_ANYPOS;
    if (cps_words_take(w, "at"))
        rule->match.pattern_at = cps_words_signed(w, "at", UINT16_MAX);
}

static void match_nth(cps_words_t *w, cps_foe_rule_t *rule)
{
    uint64_t nth = cps_words_number(w, "nth", UINT32_MAX);
    if (nth == 0)
        cps_words_fail(w, "nth", cps_bytes_str("0"), "starts at 1");
    else
        rule->match.skip = (uint32_t)nth - 1;
    if (rule->match.times == 0)
        rule->match.times = 1;
}

static void match_times(cps_words_t *w, cps_foe_rule_t *rule)
{
    rule->match.times = (uint32_t)cps_words_number(w, "times", UINT32_MAX);
}

static const verb_t match_verbs[] = {
    {"up", match_up},       {"down", match_down},     {"leg", match_leg},   {"from", match_from},
    {"to", match_to},       {"type", match_type},     {"code", match_code}, {"mid", match_mid},
    {"token", match_token}, {"oscore", match_oscore}, {"kid", match_kid},   {"piv", match_partial_iv},
    {"size", match_size},   {"bytes", match_bytes},   {"nth", match_nth},   {"times", match_times},
    {NULL, NULL},
};

void cps_rule_text_match(cps_words_t *w, cps_foe_rule_t *rule)
{
    for (;;) {
        const verb_t *verb = find_verb(match_verbs, cps_words_peek(w));
        if (verb == NULL)
            return;
        cps_words_next(w);
        verb->read(w, rule);
    }
}

static void after(cps_words_t *w, cps_foe_rule_t *rule)
{
    if (cps_words_take(w, "after"))
        rule->delay_us = cps_words_time_us(w, "after");
}

/* "from other", or "from ADDR" with address and port. */
static void read_from(cps_words_t *w, cps_foe_rule_t *rule)
{
    rule->other = cps_words_take(w, "other");
    if (rule->other)
        return;
    cps_bytes_t word = cps_words_peek(w);
    rule->from = cps_words_addr(w, "from");
    if (rule->from.family == CPS_FAMILY_NONE)
        cps_words_fail(w, "from", word, "has no address");
}

static void act_pass(cps_words_t *w, cps_foe_rule_t *rule)
{
    (void)w;
    rule->action = CPS_FOE_PASS;
}

static void act_drop(cps_words_t *w, cps_foe_rule_t *rule)
{
    (void)w;
    rule->action = CPS_FOE_DROP;
}

static void act_hold(cps_words_t *w, cps_foe_rule_t *rule)
{
    rule->action = CPS_FOE_HOLD;
    cps_words_label(w, "hold", rule->label, sizeof rule->label);
}

static void act_delay(cps_words_t *w, cps_foe_rule_t *rule)
{
    rule->action = CPS_FOE_DELAY;
    rule->delay_us = cps_words_time_us(w, "delay");
}

static void act_duplicate(cps_words_t *w, cps_foe_rule_t *rule)
{
    rule->action = CPS_FOE_DUPLICATE;
    rule->copies = (uint32_t)cps_words_number(w, "duplicate", UINT16_MAX);
    if (cps_words_take(w, "every"))
        rule->delay_us = cps_words_time_us(w, "every");
}

static void act_release(cps_words_t *w, cps_foe_rule_t *rule)
{
    rule->action = CPS_FOE_RELEASE;
    cps_words_label(w, "release", rule->label, sizeof rule->label);
    after(w, rule);
}

static void act_replay(cps_words_t *w, cps_foe_rule_t *rule)
{
    rule->action = CPS_FOE_REPLAY;
    if (!cps_words_take(w, "self"))
        rule->index = cps_words_number(w, "replay", UINT64_MAX);
    if (cps_words_take(w, "from") && !cps_words_take(w, "same"))
        read_from(w, rule);
    after(w, rule);
}

static void act_inject(cps_words_t *w, cps_foe_rule_t *rule)
{
    rule->action = CPS_FOE_INJECT;
    rule->bytes = keep_hex(w, "inject", rule);
    if (cps_words_take(w, "leg"))
        rule->leg = (uint16_t)cps_words_number(w, "leg", UINT16_MAX);
    if (!cps_words_take(w, "from"))
        cps_words_fail(w, "inject", cps_words_peek(w), "is not from ADDR");
    read_from(w, rule);
    if (!cps_words_take(w, "to"))
        cps_words_fail(w, "inject", cps_words_peek(w), "is not to ADDR");
    cps_bytes_t word = cps_words_peek(w);
    rule->to = cps_words_addr(w, "to");
    if (rule->to.family == CPS_FAMILY_NONE || rule->to.port == 0)
        cps_words_fail(w, "to", word, "has to be an address with its port");
    after(w, rule);
}

/* What follows the word of an edit. */
typedef enum edit_shape { AT, AT_BYTES, BYTES, TYPE, CODE, NUMBER, NUMBER_BYTES } edit_shape_t;

static const struct {
    const char *word;
    uint8_t kind;
    uint8_t shape;
} edit_words[] = {
    {"xor", CPS_FOE_EDIT_XOR, AT_BYTES},
    {"put", CPS_FOE_EDIT_PUT, AT_BYTES},
    {"truncate", CPS_FOE_EDIT_TRUNCATE, AT},
    {"append", CPS_FOE_EDIT_APPEND, BYTES},
    {"type", CPS_FOE_EDIT_TYPE, TYPE},
    {"code", CPS_FOE_EDIT_CODE, CODE},
    {"mid", CPS_FOE_EDIT_MID, NUMBER},
    {"token", CPS_FOE_EDIT_TOKEN, BYTES},
    {"option", CPS_FOE_EDIT_OPTION, NUMBER_BYTES},
    {"strip", CPS_FOE_EDIT_STRIP, NUMBER},
    {"payload", CPS_FOE_EDIT_PAYLOAD, BYTES},
};

static void read_edit(cps_words_t *w, cps_foe_rule_t *rule, size_t which)
{
    const char *word = edit_words[which].word;
    uint8_t shape = edit_words[which].shape;
    cps_foe_edit_t edit = {.kind = edit_words[which].kind};
    if (shape == AT || shape == AT_BYTES)
        edit.at = cps_words_signed(w, word, UINT16_MAX);
    if (shape == TYPE)
        edit.number = read_type(w);
    if (shape == CODE)
        edit.number = cps_rule_text_code(w);
    if (shape == NUMBER || shape == NUMBER_BYTES)
        edit.number = (uint16_t)cps_words_number(w, word, UINT16_MAX);
    if (shape == BYTES || shape == AT_BYTES || shape == NUMBER_BYTES)
        edit.bytes = keep_hex(w, word, rule);
    if (rule->edit_count == CPS_FOE_EDITS_MAX)
        cps_words_fail(w, "modify", cps_bytes_str(word), "is one edit too many; a rule has up to 8");
    else
        rule->edits[rule->edit_count++] = edit;
}

static bool find_edit(cps_bytes_t word, size_t *which)
{
    for (*which = 0; *which < sizeof edit_words / sizeof edit_words[0]; (*which)++)
        if (cps_bytes_equal(word, cps_bytes_str(edit_words[*which].word)))
            return true;
    return false;
}

static void act_modify(cps_words_t *w, cps_foe_rule_t *rule)
{
    size_t which = 0;
    rule->action = CPS_FOE_MODIFY;
    while (find_edit(cps_words_peek(w), &which)) {
        cps_words_next(w);
        read_edit(w, rule, which);
    }
    if (rule->edit_count == 0)
        cps_words_fail(w, "modify", cps_words_peek(w),
                       "is no edit: xor, put, truncate, append, type, code, mid, token, option, strip, payload");
}

static const verb_t action_verbs[] = {
    {"pass", act_pass},       {"drop", act_drop},
    {"hold", act_hold},       {"delay", act_delay},
    {"modify", act_modify},   {"duplicate", act_duplicate},
    {"release", act_release}, {"replay", act_replay},
    {"inject", act_inject},   {NULL, NULL},
};

void cps_rule_text_action(cps_words_t *w, cps_foe_rule_t *rule)
{
    cps_bytes_t word = cps_words_next(w);
    const verb_t *verb = find_verb(action_verbs, word);
    if (verb == NULL)
        cps_words_fail(w, "action", word,
                       "is none of pass, drop, hold, delay, duplicate, modify, release, replay, inject");
    else
        verb->read(w, rule);
}

void cps_rule_text(cps_words_t *w, cps_foe_rule_t *rule)
{
    *rule = (cps_foe_rule_t){0};
    cps_rule_text_match(w, rule);
    if (!cps_words_take(w, "then"))
        cps_words_fail(w, "rule", cps_words_peek(w), "is neither a matching word nor then");
    cps_rule_text_action(w, rule);
    cps_words_end(w);
}
