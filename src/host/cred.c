// SPDX-License-Identifier: Apache-2.0
#include "host/cred.h"

#include "crypto/provider.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STRONG_SECRET 16U /* bytes of a Master Secret that need no leave */
#define ID_ROOM       7U  /* nonce length - 6 of the longest nonce (RFC 8613 §3.3) */
#define FILE_MAX      4096U

/* ---- the table ---- */

typedef cps_cred_raw_t raw_t;

/* In the order of cps_hash_alg_t. */
static const char *const hashes[] = {"sha256", "sha512", NULL};

#define RAW(k, kd, member) .key = (k), .kind = (kd), .offset = offsetof(raw_t, member)

static const cps_conf_row_t rows[] = {
    {RAW("name", &cps_conf_string, name), .required = true, .help = "What the importer will call it."},
    {RAW("peer", &cps_conf_string, peer), .help = "What the other end is called."},
    {RAW("for", &cps_conf_string, pattern), .max = CPS_STORE_PATTERN_MAX, .help = "URIs that it is used for."},
    {RAW("master_secret", &cps_conf_hex, master_secret), .required = true, .secret = true, .min = 1,
     .max = CPS_STORE_SECRET_MAX, .help = "Master Secret."},
    {RAW("master_salt", &cps_conf_hex, master_salt), .secret = true, .max = CPS_STORE_BYTES_MAX,
     .help = "Master Salt; empty where it is absent."},
    {RAW("id_context", &cps_conf_hex, id_context), .max = CPS_STORE_BYTES_MAX, .help = "ID Context."},
    {RAW("sender_id", &cps_conf_hex, sender_id), .required = true, .max = ID_ROOM,
     .help = "Sender ID of the importer."},
    {RAW("recipient_id", &cps_conf_hex, recipient_id), .required = true, .max = ID_ROOM,
     .help = "Recipient ID of the importer."},
    {RAW("algorithm", &cps_conf_string, algorithm), .fallback = "AES-CCM-16-64-128",
     .help = "AEAD, by its name or number in the COSE registry."},
    {RAW("hkdf", &cps_conf_choice, hkdf), .choices = hashes, .fallback = "sha256", .help = "Hash of the HKDF."},
    {RAW("window", &cps_conf_number, window), .max = 64, .fallback = "32",
     .help = "Size of the replay window; 0 takes rising numbers alone."},
    {RAW("rederivable", &cps_conf_bool, rederivable), .fallback = "false",
     .help = "Fresh keys by RFC 8613 appendix B.2 are allowed."},
    {RAW("fresh", &cps_conf_bool, fresh), .fallback = "false", .help = "Nothing was ever sent with it."},
    {RAW("next_sequence", &cps_conf_string, next_sequence), .help = "It has sent only numbers below that."},
    {RAW("used", &cps_conf_bool, used), .fallback = "false", .help = "It was imported."},
};

static const cps_conf_table_t table = {rows, sizeof rows / sizeof rows[0], sizeof(raw_t), NULL};

/* ---- checks ---- */

bool cps_cred_name_valid(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@";
    size_t len = strlen(name);
    return len != 0 && len <= CPS_STORE_NAME_MAX && name[0] != '-' && name[0] != '.' && strspn(name, letters) == len;
}

/* Patterns are URIs: no blank, no control, nothing that ends a text in quotes. */
static bool is_pattern(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text >= 0x7f || *text == '"' || *text == '\\')
            return false;
    return true;
}

static void check_names(cps_conf_t *c, const raw_t *raw)
{
    static const char what[] = "is no name; it has 1 to 63 letters, digits and ._-@, neither - nor . first";
    if (raw->name != NULL && !cps_cred_name_valid(raw->name))
        cps_conf_fail(c, CPS_ERR_CONFIG, "name", what);
    if (raw->peer != NULL && !cps_cred_name_valid(raw->peer))
        cps_conf_fail(c, CPS_ERR_CONFIG, "peer", what);
    if (raw->pattern != NULL && !is_pattern(raw->pattern))
        cps_conf_fail(c, CPS_ERR_CONFIG, "for", "is no URI pattern; write coap://door.local/**");
}

/* An algorithm by name or number; NULL with an error where there is none. */
static const cps_aead_t *check_algorithm(cps_conf_t *c, const raw_t *raw)
{
    char *end = NULL;
    long number = strtol(raw->algorithm, &end, 10);
    const cps_aead_t *aead = cps_aead_by_name(cps_bytes_str(raw->algorithm));
    if (aead == NULL && *end == '\0' && number > 0 && number < 256)
        aead = cps_aead_find((int32_t)number);
    if (aead == NULL)
        cps_conf_fail(c, CPS_ERR_ALGORITHM, "algorithm",
                      "is not supported; write AES-CCM-16-64-128 (10) or another "
                      "AEAD of the COSE registry");
    return aead;
}

