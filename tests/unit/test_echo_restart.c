// SPDX-License-Identifier: Apache-2.0
/* The Echo key lives as long as its process and nowhere but in its memory. */
#include "server_wire.h"

#include <dirent.h>
#include <sys/random.h>

#define KEY_LEN   32U /* nothing else is drawn in one piece of this length */
#define KEYS_MAX  8U
#define PIECE_LEN 8U /* of a key: so much of it in a file would be no chance */

typedef struct record {
    uint8_t keys[KEYS_MAX][KEY_LEN];
    size_t count;
} record_t;

/* Chance of the system's quality, of which the pieces that may be keys are kept. */
static void draw(void *user, uint8_t *to, size_t len)
{
    record_t *record = user;
    assert_int_equal(getrandom(to, len, 0), (ssize_t)len);
    if (len != KEY_LEN)
        return;
    assert_true(record->count < KEYS_MAX);
    memcpy(record->keys[record->count++], to, len);
}

static bool file_has(const char *path, const uint8_t *key)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    uint8_t *bytes = malloc((size_t)16 << 20U);
    assert_non_null(bytes);
    size_t len = fread(bytes, 1, (size_t)16 << 20U, f);
    bool found = false;
    for (size_t at = 0; at + PIECE_LEN <= KEY_LEN && !found; at++)
        found = memmem(bytes, len, key + at, PIECE_LEN) != NULL;
    free(bytes);
    assert_int_equal(fclose(f), 0);
    return found;
}

static unsigned files_without(const state_box_t *box, const record_t *record)
{
    unsigned files = 0;
    DIR *dir = opendir(box->dir);
    assert_non_null(dir);
    /* cppcheck-suppress readdirCalled ; a stream of this function's own */
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[400];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", box->dir, entry->d_name);
        for (size_t i = 0; i < record->count; i++)
            assert_false(file_has(path, record->keys[i]));
        files++;
    }
    closedir(dir);
    return files;
}

static cps_err_t count(cps_request_t *request, void *user)
{
    ++*(unsigned *)user;
    return cps_reply(request, CPS_CHANGED);
}

static void open_server(wire_t *wire, const state_box_t *box, record_t *record, unsigned *runs)
{
    wire_open(wire, CPS_SERVER_OPTIONS(.state = box->path, .endpoint = {.random = draw, .random_state = record}));
    assert_ok(cps_server_add(wire->server,
                             CPS_RESOURCE(.path = "a", .put = count, .user = runs,
                                          .policy = {.sealed = true, .fresh_ms = 600000, .allow = "phone0: put"})));
}

/* A sealed PUT that is not repeated by itself. It carries the Echo of the answer before it; gives the Echo of its own, of
 * which the length is 0 where it was carried out. */
static size_t put(wire_t *wire, rig_t *client, cps_handle_t context, uint8_t echo[40])
{
    cps_option_t option;
    cps_bytes_t value;
    unsigned before = client->responses;
    cps_command_request_t request = rig_get(2, &option, "a");
    request.code = CPS_PUT;
    request.context = context;
    request.no_repeat = true;
    rig_clear(client);
    (void)rig_request(client, &request);
    rig_run(client);
    cps_bytes_t out = rig_sent(client, 0);
    assert_int_equal(send(wire->fd, out.ptr, out.len, 0), out.len);
    size_t len = wire_receive(wire, wire->answer, sizeof wire->answer, WIRE_DEADLINE_MS);
    rig_in(client, 2, 5683, cps_bytes(wire->answer, len));
    assert_int_equal(client->responses, before + 1);
    const cps_message_t *message = &client->last.u.response.message;
    if (!cps_message_option(message, CPS_OPT_ECHO, &value)) {
        assert_int_equal(message->code, CPS_CHANGED);
        return 0;
    }
    assert_int_equal(message->code, CPS_UNAUTHORIZED);
    memcpy(echo, value.ptr, value.len);
    return value.len;
}

static void a_restart_refuses_all_values(void **state)
{
    (void)state;
    state_box_t box = state_make();
    record_t record = {.count = 0};
    wire_t wire;
    unsigned runs = 0;
    uint8_t first[40];
    uint8_t second[40];
    state_fill(&box, 1, false);
    rig_t *client = rig_new(1, NULL);
    cps_handle_t context = state_client(client, 0);
    open_server(&wire, &box, &record, &runs);
    assert_int_equal(record.count, 1);
    size_t len = put(&wire, client, context, first);
    assert_int_equal(put(&wire, client, context, second), 0); /* with its Echo it runs */
    assert_int_equal(runs, 1);
    (void)put(&wire, client, context, first); /* a value that the next process shall not take */
    assert_true(files_without(&box, &record) >= 1);
    wire_close(&wire);
    assert_true(files_without(&box, &record) >= 1);
    open_server(&wire, &box, &record, &runs);
    assert_int_equal(record.count, 2);
    assert_memory_not_equal(record.keys[0], record.keys[1], KEY_LEN);
    assert_int_equal(put(&wire, client, context, second), len);
    assert_memory_not_equal(first, second, len);
    assert_int_equal(runs, 1);
    assert_int_equal(put(&wire, client, context, second), 0);
    assert_int_equal(runs, 2);
    wire_close(&wire);
    assert_true(files_without(&box, &record) >= 1);
    rig_free(client);
    state_drop(&box);
}

static const cps_case_t cases[] = {
    {"ECHO-29", "the Echo key is in no file, and a restart refuses all values of before", a_restart_refuses_all_values},
};

CPS_RUN("echo_restart", cases)
