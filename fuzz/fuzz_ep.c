// SPDX-License-Identifier: Apache-2.0
/* Sequences of messages, commands, time and trouble against a whole endpoint in virtual time. Three bytes choose its
 * limits; the rest is a program, an operation a byte with what it needs behind it. Under the null provider forged
 * sealed messages get in. After every operation the pools add up and time stands still only where nothing is due; in the end,
 * with nobody sending any more, everything is over.
 *
 * covers: src/ep src/exch src/msg src/sec */
#include "ep/drive.h"

#include "wire/no_response.h"

#define OPERATIONS_MAX 300U

/* ---- time ---- */

static void tick(drive_t *d)
{
    d->lazy = 0;
    for (unsigned times = 0; times == 0 || cps_ep_deadline(d->ep) <= d->now_us; times++) {
        demand(times < 100); /* again only for what the output had no room for */
        cps_ep_tick(d->ep, d->now_us);
        demand(cps_ep_deadline(d->ep) > d->now_us);
        drive_work(d);
    }
    for (size_t i = 0; i < DRIVE_ASKS; i++) {
        const cps_asked_t *asked = cps_pool_find(&d->ep->asked.pool, d->asks[i].handle);
        cps_time_us_t deadline =
            asked != NULL && asked->transfer.phase != CPS_TRANSFER_NONE ? asked->deadline_us : d->asks[i].deadline_us;
        demand(d->asks[i].handle == 0 || deadline > d->now_us); /* told in time; each block has a time of its own */
    }
}

static void op_advance(drive_t *d)
{
    static const uint64_t steps_us[] = {1,        1000,     100000,    1000000,    3000000,     20000000,
                                        60000000, 93000000, 250000000, 1000000000, 86400000000, 4300000000000};
    unsigned which = drive_byte(d, 16);
    cps_time_us_t next = cps_ep_deadline(d->ep);
    if (which < 12)
        d->now_us += steps_us[which];
    else if (next != CPS_TIME_NEVER && next > d->now_us)
        d->now_us = next;
    tick(d);
}

/* ---- the network ---- */

static void op_datagram(drive_t *d)
{
    drive_make(d);
    drive_deliver(d);
}

/* More than one in one call. */
static void op_batch(drive_t *d)
{
    for (unsigned more = drive_byte(d, DRIVE_BATCH); more > 0; more--)
        drive_make(d);
    op_datagram(d);
}

static void op_error(drive_t *d)
{
    static const cps_net_error_t kinds[] = {CPS_NET_UNREACHABLE, CPS_NET_UNREACHABLE, CPS_NET_TOO_LARGE, CPS_NET_OTHER};
    unsigned how = drive_byte(d, 256);
    const drive_seen_t *seen = drive_recall(&d->sent, how & 15U);
    if (seen == NULL)
        return;
    cps_path_t path = drive_path(seen->path);
    size_t len = (how & 64U) != 0 ? drive_byte(d, 16) : seen->len;
    cps_ep_error(d->ep, d->now_us, &path, kinds[how >> 4U & 3U],
                 cps_bytes(seen->bytes, len < seen->len ? len : seen->len));
    drive_work(d);
}

static void op_drain(drive_t *d)
{
    drive_drain(d, 1U + drive_byte(d, 8));
    drive_work(d);
}

static void op_stall(drive_t *d)
{
    d->stalled = !d->stalled;
    drive_work(d);
}

static void op_be_lazy(drive_t *d) { d->lazy = (uint8_t)(1U + drive_byte(d, 4)); }

/* ---- requests of ours ---- */

static drive_ask_t *free_ask(drive_t *d)
{
    for (size_t i = 0; i < DRIVE_ASKS; i++)
        if (d->asks[i].handle == 0)
            return &d->asks[i];
    return NULL;
}

static bool may_refuse_request(cps_err_t err)
{
    static const cps_err_t may[] = {CPS_ERR_ARGUMENT,   CPS_ERR_STALE,         CPS_ERR_FULL,       CPS_ERR_BUSY,
                                    CPS_ERR_TOO_LARGE,  CPS_ERR_BAD_OPTION,    CPS_ERR_EXISTS,     CPS_ERR_SILENT,
                                    CPS_ERR_STATE_LOST, CPS_ERR_SEQ_EXHAUSTED, CPS_ERR_UNSUPPORTED};
    for (size_t i = 0; i < sizeof may / sizeof may[0]; i++)
        if (may[i] == err)
            return true;
    return false;
}

