// SPDX-License-Identifier: Apache-2.0
/* Credentials of a store as contexts of an endpoint, and the way of leases to the store. */
#include "harness.h"

#include "host/keyring.h"
#include "host/leases.h"
#include "sec/oscore/ctx.h"

#include <stdio.h>

typedef struct bench {
    uv_loop_t loop;
    cps_store_t *store;
    cps_worker_t *worker;
    cps_keyring_t *keyring;
    cps_leases_t *leases;
    cps_ep_t *ep;
    unsigned jobs;
} bench_t;

static void on_event(void *user, const cps_event_t *event)
{
    bench_t *b = user;
    if (event->kind != CPS_EVENT_JOB)
        return;
    b->jobs++;
    if (b->leases != NULL)
        cps_leases_job(b->leases, event);
}

static void open_bench(bench_t *b, cps_store_t *store)
{
    static const cps_ep_config_t config = {.dedup_bytes = 65536,
                                           .requests_out = 512,
                                           .request_bytes = 1 << 20,
                                           .waiting = 400,
                                           .peers = 512,
                                           .output_slots = 600,
                                           .transmission = {.nstart = 200, .unsafe = true}};
    memset(b, 0, sizeof *b);
    b->store = store;
    assert_int_equal(uv_loop_init(&b->loop), 0);
    cps_worker_hooks_t hooks = {on_event, NULL, b};
    assert_ok(cps_worker_new(&b->worker, &b->loop, &config, &hooks));
    b->ep = cps_worker_ep(b->worker);
    assert_ok(cps_keyring_new(&b->keyring, store, b->ep));
}

static void close_bench(bench_t *b)
{
    cps_leases_close(b->leases);
    cps_keyring_free(b->keyring);
    cps_worker_close(b->worker);
    assert_int_equal(uv_run(&b->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&b->loop), 0);
}

static void set(cps_store_bytes_t *to, const char *text)
{
    to->len = (uint8_t)strlen(text);
    memcpy(to->data, text, to->len);
}

static void add_key(bench_t *b, const char *name, const char *pattern, const char *sender)
{
    cps_store_key_t key = {.aead = 10, .window = 32, .secret_len = 16};
    cps_store_state_t fresh = {.window_known = true};
    snprintf(key.name, sizeof key.name, "%s", name);
    snprintf(key.pattern, sizeof key.pattern, "%s", pattern);
    memset(key.secret, 7, 16);
    set(&key.sender_id, sender);
    set(&key.recipient_id, "peer");
    set(&key.salt, name); /* another salt, other keys */
    cps_oscore_params_t params = {.master_secret = cps_bytes(key.secret, 16),
                                  .master_salt = cps_bytes(key.salt.data, key.salt.len),
                                  .sender_id = cps_bytes(key.sender_id.data, key.sender_id.len),
                                  .recipient_id = cps_bytes(key.recipient_id.data, key.recipient_id.len),
                                  .window = -1};
    assert_ok(cps_oscore_identifier(cps_worker_crypto(b->worker), &params, key.state_id, key.window_id));
    key.id_context.len = (uint8_t)strlen(name); /* so that more than four may have one Recipient ID */
    memcpy(key.id_context.data, name, key.id_context.len);
    key.has_id_context = true;
    assert_ok(b->store->table->key_add(b->store, &key, &fresh));
}

static cps_err_t send_sealed(bench_t *b, cps_handle_t context, uint8_t host)
{
    uint16_t socket = 0;
    assert_ok(cps_worker_socket(b->worker, CPS_FAMILY_IPV4, &socket));
    cps_command_t command = {
        .kind = CPS_COMMAND_REQUEST,
        .u.request = {
            .path = {.remote = {.ip = {127, 1, 0, host}, .port = 9, .family = CPS_FAMILY_IPV4}, .socket = socket},
            .code = CPS_GET,
            .non_confirmable = true,
            .context = context}};
    return cps_worker_submit(b->worker, &command, NULL);
}

static void a_command_sends_under_its_first_lease(void **state)
{
    (void)state;
    cps_store_t *store;
    bench_t b;
    const cps_credential_t *phone;
    cps_context_state_t at;
    assert_ok(cps_store_mem_open(&store));
    open_bench(&b, store);
    add_key(&b, "phone", "", "me");
    assert_ok(cps_keyring_own(b.keyring, "phone", 0, &phone));
    assert_ok(cps_ep_context_state(b.ep, phone->context, &at));
    assert_int_equal(at.next_number, 0);
    assert_int_equal(at.ceiling, 64);
    cps_store_key_t key;
    cps_store_state_t durable;
    uint64_t ceiling = 0;
    assert_ok(store->table->key_get(store, "phone", &key));
    assert_ok(store->table->state_get(store, &key, &durable, &ceiling));
    assert_int_equal(ceiling, 64);
    assert_int_equal(durable.next, 64); /* whatever happens now, numbers below it are never given again */
    assert_false(durable.window_known);
    assert_ok(send_sealed(&b, phone->context, 1));
    uv_run(&b.loop, UV_RUN_NOWAIT);
    assert_int_equal(b.jobs, 0);
    assert_ok(cps_keyring_save(b.keyring)); /* a clean exit burns no lease */
    assert_err(CPS_ERR_STALE, send_sealed(&b, phone->context, 2));
    assert_ok(store->table->state_get(store, &key, &durable, &ceiling));
    assert_int_equal(durable.next, 1);
    assert_true(durable.window_known);
    close_bench(&b);
    store->table->close(store);
}

