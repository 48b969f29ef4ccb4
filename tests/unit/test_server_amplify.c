// SPDX-License-Identifier: Apache-2.0
/* How much a server sends to an address that has proven nothing (RFC 9175 §2.4; MSG-56): every sort of resource is asked in
 * every way, from a new address each time, and all datagrams that come of it are counted until the exchange is forgotten. */
#include "server_kit.h"

#include "ep/ep.h"

#define HEADERS      62U        /* Ethernet, IPv6 and UDP, counted with each datagram */
#define FORGOTTEN_US 300000000U /* beyond EXCHANGE_LIFETIME */
#define LATER_US     1000000U   /* beyond the delay after which an Empty ACK goes first */
#define LARGEST      1024U

typedef struct bench {
    kit_t *kit;
    uint16_t port;       /* of the client: a new one for each question */
    size_t size;         /* of the answers of the handlers */
    cps_request_t *kept; /* for later */
    bool errors;         /* their code is 4.04: an answer that no block can be cut from */
    unsigned challenged, separate, asked, cut;
    size_t most; /* times what came, in hundredths */
} bench_t;

/* ---- resources ---- */

static char text[LARGEST + 1];

static cps_err_t give(cps_request_t *request, const bench_t *b)
{
    cps_code_t code = cps_request_method(request) == CPS_GET ? CPS_CONTENT : CPS_CHANGED;
    return cps_reply_with(request, b->errors ? CPS_NOT_FOUND : code, NULL, 0, cps_bytes(text, b->size));
}

static cps_err_t at_once(cps_request_t *request, void *user) { return give(request, user); }

static cps_err_t later(cps_request_t *request, void *user)
{
    ((bench_t *)user)->kept = request;
    return cps_request_defer(request);
}

static cps_err_t wrong(cps_request_t *request, void *user)
{
    return cps_reply_error(request, CPS_BAD_REQUEST, text + LARGEST - ((bench_t *)user)->size);
}

static void add(bench_t *b, const char *path, cps_handler_t fn, cps_policy_t policy)
{
    kit_add(b->kit,
            CPS_RESOURCE(.path = path, .title = "a thing with a title that makes the list of things a long one",
                         .get = fn, .put = fn, .post = fn, .del = fn, .fetch = fn, .user = b, .policy = policy));
}

static void bench_new(bench_t *b)
{
    *b = (bench_t){.kit = kit_new(), .port = 1};
    memset(text, 'x', LARGEST);
    add(b, "now", at_once, (cps_policy_t){0});
    add(b, "later", later, (cps_policy_t){0});
    add(b, "wrong", wrong, (cps_policy_t){0});
    add(b, "sealed", at_once, (cps_policy_t){.sealed = true, .allow = "phone: get put"});
}

/* ---- one request, and all that comes of it ---- */

static size_t send(bench_t *b, const ask_t *ask, size_t token_len)
{
    cps_option_t list[32];
    uint8_t bytes[1500];
    uint8_t options[1400];
    cps_writer_t ow = cps_writer(options, sizeof options);
    cps_opt_writer_t opt = cps_opt_writer(&ow);
    cps_opt_put_list(&opt, list, ask_options(ask, list));
    cps_msg_t msg = {.type = (uint8_t)ask->type,
                     .code = ask->code,
                     .mid = ++b->kit->mid,
                     .token = cps_bytes(text, token_len),
                     .options = cps_written(&ow),
                     .payload = ask->payload};
    cps_writer_t w = cps_writer(bytes, sizeof bytes);
    cps_msg_write(&w, &msg);
    assert_false(ow.failed || w.failed);
    rig_clear(b->kit->rig);
    rig_in(b->kit->rig, KIT_CLIENT, b->port, cps_written(&w));
    return cps_written(&w).len;
}

static void answer_later(bench_t *b)
{
    cps_request_t *request = b->kept;
    b->kept = NULL;
    if (request == NULL)
        return;
    rig_advance(b->kit->rig, LATER_US);
    cps_err_t err = give(request, b);
    assert_true(err == CPS_OK || err == CPS_ERR_STALE);
    rig_run(b->kit->rig);
}

static size_t count(bench_t *b)
{
    size_t total = 0;
    for (size_t i = 0; i < b->kit->rig->out_count; i++) {
        cps_msg_t msg = rig_sent_msg(b->kit->rig, i);
        cps_bytes_t echo;
        bool challenge = msg.code == CPS_UNAUTHORIZED && cps_opt_find(msg.options, CPS_OPT_ECHO, &echo);
        total += rig_sent(b->kit->rig, i).len + HEADERS;
        b->challenged += challenge;
        b->cut += cps_opt_find(msg.options, CPS_OPT_BLOCK2, &echo);
        b->separate += msg.type == CPS_CON;
        assert_false(challenge && msg.type == CPS_CON);
    }
    return total;
}

static void measure(bench_t *b, const ask_t *ask, size_t token_len)
{
    size_t came = send(b, ask, token_len) + HEADERS;
    answer_later(b);
    rig_advance(b->kit->rig, FORGOTTEN_US);
    size_t went = count(b);
    if (went > 3 * came)
        fail_msg("%s with %zu bytes of answer: %zu bytes for %zu", ask->path, b->size, went, came);
    b->most = 100 * went / came > b->most ? 100 * went / came : b->most;
    b->asked++;
    b->port++;
}

/* ---- every way of asking ---- */

