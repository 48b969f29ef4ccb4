// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include "host/conf.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a table with one row of each kind ---- */

typedef struct item {
    const char *name;
    uint64_t fresh_us;
} item_t;

typedef struct every {
    bool on;
    uint32_t number;
    uint32_t factor;
    uint64_t size;
    uint64_t time;
    uint64_t pause; /* unset where 0 */
    const char *text;
    const char *file;
    uint32_t word;
    cps_conf_list_t listen;
    cps_conf_list_t nets;
    cps_conf_list_t names;
    cps_conf_list_t items;
    cps_bytes_t hex;
    cps_bytes_t secret;
    uint32_t peers;
    uint64_t memory;
} every_t;

static const char *const words[] = {"red", "green", NULL};

#define AT(k, kd, member) .key = (k), .kind = (kd), .offset = offsetof(every_t, member)

static void check_item(cps_conf_t *c, const char *path, void *out)
{
    const item_t *item = out;
    char at[CPS_CONF_PATH_MAX];
    if (item->name != NULL && strcmp(item->name, "bad") == 0)
        cps_conf_fail(c, CPS_ERR_BAD_ID, cps_conf_join(at, path, "name"), "is %s", "bad");
}

static const cps_conf_row_t item_rows[] = {
    {.key = "name", .kind = &cps_conf_string, .offset = offsetof(item_t, name), .required = true, .help = "Its name."},
    {.key = "fresh",
     .kind = &cps_conf_time,
     .offset = offsetof(item_t, fresh_us),
     .min = 1000,
     .max = CPS_TIME_NEVER,
     .fallback = "never",
     .help = "How old."},
};
static const cps_conf_table_t item_table = {item_rows, 2, sizeof(item_t), check_item};
static const cps_conf_row_t struct_item = {.kind = &cps_conf_struct, .table = &item_table};
static const cps_conf_row_t address_item = {.kind = &cps_conf_address};
static const cps_conf_row_t net_item = {.kind = &cps_conf_net};
static const cps_conf_row_t name_item = {.kind = &cps_conf_string, .min = 1, .max = 8};

static const cps_conf_row_t rows[] = {
    {AT("on", &cps_conf_bool, on), .fallback = "true", .help = "h"},
    {AT("number", &cps_conf_number, number), .min = 1, .max = 255, .fallback = "16", .help = "h"},
    {AT("factor", &cps_conf_factor, factor), .min = 1000, .max = 3000, .fallback = "1.5", .help = "h"},
    {AT("size", &cps_conf_size, size), .min = 512, .max = 1U << 30U, .fallback = "64MiB", .help = "h"},
    {AT("time", &cps_conf_time, time), .max = 3600000000U, .fallback = "2s", .help = "h"},
    {AT("pause", &cps_conf_time, pause), .min = 1, .max = 3600000000U, .help = "h"},
    {AT("text", &cps_conf_string, text), .max = 20, .help = "h"},
    {AT("file", &cps_conf_path, file), .min = 1, .help = "h"},
    {AT("word", &cps_conf_choice, word), .choices = words, .fallback = "green", .help = "h"},
    {AT("listen", &cps_conf_items, listen), .item = &address_item, .min = 1, .max = 4, .fallback = "[coap://127.0.0.1]",
     .help = "h"},
    {AT("nets", &cps_conf_items, nets), .item = &net_item, .fallback = "[]", .help = "h"},
    {AT("names", &cps_conf_items, names), .item = &name_item, .fallback = "[]", .help = "h"},
    {AT("items", &cps_conf_items, items), .item = &struct_item, .fallback = "[]", .help = "Things."},
    {AT("hex", &cps_conf_hex, hex), .min = 0, .max = 4, .help = "h"},
    {AT("secret", &cps_conf_hex, secret), .min = 2, .max = 4, .secret = true, .help = "h"},
    {AT("limits.peers", &cps_conf_number, peers), .min = 1, .max = 1000, .fallback = "100", .help = "h"},
    {AT("limits.memory", &cps_conf_size, memory), .max = 1U << 30U, .fallback = "1KiB", .help = "h"},
};
static const cps_conf_table_t table = {rows, sizeof rows / sizeof rows[0], sizeof(every_t), NULL};

