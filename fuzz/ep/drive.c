// SPDX-License-Identifier: Apache-2.0
/* Setting up, and the loop of include/coapsule/core.h. */
#include "ep/drive.h"

#include <sanitizer/asan_interface.h>

#define MEMORY_MAX (1U << 20U)
#define KEY_LEN    16U

static uint8_t memory[MEMORY_MAX];

uint8_t drive_byte(drive_t *d, unsigned bound)
{
    if (cps_reader_left(&d->in) == 0)
        return 0;
    return (uint8_t)(cps_read_u8(&d->in) % bound);
}

uint16_t drive_word(drive_t *d)
{
    unsigned high = drive_byte(d, 256);
    return (uint16_t)(high << 8U | drive_byte(d, 256));
}

/* ---- the provider: the null one, which looks at every nonce first ---- */

/* Not by memcmp or memmem: libFuzzer would learn the key from them and write it into programs. */
static bool is_key(const uint8_t *at, const uint8_t *key)
{
    return cps_bytes_equal_ct(cps_bytes(at, KEY_LEN), cps_bytes(key, KEY_LEN));
}

/* What a nonce is made of (RFC 8613 §5.2): the ID of whose number it is, and the number. */
static cps_bytes_t nonce_parts(const drive_material_t *m, const uint8_t *nonce, uint8_t plain[CPS_NONCE_MAX],
                               uint64_t *number)
{
    size_t len = cps_aead_at(m->ctx.aead)->nonce_len;
    *number = 0;
    for (size_t i = 0; i < len; i++)
        plain[i] = nonce[i] ^ m->ctx.common_iv[i];
    for (size_t i = len - CPS_PARTIAL_IV_MAX; i < len; i++)
        *number = *number << 8U | plain[i];
    demand(plain[0] <= len - 6);
    return cps_bytes(plain + len - CPS_PARTIAL_IV_MAX - plain[0], plain[0]);
}

static bool is_in(const uint64_t *list, size_t count, uint64_t number)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == number)
            return true;
    return false;
}

/* No nonce twice: own numbers rise and stay below what is durable, one request's nonce seals one answer. */
static void spy_on(drive_material_t *m, const uint8_t *nonce)
{
    uint8_t plain[CPS_NONCE_MAX] = {0};
    uint64_t number;
    cps_bytes_t id = nonce_parts(m, nonce, plain, &number);
    demand(m->has_state);
    if (cps_bytes_equal(id, cps_oscore_sender_id(&m->ctx))) {
        demand(number >= m->own_next && number < m->durable);
        m->own_next = number + 1;
        return;
    }
    demand(cps_bytes_equal(id, cps_oscore_recipient_id(&m->ctx)));
    demand(!is_in(m->answered, m->answered_count, number));
    if (m->answered_count < DRIVE_NUMBERS)
        m->answered[m->answered_count++] = number;
}

static cps_err_t spy_seal(void *state, const cps_aead_op_t *op, cps_bytes_t in, uint8_t *out)
{
    drive_t *d = state;
    drive_material_t *m = d->materials;
    while (!is_key(op->key, m->ctx.sender_key))
        demand(++m < d->materials + DRIVE_MATERIALS);
    demand(m->handle != 0 && cps_aead_place(op->aead) == m->ctx.aead);
    spy_on(m, op->nonce);
    return d->null.table->seal(NULL, op, in, out);
}

static cps_err_t spy_open(void *state, const cps_aead_op_t *op, cps_bytes_t in, uint8_t *out)
{
    const drive_t *d = state;
    return d->null.table->open(NULL, op, in, out);
}

static cps_err_t spy_hmac(void *state, cps_hash_alg_t hash, cps_bytes_t key, const cps_bytes_t *parts, size_t count,
                          uint8_t *out)
{
    const drive_t *d = state;
    return d->null.table->hmac(NULL, hash, key, parts, count, out);
}

