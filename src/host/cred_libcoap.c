// SPDX-License-Identifier: Apache-2.0
/* OSCORE configuration files of libcoap: lines of keyword,encoding,value. */
#include "host/cred_foreign.h"

#include "crypto/provider.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define TEXT_MAX  16384U
#define PATH_ROOM 4096U
#define SPENT     "1099511627776" /* 2^40 */
#define HKDF_256  (-10)           /* direct+HKDF-SHA-256 */
#define HKDF_512  (-11)

/* What a file says; its text is here too. */
typedef struct config {
    char text[TEXT_MAX];
    cps_conf_mem_t mem;
    cps_cred_raw_t raw;
} config_t;

/* The two paths of FILE[,SEQ]. */
typedef struct paths {
    char file[PATH_ROOM];
    char numbers[PATH_ROOM]; /* empty: none was named */
} paths_t;

static cps_err_t split(cps_conf_t *c, paths_t *paths)
{
    const char *comma = strrchr(c->file, ',');
    size_t len = comma != NULL ? (size_t)(comma - c->file) : strlen(c->file);
    paths->numbers[0] = '\0';
    if (strlen(c->file) >= PATH_ROOM || len == 0) {
        cps_conf_fail_file(c, CPS_ERR_IO, "is no path");
        return c->err;
    }
    snprintf(paths->file, sizeof paths->file, "%.*s", (int)len, c->file);
    if (comma != NULL)
        snprintf(paths->numbers, sizeof paths->numbers, "%s", comma + 1);
    return CPS_OK;
}

/* ---- lines ---- */

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t len = strlen(text);
    while (len != 0 && strchr(" \t\r", text[len - 1]) != NULL)
        text[--len] = '\0';
    if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
        text[len - 1] = '\0';
        text++;
    }
    return text;
}

/* Bytes of a hex or ascii value; ptr NULL where it is neither. */
static cps_bytes_t bytes_of(config_t *f, const char *encoding, const char *value)
{
    size_t len = 0;
    size_t room = strlen(value) / 2 + 1;
    if (strcmp(encoding, "ascii") == 0)
        return cps_bytes_str(value);
    uint8_t *place = strcmp(encoding, "hex") == 0 ? cps_conf_take(&f->mem, room) : NULL;
    if (place == NULL || !cps_hex_decode(value, strlen(value), place, room, &len))
        return cps_bytes(NULL, 0);
    return cps_bytes(place, len);
}

static bool take_bytes(config_t *f, cps_bytes_t *to, const char *encoding, const char *value, size_t max)
{
    *to = bytes_of(f, encoding, value);
    return to->ptr != NULL && to->len <= max;
}

static bool take_hash(cps_cred_raw_t *raw, const char *value)
{
    long number = strtol(value, NULL, 10);
    bool is_512 = number == HKDF_512 || strcmp(value, "direct+HKDF-SHA-512") == 0;
    raw->hkdf = is_512 ? CPS_HASH_SHA512 : CPS_HASH_SHA256;
    return is_512 || number == HKDF_256 || strcmp(value, "direct+HKDF-SHA-256") == 0;
}

static bool take_window(cps_cred_raw_t *raw, const char *value)
{
    char *end = NULL;
    unsigned long number = strtoul(value, &end, 10);
    raw->window = (uint32_t)number;
    return *value >= '0' && *value <= '9' && *end == '\0' && number <= 64;
}

/* What has no meaning for a key of ours, and what would make one useless. */
static bool take_rest(cps_cred_raw_t *raw, const char *keyword, const char *value)
{
    static const char *const passed[] = {"ssn_freq", "rfc8613_b_1_2"};
    bool on = strcmp(value, "true") == 0;
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
        if (strcmp(keyword, passed[i]) == 0)
            return true;
    if (strcmp(keyword, "rfc8613_b_2") == 0) {
        raw->rederivable = on;
        return true;
    }
    return strncmp(keyword, "break_", 6) == 0 && !on;
}