/* Three processes in a row that crash: what was accepted in one is not accepted in the next. */
static void what_was_saved_is_used_up_before_anything_is_accepted(void **state)
{
    (void)state;
    cps_store_t *store;
    bench_t b;
    const cps_credential_t *door;
    cps_context_state_t at;
    assert_ok(cps_store_mem_open(&store));
    open_bench(&b, store);
    add_key(&b, "door", "", "me");
    for (int life = 0; life < 3; life++) {
        assert_ok(cps_keyring_own(b.keyring, "door", 0, &door));
        assert_ok(cps_ep_context_state(b.ep, door->context, &at));
        assert_int_equal(at.window_known, life == 0);
        assert_int_equal(at.next_number, 64 * life);
        close_bench(&b); /* as kill -9 does: nothing is saved */
        open_bench(&b, store);
    }
    assert_ok(cps_keyring_load(b.keyring, NULL)); /* a daemon: the same, in one commit for all */
    assert_ok(cps_ep_context_state(b.ep, cps_keyring_at(b.keyring, 0)->context, &at));
    assert_false(at.window_known);
    assert_int_equal(at.ceiling, at.next_number);
    assert_ok(cps_keyring_save(b.keyring));
    close_bench(&b);
    open_bench(&b, store);
    assert_ok(cps_keyring_load(b.keyring, "door"));
    close_bench(&b);
    store->table->close(store);
}

/* Of a key that is to be derived anew nothing counts but the secret: its numbers neither go out nor come back. */
static void a_marked_key_is_owned_without_its_numbers(void **state)
{
    (void)state;
    bench_t b;
    cps_store_t *store;
    cps_store_key_t key;
    cps_store_state_t at;
    cps_context_state_t context;
    uint64_t ceiling;
    const cps_credential_t *door;
    assert_ok(cps_store_mem_open(&store));
    open_bench(&b, store);
    add_key(&b, "door", "", "me");
    assert_ok(cps_keyring_own(b.keyring, "door", 0, &door)); /* numbers up to 64 may have been used */
    close_bench(&b);
    assert_ok(store->table->key_get(store, "door", &key));
    assert_ok(store->table->key_mark(store, &key));
    for (int daemon = 0; daemon < 2; daemon++) {
        open_bench(&b, store);
        if (daemon)
            assert_ok(cps_keyring_load(b.keyring, NULL));
        else
            assert_ok(cps_keyring_own(b.keyring, "door", 0, &door));
        assert_ok(cps_ep_context_state(b.ep, cps_keyring_at(b.keyring, 0)->context, &context));
        assert_true(context.rederive && context.ceiling == 0 && !context.window_known);
        assert_ok(cps_keyring_save(b.keyring));
        close_bench(&b);
        assert_ok(store->table->state_get(store, &key, &at, &ceiling));
        assert_int_equal(at.next, 64);
    }
    store->table->close(store);
}

static void the_most_specific_pattern_is_chosen(void **state)
{
    (void)state;
    cps_store_t *store;
    bench_t b;
    char name[CPS_STORE_NAME_MAX + 1];
    cps_uri_t uri;
    assert_ok(cps_store_mem_open(&store));
    open_bench(&b, store);
    add_key(&b, "all", "coap://door.local/**", "a");
    add_key(&b, "lock", "coap://door.local/lock", "b");
    assert_ok(cps_uri_parse(CPS_BYTES_LIT("coap://door.local/lock"), &uri, NULL));
    assert_ok(cps_keyring_choose(b.keyring, &uri, name));
    assert_string_equal(name, "lock");
    assert_ok(cps_uri_parse(CPS_BYTES_LIT("coap://DOOR.local:5683/x"), &uri, NULL));
    assert_ok(cps_keyring_choose(b.keyring, &uri, name));
    assert_string_equal(name, "all");
    assert_ok(cps_uri_parse(CPS_BYTES_LIT("coap://other/lock"), &uri, NULL));
    assert_err(CPS_ERR_NOT_FOUND, cps_keyring_choose(b.keyring, &uri, name));
    add_key(&b, "twin", "coap://door.local/lock", "c");
    assert_ok(cps_uri_parse(CPS_BYTES_LIT("coap://door.local/lock"), &uri, NULL));
    assert_err(CPS_ERR_CONFIG, cps_keyring_choose(b.keyring, &uri, name));
    assert_non_null(strstr(cps_keyring_detail(b.keyring), "lock"));
    assert_non_null(strstr(cps_keyring_detail(b.keyring), "twin"));
    close_bench(&b);
    store->table->close(store);
}

