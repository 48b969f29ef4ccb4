// SPDX-License-Identifier: Apache-2.0
/* Two endpoints that talk through memory. Everything that an endpoint needs of the world is this program's own: the
 * transport, the clock, the store of sequence numbers, the log, and the look-up of keys. No socket and no file is opened.
 *
 *     example-memory
 */
#include <coapsule/core.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 16

/* ---- transport: datagrams that wait in memory ---- */

typedef struct wire {
    struct {
        cps_path_t path; /* as the receiver sees it */
        uint8_t bytes[1500];
        size_t len;
    } slots[SLOTS];
    size_t first, used;
} wire_t;

typedef struct node {
    const char *name;
    cps_ep_t *ep;
    void *memory;
    cps_crypto_t *crypto;
    cps_addr_t address;
    wire_t inbox;
    cps_handle_t context;
    uint64_t durable; /* the store: numbers below this one may have been used */
    bool sends;       /* it asks, and owns its context from the start */
    bool answered;
} node_t;

static void deliver(node_t *to, const node_t *from, const cps_datagram_t *datagram)
{
    wire_t *wire = &to->inbox;
    if (wire->used == SLOTS || datagram->bytes.len > sizeof wire->slots[0].bytes)
        return; /* lost, as on any network */
    size_t at = (wire->first + wire->used++) % SLOTS;
    wire->slots[at].path = (cps_path_t){.remote = from->address, .local = to->address};
    wire->slots[at].len = datagram->bytes.len;
    memcpy(wire->slots[at].bytes, datagram->bytes.ptr, datagram->bytes.len);
}

/* ---- key look-up ---- */

