// SPDX-License-Identifier: Apache-2.0
/* run-tests: long. The CBOR reader and writer against libcbor: what one takes, the other reads the same, but for what
 * deterministic encoding leaves out. */
#include "gen.h"

#include "wire/cbor.h"

#include <cbor.h>
#include <dirent.h>
#include <iconv.h>
#include <stdio.h>

enum { CASES = 20000, INPUT_MAX = 600 };

/* ---- one head by libcbor ---- */

typedef struct head {
    int type; /* cps_cbor_type_t, or -1 for what the subset does not have */
    uint64_t value;
    cps_bytes_t bytes;
} head_t;

static void set(void *user, cps_cbor_type_t type, uint64_t value) { *(head_t *)user = (head_t){(int)type, value, {0}}; }

static void on_uint8(void *user, uint8_t v) { set(user, CPS_CBOR_UINT, v); }
static void on_uint16(void *user, uint16_t v) { set(user, CPS_CBOR_UINT, v); }
static void on_uint32(void *user, uint32_t v) { set(user, CPS_CBOR_UINT, v); }
static void on_uint64(void *user, uint64_t v) { set(user, CPS_CBOR_UINT, v); }
static void on_negint8(void *user, uint8_t v) { set(user, CPS_CBOR_NINT, v); }
static void on_negint16(void *user, uint16_t v) { set(user, CPS_CBOR_NINT, v); }
static void on_negint32(void *user, uint32_t v) { set(user, CPS_CBOR_NINT, v); }
static void on_negint64(void *user, uint64_t v) { set(user, CPS_CBOR_NINT, v); }
static void on_array(void *user, size_t count) { set(user, CPS_CBOR_ARRAY, count); }
static void on_map(void *user, size_t count) { set(user, CPS_CBOR_MAP, count); }
static void on_tag(void *user, uint64_t tag) { set(user, CPS_CBOR_TAG, tag); }
static void on_bool(void *user, bool v) { set(user, CPS_CBOR_SIMPLE, v ? 21 : 20); }
static void on_null(void *user) { set(user, CPS_CBOR_SIMPLE, 22); }
static void on_other(void *user) { ((head_t *)user)->type = -1; }
static void on_float(void *user, float v)
{
    (void)v;
    on_other(user);
}
static void on_double(void *user, double v)
{
    (void)v;
    on_other(user);
}

static void on_bstr(void *user, cbor_data data, size_t len)
{
    *(head_t *)user = (head_t){CPS_CBOR_BSTR, len, cps_bytes(data, len)};
}

static void on_tstr(void *user, cbor_data data, size_t len)
{
    *(head_t *)user = (head_t){CPS_CBOR_TSTR, len, cps_bytes(data, len)};
}

static const struct cbor_callbacks callbacks = {.uint8 = on_uint8,
                                                .uint16 = on_uint16,
                                                .uint32 = on_uint32,
                                                .uint64 = on_uint64,
                                                .negint8 = on_negint8,
                                                .negint16 = on_negint16,
                                                .negint32 = on_negint32,
                                                .negint64 = on_negint64,
                                                .byte_string_start = on_other,
                                                .byte_string = on_bstr,
                                                .string = on_tstr,
                                                .string_start = on_other,
                                                .indef_array_start = on_other,
                                                .array_start = on_array,
                                                .indef_map_start = on_other,
                                                .map_start = on_map,
                                                .tag = on_tag,
                                                .float2 = on_float,
                                                .float4 = on_float,
                                                .float8 = on_double,
                                                .undefined = on_other,
                                                .null = on_null,
                                                .boolean = on_bool,
                                                .indef_break = on_other};

/* ---- why ours may refuse what libcbor takes ---- */

static bool is_utf8(cps_bytes_t text)
{
    char in[INPUT_MAX];
    char out[4 * INPUT_MAX + 4];
    assert_true(text.len <= sizeof in);
    cps_copy(in, text.ptr, text.len);
    iconv_t to = iconv_open("UTF-32LE", "UTF-8");
    assert_true(to != (iconv_t)-1); // NOLINT(performance-no-int-to-ptr): so iconv_open says that it failed
    char *from = in;
    char *at = out;
    size_t left = text.len;
    size_t room = sizeof out;
    bool ok = text.len == 0 || iconv(to, &from, &left, &at, &room) != (size_t)-1;
    iconv_close(to);
    return ok;
}

