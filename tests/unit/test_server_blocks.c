// SPDX-License-Identifier: Apache-2.0
/* Bodies in blocks at the level of handlers: put together after the policy of the resource, handed on block by block, and
 * given in slices. */
#include "blocks_kit.h"
#include "server_kit.h"

#define M    8
#define PORT 5000

typedef struct taken {
    uint8_t bytes[4096];
    size_t len;
    unsigned calls, begun, ended, abandoned;
    cps_err_t gives;
} taken_t;

static cps_bytes_t part(size_t at, size_t len) { return cps_bytes(blocks_body(20000, 0) + at, len); }

static uint16_t next_mid(void)
{
    static uint16_t mid = 1;
    return mid++;
}

static cps_msg_t put(kit_t *kit, const char *path, int32_t block1, cps_bytes_t payload)
{
    return raw_ask(kit->rig, PORT,
                   RAW(.code = CPS_PUT, .mid = next_mid(), .path = path, .block1 = block1, .payload = payload));
}

/* ---- put together ---- */

static cps_err_t take_whole(cps_request_t *request, void *user)
{
    taken_t *taken = user;
    cps_bytes_t payload = cps_request_payload(request);
    taken->calls++;
    assert_int_equal(cps_request_offset(request), 0);
    assert_false(cps_request_has_more(request));
    memcpy(taken->bytes, payload.ptr, payload.len);
    taken->len = payload.len;
    return cps_reply(request, CPS_CHANGED);
}

static void a_handler_runs_once_with_all_of_it(void **state)
{
    (void)state;
    kit_t *kit = kit_new();
    taken_t taken = {.len = 0};
    kit_add(kit, CPS_RESOURCE(.path = "b", .put = take_whole, .user = &taken, .body_max = 200));
    assert_int_equal(put(kit, "b", M | 2, part(0, 64)).code, CPS_CONTINUE);
    assert_int_equal(put(kit, "b", 1 << 4 | M | 2, part(64, 64)).code, CPS_CONTINUE);
    assert_int_equal(taken.calls, 0);
    assert_int_equal(put(kit, "b", 2 << 4 | 2, part(128, 64)).code, CPS_CHANGED);
    assert_int_equal(taken.calls, 1);
    assert_bytes(part(0, 192), cps_bytes(taken.bytes, taken.len));
    for (int i = 0; i < 3; i++)
        assert_int_equal(put(kit, "b", i << 4 | M | 2, part(64U * (size_t)i, 64)).code, CPS_CONTINUE);
    cps_msg_t answer = put(kit, "b", 3 << 4 | 2, part(192, 20));
    uint32_t limit;
    assert_int_equal(answer.code, CPS_REQUEST_ENTITY_TOO_LARGE);
    assert_true(cps_msg_option_uint(&answer, CPS_OPT_SIZE1, &limit));
    assert_int_equal(limit, 200);
    assert_int_equal(taken.calls, 1);
    kit_free(kit);
}

static void the_policy_comes_before_any_memory(void **state)
{
    (void)state;
    kit_t *kit = kit_new();
    taken_t taken = {.len = 0};
    cps_ep_stats_t stats;
    kit_add(kit, CPS_RESOURCE(.path = "sealed", .put = take_whole, .user = &taken, .policy = {.sealed = true}));
    kit_add(kit, CPS_RESOURCE(.path = "read", .get = take_whole, .user = &taken));
    assert_int_equal(put(kit, "sealed", M | 2, part(0, 64)).code, CPS_UNAUTHORIZED);
    assert_int_equal(put(kit, "read", M | 2, part(0, 64)).code, CPS_METHOD_NOT_ALLOWED);
    assert_int_equal(put(kit, "none", M | 2, part(0, 64)).code, CPS_NOT_FOUND);
    cps_ep_stats(kit->rig->ep, &stats);
    assert_int_equal(stats.bodies, 0);
    assert_int_equal(taken.calls, 0);
    kit_free(kit);
}

/* ---- handed on ---- */

static cps_err_t take_block(cps_request_t *request, void *user)
{
    taken_t *taken = user;
    cps_bytes_t payload = cps_request_payload(request);
    taken->calls++;
    if (taken->gives != CPS_OK)
        return taken->gives;
    taken_t *upload = cps_request_upload(request);
    assert_true((upload == NULL) == (cps_request_offset(request) == 0));
    taken->begun += upload == NULL;
    memcpy(taken->bytes + cps_request_offset(request), payload.ptr, payload.len);
    taken->len = cps_request_offset(request) + payload.len;
    if (cps_request_has_more(request))
        return cps_reply_continue(request, taken);
    taken->ended++;
    return cps_reply(request, CPS_CHANGED);
}

static void count_abandoned(void *upload, void *user)
{
    taken_t *taken = user;
    assert_ptr_equal(upload, taken);
    taken->abandoned++;
}

static kit_t *stream_kit(taken_t *taken)
{
    kit_t *kit = kit_new();
    kit_add(kit, CPS_RESOURCE(.path = "b", .put = take_block, .user = taken, .stream = true, .body_max = 4096,
                              .abandoned = count_abandoned));
    return kit;
}

