// SPDX-License-Identifier: Apache-2.0
#include "gen.h"

#include "wire/opttab.h"

enum { CASES = 4000, OPTIONS_MAX = 12, VALUE_MAX = 300, MESSAGE_MAX = 8192 };

/* A random list of options with their values. */
typedef struct options {
    cps_option_t list[OPTIONS_MAX];
    size_t count;
    uint8_t values[OPTIONS_MAX][VALUE_MAX];
} options_t;

static uint16_t any_number(gen_t *g)
{
    static const uint16_t others[] = {0, 12, 13, 268, 269, 281, 282, 65000, 65001, 65535};
    size_t rows = 0;
    while (cps_opttab_at(rows) != NULL)
        rows++;
    if (gen_one_in(g, 8))
        return (uint16_t)gen_below(g, 65536);
    if (gen_one_in(g, 4))
        return others[gen_below(g, sizeof others / sizeof others[0])];
    return cps_opttab_at(gen_below(g, (uint32_t)rows))->number;
}

static void any_options(gen_t *g, options_t *o)
{
    o->count = gen_below(g, OPTIONS_MAX + 1);
    for (size_t i = 0; i < o->count; i++) {
        cps_bytes_t value = gen_bytes(g, o->values[i], gen_len(g, VALUE_MAX));
        uint16_t number = i > 0 && gen_one_in(g, 3) ? o->list[i - 1].number : any_number(g);
        o->list[i] = (cps_option_t){number, value};
    }
}

/* The place in the list of the option that comes next in order of number, then of place; the model of sorting. */
static size_t next_in_order(const options_t *o, const bool *taken)
{
    size_t best = o->count;
    for (size_t i = 0; i < o->count; i++)
        if (!taken[i] && (best == o->count || o->list[i].number < o->list[best].number))
            best = i;
    return best;
}

static cps_bytes_t write_options(const options_t *o, uint8_t *buf, size_t len)
{
    cps_option_t list[OPTIONS_MAX];
    cps_writer_t w = cps_writer(buf, len);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    memcpy(list, o->list, sizeof list);
    cps_opt_put_list(&ow, list, o->count);
    assert_ok(cps_writer_err(&w));
    return cps_written(&w);
}

static void assert_options(const options_t *o, cps_bytes_t encoded)
{
    bool taken[OPTIONS_MAX] = {false};
    cps_opt_walk_t walk = cps_opt_walk(encoded);
    cps_option_t option;
    for (size_t i = 0; i < o->count; i++) {
        size_t place = next_in_order(o, taken);
        taken[place] = true;
        assert_true(cps_opt_next(&walk, &option));
        assert_int_equal(option.number, o->list[place].number);
        assert_bytes(o->list[place].value, option.value);
    }
    assert_false(cps_opt_next(&walk, &option));
    assert_false(walk.r.failed);
}

static void any_message(gen_t *g, options_t *o, cps_msg_t *msg, uint8_t *buf)
{
    static const uint8_t types[] = {CPS_CON, CPS_NON, CPS_ACK};
    static uint8_t token[CPS_TOKEN_MAX];
    static uint8_t payload[VALUE_MAX];
    bool is_request = gen_one_in(g, 2);
    static const uint8_t classes[] = {2, 4, 5};
    any_options(g, o);
    msg->type = types[gen_below(g, is_request ? 2 : 3)];
    msg->code = is_request ? CPS_CODE(0, 1 + gen_below(g, 31)) : CPS_CODE(classes[gen_below(g, 3)], gen_below(g, 32));
    msg->mid = (uint16_t)gen_below(g, 65536);
    msg->token = gen_bytes(g, token, gen_below(g, CPS_TOKEN_MAX + 1));
    msg->options = write_options(o, buf, MESSAGE_MAX);
    msg->payload = gen_bytes(g, payload, gen_len(g, VALUE_MAX));
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    static options_t o;
    static uint8_t options[MESSAGE_MAX];
    static uint8_t datagram[MESSAGE_MAX];
    gen_t g;
    gen_init(&g, "messages", CASES);
    for (unsigned i = 0; i < CASES; i++) {
        cps_msg_t msg;
        cps_msg_t back;
        cps_writer_t w = cps_writer(datagram, sizeof datagram);
        any_message(&g, &o, &msg, options);
        cps_msg_write(&w, &msg);
        assert_ok(cps_writer_err(&w));
        assert_int_equal(cps_written(&w).len, cps_msg_len(&msg));
        assert_ok(cps_msg_parse(cps_written(&w), &back));
        assert_int_equal(back.type << 24 | back.code << 16 | back.mid, msg.type << 24 | msg.code << 16 | msg.mid);
        assert_bytes(msg.token, back.token);
        assert_bytes(msg.payload, back.payload);
        assert_options(&o, back.options);
    }
}

