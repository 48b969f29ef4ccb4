// SPDX-License-Identifier: Apache-2.0
/* The foe: what each action does to the traffic, the recording, and its limits. */
#include "harness.h"

#include "sim/addr.h"
#include "sim/foe.h"
#include "sim/rule_text.h"

#include <stdio.h>
#include <stdlib.h>

/* A datagram per MID: CON POST, token aabb, OSCORE (Partial IV 05, kid 31), payload 01020304 */
#define BODY "aabb93090531ff01020304"

typedef struct rig {
    cps_foe_t foe;
    void *memory;
    cps_addr_t client;
    cps_addr_t server;
    cps_foe_output_t out; /* taken last */
} rig_t;

static int rig_open(void **state)
{
    cps_foe_config_t config = {.rules = 4, .records = 8, .tape_bytes = 256, .slots = 6, .slot_bytes = 64};
    rig_t *rig = calloc(1, sizeof *rig);
    cps_arena_t arena = cps_arena_measure();
    if (rig == NULL)
        return -1;
    cps_foe_init(&rig->foe, &arena, &config);
    size_t need = cps_arena_need(&arena);
    rig->memory = calloc(1, need);
    arena = cps_arena(rig->memory, need);
    cps_foe_init(&rig->foe, &arena, &config);
    cps_simaddr_parse("10.0.0.1:4000", 13, &rig->client);
    cps_simaddr_parse("10.0.0.2:5683", 13, &rig->server);
    *state = rig;
    return arena.failed ? -1 : 0;
}

static void rig_close(rig_t *rig)
{
    free(rig->memory);
    free(rig);
}

static rig_t *rig_new(void)
{
    void *state = NULL;
    assert_int_equal(rig_open(&state), 0);
    return state;
}

static uint32_t rule(rig_t *rig, const char *text)
{
    cps_words_t w;
    cps_foe_rule_t r;
    uint32_t id = 0;
    cps_words_start(&w, text);
    cps_rule_text(&w, &r);
    if (w.failed)
        fail_msg("%s: %s", text, w.error);
    assert_ok(cps_foe_add(&rig->foe, &r, &id));
    return id;
}

static cps_bytes_t datagram(uint16_t mid)
{
    char text[64];
    snprintf(text, sizeof text, "4202%04x" BODY, mid);
    return hex(text);
}

static cps_parcel_t parcel_up(const rig_t *rig, cps_bytes_t bytes)
{
    return (cps_parcel_t){rig->client, rig->server, 0, CPS_FOE_UP, bytes};
}

static cps_foe_verdict_t send_mid(rig_t *rig, cps_time_us_t now_us, uint16_t mid)
{
    cps_foe_verdict_t verdict;
    cps_parcel_t parcel = parcel_up(rig, datagram(mid));
    assert_ok(cps_foe_input(&rig->foe, now_us, &parcel, &verdict));
    return verdict;
}

/* The next output due is that datagram for that reason. */
static void assert_out(rig_t *rig, cps_time_us_t now_us, uint16_t mid, cps_foe_reason_t reason)
{
    if (!cps_foe_take(&rig->foe, now_us, &rig->out))
        fail_msg("nothing comes out where %04x should", mid);
    assert_bytes(datagram(mid), rig->out.parcel.bytes);
    assert_string_equal(cps_foe_reason_name((cps_foe_reason_t)rig->out.reason), cps_foe_reason_name(reason));
}

static void assert_silence(rig_t *rig, cps_time_us_t now_us)
{
    cps_foe_output_t out;
    assert_false(cps_foe_take(&rig->foe, now_us, &out));
}

