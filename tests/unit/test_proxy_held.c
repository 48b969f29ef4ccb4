// SPDX-License-Identifier: Apache-2.0
/* Answers held until a client's address is proven: the table, and what the endpoint of a proxy does for it. */
#include "harness.h"

#include <stdlib.h>

#include "proxy/held.h"
#include "rig.h"

typedef struct table {
    cps_held_table_t t;
    void *memory;
} table_t;

static table_t table_new(void)
{
    table_t out;
    cps_arena_t measure = cps_arena_measure();
    cps_held_init(&out.t, &measure);
    out.memory = calloc(1, cps_arena_need(&measure));
    assert_non_null(out.memory);
    cps_arena_t arena = cps_arena(out.memory, cps_arena_need(&measure));
    cps_held_init(&out.t, &arena);
    assert_false(arena.failed);
    return out;
}

static cps_held_request_t request_of(uint8_t host, uint16_t port, const char *bytes)
{
    return (cps_held_request_t){.client = {.ip = {127, 0, 0, host}, .port = port, .family = CPS_FAMILY_IPV4},
                                .where = "door.local:5683",
                                .code = CPS_POST,
                                .bytes = cps_bytes_str(bytes)};
}

static cps_proxy_answer_t answer; /* as in a proxy */
static uint8_t store[CPS_HELD_BYTES_MAX];

static bool put(table_t *table, cps_time_us_t now, const cps_held_request_t *request)
{
    answer.code = CPS_CHANGED;
    answer.options[0] = (cps_option_t){65000, CPS_BYTES_LIT("b")};
    answer.options[1] = (cps_option_t){CPS_OPT_OSCORE, CPS_BYTES_LIT("a")};
    answer.option_count = 2;
    answer.payload = CPS_BYTES_LIT("sealed");
    return cps_held_put(&table->t, now, request, &answer);
}

static bool take(table_t *table, cps_time_us_t now, const cps_held_request_t *request)
{
    memset(&answer, 0, sizeof answer);
    return cps_held_take(&table->t, now, request, &answer, store);
}

static void an_answer_is_handed_out_once_and_whole(void **state)
{
    table_t table = table_new();
    cps_held_request_t request = request_of(1, 7, "x");
    (void)state;
    assert_false(take(&table, 0, &request));
    assert_true(put(&table, 0, &request));
    assert_true(take(&table, CPS_HELD_US - 1, &request));
    assert_true(answer.code == CPS_CHANGED && answer.option_count == 2);
    assert_int_equal(answer.options[0].number, CPS_OPT_OSCORE);
    assert_bytes(CPS_BYTES_LIT("b"), answer.options[1].value);
    assert_bytes(CPS_BYTES_LIT("sealed"), answer.payload);
    assert_false(take(&table, 1, &request));
    assert_true(put(&table, 0, &request));
    assert_false(take(&table, CPS_HELD_US, &request)); /* too late */
    free(table.memory);
}

static void only_the_same_request_of_the_same_endpoint_gets_it(void **state)
{
    table_t table = table_new();
    cps_held_request_t request = request_of(1, 7, "x");
    (void)state;
    assert_true(put(&table, 0, &request));
    cps_held_request_t others[] = {
        request_of(2, 7, "x"), request_of(1, 8, "x"), request_of(1, 7, "y"), request_of(1, 7, "xx"), request, request};
    others[4].where = "window.local:5683";
    others[5].code = CPS_PUT;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(take(&table, 1, &others[i]));
    assert_true(take(&table, 1, &request));
    free(table.memory);
}

static void a_client_has_its_share_and_the_oldest_goes_first(void **state)
{
    static const char *const texts[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8"};
    table_t table = table_new();
    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        cps_held_request_t request = request_of(1, 7, texts[i]);
        assert_true(put(&table, i, &request));
    }
    cps_held_request_t first = request_of(1, 7, texts[0]);
    cps_held_request_t second = request_of(1, 7, texts[1]);
    assert_false(take(&table, 10, &first));
    assert_true(take(&table, 10, &second));
    for (unsigned i = 0; i < CPS_HELD_MAX; i++) { /* others fill the table: the oldest of all go */
        cps_held_request_t request = request_of((uint8_t)(2 + i), 7, "x");
        assert_true(put(&table, 20 + i, &request));
    }
    cps_held_request_t last = request_of(1, 7, texts[8]);
    cps_held_request_t newest = request_of(2, 7, "x");
    assert_false(take(&table, 100, &last));
    assert_true(take(&table, 100, &newest));
    free(table.memory);
}

static void what_must_stay_does_not_go_early(void **state)
{
    table_t table = table_new();
    (void)state;
    for (unsigned i = 0; i < CPS_HELD_STAY; i++) { /* half of the table */
        cps_held_request_t request = request_of((uint8_t)(1 + i), 7, "stay");
        request.stays = true;
        assert_true(put(&table, 0, &request));
    }
    cps_held_request_t more = request_of(99, 7, "stay");
    more.stays = true;
    assert_false(put(&table, 0, &more));
    for (unsigned i = 0; i < 2 * CPS_HELD_MAX; i++) { /* the others have the other half, and push out each other only */
        cps_held_request_t request = request_of((uint8_t)(100 + i), 7, "go");
        assert_true(put(&table, 1 + i, &request));
    }
    for (unsigned i = 0; i < CPS_HELD_STAY; i++) {
        cps_held_request_t request = request_of((uint8_t)(1 + i), 7, "stay");
        assert_true(take(&table, CPS_HELD_US - 1, &request));
    }
    free(table.memory);
}