static cps_err_t spy_random(void *state, uint8_t *out, size_t len)
{
    const drive_t *d = state;
    return d->null.table->random(NULL, out, len);
}

static const cps_crypto_table_t spy_table = {"spy", spy_seal, spy_open, spy_hmac, spy_random};

/* ---- start and end ---- */

/* Two share a recipient ID; one has a longer tag; one has no sequence state. */
static cps_oscore_params_t params_of(size_t i)
{
    static const struct {
        const char *sender;
        const char *recipient;
        const char *id_context;
        int32_t aead;
    } rows[DRIVE_MATERIALS] = {
        {"s", "c", NULL, 10}, {"", "c", "x", 10}, {"server!", "", "", 30}, {"q", "lost", NULL, 10}};
    cps_oscore_params_t params = {.master_secret = cps_bytes("0123456789abcdef", 16 - i),
                                  .sender_id = cps_bytes_str(rows[i].sender),
                                  .recipient_id = cps_bytes_str(rows[i].recipient),
                                  .has_id_context = rows[i].id_context != NULL,
                                  .id_context = cps_bytes_str(rows[i].id_context),
                                  .aead = rows[i].aead,
                                  .window = i == 1 ? 0 : 32};
    return params;
}

static void start_materials(drive_t *d)
{
    for (size_t i = 0; i < DRIVE_MATERIALS; i++) {
        drive_material_t *m = &d->materials[i];
        cps_oscore_params_t params = params_of(i);
        demand(cps_oscore_ctx_init(&m->ctx, &d->null, &params) == CPS_OK);
        m->tag_len = cps_aead_at(m->ctx.aead)->tag_len;
        m->has_state = i != 3;
        m->window_known = true; /* it never received */
    }
}

/* Small limits, so that short programs meet them. */
static void configure(drive_t *d)
{
    static const uint32_t peers[] = {16, 2, 3, 6};
    static const uint32_t few[] = {4, 1, 2, 8};
    static const uint32_t budgets[] = {4096, 512, 64, 16384};
    static const uint32_t sizes[] = {1152, 256, 400, 700};
    unsigned a = drive_byte(d, 256);
    unsigned b = drive_byte(d, 256);
    unsigned c = drive_byte(d, 256);
    d->grants = (c & 64U) == 0;
    d->config = (cps_ep_config_t){.size = sizeof d->config,
                                  .layers = (c & 128U) != 0 ? cps_layers_proxy() : cps_layers_full(),
                                  .crypto = &d->spy,
                                  .random = d->rng.fill,
                                  .random_state = d->rng.state,
                                  .transmission = {.nstart = 1 + (c & 3U), .unsafe = true},
                                  .peers = peers[a & 3U],
                                  .contexts = (c & 4U) != 0 ? 2 : 4,
                                  .requests_out = few[a >> 2U & 3U],
                                  .requests_in = few[a >> 4U & 3U],
                                  .waiting = few[a >> 6U],
                                  .dedup_bytes = budgets[b & 3U],
                                  .answer_bytes = budgets[b >> 2U & 3U],
                                  .request_bytes = budgets[b >> 4U & 3U],
                                  .message_max = sizes[b >> 6U],
                                  .output_slots = (c & 8U) != 0 ? 5 : 12,
                                  .challenge_rate = (c & 16U) != 0 ? 1 : 10,
                                  .observers = 1 + few[a >> 2U & 3U],
                                  .observers_per_peer = 2,
                                  .notice_bytes = 4096,
                                  .body_max = 200,
                                  .bodies = 4,
                                  .bodies_each = 2,
                                  .body_bytes = (c & 2U) != 0 ? 256 : 4096};
    if ((c & 32U) != 0)
        d->config.transmission.probing_rate = 1000;
}