static void check_ids(cps_conf_t *c, const raw_t *raw, const cps_aead_t *aead)
{
    size_t most = aead != NULL ? aead->nonce_len - 6U : ID_ROOM;
    if (raw->sender_id.len > most)
        cps_conf_fail(c, CPS_ERR_BAD_ID, "sender_id", "has %zu bytes; this algorithm takes %zu", raw->sender_id.len,
                      most);
    if (raw->recipient_id.len > most)
        cps_conf_fail(c, CPS_ERR_BAD_ID, "recipient_id", "has %zu bytes; this algorithm takes %zu",
                      raw->recipient_id.len, most);
    if (raw->sender_id.ptr != NULL && raw->recipient_id.ptr != NULL &&
        cps_bytes_equal(raw->sender_id, raw->recipient_id))
        cps_conf_fail(c, CPS_ERR_BAD_ID, "recipient_id", "is equal to sender_id; the two ends need different ones");
}

static void put_name(char *out, size_t room, const char *text) { snprintf(out, room, "%s", text != NULL ? text : ""); }

static void put_bytes(cps_store_bytes_t *out, cps_bytes_t bytes)
{
    cps_copy(out->data, bytes.ptr, bytes.len);
    out->len = (uint8_t)bytes.len;
}

static void fill_key(cps_store_key_t *key, const raw_t *raw, const cps_aead_t *aead)
{
    put_name(key->name, sizeof key->name, raw->name);
    put_name(key->peer, sizeof key->peer, raw->peer);
    put_name(key->pattern, sizeof key->pattern, raw->pattern);
    cps_copy(key->secret, raw->master_secret.ptr, raw->master_secret.len);
    key->secret_len = (uint8_t)raw->master_secret.len;
    put_bytes(&key->salt, raw->master_salt);
    put_bytes(&key->id_context, raw->id_context);
    key->has_id_context = raw->id_context.ptr != NULL;
    put_bytes(&key->sender_id, raw->sender_id);
    put_bytes(&key->recipient_id, raw->recipient_id);
    key->aead = aead->cose;
    key->hash = (uint8_t)raw->hkdf;
    key->window = (uint8_t)raw->window;
    key->rederivable = raw->rederivable;
}

/* ---- read ---- */

static bool is_within(const char *path, const char *folder)
{
    size_t len = folder != NULL ? strlen(folder) : 0;
    return len != 0 && strncmp(path, folder, len) == 0 && path[len] == '/' && strstr(path + len, "/..") == NULL;
}

/* That nobody else reads the open file, nor can have put anything into it. */
static cps_err_t check_mode(cps_conf_t *c, int fd, const cps_cred_options_t *options)
{
    struct stat st;
    char what[320];
    mode_t closed =
        is_within(c->file, options->credentials_directory) ? S_IRWXO | S_IWGRP | S_IXGRP : S_IRWXO | S_IRWXG;
    if (fstat(fd, &st) != 0) {
        cps_conf_fail_file(c, CPS_ERR_IO, strerrordesc_np(errno));
    } else if (!S_ISREG(st.st_mode)) {
        cps_conf_fail_file(c, CPS_ERR_IO, "is not a file");
    } else if ((st.st_mode & closed) != 0) {
        snprintf(what, sizeof what, "others can read it or write to it; \"chmod 600 %.240s\" closes it", c->file);
        cps_conf_fail_file(c, CPS_ERR_EXPOSED_SECRET, what);
    }
    return c->err;
}

static void check_next(cps_conf_t *c, const raw_t *raw, cps_cred_t *out)
{
    char *end = NULL;
    const char *text = raw->next_sequence;
    out->has_next = text != NULL;
    if (text == NULL)
        return;
    out->next = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || strlen(text) > 13 || out->next > CPS_STORE_NUMBER_MAX)
        cps_conf_fail(c, CPS_ERR_CONFIG, "next_sequence", "is no sequence number: 0 to 2^40");
}

cps_err_t cps_cred_take(cps_conf_t *c, const cps_cred_raw_t *raw, const cps_cred_options_t *options, cps_cred_t *out)
{
    check_names(c, raw);
    const cps_aead_t *aead = check_algorithm(c, raw);
    check_ids(c, raw, aead);
    check_next(c, raw, out);
    if (raw->master_secret.len != 0 && raw->master_secret.len < STRONG_SECRET && !options->weak)
        cps_conf_fail(c, CPS_ERR_WEAK_SECRET, "master_secret", "has fewer than 16 bytes; --weak takes it all the same");
    if (c->err != CPS_OK || aead == NULL)
        return c->err;
    fill_key(&out->key, raw, aead);
    out->fresh = raw->fresh;
    out->used = raw->used;
    return CPS_OK;
}

