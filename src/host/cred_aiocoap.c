// SPDX-License-Identifier: Apache-2.0
/* Folders of aiocoap's FilesystemSecurityContext. */
#include "host/cred_foreign.h"

#include "crypto/provider.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_ROOM     4096U
#define SEQUENCE_MAX  512U
#define SPENT         "1099511627776" /* 2^40 */
#define NEXT_TO_SEND  "\"next-to-send\""
#define WINDOW_UNSAID 32U

/* What one of the two files says; a value may stand in hex or as text. */
typedef struct folder {
    cps_bytes_t secret, salt, id_context, sender_id, recipient_id;
    const char *secret_text, *salt_text, *id_context_text, *sender_text, *recipient_text;
    const char *algorithm;
    uint32_t hash;
    uint32_t window;
} folder_t;

static const char *const hashes[] = {"sha256", "sha512", NULL};

#define ROW(k, kd, member) .key = (k), .kind = (kd), .offset = offsetof(folder_t, member)

static const cps_conf_row_t rows[] = {
    {ROW("secret_hex", &cps_conf_hex, secret), .secret = true, .max = CPS_STORE_SECRET_MAX, .help = "Master Secret."},
    {ROW("secret_ascii", &cps_conf_string, secret_text), .secret = true, .max = CPS_STORE_SECRET_MAX,
     .help = "Master Secret."},
    {ROW("salt_hex", &cps_conf_hex, salt), .secret = true, .max = CPS_STORE_BYTES_MAX, .help = "Master Salt."},
    {ROW("salt_ascii", &cps_conf_string, salt_text), .secret = true, .max = CPS_STORE_BYTES_MAX,
     .help = "Master Salt."},
    {ROW("id-context_hex", &cps_conf_hex, id_context), .max = CPS_STORE_BYTES_MAX, .help = "ID Context."},
    {ROW("id-context_ascii", &cps_conf_string, id_context_text), .max = CPS_STORE_BYTES_MAX, .help = "ID Context."},
    {ROW("sender-id_hex", &cps_conf_hex, sender_id), .max = 7, .help = "Sender ID."},
    {ROW("sender-id_ascii", &cps_conf_string, sender_text), .max = 7, .help = "Sender ID."},
    {ROW("recipient-id_hex", &cps_conf_hex, recipient_id), .max = 7, .help = "Recipient ID."},
    {ROW("recipient-id_ascii", &cps_conf_string, recipient_text), .max = 7, .help = "Recipient ID."},
    {ROW("algorithm", &cps_conf_string, algorithm), .help = "AEAD."},
    {ROW("kdf-hashfun", &cps_conf_choice, hash), .choices = hashes, .fallback = "sha256", .help = "Hash of the HKDF."},
    {ROW("window", &cps_conf_number, window), .max = 64, .fallback = "32", .help = "Size of the replay window."},
};

static const cps_conf_table_t table = {rows, sizeof rows / sizeof rows[0], sizeof(folder_t), NULL};

/* ---- read ---- */

static bool join(char out[PATH_ROOM], const char *folder, const char *name)
{
    return snprintf(out, PATH_ROOM, "%s/%s", folder, name) < (int)PATH_ROOM;
}

static cps_bytes_t either(cps_bytes_t hex, const char *text)
{
    return hex.ptr != NULL || text == NULL ? hex : cps_bytes_str(text);
}

/* The settings of both files; what both give is an error, as aiocoap has it. */
static void merge(cps_conf_t *c, cps_bytes_t *to, cps_bytes_t more, const char *what)
{
    if (more.ptr == NULL)
        return;
    if (to->ptr != NULL)
        cps_conf_fail_file(c, CPS_ERR_CONFIG, what);
    *to = more;
}

