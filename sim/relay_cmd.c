// SPDX-License-Identifier: Apache-2.0
#include "sim/relay_cmd.h"

#include "sim/addr.h"
#include "sim/clock.h"
#include "sim/relay_record.h"
#include "sim/rule_text.h"

#include <errno.h>

#define WAIT_US 5000000U /* how long "wait" waits where it is not told */

#define IS_ACTION     1U /* reads its own word, as an action of a rule does */
#define NOT_IN_SCRIPT 2U

/* A command writes the fields of its answer only after all that can fail. */
typedef struct command {
    const char *word;
    void (*run)(cps_relay_cmd_t *cmd, cps_words_t *w);
    uint8_t flags;
} command_t;

static void fail(cps_words_t *w, const char *what, const char *problem)
{
    cps_words_fail(w, what, cps_bytes_str(problem), "");
}

/* Which leg and direction a replay goes: as the record, or for the datagram at hand as the matcher says. */
static void place_replay(cps_relay_cmd_t *cmd, cps_words_t *w, cps_foe_rule_t *rule)
{
    const cps_foe_match_t *match = &rule->match;
    if (rule->index == 0) {
        if ((match->fields & 1U << CPS_FOE_LEG) == 0 && cmd->relay->leg_count > 1)
            fail(w, "replay", "needs leg N among the matching words, to know where from");
        rule->leg = match->leg;
        rule->dir = match->dir;
        return;
    }
    const cps_record_t *record = cps_foe_record(&cmd->relay->foe, rule->index);
    if (record == NULL) {
        fail(w, "replay", "no such record");
        return;
    }
    rule->leg = record->parcel.leg;
    rule->dir = record->parcel.dir;
}

/* Which leg and direction an injection goes: up where it is for a server, down where it comes from one. The relay's own
 * addresses, as its peers see them, stand for the true ones. */
static void place_inject(const cps_relay_t *relay, cps_foe_rule_t *rule)
{
    for (uint16_t i = 0; i < relay->leg_count; i++) {
        const cps_relay_leg_t *leg = &relay->legs[i];
        if (cps_simaddr_equal(&rule->to, &leg->forward) || cps_simaddr_equal(&rule->to, &leg->listen)) {
            rule->leg = i;
            rule->dir = CPS_FOE_UP;
            rule->to = leg->forward;
            return;
        }
    }
    rule->dir = CPS_FOE_DOWN;
    for (uint16_t i = 0; i < relay->leg_count && !rule->other; i++) {
        const cps_relay_leg_t *leg = &relay->legs[i];
        if (!cps_simaddr_equal(&rule->from, &leg->forward) && !cps_simaddr_equal(&rule->from, &leg->listen))
            continue;
        rule->leg = i;
        rule->from = leg->forward;
        return;
    }
}

/* Give a rule that sends in another name a socket for it. */
static void find_sender(cps_relay_cmd_t *cmd, cps_words_t *w, cps_foe_rule_t *rule)
{
    cps_relay_t *relay = cmd->relay;
    if (w->failed || (!rule->other && rule->from.family == CPS_FAMILY_NONE))
        return;
    if (rule->leg >= relay->leg_count) {
        fail(w, "leg", "there is no such leg");
        return;
    }
    cps_foe_dir_t dir = (cps_foe_dir_t)rule->dir;
    if (!rule->other && cps_relay_knows(relay, rule->leg, dir, &rule->from))
        return;
    cps_addr_t bind = rule->from;
    if (cps_relay_own(relay, rule->leg, dir, rule->other ? NULL : &bind, &rule->from) != CPS_OK)
        fail(w, "cannot send from there:", strerror(errno));
}

/* What a replay or an injection needs before it can run. */
static void prepare(cps_relay_cmd_t *cmd, cps_words_t *w, cps_foe_rule_t *rule)
{
    if (w->failed)
        return;
    if (rule->action == CPS_FOE_REPLAY)
        place_replay(cmd, w, rule);
    if (rule->action == CPS_FOE_INJECT)
        place_inject(cmd->relay, rule);
    if (rule->action == CPS_FOE_REPLAY || rule->action == CPS_FOE_INJECT)
        find_sender(cmd, w, rule);
}