static const uint8_t methods[] = {CPS_GET, CPS_POST, CPS_PUT, CPS_DELETE, CPS_FETCH, CPS_PATCH, 0x1f};
static const char *const paths[] = {"now", "later", "wrong", "sealed", "none", "", ".well-known/core"};
static const size_t sizes[] = {0, 40, 100, 136, 137, 300, LARGEST};
static const size_t lengths[] = {0, 8, 50, 200};

/* With a query (or, in the end, an unknown critical option) of that length, and a payload where the method has one. */
static ask_t ask_of(const char *path, uint8_t code, cps_type_t type, size_t len)
{
    bool has_payload = code != CPS_GET && code != CPS_DELETE && len > 8;
    ask_t ask = {.code = code, .path = path, .type = type};
    if (len > 0 && !has_payload)
        ask.more[0] = (cps_option_t){CPS_OPT_URI_QUERY, cps_bytes(text, len)};
    ask.payload = cps_bytes(text, has_payload ? len : 0);
    return ask;
}

static void ask_all(bench_t *b, const char *path)
{
    for (size_t m = 0; m < sizeof methods; m++) {
        for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
            ask_t ask = ask_of(path, methods[m], l % 2 == 0 ? CPS_CON : CPS_NON, lengths[l]);
            measure(b, &ask, 2 * l);
            ask.type = l % 2 == 0 ? CPS_NON : CPS_CON;
            ask.more[1] = (cps_option_t){99, cps_bytes(text, l)};
            measure(b, &ask, 8);
            ask.more[1].number = 0;
            measure(b, &ask, 8);
        }
    }
}

static void no_resource_amplifies(void **state)
{
    (void)state;
    bench_t b;
    bench_new(&b);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        b.size = sizes[s];
        for (size_t p = 0; p < sizeof paths / sizeof paths[0]; p++)
            ask_all(&b, paths[p]);
    }
    print_message("# measured: %u requests from new addresses drew at most %zu.%02zu times their bytes; %u challenges, "
                  "%u in blocks\n",
                  b.asked, b.most / 100, b.most % 100, b.challenged, b.cut);
    assert_true(b.challenged > 10 && b.separate > 100 && b.cut > 100); /* all were seen */
    assert_true(b.most > 250);                                         /* what may be sent is sent */
    kit_free(b.kit);
}

/* A small GET for 1,024 bytes that cannot be cut: a 4.01 with Echo, and with that the whole, wherever the address is the
 * same. */
static void the_echo_brings_the_whole(void **state)
{
    (void)state;
    static const char *const big[] = {"now", "later"};
    bench_t b;
    bench_new(&b);
    b.size = LARGEST;
    b.errors = true;
    for (size_t i = 0; i < 2 * sizeof big / sizeof big[0]; i++) {
        ask_t ask = {.code = CPS_GET, .path = big[i / 2], .type = i % 2 == 0 ? CPS_CON : CPS_NON};
        size_t came = send(&b, &ask, 8);
        answer_later(&b);
        assert_true(count(&b) <= 3 * (came + HEADERS));
        cps_msg_t refused = rig_sent_msg(b.kit->rig, b.kit->rig->out_count - 1);
        uint8_t echo[CPS_ECHO_VALUE_MAX];
        cps_bytes_t value;
        assert_int_equal(refused.code, CPS_UNAUTHORIZED);
        assert_true(cps_opt_find(refused.options, CPS_OPT_ECHO, &value));
        cps_copy(echo, value.ptr, value.len);
        ask.more[0] = (cps_option_t){CPS_OPT_ECHO, cps_bytes(echo, value.len)};
        for (unsigned moved = 0; moved < 2; moved++) {
            (void)send(&b, &ask, 1);
            answer_later(&b);
            cps_msg_t answer = rig_sent_msg(b.kit->rig, b.kit->rig->out_count - 1);
            assert_int_equal(answer.code, moved == 0 ? CPS_NOT_FOUND : CPS_UNAUTHORIZED);
            assert_true(moved == 1 || answer.payload.len > 200);
            b.port++; /* the Echo of another address proves nothing about this one */
        }
        rig_advance(b.kit->rig, FORGOTTEN_US);
    }
    kit_free(b.kit);
}

/* To a CON in its ACK, or as NON where that was acknowledged before; to a NON as NON. */
static void a_challenge_is_never_a_separate_con(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        cps_type_t asked, answered;
    } rows[] = {
        {"now", CPS_CON, CPS_ACK}, {"now", CPS_NON, CPS_NON}, {"later", CPS_CON, CPS_NON}, {"later", CPS_NON, CPS_NON}};
    bench_t b;
    bench_new(&b);
    b.size = LARGEST;
    b.errors = true;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)send(&b, ASK(.code = CPS_GET, .path = rows[i].path, .type = rows[i].asked), 1);
        answer_later(&b);
        rig_advance(b.kit->rig, FORGOTTEN_US);
        cps_msg_t refused = rig_sent_msg(b.kit->rig, b.kit->rig->out_count - 1);
        assert_int_equal(refused.code, CPS_UNAUTHORIZED);
        assert_int_equal(refused.type, rows[i].answered);
        for (size_t k = 0; k < b.kit->rig->out_count; k++)
            assert_int_not_equal(rig_sent_msg(b.kit->rig, k).type, CPS_CON);
        b.port++;
    }
    kit_free(b.kit);
}

static const cps_case_t cases[] = {
    {"", "no resource sends more than three times what came", no_resource_amplifies},
    {"MSG-56", "with its Echo an address gets the whole answer, another address does not", the_echo_brings_the_whole},
    {"ECHO-23", "a challenge is never a separate CON", a_challenge_is_never_a_separate_con},
};

CPS_RUN("server_amplify", cases)