static void a_handler_may_take_block_by_block(void **state)
{
    (void)state;
    taken_t taken = {.len = 0};
    kit_t *kit = stream_kit(&taken);
    for (int i = 0; i < 20; i++)
        assert_int_equal(put(kit, "b", i << 4 | M | 3, part(128U * (size_t)i, 128)).code, CPS_CONTINUE);
    assert_int_equal(put(kit, "b", 20 << 4 | 3, part(2560, 7)).code, CPS_CHANGED);
    assert_bytes(part(0, 2567), cps_bytes(taken.bytes, taken.len));
    assert_int_equal(taken.begun, 1);
    assert_int_equal(taken.ended, 1);
    assert_int_equal(taken.abandoned, 0);
    assert_null(kit->d.uploads);
    kit_free(kit);
}

static void what_is_not_ended_is_told(void **state)
{
    (void)state;
    taken_t taken = {.len = 0};
    kit_t *kit = stream_kit(&taken);
    put(kit, "b", M | 3, part(0, 128));
    taken.gives = CPS_ERR_IO; /* a handler that fails */
    assert_int_equal(put(kit, "b", 1 << 4 | M | 3, part(128, 128)).code, CPS_INTERNAL_SERVER_ERROR);
    assert_int_equal(taken.abandoned, 1);
    taken.gives = CPS_OK;
    for (int i = 0; i < 32; i++) /* a body that grows over the limit */
        put(kit, "b", i << 4 | M | 3, part(128U * (size_t)i, 128));
    assert_int_equal(put(kit, "b", 32 << 4 | M | 3, part(0, 128)).code, CPS_REQUEST_ENTITY_TOO_LARGE);
    assert_int_equal(taken.abandoned, 2);
    put(kit, "b", M | 3, part(0, 128)); /* one that is open in the end */
    kit_free(kit);
    assert_int_equal(taken.abandoned, 3);
}

static void a_body_does_not_outlive_its_resource(void **state)
{
    (void)state;
    taken_t taken = {.len = 0};
    kit_t *kit = stream_kit(&taken);
    cps_site_t next;
    put(kit, "b", M | 3, part(0, 128));
    assert_ok(cps_dispatch_prepare(&kit->d, &next));
    cps_dispatch_replace(&kit->d, &next);
    assert_int_equal(taken.abandoned, 1);
    assert_int_equal(put(kit, "b", 1 << 4 | M | 3, part(128, 128)).code, CPS_NOT_FOUND);
    kit_add(kit,
            CPS_RESOURCE(.path = "b", .put = take_block, .user = &taken, .stream = true, .abandoned = count_abandoned));
    put(kit, "b", M | 3, part(0, 128));
    assert_ok(cps_dispatch_prepare(&kit->d, &next));
    const char *reason = NULL;
    assert_ok(cps_site_add(
        &next, CPS_RESOURCE(.path = "b", .put = take_block, .user = &taken, .stream = true, .body_max = 4096),
        &reason));
    cps_dispatch_replace(&kit->d, &next);
    assert_int_equal(taken.abandoned, 2);
    assert_int_equal(put(kit, "b", 1 << 4 | M | 3, part(128, 128)).code, CPS_REQUEST_ENTITY_INCOMPLETE);
    assert_int_equal(taken.calls, 2);
    kit_free(kit);
}

/* ---- slices ---- */

static cps_err_t give_slice(cps_request_t *request, void *user)
{
    static const cps_option_t etag = {CPS_OPT_ETAG, {(const uint8_t *)"v1", 2}};
    taken_t *taken = user;
    uint32_t size;
    uint32_t at = cps_request_wanted(request, &size);
    uint32_t total = 5000;
    uint32_t left = at < total ? total - at : 0;
    cps_slice_t slice = {part(at < total ? at : total, left < size ? left : size), at < total ? at : total, total};
    taken->calls++;
    return cps_reply_slice(request, &etag, 1, &slice);
}

static void slices_make_a_body(void **state)
{
    (void)state;
    taken_t taken = {.len = 0};
    kit_t *kit = kit_new();
    kit_add(kit, CPS_RESOURCE(.path = "b", .get = give_slice, .user = &taken));
    for (int i = 0; i < 20; i++) {
        cps_msg_t answer = raw_ask(kit->rig, PORT, RAW(.code = CPS_GET, .mid = next_mid(), .block2 = i << 4 | 2));
        assert_int_equal(answer.code, CPS_CONTENT);
        assert_bytes(part(64U * (size_t)i, 64), answer.payload);
    }
    assert_int_equal(taken.calls, 20);
    cps_msg_t answer = raw_ask(kit->rig, PORT, RAW(.code = CPS_GET, .mid = next_mid(), .block2 = 100 << 4 | 2));
    assert_int_equal(answer.code, CPS_BAD_REQUEST);
    kit_free(kit);
}

static const cps_case_t cases[] = {
    {"", "a handler runs once, with all of a body", a_handler_runs_once_with_all_of_it},
    {"", "the policy comes before any memory", the_policy_comes_before_any_memory},
    {"", "a handler may take block by block", a_handler_may_take_block_by_block},
    {"", "a body that is not ended is told of", what_is_not_ended_is_told},
    {"", "a body does not outlive its resource", a_body_does_not_outlive_its_resource},
    {"", "slices make a body", slices_make_a_body},
};

CPS_RUN("server: bodies in blocks", cases)