static cps_err_t parse(cps_conf_t *c, const char *text, every_t *out)
{
    cps_conf_init(c, "a.yaml");
    return cps_conf_parse(c, cps_bytes_str(text), &table, out);
}

/* All errors that a text gives, one a line. */
static const char *errors_of(const char *text)
{
    static char all[8192];
    every_t out;
    cps_conf_t c;
    size_t at = 0;
    cps_err_t err = parse(&c, text, &out);
    all[0] = '\0';
    for (size_t i = 0; i < c.error_count; i++)
        at += (size_t)snprintf(all + at, sizeof all - at, "%s\n", cps_conf_error_text(&c, i));
    assert_null(cps_conf_error_text(&c, c.error_count));
    assert_int_equal(err != CPS_OK, c.error_count != 0);
    cps_conf_fini(&c);
    return all;
}

/* ---- cases ---- */

static void defaults_stand_where_a_file_is_silent(void **state)
{
    (void)state;
    static const char *const empty[] = {"", "\n\n", "# nothing\n", "---\n", "{}", "limits: {}"};
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        every_t out;
        cps_conf_t c;
        if (i == 3) { /* a document without value is none of keys */
            assert_string_equal(errors_of(empty[i]), "a.yaml:2: is not a file of keys; write key: value\n");
            continue;
        }
        assert_ok(parse(&c, empty[i], &out));
        assert_true(out.on);
        assert_int_equal(out.number, 16);
        assert_int_equal(out.factor, 1500);
        assert_true(out.size == 64U << 20U);
        assert_true(out.time == 2000000);
        assert_true(out.pause == 0);
        assert_null(out.text);
        assert_int_equal(out.word, 1);
        assert_int_equal(out.listen.count, 1);
        assert_int_equal(((cps_addr_t *)out.listen.items)->port, 5683);
        assert_int_equal(out.items.count, 0);
        assert_null(out.hex.ptr);
        assert_int_equal(out.peers, 100);
        assert_false(cps_conf_is_set(&c, "number"));
        assert_false(cps_conf_is_set(&c, "listen[0]"));
        cps_conf_fini(&c);
    }
}

static const char full[] = "on: false\n"
                           "number: 255\n"
                           "factor: 2.25\n"
                           "size: 8KiB\n"
                           "time: 1500ms\n"
                           "pause: 5m\n"
                           "text: \"a \\\"b\\\" \\\\ #c\"\n"
                           "file: './x: y.db'\n"
                           "word: red\n"
                           "listen: [coap://0.0.0.0:7, \"coap://[fe80::1%1]:8\"]\n"
                           "nets:\n"
                           "  - 10.0.0.0/8\n"
                           "  - \"fd00::/8\"\n"
                           "names: [ one, 'two' ]\n"
                           "items:\n"
                           "  - name: first\n"
                           "    fresh: 10s\n"
                           "  - { name: second }\n"
                           "hex: 0aff\n"
                           "secret: \"a1b2c3\"\n"
                           "limits: { peers: 7, memory: 0 }\n";