static void add(cps_conf_t *c, const folder_t *f, cps_cred_raw_t *raw)
{
    static const char twice[] = "secret.json and settings.json give a value twice";
    merge(c, &raw->master_secret, either(f->secret, f->secret_text), twice);
    merge(c, &raw->master_salt, either(f->salt, f->salt_text), twice);
    merge(c, &raw->id_context, either(f->id_context, f->id_context_text), twice);
    merge(c, &raw->sender_id, either(f->sender_id, f->sender_text), twice);
    merge(c, &raw->recipient_id, either(f->recipient_id, f->recipient_text), twice);
    raw->algorithm = f->algorithm != NULL ? f->algorithm : raw->algorithm;
    raw->hkdf = f->hash != CPS_HASH_SHA256 ? f->hash : raw->hkdf;
    raw->window = f->window != WINDOW_UNSAID ? f->window : raw->window;
}

/* One of the files, where it is there. */
static bool load(cps_conf_t *c, const cps_cred_options_t *options, cps_conf_t *part, cps_cred_raw_t *raw)
{
    folder_t folder = {.window = WINDOW_UNSAID};
    int fd;
    if (access(part->file, F_OK) != 0)
        return false;
    if (cps_cred_open(part, options, &fd) == CPS_OK) {
        if (cps_conf_load_fd(part, fd, &table, &folder) == CPS_OK)
            add(c, &folder, raw);
        close(fd);
    }
    for (size_t i = 0; cps_conf_error_text(part, i) != NULL; i++)
        cps_conf_fail_file(c, part->err, cps_conf_error_text(part, i));
    return true;
}

/* The number after "next-to-send": the file is one small object. */
static bool read_next(const char *folder, char digits[16])
{
    char path[PATH_ROOM];
    char text[SEQUENCE_MAX];
    if (!join(path, folder, "sequence.json") || !cps_cred_read_small(path, text, sizeof text))
        return false;
    const char *at = strstr(text, NEXT_TO_SEND);
    at = at != NULL ? at + strlen(NEXT_TO_SEND) : "";
    at += strspn(at, " \t\r\n:");
    size_t len = strspn(at, "0123456789");
    if (len == 0 || len > 13)
        return false;
    snprintf(digits, 16, "%.*s", (int)len, at);
    return true;
}

/* aiocoap runs an empty context where there are no files, so what is needed is asked for by name. */
static cps_err_t check(cps_conf_t *c, bool found, const cps_cred_raw_t *raw)
{
    if (!found)
        cps_conf_fail_file(c, CPS_ERR_IO, "has neither settings.json nor secret.json");
    else if (c->err == CPS_OK &&
             (raw->master_secret.ptr == NULL || raw->sender_id.ptr == NULL || raw->recipient_id.ptr == NULL))
        cps_conf_fail_file(c, CPS_ERR_CONFIG, "its files do not give secret, sender-id and recipient-id");
    return c->err;
}

static cps_err_t read_folder(cps_conf_t *c, const cps_cred_options_t *options, cps_cred_t *out)
{
    static const char *const names[] = {"secret.json", "settings.json"};
    char paths[2][PATH_ROOM];
    char copy[PATH_ROOM];
    char digits[16];
    cps_conf_t parts[2];
    bool found = false;
    cps_cred_raw_t raw = {.algorithm = "AES-CCM-16-64-128", .window = WINDOW_UNSAID};
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < 2; i++) {
        (void)join(paths[i], c->file, names[i]);
        cps_conf_init(&parts[i], paths[i]);
        found = load(c, options, &parts[i], &raw) || found;
    }
    snprintf(copy, sizeof copy, "%s", c->file);
    const char *name = basename(copy);
    raw.name = cps_cred_name_valid(name) ? name : NULL;
    raw.next_sequence = read_next(c->file, digits) ? digits : NULL;
    cps_err_t err = check(c, found, &raw);
    if (err == CPS_OK)
        err = cps_cred_take(c, &raw, options, out);
    out->used = out->has_next && out->next >= CPS_STORE_NUMBER_MAX;
    for (size_t i = 0; i < 2; i++)
        cps_conf_fini(&parts[i]);
    return err;
}

/* ---- mark ---- */

