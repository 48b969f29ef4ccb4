// SPDX-License-Identifier: Apache-2.0
/* Datagrams from a few bytes of the program: mostly well-formed, with the tokens, Message IDs, numbers and Echo values
 * that the endpoint and its peers use, so that most of them mean something. */
#include "ep/drive.h"

#include <sanitizer/asan_interface.h>

#define VALUES_MAX 1024U

/* ---- options ---- */

typedef struct option_row {
    uint16_t number;
    uint8_t len;
    const char *value;
} option_row_t;

static const option_row_t rows[] = {
    {CPS_OPT_URI_PATH, 4, "lock"},
    {CPS_OPT_URI_PATH, 0, ""},
    {CPS_OPT_URI_QUERY, 3, "a=b"},
    {CPS_OPT_CONTENT_FORMAT, 1, "\x2a"},
    {CPS_OPT_ACCEPT, 0, ""},
    {CPS_OPT_OBSERVE, 0, ""},
    {CPS_OPT_BLOCK2, 1, "\x06"},
    {CPS_OPT_BLOCK1, 1, "\x0e"},
    {CPS_OPT_PROXY_SCHEME, 4, "coap"},
    {CPS_OPT_PROXY_URI, 17, "coap://[::1]/a?b="},
    {CPS_OPT_URI_HOST, 9, "localhost"},
    {CPS_OPT_URI_PORT, 2, "\x16\x33"},
    {CPS_OPT_IF_MATCH, 8, "12345678"},
    {CPS_OPT_IF_NONE_MATCH, 0, ""},
    {CPS_OPT_ETAG, 4, "etag"},
    {CPS_OPT_MAX_AGE, 1, "\x3c"},
    {CPS_OPT_HOP_LIMIT, 1, "\x10"},
    {CPS_OPT_SIZE1, 2, "\x04\x00"},
    {CPS_OPT_NO_RESPONSE, 1, "\x1a"},
    {CPS_OPT_LOCATION_PATH, 3, "new"},
    {65001, 1, "x"}, /* critical, known to nobody */
    {65000, 1, "x"}, /* elective */
    {CPS_OPT_ECHO, 12, "not an Echo!"},
    {CPS_OPT_REQUEST_TAG, 1, "t"},
    {CPS_OPT_BLOCK1, 1, "\x08"}, /* blocks of 16 bytes: the first, the second, the third and last */
    {CPS_OPT_BLOCK1, 1, "\x18"},
    {CPS_OPT_BLOCK1, 1, "\x20"},
    {CPS_OPT_BLOCK2, 1, "\x10"},
    {CPS_OPT_BLOCK2, 1, "\x18"},
};

#define ROW_COUNT (sizeof rows / sizeof rows[0])

/* One with number and value out of the program. */
static cps_option_t strange_option(drive_t *d, cps_writer_t *w)
{
    cps_option_t option = {.number = drive_word(d)};
    size_t len = drive_byte(d, 20);
    uint8_t *value = cps_write_skip(w, len);
    for (size_t i = 0; value != NULL && i < len; i++)
        value[i] = drive_byte(d, 256);
    option.value = cps_bytes(value, value == NULL ? 0 : len);
    return option;
}

/* An Echo that the endpoint gave: to an address, or inside to a context. */
static cps_option_t known_echo(drive_t *d)
{
    unsigned which = drive_byte(d, DRIVE_PATHS + DRIVE_MATERIALS);
    const drive_material_t *m = &d->materials[which % DRIVE_MATERIALS];
    const drive_address_t *address = &d->addresses[which % DRIVE_PATHS];
    cps_bytes_t value =
        which < DRIVE_PATHS ? cps_bytes(address->echo, address->echo_len) : cps_bytes(m->echo, m->echo_len);
    return (cps_option_t){CPS_OPT_ECHO, value};
}

size_t drive_options(drive_t *d, cps_writer_t *w, cps_option_t *list, size_t cap)
{
    size_t count = drive_byte(d, 5);
    count = count < cap ? count : cap;
    for (size_t i = 0; i < count; i++) {
        unsigned which = drive_byte(d, ROW_COUNT + 4);
        if (which < ROW_COUNT)
            list[i] = (cps_option_t){rows[which].number, cps_bytes(rows[which].value, rows[which].len)};
        else if (which < ROW_COUNT + 2)
            list[i] = known_echo(d);
        else
            list[i] = strange_option(d, w);
    }
    return count;
}

/* Options encoded, with one more of a number of ours. */
static cps_bytes_t encoded(drive_t *d, cps_writer_t *w, uint8_t values[VALUES_MAX], const cps_option_t *more)
{
    cps_option_t list[8];
    cps_writer_t vw = cps_writer(values, VALUES_MAX);
    size_t count = drive_options(d, &vw, list, 7);
    if (more != NULL)
        list[count++] = *more;
    uint8_t *start = w->cur;
    cps_opt_writer_t ow = cps_opt_writer(w);
    cps_opt_put_list(&ow, list, count);
    return w->failed ? cps_bytes(NULL, 0) : cps_bytes(start, (size_t)(w->cur - start));
}