static bool take(config_t *f, const char *keyword, const char *encoding, const char *value)
{
    cps_cred_raw_t *raw = &f->raw;
    const struct {
        const char *keyword;
        cps_bytes_t *to;
        size_t max;
    } bytes[] = {{"master_secret", &raw->master_secret, CPS_STORE_SECRET_MAX},
                 {"master_salt", &raw->master_salt, CPS_STORE_BYTES_MAX},
                 {"id_context", &raw->id_context, CPS_STORE_BYTES_MAX},
                 {"sender_id", &raw->sender_id, 7},
                 {"recipient_id", &raw->recipient_id, 7}};
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++)
        if (strcmp(keyword, bytes[i].keyword) == 0) /* one recipient is one key */
            return bytes[i].to->ptr == NULL && take_bytes(f, bytes[i].to, encoding, value, bytes[i].max);
    if (strcmp(keyword, "aead_alg") == 0) {
        raw->algorithm = value;
        return true;
    }
    if (strcmp(keyword, "hkdf_alg") == 0)
        return take_hash(raw, value);
    return strcmp(keyword, "replay_window") == 0 ? take_window(raw, value) : take_rest(raw, keyword, value);
}

static void read_line(cps_conf_t *c, config_t *f, char *line, unsigned number)
{
    char what[128];
    char *keyword = trim(line);
    if (keyword[0] == '\0' || keyword[0] == '#')
        return;
    char *encoding = strchr(keyword, ',');
    char *value = encoding != NULL ? strchr(encoding + 1, ',') : NULL;
    if (value != NULL) {
        *encoding++ = '\0';
        *value++ = '\0';
        if (take(f, trim(keyword), trim(encoding), trim(value)))
            return;
    }
    snprintf(what, sizeof what,
             "line %u is not understood: keyword,encoding,value as in coap-oscore-conf(5), once each", number);
    cps_conf_fail_file(c, CPS_ERR_CONFIG, what);
}

static void read_lines(cps_conf_t *c, config_t *f)
{
    unsigned number = 1;
    for (char *line = f->text; line != NULL; number++) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end++ = '\0';
        read_line(c, f, line, number);
        line = end;
    }
    if (c->err == CPS_OK &&
        (f->raw.master_secret.ptr == NULL || f->raw.sender_id.ptr == NULL || f->raw.recipient_id.ptr == NULL))
        cps_conf_fail_file(c, CPS_ERR_CONFIG, "does not give master_secret, sender_id and recipient_id");
}

/* ---- read ---- */

static bool read_next(const paths_t *paths, char digits[16])
{
    char text[64];
    if (paths->numbers[0] == '\0' || !cps_cred_read_small(paths->numbers, text, sizeof text))
        return false;
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len > 13 || text[len + strspn(text + len, " \r\n")] != '\0')
        return false;
    snprintf(digits, 16, "%.*s", (int)len, text);
    return true;
}

static cps_err_t read_text(cps_conf_t *c, const paths_t *paths, const cps_cred_options_t *options, char *text)
{
    cps_conf_t part;
    int fd = -1;
    cps_conf_init(&part, paths->file);
    if (cps_cred_open(&part, options, &fd) != CPS_OK)
        cps_conf_fail_file(c, part.err, cps_conf_error_text(&part, 0));
    ssize_t got = fd >= 0 ? read(fd, text, TEXT_MAX - 1) : 0;
    if (fd >= 0 && (got < 0 || (size_t)got == TEXT_MAX - 1))
        cps_conf_fail_file(c, CPS_ERR_IO, "cannot be read, or is too long");
    text[got > 0 ? got : 0] = '\0';
    if (fd >= 0)
        close(fd);
    cps_conf_fini(&part);
    return c->err;
}