static void every_kind_is_read(void **state)
{
    (void)state;
    every_t out;
    cps_conf_t c;
    char text[CPS_ADDR_TEXT_MAX];
    assert_ok(parse(&c, full, &out));
    assert_false(out.on);
    assert_int_equal(out.number, 255);
    assert_int_equal(out.factor, 2250);
    assert_true(out.size == 8192);
    assert_true(out.time == 1500000);
    assert_true(out.pause == 300000000);
    assert_string_equal(out.text, "a \"b\" \\ #c");
    assert_string_equal(out.file, "./x: y.db");
    assert_int_equal(out.word, 0);
    assert_int_equal(out.listen.count, 2);
    assert_string_equal(cps_addr_format((cps_addr_t *)out.listen.items + 1, text), "[fe80::1%1]:8");
    assert_int_equal(out.nets.count, 2);
    assert_string_equal(cps_net_format((cps_net_t *)out.nets.items + 1, text), "fd00::/8");
    assert_int_equal(out.names.count, 2);
    assert_string_equal(((const char **)out.names.items)[1], "two");
    assert_int_equal(out.items.count, 2);
    assert_string_equal(((item_t *)out.items.items)[0].name, "first");
    assert_true(((item_t *)out.items.items)[0].fresh_us == 10000000);
    assert_true(((item_t *)out.items.items)[1].fresh_us == CPS_TIME_NEVER);
    assert_bytes(hex("0aff"), out.hex);
    assert_bytes(hex("a1b2c3"), out.secret);
    assert_int_equal(out.peers, 7);
    assert_true(out.memory == 0);
    assert_int_equal(cps_conf_line(&c, "items[0].fresh"), 17);
    assert_int_equal(cps_conf_line(&c, "items[1].fresh"), 18);
    assert_int_equal(cps_conf_line(&c, "nowhere"), 1);
    assert_true(cps_conf_is_set(&c, "limits.peers"));
    cps_conf_fini(&c);
}

static void one_pass_finds_all_errors_in_the_order_of_lines(void **state)
{
    (void)state;
    assert_string_equal(errors_of("items:\n"
                                  "  - name: a\n"
                                  "    fresh: 10 parsecs\n"
                                  "  - fresh: 5m\n"
                                  "  - { name: bad }\n"
                                  "listne: [coap://0.0.0.0:5683]\n"
                                  "limits:\n"
                                  "  peers: many\n"
                                  "  memroy: 1KiB\n"
                                  "number: 256\n"
                                  "on: yes\n"),
                        "a.yaml:3: items[0].fresh: \"10 parsecs\" is not a time; write 500ms, 10s, 5m or never\n"
                        "a.yaml:4: items[1].name: is missing\n"
                        "a.yaml:5: items[2].name: is bad\n"
                        "a.yaml:6: listne: unknown key; the nearest known one is \"listen\"\n"
                        "a.yaml:8: limits.peers: \"many\" is not a whole number\n"
                        "a.yaml:9: limits.memroy: unknown key; the nearest known one is \"memory\"\n"
                        "a.yaml:10: number: \"256\" is out of range; write 1 to 255\n"
                        "a.yaml:11: on: \"yes\" is neither true nor false\n");
}

typedef struct wrong {
    const char *text;
    const char *error;
} wrong_t;

