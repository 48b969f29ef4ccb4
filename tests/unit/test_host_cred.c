// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.h"

#include "host/cred.h"

static const char whole[] = "name: \"door\"\n"
                            "peer: \"phone\"\n"
                            "for: \"coap://phone.local/**\"\n"
                            "master_secret: \"0102030405060708090a0b0c0d0e0f10\"\n"
                            "master_salt: \"9e7ca92223786340\"\n"
                            "id_context: \"37cbf3210017a2d3\"\n"
                            "sender_id: \"31\"\n"
                            "recipient_id: \"7a\"\n"
                            "algorithm: \"AES-CCM-16-64-128\"\n"
                            "hkdf: \"sha256\"\n"
                            "window: 32\n";

/* The least that a file may say. */
#define LEAST "name: a\nmaster_secret: 0102030405060708090a0b0c0d0e0f10\n"
#define IDS   "sender_id: 01\nrecipient_id: '02'\n"

/* ---- a folder with one file ---- */

typedef struct bench {
    box_t box;
    char path[160];
} bench_t;

static void put(bench_t *b, const char *text) { write_file(b->path, text, strlen(text)); }

static void begin(bench_t *b, const char *text)
{
    box_make(&b->box);
    snprintf(b->path, sizeof b->path, "%s/a.cred", b->box.dir);
    if (text != NULL)
        put(b, text);
}

static void finish(bench_t *b) { box_drop(&b->box); }

/* Read; the first error is in static storage. */
static cps_err_t read_as(const bench_t *b, bool weak, const char *folder, cps_cred_t *out, const char **said)
{
    static char text[1024];
    cps_conf_t c;
    cps_cred_options_t options = {weak, folder};
    cps_conf_init(&c, b->path);
    cps_err_t err = cps_cred_read(&c, &options, out);
    const char *first = cps_conf_error_text(&c, 0);
    assert_int_equal(err != CPS_OK, first != NULL);
    snprintf(text, sizeof text, "%s", first != NULL ? first : "");
    cps_conf_fini(&c);
    if (said != NULL)
        *said = text;
    return err;
}

static cps_err_t mark(const bench_t *b, const char **said)
{
    static char text[1024];
    cps_conf_t c;
    cps_conf_init(&c, b->path);
    cps_err_t err = cps_cred_mark_used(&c);
    const char *first = cps_conf_error_text(&c, 0);
    snprintf(text, sizeof text, "%s", first != NULL ? first : "");
    cps_conf_fini(&c);
    if (said != NULL)
        *said = text;
    return err;
}

/* ---- reading ---- */

static void a_whole_file_is_read(void **state)
{
    (void)state;
    bench_t b;
    cps_cred_t cred;
    begin(&b, whole);
    assert_ok(read_as(&b, false, NULL, &cred, NULL));
    const cps_store_key_t *k = &cred.key;
    assert_string_equal(k->name, "door");
    assert_string_equal(k->peer, "phone");
    assert_string_equal(k->pattern, "coap://phone.local/**");
    assert_bytes(hex("0102030405060708090a0b0c0d0e0f10"), cps_bytes(k->secret, k->secret_len));
    assert_bytes(hex("9e7ca92223786340"), cps_bytes(k->salt.data, k->salt.len));
    assert_true(k->has_id_context);
    assert_bytes(hex("37cbf3210017a2d3"), cps_bytes(k->id_context.data, k->id_context.len));
    assert_bytes(hex("31"), cps_bytes(k->sender_id.data, k->sender_id.len));
    assert_bytes(hex("7a"), cps_bytes(k->recipient_id.data, k->recipient_id.len));
    assert_int_equal(k->aead, 10);
    assert_int_equal(k->hash, 0);
    assert_int_equal(k->window, 32);
    assert_false(cred.used);
    finish(&b);
}

