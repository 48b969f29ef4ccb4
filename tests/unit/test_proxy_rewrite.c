// SPDX-License-Identifier: Apache-2.0
/* What the proxy makes of messages, as tables. Options are written "number:text" or "number:#hex". */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "proxy/rewrite.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

enum { LIST_MAX = 128, TEXT_MAX = 2048 };

/* Encode a list of options given as text. */
static cps_bytes_t encode(const char *text)
{
    static uint8_t store[TEXT_MAX];
    static uint8_t out[TEXT_MAX];
    static cps_option_t list[LIST_MAX];
    char copy[TEXT_MAX];
    size_t count = 0;
    size_t used = 0;
    assert_true(snprintf(copy, sizeof copy, "%s", text) < TEXT_MAX);
    for (char *save = NULL, *item = strtok_r(copy, " ", &save); item != NULL; item = strtok_r(NULL, " ", &save)) {
        char *value = strchr(item, ':');
        assert_non_null(value);
        size_t len = strlen(++value);
        cps_bytes_t bytes = value[0] == '#' ? hex(value + 1) : cps_bytes(value, len);
        assert_true(used + bytes.len <= sizeof store && count < LIST_MAX);
        cps_copy(store + used, bytes.ptr, bytes.len);
        list[count++] = (cps_option_t){(uint16_t)strtoul(item, NULL, 10), cps_bytes(store + used, bytes.len)};
        used += bytes.len;
    }
    cps_writer_t w = cps_writer(out, sizeof out);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    cps_opt_put_list(&ow, list, count);
    assert_ok(cps_writer_err(&w));
    return cps_written(&w);
}

static bool is_text(cps_bytes_t value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] <= ' ' || value.ptr[i] > '~')
            return false;
    return true;
}

/* The list as text, in the order of numbers. */
static const char *show(cps_option_t *list, size_t count)
{
    static char out[TEXT_MAX];
    uint8_t sorted[TEXT_MAX];
    cps_writer_t w = cps_writer(sorted, sizeof sorted);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    cps_opt_put_list(&ow, list, count);
    assert_ok(cps_writer_err(&w));
    cps_opt_walk_t walk = cps_opt_walk(cps_written(&w));
    cps_option_t option;
    size_t len = 0;
    for (out[0] = '\0'; cps_opt_next(&walk, &option);) {
        len += (size_t)snprintf(out + len, sizeof out - len, "%s%u:", len == 0 ? "" : " ", option.number);
        if (is_text(option.value))
            len += (size_t)snprintf(out + len, sizeof out - len, "%.*s", (int)option.value.len,
                                    (const char *)option.value.ptr);
        else
            for (size_t i = 0; i < option.value.len; i++)
                len += (size_t)snprintf(out + len, sizeof out - len, "%s%02x", i == 0 ? "#" : "", option.value.ptr[i]);
        assert_true(len < sizeof out);
    }
    return out;
}

static cps_message_t message_of(uint8_t code, const char *options, const char *payload)
{
    return (cps_message_t){code, encode(options), cps_bytes_str(payload)};
}

static cps_proxy_request_t request; /* scratch of the cases, as in a proxy */
static const cps_proxy_rules_t last = {"gw.example", 16, false};
static const cps_proxy_rules_t chained = {"gw.example", 16, true};

typedef struct forward {
    const char *in;
    const char *out;
} forward_t;

static void check_forward(const cps_proxy_rules_t *rules, const forward_t *row)
{
    cps_message_t message = message_of(CPS_POST, row->in, "x");
    print_message("# %s\n", row->in);
    assert_int_equal(cps_proxy_read(&message, &request), CPS_PROXY_WANTS_FORWARD);
    assert_true(cps_proxy_rewrite(&message, rules, &request));
    assert_string_equal(show(request.options, request.option_count), row->out);
    assert_bytes(CPS_BYTES_LIT("x"), request.payload);
}

static void check_refused(uint8_t code, const char *in, uint8_t expected, const char *text)
{
    cps_message_t message = message_of(code, in, "");
    print_message("# %s\n", in);
    assert_int_equal(cps_proxy_read(&message, &request), CPS_PROXY_WANTS_REFUSAL);
    assert_int_equal(cps_proxy_reason(request.refusal.reason)->code, expected);
    assert_non_null(strstr(request.refusal.text, text));
}