static void without_rules_all_passes(void **state)
{
    (void)state;
    rig_t *rig = rig_new();
    cps_foe_verdict_t v = send_mid(rig, 5, 1);
    assert_int_equal(v.index, 1);
    assert_int_equal(v.fate, CPS_FOE_PASSED);
    assert_true(cps_foe_next(&rig->foe) == 5);
    assert_out(rig, 5, 1, CPS_FOE_FORWARDED);
    assert_int_equal(rig->out.index, 1);
    assert_true(cps_simaddr_equal(&rig->out.parcel.from, &rig->client));
    assert_true(cps_simaddr_equal(&rig->out.parcel.to, &rig->server));
    assert_silence(rig, 99);
    assert_true(cps_foe_next(&rig->foe) == CPS_TIME_NEVER);
    rig_close(rig);
}

static void drop_and_pass_decide(void **state)
{
    (void)state;
    rig_t *rig = rig_new();
    rule(rig, "mid 2 then pass");
    uint32_t id = rule(rig, "code POST then drop");
    assert_int_equal(send_mid(rig, 0, 1).fate, CPS_FOE_DROPPED);
    assert_silence(rig, 9);
    assert_int_equal(send_mid(rig, 0, 2).fate, CPS_FOE_PASSED);
    assert_out(rig, 0, 2, CPS_FOE_FORWARDED);
    assert_ok(cps_foe_remove(&rig->foe, id));
    assert_err(CPS_ERR_NOT_FOUND, cps_foe_remove(&rig->foe, id));
    assert_int_equal(send_mid(rig, 0, 1).fate, CPS_FOE_PASSED);
    assert_int_equal(rig->foe.stats.dropped, 1);
    assert_int_equal(rig->foe.stats.passed, 2);
    rig_close(rig);
}

static void nth_and_times_count(void **state)
{
    (void)state;
    rig_t *rig = rig_new();
    rule(rig, "code POST nth 2 times 2 then drop");
    static const uint8_t fates[] = {CPS_FOE_PASSED, CPS_FOE_DROPPED, CPS_FOE_DROPPED, CPS_FOE_PASSED};
    for (uint16_t i = 0; i < 4; i++) {
        assert_int_equal(send_mid(rig, 0, i).fate, fates[i]);
        cps_foe_take(&rig->foe, 0, &rig->out);
    }
    assert_int_equal(rig->foe.entries[0].fitted, 4);
    assert_int_equal(rig->foe.entries[0].acted, 2);
    rig_close(rig);
}

static void hold_and_release(void **state)
{
    (void)state;
    rig_t *rig = rig_new();
    uint32_t count = 0;
    rule(rig, "mid 2 then hold other");
    rule(rig, "then hold x");
    for (uint16_t mid = 1; mid <= 4; mid++) {
        cps_foe_verdict_t v = send_mid(rig, mid, mid);
        assert_int_equal(v.fate, CPS_FOE_HELD);
        assert_string_equal(v.label, mid == 2 ? "other" : "x");
    }
    assert_silence(rig, 1000);
    assert_int_equal(cps_foe_held(&rig->foe, NULL), 4);
    assert_int_equal(cps_foe_held(&rig->foe, "x"), 3);
    assert_err(CPS_ERR_NOT_FOUND, cps_foe_release(&rig->foe, 2000, "y", 0, &count));
    assert_ok(cps_foe_release(&rig->foe, 2000, "x", 500, &count));
    assert_int_equal(count, 3);
    assert_silence(rig, 2499);
    assert_out(rig, 2500, 1, CPS_FOE_RELEASED);
    assert_string_equal(rig->out.label, "x");
    assert_out(rig, 2500, 3, CPS_FOE_RELEASED);
    assert_out(rig, 2500, 4, CPS_FOE_RELEASED);
    assert_silence(rig, 9999);
    /* the list is whole after its ends were taken out */
    send_mid(rig, 3000, 5);
    assert_ok(cps_foe_release(&rig->foe, 3000, "other", 0, &count));
    assert_out(rig, 3000, 2, CPS_FOE_RELEASED);
    assert_ok(cps_foe_release(&rig->foe, 3000, "x", 0, &count));
    assert_out(rig, 3000, 5, CPS_FOE_RELEASED);
    assert_int_equal(cps_foe_held(&rig->foe, NULL), 0);
    rig_close(rig);
}