static void what_is_left_out_has_the_defaults_of_RFC_8613(void **state)
{
    (void)state;
    bench_t b;
    cps_cred_t cred;
    begin(&b, LEAST IDS);
    assert_ok(read_as(&b, false, NULL, &cred, NULL));
    assert_string_equal(cred.key.peer, "");
    assert_string_equal(cred.key.pattern, "");
    assert_int_equal(cred.key.salt.len, 0);
    assert_false(cred.key.has_id_context);
    assert_int_equal(cred.key.aead, 10);
    assert_int_equal(cred.key.window, 32);
    put(&b, LEAST IDS "id_context: ''\nalgorithm: 24\nhkdf: sha512\nwindow: 0\nused: true\n");
    assert_ok(read_as(&b, false, NULL, &cred, NULL));
    assert_true(cred.key.has_id_context);
    assert_int_equal(cred.key.id_context.len, 0);
    assert_int_equal(cred.key.aead, 24);
    assert_int_equal(cred.key.hash, 1);
    assert_int_equal(cred.key.window, 0);
    assert_true(cred.used);
    put(&b, LEAST "sender_id: ''\nrecipient_id: '02'\n"); /* an empty ID is one */
    assert_ok(read_as(&b, false, NULL, &cred, NULL));
    assert_int_equal(cred.key.sender_id.len, 0);
    finish(&b);
}

static const struct {
    const char *text;
    cps_err_t err;
    const char *said;
} wrong[] = {
    {"", CPS_ERR_CONFIG, ":1: name: is missing"},
    {LEAST "sender_id: 01\n", CPS_ERR_CONFIG, ":1: recipient_id: is missing"},
    {"name: a\n" IDS, CPS_ERR_CONFIG, ":1: master_secret: is missing"},
    {"- a\n", CPS_ERR_CONFIG, ":1: is not a file of keys"},
    {LEAST IDS "sender_id: 05\n", CPS_ERR_CONFIG, ":5: sender_id: stands here a second time"},
    {LEAST IDS "windwo: 5\n", CPS_ERR_CONFIG, ":5: windwo: unknown key; the nearest known one is \"window\""},
    {LEAST IDS "window: 65\n", CPS_ERR_CONFIG, ":5: window: \"65\" is out of range; write 0 to 64"},
    {LEAST IDS "algorithm: AES-CBC\n", CPS_ERR_ALGORITHM, ":5: algorithm: is not supported"},
    {LEAST IDS "algorithm: 10x\n", CPS_ERR_ALGORITHM, ":5: algorithm: is not supported"},
    {LEAST IDS "algorithm: 266\n", CPS_ERR_ALGORITHM, ":5: algorithm: is not supported"},
    {LEAST IDS "algorithm: -10\n", CPS_ERR_ALGORITHM, ":5: algorithm: is not supported"},
    {LEAST IDS "hkdf: md5\n", CPS_ERR_CONFIG, ":5: hkdf: \"md5\" is not one of sha256, sha512"},
    {LEAST "sender_id: 01\nrecipient_id: 01\n", CPS_ERR_BAD_ID, ":4: recipient_id: is equal to sender_id"},
    {LEAST "sender_id: ''\nrecipient_id: ''\n", CPS_ERR_BAD_ID, ":4: recipient_id: is equal to sender_id"},
    {LEAST "sender_id: '0102'\nrecipient_id: '02'\nalgorithm: AES-CCM-64-64-128\n", CPS_ERR_BAD_ID,
     ":3: sender_id: has 2 bytes; this algorithm takes 1"},
    {LEAST "sender_id: 01\nrecipient_id: '01020304050607'\nalgorithm: 1\n", CPS_ERR_BAD_ID,
     ":4: recipient_id: has 7 bytes; this algorithm takes 6"},
    {LEAST "sender_id: '0102030405060708'\nrecipient_id: '02'\n", CPS_ERR_CONFIG, ":3: sender_id:"},
    {"name: a/b\nmaster_secret: 0102030405060708090a0b0c0d0e0f10\n" IDS, CPS_ERR_CONFIG, ":1: name: is no name"},
    {"name: -a\nmaster_secret: 0102030405060708090a0b0c0d0e0f10\n" IDS, CPS_ERR_CONFIG, ":1: name: is no name"},
    {LEAST IDS "peer: 'a b'\n", CPS_ERR_CONFIG, ":5: peer: is no name"},
    {LEAST IDS "for: 'coap://a b'\n", CPS_ERR_CONFIG, ":5: for: is no URI pattern"},
    {"name: a\nmaster_secret: 0102030405060708090a0b0c0d0e0f\n" IDS, CPS_ERR_WEAK_SECRET,
     ":2: master_secret: has fewer than 16 bytes; --weak takes it all the same"},
};