/* Bytes of the shortest head, by libcbor's own encoders. */
static size_t shortest(const head_t *head)
{
    uint8_t out[9];
    switch (head->type) {
    case CPS_CBOR_UINT:
        return cbor_encode_uint(head->value, out, sizeof out);
    case CPS_CBOR_NINT:
        return cbor_encode_negint(head->value, out, sizeof out);
    case CPS_CBOR_BSTR:
        return cbor_encode_bytestring_start((size_t)head->value, out, sizeof out);
    case CPS_CBOR_TSTR:
        return cbor_encode_string_start((size_t)head->value, out, sizeof out);
    case CPS_CBOR_ARRAY:
        return cbor_encode_array_start((size_t)head->value, out, sizeof out);
    case CPS_CBOR_MAP:
        return cbor_encode_map_start((size_t)head->value, out, sizeof out);
    case CPS_CBOR_TAG:
        return cbor_encode_tag(head->value, out, sizeof out);
    default:
        return 1;
    }
}

static bool is_of_subset(const head_t *head, size_t read)
{
    return head->type >= 0 && read == shortest(head) + head->bytes.len &&
           (head->type != CPS_CBOR_TSTR || is_utf8(head->bytes));
}

/* libcbor 0.8 refuses tags 6 to 20 in one byte, though RFC 8949 §3.4 has them like any other (18 is COSE_Sign1). */
static bool is_unknown_tag(uint8_t first) { return first >= 0xc6 && first <= 0xd4; }

/* ---- comparing ---- */

/* Every head of the input, as far as ours reads. Whether the first that ours refuses is refused rightly, too. */
static unsigned compare_heads(cps_bytes_t in)
{
    cps_reader_t r = cps_reader(in);
    unsigned same = 0;
    while (cps_reader_left(&r) > 0) {
        cps_cbor_item_t item;
        head_t head = {-1, 0, {0}};
        const uint8_t *start = r.cur;
        size_t left = cps_reader_left(&r);
        struct cbor_decoder_result theirs = cbor_stream_decode(start, left, &callbacks, &head);
        bool taken = theirs.status == CBOR_DECODER_FINISHED && is_of_subset(&head, theirs.read);
        bool ok = cps_cbor_next(&r, &item) == CPS_OK;
        if (is_unknown_tag(*start)) {
            assert_true(ok && theirs.status == CBOR_DECODER_ERROR);
            continue;
        }
        if (ok != taken)
            fail_msg("head at %zu (%02x): ours %d, libcbor %d (status %d, type %d)", (size_t)(start - in.ptr), *start,
                     ok, taken, (int)theirs.status, head.type);
        if (!ok)
            break;
        assert_int_equal(theirs.read, (size_t)(r.cur - start));
        assert_int_equal(head.type, item.type);
        assert_true(head.value == item.value && cps_bytes_equal(head.bytes, item.bytes));
        same++;
    }
    return same;
}

/* A whole item that ours takes is one for libcbor, which encodes it to the same bytes. */
static unsigned compare_whole(cps_bytes_t in)
{
    static uint8_t out[INPUT_MAX];
    cps_reader_t r = cps_reader(in);
    struct cbor_load_result result;
    if (cps_cbor_skip(&r) != CPS_OK)
        return 0;
    size_t len = (size_t)(r.cur - in.ptr);
    cbor_item_t *item = cbor_load(in.ptr, in.len, &result);
    if (item == NULL && is_unknown_tag(in.ptr[result.error.position]))
        return 0;
    if (item == NULL)
        fail_msg("libcbor refuses at %zu (%d)", result.error.position, (int)result.error.code);
    assert_int_equal(result.read, len);
    assert_int_equal(cbor_serialize(item, out, sizeof out), len);
    assert_bytes(cps_bytes(in.ptr, len), cps_bytes(out, len));
    cbor_decref(&item);
    return 1;
}

/* ---- inputs ---- */