static void release_by_rule_follows_what_it_waited_for(void **state)
{
    (void)state;
    rig_t *rig = rig_new();
    rule(rig, "mid 1 then hold unlock");
    rule(rig, "mid 2 then release unlock");
    send_mid(rig, 10, 1);
    send_mid(rig, 20, 2);
    assert_out(rig, 20, 2, CPS_FOE_FORWARDED);
    assert_out(rig, 20, 1, CPS_FOE_RELEASED);
    send_mid(rig, 30, 2); /* nothing is held any more: no error */
    assert_out(rig, 30, 2, CPS_FOE_FORWARDED);
    assert_silence(rig, 40);
    rig_close(rig);
}

static void duplicates_come_at_their_times(void **state)
{
    (void)state;
    rig_t *rig = rig_new();
    rule(rig, "then duplicate 2 every 100us");
    rule(rig, "then delay 50us");
    cps_foe_verdict_t v = send_mid(rig, 1000, 1);
    assert_int_equal(v.copies, 2);
    assert_int_equal(v.delay_us, 50);
    assert_silence(rig, 1049);
    assert_out(rig, 1050, 1, CPS_FOE_FORWARDED);
    assert_silence(rig, 1149);
    assert_out(rig, 1150, 1, CPS_FOE_DUPLICATED);
    assert_out(rig, 1250, 1, CPS_FOE_DUPLICATED);
    assert_silence(rig, 9999);
    rig_close(rig);
}

static void replays_are_what_was_seen(void **state)
{
    (void)state;
    rig_t *rig = rig_new();
    cps_addr_t other;
    cps_simaddr_parse("10.0.0.9:9", 10, &other);
    rule(rig, "mid 1 then modify mid 9");
    cps_foe_verdict_t v = send_mid(rig, 0, 1);
    assert_true(v.modified);
    assert_out(rig, 0, 9, CPS_FOE_FORWARDED);
    assert_true(rig->out.modified);
    assert_int_equal(rig->foe.stats.modified, 1);
    assert_ok(cps_foe_replay(&rig->foe, 10, v.index, NULL, 0));
    assert_out(rig, 10, 1, CPS_FOE_REPLAYED);
    assert_int_equal(rig->out.index, v.index);
    assert_true(cps_simaddr_equal(&rig->out.parcel.from, &rig->client));
    assert_ok(cps_foe_replay(&rig->foe, 10, v.index, &other, 5));
    assert_silence(rig, 14);
    assert_out(rig, 15, 1, CPS_FOE_REPLAYED);
    assert_true(cps_simaddr_equal(&rig->out.parcel.from, &other));
    assert_true(cps_simaddr_equal(&rig->out.parcel.to, &rig->server));
    assert_err(CPS_ERR_NOT_FOUND, cps_foe_replay(&rig->foe, 20, 0, NULL, 0));
    assert_err(CPS_ERR_NOT_FOUND, cps_foe_replay(&rig->foe, 20, 2, NULL, 0));
    rig_close(rig);
}

static void replay_by_rule(void **state)
{
    (void)state;
    rig_t *rig = rig_new();
    rule(rig, "mid 1 then replay self after 30us");
    rule(rig, "mid 2 then replay 1 from 10.0.0.9:9");
    send_mid(rig, 0, 1);
    assert_out(rig, 0, 1, CPS_FOE_FORWARDED);
    assert_silence(rig, 29);
    assert_out(rig, 30, 1, CPS_FOE_REPLAYED);
    send_mid(rig, 40, 2);
    assert_out(rig, 40, 2, CPS_FOE_FORWARDED);
    assert_out(rig, 40, 1, CPS_FOE_REPLAYED);
    assert_int_equal(rig->out.parcel.from.port, 9);
    rig_close(rig);
}