static void a_wrong_file_says_why(void **state)
{
    (void)state;
    bench_t b;
    begin(&b, NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cps_cred_t cred;
        static const cps_cred_t nothing;
        const char *said;
        put(&b, wrong[i].text);
        cps_err_t err = read_as(&b, false, NULL, &cred, &said);
        if (err != wrong[i].err || strstr(said, wrong[i].said) == NULL || strncmp(said, b.path, strlen(b.path)) != 0)
            fail_msg("%s\ngives %s: %s", wrong[i].text, cps_err_name(err), said);
        assert_memory_equal(&cred, &nothing, sizeof cred);
    }
    cps_cred_t cred;
    const char *said;
    put(&b, "name: a\nmaster_secret: '01'\n" IDS);
    assert_ok(read_as(&b, true, NULL, &cred, NULL)); /* by leave */
    unlink(b.path);
    assert_err(CPS_ERR_IO, read_as(&b, false, NULL, &cred, &said));
    assert_non_null(strstr(said, "No such file or directory"));
    assert_int_equal(mkfifo(b.path, 0600), 0);
    assert_err(CPS_ERR_IO, read_as(&b, false, NULL, &cred, &said));
    assert_non_null(strstr(said, "is not a file"));
    finish(&b);
}

/* Wrong secrets of every sort, and no error shows a digit of one. */
static void no_error_shows_a_secret(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "name: a\nmaster_secret: c0ffeec0ffee\n" IDS,
        "name: a\nmaster_secret: c0ffeeXX\n" IDS,
        "name: a\nmaster_secret: [c0ffee]\n" IDS,
        "name: a\nmaster_secret: {c0ffee: 1}\n" IDS,
        "name: a\nmaster_secret: c0ffee\nmaster_secret: c0ffee\n" IDS,
        "name: a\nmaster_secre: c0ffee\n" IDS,
        "name: a\nmaster_secret: "
        "c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec"
        "0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffee\n" IDS,
        LEAST IDS "master_salt: c0ffeeZZ\n",
        "name: a\nmaster_secret: \"c0ffee\n",
    };
    bench_t b;
    begin(&b, NULL);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        cps_conf_t c;
        cps_cred_t cred;
        cps_cred_options_t options = {false, NULL};
        put(&b, texts[i]);
        cps_conf_init(&c, b.path);
        assert_int_not_equal(cps_cred_read(&c, &options, &cred), CPS_OK);
        for (size_t e = 0; e < c.error_count; e++)
            assert_null(strstr(cps_conf_error_text(&c, e), "c0ffee"));
        cps_conf_fini(&c);
    }
    finish(&b);
}

static void a_file_that_others_can_read_is_refused(void **state)
{
    (void)state;
    static const struct {
        mode_t mode;
        bool plain;   /* taken anywhere */
        bool granted; /* taken in $CREDENTIALS_DIRECTORY */
    } rows[] = {{0600, true, true},   {0400, true, true},   {0700, true, true},   {0440, false, true},
                {0640, false, true},  {0644, false, false}, {0604, false, false}, {0660, false, false},
                {0620, false, false}, {0601, false, false}};
    bench_t b;
    char other[200];
    begin(&b, whole);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cps_cred_t cred;
        const char *said;
        assert_int_equal(chmod(b.path, rows[i].mode), 0);
        assert_err(rows[i].plain ? CPS_OK : CPS_ERR_EXPOSED_SECRET, read_as(&b, false, NULL, &cred, &said));
        if (!rows[i].plain)
            assert_non_null(strstr(said, "chmod 600 "));
        assert_int_equal(strncmp(said, b.path, rows[i].plain ? 0 : strlen(b.path)), 0);
        cps_err_t err = rows[i].granted ? CPS_OK : CPS_ERR_EXPOSED_SECRET;
        assert_err(err, read_as(&b, false, b.box.dir, &cred, NULL));
        err = rows[i].plain ? CPS_OK : CPS_ERR_EXPOSED_SECRET;
        snprintf(other, sizeof other, "%s/a", b.box.dir); /* its name begins like the file's */
        assert_err(err, read_as(&b, false, other, &cred, NULL));
        assert_err(err, read_as(&b, false, "", &cred, NULL));
    }
    assert_int_equal(cps_err_exit(CPS_ERR_EXPOSED_SECRET), 2);
    bench_t out = b;
    snprintf(out.path, sizeof out.path, "%.100s/../%.40s", b.box.dir, strrchr(b.path, '/') + 1);
    cps_cred_t cred;
    assert_int_equal(rename(b.path, out.path), 0);
    assert_int_equal(chmod(out.path, 0640), 0);
    assert_err(CPS_ERR_EXPOSED_SECRET, read_as(&out, false, b.box.dir, &cred, NULL));
    unlink(out.path);
    finish(&b);
}

