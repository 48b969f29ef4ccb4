// SPDX-License-Identifier: Apache-2.0
#include "sim/foe.h"

#include "sim/clock.h"

typedef struct slot {
    cps_pool_head_t head;
    cps_foe_output_t out; /* its bytes are those below */
    uint32_t next_held;
    uint8_t bytes[];
} slot_t;

/* The datagram at hand while the rules are asked. */
typedef struct work {
    cps_parcel_t seen; /* as it came */
    cps_look_t look;
    cps_foe_draft_t draft; /* as it will go */
    cps_foe_verdict_t verdict;
    uint64_t gap_us; /* between copies */
    bool decided;
} work_t;

cps_foe_config_t cps_foe_config_defaults(void)
{
    return (cps_foe_config_t){
        .rules = 256, .records = 65536, .tape_bytes = 32U << 20U, .slots = 512, .slot_bytes = 65507};
}

const char *cps_foe_fate_name(cps_foe_fate_t fate)
{
    static const char *const names[] = {"passed", "dropped", "held", "lost"};
    return names[fate];
}

const char *cps_foe_reason_name(cps_foe_reason_t reason)
{
    static const char *const names[] = {"forwarded", "duplicated", "released", "replayed", "injected"};
    return names[reason];
}

void cps_foe_init(cps_foe_t *foe, cps_arena_t *arena, const cps_foe_config_t *config)
{
    *foe = (cps_foe_t){.config = *config, .held_first = CPS_NONE, .held_last = CPS_NONE};
    cps_tape_init(&foe->tape, arena, config->records, config->tape_bytes);
    cps_pool_init(&foe->slots, arena, config->slots, sizeof(slot_t) + config->slot_bytes);
    cps_heap_init(&foe->due, arena, config->slots);
    foe->entries = cps_arena_take(arena, config->rules, sizeof *foe->entries);
    foe->draft = cps_arena_take(arena, config->slot_bytes, 1);
    foe->spare = cps_arena_take(arena, config->slot_bytes, 1);
}

cps_err_t cps_foe_add(cps_foe_t *foe, const cps_foe_rule_t *rule, uint32_t *id)
{
    if (rule->action >= CPS_FOE_ACTION_COUNT || rule->edit_count > CPS_FOE_EDITS_MAX)
        return CPS_ERR_ARGUMENT;
    if (foe->entry_count == foe->config.rules)
        return CPS_ERR_FULL;
    *id = ++foe->next_id;
    foe->entries[foe->entry_count++] = (cps_foe_entry_t){.rule = *rule, .id = *id};
    return CPS_OK;
}

cps_err_t cps_foe_remove(cps_foe_t *foe, uint32_t id)
{
    for (uint32_t i = 0; i < foe->entry_count; i++) {
        if (foe->entries[i].id != id)
            continue;
        foe->entry_count--;
        memmove(&foe->entries[i], &foe->entries[i + 1], (foe->entry_count - i) * sizeof *foe->entries);
        return CPS_OK;
    }
    return CPS_ERR_NOT_FOUND;
}

void cps_foe_clear(cps_foe_t *foe) { foe->entry_count = 0; }

static cps_time_us_t advance(cps_foe_t *foe, cps_time_us_t now_us)
{
    if (now_us > foe->now_us)
        foe->now_us = now_us;
    return foe->now_us;
}

/* A slot with a copy of what shall go out; NULL and counted as lost where none is free. */
static slot_t *fill_slot(cps_foe_t *foe, const cps_foe_output_t *out)
{
    slot_t *slot = cps_pool_take(&foe->slots);
    if (slot == NULL) {
        foe->stats.lost++;
        return NULL;
    }
    slot->out = *out;
    slot->next_held = CPS_NONE;
    cps_copy(slot->bytes, out->parcel.bytes.ptr, out->parcel.bytes.len);
    slot->out.parcel.bytes.ptr = slot->bytes;
    return slot;
}

/* "Never" is kept as the last moment of time: the slot stays in order and is not lost. */
static void schedule(cps_foe_t *foe, slot_t *slot, uint64_t after_us)
{
    cps_time_us_t when_us = cps_time_after(foe->now_us, after_us);
    if (when_us == CPS_TIME_NEVER)
        when_us--;
    cps_heap_set(&foe->due, cps_pool_index(&foe->slots, slot), when_us);
}

static cps_err_t send_later(cps_foe_t *foe, const cps_foe_output_t *out, uint64_t after_us)
{
    slot_t *slot = fill_slot(foe, out);
    if (slot == NULL)
        return CPS_ERR_FULL;
    schedule(foe, slot, after_us);
    return CPS_OK;
}