/* ---- what is sealed ---- */

static uint8_t code_of(drive_t *d, bool request)
{
    static const uint8_t methods[] = {CPS_GET, CPS_POST, CPS_PUT, CPS_DELETE, CPS_FETCH, CPS_PATCH, CPS_IPATCH, 31};
    static const uint8_t codes[] = {
        CPS_CONTENT, CPS_CHANGED,   CPS_UNAUTHORIZED, CPS_UNAUTHORIZED, CPS_INTERNAL_SERVER_ERROR,
        CPS_VALID,   CPS_NOT_FOUND, CPS_GET};
    unsigned which = drive_byte(d, 8);
    if (which == 7 && drive_byte(d, 2) == 1)
        return request ? CPS_CONTENT : CPS_EMPTY; /* nonsense, though it may be authentic */
    return request ? methods[which] : codes[which];
}

static void put_payload(drive_t *d, cps_writer_t *w)
{
    static const uint16_t lengths[] = {0, 0, 1, 5, 100, 1024, 1300, 200};
    size_t len = lengths[drive_byte(d, 8)];
    if (len == 0)
        return;
    cps_write_u8(w, CPS_PAYLOAD_MARKER);
    uint8_t *place = cps_write_skip(w, len);
    if (place != NULL)
        memset(place, 'q', len);
}

/* What the null provider opens: code, options and payload as they are, and a tag of zeros. */
static void put_sealed(drive_t *d, cps_writer_t *w, bool request, const drive_material_t *m)
{
    uint8_t values[VALUES_MAX];
    cps_option_t echo = {CPS_OPT_ECHO, cps_bytes(m->echo, m->echo_len)};
    bool with_echo = request && m->echo_len > 0 && drive_byte(d, 4) == 1;
    cps_write_u8(w, CPS_PAYLOAD_MARKER);
    cps_write_u8(w, code_of(d, request));
    (void)encoded(d, w, values, with_echo ? &echo : NULL);
    put_payload(d, w);
    uint8_t *tag = cps_write_skip(w, m->tag_len);
    if (tag != NULL)
        memset(tag, 0, m->tag_len);
}

/* A number of the peer's: the next, or one that was there, or far ahead. */
static uint64_t number_of(drive_t *d, drive_material_t *m)
{
    unsigned how = drive_byte(d, 8);
    if (how < 5)
        return m->peer_next++;
    if (how == 5)
        return m->peer_next > 0 ? m->peer_next - 1 : 0;
    if (how == 6)
        return m->peer_next += drive_byte(d, 70);
    return drive_byte(d, 2) == 0 ? drive_word(d) : (1ULL << 40U) - 1;
}

/* The OSCORE option of a message, in `value`. */
static cps_bytes_t oscore_option(drive_t *d, drive_material_t *m, bool request, uint8_t value[64])
{
    uint8_t piv[CPS_PARTIAL_IV_MAX];
    cps_writer_t w = cps_writer(value, 64);
    cps_oscopt_t option = {.has_kid = request, .kid = cps_oscore_recipient_id(&m->ctx)};
    unsigned how = drive_byte(d, 16);
    if (request || how < 6)
        option.partial_iv = cps_partial_iv_encode(number_of(d, m), piv);
    option.has_kid_context = request && m->ctx.has_id_context && how != 1;
    if (option.has_kid_context)
        option.kid_context = cps_bytes(m->ctx.id_context, m->ctx.id_context_len);
    if (how == 15)
        option.kid = cps_bytes("nobody", 6);
    if (how == 14)
        return cps_bytes("\x09", drive_byte(d, 2)); /* cut short, or empty */
    cps_oscopt_encode(&w, &option);
    return cps_written(&w);
}

/* Token and header are there: put what follows, sealed or not. */
static void put_rest(drive_t *d, cps_writer_t *w, bool request, drive_material_t *m)
{
    uint8_t values[VALUES_MAX];
    uint8_t value[64];
    if (m == NULL) {
        (void)encoded(d, w, values, NULL);
        put_payload(d, w);
        return;
    }
    cps_option_t option = {CPS_OPT_OSCORE, oscore_option(d, m, request, value)};
    (void)encoded(d, w, values, &option);
    put_sealed(d, w, request, m);
}

/* ---- whole datagrams ---- */

static void put_head(cps_writer_t *w, const cps_msg_t *head)
{
    cps_msg_t bare = *head;
    bare.options = cps_bytes(NULL, 0);
    bare.payload = cps_bytes(NULL, 0);
    cps_msg_write(w, &bare);
}