static void a_share_of_what_stays_is_full_for_the_rest(void **state)
{
    table_t table = table_new();
    (void)state;
    cps_held_request_t request = request_of(1, 7, "stay");
    request.stays = true;
    for (unsigned i = 0; i < CPS_HELD_SHARE; i++)
        assert_true(put(&table, 0, &request));
    assert_false(put(&table, 1, &request));
    assert_true(put(&table, CPS_HELD_US, &request)); /* their time is over */
    free(table.memory);
}

static void what_does_not_fit_is_not_held(void **state)
{
    static uint8_t big[CPS_HELD_BYTES_MAX + 1];
    table_t table = table_new();
    cps_held_request_t request = request_of(1, 7, "x");
    (void)state;
    answer = (cps_proxy_answer_t){.code = CPS_CONTENT, .payload = cps_bytes(big, sizeof big)};
    assert_false(cps_held_put(&table.t, 0, &request, &answer));
    assert_false(take(&table, 0, &request));
    request.bytes = cps_bytes(big, sizeof big);
    assert_false(put(&table, 0, &request));
    assert_int_equal(table.t.pool.used, 0);
    free(table.memory);
}

/* ---- the endpoint of a proxy ---- */

static void proxy_layers(cps_ep_config_t *config) { config->layers = cps_layers_proxy(); }

static void keep_open(rig_t *rig, const cps_event_t *event)
{
    (void)rig;
    (void)event;
}

static cps_err_t reply_kept(rig_t *rig, cps_bytes_t payload, bool kept)
{
    cps_command_t reply = {
        .kind = CPS_COMMAND_REPLY,
        .u.reply = {.request = rig->last.handle, .code = CPS_CHANGED, .payload = payload, .kept = kept}};
    return cps_ep_submit(rig->ep, rig->now_us, &reply, NULL);
}

static void an_answer_that_is_kept_waits_for_the_address(void **state)
{
    static uint8_t big[600];
    rig_t *rig = rig_new(1, proxy_layers);
    cps_bytes_t post = hex("41020001aa 9109 ff 73"); /* CON POST, token aa, OSCORE 09 */
    cps_bytes_t echo = {NULL, 0};
    (void)state;
    rig->on_request = keep_open;
    rig_in(rig, 9, 4000, post);
    assert_true(rig->requests == 1 && rig->last.u.request.oscore && !rig->last.u.request.verified);
    assert_err(CPS_ERR_NOT_FRESH, reply_kept(rig, cps_bytes(big, sizeof big), true));
    assert_int_equal(rig->out_count, 0); /* the request is still open */
    assert_ok(rig_submit_handle(rig, CPS_COMMAND_CHALLENGE, rig->last.handle));
    rig_run(rig);
    assert_int_equal(rig->out_count, 1);
    cps_msg_t msg = rig_sent_msg(rig, 0);
    assert_true(msg.type == CPS_ACK && msg.code == CPS_UNAUTHORIZED && cps_msg_option(&msg, CPS_OPT_ECHO, &echo));
    rig_in(rig, 9, 4000, post); /* the message again: the challenge again, and no second request */
    assert_true(rig->requests == 1 && rig->out_count == 2);
    assert_bytes(rig_sent(rig, 0), rig_sent(rig, 1));

    uint8_t bytes[128];
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_write_bytes(&w, hex("41020002ab 9109"));
    cps_opt_writer_t options = {&w, CPS_OPT_OSCORE};
    cps_opt_put(&options, CPS_OPT_ECHO, echo);
    cps_write_bytes(&w, hex("ff73"));
    rig_in(rig, 8, 4000, cps_written(&w)); /* from elsewhere it proves nothing */
    assert_true(rig->requests == 2 && !rig->last.u.request.verified);
    rig_in(rig, 9, 4000, cps_written(&w));
    assert_true(rig->requests == 3 && rig->last.u.request.verified);
    assert_ok(reply_kept(rig, cps_bytes(big, sizeof big), true));
    rig_advance(rig, CPS_HELD_US);
    uint8_t late[128];
    cps_copy(late, bytes, cps_written(&w).len);
    late[3] = 9; /* another message */
    rig_in(rig, 9, 4000, cps_bytes(late, cps_written(&w).len));
    assert_true(rig->requests == 4 && !rig->last.u.request.verified && rig->last.u.request.echo_old);
    rig_free(rig);
}

static const cps_case_t cases[] = {
    {"", "a held answer is handed out once, whole, and in time", an_answer_is_handed_out_once_and_whole},
    {"", "only the same request of the same endpoint gets it", only_the_same_request_of_the_same_endpoint_gets_it},
    {"", "a client has its share, and the oldest goes first", a_client_has_its_share_and_the_oldest_goes_first},
    {"", "what must stay does not go early, and leaves room for others", what_must_stay_does_not_go_early},
    {"", "a client's share that must stay is full until its time is over", a_share_of_what_stays_is_full_for_the_rest},
    {"", "what does not fit is not held", what_does_not_fit_is_not_held},
    {"", "an answer that is kept waits until the address is proven", an_answer_that_is_kept_waits_for_the_address},
};

CPS_RUN("proxy_held", cases)