static cps_err_t read_open(cps_conf_t *c, int fd, const cps_cred_options_t *options, cps_cred_t *out)
{
    raw_t raw;
    if (check_mode(c, fd, options) != CPS_OK)
        return c->err;
    memset(&raw, 0, sizeof raw);
    cps_err_t err = cps_conf_load_fd(c, fd, &table, &raw);
    if (raw.algorithm == NULL) /* not a file of keys at all, and said so */
        return err;
    return cps_cred_take(c, &raw, options, out);
}

cps_err_t cps_cred_open(cps_conf_t *c, const cps_cred_options_t *options, int *fd)
{
    *fd = open(c->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0) {
        cps_conf_fail_file(c, CPS_ERR_IO, strerrordesc_np(errno));
        return c->err;
    }
    if (check_mode(c, *fd, options) == CPS_OK)
        return CPS_OK;
    close(*fd);
    *fd = -1;
    return c->err;
}

cps_err_t cps_cred_read(cps_conf_t *c, const cps_cred_options_t *options, cps_cred_t *out)
{
    int fd;
    memset(out, 0, sizeof *out);
    cps_err_t err = cps_cred_open(c, options, &fd);
    if (err != CPS_OK)
        return err;
    err = read_open(c, fd, options, out);
    close(fd);
    return err;
}

/* ---- write ---- */

static void put_text(cps_writer_t *w, const char *key, const char *text)
{
    if (text[0] == '\0')
        return;
    cps_write_str(w, key);
    cps_write_str(w, ": \"");
    cps_write_str(w, text);
    cps_write_str(w, "\"\n");
}

static void put_hex(cps_writer_t *w, const char *key, const uint8_t *bytes, size_t len)
{
    cps_write_str(w, key);
    cps_write_str(w, ": \"");
    uint8_t *place = cps_write_skip(w, 2 * len + 1); /* and a zero, which the next text takes the place of */
    if (place == NULL || !cps_hex_encode(cps_bytes(bytes, len), (char *)place, 2 * len + 1))
        return;
    w->cur--;
    cps_write_str(w, "\"\n");
}

static void put_key(cps_writer_t *w, const cps_store_key_t *key, const uint64_t *next)
{
    char number[32];
    snprintf(number, sizeof number, "%u", key->window);
    cps_write_str(w,
                  "# A credential of coapsule. Whoever reads this can read and forge what it protects: hand it over\n"
                  "# safely, and import it once, with: coapsule key import FILE\n");
    put_text(w, "name", key->name);
    put_text(w, "peer", key->peer);
    put_text(w, "for", key->pattern);
    put_hex(w, "master_secret", key->secret, key->secret_len);
    put_hex(w, "master_salt", key->salt.data, key->salt.len);
    if (key->has_id_context)
        put_hex(w, "id_context", key->id_context.data, key->id_context.len);
    put_hex(w, "sender_id", key->sender_id.data, key->sender_id.len);
    put_hex(w, "recipient_id", key->recipient_id.data, key->recipient_id.len);
    put_text(w, "algorithm", cps_aead_find(key->aead)->name);
    put_text(w, "hkdf", hashes[key->hash]);
    cps_write_str(w, "window: ");
    cps_write_str(w, number);
    cps_write_str(w, key->rederivable ? "\nrederivable: true" : "");
    snprintf(number, sizeof number, "\nnext_sequence: %llu\n", next != NULL ? (unsigned long long)*next : 0ULL);
    cps_write_str(w, next != NULL ? number : "\nfresh: true\n");
}

bool cps_cred_is_sound(const cps_store_key_t *key)
{
    const cps_aead_t *aead = cps_aead_find(key->aead);
    if (aead == NULL || key->hash >= CPS_HASH_COUNT || key->window > 64 || key->secret_len == 0)
        return false;
    size_t most = aead->nonce_len - 6U;
    bool ids = key->sender_id.len <= most && key->recipient_id.len <= most &&
               !cps_bytes_equal(cps_bytes(key->sender_id.data, key->sender_id.len),
                                cps_bytes(key->recipient_id.data, key->recipient_id.len));
    return ids && cps_cred_name_valid(key->name) && (key->peer[0] == '\0' || cps_cred_name_valid(key->peer)) &&
           is_pattern(key->pattern);
}

static bool write_all(int fd, cps_bytes_t bytes)
{
    while (bytes.len != 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno != EINTR)
            return false;
        bytes = cps_bytes(bytes.ptr + (n > 0 ? n : 0), bytes.len - (n > 0 ? (size_t)n : 0));
    }
    return true;
}