static void any_item(gen_t *g, cps_writer_t *w, unsigned depth)
{
    static uint8_t buf[300];
    static const char *const texts[] = {"", "a", "Encrypt0", "\xc3\xa9", "\xf0\x9f\x94\x92"};
    uint64_t number = 0;
    cps_rng_fill(&g->rng, &number, sizeof number);
    number >>= gen_below(g, 64);
    size_t count = gen_below(g, 4);
    switch (gen_below(g, depth > 0 ? 8 : 5)) {
    case 0:
        cps_cbor_put_uint(w, number);
        return;
    case 1:
        cps_cbor_put_int(w, -1 - (int64_t)(number >> 1U));
        return;
    case 2:
        cps_cbor_put_bstr(w, gen_bytes(g, buf, gen_len(g, sizeof buf)));
        return;
    case 3:
        cps_cbor_put_tstr(w, texts[gen_below(g, sizeof texts / sizeof texts[0])]);
        return;
    case 4:
        count == 0 ? cps_cbor_put_null(w) : cps_cbor_put_bool(w, count == 1);
        return;
    case 5:
        cps_cbor_put_tag(w, is_unknown_tag((uint8_t)(0xc0U + (number < 24 ? number : 0))) ? 24 : number);
        any_item(g, w, depth - 1);
        return;
    case 6:
        cps_cbor_put_array(w, count);
        break;
    default:
        cps_cbor_put_map(w, count);
        for (size_t i = 0; i < count; i++) {
            cps_cbor_put_uint(w, i);
            any_item(g, w, depth - 1);
        }
        return;
    }
    for (size_t i = 0; i < count; i++)
        any_item(g, w, depth - 1);
}

static void random_inputs_are_read_the_same(void **state)
{
    (void)state;
    gen_t g;
    uint8_t buf[INPUT_MAX];
    unsigned heads = 0;
    unsigned whole = 0;
    gen_init(&g, "cbor by libcbor", CASES);
    for (unsigned i = 0; i < CASES; i++) {
        cps_writer_t w = cps_writer(buf, sizeof buf);
        any_item(&g, &w, 4);
        size_t len = cps_written(&w).len;
        if (gen_one_in(&g, 2))
            len = gen_mutate(&g, buf, len, sizeof buf);
        if (gen_one_in(&g, 16))
            len = gen_bytes(&g, buf, gen_below(&g, 64)).len;
        uint8_t *tight = gen_tight(cps_bytes(buf, len));
        heads += compare_heads(cps_bytes(tight, len));
        whole += compare_whole(cps_bytes(tight, len));
        free(tight);
    }
    print_message("# %u heads and %u whole items are the same\n", heads, whole);
    assert_true(heads > CASES && whole > CASES / 4);
}

/* A head with that value in as many bytes as `info` says, and bytes behind it that it may be the length of. */
static void compare_head_of(unsigned type, unsigned info, uint64_t value)
{
    uint8_t buf[9 + 64];
    size_t width = info >= 24 && info < 28 ? (size_t)1 << (info - 24) : 0;
    memset(buf, 'a', sizeof buf);
    buf[0] = (uint8_t)(type << 5U | info);
    for (size_t at = 0; at < width; at++)
        buf[width - at] = (uint8_t)(value >> (8 * at));
    (void)compare_heads(cps_bytes(buf, sizeof buf));
    (void)compare_heads(cps_bytes(buf, 1 + width));
    (void)compare_whole(cps_bytes(buf, sizeof buf));
}

static void heads_of_every_width_are_read_the_same(void **state)
{
    (void)state;
    static const uint64_t values[] = {0,         1,          22,          23,          24,        25,
                                      31,        32,         33,          254,         255,       256,
                                      257,       65534,      65535,       65536,       65537,     1U << 20U,
                                      1U << 30U, UINT32_MAX, 1ULL << 32U, 1ULL << 40U, INT64_MAX, UINT64_MAX};
    for (unsigned type = 0; type < 8; type++)
        for (unsigned info = 0; info < 32; info++)
            for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
                compare_head_of(type, info, values[i]);
}

static void kept_inputs_are_read_the_same(void **state)
{
    (void)state;
    static const char folder[] = CPS_SOURCE_DIR "/fuzz/corpus/fuzz_cbor";
    uint8_t buf[INPUT_MAX];
    char path[512];
    unsigned count = 0;
    struct dirent **names = NULL;
    int found = scandir(folder, &names, NULL, alphasort);
    assert_true(found > 0);
    for (int i = 0; i < found; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        bool hidden = names[i]->d_name[0] == '.';
        free(names[i]);
        if (hidden)
            continue;
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        size_t len = fread(buf, 1, sizeof buf, file);
        (void)fclose(file);
        (void)compare_heads(cps_bytes(buf, len));
        (void)compare_whole(cps_bytes(buf, len));
        count++;
    }
    free(names);
    assert_true(count >= 5);
}

static const cps_case_t cases[] = {
    {"", "random inputs are read the same", random_inputs_are_read_the_same},
    {"", "heads of every width are read the same", heads_of_every_width_are_read_the_same},
    {"", "kept inputs are read the same", kept_inputs_are_read_the_same},
};

CPS_RUN("cbor_diff", cases)