static const wrong_t wrong_values[] = {
    {"number: -1", "number: \"-1\" is not a whole number"},
    {"number: 1.0", "number: \"1.0\" is not a whole number"},
    {"number: 0", "number: \"0\" is out of range; write 1 to 255"},
    {"number: 99999999999999999999999", "number: \"99999999999999999999999\" is not a whole number"},
    {"number: [1]", "number: is a list; write one number"},
    {"number: {a: 1}", "number: is a group of keys; write one number"},
    {"number:", "number: has no value"},
    {"number: ~", "number: has no value"},
    {"number: null", "number: has no value"},
    {"factor: 0.9", "factor: \"0.9\" is out of range; write 1 to 3"},
    {"factor: 1.", "factor: \"1.\" is not a factor; write 1.5"},
    {"factor: 1.2345", "factor: \"1.2345\" is not a factor; write 1.5"},
    {"factor: x", "factor: \"x\" is not a factor; write 1.5"},
    {"size: 64MB", "size: \"64MB\" is not a size; write 512, 64KiB, 8MiB or 1GiB"},
    {"size: 18446744073709551615GiB",
     "size: \"18446744073709551615GiB\" is not a size; write 512, 64KiB, 8MiB or 1GiB"},
    {"size: 511", "size: \"511\" is out of range; write 512 to 1GiB"},
    {"time: 10", "time: \"10\" is not a time; write 500ms, 10s or 5m"},
    {"time: never", "time: \"never\" is not a time; write 500ms, 10s or 5m"},
    {"time: 2h", "time: \"2h\" is out of range; write 0s to 1h"},
    {"items: [{name: a, fresh: 1us}]", "items[0].fresh: \"1us\" is out of range; write 1ms or more, or never"},
    {"text: 123456789012345678901", "text: \"123456789012345678901\" is too long"},
    {"file: ''", "file: \"\" is too short"},
    {"word: blue", "word: \"blue\" is not one of red, green"},
    {"listen: coap://0.0.0.0", "listen: is not a list; write [one, two]"},
    {"listen: []", "listen: has 0 items; 1 to 4 are taken"},
    {"listen: [coap://host]",
     "listen[0]: \"coap://host\" is not an address; write coap://0.0.0.0:5683 or \"coap://[::]:5683\""},
    {"listen: [0.0.0.0:5683]",
     "listen[0]: \"0.0.0.0:5683\" is not an address; write coap://0.0.0.0:5683 or \"coap://[::]:5683\""},
    {"nets: [10.0.0.1/8]", "nets[0]: \"10.0.0.1/8\" is not a network; write 10.0.0.0/8, 192.0.2.1 or \"fd00::/8\""},
    {"names: [~]", "names[0]: has no value"},
    {"names: [a, toolongname]", "names[1]: \"toolongname\" is too long"},
    {"items: [x]", "items[0]: is not a group of keys; write { key: value }"},
    {"items: [{name: a, b: 1}]", "items[0].b: unknown key; the nearest known one is \"name\""},
    {"hex: 0g", "hex: \"0g\" is not hex; write two digits a byte, like 01ab"},
    {"hex: '0102030405'", "hex: \"0102030405\" has 5 bytes; 0 to 4 are taken"},
    {"limits: 5", "limits: is a group of keys; write limits: { key: value }"},
    {"limits.peers: 5", "limits.peers: unknown key; the nearest known one is \"limits\""},
    {"peers: 5", "peers: unknown key; the nearest known one is \"limits.peers\""},
    {"number: 1\nnumber: 1", "number: stands here a second time; the first is in line 1"},
    {"limits: {peers: 1}\nlimits: {memory: 1}", "limits: stands here a second time; the first is in line 1"},
    {"\"num\\nber\\e[2J\": 1", "num?ber?[2J: unknown key; the nearest known one is \"number\""},
    {"word: \"\\e[2J\"", "word: \"?[2J\" is not one of red, green"},
};

static const wrong_t wrong_documents[] = {
    {"- a\n- b", "is not a file of keys; write key: value"},
    {"on: true\n  number: 5", "mapping values are not allowed in this context"},
    {"on: [true", "did not find expected ',' or ']'"},
    {"on: &a true", "anchors are not taken"},
    {"names: &a [x]", "anchors are not taken"},
    {"on: *a", "aliases are not taken"},
    {"on: !!str true", "tags are not taken"},
    {"limits: !x {}", "tags are not taken"},
    {"text: \"a\\0b\"", "a zero byte is not taken"},
    {"on: true\n---\non: false", "a second document begins here; one file holds one"},
    {"? [a]\n: b", "a key has to be one word"},
    {"text: \xff", "invalid leading UTF-8 octet"},
    {"a: [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", "nested too deep"},
};

/* That each text gives its error and no other. */
static void assert_wrong(const wrong_t *wrong, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *errors = errors_of(wrong[i].text);
        if (strncmp(errors, "a.yaml:", 7) != 0 || strstr(errors, wrong[i].error) == NULL ||
            strchr(errors, '\n') != errors + strlen(errors) - 1)
            fail_msg("%s\ngives: %s", wrong[i].text, errors);
    }
}