static void inject_by_call_and_by_rule(void **state)
{
    (void)state;
    rig_t *rig = rig_new();
    cps_parcel_t forged = {rig->server, rig->client, 0, CPS_FOE_DOWN, hex("6044000761")};
    assert_ok(cps_foe_inject(&rig->foe, 5, &forged, 10));
    assert_silence(rig, 14);
    assert_true(cps_foe_take(&rig->foe, 15, &rig->out));
    assert_int_equal(rig->out.reason, CPS_FOE_INJECTED);
    assert_int_equal(rig->out.index, 0);
    assert_bytes(forged.bytes, rig->out.parcel.bytes);
    assert_true(cps_simaddr_equal(&rig->out.parcel.from, &rig->server));
    rule(rig, "up code POST times 1 then inject 70000001 from 10.0.0.2:5683 to 10.0.0.1:4000");
    send_mid(rig, 20, 1);
    send_mid(rig, 20, 2);
    assert_out(rig, 20, 1, CPS_FOE_FORWARDED);
    assert_true(cps_foe_take(&rig->foe, 20, &rig->out));
    assert_bytes(hex("70000001"), rig->out.parcel.bytes);
    assert_out(rig, 20, 2, CPS_FOE_FORWARDED);
    assert_silence(rig, 30);
    uint8_t large[65] = {0};
    forged.bytes = cps_bytes(large, sizeof large);
    assert_err(CPS_ERR_TOO_LARGE, cps_foe_inject(&rig->foe, 30, &forged, 0));
    rig_close(rig);
}

static void time_never_goes_back(void **state)
{
    (void)state;
    rig_t *rig = rig_new();
    send_mid(rig, 100, 1);
    send_mid(rig, 50, 2); /* an earlier time counts as the last one */
    assert_int_equal(cps_foe_record(&rig->foe, 2)->time_us, 100);
    assert_out(rig, 60, 1, CPS_FOE_FORWARDED);
    assert_out(rig, 60, 2, CPS_FOE_FORWARDED);
    rig_close(rig);
}

static void limits_hold(void **state)
{
    (void)state;
    rig_t *rig = rig_new();
    cps_foe_verdict_t v;
    uint32_t count = 0;
    rule(rig, "then hold x");
    for (uint16_t mid = 0; mid < 6; mid++)
        send_mid(rig, 0, mid);
    cps_parcel_t parcel = parcel_up(rig, datagram(7));
    assert_err(CPS_ERR_FULL, cps_foe_input(&rig->foe, 0, &parcel, &v));
    assert_int_equal(v.fate, CPS_FOE_LOST);
    assert_int_equal(cps_foe_record(&rig->foe, v.index)->note, CPS_FOE_LOST);
    assert_err(CPS_ERR_FULL, cps_foe_replay(&rig->foe, 0, 1, NULL, 0));
    assert_int_equal(rig->foe.stats.lost, 2);
    assert_ok(cps_foe_release(&rig->foe, 0, "x", 0, &count));
    assert_int_equal(count, 6);
    uint8_t large[65] = {0};
    parcel.bytes = cps_bytes(large, sizeof large);
    assert_err(CPS_ERR_TOO_LARGE, cps_foe_input(&rig->foe, 0, &parcel, &v));
    cps_foe_rule_t more = {.action = CPS_FOE_DROP};
    for (uint32_t i = 0; i < 3; i++)
        assert_ok(cps_foe_add(&rig->foe, &more, &count));
    assert_err(CPS_ERR_FULL, cps_foe_add(&rig->foe, &more, &count));
    more.action = CPS_FOE_ACTION_COUNT;
    assert_err(CPS_ERR_ARGUMENT, cps_foe_add(&rig->foe, &more, &count));
    cps_foe_clear(&rig->foe);
    assert_int_equal(rig->foe.entry_count, 0);
    rig_close(rig);
}