static cps_err_t read_config(cps_conf_t *c, const cps_cred_options_t *options, cps_cred_t *out)
{
    paths_t paths;
    char digits[16];
    memset(out, 0, sizeof *out);
    config_t *f = calloc(1, sizeof *f);
    if (f == NULL || split(c, &paths) != CPS_OK) {
        free(f);
        return c->err != CPS_OK ? c->err : CPS_ERR_MEMORY;
    }
    f->raw = (cps_cred_raw_t){.algorithm = "AES-CCM-16-64-128", .window = 32};
    if (read_text(c, &paths, options, f->text) == CPS_OK)
        read_lines(c, f);
    f->raw.next_sequence = read_next(&paths, digits) ? digits : NULL;
    if (c->err == CPS_OK)
        (void)!cps_cred_take(c, &f->raw, options, out);
    out->used = out->has_next && out->next >= CPS_STORE_NUMBER_MAX;
    cps_conf_mem_fini(&f->mem);
    cps_wipe(f, sizeof *f);
    free(f);
    return c->err;
}

/* ---- mark, write ---- */

static cps_err_t mark_used(cps_conf_t *c)
{
    paths_t paths;
    char digits[16];
    if (split(c, &paths) != CPS_OK)
        return c->err;
    if (!read_next(&paths, digits))
        cps_conf_fail_file(c, CPS_ERR_NOT_FOUND, "has no file with its sequence number: write libcoap:FILE,SEQUENCE");
    else if (strcmp(digits, SPENT) == 0)
        cps_conf_fail_file(c, CPS_ERR_EXISTS, "is marked as used: it was imported before");
    else
        (void)!cps_cred_replace(c, paths.numbers, SPENT "\n");
    return c->err;
}

static void put(cps_writer_t *w, const char *keyword, const uint8_t *bytes, size_t len)
{
    char hex[2 * CPS_STORE_SECRET_MAX + 1];
    (void)!cps_hex_encode(cps_bytes(bytes, len), hex, sizeof hex);
    cps_write_str(w, keyword);
    cps_write_str(w, ",hex,\"");
    cps_write_str(w, hex);
    cps_write_str(w, "\"\n");
    cps_wipe(hex, sizeof hex);
}

static void put_config(cps_writer_t *w, const cps_store_key_t *key)
{
    char line[160];
    put(w, "master_secret", key->secret, key->secret_len);
    if (key->salt.len != 0)
        put(w, "master_salt", key->salt.data, key->salt.len);
    if (key->has_id_context)
        put(w, "id_context", key->id_context.data, key->id_context.len);
    put(w, "sender_id", key->sender_id.data, key->sender_id.len);
    put(w, "recipient_id", key->recipient_id.data, key->recipient_id.len);
    snprintf(line, sizeof line, "replay_window,integer,%u\naead_alg,integer,%d\nhkdf_alg,integer,%d\n", key->window,
             (int)key->aead, key->hash == CPS_HASH_SHA512 ? HKDF_512 : HKDF_256);
    cps_write_str(w, line);
}

static cps_err_t write_one(cps_conf_t *c, const char *path, cps_bytes_t text)
{
    cps_conf_t part;
    cps_conf_init(&part, path);
    cps_err_t err = cps_cred_write_file(&part, text);
    if (err != CPS_OK)
        cps_conf_fail_file(c, err, cps_conf_error_text(&part, 0));
    cps_conf_fini(&part);
    return err;
}

static cps_err_t write_config(cps_conf_t *c, const cps_store_key_t *key, uint64_t next)
{
    paths_t paths;
    uint8_t text[2048];
    char number[32];
    cps_writer_t w = cps_writer(text, sizeof text);
    if (split(c, &paths) != CPS_OK)
        return c->err;
    if (paths.numbers[0] == '\0' || !cps_cred_is_sound(key)) {
        cps_conf_fail_file(c, CPS_ERR_ARGUMENT, "write libcoap:FILE,SEQUENCE: its number goes into a file of its own");
        return c->err;
    }
    put_config(&w, key);
    snprintf(number, sizeof number, "%llu\n", (unsigned long long)next);
    cps_err_t err = write_one(c, paths.numbers, cps_bytes_str(number)); /* first: without it, it would start at 0 */
    if (err == CPS_OK && (err = write_one(c, paths.file, cps_written(&w))) != CPS_OK)
        (void)unlink(paths.numbers);
    cps_wipe(text, sizeof text);
    return err;
}

const cps_cred_form_t cps_cred_libcoap = {"libcoap:", read_config, mark_used, write_config};