static cps_err_t hold(cps_foe_t *foe, const cps_foe_output_t *out)
{
    slot_t *slot = fill_slot(foe, out);
    if (slot == NULL)
        return CPS_ERR_FULL;
    uint32_t index = cps_pool_index(&foe->slots, slot);
    if (foe->held_last == CPS_NONE)
        foe->held_first = index;
    else
        ((slot_t *)cps_pool_at(&foe->slots, foe->held_last))->next_held = index;
    foe->held_last = index;
    return CPS_OK;
}

static void decide(work_t *work, cps_foe_fate_t fate)
{
    work->verdict.fate = (uint8_t)fate;
    work->decided = true;
}

/* Let one rule act on the datagram at hand. */
static void act(cps_foe_entry_t *entry, work_t *work)
{
    const cps_foe_rule_t *rule = &entry->rule;
    switch ((cps_foe_action_t)rule->action) {
    case CPS_FOE_PASS:
        decide(work, CPS_FOE_PASSED);
        break;
    case CPS_FOE_DROP:
        decide(work, CPS_FOE_DROPPED);
        break;
    case CPS_FOE_HOLD:
        decide(work, CPS_FOE_HELD);
        memcpy(work->verdict.label, rule->label, sizeof rule->label);
        break;
    case CPS_FOE_DELAY:
        work->verdict.delay_us = cps_time_after(work->verdict.delay_us, rule->delay_us);
        break;
    case CPS_FOE_DUPLICATE:
        work->verdict.copies += rule->copies;
        work->gap_us = rule->delay_us;
        break;
    case CPS_FOE_MODIFY:
        for (uint32_t i = 0; i < rule->edit_count; i++)
            work->verdict.modified |= cps_foe_edit_apply(rule, &rule->edits[i], &work->draft);
        break;
    default: /* release, replay, inject: once the datagram itself has its place */
        entry->fire = true;
        break;
    }
}

static void ask_rules(cps_foe_t *foe, work_t *work)
{
    for (uint32_t i = 0; i < foe->entry_count && !work->decided; i++) {
        cps_foe_entry_t *entry = &foe->entries[i];
        const cps_foe_match_t *match = &entry->rule.match;
        if (!cps_foe_rule_fits(&entry->rule, &work->seen, &work->look))
            continue;
        if (entry->fitted++ < match->skip || (match->times != 0 && entry->acted == match->times))
            continue;
        entry->acted++;
        act(entry, work);
    }
}

/* Send, hold or drop the datagram as decided. */
static cps_err_t carry_out(cps_foe_t *foe, work_t *work)
{
    cps_foe_verdict_t *v = &work->verdict;
    cps_foe_output_t out = {work->seen, v->index, CPS_FOE_FORWARDED, v->modified, ""};
    out.parcel.bytes = cps_bytes(work->draft.bytes, work->draft.len);
    memcpy(out.label, v->label, sizeof out.label);
    foe->stats.modified += v->modified;
    if (v->fate == CPS_FOE_DROPPED) {
        foe->stats.dropped++;
        return CPS_OK;
    }
    out.reason = v->fate == CPS_FOE_HELD ? CPS_FOE_RELEASED : CPS_FOE_FORWARDED;
    cps_err_t err = v->fate == CPS_FOE_HELD ? hold(foe, &out) : send_later(foe, &out, v->delay_us);
    if (err != CPS_OK) {
        v->fate = CPS_FOE_LOST;
        return err;
    }
    if (v->fate == CPS_FOE_HELD) {
        foe->stats.held++;
        return CPS_OK;
    }
    foe->stats.passed++;
    out.reason = CPS_FOE_DUPLICATED;
    uint64_t after_us = v->delay_us;
    for (uint32_t i = 0; i < v->copies && err == CPS_OK; i++) {
        after_us = cps_time_after(after_us, work->gap_us);
        err = send_later(foe, &out, after_us);
    }
    return err;
}

static cps_err_t fire(cps_foe_t *foe, const cps_foe_rule_t *rule, uint64_t index)
{
    uint32_t count = 0;
    switch ((cps_foe_action_t)rule->action) {
    case CPS_FOE_RELEASE: {
        cps_err_t err = cps_foe_release(foe, foe->now_us, rule->label, rule->delay_us, &count);
        return err == CPS_ERR_NOT_FOUND ? CPS_OK : err; /* nothing to let go is no fault of the datagram */
    }
    case CPS_FOE_REPLAY: {
        const cps_addr_t *from = rule->from.family == CPS_FAMILY_NONE ? NULL : &rule->from;
        cps_err_t err = cps_foe_replay(foe, foe->now_us, rule->index == 0 ? index : rule->index, from, rule->delay_us);
        return err == CPS_ERR_NOT_FOUND ? CPS_OK : err;
    }
    default: {
        cps_parcel_t parcel = {rule->from, rule->to, rule->leg, rule->dir, cps_foe_rule_bytes(rule, rule->bytes)};
        return cps_foe_inject(foe, foe->now_us, &parcel, rule->delay_us);
    }
    }
}