static void add_rule(cps_relay_cmd_t *cmd, cps_words_t *w, cps_foe_rule_t *rule)
{
    uint32_t id = 0;
    prepare(cmd, w, rule);
    if (!w->failed && cps_foe_add(&cmd->relay->foe, rule, &id) != CPS_OK)
        fail(w, "rule", "there is no room for one more");
    if (!w->failed)
        cps_json_num(&cmd->json, "rule", id);
}

static void list_rules(cps_relay_cmd_t *cmd)
{
    const cps_foe_t *foe = &cmd->relay->foe;
    cps_json_open(&cmd->json, "rules", '[');
    for (uint32_t i = 0; i < foe->entry_count; i++) {
        cps_json_open(&cmd->json, NULL, '{');
        cps_json_num(&cmd->json, "rule", foe->entries[i].id);
        cps_json_num(&cmd->json, "fitted", foe->entries[i].fitted);
        cps_json_num(&cmd->json, "acted", foe->entries[i].acted);
        cps_json_close(&cmd->json, '}');
    }
    cps_json_close(&cmd->json, ']');
}

static void run_rule(cps_relay_cmd_t *cmd, cps_words_t *w)
{
    cps_foe_rule_t rule;
    if (cps_words_take(w, "add")) {
        cps_rule_text(w, &rule);
        add_rule(cmd, w, &rule);
    } else if (cps_words_take(w, "remove")) {
        uint64_t id = cps_words_number(w, "rule", UINT32_MAX);
        cps_words_end(w);
        if (!w->failed && cps_foe_remove(&cmd->relay->foe, (uint32_t)id) != CPS_OK)
            fail(w, "rule", "there is no such rule");
    } else if (cps_words_take(w, "clear")) {
        cps_words_end(w);
        if (!w->failed)
            cps_foe_clear(&cmd->relay->foe);
    } else if (cps_words_take(w, "list")) {
        cps_words_end(w);
        if (!w->failed)
            list_rules(cmd);
    } else {
        cps_words_fail(w, "rule", cps_words_peek(w), "is none of add, remove, clear, list");
    }
}

/* "hold LABEL MATCH" is short for "rule add MATCH then hold LABEL". */
static void run_hold(cps_relay_cmd_t *cmd, cps_words_t *w)
{
    cps_foe_rule_t rule = {.action = CPS_FOE_HOLD};
    cps_words_label(w, "hold", rule.label, sizeof rule.label);
    cps_rule_text_match(w, &rule);
    cps_words_end(w);
    add_rule(cmd, w, &rule);
}

static void read_action(cps_words_t *w, cps_foe_rule_t *rule)
{
    *rule = (cps_foe_rule_t){0};
    cps_rule_text_action(w, rule);
    cps_words_end(w);
}

static void run_release(cps_relay_cmd_t *cmd, cps_words_t *w)
{
    cps_foe_rule_t rule;
    uint32_t count = 0;
    read_action(w, &rule);
    if (w->failed)
        return;
    if (cps_foe_release(&cmd->relay->foe, cps_relay_now(), rule.label, rule.delay_us, &count) != CPS_OK)
        fail(w, "release", "nothing is held under that name");
    else
        cps_json_num(&cmd->json, "count", count);
}

static void run_replay(cps_relay_cmd_t *cmd, cps_words_t *w)
{
    char text[CPS_SIMADDR_TEXT_MAX];
    cps_foe_rule_t rule;
    read_action(w, &rule);
    if (!w->failed && rule.index == 0)
        fail(w, "replay", "there is no datagram at hand; records are numbered from 1 on");
    prepare(cmd, w, &rule);
    if (w->failed)
        return;
    const cps_record_t *record = cps_foe_record(&cmd->relay->foe, rule.index);
    const cps_addr_t *from = rule.from.family == CPS_FAMILY_NONE ? NULL : &rule.from;
    if (record == NULL || cps_foe_replay(&cmd->relay->foe, cps_relay_now(), rule.index, from, rule.delay_us) != CPS_OK)
        fail(w, "replay", "there is no room for one more datagram");
    else
        cps_json_str(&cmd->json, "from", cps_simaddr_text(from == NULL ? &record->parcel.from : from, text));
}