/* Bytes that follow from the number of a record, 0 to 31 of them. */
static cps_bytes_t content(uint64_t index, uint8_t *buf)
{
    size_t len = (size_t)(index * 7 % 32);
    memset(buf, (int)(index & 0xff), len);
    return cps_bytes(buf, len);
}

static void tape_keeps_the_newest(void **state)
{
    (void)state;
    enum { LIMIT = 5, SIZE = 100 };
    static uint8_t memory[2048];
    uint8_t buf[32];
    cps_tape_t tape;
    cps_arena_t arena = cps_arena(memory, sizeof memory);
    cps_tape_init(&tape, &arena, LIMIT, SIZE);
    assert_false(arena.failed);
    for (uint64_t i = 1; i <= 1000; i++) {
        cps_parcel_t parcel = {.bytes = content(i, buf)};
        cps_record_t *record = cps_tape_put(&tape, i, &parcel);
        assert_non_null(record);
        assert_true(record->index == i && tape.next == i + 1);
        size_t total = 0;
        for (uint64_t k = tape.first; k < tape.next; k++) {
            const cps_record_t *kept = cps_tape_get(&tape, k);
            assert_non_null(kept);
            assert_bytes(content(k, buf), kept->parcel.bytes);
            total += kept->parcel.bytes.len;
        }
        assert_true(tape.next - tape.first <= LIMIT && total <= SIZE);
        assert_true(tape.next - tape.first >= (i < 3 ? i : 3)); /* three of 31 bytes fit in any case */
        assert_null(cps_tape_get(&tape, tape.first - 1));
        assert_null(cps_tape_get(&tape, tape.next));
    }
    static uint8_t large[SIZE + 1];
    cps_parcel_t parcel = {.bytes = cps_bytes(large, SIZE + 1)};
    assert_null(cps_tape_put(&tape, 0, &parcel));
    parcel.bytes.len = SIZE;
    assert_non_null(cps_tape_put(&tape, 0, &parcel));
    assert_int_equal(tape.next - tape.first, 1);
}

static void copies_lost_to_a_full_queue_are_told(void **state)
{
    (void)state;
    rig_t *rig = rig_new();
    cps_foe_verdict_t v;
    rule(rig, "then duplicate 9");
    cps_parcel_t parcel = parcel_up(rig, datagram(1));
    assert_err(CPS_ERR_FULL, cps_foe_input(&rig->foe, 0, &parcel, &v));
    assert_int_equal(v.fate, CPS_FOE_PASSED);
    for (int i = 0; i < 6; i++)
        assert_true(cps_foe_take(&rig->foe, 0, &rig->out));
    assert_silence(rig, 0);
    rig_close(rig);
}

static const cps_case_t cases[] = {
    {"", "without rules all passes, and is recorded", without_rules_all_passes},
    {"", "the first rule that passes or drops decides", drop_and_pass_decide},
    {"", "nth and times choose among what fits", nth_and_times_count},
    {"", "what is held comes out on release, in order, by its name alone", hold_and_release},
    {"", "a rule releases behind the datagram that fits", release_by_rule_follows_what_it_waited_for},
    {"", "copies and delays come at their times", duplicates_come_at_their_times},
    {"", "a replay is what was seen, not what was sent on, from any address", replays_are_what_was_seen},
    {"", "a rule replays the datagram at hand or an older one", replay_by_rule},
    {"", "injected bytes come out as given", inject_by_call_and_by_rule},
    {"", "an earlier time counts as the last one", time_never_goes_back},
    {"", "slots, rules and sizes are bounded, and what is lost is counted", limits_hold},
    {"", "copies for which no slot is free are told", copies_lost_to_a_full_queue_are_told},
    {"", "the tape keeps the newest records whole within its bounds", tape_keeps_the_newest},
};

CPS_RUN("sim_foe", cases)