void drive_start(drive_t *d, cps_bytes_t program)
{
    ASAN_UNPOISON_MEMORY_REGION(d, sizeof *d);
    ASAN_UNPOISON_MEMORY_REGION(memory, sizeof memory);
    memset(d, 0, sizeof *d);
    d->in = cps_reader(program);
    cps_crypto_null_init(&d->null);
    d->spy = (cps_crypto_t){&spy_table, d};
    d->rng = cps_rng_from_seed(&d->seeded, 1);
    d->now_us = 1000000000;
    start_materials(d);
    configure(d);
    size_t size = cps_ep_size(&d->config);
    demand(size != 0 && size <= sizeof memory);
    memset(memory, 0, size);
    demand(cps_ep_init(&d->ep, memory, size, &d->config) == CPS_OK);
}

static bool holds_key(const uint8_t *at, size_t size, const uint8_t *key)
{
    const uint8_t *end = at + size;
    while ((at = memchr(at, key[3], (size_t)(end - at))) != NULL) {
        if (at - 3 + KEY_LEN <= end && is_key(at - 3, key))
            return true;
        at++;
    }
    return false;
}

void drive_end(drive_t *d)
{
    size_t size = cps_ep_size(&d->config);
    cps_ep_fini(d->ep);
    ASAN_UNPOISON_MEMORY_REGION(memory, sizeof memory);
    for (size_t i = 0; i < DRIVE_MATERIALS; i++)
        demand(!holds_key(memory + 3, size - 3, d->materials[i].ctx.sender_key));
}

/* ---- contexts and leases ---- */

drive_material_t *drive_material(drive_t *d, cps_handle_t context)
{
    for (size_t i = 0; context != 0 && i < DRIVE_MATERIALS; i++)
        if (d->materials[i].handle == context)
            return &d->materials[i];
    return NULL;
}

void drive_add(drive_t *d, drive_material_t *m)
{
    size_t i = (size_t)(m - d->materials);
    cps_oscore_params_t params = params_of(i);
    cps_context_t context = {.size = sizeof context,
                             .master_secret = params.master_secret,
                             .id_context = params.id_context,
                             .has_id_context = params.has_id_context,
                             .sender_id = params.sender_id,
                             .recipient_id = params.recipient_id,
                             .aead = params.aead,
                             .window_size = params.window,
                             .has_state = m->has_state,
                             .next_number = m->own_next,
                             .ceiling = m->durable,
                             .window_known = m->window_known,
                             .window_next = m->window_next,
                             .window_seen = m->window_seen,
                             .user = i};
    cps_handle_t handle = 0;
    cps_err_t err = cps_ep_context_add(d->ep, &context, &handle);
    if (!d->config.layers->opens_oscore) {
        demand(err == CPS_ERR_UNSUPPORTED);
        return;
    }
    demand(err == CPS_OK || err == CPS_ERR_FULL || (err == CPS_ERR_IN_USE && m->handle != 0));
    if (err == CPS_OK) {
        demand(m->handle == 0);
        m->handle = handle;
    }
}

void drive_remove(drive_t *d, drive_material_t *m, bool clean)
{
    cps_context_state_t state;
    if (m->handle == 0)
        return;
    demand(cps_ep_context_state(d->ep, m->handle, &state) == CPS_OK);
    demand(!m->has_state || (state.next_number >= m->own_next && state.next_number <= state.ceiling));
    demand(cps_ep_context_remove(d->ep, m->handle) == CPS_OK);
    demand(cps_ep_context_remove(d->ep, m->handle) == CPS_ERR_STALE);
    m->handle = 0;
    m->window_known = clean && state.window_known;
    m->window_next = state.window_next;
    m->window_seen = state.window_seen;
    if (m->has_state)
        m->own_next = clean ? state.next_number : m->durable;
    if (m->window_known)
        return;
    m->accepted_count = 0; /* the next life asks for Echo before it takes anything */
    m->answered_count = 0;
    m->recovered = false;
    m->prints_before = m->print_count;
}