static void make_request(drive_t *d, cps_writer_t *w, bool sealed)
{
    unsigned a = drive_byte(d, 256);
    uint8_t token[CPS_TOKEN_MAX] = {(uint8_t)(a >> 4U), 2, 3, 4, 5, 6, 7, 8};
    drive_material_t *m = sealed ? &d->materials[drive_byte(d, DRIVE_MATERIALS)] : NULL;
    uint8_t code = sealed ? (uint8_t)CPS_POST : code_of(d, true);
    bool new_mid = drive_byte(d, 4) == 0;
    cps_msg_t head = {.type = (a & 1U) != 0 ? CPS_NON : CPS_CON,
                      .code = code,
                      .mid = (uint16_t)(new_mid ? d->came.count : drive_byte(d, 8)),
                      .token = cps_bytes(token, a >> 1U & 7U)};
    put_head(w, &head);
    put_rest(d, w, true, m);
}

/* A request of the endpoint that was sent, looking back from some place. */
static const drive_seen_t *some_request(drive_t *d, cps_msg_t *msg)
{
    for (unsigned back = drive_byte(d, DRIVE_TAPE); back < DRIVE_TAPE; back++) {
        const drive_seen_t *seen = drive_recall(&d->sent, back);
        if (seen != NULL && cps_msg_parse(cps_bytes(seen->bytes, seen->len), msg) == CPS_OK &&
            cps_code_is_request(msg->code))
            return seen;
    }
    return NULL;
}

static void make_response(drive_t *d, cps_writer_t *w, unsigned *path)
{
    cps_msg_t head;
    cps_bytes_t value;
    const drive_seen_t *seen = some_request(d, &head);
    unsigned how = drive_byte(d, 64);
    if (seen == NULL)
        return;
    *path = (how & 32U) != 0 ? *path : seen->path;
    bool sealed = cps_opt_find(head.options, CPS_OPT_OSCORE, &value) && (how & 12U) != 0;
    head.type = (how & 3U) == 0 ? CPS_CON : (how & 3U) == 1 ? CPS_NON : CPS_ACK;
    head.code = sealed ? (uint8_t)CPS_CHANGED : code_of(d, false);
    if (head.type != CPS_ACK || (how & 16U) != 0)
        head.mid = (uint16_t)(head.mid + drive_byte(d, 4));
    put_head(w, &head);
    put_rest(d, w, false, sealed ? &d->materials[drive_byte(d, DRIVE_MATERIALS)] : NULL);
}

static void make_empty(drive_t *d, cps_writer_t *w, unsigned *path)
{
    cps_msg_t msg;
    unsigned how = drive_byte(d, 8);
    const drive_seen_t *seen = drive_recall(&d->sent, drive_byte(d, DRIVE_TAPE));
    if (seen == NULL || cps_msg_parse(cps_bytes(seen->bytes, seen->len), &msg) != CPS_OK)
        return;
    if (how < 6)
        *path = seen->path;
    cps_msg_write_empty(w, (how & 1U) != 0 ? CPS_RST : how == 6 ? CPS_CON : CPS_ACK, msg.mid);
}

/* What came before, as it was or with one byte changed, from there or elsewhere. */
static void make_replay(drive_t *d, cps_writer_t *w, unsigned *path)
{
    const drive_seen_t *seen = drive_recall(&d->came, drive_byte(d, DRIVE_TAPE));
    unsigned how = drive_byte(d, 4);
    if (seen == NULL)
        return;
    uint8_t *start = w->cur;
    cps_write_bytes(w, cps_bytes(seen->bytes, seen->len));
    *path = how == 1 ? *path : seen->path;
    if (how == 2 && seen->len != 0)
        start[drive_word(d) % seen->len] ^= 0x10U;
    if (how == 3)
        w->cur = start + drive_word(d) % (seen->len + 1);
}

static void make_raw(drive_t *d, cps_writer_t *w)
{
    for (unsigned len = drive_byte(d, 64); len > 0; len--)
        cps_write_u8(w, drive_byte(d, 256));
}

void drive_make(drive_t *d)
{
    if (d->handed && d->ep->input_left != 0)
        return;
    if (d->handed)
        d->batch_count = 0;
    d->handed = false;
    if (d->batch_count == DRIVE_BATCH)
        return;
    size_t place = d->batch_count++;
    uint8_t *bytes = d->batch_bytes[place];
    unsigned kind = drive_byte(d, 16);
    unsigned path = drive_byte(d, DRIVE_PATHS);
    ASAN_UNPOISON_MEMORY_REGION(bytes, DRIVE_DATAGRAM);
    cps_writer_t w = cps_writer(bytes, DRIVE_DATAGRAM);
    if (kind < 4)
        make_request(d, &w, true);
    else if (kind < 7)
        make_request(d, &w, false);
    else if (kind < 11)
        make_response(d, &w, &path);
    else if (kind < 13)
        make_empty(d, &w, &path);
    else if (kind < 15)
        make_replay(d, &w, &path);
    else
        make_raw(d, &w);
    cps_bytes_t made = cps_written(&w);
    ASAN_POISON_MEMORY_REGION(bytes + made.len, DRIVE_DATAGRAM - made.len);
    d->batch[place].bytes = made;
    d->batch_path[place] = path;
}