static void describe(drive_t *d, cps_command_request_t *r)
{
    static const uint8_t methods[] = {CPS_GET,    CPS_POST,  CPS_PUT,     CPS_FETCH,
                                      CPS_DELETE, CPS_PATCH, CPS_CONTENT, CPS_GET};
    static const uint64_t timeouts_us[] = {0, 1, 3000000, 600000000000};
    static uint8_t payload[1200];
    unsigned how = drive_byte(d, 256);
    unsigned more = drive_byte(d, 256);
    r->path = drive_path(drive_byte(d, DRIVE_PATHS));
    r->code = methods[how & 7U];
    r->non_confirmable = (how & 8U) != 0;
    r->repeat_unsafe = (how & 16U) != 0;
    r->no_repeat = (how & 32U) != 0;
    r->timeout_us = timeouts_us[how >> 6U];
    if ((more & 3U) == 0 && r->code != CPS_GET && r->code != CPS_DELETE)
        r->payload = cps_bytes(payload, (size_t)(more >> 4U) * 75);
    r->follow = (more & 1U) != 0;
    r->block_size = (more & 3U) == 3U ? 16 : 0;
    r->stream = (more & 3U) == 2U && r->code != CPS_GET && r->code != CPS_DELETE;
    if ((more & 12U) == 12U)
        r->token = cps_bytes("token", 5);
    r->context = (more & 12U) != 0 ? d->materials[drive_byte(d, DRIVE_MATERIALS)].handle : 0;
}

static bool wants_none(const cps_command_request_t *r)
{
    uint32_t value;
    for (size_t i = 0; i < r->option_count; i++)
        if (r->options[i].number == CPS_OPT_NO_RESPONSE)
            return cps_opt_uint(r->options[i].value, &value) == CPS_OK && value == CPS_NO_RESPONSE_ALL;
    return false;
}

static void op_request(drive_t *d)
{
    uint8_t values[512];
    cps_option_t list[8];
    cps_writer_t w = cps_writer(values, sizeof values);
    drive_ask_t *ask = free_ask(d);
    cps_command_t command = {.kind = CPS_COMMAND_REQUEST};
    cps_command_request_t *r = &command.u.request;
    describe(d, r);
    r->options = list;
    r->option_count = drive_options(d, &w, list, 8);
    r->user = ++d->users;
    cps_handle_t handle = 0;
    if (ask == NULL)
        return;
    cps_err_t err = cps_ep_submit(d->ep, d->now_us, &command, &handle);
    demand(err == CPS_OK || may_refuse_request(err));
    if (err == CPS_OK) {
        uint64_t timeout_us = r->timeout_us != 0 ? r->timeout_us : d->ep->times.max_transmit_wait_us;
        *ask = (drive_ask_t){handle, r->context, r->user, d->now_us + timeout_us, wants_none(r)};
    }
    drive_work(d);
}

static void op_cancel(drive_t *d)
{
    drive_ask_t *ask = &d->asks[drive_byte(d, DRIVE_ASKS)];
    cps_command_t command = {.kind = CPS_COMMAND_CANCEL, .u.handle = ask->handle};
    cps_err_t err = cps_ep_submit(d->ep, d->now_us, &command, NULL);
    demand(err == (ask->handle != 0 ? CPS_OK : CPS_ERR_STALE));
    ask->handle = 0; /* no event may come of it any more */
    drive_work(d);
}

/* ---- requests that came ---- */

/* One that is open, from a place on; NULL where none is. */
static drive_open_t *some_open(drive_t *d)
{
    unsigned first = drive_byte(d, DRIVE_OPEN);
    for (unsigned i = 0; i < DRIVE_OPEN; i++) {
        drive_open_t *open = &d->open[(first + i) % DRIVE_OPEN];
        if (open->handle != 0)
            return open;
    }
    return NULL;
}

static void op_reply(drive_t *d)
{
    drive_open_t *open = some_open(d);
    if (open != NULL && drive_reply(d, open))
        open->handle = 0;
    drive_work(d);
}

static void op_settle(drive_t *d)
{
    static const cps_command_kind_t kinds[] = {CPS_COMMAND_CHALLENGE, CPS_COMMAND_DEFER, CPS_COMMAND_IGNORE};
    cps_command_kind_t kind = kinds[drive_byte(d, 3)];
    drive_open_t *open = some_open(d);
    if (open == NULL)
        return;
    cps_command_t command = {.kind = kind, .u.handle = open->handle};
    cps_err_t err = cps_ep_submit(d->ep, d->now_us, &command, NULL);
    if (err == CPS_ERR_STALE || (err == CPS_OK && kind != CPS_COMMAND_DEFER))
        open->handle = 0;
    drive_work(d);
}

/* ---- observation ---- */