static void wrong_values_say_what_is_allowed(void **state)
{
    (void)state;
    assert_wrong(wrong_values, sizeof wrong_values / sizeof wrong_values[0]);
}

static void wrong_documents_are_refused(void **state)
{
    (void)state;
    assert_wrong(wrong_documents, sizeof wrong_documents / sizeof wrong_documents[0]);
}

/* The error of a check is the one that the caller gets, and none follows from another at the same key. */
static void checks_name_line_and_key(void **state)
{
    (void)state;
    every_t out;
    cps_conf_t c;
    assert_err(CPS_ERR_BAD_ID, parse(&c, "items:\n  - {\n     name: bad }\n", &out));
    assert_string_equal(cps_conf_error_text(&c, 0), "a.yaml:3: items[0].name: is bad");
    assert_true(cps_conf_is_bad(&c, "items[0].name"));
    cps_conf_fail(&c, CPS_ERR_CONFIG, "items[0].name", "again");
    assert_int_equal(c.error_count, 1);
    cps_conf_fail(&c, CPS_ERR_CONFIG, "items[0].fresh", "where its struct stands");
    assert_string_equal(cps_conf_error_text(&c, 0), "a.yaml:2: items[0].fresh: where its struct stands");
    cps_conf_fail(&c, CPS_ERR_CONFIG, "limits.peers", "nowhere");
    assert_string_equal(cps_conf_error_text(&c, 0), "a.yaml:1: limits.peers: nowhere");
    cps_conf_fini(&c);
}

static void secrets_are_never_shown(void **state)
{
    (void)state;
    static const char *const texts[] = {"secret: c0ffee1",  "secret: c0ffee0102", "secret: c0",
                                        "secret: c0ffeeXX", "secret: [c0ffee]",   "secret: c0ffee\nnumber: x"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *errors = errors_of(texts[i]);
        assert_int_not_equal(errors[0], '\0');
        assert_null(strstr(errors, "c0"));
    }
    every_t out;
    cps_conf_t c;
    char *text = NULL;
    size_t len = 0;
    assert_ok(parse(&c, full, &out));
    FILE *file = open_memstream(&text, &len);
    cps_conf_dump(file, &table, &out);
    assert_int_equal(fclose(file), 0);
    assert_null(strstr(text, "a1b2c3"));
    assert_non_null(strstr(text, "0aff"));
    free(text);
    cps_conf_fini(&c);
}

static char *dump_of(const char *text)
{
    every_t out;
    cps_conf_t c;
    char *dump = NULL;
    size_t len = 0;
    assert_ok(parse(&c, text, &out));
    FILE *file = open_memstream(&dump, &len);
    cps_conf_dump(file, &table, &out);
    assert_int_equal(fclose(file), 0);
    cps_conf_fini(&c);
    return dump;
}

static void dump_reads_back_the_same(void **state)
{
    (void)state;
    char *once = dump_of(full);
    char *twice = dump_of(once);
    assert_string_equal(once, twice);
    assert_string_equal(once, "on: false\n"
                              "number: 255\n"
                              "factor: 2.250\n"
                              "size: 8KiB\n"
                              "time: 1500ms\n"
                              "pause: 5m\n"
                              "text: \"a \\\"b\\\" \\\\ #c\"\n"
                              "file: \"./x: y.db\"\n"
                              "word: red\n"
                              "listen: [ \"coap://0.0.0.0:7\", \"coap://[fe80::1%1]:8\" ]\n"
                              "nets: [ \"10.0.0.0/8\", \"fd00::/8\" ]\n"
                              "names: [ \"one\", \"two\" ]\n"
                              "items:\n"
                              "  - name: \"first\"\n"
                              "    fresh: 10s\n"
                              "  - name: \"second\"\n"
                              "    fresh: never\n"
                              "hex: \"0aff\"\n"
                              "limits:\n"
                              "  peers: 7\n"
                              "  memory: 0\n");
    free(once);
    free(twice);
    char *plain = dump_of("");
    char *again = dump_of(plain);
    assert_string_equal(plain, again);
    free(plain);
    free(again);
}