/* Every message has one encoding, so that what is accepted is written back the same. */
static void damaged_messages_are_refused_or_written_the_same(void **state)
{
    (void)state;
    static options_t o;
    static uint8_t options[MESSAGE_MAX];
    static uint8_t datagram[MESSAGE_MAX];
    static uint8_t again[MESSAGE_MAX];
    gen_t g;
    unsigned accepted = 0;
    gen_init(&g, "damaged messages", CASES);
    for (unsigned i = 0; i < CASES; i++) {
        cps_msg_t msg;
        cps_writer_t w = cps_writer(datagram, sizeof datagram);
        any_message(&g, &o, &msg, options);
        cps_msg_write(&w, &msg);
        size_t len = gen_mutate(&g, datagram, cps_written(&w).len, sizeof datagram);
        if (gen_one_in(&g, 8))
            len = gen_bytes(&g, datagram, gen_len(&g, VALUE_MAX)).len;
        uint8_t *tight = gen_tight(cps_bytes(datagram, len));
        if (cps_msg_parse(cps_bytes(tight, len), &msg) == CPS_OK) {
            cps_writer_t back = cps_writer(again, sizeof again);
            cps_msg_write(&back, &msg);
            assert_bytes(cps_bytes(datagram, len), cps_written(&back));
            cps_opt_walk_t walk = cps_opt_walk(msg.options);
            for (cps_option_t option; cps_opt_next(&walk, &option);)
                assert_true(option.value.ptr >= tight && option.value.ptr + option.value.len <= tight + len);
            assert_false(walk.r.failed);
            accepted++;
        }
        free(tight);
    }
    assert_in_range(accepted, CASES / 10, CASES * 9 / 10);
}

static void options_are_found_counted_and_judged_as_in_the_list(void **state)
{
    (void)state;
    static options_t o;
    static uint8_t buf[MESSAGE_MAX];
    static const uint16_t numbers[] = {CPS_OPT_URI_HOST, CPS_OPT_URI_PATH,       CPS_OPT_ETAG,
                                       CPS_OPT_ACCEPT,   CPS_OPT_CONTENT_FORMAT, CPS_OPT_ECHO};
    cps_opt_set_t handled = cps_opt_set_of(numbers, sizeof numbers / sizeof numbers[0]);
    gen_t g;
    gen_init(&g, "options", CASES);
    for (unsigned i = 0; i < CASES; i++) {
        any_options(&g, &o);
        cps_bytes_t encoded = write_options(&o, buf, sizeof buf);
        uint16_t number = any_number(&g);
        uint8_t code = gen_one_in(&g, 2) ? CPS_PUT : CPS_CONTENT;
        unsigned count = 0;
        uint32_t refused = UINT32_MAX; /* the smallest number that is refused */
        cps_bytes_t first = {NULL, 0};
        for (size_t j = 0; j < o.count; j++) {
            unsigned nth = 0;
            for (size_t k = 0; k < j; k++)
                nth += o.list[k].number == o.list[j].number;
            if (cps_opt_judge(handled, code, &o.list[j], nth) == CPS_OPT_REFUSE && o.list[j].number < refused)
                refused = o.list[j].number;
            if (o.list[j].number == number && count++ == 0)
                first = o.list[j].value;
        }
        cps_bytes_t value;
        uint16_t bad = 0;
        assert_int_equal(cps_opt_count(encoded, number), count);
        assert_int_equal(cps_opt_find(encoded, number, &value), count > 0);
        if (count > 0)
            assert_bytes(first, value);
        assert_err(refused == UINT32_MAX ? CPS_OK : CPS_ERR_BAD_OPTION, cps_opt_check(handled, code, encoded, &bad));
        assert_int_equal(bad, refused == UINT32_MAX ? 0 : refused);
    }
}

static void uints_keep_their_value(void **state)
{
    (void)state;
    gen_t g;
    gen_init(&g, "uint values", CASES);
    for (unsigned i = 0; i < CASES; i++) {
        uint32_t value = cps_rng_u32(&g.rng) >> gen_below(&g, 32);
        uint32_t back;
        uint8_t buf[4];
        cps_bytes_t bytes = cps_opt_uint_bytes(value, buf);
        assert_true(bytes.len == 0 || bytes.ptr[0] != 0);
        assert_ok(cps_opt_uint(bytes, &back));
        assert_int_equal(back, value);
    }
}

static const cps_case_t cases[] = {
    {"", "messages that are written are read the same", what_is_written_is_read},
    {"", "damaged messages are refused or written back the same", damaged_messages_are_refused_or_written_the_same},
    {"", "options are found, counted and judged as in a list", options_are_found_counted_and_judged_as_in_the_list},
    {"", "uint values keep their value", uints_keep_their_value},
};

CPS_RUN("wire_msg_props", cases)