void drive_grant(drive_t *d, size_t job, cps_err_t result, bool half)
{
    cps_context_state_t before;
    cps_context_state_t after;
    drive_material_t *m = drive_material(d, d->jobs[job]);
    uint64_t number = d->job_numbers[job];
    cps_command_t done = {.kind = CPS_COMMAND_JOB_DONE, .u.job_done = {.job = d->jobs[job], .result = result}};
    d->jobs[job] = 0;
    if (m == NULL) {
        demand(cps_ep_submit(d->ep, d->now_us, &done, NULL) == CPS_ERR_STALE);
        return;
    }
    demand(cps_ep_context_state(d->ep, m->handle, &before) == CPS_OK);
    if (half && number > before.ceiling)
        number = before.ceiling + (number - before.ceiling + 1) / 2;
    if (result == CPS_OK && number > m->durable)
        m->durable = number;
    done.u.job_done.number = number;
    demand(cps_ep_submit(d->ep, d->now_us, &done, NULL) == CPS_OK);
    demand(cps_ep_context_state(d->ep, m->handle, &after) == CPS_OK);
    demand(after.ceiling >= before.ceiling && after.ceiling <= m->durable);
}

/* ---- datagrams ---- */

cps_path_t drive_path(unsigned path)
{
    cps_path_t out;
    memset(&out, 0, sizeof out);
    out.remote.port = (uint16_t)(5683 + path);
    if (path < 5) {
        out.remote.family = CPS_FAMILY_IPV4;
        memcpy(out.remote.ip, (uint8_t[]){127, 0, 0, 1}, 4);
    } else {
        out.remote.family = CPS_FAMILY_IPV6;
        out.remote.ip[15] = 1;
        out.remote.scope_id = path == 6 ? 2 : 0;
    }
    if (path == 3 || path == 4 || path == 7) { /* came to an address of ours that is told */
        out.local = (cps_addr_t){.ip = {127, 0, 0, 9}, .port = 5683, .family = CPS_FAMILY_IPV4};
        out.ifindex = 1;
    }
    out.socket = path >= 5;
    out.flags = path == 4 ? CPS_PATH_MULTICAST : 0;
    return out;
}

static unsigned path_of(const cps_path_t *path)
{
    demand(path->remote.port >= 5683 && path->remote.port < 5683 + DRIVE_PATHS);
    unsigned number = path->remote.port - 5683U;
    cps_path_t known = drive_path(number);
    demand(memcmp(known.remote.ip, path->remote.ip, 16) == 0 && known.remote.scope_id == path->remote.scope_id);
    demand(known.socket == path->socket);
    return number;
}

void drive_record(drive_tape_t *tape, unsigned path, cps_bytes_t bytes)
{
    drive_seen_t *seen = &tape->seen[tape->count++ % DRIVE_TAPE];
    demand(bytes.len <= sizeof seen->bytes);
    seen->path = path;
    seen->len = bytes.len;
    cps_copy(seen->bytes, bytes.ptr, bytes.len);
}

const drive_seen_t *drive_recall(const drive_tape_t *tape, unsigned back)
{
    if (back >= DRIVE_TAPE || back >= tape->count)
        return NULL;
    return &tape->seen[(tape->count - 1 - back) % DRIVE_TAPE];
}

static void keep_echo(uint8_t *place, size_t *len, const cps_msg_t *msg)
{
    cps_bytes_t value;
    if (!cps_msg_option(msg, CPS_OPT_ECHO, &value))
        return;
    memcpy(place, value.ptr, value.len);
    *len = value.len;
}

/* The inside of a message that the null provider sealed. */
static void read_inside(drive_t *d, const cps_msg_t *outer)
{
    cps_msg_t inner = {.code = outer->payload.ptr[0]};
    for (size_t i = 0; i < DRIVE_MATERIALS; i++) {
        drive_material_t *m = &d->materials[i];
        if (m->handle == 0 || outer->payload.len < 1U + m->tag_len)
            continue;
        cps_bytes_t rest = cps_bytes(outer->payload.ptr + 1, outer->payload.len - 1 - m->tag_len);
        if (cps_opt_split(rest, &inner.options, &inner.payload) == CPS_OK)
            keep_echo(m->echo, &m->echo_len, &inner);
    }
}