static void run_inject(cps_relay_cmd_t *cmd, cps_words_t *w)
{
    char text[CPS_SIMADDR_TEXT_MAX];
    cps_foe_rule_t rule;
    read_action(w, &rule);
    prepare(cmd, w, &rule);
    if (w->failed)
        return;
    cps_parcel_t parcel = {rule.from, rule.to, rule.leg, rule.dir, cps_foe_rule_bytes(&rule, rule.bytes)};
    if (cps_foe_inject(&cmd->relay->foe, cps_relay_now(), &parcel, rule.delay_us) != CPS_OK)
        fail(w, "inject", "there is no room for one more datagram");
    else
        cps_json_str(&cmd->json, "from", cps_simaddr_text(&rule.from, text));
}

static void run_stats(cps_relay_cmd_t *cmd, cps_words_t *w)
{
    const cps_relay_t *relay = cmd->relay;
    const cps_foe_stats_t *stats = &relay->foe.stats;
    cps_words_end(w);
    if (w->failed)
        return;
    cps_json_num(&cmd->json, "last", relay->foe.tape.next - 1);
    cps_json_num(&cmd->json, "seen", stats->seen);
    cps_json_num(&cmd->json, "passed", stats->passed);
    cps_json_num(&cmd->json, "dropped", stats->dropped);
    cps_json_num(&cmd->json, "held", stats->held);
    cps_json_num(&cmd->json, "held_now", cps_foe_held(&relay->foe, NULL));
    cps_json_num(&cmd->json, "lost", stats->lost);
    cps_json_num(&cmd->json, "modified", stats->modified);
    cps_json_num(&cmd->json, "delivered", stats->delivered);
    cps_json_num(&cmd->json, "absorbed", relay->absorbed);
    cps_json_num(&cmd->json, "strangers", relay->strangers);
    cps_json_num(&cmd->json, "oversize", relay->oversize);
    cps_json_num(&cmd->json, "send_errors", relay->send_errors);
}

static void run_list(cps_relay_cmd_t *cmd, cps_words_t *w)
{
    const cps_tape_t *tape = &cmd->relay->foe.tape;
    uint64_t since = cps_words_take(w, "since") ? cps_words_number(w, "since", UINT32_MAX) : 0;
    cps_words_end(w);
    if (w->failed)
        return;
    cps_json_open(&cmd->json, "records", '[');
    for (uint64_t i = since < tape->first ? tape->first : since + 1; i < tape->next; i++) {
        cps_json_open(&cmd->json, NULL, '{');
        cps_relay_put_record(&cmd->json, cmd->relay, cps_foe_record(&cmd->relay->foe, i), false);
        cps_json_close(&cmd->json, '}');
    }
    cps_json_close(&cmd->json, ']');
}

static void run_show(cps_relay_cmd_t *cmd, cps_words_t *w)
{
    uint64_t index = cps_words_number(w, "show", UINT64_MAX);
    cps_words_end(w);
    const cps_record_t *record = cps_foe_record(&cmd->relay->foe, index);
    if (!w->failed && record == NULL)
        fail(w, "show", "no such record");
    if (!w->failed)
        cps_relay_put_record(&cmd->json, cmd->relay, record, true);
}

/* "wait [COUNT] MATCH [since N] [timeout TIME]" */
static void run_wait(cps_relay_cmd_t *cmd, cps_words_t *w)
{
    cps_relay_wait_t *wait = &cmd->wait;
    cps_bytes_t word = cps_words_peek(w);
    uint64_t timeout_us = WAIT_US;
    *wait = (cps_relay_wait_t){.want = 1, .next = cmd->relay->foe.tape.first};
    if (word.len != 0 && word.ptr[0] >= '0' && word.ptr[0] <= '9')
        wait->want = cps_words_number(w, "wait", UINT32_MAX);
    cps_rule_text_match(w, &wait->rule);
    if (cps_words_take(w, "since")) {
        uint64_t since = cps_words_number(w, "since", UINT32_MAX);
        wait->next = since < wait->next ? wait->next : since + 1;
    }
    if (cps_words_take(w, "timeout"))
        timeout_us = cps_words_time_us(w, "timeout");
    cps_words_end(w);
    wait->deadline_us = cps_time_after(cps_relay_now(), timeout_us);
    wait->active = !w->failed;
}