static cps_err_t fire_all(cps_foe_t *foe, uint64_t index)
{
    cps_err_t err = CPS_OK;
    for (uint32_t i = 0; i < foe->entry_count; i++) {
        if (!foe->entries[i].fire)
            continue;
        foe->entries[i].fire = false;
        cps_err_t one = fire(foe, &foe->entries[i].rule, index);
        err = err == CPS_OK ? one : err;
    }
    return err;
}

cps_err_t cps_foe_input(cps_foe_t *foe, cps_time_us_t now_us, const cps_parcel_t *parcel, cps_foe_verdict_t *verdict)
{
    size_t len = parcel->bytes.len;
    cps_record_t *record = NULL;
    if (len <= foe->config.slot_bytes)
        record = cps_tape_put(&foe->tape, advance(foe, now_us), parcel);
    if (record == NULL)
        return CPS_ERR_TOO_LARGE;
    foe->stats.seen++;
    work_t work = {.seen = *parcel, .draft = {foe->draft, foe->spare, len, foe->config.slot_bytes}};
    work.verdict.index = record->index;
    cps_copy(foe->draft, parcel->bytes.ptr, len);
    cps_look_at(parcel->bytes, &work.look);
    ask_rules(foe, &work);
    cps_err_t err = carry_out(foe, &work);
    record->note = work.verdict.fate;
    cps_err_t fired = fire_all(foe, record->index);
    if (verdict != NULL)
        *verdict = work.verdict;
    return err == CPS_OK ? fired : err;
}

cps_err_t cps_foe_release(cps_foe_t *foe, cps_time_us_t now_us, const char *label, uint64_t after_us, uint32_t *count)
{
    advance(foe, now_us);
    *count = 0;
    uint32_t kept = CPS_NONE;
    uint32_t next = CPS_NONE;
    for (uint32_t at = foe->held_first; at != CPS_NONE; at = next) {
        slot_t *slot = cps_pool_at(&foe->slots, at);
        next = slot->next_held;
        if (strcmp(slot->out.label, label) != 0) {
            kept = at;
            continue;
        }
        if (kept == CPS_NONE)
            foe->held_first = next;
        else
            ((slot_t *)cps_pool_at(&foe->slots, kept))->next_held = next;
        slot->next_held = CPS_NONE;
        schedule(foe, slot, after_us);
        (*count)++;
    }
    foe->held_last = kept;
    return *count == 0 ? CPS_ERR_NOT_FOUND : CPS_OK;
}

uint32_t cps_foe_held(const cps_foe_t *foe, const char *label)
{
    uint32_t count = 0;
    for (uint32_t at = foe->held_first; at != CPS_NONE;) {
        const slot_t *slot = cps_pool_at(&foe->slots, at);
        count += label == NULL || strcmp(slot->out.label, label) == 0;
        at = slot->next_held;
    }
    return count;
}

cps_err_t cps_foe_replay(cps_foe_t *foe, cps_time_us_t now_us, uint64_t index, const cps_addr_t *from,
                         uint64_t after_us)
{
    advance(foe, now_us);
    const cps_record_t *record = cps_tape_get(&foe->tape, index);
    if (record == NULL)
        return CPS_ERR_NOT_FOUND;
    cps_foe_output_t out = {record->parcel, index, CPS_FOE_REPLAYED, false, ""};
    if (from != NULL)
        out.parcel.from = *from;
    return send_later(foe, &out, after_us);
}

cps_err_t cps_foe_inject(cps_foe_t *foe, cps_time_us_t now_us, const cps_parcel_t *parcel, uint64_t after_us)
{
    advance(foe, now_us);
    if (parcel->bytes.len > foe->config.slot_bytes)
        return CPS_ERR_TOO_LARGE;
    cps_foe_output_t out = {*parcel, 0, CPS_FOE_INJECTED, false, ""};
    return send_later(foe, &out, after_us);
}

cps_time_us_t cps_foe_next(const cps_foe_t *foe) { return cps_heap_next(&foe->due); }

bool cps_foe_take(cps_foe_t *foe, cps_time_us_t now_us, cps_foe_output_t *out)
{
    if (foe->lent != NULL)
        cps_pool_give(&foe->slots, foe->lent);
    foe->lent = NULL;
    uint32_t index = cps_heap_pop_due(&foe->due, advance(foe, now_us));
    if (index == CPS_NONE)
        return false;
    slot_t *slot = cps_pool_at(&foe->slots, index);
    *out = slot->out;
    foe->lent = slot;
    foe->stats.delivered++;
    return true;
}

const cps_record_t *cps_foe_record(const cps_foe_t *foe, uint64_t index) { return cps_tape_get(&foe->tape, index); }