static void help_shows_kind_range_and_default(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    cps_conf_help(file, &table);
    assert_int_equal(fclose(file), 0);
    assert_non_null(strstr(text, "\nnumber (number, 1 to 255; default 16)\n    h\n"));
    assert_non_null(strstr(text, "\nfactor (factor, 1 to 3; default 1.5)\n"));
    assert_non_null(strstr(text, "\nsize (size, 512 to 1GiB; default 64MiB)\n"));
    assert_non_null(strstr(text, "\nword (word, red, green; default green)\n"));
    assert_non_null(strstr(text, "\nlisten (list of: address; default [coap://127.0.0.1])\n"));
    assert_non_null(strstr(text, "\nitems (list of: group of keys; default [])\n    Things.\n"
                                 "items[].name (text; needed)\n    Its name.\n"
                                 "items[].fresh (time, 1ms or more, or never; default never)\n    How old.\n"));
    free(text);
}

static void errors_have_a_limit(void **state)
{
    (void)state;
    static char text[8192];
    every_t out;
    cps_conf_t c;
    size_t at = 0;
    for (int i = 0; i < 300; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "unknown%d: 1\n", i);
    assert_err(CPS_ERR_CONFIG, parse(&c, text, &out));
    assert_int_equal(c.error_count, CPS_CONF_ERRORS_MAX);
    cps_conf_fini(&c);
}

static void files_are_read_and_their_failures_named(void **state)
{
    (void)state;
    every_t out;
    cps_conf_t c;
    char name[] = "conf-test-XXXXXX";
    int fd = mkstemp(name);
    assert_int_equal(write(fd, "number: 9\n", 10), 10);
    close(fd);
    cps_conf_init(&c, name);
    assert_ok(cps_conf_load(&c, &table, &out));
    assert_int_equal(out.number, 9);
    cps_conf_fini(&c);
    assert_int_equal(truncate(name, 1048577), 0); /* zeros behind it: too long before it is anything else */
    cps_conf_init(&c, name);
    assert_err(CPS_ERR_CONFIG, cps_conf_load(&c, &table, &out));
    assert_non_null(strstr(cps_conf_error_text(&c, 0), ":1: larger than 1 MiB"));
    cps_conf_fini(&c);
    unlink(name);
    cps_conf_init(&c, "no/such.yaml");
    assert_err(CPS_ERR_IO, cps_conf_load(&c, &table, &out));
    assert_string_equal(cps_conf_error_text(&c, 0), "no/such.yaml: No such file or directory");
    cps_conf_fini(&c);
    cps_conf_init(&c, ".");
    assert_err(CPS_ERR_IO, cps_conf_load(&c, &table, &out));
    assert_string_equal(cps_conf_error_text(&c, 0), ".: Is a directory");
    cps_conf_fini(&c);
}

static const cps_case_t cases[] = {
    {"", "defaults stand where a file is silent", defaults_stand_where_a_file_is_silent},
    {"", "every kind of value is read", every_kind_is_read},
    {"", "one pass finds all errors, in the order of lines", one_pass_finds_all_errors_in_the_order_of_lines},
    {"", "a wrong value is told what is allowed", wrong_values_say_what_is_allowed},
    {"", "a document that is not one of keys is refused", wrong_documents_are_refused},
    {"", "checks name line and key", checks_name_line_and_key},
    {"", "secrets are never shown", secrets_are_never_shown},
    {"", "a dump reads back the same", dump_reads_back_the_same},
    {"", "the help shows kind, range and default", help_shows_kind_range_and_default},
    {"", "errors have a limit", errors_have_a_limit},
    {"", "files are read and their failures named", files_are_read_and_their_failures_named},
};

CPS_RUN("host/conf", cases)