/* ---- writing ---- */

static void what_is_written_reads_back_the_same(void **state)
{
    (void)state;
    bench_t b;
    cps_cred_t cred;
    cps_cred_t again;
    struct stat st;
    static const char *const texts[] = {
        whole, LEAST IDS, LEAST IDS "id_context: ''\nalgorithm: 24\nhkdf: sha512\nwindow: 0\n",
        LEAST
        "sender_id: ''\nrecipient_id: '01020304050607'\nmaster_salt: 000102030405060708090a0b0c0d0e0f000102030405060"
        "708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        cps_conf_t c;
        begin(&b, texts[i]);
        assert_ok(read_as(&b, false, NULL, &cred, NULL));
        unlink(b.path);
        cps_conf_init(&c, b.path);
        mode_t before = umask(0777);
        assert_ok(cps_cred_write(&c, &cred.key));
        umask(before);
        assert_ok(read_as(&b, false, NULL, &again, NULL));
        assert_memory_equal(&cred.key, &again.key, sizeof cred.key);
        assert_true(again.fresh && !again.used && !cred.fresh); /* whoever writes by hand does not say so */
        assert_int_equal(stat(b.path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_err(CPS_ERR_EXISTS, cps_cred_write(&c, &cred.key));
        assert_non_null(strstr(cps_conf_error_text(&c, 0), "exists already"));
        cps_conf_fini(&c);
        finish(&b);
    }
}

static void a_key_that_nobody_could_import_is_not_written(void **state)
{
    (void)state;
    bench_t b;
    cps_cred_t good;
    begin(&b, whole);
    assert_ok(read_as(&b, false, NULL, &good, NULL));
    unlink(b.path);
    for (int i = 0; i < 9; i++) {
        cps_conf_t c;
        cps_store_key_t k = good.key;
        if (i == 0)
            k.aead = 99;
        else if (i == 1)
            k.hash = 7;
        else if (i == 2)
            k.window = 65;
        else if (i == 3)
            k.secret_len = 0;
        else if (i == 4)
            k.sender_id = k.recipient_id;
        else if (i == 5)
            k.sender_id.len = 8;
        else if (i == 6)
            set_name(&k, "a\nb");
        else if (i == 7)
            snprintf(k.peer, sizeof k.peer, "a b");
        else
            snprintf(k.pattern, sizeof k.pattern, "coap://\"");
        cps_conf_init(&c, b.path);
        assert_err(CPS_ERR_ARGUMENT, cps_cred_write(&c, &k));
        assert_int_equal(access(b.path, F_OK), -1);
        cps_conf_fini(&c);
    }
    cps_conf_t c;
    cps_conf_init(&c, "no/such/folder/a.cred");
    assert_err(CPS_ERR_IO, cps_cred_write(&c, &good.key));
    assert_non_null(strstr(cps_conf_error_text(&c, 0), "cannot be made: No such file or directory"));
    cps_conf_fini(&c);
    cps_conf_init(&c, "/dev/full"); /* exists: left alone */
    assert_err(CPS_ERR_EXISTS, cps_cred_write(&c, &good.key));
    cps_conf_fini(&c);
    finish(&b);
}

/* ---- marking ---- */

static void a_file_is_marked_once(void **state)
{
    (void)state;
    static const char *const texts[] = {whole, LEAST "sender_id: 01\nrecipient_id: '02'" /* no end of line */};
    for (size_t i = 0; i < 2; i++) {
        bench_t b;
        cps_cred_t cred;
        const char *said;
        begin(&b, texts[i]);
        assert_ok(mark(&b, NULL));
        assert_ok(read_as(&b, false, NULL, &cred, NULL));
        assert_true(cred.used);
        assert_err(CPS_ERR_EXISTS, mark(&b, &said));
        assert_non_null(strstr(said, "is marked as used"));
        size_t len;
        uint8_t *text = read_file(b.path, &len);
        assert_int_equal(memcmp(text, texts[i], strlen(texts[i])), 0); /* nothing before it changed */
        free(text);
        finish(&b);
    }
}

static void what_cannot_be_marked_stays_as_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        cps_err_t err;
    } rows[] = {{"{ name: a, master_secret: 0102030405060708090a0b0c0d0e0f10, sender_id: 01, recipient_id: '02' }\n",
                 CPS_ERR_CONFIG},
                {LEAST IDS "used: false\n", CPS_ERR_CONFIG},
                {LEAST IDS "...\n", CPS_ERR_CONFIG},
                {"name: [\n", CPS_ERR_CONFIG},
                {LEAST "sender_id: 01\nrecipient_id: 01\n", CPS_ERR_BAD_ID}};
    bench_t b;
    begin(&b, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len;
        put(&b, rows[i].text);
        assert_err(rows[i].err, mark(&b, NULL));
        uint8_t *text = read_file(b.path, &len);
        assert_bytes(cps_bytes_str(rows[i].text), cps_bytes(text, len));
        free(text);
    }
    unlink(b.path);
    assert_err(CPS_ERR_IO, mark(&b, NULL));
    finish(&b);
}