/* Whether an observer there has acknowledged a notification: no other address knew its Message ID. */
static bool has_acknowledged(const drive_t *d, const cps_path_t *path)
{
    const cps_observer_table_t *t = &d->ep->observers;
    const cps_peer_t *peer = cps_peers_find(&d->ep->peers, path);
    for (uint32_t i = 0; i < t->pool.touched && peer != NULL; i++) {
        const cps_observer_t *o = cps_observer_at(t, i);
        if (cps_pool_live(&t->pool, i) && o->proven && cps_peers_at(&d->ep->peers, o->peer) == peer)
            return true;
    }
    return false;
}

/* Whatever leaves is well-formed and no larger than is said; what it may total is what its address proved. */
static void look_at_output(drive_t *d, const cps_datagram_t *datagram)
{
    cps_msg_t msg;
    cps_bytes_t value;
    unsigned path = path_of(&datagram->path);
    drive_address_t *to = &d->addresses[path];
    demand(cps_msg_parse(datagram->bytes, &msg) == CPS_OK);
    demand(datagram->bytes.len <= d->ep->config.message_max + CPS_EP_OVERHEAD);
    demand((datagram->path.flags & CPS_PATH_MULTICAST) == 0);
    drive_record(&d->sent, path, datagram->bytes);
    if (cps_opt_find(msg.options, CPS_OPT_OSCORE, &value) && msg.payload.len > 0)
        read_inside(d, &msg);
    else
        keep_echo(to->echo, &to->echo_len, &msg);
    if (cps_code_is_request(msg.code))
        return;
    to->went += datagram->bytes.len + CPS_AMPLIFY_HEADERS;
    to->proven = to->proven || has_acknowledged(d, &datagram->path);
    demand(to->proven || to->went <= 3 * to->came);
}

void drive_drain(drive_t *d, size_t count)
{
    cps_datagram_t out[3];
    while (count > 0) {
        size_t got = cps_ep_output(d->ep, d->now_us, out, count < 3 ? count : 3);
        if (got == 0)
            return;
        for (size_t i = 0; i < got; i++)
            look_at_output(d, &out[i]);
        cps_ep_sent(d->ep, got);
        count -= got;
    }
}

void drive_work(drive_t *d)
{
    cps_event_t event;
    if (d->lazy > 0) {
        d->lazy--;
        return;
    }
    for (unsigned rounds = 0;; rounds++) {
        demand(rounds < 10000);
        for (unsigned events = 0; cps_ep_event(d->ep, &event); events++) {
            demand(events < 10000);
            drive_hear(d, &event);
        }
        if (d->stalled)
            return;
        drive_drain(d, SIZE_MAX);
        if (!cps_ep_pending(d->ep))
            return;
    }
}

void drive_deliver(drive_t *d)
{
    if (d->batch_count == 0 || d->handed)
        return;
    for (size_t i = 0; i < d->batch_count; i++) {
        cps_datagram_t *datagram = &d->batch[i];
        drive_address_t *from = &d->addresses[d->batch_path[i]];
        cps_msg_t msg;
        cps_bytes_t value;
        datagram->path = drive_path(d->batch_path[i]);
        drive_record(&d->came, d->batch_path[i], datagram->bytes);
        from->came += (datagram->bytes.len < CPS_AMPLIFY_SMALLEST ? CPS_AMPLIFY_SMALLEST : datagram->bytes.len) +
                      CPS_AMPLIFY_HEADERS;
        if (cps_msg_parse(datagram->bytes, &msg) == CPS_OK && cps_opt_find(msg.options, CPS_OPT_ECHO, &value))
            from->proven = true; /* perhaps */
    }
    cps_ep_input(d->ep, d->now_us, d->batch, d->batch_count);
    d->handed = true;
    drive_work(d);
}