static void run_quit(cps_relay_cmd_t *cmd, cps_words_t *w)
{
    cps_words_end(w);
    cmd->quit = !w->failed;
}

static const command_t commands[] = {
    {"rule", run_rule, 0},
    {"hold", run_hold, 0},
    {"release", run_release, IS_ACTION},
    {"replay", run_replay, IS_ACTION},
    {"inject", run_inject, IS_ACTION},
    {"stats", run_stats, 0},
    {"list", run_list, 0},
    {"show", run_show, 0},
    {"wait", run_wait, NOT_IN_SCRIPT},
    {"quit", run_quit, NOT_IN_SCRIPT},
};

static const command_t *find_command(cps_bytes_t word)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (cps_bytes_equal(word, cps_bytes_str(commands[i].word)))
            return &commands[i];
    return NULL;
}

static void run(cps_relay_cmd_t *cmd, cps_words_t *w, uint8_t refused)
{
    cps_bytes_t word = cps_words_peek(w);
    const command_t *command = find_command(word);
    if (command == NULL) {
        cps_words_fail(w, "command", word,
                       "is none of rule, hold, release, replay, inject, stats, list, show, wait, quit");
        return;
    }
    if ((command->flags & refused) != 0) {
        cps_words_fail(w, "command", word, "has no place in a script");
        return;
    }
    if ((command->flags & IS_ACTION) == 0)
        cps_words_next(w);
    command->run(cmd, w);
}

/* Close the answer that was begun. */
static void finish(cps_relay_cmd_t *cmd, const char *error)
{
    cps_json_bool(&cmd->json, "ok", error == NULL);
    if (error != NULL)
        cps_json_str(&cmd->json, "error", error);
    cps_json_close(&cmd->json, '}');
    cmd->deaf = !cps_json_line(&cmd->json);
}

void cps_relay_cmd_run(cps_relay_cmd_t *cmd, const char *line)
{
    cps_words_t w;
    cps_words_start(&w, line);
    if (cps_words_peek(&w).len == 0)
        return;
    cps_json_open(&cmd->json, NULL, '{');
    run(cmd, &w, 0);
    if (!cmd->wait.active)
        finish(cmd, w.failed ? w.error : NULL);
}

void cps_relay_cmd_refuse(cps_relay_cmd_t *cmd, const char *error)
{
    cps_json_open(&cmd->json, NULL, '{');
    finish(cmd, error);
}

bool cps_relay_cmd_script(cps_relay_cmd_t *cmd, const char *line, cps_words_t *w)
{
    cps_words_start(w, line);
    if (cps_words_peek(w).len != 0)
        run(cmd, w, NOT_IN_SCRIPT);
    return !w->failed;
}

void cps_relay_cmd_check(cps_relay_cmd_t *cmd)
{
    cps_relay_wait_t *wait = &cmd->wait;
    const cps_foe_t *foe = &cmd->relay->foe;
    if (!wait->active)
        return;
    uint64_t found = 0;
    for (; wait->count < wait->want && wait->next < foe->tape.next; wait->next++) {
        const cps_record_t *record = cps_foe_record(foe, wait->next);
        cps_look_t look;
        if (record == NULL)
            continue;
        cps_look_at(record->parcel.bytes, &look);
        if (!cps_foe_rule_fits(&wait->rule, &record->parcel, &look))
            continue;
        wait->count++;
        found = wait->next;
    }
    bool done = wait->count >= wait->want;
    if (!done && cps_relay_now() < wait->deadline_us)
        return;
    wait->active = false;
    cps_json_num(&cmd->json, "count", wait->count);
    if (done)
        cps_json_num(&cmd->json, "index", found);
    finish(cmd, done ? NULL : "timeout");
}