/* Of two that mark at once, one alone succeeds: here another process holds the file. */
static void one_importer_at_a_time(void **state)
{
    (void)state;
    bench_t b;
    const char *said;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    begin(&b, whole);
    int fd = open(b.path, O_RDWR | O_CLOEXEC);
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
    assert_err(CPS_ERR_BUSY, mark(&b, &said));
    assert_non_null(strstr(said, "is being imported by another command"));
    close(fd);
    assert_ok(mark(&b, NULL));
    finish(&b);
}

static void names_stand_in_files_and_lists(void **state)
{
    (void)state;
    char longest[CPS_STORE_NAME_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[CPS_STORE_NAME_MAX] = '\0';
    static const char *const good[] = {"a", "phone", "Phone-2.1_x@home", "0"};
    static const char *const bad[] = {"", "-a", ".a", "a b", "a/b", "a,b", "a:b", "*", "\xc3\xbc", "a\n"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(cps_cred_name_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(cps_cred_name_valid(bad[i]));
    assert_true(cps_cred_name_valid(longest));
    longest[CPS_STORE_NAME_MAX] = 'x';
    longest[CPS_STORE_NAME_MAX + 1] = '\0';
    assert_false(cps_cred_name_valid(longest));
}

static const cps_case_t cases[] = {
    {"", "a whole file is read", a_whole_file_is_read},
    {"", "what is left out has the defaults of RFC 8613", what_is_left_out_has_the_defaults_of_RFC_8613},
    {"", "a wrong file says why", a_wrong_file_says_why},
    {"", "no error shows a secret", no_error_shows_a_secret},
    {"", "a file that others can read is refused", a_file_that_others_can_read_is_refused},
    {"", "what is written reads back the same", what_is_written_reads_back_the_same},
    {"", "a key that nobody could import is not written", a_key_that_nobody_could_import_is_not_written},
    {"", "a file is marked once", a_file_is_marked_once},
    {"", "what cannot be marked stays as it is", what_cannot_be_marked_stays_as_it_is},
    {"", "one importer at a time", one_importer_at_a_time},
    {"", "names stand in files and lists", names_stand_in_files_and_lists},
};

CPS_RUN("host/cred", cases)