static void op_changed(drive_t *d)
{
    cps_command_t command = {.kind = CPS_COMMAND_CHANGED, .u.handle = d->observers[drive_byte(d, DRIVE_OBSERVERS)]};
    cps_err_t err = cps_ep_submit(d->ep, d->now_us, &command, NULL);
    demand(err == CPS_OK || err == CPS_ERR_STALE);
    drive_work(d);
}

/* A state that is owed, or one that nobody asked for. */
static void op_tell(drive_t *d)
{
    size_t observer = drive_byte(d, DRIVE_OBSERVERS);
    if (d->observers[observer] != 0)
        drive_tell(d, observer);
    drive_work(d);
}

static void op_end(drive_t *d)
{
    drive_ask_t *ask = &d->asks[drive_byte(d, DRIVE_ASKS)];
    cps_command_t command = {.kind = CPS_COMMAND_END, .u.handle = ask->handle};
    cps_err_t err = cps_ep_submit(d->ep, d->now_us, &command, NULL);
    demand(err == CPS_OK || err == CPS_ERR_STALE || err == CPS_ERR_ARGUMENT);
    drive_work(d);
}

static void op_policy(drive_t *d) { d->policy = (drive_policy_t)drive_byte(d, POLICY_COUNT); }

/* ---- contexts and leases ---- */

static void op_job(drive_t *d)
{
    static const cps_err_t results[] = {CPS_OK, CPS_OK, CPS_ERR_STORE, CPS_ERR_STORE_FULL};
    unsigned how = drive_byte(d, 32);
    d->grants = (how & 16U) != 0;
    if (d->jobs[how & 7U] != 0)
        drive_grant(d, how & 7U, results[drive_byte(d, 4)], (how & 8U) != 0);
    drive_work(d);
}

static void op_context_add(drive_t *d)
{
    unsigned how = drive_byte(d, 2 * DRIVE_MATERIALS);
    drive_material_t *m = &d->materials[how % DRIVE_MATERIALS];
    if (how >= DRIVE_MATERIALS && m->handle == 0 && m->has_state)
        m->own_next = m->durable = CPS_SEQ_LIMIT - 3; /* almost used up */
    drive_add(d, m);
    drive_work(d);
}

static void op_context_remove(drive_t *d)
{
    unsigned how = drive_byte(d, 2 * DRIVE_MATERIALS);
    drive_remove(d, &d->materials[how % DRIVE_MATERIALS], how >= DRIVE_MATERIALS);
    drive_work(d);
}

/* ---- the program ---- */

typedef void (*operation_t)(drive_t *d);

static const operation_t operations[] = {
    op_datagram, op_datagram, op_datagram, op_datagram, op_datagram, op_batch,       op_request,
    op_request,  op_request,  op_reply,    op_reply,    op_settle,   op_context_add, op_context_remove,
    op_advance,  op_advance,  op_be_lazy,  op_job,      op_job,      op_cancel,      op_error,
    op_drain,    op_stall,    op_policy,   op_changed,  op_changed,  op_tell,        op_end,
};

/* Nobody sends any more and the store answers: everything comes to its end. */
static void come_to_rest(drive_t *d)
{
    d->resting = true;
    d->stalled = false;
    d->lazy = 0;
    d->grants = true;
    drive_work(d);
    for (size_t i = 0; i < DRIVE_JOBS; i++)
        if (d->jobs[i] != 0)
            drive_grant(d, i, CPS_OK, false);
    drive_work(d);
    for (size_t i = 0; i < DRIVE_OBSERVERS; i++)
        if (d->turns[i] && d->observers[i] != 0)
            drive_tell(d, i);
    drive_work(d);
    for (unsigned steps = 0; cps_ep_deadline(d->ep) != CPS_TIME_NEVER; steps++) {
        demand(steps < 5000);
        if (cps_ep_deadline(d->ep) > d->now_us)
            d->now_us = cps_ep_deadline(d->ep);
        tick(d);
    }
    drive_check(d);
    drive_check_quiet(d);
    for (size_t i = 0; i < DRIVE_MATERIALS; i++)
        drive_remove(d, &d->materials[i], true);
    demand(d->ep->chains.used == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static drive_t drive;
    drive_start(&drive, cps_bytes(data, size));
    for (size_t i = 0; i < 3; i++)
        drive_add(&drive, &drive.materials[i]);
    for (unsigned i = 0; i < OPERATIONS_MAX && !drive_over(&drive); i++) {
        operations[drive_byte(&drive, sizeof operations / sizeof operations[0])](&drive);
        drive_check(&drive);
    }
    come_to_rest(&drive);
    drive_end(&drive);
    return 0;
}