/* A new name is on disk when its folder is. */
static bool sync_folder(const char *file)
{
    char copy[4096];
    if (snprintf(copy, sizeof copy, "%s", file) >= (int)sizeof copy)
        return false;
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

static cps_err_t fail_io(cps_conf_t *c, const char *what)
{
    char text[320];
    snprintf(text, sizeof text, "%s: %s", what, strerrordesc_np(errno));
    cps_conf_fail_file(c, CPS_ERR_IO, text);
    return c->err;
}

cps_err_t cps_cred_write_file(cps_conf_t *c, cps_bytes_t bytes)
{
    int fd = open(c->file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) {
        cps_conf_fail_file(c, CPS_ERR_EXISTS, "exists already and is left as it is");
        return c->err;
    }
    if (fd < 0)
        return fail_io(c, "cannot be made");
    /* the mode again, since a umask may have left the owner without his rights */
    bool ok = fchmod(fd, 0600) == 0 && write_all(fd, bytes) && fsync(fd) == 0;
    ok = close(fd) == 0 && ok;
    ok = ok && sync_folder(c->file);
    if (ok)
        return CPS_OK;
    cps_err_t err = fail_io(c, "cannot be written");
    (void)unlink(c->file);
    return err;
}

static cps_err_t write_key(cps_conf_t *c, const cps_store_key_t *key, const uint64_t *next)
{
    uint8_t text[FILE_MAX];
    cps_writer_t w = cps_writer(text, sizeof text);
    bool sound = cps_cred_is_sound(key);
    if (sound)
        put_key(&w, key, next);
    if (!sound || w.failed) {
        cps_conf_fail_file(c, CPS_ERR_ARGUMENT, "is not written: this key could not be imported");
        return c->err;
    }
    cps_err_t err = cps_cred_write_file(c, cps_written(&w));
    cps_wipe(text, sizeof text);
    return err;
}

cps_err_t cps_cred_write(cps_conf_t *c, const cps_store_key_t *key) { return write_key(c, key, NULL); }

cps_err_t cps_cred_export(cps_conf_t *c, const cps_store_key_t *key, uint64_t next) { return write_key(c, key, &next); }

/* ---- mark ---- */

/* Whether the open file reads well and is marked. Leave is taken for everything: this is not an import. */
static cps_err_t read_mark(cps_conf_t *c, int fd, bool *used)
{
    cps_cred_t cred;
    cps_cred_options_t options = {.weak = true, .credentials_directory = NULL};
    memset(&cred, 0, sizeof cred);
    cps_err_t err = lseek(fd, 0, SEEK_SET) == 0 ? read_open(c, fd, &options, &cred) : CPS_ERR_IO;
    *used = cred.used;
    cps_wipe(&cred, sizeof cred);
    return err;
}

/* One line more. Where the file does not read as marked then (it is in braces, or ends in an open text), it is taken
 * back. */
static cps_err_t append_mark(cps_conf_t *c, int fd)
{
    struct stat st;
    cps_conf_t again;
    bool used = false;
    char last = '\n';
    if (fstat(fd, &st) != 0 || (st.st_size != 0 && pread(fd, &last, 1, st.st_size - 1) != 1))
        return fail_io(c, "cannot be marked as used");
    bool written =
        write_all(fd, last == '\n' ? CPS_BYTES_LIT("used: true\n") : CPS_BYTES_LIT("\nused: true\n")) && fsync(fd) == 0;
    if (!written) {
        cps_err_t err = fail_io(c, "cannot be marked as used");
        (void)!ftruncate(fd, st.st_size);
        return err;
    }
    cps_conf_init(&again, c->file);
    cps_err_t err = read_mark(&again, fd, &used);
    cps_conf_fini(&again);
    if (err == CPS_OK && used)
        return CPS_OK;
    if (ftruncate(fd, st.st_size) != 0 || fsync(fd) != 0)
        return fail_io(c, "cannot be marked as used");
    cps_conf_fail_file(c, CPS_ERR_CONFIG, "cannot be marked as used; write its keys in lines, without braces");
    return c->err;
}

cps_err_t cps_cred_mark_used(cps_conf_t *c)
{
    bool used = false;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(c->file, O_RDWR | O_APPEND | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_io(c, "cannot be marked as used");
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0)
        cps_conf_fail_file(c, CPS_ERR_BUSY, "is being imported by another command");
    else if (read_mark(c, fd, &used) == CPS_OK && used)
        cps_conf_fail_file(c, CPS_ERR_EXISTS, "is marked as used: it was imported before");
    else if (c->err == CPS_OK)
        (void)append_mark(c, fd);
    close(fd);
    return c->err;
}