/* Counts what goes to the store below it. */
typedef struct counting {
    cps_store_t store;
    cps_store_t *below;
    cps_store_table_t table;
    unsigned commits;
    size_t largest;
    cps_err_t refuse;
} counting_t;

static cps_err_t counted_lease(cps_store_t *s, cps_store_lease_t *leases, size_t count, bool invalidate, bool all)
{
    counting_t *c = (counting_t *)s;
    c->commits++;
    c->largest = count > c->largest ? count : c->largest;
    return c->refuse != CPS_OK ? c->refuse : c->below->table->lease(c->below, leases, count, invalidate, all);
}

static cps_err_t passed_load(cps_store_t *s, int64_t *cursor, bool own, cps_store_loaded_t *out, size_t cap,
                             size_t *count)
{
    counting_t *c = (counting_t *)s;
    return c->below->table->load(c->below, cursor, own, out, cap, count);
}

static void passed_unlock(cps_store_t *s, const cps_store_key_t *key)
{
    counting_t *c = (counting_t *)s;
    c->below->table->unlock(c->below, key);
}

static void run_until_idle(bench_t *b)
{
    for (int turn = 0; turn < 1000 && (turn < 3 || cps_leases_busy(b->leases)); turn++)
        uv_run(&b->loop, turn < 3 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    assert_false(cps_leases_busy(b->leases));
}

static void leases_of_one_turn_are_one_commit(void **state)
{
    (void)state;
    cps_store_t *store;
    bench_t b;
    char name[16];
    assert_ok(cps_store_mem_open(&store));
    open_bench(&b, store);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "key%d", i);
        add_key(&b, name, "", "me");
    }
    close_bench(&b);
    counting_t counting = {.below = store,
                           .table = {.lease = counted_lease, .load = passed_load, .unlock = passed_unlock}};
    counting.store.table = &counting.table;
    open_bench(&b, &counting.store);
    assert_ok(cps_keyring_load(b.keyring, NULL));
    assert_int_equal(counting.commits, 1);
    assert_int_equal(counting.largest, 200);
    assert_ok(cps_leases_new(&b.leases, b.worker, b.keyring, &counting.store));
    for (uint64_t i = 0; i < 200; i++)
        assert_ok(send_sealed(&b, cps_keyring_at(b.keyring, i)->context, (uint8_t)(i + 1)));
    run_until_idle(&b);
    assert_int_equal(counting.commits, 2);
    assert_int_equal(b.jobs, 200);
    cps_ep_stats_t stats;
    cps_ep_stats(b.ep, &stats);
    assert_int_equal(stats.waiting, 0);
    assert_int_equal(stats.datagrams_out, 200);
    close_bench(&b);
    store->table->close(store);
}

typedef struct heard {
    unsigned count;
    cps_err_t err;
} heard_t;

static void on_refused(void *user, cps_err_t err, const char *sentence)
{
    heard_t *heard = user;
    assert_non_null(sentence);
    heard->count++;
    heard->err = err;
}

static void a_full_disk_stops_sending_and_room_resumes_it(void **state)
{
    (void)state;
    cps_store_t *store;
    bench_t b;
    heard_t heard = {0, CPS_OK};
    assert_ok(cps_store_mem_open(&store));
    open_bench(&b, store);
    add_key(&b, "phone", "", "me");
    close_bench(&b);
    counting_t counting = {.below = store,
                           .table = {.lease = counted_lease, .load = passed_load, .unlock = passed_unlock}};
    counting.store.table = &counting.table;
    open_bench(&b, &counting.store);
    assert_ok(cps_keyring_load(b.keyring, NULL));
    assert_ok(cps_leases_new(&b.leases, b.worker, b.keyring, &counting.store));
    cps_leases_on_refused(b.leases, on_refused, &heard);
    cps_handle_t context = cps_keyring_at(b.keyring, 0)->context;
    cps_ep_stats_t stats;
    counting.refuse = CPS_ERR_STORE_FULL;
    assert_ok(send_sealed(&b, context, 1));
    run_until_idle(&b);
    assert_true(heard.count == 1 && heard.err == CPS_ERR_STORE_FULL);
    cps_ep_stats(b.ep, &stats);
    assert_int_equal(stats.datagrams_out, 0);
    counting.refuse = CPS_OK;
    assert_ok(send_sealed(&b, context, 2));
    run_until_idle(&b);
    cps_ep_stats(b.ep, &stats);
    assert_int_equal(stats.datagrams_out, 1);
    close_bench(&b);
    store->table->close(store);
}

static const cps_case_t cases[] = {
    {"", "a command sends under its first lease", a_command_sends_under_its_first_lease},
    {"", "what was saved is used up before anything is accepted",
     what_was_saved_is_used_up_before_anything_is_accepted},
    {"", "a marked key is owned without its numbers", a_marked_key_is_owned_without_its_numbers},
    {"", "the most specific pattern is chosen", the_most_specific_pattern_is_chosen},
    {"OPS-13", "leases of one turn are one commit", leases_of_one_turn_are_one_commit},
    {"", "a full disk stops sending and room resumes it", a_full_disk_stops_sending_and_room_resumes_it},
};

CPS_RUN("host_keyring", cases)