/* ---- the target ---- */

static void the_uri_is_split_for_an_origin(void **state)
{
    static const forward_t rows[] = {
        {"35:coap://door.local/", "3:door.local 16:#10"},
        {"35:coap://door.local", "3:door.local 16:#10"},
        {"35:COAP://Door.LOCAL:5683/lock", "3:door.local 11:lock 16:#10"},
        {"35:coap://door.local:6000/a/b%20c?x=1&y=%26", "3:door.local 11:a 11:#622063 15:x=1 15:y=& 16:#10"},
        {"35:coap://192.0.2.1/a", "11:a 16:#10"}, /* §6.4 step 5: the destination says it */
        {"35:coap://[2001:db8::1]:61616/a", "11:a 16:#10"},
        {"35:coap://h/a/", "3:h 11:a 11: 16:#10"},
        {"3:h 11:a 15:q 39:coap", "3:h 11:a 15:q 16:#10"},
        {"3:h 7:#1770 39:coap", "3:h 16:#10"}, /* the destination has the port */
        {"3:h 11:a/b 11:c 15:x=&1 39:CoAP", "3:h 11:a/b 11:c 15:x=&1 16:#10"},
        {"3:192.0.2.1 39:coap", "16:#10"},
        {"3:[2001:db8::1] 39:coap", "16:#10"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        check_forward(&last, &rows[i]);
}

static void the_next_proxy_gets_the_form_that_came(void **state)
{
    static const forward_t rows[] = {
        {"35:coap://door.local/a?b", "16:#10 35:coap://door.local/a?b"},
        {"3:h 7:#1770 11:a 15:q 39:coap", "3:h 7:#1770 11:a 15:q 16:#10 39:coap"},
        {"3:other 7:#1770 11:a 15:q 35:coap://h/", "16:#10 35:coap://h/"},
        {"35:coap://h/ 39:coap", "16:#10 35:coap://h/"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        check_forward(&chained, &rows[i]);
}

static void proxy_uri_wins_over_uri_options(void **state)
{
    static const forward_t row = {"3:other 7:#1770 11:x 15:y 35:coap://door.local:6000/lock 39:coap",
                                  "3:door.local 11:lock 16:#10"};
    (void)state;
    check_forward(&last, &row);
    assert_string_equal(request.uri.host, "door.local");
    assert_int_equal(request.uri.port, 6000);
}

/* RFC 7252 §5.10.2: the URI of the Uri-* options with another scheme in front, and nothing else changed. */
static void proxy_scheme_replaces_only_the_scheme(void **state)
{
    static const struct {
        const char *in;
        cps_scheme_t scheme;
        const char *uri;
    } rows[] = {
        {"3:h 11:a 15:q=1 39:http", CPS_SCHEME_HTTP, "http://h/a?q=1"},
        {"3:h 7:#50 11:a 11:b 15:q=1 15:r 39:http", CPS_SCHEME_HTTP, "http://h/a/b?q=1&r"},
        {"3:h 7:#1f90 11:a%20 39:http", CPS_SCHEME_HTTP, "http://h:8080/a%2520"},
        {"3:h 39:https", CPS_SCHEME_HTTPS, "https://h/"},
        {"3:h 7:#1633 39:coap", CPS_SCHEME_COAP, "coap://h/"},
        {"3:h 7:#1633 39:coap+tcp", CPS_SCHEME_COAP_TCP, "coap+tcp://h/"},
    };
    char text[256];
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cps_message_t message = message_of(CPS_GET, rows[i].in, "");
        cps_writer_t w = cps_writer(text, sizeof text - 1);
        assert_ok(cps_proxy_join(&message, rows[i].scheme, &w));
        *w.cur = '\0';
        assert_string_equal(text, rows[i].uri);
    }
}

static void other_schemes_are_named_in_5_05(void **state)
{
    static const char *const schemes[] = {"coaps", "coap+tcp", "coaps+tcp", "coap+ws", "http", "https", "ftp", "x"};
    char in[128];
    char text[64];
    (void)state;
    for (size_t i = 0; i < COUNT(schemes); i++) {
        snprintf(text, sizeof text, "scheme %s is not supported", schemes[i]);
        snprintf(in, sizeof in, "35:%s://h/a", schemes[i]);
        check_refused(CPS_GET, in, CPS_PROXYING_NOT_SUPPORTED, text);
        snprintf(in, sizeof in, "3:h 39:%s", schemes[i]);
        check_refused(CPS_GET, in, CPS_PROXYING_NOT_SUPPORTED, text);
    }
    check_refused(CPS_GET, "3:h 39:#0a0d", CPS_PROXYING_NOT_SUPPORTED, "scheme ?? is"); /* nothing enters a log */
}

static void what_is_no_uri_gets_4_02(void **state)
{
    static const char *const rows[] = {"35:/a/b",
                                       "35:coap:///a",
                                       "35:coap://h/a#b",
                                       "35:coap://u@h/",
                                       "35:coap://h:0/",
                                       "35:h",
                                       "35:coap://h/%zz",
                                       "35:coap://1.2.3/",
                                       "35:coap://h:99999/",
                                       "35::",
                                       "35:coap://[::1/",
                                       "35:coap://h/#fe"};
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        check_refused(CPS_GET, rows[i], CPS_BAD_OPTION, "Proxy-Uri: ");
    check_refused(CPS_GET, "3:a_/b 39:coap", CPS_BAD_OPTION, "make no URI");
    check_refused(CPS_GET, "3:h 7: 39:coap", CPS_BAD_OPTION, "make no URI");
    check_refused(CPS_GET, "3:h 11:.. 39:coap", CPS_BAD_OPTION, "make no URI");
}

static void without_a_form_it_is_for_us(void **state)
{
    static const char *const rows[] = {"", "11:a", "3:h 11:a", "39:coap", "7:#1770 11:a 39:coap"};
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cps_message_t message = message_of(CPS_GET, rows[i], "");
        assert_int_equal(cps_proxy_read(&message, &request), CPS_PROXY_WANTS_US);
    }
}

/* ---- options ---- */

static void unsafe_options_that_are_not_processed_get_4_02(void **state)
{
    static const struct {
        const char *in;
        const char *text;
    } rows[] = {
        {"35:coap://h/ 65002:", "option 65002"},    /* elective */
        {"35:coap://h/ 65003:#01", "option 65003"}, /* critical */
        {"35:coap://h/ 2050:", "option 2050"},
        {"35:coap://h/ 19:#01", "option 19"},     /* Q-Block1 */
        {"35:coap://h/ 31:#06", "option 31"},     /* Q-Block2 */
        {"35:coap://h/ 258:#02", "option 258"},   /* No-Response */
        {"35:coap://h/ 6:#01020304", "option 6"}, /* Observe of four bytes is no Observe (§5.4.3) */
        {"35:coap://h/ 6: 6:#01", "option 6"},    /* an extra copy (§5.4.5) */
        {"35:coap://h/ 35:coap://i/", "option 35"},
        {"3: 35:coap://h/", "option 3"},
        {"3:a 3:b 39:coap", "option 3"},
        {"3:h 7:#010203 39:coap", "option 7"},
        {"3:h 39:coap 39:coap", "option 39"},
        {"35:", "option 35"},
        {"14:#0102030405 35:coap://h/", "option 14"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        check_refused(CPS_GET, rows[i].in, CPS_BAD_OPTION, rows[i].text);
}

static void safe_options_pass_as_they_are(void **state)
{
    static const forward_t rows[] = {
        {"35:coap://h/ 65000:#00ff 65000: 65000:#00ff 65001:#80 2053:#fe 2053:#01",
         "3:h 16:#10 2053:#fe 2053:#01 65000:#00ff 65000: 65000:#00ff 65001:#80"},
        {"35:coap://h/ 9:#090c01 60:#ff", "3:h 9:#090c01 16:#10 60:#ff"}, /* OSCORE */
        {"1:#01 4:#02 4:#03 5: 12:#32 17:#28 35:coap://h/ 252:#aa 292:#bb",
         "1:#01 3:h 4:#02 4:#03 5: 12:2 16:#10 17:( 252:#aa 292:#bb"},
        {"1:#010203040506070809 35:coap://h/", "1:#010203040506070809 3:h 16:#10"}, /* for the origin to judge */
        {"17:#28 17:#32 35:coap://h/", "3:h 16:#10 17:( 17:2"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        check_forward(&last, &rows[i]);
}

static void observe_and_max_age_end_here(void **state)
{
    static const forward_t rows[] = {{"6: 35:coap://h/", "3:h 16:#10"},
                                     {"6:#01 9:#09 35:coap://h/", "3:h 9:#09 16:#10"},
                                     {"14:#05 35:coap://h/", "3:h 16:#10"}};
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        check_forward(&last, &rows[i]);
        check_forward(&chained,
                      &(forward_t){rows[i].in, strstr(rows[i].in, "9:#09") != NULL ? "9:#09 16:#10 35:coap://h/"
                                                                                   : "16:#10 35:coap://h/"});
    }
}

static void get_and_delete_carry_no_payload(void **state)
{
    (void)state;
    static const uint8_t codes[] = {CPS_GET, CPS_DELETE, CPS_PUT, CPS_FETCH, CPS_PATCH, CPS_IPATCH, CPS_CODE(0, 30)};
    for (size_t i = 0; i < COUNT(codes); i++) {
        cps_message_t message = message_of(codes[i], "35:coap://h/", "x");
        assert_int_equal(cps_proxy_read(&message, &request), CPS_PROXY_WANTS_FORWARD);
        assert_true(cps_proxy_rewrite(&message, &last, &request));
        assert_int_equal(request.payload.len, i < 2 ? 0 : 1);
    }
}

/* `head`, then 95 times `part`. */
static const char *many(const char *head, const char *part)
{
    static char out[TEXT_MAX];
    size_t len = (size_t)snprintf(out, sizeof out, "%s", head);
    for (int i = 0; i < 95; i++)
        len += (size_t)snprintf(out + len, sizeof out - len, "%s", part);
    return out;
}

static void too_many_options_are_too_large(void **state)
{
    (void)state;
    cps_message_t message = message_of(CPS_GET, many("35:coap://h/", " 65000:"), "");
    assert_int_equal(cps_proxy_read(&message, &request), CPS_PROXY_WANTS_FORWARD);
    assert_false(cps_proxy_rewrite(&message, &last, &request));
    assert_int_equal(request.refusal.reason, CPS_PROXY_TOO_LARGE);
    message = message_of(CPS_GET, many("35:coap://h", "/a"), "");
    assert_int_equal(cps_proxy_read(&message, &request), CPS_PROXY_WANTS_FORWARD);
    assert_false(cps_proxy_rewrite(&message, &last, &request));
    assert_int_equal(request.refusal.reason, CPS_PROXY_TOO_LARGE);
}

/* ---- Hop-Limit ---- */

static void hop_limit_is_one_byte_from_1_to_255(void **state)
{
    static const char *const wrong[] = {"16: 35:coap://h/",      "16:#00 35:coap://h/",        "16:#0100 35:coap://h/",
                                        "16:#0005 35:coap://h/", "16:#00 16:#05 35:coap://h/", "11:a 16:#00"};
    static const forward_t right[] = {{"16:#ff 35:coap://h/", "3:h 16:#fe"},
                                      {"16:#02 35:coap://h/", "3:h 16:#01"},
                                      {"16:#05 16:#00 35:coap://h/", "3:h 16:#04"}}; /* extra copies: ignored */
    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++)
        check_refused(CPS_GET, wrong[i], CPS_BAD_REQUEST, "Hop-Limit");
    for (size_t i = 0; i < COUNT(right); i++)
        check_forward(&last, &right[i]);
}

static void hop_limit_is_added_and_counted_down(void **state)
{
    static const cps_proxy_rules_t other = {"gw.example", 3, false};
    (void)state;
    check_forward(&last, &(forward_t){"35:coap://h/", "3:h 16:#10"});
    check_forward(&last, &(forward_t){"16:#10 35:coap://h/", "3:h 16:#0f"});
    check_forward(&chained, &(forward_t){"35:coap://h/", "16:#10 35:coap://h/"});
    check_forward(&other, &(forward_t){"35:coap://h/", "3:h 16:#03"});
}

static void the_last_hop_is_not_taken(void **state)
{
    cps_message_t message = message_of(CPS_GET, "16:#01 35:coap://h/", "");
    (void)state;
    assert_int_equal(cps_proxy_read(&message, &request), CPS_PROXY_WANTS_FORWARD);
    assert_false(cps_proxy_rewrite(&message, &last, &request));
    assert_int_equal(request.refusal.reason, CPS_PROXY_HOPS);
    assert_int_equal(cps_proxy_reason(CPS_PROXY_HOPS)->code, CPS_HOP_LIMIT_REACHED);
    assert_string_equal(request.refusal.text, "gw.example");
}

/* ---- answers ---- */

static cps_proxy_answer_t answer;

static bool judge(uint8_t code, const char *options, const char *payload)
{
    cps_message_t message = message_of(code, options, payload);
    print_message("# %s\n", options);
    return cps_proxy_judge_answer(&message, &last, 1232, &answer);
}

static void answers_pass_as_they_are(void **state)
{
    static const char *const rows[] = {"",          "12:( 14:#05", "4:#01 4:#02 8:a 8:b 20:q 252:#aa",
                                       "9:",        "14:",         "9:#01 2053:#ff 65000:#00ff 65000: 65001:#80",
                                       "1:#01 17:("}; /* not defined here, but Safe-to-Forward */
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_true(judge(CPS_CONTENT, rows[i], "hello"));
        assert_string_equal(show(answer.options, answer.option_count), rows[i]);
        assert_int_equal(answer.code, CPS_CONTENT);
        assert_bytes(CPS_BYTES_LIT("hello"), answer.payload);
    }
    assert_true(judge(CPS_CONTENT, "6:#05 12:(", "hello"));
    assert_string_equal(show(answer.options, answer.option_count), "12:(");
    assert_true(judge(CPS_VALID, "4:#01", "x")); /* RFC 7252 §5.9.1.3 */
    assert_int_equal(answer.payload.len, 0);
}

static void answers_with_unsafe_options_get_5_02(void **state)
{
    static const struct {
        const char *options;
        const char *text;
    } rows[] = {
        {"65002:#01", "option 65002"}, {"65003:", "option 65003"},      {"3:h", "option 3"},
        {"11:a", "option 11"},         {"14:#0102030405", "option 14"}, {"14:#01 14:#02", "option 14"},
        {"6:#01020304", "option 6"},   {"35:coap://h/", "option 35"},   {"19:", "option 19"},
        {"258:", "option 258"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_false(judge(CPS_CONTENT, rows[i].options, "secret"));
        assert_int_equal(cps_proxy_reason(answer.refusal.reason)->code, CPS_BAD_GATEWAY);
        assert_non_null(strstr(answer.refusal.text, rows[i].text));
        assert_null(strstr(answer.refusal.text, "secret"));
    }
}

static void the_name_goes_in_front_of_5_08(void **state)
{
    (void)state;
    assert_true(judge(CPS_HOP_LIMIT_REACHED, "", "p3 p4"));
    assert_bytes(CPS_BYTES_LIT("gw.example p3 p4"), answer.payload);
    assert_true(judge(CPS_HOP_LIMIT_REACHED, "", ""));
    assert_bytes(CPS_BYTES_LIT("gw.example"), answer.payload);
    assert_true(judge(CPS_HOP_LIMIT_REACHED, "", "gw.example.org xgw.example"));
    assert_bytes(CPS_BYTES_LIT("gw.example gw.example.org xgw.example"), answer.payload);
    cps_message_t bare = {.code = CPS_HOP_LIMIT_REACHED}; /* as a parsed message without payload: no pointer at all */
    assert_true(cps_proxy_judge_answer(&bare, &last, 1152, &answer));
    assert_bytes(CPS_BYTES_LIT("gw.example"), answer.payload);
    assert_true(judge(CPS_CONTENT, "", "gw.example")); /* no other code is touched */
    assert_bytes(CPS_BYTES_LIT("gw.example"), answer.payload);
}

static void a_5_08_that_was_here_is_not_passed_on(void **state)
{
    static const char *const rows[] = {"gw.example", "p1 gw.example", "gw.example p1", "p1 gw.example p2"};
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_false(judge(CPS_HOP_LIMIT_REACHED, "", rows[i]));
        assert_int_equal(answer.refusal.reason, CPS_PROXY_LOOP);
        assert_string_equal(answer.refusal.text, "gw.example");
    }
}

static void without_room_a_5_08_keeps_its_text(void **state)
{
    cps_message_t message = message_of(CPS_HOP_LIMIT_REACHED, "", "p3");
    size_t whole = 4 + 8 + 1 + strlen("gw.example p3");
    (void)state;
    assert_true(cps_proxy_judge_answer(&message, &last, whole, &answer));
    assert_bytes(CPS_BYTES_LIT("gw.example p3"), answer.payload);
    assert_true(cps_proxy_judge_answer(&message, &last, whole - 1, &answer));
    assert_bytes(CPS_BYTES_LIT("p3"), answer.payload);
}

static void refusals_are_plain_text(void **state)
{
    cps_proxy_refusal_t refusal;
    char long_text[400];
    (void)state;
    memset(long_text, 'a', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    cps_proxy_refuse(&refusal, CPS_PROXY_TARGET, long_text);
    assert_non_null(strstr(refusal.text, "aaa is not allowed here"));
    cps_proxy_refuse(&refusal, CPS_PROXY_NAME, "a\r\nb\x7f\xff");
    assert_string_equal(refusal.text, "no address for a??b??");
    for (int i = 0; i < CPS_PROXY_REASONS; i++) {
        const cps_proxy_reason_row_t *row = cps_proxy_reason((cps_proxy_reason_t)i);
        assert_true(row->counter != NULL && cps_code_class(row->code) >= 4 && row->format != NULL);
        assert_true((row->code == CPS_SERVICE_UNAVAILABLE) == (row->max_age_s != 0));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(row->counter, cps_proxy_reason((cps_proxy_reason_t)j)->counter);
    }
}

static const cps_case_t cases[] = {
    {"", "for an origin the URI is split into Uri-* and the form dropped", the_uri_is_split_for_an_origin},
    {"", "the next proxy gets the form that came", the_next_proxy_gets_the_form_that_came},
    {"", "Proxy-Uri wins over Uri-*", proxy_uri_wins_over_uri_options},
    {"PXY-3", "Proxy-Scheme replaces only the scheme", proxy_scheme_replaces_only_the_scheme},
    {"", "other schemes get 5.05, named", other_schemes_are_named_in_5_05},
    {"", "what is no URI gets 4.02", what_is_no_uri_gets_4_02},
    {"", "without Proxy-Uri and Proxy-Scheme it is for the proxy", without_a_form_it_is_for_us},
    {"", "Unsafe options that are not processed get 4.02", unsafe_options_that_are_not_processed_get_4_02},
    {"", "Safe-to-Forward options pass as they are", safe_options_pass_as_they_are},
    {"", "Observe and Max-Age of a request end at the proxy", observe_and_max_age_end_here},
    {"", "GET and DELETE go on without payload", get_and_delete_carry_no_payload},
    {"", "too many options are too large", too_many_options_are_too_large},
    {"", "Hop-Limit is one byte from 1 to 255", hop_limit_is_one_byte_from_1_to_255},
    {"", "Hop-Limit is added and counted down", hop_limit_is_added_and_counted_down},
    {"", "at the last hop it is 5.08", the_last_hop_is_not_taken},
    {"", "answers pass as they are", answers_pass_as_they_are},
    {"", "answers with Unsafe options get 5.02", answers_with_unsafe_options_get_5_02},
    {"", "the proxy's name goes in front of a 5.08", the_name_goes_in_front_of_5_08},
    {"", "a 5.08 that names the proxy is not passed on", a_5_08_that_was_here_is_not_passed_on},
    {"", "a 5.08 without room keeps its text", without_room_a_5_08_keeps_its_text},
    {"", "refusals are plain text, each reason once", refusals_are_plain_text},
};

CPS_RUN("proxy_rewrite", cases)