/* The keys of RFC 8613 appendix C.1. A real program asks a database, or derives them. */
static cps_err_t add_context(node_t *node)
{
    static const uint8_t secret[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    static const uint8_t salt[] = {0x9e, 0x7c, 0xa9, 0x22, 0x23, 0x78, 0x63, 0x40};
    static const uint8_t one = 1;
    const cps_bytes_t ids[] = {{NULL, 0}, {&one, 1}};
    cps_context_t context = {.size = sizeof context,
                             .master_secret = {secret, sizeof secret},
                             .master_salt = {salt, sizeof salt},
                             .sender_id = ids[node->sends ? 0 : 1],
                             .recipient_id = ids[node->sends ? 1 : 0],
                             .aead = 10,
                             .window_size = -1,
                             .has_state = true,
                             .next_number = node->durable,
                             .window_known = true};
    return cps_ep_context_add(node->ep, &context, &node->context);
}

/* ---- what an endpoint says ---- */

static void submit(node_t *node, cps_time_us_t now, const cps_command_t *command)
{
    cps_err_t err = cps_ep_submit(node->ep, now, command, NULL);
    if (err != CPS_OK)
        printf("%s: %s\n", node->name, cps_err_text(err));
}

static void do_job(node_t *node, cps_time_us_t now, const cps_event_t *event)
{
    const cps_event_job_t *job = &event->u.job;
    if (job->kind == CPS_JOB_CONTEXT) { /* the message is looked at again when this event is over */
        printf("%s: looks up the key of a kid of %zu bytes\n", node->name, job->kid.len);
        if (add_context(node) != CPS_OK)
            printf("%s: no such key\n", node->name);
        return;
    }
    node->durable = job->number; /* a real store returns when this is on disk */
    printf("%s: numbers below %llu are reserved\n", node->name, (unsigned long long)job->number);
    cps_command_t done = {.kind = CPS_COMMAND_JOB_DONE};
    done.u.job_done.job = event->handle;
    done.u.job_done.kind = job->kind;
    done.u.job_done.result = CPS_OK;
    done.u.job_done.number = job->number;
    submit(node, now, &done);
}

static void answer(node_t *node, cps_time_us_t now, const cps_event_t *event)
{
    static const char state[] = "locked";
    cps_command_t reply = {.kind = CPS_COMMAND_REPLY};
    reply.u.reply.request = event->handle;
    reply.u.reply.code = event->u.request.context != 0 ? CPS_CONTENT : CPS_UNAUTHORIZED;
    if (event->u.request.context != 0)
        reply.u.reply.payload = (cps_bytes_t){(const uint8_t *)state, sizeof state - 1};
    submit(node, now, &reply);
}

static void take(node_t *node, cps_time_us_t now, const cps_event_t *event)
{
    const cps_bytes_t *payload = &event->u.response.message.payload;
    switch (event->kind) {
    case CPS_EVENT_REQUEST:
        answer(node, now, event);
        break;
    case CPS_EVENT_RESPONSE:
        printf("%s: got %.*s, %s\n", node->name, (int)payload->len, (const char *)payload->ptr,
               event->u.response.context != 0 ? "sealed" : "in clear");
        node->answered = true;
        break;
    case CPS_EVENT_FAILED:
        printf("%s: %s\n", node->name, cps_err_text(event->u.failed.err));
        node->answered = true;
        break;
    case CPS_EVENT_JOB:
        do_job(node, now, event);
        break;
    case CPS_EVENT_NOTE: /* the log */
        printf("%s: note %s\n", node->name, cps_note_name(event->u.note.kind));
        break;
    default: /* of observation: nobody observes here */
        break;
    }
}

/* One turn: what came, what it says, what goes. */
static void turn(node_t *node, node_t *peer, cps_time_us_t now)
{
    cps_event_t event;
    cps_datagram_t datagram;
    wire_t *inbox = &node->inbox;
    if (inbox->used != 0) {
        datagram.path = inbox->slots[inbox->first].path;
        datagram.bytes = (cps_bytes_t){inbox->slots[inbox->first].bytes, inbox->slots[inbox->first].len};
        cps_ep_input(node->ep, now, &datagram, 1);
    }
    cps_ep_tick(node->ep, now);
    do {
        while (cps_ep_event(node->ep, &event))
            take(node, now, &event);
        while (cps_ep_output(node->ep, now, &datagram, 1) == 1) {
            deliver(peer, node, &datagram);
            cps_ep_sent(node->ep, 1);
        }
    } while (cps_ep_pending(node->ep));
    if (inbox->used != 0) {
        inbox->first = (inbox->first + 1) % SLOTS;
        inbox->used--;
    }
}

/* ---- a node's life ---- */

static cps_err_t start(node_t *node)
{
    cps_ep_config_t config = {.size = sizeof config, .peers = 16, .contexts = 4, .dedup_bytes = 65536};
    cps_err_t err = cps_crypto_new(&node->crypto);
    if (err != CPS_OK)
        return err;
    config.crypto = node->crypto;
    config.context_lookup = !node->sends;
    size_t size = cps_ep_size(&config);
    node->memory = calloc(1, size); /* on a microcontroller: a static array */
    return node->memory == NULL ? CPS_ERR_MEMORY : cps_ep_init(&node->ep, node->memory, size, &config);
}

static void stop(node_t *node)
{
    cps_ep_fini(node->ep);
    free(node->memory);
    cps_crypto_free(node->crypto);
}

static cps_err_t ask(node_t *node, const node_t *whom)
{
    static const char path[] = "lock";
    const cps_option_t option = {CPS_OPT_URI_PATH, {(const uint8_t *)path, sizeof path - 1}};
    cps_command_t command = {.kind = CPS_COMMAND_REQUEST};
    command.u.request.path.remote = whom->address;
    command.u.request.code = CPS_GET;
    command.u.request.options = &option;
    command.u.request.option_count = 1;
    command.u.request.context = node->context;
    return cps_ep_submit(node->ep, 0, &command, NULL);
}

int main(void)
{
    static node_t phone = {.name = "phone", .sends = true, .address = {{10, 0, 0, 1}, 0, 5683, CPS_FAMILY_IPV4, 0}};
    static node_t door = {.name = "door", .address = {{10, 0, 0, 2}, 0, 5683, CPS_FAMILY_IPV4, 0}};
    cps_err_t err = start(&phone);
    if (err == CPS_OK)
        err = start(&door);
    if (err == CPS_OK)
        err = add_context(&phone);
    if (err == CPS_OK)
        err = ask(&phone, &door);
    for (cps_time_us_t now = 0; err == CPS_OK && !phone.answered;
         now += 1000) { /* its own clock: a millisecond a turn */
        turn(&phone, &door, now);
        turn(&door, &phone, now);
    }
    if (err != CPS_OK)
        fprintf(stderr, "%s\n", cps_err_text(err));
    stop(&phone);
    stop(&door);
    return cps_err_exit(err);
}