static cps_err_t mark_used(cps_conf_t *c)
{
    char path[PATH_ROOM];
    char digits[16];
    int lock = join(path, c->file, "lock") ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) != 0) /* as aiocoap's filelock */
        cps_conf_fail_file(c, CPS_ERR_BUSY, "is in use by another process; stop that first");
    else if (!read_next(c->file, digits))
        cps_conf_fail_file(c, CPS_ERR_NOT_FOUND, "has no sequence.json with a number");
    else if (strcmp(digits, SPENT) == 0)
        cps_conf_fail_file(c, CPS_ERR_EXISTS, "is marked as used: it was imported before");
    else if (join(path, c->file, "sequence.json"))
        (void)!cps_cred_replace(c, path, "{\"next-to-send\": " SPENT ", \"received\": \"unknown\"}\n");
    if (lock >= 0)
        close(lock);
    return c->err;
}

/* ---- write ---- */

static void put(cps_writer_t *w, const char *name, const uint8_t *bytes, size_t len)
{
    char hex[2 * CPS_STORE_SECRET_MAX + 1];
    (void)!cps_hex_encode(cps_bytes(bytes, len), hex, sizeof hex);
    cps_write_str(w, "  \"");
    cps_write_str(w, name);
    cps_write_str(w, "_hex\": \"");
    cps_write_str(w, hex);
    cps_write_str(w, "\",\n");
    cps_wipe(hex, sizeof hex);
}

static cps_err_t write_part(cps_conf_t *c, const char *name, cps_bytes_t text)
{
    char path[PATH_ROOM];
    cps_conf_t part;
    if (!join(path, c->file, name))
        return CPS_ERR_ARGUMENT;
    cps_conf_init(&part, path);
    cps_err_t err = cps_cred_write_file(&part, text);
    if (err != CPS_OK)
        cps_conf_fail_file(c, err, cps_conf_error_text(&part, 0));
    cps_conf_fini(&part);
    return err;
}

/* The numbers first: a folder without them would start at 0. */
static cps_err_t write_parts(cps_conf_t *c, const cps_store_key_t *key, uint64_t next)
{
    uint8_t text[2048];
    char line[128];
    cps_writer_t w = cps_writer(text, sizeof text);
    snprintf(line, sizeof line, "{\"next-to-send\": %llu, \"received\": \"unknown\"}\n", (unsigned long long)next);
    cps_err_t err = write_part(c, "sequence.json", cps_bytes_str(line));
    cps_write_str(&w, "{\n");
    put(&w, "secret", key->secret, key->secret_len);
    put(&w, "salt", key->salt.data, key->salt.len);
    put(&w, "sender-id", key->sender_id.data, key->sender_id.len);
    put(&w, "recipient-id", key->recipient_id.data, key->recipient_id.len);
    if (key->has_id_context)
        put(&w, "id-context", key->id_context.data, key->id_context.len);
    snprintf(line, sizeof line, "  \"algorithm\": \"%s\",\n  \"kdf-hashfun\": \"%s\",\n  \"window\": %u\n}\n",
             cps_aead_find(key->aead)->name, hashes[key->hash], key->window);
    cps_write_str(&w, line);
    if (err == CPS_OK)
        err = w.failed ? CPS_ERR_NO_SPACE : write_part(c, "secret.json", cps_written(&w));
    cps_wipe(text, sizeof text);
    return err;
}

static cps_err_t write_folder(cps_conf_t *c, const cps_store_key_t *key, uint64_t next)
{
    char path[PATH_ROOM];
    if (!cps_cred_is_sound(key) || mkdir(c->file, 0700) != 0) {
        cps_conf_fail_file(c, errno == EEXIST ? CPS_ERR_EXISTS : CPS_ERR_IO,
                           "cannot be made; name a folder that is not there yet");
        return c->err;
    }
    cps_err_t err = write_parts(c, key, next);
    if (err == CPS_OK)
        return CPS_OK;
    if (join(path, c->file, "sequence.json"))
        (void)unlink(path);
    (void)rmdir(c->file);
    return err;
}

const cps_cred_form_t cps_cred_aiocoap = {"aiocoap:", read_folder, mark_used, write_folder};
